//! Well-known C programs, unmodified, as static programs for Linux on Hexagon: what `vhost-hexagon exec` is for. Their sources are
//! those that crates carry, clang and the C library (musl) are Zig's.
//!
//! What is built of sources that do not change is kept in the cache, under a hash of what it was made of.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use emu_assets::cache::Cache;
use test_needs::{Need, crates, wheels};

use crate::assets;
use crate::hexagon::emulator;

/// A program, and work for it.
#[derive(Debug)]
pub struct RealProgram {
    /// What it is called.
    pub name: &'static str,
    /// The crate that carries its sources, and their folder there.
    source: ((&'static str, &'static str), &'static str),
    /// Its sources but the `.c`; empty: all but those of `without`.
    parts: &'static [&'static str],
    /// Sources that are programs of their own.
    without: &'static [&'static str],
    /// Its main program is ours: `tests/programs/real_world/NAME.c`.
    main_is_ours: bool,
    options: &'static [&'static str],
    work: Work,
    /// How much work a test gives it, and a benchmark.
    amounts: [u32; 2],
}

/// What a program is given.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// A script of `tests/programs/real_world` as first argument, the amount as second one.
    Script(&'static str),
    /// Such a script on standard input, the amount as argument.
    Piped(&'static str),
    /// Text on standard input, as many KiB as the amount says, and these arguments.
    Text(&'static [&'static str]),
}

/// How much is to be done.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// A second or so for the interpreter.
    Test,
    /// Enough to compare speeds.
    Bench,
}

/// All of them.
pub const ALL: [RealProgram; 4] = [
    RealProgram {
        name: "lua",
        source: (crates::LUA, "lua-5.4.9"),
        parts: &[],
        without: &["lua", "luac", "onelua", "ltests"],
        main_is_ours: true,
        options: &["-lm"],
        work: Work::Script("work.lua"),
        amounts: [1, 12],
    },
    RealProgram {
        name: "bzip2",
        source: (crates::BZIP2, "bzip2-1.0.8"),
        parts: &[
            "bzip2",
            "blocksort",
            "huffman",
            "crctable",
            "randtable",
            "compress",
            "decompress",
            "bzlib",
        ],
        without: &[],
        main_is_ours: false,
        options: &["-D_FILE_OFFSET_BITS=64"],
        work: Work::Text(&["-c"]),
        amounts: [200, 6000],
    },
    RealProgram {
        name: "zlib",
        source: (crates::ZLIB, "src/zlib"),
        parts: &[
            "adler32", "compress", "crc32", "deflate", "inffast", "inflate", "inftrees", "trees", "uncompr",
            "zutil",
        ],
        without: &[],
        main_is_ours: true,
        options: &[],
        work: Work::Text(&["9"]),
        amounts: [100, 3000],
    },
    RealProgram {
        name: "sqlite",
        source: (crates::SQLITE, "sqlite3"),
        parts: &["sqlite3"],
        without: &[],
        main_is_ours: true,
        options: &["-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION"],
        work: Work::Piped("work.sql"),
        amounts: [1500, 60_000],
    },
];

/// Folder of the main programs that are ours, and of the work.
fn folder() -> PathBuf {
    assets::workspace().join("tests/programs/real_world")
}

/// The compiler, for a test, which is skipped without.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn zig_or_skip() -> Option<PathBuf> {
    let cache = Cache::open().expect("a cache");
    let found = wheels::unpacked(cache.root(), &wheels::ZIG).map(|wheel| wheel.join("ziglang/zig"));
    if found.is_none() {
        test_needs::skip(Need::Wheels, "pip cannot fetch ziglang");
    }
    found
}

