//! The built-in module: stubs in the guest for the functions that the emulator provides, and the data it exports.
//!
//! Every function has an 8-byte stub, `{ trap0(#0) } { jumpr r31 }`. A trap is recognised by its address, so there may be
//! more functions than trap numbers, and a trap anywhere else is not ours. Stub 0 is where guest functions that the
//! emulator called return to.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use super::call::{Call, Done};
use super::lib;
use super::memory::STUBS;
use crate::core::memory::Memory as _;
use crate::mem::{AddressSpace, MapError, PAGE_SIZE, Prot};

/// Carries out an imported function.
pub type Handler = fn(&mut Call<'_>) -> Done;

/// A function that skeletons can import.
#[derive(Clone, Copy)]
pub struct Import {
    /// Its symbol.
    pub name: &'static str,
    /// What it does.
    pub handler: Handler,
}

/// Shorthand for the tables in [`lib`](super::lib).
pub const fn import(name: &'static str, handler: Handler) -> Import {
    Import { name, handler }
}

const TRAP0: u32 = 0x5400_c000;
const JUMPR_R31: u32 = 0x529f_c000;
const STUB: u32 = 8;
/// Most stubs, stub 0 included.
const MAX_STUBS: u32 = 0x1000;
const DATA: u32 = STUBS + MAX_STUBS * STUB;
/// Address of the word that stack canaries are copied from.
const STACK_GUARD: u32 = DATA;
/// Address of `errno`.
pub const ERRNO: u32 = DATA + 8;

/// Exported data: name and address.
const DATA_SYMBOLS: [(&str, u32); 2] = [("__stack_chk_guard", STACK_GUARD), ("errno", ERRNO)];

/// Where guest functions that the emulator called return to.
pub const RETURN: u32 = STUBS;

struct Table {
    functions: Vec<Import>,
    by_name: HashMap<&'static str, u32>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let functions: Vec<Import> = lib::families().into_iter().flatten().copied().collect();
    assert!(functions.len() < MAX_STUBS as usize, "more imports than stubs");
    let by_name = functions
        .iter()
        .zip(1u32..)
        .map(|(f, n)| (f.name, STUBS + n * STUB))
        .chain(DATA_SYMBOLS);
    Table {
        by_name: by_name.collect(),
        functions: functions.clone(),
    }
});

/// Address of a built-in symbol.
pub fn address(name: &[u8]) -> Option<u32> {
    TABLE.by_name.get(std::str::from_utf8(name).ok()?).copied()
}

/// What a trap at `at` asks for.
#[derive(Clone, Copy)]
pub enum Stub {
    /// A guest function that the emulator called has returned.
    Return,
    /// An imported function.
    Function(Import),
}

/// The stub whose trap lies at `at`.
pub fn stub(at: u32) -> Option<Stub> {
    let offset = at.checked_sub(STUBS)?;
    if !offset.is_multiple_of(STUB) {
        return None;
    }
    match offset / STUB {
        0 => Some(Stub::Return),
        n => TABLE.functions.get(n as usize - 1).copied().map(Stub::Function),
    }
}

/// Name of the imported function whose stub holds `pc`.
pub fn name_at(pc: u32) -> Option<&'static str> {
    match stub(pc / STUB * STUB)? {
        Stub::Return => Some("(return to the DSP's OS)"),
        Stub::Function(f) => Some(f.name),
    }
}

/// Maps stubs and data into a new process.
pub fn map(space: &AddressSpace) -> Result<(), MapError> {
    let count = TABLE.functions.len() as u32 + 1;
    let len = (count * STUB).next_multiple_of(PAGE_SIZE);
    space.map_anonymous(Some(STUBS), len, Prot::RW)?;
    space.map_anonymous(Some(DATA), PAGE_SIZE, Prot::RW)?;
    let code: Vec<u8> = (0..count)
        .flat_map(|_| [TRAP0, JUMPR_R31])
        .flat_map(|w: u32| w.to_le_bytes())
        .collect();
    // Just mapped, so it can be written.
    let _ = space.store(STUBS, &code);
    // Random enough to differ between processes; the low byte is 0 so that string functions stop there.
    let guard = RandomState::new().build_hasher().finish() as u32 & !0xff;
    let _ = space.store32(STACK_GUARD, guard);
    space.protect(STUBS, len, Prot::RX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_stubs_resolve_back() {
        let mut seen = std::collections::HashSet::new();
        for f in &TABLE.functions {
            assert!(seen.insert(f.name), "{} is there twice", f.name);
            let at = address(f.name.as_bytes()).unwrap();
            assert!(matches!(stub(at), Some(Stub::Function(g)) if g.name == f.name));
            assert_eq!(name_at(at + 4), Some(f.name));
        }
        assert!(matches!(stub(RETURN), Some(Stub::Return)));
        assert!(stub(RETURN + 4).is_none() && stub(0).is_none() && stub(DATA).is_none());
    }
}
