//! HVX prefix sums of predicates and masked stores.

use crate::memory::Memory;
use crate::state::{Args, Regs, Vector};

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

    #[test]
    fn prefix_counts_include_the_lane_itself() {
        let v = vprefix_h(&[0xff; 128]);
        assert_eq!((v[0], v[2], v[127]), (2, 4, 0));
    }
}
