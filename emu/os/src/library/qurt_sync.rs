//! QuRT synchronisation: mutexes, barriers, signals, semaphores, condition variables, futexes.
//!
//! A mutex that is unlocked passes straight to the waiter of the best priority. Signals stay set until they are cleared.

use crate::call::{Call, Done, Outcome, Stop};
use crate::imports::{Import, import};
use crate::kernel::Kernel;
use crate::sync::{Kind, Object, TooMany, Waiters};
use crate::thread::{RunState, ThreadId, Wait};

/// This family's table.
pub const IMPORTS: &[Import] = &[
    import("qurt_mutex_init", mutex_init),
    import("qurt_rmutex_init", mutex_init),
    import("qurt_pimutex_init", mutex_init),
    import("qurt_mutex_destroy", mutex_destroy),
    import("qurt_rmutex_destroy", mutex_destroy),
    import("qurt_pimutex_destroy", mutex_destroy),
    import("qurt_mutex_lock", mutex_lock),
    import("qurt_rmutex_lock", rmutex_lock),
    import("qurt_pimutex_lock", rmutex_lock),
    import("qurt_mutex_try_lock", mutex_try_lock),
    import("qurt_rmutex_try_lock", rmutex_try_lock),
    import("qurt_pimutex_try_lock", rmutex_try_lock),
    import("qurt_mutex_unlock", mutex_unlock),
    import("qurt_rmutex_unlock", mutex_unlock),
    import("qurt_pimutex_unlock", mutex_unlock),
    import("qurt_barrier_init", barrier_init),
    import("qurt_barrier_destroy", barrier_destroy),
    import("qurt_barrier_wait", barrier_wait),
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
    import("qurt_sem_init", semaphore_init),
    import("qurt_sem_init_val", semaphore_init_value),
    import("qurt_sem_destroy", semaphore_destroy),
    import("qurt_sem_down", semaphore_down),
    import("qurt_sem_try_down", semaphore_try_down),
    import("qurt_sem_up", semaphore_up),
    import("qurt_sem_add", semaphore_add),
    import("qurt_sem_get_val", semaphore_value),
    import("qurt_cond_init", condition_init),
    import("qurt_cond_destroy", condition_destroy),
    import("qurt_cond_wait", condition_wait),
    import("qurt_cond_signal", condition_signal),
    import("qurt_cond_broadcast", condition_broadcast),
    import("qurt_futex_wait", futex_wait),
    import("qurt_futex_wake", futex_wake),
];

const EOK: u32 = 0;
const EVAL: u32 = 1;

/// The table is full: real QuRT has no such limit, so there is no code for it.
fn full(_: TooMany) -> Stop {
    Stop::because("too many synchronisation objects are in use")
}

/// Threads that waited on an object that is initialised anew or destroyed go on, as nothing could wake them later.
fn let_go(c: &mut Call<'_>, mut waiters: Waiters) {
    while let Some(thread) = waiters.take() {
        c.os.wake(thread, EOK);
    }
}

fn fresh(c: &mut Call<'_>, kind: Kind, object: Object) -> Done {
    let at = c.arg(0)?;
    let waiters = c.os.objects.set(kind, at, object).map_err(full)?;
    let_go(c, waiters);
    c.ret(EOK)
}

fn destroy(c: &mut Call<'_>, kind: Kind) -> Done {
    let at = c.arg(0)?;
    let waiters = c.os.objects.remove(kind, at);
    let_go(c, waiters);
    c.ret(EOK)
}

// ---- mutexes ----------------------------------------------------------------------------------------------------

/// `void qurt_mutex_init(mutex *)`
fn mutex_init(c: &mut Call<'_>) -> Done {
    fresh(
        c,
        Kind::Mutex,
        Object::Mutex {
            owner: None,
            depth: 0,
            waiters: Waiters::default(),
        },
    )
}

/// `void qurt_mutex_destroy(mutex *)`
fn mutex_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Mutex)
}

