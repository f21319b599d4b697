//! The bodies of the fuzz targets (`fuzz/`) with random bytes, and with good ones that are damaged, as `cargo fuzz` would find them.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use proptest::collection::vec;
use proptest::prelude::*;

/// Good bytes with some changed, and cut somewhere.
fn damaged(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = good.len();
    let changes = vec((0..len, any::<u8>()), 0..12);
    (changes, prop_oneof![3 => Just(len), 1 => 0..len]).prop_map(move |(changes, end)| {
        let mut bytes = good.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes.truncate(end);
        bytes
    })
}

/// What the platform needs of QEMU's tree.
fn virt() -> Vec<u8> {
    const GIC: u32 = 0x8002;
    let text = |name: &str, value: &[u8]| DeviceTreeProperty::new_unchecked(name, value);
    let cells = |name: &str, cells: &[u32]| {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        DeviceTreeProperty::new_unchecked(name, bytes.as_slice())
    };
    let mut tree = DeviceTree::new();
    tree.root.add_property(text("compatible", b"linux,dummy-virt\0"));
    tree.root.add_property(cells("interrupt-parent", &[GIC]));
    let mut gic = DeviceTreeNode::new_unchecked("intc@8000000");
    gic.add_property(cells("phandle", &[GIC]));
    tree.root.add_child(gic);
    for slot in 0..32u32 {
        let base = 0xa00_0000 + 0x200 * slot;
        let mut child = DeviceTreeNode::new_unchecked(format!("virtio_mmio@{base:x}").as_str());
        child.add_property(text("compatible", b"virtio,mmio\0"));
        child.add_property(cells("interrupts", &[0, 16 + slot, 1]));
        child.add_property(cells("reg", &[0, base, 0, 0x200]));
        tree.root.add_child(child);
    }
    tree.to_dtb()
}

fn profile() -> Vec<u8> {
    let text = emu_machine::profile::text("qcs6490").expect("a built-in profile");
    text.as_bytes().to_vec()
}

proptest! {
    #[test]
    fn a_damaged_profile(data in damaged(profile())) {
        bodies::profile(&data);
    }

    #[test]
    fn any_line_on_the_control_socket(data in vec(any::<u8>(), 0..80)) {
        bodies::control(&data);
    }

    #[test]
    fn a_damaged_request(
        data in damaged(br#"{"do":"pd","dsp":"adsp","name":"msm/adsp/audio_pd","state":"down"}"#.to_vec())
    ) {
        bodies::control(&data);
    }

    #[test]
    fn any_bytes_as_a_tree(data in vec(any::<u8>(), 0..200)) {
        bodies::tree(&data);
    }

    #[test]
    fn a_damaged_tree(data in damaged(virt())) {
        bodies::tree(&data);
    }
}

#[test]
fn what_is_damaged_was_good() {
    use emu_machine::device::layout::{Layout, PlatformKind};
    use emu_machine::device::tree::{IrqPath, build};
    let profile = String::from_utf8(profile()).unwrap();
    let profile = emu_machine::profile::Profile::parse(&profile, "good").unwrap();
    let layout = Layout::new(&profile, PlatformKind::Rpm, 1 << 30).unwrap();
    build(&virt(), &profile, &layout, IrqPath::Qtest, &[]).unwrap();
}
