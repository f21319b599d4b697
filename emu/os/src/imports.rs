//! The built-in module: the functions that a process has from the DSP itself, and the data it exports.
//!
//! A built-in function is a stub in the process, `{ trap0(#0) } { jumpr r31 }`, whose trap the emulator carries out. A trap
//! is recognised by its address, so there may be more functions than trap numbers, and a trap anywhere else is not ours.
//! Where the stubs are and which there are is said by a [`Builtins`]: either [`Builtins::standard`], made here of
//! everything that the emulator can do, or the image that the AP loaded as the DSP's firmware, whose code processes then
//! run as it lies in the carveout. One more stub is where guest functions return to that the emulator called.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::call::{Call, Done};
use super::library;
use super::memory::STUBS;
use emu_core::mem::{AddressSpace, MapError, PAGE_SIZE, Prot};
use emu_core::memory::Memory as _;

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

/// Shorthand for the tables in `lib`.
pub const fn import(name: &'static str, handler: Handler) -> Import {
    Import { name, handler }
}

const TRAP0: u32 = 0x5400_c000;
const JUMPR_R31: u32 = 0x529f_c000;
const STUB: u32 = 8;

/// Where code and data from the DSP may lie in a process: below everything else.
pub const WINDOW: Range<u32> = 0x0001_0000..0x1000_0000;
/// Symbol of the word that stack canaries are copied from.
const STACK_GUARD: &str = "__stack_chk_guard";
/// Symbol of `errno`.
const ERRNO: &str = "errno";
/// Symbol of the text that `strerror` answers.
const ERROR_TEXT: &str = "__error_text";

/// Functions that the emulator can carry out.
struct Functions {
    list: Vec<Import>,
    by_name: HashMap<&'static str, u16>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let list: Vec<Import> = library::families().into_iter().flatten().copied().collect();
    Functions {
        by_name: list.iter().map(|f| f.name).zip(0..).collect(),
        list,
    }
});

/// What a trap asks for.
#[derive(Clone, Copy)]
pub enum Stub {
    /// A guest function that the emulator called has returned.
    Return,
    /// An imported function.
    Function(Import),
}

/// What a firmware image brings into every process.
pub struct ProcessImage<'a> {
    /// What it is, for messages: "the firmware …".
    pub origin: String,
    /// Exported symbols and their addresses, all in `text` or the data.
    pub symbols: &'a BTreeMap<String, u32>,
    /// Code: addresses in a process; starts at a page.
    pub text: Range<u32>,
    /// Physical address of the code's first byte; a page.
    pub physical: u64,
    /// Address of the data in a process; a page.
    pub data_at: u32,
    /// What the data is at first.
    pub data: Vec<u8>,
    /// The trap that functions return to which the emulator called.
    pub process_return: u32,
}

/// Where the code of stubs comes from.
enum Code {
    /// These bytes, copied into each process.
    Bytes(Vec<u8>),
    /// The AP's memory, as it is.
    Physical(u64),
}

/// What processes of a DSP have from the DSP itself.
pub struct Builtins {
    origin: String,
    by_name: HashMap<Box<[u8]>, u32>,
    names: BTreeMap<u32, Box<str>>,
    text: Range<u32>,
    code: Code,
    /// What a trap at each word of the text asks for: 0 nothing, 1 the return, n + 2 function n.
    traps: Vec<u16>,
    process_return: u32,
    data_at: u32,
    data: Vec<u8>,
    errno: Option<u32>,
    stack_guard: Option<u32>,
    error_text: Option<u32>,
}

impl fmt::Debug for Builtins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builtins")
            .field("origin", &self.origin)
            .field("symbols", &self.by_name.len())
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

static STANDARD: LazyLock<Arc<Builtins>> = LazyLock::new(|| Arc::new(Builtins::make_standard()));

impl Builtins {
    /// Everything that the emulator can do, for a DSP whose firmware is not loaded by the AP.
    pub fn standard() -> Arc<Self> {
        STANDARD.clone()
    }

    fn make_standard() -> Self {
        let count = FUNCTIONS.list.len() as u32 + 1;
        let text = STUBS..STUBS + count * STUB;
        let data_at = text.end.next_multiple_of(PAGE_SIZE);
        let functions = FUNCTIONS.list.iter().map(|f| f.name).zip(1u32..);
        let mut symbols: BTreeMap<String, u32> = functions
            .map(|(name, n)| (name.to_owned(), STUBS + n * STUB))
            .collect();
        for (name, offset) in [(STACK_GUARD, 0), (ERRNO, 8), (ERROR_TEXT, 16)] {
            symbols.insert(name.into(), data_at + offset);
        }
        let code: Vec<u8> = (0..count)
            .flat_map(|_| [TRAP0, JUMPR_R31])
            .flat_map(u32::to_le_bytes)
            .collect();
        let mut data = vec![0; 16];
        data.extend(b"error\0");
        let image = ProcessImage {
            origin: "built in".into(),
            symbols: &symbols,
            text,
            physical: 0,
            data_at,
            data,
            process_return: STUBS,
        };
        Self {
            code: Code::Bytes(code),
            ..Self::from_image(image)
        }
    }

