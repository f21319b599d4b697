//! Accesses to memory: in the [guarded window](crate::memory::CodeMemory::guarded_window), where the host refuses what is not
//! allowed ([`fault`](crate::jit::fault)). Where it would do so often, or a unit could not be left as the packet found everything, in
//! the [window](crate::memory::CodeMemory::window), so that the access does not wait for what says that it is allowed; else through the
//! page table, as [`AddressSpace`](crate::mem::AddressSpace) makes them. What is not there, or not aligned, is the interpreter's.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I16, I64};
use cranelift_codegen::ir::{
    self as cl, InstBuilder as _, InstructionData, MemFlagsData, Opcode, SourceLoc, TrapCode, Value, ValueDef,
};
use hexagon_isa::ir::Type;

use super::super::context::Context;
use super::super::growth::Piece;
use super::state::{Lower, Store, ty};
use crate::mem::{PAGE_SHIFT, PAGE_SIZE, Prot, RIGHTS, entry};

/// Of an access that was checked. It may not be moved over what changes a page table, so it counts as one that may fault.
fn access() -> MemFlagsData {
    MemFlagsData::new()
}

/// The code of accesses that the host may refuse.
pub(in crate::jit) const REFUSED: TrapCode = TrapCode::unwrap_user(1);

/// Of an access in the guarded window.
fn guarded() -> MemFlagsData {
    access().with_trap_code(Some(REFUSED))
}

/// A packet begins: its accesses can be refused if all of the state is in its place then.
pub(super) fn begin(l: &mut Lower<'_, '_>, piece: &Piece) {
    let place = u32::try_from(l.packets.len()).unwrap_or(u32::MAX);
    l.packets.push((piece.pc, l.counted));
    l.b.set_srcloc(SourceLoc::new(place));
    l.unasked = !piece.asks && l.vectors.bring.is_none() && l.vectors.waiting.is_empty();
    // The second store of a packet must not be refused when the first was made.
    let stores = piece.facts.insns.iter().filter(|n| n.effects.store);
    l.unasked_store = l.unasked && stores.count() == 1;
}

fn in_guarded(l: &mut Lower<'_, '_>, va: Value) -> Value {
    let wide = l.b.ins().uextend(I64, va);
    l.b.ins().iadd(l.guarded, wide)
}

/// Gets the addresses of both windows ready.
pub(super) fn enter(l: &mut Lower<'_, '_>) {
    let flags = MemFlagsData::trusted().with_readonly();
    let mut field = |at: usize| l.b.ins().load(I64, flags, l.context, at as i32);
    (l.window, l.guarded) = (
        field(offset_of!(Context, window)),
        field(offset_of!(Context, guarded)),
    );
}

/// An address in the window, and whether what is wanted may be done there at once.
fn in_window(l: &mut Lower<'_, '_>, va: Value, wanted: Prot) -> (Value, Value, Value) {
    let wide = l.b.ins().uextend(I64, va);
    let window = l.window;
    let page = l.b.ins().ushr_imm_u(wide, i64::from(PAGE_SHIFT));
    let at = l.b.ins().iadd(window, page);
    // One may change at any time, and is looked at each time.
    let rights = l.b.ins().load(I8, access(), at, -(RIGHTS as i32));
    let allowed = l.b.ins().band_imm_u(rights, i64::from(wanted.bits()));
    (wide, window, allowed)
}

/// The host's address of a page that is not in the window, as the page table says; if it does not, the interpreter has the packet.
fn by_table(l: &mut Lower<'_, '_>, wide: Value, wanted: Prot) -> Value {
    let at = offset_of!(Context, table) as i32;
    let table = l.b.ins().load(I64, MemFlagsData::trusted(), l.context, at);
    let page = l.b.ins().ushr_imm_u(wide, i64::from(PAGE_SHIFT));
    let at = l.b.ins().ishl_imm_u(page, 3);
    let at = l.b.ins().iadd(table, at);
    let page = l.b.ins().load(I64, access(), at, 0);
    let allowed = l.b.ins().band_imm_u(page, i64::from(wanted.bits()));
    let (out, on) = (l.way_out(), l.b.create_block());
    l.b.set_cold_block(on);
    l.b.ins().brif(allowed, on, &[], out, &[]);
    l.b.switch_to_block(on);
    let difference = l.b.ins().band_imm_s(page, !(entry::PROT as i64));
    l.b.ins().iadd(difference, wide)
}

