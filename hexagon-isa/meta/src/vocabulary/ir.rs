// The typed form of meanings. Compiled here and, as text, in hexagon-isa.

use super::builtins::Builtin;

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

    /// Bits of a value of this type, hidden ones not counted.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Type::Bool => 1,
            Type::Int(_, n) | Type::Float(n) | Type::Qf(n) => n as u32,
            Type::Vec => 1024,
            Type::VecPair => 2048,
        }
    }

    /// A signed integer.
    #[must_use]
    pub const fn signed(self) -> bool {
        matches!(self, Type::Int(true, _))
    }

    /// Least and greatest value of an integer type of 64 bits at most; `None` for other types.
    #[must_use]
    pub const fn bounds(self) -> Option<(i128, i128)> {
        match self {
            Type::Int(true, n @ ..=64) => Some((-(1 << (n - 1)), (1 << (n - 1)) - 1)),
            Type::Int(false, n @ ..=64) => Some((0, (1 << n) - 1)),
            _ => None,
        }
    }

    /// An integer.
    #[must_use]
    pub const fn is_int(self) -> bool {
        matches!(self, Type::Int(..))
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

/// Infix operations on two values of one type (a shift amount is `u32`). On floats they are [builtins](Binary::float_builtin).
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

impl Binary {
    /// The builtin behind an operation on floats; `None` for other types, and for what no instruction does.
    #[must_use]
    pub const fn float_builtin(self, ty: Type) -> Option<Builtin> {
        match (ty, self) {
            (Type::Float(32), Binary::Add) => Some(Builtin::sf_add),
            (Type::Float(32), Binary::Sub) => Some(Builtin::sf_sub),
            (Type::Float(32), Binary::Mul) => Some(Builtin::sf_mul),
            (Type::Float(64), Binary::Add) => Some(Builtin::df_add),
            (Type::Float(64), Binary::Sub) => Some(Builtin::df_sub),
            _ => None,
        }
    }
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
    /// A truth value as a predicate holds it: all bits of the expression's (integer) type set, or none.
    Mask(&'static Expr),
    /// The lowest bit of an integer, which is how a predicate is asked; `bool`.
    Lsb(&'static Expr),
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
    /// Builtin function.
    Call(Builtin, &'static [Expr]),
}

impl Expr {
    /// The expressions that it is made of.
    pub fn children(&self) -> impl Iterator<Item = &'static Expr> + use<> {
        let (some, all): ([Option<&'static Expr>; 3], &'static [Expr]) = match self.kind {
            Kind::Unary(_, a)
            | Kind::Mask(a)
            | Kind::Lsb(a)
            | Kind::Cast(a)
            | Kind::Bits(a)
            | Kind::Saturate { value: a, .. }
            | Kind::Load(a)
            | Kind::LoadVec { ea: a, .. }
            | Kind::Element(_, a) => ([Some(a), None, None], &[]),
            Kind::Binary(_, a, b) | Kind::Compare(_, a, b) | Kind::BoolAnd(a, b) | Kind::BoolOr(a, b) => {
                ([Some(a), Some(b), None], &[])
            }
            Kind::Select(a, b, c) => ([Some(a), Some(b), Some(c)], &[]),
            Kind::Call(_, args) => ([None; 3], args),
            Kind::Const(_)
            | Kind::Operand(_)
            | Kind::Fixed(_)
            | Kind::NewPred(_)
            | Kind::Pc
            | Kind::NextPc
            | Kind::CircularStart(_)
            | Kind::Local(_)
            | Kind::Lane
            | Kind::Half(..) => ([None; 3], &[]),
        };
        some.into_iter().flatten().chain(all)
    }

    /// As an index of an element: (`c`, `k`) if it is `c * i + k` with the running lane's index `i`.
    #[must_use]
    pub fn stride(&self) -> Option<(u32, u32)> {
        let constant = |e: &Expr| match e.kind {
            Kind::Const(v) => u32::try_from(v).ok(),
            _ => None,
        };
        match self.kind {
            Kind::Lane => Some((1, 0)),
            Kind::Binary(Binary::Mul, a, b) => match (a.kind, b.kind) {
                (Kind::Lane, _) => Some((constant(b)?, 0)),
                (_, Kind::Lane) => Some((constant(a)?, 0)),
                _ => None,
            },
            Kind::Binary(Binary::Add, a, b) => {
                let ((c, k), more) = match (a.stride(), constant(b)) {
                    (Some(place), Some(more)) => (place, more),
                    _ => (b.stride()?, constant(a)?),
                };
                Some((c, k.checked_add(more)?))
            }
            _ => None,
        }
    }

    /// Calls `f` for it and every expression inside.
    pub fn visit(&self, f: &mut dyn FnMut(&Expr)) {
        f(self);
        for c in self.children() {
            c.visit(f);
        }
    }
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
    /// Writes an element of a vector operand (pairs counted through): operand, index, value.
    WriteElement(usize, Expr, Expr),
    /// Writes one vector of a pair.
    WriteHalf(usize, u8, Expr),
    /// Condition.
    If(Expr, &'static [Stmt], &'static [Stmt]),
    /// Runs the body for every lane.
    Lanes(u32, &'static [Stmt]),
    /// Memory store: address, value.
    Store(Expr, Expr),
    /// Whole-vector store: address, value, ignore low address bits. A new-value operand whose value is that of a gather
    /// means what the packet's gather loaded, and only those bytes are stored.
    StoreVec(Expr, Expr, bool),
    /// Goes to an address when the packet ends, unless an earlier branch of the packet did.
    Jump(Expr),
    /// Builtin called for what it does.
    Call(Builtin, &'static [Expr]),
}

impl Stmt {
    /// Calls `s` for it and every statement inside, `e` for every expression inside.
    pub fn visit(&self, s: &mut dyn FnMut(&Stmt), e: &mut dyn FnMut(&Expr)) {
        s(self);
        match self {
            Stmt::Set(_, a)
            | Stmt::Write(_, a)
            | Stmt::WriteFixed(_, a)
            | Stmt::WriteHalf(_, _, a)
            | Stmt::Jump(a) => a.visit(e),
            Stmt::WriteElement(_, a, b) | Stmt::Store(a, b) | Stmt::StoreVec(a, b, _) => {
                a.visit(e);
                b.visit(e);
            }
            Stmt::If(c, a, b) => {
                c.visit(e);
                for x in a.iter().chain(*b) {
                    x.visit(s, e);
                }
            }
            Stmt::Lanes(_, body) => {
                for x in *body {
                    x.visit(s, e);
                }
            }
            Stmt::Call(_, args) => {
                for a in *args {
                    a.visit(e);
                }
            }
        }
    }
}

/// The checked meaning of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// Types of the local variables.
    pub locals: &'static [Type],
    /// What it does.
    pub body: &'static [Stmt],
}

impl Meaning {
    /// Calls `f` for every expression, inner ones included.
    pub fn visit(&self, f: &mut dyn FnMut(&Expr)) {
        for s in self.body {
            s.visit(&mut |_| (), f);
        }
    }

    /// Calls `f` for every statement, inner ones included.
    pub fn visit_stmts(&self, f: &mut dyn FnMut(&Stmt)) {
        for s in self.body {
            s.visit(f, &mut |_| ());
        }
    }
}
