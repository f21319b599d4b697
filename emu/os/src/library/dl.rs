//! Libraries at run time: `dlopen` and its kin, what unwinders ask, thread-local storage. Source: POSIX, the System V gABI; the
//! numbers are those that BSD, glibc and musl share.
//!
//! A library is read through the AP as modules are, and only the calling thread waits for it. Symbols are bound at once,
//! whatever the flags say, so a library that lacks one is refused by name. A library stays a library of the process whoever
//! opened it: the AP's handles and those of `dlopen` count together.

use super::heap;
use crate::calls::job::{Asker, LoadedLibrary};
use crate::calls::{ending, opening, serving};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::loader::gather::is_built_in;
use crate::loader::modules::ModuleId;
use crate::loader::scope::{Found, Scope};
use crate::loader::thread_storage::NoStorage;
use crate::loader::uri;
use crate::memory::NoMemory;
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("dlopen", dlopen, "`void *dlopen(const char *library, int flags)`: a handle, after the library's initialisers have run; NULL: dlerror says why. NULL as name: all that dlsym finds without a library"),
    import("dlopenbuf", dlopenbuf, "`void *dlopenbuf(const char *library, const char *contents, int bytes, int flags)`: as dlopen, of a library in memory"),
    import("dlsym", dlsym, "`void *dlsym(void *handle, const char *name)`: the symbol's address, NULL: dlerror says why. Handles 0 and -2: the caller's library, global ones, built-in names; -1: those behind the caller's library; -3: the caller's library"),
    import("dlclose", dlclose, "`int dlclose(void *handle)`: 0; who uses a library last has its finalisers run. -1: dlerror says why"),
    import("dlerror", dlerror, "`char *dlerror(void)`: what went wrong last in this thread, once; NULL: nothing did. The text stays until the fourth one after it"),
    import("dladdr", dladdr, "`int dladdr(const void *address, Dl_info *to)`: 1: library and dynamic symbol that an address belongs to; 0: it is in no library"),
    import("dl_iterate_phdr", iterate, "`int dl_iterate_phdr(int (*f)(dl_phdr_info *, size_t, void *), void *argument)`: calls f for each library until it gives other than 0; the last result"),
    import("__tls_get_addr", tls_get_addr, "`void *__tls_get_addr(const struct { unsigned long library, offset; } *)`: where the calling thread has a thread-local variable; no memory: the process crashes"),
];

const RTLD_LAZY: u32 = 1;
const RTLD_NOW: u32 = 2;
const RTLD_NOLOAD: u32 = 4;
const RTLD_GLOBAL: u32 = 0x100;
const RTLD_NODELETE: u32 = 0x1000;
const KNOWN_FLAGS: u32 = RTLD_LAZY | RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL | RTLD_NODELETE;

/// `RTLD_DEFAULT` of glibc and musl, and of BSD.
const DEFAULT: [u32; 2] = [0, -2_i32 as u32];
/// `RTLD_NEXT`.
const NEXT: u32 = u32::MAX;
/// `RTLD_SELF`.
const SELF: u32 = -3_i32 as u32;

/// Bytes of a text of `dlerror`, with its NUL, and how many there are at a time.
const TEXT: u32 = 1024;
const TEXTS: u32 = 4;

/// Offsets in `struct dl_phdr_info`, and its size.
mod info {
    pub const ADDRESS: u32 = 0;
    pub const NAME: u32 = 4;
    pub const HEADERS: u32 = 8;
    pub const COUNT: u32 = 12;
    pub const ADDS: u32 = 16;
    pub const SUBS: u32 = 24;
    pub const TLS_MODULE: u32 = 32;
    pub const TLS_DATA: u32 = 36;
    pub const SIZE: u32 = 40;
}

