//! QuRT mutexes: plain, recursive and with priority inheritance (which is not modelled: it is a recursive one here).
//!
//! A mutex that is unlocked passes straight to the waiter of the best priority.

use super::qurt_object::{EOK, EVAL, destroy, full, initialise};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::kernel::state::Kernel;
use crate::objects::{Kind, Object, Waiters};
use crate::sched::{ThreadId, Wait};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_mutex_init", mutex_init, "`void qurt_mutex_init(qurt_mutex_t *)`: an unlocked mutex"),
    import("qurt_rmutex_init", mutex_init, "`void qurt_rmutex_init(qurt_mutex_t *)`: an unlocked recursive mutex"),
    import("qurt_pimutex_init", mutex_init, "`void qurt_pimutex_init(qurt_mutex_t *)`: an unlocked recursive mutex; priorities are not inherited"),
    import("qurt_mutex_destroy", mutex_destroy, "`void qurt_mutex_destroy(qurt_mutex_t *)`: forgets it; who waits goes on"),
    import("qurt_rmutex_destroy", mutex_destroy, "`void qurt_rmutex_destroy(qurt_mutex_t *)`: forgets it; who waits goes on"),
    import("qurt_pimutex_destroy", mutex_destroy, "`void qurt_pimutex_destroy(qurt_mutex_t *)`: forgets it; who waits goes on"),
    import("qurt_mutex_lock", mutex_lock, "`void qurt_mutex_lock(qurt_mutex_t *)`: locking one's own mutex waits for ever, as on hardware"),
    import("qurt_rmutex_lock", rmutex_lock, "`void qurt_rmutex_lock(qurt_mutex_t *)`: may be locked again by its owner"),
    import("qurt_pimutex_lock", rmutex_lock, "`void qurt_pimutex_lock(qurt_mutex_t *)`: may be locked again by its owner"),
    import("qurt_mutex_try_lock", mutex_try_lock, "`int qurt_mutex_try_lock(qurt_mutex_t *)`: 0, or 1 if it is locked"),
    import("qurt_rmutex_try_lock", rmutex_try_lock, "`int qurt_rmutex_try_lock(qurt_mutex_t *)`: 0, or 1 if another thread has it"),
    import("qurt_pimutex_try_lock", rmutex_try_lock, "`int qurt_pimutex_try_lock(qurt_mutex_t *)`: 0, or 1 if another thread has it"),
    import("qurt_mutex_unlock", mutex_unlock, "`void qurt_mutex_unlock(qurt_mutex_t *)`: the best waiter becomes the owner"),
    import("qurt_rmutex_unlock", mutex_unlock, "`void qurt_rmutex_unlock(qurt_mutex_t *)`: once; in the end the best waiter becomes the owner"),
    import("qurt_pimutex_unlock", mutex_unlock, "`void qurt_pimutex_unlock(qurt_mutex_t *)`: once; in the end the best waiter becomes the owner"),
];

fn mutex_init(c: &mut Call<'_>) -> Done {
    initialise(
        c,
        Kind::Mutex,
        Object::Mutex {
            owner: None,
            depth: 0,
            waiters: Waiters::default(),
        },
    )
}

fn mutex_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Mutex)
}

/// Takes a mutex for a thread if it can have it now.
pub(super) fn take(os: &mut Kernel, at: u32, thread: ThreadId, recursive: bool) -> Result<bool, Stop> {
    let taken = os.objects.with(Kind::Mutex, at, |o| match o {
        Object::Mutex {
            owner: owner @ None,
            depth,
            ..
        } => {
            *owner = Some(thread);
            *depth = 1;
            true
        }
        Object::Mutex {
            owner: Some(owner),
            depth,
            ..
        } if *owner == thread && recursive => {
            *depth = depth.saturating_add(1);
            true
        }
        _ => false,
    });
    taken.map_err(full)
}

/// Puts a thread into a mutex's queue.
pub(super) fn queue(os: &mut Kernel, at: u32, thread: ThreadId, priority: u8) -> Result<(), Stop> {
    os.objects
        .with(Kind::Mutex, at, |o| o.waiters().add(thread, priority))
        .map_err(full)
}

fn lock(c: &mut Call<'_>, recursive: bool) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.priority());
    if take(c.os, at, me, recursive)? {
        return c.ret(EOK);
    }
    queue(c.os, at, me, priority)?;
    c.set(EOK);
    Ok(Outcome::Park(Wait::Mutex(at), None))
}

fn mutex_lock(c: &mut Call<'_>) -> Done {
    lock(c, false)
}

fn rmutex_lock(c: &mut Call<'_>) -> Done {
    lock(c, true)
}

fn try_lock(c: &mut Call<'_>, recursive: bool) -> Done {
    let (at, me) = (c.arg(0)?, c.thread.id);
    let taken = take(c.os, at, me, recursive)?;
    c.ret(if taken { EOK } else { EVAL })
}

fn mutex_try_lock(c: &mut Call<'_>) -> Done {
    try_lock(c, false)
}

fn rmutex_try_lock(c: &mut Call<'_>) -> Done {
    try_lock(c, true)
}

/// Unlocks once; the best waiter becomes the owner.
pub(super) fn unlock(os: &mut Kernel, at: u32) -> Result<(), Stop> {
    let next = os.objects.with(Kind::Mutex, at, |o| {
        let Object::Mutex {
            owner,
            depth,
            waiters,
        } = o
        else {
            return None;
        };
        *depth = depth.saturating_sub(1);
        if *depth > 0 {
            return None;
        }
        *owner = waiters.take();
        *depth = u32::from(owner.is_some());
        *owner
    });
    if let Some(thread) = next.map_err(full)? {
        os.wake(thread, EOK);
    }
    Ok(())
}

fn mutex_unlock(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    unlock(c.os, at)?;
    c.ret(EOK)
}

#[cfg(test)]
mod tests {
    use super::EVAL;
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
    fn a_recursive_mutex_counts() {
        let mut g = Guest::new();
        g.call("qurt_rmutex_lock", &[8]);
        g.call("qurt_rmutex_lock", &[8]);
        g.call("qurt_rmutex_unlock", &[8]);
        assert!(!g.os.objects.is_empty());
        g.call("qurt_rmutex_unlock", &[8]);
        assert!(g.os.objects.is_empty());
    }
}
