//! The arguments of a call, parsed from a snapshot of its invoke buffer.
//!
//! Source: `fastrpc_get_args` in the kernel's fastrpc.c. The caller copies the first [`InvokeLayout::descriptors`] bytes once
//! and parses that copy, because the guest can change the buffer at any time. An argument's bytes are found through its page
//! only: `page.addr + (pv & page_mask)`; `pv` itself is an address of the kernel or of the user process and means nothing here.
//!
//! Deliberately not modelled: page lists with more than one entry (downstream drivers only) and attributes in the scalars word.

use super::{
    address::Addressing,
    layout::InvokeLayout,
    message::Message,
    scalars::{ArgKind, Scalars},
};
use crate::wire::{Reader, Truncated};

/// A range of device memory as a driver describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Page {
    /// Device address, stream ID in its upper bits.
    pub addr: u64,
    /// Size in bytes.
    pub size: u64,
}

impl Page {
    /// Bytes on the wire (`struct fastrpc_phy_page`).
    pub const SIZE: usize = 16;

    /// Parses {u64 addr, u64 size}.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn parse(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            addr: r.u64()?,
            size: r.u64()?,
        })
    }

    /// The 16 bytes.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = self.addr.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes
    }
}

/// One argument, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// A buffer of length 0, or a handle without memory behind it that is no DMA descriptor either.
    Empty,
    /// A buffer.
    Buffer {
        /// Address in the caller (kernel or user space), meaningless here but for traces.
        pv: u64,
        /// Length in bytes, below 2³¹ and never 0.
        len: u32,
        /// Device address of the first byte, stream ID stripped. All `len` bytes follow it contiguously.
        iova: u64,
        /// The page-granular range that contains it, stream ID stripped.
        page: Page,
    },
    /// A DMA buffer.
    Handle {
        /// File descriptor (RFC version of QDA: GEM handle): only a key.
        fd: i32,
        /// Offset into the buffer at which the caller's part starts.
        offset: u32,
        /// Registered length, counted from the buffer's start (so `offset + len` may exceed the buffer); 0 when the caller
        /// never registered it.
        len: u32,
        /// The whole buffer, stream ID stripped; `None` when `len` is 0.
        page: Option<Page>,
    },
}

impl Arg {
    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> u32 {
        match *self {
            Self::Empty => 0,
            Self::Buffer { len, .. } | Self::Handle { len, .. } => len,
        }
    }

