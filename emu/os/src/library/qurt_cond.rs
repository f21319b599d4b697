//! QuRT condition variables: waiting gives the mutex up, being signalled takes it again.

use super::qurt_object::{EOK, destroy, initialise};
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, Object, Waiters};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_cond_init", condition_init, "`void qurt_cond_init(qurt_cond_t *)`: a condition variable"),
    import("qurt_cond_destroy", condition_destroy, "`void qurt_cond_destroy(qurt_cond_t *)`: forgets it; who waits goes on"),
    import("qurt_cond_wait", condition_wait, "`void qurt_cond_wait(qurt_cond_t *, qurt_mutex_t *)`: gives the mutex up, waits, takes it again"),
    import("qurt_cond_wait2", condition_wait, "`void qurt_cond_wait2(qurt_cond_t *, qurt_rmutex2_t *)`: gives the mutex up, waits, takes it again"),
    import("qurt_cond_signal", condition_signal, "`void qurt_cond_signal(qurt_cond_t *)`: the best waiter goes on"),
    import("qurt_cond_broadcast", condition_broadcast, "`void qurt_cond_broadcast(qurt_cond_t *)`: all waiters go on"),
];

fn condition_init(c: &mut Call<'_>) -> Done {
    initialise(
        c,
        Kind::Condition,
        Object::Queue {
            waiters: Waiters::default(),
        },
    )
}

fn condition_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Condition)
}

fn condition_wait(c: &mut Call<'_>) -> Done {
    let (at, mutex, me, priority) = (c.arg(0)?, c.arg(1)?, c.thread.id, c.priority());
    c.os.objects
        .with(Kind::Condition, at, |o| o.waiters().add(me, priority))?;
    c.os.unlock(mutex, None)?;
    c.set(EOK);
    Ok(Outcome::Park(Wait::Condition { at, mutex }, None))
}

fn wake_waiters(c: &mut Call<'_>, most: usize) -> Done {
    let at = c.arg(0)?;
    c.os.signal_condition(at, most)?;
    c.ret(EOK)
}

fn condition_signal(c: &mut Call<'_>) -> Done {
    wake_waiters(c, 1)
}

fn condition_broadcast(c: &mut Call<'_>) -> Done {
    wake_waiters(c, usize::MAX)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn condition_variables_hand_back_the_mutex() {
        let mut g = Guest::new();
        g.park(5, 9, "qurt_cond_wait", &[40, 48]);
        g.call("qurt_mutex_lock", &[48]);
        g.call("qurt_cond_signal", &[40]);
        assert!(!g.is_ready(5));
        g.call("qurt_mutex_unlock", &[48]);
        assert!(g.is_ready(5));
    }
}
