//! One DSP thread's architectural state and its clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hexagon_isa::Arch;
pub use hexagon_isa::state::{Ctl, HvxRegs, Regs};

use super::dma::Dma;

/// Frequency of UTIMER (C31:30).
pub const UTIMER_HZ: u64 = 19_200_000;
/// Frequency that UPCYCLE (C15:14) pretends when it follows a clock.
pub const UPCYCLE_HZ: u64 = 1_000_000_000;

/// What UTIMER and UPCYCLE show.
#[derive(Debug, Clone)]
pub enum TimeSource {
    /// The host's monotonic clock since this instant.
    Host(Instant),
    /// Nanoseconds that the owner of the counter advances (deterministic runs).
    Virtual(Arc<AtomicU64>),
    /// One packet is one nanosecond: repeatable without an owner.
    Packets,
}

impl TimeSource {
    /// Nanoseconds now, for a thread that has executed `packets`.
    pub fn nanos(&self, packets: u64) -> u64 {
        match self {
            TimeSource::Host(start) => u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            TimeSource::Virtual(ns) => ns.load(Ordering::Relaxed),
            TimeSource::Packets => packets,
        }
    }

    /// UTIMER ticks now.
    pub fn utimer(&self, packets: u64) -> u64 {
        let ticks = u128::from(self.nanos(packets)) * u128::from(UTIMER_HZ) / 1_000_000_000;
        ticks as u64
    }

    /// UPCYCLE now.
    pub fn upcycle(&self, packets: u64) -> u64 {
        let cycles = u128::from(self.nanos(packets)) * u128::from(UPCYCLE_HZ) / 1_000_000_000;
        cycles as u64
    }
}

/// One DSP thread: registers, clock, statistics. Plain data; belongs to whoever schedules threads.
#[derive(Debug, Clone)]
pub struct Thread {
    /// Architectural registers; `regs.pc` is where it goes on.
    pub regs: Regs,
    /// Packets committed so far.
    pub packets: u64,
    /// Instructions in them (constant extenders not counted, both halves of a duplex counted).
    pub insns: u64,
    /// HVX instructions among them.
    pub hvx_insns: u64,
    /// What the clock registers show.
    pub time: TimeSource,
    /// Its DMA engine.
    pub dma: Dma,
}

impl Thread {
    /// A thread of a core of this architecture, with zeroed registers, that starts at `pc`. The architecture decides what qfloat
    /// and matrix instructions do; a [`Cpu`](super::Cpu) runs threads of its own.
    pub fn new(arch: Arch, pc: u32) -> Self {
        let mut thread = Thread {
            regs: Regs::new(arch),
            packets: 0,
            insns: 0,
            hvx_insns: 0,
            time: TimeSource::Host(Instant::now()),
            dma: Dma::default(),
        };
        thread.regs.pc = pc;
        thread
    }
}
