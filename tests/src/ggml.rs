//! llama.cpp's Hexagon backend, unmodified, from the crate that carries it: its DSP side built with the kit, its host side and
//! ggml's CPU code with `tests/programs/ggml/ops.cpp`, which compares the two.
//!
//! What compilers make of sources that do not change is kept in `target/ggml`, under a hash of what it was made of.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use test_needs::{Need, crates};

use crate::assets;
use crate::hexagon::{emulator, llvm};

/// ggml's sources, for a test, which is skipped without.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn source_or_skip() -> Option<PathBuf> {
    let found = crates::source(crates::LLAMA_CPP);
    if found.is_none() {
        test_needs::skip(Need::CrateSources, "cargo cannot fetch llama-cpp-sys-2");
    }
    Some(found?.join("llama.cpp/ggml"))
}

/// Clang and this build's program, for a test, which is skipped without.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn llvm_or_skip() -> Option<PathBuf> {
    let found = llvm();
    if found.is_none() {
        assets::skip_without_tool("there is no clang for Hexagon");
    }
    found
}

/// Compilers of C and C++ for programs of an AP.
#[derive(Debug, Clone)]
pub struct Compilers {
    c: &'static str,
    cxx: &'static str,
    /// Options of both.
    options: &'static [&'static str],
    /// Options of the linker.
    link: &'static [&'static str],
    /// Folder of `ggml-cpu/arch` in the sources.
    arch: &'static str,
}

/// The host's own.
#[cfg(target_arch = "x86_64")]
const HOST_ARCH: &str = "x86";
#[cfg(not(target_arch = "x86_64"))]
const HOST_ARCH: &str = "arm";

/// GCC has one of the two names of halves in C++ before its version 13; only their size matters.
const ARM64: &[&str] = &["-D_Float16=__fp16"];

impl Compilers {
    /// For programs that run here, in this process's architecture.
    pub const HOST: Self = Self {
        c: "cc",
        cxx: "c++",
        // What has another name here, and what ggml's host side divides by (see the header).
        options: if cfg!(target_arch = "aarch64") {
            ARM64
        } else {
            &["-D__fp16=_Float16", "-include", "fastdiv.h"]
        },
        link: &[],
        arch: HOST_ARCH,
    };

    /// For programs of an arm64 guest, which has no C++ library.
    pub const GUEST: Self = Self {
        c: "aarch64-linux-gnu-gcc",
        cxx: "aarch64-linux-gnu-g++",
        options: ARM64,
        link: &["-static-libstdc++", "-static-libgcc"],
        arch: "arm",
    };

    /// Whether they are there; a test is skipped without.
    ///
    /// # Panics
    /// See [`test_needs::skip`].
    #[track_caller]
    pub fn or_skip(self) -> Option<Self> {
        for program in [self.c, self.cxx] {
            if said(Command::new(program).arg("--version")).is_none() {
                assets::skip_without_tool(&format!("there is no {program}"));
                return None;
            }
        }
        Some(self)
    }
}

/// What a program prints that succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What was printed, of a program that must succeed.
///
/// # Panics
/// It did not.
#[track_caller]
pub fn check(what: &Path, output: std::io::Result<Output>) -> Vec<u8> {
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", what.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", what.display());
    output.stdout
}

/// Files with these endings in a folder, in order.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        path.extension()
            .and_then(OsStr::to_str)
            .is_some_and(|e| endings.contains(&e))
    });
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Does something with each item on all processors of the host.
fn on_all_processors<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    let queue = Mutex::new(items);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                loop {
                    let Some(item) = queue.lock().unwrap().pop() else {
                        break;
                    };
                    work(item);
                }
            });
        }
    });
}

/// The folder with what `make` puts there, made if it has not been with the same key. Processes that make it at the same time do
/// not meet.
fn kept(name: &str, key: &impl std::hash::Hash, make: impl FnOnce(&Path)) -> PathBuf {
    let mut hash = DefaultHasher::new();
    (key, crates::LLAMA_CPP).hash(&mut hash);
    let top = assets::programs().join("../ggml");
    std::fs::create_dir_all(&top).expect("a folder for what is kept");
    let folder = top.join(format!("{name}-{:016x}", hash.finish()));
    if !folder.is_dir() {
        let scratch = tempfile::Builder::new()
            .prefix("making-")
            .tempdir_in(&top)
            .expect("a folder");
        make(scratch.path());
        let made = scratch.keep();
        // Another process was faster: what it made is the same.
        if std::fs::rename(&made, &folder).is_err() {
            std::fs::remove_dir_all(&made).expect("a folder of ours");
        }
        assert!(folder.is_dir(), "{}", folder.display());
    }
    folder
}

/// What our own files say that take part.
fn contents(folders: &[PathBuf]) -> Vec<Vec<u8>> {
    let files = folders
        .iter()
        .flat_map(|folder| files(folder, &["h", "c", "cpp"]));
    files.map(|file| std::fs::read(file).expect("our file")).collect()
}

