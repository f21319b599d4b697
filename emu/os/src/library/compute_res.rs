//! Compute resources: vector TCM, asked for with an attribute block and held under a context number.
//!
//! VTCM is ordinary memory at a fixed address, handed out first-fit in pages of 64 KiB (a single-page request is aligned
//! to its size). A request that cannot be met waits its time-out for somebody to release. Every thread has a matrix unit
//! (HMX) of its own, so a request for it is met at once if the core has one at all, and locking it never waits. A thread that uses
//! the unit without its lock, and VTCM that nobody holds, are exceptions if the process is strict; else the first is told once a
//! process. Before a request waits, holders of worse priority are asked to give way: their release callbacks run on the thread that
//! asks.
//!
//! The attribute block is 64 bytes and opaque to programs; its layout here is our own.

use crate::clock::Time;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::resources::{GRANULE, Request};
use crate::memory::layout::VTCM;
use crate::sched::Wait;
use emu_core::mem::Prot;
use hexagon_isa::Arch;
use hexagon_isa::info::Feature;
use rpmsg::Aee;
use std::time::Duration;

/// Rows of the table: skeletons import the short names (weak) or, built with other headers, the long ones.
macro_rules! both {
    ($($name:literal $handler:ident $result:literal $arguments:literal $what:literal $(.$state:ident($answer:literal))?;)*) => {
        &[$(
            import(
                concat!("compute_resource_", $name),
                $handler,
                concat!("`", $result, "compute_resource_", $name, $arguments, "`: ", $what),
            )$(.$state($answer))?,
            import(
                concat!("HAP_compute_res_", $name),
                $handler,
                concat!("`", $result, "HAP_compute_res_", $name, $arguments, "`: ", $what),
            )$(.$state($answer))?,
        )*]
    };
}

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = both! {
    "attr_init" init "int " "(attr *)" "clears an attribute block";
    "attr_set_serialize" set_serialize "int " "(attr *, bool)" "asks to wait as long as another one that asked for this is held";
    "attr_set_vtcm_param" set_vtcm "int " "(attr *, unsigned size, bool single_page)" "asks for VTCM";
    "attr_set_vtcm_param_v2" set_vtcm_v2 "int " "(attr *, unsigned size, unsigned min_page, unsigned min_size)" "asks for VTCM, or for less";
    "attr_set_release_callback" set_callback "int " "(attr *, int (*f)(unsigned context, void *), void *)" "what asks to give way";
    "attr_set_cache_mode" set_cache_mode "int " "(attr *, bool)" "asks for acquire_cached and release_cached" .without_effect("0");
    "attr_set_hmx_param" set_hmx "int " "(attr *, unsigned)" "asks for the matrix unit";
    "attr_set_app_type" set_app_type "int " "(attr *, int)" "says which kind of application asks" .without_effect("0");
    "attr_get_vtcm_ptr" vtcm_ptr "void *" "(attr *)" "where the VTCM that was acquired is";
    "attr_get_vtcm_ptr_v2" vtcm_ptr_v2 "int " "(attr *, void **, unsigned *size)" "where it is, and how much";
    "acquire" acquire "unsigned " "(attr *, unsigned timeout_us)" "a context, or 0";
    "release" release "int " "(unsigned context)" "gives everything back";
    "acquire_cached" acquire_cached "int " "(unsigned context, unsigned timeout_us)" "what was acquired is still held";
    "release_cached" release_cached "int " "(unsigned context)" "stays held, as long as nobody takes it away";
    "check_release_request" was_asked "int " "(unsigned context)" "was its holder asked to give way?";
    "update_priority" update_priority "int " "(unsigned context, unsigned short priority)" "how much the holder counts from now on; 0: as much as the caller's thread";
    "hmx_lock" hmx_lock "int " "(unsigned context)" "the thread may use the matrix unit; never waits, each has one of its own";
    "hmx_unlock" hmx_unlock "int " "(unsigned context)" "the thread may not use the matrix unit any more";
    "query_VTCM" query "int " "(unsigned application, unsigned *total, table *, unsigned *free, table *)" "how much there is";
};

/// Word offsets in the attribute block.
mod field {
    pub const MAGIC: u32 = 0;
    pub const SIZE: u32 = 4;
    pub const MIN_SIZE: u32 = 8;
    pub const PAGE: u32 = 12;
    pub const HMX: u32 = 16;
    pub const CALLBACK: u32 = 20;
    pub const CALLBACK_ARG: u32 = 24;
    pub const SERIALIZE: u32 = 28;
    pub const POINTER: u32 = 32;
    pub const GIVEN: u32 = 36;
}
const MAGIC: u32 = 0x5245_5343;
/// Bytes of the attribute block.
const ATTRIBUTES: u32 = 64;

