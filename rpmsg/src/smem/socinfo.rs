//! What the boot loader tells about the SoC: the items that the kernel's `qcom-socinfo` driver reads.
//!
//! Source: `include/linux/soc/qcom/socinfo.h` and `drivers/soc/qcom/socinfo.c`. Without the first item the driver complains
//! ("Couldn't find socinfo"); the second one it takes for granted and shows in debugfs.

use crate::wire::Writer;

/// The SoC's description (`SMEM_HW_SW_BUILD_ID`).
pub const ITEM: u16 = 137;
/// Names of the firmware images (`SMEM_IMAGE_VERSION_TABLE`).
pub const IMAGE_VERSIONS_ITEM: u16 = 469;
/// Bytes of [`SocInfo::encode`].
pub const SIZE: usize = 192;
/// Images in the table.
pub const IMAGES: usize = 32;

/// A SoC as `/sys/devices/soc0` and debugfs show it. Everything that is not here is zero: no PMICs, no part names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocInfo {
    /// SoC number (`QCOM_ID_…`), from which the kernel knows the machine's name.
    pub id: u32,
    /// Revision of the chip: major and minor.
    pub revision: (u16, u16),
    /// The boot loader's build, at most 31 bytes.
    pub build_id: String,
    /// Serial number of the chip.
    pub serial: u32,
    /// The chip's name, at most 31 bytes.
    pub chip: String,
}

impl SocInfo {
    /// The item's bytes in format 0.16.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (major, minor) = self.revision;
        let mut w = Writer::new();
        w.u32(16).u32(self.id).u16(minor).u16(major);
        w.bytes(&text::<32>(&self.build_id));
        // 2: raw id and version; 3: platform; 4: its version; 5: accessory; 6: subtype
        w.bytes(&[0; 6 * 4]);
        // 7, 8: PMICs; 9: foundry
        w.bytes(&[0; 6 * 4]).u32(0);
        w.u32(self.serial);
        // 11: PMICs and where they are; 12: family, device family, device number; 13: product
        w.u32(0).u32(wire_size()).u32(0).u32(0).u32(0).u32(0);
        w.bytes(&text::<32>(&self.chip));
        // 14: clusters, parts; 15: modem; 16: feature and product code, part names
        w.bytes(&[0; 4 * 4]).u32(0).bytes(&[0; 4 * 4]);
        w.finish()
    }
}

const fn wire_size() -> u32 {
    SIZE as u32
}

/// Place of an image in the table of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the kernel's names")]
pub enum Image {
    Boot = 0,
    Apps = 10,
    Mpss = 11,
    Adsp = 12,
    Dsps = 15,
    Cdsp = 16,
    Cdsp1 = 19,
    Gpdsp = 20,
    Gpdsp1 = 21,
}

/// Version of a firmware image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageVersion {
    /// At most 74 bytes.
    pub name: String,
    /// At most 19 bytes.
    pub variant: String,
    /// At most 31 bytes.
    pub oem: String,
}

impl Image {
    /// Where its entry stands in the table, in bytes.
    #[must_use]
    pub const fn offset(self) -> u32 {
        (self as u32).saturating_mul(ENTRY as u32)
    }
}

/// Bytes of an entry of the table.
pub const ENTRY: usize = 128;

impl ImageVersion {
    /// Its entry in the table.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY] {
        let mut w = Writer::new();
        w.bytes(&text::<75>(&self.name));
        w.bytes(&text::<20>(&self.variant)).u8(0);
        w.bytes(&text::<32>(&self.oem));
        let mut entry = [0; ENTRY];
        entry.iter_mut().zip(w.finish()).for_each(|(to, from)| *to = from);
        entry
    }
}

/// The table of image versions: 4096 bytes. Images that are not named have empty texts.
#[must_use]
pub fn image_versions(images: &[(Image, ImageVersion)]) -> Vec<u8> {
    let mut w = Writer::new();
    for index in 0..IMAGES {
        let found = images.iter().find(|(image, _)| *image as usize == index);
        let entry = found.map_or([0; ENTRY], |(_, version)| version.encode());
        w.bytes(&entry);
    }
    w.finish()
}

/// A text in a field of `N` bytes, cut so that it ends with a zero byte.
fn text<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [0; N];
    for (to, from) in field.iter_mut().take(N.saturating_sub(1)).zip(text.bytes()) {
        *to = from;
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_kernel_reads_them() {
        let info = SocInfo {
            id: 415,
            revision: (2, 1),
            build_id: "x".repeat(40),
            serial: 0x1234_5678,
            chip: "SM8350".into(),
        };
        let bytes = info.encode();
        assert_eq!(bytes.len(), SIZE);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(4), word(8)), (16, 415, 0x2_0001));
        assert_eq!(bytes[12..44], [[b'x'; 31].as_slice(), &[0]].concat());
        // serial_num, pmic_array_offset, chip_id, feature_code
        assert_eq!((word(96), word(100), word(104)), (0x1234_5678, 0, SIZE as u32));
        assert_eq!(&bytes[124..131], b"SM8350\0");
        assert_eq!(word(176), 0);
    }

    #[test]
    fn versions_are_128_bytes_apart() {
        let version = ImageVersion {
            name: "vhost-hexagon".into(),
            variant: "open".into(),
            oem: "o".into(),
        };
        let table = image_versions(&[(Image::Cdsp, version)]);
        assert_eq!(table.len(), 4096);
        let at = 16 * 128;
        assert_eq!(&table[at..at + 14], b"vhost-hexagon\0");
        assert_eq!(&table[at + 75..at + 80], b"open\0");
        assert_eq!(&table[at + 96..at + 98], b"o\0");
        assert!(table[..at].iter().all(|b| *b == 0));
    }
}
