//! The devices against a QEMU and a guest kernel that are played by the test: start, doorbell, reset, reconnection,
//! driver reload, and everything a hostile guest can put into the FIFO.

mod qemu;

use emu_machine::device::layout::{Irq, RAM_BASE};
use emu_machine::device::tree::IrqPath;
use qemu::{Host, Machine, PATIENCE, message};
use rpmsg::fastrpc::{Ctx, Message, Response, Scalars};
use rpmsg::fifo::RingMemory;
use rpmsg::glink::Command;
use std::time::Duration;

fn started(host: &Host, dsp: usize) -> Machine {
    let mut machine = host.machine(dsp);
    machine.start_device();
    machine
}

/// A kernel-made call, and its answer.
fn call(machine: &mut Machine, ctx: u64) -> Response {
    machine.ask(&message(0, ctx, 0));
    machine.hear_answer()
}

#[test]
fn a_guest_opens_the_channel_of_every_dsp_and_is_interrupted_for_each() {
    let host = Host::start(IrqPath::Qtest);
    for dsp in 0..2 {
        let mut machine = started(&host, dsp);
        machine.open_channel(1);
        let (address, value) = Irq::Glink(dsp).set_pending();
        // One of the DSP before may still be on its way.
        while host.interrupts.recv_timeout(PATIENCE).unwrap() != (address, u64::from(value)) {}
        assert_eq!(call(&mut machine, 0x10).ctx, Ctx(0x10));
    }
    assert_eq!(host.devices[0].stats().messages_in, 1);
    assert_eq!(host.devices[1].stats().messages_out, 1);
}

#[test]
fn what_was_written_before_the_device_started_is_seen_without_a_doorbell() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = host.machine(0);
    machine.say(&Command::Version {
        version: 1,
        features: 0,
    });
    machine.start_device();
    machine.finish_opening(1);
}

#[test]
fn a_stopped_device_is_a_reset_dsp_and_the_next_boot_finds_it_new() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    for boot in 0..3 {
        machine.open_channel(1);
        assert_eq!(call(&mut machine, 0x20 + boot).ctx, Ctx(0x20 + boot));
        machine.stop_device();
        assert!(machine.fifos_are_zero());
        // Nothing moves while the device is stopped.
        machine.unheard_rings();
        machine.load_driver();
        machine.say(&Command::Version {
            version: 1,
            features: 0,
        });
        machine.ring();
        machine.ring();
        assert_eq!(machine.unheard_rings(), 2);
        assert_eq!((machine.heard(), machine.tx.tail()), (None, 0));
        machine.load_driver();
        machine.start_device();
    }
    assert_eq!(
        host.devices[0].stats().messages_out,
        3,
        "counters are over all boots"
    );
}

#[test]
fn qemu_after_qemu_is_served() {
    let host = Host::start(IrqPath::Qtest);
    for _ in 0..3 {
        let mut machine = started(&host, 0);
        machine.open_channel(1);
        call(&mut machine, 0x30);
    }
    // One that only looks in.
    drop(host.machine(0));
    started(&host, 0).open_channel(1);
}

#[test]
fn a_driver_that_is_loaded_anew_without_a_reset_is_recognised() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    machine.open_channel(1);
    for ctx in 1..20 {
        call(&mut machine, ctx << 4);
    }
    // Loading a module takes longer than a doorbell that is still under way.
    machine.settle();
    while host.interrupts.try_recv().is_ok() {}
    machine.load_driver();
    machine.say(&Command::Version {
        version: 1,
        features: 0,
    });
    machine.ring();
    // A kernel reads when it is interrupted; before that the old session's bytes still stand in the ring.
    host.interrupts.recv_timeout(PATIENCE).unwrap();
    machine.finish_opening(2);
}

#[test]
fn a_driver_that_closes_the_channel_finds_it_open_again() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    machine.open_channel(1);
    machine.say(&Command::Close { cid: 1 });
    machine.ring();
    assert_eq!(machine.hear(), Command::CloseAck { cid: 1 });
    let Command::Close { cid } = machine.hear() else {
        panic!("no CLOSE")
    };
    machine.say(&Command::CloseAck { cid });
    machine.ring();
    assert!(matches!(machine.hear(), Command::Open { .. }));
}

#[test]
fn a_memory_table_that_stays_the_same_changes_nothing_and_another_one_resets() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    machine.open_channel(1);
    machine.set_memory(256 << 20);
    call(&mut machine, 0x10);
    // Less RAM than the platform needs: said, survived, and the DSP is silent.
    machine.set_memory(128 << 20);
    machine.load_driver();
    machine.say(&Command::Version {
        version: 1,
        features: 0,
    });
    machine.ring();
    assert_eq!(machine.hear_all(), []);
    machine.stop_device();
    machine.load_driver();
    machine.start_device();
    machine.open_channel(1);
}

