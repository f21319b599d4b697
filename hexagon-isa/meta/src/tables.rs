//! Generates the tables of `hexagon-isa`: the opcodes, what is known about each, and the decision trees of the decoder.

use crate::spec::{Entry, Implicit, Namespace, Operand, Piece, Spec, SpecError};
use crate::tree::{self, Pattern};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

/// The Rust source of the tables.
///
/// # Errors
/// An instruction whose encoding cannot be told from another's.
pub fn generate(spec: &Spec) -> Result<String, SpecError> {
    let mut out = String::new();
    opcodes(spec, &mut out);
    classes(spec, &mut out);
    infos(spec, &mut out);
    let hidden: BTreeSet<&str> = spec
        .entries
        .iter()
        .filter_map(|e| e.attributes.extended.as_deref())
        .collect();
    for (ns, name) in [
        (Namespace::Word, "WORDS"),
        (Namespace::A, "SUB_A"),
        (Namespace::L1, "SUB_L1"),
        (Namespace::L2, "SUB_L2"),
        (Namespace::S1, "SUB_S1"),
        (Namespace::S2, "SUB_S2"),
    ] {
        decoder(spec, ns, name, &hidden, &mut out)?;
    }
    Ok(out)
}

/// Writing into a string cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        let _ = writeln!($out, $($arg)*);
    };
}

fn opcodes(spec: &Spec, out: &mut String) {
    put!(
        out,
        "/// The instructions, by the tags of the manufacturer's manuals."
    );
    put!(out, "#[allow(non_camel_case_types)]");
    put!(
        out,
        "#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]\n#[repr(u16)]"
    );
    put!(out, "pub enum Opcode {{");
    for e in &spec.entries {
        put!(out, "    /// `{}`\n    {},", e.text, e.name);
    }
    put!(
        out,
        "}}\n/// How many opcodes there are.\npub const OPCODES: usize = {};",
        spec.entries.len()
    );
    put!(
        out,
        "/// All opcodes, in order of their numbers.\npub static ALL: [Opcode; OPCODES] = ["
    );
    for e in &spec.entries {
        put!(out, "    Opcode::{},", e.name);
    }
    put!(out, "];");
    let most = spec.entries.iter().map(|e| e.operands.len()).max().unwrap_or(0);
    put!(
        out,
        "/// No instruction has more operands.\npub const MAX_OPERANDS: usize = {most};"
    );
}

fn classes(spec: &Spec, out: &mut String) {
    let mut all: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for e in &spec.entries {
        all.entry(&e.class).or_default().push(e);
    }
    put!(
        out,
        "/// Instruction classes, by the names of the spec's sections."
    );
    put!(out, "#[allow(non_camel_case_types, clippy::upper_case_acronyms)]");
    put!(
        out,
        "#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\npub enum InsnClass {{"
    );
    for (class, entries) in all {
        if let [first, ..] = entries[..] {
            let count = entries.len();
            put!(
                out,
                "    /// {count} of the instructions, such as `{}`.",
                first.text
            );
            put!(out, "    {class},");
        }
    }
    put!(out, "}}");
}

/// Lists that many instructions share are written once.
#[derive(Default)]
struct Pool {
    known: HashMap<String, String>,
    text: String,
}

impl Pool {
    fn slice(&mut self, ty: &str, items: &[String]) -> String {
        if items.is_empty() {
            return "&[]".into();
        }
        let body = format!("[{ty}; {}] = [{}]", items.len(), items.join(", "));
        if let Some(name) = self.known.get(&body) {
            return name.clone();
        }
        let name = format!("L{}", self.known.len());
        put!(self.text, "static {name}: {body};");
        let name = format!("&{name}");
        self.known.insert(body, name.clone());
        name
    }
}

fn infos(spec: &Spec, out: &mut String) {
    let mut pool = Pool::default();
    let mut body = String::new();
    put!(
        body,
        "/// What is known about each opcode, by number.\npub(crate) static INFO: [InsnInfo; OPCODES] = ["
    );
    for e in &spec.entries {
        put!(body, "    {},", info(e, &mut pool));
    }
    put!(body, "];");
    out.push_str(&pool.text);
    out.push_str(&body);
}

