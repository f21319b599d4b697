//! The guest's console: every line with the time since power-on, to the log file and to whoever waits for it.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// Longest line that is kept whole; a guest may send anything.
const MAX_LINE: usize = 64 * 1024;

/// One line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleLine {
    /// Since power-on.
    pub at: Duration,
    /// Without its line end; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Reads the console in a thread of its own until it ends.
///
/// # Errors
/// The thread cannot be started.
pub fn follow(
    mut source: impl Read + Send + 'static,
    mut log: Option<File>,
    started: Instant,
) -> std::io::Result<Receiver<ConsoleLine>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("console".into())
        .spawn(move || {
            let mut splitter = Splitter {
                sender,
                started,
                line: Vec::new(),
            };
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = source.read(&mut buffer) {
                if let Some(file) = &mut log
                    && file.write_all(&buffer[..n]).is_err()
                {
                    tracing::warn!(target: "emu::vm", "the console log cannot be written any more");
                    log = None;
                }
                splitter.push(&buffer[..n]);
            }
            splitter.end();
        })?;
    Ok(receiver)
}

struct Splitter {
    sender: Sender<ConsoleLine>,
    started: Instant,
    line: Vec<u8>,
}

impl Splitter {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' || self.line.len() >= MAX_LINE {
                self.end();
            }
            if byte != b'\n' && byte != b'\r' {
                self.line.push(byte);
            }
        }
    }

    fn end(&mut self) {
        if !self.line.is_empty() {
            let text = String::from_utf8_lossy(&self.line).into_owned();
            // Nobody has to listen.
            let _ = self.sender.send(ConsoleLine {
                at: self.started.elapsed(),
                text,
            });
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_the_log_gets_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let bytes = b"one\r\n\r\ntwo \xff\nlast";
        let lines = follow(&bytes[..], Some(File::create(&path).unwrap()), Instant::now()).unwrap();
        let texts: Vec<_> = lines.iter().map(|line| line.text).collect();
        assert_eq!(texts, ["one", "two \u{fffd}", "last"]);
        assert_eq!(std::fs::read(path).unwrap(), bytes);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let bytes = vec![b'x'; MAX_LINE + 5];
        let lines = follow(std::io::Cursor::new(bytes), None, Instant::now()).unwrap();
        let lengths: Vec<_> = lines.iter().map(|line| line.text.len()).collect();
        assert_eq!(lengths, [MAX_LINE, 5]);
    }
}
