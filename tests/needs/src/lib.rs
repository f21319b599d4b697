//! What tests need that is not in the repository, what they say when they go without it, and what `cargo xtask test` makes
//! of that.
//!
//! A test that lacks something calls [`skip`] and returns. Where the need's variable is set (`VH_REQUIRE_…`), that is a
//! failure; `cargo xtask test` sets it for everything that is on this machine. Elsewhere the test is told as skipped, past
//! the capture of libtest, and noted in the file that `VH_TEST_NOTES` names, of which the summary is made.

pub mod crates;
pub mod executable;
pub mod wheels;

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The variable that names the file for notes.
pub const NOTES: &str = "VH_TEST_NOTES";

/// Something that a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Stock kernels, firmware, QEMU: what it takes to boot a guest.
    Guests,
    /// Recorded sessions and skeletons of others, see [`testdata`].
    TestData,
    /// Programs that `cargo xtask setup` installs: clang and llvm-objdump with Hexagon, qemu-hexagon, tshark, gdb, …; and what
    /// was built with them.
    Tools,
    /// A qemu-hexagon that is newer than Debian's.
    NewerQemu,
    /// cargo-deny.
    CargoDeny,
    /// The database of known vulnerabilities, which cargo-deny fetches.
    Advisories,
    /// mdBook.
    MdBook,
    /// A kernel with the QDA driver, which no distribution has (docs/kernels.md).
    QdaKernel,
    /// Sources of crates, which cargo fetches; see [`crates`].
    CrateSources,
    /// Packages of PyPI, which pip fetches; see [`wheels`].
    Wheels,
    /// Debian's programs for guests that are not in the guests' user space, which `cargo xtask setup` fetches: hexagonrpcd, libssc.
    GuestPackages,
}

impl Need {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Guests,
        Self::TestData,
        Self::Tools,
        Self::NewerQemu,
        Self::CargoDeny,
        Self::Advisories,
        Self::MdBook,
        Self::QdaKernel,
        Self::CrateSources,
        Self::Wheels,
        Self::GuestPackages,
    ];

    /// The variable that makes going without it a failure.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Guests => "VH_REQUIRE_E2E",
            Self::TestData => "VH_REQUIRE_TESTDATA",
            Self::Tools => "VH_REQUIRE_TOOLS",
            Self::NewerQemu => "VH_REQUIRE_NEWER_QEMU",
            Self::CargoDeny => "VH_REQUIRE_CARGO_DENY",
            Self::Advisories => "VH_REQUIRE_ADVISORIES",
            Self::MdBook => "VH_REQUIRE_MDBOOK",
            Self::QdaKernel => "VH_REQUIRE_QDA_KERNEL",
            Self::CrateSources => "VH_REQUIRE_CRATE_SOURCES",
            Self::Wheels => "VH_REQUIRE_WHEELS",
            Self::GuestPackages => "VH_REQUIRE_GUEST_PACKAGES",
        }
    }
}

/// The variable that names the folder with the test data; beside the repository, in `shared/testdata`, if it is not set.
pub const TESTDATA: &str = "VH_TESTDATA";

/// The folder with what others have recorded and built, if it is there: `traces` (sessions of unmodified kernels and
/// libraries, with a README) and `qualcomm-fastrpc` (the skeletons of Qualcomm's open test programs).
#[must_use]
pub fn testdata() -> Option<PathBuf> {
    let folder = match std::env::var_os(TESTDATA) {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/testdata"),
    };
    folder.is_dir().then_some(folder)
}

/// [`testdata`] for a test, which is skipped without.
///
/// # Panics
/// See [`skip`].
#[track_caller]
#[must_use]
pub fn testdata_or_skip() -> Option<PathBuf> {
    let found = testdata();
    if found.is_none() {
        skip(
            Need::TestData,
            &format!("there is no test data ({TESTDATA}, or shared/testdata beside the repository)"),
        );
    }
    found
}

/// The folder with Qualcomm's skeletons, for a test, which is skipped without.
///
/// # Panics
/// See [`skip`].
#[track_caller]
#[must_use]
pub fn real_skeletons() -> Option<PathBuf> {
    Some(testdata_or_skip()?.join("qualcomm-fastrpc"))
}

