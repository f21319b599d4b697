//! The program as a user has it: copied out of the build tree, alone in an empty home, with nothing but fetched kernels and user
//! space in its cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::assets;

/// A user's machine: home, working folder, program, cache.
pub struct User(tempfile::TempDir);

impl User {
    /// A new one; `Err` says why there is none here.
    ///
    /// # Errors
    /// No kernels and user space, no program.
    ///
    /// # Panics
    /// When files cannot be written.
    pub fn new() -> Result<Self, String> {
        let program = assets::programs().join("vhost-hexagon");
        if !program.is_file() {
            return Err(format!("{} is not built", program.display()));
        }
        let home = tempfile::tempdir().expect("a temporary folder");
        let user = Self(home);
        for folder in ["bin", "work", "tmp", "cache"] {
            std::fs::create_dir(user.path(folder)).expect("a folder");
        }
        test_needs::executable::copy_program(&program, &user.path("bin/vhost-hexagon"));
        let cache = assets::cache().ok_or("there is no cache (`cargo xtask setup` fills it)")?;
        for folder in ["kernels", "guest-root"] {
            let from = cache.root().join(folder);
            if !from.is_dir() {
                return Err(format!(
                    "there is no {} (`cargo xtask setup` fetches it)",
                    from.display()
                ));
            }
            std::os::unix::fs::symlink(from, user.path("cache").join(folder)).expect("a link");
        }
        Ok(user)
    }

    /// A path below the home.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder in which commands run.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// A command of this user's, in the working folder, whose `PATH` has the program.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let system = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{system}", self.path("bin").display());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.0.path())
            .env("TMPDIR", self.path("tmp"))
            .env("VHOST_HEXAGON_CACHE", self.path("cache"))
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// The program with these words.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Command {
        let mut command = self.command(self.path("bin/vhost-hexagon"));
        command.args(words);
        command
    }

    /// A host file among the user's.
    #[must_use]
    pub fn has(&self, file: impl AsRef<Path>) -> bool {
        self.work().join(file).exists()
    }
}
