//! A skeleton in a DSP process (tests/programs/skeleton.c, run by `vhost-hexagon invoke`): its user DMA goes through the
//! process's mappings, also to buffers behind the SMMU; what it cannot reach is the crash of the one who waits; HVX with
//! vectors of 64 bytes is refused.

use std::path::{Path, PathBuf};

use tests::hexagon::{build_shared, invoke, llvm_and_emulator};

fn build(llvm: &Path, dir: &Path) -> PathBuf {
    let options = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];
    build_shared(llvm, "skeleton", 68, &options, dir.join("libskeleton_skel.so"))
}

#[test]
fn a_skeleton_uses_its_threads_dma_engine() {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let skeleton = build(&llvm, dir.path());
    let (two, numbers) = ("u32:200000,200000", "u32:0..50000");
    let options = [
        "--method",
        "2",
        "--in",
        two,
        "--in",
        numbers,
        "--out",
        "u32:50000",
    ];
    let (out, err, code) = invoke(&skeleton, &options);
    assert_eq!(code, 0, "{err}");
    let numbers: Vec<u32> = out.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(0..50_000), "{} numbers", numbers.len());

    let (out, err, code) = invoke(&skeleton, &["--method", "3", "--out", "u32:2"]);
    assert_eq!((code, out.as_str()), (0, "12 0"));
    assert!(err.contains("in another mode than vectors of 128 bytes"), "{err}");

    let (_, err, code) = invoke(&skeleton, &["--method", "4"]);
    assert_eq!(code, 3, "{err}");
    assert!(
        err.contains("Write of 0x00001000: Unmapped") && err.contains("= dmwait }"),
        "{err}"
    );
}
