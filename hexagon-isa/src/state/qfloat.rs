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

use super::Regs;
use super::lanes::{bytes, elements};
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

/// An element of a qfloat vector.
pub(crate) trait Element: Copy + Default {
    /// What every instruction sees.
    type Visible: Copy + Default;
    fn new(visible: Self::Visible, hidden: u8) -> Self;
    fn visible(self) -> Self::Visible;
    fn hidden(self) -> u8;
}

macro_rules! element {
    ($t:ident $visible:ident: $int:ty) => {
        impl Element for $t {
            type Visible = $int;
            #[inline(always)]
            fn new($visible: $int, hidden: u8) -> Self {
                $t { $visible, hidden }
            }
            #[inline(always)]
            fn visible(self) -> $int {
                self.$visible
            }
            #[inline(always)]
            fn hidden(self) -> u8 {
                self.hidden
            }
        }
    };
}
element!(Qf32 word: u32);
element!(Qf16 half: u16);

/// The elements of a vector or a pair, visible and hidden bits apart, as the host's vector units take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elements<T: Element, const N: usize> {
    visible: [T::Visible; N],
    hidden: [u8; N],
}

/// The elements of a qf32 vector.
pub(crate) type Words = Elements<Qf32, 32>;
/// The elements of a qf16 vector.
pub(crate) type Halves = Elements<Qf16, 64>;

impl<T: Element, const N: usize> Default for Elements<T, N> {
    #[inline(always)]
    fn default() -> Self {
        Elements {
            visible: [T::Visible::default(); N],
            hidden: [T::default().hidden(); N],
        }
    }
}

impl<T: Element, const N: usize> Elements<T, N> {
    /// Element `i`; those that do not exist are the default.
    #[inline(always)]
    pub(crate) fn at(&self, i: u32) -> T {
        match (self.visible.get(i as usize), self.hidden.get(i as usize)) {
            (Some(visible), Some(hidden)) => T::new(*visible, *hidden),
            _ => T::default(),
        }
    }

    /// Sets element `i`; nothing if it does not exist.
    #[inline(always)]
    pub(crate) fn put(&mut self, i: u32, v: T) {
        super::lanes::put(&mut self.visible, i, v.visible());
        super::lanes::put(&mut self.hidden, i, v.hidden());
    }

    /// Joins the halves of a pair.
    #[inline(always)]
    fn pair<const PAIR: usize>(lo: &Self, hi: &Self) -> Elements<T, PAIR> {
        let mut out = Elements::default();
        for (half, to) in [lo, hi].into_iter().zip(out.visible.chunks_exact_mut(N)) {
            to.copy_from_slice(&half.visible);
        }
        for (half, to) in [lo, hi].into_iter().zip(out.hidden.chunks_exact_mut(N)) {
            to.copy_from_slice(&half.hidden);
        }
        out
    }

    /// One half of a pair: 0 low, 1 high.
    #[inline(always)]
    fn half<const HALF: usize>(&self, h: usize) -> Elements<T, HALF> {
        let mut out = Elements::default();
        if let Some(from) = self.visible.chunks_exact(HALF).nth(h) {
            out.visible.copy_from_slice(from);
        }
        if let Some(from) = self.hidden.chunks_exact(HALF).nth(h) {
            out.hidden.copy_from_slice(from);
        }
        out
    }
}

/// A register's hidden bits by words: the two of a byte come apart, in a vector's lanes.
#[inline(always)]
fn of_words(bits: u128) -> [u8; 32] {
    let mut out = [0; 32];
    for (o, b) in out.as_chunks_mut::<2>().0.iter_mut().zip(bits.to_le_bytes()) {
        let b = u16::from(b);
        *o = ((b | b << 4) & 0x0f0f).to_le_bytes();
    }
    out
}

/// The same by halfwords, of which a byte has four.
#[inline(always)]
fn of_halves(bits: u128) -> [u8; 64] {
    let mut out = [0; 64];
    for (o, b) in out.as_chunks_mut::<4>().0.iter_mut().zip(bits.to_le_bytes()) {
        let b = u32::from(b);
        *o = ((b | b << 6 | b << 12 | b << 18) & 0x0303_0303).to_le_bytes();
    }
    out
}

#[inline(always)]
fn join_words(hidden: &[u8; 32]) -> u128 {
    let mut out = [0; 16];
    for (o, v) in out.iter_mut().zip(hidden.as_chunks().0) {
        let v = u16::from_le_bytes(*v) & 0x0f0f;
        *o = (v | v >> 4) as u8;
    }
    u128::from_le_bytes(out)
}

#[inline(always)]
fn join_halves(hidden: &[u8; 64]) -> u128 {
    let mut out = [0; 16];
    for (o, v) in out.iter_mut().zip(hidden.as_chunks().0) {
        let v = u32::from_le_bytes(*v) & 0x0303_0303;
        *o = (v | v >> 6 | v >> 12 | v >> 18) as u8;
    }
    u128::from_le_bytes(out)
}

// By the old rules nothing looks at hidden bits, and results have the default: then they are not looked up and not stored.
impl Regs {
    #[inline(always)]
    fn hidden(&self, n: i32, rules: Qfloat) -> u128 {
        match rules {
            Qfloat::Legacy => HIDDEN_DEFAULT,
            Qfloat::Extended => self.hvx.hidden.get(n as u8),
        }
    }

