//! What Linux's arm-smmu driver does to the registers, and what this SMMU makes of it.
mod common;

use common::*;
use iommu::registers::{Bank, Global};
use iommu::{Access, FaultKind, Handled, Interrupt, RegisterFile, Smmu, is_mark};

fn attached() -> (Platform, Smmu) {
    let p = Platform::new();
    p.driver_reset();
    p.driver_attach(0, 0x1001, 0x10000);
    (p, Smmu::new(G))
}

#[test]
fn a_real_sessions_registers_translate_as_seen() {
    // seen with a stock kernel: SMR0 0x1001, bank 0, TCR 0x803510, IOVA 0xfffff000 → 0x4602b000
    let (p, mut smmu) = attached();
    p.map_one(0x10000, 0xffff_f000, 0x4602_b000, RW);
    let page = translate(&mut smmu, &p, 0x1001, 0xffff_f123, Access::Read).unwrap();
    assert_eq!((page.physical, page.bank), (0x4602_b000, Some(0)));
    assert!(page.read && page.write && page.execute);
    let fault = translate(&mut smmu, &p, 0x1001, 0xffff_e000, Access::Read).unwrap_err();
    assert_eq!((fault.kind, fault.level), (FaultKind::Translation, 3));
    let fault = translate(&mut smmu, &p, 0x1002, 0xffff_f000, Access::Read).unwrap_err();
    assert_eq!(fault.kind, FaultKind::UnidentifiedStream);
}

#[test]
fn before_the_driver_everything_bypasses() {
    let (p, mut smmu) = (Platform::new(), Smmu::new(G));
    let page = translate(&mut smmu, &p, 5, 0x1_2345_6789, Access::Write).unwrap();
    assert_eq!((page.physical, page.bank), (0x1_2345_6000, None));
}

#[test]
fn the_handler_finds_the_fault_and_its_write_back_frees_the_registers() {
    let (p, mut smmu) = attached();
    p.map_one(0x10000, 0x8000, 0x4000_0000, RO);
    let fault = translate(&mut smmu, &p, 0x1001, 0x8010, Access::Write).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permission);
    assert_eq!(
        smmu.record(&p, &fault, Handled::Unknown),
        Some(Interrupt::Context(0))
    );
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x408, "AArch64 format, PF");
    assert_eq!(p.get_bank(0, Bank::FaultAddress), 0x8010);
    assert_eq!(p.get_bank(0, Bank::FaultSyndrome0), 0x13, "WNR, level 3");
    assert_eq!(p.get(Global::BankFaultStream(0)), 0x1001);
    assert!(smmu.fault_pending());

    p.set_bank(0, Bank::FaultStatus, 0x408);
    assert!(smmu.poll_faults(&p, |_| Handled::Unknown).is_empty());
    assert!(smmu.poll_faults(&p, |_| Handled::Yes).is_empty());
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0);
    assert!(!smmu.fault_pending());

    let fault = translate(&mut smmu, &p, 0x1001, 0x1_0000_0000, Access::Execute).unwrap_err();
    assert_eq!(
        smmu.record(&p, &fault, Handled::Unknown),
        Some(Interrupt::Context(0))
    );
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x402);
    assert_eq!(p.get_bank(0, Bank::FaultSyndrome0), 0x41, "IND, level 1");
    assert_eq!(p.get_bank(0, iommu::registers::Bank::FaultAddress), 0);
    assert_eq!(p.read_far(0), 0x1_0000_0000);
}

impl Platform {
    fn read_far(&self, n: u8) -> u64 {
        RegisterFile::read64(self, Bank::FaultAddress.offset(G, n))
    }
}

#[test]
fn a_bank_that_asks_for_no_interrupt_gets_none() {
    let (p, mut smmu) = attached();
    p.table(0x10000, 4096);
    p.set_bank(0, Bank::Control, 0x1067 & !0x40);
    let fault = translate(&mut smmu, &p, 0x1001, 0x8010, Access::Read).unwrap_err();
    assert_eq!(smmu.record(&p, &fault, Handled::Unknown), None);
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x402);
}

