//! QuRT's pipes: doublewords from thread to thread.
//!
//! `qurt_pipe_attr_t` is {buffer, number of elements, memory partition}, which headers fill in by themselves; the buffer is the
//! program's to give and not used.

use super::heap::allocate;
use super::qurt_object::EOK;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::pipes::MAX_ELEMENTS;
use crate::sched::{ThreadId, Wait};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_pipe_init", init, "`int qurt_pipe_init(qurt_pipe_t *, qurt_pipe_attr_t *)`: an empty pipe; 4 for a size that makes no sense, 12"),
    import("qurt_pipe_create", create, "`int qurt_pipe_create(qurt_pipe_t **, qurt_pipe_attr_t *)`: an empty pipe and its object; 4, 12"),
    import("qurt_pipe_destroy", destroy, "`void qurt_pipe_destroy(qurt_pipe_t *)`: forgets it"),
    import("qurt_pipe_delete", delete, "`void qurt_pipe_delete(qurt_pipe_t *)`: forgets it and its object"),
    import("qurt_pipe_send", send, "`void qurt_pipe_send(qurt_pipe_t *, qurt_pipe_data_t)`: waits for room"),
    import("qurt_pipe_try_send", try_send, "`int qurt_pipe_try_send(qurt_pipe_t *, qurt_pipe_data_t)`: 12 if there is no room"),
    import("qurt_pipe_receive", receive, "`qurt_pipe_data_t qurt_pipe_receive(qurt_pipe_t *)`: waits for an element"),
    import("qurt_pipe_try_receive", try_receive, "`qurt_pipe_data_t qurt_pipe_try_receive(qurt_pipe_t *, int *success)`: success is -1 if there is none"),
    import("qurt_pipe_is_empty", is_empty, "`int qurt_pipe_is_empty(qurt_pipe_t *)`: is there no element?"),
];

/// `QURT_EINVALID`, `QURT_EFAILED`.
const EINVALID: u32 = 4;
const EFAILED: u32 = 12;
/// Bytes of an object that we make.
const OBJECT: u32 = 64;

fn none(at: u32) -> Stop {
    Stop::because(format!("there is no pipe at {at:#010x}"))
}

/// How many elements the attributes ask for; `None`: none that can be.
fn elements(c: &Call<'_>) -> Result<Option<u32>, Stop> {
    let count = c.load32(c.arg(1)?.wrapping_add(4))?;
    Ok((1..=MAX_ELEMENTS).contains(&count).then_some(count))
}

fn init(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.load8(at)?;
    let Some(count) = elements(c)? else {
        return c.ret(EINVALID);
    };
    let made = c.os.lib.pipes.add(at, count);
    c.ret(if made { EOK } else { EFAILED })
}

fn create(c: &mut Call<'_>) -> Done {
    let place = c.arg(0)?;
    c.load32(place)?;
    let Some(count) = elements(c)? else {
        return c.ret(EINVALID);
    };
    let made = move |c: &mut Call<'_>, at: u32| {
        if at == 0 {
            return c.ret(EFAILED);
        }
        if !c.os.lib.pipes.add(at, count) {
            let _ = c.os.heap.free(at);
            return c.ret(EFAILED);
        }
        c.store32(place, at)?;
        c.ret(EOK)
    };
    allocate(c, OBJECT, 16, Box::new(made))
}

fn destroy(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if !c.os.lib.pipes.remove(at) {
        return Err(none(at));
    }
    c.ret(EOK)
}

fn delete(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if !c.os.lib.pipes.remove(at) || c.os.heap.free(at).is_err() {
        return Err(none(at));
    }
    c.ret(EOK)
}

/// Ends a receiver's wait with an element.
fn hand_over(c: &mut Call<'_>, thread: ThreadId, element: u64) {
    if let Some(mut receiver) = c.os.sched.take_parked(thread) {
        receiver.core.regs.r[1] = (element >> 32) as u32;
        c.os.sched.park(receiver, Wait::Pipe, None);
        c.os.wake(thread, element as u32);
    }
}

/// Sends if there is room, or a receiver; `false`: there is neither.
fn put(c: &mut Call<'_>, at: u32, element: u64) -> Result<bool, Stop> {
    let pipe = c.os.lib.pipes.get(at).ok_or_else(|| none(at))?;
    if let Some(receiver) = pipe.receivers.take() {
        hand_over(c, receiver, element);
        return Ok(true);
    }
    let fits = pipe.elements.len() < pipe.room;
    if fits {
        pipe.elements.push_back(element);
    }
    Ok(fits)
}

