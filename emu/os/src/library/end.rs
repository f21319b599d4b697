//! How programs end: `abort`, `exit`, failed assertions and stack checks, and what runs at exit.

use std::collections::VecDeque;

use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::continuation::Then;
use crate::kernel::import::{Import, import};

/// This family's table.
pub const IMPORTS: &[Import] = &[
    import("abort", abort),
    import("exit", exit),
    import("_exit", exit),
    import("_Exit", exit),
    import("atexit", atexit),
    import("_Assert", assert),
    import("__assert_fail", assert_fail),
    import("__assert_func", assert_func),
    import("__stack_chk_fail", stack_check),
    import("__cxa_atexit", cxa_atexit),
    import("__cxa_finalize", cxa_finalize),
    import("__cxa_pure_virtual", pure_virtual),
    import("__register_frame_info_bases", frame_info),
    import("__register_frame_info", frame_info),
    import("__deregister_frame_info_bases", frame_info),
    import("__deregister_frame_info", frame_info),
];

/// `void abort(void)`
fn abort(_: &mut Call<'_>) -> Done {
    Err(Stop::because("abort() was called"))
}

/// `void exit(int status)`: ends the process without a crash; its calls are answered as those of a dead process.
fn exit(c: &mut Call<'_>) -> Done {
    let status = c.arg(0)?;
    let last = move |_: &mut Call<'_>, _: u64| Ok(Outcome::EndProcess(status));
    run(c.os.lib.exits.take(0), Box::new(last))(c, 0)
}

/// `int atexit(void (*f)(void))`
fn atexit(c: &mut Call<'_>) -> Done {
    let f = c.arg(0)?;
    register(c, (f, 0, 0))
}

/// `int __cxa_atexit(void (*f)(void *), void *argument, void *library)`
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

/// `void __cxa_finalize(void *library)`
fn cxa_finalize(c: &mut Call<'_>) -> Done {
    let library = c.arg(0)?;
    let functions = c.os.lib.exits.take(library);
    run(functions, Box::new(|c, _| c.ret(0)))(c, 0)
}

/// `void _Assert(const char *expression, const char *function)`: the SDK's `assert`.
fn assert(c: &mut Call<'_>) -> Done {
    let (expression, function) = (c.text(c.arg(0)?)?, c.text(c.arg(1)?)?);
    Err(Stop::because(format!(
        "assertion failed: {expression} ({function})"
    )))
}

/// `void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)`
fn assert_fail(c: &mut Call<'_>) -> Done {
    let (expression, file, line) = (c.text(c.arg(0)?)?, c.text(c.arg(1)?)?, c.arg(2)?);
    Err(Stop::because(format!(
        "assertion failed: {expression} ({file}:{line})"
    )))
}

/// `void __assert_func(const char *file, int line, const char *function, const char *expression)`
fn assert_func(c: &mut Call<'_>) -> Done {
    let (file, line, expression) = (c.text(c.arg(0)?)?, c.arg(1)?, c.text(c.arg(3)?)?);
    Err(Stop::because(format!(
        "assertion failed: {expression} ({file}:{line})"
    )))
}

/// `void __stack_chk_fail(void)`: the compiler's check found the canary overwritten.
fn stack_check(_: &mut Call<'_>) -> Done {
    Err(Stop::because(
        "stack check failed: a function wrote over the end of a local array",
    ))
}

/// A virtual function that no class defines was called.
fn pure_virtual(_: &mut Call<'_>) -> Done {
    Err(Stop::because("a pure virtual function was called"))
}

/// Unwind tables are registered here; nothing unwinds (exceptions are not supported).
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
