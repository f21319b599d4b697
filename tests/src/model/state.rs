//! Registers and memory as a model sees them, and the same instruction on our core.

use emu_core::mem::PAGE_SIZE;
use hexagon_isa::state::{Ctl, Regs};
use hexagon_isa::{Arch, Insn};

/// Where the memory that instructions may access begins.
pub const AREA_BASE: u32 = 0x0030_0000;
/// Bytes of it: two pages.
pub const AREA_BYTES: u32 = 2 * PAGE_SIZE;

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
    /// The vectors' hidden bits for qfloat, four a word; cores before V79 have [`State::HIDDEN`].
    pub hidden: [u128; 32],
    /// Vector predicates, bit *i* for byte *i*.
    pub q: [u128; 4],
    /// The Z register.
    pub z: [u8; 256],
    /// Memory from [`AREA_BASE`] on.
    pub mem: Vec<u8>,
    /// The matrix unit, where it matters: otherwise our core's is left alone.
    pub matrix: Option<Box<super::Matrix>>,
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
    /// The text of the instruction that runs, as in the specification.
    pub syntax: &'static str,
    /// An activation load of the matrix unit: its text and its two registers.
    pub activation: Option<(&'static str, u32, u32)>,
}

impl Default for InPacket {
    fn default() -> Self {
        InPacket {
            gathered: [None; 128],
            temporary: None,
            syntax: "",
            activation: None,
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
    /// The hidden bits of a vector that no qfloat instruction wrote: binary 1010 for every word.
    pub const HIDDEN: u128 = u128::from_le_bytes([0xaa; 16]);

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
            hidden: [State::HIDDEN; 32],
            q: [0; 4],
            z: [0; 256],
            mem: vec![0; AREA_BYTES as usize],
            matrix: None,
            packet: InPacket::default(),
        }
    }

    /// What our core makes of it with one packet.
    ///
    /// # Errors
    /// The packet does not assemble, or the core stops with something else than the end of the packet.
    pub fn on_our_core(&self, insns: &[Insn]) -> anyhow::Result<State> {
        let mut runner = super::Runner::new(self.arch, emu_core::VectorUnit::best())?;
        let ready = runner.ready(insns)?;
        runner.run(ready, self)
    }

    /// Puts the registers into a thread of our core.
    pub(super) fn put(&self, regs: &mut Regs) {
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
        for (n, v) in (0..).zip(self.hidden) {
            regs.hvx.hidden.set(n, v);
        }
        for (n, v) in self.q.iter().enumerate() {
            regs.hvx.q[n] = *v;
        }
        regs.hvx.z.set(&self.z);
        if let Some(matrix) = &self.matrix {
            matrix.put(regs.hmx.state());
        }
    }

    /// The registers of a thread of our core; memory is not among them.
    pub(super) fn taken(arch: Arch, regs: &Regs) -> State {
        let mut after = State::new(arch);
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
        for (n, v) in (0..).zip(after.hidden.iter_mut()) {
            *v = regs.hvx.hidden.get(n);
        }
        for (n, v) in after.q.iter_mut().enumerate() {
            *v = regs.hvx.q[n];
        }
        after.z = *regs.hvx.z.bytes();
        after
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
        let insn = |op, v: &[i32]| crate::difftest::program::insn(op, v, None);
        let add = insn(Opcode::A2_addi, &[0, 1, 2]);
        let load = insn(Opcode::L2_loadri_io, &[3, 2, 0]);
        let after = before.on_our_core(&[add, load]).expect("the packet runs");
        let mut expected = before.clone();
        expected.r[0] = 42;
        expected.r[3] = 7;
        assert_eq!(after, expected);
    }
}
