//! The functions that skeletons import, one file for each family, each function in one place.
//!
//! Names and behaviour are those of the C library, the compiler's run-time library, HAP and QuRT as skeletons use them.
//! What is not in these tables does not exist for the loader: a library that needs it is refused with the symbol's name.

mod calendar;
mod complex;
mod complex_math;
mod compute_res;
mod convert;
mod ctype;
mod cxx;
mod descriptors;
mod dl;
pub mod dspqueue;
mod dspqueue_import;
mod end;
mod environment;
mod errno;
mod fenv;
mod files;
mod float_text;
mod format;
mod frames;
mod gamma;
mod getopt;
mod hap_debug;
mod hap_mem_request;
mod hap_memory;
mod hap_power;
mod hap_time;
mod heap;
mod jump;
mod locale;
mod log_text;
mod math;
mod math_more;
mod memory_file;
mod posix_cancel;
mod posix_refused;
mod posix_rwlock;
mod posix_sync;
mod posix_thread;
mod posix_time;
mod qurt_barrier;
mod qurt_cache;
mod qurt_cond;
mod qurt_futex;
mod qurt_hvx;
mod qurt_mapping;
mod qurt_misc;
mod qurt_mutex;
mod qurt_object;
mod qurt_pipe;
mod qurt_pmu;
mod qurt_region;
mod qurt_sem;
mod qurt_signal;
mod qurt_sysenv;
mod qurt_system;
mod qurt_thread;
mod qurt_thread_more;
mod qurt_timer;
mod runtime;
mod scan;
mod scanf;
mod search;
mod search_tree;
mod signal;
mod sort;
mod stdio;
mod stdio_file;
mod stdio_memory;
mod stdio_more;
mod stdlib_more;
mod string;
mod string_more;
mod strings_bsd;
mod strptime;
mod thread;
mod threads;
mod unistd;
mod unit;
mod vtcm;
mod wide;
mod wide_stdio;
mod wide_strings;
mod wide_text;

use crate::kernel::import::Import;

/// A family of functions.
#[derive(Clone, Copy)]
pub struct Family {
    /// What they have in common.
    pub title: &'static str,
    /// The functions.
    pub imports: &'static [Import],
}

