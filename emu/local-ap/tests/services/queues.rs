//! Packet queues end to end: the AP's end against a skeleton (`firmware/skel/packets.c`) on the DSP.

use std::sync::Arc;

use emu_local_ap::queue::{Buffer, buffer_flag};
use emu_local_ap::{Arg, Client, DmaBuffer, Driver, PacketError, PacketQueue, PacketQueues};
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::{Kind, Method as _, dspqueue};

use crate::support::*;

const RING: u32 = 256 << 10;
/// Methods of the skeleton.
const IMPORT: u8 = 2;
const FINISH: Scalars = Scalars::new(3, 0, 1);
const IMPORT_THREAD: u8 = 4;
const COUNTS: Scalars = Scalars::new(5, 0, 1);
/// First bytes of a message or buffer that the skeleton counts up.
const CHANGED: usize = 64;
const PART: usize = 512;
const PARTS: usize = 64;

struct Machine {
    driver: Arc<Driver>,
    client: Client,
    handle: u32,
    queues: PacketQueues,
}

impl Machine {
    fn new() -> Self {
        let driver = machine(config());
        let (client, _) = client(&driver, 1, 1, &[own_skeleton("packets")]);
        let handle = client.open(&uri("packets")).unwrap();
        let queues = PacketQueues::open(&client).unwrap();
        Self {
            driver,
            client,
            handle,
            queues,
        }
    }

    /// A queue that the skeleton holds.
    fn queue(&self, method: u8) -> PacketQueue {
        let queue = self.queues.create(RING, RING).unwrap();
        let id = queue.id().to_le_bytes();
        let call = self
            .client
            .invoke(self.handle, Scalars::new(method, 1, 0), &[Arg::In(&id)]);
        assert_eq!(call.unwrap().retval, Aee::SUCCESS);
        queue
    }

    /// The skeleton closes its end: packets that it sent, and calls of it that failed.
    fn finish(&self) -> (u32, u32) {
        let answer = self.client.invoke(self.handle, FINISH, &[Arg::Out(8)]).unwrap();
        assert_eq!(answer.retval, Aee::SUCCESS);
        let word = |at: usize| u32::from_le_bytes(*answer.outs[0][at..].first_chunk().unwrap());
        (word(0), word(4))
    }

    fn end(self, queue: PacketQueue) {
        queue.close().unwrap();
        self.queues.close(&self.client).unwrap();
        self.client.close(self.handle).unwrap();
        self.client.exit().unwrap();
        assert_eq!(self.driver.dsp().open_calls(), 0);
        assert_eq!(self.driver.stray_answers(), 0);
        assert_eq!(self.driver.dsp().last_crash(), None);
    }
}

/// Every short length, now and then a page, rarely up to the longest.
fn message(n: usize) -> Vec<u8> {
    let len = match n {
        _ if n % 1009 == 1008 => n / 1009 * 7919 % 65_537,
        _ if n % 101 == 100 => n % 4097,
        _ => n % 257,
    };
    (0..len).map(|i| (n * 31 + i) as u8).collect()
}

/// No buffers in any packet.
const NO_BUFFERS: i32 = -1;

fn buffers(n: usize, fd: i32) -> Vec<Buffer> {
    let count = if n % 8 == 7 && fd != NO_BUFFERS {
        1 + n / 8 % 4
    } else {
        0
    };
    let part = |i: usize| Buffer {
        fd,
        size: (1 + n % PART) as u32,
        offset: ((n + i) % PARTS * PART) as u32,
        flags: buffer_flag::REF | 0x90,
        address: 0,
    };
    (0..count).map(part).collect()
}

fn raise(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().take(CHANGED) {
        *byte = byte.wrapping_add(1);
    }
}

/// Sends packets and checks what comes back; returns what must be in the buffer then.
fn exchange(queue: &PacketQueue, packets: usize, fd: i32) -> Vec<u8> {
    let mut expected = vec![0u8; PART * PARTS];
    let (mut sent, mut back) = (0, 0);
    while back < packets {
        if sent < packets && queue.try_write(0, &buffers(sent, fd), &message(sent)).unwrap() {
            sent += 1;
            continue;
        }
        let packet = queue.read(SOON).unwrap().expect("it comes back");
        let mut wanted = message(back);
        raise(&mut wanted);
        assert_eq!(packet.message, wanted, "packet {back}");
        let parts = buffers(back, fd);
        assert_eq!(packet.buffers.len(), parts.len());
        for (got, part) in packet.buffers.iter().zip(parts) {
            assert_eq!((got.fd, got.size, got.offset), (part.fd, part.size, part.offset));
            assert_eq!(got.flags, buffer_flag::DEREF | 0x10);
            let at = part.offset as usize;
            raise(&mut expected[at..at + part.size as usize]);
        }
        back += 1;
    }
    expected
}

