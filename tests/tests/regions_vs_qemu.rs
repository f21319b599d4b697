//! Gather and scatter against `qemu-hexagon`, and reversed register pairs (`v0:1`, from V69 on) as operands.
//!
//! QEMU 10 and 11 are no oracle for all of it; what they get wrong is kept away from them, and is the second model's to say:
//! * No element is ever dropped: an element's address is compared with itself plus the region's length.
//! * A `vtmp.new` store does not ignore the low bits of its address.
//! * A scatter that adds aligns the offsets in the register itself, which is left changed.
//! * A result in a reversed pair `v8:9` goes to V9 and V10.

use hexagon_isa::{Insn, Opcode};
use tests::difftest::input::input;
use tests::difftest::program::{AREA, Fragment, Place, Shape, Value, insn, pool};
use tests::difftest::random::Random;
use tests::difftest::run::{Peer, Record, Subject, difference, lay, run_ours, run_peer};

/// Fragments of each instruction, and inputs for each.
const FRAGMENTS: usize = 100;
const INPUTS: usize = 10;

/// A fragment of these packets: R1 is a base, R5 a mask for offsets, M0 the region's length less one, R6 where a gather's
/// result goes.
fn fragment(op: Opcode, packets: Vec<Vec<Insn>>, rng: &mut Random) -> Fragment {
    let log = 2 + rng.below(7);
    let mask = (1 << log) - 1;
    // The offsets are aligned or not; the last ones are as near to the end as they can be.
    let aligned = rng.one_in(3) || op.info().name.ends_with("_add");
    let mask = if aligned { mask & !3 } else { mask };
    let length = (1u32 << log) + 3;
    let word = |v| Value::Word(v);
    Fragment {
        about: Some(op),
        kind: "region",
        packets: packets.into_iter().map(Shape::new).collect(),
        fixed: vec![
            (Place::Gpr(1), word(AREA + rng.below(128))),
            (Place::Gpr(5), word(mask | mask << 16)),
            (Place::Gpr(6), word(AREA + 512)),
            (Place::Gpr(7), word(mask)),
            (Place::Control(6), word(length)),
        ],
        float: false,
        calm: true,
    }
}

/// The instruction behind packets that put V2 and V3 into the region.
fn case(op: Opcode, rng: &mut Random) -> Fragment {
    let name = op.info().name;
    let pair = name.contains("mhw");
    let words = pair || name.contains("mw");
    let (offsets, reversed) = (2, i32::from(pair && rng.one_in(2)));
    let masked = name.ends_with('q');
    let mut v = vec![1, 0, offsets + reversed];
    if masked {
        v.insert(0, rng.below(4) as i32);
    }
    let one = |op, v: &[i32]| vec![insn(op, v, None)];
    let mut packets = vec![
        one(Opcode::V6_lvsplatw, &[20, if words { 7 } else { 5 }]),
        one(Opcode::V6_vand, &[2, 2, 20]),
        one(Opcode::V6_vand, &[3, 3, 20]),
    ];
    if name.contains("gather") {
        let store = insn(
            Opcode::V6_vS32b_new_ai,
            &[6, rng.below(3) as i32, Insn::VTMP],
            Some(0),
        );
        packets.push(vec![insn(op, &v, None), store]);
    } else {
        v.push(9);
        packets.push(one(op, &v));
        packets.push(one(Opcode::V6_vS32b_srls_ai, &[1, 0]));
    }
    fragment(op, packets, rng)
}

fn compare(subjects: &[Subject]) {
    let vectors = pool(&mut Random::of(&[3]));
    let all: Vec<usize> = (0..subjects.len()).collect();
    let laid = lay(subjects, &all, true, vectors);
    assert!(laid.refused.is_empty(), "{:?}", laid.refused.first());
    let ours = run_ours(&laid.elf);
    assert_eq!(
        (ours.failed, ours.bytes.len()),
        (None, laid.size * laid.cases.len())
    );
    for peer in Peer::all_or_skip() {
        let theirs = run_peer(&peer, &laid.elf).expect("QEMU runs");
        assert_eq!((theirs.failed, theirs.bytes.len()), (None, ours.bytes.len()));
        let records = ours.bytes.chunks(laid.size).zip(theirs.bytes.chunks(laid.size));
        let mut wrong = 0;
        for ((a, b), (s, k)) in records.zip(&laid.cases) {
            let d = difference(Record(a), Record(b));
            if !d.is_empty() {
                wrong += 1;
                if wrong < 20 {
                    let insns: Vec<String> = subjects[*s].fragment.packets.iter().map(text).collect();
                    println!("{insns:?} input {k}: {}", d.join(", "));
                }
            }
        }
        println!("{}: {} cases", peer.name(), laid.cases.len());
        assert_eq!(wrong, 0, "cases that differ from {}", peer.name());
    }
}

fn text(shape: &Shape) -> String {
    let insns = shape.insns.iter();
    insns
        .map(|i| format!("{} {:?}", i.op, &i.v[..i.info().operands.len()]))
        .collect::<Vec<_>>()
        .join("; ")
}

fn subject(number: usize, fragment: Fragment, rng: &mut Random) -> Subject {
    let inputs = (0..INPUTS).map(|_| input(&fragment, rng)).collect();
    Subject {
        number,
        fragment,
        inputs,
    }
}

#[test]
fn regions_that_drop_nothing_do_what_qemu_does() {
    let mut rng = Random::of(&[1]);
    let ops: Vec<Opcode> = Opcode::all()
        .filter(|op| {
            let name = op.info().name;
            name.starts_with("V6_vgatherm") || name.starts_with("V6_vscatterm")
        })
        .collect();
    assert_eq!(ops.len(), 15);
    let mut subjects = Vec::new();
    for op in ops {
        for _ in 0..FRAGMENTS {
            let f = case(op, &mut rng);
            subjects.push(subject(subjects.len(), f, &mut rng));
        }
    }
    compare(&subjects);
}

/// Pairs that are read, or read and written.
#[test]
fn reversed_pairs_are_read_as_qemu_reads_them() {
    let mut rng = Random::of(&[2]);
    let mut subjects = Vec::new();
    for _ in 0..FRAGMENTS {
        let mut odd = |even: i32| even + rng.below(2) as i32;
        let (x, u, v) = (odd(8), odd(4), odd(12));
        for (op, operands) in [
            (Opcode::V6_vtmpyb_acc, vec![x, u, 2]),
            (Opcode::V6_vdmpyhisat, vec![7, u, 2]),
            (Opcode::V6_vdsaduh_acc, vec![x, u, 2]),
            (Opcode::V6_vrmpybusi_acc, vec![x, u, 2, v & 1]),
            (Opcode::V6_vmpyowh_64_acc, vec![x, 1, 2]),
            (Opcode::V6_v6mpyhubs10_vxx, vec![x, u, v, u & 3]),
            (Opcode::V6_v6mpyvubs10_vxx, vec![x, u, v, 2 + (x & 1)]),
            (Opcode::V6_vasr_into, vec![x, 1, 2]),
            (Opcode::V6_vasrvuhubrndsat, vec![7, u, 2]),
            (Opcode::V6_vaddb_dv, vec![16, u, v]),
        ] {
            let packets = vec![vec![insn(op, &operands, None)]];
            let f = fragment(op, packets, &mut Random::of(&[subjects.len() as u64]));
            let mut inputs = Random::of(&[9, subjects.len() as u64]);
            subjects.push(subject(subjects.len(), f, &mut inputs));
        }
    }
    compare(&subjects);
}
