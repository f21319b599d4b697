//! Finding items, as the kernel's `qcom_smem_get` does, but without believing a single offset.

use super::layout::{
    CANARY, Header, HeapEntry, INFO_MAGIC, ItemHeader, PartitionHeader, TABLE_HEADER_SIZE, TABLE_MAGIC,
    TABLE_PAGE, TableEntry,
};
use super::{HOST_APPS, HOST_GLOBAL, ITEM_COUNT, Layout, SmemError};
use crate::words::{Outside, Words, read_bytes};

/// In which memory an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The global heap.
    Heap,
    /// A partition's uncached list.
    Uncached,
    /// A partition's cached list.
    Cached,
}

/// An item that was found. It lies in the region as a whole, 4-byte aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Item {
    /// Number.
    pub id: u16,
    /// Offset of its data from the start of the region.
    pub offset: u32,
    /// Bytes of data without padding. The global heap rounds up to 8.
    pub size: u32,
    /// Where it is.
    pub place: Place,
}

/// A partition whose header agrees with its entry in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition {
    pub offset: u32,
    pub size: u32,
    pub free_uncached: u32,
    pub free_cached: u32,
    cacheline: u32,
}

/// What a search in a partition's uncached list ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    pub found: Option<Item>,
    /// Where the search ended, from the start of the partition; [`Partition::free_uncached`] when nothing was found.
    pub end: u32,
}

/// SMEM as one processor sees it.
#[derive(Debug, Clone)]
pub struct Smem<W> {
    pub(super) words: W,
}

impl<W: Words> Smem<W> {
    /// Over the whole region.
    pub const fn new(words: W) -> Self {
        Self { words }
    }

    /// The region.
    pub const fn words(&self) -> &W {
        &self.words
    }

    /// The layout that the header and the table announce.
    ///
    /// # Errors
    /// [`SmemError`]
    pub fn layout(&self) -> Result<Layout, SmemError> {
        if self.words.load(Header::INITIALIZED)? != 1 || self.words.load(Header::RESERVED)? != 0 {
            return Err(SmemError::NotInitialized);
        }
        let version = self.words.load(Header::VERSION)?;
        match version >> 16 {
            Header::VERSION_HEAP if self.table_len()?.is_none() => Ok(Layout::Heap),
            Header::VERSION_HEAP => Ok(Layout::Partitions),
            Header::VERSION_PARTITION => Ok(Layout::GlobalPartition),
            _ => Err(SmemError::Version(version)),
        }
    }

    /// The item `id` that the AP shares with `remote`: in their partition, or else where global items are.
    ///
    /// # Errors
    /// [`SmemError`]
    pub fn item(&self, remote: u16, id: u16) -> Result<Option<Item>, SmemError> {
        self.check_number(id)?;
        match self.partition(remote)? {
            Some(partition) => self.find(&partition, id),
            None => self.global_item(id),
        }
    }

    /// The global item `id`.
    ///
    /// # Errors
    /// [`SmemError`]
    pub fn global_item(&self, id: u16) -> Result<Option<Item>, SmemError> {
        self.check_number(id)?;
        match self.global_partition()? {
            Some(partition) => self.find(&partition, id),
            None => self.heap_item(id),
        }
    }

    /// All items that the AP shares with `remote`, in the order of their places. Without a partition of their own: none.
    ///
    /// # Errors
    /// [`SmemError`]
    pub fn items(&self, remote: u16) -> Result<Vec<Item>, SmemError> {
        match self.partition(remote)? {
            Some(partition) => self.list(&partition),
            None => Ok(Vec::new()),
        }
    }

    /// All global items.
    ///
    /// # Errors
    /// [`SmemError`]
    pub fn global_items(&self) -> Result<Vec<Item>, SmemError> {
        if let Some(partition) = self.global_partition()? {
            return self.list(&partition);
        }
        let mut items = Vec::new();
        for id in 0..ITEM_COUNT {
            items.extend(self.heap_item(id)?);
        }
        Ok(items)
    }

    /// Item numbers are below this.
    ///
    /// # Errors
    /// [`SmemError`]
    pub fn item_count(&self) -> Result<u16, SmemError> {
        if self.layout()? != Layout::GlobalPartition {
            return Ok(ITEM_COUNT);
        }
        let Some(len) = self.table_len()? else {
            return Ok(ITEM_COUNT);
        };
        let info = self.table_entry_offset(len);
        let has_info = self.words.load(info) == Ok(INFO_MAGIC);
        match self.words.load(info.saturating_add(16)) {
            Ok(count) if has_info => Ok(u16::try_from(count & 0xffff).unwrap_or(ITEM_COUNT)),
            _ => Ok(ITEM_COUNT),
        }
    }

    fn check_number(&self, id: u16) -> Result<(), SmemError> {
        if id < self.item_count()? {
            Ok(())
        } else {
            Err(SmemError::Number(id))
        }
    }

