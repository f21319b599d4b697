//! A case: a scenario file with three more tables, which say what it needs, what runs in the guest, and what must hold
//! (`docs/ci.md`). As the rest of the language it is checked when it is read, with line and column.
//!
//! [`Tables`] is what is written, [`Case`] what was found good.

use super::case_tables::{Driver, Expect, Requirements, Tables, Zoo};
use super::class::Class;
use super::error::{Problem, ScenarioError, hint};
use super::load::read;
use super::rule::Scenario;
use super::values::{Ints, Time};
use crate::account;
use regex::Regex;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// How long a program may take if the case does not say.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Most entries of a list in a case.
const MAX_LIST: usize = 1000;

/// A checked case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The DSP's part.
    pub scenario: Scenario,
    /// Which past bugs it is about.
    pub zoo: Option<Zoo>,
    /// What it needs.
    pub needs: CaseNeeds,
    /// What runs.
    pub program: Program,
    /// How long it may take.
    pub timeout: Duration,
    /// What must hold.
    pub expect: Expectations,
    /// The file's text.
    pub text: String,
}

/// What runs in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A program for vh-drive.
    Drive(String),
    /// A shell script.
    Shell(String),
}

/// What a case needs, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaseNeeds {
    /// The driver.
    pub driver: Option<Driver>,
    /// The kernel's release.
    pub kernel: Option<Releases>,
    /// Options of its configuration, with CONFIG_.
    pub config: Vec<String>,
    /// Guest processors.
    pub cpus: Option<u32>,
    /// Guest RAM in bytes.
    pub ram: Option<u64>,
    /// More words for the kernel's command line.
    pub append: Vec<String>,
}

/// What must hold, checked.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// Exit status.
    pub exit: Ints,
    /// Each matches a line of the output.
    pub output: Vec<Regex>,
    /// None matches.
    pub absent: Vec<Regex>,
    /// Complaints that must appear.
    pub console: Vec<Class>,
    /// Complaints that may.
    pub allow: Vec<Allow>,
    /// Findings that must appear.
    pub account: Vec<account::Kind>,
    /// Findings that may.
    pub allow_account: Vec<account::Kind>,
    /// How often rules must have fired.
    pub fired: BTreeMap<String, Ints>,
    /// Crashes of DSP processes.
    pub dsp_crashes: Option<Ints>,
}

/// A complaint of the kernel's that does not matter.
#[derive(Debug, Clone)]
pub enum Allow {
    /// All of a class.
    Class(Class),
    /// Those whose title matches.
    Title(Regex),
}

impl Allow {
    /// `smmu-fault` or `/regular expression/`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(pattern) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return regex(pattern).map(Self::Title);
        }
        Class::of(text).map(Self::Class).ok_or_else(|| {
            format!(
                "{text:?} is neither a class of kernel complaints nor a regular expression between slashes"
            )
        })
    }
}

/// Releases of the kernel: comparisons that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Releases {
    text: String,
    parts: Vec<(Comparison, Vec<u32>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

impl Releases {
    /// `>=6.12, <7.3`
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let part = part.trim();
            let operators = [
                (">=", Comparison::AtLeast),
                ("<=", Comparison::AtMost),
                (">", Comparison::Greater),
                ("<", Comparison::Less),
                ("=", Comparison::Equal),
                ("", Comparison::Equal),
            ];
            let found = operators
                .into_iter()
                .find_map(|(sign, comparison)| Some((comparison, part.strip_prefix(sign)?.trim())));
            let (comparison, version) = found.unwrap_or((Comparison::Equal, part));
            let numbers: Option<Vec<u32>> = version.split('.').map(|n| n.parse().ok()).collect();
            numbers
                .filter(|numbers| numbers.len() <= 4)
                .map(|numbers| (comparison, numbers))
                .ok_or_else(|| format!("{part:?} is no comparison of releases like \">=6.12\""))
        };
        let parts = text.split(',').map(part).collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// Whether a release (`uname -r`) is among them. As many of its numbers are compared as are written: 7.3.4 is 7.3.
    #[must_use]
    pub fn contains(&self, release: &str) -> bool {
        let plain = release
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .map_or(release, |end| &release[..end]);
        let numbers: Vec<u32> = plain.split('.').map(|n| n.parse().unwrap_or(0)).collect();
        self.parts.iter().all(|(comparison, wanted)| {
            let have: Vec<u32> = (0..wanted.len())
                .map(|n| numbers.get(n).copied().unwrap_or(0))
                .collect();
            match comparison {
                Comparison::Less => have < *wanted,
                Comparison::AtMost => have <= *wanted,
                Comparison::Equal => have == *wanted,
                Comparison::AtLeast => have >= *wanted,
                Comparison::Greater => have > *wanted,
            }
        })
    }

    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        format!(
            "{pattern:?} is no regular expression: {}",
            last.trim_start_matches("error: ")
        )
    })
}

