//! What one DSP is: everything about its behaviour that a SoC profile or the user decides.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use emu_core::{Engine, VectorFloats};
use hexagon_isa::Arch;
use rpmsg::fastrpc::Addressing;
use rpmsg::fastrpc::attributes::attribute;

#[cfg(doc)]
use crate::config::ProcessConfig;
use crate::config::{HARDWARE_THREADS, Limits};
use crate::imports::{self, Builtins};
use crate::probe::Probe;

/// Largest chunk of an apps_std read: what one reverse call may carry comfortably.
const DEFAULT_READ_CHUNK: u32 = 16 * 1024;

/// Configuration of a [`Dsp`](super::Dsp).
#[derive(Debug, Clone)]
pub struct DspConfig {
    /// Domain label (`cdsp`), for logs.
    pub label: String,
    /// Architecture version of the core.
    pub arch: Arch,
    /// What handle 2 answers: attribute number → value. Numbers that are missing are answered 0. Numbers and meanings:
    /// [`attribute`]. See [`DspConfig::standard_attributes`].
    pub attributes: BTreeMap<u32, u32>,
    /// The sessions' context banks: session ID (`reg` of the compute-cb) → stream ID behind the SMMU.
    pub streams: BTreeMap<u32, u16>,
    /// Session slots that share a context bank (`qcom,nsessions`), where that is more than one.
    pub shared_banks: BTreeMap<u32, u32>,
    /// Where the session ID stands in a device address, and the guest kernel's page size.
    pub addressing: Addressing,
    /// Where FARF messages go.
    pub farf: FarfTo,
    /// How libraries are read from the AP.
    pub library_read: LibraryRead,
    /// How long a reverse call waits for the AP's listener before it fails.
    pub listener_wait: Duration,
    /// How long what runs at the end of a process (exit functions, finalisers) may take.
    pub finish_wait: Duration,
    /// Vector TCM in bytes.
    pub vtcm: u32,
    /// What processes have from the DSP itself: the emulator's own, or what the loaded firmware exports.
    pub builtins: Arc<Builtins>,
    /// 128-byte HVX contexts.
    pub hvx_units: u32,
    /// Floating point of the vector unit.
    pub floats: VectorFloats,
    /// What executes the code of processes.
    pub engine: Engine,
    /// Threads that the core runs at once, as programs are told.
    pub hardware_threads: u16,
    /// Host threads a process; see [`ProcessConfig::dsp_threads`].
    pub dsp_threads: Option<NonZeroUsize>,
    /// Bounds of each process.
    pub limits: Limits,
    /// Whether the sensor core and its process are on this DSP.
    pub sensors: bool,
    /// Told when threads run calls.
    pub probe: Option<Arc<dyn Probe>>,
}

impl DspConfig {
    /// A DSP with one session ID per entry of `streams`, the usual attributes and default behaviour.
    #[must_use]
    pub fn new(label: impl Into<String>, arch: Arch, arch_word: u32, streams: BTreeMap<u32, u16>) -> Self {
        let (vtcm, hvx_units) = (8 << 20, 4);
        Self {
            label: label.into(),
            arch,
            attributes: Self::standard_attributes(arch_word, hvx_units, vtcm),
            streams,
            shared_banks: BTreeMap::new(),
            addressing: Addressing::default(),
            farf: FarfTo::default(),
            library_read: LibraryRead::default(),
            listener_wait: Duration::from_secs(10),
            finish_wait: Duration::from_secs(5),
            vtcm,
            builtins: imports::standard(),
            hvx_units,
            floats: VectorFloats::default(),
            engine: Engine::default(),
            hardware_threads: HARDWARE_THREADS,
            dsp_threads: None,
            limits: Limits::default(),
            sensors: false,
            probe: None,
        }
    }

    /// Session slots that the driver has for this DSP: how many descriptors of its nodes can be open at once.
    #[must_use]
    pub fn sessions(&self) -> usize {
        let slots = |reg| self.shared_banks.get(reg).map_or(1, |slots| *slots as usize);
        self.streams.keys().map(slots).sum()
    }

    /// Attributes of a DSP that takes unsigned processes: `arch_word` is ARCH_VER (0x68 for v68; the AP's library picks a
    /// search directory by it), `hvx_units` the number of 128-byte HVX contexts, `vtcm` the size of vector TCM in bytes
    /// (one page of that size; 0 = none). A core from v68 on with VTCM, where its tiles lie, has a matrix unit; its figures are those that a
    /// public measurement of a V68 had from its DSP. Everything else is answered 0: not supported.
    #[must_use]
    pub fn standard_attributes(arch_word: u32, hvx_units: u32, vtcm: u32) -> BTreeMap<u32, u32> {
        let mut attributes = BTreeMap::from([
            (attribute::UNSIGNED_PD, 1),
            (attribute::HVX_128B, hvx_units),
            (attribute::ARCH_VER, arch_word),
        ]);
        if vtcm != 0 {
            attributes.insert(attribute::VTCM_PAGE, vtcm);
            attributes.insert(attribute::VTCM_COUNT, 1);
            if arch_word & 0xff >= 0x68 {
                attributes.extend([(attribute::HMX_DEPTH, 32), (attribute::HMX_SPATIAL, 64)]);
            }
        }
        attributes
    }
}

/// Who gets FARF messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FarfTo {
    /// The AP: adspmsgd_apps.log through the reverse tunnel, printed by the AP's library. What an AP without that module does not
    /// take goes to this program's log.
    #[default]
    Guest,
    /// This program's log: `tracing` target `emu::farf`.
    Host,
    /// Both.
    Both,
    /// Nobody.
    Nobody,
}

impl FarfTo {
    /// Whether the AP gets them.
    #[must_use]
    pub const fn guest(self) -> bool {
        matches!(self, Self::Guest | Self::Both)
    }

    /// Whether this program's log gets them.
    #[must_use]
    pub const fn host(self) -> bool {
        matches!(self, Self::Host | Self::Both)
    }
}

impl std::str::FromStr for FarfTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "guest" => Ok(Self::Guest),
            "host" => Ok(Self::Host),
            "both" => Ok(Self::Both),
            "none" => Ok(Self::Nobody),
            other => Err(format!("{other:?} is not one of guest, host, both, none")),
        }
    }
}

/// How a library is read through apps_std.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryRead {
    /// Bytes asked for at once.
    pub chunk: u32,
    /// After `flen`, ask for the size a second time by seeking to the end, as older firmware does. The recorded sessions
    /// contain these calls; they cost three round trips and tell nothing new.
    pub seek_for_size: bool,
    /// Where the AP looks, for people who are told that a library is not there. It is the AP that searches; asking it where
    /// (`get_search_paths_with_env`) would be a call that no DSP was recorded to make.
    pub searched: String,
}

impl Default for LibraryRead {
    fn default() -> Self {
        Self {
            chunk: DEFAULT_READ_CHUNK,
            seek_for_size: false,
            searched: "along the program's DSP_LIBRARY_PATH or ADSP_LIBRARY_PATH".into(),
        }
    }
}
