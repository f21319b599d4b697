//! One descriptor: what its words say, a piece of its copying at a time, and what is written back into it.
//!
//! Word 0 is the next descriptor, word 1 has the kind, the done bit and of a linear one the length, words 2 and 3 are the
//! addresses. A two-dimensional descriptor goes on with its type, lines' width and number, the distance of lines in source
//! and destination, and how much of the current line is done. A distance of 0 means the first one that does not fit its
//! field. In the wide form (type 9, V75) width, distances and done bytes have 24 bits, and the destination's distance
//! stands in word 1. Progress is kept in the words themselves, so that saving them is all that pausing takes.

use hexagon_isa::Arch;

use super::{Error, Reason};
use crate::memory::{FaultWord, MemFault, Memory};

/// Bytes copied at once.
const PIECE: u32 = 256;
const DONE: u32 = 1 << 31;
/// Word 1 of a linear descriptor: the length.
const LENGTH: u32 = 0xff_ffff;

/// Which words are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// 16 bytes.
    Linear,
    /// 32 bytes, 16-bit fields.
    Plain,
    /// 32 bytes, 24-bit fields.
    Wide,
}

/// A descriptor at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// Where it is.
    pub va: u32,
    words: [u32; 8],
    form: Form,
    /// Nothing is stored: its lines are only brought into a cache.
    fetch: bool,
    /// Nothing is read: every byte is this.
    fill: Option<u8>,
    /// Bytes of a line, as at the beginning.
    width: u32,
}

/// Why it does not go on.
#[derive(Debug)]
pub(super) enum Refused {
    /// An access faulted.
    Fault(MemFault),
    /// The engine enters its error state.
    Error(Error),
}

impl From<FaultWord> for Refused {
    fn from(fault: FaultWord) -> Self {
        MemFault::from(fault).into()
    }
}

impl From<MemFault> for Refused {
    fn from(fault: MemFault) -> Self {
        Refused::Fault(fault)
    }
}

fn refused(reason: Reason, address: u32) -> Refused {
    Refused::Error(Error { reason, address })
}

