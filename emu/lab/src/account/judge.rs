//! What is concluded when a life of the channel ends.
//!
//! Nothing is concluded earlier: a mapping that is still there a moment after its release may be on its way out (the driver
//! frees contexts from a work queue). What was released a while before the end and is mapped then has been left behind. Of QDA's
//! sessions a program may still hold buffers of its own, until the guest has stopped.

use super::books::Books;
use super::finding::Kind;
use super::grants::{Grant, What, still_mapped};
use super::ledger::Ledger;
use super::look::{Addresses, join, mapped, without};
use super::note::SharedNote;
use super::open_calls::OpenCall;
use super::processes::Process;
use super::report::size;
use std::collections::{BTreeMap, BTreeSet};

/// Messages of a group that its history shows.
const SHOWN: usize = 4;
/// A buffer of a program's.
const BUFFER: &str = "buffer";
/// Unanswered calls of one process that are told.
const CALLS: usize = 16;

impl Ledger {
    /// The life ends now, seen in `end`; `last` if the guest has stopped, too.
    pub fn judge(&self, end: &SharedNote, last: bool, books: &mut Books<'_>) {
        if !self.is_counting() {
            return;
        }
        let mut calls: BTreeMap<u64, Vec<&OpenCall>> = BTreeMap::new();
        for call in self.calls.iter() {
            if let Some(id) = call.process {
                calls.entry(id).or_default().push(call);
            }
        }
        for (id, process) in self.processes.iter() {
            if process.released.is_none() {
                books.totals.open_at_end += 1;
                continue;
            }
            if !books.is_settled(process.released) {
                books.totals.undecided += u64::from(!self.still_mapped(id, last, books).is_empty());
                continue;
            }
            let unanswered = calls.get(&id).map_or(&[][..], Vec::as_slice);
            unanswered_calls(process, unanswered, end, books);
            self.left_behind((id, process), !unanswered.is_empty(), last, end, books);
        }
        self.handed_out(end, books);
        self.unowned(end, books);
        // A session that has not spoken yet may hold a stream: opening the device sends nothing, and so does allocating a
        // buffer. Only when the guest has stopped are there none.
        if last {
            self.unannounced(end, books);
        }
    }

    /// What a process's messages told that is still mapped.
    fn still_mapped(&self, id: u64, last: bool, books: &Books<'_>) -> Vec<Addresses> {
        still_mapped(self.left_to_judge(id, last), books.bus)
    }

    /// A released process's grants that nobody may hold any more.
    fn left_to_judge(&self, id: u64, last: bool) -> impl Iterator<Item = &Grant> {
        let all = last || !self.is_qda();
        let grants = self.grants.of(Some(id)).map(|(_, grant)| grant);
        grants.filter(move |grant| all || grant.what.is_qdas_own())
    }

    /// What is told together. A buffer of QDA's programs may have been told for everything.
    fn name_of_group(&self, what: What) -> &'static str {
        if self.is_qda() && !what.is_qdas_own() {
            return BUFFER;
        }
        what.name()
    }

    fn left_behind(
        &self,
        (id, process): (u64, &Process),
        unanswered: bool,
        last: bool,
        end: &SharedNote,
        books: &mut Books<'_>,
    ) {
        let mut groups: BTreeMap<&str, (What, Vec<Addresses>, Vec<&Grant>)> = BTreeMap::new();
        for grant in self.left_to_judge(id, last) {
            let ranges = still_mapped([grant], books.bus);
            if ranges.is_empty() {
                continue;
            }
            let (_, all, grants) =
                groups
                    .entry(self.name_of_group(grant.what))
                    .or_insert((grant.what, Vec::new(), Vec::new()));
            all.extend(ranges);
            grants.push(grant);
        }
        // Arguments that travel in the invoke buffer are no buffers of the program's.
        let own = groups.iter().filter(|(name, _)| **name != BUFFER);
        let own = join(own.flat_map(|(_, (_, ranges, _))| ranges).copied().collect());
        for (name, (what, ranges, grants)) in groups {
            let mut ranges = join(ranges);
            if name == BUFFER {
                ranges = ranges.into_iter().flat_map(|range| range.without(&own)).collect();
                if ranges.is_empty() {
                    continue;
                }
            }
            let bytes = size(ranges.iter().map(|r| r.len).sum());
            let (kind, text) = match what {
                What::InitialMemory => (
                    Kind::MemoryNotReturned,
                    format!(
                        "{bytes} of initial memory are still mapped after {} was released",
                        process.title()
                    ),
                ),
                _ if name == BUFFER => (
                    Kind::StillMapped,
                    format!(
                        "{bytes} of the program's buffers are still mapped after {} was released and no program is left",
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
                .fields(process.fields())
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

    /// Sessions that came while earlier ones' mappings were live, which they still are. What stays is found by every
    /// session that follows: told once, for the first of them.
    fn handed_out(&self, end: &SharedNote, books: &mut Books<'_>) {
        let mut groups: BTreeMap<u64, (Vec<Addresses>, Vec<SharedNote>, u64)> = BTreeMap::new();
        for (id, earlier) in self.processes.iter() {
            let Some(finder) = &earlier.finder else { continue };
            if earlier.released.is_none() {
                continue;
            }
            let now = self.still_mapped(id, false, books);
            let kept = now.into_iter().filter(|n| {
                let first = finder.then.partition_point(|t| t.end() <= n.iova);
                finder.then.get(first).is_some_and(|t| t.overlaps(*n))
            });
            let mut kept = kept.peekable();
            if kept.peek().is_none() {
                continue;
            }
            let sessions = self.processes.finders(earlier.stream, finder);
            let (ranges, notes, _) =
                groups
                    .entry(finder.process)
                    .or_insert((Vec::new(), Vec::new(), sessions));
            ranges.extend(kept);
            notes.extend(earlier.history.iter().take(2 * SHOWN).cloned());
        }
        for (id, (ranges, mut notes, sessions)) in groups {
            let Some(process) = self.processes.get(id) else {
                continue;
            };
            notes.extend(process.history.iter().cloned());
            let ranges = join(ranges);
            let text = format!(
                "The context bank of {} was given out with {} of earlier sessions mapped",
                process.title(),
                size(ranges.iter().map(|r| r.len).sum())
            );
            let finding = books
                .find(Kind::BankNotClean, text)
                .fields(process.fields())
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
            .iter()
            .filter(|(_, p)| !books.is_settled(p.released))
            .map(|(_, p)| p.stream)
            .chain(self.calls.iter().filter_map(|call| call.request.stream))
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
            let grants: Vec<&Grant> = self
                .grants
                .of(None)
                .map(|(_, g)| g)
                .filter(|g| g.stream == stream && !g.live)
                .collect();
            // Without a session there is no release; such a call is only judged when the stream had one later.
            if !self.processes.iter().any(|(_, p)| p.stream == stream) {
                continue;
            }
            let ranges = still_mapped(grants.iter().copied(), books.bus);
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
            let known = still_mapped(self.grants.on(stream), books.bus);
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
                .iter()
                .filter(|(_, p)| p.stream == stream)
                .flat_map(|(_, p)| p.history.iter().cloned())
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

/// Calls of a released process that have no answer.
fn unanswered_calls(process: &Process, calls: &[&OpenCall], end: &SharedNote, books: &mut Books<'_>) {
    for call in calls.iter().take(CALLS) {
        let text = format!(
            "A call of {} was never answered, although the process was released",
            process.title()
        );
        let history = with(std::iter::once(&call.note).chain(process.history.iter()), end);
        books
            .find(Kind::CallUnanswered, text)
            .about(&call.request)
            .history(&history);
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
