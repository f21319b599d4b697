//! Threads of C11 (`<threads.h>`): POSIX's under other names and with other codes.
//!
//! Types and numbers are musl's for Hexagon: `thrd_t` and `tss_t` 4 bytes, `mtx_t` and `cnd_t` those of `pthread_mutex_t` and
//! `pthread_cond_t`, `once_flag` an int that is 0 at first. `TIME_UTC` is the process's clock, as `CLOCK_REALTIME` is.

use super::errno::{EAGAIN, EBUSY, ENOMEM, ETIMEDOUT};
use super::{posix_sync as sync, posix_thread as posix, posix_time as time};
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::objects::{Kind, MutexKind, Object};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("thrd_create", create, "`int thrd_create(thrd_t *, int (*f)(void *), void *)`: a thread; 3 without memory, 2"),
    import("thrd_exit", posix::exit, "`void thrd_exit(int result)`: ends the caller, after destructors of its values"),
    import("thrd_join", join, "`int thrd_join(thrd_t, int *result)`: waits for its end; 2"),
    import("thrd_detach", detach, "`int thrd_detach(thrd_t)`: nobody will join it; 2"),
    import("thrd_current", posix::me, "`thrd_t thrd_current(void)`: the caller's number"),
    import("thrd_equal", posix::equal, "`int thrd_equal(thrd_t, thrd_t)`: are they the same?"),
    import("thrd_sleep", sleep, "`int thrd_sleep(const struct timespec *, struct timespec *left)`: parks the thread; -2 for what is no time"),
    import("thrd_yield", posix::sched_yield, "`void thrd_yield(void)`: others get a turn"),
    import("mtx_init", mutex_init, "`int mtx_init(mtx_t *, int type)`: 0 plain, 1 recursive, 2 timed, 3 both; 2 for others"),
    import("mtx_destroy", sync::mutex_destroy, "`void mtx_destroy(mtx_t *)`: forgets it, unless it is locked"),
    import("mtx_lock", mutex_lock, "`int mtx_lock(mtx_t *)`: waits for it; 2"),
    import("mtx_timedlock", mutex_timed_lock, "`int mtx_timedlock(mtx_t *, const struct timespec *until)`: 4 if it takes too long, 2"),
    import("mtx_trylock", mutex_try_lock, "`int mtx_trylock(mtx_t *)`: 1 if it is locked, 2"),
    import("mtx_unlock", mutex_unlock, "`int mtx_unlock(mtx_t *)`: the best waiter gets it; 2"),
    import("cnd_init", condition_init, "`int cnd_init(cnd_t *)`: a condition variable; 2"),
    import("cnd_destroy", sync::cond_destroy, "`void cnd_destroy(cnd_t *)`: forgets it, unless somebody waits"),
    import("cnd_wait", condition_wait, "`int cnd_wait(cnd_t *, mtx_t *)`: gives the mutex up, waits, takes it again; 2"),
    import("cnd_timedwait", condition_timed_wait, "`int cnd_timedwait(cnd_t *, mtx_t *, const struct timespec *until)`: 4 if it takes too long, 2"),
    import("cnd_signal", condition_signal, "`int cnd_signal(cnd_t *)`: the best waiter goes on; 2"),
    import("cnd_broadcast", condition_broadcast, "`int cnd_broadcast(cnd_t *)`: all waiters go on; 2"),
    import("tss_create", value_create, "`int tss_create(tss_t *, void (*destructor)(void *))`: a thread-local value; 2"),
    import("tss_delete", posix::key_delete, "`void tss_delete(tss_t)`: forgets key and values, destroys none"),
    import("tss_set", value_set, "`int tss_set(tss_t, void *)`: the caller's value; 2"),
    import("tss_get", posix::get_specific, "`void *tss_get(tss_t)`: the caller's value"),
    import("call_once", sync::once, "`void call_once(once_flag *, void (*f)(void))`: calls it the first time; others wait meanwhile"),
];

const SUCCESS: u32 = 0;
const BUSY: u32 = 1;
const ERROR: u32 = 2;
const NO_MEMORY: u32 = 3;
const TIMED_OUT: u32 = 4;

/// `mtx_recursive`; `mtx_timed` (2) makes no difference.
const RECURSIVE: u32 = 1;

/// C11's code of a POSIX one.
fn code(number: u32) -> u32 {
    match number {
        0 => SUCCESS,
        EBUSY => BUSY,
        ETIMEDOUT => TIMED_OUT,
        ENOMEM | EAGAIN => NO_MEMORY,
        _ => ERROR,
    }
}

/// What a POSIX function does, with C11's codes for its results.
fn translate(c: &mut Call<'_>, done: Done) -> Done {
    match done? {
        Outcome::Return => {
            let number = c.arg(0)?;
            c.ret(code(number))
        }
        // Who is woken before gets 0.
        Outcome::Park(wait, until) => Ok(Outcome::Park(
            wait,
            until.map(|(time, result)| (time, code(result))),
        )),
        Outcome::Grow(bytes, retry) => {
            let again = move |c: &mut Call<'_>, given: bool| {
                let done = retry(c, given);
                translate(c, done)
            };
            Ok(Outcome::Grow(bytes, Box::new(again)))
        }
        other => Ok(other),
    }
}

macro_rules! translated {
    ($($name:ident $posix:path;)*) => {
        $(fn $name(c: &mut Call<'_>) -> Done {
            let done = $posix(c);
            translate(c, done)
        })*
    };
}

