//! Contexts of calls, and what their numbers tell about those that were never freed.
//!
//! The driver numbers contexts with `idr_alloc_cyclic(1..256)` (fastrpc.c, `fastrpc_context_alloc`): each new one gets the
//! next number that is not in use, and a number comes free when the context is freed (`fastrpc_context_free`), together
//! with its buffers and maps. Kernels that put a sequence number above it (since 7.3; counted under the same lock) make
//! the order of allocation visible: of two neighbours in that order, every number between theirs was in use.
//!
//! | kernel | context |
//! |---|---|
//! | 6.1 to 6.12 | number << 4, PD in the low four bits |
//! | 7.3 | sequence << 16, number << 8, PD |
//! | QDA | number << 4, PD; the lowest free number of 32 bits, not cyclic, and free again when nobody waits (`xa_alloc`, `xa_erase` in qda_ioctl.c, `fastrpc_invoke`) |

use std::collections::BTreeMap;

/// How this driver makes contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Number in bits 4 and up.
    Plain,
    /// Number in bits 8 to 15, sequence above.
    Sequenced,
}

/// What is echoed of a context, as far as the driver looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub u64);

/// `FASTRPC_DSP_PD_NOTIFY_CTX`: ignored by drivers with sequence numbers.
const NOTIFICATION: u64 = 0xABCD_ABCD;
/// Numbers a driver has.
const NUMBERS: u64 = 255;
/// How far the allocation order may go on before a number that was due is taken as skipped.
const SLACK: u64 = 64;
/// Allocations after which the same number is due again at the latest.
const CYCLE: u64 = NUMBERS + SLACK;
/// Times a number must have been skipped, by proof and by position.
const PROOFS: u8 = 2;
const POSITIONS: u8 = 3;

/// A number that was answered and has not been seen again.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// Where in the order it was last accounted for.
    since: u64,
    skipped: u8,
}

/// The numbers of one life of the channel.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    format: Option<Format>,
    /// The newest neighbours in order of allocation: sequence → number.
    order: BTreeMap<u64, u64>,
    /// Plain: how often the numbers went round, in numbers.
    position: u64,
    last: u64,
    recent: BTreeMap<u64, u64>,
    waiting: BTreeMap<u64, Waiting>,
    /// The numbers do not go round (QDA).
    unordered: bool,
}

impl Numbers {
    fn format(&mut self, ctx: u64) -> Format {
        *self.format.get_or_insert(if ctx >> 16 == 0 {
            Format::Plain
        } else {
            Format::Sequenced
        })
    }

    /// The key of a request's context.
    pub fn request(&mut self, ctx: u64) -> Key {
        match self.format(ctx) {
            Format::Plain => Key(ctx >> 4),
            Format::Sequenced => Key(ctx >> 8),
        }
    }

    /// Numbers of QDA do not go round.
    pub fn are_qdas(&mut self) {
        self.unordered = true;
        self.waiting.clear();
    }

    /// The key that an answer's context finds in the driver, if it can find any. `open` says whether a key's call is unanswered.
    pub fn answer(&self, ctx: u64, open: impl Fn(Key) -> bool) -> Option<Key> {
        match self.format? {
            // QDA looks at all bits (qda_rpmsg.c, `extract_context_id`), fastrpc.c at those of its 255 numbers.
            Format::Plain if open(Key(ctx >> 4)) => Some(Key(ctx >> 4)),
            Format::Plain => Some(Key((ctx & 0xff0) >> 4)),
            Format::Sequenced if ctx == NOTIFICATION => None,
            Format::Sequenced => Some(Key(ctx >> 8)),
        }
    }

    /// The number in a key.
    pub fn number(&self, key: Key) -> u64 {
        match self.format {
            Some(Format::Sequenced) => key.0 & 0xff,
            _ => key.0,
        }
    }

    /// A call was answered: its number should come free. False if nothing can be concluded from these numbers.
    pub fn answered(&mut self, key: Key) -> bool {
        let number = self.number(key);
        let since = match self.format {
            Some(Format::Sequenced) => self.order.keys().next_back().copied().unwrap_or(0),
            _ => self.position,
        };
        if !self.unordered {
            self.waiting.insert(number, Waiting { since, skipped: 0 });
        }
        !self.unordered
    }

