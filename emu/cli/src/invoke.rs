//! `vhost-hexagon invoke`: calls a method of a skeleton without QEMU and without a guest.
//!
//! The emulator plays the kernel's and the library's part ([`emu_local_ap`]); the DSP side is the real one, from the
//! FastRPC message on.

mod packets;
mod spec;
mod watch;

use super::assets::{Skeletons, read_or_skeleton};
use super::signals::Waiting;
use crate::output::{tell, tell_text};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use emu_local_ap::{Arg, Client, ClientError, Driver, for_one_program, print_record};
use emu_machine::profile::Profile;
use emu_os::services::{DspStats, FarfTo};
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::adspmsgd_apps::LogRecord;

use spec::{Input, Output};

const DETAILS: &str = "\
Buffers. Every --in is one input buffer and every --out one output buffer, in the order given, as the interface's compiler (qaic)
lays them out: a method with scalar inputs or with sequences has them (and the sequences' lengths) in a first block of its own, which
is the first --in. `seq:` and `string:` write their length into that block by themselves.

  --in u32:7              one or more numbers: u8 i8 u16 i16 u32 i32 u64 i64 f32 f64
  --in i32:0..1000        a range, the end not included; 0..1000..5 in steps of 5
  --in f32:1.5,2,-3       a list; 0.5*16 repeats a value
  --in u32:7+u64:1        several kinds in one block, each naturally aligned
  --in hex:00ff12  --in str:text  --in file:PATH  --in zero:4096
  --in seq:i32:0..1000    a sequence: its number of elements goes into the first block
  --in string:hello       a string with its NUL, its length goes into the first block
  --out i64  --out u32:4  numbers, printed as such
  --out 256               bytes, printed as a hex dump; --out str:64 as text
  --out file:PATH:4096    bytes, written to a file

Examples:
  vhost-hexagon invoke --skel libcalculator_skel.so --method 2 --in u32:1000 --in i32:0..1000 --out i64
  vhost-hexagon invoke --skel libcalculator_skel.so --method 2 --in seq:i32:0..1000 --out i64      # the same: 499500
  vhost-hexagon invoke --skel libpackets_skel.so --queue 2 --packets 100000 --method 3 --out u32:2   # how many went back, how many failed
  vhost-hexagon invoke --skel ./build/libfilter_skel.so --search ./build --method 3 --in u32:4096,4096 --in file:in.raw --out file:out.raw:4096

Exit code: 0 the method returned 0; 1 it returned an error, or the library could not be opened; 2 the command line is wrong;
3 the DSP process crashed (its report is printed); 4 the time of --timeout was over.";

/// Arguments of `invoke`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = DETAILS, after_help = "More about buffers, and examples: --help")]
pub struct Args {
    /// The skeleton library: a file, or the name of one that the program carries (`assets --list skel`).
    #[arg(long, value_name = "FILE")]
    skel: PathBuf,
    /// Where libraries that it needs are, besides its own directory. Can be given several times.
    #[arg(long, value_name = "DIR")]
    search: Vec<PathBuf>,
    /// Method number; the first method of a handle interface is 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..32))]
    method: u8,
    /// An input buffer.
    #[arg(long = "in", value_name = "SPEC", allow_hyphen_values = true)]
    inputs: Vec<String>,
    /// An output buffer.
    #[arg(long = "out", value_name = "SPEC")]
    outputs: Vec<String>,
    #[command(flatten)]
    force: super::force::Force,
    /// SoC profile: built-in name or TOML file.
    #[arg(long, value_name = "NAME", default_value = emu_machine::profile::DEFAULT)]
    soc: String,
    /// Which of the profile's DSPs, by label.
    #[arg(long, value_name = "LABEL")]
    dsp: Option<String>,
    /// Open this URI instead of the one that the library's symbols suggest.
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// Send this scalars word instead of the one that fits the buffers (to see what a skeleton says to it).
    #[arg(long, value_name = "WORD", value_parser = word)]
    raw_sc: Option<u32>,
    /// Call the method so many times; the outputs of the last call are printed, and the time of all.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Give up after so many seconds (1.5), and say where the DSP's threads are. A SIGQUIT (Ctrl-\\) asks for that at any time.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    core: super::core_options::CoreOptions,
    /// Make a packet queue (dspqueue), pass its id to this method as its only input, exchange packets over it, and call the
    /// method of --method afterwards, which is to close it.
    #[arg(long, value_name = "METHOD", value_parser = clap::value_parser!(u8).range(0..32))]
    queue: Option<u8>,
    /// Send so many packets over the queue, of all sizes, some with buffers, and wait for as many.
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "queue", value_parser = clap::value_parser!(u32).range(1..))]
    packets: u32,
    /// Print what it took: packets, memory, reverse calls; what was translated, and which packets were left to the interpreter most.
    #[arg(long)]
    stats: bool,
    /// Do not print the DSP's log messages.
    #[arg(long)]
    quiet: bool,
}

