//! Running host code: the way into units and out of them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hexagon_isa::state::{Ctl, Regs, Status};

use super::context::{Context, Left, NEAR, Near, SLICE, count, counted};
use super::fault::{Answered, Running};
use super::record;
use super::translator::{Generation, Translator};
use super::units::Found;
use crate::memory::CodeMemory;
use crate::part::Core;
use crate::thread::Thread;

type WayIn = unsafe extern "C" fn(*mut Regs, *mut Context, u64, u64) -> u64;

/// Where host code was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Where the thread goes on.
    pub pc: u32,
    /// The interpreter has the packet there.
    pub interpret: bool,
    /// The run may stop there.
    pub may_stop: bool,
}

/// What happened at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Host code ran.
    Until(Stop),
    /// There is none yet.
    NotYet,
    /// There will be none.
    Never,
}

/// One host thread's view of a process's translated code.
pub(crate) struct Native {
    translator: Arc<Translator>,
    epoch: u64,
    /// What `near` points into.
    generation: Option<Arc<Generation>>,
    near: Box<[Near; NEAR]>,
}

impl Native {
    pub(crate) fn new(translator: Arc<Translator>) -> Self {
        Self {
            translator,
            epoch: 0,
            generation: None,
            near: Box::new([Near::NOWHERE; NEAR]),
        }
    }

    pub(crate) fn translator(&self) -> &Translator {
        &self.translator
    }

    pub(crate) fn heat(&self) -> u32 {
        self.translator.heat()
    }

    /// Forgets what was made of code that has changed.
    #[inline(always)]
    pub(crate) fn keep_up<M: CodeMemory>(&mut self, mem: &M) {
        if self.epoch != mem.code_epoch() {
            self.catch_up(mem);
        }
    }

    /// Units that are left are found again one by one: which those are, only the translator knows.
    #[cold]
    #[inline(never)]
    fn catch_up<M: CodeMemory>(&mut self, mem: &M) {
        self.epoch = self.translator.keep_up(mem);
        self.forget();
    }

    fn forget(&mut self) {
        self.generation = None;
        self.near.fill(Near::NOWHERE);
    }

    /// The unit at `pc`.
    fn find<M: CodeMemory>(&mut self, mem: &M, core: Core, regs: &Regs, pc: u32) -> Result<Near, Ran> {
        let near = self.near[Near::slot(pc)];
        if near.pc == pc {
            return Ok(near);
        }
        let starts = [regs.c[Ctl::Sa0], regs.c[Ctl::Sa1]];
        match self.translator.find(mem, core, self.epoch, pc, starts) {
            Found::Here(entry, generation) => {
                let same = self
                    .generation
                    .as_ref()
                    .is_some_and(|g| Arc::ptr_eq(g, &generation));
                if !same {
                    self.forget();
                }
                let near = Near {
                    pc,
                    which: entry.which,
                    code: entry.code,
                };
                self.near[Near::slot(pc)] = near;
                self.generation = Some(generation);
                Ok(near)
            }
            Found::NotYet => Err(Ran::NotYet),
            Found::Never => Err(Ran::Never),
        }
    }

    /// Runs the unit at the thread's address, and those that it goes on to, for about `budget` packets.
    pub(crate) fn run<M: CodeMemory>(
        &mut self,
        thread: &mut Thread,
        mem: &M,
        core: Core,
        budget: u64,
    ) -> Ran {
        let places = (mem.page_table(), mem.window(), mem.guarded_window());
        let (Some(table), Some(window), Some(guarded)) = places else {
            return Ran::Never;
        };
        let near = match self.find(mem, core, &thread.regs, thread.regs.pc) {
            Ok(found) => found,
            Err(ran) => return ran,
        };
        let Some(generation) = self.generation.as_deref() else {
            return Ran::NotYet;
        };
        let budget = budget.clamp(1, SLICE);
        let mut context = Context {
            table: table as u64,
            window: window as u64,
            memory: std::ptr::from_ref(mem) as u64,
            count: count(1, 0, 0).wrapping_mul((budget as i64).wrapping_neg()),
            near: self.near.as_ptr() as u64,
            guarded: guarded as u64,
            stack: 0,
            refused_at: 0,
            status: Status::default(),
        };
        let running = Running {
            generation,
            context: &raw mut context,
            window: guarded as u64,
        };
        let answered = Answered::new(&running);
        // SAFETY: the generation's first code is a function of this type ([`way_in`](super::way_in)). It and all units that `near` names
        // are in pages that `self.generation` holds; they access the registers, this context, the arguments and tables that the
        // generation keeps for its units, the bytes in front of the memory's window, pages of the memory that those or its table
        // allow to, and its guarded window, where `fault` answers what the host refuses.
        let left = unsafe {
            let way_in: WayIn = std::mem::transmute::<usize, WayIn>(generation.way_in as usize);
            Left(way_in(
                &raw mut thread.regs,
                running.context,
                near.which.into(),
                near.code,
            ))
        };
        drop(answered);
        let (packets, insns, hvx) = counted(context.count, budget);
        thread.packets += packets;
        thread.insns += insns;
        thread.hvx_insns += hvx;
        if left.is(Left::ABORT) {
            thread.regs.abort();
        }
        if left.is(Left::REFUSED) {
            self.translator.refused(generation, context.refused_at);
            // The unit is gone, for this thread too.
            self.near.fill(Near::NOWHERE);
        }
        if left.is(Left::DISTRUSTED) && self.translator.distrusted(left.pc()) {
            self.near.fill(Near::NOWHERE);
        }
        let interpret = left.is(Left::INTERPRET);
        if interpret {
            self.translator.statistics.interpreted.fetch_add(1, Relaxed);
            if let Some(record) = record::recorded() {
                record.left(core.arch, left.pc(), |va| mem.code_at_hand(va));
            }
        }
        thread.regs.pc = left.pc();
        Ran::Until(Stop {
            pc: left.pc(),
            interpret,
            may_stop: left.is(Left::MAY_STOP),
        })
    }
}
