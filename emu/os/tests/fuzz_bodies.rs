//! The bodies of the fuzz targets (`fuzz/`) with random bytes, and with good ones that are damaged, as `cargo fuzz` would find them.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_as_a_library(noise in vec(any::<u8>(), 0..600), header in any::<bool>()) {
        let mut data = noise;
        if header {
            // A 32-bit little-endian shared library for Hexagon V68, with one program header behind this one.
            let mut good = b"\x7fELF\x01\x01\x01".to_vec();
            good.resize(16, 0);
            good.extend([3u16, 164].map(u16::to_le_bytes).concat());
            good.extend([1u32, 0, 52, 0, 0x68].map(u32::to_le_bytes).concat());
            good.extend([52u16, 32, 2, 40, 0, 0].map(u16::to_le_bytes).concat());
            data.splice(0..0, good);
        }
        bodies::elf(&data);
    }

    #[test]
    fn any_text_as_a_name(data in "(file://)?[ -~/.?&=_]{0,60}") {
        bodies::uri(data.as_bytes());
    }

    #[test]
    fn any_traffic_at_the_seam(data in vec(any::<u8>(), 0..1200)) {
        bodies::seam(&data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_calls_of_services(data in vec(any::<u8>(), 0..1200)) {
        bodies::services(&data);
    }
}

/// Not all is refused at the door.
#[test]
fn calls_reach_the_services() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let [answered, good] =
        bodies::services(&std::iter::repeat_with(&mut random).take(4000).collect::<Vec<_>>());
    assert!(answered >= 8, "{answered}");
    // The DSP's attributes (handle 2): two words in, 16 out.
    let attributes = [2, 0, 0b101, 8, 0, 0, 0, 0, 4, 0, 0, 0, 16, 0, 0, 1];
    let [_, one] = bodies::services(&attributes);
    assert!(good + one > 0, "{good} {one}");
}
