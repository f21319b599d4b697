//! QuRT's timers, which set signals when they are due.
//!
//! A thread of the process's own, which runs nothing but [`service`], sleeps until the next one is due; so timers need no more of the
//! scheduler than sleeping threads do. `qurt_timer_attr_t` is used as 40 bytes whose contents are ours; durations are microseconds.

use std::time::Duration;

use super::qurt_object::EOK;
use super::qurt_signal::set_signals;
use super::thread;
use crate::clock::LONGEST;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::timers::Timer;
use crate::sched::{DspThread, Role, Wait};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_timer_create", create, "`int qurt_timer_create(qurt_timer_t *, const qurt_timer_attr_t *, const qurt_anysignal_t *, unsigned mask)`: a running timer; 2, 4"),
    import("qurt_timer_delete", delete, "`int qurt_timer_delete(qurt_timer_t)`: forgets it; 4 if there is none"),
    import("qurt_timer_stop", stop, "`int qurt_timer_stop(qurt_timer_t)`: it sets nothing until it is restarted; 4 if there is none"),
    import("qurt_timer_restart", restart, "`int qurt_timer_restart(qurt_timer_t, qurt_timer_duration_t us)`: from now on; 4 if there is none"),
    import("qurt_timer_get_attr", get_attr, "`int qurt_timer_get_attr(qurt_timer_t, qurt_timer_attr_t *)`: what it is and what remains; 4 if there is none"),
    import("qurt_timer_attr_init", attr_init, "`void qurt_timer_attr_init(qurt_timer_attr_t *)`: once, after 0 microseconds"),
    import("qurt_timer_attr_set_duration", set_duration, "`void qurt_timer_attr_set_duration(qurt_timer_attr_t *, qurt_timer_duration_t us)`: how long it runs"),
    import("qurt_timer_attr_get_duration", get_duration, "`void qurt_timer_attr_get_duration(qurt_timer_attr_t *, qurt_timer_duration_t *)`: how long it runs"),
    import("qurt_timer_attr_get_remaining", get_remaining, "`void qurt_timer_attr_get_remaining(qurt_timer_attr_t *, qurt_timer_duration_t *)`: what qurt_timer_get_attr found"),
    import("qurt_timer_attr_set_type", set_type, "`void qurt_timer_attr_set_type(qurt_timer_attr_t *, uint8)`: 0 once, 1 again and again"),
    import("qurt_timer_attr_get_type", get_type, "`void qurt_timer_attr_get_type(qurt_timer_attr_t *, uint8 *)`: 0 once, 1 again and again"),
    import("qurt_timer_attr_set_group", set_group, "`void qurt_timer_attr_set_group(qurt_timer_attr_t *, unsigned)`: a number that is kept"),
    import("qurt_timer_attr_get_group", get_group, "`void qurt_timer_attr_get_group(qurt_timer_attr_t *, unsigned *)`: the number that was kept"),
    import("qurt_timer_group_enable", group_enable, "`int qurt_timer_group_enable(unsigned)`: 0, all groups are enabled"),
    import("qurt_timer_group_disable", group_disable, "`int qurt_timer_group_disable(unsigned)`: stops a group of timers").refuses("55"),
    import("__qurt_timer_service", service, "`void __qurt_timer_service(void)`: the process's own: sets the signals of timers that are due"),
];

/// Where the thread of the timers is.
const SERVICE: &str = "__qurt_timer_service";
/// `QURT_EMEM`, `QURT_EINVALID`, `QURT_ENOTSUPPORTED`.
const EMEM: u32 = 2;
const EINVALID: u32 = 4;
const ENOTSUPPORTED: u32 = 55;
/// Priority of the thread of the timers: the best, it only sets signals.
const PRIORITY: u8 = 1;

/// Offsets in the attributes.
mod field {
    pub const MAGIC: u32 = 0;
    pub const TYPE: u32 = 4;
    pub const DURATION: u32 = 8;
    pub const REMAINING: u32 = 24;
    pub const GROUP: u32 = 32;
    pub const LEN: usize = 40;
}
const MAGIC: u32 = 0x544d_5251;

fn duration(us: u64) -> Duration {
    Duration::from_micros(us).min(LONGEST)
}

fn create(c: &mut Call<'_>) -> Done {
    let (place, attributes, signal, mask) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    c.load32(place)?;
    let word = |offset| c.load32(attributes.wrapping_add(offset));
    if word(field::MAGIC)? != MAGIC || signal == 0 || mask == 0 {
        return c.ret(EINVALID);
    }
    let (periodic, group) = (word(field::TYPE)? == 1, word(field::GROUP)?);
    let lasts = duration(c.load64(attributes.wrapping_add(field::DURATION))?);
    // One that is always due would keep its thread busy for ever.
    if periodic && lasts.is_zero() {
        return c.ret(EINVALID);
    }
    if !start_service(c)? {
        return c.ret(EMEM);
    }
    let timer = Timer {
        signal,
        mask,
        duration: lasts,
        periodic,
        group,
        due: Some(c.os.now() + lasts),
    };
    let Some(number) = c.os.lib.timers.add(timer) else {
        return c.ret(EMEM);
    };
    c.store32(place, number)?;
    look_again(c);
    c.ret(EOK)
}

