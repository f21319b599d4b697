//! `vhost-hexagon ci`: suites of cases on a kernel.

use super::progress::Progress;
use super::signals::Ending;
use crate::output::tell;
use anyhow::Context as _;
use emu_lab::account::Suppressions;
use emu_lab::ci::report::{self, Command};
use emu_lab::ci::{Facts, Known, Played, Setup, Tools, Verdict, json, junit, ktap, play_all, suite};
use emu_lab::scenario::Driver;
use emu_machine::device::layout::PlatformKind;
use emu_machine::profile::{DEFAULT, Profile};
use emu_machine::vm::kernel::{self, Kernel};
use host_files::output::{self, Existing};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A case failed.
pub const FAILED: u8 = 1;
/// Nothing could be tested: the command line, the files, the machine.
pub const UNUSABLE: u8 = 2;
/// `git bisect run`: this commit cannot be tested.
const BISECT_SKIP: u8 = 125;
/// `git bisect run`: stop, it is not the commit's fault.
const BISECT_ABORT: u8 = 128;

/// There is no kernel, or none that can be tested.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UnusableKernel(String);

/// What `ci` and `minimize` need for guests.
#[derive(clap::Args, Clone)]
pub struct Guests {
    /// arm64 kernel Image, or the beginning of a version in the cache (7.3) [default: the newest in the cache].
    #[arg(long, value_name = "IMAGE|VERSION")]
    kernel: Option<PathBuf>,
    /// Directory of the kernel's modules: flat, or a lib/modules tree [default: `modules` beside the Image].
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// The driver to use, fastrpc or qda; a kernel without it is an error, and cases that state the other are left out
    /// [default: whichever the kernel has].
    #[arg(long, value_name = "DRIVER")]
    pub driver: Option<Driver>,
    /// PlatformKind of the cases that do not name one.
    #[arg(long, value_enum, default_value_t)]
    pub platform: PlatformKind,
    /// SoC profile: a name (see `profiles`) or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    soc: String,
    /// Seed of all random choices [default: each case's own].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Instead of the cases' own time limits: seconds from the program's start to its end.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Seconds that a guest may take to its program.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    boot_timeout: u64,
    /// More words for the kernel's command line (may be repeated).
    #[arg(long, value_name = "WORDS")]
    append: Vec<String>,
    /// Account findings that are known, by kernel release, kind and fields (TOML, may be repeated).
    #[arg(long, value_name = "FILE")]
    suppress: Vec<PathBuf>,
    /// Defects of kernels that are known, by kernel release, case and class of complaint (TOML, may be repeated).
    #[arg(long, value_name = "FILE")]
    known: Vec<PathBuf>,
    /// Directory that becomes the guest's root file system [default: from the cache].
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Folder with the guest's programs and skeletons, laid out as `assets --extract` does, that go before the program's own.
    #[arg(long, value_name = "DIR")]
    guest_files: Option<PathBuf>,
    /// QEMU program [default: qemu-system-aarch64].
    #[arg(long, value_name = "PATH")]
    qemu: Option<PathBuf>,
    /// More arguments for QEMU (may be repeated).
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    qemu_arg: Vec<OsString>,
}

/// Arguments of `ci`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub guests: Guests,
    #[command(flatten)]
    pub ab: super::ci_ab::Options,
    /// What to play: smoke, matrix, zoo, qda, a folder of cases, or a file (may be repeated) [default: smoke].
    #[arg(long, value_name = "NAME|DIR|FILE")]
    suite: Vec<String>,
    /// Guests at once [default: half of the processors].
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// List the cases and end.
    #[arg(long)]
    list: bool,
    /// File that gets the result as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the result as KTAP on standard output; the report goes to standard error.
    #[arg(long)]
    ktap: bool,
    /// File that gets the result as JSON, with everything that was seen.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Exit codes for `git bisect run`: 0 all passed, 1 a case failed, 125 the kernel cannot be tested (it does not boot, has
    /// no driver, or a case was skipped), 128 something else is wrong.
    #[arg(long)]
    bisect_run: bool,
    /// Folder that gets each guest's console.
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    #[command(flatten)]
    pub force: super::force::Force,
    /// Only cases of that name, or, if none has it, with that in their name.
    #[arg(value_name = "CASE")]
    filter: Vec<String>,
}

impl Guests {
    /// The same on another kernel.
    pub fn on_kernel(&self, kernel: PathBuf, modules: Option<PathBuf>, driver: Option<Driver>) -> Self {
        Self {
            kernel: Some(kernel),
            modules,
            driver,
            ..self.clone()
        }
    }

