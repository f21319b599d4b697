//! Acting on a running device from outside: a Unix socket that takes one JSON object a line and answers with one.
//!
//! | request | what it does | answer |
//! |---|---|---|
//! | `{"do":"status"}` | nothing | `{"dsps":[{"label":…,"state":…,…}]}` |
//! | `{"do":"crash","dsp":LABEL,"reason":TEXT}` | the DSP has a fatal error | `{}` |
//! | `{"do":"watchdog","dsp":LABEL}` | the DSP hangs and its watchdog bites (board platform) | `{}` |
//! | `{"do":"pd","dsp":LABEL,"name":NAME,"state":"up"\|"down"}` | a protection domain of the DSP's own changes (board platform) | `{}` |
//!
//! What cannot be done is answered with `{"error":TEXT}`. Requests may come before the guest runs: a DSP that is off is an
//! error then.

use crate::device::DspDevice;
use crate::device::subsystem::{NotNow, Subsystem};
use host_files::socket::{Listening, SocketError};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest request in bytes.
const MAX_REQUEST: u64 = 64 * 1024;
/// Clients that are served at once; more are hung up on.
const MAX_CLIENTS: usize = 32;
/// How long nobody is accepted after that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How the DSPs are.
    Status,
    /// A fatal error.
    Crash {
        /// Domain label.
        dsp: String,
        /// What the AP's driver prints.
        reason: String,
    },
    /// A watchdog bite.
    Watchdog {
        /// Domain label.
        dsp: String,
    },
    /// A protection domain of the DSP's own.
    Pd {
        /// Domain label.
        dsp: String,
        /// Its name (`msm/adsp/audio_pd`).
        name: String,
        /// What becomes of it.
        state: PdState,
    },
}

/// State of a protection domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PdState {
    /// It runs.
    Up,
    /// It is gone.
    Down,
}

/// Why there is no control socket, or no answer from one.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be made.
    #[error("cannot make the control socket: {0}")]
    Socket(#[from] SocketError),
    /// The host is out of descriptors or threads.
    #[error("cannot serve the control socket: {0}")]
    Host(#[source] std::io::Error),
    /// Nobody answers there.
    #[error(
        "nobody answers at the control socket {path} ({source}): is `vhost-hexagon run --control {path}` running?"
    )]
    Connect {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The answer is none.
    #[error("the answer of the control socket cannot be read: {0}")]
    Answer(String),
    /// It was refused.
    #[error("{0}")]
    Refused(String),
}

/// A control socket. It is gone when this is dropped.
pub struct Control {
    _socket: Listening,
}

impl Control {
    /// Listens at `path` for requests about these devices.
    ///
    /// # Errors
    /// The socket cannot be made, or the host is out of something.
    pub fn listen(path: &Path, devices: &[DspDevice]) -> Result<Self, ControlError> {
        let socket = Listening::at(path)?;
        let listener = socket.listener().map_err(ControlError::Host)?;
        let subsystems: Arc<[Arc<Subsystem>]> =
            devices.iter().map(|device| device.subsystem().clone()).collect();
        std::thread::Builder::new()
            .name("control".into())
            .spawn(move || accept(&listener, &subsystems))
            .map_err(ControlError::Host)?;
        Ok(Self { _socket: socket })
    }
}

/// Serves each client on a thread of its own.
fn accept(listener: &UnixListener, subsystems: &Arc<[Arc<Subsystem>]>) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: whoever waits to be accepted goes on waiting.
            std::thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let Some(place) = Place::take(&clients) else {
            continue;
        };
        let subsystems = subsystems.clone();
        let _ = std::thread::Builder::new().name("control".into()).spawn(move || {
            serve(stream, &subsystems);
            drop(place);
        });
    }
}

/// The place of one client among [`MAX_CLIENTS`]; free again when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(clients: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(clients.clone());
        (clients.fetch_add(1, Ordering::Relaxed) < MAX_CLIENTS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(stream: UnixStream, subsystems: &[Arc<Subsystem>]) {
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(MAX_REQUEST).read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => {}
            _ => return,
        }
        let answer = match serde_json::from_slice(&line) {
            Ok(request) => answer(&request, subsystems),
            Err(error) => Err(format!("not a request: {error}")),
        };
        let answer = answer.unwrap_or_else(|error| serde_json::json!({ "error": error }));
        if writeln!(writer, "{answer}").is_err() || !line.ends_with(b"\n") {
            return;
        }
    }
}

