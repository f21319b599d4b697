//! The formatter behind `printf` and FARF: C99 conversions on guest arguments.
//!
//! Widths and precisions are the guest's, so output is counted, not built: at most `cap` bytes are kept. `int` and `long`
//! have 32 bits, `long long` and `intmax_t` 64; `long double` is `double`; `wchar_t` has 32 bits, and in the only locale ("C") a
//! wide character up to 255 is that byte and a larger one, in a text of bytes, an error. `%n` is refused (a crash that says so). Unknown conversions
//! are copied as they stand.

use super::unit::Unit;
use crate::kernel::call::Stop;

/// Bytes that one format string may make us look at: strings can be long and named many times.
const MAX_WORK: usize = 64 << 20;

/// Where arguments come from.
pub trait Args {
    /// The next 32-bit argument.
    fn word(&mut self) -> Result<u32, Stop>;
    /// The next 64-bit argument.
    fn double_word(&mut self) -> Result<u64, Stop>;
    /// At most `max` bytes of the string at an address.
    fn string(&mut self, at: u32, max: usize) -> Result<Vec<u8>, Stop>;
    /// At most `max` characters of the wide string at an address.
    fn wide_string(&mut self, at: u32, max: usize) -> Result<Vec<u32>, Stop>;
}

/// [`Output::total`] of a text that has no length: one of its wide characters has no bytes.
pub const NO_LENGTH: u64 = u64::MAX;

/// What was formatted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<U> {
    /// The first characters, at most as many as were asked for.
    pub text: Vec<U>,
    /// How long the whole would be, or [`NO_LENGTH`].
    pub total: u64,
    cap: usize,
    /// Characters that were really looked at.
    work: usize,
}

impl<U: Unit> Output<U> {
    fn put(&mut self, bytes: &[u8]) {
        let room = self.cap - self.text.len();
        self.text
            .extend(bytes.iter().take(room).map(|&byte| U::of_byte(byte)));
        self.total += bytes.len() as u64;
    }

    fn put_text(&mut self, text: &[U]) {
        let room = self.cap - self.text.len();
        self.text.extend_from_slice(&text[..text.len().min(room)]);
        self.total += text.len() as u64;
    }

    fn fill(&mut self, byte: u8, count: usize) {
        let room = self.cap - self.text.len();
        self.text
            .resize(self.text.len() + count.min(room), U::of_byte(byte));
        self.total += count as u64;
    }
}

/// One conversion's flags, width and precision.
#[derive(Debug, Default, Clone, Copy)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Byte,
    Half,
    Word,
    Long,
    Double,
}

/// Formats; keeps at most `cap` characters.
pub fn format<U: Unit>(format: &[U], args: &mut impl Args, cap: usize) -> Result<Output<U>, Stop> {
    let mut out = Output {
        text: Vec::new(),
        total: 0,
        cap,
        work: 0,
    };
    let mut rest = format;
    while let Some(at) = rest.iter().position(|&u| u == U::of_byte(b'%')) {
        out.put_text(&rest[..at]);
        let text = &rest[at..];
        let used = conversion(text, args, &mut out)?;
        if out.total == NO_LENGTH {
            return Ok(out);
        }
        if out.work > MAX_WORK {
            return Err(Stop::because(
                "formatting one text takes more than 64 MiB of arguments",
            ));
        }
        rest = &text[used..];
    }
    out.put_text(rest);
    Ok(out)
}

/// The byte at a place of a format; `None`: it ends there, or what stands there has none.
fn byte<U: Unit>(text: &[U], at: usize) -> Option<u8> {
    text.get(at)?.byte()
}

/// Decimal digits at the front; huge numbers saturate.
fn number<U: Unit>(text: &[U], at: &mut usize) -> usize {
    let mut n = 0usize;
    while let Some(d) = byte(text, *at).filter(u8::is_ascii_digit) {
        n = n
            .saturating_mul(10)
            .saturating_add(usize::from(d - b'0'))
            .min(i32::MAX as usize);
        *at += 1;
    }
    n
}

