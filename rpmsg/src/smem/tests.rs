use super::layout::*;
use super::*;
use crate::words::{Image, Outside, Words, read_bytes, write_bytes};
use proptest::{collection::vec, prelude::*};
use std::cell::{Cell, RefCell};

const SIZE: u32 = 0x20_0000;
const LOCK: u32 = 0;

fn image(layout: Layout) -> Image {
    let builder = ImageBuilder::new(SIZE, layout)
        .remote(2, 0x2_0000)
        .global_item(socinfo::ITEM, vec![7; socinfo::SIZE])
        .global_item(423, vec![0; 256])
        .item(2, 443, (0..=255).chain(0..83).collect());
    let builder = match layout {
        Layout::Heap => builder,
        _ => builder.remote(5, 0x1_0000).item(5, 94, vec![5; 8]),
    };
    Image::new(builder.build().unwrap())
}

fn lock() -> Image {
    Image::new(vec![0; 4])
}

const LAYOUTS: [Layout; 3] = [Layout::Heap, Layout::Partitions, Layout::GlobalPartition];

#[test]
fn built_items_are_found() {
    for layout in LAYOUTS {
        let smem = Smem::new(image(layout));
        assert_eq!(smem.layout(), Ok(layout));
        let item = smem.item(2, 443).unwrap().unwrap();
        let heap = layout == Layout::Heap;
        assert_eq!(item.size, if heap { 344 } else { 339 });
        let bytes = read_bytes(smem.words(), item.offset, 339).unwrap();
        assert_eq!(bytes, (0..=255).chain(0..83).collect::<Vec<u8>>());
        // A global item is found through any host without a partition.
        let info = smem.global_item(socinfo::ITEM).unwrap().unwrap();
        assert_eq!(info.size as usize, socinfo::SIZE);
        assert_eq!(smem.item(9, socinfo::ITEM), Ok(Some(info)));
        assert_eq!(smem.item(2, socinfo::ITEM).unwrap().is_some(), heap);
        assert_eq!(smem.item(2, 430), Ok(None));
        assert_eq!(smem.global_item(430), Ok(None));
        assert_eq!(smem.item(2, 512), Err(SmemError::Number(512)));
        assert_eq!(smem.global_items().unwrap().len(), if heap { 3 } else { 2 });
        assert_eq!(smem.items(2).unwrap().len(), usize::from(!heap));
    }
}

/// The image that board_probe.py wrote by hand and the stock kernel took.
#[test]
fn the_image_that_the_kernel_took() {
    let image = Image::new(vec![0; SIZE as usize]);
    image.store(64 + 7 * 4, 11 << 16).unwrap();
    for (at, word) in [(0xc0, 1), (0xc4, 0x4000), (0xc8, 0x10_0000 - 0x4000)] {
        image.store(at, word).unwrap();
    }
    let table = SIZE - 4096;
    write_bytes(&image, table, b"$TOC\x01\0\0\0\x01\0\0\0").unwrap();
    let entry = [0x10_0000u32, 0x4_0000, 0, 2 << 16, 32];
    write_bytes(&image, table + 32, &entry.map(u32::to_le_bytes).concat()).unwrap();
    let part = 0x10_0000;
    write_bytes(&image, part, b"$PRT\0\0\x02\0").unwrap();
    for (at, word) in [(8, 0x4_0000), (12, 32 + 16 + 344), (16, 0x4_0000)] {
        image.store(part + at, word).unwrap();
    }
    let header = ItemHeader::new(443, 340).unwrap();
    write_bytes(&image, part + 32, &header.encode()).unwrap();
    let smem = Smem::new(image);
    assert_eq!(smem.layout(), Ok(Layout::Partitions));
    let item = smem.item(2, 443).unwrap().unwrap();
    assert_eq!((item.offset, item.size), (part + 48, 340));
    let made = smem
        .allocate(2, 480, 0x4000, &TcsrMutex::new(lock(), LOCK, 2))
        .unwrap();
    assert_eq!(made.item.offset, part + 48 + 344 + 16);
    assert_eq!(smem.words().load(part + 12), Ok(32 + 16 + 344 + 16 + 0x4000));
}

