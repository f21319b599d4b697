//! Translated code of one process: made once, for all host threads that run it.
//!
//! A unit is grown and compiled by one thread for all processes, in the background: who runs code does not wait for that (but where
//! every place is hot from the beginning). What the generator takes of the heap is taken once, not by each thread of each process.
//! When code changes, what was made of its pages goes, as decoded blocks do; host threads that are in the middle of it keep the host
//! code until they look again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::code::{CodePages, Table};
use super::compile::{Compiled, Compiler, Failed, NoTranslator, Site};
use super::engine::Engine;
use super::fault;
use super::growth::{Call, Distrusted, Unit, grow};
use super::lower::trusts;
use super::record::{self, Statistics};
use super::units::{Found, Units};
use super::way_in::way_in;
use crate::memory::{CodeMemory, CodeView};
use crate::part::Core;

/// A place that is reached so often is translated. Of 50, 500 and 2000 it served Lua, bzip2, zlib and sqlite best, when translating held the
/// program up; with a thread in the background it was not measured.
const HOT: u32 = 2000;

/// Units that wait for the background thread at most, of all processes.
const QUEUE: usize = 256;

/// Code that goes together, and what it points to.
#[derive(Debug)]
pub(super) struct Generation {
    pages: CodePages,
    /// The function through which units are entered.
    pub way_in: u64,
    /// What units call: code points to the arguments.
    calls: Mutex<Calls>,
    /// Where the units' accesses are that may be refused, by address: code is added behind what is there.
    guarded: RwLock<Vec<Guarded>>,
}

/// A unit's host instructions whose access may be refused.
#[derive(Debug)]
struct Guarded {
    at: u64,
    sites: Box<[Site]>,
}

/// What code of units points to.
#[derive(Debug, Default)]
struct Calls {
    of_interpreter: Vec<Box<[Call]>>,
    tables: Vec<Table>,
}

/// Translated code of a process.
pub struct Translator {
    engine: Engine,
    /// Accesses that the host refuses are answered.
    guards: bool,
    units: Mutex<Units>,
    /// What was done so far.
    pub statistics: Statistics,
}

impl std::fmt::Debug for Translator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Translator")
            .field("engine", &self.engine)
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl Generation {
    pub(super) fn new() -> Result<Self, Failed> {
        let pages = CodePages::new().map_err(Failed::new)?;
        let way_in = way_in().map_err(Failed::new)?;
        let at = pages.add(&way_in).map_err(Failed::new)?;
        let at = at.ok_or_else(|| Failed::new("no room for the way in"))?;
        Ok(Self {
            pages,
            way_in: at as u64,
            calls: Mutex::default(),
            guarded: RwLock::default(),
        })
    }

    /// The unit whose code is last in front of an address in this code.
    fn guarded<R>(&self, code: u64, found: impl FnOnce(&Guarded) -> Option<R>) -> Option<R> {
        if !self.pages.contains(code) {
            return None;
        }
        let all = self.guarded.read().unwrap_or_else(PoisonError::into_inner);
        let behind = all.partition_point(|unit| unit.at <= code);
        found(all.get(behind.checked_sub(1)?)?)
    }

    /// Lets the accesses of a unit be found.
    fn guard(&self, at: u64, sites: Box<[Site]>) {
        let mut all = self.guarded.write().unwrap_or_else(PoisonError::into_inner);
        let place = all.partition_point(|unit| unit.at < at);
        all.insert(place, Guarded { at, sites });
    }

    /// The access of the host instruction at an address. May be called by a signal handler: whoever changes what is looked at runs no
    /// unit meanwhile.
    pub(super) fn site(&self, code: u64) -> Option<Site> {
        self.guarded(code, |unit| {
            let offset = u32::try_from(code - unit.at).ok()?;
            let found = unit.sites.binary_search_by_key(&offset, |site| site.offset);
            unit.sites.get(found.ok()?).copied()
        })
    }
}

/// Grows a unit out of code; the last argument tells the ways into other units.
type Grow = dyn FnOnce(&dyn CodeView, &dyn Fn(u32) -> bool) -> Option<Unit> + Send;

/// A unit to be made.
struct Job {
    pc: u32,
    ticket: u64,
    code: Weak<dyn CodeView>,
    grow: Box<Grow>,
    /// Who waits for it hears when this goes.
    waiting: Option<Sender<()>>,
}

/// Units in the queue.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// What the background thread takes: whose unit, and which.
type Queue = SyncSender<(Weak<Translator>, Job)>;

