//! Where findings are written down, with what is known when something happens.

use super::finding::{Finding, Kind};
use super::look::Addresses;
use super::note::SharedNote;
use super::report::Totals;
use super::request::Request;
use emu_core::mem::Bus;
use emu_os::services::DspConfig;
use std::time::{Duration, Instant};

/// Most findings of one DSP; more are counted.
const MAX_FINDINGS: usize = 1000;
/// Most ranges of one finding; more are counted.
const MAX_RANGES: usize = 1024;

/// What an account needs to know of its DSP.
#[derive(Debug, Clone)]
pub struct Config {
    /// Streams, addressing and label.
    pub dsp: DspConfig,
    /// How long after the answer to RELEASE the driver may take to free everything. It does so from a work queue; what is
    /// mapped later has been left behind.
    pub grace: Duration,
}

impl Config {
    /// Half a second of grace: a work queue of an emulated machine that is busy needs some milliseconds.
    #[must_use]
    pub fn new(dsp: DspConfig) -> Self {
        Self {
            dsp,
            grace: Duration::from_millis(500),
        }
    }
}

/// What the ledger works with while something happens.
pub(super) struct Books<'a> {
    pub bus: &'a Bus,
    pub config: &'a Config,
    pub now: Instant,
    pub life: u32,
    /// The driver is known to be QDA.
    pub qda: bool,
    pub totals: &'a mut Totals,
    pub findings: &'a mut Vec<Finding>,
}

/// A finding that is being written.
pub(super) struct Entry<'a>(Option<&'a mut Finding>);

impl Books<'_> {
    /// A finding. The same one is not told twice, but for those that each session has its own of.
    pub fn find(&mut self, kind: Kind, text: String) -> Entry<'_> {
        let life = self.life;
        let own = matches!(
            kind,
            Kind::StillMapped | Kind::MemoryNotReturned | Kind::BankNotClean | Kind::CallUnanswered
        );
        let known = |f: &Finding| f.kind == kind && f.life == life && f.text == text;
        if !own && self.findings.iter().any(known) {
            return Entry(None);
        }
        if self.findings.len() >= MAX_FINDINGS {
            self.totals.findings_not_kept += 1;
            return Entry(None);
        }
        tracing::info!(target: "emu::account", dsp = self.config.dsp.label, kind = kind.name(), "{text}");
        self.findings.push(Finding {
            kind,
            dsp: self.config.dsp.label.clone(),
            life,
            text,
            fields: self
                .qda
                .then(|| ("driver", "qda".to_owned()))
                .into_iter()
                .collect(),
            ranges: Vec::new(),
            history: Vec::new(),
            suppressed: None,
        });
        Entry(self.findings.last_mut())
    }

    /// Whether what was released then must be over by now.
    pub fn is_settled(&self, released: Option<Instant>) -> bool {
        released.is_some_and(|at| self.now.saturating_duration_since(at) >= self.config.grace)
    }
}

impl<'a> Entry<'a> {
    pub fn with(mut self, change: impl FnOnce(&mut Finding)) -> Self {
        if let Some(finding) = &mut self.0 {
            change(finding);
        }
        self
    }

    pub fn field(self, name: &'static str, value: impl ToString) -> Self {
        self.with(|f| {
            f.fields.insert(name, value.to_string());
        })
    }

    pub fn fields(self, fields: Vec<(&'static str, String)>) -> Self {
        fields
            .into_iter()
            .fold(self, |entry, (name, value)| entry.field(name, value))
    }

    pub fn ranges(self, mut ranges: Vec<Addresses>) -> Self {
        let surplus = ranges.len().saturating_sub(MAX_RANGES);
        ranges.truncate(MAX_RANGES);
        let entry = self.with(|f| f.ranges = ranges);
        if surplus == 0 {
            return entry;
        }
        entry.field("ranges-not-kept", surplus)
    }

    pub fn history<'n>(self, notes: impl IntoIterator<Item = &'n SharedNote>) -> Self {
        self.with(|f| f.history = notes.into_iter().cloned().collect())
    }

    pub fn about(self, request: &Request) -> Self {
        let m = &request.message;
        let client = request.control.as_ref().map_or(m.client_id, |c| c.client());
        let entry = match request.stream {
            Some(stream) => self.field("stream", format!("{stream:#x}")),
            None => self,
        };
        entry
            .field("session", request.sid)
            .field("client", client)
            .field("handle", format!("{:#x}", m.handle))
            .field("method", m.sc.method())
    }
}
