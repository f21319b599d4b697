//! Address space, bus and SMMU together, over memory that [`KernelIommu`] manages as a kernel would.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use emu_core::mem::{AddressSpace, Bus, BusFault, FaultLine, MapError, NoFaultLine, PAGE_SIZE, Prot};
use emu_core::memory::{Access, CodeMemory, FaultKind, FaultWord, MemFault, Memory};
use emu_local_ap::{Direction, KernelIommu};

const STREAM: u16 = 0x1001;
const MIB: usize = 1 << 20;

/// Collects interrupts; tells that handlers have run if told so.
#[derive(Default)]
struct Line {
    raised: Mutex<Vec<u8>>,
    global: AtomicUsize,
    handled: Mutex<Option<bool>>,
}

impl FaultLine for Line {
    fn context_fault(&self, bank: u8) {
        self.raised.lock().unwrap().push(bank);
    }
    fn global_fault(&self) {
        self.global.fetch_add(1, Ordering::Relaxed);
    }
    fn context_fault_handled(&self, _bank: u8) -> Option<bool> {
        *self.handled.lock().unwrap()
    }
}

/// The rights whose bits are set: 1 load, 2 store, 4 fetch.
fn rights(bits: u8) -> Prot {
    let names = [(1, Prot::READ), (2, Prot::WRITE), (4, Prot::EXECUTE)];
    let given = names.into_iter().filter(|(bit, _)| bits & bit != 0);
    given.fold(Prot::NONE, |all, (_, one)| all | one)
}

struct Rig {
    kernel: KernelIommu,
    line: Arc<Line>,
    bus: Arc<Bus>,
    space: AddressSpace,
}

fn rig() -> Rig {
    let kernel = KernelIommu::anonymous(4 * MIB).unwrap();
    kernel.attach(STREAM).unwrap();
    let line = Arc::new(Line::default());
    let bus = kernel.bus(Arc::clone(&line) as Arc<dyn FaultLine>);
    let space = AddressSpace::new(Arc::clone(&bus), STREAM);
    Rig {
        kernel,
        line,
        bus,
        space,
    }
}

fn fault(va: u32, access: Access, kind: FaultKind) -> FaultWord {
    MemFault { va, access, kind }.into()
}

#[test]
fn a_store_of_the_dsp_is_seen_by_the_kernel() {
    let r = rig();
    let buffer = r.kernel.dma_alloc(STREAM, 0x3000).unwrap();
    assert_eq!(buffer.iova, 0xffff_d000, "the highest addresses first, as Linux");
    let va = r.space.map_iova(None, buffer.iova, 0x3000, Prot::RW).unwrap();
    r.space.store32(va + 0x1004, 0xdead_beef).unwrap();
    r.space.store8(va + 0x2fff, 7).unwrap();
    r.space.store16(va + 0xffe, 0x1234).unwrap();
    r.space.store64(va + 0x1008, 0x0102_0304_0506_0708).unwrap();
    assert_eq!(r.kernel.ram().read_u32(buffer.physical + 0x1004), Ok(0xdead_beef));
    r.kernel.ram().write_u32(buffer.physical + 0x1004, 5).unwrap();
    assert_eq!(r.space.load32(va + 0x1004), Ok(5));
    assert_eq!(r.space.load8(va + 0x2fff), Ok(7));
    assert_eq!(r.space.load16(va + 0xffe), Ok(0x1234));
    assert_eq!(r.space.load64(va + 0x1008), Ok(0x0102_0304_0506_0708));
    let mut bytes = [0; 8];
    r.bus.read(STREAM, buffer.iova + 0x1008, &mut bytes).unwrap();
    assert_eq!(u64::from_le_bytes(bytes), 0x0102_0304_0506_0708);
    assert!(r.line.raised.lock().unwrap().is_empty());
}

