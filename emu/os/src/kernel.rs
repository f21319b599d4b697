//! The process's own thread: schedules DSP threads, carries out what they trap for, takes what comes in.
//!
//! Strict priority as in QuRT (1 highest … 255 lowest), round-robin with a packet budget within one priority. A real DSP
//! has several hardware threads, so a thread of low priority gets on while one of high priority spins; here a thread that
//! says `pause`, or uses up many budgets in a row, lets the others have one turn.
//! Blocking functions park the DSP thread, never this host thread; what has to be asked of the AP runs on short-lived
//! host threads that post an event.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::backtrace;
use super::call::{Call, Done, Outcome, Stop};
use super::clock::Time;
use super::crash::{CrashReport, EMULATOR_FAILED, Registers};
use super::error::OsError;
use super::heap::Heap;
use super::imports::{Builtins, Stub};
use super::jobs::Jobs;
use super::library::State as LibState;
use super::modules::Modules;
use super::process::{Shared, State};
use super::sched::Ready;
use super::sync::{Kind, Objects};
use super::thread::{DspThread, Frame, Role, RunState, Then, ThreadId, Wait};
use emu_core::mem::AddressSpace;
use emu_core::{Cpu, Exit, Thread};

/// Packets a thread runs before the inbox and its equals are looked at.
const SLICE: u64 = 20_000;
/// Slices a thread may use up in a row before everybody else gets a turn.
const HOG: u32 = 50;
/// Calls from the emulator into the guest that may nest in one thread.
const MAX_FRAMES: usize = 64;
/// Threads that are described when somebody asks what a process is doing.
const MAX_DESCRIBED: usize = 32;

/// How a process's thread ends.
pub(super) enum End {
    /// It was told to.
    Killed,
    /// The program called `exit`.
    Exited(u32),
    /// It crashed.
    Crashed(Box<CrashReport>),
}

/// What a thread did last, for the loop that runs it.
enum Flow {
    /// It goes on.
    Continue,
    /// It goes on after others of its priority.
    Yield,
    /// It is parked.
    Parked,
    /// It is gone.
    Gone,
    /// The whole process ends.
    End(End),
}

/// Everything a process's thread owns. Imported functions work on it.
pub struct Kernel {
    pub(super) shared: Arc<Shared>,
    pub(super) space: Arc<AddressSpace>,
    pub(super) threads: BTreeMap<ThreadId, DspThread>,
    pub(super) objects: Objects,
    pub(super) builtins: Arc<Builtins>,
    pub(super) modules: Modules,
    pub(super) heap: Heap,
    pub(super) jobs: Jobs,
    pub(super) lib: LibState,
    /// Memory was asked of the AP and it has not answered; what it had given before.
    pub(super) growing: Option<u64>,
    /// What waits for that answer, besides parked threads.
    pub(super) starved: VecDeque<Starved>,
    cpu: Cpu,
    ready: Ready,
    /// Threads that gave way for one turn.
    gave_way: Vec<ThreadId>,
    timers: BTreeMap<(Time, u64), ThreadId>,
    next_timer: u64,
    next_thread: ThreadId,
}

/// Work of the process itself (not of a DSP thread) that goes on when the AP has answered.
pub(super) type Starved = Box<dyn FnOnce(&mut Kernel, bool) + Send>;

impl Kernel {
    /// An empty process: stubs mapped, no thread, no library.
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, OsError> {
        let space = shared.memory.space.clone();
        let builtins = shared.config.builtins.clone();
        builtins.map(&space).map_err(|e| OsError::Host(e.to_string()))?;
        Ok(Self {
            objects: Objects::new(shared.config.limits.sync_objects),
            lib: LibState::new(&shared.config),
            cpu: Cpu::new(shared.config.arch),
            jobs: Jobs::default(),
            modules: Modules::new(builtins.clone()),
            builtins,
            heap: Heap::default(),
            threads: BTreeMap::new(),
            growing: None,
            starved: VecDeque::new(),
            ready: Ready::default(),
            gave_way: Vec::new(),
            timers: BTreeMap::new(),
            next_timer: 0,
            next_thread: 1,
            space,
            shared,
        })
    }

