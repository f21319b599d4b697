//! A range of this process's own address space, zeroed and untouched: it costs memory only where it is written to, and gives
//! all of it back when it goes. (A heap does neither: what a large allocation leaves behind may be kept and handed out
//! again, and is then cleared, and so touched, from end to end.)

use std::io;
use std::ptr::NonNull;

/// The range. Its pages are this process's own.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: a mapping is only a range of addresses; who accesses it answers for how
unsafe impl Send for Mapping {}
// SAFETY: as above
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves `size` bytes; they can be accessed if `accessible`, else not before they are made so.
    ///
    /// # Errors
    /// The host's, when it has no room.
    pub(super) fn new(size: usize, accessible: bool) -> io::Result<Self> {
        let prot = if accessible {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_NONE
        };
        // SAFETY: a fresh private mapping at an address of the kernel's choice touches nothing of ours
        let p = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                prot,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if p == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(p.cast())
            .map(|base| Self { base, size })
            .ok_or_else(|| io::Error::other("mapped at 0"))
    }

    /// Makes a part of it shared memory, still zeroed and not accessible: only such memory can be mapped [twice](Self::twice).
    ///
    /// # Errors
    /// The host's.
    ///
    /// # Panics
    /// The part is not inside.
    pub(super) fn share(&self, offset: usize, size: usize) -> io::Result<()> {
        assert!(offset.checked_add(size).is_some_and(|end| end <= self.size));
        // SAFETY: it replaces pages of our own mapping, which nobody accesses yet because they are not accessible
        let p = unsafe {
            libc::mmap(
                self.base.as_ptr().add(offset).cast(),
                size,
                libc::PROT_NONE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        if p == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Maps a shared part of it once more, not accessible there either.
    ///
    /// # Errors
    /// The host's, when it has no room.
    ///
    /// # Panics
    /// The part is not inside.
    pub(super) fn twice(&self, offset: usize, size: usize) -> io::Result<Self> {
        assert!(offset.checked_add(size).is_some_and(|end| end <= self.size));
        // SAFETY: with an old size of 0 the pages stay where they are and are mapped at a place of the kernel's choice, too (mremap(2))
        let p = unsafe {
            let from = self.base.as_ptr().add(offset).cast();
            libc::mremap(from, 0, size, libc::MREMAP_MAYMOVE)
        };
        if p == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(p.cast())
            .map(|base| Self { base, size })
            .ok_or_else(|| io::Error::other("mapped at 0"))
    }

    /// Its first byte, at a page.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping; nobody can hold a pointer into it any more because every user borrows its owner
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.size) };
    }
}
