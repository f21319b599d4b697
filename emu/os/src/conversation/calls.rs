//! FastRPC calls as their messages tell them, each with a number of its own.
//!
//! A context is what a driver finds a call by, and drivers give it out again; so it is no identity. Each request gets a [`CallId`]
//! when it arrives, which is what everything else is keyed by. An answer has nothing but the context: it belongs to the newest
//! call of it. That is decided here and nowhere else.

use emu_core::mem::Bus;
use rpmsg::fastrpc::{Addressing, Arg, ArgError, Message, MessageError, Response, parse_args, snapshot_len};
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

/// Calls without answer that are remembered. A driver has 255 contexts; QDA's are not bounded.
const MAX_OPEN: usize = 4096;
/// Calls that are over and remembered, for answers that come twice.
const MAX_OVER: usize = 1024;

/// The number of a call: in the order in which the requests arrived, and never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

/// A call as its request tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The request.
    pub message: Message,
    /// Session ID, which is the process that it calls; 0 for addresses that do not pass the SMMU.
    pub sid: u32,
    /// The session's stream; `None` if the DSP has no such session.
    pub stream: Option<u16>,
    /// Device address of the invoke buffer, session ID stripped.
    pub iova: u64,
}

/// What a request's invoke buffer says of the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arguments {
    /// It is not mapped, or there is no such session.
    NotMapped,
    /// It was read.
    Read {
        /// The descriptors as they stood there.
        descriptors: Vec<u8>,
        /// What they say, in wire order.
        args: Result<Vec<Arg>, ArgError>,
    },
}

impl Arguments {
    /// What descriptors of a request say.
    #[must_use]
    pub fn decode(message: &Message, descriptors: Vec<u8>, addressing: &Addressing) -> Self {
        let args = parse_args(message, &descriptors, addressing);
        Self::Read { descriptors, args }
    }

    /// The descriptors; none if they could not be read.
    #[must_use]
    pub fn descriptors(&self) -> &[u8] {
        match self {
            Self::Read { descriptors, .. } => descriptors,
            Self::NotMapped => &[],
        }
    }

    /// The arguments; none if they make no sense.
    #[must_use]
    pub fn args(&self) -> &[Arg] {
        match self {
            Self::Read { args: Ok(args), .. } => args,
            Self::Read { .. } | Self::NotMapped => &[],
        }
    }
}

/// A request that arrived.
#[derive(Debug)]
pub struct Request {
    /// The call's number.
    pub id: CallId,
    /// The call.
    pub call: Call,
    /// The call of the same context that was not answered: the driver has given the context out again.
    pub replaces: Option<CallId>,
    /// Whether size and address can be.
    pub check: Result<(), MessageError>,
    addressing: Addressing,
    arguments: OnceCell<Arguments>,
}

impl Request {
    /// The arguments: whoever asks first has the invoke buffer read, without a transaction ([`Bus::look_at`]). At most 22 KiB,
    /// which the message's counts bound.
    pub fn arguments(&self, bus: &Bus) -> &Arguments {
        self.arguments.get_or_init(|| {
            let Call {
                message,
                stream,
                iova,
                ..
            } = self.call;
            let mut descriptors = vec![0; usize::try_from(snapshot_len(message.sc)).unwrap_or_default()];
            match stream {
                Some(stream) if bus.look_at(stream, iova, &mut descriptors) => {
                    Arguments::decode(&message, descriptors, &self.addressing)
                }
                _ => Arguments::NotMapped,
            }
        })
    }
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The context that it names.
    pub ctx: u64,
    /// Return value.
    pub retval: u32,
    /// The call, if it is known; an answer that comes twice has it twice.
    pub call: Option<(CallId, Call)>,
}

/// The calls of one DSP. Bounded.
#[derive(Debug, Default)]
pub struct Calls {
    addressing: Addressing,
    streams: BTreeMap<u32, u16>,
    next: u64,
    open: BTreeMap<CallId, Call>,
    over: BTreeMap<CallId, Call>,
    /// By context.
    newest: HashMap<u64, CallId>,
}

impl Calls {
    /// Of a DSP with such device addresses and sessions.
    #[must_use]
    pub fn new(addressing: Addressing, streams: BTreeMap<u32, u16>) -> Self {
        let mut calls = Self::default();
        calls.restart(addressing, streams);
        calls
    }

    /// Forgets all calls, and goes on with such device addresses and sessions. Numbers are not given again.
    pub fn restart(&mut self, addressing: Addressing, streams: BTreeMap<u32, u16>) {
        (self.addressing, self.streams) = (addressing, streams);
        self.clear();
    }

    /// Forgets all calls; numbers are not given again.
    pub fn clear(&mut self) {
        self.open.clear();
        self.over.clear();
        self.newest.clear();
    }

    /// What the bytes of a request say.
    ///
    /// # Errors
    /// They are none.
    pub fn decode(&self, bytes: &[u8]) -> Result<Call, MessageError> {
        let message = Message::parse(bytes)?;
        let (sid, iova) = self.addressing.split(message.addr);
        Ok(Call {
            message,
            sid,
            stream: self.streams.get(&sid).copied(),
            iova,
        })
    }

