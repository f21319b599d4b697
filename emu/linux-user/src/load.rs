//! From a static Hexagon ELF file to a filled address space.
//!
//! Modelled: what Linux does with PT_LOAD segments of ET_EXEC and of static ET_DYN (position independent, relocating
//! themselves) files, page permissions, memory behind a segment's file part zeroed. Not modelled: a program interpreter,
//! hence nothing that is linked dynamically; PT_GNU_STACK (the stack is never executable). Source: the ELF specification.

use std::sync::Arc;

use goblin::elf::Elf;
use goblin::elf::header::{EM_QDSP6, ET_DYN, ET_EXEC};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD, ProgramHeader};
use hexagon_isa::Arch;

use super::error::ExecError;
use emu_core::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
use emu_core::memory::Memory;

/// Where a position-independent program is put.
const BASE: u32 = 0x0400_0000;
/// Most segments; linkers make four.
const MAX_SEGMENTS: usize = 64;

/// What the initial stack and the heap need to know of a loaded file.
#[derive(Debug)]
pub(super) struct Image {
    /// Where it starts.
    pub entry: u32,
    /// Behind its last segment, in whole pages.
    pub end: u32,
    /// Where its program headers are in memory; 0 if no segment has them.
    pub headers: u32,
    /// How many.
    pub count: u32,
    /// The architecture that it was built for.
    pub arch: Option<Arch>,
}

/// A PT_LOAD segment, checked.
struct Segment<'a> {
    at: u32,
    bytes: &'a [u8],
    /// Its first page and the page behind its last.
    pages: (u32, u32),
    prot: Prot,
}

fn bad<T>(why: impl Into<String>) -> Result<T, ExecError> {
    Err(ExecError::Elf(why.into()))
}

/// Loads `file` into an address space of its own, of which it may fill `limit` bytes.
pub(super) fn load(file: &[u8], limit: u64) -> Result<(AddressSpace, Image), ExecError> {
    let elf = Elf::parse(file).map_err(|e| ExecError::Elf(e.to_string()))?;
    if elf.is_64 || !elf.little_endian || elf.header.e_machine != EM_QDSP6 {
        return bad("another machine");
    }
    let base = match elf.header.e_type {
        ET_EXEC => 0,
        ET_DYN => BASE,
        _ => return bad("neither an executable nor a position-independent one"),
    };
    if elf.program_headers.iter().any(|p| p.p_type == PT_INTERP) {
        return bad("it is linked dynamically; link it with -static");
    }
    let segments = segments(&elf, file, base)?;
    let (Some(low), Some(end)) = (
        segments.iter().map(|s| s.pages.0).min(),
        segments.iter().map(|s| s.pages.1).max(),
    ) else {
        return bad("it has nothing to load");
    };
    // Overlaps count twice; what is real has none.
    let total: u64 = segments.iter().map(|s| u64::from(s.pages.1 - s.pages.0)).sum();
    if total > limit {
        return Err(ExecError::TooLarge {
            what: "the file's segments",
            limit,
        });
    }
    if low < PAGE_SIZE {
        return bad("a segment at address 0");
    }
    let space = space()?;
    map(&space, &segments)?;
    let Some(entry) = u32::try_from(elf.header.e_entry)
        .ok()
        .and_then(|e| e.checked_add(base))
    else {
        return bad("its entry is outside 32 bits");
    };
    let image = Image {
        entry,
        end,
        headers: headers(&elf, base),
        count: u32::from(elf.header.e_phnum),
        arch: Arch::from_elf_flags(elf.header.e_flags),
    };
    Ok((space, image))
}

/// An address space; it wants a bus, to which nothing of this program goes.
fn space() -> Result<AddressSpace, ExecError> {
    let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0)?;
    let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
    Ok(AddressSpace::new(Arc::new(bus), 0))
}

fn segments<'a>(elf: &Elf, file: &'a [u8], base: u32) -> Result<Vec<Segment<'a>>, ExecError> {
    let mut out = Vec::new();
    for ph in elf
        .program_headers
        .iter()
        .filter(|p| p.p_type == PT_LOAD && p.p_memsz > 0)
    {
        if out.len() == MAX_SEGMENTS {
            return bad("too many segments");
        }
        let place = || -> Option<(u32, (u32, u32))> {
            let at = u32::try_from(ph.p_vaddr).ok()?.checked_add(base)?;
            let top = at.checked_add(u32::try_from(ph.p_memsz).ok()?)?;
            Some((
                at,
                (at & !(PAGE_SIZE - 1), top.checked_next_multiple_of(PAGE_SIZE)?),
            ))
        };
        let Some((at, pages)) = place() else {
            return bad("segment outside 32 bits");
        };
        if ph.p_filesz > ph.p_memsz {
            return bad("a segment larger in the file than in memory");
        }
        let bytes = usize::try_from(ph.p_offset)
            .ok()
            .zip(usize::try_from(ph.p_filesz).ok())
            .and_then(|(o, n)| file.get(o..o.checked_add(n)?));
        let Some(bytes) = bytes else {
            return bad("truncated segment");
        };
        out.push(Segment {
            at,
            bytes,
            pages,
            prot: prot(ph),
        });
    }
    Ok(out)
}

fn prot(ph: &ProgramHeader) -> Prot {
    let bit = |flag, prot| {
        if ph.p_flags & flag != 0 { prot } else { Prot::NONE }
    };
    bit(PF_R, Prot::READ) | bit(PF_W, Prot::WRITE) | bit(PF_X, Prot::EXECUTE)
}

/// Maps and fills the segments. Those that share a page share its permissions.
fn map(space: &AddressSpace, segments: &[Segment]) -> Result<(), ExecError> {
    let failed = |source| ExecError::Map {
        what: "a segment",
        source,
    };
    let mut edges: Vec<u32> = segments.iter().flat_map(|s| [s.pages.0, s.pages.1]).collect();
    edges.sort_unstable();
    edges.dedup();
    let ranges: Vec<(u32, u32, Prot)> = edges
        .windows(2)
        .filter_map(|w| {
            let &[from, to] = w else { return None };
            let here = segments.iter().filter(|s| s.pages.0 <= from && to <= s.pages.1);
            let prot = here.map(|s| s.prot).reduce(|a, b| a | b)?;
            Some((from, to - from, prot))
        })
        .collect();
    for (va, len, _) in &ranges {
        space.map_anonymous(Some(*va), *len, Prot::RW).map_err(failed)?;
    }
    for s in segments {
        space.store(s.at, s.bytes)?;
    }
    for (va, len, prot) in ranges {
        space.protect(va, len, prot).map_err(failed)?;
    }
    Ok(())
}

/// Where the program headers are in memory.
fn headers(elf: &Elf, base: u32) -> u32 {
    let offset = elf.header.e_phoff;
    elf.program_headers
        .iter()
        .filter(|p| p.p_type == PT_LOAD)
        .find(|p| p.p_offset <= offset && offset - p.p_offset < p.p_filesz)
        .and_then(|p| u32::try_from(p.p_vaddr.wrapping_add(offset - p.p_offset)).ok())
        .map_or(0, |at| at.wrapping_add(base))
}
