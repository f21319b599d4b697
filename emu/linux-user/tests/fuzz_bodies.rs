//! The bodies of the fuzz targets (`fuzz/`) with random bytes, and with good ones that are damaged, as `cargo fuzz` would find them.

#[path = "../fuzz/bodies.rs"]
mod bodies;

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

proptest! {
    #[test]
    fn any_bytes_as_a_program(data in vec(any::<u8>(), 0..300)) {
        bodies::elf(&data);
    }

    /// `{ r0 = #1 }`, `trap0(#1)`, and a jump back.
    #[test]
    fn a_damaged_program(data in damaged(bodies::file(&[0x7800_c020, 0x5400_c004, 0x59ff_fffc], &[1, 2, 3])[..0x200].to_vec())) {
        bodies::elf(&data);
    }

    #[test]
    fn any_system_calls(data in vec(any::<u8>(), 0..1800)) {
        bodies::system_calls(&data);
    }
}

/// Twice `write(1, DATA, 5)`.
#[test]
fn the_calls_are_made() {
    let call = [64u32, 1, 0, 5, 1, 1, 1].map(u32::to_le_bytes).concat();
    assert_eq!(bodies::system_calls(&[call.clone(), call].concat()), 10);
}
