//! One program on our core and on a `qemu-hexagon`, and what differs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use emu_core::{Engine, VectorUnit};
use test_needs::Need;

use super::generate::ARCH;
use super::program::{
    AREA_BYTES, CONTROL_OUT, EXIT_WORD, FIRST_CONTROL, Fragment, Input, Placed, Program, SAVED_WORDS,
    record_bytes,
};

/// A `qemu-hexagon`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The program.
    pub path: PathBuf,
    /// What it calls its version.
    pub version: String,
    /// The first number of it.
    pub major: u32,
}

impl Peer {
    /// The one at `path`; `None` if it cannot be run.
    #[must_use]
    pub fn at(path: &Path) -> Option<Peer> {
        let out = Command::new(path).arg("--version").output().ok()?;
        let text = String::from_utf8(out.stdout).ok()?;
        let version = text.split("version ").nth(1)?.split_whitespace().next()?;
        let major = version.split('.').next()?.parse().ok()?;
        Some(Peer {
            path: path.to_owned(),
            version: version.to_owned(),
            major,
        })
    }

    /// What it is called in tables.
    #[must_use]
    pub fn name(&self) -> String {
        let mut numbers = self.version.split('.');
        let (a, b) = (
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
        );
        format!("qemu {a}.{b}")
    }

    /// Those on this machine: the installed one, and the newer one that `cargo xtask setup` fetches.
    #[must_use]
    pub fn find_both() -> [Option<Peer>; 2] {
        let installed = ["qemu-hexagon-static", "qemu-hexagon"]
            .into_iter()
            .find_map(|p| Peer::at(Path::new(p)));
        let newer = crate::assets::cache()
            .map(|cache| cache.newer_qemu_user().join("qemu-hexagon"))
            .and_then(|p| Peer::at(&p));
        [installed, newer]
    }

    /// [`Peer::find_both`] for a test, which is skipped as far as they are not there.
    ///
    /// # Panics
    /// See [`test_needs::skip`].
    #[must_use]
    #[track_caller]
    pub fn all_or_skip() -> Vec<Peer> {
        let all = Peer::find_both();
        let missing = [
            (Need::Tools, "no qemu-hexagon is installed: not compared with it"),
            (
                Need::NewerQemu,
                "no newer qemu-hexagon is in the cache: not compared with it (`cargo xtask setup` fetches one)",
            ),
        ];
        for (_, (need, why)) in all.iter().zip(missing).filter(|(peer, _)| peer.is_none()) {
            test_needs::skip(need, why);
        }
        all.into_iter().flatten().collect()
    }
}

/// What a program wrote, and why it ended early if it did.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// Its output.
    pub bytes: Vec<u8>,
    /// How it failed.
    pub failed: Option<String>,
}

/// The program on our core, with every part of this host's vector unit and with each engine: all have to agree.
#[must_use]
pub fn run_ours(elf: &[u8]) -> Written {
    let interpreted = VectorUnit::all().into_iter().map(|unit| {
        let run = |program: emu_linux_user::Program| program.on_engine(Engine::Interpreter).on_vectors(unit);
        (format!("{unit:?}"), run_with(elf, run))
    });
    let mut all = interpreted.collect::<Vec<_>>().into_iter();
    let Some((_, plain)) = all.next() else {
        return run_with(elf, |program| program);
    };
    let translated = run_with(elf, |program| program.on_engine(Engine::Translator));
    for (how, other) in all.chain([("translated code".to_owned(), translated)]) {
        if other != plain {
            let at = plain.bytes.iter().zip(&other.bytes).position(|(a, b)| a != b);
            let same = at.unwrap_or_else(|| plain.bytes.len().min(other.bytes.len()));
            return Written {
                // The case in which they differ is the first that is not whole.
                bytes: plain.bytes[..same].to_vec(),
                failed: Some(format!(
                    "{how} differs from plain code from byte {at:?} of the output on ({:?}, {:?})",
                    other.failed, plain.failed
                )),
            };
        }
    }
    plain
}

fn run_with(elf: &[u8], how: impl Fn(emu_linux_user::Program) -> emu_linux_user::Program) -> Written {
    let mut bytes = Vec::new();
    let failed = match emu_linux_user::Program::load(elf, ARCH) {
        Ok(program) => how(program).run(&mut bytes, 1 << 32).err().map(|e| e.to_string()),
        Err(e) => Some(e.to_string()),
    };
    Written { bytes, failed }
}

