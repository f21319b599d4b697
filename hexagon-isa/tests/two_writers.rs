//! Two instructions of a packet that write one register: every kind of writer with every other, in both orders. What is legal
//! follows from a list of register names, made here from the operands alone; LLVM is asked about the same words.

mod common;

use common::Random;
use common::packets::{DUPLEXES, compare, new_predicates, producer};
use hexagon_isa::info::{
    Feature, Flags, Guard, GuardReg, Implicit, InsnClass, Numbering, OperandClass, Role,
};
use hexagon_isa::{
    Arch, DecodeError, EndLoop, Insn, MAX_OPERANDS, Opcode, assemble, assemble_packet, decode_packet,
};
use std::collections::{BTreeMap, BTreeSet};

/// A register: the letter of its file and its number. `t` are the vectors that a load brings for its own packet only.
type Name = (char, i32);

/// One register that an instruction writes, and the operand that names it (none if the instruction always writes it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    name: Name,
    operand: Option<usize>,
}

/// Everything that `insn` writes.
fn targets(insn: &Insn) -> Vec<Target> {
    let info = insn.info();
    let mut all = Vec::new();
    for (at, (o, v)) in info.operands.iter().zip(insn.v).enumerate() {
        if o.role == Role::Read {
            continue;
        }
        let vector = if info.flags.any(Flags::TMP) { 't' } else { 'v' };
        let names: Vec<Name> = match o.class {
            OperandClass::Gpr => vec![('r', v)],
            OperandClass::GprPair => vec![('r', v), ('r', v + 1)],
            OperandClass::Pred => vec![('p', v)],
            OperandClass::Ctrl => vec![('c', v)],
            OperandClass::CtrlPair => vec![('c', v), ('c', v + 1)],
            OperandClass::Guest => vec![('g', v)],
            OperandClass::GuestPair => vec![('g', v), ('g', v + 1)],
            OperandClass::Sys => vec![('s', v)],
            OperandClass::SysPair => vec![('s', v), ('s', v + 1)],
            OperandClass::Vec => vec![(vector, v)],
            OperandClass::VecPair => vec![(vector, v), (vector, v ^ 1)],
            OperandClass::VecQuad => (0..4).map(|n| (vector, v + n)).collect(),
            OperandClass::VecPred => vec![('q', v)],
            OperandClass::Mod | OperandClass::Imm | OperandClass::PcRel => {
                panic!("{}: writes {:?}", info.name, o.class)
            }
        };
        all.extend(names.into_iter().map(|name| Target {
            name,
            operand: Some(at),
        }));
    }
    for reg in info.defs {
        let name = match reg {
            Implicit::P0 => ('p', 0),
            Implicit::P1 => ('p', 1),
            Implicit::P3 => ('p', 3),
            Implicit::R29 => ('r', 29),
            Implicit::R30 => ('r', 30),
            Implicit::R31 => ('r', 31),
            Implicit::SA0 => ('c', 0),
            Implicit::LC0 => ('c', 1),
            Implicit::SA1 => ('c', 2),
            Implicit::LC1 => ('c', 3),
            Implicit::USR => ('c', 8),
            Implicit::GOSP => ('g', 2),
            Implicit::SGP0 => ('s', 0),
            Implicit::SGP1 => ('s', 1),
            Implicit::ELR => ('s', 3),
            Implicit::CCR => ('s', 7),
            Implicit::VTMP => ('t', -1),
            // Branches have rules of their own.
            Implicit::PC => continue,
            other => panic!("{}: writes {other:?}", info.name),
        };
        all.push(Target { name, operand: None });
    }
    let always = |file, n: std::ops::Range<i32>| {
        n.map(move |n| Target {
            name: (file, n),
            operand: None,
        })
    };
    if info.class == InsnClass::CVI_HIST {
        all.extend(always('v', 0..32));
    }
    if info.class == InsnClass::CVI_ZW {
        all.extend(always('z', 0..1));
    }
    all
}

