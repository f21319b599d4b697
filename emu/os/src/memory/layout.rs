//! Where things lie in a process's address space. The layout is ours: nothing below 64 KiB, then what the DSP brings along
//! ([`WINDOW`](crate::builtins::WINDOW)), vector TCM at the top, everything else in between, lowest first.

/// Where the stubs of imported functions and the data they export lie, unless a firmware image has its own.
pub const STUBS: u32 = 0x0100_0000;
/// Where vector TCM lies.
pub const VTCM: u32 = 0xf800_0000;
/// Bytes that VTCM is handed out in.
pub const VTCM_PAGE: u32 = 0x1_0000;
/// Where threads have their `errno`, up to the storage that follows.
pub const ERRNOS: u32 = 0xefff_0000;
/// Where threads have the storage that libraries reach relative to the thread pointer: an area for each thread.
pub const THREAD_AREAS: u32 = 0xf000_0000;
/// Bytes of an area.
pub const THREAD_AREA: u32 = 0x1_0000;
/// Everything else: first address and the one after the last. There is room for a program that reserves 2 GiB and for a
/// buffer of 1 GiB that it maps there later (the hap_example of qualcomm/fastrpc).
pub const RANGE: (u64, u64) = (0x1000_0000, 0xeffe_0000);