/// Does one conversion at the front of `text` (which starts with '%'); returns how long it was.
fn conversion<U: Unit>(text: &[U], args: &mut impl Args, out: &mut Output<U>) -> Result<usize, Stop> {
    let mut spec = Spec::default();
    let mut at = 1;
    loop {
        match byte(text, at) {
            Some(b'-') => spec.left = true,
            Some(b'+') => spec.plus = true,
            Some(b' ') => spec.space = true,
            Some(b'#') => spec.alternate = true,
            Some(b'0') => spec.zero = true,
            _ => break,
        }
        at += 1;
    }
    if byte(text, at) == Some(b'*') {
        at += 1;
        let width = args.word()? as i32;
        spec.left |= width < 0;
        spec.width = width.unsigned_abs() as usize;
    } else {
        spec.width = number(text, &mut at);
    }
    if byte(text, at) == Some(b'.') {
        at += 1;
        spec.precision = if byte(text, at) == Some(b'*') {
            at += 1;
            usize::try_from(args.word()? as i32).ok()
        } else {
            Some(number(text, &mut at))
        };
    }
    let (length, letters) = match (byte(text, at), byte(text, at + 1)) {
        (Some(b'h'), Some(b'h')) => (Length::Byte, 2),
        (Some(b'h'), _) => (Length::Half, 1),
        (Some(b'l'), Some(b'l')) => (Length::Double, 2),
        (Some(b'l'), _) => (Length::Long, 1),
        (Some(b'j' | b'q'), _) => (Length::Double, 1),
        (Some(b'z' | b't' | b'L'), _) => (Length::Word, 1),
        _ => (Length::Word, 0),
    };
    at += letters;
    if at >= text.len() {
        out.put_text(text);
        return Ok(text.len());
    }
    // What has no byte is no conversion.
    let letter = byte(text, at).unwrap_or(0);
    at += 1;
    match letter {
        b'%' => out.put(b"%"),
        b'd' | b'i' => {
            let v = match length {
                Length::Double => args.double_word()? as i64,
                Length::Byte => i64::from(args.word()? as i8),
                Length::Half => i64::from(args.word()? as i16),
                _ => i64::from(args.word()? as i32),
            };
            integer(
                out,
                &spec,
                sign(&spec, v < 0),
                v.unsigned_abs().to_string().into_bytes(),
            );
        }
        b'u' | b'o' | b'x' | b'X' => {
            let v = match length {
                Length::Double => args.double_word()?,
                Length::Byte => u64::from(args.word()? as u8),
                Length::Half => u64::from(args.word()? as u16),
                _ => u64::from(args.word()?),
            };
            unsigned(out, &spec, letter, v);
        }
        b'p' => {
            let digits = format!("{:x}", args.word()?).into_bytes();
            integer(out, &spec, b"0x", digits);
        }
        b'c' if length != Length::Long => {
            let byte = args.word()? as u8;
            padded(out, &spec, &[byte]);
        }
        b's' if length != Length::Long => {
            let pointer = args.word()?;
            let max = spec.precision.unwrap_or(crate::kernel::call::MAX_STRING);
            let s = match pointer {
                0 => b"(null)"[..max.min(6)].to_vec(),
                _ => args.string(pointer, max)?,
            };
            padded(out, &spec, &s);
        }
        b'f' | b'F' | b'e' | b'E' | b'g' | b'G' | b'a' | b'A' => {
            float(out, &spec, letter, f64::from_bits(args.double_word()?));
        }
        b'n' => return Err(Stop::because("%n in a format string: refused")),
        b'c' => {
            let wide = args.word()?;
            wide_text(out, &spec, &[wide]);
        }
        b's' => {
            let pointer = args.word()?;
            let max = spec.precision.unwrap_or(crate::kernel::call::MAX_STRING);
            match pointer {
                0 => padded(out, &spec, &b"(null)"[..max.min(6)]),
                _ => wide_text(out, &spec, &args.wide_string(pointer, max)?),
            }
        }
        _ => out.put_text(&text[..at]),
    }
    Ok(at)
}

fn sign(spec: &Spec, negative: bool) -> &'static [u8] {
    match (negative, spec.plus, spec.space) {
        (true, ..) => b"-",
        (_, true, _) => b"+",
        (_, _, true) => b" ",
        _ => b"",
    }
}

fn padded<U: Unit>(out: &mut Output<U>, spec: &Spec, text: &[u8]) {
    let text: Vec<U> = text.iter().map(|&byte| U::of_byte(byte)).collect();
    padded_text(out, spec, &text);
}

fn padded_text<U: Unit>(out: &mut Output<U>, spec: &Spec, text: &[U]) {
    out.work += text.len();
    let pad = spec.width.saturating_sub(text.len());
    if !spec.left {
        out.fill(b' ', pad);
    }
    out.put_text(text);
    if spec.left {
        out.fill(b' ', pad);
    }
}

/// Wide characters as they are in this text.
fn wide_text<U: Unit>(out: &mut Output<U>, spec: &Spec, text: &[u32]) {
    let text: Option<Vec<U>> = text.iter().map(|&wide| U::of_wide(wide)).collect();
    match text {
        Some(text) => padded_text(out, spec, &text),
        None => out.total = NO_LENGTH,
    }
}

