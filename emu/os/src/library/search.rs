//! `<search.h>` (POSIX) without its trees: linear search, lists, and hash tables of a size that is given when they are made, with GNU's
//! functions for several of them.

use super::errno::{EINVAL, ENOMEM, ESRCH, fail_null};
use super::heap::allocate;
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::library_state::hash_tables::HashTable;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("lfind", lfind, "`void *lfind(const void *key, const void *base, size_t *count, size_t size, int (*compare)())`: finds in an array in any order; NULL"),
    import("lsearch", lsearch, "`void *lsearch(const void *key, void *base, size_t *count, size_t size, int (*compare)())`: finds, or puts it at the end"),
    import("insque", insque, "`void insque(void *element, void *before)`: puts it behind another one of a list; NULL: alone"),
    import("remque", remque, "`void remque(void *element)`: takes it out of its list"),
    import("hcreate", hcreate, "`int hcreate(size_t count)`: the process's table, with room for so many; 0 and errno"),
    import("hdestroy", hdestroy, "`void hdestroy(void)`: the end of the process's table"),
    import("hsearch", hsearch, "`ENTRY *hsearch(ENTRY, ACTION)`: finds (0) or enters (1); NULL and ESRCH, ENOMEM if it is full"),
    import("hcreate_r", hcreate_r, "`int hcreate_r(size_t count, struct hsearch_data *)`: a table, with room for so many; 0 and errno"),
    import("hdestroy_r", hdestroy_r, "`void hdestroy_r(struct hsearch_data *)`: the end of a table"),
    import("hsearch_r", hsearch_r, "`int hsearch_r(ENTRY, ACTION, ENTRY **, struct hsearch_data *)`: finds (0) or enters (1); 0 and errno"),
];

/// Bytes of an `ENTRY`: key and data.
const ENTRY: u32 = 8;

/// An array to be searched.
#[derive(Clone, Copy)]
struct Array {
    key: u32,
    base: u32,
    /// Where the number of elements is.
    count_at: u32,
    count: u32,
    size: u32,
    compare: u32,
    /// What is not found is put at the end.
    append: bool,
}

fn linear(c: &mut Call<'_>, append: bool) -> Done {
    let count_at = c.arg(2)?;
    let array = Array {
        key: c.arg(0)?,
        base: c.arg(1)?,
        count_at,
        count: c.load32(count_at)?,
        size: c.arg(3)?,
        compare: c.arg(4)?,
        append,
    };
    look(c, array, 0)
}

fn lfind(c: &mut Call<'_>) -> Done {
    linear(c, false)
}

fn lsearch(c: &mut Call<'_>) -> Done {
    linear(c, true)
}

/// Looks at element `n` and those behind.
fn look(c: &mut Call<'_>, array: Array, n: u32) -> Done {
    let at = array.base.wrapping_add(array.size.wrapping_mul(n));
    if n < array.count {
        let then = move |c: &mut Call<'_>, result: u64| match result as u32 {
            0 => c.ret(at),
            _ => look(c, array, n + 1),
        };
        return Ok(Outcome::Enter(array.compare, vec![array.key, at], Box::new(then)));
    }
    if !array.append {
        return c.ret(0);
    }
    let bytes = c.load(array.key, array.size)?;
    c.store(at, &bytes)?;
    c.store32(array.count_at, array.count.wrapping_add(1))?;
    c.ret(at)
}

/// Elements begin with pointers to the next one and the one before.
fn insque(c: &mut Call<'_>) -> Done {
    let (element, before) = (c.arg(0)?, c.arg(1)?);
    if before == 0 {
        c.store(element, &[0; 8])?;
        return c.ret(0);
    }
    let next = c.load32(before)?;
    c.store32(element, next)?;
    c.store32(element.wrapping_add(4), before)?;
    c.store32(before, element)?;
    if next != 0 {
        c.store32(next.wrapping_add(4), element)?;
    }
    c.ret(0)
}

fn remque(c: &mut Call<'_>) -> Done {
    let element = c.arg(0)?;
    let (next, before) = (c.load32(element)?, c.load32(element.wrapping_add(4))?);
    if next != 0 {
        c.store32(next.wrapping_add(4), before)?;
    }
    if before != 0 {
        c.store32(before, next)?;
    }
    c.ret(0)
}

