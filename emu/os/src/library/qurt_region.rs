//! QuRT memory regions and pools.
//!
//! A region is memory of the process (from what the driver gave it), addresses without memory, or a buffer of the AP that the
//! process knows: an unsigned process names no other physical memory, so there is one pool, and none can be made. Physical
//! addresses are device addresses, as `HAP_mmap_get` answers them.
//!
//! Source: the headers and the implementation in Qualcomm's hexagon-hypervisor (libs/qurt), which is open; its
//! `qurt_mem_region_attr_t` and `qurt_mem_pool_attr_t` are the kit's. Not modelled: cache modes and bus attributes (kept, and
//! without effect), owners, sharing between processes.

use super::thread::allocate_stack;
use crate::builtins::DEFAULT_POOL;
use crate::error::OsError;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::regions::{Attributes, Behind, Region};
use crate::memory::NoMemory;
use emu_core::mem::{PAGE_SIZE, Prot};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_mem_region_create", create, "`int qurt_mem_region_create(qurt_mem_region_t *, qurt_size_t, qurt_mem_pool_t, qurt_mem_region_attr_t *)`: memory, addresses, or a known buffer; 2 without memory, 1 or 4 for what makes no sense"),
    import("qurt_mem_region_delete", delete, "`int qurt_mem_region_delete(qurt_mem_region_t)`: 1 if there is none, 12 while something is mapped into it"),
    import("qurt_mem_region_attr_get", attr_get, "`int qurt_mem_region_attr_get(qurt_mem_region_t, qurt_mem_region_attr_t *)`: where it is and how it was made; 1"),
    import("qurt_mem_region_query", query, "`int qurt_mem_region_query(qurt_mem_region_t *, qurt_addr_t, qurt_paddr_t)`: the region of an address; 2, -1"),
    import("qurt_mem_region_query_64", query_64, "`int qurt_mem_region_query_64(qurt_mem_region_t *, qurt_addr_t, qurt_paddr_64_t)`: the region of an address; 2, -1"),
    import("qurt_mem_pool_attach", pool_attach, "`int qurt_mem_pool_attach(char *name, qurt_mem_pool_t *)`: DEFAULT_PHYSPOOL; 4 for others"),
    import("qurt_mem_pool_attr_get", pool_attr_get, "`int qurt_mem_pool_attr_get(qurt_mem_pool_t, qurt_mem_pool_attr_t *)`: name and device addresses of what the driver gave; 4"),
    import("qurt_mem_pool_create", privileged, "`int qurt_mem_pool_create(char *name, unsigned base, unsigned size, qurt_mem_pool_t *)`: physical memory of the caller's choice").refuses("QURT_EPRIVILEGE"),
    import("qurt_mem_pool_add_pages", privileged, "`int qurt_mem_pool_add_pages(qurt_mem_pool_t, unsigned first, unsigned pages)`: physical memory of the caller's choice").refuses("QURT_EPRIVILEGE"),
    import("qurt_mem_pool_remove_pages", privileged, "`int qurt_mem_pool_remove_pages(qurt_mem_pool_t, unsigned first, unsigned pages, unsigned flags, void (*)(void *), void *)`: takes memory away").refuses("QURT_EPRIVILEGE"),
];

pub(super) const EOK: u32 = 0;
pub(super) const EVAL: u32 = 1;
pub(super) const EMEM: u32 = 2;
const EINVALID: u32 = 4;
const EFAILED: u32 = 12;
const EPRIVILEGE: u32 = 36;
const EFATAL: u32 = u32::MAX;

/// The handle of the one pool: what `qurt_mem_default_pool` holds.
const POOL: u32 = DEFAULT_POOL.1;
const POOL_NAME: &[u8] = b"DEFAULT_PHYSPOOL";
/// `qurt_mem_pool_attr_t`: a name, and ranges of pages.
const POOL_NAME_LEN: usize = 24;
const POOL_RANGES: usize = 4;

/// `qurt_mem_mapping_t`
mod mapping {
    pub const VIRTUAL: u32 = 0;
    pub const PHYS_CONTIGUOUS: u32 = 1;
    pub const IDEMPOTENT: u32 = 2;
    pub const VIRTUAL_FIXED: u32 = 3;
    pub const NONE: u32 = 4;
    pub const VIRTUAL_RANDOM: u32 = 7;
}

