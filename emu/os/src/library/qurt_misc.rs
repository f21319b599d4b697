//! QuRT odds and ends: HVX contexts, what the system is, performance counters.
//!
//! Every DSP thread has vector registers of its own here, so locking HVX never waits.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_hvx_lock", hvx_lock, "`int qurt_hvx_lock(qurt_hvx_mode_t)`: takes a vector context; an error if the DSP has none of that length"),
    import("qurt_hvx_try_lock", hvx_lock, "`int qurt_hvx_try_lock(qurt_hvx_mode_t)`: the same without waiting"),
    import("qurt_hvx_unlock", accept, "`int qurt_hvx_unlock(void)`: gives the vector context back").without_effect("0"),
    import("qurt_hvx_get_units", hvx_units, "`int qurt_hvx_get_units(void)`: the number of 128-byte contexts in bits 15:8"),
    import("qurt_hvx_reserve", hvx_reserve, "`int qurt_hvx_reserve(int units)`: 0, or an error if the DSP has no HVX"),
    import("qurt_hvx_cancel_reserve", accept, "`int qurt_hvx_cancel_reserve(void)`: takes the reservation back").without_effect("0"),
    import("qurt_sysenv_get_max_hw_threads", max_hw_threads, "`int qurt_sysenv_get_max_hw_threads(qurt_sysenv_max_hthreads_t *)`: a 16-bit number"),
    import("qurt_pmu_enable", accept, "`void qurt_pmu_enable(int)`: lets the performance counters run").without_effect("nothing"),
    import("qurt_pmu_set", accept, "`void qurt_pmu_set(int register, unsigned value)`: sets up the performance counters").without_effect("nothing"),
    import("qurt_pmu_get", pmu_get, "`unsigned qurt_pmu_get(int register)`: a performance counter, which stands still").without_effect("0"),
];

/// `QURT_EFAILED`.
const EFAILED: u32 = 12;

/// `qurt_hvx_mode_t`: vectors of 64 bytes.
const MODE_64B: u32 = 0;

fn hvx_lock(c: &mut Call<'_>) -> Done {
    if c.arg(0)? == MODE_64B {
        tracing::warn!(target: "emu::os", "a program asks for HVX with vectors of 64 bytes, there are only those of 128; refused");
        return c.ret(EFAILED);
    }
    hvx_reserve(c)
}

fn hvx_reserve(c: &mut Call<'_>) -> Done {
    let units = c.os.shared.config.hvx_units;
    c.ret(if units > 0 { 0 } else { EFAILED })
}

fn hvx_units(c: &mut Call<'_>) -> Done {
    let units = c.os.shared.config.hvx_units.min(255);
    c.ret(units << 8)
}

fn accept(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn max_hw_threads(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let threads = c.os.shared.config.hardware_threads;
    c.store(at, &threads.to_le_bytes())?;
    c.ret(0)
}

fn pmu_get(c: &mut Call<'_>) -> Done {
    c.ret(0)
}
