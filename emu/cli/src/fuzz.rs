//! `vhost-hexagon fuzz`: random scenarios and random programs on a kernel, from a seed.

use super::ci::{Guests, UNUSABLE, ignore_file_size_signal};
use super::signals::Ending;
use crate::output::tell;
use anyhow::Context as _;
use emu_lab::ci::report::{self, Command};
use emu_lab::ci::suite::Entry;
use emu_lab::ci::{Facts, Observed, Played, Setup, Verdict, play};
use emu_lab::fuzz::{Corpus, Coverage, Dice, Findings, Ground, Plan};
use emu_lab::scenario::Case;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Something was found.
const FOUND: u8 = 1;
/// So many guests that did not even start, or the first of which made no call, end the run.
const MOST_ERRORS: usize = 5;

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    guests: Guests,
    /// Guests to start.
    #[arg(long, value_name = "N", default_value_t = 100)]
    runs: usize,
    /// End after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Guests at once [default: half of the processors].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Folder for findings: a case and a report for each signature; what it holds already is known.
    #[arg(long, value_name = "DIR", default_value = "fuzz-findings")]
    out: PathBuf,
    /// Take what the account finds for failures, too. A DSP that lies about its mappings makes any driver leave some behind, so
    /// not every one is the driver's.
    #[arg(long)]
    account: bool,
    /// Print the cases of the run's seed and end, without a guest.
    #[arg(long)]
    dry_run: bool,
}

/// What the guests of a run share.
struct Run<'a> {
    args: &'a Args,
    setup: &'a Setup,
    facts: &'a Facts,
    ground: Ground,
    command: Command,
    seed: u64,
    stop: &'a AtomicBool,
    deadline: Option<Instant>,
    state: Mutex<State>,
    bar: ProgressBar,
}

struct State {
    next: usize,
    done: usize,
    /// Calls that reached a DSP, of all guests.
    calls: u64,
    errors_in_a_row: usize,
    corpus: Corpus,
    coverage: Coverage,
    findings: Findings,
    found: usize,
    broken: Option<anyhow::Error>,
}

/// Fuzzes until the runs are over, tells how it went.
pub fn run(args: &Args) -> ExitCode {
    fuzz(args).unwrap_or_else(|error| {
        super::messages::fail(&error);
        ExitCode::from(UNUSABLE)
    })
}

fn fuzz(args: &Args) -> anyhow::Result<ExitCode> {
    let seed = args.guests.seed.unwrap_or(0);
    if args.dry_run {
        for number in 0..args.runs {
            let ground = Ground {
                platform: args.guests.platform,
                driver: args.guests.driver,
            };
            let plan = Plan::new(&mut Dice::new(seed, number), ground);
            super::output::say!(
                "# case {number}\n{}",
                plan.text(&name(seed, number), args.account)
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    ignore_file_size_signal();
    let stop = Arc::new(AtomicBool::new(false));
    let ending = Ending::watch({
        let stop = stop.clone();
        move || stop.store(true, Ordering::Relaxed)
    })?;
    let (mut setup, facts) = args.guests.prepare(None)?;
    // Each case has the seed that it was drawn with.
    setup.seed = None;
    let driver = match facts.drivers[..] {
        [only] => Some(only),
        _ => args.guests.driver,
    };
    let ground = Ground {
        platform: setup.platform,
        driver,
    };
    let findings = Findings::open(&args.out)
        .with_context(|| format!("cannot use {} for findings (--out)", args.out.display()))?;
    let jobs = args
        .jobs
        .unwrap_or_else(super::ci::default_jobs)
        .clamp(1, args.runs.max(1));
    let run = Run {
        args,
        setup: &setup,
        facts: &facts,
        ground,
        command: args.guests.command("ci"),
        seed,
        stop: &stop,
        deadline: args
            .time
            .map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        state: Mutex::new(State {
            next: 0,
            done: 0,
            calls: 0,
            errors_in_a_row: 0,
            corpus: Corpus::default(),
            coverage: Coverage::default(),
            findings,
            found: 0,
            broken: None,
        }),
        bar: bar(args.runs),
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| run.work());
        }
    });
    run.bar.finish_and_clear();
    let state = run.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.broken {
        return Err(error);
    }
    super::output::say!(
        "{} guests (seed {seed}), {} protocol states, {} of them kept as parents; {} new findings in {}",
        state.done,
        state.coverage.len(),
        state.corpus.len(),
        state.found,
        args.out.display()
    );
    for (signature, times) in state.findings.met() {
        super::output::say!("  {times:4} times  {signature}");
    }
    if ending.came() && state.found == 0 {
        return Ok(ExitCode::from(130));
    }
    anyhow::ensure!(
        state.calls > 0 || state.found > 0,
        "nothing was tested: no program of {} guests made a call that reached a DSP",
        state.done
    );
    Ok(ExitCode::from(if state.found > 0 { FOUND } else { 0 }))
}

