//! Board mode: the DSP as a remote processor that the kernel loads, starts, stops and recovers.

pub mod domain;
pub mod firmware;
