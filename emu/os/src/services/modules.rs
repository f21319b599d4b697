//! Calls of module handles: of what was opened through remotectl, built-in module or skeleton.
//!
//! A skeleton runs in the session's DSP process with its buffers in place; a built-in module is one of the services here, under
//! the name by which the AP's library opens it.

use std::sync::Arc;

use rpmsg::Aee;
use rpmsg::fastrpc::Arg;

use super::built_in::BuiltIn;
use super::call::ApCall;
use super::pd::{MappingKind, Origin, Pd};
use super::stats::{Counters, add, count};
use super::{adspmsgd, current_process, default_listener, dspqueue};
use crate::call_times::Part;
use crate::invocation;

/// Serves a call of a module handle.
pub(super) fn serve(pd: &Arc<Pd>, call: ApCall, counters: &Arc<Counters>) {
    let handle = call.message().handle;
    let (module, exiting) = {
        let state = pd.state();
        (state.modules.get(&handle).copied(), state.exiting)
    };
    if exiting {
        return call.refuse(Aee::BAD_STATE, "the process exits");
    }
    count(&counters.module_calls);
    match module {
        Some(BuiltIn::DefaultListener(kind)) => default_listener::serve(call, kind),
        Some(BuiltIn::CurrentProcess(kind)) => current_process::serve(pd, call, kind),
        Some(BuiltIn::Adspmsgd(kind)) => adspmsgd::serve(call, kind),
        Some(BuiltIn::Dspqueue) => dspqueue::serve(pd, call),
        // A skeleton's, or nobody's, which the process says.
        None => invoke(pd, call, counters),
    }
}

fn invoke(pd: &Arc<Pd>, call: ApCall, counters: &Counters) {
    let args: Vec<invocation::Arg> = call.args().iter().map(argument).collect();
    let mapped: u64 = call.args().iter().map(|arg| u64::from(arg.len())).sum();
    add(&counters.bytes_mapped, mapped);
    let message = call.message();
    let invocation = invocation::Invocation {
        handle: message.handle,
        sc: message.sc.0,
        args,
        tid: message.tid,
        ctx: message.ctx.0,
    };
    let times = pd.process.call_times();
    times.took(Part::ReadHeader, call.reading());
    let owner = Arc::clone(pd);
    pd.process.invoke(
        invocation,
        Box::new(move |retval| {
            if retval == Aee::GONE {
                owner.note_crash();
                return finish(&owner, call.given_up(), retval);
            }
            let times = owner.process.call_times();
            let begun = times.begin(Part::Answer);
            finish(&owner, call, retval);
            times.end(Part::Answer, begun);
        }),
    );
}

fn argument(arg: &Arg) -> invocation::Arg {
    match *arg {
        Arg::Buffer { iova, len, .. } => invocation::Arg::Buffer { iova, len },
        // The page entry is the whole dma-buf (`fastrpc_get_args` of fastrpc.c, its QDA namesake): the length beside the
        // offset is what the library had registered for the descriptor, counted from the start too, or anything.
        Arg::Handle {
            fd,
            offset,
            page: Some(page),
            ..
        } => invocation::Arg::Handle {
            fd,
            offset,
            len: u32::try_from(page.size).unwrap_or(u32::MAX),
            iova: page.addr,
        },
        // A handle that was never registered: the skeleton gets the number and finds no memory behind it.
        Arg::Handle { fd, offset, .. } => invocation::Arg::Handle {
            fd,
            offset,
            len: 0,
            iova: 0,
        },
        Arg::Empty => invocation::Arg::Empty,
    }
}

/// Answers a skeleton's call, and hands DMA handles back: each one with memory behind it made the kernel map the whole buffer, once
/// a call. A buffer that is also mapped by MEM_MAP must not be named, because the kernel would drop that mapping instead.
fn finish(pd: &Pd, call: ApCall, retval: Aee) {
    let (drop_fds, poll) = {
        let mut state = pd.state();
        let mut fds = std::mem::take(&mut state.drop_fds);
        for arg in call.args() {
            if let Arg::Handle {
                fd, page: Some(_), ..
            } = *arg
                && !state.mappings.values().any(|m| m.kind == MappingKind::Buffer(fd))
            {
                fds.push(fd);
            }
        }
        (fds, state.poll && matches!(pd.origin, Origin::Created { .. }))
    };
    let later = call.finish_module_call(retval, &drop_fds, poll);
    if !later.is_empty() {
        pd.state().drop_fds.extend(later);
    }
}
