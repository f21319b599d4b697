//! HVX permutations whose distances are powers of two.
//!
//! A stage moves bytes by one distance. Below eight bytes it is shifts within words of 64 bits, else it moves such words: both are
//! what the host's vector units do to a whole vector at once.

use crate::state::lanes::{half, join};
use crate::state::{Vector, VectorPair};

/// A vector in words of eight bytes.
type Words = [u64; 16];

/// The first bytes of every two neighbours of `D` (1, 2, 4) bytes.
const fn first(d: u32) -> u64 {
    match d {
        1 => 0x00ff_00ff_00ff_00ff,
        2 => 0x0000_ffff_0000_ffff,
        _ => 0x0000_0000_ffff_ffff,
    }
}

/// Bytes `k` and `k + D` change places, for every `k` without the bit `D`: `D` is 1, 2 or 4.
#[inline(always)]
fn swapped_within<const D: u32>(v: &Words) -> Words {
    v.map(|v| v >> (8 * D) & first(D) | (v & first(D)) << (8 * D))
}

/// The same for distances of `B` words.
#[inline(always)]
fn swapped_words<const B: usize>(v: &Words) -> Words {
    std::array::from_fn(|k| v.get(k ^ B).copied().unwrap_or_default())
}

/// Byte `k` of `hi` and byte `k + D` of `lo` change places: `D` is 1, 2 or 4.
#[inline(always)]
fn exchange_within<const D: u32>((lo, hi): (Words, Words)) -> (Words, Words) {
    let mut out = (lo, hi);
    for ((o, p), (l, h)) in out.0.iter_mut().zip(&mut out.1).zip(lo.iter().zip(&hi)) {
        *o = l & first(D) | (h & first(D)) << (8 * D);
        *p = l >> (8 * D) & first(D) | h & !first(D);
    }
    out
}

/// The same for distances of `B` words.
#[inline(always)]
fn exchange_words<const B: usize>((lo, hi): (Words, Words)) -> (Words, Words) {
    let mut out = (lo, hi);
    let old = lo.chunks_exact(2 * B).zip(hi.chunks_exact(2 * B));
    let new = out.0.chunks_exact_mut(2 * B).zip(out.1.chunks_exact_mut(2 * B));
    for ((o, p), (l, h)) in new.zip(old) {
        let (l, h) = (l.iter().skip(B), h.iter());
        for (((o, p), l), h) in o.iter_mut().skip(B).zip(p).zip(l).zip(h) {
            *o = *h;
            *p = *l;
        }
    }
    out
}

/// Swaps bytes between two vectors at distance `D` if it is set in `control`.
#[inline(always)]
fn exchange(stage: u32, control: u32, v: (Words, Words)) -> (Words, Words) {
    if control >> stage & 1 == 0 {
        return v;
    }
    match stage {
        0 => exchange_within::<1>(v),
        1 => exchange_within::<2>(v),
        2 => exchange_within::<4>(v),
        3 => exchange_words::<1>(v),
        4 => exchange_words::<2>(v),
        5 => exchange_words::<4>(v),
        _ => exchange_words::<8>(v),
    }
}

/// `hi` is the vector that gives its byte `k` for the other's byte `k + distance`.
#[inline(always)]
fn stages(lo: &Vector, hi: &Vector, control: u32, order: [u32; 7]) -> VectorPair {
    let mut v: (Words, Words) = (zerocopy::transmute!(*lo), zerocopy::transmute!(*hi));
    for stage in order {
        v = exchange(stage, control, v);
    }
    join(&zerocopy::transmute!(v.0), &zerocopy::transmute!(v.1))
}

/// `vshuff`: distances from 1 up.
#[inline(always)]
pub(crate) fn vshuff_pair(lo: &Vector, hi: &Vector, control: u32) -> VectorPair {
    stages(lo, hi, control, [0, 1, 2, 3, 4, 5, 6])
}

/// `vdeal`: distances from 64 down.
#[inline(always)]
pub(crate) fn vdeal_pair(lo: &Vector, hi: &Vector, control: u32) -> VectorPair {
    stages(lo, hi, control, [6, 5, 4, 3, 2, 1, 0])
}

#[inline(always)]
pub(crate) fn vec_lo(p: &VectorPair) -> Vector {
    half(p, 0)
}

#[inline(always)]
pub(crate) fn vec_hi(p: &VectorPair) -> Vector {
    half(p, 1)
}

