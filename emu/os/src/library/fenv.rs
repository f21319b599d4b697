//! `<fenv.h>`: the floating-point part of the calling thread's USR, which the core's instructions read and write (Hexagon
//! Programmer's Reference Manual, "User status register"): sticky flags in bits 1 to 5, the rounding mode in bits 23 and 22, traps
//! in bits 25 to 29. Constants and types are those of musl for Hexagon: a flag is its bit of USR, an environment is one word.
//!
//! Functions of `<math.h>` that round to integers by the mode do so; others round their results to nearest and raise no flags.

use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, import};
use emu_core::Ctl;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("feclearexcept", feclearexcept, "`int feclearexcept(int flags)`: clears them; 0"),
    import("feraiseexcept", feraiseexcept, "`int feraiseexcept(int flags)`: sets them, without a trap; 0"),
    import("fetestexcept", fetestexcept, "`int fetestexcept(int flags)`: which of them are set"),
    import("fegetexceptflag", fegetexceptflag, "`int fegetexceptflag(fexcept_t *, int flags)`: keeps them; 0"),
    import("fesetexceptflag", fesetexceptflag, "`int fesetexceptflag(const fexcept_t *, int flags)`: as they were kept; 0"),
    import("fegetround", fegetround, "`int fegetround(void)`: 0 to nearest, 1 towards 0, 2 down, 3 up"),
    import("fesetround", fesetround, "`int fesetround(int mode)`: how instructions of this thread round; 1 if there is no such mode"),
    import("fegetenv", fegetenv, "`int fegetenv(fenv_t *)`: keeps flags, mode and traps; 0"),
    import("fesetenv", fesetenv, "`int fesetenv(const fenv_t *)`: as they were kept, or as at first (FE_DFL_ENV, -1); 0"),
    import("feholdexcept", feholdexcept, "`int feholdexcept(fenv_t *)`: keeps them, clears flags and traps; 0"),
    import("feupdateenv", feupdateenv, "`int feupdateenv(const fenv_t *)`: as they were kept, and the flags of now; 0"),
];

const FLAGS: u32 = 0x3e;
const TRAPS: u32 = 0x1f << 25;
const MODE_AT: u32 = 22;
const ALL: u32 = FLAGS | TRAPS | 3 << MODE_AT;
/// `FE_DFL_ENV`
const DEFAULT: u32 = u32::MAX;

fn usr<'a>(c: &'a mut Call<'_>) -> &'a mut u32 {
    &mut c.thread.core.regs.c[Ctl::Usr]
}

/// An integer, by the calling thread's rounding mode.
pub(super) fn round(c: &Call<'_>, v: f64) -> f64 {
    match c.thread.core.regs.c[Ctl::Usr] >> MODE_AT & 3 {
        0 => v.round_ties_even(),
        1 => v.trunc(),
        2 => v.floor(),
        _ => v.ceil(),
    }
}

fn feclearexcept(c: &mut Call<'_>) -> Done {
    let flags = c.arg(0)? & FLAGS;
    *usr(c) &= !flags;
    c.ret(0)
}

fn feraiseexcept(c: &mut Call<'_>) -> Done {
    let flags = c.arg(0)? & FLAGS;
    *usr(c) |= flags;
    c.ret(0)
}

fn fetestexcept(c: &mut Call<'_>) -> Done {
    let set = c.arg(0)? & FLAGS & *usr(c);
    c.ret(set)
}

fn fegetexceptflag(c: &mut Call<'_>) -> Done {
    let set = c.arg(1)? & FLAGS & *usr(c);
    c.store32(c.arg(0)?, set)?;
    c.ret(0)
}

fn fesetexceptflag(c: &mut Call<'_>) -> Done {
    let (kept, flags) = (c.load32(c.arg(0)?)?, c.arg(1)? & FLAGS);
    let usr = usr(c);
    *usr = *usr & !flags | kept & flags;
    c.ret(0)
}

