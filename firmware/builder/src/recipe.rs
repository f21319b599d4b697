//! What is built from what, and with which options.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::sources::{entries, files};
use crate::{ARCH, Error, Tools, image};

/// A file that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Where it belongs below the result's top: `guest/bin/vh-calc`.
    pub path: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// Which compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiler {
    Clang,
    Gcc,
}

/// A compiler's run. The words name no folder of this machine: an object keeps the names of its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// What is made, below the result's top.
    pub path: String,
    pub compiler: Compiler,
    pub words: Vec<String>,
}

/// Builds everything from a `firmware` folder; intermediate files are made in `scratch`, which must exist.
///
/// # Errors
/// A source that cannot be read, a compiler that refuses.
pub fn build(tools: &Tools, firmware: &Path, scratch: &Path) -> Result<Vec<Built>, Error> {
    let firmware = firmware.canonicalize().map_err(Error::file(firmware))?;
    let mut built = run(&jobs(&firmware)?, tools, &firmware, scratch)?;
    for file in &mut built {
        if file.path == image::PATH {
            image::seal(&mut file.data, Path::new(image::PATH))?;
        }
    }
    built.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(built)
}

/// All runs that make everything.
pub(crate) fn jobs(firmware: &Path) -> Result<Vec<Job>, Error> {
    let mut jobs = Vec::new();
    let mut clang = |path: String, words: Vec<String>| {
        jobs.push(Job {
            path,
            compiler: Compiler::Clang,
            words,
        });
    };
    for file in c_files(firmware, "skel")? {
        let name = stem(Path::new(&file));
        let mut words = hexagon();
        words.extend([
            format!("-Wl,-soname=lib{name}_skel.so"),
            "-fstack-protector-strong".to_owned(),
            file,
        ]);
        clang(format!("skel/lib{name}_skel.so"), words);
    }
    for name in ["fastrpc_shell_3", "fastrpc_shell_unsigned_3"] {
        let mut words = hexagon();
        words.push("shell/shell.c".to_owned());
        clang(format!("shell/{name}"), words);
    }
    clang(
        image::PATH.to_owned(),
        image::link(firmware, &firmware.join("dsp"))?,
    );
    let mut gcc = |path: String, words: Vec<String>| {
        jobs.push(Job {
            path: format!("guest/{path}"),
            compiler: Compiler::Gcc,
            words,
        });
    };
    for file in c_files(firmware, "guest")? {
        let mut words = guest();
        // The library that the programs bind at run time may call back into them (vh-invoke's ioctl).
        words.extend(["-rdynamic".to_owned(), file.clone()]);
        gcc(program(&stem(Path::new(&file))), words);
    }
    for folder in entries(&firmware.join("guest"))?.iter().filter(|p| p.is_dir()) {
        let name = stem(folder);
        let mut words = guest();
        let path = if name.starts_with("lib") {
            words.extend(["-shared", "-fPIC", "-pthread"].map(str::to_owned));
            format!("lib/{name}.so")
        } else {
            // It needs nothing of the guest but its kernel.
            words.extend(["-static", "-pthread"].map(str::to_owned));
            program(&name)
        };
        words.extend(c_files(firmware, &format!("guest/{name}"))?);
        gcc(path, words);
    }
    Ok(jobs)
}

/// Runs compilers side by side in a folder, with none of the variables that would give them other headers or other words.
pub(crate) fn run(jobs: &[Job], tools: &Tools, folder: &Path, scratch: &Path) -> Result<Vec<Built>, Error> {
    let mut running = Vec::new();
    for job in jobs {
        let to = scratch.join(job.path.replace('/', "-"));
        let program = match job.compiler {
            Compiler::Clang => tools.llvm.join("clang"),
            Compiler::Gcc => tools.cross.clone(),
        };
        let mut command = Command::new(&program);
        command
            .args(&job.words)
            .arg("-o")
            .arg(&to)
            .current_dir(folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in [
            "CPATH",
            "C_INCLUDE_PATH",
            "LIBRARY_PATH",
            "COMPILER_PATH",
            "GCC_EXEC_PREFIX",
        ] {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|source| Error::Start {
            program: program.display().to_string(),
            source,
        })?;
        running.push((&job.path, to, child));
    }
    let mut built = Vec::new();
    let mut first_error = None;
    for (path, to, child) in running {
        let output = child.wait_with_output().map_err(Error::file(&to))?;
        if output.status.success() {
            built.push(Built {
                path: path.clone(),
                data: std::fs::read(&to).map_err(Error::file(&to))?,
            });
        } else {
            first_error.get_or_insert_with(|| refused(path, &output));
        }
    }
    first_error.map_or(Ok(built), Err)
}

fn refused(target: &str, output: &Output) -> Error {
    Error::Compile {
        target: target.to_owned(),
        status: output.status,
        message: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
    }
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

/// clang for a shared object that a DSP process loads.
fn hexagon() -> Vec<String> {
    let mut all = words(&[
        "--target=hexagon-unknown-none-elf",
        ARCH,
        "-mhvx",
        "-mhvx-length=128b",
        "-O2",
        "-G0",
        "-fPIC",
    ]);
    all.extend(words(&[
        "-ffreestanding",
        "-fno-builtin",
        "-fvisibility=hidden",
        "-std=c17",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]));
    all.extend(words(&[
        "-shared",
        "-nostdlib",
        "-nostartfiles",
        "-fuse-ld=lld",
        "-Wl,--hash-style=sysv",
        "-Wl,-z,max-page-size=0x1000",
        "-Wl,--build-id=none",
        "-Iinclude",
    ]));
    all
}

/// Where the program of a source of that name goes.
fn program(name: &str) -> String {
    format!("bin/{}", name.replace('_', "-"))
}

/// gcc for a program of the guest, without symbols.
fn guest() -> Vec<String> {
    words(&[
        "-O2",
        "-std=gnu17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-s",
        "-Wl,--build-id=none",
    ])
}

/// The sources of a folder below `firmware`, relative to it.
pub(crate) fn c_files(firmware: &Path, folder: &str) -> Result<Vec<String>, Error> {
    let found = files(&firmware.join(folder), "c")?;
    if found.is_empty() {
        return Err(Error::NoSources(firmware.join(folder)));
    }
    Ok(found.iter().map(|path| relative(firmware, path)).collect())
}

/// A path below `firmware` without that, any other as it is.
pub(crate) fn relative(firmware: &Path, path: &Path) -> String {
    let short = path.strip_prefix(firmware).map_or(path, |short| short);
    PathBuf::from(short).to_string_lossy().into_owned()
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default()
        .into_owned()
}
