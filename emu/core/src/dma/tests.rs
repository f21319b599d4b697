//! The engine on a process's memory: what is copied, what is written back, what an error looks like.

use std::sync::Arc;

use hexagon_isa::Arch;
use hexagon_isa::state::DmaCommand::{self, Link, Pause, Poll, Resume, Start, Wait};
use proptest::prelude::*;

use super::*;
use crate::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};

const DESC: u32 = 0x1000_0000;
const SRC: u32 = 0x2000_0000;
const DST: u32 = 0x3000_0000;
const BYTES: u32 = 4 << 20;

fn space() -> AddressSpace {
    let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0).unwrap();
    let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
    let space = AddressSpace::new(Arc::new(bus), 0);
    for va in [DESC, SRC, DST] {
        space.map_anonymous(Some(va), BYTES, Prot::RW).unwrap();
    }
    for i in 0..0x4000u32 {
        space.store32(SRC + 4 * i, i.wrapping_mul(0x9e37_79b9)).unwrap();
    }
    space
}

fn put(m: &AddressSpace, va: u32, words: &[u32]) {
    for (n, w) in words.iter().enumerate() {
        m.store32(va + 4 * n as u32, *w).unwrap();
    }
}

fn get<const N: usize>(m: &AddressSpace, va: u32) -> [u32; N] {
    std::array::from_fn(|n| m.load32(va + 4 * n as u32).unwrap())
}

fn bytes(m: &AddressSpace, va: u32, len: u32) -> Vec<u8> {
    let mut out = vec![0; len as usize];
    m.load(va, &mut out).unwrap();
    out
}

struct Bench {
    m: AddressSpace,
    dma: Dma,
    arch: Arch,
}

impl Bench {
    fn new(arch: Arch) -> Self {
        Bench {
            m: space(),
            dma: Dma::default(),
            arch,
        }
    }

    fn run(&mut self, command: DmaCommand) -> Outcome {
        self.dma.execute(&self.m, self.arch, command)
    }

    /// dmwait until it has something to tell, at most `most` times.
    fn wait(&mut self, most: u32) -> Outcome {
        for _ in 0..most {
            match self.run(Wait(0)) {
                Outcome::Wait => {}
                other => return other,
            }
        }
        Outcome::Wait
    }
}

const D2: u32 = 1 << 24;

#[test]
fn linear_descriptors_run_in_a_chain_and_are_marked_done() {
    let mut b = Bench::new(Arch::V68);
    put(&b.m, DESC, &[DESC + 0x40, 1001, SRC + 3, DST + 1]);
    // Bits for order, bypass and compression stay.
    put(&b.m, DESC + 0x40, &[0, 0x7c00_0005, SRC + 0x2000, DST + 0x2001]);
    assert_eq!(b.run(Start(DESC)), Outcome::Done);
    assert_eq!(b.run(Wait(0)), Outcome::Status(0));
    assert_eq!(bytes(&b.m, DST + 1, 1001), bytes(&b.m, SRC + 3, 1001));
    assert_eq!(bytes(&b.m, DST, 1), [0]);
    assert_eq!(bytes(&b.m, DST + 1002, 2), [0, 0]);
    assert_eq!(bytes(&b.m, DST + 0x2001, 5), bytes(&b.m, SRC + 0x2000, 5));
    assert_eq!(get(&b.m, DESC), [DESC + 0x40, 1 << 31, SRC + 3, DST + 1]);
    assert_eq!(
        get(&b.m, DESC + 0x40),
        [0, 0xfc00_0000, SRC + 0x2000, DST + 0x2001]
    );
    assert_eq!(b.run(Poll(0)), Outcome::Status(0));
    assert_eq!(b.run(Start(0)), Outcome::Done);
    assert_eq!(b.run(Pause(0)), Outcome::Status(0));
}

