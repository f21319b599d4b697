//! The AP's side of an invoke buffer: lays arguments out as the kernel driver does.
//!
//! Source: `fastrpc_get_buff_overlaps`, `fastrpc_get_payload_size` and `fastrpc_get_args` in the kernel's fastrpc.c. Used by
//! tests, by `vhost-hexagon invoke` and by fuzzing; the DSP itself never needs it.
//!
//! Inline buffers are ordered by their user address. Buffers that overlap in user space alias in the invoke buffer in the same
//! way; every buffer that starts a new range starts 128-byte aligned.

use super::{
    address::Addressing,
    args::{Descriptors, ListEntry, Page, RawArg},
    layout::{INLINE_ALIGN, InvokeLayout, Metadata},
    scalars::Scalars,
};

/// One argument as a caller on the AP gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApArg<'a> {
    /// Input copied into the invoke buffer.
    In {
        /// Its address in the caller.
        addr: u64,
        /// Its bytes.
        data: &'a [u8],
    },
    /// Output copied back out of the invoke buffer.
    Out {
        /// Its address in the caller.
        addr: u64,
        /// Its capacity in bytes.
        len: u64,
    },
    /// Buffer (input or output, as its position says) inside a DMA buffer, not copied.
    Mapped {
        /// Its address in the caller.
        addr: u64,
        /// Its length in bytes.
        len: u64,
        /// Address at which the caller has the DMA buffer mapped.
        base: u64,
        /// Device address of the DMA buffer, stream ID included.
        dma: u64,
    },
    /// DMA handle.
    Handle {
        /// File descriptor.
        fd: i32,
        /// Offset into the buffer.
        offset: u32,
        /// Length; 0 for a buffer that was never registered.
        len: u32,
        /// The whole buffer, stream ID included.
        page: Page,
    },
}

impl ApArg<'_> {
    fn range(&self) -> Option<(u64, u64)> {
        match *self {
            Self::In { addr, data } => Some((addr, data.len() as u64)),
            Self::Out { addr, len } | Self::Mapped { addr, len, .. } => Some((addr, len)),
            Self::Handle { .. } => None,
        }
    }
}

/// Where one inline buffer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Slot {
    /// Offset in the invoke buffer.
    at: u64,
    /// Bytes that it shares with the range before.
    shared: u64,
}

/// The layout of one call, before its memory is known: ask for [`Plan::size`] bytes of DMA memory, then [`Plan::fill`].
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    args: Vec<ApArg<'a>>,
    slots: Vec<Option<Slot>>,
    layout: InvokeLayout,
    used: u64,
}

/// A call whose arguments cannot be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More arguments than scalars can name.
    #[error("{0} arguments are too many")]
    TooMany(usize),
    /// An argument's address plus length overflows, or all together do.
    #[error("argument {0} does not fit into the address space")]
    Overflow(usize),
}

/// A filled invoke buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The bytes, `Plan::used` of them; the rest of the pages is zero.
    pub bytes: Vec<u8>,
    /// Offset and length of each output buffer that is copied back, by argument index.
    pub outputs: Vec<(usize, u64, u64)>,
}

