//! Hash tables of `hsearch`: entries lie in the program's memory, as programs hold pointers to them; where the ones with a hash
//! are is kept here.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

/// Entries that a process's tables may have together: what is kept of each here is larger than the entry.
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

    /// May a table have so many entries?
    pub fn has_room(&self, entries: u32) -> bool {
        let taken: u32 = self.0.values().map(|table| table.room).sum();
        entries <= MOST_ENTRIES - taken
    }

    /// A table was made, for which there is room.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_share_what_may_be_had() {
        let mut tables = HashTables::default();
        assert!(tables.has_room(MOST_ENTRIES) && !tables.has_room(MOST_ENTRIES + 1));
        tables.add(0, HashTable::new(0x1000, MOST_ENTRIES - 1));
        assert!(tables.has_room(1) && !tables.has_room(2) && !tables.has_room(u32::MAX));
        tables.remove(0);
        assert!(tables.has_room(MOST_ENTRIES));
    }
}
