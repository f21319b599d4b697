//! The old VTCM manager (`HAP_vtcm_mgr.h`): memory by its address, of the same VTCM as compute resources have, which came after it.
//!
//! Source: the signatures that public programs declare (Halide's run-time library for Hexagon, Qualcomm's hap_example). VTCM is handed
//! out in pages of 64 KiB; a single page is aligned to its size, as far as 1 MiB.

use super::compute_res::{ask, give_back};
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::library_state::resources::{GRANULE, Request};
use rpmsg::Aee;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("HAP_request_VTCM", request, "`void *HAP_request_VTCM(unsigned size, unsigned single_page)`: VTCM; NULL if there is not so much now"),
    import("HAP_request_async_VTCM", request_async, "`void *HAP_request_async_VTCM(unsigned size, unsigned single_page, unsigned timeout_us)`: VTCM, waiting for it; NULL after the time-out"),
    import("HAP_release_VTCM", release, "`int HAP_release_VTCM(void *)`: gives back what HAP_request_VTCM gave; AEE_EBADPARM for any other address"),
    import("HAP_query_total_VTCM", total, "`int HAP_query_total_VTCM(unsigned *page_size, unsigned *page_count)`: all that there is, in its largest pages"),
    import("HAP_query_avail_VTCM", available, "`int HAP_query_avail_VTCM(unsigned *block, unsigned *page_size, unsigned *page_count)`: bytes of the largest free block, and its largest pages"),
];

/// The largest page.
const PAGE: u32 = 1 << 20;

fn take(c: &mut Call<'_>, timeout: u32) -> Done {
    let (size, single) = (c.arg(0)?, c.arg(1)? != 0);
    if size == 0 || size > c.os.lib.resources.total {
        return c.ret(0);
    }
    let align = match single {
        true => size.next_power_of_two().clamp(GRANULE, PAGE),
        false => GRANULE,
    };
    let request = Request {
        size,
        min_size: size,
        align,
        attributes: 0,
        priority: c.priority(),
        callback: (0, 0),
        hmx: false,
        serial: false,
    };
    ask(c, request, timeout)
}

fn request(c: &mut Call<'_>) -> Done {
    take(c, 0)
}

fn request_async(c: &mut Call<'_>) -> Done {
    let timeout = c.arg(2)?;
    take(c, timeout)
}

fn release(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let mut held = c.os.lib.resources.held.iter();
    let mine = held
        .find(|(_, h)| h.by_address && h.at == at)
        .map(|(&context, _)| context);
    let Some(context) = mine else {
        return c.ret_code(Aee::BAD_PARM);
    };
    give_back(c, context)?;
    c.ret(0)
}

/// The largest pages of so much memory: size and count.
fn pages(bytes: u32) -> [u32; 2] {
    match bytes {
        0 => [0, 0],
        PAGE.. => [PAGE, bytes / PAGE],
        _ => [1 << bytes.ilog2(), 1],
    }
}

fn answer<const N: usize>(c: &mut Call<'_>, words: [u32; N]) -> Done {
    for (n, word) in words.into_iter().enumerate() {
        let at = c.arg(n)?;
        if at != 0 {
            c.store32(at, word)?;
        }
    }
    c.ret(0)
}

fn total(c: &mut Call<'_>) -> Done {
    let words = pages(c.os.lib.resources.total);
    answer(c, words)
}

fn available(c: &mut Call<'_>) -> Done {
    let block = c.os.lib.resources.free.longest().map_or(0, |(_, len)| len as u32);
    let [size, count] = pages(block);
    answer(c, [block, size, count])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::call::Outcome;
    use crate::kernel::testing::Guest;
    use crate::sched::Wait;

    fn words(g: &mut Guest, name: &str, count: u32) -> Vec<u32> {
        let at = g.bytes(&[0xff; 16]);
        let places: Vec<u32> = (0..count).map(|n| at + 4 * n).collect();
        assert_eq!(g.call(name, &places), 0);
        places.into_iter().map(|at| g.word(at)).collect()
    }

    fn available(g: &mut Guest) -> Vec<u32> {
        words(g, "HAP_query_avail_VTCM", 3)
    }

    #[test]
    fn vtcm_is_had_by_address_and_shared_with_compute_resources() {
        let mut g = Guest::with(|config| config.vtcm = 4 << 20);
        assert_eq!(words(&mut g, "HAP_query_total_VTCM", 2), [1 << 20, 4]);
        assert_eq!(available(&mut g), [4 << 20, 1 << 20, 4]);
        assert_eq!(g.call("HAP_query_avail_VTCM", &[0, 0, 0]), 0);
        let at = g.call("HAP_request_VTCM", &[100_000, 0]);
        assert!(at != 0);
        g.write(at + 99_996, &[1, 2, 3, 4]);
        let page = g.call("HAP_request_VTCM", &[1 << 20, 1]);
        assert!(page != 0 && page.is_multiple_of(1 << 20));
        assert!(available(&mut g)[0] < 3 << 20);
        assert_eq!(g.call("HAP_request_VTCM", &[4 << 20, 0]), 0);
        // A compute resource is no address, and the other way round.
        let block = g.bytes(&[0; 64]);
        g.call("compute_resource_attr_init", &[block]);
        g.call("compute_resource_attr_set_vtcm_param", &[block, 1 << 20, 1]);
        let context = g.call("compute_resource_acquire", &[block, 0]);
        assert!(context != 0);
        let theirs = g.call("compute_resource_attr_get_vtcm_ptr", &[block]);
        assert_eq!(g.call("HAP_release_VTCM", &[theirs]), Aee::BAD_PARM.0);
        for old in 0..8 {
            if old != context {
                assert_eq!(g.call("compute_resource_release", &[old]), Aee::BAD_PARM.0);
            }
        }
        assert_eq!(g.call("compute_resource_release", &[context]), 0);
        assert_eq!(g.call("HAP_release_VTCM", &[at]), 0);
        assert_eq!(g.call("HAP_release_VTCM", &[at]), Aee::BAD_PARM.0);
        assert_eq!(g.call("HAP_release_VTCM", &[page]), 0);
        assert_eq!(available(&mut g)[0], 4 << 20);
    }

    #[test]
    fn who_waits_gets_what_is_given_back() {
        let mut g = Guest::with(|config| config.vtcm = 1 << 20);
        let all = g.call("HAP_request_VTCM", &[1 << 20, 1]);
        assert_eq!(g.call("HAP_request_async_VTCM", &[1 << 16, 0, 0]), 0);
        g.park(50, 100, "HAP_request_async_VTCM", &[1 << 16, 0, 1000]);
        assert!(matches!(
            g.try_call("HAP_request_async_VTCM", &[1 << 20, 1, 1000]),
            Ok(Outcome::Park(Wait::Resource, Some((_, 0))))
        ));
        assert_eq!(g.call("HAP_release_VTCM", &[all]), 0);
        assert!(g.is_ready(50));
        assert_eq!(g.os.sched.get(50).unwrap().0.core.regs.r[0], all);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut g = Guest::new();
        for size in [0, u32::MAX, 0x8000_0001] {
            assert_eq!(g.call("HAP_request_VTCM", &[size, 1]), 0, "{size:#x}");
        }
        for at in [0, 1, u32::MAX] {
            assert_eq!(g.call("HAP_release_VTCM", &[at]), Aee::BAD_PARM.0);
        }
        assert!(g.try_call("HAP_query_total_VTCM", &[2, 0]).is_err());
        assert_eq!(
            (pages(0), pages(3 << 16), pages(5 << 20)),
            ([0, 0], [1 << 17, 1], [1 << 20, 5])
        );
    }
}
