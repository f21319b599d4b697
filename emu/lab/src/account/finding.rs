//! What the account finds, each kind with what it is concluded from. False positives of each: `docs/account.md`.

use super::look::Addresses;
use super::note::SharedNote;
use std::collections::BTreeMap;

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Device addresses that a released process's messages told still lead to the same memory.
    StillMapped,
    /// Device addresses of a released process's initial memory still lead to the same memory.
    MemoryNotReturned,
    /// A stream without a session maps something that no message ever told.
    MappedUnannounced,
    /// A context bank was given to a new session while mappings of an earlier one were live, and they stayed.
    BankNotClean,
    /// A released process's call was never answered (the DSP's doing, or a scenario's).
    CallUnanswered,
    /// A context was answered, but its number never came free.
    ContextKept,
    /// A context's number was given out again before its call was answered.
    ContextReused,
    /// A message told more device addresses than were mapped when it came.
    ShortMapping,
    /// A message's arguments or pages contradict each other or what other messages told.
    BadPages,
    /// Memory that the DSP was still entitled to use was unmapped, or led elsewhere.
    UnmappedEarly,
    /// The DSP used device addresses that had been given back (the DSP's doing, or a scenario's).
    AccessAfterUnmap,
    /// The driver asked the DSP to unmap what it had had unmapped, or was having unmapped.
    DoubleUnmap,
    /// The driver asked the DSP to unmap what it never had had mapped.
    UnknownUnmap,
    /// More was open, told or left behind than an account keeps: what follows in this life of the channel is not judged.
    StoppedCounting,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::StillMapped,
        Self::MemoryNotReturned,
        Self::MappedUnannounced,
        Self::BankNotClean,
        Self::CallUnanswered,
        Self::ContextKept,
        Self::ContextReused,
        Self::ShortMapping,
        Self::BadPages,
        Self::UnmappedEarly,
        Self::AccessAfterUnmap,
        Self::DoubleUnmap,
        Self::UnknownUnmap,
        Self::StoppedCounting,
    ];

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StillMapped => "still-mapped",
            Self::MemoryNotReturned => "memory-not-returned",
            Self::MappedUnannounced => "mapped-unannounced",
            Self::BankNotClean => "bank-not-clean",
            Self::CallUnanswered => "call-unanswered",
            Self::ContextKept => "context-kept",
            Self::ContextReused => "context-reused",
            Self::ShortMapping => "short-mapping",
            Self::BadPages => "bad-pages",
            Self::UnmappedEarly => "unmapped-early",
            Self::AccessAfterUnmap => "access-after-unmap",
            Self::DoubleUnmap => "double-unmap",
            Self::UnknownUnmap => "unknown-unmap",
            Self::StoppedCounting => "stopped-counting",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// Domain label of the DSP.
    pub dsp: String,
    /// Which life of the FastRPC channel, counted from 1.
    pub life: u32,
    /// One sentence.
    pub text: String,
    /// Particulars by name: `stream`, `session`, `client`, `process`, `what`, `because`, `handle`, `method`, …
    pub fields: BTreeMap<&'static str, String>,
    /// The device addresses concerned.
    pub ranges: Vec<Addresses>,
    /// The messages and events that led to it, the oldest first.
    #[serde(serialize_with = "notes")]
    pub history: Vec<SharedNote>,
    /// The reason in the suppress file, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<String>,
}

fn notes<S: serde::Serializer>(notes: &[SharedNote], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(notes.iter().map(AsRef::as_ref))
}

impl Finding {
    /// Bytes of all its ranges.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().fold(0, |sum, r| sum.saturating_add(r.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files() {
        for kind in Kind::ALL {
            assert_eq!(
                serde_json::to_value(kind).unwrap(),
                serde_json::json!(kind.name())
            );
        }
    }
}
