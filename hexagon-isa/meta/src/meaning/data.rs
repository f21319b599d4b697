//! Prints a checked meaning as static data of `hexagon_isa::ir`, for translators.

use super::ir::{Expr, Fixed, Kind, Meaning, Stmt, Type};

fn ty(t: Type) -> String {
    match t {
        Type::Bool => "Type::Bool".into(),
        Type::Int(s, n) => format!("Type::Int({s}, {n})"),
        Type::Float(n) => format!("Type::Float({n})"),
        Type::Qf(n) => format!("Type::Qf({n})"),
        Type::Vec => "Type::Vec".into(),
        Type::VecPair => "Type::VecPair".into(),
    }
}

fn fixed(f: Fixed) -> String {
    match f {
        Fixed::Gpr(n) => format!("Fixed::Gpr({n})"),
        Fixed::Pred(n) => format!("Fixed::Pred({n})"),
        Fixed::Ctl(n) => format!("Fixed::Ctl({n})"),
    }
}

fn exprs(list: &[Expr]) -> String {
    list.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn expr(e: &Expr) -> String {
    let r = |e: &Expr| format!("&{}", expr(e));
    let kind = match &e.kind {
        Kind::Const(v) => format!("Const({v})"),
        Kind::Operand(n) => format!("Operand({n})"),
        Kind::Fixed(f) => format!("Fixed({})", fixed(*f)),
        Kind::NewPred(n) => format!("NewPred({n})"),
        Kind::Pc => "Pc".into(),
        Kind::NextPc => "NextPc".into(),
        Kind::CircularStart(n) => format!("CircularStart({n})"),
        Kind::Local(n) => format!("Local({n})"),
        Kind::Lane => "Lane".into(),
        Kind::Unary(op, a) => format!("Unary(Unary::{op:?}, {})", r(a)),
        Kind::Binary(op, a, b) => format!("Binary(Binary::{op:?}, {}, {})", r(a), r(b)),
        Kind::Compare(op, a, b) => format!("Compare(Compare::{op:?}, {}, {})", r(a), r(b)),
        Kind::BoolAnd(a, b) => format!("BoolAnd({}, {})", r(a), r(b)),
        Kind::BoolOr(a, b) => format!("BoolOr({}, {})", r(a), r(b)),
        Kind::Mask(a) => format!("Mask({})", r(a)),
        Kind::Lsb(a) => format!("Lsb({})", r(a)),
        Kind::Cast(a) => format!("Cast({})", r(a)),
        Kind::Bits(a) => format!("Bits({})", r(a)),
        Kind::Saturate { value, sticky } => format!("Saturate {{ value: {}, sticky: {sticky} }}", r(value)),
        Kind::Select(c, a, b) => format!("Select({}, {}, {})", r(c), r(a), r(b)),
        Kind::Load(a) => format!("Load({})", r(a)),
        Kind::LoadVec { ea, aligned } => format!("LoadVec {{ ea: {}, aligned: {aligned} }}", r(ea)),
        Kind::Element(n, i) => format!("Element({n}, {})", r(i)),
        Kind::Half(n, h) => format!("Half({n}, {h})"),
        Kind::Call(b, args) => format!("Call(Builtin::{b:?}, &[{}])", exprs(args)),
    };
    format!("Expr {{ ty: {}, kind: Kind::{kind} }}", ty(e.ty))
}

fn stmt(s: &Stmt) -> String {
    match s {
        Stmt::Set(l, e) => format!("Stmt::Set({l}, {})", expr(e)),
        Stmt::Write(n, e) => format!("Stmt::Write({n}, {})", expr(e)),
        Stmt::WriteFixed(f, e) => format!("Stmt::WriteFixed({}, {})", fixed(*f), expr(e)),
        Stmt::WriteElement(n, i, e) => format!("Stmt::WriteElement({n}, {}, {})", expr(i), expr(e)),
        Stmt::WriteHalf(n, h, e) => format!("Stmt::WriteHalf({n}, {h}, {})", expr(e)),
        Stmt::If(c, a, b) => format!("Stmt::If({}, &[{}], &[{}])", expr(c), stmts(a), stmts(b)),
        Stmt::Lanes(n, body) => format!("Stmt::Lanes({n}, &[{}])", stmts(body)),
        Stmt::Store(a, e) => format!("Stmt::Store({}, {})", expr(a), expr(e)),
        Stmt::StoreVec(a, e, aligned) => format!("Stmt::StoreVec({}, {}, {aligned})", expr(a), expr(e)),
        Stmt::Jump(e) => format!("Stmt::Jump({})", expr(e)),
        Stmt::Call(b, args) => format!("Stmt::Call(Builtin::{b:?}, &[{}])", exprs(args)),
    }
}

fn stmts(list: &[Stmt]) -> String {
    list.iter().map(stmt).collect::<Vec<_>>().join(", ")
}

/// The text of a `Meaning` value.
pub fn meaning(m: &Meaning) -> String {
    let locals = m.locals.iter().map(|t| ty(*t)).collect::<Vec<_>>().join(", ");
    format!("Meaning {{ locals: &[{locals}], body: &[{}] }}", stmts(m.body))
}
