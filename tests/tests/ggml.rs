//! llama.cpp's Hexagon backend, as the crate `llama-cpp-sys-2` carries it, unmodified: its DSP side loads, and every operation that
//! its host side sends through a packet queue computes there what ggml's own CPU code computes.
//!
//! There is no guest: the host side runs in a process of the host with the emulator's own `libcdsprpc.so`
//! (`emu/cdsprpc`). `e2e_ggml.rs` has it in a guest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock, PoisonError};

use tests::assets;
use tests::ggml::{self, Case, Compilers, check};
use tests::hexagon::{code, emulator};

// Its cdylib is what the program loads.
use cdsprpc as _;

/// What the tests of this program share.
struct Built {
    folder: tempfile::TempDir,
    ops: PathBuf,
}

/// ggml's sources and what is built of them, for a test, which is skipped without the compilers.
#[track_caller]
fn built() -> Option<(PathBuf, PathBuf, &'static Built)> {
    static BUILT: OnceLock<Built> = OnceLock::new();
    let (llvm, source) = (ggml::llvm_or_skip()?, ggml::source_or_skip()?);
    let compilers = Compilers::HOST.or_skip()?;
    let built = BUILT.get_or_init(|| Built {
        folder: tempfile::tempdir().unwrap(),
        ops: ggml::build_ops(&compilers, &source),
    });
    Some((llvm, source, built))
}

/// The DSP side for an architecture.
fn dsp_side(llvm: &Path, source: &Path, built: &Built, arch: &str) -> PathBuf {
    static LIBRARIES: [OnceLock<PathBuf>; 4] = [const { OnceLock::new() }; 4];
    let n = ["v73", "v75", "v79", "v81"]
        .iter()
        .position(|known| *known == arch)
        .unwrap();
    let library = LIBRARIES[n].get_or_init(|| ggml::build_dsp_side(llvm, source, arch, built.folder.path()));
    library.clone()
}

#[test]
fn the_dsp_side_builds_with_the_kit_and_opens() {
    let Some((llvm, source, built)) = built() else {
        return;
    };
    let library = dsp_side(&llvm, &source, built, "v73");

    // Nothing that it imports is missing.
    let names = Command::new(emulator())
        .arg("names")
        .arg(&library)
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&names.stdout).into_owned();
    assert_eq!(code(&names), 0, "{listed}");
    assert!(
        listed.contains("dspqueue_import") && listed.contains(" imported, 0 missing"),
        "{listed}"
    );

    // hwinfo: threads that it would use, vector contexts, matrix units, bytes of VTCM.
    let output = Command::new(emulator())
        .args([
            "invoke", "--soc", "sm8550", "--method", "8", "--out", "u32:6", "--skel",
        ])
        .arg(&library)
        .arg("--uri")
        .arg("file:///libggml-htp-v73.so?htp_iface_skel_handle_invoke&_modver=1.0")
        .output();
    let answer = String::from_utf8_lossy(&check(&library, output))
        .trim()
        .to_owned();
    assert_eq!(answer, "4 4 1 0 8388608 0");
}

/// Runs `ggml-ops` on a DSP of this architecture with six threads. One after the other and on as many threads of the host as it has
/// processors: its queue of work has a race (docs/translator.md) that a thread which the host holds up runs into.
fn run(arch: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Option<Output> {
    let (llvm, source, built) = built()?;
    dsp_side(&llvm, &source, built, arch);
    let library = assets::programs().join("deps/libcdsprpc.so");
    assert!(library.is_file(), "{} is not built", library.display());
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(&built.ops)
        .args(arguments)
        .env("LD_LIBRARY_PATH", library.parent().unwrap())
        .env("ADSP_LIBRARY_PATH", built.folder.path())
        .env(
            "VHOST_HEXAGON_SOC",
            ggml::write_profile(arch, built.folder.path()),
        )
        .envs(settings.iter().copied())
        .output();
    Some(output.expect("ggml-ops starts"))
}

/// The cases of a run that came to its end, and what it told besides.
#[track_caller]
fn cases(output: &Output) -> (Vec<Case>, String) {
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{:?}\n{printed}\n{log}",
        output.status
    );
    (ggml::cases(&printed), log)
}

