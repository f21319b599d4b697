//! Packet queues (dspqueue): the queues that the AP made, who imported them, who waits for them.
//!
//! A queue lies in a buffer of the AP that both sides write at any time, so what its header says is copied and judged once,
//! when the queue is made; later the header only has to be what it was. A queue in which something is wrong is in its error
//! state for good: its functions return the code, and who imported it is told once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::clock::Time;
use crate::memory::ProcessMemory;
use crate::process::inbox::{ProcessRequest, QueueAnswer};
use crate::process::shared::Shared;
use crate::sched::ThreadId;
use emu_core::mem::AddressSpace;
use emu_core::memory::{FaultWord, Memory as _};
use rpmsg::Aee;
use rpmsg::dspqueue::{COUNTERS, Counter, Header, MAX_QUEUES, QueueError, Reader, SharedMemory, Writer};

/// Queues of a process, those included that the AP has given up while a skeleton holds them.
const MOST_QUEUES: usize = 4 * MAX_QUEUES as usize;

/// A buffer of the AP that stays mapped while it is needed.
#[derive(Debug, Clone, Copy)]
pub struct Mapped {
    fd: i32,
    /// Tells it from a later one of that number.
    id: u64,
    va: u32,
}

impl Mapped {
    /// Takes a buffer of at least `least` bytes.
    fn take(memory: &ProcessMemory, fd: i32, least: u32) -> Result<(Self, u32), Aee> {
        let (va, _) = memory.use_fd(fd).map_err(|e| e.aee())?;
        let known = memory.fd(fd).ok_or(Aee::NO_SUCH_MAP)?;
        let this = Self { fd, id: known.id, va };
        if known.len < least || va % 8 != 0 {
            this.give_back(memory);
            return Err(Aee::BAD_SIZE);
        }
        Ok((this, known.len))
    }

    fn give_back(self, memory: &ProcessMemory) {
        if memory.is_mapped(self.fd, self.id) {
            // It was taken, unless a skeleton gave it back in our place.
            let _ = memory.unuse_fd(self.fd);
        }
    }
}

/// A mapped buffer with the process's memory around it.
pub struct Place<'a> {
    space: &'a AddressSpace,
    va: u32,
}

impl Mapped {
    /// Where its bytes are.
    pub fn of(self, space: &AddressSpace) -> Place<'_> {
        Place { space, va: self.va }
    }
}

// Offsets were checked against the buffer's length; a wrapped one would only miss the mapping.
impl SharedMemory for Place<'_> {
    type Fault = FaultWord;
    fn load(&self, at: u32, out: &mut [u8]) -> Result<(), FaultWord> {
        self.space.load(self.va.wrapping_add(at), out)
    }
    fn store(&self, at: u32, bytes: &[u8]) -> Result<(), FaultWord> {
        self.space.store(self.va.wrapping_add(at), bytes)
    }
    fn load_word(&self, at: u32) -> Result<u32, FaultWord> {
        self.space.load32(self.va.wrapping_add(at))
    }
    fn store_word(&self, at: u32, word: u32) -> Result<(), FaultWord> {
        self.space.store32(self.va.wrapping_add(at), word)
    }
}

/// Callbacks of an import that are under way.
#[derive(Debug, Default)]
pub struct Callbacks {
    running: AtomicUsize,
    /// Somebody waits for their end.
    pub closing: AtomicBool,
}

impl Callbacks {
    /// How many.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }
}

/// A callback under way: over when it is dropped, which is also when its thread ends in the middle of it.
pub struct Running(Arc<Callbacks>, Arc<Shared>);

impl Running {
    /// It begins.
    pub fn begin(callbacks: &Arc<Callbacks>, shared: &Arc<Shared>) -> Self {
        callbacks.running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(callbacks), Arc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        if self.0.closing.load(Ordering::Acquire) {
            self.1.inbox.send(ProcessRequest::QueueNews);
        }
    }
}

/// A queue that a skeleton holds.
#[derive(Debug)]
pub struct Import {
    /// What the skeleton has.
    pub handle: u32,
    /// Called when there are packets; 0: nobody.
    pub packet_callback: u32,
    /// Called when the queue breaks; 0: nobody.
    pub error_callback: u32,
    /// What both get.
    pub context: u32,
    /// Threads that call them.
    pub threads: Vec<ThreadId>,
    /// Packets that the packet callback was told of.
    pub seen: u32,
    /// The error callback was told.
    pub told: bool,
    /// Callbacks under way.
    pub callbacks: Arc<Callbacks>,
}

