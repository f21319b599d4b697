//! What the parser builds: the text's structure, before names and types are known.

/// An expression with the column it begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Column in its file.
    pub col: u32,
}

/// Kinds of expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExprKind {
    /// Integer literal.
    Int(i128),
    /// Operand, register, local or loop variable.
    Name(String),
    /// Prefix operator.
    Unary(&'static str, Box<Expr>),
    /// Infix operator.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `c ? a : b`.
    Select(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Conversion, polymorphic function or builtin.
    Call(String, Vec<Expr>),
    /// `x.h`, `x.h[1]`, `Pu.lsb`.
    Field(Box<Expr>, String, Option<Box<Expr>>),
    /// `mem_i16[ea]`, `vmem[ea]`.
    Index(String, Box<Expr>),
}

/// A statement with the column it begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Column in its file.
    pub col: u32,
}

/// Kinds of statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StmtKind {
    /// Does nothing (hints, barriers).
    Nop,
    /// `let x = e`.
    Let(String, Expr),
    /// `place = e`; with an operator for `+=` and its like.
    Assign(Expr, Option<&'static str>, Expr),
    /// `if (c) … else …`.
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// `for k in a..b …`, unrolled.
    For(String, i128, i128, Vec<Stmt>),
    /// `lane h: …`: element type, whether it runs over a pair, the body.
    Lane(String, bool, Vec<Stmt>),
    /// A function called for what it does.
    Call(String, Vec<Expr>),
}
