//! Any bytes as code: decode, print, assemble again. `cargo +nightly fuzz run decode`, in the folder `hexagon-isa`.
#![no_main]

use hexagon_isa::disasm::{Item, disassemble};
use hexagon_isa::{Arch, assemble_packet, decode_packet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (arch, bytes) = input;
    let Some(&arch) = Arch::ALL.get(usize::from(arch) % Arch::ALL.len()) else { return };
    for item in disassemble(bytes, 0xffff_fff0, arch) {
        let text = item.listing();
        assert!(!text.is_empty());
        if let Item::Packet { packet, .. } = item {
            let words = assemble_packet(packet.insns(), packet.endloop, packet.duplex).expect("encodes");
            let again = decode_packet(&words, arch).expect("decodes");
            assert_eq!(again.insns(), packet.insns());
        }
    }
});
