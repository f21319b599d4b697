//! Where rings lie in RPM message RAM ("glink-rpm").
//!
//! Source: `glink_rpm_parse_toc` and `glink_rpm_probe` in the kernel's qcom_glink_rpm.c. The last 256 bytes of the region are a
//! table of contents: {u32 magic, u32 count, count × {u32 id, u32 offset, u32 size}}. At a ring's offset stand {u32 tail, u32
//! head} and then `size` bytes of data, so a ring occupies size + 8 bytes although the kernel checks size only.

use super::{FifoError, check_capacity};
use crate::wire::{Reader, Writer};

/// Bytes at the end of the region that hold the table.
pub const TOC_SIZE: u32 = 256;
/// First word of the table.
pub const MAGIC: u32 = 0x6772_7430;
/// Most entries that fit.
pub const MAX_ENTRIES: u32 = 20;
/// ID of the ring from the AP to the DSP ("ap2r").
pub const AP_TO_DSP: u32 = 0x6170_3272;
/// ID of the ring from the DSP to the AP ("r2ap").
pub const DSP_TO_AP: u32 = 0x7232_6170;
/// Offset of the reader's index from a ring's start.
pub const TAIL: u32 = 0;
/// Offset of the writer's index from a ring's start.
pub const HEAD: u32 = 4;
/// Offset of the data from a ring's start.
pub const DATA: u32 = 8;

/// One ring's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// Offset of its indices from the start of the region.
    pub offset: u32,
    /// Bytes of data.
    pub size: u32,
}

/// Both rings of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of the region in bytes, table included.
    pub region: u32,
    /// AP to DSP.
    pub from_ap: Ring,
    /// DSP to AP.
    pub to_ap: Ring,
}

