//! What happened, kept to explain a run: a bounded ring of decoded events with the rules that fired on them.

use super::event::{Event, Field};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

/// One event and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Number of the event since the devices were made.
    pub number: u64,
    /// Time since the devices were made, in microseconds.
    pub microseconds: u64,
    /// The event in words.
    pub event: String,
    /// Its numbers by name.
    pub fields: BTreeMap<&'static str, i64>,
    /// Rules that fired, in order.
    pub rules: Vec<String>,
    /// What became of the event itself.
    pub fate: &'static str,
    /// What was done besides, in words.
    pub effects: Vec<String>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Duration::from_micros(self.microseconds).as_secs_f64();
        write!(f, "{at:12.6} {:5} {}", self.number, self.event)?;
        if !self.rules.is_empty() {
            write!(f, "  [{}: {}]", self.rules.join(", "), self.fate)?;
        }
        self.effects
            .iter()
            .try_for_each(|effect| write!(f, "\n{:20}+ {effect}", ""))
    }
}

/// Most effects that one entry keeps.
const MAX_EFFECTS: usize = 32;

/// The ring.
#[derive(Debug)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    size: usize,
    next: u64,
}

impl History {
    pub fn new(size: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            size,
            next: 0,
        }
    }

    /// Adds an event.
    pub fn add(&mut self, at: Duration, event: &Event) {
        let fields = Field::ALL
            .into_iter()
            .filter_map(|field| Some((field.name(), event.fields.get(field)?)));
        self.push(at, event.to_string(), fields.collect());
    }

    fn push(&mut self, at: Duration, event: String, fields: BTreeMap<&'static str, i64>) {
        let number = self.next;
        self.next += 1;
        if self.size == 0 {
            return;
        }
        if self.entries.len() >= self.size {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            number,
            microseconds: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
            event,
            fields,
            rules: Vec::new(),
            fate: "passed",
            effects: Vec::new(),
        });
    }

    /// Adds a moment at which something happens without an event.
    pub fn moment(&mut self, at: Duration, what: String) {
        self.push(at, what, BTreeMap::new());
    }

    /// A rule fired on the newest event.
    pub fn fired(&mut self, rule: &str) {
        if let Some(entry) = self.entries.back_mut() {
            entry.rules.push(rule.to_owned());
        }
    }

    /// What became of the newest event.
    pub fn fate(&mut self, fate: &'static str) {
        if let Some(entry) = self.entries.back_mut() {
            entry.fate = fate;
        }
    }

    /// Something was done because of the newest event.
    pub fn effect(&mut self, what: &dyn Fn() -> String) {
        if let Some(entry) = self.entries.back_mut()
            && entry.effects.len() < MAX_EFFECTS
        {
            entry.effects.push(what());
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
}
