//! The kernel's part of memory management, for when there is no kernel: tests, and running a skeleton without a guest.
//!
//! [`KernelIommu`] owns guest RAM and does to it what Linux's `arm-smmu`, `io-pgtable-arm` and `dma-iommu` do: programs
//! stream matching and context banks, builds 4 KiB-granule page tables, allocates pages and device addresses, maps,
//! unmaps with TLB maintenance, handles context faults. What runs on top of it cannot tell it from a guest.
//!
//! Source: Linux `arm_smmu_device_reset`, `arm_smmu_write_context_bank`, `arm_lpae_map`, `iommu_dma_alloc_iova`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iommu::Geometry;
use iommu::registers::{Bank, Global};

use emu_core::mem::{Bus, FaultLine, GuestRam, PAGE, RamError};

/// Why the kernel's part could not be done.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No free pages.
    #[error("out of guest memory: no {0:#x} contiguous bytes")]
    NoMemory(u64),
    /// No free device addresses below the limit.
    #[error("out of device addresses: no {0:#x} bytes")]
    NoAddresses(u64),
    /// All context banks or stream mapping groups are taken.
    #[error("no free context bank")]
    NoBank,
    /// The stream has no context bank.
    #[error("stream {0:#x} is not attached")]
    NotAttached(u16),
    /// Not whole pages, or beyond 48 bits.
    #[error("{0:#x} + {1:#x} is not a range of pages")]
    NotPages(u64, u64),
    /// The device address is mapped already.
    #[error("device address {0:#x} is mapped already")]
    Mapped(u64),
    /// The device address is not mapped.
    #[error("device address {0:#x} is not mapped")]
    NotMapped(u64),
    /// The layout does not fit the memory.
    #[error(transparent)]
    Ram(#[from] RamError),
    /// The host gave no memory.
    #[error("the host gave no memory: {0}")]
    Host(#[from] std::io::Error),
}

/// What a device may do with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Read only.
    ToDevice,
    /// Read and write.
    #[default]
    Both,
}

/// Memory that the kernel shares with a device, as `dma_alloc_coherent` gives it: zeroed, contiguous on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DmaBuffer {
    /// Device address.
    pub iova: u64,
    /// Guest physical address.
    pub physical: u64,
    /// Length in bytes, whole pages.
    pub len: u64,
}

/// What the handler of a context fault reads, in the registers' own encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextFault {
    /// FSR.
    pub status: u32,
    /// FAR: the device address.
    pub address: u64,
    /// FSYNR0.
    pub syndrome: u32,
    /// CBFRSYNRA: the stream id.
    pub stream: u32,
}

struct Attached {
    bank: u8,
    table: u64,
    /// Device address ranges in use: start → length.
    addresses: BTreeMap<u64, u64>,
}

struct State {
    /// Free physical ranges: start → length.
    free: BTreeMap<u64, u64>,
    streams: BTreeMap<u16, Attached>,
}

/// The kernel's memory management over guest RAM.
pub struct KernelIommu {
    ram: GuestRam,
    smmu: u64,
    geometry: Geometry,
    state: Mutex<State>,
}

impl std::fmt::Debug for KernelIommu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelIommu")
            .field("smmu", &self.smmu)
            .finish_non_exhaustive()
    }
}

impl KernelIommu {
    /// Takes over `ram`: puts the SMMU's registers at `smmu` (resetting them) and allocates from the `len` bytes at
    /// `pool`, which must not overlap them.
    ///
    /// # Errors
    /// Registers or pool do not lie in RAM.
    pub fn new(
        ram: GuestRam,
        smmu: u64,
        geometry: Geometry,
        pool: u64,
        len: u64,
    ) -> Result<Self, KernelError> {
        if !ram.contains(pool, len) {
            return Err(RamError { addr: pool, len }.into());
        }
        ram.write(smmu, &geometry.reset_image())?;
        let start = pool.next_multiple_of(PAGE);
        let end = (pool + len) / PAGE * PAGE;
        let free = (start < end)
            .then_some((start, end.saturating_sub(start)))
            .into_iter()
            .collect();
        let kernel = Self {
            ram,
            smmu,
            geometry,
            state: Mutex::new(State {
                free,
                streams: BTreeMap::new(),
            }),
        };
        // what arm_smmu_device_reset leaves behind: streams that nobody attached fault, faults interrupt
        for n in 0..geometry.group_count() {
            kernel.set_global(Global::StreamToContext(n), 2 << 16)?;
        }
        for n in 0..geometry.bank_count() {
            kernel.set_bank(n, Bank::Control, 0)?;
            kernel.set_bank(n, Bank::FaultStatus, 0xc000_01fe)?;
        }
        kernel.set_global(Global::InvalidateAllHyp, u32::MAX)?;
        kernel.set_global(Global::InvalidateAllNonHyp, u32::MAX)?;
        kernel.set_global(Global::Sync, u32::MAX)?;
        kernel.set_global(
            Global::Control,
            1 << 12 | 1 << 11 | 1 << 10 | 1 << 5 | 1 << 4 | 1 << 2 | 1 << 1,
        )?;
        Ok(kernel)
    }

