//! Mappings and pages.

use super::play::*;
use emu_lab::account::{Addresses, Kind};
use emu_local_ap::{Direction, DmaBuffer};
use emu_os::action::Inbound;
use rpmsg::fastrpc::build::ApArg;
use rpmsg::fastrpc::{Ctx, Message, Scalars};
use std::time::Duration;

const fn addresses(buffer: DmaBuffer) -> Addresses {
    Addresses {
        iova: buffer.iova,
        len: buffer.len,
    }
}

fn mapped(buffer: DmaBuffer, len: u64) -> ApArg<'static> {
    ApArg::Mapped {
        addr: USER,
        len,
        base: USER,
        dma: Play::device(SID, buffer.iova),
    }
}

#[test]
fn initial_memory_that_stays_is_found_with_its_history() {
    let mut play = Play::new();
    let memory = play.create();
    play.release();
    let found = play.end();
    assert_eq!(found.len(), 1, "{}", play.report().text());
    let finding = &found[0];
    assert_eq!(finding.kind, Kind::MemoryNotReturned);
    assert_eq!(finding.ranges, [addresses(memory)]);
    let fields = ["process", "stream", "session", "client", "what"].map(|f| finding.fields[f].as_str());
    assert_eq!(fields, ["test", "0x1003", "3", "1", "initial-memory"]);
    let history: Vec<_> = finding.history.iter().map(|n| n.text.as_str()).collect();
    assert!(
        history[0].contains("create client 1 \"test\", initial memory"),
        "{history:?}"
    );
    assert!(
        history[1].contains("answer 0x0") && history[2].contains("release client 1"),
        "{history:?}"
    );
    assert_eq!(*history.last().unwrap(), "= the DSP's session ended");
    assert!(
        play.report()
            .text()
            .contains("2 MiB of initial memory are still mapped")
    );
}

