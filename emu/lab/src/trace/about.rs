//! What a trace tells of each DSP, so that it explains itself and can be played again.

use emu_core::{VectorFloat, VectorFloats};
use emu_os::services::DspConfig;
use hexagon_isa::Arch;
use rpmsg::fastrpc::{Addressing, SidPosition};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// A DSP as the driver met it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct About {
    /// Domain label.
    pub label: String,
    /// Architecture version of the core, e.g. V68.
    pub arch: String,
    /// `rpm` or `board`.
    pub platform: String,
    /// Bit of a device address at which the session ID stands.
    pub sid_bit: u32,
    /// Page size of the guest's kernel.
    pub page_size: u32,
    /// Session ID → stream ID.
    pub streams: BTreeMap<u32, u16>,
    /// What handle 2 answers.
    pub attributes: BTreeMap<u32, u32>,
    /// Vector TCM in bytes.
    pub vtcm: u32,
    /// 128-byte HVX contexts.
    pub hvx_units: u32,
    /// Whether the sensors' process is on it. Not said by older recordings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensors: bool,
    /// What the part's vector unit has of floating point, if not all that its architecture has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector_float: Option<String>,
    /// Whether what it has not was an exception (`--strict-silicon`). Not said by older recordings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict_silicon: bool,
    /// Threads that the core runs at once, as programs are told. Not said by older recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_threads: Option<u16>,
    /// Host threads that ran each process's (`--dsp-threads`), if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dsp_threads: Option<NonZeroUsize>,
}

impl About {
    /// What is known of a DSP.
    #[must_use]
    pub fn new(config: &DspConfig, platform: &str) -> Self {
        Self {
            label: config.label.clone(),
            arch: config.arch.to_string(),
            platform: platform.to_owned(),
            sid_bit: config.addressing.sid_position.bit(),
            page_size: config.addressing.page_size,
            streams: config.streams.clone(),
            attributes: config.attributes.clone(),
            vtcm: config.vtcm,
            hvx_units: config.hvx_units,
            sensors: config.sensors,
            vector_float: Some(config.floats.has)
                .filter(|has| *has != VectorFloat::default())
                .map(|has| has.name().to_owned()),
            strict_silicon: config.floats.strict,
            hardware_threads: Some(config.hardware_threads),
            dsp_threads: config.dsp_threads,
        }
    }

    /// How device addresses are made up.
    #[must_use]
    pub fn addressing(&self) -> Addressing {
        let standard = Addressing::default();
        Addressing {
            sid_position: SidPosition::from_bit(self.sid_bit).unwrap_or(standard.sid_position),
            page_size: match self.page_size {
                size @ (4096 | 16_384 | 65_536) => size,
                _ => standard.page_size,
            },
        }
    }

    /// A DSP that is the same; `None` if this program has no core of that architecture, or with such a vector unit.
    #[must_use]
    pub fn config(&self) -> Option<DspConfig> {
        let arch = Arch::ALL.into_iter().find(|arch| arch.to_string() == self.arch)?;
        let mut config = DspConfig::new(self.label.clone(), arch, 0, self.streams.clone());
        config.attributes = self.attributes.clone();
        config.addressing = self.addressing();
        config.vtcm = self.vtcm;
        config.hvx_units = self.hvx_units;
        config.sensors = self.sensors;
        config.floats = VectorFloats {
            has: match &self.vector_float {
                Some(name) => VectorFloat::named(name)?,
                None => VectorFloat::default(),
            },
            strict: self.strict_silicon,
        };
        config.hardware_threads = self.hardware_threads.unwrap_or(config.hardware_threads);
        config.dsp_threads = self.dsp_threads;
        Some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsp_survives_being_told() {
        let mut config = DspConfig::new("cdsp", Arch::V68, 0x68, BTreeMap::from([(3, 0x1003)]));
        config.addressing.page_size = 16_384;
        config.addressing.sid_position = SidPosition::from_bit(56).unwrap();
        config.vtcm = 4 << 20;
        config.sensors = true;
        config.floats = VectorFloats {
            has: VectorFloat::Qfloat,
            strict: true,
        };
        config.hardware_threads = 4;
        config.dsp_threads = NonZeroUsize::new(1);
        let about = About::new(&config, "rpm");
        let json = serde_json::to_string(&about).unwrap();
        let again: About = serde_json::from_str(&json).unwrap();
        assert_eq!(again, about);
        let made = again.config().unwrap();
        assert_eq!(
            (made.addressing, made.streams, made.attributes, made.vtcm),
            (config.addressing, config.streams, config.attributes, 4 << 20)
        );
        assert!(made.sensors);
        assert_eq!(
            (made.floats, made.hardware_threads, made.dsp_threads),
            (config.floats, 4, config.dsp_threads)
        );
        // What older recordings do not say is as it was then.
        let standard = DspConfig::new("cdsp", Arch::V68, 0x68, about.streams.clone());
        let mut older: serde_json::Value = serde_json::from_str(&json).unwrap();
        for name in [
            "sensors",
            "vector_float",
            "strict_silicon",
            "hardware_threads",
            "dsp_threads",
        ] {
            assert!(older.as_object_mut().unwrap().remove(name).is_some(), "{name}");
        }
        let older = serde_json::from_value::<About>(older).unwrap().config().unwrap();
        assert_eq!(
            (
                older.sensors,
                older.floats,
                older.hardware_threads,
                older.dsp_threads
            ),
            (false, standard.floats, standard.hardware_threads, None)
        );
        let other_arch = About {
            arch: "V12".into(),
            ..about.clone()
        };
        let other_floats = About {
            vector_float: Some("decimal".into()),
            ..about
        };
        assert!(other_arch.config().is_none() && other_floats.config().is_none());
    }
}
