//! The program's shared memory: which buffers there are.
//!
//! A descriptor names a buffer here and nothing else: it is no file of the process.

use std::collections::BTreeMap;

use emu_local_ap::{Direction, DmaBuffer, KernelError, KernelIommu, Session};

/// The first descriptor; those of packet queues are above, the process's own below.
const FIRST_FD: i32 = 1 << 16;

/// A buffer of the program.
pub struct Shared {
    /// Its descriptor.
    pub fd: i32,
    /// Bytes: whole pages.
    pub len: u64,
    /// Guest physical address.
    physical: u64,
    /// Device addresses, by stream: of each DSP that was given it.
    device: BTreeMap<u16, u64>,
    /// Addresses on DSPs, by effective domain: where `fastrpc_mmap` has it mapped.
    pub mapped: BTreeMap<u32, u64>,
}

impl Shared {
    /// As a DSP sees it through its stream; from now on it may.
    pub fn seen_by(&mut self, session: &Session) -> Result<DmaBuffer, KernelError> {
        let stream = session.stream();
        let iova = match self.device.get(&stream) {
            Some(iova) => *iova,
            None => {
                let kernel = session.driver().kernel();
                let iova = kernel.dma_map(stream, self.physical, self.len, Direction::Both)?;
                self.device.insert(stream, iova);
                iova
            }
        };
        let (physical, len) = (self.physical, self.len);
        Ok(DmaBuffer { iova, physical, len })
    }

    /// Takes it from all DSPs and gives its memory back.
    pub fn free(self, kernel: &KernelIommu) -> Result<(), KernelError> {
        for (stream, iova) in self.device {
            kernel.dma_unmap(stream, iova)?;
        }
        kernel.free(self.physical, self.len)
    }

    /// Whether packets to a process on a DSP, named by its effective domain, may name it.
    pub fn is_mapped(&self, effective: u32) -> bool {
        self.mapped.contains_key(&effective)
    }
}

/// The program's buffers by their address.
#[derive(Default)]
pub struct Buffers {
    by_address: BTreeMap<usize, Shared>,
    made: i32,
}

impl Buffers {
    /// A new one of whole pages, with a descriptor that none had.
    pub fn add(&mut self, at: usize, physical: u64, len: u64) {
        let fd = FIRST_FD.saturating_add(self.made);
        self.made += 1;
        let shared = Shared {
            fd,
            len,
            physical,
            device: BTreeMap::new(),
            mapped: BTreeMap::new(),
        };
        self.by_address.insert(at, shared);
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
    pub fn holding(&mut self, at: usize, len: u64) -> Option<(&mut Shared, u64)> {
        let (start, shared) = self.by_address.range_mut(..=at).next_back()?;
        let offset = (at - start) as u64;
        let fits = offset.checked_add(len).is_some_and(|end| end <= shared.len);
        fits.then_some((shared, offset))
    }

    /// The buffer with a descriptor, and its address.
    pub fn named(&self, fd: i32) -> Option<(usize, &Shared)> {
        let mut all = self.by_address.iter();
        all.find(|(_, shared)| shared.fd == fd)
            .map(|(at, shared)| (*at, shared))
    }
}