fn fegetround(c: &mut Call<'_>) -> Done {
    let mode = *usr(c) >> MODE_AT & 3;
    c.ret(mode)
}

fn fesetround(c: &mut Call<'_>) -> Done {
    let mode = c.arg(0)?;
    if mode > 3 {
        return c.ret(1);
    }
    let usr = usr(c);
    *usr = *usr & !(3 << MODE_AT) | mode << MODE_AT;
    c.ret(0)
}

fn keep(c: &mut Call<'_>) -> Result<(), Stop> {
    let kept = *usr(c) & ALL;
    c.store32(c.arg(0)?, kept)
}

/// What was kept at the address of the first argument.
fn kept(c: &Call<'_>) -> Result<u32, Stop> {
    match c.arg(0)? {
        DEFAULT => Ok(0),
        at => Ok(c.load32(at)? & ALL),
    }
}

fn fegetenv(c: &mut Call<'_>) -> Done {
    keep(c)?;
    c.ret(0)
}

fn fesetenv(c: &mut Call<'_>) -> Done {
    let kept = kept(c)?;
    let usr = usr(c);
    *usr = *usr & !ALL | kept;
    c.ret(0)
}

fn feholdexcept(c: &mut Call<'_>) -> Done {
    keep(c)?;
    *usr(c) &= !(FLAGS | TRAPS);
    c.ret(0)
}

fn feupdateenv(c: &mut Call<'_>) -> Done {
    let kept = kept(c)?;
    let usr = usr(c);
    *usr = *usr & (!ALL | FLAGS) | kept;
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn flags_and_modes_are_those_of_usr() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 4]);
        g.thread.core.regs.c[Ctl::Usr] = 1;
        g.call("feraiseexcept", &[0xff]);
        assert_eq!(g.thread.core.regs.c[Ctl::Usr], 0x3f);
        g.call("feclearexcept", &[0x7]);
        assert_eq!(
            (
                g.call("fetestexcept", &[0xff]),
                g.thread.core.regs.c[Ctl::Usr] & 1
            ),
            (0x38, 1)
        );
        g.call("fegetexceptflag", &[at, 0x18]);
        g.call("feclearexcept", &[0xff]);
        g.call("fesetexceptflag", &[at, 0x08]);
        assert_eq!(g.call("fetestexcept", &[0xff]), 0x08);
        assert_eq!((g.call("fesetround", &[4]), g.call("fesetround", &[2])), (1, 0));
        assert_eq!(g.thread.core.regs.c[Ctl::Usr] >> 22 & 3, 2);
        g.call("feholdexcept", &[at]);
        assert_eq!(
            (g.call("fetestexcept", &[0xff]), g.call("fegetround", &[])),
            (0, 2)
        );
        g.call("feraiseexcept", &[0x20]);
        g.call("fesetround", &[0]);
        g.call("feupdateenv", &[at]);
        assert_eq!(
            (g.call("fetestexcept", &[0xff]), g.call("fegetround", &[])),
            (0x28, 2)
        );
        g.call("fesetenv", &[DEFAULT]);
        assert_eq!(g.thread.core.regs.c[Ctl::Usr], 1);
        assert!(g.try_call("fegetenv", &[3]).is_err());
    }

    #[test]
    fn integers_follow_the_mode() {
        let mut g = Guest::new();
        let v = 2.5f64.to_bits();
        for (mode, want) in [(0, 2.0), (1, 2.0), (2, 2.0), (3, 3.0)] {
            g.call("fesetround", &[mode]);
            let args = [v as u32, (v >> 32) as u32];
            for name in ["rint", "nearbyint"] {
                assert_eq!(f64::from_bits(g.call64(name, &args)), want, "{name} {mode}");
            }
            assert_eq!(g.call("lrint", &args), want as u32);
            assert_eq!(g.call64("llrint", &args), want as u64);
            assert_eq!(f32::from_bits(g.call("rintf", &[2.5f32.to_bits()])), want as f32);
        }
    }
}
