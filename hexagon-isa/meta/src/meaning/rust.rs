//! Prints a checked meaning as the Rust function that the interpreter calls.
//!
//! The function reads all its operands first, then computes, accesses memory, and writes registers through `Regs`, which
//! puts them in place or into the pending half as `Args::off` says. Floats are handled as their bits.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::dot::{Bytes, Dot, dot};
use super::effects::effects;
use super::ir::{
    Binary, Builtin, Compare, Effects, Expr, Fixed, Kind, Meaning, Needs, Signature, Stmt, Type, Unary,
};
use super::twin::{begins_again, no_effect, quick_float};
use super::window::{Lookup, Window, lookups, window};
use super::{narrow, stride};
use crate::spec::{Operand, OperandClass, Role};

/// Whether the function needs the memory (and is generic over it).
pub fn needs_memory(e: &Effects) -> bool {
    e.fault
}

/// Whether it multiplies tiles of the matrix unit, for which there is a function for each kind of host.
pub fn multiplies_tiles(m: &Meaning) -> bool {
    m.body
        .iter()
        .any(|s| matches!(s, Stmt::Call(Builtin::mx_weight, _)))
}

/// The Rust type of a value.
pub(super) fn ty(t: Type) -> String {
    match t {
        Type::Bool => "bool".into(),
        Type::Int(s, n) => format!("{}{n}", if s { 'i' } else { 'u' }),
        Type::Float(n) => format!("u{n}"),
        Type::Qf(n) => format!("Qf{n}"),
        Type::Vec => "Vector".into(),
        Type::VecPair => "VectorPair".into(),
    }
}

fn lanes(o: &Operand, t: Type) -> u32 {
    let bits = match o.class {
        OperandClass::VecPair => 2048,
        OperandClass::VecQuad => 4096,
        _ => 1024,
    };
    bits / t.bits()
}

/// The function's text. `name` is the instruction's. One that accesses memory with loads and stores only, or computes with scalar
/// floats, has a twin behind it for when an access is in the way or flags are to be raised (then the whole is done there): so
/// the usual way needs no room on the stack.
pub fn function(name: &str, operands: &[Operand], m: &Meaning) -> String {
    if quick_float(m) || needs_memory(&effects(m)) && begins_again(m) {
        let slow = format!("slow_{name}");
        let text = one_function(name, operands, m, Some(&slow));
        return format!(
            "{text}#[cold]\n#[inline(never)]\n{}",
            one_function(&slow, operands, m, None)
        );
    }
    one_function(name, operands, m, None)
}

