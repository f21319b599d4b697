//! POSIX cancellation and cleanup handlers.
//!
//! Cancellation is deferred: a thread ends in the functions of [`POINTS`](crate::library_state::cancels::POINTS), with
//! PTHREAD_CANCELED as its result, after its cleanup handlers and the destructors of its values; a wait there is broken off,
//! and who waits on a condition variable has its mutex again first. Not built: asynchronous cancellation, which is refused.

use super::errno::{EINVAL, ENOTSUP, ESRCH};
use super::thread;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::cancels::is_point;
use crate::library_state::keys::CLEANUP;
use crate::sched::{ThreadId, Wait};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("pthread_cancel", cancel, "`int pthread_cancel(pthread_t)`: has it end where it waits or at the next point; ESRCH"),
    import("pthread_testcancel", test_cancel, "`void pthread_testcancel(void)`: ends the caller if it is to be cancelled"),
    import("pthread_setcancelstate", set_state, "`int pthread_setcancelstate(int state, int *old)`: 0 lets itself be cancelled, 1 not; EINVAL"),
    import("pthread_setcanceltype", set_type, "`int pthread_setcanceltype(int type, int *old)`: 0 deferred; ENOTSUP for asynchronous, EINVAL"),
    import("_pthread_cleanup_push", cleanup_push, "`void _pthread_cleanup_push(struct __ptcb *, void (*f)(void *), void *)`: musl's pthread_cleanup_push"),
    import("_pthread_cleanup_pop", cleanup_pop, "`void _pthread_cleanup_pop(struct __ptcb *, int run)`: musl's pthread_cleanup_pop"),
];

/// PTHREAD_CANCELED
const CANCELED: u32 = u32::MAX;

fn cancel(c: &mut Call<'_>) -> Done {
    let thread = c.arg(0)?;
    if c.os.sched.contains(thread) {
        c.os.lib.cancels.ask(thread);
        break_wait(c, thread);
        return c.ret(0);
    }
    // One that has ended and waits to be joined cannot be cancelled any more.
    let ended = c.os.lib.posix.ended.contains_key(&thread);
    c.ret(if ended { 0 } else { ESRCH })
}

/// Has a thread that waits at a point go on there, where it is cancelled.
fn break_wait(c: &mut Call<'_>, thread: ThreadId) {
    let waits = match c.os.sched.waits_for(thread) {
        Some(wait @ (Wait::Sleep | Wait::Semaphore(_) | Wait::Condition { .. } | Wait::Join { .. })) => wait,
        _ => return,
    };
    let pc = c.os.sched.goes_on_at(thread);
    let builtins = &c.os.builtins;
    // QuRT's functions wait for the same things and are no points.
    let at_point = pc
        .and_then(|pc| builtins.name_at(pc.wrapping_sub(4)))
        .is_some_and(is_point);
    let point = builtins.address(b"pthread_testcancel");
    if let Some(point) = point.filter(|_| at_point && c.os.lib.cancels.is_due(thread)) {
        c.os.break_wait(thread, waits, point);
    }
}

/// Also what the OS calls in place of a point's function when the caller is to be cancelled.
fn test_cancel(c: &mut Call<'_>) -> Done {
    let me = c.thread.id;
    if !c.os.lib.cancels.is_due(me) {
        return c.ret(0);
    }
    c.os.lib.cancels.begin(me);
    clean_up(c, CANCELED)
}

fn set_state(c: &mut Call<'_>) -> Done {
    let (state, old) = (c.arg(0)?, c.arg(1)?);
    if state > 1 {
        return c.ret(EINVAL);
    }
    if old != 0 {
        // A bad pointer must not change anything.
        c.store32(old, 0)?;
    }
    let me = c.thread.id;
    let before = c.os.lib.cancels.disable(me, state == 1);
    if old != 0 {
        c.store32(old, before.into())?;
    }
    c.ret(0)
}

fn set_type(c: &mut Call<'_>) -> Done {
    let (kind, old) = (c.arg(0)?, c.arg(1)?);
    match kind {
        0 => {}
        1 => {
            c.tell_once(
                "pthread_setcanceltype of asynchronous cancellation",
                "is refused (ENOTSUP)",
            );
            return c.ret(ENOTSUP);
        }
        _ => return c.ret(EINVAL),
    }
    if old != 0 {
        c.store32(old, 0)?;
    }
    c.ret(0)
}

/// Runs the cleanup handlers, last registered first, and ends the thread.
pub(super) fn clean_up(c: &mut Call<'_>, result: u32) -> Done {
    let Some(at) = c.thread.tls.get(&CLEANUP).copied().filter(|&at| at != 0) else {
        c.thread.tls.remove(&CLEANUP);
        return thread::end(c, result);
    };
    let [f, argument, next] = handler(c, at)?;
    c.thread.tls.insert(CLEANUP, next);
    let then = move |c: &mut Call<'_>, _: u64| clean_up(c, result);
    Ok(Outcome::Enter(f, vec![argument], Box::new(then)))
}

/// `struct __ptcb`: function, argument, the handler before.
fn handler(c: &Call<'_>, at: u32) -> Result<[u32; 3], Stop> {
    let word = |n: u32| c.load32(at.wrapping_add(4 * n));
    Ok([word(0)?, word(1)?, word(2)?])
}

