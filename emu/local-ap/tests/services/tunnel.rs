//! The reverse tunnel, seen from a listener.

use std::time::{Duration, Instant};

use emu_local_ap::{PendingCall, Session};
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::{
    Cap, Kind, Method, Payload, Reply, apps_remotectl, apps_std, current_process, handle, listener, tunnel,
};

use crate::support::*;

const URI: &str = "file:///libnothing_skel.so?nothing_skel_handle_invoke&_modver=1.0&_dom=cdsp";
const LISTENER_TID: i32 = 113;

fn listen(session: &Session, call: &listener::Next2) -> PendingCall {
    start(session, LISTENER_TID, handle::LISTENER1, call)
}

fn request(answer: emu_local_ap::Answer) -> listener::Next2Reply {
    assert_eq!(answer.retval, Aee::SUCCESS);
    listener::Next2Reply::parse(&answer.outs).unwrap()
}

/// A process whose listener waits.
fn listening() -> (std::sync::Arc<emu_local_ap::Driver>, std::sync::Arc<Session>) {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    assert_eq!(
        call(&session, handle::LISTENER1, &listener::Init2 {}).retval,
        Aee::SUCCESS
    );
    (driver, session)
}

fn open_pack() -> Vec<u8> {
    let open = apps_remotectl::Open {
        name: "apps_std".into(),
        error_text: Cap(255),
    };
    let payload = open.payload(Kind::Plain);
    tunnel::pack_in(&payload.ins, &payload.outs)
}

/// The reply to the open of a module.
fn module(handle: u32) -> Vec<u8> {
    let reply = apps_remotectl::OpenReply {
        handle,
        error: 0,
        error_text: "libapps_std_skel.so: not found".into(),
    };
    tunnel::pack_out(&reply.encode(&[8, 255]).unwrap())
}

#[test]
fn a_request_is_fetched_in_pieces_and_its_reply_is_taken_once() {
    let (_driver, session) = listening();
    let parked = listen(&session, &next2(0, -1, vec![], 0));
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    let first = request(parked.wait(SOON).unwrap());
    let pack = open_pack();
    assert_eq!(
        (first.ctx, first.handle, first.sc),
        (1, handle::APPS_REMOTECTL, 0x0002_0200)
    );
    assert_eq!((first.bufs_len_req as usize, first.bufs.len()), (41, 0));
    // In two pieces, although the library takes one.
    for (offset, room, piece) in [(0, 20, &pack[..20]), (20, 4096, &pack[20..]), (41, 10, &[][..])] {
        let rest = listener::GetInBufs2 {
            ctx: 1,
            offset,
            bufs: Cap(room),
        };
        let reply = reply(&session, handle::LISTENER1, &rest);
        assert_eq!(reply.bufs_len_req, 41);
        assert_eq!(&reply.bufs[..piece.len()], piece);
    }
    for (ctx, offset) in [(2, 0), (0, 0), (1, -1), (1, 42)] {
        let wrong = listener::GetInBufs2 {
            ctx,
            offset,
            bufs: Cap(16),
        };
        assert_eq!(
            call(&session, handle::LISTENER1, &wrong).retval,
            Aee::BAD_PARM,
            "{ctx} {offset}"
        );
    }
    // The reply's buffer may be longer than the pack.
    let mut reply = module(0);
    reply.resize(4096, 0xAA);
    let second = request(listen(&session, &next2(1, 0, reply, 4096)).wait(SOON).unwrap());
    assert_eq!((second.ctx, second.handle, second.sc), (2, 0, 0x1305_0100));
    // There is no such file.
    let parked = listen(&session, &next2(2, 2, vec![], 4096));
    let opened = opening.wait(SOON).unwrap();
    let opened = rpmsg::iface::remotectl::OpenReply::parse(&opened.outs).unwrap();
    assert_eq!((opened.handle, opened.error), (0, Aee::UNABLE_TO_LOAD));
    assert!(
        opened.error_text.to_lossy().contains("libnothing_skel.so"),
        "{}",
        opened.error_text
    );
    assert!(parked.poll().is_err(), "nothing more is asked");
}

