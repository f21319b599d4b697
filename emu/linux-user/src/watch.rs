//! What a user sees of a program as it runs: the trace's lines, and what is told of a crash.

use hexagon_isa::{Arch, Packet};

use emu_core::Regs;
use emu_core::inspect::{self, Registers};
use emu_core::mem::AddressSpace;

/// A trace's line: address, packet, and the registers that it wrote with what they hold now.
pub(super) fn line(pc: u32, packet: &Packet, regs: &Regs) -> String {
    format!(
        "{pc:08x} {}{}",
        inspect::packet_line(packet, pc),
        inspect::written(packet, regs)
    )
}

/// The packet at the program counter, then the scalar registers.
pub(super) fn report(space: &AddressSpace, arch: Arch, regs: &Regs) -> String {
    let mut lines = vec![inspect::listing_at(space, arch, regs.pc)];
    lines.extend(Registers::from(regs).lines());
    lines.join("\n")
}
