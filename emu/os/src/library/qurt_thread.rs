//! QuRT threads: creation, end, names, priorities, thread-local storage.

use super::thread::{self, Start, Started};
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_thread_create", create, "`int qurt_thread_create(qurt_thread_t *, qurt_thread_attr_t *, void (*f)(void *), void *)`: on the caller's stack"),
    import("qurt_thread_exit", exit, "`void qurt_thread_exit(int status)`: ends the calling thread"),
    import("qurt_thread_join", join, "`int qurt_thread_join(unsigned id, int *status)`: waits for its end; 30 if there is no such thread"),
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
    pub const STACK_SIZE: u32 = 0x18;
    pub const STACK_ADDRESS: u32 = 0x1c;
}

fn create(c: &mut Call<'_>) -> Done {
    let (place, attributes, entry, argument) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    let name = c.load(attributes, NAME as u32)?;
    let name = String::from_utf8_lossy(name.split(|&b| b == 0).next().unwrap_or_default()).into_owned();
    let priority = c.load(attributes.wrapping_add(attribute::PRIORITY), 2)?;
    let priority = u16::from_le_bytes([priority[0], priority[1]]).clamp(1, 255) as u8;
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
    match thread::start(c, id, start)? {
        Started::Yes => c.ret(EOK),
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

/// A thread that has ended already leaves nothing to join, and none waits for its own end.
fn join(c: &mut Call<'_>) -> Done {
    let (thread, status) = (c.arg(0)?, c.arg(1)?);
    if thread == c.thread.id || !c.os.sched.contains(thread) {
        return c.ret(ENOTHREAD);
    }
    if status != 0 {
        c.load32(status)?;
    }
    Ok(Outcome::Park(Wait::Join { thread, status }, None))
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
    let known = c.os.sched.set_priority(id, priority);
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

    #[test]
    fn create_reads_the_attributes() {
        let mut g = Guest::new();
        let stack = g.bytes(&[0; 4096]);
        let mut attributes = [0u8; 36];
        attributes[..6].copy_from_slice(b"worker");
        attributes[0x12] = 77;
        attributes[0x18..0x1c].copy_from_slice(&4096u32.to_le_bytes());
        attributes[0x1c..0x20].copy_from_slice(&stack.to_le_bytes());
        let (at, place) = (g.bytes(&attributes), g.bytes(&[0; 4]));
        assert_eq!(g.call("qurt_thread_create", &[place, at, 0x1000, 42]), EOK);
        let id = g.word(place);
        let (t, _) = g.os.sched.get(id).unwrap();
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
