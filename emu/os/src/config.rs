//! What a DSP process is made with, and what it may use at most.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use emu_core::{Engine, VectorFloats};
use hexagon_isa::Arch;
use hexagon_isa::state::hmx::Permit;

use crate::ap::Ap;
use crate::builtins::Builtins;
use crate::clock::{Clock, HostClock};
use crate::handle_numbers::HandleNumbers;
use crate::memory::layout::{VTCM, VTCM_PAGE};
use crate::probe::Probe;

/// Threads that a core runs at once, unless its profile says otherwise.
pub const HARDWARE_THREADS: u16 = 6;

/// Everything that is fixed when a process is created.
#[derive(Clone)]
pub struct ProcessConfig {
    /// Name for logs, e.g. the AP program's name.
    pub name: String,
    /// Architecture version of the core; libraries built for a newer one are refused.
    pub arch: Arch,
    /// Stream ID of the session's context bank: all device addresses of the process go through it.
    pub stream: u16,
    /// Initial memory from the driver: device address (session bits stripped) and length in bytes. `None` for processes
    /// that get none (attach, `vhost-hexagon invoke`): then heap, stacks and libraries live in memory of the emulator.
    pub initial: Option<(u64, u32)>,
    /// What the process asks of the application processor.
    pub ap: Arc<dyn Ap>,
    /// The AP's process id, which `HAP_get_userpd_params` answers; 0 if unknown.
    pub ap_pid: u32,
    /// Bounds on everything a guest could make grow.
    pub limits: Limits,
    /// Vector TCM that `compute_resource_*` hands out, in bytes (a multiple of 1 MiB; 0 = the DSP has none).
    pub vtcm: u32,
    /// What processes have from the DSP itself; `None`: everything that the emulator can do.
    pub builtins: Option<Arc<Builtins>>,
    /// 128-byte HVX contexts that `qurt_hvx_get_units` reports (0 = the DSP has none).
    pub hvx_units: u32,
    /// Floating point of the vector unit.
    pub floats: VectorFloats,
    /// What executes its code.
    pub engine: Engine,
    /// Threads that the core runs at once, as programs are told (`qurt_sysenv_get_max_hw_threads`).
    pub hardware_threads: u16,
    /// Host threads that run the process's DSP threads, at most; `None`: as many as the core has hardware threads, if the
    /// host has as many cores. One: DSP threads run one after the other, the same way each time the same things arrive.
    pub dsp_threads: Option<NonZeroUsize>,
    /// Where handles of opened modules come from: one for all processes of a DSP.
    pub handles: Arc<HandleNumbers>,
    /// Where the process has its time from.
    pub clock: Arc<dyn Clock>,
    /// Told when threads run calls.
    pub probe: Option<Arc<dyn Probe>>,
}

impl ProcessConfig {
    /// A configuration with default limits, 8 MiB of VTCM, four HVX contexts, no initial memory and
    /// the host's clock.
    pub fn new(name: impl Into<String>, arch: Arch, stream: u16, ap: Arc<dyn Ap>) -> Self {
        Self {
            name: name.into(),
            arch,
            stream,
            initial: None,
            ap,
            ap_pid: 0,
            limits: Limits::default(),
            vtcm: 8 << 20,
            builtins: None,
            hvx_units: 4,
            floats: VectorFloats::default(),
            engine: Engine::default(),
            hardware_threads: HARDWARE_THREADS,
            dsp_threads: None,
            handles: Arc::default(),
            clock: Arc::new(HostClock::new()),
            probe: None,
        }
    }
}

impl ProcessConfig {
    /// Is what this part would not do an exception (`--strict-silicon`), also where it does no harm here?
    pub fn is_strict(&self) -> bool {
        self.floats.strict
    }

    /// Are instructions on vectors an exception in a thread that holds no vector context, although the DSP has some?
    pub fn wants_vectors_locked(&self) -> bool {
        self.is_strict() && self.hvx_units > 0
    }

    /// Where VTCM lies, in whole pages of those that it is handed out in: address and bytes.
    pub fn vtcm_place(&self) -> (u32, u32) {
        (VTCM, self.vtcm / VTCM_PAGE * VTCM_PAGE)
    }

    /// What a new thread may do with the matrix unit: nothing before it has locked it, and only in VTCM, as far as that is strict.
    pub fn matrix_permit(&self) -> Permit {
        let strict = self.is_strict();
        let (at, len) = self.vtcm_place();
        let memory = match (strict, len.checked_sub(1)) {
            (false, _) => (0, u32::MAX),
            (true, Some(last)) => (at, at.saturating_add(last)),
            // There is none.
            (true, None) => (u32::MAX, 0),
        };
        Permit {
            locked: false,
            strict,
            memory,
        }
    }

    /// How many host threads may run the process's DSP threads at once; at least one.
    pub fn host_threads(&self) -> usize {
        let hardware = usize::from(self.hardware_threads.max(1));
        let asked = self
            .dsp_threads
            .or_else(|| std::thread::available_parallelism().ok());
        asked.map_or(1, |threads| threads.get().min(hardware))
    }
}

impl fmt::Debug for ProcessConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessConfig")
            .field("name", &self.name)
            .field("stream", &self.stream)
            .field("initial", &self.initial)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What one process may use at most. A guest that reaches a limit gets an error, never the emulator's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// DSP threads alive at once, those that serve AP threads included.
    pub threads: usize,
    /// Open module handles.
    pub handles: usize,
    /// Loaded libraries.
    pub modules: usize,
    /// Calls (open, invoke, close) that have not been answered yet.
    pub pending: usize,
    /// Bytes of one library file.
    pub library_file: usize,
    /// Bytes of one library in memory (all segments, bss included).
    pub library_memory: u32,
    /// How deep `DT_NEEDED` may nest.
    pub needed_depth: usize,
    /// Bytes of heap, stacks and libraries together. They come from the guest's RAM when the driver gave the process
    /// initial memory, and no kernel refuses to give more, so this is what keeps a skeleton from taking a guest down.
    pub memory: u64,
    /// Heap blocks alive at once (bounds the allocator's own tables).
    pub heap_blocks: usize,
    /// Bytes of buffers of the AP that are mapped at once.
    pub mapped: u64,
    /// Mapped file descriptors.
    pub fds: usize,
    /// Synchronisation objects with waiters or state.
    pub sync_objects: usize,
    /// Stack of the DSP thread that serves an AP thread, in bytes.
    pub stack: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            threads: 1024,
            handles: 1024,
            modules: 64,
            pending: 16_384,
            library_file: 64 << 20,
            library_memory: 256 << 20,
            needed_depth: 16,
            memory: 256 << 20,
            heap_blocks: 1 << 20,
            mapped: 2 << 30,
            fds: 4096,
            sync_objects: 65_536,
            stack: 64 << 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::NoAp;

    #[test]
    fn no_more_host_threads_than_the_core_has_hardware_threads() {
        let mut config = ProcessConfig::new("p", Arch::V68, 1, Arc::new(NoAp::default()));
        let mut threads = |hardware, asked| {
            config.hardware_threads = hardware;
            config.dsp_threads = NonZeroUsize::new(asked);
            config.host_threads()
        };
        assert_eq!(threads(6, 8), 6);
        assert_eq!(threads(6, 2), 2);
        assert_eq!(threads(0, 2), 1);
        let host = std::thread::available_parallelism().unwrap().get();
        assert_eq!(threads(6, 0), host.min(6));
    }
}
