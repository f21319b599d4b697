//! The one machine of the process: made when something of it is first needed, gone with the process.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Context as _;
use emu_local_ap::{Client, Driver, PacketError, PacketQueues, for_one_program, print_record};
use emu_machine::profile::Profile;
use emu_os::services::FarfTo;
use rpmsg::Aee;
use tracing_subscriber::EnvFilter;

use crate::buffers::Buffers;

/// Memory that programs and DSP share: anonymous, so only what is touched counts.
const RAM: usize = 3 << 30;
/// `CDSP_DOMAIN_ID`.
pub const DOMAIN: u32 = 3;
/// `CDSP_DOMAIN_NAME`.
pub const DOMAIN_NAME: &str = "cdsp";

/// AP and DSP.
pub struct Machine {
    /// What the DSP answers about itself.
    pub attributes: BTreeMap<u32, u32>,
    /// The process on the DSP.
    pub client: Client,
    buffers: Mutex<Buffers>,
    queues: OnceLock<Result<PacketQueues, PacketError>>,
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
        let variable = |name| {
            std::env::var(name)
                .ok()
                .filter(|value: &String| !value.is_empty())
        };
        let soc = variable("VHOST_HEXAGON_SOC").unwrap_or_else(|| emu_machine::profile::DEFAULT.into());
        let profile = Profile::load(&soc)?;
        let configs = emu_machine::vm::platform::dsp_configs(&profile, 4096);
        let mut config = configs
            .into_iter()
            .find(|config| config.label == DOMAIN_NAME)
            .with_context(|| format!("the profile {soc} has no compute DSP"))?;
        if let Some(threads) = variable("VHOST_HEXAGON_DSP_THREADS") {
            let threads: NonZeroUsize = threads
                .parse()
                .with_context(|| format!("VHOST_HEXAGON_DSP_THREADS={threads} is no number of threads"))?;
            config.dsp_threads = Some(threads);
        }
        config.farf = FarfTo::Guest;
        config.library_read.searched = "along ADSP_LIBRARY_PATH or DSP_LIBRARY_PATH".into();
        let attributes = config.attributes.clone();
        let folders = variable("ADSP_LIBRARY_PATH").or_else(|| variable("DSP_LIBRARY_PATH"));
        let folders = folders.unwrap_or_else(|| ".".into());
        let folders = folders.split(';').filter(|folder| !folder.is_empty());
        let driver = Driver::start(for_one_program(config), RAM).context("cannot set up the machine")?;
        let sid = driver.session_ids().next().context("no context bank")?;
        let client = Client::create(
            &driver,
            sid,
            1,
            "host",
            folders.map(PathBuf::from).collect(),
            Box::new(print_record),
        )?;
        Ok(Self {
            attributes,
            client,
            buffers: Mutex::default(),
            queues: OnceLock::new(),
        })
    }

    /// Shared memory.
    pub fn buffers(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Packet queues, opened when the first is made.
    pub fn queues(&self) -> Result<&PacketQueues, Aee> {
        let queues = self.queues.get_or_init(|| PacketQueues::open(&self.client));
        queues.as_ref().map_err(|error| {
            tracing::error!("packet queues cannot be used: {error}");
            Aee::UNSUPPORTED
        })
    }

    /// The driver.
    pub fn driver(&self) -> &Arc<Driver> {
        self.client.session().driver()
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

/// Whether a number means the one DSP that is here.
pub fn check_domain(domain: c_int) -> Result<(), Aee> {
    if u32::try_from(domain) == Ok(DOMAIN) {
        return Ok(());
    }
    tracing::warn!("there is no domain {domain}, only {DOMAIN}");
    Err(Aee::UNSUPPORTED)
}
