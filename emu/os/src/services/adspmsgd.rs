//! adspmsgd_adsp1 (handle 5): how the AP's library asks for the DSP's log.
//!
//! It wants a ring in shared memory (`init3`, `init2`) and a parked `wait`. All of it is refused as unsupported, which the library
//! tolerates; log lines go through `adspmsgd_apps.log` instead ([`farf`](super::farf)).

use rpmsg::Aee;
use rpmsg::iface::{Kind, adspmsgd::Request};

use super::call::ApCall;

/// Serves one call.
pub(super) fn serve(call: ApCall, kind: Kind) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    match Request::parse(&payload, kind) {
        Ok(request) => call.refuse(Aee::UNSUPPORTED, request.name()),
        Err(e) => call.refuse_payload(&e),
    }
}
