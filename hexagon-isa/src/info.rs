//! What is known about each instruction: the spec's rows in the form that the decoder, the printer, the assembler and the
//! emulator read at run time. The tables are generated from `spec/*.isa` by the build script.

use crate::arch::Arch;

/// Which registers, or what kind of immediate, an operand names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperandClass {
    /// General register.
    Gpr,
    /// General register pair; the value is the even register's number.
    GprPair,
    /// Predicate register.
    Pred,
    /// Modifier register M0 or M1; the value is 0 or 1.
    Mod,
    /// Control register.
    Ctrl,
    /// Control register pair; the even register's number.
    CtrlPair,
    /// Guest register.
    Guest,
    /// Guest register pair; the even register's number.
    GuestPair,
    /// Supervisor register.
    Sys,
    /// Supervisor register pair; the even register's number.
    SysPair,
    /// HVX vector register.
    Vec,
    /// HVX vector pair. The value is the register that holds the low half; the other half is in the register whose number
    /// differs in bit 0. It is even, except for the reversed pairs of V67 and later (`v0:1`).
    VecPair,
    /// HVX vector quad; the lowest register's number, a multiple of four.
    VecQuad,
    /// HVX predicate register.
    VecPred,
    /// Immediate; the value is final: extended, scaled, sign or zero extended.
    Imm,
    /// Branch target as a byte offset from the packet's address.
    PcRel,
}

/// How an instruction uses an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Read only.
    Read,
    /// Written only.
    Write,
    /// Read and written.
    ReadWrite,
}

/// How a field's number becomes a register number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// The field is the number.
    Plain,
    /// Four bits: R0-R7, R16-R23.
    Sub16,
    /// Three bits: the even pairs of R0-R7 and R16-R23.
    Pair8,
    /// Three bits: distance to the producer (bits 2:1) and half of a pair (bit 0).
    Distance,
}

/// `width` bits of the word from bit `lsb` up are the field's bits from bit `to` up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// Lowest bit in the word.
    pub lsb: u8,
    /// Number of bits.
    pub width: u8,
    /// Lowest bit in the field.
    pub to: u8,
}

/// One operand of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperandInfo {
    /// Its manual name without the width: `Rd`, `Rss`, `Ii`, `Nt`.
    pub name: &'static str,
    /// What it names.
    pub class: OperandClass,
    /// How it is used.
    pub role: Role,
    /// It is consumed as `.new`.
    pub new: bool,
    /// Immediates: the value is signed.
    pub signed: bool,
    /// Immediates: how many bits the field is shifted left when it is not extended.
    pub scale: u8,
    /// How the field's number becomes the register's.
    pub numbering: Numbering,
    /// Bits of the field.
    pub width: u8,
    /// Where they are.
    pub runs: &'static [Run],
}

/// A piece of an instruction's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Copied as it is.
    Text(&'static str),
    /// The operand with this index.
    Operand(u8),
}

/// A shorter text for certain operand values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// Operand index and the value it must have.
    pub when: &'static [(u8, i32)],
    /// The text.
    pub pieces: &'static [Piece],
}

/// The predicate register of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardReg {
    /// The operand with this index.
    Operand(u8),
    /// This register.
    Fixed(u8),
}

/// `if ([!]P…[.new])` in front of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The predicate.
    pub reg: GuardReg,
    /// The instruction executes if the predicate's lowest bit has this value.
    pub sense: bool,
    /// Uses the value that the packet itself produces.
    pub new: bool,
}

/// What a constant extender in front does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext {
    /// Index of the operand that it widens to 32 bits.
    pub operand: u8,
    /// The instruction is not legal without it.
    pub must: bool,
}

/// The architecture extension that an instruction belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Audio instructions of the small cores.
    Audio,
    /// Arithmetic decoder.
    Cabac,
    /// HVX Z register.
    ZReg,
    /// HVX qfloat.
    QFloat,
    /// HVX IEEE floating point.
    IeeeFp,
    /// HVX floating point that either of the two has.
    HvxFp,
    /// Matrix unit.
    Hmx,
}

/// A register that an instruction reads or writes without naming it as an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, clippy::upper_case_acronyms)]
pub enum Implicit {
    P0,
    P1,
    P3,
    R29,
    R30,
    R31,
    PC,
    LC0,
    SA0,
    LC1,
    SA1,
    USR,
    GP,
    /// CS0 or CS1, as the modifier register says.
    CS,
    FRAMEKEY,
    FRAMELIMIT,
    /// What a gather leaves for a `vtmp.new` store.
    VTMP,
    CCR,
    GOSP,
    ELR,
    SGP0,
    SGP1,
}

/// Yes/no facts about an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub(crate) u32);

