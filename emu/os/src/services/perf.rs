//! adsp_perf (handle 6) and adsp_perf1 (handle 9): what the session's calls cost. The library asks when `FASTRPC_PERF_ADSP` is set.
//!
//! The session has one set of [counters](crate::call_times), whichever handle asks. Attribute 128 stays 0: it would make the library
//! ask the driver for the times with each call, which mainline drivers do not have, and fail every call
//! (`ioctl_invoke` in `src/fastrpc_ioctl.c` of qualcomm/fastrpc).

use rpmsg::Aee;
use rpmsg::iface::{
    Kind,
    perf::{GetKeysReply, GetUsecsReply, Request},
};

use super::call::ApCall;
use super::pd::Pd;
use crate::call_times::KEYS;

/// Serves one call.
pub(super) fn serve(pd: &Pd, call: ApCall, kind: Kind) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    let times = pd.process.call_times();
    match Request::parse(&payload, kind) {
        Ok(Request::Enable(request)) => match usize::try_from(request.index) {
            Ok(key) if times.enable(key) => call.done(),
            _ => call.refuse(Aee::BAD_PARM, "there is no such key"),
        },
        Ok(Request::GetUsecs(request)) => {
            let mut stamps = times.read().to_vec();
            // Room for more than there are keys stays as it is: nobody looks there.
            stamps.truncate(usize::try_from(request.stamps.0).unwrap_or(usize::MAX));
            call.reply_with(&payload.outs, &GetUsecsReply { stamps });
        }
        Ok(Request::GetKeys(request)) => match keys() {
            keys if keys.len() > usize::try_from(request.keys.0).unwrap_or(usize::MAX) => {
                call.refuse(Aee::BUFFER_TOO_SMALL, "the names of the keys do not fit");
            }
            keys => call.reply_with(
                &payload.outs,
                &GetKeysReply {
                    max_len: i32::try_from(keys.len()).unwrap_or(i32::MAX),
                    count: i32::try_from(KEYS.len()).unwrap_or(i32::MAX),
                    keys,
                },
            ),
        },
        Err(e) => call.refuse_payload(&e),
    }
}

/// The names, each with its NUL.
fn keys() -> Vec<u8> {
    KEYS.iter()
        .flat_map(|(_, name)| name.bytes().chain([0]))
        .collect()
}
