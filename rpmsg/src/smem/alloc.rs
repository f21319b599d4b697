//! Allocating items beside a kernel that does not know that the hardware lock is RAM.
//!
//! The kernel (`qcom_smem_alloc`) takes the lock, walks, writes a header behind the last item, and then adds to the free offset with
//! a plain load and store. It always gets the lock ([`super::lock`]), so it can do this while the DSP is in the middle of the
//! same. The DSP's side therefore
//!
//! 1. enters only while nobody holds the lock,
//! 2. writes every word with a compare-exchange against what it read while it held the lock: a header that the kernel wrote
//!    meanwhile is never overwritten, one that the kernel writes later overwrites the DSP's as a whole,
//! 3. publishes with a compare-exchange of the free offset: never over an allocation of the kernel,
//! 4. looks afterwards whether it was overtaken, and if so, waits until the lock is free again and looks whether its item is
//!    still in the list. If the kernel wrote its own item in the same place, the DSP corrects the free offset and starts over.
//!
//! The limit: between the kernel's overwriting and that correction the list has a gap. If the kernel allocates in the same
//! partition a second time within it, that allocation fails in the kernel ("invalid canary"). Nothing on the DSP's side can
//! prevent this without arbitration; it takes an allocation of the kernel in the very same partition within the microseconds of
//! the DSP's own. The DSP allocates while the kernel waits for it to become ready, so this does not happen in order.

use super::layout::{Header, HeapEntry, ItemHeader, PartitionHeader};
use super::lock::HwLock;
use super::walk::{Item, Partition, Place, Smem};
use super::{FIRST_FREE_ITEM, SmemError};
use crate::words::{Words, read_bytes, write_bytes};

/// Trials of an allocation that the AP disturbs.
const ATTEMPTS: u32 = 16;
/// Trials to take the lock, with [`HwLock::relax`] between them.
const PATIENCE: u32 = 2048;

/// An item after [`Smem::allocate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// The item.
    pub item: Item,
    /// Whether it was made by this call; its contents are zero then.
    pub new: bool,
}

/// What one trial led to.
enum Trial {
    Done(Allocation),
    /// The AP was faster. Its lock has to become free before the next look.
    Overtaken,
}

impl<W: Words> Smem<W> {
    /// Makes the item `id` of `size` bytes that the AP shares with `remote` (or a global one, if they have no partition). An item
    /// that is there already with that size is left as it is: memory is never given back, so a restarted DSP finds its items.
    ///
    /// # Errors
    /// [`SmemError`]; [`SmemError::Locked`] and [`SmemError::Overtaken`] are worth another trial later.
    pub fn allocate<L: HwLock>(
        &self,
        remote: u16,
        id: u16,
        size: u32,
        lock: &L,
    ) -> Result<Allocation, SmemError> {
        self.allocate_in(Some(remote), id, size, lock)
    }

    /// Makes the global item `id` of `size` bytes, likewise.
    ///
    /// # Errors
    /// [`SmemError`], as [`Self::allocate`]
    pub fn allocate_global<L: HwLock>(&self, id: u16, size: u32, lock: &L) -> Result<Allocation, SmemError> {
        self.allocate_in(None, id, size, lock)
    }

    /// Writes the text of a crash into the global item `id`, which is made if it is missing, and ends it with a zero byte; longer
    /// texts are cut. The kernel prints it as it stands when the fatal or watchdog interrupt comes.
    ///
    /// # Errors
    /// [`SmemError`], as [`Self::allocate`]
    pub fn set_crash_reason<L: HwLock>(&self, id: u16, text: &str, lock: &L) -> Result<(), SmemError> {
        let item = match self.global_item(id)? {
            Some(item) => item,
            None => self.allocate_global(id, super::CRASH_REASON_SIZE, lock)?.item,
        };
        let size = usize::try_from(item.size).unwrap_or(0);
        let mut bytes = text.as_bytes().to_vec();
        bytes.truncate(size.saturating_sub(1));
        bytes.resize(size, 0);
        Ok(write_bytes(&self.words, item.offset, &bytes)?)
    }

