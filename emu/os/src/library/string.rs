//! `<string.h>` and the compiler's names for its block functions.
//!
//! Ranges are checked before they are touched, so a wrong length faults like the first access of a real loop would, and
//! never allocates for memory that is not there.

use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, import};
use emu_core::memory::Memory as _;

/// Bytes that are moved at a time.
const CHUNK: u32 = 1 << 16;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("memcpy", memcpy, "`void *memcpy(void *to, const void *from, size_t len)`: copies; ranges may overlap"),
    import("memmove", memcpy, "`void *memmove(void *to, const void *from, size_t len)`: copies; ranges may overlap"),
    import("__hexagon_memcpy_likely_aligned_min32bytes_mult8bytes", memcpy, "`void *(void *to, const void *from, size_t len)`: the compiler's memcpy"),
    import("hexagon_memcpy_forward_vp4cp4n2", memcpy_words, "`void *(void *to, const void *from, size_t words)`: the compiler's copy of words"),
    import("memset", memset, "`void *memset(void *to, int byte, size_t len)`: fills"),
    import("bzero", bzero, "`void bzero(void *to, size_t len)`: fills with zeros"),
    import("memcmp", memcmp, "`int memcmp(const void *a, const void *b, size_t len)`: compares"),
    import("memchr", memchr, "`void *memchr(const void *at, int byte, size_t len)`: finds a byte; reads no page behind the byte's"),
    import("memrchr", memrchr, "`void *memrchr(const void *at, int byte, size_t len)`: finds the last such byte"),
    import("memscpy", memscpy, "`size_t memscpy(void *to, size_t room, const void *from, size_t len)`: copies what fits; how much"),
    import("memsmove", memscpy, "`size_t memsmove(void *to, size_t room, const void *from, size_t len)`: copies what fits; how much"),
    import("strlen", strlen, "`size_t strlen(const char *s)`: length without NUL"),
    import("strnlen", strnlen, "`size_t strnlen(const char *s, size_t max)`: length without NUL, at most max"),
    import("strcpy", strcpy, "`char *strcpy(char *to, const char *from)`: copies a string"),
    import("stpcpy", stpcpy, "`char *stpcpy(char *to, const char *from)`: copies a string; its new end"),
    import("strncpy", strncpy, "`char *strncpy(char *to, const char *from, size_t len)`: pads with NUL, may leave none"),
    import("strlcpy", strlcpy, "`size_t strlcpy(char *to, const char *from, size_t room)`: always ends with NUL; the source's length"),
    import("strcat", strcat, "`char *strcat(char *to, const char *from)`: appends"),
    import("strncat", strncat, "`char *strncat(char *to, const char *from, size_t max)`: appends at most so much, and NUL"),
    import("strlcat", strlcat, "`size_t strlcat(char *to, const char *from, size_t room)`: appends what fits; the length that was tried"),
    import("strcmp", strcmp, "`int strcmp(const char *a, const char *b)`: compares; reads no page behind the first difference"),
    import("strcoll", strcmp, "`int strcoll(const char *a, const char *b)`: compares, in the locale \"C\""),
    import("strncmp", strncmp, "`int strncmp(const char *a, const char *b, size_t max)`: compares at most so much"),
    import("strcasecmp", strcasecmp, "`int strcasecmp(const char *a, const char *b)`: compares without regard to case"),
    import("strncasecmp", strncasecmp, "`int strncasecmp(const char *a, const char *b, size_t max)`: compares at most so much, without regard to case"),
    import("strchr", strchr, "`char *strchr(const char *s, int byte)`: finds a byte; the NUL counts"),
    import("strrchr", strrchr, "`char *strrchr(const char *s, int byte)`: finds the last such byte; the NUL counts"),
    import("strstr", strstr, "`char *strstr(const char *hay, const char *needle)`: finds a string"),
    import("strspn", strspn, "`size_t strspn(const char *s, const char *set)`: how many of the set it begins with"),
    import("strcspn", strcspn, "`size_t strcspn(const char *s, const char *set)`: how many that are not of the set it begins with"),
    import("strpbrk", strpbrk, "`char *strpbrk(const char *s, const char *set)`: finds the first of the set"),
    import("strtok", strtok, "`char *strtok(char *s, const char *set)`: the next word; the state is the process's"),
    import("strtok_r", strtok_r, "`char *strtok_r(char *s, const char *set, char **next)`: the next word"),
    import("strsep", strsep, "`char *strsep(char **s, const char *set)`: the next field, which may be empty"),
];

