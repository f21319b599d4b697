//! POSIX threads: creation with attributes, end, joining, names, priorities, thread-local values.
//!
//! The headers of Qualcomm's SDK are not public; types have the sizes of musl for Hexagon: `pthread_t` and `pthread_key_t` 4
//! bytes, `pthread_attr_t` 36, whose contents are ours. A `sched_priority` is 1 (worst) … 254 (best), 255 less QuRT's; 0 stands
//! for the creator's. Not built: guard pages.

use super::errno::{EAGAIN, EDEADLK, EINVAL, ENOSYS, ENOTSUP, ERANGE, ESRCH};
use super::posix_cancel::clean_up;
use super::thread::{self, Start, Started};
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::library_state::posix::PosixThread;
use crate::sched::{ThreadId, Wait};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("pthread_create", create, "`int pthread_create(pthread_t *, const pthread_attr_t *, void *(*f)(void *), void *)`: a thread; EAGAIN, EINVAL"),
    import("pthread_exit", exit, "`void pthread_exit(void *result)`: ends the caller, after cleanup handlers and destructors of its values"),
    import("pthread_join", join, "`int pthread_join(pthread_t, void **result)`: waits for its end; ESRCH, EDEADLK, EINVAL if it cannot be joined"),
    import("pthread_detach", detach, "`int pthread_detach(pthread_t)`: nobody will join it; ESRCH, EINVAL if that was said before"),
    import("pthread_self", me, "`pthread_t pthread_self(void)`: the caller's number"),
    import("pthread_equal", equal, "`int pthread_equal(pthread_t, pthread_t)`: are they the same?"),
    import("pthread_kill", kill, "`int pthread_kill(pthread_t, int signal)`: with signal 0: is there such a thread? Others: ENOSYS, there are no signals"),
    import("pthread_atfork", nothing, "`int pthread_atfork(void (*)(void), void (*)(void), void (*)(void))`: there is no fork"),
    import("pthread_setname_np", set_name, "`int pthread_setname_np(pthread_t, const char *)`: at most 15 bytes; ERANGE, ESRCH"),
    import("pthread_getname_np", get_name, "`int pthread_getname_np(pthread_t, char *to, size_t room)`: ERANGE if there are less than 16 bytes, ESRCH"),
    import("pthread_setschedparam", set_param, "`int pthread_setschedparam(pthread_t, int policy, const struct sched_param *)`: its priority; ESRCH, EINVAL"),
    import("pthread_getschedparam", get_param, "`int pthread_getschedparam(pthread_t, int *policy, struct sched_param *)`: SCHED_RR and its priority; ESRCH"),
    import("pthread_setschedprio", set_priority, "`int pthread_setschedprio(pthread_t, int priority)`: 1 worst to 254 best; ESRCH, EINVAL"),
    import("sched_get_priority_max", priority_max, "`int sched_get_priority_max(int policy)`: 254"),
    import("sched_get_priority_min", priority_min, "`int sched_get_priority_min(int policy)`: 1"),
    import("sched_yield", sched_yield, "`int sched_yield(void)`: others get a turn"),
    import("pthread_attr_init", attr_init, "`int pthread_attr_init(pthread_attr_t *)`: 128 KiB of stack, joinable, the creator's priority"),
    import("pthread_attr_destroy", nothing, "`int pthread_attr_destroy(pthread_attr_t *)`: 0, it holds nothing"),
    import("pthread_attr_setstacksize", set_stack_size, "`int pthread_attr_setstacksize(pthread_attr_t *, size_t)`: EINVAL below 2048"),
    import("pthread_attr_getstacksize", get_stack_size, "`int pthread_attr_getstacksize(const pthread_attr_t *, size_t *)`: bytes of stack"),
    import("pthread_attr_setstack", set_stack, "`int pthread_attr_setstack(pthread_attr_t *, void *low, size_t)`: the caller's own memory; EINVAL"),
    import("pthread_attr_getstack", get_stack, "`int pthread_attr_getstack(const pthread_attr_t *, void **low, size_t *)`: stack and bytes"),
    import("pthread_attr_setstackaddr", set_stack_address, "`int pthread_attr_setstackaddr(pthread_attr_t *, void *low)`: the lowest byte, as QuRT takes it"),
    import("pthread_attr_getstackaddr", get_stack_address, "`int pthread_attr_getstackaddr(const pthread_attr_t *, void **low)`: the lowest byte"),
    import("pthread_attr_setguardsize", set_guard, "`int pthread_attr_setguardsize(pthread_attr_t *, size_t)`: pages that may not be touched").without_effect("0"),
    import("pthread_attr_getguardsize", get_guard, "`int pthread_attr_getguardsize(const pthread_attr_t *, size_t *)`: what was set"),
    import("pthread_attr_setdetachstate", set_detached, "`int pthread_attr_setdetachstate(pthread_attr_t *, int)`: 0 joinable, 1 detached; EINVAL"),
    import("pthread_attr_getdetachstate", get_detached, "`int pthread_attr_getdetachstate(const pthread_attr_t *, int *)`: 0 joinable, 1 detached"),
    import("pthread_attr_setinheritsched", set_inherit, "`int pthread_attr_setinheritsched(pthread_attr_t *, int)`: 0 the creator's priority, 1 its own; EINVAL"),
    import("pthread_attr_getinheritsched", get_inherit, "`int pthread_attr_getinheritsched(const pthread_attr_t *, int *)`: 0 the creator's priority, 1 its own"),
    import("pthread_attr_setschedpolicy", set_policy, "`int pthread_attr_setschedpolicy(pthread_attr_t *, int)`: 0 to 2, all of them QuRT's; EINVAL"),
    import("pthread_attr_getschedpolicy", get_policy, "`int pthread_attr_getschedpolicy(const pthread_attr_t *, int *)`: what was set"),
    import("pthread_attr_setschedparam", set_attr_param, "`int pthread_attr_setschedparam(pthread_attr_t *, const struct sched_param *)`: 1 worst to 254 best, which it has then"),
    import("pthread_attr_getschedparam", get_attr_param, "`int pthread_attr_getschedparam(const pthread_attr_t *, struct sched_param *)`: what was set"),
    import("pthread_attr_setscope", set_scope, "`int pthread_attr_setscope(pthread_attr_t *, int)`: 0, among all threads; 1 is ENOTSUP"),
    import("pthread_attr_getscope", get_scope, "`int pthread_attr_getscope(const pthread_attr_t *, int *)`: 0, among all threads"),
    import("pthread_getattr_np", get_attr, "`int pthread_getattr_np(pthread_t, pthread_attr_t *)`: stack and state of a thread; ESRCH"),
    import("pthread_key_create", key_create, "`int pthread_key_create(pthread_key_t *, void (*destructor)(void *))`: a thread-local value; EAGAIN"),
    import("pthread_key_delete", key_delete, "`int pthread_key_delete(pthread_key_t)`: forgets key and values, destroys none; EINVAL"),
    import("pthread_setspecific", set_specific, "`int pthread_setspecific(pthread_key_t, const void *)`: the caller's value; EINVAL"),
    import("pthread_getspecific", get_specific, "`void *pthread_getspecific(pthread_key_t)`: the caller's value"),
];