impl Case {
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
        let (scenario, checked) = Scenario::parse_case(text, file)?;
        let Some(checked) = checked else {
            let why = "this is a scenario, not a case: a [workload] table says what runs in the guest";
            return Err(Problem::new(0..0, why).locate(file, text));
        };
        Ok(Self {
            scenario,
            text: text.to_owned(),
            ..checked
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.scenario.name()
    }
}

type Checked<T> = Result<T, Problem>;

fn at<T, S>(place: &Spanned<S>, result: Result<T, String>) -> Checked<T> {
    result.map_err(|why| Problem::new(place.span(), why))
}

fn each_checked<T>(list: &[Spanned<String>], each: impl Fn(&str) -> Result<T, String>) -> Checked<Vec<T>> {
    if let Some(last) = list.get(MAX_LIST) {
        let why = format!("a list of more than {MAX_LIST} entries");
        return Err(Problem::new(last.span(), why));
    }
    list.iter().map(|one| at(one, each(one.get_ref()))).collect()
}

/// Checks the tables; `None` if there is no workload, so that it is a scenario only. (Its text is the caller's to add.)
pub(super) fn check(tables: Tables, scenario: &Scenario) -> Checked<Option<Case>> {
    if let Some(zoo) = &tables.zoo {
        each_checked(&zoo.fixed, |commit| {
            let hex =
                commit.len() >= 12 && commit.len() <= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            hex.then_some(())
                .ok_or_else(|| format!("{commit:?} is not the beginning of a commit, 12 digits or more"))
        })?;
        each_checked(&zoo.cve, |cve| {
            let mut parts = cve.splitn(3, '-');
            let number = |text: Option<&str>| {
                text.is_some_and(|t| t.len() >= 4 && t.bytes().all(|b| b.is_ascii_digit()))
            };
            let good = parts.next() == Some("CVE") && number(parts.next()) && number(parts.next());
            good.then_some(())
                .ok_or_else(|| format!("{cve:?} is no CVE number"))
        })?;
        each_checked(&zoo.detects, |name| {
            let text = serde_json::Value::from(name);
            let known = matches!(name, "exit" | "hang")
                || Class::of(name).is_some()
                || serde_json::from_value::<account::Kind>(text).is_ok();
            known.then_some(()).ok_or_else(|| {
                format!("{name:?} is no class of kernel complaints, no kind of finding, not \"exit\" and not \"hang\"")
            })
        })?;
    }
    let needs = needs(tables.needs.unwrap_or_default())?;
    let expect = expectations(tables.expect.unwrap_or_default(), scenario)?;
    let Some(workload) = tables.workload else {
        return Ok(None);
    };
    let span = workload.span();
    let workload = workload.into_inner();
    let program = match (workload.drive, workload.run) {
        (Some(drive), None) => (drive.span(), Program::Drive(drive.into_inner())),
        (None, Some(run)) => (run.span(), Program::Shell(run.into_inner())),
        _ => return Err(Problem::new(span, "a workload is either `drive` or `run`")),
    };
    let (Program::Drive(text) | Program::Shell(text)) = &program.1;
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Problem::new(program.0, "there is no program in this"));
    }
    let timeout = match workload.timeout {
        Some(time) => {
            let Time { low, high } = *time.get_ref();
            let why = "a `timeout` is one time, not a range, and not 0";
            at(
                &time,
                (low == high && !low.is_zero())
                    .then_some(low)
                    .ok_or_else(|| why.into()),
            )?
        }
        None => TIMEOUT,
    };
    Ok(Some(Case {
        scenario: scenario.clone(),
        zoo: tables.zoo,
        needs,
        program: program.1,
        timeout,
        expect,
        text: String::new(),
    }))
}

fn needs(needs: Requirements) -> Checked<CaseNeeds> {
    let kernel = match &needs.kernel {
        Some(text) => Some(at(text, Releases::parse(text.get_ref()))?),
        None => None,
    };
    let config = each_checked(&needs.config, |name| {
        let bare = name.strip_prefix("CONFIG_").unwrap_or(name);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if bare.is_empty() || !bare.bytes().all(plain) {
            return Err(format!("{name:?} is no name of a configuration option"));
        }
        Ok(format!("CONFIG_{bare}"))
    })?;
    let cpus = match &needs.cpus {
        Some(n) => {
            let fits = (1..=8).contains(n.get_ref()).then_some(*n.get_ref());
            Some(at(n, fits.ok_or_else(|| "`cpus` is 1 to 8".into()))?)
        }
        None => None,
    };
    let ram = match &needs.ram {
        Some(text) => Some(at(text, ram(text.get_ref()))?),
        None => None,
    };
    Ok(CaseNeeds {
        driver: needs.driver,
        kernel,
        config,
        cpus,
        ram,
        append: needs.append,
    })
}

fn ram(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.strip_suffix('G') {
        Some(digits) => (digits, 30),
        None => (text.strip_suffix('M').unwrap_or("x"), 20),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    bytes
        .filter(|bytes| (256 << 20..=64 << 30).contains(bytes))
        .ok_or_else(|| format!("{text:?} is no size of RAM (\"512M\", \"2G\"; 256M to 64G)"))
}

fn expectations(expect: Expect, scenario: &Scenario) -> Checked<Expectations> {
    let classes = || Class::ALL.map(Class::name);
    let console = expect
        .console
        .iter()
        .map(|name| {
            Class::of(name.get_ref()).ok_or_else(|| {
                let why = format!(
                    "{:?} is no class of kernel complaints; they are {}",
                    name.get_ref(),
                    classes().join(", ")
                );
                let mut problem = Problem::new(name.span(), why);
                problem.hint = hint(name.get_ref(), &classes());
                problem
            })
        })
        .collect::<Checked<Vec<_>>>()?;
    let rules = scenario.rule_names();
    let mut fired = BTreeMap::new();
    for (name, times) in expect.fired {
        if !rules.contains(&name.get_ref().as_str()) {
            let mut problem = Problem::new(name.span(), format!("there is no rule {:?}", name.get_ref()));
            problem.hint = hint(name.get_ref(), &rules);
            return Err(problem);
        }
        fired.insert(name.into_inner(), times);
    }
    Ok(Expectations {
        exit: expect.exit.unwrap_or_else(|| Ints::of(&[0])),
        output: each_checked(&expect.output, regex)?,
        absent: each_checked(&expect.absent, regex)?,
        console,
        allow: each_checked(&expect.allow, Allow::parse)?,
        account: expect.account,
        allow_account: expect.allow_account,
        fired,
        dsp_crashes: expect.dsp_crashes,
    })
}
