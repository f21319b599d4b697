//! Arithmetic on lanes: what an operation does to their bits, and to the bounds of what they hold.

use hexagon_isa::ir::{self, Expr, Kind, Type};

use super::lanes::{Lane, Lanes, Part, UNKNOWN, within};
use super::ops::{Binary, Compare, Op, Shift, Unary, Value, Width};

impl Lanes<'_, '_> {
    pub(super) fn unary(&mut self, op: ir::Unary, ty: Type, a: &'static Expr) -> Option<Lane> {
        if op == ir::Unary::Abs
            && let Kind::Binary(ir::Binary::Sub, a, b) = a.kind
            && let Some(x) = self.distance(a, b)
        {
            return self.wrap(x, ty);
        }
        let x = self.eval(a)?;
        let whole = a.ty.bits() == self.width.bits();
        match op {
            ir::Unary::Not => {
                let v = self.push(Op::Unary(Unary::Not, self.width, x.v));
                if ty == Type::Bool {
                    return Some(self.truth(v));
                }
                let y = Lane {
                    v,
                    bounds: UNKNOWN,
                    mask: x.mask,
                };
                self.wrap(y, ty)
            }
            ir::Unary::Neg => {
                let zero = self.constant(0);
                let v = self.binary(Binary::Sub, zero, x.v);
                let bounds = (x.bounds.1.checked_neg()?, x.bounds.0.checked_neg()?);
                let y = Lane {
                    v,
                    bounds,
                    mask: false,
                };
                self.wrap(y, ty)
            }
            ir::Unary::Abs if ty.signed() && self.fits_signed(x) => {
                let v = self.push(Op::Unary(Unary::Abs, self.width, x.v));
                let most = x.bounds.0.abs().max(x.bounds.1.abs());
                let y = Lane {
                    v,
                    bounds: (0, most),
                    mask: false,
                };
                self.wrap(y, ty)
            }
            ir::Unary::Clz if whole && self.features().clz && matches!(self.width, Width::W | Width::D) => {
                Some(Lane {
                    v: self.push(Op::Unary(Unary::Clz, self.width, x.v)),
                    bounds: (0, i128::from(self.width.bits())),
                    mask: false,
                })
            }
            ir::Unary::Popcount if whole && self.features().popcount => Some(Lane {
                v: self.push(Op::Unary(Unary::Popcount, self.width, x.v)),
                bounds: (0, i128::from(self.width.bits())),
                mask: false,
            }),
            _ => None,
        }
    }

    /// `abs(a - b)`, for which the difference need not fit the lane.
    fn distance(&mut self, a: &'static Expr, b: &'static Expr) -> Option<Lane> {
        let (x, y) = (self.eval(a)?, self.eval(b)?);
        let (more, less) = match self.common_sign(x, y)? {
            true => (Binary::MaxS, Binary::MinS),
            false => (Binary::MaxU, Binary::MinU),
        };
        // The meaning's own difference does not wrap.
        if !within(
            (x.bounds.0 - y.bounds.1, x.bounds.1 - y.bounds.0),
            Type::I64.bounds()?,
        ) || a.ty.bits() <= self.width.bits()
        {
            return None;
        }
        let (more, less) = (self.binary(more, x.v, y.v), self.binary(less, x.v, y.v));
        let most = (x.bounds.1 - y.bounds.0).max(y.bounds.1 - x.bounds.0);
        Some(Lane {
            v: self.binary(Binary::Sub, more, less),
            bounds: (0, most),
            mask: false,
        })
    }