impl Flags {
    /// Jump: may change the program counter.
    pub const BRANCH: Flags = Flags(1);
    /// Call: branch that writes R31.
    pub const CALL: Flags = Flags(1 << 1);
    /// Branch to a return address that is loaded or in R31.
    pub const RETURN: Flags = Flags(1 << 2);
    /// Writes its predicate too late for `.new`.
    pub const LATE: Flags = Flags(1 << 3);
    /// Scalar floating point: reads the rounding mode and sets the sticky flags of USR.
    pub const FLOAT: Flags = Flags(1 << 4);
    /// May set USR.OVF.
    pub const OVERFLOW: Flags = Flags(1 << 5);
    /// Must be alone in its packet.
    pub const SOLO: Flags = Flags(1 << 6);
    /// May share its packet only with ALU32 and non-floating-point XTYPE instructions.
    pub const SOLO_AX: Flags = Flags(1 << 7);
    /// Slot 1 may only hold an ALU32 instruction beside it.
    pub const SLOT1_ALU: Flags = Flags(1 << 8);
    /// Slot 1 must not hold a store beside it.
    pub const NO_SLOT1_STORE: Flags = Flags(1 << 9);
    /// HVX instruction.
    pub const HVX: Flags = Flags(1 << 10);
    /// HVX load whose value is also usable in the same packet.
    pub const CUR: Flags = Flags(1 << 11);
    /// HVX load whose value is usable in the same packet only.
    pub const TMP: Flags = Flags(1 << 12);
    /// Branch with a hint whether it will be taken.
    pub const HINTED: Flags = Flags(1 << 13);
    /// The hint says taken.
    pub const HINT_TAKEN: Flags = Flags(1 << 14);

    /// One of `other`'s flags is set.
    #[must_use]
    pub const fn any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// Everything known about an instruction.
#[derive(Debug, Clone, Copy)]
pub struct InsnInfo {
    /// Its tag, for example `A2_addsat`.
    pub name: &'static str,
    /// Its text as the spec has it.
    pub syntax: &'static str,
    /// The text in pieces.
    pub pieces: &'static [Piece],
    /// Its operands, in the order in which they first appear in the text.
    pub operands: &'static [OperandInfo],
    /// Its class.
    pub class: InsnClass,
    /// Bit n set: may execute in slot n.
    pub slots: u8,
    /// The vector pipes it occupies; empty for scalar instructions.
    pub units: &'static str,
    /// The first version of the architecture that has it.
    pub arch: Arch,
    /// The extension it belongs to.
    pub feature: Option<Feature>,
    /// The immediate that a constant extender widens.
    pub ext: Option<Ext>,
    /// Reads memory, this many bytes (0: not a plain access).
    pub load: Option<u8>,
    /// Writes memory, this many bytes (0: not a plain access).
    pub store: Option<u8>,
    /// Yes/no facts.
    pub flags: Flags,
    /// Its condition.
    pub guard: Option<Guard>,
    /// Registers written that are not operands.
    pub defs: &'static [Implicit],
    /// Registers read that are not operands.
    pub uses: &'static [Implicit],
    /// What the word is when a constant extender stands in front.
    pub extended: Option<Opcode>,
    /// A shorter text for certain operand values.
    pub short: Option<&'static [Short; 1]>,
    /// 32, or 13 for half of a duplex.
    pub width: u8,
    /// Bits that are fixed.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// Bits that the hardware ignores.
    pub dont_care: u32,
}

impl InsnInfo {
    /// Changes the program counter: jump, call, return.
    #[must_use]
    pub const fn is_branch(&self) -> bool {
        self.flags
            .any(Flags(Flags::BRANCH.0 | Flags::CALL.0 | Flags::RETURN.0))
    }

    /// Reads or writes memory.
    #[must_use]
    pub const fn is_memory(&self) -> bool {
        self.load.is_some() || self.store.is_some()
    }

    /// The position of the operand called `name`.
    #[must_use]
    pub fn operand(&self, name: &str) -> Option<usize> {
        self.operands.iter().position(|o| o.name == name)
    }
}

impl Opcode {
    /// Everything known about it.
    #[must_use]
    // INFO has one entry for each opcode.
    #[allow(clippy::indexing_slicing)]
    pub fn info(self) -> &'static InsnInfo {
        &INFO[self as usize]
    }

    /// All opcodes, in order of their numbers.
    pub fn all() -> impl Iterator<Item = Opcode> {
        ALL.iter().copied()
    }

    /// The opcode with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Opcode> {
        let at = INFO.binary_search_by(|i| i.name.cmp(name)).ok()?;
        ALL.get(at).copied()
    }
}

impl std::fmt::Display for Opcode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.info().name)
    }
}

/// A decision tree over the bits of a word; `meta/src/tree.rs` describes the form.
pub(crate) struct Tree {
    pub(crate) refs: &'static [u16],
    pub(crate) leaves: &'static [Leaf],
}

/// A pattern to compare a word with.
pub(crate) struct Leaf {
    pub(crate) mask: u32,
    pub(crate) value: u32,
    pub(crate) op: Opcode,
    pub(crate) last: bool,
}

impl Tree {
    /// The instruction that `word` is.
    pub(crate) fn find(&self, word: u32) -> Option<Opcode> {
        let mut at = 0usize;
        let leaf = loop {
            let head = *self.refs.get(at)?;
            let window = (word >> (head & 0x1f)) & !(u32::MAX << (head >> 8));
            let next = *self.refs.get(at + 1 + window as usize)?;
            match next & 0x8000 {
                0 => at = usize::from(next),
                _ => break usize::from(next & 0x7fff),
            }
        };
        for l in self.leaves.get(leaf..)? {
            if word & l.mask == l.value {
                return Some(l.op);
            }
            if l.last {
                break;
            }
        }
        None
    }
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
