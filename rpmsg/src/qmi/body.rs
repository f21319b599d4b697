//! Type-length-value elements of a message, and messages as structures.
//!
//! Source: `qmi_encode` and `qmi_decode` in `drivers/soc/qcom/qmi_encdec.c`. An element is {type u8, length u16, value}. Types
//! below [`OPTIONAL`] are mandatory: a receiver that does not know one refuses the message; unknown optional ones are
//! skipped. A string element has no terminator; inside of other elements a string carries its length in front.

use crate::wire::{Reader, Truncated, Writer};

/// First type of optional elements (`OPTIONAL_TLV_TYPE_START`).
pub const OPTIONAL: u8 = 0x10;

/// Why a message's elements are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// An element's header or value runs past the end of the message.
    #[error("QMI element: {0}")]
    Truncated(#[from] Truncated),
    /// A mandatory element is missing.
    #[error("QMI element {0:#04x} is missing")]
    Missing(u8),
    /// A mandatory element that the message does not have.
    #[error("unknown mandatory QMI element {0:#04x}")]
    Unknown(u8),
    /// A value is too short or too long for its type.
    #[error("QMI element {element:#04x} has {length} bytes")]
    Length {
        /// Type of the element.
        element: u8,
        /// Length of its value in bytes.
        length: usize,
    },
    /// A string is longer than its limit, or not UTF-8, or has a NUL in it.
    #[error("QMI element {0:#04x} is not a valid string")]
    Text(u8),
}

/// A message as a structure.
pub trait Body: Sized {
    /// Number of the message in its service.
    const ID: u16;

    /// Writes all elements.
    fn write(&self, e: &mut Elements);

    /// Reads all elements.
    ///
    /// # Errors
    /// [`BodyError`]
    fn read(e: &Elements) -> Result<Self, BodyError>;

    /// The elements as bytes.
    fn encode(&self) -> Vec<u8> {
        let mut elements = Elements::default();
        self.write(&mut elements);
        elements.encode()
    }

    /// Parses the elements of a message.
    ///
    /// # Errors
    /// [`BodyError`], also for a mandatory element that `Self` does not have.
    fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let elements = Elements::parse(body)?;
        let value = Self::read(&elements)?;
        // what a message of this type writes is what it knows
        let mut known = Elements::default();
        value.write(&mut known);
        match elements
            .list
            .iter()
            .find(|(t, _)| *t < OPTIONAL && known.find(*t).is_none())
        {
            Some((unknown, _)) => Err(BodyError::Unknown(*unknown)),
            None => Ok(value),
        }
    }
}

/// Elements in the order of the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elements {
    list: Vec<(u8, Vec<u8>)>,
}

impl Elements {
    /// Splits a body.
    ///
    /// # Errors
    /// [`BodyError::Truncated`]
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        let mut r = Reader::new(body);
        let mut list = Vec::new();
        while r.remaining() > 0 {
            let element = r.u8()?;
            let length = r.u16()?;
            list.push((element, r.take(usize::from(length))?.to_vec()));
        }
        Ok(Self { list })
    }

    /// The body's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        for (element, value) in &self.list {
            let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
            w.u8(*element).u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
            w.bytes(value);
        }
        w.finish()
    }

    /// All elements.
    #[must_use]
    pub fn list(&self) -> &[(u8, Vec<u8>)] {
        &self.list
    }

    /// The value of an element; of several the last, as the kernel's decoder has it.
    #[must_use]
    pub fn find(&self, element: u8) -> Option<&[u8]> {
        let found = self.list.iter().rfind(|(t, _)| *t == element);
        found.map(|(_, value)| value.as_slice())
    }

    /// Appends an element.
    pub fn put(&mut self, element: u8, write: impl FnOnce(&mut Writer)) {
        let mut w = Writer::new();
        write(&mut w);
        self.list.push((element, w.finish()));
    }

    /// Reads an element if it is there.
    ///
    /// # Errors
    /// [`BodyError::Length`] if `read` wants more bytes or leaves some.
    pub fn get<T>(
        &self,
        element: u8,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Truncated>,
    ) -> Result<Option<T>, BodyError> {
        let Some(value) = self.find(element) else {
            return Ok(None);
        };
        let length = value.len();
        let mut r = Reader::new(value);
        match read(&mut r) {
            Ok(value) if r.remaining() == 0 => Ok(Some(value)),
            _ => Err(BodyError::Length { element, length }),
        }
    }

    /// Reads a mandatory element.
    ///
    /// # Errors
    /// [`BodyError`]
    pub fn need<T>(
        &self,
        element: u8,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Truncated>,
    ) -> Result<T, BodyError> {
        self.get(element, read)?.ok_or(BodyError::Missing(element))
    }

    /// Appends a string element, cut to `limit` bytes at a character's end.
    pub fn put_text(&mut self, element: u8, text: &str, limit: usize) {
        let text = cut(text, limit);
        self.put(element, |w| {
            w.bytes(text.as_bytes());
        });
    }

    /// Reads a mandatory string element of at most `limit` bytes.
    ///
    /// # Errors
    /// [`BodyError::Missing`] or [`BodyError::Text`]
    pub fn text(&self, element: u8, limit: usize) -> Result<String, BodyError> {
        let value = self.find(element).ok_or(BodyError::Missing(element))?;
        text(value, limit).ok_or(BodyError::Text(element))
    }
}

