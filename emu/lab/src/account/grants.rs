//! Windows that messages give to the DSP: what for, which memory stood behind them, and whether it still does.

use super::books::Books;
use super::ctx::Key;
use super::finding::Kind;
use super::look::{Addresses, Span, join, same, spans, without};
use super::note::SharedNote;
use super::request::{Request, window};
use emu_core::mem::Bus;

/// Who holds a grant: a process, or nobody (a call of the kernel's).
pub(super) type Owner = Option<u64>;

/// What a window was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    InvokeBuffer,
    Argument,
    Handle(i32),
    InitialMemory,
    Heap,
    /// An mmap of QDA's, whose memory is a buffer of the program's.
    MappedBuffer,
    MemMap(i32),
}

impl What {
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvokeBuffer => "invoke-buffer",
            Self::Argument => "argument",
            Self::Handle(_) => "handle",
            Self::InitialMemory => "initial-memory",
            Self::Heap | Self::MappedBuffer => "mmap",
            Self::MemMap(_) => "mem-map",
        }
    }

    pub const fn text(self) -> &'static str {
        match self {
            Self::InvokeBuffer => "the invoke buffer",
            Self::Argument => "an argument",
            Self::Handle(_) => "a DMA handle",
            Self::InitialMemory => "the initial memory",
            Self::Heap | Self::MappedBuffer => "memory of an mmap",
            Self::MemMap(_) => "memory of a mem map",
        }
    }

    /// Memory that the driver allocated for this purpose alone: nothing else may be told to lie in it.
    pub const fn is_exclusive(self) -> bool {
        matches!(self, Self::InvokeBuffer | Self::InitialMemory | Self::Heap)
    }

    /// QDA makes this memory by itself, so a program cannot hold it beyond the release of its session.
    pub const fn is_qdas_own(self) -> bool {
        matches!(self, Self::InvokeBuffer | Self::InitialMemory)
    }
}

/// Device addresses that a message gave to the DSP.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub stream: u16,
    pub owner: Owner,
    pub window: Addresses,
    pub what: What,
    /// The memory behind it when the message came.
    pub spans: Vec<Span>,
    /// The message.
    pub note: SharedNote,
    /// Its context.
    pub key: Key,
    /// The driver has to keep it mapped.
    pub live: bool,
    /// Why it is not live any more.
    pub ended: Option<SharedNote>,
}

impl Grant {
    /// The DSP gave an address for it.
    pub fn is_mapping(&self) -> bool {
        matches!(self.what, What::Heap | What::MappedBuffer | What::MemMap(_))
    }
}

/// Windows of these grants that lead to the memory that they led to.
pub(super) fn still_mapped<'a>(grants: impl IntoIterator<Item = &'a Grant>, bus: &Bus) -> Vec<Addresses> {
    let mut ranges = Vec::new();
    for grant in grants {
        let now = spans(bus, grant.stream, grant.window).unwrap_or_default();
        ranges.extend(same(&grant.spans, &now));
    }
    join(ranges)
}

/// Live memory must lead where it led when it was given.
pub(super) fn check_live<'a>(
    grants: impl Iterator<Item = &'a Grant>,
    request: &Request,
    note: &SharedNote,
    books: &mut Books<'_>,
) {
    for grant in grants.filter(|g| g.live) {
        let Some(now) = spans(books.bus, grant.stream, grant.window) else {
            continue;
        };
        let kept = same(&grant.spans, &now);
        let lost: Vec<Addresses> = grant
            .spans
            .iter()
            .flat_map(|span| {
                let range = iommu::enumerate::Range {
                    iova: span.iova,
                    len: span.len,
                    read: true,
                    write: true,
                    execute: true,
                };
                without(range, &kept)
            })
            .collect();
        if lost.is_empty() {
            continue;
        }
        let text = format!(
            "{} at {} was unmapped or replaced while the DSP was entitled to use it",
            capital(grant.what.text()),
            window(grant.window)
        );
        books
            .find(Kind::UnmappedEarly, text)
            .about(request)
            .field("what", grant.what.name())
            .ranges(join(lost))
            .history([&grant.note, note]);
    }
}

/// With a capital letter.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
