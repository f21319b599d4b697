//! Protocol Buffers on the wire: fields with a number and a wire type, in any order.
//!
//! Source: the public encoding specification (protobuf.dev/programming-guides/encoding). Of a field that is not repeated the last
//! one counts, and messages in several such fields are merged, which is the same as joining their bytes ([`Message::join`]).
//! Fields that nobody knows are skipped. Groups (wire types 3 and 4), which no schema uses any more, are refused. Nothing
//! here recurses: an embedded message is parsed by whoever knows that it is one.

use crate::wire::{Reader, Truncated, Writer};

/// Largest number of a field.
pub const MAX_NUMBER: u32 = (1 << 29) - 1;

/// What a field holds; its wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Type 0: integers, enumerations, booleans.
    Varint(u64),
    /// Type 1: eight bytes.
    Fixed64(u64),
    /// Type 2: strings, bytes, embedded messages.
    Bytes(&'a [u8]),
    /// Type 5: four bytes.
    Fixed32(u32),
}

/// Why bytes are no message, or not this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// A field runs past the end of the message.
    #[error("protobuf: {0}")]
    Truncated(#[from] Truncated),
    /// An integer of more than ten bytes or 64 bits.
    #[error("protobuf integer at offset {0} has more than 64 bits")]
    Varint(usize),
    /// A field's number is 0 or larger than [`MAX_NUMBER`].
    #[error("protobuf field {0}, which cannot be")]
    Number(u64),
    /// A group, or a wire type that does not exist.
    #[error("protobuf field {number} has wire type {wire_type}")]
    WireType {
        /// The field.
        number: u32,
        /// Its wire type.
        wire_type: u8,
    },
    /// A field has another wire type than the message gives it.
    #[error("protobuf field {0} is of another type")]
    Type(u32),
    /// A required field is missing.
    #[error("protobuf field {0} is missing")]
    Missing(u32),
    /// A string is not UTF-8, or has a NUL in it.
    #[error("protobuf field {0} is not a valid string")]
    Text(u32),
}

/// A message's fields, undecoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message<'a> {
    fields: Vec<(u32, Value<'a>)>,
}

