//! A context bank's configuration, read from its registers, and what it means for one address.
//!
//! Source: IHI 0062 chapter 16 and §2.6; DDI 0487 D8.2 for how T0SZ and the granule determine the walk. Linux:
//! `arm_smmu_init_context_bank`, `arm_smmu_write_context_bank`.

use crate::RegisterFile;
use crate::descriptor::Granule;
use crate::fault::FaultKind;
use crate::registers::{Bank, BankControl, Global, View, field, ones};

/// The registers of a bank that decide about translations. Two equal values translate alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BankConfig {
    control: BankControl,
    attribute: u32,
    attribute2: u32,
    tcr: u32,
    tcr2: u32,
    tables: [u64; 2],
}

/// One walk's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) granule: Granule,
    /// Address bits that the tables resolve.
    pub(crate) input_bits: u32,
    /// Physical address of the first table, unchecked.
    pub(crate) table: u64,
    /// Width of physical addresses.
    pub(crate) output_bits: u32,
    /// Descriptors are big-endian.
    pub(crate) big_endian: bool,
}

/// What to do with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It is physical already: the bank does not translate.
    Flat,
    /// Walk these tables with this address.
    Walk(Walk, u64),
}

impl BankConfig {
    pub(crate) fn read<R: RegisterFile>(regs: &View<'_, R>, n: u8) -> Self {
        Self {
            control: BankControl::from_bits_retain(regs.bank(n, Bank::Control)),
            attribute: regs.global(Global::BankAttribute(n)),
            attribute2: regs.global(Global::BankAttribute2(n)),
            tcr: regs.bank(n, Bank::TranslationControl),
            tcr2: regs.bank(n, Bank::TranslationControl2),
            tables: [regs.bank64(n, Bank::Table0), regs.bank64(n, Bank::Table1)],
        }
    }

    /// Should a fault of this bank interrupt?
    pub(crate) fn interrupts(self) -> bool {
        self.control.contains(BankControl::CFIE)
    }

    /// Which tables translate `address`, if any.
    pub(crate) fn plan(self, address: u64) -> Result<Plan, FaultKind> {
        match self.attribute >> 16 & 3 {
            1 => {}
            0 => return Err(FaultKind::Unsupported("stage 2 context bank")),
            2 => {
                return Err(FaultKind::Unsupported(
                    "stage 1 context bank with a stage 2 fault",
                ));
            }
            _ => return Err(FaultKind::Unsupported("nested translation")),
        }
        if !self.control.contains(BankControl::M) {
            return Ok(Plan::Flat);
        }
        if self.attribute2 & 1 == 0 {
            return Err(FaultKind::Unsupported("AArch32 translation tables"));
        }
        let address = self.sign_extend(address);
        // the top bit of the extended address chooses the half, and with it the fields of TCR; with TBI0/TBI1 the top
        // byte is a tag and bit 55 chooses
        let upper = address >> 55 & 1 == 1;
        let (shift, tbi, epd, table) = if upper { (16, 6, 23, 1) } else { (0, 5, 7, 0) };
        let significant = if self.tcr2 >> tbi & 1 == 1 { 56 } else { 64 };
        let size = field(self.tcr.into(), shift, 6) as u32;
        let input_bits = 64u32.saturating_sub(size);
        if !(16..=39).contains(&size) || self.tcr >> epd & 1 == 1 {
            return Err(FaultKind::Translation);
        }
        let expected = if upper { u64::MAX } else { 0 };
        if (address ^ expected) & ones(significant) & !ones(input_bits) != 0 {
            return Err(FaultKind::Translation);
        }
        let granule = match (upper, field(self.tcr.into(), if upper { 30 } else { 14 }, 2)) {
            (false, 0) | (true, 2) => Granule::K4,
            (false, 2) | (true, 1) => Granule::K16,
            (false, 1) | (true, 3) => Granule::K64,
            _ => return Err(FaultKind::Unsupported("reserved translation granule")),
        };
        let output_bits = match self.tcr2 & 7 {
            0 => 32,
            1 => 36,
            2 => 40,
            3 => 42,
            4 => 44,
            _ => 48,
        };
        let walk = Walk {
            granule,
            input_bits,
            table: self.tables.get(table).copied().unwrap_or(0) & ones(48),
            output_bits,
            big_endian: self.control.contains(BankControl::E),
        };
        Ok(Plan::Walk(walk, address & ones(input_bits)))
    }

    /// The bus's highest address bit, from which addresses are sign extended (TCR2.SEP).
    pub(crate) fn sign_bit(self) -> u32 {
        match self.tcr2 >> 15 & 7 {
            0 => 31,
            1 => 35,
            2 => 39,
            3 => 41,
            4 => 43,
            5 => 47,
            // the top bit of the upstream bus, which ID2.UBS announces as 49 bits
            _ => 48,
        }
    }

    fn sign_extend(self, address: u64) -> u64 {
        let sign = self.sign_bit();
        if address >> sign & 1 == 1 {
            address | !ones(sign)
        } else {
            address
        }
    }
}
