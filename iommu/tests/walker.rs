//! The table walker against a plain model: tables are built from a list of mappings, and every address must translate as
//! the list says, for every granule, input size, block size, permission and hierarchical restriction.
mod common;

use common::*;
use iommu::registers::{Bank, Global};
use iommu::{Access, FaultKind, Smmu, Transaction};
use proptest::prelude::*;

/// log2 of the page size; TCR encodings of TG0 and TG1.
const GRANULES: [(u32, u32, u32); 3] = [(12, 0, 2), (14, 2, 1), (16, 1, 3)];

#[derive(Debug, Clone)]
struct Mapping {
    /// Index of the block or page in units of its own size.
    number: u64,
    /// 3 page; 2 and 1 blocks.
    level: u32,
    physical: u64,
    ap: u64,
    uxn: bool,
    pxn: bool,
    accessed: bool,
}

#[derive(Debug, Clone)]
struct Case {
    granule: usize,
    t0sz: u32,
    upper: bool,
    mappings: Vec<Mapping>,
    /// Feeds the restrictions that tables put on what is below them.
    seed: u64,
    probes: Vec<(usize, u64, bool)>,
}

fn case() -> impl Strategy<Value = Case> {
    let mapping = (
        any::<u64>(),
        1u32..=3,
        any::<u64>(),
        0u64..4,
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(number, level, physical, ap, uxn, pxn, accessed)| Mapping {
            number,
            level,
            physical,
            ap,
            uxn,
            pxn,
            accessed,
        });
    (
        0usize..3,
        16u32..=39,
        any::<bool>(),
        prop::collection::vec(mapping, 1..5),
        any::<u64>(),
        prop::collection::vec((0usize..5, any::<u64>(), any::<bool>()), 1..12),
    )
        .prop_map(|(granule, t0sz, upper, mappings, seed, probes)| Case {
            granule,
            t0sz,
            upper,
            mappings,
            seed,
            probes,
        })
}

/// log2 of what a descriptor at `level` spans.
fn span(page: u32, level: u32) -> u32 {
    page + (3 - level) * (page - 3)
}

