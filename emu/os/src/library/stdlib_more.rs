//! What else there is in `<stdlib.h>` and `<inttypes.h>`: quotients of 64 bits, more random numbers, `qsort_r`, the environment by
//! `putenv`, exits that run little.

use super::convert::IMPORTS as CONVERT;
use super::end::IMPORTS as END;
use super::environment::IMPORTS as ENVIRONMENT;
use super::errno::{EINVAL, ENOMEM, fail};
use super::heap::reallocate;
use super::sort::qsort_r;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, alias, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("lldiv", lldiv, "`lldiv_t lldiv(long long a, long long b)`: quotient and remainder; division by 0 gives 0 and a"),
    import("imaxdiv", lldiv, "`imaxdiv_t imaxdiv(intmax_t a, intmax_t b)`: quotient and remainder; division by 0 gives 0 and a"),
    import("qsort_r", qsort_r, "`void qsort_r(void *base, size_t count, size_t size, int (*compare)(const void *, const void *, void *), void *)`: sorts, stable; the last argument is the comparison's third"),
    import("reallocarray", reallocarray, "`void *reallocarray(void *block, size_t count, size_t size)`: as realloc; NULL and ENOMEM if the product overflows"),
    alias("random", CONVERT, "rand", "`long random(void)`: as rand"),
    alias("srandom", CONVERT, "srand", "`void srandom(unsigned seed)`: as srand"),
    import("drand48", |c| own(c, fraction), "`double drand48(void)`: in [0, 1), of POSIX's sequence of 48 bits"),
    import("erand48", |c| given(c, fraction), "`double erand48(unsigned short state[3])`: in [0, 1)"),
    import("lrand48", |c| own(c, positive), "`long lrand48(void)`: 31 bits"),
    import("nrand48", |c| given(c, positive), "`long nrand48(unsigned short state[3])`: 31 bits"),
    import("mrand48", |c| own(c, whole), "`long mrand48(void)`: 32 bits"),
    import("jrand48", |c| given(c, whole), "`long jrand48(unsigned short state[3])`: 32 bits"),
    import("srand48", srand48, "`void srand48(long seed)`: where drand48 and its kin start"),
    import("putenv", putenv, "`int putenv(char *)`: \"NAME=value\", which becomes a part of the environment; -1 and EINVAL, ENOMEM"),
    import("clearenv", clearenv, "`int clearenv(void)`: forgets all variables"),
    alias("secure_getenv", ENVIRONMENT, "getenv", "`char *secure_getenv(const char *name)`: as getenv"),
    alias("quick_exit", END, "_Exit", "`void quick_exit(int status)`: as _Exit, at_quick_exit registers nothing"),
    import("at_quick_exit", |c| c.ret(1), "`int at_quick_exit(void (*f)(void))`: to be called by quick_exit").refuses("1, nothing is registered"),
];

/// Where the result goes in r0, the numbers in r3:2 and r5:4.
fn lldiv(c: &mut Call<'_>) -> Done {
    let (to, a, b) = (c.arg(0)?, c.arg64(2) as i64, c.arg64(4) as i64);
    let (quotient, rest) = match b {
        0 => (0, a),
        b => (a.wrapping_div(b), a.wrapping_rem(b)),
    };
    c.store64(to, quotient as u64)?;
    c.store64(to.wrapping_add(8), rest as u64)?;
    c.ret(to)
}

fn reallocarray(c: &mut Call<'_>) -> Done {
    let (block, size) = (c.arg(0)?, c.arg(1)?.checked_mul(c.arg(2)?));
    match size {
        Some(size) => reallocate(c, block, size),
        None => {
            c.set_errno(ENOMEM)?;
            c.ret(0)
        }
    }
}

/// The next number of 48 bits (POSIX, `drand48`: the linear congruential sequence with these constants).
fn next48(state: u64) -> u64 {
    state.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff
}

fn own(c: &mut Call<'_>, answer: fn(&mut Call<'_>, u64) -> Done) -> Done {
    let next = next48(c.os.lib.random48);
    c.os.lib.random48 = next;
    answer(c, next)
}

fn given(c: &mut Call<'_>, answer: fn(&mut Call<'_>, u64) -> Done) -> Done {
    let at = c.arg(0)?;
    let mut state = [0; 8];
    state[..6].copy_from_slice(&c.load(at, 6)?);
    let next = next48(u64::from_le_bytes(state));
    c.store(at, &next.to_le_bytes()[..6])?;
    answer(c, next)
}

fn fraction(c: &mut Call<'_>, state: u64) -> Done {
    c.ret_f64(state as f64 / (1u64 << 48) as f64)
}

fn positive(c: &mut Call<'_>, state: u64) -> Done {
    c.ret((state >> 17) as u32)
}

