//! What is asked of a process, carried out by whichever of its host threads comes first.

use crate::calls::handles::Closing;
use crate::calls::job::{Job, Starved};
use crate::calls::{ending, opening, queues, serving};
use crate::crash::{CrashReport, backtrace};
use crate::error::OpenError;
use crate::kernel::state::Kernel;
use crate::library::dspqueue;
use crate::process::inbox::ProcessRequest;
use crate::process::traps::{End, run_as};
use crate::sched::{RunState, Wait};
use rpmsg::Aee;

/// Threads that are described when somebody asks what a process is doing.
const MAX_DESCRIBED: usize = 32;

/// Takes everything that is asked, and sees to it that workers have something to do.
pub fn handle_all(os: &mut Kernel) -> Option<End> {
    for request in os.shared.inbox.drain() {
        if let Some(end) = handle(os, request) {
            return Some(end);
        }
    }
    while let Some((job, why)) = os.workers.take_refused() {
        fail(os, job, Aee::RESOURCE_NOT_FOUND, &why);
    }
    while let Some((id, loaded)) = os.loading.take_told() {
        let Some(then) = os.continuations.take_load(id) else {
            continue;
        };
        if let Some(end) = run_as(os, id, |call| then(call, loaded)) {
            return Some(end);
        }
    }
    while let Some((id, job)) = os.workers.take_job(&mut os.sched, &os.shared, &mut os.modules) {
        if let Some(end) = run_as(os, id, |call| serving::begin(call, job)) {
            return Some(end);
        }
    }
    for gone in os.workers.take_gone() {
        os.lib.forget_thread(gone);
    }
    None
}

fn handle(os: &mut Kernel, request: ProcessRequest) -> Option<End> {
    match request {
        ProcessRequest::Invoke(call, answer) => match os.handles.get(call.handle) {
            Some(_) => os.submit(Some(call.tid), Job::Invoke(call, answer)),
            None => answer.send(Aee::NO_SUCH_MODULE),
        },
        ProcessRequest::Close(handle, answer) => match os.handles.begin_close(handle, answer) {
            Closing::Unknown(answer) => answer.send(Aee::NO_SUCH_MODULE),
            Closing::Now(answer) => os.submit(None, Job::Close(handle, answer)),
            Closing::Later => {}
        },
        ProcessRequest::Open(name, answer) => opening::open(os, name, answer),
        ProcessRequest::Loaded(result) => opening::loaded(os, result),
        ProcessRequest::Grown(given) => return memory_answered(os, given),
        ProcessRequest::FileAnswered(thread, answer) => {
            if os.waits_for(thread) == Some(Wait::File)
                && let Some(answered) = os.continuations.take_question(thread)
            {
                return run_as(os, thread, |call| answered(call, answer));
            }
        }
        ProcessRequest::ThreadExit(tid) => os.workers.retire(tid),
        ProcessRequest::Farf(farf) => os.lib.farf = farf,
        ProcessRequest::Stack(bytes) => os.workers.set_stack(bytes),
        ProcessRequest::Priority(priority) => os.workers.set_priority(priority, &mut os.sched),
        // What is due is looked at after all requests.
        ProcessRequest::Due => {}
        ProcessRequest::Finish(done) => {
            if ending::is_needed(os) {
                os.submit(None, Job::Finish(done));
            }
        }
        ProcessRequest::Queues(request, answer) => {
            if queues::serve(os, request, answer) {
                return look_at_queues(os);
            }
        }
        ProcessRequest::QueueNews => {
            queues::check(os);
            return look_at_queues(os);
        }
        ProcessRequest::Threads(to) => os.asked.push(to),
    }
    None
}

/// Answers a job that no worker can do.
fn fail(os: &mut Kernel, job: Job, code: Aee, why: &str) {
    match job {
        Job::Invoke(_, answer) => answer.send(code),
        Job::Close(number, answer) => {
            os.handles.cancel_close(number);
            answer.send(code);
        }
        Job::Open(opening) => opening::no_worker(os, opening, OpenError::new(code, why)),
        // Its memory goes with the process.
        Job::Leave => {}
        Job::Finish(_) => {
            tracing::warn!(target: "emu::os", process = os.shared.config.name, why, "no finalisers run")
        }
    }
}

/// The AP has answered: everybody who waited tries again.
fn memory_answered(os: &mut Kernel, given: bool) -> Option<End> {
    let (given, starved) = os.growth.answered(&os.shared, given);
    for work in starved {
        match work {
            Starved::Job(tid, job) if given => os.submit(tid, job),
            Starved::Job(_, job) => fail(os, job, Aee::NO_MEMORY, "no memory for a thread's stack"),
            Starved::Installation(open) if given => opening::install(os, open),
            Starved::Installation(open) => opening::starved(os, open),
        }
    }
    for (id, _) in os.sched.waiting(|wait| wait == Wait::Memory) {
        let Some(retry) = os.continuations.take_retry(id) else {
            continue;
        };
        if let Some(end) = run_as(os, id, |call| retry(call, given)) {
            return Some(end);
        }
    }
    None
}

/// Everybody who waits for packet queues looks at them again.
fn look_at_queues(os: &mut Kernel) -> Option<End> {
    for id in os.lib.queues.waiting() {
        // Another one's look may have ended its wait.
        if os.lib.queues.waiter(id).is_none() {
            continue;
        }
        if let Some(end) = run_as(os, id, dspqueue::resume) {
            return Some(end);
        }
    }
    None
}

/// Answers who asked what the threads are doing; `false`: some run still, and no other is to be run until they stand still.
pub fn describe_threads(os: &mut Kernel) -> bool {
    if os.asked.is_empty() {
        return true;
    }
    if os.sched.running() > 0 {
        return false;
    }
    let reports = reports(os);
    for to in std::mem::take(&mut os.asked) {
        // Nobody may wait for it any more.
        let _ = to.send(reports.clone());
    }
    true
}

/// What the threads are doing, as reports of crashes that are none.
fn reports(os: &Kernel) -> Vec<CrashReport> {
    let threads = os.sched.iter().take(MAX_DESCRIBED);
    threads
        .map(|(thread, state)| {
            let doing = match state {
                RunState::Ready | RunState::Running => "running".into(),
                RunState::Parked(wait) => wait.to_string(),
            };
            backtrace::report(&os.shared.config, doing, thread, &os.space, &os.modules)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::library_state::farf::Farf;

    #[test]
    fn the_aps_mask_decides_which_runtime_messages_pass() {
        let mut g = Guest::new();
        let (file, text) = (g.bytes(b"a.c\0"), g.bytes(b"said\0"));
        let mut passes = |mask, files: &[&str], level| {
            let files = files.iter().map(|&file| file.into()).collect();
            assert!(handle(&mut g.os, ProcessRequest::Farf(Farf::of_ap(mask, files))).is_none());
            g.ap.0.lock().unwrap().clear();
            g.call("HAP_debug_runtime", &[level, file, 1, text]);
            !g.ap.0.lock().unwrap().is_empty()
        };
        assert!(passes(0, &[], 1));
        assert!(passes(1 << 2, &["a.c"], 2));
        assert!(!passes(1 << 2, &["a.c"], 1));
        assert!(!passes(0x1f, &["b.c"], 2));
        assert!(passes(0x1f, &[], 4));
    }
}
