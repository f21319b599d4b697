//! Synchronisation objects: what is behind the addresses that skeletons give to `qurt_mutex_*` and its kin.
//!
//! The objects' guest memory is never looked at: state is kept here by address, and an address that is not known is an
//! object in its initial state, which is what static initialisers mean. Waiters get their turn by priority, then by
//! arrival. An object in its initial state with nobody waiting is forgotten again, so the table stays bounded by what
//! is in use. POSIX objects are the same objects.

use std::collections::HashMap;

use crate::sched::ThreadId;

/// Somebody waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// The thread.
    pub thread: ThreadId,
    /// Its priority when it started to wait, or what it was given since.
    pub priority: u8,
    /// What the function that it waits in returns when its turn comes.
    pub result: u32,
}

/// Waiters, best first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Waiters(Vec<Waiter>);

impl Waiters {
    /// Adds a waiter behind those of its own and better priority; its function will return 0.
    pub fn add(&mut self, thread: ThreadId, priority: u8) {
        self.add_with(thread, priority, 0);
    }

    /// Adds a waiter whose function will return this.
    pub fn add_with(&mut self, thread: ThreadId, priority: u8, result: u32) {
        let at = self.0.partition_point(|w| w.priority <= priority);
        self.0.insert(
            at,
            Waiter {
                thread,
                priority,
                result,
            },
        );
    }

    /// The next to get it.
    pub fn take(&mut self) -> Option<ThreadId> {
        self.take_waiter().map(|w| w.thread)
    }

    /// The next to get it, and what its function returns then.
    pub fn take_waiter(&mut self) -> Option<Waiter> {
        if self.0.is_empty() {
            None
        } else {
            Some(self.0.remove(0))
        }
    }

    /// Gives a waiter another priority, behind those that have it already; `false`: it does not wait here.
    pub fn set_priority(&mut self, thread: ThreadId, priority: u8) -> bool {
        let Some(at) = self.0.iter().position(|w| w.thread == thread) else {
            return false;
        };
        let waiter = self.0.remove(at);
        self.add_with(thread, priority, waiter.result);
        true
    }

    /// Forgets a waiter that gave up or ended.
    pub fn remove(&mut self, thread: ThreadId) {
        self.0.retain(|w| w.thread != thread);
    }

    /// All of them, best first.
    pub fn iter(&self) -> impl Iterator<Item = ThreadId> + '_ {
        self.0.iter().map(|w| w.thread)
    }

    /// The best priority of all.
    pub fn best_priority(&self) -> Option<u8> {
        self.0.first().map(|w| w.priority)
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a mutex does when its owner locks it again, and when others unlock it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MutexKind {
    /// The owner waits for itself, and anybody unlocks it.
    #[default]
    Normal,
    /// Counts.
    Recursive,
    /// Both are errors.
    ErrorChecking,
}

/// One object's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A mutex, recursive or not.
    Mutex {
        /// Which one.
        kind: MutexKind,
        /// Who holds it.
        owner: Option<ThreadId>,
        /// How many times.
        depth: u32,
        /// Who waits.
        waiters: Waiters,
    },
    /// A barrier.
    Barrier {
        /// How many threads meet.
        count: u32,
        /// Who has come.
        waiters: Waiters,
    },
    /// A signal or any-signal object.
    Signal {
        /// Signals set.
        bits: u32,
        /// Who waits.
        waiters: Waiters,
    },
    /// A semaphore.
    Semaphore {
        /// Units free.
        count: u32,
        /// Who waits.
        waiters: Waiters,
    },
    /// A lock that many readers or one writer can hold.
    ReadWrite {
        /// How many readers hold it.
        readers: u32,
        /// Who holds it to write.
        writer: Option<ThreadId>,
        /// Who waits, readers and writers.
        waiters: Waiters,
    },
    /// A condition variable or futex: only waiters.
    Queue {
        /// Who waits.
        waiters: Waiters,
    },
}

impl Object {
    /// Who waits.
    pub fn waiters(&mut self) -> &mut Waiters {
        match self {
            Self::Mutex { waiters, .. }
            | Self::Barrier { waiters, .. }
            | Self::Signal { waiters, .. }
            | Self::Semaphore { waiters, .. }
            | Self::ReadWrite { waiters, .. }
            | Self::Queue { waiters } => waiters,
        }
    }

    /// Not worth remembering: the same as an unknown address.
    fn is_initial(&self) -> bool {
        match self {
            Self::Mutex {
                kind, owner, waiters, ..
            } => *kind == MutexKind::Normal && owner.is_none() && waiters.is_empty(),
            Self::Barrier { .. } => false,
            Self::Signal { bits, waiters } => *bits == 0 && waiters.is_empty(),
            Self::Semaphore { count, waiters } => *count == 0 && waiters.is_empty(),
            Self::ReadWrite {
                readers,
                writer,
                waiters,
            } => *readers == 0 && writer.is_none() && waiters.is_empty(),
            Self::Queue { waiters } => waiters.is_empty(),
        }
    }

