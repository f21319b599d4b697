//! Handles 1 and 2, sessions, module handles, current_process.

use emu_local_ap::{Arg, DriverError};
use emu_os::services::{DspConfig, PdKey};
use rpmsg::Aee;
use rpmsg::fastrpc::control::{ATTR_UNSIGNED, Control, MAP_FD, MMAP_ADD_PAGES, MMAP_REMOTE_HEAP};
use rpmsg::fastrpc::{Page, PdHint, Scalars};
use rpmsg::iface::{
    Cap, Kind, Method as _, Payload, current_process, default_listener, handle, listener, remotectl,
};

use crate::support::*;

#[test]
fn attributes_are_those_of_the_profile() {
    let driver = machine(config());
    let session = driver.session(1, 1).unwrap();
    let payload = Payload {
        sc: Scalars(0x0001_0100),
        ins: vec![255u32.to_le_bytes().to_vec()],
        outs: vec![1020],
    };
    // From a session without a process, with client 0 and with a client: both happen.
    for client in [0, 1] {
        let answer = session
            .start_payload(client, 7, handle::ATTRIBUTES, &payload)
            .unwrap()
            .wait(SOON)
            .unwrap();
        assert_eq!(answer.retval, Aee::SUCCESS);
        let words: Vec<u32> = answer.outs[0]
            .chunks(4)
            .map(|w| u32::from_le_bytes(w.try_into().unwrap()))
            .collect();
        assert_eq!((words[0], words[2], words[5]), (1, 4, 0x68));
        assert!(words[8..].iter().all(|&word| word == 0));
    }
}

#[test]
fn release_of_an_unknown_session_succeeds() {
    let driver = machine(config());
    assert_eq!(driver.session(1, 5).unwrap().release().unwrap(), Aee::SUCCESS);
}

#[test]
fn a_session_without_a_process_is_refused() {
    let driver = machine(config());
    let session = driver.session(1, 1).unwrap();
    for handle in [
        handle::LISTENER1,
        handle::REMOTECTL1,
        handle::CURRENT_PROCESS1,
        0x35f0_8490,
        20,
    ] {
        let answer = raw(&session, handle, &Payload::default());
        assert_eq!(answer.retval, Aee::BAD_STATE, "handle {handle:#x}");
    }
    let map = session.grow_heap(4096);
    assert!(
        matches!(map, Err(DriverError::Dsp(Aee::NO_SUCH_PROCESS))),
        "{map:?}"
    );
}

#[test]
fn only_the_kernel_controls_processes() {
    let driver = machine(config());
    let session = driver.session(1, 1).unwrap();
    let payload = Control::Attach { client: 1 }.payload(vec![]);
    assert_eq!(
        raw(&session, handle::PROCESS_CONTROL, &payload).retval,
        Aee::BAD_PERMISSIONS
    );
    assert_eq!(driver.dsp().stats().processes, 0);
}

#[test]
fn a_session_has_one_process() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    assert!(matches!(
        session.create("again", 0),
        Err(DriverError::Dsp(Aee::BAD_STATE))
    ));
    let answer = session.control(&Control::Attach { client: 1 }).unwrap();
    assert_eq!(answer.retval, Aee::BAD_STATE);
    session.release().unwrap();
    session.create("after release", 0).unwrap();
}

#[test]
fn impossible_clients_are_refused() {
    let driver = machine(config());
    for client in [0, -1, i32::MIN] {
        let session = driver.session(1, client).unwrap();
        assert!(matches!(
            session.create("x", ATTR_UNSIGNED),
            Err(DriverError::Dsp(Aee::BAD_PARM))
        ));
    }
}

#[test]
fn sessions_of_one_program_are_told_apart_by_their_banks() {
    // 6.12 gives all sessions of a program one client ID.
    let driver = machine(config());
    let (a, b) = (process(&driver, 2, 152), process(&driver, 3, 152));
    assert_ne!(
        PdKey {
            sid: a.sid(),
            client: a.client()
        },
        PdKey {
            sid: b.sid(),
            client: b.client()
        }
    );
    driver.session(1, 152).unwrap().release().unwrap();
    assert_eq!(driver.dsp().stats().processes_now, 2);
    a.release().unwrap();
    assert_eq!(driver.dsp().stats().processes_now, 1);
    call(&b, handle::LISTENER1, &listener::Init2 {});
    b.release().unwrap();
    assert_eq!(driver.dsp().stats().processes_now, 0);
}

