//! The specification in memory: what every generator (decoder, printer, assembler, meaning) reads.
//!
//! A spec file is line oriented. `//` starts a comment line. `@class NAME slots=23 [ns=A] [units=…]` sets what the
//! following lines share. Every other line is one instruction:
//!
//! ```text
//! L2_loadrh_io "Rd32 = memh(Rs32+#s11:1)" 1001_0ii1_010s_ssss_PPii_iiii_iiid_dddd ext(i) ld=2 { … }
//! ```
//!
//! * Name: the tag used by the manufacturer's manuals, LLVM and QEMU.
//! * Syntax: the assembler's text. Operands stand in it by their manual names. The second letter of a register operand
//!   is its letter in the encoding and says how it is used: `d`, `e` are written, `x`, `y` are read and written, all
//!   others are read. A doubled letter is a pair (four: a quad). The number behind is how many registers the field can
//!   name: `R…32`; `Rd16` is R0-R7,R16-R23; `Rdd8` the even pairs of those; `Rt8` is R0-R7. `Ns8.new`, `Nt8.new` and
//!   `Os8.new` name a register through the distance to its producer in the packet. Immediates are written as in the
//!   manuals: `#s11:1` is 11 bits, signed, shifted left by one; `u` is unsigned, `r` relative to the packet's address.
//!   The lower-case ones are the operand `Ii` (encoding letter `i`), the upper-case ones `II` (letter `I`).
//! * Encoding: 32 bits (13 for halves of duplexes), bit 31 first: `0`/`1` fixed, `-` ignored by the hardware and written
//!   as 0, `P` parse bits, letters operand bits, most significant first.
//! * Attributes, see [`Attributes`].
//! * The meaning between braces; it may go on over several lines. `{ }` means: not written yet.
//!
//! A line `@short NAME Rx=29 "allocframe(#u11:3)"` says how disassemblers write NAME when Rx is R29.

mod attributes;
mod encoding;
mod parse;
mod syntax;

pub use crate::vocabulary::info::{
    Ext, Feature, Flags, Guard, GuardReg, Implicit, Numbering, OperandClass, Role, Run,
};
pub use attributes::{Attributes, Namespace};
pub use encoding::{Encoding, Field};
pub use parse::{SpecError, load, parse};
pub use syntax::Piece;

/// Where in the spec files an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// File name as given to [`parse`].
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The whole instruction set, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spec {
    /// One entry an instruction.
    pub entries: Vec<Entry>,
}

impl Spec {
    /// The entry called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by(|e| e.name.as_str().cmp(name))
            .ok()?;
        self.entries.get(at)
    }
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its tag, for example `A2_addsat`.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// Its assembler text as written.
    pub text: String,
    /// The text cut into literal pieces and operands.
    pub syntax: Vec<Piece>,
    /// Its operands, in the order in which they first appear in the syntax.
    pub operands: Vec<Operand>,
    /// A shorter text used when certain operands have certain values.
    pub short: Option<Short>,
    /// The condition `if (…)` on a predicate register that the syntax starts with.
    pub guard: Option<Guard>,
    /// Its bits.
    pub encoding: Encoding,
    /// The class of the section it stands in, for example `ALU32_3op`.
    pub class: String,
    /// Bit n set: may execute in slot n (of V81).
    pub slots: u8,
    /// The vector pipes it occupies, as in the section's `units=`; empty for scalar instructions.
    pub units: String,
    /// The decode table it belongs to.
    pub namespace: Namespace,
    /// Everything else that is known about it.
    pub attributes: Attributes,
    /// What stands between the braces, trimmed; empty while nobody has written it.
    pub meaning: String,
    /// Where the meaning's first character stands: line and column, both from 1.
    pub meaning_at: (u32, u32),
}

/// A shorter way to write an instruction: `@short NAME Rx=29 "text"` behind the instruction's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// Operand index and the value it must have.
    pub when: Vec<(u8, i32)>,
    /// The text, with the instruction's own operands.
    pub syntax: Vec<Piece>,
}

/// One operand of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Name in the syntax and in the meaning, without the width suffix: `Rd`, `Rss`, `Ii`, `Nt`, `Pu`, `Vuu`, `Qv`.
    pub name: String,
    /// What it names.
    pub class: OperandClass,
    /// How it is used.
    pub role: Role,
    /// The operand is consumed as `.new` (the packet decoder resolves `Nt8`/`Os8` to the producer's register number).
    pub new: bool,
    /// Meaningful for [`OperandClass::Imm`]: the value is signed.
    pub signed: bool,
    /// Meaningful for immediates: how many bits the value is shifted left when it is not extended.
    pub scale: u8,
    /// How the field's number becomes the register's number.
    pub numbering: Numbering,
}
