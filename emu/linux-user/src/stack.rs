//! The initial stack of a Linux program: from R29 up the number of arguments, the arguments' addresses, the environment's,
//! the auxiliary vector, and above them the strings themselves.
//!
//! Source of truth: Linux's binfmt_elf, with its word size of four bytes and this table of auxiliary values (its
//! uapi/linux/auxvec.h). Not modelled: AT_SYSINFO_EHDR (there is no vDSO that programs need).

use super::error::ExecError;
use super::load::Image;
use super::setup::Setup;
use emu_core::mem::{AddressSpace, PAGE_SIZE, Prot};
use emu_core::memory::Memory;

/// Top of the program's stack.
pub(super) const TOP: u32 = 0xf000_0000;
/// Bytes of stack.
pub(super) const BYTES: u32 = 8 << 20;
/// Most bytes of arguments and environment: a quarter of the stack, as with Linux.
const STRINGS: usize = BYTES as usize / 4;

/// Auxiliary values by number.
mod aux {
    pub(super) const NULL: u32 = 0;
    pub(super) const PHDR: u32 = 3;
    pub(super) const PHENT: u32 = 4;
    pub(super) const PHNUM: u32 = 5;
    pub(super) const PAGESZ: u32 = 6;
    pub(super) const BASE: u32 = 7;
    pub(super) const FLAGS: u32 = 8;
    pub(super) const ENTRY: u32 = 9;
    pub(super) const UID: u32 = 11;
    pub(super) const EUID: u32 = 12;
    pub(super) const GID: u32 = 13;
    pub(super) const EGID: u32 = 14;
    pub(super) const HWCAP: u32 = 16;
    pub(super) const CLKTCK: u32 = 17;
    pub(super) const SECURE: u32 = 23;
    pub(super) const RANDOM: u32 = 25;
    pub(super) const EXECFN: u32 = 31;
}

/// User and group; nobody in particular, not even the user who runs the emulator.
pub(super) const ID: u32 = 1000;

/// Maps and fills the stack; the stack pointer.
pub(super) fn build(space: &AddressSpace, image: &Image, setup: &Setup) -> Result<u32, ExecError> {
    space
        .map_anonymous(Some(TOP - BYTES), BYTES, Prot::RW)
        .map_err(|source| ExecError::Map {
            what: "the stack",
            source,
        })?;
    let all = || setup.args.iter().chain(&setup.env);
    let size: usize = all().map(|s| s.len() + 1 + 4).sum();
    if size > STRINGS {
        return Err(ExecError::TooLarge {
            what: "arguments and environment",
            limit: STRINGS as u64,
        });
    }
    // First sixteen bytes that seed a C library's random choices: the same each time, so that runs can be repeated.
    let mut strings = b"software hexagon".to_vec();
    let mut offsets = Vec::new();
    for s in all() {
        offsets.push(strings.len() as u32);
        strings.extend_from_slice(s);
        strings.push(0);
    }
    let at = (TOP - strings.len() as u32) & !15;
    space.store(at, &strings)?;

    let address = |n: usize| offsets.get(n).map_or(0, |o| at + o);
    let mut words = vec![setup.args.len() as u32];
    words.extend((0..setup.args.len()).map(address));
    words.push(0);
    words.extend((setup.args.len()..offsets.len()).map(address));
    words.push(0);
    for (key, value) in [
        (aux::PHDR, image.headers),
        (aux::PHENT, 32),
        (aux::PHNUM, image.count),
        (aux::PAGESZ, PAGE_SIZE),
        (aux::BASE, 0),
        (aux::FLAGS, 0),
        (aux::ENTRY, image.entry),
        (aux::UID, ID),
        (aux::EUID, ID),
        (aux::GID, ID),
        (aux::EGID, ID),
        (aux::HWCAP, 0),
        (aux::CLKTCK, 100),
        (aux::SECURE, 0),
        (aux::RANDOM, at),
        (aux::EXECFN, if setup.args.is_empty() { 0 } else { address(0) }),
        (aux::NULL, 0),
    ] {
        words.extend([key, value]);
    }
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let sp = (at - bytes.len() as u32) & !15;
    space.store(sp, &bytes)?;
    Ok(sp)
}
