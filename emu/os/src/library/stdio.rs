//! `printf` and its kin. The standard output is descriptor 1: the log, unless `dup2` made it something else.

use super::errno::{EILSEQ, EOVERFLOW, fail};
use super::files;
use super::format::{self, NO_LENGTH, Output};
use crate::kernel::call::{Call, Done, Stop, VaList};
use crate::kernel::import::{Import, import};

/// Longest line or buffer that is formatted.
pub(super) const MAX: usize = 1 << 20;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("printf", printf, "`int printf(const char *format, ...)`: to the log, line by line"),
    import("vprintf", vprintf, "`int vprintf(const char *format, va_list)`: to the log, line by line"),
    import("sprintf", sprintf, "`int sprintf(char *to, const char *format, ...)`: into memory"),
    import("vsprintf", vsprintf, "`int vsprintf(char *to, const char *format, va_list)`: into memory"),
    import("snprintf", snprintf, "`int snprintf(char *to, size_t room, const char *format, ...)`: into memory, as far as there is room"),
    import("vsnprintf", vsnprintf, "`int vsnprintf(char *to, size_t room, const char *format, va_list)`: into memory, as far as there is room"),
    import("puts", puts, "`int puts(const char *s)`: a line to the log"),
    import("putchar", putchar, "`int putchar(int byte)`: to the log, line by line"),
];

/// Guest arguments for the formatter.
pub struct GuestArgs<'a, 'b> {
    /// Whose.
    pub call: &'a Call<'b>,
    /// Where they are.
    pub list: VaList,
}

impl format::Args for GuestArgs<'_, '_> {
    fn word(&mut self) -> Result<u32, Stop> {
        self.list.word(self.call)
    }
    fn double_word(&mut self) -> Result<u64, Stop> {
        self.list.double_word(self.call)
    }
    fn string(&mut self, at: u32, max: usize) -> Result<Vec<u8>, Stop> {
        self.call.cstr_max(at, max.min(MAX))
    }
    fn wide_string(&mut self, at: u32, max: usize) -> Result<Vec<u32>, Stop> {
        let mut text = Vec::new();
        while text.len() < max.min(MAX) {
            let next = (text.len() as u32)
                .checked_mul(4)
                .and_then(|offset| at.checked_add(offset));
            let next =
                next.ok_or_else(|| Stop::because("a string runs over the end of the address space"))?;
            match self.call.load32(next)? {
                0 => break,
                wide => text.push(wide),
            }
        }
        Ok(text)
    }
}

/// Formats the guest's format string with arguments at `list`.
pub fn formatted(c: &Call<'_>, text: u32, list: VaList, cap: usize) -> Result<Output<u8>, Stop> {
    let text = c.cstr(text)?;
    format::format(&text, &mut GuestArgs { call: c, list }, cap)
}

/// Returns a length as `int`, or -1 and why there is none.
pub(super) fn length(c: &mut Call<'_>, total: u64) -> Done {
    match total {
        NO_LENGTH => fail(c, EILSEQ),
        total if total > i32::MAX as u64 => fail(c, EOVERFLOW),
        total => c.ret(total as u32),
    }
}

/// Writes formatted text to a stream; returns its length, or -1 and why there is none.
pub(super) fn write(c: &mut Call<'_>, fd: i32, out: Output<u8>) -> Done {
    match u32::try_from(out.total) {
        Ok(total) if total <= i32::MAX as u32 => files::put_for(c, fd, out.text, total),
        _ => length(c, out.total),
    }
}

fn print(c: &mut Call<'_>, text: u32, list: VaList) -> Done {
    let out = formatted(c, text, list, MAX)?;
    write(c, 1, out)
}

fn printf(c: &mut Call<'_>) -> Done {
    let (text, list) = (c.arg(0)?, c.va());
    print(c, text, list)
}

fn vprintf(c: &mut Call<'_>) -> Done {
    let (text, at) = (c.arg(0)?, c.arg(1)?);
    print(c, text, VaList { at })
}

/// Formats into a buffer of `room` bytes, NUL included.
fn into_buffer(c: &mut Call<'_>, to: u32, room: u32, text: u32, list: VaList) -> Done {
    let fits = (room as usize).saturating_sub(1).min(MAX);
    let mut out = formatted(c, text, list, fits)?;
    if room > 0 {
        out.text.push(0);
        c.store(to, &out.text)?;
    }
    length(c, out.total)
}

fn sprintf(c: &mut Call<'_>) -> Done {
    let (to, text, list) = (c.arg(0)?, c.arg(1)?, c.va());
    into_buffer(c, to, MAX as u32, text, list)
}

fn vsprintf(c: &mut Call<'_>) -> Done {
    let (to, text, at) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    into_buffer(c, to, MAX as u32, text, VaList { at })
}

fn snprintf(c: &mut Call<'_>) -> Done {
    let (to, room, text, list) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.va());
    into_buffer(c, to, room, text, list)
}

fn vsnprintf(c: &mut Call<'_>) -> Done {
    let (to, room, text, at) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    into_buffer(c, to, room, text, VaList { at })
}

fn puts(c: &mut Call<'_>) -> Done {
    let mut s = c.cstr(c.arg(0)?)?;
    s.push(b'\n');
    files::put_for(c, 1, s, 0)
}

fn putchar(c: &mut Call<'_>) -> Done {
    let byte = c.arg(0)? as u8;
    files::put_for(c, 1, vec![byte], byte.into())
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn snprintf_takes_varargs_from_the_stack_with_64_bit_alignment() {
        let mut g = Guest::new();
        let (to, text, s) = (
            g.bytes(&[0x55; 64]),
            g.bytes(b"%d %lld %s %.2f\0"),
            g.bytes(b"abc\0"),
        );
        let v = 1.25f64.to_bits();
        g.varargs(&[
            7,
            0xdead,
            0xffff_fffe,
            0xffff_ffff,
            s,
            0xdead,
            v as u32,
            (v >> 32) as u32,
        ]);
        assert_eq!(g.call("snprintf", &[to, 64, text]), 13);
        assert_eq!(g.text(to), "7 -2 abc 1.25");
        assert_eq!(g.call("snprintf", &[to, 5, text]), 13);
        assert_eq!(g.text(to), "7 -2");
        assert_eq!(g.call("snprintf", &[0, 0, text]), 13);
    }

    #[test]
    fn output_goes_to_the_log_by_lines() {
        let mut g = Guest::new();
        let text = g.bytes(b"one\ntw\0");
        g.call("printf", &[text]);
        let more = g.bytes(b"o\0");
        g.call("puts", &[more]);
        let texts: Vec<String> = g.ap.0.lock().unwrap().iter().map(|r| r.text.clone()).collect();
        assert_eq!(texts, ["one", "two"]);
    }
}