/// How `insn` writes a register, in the words of this test.
fn way(insn: &Insn, t: &Target) -> &'static str {
    let info = insn.info();
    let Some(o) = t.operand.and_then(|at| info.operands.get(at)) else {
        return match t.name.0 {
            'r' => "general, always the same",
            'p' if info.flags.any(Flags::LATE) => "predicate, too late",
            'p' => "predicate, always the same",
            'c' => "loop",
            'v' => "all vectors",
            't' => "gather",
            'g' => "guest, always the same",
            's' => "supervisor, always the same",
            _ => "Z",
        };
    };
    let guarded = info.guard.is_some();
    match o.class {
        OperandClass::Gpr
            if o.name == "Rx"
                && info
                    .operands
                    .iter()
                    .any(|o| o.new && o.class == OperandClass::Gpr) =>
        {
            "address beside a new value"
        }
        OperandClass::Gpr if o.role == Role::ReadWrite => "general, read and written",
        OperandClass::Gpr if guarded => "general, conditional",
        OperandClass::Gpr => "general",
        OperandClass::GprPair if guarded => "pair, conditional",
        OperandClass::GprPair => "pair",
        OperandClass::Pred if info.flags.any(Flags::LATE) => "predicate, too late",
        OperandClass::Pred => "predicate",
        OperandClass::Ctrl | OperandClass::CtrlPair if t.name == ('c', 4) => "control, all predicates",
        OperandClass::Ctrl => "control",
        OperandClass::CtrlPair => "control pair",
        OperandClass::Guest => "guest",
        OperandClass::GuestPair => "guest pair",
        OperandClass::Sys => "supervisor",
        OperandClass::SysPair => "supervisor pair",
        OperandClass::Vec if info.flags.any(Flags::TMP) => "vector, temporary",
        OperandClass::Vec if info.flags.any(Flags::CUR) => "vector, current",
        OperandClass::Vec if guarded => "vector, conditional",
        OperandClass::Vec => "vector",
        OperandClass::VecPair if info.flags.any(Flags::TMP) => "vector pair, temporary",
        OperandClass::VecPair => "vector pair",
        OperandClass::VecQuad => "vector quad",
        OperandClass::VecPred if o.role == Role::ReadWrite => "Q, read and written",
        OperandClass::VecPred => "Q",
        OperandClass::Mod | OperandClass::Imm | OperandClass::PcRel => panic!("{}", info.name),
    }
}

fn condition(insn: &Insn) -> Option<(i32, bool)> {
    let Guard { reg, sense, .. } = insn.info().guard?;
    match reg {
        GuardReg::Fixed(n) => Some((i32::from(n), sense)),
        GuardReg::Operand(n) => Some((insn.v[usize::from(n)], sense)),
    }
}

/// The operand that is the predicate of its condition.
fn guard_operand(op: Opcode) -> Option<usize> {
    match op.info().guard?.reg {
        GuardReg::Fixed(_) => None,
        GuardReg::Operand(n) => Some(usize::from(n)),
    }
}

/// The registers that both write and may not.
fn clashes(a: &Insn, b: &Insn) -> BTreeSet<Name> {
    let names = |i: &Insn| -> BTreeSet<Name> {
        let mut names: BTreeSet<Name> = targets(i).iter().map(|t| t.name).collect();
        // What a load brings for this packet is found by its number, also if it is kept.
        if i.info().flags.any(Flags::CUR) {
            let brought: Vec<Name> = names.iter().filter(|n| n.0 == 'v').map(|n| ('t', n.1)).collect();
            names.extend(brought);
        }
        names
    };
    let (na, nb) = (names(a), names(b));
    let mut shared: BTreeSet<Name> = na.intersection(&nb).copied().collect();
    // Writers of a predicate are ANDed, unless one comes too late for that.
    let late = |i: &Insn| i.info().flags.any(Flags::LATE);
    if !late(a) && !late(b) {
        shared.retain(|(file, _)| *file != 'p');
    }
    // Each under its own condition: they may exclude each other.
    if let (Some(ca), Some(cb)) = (condition(a), condition(b))
        && ca != cb
    {
        shared.clear();
    }
    for (n, other, i) in [(&na, &nb, b), (&nb, &na, a)] {
        // C4 is all predicates at once.
        if n.contains(&('c', 4)) {
            shared.extend(other.iter().filter(|(file, _)| *file == 'p'));
        }
        // A transfer to USR, which holds the overflow flag; a loop only changes its own field there.
        if n.contains(&('c', 8)) && !n.contains(&('c', 1)) && i.info().flags.any(Flags::OVERFLOW) {
            shared.insert(('c', 8));
        }
    }
    shared
}

