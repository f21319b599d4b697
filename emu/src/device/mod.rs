//! The device: vhost-user backend, doorbell, interrupts, platform image, device tree.
