//! The heap that `malloc` and its kin share.
//!
//! All bookkeeping is on the host's side: a skeleton that writes over the ends of its blocks damages its own data,
//! never the allocator. Best fit by size; freed blocks merge with their neighbours. Memory comes in arenas that the
//! process maps; an arena stays for the process's life, as on the real DSP.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Every block starts at a multiple of this and is this large at least (doubleword vectors and pairs fit any block).
pub const GRAIN: u32 = 16;

/// Why `free` or `realloc` cannot work on a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotABlock;

/// The allocator's tables.
#[derive(Debug, Default)]
pub struct Heap {
    /// Free blocks by address: length.
    free: BTreeMap<u32, u32>,
    /// Free blocks by (length, address).
    by_size: BTreeSet<(u32, u32)>,
    /// Live blocks: rounded length and the length asked for.
    live: HashMap<u32, (u32, u32)>,
    arenas: u64,
    used: u64,
    peak: u64,
}

impl Heap {
    /// Adds an arena, `len` bytes at `at`. It may adjoin another arena.
    pub fn add_arena(&mut self, at: u32, len: u32) {
        let (start, end) = (at.next_multiple_of(GRAIN), at.saturating_add(len) / GRAIN * GRAIN);
        if end > start {
            self.arenas += u64::from(end - start);
            self.release(start, end - start);
        }
    }

    /// Bytes in all arenas, bytes in live blocks, and the most there ever were.
    pub fn usage(&self) -> (u64, u64, u64) {
        (self.arenas, self.used, self.peak)
    }

    /// Live blocks.
    pub fn blocks(&self) -> usize {
        self.live.len()
    }

    /// Length of the largest free block.
    pub fn largest_free(&self) -> u32 {
        self.by_size.last().map_or(0, |&(len, _)| len)
    }

    /// The length a live block was asked with.
    pub fn size_of(&self, at: u32) -> Option<u32> {
        self.live.get(&at).map(|&(_, asked)| asked)
    }

    /// Allocates `len` bytes at a multiple of `align` (a power of two). `None`: the arenas have no such room.
    pub fn allocate(&mut self, len: u32, align: u32) -> Option<u32> {
        let size = len.max(1).checked_next_multiple_of(GRAIN)?;
        let align = align.max(GRAIN);
        // A block of size + align - GRAIN always fits; smaller ones only by luck, which is tried for exact classes.
        let (block, block_len, at) = self
            .by_size
            .range((size, 0)..)
            .take(64)
            .find_map(|&(l, a)| {
                let at = a.checked_next_multiple_of(align)?;
                (u64::from(at - a) + u64::from(size) <= u64::from(l)).then_some((a, l, at))
            })
            .or_else(|| {
                let sure = size.checked_add(align - GRAIN)?;
                let &(l, a) = self.by_size.range((sure, 0)..).next()?;
                Some((a, l, a.checked_next_multiple_of(align)?))
            })?;
        self.forget_free(block, block_len);
        if at > block {
            self.insert_free(block, at - block);
        }
        let rest = block_len - (at - block) - size;
        if rest > 0 {
            self.insert_free(at + size, rest);
        }
        self.live.insert(at, (size, len));
        self.used += u64::from(size);
        self.peak = self.peak.max(self.used);
        Some(at)
    }

    /// Frees a live block.
    pub fn free(&mut self, at: u32) -> Result<(), NotABlock> {
        let (size, _) = self.live.remove(&at).ok_or(NotABlock)?;
        self.used -= u64::from(size);
        self.release(at, size);
        Ok(())
    }

