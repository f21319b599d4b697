//! QuRT futexes: sleeping on a word of the program's memory.

use super::qurt_object::{EOK, EVAL};
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::objects::Kind;
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_futex_wait", futex_wait, "`int qurt_futex_wait(void *word, int value)`: sleeps if the word still has the value; 1 if it has not"),
    import("qurt_futex_wait_cancellable", futex_wait, "`int qurt_futex_wait_cancellable(void *word, int value)`: as qurt_futex_wait"),
    import("qurt_futex_wake", futex_wake, "`int qurt_futex_wake(void *word, int threads)`: how many were woken"),
];

fn futex_wait(c: &mut Call<'_>) -> Done {
    let (at, value, me, priority) = (c.arg(0)?, c.arg(1)?, c.thread.id, c.priority());
    if c.load32(at)? != value {
        return c.ret(EVAL);
    }
    c.os.objects
        .with(Kind::Futex, at, |o| o.waiters().add(me, priority))?;
    Ok(Outcome::Park(Wait::Futex(at), None))
}

fn futex_wake(c: &mut Call<'_>) -> Done {
    let (at, most) = (c.arg(0)?, c.arg(1)? as i32);
    let mut woken = 0;
    while woken < most {
        let next = c.os.objects.with(Kind::Futex, at, |o| o.waiters().take())?;
        let Some(thread) = next else { break };
        c.os.wake(thread, EOK);
        woken += 1;
    }
    c.ret(woken as u32)
}

#[cfg(test)]
mod tests {
    use super::EVAL;
    use crate::kernel::testing::Guest;

    #[test]
    fn a_futex_sleeps_only_on_the_expected_value() {
        let mut g = Guest::new();
        let word = g.bytes(&7u32.to_le_bytes());
        assert_eq!(g.call("qurt_futex_wait", &[word, 8]), EVAL);
        g.park(2, 9, "qurt_futex_wait", &[word, 7]);
        g.park(3, 8, "qurt_futex_wait", &[word, 7]);
        assert_eq!(g.call("qurt_futex_wake", &[word, 1]), 1);
        assert!(g.is_ready(3) && !g.is_ready(2));
        assert_eq!(g.call("qurt_futex_wake", &[word, 9]), 1);
    }
}
