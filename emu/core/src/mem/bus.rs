//! The DSP's way to memory: a transaction with a stream id and a device address goes through the SMMU to guest RAM.
//!
//! One bus serves every DSP of a platform, as the SMMU's register block does: what is not in the registers (which report
//! the guest has not cleared, which translations are cached where) must be known once. A translation that the SMMU refuses is
//! recorded in the SMMU's registers exactly once and, if the guest asked for it, raised as an interrupt on the
//! [`FaultLine`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use iommu::enumerate;
use iommu::{Access, Geometry, Handled, Interrupt, Page, PhysicalMemory, RegisterFile, Smmu, Transaction};
use tracing::{debug, warn};

use super::PAGE;
use super::ram::{GuestRam, RamError};
use super::space::Shared;

/// The SMMU's interrupt lines as the device drives them.
pub trait FaultLine: Send + Sync {
    /// Raises the interrupt of context bank `bank` (one edge).
    fn context_fault(&self, bank: u8);
    /// Raises the global fault interrupt (one edge).
    fn global_fault(&self) {}
    /// Has the guest's handler of this bank's last interrupt run to its end? `None` if that cannot be told. A line that
    /// can ask the interrupt controller (neither pending nor active) makes fault reports exact; without it, time
    /// decides.
    fn context_fault_handled(&self, _bank: u8) -> Option<bool> {
        None
    }
    /// The same for the last global fault interrupt.
    fn global_fault_handled(&self) -> Option<bool> {
        None
    }
}

/// How long an unhandled fault report is protected from the next fault, when nobody can tell whether it was handled.
const PROTECTED: Duration = Duration::from_millis(100);
/// After how long it is taken as handled, and cleared, without a next fault. Much longer than a slow guest needs.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// Refused transactions of a stream that are kept for somebody who watches.
pub const MAX_REFUSED: usize = 1024;

/// A fault line that leads nowhere: for tests and for running without a guest.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaultLine;

impl FaultLine for NoFaultLine {
    fn context_fault(&self, _bank: u8) {}
}

/// Why a DSP transaction did not reach memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BusFault {
    /// The SMMU refused it; the fault is recorded there.
    #[error(transparent)]
    Smmu(#[from] iommu::Fault),
    /// The address behind the SMMU is not RAM.
    #[error(transparent)]
    NotRam(#[from] RamError),
    /// The range wraps around the end of the address space.
    #[error("device range {address:#x} + {len:#x} wraps around")]
    Wraps {
        /// First device address.
        address: u64,
        /// Length in bytes.
        len: u64,
    },
}

/// The SMMU's register block, which is a piece of guest RAM.
#[derive(Debug, Clone)]
pub(super) struct Registers {
    ram: GuestRam,
    base: u64,
}

impl RegisterFile for Registers {
    fn read32(&self, offset: u64) -> u32 {
        self.ram.read_u32(self.base.wrapping_add(offset)).unwrap_or(0)
    }
    fn write32(&self, offset: u64, value: u32) {
        // a block outside of RAM ignores writes, as the trait says
        let _ = self.ram.write_u32(self.base.wrapping_add(offset), value);
    }
    fn swap32(&self, offset: u64, value: u32) -> u32 {
        self.ram
            .swap_u32(self.base.wrapping_add(offset), value)
            .unwrap_or(0)
    }
}

/// Guest RAM as the table walker sees it.
struct Tables<'a>(&'a GuestRam);

impl PhysicalMemory for Tables<'_> {
    fn descriptor(&self, address: u64) -> Option<u64> {
        self.0.read_u64(address).ok()
    }
}

/// The SMMU's state and when its interrupts were last raised.
struct Guarded {
    smmu: Smmu,
    raised: HashMap<Interrupt, Instant>,
}

/// Refused transactions by stream, numbered in the order in which they came.
#[derive(Default)]
struct Refused {
    by_stream: HashMap<u16, VecDeque<(u64, iommu::Fault)>>,
    count: u64,
}

/// SMMU and RAM. Shared by everything that makes transactions.
pub struct Bus {
    ram: GuestRam,
    registers: Registers,
    smmu: Mutex<Guarded>,
    faults: Arc<dyn FaultLine>,
    /// Refused transactions of the streams that somebody watches.
    refused: Mutex<Refused>,
    /// Address spaces that keep translations of their own.
    spaces: Mutex<Vec<Weak<Shared>>>,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("registers", &self.registers)
            .finish_non_exhaustive()
    }
}

impl Refused {
    fn add(&mut self, stream: u16, fault: iommu::Fault) {
        let Self { by_stream, count } = self;
        if let Some(queue) = by_stream.get_mut(&stream)
            && queue.len() < MAX_REFUSED
        {
            *count += 1;
            queue.push_back((*count, fault));
        }
    }
}