/// The background thread's queue; `None` if the host gives no thread.
static BACKGROUND: LazyLock<Option<Queue>> = LazyLock::new(|| {
    let (send, receive) = sync_channel::<(Weak<Translator>, Job)>(QUEUE);
    let work = move || {
        while let Ok((of, mut job)) = receive.recv() {
            QUEUED.fetch_sub(1, Relaxed);
            let waiting = job.waiting.take();
            if let Some(translator) = of.upgrade() {
                translator.make(job);
            }
            // Who waits may be the last to have the translator, whose memory then goes with it.
            drop(waiting);
        }
    };
    let spawned = std::thread::Builder::new().name("translator".into()).spawn(work);
    spawned.ok().map(|_| send)
});

impl Translator {
    /// One without code yet; `None` for [`Engine::Interpreter`].
    ///
    /// # Errors
    /// This host has no translator, or does not let it work.
    pub fn new(engine: Engine) -> Result<Option<Arc<Self>>, NoTranslator> {
        if engine == Engine::Interpreter {
            return Ok(None);
        }
        Compiler::new()?;
        Ok(Some(Arc::new(Self {
            engine,
            guards: fault::install(),
            units: Mutex::default(),
            statistics: Statistics::default(),
        })))
    }

    /// One for this engine; where the host has no translator that is told, and all is interpreted.
    #[must_use]
    pub fn or_interpreter(engine: Engine) -> Option<Arc<Self>> {
        match Self::new(engine) {
            Ok(translator) => translator,
            Err(why) => {
                static TOLD: std::sync::Once = std::sync::Once::new();
                TOLD.call_once(|| tracing::warn!(target: "emu::core", "DSP code is interpreted: {why}"));
                None
            }
        }
    }

    /// How often a place is reached before it is translated.
    pub(crate) fn heat(&self) -> u32 {
        match self.engine {
            Engine::Translator => 0,
            _ => HOT,
        }
    }

    fn units(&self) -> MutexGuard<'_, Units> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throws away what was made of code that has changed since. The epoch that is now comes back.
    pub(super) fn keep_up<M: CodeMemory>(&self, mem: &M) -> u64 {
        let mut units = self.units();
        if units.epoch != mem.code_epoch() {
            let (epoch, changes) = mem.code_changes(units.epoch);
            units.forget(epoch, &changes);
        }
        units.epoch
    }

    /// The unit that is entered at `pc`, for a host thread that knows of changes up to this epoch. If there is none yet it is asked
    /// for; and if there cannot be one, that is said.
    pub(super) fn find<M: CodeMemory>(
        self: &Arc<Self>,
        mem: &M,
        core: Core,
        epoch: u64,
        pc: u32,
        starts: [u32; 2],
    ) -> Found {
        let mut units = self.units();
        if units.epoch != epoch {
            // This host thread has not noticed yet.
            return Found::NotYet;
        }
        if let Some(found) = units.find(pc) {
            return found;
        }
        let Some(code) = mem.code_view() else {
            return Found::Never;
        };
        let at_once = self.engine == Engine::Translator;
        if !at_once && QUEUED.load(Relaxed) >= QUEUE {
            return Found::NotYet;
        }
        let ticket = units.start(pc);
        drop(units);
        let mut job = Job {
            pc,
            ticket,
            code,
            grow: Box::new(move |code, known| grow::<M>(code, core, pc, starts, known)),
            waiting: None,
        };
        if !at_once {
            self.queue(job);
            return Found::NotYet;
        }
        let (waiting, done) = channel();
        job.waiting = Some(waiting);
        match &*BACKGROUND {
            Some(queue) => {
                QUEUED.fetch_add(1, Relaxed);
                if queue.send((Arc::downgrade(self), job)).is_ok() {
                    // Nothing is sent: it ends when the job does.
                    let _ = done.recv();
                }
            }
            None => self.make(job),
        }
        let units = self.units();
        match units.find(pc) {
            Some(found) if units.epoch == epoch => found,
            _ => Found::NotYet,
        }
    }

    /// Has a unit made in the background. If there is no room, it is asked for again later.
    fn queue(self: &Arc<Self>, job: Job) {
        let (pc, ticket) = (job.pc, job.ticket);
        QUEUED.fetch_add(1, Relaxed);
        let job = (Arc::downgrade(self), job);
        let queued = BACKGROUND
            .as_ref()
            .is_some_and(|queue| queue.try_send(job).is_ok());
        if !queued {
            QUEUED.fetch_sub(1, Relaxed);
            self.units().put_off(pc, ticket);
        }
    }

