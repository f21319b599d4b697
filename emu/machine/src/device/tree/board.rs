//! DSPs as remote processors: SMEM with its hardware lock, and for each DSP a carveout, SMP2P, clocks, resets, halt
//! registers and a remoteproc node with the GLINK edge below it.
//!
//! Bindings: `qcom,smem`, `qcom,tcsr-mutex` (hwlock/qcom-hwspinlock), `qcom,smp2p`, `qcom,glink-edge`, and those of the
//! remoteproc drivers; where bindings and drivers disagree, the drivers' probe functions are followed. What a real board
//! has a clock or power controller for is a fixed clock, a reset register in RAM (`snps,dw-high-reset`), and a power
//! controller whose driver only sets and clears bits (`amlogic,meson8-pwrc`, in every multi-platform arm64 kernel; the
//! drivers of Qualcomm's own wait for an answer, and PSCI's do not come up on `virt`).

use super::nodes::{at, cells, empty, node, string, strings};
use super::{Builder, RESERVED_MEMORY, TreeError, child_or_new};
use crate::device::board::domain::{Domain, remoteproc_stream};
use crate::device::layout::{
    CARVEOUT_SIZE, GLINK_MAILBOX, HALT_OFFSET, HALT_SIZE, Irq, POWER_SIZE, QDSP6SS_SIZE, QUEUE_NOTIFY,
    RESET_SIZE, SMEM_LOCK, SMEM_SIZE, SMP2P_MAILBOX, TCSR_MUTEX_SIZE,
};
use crate::profile::{DspProfile, Profile};
use dtoolkit::Node as _;
use dtoolkit::model::DeviceTreeNode;

/// Rate of `xo` in Hz, as in the .dtsi files.
/// The ADSP to its audio router (`dt-bindings/soc/qcom,apr.h`).
const APR_DOMAIN_ADSP: u32 = 4;
/// The core of its audio services (`dt-bindings/soc/qcom,apr.h`).
const APR_SERVICE_CORE: u32 = 3;
const XO_HZ: u32 = 19_200_000;
/// Bits of the slave-kernel entry that are the remoteproc's interrupts, with their names; the watchdog comes first and is
/// a line of its own (qcom_q6v5_init).
const STATES: [(u32, &str); 4] = [(0, "fatal"), (1, "ready"), (2, "handover"), (3, "stop-ack")];
/// Bit of the master-kernel entry that asks the DSP to stop.
const STOP_BIT: u32 = 0;
/// Lines of a DSP's reset register.
const RESET_RESTART: u32 = 0;
const RESET_PDC_SYNC: u32 = 1;

/// Domains of the power controller that stand for the rails (meson8_pwrc_domains; the first one drives a clock).
const RAILS: [(&str, u32); 2] = [("cx", 1), ("mx", 2)];

/// Phandles that several DSPs use.
struct Shared {
    xo: u32,
    power: u32,
}

