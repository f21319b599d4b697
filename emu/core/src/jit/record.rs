//! What was translated, for people: kept only once somebody asked for it, of all translators of this program.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use hexagon_isa::Arch;

use super::growth::{Unit, Way};
use crate::fetch::fetch_by;

/// Packets of which it is kept how often they were left to the interpreter, at most.
const MOST_PLACES: usize = 1 << 16;
/// Units that are kept to be shown, at most.
const MOST_DUMPS: usize = 16;

/// The environment variable that has host code named for `perf`: `1`.
pub const PERF_VARIABLE: &str = "VHOST_HEXAGON_PERF_MAP";

/// What was translated.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Functions that were made.
    pub units: AtomicU64,
    /// Packets in them.
    pub packets: AtomicU64,
    /// Of these, packets for which the interpreter's functions are called.
    pub called: AtomicU64,
    /// Bytes of host code.
    pub bytes: AtomicU64,
    /// Nanoseconds that it took.
    pub nanoseconds: AtomicU64,
    /// Units that could not be compiled.
    pub failed: AtomicU64,
    /// How often the interpreter had to do a packet for a unit.
    pub interpreted: AtomicU64,
}

/// A packet that units left to the interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftPacket {
    /// Where it is.
    pub pc: u32,
    /// The core that met it.
    pub arch: Arch,
    /// Its words when it was first left; empty if they could not be looked at.
    pub words: Vec<u32>,
    /// How often.
    pub times: u64,
}

/// How a packet of a unit is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By host code.
    Lowered,
    /// By the interpreter's functions, which host code calls.
    Called,
    /// By the interpreter: the unit is left in front of it.
    Interpreted,
}

/// A unit, to be looked at.
#[derive(Debug, Clone)]
pub struct Dump {
    /// Where it is entered.
    pub entries: Vec<u32>,
    /// Its packets: address, words, how they are executed.
    pub packets: Vec<(u32, Vec<u32>, How)>,
    /// The code generator's form of it.
    pub ir: String,
    /// Where its host code is.
    pub at: u64,
    /// Its host code.
    pub code: Vec<u8>,
}

/// What is recorded of this program's translators.
#[derive(Debug, Default)]
pub struct Record {
    /// Sums.
    pub statistics: Statistics,
    left: Mutex<HashMap<(Arch, u32), LeftPacket>>,
    /// Units with a packet here are kept.
    wanted: Option<u32>,
    dumps: Mutex<Vec<Dump>>,
}

static RECORD: OnceLock<Arc<Record>> = OnceLock::new();

/// Begins to record, once for the whole program; units with a packet at `wanted` are kept.
pub fn record(wanted: Option<u32>) -> Arc<Record> {
    let new = || {
        Arc::new(Record {
            wanted,
            ..Record::default()
        })
    };
    Arc::clone(RECORD.get_or_init(new))
}

/// What is recorded, if anything is.
pub(super) fn recorded() -> Option<&'static Record> {
    RECORD.get().map(|record| &**record)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Statistics {
    /// A unit was made.
    pub(super) fn add(&self, unit: &Unit, bytes: usize) {
        let called = unit
            .pieces
            .values()
            .filter(|piece| matches!(piece.way, Way::Called(_)));
        self.units.fetch_add(1, Relaxed);
        self.packets.fetch_add(unit.pieces.len() as u64, Relaxed);
        self.called.fetch_add(called.count() as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }
}

impl Record {
    /// A unit was left in front of the packet at `pc`.
    pub(super) fn left(&self, arch: Arch, pc: u32, word: impl Fn(u32) -> Option<u32>) {
        self.statistics.interpreted.fetch_add(1, Relaxed);
        let mut left = lock(&self.left);
        if let Some(packet) = left.get_mut(&(arch, pc)) {
            packet.times += 1;
        } else if left.len() < MOST_PLACES {
            let (words, times) = (words(&word, pc), 1);
            let packet = LeftPacket {
                pc,
                arch,
                words,
                times,
            };
            left.insert((arch, pc), packet);
        }
    }

    /// The packets that were left to the interpreter, the most frequent first.
    pub fn left_packets(&self) -> Vec<LeftPacket> {
        let mut packets: Vec<_> = lock(&self.left).values().cloned().collect();
        packets.sort_by_key(|packet| (u64::MAX - packet.times, packet.pc));
        packets
    }

    /// Whether this unit is to be kept.
    pub(super) fn wants(&self, unit: &Unit) -> bool {
        self.wanted.is_some_and(|pc| unit.pieces.contains_key(&pc)) && lock(&self.dumps).len() < MOST_DUMPS
    }

    /// Keeps a unit.
    pub(super) fn keep(
        &self,
        unit: &Unit,
        ir: String,
        at: u64,
        code: &[u8],
        word: impl Fn(u32) -> Option<u32>,
    ) {
        let how = |way: &Way| match way {
            Way::Lowered(_) => How::Lowered,
            Way::Called(_) => How::Called,
            Way::Interpreted => How::Interpreted,
        };
        let pieces = unit.pieces.values();
        let dump = Dump {
            entries: unit.entries.clone(),
            packets: pieces.map(|p| (p.pc, words(&word, p.pc), how(&p.way))).collect(),
            ir,
            at,
            code: code.to_vec(),
        };
        lock(&self.dumps).push(dump);
    }

    /// The units that were kept.
    pub fn dumps(&self) -> Vec<Dump> {
        lock(&self.dumps).clone()
    }
}

/// The words of the packet at an address.
fn words(word: &impl Fn(u32) -> Option<u32>, pc: u32) -> Vec<u32> {
    fetch_by(|va| word(va).ok_or(()), pc).words().to_vec()
}

/// The map in which `perf` looks for names of code without a file.
static MAP: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    if std::env::var_os(PERF_VARIABLE).is_none_or(|value| value.is_empty() || value == "0") {
        return None;
    }
    let name = format!("/tmp/perf-{}.map", std::process::id());
    // Somebody else's file of this name stays what it is, and links are not followed: a new file or none.
    match OpenOptions::new().append(true).create_new(true).open(&name) {
        Ok(file) => Some(Mutex::new(file)),
        Err(error) => {
            tracing::warn!(target: "emu::core", "{name}: {error}; host code has no names for perf");
            None
        }
    }
});

/// Names a unit's host code for `perf`, where that is wanted.
pub(super) fn name_for_perf(pc: u32, at: u64, size: usize) {
    if let Some(map) = &*MAP {
        // Who profiles sees that it is full or gone by names that are missing.
        let _ = lock(map).write_all(format!("{at:x} {size:x} hexagon {pc:#010x}\n").as_bytes());
    }
}