#[test]
fn lines_go_from_one_distance_to_another() {
    let mut b = Bench::new(Arch::V68);
    put(
        &b.m,
        DESC,
        &[0, D2, SRC, DST, 0, 5 << 16 | 300, 400 << 16 | 333, 0],
    );
    b.run(Start(DESC));
    assert_eq!(b.run(Wait(0)), Outcome::Status(0));
    for y in 0..5 {
        assert_eq!(
            bytes(&b.m, DST + 400 * y, 300),
            bytes(&b.m, SRC + 333 * y, 300),
            "{y}"
        );
        assert!(bytes(&b.m, DST + 400 * y + 300, 100).iter().all(|v| *v == 0));
    }
    let done = [0, D2 | 1 << 31, SRC, DST + 5 * 400, 0, 0, 400 << 16 | 333, 0];
    let left: [u32; 8] = get(&b.m, DESC);
    assert_eq!(left[1], done[1]);
    assert_eq!(left[4..], done[4..]);
    assert_eq!(left[2..4], [SRC, DST], "addresses stay as they were");
}

#[test]
fn a_distance_of_nothing_is_the_largest() {
    let mut b = Bench::new(Arch::V68);
    put(&b.m, DESC, &[0, D2, SRC, DST, 0, 2 << 16 | 0xffff, 0, 0]);
    b.m.store32(SRC + 0x1_0000, 0x1234).unwrap();
    b.run(Start(DESC));
    assert_eq!(b.wait(9), Outcome::Status(0));
    assert_eq!(b.m.load32(DST + 0x1_0000), Ok(0x1234));
    // Wide: 24 bits, the destination's in word 1, the height in two parts.
    let wide = [
        0,
        D2 | 0x50_0000,
        SRC,
        DST,
        9,
        1 << 24 | 0x1_2345,
        0x2_0000 << 8,
        0,
    ];
    let mut b = Bench::new(Arch::V75);
    b.m.map_anonymous(Some(SRC + BYTES), BYTES, Prot::RW).unwrap();
    put(
        &b.m,
        DESC,
        &[
            wide[0],
            D2,
            wide[2],
            wide[3],
            9,
            1 << 24 | 0x1_2345,
            0x2_0000 << 8,
            0,
        ],
    );
    b.run(Start(DESC));
    assert_eq!(b.wait(9), Outcome::Status(0));
    assert_eq!(bytes(&b.m, DST, 0x1_2345), bytes(&b.m, SRC, 0x1_2345));
    assert_eq!(get::<8>(&b.m, DESC)[1], D2 | 1 << 31);
    assert_eq!(get::<8>(&b.m, DESC)[5..], [0, 0x2_0000 << 8, 0]);
    // To an older core these words are no descriptor.
    let mut old = Bench::new(Arch::V73);
    put(&old.m, DESC, &wide);
    old.run(Start(DESC));
    assert_eq!(old.run(Poll(0)), Outcome::Status(DESC | 2));
    let reason = Reason::Descriptor;
    assert_eq!(
        old.dma.error(),
        Some(Error {
            reason,
            address: DESC | 1
        })
    );
}

#[test]
fn many_wide_lines_count_in_both_parts_of_the_height() {
    let mut b = Bench::new(Arch::V79);
    // 0x123 lines of 4 bytes, 8 apart, to lines 12 apart
    put(
        &b.m,
        DESC,
        &[0, D2 | 12, SRC, DST, 9, 0x23 << 24 | 4, 8 << 8 | 1, 0],
    );
    b.run(Start(DESC));
    assert_eq!(b.wait(9), Outcome::Status(0));
    for y in 0..0x123 {
        assert_eq!(b.m.load32(DST + 12 * y), b.m.load32(SRC + 8 * y), "{y}");
    }
    assert_eq!(b.m.load32(DST + 12 * 0x123), Ok(0));
}

