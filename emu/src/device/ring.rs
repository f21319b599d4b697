//! A GLINK FIFO in guest RAM. Its place comes from our own constants, never from the table of contents, which the guest
//! can rewrite.

use crate::mem::GuestRam;
use rpmsg::fifo::RingMemory;
use rpmsg::fifo::rpm::{DATA, HEAD, Ring, TAIL};
use std::sync::atomic::{Ordering, fence};

/// One ring. Message RAM lies in RAM as long as the machine's memory has the layout's size; should it not, words read as
/// zero and writes go nowhere (an empty FIFO).
#[derive(Debug, Clone)]
pub struct GuestRing {
    ram: GuestRam,
    base: u64,
    size: u32,
}

impl GuestRing {
    /// The ring at that place of the message RAM at `msgram`.
    pub fn new(ram: GuestRam, msgram: u64, place: Ring) -> Self {
        Self {
            ram,
            base: msgram + u64::from(place.offset),
            size: place.size,
        }
    }

    /// Both indices zero, as after a reset of the machine.
    pub fn reset(&self) {
        self.store(TAIL, 0);
        self.store(HEAD, 0);
    }

    fn load(&self, offset: u32) -> u32 {
        self.ram.read_u32(self.base + u64::from(offset)).unwrap_or(0)
    }

    fn store(&self, offset: u32, value: u32) {
        if let Err(error) = self.ram.write_u32(self.base + u64::from(offset), value) {
            tracing::debug!(target: "emu::device", %error, "message RAM");
        }
    }

    fn load_index(&self, offset: u32) -> u32 {
        let index = self.load(offset);
        fence(Ordering::Acquire);
        index
    }

    fn store_index(&self, offset: u32, index: u32) {
        fence(Ordering::Release);
        self.store(offset, index);
    }
}

impl RingMemory for GuestRing {
    fn capacity(&self) -> u32 {
        self.size
    }

    fn tail(&self) -> u32 {
        self.load_index(TAIL)
    }

    fn head(&self) -> u32 {
        self.load_index(HEAD)
    }

    fn publish_tail(&self, tail: u32) {
        self.store_index(TAIL, tail);
    }

    fn publish_head(&self, head: u32) {
        self.store_index(HEAD, head);
    }

    fn read_word(&self, offset: u32) -> u32 {
        self.load(DATA + offset)
    }

    fn write_word(&self, offset: u32, word: u32) {
        self.store(DATA + offset, word);
    }
}
