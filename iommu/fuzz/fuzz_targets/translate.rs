//! A guest that does anything to registers and page tables between the DSP's transactions: nothing panics, nothing
//! runs on, and what translates is a page.
#![no_main]

use std::cell::{Cell, RefCell};

use arbitrary::Arbitrary;
use iommu::registers::{Bank, Global};
use iommu::{
    Access, Geometry, Handled, PhysicalMemory, RegisterFile, Smmu, Transaction, enumerate,
};
use libfuzzer_sys::fuzz_target;

const G: Geometry = Geometry {
    wide_pages: false,
    num_page_ndxb: 0,
    banks: 2,
    groups: 4,
};

#[derive(Debug, Arbitrary)]
enum Step {
    /// The guest writes any word of the register file.
    Write { offset: u16, value: u32 },
    /// The guest programs something that makes sense.
    Attach {
        group: u8,
        bank: u8,
        stream: u16,
        table: u32,
        tcr: u32,
        tcr2: u32,
    },
    /// The guest writes a descriptor.
    Descriptor { index: u16, value: u64 },
    /// The DSP makes a transaction.
    Transaction {
        stream: u16,
        address: u64,
        access: u8,
        privileged: bool,
        handled: bool,
    },
    /// A safe point.
    Check { handled: bool },
}

struct Guest {
    registers: RefCell<Vec<u32>>,
    tables: RefCell<Vec<u64>>,
    reads: Cell<u32>,
}

impl RegisterFile for Guest {
    fn read32(&self, offset: u64) -> u32 {
        assert!(offset.is_multiple_of(4));
        self.registers.borrow()[(offset / 4) as usize]
    }
    fn write32(&self, offset: u64, value: u32) {
        assert!(offset.is_multiple_of(4));
        self.registers.borrow_mut()[(offset / 4) as usize] = value;
    }
    fn swap32(&self, offset: u64, value: u32) -> u32 {
        let old = self.read32(offset);
        self.write32(offset, value);
        old
    }
}

impl PhysicalMemory for Guest {
    fn descriptor(&self, address: u64) -> Option<u64> {
        assert!(address.is_multiple_of(8));
        self.reads.set(self.reads.get() + 1);
        self.tables.borrow().get((address / 8) as usize).copied()
    }
}

fn handled(yes: bool) -> Handled {
    if yes { Handled::Yes } else { Handled::Unknown }
}

fuzz_target!(|steps: Vec<Step>| {
    let guest = Guest {
        registers: RefCell::new(vec![0; (G.size() / 4) as usize]),
        tables: RefCell::new(vec![0; 0x4000]),
        reads: Cell::new(0),
    };
    for (offset, value) in G.reset_values() {
        guest.write32(offset, value);
    }
    let mut smmu = Smmu::new(G);
    for step in steps {
        match step {
            Step::Write { offset, value } => guest.write32(u64::from(offset) * 4 % G.size(), value),
            Step::Attach {
                group,
                bank,
                stream,
                table,
                tcr,
                tcr2,
            } => {
                let (group, bank) = (group % G.groups, bank % G.banks);
                guest.write32(Global::BankAttribute(bank).offset(G), 1 << 16);
                guest.write32(Global::BankAttribute2(bank).offset(G), 1);
                guest.write32(Bank::TranslationControl.offset(G, bank), tcr);
                guest.write32(Bank::TranslationControl2.offset(G, bank), tcr2);
                guest.write64(Bank::Table0.offset(G, bank), (table % 0x2_0000).into());
                guest.write32(Bank::Control.offset(G, bank), 0x61);
                guest.write32(Global::StreamToContext(group).offset(G), bank.into());
                guest.write32(Global::StreamMatch(group).offset(G), 1 << 31 | u32::from(stream));
                guest.write32(Global::Control.offset(G), 0x406);
            }
            Step::Descriptor { index, value } => {
                let mut tables = guest.tables.borrow_mut();
                let len = tables.len();
                tables[usize::from(index) % len] = value;
            }
            Step::Transaction {
                stream,
                address,
                access,
                privileged,
                handled: h,
            } => {
                let access = [Access::Read, Access::Write, Access::Execute][usize::from(access % 3)];
                let transaction = Transaction {
                    stream,
                    address,
                    access,
                    privileged,
                };
                guest.reads.set(0);
                match smmu.translate(&guest, &guest, transaction) {
                    Ok(page) => assert!(page.physical.is_multiple_of(4096)),
                    Err(fault) => {
                        smmu.record(&guest, &fault, handled(h));
                    }
                }
                assert!(guest.reads.get() <= 4);
            }
            Step::Check { handled: h } => {
                smmu.check_invalidations(&guest);
                smmu.poll_faults(&guest, |_| handled(h));
                guest.reads.set(0);
                for stream in enumerate::streams(&guest, G) {
                    if let enumerate::Target::Bank(bank) = stream.target {
                        let _ = enumerate::mapped(&guest, G, &guest, bank, 500);
                    }
                }
                assert!(guest.reads.get() <= 500 * u32::from(G.groups));
            }
        }
    }
});
