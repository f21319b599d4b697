//! Programs that building and testing need on this machine, beside QEMU.

use std::path::Path;

use anyhow::Result;
use emu_setup::tools::{Need, on_path, qemu, qemu_system};
use firmware_builder::tools::llvm;

/// LLVM releases that may be installed, best first.
const LLVM: &[u32] = &[22, 21, 20, 19];

/// Checks the programs that building a kernel takes; installs what is missing.
pub fn ensure_for_kernels(mirror: Option<&str>) -> Result<()> {
    Ok(emu_setup::tools::ensure(needs_for_kernels, mirror, false)?)
}

/// A kernel without certificates, BTF and stack validation needs no libraries.
fn needs_for_kernels() -> Vec<Need> {
    let tool = |tool: &'static str, package| Need::new(tool, on_path(tool), &[package]);
    vec![
        tool("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        Need::new(
            "gcc, with its headers",
            on_path("gcc").and(file("/usr/include/stdio.h")),
            &["gcc", "libc6-dev"],
        ),
        tool("make", "make"),
        tool("flex", "flex"),
        tool("bison", "bison"),
        tool("bc", "bc"),
        tool("perl", "perl"),
        tool("tar", "tar"),
        tool("xz", "xz-utils"),
    ]
}

/// What building, demo, bench and tests need.
pub fn needs() -> Vec<Need> {
    vec![
        qemu_system(),
        Need {
            backports: true,
            ..Need::new(
                "QEMU's hexagon user mode (oracle)",
                qemu("qemu-hexagon-static").or_else(|| qemu("qemu-hexagon")),
                &["qemu-user-static"],
            )
        },
        Need {
            packages: LLVM
                .iter()
                .map(|n| ["clang", "lld", "llvm"].map(|p| format!("{p}-{n}")).to_vec())
                .collect(),
            ..Need::new(
                "clang, lld, llvm 19+ with Hexagon",
                llvm().map(|dir| dir.display().to_string()),
                &[],
            )
        },
        Need::new(
            "arm64 cross compiler",
            on_path("aarch64-linux-gnu-gcc"),
            &["gcc-aarch64-linux-gnu"],
        ),
        Need::new(
            "C++ compilers (build what llama.cpp runs on an AP in tests)",
            on_path("g++").and(on_path("aarch64-linux-gnu-g++")),
            &["g++", "g++-aarch64-linux-gnu"],
        ),
        Need::new(
            "pip (fetches packages of PyPI that tests use)",
            on_path("pip3"),
            &["python3-pip"],
        ),
        Need::new(
            "arm64 C library headers",
            file("/usr/aarch64-linux-gnu/include/stdio.h"),
            &["libc6-dev-arm64-cross"],
        ),
        Need::new("xz", on_path("xz"), &["xz-utils"]),
        Need::new("zstd", on_path("zstd"), &["zstd"]),
        Need::new("device tree compiler", on_path("dtc"), &["device-tree-compiler"]),
        Need::new("cpio (reads archives in tests)", on_path("cpio"), &["cpio"]),
        Need::new(
            "gdb (opens core dumps in tests)",
            on_path("gdb-multiarch"),
            &["gdb-multiarch"],
        ),
        Need::new(
            "tshark (dissects traces in tests)",
            on_path("tshark"),
            &["tshark"],
        ),
    ]
}

fn file(path: &str) -> Option<String> {
    Path::new(path).is_file().then(|| path.to_owned())
}
