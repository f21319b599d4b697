//! Packet queues: the AP's end of them, as libcdsprpc has it.
//!
//! Source: `dspqueue_create`, `dspqueue_write`, `dspqueue_read` and `dspqueue_close` of `src/dspqueue/dspqueue_cpu.c` of
//! qualcomm/fastrpc. Signals of the DSP come on a thread that waits for them in `wait_signal`; ours are sent where they are
//! due, not by a thread of their own. Not modelled: callbacks, and references to buffers (only the DSP counts them).

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use emu_core::mem::{GuestRam, RamError};
use rpmsg::Aee;
use rpmsg::dspqueue::{COUNTERS, Counter, Header, MAX_QUEUES, QueueError, Reader, SharedMemory, Writer};
use rpmsg::fastrpc::control::MAP_FD;
use rpmsg::iface::{Kind, Method, Reply, dspqueue, name};

pub use rpmsg::dspqueue::{Buffer, Packet, PacketHeader, buffer_flag, packet_flag};

use super::driver::Session;
use super::kernel_iommu::DmaBuffer;
use super::library::{Client, ClientError};

/// What the DSP must refuse: so the library asks whether it looks at the version at all.
const NO_VERSION: u32 = u32::MAX;
/// What `wait_signal` answers when it was called off.
const CANCELLED: i32 = -1;
/// The first file descriptor of ours; those of a program are below.
const FIRST_FD: i32 = 1 << 20;

/// Why a queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The calls beside it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ring.
    #[error(transparent)]
    Ring(#[from] QueueError<RamError>),
    /// No such packet can be in this queue.
    #[error("the packet does not fit the queue")]
    TooLong,
    /// All queues of the process are in use, or the rings are too long.
    #[error("no such queue can be made")]
    NoQueue,
    /// A skeleton still has it.
    #[error("a skeleton holds the queue")]
    Held,
    /// The DSP took the version that nobody has.
    #[error("the DSP does not look at the queue's version")]
    Version,
    /// The DSP's end is gone.
    #[error("the DSP's end of the queue is gone: {0}")]
    Gone(Aee),
}

impl From<super::driver::DriverError> for PacketError {
    fn from(error: super::driver::DriverError) -> Self {
        Self::Client(error.into())
    }
}

/// Memory of the AP.
struct Place<'a>(&'a GuestRam, u64);

impl SharedMemory for Place<'_> {
    type Fault = RamError;
    fn load(&self, at: u32, out: &mut [u8]) -> Result<(), RamError> {
        self.0.read(self.1 + u64::from(at), out)
    }
    fn store(&self, at: u32, bytes: &[u8]) -> Result<(), RamError> {
        self.0.write(self.1 + u64::from(at), bytes)
    }
    fn load_word(&self, at: u32) -> Result<u32, RamError> {
        self.0.read_u32(self.1 + u64::from(at))
    }
    fn store_word(&self, at: u32, word: u32) -> Result<(), RamError> {
        self.0.write_u32(self.1 + u64::from(at), word)
    }
}

/// A buffer that is mapped on the DSP.
#[derive(Debug, Clone, Copy)]
struct Mapped {
    fd: i32,
    buffer: DmaBuffer,
    /// What the DSP called it.
    address: u64,
    len: u32,
}

/// News from the DSP.
#[derive(Default)]
struct News {
    count: u64,
    gone: Option<Aee>,
}

/// What all queues of a process share.
struct Process {
    session: Arc<Session>,
    handle: u32,
    tid: i32,
    counters: Mapped,
    news: Mutex<News>,
    told: Condvar,
    slots: Mutex<[bool; MAX_QUEUES as usize]>,
    next_fd: AtomicI32,
    queues_made: AtomicI32,
}

impl Process {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<M: Method>(&self, method: &M) -> Result<M::Reply, ClientError> {
        let payload = method.payload(Kind::Handle64);
        let answer = self.session.call(self.tid, self.handle, &payload)?;
        if !answer.retval.is_ok() {
            let (what, code) = (M::NAME, answer.retval);
            return Err(ClientError::Dsp { what, code });
        }
        Ok(M::Reply::parse(&answer.outs)?)
    }

    fn map(&self, len: u32) -> Result<Mapped, PacketError> {
        let fd = self.next_fd.fetch_add(1, Ordering::Relaxed);
        map(&self.session, fd, len)
    }