/// Offsets in `qurt_mem_region_attr_t`.
mod attribute {
    pub const PPN: u32 = 0;
    pub const VPN: u32 = 4;
    pub const SIZE: u32 = 8;
    pub const MAPPING: u32 = 12;
    pub const KIND: u32 = 16;
    pub const PERMISSIONS: u32 = 20;
    pub const CACHE: u32 = 21;
    pub const BUS: u32 = 22;
    pub const LEN: u32 = 24;
}

/// Permissions of a mapping: who may write or execute may read.
pub(super) fn allowed(permissions: u32) -> Option<Prot> {
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const EXECUTE: u32 = 4;
    if permissions & !(READ | WRITE | EXECUTE) != 0 {
        return None;
    }
    let (write, execute) = (permissions & WRITE != 0, permissions & EXECUTE != 0);
    Some(match (write, execute) {
        (true, true) => Prot::RWX,
        (true, false) => Prot::RW,
        (false, true) => Prot::RX,
        (false, false) if permissions == READ => Prot::READ,
        (false, false) => Prot::NONE,
    })
}

/// A region to come.
#[derive(Clone, Copy)]
struct Wish {
    place: u32,
    len: u32,
    /// Physical and virtual page that the program names.
    ppn: u32,
    vpn: u32,
    attributes: Attributes,
    prot: Prot,
}

fn create(c: &mut Call<'_>) -> Done {
    let (place, size, pool, at) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    c.store32(place, 0)?;
    // Read and write, written back.
    let mut attributes = Attributes {
        permissions: 3,
        cache: 7,
        ..Attributes::default()
    };
    let (mut ppn, mut vpn) = (0, 0);
    if at != 0 {
        let word = |n: u32| c.load32(at.wrapping_add(n));
        let byte = |n: u32| c.load8(at.wrapping_add(n));
        (ppn, vpn) = (word(attribute::PPN)?, word(attribute::VPN)?);
        attributes = Attributes {
            mapping: word(attribute::MAPPING)?,
            kind: word(attribute::KIND)?,
            permissions: byte(attribute::PERMISSIONS)?,
            cache: byte(attribute::CACHE)?,
            bus: byte(attribute::BUS)?,
        };
    }
    let Some(prot) = allowed(attributes.permissions.into()).filter(|_| size > 0) else {
        return c.ret(EVAL);
    };
    if pool != POOL {
        return c.ret(EINVALID);
    }
    let Some(len) = size
        .checked_next_multiple_of(PAGE_SIZE)
        .filter(|_| c.os.lib.regions.has_room())
    else {
        return c.ret(EMEM);
    };
    let wish = Wish {
        place,
        len,
        ppn,
        vpn,
        attributes,
        prot,
    };
    match attributes.mapping {
        mapping::VIRTUAL | mapping::VIRTUAL_RANDOM => {
            let got = move |c: &mut Call<'_>, low: Option<u32>| match low {
                Some(va) => own(c, wish, va),
                None => c.ret(EMEM),
            };
            allocate_stack(c, len, Box::new(got))
        }
        mapping::NONE => match c.os.shared.memory.reserve_for_program(len.into()) {
            Ok(va) => made(c, wish, va, Behind::Nothing),
            Err(_) => c.ret(EMEM),
        },
        mapping::VIRTUAL_FIXED if wish.names_memory() => buffer_at(c, wish),
        mapping::VIRTUAL_FIXED => own_at(c, wish, 0),
        mapping::PHYS_CONTIGUOUS => buffer(c, wish),
        mapping::IDEMPOTENT => no_memory(c, "qurt_mem_region_create of memory at its own physical address"),
        _ => c.ret(EVAL),
    }
}

impl Wish {
    /// Does the program name physical memory? The header of hexagon-hypervisor begins with page 0; -1 stands for none, too.
    fn names_memory(self) -> bool {
        ![0, u32::MAX, u32::MAX >> 12].contains(&self.ppn)
    }

    fn physical(self) -> u64 {
        u64::from(self.ppn) * u64::from(PAGE_SIZE)
    }
}

/// Says once a process that there is no such memory for it.
fn no_memory(c: &mut Call<'_>, what: &'static str) -> Done {
    c.tell_once(
        what,
        "is refused (QURT_EMEM): a process has its own memory and the buffers that it was sent",
    );
    c.ret(EMEM)
}

fn made(c: &mut Call<'_>, wish: Wish, va: u32, behind: Behind) -> Done {
    let region = Region {
        va,
        len: wish.len,
        behind,
        attributes: wish.attributes,
    };
    let handle = c.os.lib.regions.add(region);
    c.store32(wish.place, handle)?;
    c.ret(EOK)
}

