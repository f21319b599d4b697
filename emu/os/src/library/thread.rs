//! How threads that programs create begin and end, whichever family creates them.

use std::ops::Range;

use crate::calls::ending;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::library_state::keys::CLEANUP;
use crate::loader::thread_storage::NoStorage;
use crate::memory::NoMemory;
use crate::sched::{DspThread, Role, ThreadId};

/// How often the AP is asked for memory for one stack.
const TRIES: u32 = 8;

/// A thread to come.
pub(super) struct Start {
    /// Its name.
    pub name: String,
    /// Its priority: 1 best, 255 worst.
    pub priority: u8,
    /// Its stack.
    pub stack: Range<u32>,
    /// The stack's allocation, if it is ours to free.
    pub own_stack: Option<u32>,
    /// Its function.
    pub entry: u32,
    /// What the function gets.
    pub argument: u32,
}

/// May the process have another thread?
pub(super) fn may_start(c: &Call<'_>) -> bool {
    let threads = c.os.sched.len().saturating_add(c.os.lib.posix.ended.len());
    threads < c.os.shared.config.limits.threads
}

/// An id for a thread to come.
pub(super) fn new_id(c: &mut Call<'_>) -> ThreadId {
    loop {
        let id = c.os.sched.new_id();
        // Who ended and was not joined yet still has its number.
        if !c.os.lib.posix.ended.contains_key(&id) {
            return id;
        }
    }
}

/// What became of a thread's start.
pub(super) enum Started {
    /// It is there.
    Yes,
    /// So many bytes of memory are missing for its thread-local storage; the AP may give them.
    Missing(u32),
    /// There is no memory for it.
    No,
}

/// Starts a thread. When its function returns, it ends with that result.
pub(super) fn start(c: &mut Call<'_>, id: ThreadId, start: Start) -> Result<Started, Stop> {
    let core = c.os.shared.new_core(0);
    let mut thread = DspThread::new(id, start.name, Role::Skeleton, start.stack, core);
    thread.own_stack = start.own_stack;
    thread.core.regs.r[29] = thread.stack.end & !7;
    match c.os.give_storage(&mut thread) {
        Ok(()) => {}
        Err(NoStorage::NoMemory(NoMemory::Dry(bytes))) => return Ok(Started::Missing(bytes)),
        Err(_) => return Ok(Started::No),
    }
    let returned = |c: &mut Call<'_>, result: u64| end(c, result as u32);
    if let Err(why) =
        c.os.enter(&mut thread, start.entry, &[start.argument], Box::new(returned))
    {
        return Err(Stop::because(why));
    }
    tracing::debug!(target: "emu::os", id, name = thread.name, priority = start.priority, "thread created");
    c.os.sched.add_ready(thread, start.priority);
    c.os.count();
    Ok(Started::Yes)
}

/// Gets the low end of a stack, if there is memory for one.
type GotStack = Box<dyn FnOnce(&mut Call<'_>, Option<u32>) -> Done + Send>;

/// Finds memory for a stack, asking the AP for more if that is what it takes.
pub(super) fn allocate_stack(c: &mut Call<'_>, size: u32, got: GotStack) -> Done {
    try_stack(c, size, got, 0)
}

fn try_stack(c: &mut Call<'_>, size: u32, got: GotStack, tries: u32) -> Done {
    match c.os.shared.memory.allocate(size, 16) {
        Ok(low) => got(c, Some(low)),
        Err(NoMemory::Dry(missing)) if tries < TRIES => {
            let again = move |c: &mut Call<'_>, given: bool| match given {
                true => try_stack(c, size, got, tries + 1),
                false => got(c, None),
            };
            Ok(Outcome::Grow(missing, Box::new(again)))
        }
        Err(_) => got(c, None),
    }
}

/// Ends the calling thread: the destructors of its thread-local objects and values run, then it is gone.
pub(super) fn end(c: &mut Call<'_>, status: u32) -> Done {
    // A thread that serves the AP may not end itself; the process crashes with that.
    if c.thread.role == Role::Worker {
        return Ok(Outcome::Exit(status));
    }
    ending::destroy_locals(c, Box::new(move |_, _| Ok(Outcome::Exit(status))))
}

/// Gives a thread another priority of its own; `false`: there is no such thread.
pub(super) fn set_priority(c: &mut Call<'_>, thread: ThreadId, priority: u8) -> bool {
    let os = &mut *c.os;
    os.lib
        .inherited
        .set_own(thread, priority, &mut os.objects, &mut os.sched)
}

/// Creates a key; `Err`: there are too many.
pub(super) fn add_key(c: &mut Call<'_>, place: u32, destructor: u32) -> Result<Result<(), ()>, Stop> {
    // A bad pointer must not cost a key.
    c.load32(place)?;
    let Some(key) = c.os.lib.keys.add(destructor) else {
        return Ok(Err(()));
    };
    c.store32(place, key)?;
    Ok(Ok(()))
}

/// Sets the calling thread's value; `false`: there is no such key.
pub(super) fn set_value(c: &mut Call<'_>, key: u32, value: u32) -> bool {
    if !c.os.lib.keys.contains(key) {
        return false;
    }
    // Values under deleted keys go now, so that a thread never has more than there are keys.
    let keys = &c.os.lib.keys;
    c.thread.tls.retain(|&k, _| k == CLEANUP || keys.contains(k));
    c.thread.tls.insert(key, value);
    true
}

/// The calling thread's value; 0 if it has none or there is no such key.
pub(super) fn value(c: &Call<'_>, key: u32) -> u32 {
    let value = c.thread.tls.get(&key).filter(|_| c.os.lib.keys.contains(key));
    value.copied().unwrap_or(0)
}
