//! Defects of kernels that are known: a case that fails by one of them only is told as known, and does not fail the run.
//!
//! ```toml
//! [[known]]
//! kernel = "=7.3"                    # releases, as in [needs]
//! case = "smoke/channel-closes"      # suite and name
//! class = "oops"                     # of the kernel's complaint
//! signature = "fastrpc_buf_free"     # regular expression over the complaint's signature; any if left out
//! then = ["hang", "output"]          # what else the case may miss because of it
//! reason = "what the defect is, and where it is known from"
//! ```
//!
//! An entry is for one class of complaints of one case. Whatever else went wrong with that case must be one of the entry's
//! consequences, or it fails: only a defect that was seen explains what is missing.

use super::verdict::{About, Reason, Verdict};
use crate::account;
use crate::scenario::{Class, Releases};
use regex::Regex;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Entries from one or more files.
#[derive(Debug, Clone, Default)]
pub struct Known {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    kernel: Releases,
    case: String,
    class: Class,
    signature: Option<Regex>,
    then: Vec<About>,
    reason: String,
}

/// A file of entries as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kernel: toml::Spanned<String>,
    case: toml::Spanned<String>,
    class: Class,
    signature: Option<toml::Spanned<String>>,
    #[serde(default)]
    then: Vec<toml::Spanned<String>>,
    reason: toml::Spanned<String>,
}

/// Why a file of entries is not used.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// It cannot be read.
    #[error("cannot read the file of known defects {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML of this form.
    #[error("{file}: {source}")]
    Syntax {
        /// Which.
        file: String,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// A value means nothing.
    #[error("{file}:{line}: {why}")]
    Value {
        /// Which.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

impl Known {
    /// Entries from a text; `file` is its name in errors.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn parse(text: &str, file: &str) -> Result<Self, KnownError> {
        let written: File = toml::from_str(text).map_err(|source| KnownError::Syntax {
            file: file.to_owned(),
            source: Box::new(source),
        })?;
        let entries = written.known.into_iter().map(|one| {
            one.checked().map_err(|(at, why)| KnownError::Value {
                file: file.to_owned(),
                line: text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1,
                why,
            })
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Entries from files.
    ///
    /// # Errors
    /// A file cannot be read or is wrong.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, KnownError> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let text = std::fs::read_to_string(path).map_err(|source| KnownError::Read {
                path: path.to_owned(),
                source,
            })?;
            let more = Self::parse(&text, &path.display().to_string())?;
            all.entries.extend(more.entries);
        }
        Ok(all)
    }

    /// The cases that entries are for, as `suite/name`.
    pub fn cases(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.case.as_str())
    }

    /// Judges a case (`suite/name`) again that was played on a kernel of that release. If it failed, every complaint has an
    /// entry, and all the rest is a consequence of one of these, it is [`Verdict::Known`], and the reasons say why; else
    /// nothing changes.
    pub fn review(&self, release: Option<&str>, case: &str, verdict: &mut Verdict, reasons: &mut [Reason]) {
        let (Some(release), Verdict::Fail | Verdict::Hang) = (release, *verdict) else {
            return;
        };
        let entries: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.case == case && entry.kernel.contains(release))
            .collect();
        let explains = |entry: &Entry, reason: &Reason| match &reason.about {
            About::Complaint(class) => {
                *class == entry.class
                    && entry
                        .signature
                        .as_ref()
                        .is_none_or(|regex| regex.is_match(&reason.signature))
            }
            _ => false,
        };
        let complaints = || {
            reasons
                .iter()
                .filter(|reason| matches!(reason.about, About::Complaint(_)))
        };
        let seen: Vec<&Entry> = entries
            .into_iter()
            .filter(|entry| complaints().any(|reason| explains(entry, reason)))
            .collect();
        let entry_of = |reason: &Reason| {
            seen.iter().find(|entry| match &reason.about {
                About::Complaint(_) => explains(entry, reason),
                about => entry.then.contains(about),
            })
        };
        let found: Option<Vec<&str>> = reasons
            .iter()
            .map(|reason| entry_of(reason).map(|entry| entry.reason.as_str()))
            .collect();
        let Some(found) = found.filter(|found| !found.is_empty()) else {
            return;
        };
        for (reason, why) in reasons.iter_mut().zip(found) {
            reason.text.push_str(&format!(" (known: {why})"));
        }
        *verdict = Verdict::Known;
    }
}

impl Written {
    /// Checks the values; an error has its place in the text.
    fn checked(self) -> Result<Entry, (usize, String)> {
        let kernel = Releases::parse(self.kernel.get_ref()).map_err(|why| (self.kernel.span().start, why))?;
        let case = self.case.get_ref();
        if !case
            .split_once('/')
            .is_some_and(|(suite, name)| !suite.is_empty() && !name.is_empty())
        {
            let why = format!("{case:?} is no case: a suite, a slash and a name are");
            return Err((self.case.span().start, why));
        }
        let signature = self.signature.map(|text| {
            Regex::new(text.get_ref()).map_err(|error| {
                let why = format!("{:?} is no regular expression: {error}", text.get_ref());
                (text.span().start, why)
            })
        });
        let then = self.then.into_iter().map(|word| {
            consequence(word.get_ref()).ok_or_else(|| {
                let why = format!(
                    "{:?} is nothing that a case can miss: hang, dead, exit, output, fired, or a kind of finding",
                    word.get_ref()
                );
                (word.span().start, why)
            })
        });
        if self.reason.get_ref().trim().is_empty() {
            return Err((self.reason.span().start, "there is no `reason` in this".into()));
        }
        Ok(Entry {
            kernel,
            case: case.clone(),
            class: self.class,
            signature: signature.transpose()?,
            then: then.collect::<Result<_, _>>()?,
            reason: self.reason.into_inner(),
        })
    }
}

/// What a complaint can bring with it. What should not have been printed and was, and how many DSP processes crashed, is not
/// among it: a kernel that is cut short does less, not more.
fn consequence(word: &str) -> Option<About> {
    Some(match word {
        "hang" => About::Hang,
        "dead" => About::Dead,
        "exit" => About::Exit,
        "output" => About::Output,
        "fired" => About::Fired,
        kind => {
            let kind: account::Kind = serde_json::from_value(serde_json::Value::from(kind)).ok()?;
            About::Finding(kind)
        }
    })
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