/// A wake-up packet came: how long its reader waits for the next one.
#[derive(Debug, Clone, Copy)]
struct Wakeup {
    since: Time,
    until: Time,
}

/// A queue.
pub struct Queue {
    /// Which of the process's counters are its own.
    pub slot: u32,
    memory: Mapped,
    /// The header as it was when the queue was made.
    header: [u8; Header::LEN],
    /// Both sides say in the queue whether they wait.
    pub has_wait_counts: bool,
    /// Requests.
    pub reader: Reader,
    /// Responses.
    pub writer: Writer,
    read: u32,
    written: u32,
    /// Who holds it.
    pub import: Option<Import>,
    /// Why it cannot be used any more.
    pub error: Option<Aee>,
    /// The AP has it no more.
    pub detached: bool,
    wakeup: Option<Wakeup>,
    /// Time spent in waiting after wake-up packets.
    pub wakeup_wait: Time,
    /// Wake-up packets that no packet followed in time.
    pub wakeup_misses: u32,
}

impl Queue {
    /// Where the queue's bytes are.
    pub fn place<'a>(&self, space: &'a AddressSpace) -> Place<'a> {
        self.memory.of(space)
    }

    /// A wake-up packet came, which announces another one within `wait`.
    pub fn announce(&mut self, now: Time, wait: Time) {
        self.end_announcement(now);
        let until = now.saturating_add(wait);
        self.wakeup = Some(Wakeup { since: now, until });
    }

    /// The end of the wait after a wake-up packet.
    pub fn announced_until(&self) -> Option<Time> {
        self.wakeup.map(|w| w.until)
    }

    /// The packet came, or it is not waited for any longer.
    pub fn end_announcement(&mut self, now: Time) {
        if let Some(wakeup) = self.wakeup.take() {
            self.wakeup_wait += now.min(wakeup.until).saturating_sub(wakeup.since);
            self.wakeup_misses = self.wakeup_misses.saturating_add((now >= wakeup.until).into());
        }
    }
}

/// What a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A packet, to read it.
    Read,
    /// A packet, for as long as a wake-up packet says.
    Announced,
    /// A packet, to look at it.
    Peek,
    /// Room for a packet.
    Write,
    /// Packets, to call the packet callback.
    Packets,
    /// An error, to call the error callback.
    Error,
    /// The end of callbacks.
    Callbacks,
}

impl Wanted {
    const fn is_packet(self) -> bool {
        matches!(self, Self::Read | Self::Announced | Self::Peek | Self::Packets)
    }

    /// A program waits in one of the queue's functions, which can fail.
    const fn is_call(self) -> bool {
        matches!(self, Self::Read | Self::Announced | Self::Peek | Self::Write)
    }
}

/// A thread that waits for a queue.
#[derive(Debug, Clone, Copy)]
pub struct Waiter {
    /// The queue.
    pub queue: u64,
    /// The import that the wait belongs to.
    pub handle: u32,
    /// What for.
    pub wanted: Wanted,
    /// Until when.
    pub until: Option<Time>,
    order: u64,
}

/// The AP's thread that waits for news of queues.
#[derive(Default)]
pub struct Signals {
    parked: Option<QueueAnswer>,
    /// There was news while nobody waited.
    pending: bool,
    /// The wait was called off before it began.
    cancelled: bool,
}

/// What the AP is told that its wait was called off with.
const CANCELLED: u64 = u32::MAX as u64;

impl Signals {
    /// The AP waits. An older wait was interrupted and made again: nobody has its answer.
    pub fn wait(&mut self, answer: QueueAnswer) {
        if let Some(older) = self.parked.take() {
            older.send(Err(Aee::BAD_STATE));
        }
        if std::mem::take(&mut self.cancelled) {
            answer.send(Ok(CANCELLED));
        } else if std::mem::take(&mut self.pending) {
            answer.send(Ok(0));
        } else {
            self.parked = Some(answer);
        }
    }

    /// There is news.
    pub fn raise(&mut self) {
        match self.parked.take() {
            Some(answer) => answer.send(Ok(0)),
            None => self.pending = true,
        }
    }