fn create(c: &mut Call<'_>, count: u32, owner: u32) -> Done {
    if !c.os.lib.hash_tables.is_free(owner) {
        return fail_null(c, EINVAL);
    }
    let room = count.max(1);
    if !c.os.lib.hash_tables.has_room(room) {
        return fail_null(c, ENOMEM);
    }
    let made = move |c: &mut Call<'_>, at: u32| {
        if at == 0 {
            return fail_null(c, ENOMEM);
        }
        // Another thread may have made it meanwhile, or taken the room.
        let why = match &c.os.lib.hash_tables {
            tables if !tables.is_free(owner) => Some(EINVAL),
            tables if !tables.has_room(room) => Some(ENOMEM),
            _ => None,
        };
        if let Some(error) = why {
            let _ = c.os.heap.free(at);
            return fail_null(c, error);
        }
        c.os.lib.hash_tables.add(owner, HashTable::new(at, room));
        c.ret(1)
    };
    allocate(c, ENTRY * room, 16, Box::new(made))
}

fn hcreate(c: &mut Call<'_>) -> Done {
    let count = c.arg(0)?;
    create(c, count, 0)
}

fn hcreate_r(c: &mut Call<'_>) -> Done {
    let (count, owner) = (c.arg(0)?, c.arg(1)?);
    match owner {
        0 => fail_null(c, EINVAL),
        owner => create(c, count, owner),
    }
}

fn destroy(c: &mut Call<'_>, owner: u32) -> Done {
    if let Some(table) = c.os.lib.hash_tables.remove(owner) {
        // Whoever freed it has a corrupt heap, which the next user of the heap is told.
        let _ = c.os.heap.free(table.at);
    }
    c.ret(0)
}

fn hdestroy(c: &mut Call<'_>) -> Done {
    destroy(c, 0)
}

fn hdestroy_r(c: &mut Call<'_>) -> Done {
    let owner = c.arg(0)?;
    destroy(c, owner)
}

/// Finds or enters; the entry's address, or why there is none.
fn search(
    c: &mut Call<'_>,
    owner: u32,
    (key, data): (u32, u32),
    enter: bool,
) -> Result<Result<u32, u32>, crate::kernel::call::Stop> {
    let text = c.cstr(key)?;
    let Some(table) = c.os.lib.hash_tables.get(owner) else {
        return Ok(Err(EINVAL));
    };
    let (first, candidates) = (table.at, table.with(&text).to_vec());
    for n in candidates {
        let at = first.wrapping_add(ENTRY * n);
        let other = c.load32(at)?;
        // One byte more than is compared: the other one must end, too.
        if c.cstr_max(other, text.len() + 1)? == text {
            return Ok(Ok(at));
        }
    }
    if !enter {
        return Ok(Err(ESRCH));
    }
    let Some(n) =
        c.os.lib
            .hash_tables
            .get(owner)
            .and_then(|table| table.take(&text))
    else {
        return Ok(Err(ENOMEM));
    };
    let at = first.wrapping_add(ENTRY * n);
    c.store32(at, key)?;
    c.store32(at.wrapping_add(4), data)?;
    Ok(Ok(at))
}

fn hsearch(c: &mut Call<'_>) -> Done {
    let (item, enter) = ((c.arg(0)?, c.arg(1)?), c.arg(2)? & 0xff != 0);
    match search(c, 0, item, enter)? {
        Ok(at) => c.ret(at),
        Err(error) => fail_null(c, error),
    }
}