    /// Whether there are no bytes behind it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why an invoke buffer is refused. `index` is the argument's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArgError {
    /// The snapshot is shorter than the descriptors.
    #[error("argument descriptors: {0}")]
    Truncated(#[from] Truncated),
    /// More than one page for an argument.
    #[error("argument {index}: page list of {num} entries")]
    PageCount {
        /// Argument.
        index: usize,
        /// Entries announced.
        num: u32,
    },
    /// The page index is beyond the page array.
    #[error("argument {index}: page index {pgidx} beyond the last page")]
    PageIndex {
        /// Argument.
        index: usize,
        /// Page index.
        pgidx: u32,
    },
    /// A length without a page.
    #[error("argument {index}: {len} bytes, but no page")]
    NoPage {
        /// Argument.
        index: usize,
        /// Length in bytes.
        len: u64,
    },
    /// 2 GiB and more cannot be mapped on a 32-bit DSP.
    #[error("argument {index}: length {len:#x} is too large")]
    TooLarge {
        /// Argument.
        index: usize,
        /// Length in bytes.
        len: u64,
    },
    /// Page address or size is not a multiple of the guest's page size, or the page wraps around or is empty.
    #[error("argument {index}: impossible page {addr:#x}+{size:#x}")]
    BadPage {
        /// Argument.
        index: usize,
        /// Address with stream ID.
        addr: u64,
        /// Size in bytes.
        size: u64,
    },
    /// The bytes do not fit into the page range.
    #[error("argument {index}: offset {offset:#x} + {len:#x} bytes leave a page range of {size:#x}")]
    OutsidePage {
        /// Argument.
        index: usize,
        /// Offset of the first byte in the range.
        offset: u64,
        /// Length in bytes.
        len: u64,
        /// Size of the range.
        size: u64,
    },
    /// The page belongs to another session than the message.
    #[error("argument {index}: stream ID {found} in a message of stream ID {expected}")]
    ForeignSid {
        /// Argument.
        index: usize,
        /// Stream ID of the page.
        found: u32,
        /// Stream ID of the message.
        expected: u32,
    },
}

/// Parses the arguments of `message` from a snapshot of its invoke buffer's first [`InvokeLayout::descriptors`] bytes (a
/// longer snapshot is fine). The result has `message.sc.args()` entries in wire order.
///
/// # Errors
/// The first malformed descriptor.
pub fn parse_args(message: &Message, snapshot: &[u8], addressing: &Addressing) -> Result<Vec<Arg>, ArgError> {
    let descriptors = Descriptors::parse(message.sc, snapshot)?;
    let (expected, _) = addressing.split(message.addr);
    let page_of = |index: usize, list: ListEntry, len: u64| -> Result<Page, ArgError> {
        if list.num > 1 {
            return Err(ArgError::PageCount { index, num: list.num });
        }
        if list.num == 0 {
            return Err(ArgError::NoPage { index, len });
        }
        let page = usize::try_from(list.pgidx)
            .ok()
            .and_then(|i| descriptors.pages.get(i));
        let Some(&Page { addr, size }) = page else {
            return Err(ArgError::PageIndex {
                index,
                pgidx: list.pgidx,
            });
        };
        let (sid, iova) = addressing.split(addr);
        let aligned = addressing.is_page_multiple(iova) && addressing.is_page_multiple(size);
        if !aligned || size == 0 || !addressing.fits(iova, size) {
            return Err(ArgError::BadPage { index, addr, size });
        }
        if sid != expected {
            return Err(ArgError::ForeignSid {
                index,
                found: sid,
                expected,
            });
        }
        Ok(Page { addr: iova, size })
    };
    let inside = |index: usize, offset: u64, len: u64, size: u64| match offset.checked_add(len) {
        Some(end) if end <= size => Ok(()),
        _ => Err(ArgError::OutsidePage {
            index,
            offset,
            len,
            size,
        }),
    };
    let short_len = |index: usize, len: u64| match u32::try_from(len) {
        Ok(short) if short < 1 << 31 => Ok(short),
        _ => Err(ArgError::TooLarge { index, len }),
    };
    let mut args = Vec::with_capacity(descriptors.entries.len());
    for (index, &(raw, list)) in descriptors.entries.iter().enumerate() {
        args.push(match raw {
            RawArg::Buffer { len: 0, .. } => Arg::Empty,
            RawArg::Buffer { pv, len } => {
                let short = short_len(index, len)?;
                let page = page_of(index, list, len)?;
                let offset = pv & addressing.page_mask();
                inside(index, offset, len, page.size)?;
                // Cannot overflow: the page fits below the stream ID and the offset lies inside the page.
                Arg::Buffer {
                    pv,
                    len: short,
                    iova: page.addr.saturating_add(offset),
                    page,
                }
            }
            RawArg::Handle { fd, offset, len: 0 } => Arg::Handle {
                fd,
                offset,
                len: 0,
                page: None,
            },
            RawArg::Handle { fd, offset, len } => {
                short_len(index, len.into())?;
                let page = page_of(index, list, len.into())?;
                // The length is the registered one, counted from the buffer's start, not from the offset.
                inside(index, 0, len.into(), page.size)?;
                inside(index, offset.into(), 0, page.size)?;
                Arg::Handle {
                    fd,
                    offset,
                    len,
                    page: Some(page),
                }
            }
        });
    }
    Ok(args)
}

/// A descriptor as it stands in the invoke buffer, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawArg {
    /// {u64 pv, u64 len}
    Buffer {
        /// Address in the caller.
        pv: u64,
        /// Length in bytes.
        len: u64,
    },
    /// {s32 fd, u32 offset, u32 len, 4 bytes padding}
    Handle {
        /// File descriptor.
        fd: i32,
        /// Offset.
        offset: u32,
        /// Length in bytes.
        len: u32,
    },
}

/// An entry of the page list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListEntry {
    /// Number of pages: 0 or 1.
    pub num: u32,
    /// Index into the page array.
    pub pgidx: u32,
}

