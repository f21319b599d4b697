//! The sessions that have a process, and what all services share.

use std::collections::HashMap;
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