#[test]
fn initial_memory_of_another_session_is_refused() {
    let driver = machine(config());
    let (session, other) = (driver.session(1, 1).unwrap(), driver.session(2, 2).unwrap());
    let memory = other.alloc(2 << 20).unwrap();
    let create = |addr, size| Control::Create {
        with_attributes: false,
        client: 1,
        name: b"x".to_vec(),
        shell_len: 0,
        attrs: 0,
        signature_len: 0,
        memory: Page { addr, size },
    };
    let refused = |control: Control| session.control(&control).unwrap().retval;
    assert_eq!(
        refused(create(other.tagged(memory.iova), memory.len)),
        Aee::BAD_PARM
    );
    assert_eq!(
        refused(create(session.tagged(0xffff_f000), 0x2000)),
        Aee::BAD_PARM
    );
    assert_eq!(refused(create(session.tagged(memory.iova), 0)), Aee::BAD_SIZE);
    assert_eq!(
        refused(create(session.tagged(memory.iova), 1 << 33)),
        Aee::BAD_SIZE
    );
    assert_eq!(driver.dsp().stats().processes, 0);
}

#[test]
fn a_shell_is_accepted_and_not_needed() {
    let driver = machine(config());
    let session = driver.session(1, 1).unwrap();
    let memory = session.alloc(2 << 20).unwrap();
    let shell = b"not an ELF file at all, and nobody minds".to_vec();
    let control = Control::Create {
        with_attributes: true,
        client: 1,
        name: b"x".to_vec(),
        shell_len: shell.len() as u32,
        attrs: ATTR_UNSIGNED,
        signature_len: 0,
        memory: Page {
            addr: session.tagged(memory.iova),
            size: memory.len,
        },
    };
    let payload = control.payload(shell);
    let answer = session
        .start_payload(0, 7, handle::PROCESS_CONTROL, &payload)
        .unwrap()
        .wait(SOON)
        .unwrap();
    assert_eq!(answer.retval, Aee::SUCCESS);
    session.release().unwrap();
}

#[test]
fn static_processes_and_attached_sessions_live_beside_created_ones() {
    let driver = machine(DspConfig {
        label: "adsp".to_owned(),
        ..config()
    });
    let root = driver.session(1, 1).unwrap();
    assert_eq!(
        root.control(&Control::Attach { client: 1 }).unwrap().retval,
        Aee::SUCCESS
    );
    let audio = driver.session(2, 2).unwrap();
    // The heap is a physical address: no session ID.
    let heap = Some(Page {
        addr: 0x7000_0000,
        size: 0x10_0000,
    });
    let control = Control::CreateStatic {
        client: 2,
        name: b"audiopd".to_vec(),
        heap,
    };
    assert_eq!(audio.control(&control).unwrap().retval, Aee::SUCCESS);
    let user = process(&driver, 3, 3);
    assert_eq!(driver.dsp().stats().processes_now, 3);
    for session in [root, audio, user] {
        session.release().unwrap();
    }
    assert_eq!(driver.dsp().stats().processes_now, 0);
}

/// What INIT_ATTACH_SNS and INIT_CREATE_STATIC get on the DSPs that have no such process: an error, and no process.
#[test]
fn a_process_that_the_firmware_does_not_have_is_refused() {
    let attach = |config: DspConfig, domain| {
        let driver = machine(config);
        let answer = driver.session(1, 1).unwrap().attach(domain).unwrap();
        (answer.retval, driver.dsp().stats().processes)
    };
    let create = |config: DspConfig, name: &[u8], heap: Option<(u64, u64)>| {
        let driver = machine(config);
        let control = Control::CreateStatic {
            client: 1,
            name: name.to_vec(),
            heap: heap.map(|(addr, size)| Page { addr, size }),
        };
        let answer = driver.session(1, 1).unwrap().control(&control).unwrap();
        (answer.retval, driver.dsp().stats().processes)
    };
    let on = |label: &str, sensors| DspConfig {
        label: label.to_owned(),
        sensors,
        ..config()
    };
    let (no, yes) = ((Aee::NO_SUCH_PROCESS, 0), (Aee::SUCCESS, 1));
    assert_eq!(attach(on("adsp", false), PdHint::Sensors), no);
    assert_eq!(attach(on("sdsp", true), PdHint::Sensors), yes);
    assert_eq!(attach(on("cdsp", false), PdHint::Root), yes);
    assert_eq!(create(on("cdsp", false), b"audiopd", None), no);
    assert_eq!(create(on("adsp", true), b"oispd", None), no);
    assert_eq!(create(on("adsp", false), b"audiopd", None), yes);
    assert_eq!(
        create(on("adsp", false), b"audiopd", Some((0x7000_0000, 1 << 20))),
        yes
    );
    for heap in [(0, 0x1000), (0x7000_0000, 0), (u64::MAX, 2)] {
        let answer = create(on("adsp", false), b"audiopd", Some(heap));
        assert_eq!(answer, (Aee::BAD_PARM, 0), "{heap:x?}");
    }
}