    // ---- partitions ----

    fn table_offset(&self) -> u32 {
        self.words.size().saturating_sub(TABLE_PAGE)
    }

    fn table_entry_offset(&self, index: u32) -> u32 {
        self.table_offset()
            .saturating_add(TABLE_HEADER_SIZE)
            .saturating_add(index.saturating_mul(TableEntry::SIZE))
    }

    /// Entries in the partition table; `None` without a table.
    fn table_len(&self) -> Result<Option<u32>, SmemError> {
        let table = self.table_offset();
        if self.words.load(table)? != TABLE_MAGIC {
            return Ok(None);
        }
        let version = self.words.load(table.saturating_add(4))?;
        if version != 1 {
            return Err(SmemError::TableVersion(version));
        }
        let len = self.words.load(table.saturating_add(8))?;
        if self.table_entry_offset(len) > self.words.size() {
            return Err(SmemError::TableLength(len));
        }
        Ok(Some(len))
    }

    fn table(&self) -> Result<Vec<TableEntry>, SmemError> {
        let len = self.table_len()?.unwrap_or(0);
        let mut entries = Vec::new();
        for index in 0..len {
            let offset = self.table_entry_offset(index);
            let bytes = read_bytes(&self.words, offset, TableEntry::SIZE)?;
            let entry = TableEntry::parse(&bytes).map_err(|_| self.outside(offset))?;
            if entry.offset != 0 && entry.size != 0 {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Where the first partition or the table starts: no heap goes beyond.
    pub(super) fn partitions_start(&self) -> Result<u32, SmemError> {
        let first = self.table()?.iter().map(|e| e.offset).min();
        Ok(self.table_offset().min(first.unwrap_or(u32::MAX)))
    }

    fn outside(&self, offset: u32) -> Outside {
        Outside {
            offset,
            size: self.words.size(),
        }
    }

    /// The partition of the AP and `remote`.
    pub(super) fn partition(&self, remote: u16) -> Result<Option<Partition>, SmemError> {
        if self.layout()? == Layout::Heap {
            return Ok(None);
        }
        let table = self.table()?;
        let mut found = table.iter().filter(|e| {
            (e.host0 == HOST_APPS && e.host1 == remote) || (e.host1 == HOST_APPS && e.host0 == remote)
        });
        let Some(entry) = found.next() else {
            return Ok(None);
        };
        if found.next().is_some() {
            return Err(SmemError::DuplicatePartition(remote));
        }
        self.check_partition(entry).map(Some)
    }

    /// The global partition of version 12; `None` in version 11.
    pub(super) fn global_partition(&self) -> Result<Option<Partition>, SmemError> {
        if self.layout()? != Layout::GlobalPartition {
            return Ok(None);
        }
        let table = self.table()?;
        let entry = table
            .iter()
            .find(|e| e.host0 == HOST_GLOBAL && e.host1 == HOST_GLOBAL)
            .ok_or(SmemError::NoGlobalPartition)?;
        self.check_partition(entry).map(Some)
    }

    fn check_partition(&self, entry: &TableEntry) -> Result<Partition, SmemError> {
        let bad = |what| SmemError::Partition {
            offset: entry.offset,
            what,
        };
        let end = entry.offset.checked_add(entry.size).ok_or(bad("too large"))?;
        if end > self.words.size() || !entry.offset.is_multiple_of(8) || entry.size < PartitionHeader::SIZE {
            return Err(bad("not in the region"));
        }
        let bytes = read_bytes(&self.words, entry.offset, PartitionHeader::SIZE)?;
        let header = PartitionHeader::parse(&bytes)
            .ok()
            .flatten()
            .ok_or(bad("no magic"))?;
        if (header.host0, header.host1) != (entry.host0, entry.host1) {
            return Err(bad("hosts differ from the table's"));
        }
        if header.size != entry.size {
            return Err(bad("size differs from the table's"));
        }
        if header.free_uncached > header.size || header.free_cached > header.size {
            return Err(bad("free memory outside of it"));
        }
        Ok(Partition {
            offset: entry.offset,
            size: entry.size,
            free_uncached: header.free_uncached,
            free_cached: header.free_cached,
            cacheline: entry.cacheline,
        })
    }

    fn find(&self, partition: &Partition, id: u16) -> Result<Option<Item>, SmemError> {
        if let Some(item) = self.uncached(partition, |item| item.id == id)?.found {
            return Ok(Some(item));
        }
        self.cached(partition, |item| item.id == id)
    }

    fn list(&self, partition: &Partition) -> Result<Vec<Item>, SmemError> {
        let mut items = Vec::new();
        let mut keep = |item: &Item| {
            items.push(*item);
            false
        };
        self.uncached(partition, &mut keep)?;
        self.cached(partition, keep)?;
        Ok(items)
    }

    fn item_header(&self, partition: &Partition, at: u32) -> Result<ItemHeader, SmemError> {
        let offset = partition.offset.saturating_add(at);
        let bad = |what| SmemError::Chain { offset, what };
        if at.saturating_add(ItemHeader::SIZE) > partition.size {
            return Err(bad("outside of the partition"));
        }
        let bytes = read_bytes(&self.words, offset, ItemHeader::SIZE)?;
        let header = ItemHeader::parse(&bytes).map_err(|_| self.outside(offset))?;
        if header.canary != CANARY {
            return Err(bad("wrong canary"));
        }
        if u32::from(header.padding_data) > header.size {
            return Err(bad("more padding than data"));
        }
        Ok(header)
    }

    /// Walks the uncached list until `stop`. Each step goes up by 16 bytes at least, so the walk ends.
    pub(super) fn uncached(
        &self,
        partition: &Partition,
        mut stop: impl FnMut(&Item) -> bool,
    ) -> Result<Chain, SmemError> {
        let mut at = PartitionHeader::SIZE;
        while at < partition.free_uncached {
            let offset = partition.offset.saturating_add(at);
            let bad = |what| SmemError::Chain { offset, what };
            let header = self.item_header(partition, at)?;
            let data = at
                .saturating_add(ItemHeader::SIZE)
                .saturating_add(header.padding_header.into());
            let next = data.checked_add(header.size).ok_or(bad("too large"))?;
            if next > partition.size {
                return Err(bad("too large"));
            }
            let item = Item {
                id: header.id,
                offset: partition.offset.saturating_add(data),
                size: header.size.saturating_sub(header.padding_data.into()),
                place: Place::Uncached,
            };
            if stop(&item) {
                if !item.offset.is_multiple_of(4) {
                    return Err(bad("data not aligned"));
                }
                return Ok(Chain {
                    found: Some(item),
                    end: at,
                });
            }
            at = next;
        }
        Ok(Chain { found: None, end: at })
    }

    /// Walks the cached list, which goes down from the end of the partition, until `stop`.
    fn cached(
        &self,
        partition: &Partition,
        mut stop: impl FnMut(&Item) -> bool,
    ) -> Result<Option<Item>, SmemError> {
        let bad_end = |what| SmemError::Partition {
            offset: partition.offset,
            what,
        };
        if partition.free_cached == partition.size {
            return Ok(None);
        }
        if !partition.cacheline.is_power_of_two() {
            return Err(bad_end("cache line is no power of two"));
        }
        let step = ItemHeader::SIZE
            .checked_next_multiple_of(partition.cacheline)
            .ok_or(bad_end("cache line too large"))?;
        let mut at = partition
            .size
            .checked_sub(step)
            .ok_or(bad_end("cache line too large"))?;
        // Each step goes down by 16 bytes at least, so the walk ends.
        while at > partition.free_cached {
            let offset = partition.offset.saturating_add(at);
            let bad = |what| SmemError::Chain { offset, what };
            let header = self.item_header(partition, at)?;
            let data = at.checked_sub(header.size).ok_or(bad("too large"))?;
            let item = Item {
                id: header.id,
                offset: partition.offset.saturating_add(data),
                size: header.size.saturating_sub(header.padding_data.into()),
                place: Place::Cached,
            };
            if stop(&item) {
                if !item.offset.is_multiple_of(4) {
                    return Err(bad("data not aligned"));
                }
                return Ok(Some(item));
            }
            if data <= partition.free_cached {
                break;
            }
            at = data.checked_sub(step).ok_or(bad("too large"))?;
        }
        Ok(None)
    }

    // ---- the heap ----

    pub(super) fn heap_entry(&self, id: u16) -> Result<(u32, HeapEntry), SmemError> {
        let offset = Header::TABLE.saturating_add(u32::from(id).saturating_mul(HeapEntry::SIZE));
        let bytes = read_bytes(&self.words, offset, HeapEntry::SIZE)?;
        let entry = HeapEntry::parse(&bytes).map_err(|_| self.outside(offset))?;
        Ok((offset, entry))
    }

    pub(super) fn heap_item(&self, id: u16) -> Result<Option<Item>, SmemError> {
        let (_, entry) = self.heap_entry(id)?;
        if entry.allocated == 0 {
            return Ok(None);
        }
        let end = entry.offset.checked_add(entry.size);
        let here = entry.aux_base & HeapEntry::AUX_BASE_MASK == 0;
        match end {
            Some(end) if here && end <= self.words.size() && entry.offset.is_multiple_of(4) => {
                Ok(Some(Item {
                    id,
                    offset: entry.offset,
                    size: entry.size,
                    place: Place::Heap,
                }))
            }
            _ => Err(SmemError::GlobalItem(id)),
        }
    }
}
