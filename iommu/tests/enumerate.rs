//! What is enumerated is what translates: ranges against the walker, address by address, whatever the tables hold.
mod common;

use common::*;
use iommu::enumerate::{self, Mapped, Range, Target};
use iommu::registers::{Bank, Global};
use iommu::{Access, FaultKind, PhysicalMemory, Smmu, Transaction};
use proptest::prelude::*;
use std::cell::Cell;

fn mapped(p: &Platform, bank: u8) -> Mapped {
    enumerate::mapped(p, G, p, bank, enumerate::DESCRIPTORS).unwrap()
}

const fn rw(iova: u64, len: u64) -> Range {
    Range {
        iova,
        len,
        read: true,
        write: true,
        execute: true,
    }
}

fn attached() -> Platform {
    let p = Platform::new();
    p.driver_reset();
    p.driver_attach(3, 7, 0x10000);
    p.table(0x10000, 4096);
    p
}

/// Maps a page; missing tables are put behind `next`.
fn map(p: &Platform, next: &mut u64, iova: u64, descriptor: u64) {
    let mut table = 0x10000;
    for shift in [39, 30, 21] {
        let at = table + (iova >> shift & 511) * 8;
        table = p.descriptor(at).unwrap() & !0xfff;
        if table == 0 {
            *next += 4096;
            table = *next;
            p.table(table, 4096);
            p.poke(at, table | 3);
        }
    }
    p.poke(table + (iova >> 12 & 511) * 8, descriptor);
}

#[test]
fn neighbours_with_the_same_permissions_are_one_range() {
    let p = attached();
    assert_eq!(
        mapped(&p, 3),
        Mapped {
            ranges: vec![],
            complete: true
        }
    );
    let mut next = 0x20000;
    for (page, attributes) in [
        (0xf_fffd, RW),
        (0xf_fffe, RW),
        (0xf_ffff, RO),
        (0x10_0000, RW),
        (1, RW),
    ] {
        map(
            &p,
            &mut next,
            page << 12,
            (0x4000_0000 + (page << 12)) | attributes,
        );
    }
    let found = mapped(&p, 3);
    let read_only = Range {
        write: false,
        ..rw(0xffff_f000, 0x1000)
    };
    assert_eq!(
        found.ranges,
        [rw(0x1000, 0x1000), rw(0xffff_d000, 0x2000), read_only]
            .into_iter()
            .chain([rw(0x1_0000_0000, 0x1000)])
            .collect::<Vec<_>>()
    );
    assert_eq!((found.bytes(), found.complete), (0x5000, true));
}

#[test]
fn leaves_tell_physical_addresses_and_blocks() {
    let p = attached();
    p.poke(0x10000, 0x11003);
    p.table(0x11000, 4096);
    p.poke(0x11008, 0x8000_0000 | RW & !2);
    let mut leaves = Vec::new();
    assert_eq!(
        enumerate::leaves(&p, G, &p, 3, 2000, |l| leaves.push((
            l.range.iova,
            l.range.len,
            l.physical
        ))),
        Ok(true)
    );
    assert_eq!(leaves, [(1 << 30, 1 << 30, 0x8000_0000)]);
}

#[test]
fn a_part_of_the_addresses_is_looked_at_alone() {
    let p = attached();
    p.poke(0x10000, 0x11003);
    p.table(0x11000, 4096);
    p.poke(0x11008, 0x8000_0000 | RW & !2);
    let within = |from, to| {
        let mut found = Vec::new();
        let each = |l: enumerate::Leaf| found.push((l.range.iova, l.range.len, l.physical));
        let complete = enumerate::leaves_within(&p, G, &p, 3, (from, to), 3, each);
        assert_eq!(complete, Ok(true), "few descriptors are enough");
        found
    };
    assert_eq!(
        within(0x4000_5000, 0x4000_5fff),
        [(0x4000_5000, 0x1000, 0x8000_5000)]
    );
    assert_eq!(within(0x3000_0000, 0x3fff_ffff), []);
    assert_eq!(
        within(0x7fff_0000, 0x8000_ffff),
        [(0x7fff_0000, 0x1_0000, 0xbfff_0000)]
    );
    assert_eq!(within(0xffff_0000_0000_0000, u64::MAX), []);
    assert_eq!(within(2, 1), []);
}

#[test]
fn a_table_that_leads_back_to_itself_ends_at_the_bound() {
    let p = attached();
    for index in 0..512 {
        p.poke(0x10000 + index * 8, 0x10003 | 0x740);
    }
    let found = enumerate::mapped(&p, G, &p, 3, 10_000).unwrap();
    assert!(!found.complete);
    // at level 3 each entry is a page, and there is no gap
    assert_eq!(found.ranges.len(), 1);
    assert!(found.bytes() <= 10_000 * 4096);
}

