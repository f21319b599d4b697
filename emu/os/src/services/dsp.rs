//! One DSP: takes the messages of its channel and routes each call by its handle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rpmsg::Aee;
use rpmsg::fastrpc::Message;
use rpmsg::iface::{Kind, handle};

use super::call::ApCall;
use super::config::DspConfig;
use super::pd::PdKey;
use super::sessions::Sessions;
use super::stats::{DspStats, count};
use super::{adspmsgd, attributes, current_process, listener, modules, perf, process_control, remotectl};
use crate::action::SharedOutbox;
use crate::crash::CrashReport;
use crate::process::State;
use emu_core::mem::Bus;

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
    sessions: Arc<Sessions>,
}

impl Dsp {
    /// A DSP without processes. Its answers go to `outbox`.
    #[must_use]
    pub fn new(config: DspConfig, bus: Arc<Bus>, outbox: SharedOutbox) -> Arc<Self> {
        Arc::new(Self {
            sessions: Arc::new(Sessions::new(config, bus, outbox)),
        })
    }

    /// One message of the FastRPC channel. Called on the device thread; never blocks.
    pub fn message(&self, bytes: &[u8]) {
        receive(&self.sessions, bytes);
    }

    /// The channel was closed or the guest was reset: all processes die, nothing is answered. Returns when nothing of them touches
    /// guest memory any more. The DSP can be used again afterwards.
    pub fn channel_closed(&self) {
        self.sessions.calls.forget_all();
        let dying = self.sessions.remove_all();
        // First all tunnels, so that nobody waits for the AP while another process is being killed.
        dying.iter().for_each(|pd| pd.stop());
        dying.iter().for_each(|pd| pd.kill());
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> DspStats {
        let live = self.sessions.all_processes();
        let mut stats = self.sessions.counters.snapshot();
        stats.processes_now = live.len() as u64;
        stats.packets += live.iter().map(|pd| pd.live_packets()).sum::<u64>();
        stats
    }

    /// The report of the latest crash of a process.
    #[must_use]
    pub fn last_crash(&self) -> Option<CrashReport> {
        self.sessions.counters.last_crash()
    }

    /// What the DSP is doing: its processes, and their threads, those that crashed first. Waits a moment for processes
    /// that are running.
    #[must_use]
    pub fn autopsy(&self) -> (Vec<ProcessSummary>, Vec<CrashReport>) {
        let mut all = self.sessions.all_processes();
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
        self.sessions.calls.len()
    }
}

impl Drop for Dsp {
    fn drop(&mut self) {
        self.channel_closed();
    }
}

/// Takes one message of the channel.
fn receive(sessions: &Arc<Sessions>, bytes: &[u8]) {
    count(&sessions.counters.messages_in);
    sessions.bus.check_invalidations();
    let message = match Message::parse(bytes) {
        Ok(message) => message,
        Err(why) => {
            count(&sessions.counters.dropped);
            tracing::warn!(target: "emu::services", "message dropped: {why}");
            return;
        }
    };
    tracing::debug!(
        target: "emu::services", client = message.client_id, tid = message.tid,
        ctx = format_args!("{:#x}", message.ctx.0), handle = format_args!("{:#x}", message.handle), sc = %message.sc, "call"
    );
    let Some(answerer) = sessions.calls.open(message.ctx.0, message.sc) else {
        return;
    };
    if let Some(call) = ApCall::receive(message, &sessions.config, &sessions.bus, answerer) {
        route(sessions, call);
    }
}

/// Gives a call to whoever serves its handle.
fn route(sessions: &Arc<Sessions>, call: ApCall) {
    let message = *call.message();
    match message.handle {
        handle::PROCESS_CONTROL => return process_control::serve(sessions, call),
        handle::ATTRIBUTES => return attributes::serve(&sessions.config, call),
        _ => {}
    }
    let key = PdKey {
        sid: call.sid(),
        client: message.client_id,
    };
    // The driver forwards calls of sessions that have no process (docs/protocol.md#sessions).
    let Some(pd) = sessions.pd(key) else {
        return call.refuse(Aee::BAD_STATE, "the session has no process");
    };
    match message.handle {
        handle::REMOTECTL => remotectl::serve(&pd, call, Kind::Plain, &sessions.counters),
        handle::REMOTECTL1 => remotectl::serve(&pd, call, Kind::Handle64, &sessions.counters),
        handle::LISTENER => listener::serve(&pd, call, Kind::Plain),
        handle::LISTENER1 => listener::serve(&pd, call, Kind::Handle64),
        handle::CURRENT_PROCESS1 => current_process::serve(&pd, call, Kind::Handle64),
        handle::ADSPMSGD1 => adspmsgd::serve(call, Kind::Handle64),
        handle::PERF => perf::serve(&pd, call, Kind::Plain),
        handle::PERF1 => perf::serve(&pd, call, Kind::Handle64),
        _ => modules::serve(&pd, call, &sessions.counters),
    }
}
