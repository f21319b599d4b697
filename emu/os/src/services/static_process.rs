//! Processes that a DSP's firmware brings along: which a DSP has, and which one a session asks for.
//!
//! Source: the AP's library (qualcomm/fastrpc, `remote_init`) attaches to the root process or the sensors' process, which the
//! domain bits of the message tell apart, or makes "audiopd" by name; `qcom_pd_mapper.c` of the kernel has the audio process on the ADSP
//! only. Each session gets a process of its own here (docs/leniencies.md#static-processes says why).
//!
//! Not modelled: the audio process's remote heap. Its memory is a physical address that no context bank translates, and nothing
//! here allocates from it; the log says so.

use rpmsg::fastrpc::{Page, PdHint};

use super::config::DspConfig;

/// Why a session gets no process of the firmware's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoProcess {
    /// The sensors are on another DSP.
    #[error("the sensors' process is not on this DSP: a profile says where (sensors = true)")]
    Sensors,
    /// Another name than the firmware has, or the audio process on a DSP without audio.
    #[error("there is no static process {0:?} on this DSP: only an adsp has one, audiopd")]
    Named(String),
}

/// The process that INIT_ATTACH with these domain bits means.
pub(super) fn attached(config: &DspConfig, hint: Option<PdHint>) -> Result<&'static str, NoProcess> {
    match hint {
        Some(PdHint::Sensors) if config.sensors => Ok("sensors"),
        Some(PdHint::Sensors) => Err(NoProcess::Sensors),
        _ => Ok("root"),
    }
}

/// The process that INIT_CREATE_STATIC with this name means.
pub(super) fn named(config: &DspConfig, name: &str) -> Result<&'static str, NoProcess> {
    if config.label == "adsp" && name == "audiopd" {
        return Ok("audiopd");
    }
    Err(NoProcess::Named(name.to_owned()))
}

/// Whether this can be a remote heap: some memory that ends below 2^64.
pub(super) fn is_heap(page: Page) -> bool {
    page.addr != 0 && page.size != 0 && page.addr.checked_add(page.size).is_some()
}