#[test]
fn streams_are_listed_though_clients_are_disabled() {
    let p = attached();
    p.set(Global::StreamToContext(4), 1 << 16);
    p.set(Global::StreamMatch(4), 1 << 31 | 3 << 16 | 0x40);
    p.set(Global::StreamToContext(5), 200);
    p.set(Global::StreamMatch(5), 1 << 31 | 9);
    p.set(Global::Control, 1);
    let all = enumerate::streams(&p, G);
    let told: Vec<_> = all.iter().map(|s| (s.group, s.id, s.mask, s.target)).collect();
    assert_eq!(
        told,
        [
            (3, 7, 0, Target::Bank(3)),
            (4, 0x40, 3, Target::Bypass),
            (5, 9, 0, Target::Fault)
        ]
    );
    assert!(all[1].matches(0x43) && !all[1].matches(0x44) && !all[0].matches(0x43));
}

#[test]
fn a_bank_that_does_not_translate_is_not_empty() {
    let p = attached();
    p.set_bank(3, Bank::Control, 0);
    assert!(matches!(
        enumerate::mapped(&p, G, &p, 3, 10),
        Err(FaultKind::Unsupported(_))
    ));
    p.set(Global::BankAttribute(3), 0);
    assert!(matches!(
        enumerate::mapped(&p, G, &p, 3, 10),
        Err(FaultKind::Unsupported("stage 2 context bank"))
    ));
}

/// Tables full of anything, read at most so often.
struct Anything<'a>(&'a [u64], Cell<u64>);

impl PhysicalMemory for Anything<'_> {
    fn descriptor(&self, address: u64) -> Option<u64> {
        assert_eq!(address % 8, 0);
        self.1.set(self.1.get() + 1);
        Some(self.0[(address / 8) as usize % self.0.len()])
    }
}

/// A descriptor that is often a table or a page.
fn descriptor() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(0u64),
        3 => any::<u64>().prop_map(|raw| raw & 0x0000_ffff_ffff_f000 | 0x743),
        1 => any::<u64>().prop_map(|raw| raw & 0x0000_ffff_c000_0000 | 0x741),
        2 => any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn ranges_are_what_translates(
        words in prop::collection::vec(descriptor(), 1..64),
        tcr in prop_oneof![Just(0x80_3510u32), (any::<u32>(), 16u32..40, 16u32..40).prop_map(|(t, a, b)| t & 0xffc0_ffc0 | a | b << 16), any::<u32>()],
        tcr2 in prop_oneof![Just(0x3_8015u32), any::<u32>()],
        sctlr in prop_oneof![Just(0x1067u32), any::<u32>()],
        ttbr in any::<[u64; 2]>(),
        probes in prop::collection::vec((any::<u64>(), any::<bool>(), 0u32..3), 32),
    ) {
        const BOUND: u64 = 40_000;
        let p = Platform::new();
        p.driver_reset();
        p.driver_attach(0, 7, 0);
        p.set_bank(0, Bank::TranslationControl, tcr);
        p.set_bank(0, Bank::TranslationControl2, tcr2);
        p.set_bank(0, Bank::Control, sctlr);
        p.set_bank64(0, Bank::Table0, ttbr[0]);
        p.set_bank64(0, Bank::Table1, ttbr[1]);
        let memory = Anything(&words, Cell::default());
        let found = enumerate::mapped(&p, G, &memory, 0, BOUND);
        prop_assert!(memory.1.get() <= BOUND);
        let sign = [31, 35, 39, 41, 43, 47, 48, 48][(tcr2 >> 15 & 7) as usize];
        if let Ok(found) = &found {
            for pair in found.ranges.windows(2) {
                prop_assert!(pair[0].iova < pair[1].iova && pair[0].iova.wrapping_add(pair[0].len) <= pair[1].iova);
            }
        }
        let mut smmu = Smmu::new(G);
        for (anywhere, inside, shift) in probes {
            // an address that the bus can carry, as it looks sign extended
            let low = anywhere >> (shift * 12) & ((1 << sign) - 1);
            let address = match &found {
                Ok(Mapped { ranges, .. }) if inside && !ranges.is_empty() => {
                    let range = ranges[anywhere as usize % ranges.len()];
                    range.iova.wrapping_add((anywhere >> 8) % range.len)
                }
                _ if anywhere >> 63 == 1 => low | u64::MAX << sign,
                _ => low,
            };
            for access in [Access::Read, Access::Write, Access::Execute] {
                let t = Transaction { stream: 7, address, access, privileged: false };
                let got = smmu.translate(&p, &memory, t);
                prop_assert_eq!(got, enumerate::translate_unrecorded(&p, G, &memory, t), "looking finds what a transaction finds");
                let Ok(found) = &found else {
                    prop_assert!(sctlr & 1 == 0 || got.is_err());
                    continue;
                };
                let range = found.ranges.iter().find(|r| address.wrapping_sub(r.iova) < r.len);
                let told = range.map(|r| match access {
                    Access::Read => r.read,
                    Access::Write => r.write,
                    Access::Execute => r.execute,
                });
                match told {
                    Some(allowed) => prop_assert_eq!(got.is_ok(), allowed, "{:#x} {:?}", address, range),
                    // what the bound cut off may be anything
                    None => prop_assert!(got.is_err() || !found.complete, "{:#x}", address),
                }
            }
        }
    }
}
