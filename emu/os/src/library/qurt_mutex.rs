//! QuRT mutexes: plain, recursive and with priority inheritance, which are recursive, too.
//!
//! A mutex that is unlocked passes straight to the waiter of the best priority.

use super::qurt_object::{EOK, ETIMEDOUT, EVAL, after, destroy, initialise};
use crate::clock::Time;
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::kernel::locks::Locked;
use crate::objects::{Kind, MutexKind, Object};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_mutex_init", mutex_init, "`void qurt_mutex_init(qurt_mutex_t *)`: an unlocked mutex"),
    import("qurt_rmutex_init", mutex_init, "`void qurt_rmutex_init(qurt_mutex_t *)`: an unlocked recursive mutex"),
    import("qurt_pimutex_init", pimutex_init, "`void qurt_pimutex_init(qurt_mutex_t *)`: an unlocked recursive mutex whose owner gets the priority of who waits"),
    import("qurt_mutex_destroy", mutex_destroy, "`void qurt_mutex_destroy(qurt_mutex_t *)`: forgets it; who waits goes on"),
    import("qurt_rmutex_destroy", mutex_destroy, "`void qurt_rmutex_destroy(qurt_mutex_t *)`: forgets it; who waits goes on"),
    import("qurt_pimutex_destroy", pimutex_destroy, "`void qurt_pimutex_destroy(qurt_mutex_t *)`: forgets it; who waits goes on"),
    import("qurt_mutex_lock", mutex_lock, "`void qurt_mutex_lock(qurt_mutex_t *)`: locking one's own mutex waits for ever, as on hardware"),
    import("qurt_rmutex_lock", rmutex_lock, "`void qurt_rmutex_lock(qurt_mutex_t *)`: may be locked again by its owner"),
    import("qurt_pimutex_lock", pimutex_lock, "`void qurt_pimutex_lock(qurt_mutex_t *)`: may be locked again by its owner"),
    import("qurt_mutex_try_lock", mutex_try_lock, "`int qurt_mutex_try_lock(qurt_mutex_t *)`: 0, or 1 if it is locked"),
    import("qurt_rmutex_try_lock", rmutex_try_lock, "`int qurt_rmutex_try_lock(qurt_mutex_t *)`: 0, or 1 if another thread has it"),
    import("qurt_pimutex_try_lock", rmutex_try_lock, "`int qurt_pimutex_try_lock(qurt_mutex_t *)`: 0, or 1 if another thread has it"),
    import("qurt_mutex_unlock", mutex_unlock, "`void qurt_mutex_unlock(qurt_mutex_t *)`: the best waiter becomes the owner"),
    import("qurt_rmutex_unlock", mutex_unlock, "`void qurt_rmutex_unlock(qurt_mutex_t *)`: once; in the end the best waiter becomes the owner"),
    import("qurt_pimutex_unlock", pimutex_unlock, "`void qurt_pimutex_unlock(qurt_mutex_t *)`: once; in the end the best waiter becomes the owner"),
    import("qurt_mutex_lock_timed", mutex_lock_timed, "`int qurt_mutex_lock_timed(qurt_mutex_t *, unsigned long long us)`: 0, or 47 in the end"),
    import("qurt_rmutex_lock_timed", rmutex_lock_timed, "`int qurt_rmutex_lock_timed(qurt_mutex_t *, unsigned long long us)`: 0, or 47 in the end"),
    import("qurt_pimutex_lock_timed", pimutex_lock_timed, "`int qurt_pimutex_lock_timed(qurt_mutex_t *, unsigned long long us)`: 0, or 47 in the end"),
    import("qurt_rmutex_try_lock_block_once", rmutex_try_lock, "`int qurt_rmutex_try_lock_block_once(qurt_mutex_t *)`: 0, or 1 if another thread has it"),
    import("qurt_rmutex2_init", mutex_init, "`void qurt_rmutex2_init(qurt_rmutex2_t *)`: an unlocked mutex, as qurt_rmutex_init"),
    import("qurt_rmutex2_destroy", mutex_destroy, "`void qurt_rmutex2_destroy(qurt_rmutex2_t *)`: as qurt_rmutex_destroy"),
    import("qurt_rmutex2_lock", rmutex_lock, "`void qurt_rmutex2_lock(qurt_rmutex2_t *)`: as qurt_rmutex_lock"),
    import("qurt_rmutex2_try_lock", rmutex_try_lock, "`int qurt_rmutex2_try_lock(qurt_rmutex2_t *)`: as qurt_rmutex_try_lock"),
    import("qurt_rmutex2_unlock", mutex_unlock, "`void qurt_rmutex2_unlock(qurt_rmutex2_t *)`: as qurt_rmutex_unlock"),
    import("qurt_pimutex2_init", pimutex_init, "`void qurt_pimutex2_init(qurt_pimutex2_t *)`: an unlocked mutex, as qurt_pimutex_init"),
    import("qurt_pimutex2_destroy", pimutex_destroy, "`void qurt_pimutex2_destroy(qurt_pimutex2_t *)`: as qurt_pimutex_destroy"),
    import("qurt_pimutex2_lock", pimutex_lock, "`void qurt_pimutex2_lock(qurt_pimutex2_t *)`: as qurt_pimutex_lock"),
    import("qurt_pimutex2_try_lock", rmutex_try_lock, "`int qurt_pimutex2_try_lock(qurt_pimutex2_t *)`: as qurt_pimutex_try_lock"),
    import("qurt_pimutex2_unlock", pimutex_unlock, "`void qurt_pimutex2_unlock(qurt_pimutex2_t *)`: as qurt_pimutex_unlock"),
];

