//! What C++ code needs of its run-time library: static variables of functions, destructors at exit, calls that must not
//! happen, the forms of `operator new` and `delete` with an alignment. Source: the Itanium C++ ABI, sections 3.2.6 and 3.3.
//!
//! The functions that would throw an exception end the process: nothing here unwinds. A library that throws brings the C++
//! library and the unwinder along.

use super::end::register;
use super::heap;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::exits::{Exit, MAX_OBJECTS};
use crate::library_state::guards::Begin;
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("__cxa_guard_acquire", guard_acquire, "`int __cxa_guard_acquire(uint64_t *guard)`: 1: the caller initialises the static variable; 0: it is initialised. Waits while another thread does that"),
    import("__cxa_guard_release", guard_release, "`void __cxa_guard_release(uint64_t *guard)`: the static variable is initialised"),
    import("__cxa_guard_abort", guard_abort, "`void __cxa_guard_abort(uint64_t *guard)`: it is not; one thread that waits tries next"),
    import("__cxa_atexit", cxa_atexit, "`int __cxa_atexit(void (*f)(void *), void *argument, void *library)`: to be called when the library is unloaded or the process ends; -1: there are 4096"),
    import("__cxa_thread_atexit", thread_atexit, "`int __cxa_thread_atexit(void (*f)(void *), void *object, void *library)`: to be called when the calling thread ends, or before the library goes; a process has 16384 at a time, more crash it"),
    import("__cxa_thread_atexit_impl", thread_atexit, "`int __cxa_thread_atexit_impl(void (*f)(void *), void *object, void *library)`: as __cxa_thread_atexit; what libc++abi and libstdc++ ask for"),
    import("__cxa_finalize", cxa_finalize, "`void __cxa_finalize(void *library)`: calls what was registered with this handle, NULL: everything"),
    import("__cxa_pure_virtual", pure_virtual, "`void __cxa_pure_virtual(void)`: a virtual function that no class defines was called, the process crashes"),
    import("__cxa_deleted_virtual", deleted_virtual, "`void __cxa_deleted_virtual(void)`: a virtual function that is deleted was called, the process crashes"),
    import("__cxa_bad_cast", bad_cast, "`void __cxa_bad_cast(void)`: a dynamic_cast to a reference failed, the process crashes (nothing unwinds)"),
    import("__cxa_bad_typeid", bad_typeid, "`void __cxa_bad_typeid(void)`: typeid of a null pointer's object, the process crashes (nothing unwinds)"),
    import("__cxa_throw_bad_array_new_length", bad_array_length, "`void __cxa_throw_bad_array_new_length(void)`: no array has that length, the process crashes (nothing unwinds)"),
    import("_ZSt9terminatev", terminate, "`void std::terminate()`: crashes the process"),
    import("_ZnwjSt11align_val_t", new_aligned, "`operator new(size_t, std::align_val_t)`: no memory: the process crashes"),
    import("_ZnajSt11align_val_t", new_aligned, "`operator new[](size_t, std::align_val_t)`: no memory: the process crashes"),
    import("_ZnwjSt11align_val_tRKSt9nothrow_t", new_aligned_or_null, "`operator new(size_t, std::align_val_t, const std::nothrow_t &)`: no memory: NULL"),
    import("_ZnajSt11align_val_tRKSt9nothrow_t", new_aligned_or_null, "`operator new[](size_t, std::align_val_t, const std::nothrow_t &)`: no memory: NULL"),
    import("_ZdlPvRKSt9nothrow_t", heap::free, "`operator delete(void *, const std::nothrow_t &)`: free"),
    import("_ZdaPvRKSt9nothrow_t", heap::free, "`operator delete[](void *, const std::nothrow_t &)`: free"),
    import("_ZdlPvSt11align_val_t", heap::free, "`operator delete(void *, std::align_val_t)`: free"),
    import("_ZdaPvSt11align_val_t", heap::free, "`operator delete[](void *, std::align_val_t)`: free"),
    import("_ZdlPvSt11align_val_tRKSt9nothrow_t", heap::free, "`operator delete(void *, std::align_val_t, const std::nothrow_t &)`: free"),
    import("_ZdaPvSt11align_val_tRKSt9nothrow_t", heap::free, "`operator delete[](void *, std::align_val_t, const std::nothrow_t &)`: free"),
    import("_ZdlPvjSt11align_val_t", heap::free, "`operator delete(void *, size_t, std::align_val_t)`: free"),
    import("_ZdaPvjSt11align_val_t", heap::free, "`operator delete[](void *, size_t, std::align_val_t)`: free"),
];

