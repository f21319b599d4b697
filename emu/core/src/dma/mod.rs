//! User DMA: the engine of one DSP thread that copies memory while the thread goes on.
//!
//! Modelled: `dmstart`, `dmlink`, `dmpoll`, `dmwait`, `dmpause` and `dmresume`; chains of linear (16 bytes) and
//! two-dimensional (32 bytes) descriptors, the latter of the plain, prefetching, filling and (from V75 on) wide kind
//! ([`descriptor`]); the done bit and what else is written back; the error state with its address and code; pausing in the
//! middle of a descriptor, whose progress then stands in the descriptor itself. All accesses go through the process's
//! mappings, with its permissions.
//!
//! The engine does its work when the thread executes one of the instructions: at most [`STEP_BYTES`] and
//! [`STEP_DESCRIPTORS`] a time, so that no descriptor and no endless chain holds the emulator up. `dmwait` that has to wait
//! is executed again after others had their turn.
//!
//! What goes wrong:
//! * a descriptor that is none, or done already, sizes that contradict each other, addresses that run over the end, a command
//!   that does not fit the state: the error state, which `dmpoll` and `dmwait` show and `dmpause` ends;
//! * an address that the process has not mapped, or not for this: as the hardware's TLB misses, an exception of the next
//!   `dmpoll` or `dmwait`, before which the progress is written back;
//! * a page whose translation the SMMU refuses: the error state (data abort).
//!
//! Source of truth: Qualcomm's public QEMU fork (its model of the V68 user DMA specification) and the descriptors of
//! public test programs. Not modelled: gathering, expanding and compressing descriptors, 39-bit addresses, compression
//! (DLBC, UBWC), padding, order and bypass bits beyond that everything is in order and coherent here, DM2's stalls,
//! priorities. The fork shows the descriptor's address with an error only once; here it stays, as DM0 is described.

mod descriptor;
#[cfg(test)]
mod tests;

use hexagon_isa::Arch;
use hexagon_isa::state::DmaCommand;

use super::memory::{FaultKind, FaultWord, MemFault, Memory};
use descriptor::{Descriptor, Refused};

/// Bytes that one instruction moves at most.
const STEP_BYTES: u32 = 1 << 20;
/// Descriptors that one instruction begins at most.
const STEP_DESCRIPTORS: u32 = 64;
/// The low bits of a status word.
mod status {
    pub(super) const IDLE: u32 = 0;
    pub(super) const RUN: u32 = 1;
    pub(super) const ERROR: u32 = 2;
}

/// Why the engine is in its error state: the syndrome codes of the public model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// dmstart or dmresume while it runs, or dmresume of an error.
    #[error("dmstart or dmresume in a state that does not allow it")]
    State = 0,
    /// Not a kind of descriptor that this core has, misaligned, or its addresses run over the end.
    #[error("no valid descriptor")]
    Descriptor = 2,
    /// Done already, or lines that overlap because they are wider than their distance.
    #[error("descriptor done already, or wider than its stride")]
    Roi = 6,
    /// The bus refused the access.
    #[error("data abort")]
    Abort = 104,
}

/// The error state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Why.
    pub reason: Reason,
    /// The address that the engine reports with it (DM5).
    pub address: u32,
}

/// What the engine is at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum State {
    #[default]
    Idle,
    /// To begin this descriptor.
    Next(u32),
    /// In the middle of it.
    Within(Box<Descriptor>),
    Failed(Error, u32),
}

/// The engine of one thread.
#[derive(Debug, Clone, Default)]
pub struct Dma {
    state: State,
    /// An access that faulted and that nobody was told of.
    fault: Option<MemFault>,
}

/// What an instruction comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It is done, and writes this into its register.
    Status(u32),
    /// It is to be executed again after a while.
    Wait,
    /// It raises this.
    Fault(MemFault),
}

/// Why the engine stopped in the middle.
enum Stop {
    Budget,
    Error(Error),
    Fault(MemFault),
}

impl From<FaultWord> for Stop {
    fn from(fault: FaultWord) -> Self {
        MemFault::from(fault).into()
    }
}

impl From<MemFault> for Stop {
    fn from(fault: MemFault) -> Self {
        match fault.kind {
            FaultKind::Smmu | FaultKind::Bus => Stop::Error(Error {
                reason: Reason::Abort,
                address: fault.va,
            }),
            _ => Stop::Fault(fault),
        }
    }
}

/// What is left of the work that one instruction may do.
struct Budget {
    bytes: u32,
    descriptors: u32,
}

impl Dma {
    /// The error state, if it is in it.
    pub fn error(&self) -> Option<Error> {
        match self.state {
            State::Failed(error, _) => Some(error),
            _ => None,
        }
    }

