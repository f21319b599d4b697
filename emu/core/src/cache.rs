//! The decoded blocks of one [`Cpu`](super::Cpu), found by address.

use std::collections::HashMap;

use super::block::{Block, build};
use super::code_changes::{CodeChanges, page_and_next};
use super::exception::Exception;
use super::memory::CodeMemory;
use super::part::{Core, NOWHERE};
use super::vector_float::Simulated;

/// Entries of the table in front of the hash map; a power of two.
const NEAR: usize = 4096;
/// Blocks after which everything is decoded afresh: a bound on memory.
const MAX_BLOCKS: usize = 1 << 16;

/// An address's place in [`Cache::near`].
fn slot(pc: u32) -> usize {
    (pc >> 2) as usize & (NEAR - 1)
}

/// Blocks of one memory. A block is named by its number, which holds until the cache is emptied.
pub(super) struct Cache<M: CodeMemory> {
    /// [`CodeMemory::code_epoch`] when they were decoded.
    epoch: u64,
    blocks: Vec<Block<M>>,
    by_pc: HashMap<u32, u32>,
    /// Blocks with code in a page.
    by_page: HashMap<u32, Vec<u32>>,
    /// Numbers of blocks that are gone.
    free: Vec<u32>,
    /// The first instruction decoded for which the part has no unit, until it is taken.
    pub simulated: Option<Simulated>,
    /// The block last found for each address, by the address's low bits.
    near: Vec<(u32, u32)>,
}

impl<M: CodeMemory> Cache<M> {
    pub(super) fn new() -> Self {
        Cache {
            epoch: 0,
            blocks: Vec::new(),
            by_pc: HashMap::new(),
            by_page: HashMap::new(),
            free: Vec::new(),
            simulated: None,
            near: vec![(NOWHERE, 0); NEAR],
        }
    }

    /// Forgets what was decoded of code that has changed.
    #[inline(always)]
    pub(super) fn keep_up(&mut self, mem: &M) {
        if self.epoch != mem.code_epoch() {
            self.catch_up(mem);
        }
    }

    #[cold]
    #[inline(never)]
    fn catch_up(&mut self, mem: &M) {
        let (epoch, changes) = mem.code_changes(self.epoch);
        match &changes {
            CodeChanges::Everything => self.clear(),
            CodeChanges::In(_) => self.forget(&changes),
        }
        self.epoch = epoch;
    }

    fn clear(&mut self) {
        *self = Cache {
            epoch: self.epoch,
            simulated: self.simulated,
            ..Cache::new()
        };
    }

    fn forget(&mut self, changes: &CodeChanges) {
        let pages = self.by_page.keys().filter(|page| changes.concern(**page));
        let pages: Vec<u32> = pages.copied().collect();
        let mut gone: Vec<u32> = pages
            .iter()
            .filter_map(|page| self.by_page.remove(page))
            .flatten()
            .collect();
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable();
        gone.dedup();
        for id in &gone {
            let block = std::mem::replace(&mut self.blocks[*id as usize], Block::none());
            let Some(first) = block.marks.first() else {
                continue;
            };
            self.by_pc.remove(&first.pc);
            for page in lies_in(&block) {
                if let Some(others) = self.by_page.get_mut(&page) {
                    others.retain(|other| other != id);
                }
            }
        }
        for block in &mut self.blocks {
            for link in &mut block.links {
                if gone.binary_search(&link.1).is_ok() {
                    *link = (NOWHERE, 0);
                }
            }
        }
        self.near.fill((NOWHERE, 0));
        self.free.append(&mut gone);
    }

    /// The block of this number, which [`find`](Self::find) or [`follow`](Self::follow) gave last.
    #[inline(always)]
    pub(super) fn block(&self, id: u32) -> &Block<M> {
        &self.blocks[id as usize]
    }

    /// The block at `pc`; decodes it if it is not there yet, which may empty the cache before.
    ///
    /// # Errors
    /// Its first packet cannot be fetched, decoded or planned.
    #[inline(always)]
    pub(super) fn find(&mut self, mem: &M, core: Core, pc: u32) -> Result<u32, Exception> {
        let (at, id) = self.near[slot(pc)];
        if at == pc {
            return Ok(id);
        }
        self.find_far(mem, core, pc)
    }

    #[cold]
    #[inline(never)]
    fn find_far(&mut self, mem: &M, core: Core, pc: u32) -> Result<u32, Exception> {
        let id = match self.by_pc.get(&pc) {
            Some(id) => *id,
            None => {
                let block = build(mem, core, pc)?;
                self.add(pc, block)
            }
        };
        self.near[slot(pc)] = (pc, id);
        Ok(id)
    }

    fn add(&mut self, pc: u32, block: Block<M>) -> u32 {
        if self.blocks.len() - self.free.len() >= MAX_BLOCKS {
            self.clear();
        }
        self.simulated = self.simulated.or(block.simulated);
        let pages = lies_in(&block);
        let id = match self.free.pop() {
            Some(id) => {
                self.blocks[id as usize] = block;
                id
            }
            None => {
                self.blocks.push(block);
                self.blocks.len() as u32 - 1
            }
        };
        self.by_pc.insert(pc, id);
        for page in pages {
            self.by_page.entry(page).or_default().push(id);
        }
        id
    }

    /// The block at `pc`, to which block `from` was just left: the next time, `from` knows it.
    ///
    /// # Errors
    /// As for [`find`](Self::find).
    #[inline(always)]
    pub(super) fn follow(&mut self, from: u32, mem: &M, core: Core, pc: u32) -> Result<u32, Exception> {
        let count = self.blocks.len();
        let to = self.find(mem, core, pc)?;
        // If the cache was emptied meanwhile, `from` is gone.
        if self.blocks.len() >= count
            && let Some(block) = self.blocks.get_mut(from as usize)
        {
            block.links[usize::from(pc != block.next)] = (pc, to);
        }
        Ok(to)
    }
}

/// The pages that a block was decoded of: it ends with its first one, or with a packet that goes on in the next.
fn lies_in<M: CodeMemory>(block: &Block<M>) -> impl Iterator<Item = u32> + use<M> {
    let first = block.marks.first().map_or(block.next, |mark| mark.pc);
    page_and_next(first, block.next)
}
