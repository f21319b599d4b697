//! `<ctype.h>` as functions, for the "C" locale.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
pub const IMPORTS: &[Import] = &[
    import("isalnum", |c| class(c, |b| b.is_ascii_alphanumeric())),
    import("isalpha", |c| class(c, |b| b.is_ascii_alphabetic())),
    import("iscntrl", |c| class(c, |b| b.is_ascii_control())),
    import("isdigit", |c| class(c, |b| b.is_ascii_digit())),
    import("isgraph", |c| class(c, |b| b.is_ascii_graphic())),
    import("islower", |c| class(c, |b| b.is_ascii_lowercase())),
    import("isprint", |c| class(c, |b| b.is_ascii_graphic() || b == b' ')),
    import("ispunct", |c| class(c, |b| b.is_ascii_punctuation())),
    import("isspace", |c| class(c, |b| b.is_ascii_whitespace() || b == 0x0b)),
    import("isupper", |c| class(c, |b| b.is_ascii_uppercase())),
    import("isxdigit", |c| class(c, |b| b.is_ascii_hexdigit())),
    import("tolower", |c| map(c, |b| b.to_ascii_lowercase())),
    import("toupper", |c| map(c, |b| b.to_ascii_uppercase())),
];

/// `int isX(int byte)`; EOF and anything above 255 is nothing.
fn class(c: &mut Call<'_>, is: fn(u8) -> bool) -> Done {
    let yes = u8::try_from(c.arg(0)?).is_ok_and(is);
    c.ret(yes.into())
}

/// `int toX(int byte)`; EOF and anything above 255 stays.
fn map(c: &mut Call<'_>, to: fn(u8) -> u8) -> Done {
    let v = c.arg(0)?;
    c.ret(u8::try_from(v).map_or(v, |b| to(b).into()))
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn classes_and_cases() {
        let mut g = Guest::new();
        assert_eq!(g.call("isalpha", &[u32::from(b'x')]), 1);
        assert_eq!(g.call("isdigit", &[u32::MAX]), 0);
        assert_eq!(g.call("toupper", &[u32::from(b'x')]), u32::from(b'X'));
        assert_eq!(g.call("tolower", &[u32::MAX]), u32::MAX);
    }
}
