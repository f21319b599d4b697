//! Flow control of outgoing data packets: after a few packets to the same socket one asks for a confirmation, and sending
//! pauses when that does not come.
//!
//! Source: `qrtr_tx_wait` and `qrtr_tx_resume` in `net/qrtr/af_qrtr.c`, whose two thresholds these are.

use super::packet::Address;
use std::collections::{BTreeMap, VecDeque};

/// The packet after this many unconfirmed ones asks for confirmation (`QRTR_TX_FLOW_LOW`).
pub const LOW: u32 = 5;
/// No packet is sent while this many are unconfirmed (`QRTR_TX_FLOW_HIGH`).
pub const HIGH: u32 = 10;

#[derive(Debug, Clone)]
struct Flow<T> {
    pending: u32,
    waiting: VecDeque<T>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<T> {
    /// Send it now, asking for confirmation or not.
    Send(T, bool),
    /// It waits for the confirmation.
    Queued,
    /// The receiver does not read: it is lost.
    Full,
}

/// Flows of packets `T` to all sockets.
#[derive(Debug, Clone)]
pub struct Flows<T> {
    flows: BTreeMap<Address, Flow<T>>,
    sockets: usize,
    queue: usize,
}

impl<T> Flows<T> {
    /// Remembers up to `sockets` destinations and queues up to `queue` packets for each.
    #[must_use]
    pub const fn new(sockets: usize, queue: usize) -> Self {
        Self {
            flows: BTreeMap::new(),
            sockets,
            queue,
        }
    }

    /// A packet for `to`: whether it goes now. One that waits is kept here and comes back from [`Self::resume`].
    pub fn admit(&mut self, to: Address, packet: T) -> Admission<T> {
        if !self.flows.contains_key(&to) && self.flows.len() >= self.sockets {
            // as the kernel does without memory for a flow: every packet asks, none waits
            return Admission::Send(packet, true);
        }
        let flow = self.flows.entry(to).or_insert_with(|| Flow {
            pending: 0,
            waiting: VecDeque::new(),
        });
        if flow.pending < HIGH && flow.waiting.is_empty() {
            flow.pending = flow.pending.saturating_add(1);
            return Admission::Send(packet, flow.pending == LOW);
        }
        if flow.waiting.len() >= self.queue {
            return Admission::Full;
        }
        flow.waiting.push_back(packet);
        Admission::Queued
    }

    /// `to` confirmed: the packets that may go now, each with its request for confirmation.
    pub fn resume(&mut self, to: Address) -> Vec<(T, bool)> {
        let Some(flow) = self.flows.get_mut(&to) else {
            return Vec::new();
        };
        flow.pending = 0;
        let mut out = Vec::new();
        while flow.pending < HIGH {
            let Some(packet) = flow.waiting.pop_front() else {
                break;
            };
            flow.pending = flow.pending.saturating_add(1);
            out.push((packet, flow.pending == LOW));
        }
        out
    }

    /// How many destinations are remembered.
    #[cfg(test)]
    pub fn sockets(&self) -> usize {
        self.flows.len()
    }

    /// The sockets for which `gone` holds are closed.
    pub fn forget(&mut self, gone: impl Fn(Address) -> bool) {
        self.flows.retain(|to, _| !gone(*to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Address = Address {
        node: 1,
        port: 0x4000,
    };

    #[test]
    fn the_fifth_asks_and_the_eleventh_waits() {
        let mut flows = Flows::new(2, 2);
        for n in 1..=HIGH {
            assert_eq!(flows.admit(TO, 1), Admission::Send(1, n == LOW));
        }
        assert_eq!(flows.admit(TO, 2), Admission::Queued);
        assert_eq!(flows.admit(TO, 3), Admission::Queued);
        assert_eq!(flows.admit(TO, 4), Admission::Full);
        assert_eq!(flows.resume(TO), [(2, false), (3, false)]);
        assert_eq!(flows.resume(TO), []);
        assert_eq!(flows.admit(TO, 5), Admission::Send(5, false));
    }

    #[test]
    fn a_long_queue_asks_again_and_stops_again() {
        let mut flows = Flows::new(1, 100);
        for n in 0..30 {
            flows.admit(TO, n);
        }
        let batch = flows.resume(TO);
        assert_eq!(batch.len(), 10);
        assert_eq!(batch.iter().filter(|(_, confirm)| *confirm).count(), 1);
        assert_eq!(flows.admit(TO, 30), Admission::Queued);
        assert_eq!(flows.resume(TO).len(), 10);
        assert_eq!(flows.resume(TO), [(30, false)]);
    }

    #[test]
    fn sockets_are_bounded_and_forgotten() {
        let mut flows = Flows::new(1, 1);
        let other = Address { node: 1, port: 2 };
        assert_eq!(flows.admit(TO, 0), Admission::Send(0, false));
        assert_eq!(flows.admit(other, 0), Admission::Send(0, true));
        assert_eq!(flows.resume(other), []);
        flows.forget(|a| a == TO);
        assert_eq!(flows.admit(other, 0), Admission::Send(0, false));
    }
}
