//! The functions that skeletons import, one file for each family, each function in one place.
//!
//! Names and behaviour are those of the C library, the compiler's run-time library, HAP and QuRT as skeletons use them.
//! What is not in these tables does not exist for the loader: a library that needs it is refused with the symbol's name.

mod compute_res;
mod convert;
mod ctype;
mod end;
mod float_text;
mod format;
mod hap_debug;
mod hap_memory;
mod hap_power;
mod hap_time;
mod heap;
mod math;
mod qurt_barrier;
mod qurt_cond;
mod qurt_futex;
mod qurt_misc;
mod qurt_mutex;
mod qurt_object;
mod qurt_sem;
mod qurt_signal;
mod qurt_thread;
mod runtime;
mod sort;
mod stdio;
mod string;

use crate::kernel::import::Import;

/// All tables.
pub fn families() -> Vec<&'static [Import]> {
    vec![
        string::IMPORTS,
        stdio::IMPORTS,
        heap::IMPORTS,
        convert::IMPORTS,
        ctype::IMPORTS,
        sort::IMPORTS,
        end::IMPORTS,
        math::IMPORTS,
        runtime::IMPORTS,
        hap_debug::IMPORTS,
        hap_memory::IMPORTS,
        hap_power::IMPORTS,
        hap_time::IMPORTS,
        compute_res::IMPORTS,
        qurt_thread::IMPORTS,
        qurt_mutex::IMPORTS,
        qurt_barrier::IMPORTS,
        qurt_signal::IMPORTS,
        qurt_sem::IMPORTS,
        qurt_cond::IMPORTS,
        qurt_futex::IMPORTS,
        qurt_misc::IMPORTS,
    ]
}