/// Memory was found at addresses of its own.
fn own(c: &mut Call<'_>, wish: Wish, va: u32) -> Done {
    match c.os.shared.memory.protect(va, wish.len, wish.prot) {
        Ok(()) => made(c, wish, va, Behind::Own),
        Err(_) => {
            c.os.shared.memory.release(va);
            c.ret(EMEM)
        }
    }
}

/// Memory at addresses that were reserved.
fn own_at(c: &mut Call<'_>, wish: Wish, tries: u32) -> Done {
    /// How often the AP is asked.
    const TRIES: u32 = 8;
    let Some(va) = wish.vpn.checked_mul(PAGE_SIZE) else {
        return c.ret(EVAL);
    };
    match c.os.shared.memory.place_own(va, wish.len, wish.prot) {
        Ok(()) => made(c, wish, va, Behind::Placed),
        Err(NoMemory::Dry(missing)) if tries < TRIES => {
            let again = move |c: &mut Call<'_>, given: bool| match given {
                true => own_at(c, wish, tries + 1),
                false => c.ret(EMEM),
            };
            Ok(Outcome::Grow(missing, Box::new(again)))
        }
        Err(_) => c.ret(EMEM),
    }
}

/// A buffer of the AP at addresses that were reserved.
fn buffer_at(c: &mut Call<'_>, wish: Wish) -> Done {
    let Some(va) = wish.vpn.checked_mul(PAGE_SIZE) else {
        return c.ret(EVAL);
    };
    match place(c, wish.physical(), wish.len, va, wish.prot) {
        Ok(()) => made(c, wish, va, Behind::Placed),
        Err(OsError::NoSuchMap(_)) => no_memory(c, "qurt_mem_region_create of unknown physical memory"),
        Err(_) => c.ret(EMEM),
    }
}

/// A buffer of the AP at addresses of its own.
fn buffer(c: &mut Call<'_>, wish: Wish) -> Done {
    let Ok(va) = c.os.shared.memory.reserve_for_program(wish.len.into()) else {
        return c.ret(EMEM);
    };
    match place(c, wish.physical(), wish.len, va, wish.prot) {
        Ok(()) => made(c, wish, va, Behind::Buffer),
        Err(why) => {
            // It was just reserved and nothing is in it.
            let _ = c.os.shared.memory.unreserve(va, wish.len.into());
            match why {
                OsError::NoSuchMap(_) => no_memory(c, "qurt_mem_region_create of unknown physical memory"),
                _ => c.ret(EMEM),
            }
        }
    }
}

/// Maps a part of a known buffer by its device address.
pub(super) fn place(c: &Call<'_>, physical: u64, len: u32, va: u32, prot: Prot) -> Result<(), OsError> {
    c.os.shared.memory.place_device(physical, len.into(), va, prot)
}

fn delete(c: &mut Call<'_>) -> Done {
    let handle = c.arg(0)?;
    let Some(region) = c.os.lib.regions.get(handle) else {
        return c.ret(EVAL);
    };
    let (memory, len) = (&c.os.shared.memory, u64::from(region.len));
    match region.behind {
        Behind::Own => memory.release(region.va),
        Behind::Nothing => {
            if memory.unreserve(region.va, len).is_err() {
                return c.ret(EFAILED);
            }
        }
        // The driver may have taken the buffer back before; then there is nothing left to unmap.
        Behind::Placed => {
            let _ = memory.unplace(region.va, len);
        }
        Behind::Buffer => {
            let _ = memory.unplace(region.va, len);
            if memory.unreserve(region.va, len).is_err() {
                return c.ret(EFAILED);
            }
        }
    }
    c.os.lib.regions.remove(handle);
    c.ret(EOK)
}

fn attr_get(c: &mut Call<'_>) -> Done {
    let (handle, at) = (c.arg(0)?, c.arg(1)?);
    let Some(region) = c.os.lib.regions.get(handle) else {
        return c.ret(EVAL);
    };
    let made = region.attributes;
    let physical = c.os.space.device_address(region.va).unwrap_or(0);
    let pages = u64::from(PAGE_SIZE);
    let mut bytes = [0; attribute::LEN as usize];
    let words = [
        (attribute::PPN, (physical / pages) as u32),
        (attribute::VPN, region.va / PAGE_SIZE),
        (attribute::SIZE, region.len / PAGE_SIZE),
        (attribute::MAPPING, made.mapping),
        (attribute::KIND, made.kind),
    ];
    for (n, word) in words {
        bytes[n as usize..n as usize + 4].copy_from_slice(&word.to_le_bytes());
    }
    bytes[attribute::PERMISSIONS as usize] = made.permissions;
    bytes[attribute::CACHE as usize] = made.cache;
    bytes[attribute::BUS as usize] = made.bus;
    c.store(at, &bytes)?;
    c.ret(EOK)
}