/// A butterfly network: at each stage a byte takes its partner's value if its control byte has the stage's bit.
#[inline(always)]
fn network(data: &Vector, control: &Vector, order: [u32; 7]) -> Vector {
    let mut v = *data;
    for stage in order {
        let words = zerocopy::transmute!(v);
        let partners: Vector = zerocopy::transmute!(match stage {
            0 => swapped_within::<1>(&words),
            1 => swapped_within::<2>(&words),
            2 => swapped_within::<4>(&words),
            3 => swapped_words::<1>(&words),
            4 => swapped_words::<2>(&words),
            5 => swapped_words::<4>(&words),
            _ => swapped_words::<8>(&words),
        });
        for ((v, partner), c) in v.iter_mut().zip(partners).zip(control) {
            *v = std::hint::select_unpredictable(c >> stage & 1 != 0, partner, *v);
        }
    }
    v
}

/// `vdelta`: distances from 64 down.
#[inline(always)]
pub(crate) fn vdelta(data: &Vector, control: &Vector) -> Vector {
    network(data, control, [6, 5, 4, 3, 2, 1, 0])
}

/// `vrdelta`: distances from 1 up.
#[inline(always)]
pub(crate) fn vrdelta(data: &Vector, control: &Vector) -> Vector {
    network(data, control, [0, 1, 2, 3, 4, 5, 6])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Vector {
        std::array::from_fn(|k| k as u8)
    }

    /// The two networks as they are defined: byte by byte.
    fn plain_exchange(lo: &Vector, hi: &Vector, control: u32, stages: &[u32]) -> VectorPair {
        let (mut lo, mut hi) = (*lo, *hi);
        for d in stages
            .iter()
            .map(|s| 1usize << s)
            .filter(|d| control as usize & d != 0)
        {
            for k in (0..128).filter(|k| k & d == 0) {
                std::mem::swap(&mut hi[k], &mut lo[k + d]);
            }
        }
        join(&lo, &hi)
    }

    fn plain_network(data: &Vector, control: &Vector, stages: &[u32]) -> Vector {
        stages.iter().map(|s| 1u8 << s).fold(*data, |v, d| {
            std::array::from_fn(|k| {
                v[if control[k] & d != 0 {
                    k ^ usize::from(d)
                } else {
                    k
                }]
            })
        })
    }

    #[test]
    fn every_control_of_a_shuffle_does_what_it_says_byte_by_byte() {
        let (lo, hi) = (ramp(), std::array::from_fn(|k| 128 + k as u8));
        let (up, down) = ([0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]);
        // Only seven bits count.
        for control in (0..128).flat_map(|c| [c, c | 0xffff_ff80]) {
            let (shuffled, dealt) = (vshuff_pair(&lo, &hi, control), vdeal_pair(&lo, &hi, control));
            assert_eq!(shuffled, plain_exchange(&lo, &hi, control, &up), "{control:#x}");
            assert_eq!(dealt, plain_exchange(&lo, &hi, control, &down), "{control:#x}");
        }
    }

    #[test]
    fn any_control_of_a_delta_does_what_it_says_byte_by_byte() {
        let (up, down) = ([0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]);
        let mut seed = 1u32;
        for round in 0..2000 {
            let control: Vector = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            });
            assert_eq!(
                vdelta(&ramp(), &control),
                plain_network(&ramp(), &control, &down),
                "{round}"
            );
            assert_eq!(
                vrdelta(&ramp(), &control),
                plain_network(&ramp(), &control, &up),
                "{round}"
            );
        }
    }

    #[test]
    fn dealing_undoes_shuffling() {
        let (lo, hi) = (ramp(), std::array::from_fn(|k| 128 + k as u8));
        for control in [1, 4, 0x40, 0x7f, 0x25] {
            let p = vshuff_pair(&lo, &hi, control);
            let q = vdeal_pair(&half(&p, 0), &half(&p, 1), control);
            assert_eq!((half(&q, 0), half(&q, 1)), (lo, hi), "{control:#x}");
        }
    }

    #[test]
    fn shuffling_bytes_interleaves() {
        // All distances below 128: bytes of the two vectors alternate.
        let (lo, hi) = ([0; 128], [1; 128]);
        let p = vshuff_pair(&lo, &hi, 0x7f);
        assert!(p.iter().enumerate().all(|(k, b)| usize::from(*b) == k & 1));
    }

    #[test]
    fn a_delta_with_one_bit_swaps_neighbours() {
        let v = vdelta(&ramp(), &[1; 128]);
        assert_eq!((v[0], v[1], v[126]), (1, 0, 127));
        assert_eq!(vrdelta(&ramp(), &[0; 128]), ramp());
    }
}
