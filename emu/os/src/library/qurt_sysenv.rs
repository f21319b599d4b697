//! What QuRT says of the system (`qurt_sysenv_*`).
//!
//! Source of the names, structures and codes: Qualcomm's open hexagon-hypervisor (libs/qurt, qurt_event.h). What a process of ours
//! does not have is refused: swap pools, one heap from an address to another (it lies in several places), a timer's registers, a
//! priority up to which mutexes inherit.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_sysenv_get_max_hw_threads", max_hw_threads, "`int qurt_sysenv_get_max_hw_threads(qurt_sysenv_max_hthreads_t *)`: a 16-bit number; 1 for NULL"),
    import("qurt_sysenv_get_arch_version", arch_version, "`int qurt_sysenv_get_arch_version(qurt_arch_version_t *)`: the core's version in its lowest byte, 0x68; 1 for NULL"),
    import("qurt_sysenv_get_process_name", process_name, "`int qurt_sysenv_get_process_name(qurt_sysenv_procname_t *)`: {process id, name of 64 bytes}; 1 for NULL"),
    import("qurt_sysenv_get_app_heap", refuse, "`int qurt_sysenv_get_app_heap(qurt_sysenv_app_heap_t *)`: where the heap begins and ends").refuses("QURT_EVAL"),
    import("qurt_sysenv_get_hw_timer", refuse, "`int qurt_sysenv_get_hw_timer(qurt_sysenv_hw_timer_t *)`: the timer's registers").refuses("QURT_EVAL"),
    import("qurt_sysenv_get_max_pi_prio", refuse, "`int qurt_sysenv_get_max_pi_prio(qurt_sysenv_max_pi_prio_t *)`: up to which priority mutexes inherit").refuses("QURT_EVAL"),
    import("qurt_sysenv_get_swap_spool0", refuse, "`int qurt_sysenv_get_swap_spool0(qurt_sysenv_swap_pools_t *)`: a swap pool").refuses("QURT_EVAL"),
    import("qurt_sysenv_get_swap_spool1", refuse, "`int qurt_sysenv_get_swap_spool1(qurt_sysenv_swap_pools_t *)`: a swap pool").refuses("QURT_EVAL"),
];

const EVAL: u32 = 1;
/// Bytes of a process's name.
const NAME: usize = 64;

/// Puts an answer where the program wants it.
fn answer(c: &mut Call<'_>, bytes: &[u8]) -> Done {
    let at = c.arg(0)?;
    if at == 0 {
        return c.ret(EVAL);
    }
    c.store(at, bytes)?;
    c.ret(0)
}

fn refuse(c: &mut Call<'_>) -> Done {
    c.ret(EVAL)
}

fn max_hw_threads(c: &mut Call<'_>) -> Done {
    let threads = c.os.shared.config.hardware_threads;
    answer(c, &threads.to_le_bytes())
}

fn arch_version(c: &mut Call<'_>) -> Done {
    let version = c.os.shared.config.arch.version();
    // Two decimal digits, as the core's own register has them.
    let version = version / 10 * 16 + version % 10;
    answer(c, &version.to_le_bytes())
}

fn process_name(c: &mut Call<'_>) -> Done {
    let config = &c.os.shared.config;
    let mut name = config.name.clone().into_bytes();
    name.truncate(NAME - 1);
    name.resize(NAME, 0);
    let mut bytes = config.ap_pid.to_le_bytes().to_vec();
    bytes.extend(name);
    answer(c, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn the_system_is_what_the_configuration_says() {
        let mut g = Guest::new();
        let at = g.bytes(&[0xff; 80]);
        assert_eq!(g.call("qurt_sysenv_get_arch_version", &[at]), 0);
        assert_eq!(g.word(at), 0x68);
        assert_eq!(g.call("qurt_sysenv_get_process_name", &[at]), 0);
        assert_eq!((g.word(at), g.text(at + 4)), (0, "test".into()));
        assert!(g.try_call("qurt_sysenv_get_process_name", &[3]).is_err());
        assert_eq!(g.call("qurt_sysenv_get_process_name", &[0]), EVAL);
        assert_eq!(g.call("qurt_sysenv_get_app_heap", &[at]), EVAL);
    }
}