/// Takes a mutex for a thread if it can have it now.
fn take(os: &mut Kernel, at: u32, thread: ThreadId, recursive: bool) -> Result<bool, Stop> {
    let taken = os.objects.with(Kind::Mutex, at, |o| match o {
        Object::Mutex {
            owner: owner @ None,
            depth,
            ..
        } => {
            *owner = Some(thread);
            *depth = 1;
            true
        }
        Object::Mutex {
            owner: Some(owner),
            depth,
            ..
        } if *owner == thread && recursive => {
            *depth = depth.saturating_add(1);
            true
        }
        _ => false,
    });
    taken.map_err(full)
}

/// Puts a thread into a mutex's queue.
fn queue(os: &mut Kernel, at: u32, thread: ThreadId, priority: u8) -> Result<(), Stop> {
    os.objects
        .with(Kind::Mutex, at, |o| o.waiters().add(thread, priority))
        .map_err(full)
}

fn lock(c: &mut Call<'_>, recursive: bool) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.thread.priority);
    if take(c.os, at, me, recursive)? {
        return c.ret(EOK);
    }
    queue(c.os, at, me, priority)?;
    c.set(EOK);
    Ok(Outcome::Park(Wait::Mutex(at), None))
}

/// `void qurt_mutex_lock(mutex *)`: locking one's own mutex waits for ever, as on hardware.
fn mutex_lock(c: &mut Call<'_>) -> Done {
    lock(c, false)
}

/// `void qurt_rmutex_lock(mutex *)`: may be locked again by its owner.
fn rmutex_lock(c: &mut Call<'_>) -> Done {
    lock(c, true)
}

fn try_lock(c: &mut Call<'_>, recursive: bool) -> Done {
    let (at, me) = (c.arg(0)?, c.thread.id);
    let taken = take(c.os, at, me, recursive)?;
    c.ret(if taken { EOK } else { EVAL })
}

/// `int qurt_mutex_try_lock(mutex *)`
fn mutex_try_lock(c: &mut Call<'_>) -> Done {
    try_lock(c, false)
}

/// `int qurt_rmutex_try_lock(mutex *)`
fn rmutex_try_lock(c: &mut Call<'_>) -> Done {
    try_lock(c, true)
}

/// Unlocks once; the best waiter becomes the owner.
fn unlock(os: &mut Kernel, at: u32) -> Result<(), Stop> {
    let next = os.objects.with(Kind::Mutex, at, |o| {
        let Object::Mutex {
            owner,
            depth,
            waiters,
        } = o
        else {
            return None;
        };
        *depth = depth.saturating_sub(1);
        if *depth > 0 {
            return None;
        }
        *owner = waiters.take();
        *depth = u32::from(owner.is_some());
        *owner
    });
    if let Some(thread) = next.map_err(full)? {
        os.wake(thread, EOK);
    }
    Ok(())
}

/// `void qurt_mutex_unlock(mutex *)`
fn mutex_unlock(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    unlock(c.os, at)?;
    c.ret(EOK)
}

// ---- barriers ---------------------------------------------------------------------------------------------------

/// `int qurt_barrier_init(barrier *, unsigned threads)`
fn barrier_init(c: &mut Call<'_>) -> Done {
    let count = c.arg(1)?.max(1);
    fresh(
        c,
        Kind::Barrier,
        Object::Barrier {
            count,
            waiters: Waiters::default(),
        },
    )
}

/// `int qurt_barrier_destroy(barrier *)`
fn barrier_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Barrier)
}

/// `int qurt_barrier_wait(barrier *)`: 1 for the thread that comes last, 0 for the others.
fn barrier_wait(c: &mut Call<'_>) -> Done {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.thread.priority);
    let all = c.os.objects.with(Kind::Barrier, at, |o| {
        let Object::Barrier { count, waiters } = o else {
            return Some(Waiters::default());
        };
        if waiters.len() + 1 >= *count as usize {
            return Some(std::mem::take(waiters));
        }
        waiters.add(me, priority);
        None
    });
    match all.map_err(full)? {
        Some(mut others) => {
            while let Some(thread) = others.take() {
                c.os.wake(thread, 0);
            }
            c.ret(1)
        }
        None => Ok(Outcome::Park(Wait::Barrier(at), None)),
    }
}