    fn unmap(&self, mapped: Mapped) -> Result<(), PacketError> {
        self.session.unmap(mapped.fd, mapped.address, mapped.len.into())?;
        let kernel = self.session.driver().kernel();
        let freed = kernel.dma_free(self.session.stream(), mapped.buffer);
        Ok(freed.map_err(super::driver::DriverError::from)?)
    }

    fn place(&self, mapped: Mapped) -> Place<'_> {
        Place(self.session.driver().kernel().ram(), mapped.buffer.physical)
    }

    /// The DSP looks at its queues again.
    fn signal(&self) -> Result<(), PacketError> {
        Ok(self.call(&dspqueue::Signal {})?)
    }

    /// Waits for the DSP's signals until it is called off.
    fn receive(&self, tid: i32) {
        let payload = dspqueue::WaitSignal {}.payload(Kind::Handle64);
        loop {
            let answer = self.session.call(tid, self.handle, &payload);
            let signal = answer
                .map_err(|_| Aee::GONE)
                .and_then(|answer| match answer.retval {
                    Aee::SUCCESS => dspqueue::WaitSignalReply::parse(&answer.outs).map_err(|_| Aee::BAD_PARM),
                    code => Err(code),
                });
            let mut news = self.news();
            news.count += 1;
            news.gone = signal.as_ref().err().copied();
            self.told.notify_all();
            if signal.is_ok_and(|reply| reply.signal != CANCELLED) {
                continue;
            }
            return;
        }
    }
}

fn map(session: &Session, fd: i32, len: u32) -> Result<Mapped, PacketError> {
    let buffer = session.alloc(len.into())?;
    let address = session.map(fd, buffer, MAP_FD)?;
    Ok(Mapped {
        fd,
        buffer,
        address,
        len: u32::try_from(buffer.len).unwrap_or(len),
    })
}

/// A process's packet queues.
pub struct PacketQueues {
    process: Arc<Process>,
    receiver: JoinHandle<()>,
}

impl PacketQueues {
    /// Opens the DSP's module and starts to listen to its signals.
    ///
    /// # Errors
    /// The DSP has no packet queues, or no memory is left.
    pub fn open(client: &Client) -> Result<Self, PacketError> {
        let handle = client.open(&format!(
            "file:///{}?dspqueue_rpc_skel_handle_invoke&_modver=1.0",
            name::library(name::DSPQUEUE)
        ))?;
        let session = Arc::clone(client.session());
        let counters = map(&session, FIRST_FD, COUNTERS)?;
        let process = Arc::new(Process {
            session,
            handle,
            tid: client.new_tid(),
            counters,
            news: Mutex::default(),
            told: Condvar::new(),
            slots: Mutex::new([false; MAX_QUEUES as usize]),
            next_fd: AtomicI32::new(FIRST_FD + 1),
            queues_made: AtomicI32::new(0),
        });
        process.call(&dspqueue::InitProcessState { fd: FIRST_FD })?;
        let (waiting, tid) = (Arc::clone(&process), client.new_tid());
        let receiver = std::thread::Builder::new()
            .name("dspqueue".into())
            .spawn(move || waiting.receive(tid))
            .map_err(ClientError::from)?;
        Ok(Self { process, receiver })
    }

    /// Makes a queue with rings of these lengths.
    ///
    /// # Errors
    /// The DSP refuses it, or no memory is left.
    pub fn create(&self, requests: u32, responses: u32) -> Result<PacketQueue, PacketError> {
        let process = Arc::clone(&self.process);
        let count = process
            .queues_made
            .fetch_add(1, Ordering::Relaxed)
            .cast_unsigned();
        let (header, len) = Header::layout(requests, responses, count).ok_or(PacketError::NoQueue)?;
        let slot = {
            let mut slots = process.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let free = slots.iter_mut().zip(0u32..).find(|(used, _)| !**used);
            let (used, slot) = free.ok_or(PacketError::NoQueue)?;
            *used = true;
            slot
        };
        let made = Self::make(&process, header, len, slot);
        made.inspect_err(|_| process.free_slot(slot))
    }