/// Bytes of a stack that nobody asked for, and the fewest and most that one may ask for; musl's.
const STACK: u32 = 128 << 10;
const LEAST_STACK: u32 = 2048;
const MOST_STACK: u32 = 1 << 30;
/// Bytes of a name, its NUL included.
const NAME: usize = 16;
const SCHED_FIFO: u32 = 1;
const SCHED_RR: u32 = 2;

/// Word offsets in a `pthread_attr_t`.
mod field {
    pub const STACK_SIZE: u32 = 0;
    pub const GUARD: u32 = 4;
    pub const STACK: u32 = 8;
    pub const DETACHED: u32 = 12;
    pub const EXPLICIT: u32 = 16;
    pub const POLICY: u32 = 20;
    pub const PRIORITY: u32 = 24;
    pub const SCOPE: u32 = 28;
    pub const LEN: u32 = 36;
}

/// QuRT's priority of a POSIX one.
fn to_qurt(priority: u32) -> Option<u8> {
    let priority = u8::try_from(priority).ok()?;
    (1..255).contains(&priority).then(|| 255 - priority)
}

fn from_qurt(priority: u8) -> u32 {
    u32::from(255 - priority).max(1)
}

pub(super) fn create(c: &mut Call<'_>) -> Done {
    let (place, attributes, entry, argument) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    c.load32(place)?;
    let mut word = [0; 8];
    word[0] = STACK;
    if attributes != 0 {
        for (n, word) in (0..).zip(&mut word) {
            *word = c.load32(attributes.wrapping_add(4 * n))?;
        }
    }
    let [size, _, low, detached, explicit, _, priority, _] = word;
    if !(LEAST_STACK..=MOST_STACK).contains(&size) || low.checked_add(size).is_none() {
        return c.ret(EINVAL);
    }
    let priority = match (explicit, to_qurt(priority)) {
        (1, Some(own)) => own,
        _ => c.priority(),
    };
    if !thread::may_start(c) {
        return c.ret(EAGAIN);
    }
    let go = move |c: &mut Call<'_>, low: u32, own: Option<u32>| {
        let id = thread::new_id(c);
        let stack = low..low + size;
        let new = PosixThread {
            detached: detached != 0,
            joined: false,
            stack: stack.clone(),
        };
        c.store32(place, id)?;
        let start = Start {
            name: format!("pthread-{id}"),
            priority,
            stack,
            own_stack: own,
            entry,
            argument,
        };
        match thread::start(c, id, start)? {
            Started::Yes => {
                c.os.lib.posix.live.insert(id, new);
                return c.ret(0);
            }
            Started::Missing(bytes) => {
                give_back(c, own);
                let again = |c: &mut Call<'_>, given: bool| if given { create(c) } else { c.ret(EAGAIN) };
                return Ok(Outcome::Grow(bytes, Box::new(again)));
            }
            Started::No => give_back(c, own),
        }
        c.ret(EAGAIN)
    };
    if low != 0 {
        return go(c, low, None);
    }
    let got = move |c: &mut Call<'_>, low: Option<u32>| match low {
        Some(low) => go(c, low, Some(low)),
        None => c.ret(EAGAIN),
    };
    thread::allocate_stack(c, size, Box::new(got))
}

