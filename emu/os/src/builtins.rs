//! The built-in module as a process sees it: the stubs of the functions that it has from the DSP itself, and the data that
//! the module exports.
//!
//! A built-in function is a stub in the process, `{ trap0(#0) } { jumpr r31 }`, whose trap the emulator carries out. A trap
//! is recognised by its address, so there may be more functions than trap numbers, and a trap anywhere else is not ours.
//! Where the stubs are and which there are is said by a [`Builtins`]: either made of everything that the emulator can do, or
//! of the image that the AP loaded as the DSP's firmware, whose code processes then run as it lies in the carveout
//! ([`imports`](crate::imports) makes both). One more stub is where guest functions return to that the emulator called.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use emu_core::mem::{AddressSpace, MapError, PAGE_SIZE, Prot};
use emu_core::memory::Memory as _;

/// Where code and data from the DSP may lie in a process: below everything else.
pub const WINDOW: Range<u32> = 0x0001_0000..0x1000_0000;
/// Symbol of the word that stack canaries are copied from.
pub const STACK_GUARD: &str = "__stack_chk_guard";
/// Symbol of `errno`.
pub const ERRNO: &str = "errno";
/// Symbols of the standard streams' objects, by descriptor: what the SDK's headers make of `stdin`, `stdout`, `stderr`.
pub const STREAMS: [&str; 3] = ["_Stdin", "_Stdout", "_Stderr"];
/// Symbols of pointers to them, as musl and newlib have them.
pub const STREAM_POINTERS: [&str; 3] = ["stdin", "stdout", "stderr"];
/// Symbol of the word that holds the handle of the pool of memory regions, and that handle.
pub const DEFAULT_POOL: (&str, u32) = ("qurt_mem_default_pool", 1);
/// Symbols of the words of `getopt`, with what is in them at first.
pub const OPTIONS: [(&str, u32); 5] = [
    ("optarg", 0),
    ("optind", 1),
    ("opterr", 1),
    ("optopt", 0),
    ("optreset", 0),
];
/// Symbol of the text that `strerror` answers.
pub const ERROR_TEXT: &str = "__error_text";

/// What a trap asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stub {
    /// A guest function that the emulator called has returned.
    Return,
    /// The imported function of this number.
    Function(u16),
}

/// What a firmware image brings into every process.
pub struct ProcessImage<'a> {
    /// What it is, for messages: "the firmware …".
    pub origin: String,
    /// Exported symbols and their addresses, all in `text` or the data.
    pub symbols: &'a BTreeMap<String, u32>,
    /// Code: addresses in a process; starts at a page.
    pub text: Range<u32>,
    /// The code itself.
    pub code: Code,
    /// Address of the data in a process; a page.
    pub data_at: u32,
    /// What the data is at first.
    pub data: Vec<u8>,
    /// The trap that functions return to which the emulator called.
    pub process_return: u32,
}

/// Where the code of stubs comes from.
pub enum Code {
    /// These bytes, copied into each process.
    Bytes(Vec<u8>),
    /// The AP's memory as it is, from this physical address (a page) on.
    Physical(u64),
}

/// What processes of a DSP have from the DSP itself.
pub struct Builtins {
    origin: String,
    by_name: HashMap<Box<[u8]>, u32>,
    names: BTreeMap<u32, Box<str>>,
    text: Range<u32>,
    code: Code,
    /// What a trap at each word of the text asks for: 0 nothing, 1 the return, n + 2 function n.
    traps: Vec<u16>,
    process_return: u32,
    data_at: u32,
    data: Vec<u8>,
    errno: Option<u32>,
    stack_guard: Option<u32>,
    error_text: Option<u32>,
}

impl fmt::Debug for Builtins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builtins")
            .field("origin", &self.origin)
            .field("symbols", &self.by_name.len())
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

