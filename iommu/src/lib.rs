//! An Arm SMMU-500 (SMMUv2) as its registers and page tables say it: stream matching, context banks, VMSAv8-64
//! stage-1 walks, fault recording, TLB maintenance.
//!
//! The register file is *plain memory that both sides share*: the guest kernel's `arm-smmu` driver programs it like any
//! MMIO block, nobody traps its accesses, and this crate reads it when a DSP transaction needs a translation. That
//! costs two pieces of care, which are the only places where this differs from a hardware SMMU: write-1-to-clear
//! registers (file `status.rs`) and TLB maintenance (file `maintenance.rs`).
//!
//! Source of truth: Arm IHI 0062 (SMMUv2), Arm DDI 0487 (VMSAv8-64), and what Linux's `drivers/iommu/arm/arm-smmu`
//! programs and reads. Sans-I/O: registers come through [`RegisterFile`], page tables through [`PhysicalMemory`]; both
//! may return anything at any time, every function ends and none panics.
//!
//! Deliberately not modelled: stage 2 and nested translation, AArch32 table formats, ATOS address translation
//! registers, stalled transactions (they terminate), the secure half, performance counters. What of these a guest can
//! ask for is refused with a fault that names it.
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![deny(clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod bank;
mod descriptor;
pub mod enumerate;
mod fault;
mod geometry;
mod maintenance;
pub mod registers;
mod smmu;
mod status;
mod streams;
mod tlb;
mod transaction;
mod walk;

pub use descriptor::Granule;
pub use fault::{Fault, FaultKind};
pub use geometry::Geometry;
pub use maintenance::is_mark;
pub use smmu::{Interrupt, Invalidation, PhysicalMemory, RegisterFile, Smmu};
pub use status::Handled;
pub use transaction::{Access, Page, Transaction};
