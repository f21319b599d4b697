//! What imported functions keep of a process, one struct for each family that keeps something.
//!
//! Apart from the functions, which lie above the kernel that holds this.

pub mod cache_locks;
pub mod cancels;
pub mod errnos;
pub mod exits;
pub mod farf;
pub mod files;
pub mod guards;
pub mod hash_tables;
pub mod inherited;
pub mod keys;
pub mod libraries;
pub mod pipes;
pub mod pmu;
pub mod posix;
pub mod queues;
pub mod regions;
pub mod resources;
pub mod timers;
pub mod vectors;
pub mod votes;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::sched::ThreadId;
use cache_locks::CacheLocks;
use cancels::Cancels;
use errnos::Errnos;
use exits::{Exits, ThreadObjects};
use farf::Farf;
use files::Files;
use guards::Guards;
use hash_tables::HashTables;
use inherited::Inherited;
use keys::Keys;
use libraries::Libraries;
use pipes::Pipes;
use pmu::Pmu;
use posix::Posix;
use queues::Queues;
use regions::Regions;
use resources::Resources;
use timers::Timers;
use vectors::Vectors;
use votes::Votes;

/// All of it.
pub struct LibraryState {
    /// FARF's run-time filter.
    pub farf: Farf,
    /// Functions to run at exit.
    pub exits: Exits,
    /// Destructors of thread-local objects.
    pub thread_objects: ThreadObjects,
    /// What `dlopen` gave out.
    pub libraries: Libraries,
    /// Static variables that are being initialised.
    pub guards: Guards,
    /// VTCM and the matrix unit.
    pub resources: Resources,
    /// Timers.
    pub timers: Timers,
    /// Pipes.
    pub pipes: Pipes,
    /// Performance counters.
    pub pmu: Pmu,
    /// Votes for clocks and power.
    pub votes: Votes,
    /// What `setenv` set, by name, and where copies are that `getenv` gave.
    pub environment: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Where the locale's name is; 0: nobody asked for it yet.
    pub locale: u32,
    /// Vector contexts.
    pub vectors: Vectors,
    /// Thread-local keys.
    pub keys: Keys,
    /// Packet queues.
    pub queues: Queues,
    /// Files of the AP.
    pub files: Files,
    /// Where threads have their `errno`.
    pub errnos: Errnos,
    /// Threads that are to be cancelled.
    pub cancels: Cancels,
    /// POSIX threads.
    pub posix: Posix,
    /// Numbers that threads have for tools.
    pub timetest_ids: BTreeMap<ThreadId, u16>,
    /// Threads that have another's priority.
    pub inherited: Inherited,
    /// What is locked in the cache.
    pub cache_locks: CacheLocks,
    /// Memory regions of QuRT.
    pub regions: Regions,
    /// The line of standard output that is not complete yet.
    pub line: Vec<u8>,
    /// Where `strtok` goes on.
    pub tokens: u32,
    /// Where the text that `strerror` gave last is; 0: it gave none yet.
    pub error_text: u32,
    /// Where `gmtime` and `asctime` answer; 0: they were not called yet.
    pub calendar: u32,
    /// Elements of all sorts under way.
    pub sorting: Arc<AtomicU32>,
    /// How far `getopt` has read an element with several letters; 0: it is not in one.
    pub option_place: u32,
    /// Hash tables of `hsearch`.
    pub hash_tables: HashTables,
    /// `rand`'s state.
    pub random: u32,
    /// The state of `drand48` and its kin.
    pub random48: u64,
    /// What signals do that do not do what they do by default: handler and flags, by number.
    pub signals: BTreeMap<u32, (u32, u32)>,
    /// Where the facts about the locale are; 0: nobody asked for them yet.
    pub facts: u32,
    /// Where the text "." is; 0: nobody asked for it yet.
    pub dot: u32,
    /// Functions whose lack of effect the log has told of.
    pub told: HashSet<&'static str>,
}

impl LibraryState {
    /// A thread is gone: whatever is kept by its number.
    pub fn forget_thread(&mut self, thread: ThreadId) {
        self.thread_objects.forget(thread);
        self.errnos.thread_ended(thread);
        self.cancels.thread_ended(thread);
        self.inherited.forget(thread);
        self.timetest_ids.remove(&thread);
    }
}

impl LibraryState {
    /// The state of a new process with so many bytes of VTCM.
    pub fn new(vtcm: u32, errnos: Errnos) -> Self {
        Self {
            farf: Farf::default(),
            exits: Exits::default(),
            thread_objects: ThreadObjects::default(),
            libraries: Libraries::default(),
            guards: Guards::default(),
            resources: Resources::new(vtcm),
            timers: Timers::default(),
            pipes: Pipes::default(),
            pmu: Pmu::default(),
            votes: Votes::default(),
            environment: BTreeMap::new(),
            locale: 0,
            vectors: Vectors::default(),
            keys: Keys::default(),
            queues: Queues::default(),
            files: Files::default(),
            errnos,
            cancels: Cancels::default(),
            posix: Posix::default(),
            timetest_ids: BTreeMap::new(),
            inherited: Inherited::default(),
            cache_locks: CacheLocks::default(),
            regions: Regions::default(),
            line: Vec::new(),
            tokens: 0,
            error_text: 0,
            calendar: 0,
            sorting: Arc::default(),
            option_place: 0,
            hash_tables: HashTables::default(),
            random: 1,
            random48: 0x1234_abcd_330e,
            signals: BTreeMap::new(),
            facts: 0,
            dot: 0,
            told: HashSet::new(),
        }
    }
}
