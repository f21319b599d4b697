//! The headers of the kit (`firmware/include`): each stands alone, in C and in C++, and says the numbers that this program counts on.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use rpmsg::Aee;
use tests::assets;
use tests::hexagon::llvm;

/// Names of the headers, as programs include them.
fn headers() -> Vec<String> {
    let folder = assets::workspace().join("firmware/include");
    let mut names = Vec::new();
    for (path, before) in [(folder.clone(), ""), (folder.join("sys"), "sys/")] {
        for entry in std::fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".h") {
                names.push(format!("{before}{name}"));
            }
        }
    }
    names.sort();
    names
}

/// Checks a source as a skeleton's; the compiler's complaints.
fn complaints(llvm: &Path, language: &str, source: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("source");
    std::fs::write(&file, source).unwrap();
    let output = Command::new(llvm.join("clang"))
        .args([
            "--target=hexagon-unknown-none-elf",
            "-mv68",
            "-ffreestanding",
            "-nostdlibinc",
        ])
        .args([
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-x",
            language,
            "-I",
        ])
        .arg(assets::workspace().join("firmware/include"))
        .arg(&file)
        .output()
        .expect("clang runs");
    match output.status.success() {
        true => String::new(),
        false => format!(
            "{language}: {source}\n{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

#[test]
fn each_header_stands_alone_in_c_and_in_cxx() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    let names = headers();
    assert!(names.len() > 60, "{names:?}");
    let mut said = String::new();
    let all: String = names
        .iter()
        .map(|name| format!("#include \"{name}\"\n"))
        .collect();
    for language in ["c", "c++"] {
        said += &complaints(&llvm, language, &all);
    }
    for name in &names {
        let text = std::fs::read_to_string(assets::workspace().join("firmware/include").join(name)).unwrap();
        let mut lines = text.lines();
        let declares =
            lines.any(|line| (line.starts_with("int ") || line.starts_with("void ")) && line.contains('('));
        assert!(
            !declares || text.contains("extern \"C\""),
            "{name}: C++ would look for other names"
        );
    }
    for name in names {
        for language in ["c", "c++"] {
            said += &complaints(&llvm, language, &format!("#include \"{name}\"\n"));
        }
    }
    assert!(said.is_empty(), "{said}");
}

/// A compiler that knows C++ only: 32 bits and short enumerations as the DSP has them, its own headers beside ours.
#[test]
fn each_header_is_one_for_gxx_too() {
    let Ok(found) = Command::new("g++").arg("-print-file-name=include").output() else {
        return assets::skip_without_tool("there is no g++");
    };
    let own = String::from_utf8(found.stdout).unwrap();
    let folder = assets::workspace().join("firmware/include");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("source.cc");
    let mut count = 0;
    for name in headers() {
        std::fs::write(&file, format!("#include \"{name}\"\n")).unwrap();
        let output = Command::new("g++")
            .args(["-m32", "-fshort-enums", "-ffreestanding", "-nostdinc", "-isystem"])
            .arg(own.trim())
            .args(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
            .arg(&folder)
            .arg(&file)
            .output()
            .expect("g++ runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        count += 1;
    }
    assert!(count > 50, "{count}");
}

/// The names of the functions that a header declares; those that it defines itself are none.
fn declared(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        // The last line of it that begins at the margin: what is before belongs to preprocessor and comments.
        let Some(line) = statement
            .lines()
            .rev()
            .find(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
        else {
            continue;
        };
        let Some((before, _)) = line.split_once('(') else {
            continue;
        };
        let name = before
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        let is_type = ["typedef", "static", "struct {", "#"]
            .iter()
            .any(|word| line.starts_with(word));
        if !name.is_empty() && !is_type && before.contains(' ') {
            found.push(name);
        }
    }
    found
}

#[test]
fn what_headers_declare_is_there() {
    let mut missing = Vec::new();
    let mut count = 0;
    for header in headers() {
        let text =
            std::fs::read_to_string(assets::workspace().join("firmware/include").join(&header)).unwrap();
        for name in declared(&text) {
            count += 1;
            // The AP's library has these; one header serves both sides.
            let of_ap = matches!(name, "dspqueue_create" | "dspqueue_export");
            if emu_os::imports::by_name(name).is_none() && !of_ap {
                missing.push(format!("{header}: {name}"));
            }
        }
    }
    assert!(count > 800, "{count}");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Names of the DSP's own that no header declares, and why.
const DECLARED_NOWHERE: &[(&str, &str)] = &[
    // A guessed declaration could have it write where the caller did not mean.
    ("HAP_get_userpd_params", "no open header says its argument"),
    (
        "qurt_tlb_entry_get_available",
        "of the system's own code, as the other qurt_tlb_*, which are refused",
    ),
];

/// The other way round: what a program can call of QuRT and HAP it can call without a declaration of its own.
#[test]
fn what_is_there_is_declared() {
    let folder = assets::workspace().join("firmware/include");
    let mut text = String::new();
    for header in headers() {
        text += &std::fs::read_to_string(folder.join(&header)).unwrap();
    }
    let words: std::collections::HashSet<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let mut missing = Vec::new();
    for name in (0..=u16::MAX).map_while(emu_os::imports::function) {
        let own = name.name.starts_with("qurt_") || name.name.starts_with("HAP_");
        let refused = matches!(name.support, emu_os::imports::Support::Refused(_));
        let excepted = DECLARED_NOWHERE.iter().any(|(but, _)| *but == name.name);
        // HAP_compute_res.h makes these with a macro, of what is behind the prefix.
        let word = name.name.strip_prefix("HAP_compute_res_").unwrap_or(name.name);
        if own && !refused && !excepted && !words.contains(word) {
            missing.push(name.name);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_no_open_header_says_is_declared_in_none() {
    for header in headers() {
        let text =
            std::fs::read_to_string(assets::workspace().join("firmware/include").join(&header)).unwrap();
        for name in declared(&text) {
            assert!(
                DECLARED_NOWHERE.iter().all(|(no, _)| *no != name),
                "{header}: {name}"
            );
        }
    }
}

/// Numbers that a skeleton and this program must agree on: result codes, layouts with the short enumerations of this target.
#[test]
fn numbers_are_those_that_the_dsp_has() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    let mut source = String::from(
        "#include <AEEStdErr.h>\n#include <HAP_power.h>\n#include <HAP_mem.h>\n#include <HAP_compute_res.h>\n#include <qurt.h>\n\
         #include <dspqueue.h>\n#include <remote.h>\n",
    );
    let mut known = 0;
    for code in (0..0x1000).flat_map(|n| [Aee(n), Aee(rpmsg::aee::DSP_OFFSET + n)]) {
        if let Some(name) = code.name() {
            let _ = writeln!(
                source,
                "_Static_assert((unsigned){name} == {:#x}u, \"{name}\");",
                code.0
            );
            known += 1;
        }
    }
    assert!(known > 20, "{known}");
    source += "
_Static_assert(sizeof(HAP_power_request_t) == 120 && __builtin_offsetof(HAP_power_request_t, dcvs_v3) == 8, \"power\");
_Static_assert(sizeof(HAP_power_dcvs_v3_payload) == 80 && sizeof(HAP_core_params_t) == 16, \"dcvs\");
_Static_assert(sizeof(HAP_power_hmx_payload_v2) == 32 && HAP_power_set_HMX_v2 == 14, \"hmx\");
_Static_assert(sizeof(HAP_power_response_t) == 16 && __builtin_offsetof(HAP_power_response_t, clkFreqHz) == 8, \"answer\");
_Static_assert(sizeof(compute_res_attr_t) == 64 && sizeof(compute_res_vtcm_page_t) == 72, \"resources\");
_Static_assert(__builtin_offsetof(HAP_mem_req_payload_t, mmap.dsp_va) == 48, \"memory\");
_Static_assert(sizeof(qurt_thread_attr_t) == 36 && __builtin_offsetof(qurt_thread_attr_t, stack_addr) == 28, \"thread\");
_Static_assert(sizeof(qurt_mem_region_attr_t) == 24 && __builtin_offsetof(qurt_mem_region_attr_t, perms) == 20, \"region\");
_Static_assert(sizeof(qurt_mem_pool_attr_t) == 56 && QURT_MEM_MAPPING_NONE == 4 && QURT_EPRIVILEGE == 36, \"pool\");
_Static_assert(sizeof(qurt_sysenv_procname_t) == 68 && QURT_PMUEVTCFG == 5 && QURT_PMUCNT7 == 9, \"system\");
_Static_assert(QURT_MEM_CACHE_FLUSH_INVALIDATE_ALL == 4 && QURT_MEM_DCACHE == 1, \"cache\");
";
    let said = complaints(&llvm, "c", &source);
    assert!(said.is_empty(), "{said}");
}

/// Layouts that the DSP's POSIX side and C library count on: musl's for Hexagon.
#[test]
fn posix_types_have_the_sizes_of_musl() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    let said = complaints(
        &llvm,
        "c",
        "#include <dirent.h>\n#include <dlfcn.h>\n#include <errno.h>\n#include <fcntl.h>\n#include <getopt.h>\n#include <search.h>\n#include <sys/stat.h>\n#include <sys/time.h>\n#include <unistd.h>\n#include <pthread.h>\n#include <semaphore.h>\n#include <setjmp.h>\n#include <threads.h>\n#include <time.h>
_Static_assert(sizeof(time_t) == 8 && sizeof(struct timespec) == 16, \"time\");
_Static_assert(sizeof(struct tm) == 44 && __builtin_offsetof(struct tm, tm_gmtoff) == 36, \"tm\");
_Static_assert(sizeof(pthread_t) == 4 && sizeof(pthread_attr_t) == 36 && sizeof(sem_t) == 16, \"thread\");
_Static_assert(sizeof(pthread_mutex_t) == 24 && sizeof(pthread_cond_t) == 48 && sizeof(pthread_rwlock_t) == 32, \"locks\");
_Static_assert(sizeof(thrd_t) == 4 && sizeof(mtx_t) == 24 && sizeof(cnd_t) == 48 && thrd_timedout == 4, \"threads of C11\");
_Static_assert(sizeof(jmp_buf) == 64 && sizeof(Dl_info) == 16 && RTLD_GLOBAL == 0x100, \"libraries\");
_Static_assert(sizeof(struct stat) == 128 && __builtin_offsetof(struct stat, st_mode) == 16, \"stat\");
_Static_assert(__builtin_offsetof(struct stat, st_size) == 48 && __builtin_offsetof(struct stat, st_blocks) == 64, \"stat\");
_Static_assert(__builtin_offsetof(struct stat, st_mtim) == 88 && S_ISREG(0100644) && S_ISCHR(0020000), \"stat\");
_Static_assert(sizeof(struct dirent) == 280 && __builtin_offsetof(struct dirent, d_name) == 19, \"dirent\");
_Static_assert(sizeof(struct timeval) == 16 && sizeof(off_t) == 8 && sizeof(ssize_t) == 4 && sizeof(mode_t) == 4, \"types\");
_Static_assert(sizeof(struct option) == 16 && __builtin_offsetof(struct option, val) == 12 && optional_argument == 2, \"options\");
_Static_assert(sizeof(ENTRY) == 8 && ENTER == 1 && leaf == 3 && sizeof(struct hsearch_data) == 12, \"searches\");
_Static_assert(O_CREAT == 0100 && O_TRUNC == 01000 && O_APPEND == 02000 && F_DUPFD_CLOEXEC == 1030, \"descriptors\");
_Static_assert(TIME_UTC == 1 && _SC_PAGESIZE == 30 && _SC_NPROCESSORS_ONLN == 84, \"system\");
_Static_assert(ENOENT == 2 && ETIMEDOUT == 110, \"errors\");
",
    );
    assert!(said.is_empty(), "{said}");
}

#[test]
fn an_assertion_is_none_with_ndebug() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    let twice = "#include <assert.h>\nvoid f(int x) { assert(x); }\n#define NDEBUG\n#include <assert.h>\nvoid g(void) { assert(not_there); }\n";
    assert_eq!(complaints(&llvm, "c", twice), "");
    let without = "#include <assert.h>\nvoid g(void) { assert(not_there); }\n";
    assert!(complaints(&llvm, "c", without).contains("not_there"));
}