#[test]
fn bulk_accesses_cross_pages_that_are_apart_in_physical_memory() {
    let r = rig();
    let (a, b) = (
        r.kernel.allocate(0x1000).unwrap(),
        r.kernel.allocate(0x1000).unwrap(),
    );
    r.kernel.map(STREAM, 0x10000, b, 0x1000, Direction::Both).unwrap();
    r.kernel.map(STREAM, 0x11000, a, 0x1000, Direction::Both).unwrap();
    let va = r.space.map_iova(None, 0x10000, 0x2000, Prot::RW).unwrap();
    let data: Vec<u8> = (0..200).collect();
    r.space.store(va + 0xf9c, &data).unwrap();
    let mut back = [0; 200];
    r.space.load(va + 0xf9c, &mut back).unwrap();
    assert_eq!(back[..], data[..]);
    assert_eq!(r.kernel.ram().read_u32(b + 0xffc).unwrap() & 0xff, 96);
    r.bus.read(STREAM, 0x10f9c, &mut back).unwrap();
    assert_eq!(back[..], data[..]);
    r.bus.write(STREAM, 0x10ffe, b"abcd").unwrap();
    assert_eq!(r.space.read_cstr(va + 0xffe, 4).unwrap(), b"abcd");
}

#[test]
fn a_store_over_the_end_writes_nothing() {
    let r = rig();
    let va = r
        .space
        .map_anonymous(Some(0x2000_0000), 0x1000, Prot::RW)
        .unwrap();
    let out = fault(va + 0x1000, Access::Write, FaultKind::Unmapped);
    assert_eq!(r.space.store(va + 0xffe, b"abcd"), Err(out));
    assert_eq!(r.space.check_writable(va + 0xffe, 4), Err(out.into()));
    assert_eq!(r.space.load16(va + 0xffe), Ok(0));
    r.space
        .map_anonymous(Some(0xffff_f000), 0x1000, Prot::RW)
        .unwrap();
    assert!(r.space.store(0xffff_fffe, b"abcd").is_err());
    assert!(r.space.load(0xffff_fffe, &mut [0; 4]).is_err());
    r.space.store16(0xffff_fffe, 0x4141).unwrap();
    assert!(
        r.space.read_cstr(0xffff_fffe, 3).is_err(),
        "a string may not wrap"
    );
}

#[test]
fn strings_end_at_their_nul_or_at_the_limit() {
    let r = rig();
    let va = r.space.map_anonymous(None, 0x2000, Prot::RW).unwrap();
    r.space.store(va + 0xffa, b"hello world\0rest").unwrap();
    assert_eq!(r.space.read_cstr(va + 0xffa, 100).unwrap(), b"hello world");
    assert_eq!(r.space.read_cstr(va + 0xffa, 5).unwrap(), b"hello");
    assert_eq!(r.space.read_cstr(va, 100).unwrap(), b"");
    r.space.store(va + 0x1ffe, b"xy").unwrap();
    assert!(r.space.read_cstr(va + 0x1ffe, 100).is_err());
}

#[test]
fn the_dsp_own_permissions_come_before_the_smmu() {
    let r = rig();
    let buffer = r.kernel.dma_alloc(STREAM, 0x1000).unwrap();
    let va = r.space.map_iova(None, buffer.iova, 0x1000, Prot::READ).unwrap();
    assert_eq!(r.space.load32(va), Ok(0));
    assert_eq!(
        r.space.store32(va, 1),
        Err(fault(va, Access::Write, FaultKind::Permission))
    );
    assert_eq!(
        r.space.fetch32(va),
        Err(fault(va, Access::Execute, FaultKind::Permission))
    );
    assert_eq!(
        r.space.load32(va + 2),
        Err(fault(va + 2, Access::Read, FaultKind::Misaligned))
    );
    assert_eq!(
        r.space.store64(va + 4, 0),
        Err(fault(va + 4, Access::Write, FaultKind::Misaligned))
    );
    assert_eq!(
        r.space.fetch32(va + 2),
        Err(fault(va + 2, Access::Execute, FaultKind::Misaligned))
    );
    assert_eq!(
        r.space.cas32(va, 0, 1),
        Err(fault(va, Access::Write, FaultKind::Permission))
    );
    assert!(r.line.raised.lock().unwrap().is_empty());
    r.space.protect(va, 0x1000, Prot::RW).unwrap();
    assert_eq!(r.space.store32(va, 1), Ok(()));
    r.space.protect(va, 0x1000, Prot::NONE).unwrap();
    assert_eq!(
        r.space.load32(va),
        Err(fault(va, Access::Read, FaultKind::Permission))
    );
}

