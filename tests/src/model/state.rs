//! Registers and memory as a model sees them, and the same instruction on our core.

use std::sync::Arc;

use emu::core::memory::Memory as _;
use emu::core::{Cpu, Exit, Thread};
use emu::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use hexagon_isa::interp::Ctl;
use hexagon_isa::{Arch, EndLoop, Insn, assemble_packet};

/// Where the memory that instructions may access begins.
pub const AREA_BASE: u32 = 0x0030_0000;
/// Bytes of it: two pages.
pub const AREA_BYTES: u32 = 2 * PAGE_SIZE;
/// Where the packet stands.
const CODE: u32 = 0x0010_0000;

/// What an instruction can see and change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The core's architecture: some meanings changed.
    pub arch: Arch,
    /// General registers.
    pub r: [u32; 32],
    /// Predicates.
    pub p: [u8; 4],
    /// User status register.
    pub usr: u32,
    /// Modifier registers.
    pub m: [u32; 2],
    /// Vectors.
    pub v: [[u8; 128]; 32],
    /// Vector predicates, bit *i* for byte *i*.
    pub q: [u128; 4],
    /// Memory from [`AREA_BASE`] on.
    pub mem: Vec<u8>,
    /// What instructions of one packet hand to each other.
    pub packet: InPacket,
}

/// What instructions of one packet hand to each other. No packet leaves any of it behind: it is never compared.
#[derive(Debug, Clone)]
pub struct InPacket {
    /// Bytes that a gather loaded.
    pub gathered: [Option<u8>; 128],
    /// What a `.tmp` load brought.
    pub temporary: Option<[u8; 128]>,
}

impl Default for InPacket {
    fn default() -> Self {
        InPacket {
            gathered: [None; 128],
            temporary: None,
        }
    }
}

impl PartialEq for InPacket {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for InPacket {}

impl State {
    /// All zero.
    #[must_use]
    pub fn new(arch: Arch) -> State {
        State {
            arch,
            r: [0; 32],
            p: [0; 4],
            usr: 0,
            m: [0; 2],
            v: [[0; 128]; 32],
            q: [0; 4],
            mem: vec![0; AREA_BYTES as usize],
            packet: InPacket::default(),
        }
    }

    /// What our core makes of it with one packet.
    ///
    /// # Errors
    /// The packet does not assemble, or the core stops with something else than the end of the packet.
    pub fn on_our_core(&self, insns: &[Insn]) -> anyhow::Result<State> {
        let words = assemble_packet(insns, EndLoop::None, false)?;
        let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0)?;
        let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
        let space = AddressSpace::new(Arc::new(bus), 0);
        space.map_anonymous(Some(CODE), PAGE_SIZE, Prot::RWX)?;
        space.map_anonymous(Some(AREA_BASE), AREA_BYTES, Prot::RW)?;
        let text: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        space.store(CODE, &text)?;
        // A packet behind it that ends the run.
        let trap = assemble_packet(&[end()], EndLoop::None, false)?;
        let trap: Vec<u8> = trap.iter().flat_map(|w| w.to_le_bytes()).collect();
        space.store(CODE + text.len() as u32, &trap)?;
        space.store(AREA_BASE, &self.mem)?;

        let mut thread = Thread::new(CODE);
        let regs = &mut thread.regs;
        for (n, v) in self.r.iter().enumerate() {
            regs.r[n] = *v;
        }
        for (n, v) in self.p.iter().enumerate() {
            regs.p[n] = *v;
        }
        regs.c[Ctl::Usr] = self.usr;
        regs.c[Ctl::M0] = self.m[0];
        regs.c[Ctl::M1] = self.m[1];
        for (n, v) in self.v.iter().enumerate() {
            regs.hvx.v[n] = *v;
        }
        for (n, v) in self.q.iter().enumerate() {
            regs.hvx.q[n] = *v;
        }
        let exit = Cpu::new(self.arch).run(&mut thread, &space, 100);
        anyhow::ensure!(exit == Exit::Trap0 { imm: 0 }, "the core stopped: {exit:?}");

        let regs = &thread.regs;
        let mut after = State::new(self.arch);
        for (n, v) in after.r.iter_mut().enumerate() {
            *v = regs.r[n];
        }
        for (n, v) in after.p.iter_mut().enumerate() {
            *v = regs.p[n];
        }
        after.usr = regs.c[Ctl::Usr];
        after.m = [regs.c[Ctl::M0], regs.c[Ctl::M1]];
        for (n, v) in after.v.iter_mut().enumerate() {
            *v = regs.hvx.v[n];
        }
        for (n, v) in after.q.iter_mut().enumerate() {
            *v = regs.hvx.q[n];
        }
        space.load(AREA_BASE, &mut after.mem)?;
        Ok(after)
    }
}

/// `trap0(#0)`.
fn end() -> Insn {
    Insn {
        op: hexagon_isa::Opcode::J2_trap0,
        slot: 0,
        producer: Insn::NONE,
        extended: false,
        v: [0; hexagon_isa::MAX_OPERANDS],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexagon_isa::Opcode;

    #[test]
    fn a_packet_changes_what_it_should_and_nothing_else() {
        let mut before = State::new(Arch::V73);
        before.r[1] = 40;
        before.r[2] = AREA_BASE + 8;
        before.mem[8..12].copy_from_slice(&7u32.to_le_bytes());
        let insn = |op, v: &[i32]| {
            let mut insn = end();
            insn.op = op;
            insn.v[..v.len()].copy_from_slice(v);
            insn
        };
        let add = insn(Opcode::A2_addi, &[0, 1, 2]);
        let load = insn(Opcode::L2_loadri_io, &[3, 2, 0]);
        let after = before.on_our_core(&[add, load]).expect("the packet runs");
        let mut expected = before.clone();
        expected.r[0] = 42;
        expected.r[3] = 7;
        assert_eq!(after, expected);
    }
}
