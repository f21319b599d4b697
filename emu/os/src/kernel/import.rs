//! An entry in a table of imported functions.

use super::call::{Call, Done};

/// Carries out an imported function.
pub type Handler = fn(&mut Call<'_>) -> Done;

/// Whether a function does what its line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Implemented,
    /// It answers this as if it had, and does nothing. The process's log says so once.
    WithoutEffect(&'static str),
    /// It always answers this error. The process's log says so once.
    Refused(&'static str),
}

/// A function that skeletons can import.
#[derive(Clone, Copy)]
pub struct Import {
    /// Its symbol.
    pub name: &'static str,
    /// What carries it out.
    pub handler: Handler,
    /// "`C signature`: what it does", in one line.
    pub line: &'static str,
    /// Whether it does.
    pub support: Support,
}

impl Import {
    /// It answers this and does nothing.
    pub const fn without_effect(mut self, answer: &'static str) -> Self {
        self.support = Support::WithoutEffect(answer);
        self
    }

    /// It always answers this error.
    pub const fn refuses(mut self, answer: &'static str) -> Self {
        self.support = Support::Refused(answer);
        self
    }
}

/// Shorthand for the tables in `library`: name, what carries it out, "`C signature`: what it does".
pub const fn import(name: &'static str, handler: Handler, line: &'static str) -> Import {
    Import {
        name,
        handler,
        line,
        support: Support::Implemented,
    }
}

/// Tables as one, which has `N` entries.
///
/// # Panics
/// They have not as many entries; where tables are constants the program does not compile.
pub const fn joined<const N: usize>(parts: &[&[Import]]) -> [Import; N] {
    let mut all = [parts[0][0]; N];
    let (mut n, mut part) = (0, 0);
    while part < parts.len() {
        let mut at = 0;
        while at < parts[part].len() {
            all[n] = parts[part][at];
            at += 1;
            n += 1;
        }
        part += 1;
    }
    assert!(n == N);
    all
}

/// Shorthand for a function that is one of another table under another name, or with more arguments that do not matter.
///
/// # Panics
/// There is no such function in the table; where tables are constants the program does not compile.
pub const fn alias(name: &'static str, table: &[Import], of: &str, line: &'static str) -> Import {
    let mut at = 0;
    while !is_same(table[at].name, of) {
        at += 1;
    }
    Import {
        name,
        line,
        ..table[at]
    }
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}
