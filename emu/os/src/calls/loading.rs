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
    /// Opens that have the loader: one, and those that its initialisers asked for.
    depth: u32,
    /// The thread that runs initialisers.
    owner: Option<ThreadId>,
    /// Threads that waited for a library, and how they go on.
    told: Vec<(ThreadId, LoadedLibrary)>,
}

/// Loads that may nest, each in an initialiser of the one before.
const MAX_DEPTH: u32 = 16;

impl Loading {
    /// An open comes behind all others. It is given back at once if the thread that asks has the loader: it has it for this, too.
    pub fn add(&mut self, task: OpenTask, asker: Asker) -> Option<(OpenTask, Asker)> {
        if let Asker::Thread(thread) = asker
            && self.owner == Some(thread)
            && self.depth < MAX_DEPTH
        {
            self.depth += 1;
            return Some((task, asker));
        }
        self.queue.push_back((task, asker));
        None
    }

    /// An open starts again, before all others.
    pub fn add_again(&mut self, task: OpenTask, asker: Asker) {
        self.queue.push_front((task, asker));
    }

    /// Gives out the next open if the loader is free; it has the loader until it [is done](Self::done).
    pub fn take_next(&mut self) -> Option<(OpenTask, Asker)> {
        if self.depth > 0 {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.depth = 1;
        Some(next)
    }

    /// Is the open that has the loader one that an initialiser asked for?
    pub fn is_nested(&self) -> bool {
        self.depth > 1
    }

    /// Keeps the open that has the loader while its files are read.
    pub fn keep(&mut self, task: OpenTask, asker: Asker) {
        self.reading = Some((task, asker));
    }

    /// Gives out the open whose files have been read.
    pub fn take_read(&mut self) -> Option<(OpenTask, Asker)> {
        self.reading.take()
    }

    /// This thread runs the initialisers from here on.
    pub fn run_by(&mut self, thread: ThreadId) {
        self.owner = Some(thread);
    }

    /// The open that has the loader is over.
    pub fn done(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            self.owner = None;
        }
    }

    /// A thread ended; `true`: it had the loader, which is free now.
    pub fn thread_ended(&mut self, thread: ThreadId) -> bool {
        let had = self.owner == Some(thread);
        if had {
            (self.depth, self.owner) = (0, None);
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
        loading.add(task, asker).is_some()
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
        loading.run_by(1);
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
        loading.run_by(1);
        assert!(!loading.thread_ended(2) && loading.thread_ended(1));
        add(&mut loading, 2);
        assert_eq!(next(&mut loading).as_deref(), Some("2.so"));
    }

    #[test]
    fn nesting_has_an_end() {
        let mut loading = Loading::default();
        add(&mut loading, 1);
        next(&mut loading);
        loading.run_by(1);
        assert_eq!((0..100).filter(|_| add(&mut loading, 1)).count(), 15);
    }
}
