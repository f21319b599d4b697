//! A GLINK FIFO in guest RAM. On the rpm platform its place comes from our own constants, never from the table of
//! contents, which the guest can rewrite; on the board platform from SMEM's items, checked when the AP makes them.

use emu_core::mem::GuestRam;
use rpmsg::fifo::RingMemory;
use rpmsg::fifo::rpm::{DATA, HEAD, Ring, TAIL};
use std::sync::atomic::{Ordering, fence};

/// Guest physical addresses of a ring's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingPlace {
    /// The reader's index.
    pub tail: u64,
    /// The writer's index.
    pub head: u64,
    /// The ring's bytes.
    pub data: u64,
    /// How many.
    pub size: u32,
}

impl RingPlace {
    /// A ring of the message RAM at `msgram`: indices, then bytes.
    pub fn rpm(msgram: u64, ring: Ring) -> Self {
        let base = msgram.wrapping_add(u64::from(ring.offset));
        Self {
            tail: base.wrapping_add(u64::from(TAIL)),
            head: base.wrapping_add(u64::from(HEAD)),
            data: base.wrapping_add(u64::from(DATA)),
            size: ring.size,
        }
    }

    /// A ring of the SMEM at `base`.
    pub fn smem(base: u64, place: rpmsg::fifo::smem::Place) -> Self {
        let at = |offset: u32| base.wrapping_add(u64::from(offset));
        Self {
            tail: at(place.tail),
            head: at(place.head),
            data: at(place.data),
            size: place.size,
        }
    }
}

/// One ring. It lies in RAM as long as the machine's memory has the layout's size; should it not, words read as
/// zero and writes go nowhere (an empty FIFO).
#[derive(Debug, Clone)]
pub struct GuestRing {
    ram: GuestRam,
    place: RingPlace,
}

impl GuestRing {
    /// The ring at that place.
    pub fn new(ram: GuestRam, place: RingPlace) -> Self {
        Self { ram, place }
    }

    /// Both indices zero, as after a reset of the machine.
    pub fn reset(&self) {
        self.store(self.place.tail, 0);
        self.store(self.place.head, 0);
    }

    fn load(&self, at: u64) -> u32 {
        self.ram.read_u32(at).unwrap_or(0)
    }

    fn store(&self, at: u64, value: u32) {
        if let Err(error) = self.ram.write_u32(at, value) {
            tracing::debug!(target: "emu::device", %error, "GLINK FIFO");
        }
    }

    fn load_index(&self, at: u64) -> u32 {
        let index = self.load(at);
        fence(Ordering::Acquire);
        index
    }

    fn store_index(&self, at: u64, index: u32) {
        fence(Ordering::Release);
        self.store(at, index);
    }
}

impl RingMemory for GuestRing {
    fn capacity(&self) -> u32 {
        self.place.size
    }

    fn tail(&self) -> u32 {
        self.load_index(self.place.tail)
    }

    fn head(&self) -> u32 {
        self.load_index(self.place.head)
    }

    fn publish_tail(&self, tail: u32) {
        self.store_index(self.place.tail, tail);
    }

    fn publish_head(&self, head: u32) {
        self.store_index(self.place.head, head);
    }

    fn read_word(&self, offset: u32) -> u32 {
        self.load(self.place.data.wrapping_add(u64::from(offset)))
    }

    fn write_word(&self, offset: u32, word: u32) {
        self.store(self.place.data.wrapping_add(u64::from(offset)), word);
    }
}