// ---- signals ----------------------------------------------------------------------------------------------------

/// `void qurt_signal_init(signal *)`
fn signal_init(c: &mut Call<'_>) -> Done {
    fresh(
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

fn met(bits: u32, mask: u32, all: bool) -> bool {
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
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.thread.priority);
    let bits = with_bits(c, at, |bits, waiters| {
        let now = met(*bits, mask, all).then_some(*bits);
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
            && met(now, mask, all)
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

// ---- semaphores -------------------------------------------------------------------------------------------------

/// `void qurt_sem_init(sem *)`: one unit.
fn semaphore_init(c: &mut Call<'_>) -> Done {
    fresh(
        c,
        Kind::Semaphore,
        Object::Semaphore {
            count: 1,
            waiters: Waiters::default(),
        },
    )
}

/// `void qurt_sem_init_val(sem *, unsigned short units)`
fn semaphore_init_value(c: &mut Call<'_>) -> Done {
    let count = c.arg(1)? & 0xffff;
    fresh(
        c,
        Kind::Semaphore,
        Object::Semaphore {
            count,
            waiters: Waiters::default(),
        },
    )
}

/// `void qurt_sem_destroy(sem *)`
fn semaphore_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Semaphore)
}

/// Takes a unit if there is one; otherwise joins the queue if `wait`.
fn down(c: &mut Call<'_>, wait: bool) -> Result<bool, Stop> {
    let (at, me, priority) = (c.arg(0)?, c.thread.id, c.thread.priority);
    let taken = c.os.objects.with(Kind::Semaphore, at, |o| match o {
        Object::Semaphore { count, .. } if *count > 0 => {
            *count -= 1;
            true
        }
        o => {
            if wait {
                o.waiters().add(me, priority);
            }
            false
        }
    });
    taken.map_err(full)
}

/// `int qurt_sem_down(sem *)`
fn semaphore_down(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if down(c, true)? {
        return c.ret(EOK);
    }
    Ok(Outcome::Park(Wait::Semaphore(at), None))
}

/// `int qurt_sem_try_down(sem *)`
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
    for thread in woken.map_err(full)? {
        c.os.wake(thread, EOK);
    }
    c.ret(EOK)
}

/// `int qurt_sem_up(sem *)`
fn semaphore_up(c: &mut Call<'_>) -> Done {
    up(c, 1)
}

/// `int qurt_sem_add(sem *, unsigned units)`
fn semaphore_add(c: &mut Call<'_>) -> Done {
    let units = c.arg(1)?;
    up(c, units)
}

/// `unsigned short qurt_sem_get_val(sem *)`
fn semaphore_value(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let value = c.os.objects.with(Kind::Semaphore, at, |o| match o {
        Object::Semaphore { count, .. } => *count,
        _ => 0,
    });
    c.ret(value.map_err(full)?)
}

// ---- condition variables ----------------------------------------------------------------------------------------

/// `void qurt_cond_init(cond *)`
fn condition_init(c: &mut Call<'_>) -> Done {
    fresh(
        c,
        Kind::Condition,
        Object::Queue {
            waiters: Waiters::default(),
        },
    )
}

/// `void qurt_cond_destroy(cond *)`
fn condition_destroy(c: &mut Call<'_>) -> Done {
    destroy(c, Kind::Condition)
}

/// `void qurt_cond_wait(cond *, mutex *)`
fn condition_wait(c: &mut Call<'_>) -> Done {
    let (at, mutex, me, priority) = (c.arg(0)?, c.arg(1)?, c.thread.id, c.thread.priority);
    c.os.objects
        .with(Kind::Condition, at, |o| o.waiters().add(me, priority))
        .map_err(full)?;
    unlock(c.os, mutex)?;
    c.set(EOK);
    Ok(Outcome::Park(Wait::Condition { at, mutex }, None))
}

/// Lets up to `count` waiters take their mutex again; who cannot have it at once queues for it.
fn notify(c: &mut Call<'_>, count: usize) -> Done {
    let at = c.arg(0)?;
    for _ in 0..count {
        let next =
            c.os.objects
                .with(Kind::Condition, at, |o| o.waiters().take())
                .map_err(full)?;
        let Some(thread) = next else { break };
        let Some(Wait::Condition { mutex, .. }) = c.os.waits_for(thread) else {
            continue;
        };
        if take(c.os, mutex, thread, false)? {
            c.os.wake(thread, EOK);
        } else {
            let Some(t) = c.os.threads.get_mut(&thread) else {
                continue;
            };
            t.state = RunState::Parked(Wait::Mutex(mutex));
            let priority = t.priority;
            queue(c.os, mutex, thread, priority)?;
        }
    }
    c.ret(EOK)
}

/// `void qurt_cond_signal(cond *)`
fn condition_signal(c: &mut Call<'_>) -> Done {
    notify(c, 1)
}

/// `void qurt_cond_broadcast(cond *)`
fn condition_broadcast(c: &mut Call<'_>) -> Done {
    notify(c, usize::MAX)
}

// ---- futexes ----------------------------------------------------------------------------------------------------

/// `int qurt_futex_wait(void *word, int value)`: sleeps if the word still has the value; 1 if it has not.
fn futex_wait(c: &mut Call<'_>) -> Done {
    let (at, value, me, priority) = (c.arg(0)?, c.arg(1)?, c.thread.id, c.thread.priority);
    if c.load32(at)? != value {
        return c.ret(EVAL);
    }
    c.os.objects
        .with(Kind::Futex, at, |o| o.waiters().add(me, priority))
        .map_err(full)?;
    Ok(Outcome::Park(Wait::Futex(at), None))
}

/// `int qurt_futex_wake(void *word, int threads)`: how many were woken.
fn futex_wake(c: &mut Call<'_>) -> Done {
    let (at, most) = (c.arg(0)?, c.arg(1)? as i32);
    let mut woken = 0;
    while woken < most {
        let next =
            c.os.objects
                .with(Kind::Futex, at, |o| o.waiters().take())
                .map_err(full)?;
        let Some(thread) = next else { break };
        c.os.wake(thread, EOK);
        woken += 1;
    }
    c.ret(woken as u32)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Guest;
    use super::*;
    use crate::thread::{DspThread, Role};

    /// A thread that called `name` and was parked.
    fn parked(g: &mut Guest, id: ThreadId, priority: u8, name: &str, args: &[u32]) {
        let core = g.os.new_core(0);
        let me = std::mem::replace(
            &mut g.thread,
            DspThread::new(id, format!("t{id}"), priority, Role::Skeleton, 0..0, core),
        );
        let Ok(Outcome::Park(wait, _)) = g.try_call(name, args) else {
            panic!("{name} did not wait")
        };
        let mut other = std::mem::replace(&mut g.thread, me);
        other.state = RunState::Parked(wait);
        g.os.threads.insert(id, other);
    }

    fn ready(g: &Guest, id: ThreadId) -> bool {
        matches!(g.os.threads[&id].state, RunState::Ready(_))
    }

    #[test]
    fn a_mutex_passes_to_waiters_in_priority_order() {
        let mut g = Guest::new();
        const M: u32 = 0x5000;
        g.call("qurt_mutex_lock", &[M]);
        assert_eq!(g.call("qurt_mutex_try_lock", &[M]), EVAL);
        parked(&mut g, 2, 100, "qurt_mutex_lock", &[M]);
        parked(&mut g, 3, 50, "qurt_mutex_lock", &[M]);
        parked(&mut g, 4, 50, "qurt_mutex_lock", &[M]);
        for next in [3, 4, 2] {
            g.call("qurt_mutex_unlock", &[M]);
            assert!(ready(&g, next), "{next}");
        }
        g.call("qurt_mutex_unlock", &[M]);
        assert!(g.os.objects.is_empty());
    }

    #[test]
    fn a_recursive_mutex_counts() {
        let mut g = Guest::new();
        g.call("qurt_rmutex_lock", &[8]);
        g.call("qurt_rmutex_lock", &[8]);
        g.call("qurt_rmutex_unlock", &[8]);
        assert!(!g.os.objects.is_empty());
        g.call("qurt_rmutex_unlock", &[8]);
        assert!(g.os.objects.is_empty());
    }

    #[test]
    fn a_barrier_lets_everybody_go_and_tells_the_last() {
        let mut g = Guest::new();
        g.call("qurt_barrier_init", &[16, 3]);
        parked(&mut g, 2, 9, "qurt_barrier_wait", &[16]);
        parked(&mut g, 3, 9, "qurt_barrier_wait", &[16]);
        assert_eq!(g.call("qurt_barrier_wait", &[16]), 1);
        assert!(ready(&g, 2) && ready(&g, 3));
        parked(&mut g, 4, 9, "qurt_barrier_wait", &[16]);
    }

    #[test]
    fn signals_wake_those_whose_condition_is_met() {
        let mut g = Guest::new();
        parked(&mut g, 2, 9, "qurt_signal_wait", &[24, 3, 0]);
        parked(&mut g, 3, 9, "qurt_signal_wait", &[24, 3, 1]);
        assert_eq!(g.call("qurt_anysignal_set", &[24, 1]), 0);
        assert!(ready(&g, 2) && !ready(&g, 3));
        assert_eq!(g.call("qurt_anysignal_set", &[24, 2]), 1);
        assert!(ready(&g, 3));
        assert_eq!(g.os.threads[&3].core.regs.r[0], 3);
        assert_eq!(g.call("qurt_signal_wait", &[24, 3, 1]), 3);
        g.call("qurt_signal_clear", &[24, 3]);
        assert_eq!(g.call("qurt_signal_get", &[24]), 0);
    }

    #[test]
    fn semaphores_count_and_condition_variables_hand_back_the_mutex() {
        let mut g = Guest::new();
        g.call("qurt_sem_init_val", &[32, 1]);
        assert_eq!(g.call("qurt_sem_down", &[32]), EOK);
        assert_eq!(g.call("qurt_sem_try_down", &[32]), EVAL);
        parked(&mut g, 2, 9, "qurt_sem_down", &[32]);
        g.call("qurt_sem_add", &[32, 2]);
        assert!(ready(&g, 2));
        assert_eq!(g.call("qurt_sem_get_val", &[32]), 1);

        parked(&mut g, 5, 9, "qurt_cond_wait", &[40, 48]);
        g.call("qurt_mutex_lock", &[48]);
        g.call("qurt_cond_signal", &[40]);
        assert!(!ready(&g, 5));
        g.call("qurt_mutex_unlock", &[48]);
        assert!(ready(&g, 5));
    }

    #[test]
    fn a_futex_sleeps_only_on_the_expected_value() {
        let mut g = Guest::new();
        let word = g.bytes(&7u32.to_le_bytes());
        assert_eq!(g.call("qurt_futex_wait", &[word, 8]), EVAL);
        parked(&mut g, 2, 9, "qurt_futex_wait", &[word, 7]);
        parked(&mut g, 3, 8, "qurt_futex_wait", &[word, 7]);
        assert_eq!(g.call("qurt_futex_wake", &[word, 1]), 1);
        assert!(ready(&g, 3) && !ready(&g, 2));
        assert_eq!(g.call("qurt_futex_wake", &[word, 9]), 1);
    }
}
