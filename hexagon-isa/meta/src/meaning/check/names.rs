//! What names stand for, and the small pieces that expressions are made of.

use crate::meaning::ir::{Binary, Expr, Fixed, Kind, Type, keep};
use crate::spec::{Operand, OperandClass};

pub(super) fn fixed(name: &str) -> Option<Fixed> {
    let number = |prefix: &str, limit: u8| {
        name.strip_prefix(prefix)
            .and_then(|d| d.parse::<u8>().ok())
            .filter(|n| *n < limit)
    };
    if let Some(n) = number("R", 32) {
        return Some(Fixed::Gpr(n));
    }
    if let Some(n) = number("P", 4) {
        return Some(Fixed::Pred(n));
    }
    Some(match name {
        "SP" => Fixed::Gpr(29),
        "FP" => Fixed::Gpr(30),
        "LR" => Fixed::Gpr(31),
        "SA0" => Fixed::Ctl(0),
        "LC0" => Fixed::Ctl(1),
        "SA1" => Fixed::Ctl(2),
        "LC1" => Fixed::Ctl(3),
        "M0" => Fixed::Ctl(6),
        "M1" => Fixed::Ctl(7),
        "USR" => Fixed::Ctl(8),
        "UGP" => Fixed::Ctl(10),
        "GP" => Fixed::Ctl(11),
        "CS0" => Fixed::Ctl(12),
        "CS1" => Fixed::Ctl(13),
        "FRAMELIMIT" => Fixed::Ctl(16),
        "FRAMEKEY" => Fixed::Ctl(17),
        _ => return None,
    })
}

pub(super) fn fixed_type(f: Fixed) -> Type {
    match f {
        Fixed::Gpr(_) => Type::I32,
        Fixed::Pred(_) => Type::U8,
        Fixed::Ctl(_) => Type::U32,
    }
}

pub(super) fn operand_type(o: &Operand) -> Type {
    match o.class {
        OperandClass::Gpr => Type::I32,
        OperandClass::GprPair => Type::I64,
        OperandClass::Pred => Type::U8,
        OperandClass::Mod
        | OperandClass::Ctrl
        | OperandClass::Guest
        | OperandClass::Sys
        | OperandClass::PcRel => Type::U32,
        OperandClass::CtrlPair | OperandClass::GuestPair | OperandClass::SysPair => Type::U64,
        OperandClass::Vec | OperandClass::VecPred => Type::Vec,
        // Quads are never read or written whole.
        OperandClass::VecPair | OperandClass::VecQuad => Type::VecPair,
        OperandClass::Imm => {
            if o.signed {
                Type::I32
            } else {
                Type::U32
            }
        }
    }
}

pub(super) fn node(ty: Type, kind: Kind) -> Expr {
    Expr { ty, kind }
}

pub(super) fn constant(ty: Type, v: i128) -> Expr {
    node(ty, Kind::Const(v))
}

pub(super) fn bin(op: Binary, a: Expr, b: Expr) -> Expr {
    node(a.ty, Kind::Binary(op, keep(a), keep(b)))
}

pub(super) fn cast(ty: Type, e: Expr) -> Expr {
    if e.ty == ty {
        return e;
    }
    if let Kind::Const(v) = e.kind {
        return constant(ty, wrap(ty, v));
    }
    node(ty, Kind::Cast(keep(e)))
}

/// `v` as a value of `ty`, modulo its width.
pub(super) fn wrap(ty: Type, v: i128) -> i128 {
    let bits = ty.bits();
    if bits >= 128 {
        return v;
    }
    let low = v & ((1 << bits) - 1);
    if ty.signed() && low >> (bits - 1) != 0 {
        low - (1 << bits)
    } else {
        low
    }
}

pub(super) fn fits(ty: Type, v: i128) -> bool {
    let bits = ty.bits();
    match ty {
        Type::Bool => v == 0 || v == 1,
        Type::Int(_, 128) => true,
        Type::Int(..) => v >= -(1 << (bits - 1)) && v < 1 << bits,
        _ => false,
    }
}