/// The longest prefix of at most `limit` bytes that ends between characters.
#[must_use]
pub fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// A string of at most `limit` bytes without NUL.
#[must_use]
pub fn text(value: &[u8], limit: usize) -> Option<String> {
    if value.len() > limit || value.contains(&0) {
        return None;
    }
    std::str::from_utf8(value).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[derive(Debug, PartialEq)]
    struct Example {
        name: String,
        number: Option<u32>,
    }

    impl Body for Example {
        const ID: u16 = 1;
        fn write(&self, e: &mut Elements) {
            e.put_text(1, &self.name, 4);
            if let Some(number) = self.number {
                e.put(OPTIONAL, |w| {
                    w.u32(number);
                });
            }
        }
        fn read(e: &Elements) -> Result<Self, BodyError> {
            Ok(Self {
                name: e.text(1, 4)?,
                number: e.get(OPTIONAL, |r| r.u32())?,
            })
        }
    }

    #[test]
    fn optional_and_mandatory_elements() {
        let plain = [1, 2, 0, b'a', b'b'];
        let value = Example {
            name: "ab".into(),
            number: None,
        };
        assert_eq!(Example::decode(&plain), Ok(value));
        let full = [0x10, 4, 0, 1, 2, 3, 4, 1, 0, 0];
        let value = Example {
            name: String::new(),
            number: Some(0x0403_0201),
        };
        assert_eq!(Example::decode(&full), Ok(value));
        assert_eq!(
            Example::decode(&full[..7]),
            Err(BodyError::Missing(1)),
            "mandatory, even if the rest is there"
        );
        assert_eq!(Example::decode(&[1, 0, 0, 2, 0, 0]), Err(BodyError::Unknown(2)));
        assert!(
            Example::decode(&[1, 0, 0, 0x11, 0, 0]).is_ok(),
            "unknown but optional"
        );
        assert_eq!(
            Example::decode(&[1, 0, 0, 0x10, 3, 0, 0, 0, 0]),
            Err(BodyError::Length {
                element: 0x10,
                length: 3
            })
        );
        assert_eq!(
            Example::decode(&[1, 0, 0, 0x10, 5, 0, 0, 0, 0, 0, 0]),
            Err(BodyError::Length {
                element: 0x10,
                length: 5
            })
        );
        assert!(matches!(Example::decode(&[1, 0]), Err(BodyError::Truncated(_))));
        assert!(matches!(
            Example::decode(&[1, 1, 0]),
            Err(BodyError::Truncated(_))
        ));
        for text in [&b"abcde"[..], b"\xff", b"a\0"] {
            let mut e = Elements::default();
            e.put(1, |w| {
                w.bytes(text);
            });
            assert_eq!(Example::decode(&e.encode()), Err(BodyError::Text(1)));
        }
        assert_eq!(
            Example::decode(&[1, 1, 0, b'x', 1, 1, 0, b'y']).unwrap().name,
            "y",
            "the last one counts"
        );
    }

    #[test]
    fn strings_are_cut_between_characters() {
        let value = Example {
            name: "abcä".into(),
            number: None,
        };
        assert_eq!(value.encode(), [1, 3, 0, b'a', b'b', b'c']);
    }

    proptest! {
        #[test]
        fn any_bytes_split_or_fail(bytes in vec(any::<u8>(), 0..60)) {
            if let Ok(elements) = Elements::parse(&bytes) {
                prop_assert_eq!(&elements.encode(), &bytes);
            }
            if let Ok(example) = Example::decode(&bytes) {
                prop_assert_eq!(Example::decode(&example.encode()), Ok(example));
            }
        }

        #[test]
        fn elements_come_back(list in vec((any::<u8>(), vec(any::<u8>(), 0..20)), 0..8)) {
            let elements = Elements { list };
            prop_assert_eq!(Elements::parse(&elements.encode()), Ok(elements));
        }
    }
}
