//! FARF: `HAP_debug` and its kin. Messages go to the AP side ([`Ap::log`](crate::ap::Ap::log)), which also decides what our own log shows.

use super::stdio::formatted;
use crate::ap::LogRecord;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::library_state::farf::Farf;

/// Longest message.
const MAX: usize = 4096;
/// Files that a FARF filter may name.
const MAX_FILES: usize = 256;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("HAP_debug", hap_debug, "`void HAP_debug(const char *text, int level, const char *file, int line)`: a message, formatted already"),
    import("HAP_debug_v2", hap_debug_v2, "`void HAP_debug_v2(int level, const char *file, int line, const char *format, ...)`: a message"),
    import("HAP_debug_runtime", hap_debug_runtime, "`void HAP_debug_runtime(int level, const char *file, int line, const char *format, ...)`: a message"),
    import("HAP_setFARFRuntimeLoggingParams", set_runtime_params, "`int HAP_setFARFRuntimeLoggingParams(unsigned mask, const char *files[], unsigned short count)`: which messages of HAP_debug_runtime are wanted"),
];

fn log(c: &Call<'_>, level: u32, file: String, line: u32, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for line_of_text in text.lines().filter(|l| !l.trim().is_empty()) {
        log_line(c, level, &file, line, line_of_text);
    }
}

fn log_line(c: &Call<'_>, level: u32, file: &str, line: u32, text: &str) {
    let thread = c.thread.id;
    let (file, text) = (file.to_owned(), text.to_owned());
    c.os.shared.config.ap.log(LogRecord {
        level,
        file,
        line,
        thread,
        text,
    });
}

fn hap_debug(c: &mut Call<'_>) -> Done {
    let (text, level, file, line) = (c.arg(0)?, c.arg(1)?, c.text(c.arg(2)?)?, c.arg(3)?);
    let text = c.cstr_max(text, MAX)?;
    log(c, level, file, line, &text);
    c.ret(0)
}

fn hap_debug_v2(c: &mut Call<'_>) -> Done {
    let (level, file, line, text) = (c.arg(0)?, c.text(c.arg(1)?)?, c.arg(2)?, c.arg(3)?);
    let out = formatted(c, text, c.va(), MAX)?;
    log(c, level, file, line, &out.text);
    c.ret(0)
}

/// All levels pass until a program says which it wants.
fn hap_debug_runtime(c: &mut Call<'_>) -> Done {
    let (level, file) = (c.arg(0)?, c.text(c.arg(1)?)?);
    if c.os.lib.farf.wants(level, &file) {
        return hap_debug_v2(c);
    }
    c.ret(0)
}

fn set_runtime_params(c: &mut Call<'_>) -> Done {
    let (mask, files, count) = (c.arg(0)?, c.arg(1)?, c.arg(2)? & 0xffff);
    let mut names = Vec::new();
    for i in 0..(count as usize).min(MAX_FILES) as u32 {
        names.push(c.text(c.load32(files.wrapping_add(4 * i))?)?);
    }
    c.os.lib.farf = Farf {
        mask: Some(mask),
        files: names,
    };
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn messages_are_formatted_and_reach_the_ap() {
        let mut g = Guest::new();
        let (file, text) = (g.bytes(b"calc.c\0"), g.bytes(b"sum %lld\n\0"));
        g.varargs(&[499_500, 0]);
        g.call("HAP_debug_v2", &[2, file, 33, text]);
        let plain = g.bytes(b"%d is left alone\0");
        g.call("HAP_debug", &[plain, 3, file, 7]);
        let log = g.ap.0.lock().unwrap();
        assert_eq!(
            (
                log[0].level,
                log[0].file.as_str(),
                log[0].line,
                log[0].text.as_str()
            ),
            (2, "calc.c", 33, "sum 499500")
        );
        assert_eq!((log[1].level, log[1].text.as_str()), (3, "%d is left alone"));
    }

    #[test]
    fn runtime_params_are_stored() {
        let mut g = Guest::new();
        let name = g.bytes(b"a.c\0");
        let list = g.bytes(&name.to_le_bytes());
        assert_eq!(g.call("HAP_setFARFRuntimeLoggingParams", &[0x1f, list, 1]), 0);
        assert_eq!(g.os.lib.farf.files, ["a.c"]);
    }
}