translated! {
    join posix::join;
    detach posix::detach;
    mutex_lock sync::mutex_lock;
    mutex_timed_lock sync::mutex_timed_lock;
    mutex_try_lock sync::mutex_try_lock;
    mutex_unlock sync::mutex_unlock;
    condition_wait sync::cond_wait;
    condition_timed_wait sync::cond_timed_wait;
    condition_signal sync::cond_signal;
    condition_broadcast sync::cond_broadcast;
    value_create posix::key_create;
    value_set posix::set_specific;
}

/// POSIX's has attributes between the thread's place and its function.
fn create(c: &mut Call<'_>) -> Done {
    let (f, argument) = (c.arg(1)?, c.arg(2)?);
    let r = &mut c.thread.core.regs.r;
    (r[1], r[2], r[3]) = (0, f, argument);
    let done = posix::create(c);
    translate(c, done)
}

fn sleep(c: &mut Call<'_>) -> Done {
    match time::nanosleep(c)? {
        // -1 would be a signal.
        Outcome::Return => c.ret(-2i32 as u32),
        other => Ok(other),
    }
}

fn mutex_init(c: &mut Call<'_>) -> Done {
    let kind = match c.arg(1)? {
        kind @ 0..4 if kind & RECURSIVE != 0 => MutexKind::Recursive,
        0..4 => MutexKind::Normal,
        _ => return c.ret(ERROR),
    };
    let done = sync::initialise(c, Kind::Mutex, Object::mutex(kind));
    translate(c, done)
}

fn condition_init(c: &mut Call<'_>) -> Done {
    let done = sync::cond_init(c);
    translate(c, done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::sched::Wait;
    use std::time::Duration;

    #[test]
    fn mutexes_answer_in_the_codes_of_c11() {
        let mut g = Guest::new();
        let (plain, recursive, until) = (g.bytes(&[0; 24]), g.bytes(&[0; 24]), g.bytes(&[0; 16]));
        assert_eq!(g.call("mtx_init", &[plain, 2]), SUCCESS);
        assert_eq!(g.call("mtx_init", &[recursive, 3]), SUCCESS);
        assert_eq!(g.call("mtx_init", &[recursive, 4]), ERROR);
        assert_eq!(g.call("mtx_init", &[0, 0]), ERROR);
        for mutex in [plain, recursive] {
            assert_eq!(g.call("mtx_lock", &[mutex]), SUCCESS);
        }
        assert_eq!(g.call("mtx_lock", &[recursive]), SUCCESS);
        assert_eq!(g.call("mtx_trylock", &[plain]), BUSY);
        assert_eq!(g.call("mtx_lock", &[0]), ERROR);
        g.write(until, &1u64.to_le_bytes());
        let Ok(Outcome::Park(Wait::Mutex(at), Some((time, result)))) =
            g.try_call("mtx_timedlock", &[plain, until])
        else {
            panic!("it did not wait")
        };
        assert_eq!((at, time, result), (plain, Duration::from_secs(1), TIMED_OUT));
        assert_eq!(g.call("mtx_unlock", &[plain]), SUCCESS);
    }

    #[test]
    fn a_condition_gives_its_mutex_up_and_times_out() {
        let mut g = Guest::new();
        let (condition, mutex, until) = (g.bytes(&[0; 48]), g.bytes(&[0; 24]), g.bytes(&[0xff; 16]));
        assert_eq!(g.call("cnd_init", &[condition]), SUCCESS);
        assert_eq!(g.call("mtx_init", &[mutex, 0]), SUCCESS);
        assert_eq!(g.call("cnd_timedwait", &[condition, mutex, until]), ERROR);
        g.write(until, &[0; 16]);
        g.call("mtx_lock", &[mutex]);
        let done = g.try_call("cnd_timedwait", &[condition, mutex, until]);
        assert!(matches!(
            done,
            Ok(Outcome::Park(Wait::Condition { .. }, Some((_, TIMED_OUT))))
        ));
        assert_eq!(g.call("mtx_trylock", &[mutex]), SUCCESS);
        assert_eq!(g.call("cnd_broadcast", &[condition]), SUCCESS);
    }

    #[test]
    fn threads_are_those_of_posix() {
        let mut g = Guest::new();
        let place = g.bytes(&[0; 4]);
        assert_eq!(g.call("thrd_create", &[place, 0x1000, 42]), SUCCESS);
        let id = g.word(place);
        let (thread, _) = g.os.sched.get(id).unwrap();
        assert_eq!((thread.core.regs.pc, thread.core.regs.r[0]), (0x1000, 42));
        assert_eq!(g.call("thrd_detach", &[id]), SUCCESS);
        assert_eq!(g.call("thrd_join", &[id, 0]), ERROR);
        let me = g.call("thrd_current", &[]);
        assert_eq!(g.call("thrd_equal", &[me, id]), 0);
        assert!(matches!(g.try_call("thrd_exit", &[7]), Ok(Outcome::Exit(7))));
        assert_eq!(g.call("tss_create", &[place, 0]), SUCCESS);
        let key = g.word(place);
        assert_eq!(g.call("tss_set", &[key, 5]), SUCCESS);
        assert_eq!(g.call("tss_get", &[key]), 5);
        assert_eq!(g.call("tss_set", &[key + 1, 5]), ERROR);
        let time = g.bytes(&[0xff; 16]);
        assert_eq!(g.call("thrd_sleep", &[time, 0]) as i32, -2);
    }
}
