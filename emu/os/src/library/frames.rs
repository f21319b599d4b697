//! How the compiler begins and ends functions that are to be small: it calls these to save and restore r16 and those behind it.
//!
//! Source: LLVM's HexagonFrameLowering (the names, and where the unwind tables say that registers lie) and compiler-rt's
//! `common_entry_exit_abi2.S`: pairs lie below the frame pointer, r17:16 on top. They keep all other registers. The `_stkchk` forms
//! are not built.

use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use emu_core::Ctl;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("__save_r16_through_r17", |c| save(c, 1), "`void __save_r16_through_r17(void)`: r17:16 into the caller's frame"),
    import("__save_r16_through_r19", |c| save(c, 2), "`void __save_r16_through_r19(void)`: r16 to r19 into the caller's frame"),
    import("__save_r16_through_r21", |c| save(c, 3), "`void __save_r16_through_r21(void)`: r16 to r21 into the caller's frame"),
    import("__save_r16_through_r23", |c| save(c, 4), "`void __save_r16_through_r23(void)`: r16 to r23 into the caller's frame"),
    import("__save_r16_through_r25", |c| save(c, 5), "`void __save_r16_through_r25(void)`: r16 to r25 into the caller's frame"),
    import("__save_r16_through_r27", |c| save(c, 6), "`void __save_r16_through_r27(void)`: r16 to r27 into the caller's frame"),
    import("__restore_r16_through_r17_and_deallocframe", |c| leave(c, 1), "`void __restore_r16_through_r17_and_deallocframe(void)`: what was saved; returns for its caller"),
    import("__restore_r16_through_r19_and_deallocframe", |c| leave(c, 2), "`void __restore_r16_through_r19_and_deallocframe(void)`: what was saved; returns for its caller"),
    import("__restore_r16_through_r21_and_deallocframe", |c| leave(c, 3), "`void __restore_r16_through_r21_and_deallocframe(void)`: what was saved; returns for its caller"),
    import("__restore_r16_through_r23_and_deallocframe", |c| leave(c, 4), "`void __restore_r16_through_r23_and_deallocframe(void)`: what was saved; returns for its caller"),
    import("__restore_r16_through_r25_and_deallocframe", |c| leave(c, 5), "`void __restore_r16_through_r25_and_deallocframe(void)`: what was saved; returns for its caller"),
    import("__restore_r16_through_r27_and_deallocframe", |c| leave(c, 6), "`void __restore_r16_through_r27_and_deallocframe(void)`: what was saved; returns for its caller"),
    import("__restore_r16_through_r17_and_deallocframe_before_tailcall", |c| restore(c, 1), "`void __restore_r16_through_r17_and_deallocframe_before_tailcall(void)`: what was saved, and the caller's frame is gone"),
    import("__restore_r16_through_r19_and_deallocframe_before_tailcall", |c| restore(c, 2), "`void __restore_r16_through_r19_and_deallocframe_before_tailcall(void)`: what was saved, and the caller's frame is gone"),
    import("__restore_r16_through_r21_and_deallocframe_before_tailcall", |c| restore(c, 3), "`void __restore_r16_through_r21_and_deallocframe_before_tailcall(void)`: what was saved, and the caller's frame is gone"),
    import("__restore_r16_through_r23_and_deallocframe_before_tailcall", |c| restore(c, 4), "`void __restore_r16_through_r23_and_deallocframe_before_tailcall(void)`: what was saved, and the caller's frame is gone"),
    import("__restore_r16_through_r25_and_deallocframe_before_tailcall", |c| restore(c, 5), "`void __restore_r16_through_r25_and_deallocframe_before_tailcall(void)`: what was saved, and the caller's frame is gone"),
    import("__restore_r16_through_r27_and_deallocframe_before_tailcall", |c| restore(c, 6), "`void __restore_r16_through_r27_and_deallocframe_before_tailcall(void)`: what was saved, and the caller's frame is gone"),
];

/// The frame pointer.
const FP: usize = 30;
/// The link register.
const LR: usize = 31;

/// Where pair `n` lies: r17:16 is 0.
fn place(c: &Call<'_>, n: usize) -> u32 {
    c.thread.core.regs.r[FP].wrapping_sub(8 * (n as u32 + 1))
}

