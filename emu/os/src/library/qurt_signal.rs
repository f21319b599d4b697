//! QuRT signals (`qurt_signal`, `qurt_anysignal`, `qurt_allsignal`): 32 bits that threads wait for. They stay set until
//! they are cleared.

use super::qurt_object::{destroy, full, initialise};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, Object, Waiters};
use crate::sched::Wait;

/// This family's table.
pub const IMPORTS: &[Import] = &[
    import("qurt_signal_init", signal_init),
    import("qurt_anysignal_init", signal_init),
    import("qurt_allsignal_init", signal_init),
    import("qurt_signal_destroy", signal_destroy),
    import("qurt_anysignal_destroy", signal_destroy),
    import("qurt_allsignal_destroy", signal_destroy),
    import("qurt_signal_wait", signal_wait),
    import("qurt_signal_wait_any", signal_wait_any),
    import("qurt_anysignal_wait", signal_wait_any),
    import("qurt_signal_wait_all", signal_wait_all),
    import("qurt_allsignal_wait", signal_wait_all),
    import("qurt_signal_set", signal_set),
    import("qurt_anysignal_set", signal_set),
    import("qurt_allsignal_set", signal_set),
    import("qurt_signal_clear", signal_clear),
    import("qurt_anysignal_clear", signal_clear),
    import("qurt_signal_get", signal_get),
    import("qurt_anysignal_get", signal_get),
    import("qurt_allsignal_get", signal_get),
];

/// `void qurt_signal_init(signal *)`
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

/// `void qurt_signal_destroy(signal *)`
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
    result
        .map_err(full)?
        .ok_or_else(|| Stop::because("not a signal object"))
}

fn wait_signal(c: &mut Call<'_>, mask: u32, all: bool) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.priority());
    let bits = with_bits(c, at, |bits, waiters| {
        let now = is_met(*bits, mask, all).then_some(*bits);
        if now.is_none() {
            waiters.add(me, priority);
        }
        now
    })?;
    match bits {
        Some(bits) => c.ret(bits),
        None => Ok(Outcome::Park(Wait::Signal { at, mask, all }, None)),
    }
}

/// `unsigned qurt_signal_wait(signal *, unsigned mask, unsigned attribute)`: attribute 0 = any of them, 1 = all.
fn signal_wait(c: &mut Call<'_>) -> Done {
    let (mask, all) = (c.arg(1)?, c.arg(2)? & 1 != 0);
    wait_signal(c, mask, all)
}

/// `unsigned qurt_anysignal_wait(signal *, unsigned mask)`
fn signal_wait_any(c: &mut Call<'_>) -> Done {
    let mask = c.arg(1)?;
    wait_signal(c, mask, false)
}

/// `unsigned qurt_allsignal_wait(signal *, unsigned mask)`
fn signal_wait_all(c: &mut Call<'_>) -> Done {
    let mask = c.arg(1)?;
    wait_signal(c, mask, true)
}

/// `unsigned qurt_anysignal_set(signal *, unsigned mask)`: returns what was set before.
fn signal_set(c: &mut Call<'_>) -> Done {
    let (at, mask) = (c.arg(0)?, c.arg(1)?);
    let (old, now, waiting) = with_bits(c, at, |bits, waiters| {
        let old = *bits;
        *bits |= mask;
        (old, *bits, waiters.iter().collect::<Vec<_>>())
    })?;
    for thread in waiting {
        if let Some(Wait::Signal { mask, all, .. }) = c.os.waits_for(thread)
            && is_met(now, mask, all)
        {
            with_bits(c, at, |_, waiters| waiters.remove(thread))?;
            c.os.wake(thread, now);
        }
    }
    c.ret(old)
}

/// `void qurt_signal_clear(signal *, unsigned mask)`: returns what was set before.
fn signal_clear(c: &mut Call<'_>) -> Done {
    let (at, mask) = (c.arg(0)?, c.arg(1)?);
    let old = with_bits(c, at, |bits, _| {
        let old = *bits;
        *bits &= !mask;
        old
    })?;
    c.ret(old)
}

/// `unsigned qurt_signal_get(signal *)`
fn signal_get(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let bits = with_bits(c, at, |bits, _| *bits)?;
    c.ret(bits)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

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
