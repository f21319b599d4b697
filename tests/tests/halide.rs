//! Pipelines of Halide's compiler for Hexagon, as skeletons: tests/programs/halide/pipelines.py has them compiled for the DSP, and
//! computed on this host by Halide; skeleton.c is what a user puts around one. Each gives the same on both.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use emu_assets::cache::Cache;
use test_needs::{Need, wheels};
use tests::assets;
use tests::hexagon::{invoke, llvm_and_emulator};

const TARGET: &str = "hexagon-32-noos-hvx_128-hvx_v68";
const URI: &str = "file:///libhalide_skel.so?halide_skel_handle_invoke&_modver=1.0";

fn check(command: &mut Command) {
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Runs a pipeline as a skeleton; what is wrong with its output.
fn differs(llvm: &Path, halide: &Path, dir: &Path, name: &str) -> Option<String> {
    let top = assets::workspace();
    let buffers: Vec<Vec<String>> = std::fs::read_to_string(dir.join(format!("{name}.txt")))
        .unwrap()
        .lines()
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect();
    let library = dir.join(name).join("libhalide_skel.so");
    std::fs::create_dir(dir.join(name)).unwrap();
    check(
        Command::new(llvm.join("clang"))
            .args([
                "--target=hexagon-unknown-none-elf",
                "-mv68",
                "-mhvx",
                "-mhvx-length=128b",
            ])
            .args([
                "-O2",
                "-G0",
                "-fPIC",
                "-shared",
                "-nostdlib",
                "-nostartfiles",
                "-ffreestanding",
            ])
            .args([
                "-nostdlibinc",
                "-fvisibility=hidden",
                "-fuse-ld=lld",
                "-Wl,--hash-style=sysv",
            ])
            .args([
                "-Wl,-z,max-page-size=0x1000",
                "-Wl,-soname=libhalide_skel.so",
                "-Wall",
                "-Wextra",
            ])
            .arg(format!("-DPIPELINE={name}"))
            .arg(format!("-DBUFFERS={}", buffers.len()))
            .arg("-I")
            .arg(top.join("firmware/include"))
            .arg("-I")
            .arg(halide.join("halide/include"))
            .arg(top.join("tests/programs/halide/skeleton.c"))
            .arg(dir.join(format!("{name}.o")))
            .arg("-o")
            .arg(&library),
    );
    let mut description = String::from("u32:");
    for buffer in &buffers {
        let [code, bits, extents, _] = &buffer[..] else {
            panic!("{buffer:?}")
        };
        let mut extents: Vec<&str> = extents.split(',').collect();
        let dimensions = extents.len();
        extents.resize(3, "1");
        let _ = write!(description, "{code},{bits},{dimensions},{},", extents.join(","));
    }
    let mut options = vec!["--uri".into(), URI.into(), "--method".into(), "2".into()];
    options.extend(["--in".to_owned(), description.trim_end_matches(',').to_owned()]);
    let file = |buffer: &[String]| dir.join(&buffer[3]);
    let (output, inputs) = buffers.split_last().unwrap();
    for input in inputs {
        options.extend(["--in".into(), format!("file:{}", file(input).display())]);
    }
    let right = std::fs::read(file(output)).unwrap();
    let to = dir.join(name).join("output");
    options.extend(["--out".into(), format!("file:{}:{}", to.display(), right.len())]);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (_, log, code) = invoke(&library, &options);
    if code != 0 {
        return Some(format!("{name} ends with {code}: {log}"));
    }
    let got = std::fs::read(to).unwrap();
    let is_float = output[0] == "2";
    let wrong = match is_float {
        true => far_apart(&got, &right),
        false => got.iter().zip(&right).filter(|(a, b)| a != b).count(),
    };
    (wrong > 0 || got.len() != right.len())
        .then(|| format!("{name}: {wrong} of {} bytes are wrong: {log}", right.len()))
}

/// How many floats differ by more than a millionth of the largest: V68 computes vectors of them as qf32, which does not round as IEEE
/// does.
fn far_apart(got: &[u8], right: &[u8]) -> usize {
    let words = |bytes: &[u8]| -> Vec<f32> {
        let words = bytes.chunks_exact(4);
        words
            .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    };
    let (got, right) = (words(got), words(right));
    let largest = right.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
    let is_near = |(a, b): &(&f32, &f32)| (*a - *b).abs() <= 1e-6 * largest;
    got.iter().zip(&right).filter(|pair| !is_near(pair)).count()
}

#[test]
fn pipelines_give_on_the_dsp_what_halide_gives_on_the_host() {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
    let cache = Cache::open().expect("a cache");
    let Some(halide) = wheels::unpacked(cache.root(), &wheels::HALIDE) else {
        return test_needs::skip(
            Need::Wheels,
            "pip cannot fetch halide for this host and its Python",
        );
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    check(
        Command::new("python3")
            .arg(assets::workspace().join("tests/programs/halide/pipelines.py"))
            .arg(dir.path())
            .arg(TARGET)
            .env("PYTHONPATH", &halide)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    let listed = std::fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<String> = listed
        .filter_map(|entry| {
            Some(
                entry
                    .unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".o")?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    assert!(names.len() >= 14, "{names:?}");
    let wrong: Vec<String> = names
        .iter()
        .filter_map(|name| differs(&llvm, &halide, dir.path(), name))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
