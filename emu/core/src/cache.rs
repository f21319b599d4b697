//! The decoded blocks of one [`Cpu`](super::Cpu), found by address.

use std::collections::HashMap;

use super::block::{Block, build};
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
            simulated: None,
            near: vec![(NOWHERE, 0); NEAR],
        }
    }

    /// Forgets what was decoded at another epoch.
    pub(super) fn keep_up(&mut self, epoch: u64) {
        if self.epoch != epoch {
            *self = Cache {
                epoch,
                simulated: self.simulated,
                ..Cache::new()
            };
        }
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
                if self.blocks.len() >= MAX_BLOCKS {
                    *self = Cache {
                        epoch: self.epoch,
                        simulated: self.simulated,
                        ..Cache::new()
                    };
                }
                self.simulated = self.simulated.or(block.simulated);
                let id = self.blocks.len() as u32;
                self.blocks.push(block);
                self.by_pc.insert(pc, id);
                id
            }
        };
        self.near[slot(pc)] = (pc, id);
        Ok(id)
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
