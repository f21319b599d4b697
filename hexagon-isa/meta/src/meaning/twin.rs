//! Which instructions have a quick way and a twin behind it: the quick way does what nearly always happens, and where it meets an
//! access that is in the way, or flags that may have to be raised, it leaves the whole instruction to the twin. So it needs no
//! room on the stack and keeps no account of flags.

use super::builtins::{self, Needs};
use super::ir::{Binary, Expr, Kind, Meaning, Stmt, Type};

/// Whether all that accesses memory are scalar loads and stores. They come before anything is written, so a function that finds
/// one of them in the way can begin again.
pub fn begins_again(m: &Meaning) -> bool {
    let mut scalar = true;
    m.visit(&mut |e| match e.kind {
        Kind::LoadVec { .. } => scalar = false,
        Kind::Call(name, _) => scalar &= quiet(name),
        _ => {}
    });
    m.visit_stmts(&mut |s| match s {
        Stmt::StoreVec(..) => scalar = false,
        Stmt::Call(name, _) => scalar &= quiet(name),
        _ => {}
    });
    scalar
}

/// Whether a builtin computes a value and does nothing else.
fn quiet(name: &str) -> bool {
    builtins::find(name).is_some_and(|b| matches!(b.needs, Needs::Nothing))
}

/// Whether a builtin on scalar floats has a form `quick_…`, which gives no value where flags may have to be raised.
fn quick(name: &str) -> bool {
    let Some((format @ ("sf" | "df"), what)) = name.split_once('_') else {
        return false;
    };
    match what {
        "mul" | "fma" => format == "sf",
        "add" | "sub" | "cmp_eq" | "cmp_gt" | "cmp_ge" | "unordered" => true,
        _ => matches!(
            what.split_once('_'),
            Some(("from" | "to", "w" | "uw" | "d" | "ud"))
        ),
    }
}

/// Whether an instruction computes one result with floats, all of them by quick builtins.
pub fn quick_float(m: &Meaning) -> bool {
    let [Stmt::Write(_, e)] = m.body.as_slice() else {
        return false;
    };
    fn all(e: &Expr, found: &mut bool) -> bool {
        let own = match &e.kind {
            Kind::Load(_) | Kind::LoadVec { .. } | Kind::Saturate { sticky: true, .. } => false,
            Kind::Call(name, _) => {
                *found |= quick(name);
                quick(name) || quiet(name)
            }
            Kind::Binary(op, ..) => match float_operator(e.ty, *op) {
                Some(name) => {
                    *found = true;
                    quick(name)
                }
                None => true,
            },
            _ => true,
        };
        own && e.children().into_iter().all(|c| all(c, found))
    }
    let mut found = false;
    all(e, &mut found) && found
}

/// The builtin behind an operator on floats.
pub fn float_operator(t: Type, op: Binary) -> Option<&'static str> {
    let Type::Float(bits) = t else { return None };
    Some(match (bits, op) {
        (32, Binary::Add) => "sf_add",
        (32, Binary::Sub) => "sf_sub",
        (32, _) => "sf_mul",
        (_, Binary::Add) => "df_add",
        (_, Binary::Sub) => "df_sub",
        _ => "df_mul",
    })
}

/// Whether a value can be computed even where nobody asked for it: no access, no flags.
pub fn no_effect(e: &Expr) -> bool {
    let own = match &e.kind {
        Kind::Load(_) | Kind::LoadVec { .. } | Kind::Call(..) => false,
        Kind::Saturate { sticky, .. } => !sticky,
        Kind::Binary(..) => !matches!(e.ty, Type::Float(_)),
        _ => true,
    };
    own && e.children().into_iter().all(no_effect)
}
