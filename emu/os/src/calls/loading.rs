//! The loader lock: opens wait here for each other, from reading the library until its initialisers have run.

use std::collections::VecDeque;

use super::job::OpenTask;
use crate::process::inbox::OpenAnswer;

enum Loader {
    Free,
    /// Files of this open are being read.
    Reading(OpenTask, OpenAnswer),
    /// Somebody else has what belongs to the open.
    Busy,
}

/// Opens that wait for the loader, and the one that has it.
pub struct Loading {
    queue: VecDeque<(OpenTask, OpenAnswer)>,
    loader: Loader,
}

impl Default for Loading {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            loader: Loader::Free,
        }
    }
}

impl Loading {
    /// An open comes behind all others.
    pub fn add(&mut self, task: OpenTask, answer: OpenAnswer) {
        self.queue.push_back((task, answer));
    }

    /// An open starts again, before all others.
    pub fn add_again(&mut self, task: OpenTask, answer: OpenAnswer) {
        self.queue.push_front((task, answer));
    }

    /// Gives out the next open if the loader is free; it has the loader until it [is done](Self::done).
    pub fn take_next(&mut self) -> Option<(OpenTask, OpenAnswer)> {
        let Loader::Free = self.loader else { return None };
        let next = self.queue.pop_front()?;
        self.loader = Loader::Busy;
        Some(next)
    }

    /// Keeps the open that has the loader while its files are read.
    pub fn keep(&mut self, task: OpenTask, answer: OpenAnswer) {
        self.loader = Loader::Reading(task, answer);
    }

    /// Gives out the open whose files have been read.
    pub fn take_read(&mut self) -> Option<(OpenTask, OpenAnswer)> {
        match std::mem::replace(&mut self.loader, Loader::Busy) {
            Loader::Reading(task, answer) => Some((task, answer)),
            other => {
                self.loader = other;
                None
            }
        }
    }

    /// The loader is free.
    pub fn done(&mut self) {
        self.loader = Loader::Free;
    }
}