impl<'a> Message<'a> {
    /// Splits a message.
    ///
    /// # Errors
    /// [`ProtobufError`], but none that a field of a known message has.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ProtobufError> {
        let mut r = Reader::new(bytes);
        let mut fields = Vec::new();
        while r.remaining() > 0 {
            let tag = varint(&mut r)?;
            let number = tag >> 3;
            let number = u32::try_from(number)
                .ok()
                .filter(|n| (1..=MAX_NUMBER).contains(n))
                .ok_or(ProtobufError::Number(number))?;
            let value = match tag & 7 {
                0 => Value::Varint(varint(&mut r)?),
                1 => Value::Fixed64(r.u64()?),
                2 => {
                    let length = varint(&mut r)?;
                    Value::Bytes(r.take(usize::try_from(length).unwrap_or(usize::MAX))?)
                }
                5 => Value::Fixed32(r.u32()?),
                other => {
                    let wire_type = u8::try_from(other).unwrap_or(u8::MAX);
                    return Err(ProtobufError::WireType { number, wire_type });
                }
            };
            fields.push((number, value));
        }
        Ok(Self { fields })
    }

    /// All fields, in the order of the wire.
    #[must_use]
    pub fn fields(&self) -> &[(u32, Value<'a>)] {
        &self.fields
    }

    fn all<T>(
        &self,
        number: u32,
        of: impl Fn(Value<'a>) -> Option<T>,
    ) -> impl DoubleEndedIterator<Item = Result<T, ProtobufError>> {
        let found = self.fields.iter().filter(move |(n, _)| *n == number);
        found.map(move |(_, value)| of(*value).ok_or(ProtobufError::Type(number)))
    }

    fn last<T>(&self, number: u32, of: impl Fn(Value<'a>) -> Option<T>) -> Result<Option<T>, ProtobufError> {
        let mut last = None;
        for value in self.all(number, of) {
            last = Some(value?);
        }
        Ok(last)
    }

    /// An integer, enumeration or boolean.
    ///
    /// # Errors
    /// [`ProtobufError::Type`]
    pub fn varint(&self, number: u32) -> Result<Option<u64>, ProtobufError> {
        self.last(number, |value| match value {
            Value::Varint(value) => Some(value),
            _ => None,
        })
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`ProtobufError::Type`]
    pub fn fixed32(&self, number: u32) -> Result<Option<u32>, ProtobufError> {
        self.last(number, |value| match value {
            Value::Fixed32(value) => Some(value),
            _ => None,
        })
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`ProtobufError::Type`]
    pub fn fixed64(&self, number: u32) -> Result<Option<u64>, ProtobufError> {
        self.last(number, |value| match value {
            Value::Fixed64(value) => Some(value),
            _ => None,
        })
    }

    /// Bytes; of a string too, which [`text`] makes of them.
    ///
    /// # Errors
    /// [`ProtobufError::Type`]
    pub fn bytes(&self, number: u32) -> Result<Option<&'a [u8]>, ProtobufError> {
        self.last(number, as_bytes)
    }

    /// A repeated field of bytes or messages, in order.
    ///
    /// # Errors
    /// [`ProtobufError::Type`]
    pub fn repeated(&self, number: u32) -> Result<Vec<&'a [u8]>, ProtobufError> {
        self.all(number, as_bytes).collect()
    }

    /// An embedded message that is not repeated: all its occurrences, joined.
    ///
    /// # Errors
    /// [`ProtobufError::Type`]
    pub fn join(&self, number: u32) -> Result<Option<Vec<u8>>, ProtobufError> {
        let parts = self.repeated(number)?;
        Ok((!parts.is_empty()).then(|| parts.concat()))
    }
}

const fn as_bytes(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// The string in field `number`.
///
/// # Errors
/// [`ProtobufError::Text`]
pub fn text(number: u32, bytes: &[u8]) -> Result<String, ProtobufError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(ProtobufError::Text(number)),
    }
}

fn varint(r: &mut Reader<'_>) -> Result<u64, ProtobufError> {
    let at = r.position();
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = r.u8()?;
        let bits = u64::from(byte & 0x7f);
        // the tenth byte has one bit left
        if shift == 63 && bits > 1 {
            return Err(ProtobufError::Varint(at));
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ProtobufError::Varint(at))
}

/// Builds a message, field by field.
#[derive(Debug, Clone, Default)]
pub struct Builder(Writer);

impl Builder {
    /// Starts empty.
    #[must_use]
    pub const fn new() -> Self {
        Self(Writer::new())
    }

