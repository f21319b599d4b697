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
    let mut out = [0; 128];
    for (o, b) in out.iter_mut().zip(v.iter().skip(h * 128)) {
        *o = *b;
    }
    out
}

/// Two vectors as a pair.
#[inline(always)]
pub(crate) fn join(lo: &Vector, hi: &Vector) -> VectorPair {
    let mut out = [0; 256];
    for (o, b) in out.iter_mut().zip(lo.iter().chain(hi)) {
        *o = *b;
    }
    out
}

/// A vector predicate as bytes of 0xff and 0.
#[inline(always)]
pub(crate) fn expand(q: VecPred) -> Vector {
    let mut out = [0; 128];
    for (group, byte) in out.chunks_exact_mut(8).zip(q.to_le_bytes()) {
        for (k, o) in group.iter_mut().enumerate() {
            *o = if byte >> k & 1 != 0 { 0xff } else { 0 };
        }
    }
    out
}

/// The vector predicate whose bits are the bytes' lowest bits.
#[inline(always)]
pub(crate) fn pack(v: &Vector) -> VecPred {
    let mut out = [0u8; 16];
    for (group, o) in v.chunks_exact(8).zip(out.iter_mut()) {
        for (k, b) in group.iter().enumerate() {
            *o |= (b & 1) << k;
        }
    }
    u128::from_le_bytes(out)
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
    fn predicates_round_trip_through_masks() {
        let q = 0x8000_0000_0000_0000_0000_0000_0000_0005;
        let m = expand(q);
        assert_eq!((m[0], m[1], m[2], m[127]), (0xff, 0, 0xff, 0xff));
        assert_eq!(pack(&m), q);
    }

    #[test]
    fn pairs_split_and_join() {
        let (lo, hi) = ([1; 128], [2; 128]);
        let p = join(&lo, &hi);
        assert_eq!((half(&p, 0), half(&p, 1)), (lo, hi));
    }
}
