//! What the real skeletons compute.

use emu_os::invocation::Arg;
use emu_os::process::State;
use rpmsg::Aee;
use rpmsg::fastrpc::control::{MAP_FD, MAP_FD_DELAYED};

use super::host::{Options, Session, finish, skeletons};

/// The calculator's arguments: element count, the elements, room for the result.
fn calculate(s: &Session, handle: u32, method: u32, values: &[i32], out: usize) -> (u32, Vec<u8>) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let (prim, _) = s.buffer(&(values.len() as u32).to_le_bytes(), 0x80);
    let (data, _) = s.buffer(&bytes, 0x7c0);
    let (result, place) = s.buffer(&vec![0xee; out], 0x100);
    let retval = s.invoke(handle, method << 24 | 0x0002_0100, vec![prim, data, result]);
    (retval, s.read(&place, 0x100, out))
}

#[test]
fn calculator_sums_and_finds_the_maximum() {
    let Some(s) = Session::qualcomm() else { return };
    let handle = s.open("calculator");
    assert!(handle > 0x200);
    let values: Vec<i32> = (0..1000).collect();
    assert_eq!(
        calculate(&s, handle, 2, &values, 8),
        (0, 499_500i64.to_le_bytes().to_vec())
    );
    assert_eq!(
        calculate(&s, handle, 3, &values, 4),
        (0, 999i32.to_le_bytes().to_vec())
    );
    assert_eq!(
        calculate(&s, handle, 3, &[5, 7, -9], 4),
        (0, 7i32.to_le_bytes().to_vec())
    );
    // What the skeleton refuses, it refuses itself.
    assert_eq!(calculate(&s, handle, 9, &values, 4).0, Aee::UNSUPPORTED.0);
    assert_eq!(calculate(&s, handle, 2, &values, 4).0, Aee::BAD_PARM.0);
    assert_eq!(s.close(handle), 0);
    assert_eq!(s.close(handle), Aee::NO_SUCH_MODULE.0);
    assert_eq!(s.invoke(handle, 0x0200_0000, vec![]), Aee::NO_SUCH_MODULE.0);
    let texts = s.texts();
    assert!(texts.iter().any(|t| t.contains("sum result 499500")), "{texts:?}");
    assert!(
        texts.iter().any(|t| t.contains("maximum result 999")),
        "{texts:?}"
    );
    let stats = s.process.stats();
    assert_eq!((stats.handles, stats.modules, stats.mapped), (0, 0, 0));
    assert!(stats.packets > 1000 && stats.calls >= 7, "{stats:?}");
}

#[test]
fn two_opens_share_the_library_and_have_their_own_handles() {
    let Some(s) = Session::qualcomm() else { return };
    let (a, b) = (s.open("calculator"), s.open("calculator"));
    assert_ne!(a, b);
    assert_eq!((s.process.stats().modules, s.process.stats().handles), (1, 2));
    assert_eq!(s.close(a), 0);
    assert_eq!(
        calculate(&s, b, 2, &[1, 2, 3], 8),
        (0, 6i64.to_le_bytes().to_vec())
    );
    assert_eq!(s.close(b), 0);
    assert_eq!(s.process.stats().modules, 0);
}

#[test]
fn calculator_works_without_memory_from_the_driver() {
    let Some(dir) = skeletons() else { return };
    let s = Session::new(Options {
        initial: None,
        ..Options::new(dir)
    });
    let handle = s.open("calculator");
    assert_eq!(
        calculate(&s, handle, 2, &[40, 2], 8),
        (0, 42i64.to_le_bytes().to_vec())
    );
}

#[test]
fn many_calls_do_not_make_memory_grow() {
    let Some(s) = Session::qualcomm() else { return };
    let handle = s.open("calculator");
    let bytes: Vec<u8> = (0..16i32).flat_map(i32::to_le_bytes).collect();
    let ((prim, _), (data, _), (out, _)) = (
        s.buffer(&16u32.to_le_bytes(), 0),
        s.buffer(&bytes, 0),
        s.buffer(&[0; 8], 0),
    );
    let args = vec![prim, data, out];
    assert_eq!(s.invoke(handle, 0x0202_0100, args.clone()), 0);
    let before = s.process.stats();
    for _ in 0..300 {
        assert_eq!(s.invoke(handle, 0x0202_0100, args.clone()), 0);
    }
    let after = s.process.stats();
    assert_eq!((before.memory, before.threads), (after.memory, after.threads));
    assert_eq!(after.mapped, 0);
}

