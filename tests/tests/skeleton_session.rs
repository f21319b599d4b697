//! What a session's parameters do to its skeleton (tests/programs/session.c): stacks of the threads that serve it, masks of
//! messages; and QuRT by the kit's declarations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emu_local_ap::{Answer, Arg, Client, Driver};
use emu_os::services::{DspConfig, FarfTo};
use hexagon_isa::Arch;
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::{Kind, Method, Texts, current_process, handle, remotectl};
use tests::assets;
use tests::hexagon::{build_shared, emulator, invoke, llvm};

const URI: &str = "file:///libsession_skel.so?session_skel_handle_invoke&_modver=1.0";
const SOON: Duration = Duration::from_secs(120);

struct Session {
    _dir: tempfile::TempDir,
    _driver: Arc<Driver>,
    client: Client,
    handle: u32,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The skeleton, opened; `None` without a compiler.
#[track_caller]
fn session() -> Option<Session> {
    let Some(llvm) = llvm() else {
        assets::skip_without_tool("there is no clang for Hexagon");
        return None;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("libsession_skel.so");
    build_shared(&llvm, "session", 68, &["-Wl,-z,max-page-size=0x1000"], file);
    let mut config = DspConfig::new("cdsp", Arch::V68, 0x68, BTreeMap::from([(1, 0x1001)]));
    config.farf = FarfTo::Guest;
    let driver = Driver::start(config, 128 << 20).unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let on_log = Box::new(move |record: &rpmsg::iface::adspmsgd_apps::LogRecord| {
        let text = String::from_utf8_lossy(&record.text).into_owned();
        sink.lock().unwrap().push(text);
    });
    let client = Client::create(&driver, 1, 1, "test", vec![dir.path().to_owned()], on_log).unwrap();
    let handle = client.open(URI).unwrap();
    Some(Session {
        _dir: dir,
        _driver: driver,
        client,
        handle,
        lines,
    })
}

impl Session {
    /// Calls a method of the skeleton from a thread that the DSP has not seen.
    fn call(&self, method: u8, args: &[Arg<'_>], ins: u8, outs: u8) -> Answer {
        let (session, sc) = (self.client.session(), Scalars::new(method, ins, outs));
        let call = session.start_raw(session.client(), self.client.new_tid(), self.handle, sc, args);
        call.unwrap().wait(SOON).unwrap()
    }

    fn deep(&self, levels: u32) -> Aee {
        let levels = levels.to_le_bytes();
        self.call(2, &[Arg::In(&levels), Arg::Out(4)], 1, 1).retval
    }

    /// Asks a service of the process.
    #[track_caller]
    fn ask<M: Method>(&self, handle: u32, method: &M) {
        let session = self.client.session();
        let payload = method.payload(Kind::Handle64);
        let call = session.start_payload(session.client(), self.client.new_tid(), handle, &payload);
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
        s.lines.lock().unwrap().clear();
        assert_eq!(s.call(3, &[], 0, 0).retval, Aee::SUCCESS);
        // Messages come in their order, and behind the answer.
        std::thread::sleep(Duration::from_millis(200));
        let lines = s.lines.lock().unwrap().join("\n");
        ["low", "high", "error"].map(|level| lines.contains(&format!("runtime {level}")))
    };
    assert_eq!(said(0, &[]), [true; 3]);
    assert_eq!(said(1 << 2, &[]), [false, true, false]);
    assert_eq!(said(0x1f, &["session.c"]), [true; 3]);
    assert_eq!(said(0x1f, &["other.c"]), [false; 3]);
    assert_eq!(said(0, &[]), [true; 3]);
}

/// The skeleton for the program `vhost-hexagon`, if there is one.
#[track_caller]
fn invoked(args: &[&str]) -> Option<(String, String, i32)> {
    let Some(llvm) = llvm() else {
        assets::skip_without_tool("there is no clang for Hexagon");
        return None;
    };
    if !emulator().is_file() {
        assets::skip_without_tool("vhost-hexagon is not built");
        return None;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("libsession_skel.so");
    let skeleton = build_shared(&llvm, "session", 68, &["-Wl,-z,max-page-size=0x1000"], file);
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
