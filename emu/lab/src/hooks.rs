//! What stands between the DSPs of a machine and their guest, or watches them: put in once, in one order, before anybody can ring.
//!
//! The order is part of the meaning. What decides over the DSP's answers (a scenario or a recording) is next to the DSP, the
//! deterministic mode holds back what is left of them; an account sees an event before the trace that notes its findings.

use crate::account::{self, Account};
use crate::deterministic::{Deterministic, QemuProcess};
use crate::replay::{Player, Recording};
use crate::scenario::{Engine, Scenario, Watch};
use crate::trace::{self, Trace, TraceError};
use emu_machine::control::{Control, ControlError};
use emu_machine::device::DspDevice;
use emu_machine::device::layout::PlatformKind;
use std::path::{Path, PathBuf};

/// Why hooks cannot be put in.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Both would decide over the same answers.
    #[error("a scenario has no meaning in a replay: the recorded answers are all there are")]
    ScenarioInReplay,
    /// A recording of a DSP that is not there.
    #[error("the recording is of a DSP {0}, which this machine does not have (see --soc)")]
    NoSuchDsp(String),
    /// A recording from another platform.
    #[error("the recording is of --platform {recorded}, this machine is --platform {machine}")]
    OtherPlatform {
        /// Where it was made.
        recorded: String,
        /// What it is to be played on.
        machine: PlatformKind,
    },
    /// The trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// A trace to write.
#[derive(Debug)]
pub struct TraceRequest {
    /// The file.
    pub path: PathBuf,
    /// Bounds and comment.
    pub options: trace::Options,
}

/// What to put in.
#[derive(Debug, Default)]
pub struct Hooks<'a> {
    /// A DSP that misbehaves on command, and the seed if not the scenario's own.
    pub scenario: Option<(&'a Scenario, Option<u64>)>,
    /// Recorded DSPs, by label.
    pub recordings: &'a [(String, Recording)],
    /// Whether the DSPs wait for their guest.
    pub deterministic: bool,
    /// Whether each DSP has an account.
    pub account: bool,
    /// The trace.
    pub trace: Option<TraceRequest>,
    /// Socket at which the DSPs are controlled.
    pub control: Option<&'a Path>,
}

/// What was put in.
#[derive(Default)]
pub struct Attached {
    /// What each DSP's scenario did.
    pub watches: Vec<Watch>,
    /// The recorded DSPs that answer.
    pub players: Vec<(String, Player)>,
    /// The account of each DSP.
    pub accounts: Vec<Account>,
    /// The trace.
    pub trace: Option<Trace>,
    guest: QemuProcess,
    _control: Option<Control>,
}

impl Hooks<'_> {
    /// Puts everything in.
    ///
    /// # Errors
    /// Hooks that exclude each other, a recording of another machine, a file or socket that cannot be made.
    pub fn attach(self, devices: &[DspDevice], platform: PlatformKind) -> Result<Attached, HookError> {
        if self.scenario.is_some() && !self.recordings.is_empty() {
            return Err(HookError::ScenarioInReplay);
        }
        let mut attached = Attached::default();
        if let Some((scenario, seed)) = self.scenario {
            attached.watches = play_scenario(scenario, seed, devices, platform);
        }
        attached.players = play_recordings(self.recordings, devices, platform)?;
        if self.deterministic {
            Deterministic::hold(devices, &attached.guest);
        }
        if self.account {
            attached.accounts = open_accounts(devices);
        }
        if let Some(request) = self.trace {
            let dsps: Vec<_> = devices
                .iter()
                .map(|device| device.subsystem().config().clone())
                .collect();
            let trace = Trace::create(&request.path, &dsps, &platform.to_string(), request.options)?;
            trace.watch(devices, &attached.accounts);
            attached.trace = Some(trace);
        }
        attached._control = self
            .control
            .map(|path| Control::listen(path, devices))
            .transpose()?;
        Ok(attached)
    }
}

impl Attached {
    /// The guest runs, in this QEMU process.
    pub fn guest_started(&self, qemu: u32) {
        self.guest.is(qemu);
    }
}

fn play_scenario(
    scenario: &Scenario,
    seed: Option<u64>,
    devices: &[DspDevice],
    platform: PlatformKind,
) -> Vec<Watch> {
    let board = platform == PlatformKind::Board;
    let played = devices
        .iter()
        .filter(|device| scenario.is_for(&device.subsystem().config().label));
    played
        .map(|device| {
            let engine = Engine::new(scenario, seed, device.subsystem().config(), board);
            let watch = engine.watch();
            device.subsystem().set_interposer(Box::new(engine));
            watch
        })
        .collect()
}

fn play_recordings(
    recordings: &[(String, Recording)],
    devices: &[DspDevice],
    platform: PlatformKind,
) -> Result<Vec<(String, Player)>, HookError> {
    let mut players = Vec::new();
    for (label, recording) in recordings {
        let device = devices.iter().find(|device| device.label() == label);
        let device = device.ok_or_else(|| HookError::NoSuchDsp(label.clone()))?;
        if let Some(about) = &recording.about
            && about.platform != platform.to_string()
        {
            return Err(HookError::OtherPlatform {
                recorded: about.platform.clone(),
                machine: platform,
            });
        }
        let player = Player::new(recording.clone(), device.subsystem().config().clone());
        device.subsystem().set_interposer(player.interposer());
        players.push((label.clone(), player));
    }
    Ok(players)
}

fn open_accounts(devices: &[DspDevice]) -> Vec<Account> {
    devices
        .iter()
        .map(|device| {
            let account = Account::new(account::Config::new(device.subsystem().config().clone()));
            device.subsystem().add_observer(account.observer());
            account
        })
        .collect()
}
