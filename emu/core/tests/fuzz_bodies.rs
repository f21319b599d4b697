//! The bodies of the fuzz targets (`fuzz/`) with random bytes, and with good ones that are damaged, as `cargo fuzz` would find them.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use emu_core::memory::Memory as _;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_as_code(data in vec(any::<u8>(), 0..400)) {
        bodies::code(&data);
    }

    /// Of words that each end a packet more are good.
    #[test]
    fn any_words_as_code(arch in any::<u8>(), words in vec(any::<u32>(), 0..60)) {
        let words = words.iter().flat_map(|word| (word | 0xc000).to_le_bytes());
        bodies::code(&[arch].into_iter().chain(words).collect::<Vec<u8>>());
    }

    #[test]
    fn any_bytes_as_descriptors(data in vec(any::<u8>(), 0..2048)) {
        bodies::dma(&data);
    }

    #[test]
    fn any_order_of_mappings(data in vec(any::<u8>(), 0..1600)) {
        bodies::space(&data);
    }
}

/// A good descriptor: 16 bytes from the data's page 1 to its page 2.
#[test]
fn descriptors_are_carried_out() {
    let words = [0, 16, bodies::DATA + 0x1000, bodies::DATA + 0x2000];
    let mut data = vec![0; 64];
    data.extend(words.map(u32::to_le_bytes).concat());
    data.resize(0x1000, 0);
    data.extend((0..16u8).map(|n| 4 * n));
    let memory = bodies::dma(&data);
    let mut copied = [0; 17];
    memory.load(bodies::DATA + 0x2000, &mut copied).unwrap();
    assert_eq!(
        copied,
        std::array::from_fn(|n| if n < 16 { 4 * n as u8 } else { 0 })
    );
}
