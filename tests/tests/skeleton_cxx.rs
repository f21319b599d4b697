//! A C++ skeleton (tests/programs/cxx.cc): constructors, static variables that two threads want, and what runs at the end of
//! a process, however that comes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use emu_local_ap::{Client, Driver};
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::{Kind, Method as _, current_process, handle};
use tests::assets;
use tests::hexagon::{build_shared, emulator, invoke, llvm};

mod logged_session;
use logged_session::Logged;

const URI: &str = "file:///libcxx_skel.so?cxx_skel_handle_invoke&_modver=1.0";
const OPTIONS: [&str; 5] = [
    "-fvisibility=hidden",
    "-fno-exceptions",
    "-fno-rtti",
    "-std=c++17",
    "-Wl,-z,max-page-size=0x1000",
];

/// The skeleton in a folder of its own; `None` without a compiler.
#[track_caller]
fn skeleton(options: &[&str]) -> Option<(tempfile::TempDir, PathBuf)> {
    let Some(llvm) = llvm() else {
        assets::skip_without_tool("there is no clang for Hexagon");
        return None;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("libcxx_skel.so");
    let built = build_shared(&llvm, "cxx.cc", 68, &[&OPTIONS[..], options].concat(), file);
    Some((dir, built))
}

/// The parts of a text in the order in which they stand there.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let places: Vec<Option<usize>> = parts.iter().map(|part| text.find(part)).collect();
    assert!(places.iter().all(Option::is_some), "{parts:?} in {text}");
    assert!(places.is_sorted(), "{parts:?} in {text}");
}

#[test]
fn constructors_destructors_and_static_variables_work() {
    let Some((_dir, skeleton)) = skeleton(&["-fuse-init-array"]) else {
        return;
    };
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let (answer, log, code) = invoke(&skeleton, &["--uri", URI, "--method", "2", "--out", "u32:3"]);
    assert_eq!((answer.as_str(), code), ("12 2 144", 0), "{log}");
    in_order(&log, &["atexit", "~Probe 2", "~Probe 1", "destructor"]);
    // Made once: the second thread waited for the first.
    let (answer, log, code) = invoke(&skeleton, &["--uri", URI, "--method", "3", "--out", "u32:3"]);
    assert_eq!((answer.as_str(), code), ("1 1 1", 0), "{log}");
    let (_, log, code) = invoke(&skeleton, &["--uri", URI, "--method", "5"]);
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("needs the variable itself"), "{log}");
}

/// A session of the skeleton with the DSP: what it logs is kept.
fn session(dir: &Path, finish_wait: Duration) -> (Arc<Driver>, Logged) {
    logged_session::open(dir, URI, finish_wait)
}

fn call(client: &Client, handle: u32, method: u8) {
    let (session, sc) = (client.session(), Scalars::new(method, 0, 0));
    let call = session.start_raw(session.client(), client.new_tid(), handle, sc, &[]);
    assert_eq!(
        call.unwrap().wait(Duration::from_secs(120)).unwrap().retval,
        Aee::SUCCESS
    );
}

/// The library ends a session without closing what it has open.
#[test]
fn a_process_that_ends_in_order_runs_what_is_to_run_at_its_end() {
    let Some((dir, _)) = skeleton(&["-fuse-init-array"]) else {
        return;
    };
    let (_driver, Logged { client, lines, .. }) = session(dir.path(), Duration::from_secs(120));
    client.exit().unwrap();
    in_order(
        &lines.lock().unwrap().join("\n"),
        &["~Probe 2", "~Probe 1", "destructor"],
    );
}

#[test]
fn a_finaliser_that_never_returns_does_not_keep_the_process() {
    let Some((dir, _)) = skeleton(&["-fuse-init-array"]) else {
        return;
    };
    let (driver, Logged { client, handle, .. }) = session(dir.path(), Duration::from_millis(20));
    call(&client, handle, 4);
    client.exit().unwrap();
    assert_eq!(
        (driver.dsp().open_calls(), driver.dsp().stats().processes_now),
        (0, 0)
    );
}

/// However often the AP asks, what runs at the end runs once, and one thread of ours waits for it.
#[test]
fn a_process_that_exits_already_refuses_to_exit() {
    let Some((dir, _)) = skeleton(&["-fuse-init-array"]) else {
        return;
    };
    let (
        driver,
        Logged {
            client,
            handle: opened,
            ..
        },
    ) = session(dir.path(), Duration::from_secs(120));
    call(&client, opened, 4);
    let session = client.session();
    let exit = || {
        let (tid, payload) = (client.new_tid(), current_process::Exit {}.payload(Kind::Handle64));
        let call = session.start_payload(session.client(), tid, handle::CURRENT_PROCESS1, &payload);
        call.unwrap()
    };
    let first = exit();
    for _ in 0..10 {
        let again = exit().wait(Duration::from_secs(60)).unwrap();
        assert_eq!(again.retval, Aee::BAD_STATE);
    }
    assert!(first.poll().is_err());
    client.kill().unwrap();
    assert_eq!(driver.dsp().stats().processes_now, 0);
}

/// Nobody is left who could serve what would run.
#[test]
fn a_process_whose_program_was_killed_runs_nothing_more() {
    let Some((dir, _)) = skeleton(&["-fuse-init-array"]) else {
        return;
    };
    let (driver, Logged { client, lines, .. }) = session(dir.path(), Duration::from_secs(120));
    client.kill().unwrap();
    assert_eq!(driver.dsp().stats().processes_now, 0);
    assert!(!lines.lock().unwrap().join("\n").contains("destructor"));
}
