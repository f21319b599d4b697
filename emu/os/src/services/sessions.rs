//! The sessions that have a process, and what all services share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rpmsg::Aee;

use super::answer::OpenCalls;
use super::background::run_in_background;
use super::config::DspConfig;
use super::pd::{Origin, Pd, PdKey};
use super::stats::Counters;
use crate::action::SharedOutbox;
use crate::handle_numbers::HandleNumbers;
use emu_core::mem::Bus;

/// Most sessions with a process at once. A driver has 14 slots a channel.
const MAX_PROCESSES: usize = 64;

/// What the services of one DSP share.
pub(super) struct Sessions {
    /// What the DSP is.
    pub config: DspConfig,
    /// The guest's memory.
    pub bus: Arc<Bus>,
    /// What happened.
    pub counters: Arc<Counters>,
    /// Calls that are not answered yet.
    pub calls: Arc<OpenCalls>,
    /// Numbers for module handles.
    pub handles: Arc<HandleNumbers>,
    processes: Mutex<HashMap<PdKey, Arc<Pd>>>,
    /// Whether it was said that sessions get scarce.
    said_scarce: AtomicBool,
}

/// Whether another client may find no session: the AP's library opens one for the process and one for its memory allocator
/// (docs/protocol.md#sessions), which the DSP does not see.
const fn are_scarce(processes: usize, sessions: usize) -> bool {
    sessions != 0 && processes.saturating_add(1).saturating_mul(2) > sessions
}

impl Sessions {
    /// No session has a process.
    pub fn new(config: DspConfig, bus: Arc<Bus>, outbox: SharedOutbox) -> Self {
        let counters = Arc::<Counters>::default();
        let calls = OpenCalls::new(outbox, Arc::clone(&counters));
        Self {
            config,
            bus,
            counters,
            calls,
            handles: Arc::default(),
            processes: Mutex::default(),
            said_scarce: AtomicBool::new(false),
        }
    }

    /// All processes.
    pub fn all_processes(&self) -> Vec<Arc<Pd>> {
        self.processes().values().cloned().collect()
    }

    /// Takes all sessions out, so that nobody finds them any more.
    pub fn remove_all(&self) -> Vec<Arc<Pd>> {
        self.processes().drain().map(|(_, pd)| pd).collect()
    }

    fn processes(&self) -> MutexGuard<'_, HashMap<PdKey, Arc<Pd>>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process of a session.
    pub fn pd(&self, key: PdKey) -> Option<Arc<Pd>> {
        self.processes().get(&key).cloned()
    }

    /// Takes a session out, so that nobody finds it any more.
    pub fn remove(&self, key: PdKey) -> Option<Arc<Pd>> {
        self.processes().remove(&key)
    }

    /// Makes a process for a session that has none.
    pub fn create(
        &self,
        key: PdKey,
        stream: u16,
        name: String,
        origin: Origin,
        initial: Option<(u64, u32)>,
    ) -> Result<(), Aee> {
        if key.client <= 0 {
            return Err(Aee::BAD_PARM);
        }
        let mut processes = self.processes();
        if processes.contains_key(&key) {
            return Err(Aee::BAD_STATE);
        }
        if processes.len() >= MAX_PROCESSES {
            tracing::warn!(target: "emu::services", dsp = self.config.label, process = %key, "{MAX_PROCESSES} sessions have a process: one more is refused");
            return Err(Aee::NO_SESSION);
        }
        let (config, bus) = (&self.config, &self.bus);
        let pd = Pd::create(
            key,
            stream,
            name,
            origin,
            initial,
            config,
            bus,
            &self.counters,
            &self.handles,
        );
        match pd {
            Ok(pd) => {
                tracing::info!(target: "emu::services", process = %key, name = pd.name, ?origin, "process created");
                processes.insert(key, pd);
                let (used, all) = (processes.len(), self.config.sessions());
                if are_scarce(used, all) && !self.said_scarce.swap(true, Ordering::Relaxed) {
                    tracing::warn!(target: "emu::services", dsp = self.config.label, "{used} of {all} sessions have a process, and a client with the AP's library takes two or three: the next may not open the device (EBUSY); a profile with more context banks has more sessions");
                }
                Ok(())
            }
            Err(why) => {
                tracing::warn!(target: "emu::services", process = %key, "process not created: {why}");
                Err(why.aee())
            }
        }
    }

    /// Kills a process that nobody finds any more, then goes on with `then`; on a thread of its own.
    pub fn release_in_background(&self, pd: Arc<Pd>, then: impl FnOnce() + Send + 'static) {
        pd.stop();
        run_in_background("release", move || {
            pd.kill();
            tracing::info!(target: "emu::services", process = %pd.key, name = pd.name, "process released");
            then();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sessions_are_left_for_the_next_client_or_it_is_said() {
        // qcs6490's ADSP with 5 sessions: two clients fit, a third does not
        assert!(!are_scarce(1, 5));
        assert!(are_scarce(2, 5));
        assert!(are_scarce(1, 3) && !are_scarce(6, 14) && are_scarce(7, 14));
        assert!(!are_scarce(64, 0), "unknown");
        assert!(are_scarce(usize::MAX, 14));
    }
}
