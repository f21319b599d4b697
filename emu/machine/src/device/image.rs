//! Initial contents of the shared memory, which QEMU's generic loader puts in RAM at every reset.
//!
//! With [`PlatformKind::Rpm`]: the SMMU's register file, and in each message RAM the table of contents that says where the GLINK
//! FIFOs are. With [`PlatformKind::Board`]: the SMMU's register file, each DSP's registers, the hardware lock's, and SMEM as a
//! boot loader leaves it. Regions far apart are parts of their own, so that the files stay small.

use super::board::domain::Domain;
use super::board::registers::BOOT_STATUS;
use super::layout::{FIFO_SIZE, Layout, MSGRAM_SIZE, POWER_SIZE, PlatformKind, SMEM_SIZE, TCSR_MUTEX_SIZE};
use crate::profile::Profile;
use rpmsg::fifo::rpm;
use rpmsg::smem::socinfo::{self, ImageVersion, SocInfo};
use rpmsg::smem::{self, ImageBuilder};

/// The register pages of a DSP that a reset clears: QDSP6SS, halt, reset.
const DSP_PAGES: u64 = 0x3000;
/// Items that SMEM can have: the DSPs' crash reasons and SMP2P items go beyond the 512 of older layouts.
const ITEMS: u16 = 768;
/// Size of a DSP's partition of SMEM: two FIFOs, SMP2P in both directions and as much again.
const PARTITION_SIZE: u32 = 0x2_0000;

/// A run of initial contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is, as a file name has it.
    pub name: String,
    /// Guest physical address.
    pub address: u64,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// Where the FIFOs stand in a message RAM.
///
/// # Panics
/// Never: the constants fit, which the tests check.
pub fn fifos() -> rpm::Layout {
    rpm::Layout::new(MSGRAM_SIZE as u32, FIFO_SIZE).expect("the constant layout is possible")
}

/// All that is loaded.
///
/// # Errors
/// SMEM cannot be built for these DSPs.
pub fn build(profile: &Profile, layout: &Layout) -> Result<Vec<Part>, smem::ImageError> {
    match layout.platform {
        PlatformKind::Rpm => Ok(vec![rpm_block(layout)]),
        PlatformKind::Board => board(profile, layout),
    }
}

fn rpm_block(layout: &Layout) -> Part {
    let base = layout.reserved();
    let mut bytes = vec![0; (layout.image_end() - base) as usize];
    put(&mut bytes, layout.smmu() - base, &layout.geometry().reset_image());
    let fifos = fifos();
    for dsp in 0..layout.dsps {
        let toc = layout.msgram(dsp) + u64::from(fifos.toc_offset());
        put(&mut bytes, toc - base, &fifos.encode_toc());
    }
    Part {
        name: "platform".to_owned(),
        address: base,
        bytes,
    }
}

fn put(image: &mut [u8], at: u64, bytes: &[u8]) {
    image[at as usize..][..bytes.len()].copy_from_slice(bytes);
}

fn board(profile: &Profile, layout: &Layout) -> Result<Vec<Part>, smem::ImageError> {
    let mut parts = vec![Part {
        name: "smmu".to_owned(),
        address: layout.smmu(),
        bytes: layout.geometry().reset_image(),
    }];
    for (index, dsp) in profile.dsps.iter().enumerate() {
        let mut bytes = vec![0; DSP_PAGES as usize];
        put(&mut bytes, BOOT_STATUS, &1u32.to_le_bytes());
        parts.push(Part {
            name: dsp.label.clone(),
            address: layout.qdsp6ss(index),
            bytes,
        });
    }
    parts.push(Part {
        name: "tcsr-mutex".to_owned(),
        address: layout.tcsr_mutex(),
        bytes: vec![0; TCSR_MUTEX_SIZE as usize],
    });
    parts.push(Part {
        name: "power".to_owned(),
        address: layout.power(),
        bytes: vec![0; POWER_SIZE as usize],
    });
    parts.push(Part {
        name: "smem".to_owned(),
        address: layout.smem(),
        bytes: smem(profile)?,
    });
    Ok(parts)
}