    fn make(process: &Arc<Process>, header: Header, len: u32, slot: u32) -> Result<PacketQueue, PacketError> {
        let memory = process.map(len)?;
        let place = process.place(memory);
        let counters = process.place(process.counters);
        for counter in [Counter::RequestPackets, Counter::ResponseSpace] {
            counters
                .store_word(counter.offset(slot), 0)
                .map_err(QueueError::Fault)?;
        }
        let create = dspqueue::CreateQueue {
            id: slot,
            fd: memory.fd,
            count: header.count,
        };
        let (version, flags) = (NO_VERSION, 0);
        let asks = Header {
            version,
            flags,
            ..header
        };
        place.store(0, &asks.encode()).map_err(QueueError::Fault)?;
        match process.call(&create) {
            Err(ClientError::Dsp { code, .. }) if code == Aee::UNSUPPORTED => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(PacketError::Version),
        }
        place.store(0, &header.encode()).map_err(QueueError::Fault)?;
        let id = process.call(&create)?.queue_id;
        let ends = Ends {
            requests: Writer::new(header.requests, &place)?,
            responses: Reader::new(header.responses, &place)?,
        };
        Ok(PacketQueue {
            process: Arc::clone(process),
            memory,
            slot,
            id,
            ends: Mutex::new(ends),
        })
    }

    /// Memory of this length that packets can name: its descriptor, and where it is.
    ///
    /// # Errors
    /// No memory is left, or the DSP refuses it.
    pub fn memory(&self, len: u32) -> Result<(i32, DmaBuffer), PacketError> {
        let mapped = self.process.map(len)?;
        Ok((mapped.fd, mapped.buffer))
    }

    /// Ends the wait for signals and closes the module. Queues must be closed before.
    ///
    /// # Errors
    /// The DSP refuses.
    pub fn close(self, client: &Client) -> Result<(), PacketError> {
        self.process.call(&dspqueue::CancelWaitSignal {})?;
        // It has said what became of it.
        let _ = self.receiver.join();
        client.close(self.process.handle)?;
        self.process.unmap(self.process.counters)
    }
}

impl Process {
    fn free_slot(&self, slot: u32) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = slots.get_mut(slot as usize) {
            *used = false;
        }
    }
}

struct Ends {
    requests: Writer,
    responses: Reader,
}

/// A packet, or the header of one that was not taken.
pub type Taken = Result<Packet, PacketHeader>;

/// A queue.
pub struct PacketQueue {
    process: Arc<Process>,
    memory: Mapped,
    slot: u32,
    id: u64,
    ends: Mutex<Ends>,
}

