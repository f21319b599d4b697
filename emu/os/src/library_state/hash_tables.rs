//! Hash tables of `hsearch`: entries lie in the program's memory, as programs hold pointers to them; where the ones with a hash
//! are is kept here.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

/// Entries that a table may have.
pub const MOST_ENTRIES: u32 = 1 << 20;
/// Tables that a process may have at once.
const MOST_TABLES: usize = 256;

/// One table.
#[derive(Debug)]
pub struct HashTable {
    /// Where its entries are.
    pub at: u32,
    /// How many there is room for.
    pub room: u32,
    /// Numbers of entries, by the hashes of their keys.
    entries: HashMap<u64, Vec<u32>>,
    used: u32,
    hasher: RandomState,
}

impl HashTable {
    /// With room for so many entries there.
    pub fn new(at: u32, room: u32) -> Self {
        Self {
            at,
            room,
            entries: HashMap::new(),
            used: 0,
            hasher: RandomState::new(),
        }
    }

    /// Entries whose key may be this one.
    pub fn with(&self, key: &[u8]) -> &[u32] {
        self.entries
            .get(&self.hasher.hash_one(key))
            .map_or(&[], Vec::as_slice)
    }

    /// Takes a new entry for a key; `None`: the table is full.
    pub fn take(&mut self, key: &[u8]) -> Option<u32> {
        let number = self.used;
        if number >= self.room {
            return None;
        }
        self.used += 1;
        self.entries
            .entry(self.hasher.hash_one(key))
            .or_default()
            .push(number);
        Some(number)
    }
}

/// All of them, by the address of the program's `struct hsearch_data`; 0 for the one that has none.
#[derive(Debug, Default)]
pub struct HashTables(BTreeMap<u32, HashTable>);

impl HashTables {
    /// May a table be made there?
    pub fn is_free(&self, owner: u32) -> bool {
        !self.0.contains_key(&owner) && self.0.len() < MOST_TABLES
    }

    /// A table was made.
    pub fn add(&mut self, owner: u32, table: HashTable) {
        self.0.insert(owner, table);
    }

    /// A table.
    pub fn get(&mut self, owner: u32) -> Option<&mut HashTable> {
        self.0.get_mut(&owner)
    }

    /// A table is no more.
    pub fn remove(&mut self, owner: u32) -> Option<HashTable> {
        self.0.remove(&owner)
    }
}