/// Keeps what went wrong for `dlerror`, and returns this.
fn fail(c: &mut Call<'_>, result: u32, why: impl Into<String>) -> Done {
    let limit = c.os.shared.config.limits.threads;
    c.os.lib.libraries.set_error(c.thread.id, why.into(), limit);
    c.ret(result)
}

/// The library of who called.
fn caller(c: &Call<'_>) -> Option<ModuleId> {
    c.os.modules.at(c.thread.core.regs.r[31])
}

/// A library's name.
fn name_at(c: &Call<'_>, at: u32) -> Result<String, Stop> {
    let bytes = c.cstr_max(at, uri::MAX_NAME + 1)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn dlopen(c: &mut Call<'_>) -> Done {
    let (name, flags) = (c.arg(0)?, c.arg(1)?);
    if name == 0 {
        let handle = c.os.lib.libraries.program();
        return c.ret(handle);
    }
    let name = name_at(c, name)?;
    load(c, name, None, flags)
}

fn dlopenbuf(c: &mut Call<'_>) -> Done {
    let (name, at, bytes, flags) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?);
    if name == 0 {
        return fail(c, 0, "dlopenbuf: a library has a name");
    }
    let name = name_at(c, name)?;
    let most = c.os.shared.config.limits.library_file;
    if bytes as usize > most {
        return fail(
            c,
            0,
            format!("{name}: {bytes} bytes are more than the {most} that a library may have"),
        );
    }
    let contents = c.load(at, bytes)?;
    // They are ours to keep until other threads have done loading.
    let waiting = c.os.loading.waiting_bytes();
    if waiting.saturating_add(contents.len()) > most {
        return fail(
            c,
            0,
            format!("{name}: {waiting} bytes of other libraries wait to be loaded"),
        );
    }
    load(c, name, Some(contents), flags)
}

fn load(c: &mut Call<'_>, name: String, contents: Option<Vec<u8>>, flags: u32) -> Done {
    if flags & !KNOWN_FLAGS != 0 {
        return fail(c, 0, format!("{name}: flags {flags:#x} are not known"));
    }
    // The built-in module stands for them.
    if is_built_in(&name) {
        let handle = c.os.lib.libraries.program();
        return c.ret(handle);
    }
    let known = match uri::plain(&name) {
        Ok(known) => c.os.modules.find(&known),
        Err(error) => return fail(c, 0, error.text),
    };
    if flags & RTLD_NOLOAD != 0 && known.is_none() {
        return fail(c, 0, format!("{name} is not loaded"));
    }
    let then = move |c: &mut Call<'_>, loaded: LoadedLibrary| match loaded {
        Ok((module, installed)) => initialise(c, module, &installed, flags),
        Err(error) => fail(c, 0, error.text),
    };
    let me = c.thread.id;
    c.os.continuations.set_load(me, Box::new(then));
    opening::load(c.os, name, contents.map(Into::into), Asker::Thread(me));
    Ok(Outcome::Park(Wait::Library, None))
}

/// The library is in memory: its initialisers, and those of what was loaded for it, run before its handle is given.
fn initialise(c: &mut Call<'_>, module: ModuleId, installed: &[ModuleId], flags: u32) -> Done {
    let (memory, modules) = (&c.os.shared.memory, &mut c.os.modules);
    let initialisers = installed
        .iter()
        .flat_map(|&id| modules.initialise(id, memory))
        .collect();
    let opened = move |c: &mut Call<'_>, _: u64| {
        opening::done(c.os);
        if flags & RTLD_GLOBAL != 0 {
            c.os.modules.make_global(module);
        }
        if flags & RTLD_NODELETE != 0 {
            c.os.modules.retain(module);
        }
        let handle = c.os.lib.libraries.open(module);
        c.ret(handle)
    };
    serving::sequence(initialisers, Box::new(opened))(c, 0)
}