impl<'a> Plan<'a> {
    /// Lays the arguments out. Order: in buffers, out buffers, handles, as the scalars will say.
    ///
    /// # Errors
    /// [`PlanError`]
    pub fn new(args: Vec<ApArg<'a>>, metadata: Metadata) -> Result<Self, PlanError> {
        if args.len() > Scalars::MAX_ARGS {
            return Err(PlanError::TooMany(args.len()));
        }
        let mut order: Vec<(u64, u64, usize)> = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            if let Some((start, len)) = arg.range() {
                let end = start.checked_add(len).ok_or(PlanError::Overflow(index))?;
                order.push((start, end, index));
            }
        }
        order.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let layout = InvokeLayout::new(args.len());
        let align = |at: u64, index| {
            at.checked_next_multiple_of(INLINE_ALIGN)
                .ok_or(PlanError::Overflow(index))
        };
        let mut slots = vec![None; args.len()];
        let mut used = align(layout.metadata(metadata), 0)?;
        let mut covered = 0;
        for (start, end, index) in order {
            let shared = if start < covered {
                covered.saturating_sub(start)
            } else {
                0
            };
            let new = end.saturating_sub(start.max(covered));
            covered = covered.max(end);
            let inline = !matches!(args.get(index), Some(ApArg::Mapped { .. }));
            if inline && start != end {
                if shared == 0 {
                    used = align(used, index)?;
                }
                if let Some(slot) = slots.get_mut(index) {
                    *slot = Some(Slot {
                        at: used.saturating_sub(shared),
                        shared,
                    });
                }
                used = used.checked_add(new).ok_or(PlanError::Overflow(index))?;
            }
        }
        Ok(Self {
            args,
            slots,
            layout,
            used,
        })
    }

    /// Bytes that are really used.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// Bytes of DMA memory to allocate, also the message's `size`: rounded up to pages.
    #[must_use]
    pub const fn size(&self, addressing: &Addressing) -> u64 {
        match self.used.checked_next_multiple_of(addressing.page_size as u64) {
            Some(size) => size,
            None => u64::MAX,
        }
    }

    /// Fills the buffer in for DMA memory at device address `dma` (stream ID included) that the kernel sees at `kernel`.
    #[must_use]
    pub fn fill(&self, dma: u64, kernel: u64, addressing: &Addressing) -> Built {
        let page_mask = addressing.page_mask();
        let span = |addr: u64, len: u64| {
            let first = addr & !page_mask;
            let last = addr.wrapping_add(len.saturating_sub(1)) & !page_mask;
            last.wrapping_sub(first).wrapping_add(addressing.page_size.into())
        };
        let mut descriptors = Descriptors::default();
        let mut data: Vec<(u64, &[u8])> = Vec::new();
        let mut outputs = Vec::new();
        for (index, (arg, slot)) in self.args.iter().zip(&self.slots).enumerate() {
            let pgidx = u32::try_from(index).unwrap_or(u32::MAX);
            let (raw, page) = match (*arg, *slot) {
                (
                    ApArg::Handle {
                        fd,
                        offset,
                        len,
                        page,
                    },
                    _,
                ) => {
                    let page = if len == 0 { Page::default() } else { page };
                    (RawArg::Handle { fd, offset, len }, page)
                }
                (ApArg::Mapped { addr, len, base, dma }, _) if len != 0 => {
                    let inside = (addr & !page_mask).wrapping_sub(base);
                    let page = Page {
                        addr: dma.wrapping_add(inside),
                        size: span(addr, len),
                    };
                    (RawArg::Buffer { pv: addr, len }, page)
                }
                (arg, Some(slot)) => {
                    let len = arg.range().map_or(0, |(_, len)| len);
                    let pv = kernel.wrapping_add(slot.at);
                    match arg {
                        ApArg::In { data: bytes, .. } => data.push((slot.at, bytes)),
                        _ => outputs.push((index, slot.at, len)),
                    }
                    let page = Page {
                        addr: dma.wrapping_add(slot.at) & !page_mask,
                        size: span(pv, len),
                    };
                    (RawArg::Buffer { pv, len }, page)
                }
                (_, None) => (RawArg::Buffer { pv: 0, len: 0 }, Page::default()),
            };
            let num = u32::from(page.size != 0);
            descriptors.entries.push((raw, ListEntry { num, pgidx }));
            descriptors.pages.push(page);
        }
        let mut bytes = descriptors.encode();
        bytes.resize(usize::try_from(self.used).unwrap_or(usize::MAX), 0);
        for (at, input) in data {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            if let Some(target) = bytes.get_mut(at..at.saturating_add(input.len())) {
                target.copy_from_slice(input);
            }
        }
        Built { bytes, outputs }
    }

    /// Offsets of the metadata's parts.
    #[must_use]
    pub const fn layout(&self) -> InvokeLayout {
        self.layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::{
        args::{Arg, parse_args},
        message::{Ctx, Message},
    };
    use proptest::prelude::*;

    const DMA: u64 = 0x3_8f00_0000;
    const KERNEL: u64 = 0xffff_0000_1234_0000;

    /// The first example of docs/protocol.md#invoke-buffer: calculator_sum with four integers.
    #[test]
    fn calculator_sum_byte_for_byte() {
        let ints: Vec<u8> = [0i32, 1, 2, 3].iter().flat_map(|v| v.to_le_bytes()).collect();
        let args = vec![
            ApArg::In {
                addr: 0xffff_e000,
                data: &[4, 0, 0, 0],
            },
            ApArg::In {
                addr: 0xaaaa_b000_1230,
                data: &ints,
            },
            ApArg::Out {
                addr: 0xffff_e010,
                len: 8,
            },
        ];
        let a = Addressing::default();
        let plan = Plan::new(args, Metadata::WithPollWord).unwrap();
        assert_eq!((plan.used(), plan.size(&a)), (784, 0x1000));
        let built = plan.fill(DMA, KERNEL, &a);
        #[rustfmt::skip]
        let head: [u8; 0x78] = [
            0x00, 0x02, 0x34, 0x12, 0x00, 0x00, 0xff, 0xff, 0x04, 0, 0, 0, 0, 0, 0, 0,
            0x00, 0x03, 0x34, 0x12, 0x00, 0x00, 0xff, 0xff, 0x10, 0, 0, 0, 0, 0, 0, 0,
            0x80, 0x02, 0x34, 0x12, 0x00, 0x00, 0xff, 0xff, 0x08, 0, 0, 0, 0, 0, 0, 0,
            1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
            1, 0, 0, 0, 2, 0, 0, 0, 0x00, 0x00, 0x00, 0x8f, 0x03, 0, 0, 0,
            0x00, 0x10, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0x8f, 0x03, 0, 0, 0,
            0x00, 0x10, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0x8f, 0x03, 0, 0, 0,
            0x00, 0x10, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(built.bytes[..0x78], head);
        assert!(built.bytes[0x78..0x200].iter().all(|&b| b == 0));
        assert_eq!(built.bytes[0x200..0x204], [4, 0, 0, 0]);
        assert_eq!(built.bytes[0x300..0x310], ints[..]);
        assert_eq!(built.outputs, [(2, 0x280, 8)]);
    }

    /// The overlap example of docs/protocol.md#invoke-buffer.
    #[test]
    fn overlapping_buffers_alias() {
        let a = Addressing::default();
        let data = [7; 0x100];
        let args = vec![
            ApArg::In {
                addr: 0x1000,
                data: &data,
            },
            ApArg::Out {
                addr: 0x1080,
                len: 0x100,
            },
            ApArg::Out {
                addr: 0x10c0,
                len: 0x10,
            },
        ];
        let plan = Plan::new(args, Metadata::WithPollWord).unwrap();
        assert_eq!(plan.used(), 896);
        let built = plan.fill(DMA, KERNEL, &a);
        assert_eq!(built.outputs, [(1, 0x280, 0x100), (2, 0x2c0, 0x10)]);
        let d = Descriptors::parse(Scalars::new(2, 1, 2), &built.bytes).unwrap();
        assert_eq!(
            d.entries[0].0,
            RawArg::Buffer {
                pv: KERNEL + 0x200,
                len: 0x100
            }
        );
        assert_eq!(
            d.entries[1].0,
            RawArg::Buffer {
                pv: KERNEL + 0x280,
                len: 0x100
            }
        );
        assert_eq!(
            d.entries[2].0,
            RawArg::Buffer {
                pv: KERNEL + 0x2c0,
                len: 0x10
            }
        );
    }

    #[test]
    fn adjacent_buffers_get_their_own_slots() {
        let args = vec![
            ApArg::In {
                addr: 0x1000,
                data: &[1; 16],
            },
            ApArg::In {
                addr: 0x1010,
                data: &[2; 16],
            },
        ];
        let plan = Plan::new(args, Metadata::WithoutPollWord).unwrap();
        let built = plan.fill(DMA, KERNEL, &Addressing::default());
        assert_eq!((built.bytes[0x200], built.bytes[0x280]), (1, 2));
    }

    #[test]
    fn mapped_buffers_and_handles_take_no_space() {
        let a = Addressing::default();
        let page = Page {
            addr: 0x3_7000_0000,
            size: 0x6000,
        };
        let args = vec![
            ApArg::Mapped {
                addr: 0x40_1234,
                len: 0x1000,
                base: 0x40_0000,
                dma: 0x3_6000_0000,
            },
            ApArg::Handle {
                fd: 5,
                offset: 0x10,
                len: 0x20,
                page,
            },
            ApArg::Handle {
                fd: 6,
                offset: 0,
                len: 0,
                page,
            },
        ];
        let plan = Plan::new(args, Metadata::WithPollWord).unwrap();
        let built = plan.fill(DMA, KERNEL, &a);
        let sc = Scalars::with_handles(4, 1, 0, 2, 0);
        let message = Message {
            client_id: 1,
            tid: 1,
            ctx: Ctx(0),
            handle: 9,
            sc,
            addr: DMA,
            size: plan.size(&a),
        };
        assert_eq!(message.check(&a), Ok(()));
        let args = parse_args(&message, &built.bytes, &a).unwrap();
        let expected = [
            Arg::Buffer {
                pv: 0x40_1234,
                len: 0x1000,
                iova: 0x6000_1234,
                page: Page {
                    addr: 0x6000_1000,
                    size: 0x2000,
                },
            },
            Arg::Handle {
                fd: 5,
                offset: 0x10,
                len: 0x20,
                page: Some(Page {
                    addr: 0x7000_0000,
                    size: 0x6000,
                }),
            },
            Arg::Handle {
                fd: 6,
                offset: 0,
                len: 0,
                page: None,
            },
        ];
        assert_eq!(args, expected);
    }

    proptest! {
        /// What the AP lays out, the DSP finds again, bytes included.
        #[test]
        fn the_dsp_finds_what_the_ap_laid_out(
            bufs in proptest::collection::vec((0x1000u64..0x3000, proptest::collection::vec(any::<u8>(), 0..300)), 0..12),
            poll in any::<bool>(),
        ) {
            let a = Addressing::default();
            // Inputs must not overlap for their bytes to be independent, so give each its own range.
            let args = bufs.iter().enumerate()
                .map(|(i, (addr, data))| ApArg::In { addr: addr + 0x1_0000 * i as u64, data }).collect();
            let kind = if poll { Metadata::WithPollWord } else { Metadata::WithoutPollWord };
            let plan = Plan::new(args, kind).unwrap();
            let built = plan.fill(DMA, KERNEL, &a);
            let sc = Scalars::new(3, bufs.len() as u8, 0);
            let message = Message { client_id: 1, tid: 1, ctx: Ctx(0), handle: 9, sc, addr: DMA, size: plan.size(&a) };
            prop_assert_eq!(message.check(&a), Ok(()));
            for (arg, (_, data)) in parse_args(&message, &built.bytes, &a).unwrap().iter().zip(&bufs) {
                match *arg {
                    Arg::Empty => prop_assert!(data.is_empty()),
                    Arg::Buffer { len, iova, .. } => {
                        let at = (iova - 0x8f00_0000) as usize;
                        prop_assert_eq!(&built.bytes[at..at + len as usize], &data[..]);
                    }
                    Arg::Handle { .. } => prop_assert!(false),
                }
            }
        }

        /// Overlapping user ranges keep their distances.
        #[test]
        fn overlaps_keep_their_distance(bufs in proptest::collection::vec((0u64..600, 1u64..400), 2..8)) {
            let args = bufs.iter().map(|&(addr, len)| ApArg::Out { addr, len }).collect();
            let built = Plan::new(args, Metadata::WithPollWord).unwrap().fill(DMA, KERNEL, &Addressing::default());
            for (i, a) in built.outputs.iter().enumerate() {
                for (j, b) in built.outputs.iter().enumerate() {
                    let ((sa, la), (sb, lb)) = (bufs[i], bufs[j]);
                    if sa <= sb && sb < sa + la {
                        prop_assert_eq!(b.1 - a.1, sb - sa);
                    } else if sb >= sa + la || sa >= sb + lb {
                        prop_assert!(b.1 >= a.1 + a.2 || a.1 >= b.1 + b.2);
                    }
                }
            }
        }
    }
}
