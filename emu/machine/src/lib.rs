//! The machine around the DSP: the vhost-user device, the platforms, the QEMU launcher, the control socket, SoC profiles.
//!
//! The path of one invoke reads downhill: [`device`] (doorbell, FIFO) → `rpmsg` (GLINK, FastRPC) → `emu_os::services` (which
//! service answers) → `emu_os` (the DSP process) → `emu_core` (packets, over the process's address space and the SMMU); the
//! answer comes back the same stairs as a list of `emu_os::action::Action`s.

pub mod control;
pub mod device;
pub mod profile;
pub mod vm;
