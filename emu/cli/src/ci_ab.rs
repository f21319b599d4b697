//! `vhost-hexagon ci --ab`: the same cases on two kernels, compared.

use super::ci::{Args, FAILED, Guests, UNUSABLE, default_jobs, entries, make_consoles, write};
use super::progress::Progress;
use super::signals::Ending;
use anyhow::Context as _;
use emu_lab::ci::ab::{Comparison, Pair};
use emu_lab::ci::suite::Entry;
use emu_lab::ci::{Facts, Played, Setup, play_all, skipped};
use emu_lab::scenario::Driver;
use host_files::output;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Options of a comparison.
#[derive(clap::Args)]
#[group(skip)]
pub struct Options {
    /// Play the cases on two kernels and tell one by one what differs: verdicts, exit status and output of the program, errors
    /// of vh-drive's commands by name, calls on the wire. Exit code: 0 all is the same, 1 something differs, 2 something
    /// could not be compared.
    #[arg(long, num_args = 2, value_names = ["KERNEL_A", "KERNEL_B"],
          conflicts_with_all = ["kernel", "modules", "driver", "bisect_run", "ktap", "junit"])]
    pub ab: Vec<PathBuf>,
    /// The driver to use on A, fastrpc or qda (as --driver).
    #[arg(long, value_name = "DRIVER", requires = "ab")]
    driver_a: Option<Driver>,
    /// The driver to use on B.
    #[arg(long, value_name = "DRIVER", requires = "ab")]
    driver_b: Option<Driver>,
    /// Directory of A's modules [default: `modules` beside the Image].
    #[arg(long, value_name = "DIR", requires = "ab")]
    modules_a: Option<PathBuf>,
    /// Directory of B's modules.
    #[arg(long, value_name = "DIR", requires = "ab")]
    modules_b: Option<PathBuf>,
}

/// One of the two kernels.
struct Side {
    /// The kernel as it was named.
    named: String,
    setup: Setup,
    facts: Facts,
}

impl Side {
    fn prepare(args: &Args, name: &str, guests: &Guests, folder: &Path) -> anyhow::Result<Self> {
        let traces = folder.join(name);
        let logs = args.logs.as_ref().map(|folder| folder.join(name));
        let (mut setup, facts) = guests
            .prepare(logs)
            .with_context(|| format!("kernel {}", name.to_uppercase()))?;
        std::fs::create_dir(&traces).with_context(|| format!("cannot make {}", traces.display()))?;
        setup.traces = Some(traces);
        Ok(Self {
            named: guests.kernel_named(),
            setup,
            facts,
        })
    }

    /// Name, release and driver: two builds may have one release.
    fn title(&self, played: &[Played]) -> String {
        let seen = || played.iter().filter_map(|case| case.seen.as_ref());
        let release = seen().find_map(|seen| seen.release.clone());
        let release = release.or_else(|| self.facts.release.clone());
        let drivers = seen().find_map(|seen| seen.drivers.clone());
        let drivers = drivers.unwrap_or_else(|| self.facts.drivers.clone());
        let names: Vec<&str> = drivers.iter().map(|driver| driver.name()).collect();
        let known: Vec<&str> = release.as_deref().into_iter().chain(names).collect();
        format!("{} ({})", self.named, known.join(", "))
    }
}

/// Plays the cases on both, tells what differs.
pub fn play(args: &Args) -> anyhow::Result<ExitCode> {
    let [a, b] = &args.ab.ab[..] else {
        anyhow::bail!("--ab takes two kernels");
    };
    let entries = entries(args)?;
    let stop = Arc::new(AtomicBool::new(false));
    let ending = Ending::watch({
        let stop = stop.clone();
        move || stop.store(true, Ordering::Relaxed)
    })?;
    let options = &args.ab;
    let folder = tempfile::tempdir().context("cannot make a folder for the traces")?;
    let guests = |kernel: &PathBuf, modules: &Option<PathBuf>, driver| {
        args.guests.on_kernel(kernel.clone(), modules.clone(), driver)
    };
    let a = guests(a, &options.modules_a, options.driver_a);
    let b = guests(b, &options.modules_b, options.driver_b);
    let a = Side::prepare(args, "a", &a, folder.path())?;
    let b = Side::prepare(args, "b", &b, folder.path())?;
    // A file that cannot be written is said before an hour of guests.
    let existing = args.force.existing();
    let make = |path: &PathBuf| Ok::<_, anyhow::Error>((path.clone(), output::create(path, existing)?));
    let mut json_file = args.json.as_ref().map(make).transpose()?;
    for side in [&a, &b] {
        make_consoles(&side.setup, &entries, existing)?;
    }

    let jobs = args.jobs.unwrap_or_else(default_jobs);
    let (alone, both): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| {
        let lacking = |side: &Side| side.facts.lacking(&entry.case, &side.setup).is_some();
        lacking(&a) || lacking(&b)
    });
    let play = |side: &Side| {
        let progress = Progress::new(both.len());
        let played = play_all(&side.setup, &side.facts, &both, jobs, &stop, &|event| {
            progress.tell(&event)
        });
        progress.finish();
        played
    };
    let (on_a, on_b) = (play(&a), play(&b));
    let titles = [a.title(&on_a), b.title(&on_b)];
    let mut pairs: Vec<Pair> = alone
        .iter()
        .map(|entry| {
            let of = |side: &Side| skipped(&side.setup, &side.facts, entry);
            Pair::new(of(&a), of(&b))
        })
        .collect();
    // What was not begun when the user ended the run is missing at the end of both.
    pairs.extend(on_a.into_iter().zip(on_b).map(|(a, b)| Pair::new(a, b)));
    let comparison = Comparison {
        kernels: titles,
        pairs,
    };
    if let Some(file) = &mut json_file {
        let text = serde_json::to_string_pretty(&comparison.json())?;
        write(file, &format!("{text}\n"))?;
    }
    super::output::say!("{}", comparison.text());
    Ok(ExitCode::from(if ending.came() {
        130
    } else if comparison.differing() > 0 {
        FAILED
    } else if comparison.is_equal() {
        0
    } else {
        UNUSABLE
    }))
}
