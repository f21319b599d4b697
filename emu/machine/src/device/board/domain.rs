//! Facts about the DSPs of a board, by FastRPC label: how the kernel's device trees describe them, and which of its
//! remoteproc drivers runs them here.
//!
//! Sources: Linux arch/arm64/boot/dts/qcom (`smp2p-*`, `remoteproc@*` and `glink-edge` nodes of kodiak, sm8250, sdm845 and
//! lemans.dtsi); drivers/remoteproc/qcom_q6v5_adsp.c (`adsp_of_match` and the `adsp_pil_data` behind it). Boards run most
//! of these processors through secure firmware (compatibles ending in `-pas`), which needs SCM calls; the drivers used here
//! program the processor's registers themselves.

use crate::profile::Profile;
use rpmsg::smem::socinfo::Image;

/// One of the kernel's remoteproc drivers, as its `of_match` entry configures it.
#[derive(Debug, PartialEq, Eq)]
pub struct RemoteProc {
    /// Device tree `compatible`.
    pub compatible: &'static str,
    /// Clocks it asks for besides `xo`.
    pub clocks: &'static [&'static str],
    /// Power domains it asks for.
    pub power_domains: &'static [&'static str],
    /// SMEM item (global heap) whose text it prints when the DSP dies.
    pub crash_reason_item: u16,
    /// Instance of the SSCTL service (QMI service 43) that it asks for a graceful stop.
    pub ssctl_instance: u8,
    /// Name in subsystem notifications (`qcom_sysmon`).
    pub sysmon_name: &'static str,
    /// Name in SSR notifications and of the `glink_ssr` messages.
    pub ssr_name: &'static str,
    /// Whether it maps the carveout through the SMMU, for a stream of its own.
    pub has_iommu: bool,
    /// Whether it starts the DSP as soon as it can; otherwise somebody has to (`echo start >state`).
    pub auto_boot: bool,
    /// Whether a stop waits for a handshake in the halt registers (HALTREQ 1, HALTACK, HALTREQ 0, no HALTACK).
    pub waits_for_halt: bool,
}

/// `adsp_sc7280_resource_init`
static SC7280_ADSP: RemoteProc = RemoteProc {
    compatible: "qcom,sc7280-adsp-pil",
    clocks: &["gcc_cfg_noc_lpass"],
    power_domains: &[],
    crash_reason_item: 423,
    ssctl_instance: 0x14,
    sysmon_name: "adsp",
    ssr_name: "lpass",
    has_iommu: true,
    auto_boot: true,
    waits_for_halt: false,
};

/// `cdsp_resource_init`
static QCS404_CDSP: RemoteProc = RemoteProc {
    compatible: "qcom,qcs404-cdsp-pil",
    clocks: &[
        "sway",
        "tbu",
        "bimc",
        "ahb_aon",
        "q6ss_slave",
        "q6ss_master",
        "q6_axim",
    ],
    power_domains: &["cx"],
    crash_reason_item: 601,
    ssctl_instance: 0x17,
    sysmon_name: "cdsp",
    ssr_name: "cdsp",
    has_iommu: false,
    auto_boot: true,
    waits_for_halt: false,
};

/// `wpss_resource_init`
static SC7280_WPSS: RemoteProc = RemoteProc {
    compatible: "qcom,sc7280-wpss-pil",
    clocks: &["ahb_bdg", "ahb", "rscp"],
    power_domains: &["cx", "mx"],
    crash_reason_item: 626,
    ssctl_instance: 0x19,
    sysmon_name: "wpss",
    ssr_name: "wpss",
    has_iommu: false,
    auto_boot: false,
    waits_for_halt: true,
};