    /// Calls the wait off, or the next one.
    pub fn cancel(&mut self) {
        match self.parked.take() {
            Some(answer) => answer.send(Ok(CANCELLED)),
            None => self.cancelled = true,
        }
    }

    /// Nobody is to wait any more.
    fn end(&mut self) {
        if let Some(answer) = std::mem::take(self).parked {
            answer.send(Err(Aee::BAD_STATE));
        }
    }
}

/// All queues of a process.
#[derive(Default)]
pub struct Queues {
    counters: Option<Mapped>,
    queues: BTreeMap<u64, Queue>,
    handles: HashMap<u32, u64>,
    waiters: HashMap<ThreadId, Waiter>,
    /// The AP's wait.
    pub signals: Signals,
    last_id: u64,
    last_handle: u32,
    last_order: u64,
}

impl Queues {
    // The AP's side

    /// The AP names the buffer with the process's counters.
    pub fn initialise(&mut self, memory: &ProcessMemory, fd: i32) -> Result<(), Aee> {
        if self.queues.values().any(|queue| !queue.detached) {
            return Err(Aee::BAD_STATE);
        }
        let (counters, _) = Mapped::take(memory, fd, COUNTERS)?;
        if let Some(old) = self.counters.replace(counters) {
            old.give_back(memory);
        }
        (self.signals.pending, self.signals.cancelled) = (false, false);
        Ok(())
    }

    /// The AP makes a queue: its id.
    pub fn create(
        &mut self,
        space: &AddressSpace,
        memory: &ProcessMemory,
        slot: u32,
        fd: i32,
        count: u32,
    ) -> Result<u64, Aee> {
        let counters = self.counters.ok_or(Aee::BAD_STATE)?;
        if slot >= MAX_QUEUES {
            return Err(Aee::BAD_PARM);
        }
        if self
            .queues
            .values()
            .any(|queue| !queue.detached && queue.slot == slot)
        {
            return Err(Aee::ITEM_BUSY);
        }
        if self.queues.len() >= MOST_QUEUES {
            return Err(Aee::NO_MEMORY);
        }
        let (mapped, len) = Mapped::take(memory, fd, Header::LEN as u32)?;
        let made = Self::read_header(&mapped.of(space), len, count);
        let made = made.and_then(|(bytes, header)| {
            let place = mapped.of(space);
            let reader = Reader::new(header.requests, &place).map_err(code_of)?;
            let writer = Writer::new(header.responses, &place).map_err(code_of)?;
            for counter in [Counter::RequestSpace, Counter::ResponsePackets] {
                let word = counters.of(space).store_word(counter.offset(slot), 0);
                word.map_err(|_| Aee::BAD_STATE)?;
            }
            Ok(Queue {
                slot,
                memory: mapped,
                header: bytes,
                has_wait_counts: header.has_wait_counts(),
                reader,
                writer,
                read: 0,
                written: 0,
                import: None,
                error: None,
                detached: false,
                wakeup: None,
                wakeup_wait: Time::ZERO,
                wakeup_misses: 0,
            })
        });
        let queue = made.inspect_err(|_| mapped.give_back(memory))?;
        self.last_id += 1;
        let id = self.last_id << 8 | u64::from(slot);
        self.queues.insert(id, queue);
        Ok(id)
    }

    fn read_header(place: &Place<'_>, len: u32, count: u32) -> Result<([u8; Header::LEN], Header), Aee> {
        let mut bytes = [0; Header::LEN];
        place.load(0, &mut bytes).map_err(|_| Aee::BAD_PARM)?;
        let header = Header::parse(&bytes).map_err(|_| Aee::BAD_PARM)?;
        header.check(len).map_err(|why| {
            tracing::debug!(target: "emu::os", %why, "a packet queue is refused");
            if why.is_unsupported() {
                Aee::UNSUPPORTED
            } else {
                Aee::BAD_PARM
            }
        })?;
        if header.count != count {
            return Err(Aee::BAD_PARM);
        }
        Ok((bytes, header))
    }

    /// The AP gives a queue up; refused while a skeleton holds it.
    pub fn destroy(&mut self, memory: &ProcessMemory, id: u64) -> Result<(), Aee> {
        if self.ap(id)?.import.is_some() {
            return Err(Aee::BAD_STATE);
        }
        self.remove(memory, id);
        Ok(())
    }

