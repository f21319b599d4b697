//! Messages and invoke buffers that no kernel would send: no panic, and exactly one answer or a counted drop.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use emu_local_ap::{Arg, Driver, Numbering, Session};
use proptest::prelude::*;
use rpmsg::Aee;
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

/// Counters are read one after the other, so that an answer may come between two of them.
fn settle(driver: &Driver) {
    wait_for(
        "all calls but the listener's are answered, and all messages counted",
        || driver.dsp().open_calls() <= 1 && balanced(driver),
    );
}

/// A process of QDA's is killed: the numbers of its calls are free at once, and RELEASE has one of them. In whatever state it
/// was, RELEASE gets its own answer, no call of the next process gets another's, and the DSP has forgotten the process.
#[test]
fn processes_are_killed_in_every_state_while_their_contexts_are_given_out_again() {
    let dir = own_skeleton("bench");
    let driver = Driver::start_with(config(), 128 << 20, Numbering::LowestFree).unwrap();
    for round in 0..100 {
        let (client, _) = client(&driver, 1, 1 + 2 * round, std::slice::from_ref(&dir));
        let session = client.session();
        let module = client.open(&uri("bench")).unwrap();
        let word = |value: u32| value.to_le_bytes();
        let start = |tid, method, value: u32, outs: u8| {
            let (value, sc) = (word(value), Scalars::new(method, 1, outs));
            let args = [Arg::In(&value), Arg::Out(4)];
            session
                .start_raw(session.client(), tid, module, sc, &args[..1 + usize::from(outs)])
                .unwrap()
        };
        let killed = match round % 5 {
            0 => vec![],
            // Asleep, computing, several at once, and in the middle of loading a library.
            1 => vec![start(50, 5, 600_000, 0)],
            2 => vec![start(50, 4, u32::MAX, 1)],
            3 => (0..4).map(|tid| start(50 + tid, 5, 600_000, 0)).collect(),
            _ => vec![self::start(
                session,
                50,
                handle::REMOTECTL1,
                &open_request(&uri("calculator")),
            )],
        };
        // Killed: nobody waits any more. (The listener's number stays taken: its thread is this test's own.)
        drop(killed);
        assert_eq!(session.release().unwrap(), Aee::SUCCESS, "round {round}");
        let next = process(&driver, 2, 2 + 2 * round);
        assert_eq!(
            call(&next, handle::LISTENER1, &listener::Init2 {}).retval,
            Aee::SUCCESS
        );
        next.release().unwrap();
        wait_for("nothing is open", || driver.dsp().open_calls() == 0);
        assert_eq!(driver.dsp().stats().processes_now, 0);
        assert!(balanced(&driver));
    }
}

/// An interrupted call that runs to its end is answered, also when its number has a newer owner: firmware does not know.
#[test]
fn an_interrupted_call_that_ends_is_answered() {
    let dir = own_skeleton("bench");
    let driver = Driver::start_with(config(), 128 << 20, Numbering::LowestFree).unwrap();
    let (client, _) = client(&driver, 1, 1, &[dir]);
    let module = client.open(&uri("bench")).unwrap();
    let before = driver.stray_answers();
    let sleep = client
        .session()
        .start(50, module, 5, &[Arg::In(&1u32.to_le_bytes())]);
    let number = sleep.as_ref().unwrap().ctx();
    drop(sleep);
    let null = client.session().start(51, module, 2, &[]).unwrap();
    assert_eq!(null.ctx(), number);
    // One of the two answers is this one's, the other finds nobody.
    null.wait(SOON).unwrap();
    wait_for("both are answered", || driver.stray_answers() == before + 1);
    client.exit().unwrap();
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
