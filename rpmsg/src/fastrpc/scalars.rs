//! The scalars word: method number and argument counts of a call.
//!
//! Source: `FASTRPC_BUILD_SCALARS` in the kernel's fastrpc.c, `REMOTE_SCALARS_MAKEX` in the library's remote.h.
//!
//! | bits | 31:29 | 28:24 | 23:16 | 15:8 | 7:4 | 3:0 |
//! |---|---|---|---|---|---|---|
//! | | attributes | method | in buffers | out buffers | in handles | out handles |

use std::fmt;

/// A scalars word. Every 32-bit value is one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scalars(pub u32);

impl Scalars {
    /// Most arguments that one word can name: 255 + 255 + 15 + 15.
    pub const MAX_ARGS: usize = 540;

    /// A word with buffers only. `method` is cut to its 5 bits.
    #[must_use]
    pub const fn new(method: u8, in_bufs: u8, out_bufs: u8) -> Self {
        Self::with_handles(method, in_bufs, out_bufs, 0, 0)
    }

    /// A word with buffers and DMA handles. `method` is cut to its 5 bits, handle counts to their 4.
    #[must_use]
    pub const fn with_handles(
        method: u8,
        in_bufs: u8,
        out_bufs: u8,
        in_handles: u8,
        out_handles: u8,
    ) -> Self {
        Self(
            (method as u32 & 0x1F) << 24
                | (in_bufs as u32) << 16
                | (out_bufs as u32) << 8
                | (in_handles as u32 & 0xF) << 4
                | (out_handles as u32 & 0xF),
        )
    }

    /// Attribute bits 31:29 (0 for every call of the upstream driver).
    #[must_use]
    pub const fn attributes(self) -> u8 {
        (self.0 >> 29) as u8
    }

    /// Method number 0..=31; 31 says that the real index is the first word of the first input buffer.
    #[must_use]
    pub const fn method(self) -> u8 {
        (self.0 >> 24) as u8 & 0x1F
    }

    /// Number of input buffers.
    #[must_use]
    pub const fn in_bufs(self) -> usize {
        (self.0 >> 16 & 0xFF) as usize
    }

    /// Number of output buffers.
    #[must_use]
    pub const fn out_bufs(self) -> usize {
        (self.0 >> 8 & 0xFF) as usize
    }

    /// Number of input handles.
    #[must_use]
    pub const fn in_handles(self) -> usize {
        (self.0 >> 4 & 0xF) as usize
    }

    /// Number of output handles.
    #[must_use]
    pub const fn out_handles(self) -> usize {
        (self.0 & 0xF) as usize
    }

    /// Number of buffers, in and out.
    #[must_use]
    pub const fn bufs(self) -> usize {
        self.in_bufs().saturating_add(self.out_bufs())
    }

    /// Number of arguments of all four kinds.
    #[must_use]
    pub const fn args(self) -> usize {
        self.bufs()
            .saturating_add(self.in_handles())
            .saturating_add(self.out_handles())
    }

    /// Which kind argument `index` is; `None` beyond the last. Order: in buffers, out buffers, in handles, out handles.
    #[must_use]
    pub const fn kind(self, index: usize) -> Option<ArgKind> {
        let in_handle_end = self.bufs().saturating_add(self.in_handles());
        if index < self.in_bufs() {
            Some(ArgKind::In)
        } else if index < self.bufs() {
            Some(ArgKind::Out)
        } else if index < in_handle_end {
            Some(ArgKind::InHandle)
        } else if index < self.args() {
            Some(ArgKind::OutHandle)
        } else {
            None
        }
    }
}

/// The four kinds of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// Buffer that the DSP reads.
    In,
    /// Buffer that the DSP writes.
    Out,
    /// DMA buffer handed to the DSP.
    InHandle,
    /// DMA buffer handed back by the DSP.
    OutHandle,
}

impl fmt::Display for Scalars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for Scalars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Scalars({:#010x}: method {}, {} in, {} out, {} in handles, {} out handles)",
            self.0,
            self.method(),
            self.in_bufs(),
            self.out_bufs(),
            self.in_handles(),
            self.out_handles()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn calculator_sum() {
        let sc = Scalars(0x0202_0100);
        assert_eq!(
            (sc.method(), sc.in_bufs(), sc.out_bufs(), sc.args()),
            (2, 2, 1, 3)
        );
        assert_eq!(Scalars::new(2, 2, 1), sc);
        assert_eq!(sc.kind(2), Some(ArgKind::Out));
        assert_eq!(sc.kind(3), None);
    }

    #[test]
    fn handles() {
        let sc = Scalars(0x0500_0010);
        assert_eq!((sc.in_handles(), sc.kind(0)), (1, Some(ArgKind::InHandle)));
        assert_eq!(Scalars(u32::MAX).args(), Scalars::MAX_ARGS);
    }

    proptest! {
        #[test]
        fn fields_rebuild_the_word(word in any::<u32>()) {
            let sc = Scalars(word);
            let again = Scalars::with_handles(
                sc.method(), sc.in_bufs() as u8, sc.out_bufs() as u8, sc.in_handles() as u8, sc.out_handles() as u8,
            );
            prop_assert_eq!(again.0 | u32::from(sc.attributes()) << 29, word);
            prop_assert_eq!((0..600).filter(|&i| sc.kind(i).is_some()).count(), sc.args());
        }
    }
}
