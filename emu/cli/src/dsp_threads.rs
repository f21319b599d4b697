//! `--dsp-threads` of the commands that run DSPs.

use emu_os::services::DspConfig;
use std::num::NonZeroUsize;

/// The option.
#[derive(clap::Args, Debug, Clone, Copy)]
#[group(skip)]
pub struct DspThreads {
    /// Host threads that run the DSP threads of one process at the same time [default: as many as the DSP has hardware threads,
    /// or the host cores]. 1: one after the other.
    #[arg(long = "dsp-threads", value_name = "N")]
    count: Option<NonZeroUsize>,
}

impl DspThreads {
    /// The number, if one was given.
    pub fn count(self) -> Option<NonZeroUsize> {
        self.count
    }

    /// These DSPs, with that many.
    pub fn set(self, mut configs: Vec<DspConfig>) -> Vec<DspConfig> {
        for config in &mut configs {
            config.dsp_threads = self.count;
        }
        configs
    }
}