#[test]
fn a_stalling_bank_terminates() {
    let (p, mut smmu) = attached();
    p.table(0x10000, 4096);
    p.set_bank(0, Bank::Control, 0x1067 | 0x80);
    let fault = translate(&mut smmu, &p, 0x1001, 0x8010, Access::Read).unwrap_err();
    assert_eq!(
        smmu.record(&p, &fault, Handled::Unknown),
        Some(Interrupt::Context(0))
    );
    assert_eq!(
        p.get_bank(0, Bank::FaultStatus) >> 30 & 1,
        0,
        "no SS: there is nothing to resume"
    );
}

#[test]
fn a_blocked_stream_is_reported_globally() {
    let (p, mut smmu) = attached();
    let fault = translate(&mut smmu, &p, 0x1234, 0xabc0, Access::Write).unwrap_err();
    assert_eq!(fault.bank, None);
    assert_eq!(smmu.record(&p, &fault, Handled::Unknown), Some(Interrupt::Global));
    assert_eq!(p.get(Global::FaultStatus), 2, "USF");
    assert_eq!(p.get(Global::FaultSyndrome0), 2, "WNR");
    assert_eq!(p.get(Global::FaultSyndrome1), 0x1234);
    assert_eq!(p.get(Global::FaultAddress), 0xabc0);
    assert_eq!(smmu.record(&p, &fault, Handled::Unknown), None);
    assert_eq!(p.get(Global::FaultStatus), 0x8000_0002, "MULTI");
}

#[test]
fn without_gfie_a_global_fault_is_only_recorded() {
    let (p, mut smmu) = attached();
    p.set(Global::Control, 0x1c36 & !4);
    let fault = translate(&mut smmu, &p, 0x1234, 0, Access::Read).unwrap_err();
    assert_eq!(smmu.record(&p, &fault, Handled::Unknown), None);
    assert_eq!(p.get(Global::FaultStatus), 2);
}

#[test]
fn reports_are_gone_when_the_registers_are_reset() {
    let (p, mut smmu) = attached();
    p.table(0x10000, 4096);
    let context = translate(&mut smmu, &p, 0x1001, 0x8010, Access::Read).unwrap_err();
    let global = translate(&mut smmu, &p, 0x1234, 0xabc0, Access::Write).unwrap_err();
    let record = |smmu: &mut Smmu| [&context, &global].map(|f| smmu.record(&p, f, Handled::Unknown));
    assert!(record(&mut smmu).iter().all(Option::is_some));
    // The machine is reset: all registers have their initial values. The next boot's driver comes.
    for at in (0..G.size()).step_by(4) {
        p.write32(at, 0);
    }
    for (at, value) in G.reset_values() {
        p.write32(at, value);
    }
    assert_eq!(smmu.poll_faults(&p, |_| Handled::Unknown), []);
    assert_eq!((smmu.fault_pending(), p.get(Global::FaultStatus)), (false, 0));
    p.driver_reset();
    p.driver_attach(0, 0x1001, 0x10000);
    assert!(record(&mut smmu).iter().all(Option::is_some));
    assert_eq!(p.get(Global::FaultStatus), 2, "USF, not MULTI");
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x402);
}

#[test]
fn a_global_fault_that_remains_interrupts_again_if_the_guest_wants_it() {
    for (control, again) in [(0x1c36, vec![Interrupt::Global]), (0x1c36 & !4, vec![])] {
        let (p, mut smmu) = attached();
        let fault = translate(&mut smmu, &p, 0x1234, 0xabc0, Access::Write).unwrap_err();
        smmu.record(&p, &fault, Handled::Unknown);
        let seen = p.get(Global::FaultStatus);
        smmu.record(&p, &fault, Handled::Unknown);
        p.set(Global::Control, control);
        p.set(Global::FaultStatus, seen);
        assert_eq!(smmu.poll_faults(&p, |_| Handled::Unknown), again);
        assert_eq!(p.get(Global::FaultStatus), 0x8000_0000, "MULTI remains");
    }
}