fn send(c: &mut Call<'_>) -> Done {
    let (at, element, me, priority) = (c.arg(0)?, c.arg64(2), c.thread.id, c.priority());
    if put(c, at, element)? {
        return c.ret(EOK);
    }
    let pipe = c.os.lib.pipes.get(at).ok_or_else(|| none(at))?;
    pipe.senders.add(me, priority);
    pipe.waiting.insert(me, element);
    Ok(Outcome::Park(Wait::Pipe, None))
}

fn try_send(c: &mut Call<'_>) -> Done {
    let (at, element) = (c.arg(0)?, c.arg64(2));
    let sent = put(c, at, element)?;
    c.ret(if sent { EOK } else { EFAILED })
}

/// Takes an element, and lets a sender in that waits for room.
fn take(c: &mut Call<'_>, at: u32) -> Result<Option<u64>, Stop> {
    let pipe = c.os.lib.pipes.get(at).ok_or_else(|| none(at))?;
    let element = pipe.elements.pop_front();
    if element.is_some()
        && let Some(sender) = pipe.senders.take()
    {
        let next = pipe.waiting.remove(&sender).unwrap_or(0);
        pipe.elements.push_back(next);
        c.os.wake(sender, EOK);
    }
    Ok(element)
}

fn receive(c: &mut Call<'_>) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.priority());
    if let Some(element) = take(c, at)? {
        return c.ret64(element);
    }
    let pipe = c.os.lib.pipes.get(at).ok_or_else(|| none(at))?;
    pipe.receivers.add(me, priority);
    Ok(Outcome::Park(Wait::Pipe, None))
}

fn try_receive(c: &mut Call<'_>) -> Done {
    let (at, success) = (c.arg(0)?, c.arg(1)?);
    let element = take(c, at)?;
    c.store32(success, if element.is_some() { EOK } else { u32::MAX })?;
    c.ret64(element.unwrap_or(0))
}

fn is_empty(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let pipe = c.os.lib.pipes.get(at).ok_or_else(|| none(at))?;
    let empty = pipe.elements.is_empty();
    c.ret(empty.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn elements_pass_in_order_and_both_ends_wait() {
        let mut g = Guest::new();
        let attr = g.bytes(&[0, 2, 0].map(u32::to_le_bytes).concat());
        let place = g.bytes(&[0; 4]);
        assert_eq!(g.call("qurt_pipe_create", &[place, attr]), EOK);
        let pipe = g.word(place);
        g.call("qurt_pipe_send", &[pipe, 0, 1, 0x10]);
        g.call("qurt_pipe_send", &[pipe, 0, 2, 0x20]);
        assert_eq!(g.call("qurt_pipe_try_send", &[pipe, 0, 3, 0]), EFAILED);
        g.park(50, 9, "qurt_pipe_send", &[pipe, 0, 3, 0x30]);
        assert_eq!(g.call64("qurt_pipe_receive", &[pipe]), 0x10_0000_0001);
        assert!(g.is_ready(50));
        assert_eq!(g.call64("qurt_pipe_receive", &[pipe]), 0x20_0000_0002);
        assert_eq!(g.call64("qurt_pipe_try_receive", &[pipe, place]), 0x30_0000_0003);
        assert_eq!(g.word(place), EOK);
        g.call64("qurt_pipe_try_receive", &[pipe, place]);
        assert_eq!(
            (g.word(place), g.call("qurt_pipe_is_empty", &[pipe])),
            (u32::MAX, 1)
        );
        g.park(51, 9, "qurt_pipe_receive", &[pipe]);
        g.call("qurt_pipe_send", &[pipe, 0, 4, 0x40]);
        let (receiver, _) = g.os.sched.get(51).unwrap();
        assert_eq!((receiver.core.regs.r[0], receiver.core.regs.r[1]), (4, 0x40));
        assert!(g.is_ready(51));
        g.call("qurt_pipe_delete", &[pipe]);
        assert!(g.try_call("qurt_pipe_delete", &[pipe]).is_err());
        assert!(g.try_call("qurt_pipe_send", &[pipe, 0, 4, 0]).is_err());
    }

    #[test]
    fn sizes_have_to_make_sense() {
        let mut g = Guest::new();
        for count in [0, u32::MAX] {
            let attr = g.bytes(&[0, count, 0].map(u32::to_le_bytes).concat());
            let pipe = g.bytes(&[0; 64]);
            assert_eq!(g.call("qurt_pipe_init", &[pipe, attr]), EINVALID);
        }
    }
}