    /// Runs until the process ends, then answers what is left and takes everything out of memory.
    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        let end = catch_unwind(AssertUnwindSafe(|| self.main_loop()));
        let state = match end {
            Ok(End::Killed) => State::Ended,
            Ok(End::Exited(status)) => {
                tracing::info!(target: "emu::os", process = shared.config.name, status, "process ended itself");
                State::Ended
            }
            Ok(End::Crashed(report)) => State::Crashed(report),
            // A bug of ours must not leave calls without an answer.
            Err(panic) => {
                let what = panic.downcast_ref::<String>().map(String::as_str);
                let what = what
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("no message");
                let report = CrashReport {
                    process: shared.config.name.clone(),
                    cause: format!("{EMULATOR_FAILED}: {what}"),
                    thread: 0,
                    thread_name: "none".into(),
                    registers: Registers::default(),
                    packet: String::new(),
                    backtrace: Vec::new(),
                };
                backtrace::publish(&report, &*shared.config.ap);
                State::Crashed(Box::new(report))
            }
        };
        shared.ended(state);
        shared.memory.close();
        // Answers run from here: nothing touches memory any more.
        drop(self);
        shared.inbox.close();
    }

    fn main_loop(&mut self) -> End {
        loop {
            if self.shared.is_killed() {
                return End::Killed;
            }
            for event in self.shared.inbox.drain() {
                if let Some(end) = self.handle_event(event) {
                    return end;
                }
            }
            if let Some(end) = self.start_jobs() {
                return end;
            }
            self.fire_timers();
            // What the guest unmapped meanwhile is gone from here on.
            self.space.bus().check_invalidations();
            let turn = self.ready.pop();
            for id in std::mem::take(&mut self.gave_way) {
                self.make_ready(id);
            }
            match turn {
                Some(id) => {
                    if let Some(end) = self.run_thread(id) {
                        return end;
                    }
                }
                None if self.ready.best().is_some() => {}
                None => {
                    let deadline = self.timers.first_key_value().map(|(&(at, _), _)| at);
                    let clock = &*self.shared.config.clock;
                    self.shared
                        .inbox
                        .wait(deadline, clock, || self.shared.is_killed());
                }
            }
        }
    }

    /// Runs one thread until its turn is over.
    fn run_thread(&mut self, id: ThreadId) -> Option<End> {
        let mut thread = self.threads.remove(&id)?;
        thread.state = RunState::Running;
        let mut slices = 0;
        let mut left = SLICE;
        let flow = loop {
            let before = thread.core.packets;
            let exit = self.cpu.run(&mut thread.core, &*self.space, left);
            let ran = thread.core.packets.wrapping_sub(before);
            self.shared.counters.packets.fetch_add(ran, Ordering::Relaxed);
            // Traps count too: a loop that only calls us must not keep the inbox waiting.
            left = left.saturating_sub(ran.max(1));
            let flow = match exit {
                Exit::Budget => {
                    left = 0;
                    Flow::Continue
                }
                Exit::Yield => Flow::Yield,
                Exit::Trap0 { imm } => self.trap(&mut thread, imm),
                Exit::Trap1 { imm } => {
                    self.crash(&mut thread, format!("trap1(#{imm}): no virtual machine is there"))
                }
                Exit::Exception(e) => self.crash(&mut thread, e.to_string()),
            };
            match flow {
                Flow::Continue if self.ready.best().is_some_and(|best| best < thread.priority) => {
                    let key = self.ready.push_front(thread.priority, id);
                    thread.state = RunState::Ready(key);
                    self.threads.insert(id, thread);
                    return None;
                }
                Flow::Continue if left > 0 => {}
                Flow::Continue => {
                    slices += 1;
                    self.space.bus().check_invalidations();
                    let alone = self.ready.best().is_none_or(|best| best > thread.priority);
                    if !alone || self.gets_attention() {
                        break Flow::Continue;
                    }
                    if slices >= HOG && self.ready.best().is_some() {
                        break Flow::Yield;
                    }
                    left = SLICE;
                }
                other => break other,
            }
        };
        match flow {
            Flow::Continue => {
                let key = self.ready.push_back(thread.priority, id);
                thread.state = RunState::Ready(key);
                self.threads.insert(id, thread);
            }
            Flow::Yield => {
                thread.state = RunState::Parked(Wait::Sleep);
                self.threads.insert(id, thread);
                self.gave_way.push(id);
            }
            Flow::Parked => {
                self.threads.insert(id, thread);
            }
            Flow::Gone => {}
            Flow::End(end) => {
                // Kept, so that its calls are answered when nothing is in memory any more.
                self.threads.insert(id, thread);
                return Some(end);
            }
        }
        None
    }

    /// Is there something that a running thread must be interrupted for?
    fn gets_attention(&self) -> bool {
        self.shared.is_killed()
            || !self.shared.inbox.is_empty()
            || self
                .timers
                .first_key_value()
                .is_some_and(|(&(at, _), _)| at <= self.now())
    }

    /// A trap: an imported function, the return of a guest function that we called, or a mistake.
    fn trap(&mut self, thread: &mut DspThread, imm: u32) -> Flow {
        let at = thread.core.regs.pc.wrapping_sub(4);
        match self.builtins.stub(at) {
            Some(Stub::Function(f)) => {
                tracing::trace!(target: "emu::os::call", thread = thread.id, function = f.name);
                let done = (f.handler)(&mut Call { os: self, thread });
                self.step(thread, done, at)
            }
            Some(Stub::Return) => {
                let Some(frame) = thread.frames.pop() else {
                    return self.crash(thread, "a return to the DSP's OS without a call from it".into());
                };
                let regs = &mut thread.core.regs;
                let result = u64::from(regs.r[0]) | u64::from(regs.r[1]) << 32;
                regs.pc = frame.pc;
                for (n, v) in (29..).zip(frame.saved) {
                    regs.r[n] = v;
                }
                let done = (frame.then)(&mut Call { os: self, thread }, result);
                self.step(thread, done, frame.pc)
            }
            None => {
                thread.core.regs.pc = at;
                self.crash(thread, format!("trap0(#{imm}): the program stopped itself"))
            }
        }
    }

    /// Carries out what an imported function (whose stub is at `at`) wants.
    fn step(&mut self, thread: &mut DspThread, done: Done, at: u32) -> Flow {
        match done {
            Ok(Outcome::Return) if thread.frames.is_empty() && matches!(thread.role, Role::Worker(_)) => {
                thread.state = RunState::Parked(Wait::Idle);
                self.jobs.worker_free(thread.id);
                Flow::Parked
            }
            Ok(Outcome::Return) => Flow::Continue,
            Ok(Outcome::Yield) => Flow::Yield,
            Ok(Outcome::Park(wait, deadline)) => {
                thread.state = RunState::Parked(wait);
                if let Some((when, result)) = deadline {
                    self.set_deadline(thread, when, result);
                }
                Flow::Parked
            }
            Ok(Outcome::Enter(pc, args, then)) => match self.enter(thread, pc, &args, then) {
                Ok(()) => Flow::Continue,
                Err(why) => self.crash(thread, why),
            },
            Ok(Outcome::Grow(bytes, retry)) => {
                thread.retry = Some(retry);
                thread.state = RunState::Parked(Wait::Memory);
                self.ask_for_memory(bytes);
                Flow::Parked
            }
            Ok(Outcome::Exit(_)) if matches!(thread.role, Role::Worker(_)) => {
                self.crash(thread, "a thread that serves the AP ended itself".into())
            }
            Ok(Outcome::Exit(status)) => {
                self.thread_ended(thread, status);
                Flow::Gone
            }
            Ok(Outcome::EndProcess(status)) => Flow::End(End::Exited(status)),
            Err(stop) => {
                // Reported as if the stub itself had faulted; the backtrace starts there.
                if at != 0 {
                    thread.core.regs.pc = at;
                }
                let why = match (self.builtins.name_at(at), &stop) {
                    (Some(name), Stop::Fault(fault)) => format!("in {name}: {fault}"),
                    _ => stop.to_string(),
                };
                self.crash(thread, why)
            }
        }
    }

    /// Calls a guest function on a thread; `then` gets its result.
    pub(super) fn enter(
        &mut self,
        thread: &mut DspThread,
        pc: u32,
        args: &[u32],
        then: Then,
    ) -> Result<(), String> {
        if thread.frames.len() >= MAX_FRAMES {
            return Err("calls between the program and the DSP's OS nest too deep".into());
        }
        let regs = &mut thread.core.regs;
        let frame = Frame {
            pc: regs.pc,
            saved: [regs.r[29], regs.r[30], regs.r[31]],
            then,
        };
        for (n, &v) in args.iter().enumerate().take(6) {
            regs.r[n] = v;
        }
        regs.r[29] &= !7;
        regs.r[31] = self.builtins.process_return();
        regs.pc = pc;
        thread.frames.push(frame);
        Ok(())
    }

    /// Runs something as if `thread` (parked) had called it, and lets the thread go on accordingly.
    pub(super) fn as_thread(&mut self, id: ThreadId, f: impl FnOnce(&mut Call<'_>) -> Done) -> Option<End> {
        let mut thread = self.threads.remove(&id)?;
        thread.state = RunState::Running;
        let at = thread.core.regs.pc.wrapping_sub(4);
        let done = f(&mut Call {
            os: self,
            thread: &mut thread,
        });
        let flow = self.step(&mut thread, done, at);
        match flow {
            Flow::Continue | Flow::Yield => {
                let key = self.ready.push_back(thread.priority, id);
                thread.state = RunState::Ready(key);
                self.threads.insert(id, thread);
            }
            Flow::Parked => {
                self.threads.insert(id, thread);
            }
            Flow::Gone => {}
            Flow::End(end) => {
                // Kept, so that its calls are answered when nothing is in memory any more.
                self.threads.insert(id, thread);
                return Some(end);
            }
        }
        None
    }

    /// Ends the process because of `thread`, whose pc is at what failed.
    fn crash(&mut self, thread: &mut DspThread, cause: String) -> Flow {
        let report = backtrace::report(&self.shared.config, cause, thread, &self.space, &self.modules);
        backtrace::publish(&report, &*self.shared.config.ap);
        Flow::End(End::Crashed(Box::new(report)))
    }

    /// What the threads are doing, as reports of crashes that are none.
    pub(super) fn describe_threads(&self) -> Vec<CrashReport> {
        let threads = self.threads.values().take(MAX_DESCRIBED);
        threads
            .map(|thread| {
                let doing = match thread.state {
                    RunState::Ready(_) | RunState::Running => "running".into(),
                    RunState::Parked(wait) => wait.to_string(),
                };
                backtrace::report(&self.shared.config, doing, thread, &self.space, &self.modules)
            })
            .collect()
    }

    /// An id for a new thread.
    pub(super) fn new_thread_id(&mut self) -> ThreadId {
        loop {
            let id = self.next_thread;
            self.next_thread = self.next_thread.wrapping_add(1).max(1);
            if !self.threads.contains_key(&id) {
                return id;
            }
        }
    }

    /// Registers for a new thread; all threads share one clock.
    pub(super) fn new_core(&self, pc: u32) -> Thread {
        let mut core = Thread::new(pc);
        core.time = self.shared.config.clock.registers();
        core
    }

    /// Adds a thread that can run.
    pub(super) fn add_ready(&mut self, mut thread: DspThread) {
        let key = self.ready.push_back(thread.priority, thread.id);
        thread.state = RunState::Ready(key);
        self.threads.insert(thread.id, thread);
        self.count_threads();
    }

    /// Keeps the public counter.
    pub(super) fn count_threads(&self) {
        self.shared
            .counters
            .threads
            .store(self.threads.len(), Ordering::Relaxed);
    }

    /// Lets a parked thread run, with the registers that it has.
    fn make_ready(&mut self, id: ThreadId) {
        if let Some(thread) = self.threads.get_mut(&id)
            && matches!(thread.state, RunState::Parked(_))
        {
            let key = self.ready.push_back(thread.priority, id);
            thread.state = RunState::Ready(key);
            if let Some((at, seq, _)) = thread.deadline.take() {
                self.timers.remove(&(at, seq));
            }
        }
    }

    /// Ends a parked thread's wait: the function it called returns `result`.
    pub(super) fn wake(&mut self, id: ThreadId, result: u32) {
        if let Some(thread) = self.threads.get_mut(&id)
            && matches!(thread.state, RunState::Parked(_))
        {
            thread.core.regs.r[0] = result;
            self.make_ready(id);
        }
    }

    /// What a thread waits for.
    pub(super) fn waits_for(&self, id: ThreadId) -> Option<Wait> {
        match self.threads.get(&id)?.state {
            RunState::Parked(wait) => Some(wait),
            _ => None,
        }
    }

    fn set_deadline(&mut self, thread: &mut DspThread, at: Time, result: u32) {
        self.next_timer += 1;
        thread.deadline = Some((at, self.next_timer, result));
        self.timers.insert((at, self.next_timer), thread.id);
    }

    fn fire_timers(&mut self) {
        let now = self.now();
        while let Some((&(at, seq), &id)) = self.timers.first_key_value() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, seq));
            let Some(thread) = self.threads.get_mut(&id) else {
                continue;
            };
            let Some((_, _, result)) = thread.deadline.take() else {
                continue;
            };
            if let RunState::Parked(wait) = thread.state {
                self.stop_waiting(id, wait);
            }
            self.wake(id, result);
        }
    }

    /// Takes a thread off the object it waits for.
    fn stop_waiting(&mut self, id: ThreadId, wait: Wait) {
        let (kind, at) = match wait {
            Wait::Mutex(at) => (Kind::Mutex, at),
            Wait::Barrier(at) => (Kind::Barrier, at),
            Wait::Signal { at, .. } => (Kind::Signal, at),
            Wait::Semaphore(at) => (Kind::Semaphore, at),
            Wait::Condition { at, .. } => (Kind::Condition, at),
            Wait::Futex(at) => (Kind::Futex, at),
            _ => return,
        };
        let _ = self.objects.with(kind, at, |o| o.waiters().remove(id));
    }

    /// Changes a thread's priority (not of the running one: that one is its caller's to change).
    pub(super) fn set_priority(&mut self, id: ThreadId, priority: u8) -> bool {
        let Some(thread) = self.threads.get_mut(&id) else {
            return false;
        };
        if let RunState::Ready(key) = thread.state {
            self.ready.remove(thread.priority, key);
            thread.state = RunState::Ready(self.ready.push_back(priority, id));
        }
        thread.priority = priority;
        true
    }

    /// A thread of the skeleton's ended: who joined it goes on.
    fn thread_ended(&mut self, thread: &mut DspThread, status: u32) {
        let id = thread.id;
        let joiners: Vec<(ThreadId, u32)> = self
            .threads
            .values()
            .filter_map(|t| match t.state {
                RunState::Parked(Wait::Join { thread, status }) if thread == id => Some((t.id, status)),
                _ => None,
            })
            .collect();
        for (joiner, at) in joiners {
            if at != 0 {
                // A bad pointer is the joiner's own loss; it was checked when it joined.
                let _ = emu_core::memory::Memory::store32(&*self.space, at, status);
            }
            self.wake(joiner, 0);
        }
        if let Some(stack) = thread.own_stack {
            self.shared.memory.release(stack);
        }
        self.count_threads();
    }

    /// Asks the AP for memory, unless that is under way. Everybody who waits for it tries again afterwards.
    pub(super) fn ask_for_memory(&mut self, missing: u32) {
        if self.growing.is_some() {
            return;
        }
        self.growing = Some(self.shared.memory.given());
        let bytes = missing.max(self.lib.grow_min).min(self.lib.grow_max.max(missing));
        let bytes = bytes.checked_next_multiple_of(0x1_0000).unwrap_or(missing);
        let ap = self.shared.config.ap.clone();
        let shared = Arc::downgrade(&self.shared);
        tracing::debug!(target: "emu::os", bytes, "asking the AP for memory");
        let helper = std::thread::Builder::new()
            .name("dsp-grow".into())
            .spawn(move || {
                let given = ap.grow_heap(bytes).inspect_err(|error| {
                    tracing::warn!(target: "emu::os", bytes, %error, "the AP gave no memory");
                });
                if let Some(shared) = shared.upgrade() {
                    shared.inbox.send(super::inbox::Event::Grown(given.is_ok()));
                }
            });
        if helper.is_err() {
            self.shared.inbox.send(super::inbox::Event::Grown(false));
        }
    }

    /// The AP has answered: everybody who waited tries again.
    pub(super) fn memory_answered(&mut self, given: bool) -> Option<End> {
        // An AP that says yes and gives nothing must not be asked for ever.
        let before = self.growing.take().unwrap_or(u64::MAX);
        let given = given && self.shared.memory.given() > before;
        for work in std::mem::take(&mut self.starved) {
            work(self, given);
        }
        let waiting: Vec<ThreadId> = self
            .threads
            .values()
            .filter(|t| t.state == RunState::Parked(Wait::Memory))
            .map(|t| t.id)
            .collect();
        for id in waiting {
            let Some(retry) = self.threads.get_mut(&id).and_then(|t| t.retry.take()) else {
                continue;
            };
            if let Some(end) = self.as_thread(id, |call| retry(call, given)) {
                return Some(end);
            }
        }
        None
    }

    /// The time that the process lives by.
    pub(super) fn now(&self) -> Time {
        self.shared.config.clock.now()
    }

    /// Thread-local values and names are looked up in the running thread or in the table.
    pub(super) fn thread_facts(&self, current: &DspThread, id: ThreadId) -> Option<(String, u8)> {
        if current.id == id {
            return Some((current.name.clone(), current.priority));
        }
        self.threads.get(&id).map(|t| (t.name.clone(), t.priority))
    }
}