fn hsearch_r(c: &mut Call<'_>) -> Done {
    let (item, enter, to, owner) = (
        (c.arg(0)?, c.arg(1)?),
        c.arg(2)? & 0xff != 0,
        c.arg(3)?,
        c.arg(4)?,
    );
    let found = match owner {
        0 => Err(EINVAL),
        owner => search(c, owner, item, enter)?,
    };
    c.store32(to, found.unwrap_or(0))?;
    match found {
        Ok(_) => c.ret(1),
        Err(error) => fail_null(c, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::library_state::hash_tables::MOST_ENTRIES;

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    /// Calls a function that compares words; r0.
    fn compared(g: &mut Guest, name: &str, args: &[u32]) -> u32 {
        let mut outcome = g.try_call(name, args);
        while let Ok(Outcome::Enter(0x2000, args, then)) = outcome {
            let differ = g.word(args[0]) != g.word(args[1]);
            outcome = g.go_on(then, differ.into());
        }
        assert!(matches!(outcome, Ok(Outcome::Return)));
        g.thread.core.regs.r[0]
    }

    #[test]
    fn arrays_are_searched_and_grow() {
        let mut g = Guest::new();
        let words: Vec<u8> = [5u32, 7, 0].into_iter().flat_map(u32::to_le_bytes).collect();
        let (base, count, key) = (
            g.bytes(&words),
            g.bytes(&2u32.to_le_bytes()),
            g.bytes(&7u32.to_le_bytes()),
        );
        let args = [key, base, count, 4, 0x2000];
        assert_eq!(compared(&mut g, "lfind", &args), base + 4);
        g.write(key, &9u32.to_le_bytes());
        assert_eq!(compared(&mut g, "lfind", &args), 0);
        assert_eq!(compared(&mut g, "lsearch", &args), base + 8);
        assert_eq!((g.word(base + 8), g.word(count)), (9, 3));
        assert_eq!(compared(&mut g, "lsearch", &args), base + 8);
    }

    #[test]
    fn lists_are_linked_both_ways() {
        let mut g = Guest::new();
        let [a, b, x] = [0; 3].map(|n: u8| g.bytes(&[n; 8]));
        g.call("insque", &[a, 0]);
        g.call("insque", &[b, a]);
        g.call("insque", &[x, a]);
        let links = |g: &Guest, at: u32| (g.word(at), g.word(at + 4));
        assert_eq!(
            (links(&g, a), links(&g, x), links(&g, b)),
            ((x, 0), (b, a), (0, x))
        );
        g.call("remque", &[x]);
        assert_eq!((links(&g, a), links(&g, b)), ((b, 0), (0, a)));
        assert!(g.try_call("remque", &[3]).is_err());
    }

    #[test]
    fn tables_find_what_was_entered_until_they_are_full() {
        let mut g = Guest::new();
        let (one, same, two, three) = (
            g.bytes(b"one\0"),
            g.bytes(b"one\0"),
            g.bytes(b"two\0"),
            g.bytes(b"three\0"),
        );
        assert_eq!((g.call("hsearch", &[one, 1, 0]), errno(&g)), (0, EINVAL));
        assert_eq!(g.call("hcreate", &[2]), 1);
        assert_eq!((g.call("hcreate", &[2]), errno(&g)), (0, EINVAL));
        let entry = g.call("hsearch", &[one, 1, 1]);
        assert_eq!((g.word(entry), g.word(entry + 4)), (one, 1));
        // Entering what is there finds it, with its old data.
        assert_eq!(g.call("hsearch", &[same, 9, 1]), entry);
        assert_eq!(g.word(entry + 4), 1);
        assert_eq!((g.call("hsearch", &[two, 2, 0]), errno(&g)), (0, ESRCH));
        assert_ne!(g.call("hsearch", &[two, 2, 1]), 0);
        assert_eq!((g.call("hsearch", &[three, 3, 1]), errno(&g)), (0, ENOMEM));
        // Another table knows nothing of it.
        let (data, place) = (g.bytes(&[0; 12]), g.bytes(&[0; 4]));
        assert_eq!(g.call("hcreate_r", &[5, data]), 1);
        assert_eq!(
            (g.call("hsearch_r", &[one, 1, 0, place, data]), errno(&g)),
            (0, ESRCH)
        );
        assert_eq!(g.call("hsearch_r", &[one, 5, 1, place, data]), 1);
        assert_eq!(g.word(g.word(place) + 4), 5);
        g.call("hdestroy_r", &[data]);
        g.call("hdestroy", &[]);
        g.call("hdestroy", &[]);
        assert_eq!((g.call("hsearch", &[one, 1, 0]), errno(&g)), (0, EINVAL));
        assert_eq!((g.call("hcreate", &[MOST_ENTRIES + 1]), errno(&g)), (0, ENOMEM));
        assert!(g.try_call("hsearch", &[3, 0, 0]).is_err());
    }
}