/// What tells one writer from another here. Of each, one row stands for all.
fn kind(op: Opcode) -> String {
    let i = op.info();
    let writes: Vec<_> = i
        .operands
        .iter()
        .filter(|o| o.role != Role::Read)
        .map(|o| (o.class, o.role, o.numbering))
        .collect();
    let new = i.operands.iter().find(|o| o.new).map(|o| (o.class, o.numbering));
    let guard = i.guard.map(|g| (g.sense, g.new));
    let flags = [
        Flags::BRANCH,
        Flags::CALL,
        Flags::LATE,
        Flags::OVERFLOW,
        Flags::SOLO,
        Flags::SOLO_AX,
        Flags::CUR,
        Flags::TMP,
        Flags::HVX,
    ]
    .map(|f| u8::from(i.flags.any(f)));
    let group = if i.width == 13 { &i.name[..3] } else { "" };
    format!(
        "{writes:?} {new:?} {guard:?} {:?} {flags:?} {:04b} {} {}{group} {}",
        i.defs,
        i.slots,
        i.load.is_some(),
        i.store.is_some(),
        matches!(i.class, InsnClass::CVI_HIST | InsnClass::CVI_ZW)
    )
}

/// One row of each kind of writer.
fn writers() -> Vec<Opcode> {
    let mut kinds = BTreeMap::new();
    for op in Opcode::all() {
        let i = op.info();
        let writes = i.operands.iter().any(|o| o.role != Role::Read)
            || !i.defs.is_empty()
            || matches!(i.class, InsnClass::CVI_HIST | InsnClass::CVI_ZW);
        // LLVM knows nothing of the matrix unit; A4_ext is no instruction by itself.
        if writes && !matches!(i.feature, Some(Feature::Hmx | Feature::Audio)) && op != Opcode::A4_ext {
            kinds.entry(kind(op)).or_insert(op);
        }
    }
    kinds.into_values().collect()
}

/// `op` with random operands, except those that are wanted; `None` if they have no encoding.
fn instance(op: Opcode, wanted: &[(usize, i32)], r: &mut Random) -> Option<Insn> {
    let info = op.info();
    let mut v = [0; MAX_OPERANDS];
    for (at, (o, v)) in info.operands.iter().zip(&mut v).enumerate() {
        let limit = match o.class {
            OperandClass::Imm | OperandClass::PcRel => 1,
            OperandClass::Pred | OperandClass::VecPred => 4,
            OperandClass::Mod => 2,
            // No pc, and no names that only a core knows.
            OperandClass::Ctrl | OperandClass::CtrlPair => 8,
            _ if o.numbering == Numbering::Sub16 || o.numbering == Numbering::Pair8 => 8,
            _ => 24.min(1 << o.width),
        };
        let aligned = match o.class {
            OperandClass::GprPair
            | OperandClass::CtrlPair
            | OperandClass::GuestPair
            | OperandClass::SysPair
            | OperandClass::VecPair => !1,
            OperandClass::VecQuad => !3,
            _ => !0,
        };
        // Filled in with the producer.
        if o.numbering == Numbering::Distance {
            continue;
        }
        let value = wanted.iter().find(|(n, _)| *n == at).map(|(_, w)| *w);
        *v = value.unwrap_or_else(|| r.below(limit) as i32) & aligned;
    }
    assemble(op, &v).ok()?;
    Some(Insn {
        extended: info.ext.is_some_and(|x| x.must),
        ..Insn::with_operands(op, &v)
    })
}

