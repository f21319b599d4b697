//! A process without code, in which tests call imported functions directly.

use std::sync::Arc;

use super::call::{Call, Outcome, Stop};
use super::continuation::{Retry, Then};
use super::state::Kernel;
use crate::ap::{Ap, ApError, LogRecord};
use crate::builtins::Stub;
use crate::clock::ManualClock;
use crate::config::ProcessConfig;
use crate::imports;
use crate::process::shared::Shared;
use crate::sched::{DspThread, Role, RunState, ThreadId, Wait};
use emu_core::mem::Bus;
use emu_core::memory::Memory as _;

/// An AP that has nothing and keeps what is logged.
#[derive(Default)]
pub struct NoAp(pub std::sync::Mutex<Vec<LogRecord>>);

impl Ap for NoAp {
    fn read_library(&self, _: &str) -> Result<Vec<u8>, ApError> {
        Err(ApError::NotFound {
            errno: 2,
            searched: "here".into(),
        })
    }
    fn grow_heap(&self, _: u32) -> Result<(), ApError> {
        Err(ApError::NoListener)
    }
    fn log(&self, record: LogRecord) {
        self.0.lock().unwrap().push(record);
    }
}

/// The process, one thread of it, and scratch memory.
pub struct Guest {
    pub os: Kernel,
    pub thread: DspThread,
    pub ap: Arc<NoAp>,
    pub clock: Arc<ManualClock>,
}

impl Guest {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// A process that got this much memory from its driver and may ask for more.
    pub fn with_memory(bytes: u32) -> Self {
        Self::with(|config| config.initial = Some((RAM, bytes)))
    }

    /// A process that is made with another configuration.
    pub fn with(change: impl FnOnce(&mut ProcessConfig)) -> Self {
        let ap = Arc::new(NoAp::default());
        let mut config = ProcessConfig::new("test", hexagon_isa::Arch::V68, 1, ap.clone());
        let clock = ManualClock::new();
        config.clock = clock.clone();
        change(&mut config);
        let shared = Shared::new(config, imports::standard(), bus()).unwrap();
        let mut os = Kernel::new(Arc::new(shared)).unwrap();
        let low = os.shared.memory.allocate(0x1_0000, 16).unwrap();
        let mut core = os.shared.new_core(os.builtins.process_return() + 4);
        core.regs.r[29] = low + 0x8000;
        let id = os.sched.new_id();
        let thread = DspThread::new(id, "main".into(), Role::Skeleton, low..low + 0x1_0000, core);
        os.sched.add_ready(thread, 100);
        let thread = os.sched.pick().unwrap();
        Self {
            os,
            thread,
            ap,
            clock,
        }
    }

    /// The process alone, to be run: the test's own thread is no more.
    pub fn into_kernel(mut self) -> Kernel {
        self.os.sched.remove(self.thread.id);
        self.os
    }

