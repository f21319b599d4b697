//! The program as a user has it: copied out of the build tree, alone in an empty home, with nothing but fetched kernels and user
//! space in its cache.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

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

/// A command that a shell runs for a user, with what it says on both of its outputs.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it said so far.
    pub text: String,
}

impl Session {
    /// Starts a command line in a shell, with a pipe as its terminal.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(user: &User, line: &str) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = user.command("/bin/sh");
        command
            .args(["-c", line])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer);
        let mut child = command.spawn().expect("a shell");
        // With it goes our end of the pipe, which would never end otherwise.
        drop(command);
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).replace('\r', "");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
            text: String::new(),
        }
    }

    /// Reads on until a line has that text; false if none does until the end, or in that time.
    pub fn until(&mut self, wanted: &str, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while let Ok(line) = self
            .lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.text.push_str(&line);
            self.text.push('\n');
            if line.contains(wanted) {
                return true;
            }
        }
        false
    }

    /// Types a line.
    ///
    /// # Panics
    /// When nobody reads it any more.
    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("an input");
        writeln!(input, "{line}").expect("somebody reads");
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args([&format!("-{name}"), "--", &group])
            .status();
    }

    /// Reads on to the end, and says what that was; `None` if there was none in that time.
    pub fn end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        // No line has that.
        self.until("\n", limit);
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(status)) => return Some(status),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("KILL");
            let _ = self.child.wait();
        }
    }
}