/// The stack of a thread that could not be started.
fn give_back(c: &mut Call<'_>, stack: Option<u32>) {
    if let Some(stack) = stack {
        c.os.shared.memory.release(stack);
    }
}

pub(super) fn exit(c: &mut Call<'_>) -> Done {
    let result = c.arg(0)?;
    clean_up(c, result)
}

pub(super) fn join(c: &mut Call<'_>) -> Done {
    let (thread, place) = (c.arg(0)?, c.arg(1)?);
    if place != 0 {
        c.load32(place)?;
    }
    if thread == c.thread.id {
        return c.ret(EDEADLK);
    }
    if let Some(result) = c.os.lib.posix.ended.remove(&thread) {
        if place != 0 {
            c.store32(place, result)?;
        }
        return c.ret(0);
    }
    if !c.os.sched.contains(thread) {
        return c.ret(ESRCH);
    }
    if let Some(live) = c.os.lib.posix.live.get_mut(&thread) {
        if live.detached || live.joined {
            return c.ret(EINVAL);
        }
        live.joined = true;
    }
    Ok(Outcome::Park(
        Wait::Join {
            thread,
            status: place,
        },
        None,
    ))
}

pub(super) fn detach(c: &mut Call<'_>) -> Done {
    let thread = c.arg(0)?;
    if c.os.lib.posix.ended.remove(&thread).is_some() {
        return c.ret(0);
    }
    let code = match c.os.lib.posix.live.get_mut(&thread) {
        None => ESRCH,
        Some(live) if live.detached || live.joined => EINVAL,
        Some(live) => {
            live.detached = true;
            0
        }
    };
    c.ret(code)
}

pub(super) fn me(c: &mut Call<'_>) -> Done {
    let id = c.thread.id;
    c.ret(id)
}

pub(super) fn equal(c: &mut Call<'_>) -> Done {
    let same = c.arg(0)? == c.arg(1)?;
    c.ret(same.into())
}

fn is_there(c: &Call<'_>, thread: ThreadId) -> bool {
    c.os.sched.contains(thread) || c.os.lib.posix.ended.contains_key(&thread)
}

fn kill(c: &mut Call<'_>) -> Done {
    let (thread, signal) = (c.arg(0)?, c.arg(1)?);
    let there = is_there(c, thread);
    c.ret(match signal {
        _ if !there => ESRCH,
        0 => 0,
        _ => ENOSYS,
    })
}

