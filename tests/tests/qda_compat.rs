//! What is put before a guest's library for QDA's numbered posting (`firmware/guest/libqda_compat`), over a driver that is only
//! written down: with a real one it runs where somebody has such a kernel ([docs/qda.md]).

use std::path::Path;
use std::process::Command;

#[test]
fn a_library_of_the_first_posting_speaks_the_numbered_one() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("qda_compat");
    // The one that links this test.
    let built = Command::new("cc")
        .args(["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-g", "-pthread"])
        .args(["-fsanitize=undefined", "-fno-sanitize-recover=all"])
        .arg("-o")
        .arg(&program)
        .arg(here.join("guest/qda_compat.c"))
        .arg("-ldl")
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let ran = Command::new(&program).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
