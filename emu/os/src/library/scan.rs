//! `scanf`: C99 conversions over bytes that may not all be there yet.
//!
//! Text comes from a string, or from a file whose next bytes have to be asked for; the scanner therefore says when it cannot tell how
//! the text goes on ([`Scanned::More`]), and is run again from the beginning when there is more. It stores nothing itself: what is to
//! be stored comes out as a list. `int` and `long` have 32 bits, `long long` 64; `long double` is `double`; wide characters are bytes,
//! as in the locale "C".

use super::float_text::Number;
use super::string::ByteSet;

/// Where something is to be stored, and what.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// Which pointer argument, from 0 on.
    pub argument: usize,
    /// What goes there.
    pub bytes: Vec<u8>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scanned {
    /// The text ended where more of it would have mattered.
    More,
    /// It is over.
    Done {
        /// Conversions that were stored; -1 if the text ended before the first.
        count: i32,
        /// Bytes of the text that were used.
        used: usize,
        /// What to store.
        stores: Vec<Store>,
    },
}

/// Longest field without a width.
const MOST: usize = 1 << 20;

/// The text, and how far it was read.
struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Nothing comes behind the bytes.
    ended: bool,
}

/// The scanner cannot go on: there is not enough text.
struct Short;

impl<'a> Text<'a> {
    /// The next byte; `None` at the end.
    fn peek(&self) -> Result<Option<u8>, Short> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Result<Option<u8>, Short> {
        match self.bytes.get(self.at + ahead) {
            Some(&byte) => Ok(Some(byte)),
            None if self.ended => Ok(None),
            None => Err(Short),
        }
    }

    fn skip_space(&mut self) -> Result<(), Short> {
        while self.peek()?.is_some_and(is_space) {
            self.at += 1;
        }
        Ok(())
    }

    /// Takes bytes while they are such ones, at most `width`.
    fn take_while(&mut self, width: usize, such: impl Fn(u8) -> bool) -> Result<&'a [u8], Short> {
        let from = self.at;
        while self.at - from < width && self.peek()?.is_some_and(&such) {
            self.at += 1;
        }
        Ok(&self.bytes[from..self.at])
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// How wide what is stored is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Char,
    Short,
    Int,
    Long,
}

/// A conversion: `%*12ld`.
struct Conversion<'a> {
    store: bool,
    width: Option<usize>,
    size: Size,
    /// `l` stood there.
    is_long: bool,
    kind: u8,
    /// What stands in `[...]`, with the `^`.
    set: &'a [u8],
}

/// Reads the conversion behind a `%`; its length. `None`: it is none that there is.
fn conversion(format: &[u8]) -> Option<(Conversion<'_>, usize)> {
    let mut at = 0;
    let next = |at: usize| format.get(at).copied();
    let store = next(at) != Some(b'*');
    at += usize::from(!store);
    let mut width = None;
    while let Some(digit @ b'0'..=b'9') = next(at) {
        let digit = usize::from(digit - b'0');
        width = Some(width.unwrap_or(0usize).saturating_mul(10).saturating_add(digit));
        at += 1;
    }
    let (size, is_long, used) = match (next(at), next(at + 1)) {
        (Some(b'h'), Some(b'h')) => (Size::Char, false, 2),
        (Some(b'h'), _) => (Size::Short, false, 1),
        (Some(b'l'), Some(b'l')) => (Size::Long, true, 2),
        (Some(b'j' | b'q'), _) => (Size::Long, true, 1),
        (Some(b'l' | b'L'), _) => (Size::Int, true, 1),
        (Some(b'z' | b't'), _) => (Size::Int, false, 1),
        _ => (Size::Int, false, 0),
    };
    at += used;
    let kind = next(at)?;
    at += 1;
    let mut set = &format[at..at];
    if kind == b'[' {
        // A `]` that stands first belongs to the set.
        let first = at + usize::from(next(at) == Some(b'^'));
        let end = format.iter().skip(first + 1).position(|&b| b == b']')? + first + 1;
        set = &format[at..end];
        at = end + 1;
    }
    let known = matches!(
        kind,
        b'd' | b'i' | b'u' | b'o' | b'x' | b'X' | b'p' | b's' | b'c' | b'[' | b'n' | b'%' | b'C' | b'S'
    ) || kind.is_ascii_alphabetic() && b"aefgAEFG".contains(&kind);
    let conversion = Conversion {
        store,
        width: width.filter(|&w| w > 0),
        size,
        is_long,
        kind,
        set,
    };
    known.then_some((conversion, at))
}

