//! The device tree: QEMU's own for the `virt` machine, with the parts of a Snapdragon that the kernel's Qualcomm drivers
//! look for.
//!
//! What every platform has stands here: the reserved block, the SMMU, the DSPs' virtio-mmio slots with their doorbells, the
//! FastRPC nodes. `rpm` adds message RAMs, `board` remote processors.
//!
//! Bindings (Linux Documentation/devicetree/bindings): `arm,mmu-500`, `qcom,apcs-kpss-global`, `qcom,fastrpc`,
//! `gpio-virtio`. Nodes share one virtio-mmio slot: the transport keeps the first 0x48 (or 0x44) bytes of its registers (it
//! reaches the rest, `ioremap` maps pages), the mailbox claims the eight bytes behind them, so that its register at offset
//! 8 is the slot's QueueNotify.

mod board;
mod nodes;
mod rpm;

use super::layout::{
    GLINK_MAILBOX, GPIO_SLOT, Irq, Layout, PlatformKind, QUEUE_NOTIFY, REMOTE_HEAP_SIZE, RESERVED_SIZE,
};
use crate::profile::{DspProfile, Profile};
use dtoolkit::fdt::Fdt;
use dtoolkit::model::overlay::OverlayApplier;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use dtoolkit::{Node, Property};
use nodes::{at, cells, empty, node, reg, string};

/// How interrupts reach the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum IrqPath {
    /// Through QEMU's qtest socket, straight into the interrupt controller: works with every kernel.
    Qtest,
    /// Through virtio-gpio: nothing but vhost-user, needs CONFIG_GPIO_VIRTIO in the guest.
    Gpio,
}

impl IrqPath {
    /// Whether a DSP's slot is the virtio-gpio device (an input device otherwise).
    pub fn is_gpio_slot(self, dsp: usize) -> bool {
        self == Self::Gpio && dsp == GPIO_SLOT
    }
}

/// Name of the FastRPC channel on every DSP.
const CHANNEL: &str = "fastrpcglink-apps-dsp";
/// `interrupts` cells: shared peripheral interrupt, rising edge.
const SPI: u32 = 0;
const EDGE_RISING: u32 = 1;
/// The DSP whose firmware has an audio process: the driver reads a `memory-region` of its node
/// (`fastrpc_init_reserved_mem`), and refuses INIT_CREATE_STATIC without.
const AUDIO_DSP: &str = "adsp";
/// Parent of what the page allocator must not touch.
const RESERVED_MEMORY: &str = "reserved-memory";
/// virtio device ID 41, as the gpio node of a virtio-mmio slot spells it.
const VIRTIO_GPIO: &str = "virtio,device29";

/// Random numbers in QEMU's tree, in `/chosen`. They are set to zero, so that the same machine always has the same tree: QEMU puts a
/// new `rng-seed` into its memory at each reset, and without a `kaslr-seed` the kernel takes the processor's random numbers (the
/// `max` processor has them).
const SEEDS: [&str; 2] = ["kaslr-seed", "rng-seed"];

/// Why no device tree could be made.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// QEMU's tree does not parse.
    #[error("QEMU's device tree cannot be read: {0}")]
    Base(String),
    /// QEMU's tree is not that of the `virt` machine.
    #[error("QEMU's device tree has no {0}: is it the `virt` machine?")]
    Missing(String),
    /// The user's overlay does not parse.
    #[error(
        "the device tree overlay cannot be read ({0}): it must be a compiled overlay (`dtc -@ -I dts -O dtb`)"
    )]
    Overlay(String),
    /// The user's overlay does not fit.
    #[error("the device tree overlay does not apply: {0}; labels it may refer to: {1}")]
    Apply(String, String),
}