fn mutex_init(c: &mut Call<'_>) -> Done {
    initialise(c, Kind::Mutex, Object::mutex(MutexKind::Normal))
}

fn mutex_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Mutex)
}

/// The mutex's owner changes, or it is another mutex: who was raised by it is not any more.
fn take_back(c: &mut Call<'_>, at: u32) {
    c.os.lib
        .inherited
        .take_back(at, &mut c.os.objects, &mut c.os.sched);
}

fn pimutex_init(c: &mut Call<'_>) -> Done {
    let (at, done) = (c.arg(0)?, mutex_init(c));
    take_back(c, at);
    done
}

fn pimutex_destroy(c: &mut Call<'_>) -> Done {
    let (at, done) = (c.arg(0)?, mutex_destroy(c));
    take_back(c, at);
    done
}

fn lock(c: &mut Call<'_>, recursive: bool, until: Option<Time>) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.priority());
    if c.os.lock_now(at, me, Some(recursive))? == Locked::Got {
        return c.ret(EOK);
    }
    c.os.queue_for(at, me, priority, EOK)?;
    c.set(EOK);
    Ok(Outcome::Park(Wait::Mutex(at), until.map(|at| (at, ETIMEDOUT))))
}

fn mutex_lock(c: &mut Call<'_>) -> Done {
    lock(c, false, None)
}

fn rmutex_lock(c: &mut Call<'_>) -> Done {
    lock(c, true, None)
}

/// Locks, and who holds it meanwhile gets the caller's priority.
fn pilock(c: &mut Call<'_>, until: Option<Time>) -> Done {
    let (at, me, done) = (c.arg(0)?, c.thread.id, lock(c, true, until)?);
    if matches!(done, Outcome::Park(..)) {
        let os = &mut *c.os;
        os.lib.inherited.pass(at, me, &mut os.objects, &mut os.sched);
    }
    Ok(done)
}

fn pimutex_lock(c: &mut Call<'_>) -> Done {
    pilock(c, None)
}

fn pimutex_lock_timed(c: &mut Call<'_>) -> Done {
    let until = after(c, c.arg64(2));
    pilock(c, Some(until))
}

fn mutex_lock_timed(c: &mut Call<'_>) -> Done {
    let until = after(c, c.arg64(2));
    lock(c, false, Some(until))
}

fn rmutex_lock_timed(c: &mut Call<'_>) -> Done {
    let until = after(c, c.arg64(2));
    lock(c, true, Some(until))
}

fn try_lock(c: &mut Call<'_>, recursive: bool) -> Done {
    let (at, me) = (c.arg(0)?, c.thread.id);
    let taken = c.os.lock_now(at, me, Some(recursive))?;
    c.ret(if taken == Locked::Got { EOK } else { EVAL })
}

fn mutex_try_lock(c: &mut Call<'_>) -> Done {
    try_lock(c, false)
}