/// Exit codes.
const RETURNED_ERROR: u8 = 1;
const CRASHED: u8 = 3;
/// What the DSP's crash reports name as their source file; they are printed in one piece at the end instead.
const CRASH_REPORT: &[u8] = b"crash";
/// Memory of the machine beside a call's buffers: anonymous, so only what is touched counts.
const RAM: usize = 1 << 30;
/// Most bytes of a call's buffers: the DSP has 32-bit addresses, and the program must lie there, too.
const MOST: usize = 2 << 30;

/// Runs the command.
///
/// # Errors
/// Files, profile or library that cannot be used; memory.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (sc, inputs, outputs) = match buffers(args) {
        Ok(buffers) => buffers,
        Err(error) => {
            tell!("error: {error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    let bytes = read_or_skeleton(&args.skel)
        .with_context(|| format!("cannot read the skeleton {}", args.skel.display()))?;
    let uri = match &args.uri {
        Some(uri) => uri.clone(),
        None => suggest_uri(&args.skel, &bytes)?,
    };
    let sum = inputs
        .iter()
        .map(Vec::len)
        .chain(outputs.iter().map(|out| out.len() as usize));
    let sum: usize = sum.sum();
    if sum > MOST {
        tell!("error: the buffers have {sum} bytes together; {MOST} is the most that a DSP can see of them");
        return Ok(ExitCode::from(2));
    }
    // Before threads are started: they inherit what is blocked.
    let signals = Waiting::take();
    let record = args.stats.then(|| emu_core::record(None));
    let skeletons = Skeletons::write()?;
    let directories = directories(args, &skeletons);
    let driver = machine(args, &directories, RAM + sum.next_multiple_of(RAM))?;
    let _watch = watch::start(signals, &driver, skeletons, args.timeout).context("cannot start a thread")?;
    let client = client(&driver, directories)?;
    let outcome = call(args, &client, &uri, sc, &inputs, &outputs);
    // A crashed process says nothing any more, but its session ends as any other.
    let ended = client.exit();
    let stats = driver.dsp().stats();
    if let Some(record) = record {
        print_stats(&stats);
        tell_text(&super::translated::statistics(&record));
    }
    if let Some(crash) = driver.dsp().last_crash() {
        tell!("error: the DSP process crashed");
        // The DSP's own log has the report already, unless the user silenced it.
        if !tracing::enabled!(target: "emu::os", tracing::Level::ERROR) {
            crash.lines().iter().for_each(|line| tell!("{line}"));
        }
        return Ok(ExitCode::from(CRASHED));
    }
    let code = outcome?;
    ended?;
    Ok(code)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().filter(|seconds| *seconds > 0.0);
    parsed
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text:?} is no number of seconds above 0"))
}

fn word(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is not a number (0x02020100)"))
}

