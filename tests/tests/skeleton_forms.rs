//! A skeleton (tests/programs/forms.c) in each way in which compilers and linkers lay libraries out, run by
//! `vhost-hexagon invoke`: relocations packed or not, constructors in `.ctors` or `.init_array`.

use tests::hexagon::{build_shared, invoke, llvm_and_emulator};

#[test]
fn a_skeleton_works_however_it_is_laid_out() {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
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
        let (sum, log, code) = invoke(&skeleton, &["--method", "2", "--out", "u32"]);
        assert_eq!((sum.as_str(), code), ("22", 0), "{options:?}: {log}");
        let (built, log, code) = invoke(&skeleton, &["--method", "3", "--out", "u32"]);
        assert_eq!((built.as_str(), code), ("12", 0), "{options:?}: {log}");
        assert!(log.contains("destructor after 12"), "{options:?}: {log}");
    }
}
