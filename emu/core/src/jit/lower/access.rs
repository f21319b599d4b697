//! Accesses to memory: through the page table, as [`AddressSpace`](crate::mem::AddressSpace) makes them. What is not there, or not
//! aligned, is the interpreter's.

use std::mem::offset_of;

use cranelift_codegen::ir::types::{I8, I16, I64};
use cranelift_codegen::ir::{self as cl, InstBuilder as _, MemFlagsData, Value};
use hexagon_isa::Insn;
use hexagon_isa::ir::{Expr, Type};

use super::super::context::Context;
use super::expr::ty;
use super::{Lower, Store};
use crate::mem::{PAGE_SHIFT, Prot, entry};

/// Of an access that was checked. It may not be moved over what changes a page table, so it counts as one that may fault.
fn access() -> MemFlagsData {
    MemFlagsData::new()
}

impl Lower<'_, '_> {
    /// The page table's address.
    pub(super) fn load_table(&mut self) -> Value {
        let at = offset_of!(Context, table) as i32;
        let flags = MemFlagsData::trusted().with_readonly();
        self.b.ins().load(I64, flags, self.context, at)
    }

    /// The host's address of so many bytes at `va`, which may be accessed that way; else the interpreter has the packet.
    fn host(&mut self, va: Value, size: u32, wanted: Prot) -> Value {
        let wide = self.b.ins().uextend(I64, va);
        let page = self.b.ins().ushr_imm_u(wide, i64::from(PAGE_SHIFT));
        let at = self.b.ins().ishl_imm_u(page, 3);
        let at = self.b.ins().iadd(self.table, at);
        let page = self.b.ins().load(I64, MemFlagsData::trusted(), at, 0);
        let allowed = self.b.ins().band_imm_u(page, i64::from(wanted.bits()));
        self.unless(allowed, false);
        if size > 1 {
            let low = self.b.ins().band_imm_u(va, i64::from(size - 1));
            self.unless(low, true);
        }
        let difference = self.b.ins().band_imm_s(page, !(entry::PROT as i64));
        self.b.ins().iadd(difference, wide)
    }

    /// Loads a value of type `of`, extended to `to`.
    pub(super) fn load(&mut self, insn: &Insn, ea: &Expr, of: Type, to: cl::Type) -> Value {
        let va = self.expr(insn, ea);
        let host = self.host(va, of.bits().div_ceil(8), Prot::READ);
        // A load behind a store sees what was stored; nothing can be in the way of the store any more.
        self.make_stores();
        let narrow = ty(of);
        if narrow == to {
            return self.b.ins().load(narrow, access(), host, 0);
        }
        match (of.signed(), narrow) {
            (true, I8) => self.b.ins().sload8(to, access(), host, 0),
            (false, I8) => self.b.ins().uload8(to, access(), host, 0),
            (true, I16) => self.b.ins().sload16(to, access(), host, 0),
            (false, I16) => self.b.ins().uload16(to, access(), host, 0),
            (true, _) => self.b.ins().sload32(access(), host, 0),
            (false, _) => self.b.ins().uload32(access(), host, 0),
        }
    }

    /// Finds out whether a store can be made, and makes it later.
    pub(super) fn store(&mut self, insn: &Insn, ea: &Expr, value: &Expr) {
        let value_of = self.expr(insn, value);
        let va = self.expr(insn, ea);
        let host = self.host(va, value.ty.bits().div_ceil(8), Prot::WRITE);
        self.now.stores.push(Store {
            condition: None,
            host,
            value: value_of,
        });
    }

    /// Makes the stores that were kept back until every access of the packet was found to be possible.
    pub(super) fn make_stores(&mut self) {
        for store in std::mem::take(&mut self.now.stores) {
            let Some(condition) = store.condition else {
                self.b.ins().store(access(), store.value, store.host, 0);
                continue;
            };
            let (make, on) = (self.b.create_block(), self.b.create_block());
            self.b.ins().brif(condition, make, &[], on, &[]);
            self.b.switch_to_block(make);
            self.b.ins().store(access(), store.value, store.host, 0);
            self.b.ins().jump(on, &[]);
            self.b.switch_to_block(on);
        }
    }
}
