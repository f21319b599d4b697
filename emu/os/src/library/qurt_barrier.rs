//! QuRT barriers: threads that wait for each other.

use super::qurt_object::{destroy, initialise};
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, Object, Waiters};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_barrier_init", barrier_init, "`int qurt_barrier_init(qurt_barrier_t *, unsigned threads)`: a barrier for so many threads"),
    import("qurt_barrier_destroy", barrier_destroy, "`int qurt_barrier_destroy(qurt_barrier_t *)`: forgets it; who waits goes on"),
    import("qurt_barrier_wait", barrier_wait, "`int qurt_barrier_wait(qurt_barrier_t *)`: 1 for the thread that comes last, 0 for the others"),
];

fn barrier_init(c: &mut Call<'_>) -> Done {
    let count = c.arg(1)?.max(1);
    initialise(
        c,
        Kind::Barrier,
        Object::Barrier {
            count,
            waiters: Waiters::default(),
        },
    )
}

fn barrier_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Barrier)
}

fn barrier_wait(c: &mut Call<'_>) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.priority());
    match c.os.arrive(at, me, priority)? {
        Some(others) => {
            c.os.let_go(others);
            c.ret(1)
        }
        None => Ok(Outcome::Park(Wait::Barrier(at), None)),
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn a_barrier_lets_everybody_go_and_tells_the_last() {
        let mut g = Guest::new();
        g.call("qurt_barrier_init", &[16, 3]);
        g.park(2, 9, "qurt_barrier_wait", &[16]);
        g.park(3, 9, "qurt_barrier_wait", &[16]);
        assert_eq!(g.call("qurt_barrier_wait", &[16]), 1);
        assert!(g.is_ready(2) && g.is_ready(3));
        g.park(4, 9, "qurt_barrier_wait", &[16]);
    }
}
