//! `malloc` and its kin, with the `__wrap_` names that skeletons are linked with.
//!
//! When the arenas are full a new one is taken from the process's pages; when those are used up the AP is asked for
//! more, and only the calling DSP thread waits for that. A pointer that is not a block's makes the process crash, as heap
//! corruption does on hardware, only at once.

use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::memory::NoMemory;

/// Arenas have at least this size, if the pool allows it.
const ARENA: u32 = 256 << 10;
/// How often one allocation asks the AP.
const TRIES: u32 = 8;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("malloc", malloc, "`void *malloc(size_t len)`: a block, aligned to 16; NULL if there is no memory"),
    import("__wrap_malloc", malloc, "`void *__wrap_malloc(size_t len)`: malloc as the SDK's linker command names it"),
    import("calloc", calloc, "`void *calloc(size_t count, size_t size)`: a block of zeros"),
    import("__wrap_calloc", calloc, "`void *__wrap_calloc(size_t count, size_t size)`: calloc as the SDK's linker command names it"),
    import("realloc", realloc, "`void *realloc(void *block, size_t len)`: the block with another length, possibly elsewhere"),
    import("__wrap_realloc", realloc, "`void *__wrap_realloc(void *block, size_t len)`: realloc as the SDK's linker command names it"),
    import("free", free, "`void free(void *block)`: gives a block back; what is none crashes the process"),
    import("__wrap_free", free, "`void __wrap_free(void *block)`: free as the SDK's linker command names it"),
    import("cfree", free, "`void cfree(void *block)`: as free"),
    import("memalign", memalign, "`void *memalign(size_t align, size_t len)`: a block, aligned"),
    import("__wrap_memalign", memalign, "`void *__wrap_memalign(size_t align, size_t len)`: memalign as the SDK's linker command names it"),
    import("aligned_alloc", memalign, "`void *aligned_alloc(size_t align, size_t len)`: a block, aligned"),
    import("posix_memalign", posix_memalign, "`int posix_memalign(void **block, size_t align, size_t len)`: a block, aligned; ENOMEM or EINVAL"),
    import("malloc_usable_size", usable_size, "`size_t malloc_usable_size(void *block)`: its length"),
    import("strdup", strdup, "`char *strdup(const char *s)`: a copy on the heap"),
    import("__wrap_strdup", strdup, "`char *__wrap_strdup(const char *s)`: strdup as the SDK's linker command names it"),
    import("_Znwj", new, "`void *operator new(size_t)`: a block; the process crashes if there is no memory"),
    import("_Znaj", new, "`void *operator new[](size_t)`: a block; the process crashes if there is no memory"),
    import("_ZnwjRKSt9nothrow_t", malloc, "`void *operator new(size_t, const std::nothrow_t &)`: a block, or NULL"),
    import("_ZnajRKSt9nothrow_t", malloc, "`void *operator new[](size_t, const std::nothrow_t &)`: a block, or NULL"),
    import("_ZdlPv", free, "`void operator delete(void *)`: as free"),
    import("_ZdaPv", free, "`void operator delete[](void *)`: as free"),
    import("_ZdlPvj", free, "`void operator delete(void *, size_t)`: as free"),
    import("_ZdaPvj", free, "`void operator delete[](void *, size_t)`: as free"),
];

/// Gets the block's address, or 0.
pub type Got = Box<dyn FnOnce(&mut Call<'_>, u32) -> Done + Send>;

/// Finds a block, growing the heap as far as it may grow.
pub fn allocate(c: &mut Call<'_>, len: u32, align: u32, got: Got) -> Done {
    attempt(c, len, align, got, 0)
}

fn attempt(c: &mut Call<'_>, len: u32, align: u32, got: Got, tries: u32) -> Done {
    let os = &mut *c.os;
    if os.heap.blocks() >= os.shared.config.limits.heap_blocks || len > 1 << 31 || align > 1 << 24 {
        return got(c, 0);
    }
    if let Some(at) = os.heap.allocate(len, align) {
        return got(c, at);
    }
    let need = len.saturating_add(align).saturating_add(64);
    let memory = &os.shared.memory;
    let arena = match memory.allocate(need.max(ARENA), 16) {
        Err(NoMemory::Dry(_)) => memory.allocate(need, 16).map(|at| (at, need)),
        other => other.map(|at| (at, need.max(ARENA))),
    };
    match arena {
        Ok((at, size)) => {
            os.heap.add_arena(at, size);
            let at = os.heap.allocate(len, align).unwrap_or(0);
            got(c, at)
        }
        Err(NoMemory::Dry(missing)) if tries < TRIES => {
            let again = move |c: &mut Call<'_>, given: bool| match given {
                true => attempt(c, len, align, got, tries + 1),
                false => got(c, 0),
            };
            Ok(Outcome::Grow(missing, Box::new(again)))
        }
        Err(why) => {
            tracing::debug!(target: "emu::os", len, %why, "allocation failed");
            got(c, 0)
        }
    }
}

fn malloc(c: &mut Call<'_>) -> Done {
    let len = c.arg(0)?;
    allocate(c, len, 16, Box::new(|c, at| c.ret(at)))
}

fn new(c: &mut Call<'_>) -> Done {
    let len = c.arg(0)?;
    allocate(
        c,
        len,
        16,
        Box::new(move |c, at| match at {
            0 => Err(Stop::because(format!("operator new: no memory for {len} bytes"))),
            at => c.ret(at),
        }),
    )
}

