//! Which instructions have a quick way and a twin behind it: the quick way does what nearly always happens, and where it meets an
//! access that is in the way, or flags that may have to be raised, it leaves the whole instruction to the twin. So it needs no
//! room on the stack and keeps no account of flags.

use super::ir::{Builtin, Expr, Kind, Meaning, Needs, Stmt, Type};

/// Whether all that accesses memory are scalar loads and stores. They come before anything is written, so a function that finds
/// one of them in the way can begin again.
pub fn begins_again(m: &Meaning) -> bool {
    let mut scalar = true;
    m.visit(&mut |e| match e.kind {
        Kind::LoadVec { .. } => scalar = false,
        Kind::Call(b, _) => scalar &= quiet(b),
        _ => {}
    });
    m.visit_stmts(&mut |s| match s {
        Stmt::StoreVec(..) => scalar = false,
        Stmt::Call(b, _) => scalar &= quiet(*b),
        _ => {}
    });
    scalar
}

/// Whether a builtin computes a value and does nothing else.
fn quiet(b: Builtin) -> bool {
    b.signature().needs == Needs::Nothing
}

/// Whether an instruction computes one result with floats, all of them by quick builtins.
pub fn quick_float(m: &Meaning) -> bool {
    let [Stmt::Write(_, e)] = m.body else {
        return false;
    };
    fn all(e: &Expr, found: &mut bool) -> bool {
        let own = match &e.kind {
            Kind::Load(_) | Kind::LoadVec { .. } | Kind::Saturate { sticky: true, .. } => false,
            Kind::Call(b, _) => {
                let quick = b.signature().quick;
                *found |= quick;
                quick || quiet(*b)
            }
            Kind::Binary(op, ..) => match op.float_builtin(e.ty) {
                Some(b) => {
                    *found = true;
                    b.signature().quick
                }
                None => true,
            },
            _ => true,
        };
        own && e.children().all(|c| all(c, found))
    }
    let mut found = false;
    all(e, &mut found) && found
}

/// Whether a value can be computed even where nobody asked for it: no access, no flags.
pub fn no_effect(e: &Expr) -> bool {
    let own = match &e.kind {
        Kind::Load(_) | Kind::LoadVec { .. } | Kind::Call(..) => false,
        Kind::Saturate { sticky, .. } => !sticky,
        Kind::Binary(..) => !matches!(e.ty, Type::Float(_)),
        _ => true,
    };
    own && e.children().all(no_effect)
}
