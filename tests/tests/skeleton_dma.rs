//! A skeleton in a DSP process (tests/programs/skeleton.c, run by `vhost-hexagon invoke`): its user DMA goes through the
//! process's mappings, also to buffers behind the SMMU; what it cannot reach is the crash of the one who waits; HVX with
//! vectors of 64 bytes is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::assets;
use tests::hexagon::{build_shared, code, emulator, llvm};

fn build(llvm: &Path, dir: &Path) -> PathBuf {
    let options = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];
    build_shared(llvm, "skeleton", 68, &options, dir.join("libskeleton_skel.so"))
}

#[test]
fn a_skeleton_uses_its_threads_dma_engine() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let skeleton = build(&llvm, dir.path());
    let invoke = |args: &[&str]| -> (Output, String, String) {
        let output = Command::new(emulator())
            .args(["invoke", "--skel"])
            .arg(&skeleton)
            .args(args)
            .output()
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        (output, out, err)
    };
    let (output, out, err) = invoke(&[
        "--method",
        "2",
        "--in",
        "u32:200000,200000",
        "--in",
        "u32:0..50000",
        "--out",
        "u32:50000",
    ]);
    assert_eq!(code(&output), 0, "{err}");
    let numbers: Vec<u32> = out.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(0..50_000), "{} numbers", numbers.len());

    let (output, out, err) = invoke(&["--method", "3", "--out", "u32:2"]);
    assert_eq!((code(&output), out.trim()), (0, "12 0"));
    assert!(err.contains("in another mode than vectors of 128 bytes"), "{err}");

    let (output, _, err) = invoke(&["--method", "4"]);
    assert_eq!(code(&output), 3, "{err}");
    assert!(
        err.contains("Write of 0x00001000: Unmapped") && err.contains("= dmwait }"),
        "{err}"
    );
}
