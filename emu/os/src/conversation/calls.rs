//! FastRPC calls as their messages tell them, each with a number of its own.
//!
//! A context is what a driver finds a call by, and drivers give it out again, QDA even while the DSP still works on the call that
//! had it; so it is no identity. Each request gets a [`CallId`] when it arrives, which is what everything else is keyed by.
//!
//! An answer has nothing but the context. It belongs to the newest call of it that is open, which is the one that the driver finds;
//! when that one is answered, the next answer belongs to the older one that the DSP still owes; and one that nobody is owed comes
//! twice. While several are open this is a rule and no knowledge, which [`Answered::older`] says. It is decided here and nowhere
//! else.

use emu_core::mem::Bus;
use rpmsg::fastrpc::{Addressing, Arg, ArgError, Message, MessageError, Response, parse_args, snapshot_len};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// The newest call of the same context that is open: the driver has given the context out again.
    pub reuses: Option<CallId>,
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
    /// The newest of the older calls of the context that are open, too: the answer may be its.
    pub older: Option<CallId>,
}

/// The calls of one DSP. Bounded.
#[derive(Debug, Default)]
pub struct Calls {
    addressing: Addressing,
    streams: BTreeMap<u32, u16>,
    next: u64,
    open: BTreeMap<CallId, Call>,
    over: BTreeMap<CallId, Call>,
    /// Open ones by context.
    open_of: HashMap<u64, BTreeSet<CallId>>,
    /// The newest of those that are over, by context.
    over_of: HashMap<u64, CallId>,
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
        self.open_of.clear();
        self.over_of.clear();
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
        let ctx = call.message.ctx.0;
        let reuses = self.open_of(ctx).next();
        self.open.insert(id, call);
        self.open_of.entry(ctx).or_default().insert(id);
        if self.open.len() > MAX_OPEN
            && let Some((oldest, call)) = self.open.pop_first()
        {
            self.not_open(oldest, call.message.ctx.0);
        }
        Ok(Request {
            id,
            call,
            reuses,
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
        let call = self.of_context(ctx.0);
        let mut others = self
            .open_of(ctx.0)
            .filter(|id| call.is_none_or(|(of, _)| of != *id));
        Some(Answered {
            ctx: ctx.0,
            retval,
            call,
            older: others.next(),
        })
    }

    /// The call that an answer with this context belongs to.
    #[must_use]
    pub fn of_context(&self, ctx: u64) -> Option<(CallId, Call)> {
        if let Some(id) = self.open_of(ctx).next() {
            return self.open.get(&id).map(|call| (id, *call));
        }
        let id = *self.over_of.get(&ctx)?;
        self.over.get(&id).map(|call| (id, *call))
    }

    /// The calls of a context that are open, in the order in which answers belong to them: the newest first.
    pub fn open_of(&self, ctx: u64) -> impl Iterator<Item = CallId> + '_ {
        let open = self.open_of.get(&ctx);
        open.into_iter().flat_map(|open| open.iter().rev().copied())
    }

    /// A call is over.
    fn end(&mut self, id: CallId) {
        let Some(call) = self.open.remove(&id) else { return };
        let ctx = call.message.ctx.0;
        self.not_open(id, ctx);
        self.over.insert(id, call);
        let newest = self.over_of.entry(ctx).or_insert(id);
        *newest = (*newest).max(id);
        if self.over.len() > MAX_OVER
            && let Some((oldest, call)) = self.over.pop_first()
            && self.over_of.get(&call.message.ctx.0) == Some(&oldest)
        {
            self.over_of.remove(&call.message.ctx.0);
        }
    }

    fn not_open(&mut self, id: CallId, ctx: u64) {
        if let Some(open) = self.open_of.get_mut(&ctx) {
            open.remove(&id);
            if open.is_empty() {
                self.open_of.remove(&ctx);
            }
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
        assert_eq!(second.reuses, None, "the first was answered");
        assert!(second.id > first.id);
        assert_eq!(answer(&mut calls, 0x10), Some(second.id));
        assert_eq!(answer(&mut calls, 0x10), Some(second.id), "twice");
        let third = request(&mut calls, 0x10);
        assert_eq!(answer(&mut calls, 0x20), None);
        calls.clear();
        assert_eq!(answer(&mut calls, 0x10), None);
        assert!(request(&mut calls, 0x10).id > third.id);
    }

    /// QDA gives a number out again when a signal has ended the wait for its answer, which the DSP gives later all the same.
    #[test]
    fn a_context_of_two_open_calls_is_answered_twice_the_newer_call_first() {
        let mut calls = Calls::default();
        let older = request(&mut calls, 0x10);
        let newer = request(&mut calls, 0x10);
        assert_eq!((older.reuses, newer.reuses), (None, Some(older.id)));
        assert_eq!(calls.open_of(0x10).collect::<Vec<_>>(), [newer.id, older.id]);
        let bytes = Response {
            ctx: Ctx(0x10),
            retval: 0,
        };
        let first = calls.answer(&bytes.encode()).unwrap();
        assert_eq!((first.call.unwrap().0, first.older), (newer.id, Some(older.id)));
        let second = calls.answer(&bytes.encode()).unwrap();
        assert_eq!((second.call.unwrap().0, second.older), (older.id, None));
        let third = calls.answer(&bytes.encode()).unwrap();
        assert_eq!((third.call.unwrap().0, third.older), (newer.id, None), "twice");
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
        assert_eq!((calls.open.len(), calls.open_of.len()), (MAX_OPEN, MAX_OPEN));
        assert_eq!(answer(&mut calls, 0), None);
        for ctx in 0..3 * MAX_OPEN as u64 {
            answer(&mut calls, ctx);
        }
        assert_eq!((calls.over.len(), calls.over_of.len()), (MAX_OVER, MAX_OVER));
        assert!(calls.open_of.is_empty());
        for _ in 0..3 * MAX_OPEN as u64 {
            request(&mut calls, 7);
        }
        assert_eq!((calls.open.len(), calls.open_of(7).count()), (MAX_OPEN, MAX_OPEN));
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
                prop_assert_eq!(calls.open_of.values().map(BTreeSet::len).sum::<usize>(), calls.open.len());
                prop_assert!(calls.open_of.values().flatten().all(|id| calls.open.contains_key(id)));
                prop_assert!(calls.over_of.values().all(|id| calls.over.contains_key(id)));
            }
        }
    }
}
