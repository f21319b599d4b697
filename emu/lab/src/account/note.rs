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

/// Notes of each end of a history that are kept.
const KEPT: usize = 16;

/// Messages about one thing: the first ones and the newest ones.
#[derive(Debug, Clone, Default)]
pub(super) struct History(Vec<SharedNote>);

impl History {
    /// One more.
    pub fn push(&mut self, note: SharedNote) {
        if self.0.len() >= 2 * KEPT {
            self.0.remove(KEPT);
        }
        self.0.push(note);
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &SharedNote> {
        self.0.iter()
    }
}

impl FromIterator<SharedNote> for History {
    fn from_iter<I: IntoIterator<Item = SharedNote>>(notes: I) -> Self {
        let mut history = Self::default();
        notes.into_iter().for_each(|note| history.push(note));
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_keeps_its_ends() {
        let notes = (0..100).map(|number| {
            Arc::new(Note {
                number,
                seconds: 0.0,
                text: String::new(),
            })
        });
        let kept: Vec<u64> = notes.collect::<History>().iter().map(|n| n.number).collect();
        assert_eq!(kept, (0..16).chain(84..100).collect::<Vec<_>>());
    }
}