#[test]
fn stream_mapping_registers_decide() {
    let (p, mut smmu) = attached();
    p.table(0x10000, 4096);
    let kind =
        |smmu: &mut Smmu, stream| translate(smmu, &p, stream, 0x8000, Access::Read).map_err(|f| f.kind);
    // a mask widens the match; two matches conflict
    p.set(Global::StreamMatch(1), 1 << 31 | 0x000f << 16 | 0x2000);
    p.set(Global::StreamToContext(1), 1 << 16);
    assert_eq!(kind(&mut smmu, 0x200f).unwrap().physical, 0x8000, "bypass");
    assert_eq!(kind(&mut smmu, 0x2010), Err(FaultKind::UnidentifiedStream));
    p.set(Global::StreamMatch(2), 1 << 31 | 0x2003);
    assert_eq!(kind(&mut smmu, 0x2003), Err(FaultKind::StreamMatchConflict));
    p.set(Global::StreamMatch(2), 0x2003);
    assert!(kind(&mut smmu, 0x2003).is_ok(), "not valid, no match");
    p.set(Global::StreamToContext(1), 2 << 16);
    assert_eq!(kind(&mut smmu, 0x2000), Err(FaultKind::FaultContext));
    p.set(Global::StreamToContext(1), u32::from(G.banks));
    assert_eq!(kind(&mut smmu, 0x2000), Err(FaultKind::UnimplementedBank));
    // a bank that does not translate passes addresses
    p.set(Global::StreamToContext(1), 3);
    p.set(Global::BankAttribute(3), 1 << 16);
    assert_eq!(kind(&mut smmu, 0x2000).unwrap().physical, 0x8000);
    // without USFCFG, unmatched streams bypass
    p.set(Global::Control, 0x1c36 & !0x400);
    assert_eq!(kind(&mut smmu, 0x3000).unwrap().bank, None);
}

#[test]
fn what_is_not_modelled_is_refused_by_name() {
    let (p, mut smmu) = attached();
    p.map_one(0x10000, 0x8000, 0x4000_0000, RW);
    let mut refused = |what| {
        let fault = translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unsupported(what));
        smmu.record(&p, &fault, Handled::Yes);
        assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x500, "UUT");
    };
    p.set(Global::BankAttribute(0), 0);
    refused("stage 2 context bank");
    p.set(Global::BankAttribute(0), 2 << 16);
    refused("stage 1 context bank with a stage 2 fault");
    p.set(Global::BankAttribute(0), 3 << 16);
    refused("nested translation");
    p.set(Global::BankAttribute(0), 0x1_f300);
    p.set(Global::BankAttribute2(0), 0);
    refused("AArch32 translation tables");
    p.set(Global::BankAttribute2(0), 1);
    p.set_bank(0, Bank::TranslationControl, 0x80_3510 | 3 << 14);
    refused("reserved translation granule");
}

#[test]
fn privilege_follows_the_stream_mapping() {
    let (p, mut smmu) = attached();
    p.map_one(0x10000, 0x8000, 0x4000_0000, RW & !0x40); // privileged only
    let denied = translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).unwrap_err();
    assert_eq!(denied.kind, FaultKind::Permission);
    p.set(Global::StreamToContext(0), 3 << 24);
    assert!(translate(&mut smmu, &p, 0x1001, 0x8000, Access::Write).is_ok());
    p.set(Global::StreamToContext(0), 2 << 24);
    assert!(translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).is_err());
    // INSTCFG: fetches count as data
    p.map_one(0x10000, 0x8000, 0x4000_0000, RW | 1 << 54);
    p.set(Global::StreamToContext(0), 0);
    assert!(translate(&mut smmu, &p, 0x1001, 0x8000, Access::Execute).is_err());
    p.set(Global::StreamToContext(0), 2 << 26);
    smmu.check_invalidations(&p);
    p.set_bank(0, Bank::Sync, u32::MAX);
    smmu.check_invalidations(&p);
    assert!(translate(&mut smmu, &p, 0x1001, 0x8000, Access::Execute).is_ok());
}

