//! POSIX read-write locks. Readers get in whenever nobody writes, as in musl, so one that reads already may read again.

use super::errno::{EBUSY, EDEADLK, EINVAL, EPERM, ETIMEDOUT};
use super::posix_time::timespec;
use crate::clock::Time;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, Object};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("pthread_rwlock_init", init, "`int pthread_rwlock_init(pthread_rwlock_t *, const pthread_rwlockattr_t *)`: an unlocked lock"),
    import("pthread_rwlock_destroy", destroy, "`int pthread_rwlock_destroy(pthread_rwlock_t *)`: forgets it; EBUSY if it is locked"),
    import("pthread_rwlock_rdlock", wait_lock::<false>, "`int pthread_rwlock_rdlock(pthread_rwlock_t *)`: waits for a writer; EDEADLK if the caller is that"),
    import("pthread_rwlock_tryrdlock", try_lock::<false>, "`int pthread_rwlock_tryrdlock(pthread_rwlock_t *)`: EBUSY if somebody writes"),
    import("pthread_rwlock_timedrdlock", timed_lock::<false>, "`int pthread_rwlock_timedrdlock(pthread_rwlock_t *, const struct timespec *until)`: ETIMEDOUT"),
    import("pthread_rwlock_wrlock", wait_lock::<true>, "`int pthread_rwlock_wrlock(pthread_rwlock_t *)`: waits for all others; EDEADLK if the caller writes"),
    import("pthread_rwlock_trywrlock", try_lock::<true>, "`int pthread_rwlock_trywrlock(pthread_rwlock_t *)`: EBUSY if somebody has it"),
    import("pthread_rwlock_timedwrlock", timed_lock::<true>, "`int pthread_rwlock_timedwrlock(pthread_rwlock_t *, const struct timespec *until)`: ETIMEDOUT"),
    import("pthread_rwlock_unlock", unlock, "`int pthread_rwlock_unlock(pthread_rwlock_t *)`: EPERM if nobody has it, or another thread writes"),
    import("pthread_rwlockattr_init", attr_init, "`int pthread_rwlockattr_init(pthread_rwlockattr_t *)`: two words, 0"),
    import("pthread_rwlockattr_destroy", attr_destroy, "`int pthread_rwlockattr_destroy(pthread_rwlockattr_t *)`: 0, it holds nothing"),
];

fn attr_init(c: &mut Call<'_>) -> Done {
    c.store64(c.arg(0)?, 0)?;
    c.ret(0)
}