fn dlclose(c: &mut Call<'_>) -> Done {
    let handle = c.arg(0)?;
    if handle == c.os.lib.libraries.program() {
        return c.ret(0);
    }
    let Some(module) = c.os.lib.libraries.close(handle) else {
        return fail(c, u32::MAX, format!("{handle:#x} is no handle of dlopen"));
    };
    let unused = c.os.modules.release(module);
    ending::unload(c, unused, Box::new(|c, _| c.ret(0)))
}

fn dlsym(c: &mut Call<'_>) -> Done {
    let (handle, name) = (c.arg(0)?, c.arg(1)?);
    let name = c.cstr_max(name, uri::MAX_NAME)?;
    let scope = match handle {
        NEXT => Scope::Next(caller(c)),
        SELF => match caller(c) {
            Some(id) => Scope::Library(id),
            None => return fail(c, 0, "dlsym: the caller is in no library"),
        },
        _ if DEFAULT.contains(&handle) || handle == c.os.lib.libraries.program() => Scope::Default(caller(c)),
        _ => match c.os.lib.libraries.module(handle) {
            Some(id) => Scope::Library(id),
            None => return fail(c, 0, format!("{handle:#x} is no handle of dlopen")),
        },
    };
    match c.os.modules.look_up(scope, &name) {
        Some(Found::Address(at)) => c.ret(at),
        Some(Found::Local(module, offset)) => {
            let number = c.os.modules.thread_number(module);
            thread_local(c, number, offset)
        }
        None => {
            let name = String::from_utf8_lossy(&name).into_owned();
            fail(c, 0, format!("there is no symbol {name}"))
        }
    }
}

fn dlerror(c: &mut Call<'_>) -> Done {
    let Some(mut text) = c.os.lib.libraries.take_error(c.thread.id).map(String::into_bytes) else {
        return c.ret(0);
    };
    text.truncate(TEXT as usize - 1);
    text.push(0);
    match c.os.lib.libraries.text_room(TEXTS) {
        Some((at, number)) => {
            let at = at + number * TEXT;
            c.store(at, &text)?;
            c.ret(at)
        }
        None => {
            let got = move |c: &mut Call<'_>, at: u32| {
                if at == 0 {
                    // A text all the same.
                    let at = c.os.builtins.error_text().unwrap_or_default();
                    return c.ret(at);
                }
                c.os.lib.libraries.set_text_room(at);
                c.store(at, &text)?;
                c.ret(at)
            };
            heap::allocate(c, TEXT * TEXTS, 16, Box::new(got))
        }
    }
}

fn dladdr(c: &mut Call<'_>) -> Done {
    let (address, to) = (c.arg(0)?, c.arg(1)?);
    let Some(id) = c.os.modules.at(address) else {
        return c.ret(0);
    };
    let told = match c.os.modules.told(id, &c.os.shared.memory) {
        Ok(Some(told)) => told,
        Ok(None) => return c.ret(0),
        Err(why) => return more_memory(why, dladdr),
    };
    let symbol = c.os.modules.nearest(id, address);
    let (name, at) = symbol.map_or((0, 0), |symbol| (symbol.name, symbol.at));
    for (word, offset) in [told.name, told.base, name, at].into_iter().zip((0..).step_by(4)) {
        c.store32(to.wrapping_add(offset), word)?;
    }
    c.ret(1)
}

