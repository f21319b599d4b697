//! SMEM as the boot loader leaves it.

use super::layout::{
    Header, HeapEntry, INFO_MAGIC, ItemHeader, PartitionHeader, TABLE_HEADER_SIZE, TABLE_MAGIC, TABLE_PAGE,
    TableEntry,
};
use super::{HOST_APPS, HOST_COUNT, HOST_GLOBAL, ITEM_COUNT, Layout};
use crate::wire::Writer;

/// Alignment of partitions, and what heaps keep free.
const PAGE: u32 = 4096;
/// Alignment of headers in cached lists.
const CACHELINE: u32 = 32;

/// Why an image cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Regions are multiples of 4 KiB, from 64 KiB to 16 MiB.
    #[error("SMEM of {0:#x} bytes")]
    Size(u32),
    /// A partition's size is no multiple of 4 KiB, or the partitions do not leave a heap of 16 KiB.
    #[error("SMEM partition of {0:#x} bytes does not fit")]
    Partition(u32),
    /// The AP itself, a host that the kernel does not accept, or one that has a partition already.
    #[error("SMEM partition for host {0}")]
    Host(u16),
    /// A heap alone serves one remote host.
    #[error("SMEM without partitions serves one remote host")]
    OneHost,
    /// An item number that the kernel does not accept.
    #[error("SMEM item number {0}")]
    Number(u16),
    /// An item that is there already.
    #[error("SMEM item {0} twice")]
    Duplicate(u16),
    /// An item for a host without partition.
    #[error("SMEM item {id} for host {remote}, which has no partition")]
    NoPartition {
        /// The host.
        remote: u16,
        /// Item number.
        id: u16,
    },
    /// No memory left for an item.
    #[error("SMEM item {id} of {size} bytes does not fit")]
    Full {
        /// Item number.
        id: u16,
        /// Its size in bytes.
        size: usize,
    },
}

#[derive(Debug, Clone)]
struct PartitionSpec {
    remote: u16,
    size: u32,
    items: Vec<(u16, Vec<u8>)>,
}

/// Builds the initial image of the region.
///
/// ```
/// # use rpmsg::smem::{ImageBuilder, Layout, Smem};
/// # use rpmsg::words::Image;
/// let image = ImageBuilder::new(0x20_0000, Layout::Partitions)
///     .remote(2, 0x2_0000)
///     .remote(5, 0x2_0000)
///     .global_item(423, vec![0; 256])
///     .build()?;
/// let smem = Smem::new(Image::new(image));
/// assert_eq!(smem.global_item(423).unwrap().unwrap().size, 256);
/// # Ok::<(), rpmsg::smem::ImageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    size: u32,
    layout: Layout,
    item_count: u16,
    partitions: Vec<PartitionSpec>,
    global: Vec<(u16, Vec<u8>)>,
    unknown: Option<(u16, u16)>,
}

impl ImageBuilder {
    /// An image of `size` bytes.
    #[must_use]
    pub const fn new(size: u32, layout: Layout) -> Self {
        Self {
            size,
            layout,
            item_count: ITEM_COUNT,
            partitions: Vec::new(),
            global: Vec::new(),
            unknown: None,
        }
    }

    /// A remote host and the size of its partition with the AP in bytes; without partitions, the size means nothing.
    #[must_use]
    pub fn remote(mut self, remote: u16, size: u32) -> Self {
        self.partitions.push(PartitionSpec {
            remote,
            size,
            items: Vec::new(),
        });
        self
    }

    /// Item numbers are below `count` ([`Layout::GlobalPartition`] only).
    #[must_use]
    pub const fn item_count(mut self, count: u16) -> Self {
        self.item_count = count;
        self
    }

    /// A global item that exists from the start.
    #[must_use]
    pub fn global_item(mut self, id: u16, data: Vec<u8>) -> Self {
        self.global.push((id, data));
        self
    }

    /// An item that the AP shares with a remote host from the start; the host was named before.
    #[must_use]
    pub fn item(mut self, remote: u16, id: u16, data: Vec<u8>) -> Self {
        match self.partitions.iter_mut().find(|p| p.remote == remote) {
            Some(partition) => partition.items.push((id, data)),
            None => self.unknown = Some((remote, id)),
        }
        self
    }

    /// The region's bytes.
    ///
    /// # Errors
    /// [`ImageError`]
    pub fn build(&self) -> Result<Vec<u8>, ImageError> {
        if !self.size.is_multiple_of(PAGE) || !(0x1_0000..=0x100_0000).contains(&self.size) {
            return Err(ImageError::Size(self.size));
        }
        if let Some((remote, id)) = self.unknown {
            return Err(ImageError::NoPartition { remote, id });
        }
        self.check_hosts()?;
        let mut image = vec![0; usize::try_from(self.size).map_err(|_| ImageError::Size(self.size))?];
        let mut entries = Vec::new();
        // Partitions go below the table page, one below the other.
        let mut top = self.size.saturating_sub(TABLE_PAGE);
        let heap_start = Header::SIZE.next_multiple_of(PAGE);
        if self.layout != Layout::Heap {
            for spec in &self.partitions {
                let start = top.checked_sub(spec.size).filter(|start| {
                    spec.size != 0
                        && spec.size.is_multiple_of(PAGE)
                        && *start >= heap_start.saturating_add(0x4000)
                });
                top = start.ok_or(ImageError::Partition(spec.size))?;
                let hosts = (HOST_APPS, spec.remote);
                entries.push(self.partition(&mut image, top, spec.size, hosts, &spec.items)?);
            }
        }
        if self.layout == Layout::GlobalPartition {
            let hosts = (HOST_GLOBAL, HOST_GLOBAL);
            let size = top.saturating_sub(heap_start);
            entries.push(self.partition(&mut image, heap_start, size, hosts, &self.global)?);
            self.header(&mut image, Header::VERSION_PARTITION, top, top);
        } else {
            let free = self.heap(&mut image, top)?;
            self.header(&mut image, Header::VERSION_HEAP, free, top);
        }
        if self.layout != Layout::Heap {
            self.table(&mut image, &entries);
        }
        Ok(image)
    }

