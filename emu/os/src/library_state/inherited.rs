//! Priority inheritance (`qurt_pimutex_lock`): who holds a mutex has at least the priority of the best thread that waits for it.
//!
//! For one step: if the owner waits for another mutex itself, that one's owner is not raised.

use std::collections::BTreeMap;

use crate::objects::{Kind, Object, Objects};
use crate::sched::{Scheduler, ThreadId};

/// Who was raised, and for what.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Priorities that threads of better ones had before.
    own: BTreeMap<ThreadId, u8>,
    /// Mutexes that raised their owners.
    by: BTreeMap<u32, ThreadId>,
}

impl Inherited {
    /// A mutex that passes priorities on has a new waiter.
    pub fn pass(&mut self, mutex: u32, objects: &mut Objects, sched: &mut Scheduler) {
        let Some((Some(owner), Some(best))) = holder(mutex, objects) else {
            return;
        };
        if let Some(own) = sched.priority(owner).filter(|&own| best < own) {
            self.own.entry(owner).or_insert(own);
            self.by.insert(mutex, owner);
            sched.set_priority(owner, best);
        }
    }

    /// A mutex was unlocked or has lost a waiter: who was raised by it has what it still has a right to.
    pub fn take_back(&mut self, mutex: u32, objects: &mut Objects, sched: &mut Scheduler) {
        let Some(&raised) = self.by.get(&mutex) else {
            return;
        };
        if !matches!(holder(mutex, objects), Some((Some(owner), Some(_))) if owner == raised) {
            self.by.remove(&mutex);
        }
        self.settle(raised, objects, sched);
    }

    /// Gives a thread another priority of its own; `false`: there is no such thread.
    pub fn set_own(
        &mut self,
        thread: ThreadId,
        priority: u8,
        objects: &mut Objects,
        sched: &mut Scheduler,
    ) -> bool {
        let Some(own) = self.own.get_mut(&thread) else {
            return sched.set_priority(thread, priority);
        };
        *own = priority;
        self.settle(thread, objects, sched);
        true
    }

    /// A thread has ended.
    pub fn forget(&mut self, thread: ThreadId) {
        self.own.remove(&thread);
        self.by.retain(|_, owner| *owner != thread);
    }

    fn settle(&mut self, thread: ThreadId, objects: &mut Objects, sched: &mut Scheduler) {
        let Some(&own) = self.own.get(&thread) else {
            return;
        };
        let mutexes = self.by.iter().filter(|&(_, &owner)| owner == thread);
        let best = mutexes.filter_map(|(&mutex, _)| holder(mutex, objects)?.1).min();
        if best.is_none() {
            self.forget(thread);
        }
        sched.set_priority(thread, best.map_or(own, |best| best.min(own)));
    }
}

/// A mutex's owner, and the best priority that waits for it.
fn holder(mutex: u32, objects: &mut Objects) -> Option<(Option<ThreadId>, Option<u8>)> {
    let known = objects.with(Kind::Mutex, mutex, |o| match o {
        Object::Mutex { owner, waiters, .. } => Some((*owner, waiters.best_priority())),
        _ => None,
    });
    known.ok()?
}
