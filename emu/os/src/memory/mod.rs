//! What a process's virtual addresses stand for: its own memory and the AP's buffers.
//!
//! Own memory (library segments, stacks, heap arenas) comes from the pages that the driver gave: the initial memory at
//! creation and whatever was added later. They form one pool; a virtual range can be backed by pages from several
//! places. A process that was given nothing uses memory of the emulator instead. Buffers of the AP are mapped in place.
//! Every range has an unmapped page on both sides, so that running over an end faults.
//!
//! Where things lie: [`layout`].

mod descriptors;
pub mod heap;
pub mod layout;
pub mod ranges;
mod reserved;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Limits;
use crate::error::OsError;
use descriptors::{Descriptor, Descriptors, Unmap};
use emu_core::mem::{AddressSpace, PAGE, PAGE_SIZE, Prot};
use emu_core::memory::Memory as _;
use layout::RANGE;
use ranges::Ranges;
use reserved::Reservations;

/// Why there is no own memory to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMemory {
    /// The pool is empty, and this many bytes are missing. More may be had from the AP.
    #[error("{0} bytes of memory are missing")]
    Dry(u32),
    /// A limit, or the address space, is used up, or the pages are not accessible.
    #[error("{0}")]
    Refused(String),
}

/// Part of a virtual range and the pages behind it.
#[derive(Debug)]
struct Backing {
    va: u32,
    len: u32,
    /// Device addresses, or `None` for memory of the emulator.
    pages: Option<Vec<(u64, u64)>>,
}

impl Backing {
    /// Where the byte with this device address is. Memory of the emulator counts as lying where it is mapped.
    fn holds(&self, iova: u64) -> Option<u32> {
        let own = [(u64::from(self.va), u64::from(self.len))];
        let mut before = 0;
        for &(at, len) in self.pages.as_deref().unwrap_or(&own) {
            if let Some(offset) = iova.checked_sub(at).filter(|&offset| offset < len) {
                return self.va.checked_add((before + offset) as u32);
            }
            before += len;
        }
        None
    }
}

/// A virtual range that is taken.
#[derive(Debug)]
struct Taken {
    /// With the guard pages.
    start: u64,
    len: u64,
    backing: Vec<Backing>,
}

/// Memory that the driver added (or gave at creation).
#[derive(Debug)]
struct Region {
    iova: u64,
    len: u64,
}

#[derive(Debug)]
struct Inner {
    va: Ranges,
    taken: BTreeMap<u32, Taken>,
    pool: Ranges,
    regions: BTreeMap<u32, Region>,
    descriptors: Descriptors,
    reservations: Reservations,
    own: u64,
    mapped: u64,
    mapped_total: u64,
    given: u64,
    closed: bool,
}

/// All of it. Shared between the process's thread and those who map buffers into the process.
pub struct ProcessMemory {
    /// The address space itself.
    pub space: Arc<AddressSpace>,
    limits: Limits,
    anonymous: bool,
    inner: Mutex<Inner>,
}

