//! One function for the vector instructions of packets that follow each other: which host register each value is in.
//!
//! A vector is a pair of the host's registers of 512 bits. HVX registers that a unit holds have pairs of their own, their homes,
//! from the unit's way in to its ways out; others are in the register file between functions.

use hexagon_isa::state::layout;

use super::encode::{Encoder, Pair, SCRATCH};
use super::ops::{Op, Value};
use super::packet::{Argument, VectorPart};
use super::quarters;

/// Addresses that a function takes: in registers.
pub(in crate::jit) const MOST_ADDRESSES: usize = 4;
/// Addresses and values: what finds no register is on the stack.
pub(in crate::jit) const MOST_VALUES: usize = 12;

/// The first pair of the host's registers that Cranelift's code never touches.
const UPPER: Pair = 8;

/// Host registers of a unit.
#[derive(Debug, Clone)]
pub(in crate::jit) struct Held {
    /// HVX registers with a home, in the order of their pairs.
    registers: Vec<u8>,
    /// The first pair that may be used.
    first: Pair,
}

impl Held {
    /// Nothing is held. The lower half of the host's registers is Cranelift's.
    pub(in crate::jit) fn nothing() -> Self {
        Self::nothing_beside(true)
    }

    /// Nothing is held. If the unit computes with floats the lower half of the host's registers is Cranelift's.
    pub(in crate::jit) fn nothing_beside(floats: bool) -> Self {
        Self {
            registers: Vec::new(),
            first: if floats { UPPER } else { 0 },
        }
    }

    /// Holds these, the first of them if there is not room for all beside so many pairs for other values. If the unit computes with
    /// floats the lower half of the host's registers is Cranelift's.
    pub(in crate::jit) fn new(mut registers: Vec<u8>, others: usize, floats: bool) -> Self {
        let first = if floats { UPPER } else { 0 };
        registers.truncate(usize::from(SCRATCH - first).saturating_sub(others));
        if registers.is_empty() {
            return Self::nothing();
        }
        Self { registers, first }
    }

    fn home(&self, register: u8) -> Option<Pair> {
        let k = self.registers.iter().position(|r| *r == register)?;
        Some(self.first + k as Pair)
    }

    /// Those that have a home.
    pub(in crate::jit) fn registers(&self) -> &[u8] {
        &self.registers
    }

    /// Pairs that are nobody's home.
    fn others(&self) -> std::ops::Range<Pair> {
        self.first + self.registers.len() as Pair..SCRATCH
    }
}

/// Host code that Cranelift's code calls.
#[derive(Debug)]
pub(in crate::jit) struct Function {
    /// Constants, then code.
    pub(in crate::jit) bytes: Vec<u8>,
    /// Where the code begins.
    pub(in crate::jit) entry: usize,
    /// Pairs that were in use beside homes at the same time.
    pub(in crate::jit) pairs: usize,
}

/// A value's life.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    /// The last operation that uses it.
    last: Option<usize>,
    /// The register that it becomes, if no later value does.
    becomes: Option<u8>,
    /// Where it is.
    at: Option<Pair>,
}

/// A packet's part, and which of its arguments are to be found in the register they name: those that no packet of the function has
/// written since.
#[derive(Debug, Clone, Copy)]
pub(in crate::jit) struct Member<'a> {
    pub(in crate::jit) part: &'a VectorPart,
    /// General registers that were written since, a bit each, the packet's own among them.
    pub(in crate::jit) stale: u32,
}

impl<'a> Member<'a> {
    /// A packet's part of which nothing is known: all arguments are handed over.
    pub(in crate::jit) fn alone(part: &'a VectorPart) -> Self {
        Self {
            part,
            stale: u32::MAX,
        }
    }

    /// Where the registers have this argument.
    pub(in crate::jit) fn in_registers(&self, a: &Argument) -> Option<usize> {
        let register = a
            .register
            .filter(|r| a.access.is_none() && !a.extended && self.stale >> r & 1 == 0)?;
        Some(layout::GPR + 4 * usize::from(register))
    }
}