fn calloc(c: &mut Call<'_>) -> Done {
    let Some(len) = c.arg(0)?.checked_mul(c.arg(1)?) else {
        return c.ret(0);
    };
    allocate(
        c,
        len,
        16,
        Box::new(move |c, at| {
            if at != 0 {
                clear(c, at, len)?;
            }
            c.ret(at)
        }),
    )
}

fn clear(c: &Call<'_>, at: u32, len: u32) -> Result<(), Stop> {
    const ZEROS: [u8; 4096] = [0; 4096];
    for off in (0..len).step_by(ZEROS.len()) {
        c.store(at + off, &ZEROS[..(len - off).min(4096) as usize])?;
    }
    Ok(())
}

fn not_a_block(what: &str, at: u32) -> Stop {
    Stop::because(format!("{what}: {at:#010x} is not a live heap block"))
}

fn realloc(c: &mut Call<'_>) -> Done {
    let (old, len) = (c.arg(0)?, c.arg(1)?);
    reallocate(c, old, len)
}

/// `realloc` of a block, or of none; returns where it is now.
pub fn reallocate(c: &mut Call<'_>, old: u32, len: u32) -> Done {
    if old == 0 {
        return malloc_of(c, len);
    }
    if len == 0 {
        c.os.heap.free(old).map_err(|_| not_a_block("realloc", old))?;
        return c.ret(0);
    }
    let had =
        c.os.heap
            .size_of(old)
            .ok_or_else(|| not_a_block("realloc", old))?;
    if c.os.heap.resize(old, len) == Ok(true) {
        return c.ret(old);
    }
    allocate(
        c,
        len,
        16,
        Box::new(move |c, at| {
            if at == 0 {
                return c.ret(0);
            }
            // The thread may have waited: somebody else may have freed the old block meanwhile.
            let mut left = had.min(len);
            let mut off = 0;
            while left > 0 {
                let n = left.min(1 << 16);
                let bytes = c.load(old + off, n)?;
                c.store(at + off, &bytes)?;
                off += n;
                left -= n;
            }
            c.os.heap.free(old).map_err(|_| not_a_block("realloc", old))?;
            c.ret(at)
        }),
    )
}

fn malloc_of(c: &mut Call<'_>, len: u32) -> Done {
    allocate(c, len, 16, Box::new(|c, at| c.ret(at)))
}

/// `free`, and all that is one.
pub fn free(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if at != 0 {
        c.os.heap.free(at).map_err(|_| not_a_block("free", at))?;
    }
    c.ret(0)
}

fn memalign(c: &mut Call<'_>) -> Done {
    let (align, len) = (c.arg(0)?, c.arg(1)?);
    if !align.is_power_of_two() {
        return c.ret(0);
    }
    allocate(c, len, align, Box::new(|c, at| c.ret(at)))
}

fn posix_memalign(c: &mut Call<'_>) -> Done {
    const EINVAL: u32 = 22;
    const ENOMEM: u32 = 12;
    let (place, align, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if !align.is_power_of_two() || align < 4 {
        return c.ret(EINVAL);
    }
    allocate(
        c,
        len,
        align,
        Box::new(move |c, at| {
            if at == 0 {
                return c.ret(ENOMEM);
            }
            c.store32(place, at)?;
            c.ret(0)
        }),
    )
}

fn usable_size(c: &mut Call<'_>) -> Done {
    let len = c.os.heap.size_of(c.arg(0)?).unwrap_or(0);
    c.ret(len)
}

fn strdup(c: &mut Call<'_>) -> Done {
    let mut s = c.cstr(c.arg(0)?)?;
    s.push(0);
    allocate(
        c,
        s.len() as u32,
        16,
        Box::new(move |c, at| {
            if at != 0 {
                c.store(at, &s)?;
            }
            c.ret(at)
        }),
    )
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn blocks_are_aligned_cleared_and_moved() {
        let mut g = Guest::new();
        let a = g.call("malloc", &[100]);
        assert_eq!(a % 16, 0);
        g.write(a, &[7; 100]);
        let b = g.call("realloc", &[a, 100_000]);
        assert_eq!(g.read(b, 100), [7; 100]);
        g.call("__wrap_free", &[b]);
        let c = g.call("__wrap_calloc", &[10, 100]);
        assert_eq!(g.read(c, 1000), [0; 1000]);
        assert_eq!(g.call("memalign", &[4096, 10]) % 4096, 0);
        assert_eq!(g.call("memalign", &[48, 10]), 0);
        assert_eq!(g.call("calloc", &[0x1_0000, 0x1_0000]), 0);
        assert_eq!(g.call("malloc", &[u32::MAX]), 0);
        assert_eq!(g.call("free", &[0]), 0);
    }

    #[test]
    fn a_wrong_pointer_crashes_with_a_sentence() {
        let mut g = Guest::new();
        let a = g.call("malloc", &[100]);
        g.call("free", &[a]);
        for (name, at) in [("free", a), ("free", a + 16), ("realloc", a)] {
            let Err(stop) = g.try_call(name, &[at, 10]) else {
                panic!("{name}")
            };
            assert!(stop.to_string().contains("is not a live heap block"), "{stop}");
        }
    }
}
