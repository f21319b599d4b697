//! What the core needs of a memory: typed little-endian accesses at 32-bit virtual addresses that fault instead of failing.

/// What kind of access was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Data load.
    Read,
    /// Data store.
    Write,
    /// Instruction fetch.
    Execute,
}

/// Why an access could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Nothing is mapped there.
    Unmapped,
    /// Mapped, but not for this kind of access.
    Permission,
    /// The address is not a multiple of the access size.
    Misaligned,
    /// The page is mapped through the SMMU and the SMMU refused the translation (the context fault is recorded there).
    Smmu,
    /// The SMMU's output address is not guest RAM.
    Bus,
}

/// A data or fetch access that faulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{access:?} of {va:#010x}: {kind:?}")]
pub struct MemFault {
    /// DSP virtual address.
    pub va: u32,
    /// What was tried.
    pub access: Access,
    /// Why it failed.
    pub kind: FaultKind,
}

/// A process's memory as the core sees it. All methods take `&self`: several DSP threads share one memory, and guest RAM
/// is shared with the AP anyway. Accesses must be naturally aligned (Hexagon faults otherwise); a naturally aligned access
/// up to 8 bytes is single-copy atomic.
pub trait Memory {
    /// Loads one byte.
    fn load8(&self, va: u32) -> Result<u8, MemFault>;
    /// Loads a halfword.
    fn load16(&self, va: u32) -> Result<u16, MemFault>;
    /// Loads a word.
    fn load32(&self, va: u32) -> Result<u32, MemFault>;
    /// Loads a doubleword.
    fn load64(&self, va: u32) -> Result<u64, MemFault>;
    /// Stores one byte.
    fn store8(&self, va: u32, v: u8) -> Result<(), MemFault>;
    /// Stores a halfword.
    fn store16(&self, va: u32, v: u16) -> Result<(), MemFault>;
    /// Stores a word.
    fn store32(&self, va: u32, v: u32) -> Result<(), MemFault>;
    /// Stores a doubleword.
    fn store64(&self, va: u32, v: u64) -> Result<(), MemFault>;
    /// Loads a byte if the page is at hand; else the load says why it is not.
    #[inline(always)]
    fn try_load8(&self, va: u32) -> Option<u8> {
        self.load8(va).ok()
    }
    /// Loads a halfword as [`try_load8`](Self::try_load8) does.
    #[inline(always)]
    fn try_load16(&self, va: u32) -> Option<u16> {
        self.load16(va).ok()
    }
    /// Loads a word as [`try_load8`](Self::try_load8) does.
    #[inline(always)]
    fn try_load32(&self, va: u32) -> Option<u32> {
        self.load32(va).ok()
    }
    /// Loads a doubleword as [`try_load8`](Self::try_load8) does.
    #[inline(always)]
    fn try_load64(&self, va: u32) -> Option<u64> {
        self.load64(va).ok()
    }
    /// Stores a byte if the page is at hand; `false` means that nothing is stored.
    #[inline(always)]
    fn try_store8(&self, va: u32, v: u8) -> bool {
        self.store8(va, v).is_ok()
    }
    /// Stores a halfword as [`try_store8`](Self::try_store8) does.
    #[inline(always)]
    fn try_store16(&self, va: u32, v: u16) -> bool {
        self.store16(va, v).is_ok()
    }
    /// Stores a word as [`try_store8`](Self::try_store8) does.
    #[inline(always)]
    fn try_store32(&self, va: u32, v: u32) -> bool {
        self.store32(va, v).is_ok()
    }
    /// Stores a doubleword as [`try_store8`](Self::try_store8) does.
    #[inline(always)]
    fn try_store64(&self, va: u32, v: u64) -> bool {
        self.store64(va, v).is_ok()
    }
    /// Loads `out.len()` bytes (HVX vectors, block copies); no alignment rule. Nothing is promised about `out` on a fault.
    fn load(&self, va: u32, out: &mut [u8]) -> Result<(), MemFault>;
    /// Loads an HVX vector; no alignment rule. After a fault `out` is what it was.
    fn load_vector(&self, va: u32, out: &mut [u8; 128]) -> Result<(), MemFault> {
        let mut v = [0; 128];
        self.load(va, &mut v)?;
        *out = v;
        Ok(())
    }
    /// Stores bytes; no alignment rule. Checks the whole range before it writes the first byte.
    fn store(&self, va: u32, bytes: &[u8]) -> Result<(), MemFault>;
    /// Would a store of `len` bytes succeed? Used to detect faults before anything of a packet is committed.
    fn probe_store(&self, va: u32, len: u32) -> Result<(), MemFault>;
    /// Fetches one instruction word (needs execute permission).
    fn fetch32(&self, va: u32) -> Result<u32, MemFault>;
    /// Changes whenever executable mappings changed, so that decoded blocks are thrown away.
    fn code_epoch(&self) -> u64;
    /// Compare-and-swap on an aligned word: the store half of `memw_locked`. `Ok(true)` if `*va` was `old` and now is `new`.
    fn cas32(&self, va: u32, old: u32, new: u32) -> Result<bool, MemFault>;
    /// Compare-and-swap on an aligned doubleword (`memd_locked`).
    fn cas64(&self, va: u32, old: u64, new: u64) -> Result<bool, MemFault>;
}
