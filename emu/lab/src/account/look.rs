//! What stands behind device addresses, as the page tables say now.
//!
//! A window of a message is remembered with the physical memory it led to. "Still mapped" then means: these device
//! addresses lead to that memory, not merely to some memory, so addresses that were freed and given to somebody else do
//! not count.

use emu_core::mem::Bus;
use iommu::enumerate::{DESCRIPTORS, Mapped, Range, Target};

/// How a stream reaches memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Through this context bank.
    Bank(u8),
    /// Untranslated: nothing can be said about mappings.
    Everything,
    /// No stream mapping group leads anywhere.
    Nothing,
}

/// Physically contiguous memory behind device addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub iova: u64,
    pub len: u64,
    pub physical: u64,
    pub write: bool,
}

/// Device addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Addresses {
    /// The first.
    pub iova: u64,
    /// How many bytes.
    pub len: u64,
}

impl Addresses {
    pub(super) const fn end(self) -> u64 {
        self.iova.saturating_add(self.len)
    }

    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.iova < other.end() && other.iova < self.end()
    }

    /// What is left when these ([joined](join)) are taken out.
    pub(super) fn without(self, taken: &[Self]) -> Vec<Self> {
        let range = Range {
            iova: self.iova,
            len: self.len,
            read: true,
            write: true,
            execute: true,
        };
        without(range, taken)
    }

    pub(super) const fn contains(self, other: Self) -> bool {
        self.iova <= other.iova && other.end() <= self.end()
    }
}

/// How a stream reaches memory. sCR0.CLIENTPD is not looked at: the kernel's SMMU driver sets it when the machine goes
/// down, with all tables still in place.
pub(super) fn reach(bus: &Bus, stream: u16) -> Reach {
    let streams = bus.streams();
    let mut matching = streams.iter().filter(|s| s.matches(stream));
    match (matching.next().map(|s| s.target), matching.next()) {
        (Some(Target::Bank(bank)), None) => Reach::Bank(bank),
        (Some(Target::Bypass), None) => Reach::Everything,
        _ => Reach::Nothing,
    }
}

/// What stands behind a window; `None` where nothing is translated.
pub(super) fn spans(bus: &Bus, stream: u16, window: Addresses) -> Option<Vec<Span>> {
    let bank = match reach(bus, stream) {
        Reach::Bank(bank) => bank,
        Reach::Everything => return None,
        Reach::Nothing => return Some(Vec::new()),
    };
    let mut spans: Vec<Span> = Vec::new();
    if window.len == 0 {
        return Some(spans);
    }
    let last = window.end().saturating_sub(1);
    let result = bus.leaves(bank, (window.iova, last), DESCRIPTORS, |leaf| {
        let (iova, len) = (leaf.range.iova, leaf.range.len);
        match spans.last_mut() {
            Some(span)
                if span.iova.wrapping_add(span.len) == iova
                    && span.physical.wrapping_add(span.len) == leaf.physical
                    && span.write == leaf.range.write =>
            {
                span.len = span.len.saturating_add(len);
            }
            _ => spans.push(Span {
                iova,
                len,
                physical: leaf.physical,
                write: leaf.range.write,
            }),
        }
    });
    // A bank that does not translate (any more) maps nothing; one that was cut short is taken as it was found.
    result.map_or(Some(Vec::new()), |_| Some(spans))
}

/// The parts of a window that are not mapped.
pub(super) fn gaps(spans: &[Span], window: Addresses) -> Vec<Addresses> {
    let mut gaps = Vec::new();
    let mut at = window.iova;
    for span in spans {
        if span.iova > at && at < window.end() {
            gaps.push(Addresses {
                iova: at,
                len: span.iova.min(window.end()).saturating_sub(at),
            });
        }
        at = at.max(span.iova.saturating_add(span.len));
    }
    if at < window.end() {
        gaps.push(Addresses {
            iova: at,
            len: window.end().saturating_sub(at),
        });
    }
    gaps
}

