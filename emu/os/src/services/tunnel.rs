//! The reverse tunnel: calls from the DSP to the AP.
//!
//! There is no message for them. The AP parks a thread in `adsp_listener.next2`; the DSP answers that call with a request, and
//! the next `next2` brings the reply. One listener thread serves one process, so its reverse calls are strictly serial.
//! Source: `listener_android.c:listener` of the AP's library; docs/protocol.md#reverse-tunnel.
//!
//! The waits are honest in both directions: a reverse call waits a bounded time for a listener to take it, and then as long as
//! the AP needs to work on it, unless the process ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::listener::Next2Reply;
use rpmsg::iface::{Kind, Method, Payload, Reply, tunnel};

use super::call::ApCall;
use super::stats::{Counters, count};

/// Most reverse calls of one process that wait for their turn.
const MAX_QUEUED: usize = 1024;
/// Largest packed input of a reverse call in bytes.
const MAX_PACK: usize = 16 << 20;
/// How often a request is handed out again when the AP lost it (an interrupted `next2` is restarted with the old `prevCtx`).
const MAX_DELIVERIES: u32 = 16;
/// How often the AP may fetch pieces of one request. It enlarges its buffer to fit and fetches once.
const MAX_FETCHES: u32 = 256;

/// Why a reverse call has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReverseError {
    /// The AP made the call; this is its result: an errno, or an AEE code without offset.
    #[error("the AP answered {0:#x}")]
    Result(u32),
    /// No listener took the call in time, or the listener ended.
    #[error("there is no listener on the AP")]
    NoListener,
    /// The process ended.
    #[error("the process ended")]
    Ended,
    /// Lengths that do not belong to the request.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}

/// What comes back: the output buffers, each of the capacity that was asked for.
pub type ReverseResult = Result<Vec<Vec<u8>>, ReverseError>;

/// The tunnel of one process.
pub(super) struct Tunnel {
    /// For logs.
    owner: String,
    counters: Arc<Counters>,
    listener_wait: Duration,
    next_id: AtomicU64,
    /// The listener tried handle 7.
    tried_handle64: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `init2` was called.
    initialised: bool,
    /// The process is over; nothing is parked any more.
    ended: bool,
    /// The listener thread left (thread_exit) and no other came.
    listener_left: bool,
    listener_tid: Option<i32>,
    parked: Option<Parked>,
    current: Option<Current>,
    queue: VecDeque<Request>,
    last_ctx: u32,
}

/// A `next2` that waits for a request.
struct Parked {
    call: ApCall,
    /// Bytes of packed input that it can take.
    room: u32,
}

struct Request {
    id: u64,
    name: &'static str,
    handle: u32,
    sc: Scalars,
    /// All inputs and capacities in one byte string.
    pack: Vec<u8>,
    caps: Vec<u32>,
    done: SyncSender<ReverseResult>,
}

/// The request that the AP is working on.
struct Current {
    ctx: u32,
    request: Request,
    deliveries: u32,
    fetches: u32,
}

/// What the AP says about the request it had, in a `next2`.
pub(super) struct Previous {
    pub ctx: u32,
    pub result: u32,
    pub pack: Vec<u8>,
}

