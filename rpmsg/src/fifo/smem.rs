//! Where rings lie in SMEM ("glink-edge" of a remote processor).
//!
//! Source: `qcom_glink_smem_register` in the kernel's qcom_glink_smem.c. Three items of the pair {AP, DSP}: the AP makes the
//! descriptor with the four indices and its own FIFO of 16 KiB, the DSP makes the other FIFO. The AP takes the sizes of both from
//! their items.
//!
//! | item | bytes | what |
//! |---|---|---|
//! | 478 | 32 | indices: tail and head of the AP's FIFO, tail and head of the DSP's FIFO, four unused words |
//! | 479 | 16384 | FIFO from the AP to the DSP |
//! | 480 | any | FIFO from the DSP to the AP |
//!
//! When its driver starts, the AP zeroes the two indices that are its own (words 1 and 2), not the other two; a DSP that starts
//! zeroes all four ([`reset`]), or else both would read what is left of the session before.

use super::{FifoError, RingMemory, check_capacity};
use crate::smem::{Item, Smem, SmemError};
use crate::words::{Outside, Words};

/// Item with the indices (`SMEM_GLINK_NATIVE_XPRT_DESCRIPTOR`).
pub const DESCRIPTOR: u16 = 478;
/// Item of the FIFO from the AP to the DSP (`SMEM_GLINK_NATIVE_XPRT_FIFO_0`).
pub const AP_TO_DSP: u16 = 479;
/// Item of the FIFO from the DSP to the AP (`SMEM_GLINK_NATIVE_XPRT_FIFO_1`).
pub const DSP_TO_AP: u16 = 480;
/// Size of [`DESCRIPTOR`] in bytes; the kernel refuses any other.
pub const DESCRIPTOR_SIZE: u32 = 32;
/// Size of the AP's FIFO in bytes, and what firmware makes its own.
pub const FIFO_SIZE: u32 = 0x4000;

/// Where one ring is: offsets from the start of SMEM, all multiples of 4 and inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The reader's index.
    pub tail: u32,
    /// The writer's index.
    pub head: u32,
    /// The ring's bytes.
    pub data: u32,
    /// How many.
    pub size: u32,
}

/// Both rings of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// AP to DSP.
    pub from_ap: Place,
    /// DSP to AP.
    pub to_ap: Place,
}

/// Why the rings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// SMEM itself.
    #[error(transparent)]
    Smem(#[from] SmemError),
    /// A FIFO's size.
    #[error(transparent)]
    Fifo(#[from] FifoError),
    /// The descriptor has another size than 32 bytes.
    #[error("GLINK descriptor of {0} bytes")]
    Descriptor(u32),
    /// Two of the items share memory.
    #[error("SMEM items {0} and {1} overlap")]
    Overlap(u16, u16),
}

impl Layout {
    /// Finds both rings of the edge with `remote`; `None` as long as one of the three items is missing.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn find<W: Words>(smem: &Smem<W>, remote: u16) -> Result<Option<Self>, LayoutError> {
        let mut found = Vec::new();
        for id in [DESCRIPTOR, AP_TO_DSP, DSP_TO_AP] {
            let Some(item) = smem.item(remote, id)? else {
                return Ok(None);
            };
            if let Some(other) = found.iter().find(|other| overlap(&item, other)) {
                return Err(LayoutError::Overlap(other.id, id));
            }
            found.push(item);
        }
        let [descriptor, from_ap, to_ap] = found.as_slice() else {
            return Ok(None);
        };
        if descriptor.size != DESCRIPTOR_SIZE {
            return Err(LayoutError::Descriptor(descriptor.size));
        }
        let place = |fifo: &Item, indices: u32| -> Result<Place, LayoutError> {
            let tail = descriptor.offset.saturating_add(indices);
            Ok(Place {
                tail,
                head: tail.saturating_add(4),
                data: fifo.offset,
                size: check_capacity(fifo.size)?,
            })
        };
        Ok(Some(Self {
            from_ap: place(from_ap, 0)?,
            to_ap: place(to_ap, 8)?,
        }))
    }
}

fn overlap(a: &Item, b: &Item) -> bool {
    a.offset < b.offset.saturating_add(b.size) && b.offset < a.offset.saturating_add(a.size)
}

/// Zeroes the four indices, if the descriptor is there: the first thing that a starting DSP does. Tells whether it was.
///
/// # Errors
/// [`LayoutError`]
pub fn reset<W: Words>(smem: &Smem<W>, remote: u16) -> Result<bool, LayoutError> {
    let Some(descriptor) = smem.item(remote, DESCRIPTOR)? else {
        return Ok(false);
    };
    if descriptor.size != DESCRIPTOR_SIZE {
        return Err(LayoutError::Descriptor(descriptor.size));
    }
    for index in [0, 4, 8, 12] {
        let at = descriptor.offset.saturating_add(index);
        smem.words().store(at, 0).map_err(SmemError::Outside)?;
    }
    Ok(true)
}

/// A ring in SMEM. What lies outside of the region reads as zero and is not written; [`Layout::find`] gives no such place.
#[derive(Debug, Clone)]
pub struct SmemRing<W> {
    words: W,
    place: Place,
}

impl<W: Words> SmemRing<W> {
    /// The ring at a place.
    pub const fn new(words: W, place: Place) -> Self {
        Self { words, place }
    }

    fn load(&self, at: u32) -> u32 {
        self.words.load(at).unwrap_or(0)
    }

    fn store(&self, at: u32, word: u32) {
        let _: Result<(), Outside> = self.words.store(at, word);
    }
}

