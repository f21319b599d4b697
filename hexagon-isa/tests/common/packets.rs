//! Random packets with every row of the spec.

use super::Random;
use hexagon_isa::info::{GuardReg, InsnClass, Numbering, OperandClass};
use hexagon_isa::{Arch, InsnInfo, Opcode, Packet, assemble_packet, decode_packet};
use std::collections::BTreeMap;

/// Rows that LLVM cannot be asked about, each with its reason. Neither can it about the matrix unit (`hmx.isa`), which no public
/// assembler knows.
pub const NOT_IN_LLVM: &[(&str, &str)] = &[(
    "A4_ext",
    "a prefix: it shows as the first line of every extended instruction",
)];

/// Duplex classes: the groups of the low and the high half.
pub const DUPLEXES: [(&str, &str); 15] = [
    ("SL1", "SL1"),
    ("SL2", "SL1"),
    ("SL2", "SL2"),
    ("SA1", "SA1"),
    ("SL1", "SA1"),
    ("SL2", "SA1"),
    ("SS1", "SA1"),
    ("SS2", "SA1"),
    ("SS1", "SL1"),
    ("SS1", "SL2"),
    ("SS1", "SS1"),
    ("SS2", "SS1"),
    ("SS2", "SL1"),
    ("SS2", "SL2"),
    ("SS2", "SS2"),
];

/// Random bits in the operand fields. Of pairs and quads only the first register is named.
pub fn random_word(info: &InsnInfo, r: &mut Random) -> u32 {
    let free = if info.width == 13 { 0x1fff } else { !0xc000 };
    let mut word = info.value | r.next() & free & !info.mask & !info.dont_care;
    for (at, operand) in info.operands.iter().enumerate() {
        let aligned = match (operand.class, operand.numbering) {
            (_, Numbering::Pair8) => continue,
            (OperandClass::GprPair | OperandClass::SysPair, _) => !1,
            (OperandClass::VecQuad, _) => !3,
            _ => continue,
        };
        let field = get_field(info, at, word) & aligned;
        set_field(info, at, &mut word, field);
    }
    word
}

/// Puts `field` into the operand `at` of `word`.
pub fn set_field(info: &InsnInfo, at: usize, word: &mut u32, field: u32) {
    for run in info.operands[at].runs {
        let mask = !(u32::MAX << run.width);
        *word = *word & !(mask << run.lsb) | (field >> run.to & mask) << run.lsb;
    }
}

pub fn get_field(info: &InsnInfo, at: usize, word: u32) -> u32 {
    let runs = info.operands[at].runs;
    runs.iter().fold(0, |f, run| {
        f | (word >> run.lsb & !(u32::MAX << run.width)) << run.to
    })
}

/// `Pd = cmp.eq(…)`, for consumers of `Pd.new`.
pub fn compare(p: u32, r: &mut Random) -> u32 {
    let info = Opcode::C2_cmpeq.info();
    let mut word = random_word(info, r);
    set_field(info, info.operand("Pd").unwrap(), &mut word, p);
    word
}

/// An instruction whose result the new-value operand at distance 1 can take, and the operand's field.
pub fn producer(vector: bool, r: &mut Random) -> (u32, u32) {
    let scalar = [
        Opcode::A2_addi,
        Opcode::L2_loadri_io,
        Opcode::A2_add,
        Opcode::S2_asl_i_r,
        Opcode::L4_loadri_ur,
    ];
    let vectors = [
        Opcode::V6_vaddw,
        Opcode::V6_vaddw_dv,
        Opcode::V6_vshuff,
        Opcode::V6_vgathermw,
        Opcode::V6_vmpybv,
        Opcode::V6_vL32b_cur_ai,
    ];
    let op = *r.pick(if vector { &vectors } else { &scalar[..4] });
    let odd = matches!(op, Opcode::V6_vaddw_dv | Opcode::V6_vmpybv | Opcode::V6_vshuff) && r.coin();
    let word = random_word(op.info(), r);
    (word, 2 | u32::from(odd))
}

/// The predicates that `word` uses as `.new`.
pub fn new_predicates(info: &InsnInfo, word: u32) -> Vec<u32> {
    let mut used = Vec::new();
    if let Some(g) = info.guard
        && g.new
        && let GuardReg::Fixed(n) = g.reg
    {
        used.push(n.into());
    }
    for (at, o) in info.operands.iter().enumerate() {
        if o.new && o.class == OperandClass::Pred {
            used.push(get_field(info, at, word));
        }
    }
    used
}

