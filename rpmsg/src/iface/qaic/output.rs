//! Output parameters and the buffers that carry them back.

use super::{
    payload::PayloadError,
    scalar::Scalar,
    text::{Text, Texts, read_sequence},
};
use crate::wire::{Reader, Writer};

/// Fills a call's output buffers.
#[derive(Debug)]
pub struct OutWriter<'a> {
    block: Writer,
    has_block: bool,
    capacities: std::slice::Iter<'a, u32>,
    bufs: Vec<Vec<u8>>,
}

impl<'a> OutWriter<'a> {
    /// Starts for these capacities.
    ///
    /// # Errors
    /// [`PayloadError::Capacity`] if the scalar outputs do not fit.
    pub fn new(capacities: &'a [u32], block_size: u32) -> Result<Self, PayloadError> {
        let mut capacities = capacities.iter();
        if block_size != 0 {
            let found = capacities.next().copied().unwrap_or(0);
            if found < block_size {
                return Err(PayloadError::Capacity {
                    need: block_size.into(),
                    found: found.into(),
                });
            }
        }
        Ok(Self {
            block: Writer::new(),
            has_block: block_size != 0,
            capacities,
            bufs: Vec::new(),
        })
    }

    fn buffer(&mut self, bytes: Vec<u8>) -> Result<(), PayloadError> {
        let found = self.capacities.next().copied().unwrap_or(0);
        if bytes.len() as u64 > found.into() {
            return Err(PayloadError::Capacity {
                need: bytes.len() as u64,
                found: found.into(),
            });
        }
        self.bufs.push(bytes);
        Ok(())
    }

    /// The buffers.
    #[must_use]
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        if self.has_block {
            self.bufs.insert(0, self.block.finish());
        }
        self.bufs
    }
}

/// Reads a call's output buffers.
#[derive(Debug)]
pub struct OutReader<'a> {
    block: Reader<'a>,
    bufs: std::slice::Iter<'a, Vec<u8>>,
}

impl<'a> OutReader<'a> {
    /// Starts on the buffers.
    #[must_use]
    pub fn new(outs: &'a [Vec<u8>], block_size: u32) -> Self {
        let mut bufs = outs.iter();
        let block = if block_size == 0 {
            &[][..]
        } else {
            bufs.next().map_or(&[][..], Vec::as_slice)
        };
        Self {
            block: Reader::new(block),
            bufs,
        }
    }

    fn buffer(&mut self) -> Result<&'a [u8], PayloadError> {
        let missing = PayloadError::Count {
            what: "further output buffers",
            expected: 1,
            found: 0,
        };
        self.bufs.next().map(Vec::as_slice).ok_or(missing)
    }
}

/// An output parameter.
pub trait OutParam: Sized {
    /// End of the block after this field, for a block that ends at `at` before it.
    #[must_use]
    fn end(at: usize) -> usize {
        at
    }
    /// Appends it.
    ///
    /// # Errors
    /// [`PayloadError::Capacity`]
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError>;
    /// Reads it.
    ///
    /// # Errors
    /// [`PayloadError`]
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError>;
}

impl<T: Scalar> OutParam for T {
    fn end(at: usize) -> usize {
        at.checked_next_multiple_of(T::ALIGN)
            .unwrap_or(at)
            .saturating_add(T::SIZE)
    }
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        w.block.align(T::ALIGN);
        self.write(&mut w.block);
        Ok(())
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        r.block.align(T::ALIGN)?;
        Ok(T::read(&mut r.block)?)
    }
}

impl<T: Scalar> OutParam for Vec<T> {
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        let mut bytes = Writer::new();
        self.iter().for_each(|v| v.write(&mut bytes));
        w.buffer(bytes.finish())
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        read_sequence(r.buffer()?)
    }
}

/// A string in an output buffer of fixed capacity: cut to fit, NUL-terminated, the rest of the buffer zeroed.
impl OutParam for Text {
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        let capacity = w.capacities.as_slice().first().copied().unwrap_or(0);
        let mut bytes = self.as_bytes().to_vec();
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        bytes.truncate(capacity.saturating_sub(1));
        bytes.resize(capacity, 0);
        w.buffer(bytes)
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        let bytes = r.buffer()?;
        Ok(Self(bytes.split(|&b| b == 0).next().unwrap_or(&[]).to_vec()))
    }
}

/// An output sequence of strings: all buffers that are left.
impl OutParam for Texts {
    fn put(&self, w: &mut OutWriter<'_>) -> Result<(), PayloadError> {
        self.0.iter().try_for_each(|text| OutParam::put(text, w))
    }
    fn take(r: &mut OutReader<'_>) -> Result<Self, PayloadError> {
        let mut texts = Vec::new();
        while r.bufs.len() > 0 {
            texts.push(<Text as OutParam>::take(r)?);
        }
        Ok(Self(texts))
    }
}
