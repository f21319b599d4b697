//! Sessions that end at any step of their lives, and memory that comes and goes: afterwards everything is as before. In a program of
//! their own, whose files and memory nobody else changes.

// What only the other tests call.
#[path = "../resident/mod.rs"]
mod resident;
#[allow(dead_code)]
#[path = "../services/support.rs"]
mod support;

use emu_local_ap::Arg;
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::fastrpc::control::MAP_FD;
use rpmsg::iface::{Kind, Method as _, current_process, handle};

use resident::resident;
use support::*;

/// `misbehave`'s method that never returns; one word in, one out.
const INFINITE_LOOP: u8 = 10;
/// Its method that gives its number back.
const RETURN_X: u8 = 17;

/// Open files of this process.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A session's life up to one of its steps; then its program is killed.
fn killed_at(step: usize, driver: &std::sync::Arc<emu_local_ap::Driver>, dir: &std::path::Path) {
    if step == 0 {
        // No listener yet.
        process(driver, 1, 7).release().unwrap();
        return;
    }
    let (client, _) = client(driver, 1, 7, &[dir.to_owned()]);
    let session = client.session().clone();
    let word = 0u32.to_le_bytes();
    let args = [Arg::In(&word), Arg::Out(4)];
    if step == 1 {
        return client.kill().unwrap();
    }
    if step == 2 {
        // While its library is being read.
        let opening = start(
            &session,
            111,
            handle::REMOTECTL1,
            &open_request(&uri("misbehave")),
        );
        client.kill().unwrap();
        return drop(opening);
    }
    let skeleton = client.open(&uri("misbehave")).unwrap();
    let sc = |method| Scalars::new(method, 1, 1);
    match step {
        3 => {}
        4 => {
            let answer = client.invoke(skeleton, sc(RETURN_X), &args).unwrap();
            assert_eq!(answer.retval, Aee::SUCCESS);
        }
        5 => {
            let calls = (0..3).map(|n| {
                session
                    .start_raw(7, 200 + n, skeleton, sc(INFINITE_LOOP), &args)
                    .unwrap()
            });
            let calls: Vec<_> = calls.collect();
            client.kill().unwrap();
            return drop(calls);
        }
        6 => client.close(skeleton).unwrap(),
        _ => {
            // While it ends in order.
            let exit = current_process::Exit {}.payload(Kind::Handle64);
            let exit = session
                .start_payload(7, 300, handle::CURRENT_PROCESS1, &exit)
                .unwrap();
            client.kill().unwrap();
            return drop(exit);
        }
    }
    client.kill().unwrap();
}

#[test]
fn five_hundred_programs_killed_at_every_step_leave_nothing() {
    let dir = own_skeleton("misbehave");
    let driver = machine(config());
    let mut before = None;
    for round in 0..500 {
        killed_at(round % 8, &driver, &dir);
        assert_eq!(driver.dsp().stats().processes_now, 0, "round {round}");
        // A call to exit is answered by a thread of its own.
        wait_for("all calls are answered", || driver.dsp().open_calls() == 0);
        if round == 99 {
            before = Some((open_files(), resident()));
        }
    }
    let (files, memory) = before.unwrap();
    // The other test's machine comes and goes.
    assert!(open_files() <= files + 8, "{files} files before");
    let now = resident();
    assert!(now < memory + (8 << 10), "{memory} KiB before, {now} now");
}

#[test]
fn a_gibibyte_comes_and_goes_in_pieces_of_64_mib() {
    const PIECE: u64 = 64 << 20;
    let driver = machine(config());
    let session = process(&driver, 1, 7);
    // The memory is the same each time: it is the DSP's room for it that counts.
    let buffer = session.alloc(PIECE).unwrap();
    let mut first = Vec::new();
    // The DSP has room for less than three times as much.
    for round in 0..8 {
        let mut places = Vec::new();
        for fd in 0..16 {
            let at = session.map(40 + fd, buffer, MAP_FD).unwrap();
            assert!(!places.contains(&at), "round {round}");
            places.push(at);
        }
        if round == 0 {
            first = places.clone();
        }
        assert_eq!(places, first, "round {round}");
        for (fd, at) in (40..).zip(places) {
            session.unmap(fd, at, PIECE).unwrap();
        }
    }
    session.release().unwrap();
    assert_eq!(driver.dsp().stats().processes_now, 0);
}
