//! Nodes and properties of a device tree under construction.

use dtoolkit::model::{DeviceTreeNode, DeviceTreeProperty};

// Names come from this file, from numbers and from labels that the profile checked.
pub(super) fn node(name: &str) -> DeviceTreeNode {
    DeviceTreeNode::new_unchecked(name)
}

/// A node of that name with a `reg` behind it.
pub(super) fn at(name: &str, base: u64, size: u64) -> DeviceTreeNode {
    let mut node = node(&format!("{name}@{base:x}"));
    node.add_property(reg(base, size));
    node
}

pub(super) fn empty(name: &str) -> DeviceTreeProperty {
    DeviceTreeProperty::new_unchecked(name, [0u8; 0])
}

pub(super) fn string(name: &str, value: &str) -> DeviceTreeProperty {
    let bytes = [value.as_bytes(), &[0]].concat();
    DeviceTreeProperty::new_unchecked(name, bytes.as_slice())
}

/// A list of strings.
pub(super) fn strings(name: &str, values: &[&str]) -> DeviceTreeProperty {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| [value.as_bytes(), &[0]].concat())
        .collect();
    DeviceTreeProperty::new_unchecked(name, bytes.as_slice())
}

pub(super) fn cells(name: &str, values: &[u32]) -> DeviceTreeProperty {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    DeviceTreeProperty::new_unchecked(name, bytes.as_slice())
}

pub(super) fn reg(base: u64, size: u64) -> DeviceTreeProperty {
    let bytes = [base.to_be_bytes(), size.to_be_bytes()].concat();
    DeviceTreeProperty::new_unchecked("reg", bytes.as_slice())
}
