//! What running DSP threads trap for: imported functions, and the return of guest functions that the emulator called.

use emu_core::memory::Memory as _;

use crate::builtins::Stub;
use crate::calls::opening;
use crate::clock::Time;
use crate::crash::{CrashReport, backtrace};
use crate::imports::{self, Import, Support};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::state::Kernel;
use crate::library_state::cancels::is_point;
use crate::sched::{DspThread, Role, ThreadId, Wait};

/// How a process ends.
pub enum End {
    /// It was told to.
    Killed,
    /// The program called `exit`.
    Exited(u32),
    /// It crashed.
    Crashed(Box<CrashReport>),
}

/// What becomes of a thread that ran.
pub enum Flow {
    /// It goes on.
    Continue,
    /// It goes on after others had a turn.
    Yield,
    /// It is parked, at most until a time, when the function it called returns the word.
    Park(Wait, Option<(Time, u32)>),
    /// It ends with this status.
    Exit(u32),
    /// The whole process ends.
    End(End),
}

/// Carries out a trap of a running thread, which has gone past it.
pub fn trap(os: &mut Kernel, thread: &mut DspThread, imm: u32) -> Flow {
    let at = thread.core.regs.pc.wrapping_sub(4);
    match os.builtins.stub(at) {
        Some(Stub::Function(number)) => {
            let Some(f) = imports::function(number) else {
                return crash(os, thread, format!("function {number} is not there"));
            };
            tracing::trace!(target: "emu::os::call", thread = thread.id, function = f.name);
            tell_lack(os, &f);
            let f = if os.lib.cancels.is_due(thread.id) {
                cancelled_in(f)
            } else {
                f
            };
            let done = (f.handler)(&mut Call { os, thread });
            carry_out(os, thread, done, at)
        }
        Some(Stub::Return) => {
            let Some(frame) = os.continuations.pop(thread.id) else {
                return crash(
                    os,
                    thread,
                    "a return to the DSP's OS without a call from it".into(),
                );
            };
            let regs = &mut thread.core.regs;
            let result = u64::from(regs.r[0]) | u64::from(regs.r[1]) << 32;
            regs.pc = frame.pc;
            for (n, v) in (29..).zip(frame.saved) {
                regs.r[n] = v;
            }
            let done = (frame.then)(&mut Call { os, thread }, result);
            carry_out(os, thread, done, frame.pc)
        }
        None => {
            thread.core.regs.pc = at;
            crash(os, thread, format!("trap0(#{imm}): the program stopped itself"))
        }
    }
}

/// What a thread that is to be cancelled calls in place of a function: where it is one that threads are cancelled in, that ends
/// it.
fn cancelled_in(f: Import) -> Import {
    match is_point(f.name) {
        true => imports::by_name("pthread_testcancel").unwrap_or(f),
        false => f,
    }
}

/// The first time that a process calls a function which does not do what it is for, the log says so.
fn tell_lack(os: &mut Kernel, f: &Import) {
    let (answer, how) = match f.support {
        Support::Implemented => return,
        Support::WithoutEffect(answer) => (answer, "has no effect here"),
        Support::Refused(answer) => (answer, "is refused"),
    };
    if os.lib.told.insert(f.name) {
        let process = &os.shared.config.name;
        tracing::warn!(target: "emu::os", process, answer, "{} {how}", f.name);
    }
}

/// Carries out what an imported function (whose stub is at `at`) wants.
fn carry_out(os: &mut Kernel, thread: &mut DspThread, done: Done, at: u32) -> Flow {
    let is_worker = thread.role == Role::Worker;
    match done {
        Ok(Outcome::Return) if is_worker && os.continuations.is_outermost(thread.id) => {
            os.workers.finished(thread.id);
            Flow::Park(Wait::Idle, None)
        }
        Ok(Outcome::Return) => Flow::Continue,
        Ok(Outcome::Yield) => Flow::Yield,
        Ok(Outcome::Park(wait, deadline)) => Flow::Park(wait, deadline),
        Ok(Outcome::Enter(pc, args, then)) => match os.enter(thread, pc, &args, then) {
            Ok(()) => Flow::Continue,
            Err(why) => crash(os, thread, why),
        },
        Ok(Outcome::Grow(bytes, retry)) => {
            os.continuations.set_retry(thread.id, retry);
            os.growth.ask(&os.shared, bytes);
            Flow::Park(Wait::Memory, None)
        }
        Ok(Outcome::Ask(question, answered)) => {
            os.continuations.set_question(thread.id, answered);
            os.asking.ask(&os.shared, thread.id, *question);
            Flow::Park(Wait::File, None)
        }
        Ok(Outcome::Exit(_)) if is_worker => {
            crash(os, thread, "a thread that serves the AP ended itself".into())
        }
        Ok(Outcome::Exit(status)) => Flow::Exit(status),
        Ok(Outcome::EndProcess(status)) => Flow::End(End::Exited(status)),
        Err(stop) => {
            // Reported as if the stub itself had faulted; the backtrace starts there.
            if at != 0 {
                thread.core.regs.pc = at;
            }
            let why = match (os.builtins.name_at(at), &stop) {
                (Some(name), Stop::Fault(fault)) => format!("in {name}: {fault}"),
                _ => stop.to_string(),
            };
            crash(os, thread, why)
        }
    }
}

