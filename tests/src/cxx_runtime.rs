//! libc++, libc++abi and libunwind for skeletons: LLVM's own sources, which the wheel of Zig carries, compiled for the DSP by the
//! compiler that skeletons are compiled with, with musl's headers, whose types this DSP's OS has.
//!
//! Not compiled: what needs locales, file systems or random devices; the guards of static variables, which the OS has.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use emu_assets::cache::Cache;
use test_needs::{Need, wheels};

use crate::assets;

/// What libc++'s `__config_site` would say.
const CONFIG: [&str; 26] = [
    "_LIBCPP_ABI_VERSION=1",
    "_LIBCPP_ABI_NAMESPACE=__1",
    "_LIBCPP_ABI_FORCE_ITANIUM=0",
    "_LIBCPP_ABI_FORCE_MICROSOFT=0",
    "_LIBCPP_HAS_THREADS=1",
    "_LIBCPP_HAS_THREAD_API_PTHREAD=1",
    "_LIBCPP_HAS_THREAD_API_EXTERNAL=0",
    "_LIBCPP_HAS_THREAD_API_WIN32=0",
    "_LIBCPP_HAS_THREAD_API_C11=0",
    "_LIBCPP_HAS_MONOTONIC_CLOCK=1",
    "_LIBCPP_HAS_TERMINAL=0",
    "_LIBCPP_HAS_MUSL_LIBC=1",
    "_LIBCPP_LIBC_PICOLIBC=0",
    "_LIBCPP_LIBC_NEWLIB=0",
    "_LIBCPP_HAS_FILESYSTEM=0",
    "_LIBCPP_HAS_RANDOM_DEVICE=0",
    "_LIBCPP_HAS_LOCALIZATION=0",
    "_LIBCPP_HAS_UNICODE=0",
    "_LIBCPP_HAS_WIDE_CHARACTERS=1",
    "_LIBCPP_HAS_TIME_ZONE_DATABASE=0",
    "_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=0",
    "_LIBCPP_INSTRUMENTED_WITH_ASAN=0",
    "_LIBCPP_PSTL_BACKEND_SERIAL",
    "_LIBCPP_HARDENING_MODE_DEFAULT=2",
    "_LIBCPP_ASSERTION_SEMANTIC_DEFAULT=2",
    "_GNU_SOURCE",
];

const UNWINDER: [&str; 5] = [
    "libunwind.cpp",
    "UnwindLevel1.c",
    "UnwindLevel1-gcc-ext.c",
    "UnwindRegistersRestore.S",
    "UnwindRegistersSave.S",
];

const ABI: [&str; 17] = [
    "abort_message",
    "cxa_aux_runtime",
    "cxa_default_handlers",
    "cxa_demangle",
    "cxa_exception",
    "cxa_exception_storage",
    "cxa_handlers",
    "cxa_personality",
    "cxa_thread_atexit",
    "cxa_vector",
    "cxa_virtual",
    "fallback_malloc",
    "private_typeinfo",
    "stdlib_exception",
    "stdlib_new_delete",
    "stdlib_stdexcept",
    "stdlib_typeinfo",
];

const LIBRARY: [&str; 37] = [
    "algorithm",
    "any",
    "atomic",
    "barrier",
    "bind",
    "call_once",
    "charconv",
    "chrono",
    "condition_variable",
    "condition_variable_destructor",
    "error_category",
    "exception",
    "expected",
    "functional",
    "future",
    "hash",
    "memory",
    "memory_resource",
    "mutex",
    "mutex_destructor",
    "new",
    "new_handler",
    "new_helpers",
    "optional",
    "random_shuffle",
    "ryu/d2fixed",
    "ryu/d2s",
    "ryu/f2s",
    "shared_mutex",
    "stdexcept",
    "string",
    "system_error",
    "thread",
    "typeinfo",
    "valarray",
    "variant",
    "vector",
];

