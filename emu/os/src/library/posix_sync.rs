//! POSIX mutexes, spin locks, condition variables, barriers, `pthread_once`.
//!
//! Objects are known by their address, as QuRT's are (`objects.rs`), so any header's static initialiser and size will do; what
//! is looked at is `pthread_mutexattr_t`, one word as in musl (0 normal, 1 recursive, 2 error checking), and `pthread_once_t`, one
//! word that is 0 at first. Not built: priority inheritance and ceilings, robust mutexes, sharing between processes.

use super::errno::{EAGAIN, EBUSY, EDEADLK, EINVAL, ENOTSUP, EPERM, ETIMEDOUT};
use super::posix_time::timespec;
use crate::clock::Time;
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::kernel::locks::Locked;
use crate::objects::{Kind, MutexKind, Object, Waiters};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("pthread_mutex_init", mutex_init, "`int pthread_mutex_init(pthread_mutex_t *, const pthread_mutexattr_t *)`: an unlocked mutex of any kind; EINVAL"),
    import("pthread_mutex_destroy", mutex_destroy, "`int pthread_mutex_destroy(pthread_mutex_t *)`: forgets it; EBUSY if it is locked"),
    import("pthread_mutex_lock", mutex_lock, "`int pthread_mutex_lock(pthread_mutex_t *)`: waits for it; EDEADLK, EAGAIN by its kind"),
    import("pthread_mutex_trylock", mutex_try_lock, "`int pthread_mutex_trylock(pthread_mutex_t *)`: EBUSY if it is locked"),
    import("pthread_mutex_timedlock", mutex_timed_lock, "`int pthread_mutex_timedlock(pthread_mutex_t *, const struct timespec *until)`: ETIMEDOUT"),
    import("pthread_mutex_unlock", mutex_unlock, "`int pthread_mutex_unlock(pthread_mutex_t *)`: the best waiter gets it; EPERM by its kind"),
    import("pthread_mutex_consistent", invalid, "`int pthread_mutex_consistent(pthread_mutex_t *)`: EINVAL, no mutex is robust"),
    import("pthread_mutexattr_init", attr_init, "`int pthread_mutexattr_init(pthread_mutexattr_t *)`: a normal mutex"),
    import("pthread_mutexattr_destroy", nothing, "`int pthread_mutexattr_destroy(pthread_mutexattr_t *)`: 0, it holds nothing"),
    import("pthread_mutexattr_settype", set_type, "`int pthread_mutexattr_settype(pthread_mutexattr_t *, int)`: 0 normal, 1 recursive, 2 error checking; EINVAL"),
    import("pthread_mutexattr_gettype", get_type, "`int pthread_mutexattr_gettype(const pthread_mutexattr_t *, int *)`: 0 normal, 1 recursive, 2 error checking"),
    import("pthread_mutexattr_setprotocol", only_zero, "`int pthread_mutexattr_setprotocol(pthread_mutexattr_t *, int)`: 0; ENOTSUP, priorities are not inherited"),
    import("pthread_mutexattr_getprotocol", get_zero, "`int pthread_mutexattr_getprotocol(const pthread_mutexattr_t *, int *)`: 0, priorities are not inherited"),
    import("pthread_mutexattr_setrobust", only_zero, "`int pthread_mutexattr_setrobust(pthread_mutexattr_t *, int)`: 0; ENOTSUP for robust ones"),
    import("pthread_mutexattr_getrobust", get_zero, "`int pthread_mutexattr_getrobust(const pthread_mutexattr_t *, int *)`: 0"),
    import("pthread_mutexattr_setpshared", only_zero, "`int pthread_mutexattr_setpshared(pthread_mutexattr_t *, int)`: 0; ENOTSUP, processes share no memory"),
    import("pthread_mutexattr_getpshared", get_zero, "`int pthread_mutexattr_getpshared(const pthread_mutexattr_t *, int *)`: 0"),
    import("pthread_cond_init", cond_init, "`int pthread_cond_init(pthread_cond_t *, const pthread_condattr_t *)`: a condition variable"),
    import("pthread_cond_destroy", cond_destroy, "`int pthread_cond_destroy(pthread_cond_t *)`: forgets it; EBUSY if somebody waits"),
    import("pthread_cond_wait", cond_wait, "`int pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *)`: gives the mutex up, waits, takes it again; EPERM by its kind"),
    import("pthread_cond_timedwait", cond_timed_wait, "`int pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *until)`: ETIMEDOUT"),
    import("pthread_cond_signal", cond_signal, "`int pthread_cond_signal(pthread_cond_t *)`: the best waiter goes on"),
    import("pthread_cond_broadcast", cond_broadcast, "`int pthread_cond_broadcast(pthread_cond_t *)`: all waiters go on"),
    import("pthread_condattr_init", attr_init, "`int pthread_condattr_init(pthread_condattr_t *)`: one word, 0"),
    import("pthread_condattr_destroy", nothing, "`int pthread_condattr_destroy(pthread_condattr_t *)`: 0, it holds nothing"),
    import("pthread_condattr_setclock", set_clock, "`int pthread_condattr_setclock(pthread_condattr_t *, clockid_t)`: 0 or 1, which are the same time; EINVAL"),
    import("pthread_condattr_getclock", get_clock, "`int pthread_condattr_getclock(const pthread_condattr_t *, clockid_t *)`: what was set"),
    import("pthread_condattr_setpshared", only_zero, "`int pthread_condattr_setpshared(pthread_condattr_t *, int)`: 0; ENOTSUP, processes share no memory"),
    import("pthread_condattr_getpshared", get_zero, "`int pthread_condattr_getpshared(const pthread_condattr_t *, int *)`: 0"),
    import("pthread_spin_init", spin_init, "`int pthread_spin_init(pthread_spinlock_t *, int shared)`: unlocked; ENOTSUP if other processes are to have it"),
    import("pthread_spin_destroy", mutex_destroy, "`int pthread_spin_destroy(pthread_spinlock_t *)`: forgets it; EBUSY if it is locked"),
    import("pthread_spin_lock", spin_lock, "`int pthread_spin_lock(pthread_spinlock_t *)`: waits without spinning; EDEADLK if the caller has it"),
    import("pthread_spin_trylock", mutex_try_lock, "`int pthread_spin_trylock(pthread_spinlock_t *)`: EBUSY if it is locked"),
    import("pthread_spin_unlock", mutex_unlock, "`int pthread_spin_unlock(pthread_spinlock_t *)`: the best waiter gets it"),
    import("pthread_barrier_init", barrier_init, "`int pthread_barrier_init(pthread_barrier_t *, const pthread_barrierattr_t *, unsigned threads)`: EINVAL for none"),
    import("pthread_barrier_destroy", barrier_destroy, "`int pthread_barrier_destroy(pthread_barrier_t *)`: EBUSY if somebody waits, EINVAL if it is none"),
    import("pthread_barrier_wait", barrier_wait, "`int pthread_barrier_wait(pthread_barrier_t *)`: -1 for the thread that comes last, 0 for the others; EINVAL"),
    import("pthread_barrierattr_init", attr_init, "`int pthread_barrierattr_init(pthread_barrierattr_t *)`: one word, 0"),
    import("pthread_barrierattr_destroy", nothing, "`int pthread_barrierattr_destroy(pthread_barrierattr_t *)`: 0, it holds nothing"),
    import("pthread_once", once, "`int pthread_once(pthread_once_t *, void (*f)(void))`: calls it the first time; others wait meanwhile; EINVAL"),
];

