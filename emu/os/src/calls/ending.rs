//! What runs before libraries go: destructors of thread-local objects, what was registered with `atexit` and `__cxa_atexit`, and
//! their finalisers.
//!
//! A library's exit functions run last first, then its finalisers; what these register runs too. An exit function belongs to
//! the library of the `__dso_handle` it was registered with, else to the one that has its code. The objects that threads have of a
//! library go with it, so those are destroyed first, whichever threads they belong to.

use std::collections::VecDeque;

use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::continuation::Then;
use crate::kernel::state::Kernel;
use crate::library_state::exits::Exit;
use crate::loader::modules::{Module, ModuleId};

/// How often the destructors of a thread's values are called, as long as they leave new values.
const DESTRUCTOR_ROUNDS: u32 = 4;

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

/// Runs everything that there is to do before the process ends: destructors of the caller's thread-local objects, all exit
/// functions, then the finalisers of all libraries, users before what they need. Then does the last thing.
pub fn end_process(c: &mut Call<'_>, last: Then) -> Done {
    let object = c.os.lib.thread_objects.pop_of(c.thread.id);
    match object.or_else(|| c.os.lib.exits.pop(|_| true)) {
        Some(exit) => enter(exit, Box::new(move |c, _| end_process(c, last))),
        None => {
            let libraries = c.os.modules.newest_first().collect();
            finalise(c, libraries, last)
        }
    }
}

/// Is there something to run before the process ends?
pub fn is_needed(os: &Kernel) -> bool {
    !os.lib.exits.is_empty()
        || !os.lib.thread_objects.is_empty()
        || os.modules.newest_first().any(|id| os.modules.has_finalisers(id))
}

/// Runs the destructors of what the calling thread has of its own, then does the last thing.
pub fn destroy_locals(c: &mut Call<'_>, last: Then) -> Done {
    destroy_values(c, last, VecDeque::new(), 0)
}

fn destroy_values(c: &mut Call<'_>, last: Then, mut queue: VecDeque<u32>, round: u32) -> Done {
    // Objects of C++ first, also those that a destructor made.
    if let Some(object) = c.os.lib.thread_objects.pop_of(c.thread.id) {
        let then = move |c: &mut Call<'_>, _: u64| destroy_values(c, last, queue, round);
        return Ok(Outcome::Enter(object.f, vec![object.argument], Box::new(then)));
    }
    while let Some(key) = queue.pop_front() {
        let Some(f) = c.os.lib.keys.destructor(key) else {
            continue;
        };
        // It is gone for the destructor already.
        let value = c.thread.tls.remove(&key).unwrap_or(0);
        if value != 0 {
            let then = move |c: &mut Call<'_>, _: u64| destroy_values(c, last, queue, round);
            return Ok(Outcome::Enter(f, vec![value], Box::new(then)));
        }
    }
    let keys = &c.os.lib.keys;
    let values = c.thread.tls.iter();
    let left = values.filter(|&(&key, &value)| value != 0 && keys.destructor(key).is_some());
    let mut left: Vec<u32> = left.map(|(&key, _)| key).collect();
    if left.is_empty() || round >= DESTRUCTOR_ROUNDS {
        return last(c, 0);
    }
    left.sort_unstable();
    destroy_values(c, last, left.into(), round + 1)
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
    if let Some(object) = os.lib.thread_objects.pop(|_, object| belongs(object, module)) {
        return Some(object);
    }
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
