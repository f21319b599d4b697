//! Keys of thread-local values (`qurt_tls_create_key`, `pthread_key_create`).

use std::collections::HashMap;

/// Keys alive at once.
const MAX_KEYS: usize = 1024;
/// The key under which a thread keeps its cleanup handlers (`pthread_cleanup_push`): no program gets it.
pub const CLEANUP: u32 = u32::MAX;

/// All keys of a process.
#[derive(Debug, Default)]
pub struct Keys {
    /// Live keys, and what is called with a thread's value when the thread ends (0: nothing).
    live: HashMap<u32, u32>,
    next: u32,
}

impl Keys {
    /// A new key; `None`: there are too many.
    pub fn add(&mut self, destructor: u32) -> Option<u32> {
        if self.live.len() >= MAX_KEYS {
            return None;
        }
        // Numbers go round; one that is in use is not given again.
        loop {
            let key = self.next;
            self.next = key.wrapping_add(1);
            if key != CLEANUP && !self.live.contains_key(&key) {
                self.live.insert(key, destructor);
                return Some(key);
            }
        }
    }

    /// Deletes a key; `false`: there is none.
    pub fn remove(&mut self, key: u32) -> bool {
        self.live.remove(&key).is_some()
    }

    /// What is to be called with a thread's value when it ends.
    pub fn destructor(&self, key: u32) -> Option<u32> {
        self.live.get(&key).copied().filter(|&f| f != 0)
    }

    /// Is there such a key?
    pub fn contains(&self, key: u32) -> bool {
        self.live.contains_key(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_use_is_not_given_again() {
        let mut keys = Keys::default();
        let mut add = || {
            keys.next = u32::MAX - 1;
            keys.add(0)
        };
        assert_eq!([add(), add(), add()], [u32::MAX - 1, 0, 1].map(Some));
    }
}
