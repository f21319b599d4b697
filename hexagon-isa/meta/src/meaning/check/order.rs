//! The order of accesses and writes inside a meaning.

use crate::meaning::builtins;
use crate::meaning::ir::{Expr, Kind, Meaning, Stmt};

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
                Meaning {
                    locals: Vec::new(),
                    body: vec![Stmt::Jump(c.clone())],
                }
                .visit(&mut |e| loads |= accesses(e));
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
            Meaning {
                locals: Vec::new(),
                body: vec![s.clone()],
            }
            .visit(&mut |e| loads |= accesses(e));
            match s {
                Stmt::Store(..) | Stmt::StoreVec(..) => stores = true,
                Stmt::Call(name, _) => {
                    stores = builtins::find(name)
                        .is_some_and(|b| b.needs == builtins::Needs::Memory && *name != "frame_check");
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
        Kind::Call(name, _) => builtins::find(name).is_some_and(|b| b.needs == builtins::Needs::Memory),
        _ => false,
    }
}