impl Run<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Case after case.
    fn work(&self) {
        while let Some((number, plan)) = self.next() {
            let name = name(self.seed, number);
            let text = plan.text(&name, self.args.account);
            let entry = match Case::parse(&text, &name) {
                Ok(case) => Entry {
                    suite: "fuzz".into(),
                    argument: self.args.out.display().to_string(),
                    file: name,
                    case,
                },
                Err(error) => {
                    self.state().broken = Some(anyhow::Error::new(error).context("a case of our own making"));
                    return;
                }
            };
            let played = play(self.setup, self.facts, &entry, self.stop);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = self.judge(number, plan, &text, &played) {
                self.state().broken = Some(error);
            }
        }
    }

    /// The next case, unless the run is over.
    fn next(&self) -> Option<(usize, Plan)> {
        let mut state = self.state();
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || state.broken.is_some() || state.next >= self.args.runs || self.stop.load(Ordering::Relaxed)
        {
            return None;
        }
        let number = state.next;
        state.next += 1;
        let mut dice = Dice::new(self.seed, number);
        Some((number, state.corpus.next(&mut dice, self.ground)))
    }

    /// What a case showed.
    fn judge(&self, number: usize, plan: Plan, text: &str, played: &Played) -> anyhow::Result<()> {
        let mut state = self.state();
        state.done += 1;
        state.calls += played.seen.as_ref().map_or(0, calls);
        if let Some(seen) = &played.seen
            && state.coverage.add(&seen.history) > 0
        {
            state.corpus.add(plan);
        }
        match played.verdict {
            Verdict::Error | Verdict::Skip => {
                let why = played.reasons.first().map_or("no reason", |reason| &reason.text);
                state.errors_in_a_row += 1;
                if state.errors_in_a_row >= MOST_ERRORS {
                    anyhow::bail!("{MOST_ERRORS} guests one after the other did not start: {why}");
                }
                self.tell(&format!("case {number}: {why}"));
            }
            _ => state.errors_in_a_row = 0,
        }
        if state.calls == 0 && state.done >= MOST_ERRORS && state.found == 0 {
            let seen = played.seen.as_ref();
            let line = seen
                .and_then(|seen| seen.output.first())
                .map_or("", String::as_str);
            anyhow::bail!(
                "nothing is tested: no program of {MOST_ERRORS} guests made a call that reached a DSP (their device nodes: {}; a \
                 program's first line: {line:?})",
                seen.and_then(|seen| seen.nodes.as_deref())
                    .filter(|nodes| !nodes.is_empty())
                    .unwrap_or("none")
            );
        }
        if matches!(played.verdict, Verdict::Fail | Verdict::Hang) {
            for reason in &played.reasons {
                if !state.findings.meet(&reason.signature) {
                    continue;
                }
                state.found += 1;
                let kernel = played.seen.as_ref().and_then(|seen| seen.release.clone());
                let origin = format!(
                    "Found by `vhost-hexagon fuzz --seed {} --platform {}`, case {number}, on {}.",
                    self.seed,
                    self.setup.platform,
                    kernel.unwrap_or_else(|| self.setup.kernel.display().to_string())
                );
                let report = report::details(played, &self.command);
                let saved = state.findings.save(&reason.signature, &origin, text, &report);
                let path = saved
                    .with_context(|| format!("cannot write a finding to {}", self.args.out.display()))?;
                self.tell(&format!("case {number}: {}\n  {}", reason.text, path.display()));
            }
        }
        self.bar.set_message(format!(
            "{} protocol states, {} findings",
            state.coverage.len(),
            state.found
        ));
        self.bar.inc(1);
        Ok(())
    }

    fn tell(&self, text: &str) {
        if self.bar.is_hidden() {
            tell!("{text}");
        } else {
            self.bar.println(text);
        }
    }
}

/// Calls of a guest that reached a DSP.
fn calls(seen: &Observed) -> u64 {
    seen.accounts.iter().map(|account| account.totals.calls).sum()
}

fn name(seed: u64, number: usize) -> String {
    format!("fuzz-{seed}-{number}")
}

fn bar(runs: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(runs as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} guests, {elapsed}  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