/// What is known of the DSP with a FastRPC label.
#[derive(Debug, PartialEq, Eq)]
pub struct Domain {
    /// FastRPC label.
    pub label: &'static str,
    /// Processor number in SMEM and SMP2P (`qcom,remote-pid`).
    pub remote_pid: u16,
    /// SMP2P item that the DSP writes and the kernel reads (first of `qcom,smem`).
    pub smp2p_inbound: u16,
    /// SMP2P item that the kernel writes and the DSP reads (second of `qcom,smem`).
    pub smp2p_outbound: u16,
    /// `label` of the glink-edge node.
    pub edge: &'static str,
    /// Whose version its firmware's is, in SMEM's table (drivers/soc/qcom/socinfo.c).
    pub image: Image,
    /// Firmware file below /lib/firmware (`firmware-name`).
    pub firmware: &'static str,
    /// Its node number on QRTR. Boards: 0 modem, 5 ADSP, 9 SLPI, 10 CDSP; the others have their SMEM number here.
    pub qrtr_node: u32,
    /// The driver that runs it. The kernel has three that need no secure firmware and differ in SSCTL instance and crash
    /// reason; where a machine has more DSPs than that, the later ones share one ([`ssctl_instance`]).
    pub remoteproc: &'static RemoteProc,
}

/// Every label of the kernel's FastRPC driver.
static DOMAINS: [Domain; 7] = [
    Domain {
        label: "adsp",
        image: Image::Adsp,
        remote_pid: 2,
        smp2p_inbound: 443,
        smp2p_outbound: 429,
        edge: "lpass",
        firmware: "adsp.mbn",
        qrtr_node: 5,
        remoteproc: &SC7280_ADSP,
    },
    Domain {
        label: "mdsp",
        image: Image::Mpss,
        remote_pid: 1,
        smp2p_inbound: 435,
        smp2p_outbound: 428,
        edge: "modem",
        firmware: "modem.mbn",
        qrtr_node: 0,
        remoteproc: &SC7280_WPSS,
    },
    Domain {
        label: "sdsp",
        image: Image::Dsps,
        remote_pid: 3,
        smp2p_inbound: 481,
        smp2p_outbound: 430,
        edge: "slpi",
        firmware: "slpi.mbn",
        qrtr_node: 9,
        remoteproc: &SC7280_WPSS,
    },
    Domain {
        label: "cdsp",
        image: Image::Cdsp,
        remote_pid: 5,
        smp2p_inbound: 94,
        smp2p_outbound: 432,
        edge: "cdsp",
        firmware: "cdsp.mbn",
        qrtr_node: 10,
        remoteproc: &QCS404_CDSP,
    },
    Domain {
        label: "cdsp1",
        image: Image::Cdsp1,
        remote_pid: 12,
        smp2p_inbound: 617,
        smp2p_outbound: 616,
        edge: "cdsp1",
        firmware: "cdsp1.mbn",
        qrtr_node: 12,
        remoteproc: &SC7280_WPSS,
    },
    Domain {
        label: "gdsp0",
        image: Image::Gpdsp,
        remote_pid: 17,
        smp2p_inbound: 617,
        smp2p_outbound: 616,
        edge: "gpdsp0",
        firmware: "gpdsp0.mbn",
        qrtr_node: 17,
        remoteproc: &SC7280_WPSS,
    },
    Domain {
        label: "gdsp1",
        image: Image::Gpdsp1,
        remote_pid: 18,
        smp2p_inbound: 617,
        smp2p_outbound: 616,
        edge: "gpdsp1",
        firmware: "gpdsp1.mbn",
        qrtr_node: 18,
        remoteproc: &SC7280_WPSS,
    },
];

impl Domain {
    /// The domain of that label.
    pub fn by_label(label: &str) -> Option<&'static Self> {
        DOMAINS.iter().find(|domain| domain.label == label)
    }
}

