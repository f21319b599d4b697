//! QuRT mappings: pages of known buffers at reserved addresses, and what addresses stand for.
//!
//! Physical addresses are device addresses; memory of the emulator's own, which has none, counts as lying where it is
//! mapped, as with `HAP_cache_lock`. Source: the headers in Qualcomm's hexagon-hypervisor (libs/qurt).

use super::qurt_region::{EMEM, EOK, EVAL, allowed, place};
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use emu_core::mem::PAGE_SIZE;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_mapping_create", create, "`int qurt_mapping_create(qurt_addr_t, qurt_addr_t physical, qurt_size_t, qurt_mem_cache_mode_t, qurt_perm_t)`: a known buffer at reserved addresses; 2"),
    import("qurt_mapping_create_64", create_64, "`int qurt_mapping_create_64(qurt_addr_t, qurt_paddr_64_t, qurt_size_t, qurt_mem_cache_mode_t, qurt_perm_t)`: a known buffer at reserved addresses; 2"),
    import("qurt_mapping_remove", remove, "`int qurt_mapping_remove(qurt_addr_t, qurt_addr_t physical, qurt_size_t)`: what qurt_mapping_create mapped; 1 for anything else"),
    import("qurt_mapping_remove_64", remove_64, "`int qurt_mapping_remove_64(qurt_addr_t, qurt_paddr_64_t, qurt_size_t)`: what qurt_mapping_create_64 mapped; 1 for anything else"),
    import("qurt_mapping_reclaim", reclaim, "`int qurt_mapping_reclaim(qurt_addr_t, qurt_size_t, qurt_mem_pool_t)`: takes a static mapping apart, and there is none").refuses("QURT_EVAL"),
    import("qurt_mem_map_static_query", static_query, "`int qurt_mem_map_static_query(qurt_addr_t *, qurt_addr_t physical, unsigned, qurt_mem_cache_mode_t, qurt_perm_t)`: -1 and 2, nothing is mapped statically"),
    import("qurt_mem_map_static_query_64", static_query, "`int qurt_mem_map_static_query_64(qurt_addr_t *, qurt_paddr_64_t, unsigned, qurt_mem_cache_mode_t, qurt_perm_t)`: -1 and 2, nothing is mapped statically"),
    import("qurt_lookup_physaddr", lookup, "`qurt_paddr_t qurt_lookup_physaddr(qurt_addr_t)`: the device address of an address; 0 if nothing is there"),
    import("qurt_lookup_physaddr_64", lookup_64, "`qurt_paddr_64_t qurt_lookup_physaddr_64(qurt_addr_t)`: the device address of an address; 0 if nothing is there"),
    import("qurt_lookup_physaddr2", lookup_2, "`qurt_paddr_64_t qurt_lookup_physaddr2(qurt_addr_t, unsigned pid)`: as qurt_lookup_physaddr_64; 0 for another process"),
];

fn map(c: &mut Call<'_>, va: u32, physical: u64, size: u32, permissions: u32) -> Done {
    let prot = allowed(permissions).filter(|_| permissions != 0);
    let whole = size > 0 && size.is_multiple_of(PAGE_SIZE);
    let mapped = prot
        .filter(|_| whole)
        .map(|prot| place(c, physical, size, va, prot));
    c.ret(match mapped {
        Some(Ok(())) => EOK,
        _ => EMEM,
    })
}

fn create(c: &mut Call<'_>) -> Done {
    let (va, physical, size, permissions) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(4)?);
    map(c, va, physical.into(), size, permissions)
}

fn create_64(c: &mut Call<'_>) -> Done {
    let (va, physical, size, permissions) = (c.arg(0)?, c.arg64(2), c.arg(4)?, c.arg(6)?);
    map(c, va, physical, size, permissions)
}

fn unmap(c: &mut Call<'_>, va: u32, physical: u64, size: u32) -> Done {
    let there = c.os.space.device_address(va) == Some(physical) && size.is_multiple_of(PAGE_SIZE);
    let memory = &c.os.shared.memory;
    // Memory that a region put there goes with the region.
    let removed = there && !memory.is_own_place(va) && memory.unplace(va, size.into()).is_ok();
    c.ret(if removed { EOK } else { EVAL })
}

fn remove(c: &mut Call<'_>) -> Done {
    let (va, physical, size) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    unmap(c, va, physical.into(), size)
}

fn remove_64(c: &mut Call<'_>) -> Done {
    let (va, physical, size) = (c.arg(0)?, c.arg64(2), c.arg(4)?);
    unmap(c, va, physical, size)
}

fn reclaim(c: &mut Call<'_>) -> Done {
    c.ret(EVAL)
}

fn static_query(c: &mut Call<'_>) -> Done {
    c.store32(c.arg(0)?, u32::MAX)?;
    c.ret(EMEM)
}

fn lookup(c: &mut Call<'_>) -> Done {
    let physical = c.os.space.device_address(c.arg(0)?).unwrap_or(0);
    // One that 32 bits do not hold cannot be told.
    c.ret(u32::try_from(physical).unwrap_or(0))
}

fn lookup_64(c: &mut Call<'_>) -> Done {
    let physical = c.os.space.device_address(c.arg(0)?).unwrap_or(0);
    c.ret64(physical)
}

fn lookup_2(c: &mut Call<'_>) -> Done {
    let own = c.arg(1)? == c.os.shared.config.ap_pid;
    let physical = c.os.space.device_address(c.arg(0)?).filter(|_| own);
    c.ret64(physical.unwrap_or(0))
}
