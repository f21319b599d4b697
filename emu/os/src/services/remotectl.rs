//! remotectl (handle 0) and remotectl1 (handle 8): opening and closing modules.
//!
//! A failed open is a *successful call* that carries an error, handle 0 and a text: any other return value makes the AP's library
//! give up remotectl1 for the rest of the session (docs/protocol.md#remotectl). Opening reads the library from the AP, so it
//! takes as long as that takes and is answered from the process's threads; it waits a bounded time for the AP's listener,
//! because open and the first `next2` come from two threads in either order.

use std::sync::Arc;

use rpmsg::Aee;
use rpmsg::iface::Kind;
use rpmsg::iface::Text;
use rpmsg::iface::remotectl::{CloseReply, OpenReply, Request, THREAD_PARAMS};

use super::built_in::{self, BuiltIn, Library};
use super::call::ApCall;
use super::dspqueue;
use super::pd::Pd;
use super::stats::{Counters, count};
use crate::error::OpenError;
use crate::uri;

/// Serves one call.
pub(super) fn serve(pd: &Arc<Pd>, call: ApCall, kind: Kind, counters: &Arc<Counters>) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    match Request::parse(&payload, kind) {
        Ok(Request::Open(request)) => open(pd, call, &request.name, counters),
        Ok(Request::Close(request)) => close(pd, call, request.handle),
        Ok(Request::SetParam(request)) => {
            tracing::debug!(
                target: "emu::services", process = %pd.key, request = request.request, values = ?request.values, "set_param"
            );
            set_param(pd, request.request, &request.values);
            call.done();
        }
        // Nobody calls it; heap grows through process control.
        Ok(Request::GrowHeap(_)) => call.refuse(Aee::UNSUPPORTED, "grow_heap"),
        Err(e) => call.refuse_payload(&e),
    }
}

/// Priority and stack of the threads that serve the AP; other parameters have no effect, which the log says.
fn set_param(pd: &Pd, request: u32, values: &[u32]) {
    let &[priority, ref rest @ ..] = values else {
        return;
    };
    if request != THREAD_PARAMS {
        tracing::warn!(
            target: "emu::services", process = %pd.key, request, ?values, "a parameter of a session has no effect here"
        );
        return;
    }
    if let Ok(priority) = u8::try_from(priority) {
        pd.process.set_priority(priority);
    }
    if let Some(&stack) = rest.first().filter(|&&stack| stack > 0) {
        pd.process.set_stack(stack);
    }
}

fn open(pd: &Arc<Pd>, call: ApCall, name: &Text, counters: &Arc<Counters>) {
    let name = name.to_lossy();
    tracing::debug!(target: "emu::services", process = %pd.key, name, "open");
    count(&counters.opens);
    let wanted = match uri::parse(&name) {
        Ok(wanted) => wanted,
        Err(e) => return opened(pd, call, Err(e)),
    };
    if pd.state().exiting {
        return opened(pd, call, Err(OpenError::new(Aee::BAD_STATE, "the process exits")));
    }
    match built_in::library(&wanted.library) {
        Library::BuiltIn(module) => {
            let handle = pd.add_module(module);
            opened(pd, call, handle.ok_or_else(too_many));
        }
        Library::File => {
            let owner = Arc::clone(pd);
            pd.process.open(
                wanted,
                Box::new(move |result| opened(&owner, call, result.and_then(|handle| admit(&owner, handle)))),
            );
        }
    }
}

/// A skeleton that was opened while the process was told to exit is closed again.
fn admit(pd: &Pd, handle: u32) -> Result<u32, OpenError> {
    if pd.state().exiting {
        pd.process.close(handle, Box::new(|_| ()));
        return Err(OpenError::new(Aee::BAD_STATE, "the process exits"));
    }
    Ok(handle)
}

fn too_many() -> OpenError {
    OpenError::new(Aee::RESOURCE_NOT_FOUND, "the session can open no more modules")
}

/// Answers an open.
fn opened(pd: &Pd, mut call: ApCall, result: Result<u32, OpenError>) {
    let reply = match result {
        Ok(handle) => OpenReply {
            handle,
            error: Aee::SUCCESS,
            error_text: Text::default(),
        },
        Err(e) => {
            tracing::warn!(target: "emu::services", process = %pd.key, "open failed: {e}");
            if e.aee == Aee::GONE {
                pd.note_crash();
                call = call.given_up();
            }
            // An error must not look like success.
            let error = if e.aee.is_ok() { Aee::FAILED } else { e.aee };
            OpenReply {
                handle: 0,
                error,
                error_text: Text::from(e.text.as_str()),
            }
        }
    };
    let capacities = call.capacities();
    call.reply_with(&capacities, &reply);
}

fn close(pd: &Pd, call: ApCall, handle: u32) {
    let (module, others) = {
        let mut state = pd.state();
        let module = state.modules.remove(&handle);
        let others = module.is_some_and(|module| state.modules.values().any(|&other| other == module));
        (module, others)
    };
    if let Some(module) = module {
        if module == BuiltIn::Dspqueue && !others {
            dspqueue::end(pd);
        }
        return closed(call, Aee::SUCCESS);
    }
    pd.process
        .close(handle, Box::new(move |retval| closed(call, retval)));
}

fn closed(call: ApCall, error: Aee) {
    let text = match error {
        Aee::SUCCESS => String::new(),
        code => format!("close: {code}"),
    };
    let capacities = call.capacities();
    call.reply_with(
        &capacities,
        &CloseReply {
            error,
            error_text: Text::from(text.as_str()),
        },
    );
}