#[test]
fn filling_and_prefetching() {
    let mut b = Bench::new(Arch::V73);
    put(
        &b.m,
        DESC,
        &[DESC + 32, D2, 0, DST, 0xab << 8 | 8, 3 << 16 | 10, 16 << 16, 0],
    );
    put(&b.m, DESC + 32, &[0, D2, SRC, 0, 3, 3 << 16 | 10, 16, 0]);
    b.run(Start(DESC));
    assert_eq!(b.wait(9), Outcome::Status(0));
    for y in 0..3 {
        assert_eq!(bytes(&b.m, DST + 16 * y, 10), [0xab; 10]);
        assert_eq!(bytes(&b.m, DST + 16 * y + 10, 6), [0; 6]);
    }
    assert_eq!(get::<8>(&b.m, DESC + 32)[1] >> 31, 1);
}

#[test]
fn linking_starts_or_appends() {
    let mut b = Bench::new(Arch::V68);
    put(&b.m, DESC, &[0, 8, SRC, DST]);
    put(&b.m, DESC + 16, &[0, 8, SRC + 8, DST + 8]);
    let (tail, new) = (0, DESC);
    assert_eq!(b.run(Link { tail, new }), Outcome::Done);
    assert_eq!(b.run(Poll(0)), Outcome::Status(0));
    let (tail, new) = (DESC, DESC + 16);
    assert_eq!(b.run(Link { tail, new }), Outcome::Done);
    assert_eq!(b.run(Wait(0)), Outcome::Status(0));
    assert_eq!(get::<1>(&b.m, DESC), [DESC + 16]);
    assert_eq!(bytes(&b.m, DST, 16), bytes(&b.m, SRC, 16));
    // To the one that is being worked on.
    put(&b.m, DESC, &[0, 0x30_0000, SRC, DST]);
    put(&b.m, DESC + 16, &[0, 4, SRC, DST + 0x30_0000]);
    b.run(Start(DESC));
    assert!(b.dma.is_running());
    b.run(Link { tail, new });
    assert_eq!(b.wait(9), Outcome::Status(0));
    assert_eq!(b.m.load32(DST + 0x30_0000), b.m.load32(SRC));
    // The tail must be there.
    let tail = 0x10;
    assert!(matches!(b.run(Link { tail, new }), Outcome::Fault(f) if f.va == 0x10));
}

#[test]
fn pausing_keeps_the_progress_in_the_descriptor() {
    // Words, bytes of a line, distance of lines, lines.
    for (words, width, stride, lines) in [
        (vec![0, 0x30_0001, SRC, DST], 0x30_0001, 0, 1),
        (
            vec![0, D2, SRC, DST, 0, 0x30 << 16 | 0xffff, 0, 0],
            0xffff,
            0x1_0000,
            0x30,
        ),
        (
            vec![
                0,
                D2 | 0x10_0000,
                SRC,
                DST,
                9,
                3 << 24 | 0x0f_fff3,
                0x10_0000 << 8,
                0,
            ],
            0x0f_fff3,
            0x10_0000,
            3,
        ),
    ] {
        let mut b = Bench::new(Arch::V81);
        for i in 0..0xc_0001u32 {
            b.m.store32(SRC + 4 * i, i.wrapping_mul(0x9e37_79b9) | 1).unwrap();
        }
        put(&b.m, DESC, &words);
        b.run(Start(DESC));
        assert_eq!(b.run(Poll(0)), Outcome::Status(DESC | 1));
        assert_eq!(b.run(Pause(0)), Outcome::Status(DESC | 1));
        assert_eq!(b.run(Poll(0)), Outcome::Status(0));
        let left: Vec<u32> = (0..words.len() as u32)
            .map(|n| b.m.load32(DESC + 4 * n).unwrap())
            .collect();
        assert_ne!(left, words);
        assert_eq!(left[1] >> 31, 0);
        b.run(Resume(DESC | 1));
        assert_eq!(b.wait(99), Outcome::Status(0));
        for y in 0..lines {
            let at = y * stride;
            assert!(
                bytes(&b.m, DST + at, width) == bytes(&b.m, SRC + at, width),
                "line {y}"
            );
        }
        assert_eq!(get::<2>(&b.m, DESC)[1] >> 31, 1);
    }
}

