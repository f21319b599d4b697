//! What a process's translated code costs is given back when the process ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use emu_core::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use emu_core::memory::Memory as _;
use emu_core::{Cpu, Engine, Exit, Thread, Translator};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet};

const CODE: u32 = 0x1000;
const DATA: u32 = 0x10_0000;
/// Places that are units of their own.
const PLACES: u32 = 6;
/// How often its packets stand in each.
const REPEATED: usize = 25;

/// Bytes of this program's own that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = |begin: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(begin)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (kilobytes("RssAnon:") + kilobytes("RssShmem:")) << 10
}

/// Mappings that can be executed and have no file.
fn host_code() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let fields = maps
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    fields.filter(|f| f[1] == "r-xp" && f.len() == 5).count()
}

/// A process that translates all of its code on a host thread of its own, and ends.
fn process() {
    let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0).unwrap();
    let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
    let space = AddressSpace::new(Arc::new(bus), 0);
    space
        .map_anonymous(Some(CODE), 16 * PAGE_SIZE, Prot::RWX)
        .unwrap();
    space.map_anonymous(Some(DATA), PAGE_SIZE, Prot::RW).unwrap();
    let i = |op, v: &[i32]| Insn::with_operands(op, v);
    let packets = [
        vec![
            i(Opcode::L2_loadri_io, &[1, 0, 0]),
            i(Opcode::A2_addi, &[2, 2, 1]),
        ],
        vec![i(Opcode::V6_vaddw, &[1, 2, 3])],
        vec![i(Opcode::F2_sfadd, &[4, 4, 1])],
        vec![i(Opcode::S2_storeri_io, &[0, 4, 4])],
        vec![i(Opcode::J2_jumpr, &[31])],
    ];
    let words = |packets: &[Vec<Insn>]| -> Vec<u32> {
        packets
            .iter()
            .flat_map(|p| assemble_packet(p, EndLoop::None, false).unwrap())
            .collect()
    };
    let (back, body) = packets.split_last().unwrap();
    let words = [words(body).repeat(REPEATED), words(std::slice::from_ref(back))].concat();
    let size = 4 * words.len() as u32;
    for (word, at) in words
        .iter()
        .cycle()
        .take(words.len() * PLACES as usize)
        .zip((CODE..).step_by(4))
    {
        space.store32(at, *word).unwrap();
    }
    let end = CODE + size * PLACES;
    let trap = assemble_packet(&[i(Opcode::J2_trap0, &[7])], EndLoop::None, false).unwrap();
    space.store32(end, trap[0]).unwrap();
    let translator = Translator::new(Engine::Translator).unwrap();
    let mut cpu = Cpu::new(Arch::V73).with_translator(translator.clone());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut thread = Thread::new(Arch::V73, CODE);
            (thread.regs.r[0], thread.regs.r[31]) = (DATA, end);
            for place in 0..PLACES {
                thread.regs.pc = CODE + size * place;
                assert_eq!(cpu.run(&mut thread, &space, 1000), Exit::Trap0 { imm: 7 });
            }
        });
    });
    let made = translator.unwrap().statistics.units.load(Relaxed);
    assert_eq!(made, u64::from(PLACES));
}

/// Processes at the same time.
const TOGETHER: usize = 8;

fn together() {
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(process);
        }
    });
}

#[test]
fn processes_leave_nothing_behind() {
    // What they need besides is kept by the heap for the next ones.
    (0..3).for_each(|_| together());
    let (before, code) = (resident(), host_code());
    (0..5).for_each(|_| together());
    let grown = resident().saturating_sub(before);
    assert_eq!(host_code(), code);
    assert!(grown < 2 << 20, "{grown} bytes more after forty processes");
}