/// The bytes that `[...]` means.
fn set_of(text: &[u8]) -> ByteSet {
    let (without, text) = match text.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, text),
    };
    let mut named = Vec::new();
    let mut at = 0;
    while let Some(&low) = text.get(at) {
        match (text.get(at + 1), text.get(at + 2)) {
            (Some(b'-'), Some(&high)) => {
                named.extend(low..=high);
                at += 3;
            }
            _ => {
                named.push(low);
                at += 1;
            }
        }
    }
    let named = ByteSet::of(named);
    ByteSet::of((0..=u8::MAX).filter(|&byte| named.contains(byte) != without))
}

/// The digits of a number: value, and whether there was one. Follows `strtol`, with a width.
fn integer(text: &mut Text<'_>, base: u32, width: usize) -> Result<Option<u64>, Short> {
    let from = text.at;
    let left = |text: &Text<'_>| width.saturating_sub(text.at - from);
    let mut negative = false;
    if left(text) > 0
        && let Some(sign @ (b'-' | b'+')) = text.peek()?
    {
        negative = sign == b'-';
        text.at += 1;
    }
    let mut base = base;
    let mut any = false;
    if matches!(base, 0 | 16) && left(text) > 0 && text.peek()? == Some(b'0') {
        text.at += 1;
        any = true;
        if left(text) > 0 && matches!(text.peek()?, Some(b'x' | b'X')) {
            text.at += 1;
            // "0x" without a digit behind it is no number.
            any = false;
            base = 16;
        } else if base == 0 {
            base = 8;
        }
    }
    if base == 0 {
        base = 10;
    }
    let digits = text.take_while(width.saturating_sub(text.at - from), |b| {
        (b as char).is_digit(base)
    })?;
    any |= !digits.is_empty();
    let mut value = 0u64;
    for &digit in digits {
        let digit = (digit as char).to_digit(base).unwrap_or(0);
        value = value.wrapping_mul(base.into()).wrapping_add(digit.into());
    }
    Ok(any.then_some(if negative { value.wrapping_neg() } else { value }))
}

/// Bytes that can belong to a floating-point number, `inf` and `nan(...)` included.
fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.()_".contains(&byte)
}

/// A number as wide as it is asked for.
fn stored(value: u64, size: Size) -> Vec<u8> {
    let bytes = value.to_le_bytes();
    let len = match size {
        Size::Char => 1,
        Size::Short => 2,
        Size::Int => 4,
        Size::Long => 8,
    };
    bytes[..len].to_vec()
}

/// Characters as they are stored: bytes, or wide.
fn characters(bytes: &[u8], wide: bool, terminated: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    for &b in bytes.iter().chain(terminated.then_some(&0)) {
        if wide {
            out.extend(u32::from(b).to_le_bytes());
        } else {
            out.push(b);
        }
    }
    out
}

/// Scans `bytes`, behind which nothing comes if `ended`.
pub fn scan(format: &[u8], bytes: &[u8], ended: bool) -> Scanned {
    let mut text = Text { bytes, at: 0, ended };
    let mut state = State::default();
    match state.run(format, &mut text) {
        Err(Short) => Scanned::More,
        Ok(()) => Scanned::Done {
            count: state.count,
            used: text.at,
            stores: state.stores,
        },
    }
}

#[derive(Default)]
struct State {
    count: i32,
    argument: usize,
    stores: Vec<Store>,
}