impl ProcessMemory {
    /// Nothing is mapped yet. With `anonymous`, memory of the emulator stands in when the pool is empty.
    pub fn new(space: Arc<AddressSpace>, limits: Limits, anonymous: bool) -> Self {
        let inner = Inner {
            va: Ranges::new(RANGE.0, RANGE.1 - RANGE.0),
            taken: BTreeMap::new(),
            pool: Ranges::default(),
            regions: BTreeMap::new(),
            descriptors: Descriptors::default(),
            reservations: Reservations::default(),
            own: 0,
            mapped: 0,
            mapped_total: 0,
            given: 0,
            closed: false,
        };
        Self {
            space,
            limits,
            anonymous,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of own memory in use, of AP buffers mapped now, and of AP buffers mapped ever.
    pub fn usage(&self) -> (u64, u64, u64) {
        let inner = self.lock();
        (inner.own, inner.mapped, inner.mapped_total)
    }

    /// Everything goes; later requests are refused.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.taken.clear();
        inner.descriptors = Descriptors::default();
        inner.reservations = Reservations::default();
        inner.regions.clear();
        inner.pool = Ranges::default();
        inner.own = 0;
        inner.mapped = 0;
        self.space.clear();
    }

    /// Own memory, zeroed, readable and writable, at a multiple of `align`.
    pub fn allocate(&self, len: u32, align: u32) -> Result<u32, NoMemory> {
        let len = round_up(len)?;
        let va = self.reserve(len, align)?;
        self.back(va, va, len).inspect_err(|_| self.release(va))?;
        Ok(va)
    }

    /// Takes a virtual range without anything behind it.
    pub fn reserve(&self, len: u32, align: u32) -> Result<u32, NoMemory> {
        let len = round_up(len)?;
        self.lock()
            .reserve(u64::from(len), u64::from(align.max(PAGE_SIZE)))
    }

    /// Takes an address that no range of [`reserve`](Self::reserve) has, outside of [`layout::RANGE`].
    pub fn reserve_at(&self, va: u32) {
        let taken = Taken {
            start: va.into(),
            len: 0,
            backing: Vec::new(),
        };
        self.lock().taken.entry(va).or_insert(taken);
    }

    /// Puts zeroed, writable pages behind part of a reserved range.
    pub fn back(&self, reserved: u32, va: u32, len: u32) -> Result<(), NoMemory> {
        let mut inner = self.lock();
        if inner.own + u64::from(len) > self.limits.memory {
            return Err(NoMemory::Refused(format!(
                "the process may use {} bytes",
                self.limits.memory
            )));
        }
        let pages = match inner.pages(u64::from(len)) {
            Ok(pages) => Some(pages),
            Err(_) if self.anonymous => None,
            Err(missing) => return Err(NoMemory::Dry(missing)),
        };
        let result = match &pages {
            Some(pages) => self.map_pages(va, pages),
            None => self
                .space
                .map_anonymous(Some(va), len, Prot::RW)
                .map(drop)
                .map_err(|e| e.to_string()),
        };
        // Pages of the pool hold what the guest left in them.
        let result = result.and_then(|()| {
            if pages.is_some() {
                self.zero(va, len)
            } else {
                Ok(())
            }
        });
        if let Err(why) = result {
            let _ = self.space.unmap(va, len);
            pages
                .into_iter()
                .flatten()
                .for_each(|(at, len)| inner.pool.put(at, len));
            return Err(NoMemory::Refused(why));
        }
        inner.own += u64::from(len);
        if let Some(taken) = inner.taken.get_mut(&reserved) {
            taken.backing.push(Backing { va, len, pages });
        }
        Ok(())
    }

    fn map_pages(&self, va: u32, pages: &[(u64, u64)]) -> Result<(), String> {
        let mut at = va;
        for &(iova, len) in pages {
            let len = len as u32;
            self.space.map_iova(Some(at), iova, len, Prot::RW).map_err(|e| {
                if at > va {
                    let _ = self.space.unmap(va, at - va);
                }
                e.to_string()
            })?;
            at += len;
        }
        Ok(())
    }

    fn zero(&self, va: u32, len: u32) -> Result<(), String> {
        const ZEROS: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];
        (0..len)
            .step_by(PAGE_SIZE as usize)
            .try_for_each(|off| self.space.store(va + off, &ZEROS))
            .map_err(|fault| format!("the memory that the driver gave is not accessible: {fault}"))
    }

    /// Changes what may be done with pages of own memory.
    pub fn protect(&self, va: u32, len: u32, prot: Prot) -> Result<(), String> {
        self.space.protect(va, len, prot).map_err(|e| e.to_string())
    }

    /// Gives a range back, with whatever is behind it.
    pub fn release(&self, va: u32) {
        let mut inner = self.lock();
        let Some(taken) = inner.taken.remove(&va) else {
            return;
        };
        for backing in taken.backing {
            self.unback(&mut inner, backing);
        }
        inner.va.put(taken.start, taken.len);
    }

    /// Takes pages out of a range and gives them back.
    fn unback(&self, inner: &mut Inner, backing: Backing) {
        let _ = self.space.unmap(backing.va, backing.len);
        inner.own = inner.own.saturating_sub(u64::from(backing.len));
        for (at, len) in backing.pages.into_iter().flatten() {
            inner.pool.put(at, len);
        }
    }