fn attributes(c: &Call<'_>, at: u32) -> Result<bool, Stop> {
    Ok(c.load32(at.wrapping_add(field::MAGIC))? == MAGIC)
}

fn set_word(c: &mut Call<'_>, at: u32, offset: u32, value: u32) -> Done {
    if !attributes(c, at)? {
        return c.ret_code(Aee::BAD_PARM);
    }
    c.store32(at.wrapping_add(offset), value)?;
    c.ret(0)
}

fn init(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.store(at, &[0; ATTRIBUTES as usize])?;
    c.store32(at.wrapping_add(field::MAGIC), MAGIC)?;
    c.store32(at.wrapping_add(field::PAGE), GRANULE)?;
    c.ret(0)
}

fn set_serialize(c: &mut Call<'_>) -> Done {
    let (at, v) = (c.arg(0)?, c.arg(1)? & 0xff);
    set_word(c, at, field::SERIALIZE, v)
}

fn set_vtcm(c: &mut Call<'_>) -> Done {
    let (at, size, single) = (c.arg(0)?, c.arg(1)?, c.arg(2)? & 0xff != 0);
    let page = if single {
        size.checked_next_power_of_two().unwrap_or(1 << 31)
    } else {
        GRANULE
    };
    vtcm(c, at, size, size, page)
}

fn set_vtcm_v2(c: &mut Call<'_>) -> Done {
    let (at, size, page, least) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    let page = if page == 0 {
        GRANULE
    } else {
        page.checked_next_power_of_two().unwrap_or(1 << 31)
    };
    vtcm(c, at, size, if least == 0 { size } else { least.min(size) }, page)
}

fn vtcm(c: &mut Call<'_>, at: u32, size: u32, least: u32, page: u32) -> Done {
    if !attributes(c, at)? {
        return c.ret_code(Aee::BAD_PARM);
    }
    // Nothing larger than 1 MiB has to be one page here: VTCM is one range anyway.
    let page = page.clamp(GRANULE, 1 << 20);
    for (offset, v) in [(field::SIZE, size), (field::MIN_SIZE, least), (field::PAGE, page)] {
        c.store32(at.wrapping_add(offset), v)?;
    }
    c.ret(0)
}

fn set_callback(c: &mut Call<'_>) -> Done {
    let (at, callback, argument) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if attributes(c, at)? {
        c.store32(at.wrapping_add(field::CALLBACK_ARG), argument)?;
    }
    set_word(c, at, field::CALLBACK, callback)
}

fn set_cache_mode(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let ok = attributes(c, at)?;
    c.ret_code(if ok { Aee::SUCCESS } else { Aee::BAD_PARM })
}

fn set_app_type(c: &mut Call<'_>) -> Done {
    set_cache_mode(c)
}

fn set_hmx(c: &mut Call<'_>) -> Done {
    let (at, v) = (c.arg(0)?, c.arg(1)?);
    set_word(c, at, field::HMX, v)
}

fn vtcm_ptr(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let pointer = if attributes(c, at)? {
        c.load32(at.wrapping_add(field::POINTER))?
    } else {
        0
    };
    c.ret(pointer)
}

fn vtcm_ptr_v2(c: &mut Call<'_>) -> Done {
    let (at, pointer, size) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if !attributes(c, at)? {
        return c.ret_code(Aee::BAD_PARM);
    }
    c.store32(pointer, c.load32(at.wrapping_add(field::POINTER))?)?;
    c.store32(size, c.load32(at.wrapping_add(field::GIVEN))?)?;
    c.ret(0)
}

/// How VTCM that is taken or given back may be used, if that is looked at.
fn allow(c: &Call<'_>, at: u32, size: u32, prot: Prot) {
    if size > 0 && c.os.shared.config.is_strict() {
        // It is mapped as long as the process lives.
        let _ = c.os.space.protect(at, size, prot);
    }
}

/// Tells what was given; what the function returns.
fn given(c: &Call<'_>, r: &Request, (context, at, size): (u32, u32, u32)) -> Result<u32, Stop> {
    allow(c, at, size, Prot::RW);
    if r.attributes == 0 {
        return Ok(at);
    }
    c.store32(r.attributes.wrapping_add(field::POINTER), at)?;
    c.store32(r.attributes.wrapping_add(field::GIVEN), size)?;
    Ok(context)
}

