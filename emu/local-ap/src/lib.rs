//! An AP in this process, for when there is no guest: `vhost-hexagon invoke`, tests and benches.
//!
//! [`driver`] does what the kernel's fastrpc driver does (invoke buffers, contexts, process control, memory behind the SMMU),
//! [`library`] what libcdsprpc does on top of it (listener thread, open, invoke, close), and [`apps`] what its modules serve to the
//! DSP (files, heap, log lines). The DSP is the real one and goes through the very same [`Dsp::message`](emu_os::services::Dsp::message); it
//! cannot tell that there is no kernel.

pub mod apps;
pub mod driver;
mod folders;
pub mod kernel_iommu;
pub mod library;
pub mod queue;

pub use emu_core::mem::PAGE;

pub use apps::{Apps, print_record};
pub use driver::{Answer, Arg, Driver, DriverError, Numbering, PendingCall, Session, for_one_program};
pub use kernel_iommu::{Direction, DmaBuffer, KernelError, KernelIommu};
pub use library::{Client, ClientError};
pub use queue::{PacketError, PacketQueue, PacketQueues};