/// hexagonrpcd: its listener is on handle 3, and it ends when it is asked for a method that it does not know.
#[test]
fn a_daemon_is_asked_for_no_files_length() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let parked = |payload: Payload| {
        session
            .start_payload(1, LISTENER_TID, handle::LISTENER, &payload)
            .unwrap()
    };
    let plain = |next: listener::Next2| parked(next.payload(Kind::Plain)).wait(SOON).unwrap();
    parked(listener::Init2 {}.payload(Kind::Plain))
        .wait(SOON)
        .unwrap();
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    let first = request(plain(next2(0, -1, vec![], 256)));
    assert_eq!((first.ctx, first.handle), (1, handle::APPS_REMOTECTL));
    let second = request(plain(next2(1, 0, module(1), 256)));
    assert_eq!((second.ctx, second.handle, second.sc), (2, 1, 0x1305_0100));
    let file = apps_std::FopenWithEnvReply { file: 7 };
    let opened = tunnel::pack_out(&file.encode(&[4]).unwrap());
    let third = request(plain(next2(2, 0, opened, 256)));
    assert_eq!((third.ctx, Scalars(third.sc).method()), (3, 4), "fread");
    let fourth = request(plain(next2(3, 9, vec![], 256)));
    assert_eq!((fourth.ctx, Scalars(fourth.sc).method()), (4, 3), "fclose");
    let waiting = parked(next2(4, 0, vec![], 256).payload(Kind::Plain));
    let answer = opening.wait(SOON).unwrap();
    let opened = rpmsg::iface::remotectl::OpenReply::parse(&answer.outs).unwrap();
    assert_eq!(opened.error, Aee::UNABLE_TO_LOAD);
    drop(waiting);
}

#[test]
fn a_lost_request_is_handed_out_again() {
    let (_driver, session) = listening();
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    let lost = request(listen(&session, &next2(0, -1, vec![], 64)).wait(SOON).unwrap());
    // The thread was interrupted before the answer reached it: the same call comes again.
    let again = request(listen(&session, &next2(0, -1, vec![], 64)).wait(SOON).unwrap());
    assert_eq!(lost, again);
    let second = request(
        listen(&session, &next2(again.ctx, 0, module(77), 4096))
            .wait(SOON)
            .unwrap(),
    );
    assert_eq!((second.ctx, second.handle), (2, 77));
    // Interrupted after the reply was taken: it is not taken a second time, and the next request is not lost.
    let again = request(
        listen(&session, &next2(1, 0, module(78), 4096))
            .wait(SOON)
            .unwrap(),
    );
    assert_eq!(second, again);
    let parked = listen(&session, &next2(2, 2, vec![], 4096));
    opening.wait(SOON).unwrap();
    drop(parked);
}

#[test]
fn an_ap_that_ignores_a_request_for_ever_fails_it() {
    let (_driver, session) = listening();
    let mut opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    let mut parked = listen(&session, &next2(0, -1, vec![], 64));
    let (mut answered, end) = (0, Instant::now() + SOON);
    let opened = loop {
        match opening.poll() {
            Ok(opened) => break opened,
            Err(still) => opening = still,
        }
        parked = match parked.poll() {
            Ok(_) => {
                answered += 1;
                listen(&session, &next2(0, -1, vec![], 64))
            }
            Err(still) => still,
        };
        assert!(answered < 100 && Instant::now() < end, "{answered} times");
        std::thread::yield_now();
    };
    assert_eq!(opened.retval, Aee::SUCCESS);
    assert_eq!(
        rpmsg::iface::remotectl::OpenReply::parse(&opened.outs)
            .unwrap()
            .handle,
        0
    );
}

#[test]
fn an_ap_that_fetches_for_ever_fails_the_request() {
    let (_driver, session) = listening();
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    let first = request(listen(&session, &next2(0, -1, vec![], 0)).wait(SOON).unwrap());
    let rest = listener::GetInBufs2 {
        ctx: first.ctx,
        offset: 0,
        bufs: Cap(0),
    };
    let endless = (0..1000)
        .take_while(|_| call(&session, handle::LISTENER1, &rest).retval.is_ok())
        .count();
    assert!(endless < 1000);
    opening.wait(SOON).unwrap();
}

#[test]
fn replies_of_wrong_lengths_fail_the_request() {
    let (_driver, session) = listening();
    for bad in [
        vec![],
        vec![8, 0, 0, 0],
        tunnel::pack_out(&[vec![0; 8], vec![0; 254]]),
    ] {
        let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
        let first = request(listen(&session, &next2(0, -1, vec![], 64)).wait(SOON).unwrap());
        let parked = listen(&session, &next2(first.ctx, 0, bad, 64));
        let opened = opening.wait(SOON).unwrap();
        assert_ne!(
            rpmsg::iface::remotectl::OpenReply::parse(&opened.outs)
                .unwrap()
                .error,
            Aee::SUCCESS
        );
        drop(parked);
    }
}

