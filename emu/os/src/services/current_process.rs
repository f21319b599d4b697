//! adsp_current_process (by name) and adsp_current_process1 (handle 4): what a process's own AP program tells the DSP about it.
//!
//! `exit` is the orderly end of a process: exit functions and finalisers of its libraries run, for a bounded time. Then it must
//! fail every parked call at once: the library joins its listener thread before it closes the session. A session that is
//! released without it (its program was killed) has its process killed, too: nobody is left who could serve what would run.
//!
//! Not modelled: quality of service, status notifications and panic on chosen error codes. The first is accepted, because ignoring
//! it only costs what a real DSP would have saved, and the log says so once a process; the last two are refused.

use std::sync::Arc;
use std::time::Duration;

use rpmsg::Aee;
use rpmsg::iface::current_process::{GetAsidReply, Request};
use rpmsg::iface::{Kind, Text, Texts};

use super::background::run_in_background;
use super::call::ApCall;
use super::dspqueue;
use super::pd::Pd;

/// How long `exit` waits for log lines that are on their way to the AP.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves one call.
pub(super) fn serve(pd: &Arc<Pd>, call: ApCall, kind: Kind) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    let request = match Request::parse(&payload, kind) {
        Ok(request) => request,
        Err(e) => return call.refuse_payload(&e),
    };
    match request {
        Request::Exit(_) => exit(pd, call),
        Request::ThreadExit(_) => {
            // Also told for threads that this process has never seen (docs/protocol.md#process-interface).
            pd.tunnel.thread_left(call.tid());
            pd.process.thread_exit(call.tid());
            call.done();
        }
        Request::PollMode(mode) => {
            pd.state().poll = mode.enable != 0;
            call.done();
        }
        Request::GetAsid(_) => {
            let reply = GetAsidReply { asid: pd.key.sid };
            call.reply_with(&payload.outs, &reply);
        }
        Request::SetLoggingParams(params) => {
            pd.process.set_farf(params.mask.into(), texts(&params.files));
            call.done();
        }
        Request::SetLoggingParams2(params) => {
            pd.process.set_farf(params.mask, texts(&params.files));
            call.done();
        }
        Request::SetQos(_) => {
            accepted(pd, &request);
            call.done();
        }
        Request::Exception(_) => exception(pd, call),
        Request::EnableNotifications(_) | Request::PanicErrCodes(_) => {
            call.refuse(Aee::UNSUPPORTED, request.name());
        }
    }
}

/// Says once a process that something was accepted and does nothing.
fn accepted(pd: &Pd, request: &Request) {
    tracing::debug!(target: "emu::services", process = %pd.key, ?request, "noted");
    if pd.state().accepted.insert(request.name()) {
        tracing::warn!(
            target: "emu::os", process = %pd.key, "{} is accepted and has no effect on this DSP", request.name()
        );
    }
}

/// Names of files, as messages have them.
fn texts(files: &Texts) -> Vec<String> {
    files.0.iter().map(Text::to_lossy).collect()
}

fn exit(pd: &Arc<Pd>, call: ApCall) {
    // One thread of ours a process waits for what runs at the end, however often the AP asks.
    if std::mem::replace(&mut pd.state().finishing, true) {
        return call.refuse(Aee::BAD_STATE, "the process exits already");
    }
    dspqueue::end(pd);
    let pd = Arc::clone(pd);
    // What runs at the end takes a moment, so does killing, and so does the AP when it is still to get log lines: not on
    // the device thread. The listener still serves what runs at the end.
    run_in_background("exit", move || {
        pd.process.finish(pd.finish_wait);
        pd.log.flush(LAST_WORDS);
        pd.state().exiting = true;
        let parked = pd.tunnel.shut();
        call.done();
        if let Some(parked) = parked {
            parked.given_up().refuse(Aee::BAD_STATE, "the process exits");
        }
        pd.kill();
    });
}

/// The AP wants to see how it looks when the DSP process crashes.
fn exception(pd: &Arc<Pd>, call: ApCall) {
    tracing::warn!(target: "emu::services", process = %pd.key, name = pd.name, "the AP asked this process to crash");
    let owner = Arc::clone(pd);
    run_in_background("exception", move || {
        owner.kill();
        call.refuse(Aee::BAD_STATE, "crashed on request");
    });
}
