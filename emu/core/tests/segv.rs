//! The handler of SIGSEGV that translated code needs keeps to its own: what else faults ends the program as it did before.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::Arc;

use emu_core::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use emu_core::memory::Memory as _;
use emu_core::{Cpu, Engine, Exception, Exit, Thread, Translator};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet};

const CODE: u32 = 0x1000;
/// Says that this is the program which is to end.
const CHILD: &str = "EMU_CORE_TEST_OVERFLOW";

/// Host code loads from where nothing is, which the handler answers.
fn fault_in_a_unit() {
    let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0).unwrap();
    let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
    let space = AddressSpace::new(Arc::new(bus), 0);
    space.map_anonymous(Some(CODE), PAGE_SIZE, Prot::RWX).unwrap();
    let load = [Insn::with_operands(Opcode::L2_loadri_io, &[1, 0, 0])];
    let word = assemble_packet(&load, EndLoop::None, false).unwrap()[0];
    space.store32(CODE, word).unwrap();
    let translator = Translator::new(Engine::Translator).unwrap();
    let mut cpu = Cpu::new(Arch::V73).with_translator(translator);
    let mut thread = Thread::new(Arch::V73, CODE);
    thread.regs.r[0] = 0x2000_0000;
    let exit = cpu.run(&mut thread, &space, 1000);
    assert!(
        matches!(exit, Exit::Exception(Exception::Memory { .. })),
        "{exit:?}"
    );
}

#[allow(unconditional_recursion, reason = "the stack is to overflow")]
fn overflow(n: u64) -> u64 {
    let room = std::hint::black_box([n; 64]);
    overflow(n + 1) + room[n as usize % 64]
}

#[test]
fn a_stack_that_overflows_is_told_as_before() {
    fault_in_a_unit();
    if std::env::var_os(CHILD).is_some() {
        println!("{}", overflow(0));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "a_stack_that_overflows_is_told_as_before",
        "--nocapture",
    ]);
    let output = child.env(CHILD, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("has overflowed its stack"), "{told}");
    // The standard library's handler aborts.
    assert_eq!(output.status.signal(), Some(6), "{told}");
}
