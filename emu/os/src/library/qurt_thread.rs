//! QuRT threads: creation, end, names, priorities, thread-local storage.

use std::ops::Range;

use super::thread::{self, Start, Started};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::posix::PosixThread;
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_thread_create", create, "`int qurt_thread_create(qurt_thread_t *, qurt_thread_attr_t *, void (*f)(void *), void *)`: on the caller's stack"),
    import("qurt_thread_exit", exit, "`void qurt_thread_exit(int status)`: ends the calling thread"),
    import("qurt_thread_join", join, "`int qurt_thread_join(unsigned id, int *status)`: waits for its end; 30 if there is no such thread, 4 if it is detached or joined"),
    import("qurt_thread_detach", detach, "`int qurt_thread_detach(unsigned id)`: nobody will join it; 30 if there is no such thread, 4 if it was not created to be joined"),
    import("qurt_thread_get_id", id, "`qurt_thread_t qurt_thread_get_id(void)`: the caller's number"),
    import("qurt_thread_get_name", name, "`void qurt_thread_get_name(char *to, unsigned char room)`: the caller's own name, cut to fit"),
    import("qurt_thread_get_priority", priority, "`int qurt_thread_get_priority(qurt_thread_t)`: 1 best to 255 worst; -1 if there is no such thread"),
    import("qurt_thread_set_priority", set_priority, "`int qurt_thread_set_priority(qurt_thread_t, unsigned short)`: 1 best to 255 worst"),
    import("qurt_tls_create_key", create_key, "`int qurt_tls_create_key(int *key, void (*destructor)(void *))`: a thread-local value, destroyed when its thread ends"),
    import("qurt_tls_delete_key", delete_key, "`int qurt_tls_delete_key(int key)`: forgets the key and all its values"),
    import("qurt_tls_set_specific", set_specific, "`int qurt_tls_set_specific(int key, const void *value)`: the calling thread's value"),
    import("qurt_tls_get_specific", get_specific, "`void *qurt_tls_get_specific(int key)`: the calling thread's value"),
];

const EOK: u32 = 0;
const EINVALID: u32 = 4;
const EFAILED: u32 = 12;
const ENOTHREAD: u32 = 30;
/// Bytes of a thread's name, without a NUL.
const NAME: usize = 16;
/// Smallest stack that a thread is started with.
const LEAST_STACK: u32 = 256;

/// Offsets in `qurt_thread_attr_t`, as far as it matters.
mod attribute {
    pub const PRIORITY: u32 = 0x12;
    pub const TIMETEST_ID: u32 = 0x16;
    pub const STACK_SIZE: u32 = 0x18;
    pub const STACK_ADDRESS: u32 = 0x1c;
    pub const DETACH_STATE: u32 = 0x20;
}

/// Values of the attribute's `detach_state`.
mod detach_state {
    /// It can be joined until it ends; then nothing is left of it.
    pub const LEGACY: u16 = 0;
    /// Its status is kept until it is joined.
    pub const JOINABLE: u16 = 1;
    /// It cannot be joined.
    pub const DETACHED: u16 = 2;
}

/// What is kept of a thread that is created with this state; `None`: nothing.
fn kept(c: &mut Call<'_>, state: u16, stack: Range<u32>) -> Option<PosixThread> {
    let detached = match state {
        detach_state::LEGACY => return None,
        detach_state::JOINABLE => false,
        detach_state::DETACHED => true,
        _ => {
            // Attributes of older headers end before it, so that it may be anything.
            c.tell_once(
                "qurt_thread_create with an unknown detach_state",
                "makes a thread that can be joined until its end",
            );
            return None;
        }
    };
    Some(PosixThread {
        detached,
        joined: false,
        stack,
    })
}

fn create(c: &mut Call<'_>) -> Done {
    let (place, attributes, entry, argument) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    let name = c.load(attributes, NAME as u32)?;
    let name = String::from_utf8_lossy(name.split(|&b| b == 0).next().unwrap_or_default()).into_owned();
    let half = |c: &Call<'_>, offset: u32| -> Result<u16, Stop> {
        let at = attributes.wrapping_add(offset);
        Ok(u16::from_le_bytes([c.load8(at)?, c.load8(at.wrapping_add(1))?]))
    };
    let priority = half(c, attribute::PRIORITY)?.clamp(1, 255) as u8;
    let timetest_id = half(c, attribute::TIMETEST_ID)?;
    let detach_state = half(c, attribute::DETACH_STATE)?;
    let size = c.load32(attributes.wrapping_add(attribute::STACK_SIZE))?;
    let low = c.load32(attributes.wrapping_add(attribute::STACK_ADDRESS))?;
    let Some(high) = low.checked_add(size).filter(|_| low != 0 && size >= LEAST_STACK) else {
        return c.ret(EINVALID);
    };
    if !thread::may_start(c) {
        return c.ret(EFAILED);
    }
    c.load32(place)?;
    let id = thread::new_id(c);
    c.store32(place, id)?;
    let start = Start {
        name,
        priority,
        stack: low..high,
        own_stack: None,
        entry,
        argument,
    };
    let kept = kept(c, detach_state, low..high);
    match thread::start(c, id, start)? {
        Started::Yes => {
            c.os.lib.timetest_ids.insert(id, timetest_id);
            if let Some(thread) = kept {
                c.os.lib.posix.live.insert(id, thread);
            }
            c.ret(EOK)
        }
        Started::Missing(bytes) => {
            let again = |c: &mut Call<'_>, given: bool| if given { create(c) } else { c.ret(EFAILED) };
            Ok(Outcome::Grow(bytes, Box::new(again)))
        }
        Started::No => c.ret(EFAILED),
    }
}

