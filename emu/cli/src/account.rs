//! `--account` and `--suppress` of `run` and `serve`.

use crate::output::{tell, tell_text};
use anyhow::Context as _;
use emu_lab::account::{Account, Report, Suppressions};
use emu_machine::device::DspDevice;
use host_files::output::{self, Existing};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

/// Exit code when the program in the guest succeeded, but the account is not clean.
pub const NOT_CLEAN: u8 = 3;

/// Options that `run` and `serve` share.
#[derive(clap::Args, Clone)]
#[group(skip)]
pub struct Options {
    /// Account at the end for what the driver left behind: mappings, calls, contexts (docs/account.md). With FILE it goes
    /// there, as JSON if the name ends in .json, and only the summary is printed. Exit code 3 if the program succeeded but
    /// the account is not clean, or could not be judged.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    account: Option<Option<PathBuf>>,
    /// Findings that are known, by kernel release, kind and fields (TOML, may be repeated).
    #[arg(long, value_name = "FILE", requires = "account")]
    suppress: Vec<PathBuf>,
}

/// What is done with the accounts of a machine's DSPs.
pub struct Accounting {
    file: Option<(PathBuf, File)>,
    rules: Suppressions,
}

impl Options {
    /// Whether there is to be an account.
    pub const fn is_asked(&self) -> bool {
        self.account.is_some()
    }

    /// Reads the files and makes the account's, before anything is started.
    pub fn load(&self, existing: Existing) -> anyhow::Result<Option<Accounting>> {
        let Some(file) = &self.account else {
            return Ok(None);
        };
        let make = |path: &PathBuf| Ok::<_, anyhow::Error>((path.clone(), output::create(path, existing)?));
        Ok(Some(Accounting {
            file: file.as_ref().map(make).transpose()?,
            rules: Suppressions::load(&self.suppress)?,
        }))
    }
}

impl Accounting {
    /// The end: sessions that run are ended, and everything is told. True if the account is clean.
    pub fn close(
        &mut self,
        accounts: &[Account],
        devices: &[DspDevice],
        kernel: &str,
    ) -> anyhow::Result<Vec<Report>> {
        for device in devices {
            device.subsystem().reset("the account is closed");
        }
        let mut reports: Vec<Report> = accounts.iter().map(Account::report).collect();
        reports
            .iter_mut()
            .for_each(|report| report.suppress(&self.rules, kernel));
        match &mut self.file {
            Some((path, file)) => {
                let json = path.extension().is_some_and(|e| e == "json");
                let text = if json {
                    serde_json::to_string_pretty(&serde_json::json!({ "kernel": kernel, "dsps": reports }))?
                } else {
                    reports.iter().map(Report::text).collect()
                };
                file.write_all(text.as_bytes())
                    .with_context(|| format!("cannot write the account to {}", path.display()))?;
                reports.iter().for_each(|r| tell!("{}", r.summary()));
            }
            None => reports.iter().for_each(|r| tell_text(&r.text())),
        }
        Ok(reports)
    }
}
