//! Packet queues between a skeleton's calls and an AP that is played.

use super::testing::*;
use super::*;
use crate::calls::queues::check;
use crate::kernel::testing::Guest;
use crate::process::inbox::QueueRequest;
use emu_core::memory::Memory as _;
use rpmsg::dspqueue::{Counter, Header, PacketHeader};

#[test]
fn the_aps_library_makes_a_queue() {
    let (mut g, ..) = prepare(|_| ());
    assert_eq!(ask(&mut g, CREATE), Err(Aee::BAD_STATE));
    assert_eq!(
        ask(&mut g, QueueRequest::Initialise { fd: 99 }),
        Err(Aee::NO_SUCH_MAP)
    );
    assert_eq!(ask(&mut g, INITIALISE), Ok(0));
    let id = ask(&mut g, CREATE).unwrap();
    assert_ne!(id, 0);
    assert_eq!(ask(&mut g, CREATE), Err(Aee::ITEM_BUSY));
    assert_eq!(ask(&mut g, INITIALISE), Err(Aee::BAD_STATE));
    assert_eq!(ask(&mut g, QueueRequest::IsImported(id)), Ok(0));
    assert_eq!(ask(&mut g, QueueRequest::IsImported(id + 1)), Err(Aee::BAD_PARM));
    assert_eq!(ask(&mut g, QueueRequest::Destroy(id + 1)), Err(Aee::BAD_PARM));
    assert_eq!(ask(&mut g, QueueRequest::Destroy(id)), Ok(0));
    assert_eq!(ask(&mut g, QueueRequest::Destroy(id)), Err(Aee::BAD_PARM));
    // An id is not given again.
    assert_ne!(ask(&mut g, CREATE).unwrap(), id);
    for (slot, fd, count, code) in [
        (64, QUEUE_FD, 3, Aee::BAD_PARM),
        (u32::MAX, QUEUE_FD, 3, Aee::BAD_PARM),
        (1, 99, 3, Aee::NO_SUCH_MAP),
        (1, QUEUE_FD, 4, Aee::BAD_PARM),
    ] {
        let create = QueueRequest::Create { slot, fd, count };
        assert_eq!(ask(&mut g, create), Err(code), "{create:?}");
    }
}

#[test]
fn a_header_that_is_none_makes_no_queue() {
    type Change = fn(&mut Header);
    let cases: [(Change, Aee); 7] = [
        (|h| h.version = u32::MAX, Aee::UNSUPPORTED),
        (|h| h.flags = 3, Aee::UNSUPPORTED),
        (|h| h.requests.len = 12, Aee::BAD_PARM),
        (|h| h.requests.start = u32::MAX - 7, Aee::BAD_PARM),
        (|h| h.responses.len = 1 << 20, Aee::BAD_PARM),
        (
            |h| h.responses.write_state = h.requests.write_state,
            Aee::BAD_PARM,
        ),
        (|h| h.count = 4, Aee::BAD_PARM),
    ];
    for (change, code) in cases {
        let (mut g, header, ..) = prepare(change);
        ask(&mut g, INITIALISE).unwrap();
        assert_eq!(ask(&mut g, CREATE), Err(code), "{header:?}");
    }
    // A position that is none.
    let (mut g, header, queue, _) = prepare(|_| ());
    ask(&mut g, INITIALISE).unwrap();
    g.write(queue + header.requests.read_state, &RING.to_le_bytes());
    assert_eq!(ask(&mut g, CREATE), Err(Aee::BAD_STATE));
}