fn exit(c: &mut Call<'_>) -> Done {
    let status = c.arg(0)?;
    thread::end(c, status)
}

/// A thread that has ended already leaves something to join only if it was created for that, and none waits for its own end.
fn join(c: &mut Call<'_>) -> Done {
    let (thread, status) = (c.arg(0)?, c.arg(1)?);
    if status != 0 {
        c.load32(status)?;
    }
    if let Some(result) = c.os.lib.posix.ended.remove(&thread) {
        if status != 0 {
            c.store32(status, result)?;
        }
        return c.ret(EOK);
    }
    if thread == c.thread.id || !c.os.sched.contains(thread) {
        return c.ret(ENOTHREAD);
    }
    if let Some(live) = c.os.lib.posix.live.get_mut(&thread) {
        if live.detached || live.joined {
            return c.ret(EINVALID);
        }
        live.joined = true;
    }
    Ok(Outcome::Park(Wait::Join { thread, status }, None))
}

fn detach(c: &mut Call<'_>) -> Done {
    let thread = c.arg(0)?;
    if c.os.lib.posix.ended.remove(&thread).is_some() {
        return c.ret(EOK);
    }
    if !c.os.sched.contains(thread) && thread != c.thread.id {
        return c.ret(ENOTHREAD);
    }
    let code = match c.os.lib.posix.live.get_mut(&thread) {
        Some(live) if !live.detached && !live.joined => {
            live.detached = true;
            EOK
        }
        _ => EINVALID,
    };
    c.ret(code)
}

fn id(c: &mut Call<'_>) -> Done {
    let id = c.thread.id;
    c.ret(id)
}

fn name(c: &mut Call<'_>) -> Done {
    let (to, room) = (c.arg(0)?, c.arg(1)? as u8);
    if let Some(fits) = usize::from(room).checked_sub(1) {
        let mut name = c.thread.name.clone().into_bytes();
        name.truncate(fits);
        name.push(0);
        c.store(to, &name)?;
    }
    c.ret(EOK)
}

fn priority(c: &mut Call<'_>) -> Done {
    let priority = c.os.sched.priority(c.arg(0)?);
    c.ret(priority.map_or(u32::MAX, u32::from))
}

fn set_priority(c: &mut Call<'_>) -> Done {
    let (id, priority) = (c.arg(0)?, c.arg(1)? & 0xffff);
    let Some(priority) = u8::try_from(priority).ok().filter(|&p| p > 0) else {
        return c.ret(EINVALID);
    };
    let known = thread::set_priority(c, id, priority);
    c.ret(if known { EOK } else { EINVALID })
}

fn create_key(c: &mut Call<'_>) -> Done {
    let (place, destructor) = (c.arg(0)?, c.arg(1)?);
    let added = thread::add_key(c, place, destructor)?;
    c.ret(if added.is_ok() { EOK } else { EFAILED })
}

fn delete_key(c: &mut Call<'_>) -> Done {
    let key = c.arg(0)?;
    let known = c.os.lib.keys.remove(key);
    c.ret(if known { EOK } else { EINVALID })
}

fn set_specific(c: &mut Call<'_>) -> Done {
    let (key, value) = (c.arg(0)?, c.arg(1)?);
    let known = thread::set_value(c, key, value);
    c.ret(if known { EOK } else { EINVALID })
}

