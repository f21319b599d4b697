//! Thread-local storage of libraries (`PT_TLS`): a block for each thread and library.
//!
//! Most libraries ask for the address of a block with `__tls_get_addr`; theirs are made when a thread first asks. Those that
//! reach theirs relative to the thread pointer (initial-exec: `R_HEX_TPREL_32`) have them at a fixed distance below it, in
//! an area that each thread has from its beginning; pages are behind it as far as such libraries are loaded. UGP is the
//! thread pointer, and storage lies below it (the ABI's variant II; LLVM's HexagonISelLowering, lld's `getTlsTpOffset`).
//!
//! Local-exec is for programs: linkers refuse it in a library.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::modules::ModuleId;
use crate::memory::layout::{THREAD_AREA, THREAD_AREAS, VTCM};
use crate::memory::ranges::Ranges;
use crate::memory::{NoMemory, ProcessMemory};
use emu_core::mem::PAGE_SIZE;
use emu_core::memory::{MemFault, Memory as _};

/// Where the thread pointer points, from the beginning of a thread's area: behind it nothing is mapped, and before the first
/// page neither.
const POINTER: u32 = THREAD_AREA - PAGE_SIZE;
const AREAS: u32 = (VTCM - THREAD_AREAS) / THREAD_AREA;

/// Why a thread cannot have its block.
#[derive(Debug)]
pub enum NoStorage {
    /// There is no memory.
    NoMemory(NoMemory),
    /// The first contents cannot be read.
    Fault(MemFault),
    /// There is no room at fixed distances.
    Full,
}

impl From<NoMemory> for NoStorage {
    fn from(why: NoMemory) -> Self {
        Self::NoMemory(why)
    }
}

/// What a library's blocks are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Where the first contents lie.
    pub at: u32,
    /// Bytes of them.
    pub filled: u32,
    /// Bytes of a block.
    pub size: u32,
    /// Power of two.
    pub align: u32,
    /// What a block's address is modulo `align`.
    pub skew: u32,
}

impl Template {
    fn room(&self) -> u32 {
        self.size.saturating_add(self.skew)
    }

    /// Puts the first contents at `to`, where zeros are.
    fn copy(&self, to: u32, memory: &ProcessMemory) -> Result<(), NoStorage> {
        let mut chunk = [0; PAGE_SIZE as usize];
        for off in (0..self.filled).step_by(chunk.len()) {
            let part = &mut chunk[..(self.filled - off).min(PAGE_SIZE) as usize];
            let space = &memory.space;
            let copied = space
                .load(self.at.wrapping_add(off), part)
                .and_then(|()| space.store(to.wrapping_add(off), part));
            copied.map_err(|fault| NoStorage::Fault(fault.into()))?;
        }
        Ok(())
    }
}

/// What a thread has.
#[derive(Debug)]
struct Storage {
    area: u32,
    /// Pages of the area that something is behind, one bit each.
    pages: u32,
    /// Blocks that are not in the area: allocation and block.
    blocks: HashMap<ModuleId, (u32, u32)>,
}

/// The storage of all threads.
pub struct ThreadStorage {
    threads: BTreeMap<u32, Storage>,
    areas: BTreeSet<u32>,
    /// What is free below thread pointers.
    room: Ranges,
    /// Libraries whose blocks lie at fixed distances: where they lie in an area.
    fixed: BTreeMap<ModuleId, (u32, Template)>,
}

impl Default for ThreadStorage {
    fn default() -> Self {
        Self {
            threads: BTreeMap::new(),
            areas: BTreeSet::new(),
            room: Ranges::new(PAGE_SIZE.into(), (POINTER - PAGE_SIZE).into()),
            fixed: BTreeMap::new(),
        }
    }
}

impl ThreadStorage {
    /// A thread begins: its thread pointer.
    pub fn thread_starts(&mut self, thread: u32, memory: &ProcessMemory) -> Result<u32, NoStorage> {
        if let Some(known) = self.threads.get(&thread) {
            return Ok(known.area + POINTER);
        }
        let free = (0..AREAS).map(|n| THREAD_AREAS + n * THREAD_AREA);
        let area = free.into_iter().find(|area| !self.areas.contains(area));
        let area = area.ok_or(NoStorage::Full)?;
        let mut storage = Storage {
            area,
            pages: 0,
            blocks: HashMap::new(),
        };
        for &(at, template) in self.fixed.values() {
            let made = storage
                .back(at, template.room(), memory)
                .and_then(|()| template.copy(area + at + template.skew, memory));
            made.inspect_err(|_| memory.release(area))?;
        }
        self.areas.insert(area);
        self.threads.insert(thread, storage);
        Ok(area + POINTER)
    }

    /// A thread has ended.
    pub fn thread_ends(&mut self, thread: u32, memory: &ProcessMemory) {
        let Some(storage) = self.threads.remove(&thread) else {
            return;
        };
        self.areas.remove(&storage.area);
        memory.release(storage.area);
        for (allocation, _) in storage.blocks.into_values() {
            memory.release(allocation);
        }
    }