impl State {
    fn store(&mut self, bytes: Vec<u8>) {
        let argument = self.argument;
        self.argument += 1;
        self.stores.push(Store { argument, bytes });
    }

    /// The text ended before a conversion.
    fn ran_out(&mut self) {
        if self.count == 0 {
            self.count = -1;
        }
    }

    fn run(&mut self, format: &[u8], text: &mut Text<'_>) -> Result<(), Short> {
        let mut at = 0;
        while let Some(&byte) = format.get(at) {
            at += 1;
            if is_space(byte) {
                text.skip_space()?;
                continue;
            }
            if byte != b'%' {
                match text.peek()? {
                    Some(b) if b == byte => text.at += 1,
                    Some(_) => return Ok(()),
                    None => {
                        self.ran_out();
                        return Ok(());
                    }
                }
                continue;
            }
            let Some((conversion, used)) = conversion(&format[at..]) else {
                return Ok(());
            };
            at += used;
            if !self.convert(&conversion, text)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Carries out one conversion; `false`: it failed.
    fn convert(&mut self, c: &Conversion<'_>, text: &mut Text<'_>) -> Result<bool, Short> {
        if c.kind == b'n' {
            if c.store {
                self.store(stored(text.at as u64, c.size));
            }
            return Ok(true);
        }
        if !matches!(c.kind, b'c' | b'C' | b'[') {
            text.skip_space()?;
        }
        let Some(first) = text.peek()? else {
            self.ran_out();
            return Ok(false);
        };
        let width = c.width.unwrap_or(MOST);
        let wide = c.is_long || c.kind.is_ascii_uppercase();
        let found = match c.kind {
            b'%' => {
                let same = first == b'%';
                text.at += usize::from(same);
                return Ok(same);
            }
            b'd' | b'u' => integer(text, 10, width)?.map(|v| stored(v, c.size)),
            b'i' => integer(text, 0, width)?.map(|v| stored(v, c.size)),
            b'o' => integer(text, 8, width)?.map(|v| stored(v, c.size)),
            b'x' | b'X' | b'p' => integer(text, 16, width)?.map(|v| stored(v, c.size)),
            b's' | b'S' => {
                let word = text.take_while(width, |b| !is_space(b))?;
                Some(characters(word, wide, true))
            }
            b'[' => {
                let set = set_of(c.set);
                let word = text.take_while(width, |b| set.contains(b))?;
                (!word.is_empty()).then(|| characters(word, wide, true))
            }
            b'c' | b'C' => {
                let wanted = c.width.unwrap_or(1);
                let taken = text.take_while(wanted, |_| true)?;
                (taken.len() == wanted).then(|| characters(taken, wide, false))
            }
            _ => {
                let from = text.at;
                let mut word = text.take_while(width.min(4096), is_of_number)?;
                let number = Number::read(word);
                let value = number.to_f64();
                if !(number.has_digits() || value.is_infinite() || value.is_nan()) {
                    word = &[];
                }
                let used = if word.is_empty() { 0 } else { number.used };
                text.at = from + used;
                (used > 0).then(|| {
                    if c.is_long {
                        number.to_f64().to_le_bytes().to_vec()
                    } else {
                        number.to_f32().to_le_bytes().to_vec()
                    }
                })
            }
        };
        let Some(bytes) = found else {
            // Too little text for `%5c` is its end; anything else did not match.
            if matches!(c.kind, b'c' | b'C') {
                self.ran_out();
            }
            return Ok(false);
        };
        if c.store {
            self.store(bytes);
            self.count += 1;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(format: &str, text: &str) -> (i32, usize, Vec<Vec<u8>>) {
        match scan(format.as_bytes(), text.as_bytes(), true) {
            Scanned::Done { count, used, stores } => {
                (count, used, stores.into_iter().map(|s| s.bytes).collect())
            }
            Scanned::More => panic!("the text is all there is"),
        }
    }

    fn word(v: i32) -> Vec<u8> {
        v.to_le_bytes().to_vec()
    }

    #[test]
    fn integers_follow_strtol() {
        for (format, text, want) in [
            ("%d", " -12x", Some(-12)),
            ("%i", "0x1F", Some(31)),
            ("%i", "017", Some(15)),
            ("%i", "0", Some(0)),
            ("%x", "0xff", Some(255)),
            ("%x", "ff", Some(255)),
            ("%o", "17", Some(15)),
            ("%2d", "123", Some(12)),
            ("%u", "4294967295", Some(-1)),
            ("%d", "x", None),
            ("%d", "-", None),
            ("%i", "0x", None),
        ] {
            let (count, _, stores) = scanned(format, text);
            match want {
                Some(v) => assert_eq!((count, stores), (1, vec![word(v)]), "{format} {text}"),
                None => assert_eq!(count, 0, "{format} {text}"),
            }
        }
        assert_eq!(
            scanned("%hhd%hd%lld", "1 2 3").2,
            [vec![1], vec![2, 0], vec![3, 0, 0, 0, 0, 0, 0, 0]]
        );
    }

    #[test]
    fn words_sets_and_characters() {
        let text = |s: &str| [s.as_bytes(), b"\0"].concat();
        assert_eq!(scanned("%s %3s", "one three").2, [text("one"), text("thr")]);
        assert_eq!(
            scanned("%[a-c]%[^x]x", "abcdex"),
            (2, 6, vec![text("abc"), text("de")])
        );
        assert_eq!(scanned("%[]x]", "]x]y").2, [text("]x]")]);
        assert_eq!(scanned("%c%2c", "a b").2, [b"a".to_vec(), b" b".to_vec()]);
        assert_eq!(scanned("%*s%n%s", "one two").2, [word(3), text("two")]);
        assert_eq!(scanned("%ls", "ab").2, [b"a\0\0\0b\0\0\0\0\0\0\0".to_vec()]);
        assert_eq!(scanned("%[a", "a").0, 0);
    }

    #[test]
    fn floating_point_numbers() {
        let single = |v: f32| v.to_le_bytes().to_vec();
        assert_eq!(scanned("%f %f", "1.5 -2e3x").2, [single(1.5), single(-2000.0)]);
        assert_eq!(scanned("%lf", "0x1.8p1").2, [3f64.to_le_bytes().to_vec()]);
        assert_eq!(scanned("%f", "inf").2, [single(f32::INFINITY)]);
        assert_eq!(scanned("%f", "-").0, 0);
        assert_eq!(scanned("%f", "x").0, 0);
    }

    #[test]
    fn what_does_not_match_ends_it_and_an_end_before_the_first_is_told() {
        assert_eq!(scanned("%d,%d", "1;2"), (1, 1, vec![word(1)]));
        assert_eq!(scanned("%d", "").0, -1);
        assert_eq!(scanned("%d %d", "1").0, 1);
        assert_eq!(scanned("a%d", "").0, -1);
        assert_eq!(scanned("100%%%d", "100%7").2, [word(7)]);
        assert_eq!(scanned("%k", "1").0, 0);
    }

    #[test]
    fn sets_may_be_named_at_length() {
        // A scanner that looked at the whole set for each byte would take minutes here.
        let most = 1 << 20;
        let text = vec![b'a'; most];
        let format = [b"%*[", vec![b'b'; most].as_slice(), b"a]%n"].concat();
        let Scanned::Done { used, stores, .. } = scan(&format, &text, true) else {
            panic!("there is no more")
        };
        assert_eq!((used, stores.len()), (most, 1));
    }

    #[test]
    fn text_that_goes_on_is_asked_for() {
        assert_eq!(scan(b"%d", b"12", false), Scanned::More);
        assert_eq!(scan(b"%d ", b"12 ", false), Scanned::More);
        assert!(matches!(
            scan(b"%d", b"12;", false),
            Scanned::Done { used: 2, .. }
        ));
    }
}
