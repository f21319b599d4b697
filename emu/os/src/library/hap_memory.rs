//! HAP memory: buffers of the AP by file descriptor, heap statistics, lockable cache.

use super::hap_mem_request::prot;
use super::heap::allocate;
use crate::error::OsError;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::library_state::cache_locks::CACHE;
use emu_core::mem::PAGE_SIZE;
use rpmsg::Aee;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("HAP_mmap", mmap, "`void *HAP_mmap(void *address, int len, int prot, int flags, int fd, long offset)`: a buffer of the AP; -1 on failure, and for HAP_PROT_EXEC and flags"),
    import("HAP_mmap2", mmap, "`void *HAP_mmap2(void *address, size_t len, int prot, int flags, int fd, long offset)`: a buffer of the AP; -1 on failure, and for HAP_PROT_EXEC and flags"),
    import("HAP_munmap", munmap, "`int HAP_munmap(void *address, int len)`: of exactly what HAP_mmap gave, in whole pages"),
    import("HAP_munmap2", munmap, "`int HAP_munmap2(void *address, size_t len)`: of exactly what HAP_mmap2 gave, in whole pages"),
    import("HAP_mmap_get", mmap_get, "`int HAP_mmap_get(int fd, void **address, uint64 *physical)`: where a mapped descriptor is, and another user of it"),
    import("HAP_mmap_put", mmap_put, "`int HAP_mmap_put(int fd)`: one user less; what HAP_mmap mapped stays mapped"),
    import("adsp_mmap_fd_getinfo", fd_info, "`int adsp_mmap_fd_getinfo(int fd, uint32 *len)`: the length of a buffer of the AP"),
    import("HAP_mem_get_stats", stats, "`int HAP_mem_get_stats(HAP_mem_stats_t *)`: bytes free and used, segments free and used, least growth"),
    import("HAP_mem_set_grow_size", set_grow_size, "`int HAP_mem_set_grow_size(uint64 least, uint64 most)`: how the heap grows; 0 leaves a bound as it is"),
    import("HAP_mem_available_stack", available_stack, "`int HAP_mem_available_stack(void)`: bytes between the stack pointer and the stack's end"),
    import("HAP_cache_lock", cache_lock, "`void *HAP_cache_lock(unsigned size, void **physical)`: ordinary memory, every access costs the same here"),
    import("HAP_cache_unlock", cache_unlock, "`int HAP_cache_unlock(void *)`: gives it back"),
    import("HAP_query_total_cachelock", cache_total, "`int HAP_query_total_cachelock(void)`: bytes that can be locked"),
    import("HAP_query_avail_cachelock", cache_available, "`int HAP_query_avail_cachelock(void)`: bytes that are not locked"),
];

/// The descriptor is the AP's: it was announced, or the call carries it. Mapping it again gives the same address and
/// another reference. An address of the caller's choice is not to be had (the vendor's header says so too).
fn mmap(c: &mut Call<'_>) -> Done {
    let (wish, len, fd, offset) = (c.arg(0)?, c.arg(1)?, c.arg(4)? as i32, c.arg(5)?);
    if let Some(why) = not_mapped(c.arg(2)?, c.arg(3)?) {
        c.tell_once(why, "is refused (-1)");
        return c.ret(u32::MAX);
    }
    // Every mapping of a buffer is the same pages.
    if c.arg(2)? & prot::WRITE == 0 {
        c.tell_once(
            "HAP_mmap for reading only",
            "gives a buffer that can be written all the same",
        );
    }
    let window = match wish {
        0 => c.os.shared.memory.map_window(fd, offset, len).ok(),
        _ => None,
    };
    c.ret(window.unwrap_or(u32::MAX))
}

/// Why there is no such mapping.
fn not_mapped(allowed: u32, flags: u32) -> Option<&'static str> {
    if allowed & prot::EXECUTE != 0 {
        Some("HAP_mmap of an executable mapping")
    } else if allowed & !(prot::READ | prot::WRITE | prot::CACHE) != 0 {
        Some("HAP_mmap with unknown bits of prot")
    } else if flags != 0 {
        Some("HAP_mmap with flags")
    } else {
        None
    }
}

fn munmap(c: &mut Call<'_>) -> Done {
    let result = c.os.shared.memory.unmap_window(c.arg(0)?, c.arg(1)?);
    c.ret_code(code(result))
}

