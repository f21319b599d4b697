//! What a DSP process has mapped: a list of page ranges, each with its backing and its permissions. Pure bookkeeping.

use std::collections::BTreeMap;
use std::ops::BitOr;

use super::PAGE_SIZE;

/// What a process may do with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Prot(pub(super) u8);

impl Prot {
    /// Nothing: a guard page.
    pub const NONE: Self = Self(0);
    /// Load.
    pub const READ: Self = Self(1);
    /// Store.
    pub const WRITE: Self = Self(2);
    /// Fetch instructions.
    pub const EXECUTE: Self = Self(4);
    /// Load and store.
    pub const RW: Self = Self(3);
    /// Load and fetch.
    pub const RX: Self = Self(5);
    /// Everything.
    pub const RWX: Self = Self(7);

    /// As a table entry has it.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Does this include all of `other`?
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Prot {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Why a mapping could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// Address, device address or length is not a multiple of the page size, or the length is 0.
    #[error("{va:#x} + {len:#x} is not made of whole pages")]
    NotPages {
        /// The virtual (or device) address.
        va: u64,
        /// The length.
        len: u32,
    },
    /// The range runs over the end of an address space.
    #[error("{va:#x} + {len:#x} runs over the end of the address space")]
    Wraps {
        /// The virtual, device or physical address.
        va: u64,
        /// The length.
        len: u32,
    },
    /// Something is mapped in the range already.
    #[error("{va:#x} is already mapped")]
    Occupied {
        /// First page that is.
        va: u32,
    },
    /// Part of the range is not mapped.
    #[error("{va:#x} is not mapped")]
    NotMapped {
        /// First page that is not.
        va: u32,
    },
    /// No gap of that size is left.
    #[error("no room for {len:#x} bytes in the address space")]
    NoRoom {
        /// The length asked for.
        len: u32,
    },
    /// The host refused memory.
    #[error("the host gave no memory: {0}")]
    Host(#[from] std::io::Error),
}

/// What stands behind a range of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backing {
    /// Device address of the first page, translated by the SMMU page by page when first touched.
    Iova(u64),
    /// Physical address of the first page.
    Physical(u64),
    /// Pages of the emulator's own.
    Anonymous,
    /// Nothing, ever.
    Guard,
}

impl Backing {
    /// The backing of the page `bytes` further on.
    pub(super) fn advanced(self, bytes: u64) -> Self {
        match self {
            Self::Iova(a) => Self::Iova(a + bytes),
            Self::Physical(a) => Self::Physical(a + bytes),
            same => same,
        }
    }
}

/// A range of pages. The virtual address is the key in [`Regions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    /// Length in bytes, whole pages; less than 2^32.
    pub(super) len: u64,
    /// What stands behind.
    pub(super) backing: Backing,
    /// What may be done with it.
    pub(super) prot: Prot,
}

/// The ranges by virtual address; they never overlap.
#[derive(Debug, Default)]
pub(super) struct Regions {
    by_va: BTreeMap<u32, Region>,
}

/// Addresses that `None` may choose from: not page 0 (null pointers fault), not the last megabyte.
const CHOICE: std::ops::Range<u64> = 0x1000_0000..0xfff0_0000;

impl Regions {
    /// Checks that a range consists of whole pages inside 32 bits.
    pub(super) fn check(va: u32, len: u32) -> Result<(), MapError> {
        let (wide, page) = (u64::from(va), PAGE_SIZE);
        if len == 0 || !len.is_multiple_of(page) || !va.is_multiple_of(page) {
            return Err(MapError::NotPages { va: wide, len });
        }
        if wide + u64::from(len) > 1 << 32 {
            return Err(MapError::Wraps { va: wide, len });
        }
        Ok(())
    }

    /// The region that a page belongs to, advanced to that page.
    pub(super) fn find(&self, va: u32) -> Option<(Backing, Prot)> {
        let (start, r) = self.by_va.range(..=va).next_back()?;
        let offset = u64::from(va - start) & !u64::from(PAGE_SIZE - 1);
        (offset < r.len).then(|| (r.backing.advanced(offset), r.prot))
    }

    /// What may be done in all of a range; `None` if part of it is not mapped, or other things may be done there.
    pub(super) fn rights(&self, va: u32, len: u32) -> Option<Prot> {
        let (end, rights) = (u64::from(va) + u64::from(len), self.find(va)?.1);
        let mut at = u64::from(va);
        while at < end {
            let (start, r) = self.by_va.range(..=u32::try_from(at).ok()?).next_back()?;
            let next = u64::from(*start) + r.len;
            if next <= at || r.prot != rights {
                return None;
            }
            at = next;
        }
        Some(rights)
    }

