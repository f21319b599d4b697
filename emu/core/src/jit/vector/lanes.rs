//! Loops over lanes, as operations on whole vectors.
//!
//! A lane of so many bits holds an expression's value modulo two to that number, and between which bounds the value lies is known.
//! So a sum or a product needs no more bits than a lane has, however wide the meaning's type is; and what depends on the value
//! itself (a comparison, a shift to the right, saturation) can be had where the bounds say that the lane holds all of it.

use hexagon_isa::facts::InsnFacts;
use hexagon_isa::info::OperandClass;
use hexagon_isa::ir::{self, Builtin, Expr, Kind, Stmt, Type};

use super::features::Features;
use super::ops::{Binary, Compare, Op, Shift, Unary, Value, Width};
use super::packet::Selector;
use crate::jit::lower::possible::{pure, scalar_expr};

/// Least and greatest value.
pub(super) type Bounds = (i128, i128);

/// What an expression is in all lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    /// Modulo two to the lane's bits.
    pub(super) v: Value,
    pub(super) bounds: Bounds,
    /// Each lane is 0 or all ones.
    pub(super) mask: bool,
}

/// Part of a lane of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) vector: Value,
    /// Bits of it.
    pub(super) bits: u32,
    pub(super) signed: bool,
    /// Its lowest bit's place in the lane.
    pub(super) shift: u32,
}

/// A loop over lanes that is being looked at.
pub(super) struct Lanes<'s, 'a> {
    pub(super) s: &'s mut Selector<'a>,
    pub(super) n: &'a InsnFacts,
    pub(super) width: Width,
    /// Both vectors of pairs are gone through, and this is the one; `None` if there is one round.
    round: Option<u8>,
    /// Local variables that the body sets.
    locals: Vec<Option<Lane>>,
    /// Bounds of those that were set in front of it.
    scalars: &'s [Option<Bounds>],
}

pub(super) fn within(a: Bounds, b: Bounds) -> bool {
    a.0 >= b.0 && a.1 <= b.1
}

/// Anything.
pub(super) const UNKNOWN: Bounds = (i128::MIN, i128::MAX);

/// The bounds of a scalar expression, from its own text.
pub(super) fn scalar_bounds(e: &'static Expr, locals: &[Option<Bounds>]) -> Option<Bounds> {
    let all = e.ty.bounds()?;
    let own = match e.kind {
        Kind::Const(v) => Some((v, v)),
        Kind::Local(n) => locals.get(n).copied().flatten(),
        Kind::Binary(ir::Binary::Rem, a, c) if !a.ty.signed() => match c.kind {
            Kind::Const(c) if c > 0 => Some((0, c - 1)),
            _ => None,
        },
        Kind::Binary(ir::Binary::And, _, c) => match c.kind {
            Kind::Const(c) if c >= 0 => Some((0, c)),
            _ => None,
        },
        Kind::Binary(ir::Binary::Sub, a, b) => scalar_bounds(a, locals)
            .zip(scalar_bounds(b, locals))
            .map(|(a, b)| (a.0 - b.1, a.1 - b.0)),
        Kind::Binary(ir::Binary::Shl, a, by) => match by.kind {
            Kind::Const(by) if (0..32).contains(&by) => {
                scalar_bounds(a, locals).map(|a| (a.0 << by, a.1 << by))
            }
            _ => None,
        },
        Kind::Cast(a) if a.ty.is_int() => scalar_bounds(a, locals),
        _ => None,
    };
    Some(own.filter(|own| within(*own, all)).unwrap_or(all))
}

/// The body of a loop over `count` lanes.
pub(super) fn lanes<'a>(
    s: &mut Selector<'a>,
    n: &'a InsnFacts,
    count: u32,
    body: &'static [Stmt],
    scalars: &[Option<Bounds>],
) -> Option<()> {
    let (first, index) = body.iter().find_map(|st| match st {
        Stmt::WriteElement(_, index, e) => Some((e, index)),
        _ => None,
    })?;
    let (every, _) = index.stride()?;
    let bits = first.ty.bits().checked_mul(every)?;
    let width = Width::of(bits)?;
    let rounds: &[Option<u8>] = match count.checked_mul(bits)? {
        1024 => &[None],
        2048 if every == 1 => &[Some(0), Some(1)],
        _ => return None,
    };
    for round in rounds {
        let mut l = Lanes {
            locals: vec![None; n.meaning.locals.len()],
            s,
            n,
            width,
            round: *round,
            scalars,
        };
        l.body(body)?;
    }
    Some(())
}