/// The guard's first byte says whether the variable is initialised.
fn guard_acquire(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if c.load8(at)? != 0 {
        return c.ret(0);
    }
    let limit = c.os.shared.config.limits.sync_objects;
    match c.os.lib.guards.begin(at, c.thread.id, limit) {
        Begin::Mine => c.ret(1),
        Begin::Later => Ok(Outcome::Park(Wait::Guard(at), None)),
        Begin::Again => Err(Stop::because(format!(
            "the initialisation of a static variable needs the variable itself (its guard is at {at:#010x})"
        ))),
        Begin::Full => Err(Stop::because(format!(
            "more than {limit} static variables are being initialised"
        ))),
    }
}

fn guard_release(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.store8(at, 1)?;
    c.os.lib.guards.end(at);
    for (waiter, _) in c.os.sched.waiting(|wait| wait == Wait::Guard(at)) {
        c.os.wake(waiter, 0);
    }
    Ok(Outcome::Return)
}

fn guard_abort(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.store8(at, 0)?;
    let waiting = c.os.sched.waiting(|wait| wait == Wait::Guard(at));
    match waiting.first() {
        Some(&(next, _)) => {
            c.os.lib.guards.hand_over(at, next);
            c.os.wake(next, 1);
        }
        None => c.os.lib.guards.end(at),
    }
    Ok(Outcome::Return)
}

fn cxa_atexit(c: &mut Call<'_>) -> Done {
    let exit = Exit {
        f: c.arg(0)?,
        argument: c.arg(1)?,
        library: c.arg(2)?,
    };
    register(c, exit)
}

/// Compilers do not look at the result, so there is none that says that a destructor will not run.
fn thread_atexit(c: &mut Call<'_>) -> Done {
    let destructor = Exit {
        f: c.arg(0)?,
        argument: c.arg(1)?,
        library: c.arg(2)?,
    };
    match c.os.lib.thread_objects.add(c.thread.id, destructor) {
        true => c.ret(0),
        false => Err(Stop::because(format!(
            "more than {MAX_OBJECTS} thread-local objects wait for their destructors"
        ))),
    }
}

fn cxa_finalize(c: &mut Call<'_>) -> Done {
    let library = c.arg(0)?;
    run_exits(c, library)
}

fn run_exits(c: &mut Call<'_>, library: u32) -> Done {
    let mine = |exit: &Exit| library == 0 || exit.library == library;
    match c.os.lib.exits.pop(mine) {
        None => Ok(Outcome::Return),
        Some(exit) => {
            let next = move |c: &mut Call<'_>, _: u64| run_exits(c, library);
            Ok(Outcome::Enter(exit.f, vec![exit.argument], Box::new(next)))
        }
    }
}

fn pure_virtual(_: &mut Call<'_>) -> Done {
    Err(Stop::because("a pure virtual function was called"))
}

fn deleted_virtual(_: &mut Call<'_>) -> Done {
    Err(Stop::because("a deleted virtual function was called"))
}

fn bad_cast(_: &mut Call<'_>) -> Done {
    Err(Stop::because(
        "std::bad_cast: a dynamic_cast to a reference failed",
    ))
}

