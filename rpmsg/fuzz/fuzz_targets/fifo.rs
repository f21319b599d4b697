//! A guest that writes anything into the shared memory of both rings between the DSP's accesses: nothing panics, nothing runs on,
//! and no access leaves the ring.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rpmsg::fifo::{Link, RingMemory, rpm::Layout};
use std::cell::{Cell, RefCell};

const CAPACITY: u32 = 256;

#[derive(Debug, Arbitrary)]
enum Step {
    Word {
        to_ap: bool,
        index: u8,
        value: u32,
    },
    Head {
        value: u32,
    },
    Tail {
        value: u32,
    },
    /// An index that makes sense.
    GoodHead {
        step: u8,
    },
    GoodTail {
        step: u8,
    },
    Drain,
    Next,
    Push {
        bytes: Vec<u8>,
    },
    Look,
    Restart,
}

struct Ring {
    words: RefCell<[u32; CAPACITY as usize / 4]>,
    head: Cell<u32>,
    tail: Cell<u32>,
}

impl Ring {
    fn new() -> Self {
        Self {
            words: RefCell::new([0; CAPACITY as usize / 4]),
            head: Cell::new(0),
            tail: Cell::new(0),
        }
    }
}

impl RingMemory for Ring {
    fn capacity(&self) -> u32 {
        CAPACITY
    }
    fn tail(&self) -> u32 {
        self.tail.get()
    }
    fn head(&self) -> u32 {
        self.head.get()
    }
    fn publish_tail(&self, tail: u32) {
        assert!(tail < CAPACITY);
        self.tail.set(tail);
    }
    fn publish_head(&self, head: u32) {
        assert!(head < CAPACITY);
        self.head.set(head);
    }
    fn read_word(&self, offset: u32) -> u32 {
        assert_eq!(offset % 4, 0);
        self.words.borrow()[offset as usize / 4]
    }
    fn write_word(&self, offset: u32, word: u32) {
        assert_eq!(offset % 4, 0);
        self.words.borrow_mut()[offset as usize / 4] = word;
    }
}

fuzz_target!(|input: (Vec<u8>, u32, Vec<Step>)| {
    let (toc, region, steps) = input;
    let _ = Layout::parse_toc(&toc, region);
    let (rx, tx) = (Ring::new(), Ring::new());
    let mut link = Link::new(CAPACITY, CAPACITY).unwrap();
    for step in steps {
        match step {
            Step::Word { to_ap, index, value } => {
                let ring = if to_ap { &tx } else { &rx };
                ring.words.borrow_mut()[usize::from(index) % (CAPACITY as usize / 4)] = value;
            }
            Step::Head { value } => rx.head.set(value),
            Step::Tail { value } => tx.tail.set(value),
            Step::GoodHead { step } => rx.head.set(u32::from(step) * 8 % CAPACITY),
            Step::GoodTail { step } => tx.tail.set(u32::from(step) * 8 % CAPACITY),
            Step::Drain => {
                let mut received = Vec::new();
                let _ = link.consumer.drain(&rx, &mut received);
                assert!(received.len() <= CAPACITY as usize / 8);
            }
            Step::Next => drop(link.consumer.next(&rx)),
            Step::Push { bytes } => drop(link.producer.push(&tx, &bytes)),
            Step::Look => {
                let _ = link.driver_reloaded(&rx, &tx);
            }
            Step::Restart => link.restart(&rx, &tx),
        }
    }
});