    /// Anonymous RAM of `size` bytes (at least a few MiB, whole pages) at 0x4000_0000 as QEMU's `virt` machine has it,
    /// with the SMMU's registers at its end.
    pub fn anonymous(size: usize) -> Result<Self, KernelError> {
        const BASE: u64 = 0x4000_0000;
        let geometry = Geometry::SMALL;
        let ram = GuestRam::anonymous(size, BASE)?;
        let pool = (size as u64).saturating_sub(geometry.size()) / PAGE * PAGE;
        Self::new(ram, BASE + pool, geometry, BASE, pool)
    }

    /// The memory.
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// Guest physical address of the SMMU's registers.
    pub fn smmu_base(&self) -> u64 {
        self.smmu
    }

    /// The SMMU's dimensions.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// A bus over this memory.
    pub fn bus(&self, faults: Arc<dyn FaultLine>) -> Arc<Bus> {
        Arc::new(Bus::new(self.ram.clone(), self.smmu, self.geometry, faults))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_global(&self, register: Global, value: u32) -> Result<(), RamError> {
        self.ram
            .write_u32(self.smmu + register.offset(self.geometry), value)
    }

    fn bank_address(&self, bank: u8, register: Bank) -> u64 {
        self.smmu + register.offset(self.geometry, bank)
    }

    fn set_bank(&self, bank: u8, register: Bank, value: u32) -> Result<(), RamError> {
        self.ram.write_u32(self.bank_address(bank, register), value)
    }

    /// Gives a stream a context bank with empty page tables of its own, as attaching a device to its default domain
    /// does. Returns the bank.
    pub fn attach(&self, stream: u16) -> Result<u8, KernelError> {
        let mut state = self.state();
        if let Some(a) = state.streams.get(&stream) {
            return Ok(a.bank);
        }
        let bank = state.streams.len() as u8;
        if bank >= self.geometry.bank_count() || bank >= self.geometry.group_count() {
            return Err(KernelError::NoBank);
        }
        let table = self.take_pages(&mut state, PAGE)?;
        self.set_global(Global::BankAttribute2(bank), 1)?;
        self.set_global(Global::BankAttribute(bank), 1 << 16 | 0xf << 12 | 3 << 8)?;
        // 48-bit output addresses, 16-bit ASIDs, sign extension from the top of the bus
        self.set_bank(bank, Bank::TranslationControl2, 7 << 15 | 1 << 4 | 5)?;
        // no TTBR1; inner shareable write-back tables, 4 KiB granule, 48-bit input addresses
        self.set_bank(bank, Bank::TranslationControl, 0x80_3510)?;
        self.ram.write_u64(
            self.bank_address(bank, Bank::Table0),
            u64::from(bank) << 48 | table,
        )?;
        self.ram
            .write_u64(self.bank_address(bank, Bank::Table1), u64::from(bank) << 48)?;
        self.set_bank(bank, Bank::MemoryAttributes0, 0xf404_ff44)?;
        self.set_bank(bank, Bank::MemoryAttributes1, 0)?;
        // ASIDPNE, CFIE, CFRE, AFE, TRE, M
        self.set_bank(
            bank,
            Bank::Control,
            1 << 12 | 1 << 6 | 1 << 5 | 1 << 2 | 1 << 1 | 1,
        )?;
        self.set_global(Global::StreamToContext(bank), bank.into())?;
        self.set_global(Global::StreamMatch(bank), 1 << 31 | u32::from(stream))?;
        state.streams.insert(
            stream,
            Attached {
                bank,
                table,
                addresses: BTreeMap::new(),
            },
        );
        Ok(bank)
    }

    fn take_pages(&self, state: &mut State, len: u64) -> Result<u64, KernelError> {
        let found = state
            .free
            .iter()
            .find(|(_, have)| **have >= len)
            .map(|(s, have)| (*s, *have));
        let (start, have) = found.ok_or(KernelError::NoMemory(len))?;
        state.free.remove(&start);
        if have > len {
            state.free.insert(start + len, have - len);
        }
        let zeroes = [0; PAGE as usize];
        for at in (start..start + len).step_by(PAGE as usize) {
            self.ram.write(at, &zeroes)?;
        }
        Ok(start)
    }

    fn check(start: u64, len: u64) -> Result<(), KernelError> {
        let whole = len != 0 && start.is_multiple_of(PAGE) && len.is_multiple_of(PAGE);
        let inside = start.checked_add(len).is_some_and(|end| end <= 1 << 48);
        if whole && inside {
            Ok(())
        } else {
            Err(KernelError::NotPages(start, len))
        }
    }

    /// Allocates zeroed contiguous physical memory; `len` is rounded up to pages.
    pub fn allocate(&self, len: u64) -> Result<u64, KernelError> {
        let len = len
            .max(1)
            .checked_next_multiple_of(PAGE)
            .ok_or(KernelError::NoMemory(len))?;
        self.take_pages(&mut self.state(), len)
    }

    /// Gives physical memory back: what `allocate` returned, or whole pages of it.
    pub fn free(&self, start: u64, len: u64) -> Result<(), KernelError> {
        let len = len
            .max(1)
            .checked_next_multiple_of(PAGE)
            .ok_or(KernelError::NotPages(start, len))?;
        Self::check(start, len)?;
        let mut state = self.state();
        let (mut start, mut len) = (start, len);
        if let Some((before, have)) = state.free.range(..start).next_back().map(|(s, l)| (*s, *l))
            && before + have == start
        {
            state.free.remove(&before);
            (start, len) = (before, have + len);
        }
        if let Some(have) = state.free.remove(&(start + len)) {
            len += have;
        }
        state.free.insert(start, len);
        Ok(())
    }

    /// Address of the last-level entry for a device address; missing tables are made if `make`.
    fn entry(
        &self,
        state: &mut State,
        stream: u16,
        iova: u64,
        make: bool,
    ) -> Result<Option<u64>, KernelError> {
        let mut table = state
            .streams
            .get(&stream)
            .ok_or(KernelError::NotAttached(stream))?
            .table;
        for shift in [39, 30, 21] {
            let at = table + (iova >> shift & 0x1ff) * 8;
            let descriptor = self.ram.read_u64(at)?;
            table = match descriptor & 3 {
                3 => descriptor & 0xffff_ffff_f000,
                _ if !make => return Ok(None),
                _ => {
                    let next = self.take_pages(state, PAGE)?;
                    self.ram.write_u64(at, next | 3)?;
                    next
                }
            };
        }
        Ok(Some(table + (iova >> 12 & 0x1ff) * 8))
    }

    /// Maps device addresses of a stream to physical memory.
    pub fn map(
        &self,
        stream: u16,
        iova: u64,
        physical: u64,
        len: u64,
        direction: Direction,
    ) -> Result<(), KernelError> {
        Self::check(iova, len)?;
        Self::check(physical, len)?;
        let mut state = self.state();
        // not global, accessed, inner shareable, write-back, unprivileged
        let attributes = 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6 | 1 << 2 | 3;
        let read_only = if direction == Direction::ToDevice {
            1 << 7
        } else {
            0
        };
        for offset in (0..len).step_by(PAGE as usize) {
            let at = self.entry(&mut state, stream, iova + offset, true)?;
            let at = at.ok_or(KernelError::NotMapped(iova + offset))?;
            if self.ram.read_u64(at)? & 1 != 0 {
                return Err(KernelError::Mapped(iova + offset));
            }
            self.ram
                .write_u64(at, (physical + offset) | attributes | read_only)?;
        }
        Ok(())
    }

    /// Takes device addresses away and invalidates the TLB as Linux does.
    pub fn unmap(&self, stream: u16, iova: u64, len: u64) -> Result<(), KernelError> {
        Self::check(iova, len)?;
        let mut state = self.state();
        let bank = state
            .streams
            .get(&stream)
            .ok_or(KernelError::NotAttached(stream))?
            .bank;
        for offset in (0..len).step_by(PAGE as usize) {
            let address = iova + offset;
            let at = self.entry(&mut state, stream, address, false)?;
            let at = at.ok_or(KernelError::NotMapped(address))?;
            if self.ram.read_u64(at)? & 1 == 0 {
                return Err(KernelError::NotMapped(address));
            }
            self.ram.write_u64(at, 0)?;
            let last_level = self.bank_address(bank, Bank::InvalidateLastLevel);
            self.ram
                .write_u64(last_level, address >> 12 | u64::from(bank) << 48)?;
        }
        self.set_bank(bank, Bank::Sync, u32::MAX)?;
        Ok(())
    }

    /// Allocates memory and device addresses for it, the highest free ones below 4 GiB as Linux does.
    pub fn dma_alloc(&self, stream: u16, len: u64) -> Result<DmaBuffer, KernelError> {
        let len = len
            .max(1)
            .checked_next_multiple_of(PAGE)
            .ok_or(KernelError::NoMemory(len))?;
        let physical = self.allocate(len)?;
        let iova = self
            .dma_map(stream, physical, len, Direction::Both)
            .inspect_err(|_| {
                // cannot fail: these are the pages just taken
                let _ = self.free(physical, len);
            })?;
        Ok(DmaBuffer { iova, physical, len })
    }

    /// Gives physical memory device addresses and maps it there.
    pub fn dma_map(
        &self,
        stream: u16,
        physical: u64,
        len: u64,
        direction: Direction,
    ) -> Result<u64, KernelError> {
        Self::check(physical, len)?;
        let iova = {
            let mut state = self.state();
            let attached = state
                .streams
                .get_mut(&stream)
                .ok_or(KernelError::NotAttached(stream))?;
            let mut top = 1u64 << 32;
            let mut found = None;
            for (start, used) in attached.addresses.iter().rev() {
                if top.saturating_sub(start + used) >= len {
                    break;
                }
                top = *start;
            }
            // page 0 is never given out
            if top >= len + PAGE {
                found = Some(top - len);
            }
            let iova = found.ok_or(KernelError::NoAddresses(len))?;
            attached.addresses.insert(iova, len);
            iova
        };
        match self.map(stream, iova, physical, len, direction) {
            Ok(()) => Ok(iova),
            Err(e) => {
                if let Some(a) = self.state().streams.get_mut(&stream) {
                    a.addresses.remove(&iova);
                }
                Err(e)
            }
        }
    }

    /// Takes away what `dma_map` gave.
    pub fn dma_unmap(&self, stream: u16, iova: u64) -> Result<(), KernelError> {
        let missing = KernelError::NotMapped(iova);
        let len = {
            let state = self.state();
            let attached = state.streams.get(&stream);
            let attached = attached.ok_or(KernelError::NotAttached(stream))?;
            attached.addresses.get(&iova).copied().ok_or(missing)?
        };
        // Others get the addresses when nothing is mapped there any more.
        self.unmap(stream, iova, len)?;
        if let Some(attached) = self.state().streams.get_mut(&stream) {
            attached.addresses.remove(&iova);
        }
        Ok(())
    }

    /// Frees what `dma_alloc` gave.
    pub fn dma_free(&self, stream: u16, buffer: DmaBuffer) -> Result<(), KernelError> {
        self.dma_unmap(stream, buffer.iova)?;
        self.free(buffer.physical, buffer.len)
    }

    /// What the kernel's context fault handler does: reads the fault of a bank and writes the status back to clear it.
    /// `None` if no fault is recorded.
    pub fn handle_context_fault(&self, bank: u8) -> Result<Option<ContextFault>, KernelError> {
        let at = |register| self.bank_address(bank, register);
        let fault = ContextFault {
            address: self.ram.read_u64(at(Bank::FaultAddress))?,
            status: self.ram.read_u32(at(Bank::FaultStatus))?,
            syndrome: self.ram.read_u32(at(Bank::FaultSyndrome0))?,
            stream: self
                .ram
                .read_u32(self.smmu + Global::BankFaultStream(bank).offset(self.geometry))?,
        };
        if fault.status & 0xc000_01fe == 0 {
            return Ok(None);
        }
        self.set_bank(bank, Bank::FaultStatus, fault.status)?;
        Ok(Some(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: u16 = 0x1001;

    fn kernel() -> KernelIommu {
        let k = KernelIommu::anonymous(1 << 20).unwrap();
        k.attach(STREAM).unwrap();
        k
    }

    #[test]
    fn freed_memory_joins_its_neighbours_and_comes_back_zeroed() {
        let k = kernel();
        let free = |k: &KernelIommu| k.state().free.clone();
        let before = free(&k);
        let pages = [0; 4].map(|_| k.allocate(PAGE).unwrap());
        k.ram().write_u32(pages[1], 7).unwrap();
        for i in [1, 3, 0, 2] {
            k.free(pages[i], PAGE).unwrap();
        }
        assert_eq!(free(&k), before);
        assert_eq!(k.allocate(4 * PAGE).unwrap(), pages[0]);
        assert_eq!(k.ram().read_u32(pages[1]), Ok(0));
    }

    #[test]
    fn what_is_used_up_is_an_error() {
        let k = kernel();
        assert!(matches!(k.allocate(1 << 30), Err(KernelError::NoMemory(_))));
        assert!(matches!(k.dma_alloc(7, PAGE), Err(KernelError::NotAttached(7))));
        assert!(matches!(
            k.dma_unmap(STREAM, 0x5000),
            Err(KernelError::NotMapped(0x5000))
        ));
        assert!(matches!(
            k.unmap(STREAM, 0x5000, PAGE),
            Err(KernelError::NotMapped(0x5000))
        ));
        assert!(matches!(
            k.map(STREAM, 1, 0, PAGE, Direction::Both),
            Err(KernelError::NotPages(1, PAGE))
        ));
        k.map(STREAM, 0x5000, 0x4000_0000, PAGE, Direction::Both).unwrap();
        let again = k.map(STREAM, 0x5000, 0x4000_0000, PAGE, Direction::Both);
        assert!(matches!(again, Err(KernelError::Mapped(0x5000))));
        for n in 1..Geometry::SMALL.banks {
            assert_eq!(k.attach(STREAM + u16::from(n)).unwrap(), n);
        }
        assert!(matches!(k.attach(1), Err(KernelError::NoBank)));
        assert_eq!(k.attach(STREAM).unwrap(), 0, "attached already");
    }

    #[test]
    fn device_addresses_are_used_again() {
        let k = kernel();
        let a = k.dma_alloc(STREAM, 0x3000).unwrap();
        let b = k.dma_alloc(STREAM, 0x1000).unwrap();
        assert_eq!((a.iova, b.iova), (0xffff_d000, 0xffff_c000));
        k.dma_free(STREAM, a).unwrap();
        assert_eq!(k.dma_alloc(STREAM, 0x2000).unwrap().iova, 0xffff_e000);
        assert_eq!(k.dma_alloc(STREAM, 0x2000).unwrap().iova, 0xffff_a000);
    }

    #[test]
    fn addresses_are_given_out_again_when_nothing_is_mapped_there() {
        let k = kernel();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let buffer = k.dma_alloc(STREAM, 0x8000).unwrap();
                        k.dma_free(STREAM, buffer).unwrap();
                    }
                });
            }
        });
        assert_eq!(k.dma_alloc(STREAM, 0x1000).unwrap().iova, 0xffff_f000);
    }

    #[test]
    fn a_layout_outside_of_memory_is_refused() {
        let ram = GuestRam::anonymous(0x10_0000, 0x4000_0000).unwrap();
        let g = Geometry::SMALL;
        assert!(KernelIommu::new(ram.clone(), 0x4000_0000, g, 0x4010_0000, 0x1000).is_err());
        assert!(KernelIommu::new(ram.clone(), 0x400f_0000, g, 0x4000_0000, 0x1000).is_err());
        assert!(KernelIommu::new(ram, 0x4000_0000, g, 0x4002_0000, u64::MAX).is_err());
    }
}