/// Digits with prefix, precision (least number of digits) and width.
fn integer<U: Unit>(out: &mut Output<U>, spec: &Spec, prefix: &[u8], mut digits: Vec<u8>) {
    if digits == b"0" && spec.precision == Some(0) {
        digits.clear();
    }
    let mut zeros = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    let length = prefix.len() + digits.len();
    if spec.zero && !spec.left && spec.precision.is_none() {
        zeros = spec.width.saturating_sub(length);
    }
    let pad = spec.width.saturating_sub(length.saturating_add(zeros));
    if !spec.left {
        out.fill(b' ', pad);
    }
    out.put(prefix);
    out.fill(b'0', zeros);
    out.put(&digits);
    if spec.left {
        out.fill(b' ', pad);
    }
}

fn unsigned<U: Unit>(out: &mut Output<U>, spec: &Spec, letter: u8, v: u64) {
    let (prefix, digits): (&[u8], String) = match letter {
        b'x' if spec.alternate && v != 0 => (b"0x", format!("{v:x}")),
        b'X' if spec.alternate && v != 0 => (b"0X", format!("{v:X}")),
        b'x' => (b"", format!("{v:x}")),
        b'X' => (b"", format!("{v:X}")),
        // The alternate octal form makes the first digit a zero by raising the precision.
        b'o' if spec.alternate && !(v == 0 && spec.precision.is_none()) => (b"", format!("0{v:o}")),
        b'o' => (b"", format!("{v:o}")),
        _ => (b"", v.to_string()),
    };
    let digits = if letter == b'o' && spec.alternate && v == 0 {
        "0".to_owned()
    } else {
        digits
    };
    integer(out, spec, prefix, digits.into_bytes());
}

/// Most digits that are really computed; a double has no more than 1074 decimals, the rest are zeros.
const MAX_DIGITS: usize = 1100;

fn float<U: Unit>(out: &mut Output<U>, spec: &Spec, letter: u8, v: f64) {
    out.work += MAX_DIGITS;
    let upper = letter.is_ascii_uppercase();
    let sign = sign(spec, v.is_sign_negative() && !v.is_nan());
    if !v.is_finite() {
        let word = match (v.is_nan(), upper) {
            (true, false) => "nan",
            (true, true) => "NAN",
            (false, false) => "inf",
            (false, true) => "INF",
        };
        let text = [sign, word.as_bytes()].concat();
        return padded(out, spec, &text);
    }
    let v = v.abs();
    let precision = spec.precision.unwrap_or(6);
    let kept = precision.min(MAX_DIGITS);
    let mut body = match letter.to_ascii_lowercase() {
        b'f' => fixed(v, kept, spec.alternate),
        b'e' => exponential(v, kept, spec.alternate),
        b'g' => general(v, kept.max(1), spec.alternate),
        _ => hexadecimal(v, spec.precision.map(|p| p.min(MAX_DIGITS)), spec.alternate),
    };
    if upper {
        body = body.to_ascii_uppercase();
    }
    // Zeros behind the digits that were computed (only %f and %e can have them).
    let more = if matches!(letter.to_ascii_lowercase(), b'f' | b'e') {
        precision - kept
    } else {
        0
    };
    let (head, tail) = match body
        .find(['e', 'E'])
        .filter(|_| letter.eq_ignore_ascii_case(&b'e'))
    {
        Some(at) => body.split_at(at),
        None => (body.as_str(), ""),
    };
    let prefix: &[u8] = match letter {
        b'a' => b"0x",
        b'A' => b"0X",
        _ => b"",
    };
    let length = sign.len() + prefix.len() + head.len() + more + tail.len();
    let pad = spec.width.saturating_sub(length);
    if !spec.left && !spec.zero {
        out.fill(b' ', pad);
    }
    out.put(sign);
    out.put(prefix);
    if !spec.left && spec.zero {
        out.fill(b'0', pad);
    }
    out.put(head.as_bytes());
    out.fill(b'0', more);
    out.put(tail.as_bytes());
    if spec.left {
        out.fill(b' ', pad);
    }
}

fn fixed(v: f64, precision: usize, point: bool) -> String {
    let dot = if point && precision == 0 { "." } else { "" };
    format!("{v:.precision$}{dot}")
}

/// Mantissa and exponent as C writes them: at least two exponent digits, always a sign.
fn exponential(v: f64, precision: usize, point: bool) -> String {
    let text = format!("{v:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let dot = if point && precision == 0 { "." } else { "" };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{dot}e{sign}{:02}", exponent.unsigned_abs())
}

