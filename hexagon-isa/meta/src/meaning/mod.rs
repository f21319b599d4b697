//! The meaning language: what an instruction does, between the braces of its line in the specification.
//!
//! ```text
//! A2_addsat      { Rd = sat32(i64(Rs) + i64(Rt)) }
//! L2_loadrh_pi   { Rd = i32(mem_i16[Rx]); Rx += Ii }
//! J4_cmpeq_tp0…  { P0 = Rs == Rt; if (P0.new.lsb) jump(Ii) }
//! V6_vaddb       { lane b: Vd = Vu + Vv }
//! V6_vmpybv      { lane h: Vdd.lo = i16(Vu.b[2*i]) * i16(Vv.b[2*i]) … }
//! ```
//!
//! # Values
//! * Types: `bool`, `u8 i8 … u128 i128`, `f32 f64`, whole vectors. A literal takes the type of what it meets. `+ - * & | ^ ==`
//!   join integers of one *width* (the result is typed as the left side); `< <= > >= min max` want one signedness too. `f32(…)`-like
//!   conversions exist between integers (`i64(Rs)` extends by the sign of what it is given); floats convert through builtins.
//! * Operands by name, as the packet found them, however often they are written: `Rs` is `i32`, `Rss` `i64`, `Pu` `u8`, an immediate
//!   `i32` or `u32` as its encoding is signed or not, a branch target (`Ii` of a jump) the absolute `u32` address, `Mu` and control
//!   registers `u32`. `SP FP LR R0…R31 P0…P3 SA0 LC0 SA1 LC1 USR GP UGP CS0 CS1 FRAMEKEY FRAMELIMIT` name registers, `PC` and `NPC` this packet and
//!   the one behind it. `P0.new` is the predicate as the packet's writers have left it. `Mu.cs` is the CS register belonging to `Mu`.
//! * Fields of any integer: `.b .ub .h .uh .w .uw` with an index, `.sf .df` (as float), `.lsb` and `.bit[n]` (as `bool`).
//! * `+ - *` are wrapping; `<<` and `>>` give 0 or the sign when the amount reaches the width; `sat8 sat16 sat32 sat64 satu8 …` saturate and,
//!   outside lanes, set USR.OVF. Float operators round by USR and raise its sticky flags. `abs clz ctz popcount bitrev bswap min max` are generic.
//! * `mem_i16[ea]` and its like read and write memory; `vmem[ea]` (low address bits ignored) and `vmemu[ea]` whole vectors.
//! * What is left is a builtin ([`ir::Builtin`]).
//!
//! # Statements
//! `place = e`, `place += e`; `let x = e`; `if (c) … else …`; `for k in 0..4 { … }` (unrolled); `lane h: …` (once for every element
//! of a vector, `lane2 h:` of a pair: vector operands without a field mean the lane's element, `i` its index, `Qv` as a condition is
//! written `Qv != 0`, `Qv.mask` is its byte mask, `Qd = c` sets all the lane's bits); `jump(a)`; `nop` for what has no effect here; `privileged()`.
//!
//! # Rules that the checker enforces
//! Inputs are used and outputs are written; memory is accessed before registers are written and a store comes last, so that a fault leaves
//! nothing behind. Nothing between the braces = no meaning yet.

pub mod ast;
pub mod check;
pub mod data;
pub mod dot;
pub mod effects;
pub mod entry_points;
pub mod ir;
pub mod lex;
pub mod narrow;
pub mod parse;
pub mod rust;
pub mod stride;
#[cfg(test)]
mod tests;
pub mod twin;
pub mod window;

use std::fmt::Write;

use crate::spec::{Operand, Spec};

/// Where a meaning's text begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pos {
    /// File, as the user knows it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column of the first character behind the opening brace, from 1.
    pub col: u32,
}

/// A mistake in a meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{col}: {what}")]
pub struct Error {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub col: u32,
    /// What is wrong.
    pub what: String,
}

impl Pos {
    fn error(&self, col: u32, what: String) -> Error {
        Error {
            file: self.file.clone(),
            line: self.line + (col >> 16),
            col: col & 0xffff,
            what,
        }
    }
}

/// Compiles the text between an instruction's braces. `None`: it has no meaning yet.
pub fn compile(text: &str, operands: &[Operand], pos: &Pos) -> Result<Option<ir::Meaning>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let body = parse::parse(text, pos)?;
    check::check(&body, operands, pos).map(Some)
}

