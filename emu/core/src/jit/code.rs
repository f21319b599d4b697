//! Memory for host code. A page is written first and executed afterwards, never both.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes of a piece of it.
const SIZE: usize = 64 << 20;

/// Addresses of functions, for code that was made before they had one.
pub(super) type Table = Box<[AtomicU64]>;

/// Pages of host code. They go when the last owner does.
#[derive(Debug)]
pub(super) struct CodePages {
    base: NonNull<u8>,
    page: usize,
    used: AtomicUsize,
}

// SAFETY: whoever adds code gets a range of its own, and code is not changed once it is there
unsafe impl Send for CodePages {}
// SAFETY: as above
unsafe impl Sync for CodePages {}

impl CodePages {
    /// Reserves room; nothing of it is used yet.
    ///
    /// # Errors
    /// The host's, when it has no room.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: a fresh private mapping at an address of the kernel's choice touches nothing of ours
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: sysconf has no preconditions
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Ok(Self {
            base: NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?,
            page: usize::try_from(page).map_err(io::Error::other)?,
            used: AtomicUsize::new(0),
        })
    }

    /// Whether an address is in them.
    pub(super) fn contains(&self, at: u64) -> bool {
        at.wrapping_sub(self.base.as_ptr() as u64) < SIZE as u64
    }

    /// Makes these bytes executable and says where they are; `None` when there is no room left for them.
    ///
    /// # Errors
    /// The host's: it forbids executable memory.
    pub(super) fn add(&self, code: &[u8]) -> io::Result<Option<*const u8>> {
        let size = code.len().next_multiple_of(self.page);
        let room = |used: usize| used.checked_add(size).filter(|end| *end <= SIZE);
        let Ok(start) = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) else {
            return Ok(None);
        };
        let protect = |at: *mut u8, how| {
            // SAFETY: these whole pages of our mapping are this call's alone
            match unsafe { libc::mprotect(at.cast(), size, how) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: `room` keeps it in the mapping
        let at = unsafe { self.base.as_ptr().add(start) };
        protect(at, libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: writable now, long enough, and nobody else's
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), at, code.len()) };
        protect(at, libc::PROT_READ | libc::PROT_EXEC)?;
        Ok(Some(at))
    }
}

impl Drop for CodePages {
    fn drop(&mut self) {
        // SAFETY: our own mapping; who runs code in it holds an owner
        unsafe { libc::munmap(self.base.as_ptr().cast(), SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the host says of the page at this address.
    fn rights(at: *const u8) -> String {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let inside = |line: &&str| {
            let (range, _) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            (number(start)..number(end)).contains(&(at as usize))
        };
        let line = maps.lines().find(inside).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn code_is_never_writable_and_executable() {
        let pages = CodePages::new().unwrap();
        let code = pages.add(&[0xc3; 5000]).unwrap().unwrap();
        assert_eq!(rights(code), "r-xp");
        let more = pages.add(&[0xc3]).unwrap().unwrap();
        assert_eq!(
            (rights(code), rights(more)),
            ("r-xp".to_owned(), "r-xp".to_owned())
        );
        assert_eq!(more as usize - code as usize, 2 * pages.page);
    }

    #[test]
    fn room_ends() {
        let pages = CodePages::new().unwrap();
        let large = vec![0xc3; SIZE / 2];
        assert!(pages.add(&large).unwrap().is_some());
        assert!(pages.add(&large).unwrap().is_some());
        assert!(pages.add(&[0xc3]).unwrap().is_none());
    }
}
