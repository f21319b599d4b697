//! The queue between the DSP's threads and the device thread.

use emu_os::action::{Action, Outbox};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use vmm_sys_util::eventfd::EventFd;

/// Batches that wait, and the event that says so. Each session has its own, so that nothing of a dead session is left
/// in it.
pub struct Queue {
    batches: Mutex<VecDeque<Vec<Action>>>,
    event: EventFd,
}

impl Queue {
    /// An empty queue that sets `event`.
    pub fn new(event: EventFd) -> Self {
        Self {
            batches: Mutex::default(),
            event,
        }
    }

    /// The oldest batch.
    pub fn take(&self) -> Option<Vec<Action>> {
        self.lock().pop_front()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Vec<Action>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for Queue {
    fn send(&self, batch: Vec<Action>) {
        self.lock().push_back(batch);
        // A full counter means that the event is set already.
        let _ = self.event.write(1);
    }
}