fn nothing(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn invalid(c: &mut Call<'_>) -> Done {
    c.ret(EINVAL)
}

/// The address of an object, which programs may touch: `None` for NULL.
fn object(c: &Call<'_>) -> Result<Option<u32>, crate::kernel::call::Stop> {
    let at = c.arg(0)?;
    if at == 0 {
        return Ok(None);
    }
    c.load8(at)?;
    Ok(Some(at))
}

pub(super) fn initialise(c: &mut Call<'_>, kind: Kind, new: Object) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    let waiters = c.os.objects.set(kind, at, new)?;
    c.os.let_go(waiters);
    c.ret(0)
}

// Attributes

fn attr_init(c: &mut Call<'_>) -> Done {
    c.store32(c.arg(0)?, 0)?;
    c.ret(0)
}

fn set_type(c: &mut Call<'_>) -> Done {
    let (at, kind) = (c.arg(0)?, c.arg(1)?);
    if kind > 2 {
        return c.ret(EINVAL);
    }
    c.store32(at, kind)?;
    c.ret(0)
}

fn get_type(c: &mut Call<'_>) -> Done {
    let (at, place) = (c.arg(0)?, c.arg(1)?);
    c.store32(place, c.load32(at)?)?;
    c.ret(0)
}

fn only_zero(c: &mut Call<'_>) -> Done {
    let code = match c.arg(1)? {
        0 => 0,
        1 | 2 => ENOTSUP,
        _ => EINVAL,
    };
    c.ret(code)
}

fn get_zero(c: &mut Call<'_>) -> Done {
    c.store32(c.arg(1)?, 0)?;
    c.ret(0)
}

fn set_clock(c: &mut Call<'_>) -> Done {
    let (at, clock) = (c.arg(0)?, c.arg(1)?);
    if clock > 1 {
        return c.ret(EINVAL);
    }
    c.store32(at, clock)?;
    c.ret(0)
}

fn get_clock(c: &mut Call<'_>) -> Done {
    get_type(c)
}

// Mutexes

fn mutex_init(c: &mut Call<'_>) -> Done {
    let attributes = c.arg(1)?;
    let kind = match attributes {
        0 => 0,
        at => c.load32(at)?,
    };
    let kind = match kind {
        0 => MutexKind::Normal,
        1 => MutexKind::Recursive,
        2 => MutexKind::ErrorChecking,
        _ => return c.ret(EINVAL),
    };
    initialise(c, Kind::Mutex, Object::mutex(kind))
}

pub(super) fn mutex_destroy(c: &mut Call<'_>) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    let locked = c.os.objects.with(Kind::Mutex, at, |o| {
        matches!(o, Object::Mutex { owner: Some(_), .. }) || !o.waiters().is_empty()
    });
    if locked? {
        return c.ret(EBUSY);
    }
    c.os.objects.remove(Kind::Mutex, at);
    c.ret(0)
}

