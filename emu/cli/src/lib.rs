//! Commands of `vhost-hexagon`.

// `println!` and `eprintln!` panic when the reader has left: `output::say` and `output::tell` do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod account;
mod assemble;
mod assets;
mod ci;
mod ci_ab;
mod completions;
mod core_options;
mod coredump;
mod ctl;
mod demo;
mod devices;
mod disasm;
mod exec;
mod force;
mod fuzz;
mod hooks;
mod invoke;
mod log;
mod man;
mod messages;
mod minimize;
mod names;
mod output;
mod profiles;
mod progress;
mod qemu;
mod replay;
mod run;
mod scenario;
mod serve;
mod setup;
mod signals;
mod trace;
mod translated;

use clap::{CommandFactory, Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

const EXAMPLES: &str = "\
Examples:
  vhost-hexagon setup && vhost-hexagon demo          what guests need is fetched, and one computes a sum on the DSP
  vhost-hexagon run --kernel 7.3                     a shell in a stock kernel with a DSP behind it
  vhost-hexagon run --kernel Image --modules DIR --share . -- /share/mytest
  vhost-hexagon serve --socket /tmp/dsp.sock         only the device; prints QEMU's arguments
  vhost-hexagon qemu -- -m 2G -kernel Image -initrd … -serial stdio     your QEMU command line, and DSPs
  vhost-hexagon profiles sm8650                      what an SoC profile says

Kernels and the guest's user space come from `vhost-hexagon setup`; a kernel of your own is as good.
Exit code: that of the program run in the guest; 1 if something failed, 2 if the command line is wrong, 3 if the program
succeeded but the account (--account) is not clean.";

/// A Snapdragon Hexagon DSP that is only software, behind stock QEMU.
#[derive(Parser)]
#[command(name = "vhost-hexagon", version, about, after_help = EXAMPLES)]
struct Cli {
    /// Say more: -v what the devices do, -vv every call, -vvv everything.
    #[arg(short, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// What to log, as tracing filters (`emu::os=debug,emu::device=trace`); also from VHOST_HEXAGON_LOG.
    #[arg(long, value_name = "FILTER", global = true)]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetches stock kernels and the guest's user space into the cache, and sees to it that QEMU is there: once.
    #[command(after_help = setup::HELP)]
    Setup(emu_setup::Options),
    /// Sets up, boots a stock kernel, and computes a sum on the DSP through the unmodified library.
    #[command(after_help = demo::HELP)]
    Demo(emu_setup::demo::Options),
    /// Boots a kernel in QEMU with DSPs behind it; gives a shell, or runs a program in it.
    Run(run::Args),
    /// Is only the vhost-user device, for a QEMU that you start yourself; prints the arguments QEMU needs.
    Serve(serve::Args),
    /// Starts QEMU with the arguments given and DSPs added: for tools that start QEMU themselves (syz-manager, LAVA).
    Qemu(qemu::Args),
    /// Plays random scenarios against random programs on a kernel; each failure is saved as a case.
    Fuzz(fuzz::Args),
    /// Crashes a DSP of a running `run` or `serve`, bites with its watchdog, restarts its protection domains.
    Ctl(ctl::Args),
    /// Tests a kernel: plays suites of cases (a misbehaving DSP, a program in the guest, what must hold), one guest each.
    Ci(ci::Args),
    /// Shrinks a case that fails to the shortest one that fails in the same way.
    Minimize(minimize::Args),
    /// Calls a method of a skeleton with no QEMU at all.
    Invoke(invoke::Args),
    /// Lists the SoC profiles, or prints one (as a start for your own).
    Profiles(profiles::Args),
    /// Plays a recorded run again: its DSPs to a live guest, or its AP to this program's DSP.
    Replay(replay::Args),
    /// Lists the files that the program carries (guest programs, skeletons, profiles, suites, …), or writes them out.
    Assets(assets::Args),
    /// Prints a trace of a run (`run --trace`), or draws it.
    Trace(trace::Args),
    /// Prints what a DSP's core dump (/sys/class/devcoredump/devcd*/data) says: reason, version, threads, log.
    Coredump(coredump::Args),
    /// Prints the code of a Hexagon ELF file as llvm-objdump does.
    Disasm(disasm::Args),
    /// Assembles the matrix instructions in assembly text, which LLVM lacks.
    As(assemble::Args),
    /// Lists the functions that skeletons can import and what becomes of each, or those that one skeleton imports.
    Names(names::Args),
    /// Runs a static Hexagon Linux program in user mode, as qemu-hexagon does: no DSP OS, no kernel, no QEMU.
    Exec(exec::Args),
    /// Prints what makes a shell complete commands and options of this program.
    #[command(after_help = completions::HELP)]
    Completions(completions::Args),
    /// Prints the manual page of a command, or writes those of all.
    #[command(after_help = man::HELP)]
    Man(man::Args),
}

/// The command line, for those who want to know what it takes.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line, runs the command, prints one readable error chain.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let _log = match log_filter(&cli) {
        Ok(filter) => log::begin(filter, cli.verbose > 0 || cli.log.is_some()),
        Err(error) => return messages::fail(&error),
    };
    let result = match cli.command {
        Command::Setup(args) => setup::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => run::run(args),
        Command::Serve(args) => serve::run(&args),
        Command::Qemu(args) => qemu::run(args),
        Command::Fuzz(args) => Ok(fuzz::run(&args)),
        Command::Ctl(args) => ctl::run(args),
        Command::Ci(args) => Ok(ci::run(&args)),
        Command::Minimize(args) => minimize::run(&args),
        Command::Invoke(args) => invoke::run(&args),
        Command::Profiles(args) => profiles::run(&args),
        Command::Replay(args) => replay::run(args),
        Command::Assets(args) => assets::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Coredump(args) => coredump::run(&args),
        Command::Disasm(args) => disasm::run(&args),
        Command::As(args) => assemble::run(&args),
        Command::Names(args) => names::run(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    // What is still buffered may find the reader gone, too.
    let result = result.and_then(|code| Ok(output::stdout().flush().map(|()| code)?));
    result.unwrap_or_else(|error| output::ended(&error).unwrap_or_else(|| messages::fail(&error)))
}

/// What is logged.
fn log_filter(cli: &Cli) -> anyhow::Result<EnvFilter> {
    let default = match cli.verbose {
        // What a misbehaving DSP is told off for is part of the case.
        0 if matches!(
            cli.command,
            Command::Ci(_) | Command::Minimize(_) | Command::Fuzz(_)
        ) =>
        {
            "off"
        }
        0 => "warn,emu::farf=info",
        1 => "warn,emu=info",
        2 => "warn,emu=debug",
        _ => "debug,emu=trace",
    };
    let asked = cli
        .log
        .clone()
        .or_else(|| std::env::var("VHOST_HEXAGON_LOG").ok());
    match asked {
        Some(text) => {
            EnvFilter::try_new(&text).map_err(|e| anyhow::anyhow!("--log {text:?} is not a filter: {e}"))
        }
        None => Ok(EnvFilter::new(default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every `vhost-hexagon …` of a text, as a shell would take it apart.
    fn commands(text: &str) -> Vec<Vec<String>> {
        let joined = text.replace("\\\n", " ");
        let mut out = Vec::new();
        for line in joined.lines() {
            let Some(at) = line
                .find("vhost-hexagon ci")
                .or_else(|| line.find("vhost-hexagon minimize"))
            else {
                continue;
            };
            // Up to where another command begins, or the output goes elsewhere; in docs, up to the explanation.
            let end = line[at..]
                .find([';', '|', '>', '`', '\''])
                .map_or(line.len(), |end| at + end);
            let words = line[at..end].split("   ").next().unwrap_or_default();
            out.push(shlex::split(words).unwrap_or_else(|| panic!("{line}")));
        }
        out
    }

    fn assert_commands(name: &str, text: &str, at_least: usize) {
        let commands = commands(text);
        assert!(commands.len() >= at_least, "{name}: {commands:?}");
        for words in commands {
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{name}: {}: {error}", words.join(" "));
            }
        }
    }

    #[test]
    fn commands_in_the_documentation_and_in_examples_for_ci_systems_are_valid() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let read = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
        assert_commands("ci.md", &read("ci.md"), 8);
        let yaml = |name: &str| {
            let documents =
                yaml_rust2::YamlLoader::load_from_str(&read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let [document] = &documents[..] else {
                panic!("{name}")
            };
            document.clone()
        };
        let github = yaml("ci/github-actions.yml");
        let steps = github["jobs"]["fastrpc"]["steps"].as_vec().unwrap();
        assert!(
            steps
                .iter()
                .all(|step| step["run"].is_badvalue() != step["uses"].is_badvalue()),
            "{steps:?}"
        );
        let run: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
        assert_commands("github-actions.yml", &run.join("\n"), 1);
        let lava = yaml("ci/lava-job.yaml");
        let test = &lava["actions"][2]["test"]["definitions"][0];
        assert_eq!(
            test["repository"]["metadata"]["format"].as_str(),
            Some("Lava-Test Test Definition 1.0")
        );
        let steps: Option<Vec<&str>> = test["repository"]["run"]["steps"]
            .as_vec()
            .unwrap()
            .iter()
            .map(yaml_rust2::Yaml::as_str)
            .collect();
        assert_commands("lava-job.yaml", &steps.unwrap().join("\n"), 1);
    }
}
