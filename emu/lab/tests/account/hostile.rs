//! Anything at all on the wire and in memory: the account keeps up.

use super::play::*;
use emu_os::action::{Action, Channel, Inbound};
use proptest::prelude::*;

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
    fn nothing_panics_and_books_stay_bounded(steps in prop::collection::vec(step(), 1..120)) {
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
                    play.inbound(&Inbound::Glink(bytes.clone()));
                    play.outbound(&Action::RawGlink(bytes));
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
        let census = play.census();
        prop_assert!(census.contexts <= 120);
        let report = play.report();
        prop_assert!(report.findings.len() <= 1000);
        prop_assert!(!report.text().is_empty());
        serde_json::to_string(&report).unwrap();
    }
}