fn attr_destroy(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn object(c: &Call<'_>) -> Result<u32, Stop> {
    let at = c.arg(0)?;
    c.load8(at)?;
    Ok(at)
}

fn is_locked(c: &mut Call<'_>, at: u32) -> Result<bool, Stop> {
    let locked = c.os.objects.with(Kind::ReadWrite, at, |o| match o {
        Object::ReadWrite {
            readers,
            writer,
            waiters,
        } => *readers > 0 || writer.is_some() || !waiters.is_empty(),
        _ => false,
    });
    Ok(locked?)
}

fn init(c: &mut Call<'_>) -> Done {
    let at = object(c)?;
    if is_locked(c, at)? {
        return c.ret(EBUSY);
    }
    c.ret(0)
}

fn destroy(c: &mut Call<'_>) -> Done {
    let at = object(c)?;
    let locked = is_locked(c, at)?;
    c.ret(if locked { EBUSY } else { 0 })
}

/// How long one waits.
enum Patience {
    None,
    Until(Time),
    /// The time that was given makes no sense.
    Invalid,
    Endless,
}

fn lock(c: &mut Call<'_>, write: bool, patience: Patience) -> Done {
    let at = object(c)?;
    let (me, priority) = (c.thread.id, c.priority());
    let waits = !matches!(patience, Patience::None | Patience::Invalid);
    let code = c.os.objects.with(Kind::ReadWrite, at, |o| {
        let Object::ReadWrite {
            readers,
            writer,
            waiters,
        } = o
        else {
            return EINVAL;
        };
        match *writer {
            Some(owner) if owner == me && waits => return EDEADLK,
            None if !write => {
                *readers = readers.saturating_add(1);
                return 0;
            }
            None if *readers == 0 => {
                *writer = Some(me);
                return 0;
            }
            _ => {}
        }
        if waits {
            waiters.add(me, priority);
        }
        EBUSY
    });
    match (code?, patience) {
        (EBUSY, Patience::Invalid) => c.ret(EINVAL),
        (EBUSY, Patience::Until(until)) => Ok(Outcome::Park(
            Wait::ReadWrite { at, write },
            Some((until, ETIMEDOUT)),
        )),
        (EBUSY, Patience::Endless) => Ok(Outcome::Park(Wait::ReadWrite { at, write }, None)),
        (code, _) => c.ret(code),
    }
}

fn wait_lock<const WRITE: bool>(c: &mut Call<'_>) -> Done {
    lock(c, WRITE, Patience::Endless)
}

fn try_lock<const WRITE: bool>(c: &mut Call<'_>) -> Done {
    lock(c, WRITE, Patience::None)
}

fn timed_lock<const WRITE: bool>(c: &mut Call<'_>) -> Done {
    let at = c.arg(1)?;
    let patience = timespec(c, at)?.map_or(Patience::Invalid, Patience::Until);
    lock(c, WRITE, patience)
}

fn unlock(c: &mut Call<'_>) -> Done {
    let at = object(c)?;
    let me = c.thread.id;
    let had = c.os.objects.with(Kind::ReadWrite, at, |o| match o {
        Object::ReadWrite { writer, .. } if *writer == Some(me) => {
            *writer = None;
            true
        }
        Object::ReadWrite {
            readers,
            writer: None,
            ..
        } if *readers > 0 => {
            *readers -= 1;
            true
        }
        _ => false,
    });
    if !had? {
        return c.ret(EPERM);
    }
    hand_on(c, at)?;
    c.ret(0)
}

/// Lets in who can have the lock now: the best waiter, and if that reads, all others that read.
fn hand_on(c: &mut Call<'_>, at: u32) -> Result<(), Stop> {
    let waiting =
        c.os.objects
            .with(Kind::ReadWrite, at, |o| o.waiters().iter().collect::<Vec<_>>());
    for thread in waiting? {
        let Some(Wait::ReadWrite { write, .. }) = c.os.waits_for(thread) else {
            continue;
        };
        let got = c.os.objects.with(Kind::ReadWrite, at, |o| {
            let Object::ReadWrite {
                readers,
                writer,
                waiters,
            } = o
            else {
                return false;
            };
            if writer.is_some() || (write && *readers > 0) {
                return false;
            }
            waiters.remove(thread);
            if write {
                *writer = Some(thread);
            } else {
                *readers = readers.saturating_add(1);
            }
            true
        });
        if got? {
            c.os.wake(thread, 0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use std::time::Duration;

    #[test]
    fn readers_share_and_writers_do_not() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 32]);
        assert_eq!(g.call("pthread_rwlock_unlock", &[at]), EPERM);
        assert_eq!(g.call("pthread_rwlock_rdlock", &[at]), 0);
        assert_eq!(g.call("pthread_rwlock_rdlock", &[at]), 0);
        assert_eq!(g.call("pthread_rwlock_trywrlock", &[at]), EBUSY);
        assert_eq!(g.call("pthread_rwlock_destroy", &[at]), EBUSY);
        g.park(50, 9, "pthread_rwlock_wrlock", &[at]);
        // A waiting writer keeps no reader out.
        assert_eq!(g.call("pthread_rwlock_tryrdlock", &[at]), 0);
        for _ in 0..3 {
            assert!(!g.is_ready(50));
            assert_eq!(g.call("pthread_rwlock_unlock", &[at]), 0);
        }
        assert!(g.is_ready(50));
        assert_eq!(g.call("pthread_rwlock_unlock", &[at]), EPERM);
        assert_eq!(g.call("pthread_rwlock_tryrdlock", &[at]), EBUSY);
    }

    #[test]
    fn a_writer_lets_all_readers_in_and_does_not_wait_for_itself() {
        let mut g = Guest::new();
        let (at, time) = (g.bytes(&[0; 32]), g.bytes(&[0; 16]));
        g.write(time, &5u64.to_le_bytes());
        assert_eq!(g.call("pthread_rwlock_wrlock", &[at]), 0);
        assert_eq!(g.call("pthread_rwlock_wrlock", &[at]), EDEADLK);
        assert_eq!(g.call("pthread_rwlock_rdlock", &[at]), EDEADLK);
        g.park(50, 9, "pthread_rwlock_rdlock", &[at]);
        g.park(51, 9, "pthread_rwlock_timedwrlock", &[at, time]);
        g.park(52, 9, "pthread_rwlock_timedrdlock", &[at, time]);
        g.call("pthread_rwlock_unlock", &[at]);
        assert!(g.is_ready(50) && !g.is_ready(51) && g.is_ready(52));
        g.clock.advance(Duration::from_secs(5));
        g.os.expire_waits();
        assert_eq!(g.os.sched.get(51).unwrap().0.core.regs.r[0], ETIMEDOUT);
        for _ in 0..2 {
            assert_eq!(g.call("pthread_rwlock_unlock", &[at]), 0);
        }
        assert!(g.os.objects.is_empty());
    }
}
