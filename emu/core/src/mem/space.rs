//! The address space of one DSP process: 32-bit virtual pages → host memory, with permissions.
//!
//! In front stands a flat table with one entry for every 4 KiB page ([`entry`]), zero if nothing is known. It is the DSP's MMU and TLB in one: a load is one table read, one check, one access. A miss takes
//! the lock and asks the list of regions (what the process mapped), and for memory behind the SMMU also the bus.
//!
//! Why host pointers in the table stay valid without a lock: a pointer is either into guest RAM, whose mapping lives as
//! long as the bus this space holds, or into the space's own arena, which never unmaps before it is dropped. Taking a
//! page away zeroes its entry; a thread that had read the entry just before completes its one access into memory that
//! still exists, as a transaction in flight would.
//!
//! Not modelled: the DSP's own TLB entries and page sizes (pages are 4 KiB), cacheability, supervisor mode.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use hexagon_isa::Opcode;
use hexagon_isa::interp::Exec;

use super::arena::Arena;
use super::bus::Bus;
use super::entry;
use super::raw;
use super::regions::{Backing, MapError, Prot, Region, Regions};
use super::table::Table;
use super::{PAGE_SHIFT, PAGE_SIZE};
use crate::code_changes::{CodeChanges, CodeLog, pages};
use crate::host::VectorUnit;
use crate::memory::{Access, CodeMemory, CodeView, FaultKind, FaultWord, MemFault, Memory};

/// What the bus also knows of a space, to take translations away.
pub(super) struct Shared {
    table: Table,
    bus: Arc<Bus>,
    stream: u16,
    code: CodeLog,
    /// Made when it is first wanted.
    arena: OnceLock<Arena>,
    slow: Mutex<Slow>,
}

/// What only misses and changes need.
#[derive(Default)]
struct Slow {
    regions: Regions,
    /// Pages whose table entry came through the SMMU.
    translated: HashSet<u32>,
    /// Where to look for a gap next, so that an address is not given out again at once.
    next: u32,
}