    /// Appends a field.
    pub fn field(&mut self, number: u32, value: Value<'_>) -> &mut Self {
        let wire_type = match value {
            Value::Varint(_) => 0,
            Value::Fixed64(_) => 1,
            Value::Bytes(_) => 2,
            Value::Fixed32(_) => 5,
        };
        self.varint(u64::from(number) << 3 | wire_type);
        match value {
            Value::Varint(value) => self.varint(value),
            Value::Fixed64(value) => drop(self.0.u64(value)),
            Value::Fixed32(value) => drop(self.0.u32(value)),
            Value::Bytes(bytes) => {
                self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                self.0.bytes(bytes);
            }
        }
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.u8(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.0.u8(u8::try_from(value).unwrap_or(0));
    }

    /// The message's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// The examples of the specification: 150 in field 1, "testing" in field 2.
    #[test]
    fn vectors_of_the_specification() {
        let bytes = [8, 0x96, 1, 0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g'];
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.varint(1), Ok(Some(150)));
        assert_eq!(message.bytes(2), Ok(Some(&b"testing"[..])));
        assert_eq!(message.varint(3), Ok(None));
        assert_eq!(message.fixed64(1), Err(ProtobufError::Type(1)));
        let mut b = Builder::new();
        b.field(1, Value::Varint(150)).field(2, Value::Bytes(b"testing"));
        assert_eq!(b.finish(), bytes);
    }

    #[test]
    fn the_last_field_counts_and_messages_are_joined() {
        let bytes = [8, 1, 8, 2, 0x12, 1, b'a', 0x12, 1, b'b', 0x1d, 4, 3, 2, 1];
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.varint(1), Ok(Some(2)));
        assert_eq!(message.join(2), Ok(Some(b"ab".to_vec())));
        assert_eq!(message.repeated(2), Ok(vec![&b"a"[..], b"b"]));
        assert_eq!(message.fixed32(3), Ok(Some(0x0102_0304)));
        assert_eq!(message.join(4), Ok(None));
        let mixed = Message::parse(&[8, 1, 0x0d, 0, 0, 0, 0]).unwrap();
        assert_eq!(mixed.varint(1), Err(ProtobufError::Type(1)), "one of two");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let error = |bytes: &[u8]| Message::parse(bytes).unwrap_err();
        assert!(matches!(error(&[8]), ProtobufError::Truncated(_)));
        assert!(matches!(error(&[0x12, 2, 0]), ProtobufError::Truncated(_)));
        assert!(matches!(
            error(&[9, 0, 0, 0, 0, 0, 0, 0]),
            ProtobufError::Truncated(_)
        ));
        assert_eq!(error(&[0, 0]), ProtobufError::Number(0));
        let large = [0x80, 0x80, 0x80, 0x80, 0x10, 0];
        assert_eq!(error(&large), ProtobufError::Number(1 << 29));
        for wire_type in [3, 4, 6, 7] {
            let expected = ProtobufError::WireType { number: 1, wire_type };
            assert_eq!(error(&[8 | wire_type]), expected);
        }
        // lengths that wrap around, integers of 65 bits and of eleven bytes
        let far = [&[0x12][..], &[0xff; 9], &[1]].concat();
        assert!(matches!(error(&far), ProtobufError::Truncated(_)));
        let wide = [&[8][..], &[0xff; 9], &[2]].concat();
        assert_eq!(error(&wide), ProtobufError::Varint(1));
        let long = [&[8][..], &[0x80; 10], &[0]].concat();
        assert_eq!(error(&long), ProtobufError::Varint(1));
        assert_eq!(text(4, b"a\0"), Err(ProtobufError::Text(4)));
        assert_eq!(text(4, b"\xff"), Err(ProtobufError::Text(4)));
    }

    fn value<'a>(kind: u8, number: u64, bytes: &'a [u8]) -> Value<'a> {
        match kind {
            0 => Value::Varint(number),
            1 => Value::Fixed64(number),
            2 => Value::Bytes(bytes),
            _ => Value::Fixed32(number as u32),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_split_or_fail(bytes in vec(any::<u8>(), 0..60)) {
            let Ok(message) = Message::parse(&bytes) else { return Ok(()) };
            let mut b = Builder::new();
            for (number, value) in message.fields() {
                b.field(*number, *value);
            }
            let again = b.finish();
            prop_assert_eq!(Message::parse(&again), Ok(message));
        }

        #[test]
        fn fields_come_back(
            list in vec((1..=MAX_NUMBER, 0u8..4, any::<u64>(), vec(any::<u8>(), 0..20)), 0..8),
        ) {
            let fields: Vec<_> = list.iter().map(|(n, k, x, b)| (*n, value(*k, *x, b))).collect();
            let mut b = Builder::new();
            for (number, value) in &fields {
                b.field(*number, *value);
            }
            let bytes = b.finish();
            prop_assert_eq!(Message::parse(&bytes), Ok(Message { fields }));
        }
    }
}
