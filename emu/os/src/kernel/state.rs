//! The parts of one process, held together.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::asking::Asking;
use super::continuation::{Continuations, Frame, Then};
use super::growth::Growth;
use crate::builtins::Builtins;
use crate::calls::handles::Handles;
use crate::calls::job::Job;
use crate::calls::loading::Loading;
use crate::calls::workers::Workers;
use crate::clock::{LONGEST, Time};
use crate::crash::CrashReport;
use crate::error::OsError;
use crate::library_state::LibraryState;
use crate::library_state::errnos::Errnos;
use crate::loader::modules::Modules;
use crate::loader::thread_storage::NoStorage;
use crate::memory::heap::Heap;
use crate::objects::{Kind, Objects};
use crate::process::shared::Shared;
use crate::sched::{DspThread, Scheduler, ThreadId, Wait};
use emu_core::Ctl;
use emu_core::mem::{AddressSpace, MapError};

/// Everything that the threads of a process work on. Whoever has it has the process's lock; no DSP thread runs under it.
pub struct Kernel {
    /// What others see of the process.
    pub shared: Arc<Shared>,
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// What it has from the DSP itself.
    pub builtins: Arc<Builtins>,
    /// Its threads.
    pub sched: Scheduler,
    /// What goes on when guest functions return.
    pub continuations: Continuations,
    /// What threads wait for each other with.
    pub objects: Objects,
    /// Its libraries.
    pub modules: Modules,
    /// `malloc`'s tables.
    pub heap: Heap,
    /// Memory from the AP.
    pub growth: Growth,
    /// Questions about files of the AP.
    pub asking: Asking,
    /// The threads that serve the AP.
    pub workers: Workers,
    /// What the AP has open.
    pub handles: Handles,
    /// The loader lock.
    pub loading: Loading,
    /// What imported functions keep.
    pub lib: LibraryState,
    /// Who wants to know what the threads are doing.
    pub asked: Vec<Sender<Vec<CrashReport>>>,
}

impl Kernel {
    /// An empty process: stubs mapped, no thread, no library.
    pub fn new(shared: Arc<Shared>) -> Result<Self, OsError> {
        let space = shared.memory.space.clone();
        let builtins = shared.builtins.clone();
        let host = |e: MapError| OsError::Host(e.to_string());
        builtins.map(&space).map_err(host)?;
        let errnos = Errnos::new(shared.config.limits.threads, &space).map_err(host)?;
        Ok(Self {
            sched: Scheduler::new(shared.config.hardware_threads),
            continuations: Continuations::default(),
            objects: Objects::new(shared.config.limits.sync_objects),
            modules: Modules::new(builtins.clone()),
            heap: Heap::default(),
            growth: Growth::default(),
            asking: Asking::default(),
            workers: Workers::default(),
            handles: Handles::new(shared.config.handles.clone()),
            loading: Loading::default(),
            lib: LibraryState::new(shared.config.vtcm, errnos),
            asked: Vec::new(),
            builtins,
            space,
            shared,
        })
    }

    /// The time that the process lives by.
    pub fn now(&self) -> Time {
        self.shared.config.clock.now()
    }

    /// When so much time is over.
    pub fn after(&self, lasts: Duration) -> Time {
        self.now() + lasts.min(LONGEST)
    }

    /// Ends a parked thread's wait: the function it called returns `result`.
    pub fn wake(&mut self, id: ThreadId, result: u32) {
        self.sched.wake(id, result);
    }

    /// What a thread waits for.
    pub fn waits_for(&self, id: ThreadId) -> Option<Wait> {
        self.sched.waits_for(id)
    }

    /// Ends the waits whose time has come.
    pub fn expire_waits(&mut self) {
        if self.sched.next_deadline().is_none() {
            return;
        }
        let now = self.now();
        while let Some((id, wait, result)) = self.sched.take_expired(now) {
            self.leave_queue(id, wait);
            match wait {
                // Who waited on a condition variable has the mutex when it goes on, whatever ended its wait.
                Wait::Condition { mutex, .. } => self.lock_again(id, mutex, result),
                _ => self.sched.wake(id, result),
            }
        }
    }

    /// Ends a parked thread's wait, whatever it waits for, and has it go on at `pc`. One that waits on a condition variable has the
    /// mutex first.
    pub fn break_wait(&mut self, id: ThreadId, wait: Wait, pc: u32) {
        self.leave_queue(id, wait);
        if let Wait::Join { thread, .. } = wait
            && let Some(joined) = self.lib.posix.live.get_mut(&thread)
        {
            joined.joined = false;
        }
        self.sched.redirect(id, pc);
        match wait {
            Wait::Condition { mutex, .. } => self.lock_again(id, mutex, 0),
            _ => self.sched.wake(id, 0),
        }
    }

    /// Takes a thread off the object it waits for.
    fn leave_queue(&mut self, id: ThreadId, wait: Wait) {
        let (kind, at) = match wait {
            Wait::Mutex(at) => (Kind::Mutex, at),
            Wait::Barrier(at) => (Kind::Barrier, at),
            Wait::Signal { at, .. } => (Kind::Signal, at),
            Wait::Semaphore(at) => (Kind::Semaphore, at),
            Wait::Condition { at, .. } => (Kind::Condition, at),
            Wait::Futex(at) => (Kind::Futex, at),
            Wait::Queue(_) => {
                let now = self.now();
                return self.lib.queues.gave_up(&self.space, id, now);
            }
            Wait::ReadWrite { at, .. } => (Kind::ReadWrite, at),
            Wait::Once(at) => (Kind::Once, at),
            _ => return,
        };
        // A thread that waits on an object keeps it in the table.
        let _ = self.objects.with(kind, at, |o| o.waiters().remove(id));
        if kind == Kind::Mutex {
            self.lib
                .inherited
                .take_back(at, &mut self.objects, &mut self.sched);
        }
    }

    /// Gives a thread that is about to begin its thread pointer, with what libraries have there.
    pub fn give_storage(&mut self, thread: &mut DspThread) -> Result<(), NoStorage> {
        let pointer = self.modules.thread_starts(thread.id, &self.shared.memory)?;
        thread.core.regs.c[Ctl::Ugp] = pointer;
        Ok(())
    }

    /// Has a thread go on in a guest function; `then` gets its result.
    pub fn enter(&mut self, thread: &mut DspThread, pc: u32, args: &[u32], then: Then) -> Result<(), String> {
        let regs = &mut thread.core.regs;
        let frame = Frame {
            pc: regs.pc,
            saved: [regs.r[29], regs.r[30], regs.r[31]],
            then,
        };
        if self.continuations.push(thread.id, frame).is_err() {
            return Err("calls between the program and the DSP's OS nest too deep".into());
        }
        for (n, &v) in args.iter().enumerate().take(6) {
            regs.r[n] = v;
        }
        regs.r[29] &= !7;
        regs.r[31] = self.builtins.process_return();
        regs.pc = pc;
        Ok(())
    }

    /// Gives a worker something to do: that of the AP thread `tid`, or one for any open or close.
    pub fn submit(&mut self, tid: Option<i32>, job: Job) {
        let (sched, shared) = (&mut self.sched, &self.shared);
        self.workers
            .submit(tid, job, sched, shared, &mut self.growth, &mut self.modules);
    }

    /// Keeps the public counters of threads, libraries and handles.
    pub fn count(&self) {
        let counters = &self.shared.counters;
        counters.set_threads(self.sched.len());
        counters.set_loaded(self.modules.count(), self.handles.len());
    }
}
