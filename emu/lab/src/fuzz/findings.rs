//! What a fuzzing run found: a folder with a case and a report for each signature.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// What a signature's line in a saved case begins with.
const MARK: &str = "# signature: ";
/// Longest name of a file, without its extension.
const MAX_NAME: usize = 80;

/// The folder.
#[derive(Debug)]
pub struct Findings {
    folder: PathBuf,
    /// How often each signature was met in this run; those of earlier runs are there with 0.
    met: BTreeMap<String, usize>,
}

impl Findings {
    /// Makes the folder, or reads what earlier runs left in it.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut met = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path)?;
                for signature in text.lines().filter_map(|line| line.strip_prefix(MARK)) {
                    met.insert(signature.to_owned(), 0);
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            met,
        })
    }

    /// Counts a failure; true if nobody has seen it before.
    pub fn meet(&mut self, signature: &str) -> bool {
        let new = !self.met.contains_key(signature);
        *self.met.entry(signature.to_owned()).or_default() += 1;
        new
    }

    /// Writes a new one: the case, with who found it, and the report beside it. Returns the case's path.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, signature: &str, origin: &str, case: &str, report: &str) -> std::io::Result<PathBuf> {
        let name = name(signature);
        let mut numbers = 1..;
        loop {
            let stem = match numbers.next() {
                Some(1) | None => name.clone(),
                Some(number) => format!("{name}-{number}"),
            };
            let path = self.folder.join(format!("{stem}.toml"));
            let told = path.with_extension("txt");
            // Others may write into the folder, too.
            let mut made = match File::create_new(&told) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            made.write_all(report.as_bytes())?;
            match File::create_new(&path) {
                Ok(mut file) => write!(file, "# {origin}\n{MARK}{signature}\n{case}")?,
                Err(error) => {
                    drop(std::fs::remove_file(told));
                    match error.kind() {
                        ErrorKind::AlreadyExists => continue,
                        _ => return Err(error),
                    }
                }
            }
            return Ok(path);
        }
    }

    /// Signatures met in this run, and how often.
    pub fn met(&self) -> impl Iterator<Item = (&str, usize)> {
        let met = self
            .met
            .iter()
            .map(|(signature, times)| (signature.as_str(), *times));
        met.filter(|(_, times)| *times > 0)
    }
}

/// A file's name for a signature.
fn name(signature: &str) -> String {
    let mut name = String::new();
    for c in signature.chars() {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        };
        if c != '-' || !name.ends_with('-') {
            name.push(c);
        }
        if name.len() >= MAX_NAME {
            break;
        }
    }
    let name = name.trim_matches('-');
    if name.is_empty() {
        "finding".into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_saved_once_and_known_to_later_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut findings = Findings::open(&path).unwrap();
        assert!(findings.meet("kasan a <- b/c") && !findings.meet("kasan a <- b/c"));
        let saved = findings
            .save("kasan a <- b/c", "by a test", "name = \"x\"\n", "report")
            .unwrap();
        assert_eq!(saved.file_name().unwrap(), "kasan-a-b-c.toml");
        assert_eq!(
            std::fs::read_to_string(saved.with_extension("txt")).unwrap(),
            "report"
        );
        // A name that is taken, if only by a report.
        std::fs::write(path.join("kasan-a-b-c-2.txt"), "theirs").unwrap();
        let other = findings.save("kasan a <- b.c", "by a test", "", "").unwrap();
        assert_eq!(other.file_name().unwrap(), "kasan-a-b-c-3.toml");
        assert_eq!(std::fs::read(path.join("kasan-a-b-c-2.txt")).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 5);
        let mut later = Findings::open(&path).unwrap();
        assert!(!later.meet("kasan a <- b/c") && !later.meet("kasan a <- b.c"));
        assert!(later.meet("hang"));
        assert_eq!(later.met().count(), 3);
    }

    #[test]
    fn any_signature_has_a_name() {
        assert_eq!(name("../../etc/passwd"), "etc-passwd");
        assert_eq!(name("\u{1f41b}/"), "finding");
        assert!(name(&"x".repeat(1000)).len() <= MAX_NAME);
    }
}