/// APTable, UXNTable, PXNTable of the table descriptor at `level` that covers `address`: mostly none.
fn table_bits(seed: u64, page: u32, level: u32, address: u64) -> (bool, bool, bool, bool) {
    let h = (seed ^ (address >> span(page, level)) ^ u64::from(level) << 60)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(23);
    (h & 7 == 0, h >> 3 & 7 == 0, h >> 6 & 7 == 0, h >> 9 & 7 == 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn every_address_translates_as_the_list_says(case in case()) {
        let (page, tg0, tg1) = GRANULES[case.granule];
        let bits = 64 - case.t0sz;
        let p = Platform::new();
        p.driver_reset();
        p.driver_attach(0, 7, 0);
        let mut next_table = 0x10_0000u64;
        let mut new_table = |size: u64| {
            let at = next_table.next_multiple_of(size.max(64));
            next_table = at + size;
            p.table(at, size);
            at
        };
        let start = (0..=3).find(|l| span(page, *l) < bits).unwrap();
        let root_entries = 1u64 << (bits - span(page, start));
        // so that small first tables stand where a page would not
        new_table(64);
        let root = new_table(root_entries * 8);
        // keep the mappings that are legal here and do not overlap an earlier one
        let mut kept: Vec<(u64, u64, Mapping, u64)> = Vec::new();
        for m in &case.mappings {
            let level = if page == 12 { m.level } else { m.level.max(2) };
            if level < start { continue; }
            let size = 1u64 << span(page, level);
            let address = (m.number % (1 << (bits - span(page, level)))) * size;
            if kept.iter().any(|(a, s, ..)| address < a + s && *a < address + size) { continue; }
            let physical = m.physical % (1 << 48) / size * size;
            kept.push((address, size, Mapping { level, ..m.clone() }, physical));
        }
        // build the tables entry by entry
        let mut tables: std::collections::BTreeMap<(u32, u64), u64> = Default::default();
        for (address, _, m, physical) in &kept {
            let mut table = root;
            for level in start..=m.level {
                let entries = if level == start { root_entries } else { 1 << (page - 3) };
                let at = table + (address / (1u64 << span(page, level)) % entries) * 8;
                if level == m.level {
                    let leaf = physical | m.ap << 6 | u64::from(m.accessed) << 10
                        | u64::from(m.uxn) << 54 | u64::from(m.pxn) << 53 | if level == 3 { 3 } else { 1 };
                    p.poke(at, leaf);
                } else {
                    let key = (level, address >> span(page, level));
                    table = *tables.entry(key).or_insert_with(|| new_table(1 << page));
                    let (user, ro, uxn, pxn) = table_bits(case.seed, page, level, *address);
                    p.poke(at, table | 3 | u64::from(user) << 61 | u64::from(ro) << 62
                        | u64::from(uxn) << 60 | u64::from(pxn) << 59);
                }
            }
        }
        // TTBR0 or TTBR1, the other one switched off
        let (tcr, register, extension) = if case.upper {
            (1 << 7 | case.t0sz << 16 | tg1 << 30, Bank::Table1, u64::MAX << bits)
        } else {
            (1 << 23 | case.t0sz | tg0 << 14, Bank::Table0, 0)
        };
        p.set_bank(0, Bank::TranslationControl, tcr);
        p.set_bank64(0, register, root);
        let mut smmu = Smmu::new(G);
        for (which, anywhere, inside) in &case.probes {
            let address = match kept.get(which % kept.len().max(1)) {
                Some((a, size, ..)) if *inside => a + anywhere % size,
                _ => anywhere % (1 << bits),
            };
            let found = kept.iter().find(|(a, s, ..)| (*a..a + s).contains(&address));
            for access in [Access::Read, Access::Write, Access::Execute] {
                for privileged in [false, true] {
                    let t = Transaction { stream: 7, address: address | extension, access, privileged };
                    let got = smmu.translate(&p, &p, t);
                    let Some((base, _, m, physical)) = found else {
                        prop_assert_eq!(got.map_err(|f| f.kind), Err(FaultKind::Translation));
                        continue;
                    };
                    if !m.accessed {
                        prop_assert_eq!(got.map_err(|f| (f.kind, u32::from(f.level))), Err((FaultKind::AccessFlag, m.level)));
                        continue;
                    }
                    let (mut user, mut writable) = (m.ap & 1 == 1, m.ap & 2 == 0);
                    let (mut uxn, mut pxn) = (m.uxn, m.pxn);
                    for level in start..m.level {
                        let (u, r, x, y) = table_bits(case.seed, page, level, *base);
                        user &= !u;
                        writable &= !r;
                        uxn |= x;
                        pxn |= y;
                    }
                    let allowed = match (access, privileged) {
                        (Access::Read, true) => true,
                        (Access::Write, true) => writable,
                        (Access::Execute, true) => !(pxn || user && writable),
                        (Access::Read, false) => user,
                        (Access::Write, false) => user && writable,
                        (Access::Execute, false) => user && !uxn,
                    };
                    match got {
                        Ok(page) => {
                            prop_assert!(allowed, "{:?} privileged {}", access, privileged);
                            prop_assert_eq!(page.physical, (physical + (address - base)) / 4096 * 4096);
                        }
                        Err(f) => {
                            prop_assert!(!allowed, "{:?}", f);
                            prop_assert_eq!((f.kind, u32::from(f.level)), (FaultKind::Permission, m.level));
                        }
                    }
                }
            }
        }
    }

    /// Registers and tables full of anything: every translation ends, and with a typed result.
    #[test]
    fn anything_in_registers_and_tables_ends(
        words in prop::collection::vec(any::<u64>(), 64),
        tcr in any::<u32>(), tcr2 in any::<u32>(), sctlr in any::<u32>(), cbar in any::<u32>(),
        ttbr in any::<u64>(), address in any::<u64>(), m in any::<bool>(),
    ) {
        let p = Platform::new();
        p.driver_reset();
        p.driver_attach(0, 7, 0);
        p.set_bank(0, Bank::TranslationControl, tcr);
        p.set_bank(0, Bank::TranslationControl2, tcr2);
        p.set_bank(0, Bank::Control, if m { sctlr | 1 } else { sctlr });
        p.set(Global::BankAttribute(0), if m { 1 << 16 } else { cbar });
        p.set_bank64(0, Bank::Table0, ttbr);
        p.set_bank64(0, Bank::Table1, ttbr);
        struct Anything<'a>(&'a [u64], std::cell::Cell<u32>);
        impl iommu::PhysicalMemory for Anything<'_> {
            fn descriptor(&self, address: u64) -> Option<u64> {
                assert_eq!(address % 8, 0);
                self.1.set(self.1.get() + 1);
                Some(self.0[(address / 8) as usize % self.0.len()])
            }
        }
        let memory = Anything(&words, Default::default());
        let mut smmu = Smmu::new(G);
        for access in [Access::Read, Access::Write, Access::Execute] {
            memory.1.set(0);
            if let Err(f) = smmu.translate(&p, &memory, tx(7, address, access)) {
                smmu.record(&p, &f, iommu::Handled::Unknown);
            }
            prop_assert!(memory.1.get() <= 4, "a walk reads at most four descriptors");
        }
        smmu.check_invalidations(&p);
    }
}

fn simple(levels: &[(u64, u64)]) -> (Platform, Smmu) {
    let p = Platform::new();
    p.driver_reset();
    p.driver_attach(0, 7, 0x10000);
    for (at, descriptor) in levels {
        p.poke(*at, *descriptor);
    }
    (p, Smmu::new(G))
}

fn outcome(levels: &[(u64, u64)]) -> (FaultKind, u8) {
    let (p, mut smmu) = simple(levels);
    let f = translate(&mut smmu, &p, 7, 0, Access::Read).unwrap_err();
    (f.kind, f.level)
}

