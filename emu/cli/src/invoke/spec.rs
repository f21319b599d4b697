//! How buffers are written on the command line.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use host_files::output::{self, Existing};

/// Most bytes of one buffer; a DSP cannot map more anyway.
const MAX: u64 = 2 << 30;

/// An input buffer, and what it adds to the block of scalars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    bytes: Vec<u8>,
    /// Number of elements, for the block.
    count: Option<u32>,
}

/// A number's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Unsigned(u8),
    Signed(u8),
    Float(u8),
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "u8" => Self::Unsigned(1),
            "u16" => Self::Unsigned(2),
            "u32" => Self::Unsigned(4),
            "u64" => Self::Unsigned(8),
            "i8" => Self::Signed(1),
            "i16" => Self::Signed(2),
            "i32" => Self::Signed(4),
            "i64" => Self::Signed(8),
            "f32" => Self::Float(4),
            "f64" => Self::Float(8),
            _ => return None,
        })
    }

    const fn size(self) -> usize {
        match self {
            Self::Unsigned(n) | Self::Signed(n) | Self::Float(n) => n as usize,
        }
    }

    fn encode(self, text: &str) -> anyhow::Result<Vec<u8>> {
        if let Self::Float(size) = self {
            let value: f64 = text.parse().map_err(|_| anyhow!("{text:?} is not a number"))?;
            return Ok(if size == 4 {
                (value as f32).to_le_bytes().to_vec()
            } else {
                value.to_le_bytes().to_vec()
            });
        }
        self.encode_integer(integer(text)?)
    }

    fn encode_integer(self, value: i128) -> anyhow::Result<Vec<u8>> {
        let bits = self.size() * 8;
        let range = match self {
            Self::Unsigned(_) => 0..=(1i128 << bits) - 1,
            Self::Signed(_) => -(1i128 << (bits - 1))..=(1i128 << (bits - 1)) - 1,
            Self::Float(4) => return Ok((value as f32).to_le_bytes().to_vec()),
            Self::Float(_) => return Ok((value as f64).to_le_bytes().to_vec()),
        };
        if !range.contains(&value) {
            bail!("{value} is outside {}..={}", range.start(), range.end());
        }
        Ok(value.to_le_bytes().into_iter().take(self.size()).collect())
    }

    fn print(self, bytes: &[u8]) -> String {
        let mut wide = [0; 16];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let unsigned = u128::from_le_bytes(wide);
        match self {
            Self::Unsigned(_) => unsigned.to_string(),
            Self::Signed(size) => {
                let unused = 128 - u32::from(size) * 8;
                ((unsigned << unused).cast_signed() >> unused).to_string()
            }
            Self::Float(4) => f32::from_bits(unsigned as u32).to_string(),
            Self::Float(_) => f64::from_bits(unsigned as u64).to_string(),
        }
    }
}

fn integer(text: &str) -> anyhow::Result<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let parsed = match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let value = parsed.map_err(|_| anyhow!("{text:?} is not a whole number"))?;
    Ok(if negative { -value } else { value })
}

/// `1,2,3`, `0..1000`, `0..1000..5`, `7*100`: bytes and number of elements.
fn numbers(kind: Number, text: &str) -> anyhow::Result<(Vec<u8>, u64)> {
    let (mut bytes, mut count) = (Vec::new(), 0u64);
    let room = |count: u64| {
        if count.saturating_mul(kind.size() as u64) > MAX {
            Err(anyhow!("more than {MAX} bytes"))
        } else {
            Ok(())
        }
    };
    for item in text.split(',').filter(|item| !item.is_empty()) {
        if let Some((from, rest)) = item.split_once("..") {
            let (to, step) = rest.split_once("..").unwrap_or((rest, "1"));
            let (from, to, step) = (integer(from)?, integer(to)?, integer(step)?);
            if step <= 0 {
                bail!("the step of {item:?} is not positive");
            }
            let mut value = from;
            while value < to {
                room(count + 1)?;
                bytes.extend(kind.encode_integer(value)?);
                (value, count) = (value + step, count + 1);
            }
        } else if let Some((value, times)) = item.split_once('*') {
            let times = u64::try_from(integer(times)?).map_err(|_| anyhow!("{item:?}: repeat how often?"))?;
            room(count.saturating_add(times))?;
            let one = kind.encode(value)?;
            (0..times).for_each(|_| bytes.extend(&one));
            count += times;
        } else {
            room(count + 1)?;
            bytes.extend(kind.encode(item)?);
            count += 1;
        }
    }
    Ok((bytes, count))
}

