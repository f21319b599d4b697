//! Packet queues under an AP that writes anything anywhere and a skeleton that passes anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use emu_core::memory::Memory as _;
use proptest::prelude::*;
use rpmsg::dspqueue::{PacketHeader, packet_flag};

use super::testing::Machine;
use crate::kernel::call::Outcome;

/// One thing that somebody does.
#[derive(Debug, Clone)]
enum Step {
    /// The AP writes a word into the queue, or into the counters.
    Poke { counters: bool, at: u32, word: u32 },
    /// The AP sends a packet, if it still can.
    Send(u8),
    /// The skeleton calls a function: which, and its arguments.
    Call(usize, [Word; 9]),
}

/// An argument.
#[derive(Debug, Clone, Copy)]
enum Word {
    Any(u32),
    Small(u8),
    /// One of the places that are there.
    Place(usize),
    Handle,
}

const FUNCTIONS: [&str; 9] = [
    "dspqueue_read",
    "dspqueue_read_noblock",
    "dspqueue_peek",
    "dspqueue_peek_noblock",
    "dspqueue_write",
    "dspqueue_write_noblock",
    "dspqueue_write_early_wakeup_noblock",
    "dspqueue_get_stat",
    "dspqueue_import",
];

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        1 => any::<u32>().prop_map(Word::Any),
        4 => any::<u8>().prop_map(Word::Small),
        4 => (0usize..5).prop_map(Word::Place),
        1 => Just(Word::Handle),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Values that are nearly right go further than those that are not.
    let value = prop_oneof![any::<u32>(), (0u32..64).prop_map(|n| n * 8), Just(u32::MAX)];
    prop_oneof![
        2 => (any::<bool>(), 0u32..0x500, value).prop_map(|(counters, at, word)| Step::Poke { counters, at, word }),
        3 => any::<u8>().prop_map(Step::Send),
        6 => (0..FUNCTIONS.len(), prop::array::uniform9(word())).prop_map(|(f, args)| Step::Call(f, args)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_call_ends_in_a_code_a_wait_or_the_processs_own_death(steps in prop::collection::vec(step(), 1..40)) {
        let mut m = Machine::imported();
        for step in steps {
            match step {
                Step::Poke { counters, at, word } => {
                    // Only some pokes go into the header: they end what could be tried.
                    let at = if counters { m.counters + at % 1024 } else { m.queue + 0x100 + at };
                    m.g.write(at & !3, &word.to_le_bytes());
                }
                Step::Send(len) => m.send_if_it_fits(&vec![len; len.into()]),
                Step::Call(function, words) => {
                    let mut args = words.map(|word| match word {
                        Word::Any(any) => any,
                        Word::Small(small) => small.into(),
                        Word::Place(n) => m.to[n],
                        Word::Handle => m.handle,
                    });
                    if !matches!(words[0], Word::Any(_)) {
                        args[0] = m.handle;
                    }
                    match m.g.try_call(FUNCTIONS[function], &args) {
                        Ok(Outcome::Park(..)) => {
                            let (me, now) = (m.g.thread.id, m.g.os.now());
                            prop_assert!(m.g.os.lib.queues.waiter(me).is_some());
                            m.g.os.lib.queues.gave_up(&m.g.os.space, me, now);
                        }
                        Ok(Outcome::Return) => {}
                        Ok(_) => prop_assert!(false, "{} does something else", FUNCTIONS[function]),
                        // A wild pointer: the process is no more.
                        Err(_) => break,
                    }
                }
            }
            prop_assert!(m.g.os.lib.queues.waiting().is_empty());
        }
    }
}

/// However fast the AP sends wake-up packets, a read comes to its end.
#[test]
fn an_ap_that_goes_on_sending_wake_up_packets_keeps_nobody() {
    // So long that the AP keeps ahead of the reader.
    let mut m = Machine::made_with(0x8_0000);
    assert!(m.import(0, 0).is_ok());
    let (at, ring) = (m.queue, m.header.requests);
    let word = PacketHeader::new(packet_flag::WAKEUP, 0, 0, 0).unwrap().word();
    let all: Vec<u8> = (0..ring.len / 8).flat_map(|_| word.to_le_bytes()).collect();
    m.g.write(at + ring.start, &all);
    let (space, over) = (m.g.os.space.clone(), Arc::new(AtomicBool::new(false)));
    let is_over = over.clone();
    let ap = std::thread::spawn(move || {
        let began = Instant::now();
        while !is_over.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(10) {
            // All that fits behind the reader's position.
            let read = space.load32(at + ring.read_state).unwrap();
            let written = (read + ring.len - 8) % ring.len;
            space.store32(at + ring.write_state, written).unwrap();
        }
        is_over.load(Ordering::Relaxed)
    });
    for _ in 0..5 {
        while m.g.word(at + ring.write_state) == m.g.word(at + ring.read_state) {
            assert!(!ap.is_finished(), "the read before ended because the AP did");
            std::thread::yield_now();
        }
        let args = m.read_args(4096);
        // The clock stands still, so what a wake-up packet announces is waited for.
        assert!(matches!(
            m.g.try_call("dspqueue_read_noblock", &args),
            Ok(Outcome::Park(..)) | Ok(Outcome::Return)
        ));
        let (me, now) = (m.g.thread.id, m.g.os.now());
        m.g.os.lib.queues.gave_up(&m.g.os.space, me, now);
    }
    assert_eq!(m.g.os.lib.queues.get(m.id).unwrap().error, None);
    over.store(true, Ordering::Relaxed);
    assert!(ap.join().unwrap(), "the read ended because the AP did");
}