fn info(e: &Entry, pool: &mut Pool) -> String {
    let a = &e.attributes;
    let operands: Vec<String> = e
        .operands
        .iter()
        .zip(&e.encoding.fields)
        .map(|(o, f)| operand(o, f, pool))
        .collect();
    let operands = pool.slice("OperandInfo", &operands);
    let pieces = pieces(&e.syntax, pool);
    let defs = pool.slice("Implicit", &implicit(&a.defs));
    let uses = pool.slice("Implicit", &implicit(&a.uses));
    // Values of the shared vocabulary print as they are written.
    let guard = match e.guard {
        None => "None".into(),
        Some(g) => format!(
            "Some(Guard {{ reg: GuardReg::{:?}, sense: {}, new: {} }})",
            g.reg, g.sense, g.new
        ),
    };
    let ext = a.ext.map_or("None".into(), |x| format!("Some({x:?})"));
    let short = match &e.short {
        None => "None".into(),
        Some(s) => {
            let when: Vec<String> = s.when.iter().map(|(n, v)| format!("({n}, {v})")).collect();
            let when = pool.slice("(u8, i32)", &when);
            let pieces = self::pieces(&s.syntax, pool);
            let one = pool.slice("Short", &[format!("Short {{ when: {when}, pieces: {pieces} }}")]);
            format!("Some({one})")
        }
    };
    let feature = a
        .feature
        .map_or("None".into(), |f| format!("Some(Feature::{f:?})"));
    let extended = a
        .extended
        .as_ref()
        .map_or("None".into(), |n| format!("Some(Opcode::{n})"));
    format!(
        "InsnInfo {{ name: {:?}, syntax: {:?}, pieces: {pieces}, operands: {operands}, class: InsnClass::{}, \
         slots: {}, units: {:?}, arch: Arch::V{}, feature: {feature}, ext: {ext}, load: {:?}, store: {:?}, \
         flags: {:?}, guard: {guard}, defs: {defs}, uses: {uses}, extended: {extended}, short: {short}, \
         width: {}, mask: {:#x}, value: {:#x}, dont_care: {:#x} }}",
        e.name,
        e.text,
        e.class,
        e.slots,
        e.units,
        a.arch,
        a.load,
        a.store,
        a.flags,
        e.encoding.width,
        e.encoding.mask,
        e.encoding.value,
        e.encoding.dont_care,
    )
}

fn implicit(regs: &[Implicit]) -> Vec<String> {
    regs.iter().map(|r| format!("Implicit::{r:?}")).collect()
}

fn pieces(syntax: &[Piece], pool: &mut Pool) -> String {
    let items: Vec<String> = syntax
        .iter()
        .map(|p| match p {
            // Constants in the text are printed in hexadecimal, like all immediates.
            Piece::Text(t) => format!("Piece::Text({:?})", t.replace("#-1", "#-0x1")),
            Piece::Operand(n) => format!("Piece::Operand({n})"),
        })
        .collect();
    pool.slice("Piece", &items)
}

fn operand(o: &Operand, field: &crate::spec::Field, pool: &mut Pool) -> String {
    let runs: Vec<String> = field.runs.iter().map(|r| format!("{r:?}")).collect();
    let runs = pool.slice("Run", &runs);
    format!(
        "OperandInfo {{ name: {:?}, class: OperandClass::{:?}, role: Role::{:?}, new: {}, signed: {}, scale: {}, \
         numbering: Numbering::{:?}, width: {}, runs: {runs} }}",
        o.name, o.class, o.role, o.new, o.signed, o.scale, o.numbering, field.width
    )
}

fn decoder(
    spec: &Spec,
    ns: Namespace,
    name: &str,
    hidden: &BTreeSet<&str>,
    out: &mut String,
) -> Result<(), SpecError> {
    let mut patterns = Vec::new();
    for (n, e) in spec.entries.iter().enumerate() {
        if e.namespace == ns && !hidden.contains(e.name.as_str()) {
            patterns.push(Pattern {
                mask: e.encoding.mask,
                value: e.encoding.value,
                opcode: n as u16,
            });
        }
    }
    let width = if ns == Namespace::Word { 32 } else { 13 };
    let tree = tree::build(patterns, width).map_err(|(a, b)| {
        let (a, b) = (&spec.entries[usize::from(a)], &spec.entries[usize::from(b)]);
        let message = format!("some words are both {} and {} ({})", b.name, a.name, a.place);
        SpecError {
            place: b.place.clone(),
            message,
        }
    })?;
    put!(out, "pub(crate) static {name}: Tree = Tree {{ refs: &[");
    for chunk in tree.refs.chunks(32) {
        let row: Vec<String> = chunk.iter().map(u16::to_string).collect();
        put!(out, "{},", row.join(","));
    }
    put!(out, "], leaves: &[");
    for leaf in &tree.leaves {
        let (mask, value, op) = match &leaf.pattern {
            // Nothing matches: the comparison fails for every word.
            None => (0, 1, 0),
            Some(p) => (p.mask, p.value, usize::from(p.opcode)),
        };
        let op = &spec.entries[op].name;
        put!(
            out,
            "Leaf {{ mask: {mask:#x}, value: {value:#x}, op: Opcode::{op}, last: {} }},",
            leaf.last
        );
    }
    put!(out, "] }};");
    Ok(())
}
