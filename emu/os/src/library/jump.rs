//! `setjmp` and `longjmp`. A `jmp_buf` is used as 15 words: r16 to r27, r29 to r31; musl's for Hexagon has 16.

use crate::calls::opening;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("setjmp", setjmp, "`int setjmp(jmp_buf)`: 0; where longjmp comes back to"),
    import("_setjmp", setjmp, "`int _setjmp(jmp_buf)`: as setjmp"),
    import("sigsetjmp", setjmp, "`int sigsetjmp(sigjmp_buf, int)`: as setjmp, there are no signals"),
    import("__sigsetjmp", setjmp, "`int __sigsetjmp(sigjmp_buf, int)`: as setjmp, there are no signals"),
    import("longjmp", longjmp, "`void longjmp(jmp_buf, int)`: back to setjmp, which returns the number, or 1 for 0"),
    import("_longjmp", longjmp, "`void _longjmp(jmp_buf, int)`: as longjmp"),
    import("siglongjmp", longjmp, "`void siglongjmp(sigjmp_buf, int)`: as longjmp"),
];

/// Registers that a call preserves.
const KEPT: [usize; 15] = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 30, 31];

fn setjmp(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    for (n, r) in (0..).zip(KEPT) {
        c.store32(at.wrapping_add(4 * n), c.thread.core.regs.r[r])?;
    }
    c.ret(0)
}

fn longjmp(c: &mut Call<'_>) -> Done {
    let (at, value) = (c.arg(0)?, c.arg(1)?);
    let mut words = [0; KEPT.len()];
    for (n, word) in (0..).zip(&mut words) {
        *word = c.load32(at.wrapping_add(4 * n))?;
    }
    for (r, word) in KEPT.into_iter().zip(words) {
        c.thread.core.regs.r[r] = word;
    }
    // Functions that called back into the program, and that it leaves now, do not go on.
    let sp = c.sp();
    c.os.continuations.unwind(c.thread.id, sp);
    opening::jumped(c.os, c.thread.id);
    // The stub returns by r31.
    c.ret(value.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::call::Outcome;
    use crate::kernel::testing::Guest;

    #[test]
    fn a_jump_restores_what_a_call_preserves() {
        let mut g = Guest::new();
        let buf = g.bytes(&[0; 64]);
        for r in 16..32 {
            if r != 28 && r != 29 {
                g.thread.core.regs.r[r] = 100 + r as u32;
            }
        }
        let sp = g.thread.core.regs.r[29];
        assert_eq!(g.call("setjmp", &[buf]), 0);
        for r in 16..32 {
            g.thread.core.regs.r[r] = 7;
        }
        assert_eq!(g.call("longjmp", &[buf, 5]), 5);
        let r = &g.thread.core.regs.r;
        assert_eq!((r[16], r[27], r[28], r[29], r[31]), (116, 127, 7, sp, 131));
        assert_eq!(g.call("longjmp", &[buf, 0]), 1);
        assert_eq!(g.call("longjmp", &[buf, u32::MAX]), u32::MAX);
        assert!(g.try_call("longjmp", &[2, 1]).is_err());
    }

    #[test]
    fn a_jump_out_of_a_comparison_ends_the_sort() {
        let mut g = Guest::new();
        let (buf, numbers) = (g.bytes(&[0; 64]), g.bytes(&[2, 1, 0]));
        // A frame of the thread's own below: what it was started with.
        let sp = g.thread.core.regs.r[29];
        g.thread.core.regs.r[29] = sp + 0x100;
        let over = |c: &mut Call<'_>, _: u64| c.ret(9);
        let (os, thread) = (&mut g.os, &mut g.thread);
        os.enter(thread, 0x1000, &[], Box::new(over)).unwrap();
        thread.core.regs.r[29] = sp;
        g.call("setjmp", &[buf]);
        let Ok(Outcome::Enter(f, args, then)) = g.try_call("qsort", &[numbers, 3, 1, 0x2000]) else {
            panic!("it compares")
        };
        g.os.enter(&mut g.thread, f, &args, then).unwrap();
        g.thread.core.regs.r[29] -= 64;
        g.call("longjmp", &[buf, 1]);
        let mut left = 0;
        while g.os.continuations.pop(g.thread.id).is_some() {
            left += 1;
        }
        assert_eq!(left, 1);
    }

    #[test]
    fn a_jump_out_of_an_initialiser_lets_others_load() {
        let mut g = Guest::new();
        let (buf, name, me) = (g.bytes(&[0; 64]), g.bytes(b"x.so\0"), g.thread.id);
        let sp = g.thread.core.regs.r[29];
        g.thread.core.regs.r[29] = sp + 0x100;
        let over = |c: &mut Call<'_>, _: u64| c.ret(9);
        g.os.enter(&mut g.thread, 0x1000, &[], Box::new(over)).unwrap();
        g.thread.core.regs.r[29] = sp;
        g.call("setjmp", &[buf]);
        assert!(matches!(g.try_call("dlopen", &[name, 2]), Ok(Outcome::Park(..))));
        // As if its file had been read, and its initialiser ran.
        assert!(g.os.loading.take_read().is_some());
        g.os.loading.run_by(me, g.os.continuations.depth(me));
        g.os.enter(&mut g.thread, 0x2000, &[], Box::new(over)).unwrap();
        g.thread.core.regs.r[29] -= 64;
        g.park(50, 9, "dlopen", &[name, 2]);
        assert!(g.os.loading.take_read().is_none());
        g.call("longjmp", &[buf, 1]);
        assert!(g.os.loading.take_read().is_some());
    }
}
