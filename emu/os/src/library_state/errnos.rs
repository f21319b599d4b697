//! Where each thread has its `errno`: a word in pages that the process gets at its beginning.

use std::collections::BTreeMap;

use crate::memory::layout::ERRNOS;
use crate::sched::ThreadId;
use emu_core::mem::{AddressSpace, MapError, PAGE_SIZE, Prot};

/// Bytes of a word.
const WORD: u32 = 4;
/// Most words: what lies between the pages and what comes behind them.
const MOST: usize = 0x1_0000 / WORD as usize;

/// The words and whose they are.
#[derive(Debug, Default)]
pub struct Errnos {
    of: BTreeMap<ThreadId, u32>,
    free: Vec<u32>,
    /// Words that no thread had yet.
    unused: std::ops::Range<u32>,
}

impl Errnos {
    /// Words for so many threads.
    pub fn new(threads: usize, space: &AddressSpace) -> Result<Self, MapError> {
        let words = threads.clamp(1, MOST) as u32;
        let bytes = (words * WORD).next_multiple_of(PAGE_SIZE);
        space.map_anonymous(Some(ERRNOS), bytes, Prot::RW)?;
        Ok(Self {
            unused: 0..words,
            ..Self::default()
        })
    }

    /// The address of a thread's word, and whether it is new; `None`: there are more threads than words.
    pub fn of(&mut self, thread: ThreadId) -> Option<(u32, bool)> {
        if let Some(&at) = self.of.get(&thread) {
            return Some((at, false));
        }
        let fresh = || self.unused.next().map(|n| ERRNOS + n * WORD);
        let at = self.free.pop().or_else(fresh)?;
        self.of.insert(thread, at);
        Some((at, true))
    }

    /// A thread has ended: its word is free for another.
    pub fn thread_ended(&mut self, thread: ThreadId) {
        self.free.extend(self.of.remove(&thread));
    }
}
