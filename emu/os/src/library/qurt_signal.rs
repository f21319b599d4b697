//! QuRT signals (`qurt_signal`, `qurt_anysignal`, `qurt_allsignal`): 32 bits that threads wait for. They stay set until
//! they are cleared.

use super::qurt_object::{EOK, ETIMEDOUT, after, destroy, initialise};
use crate::clock::Time;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, Object, Waiters};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_signal_init", signal_init, "`void qurt_signal_init(qurt_signal_t *)`: 32 signals, none set"),
    import("qurt_anysignal_init", signal_init, "`void qurt_anysignal_init(qurt_anysignal_t *)`: 32 signals, none set"),
    import("qurt_allsignal_init", signal_init, "`void qurt_allsignal_init(qurt_allsignal_t *)`: 32 signals, none set"),
    import("qurt_signal_destroy", signal_destroy, "`void qurt_signal_destroy(qurt_signal_t *)`: forgets it; who waits goes on"),
    import("qurt_anysignal_destroy", signal_destroy, "`void qurt_anysignal_destroy(qurt_anysignal_t *)`: forgets it; who waits goes on"),
    import("qurt_allsignal_destroy", signal_destroy, "`void qurt_allsignal_destroy(qurt_allsignal_t *)`: forgets it; who waits goes on"),
    import("qurt_signal_wait", signal_wait, "`unsigned qurt_signal_wait(qurt_signal_t *, unsigned mask, unsigned attribute)`: for any (0) or all (1) of them"),
    import("qurt_signal_wait_any", signal_wait_any, "`unsigned qurt_signal_wait_any(qurt_signal_t *, unsigned mask)`: for any of them"),
    import("qurt_anysignal_wait", signal_wait_any, "`unsigned qurt_anysignal_wait(qurt_anysignal_t *, unsigned mask)`: for any of them"),
    import("qurt_signal_wait_all", signal_wait_all, "`unsigned qurt_signal_wait_all(qurt_signal_t *, unsigned mask)`: for all of them"),
    import("qurt_allsignal_wait", signal_wait_all, "`unsigned qurt_allsignal_wait(qurt_allsignal_t *, unsigned mask)`: for all of them"),
    import("qurt_signal_wait_timed", signal_wait_timed, "`int qurt_signal_wait_timed(qurt_signal_t *, unsigned mask, unsigned attribute, unsigned *set, unsigned long long us)`: 0, or 47 in the end"),
    import("qurt_anysignal_wait_timed", anysignal_wait_timed, "`int qurt_anysignal_wait_timed(qurt_anysignal_t *, unsigned mask, unsigned *set, unsigned long long us)`: 0, or 47 in the end"),
    import("qurt_signal_wait_cancellable", signal_wait_cancellable, "`int qurt_signal_wait_cancellable(qurt_signal_t *, unsigned mask, unsigned attribute, unsigned *set)`: 0; threads go on with their process, never before its end"),
    import("qurt_signal2_wait_cancellable", signal_wait_cancellable, "`int qurt_signal2_wait_cancellable(qurt_signal2_t *, unsigned mask, unsigned attribute, unsigned *set)`: as qurt_signal_wait_cancellable"),
    import("qurt_signal2_wait_any", signal_wait_any, "`unsigned qurt_signal2_wait_any(qurt_signal2_t *, unsigned mask)`: as qurt_signal_wait_any"),
    import("qurt_signal2_wait_all", signal_wait_all, "`unsigned qurt_signal2_wait_all(qurt_signal2_t *, unsigned mask)`: as qurt_signal_wait_all"),
    import("qurt_allsignal_clear", signal_clear, "`void qurt_allsignal_clear(qurt_allsignal_t *, unsigned mask)`: clears signals"),
    import("qurt_signal2_init", signal_init, "`void qurt_signal2_init(qurt_signal2_t *)`: as qurt_signal_init"),
    import("qurt_signal2_destroy", signal_destroy, "`void qurt_signal2_destroy(qurt_signal2_t *)`: as qurt_signal_destroy"),
    import("qurt_signal2_wait", signal_wait, "`unsigned qurt_signal2_wait(qurt_signal2_t *, unsigned mask, unsigned attribute)`: as qurt_signal_wait"),
    import("qurt_signal2_set", signal_set, "`void qurt_signal2_set(qurt_signal2_t *, unsigned mask)`: as qurt_signal_set"),
    import("qurt_signal2_clear", signal_clear, "`void qurt_signal2_clear(qurt_signal2_t *, unsigned mask)`: as qurt_signal_clear"),
    import("qurt_signal2_get", signal_get, "`unsigned qurt_signal2_get(qurt_signal2_t *)`: as qurt_signal_get"),
    import("qurt_signal_set", signal_set, "`void qurt_signal_set(qurt_signal_t *, unsigned mask)`: sets signals, wakes whose condition is met"),
    import("qurt_anysignal_set", signal_set, "`unsigned qurt_anysignal_set(qurt_anysignal_t *, unsigned mask)`: sets signals; what was set before"),
    import("qurt_allsignal_set", signal_set, "`void qurt_allsignal_set(qurt_allsignal_t *, unsigned mask)`: sets signals, wakes whose condition is met"),
    import("qurt_signal_clear", signal_clear, "`void qurt_signal_clear(qurt_signal_t *, unsigned mask)`: clears signals"),
    import("qurt_anysignal_clear", signal_clear, "`unsigned qurt_anysignal_clear(qurt_anysignal_t *, unsigned mask)`: clears signals; what was set before"),
    import("qurt_signal_get", signal_get, "`unsigned qurt_signal_get(qurt_signal_t *)`: what is set"),
    import("qurt_anysignal_get", signal_get, "`unsigned qurt_anysignal_get(qurt_anysignal_t *)`: what is set"),
    import("qurt_allsignal_get", signal_get, "`unsigned qurt_allsignal_get(qurt_allsignal_t *)`: what is set"),
];