impl PacketQueue {
    /// What a skeleton imports it by.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The queue's own memory, to do to it what nobody should.
    #[must_use]
    pub fn buffer(&self) -> DmaBuffer {
        self.memory.buffer
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a packet if there is room: was there?
    ///
    /// # Errors
    /// The packet can be in no queue like this one, or the queue is broken.
    pub fn try_write(&self, flags: u16, buffers: &[Buffer], message: &[u8]) -> Result<bool, PacketError> {
        let place = self.process.place(self.memory);
        let mut ends = self.ends();
        let header = ends.requests.header(flags, buffers.len(), message.len());
        let header = header.ok_or(PacketError::TooLong)?;
        if !ends.requests.fits(header, &place)? {
            return Ok(false);
        }
        ends.requests.put(header, buffers, message, &place)?;
        self.count(Counter::RequestPackets)?;
        let waits = ends.requests.reader_waits(&place).map_err(QueueError::Fault)?;
        drop(ends);
        if waits {
            self.process.signal()?;
        }
        Ok(true)
    }

    /// Takes a packet if there is one.
    ///
    /// # Errors
    /// The queue is broken.
    pub fn try_read(&self) -> Result<Option<Packet>, PacketError> {
        Ok(self.try_next(|_| true)?.and_then(Result::ok))
    }

    /// Takes the next packet if its header is `wanted`; else it stays, and the header is what there is.
    fn try_next(&self, wanted: impl Fn(PacketHeader) -> bool) -> Result<Option<Taken>, PacketError> {
        let place = self.process.place(self.memory);
        let mut ends = self.ends();
        let Some(next) = ends.responses.peek(&place)? else {
            return Ok(None);
        };
        // The DSP may change the ring at any time: what is taken is what this header says.
        if !wanted(next.header) {
            return Ok(Some(Err(next.header)));
        }
        let packet = ends.responses.take(next, &place)?;
        self.count(Counter::ResponseSpace)?;
        let waits = ends.responses.writer_waits(&place).map_err(QueueError::Fault)?;
        drop(ends);
        if waits {
            self.process.signal()?;
        }
        Ok(Some(Ok(packet)))
    }

    /// Takes the next packet with something in it if its header `fits`, waiting for one: `None` if none came in time, the header of
    /// one that does not fit and stays.
    ///
    /// # Errors
    /// The queue is broken, or the DSP's end is gone.
    pub fn read_if(
        &self,
        limit: Duration,
        fits: impl Fn(PacketHeader) -> bool,
    ) -> Result<Option<Taken>, PacketError> {
        let waiting = |ends: &mut Ends, on, place: &Place<'_>| ends.responses.set_waiting(on, place);
        self.wait(limit, waiting, || {
            // Wake-up packets only say that another will come. A DSP that sends them as fast as they are taken keeps nobody.
            let most = self.ends().responses.most_packets();
            for _ in 0..most {
                match self.try_next(|header| header.is_wakeup() || fits(header))? {
                    Some(Ok(packet)) if packet.flags & packet_flag::WAKEUP != 0 => {}
                    found => return Ok(found),
                }
            }
            Ok(None)
        })
    }

    fn count(&self, counter: Counter) -> Result<(), PacketError> {
        let (place, at) = (
            self.process.place(self.process.counters),
            counter.offset(self.slot),
        );
        let count = place.load_word(at).map_err(QueueError::Fault)?;
        let stored = place.store_word(at, count.wrapping_add(1));
        Ok(stored.map_err(QueueError::Fault)?)
    }

    /// Sends a packet, waiting for room: `false` if there was none in time.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write), or the DSP's end is gone.
    pub fn write(
        &self,
        flags: u16,
        buffers: &[Buffer],
        message: &[u8],
        limit: Duration,
    ) -> Result<bool, PacketError> {
        let waiting = |ends: &mut Ends, on, place: &Place<'_>| ends.requests.set_waiting(on, place);
        let sent = self.wait(limit, waiting, || {
            Ok(self.try_write(flags, buffers, message)?.then_some(()))
        });
        Ok(sent?.is_some())
    }

    /// Takes a packet, waiting for one: `None` if none came in time.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read), or the DSP's end is gone.
    pub fn read(&self, limit: Duration) -> Result<Option<Packet>, PacketError> {
        let waiting = |ends: &mut Ends, on, place: &Place<'_>| ends.responses.set_waiting(on, place);
        self.wait(limit, waiting, || self.try_read())
    }

    fn wait<T>(
        &self,
        limit: Duration,
        waiting: impl Fn(&mut Ends, u32, &Place<'_>) -> Result<(), RamError>,
        attempt: impl Fn() -> Result<Option<T>, PacketError>,
    ) -> Result<Option<T>, PacketError> {
        if let Some(done) = attempt()? {
            return Ok(Some(done));
        }
        let place = self.process.place(self.memory);
        let set = |on| waiting(&mut self.ends(), on, &place).map_err(QueueError::Fault);
        let end = Instant::now().checked_add(limit);
        let mut seen = self.process.news().count;
        set(1)?;
        let result = loop {
            // The DSP does not signal what it did before the queue said that somebody waits.
            match attempt() {
                Ok(None) => {}
                done => break done,
            }
            let mut news = self.process.news();
            while news.count == seen && news.gone.is_none() {
                let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                if left == Some(Duration::ZERO) {
                    drop(news);
                    set(0)?;
                    return Ok(None);
                }
                let told = &self.process.told;
                news = match left {
                    Some(left) => {
                        told.wait_timeout(news, left)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                    None => told.wait(news).unwrap_or_else(PoisonError::into_inner),
                };
            }
            if let Some(code) = news.gone {
                break Err(PacketError::Gone(code));
            }
            seen = news.count;
        };
        set(0)?;
        result
    }

    /// Gives the queue up. No skeleton may hold it.
    ///
    /// # Errors
    /// One does, or the DSP refuses.
    pub fn close(self) -> Result<(), PacketError> {
        let queue_id = self.id;
        if self.process.call(&dspqueue::IsImported { queue_id })?.imported != 0 {
            return Err(PacketError::Held);
        }
        self.process.call(&dspqueue::DestroyQueue { queue_id })?;
        self.process.free_slot(self.slot);
        self.process.unmap(self.memory)
    }
}