/// Ends the process because of `thread`, whose pc is at what failed.
pub fn crash(os: &Kernel, thread: &DspThread, cause: String) -> Flow {
    let report = backtrace::report(&os.shared.config, cause, thread, &os.space, &os.modules);
    backtrace::publish(&report, &*os.shared.config.ap);
    Flow::End(End::Crashed(Box::new(report)))
}

/// Hands a thread that ran back to the scheduler, or ends it.
pub fn hand_back(os: &mut Kernel, thread: DspThread, flow: Flow) -> Option<End> {
    match flow {
        Flow::Continue => os.sched.requeue(thread),
        Flow::Yield => os.sched.give_way(thread),
        Flow::Park(wait, deadline) => os.sched.park(thread, wait, deadline),
        Flow::Exit(status) => thread_ended(os, &thread, status),
        // What its calls are answered with is told when nothing is in memory any more.
        Flow::End(end) => return Some(end),
    }
    None
}

/// Runs something as if `thread` (parked) had called it, and lets the thread go on accordingly.
pub fn run_as(os: &mut Kernel, id: ThreadId, f: impl FnOnce(&mut Call<'_>) -> Done) -> Option<End> {
    let mut thread = os.sched.take_parked(id)?;
    let at = thread.core.regs.pc.wrapping_sub(4);
    let done = f(&mut Call {
        os,
        thread: &mut thread,
    });
    let flow = carry_out(os, &mut thread, done, at);
    hand_back(os, thread, flow)
}

/// A thread of the skeleton's ended: who joined it goes on.
fn thread_ended(os: &mut Kernel, thread: &DspThread, status: u32) {
    let joins = |wait| matches!(wait, Wait::Join { thread: joined, .. } if joined == thread.id);
    for (joiner, wait) in os.sched.waiting(joins) {
        if let Wait::Join { status: at, .. } = wait
            && at != 0
        {
            // A bad pointer is the joiner's own loss; it was checked when it joined.
            let _ = os.space.store32(at, status);
        }
        os.wake(joiner, 0);
    }
    if let Some(Some(next)) = os.lib.vectors.give_back(thread.id) {
        os.wake(next, 0);
    }
    os.lib.posix.thread_ended(thread.id, status);
    os.lib.forget_thread(thread.id);
    os.sched.remove(thread.id);
    os.modules.thread_ends(thread.id, &os.shared.memory);
    os.continuations.forget(thread.id);
    opening::thread_ended(os, thread.id);
    if let Some(stack) = thread.own_stack {
        os.shared.memory.release(stack);
    }
    os.count();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::sched::RunState;

    #[test]
    fn a_yielding_thread_goes_to_one_place_however_it_was_run() {
        let mut g = Guest::new();
        let next = g.new_thread(50);
        let me = std::mem::replace(&mut g.thread, next);
        let (id, os) = (me.id, &mut g.os);
        assert!(hand_back(os, me, Flow::Yield).is_none());
        // Alone, it goes on; then others would have had a turn.
        let me = os.sched.pick().unwrap();
        assert_eq!(me.id, id);
        assert!(hand_back(os, me, Flow::Park(Wait::Idle, None)).is_none());
        assert!(run_as(os, id, |_| Ok(Outcome::Yield)).is_none());
        let next = g.new_thread(60);
        let other = std::mem::replace(&mut g.thread, next);
        let other_id = other.id;
        assert!(hand_back(&mut g.os, other, Flow::Continue).is_none());
        // The other one is of worse priority, and its turn comes first all the same.
        assert_eq!(g.os.sched.pick().unwrap().id, other_id);
        assert_eq!(g.os.sched.get(id).unwrap().1, RunState::Ready);
    }

    #[test]
    fn a_thread_is_cancelled_in_the_functions_for_that() {
        let mut g = Guest::new();
        let mut call = |name: &str| {
            let at = g.os.builtins.address(name.as_bytes()).unwrap();
            let thread = &mut g.thread;
            thread.core.regs.pc = at + 4;
            g.os.lib.cancels.ask(thread.id);
            trap(&mut g.os, thread, 0)
        };
        assert!(matches!(call("pthread_self"), Flow::Continue));
        assert!(matches!(call("sleep"), Flow::Exit(u32::MAX)));
        // It is ending.
        assert!(matches!(call("pthread_testcancel"), Flow::Continue));
    }
}
