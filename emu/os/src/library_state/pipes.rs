//! QuRT's pipes: queues of doublewords, known by the address of their object.

use std::collections::{HashMap, VecDeque};

use crate::objects::Waiters;
use crate::sched::ThreadId;

/// Pipes alive at once, and elements of one.
const MAX_PIPES: usize = 1024;
pub const MAX_ELEMENTS: u32 = 1 << 16;

/// One pipe.
#[derive(Debug, Default)]
pub struct Pipe {
    /// How many elements it holds.
    pub room: usize,
    /// What is in it.
    pub elements: VecDeque<u64>,
    /// Who waits for an element.
    pub receivers: Waiters,
    /// Who waits for room.
    pub senders: Waiters,
    /// What those who wait for room send.
    pub waiting: HashMap<ThreadId, u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Pipes(HashMap<u32, Pipe>);

impl Pipes {
    /// Makes an empty pipe; `false`: there are too many. Who waited at the one that was there waits for ever.
    pub fn add(&mut self, at: u32, room: u32) -> bool {
        if self.0.len() >= MAX_PIPES && !self.0.contains_key(&at) {
            return false;
        }
        let pipe = Pipe {
            room: room.min(MAX_ELEMENTS) as usize,
            ..Pipe::default()
        };
        self.0.insert(at, pipe);
        true
    }

    /// The pipe at an address.
    pub fn get(&mut self, at: u32) -> Option<&mut Pipe> {
        self.0.get_mut(&at)
    }

    /// Forgets a pipe.
    pub fn remove(&mut self, at: u32) -> bool {
        self.0.remove(&at).is_some()
    }
}
