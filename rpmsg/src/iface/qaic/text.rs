//! Strings, sequences and capacities: what parameters are that are no single fields.

use super::{payload::PayloadError, scalar::Scalar};
use crate::wire::Reader;
use std::fmt;

/// A string: its bytes without the terminating NUL.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// The bytes up to the first NUL, which is where C code stops.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&b| b == 0).next().unwrap_or(&[])
    }

    /// As text, with replacement characters for what is not UTF-8.
    #[must_use]
    pub fn to_lossy(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    pub(super) fn with_nul(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes.push(0);
        bytes
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// A string with its NUL at the end, and nowhere else.
pub(super) fn terminated(bytes: &[u8]) -> Result<Text, PayloadError> {
    match bytes.split_last() {
        Some((0, text)) => Ok(Text(text.to_vec())),
        _ => Err(PayloadError::NotTerminated),
    }
}

/// A sequence of fields that fill a buffer.
pub(super) fn read_sequence<T: Scalar>(bytes: &[u8]) -> Result<Vec<T>, PayloadError> {
    let mut r = Reader::new(bytes);
    let mut out = Vec::with_capacity(bytes.len().checked_div(T::SIZE).unwrap_or(0));
    while r.remaining() >= T::SIZE && r.remaining() > 0 {
        out.push(T::read(&mut r)?);
    }
    Ok(out)
}

/// A sequence of strings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(pub Vec<Text>);

/// Capacity of an output sequence, in elements of `ELEM` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cap<const ELEM: u32>(pub u32);

/// Capacities of an output sequence of strings, in bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextCaps(pub Vec<u32>);
