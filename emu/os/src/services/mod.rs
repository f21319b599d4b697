//! What the DSP answers (process control, remotectl, listener, current_process …) and what it asks from the AP.
//!
//! A message of the FastRPC channel becomes a `call` (its arguments read once), is routed here by its handle, and is answered
//! exactly once (`answer`) by one of the services, each in a file of its own. Module calls go on to the session's DSP process
//! ([`os`](crate)). The other direction is `tunnel` (how) and `ap` (what).
//!
//! `message` runs on the device thread and never waits: whatever takes time is answered later, from another thread.

mod adspmsgd;
mod answer;
mod ap;
mod attributes;
mod call;
pub mod config;
mod current_process;
mod default_listener;
mod farf;
mod listener;
mod modules;
mod pd;
mod perf;
mod process_control;
mod remotectl;
mod stats;
mod tunnel;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rpmsg::Aee;
use rpmsg::fastrpc::Message;
use rpmsg::iface::{Kind, handle};

pub use config::{DspConfig, FarfTo, LibraryRead};
pub use pd::{Origin, PdKey};
pub use stats::DspStats;
pub use tunnel::ReverseError;

use crate::action::SharedOutbox;
use crate::calls::handles::HandleNumbers;
use crate::crash::CrashReport;
use crate::process::State;
use answer::{NotTaken, OpenCalls};
use call::Call;
use emu_core::mem::Bus;
use pd::Pd;
use stats::{Counters, count};

/// Most sessions with a process at once. A driver has 14 slots a channel.
const MAX_PROCESSES: usize = 64;

/// How long an autopsy waits for processes that are running.
const AUTOPSY: Duration = Duration::from_millis(200);

/// A process in one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessSummary {
    /// Program and session.
    pub name: String,
    /// `running`, `crashed` or `ended`.
    pub state: String,
    /// DSP threads alive.
    pub threads: u32,
    /// Loaded libraries.
    pub libraries: u32,
    /// Packets executed.
    pub packets: u64,
    /// Bytes of heap, stacks and libraries.
    pub memory: u64,
}

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
    handles: Arc<HandleNumbers>,
    processes: Mutex<HashMap<PdKey, Arc<Pd>>>,
}

