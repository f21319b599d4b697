//! Entry points for people and CI: set-up, assets, firmware, demo, tests, bench.
//!
//! `xtask` starts tools and lays out files; it knows nothing of the emulator's inside (and depends on its assets and its set-up only),
//! so that it compiles in seconds on a machine where nothing else has been built yet.

mod assets;
mod bench;
mod bench_programs;
mod bench_threads;
mod book;
mod build;
mod circles;
mod container;
mod debian_root;
mod demo;
mod difftest;
mod dsp_image;
mod firmware;
mod fresh_root;
mod guest_packages;
mod hang;
mod kernel_build;
mod kernel_config;
mod kernel_source;
mod kernel_tree;
mod overhead;
mod package;
mod peers;
mod test;
mod test_summary;
mod tools;
mod zoo;
mod zoo_table;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

/// Tasks of the vhost-hexagon project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks the tools, installs what is missing, fetches kernels and guest user space into the cache.
    Setup(emu_setup::Options),
    /// Writes skeletons, DSP image, shell placeholder and the guest's programs into target/firmware.
    Firmware(firmware::FirmwareArgs),
    /// Builds a DSP firmware of your own from a copy of firmware/dsp.
    DspImage(dsp_image::Args),
    /// Builds a small arm64 kernel with the drivers a DSP needs, from Debian's source or a tree of yours.
    Kernel(kernel_build::KernelArgs),
    /// Boots a stock kernel and computes a sum on the DSP through the unmodified library.
    Demo(emu_setup::demo::Options),
    /// Measures round trips in a guest and the core beside QEMU's.
    Bench(bench::BenchArgs),
    /// Compares the core with qemu-hexagon on random packets.
    #[command(disable_help_flag = true)]
    Difftest(difftest::DifftestArgs),
    /// Plays scenarios for the drivers' past bugs on kernels with and without them.
    Zoo(zoo::ZooArgs),
    /// Counts the source files of each crate below emu/ that need each other in a circle.
    Circles,
    /// Makes the Debian package (needs cargo-deb).
    Package,
    /// Shows in a fresh Debian root that the program alone sets up and gives the demo (as root).
    FreshRoot(fresh_root::Args),
    /// Builds the container image and runs the demo in it, or the image's steps in a Debian root (as root).
    Container(container::Args),
    /// Formatting, lints, documentation, set-up, firmware, all tests.
    Test(test::TestArgs),
    /// For mdBook, which calls it: takes links out of pages that lead out of the book.
    #[command(hide = true)]
    BookLinks(book::Args),
}

fn run() -> Result<()> {
    match Cli::parse().task {
        Task::Setup(args) => assets::setup(&args),
        Task::DspImage(args) => dsp_image::build_other(&args),
        Task::Kernel(args) => kernel_build::build(&args),
        Task::Demo(args) => demo::demo(&args),
        Task::Bench(args) => bench::bench(&args),
        Task::Difftest(args) => difftest::difftest(&args),
        Task::Zoo(args) => zoo::zoo(&args),
        Task::Circles => circles::report(),
        Task::Package => package::package().map(drop),
        Task::FreshRoot(args) => fresh_root::fresh_root(&args),
        Task::Container(args) => container::container(&args),
        Task::Test(args) => test::test(&args),
        Task::Firmware(args) => firmware::firmware(&args),
        Task::BookLinks(args) => book::links(&args),
    }
}

/// The command line, for those who want to know what it takes.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and does the task.
#[must_use]
pub fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
