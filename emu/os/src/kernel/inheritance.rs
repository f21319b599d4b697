//! Priority inheritance: who holds a mutex has at least the priority of the best thread that waits for it.
//!
//! For one step: if the owner waits for another mutex itself, that one's owner is not raised.

use super::state::Kernel;
use crate::objects::{Kind, Object};
use crate::sched::ThreadId;

impl Kernel {
    /// A mutex that passes priorities on has a new waiter.
    pub fn pass_priority(&mut self, mutex: u32) {
        let Some((Some(owner), Some(best))) = self.holder(mutex) else {
            return;
        };
        if let Some(own) = self.sched.priority(owner).filter(|&own| best < own) {
            self.lib.inherited.raise(mutex, owner, own);
            self.sched.set_priority(owner, best);
        }
    }

    /// A mutex was unlocked or has lost a waiter: who was raised by it has what it still has a right to.
    pub fn take_priority_back(&mut self, mutex: u32) {
        let Some(raised) = self.lib.inherited.by(mutex) else {
            return;
        };
        if !matches!(self.holder(mutex), Some((Some(owner), Some(_))) if owner == raised) {
            self.lib.inherited.let_go(mutex);
        }
        self.settle(raised);
    }

    /// Gives a thread another priority of its own; `false`: there is no such thread.
    pub fn set_priority(&mut self, thread: ThreadId, priority: u8) -> bool {
        if self.lib.inherited.set_own(thread, priority) {
            self.settle(thread);
            return true;
        }
        self.sched.set_priority(thread, priority)
    }

    fn settle(&mut self, thread: ThreadId) {
        let Some(own) = self.lib.inherited.own(thread) else {
            return;
        };
        let mutexes = self.lib.inherited.mutexes(thread);
        let best = mutexes
            .iter()
            .filter_map(|&mutex| self.holder(mutex)?.1)
            .fold(own, u8::min);
        if mutexes.is_empty() {
            self.lib.inherited.forget(thread);
        }
        self.sched.set_priority(thread, best);
    }

    /// A mutex's owner, and the best priority that waits for it.
    fn holder(&mut self, mutex: u32) -> Option<(Option<ThreadId>, Option<u8>)> {
        let known = self.objects.with(Kind::Mutex, mutex, |o| match o {
            Object::Mutex { owner, waiters, .. } => Some((*owner, waiters.best_priority())),
            _ => None,
        });
        known.ok()?
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn the_owner_has_the_best_waiters_priority_until_it_unlocks() {
        let mut g = Guest::new();
        let me = g.thread.id;
        let own = g.os.sched.priority(me).unwrap();
        for (name, base) in [("qurt_pimutex", 0x100u32), ("qurt_pimutex2", 0x200)] {
            let mutex = |what: &str| format!("{name}_{what}");
            let [first, second, third] = [1, 2, 3].map(|n| base + n);
            for at in [8, 16] {
                g.call(&mutex("init"), &[at]);
                g.call(&mutex("lock"), &[at]);
            }
            g.park(first, own - 10, &mutex("lock"), &[8]);
            assert_eq!(g.os.sched.priority(me), Some(own - 10));
            g.park(second, own - 20, &mutex("lock"), &[16]);
            // A worse one changes nothing.
            g.park(third, own + 1, &mutex("lock"), &[16]);
            assert_eq!(g.os.sched.priority(me), Some(own - 20));
            g.call(&mutex("unlock"), &[16]);
            assert!(g.is_ready(second));
            assert_eq!(g.os.sched.priority(me), Some(own - 10));
            // Its own priority is what it has in the end.
            assert_eq!(g.call("qurt_thread_set_priority", &[me, u32::from(own) - 1]), 0);
            assert_eq!(g.os.sched.priority(me), Some(own - 10));
            g.call(&mutex("unlock"), &[8]);
            assert_eq!(g.os.sched.priority(me), Some(own - 1));
            assert_eq!(g.call("qurt_thread_set_priority", &[me, own.into()]), 0);
            assert_eq!(g.os.sched.priority(me), Some(own));
        }
    }

    #[test]
    fn a_waiter_that_gives_up_takes_its_priority_with_it() {
        let mut g = Guest::new();
        let me = g.thread.id;
        let own = g.os.sched.priority(me).unwrap();
        g.call("qurt_pimutex_lock", &[8]);
        g.park(90, own - 10, "qurt_pimutex_lock_timed", &[8, 0, 5_000_000, 0]);
        assert_eq!(g.os.sched.priority(me), Some(own - 10));
        g.clock.advance(std::time::Duration::from_secs(5));
        g.os.expire_waits();
        assert_eq!(g.os.sched.priority(me), Some(own));
        // A recursive mutex raises nobody.
        g.call("qurt_rmutex_lock", &[16]);
        g.park(91, own - 10, "qurt_rmutex_lock", &[16]);
        assert_eq!(g.os.sched.priority(me), Some(own));
    }
}