/// One DSP process's memory. Shared by its threads and by the services that map and unmap; dropped, or emptied with
/// [`clear`](Self::clear), at the end of the process.
pub struct AddressSpace {
    // `Shared` has the same table; here it is one indirection nearer to the fast path
    table: Table,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for AddressSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressSpace")
            .field("stream", &self.shared.stream)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The stream id of this space's transactions.
    pub(super) fn stream(&self) -> u16 {
        self.stream
    }

    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, va: u32) -> &AtomicU64 {
        &self.table[(va >> PAGE_SHIFT) as usize]
    }

    /// The space's own pages.
    fn arena(&self) -> io::Result<&Arena> {
        if let Some(arena) = self.arena.get() {
            return Ok(arena);
        }
        let arena = Arena::new()?;
        Ok(self.arena.get_or_init(|| arena))
    }

    /// Fills the table entry of a page that has to allow `access`, and returns it.
    #[cold]
    #[inline(never)]
    fn miss(&self, va: u32, access: Access) -> Result<u64, MemFault> {
        let fault = |kind| MemFault { va, access, kind };
        let mut slow = self.slow();
        let (backing, prot) = slow.regions.find(va).ok_or(fault(FaultKind::Unmapped))?;
        let wanted = match access {
            Access::Read => Prot::READ,
            Access::Write => Prot::WRITE,
            Access::Execute => Prot::EXECUTE,
        };
        if !prot.contains(wanted) {
            return Err(fault(FaultKind::Permission));
        }
        let (host, prot) = match backing {
            Backing::Anonymous => match self.arena.get() {
                Some(arena) => (arena.page(va), prot),
                None => return Err(fault(FaultKind::Unmapped)),
            },
            Backing::Guard => return Err(fault(FaultKind::Permission)),
            Backing::Physical(physical) => (
                self.bus.ram().host_page(physical).ok_or(fault(FaultKind::Bus))?,
                prot,
            ),
            Backing::Iova(iova) => {
                let address = iova + u64::from(va & (PAGE_SIZE - 1));
                let page = self
                    .bus
                    .translate(self.stream, address, access.into())
                    .map_err(|_| fault(FaultKind::Smmu))?;
                let host = self
                    .bus
                    .ram()
                    .host_page(page.physical)
                    .ok_or(fault(FaultKind::Bus))?;
                slow.translated.insert(va >> PAGE_SHIFT);
                (host, allowed(prot, page))
            }
        };
        let entry = entry::new(host, va, prot);
        self.entry(va).store(entry, Release);
        if let (Backing::Anonymous, Some(arena)) = (backing, self.arena.get()) {
            arena.rights(va).store(prot.bits(), Release);
        }
        Ok(entry)
    }

    /// The table entry of a page, which allows `access` or else this faults.
    #[inline(always)]
    fn lookup(&self, va: u32, access: Access) -> Result<u64, MemFault> {
        let bit = match access {
            Access::Read => Prot::READ,
            Access::Write => Prot::WRITE,
            Access::Execute => Prot::EXECUTE,
        };
        let entry = self.entry(va).load(Acquire);
        if entry & u64::from(bit.0) != 0 {
            Ok(entry)
        } else {
            self.miss(va, access)
        }
    }

    /// Host pointer to `va`, checked for `access` of the one page it lies in.
    fn host(&self, va: u32, access: Access) -> Result<*mut u8, MemFault> {
        let entry = self.lookup(va, access)?;
        Ok(entry::host(entry, va))
    }

    /// Cuts `len` bytes at `va` at page ends. A range that wraps around the end faults there.
    fn pieces(
        va: u32,
        len: usize,
        access: Access,
        mut f: impl FnMut(u32, usize, usize) -> Result<(), MemFault>,
    ) -> Result<(), MemFault> {
        let mut done = 0usize;
        while done < len {
            let at = u32::try_from(u64::from(va) + done as u64).map_err(|_| MemFault {
                va: u32::MAX,
                access,
                kind: FaultKind::Unmapped,
            })?;
            let n = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(len - done);
            f(at, done, n)?;
            done += n;
        }
        Ok(())
    }

    /// Zeroes the table entries of a region that is gone or changed, and gives anonymous pages back if it is gone.
    fn forget(&self, slow: &mut Slow, va: u32, region: &Region, gone: bool) {
        if let (Backing::Anonymous, Some(arena)) = (region.backing, self.arena.get()) {
            arena.revoke(va, region.len);
        }
        for page in 0..(region.len >> PAGE_SHIFT) as u32 {
            let number = (va >> PAGE_SHIFT) + page;
            self.table[number as usize].store(0, Release);
            match (region.backing, self.arena.get()) {
                (Backing::Anonymous, Some(arena)) => arena.rights(number << PAGE_SHIFT).store(0, Release),
                (Backing::Iova(_), _) => {
                    slow.translated.remove(&number);
                }
                _ => {}
            }
        }
        if gone
            && region.backing == Backing::Anonymous
            && let Some(arena) = self.arena.get()
        {
            arena.decommit(va, region.len as u32);
        }
        if region.prot.contains(Prot::EXECUTE) {
            self.code.changed(pages(va, va.wrapping_add(region.len as u32)));
        }
    }

    /// The SMMU's translations may have changed: forgets the pages that came through it. Pages that hold code are
    /// looked up again instead, and only if one of them really moved are decoded blocks thrown away: the guest
    /// invalidates often, and rarely because of code.
    pub(super) fn invalidate(&self) {
        let mut slow = self.slow();
        let pages = std::mem::take(&mut slow.translated);
        for number in pages {
            let cell = &self.table[number as usize];
            let old = cell.load(Acquire);
            let va = number << PAGE_SHIFT;
            if old & u64::from(Prot::EXECUTE.0) != 0
                && let Some((Backing::Iova(iova), prot)) = slow.regions.find(va)
                && let Some(page) = self.bus.peek(self.stream, iova)
                && let Some(host) = self.bus.ram().host_page(page.physical)
                && entry::new(host, va, allowed(prot, page)) == old
            {
                slow.translated.insert(number);
                continue;
            }
            cell.store(0, Release);
            if old & u64::from(Prot::EXECUTE.0) != 0 {
                self.code.changed(number..=number);
            }
        }
    }
}

/// What both the process's mapping and the SMMU's allow.
fn allowed(prot: Prot, page: iommu::Page) -> Prot {
    let bit = |on: bool, bit: Prot| if on { bit.0 } else { 0 };
    let smmu = bit(page.read, Prot::READ) | bit(page.write, Prot::WRITE) | bit(page.execute, Prot::EXECUTE);
    Prot(prot.0 & smmu)
}

impl From<Access> for iommu::Access {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Write => Self::Write,
            Access::Execute => Self::Execute,
        }
    }
}