#[test]
fn impossible_images_are_refused() {
    let new = |size, layout| ImageBuilder::new(size, layout);
    let p = Layout::Partitions;
    assert_eq!(new(0x1_0010, p).build(), Err(ImageError::Size(0x1_0010)));
    assert_eq!(new(0, p).build(), Err(ImageError::Size(0)));
    for host in [0, 20, HOST_GLOBAL] {
        assert_eq!(
            new(SIZE, p).remote(host, 4096).build(),
            Err(ImageError::Host(host))
        );
    }
    let twice = new(SIZE, p).remote(2, 4096).remote(2, 4096);
    assert_eq!(twice.build(), Err(ImageError::Host(2)));
    for size in [0, 100, SIZE, 0x1F_C000] {
        assert_eq!(
            new(SIZE, p).remote(2, size).build(),
            Err(ImageError::Partition(size))
        );
    }
    let two = new(SIZE, Layout::Heap).remote(2, 0).remote(5, 0);
    assert_eq!(two.build(), Err(ImageError::OneHost));
    let stranger = new(SIZE, p).item(3, 443, vec![]);
    assert_eq!(
        stranger.build(),
        Err(ImageError::NoPartition { remote: 3, id: 443 })
    );
    for layout in LAYOUTS {
        let twice = new(SIZE, layout).global_item(9, vec![1]).global_item(9, vec![1]);
        assert_eq!(twice.build(), Err(ImageError::Duplicate(9)));
        let number = new(SIZE, layout).global_item(512, vec![]);
        assert_eq!(number.build(), Err(ImageError::Number(512)));
        let size = 0x20_0000;
        let full = new(SIZE, layout).global_item(9, vec![0; size]);
        assert_eq!(full.build(), Err(ImageError::Full { id: 9, size }));
    }
}

#[test]
fn version_12_has_its_own_item_count() {
    let build = |count| {
        ImageBuilder::new(SIZE, Layout::GlobalPartition)
            .item_count(count)
            .global_item(600, vec![1; 4])
            .build()
    };
    assert_eq!(build(600), Err(ImageError::Number(600)));
    let smem = Smem::new(Image::new(build(700).unwrap()));
    assert_eq!(smem.item_count(), Ok(700));
    assert_eq!(smem.global_item(600).unwrap().unwrap().size, 4);
    assert_eq!(smem.global_item(700), Err(SmemError::Number(700)));
    // Without the information behind the table, the number is the usual one.
    smem.words().store(SIZE - 4096 + 32 + 48, 0).unwrap();
    assert_eq!(smem.item_count(), Ok(512));
}

#[test]
fn items_are_allocated_once() {
    for layout in LAYOUTS {
        let smem = Smem::new(image(layout));
        let word = lock();
        let lock = TcsrMutex::new(&word, LOCK, 2);
        let first = smem.allocate(2, 480, 0x4000, &lock).unwrap();
        assert!(first.new);
        assert_eq!((first.item.id, first.item.size), (480, 0x4000));
        assert_eq!(smem.item(2, 480), Ok(Some(first.item)));
        let again = smem.allocate(2, 480, 0x4000, &lock).unwrap();
        assert_eq!((again.item, again.new), (first.item, false));
        assert_eq!(
            smem.allocate(2, 480, 0x2000, &lock),
            Err(SmemError::Size {
                id: 480,
                found: 0x4000,
                need: 0x2000
            })
        );
        let odd = smem.allocate(2, 481, 13, &lock).unwrap().item;
        assert_eq!(odd.size, if layout == Layout::Heap { 16 } else { 13 });
        assert_eq!(smem.allocate(2, 481, 13, &lock).unwrap().item, odd);
        assert!(odd.offset >= first.item.offset + 0x4000);
        for id in [7, 512] {
            assert_eq!(smem.allocate(2, id, 8, &lock), Err(SmemError::Number(id)));
        }
        let huge = smem.allocate(2, 482, 0x20_0000, &lock);
        assert!(matches!(huge, Err(SmemError::Full { .. })), "{huge:?}");
        assert!(matches!(
            smem.allocate(2, 482, u32::MAX, &lock),
            Err(SmemError::Full { .. })
        ));
        assert_eq!(word.load(0), Ok(0));
        word.store(0, 1).unwrap();
        assert_eq!(smem.allocate(2, 482, 8, &lock), Err(SmemError::Locked));
    }
}

