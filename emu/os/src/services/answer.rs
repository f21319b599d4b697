//! The promise that every message is answered exactly once.
//!
//! The kernel drops a reference for each answer that matches an open context: a second answer is a use after free there, a
//! missing one leaks a slot and blocks somebody for ever. So an open call is represented by an [`Answerer`], which is used up by
//! answering; one that is lost on the way answers an error by itself.
//!
//! The context of a message is a cookie that its answer carries back, and nothing else: two open calls may carry the same one.
//! QDA gives a number out again as soon as its caller has stopped waiting, also when a signal made it stop
//! (`fastrpc_context_alloc` and `fastrpc_context_free` of drivers/accel/qda/qda_fastrpc.c), while fastrpc.c keeps it until the
//! answer has come. Each of those calls is served, and each that was served to its end is answered: firmware cannot know either
//! that nobody waits for the older one, and which of the two waiters an answer then wakes is the kernel's affair. The account
//! says `context-reused`. A call that is given up without having been served to its end (its process is killed, a later
//! `next2` takes its place) is not answered when its number belongs to a newer open call: whoever served it is gone, and the
//! answer could only be taken for the newer call's ([`Answerer::given_up`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;

use super::stats::{Counters, count};
use crate::action::{Action, SharedOutbox};
use crate::invocation;

/// Bytes that the open calls of a channel may take: at least 50 000 calls. fastrpc.c has at most 255 contexts a channel
/// (`FASTRPC_CTX_MAX`), QDA's numbers have 32 bits.
const MOST_HELD: usize = 64 << 20;
/// What a call takes besides its arguments: its message, and its place in queues.
const CALL: usize = 1024;

/// Bytes that a call takes while it is open.
fn held(sc: Scalars) -> usize {
    // Once as it came, once as its process has it.
    CALL + sc.args() * (size_of::<rpmsg::fastrpc::Arg>() + size_of::<invocation::Arg>())
}

/// The open calls of a channel.
pub(super) struct OpenCalls {
    outbox: SharedOutbox,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts the channel's lives: answers of an earlier life reach nobody.
    life: u64,
    /// Calls that are not answered.
    open: usize,
    /// Bytes that they take.
    held: usize,
    /// The newest open call of each context, by the number of calls before it.
    newest: HashMap<u64, u64>,
    /// Calls so far.
    calls: u64,
}

impl OpenCalls {
    pub fn new(outbox: SharedOutbox, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            counters,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Opens a call. `None`: the open calls take all the memory that they may, and this one is answered
    /// [`Aee::NO_MEMORY`] already.
    pub fn open(self: &Arc<Self>, ctx: u64, sc: Scalars) -> Option<Answerer> {
        let mut state = self.state();
        let bytes = held(sc);
        let fits = state.held + bytes <= MOST_HELD;
        state.open += 1;
        state.held += bytes;
        state.calls += 1;
        let id = state.calls;
        state.newest.insert(ctx, id);
        let answerer = Answerer {
            calls: Arc::clone(self),
            id,
            ctx,
            bytes,
            life: state.life,
            given_up: false,
            answered: false,
        };
        if fits {
            return Some(answerer);
        }
        let open = state.open - 1;
        drop(state);
        tracing::warn!(
            target: "emu::services", ctx = format_args!("{ctx:#x}"), open,
            "call refused: the calls that are open take all the memory that they may"
        );
        answerer.answer(Vec::new(), Aee::NO_MEMORY);
        None
    }

    /// The channel is gone: whoever still holds an [`Answerer`] answers nobody.
    pub fn forget_all(&self) {
        let mut state = self.state();
        *state = State {
            life: state.life + 1,
            calls: state.calls,
            ..State::default()
        };
    }

    /// Number of open calls.
    pub fn len(&self) -> usize {
        self.state().open
    }

    fn finish(&self, call: &Answerer, mut batch: Vec<Action>, retval: Aee) {
        let ctx = call.ctx;
        let retval = if retval.is_safe_retval() {
            retval
        } else {
            tracing::warn!(target: "emu::services", ctx, %retval, "return value would be an errno; answering AEE_EFAILED");
            Aee::FAILED
        };
        // Sent under the lock: once `forget_all` returned, no answer of an earlier life can be on its way.
        let mut state = self.state();
        if state.life != call.life {
            return;
        }
        state.open -= 1;
        state.held -= call.bytes;
        match state.newest.get(&ctx) {
            Some(&newest) if newest == call.id => {
                state.newest.remove(&ctx);
            }
            Some(_) if call.given_up => {
                count(&self.counters.dropped);
                tracing::debug!(target: "emu::services", ctx = format_args!("{ctx:#x}"), "given up; the context has another owner");
                return;
            }
            _ => {}
        }
        count(&self.counters.messages_out);
        if !retval.is_ok() {
            count(&self.counters.errors);
        }
        tracing::debug!(target: "emu::services", ctx = format_args!("{ctx:#x}"), %retval, writes = batch.len(), "answer");
        batch.push(Action::Answer {
            ctx,
            retval: retval.0,
        });
        self.outbox.send(batch);
    }
}

/// The right, and the duty, to answer one call.
#[must_use = "a call that is not answered fails"]
pub(super) struct Answerer {
    calls: Arc<OpenCalls>,
    id: u64,
    ctx: u64,
    bytes: usize,
    life: u64,
    given_up: bool,
    answered: bool,
}

impl Answerer {
    /// Answers: first `batch`'s writes, then the return value, as one unit.
    pub fn answer(mut self, batch: Vec<Action>, retval: Aee) {
        self.answered = true;
        self.calls.finish(&self, batch, retval);
    }