/// hexagonrpcd: attaches to the sensors' process, registers as default listener, closes that handle, and waits.
#[test]
fn a_sensors_daemon_registers_and_waits_and_is_asked_for_nothing() {
    let driver = machine(DspConfig {
        label: "sdsp".to_owned(),
        sensors: true,
        ..config()
    });
    let session = driver.session(1, 1).unwrap();
    assert_eq!(session.attach(PdHint::Sensors).unwrap().retval, Aee::SUCCESS);
    let opened = open(&session, "adsp_default_listener");
    assert_eq!(opened.error, Aee::SUCCESS);
    let registered = raw(&session, opened.handle, &Payload::default());
    assert_eq!(registered.retval, Aee::SUCCESS);
    let close = remotectl::Close {
        handle: opened.handle,
        error_text: Cap(256),
    };
    assert_eq!(reply(&session, handle::REMOTECTL1, &close).error, Aee::SUCCESS);
    let plain = |payload: Payload| session.start_payload(1, 7, handle::LISTENER, &payload).unwrap();
    plain(listener::Init2 {}.payload(Kind::Plain)).wait(SOON).unwrap();
    let parked = plain(next2(0, -1, vec![], 256).payload(Kind::Plain));
    let second = open(&session, "adsp_default_listener");
    assert_eq!(second.error, Aee::SUCCESS, "other calls are served meanwhile");
    assert_eq!(driver.dsp().stats().reverse_calls, 0);
    session.release().unwrap();
    assert_ne!(
        parked.wait(SOON).unwrap().retval,
        Aee::SUCCESS,
        "ended with the session"
    );
}

#[test]
fn mappings_have_addresses_of_their_own() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let buffer = session.alloc(0x6000).unwrap();
    let mut seen = vec![
        session.grow_heap(0x4000).unwrap(),
        session.grow_heap(0x4000).unwrap(),
    ];
    for (fd, flags) in [(10, 0), (11, 2), (12, 3), (13, 16), (14, 1)] {
        seen.push(session.map(fd, buffer, flags).unwrap());
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all);
    assert!(!seen.contains(&0));
}

#[test]
fn unmapping_needs_the_very_mapping() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let buffer = session.alloc(0x2000).unwrap();
    let va = session.map(10, buffer, MAP_FD).unwrap();
    let heap = session.grow_heap(0x2000).unwrap();
    let mem_unmap = |fd, vaddr| Control::MemUnmap {
        client: 1,
        fd,
        vaddr,
        len: 0x2000,
    };
    let munmap = |vaddr, size| Control::Munmap {
        client: 1,
        vaddr,
        size,
    };
    for wrong in [
        mem_unmap(11, va),
        mem_unmap(10, va + 0x1000),
        mem_unmap(10, heap),
        munmap(heap, 0x1000),
        munmap(va, 0x2000),
        munmap(0, 0x2000),
    ] {
        assert_eq!(
            session.control(&wrong).unwrap().retval,
            Aee::NO_SUCH_MAP,
            "{wrong:?}"
        );
    }
    for right in [mem_unmap(10, va), munmap(heap, 0x2000)] {
        assert_eq!(session.control(&right).unwrap().retval, Aee::SUCCESS, "{right:?}");
        assert_eq!(
            session.control(&right).unwrap().retval,
            Aee::NO_SUCH_MAP,
            "{right:?}"
        );
    }
    let again = session.map(10, buffer, MAP_FD).unwrap();
    assert_eq!(
        session.control(&mem_unmap(-1, again)).unwrap().retval,
        Aee::SUCCESS
    );
}

