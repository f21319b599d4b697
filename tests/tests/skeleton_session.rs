//! What a session's parameters do to its skeleton (tests/programs/session.c): stacks of the threads that serve it, masks of
//! messages; and QuRT by the kit's declarations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use emu_local_ap::{Answer, Arg, Driver};
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::{Kind, Method, Texts, current_process, handle, remotectl};
use tests::assets;
use tests::hexagon::{build_shared, invoke, llvm, llvm_and_emulator};

mod logged_session;
use logged_session::Logged;

const URI: &str = "file:///libsession_skel.so?session_skel_handle_invoke&_modver=1.0";
const SOON: Duration = Duration::from_secs(120);

struct Session {
    _dir: tempfile::TempDir,
    _driver: Arc<Driver>,
    opened: Logged,
}

/// The skeleton in a folder of its own.
fn built(llvm: &Path) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("libsession_skel.so");
    let file = build_shared(llvm, "session", 68, &["-Wl,-z,max-page-size=0x1000"], file);
    (dir, file)
}

/// The skeleton, opened; `None` without a compiler.
#[track_caller]
fn session() -> Option<Session> {
    let Some(llvm) = llvm() else {
        assets::skip_without_tool("there is no clang for Hexagon");
        return None;
    };
    let (dir, _) = built(&llvm);
    let (_driver, opened) = logged_session::open(dir.path(), URI, SOON);
    Some(Session {
        _dir: dir,
        _driver,
        opened,
    })
}

impl Session {
    /// Calls a method of the skeleton from a thread that the DSP has not seen.
    fn call(&self, method: u8, args: &[Arg<'_>], ins: u8, outs: u8) -> Answer {
        let Logged { client, handle, .. } = &self.opened;
        let (session, sc) = (client.session(), Scalars::new(method, ins, outs));
        let call = session.start_raw(session.client(), client.new_tid(), *handle, sc, args);
        call.unwrap().wait(SOON).unwrap()
    }

    fn deep(&self, levels: u32) -> Aee {
        let levels = levels.to_le_bytes();
        self.call(2, &[Arg::In(&levels), Arg::Out(4)], 1, 1).retval
    }

    /// Asks a service of the process.
    #[track_caller]
    fn ask<M: Method>(&self, handle: u32, method: &M) {
        let client = &self.opened.client;
        let (session, payload) = (client.session(), method.payload(Kind::Handle64));
        let call = session.start_payload(session.client(), client.new_tid(), handle, &payload);
        assert_eq!(call.unwrap().wait(SOON).unwrap().retval, Aee::SUCCESS);
    }

    fn stack(&self, bytes: u32) {
        let params = remotectl::SetParam {
            request: remotectl::THREAD_PARAMS,
            values: vec![100, bytes],
        };
        self.ask(handle::REMOTECTL1, &params);
    }
}

#[test]
fn threads_have_the_stack_that_the_program_wants() {
    let Some(small) = session() else { return };
    small.stack(16 << 10);
    assert_eq!(small.deep(20), Aee::SUCCESS);
    // More than 50 KiB: over the end.
    assert_ne!(small.deep(200), Aee::SUCCESS);
    let Some(large) = session() else { return };
    large.stack(1 << 20);
    assert_eq!(large.deep(200), Aee::SUCCESS);
    assert_eq!(large.deep(2000), Aee::SUCCESS);
}

#[test]
fn only_messages_that_the_program_wants_come() {
    let Some(s) = session() else { return };
    let said = |mask: u32, files: &[&str]| {
        let files = Texts(files.iter().map(|&file| file.into()).collect());
        let params = current_process::SetLoggingParams2 { mask, files };
        s.ask(handle::CURRENT_PROCESS1, &params);
        let lines = &s.opened.lines;
        lines.lock().unwrap().clear();
        assert_eq!(s.call(3, &[], 0, 0).retval, Aee::SUCCESS);
        // Messages come in their order, and behind the answer.
        let end = Instant::now() + SOON;
        let lines = loop {
            let all = lines.lock().unwrap().join("\n");
            if all.contains("all said") {
                break all;
            }
            assert!(Instant::now() < end, "no last message in {all}");
            std::thread::yield_now();
        };
        ["low", "high", "error"].map(|level| lines.contains(&format!("runtime {level}")))
    };
    assert_eq!(said(0, &[]), [true; 3]);
    assert_eq!(said(1 << 2, &[]), [false, true, false]);
    assert_eq!(said(0x1f, &["session.c"]), [true; 3]);
    assert_eq!(said(0x1f, &["other.c"]), [false; 3]);
    assert_eq!(said(0, &[]), [true; 3]);
}

/// What `vhost-hexagon invoke` says with the skeleton, if it can be had.
#[track_caller]
fn invoked(args: &[&str]) -> Option<(String, String, i32)> {
    let (_dir, skeleton) = built(&llvm_and_emulator()?);
    Some(invoke(&skeleton, &[&["--uri", URI], args].concat()))
}

#[test]
fn invoke_shows_each_message_once() {
    let Some((_, log, code)) = invoked(&["--method", "3"]) else {
        return;
    };
    assert_eq!(code, 0, "{log}");
    for level in ["low", "high", "error"] {
        let message = format!("runtime {level}");
        assert_eq!(log.matches(&message).count(), 1, "{level}: {log}");
    }
}

#[test]
fn the_kits_qurt_works() {
    let Some((answer, log, code)) = invoked(&["--method", "4", "--out", "u32:8"]) else {
        return;
    };
    assert_eq!((answer.as_str(), code), ("0 77 30 4 5 1 0 8", 0), "{log}");
}
