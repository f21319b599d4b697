//! Any bytes as packets of a recorded run.
#![no_main]

#[allow(dead_code, reason = "a target for each")]
#[path = "../bodies.rs"]
mod bodies;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bodies::packet(data));