    #[inline(always)]
    fn set_hidden(&mut self, n: i32, off: u8, rules: Qfloat, bits: impl Fn() -> u128) {
        if rules == Qfloat::Extended {
            self.hvx.hidden.set((n as u8).wrapping_add(off), bits());
        }
    }

    /// Vector operand as qf32.
    #[inline(always)]
    pub(crate) fn qf32(&self, n: i32, rules: Qfloat) -> Words {
        Elements {
            visible: elements(self.vec(n)),
            hidden: of_words(self.hidden(n, rules)),
        }
    }

    /// Vector pair operand as qf32.
    #[inline(always)]
    pub(crate) fn qf32_pair(&self, n: i32, rules: Qfloat) -> Elements<Qf32, 64> {
        Elements::pair(&self.qf32(n, rules), &self.qf32(n ^ 1, rules))
    }

    /// Vector operand as qf16.
    #[inline(always)]
    pub(crate) fn qf16(&self, n: i32, rules: Qfloat) -> Halves {
        Elements {
            visible: elements(self.vec(n)),
            hidden: of_halves(self.hidden(n, rules)),
        }
    }

    #[inline(always)]
    pub(crate) fn w_qf32(&mut self, n: i32, off: u8, v: &Words, rules: Qfloat) {
        self.w_vec(n, off, bytes(&v.visible));
        self.set_hidden(n, off, rules, || join_words(&v.hidden));
    }

    #[inline(always)]
    pub(crate) fn w_qf32_pair(&mut self, n: i32, off: u8, v: &Elements<Qf32, 64>, rules: Qfloat) {
        self.w_qf32(n, off, &v.half(0), rules);
        self.w_qf32(n ^ 1, off, &v.half(1), rules);
    }

    #[inline(always)]
    pub(crate) fn w_qf16(&mut self, n: i32, off: u8, v: &Halves, rules: Qfloat) {
        self.w_vec(n, off, bytes(&v.visible));
        self.set_hidden(n, off, rules, || join_halves(&v.hidden));
    }

    #[inline(always)]
    pub(crate) fn w_qf16_pair(&mut self, n: i32, off: u8, v: &Elements<Qf16, 128>, rules: Qfloat) {
        self.w_qf16(n, off, &v.half(0), rules);
        self.w_qf16(n ^ 1, off, &v.half(1), rules);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::PENDING;

    const NEW: Qfloat = Qfloat::Extended;

    fn words(word: u32, hidden: u8) -> Words {
        Elements {
            visible: [word; 32],
            hidden: [hidden; 32],
        }
    }

    #[test]
    fn hidden_bits_live_as_long_as_nothing_else_is_written() {
        let mut s = Regs::default();
        let v = words(7, 5);
        s.w_qf32(3, 0, &v, NEW);
        assert_eq!((s.qf32(3, NEW), s.qf32(4, NEW).at(0).hidden), (v, 0xa));
        assert_eq!(s.qf16(3, NEW).at(0), Qf16 { half: 7, hidden: 1 });
        s.w_vec(3, 0, [0; 128]);
        assert_eq!(s.qf32(3, NEW), Words::default());
    }

    #[test]
    fn hidden_bits_commit_with_their_vector() {
        let mut s = Regs::default();
        let v = words(7, 5);
        s.w_qf32(3, PENDING, &v, NEW);
        assert_eq!(s.qf32(3, NEW), Words::default());
        s.commit();
        assert_eq!(s.qf32(3, NEW), v);
        s.w_vec(3, PENDING, [1; 128]);
        s.commit();
        assert_eq!(s.qf32(3, NEW).at(0).hidden, 0xa);
    }

    #[test]
    fn a_load_that_is_undone_brings_the_hidden_bits_back() {
        let mut s = Regs::default();
        let v = Halves {
            visible: [9; 64],
            hidden: [1; 64],
        };
        s.w_qf16(3, 0, &v, NEW);
        for temporary in [true, false] {
            s.save_vector(3, temporary);
            s.w_vec(3, 0, [1; 128]);
            assert_eq!(s.qf16(3, NEW).at(0).hidden, 2);
            if temporary {
                s.commit();
            } else {
                s.abort();
            }
            assert_eq!(s.qf16(3, NEW), v);
        }
    }

    #[test]
    fn every_element_has_its_own_bits() {
        let bits = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128;
        let (words, halves) = (of_words(bits), of_halves(bits));
        for (n, v) in words.iter().enumerate() {
            assert_eq!(u128::from(*v), bits >> (4 * n) & 15, "word {n}");
        }
        for (n, v) in halves.iter().enumerate() {
            assert_eq!(u128::from(*v), bits >> (2 * n) & 3, "halfword {n}");
        }
        assert_eq!((join_words(&words), join_halves(&halves)), (bits, bits));
    }

    #[test]
    fn by_the_old_rules_results_have_the_default() {
        let mut s = Regs::default();
        s.w_qf32(3, 0, &words(7, 5), NEW);
        assert_eq!(s.qf32(3, Qfloat::Legacy).at(9).hidden, 0xa);
        s.w_qf32(3, 0, &words(7, 0xa), Qfloat::Legacy);
        assert_eq!(s.qf32(3, NEW), words(7, 0xa));
        let mut pair = Elements::<Qf32, 64>::default();
        pair.put(33, Qf32 { word: 8, hidden: 1 });
        s.w_qf32_pair(4, 0, &pair, NEW);
        assert_eq!((s.qf32_pair(4, NEW), s.qf32(5, NEW).at(1).hidden), (pair, 1));
    }
}
