//! Sessions, calls and contexts.

use super::play::*;
use emu_lab::account::Kind;
use emu_os::action::{Action, Channel, Inbound};
use rpmsg::fastrpc::build::ApArg;
use rpmsg::fastrpc::control::Control;
use rpmsg::glink::Command;
use std::time::Duration;

/// Everything a well-behaved session does.
fn honest(play: &mut Play) {
    let ask = play.call_on(
        SID,
        0,
        2,
        0x0001_0100,
        vec![
            ApArg::In {
                addr: USER,
                data: &[255, 0, 0, 0],
            },
            ApArg::Out {
                addr: USER + 0x1000,
                len: 1020,
            },
        ],
    );
    play.finish(&ask, 0);
    let memory = play.create();
    let heap = play.mmap(0x10000, 0x4000_0000);
    let shared = play.alloc(0x8000);
    let registered = play.attach(shared.physical, shared.len);
    play.mem_map(7, registered, 0x5000_0000);
    for round in 0..3u64 {
        // An input that straddles pages, an output in the registered buffer, a handle.
        let handle = play.attach(shared.physical, shared.len);
        let call = play.call(
            0x0201_0110,
            vec![
                ApArg::In {
                    addr: USER + 0xfff,
                    data: &[1; 4100],
                },
                ApArg::Mapped {
                    addr: USER + 0x10_1234,
                    len: 0x1f00,
                    base: USER + 0x10_0000,
                    dma: Play::device(SID, registered.iova),
                },
                ApArg::Handle {
                    fd: 9,
                    offset: 0,
                    len: 0x8000,
                    page: Play::page(handle),
                },
            ],
        );
        play.list(&call, &[9]);
        play.answer(&call, (round % 2) as u32 * 0x27);
        play.free(&call);
        play.detach(handle);
    }
    let unmap = play.munmap(0x10000, 0x4000_0000);
    play.finish(&unmap, 0);
    play.drop(heap);
    let unmap = play.mem_unmap(7, 0x8000, 0x5000_0000);
    play.finish(&unmap, 0);
    play.detach(registered);
    play.drop(shared);
    play.release();
    play.drop(memory);
}

#[test]
fn honest_sessions_are_clean() {
    for kernel in [Kernel::V6_12, Kernel::V7_3] {
        let mut play = Play::with(kernel, Duration::ZERO);
        let before = play.census();
        for _ in 0..60 {
            honest(&mut play);
        }
        assert_eq!(play.census().bytes(), before.bytes());
        assert_eq!(play.end(), [], "{}", play.report().text());
        let totals = play.report().totals;
        assert_eq!((totals.lives, totals.processes), (1, 60));
        assert_eq!((totals.calls, totals.answers), (60 * 10, 60 * 10));
        assert!(play.report().is_clean());
    }
}

#[test]
fn a_session_that_is_open_at_the_end_is_not_judged() {
    let mut play = Play::new();
    play.create();
    let _parked = play.call(0, vec![]);
    let census = play.census();
    assert_eq!((census.processes, census.contexts), (1, 1));
    assert_eq!(play.end(), []);
    assert_eq!(play.report().totals.open_at_end, 1);
    assert_eq!(play.census().processes, 0);
}

#[test]
fn a_call_that_is_never_answered_is_told_with_what_it_keeps() {
    let mut play = Play::new();
    let memory = play.create();
    let _lost = play.call(0, vec![]);
    play.release();
    play.drop(memory);
    let found = play.end();
    let kinds: Vec<_> = found.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [Kind::CallUnanswered, Kind::StillMapped]);
    assert_eq!(found[1].fields["what"], "invoke-buffer");
    assert_eq!(found[1].fields["because"], "call-unanswered");
    assert!(
        found[0]
            .history
            .iter()
            .any(|n| n.text.contains("calls handle 0x30000000"))
    );
}

#[test]
fn a_late_answer_to_a_killed_client_is_fine() {
    let mut play = Play::new();
    let memory = play.create();
    let parked = play.call(0, vec![]);
    play.release();
    play.finish(&parked, 0x8000_0406);
    play.drop(memory);
    assert_eq!(play.end(), []);
}

#[test]
fn a_number_given_out_while_its_call_is_open_is_found() {
    for kernel in [Kernel::V6_12, Kernel::V7_3] {
        let mut play = Play::with(kernel, Duration::ZERO);
        play.create();
        let open = play.call(0, vec![]);
        for _ in 0..254 {
            let call = play.call(0, vec![]);
            play.finish(&call, 0);
        }
        assert_eq!(play.kinds(), []);
        let again = play.call(0, vec![]);
        assert_eq!(again.ctx & 0xff00, open.ctx & 0xff00);
        assert_eq!(play.kinds(), [Kind::ContextReused]);
        assert_eq!(play.report().findings[0].history.len(), 2);
    }
}

