//! Vectors as arrays of lanes, and vector predicates as byte masks.

use super::access::VectorPair;
use super::{VecPred, Vector};

/// An integer that a vector can be made of.
pub(crate) trait Lane: Copy + Default {
    fn from_bytes(b: &[u8]) -> Self;
    fn to_bytes(self, b: &mut [u8]);
}

macro_rules! lane {
    ($($t:ty)*) => {$(
        impl Lane for $t {
            #[inline(always)]
            fn from_bytes(b: &[u8]) -> Self {
                b.try_into().map_or(0, <$t>::from_le_bytes)
            }
            #[inline(always)]
            fn to_bytes(self, b: &mut [u8]) {
                b.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
lane!(u8 i8 u16 i16 u32 i32 u64 i64);

/// A vector's lanes.
#[inline(always)]
pub(crate) fn elements<T: Lane, const N: usize, const B: usize>(v: &[u8; B]) -> [T; N] {
    let mut out = [T::default(); N];
    for (o, c) in out.iter_mut().zip(v.chunks_exact(size_of::<T>())) {
        *o = T::from_bytes(c);
    }
    out
}

/// The vector that has these lanes.
#[inline(always)]
pub(crate) fn bytes<T: Lane, const N: usize, const B: usize>(lanes: &[T; N]) -> [u8; B] {
    let mut out = [0; B];
    for (c, l) in out.chunks_exact_mut(size_of::<T>()).zip(lanes) {
        l.to_bytes(c);
    }
    out
}

/// Lane `i`; lanes that do not exist read zero.
#[inline(always)]
pub(crate) fn at<T: Copy + Default, const N: usize>(lanes: &[T; N], i: u32) -> T {
    lanes.get(i as usize).copied().unwrap_or_default()
}

/// Lane `i` of a vector (or pair); lanes that do not exist read zero.
#[inline(always)]
pub(crate) fn lane<T: Lane, const B: usize>(v: &[u8; B], i: u32) -> T {
    let at = i as usize * size_of::<T>();
    v.get(at..at + size_of::<T>())
        .map_or_else(T::default, T::from_bytes)
}

/// Sets lane `i`; nothing if it does not exist.
#[inline(always)]
pub(crate) fn put<T: Copy, const N: usize>(lanes: &mut [T; N], i: u32, v: T) {
    if let Some(l) = lanes.get_mut(i as usize) {
        *l = v;
    }
}

/// One vector of a pair: 0 low, 1 high.
#[inline(always)]
pub(crate) fn half(v: &VectorPair, h: usize) -> Vector {
    let [lo, hi]: [Vector; 2] = zerocopy::transmute!(*v);
    if h == 0 { lo } else { hi }
}

/// Two vectors as a pair.
#[inline(always)]
pub(crate) fn join(lo: &Vector, hi: &Vector) -> VectorPair {
    zerocopy::transmute!([*lo, *hi])
}

/// The bytes of two vectors from byte `n` of the first on; `n` wraps above 128.
#[inline(always)]
pub(crate) fn window(lo: &Vector, hi: &Vector, n: u32) -> Vector {
    let n = if n > 128 { n % 128 } else { n } as usize;
    let mut out = [0; 128];
    if let Some(bytes) = join(lo, hi).get(n..n + 128) {
        out.copy_from_slice(bytes);
    }
    out
}

/// A vector predicate as bytes of 0xff and 0.
#[inline(always)]
pub(crate) fn expand(q: VecPred) -> Vector {
    const BIT: u64 = u64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]);
    let mut bits = [0u64; 16];
    for (o, byte) in bits.iter_mut().zip(q.to_le_bytes()) {
        let two = u64::from(byte) | u64::from(byte) << 8;
        let four = two | two << 16;
        *o = (four | four << 32) & BIT;
    }
    let mut out: Vector = zerocopy::transmute!(bits);
    for o in &mut out {
        *o = if *o != 0 { 0xff } else { 0 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_little_endian_and_round_trip() {
        let v: Vector = std::array::from_fn(|i| i as u8);
        let h: [u16; 64] = elements(&v);
        assert_eq!(h[1], 0x0302);
        assert_eq!(bytes::<u16, 64, 128>(&h), v);
    }

    #[test]
    fn predicates_become_masks() {
        let q = 0x8000_0000_0000_0000_0000_0000_0000_0005;
        let m = expand(q);
        assert_eq!((m[0], m[1], m[2], m[127]), (0xff, 0, 0xff, 0xff));
    }

    #[test]
    fn a_predicate_has_a_bit_for_every_byte() {
        let mut q = 0x0123_4567_89ab_cdef_1122_3344_5566_7788_u128;
        for _ in 0..500 {
            q = q
                .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
                .wrapping_add(1);
            let m = expand(q);
            for (n, b) in m.iter().enumerate() {
                assert_eq!(*b, if q >> n & 1 != 0 { 0xff } else { 0 }, "{q:#x} {n}");
            }
        }
    }

    #[test]
    fn a_window_begins_at_any_byte() {
        let (lo, hi): (Vector, Vector) = (
            std::array::from_fn(|i| i as u8),
            std::array::from_fn(|i| 128 + i as u8),
        );
        for n in 0..=128u8 {
            let v = window(&lo, &hi, n.into());
            assert!((0..).zip(v).all(|(i, b)| b == n.wrapping_add(i)), "{n}");
        }
    }

    #[test]
    fn pairs_split_and_join() {
        let (lo, hi) = ([1; 128], [2; 128]);
        let p = join(&lo, &hi);
        assert_eq!((half(&p, 0), half(&p, 1)), (lo, hi));
    }
}
