//! What the tests against LLVM share: random numbers, an object file around raw words, and `llvm-objdump`'s answer.
#![allow(dead_code)]

pub mod packets;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Small repeatable random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    pub fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The newest `llvm-objdump` that knows Hexagon as the spec does, a test is skipped without.
pub fn objdump() -> Option<PathBuf> {
    for version in (19..30).rev() {
        let path = PathBuf::from(format!("/usr/lib/llvm-{version}/bin/llvm-objdump"));
        if path.exists() {
            return Some(path);
        }
    }
    test_needs::skip(
        test_needs::Need::Tools,
        "there is no llvm-objdump of LLVM 19 or later below /usr/lib/llvm-*",
    );
    None
}

/// How often each row is tried: `VHOST_HEXAGON_ROUNDS`, 20 if not set.
pub fn rounds() -> usize {
    std::env::var("VHOST_HEXAGON_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20)
}

/// Where the random numbers begin: `VHOST_HEXAGON_SEED`, 1 if not set.
pub fn seed() -> u64 {
    std::env::var("VHOST_HEXAGON_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1)
}

/// Options for a core with everything that V81 has.
pub const V81: &[&str] = &[
    "--mcpu=hexagonv81",
    "--mattr=+hvxv81,+hvx-length128b,+hvx-ieee-fp,+hvx-qfloat,+zreg,+cabac",
];
/// Options for the small core with audio instructions.
pub const V67T: &[&str] = &["--mcpu=hexagonv67t", "--mattr=+audio"];

/// The lines that `llvm-objdump -d` prints for `bytes` at `address`, by address. Symbolic names behind branch targets are
/// removed: the object has none, and the tool then names the section.
pub fn llvm(objdump: &Path, options: &[&str], bytes: &[u8], address: u32) -> HashMap<u32, String> {
    let dir = tempfile::tempdir().unwrap();
    let object = dir.path().join("words.o");
    std::fs::write(&object, elf(bytes, address)).unwrap();
    let out = Command::new(objdump)
        .args(["-d", "-z"])
        .args(options)
        .arg(&object)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let mut lines = HashMap::new();
    for line in text.lines() {
        let Some((at, _)) = line.split_once(":\t") else {
            continue;
        };
        let Ok(at) = u32::from_str_radix(at.trim(), 16) else {
            continue;
        };
        let mut line = line.to_owned();
        while let Some(from) = line.find(" <.text") {
            let to = line[from..].find('>').unwrap();
            line.replace_range(from..from + to + 1, "");
        }
        lines.insert(at, line);
    }
    lines
}

/// An ELF object with `bytes` as its section `.text` at `address`.
fn elf(bytes: &[u8], address: u32) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.text\0.shstrtab\0";
    const HEADER: u32 = 52;
    let text_at = HEADER;
    let names_at = text_at + bytes.len() as u32;
    let sections_at = (names_at + NAMES.len() as u32).next_multiple_of(4);
    let mut out = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |out: &mut Vec<u8>, v: u16| out.extend(v.to_le_bytes());
    let word = |out: &mut Vec<u8>, v: u32| out.extend(v.to_le_bytes());
    half(&mut out, 3); // shared object, so that the section's address counts
    half(&mut out, 164); // Hexagon
    for v in [1, 0, 0, sections_at, 0] {
        word(&mut out, v);
    }
    for v in [HEADER as u16, 0, 0, 40, 3, 2] {
        half(&mut out, v);
    }
    out.extend(bytes);
    out.extend(NAMES);
    out.resize(sections_at as usize, 0);
    let none = [0; 10];
    let text = [1, 1, 6, address, text_at, bytes.len() as u32, 0, 0, 4, 0];
    let names = [7, 3, 0, 0, names_at, NAMES.len() as u32, 0, 0, 1, 0];
    for v in [none, text, names].concat() {
        word(&mut out, v);
    }
    out
}

/// Words as bytes.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}
