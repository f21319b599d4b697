//! What is concluded when a life of the channel ends.
//!
//! Nothing is concluded earlier: a mapping that is still there a moment after its release may be on its way out (the driver
//! frees contexts from a work queue). What was released a while before the end and is mapped then has been left behind.

use super::Books;
use super::finding::Kind;
use super::grants::{Grant, What, still_mapped};
use super::ledger::{Ledger, Process};
use super::look::{Addresses, mapped, merge, without};
use super::note::SharedNote;
use super::report::size;
use std::collections::{BTreeMap, BTreeSet};

/// Messages of a group that its history shows.
const SHOWN: usize = 4;
/// Unanswered calls of one process that are told.
const CALLS: usize = 16;

/// Sessions that found the same mappings.
struct Finders<'a> {
    first: &'a Process,
    notes: Vec<SharedNote>,
    sessions: usize,
}

impl Ledger {
    /// The life ends now, seen in `end`; `last` if the guest has stopped, too.
    pub fn judge(&self, end: &SharedNote, last: bool, books: &mut Books<'_>) {
        for (id, process) in &self.processes {
            if process.released.is_none() {
                books.totals.open_at_end += 1;
                continue;
            }
            if !books.is_settled(process.released) {
                books.totals.undecided += u64::from(!still_mapped(&process.grants, books.bus).is_empty());
                continue;
            }
            let unanswered = self.unanswered(*id, process, end, books);
            self.left_behind(process, unanswered, end, books);
        }
        self.handed_out(end, books);
        self.unowned(end, books);
        // A session that has not spoken yet may hold a stream: opening the device sends nothing, and so does allocating a
        // buffer. Only when the guest has stopped are there none.
        if last {
            self.unannounced(end, books);
        }
    }

    fn unanswered(&self, id: u64, process: &Process, end: &SharedNote, books: &mut Books<'_>) -> bool {
        let calls: Vec<_> = self
            .calls
            .values()
            .filter(|call| call.process == Some(id))
            .collect();
        for call in calls.iter().take(CALLS) {
            let text = format!(
                "A call of {} was never answered, although the process was released",
                process.title()
            );
            let history = with(std::iter::once(&call.note).chain(&process.history), end);
            books
                .find(Kind::CallUnanswered, text)
                .about(&call.request)
                .history(&history);
        }
        !calls.is_empty()
    }

    fn left_behind(&self, process: &Process, unanswered: bool, end: &SharedNote, books: &mut Books<'_>) {
        let mut groups: BTreeMap<&str, (What, Vec<Addresses>, Vec<&Grant>)> = BTreeMap::new();
        for grant in &process.grants {
            let ranges = still_mapped(std::slice::from_ref(grant), books.bus);
            if ranges.is_empty() {
                continue;
            }
            let (_, all, grants) =
                groups
                    .entry(grant.what.name())
                    .or_insert((grant.what, Vec::new(), Vec::new()));
            ranges.into_iter().for_each(|range| merge(all, range));
            grants.push(grant);
        }
        for (name, (what, ranges, grants)) in groups {
            let bytes = size(ranges.iter().map(|r| r.len).sum());
            let (kind, text) = match what {
                What::InitialMemory => (
                    Kind::MemoryNotReturned,
                    format!(
                        "{bytes} of initial memory are still mapped after {} was released",
                        process.title()
                    ),
                ),
                _ => (
                    Kind::StillMapped,
                    format!(
                        "{bytes} told as {name} are still mapped after {} was released",
                        process.title()
                    ),
                ),
            };
            let mut notes: Vec<SharedNote> = Vec::new();
            for grant in grants.iter().take(SHOWN) {
                notes.push(grant.note.clone());
                notes.extend(grant.ended.clone());
            }
            notes.extend(process.history.iter().cloned());
            let mut finding = books
                .find(kind, text)
                .process(process)
                .field("what", name)
                .ranges(ranges)
                .history(&with(&notes, end));
            if grants.len() > SHOWN {
                finding = finding.field("messages", grants.len());
            }
            if unanswered {
                finding.field("because", "call-unanswered");
            }
        }
    }

