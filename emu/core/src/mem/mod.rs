//! Memory: guest RAM, the DSP's bus through the SMMU, a DSP process's address space.
//!
//! Three floors, each only knows the one below:
//!
//! * [`GuestRam`]: the AP's RAM by physical address, shared with a guest that may write to it at any time;
//! * [`Bus`]: what a DSP process's transaction goes through, stream id and device address → SMMU → RAM;
//! * [`AddressSpace`]: what the instructions of one DSP process see, 32-bit virtual addresses → pages of the emulator's
//!   own or pages behind the bus, with a flat software TLB in front.
//!
//! `unsafe` is confined to `raw` (accesses through host pointers), `mapping`, `arena` (the emulator's own pages), `table`
//! and the fast path in `space`.

mod arena;
mod bus;
mod mapping;
mod ram;
mod raw;
mod regions;
mod space;
mod table;

pub use bus::{Bus, BusFault, FaultLine, MAX_REFUSED, NoFaultLine};
pub use ram::{GuestRam, RamError};
pub use regions::{MapError, PAGE_SIZE, Prot};
pub use space::AddressSpace;