fn hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
    if !digits.len().is_multiple_of(2) {
        bail!("an odd number of hex digits");
    }
    digits
        .chunks(2)
        .map(|pair| {
            let byte: String = pair.iter().collect();
            u8::from_str_radix(&byte, 16).map_err(|_| anyhow!("{byte:?} is not a hex byte"))
        })
        .collect()
}

impl Input {
    /// Reads a specification.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let plain = |bytes| Ok(Self { bytes, count: None });
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "hex" => plain(hex(rest)?),
            "str" => plain(rest.as_bytes().to_vec()),
            "file" => plain(std::fs::read(rest).with_context(|| format!("cannot read {rest}"))?),
            "zero" => {
                let len = integer(rest)
                    .ok()
                    .and_then(|n| u64::try_from(n).ok())
                    .filter(|n| *n <= MAX);
                plain(vec![
                    0;
                    len.with_context(|| format!("{rest:?} is not a length up to {MAX}"))?
                        as usize
                ])
            }
            "string" => {
                let mut bytes = rest.as_bytes().to_vec();
                bytes.push(0);
                let count = Some(u32::try_from(bytes.len())?);
                Ok(Self { bytes, count })
            }
            "seq" => {
                let (kind, values) = rest.split_once(':').context("a sequence is seq:TYPE:VALUES")?;
                let kind = Number::parse(kind)
                    .with_context(|| format!("{kind:?} is not a type (u8 … i64, f32, f64)"))?;
                let (bytes, count) = numbers(kind, values)?;
                Ok(Self {
                    bytes,
                    count: Some(u32::try_from(count)?),
                })
            }
            _ => plain(block(text)?),
        }
    }
}

/// `u32:7+u64:1`: naturally aligned.
fn block(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    for part in text.split('+') {
        let (kind, values) = part.split_once(':').with_context(|| {
            format!("{part:?} is not a buffer: TYPE:VALUES, hex:…, str:…, file:PATH, zero:N, seq:TYPE:VALUES or string:…")
        })?;
        let number =
            Number::parse(kind).with_context(|| format!("{kind:?} is not a type (u8 … i64, f32, f64)"))?;
        bytes.resize(bytes.len().next_multiple_of(number.size()), 0);
        bytes.extend(numbers(number, values)?.0);
    }
    Ok(bytes)
}

/// The method's input buffers. If a sequence or string is among them, the lengths of all of them, in order, stand in the first block:
/// behind the scalars of the first specification if that is a block, else in a block that is put before it.
pub fn lay_out(inputs: Vec<Input>) -> Vec<Vec<u8>> {
    let counts: Vec<u8> = inputs
        .iter()
        .filter_map(|input| input.count)
        .flat_map(u32::to_le_bytes)
        .collect();
    let has_block = inputs.first().is_some_and(|first| first.count.is_none());
    let mut buffers: Vec<Vec<u8>> = inputs.into_iter().map(|input| input.bytes).collect();
    if counts.is_empty() {
        return buffers;
    }
    if !has_block {
        buffers.insert(0, Vec::new());
    }
    if let Some(block) = buffers.first_mut() {
        block.resize(block.len().next_multiple_of(4), 0);
        block.extend(counts);
    }
    buffers
}

/// An output buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    len: u64,
    show: Show,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Show {
    Numbers(Number),
    Text,
    Dump,
    File(PathBuf),
}

impl Output {
    /// Reads a specification.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let length = |digits: &str, size: usize| {
            let count = integer(digits).ok().and_then(|n| u64::try_from(n).ok());
            let len = count
                .and_then(|n| n.checked_mul(size as u64))
                .filter(|len| *len <= MAX);
            len.with_context(|| format!("{digits:?} is not a length up to {MAX} bytes"))
        };
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        if let Some(number) = Number::parse(kind) {
            let count = if rest.is_empty() { "1" } else { rest };
            return Ok(Self {
                len: length(count, number.size())?,
                show: Show::Numbers(number),
            });
        }
        match kind {
            "str" => Ok(Self {
                len: length(rest, 1)?,
                show: Show::Text,
            }),
            "hex" => Ok(Self {
                len: length(rest, 1)?,
                show: Show::Dump,
            }),
            "file" => {
                let (path, len) = rest
                    .rsplit_once(':')
                    .context("an output file is file:PATH:LENGTH")?;
                Ok(Self {
                    len: length(len, 1)?,
                    show: Show::File(path.into()),
                })
            }
            _ if rest.is_empty() => Ok(Self {
                len: length(kind, 1)?,
                show: Show::Dump,
            }),
            _ => bail!(
                "{text:?} is not an output: TYPE[:COUNT], LENGTH, hex:LENGTH, str:LENGTH or file:PATH:LENGTH"
            ),
        }
    }

    /// Capacity in bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Prints it, or writes it to its file.
    pub fn show(&self, bytes: &[u8], existing: Existing) -> anyhow::Result<()> {
        match &self.show {
            Show::File(path) => {
                output::write(path, bytes, existing)?;
            }
            _ => crate::output::say!("{}", self.text(bytes)),
        }
        Ok(())
    }

    fn text(&self, bytes: &[u8]) -> String {
        match &self.show {
            Show::Numbers(number) => {
                let values: Vec<String> = bytes
                    .chunks_exact(number.size())
                    .map(|b| number.print(b))
                    .collect();
                values.join(" ")
            }
            Show::Text => {
                let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
                String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
            }
            Show::Dump | Show::File(_) => dump(bytes),
        }
    }
}

