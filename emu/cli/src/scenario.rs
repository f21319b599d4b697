//! `--scenario`, `--seed` and `--history` of `run` and `serve`.

use crate::output::tell;
use anyhow::Context as _;
use emu_lab::scenario::{Scenario, Watch};
use emu_machine::device::layout::PlatformKind;
use emu_machine::profile::Profile;
use host_files::output::{self, Existing};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

/// Options that `run` and `serve` share.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Have the DSPs misbehave as the scenario says (docs/scenarios.md; scenarios/ has some). How often each rule fired is
    /// told at the end.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Seed of the scenario's random choices [default: the file's].
    #[arg(long, value_name = "N", requires = "scenario")]
    seed: Option<u64>,
    /// File that gets the newest events of every DSP, as JSON lines.
    #[arg(long, value_name = "FILE", requires = "scenario")]
    history: Option<PathBuf>,
}

/// A scenario that fits the machine.
pub struct Loaded {
    scenario: Scenario,
    seed: Option<u64>,
    history: Option<(PathBuf, File)>,
}

impl Options {
    /// Reads the file and checks that it can be played on this machine, and makes the history's, before anything is started.
    pub fn load(
        &self,
        profile: &Profile,
        platform: PlatformKind,
        existing: Existing,
    ) -> anyhow::Result<Option<Loaded>> {
        let Some(path) = &self.scenario else {
            return Ok(None);
        };
        let scenario = Scenario::load(path)?;
        let board = platform == PlatformKind::Board;
        let labels: Vec<&str> = profile.dsps.iter().map(|dsp| dsp.label.as_str()).collect();
        scenario.check_machine(&labels, board)?;
        let make = |path: &PathBuf| Ok::<_, anyhow::Error>((path.clone(), output::create(path, existing)?));
        Ok(Some(Loaded {
            scenario,
            seed: self.seed,
            history: self.history.as_ref().map(make).transpose()?,
        }))
    }
}

impl Loaded {
    /// What is played.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The seed, if it is not the scenario's own.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// Tells how often each rule fired, and writes the history.
    pub fn report(&mut self, watches: &[Watch]) -> anyhow::Result<()> {
        let seed = self.seed.unwrap_or(self.scenario.seed());
        tell!("Scenario {} (seed {seed}):", self.scenario.name());
        for watch in watches {
            for (rule, times) in watch.fired() {
                let times = match times {
                    0 => "never fired".to_owned(),
                    1 => "fired once".to_owned(),
                    n => format!("fired {n} times"),
                };
                tell!("  {:<6} {rule}: {times}", watch.label());
            }
        }
        let Some((path, file)) = self.history.take() else {
            return Ok(());
        };
        write_history(file, watches).with_context(|| format!("cannot write the history {}", path.display()))
    }
}

fn write_history(file: File, watches: &[Watch]) -> anyhow::Result<()> {
    let mut file = std::io::BufWriter::new(file);
    for watch in watches {
        for entry in watch.history() {
            let mut line = serde_json::to_value(&entry)?;
            if let Some(object) = line.as_object_mut() {
                object.insert("dsp".into(), watch.label().into());
            }
            writeln!(file, "{line}")?;
        }
    }
    Ok(file.flush()?)
}
