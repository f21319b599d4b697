//! A packet's words out of memory.

use hexagon_isa::packet_words;

use super::memory::{CodeMemory, MemFault};

/// Most words of a packet.
const MAX_WORDS: usize = 4;

/// The words from an address on to the packet's end, as far as they could be fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetched<E = MemFault> {
    words: [u32; MAX_WORDS],
    count: usize,
    /// Why the word behind them could not be fetched, if the packet goes on.
    pub(crate) fault: Option<E>,
}

impl<E> Fetched<E> {
    /// The words; four that do not end a packet are no packet.
    pub(crate) fn words(&self) -> &[u32] {
        self.words.get(..self.count).unwrap_or_default()
    }
}

/// Fetches the packet at `pc`.
pub(crate) fn fetch<M: CodeMemory>(mem: &M, pc: u32) -> Fetched {
    fetch_by(|va| mem.fetch32(va).map_err(MemFault::from), pc)
}

/// Fetches the packet at `pc`, each word as `word` does it.
pub(crate) fn fetch_by<E>(word: impl Fn(u32) -> Result<u32, E>, pc: u32) -> Fetched<E> {
    let mut fetched = Fetched {
        words: [0; MAX_WORDS],
        count: 0,
        fault: None,
    };
    for (n, at) in (0..MAX_WORDS).zip((0..).step_by(4)) {
        match word(pc.wrapping_add(at)) {
            Ok(word) => fetched.words[n] = word,
            Err(fault) => {
                fetched.fault = Some(fault);
                break;
            }
        }
        fetched.count = n + 1;
        if packet_words(fetched.words()).is_some() {
            break;
        }
    }
    fetched
}
