//! Packet queues under an AP that writes anything anywhere and a skeleton that passes anything.

use proptest::prelude::*;

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