    /// A request came. `open` says whether a number's call is still unanswered. Returns numbers that were never freed, each
    /// once.
    pub fn seen(&mut self, key: Key, open: impl Fn(u64) -> bool) -> Vec<u64> {
        let number = self.number(key);
        self.waiting.remove(&number);
        let skipped = match self.format {
            Some(Format::Sequenced) => self.neighbours(key.0 >> 8, number),
            _ => self.passed(number),
        };
        let needed = match self.format {
            Some(Format::Sequenced) => PROOFS,
            _ => POSITIONS,
        };
        let mut kept = Vec::new();
        for (number, at) in skipped {
            let Some(waiting) = self.waiting.get_mut(&number) else {
                continue;
            };
            if open(number) || at < waiting.since {
                continue;
            }
            if at - waiting.since > CYCLE {
                // It may have been allocated in between without a message that we saw.
                self.waiting.remove(&number);
                continue;
            }
            // Two sightings of the same round count once.
            if waiting.skipped > 0 && at - waiting.since < NUMBERS / 2 {
                continue;
            }
            *waiting = Waiting {
                since: at,
                skipped: waiting.skipped + 1,
            };
            if waiting.skipped >= needed {
                self.waiting.remove(&number);
                kept.push(number);
            }
        }
        kept
    }

    /// By sequence: (number, sequence) of all that were in use when the later of two neighbours was allocated.
    fn neighbours(&mut self, sequence: u64, number: u64) -> Vec<(u64, u64)> {
        self.order.insert(sequence, number);
        while self.order.len() > 64 {
            self.order.pop_first();
        }
        let mut skipped = Vec::new();
        for first in [sequence.wrapping_sub(1), sequence] {
            let (Some(&a), Some(&b)) = (self.order.get(&first), self.order.get(&first.wrapping_add(1)))
            else {
                continue;
            };
            let mut at = a % NUMBERS + 1;
            while at != b && (1..=NUMBERS).contains(&b) && at != a {
                skipped.push((at, first.wrapping_add(1)));
                at = at % NUMBERS + 1;
            }
        }
        skipped
    }

