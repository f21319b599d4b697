//! The Z register: 256 bytes that `vrmpyz` multiplies vectors with.
//!
//! It is a window on memory: a byte's place in it is the low eight bits of the byte's address. A load fills the half that
//! address bit 7 chooses, and `Rt` of a multiply points 100 bytes behind the place where the first vector's four bytes begin.
//!
//! Source of these facts: a public program whose matrix products were checked on a V66 (the comments of its kernel name what
//! its authors measured). That a multiply sees Z as it was before its packet is the general rule of packets; that program does
//! not show it. Which cores have Z (V66 to V73): the vendor's public simulator, which knows its instructions by name only.

use super::{Regs, VECTOR_BYTES, Vector};

/// Half of the window, chosen by bit 7 of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// Places 0 to 127.
    Low,
    /// Places 128 to 255.
    High,
}

/// The Z register, and behind it what the packet in flight loads.
#[derive(Debug, Clone)]
pub struct Window {
    bytes: [u8; 2 * VECTOR_BYTES],
    staged: Vector,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            bytes: [0; 256],
            staged: [0; 128],
        }
    }
}

impl Window {
    /// All of it, by place.
    pub fn bytes(&self) -> &[u8; 2 * VECTOR_BYTES] {
        &self.bytes
    }

    /// Sets all of it.
    pub fn set(&mut self, bytes: &[u8; 2 * VECTOR_BYTES]) {
        self.bytes = *bytes;
    }

    fn half(&mut self, half: Half) -> &mut [u8] {
        let (low, high) = self.bytes.split_at_mut(VECTOR_BYTES);
        if half == Half::Low { low } else { high }
    }

    /// The packet commits: what it loaded becomes this half.
    #[cold]
    pub(crate) fn take_staged(&mut self, half: Half) {
        let staged = self.staged;
        self.half(half).copy_from_slice(&staged);
    }
}

impl Regs {
    /// The Z register's bytes.
    pub(crate) fn z(&self) -> &[u8; 2 * VECTOR_BYTES] {
        &self.hvx.z.bytes
    }

    /// Loads the half of Z that belongs to `address`: at once, or with an `off` when the packet commits.
    pub(crate) fn w_z(&mut self, address: u32, off: u8, v: &Vector) {
        let half = if address & 128 == 0 { Half::Low } else { Half::High };
        if off == 0 {
            self.hvx.z.half(half).copy_from_slice(v);
        } else {
            self.hvx.z.staged = *v;
            self.flight.z = Some(half);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::PENDING;

    #[test]
    fn a_load_fills_one_half() {
        let mut regs = Regs::default();
        regs.w_z(0x1000, 0, &[5; 128]);
        assert_eq!((regs.z()[127], regs.z()[128]), (5, 0));
        regs.w_z(0x1000, 0, &[0; 128]);
        regs.w_z(0x1080, PENDING, &[7; 128]);
        assert_eq!(regs.z(), &[0; 256]);
        regs.commit();
        assert_eq!((regs.z()[127], regs.z()[128], regs.z()[255]), (0, 7, 7));
        regs.w_z(0x1000, PENDING, &[9; 128]);
        regs.abort();
        regs.commit();
        assert_eq!(regs.z()[0], 0, "a packet that faulted loads nothing");
    }
}
