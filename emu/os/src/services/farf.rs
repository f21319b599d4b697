//! FARF messages on their way to the AP: batches of records through `adspmsgd_apps.log`, printed there by the AP's library.
//!
//! A DSP thread that logs must not wait for the AP, so records go through a bounded queue that a short-lived host thread
//! empties. What does not fit is counted, and the AP is told how much it missed. What an AP without that module does not take is
//! written to this program's log instead, so that each line appears once.
//!
//! Not modelled: the shared ring of `adspmsgd_adsp.init3`; the AP's library does without.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rpmsg::iface::{adspmsgd_apps, name};

use super::ap_module::ApModule;
use super::config::FarfTo;
use super::stats::{Counters, add};
use super::tunnel::Tunnel;
use crate::ap::LogRecord;

/// Records that wait at most.
const QUEUE: usize = 1024;
/// Records in one reverse call: 16 KiB.
const BATCH: usize = 64;
/// What crash reports name as their source file.
const CRASH_REPORT: &str = "crash";
/// HAP_LEVEL_ERROR.
const LEVEL_ERROR: u32 = 3;

/// The queue of one process.
pub(super) struct GuestLog {
    /// For our log: the process, and whether what the AP does not take goes there.
    owner: String,
    else_to_host: bool,
    tunnel: Arc<Tunnel>,
    counters: Arc<Counters>,
    module: ApModule,
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<LogRecord>,
    /// Dropped since the AP was told last.
    dropped: u64,
    /// A thread is emptying the queue.
    running: bool,
    /// The AP does not take records: no listener, or no such module there.
    dead: bool,
}

impl GuestLog {
    pub fn new(owner: String, to: FarfTo, tunnel: Arc<Tunnel>, counters: Arc<Counters>) -> Arc<Self> {
        let module = ApModule::new(name::ADSPMSGD_APPS);
        Arc::new(Self {
            owner,
            else_to_host: to == FarfTo::Guest,
            tunnel,
            counters,
            module,
            state: Mutex::default(),
            idle: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a record. Never waits.
    pub fn push(self: &Arc<Self>, record: LogRecord) {
        let mut state = self.state();
        if state.dead && self.else_to_host {
            drop(state);
            return to_host(&self.owner, &record);
        }
        if state.dead || state.queue.len() >= QUEUE {
            state.dropped += 1;
            add(&self.counters.farf_dropped, 1);
            return;
        }
        state.queue.push_back(record);
        if !state.running {
            state.running = true;
            drop(state);
            let log = Arc::clone(self);
            let started = std::thread::Builder::new()
                .name("farf".into())
                .spawn(move || log.run());
            if started.is_err() {
                self.give_up();
            }
        }
    }

    /// Waits until everything queued so far is with the AP, at most for `limit`.
    pub fn flush(&self, limit: Duration) {
        let state = self.state();
        drop(self.idle.wait_timeout_while(state, limit, |state| state.running));
    }

    fn run(&self) {
        loop {
            let batch = {
                let mut state = self.state();
                let len = state.queue.len().min(BATCH);
                let mut batch: Vec<LogRecord> = state.queue.drain(..len).collect();
                if batch.is_empty() {
                    state.running = false;
                    drop(state);
                    self.idle.notify_all();
                    return;
                }
                let dropped = std::mem::take(&mut state.dropped);
                if dropped != 0 {
                    batch.push(lost(dropped));
                }
                batch
            };
            if let Err(why) = self.send(&batch) {
                tracing::debug!(target: "emu::services", %why, "the AP takes no log records");
                self.not_taken(batch);
                return self.give_up();
            }
        }
    }

    fn send(&self, batch: &[LogRecord]) -> Result<(), super::tunnel::ReverseError> {
        let module = self.module.handle(&self.tunnel)?;
        let records = batch
            .iter()
            .flat_map(|record| on_the_wire(record).encode())
            .collect();
        self.tunnel.call(module, &adspmsgd_apps::Log { records })
    }

    fn give_up(&self) {
        let mut state = self.state();
        let left = std::mem::take(&mut state.queue);
        state.dead = true;
        state.running = false;
        drop(state);
        self.not_taken(left);
        self.idle.notify_all();
    }

    fn not_taken(&self, records: impl IntoIterator<Item = LogRecord>) {
        for record in records {
            if self.else_to_host {
                to_host(&self.owner, &record);
            } else {
                add(&self.counters.farf_dropped, 1);
            }
        }
    }
}

/// Writes a record to this program's log. Crash reports are there already, as errors of the DSP's operating system.
pub(super) fn to_host(process: &str, record: &LogRecord) {
    let LogRecord {
        level,
        file,
        line,
        thread,
        text,
    } = record;
    match level {
        _ if file == CRASH_REPORT => {}
        0 | 1 => tracing::debug!(target: "emu::farf", process, thread, "{file}:{line}: {text}"),
        2 => tracing::info!(target: "emu::farf", process, thread, "{file}:{line}: {text}"),
        3 => tracing::warn!(target: "emu::farf", process, thread, "{file}:{line}: {text}"),
        _ => tracing::error!(target: "emu::farf", process, thread, "{file}:{line}: {text}"),
    }
}

/// Longest text of a record on the wire, without its NUL.
const WIRE_TEXT: usize = 217;

fn on_the_wire(record: &LogRecord) -> adspmsgd_apps::LogRecord {
    // The library prints the text as it is: without a line end of its own it runs into the program's output.
    let mut text = record.text.trim_end_matches('\n').as_bytes().to_vec();
    text.truncate(WIRE_TEXT - 1);
    text.push(b'\n');
    adspmsgd_apps::LogRecord {
        level: record.level,
        line: u16::try_from(record.line).unwrap_or(u16::MAX),
        // Thread IDs are small; a larger one is only shown wrong.
        thread: record.thread as u16,
        text,
        file: record.file.clone().into_bytes(),
    }
}

fn lost(count: u64) -> LogRecord {
    LogRecord {
        level: LEVEL_ERROR,
        file: String::new(),
        line: 0,
        thread: 0,
        text: format!("{count} messages were lost: the log queue was full"),
    }
}