/// Extends QEMU's device tree `base` with the platform of `profile`, then applies the user's overlays in order.
///
/// # Errors
/// A tree that is not `virt`'s, or an overlay that does not apply.
pub fn build(
    base: &[u8],
    profile: &Profile,
    layout: &Layout,
    irq: IrqPath,
    overlays: &[Vec<u8>],
) -> Result<Vec<u8>, TreeError> {
    let fdt = Fdt::new(base).map_err(|e| TreeError::Base(e.to_string()))?;
    let mut tree = DeviceTree::from_fdt(&fdt);
    let mut builder = Builder {
        next_phandle: max_phandle(&tree.root) + 1,
        gpio: 0,
        gic: 0,
        smmu: 0,
        remote_heap: None,
        mailboxes: Vec::new(),
        symbols: Vec::new(),
        layout,
        irq,
    };
    builder.platform(&mut tree.root, profile)?;
    clear_seeds(&mut tree.root);
    let symbols = builder.symbols;
    let labels = symbols
        .iter()
        .map(|(label, _)| label.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let node = child_or_new(&mut tree.root, "__symbols__");
    for (label, path) in &symbols {
        node.add_property(string(label, path));
    }
    for overlay in overlays {
        let overlay = Fdt::new(overlay).map_err(|e| TreeError::Overlay(e.to_string()))?;
        OverlayApplier::new(&mut tree)
            .apply_overlay(&overlay)
            .map_err(|e| TreeError::Apply(e.to_string(), labels.clone()))?;
    }
    Ok(tree.to_dtb())
}

struct Builder<'a> {
    next_phandle: u32,
    /// The virtio-gpio device, with [`IrqPath::Gpio`].
    gpio: u32,
    /// The interrupt controller.
    gic: u32,
    /// The SMMU.
    smmu: u32,
    /// The audio process's remote heap, if there is an ADSP.
    remote_heap: Option<u32>,
    /// Mailbox of each DSP's GLINK channel.
    mailboxes: Vec<u32>,
    /// Labels for overlays, with the paths they name.
    symbols: Vec<(String, String)>,
    layout: &'a Layout,
    irq: IrqPath,
}