/// Why a layout cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A ring's size.
    #[error(transparent)]
    Fifo(#[from] FifoError),
    /// A ring leaves the region, meets the table or the other ring, or is not 8-byte aligned.
    #[error("ring at {offset:#x} of {size:#x} bytes does not fit into a region of {region:#x} bytes")]
    Place {
        /// Its offset.
        offset: u32,
        /// Its size.
        size: u32,
        /// Size of the region.
        region: u32,
    },
    /// The table is damaged: wrong magic, too many entries, too short, or without one of the rings.
    #[error("damaged table of contents: {0}")]
    Toc(&'static str),
}

impl Layout {
    /// Places two rings of `size` bytes each at the start of a region.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn new(region: u32, size: u32) -> Result<Self, LayoutError> {
        let to_ap = Ring {
            offset: size.saturating_add(DATA).next_multiple_of(16),
            size,
        };
        let layout = Self {
            region,
            from_ap: Ring { offset: 0, size },
            to_ap,
        };
        layout.check().map(|()| layout)
    }

    fn check(&self) -> Result<(), LayoutError> {
        let mut ends = [(0, 0); 2];
        for (ring, end) in [self.from_ap, self.to_ap].iter().zip(&mut ends) {
            check_capacity(ring.size)?;
            let place = LayoutError::Place {
                offset: ring.offset,
                size: ring.size,
                region: self.region,
            };
            let last = ring
                .offset
                .checked_add(DATA)
                .and_then(|o| o.checked_add(ring.size))
                .ok_or(place)?;
            if !ring.offset.is_multiple_of(8) || last > self.region.saturating_sub(TOC_SIZE) {
                return Err(place);
            }
            *end = (ring.offset, last);
        }
        let [(start_a, end_a), (start_b, end_b)] = ends;
        if start_a < end_b && start_b < end_a {
            return Err(LayoutError::Place {
                offset: self.to_ap.offset,
                size: self.to_ap.size,
                region: self.region,
            });
        }
        Ok(())
    }

    /// Where the table stands in the region.
    #[must_use]
    pub const fn toc_offset(&self) -> u32 {
        self.region.saturating_sub(TOC_SIZE)
    }

    /// The table's 256 bytes.
    #[must_use]
    pub fn encode_toc(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(MAGIC).u32(2);
        w.u32(AP_TO_DSP).u32(self.from_ap.offset).u32(self.from_ap.size);
        w.u32(DSP_TO_AP).u32(self.to_ap.offset).u32(self.to_ap.size);
        w.align(256);
        w.finish()
    }

    /// Finds the rings in a table, as the AP's driver does, for a region of `region` bytes.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn parse_toc(toc: &[u8], region: u32) -> Result<Self, LayoutError> {
        let short = |_| LayoutError::Toc("too short");
        let mut r = Reader::new(toc);
        if r.u32().map_err(short)? != MAGIC {
            return Err(LayoutError::Toc("wrong magic"));
        }
        let count = r.u32().map_err(short)?;
        if count > MAX_ENTRIES {
            return Err(LayoutError::Toc("too many entries"));
        }
        let (mut from_ap, mut to_ap) = (None, None);
        for _ in 0..count {
            let id = r.u32().map_err(short)?;
            let ring = Ring {
                offset: r.u32().map_err(short)?,
                size: r.u32().map_err(short)?,
            };
            match id {
                AP_TO_DSP => from_ap = Some(ring),
                DSP_TO_AP => to_ap = Some(ring),
                _ => {}
            }
        }
        let (Some(from_ap), Some(to_ap)) = (from_ap, to_ap) else {
            return Err(LayoutError::Toc("a ring is missing"));
        };
        let layout = Self {
            region,
            from_ap,
            to_ap,
        };
        layout.check().map(|()| layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// docs/protocol.md#worked-bytes: 0x8000 bytes of message RAM, both rings 0x2000 bytes.
    #[test]
    fn toc_vector() {
        let layout = Layout::new(0x8000, 0x2000).unwrap();
        assert_eq!((layout.toc_offset(), layout.to_ap.offset), (0x7f00, 0x2010));
        let toc = layout.encode_toc();
        #[rustfmt::skip]
        let expected = [
            0x30, 0x74, 0x72, 0x67, 2, 0, 0, 0,
            0x72, 0x32, 0x70, 0x61, 0, 0, 0, 0, 0, 0x20, 0, 0,
            0x70, 0x61, 0x32, 0x72, 0x10, 0x20, 0, 0, 0, 0x20, 0, 0,
        ];
        assert_eq!(toc[..32], expected);
        assert_eq!(toc.len(), 256);
        assert_eq!(Layout::parse_toc(&toc, 0x8000), Ok(layout));
    }

    #[test]
    fn impossible_layouts_are_refused() {
        assert!(matches!(
            Layout::new(0x8000, 0x4000),
            Err(LayoutError::Place { .. })
        ));
        assert!(matches!(Layout::new(0x8000, 0x2004), Err(LayoutError::Fifo(_))));
        let mut toc = Layout::new(0x8000, 0x2000).unwrap().encode_toc();
        assert!(matches!(
            Layout::parse_toc(&toc, 0x4000),
            Err(LayoutError::Place { .. })
        ));
        toc[25] = 0;
        assert!(matches!(
            Layout::parse_toc(&toc, 0x8000),
            Err(LayoutError::Place { .. })
        ));
        toc[4] = 1;
        assert_eq!(
            Layout::parse_toc(&toc, 0x8000),
            Err(LayoutError::Toc("a ring is missing"))
        );
        toc[4] = 21;
        assert_eq!(
            Layout::parse_toc(&toc, 0x8000),
            Err(LayoutError::Toc("too many entries"))
        );
        assert!(Layout::parse_toc(&toc[..6], 0x8000).is_err());
    }

    proptest! {
        #[test]
        fn any_table_parses_or_fails(mut toc in vec(any::<u8>(), 0..256), region in any::<u32>()) {
            let _ = Layout::parse_toc(&toc, region);
            if toc.len() >= 8 {
                toc[..8].copy_from_slice(&[0x30, 0x74, 0x72, 0x67, 5, 0, 0, 0]);
                let _ = Layout::parse_toc(&toc, region);
            }
        }
    }
}
