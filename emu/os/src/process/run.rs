//! A host thread that runs DSP threads: takes one from the scheduler, runs it outside the process's lock, carries out what
//! it traps for, hands it back.
//!
//! There is one host thread a process today; nothing but waiting for work here counts on that. Blocking functions park the
//! DSP thread, never the host thread; what has to be asked of the AP runs on short-lived host threads that post an event.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::events;
use super::shared::{Shared, State};
use super::traps::{self, End, Flow};
use crate::crash::{CrashReport, EMULATOR_FAILED, Registers, backtrace};
use crate::kernel::state::Kernel;
use crate::sched::DspThread;
use emu_core::mem::AddressSpace;
use emu_core::{Cpu, Exit};

/// Packets a thread runs before the inbox and its equals are looked at.
const SLICE: u64 = 20_000;

/// Runs until the process ends, then answers what is left and takes everything out of memory.
pub fn run(kernel: Kernel) {
    let (shared, space) = (kernel.shared.clone(), kernel.space.clone());
    let kernel = Mutex::new(kernel);
    let mut worker = HostWorker {
        kernel: &kernel,
        cpu: Cpu::new(shared.config.arch),
        shared: &shared,
        space: &space,
    };
    let end = catch_unwind(AssertUnwindSafe(|| worker.run()));
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
    drop(kernel);
    shared.inbox.close();
}

/// One host thread and its core.
struct HostWorker<'a> {
    kernel: &'a Mutex<Kernel>,
    shared: &'a Shared,
    space: &'a AddressSpace,
    cpu: Cpu<AddressSpace>,
}

impl HostWorker<'_> {
    fn lock(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&mut self) -> End {
        loop {
            if self.shared.is_killed() {
                return End::Killed;
            }
            let mut os = self.lock();
            if let Some(end) = events::handle_all(&mut os) {
                return end;
            }
            os.expire_waits();
            // What the guest unmapped meanwhile is gone from here on.
            self.space.bus().check_invalidations();
            let (thread, deadline) = (os.sched.pick(), os.sched.next_deadline());
            drop(os);
            match thread {
                Some(thread) => {
                    if let Some(end) = self.run_thread(thread) {
                        return end;
                    }
                }
                None => {
                    let clock = &*self.shared.config.clock;
                    self.shared
                        .inbox
                        .wait(deadline, clock, || self.shared.is_killed());
                }
            }
        }
    }

    /// Runs one thread until its turn is over.
    fn run_thread(&mut self, mut thread: DspThread) -> Option<End> {
        let id = thread.id;
        let mut left = SLICE;
        loop {
            let before = thread.core.packets;
            let exit = self.cpu.run(&mut thread.core, self.space, left);
            let ran = thread.core.packets.wrapping_sub(before);
            self.shared.counters.add_packets(ran);
            // Traps count too: a loop that only calls us must not keep the inbox waiting.
            left = left.saturating_sub(ran.max(1));
            let mut os = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
            let flow = match exit {
                Exit::Budget => {
                    left = 0;
                    Flow::Continue
                }
                Exit::Yield => Flow::Yield,
                Exit::Trap0 { imm } => traps::trap(&mut os, &mut thread, imm),
                Exit::Trap1 { imm } => traps::crash(
                    &os,
                    &thread,
                    format!("trap1(#{imm}): no virtual machine is there"),
                ),
                Exit::Exception(e) => traps::crash(&os, &thread, e.to_string()),
            };
            let Flow::Continue = flow else {
                return traps::hand_back(&mut os, thread, flow);
            };
            let others_turn = left == 0 && os.sched.used_slice(id);
            if os.sched.better_than(id) {
                os.sched.preempted(thread);
                return None;
            }
            if left > 0 {
                continue;
            }
            if others_turn || is_wanted(&os) {
                return traps::hand_back(&mut os, thread, flow);
            }
            drop(os);
            self.space.bus().check_invalidations();
            left = SLICE;
        }
    }
}

/// Is there something that a running thread must be interrupted for?
fn is_wanted(os: &Kernel) -> bool {
    let shared = &os.shared;
    shared.is_killed()
        || !shared.inbox.is_empty()
        || os.sched.next_deadline().is_some_and(|at| at <= os.now())
}
