//! Findings that are known: a TOML file of rules.
//!
//! ```toml
//! [[suppress]]
//! kernel = "6.12.*"              # release; `*` stands for anything
//! kind = "still-mapped"
//! fields = { what = "mmap" }     # any of a finding's fields, and `dsp`; `*` as above
//! reason = "why it is known, with a reference"
//! ```

use super::finding::{Finding, Kind};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rules from one or more files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppressions {
    #[serde(default)]
    suppress: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    kernel: String,
    kind: Kind,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    reason: String,
}

/// Why a file of rules is not used.
#[derive(Debug, thiserror::Error)]
pub enum SuppressError {
    /// It cannot be read.
    #[error("cannot read the suppress file {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a file of rules.
    #[error("the suppress file {path} is not valid: {source}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// What and where.
        source: Box<toml::de::Error>,
    },
}

impl Suppressions {
    /// Rules from a text.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Rules from files.
    ///
    /// # Errors
    /// A file cannot be read or is not valid.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, SuppressError> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let text = std::fs::read_to_string(path).map_err(|source| SuppressError::Read {
                path: path.to_owned(),
                source,
            })?;
            let more = Self::parse(&text).map_err(|source| SuppressError::Syntax {
                path: path.to_owned(),
                source: Box::new(source),
            })?;
            all.suppress.extend(more.suppress);
        }
        Ok(all)
    }

    /// The reason why a finding is known for this kernel.
    #[must_use]
    pub fn reason(&self, kernel: &str, finding: &Finding) -> Option<&str> {
        let field = |name: &str| match name {
            "dsp" => Some(finding.dsp.as_str()),
            _ => finding.fields.get(name).map(String::as_str),
        };
        self.suppress
            .iter()
            .find(|rule| {
                rule.kind == finding.kind
                    && is_like(&rule.kernel, kernel)
                    && rule
                        .fields
                        .iter()
                        .all(|(name, pattern)| field(name).is_some_and(|value| is_like(pattern, value)))
            })
            .map(|rule| rule.reason.as_str())
    }
}

/// `*` stands for any number of any characters.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, like) in [
            ("6.12.*", "6.12.107+deb13-arm64", true),
            ("6.12.*", "6.1.0", false),
            ("*", "", true),
            ("*arm64", "7.3.4-arm64", true),
            ("7*4*64", "7.3.4-arm64", true),
            ("7*4*65", "7.3.4-arm64", false),
            ("a", "ab", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
        }
    }

    fn finding() -> Finding {
        Finding {
            kind: Kind::StillMapped,
            dsp: "cdsp".into(),
            life: 1,
            text: String::new(),
            fields: BTreeMap::from([("what", "mmap".to_owned()), ("client", "1".to_owned())]),
            ranges: Vec::new(),
            history: Vec::new(),
            suppressed: None,
        }
    }

    #[test]
    fn all_of_a_rule_must_fit() {
        let rules = |fields: &str| {
            Suppressions::parse(&format!(
                "[[suppress]]\nkernel = \"6.12*\"\nkind = \"still-mapped\"\nfields = {{ {fields} }}\nreason = \"known\"\n"
            ))
            .unwrap()
        };
        assert_eq!(rules("").reason("6.12.1", &finding()), Some("known"));
        assert_eq!(rules("").reason("7.3.4", &finding()), None);
        assert_eq!(
            rules("what = \"m*\", dsp = \"cdsp\"").reason("6.12.1", &finding()),
            Some("known")
        );
        assert_eq!(rules("what = \"handle\"").reason("6.12.1", &finding()), None);
        assert_eq!(rules("absent = \"*\"").reason("6.12.1", &finding()), None);
    }

    #[test]
    fn a_wrong_file_says_where() {
        let error = Suppressions::parse("[[suppress]]\nkernel = \"*\"\nkind = \"nothing\"\nreason = \"\"\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3") && error.contains("still-mapped"),
            "{error}"
        );
        let error = Suppressions::parse("[[suppress]]\nkernal = \"*\"\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("kernal"), "{error}");
        let error = Suppressions::load(&["/nonexistent/x"]).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/x"), "{error}");
        assert_eq!(Suppressions::load::<&str>(&[]).unwrap(), Suppressions::default());
    }
}
