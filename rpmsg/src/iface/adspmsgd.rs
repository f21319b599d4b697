//! adspmsgd_adsp1 (handle 5): the DSP's log daemon, seen from the AP. The plain variant is opened by name.
//!
//! Source: `src/adspmsgd_adsp1_stub.c`, `src/adspmsgd.c` of qualcomm/fastrpc. A DSP may answer everything with
//! [`UNSUPPORTED`](crate::Aee::UNSUPPORTED); the library then does without.

interface! {
    /// Starts logging without a shared buffer.
    0 "init2" Init2 {}
    /// Stops logging.
    1 "deinit" Deinit {}
    /// Starts logging into a buffer that the DSP has the AP allocate.
    2 "init3" Init3 {
        /// rpcmem heap.
        heap_id: i32,
        /// rpcmem flags.
        ion_flags: u32,
        /// Wanted levels.
        filter: u32,
        /// Size of the ring in bytes; its last word is the write index.
        buffer_size: u64,
    } => Init3Reply {
        /// The ring's address in the AP's process.
        buffer: u64,
    }
    /// Waits for log text.
    3 "wait" Wait {} => WaitReply {
        /// Bytes that are new in the ring.
        bytes: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Payload};

    /// cdsprpcd-7.3.4: {0, 0x80000000, 0x10, pad, 0x40000}.
    #[test]
    fn init3_vector() {
        let block = [
            0, 0, 0, 0, 0, 0, 0, 0x80, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0,
        ];
        let payload = Payload {
            sc: Scalars(0x0401_0100),
            ins: vec![block.to_vec()],
            outs: vec![8],
        };
        let request = Request::Init3(Init3 {
            heap_id: 0,
            ion_flags: 0x8000_0000,
            filter: 0x10,
            buffer_size: 0x40000,
        });
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(request.clone()));
        assert_eq!(request.payload(Kind::Handle64), payload);
    }
}
