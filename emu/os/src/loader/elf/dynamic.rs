//! The dynamic table: where everything else is.

use super::file::{File, word};
use super::image::ElfError;

/// Most libraries that one needs.
pub(super) const MAX_NEEDED: usize = 64;

const DT_NULL: u32 = 0;
const DT_NEEDED: u32 = 1;
const DT_PLTRELSZ: u32 = 2;
const DT_HASH: u32 = 4;
const DT_STRTAB: u32 = 5;
const DT_SYMTAB: u32 = 6;
const DT_RELA: u32 = 7;
const DT_RELASZ: u32 = 8;
const DT_RELAENT: u32 = 9;
const DT_STRSZ: u32 = 10;
const DT_SYMENT: u32 = 11;
const DT_INIT: u32 = 12;
const DT_FINI: u32 = 13;
const DT_SONAME: u32 = 14;
const DT_REL: u32 = 17;
const DT_PLTREL: u32 = 20;
const DT_JMPREL: u32 = 23;
const DT_INIT_ARRAY: u32 = 25;
const DT_FINI_ARRAY: u32 = 26;
const DT_INIT_ARRAYSZ: u32 = 27;
const DT_FINI_ARRAYSZ: u32 = 28;
const DT_RELRSZ: u32 = 35;
const DT_RELR: u32 = 36;
const DT_RELRENT: u32 = 37;
const DT_GNU_HASH: u32 = 0x6fff_fef5;
const DT_VERSYM: u32 = 0x6fff_fff0;
const DT_VERDEF: u32 = 0x6fff_fffc;
const DT_VERDEFNUM: u32 = 0x6fff_fffd;
const DT_VERNEED: u32 = 0x6fff_fffe;
const DT_VERNEEDNUM: u32 = 0x6fff_ffff;

/// The dynamic table's entries that matter.
#[derive(Default)]
pub(super) struct Dynamic {
    pub needed: Vec<u32>,
    pub soname: Option<u32>,
    pub strtab: Option<u32>,
    pub strsz: u32,
    pub symtab: Option<u32>,
    pub hash: Option<u32>,
    pub gnu_hash: Option<u32>,
    pub versym: Option<u32>,
    pub verdef: Option<u32>,
    pub verdefnum: u32,
    pub verneed: Option<u32>,
    pub verneednum: u32,
    pub rela: Option<u32>,
    pub relasz: u32,
    pub relr: Option<u32>,
    pub relrsz: u32,
    pub jmprel: Option<u32>,
    pub pltrelsz: u32,
    pub init: Option<u32>,
    pub fini: Option<u32>,
    pub init_array: Option<u32>,
    pub init_arraysz: u32,
    pub fini_array: Option<u32>,
    pub fini_arraysz: u32,
}

pub(super) fn dynamic_table(file: &File<'_>, at: u32, len: u32) -> Result<Dynamic, ElfError> {
    let bytes = file.slice("PT_DYNAMIC", u64::from(at), u64::from(len))?;
    let mut d = Dynamic::default();
    let is = |what, value: u32, right: u32, expected| {
        if value == right {
            Ok(())
        } else {
            Err(ElfError::Field {
                what,
                value: u64::from(value),
                expected,
            })
        }
    };
    for entry in bytes.chunks_exact(8) {
        let v = word(entry, 1);
        match word(entry, 0) {
            DT_NULL => break,
            DT_NEEDED if d.needed.len() >= MAX_NEEDED => {
                return Err(ElfError::Table {
                    table: "DT_NEEDED",
                    why: "more than 64 entries",
                    value: 65,
                });
            }
            DT_NEEDED => d.needed.push(v),
            DT_SONAME => d.soname = Some(v),
            DT_STRTAB => d.strtab = Some(v),
            DT_STRSZ => d.strsz = v,
            DT_SYMTAB => d.symtab = Some(v),
            DT_SYMENT => is("DT_SYMENT", v, 16, "16")?,
            DT_HASH => d.hash = Some(v),
            DT_GNU_HASH => d.gnu_hash = Some(v),
            DT_VERSYM => d.versym = Some(v),
            DT_VERDEF => d.verdef = Some(v),
            DT_VERDEFNUM => d.verdefnum = v,
            DT_VERNEED => d.verneed = Some(v),
            DT_VERNEEDNUM => d.verneednum = v,
            DT_RELA => d.rela = Some(v),
            DT_RELASZ => d.relasz = v,
            DT_RELAENT => is("DT_RELAENT", v, 12, "12")?,
            DT_REL => return Err(ElfError::Unsupported("DT_REL (relocations without addends)")),
            DT_PLTREL => is("DT_PLTREL", v, DT_RELA, "7 (RELA)")?,
            DT_RELR => d.relr = Some(v),
            DT_RELRSZ => d.relrsz = v,
            DT_RELRENT => is("DT_RELRENT", v, 4, "4")?,
            DT_JMPREL => d.jmprel = Some(v),
            DT_PLTRELSZ => d.pltrelsz = v,
            DT_INIT => d.init = Some(v),
            DT_FINI => d.fini = Some(v),
            DT_INIT_ARRAY => d.init_array = Some(v),
            DT_INIT_ARRAYSZ => d.init_arraysz = v,
            DT_FINI_ARRAY => d.fini_array = Some(v),
            DT_FINI_ARRAYSZ => d.fini_arraysz = v,
            _ => {}
        }
    }
    Ok(d)
}
