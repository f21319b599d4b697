//! The tables of a case, as they are written.

use super::values::{Ints, Time};
use crate::account;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Which past bugs of the drivers a case is about (docs/zoo.md).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Zoo {
    /// Rows of the table in docs/zoo.md.
    pub bugs: Vec<u32>,
    /// Public commits that fixed them, their first 12 digits or more.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub fixed: Vec<Spanned<String>>,
    /// CVE numbers.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub cve: Vec<Spanned<String>>,
    /// What a kernel with the bug is caught by, one of them at least: classes of kernel complaints, kinds of the account's
    /// findings, "exit" (the workload's expectations are not met), "hang".
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub detects: Vec<Spanned<String>>,
}

/// What a case needs; without it, it is skipped.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Requirements {
    /// The driver; either if left out.
    pub driver: Option<Driver>,
    /// Releases of the kernel, ">=6.12, <7.3".
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub kernel: Option<Spanned<String>>,
    /// Options of the kernel's configuration that are built in or modules, without CONFIG_.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub config: Vec<Spanned<String>>,
    /// Guest processors (2 if left out).
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub cpus: Option<Spanned<u32>>,
    /// Guest RAM ("1G" if left out).
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub ram: Option<Spanned<String>>,
    /// More words for the kernel's command line.
    pub append: Vec<String>,
}

/// A driver of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// drivers/misc/fastrpc.c
    Fastrpc,
    /// drivers/accel/qda
    Qda,
}

impl Driver {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fastrpc, Self::Qda];

    /// As cases and command lines call it. Its module is called so, too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fastrpc => "fastrpc",
            Self::Qda => "qda",
        }
    }

    /// The option of the kernel's configuration.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Fastrpc => "CONFIG_QCOM_FASTRPC",
            Self::Qda => "CONFIG_DRM_ACCEL_QDA",
        }
    }

    /// The one that would serve the same channel.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Fastrpc => Self::Qda,
            Self::Qda => Self::Fastrpc,
        }
    }

    /// Those that a line of names has.
    #[must_use]
    pub fn named(words: &str) -> Vec<Self> {
        let has = |driver: &Self| words.split_whitespace().any(|word| word == driver.name());
        Self::ALL.into_iter().filter(has).collect()
    }
}

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Driver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|driver| driver.name() == text);
        found.ok_or_else(|| format!("{text:?} is neither fastrpc nor qda"))
    }
}

/// What runs in the guest: one of `drive` and `run`.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// A program for vh-drive (docs/workloads.md).
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub drive: Option<Spanned<String>>,
    /// A shell script.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub run: Option<Spanned<String>>,
    /// How long it may take ("60s" if left out).
    #[cfg_attr(test, schemars(with = "Option<Time>"))]
    pub timeout: Option<Spanned<Time>>,
}

/// What must hold.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Expect {
    /// The workload's exit status (0 if left out).
    pub exit: Option<Ints>,
    /// Regular expressions; each must match a line of the workload's output.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub output: Vec<Spanned<String>>,
    /// Regular expressions of which none may match.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub absent: Vec<Spanned<String>>,
    /// Classes of kernel complaints that must appear.
    #[cfg_attr(test, schemars(with = "Vec<super::class::Class>"))]
    pub console: Vec<Spanned<String>>,
    /// Classes, or regular expressions "/…/" over the first line of a complaint, that may appear.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub allow: Vec<Spanned<String>>,
    /// Kinds of the account's findings that must appear.
    pub account: Vec<account::Kind>,
    /// Kinds that may appear; every other finding fails the case.
    pub allow_account: Vec<account::Kind>,
    /// How often rules must have fired, by name, all DSPs together; at least once if left out.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Ints>"))]
    pub fired: BTreeMap<Spanned<String>, Ints>,
    /// How many DSP processes must have crashed; any number if left out.
    pub dsp_crashes: Option<Ints>,
}

/// The tables of a case, as they are written.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub zoo: Option<Zoo>,
    pub needs: Option<Requirements>,
    pub workload: Option<Spanned<Workload>>,
    pub expect: Option<Expect>,
}
