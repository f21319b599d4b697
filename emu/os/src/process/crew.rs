//! The host threads of one process: what they share, how many there may be, and how all of them come to an end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shared::Shared;
use super::traps::End;
use crate::kernel::state::Kernel;
use emu_core::Translator;
use emu_core::mem::AddressSpace;

/// What the host threads of a process share.
pub struct Crew {
    /// What others see of the process.
    pub shared: Arc<Shared>,
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// Host code of what it executes; `None`: all is interpreted.
    pub translator: Option<Arc<Translator>>,
    /// The same for threads without a vector context, where that makes a difference.
    pub without_vectors: Option<Arc<Translator>>,
    kernel: Mutex<Kernel>,
    waiting_to_run: Arc<AtomicUsize>,
    most: usize,
    count: AtomicUsize,
    ended: AtomicBool,
    end: Mutex<Option<End>>,
}

impl Crew {
    /// One host thread, which is there.
    pub fn new(kernel: Kernel) -> Self {
        let config = &kernel.shared.config;
        let most = config.host_threads();
        let translator = || Translator::or_interpreter(config.engine);
        Self {
            shared: kernel.shared.clone(),
            space: kernel.space.clone(),
            translator: translator(),
            without_vectors: config.wants_vectors_locked().then(translator).flatten(),
            waiting_to_run: kernel.sched.waiting_to_run(),
            kernel: Mutex::new(kernel),
            most,
            count: AtomicUsize::new(1),
            ended: AtomicBool::new(false),
            end: Mutex::new(None),
        }
    }

    /// The process's lock.
    pub fn lock(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Could a DSP thread run that no host thread runs? To be asked without the lock.
    pub fn somebody_could_run(&self) -> bool {
        self.waiting_to_run.load(Ordering::Relaxed) > 0
    }

    /// Another host thread joins; its number, or `None` if there are as many as may be.
    pub fn admit(&self) -> Option<usize> {
        let more = |count| (count < self.most).then_some(count + 1);
        self.count
            .try_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()
    }

    /// One that was [admitted](Self::admit) could not be made: there will be no more.
    pub fn stay(&self) {
        self.count.store(self.most, Ordering::Relaxed);
    }

    /// The process ends like this, unless it has ended already: all host threads stop.
    pub fn finish(&self, end: End) {
        let mut slot = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(end);
        drop(slot);
        self.ended.store(true, Ordering::Release);
        self.shared.inbox.nudge();
    }

    /// Is every host thread to stop?
    pub fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.shared.is_killed()
    }

    /// How the process ended, when no host thread runs any more.
    pub fn into_end(self) -> (Kernel, End) {
        let end = self.end.into_inner().unwrap_or_else(PoisonError::into_inner);
        let kernel = self.kernel.into_inner().unwrap_or_else(PoisonError::into_inner);
        (kernel, end.unwrap_or(End::Killed))
    }
}
