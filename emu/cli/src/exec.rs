//! `vhost-hexagon exec`: a static Hexagon program in user mode, as `qemu-hexagon` runs it.

use super::translated;
use crate::output::{tell, tell_text};
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context;
use emu_linux_user::{Console, ExecError, Program, Setup};
use hexagon_isa::Arch;

const EXAMPLES: &str = "\
Examples:
  vhost-hexagon exec ./hello                      what it prints is printed, its exit status is this command's
  vhost-hexagon exec --count ./bench 100          and how much it executed, on standard error
  vhost-hexagon exec --engine jit --dump-host 10f4 ./bench    what became of the packet at this address
  vhost-hexagon exec --trace ./hello 2>trace      every packet with the registers that it wrote
  vhost-hexagon exec -E HOME=/ --cpu v68 ./prog   with one more variable, on an older core

Build such a program with clang, without libraries:
  clang --target=hexagon-unknown-none-elf -mv73 -O2 -G0 -ffreestanding -nostdlib -static -fuse-ld=lld prog.c -o prog
It starts at _start; trap0(#1) is a Linux system call (number in r6, arguments from r0 on), trap0(#0) Angel semihosting.

The program has the rights of the user who runs it: it can open, change and remove what that user can (--no-files: nothing).
Exit code: the program's; 128 and the signal's number if it crashed (132 illegal, 135 misaligned, 139 memory); 1 if it
could not be started, or was still running after --max-packets.";

/// Arguments of `exec`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The core, v60 to v81; else the one that the file was built for, else v73.
    #[arg(long, value_name = "VERSION", value_parser = super::disasm::arch)]
    cpu: Option<Arch>,
    /// Print every packet to standard error: address, instructions, the registers that it wrote.
    #[arg(long)]
    trace: bool,
    /// Print to standard error how many packets and instructions ran, how fast, and what was translated.
    #[arg(long)]
    count: bool,
    /// Print to standard error what was translated, what a packet of it cost, and which packets were left to the interpreter most.
    #[arg(long)]
    stats: bool,
    /// Print to standard error what was made of the packet at this address (hexadecimal): packets, the code generator's form, host
    /// code.
    #[arg(long, value_name = "PC", value_parser = address)]
    dump_host: Option<u32>,
    /// Give up after about so many packets.
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    max_packets: u64,
    /// Most memory the program may have.
    #[arg(long, value_name = "SIZE", default_value = "3G", value_parser = super::messages::size)]
    memory: u64,
    #[command(flatten)]
    engine: super::core_options::EngineOption,
    /// One more variable for the program's environment, which else is this command's.
    #[arg(short = 'E', long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Let the program open no files.
    #[arg(long)]
    no_files: bool,
    /// A static Hexagon ELF file.
    program: PathBuf,
    /// The program's arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<std::ffi::OsString>,
}

/// An address, in hexadecimal.
fn address(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u32::from_str_radix(digits, 16).map_err(|error| format!("{text:?}: {error}"))
}

/// The descriptors of this process.
struct Host {
    streams: [File; 3],
}

impl Host {
    fn new() -> std::io::Result<Self> {
        let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let own = |fd: std::os::fd::BorrowedFd| fd.try_clone_to_owned().map(File::from);
        Ok(Host {
            streams: [own(input.as_fd())?, own(output.as_fd())?, own(error.as_fd())?],
        })
    }
}

impl Console for Host {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let [input, ..] = &mut self.streams;
        input.read(out)
    }
    fn write(&mut self, error: bool, bytes: &[u8]) -> std::io::Result<usize> {
        let [_, output, errors] = &mut self.streams;
        if error { errors } else { output }.write(bytes)
    }
    fn metadata(&self, fd: u32) -> Option<std::fs::Metadata> {
        self.streams.get(fd as usize)?.metadata().ok()
    }
    fn is_terminal(&self, fd: u32) -> bool {
        self.streams
            .get(fd as usize)
            .is_some_and(|stream| stream.is_terminal())
    }
}

/// Runs the program.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let name = args.program.display();
    let file = std::fs::read(&args.program).with_context(|| format!("cannot read {name}"))?;
    let mut env: Vec<Vec<u8>> = std::env::vars_os()
        .map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat())
        .collect();
    for variable in &args.env {
        let Some((key, _)) = variable.split_once('=') else {
            anyhow::bail!("-E {variable:?} is not NAME=VALUE");
        };
        let prefix = format!("{key}=");
        env.retain(|old| !old.starts_with(prefix.as_bytes()));
        env.push(variable.clone().into_bytes());
    }
    let mut words = vec![args.program.as_os_str().as_bytes().to_vec()];
    words.extend(args.args.iter().map(|a| a.clone().into_vec()));
    let setup = Setup {
        arch: args.cpu,
        args: words,
        env,
        files: !args.no_files,
        memory: args.memory,
        engine: args.engine.engine.unwrap_or_default(),
    };
    let recorded = args.stats || args.dump_host.is_some();
    let record = recorded.then(|| emu_core::record(args.dump_host));
    let mut program = Program::new(&file, &setup).with_context(|| format!("cannot run {name}"))?;
    let mut host = Host::new()?;
    let start = Instant::now();
    let result = if args.trace {
        let mut trace = BufWriter::new(std::io::stderr().as_fd().try_clone_to_owned().map(File::from)?);
        let result = program.run_traced(&mut host, args.max_packets, &mut trace);
        trace.flush()?;
        result
    } else {
        program.run_on(&mut host, args.max_packets)
    };
    if args.count {
        let (t, seconds) = (program.thread(), start.elapsed().as_secs_f64());
        tell!(
            "{}: {} packets, {} instructions, {} of them HVX, in {seconds:.3} s: {:.1} million packets a second",
            program.arch(),
            t.packets,
            t.insns,
            t.hvx_insns,
            t.packets as f64 / seconds / 1e6,
        );
        if let Some(made) = program.translated() {
            let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
            tell!(
                "translated: {} packets in {} units, {} bytes of host code, in {} ms; left to the interpreter {} times",
                of(&made.packets),
                of(&made.units),
                of(&made.bytes),
                of(&made.nanoseconds) / 1_000_000,
                of(&made.interpreted),
            );
        }
    }
    if let Some(record) = record {
        tell_translated(args, &record, program.arch())?;
    }
    match result {
        Ok(end) => Ok(ExitCode::from(end.code())),
        Err(error) => crash(&args.program, &program, error),
    }
}

fn tell_translated(args: &Args, record: &emu_core::Record, arch: Arch) -> anyhow::Result<()> {
    if args.stats {
        tell_text(&translated::statistics(record));
    }
    if let Some(pc) = args.dump_host {
        let dumps = record.dumps();
        if dumps.is_empty() {
            tell!(
                "nothing was made of a packet at {pc:#010x} (--engine jit translates everything that is executed)"
            );
        }
        for dump in dumps {
            tell_text(&translated::unit(&dump, arch).context("the disassembler")?);
        }
    }
    Ok(())
}

/// Tells what became of the program.
fn crash(name: &std::path::Path, program: &Program, error: ExecError) -> anyhow::Result<ExitCode> {
    let Some(signal) = error.signal() else {
        return Err(anyhow::Error::from(error).context(format!("{}", name.display())));
    };
    tell!("{}: {error}\n{}", name.display(), program.report());
    Ok(ExitCode::from(signal + 128))
}
