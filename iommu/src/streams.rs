//! Stream matching: which context bank, if any, a stream id is sent to.
//!
//! Source: IHI 0062 §2.3 and §9.6.25-26 (SMRn, S2CRn); Linux `arm_smmu_write_smr`, `arm_smmu_write_s2cr`.
//!
//! Not modelled: stream indexing (SMRs are always used), extended 16-bit stream ids, the secure stream mapping table.

use crate::fault::FaultKind;
use crate::registers::{Control, Global, View, field};
use crate::{Access, RegisterFile, Transaction};

/// What happens to a stream's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Translated by this context bank.
    Bank(u8),
    /// Device addresses are physical addresses.
    Bypass,
}

/// A stream's route and how its S2CR rewrites its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mapping {
    pub(crate) route: Route,
    /// S2CR.PRIVCFG and S2CR.INSTCFG.
    privileged: Option<bool>,
    instruction: Option<bool>,
}

impl Mapping {
    const BYPASS: Self = Self {
        route: Route::Bypass,
        privileged: None,
        instruction: None,
    };

    /// The transaction as it goes on behind the stream mapping.
    pub(crate) fn apply(self, tx: Transaction) -> Transaction {
        let access = match (tx.access, self.instruction) {
            (Access::Execute, Some(false)) => Access::Read,
            (Access::Read, Some(true)) => Access::Execute,
            (same, _) => same,
        };
        Transaction {
            access,
            privileged: self.privileged.unwrap_or(tx.privileged),
            ..tx
        }
    }
}

/// Finds the mapping of a stream as the registers stand now.
pub(crate) fn resolve<R: RegisterFile>(regs: &View<'_, R>, stream: u16) -> Result<Mapping, FaultKind> {
    let control = Control::from_bits_retain(regs.global(Global::Control));
    if control.contains(Control::CLIENTPD) {
        return Ok(Mapping::BYPASS);
    }
    let mut found = None;
    for n in 0..regs.geometry.group_count() {
        let smr = regs.global(Global::StreamMatch(n));
        let (id, mask) = (smr & 0x7fff, smr >> 16 & 0x7fff);
        if smr >> 31 == 1 && (u32::from(stream) ^ id) & 0x7fff & !mask == 0 {
            if found.is_some() {
                return Err(FaultKind::StreamMatchConflict);
            }
            found = Some(n);
        }
    }
    let Some(group) = found else {
        return if control.contains(Control::USFCFG) {
            Err(FaultKind::UnidentifiedStream)
        } else {
            Ok(Mapping::BYPASS)
        };
    };
    let s2cr = regs.global(Global::StreamToContext(group));
    let route = match s2cr >> 16 & 3 {
        0 => {
            let bank = s2cr as u8;
            if bank >= regs.geometry.bank_count() {
                return Err(FaultKind::UnimplementedBank);
            }
            Route::Bank(bank)
        }
        1 => Route::Bypass,
        _ => return Err(FaultKind::FaultContext),
    };
    let over = |lsb| match field(s2cr.into(), lsb, 2) {
        2 => Some(false),
        3 => Some(true),
        _ => None,
    };
    Ok(Mapping {
        route,
        privileged: over(24),
        instruction: over(26),
    })
}
