//! QuRT's threads: numbers for tools, what is said of caches, exceptions, the version of its functions.
//!
//! Source: the headers in Qualcomm's hexagon-hypervisor (libs/qurt). Not there, as no public source says their arguments:
//! `qurt_thread_attr_get`, `qurt_thread_pktcount_get`, `qurt_get_hthread_pcycles` and its kin; and `qurt_profile_*` of idle time and of
//! other threads, which fill as many words as a DSP has hardware threads.

use super::thread;
use crate::kernel::call::{Call, Done, Outcome};
use crate::kernel::import::{Import, import};
use crate::sched::Wait;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qurt_api_version", version, "`unsigned qurt_api_version(void)`: 8, that of the open hexagon-hypervisor"),
    import("qurt_thread_stop", stop, "`void qurt_thread_stop(void)`: ends the calling thread with the status 0"),
    import("qurt_thread_resume", resume, "`int qurt_thread_resume(unsigned id)`: lets a suspended thread go on; none is ever suspended").refuses("QURT_EFATAL (-1)"),
    import("qurt_thread_get_timetest_id", timetest, "`unsigned short qurt_thread_get_timetest_id(void)`: the caller's number for tools"),
    import("qurt_thread_set_timetest_id", set_timetest, "`void qurt_thread_set_timetest_id(unsigned short)`: a number for tools, which is kept"),
    import("qurt_thread_get_l2cache_partition", partition, "`qurt_cache_partition_t qurt_thread_get_l2cache_partition(void)`: 0, as pages say; there is one cache"),
    import("qurt_thread_set_cache_partition", nothing, "`void qurt_thread_set_cache_partition(qurt_cache_partition_t l1_instructions, qurt_cache_partition_t l1_data, qurt_cache_partition_t l2)`: which part of caches the caller uses").without_effect("nothing"),
    import("qurt_profile_enable", nothing, "`void qurt_profile_enable(int)`: whether cycles are counted, which they always are").without_effect("nothing"),
    import("qurt_profile_get_thread_pcycles", cycles, "`unsigned long long qurt_profile_get_thread_pcycles(void)`: cycles of the calling thread, one for each packet that it has executed"),
    import("qurt_exception_wait", wait, "`unsigned qurt_exception_wait(unsigned *ip, unsigned *sp, unsigned *badva, unsigned *cause)`: waits for ever, an exception ends the process"),
    import("qurt_exception_register_fatal_notification", no_handler, "`unsigned qurt_exception_register_fatal_notification(void (*)(void *), void *)`: a function for the end; nothing of a process runs after its crash").refuses("QURT_EVAL (1)"),
];

const EVAL: u32 = 1;
const EFATAL: u32 = u32::MAX;
/// The number for tools of a thread that was given none.
const NO_ID: u16 = 0xfffe;

fn version(c: &mut Call<'_>) -> Done {
    c.ret(8)
}

fn stop(c: &mut Call<'_>) -> Done {
    thread::end(c, 0)
}

fn resume(c: &mut Call<'_>) -> Done {
    c.ret(EFATAL)
}

fn timetest(c: &mut Call<'_>) -> Done {
    let id = c.os.lib.timetest_ids.get(&c.thread.id).copied();
    c.ret(id.unwrap_or(NO_ID).into())
}

fn set_timetest(c: &mut Call<'_>) -> Done {
    let id = c.arg(0)? as u16;
    c.os.lib.timetest_ids.insert(c.thread.id, id);
    c.ret(0)
}

/// `CCCC_PARTITION`.
fn partition(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn nothing(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn cycles(c: &mut Call<'_>) -> Done {
    let packets = c.thread.core.packets;
    c.ret64(packets)
}

fn wait(c: &mut Call<'_>) -> Done {
    c.tell_once(
        "qurt_exception_wait",
        "waits for ever: an exception ends the process",
    );
    Ok(Outcome::Park(Wait::Sleep, None))
}

fn no_handler(c: &mut Call<'_>) -> Done {
    c.ret(EVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn a_number_for_tools_is_the_threads_own_and_goes_with_it() {
        let mut g = Guest::new();
        let me = g.thread.id;
        assert_eq!(g.call("qurt_thread_get_timetest_id", &[]), u32::from(NO_ID));
        g.call("qurt_thread_set_timetest_id", &[0x1_0007]);
        assert_eq!(g.call("qurt_thread_get_timetest_id", &[]), 7);
        g.os.lib.forget_thread(me);
        assert_eq!(g.call("qurt_thread_get_timetest_id", &[]), u32::from(NO_ID));
    }

    #[test]
    fn a_thread_ends_itself_counts_its_packets_and_waits_for_exceptions() {
        let mut g = Guest::new();
        g.thread.core.packets = 1 << 33;
        assert_eq!(g.call64("qurt_profile_get_thread_pcycles", &[]), 1 << 33);
        assert!(matches!(
            g.try_call("qurt_exception_wait", &[0; 4]),
            Ok(Outcome::Park(Wait::Sleep, None))
        ));
        assert_eq!(g.os.lib.told.len(), 1);
        assert!(matches!(
            g.try_call("qurt_thread_stop", &[]),
            Ok(Outcome::Exit(0))
        ));
    }
}
