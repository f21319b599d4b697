//! The typed intermediate form that the checker produces and every generator reads.
//!
//! It is small on purpose: subfields have become extract and insert, `for` is unrolled, compound assignment is spelled out,
//! literals have types. `hexagon_isa::ir` is the same tree as static data; [`data`](super::data) prints it.

use super::builtins::{self, Needs};

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

/// Shorthands for the common types.
impl Type {
    /// `i32`
    pub const I32: Type = Type::Int(true, 32);
    /// `u32`
    pub const U32: Type = Type::Int(false, 32);
    /// `i64`
    pub const I64: Type = Type::Int(true, 64);
    /// `u64`
    pub const U64: Type = Type::Int(false, 64);
    /// `u8`
    pub const U8: Type = Type::Int(false, 8);

    /// Type named as in the language (`u8` … `i128`, `f32`, `f64`, `bool`).
    pub fn named(name: &str) -> Option<Type> {
        Some(match name {
            "bool" => Type::Bool,
            "u8" => Type::Int(false, 8),
            "i8" => Type::Int(true, 8),
            "u16" => Type::Int(false, 16),
            "i16" => Type::Int(true, 16),
            "u32" => Type::U32,
            "i32" => Type::I32,
            "u64" => Type::U64,
            "i64" => Type::I64,
            "u128" => Type::Int(false, 128),
            "i128" => Type::Int(true, 128),
            "f32" => Type::Float(32),
            "f64" => Type::Float(64),
            _ => return None,
        })
    }

    /// Element type of a lane or subfield suffix (`b ub h uh w uw d ud sf df qf16 qf32`).
    pub fn element(suffix: &str) -> Option<Type> {
        Some(match suffix {
            "b" => Type::Int(true, 8),
            "ub" => Type::Int(false, 8),
            "h" => Type::Int(true, 16),
            "uh" => Type::Int(false, 16),
            "w" => Type::Int(true, 32),
            "uw" => Type::Int(false, 32),
            "d" => Type::Int(true, 64),
            "ud" => Type::Int(false, 64),
            "sf" => Type::Float(32),
            "df" => Type::Float(64),
            "qf16" => Type::Qf(16),
            "qf32" => Type::Qf(32),
            _ => return None,
        })
    }

    /// Bits of a value of this type, hidden ones not counted.
    pub fn bits(self) -> u32 {
        match self {
            Type::Bool => 1,
            Type::Int(_, n) | Type::Float(n) | Type::Qf(n) => u32::from(n),
            Type::Vec => 1024,
            Type::VecPair => 2048,
        }
    }

    /// Whether it is a signed integer.
    pub fn signed(self) -> bool {
        matches!(self, Type::Int(true, _))
    }

    /// Whether it is an integer.
    pub fn is_int(self) -> bool {
        matches!(self, Type::Int(..))
    }

