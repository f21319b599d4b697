//! Options of the commands that run DSPs about the core.

use emu_os::services::DspConfig;
use std::num::NonZeroUsize;

/// The options.
#[derive(clap::Args, Debug, Clone, Copy)]
#[group(skip)]
pub struct CoreOptions {
    /// Host threads that run the DSP threads of one process at the same time [default: as many as the DSP has hardware threads,
    /// or the host cores]. 1: one after the other.
    #[arg(long, value_name = "N")]
    pub dsp_threads: Option<NonZeroUsize>,
    /// Vector instructions on IEEE floats that the SoC's part is reported to lack (docs/leniencies.md) are an exception. Without,
    /// they are computed as the vendor's simulator does, with one warning a process.
    #[arg(long)]
    pub strict_silicon: bool,
}

impl CoreOptions {
    /// These DSPs, with them.
    pub fn set(self, mut configs: Vec<DspConfig>) -> Vec<DspConfig> {
        for config in &mut configs {
            config.dsp_threads = self.dsp_threads;
            config.floats.strict = self.strict_silicon;
        }
        configs
    }
}
