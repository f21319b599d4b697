//! Binds a placed library to others and to the built-in module.
//!
//! Symbols are looked up in the library itself (all skeletons are linked `-Bsymbolic`), then in what it needs, breadth
//! first, then in libraries that were opened for all (`RTLD_GLOBAL`), then in the built-in module, which has no versions. All relocations are applied at once; there is no lazy binding.

use std::collections::{BTreeSet, HashMap};

use super::elf::{Binding, RelocationKind};
use super::gather::{Library, is_built_in};
use super::modules::{InstallError, Module, ModuleId, Modules};
use super::names::Wanted;
use super::thread_storage::{NoStorage, Template};
use super::uri;
use crate::error::OpenError;
use crate::memory::{NoMemory, ProcessMemory};
use emu_core::memory::Memory as _;
use rpmsg::Aee;

/// Names that are told of those that are missing.
const MOST_NAMES: usize = 16;

/// A thread-local symbol: the library that has it, and its offset there; `None`: it is weak, and nobody has it.
type Local = Option<(ModuleId, u32)>;

/// Symbols that are nowhere: the first names, and how many there are. A library may want many, with long names.
#[derive(Default)]
struct Missing {
    names: Vec<String>,
    count: usize,
}

impl Missing {
    fn add(&mut self, name: String) {
        self.count += 1;
        if self.names.len() < MOST_NAMES {
            self.names.push(name);
        }
    }
}

impl Modules {
    /// Applies a library's relocations.
    pub(super) fn relocate(&self, id: ModuleId, memory: &ProcessMemory) -> Result<(), InstallError> {
        let module = &self.map[&id];
        let mut missing = Missing::default();
        // A name may be wanted by many relocations: look each symbol up once.
        let mut values: HashMap<u32, u32> = HashMap::new();
        let mut locals: HashMap<u32, Local> = HashMap::new();
        for r in &module.image.relocations {
            let value = match r.kind {
                RelocationKind::Relative => module.base,
                RelocationKind::Symbol(index) => *values.entry(index).or_insert_with(|| {
                    self.bind(module, index).unwrap_or_else(|name| {
                        missing.add(name);
                        0
                    })
                }),
                RelocationKind::ThreadModule(index)
                | RelocationKind::ThreadOffset(index)
                | RelocationKind::ThreadPlace(index) => {
                    let local = *locals.entry(index).or_insert_with(|| {
                        self.bind_local(id, module, index).unwrap_or_else(|name| {
                            missing.add(name);
                            None
                        })
                    });
                    match (r.kind, local) {
                        (_, None) => 0,
                        (RelocationKind::ThreadModule(_), Some((of, _))) => thread_module_number(of),
                        (RelocationKind::ThreadOffset(_), Some((_, offset))) => offset,
                        (_, Some((of, offset))) => {
                            let distance = self.storage.distance(of).unwrap_or_default();
                            distance.wrapping_add(offset)
                        }
                    }
                }
            };
            // The word may be unaligned in a corrupt file: a byte store does not care.
            let to = module.base.wrapping_add(r.offset);
            let word = value.wrapping_add(r.addend).to_le_bytes();
            memory
                .space
                .store(to, &word)
                .map_err(|f| self.fault(module, f.into()))?;
        }
        if missing.count == 0 {
            return Ok(());
        }
        let rest = match missing.count - missing.names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(self.refuse(
            module,
            format!(
                "undefined symbols: {}{rest} (neither in its libraries nor {})",
                missing.names.join(", "),
                self.builtins.origin()
            ),
        ))
    }

    /// The value of a dynamic symbol; `Err`: its name, if it must be defined and is not.
    fn bind(&self, module: &Module, index: u32) -> Result<u32, String> {
        let image = &module.image;
        let Some(symbol) = image.symbols.get(index as usize).filter(|_| index != 0) else {
            return Ok(0);
        };
        if symbol.defined {
            let base = if symbol.absolute { 0 } else { module.base };
            return Ok(base.wrapping_add(symbol.value));
        }
        let wanted = Wanted::by(image, symbol);
        let mut elsewhere = module.needs.iter().chain(&self.globals);
        let found = elsewhere.find_map(|&id| self.wanted(id, wanted));
        match found.or_else(|| self.builtins.address(wanted.name())) {
            Some(at) => Ok(at),
            None if symbol.binding == Binding::Weak => Ok(0),
            None => Err(wanted.text()),
        }
    }

    /// The library and offset of a thread-local symbol; `Err`: its name, if it must be defined and is not.
    fn bind_local(&self, id: ModuleId, module: &Module, index: u32) -> Result<Local, String> {
        let image = &module.image;
        let Some(symbol) = image.symbols.get(index as usize).filter(|_| index != 0) else {
            return Ok(Some((id, 0)));
        };
        if symbol.defined {
            return Ok(Some((id, symbol.value)));
        }
        let wanted = Wanted::by(image, symbol);
        let mut elsewhere = module.needs.iter().chain(&self.globals);
        let found = elsewhere.find_map(|&id| self.local_symbol(id, wanted));
        match found {
            None if symbol.binding != Binding::Weak => Err(wanted.text()),
            found => Ok(found),
        }
    }

    /// A thread-local symbol of a library or of what it needs.
    fn local_symbol(&self, id: ModuleId, wanted: Wanted<'_>) -> Local {
        self.search(id, |module| module.local(wanted).map(|at| (module.id, at)))
    }

