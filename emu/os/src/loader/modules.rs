//! The libraries of a process: placed, initialised, unloaded. [`binding`](super::binding) binds them to each other and to the
//! built-in module.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::elf::{Binding, Image, Segment, SegmentProt, Symbol};
use super::gather::{Library, is_built_in};
use super::names::{Names, Wanted};
use super::thread_storage::ThreadStorage;
use super::uri;
use crate::builtins::Builtins;
use crate::error::OpenError;
use crate::memory::{NoMemory, ProcessMemory};
use emu_core::mem::Prot;
use emu_core::memory::{MemFault, Memory as _};
use rpmsg::Aee;

/// Identifies a loaded library within its process.
pub type ModuleId = u32;

/// Why a library could not be placed.
#[derive(Debug)]
pub enum InstallError {
    /// There is no memory; more may be had.
    NoMemory(NoMemory),
    /// A library that it needs was unloaded since it was looked for: gather again.
    Gone,
    /// It cannot be loaded.
    Refused(OpenError),
}

/// A loaded library.
pub struct Module {
    pub(super) id: ModuleId,
    /// What the process knows it by ([`uri::plain`]).
    pub name: String,
    pub(super) image: Arc<Image>,
    /// What its addresses are relative to.
    pub(super) base: u32,
    reserved: u32,
    pub(super) needs: Vec<ModuleId>,
    /// Handles and libraries that use it.
    refs: usize,
    /// Symbols that have addresses.
    symbols: Names,
    /// Thread-local symbols: offsets in its storage.
    locals: Names,
    stage: Stage,
    /// Where what is told of it lies (`dl_iterate_phdr`).
    pub(super) told: Option<u32>,
}

/// How far a library has come.
enum Stage {
    /// Its initialisers have not begun.
    Placed,
    /// They have: its finalisers are to run.
    Initialised,
    /// These are left of them.
    Finalising(VecDeque<u32>),
}

impl Module {
    /// A defined symbol's address.
    pub(super) fn symbol(&self, wanted: Wanted<'_>) -> Option<u32> {
        self.symbols.find(&self.image, wanted)
    }

    /// A thread-local symbol's offset in the library's storage.
    pub(super) fn local(&self, wanted: Wanted<'_>) -> Option<u32> {
        self.locals.find(&self.image, wanted)
    }

    /// Functions to call after loading, in order.
    fn initialisers(&self, memory: &ProcessMemory) -> VecDeque<u32> {
        let single = self.image.init.map(|at| self.base.wrapping_add(at));
        let ctors = self.array(self.image.ctors, memory).into_iter().rev();
        single
            .into_iter()
            .chain(ctors)
            .chain(self.array(self.image.init_array, memory))
            .collect()
    }

    /// Functions to call before unloading, in order.
    fn finalisers(&self, memory: &ProcessMemory) -> VecDeque<u32> {
        let single = self.image.fini.map(|at| self.base.wrapping_add(at));
        let mut array = self.array(self.image.fini_array, memory);
        array.reverse();
        array
            .into_iter()
            .chain(self.array(self.image.dtors, memory))
            .chain(single)
            .collect()
    }

    /// Entries of an initialiser array as they stand in memory (relocated); 0 and −1 mean nothing there.
    fn array(&self, array: Option<(u32, u32)>, memory: &ProcessMemory) -> Vec<u32> {
        let Some((at, count)) = array else {
            return Vec::new();
        };
        (0..count)
            .filter_map(|i| {
                memory
                    .space
                    .load32(self.base.wrapping_add(at).wrapping_add(i * 4))
                    .ok()
            })
            .filter(|&f| f != 0 && f != u32::MAX)
            .collect()
    }

    /// Does the address lie in the library?
    pub fn holds(&self, at: u32) -> bool {
        let span = &self.image.span;
        (span.start..span.end).contains(&u64::from(at.wrapping_sub(self.base)))
    }
}

/// What a code address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeAddress {
    /// That of a packet.
    Packet,
    /// Where a call returns to.
    Return,
}

/// Where a code address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `library!function`, or the library alone if no function is known to hold the address.
    pub function: String,
    /// Bytes from the function's beginning, or from what the library's addresses are relative to.
    pub offset: Option<u32>,
    /// The library's name and what its addresses are relative to; `None`: the built-in module.
    pub library: Option<(String, u32)>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{}+{offset:#x}", self.function),
            None => f.write_str(&self.function),
        }
    }
}

/// All loaded libraries.
pub struct Modules {
    pub(super) builtins: Arc<Builtins>,
    pub(super) map: BTreeMap<ModuleId, Module>,
    by_name: HashMap<String, ModuleId>,
    pub(super) next: ModuleId,
    /// Libraries whose symbols all find (`RTLD_GLOBAL`), in order.
    pub(super) globals: Vec<ModuleId>,
    pub(super) storage: ThreadStorage,
}