fn whole(c: &mut Call<'_>, state: u64) -> Done {
    c.ret((state >> 16) as u32)
}

fn srand48(c: &mut Call<'_>) -> Done {
    c.os.lib.random48 = u64::from(c.arg(0)?) << 16 | 0x330e;
    c.ret(0)
}

fn putenv(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let text = c.cstr_max(at, MAX_VARIABLE)?;
    match text.iter().position(|&b| b == b'=') {
        None | Some(0) => fail(c, EINVAL),
        Some(_) if text.len() >= MAX_VARIABLE => fail(c, ENOMEM),
        Some(equals) => {
            let (name, value) = (text[..equals].to_vec(), text[equals + 1..].to_vec());
            let environment = &mut c.os.lib.environment;
            if environment.len() >= MAX_VARIABLES && !environment.contains_key(&name) {
                return fail(c, ENOMEM);
            }
            // The program's own text is what getenv answers.
            environment.insert(name, (value, at.wrapping_add(equals as u32 + 1)));
            c.ret(0)
        }
    }
}

/// Variables, and bytes of one, at most.
const MAX_VARIABLES: usize = 1024;
const MAX_VARIABLE: usize = 1 << 16;

fn clearenv(c: &mut Call<'_>) -> Done {
    c.os.lib.environment.clear();
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use crate::kernel::call::Outcome;
    use crate::kernel::testing::Guest;

    #[test]
    fn quotients_of_64_bits_go_where_the_caller_wants_them() {
        let mut g = Guest::new();
        let to = g.bytes(&[0; 16]);
        let minus = |v: i64| [v as u32, (v >> 32) as u32];
        let args = [&[to, 0][..], &minus(-7_000_000_000), &minus(2_000_000_000)].concat();
        assert_eq!(g.call("lldiv", &args), to);
        let read = |g: &Guest, at| i64::from_le_bytes(g.read(at, 8).try_into().unwrap());
        assert_eq!((read(&g, to), read(&g, to + 8)), (-3, -1_000_000_000));
        let args = [&[to, 0][..], &minus(i64::MIN), &minus(-1)].concat();
        g.call("imaxdiv", &args);
        assert_eq!((read(&g, to), read(&g, to + 8)), (i64::MIN, 0));
        g.call("lldiv", &[to, 0, 5, 0, 0, 0]);
        assert_eq!((read(&g, to), read(&g, to + 8)), (0, 5));
    }

    #[test]
    fn sequences_of_48_bits_are_posix_s() {
        let mut g = Guest::new();
        g.call("srand48", &[0]);
        // What the formula gives for the seed 0, computed elsewhere.
        let first = 0x2bbb_62dc_5101u64;
        assert_eq!(g.call("lrand48", &[]), (first >> 17) as u32);
        let state = g.bytes(&[0x0e, 0x33, 0, 0, 0, 0]);
        assert_eq!(g.call("jrand48", &[state]), (first >> 16) as u32);
        let second = f64::from_bits(g.call64("erand48", &[state]));
        assert_eq!(f64::from_bits(g.call64("drand48", &[])), second);
        assert!((0.0..1.0).contains(&second));
    }

    #[test]
    fn what_putenv_gets_is_the_environment_s() {
        let mut g = Guest::new();
        let (text, name) = (g.bytes(b"MODE=fast\0"), g.bytes(b"MODE\0"));
        assert_eq!(g.call("putenv", &[text]), 0);
        assert_eq!(g.call("getenv", &[name]), text + 5);
        assert_eq!(g.call("putenv", &[name]), u32::MAX);
        assert_eq!(
            (g.call("clearenv", &[]), g.call("secure_getenv", &[name])),
            (0, 0)
        );
    }

    #[test]
    fn arrays_that_overflow_are_not_made() {
        let mut g = Guest::new();
        let block = g.call("reallocarray", &[0, 4, 4]);
        assert_ne!(block, 0);
        assert_eq!(g.call("reallocarray", &[block, 0x1_0000, 0x1_0000]), 0);
        assert_ne!(g.call("reallocarray", &[block, 8, 8]), 0);
    }

    #[test]
    fn comparisons_get_what_qsort_r_was_given() {
        let mut g = Guest::new();
        let at = g.bytes(&[2, 1]);
        let Ok(Outcome::Enter(0x2000, args, then)) = g.try_call("qsort_r", &[at, 2, 1, 0x2000, 77]) else {
            panic!("a comparison")
        };
        assert_eq!(args, [at, at + 1, 77]);
        assert!(matches!(g.go_on(then, 1), Ok(Outcome::Return)));
        assert_eq!(g.read(at, 2), [1, 2]);
    }
}
