//! Gather and scatter: every lane has an address of its own in a region of memory.
//!
//! Source: HVX PRM, "Vector gather", "Vector scatter" (from V65 on). The region begins at Rt, whose low bits are ignored, and
//! ends with byte Mu of it, whose low bits count as ones. An element that does not lie in it whole is dropped: nothing is
//! loaded or stored for it, and the `vtmp.new` store leaves its bytes of memory as they are. Offsets are unsigned; only those
//! of a scatter that accumulates are aligned. Predicates choose bytes. Elements are taken in order, so that of several at one
//! address the last one stays, and sums accumulate; the hardware promises no order.
//!
//! Not modelled: that a region lies in VTCM, and the size of the page that it may not cross. What is checked of that rule is
//! that its first and last byte can be accessed: the packet faults if not, whatever the elements are.

use super::vector::vstore_masked;
use crate::memory::Memory;
use crate::state::lanes::elements;
use crate::state::{Args, Regs, Vector, VectorPair};

/// Memory protection is never finer.
const PAGE: u32 = 4096;

#[derive(Clone, Copy)]
struct Region {
    base: u32,
    /// Offset of the last byte.
    last: u32,
    /// Bytes of an element.
    size: u32,
}

/// What happens at an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Load,
    Store,
    Add,
}

impl Region {
    fn new(rt: u32, mu: u32, size: u32) -> Region {
        let base = rt & !(size - 1);
        let last = (mu | (size - 1)).min(u32::MAX - base);
        Region { base, last, size }
    }

    /// Address of an element; `None` if it is dropped.
    fn address(self, offset: u32) -> Option<u32> {
        let end = offset.checked_add(self.size - 1)?;
        (end <= self.last).then(|| self.base.wrapping_add(offset))
    }

    /// Faults if one of the elements or an end of the region cannot be accessed.
    fn check<M: Memory>(
        self,
        m: &M,
        how: Access,
        offsets: impl Iterator<Item = u32>,
    ) -> Result<(), M::Fault> {
        let mut good = None;
        let ends = [self.base, self.base.wrapping_add(self.last)];
        let addresses = offsets
            .filter_map(|o| self.address(o))
            .flat_map(|va| [va, va.wrapping_add(self.size - 1)]);
        for va in ends.into_iter().chain(addresses) {
            let page = Some(va / PAGE);
            if page != good {
                if how != Access::Store {
                    m.load8(va)?;
                }
                if how != Access::Load {
                    m.probe_store(va, 1)?;
                }
                good = page;
            }
        }
        Ok(())
    }
}

const ALL: Vector = [0xff; 128];

fn words(v: &Vector) -> [u32; 32] {
    elements(v)
}

fn halfwords(v: &Vector) -> [u32; 64] {
    elements::<u16, 64, 128>(v).map(u32::from)
}

/// Word offsets of halfword elements: those of even elements are in the low vector.
fn alternating(v: &VectorPair) -> [u32; 64] {
    let offsets: [u32; 64] = elements(v);
    let (low, high) = offsets.split_at(32);
    let mut out = [0; 64];
    for ((pair, l), h) in out.chunks_exact_mut(2).zip(low).zip(high) {
        pair.copy_from_slice(&[*l, *h]);
    }
    out
}

/// Loads the chosen bytes of the elements to `vtmp` and notes which they are.
fn gather<M: Memory, const SIZE: usize>(
    s: &mut Regs,
    m: &M,
    region: Region,
    offsets: &[u32],
    mask: &Vector,
) -> Result<(), M::Fault> {
    region.check::<M>(m, Access::Load, std::iter::empty())?;
    let (mut value, mut brought) = ([0; 128], [0; 128]);
    let lanes = value.chunks_exact_mut(SIZE).zip(brought.chunks_exact_mut(SIZE));
    for (((v, b), mask), offset) in lanes.zip(mask.chunks_exact(SIZE)).zip(offsets) {
        if let Some(va) = region
            .address(*offset)
            .filter(|_| mask.iter().any(|k| k & 1 != 0))
        {
            m.load(va, v)?;
            b.copy_from_slice(mask);
        }
    }
    s.hvx.gathered = value;
    s.hvx.gathered_mask = brought;
    Ok(())
}

/// Stores the chosen bytes of the elements.
fn scatter<M: Memory, const SIZE: usize>(
    m: &M,
    a: &Args,
    region: Region,
    offsets: &[u32],
    value: &Vector,
    mask: &Vector,
) -> Result<(), M::Fault> {
    let lanes = || {
        let lanes = value.chunks_exact(SIZE).zip(mask.chunks_exact(SIZE)).zip(offsets);
        lanes.filter(|((_, mask), _)| mask.iter().any(|k| k & 1 != 0))
    };
    region.check::<M>(m, Access::Store, lanes().map(|(_, o)| *o))?;
    if a.dry {
        return Ok(());
    }
    for ((v, mask), offset) in lanes() {
        let Some(va) = region.address(*offset) else {
            continue;
        };
        if mask.iter().all(|k| k & 1 != 0) {
            m.store(va, v)?;
            continue;
        }
        for (k, byte) in (0..).zip(v.iter().zip(mask)).filter(|(_, (_, k))| **k & 1 != 0) {
            m.store8(va.wrapping_add(k), *byte.0)?;
        }
    }
    Ok(())
}

