//! How programs end: `abort`, `exit`, failed assertions and stack checks, and what runs at exit.

use super::stdio_file::flush_streams;
use crate::calls::ending;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::exits::Exit;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("abort", abort, "`void abort(void)`: crashes the process"),
    import("exit", exit, "`void exit(int status)`: runs exit functions and finalisers, hands what streams were given to the AP, then ends the process without a crash; its calls are answered as those of a dead process"),
    import("_exit", exit_now, "`void _exit(int status)`: as exit, but nothing runs before"),
    import("_Exit", exit_now, "`void _Exit(int status)`: as exit, but nothing runs before"),
    import("atexit", atexit, "`int atexit(void (*f)(void))`: to be called when its library is unloaded or the process ends; -1: there are 4096"),
    import("_Assert", assert, "`void _Assert(const char *expression, const char *function)`: the SDK's assert failed, the process crashes"),
    import("__assert_fail", assert_fail, "`void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)`: musl's"),
    import("__assert_func", assert_func, "`void __assert_func(const char *file, int line, const char *function, const char *expression)`: newlib's"),
    import("__stack_chk_fail", stack_check, "`void __stack_chk_fail(void)`: the compiler's check found the canary overwritten, the process crashes"),
    import("__register_frame_info_bases", frame_info, "`void __register_frame_info_bases(const void *, object *, void *, void *)`: nothing is noted, unwind tables stay with their library"),
    import("__register_frame_info", frame_info, "`void __register_frame_info(const void *, object *)`: nothing is noted, unwind tables stay with their library"),
    import("__deregister_frame_info_bases", frame_info, "`void *__deregister_frame_info_bases(const void *)`: NULL, nothing was noted"),
    import("__deregister_frame_info", frame_info, "`void *__deregister_frame_info(const void *)`: NULL, nothing was noted"),
];

fn abort(_: &mut Call<'_>) -> Done {
    Err(Stop::because("abort() was called"))
}

fn exit(c: &mut Call<'_>) -> Done {
    let status = c.arg(0)?;
    let over = move |c: &mut Call<'_>, _: u64| {
        // What was written to streams reaches the AP; that it did not is nobody's to hear any more (C17 7.22.4.4).
        let flushed = move |_: &mut Call<'_>, _: Result<(), u32>| Ok(Outcome::EndProcess(status));
        flush_streams(c, Box::new(flushed))
    };
    ending::end_process(c, Box::new(over))
}

fn exit_now(c: &mut Call<'_>) -> Done {
    Ok(Outcome::EndProcess(c.arg(0)?))
}

fn atexit(c: &mut Call<'_>) -> Done {
    let f = c.arg(0)?;
    let exit = Exit {
        f,
        argument: 0,
        library: 0,
    };
    register(c, exit)
}

/// Registers an exit function; the result is 0, or −1 if there is no room.
pub fn register(c: &mut Call<'_>, exit: Exit) -> Done {
    let registered = c.os.lib.exits.add(exit);
    c.ret(if registered { 0 } else { u32::MAX })
}

fn assert(c: &mut Call<'_>) -> Done {
    let (expression, function) = (c.text(c.arg(0)?)?, c.text(c.arg(1)?)?);
    Err(Stop::because(format!(
        "assertion failed: {expression} ({function})"
    )))
}

fn assert_fail(c: &mut Call<'_>) -> Done {
    let (expression, file, line) = (c.text(c.arg(0)?)?, c.text(c.arg(1)?)?, c.arg(2)?);
    Err(Stop::because(format!(
        "assertion failed: {expression} ({file}:{line})"
    )))
}

fn assert_func(c: &mut Call<'_>) -> Done {
    let (file, line, expression) = (c.text(c.arg(0)?)?, c.arg(1)?, c.text(c.arg(3)?)?);
    Err(Stop::because(format!(
        "assertion failed: {expression} ({file}:{line})"
    )))
}

fn stack_check(_: &mut Call<'_>) -> Done {
    Err(Stop::because(
        "stack check failed: a function wrote over the end of a local array",
    ))
}

fn frame_info(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::kernel::testing_files::ApFiles;

    #[test]
    fn ends_say_why() {
        let mut g = Guest::new();
        let (e, f) = (g.bytes(b"x > 0\0"), g.bytes(b"main\0"));
        for (name, args, want) in [
            ("abort", vec![], "abort() was called"),
            ("_Assert", vec![e, f], "assertion failed: x > 0 (main)"),
            ("__stack_chk_fail", vec![], "stack check failed"),
        ] {
            let Err(stop) = g.try_call(name, &args) else {
                panic!("{name}")
            };
            assert!(stop.to_string().contains(want), "{stop}");
        }
        assert!(matches!(g.try_call("exit", &[3]), Ok(Outcome::EndProcess(3))));
        assert!(matches!(g.try_call("_exit", &[4]), Ok(Outcome::EndProcess(4))));
    }

    #[test]
    fn exit_hands_over_what_was_written() {
        let mut g = Guest::new();
        let mut ap = ApFiles::default();
        let (path, mode, text) = (g.bytes(b"/out\0"), g.bytes(b"w\0"), g.bytes(b"all of it\0"));
        let f = ap.call(&mut g, "fopen", &[path, mode]);
        ap.call(&mut g, "fputs", &[text, f]);
        assert!(matches!(
            ap.play(&mut g, "exit", &[3]),
            Ok(Outcome::EndProcess(3))
        ));
        assert_eq!(ap.files["/out"], b"all of it");
    }

    #[test]
    fn exit_runs_what_was_registered_last_first_and_what_that_registers() {
        let mut g = Guest::new();
        assert_eq!(g.call("atexit", &[0x1000]), 0);
        assert_eq!(g.call("__cxa_atexit", &[0x2000, 7, 0]), 0);
        let Ok(Outcome::Enter(0x2000, args, then)) = g.try_call("exit", &[3]) else {
            panic!("the last one is first")
        };
        assert_eq!(args[0], 7);
        // It registers another one.
        assert_eq!(g.call("atexit", &[0x3000]), 0);
        let Ok(Outcome::Enter(0x3000, _, then)) = g.go_on(then, 0) else {
            panic!("the new one is next")
        };
        let Ok(Outcome::Enter(0x1000, _, then)) = g.go_on(then, 0) else {
            panic!("the first one is last")
        };
        assert!(matches!(g.go_on(then, 0), Ok(Outcome::EndProcess(3))));
        // `_exit` runs nothing.
        assert_eq!(g.call("atexit", &[0x1000]), 0);
        assert!(matches!(g.try_call("_exit", &[4]), Ok(Outcome::EndProcess(4))));
    }

    #[test]
    fn there_is_an_end_of_exit_functions() {
        let mut g = Guest::new();
        let registered = (0..10_000).filter(|_| g.call("atexit", &[0x1000]) == 0).count();
        assert_eq!(registered, 4096);
    }
}