/// All descriptors of an invoke buffer, unchecked: what traces show and what the AP's side writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Descriptors {
    /// Argument and page list entry of each argument.
    pub entries: Vec<(RawArg, ListEntry)>,
    /// The page array.
    pub pages: Vec<Page>,
}

impl Descriptors {
    /// Reads the three arrays.
    ///
    /// # Errors
    /// [`Truncated`] if `bytes` is shorter than [`InvokeLayout::descriptors`].
    pub fn parse(sc: Scalars, bytes: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(bytes);
        let mut raw = Vec::with_capacity(sc.args());
        for index in 0..sc.args() {
            raw.push(match sc.kind(index) {
                Some(ArgKind::In | ArgKind::Out) | None => RawArg::Buffer {
                    pv: r.u64()?,
                    len: r.u64()?,
                },
                Some(ArgKind::InHandle | ArgKind::OutHandle) => {
                    let handle = RawArg::Handle {
                        fd: r.i32()?,
                        offset: r.u32()?,
                        len: r.u32()?,
                    };
                    r.u32()?;
                    handle
                }
            });
        }
        let mut entries = Vec::with_capacity(raw.len());
        for arg in raw {
            entries.push((
                arg,
                ListEntry {
                    num: r.u32()?,
                    pgidx: r.u32()?,
                },
            ));
        }
        let mut pages = Vec::with_capacity(entries.len());
        for _ in 0..entries.len() {
            pages.push(Page::parse(&mut r)?);
        }
        Ok(Self { entries, pages })
    }

    /// Writes the three arrays. The padding of handle descriptors is zero.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = crate::wire::Writer::new();
        for (arg, _) in &self.entries {
            match *arg {
                RawArg::Buffer { pv, len } => w.u64(pv).u64(len),
                RawArg::Handle { fd, offset, len } => w.i32(fd).u32(offset).u32(len).u32(0),
            };
        }
        for (_, list) in &self.entries {
            w.u32(list.num).u32(list.pgidx);
        }
        for page in &self.pages {
            w.u64(page.addr).u64(page.size);
        }
        w.finish()
    }
}