/// The packet of these two, with producers of the new values that they use in front of them; `None` if it has no encoding.
fn packet(mut pair: [Insn; 2], r: &mut Random) -> Option<Vec<u32>> {
    let duplex = pair.iter().filter(|i| i.info().width == 13).count() == 2;
    let mut before = Vec::new();
    let alone = |word: u32| {
        decode_packet(&[word | 0xc000], Arch::V81)
            .ok()
            .map(|p| p.insns()[0])
    };
    for insn in &mut pair {
        let (_, word) = assemble(insn.op, &insn.v).ok()?;
        for p in new_predicates(insn.info(), word) {
            before.push(alone(compare(p, r))?);
        }
        let consumer = insn
            .info()
            .operands
            .iter()
            .position(|o| o.numbering == Numbering::Distance);
        if let Some(at) = consumer {
            let vector = insn.info().operands[at].class == OperandClass::Vec;
            let made = loop {
                let (word, odd) = producer(vector, r);
                if let Some(i) = alone(word)
                    && odd == 2
                {
                    break i;
                }
            };
            insn.producer = before.len() as u8;
            let written = targets(&made).first()?.name.1;
            insn.v[at] = if made.info().defs.contains(&Implicit::VTMP) {
                Insn::VTMP
            } else {
                written
            };
            before.push(made);
        }
    }
    before.extend(pair);
    assemble_packet(&before, EndLoop::None, duplex).ok()
}

/// Pairs of ways of writing (see [`way`]), counted in both orders, that can name one register and must not.
const WAYS_THAT_MEET: usize = 138;

/// Why LLVM takes a packet in which two instructions write one register.
fn llvm_misses(a: &Insn, b: &Insn, shared: &BTreeSet<Name>) -> Option<&'static str> {
    let files = |file: char| shared.iter().all(|(f, _)| *f == file);
    if files('z') || files('v') && [a, b].iter().any(|i| i.info().class == InsnClass::CVI_HIST) {
        return Some(
            "its disassembler does not count the vector pipes, of which its assembler knows too few here",
        );
    }
    let any = |f: &dyn Fn(&Insn) -> bool| f(a) || f(b);
    if any(&|i| i.info().flags.any(Flags::TMP) || i.info().defs.contains(&Implicit::VTMP)) {
        return Some("it ignores what a load with a temporary result writes besides, and the result");
    }
    if files('p') && any(&|i| i.op == Opcode::A4_tfrpcp) {
        return Some("it takes a transfer to C5:4 for a compare into each predicate");
    }
    None
}

/// A packet of two instructions, and both.
type Try = (Insn, Insn, Vec<u32>);