impl AddressSpace {
    /// An empty address space whose transactions carry `stream`.
    pub fn new(bus: Arc<Bus>, stream: u16) -> Self {
        raw::find_widest();
        let table = Table::new();
        let shared = Arc::new(Shared {
            table: table.clone(),
            bus,
            stream,
            code: CodeLog::new(),
            arena: OnceLock::new(),
            slow: Mutex::default(),
        });
        shared.bus.attach(Arc::downgrade(&shared));
        Self { table, shared }
    }

    /// The bus this space's transactions go to.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.shared.bus
    }

    /// The stream id its transactions carry.
    pub fn stream(&self) -> u16 {
        self.shared.stream
    }

    fn map(&self, va: Option<u32>, len: u32, backing: Backing, prot: Prot) -> Result<u32, MapError> {
        Regions::check(va.unwrap_or(0), len)?;
        if let Backing::Iova(a) | Backing::Physical(a) = backing {
            if !a.is_multiple_of(PAGE_SIZE.into()) {
                return Err(MapError::NotPages { va: a, len });
            }
            if a.checked_add(len.into()).is_none() {
                return Err(MapError::Wraps { va: a, len });
            }
        }
        let mut slow = self.shared.slow();
        let va = match va {
            Some(va) => va,
            None => {
                let va = slow.regions.find_gap(slow.next, len)?;
                slow.next = va.wrapping_add(len);
                va
            }
        };
        slow.regions.insert(va, len, backing, prot)?;
        if backing == Backing::Anonymous {
            let committed = self.shared.arena().and_then(|arena| arena.commit(va, len));
            if let Err(e) = committed {
                // nothing was touched yet, so taking the region out again is all there is to undo
                slow.regions.remove(va, len)?;
                return Err(e.into());
            }
            if let Some(arena) = self.shared.arena.get() {
                arena.grant(va, len.into(), prot);
            }
        }
        if prot.contains(Prot::EXECUTE) {
            self.shared.code.changed(pages(va, va.wrapping_add(len)));
        }
        Ok(va)
    }

    /// Maps `len` bytes of device addresses from `iova` on, at `va` or where there is room. Translation happens when a
    /// page is first touched: an address the SMMU does not know is not an error here. All in whole pages.
    pub fn map_iova(&self, va: Option<u32>, iova: u64, len: u32, prot: Prot) -> Result<u32, MapError> {
        self.map(va, len, Backing::Iova(iova), prot)
    }

    /// Maps plain physical memory, for the remote heap of a DSP without a stream id.
    pub fn map_physical(
        &self,
        va: Option<u32>,
        physical: u64,
        len: u32,
        prot: Prot,
    ) -> Result<u32, MapError> {
        self.map(va, len, Backing::Physical(physical), prot)
    }

    /// Maps zeroed pages of the emulator's own, which the AP does not see.
    pub fn map_anonymous(&self, va: Option<u32>, len: u32, prot: Prot) -> Result<u32, MapError> {
        self.map(va, len, Backing::Anonymous, prot)
    }

    /// Keeps a range free of mappings; every access to it is a permission fault.
    pub fn map_guard(&self, va: Option<u32>, len: u32) -> Result<u32, MapError> {
        self.map(va, len, Backing::Guard, Prot::NONE)
    }

    /// Takes a range out of the address space. All of it must be mapped, but it may be part of a mapping or several.
    pub fn unmap(&self, va: u32, len: u32) -> Result<(), MapError> {
        Regions::check(va, len)?;
        let mut slow = self.shared.slow();
        for (va, region) in slow.regions.remove(va, len)? {
            self.shared.forget(&mut slow, va, &region, true);
        }
        Ok(())
    }

    /// Takes out whatever is mapped in a range of whole pages; parts of it may be unmapped already.
    pub fn unmap_any(&self, va: u32, len: u32) {
        if Regions::check(va, len).is_err() {
            return;
        }
        let mut slow = self.shared.slow();
        for (va, region) in slow.regions.take(va, len) {
            self.shared.forget(&mut slow, va, &region, true);
        }
    }

    /// Changes the permissions of a mapped range.
    pub fn protect(&self, va: u32, len: u32, prot: Prot) -> Result<(), MapError> {
        Regions::check(va, len)?;
        let mut slow = self.shared.slow();
        for (va, region) in slow.regions.protect(va, len, prot)? {
            self.shared.forget(&mut slow, va, &region, false);
            if let (Backing::Anonymous, Some(arena)) = (region.backing, self.shared.arena.get()) {
                arena.grant(va, region.len, prot);
            }
        }
        if prot.contains(Prot::EXECUTE) {
            self.shared.code.changed(pages(va, va.wrapping_add(len)));
        }
        Ok(())
    }

    /// Where `len` bytes would fit. Somebody else may take the place before it is mapped: `map_*` with `None` is the
    /// atomic way.
    pub fn find_free(&self, len: u32) -> Result<u32, MapError> {
        Regions::check(0, len)?;
        let slow = self.shared.slow();
        slow.regions.find_gap(slow.next, len)
    }

    /// Is anything mapped at this address (which says nothing of the SMMU behind it)?
    pub fn is_mapped(&self, va: u32) -> bool {
        self.shared.slow().regions.find(va).is_some()
    }

    /// What the process may do in all of a range; `None` if part of it is not mapped, or other things may be done there.
    pub fn rights(&self, va: u32, len: u32) -> Option<Prot> {
        self.shared.slow().regions.rights(va, len)
    }

    /// The device or physical address behind a mapped one. Anonymous memory has none outside of the DSP: what stands for it is
    /// where it is mapped.
    pub fn device_address(&self, va: u32) -> Option<u64> {
        let offset = u64::from(va & (PAGE_SIZE - 1));
        match self.shared.slow().regions.find(va)?.0 {
            Backing::Iova(at) | Backing::Physical(at) => Some(at + offset),
            Backing::Anonymous => Some(va.into()),
            Backing::Guard => None,
        }
    }

    /// Bytes mapped at the moment.
    pub fn mapped_bytes(&self) -> u64 {
        self.shared.slow().regions.mapped()
    }

    /// Code in a range changed although mappings did not (somebody wrote into executable pages): what was made of it is to be thrown
    /// away.
    pub fn invalidate_code(&self, va: u32, len: u32) {
        let Some(last) = len.checked_sub(1) else {
            return;
        };
        match va.checked_add(last) {
            Some(last) => self.shared.code.changed(va >> PAGE_SHIFT..=last >> PAGE_SHIFT),
            None => self.shared.code.all_changed(),
        }
    }

    /// The same of all code.
    pub fn invalidate_all_code(&self) {
        self.shared.code.all_changed();
    }

    /// End of the process: everything is gone, every later access is a fault.
    pub fn clear(&self) {
        let mut slow = self.shared.slow();
        for (va, region) in slow.regions.clear() {
            self.shared.forget(&mut slow, va, &region, true);
        }
        self.shared.code.all_changed();
    }

    /// Reads a NUL-terminated string without its NUL; stops after `max` bytes without one.
    pub fn read_cstr(&self, va: u32, max: usize) -> Result<Vec<u8>, MemFault> {
        let mut out = Vec::new();
        while out.len() < max {
            let at = u32::try_from(u64::from(va) + out.len() as u64).map_err(|_| MemFault {
                va: u32::MAX,
                access: Access::Read,
                kind: FaultKind::Unmapped,
            })?;
            let n = ((PAGE_SIZE - at % PAGE_SIZE) as usize)
                .min(max - out.len())
                .min(256);
            let old = out.len();
            out.resize(old + n, 0);
            self.load(at, &mut out[old..])?;
            if let Some(nul) = out[old..].iter().position(|b| *b == 0) {
                out.truncate(old + nul);
                break;
            }
        }
        Ok(out)
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        // the bus may hold `Shared` for a moment longer; nothing must be reachable through it
        self.clear();
    }
}