#[test]
fn a_context_fault_is_recorded_once_and_interrupts_once() {
    let r = rig();
    let page = r.kernel.allocate(0x1000).unwrap();
    r.kernel
        .map(STREAM, 0x8000, page, 0x1000, Direction::ToDevice)
        .unwrap();
    let va = r.space.map_iova(None, 0x8000, 0x2000, Prot::RW).unwrap();
    assert_eq!(r.space.load32(va + 8), Ok(0));
    assert_eq!(
        r.space.store32(va + 8, 1),
        Err(fault(va + 8, Access::Write, FaultKind::Smmu))
    );
    assert_eq!(*r.line.raised.lock().unwrap(), [0]);
    let seen = r.kernel.handle_context_fault(0).unwrap().unwrap();
    assert_eq!((seen.status, seen.address, seen.stream), (0x408, 0x8008, 0x1001));
    assert_eq!(seen.syndrome, 0x13, "a write, at level 3 of bank 0");

    // the guest's handler has run: the next fault is a report of its own
    *r.line.handled.lock().unwrap() = Some(true);
    assert_eq!(
        r.space.load8(va + 0x1234),
        Err(fault(va + 0x1234, Access::Read, FaultKind::Smmu))
    );
    assert_eq!(*r.line.raised.lock().unwrap(), [0, 0]);
    let seen = r.kernel.handle_context_fault(0).unwrap().unwrap();
    assert_eq!((seen.status, seen.address, seen.syndrome), (0x402, 0x9234, 0x3));
    r.bus.check_invalidations();
    assert_eq!(
        r.kernel.handle_context_fault(0).unwrap(),
        None,
        "cleared after the handler wrote it back"
    );
}

#[test]
fn a_fault_before_the_handler_ran_sets_multi_and_does_not_interrupt() {
    let r = rig();
    *r.line.handled.lock().unwrap() = Some(false);
    let va = r.space.map_iova(None, 0x8000, 0x2000, Prot::RW).unwrap();
    assert!(r.space.load32(va).is_err());
    assert!(r.space.load32(va + 0x1000).is_err());
    assert_eq!(*r.line.raised.lock().unwrap(), [0]);
    let seen = r.kernel.handle_context_fault(0).unwrap().unwrap();
    assert_eq!((seen.status, seen.address), (0x8000_0402, 0x8000));
}

#[test]
fn an_unknown_stream_is_a_global_fault() {
    let r = rig();
    let error = r.bus.read(0x2000, 0x8000, &mut [0; 4]).unwrap_err();
    assert!(matches!(error, BusFault::Smmu(f) if f.kind == iommu::FaultKind::UnidentifiedStream));
    assert_eq!(r.line.global.load(Ordering::Relaxed), 1);
}

#[test]
fn a_device_address_range_does_not_wrap() {
    let r = rig();
    assert!(r.bus.read(STREAM, u64::MAX - 1, &mut [0; 4]).is_err());
    assert!(matches!(
        r.space.map_iova(None, !0xfff, 0x2000, Prot::RW),
        Err(MapError::Wraps { .. })
    ));
    assert!(matches!(
        r.space.map_iova(None, 0x8004, 0x1000, Prot::RW),
        Err(MapError::NotPages { .. })
    ));
}

#[test]
fn translated_memory_that_is_no_ram_is_a_bus_fault() {
    let r = rig();
    r.kernel
        .map(STREAM, 0x8000, 0x1000, 0x1000, Direction::Both)
        .unwrap();
    let va = r.space.map_iova(None, 0x8000, 0x1000, Prot::RW).unwrap();
    assert_eq!(r.space.load32(va), Err(fault(va, Access::Read, FaultKind::Bus)));
    assert!(matches!(
        r.bus.write(STREAM, 0x8000, &[1]),
        Err(BusFault::NotRam(_))
    ));
}

#[test]
fn unmapping_in_the_kernel_is_seen_at_the_next_look() {
    let r = rig();
    let buffer = r.kernel.dma_alloc(STREAM, 0x1000).unwrap();
    let va = r.space.map_iova(None, buffer.iova, 0x1000, Prot::RW).unwrap();
    r.space.store32(va, 42).unwrap();
    r.bus.check_invalidations();
    assert_eq!(r.space.load32(va), Ok(42));
    r.kernel.dma_free(STREAM, buffer).unwrap();
    r.bus.check_invalidations();
    assert_eq!(r.space.load32(va), Err(fault(va, Access::Read, FaultKind::Smmu)));
    assert!(r.bus.read(STREAM, buffer.iova, &mut [0]).is_err());
    // another buffer at the same device address is another page
    let other = r.kernel.allocate(0x2000).unwrap();
    r.kernel
        .map(STREAM, buffer.iova, other + 0x1000, 0x1000, Direction::Both)
        .unwrap();
    assert_eq!(r.space.load32(va), Ok(0));
    r.space.store32(va, 43).unwrap();
    assert_eq!(r.kernel.ram().read_u32(other + 0x1000), Ok(43));
}

