//! QuRT's performance counters. What counts: [`Pmu`](crate::library_state::pmu::Pmu).

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::library_state::pmu::Register;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_pmu_enable", enable, "`void qurt_pmu_enable(int on)`: lets the counters run, or stand still with the values they have"),
    import("qurt_pmu_set", set, "`void qurt_pmu_set(int register, unsigned value)`: of events, 3 (packets of the process) and 1, 2, 5, 6 (overflows) are counted; the log tells of others"),
    import("qurt_pmu_get", get, "`unsigned qurt_pmu_get(int register)`: a counter, or how they are set up; 0 for a register that there is not"),
];

/// Packets of all threads, the caller's up to this call.
fn packets(c: &Call<'_>) -> u64 {
    c.os.shared.counters.read().0
}

fn enable(c: &mut Call<'_>) -> Done {
    let (on, packets) = (c.arg(0)? != 0, packets(c));
    c.os.lib.pmu.enable(on, packets);
    c.ret(0)
}

fn set(c: &mut Call<'_>) -> Done {
    let (number, value, packets) = (c.arg(0)?, c.arg(1)?, packets(c));
    let process = &c.os.shared.config.name;
    let Some(register) = Register::of(number) else {
        if c.os.lib.told.insert("qurt_pmu_set") {
            tracing::warn!(target: "emu::os", process, number, "qurt_pmu_set of a register that there is not has no effect");
        }
        return c.ret(0);
    };
    c.os.lib.pmu.set(register, value, packets);
    while let Some(event) = c.os.lib.pmu.not_counted() {
        let event = format!("{event:#x}");
        tracing::warn!(target: "emu::os", process, event, "a performance counter counts an event that this DSP does not: it stands still");
    }
    if c.os.lib.pmu.chooses_threads() {
        c.tell_once(
            "qurt_pmu_set of some threads",
            "has no effect here: performance counters count all of them",
        );
    }
    c.ret(0)
}

fn get(c: &mut Call<'_>) -> Done {
    let (number, packets) = (c.arg(0)?, packets(c));
    let value = Register::of(number).map(|register| c.os.lib.pmu.get(register, packets));
    c.ret(value.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn packets_of_the_process_are_counted_while_the_counters_run() {
        let mut g = Guest::new();
        let counters = g.os.shared.clone();
        g.call("qurt_pmu_set", &[5, 3]);
        counters.counters.add_packets(100);
        g.call("qurt_pmu_enable", &[1]);
        counters.counters.add_packets(30);
        assert_eq!(g.call("qurt_pmu_get", &[0]), 30);
        g.call("qurt_pmu_enable", &[0]);
        counters.counters.add_packets(30);
        assert_eq!(g.call("qurt_pmu_get", &[0]), 30);
        // New events begin at 0; a register that there is not is nothing.
        g.call("qurt_pmu_set", &[5, 3]);
        assert_eq!(g.call("qurt_pmu_get", &[0]), 0);
        g.call("qurt_pmu_set", &[99, 7]);
        assert_eq!(g.call("qurt_pmu_get", &[99]), 0);
    }
}
