//! `cargo xtask test`: everything that must hold, in the order in which it is cheapest to fail.
//!
//! One profile (dev) is used throughout so that nothing is compiled twice; the workspace's Cargo.toml makes the crates
//! that execute DSP code optimised in it.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use test_needs::{Need, wheels};

use emu_assets::cache::Cache;
use emu_setup::{Options, command, ui};

use crate::build::cargo;
use crate::hang::Progress;
use crate::test_summary::Summary;
use crate::{assets, firmware, guest_packages, peers};

/// Options of `test`.
#[derive(Args, Clone, Default)]
pub struct TestArgs {
    /// Leave out the tests that boot a guest.
    #[arg(long)]
    pub no_e2e: bool,
    /// Leave out formatting, lints and documentation.
    #[arg(long)]
    pub no_lints: bool,
    /// Address of the Debian archive for set-up.
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Only tests whose name contains this.
    pub filter: Option<String>,
}

/// Whether the tests can have this on this machine, and so must: without, they are skipped and counted.
fn is_there(need: Need, args: &TestArgs) -> Result<bool> {
    Ok(match need {
        Need::Guests => !args.no_e2e,
        // Set-up has installed them, or failed.
        Need::Tools => true,
        Need::TestData => test_needs::testdata().is_some(),
        Need::NewerQemu => peers::newer_qemu(&Cache::open()?).is_some(),
        Need::CargoDeny => command::succeeds(&mut cargo(&["deny", "--version"])),
        // Whether the network gives it is known only by asking.
        Need::Advisories => false,
        Need::MdBook => emu_setup::tools::on_path("mdbook").is_some(),
        Need::CrateSources => test_needs::crates::source(test_needs::crates::LLAMA_CPP).is_some(),
        Need::Wheels => {
            let cache = Cache::open()?;
            [wheels::ZIG, wheels::HALIDE]
                .iter()
                .all(|wheel| wheels::unpacked(cache.root(), wheel).is_some())
        }
        Need::GuestPackages => !args.no_e2e && guest_packages::missing(&Cache::open()?).is_empty(),
        Need::QdaKernel => {
            let kernels = Cache::open()?.extra_kernels();
            !args.no_e2e && kernels.iter().any(|name| name.contains("qda"))
        }
    })
}

/// Names the engine that executes DSP code where nothing else does (`emu_core::ENGINE_VARIABLE`).
const ENGINE: &str = "VHOST_HEXAGON_ENGINE";

/// What is tested once more with all DSP code translated before it is first executed: what executes it, and guests whose skeletons
/// do most.
const TRANSLATED: &[&str] = &[
    "--package=emu-linux-user",
    "--package=emu-os",
    "--package=emu-local-ap",
    "--package=tests",
    "--lib",
    "--test=os",
    "--test=services",
    "--test=address_space",
    "--test=exec_programs",
    "--test=skeleton_*",
    "--test=halide",
    "--test=e2e_dspqueue",
    "--test=e2e_stock_kernel",
];

/// Runs these tests, with this engine if one is named.
fn run_tests(args: &TestArgs, which: &[&str], engine: Option<&str>) -> Result<()> {
    let mut summary = Summary::default();
    let notes = firmware::target_dir().join("test-notes");
    match std::fs::remove_file(&notes) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| notes.display().to_string());
        }
        _ => {}
    }
    let mut command = cargo(&["test", "--quiet", "--no-fail-fast"]);
    command.args(which);
    if let Some(filter) = &args.filter {
        command.arg("--").arg(filter);
    }
    if args.no_e2e {
        command.env("VH_SKIP_E2E", "1");
    }
    for need in Need::ALL {
        if is_there(need, args)? {
            command.env(need.variable(), "1");
        } else {
            command.env_remove(need.variable());
        }
    }
    match engine {
        Some(engine) => command.env(ENGINE, engine),
        None => command.env_remove(ENGINE),
    };
    command.env(test_needs::NOTES, &notes);
    let progress = Progress::new();
    let target = firmware::target_dir();
    let done = std::thread::scope(|scope| {
        let watch = scope.spawn(|| progress.watch(&target));
        let done = command::run_and_read(&mut command, |line| {
            progress.made();
            summary.line(line);
        });
        progress.over();
        watch.thread().unpark();
        done
    });
    // No test had anything to say: no file.
    summary.notes(&std::fs::read_to_string(&notes).unwrap_or_default());
    ui::say(format!("   {summary}"));
    done.context("tests failed; the lines above name them")
}

/// Lints, then makes the documentation. What these commands say is kept until they have ended, for others print meanwhile.
fn lint() -> Result<()> {
    let words = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    command::output(&mut cargo(&words))?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    command::output(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(())
}

/// Runs all checks and tests.
pub fn test(args: &TestArgs) -> Result<()> {
    let start = Instant::now();
    let mut steps = 0;
    let mut step = |name: &str, work: &mut dyn FnMut() -> Result<()>| {
        steps += 1;
        ui::step(name, work)
    };
    if !args.no_lints {
        step("formatting", &mut || {
            Ok(command::run(&mut cargo(&["fmt", "--all", "--check"]))?)
        })?;
    }
    let setup = Options {
        mirror: args.mirror.clone(),
        ..Options::default()
    };
    // Set-up waits for the network, lints for the processor: side by side.
    std::thread::scope(|scope| {
        let mut lints = (!args.no_lints).then(|| scope.spawn(lint));
        step("set-up", &mut || assets::setup(&setup))?;
        if lints.is_none() {
            return Ok(());
        }
        step("lints and documentation", &mut || match lints.take() {
            Some(lints) => lints
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(()),
        })
    })?;
    step("firmware", &mut || firmware::build().map(|_| ()))?;
    step("build", &mut || {
        Ok(command::run(&mut cargo(&[
            "build",
            "--workspace",
            "--bins",
            "--quiet",
        ]))?)
    })?;
    step("tests", &mut || run_tests(args, &["--workspace"], None))?;
    step("tests, all code translated", &mut || {
        run_tests(args, TRANSLATED, Some("jit"))
    })?;
    ui::say(format!(
        "ALL PASSED: {steps} steps in {}",
        ui::seconds(start.elapsed())
    ));
    Ok(())
}
