//! Shared memory as 32-bit words: what SMEM, SMP2P and the FIFOs in SMEM need from the memory that the AP and the DSP share.
//!
//! Offsets are bytes from the start of one region. Nothing here lends out references: the other side may write at any time, so
//! every value is copied out once and judged afterwards.

use std::cell::RefCell;

/// An access that is not wholly inside the region, or not aligned to 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("offset {offset:#x} is outside of {size:#x} bytes of shared memory or not aligned")]
pub struct Outside {
    /// Byte offset of the access.
    pub offset: u32,
    /// Size of the region in bytes.
    pub size: u32,
}

/// A region of shared memory. Words are little-endian on the wire and host values here.
pub trait Words {
    /// Bytes in the region.
    fn size(&self) -> u32;
    /// Loads a word; acquire.
    ///
    /// # Errors
    /// [`Outside`]
    fn load(&self, offset: u32) -> Result<u32, Outside>;
    /// Stores a word; release.
    ///
    /// # Errors
    /// [`Outside`]
    fn store(&self, offset: u32, word: u32) -> Result<(), Outside>;
    /// Replaces a word if it still is `old` and tells whether it was, as one atomic step; acquire and release.
    ///
    /// # Errors
    /// [`Outside`]
    fn compare_exchange(&self, offset: u32, old: u32, new: u32) -> Result<bool, Outside>;
}

impl<W: Words + ?Sized> Words for &W {
    fn size(&self) -> u32 {
        (**self).size()
    }
    fn load(&self, offset: u32) -> Result<u32, Outside> {
        (**self).load(offset)
    }
    fn store(&self, offset: u32, word: u32) -> Result<(), Outside> {
        (**self).store(offset, word)
    }
    fn compare_exchange(&self, offset: u32, old: u32, new: u32) -> Result<bool, Outside> {
        (**self).compare_exchange(offset, old, new)
    }
}

/// A part of a region, with offsets of its own.
#[derive(Debug, Clone, Copy)]
pub struct Window<W> {
    words: W,
    base: u32,
    size: u32,
}

impl<W: Words> Window<W> {
    /// The `size` bytes at `base`.
    ///
    /// # Errors
    /// [`Outside`] if they are not all in the region, or `base` is not a multiple of 4.
    pub fn new(words: W, base: u32, size: u32) -> Result<Self, Outside> {
        let whole = words.size();
        match base.checked_add(size) {
            Some(end) if end <= whole && base.is_multiple_of(4) => Ok(Self { words, base, size }),
            _ => Err(Outside {
                offset: base,
                size: whole,
            }),
        }
    }

    /// Where the part starts in its region.
    #[must_use]
    pub const fn base(&self) -> u32 {
        self.base
    }

    fn at(&self, offset: u32) -> Result<u32, Outside> {
        let outside = Outside {
            offset,
            size: self.size,
        };
        match offset.checked_add(4) {
            Some(end) if end <= self.size => self.base.checked_add(offset).ok_or(outside),
            _ => Err(outside),
        }
    }
}

impl<W: Words> Words for Window<W> {
    fn size(&self) -> u32 {
        self.size
    }
    fn load(&self, offset: u32) -> Result<u32, Outside> {
        self.words.load(self.at(offset)?)
    }
    fn store(&self, offset: u32, word: u32) -> Result<(), Outside> {
        self.words.store(self.at(offset)?, word)
    }
    fn compare_exchange(&self, offset: u32, old: u32, new: u32) -> Result<bool, Outside> {
        self.words.compare_exchange(self.at(offset)?, old, new)
    }
}

/// A region in ordinary memory of one thread: images that are inspected, and tests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    bytes: RefCell<Vec<u8>>,
}