type Spoil = fn(&mut Machine);

#[test]
fn a_fifo_that_lies_stops_the_dsp_until_the_next_reset() {
    let spoils: [(&str, Spoil); 9] = [
        ("writer's index outside the ring", |m| m.tx.publish_head(0x4000)),
        ("writer's index far outside", |m| m.tx.publish_head(u32::MAX)),
        ("writer's index not aligned", |m| {
            m.tx.publish_head(m.producer.head() + 4)
        }),
        ("half a command", |m| {
            let head = m.producer.head();
            m.tx.write_word(head, 9);
            m.tx.publish_head(head + 8);
        }),
        ("a chunk larger than the ring", |m| {
            raw(m, &[9 | 1 << 16, 0, 0xffff_fff0, 0])
        }),
        ("a command nobody knows", |m| raw(m, &[10, 0])),
        ("data on a channel that is not open", |m| {
            raw(m, &[9 | 9 << 16, 0, 0, 0])
        }),
        ("an acknowledgement nobody waits for", |m| {
            raw(m, &[4 | 7 << 16, 0])
        }),
        ("more intents than there are", |m| {
            raw(m, &[5 | 1 << 16, 0x1000_0000])
        }),
    ];
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    for (what, spoil) in spoils {
        machine.open_channel(1);
        spoil(&mut machine);
        for _ in 0..3 {
            machine.ring();
        }
        assert_eq!(machine.hear_all(), [], "{what}");
        machine.stop_device();
        machine.load_driver();
        machine.start_device();
    }
    machine.open_channel(1);
    call(&mut machine, 0x10);
}

#[test]
fn a_reader_s_index_that_lies_stops_the_dsp_too() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    machine.open_channel(1);
    for index in [0x4000, 3, u32::MAX] {
        machine.rx.publish_tail(index);
        machine.say(&Command::Close { cid: 1 });
        machine.ring();
        machine.settle();
        machine.stop_device();
        machine.load_driver();
        machine.start_device();
        machine.open_channel(1);
    }
}

