//! A call into a skeleton: what the caller gives.

/// One call of a module's method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Handle from [`Process::open`](super::process::Process::open).
    pub handle: u32,
    /// Scalars word: method in bits 28:24, in buffers 23:16, out buffers 15:8, in handles 7:4, out handles 3:0.
    pub sc: u32,
    /// In buffers, out buffers, in handles, out handles; as many as the scalars word says.
    pub args: Vec<Arg>,
    /// The AP thread that calls. Calls of one AP thread run in order on one DSP thread; different ones run concurrently.
    pub tid: i32,
    /// What the AP calls this call; only a [`Probe`](super::probe::Probe) is told.
    pub ctx: u64,
}

/// One argument, where the driver put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// A buffer, mapped in place: its byte address (session bits stripped), contiguous in device addresses.
    Buffer {
        /// Device address of the first byte.
        iova: u64,
        /// Length in bytes, not 0.
        len: u32,
    },
    /// A buffer of length 0.
    Empty,
    /// A DMA handle: a dma-buf by its file descriptor on the AP. The skeleton gets `{fd, offset}`.
    Handle {
        /// The AP's file descriptor.
        fd: i32,
        /// Where in it the caller's part begins, in bytes.
        offset: u32,
        /// Length of the whole dma-buf in bytes, counted from its first one whatever the offset is; 0: it was never
        /// registered, and the skeleton gets the numbers and finds no memory behind them.
        len: u32,
        /// Device address of the dma-buf's first byte.
        iova: u64,
    },
}
