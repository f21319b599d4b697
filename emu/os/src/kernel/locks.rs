//! Mutexes, semaphores and barriers, for the families of functions that have them: QuRT's, POSIX's, and the end of waits.

use super::state::Kernel;
use crate::objects::{Kind, MutexKind, Object, TooMany, Waiters};
use crate::sched::{ThreadId, Wait};

/// What became of an attempt to lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// The thread has it.
    Got,
    /// Another thread has it.
    Busy,
    /// The thread had it already and cannot have it twice.
    Own,
}

impl Kernel {
    /// Takes a mutex for a thread if it can have it now. `recursive`: whether it may have it twice; `None`: as the mutex's
    /// kind says.
    pub fn lock_now(&mut self, at: u32, me: ThreadId, recursive: Option<bool>) -> Result<Locked, TooMany> {
        self.objects.with(Kind::Mutex, at, |o| {
            let Object::Mutex {
                kind, owner, depth, ..
            } = o
            else {
                return Locked::Busy;
            };
            match owner {
                None => {
                    *owner = Some(me);
                    *depth = 1;
                    Locked::Got
                }
                Some(owner) if *owner != me => Locked::Busy,
                Some(_) if recursive.unwrap_or(*kind == MutexKind::Recursive) && *depth < u32::MAX => {
                    *depth += 1;
                    Locked::Got
                }
                Some(_) => Locked::Own,
            }
        })
    }

    /// Puts a thread into a mutex's queue; the function that it waits in returns `result` when it has the mutex.
    pub fn queue_for(&mut self, at: u32, thread: ThreadId, priority: u8, result: u32) -> Result<(), TooMany> {
        self.objects.with(Kind::Mutex, at, |o| {
            o.waiters().add_with(thread, priority, result)
        })
    }

    /// Unlocks once; the best waiter becomes the owner. `by`: who must own it, where the mutex's kind demands that; `false`: it
    /// does not.
    pub fn unlock(&mut self, at: u32, by: Option<ThreadId>) -> Result<bool, TooMany> {
        let next = self.objects.with(Kind::Mutex, at, |o| {
            let Object::Mutex {
                kind,
                owner,
                depth,
                waiters,
            } = o
            else {
                return Ok(None);
            };
            if by.is_some() && *kind != MutexKind::Normal && *owner != by {
                return Err(());
            }
            *depth = depth.saturating_sub(1);
            if *depth > 0 {
                return Ok(None);
            }
            let next = waiters.take_waiter();
            *owner = next.map(|w| w.thread);
            *depth = u32::from(owner.is_some());
            Ok(next)
        })?;
        let Ok(next) = next else { return Ok(false) };
        if let Some(waiter) = next {
            self.wake(waiter.thread, waiter.result);
        }
        Ok(true)
    }

    /// A thread whose wait on a condition variable is over takes its mutex, or queues for it; its function returns `result`.
    pub fn lock_again(&mut self, thread: ThreadId, mutex: u32, result: u32) {
        let Some(priority) = self.sched.priority(thread) else {
            return;
        };
        let queued = match self.lock_now(mutex, thread, Some(false)) {
            Ok(Locked::Busy) => self.queue_for(mutex, thread, priority, result).is_ok(),
            _ => false,
        };
        if queued {
            self.sched.wait_for_instead(thread, Wait::Mutex(mutex));
        } else {
            self.wake(thread, result);
        }
    }

    /// Takes a unit of a semaphore if there is one; otherwise this thread, of this priority, joins its queue.
    pub fn take_unit(&mut self, at: u32, else_queue: Option<(ThreadId, u8)>) -> Result<bool, TooMany> {
        self.objects.with(Kind::Semaphore, at, |o| match o {
            Object::Semaphore { count, .. } if *count > 0 => {
                *count -= 1;
                true
            }
            o => {
                if let Some((thread, priority)) = else_queue {
                    o.waiters().add(thread, priority);
                }
                false
            }
        })
    }

    /// A thread comes to a barrier: those that wait there, if it is the last; otherwise it joins them.
    pub fn arrive(&mut self, at: u32, thread: ThreadId, priority: u8) -> Result<Option<Waiters>, TooMany> {
        self.objects.with(Kind::Barrier, at, |o| {
            let Object::Barrier { count, waiters } = o else {
                return Some(Waiters::default());
            };
            if waiters.len() + 1 >= *count as usize {
                return Some(std::mem::take(waiters));
            }
            waiters.add(thread, priority);
            None
        })
    }

    /// Threads that waited on an object go on, because it is over or nothing could wake them later.
    pub fn let_go(&mut self, mut waiters: Waiters) {
        while let Some(waiter) = waiters.take_waiter() {
            self.wake(waiter.thread, waiter.result);
        }
    }

    /// Ends the wait of up to `most` threads on a condition variable.
    pub fn signal_condition(&mut self, at: u32, most: usize) -> Result<(), TooMany> {
        for _ in 0..most {
            let next = self.objects.with(Kind::Condition, at, |o| o.waiters().take())?;
            let Some(thread) = next else { break };
            if let Some(Wait::Condition { mutex, .. }) = self.waits_for(thread) {
                self.lock_again(thread, mutex, 0);
            }
        }
        Ok(())
    }
}