/// All tables.
#[rustfmt::skip]
pub const FAMILIES: &[Family] = &[
    Family { title: "Strings and blocks of memory", imports: string::IMPORTS },
    Family { title: "More of strings, blocks and character classes", imports: string_more::IMPORTS },
    Family { title: "Strings: BSD, GNU, POSIX", imports: strings_bsd::IMPORTS },
    Family { title: "Formatted output", imports: stdio::IMPORTS },
    Family { title: "Streams", imports: stdio_file::IMPORTS },
    Family { title: "More of streams", imports: stdio_more::IMPORTS },
    Family { title: "Memory as streams", imports: stdio_memory::IMPORTS },
    Family { title: "Formatted input", imports: scanf::IMPORTS },
    Family { title: "Descriptors, paths, directories", imports: unistd::IMPORTS },
    Family { title: "Descriptors as such, other places of files", imports: descriptors::IMPORTS },
    Family { title: "Heap", imports: heap::IMPORTS },
    Family { title: "Numbers in text", imports: convert::IMPORTS },
    Family { title: "More of numbers, random numbers, sorting", imports: stdlib_more::IMPORTS },
    Family { title: "Environment, locale", imports: environment::IMPORTS },
    Family { title: "Locales", imports: locale::IMPORTS },
    Family { title: "Calendar", imports: calendar::IMPORTS },
    Family { title: "Times in text", imports: strptime::IMPORTS },
    Family { title: "Jumps", imports: jump::IMPORTS },
    Family { title: "Signals of the process itself", imports: signal::IMPORTS },
    Family { title: "Wide characters", imports: wide::IMPORTS },
    Family { title: "Numbers and formatted text in wide characters", imports: wide_text::IMPORTS },
    Family { title: "Wide characters on streams", imports: wide_stdio::IMPORTS },
    Family { title: "More of wide characters", imports: wide_strings::IMPORTS },
    Family { title: "Numbers of errors", imports: errno::IMPORTS },
    Family { title: "Character classes", imports: ctype::IMPORTS },
    Family { title: "Sorting and searching", imports: sort::IMPORTS },
    Family { title: "Searching: lists, hash tables", imports: search::IMPORTS },
    Family { title: "Searching: trees", imports: search_tree::IMPORTS },
    Family { title: "Options of a program", imports: getopt::IMPORTS },
    Family { title: "How programs end", imports: end::IMPORTS },
    Family { title: "C++", imports: cxx::IMPORTS },
    Family { title: "Libraries at run time, thread-local storage", imports: dl::IMPORTS },
    Family { title: "Mathematics", imports: math::IMPORTS },
    Family { title: "More of mathematics", imports: math_more::IMPORTS },
    Family { title: "Complex numbers", imports: complex::IMPORTS },
    Family { title: "Floating-point environment", imports: fenv::IMPORTS },
    Family { title: "The compiler's run-time library", imports: runtime::IMPORTS },
    Family { title: "The compiler's beginnings and ends of functions", imports: frames::IMPORTS },
    Family { title: "HAP: messages (FARF)", imports: hap_debug::IMPORTS },
    Family { title: "HAP: memory, lockable cache", imports: hap_memory::IMPORTS },
    Family { title: "HAP: requests for address space", imports: hap_mem_request::IMPORTS },
    Family { title: "HAP: power", imports: hap_power::IMPORTS },
    Family { title: "Time and sleep", imports: hap_time::IMPORTS },
    Family { title: "HAP: compute resources (VTCM, matrix unit)", imports: compute_res::IMPORTS },
    Family { title: "HAP: VTCM by its address", imports: vtcm::IMPORTS },
    Family { title: "Packet queues (dspqueue)", imports: dspqueue::IMPORTS },
    Family { title: "POSIX: threads", imports: posix_thread::IMPORTS },
    Family { title: "POSIX: cancellation, cleanup handlers", imports: posix_cancel::IMPORTS },
    Family { title: "POSIX: mutexes, condition variables, barriers, once", imports: posix_sync::IMPORTS },
    Family { title: "POSIX: read-write locks", imports: posix_rwlock::IMPORTS },
    Family { title: "POSIX: clocks, sleeps, semaphores", imports: posix_time::IMPORTS },
    Family { title: "C and POSIX: what a DSP has nothing for", imports: posix_refused::IMPORTS },
    Family { title: "Threads of C11", imports: threads::IMPORTS },
    Family { title: "QuRT: threads, thread-local values", imports: qurt_thread::IMPORTS },
    Family { title: "QuRT: more of threads, exceptions", imports: qurt_thread_more::IMPORTS },
    Family { title: "QuRT: mutexes", imports: qurt_mutex::IMPORTS },
    Family { title: "QuRT: barriers", imports: qurt_barrier::IMPORTS },
    Family { title: "QuRT: signals", imports: qurt_signal::IMPORTS },
    Family { title: "QuRT: semaphores", imports: qurt_sem::IMPORTS },
    Family { title: "QuRT: condition variables", imports: qurt_cond::IMPORTS },
    Family { title: "QuRT: futexes", imports: qurt_futex::IMPORTS },
    Family { title: "QuRT: timers", imports: qurt_timer::IMPORTS },
    Family { title: "QuRT: pipes", imports: qurt_pipe::IMPORTS },
    Family { title: "QuRT: vector contexts", imports: qurt_hvx::IMPORTS },
    Family { title: "QuRT: memory regions, pools", imports: qurt_region::IMPORTS },
    Family { title: "QuRT: mappings", imports: qurt_mapping::IMPORTS },
    Family { title: "QuRT: caches", imports: qurt_cache::IMPORTS },
    Family { title: "QuRT: the system", imports: qurt_sysenv::IMPORTS },
    Family { title: "QuRT: performance counters", imports: qurt_pmu::IMPORTS },
    Family { title: "QuRT: under names of its own; for the system's own code", imports: qurt_system::IMPORTS },
    Family { title: "QuRT: cycles, ticks", imports: qurt_misc::IMPORTS },
];
