//! The SMMU as a whole: a transaction's way through stream matching, context bank, cache and tables, and back into the
//! fault registers.

use std::collections::{BTreeMap, BTreeSet};

use crate::bank::{BankConfig, Plan};
use crate::fault::FaultKind;
use crate::maintenance::Marks;
use crate::registers::{Bank, BankStatus, BankSyndrome, Control, Global, GlobalStatus, View};
use crate::status::{Handled, Posting, Status};
use crate::streams::{self, Mapping, Route};
use crate::tlb::Tlb;
use crate::walk::{Leaf, walk};
use crate::{Access, Fault, Geometry, Page, Transaction};

/// The register file as this crate accesses it: aligned little-endian accesses at byte offsets from its start. What is
/// outside reads as zero and ignores writes.
pub trait RegisterFile {
    /// Reads a word.
    fn read32(&self, offset: u64) -> u32;
    /// Writes a word.
    fn write32(&self, offset: u64, value: u32);
    /// Exchanges a word atomically: a write of the guest is either in the result or comes later.
    fn swap32(&self, offset: u64, value: u32) -> u32;
    /// Reads a doubleword (in one access or two).
    fn read64(&self, offset: u64) -> u64 {
        u64::from(self.read32(offset)) | u64::from(self.read32(offset.wrapping_add(4))) << 32
    }
    /// Writes a doubleword (in one access or two).
    fn write64(&self, offset: u64, value: u64) {
        self.write32(offset, value as u32);
        self.write32(offset.wrapping_add(4), (value >> 32) as u32);
    }
}

/// Physical memory as the table walker reads it.
pub trait PhysicalMemory {
    /// Reads the aligned descriptor at `address` in one access; `None` if there is no memory.
    fn descriptor(&self, address: u64) -> Option<u64>;
}

/// An interrupt line of the SMMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interrupt {
    /// Of a context bank.
    Context(u8),
    /// Of the global fault registers.
    Global,
}

/// Whose translations changed: everything that was learnt of these streams is to be forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invalidation {
    /// Stream ids.
    pub streams: Vec<u16>,
}

/// The SMMU's own state, beside the registers.
#[derive(Debug, Clone)]
pub struct Smmu {
    geometry: Geometry,
    tlb: Tlb,
    /// Streams that were translated since their last invalidation, with the mapping that was used.
    streams: BTreeMap<u16, Mapping>,
    /// Banks that translated since their last invalidation, with the configuration that was used. Their maintenance
    /// words are armed.
    banks: BTreeMap<u8, BankConfig>,
    marks: Marks,
    /// Streams to be reported with the next invalidation whatever the maintenance words say.
    stale: BTreeSet<u16>,
    bank_status: BTreeMap<u8, Status>,
    global_status: Status,
}

