//! The memory of a machine without a guest: RAM with an SMMU whose streams translate what a test maps.
//!
//! Register values are those that Linux's arm-smmu driver was seen to write (see the tests of `iommu`).

use anyhow::Result;
use emu_core::mem::{Bus, GuestRam, NoFaultLine};
use iommu::{
    Geometry,
    registers::{Bank, Global},
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: u64 = 4096;
const BASE: u64 = 0x4000_0000;
const GEOMETRY: Geometry = Geometry::SMALL;
/// nG, AF, inner shareable, unprivileged, cached, page.
const PAGE_ATTRIBUTES: u64 = 0xf47;

/// RAM, SMMU registers and page tables.
pub struct Machine {
    ram: GuestRam,
    bus: Arc<Bus>,
    state: RefCell<State>,
}

struct State {
    /// First byte of RAM that nothing uses yet.
    free: u64,
    end: u64,
    /// Stream ID to its first-level table.
    tables: BTreeMap<u16, u64>,
}

impl Machine {
    /// A machine with `size` bytes of RAM whose SMMU knows `streams`, with nothing mapped.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(size: usize, streams: &[u16]) -> Result<Self> {
        let ram = GuestRam::anonymous(size, BASE)?;
        ram.write(BASE, &GEOMETRY.reset_image())?;
        let bus = Arc::new(Bus::new(ram.clone(), BASE, GEOMETRY, Arc::new(NoFaultLine)));
        let state = State {
            free: BASE + GEOMETRY.size().next_multiple_of(PAGE),
            end: BASE + size as u64,
            tables: BTreeMap::new(),
        };
        let machine = Self {
            ram,
            bus,
            state: RefCell::new(state),
        };
        machine.set(Global::Control, 0x1c36)?;
        for (bank, &stream) in (0u8..).zip(streams) {
            let table = machine.page()?;
            machine.set(Global::BankAttribute2(bank), 1)?;
            machine.set(Global::BankAttribute(bank), 0x1_f300)?;
            machine.set_bank(bank, Bank::TranslationControl2, 0x3_8015)?;
            machine.set_bank(bank, Bank::TranslationControl, 0x80_3510)?;
            let root = u64::from(bank) << 48 | table;
            machine
                .ram
                .write_u64(BASE + Bank::Table0.offset(GEOMETRY, bank), root)?;
            machine.set_bank(bank, Bank::MemoryAttributes0, 0xf404_ff44)?;
            machine.set_bank(bank, Bank::Control, 0x1067)?;
            machine.set(Global::StreamToContext(bank), bank.into())?;
            machine.set(Global::StreamMatch(bank), 1 << 31 | u32::from(stream))?;
            machine.state.borrow_mut().tables.insert(stream, table);
        }
        Ok(machine)
    }

    fn set(&self, register: Global, value: u32) -> Result<()> {
        Ok(self.ram.write_u32(BASE + register.offset(GEOMETRY), value)?)
    }

    fn set_bank(&self, bank: u8, register: Bank, value: u32) -> Result<()> {
        Ok(self
            .ram
            .write_u32(BASE + register.offset(GEOMETRY, bank), value)?)
    }

    /// A zeroed page.
    fn page(&self) -> Result<u64> {
        let mut state = self.state.borrow_mut();
        let page = state.free;
        anyhow::ensure!(page + PAGE <= state.end, "the test machine is out of memory");
        state.free += PAGE;
        Ok(page)
    }

    /// The bus.
    #[must_use]
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Maps what is not mapped yet of `len` bytes at a device address, each page to fresh memory.
    ///
    /// # Errors
    /// Unknown stream, or out of memory.
    pub fn map(&self, stream: u16, iova: u64, len: u64) -> Result<()> {
        let root = self.state.borrow().tables.get(&stream).copied();
        let root = root.ok_or_else(|| anyhow::anyhow!("no stream {stream:#x}"))?;
        for page in (iova & !(PAGE - 1)..iova + len).step_by(PAGE as usize) {
            let mut table = root;
            for shift in [39, 30, 21] {
                let at = table + (page >> shift & 511) * 8;
                let mut entry = self.ram.read_u64(at)?;
                if entry == 0 {
                    entry = self.page()? | 3;
                    self.ram.write_u64(at, entry)?;
                }
                table = entry & !(PAGE - 1);
            }
            let at = table + (page >> 12 & 511) * 8;
            if self.ram.read_u64(at)? == 0 {
                self.ram.write_u64(at, self.page()? | PAGE_ATTRIBUTES)?;
            }
        }
        Ok(())
    }

    /// Writes at a device address, which gets mapped.
    ///
    /// # Errors
    /// As [`Machine::map`].
    pub fn write(&self, stream: u16, iova: u64, bytes: &[u8]) -> Result<()> {
        self.map(stream, iova, bytes.len() as u64)?;
        Ok(self.bus.write(stream, iova, bytes)?)
    }

    /// Reads at a device address.
    ///
    /// # Errors
    /// If it is not mapped.
    pub fn read(&self, stream: u16, iova: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.bus.read(stream, iova, &mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_can_be_written_and_read() -> Result<()> {
        let machine = Machine::new(1 << 20, &[0x1001, 0x1002])?;
        machine.write(0x1001, 0xffff_fff0, &[1; 8])?;
        machine.write(0x1002, 0xffff_fff0, &[2; 8])?;
        assert_eq!(machine.read(0x1001, 0xffff_fff4, 2)?, [1, 1]);
        assert_eq!(machine.read(0x1002, 0xffff_fff4, 2)?, [2, 2]);
        assert!(machine.read(0x1001, 0x1000, 1).is_err());
        assert!(machine.read(0x1003, 0xffff_f000, 1).is_err());
        Ok(())
    }
}