    /// The language's name of the type, which is also Rust's (but for qfloat).
    pub fn name(self) -> String {
        match self {
            Type::Bool => "bool".into(),
            Type::Int(s, n) => format!("{}{n}", if s { 'i' } else { 'u' }),
            Type::Float(n) => format!("f{n}"),
            Type::Qf(n) => format!("qf{n}"),
            Type::Vec => "vector".into(),
            Type::VecPair => "vector pair".into(),
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// Type of its value.
    pub ty: Type,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of expression.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    Unary(Unary, Box<Expr>),
    /// Infix operation.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// Comparison.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// Both are evaluated.
    BoolAnd(Box<Expr>, Box<Expr>),
    /// Both are evaluated.
    BoolOr(Box<Expr>, Box<Expr>),
    /// Conversion to the type of the expression: truncation or extension by the operand's signedness, int to float and
    /// back with USR's rounding, `bool` to 0/1, reinterpretation between integers of one width.
    Cast(Box<Expr>),
    /// The same bits as another type of the same width.
    Bits(Box<Expr>),
    /// Saturation to the type of the expression (`bits` of it); sets USR.OVF if `sticky`.
    Saturate {
        /// What is saturated.
        value: Box<Expr>,
        /// Set USR.OVF when it saturates.
        sticky: bool,
    },
    /// `if` as a value; only the chosen side loads and sets flags.
    Select(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Memory load of the expression's type.
    Load(Box<Expr>),
    /// Whole-vector load; the address' low 7 bits are ignored if `aligned`.
    LoadVec {
        /// Address.
        ea: Box<Expr>,
        /// Ignore low bits.
        aligned: bool,
    },
    /// Element of a vector operand: of the whole operand, pairs counted through; of the expression's type. Out-of-range
    /// elements read 0.
    Element(usize, Box<Expr>),
    /// One vector of a pair operand: 0 low, 1 high.
    Half(usize, u8),
    /// Builtin function.
    Call(&'static str, Vec<Expr>),
}

/// A typed statement.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// Runs the body for every lane.
    Lanes(u32, Vec<Stmt>),
    /// Memory store: address, value.
    Store(Expr, Expr),
    /// Whole-vector store: address, value, ignore low address bits.
    StoreVec(Expr, Expr, bool),
    /// Goes to an address when the packet ends, unless an earlier branch of the packet did.
    Jump(Expr),
    /// Builtin called for what it does.
    Call(&'static str, Vec<Expr>),
}

/// The checked meaning of an instruction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meaning {
    /// Types of the local variables.
    pub locals: Vec<Type>,
    /// What it does.
    pub body: Vec<Stmt>,
}

impl Meaning {
    /// Calls `f` for every expression, inner ones included.
    pub fn visit(&self, f: &mut impl FnMut(&Expr)) {
        for s in &self.body {
            s.visit(&mut |_| (), f);
        }
    }

    /// Whether an expression calls a builtin that needs this.
    pub fn calls(&self, needs: Needs) -> bool {
        let mut found = false;
        self.visit(&mut |e| {
            found |= matches!(&e.kind, Kind::Call(name, _) if builtins::find(name).is_some_and(|b| b.needs == needs));
        });
        found
    }

    /// Calls `f` for every statement, inner ones included.
    pub fn visit_stmts(&self, f: &mut impl FnMut(&Stmt)) {
        for s in &self.body {
            s.visit(f, &mut |_| ());
        }
    }
}

impl Expr {
    /// Operands of the expression.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Unary(_, a) | Kind::Cast(a) | Kind::Bits(a) | Kind::Load(a) | Kind::Element(_, a) => {
                vec![a]
            }
            Kind::Saturate { value: a, .. } | Kind::LoadVec { ea: a, .. } => vec![a],
            Kind::Binary(_, a, b) | Kind::Compare(_, a, b) | Kind::BoolAnd(a, b) | Kind::BoolOr(a, b) => {
                vec![a, b]
            }
            Kind::Select(a, b, c) => vec![a, b, c],
            Kind::Call(_, args) => args.iter().collect(),
            _ => Vec::new(),
        }
    }

    fn visit(&self, f: &mut impl FnMut(&Expr)) {
        f(self);
        for c in self.children() {
            c.visit(f);
        }
    }
}

impl Stmt {
    fn visit(&self, s: &mut impl FnMut(&Stmt), f: &mut impl FnMut(&Expr)) {
        s(self);
        match self {
            Stmt::Set(_, e)
            | Stmt::Write(_, e)
            | Stmt::WriteFixed(_, e)
            | Stmt::WriteHalf(_, _, e)
            | Stmt::Jump(e) => e.visit(f),
            Stmt::WriteElement(_, a, b) | Stmt::Store(a, b) | Stmt::StoreVec(a, b, _) => {
                a.visit(f);
                b.visit(f);
            }
            Stmt::If(c, a, b) => {
                c.visit(f);
                for x in a.iter().chain(b) {
                    x.visit(s, f);
                }
            }
            Stmt::Lanes(_, body) => {
                for x in body {
                    x.visit(s, f);
                }
            }
            Stmt::Call(_, args) => {
                for a in args {
                    a.visit(f);
                }
            }
        }
    }
}