#[test]
fn a_new_item_is_zero() {
    for layout in LAYOUTS {
        let smem = Smem::new(image(layout));
        let free = smem
            .allocate(2, 480, 64, &TcsrMutex::new(lock(), 0, 2))
            .unwrap()
            .item;
        let smem = Smem::new(image(layout));
        write_bytes(smem.words(), free.offset, &[0xEE; 64]).unwrap();
        let item = smem
            .allocate(2, 480, 64, &TcsrMutex::new(lock(), 0, 2))
            .unwrap()
            .item;
        assert_eq!(item, free);
        assert_eq!(read_bytes(smem.words(), item.offset, 64).unwrap(), [0; 64]);
    }
}

#[test]
fn the_crash_reason_ends_with_zero() {
    for layout in LAYOUTS {
        let smem = Smem::new(image(layout));
        let lock = TcsrMutex::new(lock(), LOCK, 2);
        for id in [423, 421] {
            assert_eq!(smem.crash_reason(id), Ok(None));
            smem.set_crash_reason(id, "a long reason", &lock).unwrap();
            smem.set_crash_reason(id, "why", &lock).unwrap();
            assert_eq!(smem.crash_reason(id), Ok(Some("why".into())));
            smem.set_crash_reason(id, &"x".repeat(1000), &lock).unwrap();
            assert_eq!(smem.crash_reason(id).unwrap().unwrap().len(), 255);
        }
        assert_eq!(smem.global_item(421).unwrap().unwrap().size, CRASH_REASON_SIZE);
    }
}

#[test]
fn cached_items_are_found() {
    let smem = Smem::new(image(Layout::Partitions));
    let (part, size) = (SIZE - 4096 - 0x2_0000, 0x2_0000);
    // Two items, the newer one below: data, then header, each header 32 bytes from what is above.
    for (id, header_at, data) in [(500, size - 32, 16), (501, size - 32 - 16 - 32, 8)] {
        let header = ItemHeader::new(id, data).unwrap();
        write_bytes(smem.words(), part + header_at, &header.encode()).unwrap();
        write_bytes(smem.words(), part + header_at - data, &[id as u8; 8]).unwrap();
    }
    let free = size - 32 - 16 - 32 - 8;
    smem.words()
        .store(part + PartitionHeader::FREE_CACHED, free)
        .unwrap();
    for (id, offset, bytes) in [(500, size - 48, 16), (501, free, 8)] {
        let item = smem.item(2, id).unwrap().unwrap();
        assert_eq!(
            (item.offset, item.size, item.place),
            (part + offset, bytes, Place::Cached)
        );
        assert_eq!(
            smem.words().load(item.offset),
            Ok(u32::from_le_bytes([id as u8; 4]))
        );
    }
    assert_eq!(smem.item(2, 502), Ok(None));
    assert_eq!(smem.items(2).unwrap().len(), 3);
}

