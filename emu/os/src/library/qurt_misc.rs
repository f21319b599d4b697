//! QuRT odds and ends: the process's id, cycles and ticks.

use super::hap_time::{pcycles, ticks};
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_getpid", getpid, "`int qurt_getpid(void)`: the AP's process id"),
    import("qurt_get_core_pcycles", pcycles, "`unsigned long long qurt_get_core_pcycles(void)`: processor cycles"),
    import("qurt_sysclock_get_hw_ticks_32", ticks_32, "`unsigned qurt_sysclock_get_hw_ticks_32(void)`: the low word of the ticks of 19.2 MHz"),
    import("qurt_timer_get_ticks", ticks, "`unsigned long long qurt_timer_get_ticks(void)`: ticks of 19.2 MHz"),
];

fn getpid(c: &mut Call<'_>) -> Done {
    let pid = c.os.shared.config.ap_pid;
    c.ret(pid)
}

fn ticks_32(c: &mut Call<'_>) -> Done {
    let ticks = c.thread.core.time.utimer(c.thread.core.packets);
    c.ret(ticks as u32)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn ticks_are_those_of_the_processs_clock() {
        let mut g = Guest::new();
        g.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(g.call64("qurt_timer_get_ticks", &[]), 19_200_000);
        assert_eq!(g.call("qurt_sysclock_get_hw_ticks_32", &[]), 19_200_000);
    }
}