fn general(v: f64, precision: usize, keep_zeros: bool) -> String {
    let scientific = format!("{v:.*e}", precision - 1);
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, e)| e.parse().ok())
        .unwrap_or(0);
    let (digits, tail) = if exponent < -4 || exponent >= precision as i32 {
        let text = exponential(v, precision - 1, keep_zeros);
        let (mantissa, exponent) = text
            .split_once('e')
            .map_or((text.clone(), String::new()), |(m, e)| {
                (m.to_owned(), format!("e{e}"))
            });
        (mantissa, exponent)
    } else {
        (
            fixed(v, (precision as i32 - 1 - exponent).max(0) as usize, keep_zeros),
            String::new(),
        )
    };
    if keep_zeros || !digits.contains('.') {
        return digits + &tail;
    }
    digits.trim_end_matches('0').trim_end_matches('.').to_owned() + &tail
}

/// `1.8p+1`: hexadecimal mantissa, binary exponent.
fn hexadecimal(v: f64, precision: Option<usize>, point: bool) -> String {
    let bits = v.to_bits();
    let (mut mantissa, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let mut exponent = if biased == 0 { -1022 } else { biased - 1023 };
    let mut lead = u64::from(biased != 0);
    if v == 0.0 {
        exponent = 0;
    }
    let mut digits = 13;
    if let Some(p) = precision.filter(|&p| p < 13) {
        // Round to nearest even at the cut.
        let cut = 52 - 4 * p as u32;
        let whole = lead << 52 | mantissa;
        let half = 1u64 << (cut - 1);
        let low = whole & ((1 << cut) - 1);
        let mut kept = whole >> cut;
        if low > half || (low == half && kept & 1 == 1) {
            kept += 1;
        }
        lead = kept >> (4 * p);
        mantissa = kept & ((1u64 << (4 * p)) - 1);
        digits = p;
    }
    let mut text = format!("{mantissa:0digits$x}");
    if digits == 0 {
        text.clear();
    }
    match precision {
        None => text.truncate(text.trim_end_matches('0').len()),
        Some(p) => text.extend(std::iter::repeat_n('0', p.saturating_sub(13))),
    }
    let dot = if point || !text.is_empty() { "." } else { "" };
    format!("{lead}{dot}{text}p{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments as a list; strings by index.
    struct List(Vec<u64>, usize, Vec<&'static [u8]>);
    impl Args for List {
        fn word(&mut self) -> Result<u32, Stop> {
            self.double_word().map(|v| v as u32)
        }
        fn double_word(&mut self) -> Result<u64, Stop> {
            self.1 += 1;
            self.0
                .get(self.1 - 1)
                .copied()
                .ok_or_else(|| Stop::because("no argument"))
        }
        fn string(&mut self, at: u32, max: usize) -> Result<Vec<u8>, Stop> {
            let s = self.2[at as usize - 1];
            Ok(s[..s.len().min(max)].to_vec())
        }
        fn wide_string(&mut self, at: u32, max: usize) -> Result<Vec<u32>, Stop> {
            Ok(self.string(at, max)?.into_iter().map(u32::from).collect())
        }
    }

    fn show(text: &str, args: &[u64]) -> String {
        let mut list = List(args.to_vec(), 0, vec![b"first", b"second"]);
        String::from_utf8(format(text.as_bytes(), &mut list, 4096).unwrap().text).unwrap()
    }

    fn d(v: f64) -> u64 {
        v.to_bits()
    }

    #[test]
    fn integers_format_as_c_does() {
        let minus = -42i64 as u64;
        for (text, args, want) in [
            (
                "%d|%5d|%-5d|%05d|%+d|% d",
                &[42, 42, 42, 42, 42, 42][..],
                "42|   42|42   |00042|+42| 42",
            ),
            ("%d %i", &[minus, 7], "-42 7"),
            ("%lld", &[minus], "-42"),
            ("%u", &[minus], "4294967254"),
            ("%x %X %#x %#o %o", &[255, 255, 255, 8, 8], "ff FF 0xff 010 10"),
            ("%#x %#o %.0d|%.0x|", &[0, 0, 0, 0], "0 0 ||"),
            (
                "%.5d|%8.5d|%-8.3x|%08.3d",
                &[42, 42, 10, 7],
                "00042|   00042|00a     |     007",
            ),
            ("%hhd %hd %hhu", &[0x1ff, 0x1ffff, 0x1ff], "-1 -1 255"),
            ("%*d|%-*d|%.*d", &[5, 1, 5, 2, 3, 4], "    1|2    |004"),
            ("%*d|", &[(-4i64) as u64, 9], "9   |"),
            ("%zu %ld %p", &[1, 2, 0xbeef], "1 2 0xbeef"),
            ("%c%c|%3c|%-3c|", &[72, 105, 33, 33], "Hi|  !|!  |"),
            ("100%% %q", &[], "100% %q"),
            ("%", &[], "%"),
        ] {
            assert_eq!(show(text, args), want, "{text}");
        }
    }

    #[test]
    fn strings_respect_width_and_precision() {
        assert_eq!(show("%s-%s", &[1, 2]), "first-second");
        assert_eq!(
            show("%8s|%-8s|%.2s|%s", &[1, 1, 2, 0]),
            "   first|first   |se|(null)"
        );
    }

    #[test]
    fn floats_format_as_c_does() {
        for (text, v, want) in [
            ("%f", 1.5, "1.500000"),
            ("%.0f %", 2.5, "2 %"),
            ("%#.0f", 2.0, "2."),
            ("%10.3f|", -2.5625, "    -2.562|"),
            ("%-10.1f|", 2.25, "2.2       |"),
            ("%010.2f", -1.5, "-000001.50"),
            ("%+.1e", 12345.678, "+1.2e+04"),
            ("%E", 0.00012, "1.200000E-04"),
            ("%e", 0.0, "0.000000e+00"),
            ("%g", 100_000.0, "100000"),
            ("%g", 1_000_000.0, "1e+06"),
            ("%g", 0.0001, "0.0001"),
            ("%g", 0.00001, "1e-05"),
            ("%.3g", 1234.5, "1.23e+03"),
            ("%#g", 1.0, "1.00000"),
            ("%G", 1e-10, "1E-10"),
            ("%a", 1.0, "0x1p+0"),
            ("%a", 3.0, "0x1.8p+1"),
            ("%.1a", 1.99, "0x2.0p+0"),
            ("%A", 0.0, "0X0P+0"),
            ("%f", f64::INFINITY, "inf"),
            ("%5.1F|", f64::NEG_INFINITY, " -INF|"),
            ("%f", f64::NAN, "nan"),
        ] {
            assert_eq!(show(text, &[d(v)]), want, "{text} of {v}");
        }
    }

    #[test]
    fn huge_widths_and_precisions_are_counted_not_built() {
        for text in [
            "%2147483647d",
            "%.2147483647d",
            "%.2147483647f",
            "%99999999999s",
            "%2147483647e",
        ] {
            let mut list = List(vec![1, 1], 0, vec![b"x"]);
            let out = format(text.as_bytes(), &mut list, 16).unwrap();
            assert_eq!(out.text.len(), 16);
            assert!(out.total >= 2_147_483_647, "{text}: {}", out.total);
        }
    }

    #[test]
    fn refused_conversions_say_so() {
        let mut list = List(vec![1, 1], 0, vec![b"x"]);
        assert!(matches!(format(&b"%n"[..], &mut list, 16), Err(Stop::Because(_))));
    }

    #[test]
    fn wide_text_is_its_bytes_in_the_locale_c() {
        assert_eq!(
            show("<%lc><%ls><%8ls><%-7.2ls><%.0ls>", &[u64::from(b's'), 1, 2, 1, 1]),
            "<s><first><  second><fi     ><>"
        );
        assert_eq!(show("%ls|%.3ls", &[0, 0]), "(null)|(nu");
        // A character without a byte ends the text, and it has no length.
        let mut list = List(vec![0x20ac, 1], 0, vec![b"x"]);
        let out = format(&b"a%lcb%s"[..], &mut list, 16).unwrap();
        assert_eq!((&out.text[..], out.total), (&b"a"[..], NO_LENGTH));
        // In a text of wide characters it is one like any other.
        let text: Vec<u32> = "\u{e4}%3lc%s%\u{20ac}".chars().map(u32::from).collect();
        let mut list = List(vec![0x20ac, 1], 0, vec![b"x"]);
        let out = format(&text, &mut list, 16).unwrap();
        let want: Vec<u32> = "\u{e4}  \u{20ac}x%\u{20ac}".chars().map(u32::from).collect();
        assert_eq!((out.text, out.total), (want, 7));
    }

    proptest::proptest! {
        #[test]
        fn any_format_string_terminates(text in proptest::collection::vec(proptest::sample::select(&b"%0123456789.*-+ #hlqjztLdiuoxXcsfFeEgGaApS abc"[..]), 0..64)) {
            let mut list = List((0..64).map(|i| i % 2 + 1).collect(), 0, vec![b"x", b"y"]);
            if let Ok(out) = format(&text, &mut list, 100) {
                proptest::prop_assert!(out.text.len() <= 100);
            }
        }
    }
}
