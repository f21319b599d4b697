//! The promise that every call is answered exactly once.
//!
//! The kernel drops a reference for each answer that matches an open context: a second answer is a use after free there, a
//! missing one leaks one of 255 slots and blocks somebody for ever. So an open context is represented by an [`Answerer`], which is
//! used up by answering; one that is lost on the way answers an error by itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use rpmsg::Aee;

use super::stats::{Counters, count};
use crate::action::{Action, SharedOutbox};

/// Most contexts a driver can have open on one channel (`FASTRPC_CTX_MAX`: slots 1..=255).
pub(super) const MAX_OPEN: usize = 255;

/// The open contexts of a channel.
pub(super) struct OpenCalls {
    outbox: SharedOutbox,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts the channel's lives: answers of an earlier life reach nobody.
    life: u64,
    contexts: HashSet<u64>,
}

/// Why a context is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTaken {
    /// It is open already; an answer would be the earlier call's.
    #[error("the context is open already")]
    Open,
    /// The driver can not have more contexts than [`MAX_OPEN`].
    #[error("{MAX_OPEN} contexts are open")]
    TooMany,
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

    /// Opens a context.
    pub fn open(self: &Arc<Self>, ctx: u64) -> Result<Answerer, NotTaken> {
        let mut state = self.state();
        if state.contexts.contains(&ctx) {
            return Err(NotTaken::Open);
        }
        if state.contexts.len() >= MAX_OPEN {
            return Err(NotTaken::TooMany);
        }
        state.contexts.insert(ctx);
        Ok(Answerer {
            calls: Arc::clone(self),
            ctx,
            life: state.life,
            answered: false,
        })
    }

    /// The channel is gone: whoever still holds an [`Answerer`] answers nobody.
    pub fn forget_all(&self) {
        let mut state = self.state();
        state.life += 1;
        state.contexts.clear();
    }

    /// Number of open contexts.
    pub fn len(&self) -> usize {
        self.state().contexts.len()
    }

    fn finish(&self, ctx: u64, life: u64, mut batch: Vec<Action>, retval: Aee) {
        let retval = if retval.is_safe_retval() {
            retval
        } else {
            tracing::warn!(target: "emu::services", ctx, %retval, "return value would be an errno; answering AEE_EFAILED");
            Aee::FAILED
        };
        // Sent under the lock: once `forget_all` returned, no answer of an earlier life can be on its way.
        let mut state = self.state();
        if state.life != life || !state.contexts.remove(&ctx) {
            return;
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
    ctx: u64,
    life: u64,
    answered: bool,
}

impl Answerer {
    /// Answers: first `batch`'s writes, then the return value, as one unit.
    pub fn answer(mut self, batch: Vec<Action>, retval: Aee) {
        self.answered = true;
        self.calls.finish(self.ctx, self.life, batch, retval);
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        if !self.answered {
            self.calls.finish(self.ctx, self.life, Vec::new(), Aee::FAILED);
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

    fn fixture() -> (Arc<Sent>, Arc<OpenCalls>) {
        let sent = Arc::new(Sent::default());
        let calls = OpenCalls::new(sent.clone(), Arc::default());
        (sent, calls)
    }

    #[test]
    fn a_lost_answerer_answers_an_error() {
        let (sent, calls) = fixture();
        drop(calls.open(7).unwrap());
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
    fn an_open_context_is_not_taken_twice() {
        let (sent, calls) = fixture();
        let first = calls.open(7).unwrap();
        assert!(matches!(calls.open(7), Err(NotTaken::Open)));
        first.answer(Vec::new(), Aee::SUCCESS);
        assert_eq!(sent.0.lock().unwrap().len(), 1);
        assert!(calls.open(7).is_ok());
    }

    #[test]
    fn no_more_contexts_than_a_driver_has() {
        let (_sent, calls) = fixture();
        let open: Vec<_> = (0..MAX_OPEN as u64).map(|ctx| calls.open(ctx).unwrap()).collect();
        assert!(matches!(calls.open(1000), Err(NotTaken::TooMany)));
        drop(open);
        assert!(calls.open(1000).is_ok());
    }

    #[test]
    fn answers_of_a_closed_channel_reach_nobody() {
        let (sent, calls) = fixture();
        let old = calls.open(7).unwrap();
        calls.forget_all();
        let new = calls.open(7).unwrap();
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
                .open(1)
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
