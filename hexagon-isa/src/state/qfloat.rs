//! Registers' side of qfloat: which rules a core has, the hidden bits of vector registers, and vectors as qf32 and qf16 lanes.
//!
//! From V79 on every vector register has four more bits a word, which only qfloat instructions read and write: the lowest bit
//! of the significand, two rounding bits and the top bit of the exponent. Any other write leaves the *default*, with which the
//! 32 visible bits mean what they meant before.
//!
//! Almost no register ever holds anything but the default, and integer code must not pay for the others. So a register has its
//! bits only if its bit in `present` is set: a plain write clears one bit of one word, reads outside of qfloat do not look, and
//! cores with the old rules need no test at all because their results always have the default. The core's architecture is not
//! looked up either: which rules hold is a field of the registers that the core sets.

use super::lanes::{bytes, elements};
use super::{Regs, Vector};
use crate::Arch;

/// Which HVX floating point a core has besides IEEE's: V79 replaced the internal format and its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Qfloat {
    /// V68 to V75: an odd significand, no NaN and no infinity.
    #[default]
    Legacy,
    /// From V79 on: vector registers have hidden bits, results are IEEE's once they are converted.
    Extended,
}

impl Qfloat {
    /// What a core of this architecture has.
    pub fn of(arch: Arch) -> Self {
        if arch < Arch::V79 {
            Qfloat::Legacy
        } else {
            Qfloat::Extended
        }
    }
}

/// One element of a qf32 vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Qf32 {
    /// What every instruction sees.
    pub word: u32,
    /// The hidden bits, from the top: L (lowest bit of the significand), R (a rounding bit: adds one), E (top bit of the
    /// exponent), Q (differs from R if the number is inexact).
    pub hidden: u8,
}

/// One element of a qf16 vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Qf16 {
    /// What every instruction sees.
    pub half: u16,
    /// The hidden bits L and R.
    pub hidden: u8,
}

impl Default for Qf32 {
    fn default() -> Self {
        Qf32 { word: 0, hidden: 0xa }
    }
}

impl Default for Qf16 {
    fn default() -> Self {
        Qf16 { half: 0, hidden: 2 }
    }
}

/// The hidden bits of a register that was not written by qfloat.
pub const HIDDEN_DEFAULT: u128 = u128::MAX / 0xf * 0xa;

/// The hidden bits of all vector registers, pending halves included: four bits a word, the lowest for word 0. A qf16 vector has
/// two bits a halfword in the same place.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Hidden {
    /// Registers that do not have the default.
    present: u64,
    bits: [u128; 64],
}

/// Where [`Hidden`] has its set of registers.
pub(super) const PRESENT: usize = std::mem::offset_of!(Hidden, present);

impl Hidden {
    pub(super) const fn new() -> Self {
        Hidden {
            present: 0,
            bits: [HIDDEN_DEFAULT; 64],
        }
    }

    /// Bits of register `n` (pending half included); `n` wraps at the file's size.
    pub fn get(&self, n: u8) -> u128 {
        match self.bits.get(usize::from(n & 63)) {
            Some(bits) if self.present >> (n & 63) & 1 != 0 => *bits,
            _ => HIDDEN_DEFAULT,
        }
    }

    /// Sets the bits of register `n`.
    pub fn set(&mut self, n: u8, v: u128) {
        self.reset(n);
        if v != HIDDEN_DEFAULT
            && let Some(bits) = self.bits.get_mut(usize::from(n & 63))
        {
            *bits = v;
            self.present |= 1 << (n & 63);
        }
    }

    /// Register `n` has the default.
    #[inline(always)]
    pub fn reset(&mut self, n: u8) {
        // Mostly none has any; then nothing is written, or every vector instruction would wait for the one before it.
        if self.present != 0 {
            self.present &= !(1 << (n & 63));
        }
    }

    /// Register `to` has what register `from` has.
    #[inline(always)]
    pub(super) fn copy(&mut self, from: u8, to: u8) {
        if self.present == 0 {
            return;
        }
        self.set(to, self.get(from));
    }
}

/// The visible lanes `v` with their hidden bits, `width` bits each.
fn with_hidden<V: Copy, T, const N: usize>(
    v: [V; N],
    hidden: u128,
    width: usize,
    f: impl Fn(V, u8) -> T,
) -> [T; N] {
    let mut i = 0;
    v.map(|v| {
        let bits = (hidden >> i) as u8 & ((1 << width) - 1);
        i += width;
        f(v, bits)
    })
}

