//! `<ctype.h>` as functions, for the "C" locale.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("isalnum", |c| class(c, |b| b.is_ascii_alphanumeric()), "`int isalnum(int byte)`: a letter or a digit?"),
    import("isalpha", |c| class(c, |b| b.is_ascii_alphabetic()), "`int isalpha(int byte)`: a letter?"),
    import("iscntrl", |c| class(c, |b| b.is_ascii_control()), "`int iscntrl(int byte)`: a control character?"),
    import("isdigit", |c| class(c, |b| b.is_ascii_digit()), "`int isdigit(int byte)`: a decimal digit?"),
    import("isgraph", |c| class(c, |b| b.is_ascii_graphic()), "`int isgraph(int byte)`: prints something?"),
    import("islower", |c| class(c, |b| b.is_ascii_lowercase()), "`int islower(int byte)`: a small letter?"),
    import("isprint", |c| class(c, |b| b.is_ascii_graphic() || b == b' '), "`int isprint(int byte)`: prints something, or a space?"),
    import("ispunct", |c| class(c, |b| b.is_ascii_punctuation()), "`int ispunct(int byte)`: prints something, and no letter or digit?"),
    import("isspace", |c| class(c, |b| b.is_ascii_whitespace() || b == 0x0b), "`int isspace(int byte)`: white space?"),
    import("isupper", |c| class(c, |b| b.is_ascii_uppercase()), "`int isupper(int byte)`: a capital?"),
    import("isxdigit", |c| class(c, |b| b.is_ascii_hexdigit()), "`int isxdigit(int byte)`: a hexadecimal digit?"),
    import("tolower", |c| map(c, |b| b.to_ascii_lowercase()), "`int tolower(int byte)`: as a small letter"),
    import("toupper", |c| map(c, |b| b.to_ascii_uppercase()), "`int toupper(int byte)`: as a capital"),
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
