//! `cargo xtask zoo`: plays the zoo (`scenarios/zoo`, one case or more for each past bug of the drivers) on the kernels at
//! hand, checks for every bug with a pair of kernels that the bad one is caught and the fixed one is clean, and writes the
//! table in `docs/zoo.md`.
//!
//! The table tells of kernels with a *known and fixed* bug what caught it, and of others only where they are clean.
//! Whatever else a kernel shows is printed here and kept out of the table: it may be a bug that is not public.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use emu_assets::cache::{Cache, in_series};
use emu_setup::{command, named_kernels, ui};

use crate::build::cargo;
use crate::firmware;
use crate::zoo_table::{self, BEGIN, END};

/// Options of `zoo`.
#[derive(Args)]
pub struct ZooArgs {
    /// Kernel to play it on, the beginning of a version in the cache (repeatable) [default: the two of set-up, all of
    /// scenarios/zoo/kernels/pairs.toml that are cached, and those built with KASAN].
    #[arg(long = "kernel", value_name = "VERSION")]
    kernels: Vec<String>,
    /// Fetch the stock kernels of scenarios/zoo/kernels/pairs.toml that are not cached.
    #[arg(long)]
    fetch: bool,
    /// Write the table in docs/zoo.md, of these results and of earlier ones in target/zoo.
    #[arg(long)]
    update: bool,
    /// Play nothing; only judge earlier results.
    #[arg(long)]
    judge_only: bool,
    /// Guests at once.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Address of the Debian archive for --fetch.
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Only cases with this in their name.
    filter: Vec<String>,
}

/// scenarios/zoo/kernels/pairs.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// The bugs, in the table's order.
    #[serde(rename = "bug")]
    pub bugs: Vec<Bug>,
}

/// One row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// Its number.
    pub row: u32,
    /// In our words.
    pub title: String,
    /// Public commits or numbers.
    pub commit: String,
    /// A stock kernel with it.
    pub bad: Option<String>,
    /// A stock kernel without it.
    pub fixed: Option<String>,
    /// Source packages with and without it.
    #[serde(default)]
    pub source: Vec<String>,
    /// Why these.
    pub evidence: String,
}

impl Bug {
    /// Kernels that have the bug.
    pub fn bad(&self) -> impl Iterator<Item = &str> {
        self.bad
            .as_deref()
            .into_iter()
            .chain(self.source.first().map(String::as_str))
    }

    /// Kernels in which it is fixed, each beside the bad one it belongs to.
    pub fn fixed(&self) -> impl Iterator<Item = &str> {
        self.fixed
            .as_deref()
            .into_iter()
            .chain(self.source.get(1).map(String::as_str))
    }
}

/// What the zoo needs of a case file.
#[derive(Deserialize)]
pub struct CaseFile {
    /// Its name.
    pub name: String,
    /// The zoo's table.
    pub zoo: ZooTable,
}

/// `[zoo]`
#[derive(Deserialize)]
pub struct ZooTable {
    /// Rows.
    pub bugs: Vec<u32>,
    /// By what a bad kernel is caught.
    #[serde(default)]
    pub detects: Vec<String>,
}

/// What `vhost-hexagon ci --json` wrote of a kernel.
#[derive(Deserialize)]
pub struct Results {
    /// The cases.
    pub cases: Vec<Played>,
}

/// One case on one kernel.
#[derive(Deserialize)]
pub struct Played {
    /// Its name.
    pub name: String,
    /// PASS, FAIL, HANG, SKIP, ERROR, in lower case or not.
    pub verdict: String,
    /// Why it did not pass.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// What the kernel said.
    #[serde(default)]
    pub complaints: Vec<Complaint>,
    /// What repeats it.
    #[serde(default)]
    pub command: String,
}

/// One expectation that was not met.
#[derive(Deserialize)]
pub struct Reason {
    /// Its kind and what it is about.
    #[serde(default)]
    pub signature: String,
    /// For people.
    #[serde(default)]
    pub text: String,
}

/// One report of the kernel's.
#[derive(Deserialize)]
pub struct Complaint {
    /// Its class.
    pub class: String,
}

impl Played {
    /// Is the verdict this one?
    pub fn is(&self, verdict: &str) -> bool {
        self.verdict.eq_ignore_ascii_case(verdict)
    }

    /// Those of `detects` that were seen; empty if the case passed.
    pub fn caught_by<'a>(&self, detects: &'a [String]) -> Vec<&'a str> {
        if self.is("pass") || self.is("skip") {
            return Vec::new();
        }
        let seen = |what: &str| {
            self.complaints.iter().any(|c| c.class == what)
                || self.reasons.iter().any(|r| {
                    let mut words = r.signature.split_whitespace();
                    match words.next() {
                        Some("account") => words.next() == Some(what),
                        Some("exit" | "output" | "absent") => what == "exit",
                        Some(first) => first == what,
                        None => false,
                    }
                })
        };
        detects.iter().map(String::as_str).filter(|d| seen(d)).collect()
    }
}

/// All results at hand, by the name of the kernel in the cache.
pub type Everything = BTreeMap<String, BTreeMap<String, Played>>;