#[test]
fn each_session_is_told_alone() {
    let mut play = Play::new();
    for _ in 0..3 {
        play.create();
        play.release();
    }
    let found = play.end();
    let left: Vec<_> = found
        .iter()
        .filter(|f| f.kind == Kind::MemoryNotReturned)
        .flat_map(|f| &f.ranges)
        .collect();
    assert_eq!(left.len(), 3);
    assert!(left.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn part_of_a_mapping_that_stays_is_found_as_that_part() {
    let mut play = Play::new();
    let memory = play.create();
    play.release();
    play.kernel.unmap(STREAM, memory.iova, 0x10_0000).unwrap();
    play.kernel
        .unmap(STREAM, memory.iova + 0x18_0000, 0x8_0000)
        .unwrap();
    let found = play.end();
    assert_eq!(
        found[0].ranges,
        [Addresses {
            iova: memory.iova + 0x10_0000,
            len: 0x8_0000
        }]
    );
}

#[test]
fn each_kind_of_mapping_that_stays_is_told_as_what_it_is() {
    let mut play = Play::new();
    let memory = play.create();
    let _heap = play.mmap(0x4000, 0x4000_0000);
    let shared = play.alloc(0x3000);
    let registered = play.attach(shared.physical, shared.len);
    play.mem_map(7, registered, 0x5000_0000);
    let argument = play.attach(shared.physical, shared.len);
    let handle = play.attach(shared.physical, shared.len);
    let call = play.call(
        0x0200_0110,
        vec![
            mapped(argument, 0x3000),
            ApArg::Handle {
                fd: 9,
                offset: 0,
                len: 0x3000,
                page: Play::page(handle),
            },
        ],
    );
    play.answer(&call, 0);
    play.release();
    play.drop(memory);
    play.drop(shared);
    let mut what: Vec<_> = play
        .end()
        .iter()
        .map(|f| (f.kind, f.fields["what"].clone()))
        .collect();
    what.sort();
    let expected = ["argument", "handle", "invoke-buffer", "mem-map", "mmap"];
    assert_eq!(what, expected.map(|w| (Kind::StillMapped, w.to_owned())));
}

#[test]
fn a_failed_creation_gives_its_memory_back() {
    let mut play = Play::new();
    let memory = play.alloc(2 << 20);
    let create = |memory| rpmsg::fastrpc::control::Control::Create {
        with_attributes: false,
        client: CLIENT,
        name: b"x".to_vec(),
        shell_len: 0,
        attrs: 0,
        signature_len: 0,
        memory: Play::page(memory),
    };
    let call = play.control(&create(memory));
    play.finish(&call, 0x27);
    play.drop(memory);
    play.release();
    assert_eq!(play.end(), []);
    let mut play = Play::new();
    let memory = play.alloc(2 << 20);
    let call = play.control(&create(memory));
    play.finish(&call, 0x27);
    play.release();
    assert_eq!(play.end()[0].kind, Kind::MemoryNotReturned);
}

#[test]
fn addresses_and_memory_that_are_used_again_are_nothing() {
    let mut play = Play::new();
    // Each gets the same addresses and the same memory as the one before.
    let mut last = None;
    for _ in 0..3 {
        let memory = play.create();
        assert!(last.is_none_or(|before| before == memory));
        last = Some(memory);
        let call = play.call(0, vec![]);
        play.finish(&call, 0);
        play.release();
        play.drop(memory);
    }
    // The last is open, so its memory is its own.
    play.create();
    assert_eq!(play.end(), []);
}

#[test]
fn what_was_seen_unmapped_is_gone_whatever_stands_there_later() {
    let mut play = Play::new();
    // The other stream's tables need pages, too.
    let ask = play.call_on(SID + 1, 0, 2, 0, vec![]);
    play.finish(&ask, 0);
    let memory = play.create();
    play.release();
    play.drop(memory);
    // Something happens elsewhere, then a session that has not spoken yet gets the same addresses and the same memory.
    let ask = play.call_on(SID + 1, 0, 2, 0, vec![]);
    play.finish(&ask, 0);
    let silent = play.alloc(2 << 20);
    assert_eq!(silent, memory);
    play.outbound(&emu_os::action::Action::Halt);
    assert_eq!(play.end(), []);
}

#[test]
fn a_bank_that_is_handed_out_with_mappings_is_found() {
    let mut play = Play::new();
    let left = play.create();
    play.release();
    for _ in 0..2 {
        let memory = play.create();
        play.release();
        play.drop(memory);
    }
    let found = play.end();
    let kinds: Vec<_> = found.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [Kind::MemoryNotReturned, Kind::BankNotClean]);
    assert_eq!(found[1].ranges, [addresses(left)]);
    assert!(found[1].history.len() > 4, "both sessions");
    assert_eq!(
        found[1].fields["sessions"], "2",
        "told once, for the first that got it"
    );
}

#[test]
fn each_session_is_told_what_it_was_the_first_to_get() {
    let mut play = Play::new();
    let left: Vec<_> = (0..4)
        .map(|_| {
            let memory = play.create();
            play.release();
            memory
        })
        .collect();
    let found = play.end();
    let told: Vec<_> = found
        .iter()
        .filter(|f| f.kind == Kind::BankNotClean)
        .map(|f| (f.ranges.clone(), f.fields.get("sessions").map(String::as_str)))
        .collect();
    let first = |n: usize, sessions| (vec![addresses(left[n])], sessions);
    assert_eq!(told, [first(0, Some("3")), first(1, Some("2")), first(2, None)]);
}

#[test]
fn a_bank_that_was_cleaned_late_is_nothing() {
    let mut play = Play::new();
    let late = play.create();
    play.release();
    let memory = play.create();
    play.drop(late);
    play.release();
    play.drop(memory);
    assert_eq!(play.end(), []);
}

#[test]
fn what_was_released_just_now_is_not_judged() {
    let mut play = Play::with(Kernel::V7_3, Duration::from_secs(3600));
    play.create();
    play.release();
    play.create();
    play.release();
    assert_eq!(play.end(), []);
    assert_eq!(play.report().totals.undecided, 2);
    assert!(play.report().summary().contains("2 released too late to judge"));
}

#[test]
fn a_mapping_nobody_told_is_found_when_nobody_holds_the_stream() {
    let mut play = Play::new();
    let memory = play.create();
    let extra = play.alloc(0x5000);
    play.release();
    play.drop(memory);
    let found = play.end();
    assert_eq!(found.len(), 1, "{}", play.report().text());
    assert_eq!(
        (found[0].kind, &found[0].ranges[..]),
        (Kind::MappedUnannounced, &[addresses(extra)][..])
    );
    // It may belong to a session that has not spoken yet.
    let mut play = Play::new();
    let memory = play.create();
    play.alloc(0x5000);
    play.release();
    play.drop(memory);
    play.outbound(&emu_os::action::Action::Halt);
    assert_eq!(play.end(), []);
    // It may be a buffer that the session has not used yet.
    let mut play = Play::new();
    play.create();
    play.alloc(0x5000);
    assert_eq!(play.end(), []);
}

#[test]
fn windows_larger_than_their_mapping_are_found() {
    let mut play = Play::new();
    play.create();
    let small = play.alloc(0x2000);
    // Nothing stands below the lowest addresses.
    let below = DmaBuffer {
        iova: small.iova - 0x1000,
        ..small
    };
    let call = play.lay_out(SID, 0x99_0901, vec![]);
    play.free(&call);
    let call = play.call(0x0201_0000, vec![mapped(below, 0x3000)]);
    // The invoke buffer stands there now.
    play.finish(&call, 0);
    assert_eq!(play.kinds(), [Kind::BadPages], "{}", play.report().text());
    let mut play = Play::new();
    let memory = play.alloc(0x10_0000);
    let call = play.control(&rpmsg::fastrpc::control::Control::Create {
        with_attributes: false,
        client: CLIENT,
        name: b"x".to_vec(),
        shell_len: 0,
        attrs: 0,
        signature_len: 0,
        memory: rpmsg::fastrpc::Page {
            addr: Play::device(SID, memory.iova - 0x10_0000),
            size: 0x20_0000,
        },
    });
    play.finish(&call, 0);
    let found = play.report().findings;
    assert_eq!(found[0].kind, Kind::ShortMapping);
    assert_eq!(found[0].fields["what"], "initial-memory");
    // All but the page of the invoke buffer.
    assert_eq!(found[0].bytes(), 0x10_0000 - 0x1000);
}

#[test]
fn an_invoke_buffer_that_is_not_there_is_found() {
    let mut play = Play::new();
    play.create();
    let ctx = play.context();
    play.send(&Message {
        client_id: CLIENT,
        tid: 1,
        ctx: Ctx(ctx),
        handle: 5000,
        sc: Scalars(0),
        addr: Play::device(SID, 0x5000),
        size: 0x1000,
    });
    assert_eq!(play.kinds(), [Kind::ShortMapping]);
    assert_eq!(play.report().findings[0].fields["what"], "invoke-buffer");
}

#[test]
fn messages_that_make_no_sense_are_found() {
    let message = |sid: u32, size: u64| Message {
        client_id: CLIENT,
        tid: 1,
        ctx: Ctx(0x1_0101),
        handle: 5000,
        sc: Scalars(0),
        addr: Play::device(sid, 0xffff_f000),
        size,
    };
    for (message, why) in [
        (message(SID, 0x1001), "not a multiple of the page size"),
        (message(77, 0x1000), "there is no session ID 77"),
        (message(SID, 0x2000), "does not fit"),
    ] {
        let mut play = Play::new();
        play.send(&message);
        let found = play.report().findings;
        assert_eq!(found[0].kind, Kind::BadPages);
        assert!(found[0].text.contains(why), "{}", found[0].text);
    }
    let mut play = Play::new();
    play.inbound(&Inbound::Message(emu_os::action::Channel::FastRpc, vec![0; 39]));
    assert!(play.report().findings[0].text.contains("39 bytes"));
}

#[test]
fn an_argument_whose_page_is_too_small_is_found() {
    let mut play = Play::new();
    play.create();
    let buffer = play.alloc(0x2000);
    let ctx = play.context();
    let call = play.lay_out(
        SID,
        ctx,
        vec![ApArg::Mapped {
            addr: USER + 4095,
            len: 2,
            base: USER,
            dma: Play::device(SID, buffer.iova),
        }],
    );
    // One page instead of the two that the bytes touch.
    play.kernel
        .ram()
        .write(call.buffer.physical + 24 + 8, &0x1000u64.to_le_bytes())
        .unwrap();
    play.send(&Message {
        client_id: CLIENT,
        tid: 1,
        ctx: Ctx(ctx),
        handle: 5000,
        sc: Scalars(0x0201_0000),
        addr: Play::device(SID, call.buffer.iova),
        size: call.buffer.len,
    });
    assert_eq!(play.kinds(), [Kind::BadPages]);
    assert!(
        play.report().findings[0]
            .text
            .contains("leave a page range of 0x1000")
    );
}

#[test]
fn an_output_that_cannot_be_written_is_found() {
    let mut play = Play::new();
    play.create();
    let physical = play.kernel.allocate(0x1000).unwrap();
    let iova = play
        .kernel
        .dma_map(STREAM, physical, 0x1000, Direction::ToDevice)
        .unwrap();
    let buffer = DmaBuffer {
        iova,
        physical,
        len: 0x1000,
    };
    let call = play.call(0x0201_0000, vec![mapped(buffer, 0x1000)]);
    play.finish(&call, 0);
    assert_eq!(play.kinds(), [], "inputs need not be writable");
    let call = play.call(0x0200_0100, vec![mapped(buffer, 0x1000)]);
    play.finish(&call, 0);
    assert_eq!(play.kinds(), [Kind::BadPages]);
    assert!(play.report().findings[0].text.contains("read-only"));
}

#[test]
fn arguments_in_memory_of_something_else_are_found() {
    let mut play = Play::new();
    let memory = play.create();
    let call = play.call(0x0201_0000, vec![mapped(memory, 0x2000)]);
    play.finish(&call, 0);
    let found = play.report().findings;
    assert_eq!(found[0].kind, Kind::BadPages);
    assert!(
        found[0].text.contains("lies in the initial memory"),
        "{}",
        found[0].text
    );
    assert_eq!(
        found[0].history.len(),
        2,
        "the message that gave it, and this one"
    );
    // The invoke buffer of a call that is open.
    let mut play = Play::new();
    play.create();
    let open = play.call(0, vec![]);
    play.call(0x0201_0000, vec![mapped(open.buffer, 0x1000)]);
    assert_eq!(play.kinds(), [Kind::BadPages]);
}

#[test]
fn memory_taken_away_under_a_call_is_found_at_its_answer() {
    let mut play = Play::new();
    play.create();
    let buffer = play.alloc(0x2000);
    let call = play.call(0x0200_0100, vec![mapped(buffer, 0x2000)]);
    play.drop(buffer);
    // Other memory at those addresses.
    let _hold = play.kernel.allocate(0x2000).unwrap();
    let other = play.alloc(0x2000);
    assert_eq!(other.iova, buffer.iova);
    play.finish(&call, 0);
    let found = play.report().findings;
    assert_eq!(
        (found[0].kind, found[0].fields["what"].as_str()),
        (Kind::UnmappedEarly, "argument")
    );
    assert_eq!(found[0].ranges, [addresses(buffer)]);
    assert_eq!(found[0].history.len(), 2);
}

#[test]
fn memory_of_a_process_taken_away_before_its_release_is_found() {
    for what in ["initial-memory", "mmap", "mem-map"] {
        let mut play = Play::new();
        let memory = play.create();
        let heap = play.mmap(0x4000, 0x4000_0000);
        let shared = play.alloc(0x3000);
        let registered = play.attach(shared.physical, shared.len);
        play.mem_map(7, registered, 0x5000_0000);
        match what {
            "initial-memory" => play.drop(memory),
            "mmap" => play.drop(heap),
            _ => play.detach(registered),
        }
        assert_eq!(play.kinds(), []);
        let release = play.control(&rpmsg::fastrpc::control::Control::Release { client: CLIENT });
        let found = play.report().findings;
        assert_eq!(
            (found[0].kind, found[0].fields["what"].as_str()),
            (Kind::UnmappedEarly, what)
        );
        play.finish(&release, 0);
    }
}

#[test]
fn listed_descriptors_may_go_at_once() {
    let mut play = Play::new();
    let memory = play.create();
    let shared = play.alloc(0x3000);
    let handle = |play: &mut Play| play.attach(shared.physical, shared.len);
    let arg = |buffer| ApArg::Handle {
        fd: 9,
        offset: 0,
        len: 0x3000,
        page: Play::page(buffer),
    };
    let (a, b) = (handle(&mut play), handle(&mut play));
    let first = play.call(0x0200_0010, vec![arg(a)]);
    let second = play.call(0x0200_0010, vec![arg(b)]);
    // The driver polls: it drops the map before the answer comes. Which one of the descriptor's it is, nobody can tell.
    play.list(&first, &[9]);
    play.detach(b);
    play.finish(&first, 0);
    play.finish(&second, 0);
    assert_eq!(play.kinds(), []);
    play.detach(a);
    play.drop(shared);
    play.release();
    play.drop(memory);
    assert_eq!(play.end(), []);
}

#[test]
fn refused_accesses_tell_whose_fault_they_are() {
    let mut play = Play::new();
    let memory = play.create();
    let buffer = play.alloc(0x1000);
    let call = play.call(0x0200_0100, vec![mapped(buffer, 0x1000)]);
    play.drop(buffer);
    assert!(play.bus.write(STREAM, buffer.iova + 8, &[1]).is_err());
    play.outbound(&emu_os::action::Action::Interrupt);
    let found = play.report().findings;
    assert_eq!((found.len(), found[0].kind), (1, Kind::UnmappedEarly));
    assert!(
        found[0].text.contains("was refused argument memory"),
        "{}",
        found[0].text
    );
    play.finish(&call, 0);
    // Now it is the DSP that is late.
    assert!(play.bus.write(STREAM, call.buffer.iova, &[1]).is_err());
    play.release();
    play.drop(memory);
    assert!(play.kinds().contains(&Kind::AccessAfterUnmap));
    // An address that nobody ever told is the skeleton's own business.
    let before = play.kinds().len();
    assert!(play.bus.read(STREAM, 0x1000, &mut [0; 4]).is_err());
    assert_eq!(play.end().len(), before);
}

#[test]
fn unmaps_are_counted() {
    let mut play = Play::new();
    play.create();
    let heap = play.mmap(0x4000, 0x4000_0000);
    // Refused by the DSP, tried again: fine.
    let refused = play.munmap(0x4000, 0x4000_0000);
    play.finish(&refused, 0x27);
    let first = play.munmap(0x4000, 0x4000_0000);
    assert_eq!(play.kinds(), []);
    let meanwhile = play.munmap(0x4000, 0x4000_0000);
    assert_eq!(play.kinds(), [Kind::DoubleUnmap]);
    play.finish(&first, 0);
    play.finish(&meanwhile, 0x27);
    play.drop(heap);
    let again = play.munmap(0x4000, 0x4000_0000);
    play.finish(&again, 0x27);
    assert_eq!(play.kinds(), [Kind::DoubleUnmap; 2]);
    let unknown = play.munmap(0x4000, 0x7000_0000);
    play.finish(&unknown, 0x27);
    assert_eq!(play.kinds()[2], Kind::UnknownUnmap);
    // Mapped anew at the same address: fine.
    play.mmap(0x4000, 0x4000_0000);
    let fine = play.munmap(0x4000, 0x4000_0000);
    play.finish(&fine, 0);
    assert_eq!(play.kinds().len(), 3);
}

#[test]
fn a_descriptor_that_is_mapped_twice_may_be_unmapped_twice() {
    let mut play = Play::new();
    play.create();
    let buffer = play.alloc(0x1000);
    for _ in 0..2 {
        play.mem_map(7, buffer, 0x5000_0000);
    }
    for _ in 0..2 {
        let call = play.mem_unmap(7, 0x1000, 0x5000_0000);
        play.finish(&call, 0);
    }
    assert_eq!(play.kinds(), []);
    let call = play.mem_unmap(7, 0x1000, 0x5000_0000);
    play.finish(&call, 0x27);
    assert_eq!(play.kinds(), [Kind::DoubleUnmap]);
}

#[test]
fn the_census_counts_what_is_mapped() {
    let mut play = Play::new();
    let before = play.census();
    assert_eq!((before.ranges(), before.bytes(), before.processes), (0, 0, 0));
    let memory = play.create();
    let gap = play.alloc(0x1000);
    let behind = play.alloc(0x1000);
    play.drop(gap);
    let now = play.census();
    assert_eq!(
        (now.ranges(), now.bytes(), now.processes),
        (2, memory.len + 0x1000, 1)
    );
    assert_eq!(now.streams[0].stream, STREAM);
    assert_eq!((now.streams[0].session, now.streams[0].bank), (SID, Some(0)));
    assert_eq!(now.streams[1].bytes, 0);
    play.drop(behind);
    play.release();
    play.drop(memory);
    assert_eq!(play.census().bytes(), 0);
    let json = serde_json::to_value(play.census()).unwrap();
    assert_eq!(json["streams"][0]["bytes"], 0);
}
