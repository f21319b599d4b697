//! Memory as a stream: `fmemopen` and `open_memstream` of `<stdio.h>`, `open_wmemstream` of `<wchar.h>` (POSIX).

use super::errno::{EINVAL, EMFILE, ENOMEM, fail_null};
use super::heap::allocate;
use super::memory_file::FIRST_ROOM;
use super::stdio_file::make_stream;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::library_state::files::{Behind, File, Memory, MemoryKind};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("fmemopen", fmemopen, "`FILE *fmemopen(void *, size_t, const char *mode)`: memory as a stream, its own for NULL; what does not fit is ENOSPC; NULL and errno"),
    import("open_memstream", |c| grows(c, 1), "`FILE *open_memstream(char **, size_t *)`: a stream into memory that grows, told when it is flushed or closed; NULL and errno"),
    import("open_wmemstream", |c| grows(c, 4), "`FILE *open_wmemstream(wchar_t **, size_t *)`: the same of wide characters, which functions of bytes fail on (EINVAL); NULL and errno"),
];

/// Opens it; with a block of ours that goes if that fails.
fn open(c: &mut Call<'_>, memory: Memory, read: bool, write: bool) -> Done {
    let file = File {
        behind: Behind::Memory(memory),
        read,
        write,
        append: memory.append,
        ..File::default()
    };
    match c.os.lib.files.add_memory(file) {
        Ok(number) => make_stream(c, number),
        Err(_) => {
            if memory.kind != MemoryKind::Given {
                let _ = c.os.heap.free(memory.at);
            }
            fail_null(c, EMFILE)
        }
    }
}

fn fmemopen(c: &mut Call<'_>) -> Done {
    let (at, room, mode) = (c.arg(0)?, c.arg(1)?, c.cstr_max(c.arg(2)?, 16)?);
    let both = mode.contains(&b'+');
    let kind = match mode.first() {
        Some(&kind @ (b'r' | b'w' | b'a')) if at.checked_add(room).is_some() => kind,
        _ => return fail_null(c, EINVAL),
    };
    let (read, write) = (kind == b'r' || both, kind != b'r' || both);
    let made = move |c: &mut Call<'_>, at: u32, own: MemoryKind| {
        if at == 0 {
            return fail_null(c, ENOMEM);
        }
        let mut memory = Memory {
            at,
            room,
            len: room,
            position: 0,
            append: kind == b'a',
            kind: own,
        };
        match kind {
            b'r' => {}
            b'w' => {
                memory.len = 0;
                if room > 0 {
                    c.store8(at, 0)?;
                }
            }
            _ => {
                let there = c.cstr_max(at, room as usize)?.len() as u32;
                (memory.len, memory.position) = (there, there);
            }
        }
        open(c, memory, read, write)
    };
    if at != 0 {
        return made(c, at, MemoryKind::Given);
    }
    let cleared = move |c: &mut Call<'_>, at: u32| {
        if at != 0 {
            super::memory_file::clear(c, at, room)?;
        }
        made(c, at, MemoryKind::Own)
    };
    allocate(c, room.max(1), 16, Box::new(cleared))
}

