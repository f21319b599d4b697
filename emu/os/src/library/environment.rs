//! The environment, which is empty at first and the process's own, what `sysconf` knows (numbers as in musl), and the one locale,
//! "C".

use super::errno::{EINVAL, ENOMEM, fail};
use super::heap::allocate;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use emu_core::mem::PAGE_SIZE;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("getenv", getenv, "`char *getenv(const char *name)`: what setenv set; NULL if it did not, the AP's environment is another"),
    import("setenv", setenv, "`int setenv(const char *name, const char *value, int replace)`: in the process's own environment; -1 and EINVAL, ENOMEM"),
    import("unsetenv", unsetenv, "`int unsetenv(const char *name)`: from the process's own environment; -1 and EINVAL"),
    import("sysconf", sysconf, "`long sysconf(int name)`: bytes of a page (30), hardware threads (83, 84); -1 and EINVAL for others"),
    import("setlocale", setlocale, "`char *setlocale(int category, const char *name)`: \"C\"; NULL for any other than \"C\", \"POSIX\" and the default"),
];

/// Variables, and bytes of a value, at most.
const MAX: usize = 1024;
const MAX_VALUE: usize = 1 << 16;

const SC_PAGE_SIZE: u32 = 30;
const SC_NPROCESSORS_CONF: u32 = 83;
const SC_NPROCESSORS_ONLN: u32 = 84;

fn sysconf(c: &mut Call<'_>) -> Done {
    match c.arg(0)? {
        SC_PAGE_SIZE => c.ret(PAGE_SIZE),
        SC_NPROCESSORS_CONF | SC_NPROCESSORS_ONLN => {
            let threads = c.os.shared.config.hardware_threads;
            c.ret(threads.into())
        }
        _ => fail(c, EINVAL),
    }
}

fn getenv(c: &mut Call<'_>) -> Done {
    let name = c.cstr_max(c.arg(0)?, MAX_VALUE)?;
    let Some((value, at)) = c.os.lib.environment.get(&name).cloned() else {
        return c.ret(0);
    };
    if at != 0 {
        return c.ret(at);
    }
    let mut text = value;
    text.push(0);
    let len = text.len() as u32;
    let made = move |c: &mut Call<'_>, at: u32| {
        if at != 0 {
            c.store(at, &text)?;
            if let Some(entry) = c.os.lib.environment.get_mut(&name) {
                entry.1 = at;
            }
        }
        c.ret(at)
    };
    allocate(c, len, 16, Box::new(made))
}

fn setenv(c: &mut Call<'_>) -> Done {
    let (name, value, replace) = (
        c.cstr_max(c.arg(0)?, MAX_VALUE)?,
        c.cstr_max(c.arg(1)?, MAX_VALUE)?,
        c.arg(2)?,
    );
    if name.is_empty() || name.contains(&b'=') {
        return fail(c, EINVAL);
    }
    let known = c.os.lib.environment.contains_key(&name);
    if known && replace == 0 {
        return c.ret(0);
    }
    if value.len() >= MAX_VALUE || (!known && c.os.lib.environment.len() >= MAX) {
        return fail(c, ENOMEM);
    }
    // Whoever has a pointer to the old value may go on to read it.
    c.os.lib.environment.insert(name, (value, 0));
    c.ret(0)
}

fn unsetenv(c: &mut Call<'_>) -> Done {
    let name = c.cstr_max(c.arg(0)?, MAX_VALUE)?;
    if name.is_empty() || name.contains(&b'=') {
        return fail(c, EINVAL);
    }
    c.os.lib.environment.remove(&name);
    c.ret(0)
}

fn setlocale(c: &mut Call<'_>) -> Done {
    let name = c.arg(1)?;
    if name != 0 && ![&b""[..], b"C", b"POSIX"].contains(&&*c.cstr_max(name, 16)?) {
        return c.ret(0);
    }
    let made = |c: &mut Call<'_>, at: u32| {
        if at != 0 {
            c.store(at, b"C\0")?;
            c.os.lib.locale = at;
        }
        c.ret(at)
    };
    match c.os.lib.locale {
        0 => allocate(c, 16, 16, Box::new(made)),
        at => c.ret(at),
    }
}

#[cfg(test)]
mod tests {
    use super::{EINVAL, PAGE_SIZE};
    use crate::kernel::testing::Guest;

    #[test]
    fn variables_are_the_process_s_own() {
        let mut g = Guest::new();
        let (name, one, two, wrong) = (
            g.bytes(b"MODE\0"),
            g.bytes(b"fast\0"),
            g.bytes(b"slow\0"),
            g.bytes(b"A=B\0"),
        );
        assert_eq!(g.call("getenv", &[name]), 0);
        assert_eq!(g.call("setenv", &[name, one, 0]), 0);
        let at = g.call("getenv", &[name]);
        assert_eq!((g.text(at), g.call("getenv", &[name])), ("fast".into(), at));
        assert_eq!(g.call("setenv", &[name, two, 0]), 0);
        assert_eq!(g.call("getenv", &[name]), at);
        assert_eq!(g.call("setenv", &[name, two, 1]), 0);
        let at = g.call("getenv", &[name]);
        assert_eq!(g.text(at), "slow");
        assert_eq!(g.call("unsetenv", &[name]), 0);
        assert_eq!(g.call("getenv", &[name]), 0);
        assert_eq!(g.call("setenv", &[wrong, one, 1]), u32::MAX);
    }

    #[test]
    fn there_is_one_locale() {
        let mut g = Guest::new();
        let (c, other) = (g.bytes(b"C\0"), g.bytes(b"de_DE\0"));
        let at = g.call("setlocale", &[6, 0]);
        assert_eq!(g.text(at), "C");
        assert_eq!(
            (g.call("setlocale", &[6, c]), g.call("setlocale", &[6, other])),
            (at, 0)
        );
    }

    #[test]
    fn what_the_system_has_is_told_and_nothing_else() {
        let mut g = Guest::new();
        let threads = u32::from(g.os.shared.config.hardware_threads);
        assert_eq!(
            ["30", "83", "84"].map(|n| g.call("sysconf", &[n.parse().unwrap()])),
            [PAGE_SIZE, threads, threads]
        );
        assert_eq!(g.call("sysconf", &[12345]), u32::MAX);
        assert_eq!(g.word(g.os.builtins.errno().unwrap()), EINVAL);
    }
}
