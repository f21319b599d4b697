//! What stands between DSPs and guest in `run`, `serve` and `qemu`, or watches them: options, assembly, reports at the end.

use super::account::Accounting;
use super::scenario::Loaded;
use super::trace::Tracing;
use emu_lab::account::{Census, Report};
use emu_lab::hooks::{Attached, Hooks};
use emu_lab::replay::{Player, Recording};
use emu_machine::device::DspDevice;
use emu_machine::device::layout::PlatformKind;
use emu_machine::profile::Profile;
use host_files::output::Existing;
use std::path::PathBuf;

/// The options.
#[derive(clap::Args, Clone)]
#[group(skip)]
pub struct Options {
    #[command(flatten)]
    force: super::force::Force,
    #[command(flatten)]
    scenario: super::scenario::Options,
    #[command(flatten)]
    account: super::account::Options,
    #[command(flatten)]
    trace: super::trace::Options,
    /// Socket to make at which `ctl` reaches the DSPs.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
}

/// Options that were found good, before there are DSPs.
pub struct Requested {
    options: Options,
    platform: PlatformKind,
    scenario: Option<Loaded>,
    accounting: Option<Accounting>,
}

/// What was put in.
pub struct Hooked {
    scenario: Option<Loaded>,
    accounting: Option<Accounting>,
    tracing: Option<Tracing>,
    attached: Attached,
}

impl Options {
    /// What becomes of files that are there already.
    pub fn existing(&self) -> Existing {
        self.force.existing()
    }

    /// Whether there will be accounts.
    pub fn has_accounts(&self) -> bool {
        self.account.is_asked()
    }

    /// Reads and checks the files that the options name, and makes those that are written at the end.
    pub fn load(&self, profile: &Profile, platform: PlatformKind) -> anyhow::Result<Requested> {
        Ok(Requested {
            scenario: self.scenario.load(profile, platform, self.existing())?,
            accounting: self.account.load(self.existing())?,
            options: self.clone(),
            platform,
        })
    }
}

impl Requested {
    /// Puts everything in, recorded DSPs among it.
    pub fn attach(
        self,
        devices: &[DspDevice],
        comment: String,
        deterministic: bool,
        recordings: &[(String, Recording)],
    ) -> anyhow::Result<Hooked> {
        let existing = self.options.existing();
        let requested = self.options.trace.request(comment, deterministic, existing)?;
        let (trace, tracing) = requested.unzip();
        let hooks = Hooks {
            scenario: self
                .scenario
                .as_ref()
                .map(|loaded| (loaded.scenario(), loaded.seed())),
            recordings,
            deterministic,
            account: self.accounting.is_some(),
            trace,
            control: self.options.control.as_deref(),
        };
        let attached = hooks.attach(devices, self.platform)?;
        Ok(Hooked {
            scenario: self.scenario,
            accounting: self.accounting,
            tracing,
            attached,
        })
    }
}

impl Hooked {
    /// The guest runs, in this QEMU process.
    pub fn guest_started(&self, qemu: u32) {
        self.attached.guest_started(qemu);
    }

    /// Whether the DSPs have accounts.
    pub fn has_accounts(&self) -> bool {
        self.accounting.is_some()
    }

    /// What is live and mapped now, of each DSP.
    pub fn census(&self, devices: &[DspDevice]) -> Vec<Census> {
        let accounts = self.attached.accounts.iter().zip(devices);
        accounts
            .map(|(account, device)| account.census(device.subsystem().bus().as_deref()))
            .collect()
    }

    /// The recorded DSPs.
    pub fn players(&self) -> &[(String, Player)] {
        &self.attached.players
    }

    /// The end: what the scenario's rules did, the accounts (true if they are clean or were not asked for), the trace. `kernel` is
    /// the guest's release.
    pub fn close(
        &mut self,
        devices: &[DspDevice],
        kernel: &str,
    ) -> anyhow::Result<(bool, Option<Vec<Report>>)> {
        if let Some(scenario) = &mut self.scenario {
            scenario.report(&self.attached.watches)?;
        }
        let (mut clean, mut reports) = (true, None);
        if let Some(accounting) = &mut self.accounting {
            let of = accounting.close(&self.attached.accounts, devices, kernel)?;
            clean = of.iter().all(Report::is_clean);
            reports = Some(of);
        }
        if let (Some(tracing), Some(trace)) = (self.tracing.take(), self.attached.trace.take()) {
            tracing.close(trace, devices)?;
        }
        Ok((clean, reports))
    }
}