    fn remove(&mut self, memory: &ProcessMemory, id: u64) {
        if let Some(queue) = self.queues.remove(&id) {
            queue.memory.give_back(memory);
        }
    }

    /// Does a skeleton hold the queue?
    pub fn is_imported(&self, id: u64) -> Result<bool, Aee> {
        Ok(self.ap(id)?.import.is_some())
    }

    fn ap(&self, id: u64) -> Result<&Queue, Aee> {
        let queue = self.queues.get(&id).filter(|queue| !queue.detached);
        queue.ok_or(Aee::BAD_PARM)
    }

    /// The AP's side is gone: nobody waits for news, its queues are no more. Those that skeletons hold are returned; they
    /// have nobody at their other end.
    pub fn end(&mut self, memory: &ProcessMemory) -> Vec<u64> {
        self.signals.end();
        if let Some(counters) = self.counters.take() {
            counters.give_back(memory);
        }
        let all: Vec<u64> = self.queues.keys().copied().collect();
        let mut held = Vec::new();
        for id in all {
            match self.queues.get_mut(&id) {
                Some(queue) if queue.import.is_some() => {
                    if !std::mem::replace(&mut queue.detached, true) {
                        held.push(id);
                    }
                }
                _ => self.remove(memory, id),
            }
        }
        held
    }

    // The skeleton's side

    /// A skeleton takes a queue.
    pub fn import(&mut self, id: u64, import: Import) {
        if let Some(queue) = self.queues.get_mut(&id) {
            self.handles.insert(import.handle, id);
            queue.import = Some(import);
        }
    }

    /// Can the queue be imported?
    pub fn can_import(&self, id: u64) -> Result<(), Aee> {
        let queue = self.ap(id)?;
        match queue.error {
            _ if queue.import.is_some() => Err(Aee::ITEM_BUSY),
            Some(_) => Err(Aee::BAD_STATE),
            None => Ok(()),
        }
    }

    /// A handle for a new import.
    pub fn new_handle(&mut self) -> u32 {
        loop {
            self.last_handle = self.last_handle.wrapping_add(16).max(16);
            if !self.handles.contains_key(&self.last_handle) {
                return self.last_handle;
            }
        }
    }

    /// The queue of a handle.
    pub fn by_handle(&self, handle: u32) -> Option<u64> {
        self.handles.get(&handle).copied()
    }

    /// A handle is not valid any more.
    pub fn forget_handle(&mut self, handle: u32) {
        self.handles.remove(&handle);
    }

