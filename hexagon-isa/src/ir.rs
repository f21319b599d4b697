//! Every instruction's meaning as typed static data: what a translator lowers to machine code. It is the same tree the
//! interpreter's functions were printed from, so the two cannot differ.
//!
//! An operand number is an index into the instruction's operands. All operand and register reads mean the state before
//! the packet except [`Kind::NewPred`] and operands that are consumed as `.new`. Memory is accessed before any register is
//! written, and a store comes last. What an instruction touches implicitly is in [`effects`].

pub use crate::vocabulary::builtins::{Builtin, Needs, Signature};
pub use crate::vocabulary::effects::Effects;
pub use crate::vocabulary::ir::{Binary, Compare, Expr, Fixed, Kind, Meaning, Stmt, Type, Unary};

/// The meaning of an instruction; `None` if it has none yet.
pub fn meaning(op: crate::Opcode) -> Option<&'static Meaning> {
    MEANINGS.get(op as usize)?.as_ref()
}

/// What an instruction touches besides its operands; `None` if it has no meaning yet.
pub fn effects(op: crate::Opcode) -> Option<&'static Effects> {
    EFFECTS.get(op as usize)?.as_ref()
}

include!(concat!(env!("OUT_DIR"), "/meanings.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_and_effects_cover_the_same_instructions() {
        for op in crate::Opcode::all() {
            assert_eq!(meaning(op).is_some(), effects(op).is_some(), "{op:?}");
        }
    }

    #[test]
    fn truth_values_stay_what_they_are() {
        let m = meaning(crate::Opcode::C2_cmpeq).unwrap();
        let [Stmt::Write(0, e)] = m.body else {
            panic!("{m:?}")
        };
        assert!(matches!(e.kind, Kind::Mask(c) if c.ty == Type::Bool), "{e:?}");
        let m = meaning(crate::Opcode::C2_cmoveit).unwrap();
        let [Stmt::If(c, ..)] = m.body else {
            panic!("{m:?}")
        };
        assert!(matches!(c.kind, Kind::Lsb(p) if p.ty == Type::U8), "{c:?}");
    }

    #[test]
    fn every_builtin_is_called_with_what_it_takes() {
        let mut called = std::collections::HashSet::new();
        for m in crate::Opcode::all().filter_map(meaning) {
            let mut check = |b: Builtin, args: &[Expr]| {
                called.insert(b);
                let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
                assert_eq!(types, b.signature().params, "{b:?}");
            };
            m.visit(&mut |e| match e.kind {
                Kind::Call(b, args) => {
                    check(b, args);
                    assert_eq!(Some(e.ty), b.signature().result, "{b:?}");
                }
                Kind::Binary(op, x, y) => {
                    if let Some(b) = op.float_builtin(e.ty) {
                        check(b, &[*x, *y]);
                    }
                }
                _ => {}
            });
            m.visit_stmts(&mut |s| {
                if let Stmt::Call(b, args) = s {
                    check(*b, args);
                    assert_eq!(b.signature().result, None, "{b:?}");
                }
            });
        }
        let never: Vec<_> = Builtin::ALL.iter().filter(|b| !called.contains(b)).collect();
        assert!(never.is_empty(), "{never:?}");
    }

    #[test]
    fn a_meaning_is_a_typed_tree() {
        let m = meaning(crate::Opcode::A2_addsat).unwrap();
        let [Stmt::Write(0, e)] = m.body else {
            panic!("{m:?}")
        };
        assert_eq!(e.ty, Type::Int(true, 32));
        assert!(matches!(e.kind, Kind::Saturate { sticky: true, .. }));
    }
}