#[test]
fn a_wait_is_answered_once_and_news_that_nobody_waits_for_is_kept() {
    let (mut g, ..) = prepare(|_| ());
    ask(&mut g, INITIALISE).unwrap();
    let first = start(&mut g, QueueRequest::Wait);
    assert!(first.try_recv().is_err());
    // An interrupted wait is made again.
    let second = start(&mut g, QueueRequest::Wait);
    assert_eq!(first.try_recv(), Ok(Err(Aee::BAD_STATE)));
    g.os.lib.queues.signals.raise();
    assert_eq!(second.try_recv(), Ok(Ok(0)));
    g.os.lib.queues.signals.raise();
    g.os.lib.queues.signals.raise();
    assert_eq!(ask(&mut g, QueueRequest::Wait), Ok(0));
    let third = start(&mut g, QueueRequest::Wait);
    assert_eq!(ask(&mut g, QueueRequest::Cancel), Ok(0));
    assert_eq!(third.try_recv(), Ok(Ok(u32::MAX.into())));
    // A wait that comes after it was called off.
    ask(&mut g, QueueRequest::Cancel).unwrap();
    assert_eq!(ask(&mut g, QueueRequest::Wait), Ok(u32::MAX.into()));
    let last = start(&mut g, QueueRequest::Wait);
    ask(&mut g, QueueRequest::End).unwrap();
    assert_eq!(last.try_recv(), Ok(Err(Aee::BAD_STATE)));
    // A process that is no more.
    let lost = start(&mut g, QueueRequest::Wait);
    drop(g);
    assert_eq!(lost.try_recv(), Ok(Err(Aee::GONE)));
}

#[test]
fn a_queue_is_imported_once_and_closed_once() {
    let mut m = Machine::made();
    let (id, handle) = (m.id, m.handle);
    m.id += 1;
    assert_eq!(m.import(0, 0), Aee::BAD_PARM);
    m.id = id;
    assert_eq!(m.import(0, 0), Aee::SUCCESS);
    assert_ne!(m.handle, handle);
    assert_eq!(m.import(0, 0), Aee::ITEM_BUSY);
    assert_eq!(ask(&mut m.g, QueueRequest::IsImported(id)), Ok(1));
    assert_eq!(ask(&mut m.g, QueueRequest::Destroy(id)), Err(Aee::BAD_STATE));
    assert_eq!(m.close(), Aee::SUCCESS);
    assert_eq!(m.close(), Aee::BAD_PARM);
    assert_eq!(m.read(), Aee::BAD_PARM);
    assert_eq!(ask(&mut m.g, QueueRequest::IsImported(id)), Ok(0));
    assert_eq!(m.import(0, 0), Aee::SUCCESS);
    m.close();
    assert_eq!(ask(&mut m.g, QueueRequest::Destroy(id)), Ok(0));
    for wild in [0, 1, u32::MAX, m.to[0]] {
        m.handle = wild;
        assert_eq!(
            (m.close(), m.read(), m.write(b"x")),
            (Aee::BAD_PARM, Aee::BAD_PARM, Aee::BAD_PARM)
        );
    }
    // Callbacks get the stack that the AP asked for.
    let mut m = Machine::made();
    m.g.os.workers.set_stack(0x3008);
    assert_eq!(m.import(0x1000, 0), Aee::SUCCESS);
    let id = m.threads()[0];
    assert_eq!(m.g.os.sched.get(id).unwrap().0.stack.len(), 0x3000);
    // As many threads as there may be.
    let mut m = Machine::made();
    while m.g.os.sched.len() < m.g.os.shared.config.limits.threads {
        let thread = m.g.new_thread(200);
        m.g.os.sched.requeue(thread);
    }
    assert_eq!(m.import(0x1000, 0), Aee::THREAD_CREATE);
    assert_eq!(m.import(0, 0), Aee::SUCCESS);
}

