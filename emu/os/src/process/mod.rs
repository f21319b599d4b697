//! One DSP process (protection domain), as its users see it.
//!
//! A process is host threads that run the process's DSP threads, and an inbox. Every method may be called from any
//! thread; none blocks for longer than a lock, except [`Process::kill`], which waits until nothing runs any more.

mod crew;
mod events;
pub(crate) mod inbox;
mod run;
pub(crate) mod shared;
mod traps;

use std::fmt;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::call_times::CallTimes;
use crate::config::ProcessConfig;
use crate::crash::CrashReport;
use crate::error::OsError;
use crate::imports;
use crate::invocation::Invocation;
use crate::kernel::state::Kernel;
use crate::library_state::farf::Farf;
use crate::loader::uri::ModuleName;
use emu_core::mem::Bus;
use inbox::ProcessRequest;
use rpmsg::fastrpc::control::{MAP_FD_DELAYED, MAP_FD_NOMAP};
use shared::Shared;

pub use inbox::{CallDone, OpenDone, QueueDone, QueueRequest};
pub use shared::State;

/// The smallest stack of a thread that serves an AP thread.
const LEAST_STACK: u32 = 4096;

/// Counters of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets executed by all DSP threads so far.
    pub packets: u64,
    /// Calls of skeleton methods so far (open and close included).
    pub calls: u64,
    /// Bytes of AP buffers mapped right now.
    pub mapped: u64,
    /// Bytes of AP buffers mapped since creation.
    pub mapped_total: u64,
    /// Bytes of heap, stacks and libraries right now.
    pub memory: u64,
    /// DSP threads alive.
    pub threads: usize,
    /// Open handles.
    pub handles: usize,
    /// Loaded libraries.
    pub modules: usize,
}

/// A DSP process. Dropping it kills it.
pub struct Process {
    shared: Arc<Shared>,
    runner: Mutex<Option<JoinHandle<()>>>,
}

impl Process {
    /// Creates a process; its address space goes through `bus` with the configured stream.
    pub fn create(config: ProcessConfig, bus: Arc<Bus>) -> Result<Arc<Self>, OsError> {
        let builtins = config.builtins.clone().unwrap_or_else(imports::standard);
        let shared = Arc::new(Shared::new(config, builtins, bus)?);
        let kernel = Kernel::new(shared.clone())?;
        let watcher = Arc::downgrade(&shared);
        shared.config.clock.watch(Box::new(move || {
            let shared = watcher.upgrade();
            shared.inspect(|shared| shared.inbox.nudge()).is_some()
        }));
        let name: String = format!("dsp-{}", shared.config.name)
            .chars()
            .filter(|c| *c != '\0')
            .take(15)
            .collect();
        let runner = std::thread::Builder::new()
            .name(name)
            .spawn(move || run::run(kernel))
            .map_err(|e| OsError::Host(e.to_string()))?;
        Ok(Arc::new(Self {
            shared,
            runner: Mutex::new(Some(runner)),
        }))
    }

    /// Opens a module: reads and loads its library, calls its open method.
    pub fn open(&self, name: ModuleName, done: OpenDone) {
        if let Some(answer) = self.shared.inbox.open(done) {
            self.shared.inbox.send(ProcessRequest::Open(name, answer));
        }
    }

    /// Calls a method of an open module.
    pub fn invoke(&self, invocation: Invocation, done: CallDone) {
        if let Some(answer) = self.shared.inbox.call(done) {
            self.shared.inbox.send(ProcessRequest::Invoke(invocation, answer));
        }
    }

    /// Closes a module, after the calls that are under way in it.
    pub fn close(&self, handle: u32, done: CallDone) {
        if let Some(answer) = self.shared.inbox.call(done) {
            self.shared.inbox.send(ProcessRequest::Close(handle, answer));
        }
    }

    /// Asks for something with packet queues.
    pub fn queues(&self, request: QueueRequest, done: QueueDone) {
        if let Some(answer) = self.shared.inbox.queues(done) {
            self.shared.inbox.send(ProcessRequest::Queues(request, answer));
        }
    }

    /// Announces a dma-buf for skeletons to find by descriptor (FASTRPC_MAP); returns its DSP address, which names it
    /// until it is taken back. `vaddrin` and `flags` are the driver's; a flag decides whether it is mapped at once.
    pub fn map_fd(&self, fd: i32, iova: u64, len: u32, vaddrin: u64, flags: u32) -> Result<u32, OsError> {
        tracing::debug!(target: "emu::os", fd, iova, len, vaddrin, flags, "map_fd");
        let delayed = matches!(flags, MAP_FD_DELAYED | MAP_FD_NOMAP);
        self.shared.memory.announce_fd(fd, iova, len, delayed)
    }

