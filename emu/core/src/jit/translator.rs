//! Translated code of one process: made once, for all host threads that run it.
//!
//! A unit is grown by the host thread that got to a hot place, which may read the process's memory, and compiled by the thread in the
//! background (or at once, if every place is hot from the beginning). When executable mappings change all of it goes, as decoded
//! blocks do; host threads that are in the middle of it keep its pages until they look again.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use super::code::{CodePages, Table};
use super::compile::{Compiled, Compiler, Failed, NoTranslator};
use super::engine::Engine;
use super::growth::{Call, Unit, grow};
use crate::memory::CodeMemory;
use crate::part::Core;

/// A place that is reached so often is translated. Of 50, 500 and 2000 it served Lua, bzip2, zlib and sqlite best, when translating held the
/// program up; with a thread in the background it was not measured.
const HOT: u32 = 2000;

/// Places that are remembered as not to be translated at most.
const MOST_NEVER: usize = 1 << 16;

/// Units that wait for the background thread at most, of all processes.
const QUEUE: usize = 256;

/// What was translated.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Functions that were made.
    pub units: AtomicU64,
    /// Packets in them.
    pub packets: AtomicU64,
    /// Bytes of host code.
    pub bytes: AtomicU64,
    /// Nanoseconds that it took.
    pub nanoseconds: AtomicU64,
    /// Units that could not be compiled.
    pub failed: AtomicU64,
    /// How often the interpreter had to do a packet for a unit.
    pub interpreted: AtomicU64,
}

/// Where a unit is entered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub code: u64,
    pub which: u32,
}

/// Code that goes together, and what it points to.
#[derive(Debug)]
pub(super) struct Generation {
    pages: CodePages,
    /// The function through which units are entered.
    pub way_in: u64,
    /// What units call: code points to the arguments.
    calls: Mutex<Calls>,
}

/// What code of units points to.
#[derive(Debug, Default)]
struct Calls {
    of_interpreter: Vec<Box<[Call]>>,
    tables: Vec<Table>,
}

struct State {
    epoch: u64,
    /// `None` until something is translated.
    generation: Option<Arc<Generation>>,
    entries: HashMap<u32, Entry>,
    /// Places that are being compiled.
    busy: HashSet<u32>,
    /// Places that cannot be.
    never: HashSet<u32>,
}

/// Translated code of a process.
pub struct Translator {
    engine: Engine,
    state: Mutex<State>,
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
    fn new() -> Result<Self, Failed> {
        let pages = CodePages::new().map_err(Failed::new)?;
        let way_in = Compiler::new().map_err(Failed::new)?.way_in()?;
        let at = pages.add(&way_in).map_err(Failed::new)?;
        let at = at.ok_or_else(|| Failed::new("no room for the way in"))?;
        Ok(Self {
            pages,
            way_in: at as u64,
            calls: Mutex::default(),
        })
    }
}

/// A unit to be compiled.
struct Job {
    of: Weak<Translator>,
    epoch: u64,
    unit: Unit,
}