fn rmutex_try_lock(c: &mut Call<'_>) -> Done {
    try_lock(c, true)
}

fn mutex_unlock(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.os.unlock(at, None)?;
    c.ret(EOK)
}

fn pimutex_unlock(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.os.unlock(at, None)?;
    take_back(c, at);
    c.ret(EOK)
}

#[cfg(test)]
mod tests {
    use super::{EVAL, Outcome};
    use crate::kernel::testing::Guest;

    #[test]
    fn a_mutex_passes_to_waiters_in_priority_order() {
        let mut g = Guest::new();
        const M: u32 = 0x5000;
        g.call("qurt_mutex_lock", &[M]);
        assert_eq!(g.call("qurt_mutex_try_lock", &[M]), EVAL);
        g.park(2, 100, "qurt_mutex_lock", &[M]);
        g.park(3, 50, "qurt_mutex_lock", &[M]);
        g.park(4, 50, "qurt_mutex_lock", &[M]);
        for next in [3, 4, 2] {
            g.call("qurt_mutex_unlock", &[M]);
            assert!(g.is_ready(next), "{next}");
        }
        g.call("qurt_mutex_unlock", &[M]);
        assert!(g.os.objects.is_empty());
    }

    #[test]
    fn a_timed_lock_ends() {
        let mut g = Guest::new();
        g.call("qurt_mutex_lock", &[8]);
        g.park(2, 9, "qurt_mutex_lock_timed", &[8, 0, 5_000_000, 0]);
        g.clock.advance(std::time::Duration::from_secs(5));
        g.os.expire_waits();
        assert_eq!(g.os.sched.get(2).unwrap().0.core.regs.r[0], super::ETIMEDOUT);
        g.call("qurt_mutex_unlock", &[8]);
        assert!(g.is_ready(2) && g.os.objects.is_empty());
    }

    #[test]
    fn a_recursive_mutex_counts() {
        let mut g = Guest::new();
        g.call("qurt_rmutex_lock", &[8]);
        g.call("qurt_rmutex_lock", &[8]);
        g.call("qurt_rmutex_unlock", &[8]);
        assert!(!g.os.objects.is_empty());
        g.call("qurt_rmutex_unlock", &[8]);
        assert!(g.os.objects.is_empty());
    }

    #[test]
    fn the_owner_has_the_best_waiters_priority_until_it_unlocks() {
        let mut g = Guest::new();
        let me = g.thread.id;
        let own = g.os.sched.priority(me).unwrap();
        for (name, base) in [("qurt_pimutex", 0x100u32), ("qurt_pimutex2", 0x200)] {
            let mutex = |what: &str| format!("{name}_{what}");
            let [first, second, third] = [1, 2, 3].map(|n| base + n);
            for at in [8, 16] {
                g.call(&mutex("init"), &[at]);
                g.call(&mutex("lock"), &[at]);
            }
            g.park(first, own - 10, &mutex("lock"), &[8]);
            assert_eq!(g.os.sched.priority(me), Some(own - 10));
            g.park(second, own - 20, &mutex("lock"), &[16]);
            // A worse one changes nothing.
            g.park(third, own + 1, &mutex("lock"), &[16]);
            assert_eq!(g.os.sched.priority(me), Some(own - 20));
            g.call(&mutex("unlock"), &[16]);
            assert!(g.is_ready(second));
            assert_eq!(g.os.sched.priority(me), Some(own - 10));
            // Its own priority is what it has in the end.
            assert_eq!(g.call("qurt_thread_set_priority", &[me, u32::from(own) - 1]), 0);
            assert_eq!(g.os.sched.priority(me), Some(own - 10));
            g.call(&mutex("unlock"), &[8]);
            assert_eq!(g.os.sched.priority(me), Some(own - 1));
            assert_eq!(g.call("qurt_thread_set_priority", &[me, own.into()]), 0);
            assert_eq!(g.os.sched.priority(me), Some(own));
        }
    }