fn get_specific(c: &mut Call<'_>) -> Done {
    let value = thread::value(c, c.arg(0)?);
    c.ret(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    /// Attributes of a thread `worker`, and the low end of its stack.
    fn attributes(g: &mut Guest, detach_state: u8) -> (u32, u32) {
        let stack = g.bytes(&[0; 4096]);
        let mut attributes = [0u8; 36];
        attributes[..6].copy_from_slice(b"worker");
        attributes[0x12] = 77;
        attributes[0x18..0x1c].copy_from_slice(&4096u32.to_le_bytes());
        attributes[0x1c..0x20].copy_from_slice(&stack.to_le_bytes());
        attributes[0x16..0x18].copy_from_slice(&0x1234u16.to_le_bytes());
        attributes[0x20] = detach_state;
        (g.bytes(&attributes), stack)
    }

    /// A thread that is created with this state and has not run yet.
    fn created(g: &mut Guest, detach_state: u8) -> u32 {
        let (at, place) = (attributes(g, detach_state).0, g.bytes(&[0; 4]));
        assert_eq!(g.call("qurt_thread_create", &[place, at, 0x1000, 42]), EOK);
        g.word(place)
    }

    /// It ends with this status.
    fn ends(g: &mut Guest, id: u32, status: u32) {
        g.os.lib.posix.thread_ended(id, status);
        g.os.sched.remove(id);
    }

    #[test]
    fn who_was_created_to_be_joined_can_be_after_its_end() {
        let mut g = Guest::new();
        let (legacy, joinable, detached) = (created(&mut g, 0), created(&mut g, 1), created(&mut g, 2));
        let status = g.bytes(&[0; 4]);
        assert_eq!(g.call("qurt_thread_join", &[detached, 0]), EINVALID);
        for (id, with) in [(legacy, 5), (joinable, 6), (detached, 7)] {
            ends(&mut g, id, with);
        }
        assert_eq!(g.call("qurt_thread_join", &[legacy, status]), ENOTHREAD);
        assert_eq!(g.call("qurt_thread_join", &[detached, status]), ENOTHREAD);
        assert_eq!(g.call("qurt_thread_join", &[joinable, status]), EOK);
        assert_eq!(g.word(status), 6);
        assert_eq!(g.call("qurt_thread_join", &[joinable, status]), ENOTHREAD);
    }

    #[test]
    fn only_who_was_created_to_be_joined_is_detached() {
        let mut g = Guest::new();
        let (legacy, first, second) = (created(&mut g, 0), created(&mut g, 1), created(&mut g, 1));
        assert_eq!(g.call("qurt_thread_detach", &[legacy]), EINVALID);
        assert_eq!(g.call("qurt_thread_detach", &[999]), ENOTHREAD);
        assert_eq!(g.call("qurt_thread_detach", &[first]), EOK);
        assert_eq!(g.call("qurt_thread_detach", &[first]), EINVALID);
        ends(&mut g, first, 1);
        ends(&mut g, second, 2);
        assert_eq!(g.call("qurt_thread_detach", &[second]), EOK);
        assert!(g.os.lib.posix.ended.is_empty());
        // Attributes of an older header: what is behind them means nothing.
        let old = created(&mut g, 0xaa);
        assert!(!g.os.lib.posix.live.contains_key(&old) && g.os.lib.told.len() == 1);
    }

    #[test]
    fn create_reads_the_attributes() {
        let mut g = Guest::new();
        let ((at, stack), place) = (attributes(&mut g, 0), g.bytes(&[0; 4]));
        assert_eq!(g.call("qurt_thread_create", &[place, at, 0x1000, 42]), EOK);
        let id = g.word(place);
        let (t, _) = g.os.sched.get(id).unwrap();
        assert_eq!(g.os.lib.timetest_ids.get(&id), Some(&0x1234));
        assert_eq!((t.name.as_str(), g.os.sched.priority(id)), ("worker", Some(77)));
        assert_eq!(
            (t.core.regs.pc, t.core.regs.r[0], t.core.regs.r[29]),
            (0x1000, 42, stack + 4096)
        );
        assert_eq!(g.call("qurt_thread_get_priority", &[id]), 77);
        assert_eq!(g.call("qurt_thread_set_priority", &[id, 5]), EOK);
        assert_eq!(g.call("qurt_thread_get_priority", &[id]), 5);
        assert!(matches!(
            g.try_call("qurt_thread_join", &[id, 0]),
            Ok(Outcome::Park(Wait::Join { .. }, None))
        ));
        assert_eq!(g.call("qurt_thread_join", &[999, 0]), ENOTHREAD);
        let me = g.call("qurt_thread_get_id", &[]);
        assert_eq!(g.call("qurt_thread_join", &[me, 0]), ENOTHREAD);
        g.write(at + 0x18, &[0; 4]);
        assert_eq!(g.call("qurt_thread_create", &[place, at, 0x1000, 42]), EINVALID);
    }

    #[test]
    fn thread_local_values_need_a_live_key() {
        let mut g = Guest::new();
        let place = g.bytes(&[0xff; 4]);
        g.call("qurt_tls_create_key", &[place, 0]);
        let key = g.word(place);
        assert_eq!(g.call("qurt_tls_set_specific", &[key, 9]), EOK);
        assert_eq!(g.call("qurt_tls_get_specific", &[key]), 9);
        g.call("qurt_tls_delete_key", &[key]);
        assert_eq!(g.call("qurt_tls_set_specific", &[key, 9]), EINVALID);
    }
}