impl RealProgram {
    /// The program; built if it is not in the cache. A test is skipped without its sources.
    ///
    /// # Panics
    /// It does not compile. See [`test_needs::skip`], too.
    #[track_caller]
    pub fn build_or_skip(&self, zig: &Path) -> Option<PathBuf> {
        let ((krate, version), sources) = self.source;
        let Some(source) = crates::source((krate, version)) else {
            test_needs::skip(Need::CrateSources, &format!("cargo cannot fetch {krate}"));
            return None;
        };
        let source = source.join(sources);
        let cache = Cache::open().expect("a cache");
        let mut command = Command::new(zig);
        command
            .args(["cc", "-target", "hexagon-linux-musl", "-mcpu=hexagonv68"])
            .args(["-static", "-O2", "-g0", "-w", "-I"])
            .arg(&source)
            .args(self.files(&source));
        let mut hasher = DefaultHasher::new();
        (
            version,
            wheels::ZIG.version,
            format!("{command:?} {:?}", self.options),
        )
            .hash(&mut hasher);
        if self.main_is_ours {
            let main = folder().join(self.name).with_extension("c");
            std::fs::read(&main).expect("its main program").hash(&mut hasher);
            command.arg(main);
        }
        let programs = cache.root().join("programs");
        let program = programs.join(format!("{}-{:016x}", self.name, hasher.finish()));
        if program.is_file() {
            return Some(program);
        }
        std::fs::create_dir_all(&programs).expect("a folder");
        // Of a name of its own until it is complete.
        let new = programs.join(format!(".{}-{}", self.name, std::process::id()));
        let output = command
            .args(self.options)
            .arg("-o")
            .arg(&new)
            // What it builds of its C library is kept there.
            .env("ZIG_GLOBAL_CACHE_DIR", cache.root().join("zig"))
            .env("ZIG_LOCAL_CACHE_DIR", cache.root().join("zig"))
            .output()
            .expect("the compiler runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        std::fs::rename(&new, &program).expect("the program gets its name");
        Some(program)
    }

    /// Its sources in the crate.
    fn files(&self, source: &Path) -> Vec<PathBuf> {
        if !self.parts.is_empty() {
            let file = |part: &&str| source.join(part).with_extension("c");
            return self.parts.iter().map(file).collect();
        }
        let listed = std::fs::read_dir(source).expect("its sources");
        let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| {
            let name = file.file_stem().unwrap_or_default();
            file.extension().is_some_and(|end| end == "c") && !self.without.iter().any(|other| name == *other)
        });
        files.sort();
        files
    }

    /// Runs a command ([`on_peer`], [`on_engine`]) with its arguments and input for so much work.
    ///
    /// # Errors
    /// It does not start, its output cannot be read, or it succeeds without reading all its input.
    ///
    /// # Panics
    /// The work is not there.
    pub fn run(&self, command: &mut Command, amount: Amount) -> std::io::Result<Output> {
        let (arguments, input) = self.work(amount);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut to = child.stdin.take().expect("its input");
        // Not in the way of what it prints meanwhile.
        let feed = std::thread::spawn(move || to.write_all(&input));
        let output = child.wait_with_output()?;
        let fed = feed.join().expect("no panic");
        // What failed need not have read all.
        if output.status.success() {
            fed?;
        }
        Ok(output)
    }

    /// Its arguments for so much work, and what it reads.
    fn work(&self, amount: Amount) -> (Vec<String>, Vec<u8>) {
        let amount = self.amounts[amount as usize];
        match self.work {
            Work::Script(file) => {
                let script = folder().join(file).to_string_lossy().into_owned();
                (vec![script, amount.to_string()], Vec::new())
            }
            Work::Piped(file) => (
                vec![amount.to_string()],
                std::fs::read(folder().join(file)).expect("the script"),
            ),
            Work::Text(arguments) => (
                arguments.iter().map(ToString::to_string).collect(),
                text(amount as usize * 1024),
            ),
        }
    }
}

/// A program on QEMU's user mode.
#[must_use]
pub fn on_peer(qemu: &str, program: &Path) -> Command {
    let mut command = Command::new(qemu);
    command.args(["-cpu", "v68"]).arg(program);
    command
}

/// A program on this build's `vhost-hexagon exec`.
#[must_use]
pub fn on_engine(engine: &str, program: &Path) -> Command {
    let mut command = Command::new(emulator());
    command
        .args(["exec", "--cpu", "v68", "--engine", engine])
        .arg(program);
    command
}

/// Words of a small language, some often and some seldom, in lines: the same each time.
fn text(length: usize) -> Vec<u8> {
    let mut text = String::with_capacity(length + 16);
    let mut state = 1u32;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    while text.len() < length {
        // The square of a random number: small ones are frequent.
        let rank = next(64) * next(64);
        text.push_str(["re", "la", "to", "mi", "sen", "qua", "be", "dor"][rank as usize % 8]);
        text.push_str(["n", "ti", "a", "lo", "us", "per", "", "vi"][rank as usize / 8 % 8]);
        if rank > 64 {
            text.push_str(&rank.to_string());
        }
        text.push(if next(12) == 0 { '\n' } else { ' ' });
    }
    text.truncate(length);
    text.into_bytes()
}
