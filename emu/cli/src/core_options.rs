//! Options of the commands that run DSPs about the core.

use emu_core::Engine;
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
    /// What phones do not let pass (docs/leniencies.md) is an exception: vector instructions of a thread without a vector context
    /// (qurt_hvx_lock), or on IEEE floats that the SoC's part is reported to lack, the matrix unit without its lock or outside of
    /// VTCM, VTCM that was not acquired. Without, it is done, mostly with one warning a process.
    #[arg(long)]
    pub strict_silicon: bool,
    #[command(flatten)]
    pub engine: EngineOption,
}

impl CoreOptions {
    /// These DSPs, with them.
    pub fn set(self, mut configs: Vec<DspConfig>) -> Vec<DspConfig> {
        for config in &mut configs {
            config.dsp_threads = self.dsp_threads;
            config.floats.strict = self.strict_silicon;
            config.engine = self.engine.engine.unwrap_or_default();
        }
        configs
    }
}

/// What executes DSP code.
#[derive(clap::Args, Debug, Clone, Copy)]
#[group(skip)]
pub struct EngineOption {
    /// What executes DSP code: `interp`, one instruction after the other; `jit`, host code of everything, made before it is first
    /// executed (for tests of the translator); `auto`, the interpreter, and host code in the background for what is executed often
    /// [default: auto]. Results, faults and counts are the same.
    #[arg(long, value_name = "ENGINE", env = emu_core::ENGINE_VARIABLE)]
    pub engine: Option<Engine>,
}
