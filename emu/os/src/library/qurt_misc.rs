//! QuRT odds and ends: HVX contexts, what the system is, performance counters.
//!
//! Every DSP thread has vector registers of its own here, so locking HVX never waits.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::sched::HARDWARE_THREADS;

/// This family's table.
pub const IMPORTS: &[Import] = &[
    import("qurt_hvx_lock", hvx_lock),
    import("qurt_hvx_try_lock", hvx_lock),
    import("qurt_hvx_unlock", accept),
    import("qurt_hvx_get_units", hvx_units),
    import("qurt_hvx_reserve", hvx_reserve),
    import("qurt_hvx_cancel_reserve", accept),
    import("qurt_sysenv_get_max_hw_threads", max_hw_threads),
    import("qurt_pmu_enable", accept),
    import("qurt_pmu_set", accept),
    import("qurt_pmu_get", pmu_get),
];

/// `QURT_EFAILED`.
const EFAILED: u32 = 12;

/// `qurt_hvx_mode_t`: vectors of 64 bytes.
const MODE_64B: u32 = 0;

/// `int qurt_hvx_lock(mode)`: 0, or an error if the DSP has no HVX or not with vectors of that length.
fn hvx_lock(c: &mut Call<'_>) -> Done {
    if c.arg(0)? == MODE_64B {
        tracing::warn!(target: "emu::os", "a program asks for HVX with vectors of 64 bytes, there are only those of 128; refused");
        return c.ret(EFAILED);
    }
    hvx_reserve(c)
}

/// `int qurt_hvx_reserve(units)`: 0, or an error if the DSP has no HVX.
fn hvx_reserve(c: &mut Call<'_>) -> Done {
    let units = c.os.shared.config.hvx_units;
    c.ret(if units > 0 { 0 } else { EFAILED })
}

/// `int qurt_hvx_get_units(void)`: the number of 128-byte contexts in bits 15:8.
fn hvx_units(c: &mut Call<'_>) -> Done {
    let units = c.os.shared.config.hvx_units.min(255);
    c.ret(units << 8)
}

/// Accepted, without effect.
fn accept(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

/// `int qurt_sysenv_get_max_hw_threads(struct *)`: a 16-bit number.
fn max_hw_threads(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    c.store(at, &HARDWARE_THREADS.to_le_bytes())?;
    c.ret(0)
}

/// `unsigned qurt_pmu_get(int register)`: counters stand still.
fn pmu_get(c: &mut Call<'_>) -> Done {
    c.ret(0)
}
