//! How errors, headings and sizes are written.

use crate::output::tell;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Prints an error; what the program ends with.
pub(super) fn fail(error: &anyhow::Error) -> ExitCode {
    let mark = if std::io::stderr().is_terminal() {
        "\x1b[1;31merror:\x1b[0m"
    } else {
        "error:"
    };
    tell!("{mark} {}", chain(error));
    ExitCode::FAILURE
}

/// The chain of causes in one line, leaving out a cause that the message before it tells already.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A heading, bold on a terminal.
pub(super) fn heading(text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// A size in bytes: `512M`, `2G`, or a plain number.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let plain = text.trim_end_matches(['i', 'B']);
    let unit = |letters: [char; 2]| plain.strip_suffix(letters);
    let (digits, shift) = if let Some(digits) = unit(['K', 'k']) {
        (digits, 10)
    } else if let Some(digits) = unit(['M', 'm']) {
        (digits, 20)
    } else if let Some(digits) = unit(['G', 'g']) {
        (digits, 30)
    } else {
        (plain, 0)
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift))
        .ok_or_else(|| format!("{text:?} is not a size (512M, 2G)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("4096"), Ok(4096));
        assert!(size("x").unwrap_err().contains("not a size"));
        assert!(size("99999999999G").is_err());
        assert!(size("").is_err());
    }

    #[test]
    fn an_error_says_each_cause_once() {
        let error = anyhow::anyhow!("no such file")
            .context("cannot read x: no such file")
            .context("cannot start");
        assert_eq!(chain(&error), "cannot start: cannot read x: no such file");
    }
}