impl Bus {
    /// A bus over `ram` whose SMMU registers stand at guest physical address `smmu_base`.
    pub fn new(ram: GuestRam, smmu_base: u64, geometry: Geometry, faults: Arc<dyn FaultLine>) -> Self {
        let registers = Registers {
            ram: ram.clone(),
            base: smmu_base,
        };
        let smmu = Mutex::new(Guarded {
            smmu: Smmu::new(geometry),
            raised: HashMap::new(),
        });
        Self {
            ram,
            registers,
            smmu,
            faults,
            refused: Mutex::default(),
            spaces: Mutex::default(),
        }
    }

    /// The memory behind the bus.
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn smmu(&self) -> MutexGuard<'_, Guarded> {
        self.smmu.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an address space that is to be told of invalidations.
    pub(super) fn attach(&self, space: Weak<Shared>) {
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        spaces.retain(|s| s.strong_count() > 0);
        spaces.push(space);
    }

    /// What is known of the handler of an interrupt raised before, for a decision that may be wrong after `patience`.
    fn handled(&self, line: Interrupt, raised: &HashMap<Interrupt, Instant>, patience: Duration) -> Handled {
        let told = match line {
            Interrupt::Context(bank) => self.faults.context_fault_handled(bank),
            Interrupt::Global => self.faults.global_fault_handled(),
        };
        // never raised: nobody will handle it, because the guest does not want to be interrupted
        let patient = || raised.get(&line).is_none_or(|at| at.elapsed() >= patience);
        if told.unwrap_or_else(patient) {
            Handled::Yes
        } else {
            Handled::Unknown
        }
    }

    fn raise(&self, line: Interrupt) {
        match line {
            Interrupt::Context(bank) => self.faults.context_fault(bank),
            Interrupt::Global => self.faults.global_fault(),
        }
    }

    /// Translates a device address; a refusal is recorded and raised.
    pub(super) fn translate(&self, stream: u16, address: u64, access: Access) -> Result<Page, iommu::Fault> {
        let tx = Transaction {
            stream,
            address,
            access,
            privileged: false,
        };
        let mut guard = self.smmu();
        let Guarded { smmu, raised } = &mut *guard;
        let fault = match smmu.translate(&self.registers, &Tables(&self.ram), tx) {
            Ok(page) => return Ok(page),
            Err(fault) => fault,
        };
        warn!(target: "emu::mem::smmu", stream, address, bank = fault.bank, "{fault}");
        self.refused().add(stream, fault);
        let line = fault.bank.map_or(Interrupt::Global, Interrupt::Context);
        let handled = self.handled(line, raised, PROTECTED);
        if let Some(line) = smmu.record(&self.registers, &fault, handled) {
            raised.insert(line, Instant::now());
            drop(guard);
            self.raise(line);
        }
        Err(fault)
    }

    /// What a page of device addresses translates to, without recording a fault: not a transaction of the DSP's.
    pub(super) fn peek(&self, stream: u16, address: u64) -> Option<Page> {
        let tx = Transaction {
            stream,
            address,
            access: Access::Execute,
            privileged: false,
        };
        self.smmu()
            .smmu
            .translate(&self.registers, &Tables(&self.ram), tx)
            .ok()
    }

    /// Cuts a device range at page ends: `f(physical, offset, len)`.
    fn pages(
        &self,
        stream: u16,
        iova: u64,
        len: usize,
        access: Access,
        mut f: impl FnMut(u64, usize, usize) -> Result<(), RamError>,
    ) -> Result<(), BusFault> {
        let mut done = 0usize;
        while done < len {
            let address = iova.checked_add(done as u64);
            let address = address.ok_or(BusFault::Wraps {
                address: iova,
                len: len as u64,
            })?;
            let in_page = address % PAGE;
            let n = ((PAGE - in_page) as usize).min(len - done);
            let page = self.translate(stream, address, access)?;
            f(page.physical | in_page, done, n)?;
            done += n;
        }
        Ok(())
    }

    /// Reads through the SMMU, page by page. `out` may be partly filled on a fault.
    pub fn read(&self, stream: u16, iova: u64, out: &mut [u8]) -> Result<(), BusFault> {
        self.pages(stream, iova, out.len(), Access::Read, |pa, at, n| {
            self.ram.read(pa, &mut out[at..at + n])
        })
    }

    /// Writes through the SMMU, page by page. Pages before the faulting one are written.
    pub fn write(&self, stream: u16, iova: u64, bytes: &[u8]) -> Result<(), BusFault> {
        self.pages(stream, iova, bytes.len(), Access::Write, |pa, at, n| {
            self.ram.write(pa, &bytes[at..at + n])
        })
    }