#[test]
fn errors_show_until_they_are_paused_away() {
    let mut b = Bench::new(Arch::V68);
    let mut failing = |words: &[u32], at: u32, reason: Reason, address: u32| {
        put(&b.m, at, words);
        b.run(Start(at));
        assert_eq!(b.run(Wait(0)), Outcome::Status(at | 2), "{words:x?}");
        assert_eq!(b.dma.error(), Some(Error { reason, address }), "{words:x?}");
        assert_eq!(b.run(Start(at)), Outcome::Done);
        assert_eq!(b.run(Poll(0)), Outcome::Status(at | 2));
        assert_eq!(b.run(Pause(0)), Outcome::Status(at | 2));
        assert_eq!(b.run(Poll(0)), Outcome::Status(0));
    };
    let odd = DESC + 16;
    failing(&[0, 2 << 24, SRC, DST], DESC, Reason::Descriptor, DESC);
    failing(
        &[0, D2, SRC, DST, 0, 1 << 16 | 1, 1 << 16 | 1, 0],
        odd,
        Reason::Descriptor,
        odd,
    );
    failing(&[0, 1 << 31, SRC, DST], DESC, Reason::Roi, DESC);
    failing(
        &[0, D2, SRC, DST, 0, 1 << 16 | 9, 9 << 16 | 8, 0],
        DESC,
        Reason::Roi,
        DESC,
    );
    failing(
        &[0, D2, SRC, DST, 0, 1 << 16 | 9, 8 << 16 | 9, 0],
        DESC,
        Reason::Roi,
        DESC,
    );
    failing(
        &[0, D2, SRC, DST, 4, 1 << 16 | 9, 9 << 16 | 9, 0],
        DESC,
        Reason::Descriptor,
        DESC | 1,
    );
    failing(
        &[0, D2, u32::MAX - 7, DST, 0, 2 << 16 | 16, 16 << 16 | 16, 0],
        DESC,
        Reason::Descriptor,
        DESC | 2,
    );
    failing(&[0, 16, SRC, u32::MAX - 7], DESC, Reason::Descriptor, DESC | 3);
    // A second start while it runs.
    put(&b.m, DESC, &[0, 0x30_0000, SRC, DST]);
    b.run(Start(DESC));
    b.run(Start(DESC + 32));
    assert_eq!(b.run(Wait(0)), Outcome::Status((DESC + 32) | 2));
    b.run(Pause(0));
    b.run(Resume(DESC | 2));
    assert_eq!(b.run(Poll(0)), Outcome::Status(DESC | 2));
}

#[test]
fn an_address_that_is_not_mapped_is_the_waiters_exception() {
    let mut b = Bench::new(Arch::V68);
    put(&b.m, DESC, &[0, 0x1000, SRC, DST + BYTES - 0x800]);
    assert_eq!(b.run(Start(DESC)), Outcome::Done);
    let fault = |outcome| match outcome {
        Outcome::Fault(f) => (f.va, f.access, f.kind),
        other => panic!("{other:?}"),
    };
    use crate::memory::Access;
    let expected = (DST + BYTES, Access::Write, FaultKind::Unmapped);
    assert_eq!(fault(b.run(Wait(0))), expected);
    assert_eq!(bytes(&b.m, DST + BYTES - 0x800, 0x800), bytes(&b.m, SRC, 0x800));
    // It goes on where it was once the page is there.
    assert_eq!(get(&b.m, DESC), [0, 0x800, SRC + 0x800, DST + BYTES]);
    assert_eq!(fault(b.run(Poll(0))), expected);
    b.m.map_anonymous(Some(DST + BYTES), PAGE_SIZE, Prot::RW).unwrap();
    assert_eq!(b.run(Wait(0)), Outcome::Status(0));
    assert_eq!(bytes(&b.m, DST + BYTES, 0x800), bytes(&b.m, SRC + 0x800, 0x800));
    // No descriptor there at all; and pausing forgets about it.
    b.run(Start(0x4000_0000));
    assert_eq!(b.run(Pause(0)), Outcome::Status(0x4000_0000 | 1));
    assert_eq!(b.run(Wait(0)), Outcome::Status(0));
}

