//! Cached translations, by context bank and 4 KiB page.
//!
//! Only successful walks are cached (a kernel that turns an invalid entry into a valid one need not invalidate). The
//! key is the smallest granule, so one 64 KiB page takes sixteen entries: invalidation drops a whole bank anyway.

use std::collections::HashMap;

use crate::walk::Leaf;

/// Entries before the cache starts anew: bounds the memory a guest can make us use.
const CAPACITY: usize = 8192;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tlb {
    entries: HashMap<(u8, u64), Leaf>,
}

impl Tlb {
    pub(crate) fn find(&self, bank: u8, address: u64) -> Option<Leaf> {
        self.entries.get(&(bank, address >> 12)).copied()
    }

    pub(crate) fn insert(&mut self, bank: u8, address: u64, leaf: Leaf) {
        if self.entries.len() >= CAPACITY {
            self.entries.clear();
        }
        self.entries.insert((bank, address >> 12), leaf);
    }

    pub(crate) fn drop_bank(&mut self, bank: u8) {
        self.entries.retain(|(b, _), _| *b != bank);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_drops_by_bank() {
        let mut tlb = Tlb::default();
        for i in 0..3 * CAPACITY as u64 - 9 {
            tlb.insert((i & 1) as u8, i << 12, Leaf::flat(0));
            assert!(tlb.len() <= CAPACITY);
        }
        tlb.insert(1, 0x5000, Leaf::flat(0x7000));
        assert_eq!(tlb.find(1, 0x5fff), Some(Leaf::flat(0x7000)));
        tlb.drop_bank(1);
        assert_eq!(tlb.find(1, 0x5000), None);
        assert!(tlb.len() > 0);
    }
}
