//! A process with a packet queue, and an AP that is played: the other end of each ring, and the requests of the AP's library.

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::calls::queues::serve;
use crate::kernel::testing::Guest;
use crate::process::inbox::QueueRequest;
use crate::sched::{DspThread, Role, RunState, ThreadId};
use emu_core::memory::Memory as _;
use rpmsg::dspqueue::{Counter, Header, Reader, Writer};

pub const STATE_FD: i32 = 5;
pub const QUEUE_FD: i32 = 6;
pub const RING: u32 = 256;
/// Device addresses of the AP's buffers, in the RAM of the test's bus.
pub const IOVA: u64 = 0x4004_0000;

/// Memory of the AP, seen through the process's mapping of it.
pub struct Seen<'a>(pub &'a Guest, pub u32);

impl rpmsg::dspqueue::SharedMemory for Seen<'_> {
    type Fault = emu_core::memory::FaultWord;
    fn load(&self, at: u32, out: &mut [u8]) -> Result<(), Self::Fault> {
        self.0.os.space.load(self.1 + at, out)
    }
    fn store(&self, at: u32, bytes: &[u8]) -> Result<(), Self::Fault> {
        self.0.os.space.store(self.1 + at, bytes)
    }
    fn load_word(&self, at: u32) -> Result<u32, Self::Fault> {
        self.0.os.space.load32(self.1 + at)
    }
    fn store_word(&self, at: u32, word: u32) -> Result<(), Self::Fault> {
        self.0.os.space.store32(self.1 + at, word)
    }
}

/// A process with a queue, and the AP's end of it.
pub struct Machine {
    pub g: Guest,
    pub header: Header,
    pub queue: u32,
    pub counters: u32,
    pub id: u64,
    pub handle: u32,
    pub requests: Writer,
    pub responses: Reader,
    /// Where a packet is read to: flags, buffers, length, list, message.
    pub to: [u32; 5],
}

pub fn ask(g: &mut Guest, request: QueueRequest) -> Result<u64, Aee> {
    let answered = start(g, request);
    answered.try_recv().expect("it is answered at once")
}

pub fn start(g: &mut Guest, request: QueueRequest) -> Receiver<Result<u64, Aee>> {
    let (tell, answer) = channel();
    let answered = g.os.shared.inbox.queues(Box::new(move |r| tell.send(r).unwrap()));
    serve(&mut g.os, request, answered.unwrap());
    answer
}

/// A process whose AP has mapped a state block and the buffer of a queue; what is wrong with that is in `change`.
pub fn prepare(change: impl FnOnce(&mut Header)) -> (Guest, Header, u32, u32) {
    prepare_with(RING, change)
}

/// The same with another length of the ring of requests.
fn prepare_with(requests: u32, change: impl FnOnce(&mut Header)) -> (Guest, Header, u32, u32) {
    let g = Guest::new();
    let (mut header, len) = Header::layout(requests, RING, 3).unwrap();
    let memory = &g.os.shared.memory;
    let counters = memory.announce_fd(STATE_FD, IOVA, 1024, false).unwrap();
    let queue = memory.announce_fd(QUEUE_FD, IOVA + 0x1000, len, false).unwrap();
    change(&mut header);
    g.os.space.store(queue, &header.encode()).unwrap();
    (g, header, queue, counters)
}

pub const CREATE: QueueRequest = QueueRequest::Create {
    slot: 2,
    fd: QUEUE_FD,
    count: 3,
};
pub const INITIALISE: QueueRequest = QueueRequest::Initialise { fd: STATE_FD };

impl Machine {
    pub fn made() -> Self {
        Self::made_with(RING)
    }

    /// With another length of the ring of requests.
    pub fn made_with(requests: u32) -> Self {
        let (mut g, header, queue, counters) = prepare_with(requests, |_| ());
        assert_eq!(ask(&mut g, INITIALISE), Ok(0));
        let id = ask(&mut g, CREATE).unwrap();
        let requests = Writer::new(header.requests, &Seen(&g, queue)).unwrap();
        let responses = Reader::new(header.responses, &Seen(&g, queue)).unwrap();
        let to = [4, 4, 4, 24 * 64, 4096].map(|len| g.bytes(&vec![0; len]));
        Self {
            g,
            header,
            queue,
            counters,
            id,
            handle: 0,
            requests,
            responses,
            to,
        }
    }

    /// With the queue imported, without callbacks.
    pub fn imported() -> Self {
        let mut m = Self::made();
        assert_eq!(m.import(0, 0), Aee::SUCCESS);
        m
    }

    pub fn import(&mut self, packets: u32, errors: u32) -> Aee {
        let place = self.to[0];
        let args = [
            self.id as u32,
            (self.id >> 32) as u32,
            packets,
            errors,
            0x77,
            place,
        ];
        let code = Aee(self.g.call("dspqueue_import", &args));
        if code.is_ok() {
            self.handle = self.g.word(place);
        }
        code
    }

    /// The AP sends a packet.
    pub fn send(&mut self, flags: u16, buffers: &[Buffer], message: &[u8]) {
        let seen = Seen(&self.g, self.queue);
        let header = self.requests.header(flags, buffers.len(), message.len()).unwrap();
        assert!(self.requests.fits(header, &seen).unwrap());
        self.requests.put(header, buffers, message, &seen).unwrap();
    }