fn lock(c: &mut Call<'_>, until: Option<Time>) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    let (me, priority) = (c.thread.id, c.priority());
    match c.os.lock_now(at, me, None)? {
        Locked::Got => return c.ret(0),
        Locked::Busy => {}
        Locked::Own => match mutex_kind(c, at)? {
            MutexKind::ErrorChecking => return c.ret(EDEADLK),
            MutexKind::Recursive => return c.ret(EAGAIN),
            // It waits for itself, until the time if there is one.
            MutexKind::Normal => {}
        },
    }
    c.os.queue_for(at, me, priority, 0)?;
    Ok(Outcome::Park(Wait::Mutex(at), until.map(|at| (at, ETIMEDOUT))))
}

fn mutex_kind(c: &mut Call<'_>, at: u32) -> Result<MutexKind, crate::kernel::call::Stop> {
    let kind = c.os.objects.with(Kind::Mutex, at, |o| match o {
        Object::Mutex { kind, .. } => *kind,
        _ => MutexKind::Normal,
    });
    Ok(kind?)
}

pub(super) fn mutex_lock(c: &mut Call<'_>) -> Done {
    lock(c, None)
}

pub(super) fn mutex_timed_lock(c: &mut Call<'_>) -> Done {
    let until = c.arg(1)?;
    match timespec(c, until)? {
        Some(until) => lock(c, Some(until)),
        // Only who has to wait may learn that the time makes no sense.
        None => {
            let (at, me) = (c.arg(0)?, c.thread.id);
            let got = c.os.lock_now(at, me, None)?;
            c.ret(if got == Locked::Got { 0 } else { EINVAL })
        }
    }
}

pub(super) fn mutex_try_lock(c: &mut Call<'_>) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    let me = c.thread.id;
    let got = c.os.lock_now(at, me, None)?;
    c.ret(if got == Locked::Got { 0 } else { EBUSY })
}

