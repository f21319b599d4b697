//! A virtio-gpio device whose lines are only interrupts.
//!
//! Source: virtio 1.3 §5.18 (GPIO device). Queue 0 carries requests, queue 1 the buffers in which the driver waits for
//! interrupts: a buffer is used up with VALID when its line's interrupt occurs, with INVALID when the driver masks the
//! line for good. An edge that occurs while no buffer waits is latched. Not modelled: line names, output, levels.

use super::layout::Irq;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use vhost_user_backend::{VringMutex, VringT};
use virtio_queue::{QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};

/// Queue of requests.
const REQUESTS: usize = 0;
/// Queue of interrupt buffers.
const EVENTS: usize = 1;

const GET_NAMES: u16 = 1;
const GET_DIRECTION: u16 = 2;
const SET_DIRECTION: u16 = 3;
const GET_VALUE: u16 = 4;
const SET_VALUE: u16 = 5;
const IRQ_TYPE: u16 = 6;

const STATUS_OK: u8 = 0;
const STATUS_ERR: u8 = 1;
const DIRECTION_NONE: u32 = 0;
const DIRECTION_IN: u8 = 2;
const DIRECTION_IN_REQUEST: u32 = 2;
const IRQ_NONE: u32 = 0;
const IRQ_VALID: u8 = 1;
const IRQ_INVALID: u8 = 0;

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;
/// A virtqueue as the vhost-user crates hand it out.
pub type Vring = VringMutex<Memory>;

/// The lines of one device. Shared between the thread that serves its queues and those that raise interrupts.
pub struct GpioLines {
    count: u16,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queues: Option<(Vec<Vring>, Memory)>,
    /// Waiting buffers by line.
    waiting: BTreeMap<u16, Buffer>,
    /// Latched edges by line.
    latched: std::collections::BTreeSet<u16>,
}

#[derive(Clone, Copy)]
struct Buffer {
    head: u16,
    status: GuestAddress,
}

impl GpioLines {
    /// A device with `count` lines and no queues yet.
    pub fn new(count: u16) -> Arc<Self> {
        Arc::new(Self {
            count,
            state: Mutex::default(),
        })
    }

    /// The device's configuration space: number of lines, no names.
    pub fn config(&self) -> [u8; 8] {
        let [low, high] = self.count.to_le_bytes();
        [low, high, 0, 0, 0, 0, 0, 0]
    }

    /// The guest's driver stopped the device: buffers and latched edges are gone.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    /// Serves whatever stands in the queues.
    pub fn serve(&self, vrings: &[Vring], memory: &Memory) {
        let mut state = self.lock();
        state.queues = Some((vrings.to_vec(), memory.clone()));
        // Buffers first: a request to mask a line gives back the buffer that was made available before it.
        for (head, request, reply) in take(&vrings[EVENTS], memory) {
            let line = request.map(|r| u16::from_le_bytes([r[0], r[1]]));
            match (line, reply) {
                (Some(line), Some(status)) if line < self.count => {
                    if let Some(old) = state.waiting.insert(line, Buffer { head, status }) {
                        // Two buffers for one line are against the rules; give the older one back.
                        state.complete(old, IRQ_INVALID);
                    }
                    if state.latched.remove(&line) {
                        state.deliver(line);
                    }
                }
                _ => use_up(&vrings[EVENTS], head, 0),
            }
        }
        for (head, request, reply) in take(&vrings[REQUESTS], memory) {
            let length = self.request(&mut state, request, reply, memory);
            use_up(&vrings[REQUESTS], head, length);
        }
    }

    /// One edge on a line.
    pub fn raise(&self, line: u16) {
        let mut state = self.lock();
        if state.waiting.contains_key(&line) {
            state.deliver(line);
        } else {
            state.latched.insert(line);
        }
    }

    /// Has the guest's handler of the last edge run? The driver gives a buffer back for the next edge when it has.
    pub fn handled(&self, line: u16) -> bool {
        let state = self.lock();
        state.waiting.contains_key(&line) && !state.latched.contains(&line)
    }

