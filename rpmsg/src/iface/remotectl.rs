//! remotectl (handle 0) and remotectl1 (handle 8): opening and closing modules.
//!
//! Source: `src/remotectl_stub.c`, `src/remotectl1_stub.c` of qualcomm/fastrpc. A failed open is return value 0 with `error` set
//! and handle 0; a non-zero return value makes the library fall back to handle 0 for the rest of the session
//! (docs/protocol.md#remotectl).

use super::{Cap, Text};
use crate::aee::Aee;

interface! {
    /// Opens a module by URI or plain name.
    0 "open" Open {
        /// `file:///lib.so?symbol&_modver=1.0&_dom=cdsp`, or a plain name.
        name: Text,
        /// Capacity for the error text.
        error_text: Cap<1>,
    } => OpenReply {
        /// Handle for later calls, above [`LAST_RESERVED`](super::handle::LAST_RESERVED); 0 on failure.
        handle: u32,
        /// What went wrong.
        error: Aee,
        /// What went wrong, in words.
        error_text: Text,
    }
    /// Closes a module.
    1 "close" Close {
        /// Handle from `open`.
        handle: u32,
        /// Capacity for the error text.
        error_text: Cap<1>,
    } => CloseReply {
        /// What went wrong.
        error: Aee,
        /// What went wrong, in words.
        error_text: Text,
    }
    /// Legacy heap growth; the library does not use it.
    2 "grow_heap" GrowHeap {
        /// Physical address.
        address: u32,
        /// Size in bytes.
        size: u32,
    }
    /// Sets parameters of the session.
    3 "set_param" SetParam {
        /// [`THREAD_PARAMS`] or [`ADAPTIVE_QOS`].
        request: u32,
        /// Values, as the request says.
        values: Vec<u32>,
    }
}

/// [`SetParam::request`]: values are {priority, stack size in bytes} for the threads that run calls.
pub const THREAD_PARAMS: u32 = 1;
/// [`SetParam::request`]: value is 2 to enable adaptive quality of service, 0 to disable it.
pub const ADAPTIVE_QOS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Payload, PayloadError, Reply};

    fn open() -> Payload {
        Payload {
            sc: Scalars(0x0202_0200),
            ins: vec![vec![4, 0, 0, 0, 255, 0, 0, 0], b"abc\0".to_vec()],
            outs: vec![8, 255],
        }
    }

    #[test]
    fn open1_vector() {
        let request = Request::Open(Open {
            name: "abc".into(),
            error_text: Cap(255),
        });
        assert_eq!(Request::parse(&open(), Kind::Handle64), Ok(request.clone()));
        assert_eq!(request.payload(Kind::Handle64), open());
        assert_eq!(request.payload(Kind::Plain).sc, Scalars(0x0002_0200));
        let reply = OpenReply {
            handle: 0x35f0_8490,
            error: Aee::SUCCESS,
            error_text: Text::default(),
        };
        let outs = reply.encode(&open().outs).unwrap();
        assert_eq!(outs, [vec![0x90, 0x84, 0xf0, 0x35, 0, 0, 0, 0], vec![0; 255]]);
        assert_eq!(OpenReply::parse(&outs), Ok(reply));
    }

    /// all-7.3.4, event 586: {reqID 1, count 2, {0x8e, 0x4000}}.
    #[test]
    fn set_param_vector() {
        let request = Request::SetParam(SetParam {
            request: THREAD_PARAMS,
            values: vec![0x8e, 0x4000],
        });
        let payload = request.payload(Kind::Handle64);
        assert_eq!(payload.sc, Scalars(0x0502_0000));
        assert_eq!(
            payload.ins,
            [vec![1, 0, 0, 0, 2, 0, 0, 0], vec![0x8e, 0, 0, 0, 0, 0x40, 0, 0]]
        );
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(request));
    }

    #[test]
    fn malformed_opens_are_refused() {
        let parse = |p: &Payload| Request::parse(p, Kind::Handle64);
        let mut p = open();
        p.ins[1] = b"abcd".to_vec();
        assert_eq!(parse(&p), Err(PayloadError::NotTerminated));
        p.ins[1] = b"ab\0".to_vec();
        assert_eq!(parse(&p), Err(PayloadError::Length { claimed: 4, found: 3 }));
        let mut p = open();
        p.ins[0] = vec![0; 8];
        assert_eq!(parse(&p), Err(PayloadError::NotTerminated));
        p.ins[0] = vec![4, 0, 0];
        assert!(matches!(parse(&p), Err(PayloadError::Truncated(_))));
        let mut p = open();
        p.outs = vec![8, 254];
        assert_eq!(
            parse(&p),
            Err(PayloadError::Capacity {
                need: 255,
                found: 254
            })
        );
        p.outs = vec![7, 255];
        assert_eq!(parse(&p), Err(PayloadError::Capacity { need: 8, found: 7 }));
        let mut p = open();
        p.sc = Scalars(0x0202_0210);
        assert!(matches!(
            parse(&p),
            Err(PayloadError::Count { what: "handles", .. })
        ));
        p.sc = Scalars(0x1E02_0200);
        assert_eq!(parse(&p), Err(PayloadError::UnknownMethod(30)));
    }
}
