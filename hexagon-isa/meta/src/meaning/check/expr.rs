//! Expressions: values and their conversions, builtins, fields and elements.

use super::names::{bin, cast, constant, fits, fixed, fixed_type, node, operand_type, wrap};
use super::{Bound, Checker};
use crate::meaning::Error;
use crate::meaning::ast::{self, ExprKind};
use crate::meaning::ir::{
    Binary, Builtin, Compare, Expr, Fixed, Kind, Signature, Type, Unary, builtin, keep, keep_all,
};
use crate::spec::OperandClass;

impl Checker<'_> {
    pub(super) fn to_pred(&self, e: Expr) -> Expr {
        if e.ty != Type::Bool {
            return e;
        }
        node(Type::U8, Kind::Mask(keep(e)))
    }

    /// A value for a lane of type `ty`; `true` is all ones (vector predicates).
    pub(super) fn to_element(&self, e: Expr, ty: Type, col: u32) -> Result<Expr, Error> {
        if e.ty == Type::Bool && ty.is_int() {
            return Ok(node(ty, Kind::Mask(keep(e))));
        }
        self.to_width(e, ty, col)
    }

    /// The integer that holds a float's bits; everything else as it is.
    pub(super) fn bits(&self, e: Expr) -> Expr {
        match e.ty {
            Type::Float(n) => node(Type::Int(false, n), Kind::Bits(keep(e))),
            _ => e,
        }
    }

    /// `e` as `ty` if it has its width.
    pub(super) fn to_width(&self, e: Expr, ty: Type, col: u32) -> Result<Expr, Error> {
        if e.ty == ty {
            return Ok(e);
        }
        match (e.ty, ty) {
            (Type::Float(_), Type::Int(..)) if e.ty.bits() == ty.bits() => {
                let b = self.bits(e);
                Ok(cast(ty, b))
            }
            (Type::Int(..), Type::Float(_)) if e.ty.bits() == ty.bits() => Ok(node(ty, Kind::Bits(keep(e)))),
            (Type::Int(..), Type::Int(..)) if e.ty.bits() == ty.bits() => Ok(cast(ty, e)),
            _ => self.err(col, format!("expected {}, found {}", ty.name(), e.ty.name())),
        }
    }

    pub(super) fn condition(&mut self, e: &ast::Expr) -> Result<Expr, Error> {
        let c = self.expr(e, Some(Type::Bool))?;
        if c.ty != Type::Bool {
            return self.err(e.col, format!("expected a condition, found {}", c.ty.name()));
        }
        Ok(c)
    }

    pub(super) fn address(&mut self, e: &ast::Expr) -> Result<Expr, Error> {
        let ea = self.expr(e, Some(Type::U32))?;
        self.to_width(ea, Type::U32, e.col)
    }

    pub(super) fn args(&mut self, b: &Signature, args: &[ast::Expr], col: u32) -> Result<Vec<Expr>, Error> {
        if args.len() != b.params.len() {
            return self.err(
                col,
                format!(
                    "`{}` takes {} arguments, found {}",
                    b.name,
                    b.params.len(),
                    args.len()
                ),
            );
        }
        let mut out = Vec::new();
        for (a, ty) in args.iter().zip(b.params) {
            let e = self.expr(a, Some(*ty))?;
            out.push(self.to_width(e, *ty, a.col)?);
        }
        Ok(out)
    }

    /// The value of an expression made of literals and unrolled loop variables.
    pub(super) fn const_eval(&self, e: &ast::Expr) -> Option<i128> {
        match &e.kind {
            ExprKind::Int(n) => Some(*n),
            ExprKind::Name(n) => match self.bound(n) {
                Some(Bound::Constant(k)) => Some(k),
                _ => None,
            },
            ExprKind::Unary("-", a) => self.const_eval(a)?.checked_neg(),
            ExprKind::Unary("~", a) => Some(!self.const_eval(a)?),
            ExprKind::Binary(op, a, b) => {
                let (a, b) = (self.const_eval(a)?, self.const_eval(b)?);
                match *op {
                    "+" => a.checked_add(b),
                    "-" => a.checked_sub(b),
                    "*" => a.checked_mul(b),
                    "%" => a.checked_rem(b),
                    "<<" => u32::try_from(b).ok().filter(|b| *b < 120).map(|b| a << b),
                    ">>" => u32::try_from(b).ok().filter(|b| *b < 120).map(|b| a >> b),
                    "&" => Some(a & b),
                    "|" => Some(a | b),
                    "^" => Some(a ^ b),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(super) fn const_cond(&self, e: &ast::Expr) -> Option<bool> {
        let ExprKind::Binary(op, a, b) = &e.kind else {
            return None;
        };
        let (a, b) = (self.const_eval(a)?, self.const_eval(b)?);
        Some(match *op {
            "==" => a == b,
            "!=" => a != b,
            "<" => a < b,
            "<=" => a <= b,
            ">" => a > b,
            ">=" => a >= b,
            _ => return None,
        })
    }

    pub(super) fn expr(&mut self, e: &ast::Expr, want: Option<Type>) -> Result<Expr, Error> {
        if let Some(v) = self.const_eval(e) {
            let ty = want.filter(|t| t.is_int()).unwrap_or(Type::I32);
            if !fits(ty, v) {
                return self.err(e.col, format!("{v} does not fit {}", ty.name()));
            }
            return Ok(constant(ty, wrap(ty, v)));
        }
        match &e.kind {
            ExprKind::Int(_) => self.err(e.col, "number out of range"),
            ExprKind::Name(name) => self.name(name, e.col),
            ExprKind::Unary(op, a) => {
                let a = self.expr(a, want)?;
                let op = match (*op, a.ty) {
                    ("!", Type::Bool) | ("~", Type::Int(..)) => Unary::Not,
                    ("-", Type::Int(..) | Type::Float(_)) => Unary::Neg,
                    _ => return self.err(e.col, format!("`{op}` of {}", a.ty.name())),
                };
                Ok(node(a.ty, Kind::Unary(op, keep(a))))
            }
            ExprKind::Binary(op, a, b) => self.binary(op, a, b, want, e.col),
            ExprKind::Select(c, a, b) => {
                if let Some(c) = self.const_cond(c) {
                    return self.expr(if c { a } else { b }, want);
                }
                let c = self.condition(c)?;
                let (a, b) = self.pair(a, b, want)?;
                let b = self.to_width(b, a.ty, e.col)?;
                Ok(node(a.ty, Kind::Select(keep(c), keep(a), keep(b))))
            }
            ExprKind::Call(name, args) => self.call(name, args, want, e.col),
            ExprKind::Index(name, ea) => {
                let ea = keep(self.address(ea)?);
                match name.as_str() {
                    "vmem" | "vmemu" => Ok(node(
                        Type::Vec,
                        Kind::LoadVec {
                            ea,
                            aligned: name == "vmem",
                        },
                    )),
                    _ => match name.strip_prefix("mem_").and_then(Type::named) {
                        Some(ty @ Type::Int(_, 8..=64)) => Ok(node(ty, Kind::Load(ea))),
                        _ => self.err(e.col, format!("unknown memory `{name}`")),
                    },
                }
            }
            ExprKind::Field(base, field, index) => self.field(base, field, index.as_deref(), e.col),
        }
    }

    /// Two operands of one type, literals adapting to the other side.
    pub(super) fn pair(
        &mut self,
        a: &ast::Expr,
        b: &ast::Expr,
        want: Option<Type>,
    ) -> Result<(Expr, Expr), Error> {
        if self.const_eval(a).is_some() {
            let b = self.expr(b, want)?;
            let a = self.expr(a, Some(b.ty))?;
            Ok((a, b))
        } else {
            let a = self.expr(a, want)?;
            let b = self.expr(b, Some(a.ty))?;
            Ok((a, b))
        }
    }

    pub(super) fn binary(
        &mut self,
        op: &str,
        a: &ast::Expr,
        b: &ast::Expr,
        want: Option<Type>,
        col: u32,
    ) -> Result<Expr, Error> {
        if op == "&&" || op == "||" {
            let (a, b) = (keep(self.condition(a)?), keep(self.condition(b)?));
            return Ok(node(
                Type::Bool,
                if op == "&&" {
                    Kind::BoolAnd(a, b)
                } else {
                    Kind::BoolOr(a, b)
                },
            ));
        }
        if op == "<<" || op == ">>" {
            let x = self.expr(a, want)?;
            let by = self.expr(b, Some(Type::U32))?;
            if !x.ty.is_int() || !by.ty.is_int() {
                return self.err(col, format!("`{op}` of {} by {}", x.ty.name(), by.ty.name()));
            }
            let op = if op == "<<" { Binary::Shl } else { Binary::Shr };
            return Ok(bin(op, x, cast(Type::U32, by)));
        }
        let compare = match op {
            "==" => Some(Compare::Eq),
            "!=" => Some(Compare::Ne),
            "<" => Some(Compare::Lt),
            "<=" => Some(Compare::Le),
            ">" => Some(Compare::Gt),
            ">=" => Some(Compare::Ge),
            _ => None,
        };
        let (x, y) = self.pair(a, b, if compare.is_some() { None } else { want })?;
        let sided = |c: &Self| c.const_eval(a).is_some() || c.const_eval(b).is_some();
        let same = match (x.ty, y.ty) {
            (Type::Int(s, n), Type::Int(t, m)) => {
                let agnostic = !matches!(
                    compare,
                    Some(Compare::Lt | Compare::Le | Compare::Gt | Compare::Ge)
                );
                n == m && (s == t || agnostic || sided(self))
            }
            (a, b) => a == b,
        };
        if !same {
            return self.err(col, format!("`{op}` of {} and {}", x.ty.name(), y.ty.name()));
        }
        let y = if x.ty.is_int() { cast(x.ty, y) } else { y };
        if let Some(c) = compare {
            if let Type::Float(n) = x.ty {
                let (c, x, y) = match c {
                    Compare::Lt => (Compare::Gt, y, x),
                    Compare::Le => (Compare::Ge, y, x),
                    c => (c, x, y),
                };
                let builtin = match (n, c) {
                    (32, Compare::Eq) => Builtin::sf_cmp_eq,
                    (32, Compare::Gt) => Builtin::sf_cmp_gt,
                    (32, Compare::Ge) => Builtin::sf_cmp_ge,
                    (64, Compare::Eq) => Builtin::df_cmp_eq,
                    (64, Compare::Gt) => Builtin::df_cmp_gt,
                    (64, Compare::Ge) => Builtin::df_cmp_ge,
                    _ => return self.err(col, "`!=` of floats: write `!(a == b)`"),
                };
                return Ok(node(Type::Bool, Kind::Call(builtin, keep_all(vec![x, y]))));
            }
            if !matches!(x.ty, Type::Int(..) | Type::Bool) {
                return self.err(col, format!("`{op}` of {}", x.ty.name()));
            }
            return Ok(node(Type::Bool, Kind::Compare(c, keep(x), keep(y))));
        }
        let op_kind = match (op, x.ty) {
            ("+", Type::Int(..) | Type::Float(_)) => Binary::Add,
            ("-", Type::Int(..) | Type::Float(_)) => Binary::Sub,
            ("*", Type::Int(..) | Type::Float(32)) => Binary::Mul,
            ("&", Type::Int(..) | Type::Bool) => Binary::And,
            ("|", Type::Int(..) | Type::Bool) => Binary::Or,
            ("^", Type::Int(..) | Type::Bool) => Binary::Xor,
            ("%", Type::Int(..)) => match y.kind {
                Kind::Const(k) if k > 0 && k & (k - 1) == 0 => Binary::Rem,
                _ => return self.err(col, "`%` needs a constant power of two"),
            },
            _ => return self.err(col, format!("`{op}` of {}", x.ty.name())),
        };
        Ok(bin(op_kind, x, y))
    }

    pub(super) fn name(&mut self, name: &str, col: u32) -> Result<Expr, Error> {
        match self.bound(name) {
            Some(Bound::Local(l)) => return Ok(node(self.locals[l], Kind::Local(l))),
            Some(Bound::Constant(k)) => return Ok(constant(Type::I32, k)),
            None => {}
        }
        if let Some(n) = self.operand(name) {
            self.used[n] = true;
            let o = &self.operands[n];
            if let Some(lane) = self.lane.filter(|_| o.class.is_vector()) {
                return Ok(node(lane, Kind::Element(n, keep(node(Type::U32, Kind::Lane)))));
            }
            if o.class == OperandClass::VecQuad {
                return self.err(col, "of a quad, only elements can be named");
            }
            return Ok(node(operand_type(o), Kind::Operand(n)));
        }
        if let Some(f) = fixed(name) {
            return Ok(node(fixed_type(f), Kind::Fixed(f)));
        }
        match name {
            "PC" => Ok(node(Type::U32, Kind::Pc)),
            "NPC" => Ok(node(Type::U32, Kind::NextPc)),
            "i" if self.lane.is_some() => Ok(node(Type::U32, Kind::Lane)),
            "true" | "false" => Ok(constant(Type::Bool, i128::from(name == "true"))),
            _ => self.err(col, format!("unknown name `{name}`")),
        }
    }

    pub(super) fn call(
        &mut self,
        name: &str,
        args: &[ast::Expr],
        want: Option<Type>,
        col: u32,
    ) -> Result<Expr, Error> {
        if let Some(ty) = Type::named(name) {
            let [a] = args else {
                return self.err(col, "a conversion takes one value");
            };
            // A literal is typed by the conversion itself.
            let hint = self.const_eval(a).map(|_| ty);
            let a = self.expr(a, hint)?;
            return match (a.ty, ty) {
                (Type::Int(..) | Type::Bool, Type::Int(..)) => Ok(cast(ty, a)),
                _ => self.err(
                    col,
                    format!("no conversion from {} to {name}; see the builtins", a.ty.name()),
                ),
            };
        }
        if let Some(ty) = saturation(name) {
            let [a] = args else {
                return self.err(col, "saturation takes one value");
            };
            let value = self.expr(a, None)?;
            if !value.ty.is_int() || !value.ty.signed() && ty.signed() {
                return self.err(col, format!("saturation of {}", value.ty.name()));
            }
            let sticky = self.lane.is_none();
            return Ok(node(
                ty,
                Kind::Saturate {
                    value: keep(value),
                    sticky,
                },
            ));
        }
        let unary = match name {
            "abs" => Some((Unary::Abs, None)),
            "clz" => Some((Unary::Clz, Some(Type::U32))),
            "ctz" => Some((Unary::Ctz, Some(Type::U32))),
            "popcount" => Some((Unary::Popcount, Some(Type::U32))),
            "bitrev" => Some((Unary::BitReverse, None)),
            "bswap" => Some((Unary::ByteSwap, None)),
            _ => None,
        };
        if let Some((op, ty)) = unary {
            let [a] = args else {
                return self.err(col, format!("`{name}` takes one value"));
            };
            let a = self.expr(a, want)?;
            if !(a.ty.is_int() || op == Unary::Abs && matches!(a.ty, Type::Float(_))) {
                return self.err(col, format!("`{name}` of {}", a.ty.name()));
            }
            return Ok(node(ty.unwrap_or(a.ty), Kind::Unary(op, keep(a))));
        }
        if name == "min" || name == "max" {
            let [a, b] = args else {
                return self.err(col, format!("`{name}` takes two values"));
            };
            let (x, y) = self.pair(a, b, want)?;
            if x.ty != y.ty || !x.ty.is_int() {
                return self.err(col, format!("`{name}` of {} and {}", x.ty.name(), y.ty.name()));
            }
            return Ok(bin(if name == "min" { Binary::Min } else { Binary::Max }, x, y));
        }
        let Some(b) = builtin(name) else {
            return self.err(col, format!("unknown function `{name}`"));
        };
        let Some(ty) = b.signature().result else {
            return self.err(col, format!("`{name}` has no value"));
        };
        let args = self.args(b.signature(), args, col)?;
        Ok(node(ty, Kind::Call(b, keep_all(args))))
    }

    /// Element type and index (pairs counted through) of a vector operand's field.
    pub(super) fn element(
        &mut self,
        n: usize,
        half: Option<u8>,
        field: &str,
        index: Option<&ast::Expr>,
        col: u32,
    ) -> Result<(Type, Expr), Error> {
        let lane = self.lane;
        let ty = match (field, lane) {
            ("mask", Some(l)) => Type::Int(false, l.bits() as u8),
            _ => match Type::element(field) {
                Some(ty @ (Type::Int(..) | Type::Qf(_))) => ty,
                _ => return self.err(col, format!("unknown field `{field}` of a vector")),
            },
        };
        let index = match index {
            Some(i) => {
                let i = self.expr(i, Some(Type::U32))?;
                self.to_width(i, Type::U32, col)?
            }
            None if lane.is_some_and(|l| l.bits() == ty.bits()) => node(Type::U32, Kind::Lane),
            None => return self.err(col, format!("`.{field}` needs an index")),
        };
        let per_vector = 1024 / ty.bits();
        let index = match half {
            None => index,
            Some(_) if self.operands[n].class != OperandClass::VecPair => {
                return self.err(col, "only pairs have halves");
            }
            Some(0) => index,
            Some(_) => bin(Binary::Add, index, constant(Type::U32, i128::from(per_vector))),
        };
        Ok((ty, index))
    }

    pub(super) fn field(
        &mut self,
        base: &ast::Expr,
        field: &str,
        index: Option<&ast::Expr>,
        col: u32,
    ) -> Result<Expr, Error> {
        // P0.new, vector operands and modifier registers are special; everything else is a subfield of a value.
        if let ExprKind::Field(inner, half, None) = &base.kind
            && (half == "lo" || half == "hi")
            && let ExprKind::Name(name) = &inner.kind
            && let Some(n) = self.operand(name)
        {
            self.used[n] = true;
            let (ty, index) = self.element(n, Some(u8::from(half == "hi")), field, index, col)?;
            return Ok(node(ty, Kind::Element(n, keep(index))));
        }
        if let ExprKind::Name(name) = &base.kind
            && self.bound(name).is_none()
        {
            if let Some(n) = self.operand(name) {
                let o = &self.operands[n];
                if o.class.is_vector() {
                    self.used[n] = true;
                    if (field == "lo" || field == "hi") && o.class == OperandClass::VecPair {
                        return Ok(node(Type::Vec, Kind::Half(n, u8::from(field == "hi"))));
                    }
                    let (ty, index) = self.element(n, None, field, index, col)?;
                    return Ok(node(ty, Kind::Element(n, keep(index))));
                }
                if field == "cs" && o.class == OperandClass::Mod {
                    return Ok(node(Type::U32, Kind::CircularStart(n)));
                }
            } else if field == "new"
                && let Some(Fixed::Pred(p)) = fixed(name)
            {
                return Ok(node(Type::U8, Kind::NewPred(p)));
            }
        }
        let value = self.expr(base, None)?;
        let value = self.bits(value);
        if !value.ty.is_int() {
            return self.err(col, format!("`.{field}` of {}", value.ty.name()));
        }
        let raw = Type::Int(false, value.ty.bits() as u8);
        let value = cast(raw, value);
        let amount = |c: &mut Self, width: u32| -> Result<Option<Expr>, Error> {
            let Some(i) = index else { return Ok(None) };
            if let Some(k) = c.const_eval(i) {
                if k < 0 || (k + 1) * i128::from(width) > i128::from(raw.bits()) {
                    return c.err(col, format!("there is no {field}[{k}] in {} bits", raw.bits()));
                }
                return Ok((k > 0).then(|| constant(Type::U32, k * i128::from(width))));
            }
            let i = c.expr(i, Some(Type::U32))?;
            if !i.ty.is_int() {
                return c.err(col, "an index is an integer");
            }
            let i = cast(Type::U32, i);
            Ok(Some(if width == 1 {
                i
            } else {
                bin(Binary::Mul, i, constant(Type::U32, i128::from(width)))
            }))
        };
        if field == "lsb" || field == "bit" {
            let shifted = match amount(self, 1)? {
                Some(by) => bin(Binary::Shr, value, by),
                None => value,
            };
            return Ok(node(Type::Bool, Kind::Lsb(keep(shifted))));
        }
        let Some(ty) = Type::element(field).filter(|t| !matches!(t, Type::Qf(_))) else {
            return self.err(col, format!("unknown field `{field}`"));
        };
        if ty.bits() > raw.bits() {
            return self.err(col, format!("`.{field}` of {} bits", raw.bits()));
        }
        let shifted = match amount(self, ty.bits())? {
            Some(by) => bin(Binary::Shr, value, by),
            None => value,
        };
        match ty {
            Type::Float(n) => Ok(node(ty, Kind::Bits(keep(cast(Type::Int(false, n), shifted))))),
            _ => Ok(cast(ty, shifted)),
        }
    }
}

fn saturation(name: &str) -> Option<Type> {
    let (unsigned, bits) = match name.strip_prefix("satu") {
        Some(bits) => (true, bits),
        None => (false, name.strip_prefix("sat")?),
    };
    match bits {
        "8" | "16" | "32" | "64" => Some(Type::Int(!unsigned, bits.parse().ok()?)),
        _ => None,
    }
}
