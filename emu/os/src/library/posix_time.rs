//! POSIX clocks, sleeps and semaphores.
//!
//! There is no calendar: `CLOCK_REALTIME` is the process's clock like `CLOCK_MONOTONIC`, from 0 on, so that runs repeat. `time_t`
//! has 64 bits and `struct timespec` and `struct timeval` 16 bytes, as in musl for Hexagon; `sem_t` is known by its address.

use std::time::Duration;

use super::errno::{EAGAIN, EBUSY, EINVAL, ENOSYS, EOVERFLOW, ETIMEDOUT, fail};
use super::qurt_object::initialise;
use crate::clock::{LONGEST, Time};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, Object, Waiters};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("clock_gettime", clock_gettime, "`int clock_gettime(clockid_t, struct timespec *)`: 0 and 1 are the time since the process's clock began; EINVAL"),
    import("timespec_get", timespec_get, "`int timespec_get(struct timespec *, int base)`: the time since the process's clock began and 1 for TIME_UTC (1); 0 for other bases"),
    import("timespec_getres", timespec_getres, "`int timespec_getres(struct timespec *, int base)`: one nanosecond and 1 for TIME_UTC (1); 0 for other bases"),
    import("clock_getres", clock_getres, "`int clock_getres(clockid_t, struct timespec *)`: one nanosecond; EINVAL"),
    import("clock_nanosleep", clock_nanosleep, "`int clock_nanosleep(clockid_t, int absolute, const struct timespec *, struct timespec *left)`: parks the thread; EINVAL"),
    import("nanosleep", nanosleep, "`int nanosleep(const struct timespec *, struct timespec *left)`: parks the thread; -1 and EINVAL"),
    import("sleep", sleep, "`unsigned sleep(unsigned seconds)`: parks the thread; 0"),
    import("gettimeofday", gettimeofday, "`int gettimeofday(struct timeval *, void *)`: the time since the process's clock began"),
    import("time", time, "`time_t time(time_t *)`: seconds since the process's clock began"),
    import("clock", clock, "`clock_t clock(void)`: microseconds since the process's clock began"),
    import("difftime", difftime, "`double difftime(time_t, time_t)`: seconds between them"),
    import("sem_init", sem_init, "`int sem_init(sem_t *, int shared, unsigned units)`: -1 and EINVAL for too many, ENOSYS for shared ones"),
    import("sem_destroy", sem_destroy, "`int sem_destroy(sem_t *)`: forgets it; -1 and EBUSY if somebody waits"),
    import("sem_wait", sem_wait, "`int sem_wait(sem_t *)`: takes a unit, waits for one"),
    import("sem_trywait", sem_try_wait, "`int sem_trywait(sem_t *)`: takes a unit; -1 and EAGAIN if there is none"),
    import("sem_timedwait", sem_timed_wait, "`int sem_timedwait(sem_t *, const struct timespec *until)`: -1 and ETIMEDOUT, EINVAL"),
    import("sem_post", sem_post, "`int sem_post(sem_t *)`: gives a unit; -1 and EOVERFLOW"),
    import("sem_getvalue", sem_value, "`int sem_getvalue(sem_t *, int *)`: units that are free"),
];

/// `SEM_VALUE_MAX`
const MOST_UNITS: u32 = i32::MAX as u32;

/// A `struct timespec`, as a duration or as the time that an absolute one means; `None`: it is no time.
pub(super) fn timespec(c: &Call<'_>, at: u32) -> Result<Option<Duration>, Stop> {
    let (seconds, nanos) = (c.load64(at)? as i64, c.load32(at.wrapping_add(8))?);
    if nanos >= 1_000_000_000 {
        return Ok(None);
    }
    Ok(match u64::try_from(seconds) {
        Ok(seconds) => Some(Duration::new(seconds, nanos).min(LONGEST)),
        // Before the clock began.
        Err(_) => Some(Duration::ZERO),
    })
}

fn store_timespec(c: &Call<'_>, at: u32, time: Duration) -> Result<(), Stop> {
    c.store64(at, time.as_secs())?;
    c.store64(at.wrapping_add(8), time.subsec_nanos().into())
}

fn clock_gettime(c: &mut Call<'_>) -> Done {
    let (clock, at) = (c.arg(0)?, c.arg(1)?);
    if clock > 1 {
        return fail(c, EINVAL);
    }
    let now = c.os.now();
    store_timespec(c, at, now)?;
    c.ret(0)
}

/// C11's only base.
const TIME_UTC: u32 = 1;

fn timespec_get(c: &mut Call<'_>) -> Done {
    let (at, base) = (c.arg(0)?, c.arg(1)?);
    if base != TIME_UTC {
        return c.ret(0);
    }
    let now = c.os.now();
    store_timespec(c, at, now)?;
    c.ret(base)
}

