//! Real skeletons in a DSP process, with the kernel's part played by [`emu_core::mem::KernelIommu`]: everything is behind a
//! programmed SMMU, the process lives in memory that it was given and asks for more.
//!
//! The skeletons are Qualcomm's open test skeletons ([`test_needs::real_skeletons`]).

mod host;
mod hostile;
mod misbehaviour;
mod skeletons;