#[test]
fn damage_is_an_error() {
    let table = SIZE - 4096;
    let part = table - 0x2_0000;
    let damaged = |layout, at: u32, word: u32| {
        let smem = Smem::new(image(layout));
        smem.words().store(at, word).unwrap();
        smem.item(2, 470)
    };
    let p = Layout::Partitions;
    assert_eq!(damaged(p, 0xc0, 0), Err(SmemError::NotInitialized));
    assert_eq!(damaged(p, 0xcc, 1), Err(SmemError::NotInitialized));
    assert_eq!(damaged(p, 0x5c, 10 << 16), Err(SmemError::Version(10 << 16)));
    assert_eq!(damaged(p, table + 4, 2), Err(SmemError::TableVersion(2)));
    assert_eq!(damaged(p, table + 8, 85), Err(SmemError::TableLength(85)));
    assert_eq!(
        damaged(p, table + 8, u32::MAX),
        Err(SmemError::TableLength(u32::MAX))
    );
    assert_eq!(
        damaged(p, table + 32 + 48 + 12, 2 << 16),
        Err(SmemError::DuplicatePartition(2))
    );
    for (at, word, what) in [
        (part, 0, "no magic"),
        (part + 4, 3 << 16, "hosts differ from the table's"),
        (part + 8, 0x1_0000, "size differs from the table's"),
        (part + 12, 0x2_0001, "free memory outside of it"),
        (part + 16, u32::MAX, "free memory outside of it"),
    ] {
        assert_eq!(
            damaged(p, at, word),
            Err(SmemError::Partition { offset: part, what })
        );
    }
    let bad = SmemError::Partition {
        offset: u32::MAX - 7,
        what: "too large",
    };
    assert_eq!(damaged(p, table + 32, u32::MAX - 7), Err(bad));
    for (at, word, what) in [
        (32, 0, "wrong canary"),
        (36, u32::MAX, "too large"),
        (40, 345, "more padding than data"),
    ] {
        let offset = part + 32;
        assert_eq!(
            damaged(p, part + at, word),
            Err(SmemError::Chain { offset, what })
        );
    }
    let global = SmemError::Partition {
        offset: 0x3000,
        what: "no magic",
    };
    let smem = Smem::new(image(Layout::GlobalPartition));
    smem.words().store(0x3000, 0).unwrap();
    assert_eq!(smem.global_item(423), Err(global));
    smem.words().store(table + 32 + 2 * 48, 0).unwrap();
    assert_eq!(smem.global_item(423), Err(SmemError::NoGlobalPartition));
    let smem = Smem::new(image(p));
    for (field, word) in [(4, u32::MAX), (8, SIZE), (12, 0x6_0000)] {
        let smem = smem.clone();
        smem.words()
            .store(Header::TABLE + 423 * 16 + field, word)
            .unwrap();
        assert_eq!(smem.global_item(423), Err(SmemError::GlobalItem(423)));
    }
    assert!(matches!(
        Smem::new(Image::new(vec![0; 64])).item(2, 443),
        Err(SmemError::Outside(_))
    ));
}

// ---- the AP allocates at the same time ----

/// One allocation as the kernel's `qcom_smem_alloc` does it, one access of shared memory at a time.
struct Ap {
    layout: Layout,
    id: u16,
    size: u32,
    step: u32,
    at: u32,
    loaded: u32,
    done: bool,
}

impl Ap {
    fn new(layout: Layout, id: u16, size: u32) -> Self {
        Self {
            layout,
            id,
            size,
            step: 0,
            at: 0,
            loaded: 0,
            done: false,
        }
    }