    /// A thread's block of a library, made if it has none yet.
    pub fn block(
        &mut self,
        thread: u32,
        module: ModuleId,
        template: &Template,
        memory: &ProcessMemory,
    ) -> Result<u32, NoStorage> {
        self.thread_starts(thread, memory)?;
        let fixed = self.fixed.get(&module).map(|&(at, _)| at);
        let storage = self.threads.get_mut(&thread).ok_or(NoStorage::Full)?;
        if let Some(at) = fixed {
            return Ok(storage.area + at + template.skew);
        }
        if let Some(&(_, block)) = storage.blocks.get(&module) {
            return Ok(block);
        }
        let allocation = memory.allocate(template.room(), template.align)?;
        let block = allocation + template.skew;
        template
            .copy(block, memory)
            .inspect_err(|_| memory.release(allocation))?;
        storage.blocks.insert(module, (allocation, block));
        Ok(block)
    }

    /// A thread's block of a library, if it has one.
    pub fn existing(&self, thread: u32, module: ModuleId) -> Option<u32> {
        let storage = self.threads.get(&thread)?;
        let fixed = self.fixed.get(&module);
        let fixed = fixed.map(|(at, template)| storage.area + at + template.skew);
        fixed.or_else(|| storage.blocks.get(&module).map(|&(_, block)| block))
    }

    /// A library wants its blocks, or those of one that it needs, at a fixed distance: where that is in an area. The library's
    /// first contents are put there by [`fill`](Self::fill).
    pub fn fix(&mut self, module: ModuleId, template: &Template) -> Result<(), NoStorage> {
        if self.fixed.contains_key(&module) {
            return Ok(());
        }
        // Somebody may hold the address of a block that lies elsewhere.
        if self
            .threads
            .values()
            .any(|thread| thread.blocks.contains_key(&module))
        {
            return Err(NoStorage::Full);
        }
        if template.align > PAGE_SIZE {
            return Err(NoStorage::Full);
        }
        let at = self.room.take(template.room().into(), template.align.into());
        let at = at.ok_or(NoStorage::Full)? as u32;
        self.fixed.insert(module, (at, *template));
        Ok(())
    }

    /// Puts the first contents of a library's blocks at their fixed distance, in all threads.
    pub fn fill(&mut self, module: ModuleId, memory: &ProcessMemory) -> Result<(), NoStorage> {
        let Some(&(at, template)) = self.fixed.get(&module) else {
            return Ok(());
        };
        for storage in self.threads.values_mut() {
            storage.back(at, template.room(), memory)?;
            template.copy(storage.area + at + template.skew, memory)?;
        }
        Ok(())
    }

    /// How far a library's blocks lie behind the thread pointer, modulo 2³² (they lie before it).
    pub fn distance(&self, module: ModuleId) -> Option<u32> {
        let (at, template) = self.fixed.get(&module)?;
        Some((at + template.skew).wrapping_sub(POINTER))
    }

    /// A library goes, with its blocks.
    pub fn module_gone(&mut self, module: ModuleId, memory: &ProcessMemory) {
        if let Some((at, template)) = self.fixed.remove(&module) {
            self.room.put(at.into(), template.room().into());
            // The next one that lies there finds zeros.
            for storage in self.threads.values() {
                storage.clear(at, template.room(), memory);
            }
        }
        for storage in self.threads.values_mut() {
            if let Some((allocation, _)) = storage.blocks.remove(&module) {
                memory.release(allocation);
            }
        }
    }
}

impl Storage {
    /// Puts pages behind part of the area.
    fn back(&mut self, at: u32, len: u32, memory: &ProcessMemory) -> Result<(), NoStorage> {
        let pages = at / PAGE_SIZE..at.saturating_add(len).div_ceil(PAGE_SIZE);
        for page in pages.filter(|&page| page < THREAD_AREA / PAGE_SIZE) {
            if self.pages >> page & 1 == 0 {
                if self.pages == 0 {
                    memory.reserve_at(self.area);
                }
                memory.back(self.area, self.area + page * PAGE_SIZE, PAGE_SIZE)?;
                self.pages |= 1 << page;
            }
        }
        Ok(())
    }