    /// What a transaction would find, as registers and tables stand now: nothing is recorded, cached or invalidated by
    /// looking.
    ///
    /// # Errors
    /// Why the SMMU would refuse it.
    pub fn look(&self, stream: u16, address: u64, access: Access) -> Result<Page, iommu::Fault> {
        let tx = Transaction {
            stream,
            address,
            access,
            privileged: false,
        };
        let geometry = self.smmu().smmu.geometry();
        enumerate::translate_unrecorded(&self.registers, geometry, &Tables(&self.ram), tx)
    }

    /// Copies what stands at a device address without a transaction: false, and `out` partly filled, if not all of it can
    /// be read.
    pub fn look_at(&self, stream: u16, iova: u64, out: &mut [u8]) -> bool {
        let mut done = 0usize;
        while done < out.len() {
            let Some(address) = iova.checked_add(done as u64) else {
                return false;
            };
            let in_page = address % PAGE;
            let n = ((PAGE - in_page) as usize).min(out.len() - done);
            let Ok(page) = self.look(stream, address, Access::Read) else {
                return false;
            };
            if self
                .ram
                .read(page.physical | in_page, &mut out[done..done + n])
                .is_err()
            {
                return false;
            }
            done += n;
        }
        true
    }

    /// The SMMU's stream mapping groups in use.
    pub fn streams(&self) -> Vec<enumerate::Stream> {
        let geometry = self.smmu().smmu.geometry();
        enumerate::streams(&self.registers, geometry)
    }

    /// Every block and page that a context bank maps from address `within.0` to `within.1`, in order of address, up to a
    /// bound of descriptors; false if that was not enough.
    ///
    /// # Errors
    /// The bank does not translate, or asks for something that is not modelled.
    pub fn leaves(
        &self,
        bank: u8,
        within: (u64, u64),
        descriptors: u64,
        each: impl FnMut(enumerate::Leaf),
    ) -> Result<bool, iommu::FaultKind> {
        let geometry = self.smmu().smmu.geometry();
        let tables = Tables(&self.ram);
        enumerate::leaves_within(
            &self.registers,
            geometry,
            &tables,
            bank,
            within,
            descriptors,
            each,
        )
    }

    /// What a context bank maps, in ranges.
    ///
    /// # Errors
    /// As [`Bus::leaves`].
    pub fn mapped(&self, bank: u8) -> Result<enumerate::Mapped, iommu::FaultKind> {
        let geometry = self.smmu().smmu.geometry();
        let tables = Tables(&self.ram);
        enumerate::mapped(&self.registers, geometry, &tables, bank, enumerate::DESCRIPTORS)
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has refused transactions of these streams be kept for [`Bus::take_refused`].
    pub fn keep_refused(&self, streams: impl IntoIterator<Item = u16>) {
        let mut refused = self.refused();
        for stream in streams {
            refused.by_stream.entry(stream).or_default();
        }
    }

    /// Transactions of these streams that the SMMU refused since the last call, the oldest first; of each stream, the
    /// newest beyond [`MAX_REFUSED`] are lost.
    pub fn take_refused(&self, streams: impl IntoIterator<Item = u16>) -> Vec<iommu::Fault> {
        let mut refused = self.refused();
        let mut taken = Vec::new();
        for stream in streams {
            taken.extend(
                refused
                    .by_stream
                    .get_mut(&stream)
                    .into_iter()
                    .flat_map(|q| q.drain(..)),
            );
        }
        taken.sort_unstable_by_key(|(number, _)| *number);
        taken.into_iter().map(|(_, fault)| fault).collect()
    }

    /// Looks whether the guest asked for TLB maintenance (its writes land in RAM without an event) and drops what was
    /// cached of the banks concerned, here and in the address spaces. Cheap; to be called whenever the guest may have
    /// unmapped something: before a message is handled, between a process's time slices.
    pub fn check_invalidations(&self) {
        let (invalidation, again) = {
            let mut guard = self.smmu();
            let Guarded { smmu, raised } = &mut *guard;
            let invalidation = smmu.check_invalidations(&self.registers);
            let mut again = Vec::new();
            if smmu.fault_pending() {
                again = smmu.poll_faults(&self.registers, |line| self.handled(line, raised, FORGOTTEN));
                raised.extend(again.iter().map(|line| (*line, Instant::now())));
            }
            (invalidation, again)
        };
        again.into_iter().for_each(|line| self.raise(line));
        if invalidation.streams.is_empty() {
            return;
        }
        debug!(target: "emu::mem::smmu", streams = ?invalidation.streams, "translations dropped");
        let spaces: Vec<_> = {
            let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
            spaces.iter().filter_map(Weak::upgrade).collect()
        };
        for space in spaces
            .iter()
            .filter(|s| invalidation.streams.contains(&s.stream()))
        {
            space.invalidate();
        }
    }
}
