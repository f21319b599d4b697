//! How programs end: `abort`, `exit`, failed assertions and stack checks, and what runs at exit.

use std::collections::VecDeque;

use crate::call::{Call, Done, Outcome, Stop};
use crate::imports::{Import, import};

/// Functions that may be registered to run at exit.
const MAX_EXITS: usize = 4096;

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

/// Functions that run at exit: function, argument, library.
#[derive(Debug, Default)]
pub struct Exits(Vec<(u32, u32, u32)>);

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

fn register(c: &mut Call<'_>, entry: (u32, u32, u32)) -> Done {
    let exits = &mut c.os.lib.exits.0;
    if exits.len() >= MAX_EXITS {
        return c.ret(u32::MAX);
    }
    exits.push(entry);
    c.ret(0)
}

impl Exits {
    /// Takes the functions of a library (0: all), last registered first.
    fn take(&mut self, library: u32) -> VecDeque<(u32, u32)> {
        let mine = self.0.extract_if(.., |e| library == 0 || e.2 == library);
        let mut out: VecDeque<(u32, u32)> = mine.map(|(f, argument, _)| (f, argument)).collect();
        out.make_contiguous().reverse();
        out
    }
}

fn run(mut functions: VecDeque<(u32, u32)>, last: crate::thread::Then) -> crate::thread::Then {
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
    use super::super::testing::Guest;
    use super::*;

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

    #[test]
    fn exit_functions_of_one_library_run_last_first() {
        let mut e = Exits(vec![(1, 10, 7), (2, 20, 8), (3, 30, 7)]);
        assert_eq!(e.take(7), [(3, 30), (1, 10)]);
        assert_eq!(e.take(0), [(2, 20)]);
    }
}
