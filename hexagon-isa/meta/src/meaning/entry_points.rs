//! Prints, for every builtin, the function that code which is not Rust calls; `hexagon_isa::builtins::address` says how.

use std::fmt::Write;

use super::ir::{Builtin, Needs, Type};
use super::rust::ty;

/// Values of this type are handed over by pointer.
fn by_pointer(t: Type) -> bool {
    matches!(t, Type::Vec | Type::VecPair | Type::Qf(_))
}

/// The function of one builtin.
fn entry_point(b: Builtin) -> String {
    let s = b.signature();
    let memory = s.needs == Needs::Memory;
    let mut params = Vec::new();
    let mut args = Vec::new();
    let result = s.result.map(ty);
    let out = s.result.filter(|t| memory || by_pointer(*t)).map(ty);
    if let Some(out) = &out {
        params.push(format!("out: &mut {out}"));
    }
    for (name, text, arg) in match s.needs {
        Needs::Nothing => &[][..],
        Needs::Status => &[("st", "&mut Status", "st")],
        Needs::Qfloat => &[("qfloat", "Qfloat", "qfloat")],
        Needs::Z => &[("z", "&[u8; 256]", "z")],
        Needs::Regs => &[("s", "&mut Regs", "s"), ("a", "&Args", "a")],
        Needs::Memory => &[("s", "&mut Regs", "s"), ("m", "&M", "m"), ("a", "&Args", "a")],
    } {
        params.push(format!("{name}: {text}"));
        args.push((*arg).to_string());
    }
    for (n, t) in s.params.iter().enumerate() {
        let pointer = if by_pointer(*t) { "&" } else { "" };
        params.push(format!("x{n}: {pointer}{}", ty(*t)));
        let value = if matches!(t, Type::Qf(_)) { "*" } else { "" };
        args.push(format!("{value}x{n}"));
    }
    let name = s.name;
    let (generic, given) = if memory {
        ("<M: Memory>", "::<M>")
    } else {
        ("", "")
    };
    let call = format!("super::{name}{given}({})", args.join(", "));
    let (returns, body) = match (memory, out, result) {
        (true, Some(_), _) => (
            " -> Result<(), M::Fault>".into(),
            format!("*out = {call}?;\nOk(())"),
        ),
        (true, None, _) => (" -> Result<(), M::Fault>".into(), call),
        (false, Some(_), _) => (String::new(), format!("*out = {call};")),
        (false, None, Some(result)) => (format!(" -> {result}"), call),
        (false, None, None) => (String::new(), format!("{call};")),
    };
    format!(
        "pub(super) extern \"C\" fn {name}{generic}({}){returns} {{\n{body}\n}}\n",
        params.join(", ")
    )
}

/// The functions of all builtins, and the table of where they are.
pub fn entry_points() -> String {
    let mut text = String::new();
    let mut table = String::new();
    for b in Builtin::ALL {
        text.push_str(&entry_point(*b));
        let memory = b.signature().needs == Needs::Memory;
        let given = if memory { "::<M>" } else { "" };
        let _ = writeln!(table, "Builtin::{b:?} => {b:?}{given} as *const (),");
    }
    let _ = write!(
        text,
        "pub(super) fn address<M: Memory>(b: Builtin) -> *const () {{\nmatch b {{\n{table}}}\n}}\n"
    );
    text
}
