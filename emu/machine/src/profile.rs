//! SoC profiles (`configs/*.toml`): which DSPs a machine has, which Hexagon version they are, and through which SMMU
//! context banks their processes reach memory.
//!
//! A profile holds only what the emulated platform really uses. Where the facts come from stands in the head of each
//! file. The registers, message RAM and interrupts that the platform adds are not facts of the SoC: see
//! [`device::layout`](crate::device::layout).

use emu_core::VectorFloat;
use hexagon_isa::Arch;
use rpmsg::fastrpc::SidPosition;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The profile that is used when the user names none.
pub const DEFAULT: &str = "qcs6490";

/// Most session slots a FastRPC channel may have (`FASTRPC_MAX_SESSIONS` of the kernel's driver).
const MAX_SESSIONS: u32 = 14;
/// Labels the kernel's driver knows, in the order of their numbers (`fastrpc_get_domain_id`; `ADSP_DOMAIN_ID` … in `inc/remote.h` of
/// qualcomm/fastrpc). Up to 6.12 it has no place for the two gdsp, and older ones have none for cdsp1.
pub const LABELS: &[&str] = &["adsp", "mdsp", "sdsp", "cdsp", "cdsp1", "gdsp0", "gdsp1"];
/// Labels of DSPs that can have the sensors: those with a protection domain `sensor_pd` in drivers/soc/qcom/qcom_pd_mapper.c.
const SENSOR_LABELS: &[&str] = &["adsp", "sdsp"];
/// Most DSPs of one machine: one of each label. Each has a virtio-mmio slot, interrupts and a part of the reserved block.
pub const MAX_DSPS: usize = LABELS.len();
/// Most hardware threads of one DSP: more than any has.
const MAX_HARDWARE_THREADS: u16 = 64;
/// Most context banks of one machine: each has its own interrupt line.
pub const MAX_BANKS: usize = 64;

/// A machine as far as its DSPs are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Short name (`--soc`).
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The SoC's number in the kernel (include/dt-bindings/arm/qcom,ids.h, `QCOM_ID_…`), which SMEM tells; 0 = none.
    #[serde(default)]
    pub soc_id: u32,
    /// Appended to the device tree's root `compatible`; the driver's poll mode is allowed by machine.
    #[serde(default)]
    pub compatible: Vec<String>,
    /// The DSPs, in the order of their virtio-mmio slots.
    #[serde(rename = "dsp")]
    pub dsps: Vec<DspProfile>,
}

/// One DSP of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DspProfile {
    /// FastRPC domain label (`cdsp`, `adsp`, …); names the device nodes in the guest.
    pub label: String,
    /// Hexagon version (`v68`).
    #[serde(deserialize_with = "arch")]
    pub arch: Arch,
    /// Number of 128-byte HVX contexts; 0 = no HVX. Answered as attribute HVX_SUPPORT_128B.
    #[serde(default)]
    pub hvx_contexts: u32,
    /// Floating point of the vector unit: `qfloat`, `ieee` (that, too), `bytes` (8-bit floats, too); by default all that the architecture
    /// has. Said of a part that lacks something.
    #[serde(default, deserialize_with = "vector_float")]
    pub vector_float: VectorFloat,
    /// Threads that the core runs at once. Answered by `qurt_sysenv_get_max_hw_threads`.
    #[serde(default = "default_hardware_threads")]
    pub hardware_threads: u16,
    /// Tightly coupled memory in KiB; 0 = none. Answered as the VTCM attributes.
    #[serde(default)]
    pub vtcm_kib: u32,
    /// Bit position of the session ID in DSP addresses: 32 (`qcom,fastrpc`) or 56 (`qcom,kaanapali-fastrpc`).
    #[serde(default = "default_sid_position")]
    pub sid_position: u32,
    /// Whether the sensor core (QMI service 400, protection domain `sensor_pd`) is on this DSP.
    #[serde(default)]
    pub sensors: bool,
    /// The SMMU context banks of the DSP's processes.
    pub banks: Vec<BankProfile>,
}

/// One `compute-cb`: a session ID with its SMMU stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankProfile {
    /// Session ID (`reg`): stands above `sid_position` in every DSP address of the session.
    pub reg: u32,
    /// Stream ID (`iommus`).
    pub stream: u16,
    /// Session slots that share this bank (`qcom,nsessions`).
    #[serde(default = "default_sessions")]
    pub sessions: u32,
}