/// Sees to it that there is a thread for the timers.
fn start_service(c: &mut Call<'_>) -> Result<bool, Stop> {
    if c.os.lib.timers.service.is_some() {
        return Ok(true);
    }
    let Some(at) = c.os.builtins.address(SERVICE.as_bytes()) else {
        return Ok(false);
    };
    if !thread::may_start(c) {
        return Ok(false);
    }
    let id = thread::new_id(c);
    let core = c.os.shared.new_core(at);
    let thread = DspThread::new(id, "timers".into(), Role::Skeleton, 0..0, core);
    c.os.sched.add_ready(thread, PRIORITY);
    c.os.lib.timers.service = Some(id);
    c.os.count();
    Ok(true)
}

/// The thread of the timers looks when the next one is due.
fn look_again(c: &mut Call<'_>) {
    if let Some(service) = c.os.lib.timers.service {
        c.os.wake(service, 0);
    }
}

fn service(c: &mut Call<'_>) -> Done {
    if c.os.lib.timers.service != Some(c.thread.id) {
        return Err(Stop::because(format!("{SERVICE} is not for programs")));
    }
    // It comes here again when it is woken.
    c.thread.core.regs.pc = c.thread.core.regs.pc.wrapping_sub(4);
    let now = c.os.now();
    for (signal, mask) in c.os.lib.timers.take_due(now) {
        set_signals(c, signal, mask)?;
    }
    let next = c.os.lib.timers.next();
    Ok(Outcome::Park(Wait::Sleep, next.map(|at| (at, 0))))
}

fn delete(c: &mut Call<'_>) -> Done {
    let number = c.arg(0)?;
    let known = c.os.lib.timers.remove(number);
    c.ret(if known { EOK } else { EINVALID })
}

fn stop(c: &mut Call<'_>) -> Done {
    let number = c.arg(0)?;
    let timer = c.os.lib.timers.get(number);
    let known = timer.map(|timer| timer.due = None).is_some();
    c.ret(if known { EOK } else { EINVALID })
}

fn restart(c: &mut Call<'_>) -> Done {
    let (number, lasts) = (c.arg(0)?, duration(c.arg64(2)));
    let due = c.os.now() + lasts;
    match c.os.lib.timers.get(number) {
        Some(timer) if !(timer.periodic && lasts.is_zero()) => {
            (timer.duration, timer.due) = (lasts, Some(due));
        }
        _ => return c.ret(EINVALID),
    }
    look_again(c);
    c.ret(EOK)
}

fn get_attr(c: &mut Call<'_>) -> Done {
    let (number, at) = (c.arg(0)?, c.arg(1)?);
    let now = c.os.now();
    let Some(timer) = c.os.lib.timers.get(number).cloned() else {
        return c.ret(EINVALID);
    };
    let left = timer
        .due
        .map_or(0, |due| due.saturating_sub(now).as_micros() as u64);
    store(
        c,
        at,
        timer.periodic.into(),
        timer.duration.as_micros() as u64,
        left,
        timer.group,
    )?;
    c.ret(EOK)
}

fn store(c: &Call<'_>, at: u32, kind: u32, lasts: u64, left: u64, group: u32) -> Result<(), Stop> {
    c.store(at, &[0; field::LEN])?;
    for (offset, v) in [(field::MAGIC, MAGIC), (field::TYPE, kind), (field::GROUP, group)] {
        c.store32(at.wrapping_add(offset), v)?;
    }
    c.store64(at.wrapping_add(field::DURATION), lasts)?;
    c.store64(at.wrapping_add(field::REMAINING), left)
}

fn attr_init(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    store(c, at, 0, 0, 0, 0)?;
    c.ret(EOK)
}

fn set_duration(c: &mut Call<'_>) -> Done {
    let (at, us) = (c.arg(0)?, c.arg64(2));
    c.store64(at.wrapping_add(field::DURATION), us)?;
    c.ret(EOK)
}

fn get_duration(c: &mut Call<'_>) -> Done {
    let (at, place) = (c.arg(0)?, c.arg(1)?);
    c.store64(place, c.load64(at.wrapping_add(field::DURATION))?)?;
    c.ret(EOK)
}

fn get_remaining(c: &mut Call<'_>) -> Done {
    let (at, place) = (c.arg(0)?, c.arg(1)?);
    c.store64(place, c.load64(at.wrapping_add(field::REMAINING))?)?;
    c.ret(EOK)
}

