//! QuRT odds and ends: what the system is, performance counters.

use super::hap_time::{pcycles, ticks};
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_sysenv_get_max_hw_threads", max_hw_threads, "`int qurt_sysenv_get_max_hw_threads(qurt_sysenv_max_hthreads_t *)`: a 16-bit number"),
    import("qurt_sysenv_get_arch_version", arch_version, "`int qurt_sysenv_get_arch_version(qurt_arch_version_t *)`: the core's version in its lowest byte, 0x68"),
    import("qurt_sysenv_get_process_name", process_name, "`int qurt_sysenv_get_process_name(qurt_sysenv_procname_t *)`: {process id, name of 64 bytes}"),
    import("qurt_getpid", getpid, "`int qurt_getpid(void)`: the AP's process id"),
    import("qurt_get_core_pcycles", pcycles, "`unsigned long long qurt_get_core_pcycles(void)`: processor cycles"),
    import("qurt_sysclock_get_hw_ticks_32", ticks_32, "`unsigned qurt_sysclock_get_hw_ticks_32(void)`: the low word of the ticks of 19.2 MHz"),
    import("qurt_timer_get_ticks", ticks, "`unsigned long long qurt_timer_get_ticks(void)`: ticks of 19.2 MHz"),
    import("qurt_pmu_enable", accept, "`void qurt_pmu_enable(int)`: lets the performance counters run").without_effect("nothing"),
    import("qurt_pmu_set", accept, "`void qurt_pmu_set(int register, unsigned value)`: sets up the performance counters").without_effect("nothing"),
    import("qurt_pmu_get", pmu_get, "`unsigned qurt_pmu_get(int register)`: a performance counter, which stands still").without_effect("0"),
];

fn accept(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn max_hw_threads(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let threads = c.os.shared.config.hardware_threads;
    c.store(at, &threads.to_le_bytes())?;
    c.ret(0)
}

fn arch_version(c: &mut Call<'_>) -> Done {
    let (at, version) = (c.arg(0)?, c.os.shared.config.arch.version());
    // Two decimal digits, as the core's own register has them.
    c.store32(at, version / 10 * 16 + version % 10)?;
    c.ret(0)
}

/// Bytes of a process's name.
const NAME: usize = 64;

fn process_name(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let (pid, name) = (c.os.shared.config.ap_pid, c.os.shared.config.name.clone());
    let mut bytes = name.into_bytes();
    bytes.truncate(NAME - 1);
    bytes.resize(NAME, 0);
    c.store32(at, pid)?;
    c.store(at.wrapping_add(4), &bytes)?;
    c.ret(0)
}

fn getpid(c: &mut Call<'_>) -> Done {
    let pid = c.os.shared.config.ap_pid;
    c.ret(pid)
}

fn ticks_32(c: &mut Call<'_>) -> Done {
    let ticks = c.thread.core.time.utimer(c.thread.core.packets);
    c.ret(ticks as u32)
}

fn pmu_get(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn the_system_is_what_the_configuration_says() {
        let mut g = Guest::new();
        let at = g.bytes(&[0xff; 80]);
        g.call("qurt_sysenv_get_arch_version", &[at]);
        assert_eq!(g.word(at), 0x68);
        g.call("qurt_sysenv_get_process_name", &[at]);
        assert_eq!((g.word(at), g.text(at + 4)), (0, "test".into()));
        assert!(g.try_call("qurt_sysenv_get_process_name", &[3]).is_err());
        g.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(g.call64("qurt_timer_get_ticks", &[]), 19_200_000);
        assert_eq!(g.call("qurt_sysclock_get_hw_ticks_32", &[]), 19_200_000);
    }
}