/// Every row of `writers` with every other, in both orders: with random registers, and with each register that both can write.
fn pairs(writers: &[Opcode], r: &mut Random) -> Vec<Try> {
    let duplexes: BTreeSet<(&str, &str)> = DUPLEXES.iter().map(|(low, high)| (*high, *low)).collect();
    let file = |n: Name| if n.0 == 't' { 'v' } else { n.0 };
    let mut tried = Vec::new();
    for (&a, &b) in writers.iter().flat_map(|a| writers.iter().map(move |b| (a, b))) {
        let halves = [a, b].map(|op| (op.info().width == 13).then(|| &op.info().name[..3]));
        match halves {
            [None, None] => {}
            [Some(high), Some(low)] if duplexes.contains(&(high, low)) => {}
            _ => continue,
        }
        let any = |op, r: &mut Random| instance(op, &[], r).unwrap_or_else(|| panic!("{op}"));
        let (first, second) = (any(a, r), any(b, r));
        let mut tries = vec![(first, Some(second))];
        for t in targets(&first) {
            for other in targets(&second) {
                // C4 is all predicates at once.
                let transfer = |op, t: &Target, r: &mut Random| {
                    let at = t.operand.filter(|_| t.name.0 == 'c')?;
                    instance(op, &[(at, 4)], r)
                };
                match (transfer(a, &t, r), transfer(b, &other, r)) {
                    (Some(first), Some(second)) => tries.push((first, Some(second))),
                    (Some(first), None) if other.name.0 == 'p' => tries.push((first, Some(second))),
                    (None, Some(second)) if t.name.0 == 'p' => tries.push((first, Some(second))),
                    _ => {}
                }
                if file(other.name) != file(t.name) {
                    continue;
                }
                match (t.operand, other.operand) {
                    (_, Some(at)) => {
                        let named = (at, t.name.1);
                        tries.push((first, instance(b, &[named], r)));
                        // Under the same condition, too.
                        if let (Some((reg, _)), Some(guard)) = (condition(&first), guard_operand(b)) {
                            tries.push((first, instance(b, &[named, (guard, reg)], r)));
                        }
                    }
                    (Some(at), None) => {
                        if let Some(first) = instance(a, &[(at, other.name.1)], r) {
                            tries.push((first, Some(second)));
                        }
                    }
                    (None, None) => tries.push((first, Some(second))),
                }
            }
        }
        for (x, y) in tries {
            let Some(y) = y else { continue };
            if let Some(words) = packet([x, y], r) {
                tried.push((x, y, words));
            }
        }
    }
    tried
}

/// What LLVM takes of these packets; `None` without LLVM.
fn llvm(packets: &[Vec<u32>]) -> Option<Vec<bool>> {
    const BASE: u32 = 0x0010_0000;
    let objdump = common::objdump()?;
    let lines = common::llvm(&objdump, common::V81, &common::bytes(&packets.concat()), BASE);
    let mut at = BASE;
    let taken = packets.iter().map(|words| {
        let taken = !lines[&at].ends_with("<unknown>");
        at += words.len() as u32 * 4;
        taken
    });
    Some(taken.collect())
}