    /// Puts bytes somewhere.
    pub fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = self.os.shared.memory.allocate(bytes.len() as u32, 16).unwrap();
        self.write(at, bytes);
        at
    }

    /// Puts a text somewhere as wide characters, with the one that ends it.
    pub fn wide(&mut self, text: &str) -> u32 {
        let characters = text.chars().chain(['\0']);
        let bytes: Vec<u8> = characters.flat_map(|ch| u32::from(ch).to_le_bytes()).collect();
        self.bytes(&bytes)
    }

    pub fn write(&mut self, at: u32, bytes: &[u8]) {
        self.os.space.store(at, bytes).unwrap();
    }

    pub fn read(&self, at: u32, len: u32) -> Vec<u8> {
        let mut out = vec![0; len as usize];
        self.os.space.load(at, &mut out).unwrap();
        out
    }

    pub fn word(&self, at: u32) -> u32 {
        self.os.space.load32(at).unwrap()
    }

    pub fn text(&self, at: u32) -> String {
        String::from_utf8(self.os.space.read_cstr(at, 4096).unwrap()).unwrap()
    }

    /// Calls an imported function with register arguments (more than six go on the stack).
    pub fn try_call(&mut self, name: &str, args: &[u32]) -> Result<Outcome, Stop> {
        let at = self
            .os
            .builtins
            .address(name.as_bytes())
            .unwrap_or_else(|| panic!("{name} is not there"));
        let Some(Stub::Function(number)) = self.os.builtins.stub(at) else {
            panic!("{name} is not a function")
        };
        self.thread.core.regs.pc = at + 4;
        for (n, &v) in args.iter().enumerate() {
            match n {
                0..6 => self.thread.core.regs.r[n] = v,
                _ => {
                    let sp = self.thread.core.regs.r[29];
                    self.os.space.store32(sp + 4 * (n as u32 - 6), v).unwrap();
                }
            }
        }
        let f = imports::function(number).unwrap();
        (f.handler)(&mut Call {
            os: &mut self.os,
            thread: &mut self.thread,
        })
    }

    /// Another thread calls a function and is parked by it.
    pub fn park(&mut self, id: ThreadId, priority: u8, name: &str, args: &[u32]) {
        let core = self.os.shared.new_core(0);
        let other = DspThread::new(id, format!("t{id}"), Role::Skeleton, 0..0, core);
        self.os.sched.add_parked(other, priority, Wait::Idle);
        let other = self.os.sched.take_parked(id).unwrap();
        let me = std::mem::replace(&mut self.thread, other);
        let Ok(Outcome::Park(wait, deadline)) = self.try_call(name, args) else {
            panic!("{name} did not wait")
        };
        let other = std::mem::replace(&mut self.thread, me);
        self.os.sched.park(other, wait, deadline);
    }

    /// Another thread, which runs.
    pub fn new_thread(&mut self, priority: u8) -> DspThread {
        let (id, core) = (self.os.sched.new_id(), self.os.shared.new_core(0));
        let thread = DspThread::new(id, format!("t{id}"), Role::Skeleton, 0..0, core);
        self.os.sched.add_parked(thread, priority, Wait::Idle);
        self.os.sched.take_parked(id).unwrap()
    }

    /// Can the thread run?
    pub fn is_ready(&self, id: ThreadId) -> bool {
        let thread = self.os.sched.get(id);
        thread.is_some_and(|(_, state)| state == RunState::Ready)
    }

    /// The AP has answered a thread that waits for memory.
    pub fn resume(&mut self, answered: Retry, given: bool) -> Result<Outcome, Stop> {
        let mut call = Call {
            os: &mut self.os,
            thread: &mut self.thread,
        };
        answered(&mut call, given)
    }

    /// A guest function that was called returns with this.
    pub fn go_on(&mut self, then: Then, result: u64) -> Result<Outcome, Stop> {
        let mut call = Call {
            os: &mut self.os,
            thread: &mut self.thread,
        };
        then(&mut call, result)
    }

    /// Calls a function that returns at once; gives r0.
    pub fn call(&mut self, name: &str, args: &[u32]) -> u32 {
        match self.try_call(name, args) {
            Ok(Outcome::Return) => self.thread.core.regs.r[0],
            Ok(_) => panic!("{name} did not return at once"),
            Err(stop) => panic!("{name}: {stop}"),
        }
    }

    /// Calls an imported function that returns at once, and gives r1:0.
    pub fn call64(&mut self, name: &str, args: &[u32]) -> u64 {
        let low = self.call(name, args);
        u64::from(low) | u64::from(self.thread.core.regs.r[1]) << 32
    }

    /// Puts variable arguments on the stack, as words.
    pub fn varargs(&mut self, words: &[u32]) {
        let sp = self.thread.core.regs.r[29];
        for (i, &w) in words.iter().enumerate() {
            self.os.space.store32(sp + 4 * i as u32, w).unwrap();
        }
    }
}

/// Where the bus has RAM.
const RAM: u64 = 0x4000_0000;

/// A bus with a little RAM and an SMMU that nobody programmed.
pub fn bus() -> Arc<Bus> {
    let ram = emu_core::mem::GuestRam::anonymous(1 << 20, RAM).unwrap();
    Arc::new(Bus::new(
        ram,
        RAM,
        iommu::Geometry::SMALL,
        Arc::new(emu_core::mem::NoFaultLine),
    ))
}
