//! A process whose pages have more different rights than the host can keep apart (`vm.max_map_count`): the guarded window is closed
//! then, and everything is as allowed, or not, as before. In a program of its own, which has all mappings to itself.

use std::sync::Arc;

use emu_core::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use emu_core::memory::Memory as _;
use emu_core::{Cpu, Engine, Exception, Exit, Thread, Translator};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet};

const CODE: u32 = 0x1000;
const DATA: u32 = 0x1000_0000;
/// More than the usual 65530 mappings when every other page has other rights.
const PAGES: u32 = 68_000;

fn page(n: u32) -> u32 {
    DATA + n * PAGE_SIZE
}

#[test]
fn rights_hold_when_the_host_cannot_keep_pages_apart_any_more() {
    let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0).unwrap();
    let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
    let space = AddressSpace::new(Arc::new(bus), 0);
    space.map_anonymous(Some(CODE), PAGE_SIZE, Prot::RWX).unwrap();
    space
        .map_anonymous(Some(DATA), PAGES * PAGE_SIZE, Prot::RW)
        .unwrap();
    // r1 = what is there; it is one more.
    let packets = [
        vec![Insn::with_operands(Opcode::L2_loadri_io, &[1, 0, 0])],
        vec![Insn::with_operands(Opcode::A2_addi, &[1, 1, 1])],
        vec![Insn::with_operands(Opcode::S2_storeri_io, &[0, 0, 1])],
        vec![Insn::with_operands(Opcode::J2_trap0, &[7])],
    ];
    let words = packets
        .iter()
        .flat_map(|packet| assemble_packet(packet, EndLoop::None, false).unwrap());
    for (word, at) in words.zip((CODE..).step_by(4)) {
        space.store32(at, word).unwrap();
    }
    let translator = Translator::new(Engine::Translator).unwrap();
    let mut cpu = Cpu::new(Arch::V73).with_translator(translator);
    let mut counts = |at: u32| {
        let mut thread = Thread::new(Arch::V73, CODE);
        thread.regs.r[0] = at;
        let exit = cpu.run(&mut thread, &space, 1000);
        (exit, thread.regs.r[1], space.load32(at))
    };
    let done = || Exit::Trap0 { imm: 7 };
    for (n, at) in (1..).zip([page(0), page(0), page(0)]) {
        assert_eq!(counts(at), (done(), n, Ok(n)));
    }
    for n in (0..PAGES).step_by(2) {
        space.protect(page(n), PAGE_SIZE, Prot::READ).unwrap();
    }
    let refused = |(exit, loaded, now)| {
        assert!(
            matches!(exit, Exit::Exception(Exception::Memory { .. })),
            "{exit:?}"
        );
        (loaded, now)
    };
    for _ in 0..3 {
        // Loaded and added to, but not stored.
        assert_eq!(refused(counts(page(0))), (4, Ok(3)));
        assert_eq!(refused(counts(page(PAGES - 2))), (1, Ok(0)));
    }
    for (n, at) in (1..).zip([page(1), page(1), page(1)]) {
        assert_eq!(counts(at), (done(), n, Ok(n)));
        assert_eq!(counts(page(PAGES - 1)), (done(), n, Ok(n)));
    }
    space.unmap(page(1), PAGE_SIZE).unwrap();
    let (loaded, now) = refused(counts(page(1)));
    assert!(loaded == 0 && now.is_err());
}