#[test]
fn no_two_instructions_write_one_register() {
    let mut r = Random::new(3 + common::seed());
    let writers = writers();
    let tried = pairs(&writers, &mut r);
    let packets: Vec<Vec<u32>> = tried.iter().map(|(_, _, words)| words.clone()).collect();
    let theirs = llvm(&packets);
    let mut wrong = Vec::new();
    let mut excused: BTreeMap<&str, u32> = BTreeMap::new();
    // Ways of writing that met in one register: packets refused, and refused for this.
    let mut met: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    let mut legal = 0;
    // Rows that only LLVM refuses together: with a register that both write, and without.
    let (mut ours_shared, mut ours_apart) = (BTreeSet::new(), BTreeSet::new());
    for (n, (a, b, words)) in tried.iter().enumerate() {
        let decoded = decode_packet(words, Arch::V81);
        let taken = theirs.as_ref().map(|t| t[n]);
        let (ta, tb) = (targets(a), targets(b));
        let shared = clashes(a, b);
        let text = || format!("{} ; {} {words:08x?}", a.print(0), b.print(0));
        let clash = matches!(decoded, Err(DecodeError::TwoWriters(..)));
        if decoded.is_ok() && !shared.is_empty() {
            wrong.push(format!("{}: runs, both write {shared:?}", text()));
        }
        // Registers of producers in front are no concern of this test; an instruction may clash with itself.
        let twice = |t: &[Target]| (1..t.len()).any(|n| t[..n].iter().any(|u| u.name == t[n].name));
        if clash && shared.is_empty() && words.len() == 2 && !twice(&ta) && !twice(&tb) {
            wrong.push(format!("{}: refused", text()));
        }
        for (x, y) in ta.iter().flat_map(|x| tb.iter().map(move |y| (x, y))) {
            let (p, q) = (x.name, y.name);
            let same = p == q && shared.contains(&p)
                || p.1 == q.1
                    && shared.contains(&('t', p.1))
                    && matches!((p.0, q.0), ('t', 'v') | ('v', 't'))
                || p == ('c', 4) && q.0 == 'p' && shared.contains(&q)
                || q == ('c', 4) && p.0 == 'p' && shared.contains(&p);
            if same {
                let (refused, clashes) = met.entry((way(a, x), way(b, y))).or_default();
                *refused += u32::from(decoded.is_err());
                *clashes += u32::from(clash);
            }
        }
        legal += u32::from(decoded.is_ok());
        match (decoded, taken) {
            (Ok(_), Some(false)) => {
                let meet = ta.iter().any(|x| tb.iter().any(|y| x.name == y.name));
                let rows = if meet { &mut ours_shared } else { &mut ours_apart };
                // It has rules on pairs of accesses and of branches that are not about registers.
                let (x, y) = (a.info(), b.info());
                if !(x.is_memory() && y.is_memory() || x.is_branch() && y.is_branch()) {
                    rows.insert((a.op, b.op));
                }
            }
            (Err(e @ DecodeError::TwoWriters(..)), Some(true)) => match llvm_misses(a, b, &shared) {
                Some(why) => *excused.entry(why).or_default() += 1,
                None => wrong.push(format!("{}: {e}, and LLVM takes it", text())),
            },
            _ => {}
        }
    }
    println!(
        "{} kinds of rows, {} packets, {legal} legal; two writers by way of writing (refused, for this reason):",
        writers.len(),
        tried.len()
    );
    for ((a, b), (refused, clashes)) in &met {
        println!("{a} / {b}: {refused}, {clashes}");
    }
    println!("excused: {excused:?}");
    for ((a, b), (refused, clashes)) in &met {
        // The instructions that always write a guest register must be alone, which is found first.
        let alone = [a, b].iter().any(|way| **way == "guest, always the same");
        if !met.contains_key(&(*b, *a)) || *refused == 0 || *clashes == 0 && !alone {
            wrong.push(format!("{a} / {b}: not refused in both orders"));
        }
    }
    assert_eq!(met.len(), WAYS_THAT_MEET);
    let strict: Vec<_> = ours_shared.difference(&ours_apart).collect();
    if !strict.is_empty() {
        wrong.push(format!(
            "LLVM refuses for a common register what runs here: {strict:?}"
        ));
    }
    assert!(
        wrong.is_empty(),
        "{} wrong, the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

#[test]
fn three_conditional_writers_are_judged_as_llvm_judges_them() {
    let mut r = Random::new(4 + common::seed());
    for (if_true, if_false) in [
        (Opcode::C2_cmoveit, Opcode::C2_cmoveif),
        (Opcode::V6_vcmov, Opcode::V6_vncmov),
    ] {
        let mut packets = Vec::new();
        for n in 0..512 {
            let insns: Option<Vec<Insn>> = [n & 7, n >> 3 & 7, n >> 6]
                .iter()
                .map(|k| {
                    let op = if k & 4 == 0 { if_true } else { if_false };
                    let mut insn = instance(op, &[], &mut r)?;
                    insn.v[op
                        .info()
                        .operands
                        .iter()
                        .position(|o| o.class == OperandClass::Pred)?] = k & 3;
                    insn.v[op.info().operands.iter().position(|o| o.role == Role::Write)?] = 5;
                    Some(insn)
                })
                .collect();
            let insns = insns.expect("all registers have an encoding");
            packets.push(assemble_packet(&insns, EndLoop::None, false).expect("it has an encoding"));
        }
        let ours: Vec<bool> = packets
            .iter()
            .map(|p| decode_packet(p, Arch::V81).is_ok())
            .collect();
        // Three different predicates, each true or not.
        assert_eq!(ours.iter().filter(|ok| **ok).count(), 4 * 3 * 2 * 8);
        if let Some(theirs) = llvm(&packets) {
            assert_eq!(ours, theirs);
        }
    }
}
