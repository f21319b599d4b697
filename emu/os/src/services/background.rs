//! Work that waits, off the device thread.

use std::sync::{Arc, Mutex, PoisonError};

/// Runs something that waits on a thread of its own; here and now if the host has no threads left.
pub(super) fn run_in_background(name: &str, work: impl FnOnce() + Send + 'static) {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let again = Arc::clone(&work);
    let spawned = std::thread::Builder::new().name(name.into()).spawn(move || {
        if let Some(work) = take(&again) {
            work();
        }
    });
    if spawned.is_err()
        && let Some(work) = take(&work)
    {
        work();
    }
}