    /// Adds memory to the pool. The address returned names the region to the driver; nothing is mapped there.
    pub fn add_region(&self, iova: u64, len: u32) -> Result<u32, OsError> {
        page_range("memory", iova, len)?;
        let mut inner = self.lock();
        inner.alive()?;
        let clash = |r: &Region| iova < r.iova + r.len && r.iova < iova + u64::from(len);
        if inner.regions.values().any(clash) {
            return Err(OsError::BadRange {
                what: "memory given twice",
                at: iova,
                len: u64::from(len),
            });
        }
        let va = inner
            .reserve(u64::from(len), PAGE)
            .map_err(|_| no_room("added memory", len))?;
        inner.regions.insert(
            va,
            Region {
                iova,
                len: u64::from(len),
            },
        );
        inner.pool.put(iova, u64::from(len));
        inner.given += u64::from(len);
        Ok(va)
    }

    /// Takes memory out of the pool; refused while anything lives in it.
    pub fn remove_region(&self, va: u32, len: u32) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let region = inner.regions.get(&va).filter(|r| r.len == u64::from(len));
        let Some(&Region { iova, len }) = region else {
            return Err(OsError::NoSuchMap(u64::from(va)));
        };
        if !inner.pool.take_at(iova, len) {
            return Err(OsError::InUse(va));
        }
        inner.regions.remove(&va);
        if let Some(taken) = inner.taken.remove(&va) {
            inner.va.put(taken.start, taken.len);
        }
        Ok(())
    }

    /// Maps bytes of the AP in place; returns the address of the first byte.
    pub fn map_buffer(&self, iova: u64, len: u64) -> Result<u32, OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        self.map_locked(&mut inner, iova, len)
    }

    /// Maps the pages of a buffer at a range of their own; returns the address of the buffer's first byte.
    fn map_locked(&self, inner: &mut Inner, iova: u64, len: u64) -> Result<u32, OsError> {
        let at = inner.reserve_buffer(iova, len)?;
        if let Err(why) = self.map_reserved(inner, at, iova, len) {
            inner.release_range(at);
            return Err(why);
        }
        Ok(at)
    }

    /// Maps the pages of a buffer whose range is [reserved](Inner::reserve_buffer) at `at`.
    fn map_reserved(&self, inner: &mut Inner, at: u32, iova: u64, len: u64) -> Result<(), OsError> {
        let (first, span) = buffer_pages(iova, len)?;
        if inner.mapped.saturating_add(span.into()) > self.limits.mapped {
            return Err(OsError::Limit("bytes of mapped buffers"));
        }
        let va = page_of(at);
        if let Err(why) = self.space.map_iova(Some(va), first, span, Prot::RW) {
            tracing::debug!(target: "emu::os", %why, iova, len, "a buffer cannot be mapped");
            return Err(OsError::BadRange {
                what: "buffer",
                at: iova,
                len: span.into(),
            });
        }
        inner.mapped += u64::from(span);
        inner.mapped_total += u64::from(span);
        Ok(())
    }

    /// Unmaps a buffer by any address in its first page.
    pub fn unmap_buffer(&self, at: u32) {
        let mut inner = self.lock();
        self.unmap_locked(&mut inner, at);
    }

    fn unmap_locked(&self, inner: &mut Inner, at: u32) {
        self.unmap_reserved(inner, at);
        inner.release_range(at);
    }

    /// Unmaps a buffer; its range stays reserved.
    fn unmap_reserved(&self, inner: &mut Inner, at: u32) {
        let va = page_of(at);
        if let Some(taken) = inner.taken.get(&va) {
            let span = taken.len - 2 * PAGE;
            let _ = self.space.unmap(va, span as u32);
            inner.mapped = inner.mapped.saturating_sub(span);
        }
    }

    fn unmap(&self, inner: &mut Inner, what: Option<Unmap>) {
        match what {
            Some(Unmap::Gone(va)) => self.unmap_locked(inner, va),
            Some(Unmap::Delayed(va)) => self.unmap_reserved(inner, va),
            None => {}
        }
    }

    /// The driver announces a dma-buf (FASTRPC_MAP); returns the address that names it. It is mapped there at once and
    /// for good, or, if `delayed`, while skeletons map it.
    pub fn announce_fd(&self, fd: i32, iova: u64, len: u32, delayed: bool) -> Result<u32, OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        self.check_descriptors(&inner)?;
        let va = if delayed {
            inner.reserve_buffer(iova, u64::from(len))?
        } else {
            self.map_locked(&mut inner, iova, u64::from(len))?
        };
        inner
            .descriptors
            .add(fd, Descriptor::announced(iova, len, va, delayed));
        Ok(va)
    }

    /// The driver takes a dma-buf back. A negative `fd` means: whichever is mapped there.
    pub fn withdraw_fd(&self, fd: i32, va: u32) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let gone = inner.descriptors.withdraw(fd, va)?;
        self.unplace_all(&mut inner, gone.id);
        if gone.mapped {
            self.unmap_locked(&mut inner, va);
        } else {
            inner.release_range(va);
        }
        Ok(())
    }

    /// A call carries a DMA handle: its file descriptor is known while the call lasts. Returns what
    /// [`Self::end_handle`] takes.
    pub fn begin_handle(&self, fd: i32, iova: u64, len: u32) -> Result<u64, OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        self.check_descriptors(&inner)?;
        Ok(inner.descriptors.begin_call(fd, iova, len))
    }

    /// The call is over.
    pub fn end_handle(&self, fd: i32, id: u64) {
        let mut inner = self.lock();
        let idle = inner.descriptors.end_call(fd, id);
        self.unmap(&mut inner, idle);
    }

    fn check_descriptors(&self, inner: &Inner) -> Result<(), OsError> {
        if inner.descriptors.count() + inner.reservations.count() >= self.limits.fds {
            return Err(OsError::Limit("mapped file descriptors"));
        }
        Ok(())
    }

    /// What is known of a descriptor (the newest of that number).
    pub fn fd(&self, fd: i32) -> Option<Descriptor> {
        self.lock().descriptors.newest(fd).ok().cloned()
    }

    /// Is this descriptor (its `id` tells it from others of its number) still known, and mapped?
    pub fn is_mapped(&self, fd: i32, id: u64) -> bool {
        self.lock().descriptors.get(fd, id).is_some_and(|d| d.mapped)
    }

    /// `HAP_mmap`: maps a descriptor if it is not mapped yet, and gives the address of `len` bytes at `offset`.
    pub fn map_window(&self, fd: i32, offset: u32, len: u32) -> Result<u32, OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        self.check_descriptors(&inner)?;
        let known = inner.descriptors.newest(fd)?.clone();
        let end = u64::from(offset) + u64::from(len);
        if len == 0 || end > known.whole_pages() {
            return Err(OsError::BadRange {
                what: "part of a descriptor",
                at: offset.into(),
                len: len.into(),
            });
        }
        self.map_descriptor(&mut inner, fd, &known)?;
        inner.descriptors.add_window(fd, offset, len)
    }

    /// `HAP_munmap`: takes back what [`Self::map_window`] gave.
    pub fn unmap_window(&self, va: u32, len: u32) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let idle = inner.descriptors.remove_window(va, len)?;
        self.unmap(&mut inner, idle);
        Ok(())
    }

    /// `HAP_mmap_get`: another user of a mapped descriptor. Returns address and device address.
    pub fn use_fd(&self, fd: i32) -> Result<(u32, u64), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let known = inner.descriptors.newest(fd)?.clone();
        if !known.has_address() {
            return Err(OsError::NoSuchMap(fd as u64));
        }
        let va = self.map_descriptor(&mut inner, fd, &known)?;
        inner.descriptors.add_user(fd)?;
        Ok((va, known.iova))
    }

    /// `HAP_mmap_put`: one user less.
    pub fn unuse_fd(&self, fd: i32) -> Result<(), OsError> {
        let mut inner = self.lock();
        inner.alive()?;
        let idle = inner.descriptors.remove_user(fd)?;
        self.unmap(&mut inner, idle);
        Ok(())
    }

    /// Maps the newest descriptor of a number unless it is mapped; returns where.
    fn map_descriptor(&self, inner: &mut Inner, fd: i32, known: &Descriptor) -> Result<u32, OsError> {
        let (iova, len) = (known.iova, u64::from(known.len));
        let va = match known.va {
            Some(va) if known.mapped => return Ok(va),
            Some(va) => self.map_reserved(inner, va, iova, len).map(|()| va)?,
            None => self.map_locked(inner, iova, len)?,
        };
        inner.descriptors.mapped_at(fd, va);
        Ok(va)
    }

    /// Bytes that were ever given to the pool.
    pub fn given(&self) -> u64 {
        self.lock().given
    }

    /// Bytes of the pool that are free.
    pub fn free(&self) -> u64 {
        self.lock().pool.total()
    }
}

