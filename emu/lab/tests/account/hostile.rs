//! Anything at all on the wire and in memory: the account keeps up, and what it keeps is bounded.

use super::play::*;
use emu_lab::account::Kind;
use emu_os::action::{Action, Channel, Inbound};
use proptest::prelude::*;
use rpmsg::fastrpc::control::Control;
use rpmsg::fastrpc::{Ctx, Message, Page, Scalars};

#[derive(Debug, Clone)]
enum Step {
    Message(Vec<u8>),
    Plausible {
        client: i32,
        ctx: u64,
        handle: u32,
        sc: u32,
        sid: u32,
        page: u64,
        size: u64,
    },
    Glink(Vec<u8>),
    Answer(u64, u32),
    Scribble(u64, Vec<u8>),
    Access(u64),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    let plausible = (
        0i32..3,
        0u64..0x2000,
        0u32..4,
        prop_oneof![
            any::<u32>(),
            (0u32..12, 0u32..5, 0u32..2).prop_map(|(m, i, o)| m << 24 | i << 16 | o << 8)
        ],
        0u32..5,
        0u64..0x40,
        0u64..6,
    )
        .prop_map(|(client, ctx, handle, sc, sid, page, size)| Step::Plausible {
            client,
            ctx: ctx << 4,
            handle,
            sc,
            sid,
            page,
            size: size << 12,
        });
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Step::Message),
        8 => plausible,
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Glink),
        4 => (0u64..0x2000, 0u32..2).prop_map(|(ctx, retval)| Step::Answer(ctx << 4, retval)),
        3 => (0u64..0x40_0000, prop::collection::vec(any::<u8>(), 1..64)).prop_map(|(at, bytes)| Step::Scribble(at, bytes)),
        1 => (0u64..0x40).prop_map(Step::Access),
        1 => Just(Step::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_panics(steps in prop::collection::vec(step(), 1..120)) {
        let mut play = Play::new();
        let memory = play.alloc(0x40_000);
        let at = |page: u64| memory.iova + (page << 12);
        for step in steps {
            match step {
                Step::Message(bytes) => play.inbound(&Inbound::Message(Channel::FastRpc, bytes)),
                Step::Plausible { client, ctx, handle, sc, sid, page, size } => {
                    play.send(&rpmsg::fastrpc::Message {
                        client_id: client,
                        tid: 1,
                        ctx: rpmsg::fastrpc::Ctx(ctx),
                        handle,
                        sc: rpmsg::fastrpc::Scalars(sc),
                        addr: Play::device(sid, at(page)),
                        size,
                    });
                }
                Step::Glink(bytes) => {
                    play.inbound(&Inbound::Glink(bytes.clone().into()));
                    play.outbound(&Action::RawGlink(bytes.into()));
                }
                Step::Answer(ctx, retval) => {
                    let call = Call { ctx, stream: STREAM, buffer: memory, args: 0, outs: vec![] };
                    play.answer(&call, retval);
                }
                // Invoke buffers, and page tables too.
                Step::Scribble(offset, bytes) => {
                    let base = play.kernel.ram().regions().next().unwrap().0;
                    play.kernel.ram().write(base + offset, &bytes).unwrap();
                }
                Step::Access(page) => {
                    let _ = play.bus.write(STREAM, at(page) - 0x20_000, &[0]);
                }
                Step::End => play.inbound(&Inbound::Ended),
            }
        }
        let report = play.report();
        prop_assert!(report.findings.len() <= 1000);
        prop_assert!(!report.text().is_empty());
        serde_json::to_string(&report).unwrap();
    }
}

/// A call that the DSP may or may not take, with this invoke buffer.
fn send(play: &mut Play, ctx: u64, buffer: emu_local_ap::DmaBuffer) {
    play.send(&Message {
        client_id: CLIENT,
        tid: 1,
        ctx: Ctx(ctx),
        handle: 5000,
        sc: Scalars(0),
        addr: Play::device(SID, buffer.iova),
        size: 0x1000,
    });
}

