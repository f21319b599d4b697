//! Sums of products of the bytes or halfwords of a word, which hosts have instructions for.

use hexagon_isa::ir::{self, Expr, Kind};

use super::lanes::{Lane, Lanes, Part};
use super::ops::{Binary, Op, Shift, Value, Width};

/// The terms of a sum.
fn terms(e: &'static Expr, all: &mut Vec<&'static Expr>) {
    match e.kind {
        Kind::Binary(ir::Binary::Add, a, b) => {
            terms(a, all);
            terms(b, all);
        }
        _ => all.push(e),
    }
}

/// The same part, wherever in the word.
fn alike(a: Part, b: Part) -> bool {
    (a.vector, a.bits, a.signed) == (b.vector, b.bits, b.signed)
}

impl Lanes<'_, '_> {
    /// `acc + a[0] * b[0] + … + a[n] * b[n]` with all parts of a word: four bytes or two signed halfwords.
    pub(super) fn products(&mut self, e: &'static Expr) -> Option<Lane> {
        if self.width != Width::W || e.ty.bits() != 32 {
            return None;
        }
        let mut all = Vec::new();
        terms(e, &mut all);
        let mut pairs: Vec<(Part, Part)> = Vec::new();
        let mut others = Vec::new();
        for t in all {
            match self.product(t) {
                Some(pair) => pairs.push(pair),
                None => others.push(t),
            }
        }
        let &(a, b) = pairs.first()?;
        let whole = 32 / a.bits as usize;
        let each = (0..whole as u32).all(|k| {
            pairs
                .iter()
                .any(|(x, y)| x.shift == k * a.bits && y.shift == x.shift)
        });
        let same = pairs.iter().all(|(x, y)| alike(*x, a) && alike(*y, b));
        if pairs.len() != whole || !each || !same || a.bits != b.bits || others.len() > 1 {
            return None;
        }
        let before = match others.first() {
            Some(e) => Some(self.eval(e)?.v),
            None => None,
        };
        let v = match a.bits {
            8 => self.bytes(a, b, before),
            16 if a.signed && b.signed => {
                let sum = self.binary(Binary::MulAdd, a.vector, b.vector);
                self.added(sum, before)
            }
            _ => return None,
        };
        Some(Lane {
            v,
            bounds: e.ty.bounds()?,
            mask: false,
        })
    }

    fn added(&mut self, sum: Value, before: Option<Value>) -> Value {
        match before {
            Some(before) => self.binary(Binary::Add, before, sum),
            None => sum,
        }
    }

    fn bytes(&mut self, a: Part, b: Part, before: Option<Value>) -> Value {
        if self.s.features.dot && a.signed != b.signed {
            let (unsigned, signed) = if a.signed { (b, a) } else { (a, b) };
            let before = before.unwrap_or_else(|| self.push(Op::Constant(Width::W, 0)));
            return self.push(Op::Dot(before, unsigned.vector, signed.vector));
        }
        // Every other byte as a halfword.
        let (a0, b0) = (self.even(a), self.even(b));
        let (a1, b1) = (self.odd(a), self.odd(b));
        let even = self.binary(Binary::MulAdd, a0, b0);
        let odd = self.binary(Binary::MulAdd, a1, b1);
        let sum = self.binary(Binary::Add, even, odd);
        self.added(sum, before)
    }

    fn even(&mut self, p: Part) -> Value {
        if p.signed {
            let up = self.push(Op::Shift(Shift::Left, Width::H, p.vector, 8));
            return self.push(Op::Shift(Shift::Signed, Width::H, up, 8));
        }
        let low = self.push(Op::Constant(Width::H, 0xff));
        self.push(Op::Binary(Binary::And, Width::D, p.vector, low))
    }

    fn odd(&mut self, p: Part) -> Value {
        let how = if p.signed { Shift::Signed } else { Shift::Unsigned };
        self.push(Op::Shift(how, Width::H, p.vector, 8))
    }

    /// The factors of a product of two parts.
    fn product(&mut self, e: &'static Expr) -> Option<(Part, Part)> {
        let Kind::Binary(ir::Binary::Mul, a, b) = e.kind else {
            return None;
        };
        let mut factor = |e: &'static Expr| match e.kind {
            Kind::Cast(small) if small.ty.is_int() && small.ty.bits() < e.ty.bits() => {
                let part = self.part(small)?;
                // In a wider unsigned type a negative number would be another one.
                (part.bits < 32 && (e.ty.bits() >= 32)).then_some(part)
            }
            _ => None,
        };
        Some((factor(a)?, factor(b)?))
    }
}