fn contents(driver: &Driver, buffer: DmaBuffer) -> Vec<u8> {
    let mut bytes = vec![0; PART * PARTS];
    driver.kernel().ram().read(buffer.physical, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_hundred_thousand_packets_of_all_sizes_come_back() {
    for (method, packets) in [(IMPORT, 100_000), (IMPORT_THREAD, 20_000)] {
        let m = Machine::new();
        let (fd, buffer) = m.queues.memory((PART * PARTS) as u32).unwrap();
        let queue = m.queue(method);
        let expected = exchange(&queue, packets, fd);
        assert!(
            contents(&m.driver, buffer) == expected,
            "the buffer is not what the packets say"
        );
        assert!(matches!(queue.try_read(), Ok(None)));
        assert_eq!(m.finish(), (packets as u32, 0));
        m.end(queue);
    }
}

#[test]
fn a_process_has_as_many_queues_as_it_may() {
    let m = Machine::new();
    let queues: Vec<PacketQueue> = (0..64).map(|_| m.queues.create(4096, 4096).unwrap()).collect();
    assert!(matches!(m.queues.create(4096, 4096), Err(PacketError::NoQueue)));
    for queue in queues {
        queue.close().unwrap();
    }
    let queue = m.queue(IMPORT);
    exchange(&queue, 100, NO_BUFFERS);
    let held = queue.id();
    // The library asks before it gives a queue up that a skeleton holds.
    assert!(matches!(queue.close(), Err(PacketError::Held)));
    assert_ne!(held, 0);
    assert_eq!(m.finish(), (100, 0));
    m.client.kill().unwrap();
}

#[test]
fn a_process_that_ends_fails_the_wait_for_signals_at_once() {
    for kill in [false, true] {
        let m = Machine::new();
        let queue = m.queue(IMPORT_THREAD);
        exchange(&queue, 10, NO_BUFFERS);
        if kill {
            m.client.kill().unwrap();
        } else {
            m.client.exit().unwrap();
        }
        assert!(matches!(queue.read(SOON), Err(PacketError::Gone(_))));
        assert_eq!((m.driver.dsp().open_calls(), m.driver.stray_answers()), (0, 0));
    }
}

#[test]
fn a_process_that_crashes_fails_the_wait_for_signals() {
    let m = Machine::new();
    let queue = m.queue(IMPORT);
    exchange(&queue, 10, NO_BUFFERS);
    let misbehave = m.client.open(&uri("misbehave")).unwrap();
    // Method 2 of that skeleton reads where nothing is.
    let sin = m
        .client
        .invoke(misbehave, Scalars::new(2, 1, 1), &[Arg::In(&[0; 4]), Arg::Out(4)]);
    assert_eq!(sin.unwrap().retval, Aee::GONE);
    assert!(matches!(queue.read(SOON), Err(PacketError::Gone(Aee::GONE))));
    m.client.kill().unwrap();
}

#[test]
fn a_header_that_is_rewritten_breaks_the_queue_and_the_skeleton_is_told() {
    let m = Machine::new();
    let queue = m.queue(IMPORT);
    exchange(&queue, 50, NO_BUFFERS);
    let at = queue.buffer().physical + 16;
    m.driver.kernel().ram().write_u32(at, 0xffff_fff8).unwrap();
    queue.try_write(0, &[], b"one more").unwrap();
    wait_for("the error callback", || {
        let answer = m.client.invoke(m.handle, COUNTS, &[Arg::Out(8)]).unwrap();
        answer.outs[0][4..] != [0; 4]
    });
    assert!(matches!(queue.try_read(), Ok(None)));
    // It can be closed all the same.
    assert_eq!(m.finish(), (50, 1));
    m.end(queue);
}

#[test]
fn a_wait_that_is_made_again_takes_the_place_of_the_older_one() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let module = open(
        &session,
        "file:///libdspqueue_rpc_skel.so?dspqueue_rpc_skel_handle_invoke&_modver=1.0",
    );
    assert_eq!(module.error, Aee::SUCCESS);
    let wait = || start(&session, 9, module.handle, &dspqueue::WaitSignal {});
    let first = wait();
    let second = wait();
    assert_eq!(first.wait(SOON).unwrap().retval, Aee::BAD_STATE);
    reply(&session, module.handle, &dspqueue::CancelWaitSignal {});
    let answer = second.wait(SOON).unwrap();
    assert_eq!(
        (answer.retval, &answer.outs[0][..]),
        (Aee::SUCCESS, &[0xff; 4][..])
    );
    // Of a session that has no queues.
    let unknown = call(&session, module.handle, &dspqueue::IsImported { queue_id: 1 });
    assert_eq!(unknown.retval, Aee::BAD_PARM);
    // The number of `wait_signal` without room for its answer does not wait.
    let wrong = dspqueue::Signal {}.payload(Kind::Plain);
    assert_eq!(raw(&session, module.handle, &wrong).retval, Aee::BUFFER_TOO_SMALL);
    let third = wait();
    // The process answers in order: what is answered behind it says that it waits.
    let unknown = call(&session, module.handle, &dspqueue::IsImported { queue_id: 1 });
    assert_eq!(unknown.retval, Aee::BAD_PARM);
    session.release().unwrap();
    assert_eq!(third.wait(SOON).unwrap().retval, Aee::BAD_STATE);
}

#[test]
fn a_session_may_be_killed_at_every_step_of_a_queues_life() {
    let driver = machine(config());
    for round in 0..60 {
        let (client, _) = client(&driver, 1, 1 + round, &[own_skeleton("packets")]);
        let step = round % 6;
        let handle = client.open(&uri("packets")).unwrap();
        let queues = (step > 0).then(|| PacketQueues::open(&client).unwrap());
        if let Some(queues) = &queues {
            let queue = queues.create(4096, 4096).unwrap();
            let id = queue.id().to_le_bytes();
            let method = if round % 2 == 0 { IMPORT } else { IMPORT_THREAD };
            if step > 1 {
                let import = Scalars::new(method, 1, 0);
                client.invoke(handle, import, &[Arg::In(&id)]).unwrap();
            }
            if step > 2 {
                queue.try_write(0, &[], b"on its way").unwrap();
            }
            if step > 3 {
                assert_eq!(queue.read(SOON).unwrap().unwrap().message, b"po!jut!xbz");
            }
            if step > 4 {
                client.invoke(handle, FINISH, &[Arg::Out(8)]).unwrap();
            }
        }
        client.kill().unwrap();
        assert_eq!(
            (driver.dsp().open_calls(), driver.stray_answers()),
            (0, 0),
            "{round}"
        );
        assert_eq!(driver.dsp().stats().processes_now, 0);
    }
}

#[test]
fn a_packet_that_does_not_fit_stays_and_is_told_by_its_header() {
    let m = Machine::new();
    let queue = m.queue(IMPORT);
    assert!(queue.try_write(0, &[], &[7; 100]).unwrap());
    let small = queue.read_if(SOON, |header| header.message() < 100).unwrap();
    assert_eq!(small.unwrap().unwrap_err().message(), 100);
    let packet = queue.read_if(SOON, |header| header.message() == 100).unwrap();
    assert_eq!(packet.unwrap().unwrap().message.len(), 100);
    assert!(
        queue
            .read_if(std::time::Duration::ZERO, |_| true)
            .unwrap()
            .is_none()
    );
}

/// A skeleton that writes wake-up packets into the queue as fast as the program takes them.
#[test]
fn a_dsp_that_goes_on_sending_wake_up_packets_keeps_nobody() {
    use rpmsg::dspqueue::{Header, PacketHeader, packet_flag};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    const LONG: u32 = 0x8_0000;
    let m = Machine::new();
    let queue = m.queues.create(RING, LONG).unwrap();
    let ram = m.driver.kernel().ram();
    let at = queue.buffer().physical;
    let mut bytes = [0; Header::LEN];
    ram.read(at, &mut bytes).unwrap();
    let ring = Header::parse(&bytes).unwrap().responses;
    let word = PacketHeader::new(packet_flag::WAKEUP, 0, 0, 0).unwrap().word();
    let all: Vec<u8> = (0..LONG / 8).flat_map(|_| word.to_le_bytes()).collect();
    ram.write(at + u64::from(ring.start), &all).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let dsp = scope.spawn(|| {
            let began = Instant::now();
            while !over.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(10) {
                // All that fits behind the reader's position.
                let read = ram.read_u32(at + u64::from(ring.read_state)).unwrap();
                let written = (read + LONG - 8) % LONG;
                ram.write(at + u64::from(ring.write_state), &written.to_le_bytes())
                    .unwrap();
            }
            over.load(Ordering::Relaxed)
        });
        let read = || ram.read_u32(at + u64::from(ring.write_state)).unwrap();
        while read() == 0 {
            std::thread::yield_now();
        }
        assert!(queue.read_if(Duration::ZERO, |_| true).unwrap().is_none());
        over.store(true, Ordering::Relaxed);
        assert!(dsp.join().unwrap(), "the read ended because the DSP did");
    });
}
