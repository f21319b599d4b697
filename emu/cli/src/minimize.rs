//! `vhost-hexagon minimize`: the shortest case that still fails in the same way.

use super::ci::{Guests, ignore_file_size_signal};
use super::signals::Ending;
use crate::output::tell;
use anyhow::Context as _;
use emu_lab::ci::minimize::{Trial, minimize, size};
use emu_lab::ci::suite::Entry;
use emu_lab::ci::{Facts, Played, Setup, Verdict, play, suite};
use emu_lab::scenario::Case;
use host_files::output;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Arguments of `minimize`.
#[derive(clap::Args)]
pub struct Args {
    /// The case that fails.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the failure is known by, or the beginning of that [default: the first reason of a first run].
    #[arg(long, value_name = "SIGNATURE")]
    signature: Option<String>,
    /// Guests that may be started.
    #[arg(long, value_name = "N", default_value_t = 200)]
    runs: usize,
    /// How often a case is played before it counts as passing: for failures that do not always show.
    #[arg(long, value_name = "N", default_value_t = 1)]
    tries: usize,
    /// Where the result goes [default: FILE with .min before its extension].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: super::force::Force,
    #[command(flatten)]
    guests: Guests,
}

struct Trials<'a> {
    setup: &'a Setup,
    facts: &'a Facts,
    stop: &'a AtomicBool,
    tries: usize,
    runs: usize,
    left: usize,
}

impl Trials<'_> {
    /// Plays a text until it fails with that signature (or, without one, at all); `None` if that is enough.
    fn play(&mut self, text: &str, file: &str, signature: Option<&str>) -> anyhow::Result<Option<Played>> {
        let entry = Entry {
            suite: "minimize".into(),
            argument: file.to_owned(),
            file: file.to_owned(),
            case: Case::parse(text, file)?,
        };
        let mut last = None;
        for _ in 0..self.tries.max(1) {
            if self.left == 0 || self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            self.left -= 1;
            self.runs += 1;
            let played = play(self.setup, self.facts, &entry, self.stop);
            let done = same(&played, signature);
            last = Some(played);
            if done {
                break;
            }
        }
        Ok(last)
    }
}

/// Whether a case failed, with that signature if there is one.
fn same(played: &Played, signature: Option<&str>) -> bool {
    matches!(played.verdict, Verdict::Fail | Verdict::Hang)
        && signature.is_none_or(|signature| {
            played
                .reasons
                .iter()
                .any(|reason| reason.signature.starts_with(signature))
        })
}

/// Shrinks a case, tells what is left.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ignore_file_size_signal();
    let file = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {file}"))?;
    let path = args
        .output
        .clone()
        .unwrap_or_else(|| args.file.with_extension("min.toml"));
    anyhow::ensure!(
        path != args.file,
        "the result would replace {file}: name another with --output"
    );
    suite::load(&file)?;
    let stop = Arc::new(AtomicBool::new(false));
    let ending = Ending::watch({
        let stop = stop.clone();
        move || stop.store(true, Ordering::Relaxed)
    })?;
    let (setup, facts) = args.guests.prepare(None)?;
    // Said before an hour of guests; made when there is something to write.
    output::check(&path, args.force.existing())?;
    let mut trials = Trials {
        setup: &setup,
        facts: &facts,
        stop: &stop,
        tries: args.tries,
        runs: 0,
        left: args.runs,
    };
    let first = trials.play(&text, &file, args.signature.as_deref())?;
    let first = first.context("there was not a single run (--runs)")?;
    if !same(&first, args.signature.as_deref()) {
        let why = first
            .reasons
            .first()
            .map_or_else(String::new, |reason| format!(" ({})", reason.text));
        anyhow::bail!("{file} does not fail here: {}{why}", first.verdict);
    }
    let signature = match &args.signature {
        Some(signature) => signature.clone(),
        None => first
            .reasons
            .first()
            .map_or_else(String::new, |reason| reason.signature.clone()),
    };
    tell!("{} as {signature:?}: {}", first.verdict, words(&text));
    let mut result = output::create(&path, args.force.existing())?;
    // What is found is kept as soon as it is found: a run may be ended at any time.
    let mut trouble = None;
    let shortest = minimize(&text, &mut |candidate, what| {
        let played = match trials.play(candidate, &file, Some(&signature)) {
            Ok(Some(played)) => played,
            Ok(None) => return Trial::Enough,
            Err(error) => {
                trouble = Some(error);
                return Trial::Enough;
            }
        };
        let fails = same(&played, Some(&signature));
        let told = if fails { "still fails" } else { "does not" };
        tell!("{:>4}/{} {:<50} {told}", trials.runs, args.runs, what);
        if fails && let Err(error) = output::rewrite(&mut result, candidate.as_bytes()) {
            trouble = Some(anyhow::Error::new(error).context(format!("cannot write {}", path.display())));
            return Trial::Enough;
        }
        if fails { Trial::Fails } else { Trial::Passes }
    })?;
    if let Some(error) = trouble {
        return Err(error);
    }
    output::rewrite(&mut result, shortest.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    super::output::say!(
        "{} after {} runs: {}",
        path.display(),
        trials.runs,
        words(&shortest)
    );
    Ok(if ending.came() {
        ExitCode::from(130)
    } else {
        ExitCode::SUCCESS
    })
}

fn words(text: &str) -> String {
    let (rules, actions, lines) = size(text);
    format!("{rules} rules with {actions} actions, a program of {lines} lines")
}
