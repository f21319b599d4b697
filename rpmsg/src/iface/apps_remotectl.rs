//! apps_remotectl (handle 0 on the AP): opens the AP's own modules for the DSP.
//!
//! Source: `src/apps_remotectl_skel.c`, `src/listener_android.c` of qualcomm/fastrpc. The text may be filled although the open
//! succeeded (docs/protocol.md#apps_remotectl), and any number is a valid handle, 0 included: only `error` and the result count.

use super::{Cap, Text};

interface! {
    /// Opens a module by name.
    0 "open" Open {
        /// `apps_std`, `apps_mem`, `adspmsgd_apps`, or a library.
        name: Text,
        /// Capacity for the error text.
        error_text: Cap<1>,
    } => OpenReply {
        /// Handle for later calls.
        handle: u32,
        /// 0, or a code without offset (44 for an unknown module).
        error: i32,
        /// The loader's words.
        error_text: Text,
    }
    /// Closes a module.
    1 "close" Close {
        /// Handle from `open`.
        handle: u32,
        /// Capacity for the error text.
        error_text: Cap<1>,
    } => CloseReply {
        /// 0, or a code without offset.
        error: i32,
        /// The loader's words.
        error_text: Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Reply, tunnel::pack_in};

    /// docs/protocol.md#reverse-tunnel, and its reply as recorded.
    #[test]
    fn open_apps_std() {
        let payload = Request::Open(Open {
            name: "apps_std".into(),
            error_text: Cap(255),
        })
        .payload(Kind::Plain);
        assert_eq!(
            (payload.sc, payload.outs.clone()),
            (Scalars(0x0002_0200), vec![8, 255])
        );
        assert_eq!(pack_in(&payload.ins, &payload.outs).len(), 41);
        let mut text = b"libapps_std_skel.so: cannot open".to_vec();
        text.resize(255, 0);
        let reply = OpenReply::parse(&[vec![0xe0, 0xe9, 0xe6, 0xb8, 0, 0, 0, 0], text]).unwrap();
        assert_eq!((reply.handle, reply.error), (0xb8e6_e9e0, 0));
        assert_eq!(reply.error_text.to_lossy(), "libapps_std_skel.so: cannot open");
    }
}
