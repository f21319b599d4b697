//! Puts the suites of cases (the folders of `scenarios/`) into the program, so that an installed one has them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Paths below a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn main() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    println!("cargo::rerun-if-changed={}", top.display());
    let mut code = String::from("&[\n");
    for folder in entries(&top).into_iter().filter(|path| path.is_dir()) {
        let _ = writeln!(code, "({:?}, &[", name(&folder));
        for file in entries(&folder) {
            if file.extension().is_some_and(|e| e == "toml") {
                let _ = writeln!(
                    code,
                    "({:?}, include_str!({:?})),",
                    name(&file),
                    file.display().to_string()
                );
            }
        }
        code.push_str("]),\n");
    }
    code.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    if let Err(error) = std::fs::write(Path::new(&out).join("suites.rs"), code) {
        panic!("cannot write the table of suites: {error}");
    }
}