#[test]
fn more_open_calls_than_any_driver_has_are_not_kept() {
    let mut play = Play::new();
    let buffer = play.alloc(0x1000);
    let mut most = 0;
    for n in 1..=10_000u64 {
        send(&mut play, n << 16 | 1 << 8, buffer);
        let effort = play.account.effort();
        most = most.max(effort.calls).max(effort.grants);
    }
    assert!((1000..5000).contains(&most), "{most} calls are kept");
    let stopped = |play: &Play| {
        play.kinds()
            .iter()
            .filter(|&&k| k == Kind::StoppedCounting)
            .count()
    };
    assert_eq!(stopped(&play), 1);
    assert!(!play.report().is_clean() && !play.census().counting);
    // Answers to what is not kept are no strays.
    let call = Call {
        ctx: 5 << 16 | 1 << 8,
        stream: STREAM,
        buffer,
        args: 0,
        outs: vec![],
    };
    play.answer(&call, 0);
    assert_eq!(play.report().totals.stray_answers, 0);
    // The next life is counted again.
    play.outbound(&Action::Halt);
    send(&mut play, 1 << 16 | 1 << 8, buffer);
    assert!(play.census().counting);
    assert_eq!((play.census().contexts, stopped(&play)), (1, 1));
}

/// A session of its own client that leaves its initial memory, which lies at addresses of its own.
fn leave(play: &mut Play, client: i32, physical: u64) {
    let memory = play.attach(physical, 0x1000);
    let call = play.control(&Control::Create {
        with_attributes: true,
        client,
        name: b"test".to_vec(),
        shell_len: 0,
        attrs: 8,
        signature_len: 0,
        memory: Page {
            addr: Play::device(SID, memory.iova),
            size: memory.len,
        },
    });
    play.finish(&call, 0);
    let call = play.control(&Control::Release { client });
    play.finish(&call, 0);
}

#[test]
fn more_sessions_that_leave_something_than_are_kept_are_judged_and_forgotten() {
    let mut play = Play::new();
    let physical = play.kernel.allocate(0x1000).unwrap();
    let mut most = 0;
    for client in 1..=1500 {
        leave(&mut play, client, physical);
        most = most.max(play.account.effort().processes);
    }
    assert!((500..1500).contains(&most), "{most} processes are kept");
    let kinds = play.kinds();
    assert!(kinds.contains(&Kind::StoppedCounting) && kinds.contains(&Kind::MemoryNotReturned));
    assert!(play.report().totals.findings_not_kept > 0);
}

#[test]
fn what_is_unmapped_again_and_again_is_not_kept() {
    let mut play = Play::new();
    play.create();
    let buffer = play.alloc(0x1000);
    for n in 0..600u64 {
        let vaddr = 0x4000_0000 + (n << 12);
        play.mem_map(7, buffer, vaddr);
        let call = play.mem_unmap(7, 0x1000, vaddr);
        play.finish(&call, 0);
    }
    assert_eq!(play.account.effort().maps, 0);
    assert_eq!(play.kinds(), []);
    // What is long ago may not be known any more, what is not is.
    for (vaddr, kind) in [
        (0x4000_0000, Kind::UnknownUnmap),
        (0x4000_0000 + (599 << 12), Kind::DoubleUnmap),
    ] {
        let call = play.mem_unmap(7, 0x1000, vaddr);
        play.finish(&call, 0x27);
        assert_eq!(play.kinds().last(), Some(&kind));
    }
}

/// What an account did for so many things of a kind.
fn visits(count: u64, work: impl Fn(&mut Play, u64)) -> u64 {
    let mut play = Play::new();
    work(&mut play, count);
    play.account.effort().visits
}

/// Four times as many: four times the work if it is linear, sixteen times if it is quadratic.
fn is_nearly_linear(what: &str, count: u64, work: impl Fn(&mut Play, u64)) {
    let (few, many) = (visits(count, &work), visits(4 * count, &work));
    assert!(
        many < 6 * few,
        "{what}: {few} for {count}, {many} for {}",
        4 * count
    );
}

#[test]
fn the_work_grows_with_the_calls_and_not_with_their_square() {
    is_nearly_linear("open calls", 400, |play, count| {
        play.create();
        let calls: Vec<Call> = (0..count).map(|_| play.call(0, vec![])).collect();
        for call in &calls {
            play.finish(call, 0);
        }
    });
    is_nearly_linear("calls with one number", 400, |play, count| {
        let buffers: Vec<_> = (0..count).map(|_| play.alloc(0x1000)).collect();
        for (n, buffer) in (1..).zip(buffers) {
            send(play, n << 16 | 7 << 8, buffer);
        }
    });
    is_nearly_linear("releases without an answer", 200, |play, count| {
        play.create();
        for _ in 0..count {
            play.control(&Control::Release { client: CLIENT });
        }
    });
    is_nearly_linear("sessions that leave something", 100, |play, count| {
        let physical = play.kernel.allocate(0x1000).unwrap();
        for client in 1..=count {
            leave(play, client as i32, physical);
        }
    });
}
