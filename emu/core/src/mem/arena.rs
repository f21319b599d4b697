//! The emulator's own pages of one DSP process: a 4 GiB reservation in which the page at DSP address `va` stands at
//! `base + va`. In front of it a byte for each page says what translated code may do there without asking the page table: bits of
//! [`Prot`], 0 for all pages that are elsewhere.
//!
//! Only what was committed costs memory, decommitted pages give it back and read as zero again, and nothing is ever
//! unmapped before the whole arena goes. So a host pointer into it that another thread still holds stays valid until
//! then; that is what makes the software TLB in [`super::space`] sound without locks.
//!
//! The same pages are mapped once more, the guarded window: there the host's MMU lets through what the process may do and nothing else, so
//! translated code needs no check, and what was taken away is out of reach at once. What it refuses is a SIGSEGV
//! (`jit::fault`), and nothing of ours but translated code goes there.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::mapping::Mapping;
use super::regions::Prot;
use super::table::PAGES;
use super::{PAGE_SHIFT, PAGE_SIZE};

/// Size of the reservation: a whole DSP address space.
const SIZE: usize = 1 << 32;

/// Bytes in front of it: one for each page.
pub const RIGHTS: usize = PAGES;

/// Reserved address space with committed pages in it.
/// Accesses to it are atomic (see `raw`), and the calls below are safe from any thread.
#[derive(Debug)]
pub(super) struct Arena {
    pages: Mapping,
    guarded: Mapping,
    /// The host would not take something away in the guarded window, which is closed since.
    closed: AtomicBool,
}

impl Arena {
    /// Reserves the address space.
    pub(super) fn new() -> io::Result<Self> {
        let pages = Mapping::new(RIGHTS + SIZE, false)?;
        // SAFETY: the front of our reservation
        let rc = unsafe {
            let front = pages.base().as_ptr().cast();
            libc::mprotect(front, RIGHTS, libc::PROT_READ | libc::PROT_WRITE)
        };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
        pages.share(RIGHTS, SIZE)?;
        let guarded = pages.twice(RIGHTS, SIZE)?;
        Ok(Self {
            pages,
            guarded,
            closed: AtomicBool::new(false),
        })
    }

    /// Host address of DSP address 0.
    pub(super) fn base(&self) -> *mut u8 {
        // SAFETY: the reservation is longer than what is in front
        unsafe { self.pages.base().as_ptr().add(RIGHTS) }
    }

    /// Host address of DSP address 0 in the guarded window.
    pub(super) fn guarded(&self) -> *const u8 {
        self.guarded.base().as_ptr()
    }

    fn guard(&self, va: u32, len: u64, how: libc::c_int) -> bool {
        let (start, size) = (va as usize, len as usize);
        debug_assert!(start + size <= SIZE);
        // SAFETY: the range lies in our mapping, and what translated code may do there is what the caller says
        unsafe { libc::mprotect(self.guarded.base().as_ptr().add(start).cast(), size, how) == 0 }
    }

    /// Lets translated code do in the guarded window what these rights say, as far as the host can tell such rights apart: else
    /// nothing. Only for committed pages in which nothing is let through now.
    pub(super) fn grant(&self, va: u32, len: u64, prot: Prot) {
        let how = match (prot.contains(Prot::READ), prot.contains(Prot::WRITE)) {
            (true, true) => libc::PROT_READ | libc::PROT_WRITE,
            (true, false) => libc::PROT_READ,
            // Hosts cannot forbid to read what may be written.
            (false, _) => return,
        };
        // A host with larger pages refuses, or has no room for one more mapping: then code asks the page table.
        if !self.closed.load(Ordering::Relaxed) {
            self.guard(va, len, how);
        }
    }

    /// Lets nothing through in this part of the guarded window any more.
    pub(super) fn revoke(&self, va: u32, len: u64) {
        if self.guard(va, len, libc::PROT_NONE) || self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        // The host has no room for one more mapping, which cutting this part out would take. One for all needs none.
        assert!(
            self.guard(0, SIZE as u64, libc::PROT_NONE),
            "memory of this process cannot be protected: {}",
            io::Error::last_os_error()
        );
    }

    /// What may be done at once with the page of `va`.
    pub(super) fn rights(&self, va: u32) -> &AtomicU8 {
        // SAFETY: there is a byte for each page, accessible as long as the reservation, and accessed by atomics only
        unsafe { &*self.pages.base().as_ptr().add((va >> PAGE_SHIFT) as usize).cast() }
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
        let rc = unsafe { libc::madvise(self.base().add(start).cast(), size, libc::MADV_REMOVE) };
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
