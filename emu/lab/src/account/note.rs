//! One line of a history: something that happened on the wire, in the SMMU or to the DSP.

use std::sync::Arc;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Note {
    /// Counts everything that happened since the account began.
    pub number: u64,
    /// Seconds since then.
    pub seconds: f64,
    /// What happened, in one line.
    pub text: String,
}

/// Notes are shared by all findings that they belong to.
pub type SharedNote = Arc<Note>;

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:<6} {:>9.3} s  {}", self.number, self.seconds, self.text)
    }
}
