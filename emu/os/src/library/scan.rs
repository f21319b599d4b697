//! `scanf`: C99 conversions over characters (bytes, or wide ones) that may not all be there yet.
//!
//! Text comes from a string, or from a file whose next bytes have to be asked for; the scanner therefore says when it cannot tell how
//! the text goes on ([`Scanned::More`]), and is run again from the beginning when there is more. It stores nothing itself: what is to
//! be stored comes out as a list. `int` and `long` have 32 bits, `long long` 64; `long double` is `double`; a wide character up to 255
//! is that byte, as in the locale "C", and a larger one cannot be stored as one.

use super::float_text::Number;
use super::unit::{self, Unit};

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
        /// Characters of the text that were used.
        used: usize,
        /// A character was to be stored as a byte and has none.
        illegal: bool,
        /// What to store.
        stores: Vec<Store>,
    },
}

/// Longest field without a width.
const MOST: usize = 1 << 20;

/// The text, and how far it was read.
struct Text<'a, U> {
    units: &'a [U],
    at: usize,
    /// Nothing comes behind it.
    ended: bool,
}

/// The scanner cannot go on: there is not enough text.
struct Short;

impl<'a, U: Unit> Text<'a, U> {
    /// The next character; `None` at the end.
    fn peek(&self) -> Result<Option<U>, Short> {
        match self.units.get(self.at) {
            Some(&unit) => Ok(Some(unit)),
            None if self.ended => Ok(None),
            None => Err(Short),
        }
    }

    /// The next one as a byte; `None` at the end, or if it has none.
    fn peek_byte(&self) -> Result<Option<u8>, Short> {
        Ok(self.peek()?.and_then(Unit::byte))
    }

    fn skip_space(&mut self) -> Result<(), Short> {
        while self.peek()?.is_some_and(is_space) {
            self.at += 1;
        }
        Ok(())
    }

    /// Takes characters while they are such ones, at most `width`.
    fn take_while(&mut self, width: usize, such: impl Fn(U) -> bool) -> Result<&'a [U], Short> {
        let from = self.at;
        while self.at - from < width && self.peek()?.is_some_and(&such) {
            self.at += 1;
        }
        Ok(&self.units[from..self.at])
    }

    /// Takes characters whose bytes are such ones, at most `width`; the bytes.
    fn take_bytes(&mut self, width: usize, such: impl Fn(u8) -> bool) -> Result<Vec<u8>, Short> {
        let taken = self.take_while(width, |unit| unit.byte().is_some_and(&such))?;
        Ok(taken.iter().filter_map(|unit| unit.byte()).collect())
    }
}

fn is_space<U: Unit>(unit: U) -> bool {
    unit.byte()
        .is_some_and(|byte| byte.is_ascii_whitespace() || byte == 0x0b)
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
struct Conversion<'a, U> {
    store: bool,
    width: Option<usize>,
    size: Size,
    /// `l` stood there.
    is_long: bool,
    kind: u8,
    /// What stands in `[...]`, with the `^`.
    set: &'a [U],
}

/// Reads the conversion behind a `%`; its length. `None`: it is none that there is.
fn conversion<U: Unit>(format: &[U]) -> Option<(Conversion<'_, U>, usize)> {
    let mut at = 0;
    let next = |at: usize| format.get(at)?.byte();
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
        let end = format
            .iter()
            .skip(first + 1)
            .position(|&unit| unit == U::of_byte(b']'))?
            + first
            + 1;
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

/// The characters that `[...]` means. Looking one up takes no longer when many are named one by one.
struct Set {
    /// All but those.
    without: bool,
    /// Ranges, by where they begin; none touches another.
    named: Vec<(u32, u32)>,
}

impl Set {
    fn of<U: Unit>(text: &[U]) -> Self {
        let (without, text) = match text.split_first() {
            Some((&unit, rest)) if unit == U::of_byte(b'^') => (true, rest),
            _ => (false, text),
        };
        let mut all = Vec::new();
        let mut at = 0;
        while let Some(low) = text.get(at) {
            match (text.get(at + 1), text.get(at + 2)) {
                (Some(&dash), Some(high)) if dash == U::of_byte(b'-') => {
                    all.push((low.code(), high.code()));
                    at += 3;
                }
                _ => {
                    all.push((low.code(), low.code()));
                    at += 1;
                }
            }
        }
        all.retain(|(low, high)| low <= high);
        all.sort_unstable();
        let mut named: Vec<(u32, u32)> = Vec::new();
        for (low, high) in all {
            match named.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => named.push((low, high)),
            }
        }
        Self { without, named }
    }

    fn contains(&self, unit: impl Unit) -> bool {
        let code = unit.code();
        let before = self.named.partition_point(|&(low, _)| low <= code);
        let named = before > 0 && code <= self.named[before - 1].1;
        named != self.without
    }
}