#[test]
fn a_skeleton_without_memory_for_a_callbacks_stack_asks_the_ap_for_it() {
    let mut m = Machine::made();
    m.g = {
        let mut poor = Guest::with_memory(0x1_8000);
        let (header, len) = Header::layout(RING, RING, 3).unwrap();
        let memory = &poor.os.shared.memory;
        m.counters = memory.announce_fd(STATE_FD, IOVA, 1024, false).unwrap();
        m.queue = memory.announce_fd(QUEUE_FD, IOVA + 0x1000, len, false).unwrap();
        poor.os.space.store(m.queue, &header.encode()).unwrap();
        m.to[0] = poor.bytes(&[0; 4]);
        ask(&mut poor, INITIALISE).unwrap();
        m.id = ask(&mut poor, CREATE).unwrap();
        poor
    };
    let args = [m.id as u32, 0, 0x1000, 0x2000, 0, m.to[0]];
    let Ok(Outcome::Grow(missing, answered)) = m.g.try_call("dspqueue_import", &args) else {
        panic!("there was memory")
    };
    assert!(missing > 0);
    assert!(matches!(m.g.resume(answered, false), Ok(Outcome::Return)));
    assert_eq!(Aee(m.g.thread.core.regs.r[0]), Aee::NO_MEMORY);
    assert_eq!(ask(&mut m.g, QueueRequest::IsImported(m.id)), Ok(0));
}

#[test]
fn packets_go_both_ways_and_the_counters_tell() {
    let mut m = Machine::imported();
    assert_eq!(m.read(), Aee::WOULD_BLOCK);
    m.send(0, &[], b"request");
    assert_eq!((m.read(), m.message()), (Aee::SUCCESS, b"request".to_vec()));
    assert_eq!((m.g.word(m.to[0]), m.g.word(m.to[1])), (0x11, 0));
    assert_eq!(m.counter(Counter::RequestSpace), 1);
    assert_eq!(
        (m.write(b"response"), m.counter(Counter::ResponsePackets)),
        (Aee::SUCCESS, 1)
    );
    assert_eq!(m.receive().unwrap().message, b"response");
    // Nobody waits on the AP, so nobody is told.
    let wait = start(&mut m.g, QueueRequest::Wait);
    m.write(b"1");
    assert!(wait.try_recv().is_err());
    let seen = Seen(&m.g, m.queue);
    m.responses.set_waiting(1, &seen).unwrap();
    m.write(b"2");
    assert_eq!(wait.try_recv(), Ok(Ok(0)));
    let wait = start(&mut m.g, QueueRequest::Wait);
    m.requests.set_waiting(1, &Seen(&m.g, m.queue)).unwrap();
    m.send(0, &[], b"3");
    m.read();
    assert_eq!(wait.try_recv(), Ok(Ok(0)));
}

#[test]
fn packets_that_do_not_fit_their_readers_stay() {
    let mut m = Machine::imported();
    m.send(0, &[], &[9; 100]);
    let small = m.read_args(99);
    assert_eq!(Aee(m.g.call("dspqueue_read_noblock", &small)), Aee::BAD_PARM);
    // Who wants nothing of it gets it out of the way.
    let [handle, ..] = small;
    let nothing = [handle, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Aee(m.g.call("dspqueue_read_noblock", &nothing)), Aee::SUCCESS);
    assert_eq!(m.read(), Aee::WOULD_BLOCK);
}

#[test]
fn what_no_packet_can_be_is_not_written() {
    let mut m = Machine::imported();
    let at = m.g.bytes(&[0; 24 * 65]);
    let h = m.handle;
    for args in [
        // Too many buffers, too long a message, no pointers, longer than the ring.
        [h, 0, 65, at, 0, 0],
        [h, 0, u32::MAX, at, 0, 0],
        [h, 0, 0, 0, 65_537, at],
        [h, 0, 0, 0, u32::MAX, at],
        [h, 0, 1, 0, 0, 0],
        [h, 0, 0, 0, 1, 0],
        [h, 0, 0, 0, RING, at],
        [h, 4, 0, 0, 5, at],
    ] {
        assert_eq!(
            Aee(m.g.call("dspqueue_write_noblock", &args)),
            Aee::BAD_PARM,
            "{args:x?}"
        );
    }
    // A wild pointer is the program's own fault.
    assert!(
        m.g.try_call("dspqueue_write_noblock", &[h, 0, 0, 0, 8, 0xfff0_0000])
            .is_err()
    );
    assert!(
        m.g.try_call("dspqueue_write_noblock", &[h, 0, 0, 0, 65_536, u32::MAX - 8])
            .is_err()
    );
    assert!(m.receive().is_none());
    while m.write(&[1; 32]) == Aee::SUCCESS {}
    assert_eq!(m.write(&[1; 32]), Aee::WOULD_BLOCK);
    assert_eq!(m.stat(4), 240);
}

