//! Address space that a program reserves without memory, and what it maps there: buffers of the AP, or memory of its own
//! (`HAP_mem_request`, QuRT's memory regions).
//!
//! A reservation is given back whole, when nothing is mapped in it; a mapping likewise, by the address and length that it was
//! made with. Lengths count in whole pages.

use std::collections::BTreeMap;

use super::descriptors::Descriptor;
use super::{Inner, NoMemory, PAGE, PAGE_SIZE, ProcessMemory, no_room};
use crate::error::OsError;
use emu_core::mem::Prot;

/// What is mapped in a reservation.
#[derive(Debug, Clone, Copy)]
enum What {
    /// A part of a descriptor.
    Descriptor {
        fd: i32,
        /// Which one of that number.
        id: u64,
    },
    /// Memory of the process's own; the address is that of the reservation.
    Own(u32),
}

/// Something that is mapped in a reservation.
#[derive(Debug, Clone, Copy)]
struct Placed {
    len: u32,
    what: What,
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

    /// The reservation that these bytes lie in, if nothing is mapped among them.
    fn free(&self, va: u32, len: u32) -> Result<u32, OsError> {
        let end = u64::from(va) + u64::from(len);
        let range = self.ranges.range(..=va).next_back();
        let range = range.filter(|&(&at, &len)| end <= u64::from(at) + u64::from(len));
        let (&reserved, _) = range.ok_or(OsError::NoSuchMap(va.into()))?;
        let before = self.placed.range(..end as u32).next_back();
        match before {
            Some((&at, there)) if u64::from(at) + u64::from(there.len) > u64::from(va) => {
                Err(OsError::InUse(at))
            }
            _ => Ok(reserved),
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
        inner.reservations.free(va, len)?;
        inner.reservations.ranges.remove(&va);
        inner.release_range(va);
        Ok(())
    }

    /// Maps `len` bytes at `offset` of a descriptor at `va`, which lies in a reservation.
    pub fn place(&self, fd: i32, offset: u64, len: u64, va: u32, prot: Prot) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let known = inner.descriptors.newest(fd)?.clone();
        self.map_part(&mut inner, fd, &known, (offset, len), va, prot)
    }