/// Plays, judges, writes.
pub fn zoo(args: &ZooArgs) -> Result<()> {
    let top = firmware::workspace();
    let book = book(top)?;
    let cases = cases(&top.join("scenarios/zoo"))?;
    let cache = Cache::open()?;
    let folder = firmware::target_dir().join("zoo");
    std::fs::create_dir_all(&folder)?;
    if args.fetch {
        let wanted: BTreeSet<String> = book
            .bugs
            .iter()
            .flat_map(|b| [&b.bad, &b.fixed])
            .flatten()
            .cloned()
            .collect();
        let missing: Vec<String> = wanted
            .into_iter()
            .filter(|w| cached(&cache, w).is_none())
            .collect();
        ui::step("kernels", || {
            named_kernels(&cache, args.mirror.as_deref(), &missing)
        })?;
    }
    if !args.judge_only {
        ui::step("vhost-hexagon", || {
            command::run(&mut cargo(&["build", "--quiet", "-p", "vhost-hexagon"]))
        })?;
        for kernel in kernels(&cache, &book, &args.kernels)? {
            let wanted = wanted(&book, &cases, &kernel, !args.kernels.is_empty(), &args.filter);
            if !wanted.is_empty() {
                ui::step(&format!("zoo on {kernel}"), || {
                    play(args, &folder, &kernel, &wanted)
                })?;
            }
        }
    }
    let all = results(&folder)?;
    let judged = judge(&book, &cases, &all);
    for line in &judged.told {
        ui::say(line);
    }
    if args.update {
        let path = top.join("docs/zoo.md");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let table = zoo_table::table(&book, &cases, &all);
        std::fs::write(&path, zoo_table::replace(&text, &table)?)?;
        ui::say(format!(
            "{} has the table between `{BEGIN}` and `{END}`",
            path.display()
        ));
    }
    if judged.failed > 0 {
        bail!(
            "{} of {} pairs of kernels do not show what they should",
            judged.failed,
            judged.pairs
        );
    }
    ui::say(format!(
        "{} pairs of kernels: bad ones caught, fixed ones clean",
        judged.pairs
    ));
    Ok(())
}

/// scenarios/zoo/kernels/pairs.toml.
pub fn book(top: &Path) -> Result<Book> {
    let path = top.join("scenarios/zoo/kernels/pairs.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("in {}", path.display()))
}

/// The case files of the zoo.
pub fn cases(folder: &Path) -> Result<Vec<CaseFile>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path)?;
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))
    };
    files.iter().map(read).collect()
}

/// The kernel of the cache that a version means.
fn cached(cache: &Cache, version: &str) -> Option<String> {
    let fits = |name: &String| in_series(name, version);
    let stock = cache.kernels().into_iter().rfind(fits);
    stock.or_else(|| cache.extra_kernels().into_iter().rfind(fits))
}

fn kernels(cache: &Cache, book: &Book, named: &[String]) -> Result<Vec<String>> {
    if !named.is_empty() {
        let find = |name: &String| {
            cached(cache, name).with_context(|| {
                format!("no kernel {name} in the cache; `cargo xtask setup --named-kernel {name}` fetches a stock one")
            })
        };
        return named.iter().map(find).collect();
    }
    let mut found: Vec<String> = cache.kernels();
    let extra = cache.extra_kernels();
    let in_book = |name: &String| {
        let mut versions = book.bugs.iter().flat_map(|b| b.bad().chain(b.fixed()));
        versions.any(|v| in_series(name, v))
    };
    found.extend(
        extra
            .into_iter()
            .filter(|name| in_book(name) || name.ends_with("-kasan")),
    );
    if found.is_empty() {
        bail!("no kernel in the cache; run `cargo xtask setup`");
    }
    Ok(found)
}

/// Cases to play on a kernel: on one that is here for bugs it has, those of these bugs.
fn wanted<'a>(
    book: &Book,
    cases: &'a [CaseFile],
    kernel: &str,
    named: bool,
    filter: &[String],
) -> Vec<&'a str> {
    let has = |version: &str| in_series(kernel, version);
    let bad: Vec<u32> = book
        .bugs
        .iter()
        .filter(|b| b.bad().any(has))
        .map(|b| b.row)
        .collect();
    let fixed = book.bugs.iter().any(|b| b.fixed().any(has));
    let only_bad = !bad.is_empty() && !fixed && !named;
    cases
        .iter()
        .filter(|c| !only_bad || c.zoo.bugs.iter().any(|row| bad.contains(row)))
        .map(|c| c.name.as_str())
        .filter(|name| filter.is_empty() || filter.iter().any(|f| name.contains(f.as_str())))
        .collect()
}