/// Offset, sixteen bytes in hex, the same as text.
fn dump(bytes: &[u8]) -> String {
    let line = |(index, row): (usize, &[u8])| {
        let hex: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
        let text: String = row
            .iter()
            .map(|&b| {
                if (0x20..0x7f).contains(&b) {
                    char::from(b)
                } else {
                    '.'
                }
            })
            .collect();
        format!("{:08x}  {:<47}  {text}", index * 16, hex.join(" "))
    };
    bytes
        .chunks(16)
        .enumerate()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ins(specs: &[&str]) -> Vec<Vec<u8>> {
        lay_out(specs.iter().map(|spec| Input::parse(spec).unwrap()).collect())
    }

    #[test]
    fn numbers_ranges_and_repeats() {
        assert_eq!(ins(&["u32:1000"]), [1000u32.to_le_bytes()]);
        assert_eq!(ins(&["i32:0..3"]), [[0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]]);
        assert_eq!(ins(&["u8:0..10..4,0xff,7*2"]), [[0, 4, 8, 255, 7, 7]]);
        assert_eq!(ins(&["i16:-2..0"]), [[0xfe, 0xff, 0xff, 0xff]]);
        assert_eq!(ins(&["f32:1.5,-2"]), [[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]]);
        assert_eq!(ins(&["f64:0..2"])[0].len(), 16);
        assert_eq!(
            ins(&["hex:00 ff_12", "str:ab", "zero:3"]),
            [&[0, 255, 0x12][..], b"ab", &[0; 3]]
        );
    }

    #[test]
    fn blocks_are_aligned() {
        assert_eq!(
            ins(&["u8:1+u32:2+u64:3"]),
            [[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]]
        );
    }

    #[test]
    fn sequences_write_their_lengths_into_the_first_block() {
        assert_eq!(
            ins(&["seq:i32:5,6"]),
            [&[2, 0, 0, 0][..], &[5, 0, 0, 0, 6, 0, 0, 0]]
        );
        assert_eq!(
            ins(&["u16:9", "string:hi"]),
            [&[9, 0, 0, 0, 3, 0, 0, 0][..], b"hi\0"]
        );
        assert_eq!(
            ins(&["seq:u8:1", "seq:u8:"]),
            [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[1], &[]]
        );
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (spec, word) in [
            ("u32:x", "whole number"),
            ("u8:256", "outside"),
            ("i8:-129", "outside"),
            ("u33:1", "type"),
            ("1234", "buffer"),
            ("hex:0", "odd"),
            ("hex:zz", "hex byte"),
            ("seq:i32", "seq:TYPE"),
            ("u32:0..4..0", "step"),
            ("zero:99999999999", "length"),
            ("u64:0..99999999999", "bytes"),
            ("u8:1*-1", "how often"),
            ("file:/no/such/file", "cannot read"),
        ] {
            let error = format!("{:#}", Input::parse(spec).unwrap_err());
            assert!(error.contains(word), "{spec}: {error}");
        }
        for spec in [
            "",
            "x",
            "u32:-1",
            "file:x",
            "str:",
            "i64:99999999999999",
            "bytes:3",
        ] {
            assert!(Output::parse(spec).is_err(), "{spec}");
        }
    }

    #[test]
    fn outputs_print_by_their_type() {
        let text = |spec: &str, bytes: &[u8]| Output::parse(spec).unwrap().text(bytes);
        assert_eq!(Output::parse("u32:4").unwrap().len(), 16);
        assert_eq!(text("i64", &499_500i64.to_le_bytes()), "499500");
        assert_eq!(text("i8:2", &[0xff, 1]), "-1 1");
        assert_eq!(text("f32", &1.5f32.to_le_bytes()), "1.5");
        assert_eq!(text("str:8", b"abc\0\0\0\0\0"), "abc");
        assert_eq!(
            text("3", b"a\0c"),
            "00000000  61 00 63                                         a.c"
        );
    }
}
