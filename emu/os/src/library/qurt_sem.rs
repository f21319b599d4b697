//! QuRT semaphores.

use super::qurt_object::{EOK, ETIMEDOUT, EVAL, after, destroy, initialise};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, Object, Waiters};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_sem_init", semaphore_init, "`void qurt_sem_init(qurt_sem_t *)`: a semaphore of one unit"),
    import("qurt_sem_init_val", semaphore_init_value, "`void qurt_sem_init_val(qurt_sem_t *, unsigned short units)`: a semaphore of so many units"),
    import("qurt_sem_destroy", semaphore_destroy, "`void qurt_sem_destroy(qurt_sem_t *)`: forgets it; who waits goes on"),
    import("qurt_sem_down", semaphore_down, "`int qurt_sem_down(qurt_sem_t *)`: takes a unit, waits for one"),
    import("qurt_sem_down_cancellable", semaphore_down, "`int qurt_sem_down_cancellable(qurt_sem_t *)`: as qurt_sem_down"),
    import("qurt_sem_try_down", semaphore_try_down, "`int qurt_sem_try_down(qurt_sem_t *)`: takes a unit; 1 if there is none"),
    import("qurt_sem_down_timed", semaphore_down_timed, "`int qurt_sem_down_timed(qurt_sem_t *, unsigned long long us)`: takes a unit, waits for one; 47 in the end"),
    import("qurt_sem_up", semaphore_up, "`int qurt_sem_up(qurt_sem_t *)`: gives a unit"),
    import("qurt_sem_add", semaphore_add, "`int qurt_sem_add(qurt_sem_t *, unsigned units)`: gives so many units"),
    import("qurt_sem_get_val", semaphore_value, "`unsigned short qurt_sem_get_val(qurt_sem_t *)`: units that are free"),
];

fn semaphore_init(c: &mut Call<'_>) -> Done {
    initialise(
        c,
        Kind::Semaphore,
        Object::Semaphore {
            count: 1,
            waiters: Waiters::default(),
        },
    )
}

fn semaphore_init_value(c: &mut Call<'_>) -> Done {
    let count = c.arg(1)? & 0xffff;
    initialise(
        c,
        Kind::Semaphore,
        Object::Semaphore {
            count,
            waiters: Waiters::default(),
        },
    )
}

fn semaphore_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Semaphore)
}

/// Takes a unit if there is one; otherwise joins the queue if `wait`.
fn down(c: &mut Call<'_>, wait: bool) -> Result<bool, Stop> {
    let (at, me) = (c.arg(0)?, (c.thread.id, c.priority()));
    Ok(c.os.take_unit(at, wait.then_some(me))?)
}

fn semaphore_down(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if down(c, true)? {
        return c.ret(EOK);
    }
    Ok(Outcome::Park(Wait::Semaphore(at), None))
}

fn semaphore_down_timed(c: &mut Call<'_>) -> Done {
    let (at, until) = (c.arg(0)?, after(c, c.arg64(2)));
    if down(c, true)? {
        return c.ret(EOK);
    }
    Ok(Outcome::Park(Wait::Semaphore(at), Some((until, ETIMEDOUT))))
}

fn semaphore_try_down(c: &mut Call<'_>) -> Done {
    let taken = down(c, false)?;
    c.ret(if taken { EOK } else { EVAL })
}

fn up(c: &mut Call<'_>, units: u32) -> Done {
    let at = c.arg(0)?;
    let woken = c.os.objects.with(Kind::Semaphore, at, |o| {
        let Object::Semaphore { count, waiters } = o else {
            return Vec::new();
        };
        let mut left = units;
        let mut woken = Vec::new();
        while left > 0 {
            let Some(thread) = waiters.take() else { break };
            woken.push(thread);
            left -= 1;
        }
        *count = count.saturating_add(left);
        woken
    });
    for thread in woken? {
        c.os.wake(thread, EOK);
    }
    c.ret(EOK)
}

fn semaphore_up(c: &mut Call<'_>) -> Done {
    up(c, 1)
}

fn semaphore_add(c: &mut Call<'_>) -> Done {
    let units = c.arg(1)?;
    up(c, units)
}

fn semaphore_value(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let value = c.os.objects.with(Kind::Semaphore, at, |o| match o {
        Object::Semaphore { count, .. } => *count,
        _ => 0,
    });
    c.ret(value?)
}

#[cfg(test)]
mod tests {
    use super::{EOK, EVAL};
    use crate::kernel::testing::Guest;

    #[test]
    fn a_timed_wait_ends() {
        let mut g = Guest::new();
        g.park(2, 9, "qurt_sem_down_timed", &[32, 0, 5_000_000, 0]);
        g.clock.advance(std::time::Duration::from_secs(5));
        g.os.expire_waits();
        assert_eq!(g.os.sched.get(2).unwrap().0.core.regs.r[0], super::ETIMEDOUT);
        assert!(g.is_ready(2) && g.os.objects.is_empty());
    }

    #[test]
    fn semaphores_count() {
        let mut g = Guest::new();
        g.call("qurt_sem_init_val", &[32, 1]);
        assert_eq!(g.call("qurt_sem_down", &[32]), EOK);
        assert_eq!(g.call("qurt_sem_try_down", &[32]), EVAL);
        g.park(2, 9, "qurt_sem_down", &[32]);
        g.call("qurt_sem_add", &[32, 2]);
        assert!(g.is_ready(2));
        assert_eq!(g.call("qurt_sem_get_val", &[32]), 1);
    }
}