pub(super) fn mutex_unlock(c: &mut Call<'_>) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    let me = c.thread.id;
    let unlocked = c.os.unlock(at, Some(me))?;
    c.ret(if unlocked { 0 } else { EPERM })
}

// Spin locks

fn spin_init(c: &mut Call<'_>) -> Done {
    // No process sees another one's memory.
    if c.arg(1)? != 0 {
        return c.ret(ENOTSUP);
    }
    initialise(c, Kind::Mutex, Object::mutex(MutexKind::Normal))
}

fn spin_lock(c: &mut Call<'_>) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    let (me, priority) = (c.thread.id, c.priority());
    match c.os.lock_now(at, me, Some(false))? {
        Locked::Got => c.ret(0),
        Locked::Own => c.ret(EDEADLK),
        Locked::Busy => {
            c.os.queue_for(at, me, priority, 0)?;
            Ok(Outcome::Park(Wait::Mutex(at), None))
        }
    }
}

// Condition variables

pub(super) fn cond_init(c: &mut Call<'_>) -> Done {
    let waiters = Waiters::default();
    initialise(c, Kind::Condition, Object::Queue { waiters })
}

pub(super) fn cond_destroy(c: &mut Call<'_>) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    if c.os.objects.has_waiters(Kind::Condition, at) {
        return c.ret(EBUSY);
    }
    c.os.objects.remove(Kind::Condition, at);
    c.ret(0)
}

fn wait(c: &mut Call<'_>, until: Option<Time>) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    let (mutex, me, priority) = (c.arg(1)?, c.thread.id, c.priority());
    c.load8(mutex)?;
    if !c.os.unlock(mutex, Some(me))? {
        return c.ret(EPERM);
    }
    c.os.objects
        .with(Kind::Condition, at, |o| o.waiters().add(me, priority))?;
    Ok(Outcome::Park(
        Wait::Condition { at, mutex },
        until.map(|at| (at, ETIMEDOUT)),
    ))
}

pub(super) fn cond_wait(c: &mut Call<'_>) -> Done {
    wait(c, None)
}

pub(super) fn cond_timed_wait(c: &mut Call<'_>) -> Done {
    let until = c.arg(2)?;
    match timespec(c, until)? {
        Some(until) => wait(c, Some(until)),
        None => c.ret(EINVAL),
    }
}

fn signal(c: &mut Call<'_>, most: usize) -> Done {
    let Some(at) = object(c)? else {
        return c.ret(EINVAL);
    };
    c.os.signal_condition(at, most)?;
    c.ret(0)
}

pub(super) fn cond_signal(c: &mut Call<'_>) -> Done {
    signal(c, 1)
}

pub(super) fn cond_broadcast(c: &mut Call<'_>) -> Done {
    signal(c, usize::MAX)
}

// Barriers

fn barrier_init(c: &mut Call<'_>) -> Done {
    let count = c.arg(2)?;
    if count == 0 {
        return c.ret(EINVAL);
    }
    let waiters = Waiters::default();
    initialise(c, Kind::Barrier, Object::Barrier { count, waiters })
}

fn barrier_destroy(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if !c.os.objects.contains(Kind::Barrier, at) {
        return c.ret(EINVAL);
    }
    if c.os.objects.has_waiters(Kind::Barrier, at) {
        return c.ret(EBUSY);
    }
    c.os.objects.remove(Kind::Barrier, at);
    c.ret(0)
}

fn barrier_wait(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if !c.os.objects.contains(Kind::Barrier, at) {
        return c.ret(EINVAL);
    }
    let (me, priority) = (c.thread.id, c.priority());
    match c.os.arrive(at, me, priority)? {
        Some(others) => {
            c.os.let_go(others);
            c.ret(u32::MAX)
        }
        None => Ok(Outcome::Park(Wait::Barrier(at), None)),
    }
}

// Once

/// What a `pthread_once_t` holds while its function runs, and when that has returned; as in musl.
const RUNNING: u32 = 1;
const DONE: u32 = 2;

