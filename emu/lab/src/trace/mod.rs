//! Traces: everything that went over a DSP's wire in a run, in a pcapng file.
//!
//! A [`Trace`] is the file; [`Trace::watch`] has it record a DSP from then on: GLINK commands both ways with the memory that
//! FastRPC messages refer to, SMP2P words, starts and ends, crash reasons, interrupts, what scenarios do, what the account
//! finds, and which DSP thread runs which call. [`read`] reads such files back, [`decode`] says what is in them, [`timeline`] draws
//! them, [`diff`] compares two. The layout is in `docs/tracing.md`; `docs/wireshark` has a dissector for it.

pub mod about;
pub mod decode;
pub mod diff;
pub mod names;
mod packet;
mod pcapng;
pub mod read;
pub mod reverse;
mod sink;
pub mod text;
pub mod timeline;
mod watch;

pub use about::About;
pub use packet::{Body, Change, Direction, Injected, Memory, Packet, PacketError, Role, Run};
pub use sink::Summary;
pub use watch::Bounds;

use crate::account::Account;
use emu_machine::device::DspDevice;
use emu_os::probe::Probe;
use emu_os::seam::Observer;
use emu_os::services::DspConfig;
use host_files::output::{Existing, OutputError};
use sink::Sink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be made.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The host has no thread left to write it.
    #[error("cannot write the trace {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What is recorded, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How much memory is kept.
    pub bounds: Bounds,
    /// Time is a counter and nothing is recorded whose place among the others is a matter of chance (interrupts, DSP
    /// threads): runs in which the same happened have the same file.
    pub counted_time: bool,
    /// A line about the run.
    pub comment: String,
    /// What becomes of a file that is there already.
    pub existing: Existing,
}

/// A trace that is being written.
pub struct Trace {
    sink: Sink,
    options: Options,
    dsps: Vec<DspConfig>,
    platform: String,
}

impl Trace {
    /// Makes the file for a machine with these DSPs.
    ///
    /// # Errors
    /// It cannot be made, or there is one already.
    pub fn create(
        path: &Path,
        dsps: &[DspConfig],
        platform: &str,
        options: Options,
    ) -> Result<Self, TraceError> {
        let interfaces: Vec<_> = dsps
            .iter()
            .map(|config| {
                let about = format!("Hexagon {} behind {} streams", config.arch, config.streams.len());
                (config.label.clone(), about)
            })
            .collect();
        Ok(Self {
            sink: Sink::create(path, &options, &interfaces)?,
            options,
            dsps: dsps.to_vec(),
            platform: platform.to_owned(),
        })
    }

    /// The observer that records a DSP, and what its account finds (which must come to see everything first).
    #[must_use]
    pub fn observer(&self, dsp: u8, account: Option<Account>) -> Option<Box<dyn Observer>> {
        let watch = watch::Watch::new(
            dsp,
            self.dsps.get(usize::from(dsp))?,
            &self.platform,
            self.sink.recorder().clone(),
            self.options.bounds,
            account,
        );
        Some(Box::new(watch))
    }

    /// The probe that records when a DSP's threads run calls.
    #[must_use]
    pub fn probe(&self, dsp: u8) -> Arc<dyn Probe> {
        Arc::new(watch::Threads {
            dsp,
            recorder: self.sink.recorder().clone(),
        })
    }

    /// Records these DSPs from now on, and what their accounts find from now on. Accounts must have begun to watch before.
    pub fn watch(&self, devices: &[DspDevice], accounts: &[Account]) {
        for (dsp, device) in (0u8..).zip(devices) {
            let unit = device.subsystem();
            if let Some(observer) = self.observer(dsp, accounts.get(usize::from(dsp)).cloned()) {
                unit.add_observer(observer);
            }
            if !self.options.counted_time {
                unit.set_probe(self.probe(dsp));
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.sink.path()
    }

    /// Writes what is left and ends the file. Sessions that still run should have been ended.
    pub fn close(&mut self) -> Summary {
        self.sink.close()
    }
}

/// Little-endian words, as many as are whole.
fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks::<4>();
    words
        .iter()
        .take(16)
        .map(|word| u32::from_le_bytes(*word))
        .collect()
}