#[test]
fn a_context_that_is_never_freed_is_found_by_its_number() {
    for (kernel, calls) in [(Kernel::V6_12, 1200), (Kernel::V7_3, 800)] {
        let mut play = Play::with(kernel, Duration::ZERO);
        let memory = play.create();
        for index in 0..calls {
            let call = play.call(0, vec![]);
            play.finish(&call, 0);
            if index == 20 {
                play.kept.push(22);
            }
        }
        play.release();
        play.drop(memory);
        let found = play.end();
        assert_eq!(found.len(), 1, "{}", play.report().text());
        assert_eq!(
            (found[0].kind, found[0].fields["number"].as_str()),
            (Kind::ContextKept, "22")
        );
        assert_eq!(
            found[0].history.len(),
            3,
            "the call, its answer, and when it was noticed"
        );
    }
}

#[test]
fn sessions_of_one_client_on_one_stream_are_released_one_by_one() {
    // 6.12 with qcom,nsessions: the client is the process's ID.
    let mut play = Play::with(Kernel::V6_12, Duration::ZERO);
    let first = play.create();
    let second = play.alloc(2 << 20);
    let call = play.control(&Control::Create {
        with_attributes: true,
        client: CLIENT,
        name: b"test".to_vec(),
        shell_len: 0,
        attrs: 8,
        signature_len: 0,
        memory: Play::page(second),
    });
    play.finish(&call, 0);
    play.release();
    let call = play.call(0, vec![]);
    play.finish(&call, 0);
    assert_eq!(play.census().processes, 1);
    play.drop(first);
    assert_eq!(play.end(), [], "one of the two is still open");
}

#[test]
fn every_end_of_the_channel_is_an_end() {
    let glink = |command: Command| Inbound::Glink(command.into());
    let open = glink(Command::Open {
        cid: 5,
        priority: 0,
        name: b"fastrpcglink-apps-dsp".to_vec(),
    });
    let close = Command::Close {
        cid: Channel::FastRpc.cid(),
    };
    type End = Box<dyn Fn(&mut Play)>;
    let ends: [(&str, End); 5] = [
        ("ended", Box::new(|p| p.inbound(&Inbound::Ended))),
        ("stopped executing", Box::new(|p| p.outbound(&Action::Halt))),
        (
            "DSP closed",
            Box::new(move |p| p.outbound(&Action::RawGlink(close.clone().into()))),
        ),
        (
            "driver closed",
            Box::new(move |p| p.inbound(&glink(Command::Close { cid: 5 }))),
        ),
        (
            "loaded anew",
            Box::new(move |p| {
                p.inbound(&glink(Command::Version {
                    version: 1,
                    features: 0,
                }));
            }),
        ),
    ];
    for (why, end) in ends {
        let mut play = Play::new();
        play.inbound(&open);
        let _memory = play.create();
        play.release();
        assert_eq!(play.kinds(), [], "nothing is concluded before the end");
        end(&mut play);
        let found = play.report().findings;
        assert_eq!(found.len(), 1, "{why}");
        assert!(found[0].history.last().unwrap().text.contains(why), "{why}");
        // The next life begins with empty books.
        play.create();
        assert_eq!(play.report().totals.lives, 2);
        assert_eq!(play.end().len(), 1);
    }
}

#[test]
fn other_channels_and_other_commands_are_nothing() {
    let mut play = Play::new();
    let memory = play.create();
    play.inbound(&Inbound::Message(Channel::Router, vec![1, 2, 3]));
    play.inbound(&Inbound::Glink(Command::Close { cid: 5 }.into()));
    play.inbound(&Inbound::Glink(vec![0xff; 3].into()));
    play.outbound(&Action::RawGlink(Command::Close { cid: 8 }.into()));
    play.outbound(&Action::RawGlink(vec![9].into()));
    play.outbound(&Action::Interrupt);
    assert_eq!(play.census().processes, 1);
    play.release();
    play.drop(memory);
    assert_eq!(play.end(), []);
}

#[test]
fn a_call_ends_its_own_memory_and_not_that_of_an_earlier_one_with_its_number() {
    let mut play = Play::with(Kernel::V6_12, Duration::ZERO);
    let memory = play.create();
    for _ in 0..254 {
        let call = play.call(0, vec![]);
        play.finish(&call, 0);
    }
    // It has the number of the creation, and fails.
    let call = play.call(0, vec![]);
    assert_eq!(call.ctx, 0x11);
    play.finish(&call, 0x27);
    play.drop(memory);
    let _release = play.control(&Control::Release { client: CLIENT });
    assert_eq!(play.kinds(), [Kind::UnmappedEarly]);
}