/// The generated Rust text.
#[derive(Debug, Clone, Default)]
pub struct Generated {
    /// Functions and their dispatch: to be included by `hexagon_isa::interp`.
    pub functions: String,
    /// Meanings and effects as data: to be included by `hexagon_isa::ir`.
    pub data: String,
    /// How many instructions have a meaning.
    pub count: usize,
}

/// The instructions on vectors, of which the host runs the copy that its own vector unit can do most with.
#[derive(Default)]
struct Vectors {
    functions: Vec<String>,
    dispatch: String,
}

/// What copies there are: module, and what the host's processor must have. The names of the features are the compiler's.
const COPIES: [(&str, &str); 2] = [
    ("avx2", "avx2,bmi1,bmi2,lzcnt,popcnt"),
    (
        "avx512",
        "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx2,bmi1,bmi2,lzcnt,popcnt",
    ),
];

impl Vectors {
    fn text(&self) -> String {
        let mut out = String::new();
        for (module, features) in COPIES {
            let attribute = format!("#[target_feature(enable = \"{features}\")]\n");
            let _ = write!(
                out,
                "\n/// The instructions on vectors once more, for processors with {features}.\n\
                 #[cfg(target_arch = \"x86_64\")]\npub(super) mod {module} {{\nuse super::*;\nuse dot::{module}::dot4;\nuse lookup::{module}::{{lookup8, lookup16, pack}};\nuse tiles::{module}::mx_weight;\n"
            );
            for function in &self.functions {
                out.push_str(&attribute);
                out.push_str(function);
            }
            let _ = write!(
                out,
                "/// As [`super::dispatch`].\n{attribute}\
                 pub(in super::super) fn dispatch<M: Memory>(n: u16) -> Option<Exec<M>> {{\nSome(match n {{\n{}\
                 _ => return super::dispatch(n),\n}})\n}}\n}}\n",
                self.dispatch
            );
        }
        out
    }
}

/// Compiles every meaning of a specification. Instructions are numbered by their place in it.
///
/// # Errors
/// All mistakes, so that a whole file can be corrected at once.
pub fn generate(spec: &Spec) -> Result<Generated, Vec<Error>> {
    let mut g = Generated::default();
    let mut errors = Vec::new();
    let (mut dispatch, mut table, mut ir) = (String::new(), String::new(), String::new());
    let mut vector = Vectors::default();
    for (n, e) in spec.entries.iter().enumerate() {
        let pos = Pos {
            file: e.place.file.clone(),
            line: e.meaning_at.0,
            col: e.meaning_at.1,
        };
        let meaning = match compile(&e.meaning, &e.operands, &pos) {
            Ok(Some(m)) => m,
            Ok(None) => {
                table.push_str("None,\n");
                ir.push_str("None,\n");
                continue;
            }
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        g.count += 1;
        let function = rust::function(&e.name, &e.operands, &meaning);
        let fx = effects::effects(&meaning);
        let kind = if rust::needs_memory(&fx) {
            "Memory"
        } else {
            "Register"
        };
        let generic = if rust::needs_memory(&fx) { "::<M>" } else { "" };
        let arm = format!("{n} => Exec::{kind}({}{generic}),\n", e.name);
        if e.operands.iter().any(|o| o.class.is_vector()) || rust::multiplies_tiles(&meaning) {
            vector.functions.push(function.clone());
            vector.dispatch.push_str(&arm);
        }
        g.functions.push_str(&function);
        dispatch.push_str(&arm);
        let _ = writeln!(table, "Some({fx:?}),");
        let _ = writeln!(ir, "Some({}),", data::meaning(&meaning));
    }
    let count = spec.entries.len();
    let _ = write!(
        g.functions,
        "\n/// The function of instruction number `n`, if it has a meaning.\n\
         pub(super) fn dispatch<M: Memory>(n: u16) -> Option<Exec<M>> {{\nSome(match n {{\n{dispatch}_ => return None,\n}})\n}}\n\
         "
    );
    g.functions.push_str(&vector.text());
    let _ = write!(
        g.data,
        "static MEANINGS: [Option<Meaning>; {count}] = [\n{ir}];\n\
         static EFFECTS: [Option<Effects>; {count}] = [\n{table}];\n"
    );
    if errors.is_empty() { Ok(g) } else { Err(errors) }
}
