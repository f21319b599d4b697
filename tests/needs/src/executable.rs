//! Files that a test makes and then runs.
//!
//! They are written by a process of their own. A descriptor that this process has open for writing is inherited by whatever
//! another test's thread forks meanwhile, until that calls `exec`; the file cannot be run so long (`ETXTBSY`).

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a script that can be run.
///
/// # Panics
/// It cannot be written.
pub fn write_script(path: &Path, text: &str) {
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut input = shell.stdin.take().expect("its input");
    input.write_all(text.as_bytes()).expect("the script");
    drop(input);
    assert!(shell.wait().expect("its end").success(), "{}", path.display());
}

/// Copies a program so that it can be run.
///
/// # Panics
/// It cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "{} to {}", from.display(), to.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Others fork all the time here, as tests beside each other do.
    #[test]
    fn a_script_runs_at_once_whatever_other_threads_start() {
        let folder = std::env::temp_dir().join(format!("executable-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let folder = &folder;
                scope.spawn(move || {
                    for round in 0..50 {
                        let path = folder.join(format!("{thread}-{round}"));
                        write_script(&path, "#!/bin/sh\nexit 7\n");
                        assert_eq!(Command::new(&path).status().unwrap().code(), Some(7));
                    }
                });
            }
        });
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