#[test]
fn code_pages_survive_invalidations_that_do_not_concern_them() {
    let r = rig();
    let code = r.kernel.dma_alloc(STREAM, 0x1000).unwrap();
    let data = r.kernel.dma_alloc(STREAM, 0x1000).unwrap();
    let va = r.space.map_iova(None, code.iova, 0x1000, Prot::RX).unwrap();
    r.kernel.ram().write_u32(code.physical, 0x7f00_c000).unwrap();
    assert_eq!(r.space.fetch32(va), Ok(0x7f00_c000));
    let epoch = r.space.code_epoch();
    r.kernel.dma_free(STREAM, data).unwrap();
    r.bus.check_invalidations();
    assert_eq!(r.space.code_epoch(), epoch);
    assert_eq!(r.space.fetch32(va), Ok(0x7f00_c000));
    r.kernel.dma_free(STREAM, code).unwrap();
    r.bus.check_invalidations();
    assert_ne!(r.space.code_epoch(), epoch);
    assert_eq!(
        r.space.fetch32(va),
        Err(fault(va, Access::Execute, FaultKind::Smmu))
    );
}

#[test]
fn changes_of_executable_mappings_change_the_code_epoch() {
    let r = rig();
    let mut last = r.space.code_epoch();
    let mut changed = |what: &str, expected: bool| {
        let now = r.space.code_epoch();
        assert_eq!(now != last, expected, "{what}");
        last = now;
    };
    let va = r.space.map_anonymous(None, 0x2000, Prot::RW).unwrap();
    changed("mapping data", false);
    r.space.protect(va, 0x1000, Prot::RX).unwrap();
    changed("making data executable", true);
    r.space.unmap(va + 0x1000, 0x1000).unwrap();
    changed("unmapping data", false);
    r.space.unmap(va, 0x1000).unwrap();
    changed("unmapping code", true);
    r.space.invalidate_code(va, 4);
    changed("a loader's word", true);
}

#[test]
fn nothing_is_left_of_a_dead_process() {
    let r = rig();
    let buffer = r.kernel.dma_alloc(STREAM, 0x1000).unwrap();
    let a = r.space.map_iova(None, buffer.iova, 0x1000, Prot::RW).unwrap();
    let b = r.space.map_anonymous(None, 0x1000, Prot::RWX).unwrap();
    let c = r
        .space
        .map_physical(None, buffer.physical, 0x1000, Prot::RW)
        .unwrap();
    for va in [a, b, c] {
        r.space.store32(va, 9).unwrap();
    }
    assert_eq!(r.space.load32(a), r.space.load32(c));
    assert_eq!(r.space.mapped_bytes(), 0x3000);
    r.space.clear();
    for va in [a, b, c] {
        assert_eq!(
            r.space.load32(va),
            Err(fault(va, Access::Read, FaultKind::Unmapped))
        );
    }
    assert_eq!(r.space.mapped_bytes(), 0);
    r.space.map_anonymous(Some(b), 0x1000, Prot::RW).unwrap();
    assert_eq!(
        r.space.load32(b),
        Ok(0),
        "a page does not keep its last owner's bytes"
    );
}

#[test]
fn guard_pages_fault_and_cost_an_address_only() {
    let r = rig();
    let guard = r.space.map_guard(None, 0x4000_0000).unwrap();
    assert_eq!(
        r.space.load8(guard),
        Err(fault(guard, Access::Read, FaultKind::Permission))
    );
    assert!(matches!(
        r.space.map_anonymous(Some(guard + 0x1000), 0x1000, Prot::RW),
        Err(MapError::Occupied { .. })
    ));
    assert!(matches!(
        r.space.unmap(guard - 0x1000, 0x2000),
        Err(MapError::NotMapped { .. })
    ));
    r.space.unmap(guard, 0x4000_0000).unwrap();
}