    /// Maps `len` bytes at a device address that belongs to a known descriptor at `va`, which lies in a reservation.
    pub fn place_device(&self, iova: u64, len: u64, va: u32, prot: Prot) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let (fd, known) = inner.descriptors.holding(iova, len)?;
        let (known, offset) = (known.clone(), iova - known.iova);
        self.map_part(&mut inner, fd, &known, (offset, len), va, prot)
    }

    fn map_part(
        &self,
        inner: &mut Inner,
        fd: i32,
        known: &Descriptor,
        (offset, len): (u64, u64),
        va: u32,
        prot: Prot,
    ) -> Result<(), OsError> {
        self.check_descriptors(inner)?;
        let span = whole("part of a descriptor", offset, len)?;
        let bad = OsError::BadRange {
            what: "part of a descriptor",
            at: offset,
            len,
        };
        let end = offset.checked_add(span.into());
        if end.is_none_or(|end| end > known.whole_pages()) {
            return Err(bad);
        }
        // Pages are mapped whole: address and device address begin one.
        let iova = known.iova.checked_add(offset).ok_or(bad.clone())?;
        if !va.is_multiple_of(PAGE_SIZE) || !iova.is_multiple_of(PAGE) {
            return Err(bad);
        }
        inner.reservations.free(va, span)?;
        if inner.mapped.saturating_add(span.into()) > self.limits.mapped {
            return Err(OsError::Limit("bytes of mapped buffers"));
        }
        if let Err(why) = self.space.map_iova(Some(va), iova, span, prot) {
            tracing::debug!(target: "emu::os", %why, iova, len, "a buffer cannot be mapped");
            return Err(bad);
        }
        let id = known.id;
        if let Err(why) = inner.descriptors.add_map(fd, id) {
            let _ = self.space.unmap(va, span);
            return Err(why);
        }
        inner.mapped += u64::from(span);
        inner.mapped_total += u64::from(span);
        let what = What::Descriptor { fd, id };
        inner.reservations.placed.insert(va, Placed { len: span, what });
        Ok(())
    }

    /// Puts memory of the process's own at `va`, which lies in a reservation.
    pub fn place_own(&self, va: u32, len: u32, prot: Prot) -> Result<(), NoMemory> {
        let refused = |why: OsError| NoMemory::Refused(why.to_string());
        let len = whole("memory", va.into(), len.into()).map_err(refused)?;
        let reserved = {
            let inner = self.lock();
            self.check_descriptors(&inner).map_err(refused)?;
            if !va.is_multiple_of(PAGE_SIZE) {
                return Err(NoMemory::Refused(format!("{va:#x} begins no page")));
            }
            inner.reservations.free(va, len).map_err(refused)?
        };
        // Who reserves and places holds the process's lock; the driver only takes out.
        self.back(reserved, va, len)?;
        let mut inner = self.lock();
        let placed = Placed {
            len,
            what: What::Own(reserved),
        };
        inner.reservations.placed.insert(va, placed);
        if let Err(why) = self.space.protect(va, len, prot) {
            self.take_out(&mut inner, va);
            return Err(NoMemory::Refused(why.to_string()));
        }
        Ok(())
    }

    /// Does memory of the process's own begin there, by [`Self::place_own`]?
    pub fn is_own_place(&self, va: u32) -> bool {
        let inner = self.lock();
        let placed = inner.reservations.placed.get(&va);
        placed.is_some_and(|placed| matches!(placed.what, What::Own(_)))
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
        let placed = inner.reservations.placed.get(&va).copied();
        let placed = placed.filter(|placed| placed.len == len);
        let placed = placed.ok_or(OsError::NoSuchMap(va.into()))?;
        self.take_out(&mut inner, va);
        if let What::Descriptor { fd, id } = placed.what {
            let idle = inner.descriptors.remove_map(fd, id);
            self.unmap(&mut inner, idle);
        }
        Ok(())
    }

    /// The driver took a descriptor back: what is mapped of it goes.
    pub(super) fn unplace_all(&self, inner: &mut Inner, id: u64) {
        let of_it = |placed: &Placed| matches!(placed.what, What::Descriptor { id: of, .. } if of == id);
        let here = inner.reservations.placed.iter();
        let here: Vec<u32> = here
            .filter(|(_, placed)| of_it(placed))
            .map(|(&va, _)| va)
            .collect();
        for va in here {
            self.take_out(inner, va);
        }
    }

    fn take_out(&self, inner: &mut Inner, va: u32) {
        let Some(placed) = inner.reservations.placed.remove(&va) else {
            return;
        };
        match placed.what {
            What::Descriptor { .. } => {
                let _ = self.space.unmap(va, placed.len);
                inner.mapped = inner.mapped.saturating_sub(placed.len.into());
            }
            What::Own(reserved) => {
                let taken = inner.taken.get_mut(&reserved);
                let backing = taken.and_then(|taken| {
                    let at = taken.backing.iter().position(|backing| backing.va == va)?;
                    Some(taken.backing.swap_remove(at))
                });
                if let Some(backing) = backing {
                    self.unback(inner, backing);
                }
            }
        }
    }

    /// The address of the process's own memory at a device address, or of a buffer that is mapped in a reservation.
    pub fn address_of(&self, iova: u64) -> Option<u32> {
        let inner = self.lock();
        let own = inner.taken.values().flat_map(|taken| &taken.backing);
        let in_own = own.filter_map(|backing| backing.holds(iova)).next();
        in_own.or_else(|| {
            let mut placed = inner.reservations.placed.iter();
            placed.find_map(|(&va, placed)| {
                let first = self.space.device_address(va)?;
                let offset = iova
                    .checked_sub(first)
                    .filter(|&offset| offset < placed.len.into())?;
                va.checked_add(offset as u32)
            })
        })
    }

    /// What the driver gave: device addresses and bytes, in the order of the addresses.
    pub fn given_ranges(&self) -> Vec<(u64, u64)> {
        let inner = self.lock();
        let mut ranges: Vec<_> = inner
            .regions
            .values()
            .map(|region| (region.iova, region.len))
            .collect();
        ranges.sort_unstable();
        ranges
    }
}
