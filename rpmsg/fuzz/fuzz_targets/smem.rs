//! SMEM that a guest damages anywhere, between and during the DSP's accesses: items that are found lie in the region, allocation
//! ends, and both layouts of the rings hold what they promise.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rpmsg::fifo::smem as fifo;
use rpmsg::smem::{ImageBuilder, Item, Layout, Smem, TcsrMutex};
use rpmsg::words::{Image, Outside, Words};
use std::cell::{Cell, RefCell};

const SIZE: u32 = 0x2_0000;

#[derive(Debug, Arbitrary)]
enum Step {
    /// Near a structure: header and heap table, partition table, partition, its end, or the global partition.
    Write {
        place: u8,
        word: u16,
        value: Value,
    },
    Item {
        remote: u8,
        id: u16,
    },
    Allocate {
        remote: u8,
        id: u16,
        size: u32,
    },
    Crash {
        id: u16,
        text: String,
    },
    Rings,
    List,
}

#[derive(Debug, Arbitrary)]
enum Value {
    Any(u32),
    Small(u8),
    Page(u8),
    Canary(u16),
    Lock(u8),
}

#[derive(Debug, Arbitrary)]
struct Inputs {
    layout: u8,
    steps: Vec<Step>,
    /// Writes of the guest in the middle of the DSP's accesses: after so many of them, where, what.
    races: Vec<(u8, u8, u16, u32)>,
}

fn value(value: &Value) -> u32 {
    match *value {
        Value::Any(v) => v,
        Value::Small(v) => v.into(),
        Value::Page(v) => u32::from(v) << 12,
        Value::Canary(id) => 0xa5a5 | u32::from(id) << 16,
        Value::Lock(v) => u32::from(v % 4),
    }
}

fn offset(place: u8, word: u16) -> u32 {
    let word = u32::from(word);
    match place % 6 {
        0 => 0x40 + word % 64 * 4,
        1 => 0xd0 + word % 2048 * 4,
        2 => SIZE - 4096 + word % 64 * 4,
        3 => SIZE - 4096 - 0x8000 + word % 256 * 4,
        4 => SIZE - 4096 - 4 - word % 64 * 4,
        _ => 0x3000 + word % 256 * 4,
    }
}

struct Racing<'a> {
    image: &'a Image,
    races: RefCell<Vec<(u8, u8, u16, u32)>>,
    count: Cell<u8>,
}

impl Racing<'_> {
    fn go(&self) {
        let mut races = self.races.borrow_mut();
        self.count.set(self.count.get().wrapping_add(1));
        if races.last().is_some_and(|(after, ..)| *after <= self.count.get())
            && let Some((_, place, word, value)) = races.pop()
        {
            self.count.set(0);
            let _ = self.image.store(offset(place, word), value);
        }
    }
}

impl Words for Racing<'_> {
    fn size(&self) -> u32 {
        self.image.size()
    }
    fn load(&self, offset: u32) -> Result<u32, Outside> {
        self.go();
        self.image.load(offset)
    }
    fn store(&self, offset: u32, word: u32) -> Result<(), Outside> {
        self.go();
        self.image.store(offset, word)
    }
    fn compare_exchange(&self, offset: u32, old: u32, new: u32) -> Result<bool, Outside> {
        self.go();
        self.image.compare_exchange(offset, old, new)
    }
}

fn inside(item: &Item) {
    assert_eq!(item.offset % 4, 0);
    assert!(u64::from(item.offset) + u64::from(item.size) <= u64::from(SIZE));
}

fuzz_target!(|inputs: Inputs| {
    let layout = [Layout::Heap, Layout::Partitions, Layout::GlobalPartition][usize::from(inputs.layout % 3)];
    let builder = ImageBuilder::new(SIZE, layout)
        .remote(2, 0x8000)
        .global_item(423, vec![0; 64])
        .item(2, 443, vec![1; 340]);
    let image = Image::new(builder.build().unwrap());
    let mut races = inputs.races;
    races.truncate(64);
    let smem = Smem::new(Racing {
        image: &image,
        races: RefCell::new(races),
        count: Cell::new(0),
    });
    let word = Image::new(vec![0; 4]);
    let lock = TcsrMutex::new(&word, 0, 2);
    for step in inputs.steps.iter().take(64) {
        match step {
            Step::Write {
                place,
                word: at,
                value: v,
            } => {
                if let Value::Lock(_) = v {
                    word.store(0, value(v)).unwrap();
                } else {
                    image.store(offset(*place, *at), value(v)).unwrap();
                }
            }
            Step::Item { remote, id } => {
                for found in [smem.item(u16::from(remote % 4), *id), smem.global_item(*id)] {
                    found.iter().flatten().for_each(inside);
                }
            }
            Step::Allocate { remote, id, size } => {
                if let Ok(made) = smem.allocate(u16::from(remote % 4), *id, *size, &lock) {
                    inside(&made.item);
                }
            }
            Step::Crash { id, text } => {
                let _ = smem.set_crash_reason(*id, text, &lock);
                let _ = smem.crash_reason(*id);
            }
            Step::Rings => {
                let _ = fifo::reset(&smem, 2);
                if let Ok(Some(rings)) = fifo::Layout::find(&smem, 2) {
                    for ring in [rings.from_ap, rings.to_ap] {
                        assert!(ring.head + 4 <= SIZE && ring.tail + 4 <= SIZE);
                        assert!(ring.data + ring.size <= SIZE);
                    }
                }
            }
            Step::List => {
                let _ = (smem.items(2), smem.global_items());
            }
        }
    }
});
