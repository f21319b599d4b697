//! Protection domains by subsystem.
//!
//! Source: the tables in `drivers/soc/qcom/qcom_pd_mapper.c` of 7.3, joined over all SoCs with a DSP of Hexagon v60 or later.

/// A protection domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its path: "msm/adsp/audio_pd".
    pub path: String,
    /// Services that live in it, for the locator: "avs/audio". Every domain also has [`REGISTRY`].
    pub services: Vec<String>,
}

/// The service that the locator lists every domain under (`TMS_SERVREG_SERVICE`).
pub const REGISTRY: &str = "tms/servreg";

/// The domains of one subsystem, which all are known to one notifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subsystem {
    /// Instance of the notifier.
    pub instance: u32,
    /// The domains. The first is the root domain: the DSP's operating system itself.
    pub domains: Vec<Domain>,
}

impl Subsystem {
    /// The domains of the DSP with this FastRPC label ("adsp", "mdsp", "sdsp", "cdsp", "cdsp1", "gdsp0", "gdsp1").
    #[must_use]
    pub fn of(label: &str) -> Option<Self> {
        type Row = (&'static str, &'static [&'static str]);
        let (instance, rows): (u32, &[Row]) = match label {
            "adsp" => (
                74,
                &[
                    ("msm/adsp/root_pd", &["tms/pdr_enabled"]),
                    ("msm/adsp/audio_pd", &["avs/audio"]),
                    ("msm/adsp/sensor_pd", &[]),
                    ("msm/adsp/charger_pd", &[]),
                ],
            ),
            "mdsp" => (
                180,
                &[
                    ("msm/modem/root_pd", &["gps/gps_service", "tms/pdr_enabled"]),
                    ("msm/modem/wlan_pd", &["kernel/elf_loader", "wlan/fw"]),
                ],
            ),
            "sdsp" => (90, &[("msm/slpi/root_pd", &[]), ("msm/slpi/sensor_pd", &[])]),
            "cdsp" => (76, &[("msm/cdsp/root_pd", &[])]),
            "cdsp1" => (125, &[("msm/cdsp1/root_pd", &[])]),
            "gdsp0" => (192, &[("msm/gpdsp/root_pd", &[])]),
            "gdsp1" => (241, &[("msm/gpdsp1/root_pd", &[])]),
            _ => return None,
        };
        let domain = |(path, services): &Row| Domain {
            path: (*path).to_owned(),
            services: services.iter().map(|s| (*s).to_owned()).collect(),
        };
        Some(Self {
            instance,
            domains: rows.iter().map(domain).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_label_has_a_root_domain_and_an_instance_of_its_own() {
        let labels = ["adsp", "mdsp", "sdsp", "cdsp", "cdsp1", "gdsp0", "gdsp1"];
        let all: Vec<_> = labels.iter().map(|l| Subsystem::of(l).unwrap()).collect();
        assert!(all.iter().all(|s| s.domains[0].path.ends_with("/root_pd")));
        let instances: BTreeSet<_> = all.iter().map(|s| s.instance).collect();
        assert_eq!(instances.len(), labels.len());
        assert_eq!(Subsystem::of("npu"), None);
    }
}