fn timespec_getres(c: &mut Call<'_>) -> Done {
    let (at, base) = (c.arg(0)?, c.arg(1)?);
    if base != TIME_UTC {
        return c.ret(0);
    }
    if at != 0 {
        store_timespec(c, at, Duration::from_nanos(1))?;
    }
    c.ret(base)
}

fn clock_getres(c: &mut Call<'_>) -> Done {
    let (clock, at) = (c.arg(0)?, c.arg(1)?);
    if clock > 1 {
        return fail(c, EINVAL);
    }
    if at != 0 {
        store_timespec(c, at, Duration::from_nanos(1))?;
    }
    c.ret(0)
}

fn park_until(c: &mut Call<'_>, until: Time) -> Done {
    if until <= c.os.now() {
        c.set(0);
        return Ok(Outcome::Yield);
    }
    Ok(Outcome::Park(Wait::Sleep, Some((until, 0))))
}

fn clock_nanosleep(c: &mut Call<'_>) -> Done {
    let (clock, absolute, at) = (c.arg(0)?, c.arg(1)? & 1, c.arg(2)?);
    let Some(time) = timespec(c, at)?.filter(|_| clock <= 1) else {
        return c.ret(EINVAL);
    };
    let until = if absolute == 1 { time } else { c.os.after(time) };
    park_until(c, until)
}

pub(super) fn nanosleep(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let negative = (c.load64(at)? as i64) < 0;
    match timespec(c, at)? {
        Some(time) if !negative => {
            let until = c.os.after(time);
            park_until(c, until)
        }
        _ => fail(c, EINVAL),
    }
}

fn sleep(c: &mut Call<'_>) -> Done {
    let seconds = c.arg(0)?;
    let until = c.os.after(Duration::from_secs(seconds.into()));
    park_until(c, until)
}

fn gettimeofday(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let now = c.os.now();
    if at != 0 {
        c.store64(at, now.as_secs())?;
        c.store64(at.wrapping_add(8), now.subsec_micros().into())?;
    }
    c.ret(0)
}

fn time(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let seconds = c.os.now().as_secs();
    if at != 0 {
        c.store64(at, seconds)?;
    }
    c.ret64(seconds)
}

fn clock(c: &mut Call<'_>) -> Done {
    let us = c.os.now().as_micros() as u32;
    c.ret(us)
}

fn difftime(c: &mut Call<'_>) -> Done {
    let (late, early) = (c.arg64(0) as i64, c.arg64(2) as i64);
    c.ret_f64((i128::from(late) - i128::from(early)) as f64)
}

fn sem_init(c: &mut Call<'_>) -> Done {
    let (at, shared, count) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    c.load8(at)?;
    if shared != 0 {
        return fail(c, ENOSYS);
    }
    if count > MOST_UNITS {
        return fail(c, EINVAL);
    }
    let waiters = Waiters::default();
    initialise(c, Kind::Semaphore, Object::Semaphore { count, waiters })
}

fn sem_destroy(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if c.os.objects.has_waiters(Kind::Semaphore, at) {
        return fail(c, EBUSY);
    }
    c.os.objects.remove(Kind::Semaphore, at);
    c.ret(0)
}

/// Takes a unit if there is one; otherwise joins the queue if `wait`.
fn down(c: &mut Call<'_>, wait: bool) -> Result<bool, Stop> {
    let (at, me) = (c.arg(0)?, (c.thread.id, c.priority()));
    c.load8(at)?;
    Ok(c.os.take_unit(at, wait.then_some(me))?)
}

fn sem_wait(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if down(c, true)? {
        return c.ret(0);
    }
    Ok(Outcome::Park(Wait::Semaphore(at), None))
}

fn sem_try_wait(c: &mut Call<'_>) -> Done {
    if down(c, false)? {
        return c.ret(0);
    }
    fail(c, EAGAIN)
}

fn sem_timed_wait(c: &mut Call<'_>) -> Done {
    let (at, until) = (c.arg(0)?, c.arg(1)?);
    let until = timespec(c, until)?;
    if down(c, until.is_some())? {
        return c.ret(0);
    }
    let Some(until) = until else {
        return fail(c, EINVAL);
    };
    // Nothing runs for the thread when its time is over, and a success may change errno.
    c.set_errno(ETIMEDOUT)?;
    Ok(Outcome::Park(Wait::Semaphore(at), Some((until, u32::MAX))))
}

fn sem_post(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.load8(at)?;
    let woken = c.os.objects.with(Kind::Semaphore, at, |o| {
        let Object::Semaphore { count, waiters } = o else {
            return Some(None);
        };
        match waiters.take() {
            Some(thread) => Some(Some(thread)),
            None if *count >= MOST_UNITS => None,
            None => {
                *count += 1;
                Some(None)
            }
        }
    });
    match woken? {
        None => return fail(c, EOVERFLOW),
        Some(Some(thread)) => c.os.wake(thread, 0),
        Some(None) => {}
    }
    c.ret(0)
}