/// The name of a [`VectorFloat`].
fn vector_float<'de, D: serde::Deserializer<'de>>(from: D) -> Result<VectorFloat, D::Error> {
    let name = String::deserialize(from)?;
    VectorFloat::named(&name).ok_or_else(|| {
        let names = VectorFloat::ALL.map(VectorFloat::name).join(", ");
        serde::de::Error::custom(format!("{name:?} is none of {names}"))
    })
}

fn default_sid_position() -> u32 {
    32
}

fn default_hardware_threads() -> u16 {
    emu_os::config::HARDWARE_THREADS
}

fn default_sessions() -> u32 {
    1
}

fn arch<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arch, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = text.strip_prefix('v').and_then(|digits| digits.parse().ok());
    number.and_then(Arch::from_version).ok_or_else(|| {
        let known = Arch::ALL.map(|arch| format!("v{}", arch.version())).join(", ");
        serde::de::Error::custom(format!("unknown Hexagon version {text:?} (one of {known})"))
    })
}

/// Why there is no such profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither a built-in name nor a file.
    #[error(
        "there is no SoC profile {0:?}: use one of {names}, or a TOML file (`vhost-hexagon profiles qcs6490` prints one to start from)",
        names = names().collect::<Vec<_>>().join(", ")
    )]
    Unknown(String),
    /// The file could not be read.
    #[error("cannot read the SoC profile {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, or not of the profile's form.
    #[error("the SoC profile {origin} is not valid: {source}")]
    Syntax {
        /// File or built-in name.
        origin: String,
        /// What the TOML reader found.
        source: Box<toml::de::Error>,
    },
    /// TOML of the right form that describes an impossible machine.
    #[error("the SoC profile {origin} cannot be built: {what}")]
    Impossible {
        /// File or built-in name.
        origin: String,
        /// What is wrong, and the limit.
        what: String,
    },
}

/// Where the built-in profiles are among the assets.
const BUILT_IN: &str = "profiles";

/// Names of the built-in profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    emu_assets::folder(BUILT_IN).filter_map(|(file, _)| file.strip_suffix(".toml"))
}

/// Text of a built-in profile, with its comments.
pub fn text(name: &str) -> Option<&'static str> {
    emu_assets::find(&format!("{BUILT_IN}/{name}.toml"))?.text()
}

impl Profile {
    /// The profile of that built-in name, or of the TOML file at that path.
    ///
    /// # Errors
    /// Unknown name, unreadable or malformed file, impossible machine.
    pub fn load(name_or_path: &str) -> Result<Self, ProfileError> {
        if let Some(text) = text(name_or_path) {
            return Self::parse(text, name_or_path);
        }
        let path = Path::new(name_or_path);
        if !path.exists() && !name_or_path.contains(['/', '.']) {
            return Err(ProfileError::Unknown(name_or_path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|source| ProfileError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, name_or_path)
    }

    /// Reads and checks a profile; `origin` names it in errors.
    ///
    /// # Errors
    /// Malformed TOML or an impossible machine.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(|source| ProfileError::Syntax {
            origin: origin.to_owned(),
            source: Box::new(source),
        })?;
        profile.check().map_err(|what| ProfileError::Impossible {
            origin: origin.to_owned(),
            what,
        })?;
        Ok(profile)
    }

    /// All context banks of all DSPs.
    pub fn bank_count(&self) -> usize {
        self.dsps.iter().map(|dsp| dsp.banks.len()).sum()
    }

    fn check(&self) -> Result<(), String> {
        if self.dsps.is_empty() || self.dsps.len() > MAX_DSPS {
            return Err(format!(
                "it has {} DSPs, 1 to {MAX_DSPS} are possible",
                self.dsps.len()
            ));
        }
        let mut streams = std::collections::BTreeSet::new();
        for (i, dsp) in self.dsps.iter().enumerate() {
            if !LABELS.contains(&dsp.label.as_str()) {
                return Err(format!(
                    "label {:?} is none the driver knows ({})",
                    dsp.label,
                    LABELS.join(", ")
                ));
            }
            if self.dsps[..i].iter().any(|other| other.label == dsp.label) {
                return Err(format!("two DSPs have the label {:?}", dsp.label));
            }
            if dsp.sensors && !SENSOR_LABELS.contains(&dsp.label.as_str()) {
                return Err(format!(
                    "DSP {} has the sensors, which are on one of {}",
                    dsp.label,
                    SENSOR_LABELS.join(", ")
                ));
            }
            dsp.check(&mut streams)
                .map_err(|what| format!("DSP {}: {what}", dsp.label))?;
        }
        if self.dsps.iter().filter(|dsp| dsp.sensors).count() > 1 {
            return Err("two DSPs have the sensors".to_owned());
        }
        if self.bank_count() > MAX_BANKS {
            return Err(format!(
                "it has {} context banks, at most {MAX_BANKS} are possible",
                self.bank_count()
            ));
        }
        Ok(())
    }
}