/// The function's text; `slow` is the function that does what an access in the way prevented.
fn one_function(name: &str, operands: &[Operand], m: &Meaning, slow: Option<&str>) -> String {
    let fx = effects(m);
    let mut g = Gen {
        operands,
        slow,
        borrows: m.body.iter().all(leaves_registers_alone),
        locals: m.locals.len(),
        out: String::new(),
        indent: 1,
    };
    // The quick way raises nothing.
    let status = (fx.sticky || fx.status) && slow.is_none();
    let (mut whole, mut views, mut circular) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut hidden = BTreeSet::new();
    let mut fixed = Vec::new();
    let in_place = only_stored(m, operands);
    m.visit(&mut |e| match &e.kind {
        Kind::Operand(n) | Kind::Half(n, _) if !in_place.contains(n) => {
            whole.insert(*n);
        }
        Kind::Element(n, _) => {
            match e.ty {
                Type::Qf(bits) => hidden.insert((*n, bits)),
                _ => views.insert(*n),
            };
        }
        Kind::CircularStart(n) => {
            circular.insert(*n);
        }
        Kind::Fixed(f) if !fixed.contains(f) => fixed.push(*f),
        _ => {}
    });
    let mut elements: Vec<(usize, Type)> = Vec::new();
    m.visit_stmts(&mut |s| {
        if let Stmt::WriteElement(n, _, e) = s
            && !elements.iter().any(|(k, _)| k == n)
        {
            elements.push((*n, e.ty));
        }
    });
    if needs_memory(&fx) {
        let _ = writeln!(
            g.out,
            "pub(super) extern \"C\" fn {name}<M: Memory>(s: &mut Regs, m: &M, a: &Args) -> Result<(), M::Fault> {{"
        );
    } else {
        let _ = writeln!(
            g.out,
            "pub(super) extern \"C\" fn {name}(s: &mut Regs, a: &Args) {{"
        );
    }
    let begin = g.out.len();
    let rules = m.calls(Needs::Qfloat);
    if rules && needs_memory(&fx) {
        g.line("let qfloat = s.qfloat;");
    } else if !rules && (!hidden.is_empty() || elements.iter().any(|(_, t)| matches!(t, Type::Qf(_)))) {
        // What only the new rules have.
        g.line("let qfloat = Qfloat::Extended;");
    }
    for n in &whole {
        let read = g.read(*n);
        g.line(&format!("let o{n} = {read};"));
    }
    for (n, bits) in &hidden {
        let pair = if operands[*n].class == OperandClass::VecPair {
            "_pair"
        } else {
            ""
        };
        g.line(&format!("let q{n} = s.qf{bits}{pair}(a.v[{n}], qfloat);"));
    }
    for n in &views {
        g.line(&format!("let e{n} = {};", g.view(*n)));
    }
    for n in &circular {
        g.line(&format!("let cs{n} = s.circular_start(a.v[{n}]);"));
    }
    for f in &fixed {
        let (var, read) = match f {
            Fixed::Gpr(n) => (format!("r{n}"), format!("s.r.get({n}) as i32")),
            Fixed::Pred(n) => (format!("p{n}"), format!("s.p.get({n})")),
            Fixed::Ctl(n) => (format!("c{n}"), format!("s.c.get({n})")),
        };
        g.line(&format!("let {var} = {read};"));
    }
    if status {
        g.line("let mut st = s.status();");
    }
    if m.calls(Needs::Z) {
        g.line("let z = *s.z();");
    }
    for (n, t) in &elements {
        let o = &operands[*n];
        let k = lanes(o, *t);
        if let Type::Qf(bits) = t {
            g.line(&format!("let mut w{n} = Elements::<Qf{bits}, {k}>::default();"));
            continue;
        }
        let init = if o.role == Role::ReadWrite && !written_whole(m.body, *n, k) {
            format!("elements(&{})", g.source(*n))
        } else {
            format!("[Default::default(); {k}]")
        };
        g.line(&format!("let mut w{n}: [{}; {k}] = {init};", ty(*t)));
    }
    for (l, t) in m.locals.iter().enumerate() {
        let zero = match t {
            Type::Bool => "false",
            Type::Vec => "[0; 128]",
            Type::VecPair => "[0; 256]",
            _ => "0",
        };
        g.line(&format!("let mut t{l}: {} = {zero};", ty(*t)));
    }
    for s in m.body {
        g.stmt(s);
    }
    for (n, t) in &elements {
        if let Type::Qf(bits) = t {
            let pair = if operands[*n].class == OperandClass::VecPair {
                "_pair"
            } else {
                ""
            };
            g.line(&format!(
                "s.w_qf{bits}{pair}(a.v[{n}], a.vec_off, &w{n}, qfloat);"
            ));
            continue;
        }
        let (write, value) = match operands[*n].class {
            OperandClass::VecPair => ("w_vec_pair", ""),
            OperandClass::VecQuad => ("w_vec_quad", ""),
            OperandClass::VecPred => ("w_vec_pred", "pack"),
            _ => ("w_vec", ""),
        };
        let value = match value {
            "" => format!("bytes(&w{n})"),
            made => format!("{made}(&bytes(&w{n}))"),
        };
        g.line(&format!("s.{write}(a.v[{n}], a.vec_off, {value});"));
    }
    if status {
        g.line("s.raise(a.off, st.flags);");
    }
    if needs_memory(&fx) {
        g.line("Ok(())");
    } else if rules {
        // Each set of rules has a copy of its own, so that lanes have no branch in them.
        let body = g.out.split_off(begin);
        g.line("match s.qfloat {");
        for rules in ["Legacy", "Extended"] {
            g.line(&format!("Qfloat::{rules} => {{ let qfloat = Qfloat::{rules};"));
            g.out.push_str(&body);
            g.line("}");
        }
        g.line("}");
    }
    g.out.push_str("}\n");
    g.out
}

