//! A skeleton that loads libraries at run time (tests/programs/dl.c, dl_plugin.c).

use tests::hexagon::{answer, build_shared, invoke, llvm_and_emulator};

#[test]
fn libraries_are_loaded_found_and_unloaded_at_run_time() {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path();
    let common = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];
    let skeleton = build_shared(&llvm, "dl", 68, &common, folder.join("libdl_skel.so"));
    build_shared(&llvm, "dl_plugin", 68, &common, folder.join("libdl_plugin.so"));
    let never = [&common[..], &["-DNEVER"]].concat();
    build_shared(&llvm, "dl_plugin", 68, &never, folder.join("libdl_never.so"));

    let (found, log, code) = invoke(&skeleton, &["--method", "2", "--out", "u32:8"]);
    assert_eq!((found.as_str(), code), ("1 1 1 1042 1 1 1 1", 0), "{log}");
    let order: Vec<_> = ["closing", "plugin goes", "closed"]
        .map(|what| log.find(what))
        .into();
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{log}");

    let contents = format!("file:{}", folder.join("libdl_plugin.so").display());
    let options = ["--method", "3", "--in", &contents, "--out", "u32:2"];
    assert_eq!(answer(&skeleton, &options), "1 42");

    // The second library ends the walk: its result is that of the whole.
    let walked = answer(&skeleton, &["--method", "4", "--out", "u32:3"]);
    assert_eq!(walked, "2 99 1");
}