fn acquire(c: &mut Call<'_>) -> Done {
    let (at, timeout) = (c.arg(0)?, c.arg(1)?);
    if !attributes(c, at)? {
        return c.ret(0);
    }
    let word = |offset| c.load32(at.wrapping_add(offset));
    let hmx = word(field::HMX)? != 0;
    let arch = c.os.shared.config.arch;
    if hmx && (arch < Arch::V68 || !arch.has(Feature::Hmx)) {
        tracing::warn!(target: "emu::os", %arch, "a program asks for HMX, which this core does not have; refused");
        return c.ret(0);
    }
    let request = Request {
        size: word(field::SIZE)?,
        min_size: word(field::MIN_SIZE)?,
        align: word(field::PAGE)?.clamp(GRANULE, 1 << 20).next_power_of_two(),
        attributes: at,
        priority: c.priority(),
        callback: (word(field::CALLBACK)?, word(field::CALLBACK_ARG)?),
        hmx,
        serial: word(field::SERIALIZE)? != 0,
    };
    ask(c, request, timeout)
}

/// Takes what is asked for, or waits for it so many microseconds; 0 if that does not help.
pub(super) fn ask(c: &mut Call<'_>, request: Request, timeout: u32) -> Done {
    if request.size > c.os.lib.resources.total && request.min_size > c.os.lib.resources.total {
        return c.ret(0);
    }
    if !c.os.lib.resources.mapped && request.size > 0 {
        let total = c.os.lib.resources.total;
        let prot = match c.os.shared.config.is_strict() {
            true => Prot::NONE,
            false => Prot::RW,
        };
        if let Err(why) = c.os.space.map_anonymous(Some(VTCM), total, prot) {
            tracing::warn!(target: "emu::os", %why, "no VTCM");
            return c.ret(0);
        }
        c.os.lib.resources.mapped = true;
    }
    let until = c.os.now() + Duration::from_micros(timeout.into());
    try_now(c, request, (timeout > 0).then_some(until))
}

/// Takes it if it is there; otherwise asks one holder after the other to give way, then waits.
fn try_now(c: &mut Call<'_>, request: Request, until: Option<Time>) -> Done {
    if let Some(taken) = c.os.lib.resources.take(&request) {
        let answer = given(c, &request, taken)?;
        return c.ret(answer);
    }
    let Some(until) = until else { return c.ret(0) };
    let held = &mut c.os.lib.resources.held;
    let asked = held
        .iter_mut()
        .find(|(_, h)| !h.asked && h.callback.0 != 0 && h.size > 0 && h.priority > request.priority);
    if let Some((&context, holding)) = asked {
        holding.asked = true;
        let (callback, argument) = holding.callback;
        let again = move |c: &mut Call<'_>, _: u64| try_now(c, request, Some(until));
        return Ok(Outcome::Enter(callback, vec![context, argument], Box::new(again)));
    }
    let waiting = (c.thread.id, c.priority(), request);
    let queue = &mut c.os.lib.resources.waiting;
    queue.retain(|w| w.0 != waiting.0);
    let place = queue.partition_point(|w| w.1 <= waiting.1);
    queue.insert(place, waiting);
    Ok(Outcome::Park(Wait::Resource, Some((until, 0))))
}

fn release(c: &mut Call<'_>) -> Done {
    let context = c.arg(0)?;
    match c.os.lib.resources.held.get(&context) {
        Some(holding) if !holding.by_address => give_back(c, context)?,
        _ => return c.ret_code(Aee::BAD_PARM),
    }
    c.ret(0)
}

/// A context is no more; who waits for what it held gets it.
pub(super) fn give_back(c: &mut Call<'_>, context: u32) -> Result<(), Stop> {
    if let Some(&held) = c.os.lib.resources.held.get(&context) {
        allow(c, held.at, held.size, Prot::NONE);
        // The unit goes with what it was asked for with.
        c.thread.core.regs.hmx.permit.locked &= !held.hmx;
    }
    c.os.lib.resources.give_back(context);
    let mut queue = std::mem::take(&mut c.os.lib.resources.waiting);
    // Those whose time-out has come in between wait no more.
    queue.retain(|&(thread, ..)| c.os.waits_for(thread) == Some(Wait::Resource));
    let mut left = Vec::new();
    for (thread, priority, request) in queue {
        match c.os.lib.resources.take(&request) {
            Some(taken) => {
                let answer = given(c, &request, taken)?;
                c.os.wake(thread, answer);
            }
            None => left.push((thread, priority, request)),
        }
    }
    c.os.lib.resources.waiting = left;
    Ok(())
}