    pub(super) fn arithmetic(
        &mut self,
        op: ir::Binary,
        ty: Type,
        a: &'static Expr,
        b: &'static Expr,
    ) -> Option<Lane> {
        if op == ir::Binary::Shr
            && let Some(x) = self.average(ty, a, b)
        {
            return Some(x);
        }
        if op == ir::Binary::Shr
            && let Some(x) = self.low_bits(ty, a, b)
        {
            return Some(x);
        }
        let (x, y) = (self.eval(a)?, self.eval(b)?);
        let corners = |f: fn(i128, i128) -> Option<i128>| {
            let all = [
                f(x.bounds.0, y.bounds.0)?,
                f(x.bounds.0, y.bounds.1)?,
                f(x.bounds.1, y.bounds.0)?,
                f(x.bounds.1, y.bounds.1)?,
            ];
            Some((*all.iter().min()?, *all.iter().max()?))
        };
        let (v, bounds) = match op {
            ir::Binary::Add => (self.binary(Binary::Add, x.v, y.v), corners(i128::checked_add)),
            ir::Binary::Sub => (self.binary(Binary::Sub, x.v, y.v), corners(i128::checked_sub)),
            ir::Binary::Mul if self.width != Width::B => {
                (self.binary(Binary::Mul, x.v, y.v), corners(i128::checked_mul))
            }
            ir::Binary::And | ir::Binary::Or | ir::Binary::Xor => return self.bitwise(op, ty, x, y),
            ir::Binary::Min | ir::Binary::Max => {
                let host = match (op, self.common_sign(x, y)?) {
                    (ir::Binary::Min, true) => Binary::MinS,
                    (ir::Binary::Min, false) => Binary::MinU,
                    (_, true) => Binary::MaxS,
                    (_, false) => Binary::MaxU,
                };
                let f = |a: i128, b: i128| if op == ir::Binary::Min { a.min(b) } else { a.max(b) };
                let bounds = (f(x.bounds.0, y.bounds.0), f(x.bounds.1, y.bounds.1));
                (self.binary(host, x.v, y.v), Some(bounds))
            }
            ir::Binary::Rem => {
                // By a power of two, which a lane is a multiple of.
                let c = y.bounds.0;
                if y.bounds != (c, c) || c <= 0 || c > self.unsigned_bounds().1 + 1 || ty.signed() {
                    return None;
                }
                let mask = self.constant(c - 1);
                (
                    self.push(Op::Binary(Binary::And, Width::D, x.v, mask)),
                    Some((0, c - 1)),
                )
            }
            ir::Binary::Shl | ir::Binary::Shr => return self.shift(op == ir::Binary::Shl, ty, x, y),
            ir::Binary::Mul => return None,
        };
        let z = Lane {
            v,
            bounds: bounds.unwrap_or(UNKNOWN),
            mask: false,
        };
        self.wrap(z, ty)
    }

    /// `(a << k) >> k`: the low bits of a number, extended.
    fn low_bits(&mut self, ty: Type, shifted: &'static Expr, by: &'static Expr) -> Option<Lane> {
        let Kind::Binary(ir::Binary::Shl, a, left) = shifted.kind else {
            return None;
        };
        let (Kind::Const(left), Kind::Const(right)) = (left.kind, by.kind) else {
            return None;
        };
        let bits = ty.bits().checked_sub(u32::try_from(left).ok()?)?;
        if left != right || bits == 0 || bits >= self.width.bits() {
            return None;
        }
        let x = self.eval(a)?;
        self.extracted(Part {
            vector: x.v,
            bits,
            signed: ty.signed(),
            shift: 0,
        })
    }

    /// Left by a signed amount, or right if it is below 0; of a number of which the lane holds all.
    pub(super) fn shift_signed(&mut self, signed: bool, x: Lane, n: Lane, ty: Type) -> Option<Lane> {
        let fits = if signed {
            self.fits_signed(x)
        } else {
            self.fits_unsigned(x)
        };
        let near = within(n.bounds, (-64, 64));
        if !fits || !near || matches!(self.width, Width::B | Width::D) || !self.fits_signed(n) {
            return None;
        }
        let zero = self.constant(0);
        let back = self.binary(Binary::Sub, zero, n.v);
        let left = self.binary(Binary::Shl, x.v, n.v);
        let how = if signed { Binary::ShrS } else { Binary::ShrU };
        let right = self.binary(how, x.v, back);
        let negative = self.push(Op::Compare(Compare::LtS, self.width, n.v, zero));
        let y = Lane {
            v: self.push(Op::Select(negative, right, left)),
            bounds: UNKNOWN,
            mask: false,
        };
        self.wrap(y, ty)
    }

    fn bitwise(&mut self, op: ir::Binary, ty: Type, x: Lane, y: Lane) -> Option<Lane> {
        let (host, positive) = match op {
            ir::Binary::And => (Binary::And, x.bounds.1.min(y.bounds.1)),
            ir::Binary::Or => (Binary::Or, ones_up_to(x.bounds.1.max(y.bounds.1))),
            _ => (Binary::Xor, ones_up_to(x.bounds.1.max(y.bounds.1))),
        };
        let v = self.push(Op::Binary(host, Width::D, x.v, y.v));
        let mask = x.mask && y.mask;
        if ty == Type::Bool {
            return Some(self.truth(v));
        }
        let bounds = if x.bounds.0 >= 0 && y.bounds.0 >= 0 {
            (0, positive)
        } else {
            // Of two numbers that a type holds.
            ty.bounds()?
        };
        Some(Lane { v, bounds, mask })
    }