#[test]
fn an_older_stub_version_is_fine_and_a_newer_one_is_refused_by_the_skeleton() {
    let Some(s) = Session::qualcomm() else { return };
    let uri = |v: &str| {
        format!("file:///libcalculator_skel.so?calculator_skel_handle_invoke&_modver=1.0&_idlver={v}")
    };
    assert_eq!(s.open_uri(&uri("9.9.9")).unwrap_err().aee, Aee::STUB_SKEL_VERSION);
    assert_eq!(s.process.stats().modules, 0);
    s.open_uri(&uri("1.2.3")).unwrap();
}

#[test]
fn what_cannot_be_opened_is_said_in_one_line() {
    let Some(s) = Session::qualcomm() else { return };
    s.file("cut.so", b"\x7fELF".to_vec());
    for (uri, code, text) in [
        (
            "file:///libnone_skel.so?x&_modver=1.0",
            Aee::UNABLE_TO_LOAD.0,
            "libnone_skel.so: cannot be read: no such file",
        ),
        (
            "file:///cut.so?x",
            Aee::UNABLE_TO_LOAD.0,
            "cut.so: the file is truncated",
        ),
        (
            "file:///libcalculator_skel.so?nothing",
            Aee::NO_SUCH_SYMBOL.0,
            "has no symbol nothing",
        ),
        ("file:////etc/passwd?x", Aee::BAD_PARM.0, "not at absolute names"),
    ] {
        let error = s.open_uri(uri).unwrap_err();
        assert_eq!(error.aee.0, code, "{uri}");
        assert!(error.text.contains(text), "{}", error.text);
    }
    assert_eq!(s.process.state(), State::Running);
    s.open("calculator");
}

#[test]
fn an_undefined_symbol_is_named() {
    let Some(dir) = skeletons() else { return };
    let mut bytes = std::fs::read(dir.join("libcalculator_skel.so")).unwrap();
    let at = bytes.windows(9).position(|w| w == b"strtok_r\0").unwrap();
    bytes[at] = b'q';
    let s = Session::new(Options::new(dir));
    s.file("broken.so", bytes);
    let error = s
        .open_uri("file:///broken.so?calculator_skel_handle_invoke&_modver=1.0")
        .unwrap_err();
    assert_eq!(error.aee, Aee::UNABLE_TO_LOAD);
    assert!(
        error.text.contains("undefined symbols: qtrtok_r"),
        "{}",
        error.text
    );
    assert_eq!(s.process.stats().modules, 0);
}

#[test]
fn bad_arguments_are_refused_before_the_skeleton_runs() {
    let Some(s) = Session::qualcomm() else { return };
    let handle = s.open("calculator");
    let (b, _) = s.buffer(&[0; 8], 0);
    let huge = Arg::Buffer {
        iova: u64::MAX - 100,
        len: 4096,
    };
    let long = Arg::Buffer {
        iova: 0x1000,
        len: 1 << 31,
    };
    let dma = Arg::Handle {
        fd: 3,
        offset: u32::MAX,
        len: 8,
        iova: 0,
    };
    for (sc, args) in [
        (0x0202_0100, vec![]),
        (0x0201_0000, vec![b.clone(), b]),
        (0x0201_0000, vec![huge]),
        (0x0201_0000, vec![long]),
        (0x0201_0000, vec![dma.clone()]),
        (0x0200_0010, vec![dma]),
    ] {
        assert_eq!(s.invoke(handle, sc, args), Aee::BAD_PARM.0, "{sc:#x}");
    }
    assert_eq!(s.process.stats().mapped, 0);
}

#[test]
fn multithreading_sums_in_parallel_and_makes_the_heap_grow() {
    let Some(s) = Session::qualcomm() else { return };
    let handle = s.open("multithreading");
    assert_eq!(s.invoke(handle, 0x0200_0000, vec![]), 0, "{:?}", s.texts());
    // Six arrays of 1 MiB do not fit the 2 MiB that the process was created with.
    let grown: u32 = s.grown().iter().sum();
    assert!(grown >= 4 << 20, "{grown:#x}");
    assert_eq!(s.close(handle), 0);
    assert_eq!(s.process.state(), State::Running);
}

#[test]
fn multithreading_fails_cleanly_when_there_is_no_memory() {
    let Some(dir) = skeletons() else { return };
    let s = Session::new(Options {
        may_grow: false,
        ..Options::new(dir)
    });
    let handle = s.open("multithreading");
    // The skeleton asserts that its allocations succeed.
    assert_eq!(s.invoke(handle, 0x0200_0000, vec![]), Aee::GONE.0);
    let State::Crashed(report) = s.process.state() else {
        panic!("{:?}", s.process.state())
    };
    assert!(report.cause.contains("assertion failed"), "{report}");
}

#[test]
fn multithreading_barriers_and_mutexes_see_priorities() {
    let Some(s) = Session::qualcomm() else { return };
    let handle = s.open("multithreading");
    for method in [3, 4] {
        assert_eq!(
            s.invoke(handle, method << 24, vec![]),
            0,
            "method {method}: {:?}",
            s.texts()
        );
    }
    assert_eq!(s.process.state(), State::Running);
}

