// What a row of the specification says about an instruction. Compiled here and, as text, in hexagon-isa.

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

impl OperandClass {
    /// A register of the vector unit.
    #[must_use]
    pub const fn is_vector(self) -> bool {
        matches!(self, Self::Vec | Self::VecPair | Self::VecQuad | Self::VecPred)
    }
}

/// How an instruction uses an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Read only.
    Read,
    /// Written only.
    Write,
    /// Read and written (accumulators, addresses that are incremented).
    ReadWrite,
}

/// How a field's number becomes a register number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// The field is the number; also all immediates.
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

/// The predicate register of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuardReg {
    /// The operand with this index.
    Operand(u8),
    /// This register.
    Fixed(u8),
}

/// `if ([!]P…[.new])` in front of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guard {
    /// The predicate.
    pub reg: GuardReg,
    /// The instruction executes if the predicate's lowest bit has this value.
    pub sense: bool,
    /// Uses the value that the packet itself produces.
    pub new: bool,
}

/// What a constant extender in front does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[allow(clippy::upper_case_acronyms)]
pub enum Implicit {
    /// Predicate 0.
    P0,
    /// Predicate 1.
    P1,
    /// Predicate 3.
    P3,
    /// The stack pointer.
    R29,
    /// The frame pointer.
    R30,
    /// The link register.
    R31,
    /// The program counter.
    PC,
    /// Count of the inner loop.
    LC0,
    /// Start of the inner loop.
    SA0,
    /// Count of the outer loop.
    LC1,
    /// Start of the outer loop.
    SA1,
    /// The user status register.
    USR,
    /// The global pointer.
    GP,
    /// CS0 or CS1, as the modifier register says.
    CS,
    /// What a saved return address is mixed with.
    FRAMEKEY,
    /// The lowest address that a stack frame may reach.
    FRAMELIMIT,
    /// What a gather leaves for a `vtmp.new` store.
    VTMP,
    /// Supervisor: the cache configuration register.
    CCR,
    /// Guest: the other stack pointer.
    GOSP,
    /// Supervisor: the exception link register.
    ELR,
    /// Supervisor: general pointer 0.
    SGP0,
    /// Supervisor: general pointer 1.
    SGP1,
}

impl Implicit {
    /// All of them.
    pub const ALL: [Implicit; 22] = [
        Self::P0,
        Self::P1,
        Self::P3,
        Self::R29,
        Self::R30,
        Self::R31,
        Self::PC,
        Self::LC0,
        Self::SA0,
        Self::LC1,
        Self::SA1,
        Self::USR,
        Self::GP,
        Self::CS,
        Self::FRAMEKEY,
        Self::FRAMELIMIT,
        Self::VTMP,
        Self::CCR,
        Self::GOSP,
        Self::ELR,
        Self::SGP0,
        Self::SGP1,
    ];
}

/// Yes/no facts about an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
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
    /// HVX load or copy whose value is usable in the same packet only.
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

impl std::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        *self = *self | other;
    }
}