fn signal_init(c: &mut Call<'_>) -> Done {
    initialise(
        c,
        Kind::Signal,
        Object::Signal {
            bits: 0,
            waiters: Waiters::default(),
        },
    )
}

fn signal_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Signal)
}

fn is_met(bits: u32, mask: u32, all: bool) -> bool {
    if all {
        bits & mask == mask
    } else {
        bits & mask != 0
    }
}

/// Works on a signal object's bits.
fn with_bits<R>(c: &mut Call<'_>, at: u32, f: impl FnOnce(&mut u32, &mut Waiters) -> R) -> Result<R, Stop> {
    let mut f = Some(f);
    let result = c.os.objects.with(Kind::Signal, at, |o| match (o, f.take()) {
        (Object::Signal { bits, waiters }, Some(f)) => Some(f(bits, waiters)),
        _ => None,
    });
    result?.ok_or_else(|| Stop::because("not a signal object"))
}

/// How long one waits, and where the signals go that were set (0: they are returned).
#[derive(Clone, Copy, Default)]
struct Patience {
    until: Option<Time>,
    place: u32,
}

fn wait_signal(c: &mut Call<'_>, mask: u32, all: bool, patience: Patience) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.priority());
    let Patience { until, place } = patience;
    let (now, met) = with_bits(c, at, |bits, waiters| {
        let met = is_met(*bits, mask, all);
        if !met {
            waiters.add(me, priority);
        }
        (*bits, met)
    })?;
    if place != 0 {
        c.store32(place, now)?;
    }
    match (met, place) {
        (true, 0) => c.ret(now),
        (true, _) => c.ret(EOK),
        (false, _) => Ok(Outcome::Park(
            Wait::Signal { at, mask, all, place },
            until.map(|at| (at, ETIMEDOUT)),
        )),
    }
}

fn signal_wait(c: &mut Call<'_>) -> Done {
    let (mask, all) = (c.arg(1)?, c.arg(2)? & 1 != 0);
    wait_signal(c, mask, all, Patience::default())
}

fn signal_wait_any(c: &mut Call<'_>) -> Done {
    let mask = c.arg(1)?;
    wait_signal(c, mask, false, Patience::default())
}

fn signal_wait_all(c: &mut Call<'_>) -> Done {
    let mask = c.arg(1)?;
    wait_signal(c, mask, true, Patience::default())
}

fn patience(c: &Call<'_>, place: u32, us: u64) -> Result<Patience, Stop> {
    c.load32(place)?;
    let until = Some(after(c, us));
    Ok(Patience { until, place })
}

fn signal_wait_timed(c: &mut Call<'_>) -> Done {
    let (mask, all) = (c.arg(1)?, c.arg(2)? & 1 != 0);
    let patience = patience(c, c.arg(3)?, c.arg64(4))?;
    wait_signal(c, mask, all, patience)
}

fn signal_wait_cancellable(c: &mut Call<'_>) -> Done {
    let (mask, all, place) = (c.arg(1)?, c.arg(2)? & 1 != 0, c.arg(3)?);
    c.load32(place)?;
    wait_signal(c, mask, all, Patience { until: None, place })
}