fn query(c: &mut Call<'_>) -> Done {
    let (place, va, physical) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    // -1 of 32 bits stands for none, as that of 64.
    let physical = if physical == u32::MAX {
        u64::MAX
    } else {
        physical.into()
    };
    find(c, place, va, physical)
}

fn query_64(c: &mut Call<'_>) -> Done {
    let (place, va, physical) = (c.arg(0)?, c.arg(1)?, c.arg64(2));
    find(c, place, va, physical)
}

/// By the physical address if there is one, else by the virtual one. For none stand QURT_EINVALID and -1.
fn find(c: &mut Call<'_>, place: u32, va: u32, physical: u64) -> Done {
    let none = |v: u64| v == u64::from(EINVALID) || v == u64::MAX;
    let by_physical = !none(physical);
    let va = match by_physical {
        true => c.os.shared.memory.address_of(physical),
        false if none(va.into()) || va == u32::MAX => return c.ret(EFATAL),
        false => Some(va),
    };
    let handle = va.and_then(|va| c.os.lib.regions.holding(va));
    c.store32(place, handle.unwrap_or(0))?;
    c.ret(if handle.is_some() { EOK } else { EMEM })
}

fn pool_attach(c: &mut Call<'_>) -> Done {
    let (name, place) = (c.arg(0)?, c.arg(1)?);
    let known = c.cstr_max(name, POOL_NAME.len() + 1)? == POOL_NAME;
    c.store32(place, if known { POOL } else { 0 })?;
    c.ret(if known { EOK } else { EINVALID })
}

fn pool_attr_get(c: &mut Call<'_>) -> Done {
    let (pool, at) = (c.arg(0)?, c.arg(1)?);
    if pool != POOL {
        return c.ret(EINVALID);
    }
    let ranges = c.os.shared.memory.given_ranges();
    let mut bytes = POOL_NAME.to_vec();
    bytes.resize(POOL_NAME_LEN, 0);
    let pages = u64::from(PAGE_SIZE);
    let ranges = ranges.into_iter().chain(std::iter::repeat((0, 0)));
    for (start, len) in ranges.take(POOL_RANGES) {
        bytes.extend(((start / pages) as u32).to_le_bytes());
        bytes.extend(((len / pages) as u32).to_le_bytes());
    }
    c.store(at, &bytes)?;
    c.ret(EOK)
}

