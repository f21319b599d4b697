//! Where symbols are looked for at run time (`dlsym`), which symbol an address belongs to (`dladdr`), and what unwinders are
//! told of libraries (`dl_iterate_phdr`).

use super::gather::is_built_in;
use super::modules::{Module, ModuleId, Modules};
use super::names::Wanted;
use crate::memory::{NoMemory, ProcessMemory};
use emu_core::memory::Memory as _;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// An address.
    Address(u32),
    /// A thread-local variable: its library and the offset there.
    Local(ModuleId, u32),
}

/// Where `dlsym` looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In this library and what it needs.
    Library(ModuleId),
    /// In the caller's library and what it needs, in libraries that were opened for all, in the built-in module.
    Default(Option<ModuleId>),
    /// The same, behind the caller's library.
    Next(Option<ModuleId>),
}

/// What is told of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Where its name lies.
    pub name: u32,
    /// What its addresses are relative to.
    pub base: u32,
    /// Where copies of its program headers lie.
    pub headers: u32,
    /// How many there are.
    pub count: u32,
    /// Its number for `__tls_get_addr`; 0: it has no thread-local storage.
    pub thread_module: u32,
}

/// A symbol that an address belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// Where its name lies.
    pub name: u32,
    /// Its own address.
    pub at: u32,
}

impl Modules {
    /// The library that holds an address.
    pub fn at(&self, address: u32) -> Option<ModuleId> {
        self.map.values().find(|m| m.holds(address)).map(|m| m.id)
    }

    /// Looks a name up.
    pub fn look_up(&self, scope: Scope, name: &[u8]) -> Option<Found> {
        let builtin = || self.builtins.address(name).map(Found::Address);
        let first = match scope {
            Scope::Library(id) => {
                let needs_built_in = |m: &Module| m.image.needed.iter().any(|n| is_built_in(n)).then_some(());
                return self.search(id, |m| m.found(name)).or_else(|| {
                    // The built-in module stands for the C library among its needs.
                    self.search(id, needs_built_in).and_then(|()| builtin())
                });
            }
            Scope::Default(caller) => caller.and_then(|id| self.search(id, |m| m.found(name))),
            Scope::Next(caller) => caller.and_then(|caller| {
                self.search(caller, |m| if m.id == caller { None } else { m.found(name) })
            }),
        };
        first.or_else(|| self.global(name, scope)).or_else(builtin)
    }

    fn global(&self, name: &[u8], scope: Scope) -> Option<Found> {
        let caller = match scope {
            Scope::Next(caller) => caller,
            Scope::Library(_) | Scope::Default(_) => None,
        };
        let libraries = self.globals.iter().filter(|&&id| Some(id) != caller);
        libraries
            .into_iter()
            .find_map(|&id| self.search(id, |m| m.found(name)))
    }

    /// A library's symbols are found by all from here on (`RTLD_GLOBAL`).
    pub fn make_global(&mut self, id: ModuleId) {
        if self.map.contains_key(&id) && !self.globals.contains(&id) {
            self.globals.push(id);
        }
    }

    /// The dynamic symbol that an address in a library belongs to.
    pub fn nearest(&self, id: ModuleId, address: u32) -> Option<Nearest> {
        let module = self.map.get(&id)?;
        let image = &module.image;
        let offset = address.wrapping_sub(module.base);
        let near = image.symbols.iter().filter(|s| {
            s.defined
                && s.named_thing
                && !s.absolute
                && s.value <= offset
                && (s.size == 0 || offset - s.value < s.size)
        });
        let best = near.max_by_key(|s| (s.value, s.size))?;
        Some(Nearest {
            name: module.base.wrapping_add(image.name_address(best)?),
            at: module.base.wrapping_add(best.value),
        })
    }

    /// What is told of a library. Its name and headers are put into the process's memory the first time.
    pub fn told(&mut self, id: ModuleId, memory: &ProcessMemory) -> Result<Option<Told>, NoMemory> {
        let Some(module) = self.map.get_mut(&id) else {
            return Ok(None);
        };
        let headers = module.image.program_headers();
        let page = match module.told {
            Some(page) => page,
            None => {
                let mut bytes = headers.to_vec();
                bytes.extend(module.name.as_bytes());
                bytes.push(0);
                let page = memory.allocate(bytes.len() as u32, 16)?;
                if let Err(fault) = memory.space.store(page, &bytes) {
                    memory.release(page);
                    return Err(NoMemory::Refused(fault.to_string()));
                }
                module.told = Some(page);
                page
            }
        };
        Ok(Some(Told {
            name: page + headers.len() as u32,
            base: module.base,
            headers: page,
            count: (headers.len() / 32) as u32,
            thread_module: if module.image.tls.is_some() {
                super::binding::thread_module_number(id)
            } else {
                0
            },
        }))
    }

    /// Libraries that were placed, and that were removed, so far.
    pub fn changes(&self) -> (u64, u64) {
        let placed = u64::from(self.next);
        (placed, placed - self.map.len() as u64)
    }
}

impl Module {
    fn found(&self, name: &[u8]) -> Option<Found> {
        let wanted = Wanted::named(name);
        let local = || self.local(wanted).map(|at| Found::Local(self.id, at));
        self.symbol(wanted).map(Found::Address).or_else(local)
    }
}
