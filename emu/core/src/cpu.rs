//! Runs packets: looks blocks up, executes them, stops for what is not the core's business.

use std::sync::Arc;

use hexagon_isa::interp::{Exec, Step};
use hexagon_isa::state::hmx::HmxModel;
use hexagon_isa::state::{DmaCommand, Event, Qfloat, Regs};
use hexagon_isa::{Arch, Opcode, ir};

use super::block::{Block, MAX_PACKETS, Mark};
use super::cache::Cache;
use super::dma::Outcome;
use super::exception::{Exception, Exit};
use super::host::VectorUnit;
use super::jit::{Native, Ran, Translator};
use super::memory::{Cause, CodeMemory, FaultWord, Memory};
use super::part::{Core, NoVectors};
use super::stop::may_stop;
use super::thread::{Ctl, Thread};
use super::vector_float::{Simulated, VectorFloats};

/// Executes threads of one process, one at a time, and owns the code that it has decoded. A host thread has its own.
pub struct Cpu<M: CodeMemory> {
    core: Core,
    cache: Cache<M>,
    native: Option<Native>,
}

/// What a place is given that a translator has not made yet, and one that it never will.
const ASK_AGAIN: u32 = 100;
const NEVER: u32 = u32::MAX;

impl<M: CodeMemory> std::fmt::Debug for Cpu<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cpu")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

impl<M: CodeMemory> Cpu<M> {
    /// A core of this architecture without decoded code.
    pub fn new(arch: Arch) -> Self {
        Self::with_vectors(arch, VectorUnit::best())
    }

    /// A core that uses only this part of the host's vector unit, to compare the copies of the instructions on vectors.
    pub fn with_vectors(arch: Arch, vectors: VectorUnit) -> Self {
        Cpu {
            core: Core {
                arch,
                vectors,
                no_vectors: None,
                floats: VectorFloats::default(),
                most: MAX_PACKETS,
                heat: NEVER,
            },
            cache: Cache::new(),
            native: None,
        }
    }

    /// A core that decodes each packet by itself: [`Cpu::run`] with a budget of 1 runs exactly one.
    pub fn stepping(arch: Arch) -> Self {
        let mut cpu = Cpu::new(arch);
        cpu.core.most = 1;
        cpu
    }

    /// The same core without a vector context: instructions on vectors are exceptions that say why.
    #[must_use]
    pub fn without_vectors(mut self, why: NoVectors) -> Self {
        self.core.no_vectors = Some(why);
        self
    }

    /// The same core in a part with this vector unit.
    #[must_use]
    pub fn with_floats(mut self, floats: VectorFloats) -> Self {
        self.core.floats = floats;
        self
    }

    /// The same core with a process's translated code; without, all is interpreted. What a run does is the same.
    #[must_use]
    pub fn with_translator(mut self, translator: Option<Arc<Translator>>) -> Self {
        self.native = translator.map(Native::new);
        self.core.heat = self.native.as_ref().map_or(NEVER, Native::heat);
        self
    }

    /// The translated code that it uses.
    pub fn translator(&self) -> Option<&Translator> {
        self.native.as_ref().map(Native::translator)
    }

    /// An instruction that was decoded since this was asked last, for which the part has no unit; the first of them.
    pub fn take_simulated(&mut self) -> Option<Simulated> {
        self.cache.simulated.take()
    }

    /// The core's architecture.
    pub fn arch(&self) -> Arch {
        self.core.arch
    }

