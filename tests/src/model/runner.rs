//! Our core kept ready, so that many cases of the second model's run fast: the address space, the decoded packets and the
//! thread are built once.

use std::sync::Arc;

use emu_core::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use emu_core::memory::Memory as _;
use emu_core::{Cpu, Exit, Thread, VectorUnit};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet};

use super::state::{AREA_BASE, AREA_BYTES, State};

/// Where packets stand, one behind the other.
const CODE: u32 = 0x0010_0000;
/// Bytes for them; when they are used up, packets go to the beginning, and a new core forgets what it had decoded.
const CODE_BYTES: u32 = 64 * PAGE_SIZE;
/// Bytes for one packet and the one behind it that ends the run.
const PACKET_BYTES: u32 = 32;

/// A core with a place for packets and the memory area.
#[derive(Debug)]
pub struct Runner {
    space: AddressSpace,
    cpu: Cpu<AddressSpace>,
    thread: Thread,
    next: u32,
    vectors: VectorUnit,
}

/// A packet that a [`Runner`] can run.
#[derive(Debug, Clone, Copy)]
pub struct Ready(u32);

impl Runner {
    /// An idle core.
    ///
    /// # Errors
    /// No memory.
    pub fn new(arch: Arch, vectors: VectorUnit) -> anyhow::Result<Runner> {
        let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0)?;
        let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
        let space = AddressSpace::new(Arc::new(bus), 0);
        space.map_anonymous(Some(CODE), CODE_BYTES, Prot::RWX)?;
        space.map_anonymous(Some(AREA_BASE), AREA_BYTES, Prot::RW)?;
        Ok(Runner {
            space,
            cpu: Cpu::with_vectors(arch, vectors),
            thread: Thread::new(arch, CODE),
            next: CODE,
            vectors,
        })
    }

    /// Lays a packet down.
    ///
    /// # Errors
    /// It does not assemble.
    pub fn ready(&mut self, insns: &[Insn]) -> anyhow::Result<Ready> {
        if self.next + PACKET_BYTES > CODE + CODE_BYTES {
            self.next = CODE;
            self.cpu = Cpu::with_vectors(self.cpu.arch(), self.vectors);
        }
        let end = Insn::with_operands(Opcode::J2_trap0, &[0]);
        let mut words = assemble_packet(insns, EndLoop::None, false)?;
        words.extend(assemble_packet(&[end], EndLoop::None, false)?);
        let text: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.space.store(self.next, &text)?;
        let at = self.next;
        self.next += PACKET_BYTES;
        Ok(Ready(at))
    }

    /// What the packet makes of the state.
    ///
    /// # Errors
    /// The core stops with something else than the end of the packet.
    pub fn run(&mut self, packet: Ready, before: &State) -> anyhow::Result<State> {
        self.space.store(AREA_BASE, &before.mem)?;
        before.put(&mut self.thread.regs);
        self.thread.regs.pc = packet.0;
        let exit = self.cpu.run(&mut self.thread, &self.space, 100);
        anyhow::ensure!(exit == Exit::Trap0 { imm: 0 }, "the core stopped: {exit:?}");
        let mut after = State::taken(before.arch, &self.thread.regs);
        if before.matrix.is_some() {
            let used = self.thread.regs.hmx.used();
            after.matrix = used.map(|unit| Box::new(super::Matrix::of(unit)));
        }
        self.space.load(AREA_BASE, &mut after.mem)?;
        Ok(after)
    }
}