/// How many bytes of the invoke buffer to snapshot for [`parse_args`].
#[must_use]
pub fn snapshot_len(sc: Scalars) -> u64 {
    InvokeLayout::new(sc.args()).descriptors()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::message::Ctx;
    use proptest::prelude::*;

    fn message(sc: u32) -> Message {
        Message {
            client_id: 1,
            tid: 1,
            ctx: Ctx(1),
            handle: 9,
            sc: Scalars(sc),
            addr: 0x3_8f00_0000,
            size: 0x1000,
        }
    }

    fn parse_single(raw: RawArg, list: ListEntry, page: Page, sc: u32) -> Result<Vec<Arg>, ArgError> {
        let d = Descriptors {
            entries: vec![(raw, list)],
            pages: vec![page],
        };
        parse_args(&message(sc), &d.encode(), &Addressing::default())
    }

    const IN: u32 = 0x0001_0000;
    const HANDLE: u32 = 0x0000_0010;
    const LIST: ListEntry = ListEntry { num: 1, pgidx: 0 };
    const PAGE: Page = Page {
        addr: 0x3_8f00_0000,
        size: 0x2000,
    };

    #[test]
    fn a_buffer_lies_at_page_plus_low_bits_of_pv() {
        let args = parse_single(
            RawArg::Buffer {
                pv: 0xffff_0000_1234_0280,
                len: 0x1000,
            },
            LIST,
            PAGE,
            IN,
        )
        .unwrap();
        let page = Page {
            addr: 0x8f00_0000,
            size: 0x2000,
        };
        let expected = Arg::Buffer {
            pv: 0xffff_0000_1234_0280,
            len: 0x1000,
            iova: 0x8f00_0280,
            page,
        };
        assert_eq!(args, [expected]);
    }

    #[test]
    fn handles_describe_the_whole_buffer() {
        let raw = RawArg::Handle {
            fd: 11,
            offset: 0x100,
            len: 0x1f00,
        };
        let args = parse_single(raw, LIST, PAGE, HANDLE).unwrap();
        let page = Some(Page {
            addr: 0x8f00_0000,
            size: 0x2000,
        });
        assert_eq!(
            args,
            [Arg::Handle {
                fd: 11,
                offset: 0x100,
                len: 0x1f00,
                page
            }]
        );
        let none = ListEntry { num: 0, pgidx: 0 };
        let raw = RawArg::Handle {
            fd: 11,
            offset: 0,
            len: 0,
        };
        let args = parse_single(raw, none, Page::default(), HANDLE).unwrap();
        assert_eq!(
            args,
            [Arg::Handle {
                fd: 11,
                offset: 0,
                len: 0,
                page: None
            }]
        );
    }

    #[test]
    fn every_malformed_descriptor_has_its_error() {
        let buf = |len| RawArg::Buffer { pv: 0x280, len };
        assert!(matches!(
            parse_single(buf(1), ListEntry { num: 2, pgidx: 0 }, PAGE, IN),
            Err(ArgError::PageCount { .. })
        ));
        assert!(matches!(
            parse_single(buf(1), ListEntry { num: 1, pgidx: 1 }, PAGE, IN),
            Err(ArgError::PageIndex { .. })
        ));
        assert!(matches!(
            parse_single(buf(1), ListEntry { num: 0, pgidx: 0 }, PAGE, IN),
            Err(ArgError::NoPage { .. })
        ));
        assert!(matches!(
            parse_single(buf(1 << 31), LIST, PAGE, IN),
            Err(ArgError::TooLarge { .. })
        ));
        assert!(matches!(
            parse_single(buf(u64::MAX), LIST, PAGE, IN),
            Err(ArgError::TooLarge { .. })
        ));
        assert!(matches!(
            parse_single(buf(0x1d81), LIST, PAGE, IN),
            Err(ArgError::OutsidePage { .. })
        ));
        for bad in [
            Page {
                addr: 0x3_8f00_0001,
                size: 0x1000,
            },
            Page {
                addr: 0x3_8f00_0000,
                size: 0x10,
            },
            Page {
                addr: 0x3_8f00_0000,
                size: 0,
            },
            Page {
                addr: 0x3_ffff_f000,
                size: 0x2000,
            },
            Page {
                addr: !0xfff,
                size: !0xfff,
            },
        ] {
            assert!(
                matches!(parse_single(buf(1), LIST, bad, IN), Err(ArgError::BadPage { .. })),
                "{bad:?}"
            );
        }
        let foreign = Page {
            addr: 0x4_8f00_0000,
            size: 0x1000,
        };
        assert!(matches!(
            parse_single(buf(1), LIST, foreign, IN),
            Err(ArgError::ForeignSid {
                found: 4,
                expected: 3,
                ..
            })
        ));
        let raw = RawArg::Handle {
            fd: 1,
            offset: u32::MAX,
            len: 2,
        };
        assert!(matches!(
            parse_single(raw, LIST, PAGE, HANDLE),
            Err(ArgError::OutsidePage { .. })
        ));
        let short = parse_args(&message(IN), &[0; 39], &Addressing::default());
        assert!(matches!(short, Err(ArgError::Truncated(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(sc in any::<u32>(), bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = parse_args(&message(sc), &bytes, &Addressing::default());
        }

        #[test]
        fn few_args_round_trip(bytes in proptest::collection::vec(any::<u8>(), 80)) {
            let d = Descriptors::parse(Scalars(0x0001_0100), &bytes).unwrap();
            prop_assert_eq!(d.encode(), bytes);
        }

        #[test]
        fn accepted_buffers_stay_in_their_page(
            pv in any::<u64>(), len in 0u64..0x6000, addr in 0u64..0x20, size in 0u64..0x8,
        ) {
            let page = Page { addr: 0x3_ffff_0000 + addr * 0x800, size: size * 0x800 };
            if let Ok(args) = parse_single(RawArg::Buffer { pv, len }, LIST, page, IN)
                && let [Arg::Buffer { len, iova, page, .. }] = args[..] {
                prop_assert!(page.addr <= iova && iova + u64::from(len) <= page.addr + page.size);
                prop_assert!(iova + u64::from(len) <= 1 << 32);
            }
        }
    }
}
