//! A register file and a physical memory made of maps, and the steps of Linux's driver on them.
#![allow(dead_code)] // each test crate uses its part

use std::cell::RefCell;
use std::collections::HashMap;

use iommu::registers::{Bank, Global};
use iommu::{Access, Fault, Geometry, Page, PhysicalMemory, RegisterFile, Smmu, Transaction};

/// Registers and memory; the guest and the SMMU both write to them.
#[derive(Default)]
pub struct Platform {
    registers: RefCell<HashMap<u64, u32>>,
    memory: RefCell<HashMap<u64, u64>>,
}

pub const G: Geometry = Geometry::SMALL;

impl RegisterFile for Platform {
    fn read32(&self, offset: u64) -> u32 {
        assert!(
            offset.is_multiple_of(4) && offset < G.size(),
            "register access at {offset:#x}"
        );
        self.registers.borrow().get(&offset).copied().unwrap_or(0)
    }
    fn write32(&self, offset: u64, value: u32) {
        assert!(
            offset.is_multiple_of(4) && offset < G.size(),
            "register access at {offset:#x}"
        );
        self.registers.borrow_mut().insert(offset, value);
    }
    fn swap32(&self, offset: u64, value: u32) -> u32 {
        let old = self.read32(offset);
        self.write32(offset, value);
        old
    }
}

impl PhysicalMemory for Platform {
    fn descriptor(&self, address: u64) -> Option<u64> {
        assert!(address.is_multiple_of(8), "descriptor at {address:#x}");
        // as much memory as a test says: what was never written is not there
        self.memory.borrow().get(&address).copied()
    }
}

impl Platform {
    pub fn new() -> Self {
        let p = Self::default();
        for (offset, value) in G.reset_values() {
            p.write32(offset, value);
        }
        p
    }
    pub fn set(&self, r: Global, v: u32) {
        self.write32(r.offset(G), v);
    }
    pub fn get(&self, r: Global) -> u32 {
        self.read32(r.offset(G))
    }
    pub fn set_bank(&self, n: u8, r: Bank, v: u32) {
        self.write32(r.offset(G, n), v);
    }
    pub fn get_bank(&self, n: u8, r: Bank) -> u32 {
        self.read32(r.offset(G, n))
    }
    pub fn set_bank64(&self, n: u8, r: Bank, v: u64) {
        self.write64(r.offset(G, n), v);
    }
    pub fn poke(&self, address: u64, descriptor: u64) {
        self.memory.borrow_mut().insert(address, descriptor);
    }
    /// Zeroes a table.
    pub fn table(&self, address: u64, bytes: u64) {
        for at in (address..address + bytes).step_by(8) {
            self.poke(at, 0);
        }
    }

    /// arm_smmu_device_reset with disable_bypass.
    pub fn driver_reset(&self) {
        let status = self.get(Global::FaultStatus);
        self.set(Global::FaultStatus, status);
        for n in 0..G.groups {
            self.set(Global::StreamToContext(n), 2 << 16);
            self.set(Global::StreamMatch(n), 0);
        }
        for n in 0..G.banks {
            self.set_bank(n, Bank::Control, 0);
            self.set_bank(n, Bank::FaultStatus, 0xc000_01fe);
        }
        self.set(Global::InvalidateAllHyp, u32::MAX);
        self.set(Global::InvalidateAllNonHyp, u32::MAX);
        self.set(Global::Sync, u32::MAX);
        self.set(Global::Control, 0x1c36);
    }

    /// arm_smmu_init_domain_context and arm_smmu_attach_dev for a 48-bit 4 KiB domain in bank `n`, group `n`.
    pub fn driver_attach(&self, n: u8, stream: u16, table: u64) {
        self.set(Global::BankAttribute2(n), 1);
        self.set(Global::BankAttribute(n), 0x1_f300);
        self.set_bank(n, Bank::TranslationControl2, 0x3_8015);
        self.set_bank(n, Bank::TranslationControl, 0x80_3510);
        self.set_bank64(n, Bank::Table0, u64::from(n) << 48 | table);
        self.set_bank64(n, Bank::Table1, u64::from(n) << 48);
        self.set_bank(n, Bank::MemoryAttributes0, 0xf404_ff44);
        self.set_bank(n, Bank::Control, 0x1067);
        self.set(Global::StreamToContext(n), n.into());
        self.set(Global::StreamMatch(n), 1 << 31 | u32::from(stream));
    }

    /// Tables at 0x10000.. that map one page, as io-pgtable-arm writes them.
    pub fn map_one(&self, table: u64, iova: u64, physical: u64, low_attributes: u64) {
        let mut at = table;
        for (i, shift) in [39u32, 30, 21].into_iter().enumerate() {
            if self.descriptor(at).is_none() {
                self.table(at, 4096);
            }
            let next = table + (i as u64 + 1) * 4096;
            if self.descriptor(next).is_none() {
                self.table(next, 4096);
            }
            self.poke(at + (iova >> shift & 511) * 8, next | 3);
            at = next;
        }
        self.poke(at + (iova >> 12 & 511) * 8, physical | low_attributes);
    }
}

/// nG, AF, inner shareable, unprivileged, cached, page.
pub const RW: u64 = 0xf47;
/// [`RW`] with the bit that forbids writing.
pub const RO: u64 = 0xfc7;

pub fn tx(stream: u16, address: u64, access: Access) -> Transaction {
    Transaction {
        stream,
        address,
        access,
        privileged: false,
    }
}

pub fn translate(
    smmu: &mut Smmu,
    p: &Platform,
    stream: u16,
    address: u64,
    access: Access,
) -> Result<Page, Fault> {
    smmu.translate(p, p, tx(stream, address, access))
}
