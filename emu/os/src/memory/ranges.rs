//! First-fit allocation of number ranges: DSP virtual addresses, and pages of the memory that the driver gave.

use std::collections::BTreeMap;

/// Free ranges of `u64` numbers, merged, by start.
#[derive(Debug, Clone, Default)]
pub struct Ranges {
    free: BTreeMap<u64, u64>,
}

impl Ranges {
    /// One free range.
    pub fn new(start: u64, len: u64) -> Self {
        let mut ranges = Self::default();
        ranges.put(start, len);
        ranges
    }

    /// Sum of all free lengths.
    pub fn total(&self) -> u64 {
        self.free.values().sum()
    }

    /// Length of the longest free range.
    pub fn longest(&self) -> Option<(u64, u64)> {
        self.free
            .iter()
            .max_by_key(|&(_, &len)| len)
            .map(|(&start, &len)| (start, len))
    }

    /// Takes `len` numbers that start at a multiple of `align` (a power of two), lowest first.
    pub fn take(&mut self, len: u64, align: u64) -> Option<u64> {
        let mask = align.checked_sub(1)?;
        let (start, size, at) = self.free.iter().find_map(|(&start, &size)| {
            let at = start.checked_add(mask)? & !mask;
            let need = (at - start).checked_add(len)?;
            (need <= size).then_some((start, size, at))
        })?;
        self.split(start, size, at, len);
        Some(at)
    }

    /// Takes exactly this range; `false` (and nothing taken) if part of it is not free.
    pub fn take_at(&mut self, at: u64, len: u64) -> bool {
        let Some((&start, &size)) = self.free.range(..=at).next_back() else {
            return false;
        };
        if at.checked_add(len).is_none_or(|end| end > start + size) {
            return false;
        }
        self.split(start, size, at, len);
        true
    }

    fn split(&mut self, start: u64, size: u64, at: u64, len: u64) {
        self.free.remove(&start);
        if at > start {
            self.free.insert(start, at - start);
        }
        let (end, free_end) = (at + len, start + size);
        if free_end > end {
            self.free.insert(end, free_end - end);
        }
    }

    /// Gives a range back. The caller took it before, so it overlaps nothing that is free.
    pub fn put(&mut self, mut start: u64, mut len: u64) {
        if len == 0 {
            return;
        }
        if let Some((&before, &size)) = self.free.range(..start).next_back()
            && before + size == start
        {
            self.free.remove(&before);
            start = before;
            len += size;
        }
        if let Some(size) = self.free.remove(&(start + len)) {
            len += size;
        }
        self.free.insert(start, len);
    }

    /// Is the whole range free?
    pub fn is_free(&self, at: u64, len: u64) -> bool {
        self.free
            .range(..=at)
            .next_back()
            .is_some_and(|(&start, &size)| at.checked_add(len).is_some_and(|end| end <= start + size))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn take_respects_alignment_and_put_merges() {
        let mut r = Ranges::new(0x1000, 0x10000);
        let a = r.take(0x1000, 0x4000).unwrap();
        assert_eq!(a, 0x4000);
        assert_eq!(r.take(0x1000, 1).unwrap(), 0x1000);
        assert!(!r.is_free(0x4000, 1));
        r.put(0x1000, 0x1000);
        r.put(a, 0x1000);
        assert_eq!(r.longest(), Some((0x1000, 0x10000)));
        assert!(r.take(0x10001, 1).is_none());
    }

    proptest! {
        #[test]
        fn taken_ranges_never_overlap_and_all_come_back(sizes in proptest::collection::vec((1u64..5000, 0u32..13, any::<bool>()), 1..64)) {
            let mut r = Ranges::new(0, 1 << 20);
            let mut held: Vec<(u64, u64)> = Vec::new();
            for (len, shift, drop_one) in sizes {
                if let Some(at) = r.take(len, 1 << shift) {
                    prop_assert_eq!(at % (1 << shift), 0);
                    prop_assert!(held.iter().all(|&(a, l)| a + l <= at || at + len <= a));
                    held.push((at, len));
                }
                if drop_one && !held.is_empty() {
                    let (a, l) = held.swap_remove(0);
                    r.put(a, l);
                }
            }
            for (a, l) in held {
                r.put(a, l);
            }
            prop_assert_eq!(r.longest(), Some((0, 1 << 20)));
        }
    }
}