#[test]
fn remote_heap_comes_without_a_session() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let page = Page {
        addr: 0x79a6_0000,
        size: 0x1_0000,
    };
    let map = |flags| {
        session
            .control(&Control::Mmap {
                client: 1,
                flags,
                vaddr: 0,
                page,
            })
            .unwrap()
    };
    let answer = map(MMAP_REMOTE_HEAP);
    assert_eq!(answer.retval, Aee::SUCCESS);
    let vaddr = u64::from_le_bytes(answer.outs[0][..].try_into().unwrap());
    assert_ne!(vaddr, 0);
    assert_eq!(map(MMAP_ADD_PAGES).retval, Aee::BAD_PARM);
    assert_eq!(map(4).retval, Aee::UNSUPPORTED);
    let unmap = Control::Munmap {
        client: 1,
        vaddr,
        size: page.size,
    };
    assert_eq!(session.control(&unmap).unwrap().retval, Aee::SUCCESS);
}

#[test]
fn daemons_open_the_default_listener_in_both_ways() {
    let driver = machine(config());
    let root = driver.session(1, 1).unwrap();
    root.control(&Control::Attach { client: 1 }).unwrap();
    let first = open(&root, "adsp_default_listener");
    let second = open(&root, "adsp_default_listener");
    assert_eq!((first.error, second.error), (Aee::SUCCESS, Aee::SUCCESS));
    assert_ne!(first.handle, second.handle);
    assert!(first.handle > handle::LAST_RESERVED);
    // Method 0 without arguments for the plain one, method 2 for the other.
    assert_eq!(
        raw(&root, second.handle, &Payload::default()).retval,
        Aee::SUCCESS
    );
    let uri =
        "file:///libadsp_default_listener1_skel.so?adsp_default_listener1_skel_handle_invoke&_modver=1.0";
    let third = open(&root, uri);
    assert_eq!(
        call(&root, third.handle, &default_listener::Register {}).retval,
        Aee::SUCCESS
    );
    assert_eq!(
        raw(&root, third.handle, &Payload::default()).retval,
        Aee::UNSUPPORTED
    );
}

#[test]
fn a_failed_open_is_a_successful_call_without_a_handle() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let long = "x".repeat(5000);
    let cases = [
        ("", Aee::BAD_PARM, ""),
        (&long[..], Aee::BAD_PARM, ""),
        ("file:////etc/passwd?x", Aee::BAD_PARM, "passwd"),
        ("file:///../x.so?x", Aee::BAD_PARM, ".."),
        ("file:///libx_skel.so", Aee::BAD_PARM, "symbol"),
    ];
    for (name, error, word) in cases {
        let reply = open(&session, name);
        assert_eq!((reply.handle, reply.error), (0, error), "{name}");
        assert!(
            reply.error_text.to_lossy().contains(word),
            "{name}: {}",
            reply.error_text
        );
    }
    // The plain interface answers alike.
    let payload = rpmsg::iface::Method::payload(&open_request("file:///x"), rpmsg::iface::Kind::Plain);
    assert_eq!(raw(&session, handle::REMOTECTL, &payload).retval, Aee::SUCCESS);
}

#[test]
fn handles_belong_to_their_process() {
    let driver = machine(config());
    let (a, b) = (process(&driver, 1, 1), process(&driver, 2, 2));
    let opened = open(&a, "adsp_default_listener").handle;
    assert_eq!(raw(&a, opened, &Payload::default()).retval, Aee::SUCCESS);
    assert_eq!(raw(&b, opened, &Payload::default()).retval, Aee::NO_SUCH_MODULE);
    assert_eq!(
        raw(&a, opened + 1, &Payload::default()).retval,
        Aee::NO_SUCH_MODULE
    );
    let close = remotectl::Close {
        handle: opened,
        error_text: rpmsg::iface::Cap(255),
    };
    assert_eq!(reply(&b, handle::REMOTECTL1, &close).error, Aee::NO_SUCH_MODULE);
    assert_eq!(reply(&a, handle::REMOTECTL1, &close).error, Aee::SUCCESS);
    assert_eq!(raw(&a, opened, &Payload::default()).retval, Aee::NO_SUCH_MODULE);
    assert_eq!(reply(&a, handle::REMOTECTL1, &close).error, Aee::NO_SUCH_MODULE);
}

