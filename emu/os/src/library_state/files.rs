//! Files that a process has open: those of the AP, the standard streams, and memory as a stream.
//!
//! Several descriptors may stand for one file (`dup`): they share its position, so what is read ahead and written behind is the
//! file's and not the descriptor's. A stream of memory has no descriptor; its number is below -1, which no function of descriptors
//! takes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// Files that a process may have open at once.
const MAX_FILES: usize = 256;
/// Directories that a process may have open at once.
const MAX_DIRECTORIES: usize = 64;
/// Paths that are remembered so that the log tells of each once.
const MAX_TOLD: usize = 256;
/// The first descriptor that is given: 0, 1 and 2 are the standard streams.
const FIRST: i32 = 3;
/// The first number of a stream of memory; the next ones are below.
const FIRST_MEMORY: i32 = -2;

/// What is behind an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behind {
    /// Nothing: the standard input, which is at its end.
    #[default]
    Nothing,
    /// The log.
    Log,
    /// A file of the AP, by the AP's number.
    Ap(i32),
    /// The program's memory.
    Memory(Memory),
}

/// Memory as a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Where it is.
    pub at: u32,
    /// Bytes that there is room for.
    pub room: u32,
    /// Bytes that are in it.
    pub len: u32,
    /// The position.
    pub position: u32,
    /// Everything is written to its end.
    pub append: bool,
    /// What becomes of it.
    pub kind: MemoryKind,
}

/// Whose memory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// The program's.
    Given,
    /// A block of the heap that goes with the stream.
    Own,
    /// A block of the heap that grows, and where its address and its length are to be told.
    Growing {
        /// `char **` or `wchar_t **`
        pointer: u32,
        /// `size_t *`
        length: u32,
        /// Bytes of a character: 4 of a wide one.
        unit: u32,
    },
}

impl Memory {
    /// Bytes of a character, in which positions and lengths are told.
    pub fn unit(&self) -> u32 {
        match self.kind {
            MemoryKind::Growing { unit, .. } => unit,
            MemoryKind::Given | MemoryKind::Own => 1,
        }
    }
}

/// When what was written to a stream is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Buffering {
    /// When a page is full.
    #[default]
    Full,
    /// With each line, too.
    Lines,
    /// At once.
    Nothing,
}

/// One open file.
#[derive(Debug, Default)]
pub struct File {
    /// What is behind it.
    pub behind: Behind,
    /// It may be read.
    pub read: bool,
    /// It may be written.
    pub write: bool,
    /// It was opened to be appended to.
    pub append: bool,
    /// When what was written is handed over.
    pub buffering: Buffering,
    /// What was read from the AP and not taken yet.
    pub unread: VecDeque<u8>,
    /// What was written and the AP does not have yet.
    pub unwritten: Vec<u8>,
    /// The end was met.
    pub end: bool,
    /// Something failed.
    pub error: bool,
}

impl File {
    /// The AP's number of it.
    pub fn ap(&self) -> Option<i32> {
        match self.behind {
            Behind::Ap(number) => Some(number),
            _ => None,
        }
    }

    /// It is memory of wide characters, which takes no others.
    pub fn is_wide(&self) -> bool {
        matches!(self.behind, Behind::Memory(memory) if memory.unit() > 1)
    }

    /// The memory behind it.
    pub fn memory(&mut self) -> Option<&mut Memory> {
        match &mut self.behind {
            Behind::Memory(memory) => Some(memory),
            _ => None,
        }
    }
}

/// What a descriptor stood for when it was closed.
#[derive(Debug)]
pub enum Closed {
    /// There is another descriptor of the file.
    Shared,
    /// It was the last one.
    Last(File),
}

/// All of them.
#[derive(Debug)]
pub struct Files {
    /// Which file a descriptor stands for.
    open: BTreeMap<i32, u32>,
    files: HashMap<u32, File>,
    next: u32,
    /// Descriptors with `FD_CLOEXEC`.
    pub close_on_exec: BTreeSet<i32>,
    /// Descriptors of the `FILE` objects at these addresses.
    pub streams: HashMap<u32, i32>,
    /// What descriptors' streams were made: 1 wide, -1 narrow.
    orientations: HashMap<i32, i32>,
    /// The AP's numbers of the `DIR` objects at these addresses.
    pub directories: HashMap<u32, u64>,
    told: HashSet<String>,
}

impl Default for Files {
    /// The standard streams.
    fn default() -> Self {
        let mut files = Self {
            open: BTreeMap::new(),
            files: HashMap::new(),
            next: 0,
            close_on_exec: BTreeSet::new(),
            streams: HashMap::new(),
            orientations: HashMap::new(),
            directories: HashMap::new(),
            told: HashSet::new(),
        };
        let input = File {
            read: true,
            ..File::default()
        };
        files.put(0, input);
        for fd in 1..FIRST {
            let log = File {
                behind: Behind::Log,
                write: true,
                ..File::default()
            };
            files.put(fd, log);
        }
        files
    }
}