#[test]
fn buffers_are_found_by_descriptor_and_their_references_counted() {
    let mut m = Machine::imported();
    let memory = &m.g.os.shared.memory;
    let va = memory.announce_fd(9, IOVA + 0x8000, 0x1000, false).unwrap();
    let buffer = |fd, size, offset, flags| Buffer {
        fd,
        size,
        offset,
        flags,
        address: 0,
    };
    let got = |m: &Machine, n: u32| Buffer::parse(&m.g.read(m.to[3] + 24 * n, 24)).unwrap();
    m.send(0, &[buffer(9, 0, 0, 0x94), buffer(9, 16, 32, 0x80)], b"");
    assert_eq!(
        (m.read(), m.g.word(m.to[1]), m.g.word(m.to[0])),
        (Aee::SUCCESS, 2, 0x12)
    );
    let whole = Buffer {
        address: va.into(),
        ..buffer(9, 0x1000, 0, 0x94)
    };
    let part = Buffer {
        address: (va + 32).into(),
        ..buffer(9, 16, 32, 0x80)
    };
    assert_eq!((got(&m, 0), got(&m, 1)), (whole, part));
    let at = m.g.bytes(&buffer(9, 0, 0, 8).encode());
    let deref = [m.handle, 0, 1, at, 0, 0];
    assert_eq!(Aee(m.g.call("dspqueue_write_noblock", &deref)), Aee::SUCCESS);
    assert_eq!(m.receive().unwrap().buffers, [buffer(9, 0, 0, 8)]);
    // The reference is given back already.
    assert_eq!(Aee(m.g.call("dspqueue_write_noblock", &deref)), Aee::BAD_PARM);
    for (bad, code) in [
        (buffer(8, 0, 0, 0), Aee::NO_SUCH_MAP),
        (buffer(-1, 0, 0, 4), Aee::NO_SUCH_MAP),
        (buffer(9, 0, 1, 0), Aee::BAD_ITEM),
        (buffer(9, 0x1000, 1, 0), Aee::BAD_ITEM),
        (buffer(9, u32::MAX, u32::MAX, 0), Aee::BAD_ITEM),
        (buffer(9, 0, 0, 0xc), Aee::BAD_PARM),
        (buffer(9, 0, 0, 8), Aee::BAD_PARM),
    ] {
        // The reference of the first one is taken back.
        m.send(0, &[buffer(9, 0, 0, 4), bad], b"");
        let refused = m.read();
        let expected = if bad.flags == 8 { Aee::SUCCESS } else { code };
        assert_eq!(refused, expected, "{bad:?}");
        assert_eq!(
            Aee(m.g.call("dspqueue_write_noblock", &deref)),
            Aee::BAD_PARM,
            "{bad:?}"
        );
        m.g.write(at, &bad.encode());
        let written = if code == Aee::BAD_ITEM {
            Aee::BAD_PARM
        } else {
            code
        };
        assert_eq!(
            Aee(m.g.call("dspqueue_write_noblock", &deref)),
            written,
            "{bad:?}"
        );
        m.g.write(at, &buffer(9, 0, 0, 8).encode());
    }
    assert!(m.receive().is_none());
}

