//! What a process's host threads and its users share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inbox::Inbox;
use crate::builtins::Builtins;
use crate::call_times::CallTimes;
use crate::config::ProcessConfig;
use crate::crash::CrashReport;
use crate::error::OsError;
use crate::memory::ProcessMemory;
use emu_core::Thread;
use emu_core::mem::{AddressSpace, Bus};

/// How a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It takes calls.
    Running,
    /// A DSP thread crashed; every call is answered with [`GONE`](rpmsg::Aee::GONE) until the process is released.
    Crashed(Box<CrashReport>),
    /// It was killed, or its program ended.
    Ended,
}

/// Counters that are kept while a process runs.
#[derive(Debug, Default)]
pub struct Counters {
    packets: AtomicU64,
    calls: AtomicU64,
    threads: AtomicUsize,
    handles: AtomicUsize,
    modules: AtomicUsize,
}

impl Counters {
    /// Packets were executed.
    pub fn add_packets(&self, packets: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
    }

    /// A method of a skeleton is called.
    pub fn add_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// So many threads are alive.
    pub fn set_threads(&self, threads: usize) {
        self.threads.store(threads, Ordering::Relaxed);
    }

    /// So many libraries are loaded and so many handles open.
    pub fn set_loaded(&self, modules: usize, handles: usize) {
        self.modules.store(modules, Ordering::Relaxed);
        self.handles.store(handles, Ordering::Relaxed);
    }

    /// Packets and calls so far; threads, handles and libraries now.
    pub fn read(&self) -> (u64, u64, [usize; 3]) {
        let now = [&self.threads, &self.handles, &self.modules].map(|n| n.load(Ordering::Relaxed));
        let sums = [&self.packets, &self.calls].map(|n| n.load(Ordering::Relaxed));
        (sums[0], sums[1], now)
    }
}

/// What the process's host threads, their helpers and the process's users share.
pub struct Shared {
    /// What the process was made with.
    pub config: ProcessConfig,
    /// What it has from the DSP itself.
    pub builtins: Arc<Builtins>,
    /// Its memory.
    pub memory: ProcessMemory,
    /// What it is asked.
    pub inbox: Inbox,
    /// Its counters.
    pub counters: Counters,
    /// What its calls cost, as far as somebody asked.
    pub times: CallTimes,
    killed: AtomicBool,
    state: Mutex<State>,
}

impl Shared {
    /// A process's shared part, with its initial memory in the pool.
    pub fn new(config: ProcessConfig, builtins: Arc<Builtins>, bus: Arc<Bus>) -> Result<Self, OsError> {
        let space = Arc::new(AddressSpace::new(bus, config.stream));
        let memory = ProcessMemory::new(space, config.limits.clone(), config.initial.is_none());
        if let Some((iova, len)) = config.initial {
            memory.add_region(iova, len)?;
        }
        Ok(Self {
            memory,
            builtins,
            inbox: Inbox::new(config.limits.pending),
            counters: Counters::default(),
            times: CallTimes::default(),
            killed: AtomicBool::new(false),
            state: Mutex::new(State::Running),
            config,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the process is.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// The process ended by itself; the first word counts.
    pub fn ended(&self, state: State) {
        let mut now = self.lock();
        if *now == State::Running {
            *now = state;
        }
    }

    /// The process was released: it does not matter any more how it ended.
    pub fn released(&self) {
        *self.lock() = State::Ended;
    }

    /// It is to end as soon as it can.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.inbox.nudge();
    }

    /// Is it to end?
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Registers for a new thread; all threads share one clock.
    pub fn new_core(&self, pc: u32) -> Thread {
        let mut core = Thread::new(self.config.arch, pc);
        core.time = self.config.clock.registers();
        core.regs.hmx.permit = self.config.matrix_permit();
        core
    }
}