    /// Tries to change a block's length in place; `Ok(false)` if it has to move.
    pub fn resize(&mut self, at: u32, len: u32) -> Result<bool, NotABlock> {
        let &(size, _) = self.live.get(&at).ok_or(NotABlock)?;
        let Some(want) = len.max(1).checked_next_multiple_of(GRAIN) else {
            return Ok(false);
        };
        if want > size {
            let Some(&after) = self.free.get(&(at + size)) else {
                return Ok(false);
            };
            if want - size > after {
                return Ok(false);
            }
            self.forget_free(at + size, after);
            if after > want - size {
                self.insert_free(at + want, after - (want - size));
            }
            self.used += u64::from(want - size);
            self.peak = self.peak.max(self.used);
        } else if want < size {
            self.used -= u64::from(size - want);
            self.release(at + want, size - want);
        }
        self.live.insert(at, (want, len));
        Ok(true)
    }

    fn insert_free(&mut self, at: u32, len: u32) {
        self.free.insert(at, len);
        self.by_size.insert((len, at));
    }

    fn forget_free(&mut self, at: u32, len: u32) {
        self.free.remove(&at);
        self.by_size.remove(&(len, at));
    }

    fn release(&mut self, mut at: u32, mut len: u32) {
        if let Some((&before, &size)) = self.free.range(..at).next_back()
            && before + size == at
        {
            self.forget_free(before, size);
            at = before;
            len += size;
        }
        if let Some(end) = at.checked_add(len)
            && let Some(&size) = self.free.get(&end)
        {
            self.forget_free(end, size);
            len += size;
        }
        self.insert_free(at, len);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn allocate_aligns_and_free_of_unknown_pointer_is_refused() {
        let mut h = Heap::default();
        assert_eq!(h.allocate(1, 1), None);
        h.add_arena(0x1000, 0x1000);
        let a = h.allocate(10, 1).unwrap();
        let b = h.allocate(100, 256).unwrap();
        assert_eq!((a % GRAIN, b % 256), (0, 0));
        assert_eq!(h.free(a + GRAIN), Err(NotABlock));
        h.free(a).unwrap();
        assert_eq!(h.free(a), Err(NotABlock));
        h.free(b).unwrap();
        assert_eq!(h.largest_free(), 0x1000);
        assert_eq!(h.allocate(u32::MAX, 16), None);
    }

    #[test]
    fn resize_grows_into_free_neighbour_and_shrinks() {
        let mut h = Heap::default();
        h.add_arena(0x1000, 0x100);
        let a = h.allocate(32, 1).unwrap();
        assert_eq!(h.resize(a, 64), Ok(true));
        let b = h.allocate(16, 1).unwrap();
        assert_eq!(h.resize(a, 80), Ok(false));
        assert_eq!(h.resize(a, 16), Ok(true));
        h.free(a).unwrap();
        h.free(b).unwrap();
        assert_eq!(h.largest_free(), 0x100);
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_all_memory_comes_back(ops in proptest::collection::vec((0u8..4, 0u32..3000, 0u32..10), 1..200)) {
            let mut h = Heap::default();
            h.add_arena(0x10000, 0x8000);
            h.add_arena(0x18000, 0x8000);
            let mut live: Vec<(u32, u32)> = Vec::new();
            for (op, len, shift) in ops {
                match op {
                    0 | 1 => if let Some(at) = h.allocate(len, 1 << shift) {
                        prop_assert_eq!(at % (1 << shift), 0);
                        prop_assert!(at >= 0x10000 && at + len <= 0x20000);
                        prop_assert!(live.iter().all(|&(a, l)| a + l.max(1) <= at || at + len.max(1) <= a));
                        live.push((at, len));
                    },
                    2 => if !live.is_empty() {
                        let (at, _) = live.swap_remove(len as usize % live.len());
                        prop_assert!(h.free(at).is_ok());
                    },
                    _ => if !live.is_empty() {
                        let i = len as usize % live.len();
                        if h.resize(live[i].0, len).unwrap() { live[i].1 = len; }
                        let (at, len) = live[i];
                        prop_assert!(live.iter().enumerate().all(|(k, &(a, l))| k == i || a + l.max(1) <= at || at + len.max(1) <= a));
                    },
                }
            }
            for (at, _) in live { h.free(at).unwrap(); }
            prop_assert_eq!(h.largest_free(), 0x10000);
            prop_assert_eq!(h.usage().1, 0);
        }
    }
}