    /// Looks at everything before a guest is started.
    pub fn prepare(&self, logs: Option<PathBuf>) -> anyhow::Result<(Setup, Facts)> {
        let unusable = |why: String| anyhow::Error::new(UnusableKernel(why));
        let image = match &self.kernel {
            Some(kernel) => kernel.clone(),
            None => stock_kernel().ok_or_else(|| {
                unusable(format!(
                    "there is no kernel to take ({}); name an arm64 Image with --kernel",
                    kernel::what_the_cache_has()
                ))
            })?,
        };
        let kernel =
            Kernel::open(&image, self.modules.as_deref()).map_err(|error| unusable(error.to_string()))?;
        let profile = Profile::load(&self.soc)?;
        let facts = Facts::of(&kernel, profile.dsps.len());
        if let Some(logs) = &logs {
            std::fs::create_dir_all(logs)
                .with_context(|| format!("cannot make the folder {}", logs.display()))?;
        }
        let setup = Setup {
            kernel: kernel.image.clone(),
            modules: self.modules.clone(),
            release: facts.release.clone(),
            root: self.root.clone(),
            driver: self.driver,
            profile,
            platform: self.platform,
            tools: self
                .guest_files
                .as_deref()
                .map_or(Ok(Tools::default()), Tools::load)?,
            qemu: self.qemu.clone(),
            qemu_args: self.qemu_arg.clone(),
            append: self.append.clone(),
            boot: Duration::from_secs(self.boot_timeout),
            timeout: self.timeout.map(Duration::from_secs),
            seed: self.seed,
            suppress: Suppressions::load(&self.suppress)?,
            known: Known::load(&self.known)?,
            logs,
            traces: None,
        };
        if let Some(why) = facts.unusable(self.driver) {
            return Err(unusable(format!(
                "{} cannot be tested: {why}",
                setup.kernel.display()
            )));
        }
        Ok((setup, facts))
    }

    /// The kernel as the command line names it; nothing if it does not.
    pub fn kernel_named(&self) -> String {
        self.kernel
            .as_ref()
            .map_or_else(String::new, |kernel| kernel.display().to_string())
    }

    /// The words that repeat a run, without suite, platform and seed.
    pub fn command(&self, verb: &str) -> Command {
        let mut words = vec!["vhost-hexagon".to_owned(), verb.to_owned()];
        let mut option =
            |name: &str, value: &Path| words.extend([name.to_owned(), value.display().to_string()]);
        let paths = [
            ("--kernel", &self.kernel),
            ("--modules", &self.modules),
            ("--root", &self.root),
            ("--guest-files", &self.guest_files),
            ("--qemu", &self.qemu),
        ];
        for (name, value) in paths {
            if let Some(value) = value {
                option(name, value);
            }
        }
        if self.soc != DEFAULT {
            option("--soc", Path::new(&self.soc));
        }
        if let Some(driver) = self.driver {
            option("--driver", Path::new(driver.name()));
        }
        for file in &self.suppress {
            option("--suppress", file);
        }
        for file in &self.known {
            option("--known", file);
        }
        for text in &self.append {
            option("--append", Path::new(text));
        }
        for argument in &self.qemu_arg {
            words.push(format!("--qemu-arg={}", argument.to_string_lossy()));
        }
        if let Some(seconds) = self.timeout {
            words.extend(["--timeout".to_owned(), seconds.to_string()]);
        }
        Command { words }
    }
}

/// Plays the suites, tells how it went.
pub fn run(args: &Args) -> ExitCode {
    let wrong = if args.bisect_run { BISECT_ABORT } else { UNUSABLE };
    play(args).unwrap_or_else(|error| {
        super::messages::fail(&error);
        let commit = args.bisect_run && error.is::<UnusableKernel>();
        ExitCode::from(if commit { BISECT_SKIP } else { wrong })
    })
}

