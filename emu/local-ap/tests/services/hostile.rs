//! Messages and invoke buffers that no kernel would send: no panic, and exactly one answer or a counted drop.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use emu_local_ap::{Driver, Numbering, Session};
use proptest::prelude::*;
use rpmsg::Aee;
use rpmsg::fastrpc::control::Control;
use rpmsg::fastrpc::{Ctx, Message, Scalars};
use rpmsg::iface::{handle, listener};

use crate::support::*;

/// A machine with one process, made once for each test: the counters of one must not move under another.
type Fixture = OnceLock<(Arc<Driver>, Arc<Session>)>;

fn fixture(made: &'static Fixture) -> &'static (Arc<Driver>, Arc<Session>) {
    made.get_or_init(|| {
        let mut config = config();
        config.listener_wait = Duration::from_millis(10);
        let driver = machine(config);
        let session = process(&driver, 1, 1);
        call(&session, handle::LISTENER1, &listener::Init2 {});
        (driver, session)
    })
}

/// Messages in are answers out, drops, or calls that are still open.
fn balanced(driver: &Driver) -> bool {
    let stats = driver.dsp().stats();
    stats.messages_in == stats.messages_out + stats.dropped + driver.dsp().open_calls() as u64
}

fn settle(driver: &Driver) {
    wait_for("all calls but the listener's are answered", || {
        driver.dsp().open_calls() <= 1
    });
}

/// A process of QDA's is killed: its listener's number is free at once, and RELEASE has it.
#[test]
fn a_context_that_is_open_still_is_served_and_both_calls_are_answered() {
    let driver = Driver::start_with(config(), 128 << 20, Numbering::LowestFree).unwrap();
    let session = process(&driver, 1, 1);
    call(&session, handle::LISTENER1, &listener::Init2 {});
    let parked = start(&session, 9, handle::LISTENER1, &next2(0, -1, vec![], 0));
    let killed = parked.ctx();
    drop(parked);
    let client = session.client();
    let payload = Control::Release { client }.payload(Vec::new());
    let release = session
        .start_payload(0, 9, handle::PROCESS_CONTROL, &payload)
        .unwrap();
    assert_eq!(release.ctx() >> 4, killed >> 4, "the number is given out again");
    release.wait(SOON).unwrap();
    wait_for("both are answered", || driver.dsp().open_calls() == 0);
    let stats = driver.dsp().stats();
    assert_eq!((stats.dropped, stats.processes_now), (0, 0));
    assert!(balanced(&driver), "{stats:?}");
    // The kernel had somebody for one of the two answers only.
    assert!(driver.stray_answers() <= 1);
    // The DSP serves the next process.
    let next = process(&driver, 1, 2);
    assert_eq!(
        call(&next, handle::LISTENER1, &listener::Init2 {}).retval,
        Aee::SUCCESS
    );
}

/// More calls than fastrpc.c has slots wait at once, and each is answered.
#[test]
fn hundreds_of_calls_wait_at_once() {
    let driver = Driver::start_with(config(), 128 << 20, Numbering::LowestFree).unwrap();
    let session = process(&driver, 1, 1);
    call(&session, handle::LISTENER1, &listener::Init2 {});
    let parked = start(&session, 9, handle::LISTENER1, &next2(0, -1, vec![], 0));
    let openings: Vec<_> = (0..600)
        .map(|i| {
            start(
                &session,
                1000 + i,
                handle::REMOTECTL1,
                &open_request(&uri("none")),
            )
        })
        .collect();
    assert_eq!(driver.dsp().stats().dropped, 0);
    session.release().unwrap();
    for opening in openings {
        opening.wait(SOON).unwrap();
    }
    drop(parked);
    assert_eq!(driver.dsp().open_calls(), 0);
    assert!(balanced(&driver));
}

#[test]
fn more_calls_than_a_driver_has_slots_are_dropped() {
    let driver = machine(config());
    let sessions: Vec<_> = (0..300).map(|i| process_or_none(&driver, i)).collect();
    let live = sessions.iter().flatten().count();
    assert!((14..=64).contains(&live), "{live}");
    assert!(balanced(&driver));
}

fn process_or_none(driver: &Arc<Driver>, i: i32) -> Option<Arc<Session>> {
    let session = driver.session(1, 1 + i).unwrap();
    let control = rpmsg::fastrpc::control::Control::Attach { client: 1 + i };
    session
        .control(&control)
        .unwrap()
        .retval
        .is_ok()
        .then_some(session)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered_once_or_dropped(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        static MADE: Fixture = OnceLock::new();
        let (driver, _) = fixture(&MADE);
        driver.send(&bytes);
        settle(driver);
        prop_assert!(balanced(driver));
    }

    #[test]
    fn any_invoke_buffer_is_answered_once(
        content in proptest::collection::vec(any::<u8>(), 0..600),
        handle in prop_oneof![0u32..12, Just(0x35f0_8490)],
        method in 0u8..12,
        counts in (0u8..5, 0u8..4, 0u8..2, 0u8..2),
        client in prop_oneof![Just(0), Just(1), Just(2)],
        tid in 1i32..4,
        ctx in 1u64..u64::MAX,
    ) {
        static MADE: Fixture = OnceLock::new();
        let (driver, session) = fixture(&MADE);
        let memory = session.alloc(0x1000).unwrap();
        // Addresses that exist, so that more than the first check is reached.
        let mut content = content;
        for word in content.chunks_exact_mut(8).skip(3).step_by(2) {
            word.copy_from_slice(&session.tagged(memory.iova).to_le_bytes());
        }
        driver.kernel().ram().write(memory.physical, &content).unwrap();
        let sc = Scalars::with_handles(method, counts.0, counts.1, counts.2, counts.3);
        let message = Message {
            client_id: client, tid, ctx: Ctx(ctx), handle, sc, addr: session.tagged(memory.iova), size: 0x1000,
        };
        driver.send(&message.encode());
        settle(driver);
        prop_assert!(balanced(driver));
        // An exit or a release may have hit the process: give it a new one.
        let _ = driver.session(1, 1).unwrap().control(
            &rpmsg::fastrpc::control::Control::Attach { client: 1 });
        driver.kernel().dma_free(session.stream(), memory).unwrap();
    }

    #[test]
    fn control_payloads_with_any_values_are_answered_once(
        method in 0u8..13,
        words in proptest::collection::vec(prop_oneof![any::<u32>(), 0u32..20, Just(0x1000u32)], 8),
        page in (prop_oneof![any::<u64>(), Just(0x1_0000_1000u64)], prop_oneof![any::<u64>(), Just(0x1000u64)]),
        extra in 0usize..3,
    ) {
        static MADE: Fixture = OnceLock::new();
        let (driver, session) = fixture(&MADE);
        let first: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let page: Vec<u8> = [page.0, page.1].iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut ins = vec![first, b"x\0".to_vec(), vec![], page.clone()];
        if matches!(method, 4 | 10) {
            ins[1] = page;
        }
        ins.truncate(extra + 2);
        let outs = if matches!(method, 4 | 10) { vec![8] } else { vec![] };
        let sc = Scalars::new(method, ins.len() as u8, outs.len() as u8);
        let payload = rpmsg::iface::Payload { sc, ins, outs };
        session.start_payload(0, 7, handle::PROCESS_CONTROL, &payload).unwrap().wait(SOON).unwrap();
        prop_assert!(balanced(driver));
    }
}
