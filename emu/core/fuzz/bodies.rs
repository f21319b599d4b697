//! What each fuzz target does with its bytes; `tests/fuzz_bodies.rs` runs them, too, on the stable compiler.

use std::sync::Arc;

use emu_core::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use emu_core::memory::Memory;
use emu_core::{Cpu, Engine, Exit, Thread, TimeSource, Translator};
use hexagon_isa::Arch;

const CODE: u32 = 0x1000_0000;
/// Where the data stands.
pub const DATA: u32 = 0x2000_0000;
/// Packets that one input may run.
const BUDGET: u64 = 2000;

fn nothing_mapped() -> AddressSpace {
    let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0).expect("a page of RAM");
    let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
    AddressSpace::new(Arc::new(bus), 0)
}

/// What a run leaves: how it ended, registers, counts, the data.
#[derive(Debug, PartialEq)]
struct Left {
    exit: Exit,
    registers: Vec<u32>,
    vectors: Vec<[u8; 128]>,
    vector_predicates: Vec<u128>,
    hidden: Vec<u128>,
    counts: [u64; 3],
    data: Vec<u8>,
}

/// Runs what stands at `CODE` on this engine, with every register an address of the data.
fn run(space: &AddressSpace, arch: Arch, engine: Engine) -> Left {
    let mut cpu = Cpu::<AddressSpace>::new(arch).with_translator(Translator::or_interpreter(engine));
    let mut thread = Thread::new(arch, CODE);
    thread.time = TimeSource::Packets;
    for n in 0..32 {
        thread.regs.r[n] = DATA + 64 * n as u32;
    }
    let mut exit = Exit::Budget;
    while thread.packets < BUDGET && !matches!(exit, Exit::Exception(_)) {
        let left = BUDGET - thread.packets;
        exit = cpu.run(&mut thread, space, left);
    }
    let mut data = vec![0; 4 * PAGE_SIZE as usize];
    space.load(DATA, &mut data).expect("mapped");
    let r = &thread.regs;
    let preds = r.p.iter().map(|p| u32::from(*p));
    Left {
        exit,
        registers: r
            .r
            .iter()
            .chain(r.c.iter())
            .copied()
            .chain(preds)
            .chain([r.pc])
            .collect(),
        vectors: r.hvx.v.iter().copied().collect(),
        vector_predicates: r.hvx.q.iter().copied().collect(),
        hidden: (0..32).map(|n| r.hvx.hidden.get(n)).collect(),
        counts: [thread.packets, thread.insns, thread.hvx_insns],
        data,
    }
}

/// The first byte chooses the core, the others are its code. Both engines make the same of it.
pub fn code(data: &[u8]) {
    let Some((arch, words)) = data.split_first() else {
        return;
    };
    let arch = Arch::ALL[usize::from(*arch) % Arch::ALL.len()];
    let words = &words[..words.len().min(PAGE_SIZE as usize)];
    let [interpreted, translated] = [Engine::Interpreter, Engine::Translator].map(|engine| {
        let space = nothing_mapped();
        for va in [CODE, DATA] {
            space
                .map_anonymous(Some(va), 4 * PAGE_SIZE, Prot::RW)
                .expect("room");
        }
        space.store(CODE, words).expect("mapped");
        space.protect(CODE, 4 * PAGE_SIZE, Prot::RX).expect("mapped");
        run(&space, arch, engine)
    });
    assert_eq!(interpreted, translated);
}

/// Descriptors, a list of them from byte 64 on; each instruction of the engine is executed on them. Gives the memory afterwards.
pub fn dma(data: &[u8]) -> AddressSpace {
    const START_R1: u32 = 0xa601_c020;
    const LINK_R1_R2: u32 = 0xa601_c240;
    const RESUME_R3: u32 = 0xa603_c080;
    const POLL_R4: u32 = 0xa800_c044;
    const WAIT_R5: u32 = 0xa800_c025;
    const PAUSE_R6: u32 = 0xa800_c066;
    let space = nothing_mapped();
    for va in [CODE, DATA] {
        space
            .map_anonymous(Some(va), 4 * PAGE_SIZE, Prot::RW)
            .expect("room");
    }
    for (n, word) in (0u32..).zip([
        START_R1, POLL_R4, LINK_R1_R2, PAUSE_R6, RESUME_R3, POLL_R4, WAIT_R5,
    ]) {
        space.store32(CODE + 4 * n, word).expect("mapped");
    }
    space.protect(CODE, 4 * PAGE_SIZE, Prot::RX).expect("mapped");
    let data = &data[..data.len().min(2 * PAGE_SIZE as usize)];
    space.store(DATA, data).expect("mapped");
    // Addresses in the descriptors lead to the data more often than not.
    for (at, word) in (0u32..).step_by(4).zip(data.as_chunks::<4>().0) {
        let word = u32::from_le_bytes(*word);
        if word % 4 == 1 {
            let near = DATA + (word >> 2) % (4 * PAGE_SIZE);
            space.store32(DATA + at, near).expect("mapped");
        }
    }
    run(&space, Arch::V75, Engine::Interpreter);
    space
}

/// Eight bytes a step: what, where, how much, with which rights.
pub fn space(data: &[u8]) {
    let space = nothing_mapped();
    for step in data.as_chunks::<8>().0 {
        let [what, page, pages, rights, offset_low, offset_high, value, _] = *step;
        let va = CODE + u32::from(page) * PAGE_SIZE;
        let len = u32::from(pages % 16) * PAGE_SIZE;
        let prot = [Prot::NONE, Prot::READ, Prot::RW, Prot::RX, Prot::RWX][usize::from(rights) % 5];
        let at = va + u32::from(u16::from_le_bytes([offset_low, offset_high])) % (2 * PAGE_SIZE);
        match what % 8 {
            0 => drop(space.map_anonymous(Some(va), len, prot)),
            1 => drop(space.map_guard(Some(va), len)),
            2 => drop(space.map_iova(Some(va), u64::from(page) << 12, len, prot)),
            3 => drop(space.unmap(va, len)),
            4 => space.unmap_any(va, len),
            5 => drop(space.protect(va, len, prot)),
            6 => {
                let mut bytes = vec![0; usize::from(pages)];
                let _ = space.load(at, &mut bytes);
            }
            _ => {
                if space.store8(at, value).is_ok()
                    && let Ok(read) = space.load8(at)
                {
                    assert_eq!(read, value);
                }
            }
        }
        assert!(space.mapped_bytes() <= 1 << 32);
    }
    space.clear();
    assert_eq!(space.mapped_bytes(), 0);
}
