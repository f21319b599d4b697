//! QuRT's vector contexts. A DSP has some (four, most often); a thread that locks one waits until there is one.
//!
//! Lenient: vector instructions of a thread that holds no context are carried out on a DSP that has any, because real skeletons
//! often lock none in the thread that computes; if the process is strict, they are an exception of the core. So they are on a DSP
//! without contexts.

use super::qurt_object::EOK;
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_hvx_lock", lock, "`int qurt_hvx_lock(qurt_hvx_mode_t)`: waits for a vector context; 12 if the DSP has none of that length"),
    import("qurt_hvx_try_lock", try_lock, "`int qurt_hvx_try_lock(qurt_hvx_mode_t)`: takes a vector context; 12 if there is none now"),
    import("qurt_hvx_unlock", unlock, "`int qurt_hvx_unlock(void)`: gives the caller's vector context back; 12 if it has none"),
    import("qurt_hvx_get_mode", mode, "`int qurt_hvx_get_mode(void)`: 1, vectors of 128 bytes; -1 if the DSP has no HVX"),
    import("qurt_hvx_get_units", units, "`int qurt_hvx_get_units(void)`: the number of 128-byte contexts in bits 15:8"),
    import("qurt_hvx_reserve", reserve, "`int qurt_hvx_reserve(int units)`: how many there are for the process, which keeps no other out; -1 if none").without_effect("the number of units"),
    import("qurt_hvx_cancel_reserve", cancel, "`int qurt_hvx_cancel_reserve(void)`: 0, a reservation keeps nothing").without_effect("0"),
];

/// `QURT_EFAILED`.
const EFAILED: u32 = 12;
/// `qurt_hvx_mode_t`: vectors of 128 bytes, and the same for code that is not interrupted.
const MODES_128B: [u32; 2] = [1, 3];

/// Does the DSP have contexts of this mode?
fn has(c: &Call<'_>, mode: u32) -> bool {
    if c.os.shared.config.hvx_units > 0 && !MODES_128B.contains(&mode) {
        tracing::warn!(target: "emu::os", mode, "a program asks for HVX in another mode than vectors of 128 bytes; refused");
    }
    c.os.shared.config.hvx_units > 0 && MODES_128B.contains(&mode)
}

fn lock(c: &mut Call<'_>) -> Done {
    let mode = c.arg(0)?;
    if !has(c, mode) {
        return c.ret(EFAILED);
    }
    let (me, priority, contexts) = (c.thread.id, c.priority(), c.os.shared.config.hvx_units);
    if c.os.lib.vectors.take(me, contexts) {
        return c.ret(EOK);
    }
    c.os.lib.vectors.wait(me, priority);
    Ok(Outcome::Park(Wait::Vectors, None))
}

fn try_lock(c: &mut Call<'_>) -> Done {
    let mode = c.arg(0)?;
    let (me, contexts) = (c.thread.id, c.os.shared.config.hvx_units);
    let got = has(c, mode) && c.os.lib.vectors.take(me, contexts);
    c.ret(if got { EOK } else { EFAILED })
}

fn unlock(c: &mut Call<'_>) -> Done {
    match c.os.lib.vectors.give_back(c.thread.id) {
        None => c.ret(EFAILED),
        Some(next) => {
            if let Some(thread) = next {
                c.os.wake(thread, EOK);
            }
            c.ret(EOK)
        }
    }
}

fn mode(c: &mut Call<'_>) -> Done {
    let there = c.os.shared.config.hvx_units > 0;
    c.ret(if there { 1 } else { u32::MAX })
}

fn units(c: &mut Call<'_>) -> Done {
    let units = c.os.shared.config.hvx_units.min(255);
    c.ret(units << 8)
}

fn reserve(c: &mut Call<'_>) -> Done {
    let (wanted, units) = (c.arg(0)?, c.os.shared.config.hvx_units);
    c.ret(match units {
        0 => u32::MAX,
        units => wanted.min(units),
    })
}

fn cancel(c: &mut Call<'_>) -> Done {
    c.ret(EOK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn a_fifth_thread_waits_until_one_unlocks() {
        let mut g = Guest::new();
        assert_eq!(g.call("qurt_hvx_get_units", &[]), 0x400);
        assert_eq!(g.call("qurt_hvx_unlock", &[]), EFAILED);
        assert_eq!(g.call("qurt_hvx_lock", &[0]), EFAILED);
        assert_eq!(g.call("qurt_hvx_lock", &[1]), EOK);
        assert_eq!(g.call("qurt_hvx_lock", &[1]), EOK);
        for thread in [50, 51, 52] {
            assert!(g.os.lib.vectors.take(thread, 4));
        }
        g.park(53, 9, "qurt_hvx_lock", &[1]);
        assert_eq!(g.call("qurt_hvx_unlock", &[]), EOK);
        assert!(g.is_ready(53));
        assert_eq!(g.call("qurt_hvx_try_lock", &[1]), EFAILED);
        assert_eq!(g.call("qurt_hvx_reserve", &[0xff]), 4);
    }
}