macro_rules! fast {
    ($load:ident, $store:ident, $try_load:ident, $try_store:ident, $int:ty, $bytes:literal) => {
        #[inline(always)]
        fn $try_load(&self, va: u32) -> Option<$int> {
            let entry = self.table[(va >> PAGE_SHIFT) as usize].load(Acquire);
            if (!entry & u64::from(Prot::READ.0)) | u64::from(va & ($bytes - 1)) != 0 {
                return None;
            }
            let p = entry::host(entry, va);
            // SAFETY: an entry with the read bit holds a page that stays mapped while `self` lives (see the file's
            // head); `va` is aligned, so the access lies in that page
            Some(unsafe { raw::$load(p) })
        }
        #[inline(always)]
        fn $try_store(&self, va: u32, v: $int) -> bool {
            let entry = self.table[(va >> PAGE_SHIFT) as usize].load(Acquire);
            if (!entry & u64::from(Prot::WRITE.0)) | u64::from(va & ($bytes - 1)) != 0 {
                return false;
            }
            let p = entry::host(entry, va);
            // SAFETY: as above, with the write bit
            unsafe { raw::$store(p, v) };
            true
        }
        #[inline(always)]
        fn $load(&self, va: u32) -> Result<$int, FaultWord> {
            match self.$try_load(va) {
                Some(v) => Ok(v),
                None => Ok(<$int>::from_le_bytes(self.slow_load(va)?)),
            }
        }
        #[inline(always)]
        fn $store(&self, va: u32, v: $int) -> Result<(), FaultWord> {
            if self.$try_store(va, v) {
                return Ok(());
            }
            self.slow_store(va, v.to_le_bytes())
        }
    };
}