#[test]
fn the_newest_parked_call_is_the_live_one() {
    let (_driver, session) = listening();
    let old = listen(&session, &next2(0, -1, vec![], 64));
    let new = listen(&session, &next2(0, -1, vec![], 64));
    assert_eq!(old.wait(SOON).unwrap().retval, Aee::BAD_STATE);
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    assert_eq!(request(new.wait(SOON).unwrap()).ctx, 1);
    drop(opening);
}

#[test]
fn both_listener_interfaces_are_served_alike() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let plain = |method: &dyn Fn() -> Payload, tid| {
        session
            .start_payload(1, tid, handle::LISTENER, &method())
            .unwrap()
    };
    let init = plain(&|| listener::Init2 {}.payload(Kind::Plain), 1)
        .wait(SOON)
        .unwrap();
    assert_eq!(init.retval, Aee::SUCCESS);
    let parked = plain(&|| next2(0, -1, vec![], 256).payload(Kind::Plain), 1);
    let _opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    assert_eq!(request(parked.wait(SOON).unwrap()).bufs[..41], open_pack());
}

#[test]
fn next2_without_init2_is_refused() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    assert_eq!(
        listen(&session, &next2(0, -1, vec![], 0))
            .wait(SOON)
            .unwrap()
            .retval,
        Aee::BAD_STATE
    );
}

#[test]
fn open_may_come_before_the_listener() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    call(&session, handle::LISTENER1, &listener::Init2 {});
    let first = request(listen(&session, &next2(0, -1, vec![], 64)).wait(SOON).unwrap());
    assert_eq!(first.ctx, 1);
    let _parked = listen(&session, &next2(1, 44, vec![], 64));
    opening.wait(SOON).unwrap();
}

#[test]
fn open_without_any_listener_fails_after_a_while() {
    let mut config = config();
    config.listener_wait = Duration::from_millis(50);
    let driver = machine(config);
    let session = process(&driver, 1, 1);
    let opened = open(&session, URI);
    assert_eq!(opened.handle, 0);
    assert!(
        opened.error_text.to_lossy().contains("listener"),
        "{}",
        opened.error_text
    );
}

#[test]
fn open_fails_at_once_when_the_listener_thread_ends() {
    let (_driver, session) = listening();
    let parked = listen(&session, &next2(0, -1, vec![], 64));
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    request(parked.wait(SOON).unwrap());
    // Threads that this process has never seen end all the time.
    assert_eq!(
        call(
            &session,
            handle::CURRENT_PROCESS1,
            &current_process::ThreadExit {}
        )
        .retval,
        Aee::SUCCESS
    );
    let opening = opening.poll().expect_err("only the listener matters");
    let exit = start(
        &session,
        LISTENER_TID,
        handle::CURRENT_PROCESS1,
        &current_process::ThreadExit {},
    );
    assert_eq!(exit.wait(SOON).unwrap().retval, Aee::SUCCESS);
    opening.wait(SOON).unwrap();
    // A new listener makes it whole again.
    call(&session, handle::LISTENER1, &listener::Init2 {});
    let parked = listen(&session, &next2(0, -1, vec![], 64));
    let _opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    request(parked.wait(SOON).unwrap());
}

#[test]
fn exit_release_and_close_fail_what_is_parked() {
    let (driver, session) = listening();
    let parked = listen(&session, &next2(0, -1, vec![], 64));
    assert_eq!(
        call(&session, handle::CURRENT_PROCESS1, &current_process::Exit {}).retval,
        Aee::SUCCESS
    );
    assert_eq!(parked.wait(SOON).unwrap().retval, Aee::BAD_STATE);
    assert_eq!(
        listen(&session, &next2(0, -1, vec![], 64))
            .wait(SOON)
            .unwrap()
            .retval,
        Aee::BAD_STATE
    );
    session.release().unwrap();

    let session = process(&driver, 2, 2);
    call(&session, handle::LISTENER1, &listener::Init2 {});
    let parked = listen(&session, &next2(0, -1, vec![], 64));
    session.release().unwrap();
    // Answered before the release was.
    assert_eq!(parked.poll().ok().unwrap().retval, Aee::BAD_STATE);
    assert_eq!((driver.dsp().open_calls(), driver.stray_answers()), (0, 0));
}