impl Files {
    /// May another file be opened?
    pub fn has_room(&self) -> bool {
        self.open.len() < MAX_FILES + FIRST as usize
    }

    /// May another directory be opened?
    pub fn has_room_for_directory(&self) -> bool {
        self.directories.len() < MAX_DIRECTORIES
    }

    /// A free descriptor, the smallest that is not below this.
    fn free(&self, least: i32) -> i32 {
        let mut fd = least;
        while self.open.contains_key(&fd) {
            fd += 1;
        }
        fd
    }

    fn put(&mut self, fd: i32, file: File) {
        while self.files.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        self.files.insert(self.next, file);
        self.open.insert(fd, self.next);
        self.next = self.next.wrapping_add(1);
    }

    /// Gives an open file the smallest free descriptor; the file comes back if there are too many.
    pub fn add(&mut self, file: File) -> Result<i32, File> {
        if !self.has_room() {
            return Err(file);
        }
        let fd = self.free(0);
        self.put(fd, file);
        Ok(fd)
    }

    /// Gives a stream of memory a number; the file comes back if there are too many.
    pub fn add_memory(&mut self, file: File) -> Result<i32, File> {
        if !self.has_room() {
            return Err(file);
        }
        let mut number = FIRST_MEMORY;
        while self.open.contains_key(&number) {
            number -= 1;
        }
        self.put(number, file);
        Ok(number)
    }

    /// Another descriptor of the file, the smallest free one that is not below `least`; `None`: there is no such file, or no room.
    pub fn duplicate(&mut self, fd: i32, least: i32) -> Option<i32> {
        let file = *self.open.get(&fd).filter(|_| self.has_room())?;
        let new = self.free(least);
        self.open.insert(new, file);
        Some(new)
    }

    /// Lets a free descriptor stand for the file of another one; `false`: it is not free, there is no such file, or no room.
    pub fn duplicate_to(&mut self, fd: i32, new: i32) -> bool {
        match self.open.get(&fd) {
            Some(&file) if self.has_room() && !self.open.contains_key(&new) => {
                self.open.insert(new, file);
                true
            }
            _ => false,
        }
    }

    /// The file of a descriptor.
    pub fn get(&mut self, fd: i32) -> Option<&mut File> {
        self.files.get_mut(self.open.get(&fd)?)
    }

    /// The orientation of a descriptor's stream; 0: none yet.
    pub fn orientation(&self, fd: i32) -> i32 {
        self.orientations.get(&fd).copied().unwrap_or(0)
    }

    /// Gives the stream of a descriptor that there is an orientation, if it has none; the one that it has.
    pub fn orient(&mut self, fd: i32, orientation: i32) -> i32 {
        if !self.open.contains_key(&fd) {
            return 0;
        }
        *self.orientations.entry(fd).or_insert(orientation)
    }

    /// Forgets a descriptor.
    pub fn remove(&mut self, fd: i32) -> Option<Closed> {
        let file = self.open.remove(&fd)?;
        self.orientations.remove(&fd);
        self.close_on_exec.remove(&fd);
        if self.open.values().any(|&other| other == file) {
            return Some(Closed::Shared);
        }
        self.files.remove(&file).map(Closed::Last)
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
        assert_eq!(files.add_memory(File::default()).unwrap(), -2);
        assert_eq!(files.add_memory(File::default()).unwrap(), -3);
        while files.has_room() {
            files.add(File::default()).unwrap();
        }
        assert!(files.add(File::default()).is_err() && files.add_memory(File::default()).is_err());
        assert!(files.duplicate(3, 0).is_none() && !files.duplicate_to(3, 1000));
    }

    #[test]
    fn a_file_stays_until_its_last_descriptor_goes() {
        let mut files = Files::default();
        let ap = File {
            behind: Behind::Ap(7),
            ..File::default()
        };
        let fd = files.add(ap).unwrap();
        assert_eq!(files.duplicate(fd, 10), Some(10));
        assert!(!files.duplicate_to(fd, 1) && files.duplicate(99, 0).is_none());
        files.get(10).unwrap().end = true;
        assert!(files.get(fd).unwrap().end);
        assert!(matches!(files.remove(fd), Some(Closed::Shared)));
        assert!(matches!(files.remove(10), Some(Closed::Last(file)) if file.ap() == Some(7)));
        assert!(files.remove(10).is_none());
        // The standard output's number is free once it is closed.
        assert!(matches!(files.remove(1), Some(Closed::Shared | Closed::Last(_))));
        assert_eq!(files.add(File::default()).unwrap(), 1);
    }
}