    fn run(&mut self, smem: &Image, lock: &Image) {
        if self.done {
            return;
        }
        let part = SIZE - 4096 - 0x2_0000;
        let padded = self.size.next_multiple_of(8);
        let step = self.step;
        self.step += 1;
        match (step, self.layout) {
            (0, _) => lock.store(0, 1).unwrap(),
            (1, Layout::Heap) => self.at = smem.load(Header::FREE_OFFSET).unwrap(),
            (2, Layout::Heap) => smem.store(self.entry() + 4, self.at).unwrap(),
            (3, Layout::Heap) => smem.store(self.entry() + 8, padded).unwrap(),
            (4, Layout::Heap) => smem.store(self.entry(), 1).unwrap(),
            (5 | 7, Layout::Heap) => {
                let word = if step == 5 {
                    Header::FREE_OFFSET
                } else {
                    Header::AVAILABLE
                };
                self.loaded = smem.load(word).unwrap();
            }
            (6, Layout::Heap) => smem.store(Header::FREE_OFFSET, self.loaded + padded).unwrap(),
            (8, Layout::Heap) => smem.store(Header::AVAILABLE, self.loaded - padded).unwrap(),
            (1, _) => {
                let end = smem.load(part + 12).unwrap();
                let mut at = 32;
                while at < end {
                    let word = smem.load(part + at).unwrap();
                    assert_eq!(
                        word & 0xffff,
                        0xa5a5,
                        "the kernel meets an invalid canary at {at:#x}"
                    );
                    assert_ne!(word >> 16, u32::from(self.id));
                    at += 16 + smem.load(part + at + 4).unwrap();
                }
                self.at = at;
            }
            // The compiler may order these as it likes.
            (2..=4, _) => {
                let header = ItemHeader::new(self.id, self.size).unwrap().encode();
                let word = [2, 0, 1][step as usize - 2] * 4;
                let bytes = header[word..word + 4].try_into().unwrap();
                smem.store(part + self.at + word as u32, u32::from_le_bytes(bytes))
                    .unwrap();
            }
            (5, _) => self.loaded = smem.load(part + 12).unwrap(),
            (6, _) => smem.store(part + 12, self.loaded + 16 + padded).unwrap(),
            (7 | 8, _) => {}
            (9, _) => {
                assert_eq!(
                    lock.load(0),
                    Ok(1),
                    "the kernel would complain about a stolen lock"
                );
                lock.store(0, 0).unwrap();
            }
            _ => self.done = true,
        }
    }

    fn entry(&self) -> u32 {
        Header::TABLE + u32::from(self.id) * 16
    }
}

/// Memory in which the AP acts before each access of the DSP, as many steps as the schedule says.
struct Racing<'a> {
    memory: &'a Image,
    race: &'a Race<'a>,
}

struct Race<'a> {
    smem: &'a Image,
    lock: &'a Image,
    ap: RefCell<Ap>,
    schedule: &'a [u8],
    at: Cell<usize>,
}

impl Race<'_> {
    fn go(&self) {
        let steps = self.schedule.get(self.at.get()).copied().unwrap_or(1);
        self.at.set(self.at.get() + 1);
        for _ in 0..steps {
            self.ap.borrow_mut().run(self.smem, self.lock);
        }
    }
}

impl Words for Racing<'_> {
    fn size(&self) -> u32 {
        self.memory.size()
    }
    fn load(&self, offset: u32) -> Result<u32, Outside> {
        self.race.go();
        self.memory.load(offset)
    }
    fn store(&self, offset: u32, word: u32) -> Result<(), Outside> {
        self.race.go();
        self.memory.store(offset, word)
    }
    fn compare_exchange(&self, offset: u32, old: u32, new: u32) -> Result<bool, Outside> {
        self.race.go();
        self.memory.compare_exchange(offset, old, new)
    }
}