    /// The call will not be served to its end: its answer is not sent when its context belongs to a newer call by then.
    pub fn given_up(mut self) -> Self {
        self.given_up = true;
        self
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        if !self.answered {
            self.given_up = true;
            self.calls.finish(self, Vec::new(), Aee::FAILED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Outbox;

    #[derive(Default)]
    struct Sent(Mutex<Vec<Action>>);

    impl Outbox for Sent {
        fn send(&self, batch: Vec<Action>) {
            self.0.lock().unwrap().extend(batch);
        }
    }

    /// Scalars of a call without arguments.
    const SMALL: Scalars = Scalars(0);

    fn fixture() -> (Arc<Sent>, Arc<OpenCalls>) {
        let sent = Arc::new(Sent::default());
        let calls = OpenCalls::new(sent.clone(), Arc::default());
        (sent, calls)
    }

    #[test]
    fn a_lost_answerer_answers_an_error() {
        let (sent, calls) = fixture();
        drop(calls.open(7, SMALL).unwrap());
        assert_eq!(
            *sent.0.lock().unwrap(),
            [Action::Answer {
                ctx: 7,
                retval: Aee::FAILED.0
            }]
        );
        assert_eq!(calls.len(), 0);
    }

    #[test]
    fn two_open_calls_may_carry_the_same_context_and_each_is_answered() {
        let (sent, calls) = fixture();
        let older = calls.open(0x10, SMALL).unwrap();
        let newer = calls.open(0x10, SMALL).unwrap();
        assert_eq!(calls.len(), 2);
        newer.answer(Vec::new(), Aee::SUCCESS);
        assert_eq!(calls.len(), 1);
        older.answer(Vec::new(), Aee::BAD_STATE);
        let answer = |retval: Aee| Action::Answer {
            ctx: 0x10,
            retval: retval.0,
        };
        assert_eq!(
            *sent.0.lock().unwrap(),
            [answer(Aee::SUCCESS), answer(Aee::BAD_STATE)]
        );
        assert_eq!(calls.len(), 0);
    }

    #[test]
    fn a_call_that_is_given_up_does_not_answer_for_the_newer_owner_of_its_context() {
        let (sent, calls) = fixture();
        let older = calls.open(0x10, SMALL).unwrap();
        let newer = calls.open(0x10, SMALL).unwrap();
        let other = calls.open(0x20, SMALL).unwrap();
        older.given_up().answer(Vec::new(), Aee::GONE);
        other.given_up().answer(Vec::new(), Aee::GONE);
        newer.answer(Vec::new(), Aee::SUCCESS);
        let answer = |ctx, retval: Aee| Action::Answer {
            ctx,
            retval: retval.0,
        };
        assert_eq!(
            *sent.0.lock().unwrap(),
            [answer(0x20, Aee::GONE), answer(0x10, Aee::SUCCESS)]
        );
        assert_eq!(calls.len(), 0);
        // When the newer one is over, nobody can be meant but the older one.
        let older = calls.open(0x10, SMALL).unwrap();
        calls.open(0x10, SMALL).unwrap().answer(Vec::new(), Aee::SUCCESS);
        older.given_up().answer(Vec::new(), Aee::GONE);
        assert_eq!(sent.0.lock().unwrap().last(), Some(&answer(0x10, Aee::GONE)));
    }

    #[test]
    fn a_call_for_which_there_is_no_memory_is_answered_so() {
        let (sent, calls) = fixture();
        let large = Scalars(0x00ff_ffff);
        let mut open = Vec::new();
        for ctx in 0.. {
            match calls.open(ctx, large) {
                Some(call) => open.push(call),
                None => break,
            }
        }
        // More than any driver has, with as many arguments as there can be.
        assert!(open.len() > 1000, "{}", open.len());
        let refused = Action::Answer {
            ctx: open.len() as u64,
            retval: Aee::NO_MEMORY.0,
        };
        assert_eq!(*sent.0.lock().unwrap(), [refused]);
        assert_eq!(calls.len(), open.len());
        // There is room again when one of them is over.
        open.pop();
        assert!(calls.open(7, large).is_some());
    }

    #[test]
    fn answers_of_a_closed_channel_reach_nobody() {
        let (sent, calls) = fixture();
        let old = calls.open(7, SMALL).unwrap();
        calls.forget_all();
        let new = calls.open(7, SMALL).unwrap();
        old.answer(Vec::new(), Aee::SUCCESS);
        assert!(sent.0.lock().unwrap().is_empty());
        new.answer(Vec::new(), Aee::SUCCESS);
        assert_eq!(sent.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn errno_values_never_leave() {
        let (sent, calls) = fixture();
        for bad in [-1i32, -4095, -512, -110] {
            calls
                .open(1, SMALL)
                .unwrap()
                .answer(Vec::new(), Aee(bad.cast_unsigned()));
        }
        let sent = sent.0.lock().unwrap();
        assert!(sent.iter().all(|a| *a
            == Action::Answer {
                ctx: 1,
                retval: Aee::FAILED.0
            }));
        assert_eq!(sent.len(), 4);
    }
}