    /// What a firmware image exports. A symbol whose name the emulator does not know is code of the image's own.
    pub fn from_image(image: ProcessImage<'_>) -> Self {
        let words = (image.text.end.saturating_sub(image.text.start)).div_ceil(4);
        let mut traps = vec![0; words as usize];
        let mut names = BTreeMap::new();
        let slot = |at: u32| {
            let offset = at.checked_sub(image.text.start)?;
            offset.is_multiple_of(4).then_some(offset as usize / 4)
        };
        for (name, &at) in image.symbols {
            if let Some(trap) = slot(at).and_then(|n| traps.get_mut(n)) {
                *trap = FUNCTIONS.by_name.get(name.as_str()).map_or(0, |n| n + 2);
                names.insert(at, name.as_str().into());
            }
        }
        if let Some(trap) = slot(image.process_return).and_then(|n| traps.get_mut(n)) {
            *trap = 1;
            names.insert(image.process_return, "(return to the DSP's OS)".into());
        }
        // A word of the data: four bytes inside of it.
        let end = u64::from(image.data_at) + image.data.len() as u64;
        let object = |name: &str| {
            let at = *image.symbols.get(name)?;
            (at >= image.data_at && u64::from(at) + 4 <= end).then_some(at)
        };
        Self {
            errno: object(ERRNO),
            stack_guard: object(STACK_GUARD),
            error_text: object(ERROR_TEXT),
            by_name: image
                .symbols
                .iter()
                .map(|(name, at)| (name.as_bytes().into(), *at))
                .collect(),
            origin: image.origin,
            names,
            text: image.text,
            code: Code::Physical(image.physical),
            traps,
            process_return: image.process_return,
            data_at: image.data_at,
            data: image.data,
        }
    }

    /// Where all this is from, as the end of "X is not … ".
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Address of a symbol.
    pub fn address(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// What a trap at `at` asks for.
    pub fn stub(&self, at: u32) -> Option<Stub> {
        let offset = at.wrapping_sub(self.text.start);
        if !offset.is_multiple_of(4) {
            return None;
        }
        match *self.traps.get(offset as usize / 4)? {
            0 => None,
            1 => Some(Stub::Return),
            n => FUNCTIONS
                .list
                .get(usize::from(n) - 2)
                .copied()
                .map(Stub::Function),
        }
    }

    /// Name of the built-in function that holds `pc`.
    pub fn name_at(&self, pc: u32) -> Option<&str> {
        if !self.text.contains(&pc) {
            return None;
        }
        self.names.range(..=pc).next_back().map(|(_, name)| &**name)
    }

    /// The trap that guest functions return to which the emulator called.
    pub fn process_return(&self) -> u32 {
        self.process_return
    }

    /// Address of `errno`, if there is one.
    pub fn errno(&self) -> Option<u32> {
        self.errno
    }

    /// Address of the text that `strerror` answers, if there is one.
    pub fn error_text(&self) -> Option<u32> {
        self.error_text
    }

    /// Maps code and data into a new process.
    pub fn map(&self, space: &AddressSpace) -> Result<(), MapError> {
        let start = self.text.start;
        let len = (self.text.end - start).next_multiple_of(PAGE_SIZE);
        match &self.code {
            Code::Physical(at) => {
                space.map_physical(Some(start), *at, len, Prot::RX)?;
            }
            Code::Bytes(bytes) => {
                space.map_anonymous(Some(start), len, Prot::RW)?;
                // Just mapped, so it can be written.
                let _ = space.store(start, bytes);
                space.protect(start, len, Prot::RX)?;
            }
        }
        let len = (self.data.len().max(1) as u32).next_multiple_of(PAGE_SIZE);
        space.map_anonymous(Some(self.data_at), len, Prot::RW)?;
        let _ = space.store(self.data_at, &self.data);
        if let Some(at) = self.stack_guard {
            // Random enough to differ between processes; the low byte is 0 so that string functions stop there.
            let guard = RandomState::new().build_hasher().finish() as u32 & !0xff;
            let _ = space.store32(at, guard);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_stubs_resolve_back() {
        let mut seen = std::collections::HashSet::new();
        let table = Builtins::standard();
        for f in &FUNCTIONS.list {
            assert!(seen.insert(f.name), "{} is there twice", f.name);
            let at = table.address(f.name.as_bytes()).unwrap();
            assert!(matches!(table.stub(at), Some(Stub::Function(g)) if g.name == f.name));
            assert_eq!(table.name_at(at + 4), Some(f.name));
            assert!(table.stub(at + 4).is_none() && table.stub(at + 1).is_none());
        }
        let back = table.process_return();
        assert!(matches!(table.stub(back), Some(Stub::Return)));
        for elsewhere in [back + 4, 0, table.data_at, table.text.end] {
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
            .filter(|name| Builtins::standard().address(name.as_bytes()).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
