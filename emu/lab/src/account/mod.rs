//! The account: from the wire and the SMMU alone, what the driver left behind.
//!
//! An [`Account`] watches one DSP ([`Observer`]): each request with what its invoke buffer says, each answer as it really
//! goes out, and the page tables at those moments. It knows what the driver may free when (`ledger`), concludes at the end
//! of each life of the channel (`judge`), and never says more than that: `docs/account.md` has for each [`Kind`] what it is
//! concluded from and when it would be wrong. It changes nothing that the guest or the DSP could notice, and costs nothing
//! when it is not there.
//!
//! Not judged: what an earlier life of the channel left (the kernel makes new SMMU domains after a restart; [`Census`]
//! shows whether they stay flat), QDA's buffers that no message tells, memory that does not pass the SMMU.

mod books;
mod census;
mod ctx;
mod finding;
mod grant_table;
mod grants;
mod judge;
mod ledger;
mod look;
mod note;
mod open_calls;
mod processes;
mod report;
mod request;
mod suppress;
mod wire;

pub use books::Config;
pub use census::{Census, StreamCensus, streams_now};
pub use finding::{Finding, Kind};
pub use look::Addresses;
pub use note::{Note, SharedNote};
pub(crate) use report::finding_text;
pub use report::{Report, Totals};
pub use suppress::{SuppressError, Suppressions};

use books::Books;
use emu_core::mem::{Bus, PAGE};
use emu_os::conversation::{Answered, Arrival, Departure};
use emu_os::seam::Observer;
use ledger::Ledger;
use request::Request;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use wire::{Event, Wire};

/// The account of one DSP, shared by the device thread and whoever reads it.
#[derive(Debug, Clone)]
pub struct Account(Arc<Mutex<State>>);

/// What an account keeps of one life of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Calls without an answer.
    pub calls: usize,
    /// Sessions.
    pub processes: usize,
    /// Windows that messages gave.
    pub grants: usize,
    /// Mappings that the DSP gave an address for.
    pub maps: usize,
    /// How often one of them was looked at so far, besides being found: the work is in proportion to it.
    pub visits: u64,
}

#[derive(Debug)]
struct State {
    config: Config,
    started: Instant,
    notes: u64,
    life: u32,
    wire: Wire,
    ledger: Ledger,
    findings: Vec<Finding>,
    totals: Totals,
}