fn words(v: &Vector, hidden: u128) -> [Qf32; 32] {
    with_hidden(elements(v), hidden, 4, |word, hidden| Qf32 { word, hidden })
}

fn join_hidden(bits: impl Iterator<Item = u8>, width: usize) -> u128 {
    bits.enumerate()
        .fold(0, |all, (i, b)| all | u128::from(b) << (i * width))
}

/// Joins the halves of a pair.
fn pair<T: Copy + Default>(lo: [T; 32], hi: [T; 32]) -> [T; 64] {
    let mut out = [T::default(); 64];
    for (o, v) in out.iter_mut().zip(lo.iter().chain(&hi)) {
        *o = *v;
    }
    out
}

impl Regs {
    /// Vector operand as qf32.
    pub(crate) fn qf32(&self, n: i32) -> [Qf32; 32] {
        words(self.vec(n), self.hvx.hidden.get(n as u8))
    }

    /// Vector pair operand as qf32.
    pub(crate) fn qf32_pair(&self, n: i32) -> [Qf32; 64] {
        pair(self.qf32(n), self.qf32(n ^ 1))
    }

    /// Vector operand as qf16.
    pub(crate) fn qf16(&self, n: i32) -> [Qf16; 64] {
        with_hidden(
            elements(self.vec(n)),
            self.hvx.hidden.get(n as u8),
            2,
            |half, hidden| Qf16 { half, hidden },
        )
    }

    pub(crate) fn w_qf32(&mut self, n: i32, off: u8, v: &[Qf32; 32]) {
        self.w_vec(n, off, bytes(&v.map(|v| v.word)));
        let hidden = join_hidden(v.iter().map(|v| v.hidden & 15), 4);
        self.hvx.hidden.set((n as u8).wrapping_add(off), hidden);
    }

    pub(crate) fn w_qf32_pair(&mut self, n: i32, off: u8, v: &[Qf32; 64]) {
        for (h, v) in v.chunks_exact(32).enumerate() {
            let mut half = [Qf32::default(); 32];
            half.copy_from_slice(v);
            self.w_qf32(n ^ h as i32, off, &half);
        }
    }

    pub(crate) fn w_qf16(&mut self, n: i32, off: u8, v: &[Qf16; 64]) {
        self.w_vec(n, off, bytes(&v.map(|v| v.half)));
        let hidden = join_hidden(v.iter().map(|v| v.hidden & 3), 2);
        self.hvx.hidden.set((n as u8).wrapping_add(off), hidden);
    }

    pub(crate) fn w_qf16_pair(&mut self, n: i32, off: u8, v: &[Qf16; 128]) {
        for (h, v) in v.chunks_exact(64).enumerate() {
            let mut half = [Qf16::default(); 64];
            half.copy_from_slice(v);
            self.w_qf16(n ^ h as i32, off, &half);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::PENDING;

    #[test]
    fn hidden_bits_live_as_long_as_nothing_else_is_written() {
        let mut s = Regs::default();
        let v = [Qf32 { word: 7, hidden: 5 }; 32];
        s.w_qf32(3, 0, &v);
        assert_eq!((s.qf32(3), s.qf32(4)[0].hidden), (v, 0xa));
        assert_eq!(s.qf16(3)[0], Qf16 { half: 7, hidden: 1 });
        s.w_vec(3, 0, [0; 128]);
        assert_eq!(s.qf32(3), [Qf32::default(); 32]);
    }

    #[test]
    fn hidden_bits_commit_with_their_vector() {
        let mut s = Regs::default();
        let v = [Qf32 { word: 7, hidden: 5 }; 32];
        s.w_qf32(3, PENDING, &v);
        assert_eq!(s.qf32(3), [Qf32::default(); 32]);
        s.commit();
        assert_eq!(s.qf32(3), v);
        s.w_vec(3, PENDING, [1; 128]);
        s.commit();
        assert_eq!(s.qf32(3)[0].hidden, 0xa);
    }

    #[test]
    fn a_load_that_is_undone_brings_the_hidden_bits_back() {
        let mut s = Regs::default();
        let v = [Qf16 { half: 9, hidden: 1 }; 64];
        s.w_qf16(3, 0, &v);
        for temporary in [true, false] {
            s.save_vector(3, temporary);
            s.w_vec(3, 0, [1; 128]);
            assert_eq!(s.qf16(3)[0].hidden, 2);
            if temporary {
                s.commit();
            } else {
                s.abort();
            }
            assert_eq!(s.qf16(3), v);
        }
    }
}