/// Asks the AP for memory, and tries again.
fn more_memory(why: NoMemory, again: fn(&mut Call<'_>) -> Done) -> Done {
    match why {
        NoMemory::Dry(bytes) => Ok(Outcome::Grow(
            bytes,
            Box::new(move |c, given| match given {
                true => again(c),
                false => Err(Stop::because(format!("{bytes} bytes of memory are missing"))),
            }),
        )),
        NoMemory::Refused(why) => Err(Stop::because(why)),
    }
}

fn iterate(c: &mut Call<'_>) -> Done {
    let (f, argument) = (c.arg(0)?, c.arg(1)?);
    let mut libraries: Vec<ModuleId> = c.os.modules.newest_first().collect();
    // All that is to be told is there before the first is: then nothing has to be waited for in between.
    for &id in &libraries {
        if let Err(why) = c.os.modules.told(id, &c.os.shared.memory) {
            return more_memory(why, iterate);
        }
    }
    let sp = c.sp();
    c.thread.core.regs.r[29] = sp.wrapping_sub(info::SIZE) & !7;
    tell_next(c, f, argument, &mut libraries, sp)
}

/// Tells of the last of these libraries, then of the others.
fn tell_next(c: &mut Call<'_>, f: u32, argument: u32, libraries: &mut Vec<ModuleId>, sp: u32) -> Done {
    while let Some(id) = libraries.pop() {
        // Whoever is told may have closed it.
        let Ok(Some(told)) = c.os.modules.told(id, &c.os.shared.memory) else {
            continue;
        };
        let at = c.sp();
        let (adds, subs) = c.os.modules.changes();
        let block = c.os.modules.existing_block(c.thread.id, id).unwrap_or_default();
        for (offset, word) in [
            (info::ADDRESS, told.base),
            (info::NAME, told.name),
            (info::HEADERS, told.headers),
            (info::COUNT, told.count),
            (info::TLS_MODULE, told.thread_module),
            (info::TLS_DATA, block),
        ] {
            c.store32(at.wrapping_add(offset), word)?;
        }
        c.store64(at.wrapping_add(info::ADDS), adds)?;
        c.store64(at.wrapping_add(info::SUBS), subs)?;
        let mut left = std::mem::take(libraries);
        let next = move |c: &mut Call<'_>, result: u64| {
            if result as u32 == 0 {
                return tell_next(c, f, argument, &mut left, sp);
            }
            c.thread.core.regs.r[29] = sp;
            c.ret(result as u32)
        };
        return Ok(Outcome::Enter(f, vec![at, info::SIZE, argument], Box::new(next)));
    }
    c.thread.core.regs.r[29] = sp;
    c.ret(0)
}

fn tls_get_addr(c: &mut Call<'_>) -> Done {
    let index = c.arg(0)?;
    let (library, offset) = (c.load32(index)?, c.load32(index.wrapping_add(4))?);
    thread_local(c, library, offset)
}

/// Where the calling thread has what lies at an offset of a library's storage.
fn thread_local(c: &mut Call<'_>, library: u32, offset: u32) -> Done {
    match c
        .os
        .modules
        .thread_block(c.thread.id, library, &c.os.shared.memory)
    {
        Ok(Some(block)) => c.ret(block.wrapping_add(offset)),
        Ok(None) => Err(Stop::because(format!(
            "no library with number {library} has thread-local storage"
        ))),
        Err(NoStorage::NoMemory(NoMemory::Dry(bytes))) => {
            let again = move |c: &mut Call<'_>, given: bool| match given {
                true => thread_local(c, library, offset),
                false => Err(no_storage(&NoStorage::NoMemory(NoMemory::Dry(bytes)))),
            };
            Ok(Outcome::Grow(bytes, Box::new(again)))
        }
        Err(NoStorage::Fault(fault)) => Err(fault.into()),
        Err(why) => Err(no_storage(&why)),
    }
}

