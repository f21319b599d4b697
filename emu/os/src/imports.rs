//! All functions that skeletons can import, and the [`Builtins`] made of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use crate::builtins::{DEFAULT_POOL, ERRNO, ERROR_TEXT, OPTIONS, STACK_GUARD, STREAM_POINTERS, STREAMS};
use crate::memory::layout::STUBS;
use emu_core::mem::PAGE_SIZE;

pub use crate::builtins::{Builtins, Code, ProcessImage, WINDOW};
pub use crate::kernel::import::{Import, Support};
pub use crate::library::{FAMILIES, Family};
pub use crate::loader::gather::is_built_in;

const TRAP0: u32 = 0x5400_c000;
const JUMPR_R31: u32 = 0x529f_c000;
const STUB: u32 = 8;
/// Bytes of a standard stream's object.
const STREAM: usize = 96;

/// Functions that the emulator can carry out.
struct Functions {
    list: Vec<Import>,
    by_name: HashMap<&'static str, u16>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let list: Vec<Import> = all().copied().collect();
    Functions {
        by_name: list.iter().map(|f| f.name).zip(0..).collect(),
        list,
    }
});

static STANDARD: LazyLock<Arc<Builtins>> = LazyLock::new(|| Arc::new(make_standard()));

/// Every function, in the order of the tables.
fn all() -> impl Iterator<Item = &'static Import> {
    FAMILIES.iter().flat_map(|family| family.imports)
}

/// An imported function by its name.
pub fn by_name(name: &str) -> Option<Import> {
    function(*FUNCTIONS.by_name.get(name)?)
}

/// Data that skeletons can import: name and line.
pub const DATA: &[(&str, &str)] = &[
    (
        ERRNO,
        "`int errno`: number of the last error of any thread; each has its own by __errno_location",
    ),
    (
        STACK_GUARD,
        "`unsigned __stack_chk_guard`: what the compiler's stack checks compare with",
    ),
    (
        DEFAULT_POOL.0,
        "`qurt_mem_pool_t qurt_mem_default_pool`: the pool that memory regions come from",
    ),
    ("optarg", "`char *optarg`: the argument of getopt's last option"),
    (
        "optind",
        "`int optind`: the argument that getopt looks at next; 0 begins anew",
    ),
    ("opterr", "`int opterr`: does getopt say what is wrong?"),
    ("optopt", "`int optopt`: the letter that was wrong"),
    ("optreset", "`int optreset`: 1 lets getopt begin anew"),
    ("_Stdin", "`FILE _Stdin`: the standard input, which is empty"),
    ("_Stdout", "`FILE _Stdout`: the standard output, which is the log"),
    (
        "_Stderr",
        "`FILE _Stderr`: the standard error output, which is the log",
    ),
    ("stdin", "`FILE *const stdin`: the standard input, which is empty"),
    (
        "stdout",
        "`FILE *const stdout`: the standard output, which is the log",
    ),
    (
        "stderr",
        "`FILE *const stderr`: the standard error output, which is the log",
    ),
];

/// An imported function by its number.
pub fn function(number: u16) -> Option<Import> {
    FUNCTIONS.list.get(usize::from(number)).copied()
}

/// What a firmware image exports; functions that the emulator does not know are code of the image's own.
pub fn from_image(image: ProcessImage<'_>) -> Builtins {
    Builtins::new(image, |name| FUNCTIONS.by_name.get(name).copied())
}

/// Everything that the emulator can do, for a DSP whose firmware is not loaded by the AP.
pub fn standard() -> Arc<Builtins> {
    STANDARD.clone()
}