#[cold]
fn misaligned(va: u32, access: Access) -> FaultWord {
    let kind = FaultKind::Misaligned;
    MemFault { va, access, kind }.into()
}

impl AddressSpace {
    fn load_pages(&self, va: u32, out: &mut [u8]) -> Result<(), MemFault> {
        Shared::pieces(va, out.len(), Access::Read, |at, done, n| {
            let p = self.shared.host(at, Access::Read)?;
            // SAFETY: `host` checked the page, `pieces` keeps within it
            unsafe { raw::copy_out(p, &mut out[done..done + n]) };
            Ok(())
        })
    }

    #[cold]
    fn load_vector_pages(&self, va: u32, out: &mut [u8; 128]) -> Result<(), MemFault> {
        let mut v = [0; 128];
        self.load_pages(va, &mut v)?;
        *out = v;
        Ok(())
    }

    fn store_pages(&self, va: u32, bytes: &[u8]) -> Result<(), MemFault> {
        self.check_writable(va, bytes.len())?;
        Shared::pieces(va, bytes.len(), Access::Write, |at, done, n| {
            let p = self.shared.host(at, Access::Write)?;
            // SAFETY: `host` checked the page, `pieces` keeps within it
            unsafe { raw::copy_in(p, &bytes[done..done + n]) };
            Ok(())
        })
    }

    /// Whether a [`store`](Memory::store) of this many bytes would succeed.
    ///
    /// # Errors
    /// The first byte that cannot be written.
    pub fn check_writable(&self, va: u32, len: usize) -> Result<(), MemFault> {
        Shared::pieces(va, len, Access::Write, |at, _, _| {
            self.shared.lookup(at, Access::Write).map(drop)
        })
    }

    // Values go through host registers, so that the fast path needs no room on the stack.
    #[cold]
    #[inline(never)]
    fn slow_load<const N: usize>(&self, va: u32) -> Result<[u8; N], FaultWord> {
        if !(va as usize).is_multiple_of(N) {
            return Err(misaligned(va, Access::Read));
        }
        let p = self.shared.host(va, Access::Read)?;
        let mut out = [0; N];
        // SAFETY: `host` checked the page, the access is aligned and so lies in it
        unsafe { raw::copy_out_whole(p, &mut out) };
        Ok(out)
    }

    #[cold]
    #[inline(never)]
    fn slow_store<const N: usize>(&self, va: u32, bytes: [u8; N]) -> Result<(), FaultWord> {
        if !(va as usize).is_multiple_of(N) {
            return Err(misaligned(va, Access::Write));
        }
        let p = self.shared.host(va, Access::Write)?;
        // SAFETY: as in `slow_load`, checked for writing
        unsafe { raw::copy_in_whole(p, &bytes) };
        Ok(())
    }
}

impl Memory for AddressSpace {
    type Fault = FaultWord;

    fast!(load8, store8, try_load8, try_store8, u8, 1);
    fast!(load16, store16, try_load16, try_store16, u16, 2);
    fast!(load32, store32, try_load32, try_store32, u32, 4);
    fast!(load64, store64, try_load64, try_store64, u64, 8);

    #[inline]
    fn load(&self, va: u32, out: &mut [u8]) -> Result<(), FaultWord> {
        let entry = self.table[(va >> PAGE_SHIFT) as usize].load(Acquire);
        let in_page = va & (PAGE_SIZE - 1);
        if entry & u64::from(Prot::READ.0) != 0 && out.len() <= (PAGE_SIZE - in_page) as usize {
            let p = entry::host(entry, va);
            // SAFETY: the entry's page stays mapped while `self` lives (see the file's head), and the range lies in it
            unsafe { raw::copy_out(p, out) };
            return Ok(());
        }
        Ok(self.load_pages(va, out)?)
    }

