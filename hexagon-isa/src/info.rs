//! What is known about each instruction: the spec's rows in the form that the decoder, the printer, the assembler and the
//! emulator read at run time. The tables are generated from `spec/*.isa` by the build script.

use crate::arch::Arch;
pub use crate::vocabulary::info::{
    Ext, Feature, Flags, Guard, GuardReg, Implicit, Numbering, OperandClass, Role, Run,
};

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
        self.flags.any(Flags::BRANCH) || self.flags.any(Flags::CALL) || self.flags.any(Flags::RETURN)
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