    /// The text of a crash in the global item `id`; `None` without item or text.
    ///
    /// # Errors
    /// [`SmemError`]
    pub fn crash_reason(&self, id: u16) -> Result<Option<String>, SmemError> {
        let Some(item) = self.global_item(id)? else {
            return Ok(None);
        };
        let bytes = read_bytes(&self.words, item.offset, item.size)?;
        let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
        Ok((!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned()))
    }

    fn allocate_in<L: HwLock>(
        &self,
        remote: Option<u16>,
        id: u16,
        size: u32,
        lock: &L,
    ) -> Result<Allocation, SmemError> {
        if id < FIRST_FREE_ITEM || id >= self.item_count()? {
            return Err(SmemError::Number(id));
        }
        let mut new = false;
        for attempt in 0..ATTEMPTS {
            acquire(lock)?;
            let trial = self.locked_trial(remote, id, size, attempt > 0, lock);
            let held = lock.release()?;
            match trial? {
                // Untouched from the first look to the last: nobody else was inside.
                Trial::Done(mut done) if held => {
                    done.new |= new;
                    return Ok(done);
                }
                Trial::Done(done) => new |= done.new,
                Trial::Overtaken => {}
            }
        }
        Err(SmemError::Overtaken(ATTEMPTS))
    }

    fn locked_trial<L: HwLock>(
        &self,
        remote: Option<u16>,
        id: u16,
        size: u32,
        again: bool,
        lock: &L,
    ) -> Result<Trial, SmemError> {
        let partition = match remote {
            Some(remote) => self.partition(remote)?,
            None => None,
        };
        let partition = match partition {
            Some(partition) => Some(partition),
            None => self.global_partition()?,
        };
        match partition {
            Some(partition) => self.in_partition(&partition, id, size, again, lock),
            None => self.in_heap(id, size, lock),
        }
    }

    // ---- partitions ----

    fn in_partition<L: HwLock>(
        &self,
        partition: &Partition,
        id: u16,
        size: u32,
        again: bool,
        lock: &L,
    ) -> Result<Trial, SmemError> {
        let free_word = partition.offset.saturating_add(PartitionHeader::FREE_UNCACHED);
        let chain = match self.uncached(partition, |item| item.id == id) {
            Ok(chain) => chain,
            // The gap that an overtaking AP leaves: what follows the chain was never published as a whole.
            Err(SmemError::Chain { offset, .. }) if again => {
                let end = offset.saturating_sub(partition.offset);
                if lock.is_held()? {
                    self.words
                        .compare_exchange(free_word, partition.free_uncached, end)?;
                }
                return Ok(Trial::Overtaken);
            }
            Err(error) => return Err(error),
        };
        if let Some(item) = chain.found {
            return existing(item, size);
        }
        let at = chain.end;
        let header = ItemHeader::new(id, size).ok_or(SmemError::Full {
            need: size,
            free: partition.size,
        })?;
        let need = header.size.saturating_add(ItemHeader::SIZE);
        let free = partition.free_cached.saturating_sub(at);
        if need > free {
            return Err(SmemError::Full { need, free });
        }
        let offset = partition.offset.saturating_add(at);
        let before = read_bytes(&self.words, offset, ItemHeader::SIZE)?;
        if !lock.is_held()? {
            return Ok(Trial::Overtaken);
        }
        if !self.replace(offset, &before, &header.encode())? {
            return Ok(Trial::Overtaken);
        }
        let data = offset.saturating_add(ItemHeader::SIZE);
        if !self.clear(data, header.size, lock)? {
            return Ok(Trial::Overtaken);
        }
        let end = at.saturating_add(need);
        if !lock.is_held()?
            || !self
                .words
                .compare_exchange(free_word, partition.free_uncached, end)?
        {
            return Ok(Trial::Overtaken);
        }
        Ok(Trial::Done(Allocation {
            item: Item {
                id,
                offset: data,
                size,
                place: Place::Uncached,
            },
            new: true,
        }))
    }

    /// Replaces words that still are what they were; stops at the first that is not.
    fn replace(&self, offset: u32, before: &[u8], after: &[u8]) -> Result<bool, SmemError> {
        let mut at = offset;
        for (old, new) in before.chunks_exact(4).zip(after.chunks_exact(4)) {
            let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            if !self.words.compare_exchange(at, word(old), word(new))? {
                return Ok(false);
            }
            at = at.saturating_add(4);
        }
        Ok(true)
    }

