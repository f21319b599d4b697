//! QuRT for the system's own code: translation look-aside buffer, interrupts, drivers (QDI). They are here so that a library that names
//! them can be loaded; a process has no such privilege and each answers its documented error, which the log says once. And what QuRT
//! has under names of its own: the heap, `printf`, assertions, how threads raise exceptions.
//!
//! Source: the headers in Qualcomm's hexagon-hypervisor (libs/qurt). Not there, as no public source says how they answer:
//! `HAP_set_userpd_params`; and `__HAP_register_pmu_group` and its kin, which public documentation says unsigned processes do
//! not have (headers test whether the symbols are there).

use super::hap_time::ticks_to_us;
use super::heap::IMPORTS as HEAP;
use super::qurt_misc::IMPORTS as MISC;
use super::stdio::IMPORTS as STDIO;
use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, alias, import};

/// `QURT_EPRIVILEGE`, `QURT_EINT`, `QURT_EFATAL`.
const EPRIVILEGE: u32 = 36;
const EINT: u32 = 26;
const EFATAL: u32 = u32::MAX;

/// A function for code that may change translations.
const fn privileged(name: &'static str, line: &'static str) -> Import {
    import(name, |c| c.ret(EPRIVILEGE), line).refuses("QURT_EPRIVILEGE (36)")
}

/// A function of an interrupt: a process has none.
const fn interrupt(name: &'static str, line: &'static str) -> Import {
    import(name, |c| c.ret(EINT), line).refuses("QURT_EINT (26)")
}

/// A function of a driver: a process is offered none.
const fn driver(name: &'static str, line: &'static str) -> Import {
    import(name, |c| c.ret(EFATAL), line).refuses("QURT_EFATAL (-1)")
}

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    alias("qurt_malloc", HEAP, "malloc", "`void *qurt_malloc(unsigned size)`: as malloc"),
    alias("qurt_calloc", HEAP, "calloc", "`void *qurt_calloc(unsigned size, unsigned count)`: as calloc"),
    alias("qurt_realloc", HEAP, "realloc", "`void *qurt_realloc(void *, int size)`: as realloc"),
    alias("qurt_free", HEAP, "free", "`void qurt_free(void *)`: as free"),
    alias("qurt_printf", STDIO, "printf", "`int qurt_printf(const char *format, ...)`: as printf"),
    alias("qurt_process_get_id", MISC, "qurt_getpid", "`int qurt_process_get_id(void)`: as qurt_getpid"),
    import("qurt_assert_error", assert_error, "`void qurt_assert_error(const char *file, int line)`: an assertion failed, the process crashes"),
    import("qurt_exception_raise_fatal", raise_fatal, "`void qurt_exception_raise_fatal(void)`: crashes the process"),
    import("qurt_exception_raise_nonfatal", raise, "`int qurt_exception_raise_nonfatal(int error)`: crashes the process, which has nobody that handles exceptions"),
    import("qurt_sysclock_get_hw_ticks_16", ticks_16, "`unsigned short qurt_sysclock_get_hw_ticks_16(void)`: bits 16 to 31 of the ticks of 19.2 MHz"),
    import("qurt_timer_timetick_to_us", ticks_to_us, "`unsigned long long qurt_timer_timetick_to_us(unsigned long long ticks)`: microseconds that so many ticks last"),
    import("qurt_timer_timetick_from_us", ticks_from_us, "`unsigned long long qurt_timer_timetick_from_us(unsigned long long us)`: ticks of 19.2 MHz that so many microseconds last"),
    privileged("qurt_tlb_entry_create", "`int qurt_tlb_entry_create(unsigned *entry, qurt_addr_t, qurt_paddr_t, qurt_size_t, qurt_mem_cache_mode_t, qurt_perm_t, int space)`: an entry for a range"),
    privileged("qurt_tlb_entry_create_64", "`int qurt_tlb_entry_create_64(unsigned *entry, qurt_addr_t, qurt_paddr_64_t, qurt_size_t, qurt_mem_cache_mode_t, qurt_perm_t, int space)`: an entry for a range"),
    privileged("qurt_tlb_entry_delete", "`int qurt_tlb_entry_delete(unsigned entry)`: the end of an entry"),
    privileged("qurt_tlb_entry_query", "`int qurt_tlb_entry_query(unsigned *entry, qurt_addr_t, int space)`: the entry of an address"),
    privileged("qurt_tlb_entry_set", "`int qurt_tlb_entry_set(unsigned entry, unsigned long long value)`: writes an entry"),
    privileged("qurt_tlb_entry_get", "`int qurt_tlb_entry_get(unsigned entry, unsigned long long *value)`: reads an entry"),
    import("qurt_tlb_entry_get_available", |c| c.ret(0), "`unsigned qurt_tlb_entry_get_available(void)`: 0, a process has no entries"),
    interrupt("qurt_interrupt_register", "`unsigned qurt_interrupt_register(int number, qurt_anysignal_t *, int mask)`: sets signals on an interrupt"),
    interrupt("qurt_interrupt_deregister", "`unsigned qurt_interrupt_deregister(int number)`: sets no signals any more"),
    interrupt("qurt_interrupt_acknowledge", "`int qurt_interrupt_acknowledge(int number)`: lets the next one come"),
    interrupt("qurt_interrupt_enable", "`unsigned qurt_interrupt_enable(int number)`: lets it come"),
    interrupt("qurt_interrupt_disable", "`unsigned qurt_interrupt_disable(int number)`: keeps it away"),
    interrupt("qurt_interrupt_status", "`unsigned qurt_interrupt_status(int number, int *status)`: did it come?"),
    interrupt("qurt_interrupt_clear", "`unsigned qurt_interrupt_clear(int number)`: forgets that it came"),
    interrupt("qurt_interrupt_raise", "`int qurt_interrupt_raise(unsigned number)`: lets it come now"),
    interrupt("qurt_interrupt_get_config", "`unsigned qurt_interrupt_get_config(unsigned number, unsigned *type, unsigned *polarity)`: how it is told"),
    interrupt("qurt_interrupt_set_config", "`unsigned qurt_interrupt_set_config(unsigned number, unsigned type, unsigned polarity)`: how it is told"),
    driver("qurt_qdi_handle_invoke", "`int qurt_qdi_handle_invoke(int handle, int method, ...)`: asks a driver, or opens one"),
    driver("qurt_qdi_close", "`int qurt_qdi_close(int handle)`: the end of a driver's handle"),
];