    /// The import is over.
    pub fn close(&mut self, memory: &ProcessMemory, id: u64) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.import = None;
            if queue.detached {
                self.remove(memory, id);
            }
        }
    }

    /// A queue.
    pub fn get(&mut self, id: u64) -> Option<&mut Queue> {
        self.queues.get_mut(&id)
    }

    /// Every queue that a skeleton holds.
    pub fn imported(&self) -> Vec<u64> {
        let held = |(&id, queue): (&u64, &Queue)| queue.import.is_some().then_some(id);
        self.queues.iter().filter_map(held).collect()
    }

    /// Is the queue as it was made? The code, and what is wrong.
    pub fn check(
        &self,
        space: &AddressSpace,
        memory: &ProcessMemory,
        id: u64,
    ) -> Result<(), (Aee, &'static str)> {
        let queue = self
            .queues
            .get(&id)
            .ok_or((Aee::BAD_PARM, "there is no such queue"))?;
        if let Some(error) = queue.error {
            return Err((error, "it is broken"));
        }
        let counters = self
            .counters
            .ok_or((Aee::CONNECTION_RESET, "the AP's side is closed"))?;
        for mapped in [queue.memory, counters] {
            if !memory.is_mapped(mapped.fd, mapped.id) {
                return Err((Aee::CONNECTION_RESET, "the AP has taken its memory back"));
            }
        }
        let mut now = [0; Header::LEN];
        if queue.place(space).load(0, &mut now).is_err() {
            return Err((Aee::BAD_STATE, "its memory is not accessible"));
        }
        let free = Header::ERROR_AT..Header::ERROR_AT + 4;
        now[free.clone()].copy_from_slice(&queue.header[free]);
        if now != queue.header {
            return Err((Aee::BAD_STATE, "its header was rewritten while it is in use"));
        }
        Ok(())
    }

    /// A packet was read: counts it, and tells the AP if that waits for room.
    pub fn after_read(&mut self, space: &AddressSpace, id: u64) -> Result<(), FaultWord> {
        let (Some(queue), Some(counters)) = (self.queues.get_mut(&id), self.counters) else {
            return Ok(());
        };
        queue.read = queue.read.wrapping_add(1);
        let at = Counter::RequestSpace.offset(queue.slot);
        counters.of(space).store_word(at, queue.read)?;
        if !queue.has_wait_counts || queue.reader.writer_waits(&queue.place(space))? {
            self.signals.raise();
        }
        Ok(())
    }

    /// A packet was written: counts it, and tells the AP if that waits for it.
    pub fn after_write(&mut self, space: &AddressSpace, id: u64) -> Result<(), FaultWord> {
        let (Some(queue), Some(counters)) = (self.queues.get_mut(&id), self.counters) else {
            return Ok(());
        };
        queue.written = queue.written.wrapping_add(1);
        let at = Counter::ResponsePackets.offset(queue.slot);
        counters.of(space).store_word(at, queue.written)?;
        if !queue.has_wait_counts || queue.writer.reader_waits(&queue.place(space))? {
            self.signals.raise();
        }
        Ok(())
    }

    // Waiting

    /// A thread's wait.
    pub fn waiter(&self, thread: ThreadId) -> Option<Waiter> {
        self.waiters.get(&thread).copied()
    }

    /// A thread waits from now on, which the queue says.
    pub fn wait(
        &mut self,
        space: &AddressSpace,
        thread: ThreadId,
        (queue, handle): (u64, u32),
        wanted: Wanted,
        until: Option<Time>,
    ) {
        self.last_order += 1;
        let waiter = Waiter {
            queue,
            handle,
            wanted,
            until,
            order: self.last_order,
        };
        self.waiters.insert(thread, waiter);
        self.tell_waiting(space, queue);
    }

    /// A thread waits no more.
    pub fn stop_waiting(&mut self, space: &AddressSpace, thread: ThreadId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&thread)?;
        self.tell_waiting(space, waiter.queue);
        Some(waiter)
    }

    /// A thread's time is over.
    pub fn gave_up(&mut self, space: &AddressSpace, thread: ThreadId, now: Time) {
        if let Some(waiter) = self.stop_waiting(space, thread)
            && waiter.wanted == Wanted::Announced
            && let Some(queue) = self.queues.get_mut(&waiter.queue)
        {
            queue.end_announcement(now);
        }
    }

    /// Says in the queue how many wait.
    fn tell_waiting(&mut self, space: &AddressSpace, id: u64) {
        let Some(queue) = self.queues.get_mut(&id).filter(|queue| queue.error.is_none()) else {
            return;
        };
        let (mut packets, mut room) = (0, 0);
        for waiter in self.waiters.values().filter(|waiter| waiter.queue == id) {
            packets += u32::from(waiter.wanted.is_packet());
            room += u32::from(waiter.wanted == Wanted::Write);
        }
        let place = queue.place(space);
        // Memory that is not there is met by the next look at the queue.
        if packets != queue.reader.waiting() {
            let _ = queue.reader.set_waiting(packets, &place);
        }
        if room != queue.writer.waiting() {
            let _ = queue.writer.set_waiting(room, &place);
        }
    }

    /// Who waits, those who came first first.
    pub fn waiting(&self) -> Vec<ThreadId> {
        let mut all: Vec<(u64, ThreadId)> = self.waiters.iter().map(|(&id, w)| (w.order, id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Ends the waits of programs in a queue's functions: who waited.
    pub fn interrupt(&mut self, space: &AddressSpace, queue: u64) -> Vec<ThreadId> {
        let mut out = Vec::new();
        self.waiters.retain(|&id, waiter| {
            let ends = waiter.queue == queue && waiter.wanted.is_call();
            out.extend(ends.then_some(id));
            !ends
        });
        self.tell_waiting(space, queue);
        out
    }
}

/// The code for a ring in which something is wrong.
pub fn code_of(error: QueueError<FaultWord>) -> Aee {
    match error {
        QueueError::Packet(_) => Aee::BAD_ITEM,
        QueueError::Position(_) | QueueError::Fault(_) => Aee::BAD_STATE,
    }
}
