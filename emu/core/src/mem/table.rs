//! The flat table of an address space: one entry for every page of 4 GiB. 8 MiB of addresses, of which a process touches what
//! it maps.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::PAGE_SHIFT;
use super::mapping::Mapping;

/// Pages of a DSP's address space.
pub(super) const PAGES: usize = 1 << (32 - PAGE_SHIFT);

type Entries = [AtomicU64; PAGES];

/// A handle to a table; a clone is another handle to the same one. Which entry belongs to which page, and what it says, is
/// [`super::space`]'s business.
#[derive(Clone)]
pub(super) struct Table {
    /// In front of its owner, so that a lookup is one read.
    entries: NonNull<Entries>,
    owner: Arc<Mapping>,
}

// SAFETY: the entries are atomics in a mapping that lives as long as any handle
unsafe impl Send for Table {}
// SAFETY: as above
unsafe impl Sync for Table {}

impl Table {
    /// A table that knows nothing: all entries are zero.
    pub(super) fn new() -> Self {
        match Mapping::new(size_of::<Entries>(), true) {
            Ok(mapping) => Self {
                entries: mapping.base().cast(),
                owner: Arc::new(mapping),
            },
            Err(_) => handle_alloc_error(Layout::new::<Entries>()),
        }
    }
}

impl Deref for Table {
    type Target = Entries;

    #[inline(always)]
    fn deref(&self) -> &Entries {
        debug_assert!(std::ptr::eq(
            self.entries.cast().as_ptr(),
            self.owner.base().as_ptr()
        ));
        // SAFETY: the mapping has this size, is aligned to pages, is zeroed (which is a valid AtomicU64) and lives as long as
        // this handle; nothing but these atomics accesses it
        unsafe { self.entries.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    /// Pages of the host that are in memory.
    fn resident(table: &Table) -> usize {
        // SAFETY: sysconf has no preconditions
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let mut pages = vec![0u8; size_of::<Entries>().div_ceil(page)];
        // SAFETY: the range is the mapping's, and there is a byte for each of its pages
        let rc = unsafe {
            libc::mincore(
                table.owner.base().as_ptr().cast(),
                size_of::<Entries>(),
                pages.as_mut_ptr(),
            )
        };
        assert_eq!(rc, 0, "{}", std::io::Error::last_os_error());
        pages.iter().filter(|in_memory| **in_memory & 1 != 0).count()
    }

    /// A heap keeps the first table's memory and clears it for the second: 8 MiB for a process that maps one page.
    #[test]
    fn a_table_costs_what_it_uses_even_after_others() {
        for _ in 0..4 {
            let tables: Vec<Table> = (0..4).map(|_| Table::new()).collect();
            for table in &tables {
                assert_eq!(resident(table), 0);
                table[PAGES - 1].store(7, Relaxed);
                assert_eq!(table[0].load(Relaxed), 0);
                // A host may use larger pages for it, but not for the most of it.
                assert!(resident(table) <= size_of::<Entries>() / 4096 / 2);
            }
        }
    }

    #[test]
    fn a_clone_is_the_same_table() {
        let table = Table::new();
        let other = table.clone();
        table[5].store(9, Relaxed);
        drop(table);
        assert_eq!(other[5].load(Relaxed), 9);
    }
}
