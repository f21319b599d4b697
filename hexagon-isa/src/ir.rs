//! Every instruction's meaning as typed static data: what a translator lowers to machine code. It is the same tree the
//! interpreter's functions were printed from, so the two cannot differ.
//!
//! An operand number is an index into the instruction's operands. All operand and register reads mean the state before
//! the packet except [`Kind::NewPred`] and operands that are consumed as `.new`. Memory is accessed before any register is
//! written, and a store comes last. What an instruction touches implicitly is in [`effects`](crate::interp::effects).

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Truth value.
    Bool,
    /// Two's complement integer: signed?, bits (8, 16, 32, 64 or 128).
    Int(bool, u8),
    /// IEEE number in a register: bits (32 or 64).
    Float(u8),
    /// Element of a qfloat vector with its hidden bits: visible bits (16 or 32).
    Qf(u8),
    /// A whole HVX vector.
    Vec,
    /// A whole HVX vector pair.
    VecPair,
}

/// A register that the text names itself, not through an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fixed {
    /// General register by number.
    Gpr(u8),
    /// Predicate by number.
    Pred(u8),
    /// Control register by number.
    Ctl(u8),
}

/// Prefix operations. The result has the operand's type unless stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    /// Wrapping negation; sign flip for floats.
    Neg,
    /// Bitwise not; logical not for `bool`.
    Not,
    /// Wrapping absolute value; sign clear for floats.
    Abs,
    /// Leading zeros, `u32`.
    Clz,
    /// Trailing zeros, `u32`.
    Ctz,
    /// Ones, `u32`.
    Popcount,
    /// Bits in reverse order.
    BitReverse,
    /// Bytes in reverse order.
    ByteSwap,
}

/// Infix operations on two values of one type (a shift amount is `u32`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// Wrapping addition; IEEE addition for floats.
    Add,
    /// Wrapping subtraction; IEEE subtraction for floats.
    Sub,
    /// Wrapping multiplication; IEEE multiplication for floats.
    Mul,
    /// Remainder by a constant power of two.
    Rem,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Left shift; an amount of the width or more gives 0.
    Shl,
    /// Right shift, arithmetic for signed types; an amount of the width or more gives 0 or the sign.
    Shr,
    /// The smaller.
    Min,
    /// The larger.
    Max,
}

/// Comparisons; result `bool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// A typed expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expr {
    /// Type of its value.
    pub ty: Type,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Literal.
    Const(i128),
    /// Operand as the packet found it (immediates: their value).
    Operand(usize),
    /// Named register as the packet found it.
    Fixed(Fixed),
    /// Predicate as this packet's writers have left it so far.
    NewPred(u8),
    /// Address of the packet.
    Pc,
    /// Address of the packet behind it.
    NextPc,
    /// Control register CS0 or CS1 that belongs to a modifier operand.
    CircularStart(usize),
    /// Local variable.
    Local(usize),
    /// Index of the running lane, `u32`.
    Lane,
    /// Prefix operation.
    Unary(Unary, &'static Expr),
    /// Infix operation.
    Binary(Binary, &'static Expr, &'static Expr),
    /// Comparison.
    Compare(Compare, &'static Expr, &'static Expr),
    /// Both are evaluated.
    BoolAnd(&'static Expr, &'static Expr),
    /// Both are evaluated.
    BoolOr(&'static Expr, &'static Expr),
    /// Conversion to the type of the expression: truncation or extension by the operand's signedness, int to float and
    /// back with USR's rounding, `bool` to 0/1, reinterpretation between integers of one width.
    Cast(&'static Expr),
    /// The same bits as another type of the same width.
    Bits(&'static Expr),
    /// Saturation to the type of the expression (`bits` of it); sets USR.OVF if `sticky`.
    Saturate {
        /// What is saturated.
        value: &'static Expr,
        /// Set USR.OVF when it saturates.
        sticky: bool,
    },
    /// `if` as a value; only the chosen side loads and sets flags.
    Select(&'static Expr, &'static Expr, &'static Expr),
    /// Memory load of the expression's type.
    Load(&'static Expr),
    /// Whole-vector load; the address' low 7 bits are ignored if `aligned`.
    LoadVec {
        /// Address.
        ea: &'static Expr,
        /// Ignore low bits.
        aligned: bool,
    },
    /// Element of a vector operand: of the whole operand, pairs counted through; of the expression's type. Out-of-range
    /// elements read 0.
    Element(usize, &'static Expr),
    /// One vector of a pair operand: 0 low, 1 high.
    Half(usize, u8),
    /// Builtin function: `interp::builtins` has a Rust function of that name.
    Call(&'static str, &'static [Expr]),
}

/// A typed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stmt {
    /// Sets a local variable.
    Set(usize, Expr),
    /// Writes a whole register operand.
    Write(usize, Expr),
    /// Writes a named register.
    WriteFixed(Fixed, Expr),
    /// Writes an element of a vector operand (pairs counted through).
    WriteElement(usize, Expr, Expr),
    /// Writes one vector of a pair.
    WriteHalf(usize, u8, Expr),
    /// Condition.
    If(Expr, &'static [Stmt], &'static [Stmt]),
    /// Runs the body for every lane.
    Lanes(u32, &'static [Stmt]),
    /// Memory store: address, value.
    Store(Expr, Expr),
    /// Whole-vector store: address, value, ignore low address bits. A new-value operand that is [`crate::Insn::VTMP`] means what
    /// the packet's gather loaded, and only those bytes are stored.
    StoreVec(Expr, Expr, bool),
    /// Goes to an address when the packet ends, unless an earlier branch of the packet did.
    Jump(Expr),
    /// Builtin called for what it does.
    Call(&'static str, &'static [Expr]),
}

/// The checked meaning of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// Types of the local variables.
    pub locals: &'static [Type],
    /// What it does.
    pub body: &'static [Stmt],
}

/// The meaning of an instruction; `None` if it has none yet.
pub fn meaning(op: crate::Opcode) -> Option<&'static Meaning> {
    MEANINGS.get(op as usize)?.as_ref()
}

include!(concat!(env!("OUT_DIR"), "/meanings.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_functions_cover_the_same_instructions() {
        for op in crate::Opcode::all() {
            assert_eq!(
                meaning(op).is_some(),
                crate::interp::effects(op).is_some(),
                "{op:?}"
            );
        }
    }

    #[test]
    fn a_meaning_is_a_typed_tree() {
        let m = meaning(crate::Opcode::A2_addsat).unwrap();
        let [Stmt::Write(0, e)] = m.body else {
            panic!("{m:?}")
        };
        assert_eq!(e.ty, Type::Int(true, 32));
        assert!(matches!(e.kind, Kind::Saturate { sticky: true, .. }));
    }
}