#[test]
fn a_blocking_read_waits_for_a_packet_its_time_or_the_end_of_the_queue() {
    let mut m = Machine::imported();
    let args = |m: &Machine, timeout: u32| {
        let mut args = m.read_args(4096);
        args[8] = timeout;
        args
    };
    let none = args(&m, 0);
    assert_eq!(Aee(m.g.call("dspqueue_read", &none)), Aee::EXPIRED);
    let ever = args(&m, u32::MAX);
    m.park(20, "dspqueue_read", &ever);
    assert_eq!(m.waiting(), (1, 0));
    // A signal for something else.
    assert!(matches!(m.resume(20), Outcome::Park(Wait::Queue(_), None)));
    m.send(0, &[], b"at last");
    assert!(matches!(m.resume(20), Outcome::Return));
    assert_eq!(
        (m.result(20), m.message(), m.waiting()),
        (Aee::SUCCESS, b"at last".to_vec(), (0, 0))
    );

    // Not before its time, however often it looks.
    let short = args(&m, 500);
    m.park(21, "dspqueue_read", &short);
    m.g.clock.advance(Duration::from_micros(400));
    assert!(matches!(m.resume(21), Outcome::Park(..)));
    m.g.os.expire_waits();
    assert!(!m.g.is_ready(21));
    m.g.clock.advance(Duration::from_micros(100));
    m.g.os.expire_waits();
    assert_eq!((m.result(21), m.waiting()), (Aee::EXPIRED, (0, 0)));

    let handle = m.handle;
    m.park(22, "dspqueue_peek", &[handle, 0, 0, 0, u32::MAX]);
    m.park(23, "dspqueue_read", &ever);
    assert_eq!(m.waiting(), (2, 0));
    assert_eq!(m.close(), Aee::SUCCESS);
    assert_eq!((m.result(22), m.result(23)), (Aee::INTERRUPTED, Aee::INTERRUPTED));
    assert_eq!(m.waiting(), (0, 0));
}

#[test]
fn a_blocking_write_waits_for_room() {
    let mut m = Machine::imported();
    while m.write(&[1; 100]) == Aee::SUCCESS {}
    let args = m.write_args(&[2; 100], u32::MAX);
    m.park(20, "dspqueue_write", &args);
    assert_eq!(m.waiting(), (0, 1));
    let short = m.write_args(&[3; 100], 1000);
    m.park(21, "dspqueue_write", &short);
    m.g.clock.advance(Duration::from_millis(1));
    m.g.os.expire_waits();
    assert_eq!((m.result(21), m.waiting()), (Aee::EXPIRED, (0, 1)));
    assert_eq!(m.receive().unwrap().message, [1; 100]);
    assert_eq!(m.receive().unwrap().message, [1; 100]);
    assert!(matches!(m.resume(20), Outcome::Return));
    assert_eq!((m.result(20), m.waiting()), (Aee::SUCCESS, (0, 0)));
    assert_eq!(m.receive().unwrap().message, [2; 100]);
    // A packet that will never fit does not wait.
    let never = m.write_args(&[0; 255], u32::MAX);
    assert_eq!(Aee(m.g.call("dspqueue_write", &never)), Aee::BAD_PARM);
}

#[test]
fn flags_that_no_packet_has_room_for_are_refused() {
    let mut m = Machine::imported();
    let mut args = m.write_args(&[1; 8], 0);
    args[1] |= 0x1_0000;
    assert_eq!(Aee(m.g.call("dspqueue_write", &args)), Aee::BAD_PARM);
    assert_eq!(Aee(m.g.call("dspqueue_write_noblock", &args)), Aee::BAD_PARM);
    let early = [m.handle, 0, 0x1_0000];
    assert_eq!(
        Aee(m.g.call("dspqueue_write_early_wakeup_noblock", &early)),
        Aee::BAD_PARM
    );
}

#[test]
fn a_look_at_a_packet_leaves_it_there() {
    let mut m = Machine::imported();
    let [flags, count, len, ..] = m.to;
    let args = [m.handle, flags, count, len, 0];
    assert_eq!(Aee(m.g.call("dspqueue_peek_noblock", &args)), Aee::WOULD_BLOCK);
    assert_eq!(Aee(m.g.call("dspqueue_peek", &args)), Aee::EXPIRED);
    m.send(0, &[], b"12345");
    for name in ["dspqueue_peek", "dspqueue_peek_noblock"] {
        assert_eq!(Aee(m.g.call(name, &args)), Aee::SUCCESS);
        assert_eq!([flags, count, len].map(|at| m.g.word(at)), [0x11, 0, 5]);
    }
    let nothing = [m.handle, 0, 0, 0, 0];
    assert_eq!(Aee(m.g.call("dspqueue_peek", &nothing)), Aee::SUCCESS);
    assert_eq!(m.read(), Aee::SUCCESS);
}