impl Inner {
    fn alive(&self) -> Result<(), OsError> {
        if self.closed { Err(OsError::Dead) } else { Ok(()) }
    }

    fn reserve(&mut self, len: u64, align: u64) -> Result<u32, NoMemory> {
        if self.closed {
            return Err(NoMemory::Refused("the process has ended".into()));
        }
        // The range itself is aligned, with a guard page before and behind it.
        let refused = || NoMemory::Refused(format!("no address space for {len} bytes"));
        let wide = len.checked_add(align + PAGE).ok_or_else(refused)?;
        let start = self.va.take(wide, PAGE).ok_or_else(refused)?;
        let va = (start + PAGE).next_multiple_of(align);
        let (used_start, used_end) = (va - PAGE, va + len + PAGE);
        self.va.put(start, used_start - start);
        self.va.put(used_end, start + wide - used_end);
        let taken = Taken {
            start: used_start,
            len: used_end - used_start,
            backing: Vec::new(),
        };
        self.taken.insert(va as u32, taken);
        Ok(va as u32)
    }

    /// Takes a virtual range for the pages of a buffer; returns the address of the buffer's first byte.
    fn reserve_buffer(&mut self, iova: u64, len: u64) -> Result<u32, OsError> {
        let (first, span) = buffer_pages(iova, len)?;
        let va = self.reserve(u64::from(span), PAGE);
        let va = va.map_err(|_| no_room("a buffer", span))?;
        Ok(va + (iova - first) as u32)
    }