impl Descriptor {
    /// Reads and checks the descriptor at `va`, a multiple of 16.
    pub(super) fn load<M: Memory<Fault = FaultWord>>(mem: &M, va: u32, arch: Arch) -> Result<Self, Refused> {
        let mut bytes = [0; 32];
        let (head, tail) = bytes.split_at_mut(16);
        mem.load(va, head)?;
        let kind = head.get(7).copied().unwrap_or(0) & 3;
        match kind {
            0 => {}
            1 if va & 31 == 0 => mem.load(va.wrapping_add(16), tail)?,
            _ => return Err(refused(Reason::Descriptor, va)),
        }
        let mut words = [0; 8];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = chunk.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b));
        }
        let mut d = Descriptor {
            va,
            words,
            form: Form::Linear,
            fetch: false,
            fill: None,
            width: 0,
        };
        if kind == 1 {
            d.form = Form::Plain;
            match words[4] & 0xff {
                0 => {}
                3 => d.fetch = true,
                8 => d.fill = Some((words[4] >> 8) as u8),
                9 if arch >= Arch::V75 => d.form = Form::Wide,
                // 39-bit addresses, gathering, expanding, compressing: not on this core.
                _ => return Err(refused(Reason::Descriptor, va | 1)),
            }
        }
        d.width = d.line();
        let too_wide = kind == 1
            && (d.fill.is_none() && d.width > d.source_stride() || !d.fetch && d.width > d.target_stride());
        if too_wide || words[1] & DONE != 0 {
            return Err(refused(Reason::Roi, va));
        }
        if kind == 1 && d.offset() > d.width {
            return Err(refused(Reason::Roi, va));
        }
        Ok(d)
    }

    /// Bytes of a line, or of all of a linear one.
    fn line(&self) -> u32 {
        match self.form {
            Form::Linear => self.words[1] & LENGTH,
            Form::Plain => self.words[5] & 0xffff,
            Form::Wide => self.words[5] & 0xff_ffff,
        }
    }

    /// Lines that are left.
    fn height(&self) -> u32 {
        match self.form {
            Form::Linear => u32::from(self.line() != 0),
            Form::Plain => self.words[5] >> 16,
            Form::Wide => self.words[5] >> 24 | (self.words[6] & 0xff) << 8,
        }
    }

    fn set_height(&mut self, lines: u32) {
        match self.form {
            Form::Linear => {}
            Form::Plain => self.words[5] = self.words[5] & 0xffff | lines << 16,
            Form::Wide => {
                self.words[5] = self.words[5] & 0xff_ffff | lines << 24;
                self.words[6] = self.words[6] & !0xff | lines >> 8 & 0xff;
            }
        }
    }

    fn source_stride(&self) -> u32 {
        match self.form {
            Form::Linear => 0,
            Form::Plain => nonzero(self.words[6] & 0xffff, 1 << 16),
            Form::Wide => nonzero(self.words[6] >> 8, 1 << 24),
        }
    }

    fn target_stride(&self) -> u32 {
        match self.form {
            Form::Linear => 0,
            Form::Plain => nonzero(self.words[6] >> 16, 1 << 16),
            Form::Wide => nonzero(self.words[1] & 0xff_ffff, 1 << 24),
        }
    }

    /// Bytes of the current line that are done.
    fn offset(&self) -> u32 {
        match (self.form, self.fill) {
            (Form::Linear, _) => 0,
            (Form::Plain, Some(_)) => self.words[7] >> 16,
            (Form::Plain, None) => self.words[7] & 0xffff,
            (Form::Wide, _) => self.words[7] & 0xff_ffff,
        }
    }

    fn set_offset(&mut self, bytes: u32) {
        match (self.form, self.fill) {
            (Form::Linear, _) => {}
            (Form::Plain, Some(_)) => self.words[7] = self.words[7] & 0xffff | bytes << 16,
            (Form::Plain, None) => self.words[7] = self.words[7] & !0xffff | bytes,
            (Form::Wide, _) => self.words[7] = self.words[7] & !0xff_ffff | bytes,
        }
    }

    /// Is everything copied?
    pub(super) fn is_complete(&self) -> bool {
        self.height() == 0
    }

    /// Copies a piece, at most `most` bytes (and at least one); how many.
    pub(super) fn advance<M: Memory<Fault = FaultWord>>(
        &mut self,
        mem: &M,
        most: u32,
    ) -> Result<u32, Refused> {
        let offset = self.offset();
        let left = self.line().saturating_sub(offset);
        let n = left.min(PIECE).min(most.max(1));
        let [_, _, source, target, ..] = self.words;
        let end = |base: u32| {
            base.checked_add(offset)
                .filter(|at| at.checked_add(n.max(1) - 1).is_some())
        };
        let (reads, writes) = (self.fill.is_none(), !self.fetch);
        let from = end(source).or((!reads).then_some(0));
        let to = end(target).or((!writes).then_some(0));
        let from = from.ok_or(refused(Reason::Descriptor, self.va | 2))?;
        let to = to.ok_or(refused(Reason::Descriptor, self.va | 3))?;
        let mut buffer = [self.fill.unwrap_or(0); PIECE as usize];
        let piece = buffer.get_mut(..n as usize).unwrap_or_default();
        if reads && n > 0 {
            mem.load(from, piece)?;
        }
        if writes && n > 0 {
            mem.store(to, piece)?;
        }
        if self.form == Form::Linear {
            self.words[1] -= n;
            self.words[2] = source.wrapping_add(n);
            self.words[3] = target.wrapping_add(n);
            return self.checked(left > n, source, target).map(|()| n);
        }
        if n < left {
            self.set_offset(offset + n);
            return Ok(n);
        }
        self.set_offset(0);
        self.set_height(self.height() - 1);
        if reads {
            self.words[2] = source.wrapping_add(self.source_stride());
        }
        if writes {
            self.words[3] = target.wrapping_add(self.target_stride());
        }
        self.checked(!self.is_complete(), source, target).map(|()| n)
    }

    /// With something left to do, addresses must not have run over the end.
    fn checked(&self, more: bool, source: u32, target: u32) -> Result<(), Refused> {
        if more && self.fill.is_none() && self.words[2] < source {
            return Err(refused(Reason::Descriptor, self.va | 2));
        }
        if more && !self.fetch && self.words[3] < target {
            return Err(refused(Reason::Descriptor, self.va | 3));
        }
        Ok(())
    }

    /// Writes the progress into the descriptor, but for the next one's address, which is not the engine's.
    pub(super) fn save<M: Memory<Fault = FaultWord>>(&self, mem: &M) -> Result<(), MemFault> {
        let (words, _) = self.words.split_at(if self.form == Form::Linear { 4 } else { 8 });
        let bytes: Vec<u8> = words.iter().skip(1).flat_map(|w| w.to_le_bytes()).collect();
        Ok(mem.store(self.va.wrapping_add(4), &bytes)?)
    }

    /// Marks the descriptor as done. Addresses stay as the program wrote them; sizes are used up.
    pub(super) fn finish<M: Memory<Fault = FaultWord>>(&mut self, mem: &M) -> Result<(), MemFault> {
        if self.form != Form::Linear {
            let width = if self.form == Form::Wide {
                0xff_ffff
            } else {
                0xffff
            };
            self.words[5] &= !width;
            self.set_offset(0);
            let words = self.words.iter().skip(5).flat_map(|w| w.to_le_bytes());
            mem.store(self.va.wrapping_add(20), &words.collect::<Vec<u8>>())?;
        }
        Ok(mem.store32(self.va.wrapping_add(4), self.words[1] | DONE)?)
    }
}

fn nonzero(v: u32, otherwise: u32) -> u32 {
    if v == 0 { otherwise } else { v }
}
