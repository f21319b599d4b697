//! The files that the program carries, so that it needs nothing beside it:
//!
//! ```text
//! guest/bin/vh-*          arm64 programs for the guest
//! guest/lib/lib*.so       arm64 libraries to be put before a program's own
//! guest/init              the guest's first program
//! skel/lib*_skel.so       open Hexagon skeletons
//! shell/fastrpc_shell_*   the open placeholder for the FastRPC shell
//! dsp/dsp.mbn             the DSP's firmware, which a board's kernel loads
//! include/*.h             headers for skeletons of one's own
//! profiles/*.toml         SoC profiles
//! kernel/*.config         what a kernel of one's own must have switched on
//! suites/*/*.toml         suites of cases
//! scenario.schema.json    the language of scenarios and cases, for editors
//! wireshark/*.lua         the dissector for traces
//! ```
//!
//! [`assets`] lists them, [`find`] has one, [`extract`] writes them out. How they get in: `build.rs`.

#![forbid(unsafe_code)]

pub mod cache;
mod extract;

use std::borrow::Cow;
use std::io::Read as _;

pub use extract::{ExtractError, extract, write};

/// A file of the program's own.
#[derive(Debug)]
pub struct Asset {
    /// Where it stands among the others: `guest/bin/vh-calc`.
    pub path: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: usize,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Text(&'static str),
    /// zlib.
    Packed(&'static [u8]),
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// All files, ordered by path.
#[must_use]
pub fn assets() -> &'static [Asset] {
    ALL
}

/// Where the compiled files are from: which compilers built them, or that they are the ones kept in the repository.
#[must_use]
pub fn origin() -> &'static str {
    ORIGIN
}

/// The file of that path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Asset> {
    ALL.iter().find(|asset| asset.path == path)
}

/// The files directly in a folder (`guest/bin`), by name.
pub fn folder(folder: &str) -> impl Iterator<Item = (&'static str, &'static Asset)> {
    ALL.iter().filter_map(move |asset| {
        let name = asset.path.strip_prefix(folder)?.strip_prefix('/')?;
        (!name.contains('/')).then_some((name, asset))
    })
}

/// The DSP's firmware.
#[must_use]
pub fn dsp_firmware() -> Cow<'static, [u8]> {
    bytes_of("dsp/dsp.mbn")
}

/// The guest's first program.
#[must_use]
pub fn guest_init() -> Cow<'static, [u8]> {
    bytes_of("guest/init")
}

/// Of a file that `every_file_is_whole` (tests) has seen.
fn bytes_of(path: &str) -> Cow<'static, [u8]> {
    find(path).map(Asset::bytes).unwrap_or_default()
}

impl Asset {
    /// Its contents.
    ///
    /// # Panics
    /// Never: what the build script packed can be unpacked.
    #[must_use]
    pub fn bytes(&self) -> Cow<'static, [u8]> {
        match self.data {
            Data::Text(text) => text.as_bytes().into(),
            Data::Packed(packed) => {
                let mut bytes = Vec::with_capacity(self.size);
                flate2::read::ZlibDecoder::new(packed)
                    .read_to_end(&mut bytes)
                    .unwrap_or_else(|error| panic!("{}: {error}", self.path));
                bytes.into()
            }
        }
    }

    /// Its contents, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&'static str> {
        match self.data {
            Data::Text(text) => Some(text),
            Data::Packed(_) => None,
        }
    }

    /// Bytes that it takes in the program.
    #[must_use]
    pub fn packed_size(&self) -> usize {
        match self.data {
            Data::Text(text) => text.len(),
            Data::Packed(packed) => packed.len(),
        }
    }
}
