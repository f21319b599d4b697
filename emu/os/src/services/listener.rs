//! adsp_listener (handle 3) and adsp_listener1 (handle 7): the AP's end of the reverse tunnel. Both are served alike, because the
//! library falls back from the second to the first. The rules are in [`tunnel`](super::tunnel).

use rpmsg::iface::Kind;
use rpmsg::iface::listener::{GetInBufs2Reply, Request};

use super::call::ApCall;
use super::pd::Pd;
use super::tunnel::Previous;

/// Serves one call.
pub(super) fn serve(pd: &Pd, call: ApCall, kind: Kind) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    pd.tunnel.called(kind);
    match Request::parse(&payload, kind) {
        Ok(Request::Init(_) | Request::Init2(_)) => match pd.tunnel.init() {
            Ok(()) => call.done(),
            Err(code) => call.refuse(code, "the process exits"),
        },
        Ok(Request::Next2(next)) => {
            let previous = Previous {
                ctx: next.prev_ctx,
                result: next.prev_result.cast_unsigned(),
                pack: next.prev_bufs,
            };
            pd.tunnel.next(call, previous, next.bufs.0);
        }
        Ok(Request::GetInBufs2(get)) => match pd.tunnel.fetch(get.ctx, get.offset, get.bufs.0) {
            Ok((total, bufs)) => {
                let reply = GetInBufs2Reply {
                    bufs_len_req: total,
                    bufs,
                };
                call.reply_with(&payload.outs, &reply);
            }
            Err(code) => call.refuse(code, "no such request"),
        },
        Err(e) => call.refuse_payload(&e),
    }
}