    /// First mapped page at or after `va` and before `va + len`.
    fn occupied(&self, va: u32, len: u32) -> Option<u32> {
        if let Some((start, r)) = self.by_va.range(..=va).next_back()
            && u64::from(*start) + r.len > u64::from(va)
        {
            return Some(va);
        }
        let end = u64::from(va) + u64::from(len);
        self.by_va
            .range(va..)
            .next()
            .filter(|(s, _)| u64::from(**s) < end)
            .map(|(s, _)| *s)
    }

    /// Adds a range that [`Self::check`] accepted.
    pub(super) fn insert(&mut self, va: u32, len: u32, backing: Backing, prot: Prot) -> Result<(), MapError> {
        if let Some(va) = self.occupied(va, len) {
            return Err(MapError::Occupied { va });
        }
        self.by_va.insert(
            va,
            Region {
                len: len.into(),
                backing,
                prot,
            },
        );
        Ok(())
    }

    /// A gap for `len` bytes, with one unmapped page on either side so that overruns fault: the first one at or after
    /// `hint`, else the first of all.
    pub(super) fn find_gap(&self, hint: u32, len: u32) -> Result<u32, MapError> {
        let page = u64::from(PAGE_SIZE);
        let need = u64::from(len) + 2 * page;
        let search = |from: u64| -> Option<u32> {
            let mut at = from;
            if let Some((s, r)) = self.by_va.range(..=from as u32).next_back() {
                at = at.max(u64::from(*s) + r.len);
            }
            for (s, r) in self.by_va.range(from as u32..) {
                if u64::from(*s) >= at + need {
                    break;
                }
                at = at.max(u64::from(*s) + r.len);
            }
            (at + need <= CHOICE.end).then_some((at + page) as u32)
        };
        let from = u64::from(hint).clamp(CHOICE.start, CHOICE.end - 1);
        search(from)
            .or_else(|| search(CHOICE.start))
            .ok_or(MapError::NoRoom { len })
    }

    /// Is every page of the range mapped?
    fn check_mapped(&self, va: u32, len: u32) -> Result<(), MapError> {
        let end = u64::from(va) + u64::from(len);
        let mut at = u64::from(va);
        while at < end {
            let missing = MapError::NotMapped { va: at as u32 };
            let (s, r) = self.by_va.range(..=at as u32).next_back().ok_or(missing)?;
            let region_end = u64::from(*s) + r.len;
            if region_end <= at {
                return Err(MapError::NotMapped { va: at as u32 });
            }
            at = region_end;
        }
        Ok(())
    }

    /// Makes a region begin at `va` if one spans it.
    fn split_at(&mut self, va: u64) {
        let Ok(key) = u32::try_from(va) else { return };
        let Some((&start, &r)) = self.by_va.range(..key).next_back() else {
            return;
        };
        let head = u64::from(key - start);
        if head < r.len {
            self.by_va.insert(start, Region { len: head, ..r });
            self.by_va.insert(
                key,
                Region {
                    len: r.len - head,
                    backing: r.backing.advanced(head),
                    ..r
                },
            );
        }
    }

    /// Takes a range out, which may be part of one region or span several; nothing happens unless all of it is mapped.
    pub(super) fn remove(&mut self, va: u32, len: u32) -> Result<Vec<(u32, Region)>, MapError> {
        self.check_mapped(va, len)?;
        Ok(self.take(va, len))
    }

    /// Takes out whatever is mapped in a range.
    pub(super) fn take(&mut self, va: u32, len: u32) -> Vec<(u32, Region)> {
        let end = u64::from(va) + u64::from(len);
        self.split_at(va.into());
        self.split_at(end);
        let keys: Vec<u32> = self
            .by_va
            .range(va..)
            .take_while(|(s, _)| u64::from(**s) < end)
            .map(|(s, _)| *s)
            .collect();
        keys.into_iter()
            .filter_map(|k| self.by_va.remove(&k).map(|r| (k, r)))
            .collect()
    }

    /// Changes the permissions of a range and returns what it was before.
    pub(super) fn protect(&mut self, va: u32, len: u32, prot: Prot) -> Result<Vec<(u32, Region)>, MapError> {
        let before = self.remove(va, len)?;
        for (va, r) in &before {
            self.by_va.insert(*va, Region { prot, ..*r });
        }
        Ok(before)
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) -> BTreeMap<u32, Region> {
        std::mem::take(&mut self.by_va)
    }

