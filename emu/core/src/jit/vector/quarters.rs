//! The same function for hosts whose registers have 256 bits: all operations for one quarter of the vectors after the other.
//!
//! Sixteen registers would be four vectors; a quarter of a vector takes one. Nothing is held in them between functions. What
//! moves bytes from quarter to quarter finds the whole vector on the stack, where it is put first.

use super::assemble::{Function, Member};
use super::avx2::{Encoder, SCRATCH, Ymm};
use super::ops::{Op, Value, Width};
use super::packet::VectorPart;

/// The host's lower vector registers, which are the other code's, if it computes with floats.
const OTHERS: std::ops::Range<Ymm> = 0..16;

/// Vectors on the stack at most: they take less than a page, so that a stack that ends is noticed at its end.
const MOST_KEPT: usize = 16;

/// Whether accesses may be made quarter by quarter: not if they can overlap elsewhere than in the same quarter.
pub(in crate::jit) fn divisible<'a>(parts: impl Iterator<Item = &'a VectorPart>) -> bool {
    let accesses = parts.flat_map(|part| part.arguments.iter().filter_map(|a| a.access));
    let (mut count, mut stores, mut aligned) = (0, false, true);
    for access in accesses {
        count += 1;
        stores |= access.store;
        aligned &= access.aligned;
    }
    count < 2 || !stores || aligned
}

struct Assembly<'a> {
    all: &'a [Op],
    needed: &'a [bool],
    /// The last operation that uses each value.
    last: &'a [Option<usize>],
    /// Values that somebody wants in a register: who moves bytes finds them elsewhere.
    wanted: &'a [bool],
    /// The vectors on the stack, by the value that they are, and where.
    kept: Vec<(Value, usize)>,
    /// What is the same in all quarters stays in its register.
    uniform: bool,
    at: Vec<Option<Ymm>>,
    free: Vec<Ymm>,
    /// Registers that were in use.
    used: Ymm,
}

/// The same in all quarters.
fn uniform(op: Op) -> bool {
    matches!(op, Op::Splat(..) | Op::SplatRegister(..) | Op::Constant(..))
}

/// The function; `floats`: the lower halves of the host's registers are to stay as they are.
pub(super) fn assemble(
    members: &[Member<'_>],
    all: &[Op],
    needed: &[bool],
    floats: bool,
) -> Option<Function> {
    if !divisible(members.iter().map(|member| member.part)) {
        return None;
    }
    let (mut last, mut wanted) = (vec![None; all.len()], vec![false; all.len()]);
    let mut kept: Vec<(Value, usize)> = Vec::new();
    let mut stored = false;
    for (k, op) in all.iter().enumerate().filter(|(k, _)| needed[*k]) {
        op.operands().for_each(|v| {
            last[v] = Some(k);
            wanted[v] |= !matches!(op, Op::Gather(..));
        });
        stored |= matches!(op, Op::Store(..));
        if let Op::Gather(_, index, from) = *op {
            let known =
                matches!(all[index], Op::Table(_)) && matches!(all[from], Op::Register(_) | Op::Load(_));
            // What is loaded may have been stored by the same function.
            if !known || stored && matches!(all[from], Op::Load(_)) {
                return None;
            }
            if kept.iter().all(|(v, _)| *v != from) {
                kept.push((from, 128 * kept.len()));
            }
            if kept.len() > MOST_KEPT {
                return None;
            }
        }
    }
    let make = |uniform, others: &[Ymm]| {
        let saved = 16 * others.len();
        let mut a = Assembly {
            all,
            needed,
            last: &last,
            wanted: &wanted,
            kept: kept.iter().map(|(v, at)| (*v, at + saved)).collect(),
            uniform,
            at: vec![None; all.len()],
            free: Vec::new(),
            used: 0,
        };
        let mut e = Encoder::new(saved + 128 * kept.len());
        a.write(&mut e, others)?;
        e.again();
        a.write(&mut e, others)?;
        let (bytes, entry) = e.finish()?;
        Some((
            Function {
                bytes,
                entry,
                pairs: 0,
            },
            a.used,
        ))
    };
    let others: Vec<Ymm> = if floats { OTHERS.collect() } else { Vec::new() };
    let first = make(true, &others).map(|made| (made, true));
    let ((function, used), uniform) = match first {
        Some(first) => first,
        None => (make(false, &others)?, false),
    };
    if !floats {
        return Some(function);
    }
    // Only those that are used are kept.
    let others: Vec<Ymm> = (0..used).chain(SCRATCH).collect();
    Some(make(uniform, &others)?.0)
}

impl Assembly<'_> {
    fn write(&mut self, e: &mut Encoder, others: &[Ymm]) -> Option<()> {
        self.at.fill(None);
        let [first, _] = SCRATCH;
        self.free = (0..first).rev().collect();
        e.enter(others);
        for (v, at) in &self.kept {
            e.keep_vector(self.all[*v], *at)?;
        }
        for quarter in 0..4 {
            for k in (0..self.all.len()).filter(|k| self.needed[*k]) {
                self.operation(e, k, quarter)?;
            }
            // What nobody came to use is another value in the next quarter, too.
            for (v, at) in self.at.iter_mut().enumerate() {
                if !(self.uniform && uniform(self.all[v])) {
                    self.free.extend(at.take());
                }
            }
        }
        e.leave(others);
        Some(())
    }

    fn take(&mut self) -> Option<Ymm> {
        let register = self.free.pop()?;
        self.used = self.used.max(register + 1);
        Some(register)
    }

    /// Gives the registers back of what operation `k` is the last to use.
    fn release(&mut self, k: usize) {
        for v in self.all[k].operands() {
            if self.last[v] == Some(k)
                && !(self.uniform && uniform(self.all[v]))
                && let Some(register) = self.at[v].take()
            {
                self.free.push(register);
            }
        }
    }

    fn operation(&mut self, e: &mut Encoder, k: Value, quarter: usize) -> Option<()> {
        let op = self.all[k];
        if self.at[k].is_some() {
            return Some(());
        }
        if !op.effect() && !self.wanted[k] {
            return Some(());
        }
        if let Op::Gather(Width::B, index, from) = op {
            let Op::Table(index) = &self.all[index] else {
                return None;
            };
            let kept = self.kept.iter().find(|(v, _)| *v == from)?.1;
            let to = self.take()?;
            e.gather(to, index, kept, quarter)?;
            self.release(k);
            self.at[k] = Some(to);
            return Some(());
        }
        let mut from = [0; 3];
        let mut count = 0;
        for v in op.operands() {
            from[count] = self.at[v]?;
            count += 1;
        }
        let from = &from[..count];
        if op.effect() {
            let [v] = *from else { return None };
            e.effect(op, v, quarter)?;
            self.release(k);
            return Some(());
        }
        // An operand's register can be the result's: it is read before it is written.
        self.release(k);
        let to = self.take()?;
        e.operation(op, to, from, quarter)?;
        self.at[k] = Some(to);
        Some(())
    }
}