impl Tunnel {
    pub fn new(owner: String, counters: Arc<Counters>, listener_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            owner,
            counters,
            listener_wait,
            next_id: AtomicU64::new(0),
            tried_handle64: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the DSP's side: calls ----------------------------------------------------------------------------------

    /// Calls a method of an AP interface and waits for its reply. For threads that may block.
    pub fn call<M: Method>(&self, handle: u32, method: &M) -> Result<M::Reply, ReverseError> {
        let outs = self.call_payload(M::NAME, handle, &method.payload(Kind::Plain))?;
        M::Reply::parse(&outs).map_err(|_| ReverseError::Malformed("the reply's buffers"))
    }

    /// Calls with these buffers; the outputs have exactly the capacities that were asked for.
    pub fn call_payload(&self, name: &'static str, handle: u32, payload: &Payload) -> ReverseResult {
        let pack = tunnel::pack_in(&payload.ins, &payload.outs);
        if pack.len() > MAX_PACK {
            return Err(ReverseError::Malformed("the request is too large for the tunnel"));
        }
        let (done, result) = sync_channel(1);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = Request {
            id,
            name,
            handle,
            sc: payload.sc,
            pack,
            caps: payload.outs.clone(),
            done,
        };
        let delivery = {
            let mut state = self.state();
            if state.ended {
                return Err(ReverseError::Ended);
            }
            if state.listener_left || state.queue.len() >= MAX_QUEUED {
                return Err(ReverseError::NoListener);
            }
            count(&self.counters.reverse_calls);
            state.queue.push_back(request);
            state.pump()
        };
        self.deliver(delivery);
        loop {
            match result.recv_timeout(self.listener_wait) {
                Ok(result) => {
                    tracing::debug!(target: "emu::services", process = %self.owner, name, ok = result.is_ok(), "reverse call done");
                    return result;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(ReverseError::Ended),
                Err(RecvTimeoutError::Timeout) => {
                    let mut state = self.state();
                    // Somebody else's request may be with the AP for long; only an absent listener is a reason to give up.
                    if state.current.is_none()
                        && let Some(at) = state.queue.iter().position(|r| r.id == id)
                    {
                        state.queue.remove(at);
                        tracing::warn!(target: "emu::services", process = %self.owner, name, "no listener came for a reverse call");
                        return Err(ReverseError::NoListener);
                    }
                }
            }
        }
    }

    /// Whether the AP answers methods that it does not know. hexagonrpcd ends instead (seen, 0.3.2). It is told by its listener, which
    /// knows handle 3 only: Qualcomm's library tries handle 7 before.
    pub fn survives_unknown_methods(&self) -> bool {
        self.tried_handle64.load(Ordering::Relaxed)
    }

    // ---- the AP's side: the listener's calls --------------------------------------------------------------------

    /// The listener called the interface of this kind.
    pub fn called(&self, kind: Kind) {
        if kind == Kind::Handle64 {
            self.tried_handle64.store(true, Ordering::Relaxed);
        }
    }

    /// `init2` (or `init`).
    pub fn init(&self) -> Result<(), Aee> {
        let mut state = self.state();
        if state.ended {
            return Err(Aee::BAD_STATE);
        }
        state.initialised = true;
        state.listener_left = false;
        Ok(())
    }

    /// `next2`: takes the reply to the request before, and parks the call until there is a request.
    pub fn next(&self, call: ApCall, previous: Previous, room: u32) {
        let mut state = self.state();
        if state.ended || !state.initialised {
            drop(state);
            return call.refuse(Aee::BAD_STATE, "next2 without a listener session");
        }
        state.listener_left = false;
        state.listener_tid = Some(call.tid());
        // An interrupted call is made again with a new context, and nobody waits for the old one any more
        // (docs/protocol.md#interrupted-calls).
        let superseded = state.parked.take();
        let mut delivery = None;
        match state.current.take() {
            Some(current) if current.ctx == previous.ctx => {
                current.request.complete(&previous);
                state.parked = Some(Parked { call, room });
            }
            Some(mut current) => {
                // The AP is not talking of the request that it was given: it never got it.
                current.deliveries += 1;
                if current.deliveries > MAX_DELIVERIES {
                    current
                        .request
                        .finish(Err(ReverseError::Malformed("the AP keeps ignoring a request")));
                    state.parked = Some(Parked { call, room });
                } else {
                    delivery = Some((call, current.answer(room)));
                    state.current = Some(current);
                }
            }
            None => state.parked = Some(Parked { call, room }),
        }
        if delivery.is_none() {
            delivery = state.pump();
        }
        drop(state);
        if let Some(old) = superseded {
            old.call
                .given_up()
                .refuse(Aee::BAD_STATE, "superseded by a later next2");
        }
        self.deliver(delivery);
    }

    /// `get_in_bufs2`: the rest of a request that did not fit into `next2`'s buffer. Returns the total length and the bytes from
    /// `offset` on.
    pub fn fetch(&self, ctx: u32, offset: i32, room: u32) -> Result<(u32, Vec<u8>), Aee> {
        let mut state = self.state();
        if state.ended {
            return Err(Aee::BAD_STATE);
        }
        let Some(current) = state.current.as_mut().filter(|c| c.ctx == ctx) else {
            return Err(Aee::BAD_PARM);
        };
        current.fetches += 1;
        if current.fetches > MAX_FETCHES {
            if let Some(current) = state.current.take() {
                current
                    .request
                    .finish(Err(ReverseError::Malformed("the AP keeps fetching a request")));
            }
            return Err(Aee::BAD_STATE);
        }
        let pack = &current.request.pack;
        let from = usize::try_from(offset)
            .ok()
            .and_then(|at| pack.get(at..))
            .ok_or(Aee::BAD_PARM)?;
        let piece = from.get(..room as usize).unwrap_or(from);
        Ok((current.total(), piece.to_vec()))
    }

    /// A thread of the AP ended. If it was the listener, nobody will take requests any more.
    pub fn thread_left(&self, tid: i32) {
        let mut state = self.state();
        if state.listener_tid != Some(tid) {
            return;
        }
        state.listener_left = true;
        state.listener_tid = None;
        let parked = state.parked.take();
        state.fail_all(ReverseError::NoListener);
        drop(state);
        if let Some(parked) = parked {
            parked
                .call
                .given_up()
                .refuse(Aee::BAD_STATE, "the listener thread ended");
        }
    }

    /// The process is over: fails the parked call and every reverse call, now and later.
    pub fn end(&self) {
        if let Some(parked) = self.shut() {
            parked.given_up().refuse(Aee::BAD_STATE, "the process ends");
        }
    }

    /// The process is over: fails every reverse call, now and later, and gives the parked call to the caller to answer.
    pub fn shut(&self) -> Option<ApCall> {
        let mut state = self.state();
        state.ended = true;
        state.fail_all(ReverseError::Ended);
        state.parked.take().map(|parked| parked.call)
    }

    /// Answers a parked call with a request; outside the lock, because the outbox is somebody else's.
    fn deliver(&self, delivery: Option<Delivery>) {
        if let Some((call, answer)) = delivery {
            tracing::debug!(
                target: "emu::services", process = %self.owner, ctx = answer.ctx, name = answer.name,
                handle = format_args!("{:#x}", answer.handle), sc = %answer.sc, bytes = answer.total, "reverse call"
            );
            answer.send(call);
        }
    }
}

type Delivery = (ApCall, Handover);

/// A request as `next2` is answered with it.
struct Handover {
    ctx: u32,
    name: &'static str,
    handle: u32,
    sc: Scalars,
    /// Length of the whole pack.
    total: u32,
    /// As much of the pack as fits.
    head: Vec<u8>,
}

impl Handover {
    /// Answers a parked `next2`.
    fn send(self, call: ApCall) {
        let reply = Next2Reply {
            ctx: self.ctx,
            handle: self.handle,
            sc: self.sc.0,
            bufs_len_req: self.total,
            bufs: self.head,
        };
        let capacities = call.capacities();
        call.reply_with(&capacities, &reply);
    }
}

impl State {
    /// Gives the next request to the parked call, if there are both and the AP is idle.
    fn pump(&mut self) -> Option<Delivery> {
        if self.current.is_some() || self.queue.is_empty() {
            return None;
        }
        let parked = self.parked.take()?;
        let request = self.queue.pop_front()?;
        // 0 is what the AP says when it had no request.
        self.last_ctx = self.last_ctx.checked_add(1).unwrap_or(1);
        let current = Current {
            ctx: self.last_ctx,
            request,
            deliveries: 1,
            fetches: 0,
        };
        let answer = current.answer(parked.room);
        self.current = Some(current);
        Some((parked.call, answer))
    }

    fn fail_all(&mut self, error: ReverseError) {
        for request in self
            .current
            .take()
            .map(|c| c.request)
            .into_iter()
            .chain(self.queue.drain(..))
        {
            request.finish(Err(error));
        }
    }
}

impl Current {
    fn total(&self) -> u32 {
        u32::try_from(self.request.pack.len()).unwrap_or(u32::MAX)
    }

    fn answer(&self, room: u32) -> Handover {
        let pack = &self.request.pack;
        Handover {
            ctx: self.ctx,
            name: self.request.name,
            handle: self.request.handle,
            sc: self.request.sc,
            total: self.total(),
            head: pack.get(..room as usize).unwrap_or(pack).to_vec(),
        }
    }
}

impl Request {
    fn complete(self, previous: &Previous) {
        let result = if previous.result != 0 {
            Err(ReverseError::Result(previous.result))
        } else {
            tunnel::unpack_out(&previous.pack, &self.caps)
                .map(|(outs, _)| outs)
                .map_err(|_| {
                    ReverseError::Malformed("the reply does not have the lengths that were asked for")
                })
        };
        self.finish(result);
    }

    fn finish(self, result: ReverseResult) {
        // The caller may have given up meanwhile; then nobody wants it.
        let _ = self.done.send(result);
    }
}
