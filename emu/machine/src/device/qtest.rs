//! Interrupts through QEMU's qtest socket: a write of the pending bit to the interrupt controller's distributor.
//!
//! Protocol (QEMU docs/devel/testing/qtest.rst): a line `writel ADDRESS VALUE`, answered `OK`. Answers are taken off the
//! socket whenever the next command goes out, and never waited for: QEMU handles commands in order, and a device thread
//! that waited for QEMU's main loop would stall with it.

use super::interrupt::Interrupts;
use super::layout::Irq;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a full socket is waited for before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket, connected when first needed and again when QEMU was restarted.
pub struct Qtest {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stream: Option<UnixStream>,
    /// The failure was reported and nothing worked since.
    failing: bool,
}

impl Qtest {
    /// A client of the socket at `path` (QEMU's `-qtest unix:PATH,server=on,wait=off`), which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    fn send(&self, state: &mut State, line: &[u8]) -> std::io::Result<()> {
        // A connection of an earlier QEMU fails only when used: then a new one is tried, once.
        if let Some(stream) = &mut state.stream
            && transmit(stream, line).is_ok()
        {
            return Ok(());
        }
        state.stream = None;
        let mut stream = UnixStream::connect(&self.path)?;
        // QEMU makes it as its umask says.
        if let Err(error) = host_files::socket::restrict(&self.path) {
            tracing::warn!(
                target: "emu::device", "others may be able to use QEMU's qtest socket {}: {error}", self.path.display()
            );
        }
        stream.set_nonblocking(true)?;
        transmit(&mut stream, line)?;
        state.stream = Some(stream);
        Ok(())
    }
}

impl Interrupts for Qtest {
    fn raise(&self, irq: Irq) {
        let (address, value) = irq.set_pending();
        let line = format!("writel {address:#x} {value:#x}\n");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.send(&mut state, line.as_bytes()) {
            Ok(()) => state.failing = false,
            Err(error) if !state.failing => {
                state.failing = true;
                tracing::warn!(
                    target: "emu::device",
                    "an interrupt did not reach the guest: QEMU's qtest socket {} does not answer ({error}); \
                     QEMU needs `-qtest unix:{},server=on,wait=off`",
                    self.path.display(),
                    self.path.display(),
                );
            }
            Err(_) => {}
        }
    }
}

/// Drops the answers that arrived, then writes the line.
fn transmit(stream: &mut UnixStream, mut line: &[u8]) -> std::io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut answers = [0; 512];
        match stream.read(&mut answers) {
            Ok(0) => return Err(ErrorKind::ConnectionReset.into()),
            Ok(n) => {
                if answers[..n].windows(4).any(|w| w == b"FAIL" || w == b"ERR ") {
                    let text = String::from_utf8_lossy(&answers[..n]);
                    tracing::debug!(target: "emu::device", %text, "qtest refused a command");
                }
                continue;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        match stream.write(line) {
            Ok(n) if n == line.len() => return Ok(()),
            Ok(n) => line = &line[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if Instant::now() > deadline {
                    return Err(ErrorKind::TimedOut.into());
                }
                wait_writable(stream);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn wait_writable(stream: &UnixStream) {
    let mut poll = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: libc::POLLOUT | libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid pollfd is passed with a count of one, and the call does not keep the pointer.
    unsafe { libc::poll(&mut poll, 1, 100) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_command_is_a_line_and_answers_are_taken_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q");
        let listener = UnixListener::bind(&path).unwrap();
        let qtest = Qtest::new(path);
        qtest.raise(Irq::Glink(0));
        let (server, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(server.try_clone().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "writel 0x8000214 0x1000");
        for _ in 0..5000 {
            (&server).write_all(b"OK\n").unwrap();
            qtest.raise(Irq::Glink(1));
            assert_eq!(lines.next().unwrap().unwrap(), "writel 0x8000214 0x2000");
        }
    }

    #[test]
    fn the_socket_is_its_owners_when_it_is_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q");
        let _listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        Qtest::new(path.clone()).raise(Irq::Glink(0));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_new_qemu_on_the_same_path_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q");
        let qtest = Qtest::new(path.clone());
        qtest.raise(Irq::Glink(0)); // nobody there: reported, not fatal
        for _ in 0..2 {
            let listener = UnixListener::bind(&path).unwrap();
            qtest.raise(Irq::Glink(0));
            let (server, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(server).read_line(&mut line).unwrap();
            assert!(line.starts_with("writel "), "{line}");
            drop(listener);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