/// Copies with `memmove`'s care for overlap.
fn copy(c: &Call<'_>, to: u32, from: u32, len: u32) -> Result<(), Stop> {
    if len <= CHUNK {
        let bytes = c.load(from, len)?;
        return c.store(to, &bytes);
    }
    // Backwards if the target starts inside the source.
    let backwards = to.wrapping_sub(from) < len;
    let chunks = len.div_ceil(CHUNK);
    for i in 0..chunks {
        let n = if backwards { chunks - 1 - i } else { i };
        let off = n * CHUNK;
        let bytes = c.load(from.wrapping_add(off), CHUNK.min(len - off))?;
        c.store(to.wrapping_add(off), &bytes)?;
    }
    Ok(())
}

fn memcpy(c: &mut Call<'_>) -> Done {
    let (to, from, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    copy(c, to, from, len)?;
    c.ret(to)
}

fn memcpy_words(c: &mut Call<'_>) -> Done {
    let (to, from, words) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    copy(c, to, from, words.saturating_mul(4))?;
    c.ret(to)
}

fn fill(c: &Call<'_>, to: u32, byte: u8, len: u32) -> Result<(), Stop> {
    let block = vec![byte; len.min(CHUNK) as usize];
    let mut done = 0;
    while done < len {
        let n = (len - done).min(CHUNK);
        c.store(to.wrapping_add(done), &block[..n as usize])?;
        done += n;
    }
    Ok(())
}

fn memset(c: &mut Call<'_>) -> Done {
    let (to, byte, len) = (c.arg(0)?, c.arg(1)? as u8, c.arg(2)?);
    fill(c, to, byte, len)?;
    c.ret(to)
}

fn bzero(c: &mut Call<'_>) -> Done {
    let (to, len) = (c.arg(0)?, c.arg(1)?);
    fill(c, to, 0, len)?;
    c.ret(to)
}

fn order(a: &[u8], b: &[u8]) -> u32 {
    match a.cmp(b) {
        std::cmp::Ordering::Less => u32::MAX,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => 1,
    }
}

fn memcmp(c: &mut Call<'_>) -> Done {
    let (a, b, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let mut done = 0;
    while done < len {
        let n = (len - done).min(CHUNK);
        let result = order(
            &c.load(a.wrapping_add(done), n)?,
            &c.load(b.wrapping_add(done), n)?,
        );
        if result != 0 {
            return c.ret(result);
        }
        done += n;
    }
    c.ret(0)
}

/// Bytes that can be read at `at` without touching a page that the byte at `at` is not in, at most 256.
pub(super) fn line(c: &Call<'_>, at: u32, most: u32) -> Result<Vec<u8>, Stop> {
    let mut out = vec![0; (256 - (at & 0xff)).min(most) as usize];
    c.os.space.load(at, &mut out)?;
    Ok(out)
}

fn memchr(c: &mut Call<'_>) -> Done {
    let (at, byte, len) = (c.arg(0)?, c.arg(1)? as u8, c.arg(2)?);
    let mut done = 0;
    while done < len {
        let here = at.wrapping_add(done);
        let part = line(c, here, len - done)?;
        if let Some(i) = part.iter().position(|&b| b == byte) {
            return c.ret(here.wrapping_add(i as u32));
        }
        done += part.len() as u32;
    }
    c.ret(0)
}

fn memrchr(c: &mut Call<'_>) -> Done {
    let (at, byte, len) = (c.arg(0)?, c.arg(1)? as u8, c.arg(2)?);
    let mut left = len;
    while left > 0 {
        // Back to the beginning of the line of 256 bytes that the last one is in: no page is read that is not needed.
        let last = at.wrapping_add(left - 1);
        let n = ((last & 0xff) + 1).min(left);
        let from = at.wrapping_add(left - n);
        if let Some(i) = c.load(from, n)?.iter().rposition(|&b| b == byte) {
            return c.ret(from.wrapping_add(i as u32));
        }
        left -= n;
    }
    c.ret(0)
}

fn memscpy(c: &mut Call<'_>) -> Done {
    let (to, room, from, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    copy(c, to, from, len.min(room))?;
    c.ret(len.min(room))
}

fn strlen(c: &mut Call<'_>) -> Done {
    let len = c.cstr(c.arg(0)?)?.len();
    c.ret(len as u32)
}

fn strnlen(c: &mut Call<'_>) -> Done {
    let len = c.cstr_max(c.arg(0)?, c.arg(1)? as usize)?.len();
    c.ret(len as u32)
}

/// Stores a string with its NUL.
fn put(c: &Call<'_>, to: u32, s: &[u8]) -> Result<(), Stop> {
    c.store(to, &[s, &[0]].concat())
}

fn strcpy(c: &mut Call<'_>) -> Done {
    let to = c.arg(0)?;
    put(c, to, &c.cstr(c.arg(1)?)?)?;
    c.ret(to)
}

fn stpcpy(c: &mut Call<'_>) -> Done {
    let (to, s) = (c.arg(0)?, c.cstr(c.arg(1)?)?);
    put(c, to, &s)?;
    c.ret(to.wrapping_add(s.len() as u32))
}

fn strncpy(c: &mut Call<'_>) -> Done {
    let (to, len) = (c.arg(0)?, c.arg(2)?);
    let s = c.cstr_max(c.arg(1)?, len as usize)?;
    c.store(to, &s)?;
    fill(c, to.wrapping_add(s.len() as u32), 0, len - s.len() as u32)?;
    c.ret(to)
}

fn strlcpy(c: &mut Call<'_>) -> Done {
    let (to, s, room) = (c.arg(0)?, c.cstr(c.arg(1)?)?, c.arg(2)? as usize);
    if let Some(fits) = room.checked_sub(1) {
        put(c, to, &s[..s.len().min(fits)])?;
    }
    c.ret(s.len() as u32)
}

fn strcat(c: &mut Call<'_>) -> Done {
    let to = c.arg(0)?;
    let end = to.wrapping_add(c.cstr(to)?.len() as u32);
    put(c, end, &c.cstr(c.arg(1)?)?)?;
    c.ret(to)
}

fn strncat(c: &mut Call<'_>) -> Done {
    let to = c.arg(0)?;
    let end = to.wrapping_add(c.cstr(to)?.len() as u32);
    put(c, end, &c.cstr_max(c.arg(1)?, c.arg(2)? as usize)?)?;
    c.ret(to)
}

fn strlcat(c: &mut Call<'_>) -> Done {
    let (to, s, room) = (c.arg(0)?, c.cstr(c.arg(1)?)?, c.arg(2)? as usize);
    let have = c.cstr_max(to, room)?.len();
    if let Some(fits) = room.checked_sub(have + 1) {
        put(c, to.wrapping_add(have as u32), &s[..s.len().min(fits)])?;
    }
    c.ret((have + s.len()) as u32)
}

/// Compares two strings, reading no page behind the first difference.
fn compare(c: &mut Call<'_>, max: u32, fold: bool) -> Done {
    let (a, b) = (c.arg(0)?, c.arg(1)?);
    let mut done = 0;
    while done < max {
        let x = line(c, a.wrapping_add(done), max - done)?;
        let y = line(c, b.wrapping_add(done), max - done)?;
        for (&x, &y) in x.iter().zip(&y) {
            let (x, y) = if fold {
                (x.to_ascii_lowercase(), y.to_ascii_lowercase())
            } else {
                (x, y)
            };
            if x != y || x == 0 {
                return c.ret(u32::from(x).wrapping_sub(u32::from(y)));
            }
            done += 1;
        }
    }
    c.ret(0)
}

fn strcmp(c: &mut Call<'_>) -> Done {
    compare(c, u32::MAX, false)
}

fn strncmp(c: &mut Call<'_>) -> Done {
    let max = c.arg(2)?;
    compare(c, max, false)
}

fn strcasecmp(c: &mut Call<'_>) -> Done {
    compare(c, u32::MAX, true)
}

fn strncasecmp(c: &mut Call<'_>) -> Done {
    let max = c.arg(2)?;
    compare(c, max, true)
}

/// Returns the address of an index, or NULL.
fn found(c: &mut Call<'_>, at: u32, index: Option<usize>) -> Done {
    c.ret(index.map_or(0, |i| at.wrapping_add(i as u32)))
}

fn strchr(c: &mut Call<'_>) -> Done {
    let (at, byte) = (c.arg(0)?, c.arg(1)? as u8);
    let s = c.cstr(at)?;
    let index = if byte == 0 {
        Some(s.len())
    } else {
        s.iter().position(|&b| b == byte)
    };
    found(c, at, index)
}

fn strrchr(c: &mut Call<'_>) -> Done {
    let (at, byte) = (c.arg(0)?, c.arg(1)? as u8);
    let s = c.cstr(at)?;
    let index = if byte == 0 {
        Some(s.len())
    } else {
        s.iter().rposition(|&b| b == byte)
    };
    found(c, at, index)
}

/// Index of `needle` in `hay`, in time that does not depend on how repetitive they are.
pub(super) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    // Knuth-Morris-Pratt: how long a prefix of the needle ends at each of its bytes.
    let mut back = vec![0usize; needle.len()];
    for i in 1..needle.len() {
        let mut k = back[i - 1];
        while k > 0 && needle[i] != needle[k] {
            k = back[k - 1];
        }
        back[i] = k + usize::from(needle[i] == needle[k]);
    }
    let mut k = 0;
    for (i, &b) in hay.iter().enumerate() {
        while k > 0 && b != needle[k] {
            k = back[k - 1];
        }
        k += usize::from(b == needle[k]);
        if k == needle.len() {
            return Some(i + 1 - k);
        }
    }
    None
}

fn strstr(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let index = find(&c.cstr(at)?, &c.cstr(c.arg(1)?)?);
    found(c, at, index)
}

/// A set of bytes: looking one up takes no longer when many are named.
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    /// These bytes, each named as often as one likes.
    pub(super) fn of(bytes: impl IntoIterator<Item = u8>) -> Self {
        let mut set = [false; 256];
        for byte in bytes {
            set[usize::from(byte)] = true;
        }
        Self(set)
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

/// The set that a string names.
fn set_at(c: &Call<'_>, at: u32) -> Result<ByteSet, Stop> {
    Ok(ByteSet::of(c.cstr(at)?))
}

fn strspn(c: &mut Call<'_>) -> Done {
    let (s, set) = (c.cstr(c.arg(0)?)?, set_at(c, c.arg(1)?)?);
    c.ret(s.iter().take_while(|&&b| set.contains(b)).count() as u32)
}

fn strcspn(c: &mut Call<'_>) -> Done {
    let (s, set) = (c.cstr(c.arg(0)?)?, set_at(c, c.arg(1)?)?);
    c.ret(s.iter().take_while(|&&b| !set.contains(b)).count() as u32)
}

fn strpbrk(c: &mut Call<'_>) -> Done {
    let (at, set) = (c.arg(0)?, set_at(c, c.arg(1)?)?);
    let index = c.cstr(at)?.iter().position(|&b| set.contains(b));
    found(c, at, index)
}

/// The next token from `at` on: its start, and where to go on (0: nowhere). Ends the token with NUL.
fn token(c: &Call<'_>, at: u32, set: &ByteSet) -> Result<(u32, u32), Stop> {
    let s = c.cstr(at)?;
    let skip = s.iter().take_while(|&&b| set.contains(b)).count();
    let len = s[skip..].iter().take_while(|&&b| !set.contains(b)).count();
    let start = at.wrapping_add(skip as u32);
    let end = start.wrapping_add(len as u32);
    if len == 0 {
        return Ok((0, end));
    }
    if skip + len == s.len() {
        return Ok((start, end));
    }
    c.store8(end, 0)?;
    Ok((start, end.wrapping_add(1)))
}

fn strtok_r(c: &mut Call<'_>) -> Done {
    let (s, set, next) = (c.arg(0)?, set_at(c, c.arg(1)?)?, c.arg(2)?);
    let at = if s == 0 { c.load32(next)? } else { s };
    if at == 0 {
        return c.ret(0);
    }
    let (start, rest) = token(c, at, &set)?;
    c.store32(next, rest)?;
    c.ret(start)
}

fn strtok(c: &mut Call<'_>) -> Done {
    let (s, set) = (c.arg(0)?, set_at(c, c.arg(1)?)?);
    let at = if s == 0 { c.os.lib.tokens } else { s };
    if at == 0 {
        return c.ret(0);
    }
    let (start, rest) = token(c, at, &set)?;
    c.os.lib.tokens = rest;
    c.ret(start)
}

fn strsep(c: &mut Call<'_>) -> Done {
    let place = c.arg(0)?;
    let at = c.load32(place)?;
    if at == 0 {
        return c.ret(0);
    }
    let (s, set) = (c.cstr(at)?, set_at(c, c.arg(1)?)?);
    let next = match s.iter().position(|&b| set.contains(b)) {
        Some(i) => {
            let end = at.wrapping_add(i as u32);
            c.store8(end, 0)?;
            end.wrapping_add(1)
        }
        None => 0,
    };
    c.store32(place, next)?;
    c.ret(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn find_agrees_with_windows() {
        for (hay, needle) in [
            ("abc", ""),
            ("aabaaab", "aaab"),
            ("abab", "abc"),
            ("", "a"),
            ("mississippi", "issip"),
        ] {
            let want = if needle.is_empty() {
                Some(0)
            } else {
                hay.as_bytes()
                    .windows(needle.len())
                    .position(|w| w == needle.as_bytes())
            };
            assert_eq!(find(hay.as_bytes(), needle.as_bytes()), want);
        }
    }

    #[test]
    fn block_functions_move_compare_and_fill() {
        let mut g = Guest::new();
        let (a, b) = (g.bytes(b"hello world\0"), g.bytes(&[0; 16]));
        assert_eq!(g.call("memcpy", &[b, a, 12]), b);
        assert_eq!(g.call("memcmp", &[a, b, 12]), 0);
        assert_eq!(g.call("memmove", &[b + 2, b, 8]), b + 2);
        assert_eq!(g.read(b, 10), b"hehello wo");
        g.call("memset", &[b, 0x141, 3]);
        assert_eq!(g.read(b, 4), b"AAAe");
        assert_eq!(g.call("memcmp", &[a, b, 1]), 1);
        assert_eq!(g.call("memchr", &[a, u32::from(b'w'), 100_000]), a + 6);
        assert_eq!(g.call("memscpy", &[b, 3, a, 100]), 3);
    }

    #[test]
    fn memmove_of_large_overlapping_blocks_is_right() {
        let mut g = Guest::new();
        let len = 3 * CHUNK + 5;
        let data: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
        let a = g.bytes(&[data.clone(), vec![0; 100]].concat());
        g.call("memmove", &[a + 100, a, len]);
        assert_eq!(g.read(a + 100, len), data);
        g.call("memmove", &[a, a + 100, len]);
        assert_eq!(g.read(a, len), data);
    }

    #[test]
    fn a_bad_pointer_faults_without_allocating() {
        let mut g = Guest::new();
        let a = g.bytes(b"x\0");
        for args in [[a, 0, 4], [0, a, 4], [a, a, u32::MAX], [a, 0xffff_fff0, 0x20]] {
            assert!(g.try_call("memcpy", &args).is_err(), "{args:x?}");
        }
        assert!(g.try_call("strlen", &[0]).is_err());
    }

    #[test]
    fn strings_copy_and_compare() {
        let mut g = Guest::new();
        let (a, b, buf) = (g.bytes(b"Alpha\0"), g.bytes(b"alpha\0"), g.bytes(&[0x55; 32]));
        assert_eq!(g.call("strlen", &[a]), 5);
        assert_eq!(g.call("strnlen", &[a, 3]), 3);
        assert_eq!(
            g.call("strcmp", &[a, b]) as i32,
            i32::from(b'A') - i32::from(b'a')
        );
        assert_eq!(g.call("strcasecmp", &[a, b]), 0);
        assert_eq!(g.call("strncmp", &[a + 1, b + 1, 2]), 0);
        assert_eq!(g.call("strlcpy", &[buf, a, 4]), 5);
        assert_eq!(g.read(buf, 5), b"Alp\0\x55");
        assert_eq!(g.call("strlcat", &[buf, b, 32]), 8);
        assert_eq!(g.text(buf), "Alpalpha");
        g.call("strncpy", &[buf, a, 8]);
        assert_eq!(g.read(buf, 9), b"Alpha\0\0\0\0");
        g.call("strcat", &[buf, b]);
        g.call("strncat", &[buf, b, 2]);
        assert_eq!(g.text(buf), "Alphaalphaal");
    }

    #[test]
    fn strings_are_searched() {
        let mut g = Guest::new();
        let (s, set, needle) = (g.bytes(b"key=value\0"), g.bytes(b"=&\0"), g.bytes(b"val\0"));
        assert_eq!(g.call("strchr", &[s, u32::from(b'e')]), s + 1);
        assert_eq!(g.call("strrchr", &[s, u32::from(b'e')]), s + 8);
        assert_eq!(g.call("strchr", &[s, 0]), s + 9);
        assert_eq!(g.call("strstr", &[s, needle]), s + 4);
        assert_eq!(g.call("strcspn", &[s, set]), 3);
        assert_eq!(g.call("strpbrk", &[s, set]), s + 3);
        assert_eq!(g.call("strspn", &[s, set]), 0);
    }

    #[test]
    fn strtok_r_skips_empty_tokens_and_strsep_does_not() {
        let mut g = Guest::new();
        let (s, set, next) = (g.bytes(b"&a&&bc\0"), g.bytes(b"&\0"), g.bytes(&[0; 8]));
        assert_eq!(g.call("strtok_r", &[s, set, next]), s + 1);
        assert_eq!(g.text(s + 1), "a");
        assert_eq!(g.call("strtok_r", &[0, set, next]), s + 4);
        assert_eq!(g.call("strtok_r", &[0, set, next]), 0);
        assert_eq!(g.call("strtok_r", &[0, set, next]), 0);
        let s = g.bytes(b"a&&b\0");
        g.write(next, &s.to_le_bytes());
        let tokens: Vec<u32> = (0..4).map(|_| g.call("strsep", &[next, set])).collect();
        assert_eq!(tokens, [s, s + 2, s + 3, 0]);
    }

    #[test]
    fn sets_of_bytes_may_be_named_at_length() {
        // A search that looked at the whole set for each byte would take minutes here.
        let mut g = Guest::new();
        let most = crate::kernel::call::MAX_STRING - 1;
        let (mut text, mut set) = (vec![b'a'; most], vec![b'b'; most]);
        text.push(0);
        set[most - 1] = b'a';
        set.push(0);
        let (text, set) = (g.bytes(&text), g.bytes(&set));
        assert_eq!(g.call("strspn", &[text, set]), most as u32);
        assert_eq!(g.call("strcspn", &[text, set]), 0);
        assert_eq!(g.call("strpbrk", &[text, set]), text);
        assert_eq!(g.call("strtok", &[text, set]), 0);
    }

    #[test]
    fn the_last_byte_is_found_and_no_more_read_than_needed() {
        let mut g = Guest::new();
        let mut bytes = vec![0; 1000];
        (bytes[3], bytes[700]) = (7, 7);
        let at = g.bytes(&bytes);
        assert_eq!(g.call("memrchr", &[at, 7, 1000]), at + 700);
        assert_eq!(g.call("memrchr", &[at, 7, 700]), at + 3);
        assert_eq!(g.call("memrchr", &[at, 7, 3]), 0);
        // What lies before the block is not there.
        assert_eq!(g.call("memrchr", &[at - 5000, 7, 5704]), at + 700);
        assert!(g.try_call("memrchr", &[at - 5000, 9, 5704]).is_err());
        assert!(g.try_call("memrchr", &[at, 9, u32::MAX]).is_err());
    }
}