impl Dsp {
    /// A DSP without processes. Its answers go to `outbox`.
    #[must_use]
    pub fn new(config: DspConfig, bus: Arc<Bus>, outbox: SharedOutbox) -> Arc<Self> {
        let counters = Arc::<Counters>::default();
        let calls = OpenCalls::new(outbox, Arc::clone(&counters));
        let handles = Arc::<HandleNumbers>::default();
        Arc::new(Self {
            shared: Arc::new(Shared {
                config,
                bus,
                counters,
                calls,
                handles,
                processes: Mutex::default(),
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
        let dying: Vec<Arc<Pd>> = self.shared.processes().drain().map(|(_, pd)| pd).collect();
        // First all tunnels, so that nobody waits for the AP while another process is being killed.
        dying.iter().for_each(|pd| pd.stop());
        dying.iter().for_each(|pd| pd.kill());
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> DspStats {
        let live: Vec<Arc<Pd>> = self.shared.processes().values().cloned().collect();
        let mut stats = self.shared.counters.snapshot();
        stats.processes_now = live.len() as u64;
        stats.packets += live.iter().map(|pd| pd.live_packets()).sum::<u64>();
        stats
    }

    /// The report of the latest crash of a process.
    #[must_use]
    pub fn last_crash(&self) -> Option<CrashReport> {
        self.shared.counters.last_crash()
    }

    /// What the DSP is doing: its processes, and their threads, those that crashed first. Waits a moment for processes
    /// that are running.
    #[must_use]
    pub fn autopsy(&self) -> (Vec<ProcessSummary>, Vec<CrashReport>) {
        let mut all: Vec<Arc<Pd>> = self.shared.processes().values().cloned().collect();
        all.sort_by_key(|pd| pd.key);
        let (mut crashed, mut others) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + AUTOPSY;
        let mut summaries = Vec::new();
        for pd in &all {
            let (state, list) = match pd.process.state() {
                State::Running => ("running", &mut others),
                State::Crashed(_) => ("crashed", &mut crashed),
                State::Ended => ("ended", &mut others),
            };
            list.extend(
                pd.process
                    .threads(deadline.saturating_duration_since(Instant::now())),
            );
            let stats = pd.process.stats();
            let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            summaries.push(ProcessSummary {
                name: format!("{}@{}", pd.name, pd.key),
                state: state.into(),
                threads: short(stats.threads),
                libraries: short(stats.modules),
                packets: stats.packets,
                memory: stats.memory,
            });
        }
        crashed.append(&mut others);
        (summaries, crashed)
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
    fn processes(&self) -> MutexGuard<'_, HashMap<PdKey, Arc<Pd>>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
            handle::PROCESS_CONTROL => return process_control::serve(self, call),
            handle::ATTRIBUTES => return attributes::serve(&self.config, call),
            _ => {}
        }
        let key = PdKey {
            sid: call.sid(),
            client: message.client_id,
        };
        // The driver forwards calls of sessions that have no process (docs/protocol.md#sessions).
        let Some(pd) = self.pd(key) else {
            return call.refuse(Aee::BAD_STATE, "the session has no process");
        };
        match message.handle {
            handle::REMOTECTL => remotectl::serve(&pd, call, Kind::Plain, &self.counters),
            handle::REMOTECTL1 => remotectl::serve(&pd, call, Kind::Handle64, &self.counters),
            handle::LISTENER => listener::serve(&pd, call, Kind::Plain),
            handle::LISTENER1 => listener::serve(&pd, call, Kind::Handle64),
            handle::CURRENT_PROCESS1 => current_process::serve(&pd, call, Kind::Handle64),
            handle::ADSPMSGD1 => adspmsgd::serve(call, Kind::Handle64),
            handle::PERF => perf::serve(call, Kind::Plain),
            handle::PERF1 => perf::serve(call, Kind::Handle64),
            _ => modules::serve(&pd, call, &self.counters),
        }
    }

    fn pd(&self, key: PdKey) -> Option<Arc<Pd>> {
        self.processes().get(&key).cloned()
    }

    fn remove(&self, key: PdKey) -> Option<Arc<Pd>> {
        self.processes().remove(&key)
    }

    /// Makes a process for a session that has none.
    fn create(
        &self,
        key: PdKey,
        stream: u16,
        name: String,
        origin: Origin,
        initial: Option<(u64, u32)>,
    ) -> Result<(), Aee> {
        if key.client <= 0 {
            return Err(Aee::BAD_PARM);
        }
        let mut processes = self.processes();
        if processes.contains_key(&key) {
            return Err(Aee::BAD_STATE);
        }
        if processes.len() >= MAX_PROCESSES {
            return Err(Aee::NO_SESSION);
        }
        let (config, bus) = (&self.config, &self.bus);
        let pd = Pd::create(
            key,
            stream,
            name,
            origin,
            initial,
            config,
            bus,
            &self.counters,
            &self.handles,
        );
        match pd {
            Ok(pd) => {
                tracing::info!(target: "emu::services", process = %key, name = pd.name, ?origin, "process created");
                processes.insert(key, pd);
                Ok(())
            }
            Err(why) => {
                tracing::warn!(target: "emu::services", process = %key, "process not created: {why}");
                Err(why.aee())
            }
        }
    }

    /// Kills a process that nobody finds any more, then goes on with `then`; on a thread of its own.
    fn bury(&self, pd: Arc<Pd>, then: impl FnOnce() + Send + 'static) {
        pd.stop();
        worker("release", move || {
            pd.kill();
            tracing::info!(target: "emu::services", process = %pd.key, name = pd.name, "process released");
            then();
        });
    }
}

/// Runs something that waits on a thread of its own; here and now if the host has no threads left.
fn worker(name: &str, work: impl FnOnce() + Send + 'static) {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let again = Arc::clone(&work);
    let spawned = std::thread::Builder::new().name(name.into()).spawn(move || {
        if let Some(work) = take(&again) {
            work();
        }
    });
    if spawned.is_err()
        && let Some(work) = take(&work)
    {
        work();
    }
}
