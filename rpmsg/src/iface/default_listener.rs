//! adsp_default_listener(1): a daemon offers its listener for the reverse calls of the root or a static process.
//!
//! Source: `src/adsp_default_listener.c` of qualcomm/fastrpc. Opened through remotectl either as the plain name
//! `adsp_default_listener` or as the URI of `libadsp_default_listener1_skel.so` (docs/protocol.md#default-listener).

interface! {
    /// Makes this session's listener the default one.
    0 "register" Register {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Payload};

    #[test]
    fn both_kinds() {
        let plain = Payload::default();
        let handle64 = Payload {
            sc: Scalars(0x0200_0000),
            ..Payload::default()
        };
        assert_eq!(
            Request::parse(&plain, Kind::Plain),
            Ok(Request::Register(Register {}))
        );
        assert_eq!(
            Request::parse(&handle64, Kind::Handle64),
            Ok(Request::Register(Register {}))
        );
    }
}