/// Which SSCTL instance a DSP of a machine with these labels offers: that of its driver, unless another DSP's driver waits
/// for the same one. The kernel (`ssctl_new_server`) tells servers apart by instance alone, so that a request meant for one
/// DSP would go to the other; then neither offers the service and the kernel stops them through SMP2P.
pub fn ssctl_instance<'a>(label: &str, labels: impl IntoIterator<Item = &'a str>) -> Option<u8> {
    let own = Domain::by_label(label)?.remoteproc.ssctl_instance;
    let shared = labels
        .into_iter()
        .filter(|other| *other != label)
        .filter_map(Domain::by_label)
        .any(|other| other.remoteproc.ssctl_instance == own);
    (!shared).then_some(own)
}

/// The SMMU stream of a DSP's remoteproc node, if its driver maps the carveout: the stream of its first context bank with
/// the low four bits zero, as on real boards (kodiak.dtsi: 0x1800 beside 0x1803…), or the next such that no bank has. The
/// driver takes those four bits as the session ID of the carveout's DSP addresses (`adsp_map_carveout`).
pub fn remoteproc_stream(profile: &Profile, label: &str) -> Option<u16> {
    const STEP: u16 = 0x10;
    let dsp = profile.dsps.iter().find(|dsp| dsp.label == label)?;
    if !Domain::by_label(label)?.remoteproc.has_iommu {
        return None;
    }
    let first = dsp.banks.first()?.stream & !(STEP - 1) & 0x7fff;
    let taken = |stream| {
        profile
            .dsps
            .iter()
            .flat_map(|dsp| &dsp.banks)
            .any(|bank| bank.stream == stream)
    };
    (0..0x8000 / STEP)
        .map(|n| (first + n * STEP) & 0x7fff)
        .find(|stream| !taken(*stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{MAX_DSPS, names};
    use std::collections::BTreeSet;

    #[test]
    fn every_label_has_facts_of_its_own() {
        assert_eq!(DOMAINS.len(), MAX_DSPS);
        let distinct = |fact: fn(&Domain) -> String| {
            let set: BTreeSet<_> = DOMAINS.iter().map(fact).collect();
            assert_eq!(set.len(), MAX_DSPS, "{set:?}");
        };
        distinct(|d| d.label.to_owned());
        distinct(|d| d.remote_pid.to_string());
        distinct(|d| d.firmware.to_owned());
        distinct(|d| d.qrtr_node.to_string());
        // The kernel's own node.
        assert!(DOMAINS.iter().all(|d| d.qrtr_node != 1));
        assert_eq!(Domain::by_label("xdsp"), None);
    }

    #[test]
    fn two_dsps_that_share_an_instance_offer_no_ssctl() {
        let labels = ["adsp", "cdsp", "gdsp0", "gdsp1"];
        let instance = |label| ssctl_instance(label, labels);
        assert_eq!((instance("adsp"), instance("cdsp")), (Some(0x14), Some(0x17)));
        assert_eq!((instance("gdsp0"), instance("gdsp1")), (None, None));
        assert_eq!(ssctl_instance("gdsp0", ["adsp", "gdsp0"]), Some(0x19));
    }

    #[test]
    fn the_remoteproc_s_stream_is_the_board_s_and_never_a_bank_s() {
        let mut profile = Profile::load("qcs6490").unwrap();
        assert_eq!(remoteproc_stream(&profile, "adsp"), Some(0x1800));
        assert_eq!(remoteproc_stream(&profile, "cdsp"), None);
        profile.dsps[0].banks[0].stream = 0x1800;
        assert_eq!(remoteproc_stream(&profile, "adsp"), Some(0x1810));
        profile.dsps[1].banks[0].stream = 0x7fff;
        profile.dsps[0].banks[0].stream = 0x7ff0;
        assert_eq!(remoteproc_stream(&profile, "adsp"), Some(0));
    }

    #[test]
    fn every_dsp_of_a_built_in_profile_has_a_domain() {
        for name in names() {
            for dsp in Profile::load(name).unwrap().dsps {
                assert!(Domain::by_label(&dsp.label).is_some(), "{}", dsp.label);
            }
        }
    }
}