fn privileged(c: &mut Call<'_>) -> Result<Outcome, Stop> {
    c.ret(EPRIVILEGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use emu_core::memory::Memory as _;

    const PAGES: u32 = 2;
    const LEN: u32 = PAGES * PAGE_SIZE;
    const IOVA: u32 = 0x4000_0000;

    /// Makes a region; gives the code, the handle and the first address.
    fn region(g: &mut Guest, mapping: u32, ppn: u32, vpn: u32, permissions: u8) -> (u32, u32, u32) {
        let words = [ppn, vpn, 0, mapping, 0];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend([permissions, 7, 0, 0]);
        let (at, place) = (g.bytes(&bytes), g.bytes(&[0xff; 4]));
        let code = g.call("qurt_mem_region_create", &[place, LEN - 5, POOL, at]);
        let handle = g.word(place);
        if code != EOK {
            assert_eq!(handle, 0);
            return (code, 0, 0);
        }
        assert_eq!(g.call("qurt_mem_region_attr_get", &[handle, at]), EOK);
        assert_eq!(
            (g.word(at + attribute::SIZE), g.word(at + attribute::MAPPING)),
            (PAGES, mapping)
        );
        (code, handle, g.word(at + attribute::VPN) * PAGE_SIZE)
    }

    #[test]
    fn a_region_is_memory_with_the_permissions_that_it_was_made_with() {
        let mut g = Guest::new();
        let (_, both, va) = region(&mut g, mapping::VIRTUAL, 0, 0, 3);
        g.os.space.store32(va + LEN - 4, 7).unwrap();
        assert!(g.os.space.store32(va + LEN, 7).is_err());
        let (_, only_read, at) = region(&mut g, mapping::VIRTUAL, 0, 0, 1);
        assert_eq!(g.os.space.load32(at), Ok(0));
        assert!(g.os.space.store32(at, 7).is_err());
        // Without attributes: read and write.
        let place = g.bytes(&[0; 4]);
        assert_eq!(g.call("qurt_mem_region_create", &[place, 1, POOL, 0]), EOK);
        // By the address, then by what stands behind it.
        let physical = g.call("qurt_lookup_physaddr", &[va + 5000]);
        assert_eq!(
            g.call("qurt_mem_region_query", &[place, va + 5000, u32::MAX]),
            EOK
        );
        assert_eq!(g.word(place), both);
        assert_eq!(g.call("qurt_mem_region_query", &[place, EINVALID, physical]), EOK);
        assert_eq!(g.word(place), both);
        assert_eq!(g.call("qurt_mem_region_query", &[place, 64, u32::MAX]), EMEM);
        assert_eq!(
            g.call("qurt_mem_region_query", &[place, EINVALID, EINVALID]),
            EFATAL
        );
        for handle in [both, only_read] {
            assert_eq!(g.call("qurt_mem_region_delete", &[handle]), EOK);
            assert_eq!(g.call("qurt_mem_region_delete", &[handle]), EVAL);
        }
        assert!(!g.os.space.is_mapped(va) && !g.os.space.is_mapped(at));
        assert_eq!(g.call("qurt_lookup_physaddr", &[va]), 0);
    }

    #[test]
    fn memory_is_put_at_reserved_addresses_and_goes_first() {
        let mut g = Guest::new();
        let before = g.os.shared.memory.usage().0;
        let (_, reserved, va) = region(&mut g, mapping::NONE, 0, 0, 3);
        assert!(!g.os.space.is_mapped(va));
        let (_, placed, at) = region(&mut g, mapping::VIRTUAL_FIXED, 0, va / PAGE_SIZE, 3);
        assert_eq!(at, va);
        g.os.space.store32(va, 7).unwrap();
        // There is something already, and elsewhere nothing is reserved.
        assert_eq!(
            region(&mut g, mapping::VIRTUAL_FIXED, 0, va / PAGE_SIZE, 3).0,
            EMEM
        );
        assert_eq!(region(&mut g, mapping::VIRTUAL_FIXED, 0, 0x10, 3).0, EMEM);
        assert_eq!(region(&mut g, mapping::VIRTUAL_FIXED, 0, u32::MAX, 3).0, EVAL);
        assert_eq!(g.call("qurt_mem_region_delete", &[reserved]), EFAILED);
        // A mapping is something else.
        let physical = g.call("qurt_lookup_physaddr", &[va]);
        assert_eq!(g.call("qurt_mapping_remove", &[va, physical, LEN]), EVAL);
        assert_eq!(g.call("qurt_mem_region_delete", &[placed]), EOK);
        assert!(!g.os.space.is_mapped(va));
        assert_eq!(g.call("qurt_mem_region_delete", &[reserved]), EOK);
        // What the test's own blocks take is left.
        assert_eq!(
            g.os.shared.memory.usage().0 - before,
            5 * 2 * u64::from(PAGE_SIZE)
        );
    }

    #[test]
    fn a_buffer_of_the_ap_is_mapped_by_its_device_address() {
        let mut g = Guest::new();
        let shared = g.os.shared.clone();
        let name = shared
            .memory
            .announce_fd(7, IOVA.into(), 3 * PAGE_SIZE, true)
            .unwrap();
        let (_, buffer, va) = region(&mut g, mapping::PHYS_CONTIGUOUS, IOVA / PAGE_SIZE + 1, 0, 1);
        assert_eq!(g.call("qurt_lookup_physaddr", &[va + 12]), IOVA + PAGE_SIZE + 12);
        assert_eq!(
            g.call64("qurt_lookup_physaddr_64", &[va]),
            u64::from(IOVA + PAGE_SIZE)
        );
        assert_eq!(g.call64("qurt_lookup_physaddr2", &[va, 77]), 0);
        // Beyond its end, and memory that nobody sent.
        assert_eq!(
            region(&mut g, mapping::PHYS_CONTIGUOUS, IOVA / PAGE_SIZE + 2, 0, 1).0,
            EMEM
        );
        assert_eq!(region(&mut g, mapping::PHYS_CONTIGUOUS, 0x8_0000, 0, 1).0, EMEM);
        assert_eq!(
            region(&mut g, mapping::IDEMPOTENT, IOVA / PAGE_SIZE, 0, 1).0,
            EMEM
        );
        // Into reserved addresses, by a region and by a mapping.
        let (_, reserved, low) = region(&mut g, mapping::NONE, 0, 0, 3);
        let (_, placed, at) = region(
            &mut g,
            mapping::VIRTUAL_FIXED,
            IOVA / PAGE_SIZE,
            low / PAGE_SIZE,
            3,
        );
        assert_eq!((at, g.call("qurt_lookup_physaddr", &[low])), (low, IOVA));
        assert_eq!(g.call("qurt_mem_region_delete", &[placed]), EOK);
        let create = |g: &mut Guest, size, permissions| {
            g.call("qurt_mapping_create", &[low, IOVA, size, 7, permissions])
        };
        assert_eq!(create(&mut g, LEN, 0), EMEM);
        assert_eq!(create(&mut g, LEN - 1, 3), EMEM);
        assert_eq!(create(&mut g, LEN, 3), EOK);
        assert_eq!(create(&mut g, LEN, 3), EMEM);
        assert_eq!(g.call("qurt_mapping_remove", &[low, IOVA + 4, LEN]), EVAL);
        assert_eq!(g.call("qurt_mapping_remove", &[low, IOVA, LEN]), EOK);
        // The same with 64 bits, which go in an even pair.
        assert_eq!(
            g.call("qurt_mapping_create_64", &[low, 0, IOVA, 0, LEN, 7, 3]),
            EOK
        );
        assert_eq!(g.call("qurt_mapping_remove_64", &[low, 0, IOVA, 0, LEN]), EOK);
        assert_eq!(g.call("qurt_mem_region_delete", &[reserved]), EOK);
        // The driver takes it back: the region has nothing behind it, and can be deleted.
        shared.memory.withdraw_fd(7, name).unwrap();
        assert!(!g.os.space.is_mapped(va));
        assert_eq!(g.call("qurt_mem_region_delete", &[buffer]), EOK);
        assert_eq!(shared.memory.usage().1, 0);
    }

    #[test]
    fn there_is_one_pool_and_what_makes_no_sense_is_refused() {
        let mut g = Guest::with_memory(0x10_0000);
        let (name, other, at) = (
            g.bytes(b"DEFAULT_PHYSPOOL\0"),
            g.bytes(b"TCM_PHYSPOOL\0"),
            g.bytes(&[0xff; 64]),
        );
        assert_eq!(g.call("qurt_mem_pool_attach", &[name, at]), EOK);
        assert_eq!(g.word(at), POOL);
        assert_eq!(g.call("qurt_mem_pool_attach", &[other, at]), EINVALID);
        assert_eq!(g.word(at), 0);
        assert_eq!(g.call("qurt_mem_pool_attr_get", &[POOL, at]), EOK);
        assert_eq!(g.text(at), "DEFAULT_PHYSPOOL");
        assert_eq!(
            (g.word(at + 24), g.word(at + 28), g.word(at + 32)),
            (IOVA >> 12, 0x100, 0)
        );
        assert_eq!(g.call("qurt_mem_pool_attr_get", &[POOL + 1, at]), EINVALID);
        assert_eq!(g.call("qurt_mem_pool_create", &[name, 1, 1, at]), EPRIVILEGE);
        let pool = g.os.builtins.address(b"qurt_mem_default_pool").unwrap();
        assert_eq!(g.word(pool), POOL);
        assert_eq!(g.call("qurt_mem_region_create", &[at, 0, POOL, 0]), EVAL);
        assert_eq!(g.call("qurt_mem_region_create", &[at, 1, POOL + 1, 0]), EINVALID);
        assert_eq!(g.call("qurt_mem_region_create", &[at, u32::MAX, POOL, 0]), EMEM);
        for (mapping, permissions, code) in [(5, 3, EVAL), (99, 3, EVAL), (mapping::VIRTUAL, 8, EVAL)] {
            assert_eq!(region(&mut g, mapping, 0, 0, permissions).0, code);
        }
        assert_eq!(g.call("qurt_mem_map_static_query", &[at, IOVA, 4096, 7, 3]), EMEM);
        assert_eq!(g.word(at), u32::MAX);
        // Bounded.
        let mut last = EOK;
        for _ in 0..5000 {
            let words = [0u32, 0, 0, mapping::NONE, 0, 3];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            g.write(at, &bytes);
            last = g.call("qurt_mem_region_create", &[at + 32, 1, POOL, at]);
        }
        assert_eq!(last, EMEM);
    }
}
