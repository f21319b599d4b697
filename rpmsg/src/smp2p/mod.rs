//! SMP2P: 32 named bits from one processor to another, through an item of each in SMEM and an interrupt.
//!
//! Source: `drivers/soc/qcom/smp2p.c` of the kernel (6.12 and 7.3), whose peer this is. Each side writes its own item and reads the
//! other's, so there is no lock. The AP's remoteproc driver listens to the DSP's entry "slave-kernel" (fatal, ready, handover,
//! stop-ack) and asks it to stop through its own entry "master-kernel".
//!
//! [`Item`] is the codec, [`Endpoint`] the DSP's side: what it writes into its item, when it rings, and what the AP's item means.
//!
//! Both sides settle on the lower version; kernel 6.12 knows version 1 only and waits until the DSP comes down to it. With the
//! feature [`FEATURE_SSR_ACK`] a restarted DSP makes its bit [`FLAG_RESTART_DONE`] differ from the AP's bit
//! [`FLAG_RESTART_ACK`], and the AP acknowledges by making them equal.

mod endpoint;
mod item;

pub use endpoint::{Endpoint, EndpointConfig, Event, Outcome, Write};
pub use item::{ENTRY_SIZE, Entry, HEADER_SIZE, ITEM_SIZE, Item, ItemError, MAGIC, MAX_ENTRIES, NAME_SIZE};

/// Highest version that the kernel knows.
pub const MAX_VERSION: u8 = 2;
/// Feature bit: restarts are acknowledged.
pub const FEATURE_SSR_ACK: u32 = 1;
/// Bit of an item's flags: its writer started anew, as often as this bit changed.
pub const FLAG_RESTART_DONE: u32 = 1 << 0;
/// Bit of an item's flags: its writer has seen the other's restart.
pub const FLAG_RESTART_ACK: u32 = 1 << 1;

/// The DSP's entry.
pub const DSP_ENTRY: &str = "slave-kernel";
/// The AP's entry.
pub const AP_ENTRY: &str = "master-kernel";

/// Bits of the entry "slave-kernel", as device trees number them.
pub mod dsp {
    /// The DSP has crashed.
    pub const FATAL: u32 = 1 << 0;
    /// The firmware runs.
    pub const READY: u32 = 1 << 1;
    /// The firmware votes for its own clocks and power from here on.
    pub const HANDOVER: u32 = 1 << 2;
    /// The DSP has stopped as asked.
    pub const STOP_ACK: u32 = 1 << 3;
    /// The DSP has shut down as asked through QMI (modems).
    pub const SHUTDOWN_ACK: u32 = 1 << 7;
}

/// Bits of the entry "master-kernel".
pub mod ap {
    /// The DSP shall stop.
    pub const STOP: u32 = 1 << 0;
}