/// What the DSP sees behind its SMMU is the device address.
fn mmap_get(c: &mut Call<'_>) -> Done {
    let (fd, address, physical) = (c.arg(0)? as i32, c.arg(1)?, c.arg(2)?);
    let (va, iova) = match c.os.shared.memory.use_fd(fd) {
        Ok(place) => place,
        Err(e) => return c.ret_code(e.aee()),
    };
    if address != 0 {
        c.store32(address, va)?;
    }
    if physical != 0 {
        c.store64(physical, iova)?;
    }
    c.ret_code(Aee::SUCCESS)
}

fn mmap_put(c: &mut Call<'_>) -> Done {
    let result = c.os.shared.memory.unuse_fd(c.arg(0)? as i32);
    c.ret_code(code(result))
}

fn code(result: Result<(), OsError>) -> Aee {
    result.err().map_or(Aee::SUCCESS, |e| e.aee())
}

fn fd_info(c: &mut Call<'_>) -> Done {
    let (fd, place) = (c.arg(0)? as i32, c.arg(1)?);
    let Some(known) = c.os.shared.memory.fd(fd) else {
        return c.ret_code(Aee::NO_SUCH_MAP);
    };
    c.store32(place, known.len)?;
    c.ret_code(Aee::SUCCESS)
}

/// Five 64-bit words.
fn stats(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let (arenas, used, _) = c.os.heap.usage();
    let (own, _, _) = c.os.shared.memory.usage();
    let free = c.os.shared.memory.free();
    let words = [arenas - used, used, free, own, u64::from(c.os.growth.least)];
    for (i, v) in (0..).zip(words) {
        c.store64(at.wrapping_add(8 * i), v)?;
    }
    c.ret_code(Aee::SUCCESS)
}

fn set_grow_size(c: &mut Call<'_>) -> Done {
    let (least, most) = (c.arg64(0), c.arg64(2));
    let pick = |v: u64, old: u32| {
        if v == 0 {
            old
        } else {
            u32::try_from(v).unwrap_or(1 << 30).min(1 << 30)
        }
    };
    let (least, most) = (pick(least, c.os.growth.least), pick(most, c.os.growth.most));
    if least > most {
        return c.ret_code(Aee::BAD_PARM);
    }
    (c.os.growth.least, c.os.growth.most) = (least, most);
    c.ret_code(Aee::SUCCESS)
}

fn available_stack(c: &mut Call<'_>) -> Done {
    let (sp, stack) = (c.sp(), &c.thread.stack);
    let left = if stack.contains(&sp) || sp == stack.end {
        sp - stack.start
    } else {
        u32::MAX
    };
    // As 64 bits, too, which newer headers of the vendor read.
    c.ret64(i64::from(left as i32) as u64)
}

fn cache_lock(c: &mut Call<'_>) -> Done {
    let (size, physical) = (c.arg(0)?, c.arg(1)?);
    // Before the block is found: the thread may have to wait for it, and others come meanwhile.
    if !c.os.lib.cache_locks.reserve(size) {
        return c.ret(0);
    }
    allocate(
        c,
        size,
        PAGE_SIZE,
        Box::new(move |c, at| {
            c.os.lib.cache_locks.found(at, size);
            if at != 0 && physical != 0 {
                c.store32(physical, at)?;
            }
            c.ret(at)
        }),
    )
}

fn cache_unlock(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let unlocked = c.os.lib.cache_locks.unlock(at) && c.os.heap.free(at).is_ok();
    c.ret_code(if unlocked { Aee::SUCCESS } else { Aee::BAD_PARM })
}

fn cache_total(c: &mut Call<'_>) -> Done {
    c.ret(CACHE)
}

