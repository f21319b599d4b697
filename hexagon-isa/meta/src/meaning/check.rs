//! Names and types: [`super::ast`] to [`super::ir`].

mod assign;
mod expr;
mod names;
mod order;

use order::Order;

use super::ast::{self, ExprKind, StmtKind};
use super::ir::{Builtin, Expr, Kind, Meaning, Stmt, Type, builtin, keep_all};
use super::{Error, Pos};
use crate::spec::{Operand, Role};

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
        locals: keep_all(c.locals),
        body: keep_all(out),
    })
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
                out.push(Stmt::If(c, keep_all(a), keep_all(b)));
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
                out.push(Stmt::Lanes(bits / ty.bits(), keep_all(body)));
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
                let Some(b) = builtin(name).filter(|b| b.signature().result.is_none()) else {
                    return self.err(s.col, format!("`{name}` is no statement"));
                };
                if matches!(b, Builtin::privileged | Builtin::dma) {
                    self.hint = true;
                }
                let args = self.args(b.signature(), args, s.col)?;
                out.push(Stmt::Call(b, keep_all(args)));
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
}