#[test]
fn a_guest_that_does_not_read_is_asked_for_room_and_gets_everything_later() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    machine.open_channel(1);
    // Each answer takes 32 of 16384 bytes; nobody reads.
    const CALLS: u64 = 700;
    for ctx in 1..=CALLS {
        let message = Message {
            client_id: 0,
            tid: 1,
            ctx: Ctx(ctx << 4),
            handle: 0x7777_0000,
            sc: Scalars(0),
            addr: (1 << 32) | (RAM_BASE + 0x10_0000),
            size: 0x1000,
        };
        let data = Command::TxData {
            cid: 1,
            intent: 0,
            left: 0,
            data: message.encode(),
        };
        while machine.producer.push(&machine.tx, &data.encode()).is_err() {
            machine.ring();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    machine.ring();
    let mut answers = 0;
    while answers < CALLS {
        match machine.hear() {
            Command::TxData { .. } => answers += 1,
            Command::ReadNotif => machine.ring(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_flood_of_doorbells_and_notifications_is_survived() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    machine.open_channel(1);
    for _ in 0..200 {
        machine.say(&Command::ReadNotif);
    }
    for _ in 0..1000 {
        machine.ring();
        machine.kick(0);
    }
    call(&mut machine, 0x10);
}

#[test]
fn devices_end_while_qemu_is_connected() {
    let host = Host::start(IrqPath::Qtest);
    let mut machine = started(&host, 0);
    machine.open_channel(1);
    drop(host);
    assert!(machine.fifos_are_zero());
}

mod gpio {
    use super::*;

    /// Puts a chain of a request and a reply into a queue.
    fn offer(machine: &Machine, queue: u64, slot: u16, request: &[u8], reply_len: u32) -> u64 {
        let (descriptors, available, _) = machine.queue(queue);
        let request_at = RAM_BASE + 0x20_0000 + 0x1000 * queue + 64 * u64::from(slot);
        let reply_at = request_at + 32;
        machine.ram.write(request_at, request).unwrap();
        machine.ram.write(reply_at, &[0xee; 2]).unwrap();
        let put = |index: u16, at: u64, len: u32, flags: u16, next: u16| {
            let mut bytes = at.to_le_bytes().to_vec();
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(&flags.to_le_bytes());
            bytes.extend_from_slice(&next.to_le_bytes());
            machine
                .ram
                .write(descriptors + 16 * u64::from(index), &bytes)
                .unwrap();
        };
        put(2 * slot, request_at, request.len() as u32, 1, 2 * slot + 1);
        put(2 * slot + 1, reply_at, reply_len, 2, 0);
        machine
            .ram
            .write(available + 4 + 2 * u64::from(slot), &(2 * slot).to_le_bytes())
            .unwrap();
        machine
            .ram
            .write(available + 2, &(slot + 1).to_le_bytes())
            .unwrap();
        machine.kick(queue as usize);
        reply_at
    }

    fn used(machine: &Machine, queue: u64) -> u16 {
        let mut bytes = [0; 2];
        machine.ram.read(machine.queue(queue).2 + 2, &mut bytes).unwrap();
        u16::from_le_bytes(bytes)
    }

    fn wait_used(machine: &Machine, queue: u64, count: u16) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while used(machine, queue) != count {
            assert!(
                std::time::Instant::now() < deadline,
                "queue {queue} has {} used",
                used(machine, queue)
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn bytes(machine: &Machine, at: u64) -> [u8; 2] {
        let mut out = [0; 2];
        machine.ram.read(at, &mut out).unwrap();
        out
    }

    #[test]
    fn requests_are_answered_and_the_edge_interrupts_through_a_line() {
        let host = Host::start(IrqPath::Gpio);
        let mut machine = started(&host, 0);
        // direction of line 0: in; interrupt type rising; a line that is not there
        let direction = offer(&machine, 0, 0, &[2, 0, 0, 0, 0, 0, 0, 0], 2);
        let rising = offer(&machine, 0, 1, &[6, 0, 0, 0, 1, 0, 0, 0], 2);
        let absent = offer(&machine, 0, 2, &[2, 0, 99, 0, 0, 0, 0, 0], 2);
        wait_used(&machine, 0, 3);
        assert_eq!(bytes(&machine, direction), [0, 2]);
        assert_eq!(bytes(&machine, rising), [0, 0]);
        assert_eq!(bytes(&machine, absent)[0], 1);

        // An edge without a buffer is latched; the buffer that comes is used up at once.
        machine.say(&Command::Version {
            version: 1,
            features: 0,
        });
        machine.ring();
        assert_eq!(
            machine.hear(),
            Command::VersionAck {
                version: 1,
                features: 0
            }
        );
        machine.settle();
        assert_eq!(used(&machine, 1), 0);
        let first = offer(&machine, 1, 0, &[0, 0], 1);
        wait_used(&machine, 1, 1);
        assert_eq!(bytes(&machine, first)[0], 1);

        // A waiting buffer is used up by the next edge.
        let second = offer(&machine, 1, 1, &[0, 0], 1);
        assert_eq!(
            machine.hear(),
            Command::Version {
                version: 1,
                features: 0
            }
        );
        machine.say(&Command::VersionAck {
            version: 1,
            features: 0,
        });
        machine.ring();
        wait_used(&machine, 1, 2);
        assert_eq!(bytes(&machine, second)[0], 1);

        // Masking for good gives the buffer back as invalid.
        let third = offer(&machine, 1, 2, &[0, 0], 1);
        offer(&machine, 0, 3, &[6, 0, 0, 0, 0, 0, 0, 0], 2);
        wait_used(&machine, 1, 3);
        assert_eq!(bytes(&machine, third)[0], 0);
        assert!(machine.calls[1].read().is_ok());
    }

    #[test]
    fn malformed_descriptors_are_survived() {
        let host = Host::start(IrqPath::Gpio);
        let mut machine = started(&host, 0);
        let (descriptors, available, _) = machine.queue(0);
        // A chain that points at itself, one outside RAM, and a head outside the table.
        for (slot, (at, next, head)) in [(RAM_BASE, 0u16, 0u16), (u64::MAX - 4, 1, 1), (RAM_BASE, 0, 999)]
            .into_iter()
            .enumerate()
        {
            let mut bytes = at.to_le_bytes().to_vec();
            bytes.extend_from_slice(&8u32.to_le_bytes());
            bytes.extend_from_slice(&1u16.to_le_bytes());
            bytes.extend_from_slice(&next.to_le_bytes());
            machine.ram.write(descriptors + 16 * slot as u64, &bytes).unwrap();
            machine
                .ram
                .write(available + 4 + 2 * slot as u64, &head.to_le_bytes())
                .unwrap();
        }
        machine.ram.write(available + 2, &3u16.to_le_bytes()).unwrap();
        machine.kick(0);
        machine
            .ram
            .write(machine.queue(1).1 + 2, &0xffffu16.to_le_bytes())
            .unwrap();
        machine.open_channel(1);
    }
}

/// Words straight into the FIFO, as one command.
fn raw(machine: &mut Machine, words: &[u32]) {
    let mut at = machine.producer.head();
    for word in words {
        machine.tx.write_word(at % 0x4000, *word);
        at += 4;
    }
    machine.tx.publish_head(at % 0x4000);
}