    /// An unlocked mutex.
    pub fn mutex(kind: MutexKind) -> Self {
        Self::Mutex {
            kind,
            owner: None,
            depth: 0,
            waiters: Waiters::default(),
        }
    }
}

/// The kinds of objects, each with addresses of its own: a futex may lie where a mutex once was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `qurt_mutex`, `qurt_rmutex`, `pthread_mutex_t`, `pthread_spinlock_t`.
    Mutex,
    /// `qurt_barrier`, `pthread_barrier_t`.
    Barrier,
    /// `qurt_signal`, `qurt_anysignal`, `qurt_allsignal`.
    Signal,
    /// `qurt_sem`, `sem_t`.
    Semaphore,
    /// `qurt_cond`, `pthread_cond_t`.
    Condition,
    /// `qurt_futex`.
    Futex,
    /// `pthread_rwlock_t`.
    ReadWrite,
    /// `pthread_once_t`, while it is under way.
    Once,
}

impl Kind {
    fn initial(self) -> Object {
        let waiters = Waiters::default();
        match self {
            Self::Mutex => Object::mutex(MutexKind::Normal),
            Self::Barrier => Object::Barrier { count: 1, waiters },
            Self::Signal => Object::Signal { bits: 0, waiters },
            Self::Semaphore => Object::Semaphore { count: 0, waiters },
            Self::ReadWrite => Object::ReadWrite {
                readers: 0,
                writer: None,
                waiters,
            },
            Self::Condition | Self::Futex | Self::Once => Object::Queue { waiters },
        }
    }
}

/// All objects of a process.
#[derive(Debug)]
pub struct Objects {
    map: HashMap<(Kind, u32), Object>,
    limit: usize,
}

/// The table is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Objects {
    /// An empty table for at most `limit` objects.
    pub fn new(limit: usize) -> Self {
        Self {
            map: HashMap::new(),
            limit,
        }
    }

    /// Works on an object.
    pub fn with<R>(&mut self, kind: Kind, at: u32, f: impl FnOnce(&mut Object) -> R) -> Result<R, TooMany> {
        if self.map.len() >= self.limit && !self.map.contains_key(&(kind, at)) {
            return Err(TooMany);
        }
        let object = self.map.entry((kind, at)).or_insert_with(|| kind.initial());
        let result = f(object);
        if object.is_initial() {
            self.map.remove(&(kind, at));
        }
        Ok(result)
    }

    /// Puts an object into a state (its `_init`); threads that waited on the old one are returned.
    pub fn set(&mut self, kind: Kind, at: u32, object: Object) -> Result<Waiters, TooMany> {
        self.with(kind, at, |old| {
            let waiters = std::mem::take(old.waiters());
            *old = object;
            waiters
        })
    }

    /// Forgets an object; threads that waited on it are returned.
    pub fn remove(&mut self, kind: Kind, at: u32) -> Waiters {
        self.map
            .remove(&(kind, at))
            .map(|mut o| std::mem::take(o.waiters()))
            .unwrap_or_default()
    }

    /// Is there such an object, in another state than its initial one?
    pub fn contains(&self, kind: Kind, at: u32) -> bool {
        self.map.contains_key(&(kind, at))
    }

    /// Does somebody wait on an object?
    pub fn has_waiters(&mut self, kind: Kind, at: u32) -> bool {
        let object = self.map.get_mut(&(kind, at));
        object.is_some_and(|o| !o.waiters().is_empty())
    }

    /// No object is remembered.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_come_by_priority_then_arrival() {
        let mut w = Waiters::default();
        for (thread, priority) in [(1, 100), (2, 50), (3, 100), (4, 10)] {
            w.add(thread, priority);
        }
        w.remove(2);
        assert_eq!(std::iter::from_fn(|| w.take()).collect::<Vec<_>>(), [4, 1, 3]);
    }

    #[test]
    fn objects_in_initial_state_are_not_kept_and_the_table_is_bounded() {
        let mut objects = Objects::new(1);
        objects.with(Kind::Mutex, 0x1000, |_| ()).unwrap();
        assert!(objects.is_empty());
        let lock = |o: &mut Object| {
            if let Object::Mutex { owner, .. } = o {
                *owner = Some(7);
            }
        };
        objects.with(Kind::Mutex, 0x1000, lock).unwrap();
        assert_eq!(objects.with(Kind::Futex, 0x1000, |_| ()), Err(TooMany));
        assert!(objects.remove(Kind::Mutex, 0x1000).is_empty());
        assert!(objects.is_empty());
    }
}
