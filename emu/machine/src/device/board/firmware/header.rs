//! The boot header: where things are in an image, and what its bytes must be. `firmware/dsp/image.h` is its C form.

use std::ops::Range;

use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Offset of the header in the image.
pub const OFFSET: u32 = 0x100;
/// First bytes of a header.
pub const MAGIC: [u8; 8] = *b"VHDSPIMG";
/// The format that is understood.
pub const FORMAT: u32 = 1;
/// Room for segments in the header.
pub const MAX_SEGMENTS: usize = 16;

/// {start, end}, link addresses.
pub type Addresses = [U32; 2];

/// A segment as the header lists it.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RawSegment {
    /// Link address, a multiple of the page size.
    pub address: U32,
    /// Bytes that came from the file.
    pub file_size: U32,
    /// Bytes in memory; those behind the file's are zero.
    pub memory_size: U32,
    /// 1 execute, 2 write, 4 read.
    pub flags: U32,
    /// SHA-256 of the file's bytes; not used for the segment that the header is in.
    pub sha256: [u8; 32],
}

/// The header as it lies in memory.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RawHeader {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT`].
    pub format: U32,
    /// Size of this structure.
    pub size: U32,
    /// Version of the instruction set that the code was built for.
    pub arch: U32,
    /// Link address of the image's first byte.
    pub base: U32,
    /// Where the core starts.
    pub reset: U32,
    /// The trap that ends the boot.
    pub ready: U32,
    /// The trap that declares a fatal error.
    pub fatal: U32,
    /// The version string.
    pub version: U32,
    /// What the process shell is.
    pub shell: U32,
    /// {name, address} pairs.
    pub symbols: Addresses,
    /// Code that every process has.
    pub process_text: Addresses,
    /// Data that every process has a copy of.
    pub process_data: Addresses,
    /// The trap that functions return to which the OS called.
    pub process_return: U32,
    /// The DSP's log.
    pub log: Addresses,
    /// Room for a crash record.
    pub crash: Addresses,
    /// Segments in the list below.
    pub segment_count: U32,
    /// The segments.
    pub segments: [RawSegment; MAX_SEGMENTS],
    /// SHA-256 of the segment that the header is in, with these bytes zero.
    pub sha256: [u8; 32],
}

/// Size of a header in bytes.
pub const SIZE: usize = size_of::<RawHeader>();

/// A range of link addresses, if it is one.
pub fn range(addresses: Addresses) -> Range<u32> {
    addresses[0].get()..addresses[1].get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_image_h() {
        assert_eq!(SIZE, 892);
        assert_eq!(std::mem::offset_of!(RawHeader, segment_count), 88);
        assert_eq!(std::mem::offset_of!(RawHeader, sha256), 860);
    }
}
