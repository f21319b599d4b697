//! Starting QEMU with a DSP behind the kernel.
