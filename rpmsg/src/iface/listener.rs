//! adsp_listener (handle 3) and adsp_listener1 (handle 7): the AP parks a thread here, and its answers carry reverse calls.
//!
//! Source: `src/adsp_listener_stub.c`, `src/adsp_listener1_stub.c`, `src/listener_android.c` of qualcomm/fastrpc. The bytes of a
//! reverse call and of its reply are the packs of [`tunnel`](super::tunnel).
//!
//! Deliberately not modelled: `next_invoke` and `invoke_get_in_bufs`, which no library uses any more (unknown methods 0 and 1).

use super::Cap;

interface! {
    /// Legacy start of a listener.
    2 "init" Init {}
    /// Starts a listener.
    3 "init2" Init2 {}
    /// Brings the reply to the reverse call before, and waits for the next one.
    4 "next2" Next2 {
        /// Reverse call that is replied to; 0 in the first call.
        prev_ctx: u32,
        /// Its result: 0, an errno or an AEE code without offset; -1 in the first call.
        prev_result: i32,
        /// Its out-pack, possibly with bytes behind it; empty if `prev_result` is not 0.
        prev_bufs: Vec<u8>,
        /// Capacity for the in-pack. It goes up and down from call to call.
        bufs: Cap<1>,
    } => Next2Reply {
        /// Reverse call, any number but 0.
        ctx: u32,
        /// Handle on the AP.
        handle: u32,
        /// Scalars of the reverse call.
        sc: u32,
        /// Length of the whole in-pack; if it is more than the capacity, the AP fetches the rest with `get_in_bufs2`.
        bufs_len_req: u32,
        /// Its first bytes.
        bufs: Vec<u8>,
    }
    /// Fetches the rest of an in-pack.
    5 "get_in_bufs2" GetInBufs2 {
        /// Reverse call.
        ctx: u32,
        /// Offset of the first byte wanted.
        offset: i32,
        /// Capacity.
        bufs: Cap<1>,
    } => GetInBufs2Reply {
        /// Length of the whole in-pack.
        bufs_len_req: u32,
        /// Bytes from `offset` on.
        bufs: Vec<u8>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Payload, Reply};

    #[test]
    fn first_next2_vector() {
        let payload = Payload {
            sc: Scalars(0x0602_0200),
            ins: vec![
                vec![0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
                vec![],
            ],
            outs: vec![16, 0],
        };
        let first = Next2 {
            prev_ctx: 0,
            prev_result: -1,
            prev_bufs: vec![],
            bufs: Cap(0),
        };
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(first.clone().into()));
        assert_eq!(Request::from(first).payload(Kind::Handle64), payload);
        let reply = Next2Reply {
            ctx: 1,
            handle: 0,
            sc: 0x0002_0200,
            bufs_len_req: 41,
            bufs: vec![],
        };
        let outs = reply.encode(&payload.outs).unwrap();
        assert_eq!(
            outs,
            [vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 41, 0, 0, 0], vec![]]
        );
        assert_eq!(Next2Reply::parse(&outs), Ok(reply));
    }

    #[test]
    fn get_in_bufs2_vector() {
        let payload = Payload {
            sc: Scalars(0x0701_0200),
            ins: vec![vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0]],
            outs: vec![4, 4096],
        };
        let request = Request::GetInBufs2(GetInBufs2 {
            ctx: 1,
            offset: 0,
            bufs: Cap(4096),
        });
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(request.clone()));
        assert_eq!(request.payload(Kind::Handle64), payload);
        assert_eq!(request.payload(Kind::Plain).sc, Scalars(0x0501_0200));
    }
}