/// What the DSP's program executes of these cases, by ggml's names; those with a + or NX are several operations in one.
const OPERATIONS: &[&str] = &[
    "ABS",
    "ADD",
    "ADD_ID",
    "ARGMAX",
    "ARGSORT",
    "CLAMP",
    "CONCAT",
    "CONT",
    "CPY",
    "CUMSUM",
    "DIAG",
    "DIV",
    "EXP",
    "FILL",
    "FLASH_ATTN_EXT",
    "GATED_DELTA_NET",
    "GEGLU",
    "GEGLU_ERF",
    "GEGLU_QUICK",
    "GELU",
    "GELU_ERF",
    "GELU_QUICK",
    "GET_ROWS",
    "IM2COL",
    "L2_NORM",
    "LEAKY_RELU",
    "LOG",
    "MUL",
    "MUL_MAT",
    "MUL_MAT+ADD",
    "MUL_MAT_ID",
    "MUL_MAT_ID_NX",
    "MUL_MAT_NX",
    "NEG",
    "NORM",
    "PAD",
    "RELU",
    "REPEAT",
    "RMS_NORM",
    "RMS_NORM+MUL",
    "ROLL",
    "ROPE",
    "SCALE",
    "SET_ROWS",
    "SIGMOID",
    "SILU",
    "SOFTPLUS",
    "SOFT_MAX",
    "SOLVE_TRI",
    "SQR",
    "SQRT",
    "SSM_CONV",
    "STEP",
    "SUB",
    "SUM",
    "SUM_ROWS",
    "SWIGLU",
    "SWIGLU_CLAMP",
    "SWIGLU_OAI",
    "TANH",
    "TOP_K",
    "TRI",
];

/// All cases on an architecture.
fn compare(arch: &str, settings: &[(&str, &str)]) {
    let settings = [settings, &[("GGML_HEXAGON_PROFILE", "1")]].concat();
    let Some(output) = run(arch, &[], &settings) else {
        return;
    };
    let (cases, log) = cases(&output);
    let table = ggml::table(&cases);
    println!("{arch} {settings:?}\n{table}");
    assert!(
        output.status.success() && cases.iter().all(|case| case.verdict == "right"),
        "{arch} {settings:?}\n{table}"
    );
    assert!(cases.len() >= 250, "{}", cases.len());
    let done = log
        .lines()
        .filter_map(|line| line.split_once("profile-op ")?.1.split('|').next());
    let done: BTreeSet<&str> = done.filter(|name| *name != "OPBATCH").collect();
    assert_eq!(
        done,
        OPERATIONS.iter().copied().collect(),
        "what the DSP executed"
    );
    assert!(log.contains("hwinfo: threads 6, hvx 6"), "{log}");
}

#[test]
fn each_operation_on_v73_with_the_matrix_unit() {
    compare("v73", &[]);
}

#[test]
fn each_operation_on_v73_with_vectors_only() {
    compare("v73", &[("GGML_HEXAGON_NHMX", "0")]);
}

#[test]
fn each_operation_on_v75() {
    compare("v75", &[]);
}

#[test]
fn each_operation_on_v79() {
    compare("v79", &[]);
}

#[test]
fn each_operation_on_v81() {
    compare("v81", &[]);
}

/// One host thread runs all of the DSP's.
#[test]
fn each_operation_one_thread_after_the_other() {
    compare("v73", &[("VHOST_HEXAGON_DSP_THREADS", "1")]);
}

/// Two DSPs add up tensors of each other: they see the same memory, and wait for each other by words in it.
#[test]
fn two_dsps_add_up_their_tensors() {
    for arch in ["v73", "v79"] {
        let Some((_, _, built)) = built() else { return };
        let profile = ggml::write_profile_of_two(arch, built.folder.path());
        let profile = profile.to_string_lossy();
        let settings = [
            ("VHOST_HEXAGON_SOC", profile.as_ref()),
            ("GGML_HEXAGON_DEVICES", "HTP0,HTP1"),
        ];
        let Some(output) = run(arch, &["--allreduce"], &settings) else {
            return;
        };
        let (cases, log) = cases(&output);
        let table = ggml::table(&cases);
        assert!(
            output.status.success() && cases.len() == 10 && cases.iter().all(|case| case.verdict == "right"),
            "{arch}\n{table}\n{log}"
        );
    }
}

/// Two sessions on one DSP are two processes there.
#[test]
fn operations_are_right_in_a_second_session() {
    let settings = [("GGML_HEXAGON_DEVICES", "HTP0:1")];
    let Some(output) = run("v73", &["--only", "ADD"], &settings) else {
        return;
    };
    let (cases, log) = cases(&output);
    assert!(
        output.status.success() && cases.len() > 3 && cases.iter().all(|case| case.verdict == "right"),
        "{}\n{log}",
        ggml::table(&cases)
    );
}

#[test]
fn a_changed_input_is_seen_in_every_operation() {
    let Some(output) = run("v73", &["--corrupt"], &[]) else {
        return;
    };
    let (cases, _) = cases(&output);
    assert_eq!(output.status.code(), Some(1));
    let missed = cases.iter().filter(|case| case.verdict == "right");
    let missed: Vec<String> = missed.map(|case| format!("{} {}", case.op, case.what)).collect();
    // Their first 32 inputs are not used.
    assert_eq!(
        missed,
        ["FILL f32 96x5", "FILL f16 96x5", "TRI f32 48x48x2, kind 3"]
    );
}
