//! Keys of thread-local values (`qurt_tls_create_key`).

use std::collections::HashSet;

/// Keys alive at once.
const MAX_KEYS: usize = 1024;

/// All keys of a process.
#[derive(Debug, Default)]
pub struct Keys {
    live: HashSet<u32>,
    next: u32,
}

impl Keys {
    /// A new key; `None`: there are too many.
    pub fn add(&mut self) -> Option<u32> {
        if self.live.len() >= MAX_KEYS {
            return None;
        }
        // Numbers go round; one that is in use is not given again.
        loop {
            let key = self.next;
            self.next = key.wrapping_add(1);
            if self.live.insert(key) {
                return Some(key);
            }
        }
    }

    /// Deletes a key; `false`: there is none.
    pub fn remove(&mut self, key: u32) -> bool {
        self.live.remove(&key)
    }

    /// Is there such a key?
    pub fn contains(&self, key: u32) -> bool {
        self.live.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_use_is_not_given_again() {
        let mut keys = Keys::default();
        let mut add = || {
            keys.next = u32::MAX;
            keys.add()
        };
        assert_eq!([add(), add(), add()], [u32::MAX, 0, 1].map(Some));
    }
}