fn no_storage(why: &NoStorage) -> Stop {
    Stop::because(format!("thread-local storage: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::opening;
    use crate::kernel::testing::Guest;
    use crate::process::inbox::ProcessRequest;

    /// What `dlerror` says now.
    fn error(g: &mut Guest) -> Option<String> {
        match g.call("dlerror", &[]) {
            0 => None,
            at => Some(g.text(at)),
        }
    }

    /// The thread waits for a library; the helper thread's result is carried out, and how the thread goes on.
    fn loaded(g: &mut Guest) -> Done {
        loop {
            for request in g.os.shared.inbox.drain() {
                match request {
                    ProcessRequest::Loaded(result) => opening::loaded(&mut g.os, result),
                    ProcessRequest::Due => {}
                    _ => panic!("nothing else is asked"),
                }
            }
            if let Some((thread, loaded)) = g.os.loading.take_told() {
                assert_eq!(thread, g.thread.id);
                let then = g.os.continuations.take_load(thread).unwrap();
                let mut call = Call {
                    os: &mut g.os,
                    thread: &mut g.thread,
                };
                return then(&mut call, loaded);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_cannot_be_opened_is_told_once_by_dlerror() {
        let mut g = Guest::new();
        let (name, absolute, above) = (g.bytes(b"x.so\0"), g.bytes(b"/x.so\0"), g.bytes(b"../x.so\0"));
        assert_eq!(error(&mut g), None);
        for (at, flags, why) in [
            (name, 0x8000, "flags 0x8000 are not known"),
            (name, RTLD_NOW | RTLD_NOLOAD, "x.so is not loaded"),
            (absolute, RTLD_NOW, "absolute"),
            (above, RTLD_NOW, ".."),
        ] {
            assert_eq!(g.call("dlopen", &[at, flags]), 0);
            let told = error(&mut g).unwrap();
            assert!(told.contains(why), "{told}");
            assert_eq!(error(&mut g), None);
        }
        assert!(matches!(
            g.try_call("dlopen", &[4, RTLD_NOW]),
            Err(Stop::Fault(_))
        ));
    }

    #[test]
    fn a_thread_waits_until_the_ap_has_answered() {
        let mut g = Guest::new();
        let name = g.bytes(b"x.so\0");
        for _ in 0..2 {
            let waits = g.try_call("dlopen", &[name, RTLD_LAZY]);
            assert!(matches!(waits, Ok(Outcome::Park(Wait::Library, None))));
            assert!(matches!(loaded(&mut g), Ok(Outcome::Return)));
            assert_eq!(g.thread.core.regs.r[0], 0);
            let told = error(&mut g).unwrap();
            assert!(told.contains("x.so: cannot be read"), "{told}");
        }
    }

    #[test]
    fn contents_that_are_no_library_are_refused() {
        let mut g = Guest::new();
        let (name, contents) = (g.bytes(b"x.so\0"), g.bytes(b"\x7fELF and nothing more"));
        assert!(matches!(
            g.try_call("dlopenbuf", &[name, contents, 20, RTLD_NOW]),
            Ok(Outcome::Park(Wait::Library, None))
        ));
        assert!(matches!(loaded(&mut g), Ok(Outcome::Return)));
        assert!(error(&mut g).unwrap().contains("truncated"));
        // Lengths and addresses of a madman.
        assert_eq!(g.call("dlopenbuf", &[name, contents, u32::MAX, RTLD_NOW]), 0);
        assert_eq!(g.call("dlopenbuf", &[0, contents, 20, RTLD_NOW]), 0);
        assert!(matches!(
            g.try_call("dlopenbuf", &[name, 16, 1 << 20, RTLD_NOW]),
            Err(Stop::Fault(_))
        ));
    }

    #[test]
    fn libraries_that_wait_to_be_loaded_have_a_bound() {
        let mut g = Guest::with(|config| config.limits.library_file = 1 << 20);
        let name = g.bytes(b"x.so\0");
        let contents = g.os.shared.memory.allocate(1 << 20, 16).unwrap();
        let half = 1 << 19;
        // The first has the loader, and waits for nobody.
        for id in 50..53 {
            g.park(id, 9, "dlopenbuf", &[name, contents, half, RTLD_NOW]);
        }
        assert_eq!(g.call("dlopenbuf", &[name, contents, half, RTLD_NOW]), 0);
        let told = error(&mut g).unwrap();
        assert!(told.contains("wait to be loaded"), "{told}");
    }

    #[test]
    fn an_initialiser_that_loads_too_deep_is_told_and_waits_for_nobody() {
        let mut g = Guest::new();
        let (name, me) = (g.bytes(b"x.so\0"), g.thread.id);
        for level in 0..16 {
            assert!(matches!(
                g.try_call("dlopen", &[name, RTLD_NOW]),
                Ok(Outcome::Park(Wait::Library, None))
            ));
            // As if its files had been read, and its initialisers ran.
            drop(g.os.continuations.take_load(me));
            g.os.loading.run_by(me, level);
        }
        assert!(matches!(
            g.try_call("dlopen", &[name, RTLD_NOW]),
            Ok(Outcome::Park(Wait::Library, None))
        ));
        let (thread, told) = g.os.loading.take_told().unwrap();
        assert_eq!(thread, me);
        let error = told.unwrap_err().to_string();
        assert!(error.contains("deeper than 16"), "{error}");
    }

    #[test]
    fn names_are_found_without_a_library() {
        let mut g = Guest::new();
        let (c_library, malloc, nothing) = (g.bytes(b"libc.so\0"), g.bytes(b"malloc\0"), g.bytes(b"qqq\0"));
        let program = g.call("dlopen", &[0, RTLD_NOW]);
        assert_eq!(g.call("dlopen", &[c_library, RTLD_NOW]), program);
        let at = g.os.builtins.address(b"malloc").unwrap();
        for handle in [program, 0, -2_i32 as u32, u32::MAX] {
            assert_eq!(g.call("dlsym", &[handle, malloc]), at, "{handle:#x}");
        }
        assert_eq!(g.call("dlsym", &[program, nothing]), 0);
        assert!(error(&mut g).unwrap().contains("no symbol qqq"));
        // The caller is in no library; no such handle.
        for handle in [-3_i32 as u32, program + 1, 0x1234_5678] {
            assert_eq!(g.call("dlsym", &[handle, malloc]), 0, "{handle:#x}");
            assert!(error(&mut g).is_some());
        }
        assert!(matches!(g.try_call("dlsym", &[program, 4]), Err(Stop::Fault(_))));
        assert_eq!(g.call("dlclose", &[program]), 0);
        assert_eq!(g.call("dlclose", &[0x1234]), u32::MAX);
        assert!(error(&mut g).unwrap().contains("0x1234 is no handle"));
    }

    #[test]
    fn texts_of_errors_stay_for_a_while() {
        let mut g = Guest::new();
        let mut places = Vec::new();
        for handle in 0x2000..0x2008 {
            g.call("dlclose", &[handle]);
            places.push(g.call("dlerror", &[]));
        }
        assert_eq!(places[..4], places[4..]);
        assert!(g.text(places[3]).contains("0x2007"));
        let distinct: std::collections::BTreeSet<u32> = places.into_iter().collect();
        assert_eq!(distinct.len(), 4);
    }

    #[test]
    fn without_libraries_there_is_nothing_to_tell() {
        let mut g = Guest::new();
        let (info, sp) = (g.bytes(&[0; 16]), g.thread.core.regs.r[29]);
        assert_eq!(g.call("dladdr", &[0x1000, info]), 0);
        assert_eq!(g.call("dl_iterate_phdr", &[0x1000, 0]), 0);
        assert_eq!(g.thread.core.regs.r[29], sp);
    }

    #[test]
    fn thread_local_variables_of_no_library_end_the_process() {
        let mut g = Guest::new();
        for (library, offset) in [(0u32, 0u32), (1, 0), (u32::MAX, 4)] {
            let index = g.bytes(&[library.to_le_bytes(), offset.to_le_bytes()].concat());
            let Err(stop) = g.try_call("__tls_get_addr", &[index]) else {
                panic!("{library} is no library")
            };
            assert!(stop.to_string().contains("no library with number"), "{stop}");
        }
        assert!(matches!(g.try_call("__tls_get_addr", &[6]), Err(Stop::Fault(_))));
    }
}
