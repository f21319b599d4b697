//! The emulator's own pages of one DSP process: a 4 GiB reservation in which the page at DSP address `va` stands at
//! `base + va`. In front of it a byte for each page says what translated code may do there without asking the page table: bits of
//! [`Prot`], 0 for all pages that are elsewhere.
//!
//! Only what was committed costs memory, decommitted pages give it back and read as zero again, and nothing is ever
//! unmapped before the whole arena goes. So a host pointer into it that another thread still holds stays valid until
//! then; that is what makes the software TLB in [`super::space`] sound without locks.

use std::io;
use std::sync::atomic::AtomicU8;

use super::mapping::Mapping;
use super::table::PAGES;
use super::{PAGE_SHIFT, PAGE_SIZE};

/// Size of the reservation: a whole DSP address space.
const SIZE: usize = 1 << 32;

/// Bytes in front of it: one for each page.
pub const RIGHTS: usize = PAGES;

/// Reserved address space with committed pages in it.
/// Accesses to it are atomic (see `raw`), and the calls below are safe from any thread.
#[derive(Debug)]
pub(super) struct Arena(Mapping);

impl Arena {
    /// Reserves the address space.
    pub(super) fn new() -> io::Result<Self> {
        let arena = Mapping::new(RIGHTS + SIZE, false).map(Self)?;
        // SAFETY: the front of our reservation
        let rc = unsafe {
            let front = arena.0.base().as_ptr().cast();
            libc::mprotect(front, RIGHTS, libc::PROT_READ | libc::PROT_WRITE)
        };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(arena)
    }

    /// Host address of DSP address 0.
    pub(super) fn base(&self) -> *mut u8 {
        // SAFETY: the reservation is longer than what is in front
        unsafe { self.0.base().as_ptr().add(RIGHTS) }
    }

    /// What may be done at once with the page of `va`.
    pub(super) fn rights(&self, va: u32) -> &AtomicU8 {
        // SAFETY: there is a byte for each page, accessible as long as the reservation, and accessed by atomics only
        unsafe { &*self.0.base().as_ptr().add((va >> PAGE_SHIFT) as usize).cast() }
    }

    /// Host address of the page at DSP address `va`. Only to be accessed once committed.
    pub(super) fn page(&self, va: u32) -> *mut u8 {
        // SAFETY: every u32 is an offset inside the reservation
        unsafe { self.base().add((va & !(PAGE_SIZE - 1)) as usize) }
    }

    /// Bytes of whole host pages (which may be larger than ours) around `va..va + len`.
    fn host_range(va: u32, len: u32) -> (usize, usize) {
        // SAFETY: sysconf has no preconditions
        let host_page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(PAGE_SIZE.into()) as usize;
        let start = va as usize / host_page * host_page;
        let end = (va as usize + len as usize).next_multiple_of(host_page).min(SIZE);
        (start, end - start)
    }

    /// Makes the pages of the range accessible. They read as zero.
    pub(super) fn commit(&self, va: u32, len: u32) -> io::Result<()> {
        let (start, size) = Self::host_range(va, len);
        // SAFETY: the range lies in our reservation; making it accessible breaks no one's assumptions
        let rc = unsafe {
            libc::mprotect(
                self.base().add(start).cast(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Forgets the contents of the range: it reads as zero again, its memory goes back to the host. The pages stay
    /// accessible, for threads that are just using them.
    pub(super) fn decommit(&self, va: u32, len: u32) {
        let (start, size) = (va as usize, len as usize);
        debug_assert!(start + size <= SIZE);
        // SAFETY: as above; only whole pages of ours are dropped because callers pass page-granular ranges, and on hosts
        // with larger pages madvise refuses the range, which the zeroing below then handles
        let rc = unsafe { libc::madvise(self.base().add(start).cast(), size, libc::MADV_DONTNEED) };
        if rc != 0 {
            for at in (start..start + size).step_by(8) {
                // SAFETY: committed, in range, aligned
                unsafe { super::raw::store64(self.base().add(at), 0) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::raw;

    #[test]
    fn decommitted_pages_read_as_zero() {
        let a = Arena::new().unwrap();
        for va in [0u32, 0x1234_5000, 0xffff_f000] {
            a.commit(va, 0x1000).unwrap();
            let p = a.page(va);
            // SAFETY: committed just now
            unsafe {
                assert_eq!(raw::load64(p.add(0xff8)), 0);
                raw::store64(p.add(0xff8), 7);
                assert_eq!(raw::load64(p.add(0xff8)), 7);
                a.decommit(va, 0x1000);
                assert_eq!(raw::load64(p.add(0xff8)), 0);
            }
        }
    }
}
