//! Assignments: to locals, registers, their fields and lanes, and memory.

use super::names::{bin, cast, constant, fixed, fixed_type, node, operand_type, wrap};
use super::{Bound, Checker};
use crate::meaning::Error;
use crate::meaning::ast::{self, ExprKind};
use crate::meaning::ir::{Binary, Fixed, Kind, Stmt, Type};
use crate::spec::{OperandClass, Role};

impl Checker<'_> {
    pub(super) fn assign(
        &mut self,
        place: &ast::Expr,
        value: &ast::Expr,
        out: &mut Vec<Stmt>,
    ) -> Result<(), Error> {
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
                if o.class.is_vector() {
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

    pub(super) fn assign_operand(
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
        if let Some(lane) = self.lane.filter(|_| o.class.is_vector()) {
            let e = self.expr(value, Some(lane))?;
            let e = self.to_element(e, lane, value.col)?;
            out.push(Stmt::WriteElement(n, node(Type::U32, Kind::Lane), e));
            return Ok(());
        }
        if self.lane.is_some() {
            return self.err(col, "a scalar register cannot be written for every lane");
        }
        if o.class == OperandClass::VecQuad {
            return self.err(col, "of a quad, only elements can be written");
        }
        let ty = operand_type(o);
        let pred = o.class == OperandClass::Pred;
        let e = self.expr(value, Some(ty))?;
        let e = if pred { self.to_pred(e) } else { e };
        let e = self.to_width(e, ty, value.col)?;
        out.push(Stmt::Write(n, e));
        Ok(())
    }

    /// `Rd.h[1] = …`, `Pd.bit[3] = …` on a scalar operand.
    pub(super) fn assign_field(
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
}