/// Packets' operations as one list, registers by the values that they have then.
fn joined(parts: &[Member<'_>]) -> Vec<Op> {
    let mut all: Vec<Op> = Vec::new();
    let (mut vectors, mut predicates) = ([None; 32], [None; 4]);
    let (mut addresses, mut values) = (0, parts.iter().map(|p| p.part.addresses()).sum());
    for member in parts {
        let part = member.part;
        // Addresses of all packets come first.
        let places: Vec<usize> = part
            .arguments
            .iter()
            .map(|a| {
                if member.in_registers(a).is_some() {
                    return 0;
                }
                let next = if a.access.is_some() {
                    &mut addresses
                } else {
                    &mut values
                };
                *next += 1;
                *next - 1
            })
            .collect();
        let mut names: Vec<Value> = Vec::with_capacity(part.ops.len());
        let mut set: Vec<Op> = Vec::new();
        for op in &part.ops {
            let known = match *op {
                Op::Register(n) => vectors[usize::from(n)],
                Op::Predicate(n) => predicates[usize::from(n)],
                _ => None,
            };
            if let Some(v) = known {
                names.push(v);
                continue;
            }
            let splat = match *op {
                Op::Splat(w, a) => member
                    .in_registers(&part.arguments[a])
                    .map(|at| Op::SplatRegister(w, at)),
                _ => None,
            };
            let op = splat.unwrap_or_else(|| op.map(|v| names[v], |a| places[a]));
            match op {
                Op::SetRegister(..) | Op::SetPredicate(..) => set.push(op),
                Op::Register(n) => vectors[usize::from(n)] = Some(all.len()),
                Op::Predicate(n) => predicates[usize::from(n)] = Some(all.len()),
                _ => {}
            }
            names.push(all.len());
            all.push(op);
        }
        for op in set {
            match op {
                Op::SetRegister(n, v) => vectors[usize::from(n)] = Some(v),
                Op::SetPredicate(n, v) => predicates[usize::from(n)] = Some(v),
                _ => {}
            }
        }
    }
    all
}

/// Which operations are needed at all: what is done for its own sake, the last value of each register, and what those use.
fn needed(all: &[Op]) -> Vec<bool> {
    let mut needed = vec![false; all.len()];
    let (mut vectors, mut predicates) = (0u32, 0u32);
    let first = |seen: &mut u32, n: u8| {
        let new = *seen >> n & 1 == 0;
        *seen |= 1 << n;
        new
    };
    for (k, op) in all.iter().enumerate().rev() {
        needed[k] |= match *op {
            Op::SetRegister(n, _) => first(&mut vectors, n),
            Op::SetPredicate(n, _) => first(&mut predicates, n),
            op => op.effect(),
        };
        if needed[k] {
            op.operands().for_each(|v| needed[v] = true);
        }
    }
    needed
}

struct Allocation<'a> {
    held: &'a Held,
    lives: Vec<Life>,
    free: Vec<Pair>,
    /// Until when the register's value from before is in its home.
    before: [Option<usize>; 32],
    most: usize,
}

impl Allocation<'_> {
    fn take(&mut self) -> Option<Pair> {
        let pair = self.free.pop();
        self.most = self.most.max(self.held.others().len() - self.free.len());
        pair
    }

    fn at(&self, v: Value) -> Option<Pair> {
        self.lives[v].at
    }

    /// Gives the pairs back of what operation `k` is the last to use.
    fn release(&mut self, op: Op, k: usize) {
        for v in op.operands() {
            let life = self.lives[v];
            if let (Some(pair), true) = (life.at, life.last == Some(k)) {
                self.lives[v].at = None;
                self.give_back(pair);
            }
        }
    }

    fn give_back(&mut self, pair: Pair) {
        if !self.is_home(pair) && !self.free.contains(&pair) {
            self.free.push(pair);
        }
    }

    /// The home that operation `k` may put its value into: of the register that it becomes, whose value from before nobody uses
    /// any more.
    fn home(&self, k: Value) -> Option<Pair> {
        let register = self.lives[k].becomes?;
        let wanted = self.before[usize::from(register)].is_some_and(|last| last > k);
        self.held.home(register).filter(|_| !wanted)
    }

    fn is_home(&self, pair: Pair) -> bool {
        usize::from(pair - self.held.first) < self.held.registers.len()
    }
}

