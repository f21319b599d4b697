//! `vhost-hexagon trace`, and `--trace` and `--timeline` of `run` and `serve`.

use super::output::say;
use crate::output::tell;
use anyhow::Context as _;
use emu_lab::hooks::TraceRequest;
use emu_lab::trace::decode::Decoder;
use emu_lab::trace::read::Reader;
use emu_lab::trace::timeline::Timeline;
use emu_lab::trace::{Bounds, Options as TraceOptions, Trace, diff, text};
use emu_machine::device::DspDevice;
use host_files::output::{self, Existing};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `trace`.
#[derive(clap::Args)]
pub struct Args {
    /// A trace that `run --trace` or `serve --trace` wrote.
    file: PathBuf,
    /// One JSON object a line.
    #[arg(long, conflicts_with = "timeline")]
    json: bool,
    /// Only this DSP.
    #[arg(long, value_name = "LABEL")]
    dsp: Option<String>,
    /// Compare with another trace, times apart, and show the first difference of each DSP; exit code 1 if there is one.
    #[arg(long, value_name = "OTHER", conflicts_with_all = ["json", "timeline", "dsp"])]
    diff: Option<PathBuf>,
    /// Write a timeline for Perfetto or Chrome instead.
    #[arg(long, value_name = "FILE.json")]
    timeline: Option<PathBuf>,
    #[command(flatten)]
    force: super::force::Force,
}

/// Prints a trace, or draws it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(other) = &args.diff {
        let found = diff::differences(&args.file, other)?;
        found.iter().for_each(|difference| tell!("{difference}"));
        return Ok(if found.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    if let Some(out) = &args.timeline {
        timeline(&args.file, out, output::create(out, args.force.existing())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut reader = Reader::open(&args.file)?;
    let mut decoder = Decoder::default();
    let mut seen = false;
    while let Some(record) = reader.next_record()? {
        let line = decoder.next_line(record);
        let label = reader.label(line.packet.dsp);
        if args.dsp.as_ref().is_some_and(|only| only != label) {
            continue;
        }
        seen = true;
        if args.json {
            say!("{}", text::json(&line, label));
        } else {
            say!("{}", text::line(&line, label));
        }
    }
    if let (Some(only), false) = (&args.dsp, seen) {
        anyhow::bail!("the trace {} has nothing of a DSP {only:?}", args.file.display());
    }
    if reader.is_cut() {
        tell!("The file ends in the middle of a packet: the run was killed, or the disk was full.");
    }
    if reader.dropped() != 0 {
        tell!(
            "{} packets are missing: the disk did not keep up.",
            reader.dropped()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Draws a trace into the file `out`.
fn timeline(file: &Path, out: &Path, target: File) -> anyhow::Result<()> {
    let mut reader = Reader::open(file)?;
    let (mut decoder, mut timeline) = (Decoder::default(), Timeline::default());
    while let Some(record) = reader.next_record()? {
        let line = decoder.next_line(record);
        timeline.add(&line, reader.label(line.packet.dsp));
    }
    let mut target = std::io::BufWriter::new(target);
    serde_json::to_writer(&mut target, &timeline.finish())
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(std::io::Write::flush(&mut target)?))
        .with_context(|| format!("cannot write the timeline {}", out.display()))
}

/// Options that `run` and `serve` share.
#[derive(clap::Args, Clone)]
#[group(skip)]
pub struct Options {
    /// Write everything that goes over the DSPs' wires to this file (pcapng; docs/tracing.md).
    #[arg(long, value_name = "FILE.pcapng")]
    trace: Option<PathBuf>,
    /// Bytes of each argument that the trace keeps; of a message four times as many.
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = super::messages::size)]
    trace_bytes: u64,
    /// Draw a timeline of all calls at the end, for Perfetto or Chrome (JSON).
    #[arg(long, value_name = "FILE.json")]
    timeline: Option<PathBuf>,
}

/// What becomes of the trace of a run.
pub struct Tracing {
    /// The file is only wanted for the timeline.
    scratch: Option<tempfile::TempPath>,
    timeline: Option<(PathBuf, File)>,
}

impl Options {
    /// Begins to record these DSPs. Accounts must have begun before.
    pub fn request(
        &self,
        comment: String,
        counted_time: bool,
        existing: Existing,
    ) -> anyhow::Result<Option<(TraceRequest, Tracing)>> {
        let scratch = match (&self.trace, &self.timeline) {
            (None, None) => return Ok(None),
            (None, Some(_)) => Some(tempfile::NamedTempFile::new()?.into_temp_path()),
            (Some(_), _) => None,
        };
        let path: PathBuf = match &scratch {
            Some(path) => path.to_path_buf(),
            None => self.trace.clone().unwrap_or_default(),
        };
        let argument = usize::try_from(self.trace_bytes)
            .unwrap_or(usize::MAX)
            .min(16 << 20);
        let options = TraceOptions {
            bounds: Bounds {
                argument,
                message: argument * 4,
            },
            counted_time,
            comment,
            existing,
        };
        let make = |path: &PathBuf| Ok::<_, anyhow::Error>((path.clone(), output::create(path, existing)?));
        let tracing = Tracing {
            scratch,
            timeline: self.timeline.as_ref().map(make).transpose()?,
        };
        Ok(Some((TraceRequest { path, options }, tracing)))
    }
}

impl Tracing {
    /// The end: sessions that run are ended, and the files are complete.
    pub fn close(mut self, mut trace: Trace, devices: &[DspDevice]) -> anyhow::Result<()> {
        for device in devices {
            device.subsystem().reset("the trace is closed");
        }
        let summary = trace.close();
        if let Some(why) = &summary.failed {
            tell!(
                "The trace {} is not complete: {why}. The run was not disturbed.",
                trace.path().display()
            );
        } else if summary.lost != 0 {
            tell!(
                "The trace lacks {} of {} packets: the disk did not keep up.",
                summary.lost,
                summary.packets + summary.lost
            );
        }
        if let Some((out, file)) = self.timeline.take() {
            timeline(trace.path(), &out, file)?;
        }
        if let Some(scratch) = self.scratch.take() {
            scratch.close()?;
        }
        Ok(())
    }
}