/// Gives the number of accesses of the DSP.
fn race(layout: Layout, schedule: &[u8], ours: u32, theirs: u32) -> Result<usize, TestCaseError> {
    let (smem, lock) = (image(layout), lock());
    let race = Race {
        smem: &smem,
        lock: &lock,
        ap: RefCell::new(Ap::new(layout, 478, theirs)),
        schedule,
        at: Cell::new(0),
    };
    let memory = Racing {
        memory: &smem,
        race: &race,
    };
    let word = Racing {
        memory: &lock,
        race: &race,
    };
    let made = Smem::new(memory)
        .allocate(2, 480, ours, &TcsrMutex::new(word, LOCK, 2))
        .unwrap();
    let accesses = race.at.get();
    while !race.ap.borrow().done {
        race.ap.borrow_mut().run(&smem, &lock);
    }
    let smem = Smem::new(&smem);
    let mine = smem.item(2, 480).unwrap();
    let other = smem.item(2, 478).unwrap().unwrap();
    prop_assert_eq!(mine, Some(made.item));
    // The AP's item is where the AP believes it is.
    let believed = match layout {
        Layout::Heap => race.ap.borrow().at,
        _ => SIZE - 4096 - 0x2_0000 + race.ap.borrow().at + 16,
    };
    prop_assert_eq!(other.offset, believed);
    let rounded = |size: u32| {
        if layout == Layout::Heap {
            size.next_multiple_of(8)
        } else {
            size
        }
    };
    prop_assert_eq!((made.item.size, other.size), (rounded(ours), rounded(theirs)));
    let (a, b) = (made.item, other);
    prop_assert!(a.offset + a.size <= b.offset || b.offset + b.size <= a.offset);
    prop_assert_eq!(lock.load(0), Ok(0));
    Ok(accesses)
}

/// The AP starts its whole or partial allocation before each single access of the DSP.
#[test]
fn the_ap_may_allocate_at_any_moment() {
    for layout in [Layout::Heap, Layout::Partitions] {
        let accesses = race(layout, &[0; 10_000], 24, 32).unwrap();
        for start in 0..accesses {
            for first in 1..=10 {
                let mut schedule = vec![0; start];
                schedule.push(first);
                // And rests in the middle, as a preempted virtual CPU does.
                schedule.extend([0; 12]);
                race(layout, &schedule, 24, 32).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn the_ap_may_allocate_in_any_rhythm(
        heap in any::<bool>(),
        start in 0usize..2200,
        rhythm in vec(0u8..3, 0..40),
        ours in 1u32..100,
        theirs in 1u32..100,
    ) {
        let mut schedule = vec![0; start];
        schedule.extend(rhythm);
        race(if heap { Layout::Heap } else { Layout::Partitions }, &schedule, ours, theirs)?;
    }

    /// Whatever stands in the structures: an item is in the region, or there is an error, and everything ends.
    #[test]
    fn hostile_structures_are_survived(
        layout in prop_oneof![Just(Layout::Heap), Just(Layout::Partitions), Just(Layout::GlobalPartition)],
        damage in vec((
            prop_oneof![
                (0u32..64).prop_map(|n| 0x40 + 4 * n),
                (0u32..2048).prop_map(|n| Header::TABLE + 4 * n),
                (0u32..60).prop_map(|n| SIZE - 4096 + 4 * n),
                (0u32..200).prop_map(|n| SIZE - 4096 - 0x2_0000 + 4 * n),
                (1u32..40).prop_map(|n| SIZE - 4096 - 4 * n),
                (0u32..60).prop_map(|n| 0x3000 + 4 * n),
            ],
            prop_oneof![any::<u32>(), 0u32..0x100, (0u32..64).prop_map(|n| n * 4096), any::<u32>().prop_map(|n| n & 0xff_ffff)],
        ), 0..8),
        id in 0u16..600,
        size in any::<u32>(),
    ) {
        let image = image(layout);
        for (at, word) in damage {
            image.store(at, word).unwrap();
        }
        let smem = Smem::new(image);
        let lock = TcsrMutex::new(lock(), 0, 2);
        let inside = |item: &Item| item.offset.is_multiple_of(4) && u64::from(item.offset) + u64::from(item.size) <= u64::from(SIZE);
        for found in [smem.item(2, id), smem.item(5, 443), smem.global_item(423)] {
            prop_assert!(found.iter().flatten().all(inside));
        }
        let _ = (smem.items(2), smem.global_items());
        if let Ok(made) = smem.allocate(2, id, size, &lock) {
            prop_assert!(inside(&made.item));
        }
        let _ = smem.set_crash_reason(423, "reason", &lock);
        let _ = smem.crash_reason(423);
    }
}
