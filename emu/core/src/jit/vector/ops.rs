//! What the vector instructions of a packet come to: operations on whole vectors, each of which is a host instruction or a few.

/// Bits of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jit) enum Width {
    /// 8
    B,
    /// 16
    H,
    /// 32
    W,
    /// 64
    D,
}

impl Width {
    /// The width of so many bits, if there is one.
    pub(super) fn of(bits: u32) -> Option<Self> {
        Some(match bits {
            8 => Width::B,
            16 => Width::H,
            32 => Width::W,
            64 => Width::D,
            _ => return None,
        })
    }

    /// Bits of a lane.
    pub(super) fn bits(self) -> u32 {
        match self {
            Width::B => 8,
            Width::H => 16,
            Width::W => 32,
            Width::D => 64,
        }
    }
}

/// The result of an operation, by its place among them.
pub(in crate::jit) type Value = usize;

/// An operation with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    /// Wrapping.
    Abs,
    /// Leading zeros.
    Clz,
    Popcount,
    /// A copy, so that a register has a value of its own.
    Copy,
}

/// An operation with two operands, lane by lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Sub,
    /// The low half of the product.
    Mul,
    And,
    Or,
    Xor,
    /// Signed ones and unsigned ones.
    MinS,
    MinU,
    MaxS,
    MaxU,
    AddSatS,
    AddSatU,
    SubSatS,
    SubSatU,
    /// `(a + b + 1) >> 1`
    AverageU,
    /// Shifts by amounts of their own; the width or more gives 0 or the sign.
    Shl,
    ShrS,
    ShrU,
    /// For each lane of 32 bits the sum of the products of its two signed halves.
    MulAdd,
}

/// A shift of all lanes by one amount below the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shift {
    Left,
    Signed,
    Unsigned,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Eq,
    Ne,
    LtS,
    LeS,
    LtU,
    LeU,
}

/// An operation. Predicates are vectors of bytes that are 0 or all ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jit) enum Op {
    /// A vector register as the packet found it.
    Register(u8),
    /// A vector predicate as the packet found it.
    Predicate(u8),
    /// The vector at the address that is this argument.
    Load(usize),
    /// This argument in every lane.
    Splat(Width, usize),
    /// What lies at this offset of the registers in every lane.
    SplatRegister(Width, usize),
    /// A constant in every lane.
    Constant(Width, u64),
    /// A constant vector.
    Table([u8; 128]),
    Unary(Unary, Width, Value),
    Binary(Binary, Width, Value, Value),
    Shift(Shift, Width, Value, u8),
    /// All ones in the lanes where it holds, 0 elsewhere.
    Compare(Compare, Width, Value, Value),
    /// Bits of the second where the first has ones, else of the third.
    Select(Value, Value, Value),
    /// The first, plus the sum of the products of the four unsigned bytes of a word of the second and the signed ones of the third.
    Dot(Value, Value, Value),
    /// For each lane the second's lane with the number that the first has there, modulo how many there are.
    Gather(Width, Value, Value),
    /// To the address that is this argument.
    Store(usize, Value),
    /// What a vector register is behind the packet.
    SetRegister(u8, Value),
    /// The same of a vector predicate.
    SetPredicate(u8, Value),
}

impl Op {
    /// What it works on.
    pub(super) fn operands(self) -> impl Iterator<Item = Value> {
        let all = match self {
            Op::Register(_)
            | Op::Predicate(_)
            | Op::Load(_)
            | Op::Splat(..)
            | Op::SplatRegister(..)
            | Op::Constant(..)
            | Op::Table(_) => [None, None, None],
            Op::Unary(_, _, a)
            | Op::Shift(_, _, a, _)
            | Op::Store(_, a)
            | Op::SetRegister(_, a)
            | Op::SetPredicate(_, a) => [Some(a), None, None],
            Op::Binary(_, _, a, b) | Op::Compare(_, _, a, b) | Op::Gather(_, a, b) => {
                [Some(a), Some(b), None]
            }
            Op::Select(a, b, c) | Op::Dot(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        all.into_iter().flatten()
    }

    /// It is done for what it does, not for a value.
    pub(super) fn effect(self) -> bool {
        matches!(self, Op::Store(..) | Op::SetRegister(..) | Op::SetPredicate(..))
    }

    /// The same with other operands and arguments.
    pub(super) fn map(self, value: impl Fn(Value) -> Value, argument: impl Fn(usize) -> usize) -> Op {
        match self {
            Op::Register(_) | Op::Predicate(_) | Op::SplatRegister(..) | Op::Constant(..) | Op::Table(_) => {
                self
            }
            Op::Load(at) => Op::Load(argument(at)),
            Op::Splat(w, at) => Op::Splat(w, argument(at)),
            Op::Unary(op, w, a) => Op::Unary(op, w, value(a)),
            Op::Binary(op, w, a, b) => Op::Binary(op, w, value(a), value(b)),
            Op::Shift(op, w, a, by) => Op::Shift(op, w, value(a), by),
            Op::Compare(op, w, a, b) => Op::Compare(op, w, value(a), value(b)),
            Op::Select(a, b, c) => Op::Select(value(a), value(b), value(c)),
            Op::Dot(a, b, c) => Op::Dot(value(a), value(b), value(c)),
            Op::Gather(w, a, b) => Op::Gather(w, value(a), value(b)),
            Op::Store(at, a) => Op::Store(argument(at), value(a)),
            Op::SetRegister(n, a) => Op::SetRegister(n, value(a)),
            Op::SetPredicate(n, a) => Op::SetPredicate(n, value(a)),
        }
    }
}