#[test]
fn cached_translations_live_until_maintenance() {
    let maintenance = [
        Bank::InvalidateAddress,
        Bank::InvalidateAddressAllAsids,
        Bank::InvalidateAsid,
        Bank::InvalidateAll,
        Bank::InvalidateLastLevel,
        Bank::InvalidateLastLevelAllAsids,
        Bank::Sync,
    ];
    for register in maintenance {
        let (p, mut smmu) = attached();
        p.map_one(0x10000, 0x8000, 0x4000_0000, RW);
        translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).unwrap();
        assert!(is_mark(p.get_bank(0, register)));
        p.map_one(0x10000, 0x8000, 0, 0);
        assert!(smmu.check_invalidations(&p).streams.is_empty());
        assert!(
            translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).is_ok(),
            "still cached"
        );
        p.set_bank(0, register, 8);
        assert_eq!(smmu.check_invalidations(&p).streams, [0x1001], "{register:?}");
        assert!(translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).is_err());
        assert!(is_mark(p.get_bank(0, register)), "armed again");
        assert_eq!(smmu.check_invalidations(&p).streams, []);
    }
}

#[test]
fn global_maintenance_drops_every_bank() {
    for register in [
        Global::InvalidateAllNonHyp,
        Global::InvalidateAllHyp,
        Global::InvalidateVmid,
        Global::Sync,
    ] {
        let (p, mut smmu) = attached();
        p.driver_attach(1, 0x1002, 0x20000);
        p.map_one(0x10000, 0x8000, 0x4000_0000, RW);
        p.map_one(0x20000, 0x8000, 0x5000_0000, RW);
        for stream in [0x1001, 0x1002] {
            translate(&mut smmu, &p, stream, 0x8000, Access::Read).unwrap();
        }
        p.set_bank(1, Bank::Sync, u32::MAX);
        assert_eq!(smmu.check_invalidations(&p).streams, [0x1002]);
        translate(&mut smmu, &p, 0x1002, 0x8000, Access::Read).unwrap();
        p.set(register, 0);
        assert_eq!(smmu.check_invalidations(&p).streams, [0x1001, 0x1002]);
    }
}

#[test]
fn reprogramming_takes_effect_without_maintenance() {
    let (p, mut smmu) = attached();
    p.map_one(0x10000, 0x8000, 0x4000_0000, RW);
    p.map_one(0x20000, 0x8000, 0x5000_0000, RW);
    translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).unwrap();
    p.set_bank64(0, Bank::Table0, 0x20000);
    assert_eq!(smmu.check_invalidations(&p).streams, [0x1001]);
    assert_eq!(
        translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read)
            .unwrap()
            .physical,
        0x5000_0000
    );
    // and when the translation comes before the look
    p.set_bank64(0, Bank::Table0, 0x10000);
    assert_eq!(
        translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read)
            .unwrap()
            .physical,
        0x4000_0000
    );
    assert_eq!(smmu.check_invalidations(&p).streams, [0x1001]);
    // another bank for the stream
    translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read).unwrap();
    p.driver_attach(1, 0x1001, 0x20000);
    p.set(Global::StreamMatch(0), 0);
    assert_eq!(smmu.check_invalidations(&p).streams, [0x1001]);
    assert_eq!(
        translate(&mut smmu, &p, 0x1001, 0x8000, Access::Read)
            .unwrap()
            .bank,
        Some(1)
    );
}

#[test]
fn two_users_of_one_register_file_both_see_an_invalidation() {
    let (p, mut one) = attached();
    let mut two = Smmu::new(G);
    p.map_one(0x10000, 0x8000, 0x4000_0000, RW);
    for register in [Global::InvalidateAllNonHyp, Global::Sync] {
        for smmu in [&mut one, &mut two] {
            translate(smmu, &p, 0x1001, 0x8000, Access::Read).unwrap();
            smmu.check_invalidations(&p);
            translate(smmu, &p, 0x1001, 0x8000, Access::Read).unwrap();
        }
        for smmu in [&mut one, &mut two] {
            assert_eq!(
                smmu.check_invalidations(&p).streams,
                [],
                "arming is no invalidation"
            );
        }
        p.set(register, u32::MAX);
        assert_eq!(two.check_invalidations(&p).streams, [0x1001]);
        assert_eq!(one.check_invalidations(&p).streams, [0x1001]);
        for smmu in [&mut one, &mut two] {
            translate(smmu, &p, 0x1001, 0x8000, Access::Read).unwrap();
            assert_eq!(
                smmu.check_invalidations(&p).streams,
                [],
                "nor does one's look disturb the other"
            );
        }
    }
}