#[test]
fn a_wake_up_packet_is_waited_after_for_as_long_as_it_says() {
    let mut m = Machine::imported();
    let args = m.read_args(4096);
    let wakeup = packet_flag::WAKEUP;
    // The packet comes in time.
    m.send(wakeup, &[], &300u32.to_le_bytes());
    m.park(20, "dspqueue_read_noblock", &args);
    assert_eq!(m.waiting(), (1, 0));
    m.g.clock.advance(Duration::from_micros(200));
    m.send(0, &[], b"there");
    assert!(matches!(m.resume(20), Outcome::Return));
    assert_eq!((m.result(20), m.message()), (Aee::SUCCESS, b"there".to_vec()));
    assert_eq!([m.stat(5), m.stat(6), m.stat(5)], [200, 0, 0]);
    // It does not, and nobody waits longer than 2.5 ms whatever the packet says.
    m.send(wakeup, &[], &u32::MAX.to_le_bytes());
    m.park(21, "dspqueue_read_noblock", &args);
    m.g.clock.advance(Duration::from_micros(2499));
    m.g.os.expire_waits();
    assert!(!m.g.is_ready(21));
    m.g.clock.advance(Duration::from_micros(1));
    m.g.os.expire_waits();
    assert_eq!((m.result(21), m.waiting()), (Aee::WOULD_BLOCK, (0, 0)));
    assert_eq!([m.stat(5), m.stat(6), m.stat(6)], [2500, 1, 0]);
    // Both at once.
    m.send(wakeup, &[], b"");
    m.send(0, &[], b"now");
    assert_eq!((m.read(), m.message()), (Aee::SUCCESS, b"now".to_vec()));
    assert_eq!(m.read(), Aee::WOULD_BLOCK);
    // From here to the AP.
    let handle = m.handle;
    for (delay, flags) in [(0, 2), (77, 0)] {
        let code =
            m.g.call("dspqueue_write_early_wakeup_noblock", &[handle, delay, flags]);
        assert_eq!(Aee(code), Aee::SUCCESS);
    }
    let (first, second) = (m.receive().unwrap(), m.receive().unwrap());
    assert_eq!((first.flags, first.message), (0x14, Vec::new()));
    assert_eq!((second.flags, second.message), (0x15, vec![77, 0, 0, 0]));
}

#[test]
fn statistics() {
    let mut m = Machine::imported();
    m.send(0, &[], &[0; 5]);
    m.send(0, &[], &[0; 8]);
    m.write(&[0; 20]);
    assert_eq!([1, 2, 3, 4, 7].map(|n| m.stat(n)), [2, 32, 1, 32, 100]);
    m.read();
    m.receive();
    assert_eq!([1, 2, 3, 4].map(|n| m.stat(n)), [1, 16, 0, 0]);
    let at = m.to[0];
    for bad in [0, 8, u32::MAX] {
        assert_eq!(
            Aee(m.g.call("dspqueue_get_stat", &[m.handle, bad, at])),
            Aee::BAD_PARM
        );
    }
}