    #[inline]
    fn load_vector(&self, va: u32, out: &mut [u8; 128]) -> Result<(), FaultWord> {
        let entry = self.table[(va >> PAGE_SHIFT) as usize].load(Acquire);
        let in_page = va & (PAGE_SIZE - 1);
        if entry & u64::from(Prot::READ.0) != 0 && in_page <= PAGE_SIZE - 128 {
            let p = entry::host(entry, va);
            // SAFETY: as in `load`
            unsafe { raw::copy_out(p, out) };
            return Ok(());
        }
        Ok(self.load_vector_pages(va, out)?)
    }

    #[inline]
    fn store(&self, va: u32, bytes: &[u8]) -> Result<(), FaultWord> {
        let entry = self.table[(va >> PAGE_SHIFT) as usize].load(Acquire);
        let in_page = va & (PAGE_SIZE - 1);
        if entry & u64::from(Prot::WRITE.0) != 0 && bytes.len() <= (PAGE_SIZE - in_page) as usize {
            let p = entry::host(entry, va);
            // SAFETY: as in `load`, with the write bit
            unsafe { raw::copy_in(p, bytes) };
            return Ok(());
        }
        Ok(self.store_pages(va, bytes)?)
    }

    fn probe_store(&self, va: u32, len: u32) -> Result<(), FaultWord> {
        if len <= 8 && len.is_power_of_two() && !va.is_multiple_of(len) {
            return Err(misaligned(va, Access::Write));
        }
        Ok(self.check_writable(va, len as usize)?)
    }

    fn cas32(&self, va: u32, old: u32, new: u32) -> Result<bool, FaultWord> {
        if !va.is_multiple_of(4) {
            return Err(misaligned(va, Access::Write));
        }
        self.shared.lookup(va, Access::Read)?;
        let p = self.shared.host(va, Access::Write)?;
        // SAFETY: `host` checked the page; an aligned word lies in it
        Ok(unsafe { raw::cas32(p, old, new) })
    }

    fn cas64(&self, va: u32, old: u64, new: u64) -> Result<bool, FaultWord> {
        if !va.is_multiple_of(8) {
            return Err(misaligned(va, Access::Write));
        }
        self.shared.lookup(va, Access::Read)?;
        let p = self.shared.host(va, Access::Write)?;
        // SAFETY: `host` checked the page; an aligned doubleword lies in it
        Ok(unsafe { raw::cas64(p, old, new) })
    }
}

impl CodeView for Shared {
    fn code_at_hand(&self, va: u32) -> Option<u32> {
        let entry = self.entry(va).load(Acquire);
        if !va.is_multiple_of(4) || entry & u64::from(Prot::EXECUTE.0) == 0 {
            return None;
        }
        // SAFETY: the entry's page stays mapped while `self` lives (see the file's head); an aligned word lies in it
        Some(unsafe { raw::load32(entry::host(entry, va)) })
    }
}

impl CodeMemory for AddressSpace {
    fn fetch32(&self, va: u32) -> Result<u32, FaultWord> {
        if !va.is_multiple_of(4) {
            return Err(misaligned(va, Access::Execute));
        }
        let p = self.shared.host(va, Access::Execute)?;
        // SAFETY: `host` checked the page; an aligned word lies in it
        Ok(unsafe { raw::load32(p) })
    }

    fn code_at_hand(&self, va: u32) -> Option<u32> {
        self.shared.code_at_hand(va)
    }

    #[inline(always)]
    fn code_epoch(&self) -> u64 {
        self.shared.code.epoch()
    }

    fn code_changes(&self, since: u64) -> (u64, CodeChanges) {
        self.shared.code.since(since)
    }

    fn code_view(&self) -> Option<Weak<dyn CodeView>> {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        Some(shared)
    }

    fn page_table(&self) -> Option<*const AtomicU64> {
        Some(self.table.as_ptr())
    }

    fn window(&self) -> Option<*const u8> {
        let arena = self.shared.arena().ok()?;
        Some(arena.base().cast_const())
    }

    fn guarded_window(&self) -> Option<*const u8> {
        Some(self.shared.arena().ok()?.guarded())
    }

    #[inline(never)]
    fn function(vectors: VectorUnit, op: Opcode) -> Option<Exec<Self>> {
        vectors.exec(op)
    }
}