    /// By position: (number, position) of all that were due long ago.
    fn passed(&mut self, number: u64) -> Vec<(u64, u64)> {
        if self.unordered || !(1..=NUMBERS).contains(&number) {
            self.unordered = true;
            self.waiting.clear();
            return Vec::new();
        }
        // Messages of several processors may overtake each other a little.
        let ahead = (number + NUMBERS - self.last.min(NUMBERS)) % NUMBERS;
        if ahead <= NUMBERS / 2 || self.position == 0 {
            self.position += ahead.max(u64::from(self.position == 0));
            self.last = number;
        }
        let position = if ahead <= NUMBERS / 2 {
            self.position
        } else {
            (self.position + ahead).saturating_sub(NUMBERS)
        };
        // A cyclic allocator does not come back to a number before the round is over.
        if self
            .recent
            .insert(number, position)
            .is_some_and(|before| position.saturating_sub(before) < NUMBERS / 2 || position < before)
        {
            self.unordered = true;
            self.waiting.clear();
            return Vec::new();
        }
        let here = self.position;
        self.waiting
            .iter()
            .filter_map(|(&number, waiting)| {
                // The first position after `since` at which the number is due.
                let last = self.recent.get(&number).copied()?;
                let rounds = waiting.since.saturating_sub(last) / NUMBERS + 1;
                let due = last + rounds * NUMBERS;
                (here > due + SLACK).then_some((number, due))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `idr_alloc_cyclic(1..256)` with numbers that stay in use.
    struct Driver {
        next: u64,
        sequence: u64,
        used: Vec<u64>,
    }

    impl Driver {
        fn new(used: &[u64]) -> Self {
            Self {
                next: 1,
                sequence: 0,
                used: used.to_vec(),
            }
        }

        fn allocate(&mut self) -> (u64, u64) {
            while self.used.contains(&self.next) {
                self.next = self.next % NUMBERS + 1;
            }
            let number = self.next;
            self.next = self.next % NUMBERS + 1;
            self.sequence += 1;
            (number, self.sequence)
        }
    }

    fn plain((number, _): (u64, u64)) -> u64 {
        number << 4 | 1
    }

    fn sequenced((number, sequence): (u64, u64)) -> u64 {
        sequence << 16 | number << 8 | 1
    }

    /// Calls that are answered at once; what is told, with the index of the call that told it.
    fn run(driver: &mut Driver, make: fn((u64, u64)) -> u64, calls: usize) -> Vec<(usize, u64)> {
        let mut numbers = Numbers::default();
        let mut told = Vec::new();
        for index in 0..calls {
            let context = driver.allocate();
            if index == 9 {
                // This one is answered like all others, but never freed.
                driver.used.push(context.0);
            }
            let key = numbers.request(make(context));
            told.extend(numbers.seen(key, |_| false).into_iter().map(|n| (index, n)));
            assert_eq!(numbers.answer(make(context), |_| true), Some(key));
            numbers.answered(key);
        }
        told
    }

    #[test]
    fn a_number_that_is_skipped_again_and_again_was_never_freed() {
        let by_proof = run(&mut Driver::new(&[]), sequenced, 1000);
        assert_eq!(by_proof.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [10]);
        assert!(by_proof[0].0 > 255 && by_proof[0].0 < 600, "{by_proof:?}");
        let by_position = run(&mut Driver::new(&[]), plain, 1200);
        assert_eq!(by_position.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [10]);
        assert!(by_position[0].0 > 3 * 254, "{by_position:?}");
    }

    #[test]
    fn numbers_that_come_free_are_not_told() {
        for make in [plain, sequenced] {
            let mut driver = Driver::new(&[]);
            let mut numbers = Numbers::default();
            for _ in 0..5000 {
                let key = numbers.request(make(driver.allocate()));
                assert!(numbers.seen(key, |_| false).is_empty());
                numbers.answered(key);
            }
        }
    }

    #[test]
    fn a_parked_call_is_in_use_rightly() {
        for make in [plain, sequenced] {
            let mut driver = Driver::new(&[5]);
            let mut numbers = Numbers::default();
            // 5 was allocated before, and its call is open.
            for _ in 0..3000 {
                let key = numbers.request(make(driver.allocate()));
                assert!(numbers.seen(key, |n| n == 5).is_empty());
                numbers.answered(key);
            }
        }
    }

    #[test]
    fn calls_that_fail_before_they_are_sent_leave_gaps_that_prove_nothing() {
        for make in [plain, sequenced] {
            let mut driver = Driver::new(&[]);
            let mut numbers = Numbers::default();
            for index in 0..5000u64 {
                let context = driver.allocate();
                // A different one each round.
                if index % 97 == 3 {
                    continue;
                }
                let key = numbers.request(make(context));
                assert!(numbers.seen(key, |_| false).is_empty(), "{index}");
                numbers.answered(key);
            }
        }
    }

    #[test]
    fn overtaking_messages_prove_nothing() {
        for make in [plain, sequenced] {
            let mut driver = Driver::new(&[]);
            let mut numbers = Numbers::default();
            for _ in 0..600 {
                let mut batch: Vec<_> = (0..5).map(|_| driver.allocate()).collect();
                batch.swap(0, 3);
                batch.swap(1, 4);
                for context in batch {
                    let key = numbers.request(make(context));
                    assert!(numbers.seen(key, |_| false).is_empty());
                    numbers.answered(key);
                }
            }
        }
    }

    #[test]
    fn an_allocator_that_is_not_cyclic_proves_nothing() {
        let mut numbers = Numbers::default();
        for index in 0..3000u64 {
            let key = numbers.request((1 + index % 7 / 6) << 4 | 1);
            assert!(numbers.seen(key, |_| false).is_empty());
            numbers.answered(key);
        }
    }

    #[test]
    fn answers_are_found_as_the_driver_finds_them() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.answer(0x10, |_| true), None, "nothing was asked yet");
        let key = numbers.request(0x7_0501);
        assert_eq!((key, numbers.number(key)), (Key(0x705), 5));
        assert_eq!(
            numbers.answer(0x7_0500, |_| true),
            Some(key),
            "PD bits do not matter"
        );
        assert_ne!(numbers.answer(0x6_0501, |_| true), Some(key), "another sequence");
        assert_eq!(numbers.answer(NOTIFICATION, |_| true), None);
        let mut numbers = Numbers::default();
        let key = numbers.request(0x51);
        assert_eq!(
            numbers.answer(0xffff_f05f, |open| open == key),
            Some(key),
            "only bits 4 to 11 matter"
        );
        // The 300th of QDA's that are open at once.
        let many = numbers.request(300 << 4);
        assert_eq!(numbers.answer(300 << 4, |open| open == many), Some(many));
    }
}