impl Builder<'_> {
    fn platform(&mut self, root: &mut DeviceTreeNode, profile: &Profile) -> Result<(), TreeError> {
        extend_compatible(root, &profile.compatible)?;
        self.gic = root
            .property("interrupt-parent")
            .and_then(|p| p.value_as::<u32>().ok())
            .ok_or_else(|| TreeError::Missing("interrupt-parent".to_owned()))?;
        self.reserve(root, profile);
        for dsp in 0..profile.dsps.len() {
            self.slot(root, dsp)?;
            let mailbox = self.mailbox(root, dsp);
            self.mailboxes.push(mailbox);
        }
        self.smmu = self.smmu(root);
        match self.layout.platform {
            PlatformKind::Rpm => self.rpm(root, profile),
            PlatformKind::Board => self.board(root, profile)?,
        }
        Ok(())
    }

    /// Keeps the kernel's page allocator away from the shared block and from what it offers the ADSP.
    fn reserve(&mut self, root: &mut DeviceTreeNode, profile: &Profile) {
        let parent = child_or_new(root, RESERVED_MEMORY);
        parent.add_property(cells("#address-cells", &[2]));
        parent.add_property(cells("#size-cells", &[2]));
        parent.add_property(empty("ranges"));
        let mut block = at("dsp", self.layout.reserved(), RESERVED_SIZE);
        block.add_property(empty("no-map"));
        parent.add_child(block);
        if !profile.dsps.iter().any(|dsp| dsp.label == AUDIO_DSP) {
            return;
        }
        let phandle = self.phandle();
        let mut heap = at(
            "adsp-rpc-remote-heap",
            self.layout.remote_heap(),
            REMOTE_HEAP_SIZE,
        );
        heap.add_property(empty("no-map"));
        heap.add_property(cells("phandle", &[phandle]));
        child_or_new(root, RESERVED_MEMORY).add_child(heap);
        self.remote_heap = Some(phandle);
    }

    /// Trims the virtio-mmio node of a DSP's slot; the one with virtio-gpio becomes an interrupt controller.
    fn slot(&mut self, root: &mut DeviceTreeNode, dsp: usize) -> Result<(), TreeError> {
        let base = self.layout.slot(dsp);
        let name = format!("virtio_mmio@{base:x}");
        let phandle = self.phandle();
        let slot = root
            .child_mut(&name)
            .ok_or_else(|| TreeError::Missing(name.clone()))?;
        slot.add_property(reg(base, self.layout.slot_kept()));
        if !self.irq.is_gpio_slot(dsp) {
            return Ok(());
        }
        let mut gpio = node("gpio");
        gpio.add_property(string("compatible", VIRTIO_GPIO));
        gpio.add_property(empty("gpio-controller"));
        gpio.add_property(cells("#gpio-cells", &[2]));
        gpio.add_property(empty("interrupt-controller"));
        gpio.add_property(cells("#interrupt-cells", &[2]));
        gpio.add_property(cells("phandle", &[phandle]));
        slot.add_child(gpio);
        self.gpio = phandle;
        Ok(())
    }

    /// The doorbell: writing channel 0's bit notifies queue 1 of the device in the slot.
    fn mailbox(&mut self, root: &mut DeviceTreeNode, dsp: usize) -> u32 {
        let base = self.layout.slot(dsp) + GLINK_MAILBOX;
        let mut mailbox = at("mailbox", base, QUEUE_NOTIFY - GLINK_MAILBOX);
        mailbox.add_property(string("compatible", "qcom,msm8994-apcs-kpss-global"));
        mailbox.add_property(cells("#mbox-cells", &[1]));
        self.labelled(root, mailbox, &format!("mailbox_{dsp}"))
    }

    fn smmu(&mut self, root: &mut DeviceTreeNode) -> u32 {
        let mut smmu = at("iommu", self.layout.smmu(), self.layout.geometry().size());
        smmu.add_property(string("compatible", "arm,mmu-500"));
        smmu.add_property(cells("#iommu-cells", &[2]));
        smmu.add_property(cells("#global-interrupts", &[1]));
        let mut irqs = vec![Irq::SmmuGlobal];
        irqs.extend((0..self.layout.banks).map(Irq::SmmuBank));
        let words: Vec<u32> = irqs
            .iter()
            .flat_map(|irq| [SPI, irq.spi(), EDGE_RISING])
            .collect();
        smmu.add_property(cells("interrupts", &words));
        smmu.add_property(empty("dma-coherent"));
        self.labelled(root, smmu, "smmu")
    }

    /// The FastRPC channel of a DSP, below its GLINK edge at `path`.
    fn fastrpc(&mut self, edge: &mut DeviceTreeNode, path: &str, dsp: &DspProfile) {
        let mut fastrpc = node("fastrpc");
        fastrpc.add_property(string("compatible", dsp.compatible()));
        fastrpc.add_property(string("qcom,glink-channels", CHANNEL));
        fastrpc.add_property(string("label", &dsp.label));
        fastrpc.add_property(empty("qcom,non-secure-domain"));
        // Boards give it to the DSP by `qcom,vmids`, which needs secure firmware.
        if let Some(heap) = self.remote_heap.filter(|_| dsp.label == AUDIO_DSP) {
            fastrpc.add_property(cells("memory-region", &[heap]));
        }
        fastrpc.add_property(cells("#address-cells", &[1]));
        fastrpc.add_property(cells("#size-cells", &[0]));
        for bank in &dsp.banks {
            let mut cb = node(&format!("compute-cb@{:x}", bank.reg));
            cb.add_property(string("compatible", "qcom,fastrpc-compute-cb"));
            cb.add_property(cells("reg", &[bank.reg]));
            cb.add_property(cells("iommus", &[self.smmu, u32::from(bank.stream), 0]));
            if bank.sessions > 1 {
                cb.add_property(cells("qcom,nsessions", &[bank.sessions]));
            }
            cb.add_property(empty("dma-coherent"));
            fastrpc.add_child(cb);
        }
        self.symbols
            .push((format!("fastrpc_{}", dsp.label), format!("{path}/fastrpc")));
        edge.add_child(fastrpc);
    }

    /// An interrupt as `interrupts-extended` has it: controller and its cells.
    fn extended(&self, irq: Irq) -> Vec<u32> {
        match (self.irq, irq.gpio_line()) {
            (IrqPath::Gpio, Some(line)) => vec![self.gpio, u32::from(line), EDGE_RISING],
            _ => vec![self.gic, SPI, irq.spi(), EDGE_RISING],
        }
    }

    /// The only interrupt of a node.
    fn interrupt(&self, irq: Irq) -> DeviceTreeProperty {
        cells("interrupts-extended", &self.extended(irq))
    }

    fn phandle(&mut self) -> u32 {
        let phandle = self.next_phandle;
        self.next_phandle += 1;
        phandle
    }

    /// Adds a node below the root with a phandle and a label for overlays.
    fn labelled(&mut self, root: &mut DeviceTreeNode, child: DeviceTreeNode, label: &str) -> u32 {
        self.labelled_below(root, "", child, label)
    }

    /// Adds a node below `parent`, whose path is `path`, with a phandle and a label for overlays.
    fn labelled_below(
        &mut self,
        parent: &mut DeviceTreeNode,
        path: &str,
        mut child: DeviceTreeNode,
        label: &str,
    ) -> u32 {
        let phandle = self.phandle();
        child.add_property(cells("phandle", &[phandle]));
        self.symbols
            .push((label.to_owned(), format!("{path}/{}", child.name())));
        parent.add_child(child);
        phandle
    }
}