/// Whether a statement changes no registers: then vectors can be read where they are, without copies.
fn leaves_registers_alone(s: &Stmt) -> bool {
    match s {
        Stmt::Set(..) | Stmt::WriteElement(..) => true,
        Stmt::If(_, a, b) => a.iter().chain(*b).all(leaves_registers_alone),
        Stmt::Lanes(_, body) => body.iter().all(leaves_registers_alone),
        _ => false,
    }
}

/// The vector operands that are only stored whole: they are read where they are. (Registers are written after all accesses.)
fn only_stored(m: &Meaning, operands: &[Operand]) -> BTreeSet<usize> {
    let mut uses = vec![0; operands.len()];
    m.visit(&mut |e| {
        if let Kind::Operand(n) = e.kind {
            uses[n] += 1;
        }
    });
    m.visit_stmts(&mut |s| {
        if let Stmt::StoreVec(_, e, _) = s
            && let Kind::Operand(n) = e.kind
        {
            uses[n] -= 1;
        }
    });
    (0..operands.len())
        .filter(|n| uses[*n] == 0 && operands[*n].class == OperandClass::Vec)
        .collect()
}

/// Whether every element of operand `n` is written, whatever happens.
fn written_whole(body: &[Stmt], n: usize, elements: u32) -> bool {
    body.iter().any(|s| match s {
        Stmt::Lanes(count, body) if *count == elements => body.iter().any(
            |s| matches!(s, Stmt::WriteElement(k, index, _) if *k == n && matches!(index.kind, Kind::Lane)),
        ),
        _ => false,
    })
}

struct Gen<'a> {
    operands: &'a [Operand],
    /// Where to begin again if an access is not quickly done.
    slow: Option<&'a str>,
    /// Vectors are read where they are.
    borrows: bool,
    /// How many locals the meaning has.
    locals: usize,
    out: String,
    indent: usize,
}

