//! The ELF header and the program headers: which segments there are.

use emu_core::mem::PAGE_SIZE;

use super::file::{File, word};
use super::image::{ElfError, Segment, SegmentProt, ThreadLocal};

/// Most program headers.
const MAX_PHDRS: usize = 64;
const MAX_ALIGN: u32 = 1 << 20;
/// Most bytes of thread-local storage of one library in one thread.
const MAX_TLS: u32 = 16 << 20;

pub(super) const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_TLS: u32 = 7;

/// Checks the ELF header; returns the architecture version.
pub(super) fn header(file: &File<'_>, core: u32) -> Result<u32, ElfError> {
    let ident = file.slice("ELF header", 0, 52)?;
    let want = |what, value: u64, right: u64, expected| {
        if value == right {
            Ok(())
        } else {
            Err(ElfError::Field {
                what,
                value,
                expected,
            })
        }
    };
    want("magic", u64::from(word(ident, 0)), 0x464c_457f, "7f 'E' 'L' 'F'")?;
    let byte = |i: usize| u64::from(ident.get(i).copied().unwrap_or_default());
    want("EI_CLASS", byte(4), 1, "1 (32 bit)")?;
    want("EI_DATA", byte(5), 1, "1 (little endian)")?;
    want("EI_VERSION", byte(6), 1, "1")?;
    want(
        "e_type",
        u64::from(file.u16("e_type", 16)?),
        3,
        "3 (shared library)",
    )?;
    want(
        "e_machine",
        u64::from(file.u16("e_machine", 18)?),
        164,
        "164 (Hexagon)",
    )?;
    want("e_phentsize", u64::from(file.u16("e_phentsize", 42)?), 32, "32")?;
    // Bits 9:0 hold the version, written as if decimal digits were hexadecimal from v60 on; 1..5 are v2..v55.
    let mach = file.u32("e_flags", 36)? & 0x3ff;
    let arch = if mach < 0x60 {
        0
    } else {
        (mach >> 8) * 100 + ((mach >> 4) & 0xf) * 10 + (mach & 0xf)
    };
    if arch > core {
        return Err(ElfError::Newer { library: arch, core });
    }
    Ok(arch)
}

/// Program header words: type, offset, vaddr, paddr, filesz, memsz, flags, align.
fn phdrs<'a>(file: &File<'a>) -> Result<impl Iterator<Item = (usize, [u32; 8])> + use<'a>, ElfError> {
    let at = u64::from(file.u32("e_phoff", 28)?);
    let count = usize::from(file.u16("e_phnum", 44)?);
    if count == 0 || count > MAX_PHDRS {
        return Err(ElfError::Field {
            what: "e_phnum",
            value: count as u64,
            expected: "1 to 64",
        });
    }
    let table = file.slice("program headers", at, count as u64 * 32)?;
    Ok(table
        .chunks_exact(32)
        .map(|p| std::array::from_fn(|i| word(p, i)))
        .enumerate())
}

/// The largest alignment that a segment asks for, a page at least.
pub(super) fn load_align(file: &File<'_>) -> Result<u32, ElfError> {
    let mut align = PAGE_SIZE;
    for (index, [kind, _, vaddr, _, _, memsz, _, a]) in phdrs(file)? {
        if kind == PT_LOAD && a > 1 {
            if !a.is_power_of_two() || a > MAX_ALIGN {
                let why = "p_align is not a power of two up to 1 MiB";
                return Err(ElfError::Segment {
                    index,
                    vaddr,
                    memsz,
                    why,
                });
            }
            align = align.max(a);
        }
    }
    Ok(align)
}

/// What the program headers say.
pub(super) struct Loads {
    /// The segments in order of address.
    pub segments: Vec<Segment>,
    /// Where the dynamic table is in the file, and its length.
    pub dynamic: Option<(u32, u32)>,
    /// Thread-local storage.
    pub tls: Option<ThreadLocal>,
}

pub(super) fn program_headers(file: &File<'_>, max_memory: u32) -> Result<Loads, ElfError> {
    let mut segments: Vec<(usize, Segment)> = Vec::new();
    let mut dynamic = None;
    let mut tls = None;
    for (index, [kind, offset, vaddr, _, filesz, memsz, flags, align]) in phdrs(file)? {
        let bad = |why| ElfError::Segment {
            index,
            vaddr,
            memsz,
            why,
        };
        match kind {
            PT_TLS if memsz > 0 => {
                if filesz > memsz {
                    return Err(bad("larger in the file than in memory"));
                }
                if memsz > MAX_TLS {
                    return Err(bad("more than 16 MiB of thread-local storage"));
                }
                if align > 1 && !align.is_power_of_two() || align > MAX_ALIGN {
                    return Err(bad("p_align is not a power of two up to 1 MiB"));
                }
                if tls.is_some() {
                    return Err(bad("a second PT_TLS"));
                }
                tls = Some((
                    index,
                    ThreadLocal {
                        vaddr,
                        filesz,
                        memsz,
                        align: align.max(1),
                    },
                ));
            }
            PT_DYNAMIC => {
                file.slice("PT_DYNAMIC", u64::from(offset), u64::from(filesz))?;
                dynamic = Some((offset, filesz));
            }
            PT_LOAD if memsz > 0 => {
                if filesz > memsz {
                    return Err(bad("larger in the file than in memory"));
                }
                if u64::from(vaddr) + u64::from(memsz) > 1 << 32 {
                    return Err(bad("reaches over the end of the 32-bit address space"));
                }
                if memsz > max_memory {
                    return Err(bad("larger than this process may load"));
                }
                file.slice("segment", u64::from(offset), u64::from(filesz))?;
                let start = offset as usize;
                let prot = SegmentProt {
                    read: flags & 4 != 0,
                    write: flags & 2 != 0,
                    execute: flags & 1 != 0,
                };
                let file = start..start + filesz as usize;
                segments.push((
                    index,
                    Segment {
                        vaddr,
                        memsz,
                        file,
                        prot,
                    },
                ));
            }
            _ => {}
        }
    }
    segments.sort_by_key(|(_, s)| s.vaddr);
    for pair in segments.windows(2) {
        if let [(_, a), (index, b)] = pair
            && a.pages().end > b.pages().start
        {
            let why = "shares pages with another segment";
            return Err(ElfError::Segment {
                index: *index,
                vaddr: b.vaddr,
                memsz: b.memsz,
                why,
            });
        }
    }
    let (Some((_, first)), Some((index, last))) = (segments.first(), segments.last()) else {
        return Err(ElfError::Field {
            what: "PT_LOAD",
            value: 0,
            expected: "at least one segment",
        });
    };
    if last.pages().end - first.pages().start > u64::from(max_memory) {
        let why = "too far from the first segment: the library is larger than this process may load";
        return Err(ElfError::Segment {
            index: *index,
            vaddr: last.vaddr,
            memsz: last.memsz,
            why,
        });
    }
    let segments: Vec<Segment> = segments.into_iter().map(|(_, s)| s).collect();
    if let Some((
        index,
        ThreadLocal {
            vaddr, filesz, memsz, ..
        },
    )) = tls
        && filesz > 0
        && !segments.iter().any(|s| s.holds(vaddr, filesz))
    {
        let why = "the first contents of thread-local storage are not inside a segment";
        return Err(ElfError::Segment {
            index,
            vaddr,
            memsz,
            why,
        });
    }
    Ok(Loads {
        segments,
        dynamic,
        tls: tls.map(|(_, tls)| tls),
    })
}