fn cleanup_push(c: &mut Call<'_>) -> Done {
    let (at, f, argument) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let before = c.thread.tls.get(&CLEANUP).copied().unwrap_or(0);
    for (n, v) in (0..).zip([f, argument, before]) {
        c.store32(at.wrapping_add(4 * n), v)?;
    }
    c.thread.tls.insert(CLEANUP, at);
    c.ret(0)
}

fn cleanup_pop(c: &mut Call<'_>) -> Done {
    let (at, run) = (c.arg(0)?, c.arg(1)?);
    let [f, argument, before] = handler(c, at)?;
    c.thread.tls.insert(CLEANUP, before);
    if run == 0 {
        return c.ret(0);
    }
    Ok(Outcome::Enter(f, vec![argument], Box::new(|c, _| c.ret(0))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use std::time::Duration;

    #[test]
    fn cleanup_handlers_run_last_first() {
        let mut g = Guest::new();
        let (a, b) = (g.bytes(&[0; 12]), g.bytes(&[0; 12]));
        g.call("_pthread_cleanup_push", &[a, 0x3000, 1]);
        g.call("_pthread_cleanup_push", &[b, 0x4000, 2]);
        let Ok(Outcome::Enter(0x4000, args, then)) = g.try_call("pthread_exit", &[0]) else {
            panic!("the last one first")
        };
        assert_eq!(args, [2]);
        let mut call = Call {
            os: &mut g.os,
            thread: &mut g.thread,
        };
        assert!(matches!(then(&mut call, 0), Ok(Outcome::Enter(0x3000, ..))));
        g.call("_pthread_cleanup_push", &[b, 0x4000, 2]);
        assert_eq!(g.call("_pthread_cleanup_pop", &[b, 0]), 0);
        assert!(matches!(
            g.try_call("_pthread_cleanup_pop", &[a, 1]),
            Ok(Outcome::Enter(0x3000, ..))
        ));
        assert!(g.try_call("_pthread_cleanup_pop", &[3, 1]).is_err());
    }

    #[test]
    fn a_thread_is_cancelled_only_when_it_lets_itself() {
        let mut g = Guest::new();
        let (me, old) = (g.thread.id, g.bytes(&[0xff; 4]));
        assert_eq!(g.call("pthread_cancel", &[999]), ESRCH);
        assert_eq!(g.call("pthread_setcancelstate", &[1, old]), 0);
        assert_eq!(g.word(old), 0);
        assert_eq!(g.call("pthread_cancel", &[me]), 0);
        assert_eq!(g.call("pthread_testcancel", &[]), 0);
        assert!(g.try_call("pthread_setcancelstate", &[0, 3]).is_err());
        assert_eq!(g.call("pthread_testcancel", &[]), 0);
        assert_eq!(g.call("pthread_setcancelstate", &[2, 0]), EINVAL);
        assert_eq!(g.call("pthread_setcanceltype", &[1, 0]), ENOTSUP);
        assert_eq!(g.call("pthread_setcanceltype", &[2, 0]), EINVAL);
        assert_eq!(g.call("pthread_setcancelstate", &[0, old]), 0);
        assert_eq!(g.word(old), 1);
        let handler = g.bytes(&[0; 12]);
        g.call("_pthread_cleanup_push", &[handler, 0x3000, 5]);
        let Ok(Outcome::Enter(0x3000, args, then)) = g.try_call("pthread_testcancel", &[]) else {
            panic!("no cleanup handler")
        };
        assert_eq!(args, [5]);
        // It is not cancelled twice.
        assert_eq!(g.call("pthread_cancel", &[me]), 0);
        assert_eq!(g.call("pthread_testcancel", &[]), 0);
        assert!(matches!(g.go_on(then, 0), Ok(Outcome::Exit(CANCELED))));
    }

    #[test]
    fn waits_at_points_are_broken_off_and_no_others() {
        let mut g = Guest::new();
        let point = g.os.builtins.address(b"pthread_testcancel").unwrap();
        let (semaphore, mutex, condition) = (g.bytes(&[0; 32]), g.bytes(&[0; 32]), g.bytes(&[0; 64]));
        g.call("sem_init", &[semaphore, 0, 0]);
        let pc = |g: &Guest, id| g.os.sched.get(id).unwrap().0.core.regs.pc;
        g.park(1000, 100, "sem_wait", &[semaphore]);
        assert_eq!(g.call("pthread_cancel", &[1000]), 0);
        assert!(g.is_ready(1000));
        assert_eq!(pc(&g, 1000), point);
        // Nobody waits for a unit any more.
        assert_eq!(g.call("sem_post", &[semaphore]), 0);
        assert_eq!(g.call("sem_trywait", &[semaphore]), 0);
        // QuRT's sleep is no point.
        g.park(1001, 100, "qurt_sleep", &[1_000_000, 0]);
        assert_eq!(g.call("pthread_cancel", &[1001]), 0);
        assert!(!g.is_ready(1001));
        g.clock.advance(Duration::from_secs(2));
        g.os.expire_waits();
        assert!(g.is_ready(1001));
        assert_ne!(pc(&g, 1001), point);
        // On a condition variable: with the mutex, which is somebody's.
        g.park(1002, 100, "pthread_cond_wait", &[condition, mutex]);
        g.call("pthread_mutex_lock", &[mutex]);
        assert_eq!(g.call("pthread_cancel", &[1002]), 0);
        assert!(!g.is_ready(1002));
        g.call("pthread_mutex_unlock", &[mutex]);
        assert!(g.is_ready(1002));
        assert_eq!(pc(&g, 1002), point);
        assert_eq!(g.call("pthread_cond_signal", &[condition]), 0);
    }
}
