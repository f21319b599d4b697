//! Where a peer is not to be believed: by instruction, with the reason and the versions of QEMU that it is about.

use hexagon_isa::info::{OperandClass, Role};
use hexagon_isa::{Insn, Opcode, ir};

/// What a peer does with an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It stops or does not know the instruction.
    Stops,
    /// It computes something else than the architecture says.
    Wrong,
}

/// One entry.
#[derive(Debug, Clone, Copy)]
pub struct PeerFault {
    /// The instruction's name; a `*` at the end stands for anything.
    pub insn: &'static str,
    /// What happens.
    pub fault: Fault,
    /// Major versions of QEMU it was seen on.
    pub versions: &'static [u32],
    /// Why our answer is right.
    pub reason: &'static str,
}

/// Not a name: a compare-and-jump whose predicate another instruction of the packet writes too.
const COMPOUND_BESIDE_WRITER: &str = "J4_…_jump beside another writer of its predicate";

const fn stops(versions: &'static [u32], insn: &'static str, reason: &'static str) -> PeerFault {
    PeerFault {
        insn,
        fault: Fault::Stops,
        versions,
        reason,
    }
}

const fn wrong(versions: &'static [u32], insn: &'static str, reason: &'static str) -> PeerFault {
    PeerFault {
        insn,
        fault: Fault::Wrong,
        versions,
        reason,
    }
}

const CUTS: &str = "cuts a denormal result off instead of rounding it to nearest; right from 11 on";
const LEAVES: &str = "leaves the address register as it was";
const ANY_BIT: &str = "takes any bit of the new predicate for true, not the lowest; right from 11 on";
const NO_EFFECT: &str = "not known; it does nothing that a program sees";

/// The table.
#[rustfmt::skip]
pub const PEER_FAULTS: &[PeerFault] = &[
    wrong(&[10],     "F2_sffms_lib",         CUTS),
    wrong(&[10],     "F2_sffma_lib",         CUTS),
    wrong(&[10, 11], "V6_vS32b_srls_ppu",    LEAVES),
    wrong(&[10, 11], "V6_vS32b_srls_pi",     LEAVES),
    stops(&[10, 11], "dep_*",                "deprecated encodings are not known"),
    wrong(&[10],     "J2_jumptnew*",         ANY_BIT),
    wrong(&[10],     COMPOUND_BESIDE_WRITER, ANY_BIT),
    stops(&[10, 11], "J2_unpause",           "decoded and then not translated"),
    stops(&[10, 11], "Y4_trace",             NO_EFFECT),
    stops(&[10, 11], "Y6_diag*",             NO_EFFECT),
];

/// Whether a peer's last words say that it cannot translate the program at all, which tells nothing about what the program does:
/// the translation of some small loops of wide vector instructions does not fit QEMU 11's buffer, and it asserts.
#[must_use]
pub fn gave_up(why: &str) -> bool {
    why.contains("tb_gen_code: Assertion")
}

/// Whether a packet has something in it that this version of QEMU does wrong.
#[must_use]
pub fn packet_fault(insns: &[Insn], major: u32) -> bool {
    let compound = PEER_FAULTS
        .iter()
        .any(|f| f.insn == COMPOUND_BESIDE_WRITER && f.versions.contains(&major));
    insns.iter().any(|i| peer_fault(i.op, major).is_some()) || compound && beside_writer(insns)
}

fn beside_writer(insns: &[Insn]) -> bool {
    let written = |i: &Insn| {
        let named = i.info().operands.iter().zip(i.v);
        named
            .filter(|(o, _)| o.role != Role::Read && o.class == OperandClass::Pred)
            .fold(ir::effects(i.op).map_or(0, |f| f.writes_pred), |m, (_, v)| {
                m | 1 << v
            })
    };
    insns.iter().enumerate().any(|(n, i)| {
        let own = ir::effects(i.op).map_or(0, |f| if f.jump { f.writes_pred } else { 0 });
        let others = insns.iter().enumerate().filter(|(k, _)| *k != n);
        others.fold(0, |m, (_, o)| m | written(o)) & own != 0
    })
}

/// The entry about `op` in this version of QEMU.
#[must_use]
pub fn peer_fault(op: Opcode, major: u32) -> Option<&'static PeerFault> {
    let name = op.info().name;
    PEER_FAULTS.iter().find(|f| {
        f.versions.contains(&major)
            && match f.insn.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == f.insn,
            }
    })
}
