//! What runs before libraries go: what was registered with `atexit` and `__cxa_atexit`, and their finalisers.
//!
//! A library's exit functions run last first, then its finalisers; what these register runs too. An exit function belongs to
//! the library of the `__dso_handle` it was registered with, else to the one that has its code.

use std::collections::VecDeque;

use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::continuation::Then;
use crate::kernel::state::Kernel;
use crate::library_state::exits::Exit;
use crate::loader::modules::{Module, ModuleId};

/// Runs everything that libraries which nobody uses any more still have to do, takes them out of memory, then does the last
/// thing.
pub fn unload(c: &mut Call<'_>, unused: Vec<ModuleId>, last: Then) -> Done {
    let queue = unused.iter().copied().collect();
    let remove = move |c: &mut Call<'_>, _: u64| {
        for &id in &unused {
            c.os.modules.remove(id, &c.os.shared.memory);
        }
        c.os.count();
        last(c, 0)
    };
    finalise(c, queue, Box::new(remove))
}

/// Runs everything that there is to do before the process ends: all exit functions, then the finalisers of all libraries,
/// users before what they need. Then does the last thing.
pub fn end_process(c: &mut Call<'_>, last: Then) -> Done {
    match c.os.lib.exits.pop(|_| true) {
        Some(exit) => enter(exit, Box::new(move |c, _| end_process(c, last))),
        None => {
            let libraries = c.os.modules.newest_first().collect();
            finalise(c, libraries, last)
        }
    }
}

/// Is there something to run before the process ends?
pub fn is_needed(os: &Kernel) -> bool {
    !os.lib.exits.is_empty() || os.modules.newest_first().any(|id| os.modules.has_finalisers(id))
}

fn finalise(c: &mut Call<'_>, mut libraries: VecDeque<ModuleId>, last: Then) -> Done {
    while let Some(&id) = libraries.front() {
        if let Some(next) = next_of(c, id) {
            return enter(next, Box::new(move |c, _| finalise(c, libraries, last)));
        }
        libraries.pop_front();
    }
    last(c, 0)
}

/// What a library has to do next.
fn next_of(c: &mut Call<'_>, id: ModuleId) -> Option<Exit> {
    let os = &mut *c.os;
    let module = os.modules.get(id)?;
    if let Some(exit) = os.lib.exits.pop(|exit| belongs(exit, module)) {
        return Some(exit);
    }
    let f = os.modules.next_finaliser(id, &os.shared.memory)?;
    Some(Exit {
        f,
        argument: 0,
        library: 0,
    })
}

fn belongs(exit: &Exit, module: &Module) -> bool {
    match exit.library {
        0 => module.holds(exit.f),
        handle => module.holds(handle),
    }
}

fn enter(exit: Exit, then: Then) -> Done {
    Ok(Outcome::Enter(exit.f, vec![exit.argument, 0, 0], then))
}