impl Gen<'_> {
    fn line(&mut self, text: &str) {
        for _ in 0..self.indent {
            self.out.push_str("    ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// How an operand is read whole.
    fn read(&self, n: usize) -> String {
        let o = &self.operands[n];
        let v = format!("a.v[{n}]");
        match o.class {
            OperandClass::Gpr => format!("s.gpr({v}) as i32"),
            OperandClass::GprPair => format!("s.gpr_pair({v}) as i64"),
            OperandClass::Pred => format!("s.pred({v})"),
            OperandClass::Mod => format!("s.modifier({v})"),
            OperandClass::Ctrl => format!("s.ctl({v}, a)"),
            OperandClass::CtrlPair => format!("s.ctl_pair({v}, a)"),
            OperandClass::Guest | OperandClass::GuestPair | OperandClass::Sys | OperandClass::SysPair => {
                "0".to_string()
            }
            OperandClass::Imm if o.signed => v,
            OperandClass::Imm | OperandClass::PcRel => format!("{v} as u32"),
            OperandClass::Vec | OperandClass::VecPair | OperandClass::VecPred | OperandClass::VecQuad => {
                self.source(n)
            }
        }
    }

    /// A vector operand's bytes.
    fn source(&self, n: usize) -> String {
        match self.operands[n].class {
            OperandClass::VecPair => format!("s.vec_pair(a.v[{n}])"),
            OperandClass::VecQuad => format!("s.vec_quad(a.v[{n}])"),
            OperandClass::VecPred => format!("s.vec_pred(a.v[{n}])"),
            _ => format!("*s.vec(a.v[{n}])"),
        }
    }

    /// A reference to a vector operand's bytes.
    fn view(&self, n: usize) -> String {
        match self.operands[n].class {
            OperandClass::Vec if self.borrows => format!("s.vec(a.v[{n}])"),
            _ => format!("&{{ {} }}", self.source(n)),
        }
    }

    /// Where a general register operand is written: one that is only written says so itself, one that is read too says where it
    /// is read.
    fn place(&self, n: usize) -> String {
        match self.operands[n].role {
            Role::Write => format!("a.v[{n}]"),
            _ => format!("a.v[{n}] | i32::from(a.off)"),
        }
    }

    fn stmt(&mut self, s: &Stmt) {
        match s {
            Stmt::Set(l, e) => {
                let e = self.expr(&narrow::expr(e));
                self.line(&format!("t{l} = {e};"));
            }
            Stmt::Write(
                n,
                Expr {
                    kind: Kind::LoadVec { ea, aligned },
                    ..
                },
            ) if self.operands[*n].class == OperandClass::Vec => {
                let (ea, mask) = (self.expr(ea), if *aligned { " & !127" } else { "" });
                self.line(&format!(
                    "s.load_vec::<M>(a.v[{n}], a.vec_off, m, ({ea}){mask})?;"
                ));
            }
            Stmt::Write(n, e) => {
                let v = self.expr(e);
                let (f, cast) = match self.operands[*n].class {
                    OperandClass::GprPair => ("w_gpr_pair", " as u64"),
                    OperandClass::Pred => ("w_pred", " as u8"),
                    OperandClass::Ctrl => ("w_ctl", " as u32"),
                    OperandClass::CtrlPair => ("w_ctl_pair", " as u64"),
                    OperandClass::Vec => ("w_vec", ""),
                    OperandClass::VecPair => ("w_vec_pair", ""),
                    OperandClass::VecPred => ("w_vec_pred", ""),
                    _ => ("w_gpr", " as u32"),
                };
                let v = match self.operands[*n].class {
                    OperandClass::VecPred => format!("pack(&{v})"),
                    _ => v,
                };
                self.line(&format!("let x = ({v}){cast};"));
                let o = &self.operands[*n];
                if matches!(o.class, OperandClass::Gpr | OperandClass::GprPair) {
                    // An operand that is only written names where its result goes; one that is read too, where it is read.
                    let off = if o.role == Role::Write {
                        ""
                    } else {
                        " | i32::from(a.off)"
                    };
                    self.line(&format!("s.{f}(a.v[{n}]{off}, x);"));
                    return;
                }
                let off = if cast.is_empty() { "vec_off" } else { "off" };
                self.line(&format!("s.{f}(a.v[{n}], a.{off}, x);"));
            }
            Stmt::WriteFixed(f, e) => {
                let v = self.expr(e);
                let (f, n, cast) = match f {
                    Fixed::Gpr(n) => {
                        self.line(&format!("let x = ({v}) as u32;"));
                        self.line(&format!("s.w_gpr({n} | i32::from(a.off), x);"));
                        return;
                    }
                    Fixed::Pred(n) => ("w_pred", n, " as u8"),
                    Fixed::Ctl(n) => ("w_ctl", n, " as u32"),
                };
                self.line(&format!("let x = ({v}){cast};"));
                self.line(&format!("s.{f}({n}, a.off, x);"));
            }
            Stmt::WriteElement(n, i, e) => {
                let qfloat = matches!(e.ty, Type::Qf(_));
                let (i, e) = (self.expr(i), self.expr(&narrow::expr(e)));
                self.line(&if qfloat {
                    format!("w{n}.put({i}, {e});")
                } else {
                    format!("put(&mut w{n}, {i}, {e});")
                });
            }
            Stmt::WriteHalf(n, half, e) => {
                let e = self.expr(e);
                self.line(&format!("s.w_vec(a.v[{n}] ^ {half}, a.vec_off, {e});"));
            }
            Stmt::If(c, a, b) => {
                if let ([Stmt::Write(n, e)], []) = (*a, *b)
                    && matches!(self.operands[*n].class, OperandClass::Gpr)
                    && no_effect(e)
                {
                    // Without a branch: nobody can predict the program's data.
                    let (c, e, place) = (self.expr(c), self.expr(e), self.place(*n));
                    self.line(&format!("let (old, new) = (s.gpr({place}), ({e}) as u32);"));
                    self.line(&format!(
                        "s.w_gpr({place}, std::hint::select_unpredictable({c}, new, old));"
                    ));
                    return;
                }
                let c = self.expr(c);
                self.line(&format!("if {c} {{"));
                self.block(a);
                if !b.is_empty() {
                    self.line("} else {");
                    self.block(b);
                }
                self.line("}");
            }
            Stmt::Lanes(n, body)
                if let Some(d) = dot(*n, body)
                    && self.whole_vectors(&d) =>
            {
                self.dot(&d);
            }
            Stmt::Lanes(n, body)
                if let Some(w) = window(*n, body)
                    && [w.to, w.lo, w.hi].into_iter().all(|n| self.single(n)) =>
            {
                let Window { to, lo, hi, from } = w;
                let from = self.expr(from);
                self.line(&format!("w{to} = elements(&window(e{lo}, e{hi}, {from}));"));
            }
            Stmt::Lanes(n, body) => {
                let made = lookups(*n, body, self.locals)
                    .filter(|(found, _)| found.iter().all(|l| self.single(l.table)));
                if let Some((found, _)) = &made {
                    self.lookups(*n, body, found);
                }
                self.line(&format!("for i in 0u32..{n} {{"));
                match &made {
                    Some((found, body)) => {
                        for (k, l) in found.iter().enumerate() {
                            let local = self.locals + k;
                            self.line(&format!("    let t{local} = at(&found{k}, i) as {};", ty(l.ty)));
                        }
                        self.block(body);
                    }
                    None => self.block(body),
                }
                self.line("}");
            }
            Stmt::Store(ea, e) => {
                let (ea, v) = (self.expr(ea), self.expr(e));
                let bits = e.ty.bits();
                if let Some(slow) = self.slow {
                    self.line(&format!(
                        "if !try_store{bits}::<M>(m, a, {ea}, ({v}) as u{bits}) {{"
                    ));
                    self.line(&format!("    return {slow}::<M>(s, m, a);"));
                    self.line("}");
                    return;
                }
                self.line(&format!("store{bits}::<M>(m, a, {ea}, ({v}) as u{bits})?;"));
            }
            Stmt::StoreVec(ea, e, aligned) => {
                let ea = self.expr(ea);
                let mask = if *aligned { " & !127" } else { "" };
                self.line(&match e.kind {
                    // It may be what the packet's gather brought.
                    Kind::Operand(n) if self.operands[n].new => {
                        format!("builtins::store_new_vec::<M>(s, m, a, ({ea}){mask}, a.v[{n}])?;")
                    }
                    Kind::Operand(n) if self.operands[n].class == OperandClass::Vec => {
                        format!("store_vec::<M>(m, a, ({ea}){mask}, s.vec(a.v[{n}]))?;")
                    }
                    _ => format!("store_vec::<M>(m, a, ({ea}){mask}, &({}))?;", self.expr(e)),
                });
            }
            Stmt::Jump(e) => {
                let e = self.expr(e);
                self.line(&format!("s.jump({e});"));
            }
            Stmt::Call(b, args) => {
                let call = self.call(*b, args);
                self.line(&format!("{call};"));
            }
        }
    }

    /// An operand is a single vector.
    fn single(&self, n: usize) -> bool {
        self.operands[n].class == OperandClass::Vec
    }

    /// All operands are single vectors.
    fn whole_vectors(&self, d: &Dot<'_>) -> bool {
        self.single(d.to)
            && d.factors.iter().all(|(bytes, _)| match bytes {
                Bytes::Lane(n) => self.single(*n),
                Bytes::Same(_) => true,
            })
    }

    /// Looks up for all lanes of a loop at once.
    fn lookups(&mut self, count: u32, body: &[Stmt], found: &[Lookup]) {
        for (k, l) in found.iter().enumerate() {
            let bits = l.ty.bits();
            self.line(&format!("let mut place{k} = [0u{bits}; {count}];"));
            self.line(&format!("for i in 0u32..{count} {{"));
            let sets: Vec<Stmt> = body
                .iter()
                .filter(|s| matches!(s, Stmt::Set(..)))
                .copied()
                .collect();
            self.block(&sets);
            let index = self.expr(&l.index);
            self.line(&format!("    put(&mut place{k}, i, ({index}) as u{bits});"));
            self.line("}");
            self.line(&format!("let found{k} = lookup{bits}(e{}, &place{k});", l.table));
        }
    }

    fn dot(&mut self, d: &Dot<'_>) {
        let acc = if d.accumulates {
            format!("elements(e{})", d.to)
        } else {
            "[0; 32]".to_string()
        };
        let [(a, a_signed), (b, b_signed)] = &d.factors;
        let [a, b] = [a, b].map(|bytes| match bytes {
            Bytes::Lane(n) => format!("e{n}"),
            Bytes::Same(word) => format!("&dot::splat({})", self.expr(word)),
        });
        let to = d.to;
        self.line(&format!(
            "w{to} = zerocopy::transmute!(dot4::<{a_signed}, {b_signed}>({acc}, {a}, {b}));"
        ));
    }

    fn block(&mut self, body: &[Stmt]) {
        self.indent += 1;
        for s in body {
            self.stmt(s);
        }
        self.indent -= 1;
    }

    /// A builtin that raises flags; the quick way, only if it has none to raise.
    fn status_call(&self, name: &str, args: &[String]) -> String {
        let args = args.join(", ");
        match self.slow {
            Some(slow) => format!(
                "(match builtins::quick_{name}(s.status(), {args}) {{ Some(v) => v, None => return {slow}(s, a) }})"
            ),
            None => format!("builtins::{name}(&mut st, {args})"),
        }
    }

    fn call(&self, b: Builtin, args: &[Expr]) -> String {
        let Signature { name, needs, .. } = *b.signature();
        if needs == Needs::Status {
            let args: Vec<String> = args.iter().map(|a| self.expr(a)).collect();
            return self.status_call(name, &args);
        }
        let mut all: Vec<String> = match needs {
            Needs::Nothing | Needs::Status => vec![],
            Needs::Qfloat => vec!["qfloat".into()],
            Needs::Z => vec!["&z".into()],
            Needs::Regs => vec!["s".into(), "a".into()],
            Needs::Memory => vec!["s".into(), "m".into(), "a".into()],
        };
        for a in args {
            let e = self.expr(a);
            all.push(if matches!(a.ty, Type::Vec | Type::VecPair) {
                format!("&({e})")
            } else {
                e
            });
        }
        let q = if needs == Needs::Memory { "?" } else { "" };
        let generic = if needs == Needs::Memory { "::<M>" } else { "" };
        let of = if b == Builtin::mx_weight { "" } else { "builtins::" };
        format!("{of}{name}{generic}({}){q}", all.join(", "))
    }

    fn expr(&self, e: &Expr) -> String {
        let t = ty(e.ty);
        match &e.kind {
            Kind::Const(v) => match e.ty {
                Type::Bool => format!("{}", *v != 0),
                _ if *v < 0 => format!("({v}{t})"),
                _ => format!("{v}{t}"),
            },
            Kind::Operand(n) => format!("o{n}"),
            Kind::Fixed(Fixed::Gpr(n)) => format!("r{n}"),
            Kind::Fixed(Fixed::Pred(n)) => format!("p{n}"),
            Kind::Fixed(Fixed::Ctl(n)) => format!("c{n}"),
            Kind::NewPred(n) => format!("s.new_pred({n}, a.new_pred)"),
            Kind::Pc => "a.pc".into(),
            Kind::NextPc => "a.next".into(),
            Kind::CircularStart(n) => format!("cs{n}"),
            Kind::Local(l) => format!("t{l}"),
            Kind::Lane => "i".into(),
            Kind::Unary(op, a) => {
                let x = self.expr(a);
                match (op, e.ty) {
                    (Unary::Not, _) => format!("(!{x})"),
                    (Unary::Neg, Type::Float(n)) => format!("({x} ^ (1 << {}))", n - 1),
                    (Unary::Abs, Type::Float(n)) => format!("({x} & !(1 << {}))", n - 1),
                    (Unary::Neg, _) => format!("({x}).wrapping_neg()"),
                    (Unary::Abs, Type::Int(true, _)) => format!("({x}).wrapping_abs()"),
                    (Unary::Abs, _) => x,
                    (Unary::Clz, _) => format!("({x}).leading_zeros()"),
                    (Unary::Ctz, _) => format!("({x}).trailing_zeros()"),
                    (Unary::Popcount, _) => format!("({x}).count_ones()"),
                    (Unary::BitReverse, _) => format!("({x}).reverse_bits()"),
                    (Unary::ByteSwap, _) => format!("({x}).swap_bytes()"),
                }
            }
            Kind::Binary(op, a, b) => {
                let (x, y) = (self.expr(a), self.expr(b));
                if let Some(b) = op.float_builtin(e.ty) {
                    return self.status_call(b.signature().name, &[x, y]);
                }
                match op {
                    Binary::And => format!("({x} & {y})"),
                    Binary::Or => format!("({x} | {y})"),
                    Binary::Xor => format!("({x} ^ {y})"),
                    Binary::Add => format!("({x}).wrapping_add({y})"),
                    Binary::Sub => format!("({x}).wrapping_sub({y})"),
                    Binary::Mul => format!("({x}).wrapping_mul({y})"),
                    Binary::Rem => format!("({x} % {y})"),
                    Binary::Min => format!("Ord::min({x}, {y})"),
                    Binary::Max => format!("Ord::max({x}, {y})"),
                    Binary::Shl | Binary::Shr => shift(*op == Binary::Shl, e.ty, &x, b, &y),
                }
            }
            Kind::Compare(op, a, b) => {
                let op = match op {
                    Compare::Eq => "==",
                    Compare::Ne => "!=",
                    Compare::Lt => "<",
                    Compare::Le => "<=",
                    Compare::Gt => ">",
                    Compare::Ge => ">=",
                };
                format!("({} {op} {})", self.expr(a), self.expr(b))
            }
            Kind::BoolAnd(a, b) => format!("({} & {})", self.expr(a), self.expr(b)),
            Kind::BoolOr(a, b) => format!("({} | {})", self.expr(a), self.expr(b)),
            Kind::Mask(c) => {
                let ones = match e.ty {
                    Type::Int(false, n) => (1i128 << n) - 1,
                    _ => -1,
                };
                format!("(if {} {{ {ones}{t} }} else {{ 0{t} }})", self.expr(c))
            }
            Kind::Lsb(a) => {
                let t = ty(a.ty);
                format!("(({} & 1{t}) != 0{t})", self.expr(a))
            }
            Kind::Cast(a) => format!("({} as {t})", self.expr(a)),
            Kind::Bits(a) => {
                let x = self.expr(a);
                if ty(a.ty) == t { x } else { format!("({x} as {t})") }
            }
            Kind::Saturate { value, sticky } => match saturating(value, e.ty) {
                Some((op, a, b)) if !sticky => format!("({}).{op}({})", self.expr(a), self.expr(b)),
                _ => {
                    let (lo, hi) = clamp(value.ty, e.ty);
                    let s = ty(value.ty);
                    let x = self.expr(value);
                    if *sticky {
                        format!("(builtins::saturate_{s}(&mut st, {x}, {lo}, {hi}) as {t})")
                    } else {
                        format!("(({x}).clamp({lo}, {hi}) as {t})")
                    }
                }
            },
            Kind::Select(c, a, b) => {
                let (c, x, y) = (self.expr(c), self.expr(a), self.expr(b));
                let element = |e: &Expr| matches!(e.kind, Kind::Element(..));
                if element(a) && element(b) {
                    // Both are read: a loop that chooses where to read from is none for the host's vector unit.
                    return format!("std::hint::select_unpredictable({c}, {x}, {y})");
                }
                format!("(if {c} {{ {x} }} else {{ {y} }})")
            }
            Kind::Load(ea) => {
                let (bits, ea) = (e.ty.bits(), self.expr(ea));
                match self.slow {
                    Some(slow) => format!(
                        "(match m.try_load{bits}({ea}) {{ Some(v) => v, None => return {slow}::<M>(s, m, a) }} as {t})"
                    ),
                    None => format!("(m.load{bits}({ea})? as {t})"),
                }
            }
            Kind::LoadVec { ea, aligned } => {
                let (ea, mask) = (self.expr(ea), if *aligned { " & !127" } else { "" });
                format!("{{ let mut v = [0; 128]; load_vec::<M>(m, ({ea}){mask}, &mut v)?; v }}")
            }
            Kind::Element(n, i) if matches!(e.ty, Type::Qf(_)) => format!("q{n}.at({})", self.expr(i)),
            Kind::Element(n, i) => {
                let operand = &self.operands[*n];
                match stride::part(i, e.ty.bits(), lanes(operand, e.ty)) {
                    Some(part) => format!(
                        "(lane::<u{}, _>(e{n}, i + {}) >> {}) as {t}",
                        part.wide, part.ahead, part.shift
                    ),
                    None => format!("lane::<{t}, _>(e{n}, {})", self.expr(i)),
                }
            }
            Kind::Half(n, h) => format!("half(&o{n}, {h})"),
            Kind::Call(b, args) => self.call(*b, args),
        }
    }
}

/// A saturated sum or difference of two values of the result's own type, which the host can do in one: its name and its sides.
fn saturating(value: &Expr, t: Type) -> Option<(&'static str, &Expr, &Expr)> {
    let Kind::Binary(op, a, b) = &value.kind else {
        return None;
    };
    let name = match op {
        Binary::Add => "saturating_add",
        Binary::Sub => "saturating_sub",
        _ => return None,
    };
    let (Kind::Cast(a), Kind::Cast(b)) = (&a.kind, &b.kind) else {
        return None;
    };
    (value.ty.signed() && value.ty.bits() > t.bits() && a.ty == t && b.ty == t).then_some((name, a, b))
}

/// Bounds for clamping a value of type `from` to `to`, as literals of `from`.
fn clamp(from: Type, to: Type) -> (String, String) {
    let range = |t: Type| -> (i128, i128) {
        match t {
            Type::Int(true, 128) => (i128::MIN, i128::MAX),
            Type::Int(true, n) => (-(1 << (n - 1)), (1 << (n - 1)) - 1),
            Type::Int(false, 128) => (0, i128::MAX),
            Type::Int(false, n) => (0, (1 << n) - 1),
            _ => (0, 0),
        }
    };
    let (f, t) = (range(from), range(to));
    (
        format!("{}{}", f.0.max(t.0), ty(from)),
        format!("{}{}", f.1.min(t.1), ty(from)),
    )
}

/// A shift whose amount may reach the width.
fn shift(left: bool, t: Type, x: &str, amount: &Expr, y: &str) -> String {
    let bits = t.bits();
    if let Kind::Const(k) = amount.kind
        && k >= 0
        && k < i128::from(bits)
    {
        return format!("({x} {} {k})", if left { "<<" } else { ">>" });
    }
    match (left, t.signed()) {
        (true, _) => format!("({x}).checked_shl({y}).unwrap_or(0)"),
        (false, true) => format!("({x} >> Ord::min({y}, {}))", bits - 1),
        (false, false) => format!("({x}).checked_shr({y}).unwrap_or(0)"),
    }
}
