//! The DSP side of llama.cpp's Hexagon backend, as the crate `llama-cpp-sys-2` carries it: every file is compiled unmodified with clang
//! and the kit's headers, the matrix instructions assembled by `vhost-hexagon as`, and the library opened on a DSP.
//!
//! The interface's skeleton, which the vendor's compiler would write of `htp_iface.idl`, is `tests/programs/ggml_htp_skel.c`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use test_needs::{Need, crates};
use tests::assets;
use tests::hexagon::{code, emulator, llvm};

fn check(what: &Path, output: Output) -> Vec<u8> {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", what.display());
    output.stdout
}

/// Compiles all files on all processors of the host and links them.
fn build(llvm: &Path, ggml: &Path, arch: &str, dir: &Path) -> PathBuf {
    let htp = ggml.join("src/ggml-hexagon/htp");
    let top = assets::workspace();
    let listed = std::fs::read_dir(&htp)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut sources: Vec<PathBuf> = listed
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    assert!(sources.len() >= 27, "{sources:?}");
    sources.push(top.join("tests/programs/ggml_htp_skel.c"));
    let includes = [
        top.join("tests/programs/ggml"),
        top.join("firmware/include"),
        ggml.join("include"),
        ggml.join("src"),
        ggml.join("src/ggml-hexagon"),
        htp,
    ];
    let clang = || {
        let mut clang = Command::new(llvm.join("clang"));
        clang
            .args(["--target=hexagon-unknown-none-elf", &format!("-m{arch}")])
            .args(["-mhvx", "-mhvx-length=128b", "-O2", "-G0", "-fPIC"])
            .args([
                "-ffreestanding",
                "-nostdlibinc",
                "-DNDEBUG=1",
                "-w",
                "-Wno-int-conversion",
            ]);
        clang
    };
    let compile = |source: &Path| {
        let stem = source.file_stem().unwrap().to_string_lossy().into_owned();
        let (text, words) = (dir.join(format!("{stem}.s")), dir.join(format!("{stem}.words.s")));
        let object = dir.join(format!("{stem}.o"));
        let mut command = clang();
        includes.iter().for_each(|folder| {
            command.arg("-I").arg(folder);
        });
        let output = command
            .args(["-S", "-fno-integrated-as"])
            .arg(source)
            .arg("-o")
            .arg(&text)
            .output();
        check(source, output.expect("clang runs"));
        let output = Command::new(emulator())
            .args(["as", "--cpu", arch])
            .arg(&text)
            .arg("-o")
            .arg(&words)
            .output();
        check(&text, output.expect("it runs"));
        check(
            &words,
            clang()
                .arg("-c")
                .arg(&words)
                .arg("-o")
                .arg(&object)
                .output()
                .expect("clang runs"),
        );
        object
    };
    let (queue, objects) = (Mutex::new(sources), Mutex::new(Vec::new()));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                loop {
                    let Some(source) = queue.lock().unwrap().pop() else {
                        break;
                    };
                    let object = compile(&source);
                    objects.lock().unwrap().push(object);
                }
            });
        }
    });
    let library = dir.join(format!("libggml-htp-{arch}.so"));
    let output = Command::new(llvm.join("ld.lld"))
        .args([
            "-m",
            "hexagonelf",
            "-shared",
            "--hash-style=sysv",
            "-z",
            "max-page-size=0x1000",
        ])
        .args(objects.into_inner().unwrap())
        .arg("-o")
        .arg(&library)
        .output();
    check(&library, output.expect("ld.lld runs"));
    library
}

#[test]
fn the_dsp_side_of_ggml_builds_with_the_kit_and_opens() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    let Some(source) = crates::source(crates::LLAMA_CPP) else {
        return test_needs::skip(Need::CrateSources, "cargo cannot fetch llama-cpp-sys-2");
    };
    let dir = tempfile::tempdir().unwrap();
    let library = build(&llvm, &source.join("llama.cpp/ggml"), "v73", dir.path());

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
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&check(&library, output))
        .trim()
        .to_owned();
    assert_eq!(answer, "4 4 1 0 8388608 0");
}