fn buffers(args: &Args) -> anyhow::Result<(Scalars, Vec<Vec<u8>>, Vec<Output>)> {
    let parse = |text: &String| Input::parse(text).with_context(|| format!("--in {text}"));
    let inputs = args
        .inputs
        .iter()
        .map(parse)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let parse = |text: &String| Output::parse(text).with_context(|| format!("--out {text}"));
    let outputs = args
        .outputs
        .iter()
        .map(parse)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let inputs = spec::lay_out(inputs);
    if inputs.len() > 255 || outputs.len() > 255 {
        bail!("a method has at most 255 input and 255 output buffers");
    }
    let sc = Scalars::new(args.method, inputs.len() as u8, outputs.len() as u8);
    let sc = args.raw_sc.map_or(sc, Scalars);
    if sc.in_bufs() != inputs.len()
        || sc.out_bufs() != outputs.len()
        || sc.args() != inputs.len() + outputs.len()
    {
        bail!(
            "--raw-sc {sc} is {sc:?}, but {} inputs and {} outputs are given",
            inputs.len(),
            outputs.len()
        );
    }
    Ok((sc, inputs, outputs))
}

fn machine(args: &Args, directories: &[PathBuf], ram: usize) -> anyhow::Result<Arc<Driver>> {
    let profile = Profile::load(&args.soc)?;
    let configs = emu_machine::vm::platform::dsp_configs(&profile, 4096);
    let mut configs = args.core.set(configs).into_iter();
    let config = match &args.dsp {
        Some(label) => configs.find(|config| config.label == *label),
        None => configs.next(),
    };
    let Some(mut config) = config else {
        let labels: Vec<&str> = profile.dsps.iter().map(|dsp| dsp.label.as_str()).collect();
        bail!(
            "the profile {} has no such DSP; it has {}",
            profile.name,
            labels.join(", ")
        );
    };
    config.farf = if args.quiet { FarfTo::Nobody } else { FarfTo::Guest };
    // The last one is a folder for this run, of what the program carries.
    let folders = directories
        .iter()
        .rev()
        .skip(1)
        .rev()
        .map(|folder| folder.display().to_string());
    config.library_read.searched = format!("in {} or this program", folders.collect::<Vec<_>>().join(", "));
    Driver::start(for_one_program(config), ram).context("cannot set up the machine")
}

/// Where libraries are looked for: beside the skeleton, where the user says, and among our own.
fn directories(args: &Args, skeletons: &Skeletons) -> Vec<PathBuf> {
    let own = args
        .skel
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let own = if own.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        own
    };
    std::iter::once(own)
        .chain(args.search.iter().cloned())
        .chain([skeletons.path()])
        .collect()
}

fn client(driver: &Arc<Driver>, directories: Vec<PathBuf>) -> anyhow::Result<Client> {
    let on_log = Box::new(|record: &LogRecord| {
        if record.file != CRASH_REPORT {
            print_record(record);
        }
    });
    let sid = driver
        .session_ids()
        .next()
        .context("the profile has no context bank")?;
    Ok(Client::create(driver, sid, 1, "invoke", directories, on_log)?)
}