/// SMEM as the boot loader leaves it: a partition a DSP, nothing in it yet; the SoC's description in the heap.
fn smem(profile: &Profile) -> Result<Vec<u8>, smem::ImageError> {
    let soc = SocInfo {
        id: profile.soc_id,
        revision: (1, 0),
        build_id: concat!("vhost-hexagon ", env!("CARGO_PKG_VERSION")).to_owned(),
        serial: 0,
        chip: profile.name.clone(),
    };
    let boot = ImageVersion {
        name: concat!("vhost-hexagon-", env!("CARGO_PKG_VERSION")).to_owned(),
        ..ImageVersion::default()
    };
    let mut builder = ImageBuilder::new(SMEM_SIZE as u32, smem::Layout::GlobalPartition)
        .item_count(ITEMS)
        .global_item(socinfo::ITEM, soc.encode())
        .global_item(
            socinfo::IMAGE_VERSIONS_ITEM,
            socinfo::image_versions(&[(socinfo::Image::Boot, boot)]),
        );
    for domain in profile.dsps.iter().filter_map(|dsp| Domain::by_label(&dsp.label)) {
        builder = builder.remote(domain.remote_pid, PARTITION_SIZE);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::super::board::registers::{BOOT_CMD, HALTREQ, PWR_ON};
    use super::*;
    use crate::profile::names;
    use iommu::registers::Global;
    use rpmsg::smem::Smem;
    use rpmsg::words::Image;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn the_image_is_the_proven_platform_s() {
        let profile = Profile::load("sm8550").unwrap();
        let layout = Layout::new(&profile, PlatformKind::Rpm, 1 << 30).unwrap();
        let parts = build(&profile, &layout).unwrap();
        assert_eq!((parts.len(), parts[0].address), (1, layout.reserved()));
        let image = &parts[0].bytes;
        assert_eq!(image.len(), 0x21_0000);
        // NUMCB and NUMPAGENDXB of ID1, stage 1 and stream matching of ID0
        let register = |register: Global| word(image, register.offset(layout.geometry()) as usize);
        assert_eq!(register(Global::Id1) & 0xff, 13);
        assert_eq!(register(Global::Id1) >> 28 & 7, 3);
        assert_eq!(register(Global::Id0) & (1 << 30 | 1 << 27), 1 << 30 | 1 << 27);
        for msgram in [0x10_0000, 0x20_0000] {
            let toc = &image[msgram + 0xff00..msgram + 0x10000];
            assert_eq!(rpm::Layout::parse_toc(toc, MSGRAM_SIZE as u32), Ok(fifos()));
            assert!(image[msgram..msgram + 0xff00].iter().all(|b| *b == 0));
        }
    }

    #[test]
    fn a_board_s_registers_say_that_the_core_leaves_reset_at_once() {
        let profile = Profile::load("qcs6490").unwrap();
        let layout = Layout::new(&profile, PlatformKind::Board, 1 << 30).unwrap();
        let parts = build(&profile, &layout).unwrap();
        let cdsp = parts.iter().find(|part| part.name == "cdsp").unwrap();
        assert_eq!(cdsp.address, layout.qdsp6ss(0));
        let register = |register: u64| word(&cdsp.bytes, register as usize);
        assert_eq!((register(BOOT_CMD), register(BOOT_STATUS)), (0, 1));
        let halt = layout.halt(0) - cdsp.address;
        assert_eq!((register(halt + HALTREQ), register(halt + PWR_ON)), (0, 0));
    }

    #[test]
    fn every_built_in_board_has_smem_with_an_empty_partition_a_dsp() {
        for name in names() {
            let profile = Profile::load(name).unwrap();
            let layout = Layout::new(&profile, PlatformKind::Board, 1 << 30).unwrap();
            let parts = build(&profile, &layout).unwrap();
            let image = parts.iter().find(|part| part.name == "smem").unwrap();
            assert_eq!(
                (image.address, image.bytes.len() as u64),
                (layout.smem(), SMEM_SIZE)
            );
            let smem = Smem::new(Image::new(image.bytes.clone()));
            assert!(smem.global_item(socinfo::ITEM).unwrap().is_some());
            for dsp in &profile.dsps {
                let pid = Domain::by_label(&dsp.label).unwrap().remote_pid;
                assert_eq!(smem.items(pid).unwrap(), [], "{name} {}", dsp.label);
            }
        }
    }

    #[test]
    fn parts_do_not_overlap_and_lie_in_ram() {
        for name in names() {
            let profile = Profile::load(name).unwrap();
            let layout = Layout::new(&profile, PlatformKind::Board, 1 << 30).unwrap();
            let mut ranges: Vec<_> = build(&profile, &layout)
                .unwrap()
                .iter()
                .map(|part| (part.address, part.address + part.bytes.len() as u64))
                .collect();
            ranges.extend((0..layout.dsps).map(|dsp| {
                let start = layout.carveout(dsp);
                (start, start + crate::device::layout::CARVEOUT_SIZE)
            }));
            ranges.sort_unstable();
            assert!(
                ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0),
                "{ranges:x?}"
            );
            assert!(ranges.last().unwrap().1 <= layout.reserved() + 0x100_0000);
        }
    }
}
