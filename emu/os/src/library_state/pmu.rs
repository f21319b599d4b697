//! The performance counters that `qurt_pmu_*` set up and read: eight registers of 32 bits, each of which counts one event.
//!
//! Counted are committed packets of any of the process's threads (event 3) and overflows of other counters (1, 2, 5, 6), as the
//! chapter "PMU events" of Qualcomm's public V79 Programmer's Reference Manual (80-N2040-60) numbers them. The low eight bits of
//! an event stand in PMUEVTCFG or PMUEVTCFG1, two more in PMUCFG (ggml's `htp_iface_profiler`, Qualcomm's hexagon-hypervisor).

use std::collections::BTreeSet;

/// Counters.
const COUNTERS: usize = 8;
/// A packet was committed by any thread.
const PACKETS: u16 = 3;

/// What a register number of `qurt_pmu_set` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// A counter.
    Counter(usize),
    /// The high bits of all events.
    Config,
    /// The low bits of four counters' events: those of the first four, or of the others.
    Events(usize),
    /// Which threads are counted: 0 all of them.
    Threads(usize),
}

impl Register {
    /// `QURT_PMU*`.
    pub fn of(number: u32) -> Option<Self> {
        Some(match number {
            0..4 => Self::Counter(number as usize),
            4 => Self::Config,
            5 => Self::Events(0),
            6..10 => Self::Counter(number as usize - 2),
            10 => Self::Events(1),
            11 | 12 => Self::Threads(number as usize - 11),
            _ => return None,
        })
    }
}

/// The counters of a process.
#[derive(Debug, Default)]
pub struct Pmu {
    on: bool,
    config: u32,
    events: [u32; 2],
    threads: [u32; 2],
    counts: [u32; COUNTERS],
    /// Packets of the process that are in the counts.
    seen: u64,
    told: BTreeSet<u16>,
}

impl Pmu {
    /// Which event a counter counts.
    fn event(&self, counter: usize) -> u16 {
        let low = (self.events[counter / 4] >> (counter % 4 * 8)) & 0xff;
        let high = (self.config >> (2 * counter)) & 3;
        (high << 8 | low) as u16
    }

    /// Brings the counts up to date with the packets that the process has run.
    fn advance(&mut self, packets: u64) {
        let ran = packets.saturating_sub(self.seen);
        self.seen = packets;
        if !self.on {
            return;
        }
        let mut overflows = [0u32; COUNTERS];
        for (n, overflow) in overflows.iter_mut().enumerate() {
            if self.event(n) == PACKETS {
                let sum = u64::from(self.counts[n]).saturating_add(ran);
                (self.counts[n], *overflow) = (sum as u32, (sum >> 32) as u32);
            }
        }
        for n in 0..COUNTERS {
            if let Some(of) = overflowing(self.event(n)) {
                self.counts[n] = self.counts[n].wrapping_add(overflows[of]);
            }
        }
    }

    /// Lets the counters run, or stand still. They keep their values.
    pub fn enable(&mut self, on: bool, packets: u64) {
        self.advance(packets);
        self.on = on;
    }

    /// Sets a register. New events of the first four counters set those to 0.
    pub fn set(&mut self, register: Register, value: u32, packets: u64) {
        self.advance(packets);
        match register {
            Register::Counter(n) => self.counts[n] = value,
            Register::Config => self.config = value,
            Register::Events(n) => {
                self.events[n] = value;
                if n == 0 {
                    self.counts[..4].fill(0);
                }
            }
            Register::Threads(n) => self.threads[n] = value,
        }
    }

    /// Reads a register.
    pub fn get(&mut self, register: Register, packets: u64) -> u32 {
        self.advance(packets);
        match register {
            Register::Counter(n) => self.counts[n],
            Register::Config => self.config,
            Register::Events(n) => self.events[n],
            Register::Threads(n) => self.threads[n],
        }
    }

    /// An event that a counter is set up for and that is not counted, each once.
    pub fn not_counted(&mut self) -> Option<u16> {
        let known = |event: u16| event == 0 || event == PACKETS || overflowing(event).is_some();
        let event = (0..COUNTERS)
            .map(|n| self.event(n))
            .find(|&event| !known(event) && !self.told.contains(&event))?;
        self.told.insert(event);
        Some(event)
    }

    /// Is only a part of the threads to be counted? That is not done.
    pub fn chooses_threads(&self) -> bool {
        self.threads != [0; 2]
    }
}

/// The counter whose overflows an event is.
fn overflowing(event: u16) -> Option<usize> {
    match event {
        1 => Some(0),
        2 => Some(2),
        5 => Some(4),
        6 => Some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_and_the_next_one_make_64_bits() {
        let mut pmu = Pmu::default();
        let at = |n| Register::of(n).unwrap();
        pmu.set(at(5), 0x0103, 0);
        pmu.set(at(0), u32::MAX - 9, 50);
        pmu.enable(true, 100);
        assert_eq!((pmu.get(at(0), 105), pmu.get(at(1), 105)), (u32::MAX - 4, 0));
        assert_eq!((pmu.get(at(0), 110), pmu.get(at(1), 110)), (0, 1));
        assert_eq!(pmu.get(at(0), 110 + (3 << 32)), 0);
        assert_eq!(pmu.get(at(1), 110 + (3 << 32)), 4);
        pmu.enable(false, 110 + (3 << 32));
        assert_eq!(pmu.get(at(0), u64::MAX), 0);
        assert_eq!(pmu.not_counted(), None);
    }

    #[test]
    fn events_have_ten_bits_and_what_is_not_counted_is_told_once() {
        let mut pmu = Pmu::default();
        let at = |n| Register::of(n).unwrap();
        // Counter 5 counts packets, counter 6 what V79 calls HVX_PKT.
        pmu.set(at(10), 0x11_0300, 0);
        pmu.set(at(4), 1 << 12, 0);
        pmu.enable(true, 0);
        assert_eq!((pmu.get(at(7), 20), pmu.get(at(8), 20)), (20, 0));
        assert_eq!((pmu.not_counted(), pmu.not_counted()), (Some(0x111), None));
        assert!(Register::of(13).is_none());
        pmu.set(at(11), 1, 0);
        assert!(pmu.chooses_threads());
    }
}