/// The libraries, compiled, and what it takes to compile and link with them.
pub struct CxxRuntime {
    llvm: PathBuf,
    sources: PathBuf,
    archive: PathBuf,
}

impl CxxRuntime {
    /// Compiles them, or takes what was compiled before; `None` if their sources cannot be had, and then the test is skipped.
    ///
    /// # Panics
    /// They do not compile. See [`test_needs::skip`], too.
    #[track_caller]
    pub fn new(llvm: PathBuf) -> Option<Self> {
        static BUILDS: Mutex<()> = Mutex::new(());
        let cache = Cache::open().expect("a cache");
        let Some(wheel) = wheels::unpacked(cache.root(), &wheels::ZIG) else {
            test_needs::skip(Need::Wheels, "pip cannot fetch ziglang");
            return None;
        };
        let mut runtime = Self {
            llvm,
            sources: wheel.join("ziglang/lib"),
            archive: PathBuf::new(),
        };
        let _one = BUILDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Another compiler, or other options, make other objects.
        let mut hasher = DefaultHasher::new();
        let version = runtime.run("clang", |clang| clang.arg("--version"));
        (version, format!("{:?}", runtime.jobs())).hash(&mut hasher);
        let name = format!("cxx-runtime-{:016x}", hasher.finish());
        let folder = cache.root().join("wheels").join(name);
        runtime.archive = folder.join("libcxx.a");
        if !runtime.archive.is_file() {
            runtime.build(&folder);
        }
        Some(runtime)
    }

