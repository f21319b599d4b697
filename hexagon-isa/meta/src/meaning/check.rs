//! Names and types: [`super::ast`] to [`super::ir`].

use super::ast::{self, ExprKind, StmtKind};
use super::builtins;
use super::ir::{Binary, Compare, Expr, Fixed, Kind, Meaning, Stmt, Type, Unary};
use super::{Error, Pos};
use crate::spec::{Class, Operand, Role};

/// Statements after unrolling beyond which a meaning is refused.
const MAX_UNROLL: i128 = 128;

/// What a name inside the text stands for.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Local(usize),
    Constant(i128),
}

struct Checker<'a> {
    operands: &'a [Operand],
    pos: &'a Pos,
    scope: Vec<(String, Bound)>,
    locals: Vec<Type>,
    /// Local that collects an operand's subfield writes, by operand.
    partial: Vec<Option<usize>>,
    used: Vec<bool>,
    written: Vec<bool>,
    lane: Option<Type>,
    conditional: u32,
    hint: bool,
}

/// Checks a parsed meaning against the instruction's operands.
pub fn check(body: &[ast::Stmt], operands: &[Operand], pos: &Pos) -> Result<Meaning, Error> {
    let n = operands.len();
    let mut c = Checker {
        operands,
        pos,
        scope: Vec::new(),
        locals: Vec::new(),
        partial: vec![None; n],
        used: vec![false; n],
        written: vec![false; n],
        lane: None,
        conditional: 0,
        hint: false,
    };
    let mut out = c.block(body)?;
    for (i, local) in c.partial.iter().enumerate() {
        if let Some(l) = local {
            out.push(Stmt::Write(
                i,
                Expr {
                    ty: c.locals[*l],
                    kind: Kind::Local(*l),
                },
            ));
        }
    }
    if !c.hint {
        for (i, o) in operands.iter().enumerate() {
            if o.role != Role::Read && !c.written[i] {
                return Err(pos.error(pos.col, format!("output `{}` is never written", o.name)));
            }
            if o.role != Role::Write && !c.used[i] {
                return Err(pos.error(pos.col, format!("input `{}` is never used", o.name)));
            }
        }
    }
    let mut order = Order {
        store: false,
        write: false,
    };
    order
        .block(&out)
        .map_err(|what| pos.error(pos.col, what.to_string()))?;
    Ok(Meaning {
        locals: c.locals,
        body: out,
    })
}

/// A fault must leave nothing behind: memory is accessed before a register is written, and a store is the last access.
#[derive(Clone, Copy)]
struct Order {
    store: bool,
    write: bool,
}

impl Order {
    fn block(&mut self, body: &[Stmt]) -> Result<(), &'static str> {
        for s in body {
            let (mut loads, mut stores) = (false, false);
            if let Stmt::If(c, a, b) = s {
                Meaning {
                    locals: Vec::new(),
                    body: vec![Stmt::Jump(c.clone())],
                }
                .visit(&mut |e| loads |= accesses(e));
                self.access(loads, false)?;
                let (mut x, mut y) = (*self, *self);
                x.block(a)?;
                y.block(b)?;
                *self = Order {
                    store: x.store | y.store,
                    write: x.write | y.write,
                };
                continue;
            }
            Meaning {
                locals: Vec::new(),
                body: vec![s.clone()],
            }
            .visit(&mut |e| loads |= accesses(e));
            match s {
                Stmt::Store(..) | Stmt::StoreVec(..) => stores = true,
                Stmt::Call(name, _) => {
                    stores = builtins::find(name)
                        .is_some_and(|b| b.needs == builtins::Needs::Memory && *name != "frame_check");
                }
                _ => {}
            }
            self.access(loads, stores)?;
            self.write |= matches!(s, Stmt::Write(..) | Stmt::WriteFixed(..));
        }
        Ok(())
    }

    fn access(&mut self, loads: bool, stores: bool) -> Result<(), &'static str> {
        if (loads || stores) && self.write {
            return Err(
                "memory is accessed after a register was written: a fault would leave the register changed",
            );
        }
        if (loads || stores) && self.store {
            return Err("memory is accessed after a store: a fault would leave the store done");
        }
        self.store |= stores;
        Ok(())
    }
}