fn nothing(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn set_name(c: &mut Call<'_>) -> Done {
    let (thread, name) = (c.arg(0)?, c.arg(1)?);
    let name = c.cstr_max(name, NAME)?;
    if name.len() >= NAME {
        return c.ret(ERANGE);
    }
    let name = String::from_utf8_lossy(&name).into_owned();
    if thread == c.thread.id {
        c.thread.name.clone_from(&name);
    } else if !c.os.sched.contains(thread) {
        return c.ret(ESRCH);
    }
    c.os.lib.posix.names.insert(thread, name);
    c.ret(0)
}

fn get_name(c: &mut Call<'_>) -> Done {
    let (thread, to, room) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if (room as usize) < NAME {
        return c.ret(ERANGE);
    }
    let given = c.os.lib.posix.names.get(&thread).cloned();
    let name = match given {
        Some(name) => name,
        None if thread == c.thread.id => c.thread.name.clone(),
        None if c.os.sched.contains(thread) => format!("pthread-{thread}"),
        None => return c.ret(ESRCH),
    };
    let mut name = name.into_bytes();
    name.truncate(NAME - 1);
    name.push(0);
    c.store(to, &name)?;
    c.ret(0)
}

fn give_priority(c: &mut Call<'_>, thread: ThreadId, priority: u32) -> Done {
    if !is_there(c, thread) {
        return c.ret(ESRCH);
    }
    match to_qurt(priority) {
        Some(own) => thread::set_priority(c, thread, own),
        None if priority == 0 => true,
        None => return c.ret(EINVAL),
    };
    c.ret(0)
}

fn set_param(c: &mut Call<'_>) -> Done {
    let (thread, policy, param) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let priority = c.load32(param)?;
    if policy > SCHED_RR {
        return c.ret(EINVAL);
    }
    tell_of_policy(c, policy);
    give_priority(c, thread, priority)
}

fn set_priority(c: &mut Call<'_>) -> Done {
    let (thread, priority) = (c.arg(0)?, c.arg(1)?);
    if priority == 0 {
        return c.ret(EINVAL);
    }
    give_priority(c, thread, priority)
}

fn get_param(c: &mut Call<'_>) -> Done {
    let (thread, policy, param) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let Some(priority) = c.os.sched.priority(thread) else {
        return c.ret(ESRCH);
    };
    c.store32(policy, SCHED_RR)?;
    c.store32(param, from_qurt(priority))?;
    c.ret(0)
}

fn priority_max(c: &mut Call<'_>) -> Done {
    c.ret(254)
}

fn priority_min(c: &mut Call<'_>) -> Done {
    c.ret(1)
}

pub(super) fn sched_yield(c: &mut Call<'_>) -> Done {
    c.set(0);
    Ok(Outcome::Yield)
}

fn attr_init(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.store(at, &[0; field::LEN as usize])?;
    c.store32(at.wrapping_add(field::STACK_SIZE), STACK)?;
    c.ret(0)
}

/// Sets a word of the attributes if it may have that value.
fn set(c: &mut Call<'_>, field: u32, may: impl Fn(u32) -> bool) -> Done {
    let (at, value) = (c.arg(0)?, c.arg(1)?);
    if !may(value) {
        return c.ret(EINVAL);
    }
    c.store32(at.wrapping_add(field), value)?;
    c.ret(0)
}

fn get(c: &mut Call<'_>, field: u32) -> Done {
    let (at, place) = (c.arg(0)?, c.arg(1)?);
    let value = c.load32(at.wrapping_add(field))?;
    c.store32(place, value)?;
    c.ret(0)
}

fn set_stack_size(c: &mut Call<'_>) -> Done {
    set(c, field::STACK_SIZE, |size| {
        (LEAST_STACK..=MOST_STACK).contains(&size)
    })
}

fn get_stack_size(c: &mut Call<'_>) -> Done {
    get(c, field::STACK_SIZE)
}

fn set_stack(c: &mut Call<'_>) -> Done {
    let (at, low, size) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if low == 0 || !(LEAST_STACK..=MOST_STACK).contains(&size) || low.checked_add(size).is_none() {
        return c.ret(EINVAL);
    }
    c.store32(at.wrapping_add(field::STACK), low)?;
    c.store32(at.wrapping_add(field::STACK_SIZE), size)?;
    c.ret(0)
}

fn get_stack(c: &mut Call<'_>) -> Done {
    let (at, low, size) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    c.store32(low, c.load32(at.wrapping_add(field::STACK))?)?;
    c.store32(size, c.load32(at.wrapping_add(field::STACK_SIZE))?)?;
    c.ret(0)
}

fn set_stack_address(c: &mut Call<'_>) -> Done {
    set(c, field::STACK, |low| low != 0)
}

fn get_stack_address(c: &mut Call<'_>) -> Done {
    get(c, field::STACK)
}

fn set_guard(c: &mut Call<'_>) -> Done {
    set(c, field::GUARD, |size| size <= MOST_STACK)
}

fn get_guard(c: &mut Call<'_>) -> Done {
    get(c, field::GUARD)
}

fn set_detached(c: &mut Call<'_>) -> Done {
    set(c, field::DETACHED, |v| v <= 1)
}

fn get_detached(c: &mut Call<'_>) -> Done {
    get(c, field::DETACHED)
}

fn set_inherit(c: &mut Call<'_>) -> Done {
    set(c, field::EXPLICIT, |v| v <= 1)
}

fn get_inherit(c: &mut Call<'_>) -> Done {
    get(c, field::EXPLICIT)
}

/// Threads of one priority take turns, whatever policy a program chooses.
fn tell_of_policy(c: &mut Call<'_>, policy: u32) {
    if policy == SCHED_FIFO {
        c.tell_once(
            "SCHED_FIFO",
            "is accepted; threads of one priority take turns all the same",
        );
    }
}

fn set_policy(c: &mut Call<'_>) -> Done {
    let policy = c.arg(1)?;
    tell_of_policy(c, policy);
    set(c, field::POLICY, |v| v <= SCHED_RR)
}

fn get_policy(c: &mut Call<'_>) -> Done {
    get(c, field::POLICY)
}

/// Who sets a priority means it, whether or not it says so with `pthread_attr_setinheritsched`, as QuRT's programs do.
fn set_attr_param(c: &mut Call<'_>) -> Done {
    let (at, param) = (c.arg(0)?, c.arg(1)?);
    let priority = c.load32(param)?;
    if priority != 0 && to_qurt(priority).is_none() {
        return c.ret(EINVAL);
    }
    c.store32(at.wrapping_add(field::PRIORITY), priority)?;
    c.store32(at.wrapping_add(field::EXPLICIT), u32::from(priority != 0))?;
    c.ret(0)
}

fn get_attr_param(c: &mut Call<'_>) -> Done {
    get(c, field::PRIORITY)
}

fn set_scope(c: &mut Call<'_>) -> Done {
    if c.arg(1)? == 1 {
        return c.ret(ENOTSUP);
    }
    set(c, field::SCOPE, |v| v == 0)
}

fn get_scope(c: &mut Call<'_>) -> Done {
    get(c, field::SCOPE)
}

fn get_attr(c: &mut Call<'_>) -> Done {
    let (thread, at) = (c.arg(0)?, c.arg(1)?);
    let live = c.os.lib.posix.live.get(&thread);
    let (stack, detached) = match live {
        Some(live) => (live.stack.clone(), live.detached),
        None if thread == c.thread.id => (c.thread.stack.clone(), false),
        None => return c.ret(ESRCH),
    };
    let priority = c.os.sched.priority(thread).map_or(0, from_qurt);
    c.store(at, &[0; field::LEN as usize])?;
    for (offset, v) in [
        (field::STACK_SIZE, stack.end - stack.start),
        (field::STACK, stack.start),
        (field::DETACHED, detached.into()),
        (field::POLICY, SCHED_RR),
        (field::PRIORITY, priority),
    ] {
        c.store32(at.wrapping_add(offset), v)?;
    }
    c.ret(0)
}

pub(super) fn key_create(c: &mut Call<'_>) -> Done {
    let (place, destructor) = (c.arg(0)?, c.arg(1)?);
    let added = thread::add_key(c, place, destructor)?;
    c.ret(if added.is_ok() { 0 } else { EAGAIN })
}

pub(super) fn key_delete(c: &mut Call<'_>) -> Done {
    let key = c.arg(0)?;
    let known = c.os.lib.keys.remove(key);
    c.ret(if known { 0 } else { EINVAL })
}

pub(super) fn set_specific(c: &mut Call<'_>) -> Done {
    let (key, value) = (c.arg(0)?, c.arg(1)?);
    let known = thread::set_value(c, key, value);
    c.ret(if known { 0 } else { EINVAL })
}

pub(super) fn get_specific(c: &mut Call<'_>) -> Done {
    let value = thread::value(c, c.arg(0)?);
    c.ret(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    /// A thread that is there and has not run yet.
    fn create(g: &mut Guest, attributes: u32) -> u32 {
        let place = g.bytes(&[0; 4]);
        assert_eq!(g.call("pthread_create", &[place, attributes, 0x1000, 42]), 0);
        g.word(place)
    }

    #[test]
    fn a_thread_has_what_its_attributes_say() {
        let mut g = Guest::new();
        let (attr, param, stack) = (g.bytes(&[0xff; 36]), g.bytes(&[0; 24]), g.bytes(&[0; 8192]));
        assert_eq!(g.call("pthread_attr_init", &[attr]), 0);
        assert_eq!(g.call("pthread_attr_setstacksize", &[attr, 2047]), EINVAL);
        assert_eq!(g.call("pthread_attr_setstacksize", &[attr, 40_000]), 0);
        assert_eq!(g.call("pthread_attr_setdetachstate", &[attr, 2]), EINVAL);
        assert_eq!(g.call("pthread_attr_setscope", &[attr, 1]), ENOTSUP);
        g.write(param, &300u32.to_le_bytes());
        assert_eq!(g.call("pthread_attr_setschedparam", &[attr, param]), EINVAL);
        g.write(param, &200u32.to_le_bytes());
        assert_eq!(g.call("pthread_attr_setschedparam", &[attr, param]), 0);
        let id = create(&mut g, attr);
        let (t, _) = g.os.sched.get(id).unwrap();
        assert_eq!(t.stack.end - t.stack.start, 40_000);
        assert_eq!((t.core.regs.pc, t.core.regs.r[0]), (0x1000, 42));
        assert_eq!(g.os.sched.priority(id), Some(55));
        let (policy, back) = (g.bytes(&[0; 4]), g.bytes(&[0; 4]));
        assert_eq!(g.call("pthread_getschedparam", &[id, policy, back]), 0);
        assert_eq!((g.word(policy), g.word(back)), (SCHED_RR, 200));
        assert_eq!(g.call("pthread_attr_setstack", &[attr, stack, 8192]), 0);
        let id = create(&mut g, attr);
        assert_eq!(g.os.sched.get(id).unwrap().0.stack, stack..stack + 8192);
        assert_eq!(g.call("pthread_getattr_np", &[id, attr]), 0);
        let (low, size) = (g.bytes(&[0; 4]), g.bytes(&[0; 4]));
        assert_eq!(g.call("pthread_attr_getstack", &[attr, low, size]), 0);
        assert_eq!((g.word(low), g.word(size)), (stack, 8192));
        g.call("pthread_attr_setstack", &[attr, 0xffff_f000, 0x2000]);
        let place = g.bytes(&[0; 4]);
        g.write(attr, &0x2000u32.to_le_bytes());
        g.write(attr + 8, &0xffff_f000u32.to_le_bytes());
        assert_eq!(g.call("pthread_create", &[place, attr, 0x1000, 0]), EINVAL);
    }

    #[test]
    fn a_policy_that_is_none_here_is_told_once() {
        let mut g = Guest::new();
        let (attr, param, me) = (g.bytes(&[0; 36]), g.bytes(&[100, 0, 0, 0]), g.thread.id);
        assert_eq!(g.call("pthread_attr_setschedpolicy", &[attr, SCHED_RR]), 0);
        assert!(g.os.lib.told.is_empty());
        assert_eq!(g.call("pthread_attr_setschedpolicy", &[attr, SCHED_FIFO]), 0);
        assert_eq!(g.call("pthread_setschedparam", &[me, SCHED_FIFO, param]), 0);
        assert_eq!(g.os.lib.told.len(), 1);
    }

    #[test]
    fn joining_is_for_one_who_is_not_the_thread_itself() {
        let mut g = Guest::new();
        let id = create(&mut g, 0);
        let me = g.call("pthread_self", &[]);
        assert_eq!(g.call("pthread_join", &[me, 0]), EDEADLK);
        assert_eq!(g.call("pthread_join", &[999, 0]), ESRCH);
        g.park(50, 9, "pthread_join", &[id, 0]);
        assert_eq!(g.call("pthread_join", &[id, 0]), EINVAL);
        assert_eq!(g.call("pthread_detach", &[id]), EINVAL);
        let other = create(&mut g, 0);
        assert_eq!(g.call("pthread_detach", &[other]), 0);
        assert_eq!(g.call("pthread_detach", &[other]), EINVAL);
        assert_eq!(g.call("pthread_join", &[other, 0]), EINVAL);
        assert_eq!(g.call("pthread_kill", &[other, 0]), 0);
        assert_eq!(g.call("pthread_kill", &[other, 9]), ENOSYS);
        assert_eq!(g.call("pthread_kill", &[999, 0]), ESRCH);
    }

    #[test]
    fn a_result_waits_to_be_joined_and_counts_as_a_thread() {
        let mut g = Guest::new();
        let place = g.bytes(&[0; 4]);
        g.os.lib.posix.ended.insert(77, 5);
        assert_eq!(g.call("pthread_kill", &[77, 0]), 0);
        assert_eq!(g.call("pthread_join", &[77, place]), 0);
        assert_eq!(g.word(place), 5);
        assert_eq!(g.call("pthread_join", &[77, place]), ESRCH);
        g.os.lib.posix.ended = (1000..1000 + g.os.shared.config.limits.threads as u32)
            .map(|id| (id, 0))
            .collect();
        assert_eq!(g.call("pthread_create", &[place, 0, 0x1000, 0]), EAGAIN);
    }

    #[test]
    fn destructors_run_before_the_end_while_there_are_values_and_only_so_often() {
        let mut g = Guest::new();
        let place = g.bytes(&[0; 4]);
        g.call("pthread_key_create", &[place, 0x2000]);
        let key = g.word(place);
        g.call("pthread_key_create", &[place, 0]);
        let plain = g.word(place);
        assert_eq!(g.call("pthread_setspecific", &[key, 3]), 0);
        assert_eq!(g.call("pthread_setspecific", &[plain, 4]), 0);
        assert_eq!(g.call("pthread_setspecific", &[key + 100, 3]), EINVAL);
        let mut done = g.try_call("pthread_exit", &[9]).unwrap();
        let mut rounds = 0;
        loop {
            match done {
                Outcome::Enter(f, args, then) => {
                    assert_eq!((f, args), (0x2000, vec![3]));
                    rounds += 1;
                    // A destructor that always leaves a value.
                    assert_eq!(g.call("pthread_getspecific", &[key]), 0);
                    g.call("pthread_setspecific", &[key, 3]);
                    let mut call = Call {
                        os: &mut g.os,
                        thread: &mut g.thread,
                    };
                    done = then(&mut call, 0).unwrap();
                }
                Outcome::Exit(status) => break assert_eq!(status, 9),
                _ => panic!("something else"),
            }
        }
        assert_eq!(rounds, 4);
    }

    #[test]
    fn names_have_fifteen_bytes() {
        let mut g = Guest::new();
        let id = create(&mut g, 0);
        let (long, short, to) = (
            g.bytes(b"0123456789abcdef\0"),
            g.bytes(b"worker\0"),
            g.bytes(&[0; 16]),
        );
        assert_eq!(g.call("pthread_setname_np", &[id, long]), ERANGE);
        assert_eq!(g.call("pthread_setname_np", &[id, short]), 0);
        assert_eq!(g.call("pthread_setname_np", &[999, short]), ESRCH);
        assert_eq!(g.call("pthread_getname_np", &[id, to, 15]), ERANGE);
        assert_eq!(g.call("pthread_getname_np", &[id, to, 16]), 0);
        assert_eq!(g.text(to), "worker");
        let me = g.thread.id;
        g.call("pthread_setname_np", &[me, short]);
        assert_eq!(g.thread.name, "worker");
    }
}
