//! dspqueue_rpc: packet queues in shared memory, set up and signalled by calls.
//!
//! Source: `src/dspqueue/dspqueue_rpc_stub.c` of qualcomm/fastrpc. The module is opened by URI.

interface! {
    /// Names the buffer with the process's packet counters.
    0 "init_process_state" InitProcessState {
        /// Its fd, mapped before.
        fd: i32,
    }
    /// Makes a queue.
    1 "create_queue" CreateQueue {
        /// Slot, 0..=63.
        id: u32,
        /// fd of its buffer, mapped before.
        fd: i32,
        /// How many queues the process has made in this slot.
        count: u32,
    } => CreateQueueReply {
        /// Non-zero ID for the application.
        queue_id: u64,
    }
    /// Removes a queue.
    2 "destroy_queue" DestroyQueue {
        /// From `create_queue`.
        queue_id: u64,
    }
    /// Whether a skeleton holds the queue.
    3 "is_imported" IsImported {
        /// From `create_queue`.
        queue_id: u64,
    } => IsImportedReply {
        /// 1 if so.
        imported: i32,
    }
    /// Waits for news in any queue.
    4 "wait_signal" WaitSignal {} => WaitSignalReply {
        /// -1 after `cancel_wait_signal`, anything else for news.
        signal: i32,
    }
    /// Ends the wait.
    5 "cancel_wait_signal" CancelWaitSignal {}
    /// There is news for the DSP in some queue.
    6 "signal" Signal {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::Kind;

    #[test]
    fn scalars_of_every_method() {
        let sc = |r: Request| {
            let payload = r.payload(Kind::Handle64);
            assert_eq!(Request::parse(&payload, Kind::Handle64), Ok(r));
            payload.sc
        };
        assert_eq!(sc(InitProcessState { fd: 3 }.into()), Scalars(0x0201_0000));
        assert_eq!(
            sc(CreateQueue {
                id: 0,
                fd: 4,
                count: 1
            }
            .into()),
            Scalars(0x0301_0100)
        );
        assert_eq!(sc(DestroyQueue { queue_id: 9 }.into()), Scalars(0x0401_0000));
        assert_eq!(sc(IsImported { queue_id: 9 }.into()), Scalars(0x0501_0100));
        assert_eq!(sc(WaitSignal {}.into()), Scalars(0x0600_0100));
        assert_eq!(sc(CancelWaitSignal {}.into()), Scalars(0x0700_0000));
        assert_eq!(sc(Signal {}.into()), Scalars(0x0800_0000));
    }
}
