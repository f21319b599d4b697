//! The table walk: VMSAv8-64 stage 1, 4, 16 and 64 KiB granules, at most four descriptors.
//!
//! Source: DDI 0487 D8.2 (translation process), D8.4 (permissions). The contiguous hint needs no action in a walker
//! that looks up every page; memory attributes and shareability have no meaning here.

use crate::bank::Walk;
use crate::descriptor::{Descriptor, Limits};
use crate::fault::FaultKind;
use crate::registers::ones;
use crate::{Access, PhysicalMemory};

/// A block or page that a walk ended at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Physical address of the 4 KiB page that the address lies in.
    pub(crate) physical: u64,
    /// The level of the last descriptor.
    pub(crate) level: u8,
    /// `None` if nothing was walked and so nothing is forbidden.
    limits: Option<Limits>,
}

/// A fault and the level it was found at.
pub(crate) type WalkFault = (FaultKind, u8);

impl Leaf {
    /// A page without restrictions.
    pub(crate) fn flat(address: u64) -> Self {
        Self {
            physical: address & !0xfff,
            level: 0,
            limits: None,
        }
    }

    /// Is this access allowed?
    pub(crate) fn allows(self, access: Access, privileged: bool) -> bool {
        let Some(l) = self.limits else { return true };
        let reachable = privileged || !l.no_user;
        match access {
            Access::Read => reachable,
            Access::Write => reachable && !l.read_only,
            // privileged code never runs from pages that unprivileged code may write
            Access::Execute if privileged => !l.privileged_no_execute && (l.no_user || l.read_only),
            Access::Execute => reachable && !l.user_no_execute,
        }
    }
}

/// Walks the tables for `address` (already reduced to the walk's input bits).
pub(crate) fn walk(memory: &impl PhysicalMemory, w: Walk, address: u64) -> Result<Leaf, WalkFault> {
    let granule = w.granule;
    let (mut level, mut index_bits, mut table) = first_table(w);
    let mut limits = Limits::default();
    check_size(w, table, 0)?;
    loop {
        let index = address.checked_shr(granule.span(level)).unwrap_or(0) & ones(index_bits);
        let raw = memory
            .descriptor(table | index << 3)
            .ok_or((FaultKind::WalkAbort, level))?;
        let raw = if w.big_endian { raw.swap_bytes() } else { raw };
        match Descriptor::decode(raw, level, granule) {
            Descriptor::Table { address, limits: l } if level < 3 => {
                check_size(w, address, level)?;
                limits = limits.and(l);
                table = address;
                index_bits = granule.stride();
                level = level.saturating_add(1);
            }
            Descriptor::Leaf {
                address: output,
                accessed,
                limits: l,
            } => {
                check_size(w, output, level)?;
                if !accessed {
                    return Err((FaultKind::AccessFlag, level));
                }
                let physical = output | address & ones(granule.span(level)) & !0xfff;
                return Ok(Leaf {
                    physical,
                    level,
                    limits: Some(limits.and(l)),
                });
            }
            Descriptor::Invalid | Descriptor::Table { .. } => return Err((FaultKind::Translation, level)),
        }
    }
}

/// The first table: its level, the address bits that index it, its address.
pub(crate) fn first_table(w: Walk) -> (u8, u32, u64) {
    // the first level is the highest whose span is smaller than the input
    let level = (0..=3).find(|l| w.granule.span(*l) < w.input_bits).unwrap_or(3);
    let index_bits = w.input_bits.saturating_sub(w.granule.span(level));
    // a table is aligned to its size, which is at least 64 bytes; lower bits of TTBR are ignored
    let table = w.table & !ones(index_bits.saturating_add(3).max(6));
    (level, index_bits, table)
}

/// Does a table or output address fit the bank's physical address size?
pub(crate) fn within(w: Walk, address: u64) -> bool {
    address & !ones(w.output_bits) == 0
}

fn check_size(w: Walk, address: u64, level: u8) -> Result<(), WalkFault> {
    if within(w, address) {
        Ok(())
    } else {
        Err((FaultKind::AddressSize, level))
    }
}