impl DspProfile {
    /// ARCH_VER's low byte: the version's decimal digits as hexadecimal ones, 0x68 for v68.
    pub fn arch_word(&self) -> u32 {
        let number = self.arch.version();
        (number / 10) << 4 | (number % 10)
    }

    /// Where the session ID stands in an address.
    pub fn sid(&self) -> SidPosition {
        if self.sid_position == 56 {
            SidPosition::Bit56
        } else {
            SidPosition::Bit32
        }
    }

    /// The `compatible` of its FastRPC node, by which the driver knows where the session ID stands.
    pub fn compatible(&self) -> &'static str {
        match self.sid() {
            SidPosition::Bit32 => "qcom,fastrpc",
            SidPosition::Bit56 => "qcom,kaanapali-fastrpc",
        }
    }

    /// Stream ID behind a session ID.
    pub fn stream(&self, reg: u32) -> Option<u16> {
        self.banks
            .iter()
            .find(|bank| bank.reg == reg)
            .map(|bank| bank.stream)
    }

    fn check(&self, streams: &mut std::collections::BTreeSet<u16>) -> Result<(), String> {
        if ![32, 56].contains(&self.sid_position) {
            return Err(format!(
                "sid_position is {}, the drivers know 32 and 56",
                self.sid_position
            ));
        }
        if self.hardware_threads == 0 || self.hardware_threads > MAX_HARDWARE_THREADS {
            return Err(format!(
                "hardware_threads is {}, must be 1..={MAX_HARDWARE_THREADS}",
                self.hardware_threads
            ));
        }
        if self.banks.is_empty() {
            return Err("it has no context bank, so no process could be created".to_owned());
        }
        let sessions: u64 = self.banks.iter().map(|bank| u64::from(bank.sessions)).sum();
        if sessions > u64::from(MAX_SESSIONS) {
            return Err(format!(
                "{sessions} sessions in all banks, the driver allows {MAX_SESSIONS} a DSP"
            ));
        }
        for (i, bank) in self.banks.iter().enumerate() {
            if bank.reg == 0 || bank.reg > 0xff {
                return Err(format!("bank reg {} is outside 1..255", bank.reg));
            }
            if bank.sessions == 0 {
                return Err(format!("bank {} has no session", bank.reg));
            }
            if bank.stream & 0x8000 != 0 {
                return Err(format!(
                    "stream {:#x} of bank {} has more than 15 bits",
                    bank.stream, bank.reg
                ));
            }
            if self.banks[..i].iter().any(|other| other.reg == bank.reg) {
                return Err(format!("two banks have reg {}", bank.reg));
            }
            if !streams.insert(bank.stream) {
                return Err(format!("stream {:#x} is used twice", bank.stream));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        name = "x"
        description = "x"
        [[dsp]]
        label = "cdsp"
        arch = "v68"
        banks = [{ reg = 1, stream = 0x1001 }]
    "#;

    #[test]
    fn every_built_in_profile_loads_under_its_name() {
        for name in names() {
            let profile = Profile::load(name).unwrap();
            assert_eq!(profile.name, name);
            assert!(profile.dsps.iter().any(|dsp| dsp.label == "cdsp"));
        }
        assert!(names().any(|name| name == DEFAULT));
    }

    #[test]
    fn every_label_of_the_driver_is_in_some_built_in_profile() {
        let built_in: std::collections::BTreeSet<_> = names()
            .flat_map(|name| Profile::load(name).unwrap().dsps)
            .map(|dsp| dsp.label)
            .collect();
        assert!(
            LABELS.iter().all(|label| built_in.contains(*label)),
            "{built_in:?}"
        );
        let largest = Profile::load("sa8775p").unwrap();
        assert_eq!((largest.dsps.len(), largest.bank_count()), (5, 32));
        assert_eq!(largest.dsps[1].stream(5), Some(0x3005));
    }

    /// As `qcom_pd_mapper.c` has it: `slpi_sensor_pd` of sm8350, `adsp_sensor_pd` of sc7280, sm8550 and sm8650.
    #[test]
    fn the_sensors_are_where_the_pd_mapper_has_them() {
        for (name, expect) in [
            ("qcs6490", Some("adsp")),
            ("sm8350", Some("sdsp")),
            ("sm8550", Some("adsp")),
            ("sm8650", Some("adsp")),
            ("sm8750", Some("adsp")),
            ("sm8850", Some("adsp")),
            ("sa8775p", None),
        ] {
            let profile = Profile::load(name).unwrap();
            let dsp = profile.dsps.iter().find(|dsp| dsp.sensors);
            assert_eq!(dsp.map(|dsp| dsp.label.as_str()), expect, "{name}");
        }
        let two = SMALL
            .replace("cdsp", "adsp")
            .replace("banks", "sensors = true\nbanks")
            + "[[dsp]]\nlabel = \"sdsp\"\narch = \"v68\"\nsensors = true\nbanks = [{ reg = 1, stream = 2 }]";
        let error = Profile::parse(&two, "x").unwrap_err().to_string();
        assert!(error.contains("two DSPs have the sensors"), "{error}");
    }

    /// What ggml's Hexagon backend prints on phones: threads, vector contexts, VTCM in MiB.
    #[test]
    fn the_newest_dsps_have_what_phones_say() {
        for (name, arch, threads, vtcm, sid) in
            [("sm8750", Arch::V79, 6, 8, 32), ("sm8850", Arch::V81, 8, 8, 56)]
        {
            let profile = Profile::load(name).unwrap();
            let cdsp = &profile.dsps[0];
            assert_eq!((cdsp.label.as_str(), cdsp.arch), ("cdsp", arch));
            assert_eq!(
                (cdsp.hardware_threads, cdsp.hvx_contexts),
                (threads, threads.into())
            );
            assert_eq!((cdsp.vtcm_kib, cdsp.sid_position), (vtcm << 10, sid));
            assert!(profile.dsps.iter().all(|dsp| dsp.sid_position == sid));
            assert_eq!(cdsp.stream(1), Some(0x19c1));
        }
    }

    #[test]
    fn defaults_are_one_session_and_bit_32() {
        let dsp = Profile::parse(SMALL, "small").unwrap().dsps.remove(0);
        assert_eq!(
            (dsp.sid_position, dsp.banks[0].sessions, dsp.hvx_contexts),
            (32, 1, 0)
        );
        assert_eq!((dsp.arch, dsp.arch_word()), (Arch::V68, 0x68));
        assert_eq!(dsp.stream(1), Some(0x1001));
        assert_eq!(dsp.stream(2), None);
    }

    #[test]
    fn impossible_machines_are_refused_with_the_reason() {
        for (from, to, expect) in [
            ("\"cdsp\"", "\"xdsp\"", "none the driver knows"),
            ("\"v68\"", "\"v12\"", "unknown Hexagon version \"v12\""),
            ("reg = 1", "reg = 0", "outside 1..255"),
            ("0x1001", "0x8001", "more than 15 bits"),
            (
                "0x1001 }",
                "0x1001 }, { reg = 1, stream = 2 }",
                "two banks have reg 1",
            ),
            ("0x1001 }", "0x1001 }, { reg = 2, stream = 0x1001 }", "used twice"),
            ("0x1001 }", "0x1001, sessions = 15 }", "allows 14"),
            ("0x1001 }", "0x1001, sessions = 0 }", "no session"),
            ("[{ reg = 1, stream = 0x1001 }]", "[]", "no context bank"),
            ("label", "lable", "unknown field `lable`"),
            (
                "banks",
                "sensors = true\nbanks",
                "has the sensors, which are on one of adsp, sdsp",
            ),
        ] {
            let error = Profile::parse(&SMALL.replace(from, to), "x.toml")
                .unwrap_err()
                .to_string();
            assert!(error.contains("x.toml") && error.contains(expect), "{error}");
        }
    }

    #[test]
    fn a_missing_profile_names_the_ones_there_are() {
        let error = Profile::load("sm9999").unwrap_err().to_string();
        assert!(
            error.contains("qcs6490, sa8775p, sm8350, sm8550, sm8650, sm8750, sm8850"),
            "{error}"
        );
        let error = Profile::load("./none.toml").unwrap_err().to_string();
        assert!(
            error.contains("cannot read") && error.contains("none.toml"),
            "{error}"
        );
    }
}