    fn shift(&mut self, left: bool, ty: Type, x: Lane, by: Lane) -> Option<Lane> {
        if !self.fits_unsigned(by) {
            return None;
        }
        let known = (by.bounds.0 == by.bounds.1).then_some(by.bounds.0);
        let signed = !self.fits_unsigned(x);
        if !left && signed && !self.fits_signed(x) {
            return None;
        }
        let (how, host) = match (left, signed) {
            (true, _) => (Shift::Left, Binary::Shl),
            (false, true) => (Shift::Signed, Binary::ShrS),
            (false, false) => (Shift::Unsigned, Binary::ShrU),
        };
        let v = match known {
            Some(k) if k < i128::from(self.width.bits()) => self.shifted(how, x.v, k as u32),
            _ if self.width == Width::B => return None,
            _ => self.binary(host, x.v, by.v),
        };
        let bounds = match (left, known) {
            (true, Some(k)) if k < 64 => {
                let bound = |b: i128| b.checked_mul(1 << k);
                bound(x.bounds.0).zip(bound(x.bounds.1)).unwrap_or(UNKNOWN)
            }
            (true, _) => UNKNOWN,
            (false, Some(k)) => {
                let k = u32::try_from(k).unwrap_or(u32::MAX).min(127);
                (x.bounds.0 >> k, x.bounds.1 >> k)
            }
            (false, None) => (x.bounds.0.min(0), x.bounds.1.max(0)),
        };
        let z = Lane {
            v,
            bounds,
            mask: false,
        };
        self.wrap(z, ty)
    }

    /// `(a + b) >> 1`, `(a + b + 1) >> 1` and `(a - b) >> 1` of numbers that fill their lanes.
    fn average(&mut self, ty: Type, sum: &'static Expr, by: &'static Expr) -> Option<Lane> {
        let is_one = |e: &'static Expr| matches!(e.kind, Kind::Const(1));
        if !is_one(by) {
            return None;
        }
        let (a, b, rounds, minus) = match sum.kind {
            Kind::Binary(ir::Binary::Sub, a, b) => (a, b, false, true),
            Kind::Binary(ir::Binary::Add, ab, one) if is_one(one) => match ab.kind {
                Kind::Binary(ir::Binary::Add, a, b) => (a, b, true, false),
                _ => return None,
            },
            Kind::Binary(ir::Binary::Add, a, b) => (a, b, false, false),
            _ => return None,
        };
        let (mut x, mut y) = (self.eval(a)?, self.eval(b)?);
        let mut signed = self.common_sign(x, y)?;
        let total = if minus {
            (x.bounds.0 - y.bounds.1, x.bounds.1 - y.bounds.0)
        } else {
            (x.bounds.0 + y.bounds.0, x.bounds.1 + y.bounds.1)
        };
        // The meaning's own sum does not wrap.
        if !within((total.0, total.1 + 1), sum.ty.bounds()?) {
            return None;
        }
        let sum = Lane {
            bounds: (total.0, total.1 + 1),
            ..x
        };
        if self.fits_signed(sum) || self.fits_unsigned(sum) {
            // The sum is plainer.
            return None;
        }
        let bounds = (total.0 >> 1, (total.1 + i128::from(rounds)) >> 1);
        if minus {
            if !signed {
                // The difference stays the same when both are moved into the signed numbers.
                let sign = self.constant(1 << (self.width.bits() - 1));
                x.v = self.push(Op::Binary(Binary::Xor, Width::D, x.v, sign));
                y.v = self.push(Op::Binary(Binary::Xor, Width::D, y.v, sign));
                signed = true;
            }
            // a - b is a + !b + 1.
            y.v = self.push(Op::Unary(Unary::Not, self.width, y.v));
        }
        let v = if (rounds || minus) && !signed && matches!(self.width, Width::B | Width::H) {
            self.binary(Binary::AverageU, x.v, y.v)
        } else {
            let differ = self.push(Op::Binary(Binary::Xor, Width::D, x.v, y.v));
            let how = if signed { Shift::Signed } else { Shift::Unsigned };
            let half = self.shifted(how, differ, 1);
            if rounds || minus {
                let either = self.push(Op::Binary(Binary::Or, Width::D, x.v, y.v));
                self.binary(Binary::Sub, either, half)
            } else {
                let both = self.push(Op::Binary(Binary::And, Width::D, x.v, y.v));
                self.binary(Binary::Add, both, half)
            }
        };
        let z = Lane {
            v,
            bounds,
            mask: false,
        };
        self.wrap(z, ty)
    }