fn assert_error(c: &mut Call<'_>) -> Done {
    let (file, line) = (c.text(c.arg(0)?)?, c.arg(1)? as i32);
    Err(Stop::because(format!("assertion failed ({file}:{line})")))
}

fn raise_fatal(_: &mut Call<'_>) -> Done {
    Err(Stop::because("qurt_exception_raise_fatal() was called"))
}

fn raise(c: &mut Call<'_>) -> Done {
    let error = c.arg(0)?;
    Err(Stop::because(format!(
        "qurt_exception_raise_nonfatal({error:#x}) was called"
    )))
}

fn ticks_16(c: &mut Call<'_>) -> Done {
    let ticks = c.thread.core.time.utimer(c.thread.core.packets);
    c.ret((ticks >> 16) as u32 & 0xffff)
}

fn ticks_from_us(c: &mut Call<'_>) -> Done {
    let us = u128::from(c.arg64(0));
    c.ret64((us * 192 / 10) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn what_a_process_has_no_privilege_for_is_refused() {
        let mut g = Guest::new();
        let place = g.bytes(&[0xff; 8]);
        for (name, want) in [
            ("qurt_tlb_entry_create", EPRIVILEGE),
            ("qurt_tlb_entry_query", EPRIVILEGE),
            ("qurt_interrupt_register", EINT),
            ("qurt_qdi_handle_invoke", EFATAL),
            ("qurt_tlb_entry_get_available", 0),
        ] {
            assert_eq!(g.call(name, &[place, 0x1000, 0, 0x1000]), want, "{name}");
        }
        assert_eq!(g.read(place, 8), [0xff; 8]);
    }

    #[test]
    fn names_of_its_own_do_what_c_does() {
        let mut g = Guest::new();
        let block = g.call("qurt_calloc", &[4, 3]);
        assert_eq!(g.read(block, 12), [0; 12]);
        let block = g.call("qurt_realloc", &[block, 400]);
        g.call("qurt_free", &[block]);
        assert!(g.try_call("qurt_free", &[block]).is_err());
        let file = g.bytes(b"f.c\0");
        for (name, args, why) in [
            ("qurt_assert_error", [file, 7], "assertion failed (f.c:7)"),
            (
                "qurt_exception_raise_fatal",
                [0, 0],
                "qurt_exception_raise_fatal()",
            ),
            ("qurt_exception_raise_nonfatal", [0x42, 0], "(0x42)"),
        ] {
            let Err(stop) = g.try_call(name, &args) else {
                panic!("{name}")
            };
            assert!(stop.to_string().contains(why), "{stop}");
        }
        assert_eq!(g.call64("qurt_timer_timetick_to_us", &[19_200, 0]), 1000);
        assert_eq!(g.call64("qurt_timer_timetick_from_us", &[1000, 0]), 19_200);
        g.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(g.call("qurt_sysclock_get_hw_ticks_16", &[]), 19_200_000 >> 16);
    }
}
