//! A machine without a guest, and short names for calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use emu_local_ap::{Answer, Client, Driver, PendingCall, Session};
use emu_os::services::{DspConfig, FarfTo};
use hexagon_isa::Arch;
use rpmsg::Aee;
use rpmsg::fastrpc::control::ATTR_UNSIGNED;
use rpmsg::iface::{Cap, Kind, Method, Payload, Reply, Text, handle, listener, remotectl};

/// Long enough for anything that happens at all.
pub const SOON: Duration = Duration::from_secs(120);

pub fn config() -> DspConfig {
    let streams = BTreeMap::from([(1, 0x1001), (2, 0x1002), (3, 0x1003), (4, 0x1004)]);
    let mut config = DspConfig::new("cdsp", Arch::V68, 0x68, streams);
    config.farf = FarfTo::Nobody;
    config
}

pub fn machine(config: DspConfig) -> Arc<Driver> {
    Driver::start(config, 128 << 20).unwrap()
}

/// A session with a process.
pub fn process(driver: &Arc<Driver>, sid: u32, client: i32) -> Arc<Session> {
    let session = driver.session(sid, client).unwrap();
    session.create("test", ATTR_UNSIGNED).unwrap();
    session
}

/// Calls a method of a handle64 interface at a static handle.
pub fn call<M: Method>(session: &Session, handle: u32, method: &M) -> Answer {
    start(session, 7, handle, method).wait(SOON).unwrap()
}

pub fn reply<M: Method>(session: &Session, handle: u32, method: &M) -> M::Reply {
    let answer = call(session, handle, method);
    assert_eq!(answer.retval, Aee::SUCCESS, "{}", M::NAME);
    M::Reply::parse(&answer.outs).unwrap()
}

pub fn start<M: Method>(session: &Session, tid: i32, handle: u32, method: &M) -> PendingCall {
    session
        .start_payload(session.client(), tid, handle, &method.payload(Kind::Handle64))
        .unwrap()
}

/// A call of these buffers.
pub fn raw(session: &Session, handle: u32, payload: &Payload) -> Answer {
    session
        .start_payload(session.client(), 7, handle, payload)
        .unwrap()
        .wait(SOON)
        .unwrap()
}

pub fn open(session: &Session, name: &str) -> remotectl::OpenReply {
    reply(session, handle::REMOTECTL1, &open_request(name))
}

pub fn open_request(name: &str) -> remotectl::Open {
    remotectl::Open {
        name: Text::from(name),
        error_text: Cap(255),
    }
}

pub fn next2(prev_ctx: u32, prev_result: i32, prev_bufs: Vec<u8>, room: u32) -> listener::Next2 {
    listener::Next2 {
        prev_ctx,
        prev_result,
        prev_bufs,
        bufs: Cap(room),
    }
}

/// A client with its listener; what the DSP logs to the guest is collected.
pub fn client(
    driver: &Arc<Driver>,
    sid: u32,
    id: i32,
    directories: &[PathBuf],
) -> (Client, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let on_log = Box::new(move |record: &rpmsg::iface::adspmsgd_apps::LogRecord| {
        sink.lock()
            .unwrap()
            .push(String::from_utf8_lossy(&record.text).into_owned());
    });
    let client = Client::create(driver, sid, id, "test", directories.to_vec(), on_log).unwrap();
    (client, lines)
}

/// Waits until something is so.
#[track_caller]
pub fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The folder of the real skeletons; a test is skipped without.
#[track_caller]
pub fn skeletons() -> Option<PathBuf> {
    test_needs::real_skeletons()
}

/// The folder of our own skeletons, which has that one.
pub fn own_skeleton(name: &str) -> PathBuf {
    static WRITTEN: OnceLock<tempfile::TempDir> = OnceLock::new();
    let written = WRITTEN.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let skeletons = emu_assets::folder("skel").map(|(_, asset)| asset);
        emu_assets::extract(skeletons, dir.path(), host_files::output::Existing::Keep).unwrap();
        dir
    });
    let folder = written.path().join("skel");
    assert!(folder.join(format!("lib{name}_skel.so")).exists());
    folder
}

/// The URI of a skeleton with the usual names.
pub fn uri(name: &str) -> String {
    format!("file:///lib{name}_skel.so?{name}_skel_handle_invoke&_modver=1.0&_dom=cdsp")
}