    /// Takes the mapping at `va` back. A negative `fd` means whichever lies there; `len` is the driver's and not needed.
    pub fn unmap_fd(&self, fd: i32, va: u32, len: u64) -> Result<(), OsError> {
        tracing::debug!(target: "emu::os", fd, va, len, "unmap_fd");
        self.shared.memory.withdraw_fd(fd, va)?;
        // A queue may lie there.
        self.shared.inbox.send(ProcessRequest::QueueNews);
        Ok(())
    }

    /// Is the descriptor known to the process (mapped by the driver, carried by a call, or held by a skeleton)?
    pub fn knows_fd(&self, fd: i32) -> bool {
        self.shared.memory.fd(fd).is_some()
    }

    /// Adds memory to heap, stacks and libraries; returns the address that names it.
    pub fn add_memory(&self, iova: u64, len: u32) -> Result<u32, OsError> {
        self.shared.memory.add_region(iova, len)
    }

    /// Takes added memory back; refused while something lives in it.
    pub fn remove_memory(&self, va: u32, len: u32) -> Result<(), OsError> {
        self.shared.memory.remove_region(va, len)
    }

    /// An AP thread ended: the DSP thread that served it is not needed any more. Unknown ones are ignored.
    pub fn thread_exit(&self, tid: i32) {
        self.shared.inbox.send(ProcessRequest::ThreadExit(tid));
    }

    /// Priority (1 highest … 255 lowest) of the DSP threads that serve AP threads.
    pub fn set_priority(&self, priority: u8) {
        self.shared.inbox.send(ProcessRequest::Priority(priority.max(1)));
    }

    /// Which messages of `HAP_debug_runtime` the AP wants, as `HAP_setFARFRuntimeLoggingParams` says it from inside. The mask 0 for
    /// no files is what the AP's library sends when its program has asked for nothing: all pass then.
    pub fn set_farf(&self, mask: u32, files: Vec<String>) {
        let farf = Farf::of_ap(mask, files);
        self.shared.inbox.send(ProcessRequest::Farf(farf));
    }

    /// Bytes of the stacks of DSP threads that will serve AP threads, between 4 KiB and what the process may use at all.
    pub fn set_stack(&self, bytes: u32) {
        let most = u32::try_from(self.shared.config.limits.memory / 4).unwrap_or(u32::MAX);
        let bytes = bytes.clamp(LEAST_STACK, most.max(LEAST_STACK));
        self.shared.inbox.send(ProcessRequest::Stack(bytes));
    }

    /// The program on the AP has ended in order: runs what the process's libraries have to run before they go (exit
    /// functions, finalisers) and returns when that is done, when the process has ended, or after `wait`. The process
    /// lives on until it is [killed](Self::kill).
    pub fn finish(&self, wait: Duration) {
        let (done, is_done) = std::sync::mpsc::channel();
        self.shared.inbox.send(ProcessRequest::Finish(done));
        if is_done.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                target: "emu::os", process = self.shared.config.name, ?wait,
                "exit functions and finalisers take too long; the process ends without the rest"
            );
        }
    }

    /// Ends all threads, answers every call not yet answered, drops all mappings. Returns when nothing of the process
    /// touches memory any more. Helper threads that wait for the AP are not waited for; what they bring is dropped.
    pub fn kill(&self) {
        self.shared.kill();
        // An answer that kills its own process: its host threads end by themselves right after.
        if !run::works_for(&self.shared) {
            let runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(runner) = runner {
                let _ = runner.join();
                self.shared.memory.close();
            }
        }
        self.shared.released();
    }

    /// How the process is.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// What all threads are doing: registers, what they wait for (as `cause`), backtrace. Of a crashed process: its
    /// report. Empty if the process does not answer within `wait`, or is no more.
    pub fn threads(&self, wait: Duration) -> Vec<CrashReport> {
        match self.state() {
            State::Crashed(report) => vec![*report],
            State::Ended => Vec::new(),
            State::Running => {
                let (send, receive) = std::sync::mpsc::channel();
                self.shared.inbox.send(ProcessRequest::Threads(send));
                receive.recv_timeout(wait).unwrap_or_default()
            }
        }
    }

    /// What its calls cost.
    pub(crate) fn call_times(&self) -> &CallTimes {
        &self.shared.times
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let (packets, calls, [threads, handles, modules]) = self.shared.counters.read();
        let (memory, mapped, mapped_total) = self.shared.memory.usage();
        Stats {
            packets,
            calls,
            mapped,
            mapped_total,
            memory,
            threads,
            handles,
            modules,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.shared.config.name)
            .finish_non_exhaustive()
    }
}
