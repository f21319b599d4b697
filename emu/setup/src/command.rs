//! Running other programs.

use std::io::{ErrorKind, Write as _};
use std::process::{Command, ExitStatus, Stdio};

use crate::{Error, Result};

/// The command as one would type it.
#[must_use]
pub fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| {
            let word = word.to_string_lossy();
            if word.contains([' ', '$', '"', '\'', '(', '*']) {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command that shows its own output.
///
/// # Errors
/// It does not start, or ends badly; the error names it.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(not_started(command))?;
    well_ended(command, status)
}

/// Runs a command that shows its own output, and gives each line of its standard output to `each` as well.
///
/// # Errors
/// It does not start, its output cannot be read or shown, or it ends badly; the error names it.
pub fn run_and_read(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(not_started(command))?;
    let shown = child.stdout.take().map_or(Ok(()), |from| show(from, &mut each));
    let status = child.wait().map_err(not_started(command))?;
    shown.map_err(|source| Error::PassOn {
        command: line_of(command),
        source,
    })?;
    well_ended(command, status)
}

/// Copies output to ours as it comes (the dots of a long test program are its progress), and gives its lines to `each`.
fn show(mut from: impl std::io::Read, each: &mut impl FnMut(&str)) -> std::io::Result<()> {
    let mut to = std::io::stdout();
    let (mut line, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let n = match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = piece.get(..n).unwrap_or_default();
        to.write_all(piece)?;
        to.flush()?;
        for byte in piece {
            match byte {
                b'\n' => {
                    each(&String::from_utf8_lossy(&line));
                    line.clear();
                }
                // Nobody's counts stand in a line as long as that.
                _ if line.len() < 1 << 16 => line.push(*byte),
                _ => {}
            }
        }
    }
}

/// For `map_err`: a command that does not start.
fn not_started(command: &Command) -> impl FnOnce(std::io::Error) -> Error {
    let command = line_of(command);
    move |source| Error::Start { command, source }
}

fn well_ended(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: line_of(command),
        status,
        said: String::new(),
    })
}

/// Runs a command quietly and returns what it printed.
///
/// # Errors
/// It does not start, or ends badly; the error names it and has its messages.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output();
    let done = done.map_err(not_started(command))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(Error::Failed {
        command: line_of(command),
        status: done.status,
        said: format!(":\n{}", String::from_utf8_lossy(&done.stderr).trim_end()),
    })
}

/// Whether a command starts and ends well; what it says is not shown.
#[must_use]
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|done| done.status.success())
}
