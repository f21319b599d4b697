//! Address space that a program reserves without memory, and buffers of the AP that it maps there (`HAP_mem_request`).
//!
//! A reservation is given back whole, when nothing is mapped in it; a mapping likewise, by the address and length that it was
//! made with. Lengths count in whole pages.

use std::collections::BTreeMap;

use super::{Inner, PAGE, PAGE_SIZE, ProcessMemory, no_room};
use crate::error::OsError;
use emu_core::mem::Prot;

/// A part of a descriptor that is mapped in a reservation.
#[derive(Debug)]
struct Placed {
    len: u32,
    fd: i32,
    /// Which descriptor of that number.
    id: u64,
}

/// All reservations of a process.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    /// Bytes by address.
    ranges: BTreeMap<u32, u32>,
    /// What is mapped in them, by address.
    placed: BTreeMap<u32, Placed>,
}

impl Reservations {
    /// Reservations and mappings.
    pub(super) fn count(&self) -> usize {
        self.ranges.len() + self.placed.len()
    }

    /// Do these bytes lie in one reservation, and is nothing mapped among them?
    fn is_free(&self, va: u32, len: u32) -> Result<(), OsError> {
        let end = u64::from(va) + u64::from(len);
        let range = self.ranges.range(..=va).next_back();
        if range.is_none_or(|(&at, &len)| end > u64::from(at) + u64::from(len)) {
            return Err(OsError::NoSuchMap(va.into()));
        }
        let before = self.placed.range(..end as u32).next_back();
        match before {
            Some((&at, there)) if u64::from(at) + u64::from(there.len) > u64::from(va) => {
                Err(OsError::InUse(at))
            }
            _ => Ok(()),
        }
    }
}

/// Whole pages of so many bytes, at least one.
fn whole(what: &'static str, at: u64, len: u64) -> Result<u32, OsError> {
    let pages = u32::try_from(len).ok().filter(|&len| len > 0);
    pages
        .and_then(|len| len.checked_next_multiple_of(PAGE_SIZE))
        .ok_or(OsError::BadRange { what, at, len })
}

impl ProcessMemory {
    /// Takes address space with nothing behind it; returns where.
    pub fn reserve_for_program(&self, len: u64) -> Result<u32, OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        self.check_descriptors(&inner)?;
        let len = whole("address space", 0, len)?;
        let va = inner
            .reserve(len.into(), PAGE)
            .map_err(|_| no_room("address space", len))?;
        inner.reservations.ranges.insert(va, len);
        Ok(va)
    }

    /// Gives back what [`Self::reserve_for_program`] took; refused while something is mapped there.
    pub fn unreserve(&self, va: u32, len: u64) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let len = whole("address space", va.into(), len)?;
        if inner.reservations.ranges.get(&va) != Some(&len) {
            return Err(OsError::NoSuchMap(va.into()));
        }
        inner.reservations.is_free(va, len)?;
        inner.reservations.ranges.remove(&va);
        inner.release_range(va);
        Ok(())
    }

    /// Maps `len` bytes at `offset` of a descriptor at `va`, which lies in a reservation.
    pub fn place(&self, fd: i32, offset: u64, len: u64, va: u32, prot: Prot) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        self.check_descriptors(&inner)?;
        let span = whole("part of a descriptor", offset, len)?;
        let bad = OsError::BadRange {
            what: "part of a descriptor",
            at: offset,
            len,
        };
        let known = inner.descriptors.newest(fd)?.clone();
        let end = offset.checked_add(span.into());
        if end.is_none_or(|end| end > known.whole_pages()) {
            return Err(bad);
        }
        // Pages are mapped whole: address and device address begin one.
        let iova = known.iova.checked_add(offset).ok_or(bad.clone())?;
        if !va.is_multiple_of(PAGE_SIZE) || !iova.is_multiple_of(PAGE) {
            return Err(bad);
        }
        inner.reservations.is_free(va, span)?;
        if inner.mapped.saturating_add(span.into()) > self.limits.mapped {
            return Err(OsError::Limit("bytes of mapped buffers"));
        }
        if let Err(why) = self.space.map_iova(Some(va), iova, span, prot) {
            tracing::debug!(target: "emu::os", %why, iova, len, "a buffer cannot be mapped");
            return Err(bad);
        }
        match inner.descriptors.add_map(fd) {
            Ok(id) => {
                inner.mapped += u64::from(span);
                inner.mapped_total += u64::from(span);
                inner.reservations.placed.insert(va, Placed { len: span, fd, id });
                Ok(())
            }
            Err(why) => {
                let _ = self.space.unmap(va, span);
                Err(why)
            }
        }
    }

    /// Is something mapped at exactly this address by [`Self::place`]?
    pub fn is_placed(&self, va: u32) -> bool {
        self.lock().reservations.placed.contains_key(&va)
    }

    /// Takes back what [`Self::place`] mapped; the address space stays reserved.
    pub fn unplace(&self, va: u32, len: u64) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let len = whole("mapping", va.into(), len)?;
        let placed = inner.reservations.placed.get(&va);
        let Some(&Placed { fd, id, .. }) = placed.filter(|placed| placed.len == len) else {
            return Err(OsError::NoSuchMap(va.into()));
        };
        self.take_out(&mut inner, va);
        let idle = inner.descriptors.remove_map(fd, id);
        self.unmap(&mut inner, idle);
        Ok(())
    }

    /// The driver took a descriptor back: what is mapped of it goes.
    pub(super) fn unplace_all(&self, inner: &mut Inner, id: u64) {
        let here = inner
            .reservations
            .placed
            .iter()
            .filter(|(_, placed)| placed.id == id);
        let here: Vec<u32> = here.map(|(&va, _)| va).collect();
        for va in here {
            self.take_out(inner, va);
        }
    }

    fn take_out(&self, inner: &mut Inner, va: u32) {
        if let Some(placed) = inner.reservations.placed.remove(&va) {
            let _ = self.space.unmap(va, placed.len);
            inner.mapped = inner.mapped.saturating_sub(placed.len.into());
        }
    }
}