#[test]
fn the_packet_callback_is_called_for_packets_it_was_not_told_of() {
    let mut m = Machine::made();
    assert_eq!(m.import(0x1000, 0x2000), Aee::SUCCESS);
    let [packets, errors] = m.threads()[..] else {
        panic!()
    };
    let handle = m.handle;
    // Nothing there yet: both wait, and the queue says that one waits for packets.
    for id in [packets, errors] {
        assert!(matches!(m.resume(id), Outcome::Park(..)));
    }
    assert_eq!(m.waiting(), (1, 0));
    m.send(0, &[], b"one");
    let Outcome::Enter(0x1000, args, then) = m.resume(packets) else {
        panic!("no callback")
    };
    assert_eq!((args, m.waiting()), (vec![handle, 0, 0x77], (0, 0)));
    // One more comes during the callback: the AP does not signal it, it is called again all the same.
    m.send(0, &[], b"two");
    let Outcome::Enter(0x1000, _, then) = m.returned(packets, then) else {
        panic!("no second callback")
    };
    assert!(matches!(m.returned(packets, then), Outcome::Park(..)));
    assert_eq!(m.waiting(), (1, 0));
    assert!(matches!(m.resume(errors), Outcome::Park(..)));
    m.close();
    for id in [packets, errors] {
        assert!(matches!(m.resume(id), Outcome::Exit(0)));
    }
    assert_eq!((m.waiting(), m.g.os.lib.queues.waiting().len()), ((0, 0), 0));
}

#[test]
fn who_closes_waits_for_callbacks_but_not_for_its_own() {
    let mut m = Machine::made();
    m.import(0x1000, 0x2000);
    let [packets, errors] = m.threads()[..] else {
        panic!()
    };
    m.send(0, &[], b"x");
    let Outcome::Enter(_, _, then) = m.resume(packets) else {
        panic!("no callback")
    };
    let handle = m.handle;
    m.park(20, "dspqueue_close", &[handle]);
    assert_eq!(ask(&mut m.g, QueueRequest::IsImported(m.id)), Ok(1));
    assert_eq!(m.import(0, 0), Aee::ITEM_BUSY);
    assert!(matches!(m.resume(20), Outcome::Park(..)));
    assert!(matches!(m.returned(packets, then), Outcome::Exit(0)));
    assert!(matches!(m.resume(20), Outcome::Return));
    assert_eq!(m.result(20), Aee::SUCCESS);
    assert_eq!(ask(&mut m.g, QueueRequest::IsImported(m.id)), Ok(0));
    assert!(matches!(m.resume(errors), Outcome::Exit(0)));

    // From inside the callback, and a callback whose thread ends itself.
    let mut m = Machine::made();
    m.import(0x1000, 0);
    let [packets] = m.threads()[..] else { panic!() };
    m.send(0, &[], b"x");
    let Outcome::Enter(_, _, then) = m.resume(packets) else {
        panic!("no callback")
    };
    let own = std::mem::replace(&mut m.g.thread.id, packets);
    assert_eq!(m.close(), Aee::SUCCESS);
    m.g.thread.id = own;
    assert!(matches!(m.returned(packets, then), Outcome::Exit(0)));

    let mut m = Machine::made();
    m.import(0x1000, 0);
    let [packets] = m.threads()[..] else { panic!() };
    m.send(0, &[], b"x");
    let Outcome::Enter(_, _, then) = m.resume(packets) else {
        panic!("no callback")
    };
    drop(then);
    assert_eq!(m.close(), Aee::SUCCESS);
}

/// A queue with callbacks, something wrong with it, and what reading and writing then give.
fn breaks(what: impl FnOnce(&mut Machine), read: Aee, write: Aee) {
    let mut m = Machine::made();
    m.import(0x1000, 0x2000);
    let [packets, errors] = m.threads()[..] else {
        panic!()
    };
    let ever = m.read_args(4096);
    m.park(20, "dspqueue_read", &ever);
    what(&mut m);
    assert_eq!((m.read(), m.write(b"x")), (read, write));
    // Who waited is told, and so is the skeleton, once.
    assert_eq!(m.result(20), read);
    let Outcome::Enter(0x2000, args, then) = m.resume(errors) else {
        panic!("no error callback")
    };
    assert_eq!(args, [m.handle, read.0, 0x77]);
    assert!(matches!(m.returned(errors, then), Outcome::Park(..)));
    assert!(matches!(m.resume(errors), Outcome::Park(..)));
    assert!(matches!(m.resume(packets), Outcome::Park(..)));
    assert_eq!((m.read(), m.close()), (read, Aee::SUCCESS));
}