    /// Zeroes what is not zero yet, as long as the lock is held and nobody else writes there.
    fn clear<L: HwLock>(&self, offset: u32, size: u32, lock: &L) -> Result<bool, SmemError> {
        for word in (0..size).step_by(4) {
            let at = offset.saturating_add(word);
            let old = self.words.load(at)?;
            if old != 0 && !(lock.is_held()? && self.words.compare_exchange(at, old, 0)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    // ---- the heap ----

    fn in_heap<L: HwLock>(&self, id: u16, size: u32, lock: &L) -> Result<Trial, SmemError> {
        let free_offset = self.words.load(Header::FREE_OFFSET)?;
        let available = self.words.load(Header::AVAILABLE)?;
        let heap_end = free_offset
            .saturating_add(available)
            .min(self.partitions_start()?);
        let others = self.heap_ends(id)?;
        if let Some(item) = self.heap_item(id)? {
            // Made by a trial before, while the AP made one in the same place?
            if others.overlap(&item) {
                let (entry, _) = self.heap_entry(id)?;
                self.words.store(entry, 0)?;
                return Ok(Trial::Overtaken);
            }
            return existing(item, size.saturating_add(7) & !7);
        }
        let need = size.checked_next_multiple_of(8).ok_or(SmemError::Full {
            need: size,
            free: available,
        })?;
        // An AP that overtook may have stored a free offset that lies within an item.
        let start = free_offset.max(others.end);
        let free = heap_end.saturating_sub(start);
        if need > free {
            return Err(SmemError::Full { need, free });
        }
        if !start.is_multiple_of(8) {
            return Err(SmemError::GlobalItem(id));
        }
        let end = start.saturating_add(need);
        if !lock.is_held()?
            || !self
                .words
                .compare_exchange(Header::FREE_OFFSET, free_offset, end)?
            || !self
                .words
                .compare_exchange(Header::AVAILABLE, available, heap_end.saturating_sub(end))?
        {
            return Ok(Trial::Overtaken);
        }
        let (entry, _) = self.heap_entry(id)?;
        if !self.clear(start, need, lock)? {
            return Ok(Trial::Overtaken);
        }
        self.words.store(entry.saturating_add(4), start)?;
        self.words.store(entry.saturating_add(8), need)?;
        self.words.store(entry.saturating_add(12), 0)?;
        self.words.store(entry, 1)?;
        Ok(Trial::Done(Allocation {
            item: Item {
                id,
                offset: start,
                size: need,
                place: Place::Heap,
            },
            new: true,
        }))
    }

    fn heap_ends(&self, but: u16) -> Result<Others, SmemError> {
        let mut others = Others {
            end: Header::SIZE,
            ranges: Vec::new(),
        };
        for id in (0..super::ITEM_COUNT).filter(|id| *id != but) {
            let (_, entry) = self.heap_entry(id)?;
            if entry.allocated != 0 && entry.aux_base & HeapEntry::AUX_BASE_MASK == 0 {
                let end = entry.offset.saturating_add(entry.size);
                others.end = others.end.max(end);
                others.ranges.push((entry.offset, end));
            }
        }
        Ok(others)
    }
}

/// The heap's other items.
struct Others {
    /// Where the last one ends.
    end: u32,
    ranges: Vec<(u32, u32)>,
}

impl Others {
    fn overlap(&self, item: &Item) -> bool {
        let end = item.offset.saturating_add(item.size);
        self.ranges
            .iter()
            .any(|&(start, stop)| start < end && item.offset < stop)
    }
}

fn existing(item: Item, size: u32) -> Result<Trial, SmemError> {
    if item.size != size {
        return Err(SmemError::Size {
            id: item.id,
            found: item.size,
            need: size,
        });
    }
    Ok(Trial::Done(Allocation { item, new: false }))
}

fn acquire<L: HwLock>(lock: &L) -> Result<(), SmemError> {
    for round in 0..PATIENCE {
        if lock.try_acquire()? {
            return Ok(());
        }
        lock.relax(round);
    }
    Err(SmemError::Locked)
}