fn accesses(e: &Expr) -> bool {
    match &e.kind {
        Kind::Load(_) | Kind::LoadVec { .. } => true,
        Kind::Call(name, _) => builtins::find(name).is_some_and(|b| b.needs == builtins::Needs::Memory),
        _ => false,
    }
}

fn fixed(name: &str) -> Option<Fixed> {
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

fn fixed_type(f: Fixed) -> Type {
    match f {
        Fixed::Gpr(_) => Type::I32,
        Fixed::Pred(_) => Type::U8,
        Fixed::Ctl(_) => Type::U32,
    }
}

fn operand_type(o: &Operand) -> Type {
    match o.class {
        Class::Gpr => Type::I32,
        Class::GprPair => Type::I64,
        Class::Pred => Type::U8,
        Class::Mod | Class::Ctrl | Class::Guest | Class::Sys | Class::PcRel => Type::U32,
        Class::CtrlPair | Class::GuestPair | Class::SysPair => Type::U64,
        Class::Vec | Class::VecPred => Type::Vec,
        // Quads are never read or written whole.
        Class::VecPair | Class::VecQuad => Type::VecPair,
        Class::Imm => {
            if o.signed {
                Type::I32
            } else {
                Type::U32
            }
        }
    }
}

fn is_vector(o: &Operand) -> bool {
    matches!(
        o.class,
        Class::Vec | Class::VecPair | Class::VecQuad | Class::VecPred
    )
}

fn node(ty: Type, kind: Kind) -> Expr {
    Expr { ty, kind }
}

fn constant(ty: Type, v: i128) -> Expr {
    node(ty, Kind::Const(v))
}

fn bin(op: Binary, a: Expr, b: Expr) -> Expr {
    node(a.ty, Kind::Binary(op, Box::new(a), Box::new(b)))
}

fn cast(ty: Type, e: Expr) -> Expr {
    if e.ty == ty {
        return e;
    }
    if let Kind::Const(v) = e.kind {
        return constant(ty, wrap(ty, v));
    }
    node(ty, Kind::Cast(Box::new(e)))
}

/// `v` as a value of `ty`, modulo its width.
fn wrap(ty: Type, v: i128) -> i128 {
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

fn fits(ty: Type, v: i128) -> bool {
    let bits = ty.bits();
    match ty {
        Type::Bool => v == 0 || v == 1,
        Type::Int(_, 128) => true,
        Type::Int(..) => v >= -(1 << (bits - 1)) && v < 1 << bits,
        _ => false,
    }
}

impl Checker<'_> {
    fn err<T>(&self, col: u32, what: impl Into<String>) -> Result<T, Error> {
        Err(self.pos.error(col, what.into()))
    }

    fn local(&mut self, ty: Type) -> usize {
        self.locals.push(ty);
        self.locals.len() - 1
    }

    fn bound(&self, name: &str) -> Option<Bound> {
        self.scope.iter().rev().find(|(n, _)| n == name).map(|(_, b)| *b)
    }

    fn operand(&self, name: &str) -> Option<usize> {
        self.operands.iter().position(|o| o.name == name)
    }

    fn block(&mut self, body: &[ast::Stmt]) -> Result<Vec<Stmt>, Error> {
        let depth = self.scope.len();
        let mut out = Vec::new();
        for s in body {
            self.stmt(s, &mut out)?;
        }
        self.scope.truncate(depth);
        Ok(out)
    }

    fn stmt(&mut self, s: &ast::Stmt, out: &mut Vec<Stmt>) -> Result<(), Error> {
        match &s.kind {
            StmtKind::Nop => self.hint = true,
            StmtKind::Let(name, e) => {
                let e = self.expr(e, None)?;
                let l = self.local(e.ty);
                self.scope.push((name.clone(), Bound::Local(l)));
                out.push(Stmt::Set(l, e));
            }
            StmtKind::If(c, a, b) => {
                let c = self.condition(c)?;
                self.conditional += 1;
                let a = self.block(a)?;
                let b = self.block(b)?;
                self.conditional -= 1;
                out.push(Stmt::If(c, a, b));
            }
            StmtKind::For(name, from, to, body) => {
                if to - from > MAX_UNROLL {
                    return self.err(s.col, "too many iterations");
                }
                for k in *from..*to {
                    self.scope.push((name.clone(), Bound::Constant(k)));
                    out.extend(self.block(body)?);
                    self.scope.pop();
                }
            }
            StmtKind::Lane(elem, pair, body) => {
                let Some(ty @ (Type::Int(..) | Type::Qf(_))) = Type::element(elem) else {
                    return self.err(s.col, format!("`{elem}` is no lane type"));
                };
                if self.lane.is_some() {
                    return self.err(s.col, "a lane loop inside a lane loop");
                }
                self.lane = Some(ty);
                let body = self.block(body)?;
                self.lane = None;
                let bits = if *pair { 2048 } else { 1024 };
                out.push(Stmt::Lanes(bits / ty.bits(), body));
            }
            StmtKind::Call(name, args) => {
                if name == "jump" {
                    let [target] = args.as_slice() else {
                        return self.err(s.col, "jump takes one address");
                    };
                    let t = self.expr(target, Some(Type::U32))?;
                    let t = self.to_width(t, Type::U32, s.col)?;
                    out.push(Stmt::Jump(t));
                    return Ok(());
                }
                let Some(b) = builtins::find(name).filter(|b| b.result.is_none()) else {
                    return self.err(s.col, format!("`{name}` is no statement"));
                };
                if matches!(name.as_str(), "privileged" | "dma") {
                    self.hint = true;
                }
                let args = self.args(b, args, s.col)?;
                out.push(Stmt::Call(b.name, args));
            }
            StmtKind::Assign(place, op, value) => {
                let spelled;
                let value = match op {
                    None => value,
                    Some(op) => {
                        let kind = ExprKind::Binary(op, Box::new(place.clone()), Box::new(value.clone()));
                        spelled = ast::Expr { kind, col: s.col };
                        &spelled
                    }
                };
                self.assign(place, value, out)?;
            }
        }
        Ok(())
    }

    fn assign(&mut self, place: &ast::Expr, value: &ast::Expr, out: &mut Vec<Stmt>) -> Result<(), Error> {
        let col = place.col;
        match &place.kind {
            ExprKind::Name(name) => {
                match self.bound(name) {
                    Some(Bound::Local(l)) => {
                        let ty = self.locals[l];
                        let e = self.expr(value, Some(ty))?;
                        let e = self.to_width(e, ty, value.col)?;
                        out.push(Stmt::Set(l, e));
                        return Ok(());
                    }
                    Some(Bound::Constant(_)) => return self.err(col, "a loop variable cannot be set"),
                    None => {}
                }
                if let Some(n) = self.operand(name) {
                    return self.assign_operand(n, value, col, out);
                }
                let Some(f) = fixed(name) else {
                    return self.err(col, format!("unknown name `{name}`"));
                };
                let ty = fixed_type(f);
                let e = self.expr(value, Some(ty))?;
                let e = if matches!(f, Fixed::Pred(_)) {
                    self.to_pred(e)
                } else {
                    e
                };
                let e = self.to_width(e, ty, value.col)?;
                out.push(Stmt::WriteFixed(f, e));
                Ok(())
            }
            ExprKind::Field(base, field, index) => {
                let (n, half) = match &base.kind {
                    ExprKind::Name(name) => (self.operand(name), None),
                    ExprKind::Field(inner, h, None) if h == "lo" || h == "hi" => match &inner.kind {
                        ExprKind::Name(name) => (self.operand(name), Some(u8::from(h == "hi"))),
                        _ => (None, None),
                    },
                    _ => (None, None),
                };
                let Some(n) = n else {
                    return self.err(col, "only an operand's field can be written");
                };
                let o = &self.operands[n];
                if o.role == Role::Read {
                    return self.err(col, format!("`{}` is an input", o.name));
                }
                self.written[n] = true;
                if is_vector(o) {
                    self.used[n] |= o.role == Role::ReadWrite;
                    if field == "lo" || field == "hi" {
                        let e = self.expr(value, Some(Type::Vec))?;
                        let e = self.to_width(e, Type::Vec, value.col)?;
                        out.push(Stmt::WriteHalf(n, u8::from(field == "hi"), e));
                        return Ok(());
                    }
                    let (ty, index) = self.element(n, half, field, index.as_deref(), col)?;
                    let e = self.expr(value, Some(ty))?;
                    let e = self.to_element(e, ty, value.col)?;
                    out.push(Stmt::WriteElement(n, index, e));
                    return Ok(());
                }
                self.assign_field(n, field, index.as_deref(), value, col, out)
            }
            ExprKind::Index(name, ea) => {
                let ea = self.address(ea)?;
                match name.as_str() {
                    "vmem" | "vmemu" => {
                        let e = self.expr(value, Some(Type::Vec))?;
                        let e = self.to_width(e, Type::Vec, value.col)?;
                        out.push(Stmt::StoreVec(ea, e, name == "vmem"));
                    }
                    _ => {
                        let Some(ty) = name
                            .strip_prefix("mem_")
                            .and_then(Type::named)
                            .filter(|t| t.is_int())
                        else {
                            return self.err(col, format!("unknown memory `{name}`"));
                        };
                        let e = self.expr(value, Some(ty))?;
                        let e = self.to_width(e, ty, value.col)?;
                        out.push(Stmt::Store(ea, e));
                    }
                }
                Ok(())
            }
            _ => self.err(col, "this cannot be assigned to"),
        }
    }

    fn assign_operand(
        &mut self,
        n: usize,
        value: &ast::Expr,
        col: u32,
        out: &mut Vec<Stmt>,
    ) -> Result<(), Error> {
        let o = &self.operands[n];
        if o.role == Role::Read {
            return self.err(col, format!("`{}` is an input", o.name));
        }
        self.written[n] = true;
        if let Some(lane) = self.lane.filter(|_| is_vector(o)) {
            let e = self.expr(value, Some(lane))?;
            let e = self.to_element(e, lane, value.col)?;
            out.push(Stmt::WriteElement(n, node(Type::U32, Kind::Lane), e));
            return Ok(());
        }
        if self.lane.is_some() {
            return self.err(col, "a scalar register cannot be written for every lane");
        }
        if o.class == Class::VecQuad {
            return self.err(col, "of a quad, only elements can be written");
        }
        let ty = operand_type(o);
        let pred = o.class == Class::Pred;
        let e = self.expr(value, Some(ty))?;
        let e = if pred { self.to_pred(e) } else { e };
        let e = self.to_width(e, ty, value.col)?;
        out.push(Stmt::Write(n, e));
        Ok(())
    }

    /// `Rd.h[1] = …`, `Pd.bit[3] = …` on a scalar operand.
    fn assign_field(
        &mut self,
        n: usize,
        field: &str,
        index: Option<&ast::Expr>,
        value: &ast::Expr,
        col: u32,
        out: &mut Vec<Stmt>,
    ) -> Result<(), Error> {
        let o = &self.operands[n];
        let whole = Type::Int(false, operand_type(o).bits() as u8);
        let ty = match (field, Type::element(field)) {
            ("bit", _) => Type::Bool,
            (_, Some(ty)) => ty,
            _ => return self.err(col, format!("unknown field `{field}`")),
        };
        let k = match index {
            None => 0,
            Some(i) => match self.const_eval(i) {
                Some(k) => k,
                None => return self.err(col, "the field's number is not constant"),
            },
        };
        let width = ty.bits();
        if k < 0 || (k as u32 + 1) * width > whole.bits() {
            return self.err(col, format!("`{}` has no field {field}[{k}]", o.name));
        }
        let e = self.expr(value, Some(ty))?;
        let e = self.to_width(e, ty, value.col)?;
        let e = self.bits(e);
        if width == whole.bits() {
            out.push(Stmt::Write(n, e));
            return Ok(());
        }
        if self.conditional > 0 {
            return self.err(col, "a field cannot be written under a condition; use `?:`");
        }
        let shift = k as u32 * width;
        let mask = ((1i128 << width) - 1) << shift;
        let narrow = if ty == Type::Bool {
            e
        } else {
            cast(Type::Int(false, width as u8), e)
        };
        let mut part = cast(whole, narrow);
        if shift > 0 {
            part = bin(Binary::Shl, part, constant(Type::U32, i128::from(shift)));
        }
        let (l, old) = match self.partial[n] {
            Some(l) => (l, Some(node(whole, Kind::Local(l)))),
            None => {
                let l = self.local(whole);
                self.partial[n] = Some(l);
                let old =
                    (o.role == Role::ReadWrite).then(|| cast(whole, node(operand_type(o), Kind::Operand(n))));
                if old.is_some() {
                    self.used[n] = true;
                }
                (l, old)
            }
        };
        let e = match old {
            None => part,
            Some(old) => bin(
                Binary::Or,
                bin(Binary::And, old, constant(whole, wrap(whole, !mask))),
                part,
            ),
        };
        out.push(Stmt::Set(l, e));
        Ok(())
    }

    fn to_pred(&self, e: Expr) -> Expr {
        if e.ty != Type::Bool {
            return e;
        }
        node(
            Type::U8,
            Kind::Select(
                Box::new(e),
                Box::new(constant(Type::U8, 0xff)),
                Box::new(constant(Type::U8, 0)),
            ),
        )
    }

    /// A value for a lane of type `ty`; `true` is all ones (vector predicates).
    fn to_element(&self, e: Expr, ty: Type, col: u32) -> Result<Expr, Error> {
        if e.ty == Type::Bool && ty.is_int() {
            let ones = constant(ty, wrap(ty, -1));
            return Ok(node(
                ty,
                Kind::Select(Box::new(e), Box::new(ones), Box::new(constant(ty, 0))),
            ));
        }
        self.to_width(e, ty, col)
    }

    /// The integer that holds a float's bits; everything else as it is.
    fn bits(&self, e: Expr) -> Expr {
        match e.ty {
            Type::Float(n) => node(Type::Int(false, n), Kind::Bits(Box::new(e))),
            _ => e,
        }
    }

    /// `e` as `ty` if it has its width.
    fn to_width(&self, e: Expr, ty: Type, col: u32) -> Result<Expr, Error> {
        if e.ty == ty {
            return Ok(e);
        }
        match (e.ty, ty) {
            (Type::Float(_), Type::Int(..)) if e.ty.bits() == ty.bits() => {
                let b = self.bits(e);
                Ok(cast(ty, b))
            }
            (Type::Int(..), Type::Float(_)) if e.ty.bits() == ty.bits() => {
                Ok(node(ty, Kind::Bits(Box::new(e))))
            }
            (Type::Int(..), Type::Int(..)) if e.ty.bits() == ty.bits() => Ok(cast(ty, e)),
            _ => self.err(col, format!("expected {}, found {}", ty.name(), e.ty.name())),
        }
    }

    fn condition(&mut self, e: &ast::Expr) -> Result<Expr, Error> {
        let c = self.expr(e, Some(Type::Bool))?;
        if c.ty != Type::Bool {
            return self.err(e.col, format!("expected a condition, found {}", c.ty.name()));
        }
        Ok(c)
    }

    fn address(&mut self, e: &ast::Expr) -> Result<Expr, Error> {
        let ea = self.expr(e, Some(Type::U32))?;
        self.to_width(ea, Type::U32, e.col)
    }

    fn args(&mut self, b: &builtins::Builtin, args: &[ast::Expr], col: u32) -> Result<Vec<Expr>, Error> {
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
    fn const_eval(&self, e: &ast::Expr) -> Option<i128> {
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

    fn const_cond(&self, e: &ast::Expr) -> Option<bool> {
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

    fn expr(&mut self, e: &ast::Expr, want: Option<Type>) -> Result<Expr, Error> {
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
                Ok(node(a.ty, Kind::Unary(op, Box::new(a))))
            }
            ExprKind::Binary(op, a, b) => self.binary(op, a, b, want, e.col),
            ExprKind::Select(c, a, b) => {
                if let Some(c) = self.const_cond(c) {
                    return self.expr(if c { a } else { b }, want);
                }
                let c = self.condition(c)?;
                let (a, b) = self.pair(a, b, want)?;
                let b = self.to_width(b, a.ty, e.col)?;
                Ok(node(a.ty, Kind::Select(Box::new(c), Box::new(a), Box::new(b))))
            }
            ExprKind::Call(name, args) => self.call(name, args, want, e.col),
            ExprKind::Index(name, ea) => {
                let ea = Box::new(self.address(ea)?);
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
    fn pair(&mut self, a: &ast::Expr, b: &ast::Expr, want: Option<Type>) -> Result<(Expr, Expr), Error> {
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

    fn binary(
        &mut self,
        op: &str,
        a: &ast::Expr,
        b: &ast::Expr,
        want: Option<Type>,
        col: u32,
    ) -> Result<Expr, Error> {
        if op == "&&" || op == "||" {
            let (a, b) = (Box::new(self.condition(a)?), Box::new(self.condition(b)?));
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
                let name = match (n, c) {
                    (32, Compare::Eq) => "sf_cmp_eq",
                    (32, Compare::Gt) => "sf_cmp_gt",
                    (32, Compare::Ge) => "sf_cmp_ge",
                    (64, Compare::Eq) => "df_cmp_eq",
                    (64, Compare::Gt) => "df_cmp_gt",
                    (64, Compare::Ge) => "df_cmp_ge",
                    _ => return self.err(col, "`!=` of floats: write `!(a == b)`"),
                };
                return Ok(node(Type::Bool, Kind::Call(name, vec![x, y])));
            }
            if !matches!(x.ty, Type::Int(..) | Type::Bool) {
                return self.err(col, format!("`{op}` of {}", x.ty.name()));
            }
            return Ok(node(Type::Bool, Kind::Compare(c, Box::new(x), Box::new(y))));
        }
        let op_kind = match (op, x.ty) {
            ("+", Type::Int(..) | Type::Float(_)) => Binary::Add,
            ("-", Type::Int(..) | Type::Float(_)) => Binary::Sub,
            ("*", Type::Int(..) | Type::Float(_)) => Binary::Mul,
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

    fn name(&mut self, name: &str, col: u32) -> Result<Expr, Error> {
        match self.bound(name) {
            Some(Bound::Local(l)) => return Ok(node(self.locals[l], Kind::Local(l))),
            Some(Bound::Constant(k)) => return Ok(constant(Type::I32, k)),
            None => {}
        }
        if let Some(n) = self.operand(name) {
            self.used[n] = true;
            let o = &self.operands[n];
            if let Some(lane) = self.lane.filter(|_| is_vector(o)) {
                return Ok(node(
                    lane,
                    Kind::Element(n, Box::new(node(Type::U32, Kind::Lane))),
                ));
            }
            if o.class == Class::VecQuad {
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

    fn call(&mut self, name: &str, args: &[ast::Expr], want: Option<Type>, col: u32) -> Result<Expr, Error> {
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
                    value: Box::new(value),
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
            return Ok(node(ty.unwrap_or(a.ty), Kind::Unary(op, Box::new(a))));
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
        let Some(b) = builtins::find(name) else {
            return self.err(col, format!("unknown function `{name}`"));
        };
        let Some(ty) = b.result else {
            return self.err(col, format!("`{name}` has no value"));
        };
        let args = self.args(b, args, col)?;
        Ok(node(ty, Kind::Call(b.name, args)))
    }

    /// Element type and index (pairs counted through) of a vector operand's field.
    fn element(
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
            Some(_) if self.operands[n].class != Class::VecPair => {
                return self.err(col, "only pairs have halves");
            }
            Some(0) => index,
            Some(_) => bin(Binary::Add, index, constant(Type::U32, i128::from(per_vector))),
        };
        Ok((ty, index))
    }

    fn field(
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
            return Ok(node(ty, Kind::Element(n, Box::new(index))));
        }
        if let ExprKind::Name(name) = &base.kind
            && self.bound(name).is_none()
        {
            if let Some(n) = self.operand(name) {
                let o = &self.operands[n];
                if is_vector(o) {
                    self.used[n] = true;
                    if (field == "lo" || field == "hi") && o.class == Class::VecPair {
                        return Ok(node(Type::Vec, Kind::Half(n, u8::from(field == "hi"))));
                    }
                    let (ty, index) = self.element(n, None, field, index, col)?;
                    return Ok(node(ty, Kind::Element(n, Box::new(index))));
                }
                if field == "cs" && o.class == Class::Mod {
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
            let by = amount(self, 1)?;
            let shifted = match by {
                Some(by) => bin(Binary::Shr, value, by),
                None => value,
            };
            let bit = bin(Binary::And, shifted, constant(raw, 1));
            return Ok(node(
                Type::Bool,
                Kind::Compare(Compare::Ne, Box::new(bit), Box::new(constant(raw, 0))),
            ));
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
            Type::Float(n) => Ok(node(ty, Kind::Bits(Box::new(cast(Type::Int(false, n), shifted))))),
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
