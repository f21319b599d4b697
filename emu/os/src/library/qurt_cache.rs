//! QuRT caches. Memory is coherent and costs the same everywhere; what a program says of its caches is done as far as it can be
//! seen: code that it wrote is read anew, locked lines are counted, of the same cache as `HAP_cache_lock`'s.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::library_state::cache_locks::LINE;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_mem_cache_clean", clean, "`int qurt_mem_cache_clean(address, size, operation, kind)`: memory is coherent; code that was written is read anew; 1 for kinds that there are not"),
    import("qurt_mem_cache_clean2", clean, "`int qurt_mem_cache_clean2(address, size, operation, kind)`: memory is coherent; code that was written is read anew; 1 for kinds that there are not"),
    import("qurt_mem_barrier", barrier, "`void qurt_mem_barrier(void)`: what the thread did to memory comes before what it does next, for all threads"),
    import("qurt_mem_syncht", barrier, "`void qurt_mem_syncht(void)`: what the thread did to memory comes before what it does next, for all threads"),
    import("qurt_mem_l2cache_line_lock", lock, "`int qurt_mem_l2cache_line_lock(qurt_addr_t, qurt_size_t)`: 32 if they are no lines of 32 bytes, 12 if the cache is full"),
    import("qurt_mem_l2cache_line_unlock", unlock, "`int qurt_mem_l2cache_line_unlock(qurt_addr_t, qurt_size_t)`: 32 if they are no lines of 32 bytes, 12 if not all are locked"),
    import("qurt_mem_configure_cache_partition", privileged, "`int qurt_mem_configure_cache_partition(qurt_cache_type_t, qurt_cache_partition_size_t)`: for the system's own code").refuses("QURT_EVAL"),
    import("qurt_l2fetch_disable", nothing, "`void qurt_l2fetch_disable(void)`: fetches nothing ahead").without_effect("nothing"),
];

const EVAL: u32 = 1;
const EFAILED: u32 = 12;
const EALIGN: u32 = 32;

/// `qurt_mem_cache_op_t`: from here on, of the whole cache.
const FLUSH_ALL: u32 = 3;

/// `qurt_mem_cache_type_t`
const ICACHE: u32 = 0;
const DCACHE: u32 = 1;

fn clean(c: &mut Call<'_>) -> Done {
    let kind = c.arg(3)?;
    if kind > DCACHE {
        return c.ret(EVAL);
    }
    if kind == ICACHE {
        match c.arg(2)? {
            ..FLUSH_ALL => c.os.space.invalidate_code(c.arg(0)?, c.arg(1)?),
            _ => c.os.space.invalidate_all_code(),
        }
    }
    c.ret(0)
}

/// Threads of the DSP are threads of the host, whose processors reorder.
fn barrier(c: &mut Call<'_>) -> Done {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    c.ret(0)
}

fn nothing(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn privileged(c: &mut Call<'_>) -> Done {
    c.ret(EVAL)
}

fn lock(c: &mut Call<'_>) -> Done {
    let (at, size) = (c.arg(0)?, c.arg(1)?);
    if !at.is_multiple_of(LINE) || !size.is_multiple_of(LINE) {
        return c.ret(EALIGN);
    }
    if size > c.os.lib.cache_locks.available() {
        return c.ret(EFAILED);
    }
    // As the hardware, it reads what it locks.
    c.check_readable(at, size)?;
    let locked = c.os.lib.cache_locks.lock_lines(at, size);
    c.ret(if locked { 0 } else { EFAILED })
}

fn unlock(c: &mut Call<'_>) -> Done {
    let (at, size) = (c.arg(0)?, c.arg(1)?);
    if !at.is_multiple_of(LINE) || !size.is_multiple_of(LINE) {
        return c.ret(EALIGN);
    }
    let unlocked = c.os.lib.cache_locks.unlock_lines(at, size);
    c.ret(if unlocked { 0 } else { EFAILED })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::library_state::cache_locks::CACHE;

    #[test]
    fn lines_are_locked_in_the_same_cache_as_blocks() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 4096]);
        let [lock, unlock] = ["lock", "unlock"].map(|what| format!("qurt_mem_l2cache_line_{what}"));
        assert_eq!(g.call(&lock, &[at + 4, 32]), EALIGN);
        assert_eq!(g.call(&lock, &[at, 33]), EALIGN);
        assert_eq!(g.call(&lock, &[at, 4096]), 0);
        // Again: it is locked already, and takes no more room.
        assert_eq!(g.call(&lock, &[at + 32, 32]), 0);
        assert_eq!(g.call("HAP_query_avail_cachelock", &[]), CACHE - 4096);
        assert_eq!(g.call(&lock, &[at, CACHE + 32]), EFAILED);
        assert_eq!(g.call(&unlock, &[at + 64, 64]), 0);
        assert_eq!(g.call(&unlock, &[at, 4096]), EFAILED);
        assert_eq!(g.call(&unlock, &[at, !31]), EFAILED);
        assert_eq!(g.call("HAP_query_avail_cachelock", &[]), CACHE - 4096 + 64);
        // Nothing is mapped there: the process dies of it.
        assert!(g.try_call(&lock, &[0, 32]).is_err());
        assert_eq!(g.call("qurt_mem_cache_clean", &[at, 32, 0, 2]), EVAL);
    }
}
