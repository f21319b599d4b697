//! What the DSP answers (process control, remotectl, listener, current_process …) and what it asks from the AP.
//!
//! A message of the FastRPC channel becomes a [`call`] (its arguments read once), is routed here by its handle, and is answered
//! exactly once ([`answer`]) by one of the services, each in a file of its own.
//!
//! `message` runs on the device thread and never waits: whatever takes time is answered later, from another thread.

mod answer;
mod attributes;
mod call;
pub mod config;
mod stats;

use std::sync::Arc;

use rpmsg::Aee;
use rpmsg::fastrpc::Message;
use rpmsg::iface::handle;

pub use config::{DspConfig, FarfTo, LibraryRead};
pub use stats::DspStats;

use crate::action::SharedOutbox;
use crate::mem::Bus;
use answer::{NotTaken, OpenCalls};
use call::Call;
use stats::{Counters, count};

/// One DSP behind one GLINK edge.
pub struct Dsp {
    shared: Arc<Shared>,
}

/// What the services share.
struct Shared {
    config: DspConfig,
    bus: Arc<Bus>,
    counters: Arc<Counters>,
    calls: Arc<OpenCalls>,
}

impl Dsp {
    /// A DSP without processes. Its answers go to `outbox`.
    #[must_use]
    pub fn new(config: DspConfig, bus: Arc<Bus>, outbox: SharedOutbox) -> Arc<Self> {
        let counters = Arc::<Counters>::default();
        let calls = OpenCalls::new(outbox, Arc::clone(&counters));
        Arc::new(Self {
            shared: Arc::new(Shared {
                config,
                bus,
                counters,
                calls,
            }),
        })
    }

    /// One message of the FastRPC channel. Called on the device thread; never blocks.
    pub fn message(&self, bytes: &[u8]) {
        self.shared.message(bytes);
    }

    /// The channel was closed or the guest was reset: all processes die, nothing is answered. Returns when nothing of them touches
    /// guest memory any more. The DSP can be used again afterwards.
    pub fn channel_closed(&self) {
        self.shared.calls.forget_all();
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> DspStats {
        self.shared.counters.snapshot()
    }

    /// Calls that are not answered yet.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.shared.calls.len()
    }
}

impl Drop for Dsp {
    fn drop(&mut self) {
        self.channel_closed();
    }
}

impl Shared {
    fn message(self: &Arc<Self>, bytes: &[u8]) {
        count(&self.counters.messages_in);
        self.bus.check_invalidations();
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(why) => {
                count(&self.counters.dropped);
                tracing::warn!(target: "emu::services", "message dropped: {why}");
                return;
            }
        };
        tracing::debug!(
            target: "emu::services", client = message.client_id, tid = message.tid,
            ctx = format_args!("{:#x}", message.ctx.0), handle = format_args!("{:#x}", message.handle), sc = %message.sc, "call"
        );
        let answerer = match self.calls.open(message.ctx.0) {
            Ok(answerer) => answerer,
            Err(why) => {
                // An answer would count for the call that holds the context, or for none.
                count(&self.counters.dropped);
                let ctx = format_args!("{:#x}", message.ctx.0);
                match why {
                    NotTaken::Open | NotTaken::TooMany => {
                        tracing::warn!(target: "emu::services", ctx, "message dropped: {why}");
                    }
                }
                return;
            }
        };
        if let Some(call) = Call::receive(message, &self.config, &self.bus, answerer) {
            self.route(call);
        }
    }

    fn route(self: &Arc<Self>, call: Call) {
        let message = *call.message();
        match message.handle {
            handle::ATTRIBUTES => attributes::serve(&self.config, call),
            _ => call.refuse(Aee::BAD_STATE, "the session has no process"),
        }
    }
}