    /// Answers a request; returns the number of bytes written.
    fn request(
        &self,
        state: &mut State,
        request: Option<[u8; 8]>,
        reply: Option<GuestAddress>,
        memory: &Memory,
    ) -> u32 {
        let Some(reply) = reply else { return 0 };
        let (status, value) = match request {
            Some([k0, k1, l0, l1, v0, v1, v2, v3]) => {
                let (kind, line) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([l0, l1]));
                self.answer(state, kind, line, u32::from_le_bytes([v0, v1, v2, v3]))
            }
            None => (STATUS_ERR, 0),
        };
        match memory.memory().write_slice(&[status, value], reply) {
            Ok(()) => 2,
            Err(_) => 0,
        }
    }

    fn answer(&self, state: &mut State, kind: u16, line: u16, value: u32) -> (u8, u8) {
        if line >= self.count {
            return (STATUS_ERR, 0);
        }
        match kind {
            GET_DIRECTION => (STATUS_OK, DIRECTION_IN),
            SET_DIRECTION if value == DIRECTION_NONE || value == DIRECTION_IN_REQUEST => (STATUS_OK, 0),
            GET_VALUE => (STATUS_OK, 0),
            IRQ_TYPE => {
                if value == IRQ_NONE {
                    state.latched.remove(&line);
                    if let Some(buffer) = state.waiting.remove(&line) {
                        state.complete(buffer, IRQ_INVALID);
                    }
                }
                (STATUS_OK, 0)
            }
            GET_NAMES | SET_VALUE => (STATUS_ERR, 0),
            _ => (STATUS_ERR, 0),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deliver(&mut self, line: u16) {
        if let Some(buffer) = self.waiting.remove(&line) {
            self.complete(buffer, IRQ_VALID);
        }
    }

    fn complete(&mut self, buffer: Buffer, status: u8) {
        let Some((vrings, memory)) = &self.queues else {
            return;
        };
        let written = memory.memory().write_slice(&[status], buffer.status).is_ok();
        use_up(&vrings[EVENTS], buffer.head, u32::from(written));
    }
}

/// Takes the available chains off a queue: head, up to eight request bytes, where the reply goes. Malformed chains give
/// `None`s; that the walk ends is the queue crate's promise.
fn take(vring: &Vring, memory: &Memory) -> Vec<(u16, Option<[u8; 8]>, Option<GuestAddress>)> {
    let guard = memory.memory();
    let mut vring = vring.get_mut();
    if !vring.get_queue().ready() {
        return Vec::new();
    }
    let Ok(chains) = vring.get_queue_mut().iter(guard.clone()) else {
        return Vec::new();
    };
    chains
        .map(|chain| {
            let request = chain.clone().readable().next().and_then(|d| {
                let mut bytes = [0; 8];
                let n = (d.len() as usize).min(8);
                guard.read_slice(&mut bytes[..n], d.addr()).ok()?;
                (n >= 2).then_some(bytes)
            });
            let reply = chain
                .clone()
                .writable()
                .next()
                .filter(|d| d.len() >= 1)
                .map(|d| d.addr());
            (chain.head_index(), request, reply)
        })
        .collect()
}

fn use_up(vring: &Vring, head: u16, length: u32) {
    if let Err(error) = vring
        .add_used(head, length)
        .map_err(|e| e.to_string())
        .and_then(|()| vring.signal_used_queue().map_err(|e| e.to_string()))
    {
        tracing::debug!(target: "emu::device", %error, "virtio-gpio: a buffer was not returned");
    }
}

/// The virtio-gpio device as a way to raise the interrupts it has lines for; the others go through qtest if there is one.
pub struct GpioInterrupts {
    /// The device.
    pub lines: Arc<GpioLines>,
    /// For the SMMU's faults.
    pub qtest: Option<super::qtest::Qtest>,
}

impl super::interrupt::Interrupts for GpioInterrupts {
    fn raise(&self, irq: Irq) {
        match (irq.gpio_line(), &self.qtest) {
            (Some(line), _) => self.lines.raise(line),
            (None, Some(qtest)) => qtest.raise(irq),
            (None, None) => tracing::info!(
                target: "emu::device",
                ?irq,
                "an SMMU fault is recorded but not signalled: with --irq gpio that needs a qtest socket, too"
            ),
        }
    }

    fn handled(&self, irq: Irq) -> Option<bool> {
        irq.gpio_line().map(|line| self.lines.handled(line))
    }
}