    fn clear(&self, at: u32, len: u32, memory: &ProcessMemory) {
        const ZEROS: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];
        for off in (0..len).step_by(ZEROS.len()) {
            let part = &ZEROS[..(len - off).min(PAGE_SIZE) as usize];
            // What is not accessible any more needs no zeros.
            let _ = memory.space.store(self.area + at + off, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use emu_core::mem::AddressSpace;

    use super::*;
    use crate::config::Limits;
    use crate::kernel::testing::bus;

    fn memory(limit: u64) -> ProcessMemory {
        let limits = Limits {
            memory: limit,
            ..Limits::default()
        };
        ProcessMemory::new(Arc::new(AddressSpace::new(bus(), 1)), limits, true)
    }

    /// A template of `size` bytes, the first four of them `word`.
    fn template(memory: &ProcessMemory, word: u32, size: u32, align: u32) -> Template {
        let at = memory.allocate(4, 16).unwrap();
        memory.space.store32(at, word).unwrap();
        Template {
            at,
            filled: 4,
            size,
            align,
            skew: 0,
        }
    }

    #[test]
    fn each_thread_has_its_own_block_and_all_go_with_their_thread() {
        let memory = memory(1 << 20);
        let mut s = ThreadStorage::default();
        let t = template(&memory, 40, 100, 256);
        let before = memory.usage().0;
        let (one, two) = (
            s.block(1, 7, &t, &memory).unwrap(),
            s.block(2, 7, &t, &memory).unwrap(),
        );
        assert_ne!(one, two);
        assert_eq!((one % 256, s.block(1, 7, &t, &memory).unwrap()), (0, one));
        memory.space.store32(one, 41).unwrap();
        assert_eq!(memory.space.load32(two).unwrap(), 40);
        assert_eq!(memory.space.load32(two + 96).unwrap(), 0);
        s.thread_ends(1, &memory);
        assert!(memory.space.load32(one).is_err());
        s.module_gone(7, &memory);
        assert!(memory.space.load32(two).is_err());
        assert_eq!(memory.usage().0, before);
        s.thread_ends(2, &memory);
        s.thread_ends(3, &memory);
    }

    #[test]
    fn storage_at_a_fixed_distance_is_there_in_threads_before_and_after() {
        let memory = memory(1 << 20);
        let mut s = ThreadStorage::default();
        let t = template(&memory, 40, 0x1800, 64);
        let before = memory.usage().0;
        let early = s.thread_starts(1, &memory).unwrap();
        assert_eq!(
            memory.usage().0,
            before,
            "nothing is behind an area that nobody uses"
        );
        s.fix(7, &t).unwrap();
        s.fill(7, &memory).unwrap();
        let distance = s.distance(7).unwrap();
        let late = s.thread_starts(2, &memory).unwrap();
        for (thread, pointer) in [(1, early), (2, late)] {
            let block = pointer.wrapping_add(distance);
            assert!(block < pointer && block.is_multiple_of(64));
            assert_eq!(memory.space.load32(block).unwrap(), 40);
            assert_eq!(memory.space.load32(block + 0x17fc).unwrap(), 0);
            assert_eq!(s.block(thread, 7, &t, &memory).unwrap(), block);
        }
        assert!(
            memory.space.load8(early).is_err(),
            "nothing lies behind the pointer"
        );
        // Another library that lies there later finds zeros.
        let block = early.wrapping_add(distance);
        memory.space.store32(block + 8, 9).unwrap();
        s.module_gone(7, &memory);
        assert_eq!(s.distance(7), None);
        let empty = Template { filled: 0, ..t };
        s.fix(8, &empty).unwrap();
        s.fill(8, &memory).unwrap();
        assert_eq!(s.distance(8), Some(distance));
        assert_eq!(memory.space.load32(block + 8).unwrap(), 0);
        s.thread_ends(1, &memory);
        s.thread_ends(2, &memory);
        assert_eq!(memory.usage().0, before);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let memory = memory(0x10_0000);
        let mut s = ThreadStorage::default();
        let wide = template(&memory, 1, 0xd001, 16);
        s.fix(1, &wide).unwrap();
        assert!(
            matches!(s.fix(2, &wide), Err(NoStorage::Full)),
            "no room for a second one"
        );
        let coarse = template(&memory, 1, 4, 2 * PAGE_SIZE);
        assert!(matches!(s.fix(3, &coarse), Err(NoStorage::Full)));
        // Somebody has a block elsewhere already.
        let small = template(&memory, 1, 4, 4);
        s.thread_starts(1, &memory).unwrap();
        s.block(1, 4, &small, &memory).unwrap();
        assert!(matches!(s.fix(4, &small), Err(NoStorage::Full)));
        let huge = template(&memory, 1, 16 << 20, 16);
        assert!(matches!(
            s.block(1, 5, &huge, &memory),
            Err(NoStorage::NoMemory(NoMemory::Refused(_)))
        ));
        let nowhere = Template { at: 0x10, ..small };
        assert!(matches!(
            s.block(1, 6, &nowhere, &memory),
            Err(NoStorage::Fault(_))
        ));
    }

    #[test]
    fn there_is_an_end_of_areas() {
        let memory = memory(1 << 20);
        let mut s = ThreadStorage::default();
        for thread in 0..AREAS {
            s.thread_starts(thread, &memory).unwrap();
        }
        assert!(matches!(s.thread_starts(AREAS, &memory), Err(NoStorage::Full)));
        s.thread_ends(5, &memory);
        assert!(s.thread_starts(AREAS, &memory).is_ok());
    }
}
