//! `dspqueue_rpc`: how the AP's library makes packet queues, and how both sides signal each other.
//!
//! There are no signals of a driver's here (the DSP's attribute for them is 0), so the AP signals by `signal` and the DSP by
//! answering a parked `wait_signal` (docs/dspqueue.md). The queues themselves are the process's
//! ([`library_state::queues`](crate::library_state::queues)).

use std::sync::Arc;

use rpmsg::Aee;
use rpmsg::iface::Kind;
use rpmsg::iface::dspqueue::{CreateQueueReply, IsImportedReply, Request, WaitSignalReply};

use super::call::ApCall;
use super::pd::Pd;
use crate::process::{QueueRequest, State};

/// Serves one call.
pub(super) fn serve(pd: &Arc<Pd>, call: ApCall) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    let request = match Request::parse(&payload, Kind::Handle64) {
        Ok(request) => request,
        Err(e) => return call.refuse_payload(&e),
    };
    let asked = match &request {
        Request::InitProcessState(init) => QueueRequest::Initialise { fd: init.fd },
        Request::CreateQueue(create) => QueueRequest::Create {
            slot: create.id,
            fd: create.fd,
            count: create.count,
        },
        Request::DestroyQueue(destroy) => QueueRequest::Destroy(destroy.queue_id),
        Request::IsImported(queue) => QueueRequest::IsImported(queue.queue_id),
        Request::WaitSignal(_) => QueueRequest::Wait,
        Request::CancelWaitSignal(_) => QueueRequest::Cancel,
        Request::Signal(_) => QueueRequest::Signal,
    };
    let owner = Arc::clone(pd);
    let outs = payload.outs;
    let done = move |result| match result {
        Ok(value) => answer(call, &request, value, &outs),
        Err(code) => refuse(&owner, call, &request, code),
    };
    pd.process.queues(asked, Box::new(done));
}

fn answer(call: ApCall, request: &Request, value: u64, outs: &[u32]) {
    match request {
        Request::CreateQueue(_) => call.reply_with(outs, &CreateQueueReply { queue_id: value }),
        Request::IsImported(_) => {
            let imported = (value != 0).into();
            call.reply_with(outs, &IsImportedReply { imported });
        }
        Request::WaitSignal(_) => {
            let signal = (value as u32).cast_signed();
            call.reply_with(outs, &WaitSignalReply { signal });
        }
        _ => call.done(),
    }
}

fn refuse(pd: &Pd, mut call: ApCall, request: &Request, mut code: Aee) {
    if code == Aee::GONE {
        pd.note_crash();
        // The session was released, and the process was ended before it had told that to who waits.
        let released = pd.state().exiting && !matches!(pd.process.state(), State::Crashed(_));
        if released && matches!(request, Request::WaitSignal(_)) {
            code = Aee::BAD_STATE;
        }
    }
    // Whoever waited may have been interrupted, and its context may belong to another call by now.
    if code == Aee::GONE || matches!(request, Request::WaitSignal(_)) {
        call = call.given_up();
    }
    call.refuse(code, request.name());
}

/// The session has the module no more, or exits: its parked `wait_signal` fails at once, and skeletons that hold queues
/// are told.
pub(super) fn end(pd: &Pd) {
    pd.process.queues(QueueRequest::End, Box::new(|_| ()));
}