fn acquire_cached(c: &mut Call<'_>) -> Done {
    let held = c.os.lib.resources.held.contains_key(&c.arg(0)?);
    c.ret_code(if held { Aee::SUCCESS } else { Aee::BAD_PARM })
}

fn release_cached(c: &mut Call<'_>) -> Done {
    acquire_cached(c)
}

fn was_asked(c: &mut Call<'_>) -> Done {
    let asked = c.os.lib.resources.held.get(&c.arg(0)?).is_some_and(|h| h.asked);
    c.ret(asked.into())
}

fn update_priority(c: &mut Call<'_>) -> Done {
    let priority = match u8::try_from(c.arg(1)? & 0xffff) {
        Ok(0) => c.priority(),
        Ok(priority) => priority,
        Err(_) => return c.ret_code(Aee::BAD_PARM),
    };
    let context = c.arg(0)?;
    let Some(holding) = c.os.lib.resources.held.get_mut(&context) else {
        return c.ret_code(Aee::BAD_PARM);
    };
    holding.priority = priority;
    c.ret(0)
}

/// Locks or unlocks the calling thread's unit, if the context has it.
fn set_lock(c: &mut Call<'_>, locked: bool) -> Done {
    let result = match c.os.lib.resources.held.get(&c.arg(0)?) {
        Some(holding) if holding.hmx => {
            c.thread.core.regs.hmx.permit.locked = locked;
            Aee::SUCCESS
        }
        Some(_) => Aee::UNSUPPORTED,
        None => Aee::BAD_PARM,
    };
    c.ret_code(result)
}

fn hmx_lock(c: &mut Call<'_>) -> Done {
    set_lock(c, true)
}

fn hmx_unlock(c: &mut Call<'_>) -> Done {
    set_lock(c, false)
}