pub(super) fn once(c: &mut Call<'_>) -> Done {
    let (at, f) = (c.arg(0)?, c.arg(1)?);
    let (me, priority) = (c.thread.id, c.priority());
    match c.load32(at)? {
        0 => {
            c.store32(at, RUNNING)?;
            let done = move |c: &mut Call<'_>, _: u64| {
                c.store32(at, DONE)?;
                let waiters = c.os.objects.remove(Kind::Once, at);
                c.os.let_go(waiters);
                c.ret(0)
            };
            Ok(Outcome::Enter(f, Vec::new(), Box::new(done)))
        }
        RUNNING => {
            c.os.objects
                .with(Kind::Once, at, |o| o.waiters().add(me, priority))?;
            Ok(Outcome::Park(Wait::Once(at), None))
        }
        DONE => c.ret(0),
        _ => c.ret(EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::sched::RunState;
    use std::time::Duration;

    fn mutex(g: &mut Guest, kind: u32) -> u32 {
        let (at, attr) = (g.bytes(&[0x55; 24]), g.bytes(&[0; 4]));
        g.call("pthread_mutexattr_init", &[attr]);
        assert_eq!(g.call("pthread_mutexattr_settype", &[attr, kind]), 0);
        assert_eq!(g.call("pthread_mutex_init", &[at, attr]), 0);
        at
    }

    /// r0 of a thread that can run.
    fn result(g: &Guest, id: u32) -> u32 {
        let (thread, state) = g.os.sched.get(id).unwrap();
        assert_eq!(state, RunState::Ready);
        thread.core.regs.r[0]
    }

    #[test]
    fn each_kind_of_mutex_has_its_errors() {
        let mut g = Guest::new();
        let attr = g.bytes(&[0; 4]);
        assert_eq!(g.call("pthread_mutexattr_settype", &[attr, 3]), EINVAL);
        assert_eq!(g.call("pthread_mutexattr_setprotocol", &[attr, 1]), ENOTSUP);
        g.write(attr, &9u32.to_le_bytes());
        assert_eq!(g.call("pthread_mutex_init", &[attr, attr]), EINVAL);
        for (kind, again, over) in [(1, 0, EPERM), (2, EDEADLK, EPERM)] {
            let m = mutex(&mut g, kind);
            assert_eq!(g.call("pthread_mutex_unlock", &[m]), EPERM);
            assert_eq!(g.call("pthread_mutex_lock", &[m]), 0);
            assert_eq!(g.call("pthread_mutex_lock", &[m]), again);
            assert_eq!(g.call("pthread_mutex_destroy", &[m]), EBUSY);
            if again == 0 {
                assert_eq!(g.call("pthread_mutex_unlock", &[m]), 0);
            }
            assert_eq!(g.call("pthread_mutex_unlock", &[m]), 0);
            assert_eq!(g.call("pthread_mutex_unlock", &[m]), over);
            assert_eq!(g.call("pthread_mutex_destroy", &[m]), 0);
        }
        let plain = g.bytes(&[0; 24]);
        assert_eq!(g.call("pthread_mutex_lock", &[plain]), 0);
        assert_eq!(g.call("pthread_mutex_trylock", &[plain]), EBUSY);
        assert!(matches!(
            g.try_call("pthread_mutex_lock", &[plain]),
            Ok(Outcome::Park(Wait::Mutex(_), None))
        ));
        assert_eq!(g.call("pthread_mutex_lock", &[0]), EINVAL);
        assert!(g.try_call("pthread_mutex_lock", &[0xffff_fff0]).is_err());
    }

    #[test]
    fn a_timed_lock_ends_at_its_time() {
        let mut g = Guest::new();
        let (m, until) = (g.bytes(&[0; 24]), g.bytes(&[0; 16]));
        g.write(until, &5u64.to_le_bytes());
        assert_eq!(g.call("pthread_mutex_timedlock", &[m, until]), 0);
        g.park(50, 9, "pthread_mutex_timedlock", &[m, until]);
        g.clock.advance(Duration::from_secs(5));
        g.os.expire_waits();
        assert_eq!(result(&g, 50), ETIMEDOUT);
        g.write(until + 8, &1_000_000_000u32.to_le_bytes());
        assert_eq!(g.call("pthread_mutex_timedlock", &[m, until]), EINVAL);
        g.call("pthread_mutex_unlock", &[m]);
        assert!(g.os.objects.is_empty());
    }

    #[test]
    fn who_waited_too_long_on_a_condition_has_its_mutex_again() {
        let mut g = Guest::new();
        let (cond, m, until) = (g.bytes(&[0; 48]), g.bytes(&[0; 24]), g.bytes(&[0; 16]));
        g.write(until, &5u64.to_le_bytes());
        for id in [50, 51] {
            g.park(id, 9, "pthread_cond_timedwait", &[cond, m, until]);
        }
        assert_eq!(g.call("pthread_cond_destroy", &[cond]), EBUSY);
        g.call("pthread_mutex_lock", &[m]);
        // One is signalled in time and has to wait for the mutex, the other is too late.
        g.call("pthread_cond_signal", &[cond]);
        g.clock.advance(Duration::from_secs(6));
        g.os.expire_waits();
        assert!(!g.is_ready(50) && !g.is_ready(51));
        g.call("pthread_mutex_unlock", &[m]);
        assert_eq!(result(&g, 50), 0);
        assert!(!g.is_ready(51));
        g.os.unlock(m, Some(50)).unwrap();
        assert_eq!(result(&g, 51), ETIMEDOUT);
        assert_eq!(g.call("pthread_mutex_trylock", &[m]), EBUSY);
        assert_eq!(g.call("pthread_cond_destroy", &[cond]), 0);
    }

    #[test]
    fn waiting_demands_the_mutex_if_its_kind_does() {
        let mut g = Guest::new();
        let (cond, m) = (g.bytes(&[0; 48]), mutex(&mut g, 2));
        assert_eq!(g.call("pthread_cond_wait", &[cond, m]), EPERM);
        assert_eq!(
            g.call(
                "pthread_cond_timedwait",
                &[cond, m, g.os.builtins.process_return()]
            ),
            EINVAL
        );
    }

    #[test]
    fn barriers_have_to_be_made() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 20]);
        assert_eq!(g.call("pthread_barrier_wait", &[at]), EINVAL);
        assert_eq!(g.call("pthread_barrier_init", &[at, 0, 0]), EINVAL);
        assert_eq!(g.call("pthread_barrier_init", &[at, 0, 2]), 0);
        g.park(50, 9, "pthread_barrier_wait", &[at]);
        assert_eq!(g.call("pthread_barrier_destroy", &[at]), EBUSY);
        assert_eq!(g.call("pthread_barrier_wait", &[at]), u32::MAX);
        assert_eq!(result(&g, 50), 0);
        assert_eq!(g.call("pthread_barrier_destroy", &[at]), 0);
        assert_eq!(g.call("pthread_barrier_destroy", &[at]), EINVAL);
    }

    #[test]
    fn others_wait_for_what_is_done_once() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 4]);
        let Ok(Outcome::Enter(0x2000, _, then)) = g.try_call("pthread_once", &[at, 0x2000]) else {
            panic!("it is called")
        };
        g.park(50, 9, "pthread_once", &[at, 0x2000]);
        let mut call = Call {
            os: &mut g.os,
            thread: &mut g.thread,
        };
        assert!(matches!(then(&mut call, 7), Ok(Outcome::Return)));
        assert_eq!(result(&g, 50), 0);
        assert_eq!(g.call("pthread_once", &[at, 0x2000]), 0);
        g.write(at, &77u32.to_le_bytes());
        assert_eq!(g.call("pthread_once", &[at, 0x2000]), EINVAL);
    }

    #[test]
    fn spin_locks_know_their_owner() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 4]);
        assert_eq!(g.call("pthread_spin_init", &[at, 1]), ENOTSUP);
        assert_eq!(g.call("pthread_spin_init", &[at, 0]), 0);
        assert_eq!(g.call("pthread_spin_lock", &[at]), 0);
        assert_eq!(g.call("pthread_spin_lock", &[at]), EDEADLK);
        g.park(50, 9, "pthread_spin_lock", &[at]);
        assert_eq!(g.call("pthread_spin_unlock", &[at]), 0);
        assert_eq!(result(&g, 50), 0);
    }
}