/// The program on a peer.
///
/// # Errors
/// The program cannot be written down or started.
pub fn run_peer(peer: &Peer, elf: &[u8]) -> Result<Written> {
    let dir = tempfile::tempdir().context("no temporary folder")?;
    let path = dir.path().join("cases");
    std::fs::write(&path, elf).context("cannot write the program")?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    let out = Command::new(&peer.path)
        .args(["-cpu", "v73"])
        .arg(&path)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", peer.path.display()))?;
    let failed = (!out.status.success()).then(|| {
        let said = String::from_utf8_lossy(&out.stderr);
        format!("{} {}", out.status, said.lines().next().unwrap_or_default())
    });
    Ok(Written {
        bytes: out.stdout,
        failed,
    })
}

/// A fragment with its inputs.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Number in the batch: with the seed, it says everything.
    pub number: usize,
    /// What runs.
    pub fragment: Fragment,
    /// Each with what it starts from.
    pub inputs: Vec<Input>,
}

/// Registers and memory after a case.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a>(pub &'a [u8]);

impl Record<'_> {
    /// A word of the part with registers.
    #[must_use]
    pub fn word(&self, k: usize) -> u32 {
        let b = &self.0[4 * k..4 * k + 4];
        u32::from_le_bytes([b[0], b[1], b[2], b[3]])
    }

    /// A control register.
    #[must_use]
    pub fn control(&self, c: usize) -> u32 {
        let at = CONTROL_OUT.iter().position(|x| *x == c);
        at.map_or(0, |at| self.word(FIRST_CONTROL + at))
    }
}

/// How a word of an output record is called.
fn word_name(k: usize) -> String {
    match k {
        0..32 => format!("r{k}"),
        EXIT_WORD => "exit taken".to_owned(),
        _ => match CONTROL_OUT.get(k - FIRST_CONTROL) {
            Some(4) => "p3:0".to_owned(),
            Some(8) => "usr".to_owned(),
            Some(c) => format!("c{c}"),
            None => "padding".to_owned(),
        },
    }
}

/// What differs between two records.
#[must_use]
pub fn difference(ours: Record, theirs: Record) -> Vec<String> {
    let mut out = Vec::new();
    if ours.0 == theirs.0 {
        return out;
    }
    for k in 0..SAVED_WORDS {
        let (a, b) = (ours.word(k), theirs.word(k));
        if a != b {
            out.push(format!("{} = {a:08x}, theirs {b:08x}", word_name(k)));
        }
    }
    let at = 4 * SAVED_WORDS;
    let area = at..at + AREA_BYTES;
    let pieces = [(area.clone(), "memory"), (area.end..ours.0.len(), "vectors")];
    for (range, what) in pieces {
        let (a, b) = (&ours.0[range.clone()], &theirs.0[range]);
        let mut shown = 0;
        for k in (0..a.len()).step_by(4) {
            if a[k..k + 4] != b[k..k + 4] && shown < 4 {
                shown += 1;
                let name = match (what, k / 128) {
                    ("memory", _) => format!("area+{k:#x}"),
                    (_, v @ 0..32) => format!("v{v} byte {}", k % 128),
                    (_, v) => format!("q{} bit {}", v - 32, k % 128),
                };
                out.push(format!(
                    "{name} = {:02x?}, theirs {:02x?}",
                    &a[k..k + 4],
                    &b[k..k + 4]
                ));
            }
        }
    }
    out
}

/// A program of all these subjects, and where they are in it. Those that cannot be laid down are left out with a word why.
pub struct Laid {
    /// The file.
    pub elf: Vec<u8>,
    /// (subject, input) of each output record.
    pub cases: Vec<(usize, usize)>,
    /// Subjects that did not assemble.
    pub refused: Vec<(usize, String)>,
    /// Bytes of an output record.
    pub size: usize,
}

/// Lays the subjects at positions `which` down.
#[must_use]
pub fn lay(subjects: &[Subject], which: &[usize], hvx: bool, pool: Vec<u8>) -> Laid {
    let mut program = Program::new(hvx, pool);
    let mut laid = Laid {
        elf: Vec::new(),
        cases: Vec::new(),
        refused: Vec::new(),
        size: record_bytes(hvx),
    };
    for &s in which {
        let subject = &subjects[s];
        let placed: Placed = match program.add_fragment(&subject.fragment) {
            Ok(placed) => placed,
            Err(e) => {
                laid.refused.push((s, e));
                continue;
            }
        };
        for (k, input) in subject.inputs.iter().enumerate() {
            program.add_case(&subject.fragment, &placed, input);
            laid.cases.push((s, k));
        }
    }
    laid.elf = program.finish();
    laid
}