impl Account {
    /// An account of a DSP that nothing happened to yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Mutex::new(State {
            config,
            started: Instant::now(),
            notes: 0,
            life: 0,
            wire: Wire::default(),
            ledger: Ledger::default(),
            findings: Vec::new(),
            totals: Totals::default(),
        })))
    }

    /// The observer to give to the DSP's [`Subsystem`](emu_machine::device::subsystem::Subsystem).
    #[must_use]
    pub fn observer(&self) -> Box<dyn Observer> {
        Box::new(self.clone())
    }

    /// Findings and totals so far. What processes that are released now left behind is told only after the channel's or
    /// the session's end.
    #[must_use]
    pub fn report(&self) -> Report {
        let state = self.lock();
        Report {
            dsp: state.config.dsp.label.clone(),
            findings: state.findings.clone(),
            totals: state.totals,
        }
    }

    /// The findings from a number on, in the order in which they were made.
    #[must_use]
    pub fn findings_from(&self, first: usize) -> Vec<Finding> {
        self.lock().findings.get(first..).unwrap_or_default().to_vec()
    }

    /// What is live now, with what is mapped as `bus` shows it.
    #[must_use]
    pub fn census(&self, bus: Option<&Bus>) -> Census {
        let state = self.lock();
        Census {
            dsp: state.config.dsp.label.clone(),
            processes: state.ledger.processes.open(),
            contexts: state.ledger.calls.len(),
            counting: state.ledger.is_counting(),
            life: state.life,
            streams: bus.map_or_else(Vec::new, |bus| streams_now(bus, &state.config.dsp)),
        }
    }

    /// How much is kept of this life of the channel, and the work that it took.
    #[must_use]
    pub fn effort(&self) -> Effort {
        let ledger = &self.lock().ledger;
        Effort {
            calls: ledger.calls.len(),
            processes: ledger.processes.len(),
            grants: ledger.grants.len(),
            maps: ledger.processes.maps(),
            visits: ledger.grants.visits() + ledger.calls.visits() + ledger.processes.visits(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Account {
    fn inbound(&mut self, event: &Arrival<'_>, bus: &Bus) {
        let mut state = self.lock();
        bus.keep_refused(state.config.dsp.streams.values().copied());
        state.accesses(bus);
        let events = state.wire.inbound(event);
        state.happened(events, bus);
    }

    fn outbound(&mut self, event: &Departure<'_>, bus: &Bus) {
        let mut state = self.lock();
        state.accesses(bus);
        let events = state.wire.outbound(event);
        state.happened(events, bus);
    }
}

impl State {
    fn note(&mut self, text: String) -> SharedNote {
        self.notes += 1;
        Arc::new(Note {
            number: self.notes,
            seconds: self.started.elapsed().as_secs_f64(),
            text,
        })
    }

    /// Has the ledger work.
    fn with_books(&mut self, bus: &Bus, work: impl FnOnce(&mut Ledger, &mut Books<'_>)) {
        let mut books = Books {
            bus,
            config: &self.config,
            now: Instant::now(),
            life: self.life,
            qda: self.ledger.is_qda(),
            totals: &mut self.totals,
            findings: &mut self.findings,
        };
        work(&mut self.ledger, &mut books);
    }

    fn happened(&mut self, events: Vec<Event<'_>>, bus: &Bus) {
        for event in events {
            match event {
                Event::Up => {
                    self.life += 1;
                    self.totals.lives += 1;
                }
                Event::Down { why, last } => self.end(why, last, bus),
                Event::Request(request) => {
                    self.totals.calls += 1;
                    let request = Request::read(request, bus);
                    let note = self.note(request.describe());
                    self.with_books(bus, |ledger, books| ledger.request(request, &note, books));
                }
                Event::NoRequest(length, why) => {
                    self.totals.calls += 1;
                    let note = self.note(format!("> {length} bytes: {why}"));
                    self.with_books(bus, |_, books| {
                        books
                            .find(Kind::BadPages, format!("A request makes no sense: {why}"))
                            .history([&note]);
                    });
                }
                Event::Answer(Answered { ctx, retval, .. }) => {
                    self.totals.answers += 1;
                    let note = self.note(format!("< ctx {ctx:#x}: answer {retval:#x}"));
                    self.with_books(bus, |ledger, books| ledger.answer(ctx, retval, &note, books));
                }
            }
        }
    }

    /// Transactions of the DSP's that the SMMU refused since the last look.
    fn accesses(&mut self, bus: &Bus) {
        for fault in bus.take_refused(self.config.dsp.streams.values().copied()) {
            let (stream, address) = (fault.transaction.stream, fault.transaction.address);
            let note = self.note(format!("! the DSP's access was refused: {fault}"));
            self.with_books(bus, |ledger, books| {
                let Some(grant) = ledger.granted(stream, address) else {
                    return;
                };
                let was_mapped = |s: &look::Span| address.wrapping_sub(s.iova) < s.len;
                if !grant.spans.iter().any(was_mapped) {
                    // It never was, which was told when the message came.
                    return;
                }
                let mut history = vec![grant.note.clone()];
                history.extend(grant.ended.clone());
                history.push(note.clone());
                let name = grant.what.name();
                let (kind, text) = if grant.live {
                    (
                        Kind::UnmappedEarly,
                        format!(
                            "The DSP was refused {name} memory at {} that it was entitled to use",
                            request::window(grant.window)
                        ),
                    )
                } else {
                    (
                        Kind::AccessAfterUnmap,
                        format!(
                            "The DSP used {name} memory at {} after it had given it back",
                            request::window(grant.window)
                        ),
                    )
                };
                let page = Addresses {
                    iova: address / PAGE * PAGE,
                    len: PAGE,
                };
                books
                    .find(kind, text)
                    .field("stream", format!("{stream:#x}"))
                    .field("what", name)
                    .ranges(vec![page])
                    .history(&history);
            });
        }
    }

    /// The life of the channel is over.
    fn end(&mut self, why: &str, last: bool, bus: &Bus) {
        let note = self.note(format!("= {why}"));
        self.with_books(bus, |ledger, books| ledger.judge(&note, last, books));
        // The driver is the same after a restart.
        self.ledger = Ledger::after(&self.ledger);
    }
}
