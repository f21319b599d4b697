//! Input parameters and the buffers that carry them to the side that is called.

use super::{
    payload::{Kind, Payload, PayloadError},
    scalar::Scalar,
    text::{Cap, Text, TextCaps, Texts, read_sequence, terminated},
};
use crate::{
    fastrpc::scalars::Scalars,
    wire::{Reader, Writer, wire_len},
};

/// Collects a call's buffers.
#[derive(Debug, Default)]
pub struct InWriter {
    block: Writer,
    align: usize,
    bufs: Vec<Vec<u8>>,
    outs: Vec<u32>,
}

impl InWriter {
    fn scalar<T: Scalar>(&mut self, value: &T) {
        self.align = self.align.max(T::ALIGN).max(4);
        self.block.align(T::ALIGN);
        value.write(&mut self.block);
    }

    /// Starts the payload of method `index`.
    #[must_use]
    pub fn new(index: u32, kind: Kind) -> Self {
        let mut new = Self::default();
        let method = index.saturating_add(kind.first());
        if method >= 31 {
            new.scalar(&method);
        }
        new
    }

    /// Puts the collected parts together.
    #[must_use]
    pub fn finish(mut self, index: u32, kind: Kind, reply_block: u32) -> Payload {
        let mut ins = Vec::new();
        if !self.block.is_empty() {
            self.block.align(self.align);
            ins.push(self.block.finish());
        }
        ins.append(&mut self.bufs);
        let mut outs = Vec::new();
        if reply_block != 0 {
            outs.push(reply_block);
        }
        outs.append(&mut self.outs);
        let count = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let method = u8::try_from(index.saturating_add(kind.first()).min(31)).unwrap_or(31);
        Payload {
            sc: Scalars::new(method, count(ins.len()), count(outs.len())),
            ins,
            outs,
        }
    }
}

/// Takes a call's buffers apart.
#[derive(Debug)]
pub struct InReader<'a> {
    block: Reader<'a>,
    bufs: std::slice::Iter<'a, Vec<u8>>,
    outs: std::slice::Iter<'a, u32>,
}

impl<'a> InReader<'a> {
    /// Starts on a payload. `has_block` says whether the method has any input parameter; `reply_block` is the size of its
    /// scalar outputs.
    ///
    /// # Errors
    /// [`PayloadError`] if the buffers that both imply are not there.
    pub fn new(
        payload: &'a Payload,
        kind: Kind,
        index: u32,
        has_block: bool,
        reply_block: u32,
    ) -> Result<Self, PayloadError> {
        payload.check_counts()?;
        let extended = index.saturating_add(kind.first()) >= 31;
        let mut bufs = payload.ins.iter();
        let mut block = Reader::new(&[]);
        if has_block || extended {
            block = Reader::new(bufs.next().ok_or(PayloadError::Count {
                what: "input buffers",
                expected: 1,
                found: 0,
            })?);
        }
        if extended {
            block.u32()?;
        }
        let mut outs = payload.outs.iter();
        if reply_block != 0 {
            match outs.next() {
                Some(&size) if size >= reply_block => {}
                found => {
                    let found = found.copied().unwrap_or(0).into();
                    return Err(PayloadError::Capacity {
                        need: reply_block.into(),
                        found,
                    });
                }
            }
        }
        Ok(Self { block, bufs, outs })
    }

    fn scalar<T: Scalar>(&mut self) -> Result<T, PayloadError> {
        self.block.align(T::ALIGN)?;
        Ok(T::read(&mut self.block)?)
    }

    /// The next buffer; its first `claimed` bytes.
    fn buffer(&mut self, claimed: u64) -> Result<&'a [u8], PayloadError> {
        let buffer = self.bufs.next().ok_or(PayloadError::Count {
            what: "further input buffers",
            expected: 1,
            found: 0,
        })?;
        let found = buffer.len() as u64;
        usize::try_from(claimed)
            .ok()
            .and_then(|n| buffer.get(..n))
            .ok_or(PayloadError::Length { claimed, found })
    }

    fn out(&mut self, claimed: u64) -> Result<(), PayloadError> {
        let found = self.outs.next().copied().ok_or(PayloadError::Count {
            what: "further output buffers",
            expected: 1,
            found: 0,
        })?;
        if u64::from(found) < claimed {
            return Err(PayloadError::Capacity {
                need: claimed,
                found: found.into(),
            });
        }
        Ok(())
    }

    /// Checks that no buffers are left.
    ///
    /// # Errors
    /// [`PayloadError::Count`]
    pub fn finish(self) -> Result<(), PayloadError> {
        let left = self.bufs.len().saturating_add(self.outs.len());
        if left == 0 {
            Ok(())
        } else {
            Err(PayloadError::Count {
                what: "buffers too many",
                expected: 0,
                found: left,
            })
        }
    }
}

/// An input parameter.
pub trait InParam: Sized {
    /// Appends it.
    fn put(&self, w: &mut InWriter);
    /// Reads it.
    ///
    /// # Errors
    /// [`PayloadError`]
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError>;
}

impl<T: Scalar> InParam for T {
    fn put(&self, w: &mut InWriter) {
        w.scalar(self);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        r.scalar()
    }
}

impl InParam for Text {
    fn put(&self, w: &mut InWriter) {
        let bytes = self.with_nul();
        w.scalar(&wire_len(bytes.len()));
        w.bufs.push(bytes);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let len: u32 = r.scalar()?;
        terminated(r.buffer(len.into())?)
    }
}

/// A sequence of scalars.
impl<T: Scalar> InParam for Vec<T> {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&wire_len(self.len()));
        let mut bytes = Writer::new();
        self.iter().for_each(|v| v.write(&mut bytes));
        w.bufs.push(bytes.finish());
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        read_sequence(r.buffer(u64::from(count).saturating_mul(T::SIZE as u64))?)
    }
}

impl InParam for Texts {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&wire_len(self.0.len()));
        let strings: Vec<Vec<u8>> = self.0.iter().map(Text::with_nul).collect();
        w.bufs.push(
            strings
                .iter()
                .flat_map(|s| wire_len(s.len()).to_le_bytes())
                .collect(),
        );
        w.bufs.extend(strings);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        let lens: Vec<u32> = read_sequence(r.buffer(u64::from(count).saturating_mul(4))?)?;
        let texts = lens
            .iter()
            .map(|&len| terminated(r.buffer(len.into())?))
            .collect::<Result<_, _>>()?;
        Ok(Self(texts))
    }
}

impl<const ELEM: u32> InParam for Cap<ELEM> {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&self.0);
        w.outs.push(self.0.saturating_mul(ELEM));
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        r.out(u64::from(count).saturating_mul(ELEM.into()))?;
        Ok(Self(count))
    }
}

impl InParam for TextCaps {
    fn put(&self, w: &mut InWriter) {
        w.scalar(&wire_len(self.0.len()));
        w.bufs.push(self.0.iter().flat_map(|c| c.to_le_bytes()).collect());
        w.outs.extend(&self.0);
    }
    fn take(r: &mut InReader<'_>) -> Result<Self, PayloadError> {
        let count: u32 = r.scalar()?;
        let caps: Vec<u32> = read_sequence(r.buffer(u64::from(count).saturating_mul(4))?)?;
        for &cap in &caps {
            r.out(cap.into())?;
        }
        Ok(Self(caps))
    }
}