    /// Gives back the range of a buffer whose first byte lies at `at`.
    fn release_range(&mut self, at: u32) {
        if let Some(taken) = self.taken.remove(&page_of(at)) {
            self.va.put(taken.start, taken.len);
        }
    }

    /// Takes pages from the pool: one piece if there is one, else several. On failure: how many bytes are missing.
    fn pages(&mut self, len: u64) -> Result<Vec<(u64, u64)>, u32> {
        if let Some(at) = self.pool.take(len, PAGE) {
            return Ok(vec![(at, len)]);
        }
        let total = self.pool.total();
        if total < len {
            return Err(u32::try_from(len - total).unwrap_or(u32::MAX));
        }
        let mut out = Vec::new();
        let mut left = len;
        while left > 0 {
            let Some((at, size)) = self.pool.longest() else {
                break;
            };
            let part = size.min(left);
            self.pool.take_at(at, part);
            out.push((at, part));
            left -= part;
        }
        Ok(out)
    }
}

/// The first page that bytes of the AP lie in, and the bytes from there to the end of the last one.
fn buffer_pages(iova: u64, len: u64) -> Result<(u64, u32), OsError> {
    let bad = OsError::BadRange {
        what: "buffer",
        at: iova,
        len,
    };
    let end = iova.checked_add(len).filter(|_| len > 0).ok_or(bad.clone())?;
    let first = iova / PAGE * PAGE;
    let span = end.checked_next_multiple_of(PAGE).ok_or(bad)? - first;
    let span = u32::try_from(span).map_err(|_| OsError::Limit("length of one buffer"))?;
    Ok((first, span))
}

fn page_of(at: u32) -> u32 {
    at / PAGE_SIZE * PAGE_SIZE
}

fn no_room(what: &'static str, len: u32) -> OsError {
    OsError::NoRoom {
        what,
        bytes: u64::from(len),
    }
}

fn round_up(len: u32) -> Result<u32, NoMemory> {
    len.max(1)
        .checked_next_multiple_of(PAGE_SIZE)
        .ok_or_else(|| NoMemory::Refused(format!("{len} bytes do not fit the address space")))
}

