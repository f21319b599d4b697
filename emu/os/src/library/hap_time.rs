//! Time: timer ticks, sleeping, and who the process works for.

use std::time::Duration;

use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::sched::Wait;
use emu_core::UTIMER_HZ;
use rpmsg::Aee;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("HAP_perf_qtimer_count_to_us", ticks_to_us, "`uint64 HAP_perf_qtimer_count_to_us(uint64 ticks)`: microseconds that so many ticks last"),
    import("HAP_perf_get_time_us", time_us, "`uint64 HAP_perf_get_time_us(void)`: microseconds since the DSP started"),
    import("HAP_perf_get_qtimer_count", ticks, "`uint64 HAP_perf_get_qtimer_count(void)`: ticks of 19.2 MHz"),
    import("HAP_perf_get_pcycles", pcycles, "`uint64 HAP_perf_get_pcycles(void)`: processor cycles"),
    import("HAP_timer_sleep", sleep, "`int HAP_timer_sleep(uint64 us)`: parks the thread"),
    import("qurt_sleep", sleep, "`void qurt_sleep(uint64 us)`: parks the thread"),
    import("qurt_timer_sleep", sleep, "`int qurt_timer_sleep(uint64 us)`: parks the thread"),
    import("qurt_sysclock_get_hw_ticks", ticks, "`uint64 qurt_sysclock_get_hw_ticks(void)`: ticks of 19.2 MHz"),
    import("usleep", usleep, "`int usleep(unsigned us)`: parks the thread"),
    import("HAP_get_userpd_params", userpd_params, "`int HAP_get_userpd_params(params *)`: the AP's process id"),
];

pub(super) fn ticks_to_us(c: &mut Call<'_>) -> Done {
    let us = u128::from(c.arg64(0)) * 1_000_000 / u128::from(UTIMER_HZ);
    c.ret64(us as u64)
}

fn time_us(c: &mut Call<'_>) -> Done {
    let us = c.os.now().as_micros() as u64;
    c.ret64(us)
}

pub(super) fn ticks(c: &mut Call<'_>) -> Done {
    let ticks = c.thread.core.time.utimer(c.thread.core.packets);
    c.ret64(ticks)
}

pub(super) fn pcycles(c: &mut Call<'_>) -> Done {
    let cycles = c.thread.core.time.upcycle(c.thread.core.packets);
    c.ret64(cycles)
}

fn sleep_us(c: &mut Call<'_>, us: u64) -> Done {
    if us == 0 {
        c.set(0);
        return Ok(Outcome::Yield);
    }
    let until = c.os.after(Duration::from_micros(us));
    Ok(Outcome::Park(Wait::Sleep, Some((until, 0))))
}

fn sleep(c: &mut Call<'_>) -> Done {
    let us = c.arg64(0);
    sleep_us(c, us)
}

fn usleep(c: &mut Call<'_>) -> Done {
    let us = c.arg(0)?;
    sleep_us(c, us.into())
}

/// The request is the first byte, the answer lies at 4. 1: the AP's process id. Source: what qualcomm/fastrpc's hap_example skeleton
/// does; its header is not open, so the kit declares none.
fn userpd_params(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if c.load8(at)? != 1 {
        return c.ret_code(Aee::UNSUPPORTED);
    }
    let pid = c.os.shared.config.ap_pid;
    c.store32(at.wrapping_add(4), pid)?;
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn ticks_become_microseconds_without_overflow() {
        let mut g = Guest::new();
        assert_eq!(
            g.call64("HAP_perf_qtimer_count_to_us", &[19_200_000, 0]),
            1_000_000
        );
        let most = g.call64("HAP_perf_qtimer_count_to_us", &[u32::MAX, u32::MAX]);
        assert_eq!(most, (u128::from(u64::MAX) * 10 / 192) as u64);
    }

    #[test]
    fn all_time_is_the_process_clocks() {
        let mut g = Guest::new();
        g.clock.advance(Duration::from_millis(10));
        assert_eq!(g.call64("HAP_perf_get_time_us", &[]), 10_000);
        assert_eq!(g.call64("HAP_perf_get_qtimer_count", &[]), 192_000);
        let Ok(Outcome::Park(Wait::Sleep, Some((until, _)))) = g.try_call("usleep", &[5]) else {
            panic!("did not sleep")
        };
        assert_eq!(until, Duration::from_micros(10_005));
    }

    #[test]
    fn the_aps_process_is_told_behind_the_request_and_nowhere_else() {
        let mut g = Guest::new();
        let pid = g.os.shared.config.ap_pid;
        let at = g.bytes(&[1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
        assert_eq!(g.call("HAP_get_userpd_params", &[at]), 0);
        assert_eq!(
            (g.word(at), g.word(at + 4), g.word(at + 8)),
            (0x0909_0901, pid, 0x0909_0909)
        );
        g.write(at, &[2]);
        assert_eq!(g.call("HAP_get_userpd_params", &[at]), Aee::UNSUPPORTED.0);
    }

    #[test]
    fn sleeping_parks_the_thread_and_zero_yields() {
        let mut g = Guest::new();
        assert!(matches!(
            g.try_call("HAP_timer_sleep", &[0, 0]),
            Ok(Outcome::Yield)
        ));
        assert!(matches!(
            g.try_call("qurt_sleep", &[u32::MAX, u32::MAX]),
            Ok(Outcome::Park(Wait::Sleep, Some((_, 0))))
        ));
    }
}