    pub(super) fn saturate(&mut self, to: Type, value: &'static Expr) -> Option<Lane> {
        let wanted = to.bounds()?;
        if let Kind::Binary(op @ (ir::Binary::Add | ir::Binary::Sub), a, b) = value.kind
            && to.bits() == self.width.bits()
            && let Some(v) = self.saturated_sum(op == ir::Binary::Sub, to.signed(), a, b, value.ty)
        {
            return Some(Lane {
                v,
                bounds: wanted,
                mask: false,
            });
        }
        let x = self.eval(value)?;
        let bounds = (
            x.bounds.0.clamp(wanted.0, wanted.1),
            x.bounds.1.clamp(wanted.0, wanted.1),
        );
        let mut v = x.v;
        let signed = !self.fits_unsigned(x);
        if signed && !self.fits_signed(x) {
            return None;
        }
        if x.bounds.0 < wanted.0 {
            let low = self.constant(wanted.0);
            v = self.binary(Binary::MaxS, v, low);
        }
        if x.bounds.1 > wanted.1 {
            let high = self.constant(wanted.1);
            v = self.binary(if signed { Binary::MinS } else { Binary::MinU }, v, high);
        }
        Some(Lane {
            v,
            bounds,
            mask: false,
        })
    }

    /// `a + b` or `a - b`, saturated to a lane of which both have the signedness.
    fn saturated_sum(
        &mut self,
        minus: bool,
        signed: bool,
        a: &'static Expr,
        b: &'static Expr,
        of: Type,
    ) -> Option<Value> {
        let (x, y) = (self.eval(a)?, self.eval(b)?);
        let fit = if signed {
            self.fits_signed(x) && self.fits_signed(y)
        } else {
            self.fits_unsigned(x) && self.fits_unsigned(y)
        };
        // The meaning's own sum does not wrap.
        if !fit || of.bits() <= self.width.bits() || !of.signed() && minus {
            return None;
        }
        if matches!(self.width, Width::B | Width::H) {
            let op = match (minus, signed) {
                (false, true) => Binary::AddSatS,
                (false, false) => Binary::AddSatU,
                (true, true) => Binary::SubSatS,
                (true, false) => Binary::SubSatU,
            };
            return Some(self.binary(op, x.v, y.v));
        }
        let (a, b) = (x.v, y.v);
        if !signed {
            return Some(if minus {
                let larger = self.binary(Binary::MaxU, a, b);
                self.binary(Binary::Sub, larger, b)
            } else {
                let sum = self.binary(Binary::Add, a, b);
                let carried = self.push(Op::Compare(Compare::LtU, self.width, sum, a));
                self.push(Op::Binary(Binary::Or, Width::D, sum, carried))
            });
        }
        let bitwise = |l: &mut Self, op, a, b| l.push(Op::Binary(op, Width::D, a, b));
        let top = (self.width.bits() - 1) as u8;
        let sum = self.binary(if minus { Binary::Sub } else { Binary::Add }, a, b);
        // The sign is wrong if it is not a's, although both signs were one (of a difference: were two).
        let from_a = bitwise(self, Binary::Xor, a, sum);
        let other = if minus {
            bitwise(self, Binary::Xor, a, b)
        } else {
            bitwise(self, Binary::Xor, b, sum)
        };
        let wrong = bitwise(self, Binary::And, from_a, other);
        let wrong = self.push(Op::Shift(Shift::Signed, self.width, wrong, top));
        let sign = self.push(Op::Shift(Shift::Signed, self.width, a, top));
        let most = self.constant(self.signed_bounds().1);
        let most = bitwise(self, Binary::Xor, sign, most);
        Some(self.push(Op::Select(wrong, most, sum)))
    }
}

/// The least number that is all ones and not below `v`.
fn ones_up_to(v: i128) -> i128 {
    match u128::try_from(v) {
        Ok(v) if v > 0 => i128::try_from(u128::MAX >> v.leading_zeros()).unwrap_or(i128::MAX),
        _ => 0,
    }
}
