//! The one machine of the process: made when something of it is first needed, gone with the process.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Context as _;
use emu_local_ap::{Client, Driver, KernelIommu, PacketError, PacketQueues, for_one_program, print_record};
use emu_machine::profile::Profile;
use emu_os::services::FarfTo;
use emu_os::services::config::DspConfig;
use rpmsg::Aee;
use tracing_subscriber::EnvFilter;

use crate::buffers::Buffers;
use crate::domain::{self, Place};

/// Memory that programs and DSPs share: anonymous, so only what is touched counts.
const RAM: usize = 3 << 30;

/// AP and DSPs.
pub struct Machine {
    /// Folders with skeletons.
    folders: Vec<PathBuf>,
    configs: Vec<DspConfig>,
    /// The first DSP to be started, whose memory the others have, too.
    first: Arc<Driver>,
    /// DSPs that were started, by their names.
    dsps: Mutex<BTreeMap<String, Arc<Driver>>>,
    /// The program's processes on DSPs, by effective domain.
    processes: Mutex<BTreeMap<u32, Arc<Process>>>,
    buffers: Mutex<Buffers>,
}

/// A process of the program on a DSP.
pub struct Process {
    /// Which one.
    pub place: Place,
    /// What the program has of it.
    pub client: Client,
    queues: OnceLock<Result<PacketQueues, PacketError>>,
}

