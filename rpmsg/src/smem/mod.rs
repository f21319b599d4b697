//! SMEM: the allocate-only heap in RAM through which the processors of a Snapdragon find each other's structures.
//!
//! Source: `drivers/soc/qcom/smem.c` of the kernel (6.12 and 7.3), whose peer this is. Items have numbers and live in the *global*
//! heap or in a *partition* of two processors ("hosts"); memory is never given back. Three layouts exist:
//!
//! | layout | boot loader version | global items | items of a pair |
//! |---|---|---|---|
//! | [`Layout::Heap`] | 11 | heap behind the [`layout::Header`] | the same heap |
//! | [`Layout::Partitions`] | 11 | the same | partition {0, remote} |
//! | [`Layout::GlobalPartition`] | 12 | partition {0xfffe, 0xfffe} | partition {0, remote} |
//!
//! On a board the boot loader writes the initial image; [`ImageBuilder`] is that boot loader. Afterwards the AP's kernel and the DSP
//! find ([`Smem::item`]) and allocate ([`Smem::allocate`]) items; both check everything each time, because both can write
//! everywhere. The DSP never keeps a pointer into SMEM that it has not checked against the region's size.
//!
//! Not modelled: auxiliary memory regions (items in the RPM's message RAM) and the proc_comm area, which no current kernel uses.

mod alloc;
mod image;
pub mod layout;
mod lock;
pub mod socinfo;
mod walk;

#[cfg(test)]
mod tests;

pub use alloc::Allocation;
pub use image::{ImageBuilder, ImageError};
pub use lock::{HwLock, LOCK_NUMBER, LOCK_STRIDE, TcsrMutex};
pub use walk::{Item, Place, Smem};

use crate::words::Outside;

/// Host number of the application processor (`SMEM_HOST_APPS`).
pub const HOST_APPS: u16 = 0;
/// Host number on both sides of the global partition (`SMEM_GLOBAL_HOST`).
pub const HOST_GLOBAL: u16 = 0xfffe;
/// Remote hosts that the 6.12 kernel accepts are below this (`SMEM_HOST_COUNT`); newer kernels take any.
pub const HOST_COUNT: u16 = 20;
/// Items below this number are made by the boot loader only (`SMEM_ITEM_LAST_FIXED`).
pub const FIRST_FREE_ITEM: u16 = 8;
/// Item numbers are below this, unless a version 12 table says otherwise (`SMEM_ITEM_COUNT`).
pub const ITEM_COUNT: u16 = 512;
/// Bytes that this crate makes the item of a crash reason. The kernel takes any size; the text ends with a zero byte.
pub const CRASH_REASON_SIZE: u32 = 256;

/// How the memory is organized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One heap for everything: old boards; serves one DSP, because all DSPs would use the same item numbers.
    Heap,
    /// A heap for global items and a partition for each pair of hosts.
    Partitions,
    /// Partitions alone, one of them global.
    GlobalPartition,
}

/// Why SMEM cannot be used as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmemError {
    /// A structure leads out of the region.
    #[error(transparent)]
    Outside(#[from] Outside),
    /// The word "initialized" is not 1, or the reserved word behind it is not 0.
    #[error("SMEM is not initialized")]
    NotInitialized,
    /// The boot loader's version is neither 11 nor 12.
    #[error("SMEM version {0:#x}")]
    Version(u32),
    /// The partition table has a version other than 1.
    #[error("SMEM partition table version {0}")]
    TableVersion(u32),
    /// The partition table does not fit into its 4 KiB.
    #[error("SMEM partition table of {0} entries")]
    TableLength(u32),
    /// Version 12 without a global partition.
    #[error("SMEM version 12 without a global partition")]
    NoGlobalPartition,
    /// Two partitions for the same remote host.
    #[error("SMEM has two partitions for host {0}")]
    DuplicatePartition(u16),
    /// A partition whose header does not fit its entry in the table, or that leaves the region.
    #[error("SMEM partition at {offset:#x}: {what}")]
    Partition {
        /// Its offset.
        offset: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// A chain of items that meets something that is no item.
    #[error("SMEM item header at {offset:#x}: {what}")]
    Chain {
        /// Offset of the header.
        offset: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// An entry of the global heap's table that leads out of the heap.
    #[error("SMEM global item {0} is not in the heap")]
    GlobalItem(u16),
    /// An item number beyond the table, or one that only the boot loader makes.
    #[error("SMEM item number {0}")]
    Number(u16),
    /// Not enough memory for the item.
    #[error("SMEM item of {need} bytes, but {free} are free")]
    Full {
        /// Bytes needed, header included.
        need: u32,
        /// Bytes left.
        free: u32,
    },
    /// The item is there already with another size.
    #[error("SMEM item {id} exists with {found} bytes, {need} needed")]
    Size {
        /// Item number.
        id: u16,
        /// Its size.
        found: u32,
        /// The size asked for.
        need: u32,
    },
    /// The AP held the hardware lock all the time.
    #[error("SMEM hardware lock is held by the AP")]
    Locked,
    /// The AP took the hardware lock away again and again.
    #[error("SMEM hardware lock was taken away {0} times")]
    Overtaken(u32),
}
