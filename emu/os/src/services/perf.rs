//! adsp_perf (handle 6) and adsp_perf1 (handle 9): counters of the firmware's own dispatch path. There is no such path here, so all
//! of it is refused as unsupported, which the AP's library tolerates.

use rpmsg::Aee;
use rpmsg::iface::{Kind, perf::Request};

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
