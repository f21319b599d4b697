//! The vhost-user device whose queue 1 is the doorbell.
//!
//! Two stock QEMU devices can carry it: `vhost-user-input` (an input device without keys; its queues stay idle) and
//! `vhost-user-gpio-device` (whose lines are then the interrupts). All protocol work is rust-vmm's; a backend lives as
//! long as one connection of QEMU's, the [`Subsystem`] behind it longer.

use super::gpio::{GpioLines, Vring};
use super::subsystem::Subsystem;
use emu_core::mem::GuestRam;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VringT};
use virtio_queue::QueueT;
use vm_memory::{GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;

/// Both devices have two queues.
const QUEUES: usize = 2;
/// The queue whose kick is the doorbell: the mailbox writes `BIT(0)`.
const DOORBELL: usize = 1;
/// Largest ring QEMU sets up for either device, with room.
const QUEUE_SIZE: usize = 1024;
/// Event number of the DSP's outbox (numbers up to the number of queues are the framework's).
pub const OUTBOX_EVENT: u64 = QUEUES as u64 + 1;
/// Event number of the DSP's timer.
pub const TIMER_EVENT: u64 = OUTBOX_EVENT + 1;
/// Event number of the connection's end.
pub const END_EVENT: u64 = TIMER_EVENT + 1;
const VIRTIO_F_VERSION_1: u64 = 1 << 32;
const VIRTIO_GPIO_F_IRQ: u64 = 1 << 0;

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

/// One connection.
pub struct Backend {
    subsystem: Arc<Subsystem>,
    /// With `--irq gpio`: the lines.
    gpio: Option<Arc<GpioLines>>,
    memory: Mutex<Option<Memory>>,
}

impl Backend {
    /// A backend for `subsystem`; `gpio` chooses the device.
    pub fn new(subsystem: Arc<Subsystem>, gpio: Option<Arc<GpioLines>>) -> Arc<Self> {
        Arc::new(Self {
            subsystem,
            gpio,
            memory: Mutex::default(),
        })
    }

    /// The connection ended: the machine is gone.
    pub fn disconnected(&self) {
        self.stopped("QEMU disconnected");
        self.subsystem.reset("QEMU disconnected");
        self.subsystem.forget_memory();
    }

    fn stopped(&self, why: &str) {
        if let Some(gpio) = &self.gpio {
            gpio.reset();
        }
        self.subsystem.stopped(why);
    }

    fn serve_gpio(&self, vrings: &[Vring]) {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(gpio), Some(memory)) = (&self.gpio, memory) {
            gpio.serve(vrings, &memory);
        }
    }
}

impl VhostUserBackend for Backend {
    type Bitmap = ();
    type Vring = Vring;

    fn num_queues(&self) -> usize {
        QUEUES
    }

    fn max_queue_size(&self) -> usize {
        QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        let own = if self.gpio.is_some() { VIRTIO_GPIO_F_IRQ } else { 0 };
        VIRTIO_F_VERSION_1 | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits() | own
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::CONFIG | VhostUserProtocolFeatures::REPLY_ACK
    }

    fn reset_device(&self) {
        self.stopped("QEMU reset the device");
    }

    fn set_event_idx(&self, _enabled: bool) {}

    /// virtio-input: every selection is empty (no name, no keys). virtio-gpio: number of lines.
    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        let space = self.gpio.as_ref().map(|gpio| gpio.config());
        let mut out = vec![0; size as usize];
        if let Some(from) = space.as_ref().and_then(|s| s.get(offset as usize..)) {
            let n = from.len().min(out.len());
            out[..n].copy_from_slice(&from[..n]);
        }
        out
    }

    fn update_memory(&self, memory: Memory) -> io::Result<()> {
        let ram = GuestRam::new(memory.memory().into_inner());
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
        self.subsystem.set_memory(ram);
        Ok(())
    }

    fn stop_vring(&self, queue: u32) -> io::Result<()> {
        if queue as usize == DOORBELL {
            self.stopped("the guest stopped the device");
        }
        Ok(())
    }

    // An error ends the thread for good, so there is one only at the connection's end.
    fn handle_event(&self, event: u16, _set: EventSet, vrings: &[Vring], _thread: usize) -> io::Result<()> {
        if u64::from(event) == END_EVENT {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if u64::from(event) == OUTBOX_EVENT {
            self.subsystem.outbox_ready();
            return Ok(());
        }
        if u64::from(event) == TIMER_EVENT {
            self.subsystem.timer_ready();
            return Ok(());
        }
        self.serve_gpio(vrings);
        // Asked under the subsystem's lock: a device that was stopped a moment ago must not start again.
        self.subsystem
            .doorbell(|| vrings[DOORBELL].get_ref().get_queue().ready());
        Ok(())
    }
}