fn sem_value(c: &mut Call<'_>) -> Done {
    let (at, place) = (c.arg(0)?, c.arg(1)?);
    let value = c.os.objects.with(Kind::Semaphore, at, |o| match o {
        Object::Semaphore { count, .. } => *count,
        _ => 0,
    });
    c.store32(place, value?)?;
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    #[test]
    fn clocks_show_the_process_s_time() {
        let mut g = Guest::new();
        let at = g.bytes(&[0xff; 16]);
        g.clock.advance(Duration::from_nanos(5_000_000_123));
        for clock in [0, 1] {
            assert_eq!(g.call("clock_gettime", &[clock, at]), 0);
            assert_eq!((g.word(at), g.word(at + 4), g.word(at + 8)), (5, 0, 123));
        }
        assert_eq!((g.call("clock_gettime", &[7, at]), errno(&g)), (u32::MAX, EINVAL));
        assert_eq!(g.call64("time", &[at]), 5);
        assert_eq!(g.call("gettimeofday", &[at, 0]), 0);
        assert_eq!((g.word(at), g.word(at + 8)), (5, 0));
        assert!(g.try_call("clock_gettime", &[0, 2]).is_err());
    }

    #[test]
    fn sleeps_demand_a_time() {
        let mut g = Guest::new();
        g.clock.advance(Duration::from_secs(10));
        let at = g.bytes(&[0; 16]);
        g.write(at, &3u64.to_le_bytes());
        let until = |outcome| match outcome {
            Ok(Outcome::Park(Wait::Sleep, Some((until, 0)))) => until,
            _ => panic!("it does not sleep"),
        };
        assert_eq!(until(g.try_call("nanosleep", &[at, 0])), Duration::from_secs(13));
        assert_eq!(
            until(g.try_call("clock_nanosleep", &[1, 0, at, 0])),
            Duration::from_secs(13)
        );
        // A time that is over.
        assert!(matches!(
            g.try_call("clock_nanosleep", &[1, 1, at, 0]),
            Ok(Outcome::Yield)
        ));
        g.write(at, &[0xff; 8]);
        assert_eq!((g.call("nanosleep", &[at, 0]), errno(&g)), (u32::MAX, EINVAL));
        g.write(at, &[0; 8]);
        g.write(at + 8, &1_000_000_000u32.to_le_bytes());
        assert_eq!((g.call("nanosleep", &[at, 0]), errno(&g)), (u32::MAX, EINVAL));
        assert_eq!(g.call("clock_nanosleep", &[1, 0, at, 0]), EINVAL);
        g.write(at, &[0xff; 7]);
        g.write(at + 8, &[0; 8]);
        assert!(until(g.try_call("nanosleep", &[at, 0])) <= Duration::from_secs(10) + LONGEST);
    }

    #[test]
    fn semaphores_count_and_have_bounds() {
        let mut g = Guest::new();
        let (s, place) = (g.bytes(&[0; 16]), g.bytes(&[0; 16]));
        assert_eq!((g.call("sem_init", &[s, 1, 0]), errno(&g)), (u32::MAX, ENOSYS));
        assert_eq!(
            (g.call("sem_init", &[s, 0, 1 << 31]), errno(&g)),
            (u32::MAX, EINVAL)
        );
        assert_eq!(g.call("sem_init", &[s, 0, 1]), 0);
        assert_eq!(g.call("sem_wait", &[s]), 0);
        assert_eq!((g.call("sem_trywait", &[s]), errno(&g)), (u32::MAX, EAGAIN));
        g.write(place, &2u64.to_le_bytes());
        g.park(50, 9, "sem_wait", &[s]);
        g.park(51, 9, "sem_timedwait", &[s, place]);
        assert_eq!((g.call("sem_destroy", &[s]), errno(&g)), (u32::MAX, EBUSY));
        g.call("sem_post", &[s]);
        assert!(g.is_ready(50) && !g.is_ready(51));
        g.clock.advance(Duration::from_secs(2));
        g.os.expire_waits();
        assert_eq!(g.os.sched.get(51).unwrap().0.core.regs.r[0], u32::MAX);
        g.call("sem_init", &[s, 0, i32::MAX as u32]);
        assert_eq!((g.call("sem_post", &[s]), errno(&g)), (u32::MAX, EOVERFLOW));
        g.call("sem_getvalue", &[s, place]);
        assert_eq!(g.word(place), i32::MAX as u32);
        assert!(g.try_call("sem_wait", &[3]).is_err());
    }
}
