//! What the AP asks of a process's packet queues, and what becomes of a queue that breaks.

use crate::kernel::state::Kernel;
use crate::process::inbox::{ProcessRequest, QueueAnswer, QueueRequest};
use rpmsg::Aee;

/// Carries out what the AP asks. `true`: who waits for queues is to look at them again.
pub fn serve(os: &mut Kernel, request: QueueRequest, answer: QueueAnswer) -> bool {
    let memory = &os.shared.memory;
    let queues = &mut os.lib.queues;
    let result = match request {
        QueueRequest::Initialise { fd } => queues.initialise(memory, fd).map(|()| 0),
        QueueRequest::Create { slot, fd, count } => queues.create(&os.space, memory, slot, fd, count),
        QueueRequest::Destroy(id) => queues.destroy(memory, id).map(|()| 0),
        QueueRequest::IsImported(id) => queues.is_imported(id).map(u64::from),
        QueueRequest::Wait => {
            queues.signals.wait(answer);
            return false;
        }
        QueueRequest::Cancel => {
            queues.signals.cancel();
            Ok(0)
        }
        QueueRequest::Signal => Ok(0),
        QueueRequest::End => {
            for id in queues.end(memory) {
                fail(os, id, Aee::CONNECTION_RESET, "the AP has closed its side");
            }
            Ok(0)
        }
    };
    tracing::debug!(target: "emu::os", ?request, ?result, "packet queues");
    answer.send(result);
    request == QueueRequest::Signal
}

/// A queue cannot be used any more: whoever waits for it in one of its functions goes on with the code, and its error
/// callback is called.
pub fn fail(os: &mut Kernel, id: u64, code: Aee, why: &str) {
    let Some(queue) = os.lib.queues.get(id).filter(|queue| queue.error.is_none()) else {
        return;
    };
    queue.error = Some(code);
    tracing::warn!(
        target: "emu::os", process = os.shared.config.name, slot = queue.slot, %code, "a packet queue breaks: {why}"
    );
    interrupt(os, id, code);
    // Its error callback runs on a thread of its own.
    os.shared.inbox.send(ProcessRequest::QueueNews);
}

/// Ends the waits in a queue's functions with this code.
pub fn interrupt(os: &mut Kernel, id: u64, code: Aee) {
    for thread in os.lib.queues.interrupt(&os.space, id) {
        os.wake(thread, code.0);
    }
}

/// Finds queues that skeletons hold and that are not any more what they were.
pub fn check(os: &mut Kernel) {
    for id in os.lib.queues.imported() {
        if let Err((code, why)) = os.lib.queues.check(&os.space, &os.shared.memory, id) {
            fail(os, id, code, why);
        }
    }
}
