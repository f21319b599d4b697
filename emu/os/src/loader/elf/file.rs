//! The file's bytes, read at checked places.

use super::image::ElfError;

/// Bytes with checked little-endian reads.
pub(super) struct File<'a>(pub &'a [u8]);

impl<'a> File<'a> {
    pub fn slice(&self, what: &'static str, at: u64, len: u64) -> Result<&'a [u8], ElfError> {
        let end = at.saturating_add(len);
        let range = usize::try_from(at).ok().zip(usize::try_from(end).ok());
        range
            .and_then(|(a, b)| self.0.get(a..b))
            .ok_or(ElfError::Truncated {
                what,
                at,
                end,
                len: self.0.len() as u64,
            })
    }

    pub fn u16(&self, what: &'static str, at: u64) -> Result<u16, ElfError> {
        Ok(self
            .slice(what, at, 2)?
            .try_into()
            .map(u16::from_le_bytes)
            .unwrap_or_default())
    }

    pub fn u32(&self, what: &'static str, at: u64) -> Result<u32, ElfError> {
        Ok(self
            .slice(what, at, 4)?
            .try_into()
            .map(u32::from_le_bytes)
            .unwrap_or_default())
    }
}

/// Little-endian word `index` of a table; 0 behind its end.
pub(super) fn word(bytes: &[u8], index: usize) -> u32 {
    let at = index.saturating_mul(4);
    bytes
        .get(at..at.saturating_add(4))
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}