/// What a test has to tell beside its success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Which kind.
    pub kind: Kind,
    /// The test: its program and its name in it.
    pub test: String,
    /// One line.
    pub text: String,
}

/// Kinds of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The test, or a part of it, was not run.
    Skipped,
    /// A case met a known defect of a kernel.
    Known,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skipped => "skipped",
            Self::Known => "known",
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        write!(f, "{}\t{}\t{}", self.kind, plain(&self.test), plain(&self.text))
    }
}

impl Note {
    /// Reads a line of the file for notes; `None` if it is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, '\t');
        let kind = match words.next()? {
            "skipped" => Kind::Skipped,
            "known" => Kind::Known,
            _ => return None,
        };
        Some(Self {
            kind,
            test: words.next()?.to_owned(),
            text: words.next()?.to_owned(),
        })
    }

    /// Adds it to a file for notes. Tests of many processes write there at once: a line is one write.
    fn append(&self, file: &Path) -> std::io::Result<()> {
        let mut file = std::fs::File::options().append(true).create(true).open(file)?;
        file.write_all(format!("{self}\n").as_bytes())
    }
}

/// The test that calls does not run, or not all of it.
///
/// # Panics
/// When it must run (see [`Need::variable`]), or its note cannot be written.
#[track_caller]
pub fn skip(need: Need, why: &str) {
    demand(need, std::env::var_os(need.variable()).is_some(), why);
    note(Kind::Skipped, why);
}

/// Fails if the need is required.
#[track_caller]
fn demand(need: Need, required: bool, why: &str) {
    assert!(
        !required,
        "this test must run ({} is set), but {why}",
        need.variable()
    );
}

/// Tells something about the test that calls.
///
/// # Panics
/// When the note cannot be written: then the summary would be wrong.
#[track_caller]
pub fn note(kind: Kind, text: &str) {
    // Of a test with many rounds each says it.
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let note = Note {
        kind,
        test: test(),
        text: text.to_owned(),
    };
    let is_new = TOLD
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(note.to_string());
    if !is_new {
        return;
    }
    // Not `eprintln!`, which libtest keeps to itself when the test is good. Nobody to tell it to is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{} {}: {text}", note.kind, note.test);
    if let Some(file) = std::env::var_os(NOTES) {
        let written = note.append(Path::new(&file));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", Path::new(&file).display()));
    }
}

/// The program and the test: libtest calls a test's thread by its name.
fn test() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    // cargo appends a hash.
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    let thread = std::thread::current();
    format!("{program}::{}", thread.name().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic = "this test must run (VH_REQUIRE_TOOLS is set), but there is no clang"]
    fn what_is_required_is_not_skipped() {
        demand(Need::Tools, false, "there is no clang");
        demand(Need::Tools, true, "there is no clang");
    }

    #[test]
    fn every_need_has_a_variable_of_its_own() {
        for (n, need) in Need::ALL.iter().enumerate() {
            assert!(need.variable().starts_with("VH_REQUIRE_"));
            assert!(
                Need::ALL[..n]
                    .iter()
                    .all(|other| other.variable() != need.variable())
            );
        }
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        let dir = std::env::temp_dir().join(format!("vh-notes-{}", std::process::id()));
        let _ = std::fs::remove_file(&dir);
        let note = |kind, text: &str| Note {
            kind,
            test: test(),
            text: text.into(),
        };
        note(Kind::Skipped, "no\tQEMU\nhere").append(&dir).unwrap();
        note(Kind::Known, "smoke/x").append(&dir).unwrap();
        let text = std::fs::read_to_string(&dir).unwrap();
        std::fs::remove_file(&dir).unwrap();
        let read: Vec<_> = text.lines().map(|line| Note::parse(line).unwrap()).collect();
        assert_eq!(
            read,
            [note(Kind::Skipped, "no QEMU here"), note(Kind::Known, "smoke/x")]
        );
        assert_eq!(
            read[0].test,
            "test_needs::tests::notes_are_read_as_they_were_written"
        );
        assert_eq!(Note::parse("passed\ta\tb"), None);
        assert_eq!(Note::parse("skipped\ta"), None);
    }
}