impl Image {
    /// A region with these contents; what exceeds 4 GiB is out of reach.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: RefCell::new(bytes),
        }
    }

    /// A copy of the contents.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    fn with<T>(&self, offset: u32, f: impl FnOnce(&mut [u8; 4]) -> T) -> Result<T, Outside> {
        let outside = Outside {
            offset,
            size: self.size(),
        };
        let at = usize::try_from(offset).map_err(|_| outside)?;
        let mut bytes = self.bytes.borrow_mut();
        match bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            Some(word) if offset.is_multiple_of(4) => Ok(f(word)),
            _ => Err(outside),
        }
    }
}

impl Words for Image {
    fn size(&self) -> u32 {
        crate::wire::wire_len(self.bytes.borrow().len())
    }
    fn load(&self, offset: u32) -> Result<u32, Outside> {
        self.with(offset, |word| u32::from_le_bytes(*word))
    }
    fn store(&self, offset: u32, word: u32) -> Result<(), Outside> {
        self.with(offset, |to| *to = word.to_le_bytes())
    }
    fn compare_exchange(&self, offset: u32, old: u32, new: u32) -> Result<bool, Outside> {
        self.with(offset, |word| {
            let same = u32::from_le_bytes(*word) == old;
            if same {
                *word = new.to_le_bytes();
            }
            same
        })
    }
}

/// Copies `len` bytes out, word by word; `len` is cut to what the region holds behind `offset`.
///
/// # Errors
/// [`Outside`] if `offset` is not a multiple of 4 or not in the region.
pub fn read_bytes<W: Words + ?Sized>(words: &W, offset: u32, len: u32) -> Result<Vec<u8>, Outside> {
    let len = len.min(words.size().saturating_sub(offset));
    let mut bytes = Vec::new();
    for at in (0..len).step_by(4) {
        bytes.extend_from_slice(&words.load(offset.saturating_add(at))?.to_le_bytes());
    }
    bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    Ok(bytes)
}

/// Copies bytes in, word by word, the last word filled up with zeros.
///
/// # Errors
/// [`Outside`]; the words before are written then.
pub fn write_bytes<W: Words + ?Sized>(words: &W, offset: u32, bytes: &[u8]) -> Result<(), Outside> {
    let mut at = offset;
    for chunk in bytes.chunks(4) {
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        words.store(at, u32::from_le_bytes(word))?;
        at = at.saturating_add(4);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_little_endian_aligned_and_inside() {
        let image = Image::new(vec![1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(image.load(4), Ok(0x0807_0605));
        for offset in [1, 6, 8, u32::MAX] {
            assert_eq!(image.load(offset), Err(Outside { offset, size: 8 }));
            assert!(image.store(offset, 0).is_err());
            assert!(image.compare_exchange(offset, 0, 0).is_err());
        }
        assert_eq!(image.compare_exchange(0, 1, 9), Ok(false));
        assert_eq!(image.compare_exchange(0, 0x0403_0201, 9), Ok(true));
        assert_eq!(image.bytes(), [9, 0, 0, 0, 5, 6, 7, 8]);
    }

    #[test]
    fn a_window_ends_where_it_ends() {
        let image = Image::new((0..16).collect());
        assert!(Window::new(&image, 8, 12).is_err());
        assert!(Window::new(&image, 2, 4).is_err());
        assert!(Window::new(&image, u32::MAX, 4).is_err());
        let window = Window::new(&image, 4, 8).unwrap();
        assert_eq!(window.load(4), image.load(8));
        assert!(window.load(8).is_err());
        assert!(window.store(u32::MAX, 0).is_err());
    }

    #[test]
    fn bytes_go_in_and_out() {
        let image = Image::new(vec![0xFF; 16]);
        write_bytes(&image, 4, b"hello").unwrap();
        assert_eq!(read_bytes(&image, 4, 8).unwrap(), b"hello\0\0\0");
        assert_eq!(read_bytes(&image, 4, 3).unwrap(), b"hel");
        assert_eq!(read_bytes(&image, 12, 100).unwrap(), [0xFF; 4]);
        assert_eq!(read_bytes(&image, 16, 100).unwrap(), b"");
        assert!(read_bytes(&image, 2, 4).is_err());
        assert!(write_bytes(&image, 12, b"hello").is_err());
    }
}