    /// Whether there is something left to do.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Next(_) | State::Within(_))
    }

    /// Carries out an instruction of its thread.
    pub(super) fn execute<M: Memory<Fault = FaultWord>>(
        &mut self,
        mem: &M,
        arch: Arch,
        command: DmaCommand,
    ) -> Outcome {
        match command {
            DmaCommand::Start(descriptor) => self.start(mem, arch, descriptor),
            DmaCommand::Link { tail, new } => return self.link(mem, arch, tail, new),
            DmaCommand::Resume(word) => self.resume(mem, arch, word),
            DmaCommand::Poll(_) => {
                self.step(mem, arch);
                return self.told();
            }
            DmaCommand::Wait(_) => {
                self.step(mem, arch);
                if self.is_running() && self.fault.is_none() {
                    return Outcome::Wait;
                }
                return self.told();
            }
            DmaCommand::Pause(_) => return Outcome::Status(self.pause(mem)),
        }
        Outcome::Done
    }

    /// What dmpoll and dmwait answer.
    fn told(&mut self) -> Outcome {
        match self.fault.take() {
            Some(fault) => Outcome::Fault(fault),
            None => Outcome::Status(self.status()),
        }
    }

    /// DM0: the descriptor that it is at, and whether it runs.
    fn status(&self) -> u32 {
        match &self.state {
            State::Idle => status::IDLE,
            State::Next(va) => va & !15 | status::RUN,
            State::Within(d) => d.va | status::RUN,
            State::Failed(_, va) => va & !15 | status::ERROR,
        }
    }

    fn fail(&mut self, reason: Reason, address: u32, descriptor: u32) {
        self.state = State::Failed(Error { reason, address }, descriptor);
    }

    fn start<M: Memory<Fault = FaultWord>>(&mut self, mem: &M, arch: Arch, descriptor: u32) {
        match self.state {
            State::Failed(..) => {}
            State::Idle if descriptor == 0 => {}
            State::Idle => {
                self.state = State::Next(descriptor);
                self.step(mem, arch);
            }
            _ => self.fail(Reason::State, descriptor, descriptor),
        }
    }

    /// Appends `new` to the chain that `tail` ends, and starts it if nothing runs.
    fn link<M: Memory<Fault = FaultWord>>(&mut self, mem: &M, arch: Arch, tail: u32, new: u32) -> Outcome {
        if tail != 0
            && let Err(fault) = mem.store32(tail, new)
        {
            return Outcome::Fault(fault.into());
        }
        if self.state == State::Idle && new != 0 {
            self.state = State::Next(new);
        }
        self.step(mem, arch);
        Outcome::Done
    }

    /// Goes on with what dmpause answered.
    fn resume<M: Memory<Fault = FaultWord>>(&mut self, mem: &M, arch: Arch, word: u32) {
        let descriptor = word & !15;
        match self.state {
            State::Failed(..) => {}
            State::Idle if word & !3 == 0 => {}
            State::Idle if word & 3 == status::ERROR => self.fail(Reason::State, 0, descriptor),
            State::Idle => {
                self.state = State::Next(descriptor);
                self.step(mem, arch);
            }
            _ => self.fail(Reason::State, word, descriptor),
        }
    }

    /// Stops where it is, or ends the error state; what it was at.
    fn pause<M: Memory<Fault = FaultWord>>(&mut self, mem: &M) -> u32 {
        let status = self.status();
        if let State::Within(descriptor) = &self.state {
            // A descriptor that cannot be written any more has lost its progress.
            let _ = descriptor.save(mem);
        }
        self.state = State::Idle;
        self.fault = None;
        status
    }

    /// Works on until it is done, something is wrong or the budget is used up.
    fn step<M: Memory<Fault = FaultWord>>(&mut self, mem: &M, arch: Arch) {
        if self.fault.is_some() {
            return;
        }
        let mut budget = Budget {
            bytes: STEP_BYTES,
            descriptors: STEP_DESCRIPTORS,
        };
        while self.is_running() {
            match self.advance(mem, arch, &mut budget) {
                Ok(()) => {}
                Err(Stop::Budget) => return,
                Err(Stop::Error(error)) => {
                    let at = self.status() & !15;
                    self.state = State::Failed(error, at);
                }
                Err(Stop::Fault(fault)) => {
                    self.fault = Some(fault);
                    if let State::Within(descriptor) = &self.state {
                        let _ = descriptor.save(mem);
                    }
                    return;
                }
            }
        }
    }

    /// Begins a descriptor, or works on one to its end.
    fn advance<M: Memory<Fault = FaultWord>>(
        &mut self,
        mem: &M,
        arch: Arch,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        match &mut self.state {
            State::Next(va) => {
                budget.descriptors = budget.descriptors.checked_sub(1).ok_or(Stop::Budget)?;
                let at = *va & !15;
                let descriptor = Descriptor::load(mem, at, arch).map_err(|refused| match refused {
                    Refused::Fault(fault) => Stop::from(fault),
                    Refused::Error(error) => Stop::Error(error),
                })?;
                self.state = State::Within(Box::new(descriptor));
            }
            State::Within(descriptor) => {
                while !descriptor.is_complete() {
                    if budget.bytes == 0 {
                        return Err(Stop::Budget);
                    }
                    let moved = descriptor.advance(mem, budget.bytes).map_err(|r| match r {
                        Refused::Fault(fault) => Stop::from(fault),
                        Refused::Error(error) => Stop::Error(error),
                    })?;
                    // Lines of no bytes are work, too.
                    budget.bytes = budget.bytes.saturating_sub(moved.max(16));
                }
                descriptor.finish(mem)?;
                // Read again: dmlink may have changed it meanwhile.
                let next = mem.load32(descriptor.va)?;
                self.state = if next == 0 { State::Idle } else { State::Next(next) };
            }
            State::Idle | State::Failed(..) => {}
        }
        Ok(())
    }
}
