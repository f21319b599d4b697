//! Which threads have a better priority than their own for a while, because better ones wait for what they hold
//! (`qurt_pimutex_lock`).

use std::collections::BTreeMap;

use crate::sched::ThreadId;

/// Who was raised, and for what.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Priorities that threads of better ones had before.
    own: BTreeMap<ThreadId, u8>,
    /// Mutexes that raised their owners.
    by: BTreeMap<u32, ThreadId>,
}

impl Inherited {
    /// A mutex raises its owner, who has this priority.
    pub fn raise(&mut self, mutex: u32, owner: ThreadId, priority: u8) {
        self.own.entry(owner).or_insert(priority);
        self.by.insert(mutex, owner);
    }

    /// Whom a mutex raised.
    pub fn by(&self, mutex: u32) -> Option<ThreadId> {
        self.by.get(&mutex).copied()
    }

    /// A mutex raises nobody any more: who was raised by it.
    pub fn let_go(&mut self, mutex: u32) -> Option<ThreadId> {
        self.by.remove(&mutex)
    }

    /// Mutexes that raise a thread.
    pub fn mutexes(&self, thread: ThreadId) -> Vec<u32> {
        let all = self.by.iter().filter(|&(_, &owner)| owner == thread);
        all.map(|(&mutex, _)| mutex).collect()
    }

    /// The priority that a raised thread had before.
    pub fn own(&self, thread: ThreadId) -> Option<u8> {
        self.own.get(&thread).copied()
    }

    /// A raised thread gets another priority of its own; `false`: it is not raised.
    pub fn set_own(&mut self, thread: ThreadId, priority: u8) -> bool {
        match self.own.get_mut(&thread) {
            Some(own) => {
                *own = priority;
                true
            }
            None => false,
        }
    }

    /// A thread has its own priority again, or has ended.
    pub fn forget(&mut self, thread: ThreadId) {
        self.own.remove(&thread);
        self.by.retain(|_, owner| *owner != thread);
    }
}