fn page_range(what: &'static str, iova: u64, len: u32) -> Result<(), OsError> {
    let whole = iova.is_multiple_of(PAGE) && len > 0 && len.is_multiple_of(PAGE_SIZE);
    if whole && iova.checked_add(u64::from(len)).is_some() {
        return Ok(());
    }
    Err(OsError::BadRange {
        what,
        at: iova,
        len: u64::from(len),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::mem::NoFaultLine;
    use emu_local_ap::KernelIommu;

    const STREAM: u16 = 5;

    fn process(anonymous: bool) -> (KernelIommu, ProcessMemory) {
        let kernel = KernelIommu::anonymous(8 << 20).unwrap();
        kernel.attach(STREAM).unwrap();
        let space = AddressSpace::new(kernel.bus(Arc::new(NoFaultLine)), STREAM);
        (
            kernel,
            ProcessMemory::new(Arc::new(space), Limits::default(), anonymous),
        )
    }

    fn give(kernel: &KernelIommu, memory: &ProcessMemory, len: u64) -> u32 {
        let dma = kernel.dma_alloc(STREAM, len).unwrap();
        kernel
            .ram()
            .write(dma.physical, &vec![0x55; len as usize])
            .unwrap();
        memory.add_region(dma.iova, len as u32).unwrap()
    }

    #[test]
    fn memory_comes_zeroed_from_several_regions_and_says_what_is_missing() {
        let (kernel, memory) = process(false);
        assert_eq!(memory.allocate(100, 16), Err(NoMemory::Dry(4096)));
        let first = give(&kernel, &memory, 0x2000);
        kernel.dma_alloc(STREAM, 0x1000).unwrap();
        let second = give(&kernel, &memory, 0x2000);
        assert_ne!(first, second);
        assert_eq!(memory.allocate(0x5000, 16), Err(NoMemory::Dry(0x1000)));
        let at = memory.allocate(0x4000, 16).unwrap();
        let mut bytes = vec![1; 0x4000];
        memory.space.load(at, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&b| b == 0));
        // Guard pages on both sides.
        assert!(memory.space.load8(at - 1).is_err() && memory.space.load8(at + 0x4000).is_err());
        assert_eq!(memory.remove_region(first, 0x2000), Err(OsError::InUse(first)));
        memory.release(at);
        assert!(memory.space.load8(at).is_err());
        assert_eq!(
            memory.remove_region(first, 0x1000),
            Err(OsError::NoSuchMap(first.into()))
        );
        assert_eq!(memory.remove_region(first, 0x2000), Ok(()));
        assert_eq!((memory.free(), memory.usage().0), (0x2000, 0));
    }

    #[test]
    fn the_emulators_memory_stands_in_only_where_nothing_was_given() {
        let (_, memory) = process(true);
        let at = memory.allocate(0x10_0000, 0x1_0000).unwrap();
        assert_eq!(at % 0x1_0000, 0);
        memory.close();
        assert!(memory.space.load8(at).is_err());
        assert!(matches!(memory.allocate(1, 1), Err(NoMemory::Refused(_))));
        assert_eq!(memory.map_buffer(0, 1), Err(OsError::Dead));
    }

    #[test]
    fn bad_ranges_and_memory_given_twice_are_refused() {
        let (kernel, memory) = process(false);
        for (iova, len) in [
            (0x1001, 0x1000),
            (0x1000, 0x1001),
            (0x1000, 0),
            (u64::MAX - 0xfff, 0x2000),
        ] {
            assert!(
                matches!(memory.add_region(iova, len), Err(OsError::BadRange { .. })),
                "{iova:#x}"
            );
        }
        let dma = kernel.dma_alloc(STREAM, 0x2000).unwrap();
        memory.add_region(dma.iova, 0x2000).unwrap();
        assert!(memory.add_region(dma.iova + 0x1000, 0x1000).is_err());
        assert!(memory.map_buffer(u64::MAX - 5, 10).is_err());
        assert!(memory.map_buffer(0x1000, 8 << 30).is_err());
    }

    #[test]
    fn a_carried_descriptor_lives_as_long_as_its_call_or_its_references() {
        let (_, memory) = process(false);
        let call = memory.begin_handle(9, 0x1_0000, 100).unwrap();
        let (va, _) = memory.use_fd(9).unwrap();
        memory.end_handle(9, call);
        assert_eq!(memory.fd(9).unwrap().va, Some(va));
        memory.unuse_fd(9).unwrap();
        assert_eq!(memory.fd(9), None);
        assert_eq!(memory.usage().1, 0);
        assert_eq!(memory.withdraw_fd(9, va), Err(OsError::NoSuchMap(va.into())));
    }
}
