//! A skeleton (tests/programs/forms.c) in each way in which compilers and linkers lay libraries out, run by
//! `vhost-hexagon invoke`: relocations packed or not, constructors in `.ctors` or `.init_array`.

use std::path::Path;
use std::process::Command;

use tests::assets;
use tests::hexagon::{build_shared, code, emulator, llvm};

/// What a method answers, and what the skeleton logs.
fn invoke(skeleton: &Path, method: &str) -> (String, String) {
    let output = Command::new(emulator())
        .args(["invoke", "--skel"])
        .arg(skeleton)
        .args(["--method", method, "--out", "u32"])
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let log = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(code(&output), 0, "{log}");
    (text(&output.stdout), log)
}

#[test]
fn a_skeleton_works_however_it_is_laid_out() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let common = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];
    // What each is made with, and what must be in it for the test to mean anything.
    for (number, (options, section)) in [
        (&[][..], ".ctors"),
        (&["-fuse-init-array"][..], ".init_array"),
        (&["-Wl,--pack-dyn-relocs=relr"][..], ".relr.dyn"),
        (
            &["-Wl,--pack-dyn-relocs=relr", "-fuse-init-array"][..],
            ".relr.dyn",
        ),
        (&["-Wl,--hash-style=gnu"][..], ".gnu.hash"),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = dir.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("libforms_skel.so");
        let skeleton = build_shared(&llvm, "forms", 68, &[&common[..], options].concat(), file);
        let bytes = std::fs::read(&skeleton).unwrap();
        assert!(
            bytes.windows(section.len()).any(|w| w == section.as_bytes()),
            "{options:?}: no {section}"
        );
        assert_eq!(invoke(&skeleton, "2").0, "22", "{options:?}");
        let (built, log) = invoke(&skeleton, "3");
        assert_eq!(built, "12", "{options:?}: {log}");
        assert!(log.contains("destructor after 12"), "{options:?}: {log}");
    }
}
