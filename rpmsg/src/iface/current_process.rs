//! adsp_current_process1 (handle 4): a process's own affairs. The plain variant adsp_current_process is opened by name.
//!
//! Source: `src/adsp_current_process1_stub.c` of qualcomm/fastrpc.

use super::Texts;

interface! {
    /// The session ends: parked calls must fail at once, the release follows.
    0 "exit" Exit {}
    /// A thread that made calls has ended. Also sent for threads this process has never seen.
    1 "thread_exit" ThreadExit {}
    /// Log mask and the files that it is for.
    2 "set_logging_params" SetLoggingParams {
        /// Levels.
        mask: u16,
        /// File names.
        files: Texts,
    }
    /// The process's address space ID.
    3 "getASID" GetAsid {} => GetAsidReply {
        /// Address space ID.
        asid: u32,
    }
    /// Wanted latency.
    4 "setQoS" SetQos {
        /// Microseconds.
        latency_us: u32,
    }
    /// Crash this process.
    5 "exception" Exception {}
    /// Log mask and the files that it is for.
    6 "set_logging_params2" SetLoggingParams2 {
        /// Levels.
        mask: u32,
        /// File names.
        files: Texts,
    }
    /// Answer through the poll word too.
    7 "poll_mode" PollMode {
        /// 1 on, 0 off.
        enable: u32,
        /// How long the AP polls, in microseconds.
        timeout_us: u32,
    }
    /// Report state changes of the process.
    8 "enable_notifications" EnableNotifications {}
    /// Error codes that shall crash the DSP.
    9 "panic_err_codes" PanicErrCodes {
        /// The codes.
        codes: Vec<i32>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Payload, Text};

    /// farf-7.3.4: no files, so an empty array of lengths.
    #[test]
    fn set_logging_params2_without_files() {
        let payload = Payload {
            sc: Scalars(0x0802_0000),
            ins: vec![vec![0x1f, 0, 0, 0, 0, 0, 0, 0], vec![]],
            outs: vec![],
        };
        let request = Request::SetLoggingParams2(SetLoggingParams2 {
            mask: 0x1f,
            files: Texts::default(),
        });
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(request.clone()));
        assert_eq!(request.payload(Kind::Handle64), payload);
    }

    #[test]
    fn set_logging_params_with_two_files() {
        let files = Texts(vec![Text::from("a.c"), Text::from("bc.c")]);
        let request = Request::SetLoggingParams(SetLoggingParams { mask: 3, files });
        let payload = request.payload(Kind::Handle64);
        assert_eq!(payload.sc, Scalars::new(4, 4, 0));
        assert_eq!(payload.ins[0], [3, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(payload.ins[1], [4, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(request));
    }

    /// poll-qos-7.3.4: {1, 10000}.
    #[test]
    fn poll_mode_vector() {
        let payload = Payload {
            sc: Scalars(0x0901_0000),
            ins: vec![vec![1, 0, 0, 0, 0x10, 0x27, 0, 0]],
            outs: vec![],
        };
        let request = Request::PollMode(PollMode {
            enable: 1,
            timeout_us: 10000,
        });
        assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(request));
    }

    #[test]
    fn exit_takes_nothing() {
        let payload = Payload {
            sc: Scalars(0x0200_0000),
            ..Payload::default()
        };
        assert_eq!(
            Request::parse(&payload, Kind::Handle64),
            Ok(Request::Exit(Exit {}))
        );
        let with_buffer = Payload {
            sc: Scalars(0x0201_0000),
            ins: vec![vec![]],
            outs: vec![],
        };
        assert!(Request::parse(&with_buffer, Kind::Handle64).is_err());
    }
}