    /// The AP sends a packet if that is possible.
    pub fn send_if_it_fits(&mut self, message: &[u8]) {
        let seen = Seen(&self.g, self.queue);
        let header = self.requests.header(0, 0, message.len());
        let Some(header) = header.filter(|header| self.requests.fits(*header, &seen) == Ok(true)) else {
            return;
        };
        self.requests.put(header, &[], message, &seen).unwrap();
    }

    /// The AP takes a packet.
    pub fn receive(&mut self) -> Option<rpmsg::dspqueue::Packet> {
        let seen = Seen(&self.g, self.queue);
        let next = self.responses.peek(&seen).unwrap()?;
        Some(self.responses.take(next, &seen).unwrap())
    }

    pub fn counter(&self, counter: Counter) -> u32 {
        self.g.word(self.counters + counter.offset(2))
    }

    pub fn read_args(&self, room: u32) -> [u32; 9] {
        let [flags, count, len, list, message] = self.to;
        [self.handle, flags, 64, count, list, room, len, message, u32::MAX]
    }

    pub fn read(&mut self) -> Aee {
        let args = self.read_args(4096);
        Aee(self.g.call("dspqueue_read_noblock", &args))
    }

    pub fn message(&self) -> Vec<u8> {
        self.g.read(self.to[4], self.g.word(self.to[2]))
    }

    pub fn write_args(&mut self, message: &[u8], timeout: u32) -> [u32; 7] {
        let at = self.g.bytes(message);
        [self.handle, 0, 0, 0, message.len() as u32, at, timeout]
    }

    pub fn write(&mut self, message: &[u8]) -> Aee {
        let args = self.write_args(message, 0);
        Aee(self.g.call("dspqueue_write_noblock", &args))
    }

    pub fn close(&mut self) -> Aee {
        Aee(self.g.call("dspqueue_close", &[self.handle]))
    }

    pub fn stat(&mut self, which: u32) -> u64 {
        let at = self.to[4];
        assert_eq!(self.g.call("dspqueue_get_stat", &[self.handle, which, at]), 0);
        u64::from_le_bytes(*self.g.read(at, 8).first_chunk().unwrap())
    }

    /// Another thread, with a stack, calls a function and is parked by it.
    pub fn park(&mut self, id: ThreadId, name: &str, args: &[u32]) {
        let mut core = self.g.os.shared.new_core(0);
        core.regs.r[29] = self.g.bytes(&[0; 64]);
        let other = DspThread::new(id, format!("t{id}"), Role::Skeleton, 0..0, core);
        self.g.os.sched.add_parked(other, 90, Wait::Idle);
        let other = self.g.os.sched.take_parked(id).unwrap();
        let me = std::mem::replace(&mut self.g.thread, other);
        let Ok(Outcome::Park(wait, deadline)) = self.g.try_call(name, args) else {
            panic!("{name} did not wait")
        };
        let other = std::mem::replace(&mut self.g.thread, me);
        self.g.os.sched.park(other, wait, deadline);
    }

    /// A thread that waits looks again; what it does then.
    pub fn resume(&mut self, id: ThreadId) -> Outcome {
        let thread = self.g.os.sched.take_parked(id).expect("it waits");
        let me = std::mem::replace(&mut self.g.thread, thread);
        let outcome = resume(&mut Call {
            os: &mut self.g.os,
            thread: &mut self.g.thread,
        });
        let thread = std::mem::replace(&mut self.g.thread, me);
        match outcome.unwrap() {
            Outcome::Park(wait, deadline) => {
                self.g.os.sched.park(thread, wait, deadline);
                Outcome::Park(wait, deadline)
            }
            other => {
                self.g.os.sched.requeue(thread);
                other
            }
        }
    }

    /// A guest function that a thread was to call has returned.
    pub fn returned(&mut self, id: ThreadId, then: crate::kernel::continuation::Then) -> Outcome {
        let mut others = Vec::new();
        let thread = loop {
            let thread = self.g.os.sched.pick().expect("it runs");
            if thread.id == id {
                break thread;
            }
            others.push(thread);
        };
        let me = std::mem::replace(&mut self.g.thread, thread);
        let outcome = then(
            &mut Call {
                os: &mut self.g.os,
                thread: &mut self.g.thread,
            },
            0,
        );
        let thread = std::mem::replace(&mut self.g.thread, me);
        let outcome = outcome.unwrap();
        match outcome {
            Outcome::Park(wait, deadline) => self.g.os.sched.park(thread, wait, deadline),
            _ => self.g.os.sched.requeue(thread),
        }
        outcome
    }

    pub fn result(&self, id: ThreadId) -> Aee {
        let (thread, state) = self.g.os.sched.get(id).unwrap();
        assert_eq!(state, RunState::Ready);
        Aee(thread.core.regs.r[0])
    }

    /// What the queue says of waiting readers of requests and writers of responses.
    pub fn waiting(&self) -> (u32, u32) {
        let word = |at| self.g.word(self.queue + at + 8);
        (
            word(self.header.requests.read_state),
            word(self.header.responses.write_state),
        )
    }

    /// The queue's callback threads.
    pub fn threads(&mut self) -> Vec<ThreadId> {
        let queue = self.g.os.lib.queues.get(self.id).unwrap();
        queue.import.as_ref().unwrap().threads.clone()
    }
}

impl Machine {
    /// As `send`, without a look at the reader's state.
    pub fn send_after_one(&mut self, message: &[u8]) {
        let seen = Seen(&self.g, self.queue);
        let header = self.requests.header(0, 0, message.len()).unwrap();
        self.requests.put(header, &[], message, &seen).unwrap();
    }
}