fn cache_available(c: &mut Call<'_>) -> Done {
    let available = c.os.lib.cache_locks.available();
    c.ret(available)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::call::Outcome;
    use crate::kernel::testing::Guest;
    use emu_core::memory::Memory as _;

    #[test]
    fn descriptors_are_mapped_once_and_counted() {
        let mut g = Guest::new();
        let out = g.bytes(&[0; 16]);
        assert_eq!(g.call("HAP_mmap", &[0, 4096, 3, 0, 7, 0]), u32::MAX);
        let va = g.os.shared.memory.announce_fd(7, 0x10_0000, 8192, false).unwrap();
        assert_eq!(g.call("HAP_mmap", &[0, 4096, 3, 0, 7, 0]), va);
        assert_eq!(g.call("HAP_mmap", &[0, 8193, 3, 0, 7, 0]), u32::MAX);
        assert_eq!(g.call("HAP_mmap_get", &[7, out, out + 8]), 0);
        assert_eq!((g.word(out), g.word(out + 8)), (va, 0x10_0000));
        assert_eq!(g.call("adsp_mmap_fd_getinfo", &[7, out]), 0);
        assert_eq!(g.word(out), 8192);
        assert_eq!(g.call("HAP_mmap_put", &[7]), 0);
        assert_eq!(g.call("HAP_munmap", &[va, 4096]), 0);
        assert_eq!(g.call("HAP_munmap", &[va, 4096]), Aee::NO_SUCH_MAP.0);
        assert_eq!(g.os.shared.memory.withdraw_fd(-1, va), Ok(()));
        assert_eq!(g.call("HAP_mmap_get", &[7, out, 0]), Aee::NO_SUCH_MAP.0);
    }

    #[test]
    fn what_was_mapped_at_an_offset_can_be_unmapped() {
        for (map, unmap) in [("HAP_mmap", "HAP_munmap"), ("HAP_mmap2", "HAP_munmap2")] {
            let mut g = Guest::new();
            let shared = g.os.shared.clone();
            let memory = &shared.memory;
            let mapped = |g: &Guest, va| g.os.space.load8(va).is_ok();
            let call = memory.begin_handle(7, 0x4000_0000, 0x3800).unwrap();
            let first = g.call(map, &[0, 0x1000, 3, 0, 7, 0]);
            let part = g.call(map, &[0, 0x1234, 3, 0, 7, 0x1010]);
            assert_eq!(part, first + 0x1010);
            memory.end_handle(7, call);
            // A part of it, with a length that ends elsewhere, or from elsewhere: nothing is given back.
            for (at, len) in [(part, 0x800), (part, 0), (part + 0x1000, 0x234), (first, 0x3800)] {
                assert_eq!(
                    g.call(unmap, &[at, len]),
                    Aee::NO_SUCH_MAP.0,
                    "{unmap} {at:#x} {len:#x}"
                );
            }
            assert_eq!(g.call(unmap, &[part, 0x1234]), 0, "{unmap}");
            assert_eq!(g.call(unmap, &[part, 0x1234]), Aee::NO_SUCH_MAP.0);
            assert!(mapped(&g, first));
            assert_eq!(g.call(unmap, &[first, 1]), 0);
            assert!(!mapped(&g, first));
            assert_eq!(memory.fd(7), None);
        }
    }

    #[test]
    fn nothing_is_mapped_at_a_wish_without_length_or_past_the_end() {
        let mut g = Guest::new();
        let va =
            g.os.shared
                .memory
                .announce_fd(7, 0x4000_0000, 0x1800, false)
                .unwrap();
        for [wish, len, offset] in [
            [va, 0x1000, 0],
            [0, 0, 0],
            [0, 0x1000, 0x1001],
            [0, 1, 0x2000],
            [0, u32::MAX, 1],
            [0, 1, u32::MAX],
        ] {
            assert_eq!(g.call("HAP_mmap", &[wish, len, 3, 0, 7, offset]), u32::MAX);
        }
        assert_eq!(g.call("HAP_mmap", &[0, 0x1000, 3, 0, 7, 0x1000]), va + 0x1000);
    }

    #[test]
    fn a_user_is_counted_apart_from_a_mapping() {
        // The order of qualcomm/QcNode's FadasIface: announced for later, looked for, mapped, used; put until that fails,
        // unmapped, taken back.
        let mut g = Guest::new();
        let (shared, out) = (g.os.shared.clone(), g.bytes(&[0; 4]));
        let memory = &shared.memory;
        let name = memory.announce_fd(7, 0x4000_0000, 0x2000, true).unwrap();
        assert_eq!(g.call("HAP_mmap_get", &[7, out, 0]), Aee::NO_SUCH_MAP.0);
        let va = g.call("HAP_mmap", &[0, 0x2000, 3, 0, 7, 0]);
        assert_eq!(va, name);
        for _ in 0..2 {
            assert_eq!(g.call("HAP_mmap_get", &[7, out, 0]), 0);
            assert_eq!(g.word(out), va);
        }
        assert_eq!(
            [(); 3].map(|()| g.call("HAP_mmap_put", &[7])),
            [0, 0, Aee::BAD_MAP_REFCOUNT.0]
        );
        assert!(g.os.space.load8(va).is_ok());
        assert_eq!(g.call("HAP_munmap", &[va, 0x2000]), 0);
        assert!(g.os.space.load8(va).is_err());
        assert_eq!(g.call("HAP_mmap_get", &[7, out, 0]), Aee::NO_SUCH_MAP.0);
        assert_eq!((memory.withdraw_fd(7, name), memory.usage().1), (Ok(()), 0));
        assert_eq!(g.call("HAP_mmap_put", &[7]), Aee::NO_SUCH_MAP.0);
    }

    #[test]
    fn only_permissions_and_flags_that_are_done_are_mapped() {
        let mut g = Guest::new();
        let va =
            g.os.shared
                .memory
                .announce_fd(7, 0x4000_0000, 0x1000, false)
                .unwrap();
        for name in ["HAP_mmap", "HAP_mmap2"] {
            for [prot, flags] in [[7, 0], [4, 0], [3 | 8, 0], [0x103, 0], [3, 1], [3, 2]] {
                assert_eq!(
                    g.call(name, &[0, 0x1000, prot, flags, 7, 0]),
                    u32::MAX,
                    "{prot:#x} {flags}"
                );
            }
            assert_eq!(g.os.lib.told.len(), 3);
            assert_eq!(g.call(name, &[0, 0x1000, 3 | 0x10, 0, 7, 0]), va);
        }
        assert_eq!(g.call("HAP_mmap", &[0, 0x1000, 1, 0, 7, 0]), va);
        assert_eq!(g.os.lib.told.len(), 4);
    }

    #[test]
    fn windows_are_bounded() {
        let mut g = Guest::new();
        g.os.shared
            .memory
            .announce_fd(7, 0x4000_0000, 0x10_0000, false)
            .unwrap();
        let limit = g.os.shared.config.limits.fds as u32;
        let given = (0..limit + 1).filter(|&at| g.call("HAP_mmap", &[0, 1, 3, 0, 7, at]) != u32::MAX);
        assert_eq!(given.count() as u32, limit - 1);
    }

    #[test]
    fn statistics_and_stack_are_plausible() {
        let mut g = Guest::new();
        let (at, block) = (g.bytes(&[0; 40]), g.call("malloc", &[1000]));
        assert_ne!(block, 0);
        assert_eq!(g.call("HAP_mem_get_stats", &[at]), 0);
        assert_eq!(g.word(at + 8), 1008);
        assert_eq!(g.call("HAP_mem_available_stack", &[]), 0x8000);
        assert_eq!(g.call("HAP_mem_set_grow_size", &[2, 0, 1, 0]), Aee::BAD_PARM.0);
        let cache = g.call("HAP_cache_lock", &[0x1000, 0]);
        assert_eq!(g.call("HAP_query_avail_cachelock", &[]), CACHE - 0x1000);
        assert_eq!(g.call("HAP_cache_unlock", &[cache]), 0);
    }

    #[test]
    fn threads_that_wait_for_memory_cannot_lock_more_than_the_cache() {
        let mut g = Guest::with_memory(0x2_0000);
        let available = |g: &mut Guest| g.call("HAP_query_avail_cachelock", &[]);
        let size = CACHE / 4 * 3;
        // Two threads, one after the other, while there is no memory: the first one waits.
        let Ok(Outcome::Grow(missing, answered)) = g.try_call("HAP_cache_lock", &[size, 0]) else {
            panic!("there was memory")
        };
        assert!(missing > 0);
        assert_eq!(g.call("HAP_cache_lock", &[size, 0]), 0);
        assert_eq!(available(&mut g), CACHE - size);
        // The AP has none.
        assert!(matches!(g.resume(answered, false), Ok(Outcome::Return)));
        assert_eq!(available(&mut g), CACHE);
        assert_eq!(g.call("HAP_cache_lock", &[0, 0]), 0);
    }

    #[test]
    fn only_what_is_locked_is_unlocked() {
        let mut g = Guest::new();
        let available = |g: &mut Guest| g.call("HAP_query_avail_cachelock", &[]);
        let block = g.call("malloc", &[0x1000]);
        assert_eq!(g.call("HAP_cache_unlock", &[block]), Aee::BAD_PARM.0);
        let locked = g.call("HAP_cache_lock", &[CACHE, 0]);
        assert_ne!(locked, 0);
        assert_eq!(g.call("HAP_cache_lock", &[1, 0]), 0);
        // A skeleton that frees it instead has it counted until it unlocks it.
        assert_eq!(g.call("free", &[locked]), 0);
        assert_eq!(available(&mut g), 0);
        assert_eq!(g.call("HAP_cache_unlock", &[locked]), Aee::BAD_PARM.0);
        assert_eq!(available(&mut g), CACHE);
    }
}