impl Process {
    /// Packet queues, opened when the first is made.
    pub fn queues(&self) -> Result<&PacketQueues, Aee> {
        let queues = self.queues.get_or_init(|| PacketQueues::open(&self.client));
        queues.as_ref().map_err(|error| {
            tracing::error!("packet queues cannot be used: {error}");
            Aee::UNSUPPORTED
        })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    fn start() -> anyhow::Result<Self> {
        let filter = EnvFilter::try_from_env("VHOST_HEXAGON_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
        // A program that has a subscriber of its own keeps it.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            // Nobody may read what is written; telling that would panic.
            .log_internal_errors(false)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .without_time()
            .try_init();
        let soc = variable("VHOST_HEXAGON_SOC").unwrap_or_else(|| emu_machine::profile::DEFAULT.into());
        let profile = Profile::load(&soc)?;
        let mut configs = emu_machine::vm::platform::dsp_configs(&profile, 4096);
        if let Some(threads) = variable("VHOST_HEXAGON_DSP_THREADS") {
            let threads: NonZeroUsize = threads
                .parse()
                .with_context(|| format!("VHOST_HEXAGON_DSP_THREADS={threads} is no number of threads"))?;
            for config in &mut configs {
                config.dsp_threads = Some(threads);
            }
        }
        for config in &mut configs {
            config.farf = FarfTo::Guest;
            config.library_read.searched = "along ADSP_LIBRARY_PATH or DSP_LIBRARY_PATH".into();
        }
        let folders = variable("ADSP_LIBRARY_PATH").or_else(|| variable("DSP_LIBRARY_PATH"));
        let folders = folders.unwrap_or_else(|| ".".into());
        let folders = folders.split(';').filter(|folder| !folder.is_empty());
        let first = configs.iter().find(|config| config.label == domain::DEFAULT);
        let first = first
            .or(configs.first())
            .with_context(|| format!("the profile {soc} has no DSP"))?
            .clone();
        let name = first.label.clone();
        let first = Driver::start(for_one_program(first), RAM).context("cannot set up the machine")?;
        Ok(Self {
            folders: folders.map(PathBuf::from).collect(),
            configs,
            dsps: Mutex::new(BTreeMap::from([(name, Arc::clone(&first))])),
            first,
            processes: Mutex::default(),
            buffers: Mutex::default(),
        })
    }

    /// Shared memory.
    pub fn buffers(&self) -> MutexGuard<'_, Buffers> {
        locked(&self.buffers)
    }

    /// Its memory management.
    pub fn kernel(&self) -> &KernelIommu {
        self.first.kernel()
    }

    fn config(&self, place: Place) -> Result<&DspConfig, Aee> {
        let mut all = self.configs.iter();
        all.find(|config| config.label == place.name()).ok_or_else(|| {
            let has: Vec<&str> = self.configs.iter().map(|config| config.label.as_str()).collect();
            tracing::warn!("there is no DSP {} here, only {}", place.name(), has.join(", "));
            Aee::UNSUPPORTED
        })
    }

    /// Whether there is such a DSP.
    pub fn check(&self, place: Place) -> Result<(), Aee> {
        self.config(place).map(|_| ())
    }

    /// What a DSP answers about itself, by the attribute's number.
    pub fn attribute(&self, place: Place, number: u32) -> Result<u32, Aee> {
        let attributes = &self.config(place)?.attributes;
        Ok(attributes.get(&number).copied().unwrap_or(0))
    }

    fn dsp(&self, place: Place) -> Result<Arc<Driver>, Aee> {
        let mut dsps = locked(&self.dsps);
        if let Some(dsp) = dsps.get(place.name()) {
            return Ok(Arc::clone(dsp));
        }
        let config = for_one_program(self.config(place)?.clone());
        let dsp = self.first.start_beside(config).map_err(|error| {
            tracing::error!("the DSP {} cannot be started: {error}", place.name());
            Aee::NO_SESSION
        })?;
        dsps.insert(place.name().to_owned(), Arc::clone(&dsp));
        Ok(dsp)
    }

    /// The program's process there, which is made when it is first wanted.
    pub fn process(&self, place: Place) -> Result<Arc<Process>, Aee> {
        let mut processes = locked(&self.processes);
        match processes.get(&place.number()) {
            Some(process) => Ok(Arc::clone(process)),
            None => self.create(&mut processes, place),
        }
    }

    /// A process in the lowest session of a DSP, beside the first, that the program has not.
    pub fn new_process(&self, domain: u32) -> Result<Arc<Process>, Aee> {
        let mut processes = locked(&self.processes);
        let mut sessions = (1..domain::SESSIONS).map(|session| Place { domain, session });
        let place = sessions
            .find(|place| !processes.contains_key(&place.number()))
            .ok_or_else(|| {
                let (all, first) = (domain::SESSIONS, Place { domain, session: 0 });
                tracing::warn!("the program has all {all} sessions of {}", first.name());
                Aee::NO_SESSION
            })?;
        self.create(&mut processes, place)
    }

    /// Makes a process where there is none.
    fn create(&self, processes: &mut BTreeMap<u32, Arc<Process>>, place: Place) -> Result<Arc<Process>, Aee> {
        let dsp = self.dsp(place)?;
        let create = || {
            let sid = dsp.session_ids().next().context("no context bank")?;
            let number = i32::try_from(place.session)? + 1;
            let folders = self.folders.clone();
            anyhow::Ok(Client::create(
                &dsp,
                sid,
                number,
                "host",
                folders,
                Box::new(print_record),
            )?)
        };
        let client = create().map_err(|error| {
            tracing::error!("no process can be made on {}: {error:#}", place.name());
            Aee::NO_SESSION
        })?;
        let process = Arc::new(Process {
            place,
            client,
            queues: OnceLock::new(),
        });
        processes.insert(place.number(), Arc::clone(&process));
        Ok(process)
    }

    /// The process there, if there is one.
    pub fn existing_process(&self, effective: u32) -> Option<Arc<Process>> {
        locked(&self.processes).get(&effective).cloned()
    }
}

/// The machine, or why there is none: that is told once.
pub fn machine() -> Result<&'static Machine, Aee> {
    static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
    let start = || {
        let made = Machine::start();
        // Nobody may read that; a panic would end the program.
        made.map_err(|error| {
            let _ = writeln!(std::io::stderr(), "libcdsprpc (emulated): {error:#}");
        })
        .ok()
    };
    MACHINE.get_or_init(start).as_ref().ok_or(Aee::NO_SESSION)
}

/// What a C function returns.
pub fn code(result: Result<(), Aee>) -> i32 {
    result.err().unwrap_or(Aee::SUCCESS).on_ap().cast_signed()
}

/// The program's process that an effective domain names.
pub fn process_at(domain: c_int) -> Result<Arc<Process>, Aee> {
    machine()?.process(Place::effective(domain.into())?)
}
