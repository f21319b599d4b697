//! What is mapped: streams, context banks and every page their tables reach, for those who look at the SMMU instead of
//! through it.
//!
//! Nothing here changes a register, a cache or a maintenance mark, so that looking cannot be told from not looking.
//! Walks are bounded by a number of descriptors whatever the tables say: a table that leads back to itself looks like a
//! huge mapping, and is cut off at the bound ([`Mapped::complete`] is false then).
//!
//! Two things differ from [`Smmu::translate`](crate::Smmu::translate) on purpose: the tables are read as they stand in
//! memory (a translation that was removed without TLB maintenance is gone), and sCR0.CLIENTPD is not looked at by
//! [`streams`] (the kernel's driver sets it when it shuts down, and leaves everything else as it was). Addresses beyond
//! TCR2.SEP's sign bit that are not sign extensions, and tagged ones, are other names of what is reported here.

use crate::bank::{BankConfig, Plan, Walk};
use crate::descriptor::{Descriptor, Limits};
use crate::fault::FaultKind;
use crate::registers::{Global, View, ones};
use crate::streams::{self, Route};
use crate::walk::{first_table, within};
use crate::{Fault, Geometry, Page, PhysicalMemory, RegisterFile, Transaction};

/// Descriptors that one enumeration reads by default: enough for 4 GiB in 4 KiB pages eight times over.
pub const DESCRIPTORS: u64 = 1 << 23;

/// Where a stream mapping group sends its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// To this context bank.
    Bank(u8),
    /// Past translation.
    Bypass,
    /// Nowhere: fault context, or a bank that does not exist.
    Fault,
}

/// A valid stream mapping group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Its number.
    pub group: u8,
    /// Stream ID.
    pub id: u16,
    /// Bits of the stream ID that do not matter.
    pub mask: u16,
    /// Where it leads.
    pub target: Target,
}

impl Stream {
    /// Does the group match this stream?
    #[must_use]
    pub const fn matches(self, stream: u16) -> bool {
        (stream ^ self.id) & 0x7fff & !self.mask == 0
    }
}

/// A mapped range of device addresses with one set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// First device address, sign extended for the upper half.
    pub iova: u64,
    /// Bytes.
    pub len: u64,
    /// Unprivileged reads are allowed.
    pub read: bool,
    /// Unprivileged writes are allowed.
    pub write: bool,
    /// Unprivileged instruction fetches are allowed.
    pub execute: bool,
}

impl Range {
    /// First device address behind it; wraps to 0 at the end of the address space.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.iova.wrapping_add(self.len)
    }

    const fn same_access(self, other: Self) -> bool {
        self.read == other.read && self.write == other.write && self.execute == other.execute
    }
}

/// A block or page as the tables have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// Its device addresses and permissions.
    pub range: Range,
    /// Physical address of the first byte.
    pub physical: u64,
}

/// What a context bank maps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapped {
    /// Ranges in order of address, as long as they can be.
    pub ranges: Vec<Range>,
    /// False when the bound on descriptors was reached.
    pub complete: bool,
}

impl Mapped {
    /// Bytes in all ranges.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().fold(0, |sum, r| sum.saturating_add(r.len))
    }
}

/// The stream mapping groups in use, in order.
pub fn streams(file: &impl RegisterFile, geometry: Geometry) -> Vec<Stream> {
    let regs = View { file, geometry };
    (0..geometry.group_count())
        .filter_map(|group| {
            let smr = regs.global(Global::StreamMatch(group));
            let s2cr = regs.global(Global::StreamToContext(group));
            let target = match s2cr >> 16 & 3 {
                0 if (s2cr as u8) < geometry.bank_count() => Target::Bank(s2cr as u8),
                1 => Target::Bypass,
                _ => Target::Fault,
            };
            (smr >> 31 == 1).then_some(Stream {
                group,
                id: (smr & 0x7fff) as u16,
                mask: (smr >> 16 & 0x7fff) as u16,
                target,
            })
        })
        .collect()
}

