//! HVX permutations and masked stores.

use crate::memory::Memory;
use crate::state::lanes::{half, join};
use crate::state::{Args, Regs, Vector, VectorPair};

/// Swaps bytes between two vectors at the distances that are set in `control`, in the order given. `hi` is the vector that
/// gives its byte `k` for the other's byte `k + distance`.
fn exchange(lo: &Vector, hi: &Vector, control: u32, distances: impl Iterator<Item = u32>) -> VectorPair {
    let (mut lo, mut hi) = (*lo, *hi);
    for d in distances.filter(|d| control & d != 0) {
        let d = d as usize;
        for k in (0..128).filter(|k| k & d == 0) {
            if let (Some(a), Some(b)) = (hi.get_mut(k), lo.get_mut(k + d)) {
                std::mem::swap(a, b);
            }
        }
    }
    join(&lo, &hi)
}

/// `vshuff`: distances from 1 up.
pub(crate) fn vshuff_pair(lo: &Vector, hi: &Vector, control: u32) -> VectorPair {
    exchange(lo, hi, control, (0..7).map(|k| 1 << k))
}

/// `vdeal`: distances from 64 down.
pub(crate) fn vdeal_pair(lo: &Vector, hi: &Vector, control: u32) -> VectorPair {
    exchange(lo, hi, control, (0..7).rev().map(|k| 1 << k))
}

pub(crate) fn vec_lo(p: &VectorPair) -> Vector {
    half(p, 0)
}

pub(crate) fn vec_hi(p: &VectorPair) -> Vector {
    half(p, 1)
}

/// A butterfly network: at each stage a byte takes its partner's value if its control byte has the stage's bit.
fn network(data: &Vector, control: &Vector, distances: impl Iterator<Item = usize>) -> Vector {
    let mut v = *data;
    for d in distances {
        let old = v;
        for (k, (o, c)) in v.iter_mut().zip(control).enumerate() {
            if usize::from(*c) & d != 0 {
                *o = old.get(k ^ d).copied().unwrap_or_default();
            }
        }
    }
    v
}

/// `vdelta`: distances from 64 down.
pub(crate) fn vdelta(data: &Vector, control: &Vector) -> Vector {
    network(data, control, (0..7).rev().map(|k| 1 << k))
}

/// `vrdelta`: distances from 1 up.
pub(crate) fn vrdelta(data: &Vector, control: &Vector) -> Vector {
    network(data, control, (0..7).map(|k| 1 << k))
}

/// Running count of a predicate's bits, one value for each lane of `N` bytes, counting the lane's own bits.
fn prefix<const N: usize>(mask: &Vector) -> Vector {
    let mut out = [0; 128];
    let mut count = 0u32;
    for (o, m) in out.chunks_exact_mut(N).zip(mask.chunks_exact(N)) {
        count += m.iter().map(|b| u32::from(b & 1)).sum::<u32>();
        for (b, c) in o.iter_mut().zip(count.to_le_bytes()) {
            *b = c;
        }
    }
    out
}

pub(crate) fn vprefix_b(mask: &Vector) -> Vector {
    prefix::<1>(mask)
}

pub(crate) fn vprefix_h(mask: &Vector) -> Vector {
    prefix::<2>(mask)
}

pub(crate) fn vprefix_w(mask: &Vector) -> Vector {
    prefix::<4>(mask)
}

/// Stores the bytes whose mask byte is set (not set, if `invert`). The address' low bits are ignored. Bytes that are not
/// stored are not touched, so that others may write them at the same time.
pub(crate) fn vstore_masked<M: Memory>(
    _: &mut Regs,
    m: &M,
    a: &Args,
    va: u32,
    mask: &Vector,
    v: &Vector,
    invert: bool,
) -> Result<(), M::Fault> {
    let va = va & !127;
    let chosen = |k: usize| mask.get(k).is_some_and(|b| (b & 1 != 0) != invert);
    if (0..128).any(chosen) {
        m.probe_store(va, 128)?;
    }
    if a.dry {
        return Ok(());
    }
    let mut k = 0;
    while k < 128 {
        let n = (k..128).take_while(|j| chosen(*j)).count();
        if let Some(run) = v.get(k..k + n).filter(|r| !r.is_empty()) {
            m.store(va + k as u32, run)?;
        }
        k += n.max(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Vector {
        std::array::from_fn(|k| k as u8)
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

    #[test]
    fn prefix_counts_include_the_lane_itself() {
        let v = vprefix_h(&[0xff; 128]);
        assert_eq!((v[0], v[2], v[127]), (2, 4, 0));
    }
}
