//! The program's shared memory: which buffers there are.
//!
//! A descriptor names a buffer here and nothing else: it is no file of the process.

use std::collections::BTreeMap;

use emu_local_ap::DmaBuffer;

/// The first descriptor; those of packet queues are above, the process's own below.
const FIRST_FD: i32 = 1 << 16;

/// A buffer of the program.
pub struct Shared {
    /// Its descriptor.
    pub fd: i32,
    /// Where it is.
    pub buffer: DmaBuffer,
    /// The address on the DSP, while `fastrpc_mmap` has it mapped.
    pub mapped: Option<u64>,
}

/// The program's buffers by their address.
#[derive(Default)]
pub struct Buffers {
    by_address: BTreeMap<usize, Shared>,
    made: i32,
}

impl Buffers {
    /// A new one, with a descriptor that none had.
    pub fn add(&mut self, at: usize, buffer: DmaBuffer) {
        let fd = FIRST_FD.saturating_add(self.made);
        self.made += 1;
        let mapped = None;
        self.by_address.insert(at, Shared { fd, buffer, mapped });
    }

    /// The buffer that begins at an address.
    pub fn at(&self, at: usize) -> Option<&Shared> {
        self.by_address.get(&at)
    }

    /// It, which is none of them any more.
    pub fn take(&mut self, at: usize) -> Option<Shared> {
        self.by_address.remove(&at)
    }

    /// The buffer with a descriptor.
    pub fn named_mut(&mut self, fd: i32) -> Option<&mut Shared> {
        let mut all = self.by_address.values_mut();
        all.find(|shared| shared.fd == fd)
    }

    /// The buffer that holds all of a range, and the offset there.
    pub fn holding(&self, at: usize, len: u64) -> Option<(&Shared, u64)> {
        let (start, shared) = self.by_address.range(..=at).next_back()?;
        let offset = (at - start) as u64;
        let fits = offset
            .checked_add(len)
            .is_some_and(|end| end <= shared.buffer.len);
        fits.then_some((shared, offset))
    }

    /// The buffer with a descriptor, and its address.
    pub fn named(&self, fd: i32) -> Option<(usize, &Shared)> {
        let mut all = self.by_address.iter();
        all.find(|(_, shared)| shared.fd == fd)
            .map(|(at, shared)| (*at, shared))
    }
}

impl Shared {
    /// Whether packets may name it.
    pub fn is_mapped(&self) -> bool {
        self.mapped.is_some()
    }
}