/// An address as a value and what is added to it.
fn split(l: &Lower<'_, '_>, mut va: Value) -> (Value, u32) {
    let (dfg, mut offset) = (&l.b.func.dfg, 0u32);
    let constant = |v: Value| match dfg.value_def(v) {
        ValueDef::Result(i, _) => match dfg.insts[i] {
            InstructionData::UnaryImm { imm, .. } => Some(imm.bits() as u32),
            _ => None,
        },
        _ => None,
    };
    // Few sums follow each other; none has an end that is not found.
    for _ in 0..MOST_SUMS {
        let ValueDef::Result(sum, _) = dfg.value_def(va) else {
            break;
        };
        let InstructionData::Binary {
            opcode: Opcode::Iadd,
            args: [a, b],
        } = dfg.insts[sum]
        else {
            break;
        };
        let Some(more) = constant(b) else { break };
        (va, offset) = (a, offset.wrapping_add(more));
    }
    (va, offset)
}

/// Sums of an address that are looked through.
const MOST_SUMS: u32 = 8;

/// Goes on only if an address is aligned, where that is not known from an access before in the same block: of what is found there, in
/// the same place of an array or another.
fn aligned(l: &mut Lower<'_, '_>, va: Value, size: u32) {
    if size <= 1 {
        return;
    }
    let (base, offset) = split(l, va);
    let known = l.aligned.get(&base);
    if known.is_some_and(|(of, at)| size <= *of && offset.wrapping_sub(*at) % size == 0) {
        return;
    }
    let low = l.b.ins().band_imm_u(va, i64::from(size - 1));
    l.unless(low, true);
    l.aligned.insert(base, (size, offset));
}

/// The host's address of so many bytes at `va`, which may be accessed that way; else the interpreter has the packet.
fn host(l: &mut Lower<'_, '_>, va: Value, size: u32, wanted: Prot) -> Value {
    aligned(l, va, size);
    let (wide, window, allowed) = in_window(l, va, wanted);
    let (elsewhere, on) = (l.b.create_block(), l.b.create_block());
    l.b.set_cold_block(elsewhere);
    l.b.append_block_param(on, I64);
    let host = l.b.ins().iadd(window, wide);
    l.b.ins().brif(allowed, on, &[host.into()], elsewhere, &[]);
    l.b.switch_to_block(elsewhere);
    let host = by_table(l, wide, wanted);
    l.b.ins().jump(on, &[host.into()]);
    l.b.switch_to_block(on);
    l.b.block_params(on)[0]
}

/// The host's address of the vector at `va`, which may be accessed that way and lies in one page; else the interpreter has the packet.
pub(super) fn vector(l: &mut Lower<'_, '_>, va: Value, aligned: bool, wanted: Prot) -> Value {
    const BYTES: i64 = 128;
    if aligned {
        let va = l.b.ins().band_imm_s(va, -BYTES);
        return host(l, va, 1, wanted);
    }
    let place = l.b.ins().band_imm_u(va, i64::from(PAGE_SIZE - 1));
    let crosses =
        l.b.ins()
            .icmp_imm_u(IntCC::UnsignedGreaterThan, place, i64::from(PAGE_SIZE) - BYTES);
    l.unless(crosses, true);
    host(l, va, 1, wanted)
}

