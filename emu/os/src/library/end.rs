//! How programs end: `abort`, `exit`, failed assertions and stack checks, and what runs at exit.

use std::collections::VecDeque;

use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::continuation::Then;
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("abort", abort, "`void abort(void)`: crashes the process"),
    import("exit", exit, "`void exit(int status)`: ends the process without a crash; its calls are answered as those of a dead process"),
    import("_exit", exit, "`void _exit(int status)`: as exit"),
    import("_Exit", exit, "`void _Exit(int status)`: as exit"),
    import("atexit", atexit, "`int atexit(void (*f)(void))`: to be called by exit"),
    import("_Assert", assert, "`void _Assert(const char *expression, const char *function)`: the SDK's assert failed, the process crashes"),
    import("__assert_fail", assert_fail, "`void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)`: musl's"),
    import("__assert_func", assert_func, "`void __assert_func(const char *file, int line, const char *function, const char *expression)`: newlib's"),
    import("__stack_chk_fail", stack_check, "`void __stack_chk_fail(void)`: the compiler's check found the canary overwritten, the process crashes"),
    import("__cxa_atexit", cxa_atexit, "`int __cxa_atexit(void (*f)(void *), void *argument, void *library)`: to be called at exit or unload"),
    import("__cxa_finalize", cxa_finalize, "`void __cxa_finalize(void *library)`: calls what the library registered"),
    import("__cxa_pure_virtual", pure_virtual, "`void __cxa_pure_virtual(void)`: a virtual function that no class defines was called, the process crashes"),
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
    let last = move |_: &mut Call<'_>, _: u64| Ok(Outcome::EndProcess(status));
    run(c.os.lib.exits.take(0), Box::new(last))(c, 0)
}

fn atexit(c: &mut Call<'_>) -> Done {
    let f = c.arg(0)?;
    register(c, (f, 0, 0))
}

fn cxa_atexit(c: &mut Call<'_>) -> Done {
    let entry = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    register(c, entry)
}

fn register(c: &mut Call<'_>, (f, argument, library): (u32, u32, u32)) -> Done {
    let registered = c.os.lib.exits.add(f, argument, library);
    c.ret(if registered { 0 } else { u32::MAX })
}

fn run(mut functions: VecDeque<(u32, u32)>, last: Then) -> Then {
    Box::new(move |c, _| match functions.pop_front() {
        None => last(c, 0),
        Some((f, argument)) => Ok(Outcome::Enter(f, vec![argument], run(functions, last))),
    })
}

fn cxa_finalize(c: &mut Call<'_>) -> Done {
    let library = c.arg(0)?;
    let functions = c.os.lib.exits.take(library);
    run(functions, Box::new(|c, _| c.ret(0)))(c, 0)
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

fn pure_virtual(_: &mut Call<'_>) -> Done {
    Err(Stop::because("a pure virtual function was called"))
}

fn frame_info(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

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
    }
}
