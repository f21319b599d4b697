//! The program's memory and the calls that change it: brk, mmap, munmap, mprotect, mremap.
//!
//! Modelled: the break moves in bytes and zeroes what it gives back; anonymous and private file mappings, also at fixed
//! places over what was there; a shared mapping of a file that is only read is a private one (the file's later changes do
//! not show); mremap where it is, or to a place that is found. Not modelled: shared mappings that are written, MAP_GROWSDOWN, locking,
//! mremap to a place that is named. What is mapped is bounded by
//! [`Setup::memory`](super::setup::Setup::memory).

use emu_core::mem::{AddressSpace, MapError, PAGE_SIZE, Prot};
use emu_core::memory::Memory;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

const MAP_SHARED: u32 = 1;
const MAP_TYPE: u32 = 0xf;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;
/// Bytes copied from a file at once.
const CHUNK: u32 = 1 << 16;

/// Longest path with its NUL.
const PATH_MAX: usize = 4096;

/// Most bytes that one call moves; longer ones are cut, as Linux may.
pub(super) const IO_LIMIT: u32 = 1 << 20;

const _: () = assert!(IO_LIMIT.is_multiple_of(PAGE_SIZE));

/// The program's memory with its break.
#[derive(Debug)]
pub(super) struct ProgramMemory {
    pub space: AddressSpace,
    heap: u32,
    brk: u32,
    /// Most bytes mapped.
    limit: u64,
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

impl ProgramMemory {
    /// With an empty heap from `heap` on, and at most `limit` bytes mapped.
    pub(super) fn new(space: AddressSpace, heap: u32, limit: u64) -> Self {
        Self {
            space,
            heap,
            brk: heap,
            limit,
        }
    }

    /// A path or name at `va`.
    pub(super) fn string(&self, va: u32) -> Result<Vec<u8>, i32> {
        let text = self.space.read_cstr(va, PATH_MAX).map_err(|_| libc::EFAULT)?;
        if text.len() == PATH_MAX {
            return Err(libc::ENAMETOOLONG);
        }
        Ok(text)
    }

    /// A word at `va`.
    pub(super) fn word(&self, va: u32) -> Result<u32, i32> {
        self.space.load32(va).map_err(|_| libc::EFAULT)
    }

    /// Bytes of the program, at most [`IO_LIMIT`].
    pub(super) fn bytes(&self, va: u32, len: u32) -> Result<Vec<u8>, i32> {
        let mut bytes = vec![0; len.min(IO_LIMIT) as usize];
        self.space.load(va, &mut bytes).map_err(|_| libc::EFAULT)?;
        Ok(bytes)
    }

    /// Gives the program bytes; answers 0.
    pub(super) fn store(&self, va: u32, bytes: &[u8]) -> Result<u32, i32> {
        self.space.store(va, bytes).map(|()| 0).map_err(|_| libc::EFAULT)
    }

    fn room_for(&self, len: u32) -> Result<(), i32> {
        if self.space.mapped_bytes() + u64::from(len) > self.limit {
            return Err(libc::ENOMEM);
        }
        Ok(())
    }

    /// Moves the program break if it can; answers where it is.
    pub(super) fn set_brk(&mut self, to: u32) -> u32 {
        let (old, new) = (
            self.brk.checked_next_multiple_of(PAGE_SIZE),
            to.checked_next_multiple_of(PAGE_SIZE),
        );
        let (Some(old), Some(new)) = (old, new) else {
            return self.brk;
        };
        if to < self.heap {
            return self.brk;
        }
        if new > old {
            let len = new - old;
            if self.room_for(len).is_err() || self.space.map_anonymous(Some(old), len, Prot::RW).is_err() {
                return self.brk;
            }
        } else if new < old {
            self.space.unmap_any(new, old - new);
        }
        self.brk = to;
        to
    }

    /// Where the heap begins, and how far it reaches.
    pub(super) fn heap(&self) -> (u32, u32) {
        (self.heap, self.brk)
    }

    /// `mmap2` of a file, or of none: the offset counts 4096 bytes. `file` is only asked for where the flags want one.
    pub(super) fn mmap(
        &mut self,
        [hint, len, bits, flags, _, offset]: [u32; 6],
        file: impl FnOnce() -> Result<Arc<File>, i32>,
    ) -> Result<u32, i32> {
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
            Some(file()?)
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

    /// `mremap`, to a place that is found if it may move; what grows must have the same rights everywhere.
    pub(super) fn mremap(&mut self, va: u32, old: u32, new: u32, may_move: bool) -> Result<u32, i32> {
        let (old, new) = (pages(old)?, pages(new)?);
        if !va.is_multiple_of(PAGE_SIZE) || u64::from(va) + u64::from(old) > 1 << 32 {
            return Err(libc::EINVAL);
        }
        if !self.space.is_mapped(va) {
            return Err(libc::EFAULT);
        }
        if new <= old {
            if new < old {
                self.space.unmap_any(va + new, old - new);
            }
            return Ok(va);
        }
        let rights = self.space.rights(va, old).ok_or(libc::EFAULT)?;
        self.room_for(new - old)?;
        let more = va.checked_add(old);
        if let Some(end) =
            more.filter(|end| self.space.map_anonymous(Some(*end), new - old, Prot::RW).is_ok())
        {
            self.space
                .protect(end, new - old, rights)
                .map_err(|e| errno(&e))?;
            return Ok(va);
        }
        if !may_move {
            return Err(libc::ENOMEM);
        }
        let to = self.space.map_anonymous(None, new, Prot::RW);
        let to = to.map_err(|e| errno(&e))?;
        // They go, so it does not matter that they can be read now.
        self.space.protect(va, old, Prot::READ).map_err(|e| errno(&e))?;
        let mut bytes = vec![0; CHUNK as usize];
        for done in (0..old).step_by(CHUNK as usize) {
            let part = bytes
                .get_mut(..(old - done).min(CHUNK) as usize)
                .unwrap_or_default();
            self.space.load(va + done, part).map_err(|_| libc::EFAULT)?;
            self.space.store(to + done, part).map_err(|_| libc::EFAULT)?;
        }
        self.space.unmap_any(va, old);
        self.space.protect(to, new, rights).map_err(|e| errno(&e))?;
        Ok(to)
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
