//! Initial contents of the shared block, which QEMU's generic loader puts in RAM at every reset: the SMMU's register file,
//! and in each message RAM the table of contents that says where the GLINK FIFOs are.

use super::layout::{FIFO_SIZE, Layout, MSGRAM_SIZE};
use rpmsg::fifo::rpm;

/// Where the FIFOs stand in a message RAM.
///
/// # Panics
/// Never: the constants fit, which the tests check.
pub fn fifos() -> rpm::Layout {
    rpm::Layout::new(MSGRAM_SIZE as u32, FIFO_SIZE).expect("the constant layout is possible")
}

/// The image that is loaded at [`Layout::reserved`].
pub fn build(layout: &Layout) -> Vec<u8> {
    let base = layout.reserved();
    let mut image = vec![0; (layout.image_end() - base) as usize];
    let mut put = |at: u64, bytes: &[u8]| {
        let at = (at - base) as usize;
        image[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(layout.smmu(), &layout.geometry().reset_image());
    let fifos = fifos();
    for dsp in 0..layout.dsps {
        put(
            layout.msgram(dsp) + u64::from(fifos.toc_offset()),
            &fifos.encode_toc(),
        );
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::layout::Platform;
    use crate::profile::Profile;

    #[test]
    fn the_image_is_the_proven_platform_s() {
        let layout = Layout::new(&Profile::load("sm8550").unwrap(), Platform::Rpm, 1 << 30).unwrap();
        let image = build(&layout);
        let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());
        assert_eq!(image.len(), 0x21_0000);
        // NUMCB and NUMPAGENDXB of ID1, stage 1 and stream matching of ID0
        assert_eq!(word(0x24) & 0xff, 13);
        assert_eq!(word(0x24) >> 28 & 7, 3);
        assert_eq!(word(0x20) & (1 << 30 | 1 << 27), 1 << 30 | 1 << 27);
        for msgram in [0x10_0000, 0x20_0000] {
            let toc = &image[msgram + 0xff00..msgram + 0x10000];
            assert_eq!(rpm::Layout::parse_toc(toc, MSGRAM_SIZE as u32), Ok(fifos()));
            assert!(image[msgram..msgram + 0xff00].iter().all(|b| *b == 0));
        }
    }
}