    fn check_hosts(&self) -> Result<(), ImageError> {
        if self.layout == Layout::Heap && self.partitions.len() > 1 {
            return Err(ImageError::OneHost);
        }
        let mut seen = Vec::new();
        for PartitionSpec { remote, .. } in &self.partitions {
            if *remote == HOST_APPS || *remote >= HOST_COUNT || seen.contains(remote) {
                return Err(ImageError::Host(*remote));
            }
            seen.push(*remote);
        }
        Ok(())
    }

    fn count(&self) -> u16 {
        match self.layout {
            Layout::GlobalPartition => self.item_count,
            Layout::Heap | Layout::Partitions => ITEM_COUNT,
        }
    }

    fn header(&self, image: &mut [u8], version: u32, free: u32, heap_end: u32) {
        let fields = [
            (Header::VERSION, version << 16),
            (Header::INITIALIZED, 1),
            (Header::FREE_OFFSET, free),
            (Header::AVAILABLE, heap_end.saturating_sub(free)),
        ];
        for (offset, word) in fields {
            put(image, offset, &word.to_le_bytes());
        }
    }

    fn table(&self, image: &mut [u8], entries: &[TableEntry]) {
        let mut w = Writer::new();
        w.u32(TABLE_MAGIC)
            .u32(1)
            .u32(crate::wire::wire_len(entries.len()));
        w.align(32);
        debug_assert_eq!(w.len(), TABLE_HEADER_SIZE as usize);
        for entry in entries {
            w.bytes(&entry.encode());
        }
        if self.layout == Layout::GlobalPartition {
            w.u32(INFO_MAGIC)
                .u32(self.size)
                .u32(0)
                .u32(0)
                .u16(self.item_count)
                .u16(0);
        }
        put(image, self.size.saturating_sub(TABLE_PAGE), &w.finish());
    }

    /// Writes a partition and returns its entry for the table.
    fn partition(
        &self,
        image: &mut [u8],
        offset: u32,
        size: u32,
        (host0, host1): (u16, u16),
        items: &[(u16, Vec<u8>)],
    ) -> Result<TableEntry, ImageError> {
        let mut at = PartitionHeader::SIZE;
        let mut seen = Vec::new();
        for (id, data) in items {
            let full = ImageError::Full {
                id: *id,
                size: data.len(),
            };
            self.check_item(*id, &mut seen)?;
            let header = u32::try_from(data.len())
                .ok()
                .and_then(|len| ItemHeader::new(*id, len))
                .ok_or(full)?;
            let start = offset.saturating_add(at);
            let next = at
                .checked_add(ItemHeader::SIZE)
                .and_then(|at| at.checked_add(header.size));
            at = next.filter(|next| *next <= size).ok_or(full)?;
            put(image, start, &header.encode());
            put(image, start.saturating_add(ItemHeader::SIZE), data);
        }
        let header = PartitionHeader {
            host0,
            host1,
            size,
            free_uncached: at,
            free_cached: size,
        };
        put(image, offset, &header.encode());
        Ok(TableEntry {
            offset,
            size,
            flags: 0,
            host0,
            host1,
            cacheline: CACHELINE,
        })
    }

    /// Writes the heap's items and returns its first free byte.
    fn heap(&self, image: &mut [u8], end: u32) -> Result<u32, ImageError> {
        let mut at = Header::SIZE.next_multiple_of(64);
        let mut seen = Vec::new();
        let shared = self
            .partitions
            .iter()
            .filter(|_| self.layout == Layout::Heap)
            .flat_map(|p| &p.items);
        for (id, data) in self.global.iter().chain(shared) {
            let full = ImageError::Full {
                id: *id,
                size: data.len(),
            };
            self.check_item(*id, &mut seen)?;
            let size = u32::try_from(data.len())
                .ok()
                .and_then(|len| len.checked_next_multiple_of(8))
                .ok_or(full)?;
            let next = at.checked_add(size).filter(|next| *next <= end).ok_or(full)?;
            let entry = HeapEntry {
                allocated: 1,
                offset: at,
                size,
                aux_base: 0,
            };
            let index = u32::from(*id).saturating_mul(HeapEntry::SIZE);
            put(image, Header::TABLE.saturating_add(index), &entry.encode());
            put(image, at, data);
            at = next;
        }
        Ok(at)
    }

    fn check_item(&self, id: u16, seen: &mut Vec<u16>) -> Result<(), ImageError> {
        if id >= self.count() {
            return Err(ImageError::Number(id));
        }
        if seen.contains(&id) {
            return Err(ImageError::Duplicate(id));
        }
        seen.push(id);
        Ok(())
    }
}

fn put(image: &mut [u8], offset: u32, bytes: &[u8]) {
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    for (to, from) in image.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}