fn make_standard() -> Builtins {
    let count = FUNCTIONS.list.len() as u32 + 1;
    let text = STUBS..STUBS + count * STUB;
    let data_at = text.end.next_multiple_of(PAGE_SIZE);
    let functions = FUNCTIONS.list.iter().map(|f| f.name).zip(1u32..);
    let mut symbols: BTreeMap<String, u32> = functions
        .map(|(name, n)| (name.to_owned(), STUBS + n * STUB))
        .collect();
    for (name, offset) in [
        (STACK_GUARD, 0),
        (ERRNO, 8),
        (DEFAULT_POOL.0, 12),
        (ERROR_TEXT, 16),
    ] {
        symbols.insert(name.into(), data_at + offset);
    }
    let code: Vec<u8> = (0..count)
        .flat_map(|_| [TRAP0, JUMPR_R31])
        .flat_map(u32::to_le_bytes)
        .collect();
    let mut data = vec![0; 12];
    data.extend(DEFAULT_POOL.1.to_le_bytes());
    data.extend(b"error\0");
    data.resize(24, 0);
    for (name, value) in OPTIONS {
        symbols.insert(name.into(), data_at + data.len() as u32);
        data.extend(value.to_le_bytes());
    }
    data.resize(data.len().next_multiple_of(8), 0);
    for (name, pointer) in STREAMS.into_iter().zip(STREAM_POINTERS) {
        let stream = data_at + data.len() as u32;
        data.resize(data.len() + STREAM, 0);
        symbols.insert(name.into(), stream);
        symbols.insert(pointer.into(), data_at + data.len() as u32);
        data.extend(u64::from(stream).to_le_bytes());
    }
    let image = ProcessImage {
        origin: "built in".into(),
        symbols: &symbols,
        text,
        code: Code::Bytes(code),
        data_at,
        data,
        process_return: STUBS,
    };
    from_image(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::Stub;

    #[test]
    fn every_line_has_a_signature_that_names_its_function_and_says_what_it_does() {
        for f in &FUNCTIONS.list {
            let parts = f.line.strip_prefix('`').and_then(|rest| rest.split_once("`: "));
            let (signature, what) = parts.unwrap_or_else(|| panic!("{}: {}", f.name, f.line));
            let open = signature.find('(').unwrap_or_else(|| panic!("{}", f.line));
            // C++ operators and names that C cannot declare have the signature of what they stand for.
            let is_c = !f.name.starts_with("_Z") && !signature[..open].ends_with('*');
            let named = signature[..open].ends_with(f.name);
            assert!(
                named || !is_c || signature.contains(&format!("(*{}", f.name)),
                "{}: {}",
                f.name,
                f.line
            );
            assert!(
                !what.is_empty() && !what.ends_with('.') && !f.line.contains('\n'),
                "{}",
                f.line
            );
            if let Support::WithoutEffect(answer) | Support::Refused(answer) = f.support {
                assert!(!answer.is_empty(), "{}", f.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_stubs_resolve_back() {
        let mut seen = std::collections::HashSet::new();
        let table = standard();
        for f in &FUNCTIONS.list {
            assert!(seen.insert(f.name), "{} is there twice", f.name);
            let at = table.address(f.name.as_bytes()).unwrap();
            assert!(matches!(table.stub(at), Some(Stub::Function(n)) if function(n).unwrap().name == f.name));
            assert_eq!(table.name_at(at + 4), Some(f.name));
            assert!(table.stub(at + 4).is_none() && table.stub(at + 1).is_none());
        }
        let back = table.process_return();
        assert!(matches!(table.stub(back), Some(Stub::Return)));
        let errno = table.errno().unwrap();
        for elsewhere in [back + 4, 0, errno, errno.next_multiple_of(PAGE_SIZE)] {
            assert!(table.stub(elsewhere).is_none());
        }
    }

    /// `firmware/dsp/library.S` is what the DSP's image offers: neither more nor less than what the emulator can do.
    #[test]
    fn the_firmwares_library_is_this_table() {
        use std::collections::BTreeSet;
        let source = include_str!("../../../firmware/dsp/library.S");
        let listed: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("builtin "))
            .map(str::trim)
            .collect();
        let there: BTreeSet<&str> = listed.iter().copied().collect();
        assert_eq!(listed.len(), there.len(), "a function is listed twice");
        let wanted: BTreeSet<&str> = FUNCTIONS.list.iter().map(|f| f.name).collect();
        let missing: Vec<_> = wanted.difference(&there).collect();
        let unknown: Vec<_> = there.difference(&wanted).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "missing {missing:?}, unknown {unknown:?}"
        );
    }

    /// What real skeletons import: Qualcomm's test skeletons, Halide's, ggml's. Left out: the dlopen family.
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
        dspqueue_close dspqueue_import dspqueue_peek dspqueue_read_noblock dspqueue_write
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
            .filter(|name| standard().address(name.as_bytes()).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