fn play(args: &ZooArgs, folder: &Path, kernel: &str, cases: &[&str]) -> Result<()> {
    let json = folder.join("now.json");
    let _ = std::fs::remove_file(&json);
    let mut ci = Command::new(firmware::target_dir().join("debug/vhost-hexagon"));
    ci.args(["ci", "--kernel", kernel, "--suite"]);
    ci.arg(firmware::workspace().join("scenarios/zoo"));
    ci.arg("--force").arg("--json").arg(&json);
    ci.arg("--logs").arg(folder.join(kernel));
    ci.args(["--jobs", &args.jobs.unwrap_or(1).to_string()]);
    ci.args(cases);
    // A case that fails is a result; that there is none is an error.
    let status = ci
        .status()
        .with_context(|| format!("cannot start `{}`", command::line_of(&ci)))?;
    let Ok(new) = std::fs::read_to_string(&json) else {
        bail!("`{}` gave no result ({status})", command::line_of(&ci));
    };
    let kept = folder.join(format!("{kernel}.json"));
    let old = std::fs::read_to_string(&kept).unwrap_or_default();
    std::fs::write(&kept, merged(&old, &new)?)?;
    std::fs::remove_file(&json)?;
    Ok(())
}

/// Results of a kernel with newer ones in place of the older ones of the same cases.
fn merged(old: &str, new: &str) -> Result<String> {
    let mut new: serde_json::Value =
        serde_json::from_str(new).context("the result of `ci` is not to be read")?;
    let name = |case: &serde_json::Value| case["name"].as_str().map(str::to_owned);
    if let Ok(old) = serde_json::from_str::<serde_json::Value>(old)
        && let (Some(old), Some(new)) = (old["cases"].as_array(), new["cases"].as_array_mut())
    {
        let names: BTreeSet<_> = new.iter().filter_map(name).collect();
        new.extend(
            old.iter()
                .filter(|c| name(c).is_some_and(|n| !names.contains(&n)))
                .cloned(),
        );
    }
    Ok(serde_json::to_string_pretty(&new)?)
}

fn results(folder: &Path) -> Result<Everything> {
    let mut all = Everything::new();
    for entry in std::fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let results: Results =
            serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let kernel = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        all.insert(
            kernel,
            results.cases.into_iter().map(|c| (c.name.clone(), c)).collect(),
        );
    }
    Ok(all)
}

/// What all results together say.
pub struct Judged {
    /// Pairs of which both kernels were played.
    pub pairs: usize,
    /// Those that are not as they should be.
    pub failed: usize,
    /// Lines for the terminal.
    pub told: Vec<String>,
}

/// The result of a case on the kernel that a version means.
pub fn on<'a>(all: &'a Everything, version: &str, case: &str) -> Option<(&'a str, &'a Played)> {
    let fitting = all.iter().rev().filter(|(kernel, _)| in_series(kernel, version));
    fitting
        .filter_map(|(kernel, cases)| Some((kernel.as_str(), cases.get(case)?)))
        .next()
}

/// Compares the pairs, and tells what other kernels showed.
pub fn judge(book: &Book, cases: &[CaseFile], all: &Everything) -> Judged {
    let mut judged = Judged {
        pairs: 0,
        failed: 0,
        told: Vec::new(),
    };
    let mut explained: BTreeSet<(&str, &str)> = BTreeSet::new();
    for bug in &book.bugs {
        for (bad, fixed) in bug.bad().zip(bug.fixed()) {
            let mut caught = Vec::new();
            let mut clean = Vec::new();
            for case in cases.iter().filter(|c| c.zoo.bugs.contains(&bug.row)) {
                if let Some((kernel, played)) = on(all, bad, &case.name) {
                    explained.insert((kernel, &case.name));
                    let by = played.caught_by(&case.zoo.detects);
                    caught.push((kernel, case, by));
                }
                if let Some((kernel, played)) = on(all, fixed, &case.name) {
                    clean.push((kernel, case, played.is("pass")));
                }
            }
            if caught.is_empty() || clean.is_empty() {
                continue;
            }
            judged.pairs += 1;
            let hit = caught.iter().find(|(_, _, by)| !by.is_empty());
            // The case that catches it is the one that must be clean afterwards.
            let after = hit.and_then(|(_, case, _)| clean.iter().find(|(_, c, _)| c.name == case.name));
            let good = hit.is_some() && after.is_some_and(|(_, _, pass)| *pass);
            judged.failed += usize::from(!good);
            judged.told.push(format!(
                "{} bug {:>2}: {bad} {}; {fixed} {}",
                if good { "ok  " } else { "FAIL" },
                bug.row,
                hit.map_or("not caught".to_owned(), |(_, case, by)| format!(
                    "caught by {} ({})",
                    by.join(", "),
                    case.name
                )),
                match after.or(clean.first()) {
                    Some((_, _, true)) => "clean",
                    _ => "not clean",
                },
            ));
        }
    }
    for (kernel, played) in all {
        for (name, result) in played {
            if !result.is("pass")
                && !result.is("skip")
                && !explained.contains(&(kernel.as_str(), name.as_str()))
            {
                let why = result.reasons.first().map_or("", |r| r.text.as_str());
                judged.told.push(format!(
                    "not in the table: {kernel} {name}: {} {why}\n     {}",
                    result.verdict, result.command
                ));
            }
        }
    }
    judged
}

#[cfg(test)]
#[path = "zoo_tests.rs"]
mod tests;