impl Builder<'_> {
    pub(super) fn board(&mut self, root: &mut DeviceTreeNode, profile: &Profile) -> Result<(), TreeError> {
        let domains: Vec<&'static Domain> = profile
            .dsps
            .iter()
            .map(|dsp| Domain::by_label(&dsp.label))
            .collect::<Option<_>>()
            .ok_or_else(|| TreeError::Missing("place for a DSP of an unknown label".to_owned()))?;
        self.smem(root);
        let xo = self.xo(root);
        let shared = Shared {
            xo,
            power: self.power(root, xo),
        };
        for (index, (dsp, domain)) in profile.dsps.iter().zip(domains).enumerate() {
            self.remoteproc(root, &shared, profile, index, dsp, domain);
        }
        Ok(())
    }

    /// SMEM and the lock that guards it.
    fn smem(&mut self, root: &mut DeviceTreeNode) {
        let mut mutex = at("hwlock", self.layout.tcsr_mutex(), TCSR_MUTEX_SIZE);
        mutex.add_property(string("compatible", "qcom,tcsr-mutex"));
        mutex.add_property(cells("#hwlock-cells", &[1]));
        let mutex = self.labelled(root, mutex, "tcsr_mutex");
        let mut smem = at("smem", self.layout.smem(), SMEM_SIZE);
        smem.add_property(string("compatible", "qcom,smem"));
        smem.add_property(empty("no-map"));
        smem.add_property(cells("hwlocks", &[mutex, SMEM_LOCK]));
        self.reserved(root, smem, "smem");
    }

    /// Adds a node below reserved-memory.
    fn reserved(&mut self, root: &mut DeviceTreeNode, child: DeviceTreeNode, label: &str) -> u32 {
        let path = format!("/{RESERVED_MEMORY}");
        let parent = child_or_new(root, RESERVED_MEMORY);
        self.labelled_below(parent, &path, child, label)
    }

    fn xo(&mut self, root: &mut DeviceTreeNode) -> u32 {
        let mut xo = node("xo-board");
        xo.add_property(string("compatible", "fixed-clock"));
        xo.add_property(cells("#clock-cells", &[0]));
        xo.add_property(cells("clock-frequency", &[XO_HZ]));
        self.labelled(root, xo, "xo")
    }

    /// The power controller, in a system controller that is all its registers.
    fn power(&mut self, root: &mut DeviceTreeNode, clock: u32) -> u32 {
        let registers = self.phandle();
        let mut syscon = at("syscon", self.layout.power(), POWER_SIZE);
        syscon.add_property(strings("compatible", &["syscon", "simple-mfd"]));
        syscon.add_property(cells("phandle", &[registers]));
        let mut controller = node("power-controller");
        controller.add_property(string("compatible", "amlogic,meson8-pwrc"));
        controller.add_property(cells("#power-domain-cells", &[1]));
        controller.add_property(cells("amlogic,ao-sysctrl", &[registers]));
        controller.add_property(cells("clocks", &[clock]));
        controller.add_property(string("clock-names", "vpu"));
        let path = format!("/{}", syscon.name());
        let phandle = self.labelled_below(&mut syscon, &path, controller, "power");
        root.add_child(syscon);
        phandle
    }

    fn remoteproc(
        &mut self,
        root: &mut DeviceTreeNode,
        shared: &Shared,
        profile: &Profile,
        index: usize,
        dsp: &DspProfile,
        domain: &Domain,
    ) {
        let driver = domain.remoteproc;
        let mut carveout = at(&dsp.label, self.layout.carveout(index), CARVEOUT_SIZE);
        carveout.add_property(empty("no-map"));
        let carveout = self.reserved(root, carveout, &format!("carveout_{}", dsp.label));
        let halt = self.halt(root, index, dsp, domain);
        let reset = self.reset(root, index, dsp);
        let (inbound, outbound) = self.smp2p(root, index, domain);

        let mut remoteproc = at("remoteproc", self.layout.qdsp6ss(index), QDSP6SS_SIZE);
        remoteproc.add_property(string("compatible", driver.compatible));
        let mut interrupts = self.extended(Irq::Watchdog(index));
        let mut names = vec!["wdog"];
        for (bit, name) in STATES {
            interrupts.extend([inbound, bit, super::EDGE_RISING]);
            names.push(name);
        }
        remoteproc.add_property(cells("interrupts-extended", &interrupts));
        remoteproc.add_property(strings("interrupt-names", &names));
        let mut clocks = vec!["xo"];
        clocks.extend(driver.clocks);
        remoteproc.add_property(cells("clocks", &vec![shared.xo; clocks.len()]));
        remoteproc.add_property(strings("clock-names", &clocks));
        if !driver.power_domains.is_empty() {
            let rail = |name: &&str| RAILS.iter().find(|(known, _)| known == name);
            let rails = driver.power_domains.iter().filter_map(rail);
            let specifiers: Vec<_> = rails.flat_map(|(_, domain)| [shared.power, *domain]).collect();
            remoteproc.add_property(cells("power-domains", &specifiers));
            remoteproc.add_property(strings("power-domain-names", driver.power_domains));
        }
        remoteproc.add_property(cells("resets", &[reset, RESET_RESTART, reset, RESET_PDC_SYNC]));
        remoteproc.add_property(strings("reset-names", &["restart", "pdc_sync"]));
        remoteproc.add_property(cells("qcom,halt-regs", &[halt, HALT_OFFSET as u32]));
        remoteproc.add_property(cells("memory-region", &[carveout]));
        if let Some(stream) = remoteproc_stream(profile, &dsp.label) {
            remoteproc.add_property(cells("iommus", &[self.smmu, u32::from(stream), 0]));
        }
        remoteproc.add_property(cells("qcom,smem-states", &[outbound, STOP_BIT]));
        remoteproc.add_property(string("qcom,smem-state-names", "stop"));
        remoteproc.add_property(string("firmware-name", domain.firmware));
        remoteproc.add_property(empty("dma-coherent"));

        let path = format!("/{}", remoteproc.name());
        let mut edge = node("glink-edge");
        edge.add_property(self.interrupt(Irq::Glink(index)));
        edge.add_property(cells("mboxes", &[self.mailboxes[index], 0]));
        edge.add_property(string("label", domain.edge));
        edge.add_property(cells("qcom,remote-pid", &[u32::from(domain.remote_pid)]));
        let edge_path = format!("{path}/glink-edge");
        self.symbols
            .push((format!("glink_{}", dsp.label), edge_path.clone()));
        self.fastrpc(&mut edge, &edge_path, dsp);
        if dsp.label == "adsp" {
            self.audio(&mut edge, &edge_path);
        }
        remoteproc.add_child(edge);
        self.labelled(root, remoteproc, &format!("remoteproc_{}", dsp.label));
    }

    /// The audio router of an ADSP (`soc/qcom/qcom,apr.yaml`) with the one service whose driver asks nothing of it when it begins:
    /// a device of it is there while the audio protection domain is up.
    fn audio(&mut self, edge: &mut DeviceTreeNode, path: &str) {
        let mut router = node("apr");
        router.add_property(string("compatible", "qcom,apr-v2"));
        router.add_property(string("qcom,glink-channels", rpmsg::apr::CHANNEL));
        router.add_property(cells("qcom,domain", &[APR_DOMAIN_ADSP]));
        router.add_property(cells("#address-cells", &[1]));
        router.add_property(cells("#size-cells", &[0]));
        let mut core = node(&format!("service@{APR_SERVICE_CORE:x}"));
        core.add_property(string("compatible", "qcom,q6core"));
        core.add_property(cells("reg", &[APR_SERVICE_CORE]));
        core.add_property(strings(
            "qcom,protection-domain",
            &["avs/audio", "msm/adsp/audio_pd"],
        ));
        router.add_child(core);
        self.labelled_below(edge, path, router, "apr_adsp");
    }

    /// The halt registers. A driver that waits for the acknowledgement of a halt gets a controller that ends behind the
    /// request: reading further fails at once (regmap's `max_register`), which ends its wait; no DSP could answer it from RAM.
    fn halt(&mut self, root: &mut DeviceTreeNode, index: usize, dsp: &DspProfile, domain: &Domain) -> u32 {
        let size = if domain.remoteproc.waits_for_halt {
            HALT_OFFSET + 4
        } else {
            HALT_SIZE
        };
        let mut halt = at("syscon", self.layout.halt_controller(index), size);
        halt.add_property(string("compatible", "syscon"));
        self.labelled(root, halt, &format!("halt_{}", dsp.label))
    }

    fn reset(&mut self, root: &mut DeviceTreeNode, index: usize, dsp: &DspProfile) -> u32 {
        let mut reset = at("reset-controller", self.layout.reset(index), RESET_SIZE);
        reset.add_property(string("compatible", "snps,dw-high-reset"));
        reset.add_property(cells("#reset-cells", &[1]));
        self.labelled(root, reset, &format!("reset_{}", dsp.label))
    }

    /// SMP2P with its mailbox; returns the entry that the DSP writes and the one that the kernel writes.
    fn smp2p(&mut self, root: &mut DeviceTreeNode, index: usize, domain: &Domain) -> (u32, u32) {
        let base = self.layout.slot(index) + SMP2P_MAILBOX;
        let mut mailbox = at("mailbox", base, GLINK_MAILBOX - SMP2P_MAILBOX);
        // Its register is at offset 12 (apps_shared_apcs_data), beyond what it claims: QueueNotify again.
        debug_assert_eq!(SMP2P_MAILBOX + 12, QUEUE_NOTIFY);
        mailbox.add_property(string("compatible", "qcom,sdm845-apss-shared"));
        mailbox.add_property(cells("#mbox-cells", &[1]));
        let mailbox = self.labelled(root, mailbox, &format!("smp2p_mailbox_{index}"));

        let mut smp2p = node(&format!("smp2p-{}", domain.label));
        smp2p.add_property(string("compatible", "qcom,smp2p"));
        let items = [domain.smp2p_inbound, domain.smp2p_outbound].map(u32::from);
        smp2p.add_property(cells("qcom,smem", &items));
        smp2p.add_property(self.interrupt(Irq::Smp2p(index)));
        smp2p.add_property(cells("mboxes", &[mailbox, 0]));
        smp2p.add_property(cells("qcom,local-pid", &[0]));
        smp2p.add_property(cells("qcom,remote-pid", &[u32::from(domain.remote_pid)]));
        let path = format!("/{}", smp2p.name());
        let mut outbound = node("master-kernel");
        outbound.add_property(string("qcom,entry-name", "master-kernel"));
        outbound.add_property(cells("#qcom,smem-state-cells", &[1]));
        let outbound = self.labelled_below(
            &mut smp2p,
            &path,
            outbound,
            &format!("smp2p_{}_out", domain.label),
        );
        let mut inbound = node("slave-kernel");
        inbound.add_property(string("qcom,entry-name", "slave-kernel"));
        inbound.add_property(empty("interrupt-controller"));
        inbound.add_property(cells("#interrupt-cells", &[2]));
        let inbound = self.labelled_below(&mut smp2p, &path, inbound, &format!("smp2p_{}_in", domain.label));
        self.labelled(root, smp2p, &format!("smp2p_{}", domain.label));
        (inbound, outbound)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GIC, read, virt, words};
    use super::super::{IrqPath, build};
    use super::*;
    use crate::device::layout::{Layout, PlatformKind};
    use crate::profile::names;
    use dtoolkit::Property as _;
    use dtoolkit::model::DeviceTree;

    fn made(profile: &str, irq: IrqPath) -> DeviceTree {
        let profile = Profile::load(profile).unwrap();
        let layout = Layout::new(&profile, PlatformKind::Board, 1 << 30).unwrap();
        read(&build(&virt(), &profile, &layout, irq, &[]).unwrap())
    }

    fn texts(tree: &DeviceTree, path: &str, property: &str) -> Vec<String> {
        let property = tree.find_node(path).unwrap().property(property).unwrap();
        let text = std::str::from_utf8(property.value())
            .unwrap()
            .trim_end_matches('\0');
        text.split('\0').map(str::to_owned).collect()
    }

    fn phandle(tree: &DeviceTree, path: &str) -> u32 {
        words(tree, path, "phandle")[0]
    }

    #[test]
    fn an_adsp_s_audio_service_lives_in_its_protection_domain() {
        let tree = made("qcs6490", IrqPath::Qtest);
        let router = "/remoteproc@7f200000/glink-edge/apr";
        assert_eq!(texts(&tree, router, "qcom,glink-channels"), ["apr_audio_svc"]);
        let domain = texts(&tree, &format!("{router}/service@3"), "qcom,protection-domain");
        let adsp = rpmsg::qmi::servreg::Subsystem::of("adsp").unwrap();
        let known = adsp.domains.iter().find(|d| d.path == domain[1]).unwrap();
        assert!(known.services.contains(&domain[0]));
        assert!(
            tree.find_node("/remoteproc@7f100000/glink-edge/apr").is_none(),
            "not in a CDSP"
        );
    }

    #[test]
    fn an_adsp_is_the_proven_platform_s_remote_processor() {
        let tree = made("qcs6490", IrqPath::Qtest);
        let path = "/remoteproc@7f200000";
        assert_eq!(texts(&tree, path, "compatible"), ["qcom,sc7280-adsp-pil"]);
        assert_eq!(texts(&tree, path, "clock-names"), ["xo", "gcc_cfg_noc_lpass"]);
        assert_eq!(words(&tree, path, "clocks").len(), 2);
        let inbound = phandle(&tree, "/smp2p-adsp/slave-kernel");
        let mut interrupts = vec![GIC, 0, 231, 1];
        interrupts.extend((0..4).flat_map(|bit| [inbound, bit, 1]));
        assert_eq!(words(&tree, path, "interrupts-extended"), interrupts);
        assert_eq!(
            texts(&tree, path, "interrupt-names"),
            ["wdog", "fatal", "ready", "handover", "stop-ack"]
        );
        assert_eq!(words(&tree, path, "iommus")[1..], [0x1800, 0]);
        assert_eq!(words(&tree, "/smp2p-adsp", "qcom,smem"), [443, 429]);
        assert_eq!(
            words(&tree, "/smp2p-adsp", "interrupts-extended"),
            [GIC, 0, 221, 1]
        );
        let edge = "/remoteproc@7f200000/glink-edge";
        assert_eq!(words(&tree, edge, "interrupts-extended"), [GIC, 0, 141, 1]);
        assert_eq!(words(&tree, edge, "qcom,remote-pid"), [2]);
        let bank = "/remoteproc@7f200000/glink-edge/fastrpc/compute-cb@5";
        assert_eq!(words(&tree, bank, "iommus")[1], 0x1805);
    }

    #[test]
    fn smem_and_carveouts_are_reserved_and_locked() {
        let tree = made("qcs6490", IrqPath::Qtest);
        let smem = "/reserved-memory/smem@7ee00000";
        assert_eq!(words(&tree, smem, "reg"), [0, 0x7ee0_0000, 0, 0x20_0000]);
        let mutex = phandle(&tree, "/hwlock@7f800000");
        assert_eq!(words(&tree, smem, "hwlocks"), [mutex, 3]);
        for (path, carveout) in [
            ("/remoteproc@7f100000", "/reserved-memory/cdsp@7ea00000"),
            ("/remoteproc@7f200000", "/reserved-memory/adsp@7e600000"),
        ] {
            assert!(tree.find_node(carveout).unwrap().property("no-map").is_some());
            assert_eq!(words(&tree, path, "memory-region"), [phandle(&tree, carveout)]);
        }
    }

    #[test]
    fn three_nodes_share_a_slot_without_overlap() {
        let tree = made("qcs6490", IrqPath::Qtest);
        assert_eq!(
            words(&tree, "/virtio_mmio@a000200", "reg"),
            [0, 0xa00_0200, 0, 0x44]
        );
        assert_eq!(words(&tree, "/mailbox@a000244", "reg"), [0, 0xa00_0244, 0, 4]);
        assert_eq!(words(&tree, "/mailbox@a000248", "reg"), [0, 0xa00_0248, 0, 8]);
        // apps_shared_apcs_data and msm8994_apcs_data: both end at QueueNotify.
        assert_eq!((0x44 + 12, 0x48 + 8), (QUEUE_NOTIFY, QUEUE_NOTIFY));
        assert_eq!(
            texts(&tree, "/mailbox@a000244", "compatible"),
            ["qcom,sdm845-apss-shared"]
        );
    }

    #[test]
    fn a_driver_that_waits_for_a_halt_cannot_read_the_acknowledgement() {
        let tree = made("sm8350", IrqPath::Qtest);
        let sdsp = "/remoteproc@7f300000";
        assert_eq!(texts(&tree, sdsp, "compatible"), ["qcom,sc7280-wpss-pil"]);
        let halt = words(&tree, sdsp, "qcom,halt-regs");
        assert_eq!(halt, [phandle(&tree, "/syscon@7f301000"), 0x100]);
        assert_eq!(words(&tree, "/syscon@7f301000", "reg")[3], 0x104);
        assert_eq!(words(&tree, "/syscon@7f101000", "reg")[3], 0x1000);
        let power = phandle(&tree, "/syscon@7f840000/power-controller");
        assert_eq!(words(&tree, sdsp, "power-domains"), [power, 1, power, 2]);
        assert_eq!(texts(&tree, sdsp, "power-domain-names"), ["cx", "mx"]);
        assert_eq!(words(&tree, "/remoteproc@7f100000", "power-domains"), [power, 1]);
    }

    #[test]
    fn gpio_carries_every_interrupt_of_a_dsp_but_not_the_smmu_s() {
        let tree = made("qcs6490", IrqPath::Gpio);
        let gpio = phandle(&tree, "/virtio_mmio@a000000/gpio");
        assert_eq!(
            words(&tree, "/remoteproc@7f200000", "interrupts-extended")[..3],
            [gpio, 15, 1]
        );
        assert_eq!(words(&tree, "/smp2p-adsp", "interrupts-extended"), [gpio, 8, 1]);
        assert_eq!(
            words(&tree, "/remoteproc@7f200000/glink-edge", "interrupts-extended"),
            [gpio, 1, 1]
        );
    }

    #[test]
    fn every_built_in_profile_is_a_board_whose_references_lead_somewhere() {
        for name in names() {
            let tree = made(name, IrqPath::Qtest);
            let mut phandles = std::collections::BTreeSet::new();
            let mut open = vec![&tree.root];
            while let Some(node) = open.pop() {
                if let Some(property) = node.property("phandle") {
                    let phandle = property.value_as::<u32>().unwrap();
                    assert!(phandles.insert(phandle), "{name}: phandle {phandle} twice");
                }
                open.extend(node.children());
            }
            let remoteprocs: Vec<_> = tree
                .root
                .children()
                .filter(|node| node.name().starts_with("remoteproc@"))
                .collect();
            assert_eq!(remoteprocs.len(), Profile::load(name).unwrap().dsps.len());
            for node in remoteprocs {
                for property in [
                    "memory-region",
                    "clocks",
                    "resets",
                    "qcom,halt-regs",
                    "qcom,smem-states",
                ] {
                    let value = node.property(property).unwrap();
                    let first = u32::from_be_bytes(value.value()[..4].try_into().unwrap());
                    assert!(phandles.contains(&first), "{name} {} {property}", node.name());
                }
            }
            for (label, path) in tree.find_node("/__symbols__").unwrap().properties().map(|p| {
                (
                    p.name().to_owned(),
                    texts(&tree, "/__symbols__", p.name()).remove(0),
                )
            }) {
                assert!(tree.find_node(&path).is_some(), "{name}: {label} names {path}");
            }
        }
    }
}