#[test]
fn nothing_new_starts_after_exit() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let opened = open(&session, "adsp_default_listener").handle;
    let va = session.map(10, session.alloc(0x1000).unwrap(), MAP_FD).unwrap();
    assert_eq!(
        call(&session, handle::CURRENT_PROCESS1, &current_process::Exit {}).retval,
        Aee::SUCCESS
    );
    assert_eq!(raw(&session, opened, &Payload::default()).retval, Aee::BAD_STATE);
    assert_eq!(open(&session, "adsp_default_listener").error, Aee::BAD_STATE);
    assert_eq!(
        call(&session, handle::LISTENER1, &listener::Init2 {}).retval,
        Aee::BAD_STATE
    );
    // The library unmaps what it had mapped.
    let unmap = Control::MemUnmap {
        client: 1,
        fd: 10,
        vaddr: va,
        len: 0x1000,
    };
    assert_eq!(session.control(&unmap).unwrap().retval, Aee::SUCCESS);
    assert_eq!(session.release().unwrap(), Aee::SUCCESS);
}

#[test]
fn exception_ends_the_process() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let answer = call(&session, handle::CURRENT_PROCESS1, &current_process::Exception {});
    assert_eq!(answer.retval, Aee::BAD_STATE);
    assert_eq!(open(&session, "libx").handle, 0);
    session.release().unwrap();
}

#[test]
fn current_process_accepts_what_a_library_says_about_itself() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let p1 = handle::CURRENT_PROCESS1;
    assert_eq!(
        call(&session, p1, &current_process::ThreadExit {}).retval,
        Aee::SUCCESS
    );
    assert_eq!(
        call(&session, p1, &current_process::SetQos { latency_us: 100 }).retval,
        Aee::SUCCESS
    );
    assert_eq!(
        call(
            &session,
            p1,
            &current_process::PollMode {
                enable: 1,
                timeout_us: 10_000
            }
        )
        .retval,
        Aee::SUCCESS
    );
    let mask = current_process::SetLoggingParams2 {
        mask: 0x1f,
        files: rpmsg::iface::Texts(vec!["a.c".into()]),
    };
    assert_eq!(call(&session, p1, &mask).retval, Aee::SUCCESS);
    let none = current_process::SetLoggingParams2 {
        mask: 0x1f,
        files: rpmsg::iface::Texts(vec![]),
    };
    assert_eq!(call(&session, p1, &none).retval, Aee::SUCCESS);
    assert_eq!(
        call(&session, p1, &current_process::EnableNotifications {}).retval,
        Aee::UNSUPPORTED
    );
    assert_ne!(reply(&session, p1, &current_process::GetAsid {}).asid, 0);
    let params = remotectl::SetParam {
        request: remotectl::THREAD_PARAMS,
        values: vec![0x8e, 0x4000],
    };
    assert_eq!(call(&session, handle::REMOTECTL1, &params).retval, Aee::SUCCESS);
    let init3 = rpmsg::iface::adspmsgd::Init3 {
        heap_id: 0,
        ion_flags: 0,
        filter: 0x10,
        buffer_size: 0x40000,
    };
    assert_eq!(call(&session, handle::ADSPMSGD1, &init3).retval, Aee::UNSUPPORTED);
}

#[test]
fn a_closed_channel_answers_nothing_and_starts_afresh() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    call(&session, handle::LISTENER1, &listener::Init2 {});
    let parked = start(&session, 9, handle::LISTENER1, &next2(0, -1, vec![], 0));
    driver.dsp().channel_closed();
    let parked = parked
        .poll()
        .expect_err("answered although the channel is closed");
    assert_eq!(
        (driver.dsp().open_calls(), driver.dsp().stats().processes_now),
        (0, 0)
    );
    drop(parked);
    process(&driver, 1, 1).release().unwrap();
    assert_eq!(driver.stray_answers(), 0);
}

#[test]
fn argument_kinds_that_a_service_does_not_take_are_refused() {
    let driver = machine(config());
    let session = process(&driver, 1, 1);
    let buffer = session.alloc(0x1000).unwrap();
    let sc = Scalars::with_handles(5, 0, 0, 1, 0);
    let args = [Arg::Handle(9, buffer, 0, 0x1000)];
    let answer = session
        .start_raw(1, 7, handle::LISTENER1, sc, &args)
        .unwrap()
        .wait(SOON)
        .unwrap();
    assert_eq!(answer.retval, Aee::BAD_PARM);
}