fn answer(request: &Request, subsystems: &[Arc<Subsystem>]) -> Result<serde_json::Value, String> {
    let find = |label: &str| {
        subsystems
            .iter()
            .find(|subsystem| subsystem.label() == label)
            .ok_or_else(|| {
                let labels: Vec<_> = subsystems.iter().map(|subsystem| subsystem.label()).collect();
                format!("there is no DSP {label:?} (there are: {})", labels.join(", "))
            })
    };
    let done = |result: Result<(), NotNow>| match result {
        Ok(()) => Ok(serde_json::json!({})),
        Err(why) => Err(why.to_string()),
    };
    match request {
        Request::Status => {
            let dsps: Vec<_> = subsystems
                .iter()
                .map(|subsystem| {
                    let stats = subsystem.stats();
                    serde_json::json!({
                        "label": subsystem.label(),
                        "state": subsystem.power_state().to_string(),
                        "processes": stats.processes_now,
                        "messages_in": stats.messages_in,
                        "messages_out": stats.messages_out,
                    })
                })
                .collect();
            Ok(serde_json::json!({ "dsps": dsps }))
        }
        Request::Crash { dsp, reason } => done(find(dsp)?.crash(reason)),
        Request::Watchdog { dsp } => done(find(dsp)?.bite()),
        Request::Pd { dsp, name, state } => done(find(dsp)?.set_pd(name, *state == PdState::Up)),
    }
}

/// Sends one request to the control socket at `path` and gives its answer.
///
/// # Errors
/// Nobody is there, or the request is refused.
pub fn ask(path: &Path, request: &Request) -> Result<serde_json::Value, ControlError> {
    let connect = |source| ControlError::Connect {
        path: path.to_owned(),
        source,
    };
    let mut stream = UnixStream::connect(path).map_err(connect)?;
    let text = serde_json::to_string(request).map_err(|e| ControlError::Answer(e.to_string()))?;
    writeln!(stream, "{text}").map_err(connect)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(connect)?;
    let answer: serde_json::Value =
        serde_json::from_str(&line).map_err(|e| ControlError::Answer(e.to_string()))?;
    match answer.get("error").and_then(|error| error.as_str()) {
        Some(error) => Err(ControlError::Refused(error.to_owned())),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_table_says() {
        let read = |text: &str| serde_json::from_str::<Request>(text);
        assert_eq!(read(r#"{"do":"status"}"#).unwrap(), Request::Status);
        assert_eq!(
            read(r#"{"do":"crash","dsp":"cdsp","reason":"x"}"#).unwrap(),
            Request::Crash {
                dsp: "cdsp".into(),
                reason: "x".into()
            }
        );
        assert_eq!(
            read(r#"{"do":"pd","dsp":"adsp","name":"msm/adsp/audio_pd","state":"down"}"#).unwrap(),
            Request::Pd {
                dsp: "adsp".into(),
                name: "msm/adsp/audio_pd".into(),
                state: PdState::Down
            }
        );
        assert!(read(r#"{"do":"crash","dsp":"cdsp"}"#).is_err());
        assert!(read(r#"{"do":"dance"}"#).is_err());
    }

    #[test]
    fn more_clients_than_there_are_places_are_hung_up_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        let _control = Control::listen(&path, &[]).unwrap();
        let served: Vec<_> = (0..MAX_CLIENTS)
            .map(|_| {
                let mut stream = UnixStream::connect(&path).unwrap();
                writeln!(stream, "?").unwrap();
                let mut reader = BufReader::new(stream);
                reader.read_line(&mut String::new()).unwrap();
                reader
            })
            .collect();
        let mut one_more = UnixStream::connect(&path).unwrap();
        assert_eq!(one_more.read(&mut [0]).unwrap(), 0);
        drop(served);
        // Places are free when the threads of those clients have seen their end.
        while ask(&path, &Request::Status).is_err() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn nonsense_is_answered_and_a_dead_socket_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        drop(UnixListener::bind(&path).unwrap());
        let control = Control::listen(&path, &[]).unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"\xff\xfe{\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.contains("not a request"), "{line}");
        let error = ask(&path, &Request::Watchdog { dsp: "cdsp".into() }).unwrap_err();
        assert!(error.to_string().contains("there is no DSP"), "{error}");
        drop(control);
        assert!(
            ask(&path, &Request::Status)
                .unwrap_err()
                .to_string()
                .contains("--control")
        );
    }
}
