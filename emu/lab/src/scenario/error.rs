//! What is wrong with a scenario file, and where.

use std::ops::Range;
use std::path::PathBuf;

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something that cannot be.
    #[error("{file}:{line}:{column}: {message}{}\n  | {text}", hint.as_ref().map(|h| format!(" (did you mean `{h}`?)")).unwrap_or_default())]
    Wrong {
        /// File name.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// What was perhaps meant.
        hint: Option<String>,
        /// The line.
        text: String,
    },
    /// The machine is not one that the scenario can be played on.
    #[error("the scenario {scenario} {why}")]
    Unfit {
        /// Its name.
        scenario: String,
        /// What does not fit.
        why: String,
    },
}

/// A problem at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub span: Range<usize>,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            hint: None,
        }
    }

    /// A problem that serde or the TOML parser found.
    pub fn from_toml(error: &toml::de::Error) -> Self {
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let mut problem = Self::new(error.span().unwrap_or(0..0), message);
        problem.hint = unknown(&problem.message);
        problem
    }

    /// With line and column.
    pub fn locate(self, file: &str, text: &str) -> ScenarioError {
        let mut at = self.span.start.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let (before, after) = text.split_at(at);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let end = after.find('\n').map_or(text.len(), |newline| at + newline);
        ScenarioError::Wrong {
            file: file.to_owned(),
            line,
            column: before[start..].chars().count() + 1,
            message: self.message,
            hint: self.hint,
            text: text[start..end].trim_end().chars().take(200).collect(),
        }
    }
}

/// The closest of the known names, if it is close.
pub(super) fn hint(word: &str, known: &[&str]) -> Option<String> {
    let scored = known.iter().map(|name| (strsim::jaro_winkler(word, name), *name));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

/// serde says: unknown field `x`, expected one of `a`, `b`.
fn unknown(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let word = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    hint(word, &known)
}