/// Units in the queue.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// The background thread's queue; `None` if the host gives no thread.
static BACKGROUND: LazyLock<Option<SyncSender<Job>>> = LazyLock::new(|| {
    let (send, receive) = sync_channel::<Job>(QUEUE);
    let work = move || {
        while let Ok(job) = receive.recv() {
            QUEUED.fetch_sub(1, Relaxed);
            if let Some(translator) = job.of.upgrade() {
                translator.finish(job.epoch, job.unit);
            }
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
            state: Mutex::new(State {
                epoch: 0,
                generation: None,
                entries: HashMap::new(),
                busy: HashSet::new(),
                never: HashSet::new(),
            }),
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The unit that is entered at `pc`. If there is none yet it is asked for; and if there cannot be one, that is said.
    pub(super) fn find<M: CodeMemory>(
        self: &Arc<Self>,
        mem: &M,
        core: Core,
        epoch: u64,
        pc: u32,
        starts: [u32; 2],
    ) -> Found {
        let mut state = self.state();
        if state.epoch != epoch {
            if state.epoch > epoch {
                // This host thread has not noticed yet.
                return Found::NotYet;
            }
            state.begin(epoch);
        }
        if let Some(found) = state.found(pc) {
            return found;
        }
        if state.never.contains(&pc) {
            return Found::Never;
        }
        let at_once = self.engine == Engine::Translator;
        if state.busy.contains(&pc) || !at_once && QUEUED.load(Relaxed) >= QUEUE {
            return Found::NotYet;
        }
        let Some(unit) = grow(mem, core, pc, starts, |pc| state.entries.contains_key(&pc)) else {
            state.give_up(pc);
            return Found::Never;
        };
        state.busy.insert(pc);
        drop(state);
        if at_once {
            self.finish(epoch, unit);
        } else {
            let job = Job {
                of: Arc::downgrade(self),
                epoch,
                unit,
            };
            QUEUED.fetch_add(1, Relaxed);
            let queued = BACKGROUND
                .as_ref()
                .is_some_and(|queue| queue.try_send(job).is_ok());
            if !queued {
                QUEUED.fetch_sub(1, Relaxed);
                self.state().busy.remove(&pc);
            }
            return Found::NotYet;
        }
        let state = self.state();
        let found = state.found(pc).filter(|_| state.epoch == epoch);
        found.unwrap_or(Found::Never)
    }

    /// Compiles a unit and lets it be found.
    fn finish(&self, epoch: u64, unit: Unit) {
        if self.state().epoch != epoch {
            return;
        }
        let begun = std::time::Instant::now();
        let pc = unit.entries.first().copied().unwrap_or_default();
        let packets = unit.pieces.len() as u64;
        // A fault of the generator's or ours is no reason to stop: the code stays interpreted.
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            Compiler::new().map_err(Failed::new)?.unit(&unit)
        }));
        let compiled = compiled.unwrap_or_else(|_| Err(Failed::new("the translator failed")));
        let done = compiled.and_then(|code| {
            let bytes = code.bytes.len() as u64;
            self.add(epoch, unit, code).map(|added| (added, bytes))
        });
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let s = &self.statistics;
        s.nanoseconds.fetch_add(took, Relaxed);
        match done {
            Ok((true, bytes)) => {
                s.units.fetch_add(1, Relaxed);
                s.packets.fetch_add(packets, Relaxed);
                s.bytes.fetch_add(bytes, Relaxed);
            }
            Ok((false, _)) => {}
            Err(why) => {
                s.failed.fetch_add(1, Relaxed);
                let mut state = self.state();
                state.busy.remove(&pc);
                state.give_up(pc);
                drop(state);
                tracing::warn!(target: "emu::core", "the code at {pc:#010x} stays interpreted: {why}");
            }
        }
    }

    /// Lets a unit be found, unless the code that it was made of has changed.
    fn add(&self, epoch: u64, unit: Unit, code: Compiled) -> Result<bool, Failed> {
        let mut state = self.state();
        if state.epoch != epoch {
            return Ok(false);
        }
        let mut generation = state.generation()?;
        let mut at = generation.pages.add(&code.bytes).map_err(Failed::new)?;
        if at.is_none() {
            // All of it goes when there is no room left: what is hot is soon there again.
            state.begin(epoch);
            generation = state.generation()?;
            at = generation.pages.add(&code.bytes).map_err(Failed::new)?;
        }
        let at = at.ok_or_else(|| Failed::new("it is larger than all room for code"))?;
        code.placed(at as u64);
        let at = at as u64;
        for (which, pc) in (0..).zip(&unit.entries) {
            let code = at;
            state.entries.entry(*pc).or_insert(Entry { code, which });
            state.busy.remove(pc);
        }
        let calls = &generation.calls;
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.of_interpreter.extend(unit.into_calls());
        calls.tables.push(code.table);
        Ok(true)
    }
}

impl State {
    /// Forgets everything.
    fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.generation = None;
        self.entries.clear();
        self.busy.clear();
        self.never.clear();
    }

    /// This place stays interpreted. Guests have many places, so only so many are remembered.
    fn give_up(&mut self, pc: u32) {
        if self.never.len() >= MOST_NEVER {
            self.never.clear();
        }
        self.never.insert(pc);
    }

    /// Where code is put.
    fn generation(&mut self) -> Result<Arc<Generation>, Failed> {
        if let Some(generation) = &self.generation {
            return Ok(Arc::clone(generation));
        }
        let generation = Arc::new(Generation::new()?);
        self.generation = Some(Arc::clone(&generation));
        Ok(generation)
    }

    fn found(&self, pc: u32) -> Option<Found> {
        let entry = self.entries.get(&pc)?;
        let generation = self.generation.as_ref()?;
        Some(Found::Here(*entry, Arc::clone(generation)))
    }
}

/// What is at an address.
pub(super) enum Found {
    /// A unit is entered there.
    Here(Entry, Arc<Generation>),
    /// It is worth asking again.
    NotYet,
    /// Nothing will be, as long as the code stays what it is.
    Never,
}