#[test]
fn compare_and_swap_tells_whether_it_did() {
    let r = rig();
    let va = r.space.map_anonymous(None, PAGE_SIZE, Prot::RW).unwrap();
    assert_eq!(r.space.cas32(va, 0, 5), Ok(true));
    assert_eq!(r.space.cas32(va, 0, 6), Ok(false));
    assert_eq!(r.space.cas64(va, 5, u64::MAX), Ok(true));
    assert_eq!(r.space.load64(va), Ok(u64::MAX));
    assert_eq!(
        r.space.cas64(va + 4, 0, 0),
        Err(fault(va + 4, Access::Write, FaultKind::Misaligned))
    );
}

#[test]
fn concurrent_stores_and_invalidations_neither_fault_nor_tear() {
    let r = rig();
    let buffer = r.kernel.dma_alloc(STREAM, 0x1000).unwrap();
    let va = r.space.map_iova(None, buffer.iova, 0x1000, Prot::RW).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| {
            for i in 0..20_000u64 {
                r.space.store64(va + 8, i << 32 | i).unwrap();
            }
        });
        s.spawn(|| {
            for _ in 0..20_000 {
                let v = r.space.load64(va + 8).unwrap();
                assert_eq!(v >> 32, v & 0xffff_ffff);
            }
        });
        for _ in 0..200 {
            let other = r.kernel.dma_alloc(STREAM, 0x1000).unwrap();
            r.kernel.dma_free(STREAM, other).unwrap();
            r.bus.check_invalidations();
        }
    });
}