    /// Runs `thread` until at least `budget` packets are done and a place is reached where a run may stop (a jump backwards, or into
    /// another page), or something happens. The thread was made for a core of this architecture. What was made of code is thrown away
    /// as far as `mem` says that it changed since the last run ([`CodeMemory::code_changes`]).
    pub fn run(&mut self, thread: &mut Thread, mem: &M, budget: u64) -> Exit {
        debug_assert!(
            thread.regs.qfloat == Qfloat::of(self.core.arch)
                && thread.regs.hmx.model == HmxModel::of(self.core.arch),
            "a thread of another architecture"
        );
        let cache = &mut self.cache;
        cache.keep_up(mem);
        if let Some(native) = &mut self.native {
            native.keep_up(mem);
        }
        let until = thread.packets.saturating_add(budget);
        let mut id = match cache.find(mem, self.core, thread.regs.pc) {
            Ok(id) => id,
            Err(e) => return Exit::Exception(e),
        };
        // The packet that comes is one for the interpreter.
        let mut interpret = false;
        loop {
            let block = cache.block(id);
            let cold = block.cold.get();
            if cold > 0 {
                block.cold.set(cold - 1);
            } else if let Some(native) = &mut self.native
                && !interpret
            {
                if let Some(pc) = block.marks.first().map(|mark| mark.pc) {
                    thread.regs.pc = pc;
                }
                match native.run(thread, mem, self.core, until.saturating_sub(thread.packets)) {
                    Ran::Until(stop) => {
                        if stop.may_stop && thread.packets >= until {
                            return Exit::Budget;
                        }
                        interpret = stop.interpret;
                        id = match cache.find(mem, self.core, stop.pc) {
                            Ok(id) => id,
                            Err(e) => return Exit::Exception(e),
                        };
                        continue;
                    }
                    Ran::NotYet => block.cold.set(ASK_AGAIN),
                    Ran::Never => block.cold.set(NEVER),
                }
            }
            interpret = false;
            if let Err((pc, fault)) = execute(block, thread, mem) {
                return Exit::Exception(faulted(block, thread, pc, fault));
            }
            thread.packets += u64::from(block.packets);
            thread.insns += u64::from(block.insns);
            thread.hvx_insns += u64::from(block.hvx);
            let pc = if block.branch {
                thread.regs.next_pc(block.next, block.endloop)
            } else {
                block.next
            };
            if block.event
                && let Some(exit) = event(block, thread, mem, self.core.arch, pc)
            {
                return exit;
            }
            if thread.packets >= until && stops(self.core, block, pc) {
                thread.regs.pc = pc;
                return Exit::Budget;
            }
            // Written as jumps, which are predicted: as a choice of values, the next block would wait for the comparisons.
            id = if block.links[0].0 == pc {
                block.links[0].1
            } else if block.links[1].0 == pc {
                block.links[1].1
            } else {
                thread.regs.pc = pc;
                match cache.follow(id, mem, self.core, pc) {
                    Ok(id) => id,
                    Err(e) => return Exit::Exception(e),
                }
            };
        }
    }
}

/// Whether a run may stop behind a block that is left to `to`.
#[cold]
fn stops<M: Memory>(core: Core, block: &Block<M>, to: u32) -> bool {
    core.most == 1 || block.marks.last().is_none_or(|last| may_stop(last.pc, to))
}

/// Runs a block's steps. On a fault: the address of the packet.
#[inline(always)]
fn execute<M: CodeMemory>(block: &Block<M>, thread: &mut Thread, mem: &M) -> Result<(), (u32, FaultWord)> {
    if block.clocks.is_empty() {
        run_steps(&block.steps, &mut thread.regs, mem)
    } else {
        execute_with_clocks(block, thread, mem)
    }
}

/// Runs steps one after the other, up to the first that faults.
///
/// The loop is written out 64 times, as long as nearly all blocks are. A processor predicts an indirect call by the address of
/// the call instruction, so a step that has a call instruction of its own is predicted by what ran in its place before, and not
/// by what ran last in the whole program.
#[inline(always)]
fn run_steps<M: CodeMemory>(steps: &[Step<M>], regs: &mut Regs, mem: &M) -> Result<(), (u32, FaultWord)> {
    let mut steps = steps.iter();
    macro_rules! next {
        () => {{
            let Some(step) = steps.next() else { return Ok(()) };
            match step.run {
                Exec::Register(f) => f(regs, &step.args),
                Exec::Memory(f) => {
                    if let Err(fault) = f(regs, mem, &step.args) {
                        return Err((step.args.pc, fault));
                    }
                }
            }
        }};
    }
    macro_rules! eight {
        () => {
            next!();
            next!();
            next!();
            next!();
            next!();
            next!();
            next!();
            next!();
        };
    }
    loop {
        eight!();
        eight!();
        eight!();
        eight!();
        eight!();
        eight!();
        eight!();
        eight!();
    }
}