#[test]
fn a_queue_in_which_something_is_wrong_breaks_for_good() {
    let poke = |at: fn(&Header) -> u32, word: u32| {
        move |m: &mut Machine| m.g.write(m.queue + at(&m.header), &word.to_le_bytes())
    };
    for position in [4, RING, RING + 8, u32::MAX, 0x8000_0000] {
        breaks(
            poke(|h| h.requests.write_state, position),
            Aee::BAD_STATE,
            Aee::BAD_STATE,
        );
    }
    // The header: version, flags, a ring's place and length, the count.
    for at in [0, 8, 12, 16, 28, 44] {
        let change = move |m: &mut Machine| m.g.write(m.queue + at, &0x40u32.to_le_bytes());
        breaks(change, Aee::BAD_STATE, Aee::BAD_STATE);
    }
    for header in [
        PacketHeader::from_word(0),
        PacketHeader::from_word(u64::MAX),
        PacketHeader::from_word(0x0000_0011_0000_0100),
        // Longer than what was written.
        PacketHeader::from_word(0x0000_0011_0000_0020),
        PacketHeader::from_word(0x0041_0012_0000_0008),
        PacketHeader::from_word(0x0000_0001_0000_0010),
    ] {
        let corrupt = move |m: &mut Machine| {
            m.send(0, &[], &[0; 8]);
            m.g.write(m.queue + m.header.requests.start, &header.word().to_le_bytes());
        };
        breaks(corrupt, Aee::BAD_ITEM, Aee::BAD_STATE);
    }
}

#[test]
fn the_word_that_nobody_uses_and_ones_own_state_may_be_written() {
    let mut m = Machine::imported();
    m.send(0, &[], b"one");
    m.read();
    m.g.write(m.queue + 4, &[0xff; 4]);
    m.g.write(m.queue + m.header.requests.read_state, &[0xff; 12]);
    m.g.write(m.queue + m.header.responses.write_state, &[0xff; 12]);
    m.g.write(m.counters, &[0xff; 1024]);
    m.send_after_one(b"two");
    assert_eq!((m.read(), m.message()), (Aee::SUCCESS, b"two".to_vec()));
    assert_eq!(m.write(b"x"), Aee::SUCCESS);
    assert_eq!(m.counter(Counter::ResponsePackets), 1);
}

#[test]
fn an_ap_that_goes_breaks_the_queues_that_skeletons_hold() {
    let gone = Aee::CONNECTION_RESET;
    let unmap = |fd: i32, at: fn(&Machine) -> u32| {
        move |m: &mut Machine| {
            m.g.os.shared.memory.withdraw_fd(fd, at(m)).unwrap();
            check(&mut m.g.os);
        }
    };
    breaks(unmap(QUEUE_FD, |m| m.queue), gone, gone);
    breaks(unmap(STATE_FD, |m| m.counters), gone, gone);
    breaks(
        |m| {
            ask(&mut m.g, QueueRequest::End).unwrap();
            // Its slot is free again, and its memory may go.
            ask(&mut m.g, INITIALISE).unwrap();
            ask(&mut m.g, CREATE).unwrap();
        },
        gone,
        gone,
    );
    // Nobody holds it: it is gone.
    let mut m = Machine::made();
    ask(&mut m.g, QueueRequest::End).unwrap();
    assert_eq!(m.import(0, 0), Aee::BAD_PARM);
    assert_eq!(m.g.os.shared.memory.fd(QUEUE_FD).unwrap().va, Some(m.queue));
}

#[test]
fn queues_that_are_given_up_while_they_are_held_do_not_pile_up() {
    let mut m = Machine::made();
    let mut made = 0;
    loop {
        m.import(0, 0);
        ask(&mut m.g, QueueRequest::End).unwrap();
        ask(&mut m.g, INITIALISE).unwrap();
        match ask(&mut m.g, CREATE) {
            Ok(id) => m.id = id,
            Err(code) => break assert_eq!(code, Aee::NO_MEMORY),
        }
        made += 1;
        assert!(made < 1000);
    }
}