fn bad_typeid(_: &mut Call<'_>) -> Done {
    Err(Stop::because(
        "std::bad_typeid: typeid of a null pointer's object",
    ))
}

fn bad_array_length(_: &mut Call<'_>) -> Done {
    Err(Stop::because(
        "std::bad_array_new_length: an array of that length cannot be",
    ))
}

fn terminate(_: &mut Call<'_>) -> Done {
    Err(Stop::because("std::terminate() was called"))
}

fn new_aligned(c: &mut Call<'_>) -> Done {
    let len = c.arg(0)?;
    let got = move |c: &mut Call<'_>, at: u32| match at {
        0 => Err(Stop::because(format!("operator new: no memory for {len} bytes"))),
        at => c.ret(at),
    };
    aligned(c, Box::new(got))
}

fn new_aligned_or_null(c: &mut Call<'_>) -> Done {
    aligned(c, Box::new(|c, at| c.ret(at)))
}

fn aligned(c: &mut Call<'_>, got: heap::Got) -> Done {
    let (len, align) = (c.arg(0)?, c.arg(1)?);
    if !align.is_power_of_two() {
        return got(c, 0);
    }
    heap::allocate(c, len, align.max(16), got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    /// What a call that ends the process says.
    fn why(g: &mut Guest, name: &str, args: &[u32]) -> String {
        match g.try_call(name, args) {
            Err(stop) => stop.to_string(),
            Ok(_) => panic!("{name} returned"),
        }
    }

    #[test]
    fn a_static_variable_is_initialised_once_and_others_wait_for_it() {
        let mut g = Guest::new();
        let guard = g.bytes(&[0; 8]);
        assert_eq!(g.call("__cxa_guard_acquire", &[guard]), 1);
        g.park(50, 100, "__cxa_guard_acquire", &[guard]);
        g.park(51, 100, "__cxa_guard_acquire", &[guard]);
        assert!(!g.is_ready(50) && !g.is_ready(51));
        g.try_call("__cxa_guard_release", &[guard])
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(g.read(guard, 1), [1]);
        for id in [50, 51] {
            assert!(g.is_ready(id));
            assert_eq!(g.os.sched.get(id).unwrap().0.core.regs.r[0], 0);
        }
        assert_eq!(g.call("__cxa_guard_acquire", &[guard]), 0);
    }

    #[test]
    fn an_initialisation_that_is_given_up_goes_to_one_that_waits() {
        let mut g = Guest::new();
        let guard = g.bytes(&[0; 8]);
        assert_eq!(g.call("__cxa_guard_acquire", &[guard]), 1);
        g.park(50, 100, "__cxa_guard_acquire", &[guard]);
        g.park(51, 100, "__cxa_guard_acquire", &[guard]);
        g.try_call("__cxa_guard_abort", &[guard])
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(g.is_ready(50) && !g.is_ready(51));
        assert_eq!(g.os.sched.get(50).unwrap().0.core.regs.r[0], 1);
        // It is not this thread's any more, so this one would wait.
        assert!(matches!(
            g.try_call("__cxa_guard_acquire", &[guard]),
            Ok(Outcome::Park(Wait::Guard(_), None))
        ));
        // Given up with nobody waiting, it is free.
        let other = g.bytes(&[0; 8]);
        assert_eq!(g.call("__cxa_guard_acquire", &[other]), 1);
        g.try_call("__cxa_guard_abort", &[other])
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(g.call("__cxa_guard_acquire", &[other]), 1);
    }

    #[test]
    fn recursion_and_bad_guards_end_the_process_with_a_reason() {
        let mut g = Guest::new();
        let guard = g.bytes(&[0; 8]);
        assert_eq!(g.call("__cxa_guard_acquire", &[guard]), 1);
        assert!(why(&mut g, "__cxa_guard_acquire", &[guard]).contains("needs the variable itself"));
        for name in ["__cxa_guard_acquire", "__cxa_guard_release", "__cxa_guard_abort"] {
            assert!(matches!(g.try_call(name, &[4]), Err(Stop::Fault(_))), "{name}");
        }
    }

    #[test]
    fn what_must_not_happen_says_its_name() {
        let mut g = Guest::new();
        for (name, text) in [
            ("__cxa_pure_virtual", "pure virtual"),
            ("__cxa_deleted_virtual", "deleted virtual"),
            ("__cxa_bad_cast", "bad_cast"),
            ("__cxa_bad_typeid", "bad_typeid"),
            ("__cxa_throw_bad_array_new_length", "bad_array_new_length"),
            ("_ZSt9terminatev", "std::terminate"),
        ] {
            assert!(why(&mut g, name, &[]).contains(text), "{name}");
        }
    }

    #[test]
    fn finalize_runs_one_library_s_functions_last_first() {
        let mut g = Guest::new();
        for (f, library) in [(0x1000, 7), (0x2000, 8), (0x3000, 7)] {
            assert_eq!(g.call("__cxa_atexit", &[f, f + 4, library]), 0);
        }
        let Ok(Outcome::Enter(0x3000, args, then)) = g.try_call("__cxa_finalize", &[7]) else {
            panic!("the last of them is first")
        };
        assert_eq!(args, [0x3004]);
        let Ok(Outcome::Enter(0x1000, _, then)) = g.go_on(then, 0) else {
            panic!("then the one before")
        };
        assert!(matches!(g.go_on(then, 0), Ok(Outcome::Return)));
        assert!(matches!(
            g.try_call("__cxa_finalize", &[0]),
            Ok(Outcome::Enter(0x2000, ..))
        ));
    }

    #[test]
    fn aligned_blocks_are_aligned_and_freed_as_others() {
        let mut g = Guest::new();
        let at = g.call("_ZnwjSt11align_val_t", &[100, 256]);
        assert!(at != 0 && at.is_multiple_of(256));
        g.try_call("_ZdlPvjSt11align_val_t", &[at, 100, 256])
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(why(&mut g, "_ZdlPvSt11align_val_t", &[at, 256]).contains("not a live heap block"));
        let nothrow = "_ZnajSt11align_val_tRKSt9nothrow_t";
        assert_eq!(g.call(nothrow, &[8, 24, 0]), 0, "no power of two");
        assert_eq!(g.call(nothrow, &[u32::MAX, 16, 0]), 0);
        assert!(why(&mut g, "_ZnwjSt11align_val_t", &[u32::MAX, 16]).contains("no memory"));
    }

    #[test]
    fn thread_local_objects_are_destroyed_last_first_before_the_thread_is_gone() {
        let mut g = Guest::new();
        for f in [0x1000, 0x2000] {
            assert_eq!(g.call("__cxa_thread_atexit_impl", &[f, f + 4, 0]), 0);
        }
        let Ok(Outcome::Enter(0x2000, args, then)) = g.try_call("qurt_thread_exit", &[3]) else {
            panic!("the last of them is first")
        };
        assert_eq!(args, [0x2004]);
        // Its destructor makes another one.
        assert_eq!(g.call("__cxa_thread_atexit", &[0x3000, 7, 0]), 0);
        let Ok(Outcome::Enter(0x3000, _, then)) = g.go_on(then, 0) else {
            panic!("that one is next")
        };
        let Ok(Outcome::Enter(0x1000, _, then)) = g.go_on(then, 0) else {
            panic!("then the first")
        };
        assert!(matches!(g.go_on(then, 0), Ok(Outcome::Exit(3))));
    }

    #[test]
    fn there_is_an_end_of_thread_local_objects() {
        let mut g = Guest::new();
        for n in 0..MAX_OBJECTS as u32 {
            assert_eq!(g.call("__cxa_thread_atexit", &[0x1000, n, 0]), 0);
        }
        assert!(why(&mut g, "__cxa_thread_atexit", &[0x1000, 0, 0]).contains("thread-local objects"));
    }
}