    /// Runs a program of LLVM; what it prints.
    fn run(&self, program: &str, options: impl FnOnce(&mut Command) -> &mut Command) -> String {
        let mut command = Command::new(self.llvm.join(program));
        let output = options(&mut command).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Options for every source, and where headers are.
    fn options(&self) -> Vec<String> {
        let mut options: Vec<String> = [
            "--target=hexagon-unknown-none-elf",
            "-mv68",
            "-O2",
            "-G0",
            "-fPIC",
        ]
        .iter()
        .chain(&["-nostdlibinc", "-nostdinc++", "-fvisibility=hidden"])
        .chain(&["-ffunction-sections", "-fdata-sections"])
        .map(ToString::to_string)
        .collect();
        options.extend(CONFIG.iter().map(|word| format!("-D{word}")));
        for folder in [
            "libcxx/include",
            "libcxxabi/include",
            "libunwind/include",
            "libc/include/hexagon-linux-musl",
            "libc/include/generic-musl",
        ] {
            options.push("-isystem".into());
            options.push(self.sources.join(folder).to_string_lossy().into_owned());
        }
        options
    }

    /// All sources, each with its options.
    fn jobs(&self) -> Vec<(PathBuf, Vec<String>)> {
        let folder = |name: &str| self.sources.join(name).to_string_lossy().into_owned();
        let mut jobs = Vec::new();
        let mut add = |source: String, words: &[&str], folders: &[&str]| {
            let mut options = self.options();
            options.extend(["-DNDEBUG", "-w"].iter().chain(words).map(ToString::to_string));
            for name in folders {
                options.extend(["-I".into(), folder(name)]);
            }
            jobs.push((self.sources.join(source), options));
        };
        for source in UNWINDER {
            let words: &[&str] = match source.rsplit('.').next() {
                Some("cpp") => &["-std=c++17", "-fno-exceptions", "-fno-rtti", "-funwind-tables"],
                Some("c") => &["-x", "c", "-std=c11", "-fexceptions"],
                _ => &["-x", "assembler-with-cpp"],
            };
            add(format!("libunwind/src/{source}"), words, &[]);
        }
        let common = [
            "-std=c++23",
            "-D_LIBCPP_BUILDING_LIBRARY",
            "-DLIBCXX_BUILDING_LIBCXXABI",
        ];
        for source in ABI {
            let words = ["-D_LIBCXXABI_BUILDING_LIBRARY", "-DHAVE___CXA_THREAD_ATEXIT_IMPL"];
            let folders = ["libcxx/src", "libcxxabi/src"];
            add(
                format!("libcxxabi/src/{source}.cpp"),
                &[&common[..], &words].concat(),
                &folders,
            );
        }
        for source in LIBRARY {
            add(
                format!("libcxx/src/{source}.cpp"),
                &common,
                &["libcxx/src", "libcxx/libc"],
            );
        }
        jobs
    }

    fn build(&self, folder: &Path) {
        let new = folder.with_extension(std::process::id().to_string());
        std::fs::create_dir_all(&new).expect("a folder");
        let (queue, objects) = (
            Mutex::new(self.jobs().into_iter().enumerate().collect::<Vec<_>>()),
            Mutex::new(Vec::new()),
        );
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..processors {
                scope.spawn(|| {
                    loop {
                        let Some((number, (source, options))) = queue.lock().unwrap().pop() else {
                            break;
                        };
                        // Sources of two folders have the same name.
                        let name = source.file_stem().unwrap().to_string_lossy().into_owned();
                        let object = new.join(format!("{number}-{name}.o"));
                        self.run("clang++", |clang| {
                            clang.args(&options).arg("-c").arg(&source).arg("-o").arg(&object)
                        });
                        objects.lock().unwrap().push(object);
                    }
                });
            }
        });
        let mut objects = objects.into_inner().unwrap();
        objects.sort();
        self.run("llvm-ar", |ar| {
            ar.arg("rcs").arg(new.join("libcxx.a")).args(&objects)
        });
        for object in objects {
            let _ = std::fs::remove_file(object);
        }
        // Whoever was faster made the same.
        let _ = std::fs::rename(&new, folder);
        let _ = std::fs::remove_dir_all(&new);
    }

    /// Compiles a C++ source of `tests/programs`.
    ///
    /// # Panics
    /// It does not compile.
    #[must_use]
    pub fn compile(&self, source: &str, options: &[&str], dir: &Path) -> PathBuf {
        let top = assets::workspace();
        let object = dir.join(source).with_extension("o");
        self.run("clang++", |clang| {
            clang
                .args(self.options())
                .args(["-std=c++20", "-Wall", "-Wextra", "-Werror"])
                .args(options)
                // Behind musl's, which have more.
                .arg("-idirafter")
                .arg(top.join("firmware/include"))
                .arg("-c")
                .arg(top.join("tests/programs").join(source))
                .arg("-o")
                .arg(&object)
        });
        object
    }

    /// Links objects and libraries to a shared object of this name.
    ///
    /// # Panics
    /// They do not link.
    #[must_use]
    pub fn link(&self, dir: &Path, name: &str, parts: &[&Path]) -> PathBuf {
        let library = dir.join(name);
        self.run("ld.lld", |lld| {
            lld.args([
                "-m",
                "hexagonelf",
                "-shared",
                "--hash-style=sysv",
                "--eh-frame-hdr",
            ])
            .args(["-z", "max-page-size=0x1000", "-soname", name])
            .args(parts)
            .arg("-o")
            .arg(&library)
        });
        library
    }

    /// Links a skeleton with the libraries in it, as far as it uses them.
    ///
    /// # Panics
    /// They do not link.
    #[must_use]
    pub fn link_static(&self, dir: &Path, name: &str, object: &Path) -> PathBuf {
        let options = ["--gc-sections", "--exclude-libs", "ALL"].map(Path::new);
        let parts = [&options[..], &[object, &self.archive]].concat();
        self.link(dir, name, &parts)
    }

    /// Makes a library of all of it that others can use together.
    ///
    /// # Panics
    /// It does not link.
    #[must_use]
    pub fn link_shared(&self, dir: &Path, name: &str) -> PathBuf {
        let parts = [Path::new("--whole-archive"), &self.archive];
        self.link(dir, name, &parts)
    }
}
