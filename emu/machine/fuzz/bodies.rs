//! What each fuzz target does with its bytes; `tests/fuzz_bodies.rs` runs them, too, on the stable compiler.

use emu_machine::control::Request;
use emu_machine::device::layout::{Layout, PlatformKind};
use emu_machine::device::tree::{IrqPath, build};
use emu_machine::profile::Profile;

/// RAM of the machines that profiles make.
const RAM: u64 = 1 << 30;

/// A profile that is taken has a place for everything, on both platforms, or says what has none.
pub fn profile(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Profile::parse(&text, "fuzz") {
        Ok(profile) => {
            for platform in [PlatformKind::Rpm, PlatformKind::Board] {
                let _ = Layout::new(&profile, platform, RAM);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A line is a request that is written again the same, or none.
pub fn control(data: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(data) {
        let line = serde_json::to_vec(&request).expect("it came from JSON");
        assert_eq!(serde_json::from_slice::<Request>(&line).ok(), Some(request));
    }
}

/// As QEMU's tree; and as an overlay of the same.
pub fn tree(data: &[u8]) {
    let profile = Profile::load("qcs6490").expect("a built-in profile");
    let layout = Layout::new(&profile, PlatformKind::Rpm, RAM).expect("room");
    let build = |overlays: &[Vec<u8>]| build(data, &profile, &layout, IrqPath::Qtest, overlays);
    if build(&[]).is_ok() {
        let _ = build(&[data.to_vec()]);
    }
}