/// A stream into memory that grows, of characters of so many bytes.
fn grows(c: &mut Call<'_>, unit: u32) -> Done {
    let (pointer, length) = (c.arg(0)?, c.arg(1)?);
    if pointer == 0 || length == 0 {
        return fail_null(c, EINVAL);
    }
    let made = move |c: &mut Call<'_>, at: u32| {
        if at == 0 {
            return fail_null(c, ENOMEM);
        }
        super::memory_file::clear(c, at, unit)?;
        c.store32(pointer, at)?;
        c.store32(length, 0)?;
        let memory = Memory {
            at,
            room: FIRST_ROOM,
            len: 0,
            position: 0,
            append: false,
            kind: MemoryKind::Growing {
                pointer,
                length,
                unit,
            },
        };
        open(c, memory, false, true)
    };
    allocate(c, FIRST_ROOM, 16, Box::new(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::kernel::testing_files::ApFiles;
    use crate::library::errno::{EBADF, ENOSPC};

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    /// Calls it; nothing is asked of the AP.
    fn call(g: &mut Guest, name: &str, args: &[u32]) -> u32 {
        let mut ap = ApFiles::default();
        let r = ap.call(g, name, args);
        assert!(ap.asked.is_empty(), "{name}");
        r
    }

    fn open(g: &mut Guest, at: u32, room: u32, mode: &[u8]) -> u32 {
        let mode = g.bytes(mode);
        call(g, "fmemopen", &[at, room, mode])
    }

    #[test]
    fn memory_of_a_given_size_is_read_written_and_full() {
        let mut g = Guest::new();
        let at = g.bytes(b"12 34\nrest\0-------");
        let f = open(&mut g, at, 10, b"r\0");
        let (to, text) = (g.bytes(&[0xff; 32]), g.bytes(b"%d %d\0"));
        g.varargs(&[to, to + 4]);
        assert_eq!(call(&mut g, "fscanf", &[f, text]), 2);
        assert_eq!((g.word(to), g.word(to + 4)), (12, 34));
        assert_eq!(call(&mut g, "fgetc", &[f]), 10);
        assert_eq!(call(&mut g, "ftell", &[f]), 6);
        assert_eq!(call(&mut g, "fread", &[to, 1, 32, f]), 4);
        assert_eq!((g.read(to, 4), call(&mut g, "feof", &[f])), (b"rest".to_vec(), 1));
        assert_eq!((call(&mut g, "fputc", &[65, f]), errno(&g)), (u32::MAX, EBADF));
        assert_eq!((call(&mut g, "fileno", &[f]), errno(&g)), (u32::MAX, EBADF));
        assert_eq!(call(&mut g, "fseek", &[f, -4i32 as u32, 2]), 0);
        assert_eq!(call(&mut g, "fgetc", &[f]), u32::from(b'r'));
        assert_eq!(
            (call(&mut g, "fseek", &[f, 11, 0]), errno(&g)),
            (u32::MAX, EINVAL)
        );
        assert_eq!(call(&mut g, "fclose", &[f]), 0);
        assert_eq!(g.text(at), "12 34\nrest");

        let f = open(&mut g, at, 8, b"w\0");
        assert_eq!(g.text(at), "");
        let word = g.bytes(b"abc\0");
        assert_eq!(call(&mut g, "fputs", &[word, f]), 0);
        assert_eq!(g.text(at), "");
        assert_eq!(call(&mut g, "fflush", &[f]), 0);
        assert_eq!(g.text(at), "abc");
        let long = g.bytes(b"defghijk");
        assert_eq!(call(&mut g, "fwrite", &[long, 1, 8, f]), 5);
        assert_eq!((call(&mut g, "fwrite", &[long, 1, 8, f]), errno(&g)), (0, ENOSPC));
        assert_eq!(call(&mut g, "ferror", &[f]), 1);
        assert_eq!(call(&mut g, "fclose", &[f]), 0);
        // Full: the last byte is the NUL, and nothing beyond was touched.
        assert_eq!(g.read(at, 11), b"abcdefg\0st\0");
    }

    #[test]
    fn memory_is_appended_to_updated_and_its_own() {
        let mut g = Guest::new();
        let at = g.bytes(b"one\0........");
        let f = open(&mut g, at, 12, b"a+\0");
        let word = g.bytes(b"two\0");
        assert_eq!(call(&mut g, "ftell", &[f]), 3);
        call(&mut g, "rewind", &[f]);
        assert_eq!(call(&mut g, "fgetc", &[f]), u32::from(b'o'));
        assert_eq!(call(&mut g, "fputs", &[word, f]), 0);
        assert_eq!(call(&mut g, "fclose", &[f]), 0);
        assert_eq!(g.text(at), "onetwo");

        let f = open(&mut g, at, 6, b"r+\0");
        assert_eq!(call(&mut g, "fgetc", &[f]), u32::from(b'o'));
        assert_eq!(call(&mut g, "fputc", &[u32::from(b'N'), f]), u32::from(b'N'));
        assert_eq!(call(&mut g, "fgetc", &[f]), u32::from(b'e'));
        assert_eq!(call(&mut g, "fclose", &[f]), 0);
        assert_eq!(g.text(at), "oNetwo");

        let f = open(&mut g, 0, 16, b"w+\0");
        assert_eq!(call(&mut g, "fputs", &[word, f]), 0);
        call(&mut g, "rewind", &[f]);
        assert_eq!(call(&mut g, "fgetc", &[f]), u32::from(b't'));
        assert_eq!(call(&mut g, "fclose", &[f]), 0);
        for (at, room, mode) in [(at, 4, b"x\0"), (u32::MAX, 4, b"r\0")] {
            assert_eq!((open(&mut g, at, room, mode), errno(&g)), (0, EINVAL));
        }
        // Memory that is not there ends the process when it is touched.
        let f = open(&mut g, 0x10, 4, b"r\0");
        assert!(g.try_call("fgetc", &[f]).is_err());
    }

    #[test]
    fn a_stream_into_memory_grows_and_tells_where_it_is() {
        let mut g = Guest::new();
        let place = g.bytes(&[0xff; 8]);
        let f = call(&mut g, "open_memstream", &[place, place + 4]);
        assert_ne!(f, 0);
        assert_eq!((g.text(g.word(place)), g.word(place + 4)), (String::new(), 0));
        let word = g.bytes(b"hello\0");
        call(&mut g, "fputs", &[word, f]);
        call(&mut g, "fflush", &[f]);
        assert_eq!((g.text(g.word(place)), g.word(place + 4)), ("hello".into(), 5));
        // Back: the length told is the position. Beyond the end: a gap of zeros.
        assert_eq!(call(&mut g, "fseek", &[f, 1, 0]), 0);
        call(&mut g, "fflush", &[f]);
        assert_eq!(g.word(place + 4), 1);
        assert_eq!(call(&mut g, "fseek", &[f, 200, 0]), 0);
        call(&mut g, "fputc", &[u32::from(b'!'), f]);
        call(&mut g, "fflush", &[f]);
        let want = [&b"hello"[..], &[0; 195], b"!\0"].concat();
        assert_eq!((g.read(g.word(place), 202), g.word(place + 4)), (want, 201));
        let big = g.bytes(&vec![7; 3 << 20]);
        assert_eq!(call(&mut g, "fwrite", &[big, 1, 3 << 20, f]), 3 << 20);
        assert_eq!(call(&mut g, "fclose", &[f]), 0);
        let (at, len) = (g.word(place), g.word(place + 4));
        assert_eq!(len, 201 + (3 << 20));
        assert_eq!(
            (g.read(at + 201, 3), g.read(at + len - 3, 4)),
            (vec![7; 3], vec![7, 7, 7, 0])
        );
        // It is the program's now.
        g.call("free", &[at]);
        assert_eq!((call(&mut g, "open_memstream", &[0, 4]), errno(&g)), (0, EINVAL));
    }

    #[test]
    fn a_stream_into_wide_memory_takes_characters_without_a_byte() {
        let mut g = Guest::new();
        let place = g.bytes(&[0xff; 8]);
        let f = call(&mut g, "open_wmemstream", &[place, place + 4]);
        assert_ne!(f, 0);
        assert_eq!((g.word(g.word(place)), g.word(place + 4)), (0, 0));
        let text = g.wide("a\u{20ac}");
        assert_eq!(call(&mut g, "fputws", &[text, f]), 0);
        assert_eq!(call(&mut g, "fputwc", &[0x1f600, f]), 0x1f600);
        let format = g.wide("%d\u{e4}");
        g.varargs(&[7]);
        assert_eq!(call(&mut g, "fwprintf", &[f, format]), 2);
        assert_eq!(call(&mut g, "ftell", &[f]), 5);
        call(&mut g, "fflush", &[f]);
        let words = |g: &Guest, count: u32| -> Vec<u32> {
            let at = g.word(place);
            (0..count).map(|n| g.word(at + 4 * n)).collect()
        };
        assert_eq!(g.word(place + 4), 5);
        assert_eq!(words(&g, 6), [0x61, 0x20ac, 0x1f600, 0x37, 0xe4, 0]);
        // Positions are of characters; a gap is zeros; it grows.
        assert_eq!(call(&mut g, "fseek", &[f, 1, 0]), 0);
        assert_eq!(call(&mut g, "fputwc", &[0x62, f]), 0x62);
        assert_eq!(call(&mut g, "fseek", &[f, 95, 2]), 0);
        assert_eq!(call(&mut g, "fputwc", &[0x63, f]), 0x63);
        call(&mut g, "fflush", &[f]);
        assert_eq!(
            (g.word(place + 4), words(&g, 3)),
            (101, vec![0x61, 0x62, 0x1f600])
        );
        assert_eq!(words(&g, 102)[99..], [0, 0x63, 0]);
        // Bytes are no characters of it.
        let bytes = g.bytes(b"abc\0");
        for (name, args, failed) in [
            ("fputs", &[bytes, f][..], u32::MAX),
            ("fputc", &[65, f], u32::MAX),
            ("fwrite", &[bytes, 1, 3, f], 0),
            ("fgetwc", &[f], u32::MAX),
        ] {
            assert_eq!(call(&mut g, name, args), failed, "{name}");
        }
        assert_eq!((errno(&g), call(&mut g, "ferror", &[f])), (EBADF, 1));
        assert_eq!(call(&mut g, "fclose", &[f]), 0);
        assert_eq!(g.word(place + 4), 101);
        let at = g.word(place);
        g.call("free", &[at]);
        assert_eq!(
            (call(&mut g, "open_wmemstream", &[place, 0]), errno(&g)),
            (0, EINVAL)
        );
    }

    #[test]
    fn large_memory_does_not_use_up_the_host_s_stack() {
        let body = || {
            let mut g = Guest::new();
            let len = 48 << 20;
            let from = g.bytes(&vec![b'x'; len as usize]);
            let to = g.bytes(&vec![0; len as usize]);
            let f = open(&mut g, from, len, b"r\0");
            assert_eq!(call(&mut g, "fread", &[to, 1, len, f]), len);
            assert_eq!(g.word(to + len - 4), 0x7878_7878);
            let f = open(&mut g, to, len, b"w\0");
            assert_eq!(call(&mut g, "fwrite", &[from, 1, len, f]), len);
        };
        let small = std::thread::Builder::new().stack_size(128 << 10);
        small.spawn(body).unwrap().join().unwrap();
    }
}
