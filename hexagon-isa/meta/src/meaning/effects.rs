//! Computes what an instruction touches besides its operands from its meaning.

use super::ir::{Effects, Fixed, Kind, Meaning, Stmt};

/// Control registers CS0 and CS1.
const CIRCULAR: u32 = 1 << 12 | 1 << 13;

/// Computes the effects of a meaning.
pub fn effects(m: &Meaning) -> Effects {
    let mut e = Effects::NONE;
    m.visit(&mut |x| match &x.kind {
        Kind::Fixed(Fixed::Gpr(n)) => e.reads_gpr |= 1 << n,
        Kind::Fixed(Fixed::Ctl(n)) => e.reads_ctl |= 1 << n,
        Kind::Fixed(Fixed::Pred(n)) => e.reads_pred |= 1 << n,
        Kind::NewPred(n) => e.reads_new_pred |= 1 << n,
        Kind::CircularStart(_) => e.reads_ctl |= CIRCULAR,
        Kind::Saturate { sticky, .. } => e.sticky |= sticky,
        Kind::Load(_) | Kind::LoadVec { .. } => e.load = true,
        Kind::Binary(op, ..) => {
            if let Some(b) = op.float_builtin(x.ty) {
                e |= b.signature().effects;
            }
        }
        Kind::Call(b, _) => e |= b.signature().effects,
        _ => {}
    });
    m.visit_stmts(&mut |s| match s {
        Stmt::WriteFixed(Fixed::Gpr(n), _) => e.writes_gpr |= 1 << n,
        Stmt::WriteFixed(Fixed::Ctl(n), _) => e.writes_ctl |= 1 << n,
        Stmt::WriteFixed(Fixed::Pred(n), _) => e.writes_pred |= 1 << n,
        Stmt::Store(..) | Stmt::StoreVec(..) => e.store = true,
        Stmt::Jump(_) => e.jump = true,
        Stmt::Call(b, _) => e |= b.signature().effects,
        _ => {}
    });
    e.fault |= e.load || e.store;
    e
}