    /// Makes a unit and lets it be found.
    fn make(&self, job: Job) {
        let Job {
            pc,
            ticket,
            code,
            grow,
            waiting: _,
        } = job;
        let begun = std::time::Instant::now();
        // A fault of the generator's or ours is no reason to stop: the code stays interpreted.
        let made = catch_unwind(AssertUnwindSafe(|| {
            self.grow_and_compile(pc, ticket, &code, grow)
        }));
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        for s in self.all_statistics() {
            s.nanoseconds.fetch_add(took, Relaxed);
        }
        if let Err(why) = made.unwrap_or_else(|_| Err(Failed::new("the translator failed"))) {
            for s in self.all_statistics() {
                s.failed.fetch_add(1, Relaxed);
            }
            self.units().give_up(pc, ticket);
            tracing::warn!(target: "emu::core", "the code at {pc:#010x} stays interpreted: {why}");
        }
    }

    fn grow_and_compile(
        &self,
        pc: u32,
        ticket: u64,
        code: &Weak<dyn CodeView>,
        grow: Box<Grow>,
    ) -> Result<(), Failed> {
        // Another unit came to have a way in there, or the memory is gone.
        let code = code.upgrade().filter(|_| !self.units().is_entered(pc));
        let Some(code) = code else {
            self.units().put_off(pc, ticket);
            return Ok(());
        };
        let unit = grow(&*code, &|pc| self.units().is_entered(pc));
        let Some(mut unit) = unit else {
            self.units().give_up(pc, ticket);
            return Ok(());
        };
        if !self.units().made_of(pc, ticket, unit.pages()) {
            return Ok(());
        }
        {
            let units = self.units();
            for piece in unit.pieces.values_mut() {
                piece.asks = !self.guards || units.asks(piece.pc);
                if trusts(&piece.facts) && !units.distrusts(piece.pc) {
                    piece.distrusted = Distrusted::Leave;
                }
            }
        }
        let mut compiler = Compiler::new().map_err(Failed::new)?;
        let host = compiler.unit(&unit)?;
        let recorded = record::recorded().filter(|record| record.wants(&unit));
        let ir = recorded.map(|record| (record, compiler.text()));
        self.add(pc, ticket, unit, host, |unit, at, bytes| {
            if let Some((record, ir)) = ir {
                record.keep(unit, ir, at, bytes, |va| code.code_at_hand(va));
            }
        })
    }

    /// Its own, and those of the whole program if they are recorded.
    fn all_statistics(&self) -> impl Iterator<Item = &Statistics> {
        let all = record::recorded().map(|record| &record.statistics);
        std::iter::once(&self.statistics).chain(all)
    }

    /// Lets a unit be found, unless the code that it was made of has changed.
    fn add(
        &self,
        pc: u32,
        ticket: u64,
        unit: Unit,
        code: Compiled,
        added: impl FnOnce(&Unit, u64, &[u8]),
    ) -> Result<(), Failed> {
        let mut units = self.units();
        if !units.is_wanted(pc, ticket) {
            return Ok(());
        }
        let mut generation = units.generation()?;
        let mut at = generation.pages.add(&code.bytes).map_err(Failed::new)?;
        if at.is_none() {
            // All of it goes when there is no room left: what is hot is soon there again.
            units.begin();
            generation = units.generation()?;
            at = generation.pages.add(&code.bytes).map_err(Failed::new)?;
        }
        let at = at.ok_or_else(|| Failed::new("it is larger than all room for code"))?;
        code.placed(at as u64);
        generation.guard(at as u64, code.sites);
        units.add(pc, ticket, at as u64, &unit);
        for s in self.all_statistics() {
            s.add(&unit, code.bytes.len());
        }
        record::name_for_perf(pc, at as u64, code.bytes.len());
        added(&unit, at as u64, &code.bytes);
        let calls = &generation.calls;
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.of_interpreter.extend(unit.into_calls());
        calls.tables.push(code.table);
        Ok(())
    }

    /// The unit was left in front of the packet at `pc`, because a float of the host's was not to be trusted. `true`: the unit is gone,
    /// and is made again so that it calls the interpreter's function there.
    pub(super) fn distrusted(&self, pc: u32) -> bool {
        self.units().distrusted(pc)
    }

    /// The host has refused an access of the unit whose code is at this address: its packets ask first from now on.
    pub(super) fn refused(&self, generation: &Generation, code: u64) {
        let unit = generation.guarded(code, |unit| {
            let packets: Vec<u32> = unit.sites.iter().map(|site| site.pc).collect();
            Some((unit.at, packets))
        });
        // Whoever adds a unit locks the units first.
        if let Some((at, packets)) = unit {
            self.units().have_ask(at, packets);
        }
    }
}