/// The digits of a number: value, and whether there was one. Follows `strtol`, with a width.
fn integer<U: Unit>(text: &mut Text<'_, U>, base: u32, width: usize) -> Result<Option<u64>, Short> {
    let from = text.at;
    let left = |text: &Text<'_, U>| width.saturating_sub(text.at - from);
    let mut negative = false;
    if left(text) > 0
        && let Some(sign @ (b'-' | b'+')) = text.peek_byte()?
    {
        negative = sign == b'-';
        text.at += 1;
    }
    let mut base = base;
    let mut any = false;
    if matches!(base, 0 | 16) && left(text) > 0 && text.peek_byte()? == Some(b'0') {
        text.at += 1;
        any = true;
        if left(text) > 0 && matches!(text.peek_byte()?, Some(b'x' | b'X')) {
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
    let digits = text.take_bytes(width.saturating_sub(text.at - from), |b| {
        (b as char).is_digit(base)
    })?;
    any |= !digits.is_empty();
    let mut value = 0u64;
    for digit in digits {
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

/// Characters as they are stored: wide, or as bytes. `None`: one has no byte.
fn characters<U: Unit>(text: &[U], wide: bool, terminated: bool) -> Option<Vec<u8>> {
    let mut codes: Vec<u32> = text.iter().map(|unit| unit.code()).collect();
    if terminated {
        codes.push(0);
    }
    match wide {
        true => Some(codes.into_iter().flat_map(u32::to_le_bytes).collect()),
        false => unit::bytes(&codes),
    }
}

/// Scans a text, behind which nothing comes if `ended`.
pub fn scan<U: Unit>(format: &[U], units: &[U], ended: bool) -> Scanned {
    let mut text = Text { units, at: 0, ended };
    let mut state = State::default();
    match state.run(format, &mut text) {
        Err(Short) => Scanned::More,
        Ok(()) => Scanned::Done {
            count: state.count,
            used: text.at,
            illegal: state.illegal,
            stores: state.stores,
        },
    }
}

#[derive(Default)]
struct State {
    count: i32,
    argument: usize,
    illegal: bool,
    stores: Vec<Store>,
}

impl State {
    fn store(&mut self, bytes: Vec<u8>) {
        let argument = self.argument;
        self.argument += 1;
        self.stores.push(Store { argument, bytes });
    }

    /// What was read, if its characters can be stored.
    fn legal(&mut self, stored: Option<Vec<u8>>) -> Option<Vec<u8>> {
        self.illegal |= stored.is_none();
        stored
    }

    /// The text ended before a conversion.
    fn ran_out(&mut self) {
        if self.count == 0 {
            self.count = -1;
        }
    }

    fn run<U: Unit>(&mut self, format: &[U], text: &mut Text<'_, U>) -> Result<(), Short> {
        let mut at = 0;
        while let Some(&unit) = format.get(at) {
            at += 1;
            if is_space(unit) {
                text.skip_space()?;
                continue;
            }
            if unit != U::of_byte(b'%') {
                match text.peek()? {
                    Some(there) if there == unit => text.at += 1,
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
    fn convert<U: Unit>(&mut self, c: &Conversion<'_, U>, text: &mut Text<'_, U>) -> Result<bool, Short> {
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
                let same = first == U::of_byte(b'%');
                text.at += usize::from(same);
                return Ok(same);
            }
            b'd' | b'u' => integer(text, 10, width)?.map(|v| stored(v, c.size)),
            b'i' => integer(text, 0, width)?.map(|v| stored(v, c.size)),
            b'o' => integer(text, 8, width)?.map(|v| stored(v, c.size)),
            b'x' | b'X' | b'p' => integer(text, 16, width)?.map(|v| stored(v, c.size)),
            b's' | b'S' => {
                let word = text.take_while(width, |unit| !is_space(unit))?;
                self.legal(characters(word, wide, true))
            }
            b'[' => {
                let set = Set::of(c.set);
                let word = text.take_while(width, |unit| set.contains(unit))?;
                match word {
                    [] => None,
                    word => self.legal(characters(word, wide, true)),
                }
            }
            b'c' | b'C' => {
                let wanted = c.width.unwrap_or(1);
                let taken = text.take_while(wanted, |_| true)?;
                match taken.len() == wanted {
                    true => self.legal(characters(taken, wide, false)),
                    false => None,
                }
            }
            _ => {
                let from = text.at;
                let word = text.take_bytes(width.min(4096), is_of_number)?;
                let number = Number::read(&word);
                let value = number.to_f64();
                let is_one = number.has_digits() || value.is_infinite() || value.is_nan();
                let used = if is_one { number.used } else { 0 };
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
            // Too little text for `%5c` is its end, as is what is no character; anything else did not match.
            if matches!(c.kind, b'c' | b'C') || self.illegal {
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
            Scanned::Done {
                count, used, stores, ..
            } => (count, used, stores.into_iter().map(|s| s.bytes).collect()),
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
    fn wide_characters_are_stored_as_what_is_asked_for() {
        let wide = |text: &str| text.chars().map(u32::from).collect::<Vec<u32>>();
        let stored = |text: &str| text.chars().flat_map(|ch| u32::from(ch).to_le_bytes()).collect();
        let run = |format: &str, text: &str| match scan(&wide(format), &wide(text), true) {
            Scanned::Done {
                count,
                illegal,
                stores,
                ..
            } => (
                count,
                illegal,
                stores.into_iter().map(|s| s.bytes).collect::<Vec<Vec<u8>>>(),
            ),
            Scanned::More => panic!("the text is all there is"),
        };
        assert_eq!(
            run("%d\u{20ac}%ls", "12\u{20ac}a\u{20ac}"),
            (2, false, vec![word(12), stored("a\u{20ac}\0")])
        );
        assert_eq!(
            run("%l[\u{20a0}-\u{20cf}x]%c", "\u{20ac}xy"),
            (2, false, vec![stored("\u{20ac}x\0"), b"y".to_vec()])
        );
        // No byte for it: the end of the conversions, not a mismatch.
        assert_eq!(run("%s", "\u{20ac}"), (-1, true, vec![]));
        assert_eq!(run("%d %c", "1 \u{20ac}"), (1, true, vec![word(1)]));
        assert_eq!(run("%\u{20ac}", "1").0, 0);
    }

    #[test]
    fn text_that_goes_on_is_asked_for() {
        assert_eq!(scan(&b"%d"[..], b"12", false), Scanned::More);
        assert_eq!(scan(&b"%d "[..], b"12 ", false), Scanned::More);
        assert!(matches!(
            scan(&b"%d"[..], b"12;", false),
            Scanned::Done { used: 2, .. }
        ));
    }
}