fn set_type(c: &mut Call<'_>) -> Done {
    let (at, kind) = (c.arg(0)?, c.arg(1)? & 0xff);
    c.store32(at.wrapping_add(field::TYPE), kind)?;
    c.ret(EOK)
}

fn get_type(c: &mut Call<'_>) -> Done {
    let (at, place) = (c.arg(0)?, c.arg(1)?);
    c.store8(place, c.load32(at.wrapping_add(field::TYPE))? as u8)?;
    c.ret(EOK)
}

fn set_group(c: &mut Call<'_>) -> Done {
    let (at, group) = (c.arg(0)?, c.arg(1)?);
    c.store32(at.wrapping_add(field::GROUP), group)?;
    c.ret(EOK)
}

fn get_group(c: &mut Call<'_>) -> Done {
    let (at, place) = (c.arg(0)?, c.arg(1)?);
    c.store32(place, c.load32(at.wrapping_add(field::GROUP))?)?;
    c.ret(EOK)
}

fn group_enable(c: &mut Call<'_>) -> Done {
    c.ret(EOK)
}

fn group_disable(c: &mut Call<'_>) -> Done {
    c.ret(ENOTSUPPORTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::sched::RunState;

    /// Lets the thread of the timers run, if it can.
    fn serve(g: &mut Guest) -> bool {
        g.os.expire_waits();
        let id = g.os.lib.timers.service.unwrap();
        if !g.is_ready(id) {
            return false;
        }
        let service = g.os.sched.pick().unwrap();
        assert_eq!(service.id, id);
        let me = std::mem::replace(&mut g.thread, service);
        let Ok(Outcome::Park(wait, until)) = g.try_call(SERVICE, &[]) else {
            panic!("it waits")
        };
        let service = std::mem::replace(&mut g.thread, me);
        g.os.sched.park(service, wait, until);
        true
    }

    #[test]
    fn a_timer_sets_its_signals_when_it_is_due() {
        let mut g = Guest::new();
        let (attr, place) = (g.bytes(&[0xff; 40]), g.bytes(&[0; 8]));
        assert_eq!(g.call("qurt_timer_create", &[place, attr, 0x7000, 4]), EINVALID);
        g.call("qurt_timer_attr_init", &[attr]);
        g.call("qurt_timer_attr_set_duration", &[attr, 0, 5_000_000, 0]);
        assert_eq!(g.call("qurt_timer_create", &[place, attr, 0x7000, 4]), EOK);
        let timer = g.word(place);
        assert!(serve(&mut g) && !serve(&mut g));
        g.clock.advance(Duration::from_secs(2));
        assert_eq!(g.call("qurt_timer_get_attr", &[timer, attr]), EOK);
        g.call("qurt_timer_attr_get_remaining", &[attr, place]);
        assert_eq!(g.word(place), 3_000_000);
        g.park(50, 9, "qurt_anysignal_wait", &[0x7000, 4]);
        g.clock.advance(Duration::from_secs(3));
        assert!(serve(&mut g));
        assert!(matches!(g.os.sched.get(50), Some((_, RunState::Ready))));
        assert_eq!(g.call("qurt_anysignal_get", &[0x7000]), 4);
        g.clock.advance(Duration::from_secs(30));
        assert!(!serve(&mut g));
        assert_eq!(g.call("qurt_timer_restart", &[timer, 0, 1_000_000, 0]), EOK);
        assert_eq!(g.call("qurt_timer_stop", &[timer]), EOK);
        g.call("qurt_anysignal_clear", &[0x7000, 4]);
        serve(&mut g);
        g.clock.advance(Duration::from_secs(30));
        serve(&mut g);
        assert_eq!(g.call("qurt_anysignal_get", &[0x7000]), 0);
        assert_eq!(g.call("qurt_timer_delete", &[timer]), EOK);
        assert_eq!(g.call("qurt_timer_delete", &[timer]), EINVALID);
        assert_eq!(g.call("qurt_timer_stop", &[timer]), EINVALID);
        // Again and again, and at once, would never end.
        g.call("qurt_timer_attr_init", &[attr]);
        g.call("qurt_timer_attr_set_type", &[attr, 1]);
        assert_eq!(g.call("qurt_timer_create", &[place, attr, 0x7000, 4]), EINVALID);
        assert!(g.try_call(SERVICE, &[]).is_err());
    }

    #[test]
    fn timers_are_bounded() {
        let mut g = Guest::new();
        let (attr, place) = (g.bytes(&[0; 40]), g.bytes(&[0; 4]));
        g.call("qurt_timer_attr_init", &[attr]);
        let given = (0..2000).filter(|_| g.call("qurt_timer_create", &[place, attr, 0x7000, 4]) == EOK);
        assert_eq!(given.count(), 1024);
    }
}
