//! The second model of HVX floating point: IEEE by `rustc_apfloat`, everything else in exact fixed-point numbers.

mod exact;
mod f8;
mod ieee;
mod lanes;
mod order;
mod qf;
mod qf_extended;
mod qf_legacy;

use super::Model;

/// The model of a floating-point instruction by name.
pub fn model(name: &str) -> Option<Model> {
    ieee::model(name)
        .or_else(|| order::model(name))
        .or_else(|| f8::model(name))
        .or_else(|| qf::model(name))
}