    /// Bytes mapped.
    pub(super) fn mapped(&self) -> u64 {
        self.by_va.values().map(|r| r.len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_must_be_whole_pages_inside_the_address_space() {
        assert!(matches!(
            Regions::check(0x1000, 0),
            Err(MapError::NotPages { .. })
        ));
        assert!(matches!(
            Regions::check(0x1001, 0x1000),
            Err(MapError::NotPages { .. })
        ));
        assert!(matches!(
            Regions::check(0x1000, 0x800),
            Err(MapError::NotPages { .. })
        ));
        assert!(matches!(
            Regions::check(0xffff_f000, 0x2000),
            Err(MapError::Wraps { .. })
        ));
        assert!(Regions::check(0xffff_f000, 0x1000).is_ok());
    }

    #[test]
    fn a_gap_keeps_its_distance() {
        let mut r = Regions::default();
        let a = r.find_gap(0, 0x1000).unwrap();
        r.insert(a, 0x1000, Backing::Anonymous, Prot::RW).unwrap();
        let b = r.find_gap(a, 0x1000).unwrap();
        assert!(b >= a + 0x2000, "{a:#x} {b:#x}");
        assert!(matches!(r.find_gap(0, 0xf800_0000), Err(MapError::NoRoom { .. })));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u32, u32, u8),
        Remove(u32, u32),
        Protect(u32, u32, u8),
        Gap(u32, u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        // few pages around the top of the address space, where the arithmetic is hardest
        let page = 0u32..32;
        let len = 1u32..8;
        prop_oneof![
            (page.clone(), len.clone(), 0u8..8).prop_map(|(a, b, c)| Op::Insert(a, b, c)),
            (page.clone(), len.clone()).prop_map(|(a, b)| Op::Remove(a, b)),
            (page.clone(), len.clone(), 0u8..8).prop_map(|(a, b, c)| Op::Protect(a, b, c)),
            (page, len).prop_map(|(a, b)| Op::Gap(a, b)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn behaves_like_one_entry_per_page(ops in proptest::collection::vec(op(), 1..40)) {
            const TOP: u32 = 0xffff_ffffu32 - 32 * 4096 + 1;
            let mut regions = Regions::default();
            let mut model: [Option<(u64, Prot)>; 32] = [None; 32];
            for op in ops {
                match op {
                    Op::Insert(page, len, prot) => {
                        let (va, bytes) = (TOP + page * 4096, len * 4096);
                        let iova = u64::from(page) << 40;
                        if page + len > 32 {
                            prop_assert!(Regions::check(va, bytes).is_err());
                            continue;
                        }
                        let range = page as usize..(page + len) as usize;
                        let free = model[range.clone()].iter().all(Option::is_none);
                        prop_assert_eq!(regions.insert(va, bytes, Backing::Iova(iova), Prot(prot)).is_ok(), free);
                        if free {
                            for (i, m) in model[range].iter_mut().enumerate() {
                                *m = Some((iova + i as u64 * 4096, Prot(prot)));
                            }
                        }
                    }
                    Op::Remove(page, len) | Op::Protect(page, len, _) if page + len > 32 => {}
                    Op::Remove(page, len) => {
                        let range = page as usize..(page + len) as usize;
                        let all = model[range.clone()].iter().all(Option::is_some);
                        prop_assert_eq!(regions.remove(TOP + page * 4096, len * 4096).is_ok(), all);
                        if all {
                            model[range].fill(None);
                        }
                    }
                    Op::Protect(page, len, prot) => {
                        let range = page as usize..(page + len) as usize;
                        let all = model[range.clone()].iter().all(Option::is_some);
                        prop_assert_eq!(regions.protect(TOP + page * 4096, len * 4096, Prot(prot)).is_ok(), all);
                        if all {
                            model[range].iter_mut().flatten().for_each(|m| m.1 = Prot(prot));
                        }
                    }
                    Op::Gap(hint, len) => {
                        let at = regions.find_gap(TOP + hint * 4096, len * 4096).unwrap();
                        prop_assert_eq!(regions.occupied(at, len * 4096), None);
                    }
                }
                for (page, len) in [(0, 32), (3, 1), (7, 5), (20, 12)] {
                    let part = &model[page..page + len];
                    let first = part[0].map(|(_, prot)| prot);
                    let same = part.iter().all(|m| m.map(|(_, prot)| prot) == first);
                    let found = regions.rights(TOP + page as u32 * 4096, len as u32 * 4096);
                    prop_assert_eq!(found, first.filter(|_| same));
                }
                for (i, m) in model.iter().enumerate() {
                    let found = regions.find(TOP + i as u32 * 4096 + 0xffc);
                    prop_assert_eq!(found, m.map(|(iova, prot)| (Backing::Iova(iova), prot)));
                }
                prop_assert_eq!(regions.mapped(), model.iter().flatten().count() as u64 * 4096);
            }
        }
    }
}
