//! `adsp_default_listener` and `adsp_default_listener1`: a daemon's session becomes the one that serves the reverse calls of the
//! DSP's own processes.
//!
//! The daemons open it by plain name or as `libadsp_default_listener1_skel.so` (docs/protocol.md#default-listener), register, and
//! then wait in `next2` for ever. The processes of this DSP have listeners of their own, so nothing is asked of the daemon.

use rpmsg::iface::{Kind, default_listener::Request};

use super::call::ApCall;

/// Serves one call.
pub(super) fn serve(call: ApCall, kind: Kind) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    match Request::parse(&payload, kind) {
        Ok(Request::Register(_)) => call.done(),
        Err(e) => call.refuse_payload(&e),
    }
}
