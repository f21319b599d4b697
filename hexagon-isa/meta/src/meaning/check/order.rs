//! The order of accesses and writes inside a meaning.

use crate::meaning::ir::{Builtin, Expr, Kind, Needs, Stmt};

/// A fault must leave nothing behind: memory is accessed before a register is written, and a store is the last access.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) store: bool,
    pub(super) write: bool,
}

impl Order {
    pub(super) fn block(&mut self, body: &[Stmt]) -> Result<(), &'static str> {
        for s in body {
            let (mut loads, mut stores) = (false, false);
            if let Stmt::If(c, a, b) = s {
                c.visit(&mut |e| loads |= accesses(e));
                self.access(loads, false)?;
                let (mut x, mut y) = (*self, *self);
                x.block(a)?;
                y.block(b)?;
                *self = Order {
                    store: x.store | y.store,
                    write: x.write | y.write,
                };
                continue;
            }
            s.visit(&mut |_| (), &mut |e| loads |= accesses(e));
            match s {
                Stmt::Store(..) | Stmt::StoreVec(..) => stores = true,
                Stmt::Call(b, _) => {
                    stores = b.signature().needs == Needs::Memory && *b != Builtin::frame_check;
                }
                _ => {}
            }
            self.access(loads, stores)?;
            self.write |= matches!(s, Stmt::Write(..) | Stmt::WriteFixed(..));
        }
        Ok(())
    }

    fn access(&mut self, loads: bool, stores: bool) -> Result<(), &'static str> {
        if (loads || stores) && self.write {
            return Err(
                "memory is accessed after a register was written: a fault would leave the register changed",
            );
        }
        if (loads || stores) && self.store {
            return Err("memory is accessed after a store: a fault would leave the store done");
        }
        self.store |= stores;
        Ok(())
    }
}

fn accesses(e: &Expr) -> bool {
    match &e.kind {
        Kind::Load(_) | Kind::LoadVec { .. } => true,
        Kind::Call(b, _) => b.signature().needs == Needs::Memory,
        _ => false,
    }
}
