//! adsp_perf (handle 6) and adsp_perf1 (handle 9): what calls cost on the DSP. Only asked when the user enables it.
//!
//! Source: `src/adsp_perf_stub.c`, `src/adsp_perf1_stub.c` of qualcomm/fastrpc.

use super::Cap;

interface! {
    /// Measures what this key stands for.
    0 "enable" Enable {
        /// Key.
        index: i32,
    }
    /// What was measured.
    1 "get_usecs" GetUsecs {
        /// Capacity in stamps.
        stamps: Cap<8>,
    } => GetUsecsReply {
        /// For each key microseconds, or a number of calls.
        stamps: Vec<i64>,
    }
    /// Names of the keys.
    2 "get_keys" GetKeys {
        /// Capacity in bytes.
        keys: Cap<1>,
    } => GetKeysReply {
        /// Bytes that the names take with their NULs: the example in `inc/adsp_perf.h` compares it with the size of its buffer.
        max_len: i32,
        /// Number of keys.
        count: i32,
        /// The names, one after the other, each with its NUL.
        keys: Vec<u8>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Reply};

    #[test]
    fn vectors() {
        let request = Request::GetUsecs(GetUsecs { stamps: Cap(3) });
        let payload = request.payload(Kind::Handle64);
        assert_eq!(
            (payload.sc, payload.outs.clone()),
            (Scalars(0x0301_0100), vec![24])
        );
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(request));
        let reply = GetUsecsReply {
            stamps: vec![1, -2, 3],
        };
        assert_eq!(
            GetUsecsReply::parse(&reply.encode(&payload.outs).unwrap()),
            Ok(reply)
        );
        let request = Request::GetKeys(GetKeys { keys: Cap(100) });
        assert_eq!(request.payload(Kind::Handle64).sc, Scalars(0x0401_0200));
        assert_eq!(request.payload(Kind::Handle64).outs, [8, 100]);
        assert_eq!(
            Request::Enable(Enable { index: 1 }).payload(Kind::Plain).sc,
            Scalars(0x0001_0000)
        );
    }
}