/// A packet with `op` in it; not always a legal one.
pub fn random_packet(op: Opcode, halves: &BTreeMap<&str, Vec<Opcode>>, r: &mut Random) -> Vec<u32> {
    let info = op.info();
    let mut words = Vec::new();
    let mut word = random_word(info, r);
    let mut predicates = new_predicates(info, word);
    let mut extendable = info.ext;
    if info.width == 13 {
        let group = &info.name[..3];
        let fitting: Vec<usize> = (0..15)
            .filter(|n| DUPLEXES[*n].0 == group || DUPLEXES[*n].1 == group)
            .collect();
        let class = *r.pick(&fitting);
        let (low, high) = DUPLEXES[class];
        let is_low = low == group && (high != group || r.coin());
        let partner = r.pick(&halves[if is_low { high } else { low }]).info();
        let other = random_word(partner, r);
        predicates.extend(new_predicates(partner, other));
        if is_low {
            extendable = partner.ext;
            word |= other << 16;
        } else {
            word = word << 16 | other;
        }
        word |= (class as u32 >> 1) << 29 | (class as u32 & 1) << 13;
    }
    predicates.dedup();
    for p in predicates {
        words.push(compare(p, r));
    }
    if let Some(at) = info
        .operands
        .iter()
        .position(|o| o.numbering == Numbering::Distance)
    {
        let (producer, field) = producer(info.operands[at].class == OperandClass::Vec, r);
        set_field(info, at, &mut word, field);
        words.push(producer);
    }
    if extendable.is_some_and(|x| x.must || r.coin()) {
        words.push(r.next() & 0x0fff_3fff);
    }
    words.push(word);
    if let Some((partner, first)) = matrix_partner(info) {
        let at = if first { words.len() - 1 } else { words.len() };
        words.insert(at, random_word(partner, r));
    }
    mark(&mut words, info.width == 13);
    words
}

/// The load of the matrix unit that one of its loads needs in its packet, and whether it stands before it.
fn matrix_partner(info: &InsnInfo) -> Option<(&'static InsnInfo, bool)> {
    let (partner, first) = match info.class {
        InsnClass::HMX_ACT => (Opcode::M8_mxmem_wei_b, false),
        InsnClass::HMX_ACT_FP => (Opcode::M8_mxmem_wei_hf, false),
        InsnClass::HMX_WEI => (Opcode::M8_mxmem_sm_act_ub, true),
        InsnClass::HMX_WEI_FP => (Opcode::M8_mxmem_sm_act_hf, true),
        _ => return None,
    };
    Some((partner.info(), first))
}

/// Parse bits: more words follow, last word, or duplex.
pub fn mark(words: &mut [u32], duplex: bool) {
    let last = words.len() - 1;
    for (n, word) in words.iter_mut().enumerate() {
        *word = *word & !0xc000
            | if n < last {
                1 << 14
            } else if duplex {
                0
            } else {
                3 << 14
            };
    }
}

pub fn halves() -> BTreeMap<&'static str, Vec<Opcode>> {
    let mut halves: BTreeMap<&str, Vec<Opcode>> = BTreeMap::new();
    for op in Opcode::all().filter(|op| op.info().width == 13) {
        halves.entry(&op.info().name[..3]).or_default().push(op);
    }
    halves
}

/// Packets with every row of which `wanted` is true, as often as the rounds say.
pub fn all_rows(arch: Arch, wanted: impl Fn(&InsnInfo) -> bool) -> Vec<(Opcode, Packet)> {
    let mut r = Random::new(super::seed());
    let halves = halves();
    let mut packets = Vec::new();
    for op in Opcode::all().filter(|op| wanted(op.info())) {
        if NOT_IN_LLVM.iter().any(|(name, _)| *name == op.info().name) {
            continue;
        }
        let mut found = 0;
        let mut reasons = BTreeMap::new();
        for _ in 0..super::rounds() * 50 {
            let words = random_packet(op, &halves, &mut r);
            match decode_packet(&words, arch) {
                Ok(p) => {
                    assert!(
                        p.insns().iter().any(|i| i.op == op),
                        "{op}: {words:08x?} became {p:?}"
                    );
                    assert_eq!(p.raw(), words);
                    round_trip(&p, arch);
                    packets.push((op, p));
                    found += 1;
                }
                Err(e) => *reasons.entry(e.to_string()).or_insert(0) += 1,
            }
            if found == super::rounds() {
                break;
            }
        }
        assert!(found > 0, "{op}: no legal packet found: {reasons:?}");
    }
    packets
}

/// Assembling what was decoded gives the same words, and at least the same instructions where an extender makes the upper bits
/// of an immediate's field meaningless.
pub fn round_trip(p: &Packet, arch: Arch) {
    let words = assemble_packet(p.insns(), p.endloop, p.duplex).unwrap_or_else(|e| panic!("{e}: {p:?}"));
    if !p.insns().iter().any(|i| i.extended) {
        assert_eq!(p.raw(), words, "{p:?}");
    }
    assert_eq!(
        decode_packet(&words, arch).map(|q| q.insns().to_vec()).as_deref(),
        Ok(p.insns())
    );
}