/// Runs a block that reads clocks: they are brought up to date in front of each packet that does.
#[cold]
#[inline(never)]
fn execute_with_clocks<M: CodeMemory>(
    block: &Block<M>,
    thread: &mut Thread,
    mem: &M,
) -> Result<(), (u32, FaultWord)> {
    let mut done = 0;
    for &(first, packet) in &block.clocks {
        run_steps(
            block.steps.get(done..first as usize).unwrap_or_default(),
            &mut thread.regs,
            mem,
        )?;
        clock(thread, block.marks.get(packet as usize), packet);
        done = first as usize;
    }
    run_steps(block.steps.get(done..).unwrap_or_default(), &mut thread.regs, mem)
}

/// Leaves the thread as it was before the faulting packet and says what happened.
#[cold]
fn faulted<M: CodeMemory>(block: &Block<M>, thread: &mut Thread, pc: u32, fault: FaultWord) -> Exception {
    thread.regs.abort();
    if let Some(n) = block.marks.iter().position(|m| m.pc == pc) {
        let mark = block.marks[n];
        thread.packets += n as u64;
        thread.insns += u64::from(mark.insns);
        thread.hvx_insns += u64::from(mark.hvx);
    }
    thread.regs.pc = pc;
    match fault.cause() {
        Cause::Memory(fault) => Exception::Memory { pc, fault },
        Cause::FrameLimit(va) => Exception::FrameLimit { pc, va },
        Cause::Refused(what) if what.is_forbidden() => Exception::Matrix {
            pc,
            what: what.name(),
        },
        Cause::Refused(what) => Exception::NoMeaning {
            pc,
            name: what.name(),
        },
    }
}

/// Brings clock and statistics registers up to date, as the packet that reads them sees them. C20..C22 count packets,
/// instructions and HVX instructions as qemu-hexagon's do.
#[cold]
fn clock(thread: &mut Thread, mark: Option<&Mark>, packet: u32) {
    let packets = thread.packets + u64::from(packet);
    let (insns, hvx) = mark.map_or((0, 0), |m| (m.insns, m.hvx));
    let utimer = thread.time.utimer(packets);
    let upcycle = thread.time.upcycle(packets);
    let c = &mut thread.regs.c;
    c[Ctl::UtimerLo] = utimer as u32;
    c[Ctl::UtimerHi] = (utimer >> 32) as u32;
    c[Ctl::UpcycleLo] = upcycle as u32;
    c[Ctl::UpcycleHi] = (upcycle >> 32) as u32;
    c[Ctl::PktCountLo] = packets as u32;
    c[Ctl::PktCountHi] = (packets >> 32) as u32;
    c[20] = packets as u32;
    c[21] = (thread.insns + u64::from(insns)) as u32;
    c[22] = (thread.hvx_insns + u64::from(hvx)) as u32;
}

/// The name of the instruction of the packet at `pc` that may stop a run.
fn asked<M: CodeMemory>(block: &Block<M>, pc: u32) -> &'static str {
    let steps = block.steps.iter().filter(|s| s.args.pc == pc);
    let may_stop = |op: &Opcode| ir::effects(*op).is_some_and(|fx| fx.event);
    let found = steps.filter_map(|s| s.of).find(may_stop);
    found.map_or("instruction", |op| op.info().name)
}

/// What the block's last packet asked for; `next` is where the thread goes on.
#[cold]
fn event<M: CodeMemory>(
    block: &Block<M>,
    thread: &mut Thread,
    mem: &M,
    arch: Arch,
    next: u32,
) -> Option<Exit> {
    let here = block.marks.last().map_or(thread.regs.pc, |m| m.pc);
    let exit = match thread.regs.take_event() {
        Event::None => return None,
        Event::Trap0(imm) => Exit::Trap0 { imm },
        Event::Trap1(imm) => Exit::Trap1 { imm },
        Event::Yield => Exit::Yield,
        Event::Privileged => Exit::Exception(Exception::Privileged {
            pc: here,
            name: asked(block, here),
        }),
        Event::Dma(command) => match thread.dma.execute(mem, arch, command) {
            Outcome::Done => return None,
            Outcome::Status(word) => {
                if let DmaCommand::Poll(n) | DmaCommand::Wait(n) | DmaCommand::Pause(n) = command {
                    thread.regs.r[usize::from(n)] = word;
                }
                return None;
            }
            Outcome::Wait => {
                thread.regs.pc = here;
                return Some(Exit::Yield);
            }
            Outcome::Fault(fault) => {
                thread.regs.pc = here;
                return Some(Exit::Exception(Exception::Memory { pc: here, fault }));
            }
        },
    };
    thread.regs.pc = next;
    Some(exit)
}
