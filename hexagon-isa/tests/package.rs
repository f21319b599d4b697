//! The crate as a stranger gets it: packed with its generator, unpacked elsewhere, and used by the README's program, without the
//! rest of the repository. Dependencies are those that this test was built with (`--offline`).

use std::path::{Path, PathBuf};
use std::process::Command;

const README: &str = include_str!("../README.md");
/// Version of both crates.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Standard output of a command that has to succeed.
fn output(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn cargo(dir: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells its tests is not meant for another package.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST") || text == "CARGO_TARGET_DIR"
        {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(dir);
    cargo
}

/// Packs both crates; returns the folder of what was in each.
fn unpacked(to: &Path) -> [PathBuf; 2] {
    let packed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packed");
    let packages = ["-p", "hexagon-isa-meta", "-p", "hexagon-isa"];
    output(
        cargo(Path::new(env!("CARGO_MANIFEST_DIR")))
            .args([
                "package",
                "--offline",
                "--allow-dirty",
                "--no-verify",
                "--target-dir",
            ])
            .arg(&packed)
            .args(packages),
    );
    ["hexagon-isa-meta", "hexagon-isa"].map(|name| {
        let archive = packed.join(format!("package/{name}-{VERSION}.crate"));
        output(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(to));
        to.join(format!("{name}-{VERSION}"))
    })
}

#[test]
fn the_packed_crate_is_all_that_the_programs_of_others_need() {
    let dir = tempfile::tempdir().expect("a folder");
    let [meta, isa] = unpacked(dir.path());
    for file in [
        "README.md",
        "LICENSE-APACHE",
        "LICENSE-BSD",
        "build.rs",
        "spec/alu32.isa",
    ] {
        assert!(isa.join(file).is_file(), "{file} is not in the package");
    }
    let (_, program) = README.split_once("```rust\n").expect("a program in the README");
    let (program, _) = program.split_once("```").expect("its end");
    let user = dir.path().join("user");
    std::fs::create_dir_all(user.join("src")).expect("a folder");
    std::fs::write(user.join("src/main.rs"), program).expect("the program");
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [profile.dev]\ndebug = false\n\n\
         [dependencies]\nhexagon-isa = {{ path = {isa:?} }}\n\n\
         [patch.crates-io]\nhexagon-isa-meta = {{ path = {meta:?} }}\n"
    );
    std::fs::write(user.join("Cargo.toml"), manifest).expect("the manifest");
    let printed = output(
        cargo(&user)
            .args(["run", "--offline", "--quiet", "--target-dir"])
            .arg(dir.path().join("target")),
    );
    assert_eq!(
        printed.split_whitespace().collect::<Vec<_>>().join(" "),
        "{ r1 = add(r2,r3) memw(r4+#0x0) = r1.new }"
    );
}