/// Builds the DSP side for an architecture (`v73`) into a folder: every file is compiled unmodified with clang and the kit's headers,
/// and what LLVM cannot assemble by `vhost-hexagon as`. The interface's skeleton, which the vendor's compiler would write of
/// `htp_iface.idl`, is `tests/programs/ggml_htp_skel.c`.
///
/// # Panics
/// If something does not compile.
pub fn build_dsp_side(llvm: &Path, ggml: &Path, arch: &str, into: &Path) -> PathBuf {
    let htp = ggml.join("src/ggml-hexagon/htp");
    let top = assets::workspace();
    let ours = [
        top.join("tests/programs"),
        top.join("tests/programs/ggml"),
        top.join("firmware/include"),
    ];
    let clang = llvm.join("clang");
    let target = format!("-m{arch}");
    let mut options = vec!["--target=hexagon-unknown-none-elf", &target, "-mhvx"];
    options.extend(["-mhvx-length=128b", "-O2", "-G0", "-fPIC", "-ffreestanding"]);
    options.extend(["-nostdlibinc", "-DNDEBUG=1", "-w", "-Wno-int-conversion"]);
    if arch >= "v79" {
        options.push("-mhvx-ieee-fp");
    }
    let key = (
        said(Command::new(&clang).arg("--version")),
        &options,
        contents(&ours),
    );
    let texts = kept(&format!("dsp-{arch}"), &key, |folder| {
        let mut sources = files(&htp, &["c"]);
        assert!(sources.len() >= 27, "{sources:?}");
        sources.push(top.join("tests/programs/ggml_htp_skel.c"));
        on_all_processors(sources, |source| {
            let mut command = Command::new(&clang);
            command.args(&options).args(["-S", "-fno-integrated-as"]);
            let theirs = ["include", "src", "src/ggml-hexagon"].map(|folder| ggml.join(folder));
            for include in ours[1..].iter().chain(&theirs).chain([&htp]) {
                command.arg("-I").arg(include);
            }
            let text = folder.join(format!("{}.s", stem(&source)));
            check(&source, command.arg(&source).arg("-o").arg(text).output());
        });
    });
    let scratch = tempfile::tempdir_in(into).expect("a folder for objects");
    on_all_processors(files(&texts, &["s"]), |text| {
        let words = scratch.path().join(format!("{}.words.s", stem(&text)));
        let mut assembler = Command::new(emulator());
        assembler.args(["as", "--cpu", arch]).arg(&text);
        check(&text, assembler.arg("-o").arg(&words).output());
        let object = scratch.path().join(format!("{}.o", stem(&text)));
        let mut command = Command::new(&clang);
        command.args(&options).arg("-c").arg(&words).arg("-o").arg(object);
        check(&words, command.output());
    });
    let library = into.join(format!("libggml-htp-{arch}.so"));
    let mut linker = Command::new(llvm.join("ld.lld"));
    linker
        .args(["-m", "hexagonelf", "-shared", "--hash-style=sysv"])
        .args(["-z", "max-page-size=0x1000"])
        .args(files(scratch.path(), &["o"]))
        .arg("-o")
        .arg(&library);
    check(&library, linker.output());
    library
}

/// Builds `tests/programs/ggml/ops.cpp` with ggml's CPU code and the unmodified host side of the backend.
///
/// # Panics
/// If something does not compile.
pub fn build_ops(compilers: &Compilers, ggml: &Path) -> PathBuf {
    let ours = assets::workspace().join("tests/programs/ggml");
    let host = ours.join("host");
    let options = ["-O1", "-w", "-DNDEBUG", "-D_GNU_SOURCE", "-DGGML_USE_CPU"];
    let version = said(Command::new(compilers.cxx).arg("--version"));
    let key = (
        version,
        options,
        compilers.options,
        compilers.link,
        contents(&[ours.clone(), host.clone()]),
        // Which host/dspqueue.h includes.
        ["dspqueue.h", "static_assert.h"].map(|name| {
            let header = assets::workspace().join("firmware/include").join(name);
            std::fs::read(header).expect("a header of the kit")
        }),
    );
    let folder = kept(&format!("ops-{}", compilers.cxx), &key, |folder| {
        let src = ggml.join("src");
        let core = ["ggml.c", "ggml.cpp", "ggml-alloc.c", "ggml-backend.cpp"];
        let more = ["ggml-backend-meta.cpp", "ggml-quants.c", "ggml-threading.cpp"];
        let mut sources: Vec<PathBuf> = core
            .iter()
            .chain(&more)
            .map(|name| src.join(name))
            .chain([
                ours.join("ops.cpp"),
                ours.join("allreduce.cpp"),
                host.join("htp_iface_stub.c"),
            ])
            .collect();
        let arch = format!("ggml-cpu/arch/{}", compilers.arch);
        for part in ["ggml-cpu", "ggml-cpu/tiled", &arch, "ggml-hexagon"] {
            sources.extend(files(&src.join(part), &["c", "cpp"]));
        }
        // The longest last: they are taken from the end.
        sources.sort_by_key(|source| std::fs::metadata(source).map_or(0, |about| about.len()));
        let numbered: Vec<_> = sources.into_iter().enumerate().collect();
        on_all_processors(numbered, |(n, source)| {
            let is_c = source.extension() == Some(OsStr::new("c"));
            let mut command = Command::new(if is_c { compilers.c } else { compilers.cxx });
            command.arg(if is_c { "-std=gnu11" } else { "-std=gnu++17" });
            command.args(options);
            let theirs = ["ggml-cpu", "ggml-hexagon", "ggml-hexagon/htp"].map(|part| src.join(part));
            let includes = [host.clone(), ours.clone(), ggml.join("include"), src.clone()];
            for include in includes.iter().chain(&theirs) {
                command.arg("-I").arg(include);
            }
            // Our options name a header in one of these folders, and are of the host side only.
            if source.ends_with("ggml-hexagon.cpp") {
                command.args(compilers.options);
            }
            let object = folder.join(format!("{n}.o"));
            check(
                &source,
                command.arg("-c").arg(&source).arg("-o").arg(object).output(),
            );
        });
        let mut linker = Command::new(compilers.cxx);
        linker.args(files(folder, &["o"])).args(compilers.link);
        linker
            .args(["-lpthread", "-ldl", "-lm", "-o"])
            .arg(folder.join("ggml-ops"));
        check(Path::new("ggml-ops"), linker.output());
        files(folder, &["o"])
            .iter()
            .for_each(|object| std::fs::remove_file(object).expect("an object of ours"));
    });
    folder.join("ggml-ops")
}

