//! Memory regions of QuRT (`qurt_mem_region_create`), by the handles that programs have of them.

use std::collections::BTreeMap;

/// Regions at once.
const MOST: usize = 4096;

/// What is behind a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Memory of the process's own, with the region's own addresses.
    Own,
    /// Nothing: addresses that are reserved.
    Nothing,
    /// Something that was mapped into another region's reserved addresses.
    Placed,
    /// A buffer of the AP, with the region's own addresses.
    Buffer,
}

/// How a program made a region: what `qurt_mem_region_attr_t` says beside its addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `qurt_mem_mapping_t`
    pub mapping: u32,
    /// `qurt_mem_region_type_t`
    pub kind: u32,
    /// `qurt_perm_t`
    pub permissions: u8,
    /// `qurt_mem_cache_mode_t`, of which there is one here.
    pub cache: u8,
    /// Bits of the bus, which is not modelled.
    pub bus: u8,
}

/// A region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Its first address.
    pub va: u32,
    /// Bytes, whole pages.
    pub len: u32,
    /// What is behind it.
    pub behind: Behind,
    /// How it was made.
    pub attributes: Attributes,
}

/// All regions of a process.
#[derive(Debug, Default)]
pub struct Regions {
    by_handle: BTreeMap<u32, Region>,
    last: u32,
}

impl Regions {
    /// May there be another one?
    pub fn has_room(&self) -> bool {
        self.by_handle.len() < MOST
    }

    /// Adds a region; its handle, never 0.
    pub fn add(&mut self, region: Region) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if let std::collections::btree_map::Entry::Vacant(free) = self.by_handle.entry(self.last) {
                free.insert(region);
                return self.last;
            }
        }
    }

    /// A region by its handle.
    pub fn get(&self, handle: u32) -> Option<Region> {
        self.by_handle.get(&handle).copied()
    }

    /// Forgets a region.
    pub fn remove(&mut self, handle: u32) {
        self.by_handle.remove(&handle);
    }

    /// The region that holds an address: one with something behind it, if there are several.
    pub fn holding(&self, va: u32) -> Option<u32> {
        let here = |&(_, region): &(&u32, &Region)| {
            va.checked_sub(region.va)
                .is_some_and(|offset| offset < region.len)
        };
        let found = self.by_handle.iter().filter(here);
        let best = found.max_by_key(|(_, region)| region.behind != Behind::Nothing);
        best.map(|(&handle, _)| handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_found_by_its_addresses_and_handles_are_not_reused_at_once() {
        let mut regions = Regions::default();
        let at = |va, behind| Region {
            va,
            len: 0x2000,
            behind,
            attributes: Attributes::default(),
        };
        let reserved = regions.add(at(0x1000, Behind::Nothing));
        assert_eq!(
            (regions.holding(0x2fff), regions.holding(0x3000)),
            (Some(reserved), None)
        );
        let placed = regions.add(at(0x1000, Behind::Placed));
        assert_eq!(regions.holding(0x1000), Some(placed));
        regions.remove(placed);
        assert_ne!(regions.add(at(0x5000, Behind::Own)), placed);
        assert_eq!(
            (regions.get(placed), regions.holding(0x1000)),
            (None, Some(reserved))
        );
    }
}