/// A table is a block size, the number of entries (8 at most), and pairs of page size and page count.
fn query(c: &mut Call<'_>) -> Done {
    let (total, table, available, free_table) = (c.arg(1)?, c.arg(2)?, c.arg(3)?, c.arg(4)?);
    let all = c.os.lib.resources.total;
    let free = c.os.lib.resources.free.longest().map_or(0, |(_, len)| len as u32);
    for (word, page_table, bytes) in [(total, table, all), (available, free_table, free)] {
        if word != 0 {
            c.store32(word, bytes)?;
        }
        if page_table != 0 {
            let pages = bytes >> 20;
            for (i, v) in (0..).zip([bytes, u32::from(pages > 0), 1 << 20, pages]) {
                c.store32(page_table.wrapping_add(4 * i), v)?;
            }
        }
    }
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    fn attr(g: &mut Guest, size: u32, least: u32) -> u32 {
        let at = g.bytes(&[0xff; 64]);
        assert_eq!(
            g.call("compute_resource_attr_set_vtcm_param_v2", &[at, size, 0, least]),
            Aee::BAD_PARM.0
        );
        assert_eq!(g.call("compute_resource_attr_init", &[at]), 0);
        assert_eq!(
            g.call("compute_resource_attr_set_vtcm_param_v2", &[at, size, 0, least]),
            0
        );
        at
    }

    #[test]
    fn vtcm_is_handed_out_and_taken_back() {
        let mut g = Guest::new();
        let (all, part) = (attr(&mut g, 16 << 20, 1 << 20), attr(&mut g, 1 << 20, 0));
        let first = g.call("compute_resource_acquire", &[part, 0]);
        assert_ne!(first, 0);
        let pointer = g.call("compute_resource_attr_get_vtcm_ptr", &[part]);
        g.write(pointer, b"data");
        let rest = g.call("HAP_compute_res_acquire", &[all, 0]);
        assert_ne!(rest, 0);
        let out = g.bytes(&[0; 8]);
        assert_eq!(
            g.call("compute_resource_attr_get_vtcm_ptr_v2", &[all, out, out + 4]),
            0
        );
        assert_eq!(g.word(out + 4), 7 << 20);
        assert_eq!(g.call("compute_resource_acquire", &[part, 0]), 0);
        assert!(matches!(
            g.try_call("compute_resource_acquire", &[part, 1000]),
            Ok(Outcome::Park(Wait::Resource, Some(_)))
        ));
        assert_eq!(g.call("compute_resource_release", &[rest]), 0);
        assert_eq!(g.call("compute_resource_release", &[rest]), Aee::BAD_PARM.0);
    }

    #[test]
    fn query_shows_pages_of_one_mebibyte() {
        let mut g = Guest::new();
        let out = g.bytes(&[0; 160]);
        assert_eq!(
            g.call(
                "compute_resource_query_VTCM",
                &[0, out, out + 8, out + 4, out + 80]
            ),
            0
        );
        assert_eq!(
            (g.word(out), g.word(out + 16), g.word(out + 20)),
            (8 << 20, 1 << 20, 8)
        );
    }

    #[test]
    fn the_matrix_unit_is_there_for_who_asks() {
        let mut g = Guest::new();
        let (with, without) = (attr(&mut g, 1 << 20, 0), attr(&mut g, 0, 0));
        g.call("HAP_compute_res_attr_set_hmx_param", &[with, 1]);
        let with = g.call("HAP_compute_res_acquire", &[with, 0]);
        let without = g.call("HAP_compute_res_acquire", &[without, 0]);
        assert!(with != 0 && without != 0);
        assert_eq!(g.call("HAP_compute_res_hmx_lock", &[with]), 0);
        assert_eq!(g.call("compute_resource_hmx_unlock", &[with]), 0);
        assert_eq!(g.call("HAP_compute_res_hmx_lock", &[without]), Aee::UNSUPPORTED.0);
        assert_eq!(g.call("HAP_compute_res_release", &[with]), 0);
        assert_eq!(g.call("HAP_compute_res_hmx_lock", &[with]), Aee::BAD_PARM.0);
    }

    #[test]
    fn those_that_ask_for_it_hold_one_after_the_other() {
        let mut g = Guest::new();
        let (serial, free) = (attr(&mut g, 1 << 16, 0), attr(&mut g, 1 << 16, 0));
        assert_eq!(g.call("HAP_compute_res_attr_set_serialize", &[serial, 1]), 0);
        let first = g.call("HAP_compute_res_acquire", &[serial, 0]);
        assert_ne!(first, 0);
        assert_eq!(g.call("HAP_compute_res_acquire", &[serial, 0]), 0);
        assert_ne!(g.call("HAP_compute_res_acquire", &[free, 0]), 0);
        g.park(50, 100, "HAP_compute_res_acquire", &[serial, 1000]);
        assert_eq!(g.call("HAP_compute_res_release", &[first]), 0);
        assert!(g.is_ready(50));
        assert_ne!(g.os.sched.get(50).unwrap().0.core.regs.r[0], 0);
    }

    #[test]
    fn a_strict_process_has_only_what_it_holds() {
        use emu_core::memory::Memory as _;
        let mut g = Guest::with(|config| config.floats.strict = true);
        assert!(!g.thread.core.regs.hmx.permit.locked && g.thread.core.regs.hmx.permit.strict);
        let attributes = attr(&mut g, 1 << 16, 0);
        g.call("HAP_compute_res_attr_set_hmx_param", &[attributes, 1]);
        let context = g.call("HAP_compute_res_acquire", &[attributes, 0]);
        let at = g.call("HAP_compute_res_attr_get_vtcm_ptr", &[attributes]);
        g.write(at + 0xfffc, &[1, 2, 3, 4]);
        assert!(g.os.space.store32(at + 0x1_0000, 1).is_err());
        assert_eq!(g.call("HAP_compute_res_hmx_lock", &[context]), 0);
        assert!(g.thread.core.regs.hmx.permit.locked);
        assert_eq!(g.call("HAP_compute_res_hmx_unlock", &[context]), 0);
        assert!(!g.thread.core.regs.hmx.permit.locked);
        g.call("HAP_compute_res_hmx_lock", &[context]);
        // The lock goes with the context, and so does the memory.
        assert_eq!(g.call("HAP_compute_res_release", &[context]), 0);
        assert!(!g.thread.core.regs.hmx.permit.locked);
        assert!(g.os.space.load32(at).is_err());
        let by_address = g.call("HAP_request_VTCM", &[1 << 20, 1]);
        g.write(by_address, &[1; 4]);
    }

    #[test]
    fn a_holder_counts_as_much_as_it_says() {
        let mut g = Guest::new();
        let attributes = g.bytes(&[0; 64]);
        g.call("compute_resource_attr_init", &[attributes]);
        g.call("compute_resource_attr_set_vtcm_param", &[attributes, 0x1_0000, 0]);
        let context = g.call("compute_resource_acquire", &[attributes, 0]);
        let mut set = |priority| {
            let result = g.call("compute_resource_update_priority", &[context, priority]);
            (Aee(result), g.os.lib.resources.held[&context].priority)
        };
        assert_eq!(set(110), (Aee::SUCCESS, 110));
        assert_eq!(set(0), (Aee::SUCCESS, 100));
        assert_eq!(set(300), (Aee::BAD_PARM, 100));
    }
}
