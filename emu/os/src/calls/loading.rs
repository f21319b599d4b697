//! The loader lock: opens of the AP and `dlopen`s of threads wait here for each other, from reading a library until its
//! initialisers have run. An initialiser may load further libraries: the thread that runs it has the lock.

use std::collections::VecDeque;

use super::job::{Asker, LoadedLibrary, OpenTask};
use crate::sched::ThreadId;

/// Opens that wait for the loader, and those that have it.
#[derive(Default)]
pub struct Loading {
    queue: VecDeque<(OpenTask, Asker)>,
    /// The open whose files are being read.
    reading: Option<(OpenTask, Asker)>,
    /// Opens that have the loader: one, and those that its initialisers asked for. For each the calls of the emulator's that
    /// its thread was in when its initialisers began; `None`: they have not begun.
    levels: Vec<Option<usize>>,
    /// The thread that runs initialisers.
    owner: Option<ThreadId>,
    /// Threads that waited for a library, and how they go on.
    told: Vec<(ThreadId, LoadedLibrary)>,
}

/// Loads that may nest, each in an initialiser of the one before.
pub const MAX_DEPTH: usize = 16;

/// What becomes of an open.
pub enum Added {
    /// The thread that asks has the loader, and has it for this, too.
    Nested(OpenTask, Asker),
    /// It comes behind all others.
    Queued,
    /// The thread that asks has the loader, and would wait for itself.
    TooDeep(Asker),
}

impl Loading {
    /// Somebody wants a library.
    pub fn add(&mut self, task: OpenTask, asker: Asker) -> Added {
        match asker {
            Asker::Thread(thread) if self.owner == Some(thread) => {
                if self.levels.len() >= MAX_DEPTH {
                    return Added::TooDeep(asker);
                }
                self.levels.push(None);
                Added::Nested(task, asker)
            }
            _ => {
                self.queue.push_back((task, asker));
                Added::Queued
            }
        }
    }

    /// Bytes of libraries that are waited with.
    pub fn waiting_bytes(&self) -> usize {
        let contents = self.queue.iter().filter_map(|(task, _)| task.contents.as_ref());
        contents.map(|contents| contents.len()).sum()
    }

    /// An open starts again, before all others.
    pub fn add_again(&mut self, task: OpenTask, asker: Asker) {
        self.queue.push_front((task, asker));
    }

    /// Gives out the next open if the loader is free; it has the loader until it [is done](Self::done).
    pub fn take_next(&mut self) -> Option<(OpenTask, Asker)> {
        if !self.levels.is_empty() {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.levels.push(None);
        Some(next)
    }

    /// Is the open that has the loader one that an initialiser asked for?
    pub fn is_nested(&self) -> bool {
        self.levels.len() > 1
    }

    /// Keeps the open that has the loader while its files are read.
    pub fn keep(&mut self, task: OpenTask, asker: Asker) {
        self.reading = Some((task, asker));
    }

    /// Gives out the open whose files have been read.
    pub fn take_read(&mut self) -> Option<(OpenTask, Asker)> {
        self.reading.take()
    }

    /// This thread, which is in so many calls of the emulator's, runs the initialisers from here on.
    pub fn run_by(&mut self, thread: ThreadId, calls: usize) {
        self.owner = Some(thread);
        if let Some(level) = self.levels.last_mut() {
            *level = Some(calls);
        }
    }

    /// A thread left calls of the emulator's without returning (`longjmp`), and is in so many now; `true`: an open whose
    /// initialisers it ran is over with that. To be asked until it is `false`.
    pub fn left(&mut self, thread: ThreadId, calls: usize) -> bool {
        let left = self.owner == Some(thread)
            && self
                .levels
                .last()
                .is_some_and(|level| level.is_some_and(|before| before >= calls));
        if left {
            self.done();
        }
        left
    }

    /// The open that has the loader is over.
    pub fn done(&mut self) {
        self.levels.pop();
        if self.levels.is_empty() {
            self.owner = None;
        }
    }

    /// A thread ended; `true`: it had the loader, which is free now.
    pub fn thread_ended(&mut self, thread: ThreadId) -> bool {
        let had = self.owner == Some(thread);
        if had {
            self.levels.clear();
            self.owner = None;
        }
        had
    }

    /// A thread that waits for a library is to go on with this.
    pub fn tell(&mut self, thread: ThreadId, loaded: LoadedLibrary) {
        self.told.push((thread, loaded));
    }

    /// A thread that waited for a library, and what it gets.
    pub fn take_told(&mut self) -> Option<(ThreadId, LoadedLibrary)> {
        self.told.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(thread: ThreadId) -> (OpenTask, Asker) {
        let task = OpenTask {
            library: format!("{thread}.so"),
            contents: None,
            retries: 0,
        };
        (task, Asker::Thread(thread))
    }

    fn add(loading: &mut Loading, thread: ThreadId) -> bool {
        let (task, asker) = ask(thread);
        matches!(loading.add(task, asker), Added::Nested(..))
    }

    fn next(loading: &mut Loading) -> Option<String> {
        loading.take_next().map(|(task, _)| task.library)
    }

    #[test]
    fn one_open_has_the_loader_and_its_initialisers_may_load_more() {
        let mut loading = Loading::default();
        assert!(!add(&mut loading, 1) && !add(&mut loading, 2));
        assert_eq!(next(&mut loading).as_deref(), Some("1.so"));
        assert_eq!(next(&mut loading), None);
        // Not yet: its files are read.
        assert!(!add(&mut loading, 1));
        loading.run_by(1, 0);
        assert!(add(&mut loading, 1) && loading.is_nested());
        loading.done();
        assert!(!loading.is_nested() && next(&mut loading).is_none());
        assert!(!add(&mut loading, 3));
        loading.done();
        assert_eq!(next(&mut loading).as_deref(), Some("2.so"));
    }

    #[test]
    fn a_thread_that_ends_in_an_initialiser_does_not_keep_the_loader() {
        let mut loading = Loading::default();
        add(&mut loading, 1);
        next(&mut loading);
        loading.run_by(1, 0);
        assert!(!loading.thread_ended(2) && loading.thread_ended(1));
        add(&mut loading, 2);
        assert_eq!(next(&mut loading).as_deref(), Some("2.so"));
    }

    #[test]
    fn nesting_has_an_end() {
        let mut loading = Loading::default();
        add(&mut loading, 1);
        next(&mut loading);
        loading.run_by(1, 0);
        assert_eq!((0..100).filter(|_| add(&mut loading, 1)).count(), 15);
        let (task, asker) = ask(1);
        assert!(matches!(loading.add(task, asker), Added::TooDeep(_)));
        // It does not wait for itself.
        (0..16).for_each(|_| loading.done());
        assert!(next(&mut loading).is_none());
    }

    #[test]
    fn who_jumps_out_of_an_initialiser_does_not_keep_the_loader() {
        let mut loading = Loading::default();
        add(&mut loading, 1);
        next(&mut loading);
        loading.run_by(1, 1);
        add(&mut loading, 1);
        // The nested one's files are being read: whatever is left, it is not that.
        assert!(!loading.left(1, 0));
        loading.run_by(1, 2);
        // Within the inner initialiser; another thread.
        assert!(!loading.left(1, 3) && !loading.left(2, 0));
        assert!(loading.left(1, 2) && !loading.left(1, 2) && !loading.is_nested());
        assert!(loading.left(1, 1));
        add(&mut loading, 2);
        assert_eq!(next(&mut loading).as_deref(), Some("2.so"));
    }
}