    /// A request arrives.
    ///
    /// # Errors
    /// It is none.
    pub fn request(&mut self, bytes: &[u8]) -> Result<Request, MessageError> {
        let call = self.decode(bytes)?;
        let id = CallId(self.next);
        self.next = self.next.wrapping_add(1);
        let before = self.newest.insert(call.message.ctx.0, id);
        let replaces = before.filter(|before| self.end(*before));
        self.open.insert(id, call);
        if self.open.len() > MAX_OPEN {
            let oldest = self.open.pop_first();
            self.forget(oldest);
        }
        Ok(Request {
            id,
            call,
            replaces,
            check: call.message.check(&self.addressing),
            addressing: self.addressing,
            arguments: OnceCell::new(),
        })
    }

    /// An answer goes out; `None` if the message is none.
    pub fn answer(&mut self, bytes: &[u8]) -> Option<Answered> {
        let answer = self.decode_answer(bytes)?;
        if let Some((id, _)) = answer.call {
            self.end(id);
        }
        Some(answer)
    }

    /// A message of the DSP's as an answer that did not go out (yet).
    #[must_use]
    pub fn decode_answer(&self, bytes: &[u8]) -> Option<Answered> {
        let Response { ctx, retval } = Response::parse(bytes).ok()?;
        Some(Answered {
            ctx: ctx.0,
            retval,
            call: self.of_context(ctx.0),
        })
    }

    /// The call that an answer with this context belongs to.
    #[must_use]
    pub fn of_context(&self, ctx: u64) -> Option<(CallId, Call)> {
        let id = *self.newest.get(&ctx)?;
        let call = self.open.get(&id).or_else(|| self.over.get(&id))?;
        Some((id, *call))
    }

    /// A call is over; whether it was open.
    fn end(&mut self, id: CallId) -> bool {
        let Some(call) = self.open.remove(&id) else {
            return false;
        };
        self.over.insert(id, call);
        if self.over.len() > MAX_OVER {
            let oldest = self.over.pop_first();
            self.forget(oldest);
        }
        true
    }

    fn forget(&mut self, call: Option<(CallId, Call)>) {
        let Some((id, call)) = call else { return };
        if self.newest.get(&call.message.ctx.0) == Some(&id) {
            self.newest.remove(&call.message.ctx.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use rpmsg::fastrpc::{Ctx, Scalars};

    fn request(calls: &mut Calls, ctx: u64) -> Request {
        let message = Message {
            client_id: 1,
            tid: 1,
            ctx: Ctx(ctx),
            handle: 3,
            sc: Scalars::new(2, 1, 1),
            addr: 0x1_4000_0000,
            size: 0x1000,
        };
        calls.request(&message.encode()).unwrap()
    }

    fn answer(calls: &mut Calls, ctx: u64) -> Option<CallId> {
        let bytes = Response {
            ctx: Ctx(ctx),
            retval: 0,
        };
        let answered = calls.answer(&bytes.encode()).unwrap();
        answered.call.map(|(id, _)| id)
    }

    #[test]
    fn a_context_that_is_given_out_again_is_another_call() {
        let mut calls = Calls::default();
        let first = request(&mut calls, 0x10);
        assert_eq!(answer(&mut calls, 0x10), Some(first.id));
        let second = request(&mut calls, 0x10);
        assert_eq!(second.replaces, None, "the first was answered");
        assert!(second.id > first.id);
        let third = request(&mut calls, 0x10);
        assert_eq!(third.replaces, Some(second.id));
        assert_eq!(answer(&mut calls, 0x10), Some(third.id));
        assert_eq!(answer(&mut calls, 0x10), Some(third.id), "twice");
        assert_eq!(answer(&mut calls, 0x20), None);
        calls.clear();
        assert_eq!(answer(&mut calls, 0x10), None);
        assert!(request(&mut calls, 0x10).id > third.id);
    }

    /// A parked call stays open for a whole run, whatever passes meanwhile.
    #[test]
    fn an_open_call_is_remembered_while_others_come_and_go() {
        let mut calls = Calls::default();
        let parked = request(&mut calls, 1);
        for ctx in 2..20_000 {
            let id = request(&mut calls, ctx).id;
            assert_eq!(answer(&mut calls, ctx), Some(id));
        }
        assert_eq!(answer(&mut calls, 1), Some(parked.id));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut calls = Calls::default();
        for ctx in 0..3 * MAX_OPEN as u64 {
            request(&mut calls, ctx);
        }
        assert_eq!((calls.open.len(), calls.newest.len()), (MAX_OPEN, MAX_OPEN));
        assert_eq!(answer(&mut calls, 0), None);
        for ctx in 0..3 * MAX_OPEN as u64 {
            answer(&mut calls, ctx);
        }
        assert_eq!((calls.over.len(), calls.newest.len()), (MAX_OVER, MAX_OVER));
    }

    proptest! {
        #[test]
        fn any_messages_are_calls_or_nothing(
            messages in vec((any::<bool>(), vec(any::<u8>(), 0..48), any::<bool>()), 0..40)
        ) {
            let mut calls = Calls::default();
            for (request, mut bytes, whole) in messages {
                if whole {
                    // Few contexts, so that they meet.
                    bytes.resize(if request { Message::SIZE } else { 16 }, 0);
                    let at = if request { 8 } else { 0 };
                    let ctx = u64::from(bytes[0] % 4);
                    bytes[at..at + 8].copy_from_slice(&ctx.to_le_bytes());
                }
                if request {
                    let _ = calls.request(&bytes);
                } else {
                    let _ = calls.answer(&bytes);
                }
                prop_assert!(calls.newest.values().all(|id| calls.open.contains_key(id) || calls.over.contains_key(id)));
            }
        }
    }
}