impl Builtins {
    /// What an image exports. A symbol whose name has no number is code of the image's own.
    pub fn new(image: ProcessImage<'_>, number: impl Fn(&str) -> Option<u16>) -> Self {
        let words = (image.text.end.saturating_sub(image.text.start)).div_ceil(4);
        let mut traps = vec![0; words as usize];
        let mut names = BTreeMap::new();
        let slot = |at: u32| {
            let offset = at.checked_sub(image.text.start)?;
            offset.is_multiple_of(4).then_some(offset as usize / 4)
        };
        for (name, &at) in image.symbols {
            if let Some(trap) = slot(at).and_then(|n| traps.get_mut(n)) {
                *trap = number(name).and_then(|n| n.checked_add(2)).unwrap_or(0);
                names.insert(at, name.as_str().into());
            }
        }
        if let Some(trap) = slot(image.process_return).and_then(|n| traps.get_mut(n)) {
            *trap = 1;
            names.insert(image.process_return, "(return to the DSP's OS)".into());
        }
        // A word of the data: four bytes inside of it.
        let end = u64::from(image.data_at) + image.data.len() as u64;
        let object = |name: &str| {
            let at = *image.symbols.get(name)?;
            (at >= image.data_at && u64::from(at) + 4 <= end).then_some(at)
        };
        Self {
            errno: object(ERRNO),
            stack_guard: object(STACK_GUARD),
            error_text: object(ERROR_TEXT),
            by_name: image
                .symbols
                .iter()
                .map(|(name, at)| (name.as_bytes().into(), *at))
                .collect(),
            origin: image.origin,
            names,
            text: image.text,
            code: image.code,
            traps,
            process_return: image.process_return,
            data_at: image.data_at,
            data: image.data,
        }
    }

    /// Where all this is from, as the end of "X is not … ".
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Address of a symbol.
    pub fn address(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// What a trap at `at` asks for.
    pub fn stub(&self, at: u32) -> Option<Stub> {
        let offset = at.wrapping_sub(self.text.start);
        if !offset.is_multiple_of(4) {
            return None;
        }
        match *self.traps.get(offset as usize / 4)? {
            0 => None,
            1 => Some(Stub::Return),
            n => Some(Stub::Function(n - 2)),
        }
    }

    /// Name of the built-in function that holds `pc`.
    pub fn name_at(&self, pc: u32) -> Option<&str> {
        if !self.text.contains(&pc) {
            return None;
        }
        self.names.range(..=pc).next_back().map(|(_, name)| &**name)
    }

    /// The trap that guest functions return to which the emulator called.
    pub fn process_return(&self) -> u32 {
        self.process_return
    }

    /// Address of `errno`, if there is one.
    pub fn errno(&self) -> Option<u32> {
        self.errno
    }

    /// Address of the text that `strerror` answers, if there is one.
    pub fn error_text(&self) -> Option<u32> {
        self.error_text
    }

    /// Maps code and data into a new process.
    pub fn map(&self, space: &AddressSpace) -> Result<(), MapError> {
        let start = self.text.start;
        let len = (self.text.end - start).next_multiple_of(PAGE_SIZE);
        match &self.code {
            Code::Physical(at) => {
                space.map_physical(Some(start), *at, len, Prot::RX)?;
            }
            Code::Bytes(bytes) => {
                space.map_anonymous(Some(start), len, Prot::RW)?;
                // Just mapped, so it can be written.
                let _ = space.store(start, bytes);
                space.protect(start, len, Prot::RX)?;
            }
        }
        let len = (self.data.len().max(1) as u32).next_multiple_of(PAGE_SIZE);
        space.map_anonymous(Some(self.data_at), len, Prot::RW)?;
        let _ = space.store(self.data_at, &self.data);
        if let Some(at) = self.stack_guard {
            // Random enough to differ between processes; the low byte is 0 so that string functions stop there.
            let guard = RandomState::new().build_hasher().finish() as u32 & !0xff;
            let _ = space.store32(at, guard);
        }
        Ok(())
    }
}
