//! QuRT's pipes: queues of doublewords, known by the address of their object.

use std::collections::{HashMap, VecDeque};

use crate::objects::Waiters;
use crate::sched::ThreadId;

/// Pipes alive at once, elements of one, and of all together: they are ours to keep, not the program's.
const MAX_PIPES: usize = 1024;
pub const MAX_ELEMENTS: u32 = 1 << 16;
const MAX_ROOM: usize = 1 << 20;

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
    /// Makes an empty pipe; `false`: there are too many, or too much room in them. Who waited at the one that was there waits for ever.
    pub fn add(&mut self, at: u32, room: u32) -> bool {
        let room = room.min(MAX_ELEMENTS) as usize;
        let (mut pipes, mut sum) = (0, room);
        for (_, other) in self.0.iter().filter(|&(&other, _)| other != at) {
            (pipes, sum) = (pipes + 1, sum + other.room);
        }
        if pipes >= MAX_PIPES || sum > MAX_ROOM {
            return false;
        }
        let pipe = Pipe {
            room,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_have_a_bound_by_number_and_by_room() {
        let mut pipes = Pipes::default();
        for at in 0..16 {
            assert!(pipes.add(at, MAX_ELEMENTS));
        }
        assert!(!pipes.add(16, 1));
        // The same one made anew.
        assert!(pipes.add(3, MAX_ELEMENTS) && pipes.remove(3));
        assert!(pipes.add(16, 1) && !pipes.add(3, MAX_ELEMENTS));
        let mut pipes = Pipes::default();
        assert!((0..1024).all(|at| pipes.add(at, 1)) && !pipes.add(1024, 1) && pipes.add(7, 1));
    }
}