    /// A thread that holds one mutex and waits for another, up to five seconds.
    fn in_between(g: &mut Guest, priority: u8, holds: u32, waits: u32) -> u32 {
        let mut thread = g.new_thread(priority);
        let id = thread.id;
        std::mem::swap(&mut g.thread, &mut thread);
        g.call("qurt_pimutex_lock", &[holds]);
        let waited = g.try_call("qurt_pimutex_lock_timed", &[waits, 0, 5_000_000, 0]);
        let Ok(Outcome::Park(wait, until)) = waited else {
            panic!("it did not wait")
        };
        std::mem::swap(&mut g.thread, &mut thread);
        g.os.sched.park(thread, wait, until);
        id
    }

    #[test]
    fn a_priority_goes_on_to_who_holds_what_the_owner_waits_for() {
        let mut g = Guest::new();
        let me = g.thread.id;
        let own = g.os.sched.priority(me).unwrap();
        g.call("qurt_pimutex_lock", &[8]);
        let far = in_between(&mut g, own + 20, 16, 8);
        let near = in_between(&mut g, own + 30, 24, 16);
        let other = 0x100;
        g.park(other, own + 10, "qurt_pimutex_lock", &[8]);
        let all = |g: &Guest| [me, far, near].map(|id| g.os.sched.priority(id).unwrap());
        assert_eq!(all(&g), [own, own + 20, own + 30]);
        let best = 0x101;
        g.park(best, own - 10, "qurt_pimutex_lock", &[24]);
        assert_eq!(all(&g), [own - 10; 3]);
        // It is before the other one now, which was better when it came.
        g.call("qurt_pimutex_unlock", &[8]);
        assert!(g.is_ready(far) && !g.is_ready(other));
        assert_eq!(all(&g), [own, own - 10, own - 10]);
        // Another priority of its own does not take it what it has for others.
        g.call("qurt_thread_set_priority", &[near, u32::from(own) + 40]);
        assert_eq!(all(&g), [own, own - 10, own - 10]);
        // Who gives up takes it from all.
        g.clock.advance(std::time::Duration::from_secs(5));
        g.os.expire_waits();
        assert_eq!(all(&g), [own, own + 10, own - 10]);
    }

    #[test]
    fn threads_that_wait_for_each_other_in_a_circle_have_the_best_priority_of_theirs() {
        let mut g = Guest::new();
        let me = g.thread.id;
        let own = g.os.sched.priority(me).unwrap();
        g.call("qurt_pimutex_lock", &[8]);
        let first = in_between(&mut g, own + 20, 16, 8);
        let second = in_between(&mut g, own + 30, 24, 16);
        let Ok(Outcome::Park(..)) = g.try_call("qurt_pimutex_lock", &[24]) else {
            panic!("it did not wait")
        };
        g.park(0x100, own - 10, "qurt_pimutex_lock", &[16]);
        let all = [me, first, second].map(|id| g.os.sched.priority(id).unwrap());
        assert_eq!(all, [own - 10; 3]);
    }

    #[test]
    fn a_worse_waiter_counts_when_a_better_one_is_gone() {
        let mut g = Guest::new();
        let me = g.thread.id;
        let own = g.os.sched.priority(me).unwrap();
        for at in [8, 16] {
            g.call("qurt_pimutex_lock", &[at]);
        }
        g.park(0x100, own - 20, "qurt_pimutex_lock", &[8]);
        g.park(0x101, own - 10, "qurt_pimutex_lock", &[16]);
        g.call("qurt_pimutex_unlock", &[8]);
        assert_eq!(g.os.sched.priority(me), Some(own - 10));
    }

    #[test]
    fn a_waiter_that_gives_up_takes_its_priority_with_it() {
        let mut g = Guest::new();
        let me = g.thread.id;
        let own = g.os.sched.priority(me).unwrap();
        g.call("qurt_pimutex_lock", &[8]);
        g.park(90, own - 10, "qurt_pimutex_lock_timed", &[8, 0, 5_000_000, 0]);
        assert_eq!(g.os.sched.priority(me), Some(own - 10));
        g.clock.advance(std::time::Duration::from_secs(5));
        g.os.expire_waits();
        assert_eq!(g.os.sched.priority(me), Some(own));
        // A recursive mutex raises nobody.
        g.call("qurt_rmutex_lock", &[16]);
        g.park(91, own - 10, "qurt_rmutex_lock", &[16]);
        assert_eq!(g.os.sched.priority(me), Some(own));
    }
}