/// The URI for the one invoke function that a skeleton exports.
fn suggest_uri(path: &Path, bytes: &[u8]) -> anyhow::Result<String> {
    let file = path
        .file_name()
        .and_then(|name| name.to_str())
        .context("the skeleton has no file name")?;
    let elf = goblin::elf::Elf::parse(bytes)
        .with_context(|| format!("{} is not an ELF library", path.display()))?;
    let names = || {
        elf.dynsyms
            .iter()
            .filter(|s| s.st_shndx != 0)
            .filter_map(|s| elf.dynstrtab.get_at(s.st_name))
    };
    let with = |end: &str| {
        names()
            .filter(|name| name.ends_with(end))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let version = interface_version(bytes).map_or_else(String::new, |version| format!("&_idlver={version}"));
    match (&with("_skel_handle_invoke")[..], &with("_skel_invoke")[..]) {
        ([symbol], _) => Ok(format!("file:///{file}?{symbol}&_modver=1.0{version}")),
        ([], [symbol]) => Ok(format!("file:///{file}?{symbol}")),
        ([], []) => bail!(
            "{} exports no function …_skel_handle_invoke or …_skel_invoke; name one with --uri 'file:///{file}?SYMBOL&_modver=1.0'",
            path.display()
        ),
        (handles, plain) => bail!(
            "{} exports several interfaces ({}); choose one with --uri 'file:///{file}?SYMBOL&_modver=1.0'",
            path.display(),
            handles
                .iter()
                .chain(plain)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// The version that a generated skeleton wants to hear from its stub, if it wants one: it stands among its strings.
fn interface_version(bytes: &[u8]) -> Option<&str> {
    let mut strings = bytes
        .split(|&b| b == 0)
        .filter_map(|string| std::str::from_utf8(string).ok());
    let is_version = |text: &str| {
        let parts: Vec<&str> = text.split('.').collect();
        parts.len() == 3
            && parts
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let asks = bytes.windows(8).any(|window| window == b"_idlver=");
    asks.then(|| strings.find(|text| is_version(text)))?
}

fn call(
    args: &Args,
    client: &Client,
    uri: &str,
    sc: Scalars,
    inputs: &[Vec<u8>],
    outputs: &[Output],
) -> anyhow::Result<ExitCode> {
    let handle = match client.open(uri) {
        Ok(handle) => handle,
        Err(error @ ClientError::Open { .. }) => {
            tell!("error: cannot open {uri}: {error}");
            return Ok(ExitCode::from(RETURNED_ERROR));
        }
        Err(error) => return Err(error.into()),
    };
    let queue = match args.queue {
        Some(method) => match packets::exchange(client, handle, method, args.packets)? {
            Ok(queue) => Some(queue),
            Err(code) if code == Aee::GONE => return Ok(ExitCode::from(CRASHED)),
            Err(code) => {
                tell!("error: method {method} returned {code}");
                return Ok(ExitCode::from(RETURNED_ERROR));
            }
        },
        None => None,
    };
    let buffers: Vec<Arg<'_>> = inputs
        .iter()
        .map(|bytes| Arg::In(bytes))
        .chain(outputs.iter().map(|out| Arg::Out(out.len())))
        .collect();
    let started = Instant::now();
    let mut answer = client.invoke(handle, sc, &buffers)?;
    for _ in 1..args.repeat {
        if !answer.retval.is_ok() {
            break;
        }
        answer = client.invoke(handle, sc, &buffers)?;
    }
    if args.repeat > 1 {
        let each = started.elapsed() / args.repeat;
        tell!("{} calls, {each:?} each", args.repeat);
    }
    if answer.retval == Aee::GONE {
        // The crash report follows.
        return Ok(ExitCode::from(CRASHED));
    }
    for (output, bytes) in outputs.iter().zip(&answer.outs) {
        output.show(bytes, args.force.existing())?;
    }
    if answer.retval.is_ok() {
        if let Some(queue) = queue {
            queue.close(client)?;
        }
        client.close(handle)?;
        return Ok(ExitCode::SUCCESS);
    }
    tell!("error: method {} returned {}", args.method, answer.retval);
    Ok(ExitCode::from(RETURNED_ERROR))
}

fn print_stats(stats: &DspStats) {
    tell!("packets executed {:>12}", stats.packets);
    tell!("bytes mapped     {:>12}", stats.bytes_mapped);
    tell!(
        "messages         {:>12} in, {} out",
        stats.messages_in,
        stats.messages_out
    );
    tell!(
        "reverse calls    {:>12}, {} bytes of libraries read",
        stats.reverse_calls,
        stats.bytes_read
    );
}
