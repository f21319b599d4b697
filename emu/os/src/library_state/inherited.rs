//! Priority inheritance (`qurt_pimutex_lock`): who holds a mutex has at least the priority of the best thread that waits for it. If
//! the holder waits for another such mutex itself, that one's holder has it, too, and so on.

use std::collections::BTreeMap;

use crate::objects::{Kind, Object, Objects};
use crate::sched::{Scheduler, ThreadId};

/// Who was raised, and for what.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Priorities of their own of threads that hold mutexes others wait for.
    own: BTreeMap<ThreadId, u8>,
    /// Mutexes that others wait for, and who holds them.
    by: BTreeMap<u32, ThreadId>,
    /// What threads waited for last; who does not wait any more is not among the mutex's waiters.
    waits: BTreeMap<ThreadId, u32>,
}

impl Inherited {
    /// A mutex that passes priorities on has a new waiter.
    pub fn pass(&mut self, mutex: u32, waiter: ThreadId, objects: &mut Objects, sched: &mut Scheduler) {
        self.waits.insert(waiter, mutex);
        if let Some(owner) = self.held(mutex, objects, sched) {
            self.settle(owner, objects, sched);
        }
    }

    /// A mutex was unlocked or has lost a waiter: who holds it, and who held it, has what it still has a right to.
    pub fn take_back(&mut self, mutex: u32, objects: &mut Objects, sched: &mut Scheduler) {
        let Some(before) = self.by.remove(&mutex) else {
            return;
        };
        let owner = self.held(mutex, objects, sched);
        self.settle(before, objects, sched);
        if let Some(owner) = owner.filter(|&owner| owner != before) {
            self.settle(owner, objects, sched);
        }
    }

    /// Gives a thread another priority of its own; `false`: there is no such thread.
    pub fn set_own(
        &mut self,
        thread: ThreadId,
        priority: u8,
        objects: &mut Objects,
        sched: &mut Scheduler,
    ) -> bool {
        if !sched.contains(thread) {
            return false;
        }
        // As long as it settles.
        self.own.insert(thread, priority);
        self.settle(thread, objects, sched);
        true
    }

    /// A thread has ended.
    pub fn forget(&mut self, thread: ThreadId) {
        self.own.remove(&thread);
        self.by.retain(|_, owner| *owner != thread);
        self.waits.remove(&thread);
    }

    /// Remembers who holds a mutex that somebody waits for.
    fn held(&mut self, mutex: u32, objects: &mut Objects, sched: &Scheduler) -> Option<ThreadId> {
        let (Some(owner), Some(_)) = holder(mutex, objects)? else {
            return None;
        };
        let priority = sched.priority(owner)?;
        self.own.entry(owner).or_insert(priority);
        self.by.insert(mutex, owner);
        Some(owner)
    }

    /// Gives a thread what it has a right to, then who holds what it waits for, and so on, as long as that changes anything.
    fn settle(&mut self, thread: ThreadId, objects: &mut Objects, sched: &mut Scheduler) {
        let mut thread = thread;
        // Threads that wait for each other in a circle all have the best priority of theirs after one time round.
        for _ in 0..=self.waits.len() {
            let Some(&own) = self.own.get(&thread) else {
                return;
            };
            let mutexes = self.by.iter().filter(|&(_, &owner)| owner == thread);
            let best = mutexes.filter_map(|(&mutex, _)| holder(mutex, objects)?.1).min();
            if best.is_none() {
                self.own.remove(&thread);
                self.by.retain(|_, owner| *owner != thread);
            }
            let priority = best.map_or(own, |best| best.min(own));
            let before = sched.priority(thread);
            sched.set_priority(thread, priority);
            if before == Some(priority) {
                return;
            }
            let Some(&mutex) = self.waits.get(&thread) else {
                return;
            };
            let moved = objects.with(Kind::Mutex, mutex, |o| o.waiters().set_priority(thread, priority));
            if !moved.unwrap_or(false) {
                self.waits.remove(&thread);
                return;
            }
            match self.held(mutex, objects, sched) {
                Some(owner) => thread = owner,
                None => return,
            }
        }
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