impl Lanes<'_, '_> {
    pub(super) fn features(&self) -> Features {
        self.s.features
    }

    pub(super) fn push(&mut self, op: Op) -> Value {
        self.s.push(op)
    }

    pub(super) fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        self.push(Op::Binary(op, self.width, a, b))
    }

    /// A constant in each lane.
    pub(super) fn constant(&mut self, v: i128) -> Value {
        let mask = u64::MAX >> (64 - self.width.bits());
        self.push(Op::Constant(self.width, v as u64 & mask))
    }

    pub(super) fn signed_bounds(&self) -> Bounds {
        let half = 1i128 << (self.width.bits() - 1);
        (-half, half - 1)
    }

    pub(super) fn unsigned_bounds(&self) -> Bounds {
        (0, (1i128 << self.width.bits()) - 1)
    }

    /// As a signed number the lane holds all of it.
    pub(super) fn fits_signed(&self, x: Lane) -> bool {
        within(x.bounds, self.signed_bounds())
    }

    pub(super) fn fits_unsigned(&self, x: Lane) -> bool {
        within(x.bounds, self.unsigned_bounds())
    }

    /// How lanes hold all of both: signed?
    pub(super) fn common_sign(&self, a: Lane, b: Lane) -> Option<bool> {
        if self.fits_unsigned(a) && self.fits_unsigned(b) {
            Some(false)
        } else {
            (self.fits_signed(a) && self.fits_signed(b)).then_some(true)
        }
    }

    fn body(&mut self, body: &'static [Stmt]) -> Option<()> {
        // Of each vector that is written in parts: operand, half, parts so far, and which bits they cover.
        let mut parts: Vec<(usize, u8, Value, u64)> = Vec::new();
        let all = u64::MAX >> (64 - self.width.bits());
        for st in body {
            match st {
                Stmt::Set(k, e) => {
                    let x = self.eval(e)?;
                    *self.locals.get_mut(*k)? = Some(x);
                }
                Stmt::WriteElement(k, index, e) => {
                    let (half, shift, bits) = self.place(index, e.ty.bits())?;
                    let x = self.eval(e)?;
                    let mask = (u64::MAX >> (64 - bits)) << shift;
                    let v = self.put(x.v, bits, shift);
                    match parts.iter_mut().find(|p| p.0 == *k && p.1 == half) {
                        None => parts.push((*k, half, v, mask)),
                        Some(p) if p.3 & mask == 0 => {
                            let both = Op::Binary(Binary::Or, Width::D, p.2, v);
                            (p.2, p.3) = (self.s.push(both), p.3 | mask);
                        }
                        Some(_) => return None,
                    }
                }
                _ => return None,
            }
        }
        for (k, half, v, covered) in parts {
            if covered != all {
                return None;
            }
            self.s.write(self.n, k, half, v)?;
        }
        Some(())
    }

    /// The low bits of a lane at their place in it, and nothing beside them.
    fn put(&mut self, v: Value, bits: u32, shift: u32) -> Value {
        let width = self.width.bits();
        if bits == width {
            return v;
        }
        if shift + bits == width {
            return self.push(Op::Shift(Shift::Left, self.width, v, shift as u8));
        }
        let mask = self.constant((1 << bits) - 1);
        let v = self.push(Op::Binary(Binary::And, Width::D, v, mask));
        self.shifted(Shift::Left, v, shift)
    }

    pub(super) fn shifted(&mut self, how: Shift, v: Value, by: u32) -> Value {
        if by == 0 {
            return v;
        }
        if self.width != Width::B {
            return self.push(Op::Shift(how, self.width, v, by as u8));
        }
        // Hosts do not shift bytes: halfwords are, and what crossed over is cut off.
        let across = if how == Shift::Left { how } else { Shift::Unsigned };
        let v = self.push(Op::Shift(across, Width::H, v, by as u8));
        let stays = if how == Shift::Left {
            0xff << by & 0xff
        } else {
            0xff >> by
        };
        let stays = self.constant(stays);
        let v = self.push(Op::Binary(Binary::And, Width::D, v, stays));
        if how != Shift::Signed {
            return v;
        }
        let sign = self.constant(0x80 >> by);
        let v = self.push(Op::Binary(Binary::Xor, Width::D, v, sign));
        self.binary(Binary::Sub, v, sign)
    }

    /// Which vector of an operand, and which bits of a lane, an element is: half, shift, bits.
    fn place(&self, index: &'static Expr, bits: u32) -> Option<(u8, u32, u32)> {
        let (every, k) = index.stride()?;
        let width = self.width.bits();
        if every == 0 || bits.checked_mul(every)? != width {
            return None;
        }
        if let Some(round) = self.round {
            return (every == 1 && k == 0).then_some((round, 0, bits));
        }
        let (ahead, part) = (k / every, k % every);
        let lanes = 1024 / width;
        let half = match ahead {
            0 => 0,
            n if n == lanes => 1,
            _ => return None,
        };
        Some((half, part * bits, bits))
    }

    /// The part of a vector's lane that an expression is.
    pub(super) fn part(&mut self, e: &'static Expr) -> Option<Part> {
        let signed = e.ty.signed();
        match e.kind {
            Kind::Element(k, index) => {
                let (half, shift, bits) = self.place(index, e.ty.bits())?;
                let both = self.n.insn.info().operands.get(k)?.class == OperandClass::VecPair;
                if !both && (half == 1 || self.round.is_some()) {
                    return None;
                }
                let vector = self.s.read(self.n, k, half)?;
                Some(Part {
                    vector,
                    bits,
                    signed,
                    shift,
                })
            }
            // A part of a word that is the same for all lanes: `word >> 8 * ((c * i + k) % 4)`.
            Kind::Cast(a) => {
                let bits = e.ty.bits();
                let Kind::Binary(ir::Binary::Shr, word, by) = a.kind else {
                    return None;
                };
                let Kind::Binary(ir::Binary::Mul, which, size) = by.kind else {
                    return None;
                };
                let Kind::Binary(ir::Binary::Rem, index, of) = which.kind else {
                    return None;
                };
                let is = |e: &'static Expr, v: u32| matches!(e.kind, Kind::Const(c) if c == i128::from(v));
                let fits = word.ty == Type::U32 && bits < 32 && is(size, bits) && is(of, 32 / bits);
                if !fits || !self.same(word) {
                    return None;
                }
                let (every, k) = index.stride()?;
                if every == 0 || bits.checked_mul(every)? != self.width.bits() || self.round.is_some() {
                    return None;
                }
                let vector = self.s.splat(self.n, Width::W, word);
                Some(Part {
                    vector,
                    bits,
                    signed,
                    shift: k % every * bits,
                })
            }
            _ => None,
        }
    }

    /// The value of a part.
    pub(super) fn extracted(&mut self, part: Part) -> Option<Lane> {
        let width = self.width.bits();
        let bounds = Type::Int(part.signed, part.bits as u8).bounds()?;
        let (top, left) = (part.shift + part.bits == width, width - part.shift - part.bits);
        let v = match (part.signed, top) {
            _ if part.bits == width => part.vector,
            (true, true) => self.shifted(Shift::Signed, part.vector, part.shift),
            (false, true) => self.shifted(Shift::Unsigned, part.vector, part.shift),
            (true, false) => {
                let v = self.shifted(Shift::Left, part.vector, left);
                self.shifted(Shift::Signed, v, width - part.bits)
            }
            (false, false) => {
                let v = self.shifted(Shift::Unsigned, part.vector, part.shift);
                let mask = self.constant((1 << part.bits) - 1);
                self.push(Op::Binary(Binary::And, Width::D, v, mask))
            }
        };
        Some(Lane {
            v,
            bounds,
            mask: false,
        })
    }

    /// The lanes' own numbers.
    fn numbers(&mut self) -> Option<Lane> {
        if self.round.is_some() {
            return None;
        }
        let mut table = [0; 128];
        let bytes = self.width.bits() as usize / 8;
        for (n, lane) in table.chunks_exact_mut(bytes).enumerate() {
            // There are 128 at most.
            lane[0] = n as u8;
        }
        Some(Lane {
            v: self.push(Op::Table(table)),
            bounds: (0, (128 / bytes - 1) as i128),
            mask: false,
        })
    }

    /// An element whose number is computed; beyond the vector there are zeros.
    fn gathered(&mut self, operand: usize, index: &'static Expr, ty: Type) -> Option<Lane> {
        let bytes = self.width == Width::B;
        let allowed = self.features().lookup
            && if bytes {
                self.features().permute
            } else {
                self.width != Width::D
            };
        let single = self.n.insn.info().operands.get(operand)?.class == OperandClass::Vec;
        if ty.bits() != self.width.bits() || !allowed || !single || self.round.is_some() {
            return None;
        }
        let lanes = i128::from(1024 / self.width.bits());
        let number = self.number(index)?;
        let all = self.unsigned_bounds().1;
        // Seen as an unsigned number the lane is below the number of lanes only if the index is.
        if number.bounds.0 < lanes - 1 - all || number.bounds.1 > all {
            return None;
        }
        let vector = self.s.read(self.n, operand, 0)?;
        let mut v = self.push(Op::Gather(self.width, number.v, vector));
        if number.bounds.0 < 0 || number.bounds.1 >= lanes {
            let end = self.constant(lanes);
            let inside = self.push(Op::Compare(Compare::LtU, self.width, number.v, end));
            v = self.push(Op::Binary(Binary::And, Width::D, v, inside));
        }
        Some(Lane {
            v,
            bounds: ty.bounds()?,
            mask: false,
        })
    }

    /// An index, which wraps far beyond any vector: a difference below 0 is none.
    fn number(&mut self, index: &'static Expr) -> Option<Lane> {
        let Kind::Binary(ir::Binary::Sub, a, b) = index.kind else {
            return self.eval(index);
        };
        let (x, y) = (self.eval(a)?, self.eval(b)?);
        Some(Lane {
            v: self.binary(Binary::Sub, x.v, y.v),
            bounds: (
                x.bounds.0.checked_sub(y.bounds.1)?,
                x.bounds.1.checked_sub(y.bounds.0)?,
            ),
            mask: false,
        })
    }

    /// It is the same in all lanes.
    fn same(&self, e: &'static Expr) -> bool {
        let mut varies = false;
        e.visit(&mut |x| {
            varies |= match x.kind {
                Kind::Local(n) => self.scalars.get(n).is_none_or(Option::is_none),
                Kind::Load(_) | Kind::Lane => true,
                _ => false,
            };
        });
        !varies && pure(e) && scalar_expr(e, self.n)
    }

    /// What the type makes of a value: an operation's result wraps at its bits.
    pub(super) fn wrap(&mut self, x: Lane, ty: Type) -> Option<Lane> {
        let bounds = ty.bounds()?;
        if within(x.bounds, bounds) {
            return Some(x);
        }
        let (bits, width) = (ty.bits(), self.width.bits());
        if bits < width {
            return self.extracted(Part {
                vector: x.v,
                bits,
                signed: ty.signed(),
                shift: 0,
            });
        }
        Some(Lane { bounds, ..x })
    }

    pub(super) fn eval(&mut self, e: &'static Expr) -> Option<Lane> {
        if self.same(e) {
            return self.splat(e);
        }
        match e.kind {
            Kind::Local(n) => self.locals.get(n).copied().flatten(),
            Kind::Lane => self.numbers(),
            Kind::Element(k, index) => {
                let Some(part) = self.part(e) else {
                    return self.gathered(k, index, e.ty);
                };
                let predicate = self.n.insn.info().operands.get(k)?.class == OperandClass::VecPred;
                let x = self.extracted(part)?;
                Some(Lane {
                    // Bytes of a wider lane may differ.
                    mask: predicate && self.width == Width::B,
                    ..x
                })
            }
            Kind::Cast(a) => {
                if let Some(part) = self.part(e) {
                    return self.extracted(part);
                }
                let x = self.eval(a)?;
                if a.ty == Type::Bool {
                    let one = self.constant(1);
                    return Some(Lane {
                        v: self.push(Op::Binary(Binary::And, Width::D, x.v, one)),
                        bounds: (0, 1),
                        mask: false,
                    });
                }
                self.wrap(x, e.ty)
            }
            Kind::Bits(a) => {
                let x = self.eval(a)?;
                self.wrap(x, e.ty)
            }
            Kind::Mask(c) => {
                let c = self.eval(c)?;
                let minus_one = if e.ty.signed() { (-1, 0) } else { UNKNOWN };
                let x = Lane {
                    bounds: minus_one,
                    ..c
                };
                self.wrap(x, e.ty)
            }
            Kind::Lsb(a) => {
                let x = self.eval(a)?;
                let one = self.constant(1);
                let bit = self.push(Op::Binary(Binary::And, Width::D, x.v, one));
                let zero = self.constant(0);
                let v = self.binary(Binary::Sub, zero, bit);
                Some(self.truth(v))
            }
            Kind::BoolAnd(a, b) => self.logic(Binary::And, a, b),
            Kind::BoolOr(a, b) => self.logic(Binary::Or, a, b),
            Kind::Compare(op, a, b) => self.compare(op, a, b),
            Kind::Select(c, a, b) => {
                let (c, a, b) = (self.eval(c)?, self.eval(a)?, self.eval(b)?);
                let bounds = (a.bounds.0.min(b.bounds.0), a.bounds.1.max(b.bounds.1));
                Some(Lane {
                    v: self.push(Op::Select(c.v, a.v, b.v)),
                    bounds,
                    mask: a.mask && b.mask,
                })
            }
            Kind::Saturate { value, sticky: false } => self.saturate(e.ty, value),
            Kind::Call(b @ (Builtin::shl_signed | Builtin::shl_unsigned), [v, n]) => {
                let (v, n) = (self.eval(v)?, self.eval(n)?);
                self.shift_signed(b == Builtin::shl_signed, v, n, e.ty)
            }
            Kind::Unary(op, a) => self.unary(op, e.ty, a),
            Kind::Binary(op, a, b) => {
                if op == ir::Binary::Add
                    && let Some(sum) = self.products(e)
                {
                    return Some(sum);
                }
                self.arithmetic(op, e.ty, a, b)
            }
            _ => None,
        }
    }

    fn splat(&mut self, e: &'static Expr) -> Option<Lane> {
        let known = match e.kind {
            Kind::Const(v) => Some(v),
            Kind::Operand(k) if self.n.insn.info().operands.get(k)?.class == OperandClass::Imm => {
                let v = *self.n.insn.v.get(k)?;
                Some(if e.ty.signed() {
                    v.into()
                } else {
                    i128::from(v as u32)
                })
            }
            _ => None,
        };
        if let Some(v) = known {
            return Some(Lane {
                v: self.constant(v),
                bounds: (v, v),
                mask: false,
            });
        }
        if e.ty == Type::Bool {
            return None;
        }
        let bounds = scalar_bounds(e, self.scalars)?;
        Some(Lane {
            v: self.s.splat(self.n, self.width, e),
            bounds,
            mask: false,
        })
    }

    /// A truth value.
    pub(super) fn truth(&self, v: Value) -> Lane {
        Lane {
            v,
            bounds: (-1, 0),
            mask: true,
        }
    }

    fn logic(&mut self, op: Binary, a: &'static Expr, b: &'static Expr) -> Option<Lane> {
        let (a, b) = (self.eval(a)?, self.eval(b)?);
        let v = self.push(Op::Binary(op, Width::D, a.v, b.v));
        Some(self.truth(v))
    }

    fn compare(&mut self, op: ir::Compare, a: &'static Expr, b: &'static Expr) -> Option<Lane> {
        let (x, y) = (self.eval(a)?, self.eval(b)?);
        if x.mask && y.bounds == (0, 0) && matches!(op, ir::Compare::Ne | ir::Compare::Eq) {
            let v = match op {
                ir::Compare::Ne => x.v,
                _ => self.push(Op::Unary(Unary::Not, self.width, x.v)),
            };
            return Some(self.truth(v));
        }
        let signed = self.common_sign(x, y)?;
        let (op, x, y) = match op {
            ir::Compare::Eq => (Compare::Eq, x, y),
            ir::Compare::Ne => (Compare::Ne, x, y),
            ir::Compare::Lt if signed => (Compare::LtS, x, y),
            ir::Compare::Lt => (Compare::LtU, x, y),
            ir::Compare::Le if signed => (Compare::LeS, x, y),
            ir::Compare::Le => (Compare::LeU, x, y),
            ir::Compare::Gt if signed => (Compare::LtS, y, x),
            ir::Compare::Gt => (Compare::LtU, y, x),
            ir::Compare::Ge if signed => (Compare::LeS, y, x),
            ir::Compare::Ge => (Compare::LeU, y, x),
        };
        let v = self.push(Op::Compare(op, self.width, x.v, y.v));
        Some(self.truth(v))
    }
}
