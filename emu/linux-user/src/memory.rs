//! The program's memory calls: brk, mmap, munmap, mprotect, mremap's refusal.
//!
//! Modelled: the break moves in bytes and zeroes what it gives back; anonymous and private file mappings, also at fixed
//! places over what was there; a shared mapping of a file that is only read is a private one (the file's later changes do
//! not show). Not modelled: shared mappings that are written, MAP_GROWSDOWN, locking. What is mapped is bounded by
//! [`Setup::memory`](super::Setup::memory).

use super::Program;
use super::files::Open;
use emu_core::mem::{MapError, PAGE_SIZE, Prot};
use emu_core::memory::Memory;
use std::os::unix::fs::FileExt;

const MAP_SHARED: u32 = 1;
const MAP_TYPE: u32 = 0xf;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;
/// Bytes copied from a file at once.
const CHUNK: u32 = 1 << 16;

/// The program break.
#[derive(Debug)]
pub(super) struct Heap {
    start: u32,
    brk: u32,
}

impl Heap {
    /// An empty heap behind the program.
    pub(super) fn new(start: u32) -> Self {
        Heap { start, brk: start }
    }
}

fn errno(e: &MapError) -> i32 {
    match e {
        MapError::NotPages { .. } | MapError::Wraps { .. } => libc::EINVAL,
        MapError::Occupied { .. } => libc::EEXIST,
        MapError::NotMapped { .. } | MapError::NoRoom { .. } | MapError::Host(_) => libc::ENOMEM,
    }
}

/// Linux's PROT_READ, PROT_WRITE and PROT_EXEC; writing includes reading, as the hardware's pages have it.
fn prot(bits: u32) -> Prot {
    let bit = |n: u32, p| if bits & n != 0 { p } else { Prot::NONE };
    bit(1, Prot::READ) | bit(2, Prot::RW) | bit(4, Prot::EXECUTE)
}

/// A length in whole pages.
fn pages(len: u32) -> Result<u32, i32> {
    match len.checked_next_multiple_of(PAGE_SIZE) {
        None => Err(libc::ENOMEM),
        Some(0) => Err(libc::EINVAL),
        Some(len) => Ok(len),
    }
}

impl Program {
    fn room_for(&self, len: u32) -> Result<(), i32> {
        if self.space.mapped_bytes() + u64::from(len) > self.limit {
            return Err(libc::ENOMEM);
        }
        Ok(())
    }

    /// Moves the program break if it can; answers where it is.
    pub(super) fn set_brk(&mut self, to: u32) -> u32 {
        let (old, new) = (
            self.heap.brk.checked_next_multiple_of(PAGE_SIZE),
            to.checked_next_multiple_of(PAGE_SIZE),
        );
        let (Some(old), Some(new)) = (old, new) else {
            return self.heap.brk;
        };
        if to < self.heap.start {
            return self.heap.brk;
        }
        if new > old {
            let len = new - old;
            if self.room_for(len).is_err() || self.space.map_anonymous(Some(old), len, Prot::RW).is_err() {
                return self.heap.brk;
            }
        } else if new < old {
            self.space.unmap_any(new, old - new);
        }
        self.heap.brk = to;
        to
    }

    /// Where the heap begins, and how far it reaches.
    pub(super) fn heap(&self) -> (u32, u32) {
        (self.heap.start, self.heap.brk)
    }

    /// `mmap2`: the offset counts 4096 bytes.
    pub(super) fn mmap(&mut self, a: [u32; 6]) -> Result<u32, i32> {
        let [hint, len, bits, flags, fd, offset] = a;
        let len = pages(len)?;
        let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
        if fixed && !hint.is_multiple_of(PAGE_SIZE) {
            return Err(libc::EINVAL);
        }
        if fixed && u64::from(hint) + u64::from(len) > 1 << 32 {
            return Err(libc::ENOMEM);
        }
        let file = if flags & MAP_ANONYMOUS != 0 {
            None
        } else {
            match self.files.get(fd)? {
                Open::File(file) => Some(file.clone()),
                Open::Console(_) => return Err(libc::ENODEV),
            }
        };
        if file.is_some() && flags & MAP_TYPE == MAP_SHARED && bits & 2 != 0 {
            return Err(libc::ENODEV);
        }
        self.room_for(len)?;
        if flags & MAP_FIXED != 0 && flags & MAP_FIXED_NOREPLACE == 0 {
            self.space.unmap_any(hint, len);
        }
        // A hint is taken if there is room.
        let at = Some(hint).filter(|h| *h != 0 && h.is_multiple_of(PAGE_SIZE));
        let place = match self.space.map_anonymous(at, len, Prot::RW) {
            Err(MapError::Occupied { .. } | MapError::Wraps { .. }) if !fixed => {
                self.space.map_anonymous(None, len, Prot::RW)
            }
            done => done,
        };
        let va = place.map_err(|e| errno(&e))?;
        if let Some(file) = file {
            let mut bytes = vec![0; CHUNK as usize];
            let mut done = 0u32;
            while done < len {
                let want = (len - done).min(CHUNK) as usize;
                let part = bytes.get_mut(..want).unwrap_or_default();
                let n = file
                    .read_at(part, u64::from(offset) * 4096 + u64::from(done))
                    .unwrap_or(0);
                if n == 0 {
                    break;
                }
                let read = part.get(..n).unwrap_or_default();
                self.space.store(va + done, read).map_err(|_| libc::EFAULT)?;
                done += n as u32;
            }
        }
        self.space.protect(va, len, prot(bits)).map_err(|e| errno(&e))?;
        Ok(va)
    }

    /// `munmap`; holes in the range are no error.
    pub(super) fn munmap(&mut self, va: u32, len: u32) -> Result<u32, i32> {
        let len = pages(len)?;
        if !va.is_multiple_of(PAGE_SIZE) || u64::from(va) + u64::from(len) > 1 << 32 {
            return Err(libc::EINVAL);
        }
        self.space.unmap_any(va, len);
        Ok(0)
    }

    /// `mprotect`.
    pub(super) fn mprotect(&mut self, va: u32, len: u32, bits: u32) -> Result<u32, i32> {
        if len == 0 {
            return Ok(0);
        }
        self.space
            .protect(va, pages(len)?, prot(bits))
            .map_err(|e| errno(&e))?;
        Ok(0)
    }
}
