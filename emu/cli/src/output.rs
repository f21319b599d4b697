//! Standard output and standard error, whose readers may leave early (`… | head`). Without standard output the program ends quietly,
//! with the exit code a shell shows for one that SIGPIPE ended; without standard error it goes on as with it. (The signal itself stays
//! ignored: a QEMU that goes away must not end the emulator.)

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// 128 + SIGPIPE
const CODE: u8 = 141;

/// Nobody reads the output any more.
#[derive(Debug, thiserror::Error)]
#[error("the output's reader has left")]
struct Closed;

/// Standard output; a writer for everything that is printed.
pub struct Output(std::io::StdoutLock<'static>);

/// Standard output, locked.
pub fn stdout() -> Output {
    Output(std::io::stdout().lock())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(marked)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().map_err(marked)
    }
}

/// A broken pipe elsewhere, say of a socket, is an error like any other.
fn marked(error: std::io::Error) -> std::io::Error {
    if error.kind() == ErrorKind::BrokenPipe {
        std::io::Error::new(ErrorKind::BrokenPipe, Closed)
    } else {
        error
    }
}

/// The exit code if that was all that happened.
pub fn ended(error: &anyhow::Error) -> Option<ExitCode> {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .is_some_and(|inner| inner.is::<Closed>())
    };
    error.chain().any(closed).then(|| ExitCode::from(CODE))
}

/// `println!` that returns from the function when it fails.
macro_rules! say {
    ($($arg:tt)*) => {
        std::io::Write::write_fmt(&mut $crate::output::stdout(), format_args!("{}\n", format_args!($($arg)*)))?
    };
}
pub(crate) use say;

/// `eprintln!` that nobody has to read: what the program found out and ends with is the same without a reader.
macro_rules! tell {
    ($($arg:tt)*) => {
        $crate::output::tell_text(&format!("{}\n", format_args!($($arg)*)))
    };
}
pub(crate) use tell;

/// Writes to standard error, if somebody reads it.
pub fn tell_text(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn only_the_output_s_end_is_quiet() {
        let pipe = || std::io::Error::from(ErrorKind::BrokenPipe);
        let ours = Err::<(), _>(marked(pipe())).context("printing").unwrap_err();
        assert_eq!(ended(&ours), Some(ExitCode::from(CODE)));
        let socket = Err::<(), _>(pipe()).context("asking").unwrap_err();
        assert_eq!(ended(&socket), None);
        assert_eq!(ended(&anyhow::anyhow!("something else")), None);
    }
}
