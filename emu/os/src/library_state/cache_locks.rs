//! The lockable cache (`HAP_cache_lock`).

use std::collections::{BTreeSet, HashMap};

/// Bytes that can be locked in all.
pub const CACHE: u32 = 1 << 20;

/// Bytes of a line.
pub const LINE: u32 = 32;

/// Memory that skeletons have locked in the cache.
#[derive(Debug, Default)]
pub struct CacheLocks {
    /// Bytes that are locked, or for which a thread waits.
    bytes: u32,
    /// Locked heap blocks by address: bytes.
    blocks: HashMap<u32, u32>,
    /// Lines that are locked by themselves.
    lines: BTreeSet<u32>,
}

impl CacheLocks {
    /// Takes room for a block that is yet to be found.
    pub fn reserve(&mut self, size: u32) -> bool {
        let fits = size > 0 && size <= self.available();
        if fits {
            self.bytes += size;
        }
        fits
    }

    /// Bytes that can be locked still.
    pub fn available(&self) -> u32 {
        CACHE.saturating_sub(self.bytes)
    }

    /// The block for reserved room was found, or (0) was not. A block that lay there was freed without being unlocked.
    pub fn found(&mut self, at: u32, size: u32) {
        let room = if at == 0 {
            Some(size)
        } else {
            self.blocks.insert(at, size)
        };
        self.bytes = self.bytes.saturating_sub(room.unwrap_or(0));
    }

    /// Unlocks the block at `at`; `false`: none is locked there.
    pub fn unlock(&mut self, at: u32) -> bool {
        let size = self.blocks.remove(&at);
        self.bytes = self.bytes.saturating_sub(size.unwrap_or(0));
        size.is_some()
    }

    /// Locks lines; those that are locked already stay so. `false`: there is no room, and none is locked.
    pub fn lock_lines(&mut self, at: u32, size: u32) -> bool {
        let all = lines(at, size.min(CACHE)).filter(|line| !self.lines.contains(line));
        let new: Vec<u32> = all.collect();
        let bytes = new.len() as u32 * LINE;
        let fits = size <= CACHE && bytes <= self.available();
        if fits {
            self.bytes += bytes;
            self.lines.extend(new);
        }
        fits
    }

    /// Unlocks lines; `false`: not all of them are locked, and none is unlocked.
    pub fn unlock_lines(&mut self, at: u32, size: u32) -> bool {
        let locked = size <= CACHE && lines(at, size).all(|line| self.lines.contains(&line));
        if locked {
            for line in lines(at, size) {
                self.lines.remove(&line);
            }
            self.bytes = self.bytes.saturating_sub(size);
        }
        locked
    }
}

fn lines(at: u32, size: u32) -> impl Iterator<Item = u32> {
    (0..size / LINE).map(move |n| at.wrapping_add(n * LINE))
}