/// Loads a value of type `of` from `va`, extended to `to`.
pub(super) fn load(l: &mut Lower<'_, '_>, va: Value, of: Type, to: cl::Type) -> Value {
    let size = of.bits().div_ceil(8);
    if !l.now.stores.is_empty() {
        let host = host(l, va, size, Prot::READ);
        // A load behind a store sees what was stored; nothing can be in the way of the store any more.
        make_stores(l);
        return load_host(l, host, of, to, access());
    }
    aligned(l, va, size);
    if l.unasked {
        let host = in_guarded(l, va);
        return load_host(l, host, of, to, guarded());
    }
    let (wide, window, allowed) = in_window(l, va, Prot::READ);
    let (here, elsewhere, on) = (l.b.create_block(), l.b.create_block(), l.b.create_block());
    l.b.set_cold_block(elsewhere);
    l.b.append_block_param(on, to);
    l.b.ins().brif(allowed, here, &[], elsewhere, &[]);
    l.b.switch_to_block(elsewhere);
    let host = by_table(l, wide, Prot::READ);
    let v = load_host(l, host, of, to, access());
    l.b.ins().jump(on, &[v.into()]);
    l.b.switch_to_block(here);
    let host = l.b.ins().iadd(window, wide);
    let v = load_host(l, host, of, to, access());
    l.b.ins().jump(on, &[v.into()]);
    l.b.switch_to_block(on);
    l.b.block_params(on)[0]
}

fn load_host(l: &mut Lower<'_, '_>, host: Value, of: Type, to: cl::Type, how: MemFlagsData) -> Value {
    let narrow = ty(of);
    if narrow == to {
        if how.trap_code() != Some(REFUSED) {
            return l.b.ins().load(narrow, how, host, 0);
        }
        // A plain load may become an operand of an instruction of a later packet, which would then be the one that is refused.
        if narrow == I64 {
            return l.b.ins().atomic_load(I64, how, host);
        }
        let wide = match narrow {
            I8 => l.b.ins().uload8(I64, how, host, 0),
            I16 => l.b.ins().uload16(I64, how, host, 0),
            _ => l.b.ins().uload32(how, host, 0),
        };
        return l.b.ins().ireduce(to, wide);
    }
    match (of.signed(), narrow) {
        (true, I8) => l.b.ins().sload8(to, how, host, 0),
        (false, I8) => l.b.ins().uload8(to, how, host, 0),
        (true, I16) => l.b.ins().sload16(to, how, host, 0),
        (false, I16) => l.b.ins().uload16(to, how, host, 0),
        (true, _) => l.b.ins().sload32(how, host, 0),
        (false, _) => l.b.ins().uload32(how, host, 0),
    }
}

/// Finds out whether a store of a value of type `of` to `va` can be made, and has it made later.
pub(super) fn store(l: &mut Lower<'_, '_>, va: Value, value: Value, of: Type) {
    let size = of.bits().div_ceil(8);
    let guarded = l.unasked_store;
    let host = if guarded {
        aligned(l, va, size);
        in_guarded(l, va)
    } else {
        host(l, va, size, Prot::WRITE)
    };
    l.now.stores.push(Store {
        condition: None,
        guarded,
        host,
        value,
    });
}

/// Makes the stores that were kept back until every access of the packet was found to be possible.
pub(super) fn make_stores(l: &mut Lower<'_, '_>) {
    for store in std::mem::take(&mut l.now.stores) {
        let how = if store.guarded { guarded() } else { access() };
        let on = store.condition.map(|condition| {
            let (make, on) = (l.b.create_block(), l.b.create_block());
            l.b.ins().brif(condition, make, &[], on, &[]);
            l.b.switch_to_block(make);
            on
        });
        l.b.ins().store(how, store.value, store.host, 0);
        if store.guarded {
            // Or one that the next packet overwrites would not be made, and not be refused.
            l.b.ins().sequence_point();
        }
        if let Some(on) = on {
            l.b.ins().jump(on, &[]);
            l.b.switch_to_block(on);
        }
    }
}
