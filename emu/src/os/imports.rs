//! The built-in module: stubs in the guest for the functions that the emulator provides, and the data it exports.
//!
//! Every function has an 8-byte stub, `{ trap0(#0) } { jumpr r31 }`. A trap is recognised by its address, so there may be
//! more functions than trap numbers, and a trap anywhere else is not ours. Stub 0 is where guest functions that the
//! emulator called return to.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use super::call::{Call, Done};
use super::lib;
use super::memory::STUBS;
use crate::core::memory::Memory as _;
use crate::mem::{AddressSpace, MapError, PAGE_SIZE, Prot};

/// Carries out an imported function.
pub type Handler = fn(&mut Call<'_>) -> Done;

/// A function that skeletons can import.
#[derive(Clone, Copy)]
pub struct Import {
    /// Its symbol.
    pub name: &'static str,
    /// What it does.
    pub handler: Handler,
}

/// Shorthand for the tables in [`lib`].
pub const fn import(name: &'static str, handler: Handler) -> Import {
    Import { name, handler }
}

const TRAP0: u32 = 0x5400_c000;
const JUMPR_R31: u32 = 0x529f_c000;
const STUB: u32 = 8;
/// Most stubs, stub 0 included.
const MAX_STUBS: u32 = 0x1000;
const DATA: u32 = STUBS + MAX_STUBS * STUB;
/// Address of the word that stack canaries are copied from.
const STACK_GUARD: u32 = DATA;
/// Address of `errno`.
pub const ERRNO: u32 = DATA + 8;

/// Exported data: name and address.
const DATA_SYMBOLS: [(&str, u32); 2] = [("__stack_chk_guard", STACK_GUARD), ("errno", ERRNO)];

/// Where guest functions that the emulator called return to.
pub const RETURN: u32 = STUBS;

struct Table {
    functions: Vec<Import>,
    by_name: HashMap<&'static str, u32>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let functions: Vec<Import> = lib::families().into_iter().flatten().copied().collect();
    assert!(functions.len() < MAX_STUBS as usize, "more imports than stubs");
    let by_name = functions
        .iter()
        .zip(1u32..)
        .map(|(f, n)| (f.name, STUBS + n * STUB))
        .chain(DATA_SYMBOLS);
    Table {
        by_name: by_name.collect(),
        functions: functions.clone(),
    }
});

/// Address of a built-in symbol.
pub fn address(name: &[u8]) -> Option<u32> {
    TABLE.by_name.get(std::str::from_utf8(name).ok()?).copied()
}

/// What a trap at `at` asks for.
#[derive(Clone, Copy)]
pub enum Stub {
    /// A guest function that the emulator called has returned.
    Return,
    /// An imported function.
    Function(Import),
}

/// The stub whose trap lies at `at`.
pub fn stub(at: u32) -> Option<Stub> {
    let offset = at.checked_sub(STUBS)?;
    if !offset.is_multiple_of(STUB) {
        return None;
    }
    match offset / STUB {
        0 => Some(Stub::Return),
        n => TABLE.functions.get(n as usize - 1).copied().map(Stub::Function),
    }
}

/// Name of the imported function whose stub holds `pc`.
pub fn name_at(pc: u32) -> Option<&'static str> {
    match stub(pc / STUB * STUB)? {
        Stub::Return => Some("(return to the DSP's OS)"),
        Stub::Function(f) => Some(f.name),
    }
}

