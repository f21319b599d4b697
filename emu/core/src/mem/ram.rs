//! The AP's RAM by guest physical address, as the vhost-user master hands it to us or as anonymous memory.
//!
//! The guest (its kernel on vCPUs in another process) may write to every byte at any time. So nothing here ever lends
//! out a Rust reference to it: values are copied out, once, by [`super::raw`]'s atomic accesses.
//!
//! Not modelled: MMIO, ROM, holes that read as zero. What is not RAM is an error.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap,
    MemoryRegionAddress,
};

use super::raw;

/// A physical access that does not lie in RAM, or not as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("guest physical {addr:#x} + {len:#x} is not RAM")]
pub struct RamError {
    /// First address of the access.
    pub addr: u64,
    /// Its length in bytes.
    pub len: u64,
}

#[derive(Debug, Clone, Copy)]
struct Region {
    base: u64,
    len: u64,
    /// Where the region is mapped in this process, as an integer: it is only ever used together with the owner below.
    host: usize,
}

/// Handle to guest RAM; a clone is another handle to the same memory. The host mapping lives as long as any handle.
#[derive(Debug, Clone)]
pub struct GuestRam {
    regions: Arc<[Region]>,
    // keeps the mappings alive
    memory: Arc<GuestMemoryMmap>,
}

/// Where a region's bytes are kept: device and inode of its file, and the offset there. `None` for anonymous memory.
fn backing(region: &GuestRegionMmap) -> Option<(u64, u64, u64)> {
    let file = region.file_offset()?;
    let kept = file.file().metadata().ok()?;
    Some((kept.dev(), kept.ino(), file.start()))
}

impl GuestRam {
    /// The RAM that a vhost-user master shared with us (or any other collection of mapped regions).
    pub fn new(memory: Arc<GuestMemoryMmap>) -> Self {
        let regions = memory
            .iter()
            .filter_map(|r| {
                let host = r.get_host_address(MemoryRegionAddress(0)).ok()?;
                Some(Region {
                    base: r.start_addr().0,
                    len: r.len(),
                    host: host as usize,
                })
            })
            .collect();
        Self { regions, memory }
    }

    /// `size` bytes of zeroed anonymous memory at guest physical address `base`: for tests and for running without a
    /// guest.
    pub fn anonymous(size: usize, base: u64) -> std::io::Result<Self> {
        let memory =
            GuestMemoryMmap::from_ranges(&[(GuestAddress(base), size)]).map_err(std::io::Error::other)?;
        Ok(Self::new(Arc::new(memory)))
    }

    /// The memory object behind this handle, for code that needs `vm_memory`'s own view (virtqueues).
    pub fn memory(&self) -> &Arc<GuestMemoryMmap> {
        &self.memory
    }

