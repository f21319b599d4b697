//! What an instruction touches besides its operands, computed from its meaning; packets are scheduled by it.

use super::builtins::{self, Needs};
use super::ir::{Fixed, Kind, Meaning, Stmt, Type};

/// Control registers CS0 and CS1.
const CIRCULAR: u32 = 1 << 12 | 1 << 13;
/// USR.
const USR: u32 = 1 << 8;

/// Implicit effects; masks are by register number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects {
    /// Named general registers that are read.
    pub reads_gpr: u32,
    /// Named general registers that are written.
    pub writes_gpr: u32,
    /// Named control registers that are read.
    pub reads_ctl: u32,
    /// Named control registers that are written.
    pub writes_ctl: u32,
    /// Named predicates that are read as before the packet.
    pub reads_pred: u8,
    /// Named predicates that are read as the packet's writers have left them.
    pub reads_new_pred: u8,
    /// Named predicates that are written.
    pub writes_pred: u8,
    /// Sticky flags of USR may be set.
    pub sticky: bool,
    /// USR's rounding mode is read.
    pub status: bool,
    /// Memory is read.
    pub load: bool,
    /// Memory is written.
    pub store: bool,
    /// May fault (also without an access).
    pub fault: bool,
    /// May jump.
    pub jump: bool,
    /// May stop the thread's run: traps, pause, failed store-conditional, privileged.
    pub event: bool,
    /// Every vector register is read and written.
    pub vectors: bool,
    /// The Z register is read.
    pub reads_z: bool,
    /// Half of the Z register is written.
    pub writes_z: bool,
}

/// Computes the effects of a meaning.
pub fn effects(m: &Meaning) -> Effects {
    let mut e = Effects::default();
    m.visit(&mut |x| match &x.kind {
        Kind::Fixed(Fixed::Gpr(n)) => e.reads_gpr |= 1 << n,
        Kind::Fixed(Fixed::Ctl(n)) => e.reads_ctl |= 1 << n,
        Kind::Fixed(Fixed::Pred(n)) => e.reads_pred |= 1 << n,
        Kind::NewPred(n) => e.reads_new_pred |= 1 << n,
        Kind::CircularStart(_) => e.reads_ctl |= CIRCULAR,
        Kind::Saturate { sticky, .. } => e.sticky |= sticky,
        Kind::Load(_) | Kind::LoadVec { .. } => e.load = true,
        Kind::Binary(..) if matches!(x.ty, Type::Float(_)) => {
            e.sticky = true;
            e.status = true;
        }
        Kind::Call(name, _) => call(&mut e, name),
        _ => {}
    });
    m.visit_stmts(&mut |s| match s {
        Stmt::WriteFixed(Fixed::Gpr(n), _) => e.writes_gpr |= 1 << n,
        Stmt::WriteFixed(Fixed::Ctl(n), _) => e.writes_ctl |= 1 << n,
        Stmt::WriteFixed(Fixed::Pred(n), _) => e.writes_pred |= 1 << n,
        Stmt::Store(..) | Stmt::StoreVec(..) => e.store = true,
        Stmt::Jump(_) => e.jump = true,
        Stmt::Call(name, _) => call(&mut e, name),
        _ => {}
    });
    e.fault |= e.load || e.store;
    e
}

fn call(e: &mut Effects, name: &str) {
    match builtins::find(name).map(|b| b.needs) {
        Some(Needs::Status) => {
            e.sticky = true;
            e.status = true;
        }
        Some(Needs::Memory) => {
            e.fault = true;
            match name {
                "frame_check" => e.reads_ctl |= 1 << 16,
                "load_locked32" | "load_locked64" => e.load = true,
                "store_conditional32" | "store_conditional64" => {
                    e.load = true;
                    e.store = true;
                    e.event = true;
                }
                _ if name.starts_with("vgather") => e.load = true,
                // It only says what the weight load, which comes behind it, reads.
                "mx_activation" => e.load = true,
                _ if name.starts_with("mx_") => {
                    // A change of the matrix unit cannot be undone, no more than a store: what may fault behind it runs first.
                    e.load = true;
                    e.store = true;
                    e.reads_ctl |= USR;
                }
                _ if name.starts_with("vscatter") && name.ends_with("_add") => {
                    e.load = true;
                    e.store = true;
                }
                _ => e.store = true,
            }
        }
        Some(Needs::Vectors) => e.vectors = true,
        Some(Needs::Z) => e.reads_z = true,
        Some(Needs::Regs) => match name {
            "loop_config" => {
                e.reads_ctl |= USR;
                e.writes_ctl |= USR;
            }
            "z_load" => e.writes_z = true,
            _ if name.starts_with("mx_") => {}
            _ => e.event = true,
        },
        _ => {}
    }
}