fn play(args: &Args) -> anyhow::Result<ExitCode> {
    ignore_file_size_signal();
    let entries = entries(args)?;
    if args.list {
        for entry in &entries {
            let name = format!("{}/{}", entry.suite, entry.name());
            super::output::say!("{name:<40} {}", entry.case.scenario.description());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !args.ab.ab.is_empty() {
        return super::ci_ab::play(args);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let ending = Ending::watch({
        let stop = stop.clone();
        move || stop.store(true, Ordering::Relaxed)
    })?;
    let (setup, facts) = args.guests.prepare(args.logs.clone())?;
    // A file that cannot be written is said before an hour of guests.
    let existing = args.force.existing();
    let make = |path: &PathBuf| Ok::<_, anyhow::Error>((path.clone(), output::create(path, existing)?));
    let mut junit_file = args.junit.as_ref().map(make).transpose()?;
    let mut json_file = args.json.as_ref().map(make).transpose()?;
    make_consoles(&setup, &entries, existing)?;
    let progress = Progress::new(entries.len());
    let jobs = args.jobs.unwrap_or_else(default_jobs);
    let played = play_all(&setup, &facts, &entries, jobs, &stop, &|event| {
        progress.tell(&event)
    });
    progress.finish();

    let command = args.guests.command("ci");
    let release = played.iter().find_map(|case| case.seen.as_ref()?.release.clone());
    let release = release.or(facts.release);
    if let Some(file) = &mut junit_file {
        write(file, &junit::text(&played, release.as_deref(), &command)?)?;
    }
    if let Some(file) = &mut json_file {
        let value = json::value(&played, release.as_deref(), &command);
        write(file, &format!("{}\n", serde_json::to_string_pretty(&value)?))?;
    }
    let mut text = String::new();
    for case in played.iter().filter(|case| case.verdict.is_failure()) {
        text.push_str(&format!("\n{}", report::details(case, &command)));
    }
    let kernel = release.unwrap_or_else(|| setup.kernel.display().to_string());
    text.push_str(&format!("\n{kernel}: {}", report::summary(&played)));
    if !ending.came() && !played.iter().any(tells) {
        text.push_str("\nNothing was tested.");
    }
    if args.ktap {
        tell!("{text}");
        write!(super::output::stdout(), "{}", ktap::text(&played, &command))?;
    } else {
        super::output::say!("{text}");
    }
    if ending.came() {
        return Ok(ExitCode::from(130));
    }
    let code = if args.bisect_run {
        bisect_code(&played)
    } else {
        code(&played)
    };
    Ok(ExitCode::from(code))
}

pub fn write((path, file): &mut (PathBuf, File), text: &str) -> anyhow::Result<()> {
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Makes the files for the guests' consoles.
pub fn make_consoles(setup: &Setup, entries: &[suite::Entry], existing: Existing) -> anyhow::Result<()> {
    let mut made = BTreeSet::new();
    for console in entries.iter().filter_map(|entry| setup.console_of(entry)) {
        anyhow::ensure!(
            made.insert(console.clone()),
            "two cases would write {}: play them one after the other, or without --logs",
            console.display()
        );
        output::create(&console, existing)?;
    }
    Ok(())
}

pub fn entries(args: &Args) -> anyhow::Result<Vec<suite::Entry>> {
    let smoke = ["smoke".to_owned()];
    let suites = if args.suite.is_empty() {
        &smoke[..]
    } else {
        &args.suite
    };
    let mut entries = Vec::new();
    for name in suites {
        entries.extend(suite::load(name)?);
    }
    let entries = suite::choose(entries, &args.filter)?;
    Ok(match args.guests.driver {
        Some(driver) => suite::for_driver(entries, driver)?,
        None => entries,
    })
}

/// The newest kernel of the cache that is a distribution's (its folder is called as the release is), else the newest.
fn stock_kernel() -> Option<PathBuf> {
    let all = kernel::kernels();
    let stock = all.iter().rfind(|(name, _)| name.ends_with("-arm64"));
    stock.or(all.last()).map(|(_, image)| image.clone())
}

/// Guests at once.
pub fn default_jobs() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).max(1)
}

/// Whether something was learned about the kernel.
fn tells(case: &Played) -> bool {
    !matches!(case.verdict, Verdict::Skip | Verdict::Error)
}

/// The exit code of a run.
fn code(played: &[Played]) -> u8 {
    let any = |verdict| played.iter().any(|case| case.verdict == verdict);
    if any(Verdict::Fail) || any(Verdict::Hang) {
        FAILED
    } else if any(Verdict::Error) || !played.iter().any(tells) {
        UNUSABLE
    } else {
        0
    }
}

/// The exit code that `git bisect run` wants.
fn bisect_code(played: &[Played]) -> u8 {
    let bad = |case: &Played| matches!(case.verdict, Verdict::Fail | Verdict::Hang) && case.was_tested();
    if played.iter().any(bad) {
        FAILED
    } else if played.is_empty() || played.iter().any(|case| case.verdict != Verdict::Pass) {
        BISECT_SKIP
    } else {
        0
    }
}

/// Makes a file that grows too large an error to be told, not an end without words.
pub fn ignore_file_size_signal() {
    // SAFETY: sets a signal's disposition to one that the system provides; no handler of ours runs.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_lab::scenario::Case;

    fn played(verdicts: &[Verdict]) -> Vec<Played> {
        let case = Case::parse("[workload]\nrun = \"true\"", "x").unwrap();
        let one = |verdict: &Verdict| Played {
            entry: suite::Entry {
                suite: "s".into(),
                argument: "s".into(),
                file: "x".into(),
                case: case.clone(),
            },
            platform: PlatformKind::Rpm,
            seed: 0,
            verdict: *verdict,
            reasons: Vec::new(),
            seen: None,
            took: Duration::ZERO,
        };
        verdicts.iter().map(one).collect()
    }

    #[test]
    fn exit_codes_are_those_of_the_documentation() {
        use Verdict::{Error, Fail, Hang, Known, Pass, Skip};
        for (verdicts, plain, bisect) in [
            (&[Pass, Pass][..], 0, 0),
            (&[Pass, Skip], 0, BISECT_SKIP),
            (&[Skip], UNUSABLE, BISECT_SKIP),
            (&[], UNUSABLE, BISECT_SKIP),
            (&[Pass, Error], UNUSABLE, BISECT_SKIP),
            // Nothing was seen of these: the guests did not get to the program.
            (&[Pass, Fail, Error], FAILED, BISECT_SKIP),
            (&[Hang], FAILED, BISECT_SKIP),
            // What is known says nothing of the commit.
            (&[Pass, Known], 0, BISECT_SKIP),
            (&[Known], 0, BISECT_SKIP),
            (&[Known, Fail], FAILED, BISECT_SKIP),
        ] {
            let played = played(verdicts);
            assert_eq!(
                (code(&played), bisect_code(&played)),
                (plain, bisect),
                "{verdicts:?}"
            );
        }
    }
}