/// Adds the elements to memory, each as one atomic step.
fn scatter_add<M: Memory, const SIZE: usize>(
    m: &M,
    a: &Args,
    region: Region,
    offsets: &[u32],
    value: &Vector,
) -> Result<(), M::Fault> {
    let aligned = |o: u32| o & !(SIZE as u32 - 1);
    region.check::<M>(m, Access::Add, offsets.iter().map(|o| aligned(*o)))?;
    if a.dry {
        return Ok(());
    }
    for (v, offset) in value.chunks_exact(SIZE).zip(offsets) {
        let Some(va) = region.address(aligned(*offset)) else {
            continue;
        };
        let addend = v.iter().rev().fold(0u32, |sum, b| sum << 8 | u32::from(*b));
        loop {
            let old = m.load32(va & !3)?;
            let new = match (SIZE, va & 2) {
                (4, _) => old.wrapping_add(addend),
                (_, 0) => old & 0xffff_0000 | old.wrapping_add(addend) & 0xffff,
                _ => old.wrapping_add(addend << 16),
            };
            if m.cas32(va & !3, old, new)? {
                break;
            }
        }
    }
    Ok(())
}

macro_rules! gathers {
    ($($plain:ident $masked:ident $offsets:ty, $size:literal, $lanes:ident;)*) => {$(
        pub(crate) fn $plain<M: Memory>(
            s: &mut Regs,
            m: &M,
            a: &Args,
            rt: u32,
            mu: u32,
            offsets: &$offsets,
        ) -> Result<(), M::Fault> {
            $masked::<M>(s, m, a, rt, mu, offsets, &ALL)
        }

        pub(crate) fn $masked<M: Memory>(
            s: &mut Regs,
            m: &M,
            _: &Args,
            rt: u32,
            mu: u32,
            offsets: &$offsets,
            mask: &Vector,
        ) -> Result<(), M::Fault> {
            gather::<M, $size>(s, m, Region::new(rt, mu, $size), &$lanes(offsets), mask)
        }
    )*};
}
gathers! {
    vgather_h vgather_hq Vector, 2, halfwords;
    vgather_w vgather_wq Vector, 4, words;
    vgather_hw vgather_hwq VectorPair, 2, alternating;
}

macro_rules! scatters {
    ($($plain:ident $masked:ident $add:ident $offsets:ty, $size:literal, $lanes:ident;)*) => {$(
        pub(crate) fn $plain<M: Memory>(
            s: &mut Regs,
            m: &M,
            a: &Args,
            rt: u32,
            mu: u32,
            offsets: &$offsets,
            value: &Vector,
        ) -> Result<(), M::Fault> {
            $masked::<M>(s, m, a, rt, mu, offsets, value, &ALL)
        }

        #[allow(clippy::too_many_arguments)]
        pub(crate) fn $masked<M: Memory>(
            _: &mut Regs,
            m: &M,
            a: &Args,
            rt: u32,
            mu: u32,
            offsets: &$offsets,
            value: &Vector,
            mask: &Vector,
        ) -> Result<(), M::Fault> {
            scatter::<M, $size>(m, a, Region::new(rt, mu, $size), &$lanes(offsets), value, mask)
        }

        pub(crate) fn $add<M: Memory>(
            _: &mut Regs,
            m: &M,
            a: &Args,
            rt: u32,
            mu: u32,
            offsets: &$offsets,
            value: &Vector,
        ) -> Result<(), M::Fault> {
            scatter_add::<M, $size>(m, a, Region::new(rt, mu, $size), &$lanes(offsets), value)
        }
    )*};
}
scatters! {
    vscatter_h vscatter_hq vscatter_h_add Vector, 2, halfwords;
    vscatter_w vscatter_wq vscatter_w_add Vector, 4, words;
    vscatter_hw vscatter_hwq vscatter_hw_add VectorPair, 2, alternating;
}

/// The vector that a new-value store stores: the bytes that the packet's gather brought, or register `n`'s.
#[inline(always)]
pub(crate) fn store_new_vec<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    va: u32,
    n: i32,
) -> Result<(), M::Fault> {
    if n == crate::Insn::VTMP {
        let (value, mask) = (s.hvx.gathered, s.hvx.gathered_mask);
        vstore_masked::<M>(s, m, a, va, &mask, &value, false)
    } else {
        crate::state::store_vec::<M>(m, a, va, s.vec(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_in_the_region_whole_or_dropped() {
        let r = Region::new(0x1003, 0x41, 4);
        assert_eq!((r.base, r.last), (0x1000, 0x43));
        assert_eq!(r.address(0), Some(0x1000));
        assert_eq!(r.address(0x40), Some(0x1040));
        assert_eq!(r.address(0x41), None);
        assert_eq!(r.address(u32::MAX), None);
    }

    #[test]
    fn a_region_ends_with_the_address_space() {
        let r = Region::new(0xffff_ff00, u32::MAX, 2);
        assert_eq!(r.last, 0xff);
        assert_eq!(r.address(0xfe), Some(0xffff_fffe));
        assert_eq!(r.address(0xff), None);
    }

    #[test]
    fn word_offsets_of_halfwords_alternate_between_the_vectors() {
        let mut pair = [0; 256];
        pair[4] = 5;
        pair[128] = 6;
        let o = alternating(&pair);
        assert_eq!((o[0], o[1], o[2]), (0, 6, 5));
    }
}