/// What a context bank maps, reading at most `descriptors` descriptors.
///
/// # Errors
/// The bank does not translate (its addresses are physical), or asks for something that is not modelled.
pub fn mapped(
    file: &impl RegisterFile,
    geometry: Geometry,
    memory: &impl PhysicalMemory,
    bank: u8,
    descriptors: u64,
) -> Result<Mapped, FaultKind> {
    let mut ranges: Vec<Range> = Vec::new();
    let complete = leaves(file, geometry, memory, bank, descriptors, |leaf| {
        match ranges.last_mut() {
            Some(last) if last.end() == leaf.range.iova && last.same_access(leaf.range) => {
                last.len = last.len.saturating_add(leaf.range.len);
            }
            _ => ranges.push(leaf.range),
        }
    })?;
    Ok(Mapped { ranges, complete })
}

/// Calls `each` for every block and page of a context bank in order of address, reading at most `descriptors`
/// descriptors. False if that was not enough.
///
/// # Errors
/// As [`mapped`].
pub fn leaves(
    file: &impl RegisterFile,
    geometry: Geometry,
    memory: &impl PhysicalMemory,
    bank: u8,
    descriptors: u64,
    each: impl FnMut(Leaf),
) -> Result<bool, FaultKind> {
    leaves_within(file, geometry, memory, bank, (0, u64::MAX), descriptors, each)
}

/// As [`leaves`], but only for addresses from `within.0` to `within.1`; blocks are cut to them.
///
/// # Errors
/// As [`mapped`].
pub fn leaves_within(
    file: &impl RegisterFile,
    geometry: Geometry,
    memory: &impl PhysicalMemory,
    bank: u8,
    (from, to): (u64, u64),
    descriptors: u64,
    each: impl FnMut(Leaf),
) -> Result<bool, FaultKind> {
    let config = BankConfig::read(&View { file, geometry }, bank);
    let sign = config.sign_bit();
    let mut tree = Tree {
        memory,
        left: descriptors,
        each,
    };
    let mut refused = None;
    for upper in [false, true] {
        // the lowest and the highest addresses that this half may have
        let probe = if upper { u64::MAX } else { 0 };
        let walk = match config.plan(probe) {
            Ok(Plan::Walk(walk, _)) => walk,
            Ok(Plan::Flat) => return Err(FaultKind::Unsupported("a context bank that does not translate")),
            Err(FaultKind::Translation) => {
                // this half is disabled
                refused = Some(None);
                continue;
            }
            // not modelled: the other half may be
            Err(kind) => {
                refused.get_or_insert(Some(kind));
                continue;
            }
        };
        refused = Some(None);
        let bits = walk.input_bits.min(sign);
        let above = if upper { !ones(walk.input_bits) } else { 0 };
        let first = if upper {
            above | ones(walk.input_bits) & !ones(bits)
        } else {
            0
        };
        let last = if upper { u64::MAX } else { ones(bits) };
        let (first, last) = (first.max(from), last.min(to));
        if first > last {
            continue;
        }
        let window = Window {
            first: first & ones(walk.input_bits),
            last: last & ones(walk.input_bits),
            above,
        };
        if !tree.walk(walk, window) {
            return Ok(false);
        }
    }
    match refused {
        Some(Some(kind)) => Err(kind),
        _ => Ok(true),
    }
}

