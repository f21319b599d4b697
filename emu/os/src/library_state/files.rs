//! Files of the AP that a process has open.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Files that a process may have open at once.
const MAX_FILES: usize = 256;
/// Directories that a process may have open at once.
const MAX_DIRECTORIES: usize = 64;
/// Paths that are remembered so that the log tells of each once.
const MAX_TOLD: usize = 256;
/// The first descriptor that is given: 0, 1 and 2 are the standard streams.
const FIRST: i32 = 3;

/// One open file.
#[derive(Debug, Default)]
pub struct File {
    /// The AP's number of it.
    pub number: i32,
    /// It may be read.
    pub read: bool,
    /// It may be written.
    pub write: bool,
    /// What was read from the AP and not taken yet.
    pub unread: VecDeque<u8>,
    /// What was written and the AP does not have yet.
    pub unwritten: Vec<u8>,
    /// The end was met.
    pub end: bool,
    /// Something failed.
    pub error: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Files {
    open: BTreeMap<i32, File>,
    /// Descriptors of the `FILE` objects at these addresses.
    pub streams: HashMap<u32, i32>,
    /// What descriptors' streams were made: 1 wide, -1 narrow.
    orientations: HashMap<i32, i32>,
    /// The AP's numbers of the `DIR` objects at these addresses.
    pub directories: HashMap<u32, u64>,
    told: HashSet<String>,
}

impl Files {
    /// May another file be opened?
    pub fn has_room(&self) -> bool {
        self.open.len() < MAX_FILES
    }

    /// May another directory be opened?
    pub fn has_room_for_directory(&self) -> bool {
        self.directories.len() < MAX_DIRECTORIES
    }

    /// Gives an open file the smallest free descriptor; the file comes back if there are too many.
    pub fn add(&mut self, file: File) -> Result<i32, File> {
        if !self.has_room() {
            return Err(file);
        }
        let mut fd = FIRST;
        while self.open.contains_key(&fd) {
            fd += 1;
        }
        self.open.insert(fd, file);
        Ok(fd)
    }

    /// The file of a descriptor.
    pub fn get(&mut self, fd: i32) -> Option<&mut File> {
        self.open.get_mut(&fd)
    }

    /// The orientation of a descriptor's stream; 0: none yet.
    pub fn orientation(&self, fd: i32) -> i32 {
        self.orientations.get(&fd).copied().unwrap_or(0)
    }

    /// Gives the stream of a descriptor that there is an orientation, if it has none; the one that it has.
    pub fn orient(&mut self, fd: i32, orientation: i32) -> i32 {
        if !(0..FIRST).contains(&fd) && !self.open.contains_key(&fd) {
            return 0;
        }
        *self.orientations.entry(fd).or_insert(orientation)
    }

    /// Forgets a file.
    pub fn remove(&mut self, fd: i32) -> Option<File> {
        self.orientations.remove(&fd);
        self.open.remove(&fd)
    }

    /// Descriptors of all files.
    pub fn descriptors(&self) -> Vec<i32> {
        self.open.keys().copied().collect()
    }

    /// Is this the first time that the log is to tell of that path?
    pub fn tell(&mut self, path: &str) -> bool {
        self.told.len() < MAX_TOLD && self.told.insert(path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_the_smallest_that_are_free_and_bounded() {
        let mut files = Files::default();
        for want in [3, 4, 5] {
            assert_eq!(files.add(File::default()).unwrap(), want);
        }
        files.remove(4);
        assert_eq!(files.add(File::default()).unwrap(), 4);
        while files.has_room() {
            files.add(File::default()).unwrap();
        }
        assert!(files.add(File::default()).is_err());
    }
}
