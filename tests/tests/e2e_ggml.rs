//! llama.cpp's Hexagon backend in a guest: its unmodified host side, built for arm64, on a stock kernel with the unmodified
//! `libcdsprpc` and its packet queues, and its unmodified DSP side on six threads. `ggml.rs` has the same without a guest.

use tests::ggml::{self, Compilers};
use tests::run::Run;

/// The library's name there is the one that development packages have. `--quick-exit` keeps its destructor, which is not
/// under test, from racing with its own threads (see `ops.cpp`).
const SCRIPT: &str = "
mkdir -p /tmp/lib; ln -s /usr/lib/aarch64-linux-gnu/libcdsprpc.so.1 /tmp/lib/libcdsprpc.so
export LD_LIBRARY_PATH=/tmp/lib GGML_HEXAGON_PROFILE=1
echo '@@ layer'; ggml-ops --quick-exit --only layer; echo \"exit $?\"
echo '@@ operations'; ggml-ops --quick-exit; echo \"exit $?\"
echo '@@ kernel'; dmesg | grep -E 'BUG|WARNING|Oops|UBSAN|Unable to handle|Call trace'
echo '@@ end'
";

#[test]
fn each_operation_and_a_transformer_layer_over_the_unmodified_library() {
    let (Some(llvm), Some(source)) = (ggml::llvm_or_skip(), ggml::source_or_skip()) else {
        return;
    };
    let Some(compilers) = Compilers::GUEST.or_skip() else {
        return;
    };
    if let Err(why) = tests::guest::requirements("newest") {
        return tests::assets::skip(&why);
    }
    let folder = tempfile::tempdir().unwrap();
    let library = ggml::build_dsp_side(&llvm, &source, "v73", folder.path());
    let ops = ggml::build_ops(&compilers, &source);
    let profile = ggml::write_profile("v73", folder.path());
    let file = |from: &std::path::Path, to: &str| format!("{}:{to}", from.display());
    let (ops, library) = (
        file(&ops, "/vh/bin/ggml-ops"),
        file(&library, "/vh/skel/libggml-htp-v73.so"),
    );
    let soc = profile.display().to_string();
    // No more threads of the host than it has: see `ggml.rs`.
    let arguments = ["--soc", &soc, "--file", &ops, "--file", &library];
    let run = tests::assets::or_skip(Run::boot("ggml", "newest", SCRIPT, &arguments));
    let Some(run) = run else { return };
    run.section("end");
    for (section, least) in [("layer", 1), ("operations", 250)] {
        let text = run.section(section);
        let cases = ggml::cases(text);
        println!("{section}\n{}", ggml::table(&cases));
        assert!(
            cases.len() >= least && cases.iter().all(|case| case.verdict == "right"),
            "{text}"
        );
        assert!(
            text.contains("exit 0") && text.contains("hwinfo: threads 6, hvx 6, hmx 1"),
            "{text}"
        );
    }
    let kernel = run.section("kernel");
    assert!(kernel.trim().is_empty(), "{kernel}");
}
