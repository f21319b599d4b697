//! A protection domain as the services see it: one session of the driver with its DSP process, its tunnel and its handles.
//!
//! Sessions are told apart by session ID *and* client ID: older kernels give all sessions of a program the same client ID
//! (docs/protocol.md#sessions). What a session may do follows from how it was made, never from the domain bits of a context.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rpmsg::iface::name;

use super::ap::TunnelAp;
use super::ap_module::ApModule;
use super::built_in::BuiltIn;
use super::config::DspConfig;
use super::dspqueue;
use super::farf::GuestLog;
use super::stats::{Counters, add, count};
use super::tunnel::Tunnel;
use crate::config::ProcessConfig;
use crate::error::OsError;
use crate::handle_numbers::HandleNumbers;
use crate::process::{self, Process};
use emu_core::mem::Bus;

/// Most handles of built-in modules that one session has open.
const MAX_MODULES: usize = 1024;
/// Most mappings that one session has.
const MAX_MAPPINGS: usize = 4096;

/// Names a session of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PdKey {
    /// Session ID: which context bank.
    pub sid: u32,
    /// Client ID that the driver chose.
    pub client: i32,
}

impl std::fmt::Display for PdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sid, self.client)
    }
}

/// How a session came to its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// INIT_ATTACH: a daemon's session with the DSP itself.
    Attached,
    /// INIT_CREATE: a process of its own.
    Created {
        /// Without the rights of signed code.
        unsigned: bool,
    },
    /// INIT_CREATE_STATIC: a process that the firmware brings along.
    Static,
}

/// A piece of the AP's memory that the driver mapped into the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapping {
    pub kind: MappingKind,
    pub len: u64,
}

/// What was mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MappingKind {
    /// A buffer, by its file descriptor on the AP.
    Buffer(i32),
    /// Heap of the process.
    Heap,
    /// Remote heap, which nothing here uses.
    RemoteHeap,
}

/// A session.
pub(super) struct Pd {
    pub key: PdKey,
    pub name: String,
    pub origin: Origin,
    pub process: Arc<Process>,
    pub tunnel: Arc<Tunnel>,
    pub log: Arc<GuestLog>,
    /// How long what runs at the end of the process may take.
    pub finish_wait: Duration,
    handles: Arc<HandleNumbers>,
    counters: Arc<Counters>,
    state: Mutex<State>,
    /// Held while the process is being killed; `true` afterwards.
    dead: Mutex<bool>,
}

/// What changes in a session's life.
#[derive(Default)]
pub(super) struct State {
    /// What runs at the end has run, or the session is released: nothing new starts.
    pub exiting: bool,
    /// `exit` was called: what runs at the end runs.
    pub finishing: bool,
    /// The crash was counted.
    pub crashed: bool,
    /// Modules of the DSP image that the session has open, by handle.
    pub modules: HashMap<u32, BuiltIn>,
    /// By the address that the driver was told.
    pub mappings: BTreeMap<u64, Mapping>,
    /// The AP polls for the ends of calls.
    pub poll: bool,
    /// Requests that were accepted without effect, and that the log has told of.
    pub accepted: HashSet<&'static str>,
    /// DMA handles whose maps the kernel may drop, that did not fit into the fdlist yet.
    pub drop_fds: Vec<i32>,
}

impl Pd {
    /// Makes the session's process. `initial` is the memory that the driver gave it.
    #[allow(clippy::too_many_arguments)]
    pub fn create(
        key: PdKey,
        stream: u16,
        name: String,
        origin: Origin,
        initial: Option<(u64, u32)>,
        config: &DspConfig,
        bus: &Arc<Bus>,
        counters: &Arc<Counters>,
        handles: &Arc<HandleNumbers>,
    ) -> Result<Arc<Self>, OsError> {
        let owner = format!("{name}@{key}");
        let tunnel = Tunnel::new(owner.clone(), Arc::clone(counters), config.listener_wait);
        let log = GuestLog::new(
            owner.clone(),
            config.farf,
            Arc::clone(&tunnel),
            Arc::clone(counters),
        );
        let ap = TunnelAp {
            tunnel: Arc::clone(&tunnel),
            log: Arc::clone(&log),
            counters: Arc::clone(counters),
            read: config.library_read.clone(),
            max_library: config.limits.library_file,
            farf: config.farf,
            owner: owner.clone(),
            apps_std: ApModule::new(name::APPS_STD),
            apps_mem: ApModule::new(name::APPS_MEM),
        };
        let process_config = ProcessConfig {
            initial,
            // The driver tells a process ID only on older kernels; it is as good as any there.
            ap_pid: key.client.unsigned_abs(),
            limits: config.limits.clone(),
            vtcm: config.vtcm,
            hvx_units: config.hvx_units,
            floats: config.floats,
            engine: config.engine,
            hardware_threads: config.hardware_threads,
            dsp_threads: config.dsp_threads,
            builtins: Some(Arc::clone(&config.builtins)),
            probe: config.probe.clone(),
            handles: Arc::clone(handles),
            ..ProcessConfig::new(owner, config.arch, stream, Arc::new(ap))
        };
        let process = Process::create(process_config, Arc::clone(bus))?;
        count(&counters.processes);
        Ok(Arc::new(Self {
            key,
            name,
            origin,
            process,
            tunnel,
            log,
            finish_wait: config.finish_wait,
            handles: Arc::clone(handles),
            counters: Arc::clone(counters),
            state: Mutex::default(),
            dead: Mutex::new(false),
        }))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a built-in module a handle; `None` when the session has too many.
    pub fn add_module(&self, module: BuiltIn) -> Option<u32> {
        let mut state = self.state();
        if state.exiting || state.modules.len() >= MAX_MODULES {
            return None;
        }
        loop {
            let handle = self.handles.next();
            if let Entry::Vacant(free) = state.modules.entry(handle) {
                free.insert(module);
                return Some(handle);
            }
        }
    }

    /// Remembers a mapping; `false` when there are too many, or one at that address.
    pub fn add_mapping(&self, va: u64, mapping: Mapping) -> bool {
        let mut state = self.state();
        if va == 0 || state.mappings.len() >= MAX_MAPPINGS || state.mappings.contains_key(&va) {
            return false;
        }
        state.mappings.insert(va, mapping);
        true
    }

    /// Nothing new starts, nothing stays parked. The process itself still lives.
    pub fn stop(&self) {
        self.state().exiting = true;
        self.tunnel.end();
        dspqueue::end(self);
    }

    /// Ends the process; returns when nothing of it runs any more and none of its memory is touched any more. All its calls are
    /// answered then. Whoever comes second waits for the first.
    pub fn kill(&self) {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        if !*dead {
            self.stop();
            self.note_crash();
            self.process.kill();
            add(&self.counters.packets, self.process.stats().packets);
            *dead = true;
        }
    }

    /// Packets executed that are not in the counters yet.
    pub fn live_packets(&self) -> u64 {
        // While it is being killed they are about to be counted.
        match self.dead.try_lock() {
            Ok(dead) if !*dead => self.process.stats().packets,
            _ => 0,
        }
    }

    /// Counts a crash, once.
    pub fn note_crash(&self) {
        if let process::State::Crashed(report) = self.process.state() {
            let mut state = self.state();
            if !std::mem::replace(&mut state.crashed, true) {
                self.counters.crashed(*report);
                tracing::warn!(target: "emu::services", process = %self.key, name = self.name, "the process crashed");
            }
        }
    }
}