impl Smmu {
    /// An SMMU in reset.
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            tlb: Tlb::default(),
            streams: BTreeMap::new(),
            banks: BTreeMap::new(),
            marks: Marks::new(),
            stale: BTreeSet::new(),
            bank_status: BTreeMap::new(),
            global_status: Status::default(),
        }
    }

    /// Its dimensions.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn view<'a, R: RegisterFile>(&self, file: &'a R) -> View<'a, R> {
        View {
            file,
            geometry: self.geometry,
        }
    }

    /// Translates one transaction. A refusal is only returned; [`record`](Self::record) puts it into the registers.
    pub fn translate(
        &mut self,
        file: &impl RegisterFile,
        memory: &impl PhysicalMemory,
        transaction: Transaction,
    ) -> Result<Page, Fault> {
        let regs = self.view(file);
        let global_fault = |kind| Fault {
            kind,
            level: 0,
            bank: None,
            transaction,
        };
        let mapping = streams::resolve(&regs, transaction.stream).map_err(global_fault)?;
        if let Some(old) = self.streams.insert(transaction.stream, mapping)
            && old != mapping
        {
            self.stale.insert(transaction.stream);
        }
        let transaction = mapping.apply(transaction);
        let bank = match mapping.route {
            Route::Bypass => return Ok(page(Leaf::flat(transaction.address), transaction, None)),
            Route::Bank(n) => n,
        };
        let fault = |(kind, level)| Fault {
            kind,
            level,
            bank: Some(bank),
            transaction,
        };
        let config = BankConfig::read(&regs, bank);
        match self.banks.get(&bank) {
            Some(old) if *old == config => {}
            old => {
                if old.is_some() {
                    self.drop_bank(bank);
                }
                // armed before the walk: an invalidation from now on is seen
                self.marks.take_bank(&regs, bank);
                if self.banks.is_empty() {
                    self.marks.take_global(&regs);
                }
                self.banks.insert(bank, config);
            }
        }
        let leaf = match config
            .plan(transaction.address)
            .map_err(|kind| fault((kind, 0)))?
        {
            Plan::Flat => Leaf::flat(transaction.address),
            Plan::Walk(parameters, address) => match self.tlb.find(bank, transaction.address) {
                Some(leaf) => leaf,
                None => {
                    let leaf = walk(memory, parameters, address).map_err(fault)?;
                    self.tlb.insert(bank, transaction.address, leaf);
                    leaf
                }
            },
        };
        if !leaf.allows(transaction.access, transaction.privileged) {
            return Err(fault((FaultKind::Permission, leaf.level)));
        }
        Ok(page(leaf, transaction, Some(bank)))
    }

    /// Forgets what a bank translated and notes whose translations that were.
    fn drop_bank(&mut self, bank: u8) {
        self.tlb.drop_bank(bank);
        let of_bank = |m: &Mapping| m.route == Route::Bank(bank);
        self.stale
            .extend(self.streams.iter().filter(|(_, m)| of_bank(m)).map(|(s, _)| *s));
    }

    /// Looks whether the guest invalidated translations or reprogrammed streams or banks in use, forgets what is
    /// concerned, and says whose copies elsewhere must be forgotten too. Cheap when nothing happened.
    pub fn check_invalidations(&mut self, file: &impl RegisterFile) -> Invalidation {
        let regs = self.view(file);
        if !self.banks.is_empty() {
            let Self { marks, banks, .. } = self;
            let all = marks.take_global(&regs);
            let changed: Vec<u8> = banks
                .iter()
                .filter(|(n, config)| {
                    marks.take_bank(&regs, **n) | all || BankConfig::read(&regs, **n) != **config
                })
                .map(|(n, _)| *n)
                .collect();
            for n in changed {
                self.drop_bank(n);
                // it stays armed, with what its next translation will compare to
                self.banks.insert(n, BankConfig::read(&regs, n));
            }
        }
        let moved = |(stream, old): (&u16, &Mapping)| {
            (streams::resolve(&regs, *stream).ok() != Some(*old)).then_some(*stream)
        };
        self.stale.extend(self.streams.iter().filter_map(moved));
        let streams: Vec<u16> = std::mem::take(&mut self.stale).into_iter().collect();
        for stream in &streams {
            self.streams.remove(stream);
        }
        Invalidation { streams }
    }

    /// Puts a refused transaction into the fault registers. `handled` tells about the last interrupt raised for the
    /// same registers. Returns the interrupt to raise, if the guest asked for one.
    pub fn record(&mut self, file: &impl RegisterFile, fault: &Fault, handled: Handled) -> Option<Interrupt> {
        self.notice_reset(file);
        let regs = self.view(file);
        let t = fault.transaction;
        let Some(bank) = fault.bank else {
            return self.record_global(file, fault, handled);
        };
        let offset = Bank::FaultStatus.offset(self.geometry, bank);
        let status = self.bank_status.entry(bank).or_default();
        if status.post(file, offset, handled) == Posting::Multiple {
            return None;
        }
        let mut syndrome = BankSyndrome::empty();
        syndrome.set(BankSyndrome::WNR, t.access == Access::Write);
        syndrome.set(BankSyndrome::IND, t.access == Access::Execute);
        syndrome.set(BankSyndrome::PNU, t.privileged);
        syndrome.set(BankSyndrome::PTWF, fault.kind == FaultKind::WalkAbort);
        let syndrome = syndrome.bits() | u32::from(fault.level & 3) | u32::from(bank) << 16;
        let bits = match fault.kind {
            FaultKind::AccessFlag => BankStatus::AFF,
            FaultKind::Permission => BankStatus::PF,
            FaultKind::WalkAbort => BankStatus::EF,
            FaultKind::AddressSize => BankStatus::ASF,
            FaultKind::Unsupported(_) => BankStatus::UUT,
            _ => BankStatus::TF,
        };
        // the handler may run as soon as the status is not zero, so that comes last
        regs.file
            .write64(Bank::FaultAddress.offset(self.geometry, bank), t.address);
        regs.file
            .write32(Bank::FaultSyndrome0.offset(self.geometry, bank), syndrome);
        regs.set_global(Global::BankFaultStream(bank), t.stream.into());
        status.publish(file, offset, (bits | BankStatus::AARCH64).bits());
        BankConfig::read(&regs, bank)
            .interrupts()
            .then_some(Interrupt::Context(bank))
    }

    /// Reports are gone with the registers they were in.
    fn notice_reset(&mut self, file: &impl RegisterFile) {
        let regs = self.view(file);
        if self.marks.take_reset(&regs) {
            self.bank_status.clear();
            self.global_status = Status::default();
        }
    }

    fn record_global(
        &mut self,
        file: &impl RegisterFile,
        fault: &Fault,
        handled: Handled,
    ) -> Option<Interrupt> {
        let regs = self.view(file);
        let t = fault.transaction;
        let offset = Global::FaultStatus.offset(self.geometry);
        if self.global_status.post(file, offset, handled) == Posting::Multiple {
            return None;
        }
        let bits = match fault.kind {
            FaultKind::StreamMatchConflict => GlobalStatus::SMCF,
            FaultKind::FaultContext => GlobalStatus::ICF,
            FaultKind::UnimplementedBank => GlobalStatus::UCBF,
            _ => GlobalStatus::USF,
        };
        let syndrome = u32::from(t.access == Access::Write) << 1
            | u32::from(t.privileged) << 2
            | u32::from(t.access == Access::Execute) << 3;
        file.write64(Global::FaultAddress.offset(self.geometry), t.address);
        regs.set_global(Global::FaultSyndrome0, syndrome);
        regs.set_global(Global::FaultSyndrome1, t.stream.into());
        self.global_status.publish(file, offset, bits.bits());
        global_interrupts(&regs).then_some(Interrupt::Global)
    }

    /// Takes the guest's writes to the fault status registers into account. `handled` tells about each interrupt.
    /// Returns interrupts to raise again: faults that remain after the guest cleared others.
    pub fn poll_faults(
        &mut self,
        file: &impl RegisterFile,
        mut handled: impl FnMut(Interrupt) -> Handled,
    ) -> Vec<Interrupt> {
        self.notice_reset(file);
        let mut again = Vec::new();
        for (bank, status) in self.bank_status.iter_mut().filter(|(_, s)| s.pending()) {
            let line = Interrupt::Context(*bank);
            let offset = Bank::FaultStatus.offset(self.geometry, *bank);
            if status.settle(file, offset, handled(line)) {
                again.push(line);
            }
        }
        let offset = Global::FaultStatus.offset(self.geometry);
        if self.global_status.pending()
            && self
                .global_status
                .settle(file, offset, handled(Interrupt::Global))
        {
            again.push(Interrupt::Global);
        }
        let regs = self.view(file);
        again.retain(|line| match line {
            Interrupt::Context(n) => BankConfig::read(&regs, *n).interrupts(),
            Interrupt::Global => global_interrupts(&regs),
        });
        again
    }

    /// Is a fault recorded that the guest has not cleared, as far as is known?
    pub fn fault_pending(&self) -> bool {
        self.global_status.pending() || self.bank_status.values().any(|s| s.pending())
    }
}

/// Should a global fault interrupt?
fn global_interrupts<R: RegisterFile>(regs: &View<'_, R>) -> bool {
    Control::from_bits_retain(regs.global(Global::Control)).contains(Control::GFIE)
}

pub(crate) fn page(leaf: Leaf, t: Transaction, bank: Option<u8>) -> Page {
    let allows = |access| leaf.allows(access, t.privileged);
    Page {
        physical: leaf.physical,
        read: allows(Access::Read),
        write: allows(Access::Write),
        execute: allows(Access::Execute),
        bank,
    }
}