/// Maps stubs and data into a new process.
pub fn map(space: &AddressSpace) -> Result<(), MapError> {
    let count = TABLE.functions.len() as u32 + 1;
    let len = (count * STUB).next_multiple_of(PAGE_SIZE);
    space.map_anonymous(Some(STUBS), len, Prot::RW)?;
    space.map_anonymous(Some(DATA), PAGE_SIZE, Prot::RW)?;
    let code: Vec<u8> = (0..count)
        .flat_map(|_| [TRAP0, JUMPR_R31])
        .flat_map(|w: u32| w.to_le_bytes())
        .collect();
    // Just mapped, so it can be written.
    let _ = space.store(STUBS, &code);
    // Random enough to differ between processes; the low byte is 0 so that string functions stop there.
    let guard = RandomState::new().build_hasher().finish() as u32 & !0xff;
    let _ = space.store32(STACK_GUARD, guard);
    space.protect(STUBS, len, Prot::RX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_stubs_resolve_back() {
        let mut seen = std::collections::HashSet::new();
        for f in &TABLE.functions {
            assert!(seen.insert(f.name), "{} is there twice", f.name);
            let at = address(f.name.as_bytes()).unwrap();
            assert!(matches!(stub(at), Some(Stub::Function(g)) if g.name == f.name));
            assert_eq!(name_at(at + 4), Some(f.name));
        }
        assert!(matches!(stub(RETURN), Some(Stub::Return)));
        assert!(stub(RETURN + 4).is_none() && stub(0).is_none() && stub(DATA).is_none());
    }

    /// What real skeletons import: Qualcomm's test skeletons, Halide's, ggml's. Left out: dspqueue and the dlopen family.
    const WANTED: &str = "
        HAP_cache_lock HAP_cache_unlock HAP_compute_res_acquire HAP_compute_res_acquire_cached
        HAP_compute_res_attr_get_vtcm_ptr_v2 HAP_compute_res_attr_init
        HAP_compute_res_attr_set_cache_mode HAP_compute_res_attr_set_hmx_param
        HAP_compute_res_attr_set_release_callback HAP_compute_res_attr_set_serialize
        HAP_compute_res_attr_set_vtcm_param_v2 HAP_compute_res_hmx_lock HAP_compute_res_hmx_unlock
        HAP_compute_res_query_VTCM HAP_compute_res_release HAP_compute_res_release_cached
        HAP_compute_res_update_priority HAP_debug HAP_debug_runtime HAP_debug_v2 HAP_get_userpd_params
        HAP_mem_available_stack HAP_mem_get_stats HAP_mem_request HAP_mem_set_grow_size HAP_mmap
        HAP_mmap2 HAP_mmap_get HAP_mmap_put HAP_munmap HAP_munmap2 HAP_perf_qtimer_count_to_us
        HAP_power_destroy_client HAP_power_get HAP_power_set HAP_query_avail_cachelock
        HAP_query_total_cachelock HAP_setFARFRuntimeLoggingParams HAP_timer_sleep HAP_user_etm_disable
        HAP_user_etm_enable _Assert _Cosh _FCosh _FSinh _Log _Sin _Sinh _Stoul __cxa_finalize
        __extendhfsf2 __hexagon_adddf3 __hexagon_divdf3 __hexagon_divsf3 __hexagon_divsi3
        __hexagon_modsi3 __hexagon_muldf3 __hexagon_subdf3 __hexagon_udivdi3 __hexagon_udivsi3
        __hexagon_umodsi3 __register_frame_info_bases __stack_chk_fail __stack_chk_guard __truncsfhf2
        __wrap_calloc __wrap_free __wrap_malloc __wrap_memalign abort acos acosf acosh acoshf
        adsp_mmap_fd_getinfo asin asinf asinh asinhf atan atan2 atan2f atanf atanh atanhf atoi ceil
        ceilf close compute_resource_acquire compute_resource_attr_get_vtcm_ptr
        compute_resource_attr_get_vtcm_ptr_v2 compute_resource_attr_init
        compute_resource_attr_set_release_callback compute_resource_attr_set_serialize
        compute_resource_attr_set_vtcm_param compute_resource_attr_set_vtcm_param_v2
        compute_resource_check_release_request compute_resource_query_VTCM compute_resource_release cosf
        exit exp expf fclose floor floorf fopen fwrite getenv log2 logf memcmp memcpy memmove memset pow
        powf printf qurt_anysignal_set qurt_barrier_destroy qurt_barrier_init qurt_barrier_wait
        qurt_futex_wait qurt_futex_wake qurt_hvx_get_units qurt_hvx_lock qurt_hvx_unlock
        qurt_mem_cache_clean qurt_mutex_destroy qurt_mutex_init qurt_mutex_lock qurt_mutex_unlock
        qurt_pmu_enable qurt_pmu_get qurt_pmu_set qurt_signal_destroy qurt_signal_init qurt_signal_wait
        qurt_sleep qurt_sysenv_get_max_hw_threads qurt_thread_create qurt_thread_exit qurt_thread_get_id
        qurt_thread_get_name qurt_thread_get_priority qurt_thread_join qurt_thread_set_priority sinf
        snprintf sprintf sqrt sqrtf strcat strchr strcmp strcpy strlcpy strlen strncmp strncpy strsep
        strstr strtok_r strtoul tan tanf tanh tanhf trunc truncf vsnprintf write
    ";

    #[test]
    fn everything_that_real_skeletons_import_is_there() {
        let missing: Vec<&str> = WANTED
            .split_whitespace()
            .filter(|name| address(name.as_bytes()).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