#[test]
fn hap_example_methods_succeed() {
    let Some(s) = Session::qualcomm() else { return };
    let handle = s.open("hap_example");
    let word = |v: u32| s.buffer(&v.to_le_bytes(), 0).0;
    let all = |method: u32| s.invoke(handle, method << 24, vec![]);
    // farf_runtime(0), farf_runtime(1)
    for v in [0, 1] {
        assert_eq!(s.invoke(handle, 0x0401_0000, vec![word(v)]), 0);
    }
    // fastrpc_mmap: a descriptor that the driver mapped
    let (_, dma) = s.buffer(&[0; 4096], 0);
    let va = s.process.map_fd(11, dma.iova, 4096, 0, MAP_FD).unwrap();
    let (prim, _) = s.buffer(&[11, 0, 0, 0, 0, 0x10, 0, 0], 0);
    assert_eq!(s.invoke(handle, 0x0701_0000, vec![prim]), 0, "{:?}", s.texts());
    s.process.unmap_fd(11, va, 4096).unwrap();
    // mem_dmahandle: a descriptor that the call carries
    let carried = Arg::Handle {
        fd: 12,
        offset: 0,
        len: 4096,
        iova: dma.iova,
    };
    assert_eq!(s.invoke(handle, 0x0500_0010, vec![carried]), 0, "{:?}", s.texts());
    assert!(!s.process.knows_fd(12));
    // dmahandlev2: the same by HAP_mmap2
    let carried = Arg::Handle {
        fd: 13,
        offset: 0,
        len: 4096,
        iova: dma.iova,
    };
    assert_eq!(s.invoke(handle, 0x0600_0010, vec![carried]), 0, "{:?}", s.texts());
    assert!(!s.process.knows_fd(13));
    // reserve_va: 2 GiB of address space; map_reserve_va: 1 GiB of a descriptor there, and away again.
    const GIB: u32 = 1 << 30;
    let name = s.process.map_fd(14, dma.iova, GIB, 0, MAP_FD_DELAYED).unwrap();
    assert_eq!(all(8), 0, "{:?}", s.texts());
    let (fd, _) = s.buffer(&14u32.to_le_bytes(), 0);
    assert_eq!(s.invoke(handle, 0x0901_0000, vec![fd]), 0, "{:?}", s.texts());
    s.process.unmap_fd(14, name, GIB.into()).unwrap();
    // Of a descriptor that it does not know, it says so.
    let (fd, _) = s.buffer(&14u32.to_le_bytes(), 0);
    assert_eq!(
        s.invoke(handle, 0x0901_0000, vec![fd]),
        Aee::NO_SUCH_MAP.0,
        "{:?}",
        s.texts()
    );
    // perf, power, cache lock, compute resources
    for method in [10, 11, 12, 2, 3] {
        assert_eq!(all(method), 0, "method {method}: {:?}", s.texts());
    }
    assert!(
        s.texts()
            .iter()
            .any(|t| t.ends_with("process id of the caller process= 4711"))
    );
    assert_eq!(s.close(handle), 0);
}

#[test]
fn calls_of_different_ap_threads_overlap() {
    let Some(s) = Session::qualcomm() else { return };
    let (sleeper, calculator) = (s.open("hap_example"), s.open("calculator"));
    // perf sleeps a second; the calculator answers meanwhile.
    let slow = s.start(sleeper, 0x0a00_0000, vec![], 1);
    assert_eq!(calculate(&s, calculator, 2, &[1, 2], 8).0, 0);
    assert!(slow.try_recv().is_err());
    assert_eq!(finish(&slow), 0);
}

#[test]
fn a_process_with_hardly_any_memory_asks_for_all_it_needs() {
    let Some(dir) = skeletons() else { return };
    let s = Session::new(Options {
        initial: Some(4096),
        ..Options::new(dir)
    });
    let handle = s.open("calculator");
    assert_eq!(
        calculate(&s, handle, 2, &[40, 2], 8),
        (0, 42i64.to_le_bytes().to_vec())
    );
    assert!(!s.grown().is_empty());
}

#[test]
fn an_ap_that_gives_no_memory_is_not_asked_for_ever() {
    let Some(dir) = skeletons() else { return };
    for lies in [false, true] {
        let options = Options {
            initial: Some(4096),
            may_grow: false,
            lies,
            ..Options::new(dir.clone())
        };
        let s = Session::new(options);
        let uri = "file:///libcalculator_skel.so?calculator_skel_handle_invoke&_modver=1.0&_idlver=1.2.3";
        assert_eq!(s.open_uri(uri).unwrap_err().aee, Aee::NO_MEMORY);
        assert_eq!(s.process.state(), State::Running);
    }
}
