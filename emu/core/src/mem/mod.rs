//! Memory: guest RAM, the DSP's bus through the SMMU, a DSP process's address space.
//!
//! Three floors, each only knows the one below:
//!
//! * [`GuestRam`]: the AP's RAM by physical address, shared with a guest that may write to it at any time;
//! * [`Bus`]: what a DSP process's transaction goes through, stream id and device address → SMMU → RAM;
//! * [`AddressSpace`]: what the instructions of one DSP process see, 32-bit virtual addresses → pages of the emulator's
//!   own or pages behind the bus, with a flat software TLB in front.
//!
//! `unsafe` is confined to the files that allow it here: `mapping` and `arena` reserve the emulator's own pages, `ram` finds a
//! guest's, `table` lies in such a reservation, `raw` accesses memory through host pointers, and `space` hands it pointers that
//! its table holds.

#[allow(unsafe_code)]
mod arena;
mod bus;
pub mod entry;
#[allow(unsafe_code)]
mod mapping;
mod page;
#[allow(unsafe_code)]
mod ram;
#[allow(unsafe_code)]
mod raw;
mod regions;
#[allow(unsafe_code)]
mod space;
#[allow(unsafe_code)]
mod table;

pub use arena::RIGHTS;
pub use bus::{Bus, BusFault, FaultLine, MAX_REFUSED, NoFaultLine};
pub use page::{PAGE, PAGE_SHIFT, PAGE_SIZE};
pub use ram::{GuestRam, RamError};
pub use regions::{MapError, Prot};
pub use space::AddressSpace;
