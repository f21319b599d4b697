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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock as _;
    use crate::kernel::call::{Call, Outcome};
    use crate::kernel::testing::Guest;
    use crate::process::inbox::ProcessRequest;
    use crate::sched::Wait;
    use emu_core::mem::{PAGE_SIZE, Prot};

    /// Counts the word at r0 down and spins until it is 0, without `pause`. Encodings by llvm-mc.
    const MEET: [u32; 8] = [
        0x9200_c001, // 1: { r1 = memw_locked(r0) }
        0xbfe1_ffe1, //    { r1 = add(r1,#-1) }
        0xa0a0_c100, //    { memw_locked(r0,p0) = r1 }
        0x5cff_e0fa, //    { if (!p0) jump 1b }
        0x9180_c001, // 2: { r1 = memw(r0+#0) }
        0x7501_c000, //    { p0 = cmp.eq(r1,#0) }
        0x5cff_e0fc, //    { if (!p0) jump 2b }
        0x529f_c000, //    { jumpr r31 }
    ];
    /// Many times what threads that meet need.
    const MOST_PACKETS: u64 = 200_000_000;

    /// How many threads of these priorities meet.
    fn meet(priorities: &[u8]) -> usize {
        let mut g = Guest::new();
        let code: Vec<u8> = MEET.iter().flat_map(|word| word.to_le_bytes()).collect();
        let entry = g.bytes(&code);
        g.os.space.protect(entry, PAGE_SIZE, Prot::RX).unwrap();
        let word = g.bytes(&(priorities.len() as u32).to_le_bytes());
        let met = Arc::new(AtomicUsize::new(0));
        for &priority in priorities {
            let mut thread = g.new_thread(priority);
            let (met, all) = (met.clone(), priorities.len());
            let over = move |_: &mut Call<'_>, _: u64| match met.fetch_add(1, Ordering::Relaxed) + 1 {
                n if n == all => Ok(Outcome::EndProcess(0)),
                _ => Ok(Outcome::Exit(0)),
            };
            g.os.enter(&mut thread, entry, &[word], Box::new(over)).unwrap();
            g.os.sched.requeue(thread);
        }
        let shared = g.os.shared.clone();
        let os = g.os;
        let host = std::thread::spawn(move || run(os));
        while !host.is_finished() {
            if shared.counters.read().0 > MOST_PACKETS {
                shared.kill();
            }
            std::thread::yield_now();
        }
        host.join().unwrap();
        met.load(Ordering::Relaxed)
    }

    #[test]
    fn threads_that_spin_until_all_are_there_meet_whatever_their_priorities() {
        for priorities in [
            [100, 100, 100],
            // Equals below one that spins.
            [100, 110, 110],
            // One below equals that spin.
            [100, 100, 110],
            [100, 110, 120],
        ] {
            assert_eq!(meet(&priorities), 3, "{priorities:?}");
        }
    }

    #[test]
    fn a_sleep_lasts_as_long_as_the_clock_of_the_process_says() {
        const YEAR: u64 = 365 * 86_400;
        let mut g = Guest::new();
        let sleep = g.os.builtins.address(b"qurt_sleep").unwrap();
        let us = YEAR * 1_000_000;
        let (tell, told) = mpsc::channel();
        let over = move |c: &mut Call<'_>, _: u64| {
            tell.send(c.os.now()).unwrap();
            Ok(Outcome::EndProcess(0))
        };
        let mut thread = g.new_thread(100);
        let args = [us as u32, (us >> 32) as u32];
        g.os.enter(&mut thread, sleep, &args, Box::new(over)).unwrap();
        g.os.sched.requeue(thread);
        let (shared, clock, os) = (g.os.shared.clone(), g.clock, g.os);
        let asked = shared.clone();
        clock.watch(Box::new(move || {
            shared.inbox.nudge();
            true
        }));
        let host = std::thread::spawn(move || run(os));
        let sleeps = || {
            let (ask, answer) = mpsc::channel();
            asked.inbox.send(ProcessRequest::Threads(ask));
            let threads = answer.recv().unwrap();
            threads
                .iter()
                .any(|thread| thread.cause == Wait::Sleep.to_string())
        };
        while !sleeps() {}
        clock.advance(Duration::from_secs(YEAR - 1));
        assert!(sleeps());
        clock.advance(Duration::from_secs(1));
        host.join().unwrap();
        assert_eq!(told.try_recv(), Ok(Duration::from_secs(YEAR)));
    }
}