#[test]
fn a_chain_in_a_circle_ends_at_what_is_done() {
    let mut b = Bench::new(Arch::V68);
    put(&b.m, DESC, &[DESC + 16, 4, SRC, DST]);
    put(&b.m, DESC + 16, &[DESC, 4, SRC, DST]);
    b.run(Start(DESC));
    assert_eq!(b.run(Wait(0)), Outcome::Status(DESC | 2));
    assert_eq!(b.dma.error().map(|e| e.reason), Some(Reason::Roi));
}

#[test]
fn a_circle_that_undoes_itself_holds_nobody_up() {
    let mut b = Bench::new(Arch::V68);
    // Copies a fresh descriptor over the one before, for ever.
    put(&b.m, DESC, &[DESC + 16, 16, DESC + 0x110, DESC + 16]);
    put(&b.m, DESC + 16, &[DESC, 16, DESC + 0x100, DESC]);
    put(&b.m, DESC + 0x110, &[DESC, 16, DESC + 0x100, DESC]);
    put(&b.m, DESC + 0x100, &[DESC + 16, 16, DESC + 0x110, DESC + 16]);
    b.run(Start(DESC));
    assert_eq!(b.wait(50), Outcome::Wait);
    assert!(matches!(b.run(Pause(0)), Outcome::Status(s) if s & 3 == 1));
    assert_eq!(b.run(Wait(0)), Outcome::Status(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the descriptors: each instruction comes back, and the state is one of the four.
    #[test]
    fn no_descriptor_upsets_the_engine(
        words in prop::collection::vec(prop_oneof![
            any::<u32>(),
            (0u32..64).prop_map(|n| DESC + 4 * n),
            (0u32..0x2000).prop_map(|n| SRC + n),
            (0u32..0x2000).prop_map(|n| DST + n),
            0u32..300,
            (0u32..10).prop_map(|n| D2 | n),
        ], 64),
        commands in prop::collection::vec((0u8..6, 0u32..16), 1..12),
        newest in any::<bool>(),
    ) {
        let mut b = Bench::new(if newest { Arch::V81 } else { Arch::V68 });
        put(&b.m, DESC, &words);
        for (kind, at) in commands {
            let at = DESC + 16 * at;
            let command = match kind {
                0 => Start(at),
                1 => Link { tail: at, new: at ^ 32 },
                2 => Resume(at | 1),
                3 => Poll(1),
                4 => Wait(1),
                _ => Pause(1),
            };
            if let Outcome::Status(word) = b.run(command) {
                prop_assert!(word & 0xc == 0 && word & 3 != 3);
            }
        }
    }

    /// Two-dimensional copies do what two loops do.
    #[test]
    fn lines_are_copied_as_two_loops_would(
        width in 0u32..700, height in 0u32..20, source in 0u32..64, target in 0u32..64,
        more in (0u32..100, 0u32..100), wide in any::<bool>(),
    ) {
        let (from, to) = (width + more.0 + 1, width + more.1 + 1);
        let mut b = Bench::new(Arch::V75);
        let words = if wide {
            [0, D2 | to, SRC + source, DST + target, 9, height << 24 | width, from << 8, 0]
        } else {
            [0, D2, SRC + source, DST + target, 0, height << 16 | width, to << 16 | from, 0]
        };
        put(&b.m, DESC, &words);
        let all = 20 * 800 + 64;
        let mut expected = bytes(&b.m, DST, all);
        let input = bytes(&b.m, SRC, all);
        for y in 0..height {
            for x in 0..width {
                expected[(target + y * to + x) as usize] = input[(source + y * from + x) as usize];
            }
        }
        b.run(Start(DESC));
        prop_assert_eq!(b.wait(100), Outcome::Status(0));
        prop_assert_eq!(bytes(&b.m, DST, all), expected);
    }
}