#[test]
fn release_while_the_ap_works_on_a_request_fails_the_open() {
    let (driver, session) = listening();
    let parked = listen(&session, &next2(0, -1, vec![], 64));
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    request(parked.wait(SOON).unwrap());
    session.release().unwrap();
    opening.wait(SOON).unwrap();
    assert_eq!(driver.dsp().open_calls(), 0);
    // The listener's late reply concerns nobody.
    let late = listen(&session, &next2(1, 0, module(1), 64)).wait(SOON).unwrap();
    assert_eq!(late.retval, Aee::BAD_STATE);
}

#[test]
fn a_reply_of_another_process_is_not_taken() {
    let (driver, session) = listening();
    let other = process(&driver, 2, 2);
    call(&other, handle::LISTENER1, &listener::Init2 {});
    let parked = listen(&session, &next2(0, -1, vec![], 64));
    let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
    assert_eq!(request(parked.wait(SOON).unwrap()).ctx, 1);
    let foreign = listen(&other, &next2(1, 0, module(1), 64));
    assert!(foreign.poll().is_err(), "parked, as a first next2 is");
    assert!(opening.poll().is_err(), "still waits for its own listener");
}

#[test]
fn a_library_is_read_in_chunks_even_without_flen() {
    for has_flen in [true, false] {
        let mut config = config();
        config.library_read.chunk = 1000;
        let driver = machine(config);
        let session = process(&driver, 1, 1);
        call(&session, handle::LISTENER1, &listener::Init2 {});
        let file: Vec<u8> = (0..2500u32).map(|i| i as u8).collect();
        let opening = start(&session, 111, handle::REMOTECTL1, &open_request(URI));
        let mut next = next2(0, -1, vec![], 4096);
        let (mut at, mut calls) = (0usize, Vec::new());
        loop {
            let answer = request(listen(&session, &next).wait(SOON).unwrap());
            let sc = Scalars(answer.sc);
            let (ins, outs) = tunnel::unpack_in(&answer.bufs, sc.in_bufs(), sc.out_bufs()).unwrap();
            let payload = Payload {
                sc,
                ins,
                outs: outs.clone(),
            };
            let mut result = 0;
            let reply = if answer.handle == handle::APPS_REMOTECTL {
                calls.push("open");
                module(9)
            } else {
                let request = apps_std::Request::parse(&payload, Kind::Plain).unwrap();
                calls.push(request.name());
                let outs = match request {
                    apps_std::Request::FopenWithEnv(_) => {
                        apps_std::FopenWithEnvReply { file: 100 }.encode(&outs)
                    }
                    apps_std::Request::Flen(_) if has_flen => apps_std::FlenReply { len: 2500 }.encode(&outs),
                    apps_std::Request::Flen(_) => {
                        result = 0x14;
                        Ok(vec![])
                    }
                    apps_std::Request::Fread(read) => {
                        let n = (read.data.0 as usize).min(file.len() - at);
                        let mut data = file[at..at + n].to_vec();
                        at += n;
                        data.resize(read.data.0 as usize, 0xEE);
                        let eof = u32::from(n < 1000);
                        apps_std::FreadReply {
                            bytes_read: n as u32,
                            eof,
                            data,
                        }
                        .encode(&outs)
                    }
                    _ => Ok(vec![]),
                };
                tunnel::pack_out(&outs.unwrap())
            };
            let last = calls.last() == Some(&"fclose");
            next = next2(answer.ctx, result, if result == 0 { reply } else { vec![] }, 4096);
            if last {
                break;
            }
        }
        let _parked = listen(&session, &next);
        assert_eq!(
            calls,
            [
                "open",
                "fopen_with_env",
                "flen",
                "fread",
                "fread",
                "fread",
                "fclose"
            ]
        );
        // 2500 bytes of nonsense are no library.
        let opened = opening.wait(SOON).unwrap();
        assert_ne!(
            rpmsg::iface::remotectl::OpenReply::parse(&opened.outs)
                .unwrap()
                .error,
            Aee::SUCCESS
        );
        assert_eq!(driver.dsp().stats().bytes_read, 2500);
    }
}