    /// Is it the same memory, perhaps mapped another time (each device gets a table of its own from QEMU)?
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(a, b): (&GuestRegionMmap, &GuestRegionMmap)| {
            let place = |r: &GuestRegionMmap| (r.start_addr(), r.len());
            place(a) == place(b) && backing(a).is_some() && backing(a) == backing(b)
        };
        Arc::ptr_eq(&self.memory, &other.memory)
            || self.memory.num_regions() == other.memory.num_regions()
                && self.memory.iter().zip(other.memory.iter()).all(same)
    }

    /// The regions as (first address, length in bytes).
    pub fn regions(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.regions.iter().map(|r| (r.base, r.len))
    }

    /// Host pointer to `len` bytes at `addr` if they lie in one region.
    fn host(&self, addr: u64, len: u64) -> Option<*mut u8> {
        for r in self.regions.iter() {
            if let Some(offset) = addr.checked_sub(r.base)
                && offset < r.len
                && r.len - offset >= len
            {
                return Some((r.host + offset as usize) as *mut u8);
            }
        }
        None
    }

    /// Like [`Self::host`], for an access that must be naturally aligned on both sides.
    fn host_aligned(&self, addr: u64, len: u64) -> Result<*mut u8, RamError> {
        self.host(addr, len)
            .filter(|p| addr.is_multiple_of(len) && (*p as u64).is_multiple_of(len))
            .ok_or(RamError { addr, len })
    }

    /// Host pointer to the whole 4 KiB page at `addr` (a multiple of 4096), for the software TLB. Valid as long as this
    /// handle or a clone of it lives.
    pub(super) fn host_page(&self, addr: u64) -> Option<*mut u8> {
        self.host_aligned(addr, super::PAGE_SIZE as u64).ok()
    }

    /// Is the whole range RAM?
    pub fn contains(&self, addr: u64, len: u64) -> bool {
        self.pieces(addr, len, |_, _, _| ()).is_ok()
    }

    /// Cuts a range where regions meet; checks all of it before the first call of `f(host, offset, len)`.
    fn pieces(&self, addr: u64, len: u64, mut f: impl FnMut(*mut u8, usize, usize)) -> Result<(), RamError> {
        let error = RamError { addr, len };
        let walk = |f: &mut dyn FnMut(*mut u8, usize, usize)| -> Result<(), RamError> {
            let mut done = 0;
            while done < len {
                let at = addr.checked_add(done).ok_or(error)?;
                let (host, here) = self
                    .regions
                    .iter()
                    .find_map(|r| {
                        let offset = at.checked_sub(r.base).filter(|o| *o < r.len)?;
                        Some(((r.host + offset as usize) as *mut u8, r.len - offset))
                    })
                    .ok_or(error)?;
                let n = here.min(len - done);
                f(host, done as usize, n as usize);
                done += n;
            }
            Ok(())
        };
        walk(&mut |_, _, _| ())?;
        walk(&mut f)
    }

    /// Copies bytes out. Nothing is written to `out` on an error.
    pub fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), RamError> {
        self.pieces(addr, out.len() as u64, |host, at, n| {
            // SAFETY: `pieces` yields host ranges inside live regions of `self`, together exactly `out`
            unsafe { raw::copy_out(host, &mut out[at..at + n]) }
        })
    }

    /// Copies bytes in. Nothing is written on an error.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), RamError> {
        self.pieces(addr, bytes.len() as u64, |host, at, n| {
            // SAFETY: as in `read`; guest RAM is mapped writable
            unsafe { raw::copy_in(host, &bytes[at..at + n]) }
        })
    }

    /// Loads an aligned word atomically.
    pub fn read_u32(&self, addr: u64) -> Result<u32, RamError> {
        let p = self.host_aligned(addr, 4)?;
        // SAFETY: four aligned bytes of a live region
        Ok(unsafe { raw::load32(p) })
    }

    /// Stores an aligned word atomically.
    pub fn write_u32(&self, addr: u64, value: u32) -> Result<(), RamError> {
        let p = self.host_aligned(addr, 4)?;
        // SAFETY: four aligned bytes of a live writable region
        unsafe { raw::store32(p, value) };
        Ok(())
    }

    /// Exchanges an aligned word atomically and returns the old value.
    pub fn swap_u32(&self, addr: u64, value: u32) -> Result<u32, RamError> {
        let p = self.host_aligned(addr, 4)?;
        // SAFETY: four aligned bytes of a live writable region
        Ok(unsafe { raw::swap32(p, value) })
    }

    /// Replaces an aligned word if it still is `old`; tells whether it was.
    pub fn compare_exchange_u32(&self, addr: u64, old: u32, new: u32) -> Result<bool, RamError> {
        let p = self.host_aligned(addr, 4)?;
        // SAFETY: four aligned bytes of a live writable region
        Ok(unsafe { raw::cas32(p, old, new) })
    }

    /// Loads an aligned doubleword atomically.
    pub fn read_u64(&self, addr: u64) -> Result<u64, RamError> {
        let p = self.host_aligned(addr, 8)?;
        // SAFETY: eight aligned bytes of a live region
        Ok(unsafe { raw::load64(p) })
    }

    /// Stores an aligned doubleword atomically.
    pub fn write_u64(&self, addr: u64, value: u64) -> Result<(), RamError> {
        let p = self.host_aligned(addr, 8)?;
        // SAFETY: eight aligned bytes of a live writable region
        unsafe { raw::store64(p, value) };
        Ok(())
    }
}

impl From<Arc<GuestMemoryMmap>> for GuestRam {
    fn from(memory: Arc<GuestMemoryMmap>) -> Self {
        Self::new(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_regions() -> GuestRam {
        let m = GuestMemoryMmap::from_ranges(&[
            (GuestAddress(0x1000), 0x1000),
            (GuestAddress(0x2000), 0x1000),
            (GuestAddress(0x8000), 0x1000),
        ]);
        GuestRam::new(Arc::new(m.unwrap()))
    }

    #[test]
    fn bytes_cross_neighbouring_regions() {
        let ram = two_regions();
        ram.write(0x1ffd, b"abcdef").unwrap();
        let mut out = [0; 6];
        ram.read(0x1ffd, &mut out).unwrap();
        assert_eq!(&out, b"abcdef");
    }

    #[test]
    fn an_access_outside_changes_nothing() {
        let ram = two_regions();
        assert_eq!(ram.write(0x2ffe, b"abcd"), Err(RamError { addr: 0x2ffe, len: 4 }));
        let mut out = [9; 2];
        ram.read(0x2ffe, &mut out).unwrap();
        assert_eq!(out, [0; 2]);
        assert!(ram.read(0, &mut out).is_err());
        assert!(ram.read(u64::MAX, &mut out).is_err());
        assert!(ram.read(0x8fff, &mut out).is_err());
        assert!(!ram.contains(0x1000, u64::MAX));
        assert!(ram.contains(0x1000, 0x2000));
    }

    #[test]
    fn words_must_be_aligned_and_inside() {
        let ram = two_regions();
        ram.write_u32(0x1ffc, 0x1234_5678).unwrap();
        assert_eq!(ram.read_u32(0x1ffc), Ok(0x1234_5678));
        assert_eq!(ram.swap_u32(0x1ffc, 1), Ok(0x1234_5678));
        assert_eq!(ram.compare_exchange_u32(0x1ffc, 2, 3), Ok(false));
        assert_eq!(ram.compare_exchange_u32(0x1ffc, 1, 3), Ok(true));
        assert!(ram.read_u32(0x1ffe).is_err());
        assert!(ram.read_u64(0x1ffc).is_err());
        assert!(ram.write_u64(0x9000, 0).is_err());
    }
}