    /// Do the libraries that it needs have the versions that it wants of them?
    ///
    /// As the GNU C library's loader has it (elf/dl-version.c): a version that is missing is an error unless it is weak; a library that
    /// says nothing of versions is taken as it is, and told.
    pub(super) fn check_versions(&self, library: &Library, needs: &[ModuleId]) -> Result<(), InstallError> {
        let image = &library.image;
        let mut without = BTreeSet::new();
        for (file, version, weak) in image.needed_versions() {
            let file = String::from_utf8_lossy(file).into_owned();
            let refuse = |why: &str| {
                let version = String::from_utf8_lossy(version);
                let text = format!("{} needs version {version} of {file}, {why}", library.name);
                InstallError::Refused(OpenError::new(Aee::UNABLE_TO_LOAD, text))
            };
            let mut needed = needs.iter().filter_map(|id| self.map.get(id));
            let plain = uri::plain(&file).ok();
            let of = needed.find(|module| {
                Some(&module.name) == plain.as_ref() || module.image.soname.as_ref() == Some(&file)
            });
            let defines = match of {
                Some(module) => module.image.defines_version(version),
                None if is_built_in(&file) => None,
                None => return Err(refuse("which is not among the libraries that it needs")),
            };
            match defines {
                Some(true) => {}
                Some(false) if weak => {}
                Some(false) => return Err(refuse("which has none of that name")),
                None => drop(without.insert(file)),
            }
        }
        for file in without {
            tracing::warn!(
                target: "emu::os", library = library.name,
                "{file} has no versions of its symbols, and the library was linked with one that has: any of them does"
            );
        }
        Ok(())
    }

    /// Gives the libraries whose storage this one reaches relative to the thread pointer a fixed distance to it.
    pub(super) fn fix_storage(&mut self, id: ModuleId, memory: &ProcessMemory) -> Result<(), InstallError> {
        let module = &self.map[&id];
        let indices = module.image.relocations.iter().filter_map(|r| match r.kind {
            RelocationKind::ThreadPlace(index) => Some(index),
            _ => None,
        });
        let indices: BTreeSet<u32> = indices.collect();
        // What is missing is told when the relocations are applied.
        let found = indices
            .into_iter()
            .filter_map(|index| self.bind_local(id, module, index).ok().flatten());
        let wanted: BTreeSet<ModuleId> = found.map(|(of, _)| of).collect();
        for of in wanted {
            let Some(template) = self.template(of) else {
                continue;
            };
            let mut fixed = self.storage.fix(of, &template);
            // This library's own first contents are not there yet.
            if of != id && fixed.is_ok() {
                fixed = self.storage.fill(of, memory);
            }
            fixed.map_err(|why| self.no_storage(id, why))?;
        }
        Ok(())
    }

    /// What a library's thread-local blocks are made of.
    fn template(&self, id: ModuleId) -> Option<Template> {
        let module = self.map.get(&id)?;
        let tls = module.image.tls?;
        Some(Template {
            at: module.base.wrapping_add(tls.vaddr),
            filled: tls.filesz,
            size: tls.memsz,
            align: tls.align,
            skew: tls.vaddr & (tls.align - 1),
        })
    }

    pub(super) fn no_storage(&self, id: ModuleId, why: NoStorage) -> InstallError {
        match (why, self.map.get(&id)) {
            (NoStorage::NoMemory(why), _) => InstallError::NoMemory(why),
            (NoStorage::Fault(fault), Some(module)) => self.fault(module, fault),
            (NoStorage::Full, Some(module)) => {
                let why =
                    "no room below the thread pointer for storage that is reached from there (initial-exec)";
                self.refuse(module, why.into())
            }
            (_, None) => InstallError::Refused(OpenError::new(Aee::UNABLE_TO_LOAD, "it is gone")),
        }
    }

    /// A thread begins: its thread pointer.
    pub fn thread_starts(&mut self, thread: u32, memory: &ProcessMemory) -> Result<u32, NoStorage> {
        self.storage.thread_starts(thread, memory)
    }

    /// A thread has ended: its storage goes.
    pub fn thread_ends(&mut self, thread: u32, memory: &ProcessMemory) {
        self.storage.thread_ends(thread, memory);
    }

    /// The number of a library with thread-local storage, for [`thread_block`](Self::thread_block).
    pub fn thread_number(&self, id: ModuleId) -> u32 {
        thread_module_number(id)
    }

    /// A thread's block of a library, if it has one already.
    pub fn existing_block(&self, thread: u32, id: ModuleId) -> Option<u32> {
        self.storage.existing(thread, id)
    }

    /// A thread's block of the library with this number (`__tls_get_addr`); `Ok(None)`: there is no such library.
    pub fn thread_block(
        &mut self,
        thread: u32,
        number: u32,
        memory: &ProcessMemory,
    ) -> Result<Option<u32>, NoStorage> {
        let Some(id) = number.checked_sub(1) else {
            return Ok(None);
        };
        let Some(template) = self.template(id) else {
            return Ok(None);
        };
        self.storage.block(thread, id, &template, memory).map(Some)
    }
}

/// The number by which `__tls_get_addr` knows a library.
pub(super) fn thread_module_number(id: ModuleId) -> u32 {
    id.wrapping_add(1)
}

/// What is told of memory that is missing.
impl std::fmt::Display for NoStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoMemory(NoMemory::Dry(bytes)) => write!(f, "{bytes} bytes of memory are missing"),
            Self::NoMemory(NoMemory::Refused(why)) => f.write_str(why),
            Self::Fault(fault) => fault.fmt(f),
            Self::Full => f.write_str("there is no room below the thread pointer"),
        }
    }
}