    /// Sessions that came while an earlier one's mappings were live, which they still are.
    fn handed_out(&self, end: &SharedNote, books: &mut Books<'_>) {
        // What stays is found by every session that follows: told once, for the first of them.
        let mut groups: BTreeMap<(u16, Vec<Addresses>), Finders<'_>> = BTreeMap::new();
        for process in self.processes.values() {
            let mut ranges = Vec::new();
            let mut notes = Vec::new();
            for (earlier, then) in &process.found {
                let Some(earlier) = self.processes.get(earlier) else {
                    continue;
                };
                if earlier.released.is_none() {
                    continue;
                }
                let now = still_mapped(&earlier.grants, books.bus);
                let kept: Vec<_> = now
                    .into_iter()
                    .filter(|n| then.iter().any(|t| t.overlaps(*n)))
                    .collect();
                if !kept.is_empty() {
                    notes.extend(earlier.history.iter().cloned());
                    kept.into_iter().for_each(|range| merge(&mut ranges, range));
                }
            }
            if ranges.is_empty() {
                continue;
            }
            notes.extend(process.history.iter().cloned());
            groups
                .entry((process.stream, ranges))
                .or_insert(Finders {
                    first: process,
                    notes,
                    sessions: 0,
                })
                .sessions += 1;
        }
        for ((_, ranges), finders) in groups {
            let Finders {
                first: process,
                notes,
                sessions,
            } = finders;
            let text = format!(
                "The context bank of {} was given out with {} of earlier sessions mapped",
                process.title(),
                size(ranges.iter().map(|r| r.len).sum())
            );
            let finding = books
                .find(Kind::BankNotClean, text)
                .process(process)
                .ranges(ranges)
                .history(&with(&notes, end));
            if sessions > 1 {
                finding.field("sessions", sessions);
            }
        }
    }

    /// Streams that no session holds, and did not for a while.
    fn quiet(&self, books: &Books<'_>) -> BTreeSet<u16> {
        let busy: BTreeSet<u16> = self
            .processes
            .values()
            .filter(|p| !books.is_settled(p.released))
            .map(|p| p.stream)
            .chain(self.calls.values().filter_map(|call| call.request.stream))
            .collect();
        books
            .config
            .dsp
            .streams
            .values()
            .copied()
            .filter(|s| !busy.contains(s))
            .collect()
    }

    /// Calls of the kernel's that belong to no session.
    fn unowned(&self, end: &SharedNote, books: &mut Books<'_>) {
        for stream in self.quiet(books) {
            let grants: Vec<Grant> = self
                .unowned
                .iter()
                .filter(|g| g.stream == stream && !g.live)
                .cloned()
                .collect();
            // Without a session there is no release; such a call is only judged when the stream had one later.
            if !self.processes.values().any(|p| p.stream == stream) {
                continue;
            }
            let ranges = still_mapped(&grants, books.bus);
            if ranges.is_empty() {
                continue;
            }
            let mut notes: Vec<SharedNote> = Vec::new();
            for grant in grants.iter().take(SHOWN) {
                notes.push(grant.note.clone());
                notes.extend(grant.ended.clone());
            }
            let text = format!(
                "{} of calls that the kernel made itself are still mapped on stream {stream:#x}",
                size(ranges.iter().map(|r| r.len).sum())
            );
            books
                .find(Kind::StillMapped, text)
                .field("stream", format!("{stream:#x}"))
                .field("what", "kernel-call")
                .ranges(ranges)
                .history(&with(&notes, end));
        }
    }

    /// Mappings that nobody ever told.
    fn unannounced(&self, end: &SharedNote, books: &mut Books<'_>) {
        for stream in self.quiet(books) {
            let Some((_, mapped)) = mapped(books.bus, stream) else {
                continue;
            };
            // What was told and unmapped may be mapped for something else by now.
            let told: Vec<Grant> = self
                .processes
                .values()
                .flat_map(|p| &p.grants)
                .chain(&self.unowned)
                .filter(|g| g.stream == stream)
                .cloned()
                .collect();
            let known = still_mapped(&told, books.bus);
            let ranges: Vec<Addresses> = mapped.ranges.iter().flat_map(|r| without(*r, &known)).collect();
            if ranges.is_empty() {
                continue;
            }
            let text = format!(
                "{} that no message told are mapped on stream {stream:#x}, which no session holds",
                size(ranges.iter().map(|r| r.len).sum())
            );
            let history: Vec<SharedNote> = self
                .processes
                .values()
                .filter(|p| p.stream == stream)
                .flat_map(|p| p.history.iter().cloned())
                .collect();
            let last = history.len().saturating_sub(2 * SHOWN);
            books
                .find(Kind::MappedUnannounced, text)
                .field("stream", format!("{stream:#x}"))
                .ranges(ranges)
                .history(&with(history.iter().skip(last), end));
        }
    }
}

/// Notes in order, each once, and the end.
fn with<'a>(notes: impl IntoIterator<Item = &'a SharedNote>, end: &SharedNote) -> Vec<SharedNote> {
    let mut all: Vec<SharedNote> = notes.into_iter().cloned().collect();
    all.push(end.clone());
    all.sort_by_key(|note| note.number);
    all.dedup_by_key(|note| note.number);
    all
}