impl Modules {
    /// None yet.
    pub fn new(builtins: Arc<Builtins>) -> Self {
        Self {
            builtins,
            map: BTreeMap::new(),
            by_name: HashMap::new(),
            next: 0,
            globals: Vec::new(),
            storage: ThreadStorage::default(),
        }
    }

    /// Is the address in the built-in module's code?
    pub fn is_built_in(&self, pc: u32) -> bool {
        self.builtins.name_at(pc).is_some()
    }

    /// The library that the process knows by this name.
    pub fn find(&self, name: &str) -> Option<ModuleId> {
        self.by_name.get(name).copied()
    }

    /// A library by id.
    pub fn get(&self, id: ModuleId) -> Option<&Module> {
        self.map.get(&id)
    }

    /// Names of all libraries.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.by_name.keys()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.map.len()
    }

    /// Ids of all libraries, users before what they need.
    pub fn newest_first(&self) -> impl Iterator<Item = ModuleId> {
        self.map.keys().rev().copied()
    }

    /// A library's functions to call after loading, in order; from now on its finalisers are to be called, too.
    pub fn initialise(&mut self, id: ModuleId, memory: &ProcessMemory) -> VecDeque<u32> {
        let Some(module) = self.map.get_mut(&id) else {
            return VecDeque::new();
        };
        module.stage = Stage::Initialised;
        module.initialisers(memory)
    }

    /// The next of the functions that a library has called before it goes, each given out once.
    pub fn next_finaliser(&mut self, id: ModuleId, memory: &ProcessMemory) -> Option<u32> {
        let module = self.map.get_mut(&id)?;
        if let Stage::Initialised = module.stage {
            module.stage = Stage::Finalising(module.finalisers(memory));
        }
        match &mut module.stage {
            Stage::Finalising(left) => left.pop_front(),
            Stage::Placed | Stage::Initialised => None,
        }
    }

    /// May a library have functions to call before it goes?
    pub fn has_finalisers(&self, id: ModuleId) -> bool {
        self.map.get(&id).is_some_and(|module| {
            let image = &module.image;
            image.fini.is_some() || image.fini_array.is_some() || image.dtors.is_some()
        })
    }

    /// A symbol of a library or of what it needs (not of the built-in module), by its name alone.
    pub fn symbol(&self, id: ModuleId, name: &[u8]) -> Option<u32> {
        self.wanted(id, Wanted::named(name))
    }

    /// A symbol of a library or of what it needs.
    pub(super) fn wanted(&self, id: ModuleId, wanted: Wanted<'_>) -> Option<u32> {
        self.search(id, |module| module.symbol(wanted))
    }

    /// Asks a library and what it needs, breadth first, for something.
    pub(super) fn search<T>(&self, id: ModuleId, ask: impl Fn(&Module) -> Option<T>) -> Option<T> {
        let mut queue = VecDeque::from([id]);
        let mut seen = vec![id];
        while let Some(id) = queue.pop_front() {
            let module = self.map.get(&id)?;
            if let Some(found) = ask(module) {
                return Some(found);
            }
            for &need in &module.needs {
                if !seen.contains(&need) {
                    seen.push(need);
                    queue.push_back(need);
                }
            }
        }
        None
    }

    /// What a code address is called. Behind a call that never returns another function begins: a return address belongs to
    /// the packet before it.
    pub fn describe(&self, pc: u32, kind: CodeAddress) -> Option<Place> {
        if let Some(name) = self.builtins.name_at(pc) {
            return Some(Place {
                function: format!("(built-in)!{name}"),
                offset: None,
                library: None,
            });
        }
        let module = self.map.values().find(|m| m.holds(pc))?;
        let offset = pc.wrapping_sub(module.base);
        let inside = match kind {
            CodeAddress::Packet => offset,
            CodeAddress::Return => offset.wrapping_sub(4),
        };
        let (function, offset) = match module.image.function_at(inside) {
            Some(f) => (
                format!("{}!{}", module.name, f.name),
                offset.wrapping_sub(f.value),
            ),
            None => (module.name.clone(), offset),
        };
        Some(Place {
            function,
            offset: Some(offset).filter(|&offset| offset > 0),
            library: Some((module.name.clone(), module.base)),
        })
    }

    /// Another user of a library.
    pub fn retain(&mut self, id: ModuleId) {
        if let Some(m) = self.map.get_mut(&id) {
            m.refs += 1;
        }
    }

    /// One user less. Returns the libraries that nobody uses any more, users before what they need; they can no longer
    /// be found, but stay in memory until [`remove`](Self::remove).
    pub fn release(&mut self, id: ModuleId) -> Vec<ModuleId> {
        let mut doomed = Vec::new();
        let mut queue = VecDeque::from([id]);
        while let Some(id) = queue.pop_front() {
            let Some(m) = self.map.get_mut(&id) else { continue };
            m.refs = m.refs.saturating_sub(1);
            if m.refs == 0 {
                doomed.push(id);
                queue.extend(m.needs.iter().copied());
                self.by_name.remove(&m.name);
                self.globals.retain(|&global| global != id);
            }
        }
        doomed
    }

    /// Takes a library out of memory.
    pub fn remove(&mut self, id: ModuleId, memory: &ProcessMemory) {
        if let Some(m) = self.map.remove(&id) {
            // Another copy may have been loaded since this one was released.
            if self.by_name.get(&m.name) == Some(&id) {
                self.by_name.remove(&m.name);
            }
            self.storage.module_gone(id, memory);
            self.globals.retain(|&global| global != id);
            if let Some(told) = m.told {
                memory.release(told);
            }
            memory.release(m.reserved);
        }
    }

    /// Places a library whose needs are placed already. It has no user yet ([`retain`](Self::retain)).
    pub fn install(&mut self, library: &Library, memory: &ProcessMemory) -> Result<ModuleId, InstallError> {
        let image = &library.image;
        let mut needs = Vec::new();
        for name in image.needed.iter().filter(|n| !is_built_in(n)) {
            let needed = uri::plain(name).map_err(InstallError::Refused)?;
            needs.push(self.find(&needed).ok_or(InstallError::Gone)?);
        }
        self.check_versions(library, &needs)?;
        let span = u32::try_from(image.span.end - image.span.start).unwrap_or(u32::MAX);
        let reserved = memory
            .reserve(span, image.align)
            .map_err(InstallError::NoMemory)?;
        let base = reserved.wrapping_sub(image.span.start as u32);
        let defined = || {
            let symbols = image.symbols.iter();
            symbols.filter(|s| s.defined && s.binding != Binding::Local)
        };
        let address = |s: &Symbol| match s.absolute {
            true => s.value,
            false => base.wrapping_add(s.value),
        };
        let named = defined().filter(|s| s.named_thing);
        let symbols = Names::of(image, named.map(|s| (s, address(s))));
        let locals = defined().filter(|s| s.thread_local && image.tls.is_some());
        let locals = Names::of(image, locals.map(|s| (s, s.value)));
        let id = self.next;
        self.next += 1;
        let module = Module {
            id,
            name: library.name.clone(),
            image: image.clone(),
            base,
            reserved,
            needs,
            refs: 0,
            symbols,
            locals,
            stage: Stage::Placed,
            told: None,
        };
        self.by_name.insert(module.name.clone(), id);
        self.map.insert(id, module);
        if let Err(error) = self.fix_storage(id, memory).and_then(|()| self.place(id, memory)) {
            self.remove(id, memory);
            return Err(error);
        }
        for need in self.map[&id].needs.clone() {
            self.retain(need);
        }
        tracing::info!(
            target: "emu::os", library = library.name, base = format_args!("{base:#x}"), bytes = span, arch = image.arch,
            "library loaded"
        );
        Ok(id)
    }

    /// Takes back an installation that is not going to be used: as `remove`, and its needs lose a user.
    pub fn uninstall(&mut self, id: ModuleId, memory: &ProcessMemory) {
        let needs = self.map.get(&id).map(|m| m.needs.clone()).unwrap_or_default();
        self.remove(id, memory);
        for need in needs {
            if let Some(m) = self.map.get_mut(&need) {
                m.refs = m.refs.saturating_sub(1);
            }
        }
    }

    fn place(&mut self, id: ModuleId, memory: &ProcessMemory) -> Result<(), InstallError> {
        let module = &self.map[&id];
        let image = &module.image;
        let pages = |s: &Segment| {
            let range = s.pages();
            (
                module.base.wrapping_add(range.start as u32),
                (range.end - range.start) as u32,
            )
        };
        for segment in &image.segments {
            let (at, len) = pages(segment);
            memory
                .back(module.reserved, at, len)
                .map_err(InstallError::NoMemory)?;
            let bytes = image.segment_bytes(segment);
            if !bytes.is_empty() {
                let to = module.base.wrapping_add(segment.vaddr);
                memory
                    .space
                    .store(to, bytes)
                    .map_err(|f| self.fault(module, f.into()))?;
            }
        }
        self.relocate(id, memory)?;
        for segment in &image.segments {
            let (at, len) = pages(segment);
            let why = |why| self.refuse(module, why);
            memory.protect(at, len, prot(segment.prot)).map_err(why)?;
        }
        let filled = self.storage.fill(id, memory);
        filled.map_err(|why| self.no_storage(id, why))
    }

    pub(super) fn refuse(&self, module: &Module, why: String) -> InstallError {
        InstallError::Refused(OpenError::new(
            Aee::UNABLE_TO_LOAD,
            format!("{}: {why}", module.name),
        ))
    }

    pub(super) fn fault(&self, module: &Module, fault: MemFault) -> InstallError {
        self.refuse(module, format!("the memory for it is not accessible: {fault}"))
    }
}

fn prot(p: SegmentProt) -> Prot {
    let bit = |on, prot| if on { prot } else { Prot::NONE };
    bit(p.read, Prot::READ) | bit(p.write, Prot::WRITE) | bit(p.execute, Prot::EXECUTE)
}