#[test]
fn every_kind_of_walk_fault_names_its_level() {
    assert_eq!(outcome(&[]), (FaultKind::WalkAbort, 0));
    assert_eq!(outcome(&[(0x10000, 0)]), (FaultKind::Translation, 0));
    assert_eq!(
        outcome(&[(0x10000, 1)]),
        (FaultKind::Translation, 0),
        "no blocks at level 0"
    );
    assert_eq!(outcome(&[(0x10000, 0x9000_0003)]), (FaultKind::WalkAbort, 1));
    assert_eq!(
        outcome(&[(0x10000, 0x11003), (0x11000, 0x4000_0001)]),
        (FaultKind::AccessFlag, 1)
    );
    let (l0, l1, l2) = ((0x10000, 0x11003), (0x11000, 0x12003), (0x12000, 0x13003));
    assert_eq!(outcome(&[l0, l1, (0x12000, 2)]), (FaultKind::Translation, 2));
    assert_eq!(
        outcome(&[l0, l1, l2, (0x13000, RW & !2)]),
        (FaultKind::Translation, 3),
        "reserved at level 3"
    );
    assert_eq!(
        outcome(&[l0, l1, l2, (0x13000, RW & !0x400)]),
        (FaultKind::AccessFlag, 3)
    );
    assert_eq!(
        outcome(&[l0, l1, l2, (0x13000, RW & !0x40)]),
        (FaultKind::Permission, 3)
    );
}

#[test]
fn addresses_beyond_the_output_size_are_refused() {
    let levels = [
        (0x10000, 0x11003),
        (0x11000, 0x12003),
        (0x12000, 0x13003),
        (0x13000, 1 << 40 | RW),
    ];
    let (p, mut smmu) = simple(&levels);
    assert_eq!(
        translate(&mut smmu, &p, 7, 0, Access::Read).unwrap().physical,
        1 << 40
    );
    p.set_bank(0, Bank::TranslationControl2, 0x3_8012);
    let f = translate(&mut smmu, &p, 7, 0, Access::Read).unwrap_err();
    assert_eq!((f.kind, f.level), (FaultKind::AddressSize, 3));
    p.set_bank64(0, Bank::Table0, 1 << 41 | 0x10000);
    let f = translate(&mut smmu, &p, 7, 0, Access::Read).unwrap_err();
    assert_eq!((f.kind, f.level), (FaultKind::AddressSize, 0));
    smmu.record(&p, &f, iommu::Handled::Unknown);
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x480, "ASF");
}

#[test]
fn a_walk_abort_and_an_access_flag_fault_have_their_bits() {
    let (p, mut smmu) = simple(&[]);
    let f = translate(&mut smmu, &p, 7, 0, Access::Read).unwrap_err();
    smmu.record(&p, &f, iommu::Handled::Unknown);
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x410, "EF");
    assert_eq!(p.get_bank(0, Bank::FaultSyndrome0), 0x400, "PTWF");
    let (p, mut smmu) = simple(&[(0x10000, 0x11003), (0x11000, 0x4000_0001)]);
    let f = translate(&mut smmu, &p, 7, 0, Access::Read).unwrap_err();
    smmu.record(&p, &f, iommu::Handled::Unknown);
    assert_eq!(p.get_bank(0, Bank::FaultStatus), 0x404, "AFF");
}

#[test]
fn a_table_that_points_to_itself_ends_at_level_3() {
    // at level 3 the same descriptor is a page
    let (p, mut smmu) = simple(&[(0x10000, 0x10000 | RW)]);
    assert_eq!(
        translate(&mut smmu, &p, 7, 0, Access::Read).unwrap().physical,
        0x10000
    );
}

#[test]
fn addresses_outside_both_halves_do_not_translate() {
    let (p, mut smmu) = simple(&[(0x10000, 0)]);
    for address in [1 << 48, 1 << 47 | 1 << 52, u64::MAX, 0xffff_0000_0000_0000] {
        let f = translate(&mut smmu, &p, 7, address, Access::Read).unwrap_err();
        assert_eq!((f.kind, f.level), (FaultKind::Translation, 0), "{address:#x}");
    }
    // EPD0
    p.set_bank(0, Bank::TranslationControl, 0x80_3590);
    let f = translate(&mut smmu, &p, 7, 0, Access::Read).unwrap_err();
    assert_eq!((f.kind, f.level), (FaultKind::Translation, 0));
}

#[test]
fn big_endian_tables_are_read_as_such() {
    let levels = [(0x10000, 0x11003), (0x11000, 0x4000_0f41)].map(|(a, d): (u64, u64)| (a, d.swap_bytes()));
    let (p, mut smmu) = simple(&levels);
    assert!(translate(&mut smmu, &p, 7, 0x123_4567, Access::Read).is_err());
    p.set_bank(0, Bank::Control, 0x1077);
    assert_eq!(
        translate(&mut smmu, &p, 7, 0x123_4567, Access::Read)
            .unwrap()
            .physical,
        0x4123_4000
    );
}
