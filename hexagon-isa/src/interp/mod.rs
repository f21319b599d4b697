//! The interpreter's functions: one an instruction, generated from the meanings in `spec/*.isa`, and a packet as a list of calls of
//! them. Other engines call them for what they do not translate.
//!
//! The functions read the state before the packet because whoever makes the list gives each call, in its [`Args`], where it reads
//! and where it writes; see [`state`](crate::state) for how a packet ends.

mod steps;
mod tiles;

pub use steps::{Step, emit};

use crate::Packet;
use crate::facts::NotExecutable;
use crate::memory::Memory;
use crate::plan::Plan;
use crate::state::{Args, Event, Regs};

/// A function that works on registers only.
pub type RegisterFn = extern "C" fn(&mut Regs, &Args);
/// A function that accesses memory. [`Memory::Fault`] says what callers that are not Rust get back.
#[allow(improper_ctypes_definitions)]
pub type MemoryFn<M> = extern "C" fn(&mut Regs, &M, &Args) -> Result<(), <M as Memory>::Fault>;

/// An instruction's function.
#[derive(Debug)]
pub enum Exec<M: Memory> {
    /// Works on registers only.
    Register(RegisterFn),
    /// Accesses memory.
    Memory(MemoryFn<M>),
}

impl<M: Memory> Clone for Exec<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M: Memory> Copy for Exec<M> {}

/// The function of an instruction, monomorphised for a memory; `None` if it has no meaning yet.
pub fn exec<M: Memory>(op: crate::Opcode) -> Option<Exec<M>> {
    generated::dispatch(op as u16)
}

/// [`exec`] for a host with AVX2 (and BMI1, BMI2, LZCNT, POPCNT): the instructions on vectors use them.
///
/// # Safety
/// The processor has these features, here and wherever the function that this returns is called.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub fn exec_avx2<M: Memory>(op: crate::Opcode) -> Option<Exec<M>> {
    generated::avx2::dispatch(op as u16)
}

/// [`exec`] for a host with AVX-512 (F, BW, CD, DQ, VL, VBMI) besides what [`exec_avx2`] needs.
///
/// # Safety
/// As for [`exec_avx2`].
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx2,bmi1,bmi2,lzcnt,popcnt"
)]
pub fn exec_avx512<M: Memory>(op: crate::Opcode) -> Option<Exec<M>> {
    generated::avx512::dispatch(op as u16)
}

/// Why a packet did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop<F> {
    /// It cannot be executed.
    #[error(transparent)]
    NotExecutable(#[from] NotExecutable),
    /// An access faulted; nothing of the packet has happened.
    #[error("{0}")]
    Fault(F),
}

/// Runs the packet that stands at `regs.pc` and moves `regs.pc` on. Returns what else it asks for. Clock and counter registers are
/// the caller's.
///
/// Who runs a packet often plans it once and keeps its [`Step`]s.
///
/// # Errors
/// The packet cannot be executed, or an access faulted. The registers are what they were, but that a fault loses a reservation.
pub fn run_packet<M: Memory>(packet: &Packet, regs: &mut Regs, mem: &M) -> Result<Event, Stop<M::Fault>> {
    let plan = Plan::new(packet)?;
    let next = regs.pc.wrapping_add(packet.bytes());
    let mut steps = Vec::new();
    emit(&plan, exec::<M>, regs.pc, next, &mut steps);
    for step in &steps {
        let done = match step.run {
            Exec::Register(f) => {
                f(regs, &step.args);
                Ok(())
            }
            Exec::Memory(f) => f(regs, mem, &step.args),
        };
        if let Err(fault) = done {
            regs.abort();
            return Err(Stop::Fault(fault));
        }
    }
    regs.pc = regs.next_pc(next, plan.facts.endloop);
    Ok(regs.take_event())
}

// One function per instruction, as plain as a generator writes them. What they return is said at `MemoryFn`.
#[allow(
    improper_ctypes_definitions,
    non_snake_case,
    unused_variables,
    unused_mut,
    unused_assignments,
    unused_parens,
    unused_imports
)]
#[allow(clippy::all)]
mod generated {
    use super::tiles::{self, plain::mx_weight};
    use super::{Args, Exec, Memory, Regs};
    use crate::builtins;
    use crate::simd::dot::{self, plain::dot4};
    use crate::simd::lookup::{
        self,
        plain::{lookup8, lookup16, pack},
    };
    use crate::state::lanes::*;
    use crate::state::qfloat::{Elements, Qf16, Qf32};
    use crate::state::*;

    include!(concat!(env!("OUT_DIR"), "/functions.rs"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Ram, RamFault};
    use crate::state::Ctl;
    use crate::{Arch, EndLoop, Insn, Opcode, assemble_packet, decode_packet};

    const PC: u32 = 0x1000;
    const RAM: u32 = 0x8000;

    fn packet(insns: &[(Opcode, &[i32])], endloop: EndLoop) -> Packet {
        let insns: Vec<Insn> = insns
            .iter()
            .map(|(op, operands)| Insn::with_operands(*op, operands))
            .collect();
        decode_packet(&assemble_packet(&insns, endloop, false).unwrap(), Arch::V73).unwrap()
    }

    fn machine() -> (Regs, Ram) {
        let mut regs = Regs::new(Arch::V73);
        (regs.pc, regs.r[0], regs.r[1], regs.r[2]) = (PC, 10, 11, RAM);
        (regs, Ram::new(RAM, 64))
    }

    #[test]
    fn all_instructions_read_the_state_before_the_packet() {
        let (mut regs, ram) = machine();
        let swap = packet(
            &[(Opcode::A2_tfr, &[0, 1]), (Opcode::A2_tfr, &[1, 0])],
            EndLoop::None,
        );
        assert_eq!(run_packet(&swap, &mut regs, &ram), Ok(Event::None));
        assert_eq!((regs.r[0], regs.r[1], regs.pc), (11, 10, PC + 8));
    }

    #[test]
    fn a_fault_behind_a_store_leaves_nothing_behind() {
        let (mut regs, ram) = machine();
        let stores = packet(
            &[
                (Opcode::A2_addi, &[0, 0, 1]),
                (Opcode::S2_storeri_io, &[2, 0, 1]),
                (Opcode::S2_storeri_io, &[3, 0, 1]),
            ],
            EndLoop::None,
        );
        let stop = run_packet(&stores, &mut regs, &ram);
        assert_eq!(stop, Err(Stop::Fault(RamFault::Outside(0))));
        assert_eq!((regs.r[0], regs.pc, ram.load32(RAM)), (10, PC, Ok(0)));
    }

    #[test]
    fn a_loop_goes_round_until_its_count_is_used_up() {
        let (mut regs, ram) = machine();
        (regs.c[Ctl::Sa0], regs.c[Ctl::Lc0]) = (0x900, 2);
        let end = packet(
            &[(Opcode::A2_addi, &[0, 0, 1]), (Opcode::A2_nop, &[])],
            EndLoop::Loop0,
        );
        run_packet(&end, &mut regs, &ram).unwrap();
        assert_eq!((regs.pc, regs.c[Ctl::Lc0], regs.r[0]), (0x900, 1, 11));
        regs.pc = PC;
        run_packet(&end, &mut regs, &ram).unwrap();
        assert_eq!((regs.pc, regs.r[0]), (PC + 8, 12));
    }

    #[test]
    fn a_packet_says_what_it_asks_for() {
        let (mut regs, ram) = machine();
        let trap = packet(&[(Opcode::J2_trap0, &[5])], EndLoop::None);
        assert_eq!(run_packet(&trap, &mut regs, &ram), Ok(Event::Trap0(5)));
    }
}
