//! Where things stand in an invoke buffer of n arguments.
//!
//! Source: `fastrpc_get_meta_size` and `fastrpc_get_args` in the kernel's fastrpc.c; `qda_fastrpc.c` for QDA.
//!
//! | offset | size | content |
//! |---|---|---|
//! | 0 | 16·n | argument descriptors |
//! | 16n | 8·n | page list: {u32 num, u32 pgidx} |
//! | 24n | 16·n | pages: {u64 addr, u64 size} |
//! | 40n | 128 | fdlist, written by the DSP |
//! | 40n+128 | 256 | CRC words, unused |
//! | 40n+384 | 4 | poll word, 7.3 and later only |

use super::scalars::Scalars;

/// What a DSP writes into the poll word when a polled call succeeded (`FASTRPC_POLL_RESPONSE`).
pub const POLL_RESPONSE: u32 = 0xdecaf;
/// Entries of the fdlist.
pub const FDLIST_ENTRIES: usize = 16;
/// Alignment of inline arguments.
pub const INLINE_ALIGN: u64 = 128;

/// Which metadata a driver writes. The DSP never needs to know it: arguments are found through their pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metadata {
    /// Kernels 6.1 to 6.12 and QDA (RFC, v1): no poll word.
    WithoutPollWord,
    /// Kernel 7.3: a poll word after the CRC words.
    WithPollWord,
}

/// Offsets for one number of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvokeLayout {
    args: u64,
}

impl InvokeLayout {
    /// For `args` arguments; capped at the most that scalars can name.
    #[must_use]
    pub const fn new(args: usize) -> Self {
        Self {
            args: if args > Scalars::MAX_ARGS {
                Scalars::MAX_ARGS as u64
            } else {
                args as u64
            },
        }
    }

    /// Number of arguments.
    #[must_use]
    pub const fn args(self) -> u64 {
        self.args
    }

    /// Start of the page list.
    #[must_use]
    pub const fn list(self) -> u64 {
        self.args.saturating_mul(16)
    }

    /// Start of the pages.
    #[must_use]
    pub const fn pages(self) -> u64 {
        self.args.saturating_mul(24)
    }

    /// Bytes from the start that describe the arguments: what the DSP has to snapshot. The fdlist starts here.
    #[must_use]
    pub const fn descriptors(self) -> u64 {
        self.args.saturating_mul(40)
    }

    /// Start of the fdlist.
    #[must_use]
    pub const fn fdlist(self) -> u64 {
        self.descriptors()
    }

    /// Start of the CRC words.
    #[must_use]
    pub const fn crc(self) -> u64 {
        self.fdlist().saturating_add(128)
    }

    /// Place of the poll word, for drivers that have one. Also the size of the metadata without it.
    #[must_use]
    pub const fn poll_word(self) -> u64 {
        self.crc().saturating_add(256)
    }

    /// Size of the metadata (not yet rounded up to [`INLINE_ALIGN`]).
    #[must_use]
    pub const fn metadata(self, kind: Metadata) -> u64 {
        match kind {
            Metadata::WithoutPollWord => self.poll_word(),
            Metadata::WithPollWord => self.poll_word().saturating_add(4),
        }
    }
}

/// The fdlist for these DMA handles: file descriptors whose maps the kernel shall drop. At most 16 fit; the rest is left to the
/// caller (second value) for a later call of the same process. Shorter lists end with a zero entry, so 0 is not a usable
/// descriptor and is skipped.
#[must_use]
pub fn encode_fdlist(fds: &[i32]) -> (Vec<u8>, Vec<i32>) {
    let usable: Vec<i32> = fds.iter().copied().filter(|&fd| fd != 0).collect();
    let (now, later) = usable.split_at(usable.len().min(FDLIST_ENTRIES));
    let mut bytes: Vec<u8> = now
        .iter()
        .flat_map(|&fd| u64::from(fd.cast_unsigned()).to_le_bytes())
        .collect();
    if now.len() < FDLIST_ENTRIES && !now.is_empty() {
        bytes.extend_from_slice(&0u64.to_le_bytes());
    }
    (bytes, later.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calculator_sum_of_the_spec() {
        let layout = InvokeLayout::new(3);
        assert_eq!(
            (layout.list(), layout.pages(), layout.fdlist(), layout.crc()),
            (0x30, 0x48, 0x78, 0xf8)
        );
        assert_eq!(layout.poll_word(), 0x1f8);
        assert_eq!(layout.metadata(Metadata::WithPollWord), 508);
        assert_eq!(layout.metadata(Metadata::WithoutPollWord), 504);
    }

    #[test]
    fn fdlist_is_terminated_unless_full() {
        assert_eq!(encode_fdlist(&[]), (vec![], vec![]));
        let (bytes, later) = encode_fdlist(&[7, 0, 9]);
        assert_eq!(
            bytes,
            [7u64, 9, 0]
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<_>>()
        );
        assert!(later.is_empty());
        let many: Vec<i32> = (1..=18).collect();
        let (bytes, later) = encode_fdlist(&many);
        assert_eq!((bytes.len(), later), (128, vec![17, 18]));
    }
}