/// Translates one transaction as the registers and tables stand now: nothing is recorded, cached or armed.
///
/// # Errors
/// What [`Smmu::translate`](crate::Smmu::translate) would return.
pub fn translate_unrecorded(
    file: &impl RegisterFile,
    geometry: Geometry,
    memory: &impl PhysicalMemory,
    transaction: Transaction,
) -> Result<Page, Fault> {
    let regs = View { file, geometry };
    let global = |kind| Fault {
        kind,
        level: 0,
        bank: None,
        transaction,
    };
    let mapping = streams::resolve(&regs, transaction.stream).map_err(global)?;
    let transaction = mapping.apply(transaction);
    let Route::Bank(bank) = mapping.route else {
        return Ok(crate::smmu::page(
            crate::walk::Leaf::flat(transaction.address),
            transaction,
            None,
        ));
    };
    let fault = |(kind, level)| Fault {
        kind,
        level,
        bank: Some(bank),
        transaction,
    };
    let plan = BankConfig::read(&regs, bank)
        .plan(transaction.address)
        .map_err(|kind| fault((kind, 0)))?;
    let leaf = match plan {
        Plan::Flat => crate::walk::Leaf::flat(transaction.address),
        Plan::Walk(walk, address) => crate::walk::walk(memory, walk, address).map_err(fault)?,
    };
    if !leaf.allows(transaction.access, transaction.privileged) {
        return Err(fault((FaultKind::Permission, leaf.level)));
    }
    Ok(crate::smmu::page(leaf, transaction, Some(bank)))
}

/// Which addresses of a half are looked at.
#[derive(Clone, Copy)]
struct Window {
    /// First address, reduced to the walk's input bits.
    first: u64,
    /// Last address.
    last: u64,
    /// What stands above the input bits.
    above: u64,
}

/// One table and what it spans.
#[derive(Clone, Copy)]
struct Table {
    address: u64,
    level: u8,
    index_bits: u32,
    /// First address it translates.
    base: u64,
    limits: Limits,
}

struct Tree<'a, M, F> {
    memory: &'a M,
    /// Descriptors that may still be read.
    left: u64,
    each: F,
}

impl<M: PhysicalMemory, F: FnMut(Leaf)> Tree<'_, M, F> {
    /// False when the bound was reached.
    fn walk(&mut self, w: Walk, window: Window) -> bool {
        let (level, index_bits, address) = first_table(w);
        if !within(w, address) {
            return true;
        }
        let root = Table {
            address,
            level,
            index_bits,
            base: 0,
            limits: Limits::default(),
        };
        self.table(w, window, root)
    }

    // At most four deep: each table is one level below.
    fn table(&mut self, w: Walk, window: Window, table: Table) -> bool {
        let span = w.granule.span(table.level);
        // the part of the table that lies in the window
        let first = window.first.saturating_sub(table.base) >> span;
        let last = (window.last.saturating_sub(table.base) >> span).min(ones(table.index_bits));
        for index in first..=last {
            let Some(left) = self.left.checked_sub(1) else {
                return false;
            };
            self.left = left;
            let Some(raw) = self.memory.descriptor(table.address | index << 3) else {
                continue;
            };
            let raw = if w.big_endian { raw.swap_bytes() } else { raw };
            let base = table.base | index.checked_shl(span).unwrap_or(0);
            match Descriptor::decode(raw, table.level, w.granule) {
                Descriptor::Table { address, limits } if table.level < 3 && within(w, address) => {
                    let below = Table {
                        address,
                        level: table.level.saturating_add(1),
                        index_bits: w.granule.stride(),
                        base,
                        limits: table.limits.and(limits),
                    };
                    if !self.table(w, window, below) {
                        return false;
                    }
                }
                Descriptor::Leaf {
                    address,
                    accessed: true,
                    limits,
                } if within(w, address) => {
                    self.leaf(window, base, span, address, table.limits.and(limits));
                }
                _ => {}
            }
        }
        true
    }

    fn leaf(&mut self, window: Window, base: u64, span: u32, physical: u64, limits: Limits) {
        // a block may stand out of the window
        let first = base.max(window.first);
        let last = (base | ones(span)).min(window.last);
        (self.each)(Leaf {
            range: Range {
                iova: first | window.above,
                len: last.wrapping_sub(first).wrapping_add(1),
                read: !limits.no_user,
                write: !limits.no_user && !limits.read_only,
                execute: !limits.no_user && !limits.user_no_execute,
            },
            physical: physical | first & ones(span),
        });
    }
}