/// The function of these packets' vector parts; `None` if there are not enough registers for it.
pub(in crate::jit) fn assemble(parts: &[Member<'_>], held: &Held) -> Option<Function> {
    let all = joined(parts);
    let needed = needed(&all);
    if parts.iter().any(|member| !member.part.wide) {
        return quarters::assemble(parts, &all, &needed, held.first == UPPER);
    }
    let mut a = Allocation {
        held,
        lives: vec![Life::default(); all.len()],
        free: held.others().rev().collect(),
        before: [None; 32],
        most: 0,
    };
    for (k, op) in all.iter().enumerate().filter(|(k, _)| needed[*k]) {
        op.operands().for_each(|v| a.lives[v].last = Some(k));
        if let Op::SetRegister(n, v) = *op {
            a.lives[v].becomes = Some(n);
        }
    }
    for (k, op) in all.iter().enumerate() {
        if let Op::Register(n) = *op {
            a.before[usize::from(n)] = a.lives[k].last;
        }
    }
    let constants = all
        .iter()
        .zip(&needed)
        .filter(|(_, needed)| **needed)
        .map(|(op, _)| *op);
    let mut e = Encoder::new(constants);
    for (k, op) in all.iter().copied().enumerate().filter(|(k, _)| needed[*k]) {
        operation(&mut a, &mut e, k, op)?;
    }
    let pairs = a.most;
    let (bytes, entry) = e.finish()?;
    Some(Function { bytes, entry, pairs })
}

fn operation(a: &mut Allocation<'_>, e: &mut Encoder, k: Value, op: Op) -> Option<()> {
    match op {
        Op::Register(n) => {
            a.lives[k].at = Some(match a.held.home(n) {
                Some(home) => home,
                None => {
                    let pair = a.take()?;
                    e.load_file(pair, layout::VEC + usize::from(n) * 128);
                    pair
                }
            });
            return Some(());
        }
        Op::Store(argument, v) => e.store(a.at(v)?, argument),
        Op::SetRegister(n, v) => {
            let pair = a.at(v)?;
            match a.held.home(n) {
                Some(home) if home == pair => {}
                Some(home) => e.copy(home, pair),
                None => e.store_file(pair, layout::VEC + usize::from(n) * 128),
            }
        }
        Op::SetPredicate(n, v) => e.store_predicate(a.at(v)?, usize::from(n)),
        // The first operand becomes the result: in its place if nobody needs it any more.
        Op::Select(x, ..) | Op::Dot(x, ..) | Op::Gather(_, x, _) => {
            let old = a.at(x)?;
            let others: Vec<Pair> = op.operands().skip(1).filter_map(|v| a.at(v)).collect();
            let home = a.home(k).filter(|home| *home == old || !others.contains(home));
            let dies = a.lives[x].last == Some(k) && !a.is_home(old) && !others.contains(&old);
            let target = match home {
                Some(home) => home,
                None if dies => old,
                None => a.take()?,
            };
            if target != old {
                e.copy(target, old);
            }
            e.onto(op, target, &others)?;
            a.release(op, k);
            a.free.retain(|pair| *pair != target);
            a.lives[k].at = Some(target);
            return Some(());
        }
        _ => {
            let from: Vec<Pair> = op.operands().filter_map(|v| a.at(v)).collect();
            // An operand's pair can be the result's: each half is read before it is written.
            a.release(op, k);
            let target = match a.home(k) {
                Some(home) => home,
                None => a.take()?,
            };
            e.operation(op, target, &from)?;
            a.lives[k].at = Some(target);
            return Some(());
        }
    }
    a.release(op, k);
    Some(())
}

/// Brings held registers from the register file, or those of `which` (a bit each) back to it.
pub(in crate::jit) fn bring(held: &Held, back: Option<u32>) -> Option<Function> {
    let mut e = Encoder::new(std::iter::empty());
    for n in &held.registers {
        let (Some(home), at) = (held.home(*n), layout::VEC + usize::from(*n) * 128) else {
            continue;
        };
        match back {
            None => e.load_file(home, at),
            Some(which) if which >> n & 1 != 0 => e.store_file(home, at),
            Some(_) => {}
        }
    }
    let (bytes, entry) = e.finish()?;
    Some(Function {
        bytes,
        entry,
        pairs: 0,
    })
}