fn save(c: &mut Call<'_>, pairs: usize) -> Done {
    for n in 0..pairs {
        let [low, high] = [16, 17].map(|r| c.thread.core.regs.r[r + 2 * n]);
        c.store64(place(c, n), u64::from(low) | u64::from(high) << 32)?;
    }
    Ok(Outcome::Return)
}

/// What was saved; the frame goes as by `deallocframe`, and r31 is the caller's return address, to which the stub returns.
fn leave(c: &mut Call<'_>, pairs: usize) -> Done {
    let mut saved = Vec::with_capacity(pairs);
    for n in 0..pairs {
        saved.push(c.load64(place(c, n))?);
    }
    let frame = c.thread.core.regs.r[FP];
    let linkage = c.load64(frame)?;
    let regs = &mut c.thread.core.regs;
    for (n, pair) in saved.into_iter().enumerate() {
        regs.r[16 + 2 * n] = pair as u32;
        regs.r[17 + 2 * n] = (pair >> 32) as u32;
    }
    regs.r[FP] = linkage as u32;
    regs.r[LR] = (linkage >> 32) as u32 ^ regs.c[Ctl::FrameKey];
    regs.r[29] = frame.wrapping_add(8);
    Ok(Outcome::Return)
}

/// As [`leave`], but the caller goes on, to jump to its last call.
fn restore(c: &mut Call<'_>, pairs: usize) -> Done {
    let back = c.thread.core.regs.r[LR];
    let done = leave(c, pairs)?;
    c.thread.core.regs.pc = back;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    fn run(g: &mut Guest, name: &str) {
        let done = g
            .try_call(name, &[])
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(matches!(done, Outcome::Return));
    }

    /// A frame of 48 bytes as `allocframe` makes it, in which the caller's are 0x1234 and 0x5678.
    fn frame(g: &mut Guest) -> u32 {
        let fp = g.thread.core.regs.r[29] - 8;
        g.write(fp, &0x0000_5678_0000_1234_u64.to_le_bytes());
        g.thread.core.regs.r[FP] = fp;
        g.thread.core.regs.r[29] = fp - 48;
        fp
    }

    #[test]
    fn what_is_saved_is_restored_and_the_frame_is_gone() {
        for (pairs, last) in (1..).zip(["r17", "r19", "r21", "r23", "r25", "r27"]) {
            for end in ["", "_before_tailcall"] {
                let mut g = Guest::new();
                let fp = frame(&mut g);
                for r in 0..29 {
                    g.thread.core.regs.r[r] = 100 + r as u32;
                }
                g.thread.core.regs.r[LR] = 0x9000;
                run(&mut g, &format!("__save_r16_through_{last}"));
                assert_eq!((g.word(fp - 8), g.word(fp - 4)), (116, 117));
                assert_eq!(g.word(fp - 8 * pairs), 100 + 14 + 2 * pairs);
                let saved = 16 + 2 * pairs as usize;
                for r in 16..28 {
                    g.thread.core.regs.r[r] = 7;
                }
                run(
                    &mut g,
                    &format!("__restore_r16_through_{last}_and_deallocframe{end}"),
                );
                let regs = &g.thread.core.regs;
                assert!((16..saved).all(|r| regs.r[r] == 100 + r as u32), "{last}");
                assert!((saved..28).all(|r| regs.r[r] == 7), "{last}");
                assert_eq!((regs.r[0], regs.r[29], regs.r[FP]), (100, fp + 8, 0x1234));
                assert_eq!(regs.r[LR], 0x5678);
                // Without a tail call the stub returns by r31; with one, the caller goes on.
                assert_eq!(regs.pc == 0x9000, !end.is_empty());
            }
        }
    }

    #[test]
    fn a_frame_pointer_of_a_madman_is_a_fault() {
        let mut g = Guest::new();
        for fp in [0, 4, u32::MAX, 0x7fff_fff8] {
            g.thread.core.regs.r[FP] = fp;
            for name in [
                "__save_r16_through_r27",
                "__restore_r16_through_r17_and_deallocframe",
                "__restore_r16_through_r27_and_deallocframe_before_tailcall",
            ] {
                assert!(g.try_call(name, &[]).is_err(), "{name} {fp:#x}");
            }
        }
    }
}