#[test]
fn a_bus_without_a_programmed_smmu_is_flat() {
    let ram = emu_core::mem::GuestRam::anonymous(0x4000, 0x8000_0000).unwrap();
    ram.write_u32(0x8000_0000, 1).unwrap(); // sCR0.CLIENTPD
    let bus = Bus::new(ram, 0x8000_0000, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
    bus.write(7, 0x8000_2ffe, b"abcd").unwrap();
    let mut out = [0; 4];
    bus.read(8, 0x8000_2ffe, &mut out).unwrap();
    assert_eq!(&out, b"abcd");
}

/// One step of a process and of the guest it shares memory with.
#[derive(Debug, Clone)]
enum Step {
    /// The guest backs a device page, or takes it away.
    Back(u8, bool),
    Unback(u8),
    /// The process maps pages: of the device, or of its own.
    Map(u8, u8, Option<u8>, u8),
    Unmap(u8, u8),
    Protect(u8, u8, u8),
    Store(u16, u8),
    Load(u16),
    Fetch(u16),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let (page, len) = (0u8..16, 1u8..4);
    prop_oneof![
        3 => (page.clone(), any::<bool>()).prop_map(|(p, w)| Step::Back(p, w)),
        1 => page.clone().prop_map(Step::Unback),
        4 => (page.clone(), len.clone(), prop::option::of(page.clone()), 0u8..8)
            .prop_map(|(p, l, from, prot)| Step::Map(p, l, from, prot)),
        1 => (page.clone(), len.clone()).prop_map(|(p, l)| Step::Unmap(p, l)),
        1 => (page, len, 0u8..8).prop_map(|(p, l, prot)| Step::Protect(p, l, prot)),
        8 => (0u16..0x400, any::<u8>()).prop_map(|(a, v)| Step::Store(a, v)),
        8 => (0u16..0x400).prop_map(Step::Load),
        3 => (0u16..0x400).prop_map(Step::Fetch),
        1 => Just(Step::Clear).boxed(),
    ]
}

/// What a page of the process is in the model.
#[derive(Debug, Clone, Copy)]
struct ModelPage {
    prot: u8,
    /// Device page, or `None` for one of its own.
    device: Option<u8>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Addresses are `page << 6 | offset`, offset words of the page's first 256 bytes.
    #[test]
    fn a_process_sees_what_a_plain_model_says(steps in proptest::collection::vec(step(), 1..80)) {
        const VA: u32 = 0x2000_0000;
        const IOVA: u64 = 0x1_0000;
        let r = rig();
        *r.line.handled.lock().unwrap() = Some(true);
        // device pages: backing page and whether it may be written
        let mut device: [Option<(u64, bool)>; 20] = [None; 20];
        let mut memory: HashMap<(u64, u8), u8> = HashMap::new(); // physical page → bytes
        let mut own: HashMap<(u8, u8), u8> = HashMap::new();
        let mut pages: [Option<ModelPage>; 20] = [None; 20];
        let split = |a: u16| ((a >> 6) as u8, (a & 63) as u8 * 4);
        for step in steps {
            match step {
                Step::Back(p, writable) => if device[p as usize].is_none() {
                    let page = r.kernel.allocate(0x1000).unwrap();
                    memory.retain(|(at, _), _| *at != page);
                    let direction = if writable { Direction::Both } else { Direction::ToDevice };
                    r.kernel.map(STREAM, IOVA + u64::from(p) * 0x1000, page, 0x1000, direction).unwrap();
                    device[p as usize] = Some((page, writable));
                },
                Step::Unback(p) => if let Some((page, _)) = device[p as usize].take() {
                    r.kernel.unmap(STREAM, IOVA + u64::from(p) * 0x1000, 0x1000).unwrap();
                    r.kernel.free(page, 0x1000).unwrap();
                    r.bus.check_invalidations();
                },
                Step::Map(p, l, from, prot) => {
                    let va = VA + u32::from(p) * 0x1000;
                    let len = u32::from(l) * 0x1000;
                    let range = p as usize..(p + l) as usize;
                    let free = pages[range.clone()].iter().all(Option::is_none);
                    let done = match from {
                        Some(d) => r.space.map_iova(Some(va), IOVA + u64::from(d) * 0x1000, len, rights(prot)),
                        None => r.space.map_anonymous(Some(va), len, rights(prot)),
                    };
                    prop_assert_eq!(done.is_ok(), free);
                    if free {
                        for (i, page) in pages[range].iter_mut().enumerate() {
                            *page = Some(ModelPage { prot, device: from.map(|d| d + i as u8) });
                            if from.is_none() {
                                own.retain(|(q, _), _| *q != p + i as u8);
                            }
                        }
                    }
                }
                Step::Unmap(p, l) | Step::Protect(p, l, _) => {
                    let va = VA + u32::from(p) * 0x1000;
                    let len = u32::from(l) * 0x1000;
                    let range = p as usize..(p + l) as usize;
                    let all = pages[range.clone()].iter().all(Option::is_some);
                    if let Step::Protect(_, _, prot) = step {
                        prop_assert_eq!(r.space.protect(va, len, rights(prot)).is_ok(), all);
                        if all {
                            pages[range].iter_mut().flatten().for_each(|m| m.prot = prot);
                        }
                    } else {
                        prop_assert_eq!(r.space.unmap(va, len).is_ok(), all);
                        if all {
                            pages[range].fill(None);
                        }
                    }
                }
                Step::Clear => {
                    r.space.clear();
                    pages = [None; 20];
                }
                Step::Store(a, _) | Step::Load(a) | Step::Fetch(a) => {
                    let (p, offset) = split(a);
                    let va = VA + u32::from(p) * 0x1000 + u32::from(offset);
                    let access = match step {
                        Step::Store(..) => Access::Write,
                        Step::Load(_) => Access::Read,
                        _ => Access::Execute,
                    };
                    let bit = match access {
                        Access::Read => 1,
                        Access::Write => 2,
                        Access::Execute => 4,
                    };
                    let cell = match pages[p as usize] {
                        None => Err(FaultKind::Unmapped),
                        Some(m) if m.prot & bit == 0 => Err(FaultKind::Permission),
                        Some(ModelPage { device: None, .. }) => Ok(own.entry((p, offset)).or_default()),
                        Some(ModelPage { device: Some(d), .. }) => match device[d as usize] {
                            None => Err(FaultKind::Smmu),
                            Some((_, false)) if access == Access::Write => Err(FaultKind::Smmu),
                            Some((page, _)) => Ok(memory.entry((page, offset)).or_default()),
                        },
                    };
                    let fault = |kind| fault(va, access, kind);
                    match step {
                        Step::Store(_, v) => {
                            prop_assert_eq!(r.space.store8(va, v), cell.map(|c| *c = v).map_err(fault));
                        }
                        Step::Load(_) => {
                            let word = r.space.load32(va).map(|w| w as u8);
                            prop_assert_eq!(word, cell.map(|c| *c).map_err(fault));
                        }
                        _ => {
                            let word = r.space.fetch32(va).map(|w| w as u8);
                            prop_assert_eq!(word, cell.map(|c| *c).map_err(fault));
                        }
                    }
                }
            }
        }
    }
}
