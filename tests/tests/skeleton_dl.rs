//! A skeleton that loads libraries at run time (tests/programs/dl.c, dl_plugin.c).

use std::path::Path;
use std::process::{Command, Output};

use tests::assets;
use tests::hexagon::{build_shared, code, emulator, llvm};

fn invoke(folder: &Path, options: &[&str]) -> Output {
    Command::new(emulator())
        .args(["invoke", "--skel"])
        .arg(folder.join("libdl_skel.so"))
        .args(options)
        .output()
        .expect("it runs")
}

#[track_caller]
fn answer(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert_eq!(code(output), 0, "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn libraries_are_loaded_found_and_unloaded_at_run_time() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path();
    let common = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];
    build_shared(&llvm, "dl", 68, &common, folder.join("libdl_skel.so"));
    build_shared(&llvm, "dl_plugin", 68, &common, folder.join("libdl_plugin.so"));
    let never = [&common[..], &["-DNEVER"]].concat();
    build_shared(&llvm, "dl_plugin", 68, &never, folder.join("libdl_never.so"));

    let output = invoke(folder, &["--method", "2", "--out", "u32:8"]);
    assert_eq!(answer(&output), "1 1 1 1042 1 1 1 1");
    let log = String::from_utf8_lossy(&output.stderr);
    let order: Vec<_> = ["closing", "plugin goes", "closed"]
        .map(|what| log.find(what))
        .into();
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{log}");

    let contents = format!("file:{}", folder.join("libdl_plugin.so").display());
    let output = invoke(folder, &["--method", "3", "--in", &contents, "--out", "u32:2"]);
    assert_eq!(answer(&output), "1 42");

    // The second library ends the walk: its result is that of the whole.
    let output = invoke(folder, &["--method", "4", "--out", "u32:3"]);
    assert_eq!(answer(&output), "2 99 1");
}