fn extend_compatible(root: &mut DeviceTreeNode, more: &[String]) -> Result<(), TreeError> {
    let mut value = root
        .property("compatible")
        .map(|p| p.value().to_vec())
        .ok_or_else(|| TreeError::Missing("root compatible".to_owned()))?;
    for name in more {
        value.extend_from_slice(name.as_bytes());
        value.push(0);
    }
    root.add_property(DeviceTreeProperty::new_unchecked("compatible", value.as_slice()));
    Ok(())
}

fn clear_seeds(root: &mut DeviceTreeNode) {
    let Some(chosen) = root.child_mut("chosen") else {
        return;
    };
    for name in SEEDS {
        if let Some(seed) = chosen.property_mut(name) {
            let length = (&*seed).value().len();
            seed.set_value(vec![0_u8; length].as_slice());
        }
    }
}

fn max_phandle(node: &DeviceTreeNode) -> u32 {
    let own = node
        .property("phandle")
        .and_then(|p| p.value_as::<u32>().ok())
        .unwrap_or(0);
    node.children().map(max_phandle).fold(own, u32::max)
}

fn child_or_new<'a>(parent: &'a mut DeviceTreeNode, name: &str) -> &'a mut DeviceTreeNode {
    let child = parent.remove_child(name).unwrap_or_else(|| node(name));
    parent.add_child_mut(child)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::device::layout::PlatformKind;

    pub(super) const GIC: u32 = 0x8002;

    /// What [`build`] needs of `virt`'s tree.
    pub(crate) fn virt() -> Vec<u8> {
        let mut tree = DeviceTree::new();
        tree.root.add_property(string("compatible", "linux,dummy-virt"));
        tree.root.add_property(cells("interrupt-parent", &[GIC]));
        let mut gic = node("intc@8000000");
        gic.add_property(cells("phandle", &[GIC]));
        tree.root.add_child(gic);
        for slot in 0..32u64 {
            let base = 0xa00_0000 + 0x200 * slot;
            let mut child = node(&format!("virtio_mmio@{base:x}"));
            child.add_property(string("compatible", "virtio,mmio"));
            child.add_property(cells("interrupts", &[0, 16 + slot as u32, 1]));
            child.add_property(reg(base, 0x200));
            tree.root.add_child(child);
        }
        tree.to_dtb()
    }

    fn made(irq: IrqPath, overlays: &[Vec<u8>]) -> Result<Vec<u8>, TreeError> {
        let profile = Profile::load("qcs6490").unwrap();
        let layout = Layout::new(&profile, PlatformKind::Rpm, 1 << 30).unwrap();
        build(&virt(), &profile, &layout, irq, overlays)
    }

    pub(super) fn words(tree: &DeviceTree, path: &str, property: &str) -> Vec<u32> {
        let node = tree.find_node(path).unwrap_or_else(|| panic!("no node {path}"));
        let property = node
            .property(property)
            .unwrap_or_else(|| panic!("no {property} in {path}"));
        property
            .value()
            .chunks(4)
            .map(|c| u32::from_be_bytes(c.try_into().unwrap()))
            .collect()
    }

    pub(super) fn read(dtb: &[u8]) -> DeviceTree {
        DeviceTree::from_fdt(&Fdt::new(dtb).unwrap())
    }

    #[test]
    fn the_produced_tree_reads_back_as_the_proven_platform() {
        let tree = read(&made(IrqPath::Qtest, &[]).unwrap());
        assert_eq!(
            words(&tree, "/virtio_mmio@a000000", "reg"),
            [0, 0xa00_0000, 0, 0x48]
        );
        assert_eq!(
            words(&tree, "/virtio_mmio@a000400", "reg"),
            [0, 0xa00_0400, 0, 0x200]
        );
        assert_eq!(words(&tree, "/mailbox@a000048", "reg"), [0, 0xa00_0048, 0, 8]);
        assert_eq!(words(&tree, "/mailbox@a000248", "reg"), [0, 0xa00_0248, 0, 8]);
        assert_eq!(
            words(&tree, "/reserved-memory/dsp@7f000000", "reg"),
            [0, 0x7f00_0000, 0, 0x100_0000]
        );
        assert_eq!(
            words(&tree, "/sram@7f200000", "reg"),
            [0, 0x7f20_0000, 0, 0x10000]
        );
        assert_eq!(
            words(&tree, "/rpm-glink-cdsp", "interrupts-extended"),
            [GIC, 0, 140, 1]
        );
        assert_eq!(
            words(&tree, "/rpm-glink-adsp", "interrupts-extended"),
            [GIC, 0, 141, 1]
        );
        let smmu = words(&tree, "/iommu@7f000000", "phandle")[0];
        assert!(smmu > GIC);
        assert_eq!(words(&tree, "/iommu@7f000000", "interrupts").len(), 3 * (1 + 15));
        assert_eq!(
            words(&tree, "/rpm-glink-cdsp/fastrpc/compute-cb@e", "iommus"),
            [smmu, 0x11ae, 0]
        );
        assert_eq!(
            words(&tree, "/rpm-glink-adsp/fastrpc/compute-cb@5", "qcom,nsessions"),
            [5]
        );
        let mailbox = words(&tree, "/mailbox@a000248", "phandle")[0];
        assert_eq!(words(&tree, "/rpm-glink-adsp", "mboxes"), [mailbox, 0]);
    }

    #[test]
    fn the_adsp_alone_has_a_remote_heap() {
        let tree = read(&made(IrqPath::Qtest, &[]).unwrap());
        let heap = "/reserved-memory/adsp-rpc-remote-heap@7e800000";
        assert_eq!(words(&tree, heap, "reg"), [0, 0x7e80_0000, 0, 0x80_0000]);
        assert!(tree.find_node(heap).unwrap().property("no-map").is_some());
        let phandle = words(&tree, heap, "phandle");
        assert_eq!(words(&tree, "/rpm-glink-adsp/fastrpc", "memory-region"), phandle);
        let cdsp = tree.find_node("/rpm-glink-cdsp/fastrpc").unwrap();
        assert!(cdsp.property("memory-region").is_none());
        let mut profile = Profile::load("qcs6490").unwrap();
        profile.dsps.truncate(1);
        let layout = Layout::new(&profile, PlatformKind::Rpm, 1 << 30).unwrap();
        let tree = read(&build(&virt(), &profile, &layout, IrqPath::Qtest, &[]).unwrap());
        assert!(tree.find_node(heap).is_none());
    }

    #[test]
    fn the_machine_stays_what_it_was_and_is_the_soc_too() {
        let tree = read(&made(IrqPath::Qtest, &[]).unwrap());
        let compatible = tree.root.property("compatible").unwrap();
        assert_eq!(
            compatible.value(),
            b"linux,dummy-virt\0qcom,qcs6490\0qcom,sc7280\0"
        );
    }

    #[test]
    fn the_same_machine_has_the_same_tree_whatever_qemu_draws() {
        let drawn = |seed: u8| {
            let mut tree = read(&virt());
            let mut chosen = node("chosen");
            chosen.add_property(string("stdout-path", "/pl011@9000000"));
            chosen.add_property(DeviceTreeProperty::new_unchecked("kaslr-seed", [seed; 8]));
            chosen.add_property(DeviceTreeProperty::new_unchecked("rng-seed", [seed; 32]));
            tree.root.add_child(chosen);
            let profile = Profile::load("qcs6490").unwrap();
            let layout = Layout::new(&profile, PlatformKind::Rpm, 1 << 30).unwrap();
            build(&tree.to_dtb(), &profile, &layout, IrqPath::Qtest, &[]).unwrap()
        };
        assert_eq!(drawn(1), drawn(2));
        assert_eq!(words(&read(&drawn(1)), "/chosen", "rng-seed"), [0; 8]);
    }

    #[test]
    fn with_gpio_every_edge_s_interrupt_is_a_line_of_the_first_slot() {
        let tree = read(&made(IrqPath::Gpio, &[]).unwrap());
        let gpio0 = words(&tree, "/virtio_mmio@a000000/gpio", "phandle")[0];
        assert!(tree.find_node("/virtio_mmio@a000200/gpio").is_none());
        assert_eq!(
            words(&tree, "/rpm-glink-cdsp", "interrupts-extended"),
            [gpio0, 0, 1]
        );
        assert_eq!(
            words(&tree, "/rpm-glink-adsp", "interrupts-extended"),
            [gpio0, 1, 1]
        );
        // The SMMU is probed before any virtio device: its interrupts are the controller's own.
        assert_eq!(
            words(&tree, "/iommu@7f000000", "interrupts")[..6],
            [0, 150, 1, 0, 151, 1]
        );
    }

    #[test]
    fn an_overlay_reaches_nodes_by_label() {
        let mut overlay = DeviceTree::new();
        let mut fragment = node("fragment@0");
        fragment.add_property(cells("target", &[u32::MAX]));
        let mut content = node("__overlay__");
        content.add_property(cells("qcom,vmids", &[22]));
        fragment.add_child(content);
        overlay.root.add_child(fragment);
        let mut fixups = node("__fixups__");
        fixups.add_property(string("fastrpc_cdsp", "/fragment@0:target:0"));
        overlay.root.add_child(fixups);
        let tree = read(&made(IrqPath::Qtest, &[overlay.to_dtb()]).unwrap());
        assert_eq!(words(&tree, "/rpm-glink-cdsp/fastrpc", "qcom,vmids"), [22]);

        let mut fixups = node("__fixups__");
        fixups.add_property(string("fastrpc_xdsp", "/fragment@0:target:0"));
        overlay.root.remove_child("__fixups__");
        overlay.root.add_child(fixups);
        let error = made(IrqPath::Qtest, &[overlay.to_dtb()]).unwrap_err().to_string();
        assert!(error.contains("fastrpc_cdsp"), "{error}");
    }

    #[test]
    fn bad_trees_and_overlays_are_refused() {
        let error = made(IrqPath::Qtest, &[b"/dts-v1/;".to_vec()])
            .unwrap_err()
            .to_string();
        assert!(error.contains("dtc -@"), "{error}");
        let profile = Profile::load("sm8550").unwrap();
        let layout = Layout::new(&profile, PlatformKind::Rpm, 1 << 30).unwrap();
        let mut tree = DeviceTree::new();
        tree.root.add_property(string("compatible", "x"));
        let error = build(&tree.to_dtb(), &profile, &layout, IrqPath::Qtest, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("interrupt-parent"), "{error}");
        tree.root.add_property(cells("interrupt-parent", &[GIC]));
        let error = build(&tree.to_dtb(), &profile, &layout, IrqPath::Qtest, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("virtio_mmio@a000000"), "{error}");
    }
}
