//! Characters of texts: bytes, and wide characters. What formats and scans is written once, for both.

/// A character of a text.
pub trait Unit: Copy + Eq {
    /// Its number.
    fn code(self) -> u32;
    /// The character of a byte, which is the same one in the locale "C".
    fn of_byte(byte: u8) -> Self;
    /// The character of a wide one, if there is one.
    fn of_wide(wide: u32) -> Option<Self>;

    /// The byte that it is in the locale "C".
    fn byte(self) -> Option<u8> {
        u8::try_from(self.code()).ok()
    }
}

impl Unit for u8 {
    fn code(self) -> u32 {
        self.into()
    }
    fn of_byte(byte: u8) -> Self {
        byte
    }
    fn of_wide(wide: u32) -> Option<Self> {
        wide.try_into().ok()
    }
}

impl Unit for u32 {
    fn code(self) -> u32 {
        self
    }
    fn of_byte(byte: u8) -> Self {
        byte.into()
    }
    fn of_wide(wide: u32) -> Option<Self> {
        Some(wide)
    }
}

/// The bytes of a wide text; `None`: one of its characters has none.
pub fn bytes(text: &[u32]) -> Option<Vec<u8>> {
    text.iter().map(|wide| wide.byte()).collect()
}