fn anysignal_wait_timed(c: &mut Call<'_>) -> Done {
    let mask = c.arg(1)?;
    let patience = patience(c, c.arg(2)?, c.arg64(4))?;
    wait_signal(c, mask, false, patience)
}

/// Sets signals and wakes whose condition is met; what was set before.
pub(super) fn set_signals(c: &mut Call<'_>, at: u32, mask: u32) -> Result<u32, Stop> {
    let (old, now, waiting) = with_bits(c, at, |bits, waiters| {
        let old = *bits;
        *bits |= mask;
        (old, *bits, waiters.iter().collect::<Vec<_>>())
    })?;
    for thread in waiting {
        if let Some(Wait::Signal { mask, all, place, .. }) = c.os.waits_for(thread)
            && is_met(now, mask, all)
        {
            with_bits(c, at, |_, waiters| waiters.remove(thread))?;
            let result = match place {
                0 => now,
                place => {
                    // A bad pointer is the waiter's own loss; it was checked when it began to wait.
                    let _ = c.store32(place, now);
                    EOK
                }
            };
            c.os.wake(thread, result);
        }
    }
    Ok(old)
}

fn signal_set(c: &mut Call<'_>) -> Done {
    let (at, mask) = (c.arg(0)?, c.arg(1)?);
    let old = set_signals(c, at, mask)?;
    c.ret(old)
}

fn signal_clear(c: &mut Call<'_>) -> Done {
    let (at, mask) = (c.arg(0)?, c.arg(1)?);
    let old = with_bits(c, at, |bits, _| {
        let old = *bits;
        *bits &= !mask;
        old
    })?;
    c.ret(old)
}

fn signal_get(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let bits = with_bits(c, at, |bits, _| *bits)?;
    c.ret(bits)
}

#[cfg(test)]
mod tests {
    use super::EOK;
    use crate::kernel::testing::Guest;

    #[test]
    fn a_wait_that_could_be_cancelled_tells_the_signals_where_it_is_asked_to() {
        let mut g = Guest::new();
        let (at, place) = (g.bytes(&[0; 8]), g.bytes(&[0; 4]));
        g.call("qurt_signal_init", &[at]);
        g.park(50, 100, "qurt_signal_wait_cancellable", &[at, 6, 0, place]);
        g.call("qurt_signal_set", &[at, 4]);
        assert!(g.is_ready(50));
        assert_eq!(
            (g.os.sched.get(50).unwrap().0.core.regs.r[0], g.word(place)),
            (EOK, 4)
        );
        assert_eq!(g.call("qurt_signal_wait_cancellable", &[at, 4, 1, place]), EOK);
    }

    #[test]
    fn a_timed_wait_tells_what_was_set_or_ends() {
        let mut g = Guest::new();
        let set = g.bytes(&[0xff; 4]);
        g.park(2, 9, "qurt_signal_wait_timed", &[24, 2, 0, set, 5_000_000, 0]);
        g.park(3, 9, "qurt_anysignal_wait_timed", &[24, 4, set, 0, 5_000_000, 0]);
        g.call("qurt_signal_set", &[24, 3]);
        let result = |g: &Guest, id| g.os.sched.get(id).unwrap().0.core.regs.r[0];
        assert!(g.is_ready(2) && !g.is_ready(3));
        assert_eq!((result(&g, 2), g.word(set)), (0, 3));
        g.clock.advance(std::time::Duration::from_secs(5));
        g.os.expire_waits();
        assert!(g.is_ready(3));
        assert_eq!(result(&g, 3), super::ETIMEDOUT);
        assert_eq!(g.call("qurt_signal_wait_timed", &[24, 1, 0, set, 1, 0]), 0);
        assert!(
            g.try_call("qurt_signal_wait_timed", &[24, 1, 0, 3, 1, 0])
                .is_err()
        );
    }

    #[test]
    fn signals_wake_those_whose_condition_is_met() {
        let mut g = Guest::new();
        g.park(2, 9, "qurt_signal_wait", &[24, 3, 0]);
        g.park(3, 9, "qurt_signal_wait", &[24, 3, 1]);
        assert_eq!(g.call("qurt_anysignal_set", &[24, 1]), 0);
        assert!(g.is_ready(2) && !g.is_ready(3));
        assert_eq!(g.call("qurt_anysignal_set", &[24, 2]), 1);
        assert!(g.is_ready(3));
        assert_eq!(g.os.sched.get(3).unwrap().0.core.regs.r[0], 3);
        assert_eq!(g.call("qurt_signal_wait", &[24, 3, 1]), 3);
        g.call("qurt_signal_clear", &[24, 3]);
        assert_eq!(g.call("qurt_signal_get", &[24]), 0);
    }
}
