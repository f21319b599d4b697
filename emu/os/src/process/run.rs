//! A host thread that runs DSP threads: takes one from the scheduler, runs it outside the process's lock, carries out what
//! it traps for, hands it back.
//!
//! A process has one host thread until more DSP threads can run, then as many as its configuration allows. Blocking functions
//! park the DSP thread, never the host thread; what has to be asked of the AP runs on short-lived host threads that post an
//! event.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::thread::Scope;

use super::crew::Crew;
use super::events;
use super::shared::{Shared, State};
use super::traps::{self, End, Flow};
use crate::crash::{CrashReport, EMULATOR_FAILED, Registers, backtrace};
use crate::kernel::state::Kernel;
use crate::loader::modules::CodeAddress;
use crate::sched::DspThread;
use emu_core::mem::AddressSpace;
use emu_core::{Cpu, Exit, NoVectors, Simulated, Translator};

/// Packets a thread runs before the inbox and its equals are looked at.
const SLICE: u64 = 20_000;
/// Packets that a `pause` counts for: what a host thread takes to let another have its core.
const PAUSE: u64 = 100;

thread_local! {
    /// The process that this host thread works for until its end.
    static WORKS_FOR: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

/// Is the calling thread one of this process's host threads? Such a one cannot wait for the process's end.
pub fn works_for(shared: &Arc<Shared>) -> bool {
    WORKS_FOR.get() == Arc::as_ptr(shared)
}

/// Runs until the process ends, then answers what is left and takes everything out of memory.
pub fn run(kernel: Kernel) {
    WORKS_FOR.set(Arc::as_ptr(&kernel.shared));
    let crew = Crew::new(kernel);
    std::thread::scope(|scope| HostWorker::new(&crew, scope).run());
    let (kernel, end) = crew.into_end();
    let shared = kernel.shared.clone();
    let state = match end {
        End::Killed => State::Ended,
        End::Exited(status) => {
            tracing::info!(target: "emu::os", process = shared.config.name, status, "process ended itself");
            State::Ended
        }
        End::Crashed(report) => State::Crashed(report),
    };
    shared.ended(state);
    shared.memory.close();
    // Answers run from here: nothing touches memory any more.
    drop(kernel);
    shared.inbox.close();
}

/// A bug of ours must not leave calls without an answer: the process ends as if it had crashed.
fn panicked(crew: &Crew, panic: &(dyn Any + Send)) {
    let shared = &crew.shared;
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
    crew.finish(End::Crashed(Box::new(report.clone())));
    // What fails may be the AP that is to be told.
    let told = || backtrace::publish(&report, &*shared.config.ap);
    if catch_unwind(AssertUnwindSafe(told)).is_err() {
        tracing::error!(target: "emu::os", process = shared.config.name, "the AP cannot be told");
    }
}

/// One host thread and its core.
struct HostWorker<'scope, 'env> {
    crew: &'env Crew,
    scope: &'scope Scope<'scope, 'env>,
    cpu: Cpu<AddressSpace>,
    /// Runs threads without a vector context, where that is strict.
    without_vectors: Option<Cpu<AddressSpace>>,
}

impl<'scope, 'env> HostWorker<'scope, 'env> {
    fn new(crew: &'env Crew, scope: &'scope Scope<'scope, 'env>) -> Self {
        let config = &crew.shared.config;
        let core = |translator: &Option<Arc<Translator>>| {
            Cpu::new(config.arch)
                .with_floats(config.floats)
                .with_translator(translator.clone())
        };
        let mut cpu = core(&crew.translator);
        if config.hvx_units == 0 {
            cpu = cpu.without_vectors(NoVectors::Absent);
        }
        let without_vectors = config.wants_vectors_locked().then(|| {
            // What was made of code differs by what of it is an exception.
            core(&crew.without_vectors).without_vectors(NoVectors::NotHeld)
        });
        Self {
            crew,
            scope,
            cpu,
            without_vectors,
        }
    }

    /// The core for a thread that holds a vector context, or does not.
    fn cpu_for(&mut self, holds: bool) -> &mut Cpu<AddressSpace> {
        match &mut self.without_vectors {
            Some(without) if !holds => without,
            _ => &mut self.cpu,
        }
    }

    /// Works until the process ends, by this host thread's doing or another's.
    fn run(mut self) {
        match catch_unwind(AssertUnwindSafe(|| self.work())) {
            Ok(None) => {}
            Ok(Some(end)) => self.crew.finish(end),
            Err(panic) => panicked(self.crew, &*panic),
        }
    }

    fn work(&mut self) -> Option<End> {
        let crew = self.crew;
        while !crew.is_over() {
            let mut os = crew.lock();
            if let Some(end) = events::handle_all(&mut os) {
                return Some(end);
            }
            os.expire_waits();
            // What the guest unmapped meanwhile is gone from here on.
            crew.space.bus().check_invalidations();
            // Who asks what the threads are doing gets an answer when all of them stand still.
            let thread = if events::describe_threads(&mut os) {
                os.sched.pick()
            } else {
                None
            };
            let deadline = os.sched.next_deadline();
            match thread {
                Some(thread) => {
                    self.call_for_help(&os);
                    drop(os);
                    if let Some(at) = deadline {
                        crew.shared.inbox.watch(at);
                    }
                    if let Some(end) = self.run_thread(thread) {
                        return Some(end);
                    }
                }
                None => {
                    let waiter = crew.shared.inbox.enlist(deadline);
                    drop(os);
                    waiter.wait(&*crew.shared.config.clock, || crew.is_over());
                }
            }
        }
        None
    }

    /// If threads could run that nobody runs, has another host thread take one; `false`: there is none to be had.
    fn call_for_help(&self, os: &Kernel) -> bool {
        os.sched.has_ready() && (self.crew.shared.inbox.rouse() || self.hire())
    }

    /// Starts another host thread, if there may be one more.
    fn hire(&self) -> bool {
        let Some(number) = self.crew.admit() else {
            return false;
        };
        let worker = HostWorker::new(self.crew, self.scope);
        let spawned = std::thread::Builder::new()
            .name(format!("dsp-host-{number}"))
            .spawn_scoped(self.scope, move || {
                WORKS_FOR.set(Arc::as_ptr(&worker.crew.shared));
                worker.run();
            });
        if let Err(error) = &spawned {
            tracing::warn!(
                target: "emu::os", process = self.crew.shared.config.name, %error, threads = number,
                "the host gives no more threads: the process's DSP threads share those it has"
            );
            self.crew.stay();
        }
        spawned.is_ok()
    }

    /// Runs one thread until its turn is over.
    fn run_thread(&mut self, mut thread: DspThread) -> Option<End> {
        let crew = self.crew;
        let id = thread.id;
        let mut left = SLICE;
        // Only the thread itself takes a vector context or gives it back, by what it traps for.
        let asks = self.without_vectors.is_some();
        let mut holds = asks && crew.lock().lib.vectors.holds(id);
        loop {
            let before = thread.core.packets;
            let cpu = self.cpu_for(holds);
            let exit = cpu.run(&mut thread.core, &crew.space, left);
            let simulated = cpu.take_simulated();
            let ran = thread.core.packets.wrapping_sub(before);
            crew.shared.counters.add_packets(ran);
            // Traps count too: a loop that only calls us must not keep the inbox waiting.
            left = left.saturating_sub(ran.max(1));
            if matches!(exit, Exit::Yield) && left > PAUSE && !crew.somebody_could_run() {
                // It spins for another that runs already, perhaps on the same host core.
                std::thread::yield_now();
                left -= PAUSE;
                continue;
            }
            let mut os = crew.lock();
            if let Some(what) = simulated {
                tell_simulated(&mut os, what);
            }
            if let Some(pc) = thread.core.regs.hmx.noted.take() {
                tell_unlocked(&mut os, pc);
            }
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
            holds = asks && os.lib.vectors.holds(id);
            let others_turn = left == 0 && os.sched.used_slice(id);
            if !self.call_for_help(&os) && os.sched.better_than(id) {
                os.sched.preempted(thread);
                return None;
            }
            if left > 0 {
                continue;
            }
            if others_turn || is_wanted(crew, &os) {
                return traps::hand_back(&mut os, thread, flow);
            }
            drop(os);
            crew.space.bus().check_invalidations();
            left = SLICE;
        }
    }
}

/// The place of code that does such a thing, if that was not told of the process yet.
fn first_place(os: &mut Kernel, what: &'static str, pc: u32) -> Option<String> {
    os.lib.told.insert(what).then(|| {
        let place = os.modules.describe(pc, CodeAddress::Packet);
        place.map_or_else(|| "?".to_owned(), |place| place.to_string())
    })
}

/// Says once a process that it computes what its part is not known to have.
fn tell_simulated(os: &mut Kernel, what: Simulated) {
    let Simulated { pc, name } = what;
    let Some(place) = first_place(os, "floating point on vectors", pc) else {
        return;
    };
    tracing::warn!(
        target: "emu::os", process = os.shared.config.name,
        "{name} at {pc:#010x} ({place}): this part's vector unit is reported to lack such floating point; it is computed as the \
         vendor's simulator does, which phones do not (--strict-silicon makes it an exception)"
    );
}

/// Says once a process that a thread uses the matrix unit without its lock.
fn tell_unlocked(os: &mut Kernel, pc: u32) {
    let Some(place) = first_place(os, "the matrix unit without its lock", pc) else {
        return;
    };
    tracing::warn!(
        target: "emu::os", process = os.shared.config.name,
        "{pc:#010x} ({place}) uses the matrix unit without HAP_compute_res_hmx_lock, which phones do not let pass (--strict-silicon \
         makes it an exception)"
    );
}

/// Is there something that a running thread must be interrupted for?
fn is_wanted(crew: &Crew, os: &Kernel) -> bool {
    crew.is_over()
        || !os.asked.is_empty()
        || !crew.shared.inbox.is_empty()
        || os.sched.next_deadline().is_some_and(|at| at <= os.now())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
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

    /// How many threads of these priorities meet, on so many host threads.
    fn meet(priorities: &[u8], host_threads: usize) -> usize {
        let mut g = Guest::with(|config| config.dsp_threads = NonZeroUsize::new(host_threads));
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
        let os = g.into_kernel();
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
            for host_threads in [1, 2, 6] {
                let met = meet(&priorities, host_threads);
                assert_eq!(met, 3, "{priorities:?} on {host_threads}");
            }
        }
    }

    /// A process with threads that spin for ever.
    fn spinning(threads: usize, host_threads: usize) -> Guest {
        const FOREVER: [u32; 1] = [0x5800_c000]; // 1: { jump 1b }
        let mut g = Guest::with(|config| config.dsp_threads = NonZeroUsize::new(host_threads));
        let code: Vec<u8> = FOREVER.iter().flat_map(|word| word.to_le_bytes()).collect();
        let entry = g.bytes(&code);
        g.os.space.protect(entry, PAGE_SIZE, Prot::RX).unwrap();
        for _ in 0..threads {
            let mut thread = g.new_thread(100);
            thread.core.regs.pc = entry;
            g.os.sched.requeue(thread);
        }
        g
    }

    /// Threads that spin for ever, and the most of them that were seen to run at the same time.
    fn spin_at_once(threads: usize, host_threads: usize, wanted: usize, packets: u64) -> usize {
        let g = spinning(threads, host_threads);
        let shared = g.os.shared.clone();
        let crew = Crew::new(g.into_kernel());
        let mut most = 0;
        std::thread::scope(|outer| {
            outer.spawn(|| std::thread::scope(|scope| HostWorker::new(&crew, scope).run()));
            // However fast they are, one was seen.
            while most == 0 || most < wanted && shared.counters.read().0 < packets {
                most = most.max(crew.lock().sched.running());
                std::thread::yield_now();
            }
            shared.kill();
        });
        most
    }

    /// Packets in which host threads that are only told to start do start, however busy the host is.
    const LONG: u64 = 1000 * MOST_PACKETS;

    #[test]
    fn as_many_threads_run_at_once_as_there_are_host_threads() {
        assert_eq!(spin_at_once(3, 2, 2, LONG), 2);
        assert_eq!(spin_at_once(3, 1, 2, MOST_PACKETS / 100), 1);
        assert_eq!(spin_at_once(8, 8, 6, LONG), 6);
    }

    #[test]
    fn what_all_threads_do_is_told_although_they_run() {
        let g = spinning(3, 2);
        let shared = g.os.shared.clone();
        let os = g.into_kernel();
        let host = std::thread::spawn(move || run(os));
        for _ in 0..20 {
            let (ask, answer) = mpsc::channel();
            shared.inbox.send(ProcessRequest::Threads(ask));
            assert_eq!(answer.recv().unwrap().len(), 3);
        }
        shared.kill();
        host.join().unwrap();
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
        let (shared, clock) = (g.os.shared.clone(), g.clock.clone());
        let os = g.into_kernel();
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

    /// Runs these on so many host threads, each again and again through `then`, which is told whether the process's first host
    /// thread runs it.
    fn process_of(
        threads: usize,
        host_threads: usize,
        ap: Option<Arc<dyn crate::ap::Ap>>,
        then: impl Fn(bool, &crate::process::Process) -> Option<Outcome> + Send + Sync + 'static,
    ) -> Arc<crate::process::Process> {
        const RETURN: [u32; 1] = [0x529f_c000]; // { jumpr r31 }
        type Next = dyn Fn() -> Option<Outcome> + Send + Sync;
        fn again(next: Arc<Next>, entry: u32) -> crate::kernel::continuation::Then {
            Box::new(move |_, _| {
                Ok(next().unwrap_or_else(|| Outcome::Enter(entry, Vec::new(), again(next, entry))))
            })
        }
        let mut g = Guest::with(|config| {
            config.dsp_threads = NonZeroUsize::new(host_threads);
            if let Some(ap) = ap {
                config.ap = ap;
            }
        });
        let code: Vec<u8> = RETURN.iter().flat_map(|word| word.to_le_bytes()).collect();
        let entry = g.bytes(&code);
        g.os.space.protect(entry, PAGE_SIZE, Prot::RX).unwrap();
        let process: Arc<std::sync::OnceLock<std::sync::Weak<crate::process::Process>>> = Arc::default();
        let of = process.clone();
        let next: Arc<Next> = Arc::new(move || {
            let process = of.get()?.upgrade()?;
            let hired = std::thread::current()
                .name()
                .is_some_and(|name| name.starts_with("dsp-host-"));
            then(!hired, &process)
        });
        for _ in 0..threads {
            let mut thread = g.new_thread(100);
            let then = again(next.clone(), entry);
            g.os.enter(&mut thread, entry, &[], then).unwrap();
            g.os.sched.requeue(thread);
        }
        let shared = g.os.shared.clone();
        let os = g.into_kernel();
        let runner = std::thread::spawn(move || run(os));
        let made = Arc::new(crate::process::Process {
            shared,
            runner: std::sync::Mutex::new(Some(runner)),
        });
        process.set(Arc::downgrade(&made)).unwrap();
        made
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Does it come to its end, whatever it is?
    fn ends(what: impl FnOnce() + Send + 'static) -> bool {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            what();
            let _ = tell.send(());
        });
        told.recv_timeout(PATIENCE).is_ok()
    }

    #[test]
    fn an_answer_that_kills_its_own_process_may_run_on_any_host_thread() {
        for by_first in [true, false] {
            let (tell, told) = mpsc::channel();
            let process = process_of(2, 2, None, move |first, process| {
                (first == by_first).then(|| {
                    process.kill();
                    let _ = tell.send(());
                    Outcome::Exit(0)
                })
            });
            assert_eq!(
                told.recv_timeout(PATIENCE),
                Ok(()),
                "first host thread: {by_first}"
            );
            // Somebody else still waits until nothing runs any more.
            let of = process.clone();
            assert!(ends(move || of.kill()));
            assert_eq!(Arc::strong_count(&process.shared), 1);
        }
    }

    /// An AP that fails us, too.
    struct BadAp;

    impl crate::ap::Ap for BadAp {
        fn read_library(&self, _: &str) -> Result<Vec<u8>, crate::ap::ApError> {
            Err(crate::ap::ApError::NoListener)
        }
        fn grow_heap(&self, _: u32) -> Result<(), crate::ap::ApError> {
            Err(crate::ap::ApError::NoListener)
        }
        fn log(&self, _: crate::ap::LogRecord) {
            panic!("no log");
        }
    }

    #[test]
    fn a_panic_on_one_host_thread_ends_the_process_while_others_run() {
        for bad_ap in [false, true] {
            for by_first in [true, false] {
                let ap = bad_ap.then(|| Arc::new(BadAp) as Arc<dyn crate::ap::Ap>);
                let process = process_of(3, 2, ap, move |first, _| {
                    assert!(first != by_first, "on purpose");
                    None
                });
                let (ask, answer) = mpsc::channel();
                process.shared.inbox.send(ProcessRequest::Threads(ask));
                let answer = answer.recv_timeout(PATIENCE);
                assert_ne!(
                    answer.err(),
                    Some(mpsc::RecvTimeoutError::Timeout),
                    "{bad_ap} {by_first}"
                );
                let waits = std::time::Instant::now();
                while process.state() == State::Running && waits.elapsed() < PATIENCE {
                    std::thread::yield_now();
                }
                assert!(
                    matches!(process.state(), State::Crashed(_)),
                    "{bad_ap} {by_first}"
                );
                assert!(ends(move || process.kill()));
            }
        }
    }

    #[test]
    fn who_asks_what_threads_do_hears_of_the_end() {
        for n in 0..200_u64 {
            let process = process_of(3, 1 + n as usize % 3, None, |_, _| None);
            let of = process.clone();
            let asker = std::thread::spawn(move || {
                loop {
                    let (ask, answer) = mpsc::channel();
                    of.shared.inbox.send(ProcessRequest::Threads(ask));
                    match answer.recv_timeout(PATIENCE) {
                        Ok(threads) => assert_eq!(threads.len(), 3),
                        Err(mpsc::RecvTimeoutError::Disconnected) => return,
                        Err(timeout) => panic!("{timeout}"),
                    }
                }
            });
            std::thread::sleep(Duration::from_micros(n * 37 % 900));
            process.kill();
            asker.join().unwrap();
        }
    }
}