/// The device addresses that lead to the same memory in both, each in order of address.
pub(super) fn same(then: &[Span], now: &[Span]) -> Vec<Addresses> {
    let mut same: Vec<Addresses> = Vec::new();
    let (mut then, mut now) = (then.iter().peekable(), now.iter().peekable());
    while let (Some(a), Some(b)) = (then.peek(), now.peek()) {
        let (a_end, b_end) = (a.iova.saturating_add(a.len), b.iova.saturating_add(b.len));
        let first = a.iova.max(b.iova);
        let end = a_end.min(b_end);
        if first < end && a.physical.wrapping_sub(a.iova) == b.physical.wrapping_sub(b.iova) {
            same.push(Addresses {
                iova: first,
                len: end.saturating_sub(first),
            });
        }
        if a_end <= b_end {
            then.next();
        } else {
            now.next();
        }
    }
    join(same)
}

/// Ranges in order, neighbours as one.
pub(super) fn join(mut ranges: Vec<Addresses>) -> Vec<Addresses> {
    ranges.sort_unstable();
    let mut joined: Vec<Addresses> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.iova <= last.end() => {
                last.len = range.end().max(last.end()).saturating_sub(last.iova);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// What is left of a mapped range when these ([joined](join)) are taken out.
pub(super) fn without(range: Range, taken: &[Addresses]) -> Vec<Addresses> {
    let mut left = Vec::new();
    let mut at = range.iova;
    let end = range.iova.saturating_add(range.len);
    let first = taken.partition_point(|t| t.end() <= range.iova);
    for t in taken.iter().skip(first).take_while(|t| t.iova < end) {
        if t.iova > at {
            left.push(Addresses {
                iova: at,
                len: t.iova.saturating_sub(at),
            });
        }
        at = at.max(t.end());
    }
    if at < end {
        left.push(Addresses {
            iova: at,
            len: end.saturating_sub(at),
        });
    }
    left
}

/// Everything that a stream maps; `None` where nothing is translated.
pub(super) fn mapped(bus: &Bus, stream: u16) -> Option<(Option<u8>, Mapped)> {
    let nothing = Mapped {
        ranges: Vec::new(),
        complete: true,
    };
    match reach(bus, stream) {
        Reach::Bank(bank) => Some((Some(bank), bus.mapped(bank).unwrap_or(nothing))),
        Reach::Everything => None,
        Reach::Nothing => Some((None, nothing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(iova: u64, len: u64) -> Addresses {
        Addresses { iova, len }
    }

    const fn span(iova: u64, len: u64, physical: u64) -> Span {
        Span {
            iova,
            len,
            physical,
            write: true,
        }
    }

    #[test]
    fn gaps_are_before_between_and_behind() {
        let spans = [span(0x2000, 0x1000, 0), span(0x4000, 0x1000, 0)];
        assert_eq!(
            gaps(&spans, at(0x1000, 0x5000)),
            [at(0x1000, 0x1000), at(0x3000, 0x1000), at(0x5000, 0x1000)]
        );
        assert_eq!(gaps(&spans, at(0x2000, 0x1000)), []);
        assert_eq!(gaps(&[], at(0x2000, 0x1000)), [at(0x2000, 0x1000)]);
    }

    #[test]
    fn only_the_same_memory_is_the_same_mapping() {
        let then = [span(0x1000, 0x3000, 0x8000)];
        assert_eq!(same(&then, &then), [at(0x1000, 0x3000)]);
        assert_eq!(same(&then, &[span(0x1000, 0x3000, 0x9000)]), []);
        assert_eq!(
            same(&then, &[span(0x0, 0x2000, 0x7000), span(0x3000, 0x4000, 0xa000)]),
            [at(0x1000, 0x1000), at(0x3000, 0x1000)]
        );
    }

    #[test]
    fn what_is_left_of_a_range() {
        let range = Range {
            iova: 0x1000,
            len: 0x5000,
            read: true,
            write: true,
            execute: true,
        };
        assert_eq!(
            without(range, &[at(0, 0x2000), at(0x3000, 0x1000)]),
            [at(0x2000, 0x1000), at(0x4000, 0x2000)]
        );
        assert_eq!(without(range, &[at(0, 0x10000)]), []);
    }

    #[test]
    fn ranges_join() {
        let ranges = [(0x3000, 0x1000), (0x1000, 0x1000), (0x2000, 0x1000), (0x8000, 1)];
        let ranges = ranges.map(|(iova, len)| at(iova, len));
        assert_eq!(join(ranges.to_vec()), [at(0x1000, 0x3000), at(0x8000, 1)]);
    }
}