/// Writes a profile: an SM8550 whose compute DSP is of this architecture, with six threads and as many vector contexts.
///
/// # Panics
/// When it cannot be written.
pub fn write_profile(arch: &str, into: &Path) -> PathBuf {
    let text = std::fs::read_to_string(assets::workspace().join("configs/sm8550.toml")).expect("a profile");
    let text = text
        .replace("\"sm8550\"", &format!("\"six-{arch}\""))
        .replace("arch = \"v73\"", &format!("arch = \"{arch}\""))
        .replace("hvx_contexts = 4", "hvx_contexts = 6\nhardware_threads = 6");
    let file = into.join(format!("six-{arch}.toml"));
    std::fs::write(&file, text).expect("a profile");
    file
}

/// [`write_profile`] with a second compute DSP of the same kind, `cdsp1`.
///
/// # Panics
/// When it cannot be written.
pub fn write_profile_of_two(arch: &str, into: &Path) -> PathBuf {
    let text = std::fs::read_to_string(write_profile(arch, into)).expect("the profile");
    let (head, rest) = text.split_once("[[dsp]]").expect("a DSP");
    let (cdsp, others) = rest.split_once("[[dsp]]").expect("another DSP");
    // Streams of its own.
    let second = cdsp
        .replace("label = \"cdsp\"", "label = \"cdsp1\"")
        .replace("stream = 0x19", "stream = 0x29");
    let file = into.join(format!("two-{arch}.toml"));
    let text = format!("{head}[[dsp]]{cdsp}[[dsp]]{second}[[dsp]]{others}");
    std::fs::write(&file, text).expect("a profile");
    file
}

/// One line of what `ggml-ops` prints.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The operation.
    pub op: String,
    /// Type and shape.
    pub what: String,
    /// Normalised mean squared error; `None` if the backend refused.
    pub error: Option<f64>,
    /// What it may be.
    pub limit: f64,
    /// On the DSP.
    pub milliseconds: f64,
    /// `right`, `wrong`, or what was refused.
    pub verdict: String,
}

/// The lines of a run, which came to its end.
///
/// # Panics
/// It did not, or its count is another.
#[track_caller]
pub fn cases(printed: &str) -> Vec<Case> {
    let cases: Vec<Case> = printed.lines().filter_map(case).collect();
    let right = cases.iter().filter(|case| case.verdict == "right").count();
    let end = format!("cases {} right {right}", cases.len());
    assert!(
        printed.lines().any(|line| line == end),
        "{end} is not the end of\n{printed}"
    );
    cases
}

fn case(line: &str) -> Option<Case> {
    let [op, what, error, limit, milliseconds, verdict] =
        line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    Some(Case {
        op: op.into(),
        what: what.into(),
        error: error.parse().ok(),
        limit: limit.parse().ok()?,
        milliseconds: milliseconds.parse().unwrap_or(0.0),
        verdict: verdict.into(),
    })
}

/// A table of cases, for people.
#[must_use]
pub fn table(cases: &[Case]) -> String {
    let line = |case: &Case| {
        let error = case.error.map_or("-".into(), |error| format!("{error:.1e}"));
        let Case {
            op,
            what,
            limit,
            milliseconds,
            verdict,
            ..
        } = case;
        format!("{op:<16} {what:<48} {error:>8} of {limit:<6.0e} {milliseconds:>7.1} ms  {verdict}\n")
    };
    cases.iter().map(line).collect()
}
