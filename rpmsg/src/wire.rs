//! Reading and writing little-endian fields: the one place where byte offsets are counted.

/// The input ended before the field did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("truncated at offset {at}: {need} more bytes needed, {have} there")]
pub struct Truncated {
    /// Offset of the field.
    pub at: usize,
    /// Size of the field in bytes.
    pub need: usize,
    /// Bytes from `at` to the end of the input.
    pub have: usize,
}

/// Reads fields from a byte slice, front to back.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far, padding included.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Truncated`] if fewer are left; nothing is consumed then.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let end = self.at.saturating_add(count);
        let Some(found) = self.bytes.get(self.at..end) else {
            return Err(Truncated {
                at: self.at,
                need: count,
                have: self.remaining(),
            });
        };
        self.at = end;
        Ok(found)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// Skips to the next multiple of `alignment`, counted from the start of the input.
    ///
    /// # Errors
    /// [`Truncated`] if the input ends before.
    pub fn align(&mut self, alignment: usize) -> Result<(), Truncated> {
        let target = self.at.checked_next_multiple_of(alignment).unwrap_or(usize::MAX);
        self.take(target.saturating_sub(self.at)).map(drop)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_le_bytes)
    }

    /// A 16-bit word.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    /// A 32-bit word.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    /// A signed 32-bit word.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn i32(&mut self) -> Result<i32, Truncated> {
        self.array().map(i32::from_le_bytes)
    }

    /// A 64-bit word.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_le_bytes)
    }

    /// A signed 64-bit word.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn i64(&mut self) -> Result<i64, Truncated> {
        self.array().map(i64::from_le_bytes)
    }
}

/// Appends fields to a byte vector.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends zero bytes up to the next multiple of `alignment`.
    pub fn align(&mut self, alignment: usize) -> &mut Self {
        if let Some(target) = self.bytes.len().checked_next_multiple_of(alignment) {
            self.bytes.resize(target, 0);
        }
        self
    }

    /// Appends a byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a 16-bit word.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a 32-bit word.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a signed 32-bit word.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a 64-bit word.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a signed 64-bit word.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A length as the wire carries it. Lengths that do not fit saturate; the message with such a buffer cannot be built anyway,
/// because every wire here limits a buffer to less than 4 GiB.
#[must_use]
pub fn wire_len(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_order() {
        let mut w = Writer::new();
        w.u8(1)
            .u16(2)
            .u32(3)
            .u64(4)
            .i32(-5)
            .i64(-6)
            .bytes(b"abc")
            .align(8);
        let bytes = w.finish();
        assert_eq!(bytes.len() % 8, 0);
        let mut r = Reader::new(&bytes);
        assert_eq!(
            (r.u8(), r.u16(), r.u32(), r.u64(), r.i32(), r.i64()),
            (Ok(1), Ok(2), Ok(3), Ok(4), Ok(-5), Ok(-6))
        );
        assert_eq!(r.take(3), Ok(&b"abc"[..]));
        r.align(8).unwrap();
        assert_eq!(r.remaining(), 0);
    }

    #[test]
    fn a_short_field_consumes_nothing() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(
            r.u32(),
            Err(Truncated {
                at: 0,
                need: 4,
                have: 3
            })
        );
        assert_eq!(r.u16(), Ok(0x0201));
        assert_eq!(
            r.take(usize::MAX),
            Err(Truncated {
                at: 2,
                need: usize::MAX,
                have: 1
            })
        );
        assert!(r.align(8).is_err());
    }
}
