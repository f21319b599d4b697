//! Scenarios: a DSP that misbehaves on command.
//!
//! A scenario is a TOML file of rules: *match* an event at the seam ([`emu_os::seam`]) → *do* something about it. Whatever no
//! rule touches is the honest DSP's; nothing of the services is repeated here. The language is described in
//! `docs/scenarios.md`, its schema for editors is `docs/scenario.schema.json`, examples are in `scenarios/`.
//!
//! [`Scenario::load`] reads and checks a file ([`mod@file`] is what is written, `check` turns it into rules); an [`Engine`] is the
//! [`Interposer`](emu_os::seam::Interposer) of one DSP; a [`Watch`] tells how often each rule fired and what happened.
//! Decisions depend on the events, their order and the seed alone.

mod case;
mod check;
mod class;
mod effects;
mod engine;
mod error;
pub mod event;
mod expr;
pub mod file;
mod history;
mod parcel;
pub(crate) mod random;
mod rule;
mod scalar;
#[cfg(test)]
mod tests;
mod values;

pub use case::{Allow, Case, CaseNeeds, Driver, Expectations, Program, Releases, Zoo};
pub use class::Class;
pub use engine::{Engine, Watch};
pub use error::ScenarioError;
pub use file::Needs;
pub use history::Entry;
pub use rule::Scenario;
pub use values::{Bytes, Ints, Num, Time, Words};

use emu_os::services::DspConfig;
use error::Problem;
use std::path::Path;

/// The text of a file.
fn read(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_owned(),
        source,
    })
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioError::Read`], or [`ScenarioError::Wrong`] with line and column.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Self::parse(&read(path)?, &path.display().to_string())
    }

    /// Parses a text; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ScenarioError::Wrong`]
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        Ok(Self::parse_case(text, file)?.0)
    }

    /// The scenario, and the case if the text is one.
    fn parse_case(text: &str, file: &str) -> Result<(Self, Option<Case>), ScenarioError> {
        let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        let locate = |problem: Problem| problem.locate(file, text);
        let mut written: file::File =
            toml::from_str(text).map_err(|error| locate(Problem::from_toml(&error)))?;
        let tables = case::tables(&mut written);
        let scenario = check::scenario(written, &name).map_err(locate)?;
        let case = case::check(tables, &scenario).map_err(locate)?;
        Ok((scenario, case))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The platform it needs, if it needs one.
    #[must_use]
    pub const fn platform(&self) -> Option<Needs> {
        self.platform
    }

    /// Names of its rules, in order.
    #[must_use]
    pub fn rule_names(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.name.as_str()).collect()
    }

    /// The seed in the file.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether it is about the DSP of that label.
    #[must_use]
    pub fn is_for(&self, label: &str) -> bool {
        self.dsps.is_empty() || self.dsps.iter().any(|dsp| dsp == label)
    }

    /// Checks that it can be played on such a machine.
    ///
    /// # Errors
    /// [`ScenarioError::Unfit`]
    pub fn check_machine(&self, labels: &[&str], board: bool) -> Result<(), ScenarioError> {
        let unfit = |why| {
            Err(ScenarioError::Unfit {
                scenario: self.name.clone(),
                why,
            })
        };
        match (self.platform, board) {
            (Some(Needs::Board), false) => return unfit("needs the board platform: --platform board".into()),
            (Some(Needs::Rpm), true) => return unfit("needs the rpm platform: --platform rpm".into()),
            _ => {}
        }
        let of_rules = self.rules.iter().flat_map(|rule| &rule.matcher.dsps);
        match self
            .dsps
            .iter()
            .chain(of_rules)
            .find(|dsp| !labels.contains(&dsp.as_str()))
        {
            Some(dsp) => unfit(format!(
                "is about the DSP {dsp:?}, which this SoC does not have (it has {})",
                labels.join(", ")
            )),
            None => Ok(()),
        }
    }

    /// One engine for each DSP it is about; the others have none.
    #[must_use]
    pub fn engines(&self, seed: Option<u64>, configs: &[DspConfig], board: bool) -> Vec<Option<Engine>> {
        configs
            .iter()
            .map(|config| {
                self.is_for(&config.label)
                    .then(|| Engine::new(self, seed, config, board))
            })
            .collect()
    }
}