impl<W: Words> RingMemory for SmemRing<W> {
    fn capacity(&self) -> u32 {
        self.place.size
    }
    fn tail(&self) -> u32 {
        self.load(self.place.tail)
    }
    fn head(&self) -> u32 {
        self.load(self.place.head)
    }
    fn publish_tail(&self, tail: u32) {
        self.store(self.place.tail, tail);
    }
    fn publish_head(&self, head: u32) {
        self.store(self.place.head, head);
    }
    fn read_word(&self, offset: u32) -> u32 {
        self.load(self.place.data.saturating_add(offset))
    }
    fn write_word(&self, offset: u32, word: u32) {
        self.store(self.place.data.saturating_add(offset), word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fifo::{Consumer, Link, Producer};
    use crate::glink::Command;
    use crate::smem::{ImageBuilder, Layout as SmemLayout, TcsrMutex};
    use crate::words::Image;

    fn smem() -> Smem<Image> {
        let image = ImageBuilder::new(0x20_0000, SmemLayout::Partitions)
            .remote(2, 0x2_0000)
            .remote(5, 0x2_0000);
        Smem::new(Image::new(image.build().unwrap()))
    }

    fn allocate(smem: &Smem<Image>, id: u16, size: u32) -> Item {
        let lock = TcsrMutex::new(Image::new(vec![0; 4]), 0, 2);
        smem.allocate(2, id, size, &lock).unwrap().item
    }

    #[test]
    fn both_sides_talk() {
        let smem = smem();
        allocate(&smem, DSP_TO_AP, FIFO_SIZE);
        assert_eq!(Layout::find(&smem, 2), Ok(None));
        assert_eq!(reset(&smem, 2), Ok(false));
        let descriptor = allocate(&smem, DESCRIPTOR, DESCRIPTOR_SIZE);
        allocate(&smem, AP_TO_DSP, FIFO_SIZE);
        for index in 0..4 {
            smem.words().store(descriptor.offset + 4 * index, 0x18).unwrap();
        }
        assert_eq!(reset(&smem, 2), Ok(true));
        let layout = Layout::find(&smem, 2).unwrap().unwrap();
        let (rx, tx) = (layout.from_ap, layout.to_ap);
        assert_eq!(
            [rx.tail, rx.head, tx.tail, tx.head],
            [0, 4, 8, 12].map(|n| descriptor.offset + n)
        );
        assert_eq!((rx.size, tx.size), (FIFO_SIZE, FIFO_SIZE));
        assert_eq!(Layout::find(&smem, 5), Ok(None));

        let (rx, tx) = (SmemRing::new(smem.words(), rx), SmemRing::new(smem.words(), tx));
        let mut dsp = Link::new(rx.capacity(), tx.capacity()).unwrap();
        let (mut ap_tx, mut ap_rx) = (
            Producer::new(FIFO_SIZE).unwrap(),
            Consumer::new(FIFO_SIZE).unwrap(),
        );
        let command = |n: u8| Command::TxData {
            cid: 1,
            intent: n.into(),
            left: 0,
            data: vec![n; 3000],
        };
        for n in 0..20 {
            ap_tx.push(&rx, &command(n).encode()).unwrap();
            assert_eq!(dsp.consumer.next(&rx).unwrap().unwrap().command, command(n));
            dsp.producer.push(&tx, &command(!n).encode()).unwrap();
            assert_eq!(ap_rx.next(&tx).unwrap().unwrap().command, command(!n));
        }
        // What the indices are to the AP: word 0 and 1 its own ring's tail and head.
        let index = |n: u32| smem.words().load(descriptor.offset + 4 * n).unwrap();
        assert_eq!((index(0), index(1)), (dsp.consumer.tail(), ap_tx.head()));
        assert_eq!((index(2), index(3)), (ap_rx.tail(), dsp.producer.head()));
    }

    #[test]
    fn items_that_cannot_be_rings() {
        let smem = smem();
        allocate(&smem, DESCRIPTOR, 16);
        allocate(&smem, AP_TO_DSP, FIFO_SIZE);
        allocate(&smem, DSP_TO_AP, FIFO_SIZE);
        assert_eq!(Layout::find(&smem, 2), Err(LayoutError::Descriptor(16)));
        assert_eq!(reset(&smem, 2), Err(LayoutError::Descriptor(16)));
        let small = self::smem();
        allocate(&small, DESCRIPTOR, DESCRIPTOR_SIZE);
        allocate(&small, AP_TO_DSP, 32);
        allocate(&small, DSP_TO_AP, FIFO_SIZE);
        let fifo = LayoutError::Fifo(FifoError::Capacity(32));
        assert_eq!(Layout::find(&small, 2), Err(fifo));
        // The heap's table may let items share memory; a partition's chain cannot.
        let heap = ImageBuilder::new(0x2_0000, SmemLayout::Heap).remote(2, 0);
        let heap = Smem::new(Image::new(heap.build().unwrap()));
        let descriptor = allocate(&heap, DESCRIPTOR, DESCRIPTOR_SIZE);
        allocate(&heap, AP_TO_DSP, FIFO_SIZE);
        allocate(&heap, DSP_TO_AP, FIFO_SIZE);
        assert!(Layout::find(&heap, 2).unwrap().is_some());
        let entry = 0xd0 + 16 * u32::from(DSP_TO_AP) + 4;
        heap.words().store(entry, descriptor.offset + 24).unwrap();
        assert_eq!(
            Layout::find(&heap, 2),
            Err(LayoutError::Overlap(DESCRIPTOR, DSP_TO_AP))
        );
    }
}
