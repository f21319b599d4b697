//! Skeletons that misbehave in every way, and processes that are killed: each ends alone, with a report, and all calls
//! are answered.

use emu_os::invocation::Arg;
use emu_os::process::State;

use super::host::{Options, Session, finish, skeletons};
use rpmsg::Aee;

/// The calculator with the first words of `calculator_sum` replaced.
fn patched(code: &[u32]) -> Option<Session> {
    let dir = skeletons()?;
    let mut bytes = std::fs::read(dir.join("libcalculator_skel.so")).unwrap();
    // calculator_sum lies at 0x1f48; the segment starts at 0x3000 in the file.
    let at = 0x3000 + 0x1f48;
    for (i, word) in code.iter().enumerate() {
        bytes[at + 4 * i..at + 4 * i + 4].copy_from_slice(&word.to_le_bytes());
    }
    let s = Session::new(Options::new(dir));
    s.file("libpatched_skel.so", bytes);
    Some(s)
}

fn open_patched(s: &Session) -> u32 {
    s.open_uri("file:///libpatched_skel.so?calculator_skel_handle_invoke&_modver=1.0&_idlver=1.2.3")
        .unwrap()
}

fn sum_args(s: &Session) -> Vec<Arg> {
    let one = s.buffer(&1u32.to_le_bytes(), 0).0;
    vec![one.clone(), one, s.buffer(&[0; 8], 0).0]
}

// Encodings by llvm-mc.
const ALLOCFRAME_0: u32 = 0xa09d_c000; // { allocframe(#0) }
const R0_IS_0: u32 = 0x7800_c000; // { r0 = #0 }
const LOAD_R0: u32 = 0x9180_c000; // { r0 = memw(r0+#0) }
const STORE_PC: u32 = 0x6a09_c000; // { r0 = pc }
const STORE_R0: u32 = 0xa180_c000; // { memw(r0+#0) = r0 }
const JUMP_SELF: u32 = 0x5800_c000; // { jump #0 }
const TRAP0: u32 = 0x5400_db0c; // { trap0(#0xdb) }
const ILLEGAL: u32 = 0x0000_c001;

fn crash(code: &[u32]) -> Option<(Session, emu_os::crash::CrashReport)> {
    let s = patched(code)?;
    let handle = open_patched(&s);
    assert_eq!(s.invoke(handle, 0x0202_0100, sum_args(&s)), Aee::GONE.0);
    // Every later call is answered the same way.
    assert_eq!(s.invoke(handle, 0x0202_0100, sum_args(&s)), Aee::GONE.0);
    assert_eq!(
        s.open_uri("file:///libpatched_skel.so?x").unwrap_err().aee.0,
        Aee::GONE.0
    );
    assert_eq!(s.close(handle), Aee::GONE.0);
    assert!(s.process.map_fd(1, 0x1000, 4096, 0, 0).is_err());
    let State::Crashed(report) = s.process.state() else {
        panic!("{:?}", s.process.state())
    };
    Some((s, *report))
}

#[test]
fn a_bad_address_is_reported_with_a_symbolised_backtrace() {
    let Some((s, report)) = crash(&[ALLOCFRAME_0, R0_IS_0, LOAD_R0]) else {
        return;
    };
    assert!(report.cause.contains("Read of 0x00000000: Unmapped"), "{report}");
    let symbols: Vec<&str> = report
        .backtrace
        .iter()
        .filter_map(|f| f.symbol.as_deref())
        .collect();
    assert_eq!(symbols[0], "libpatched_skel.so!calculator_sum+0x8");
    // A static function of a stripped library has no name, and no other function's.
    assert!(symbols[1].starts_with("libpatched_skel.so+0x"), "{report}");
    assert!(
        symbols[2].contains("calculator_skel_handle_invoke+0x"),
        "{report}"
    );
    let at = |frame: usize| report.backtrace[frame].library.as_ref().map(|(_, base)| *base);
    assert!(at(0).is_some_and(|base| report.to_string().contains(&format!("loaded at {base:#010x}"))));
    assert_eq!((at(0), at(3)), (at(2), None));
    assert!(report.backtrace.len() >= 3, "{report}");
    assert_eq!(report.registers.r[0], 0);
    assert!(report.thread_name.starts_with("ap-"));
    assert!(report.packet.contains("memw(r0"), "{report}");
    assert!(s.texts().iter().any(|t| t.contains("crashed")));
}

#[test]
fn text_cannot_be_written() {
    let Some((_, report)) = crash(&[STORE_PC, STORE_R0]) else {
        return;
    };
    assert!(
        report.cause.contains("Write of") && report.cause.contains("Permission"),
        "{report}"
    );
}

#[test]
fn illegal_instructions_and_traps_end_the_process() {
    for (code, cause) in [(ILLEGAL, "illegal"), (TRAP0, "trap0(#219)")] {
        let Some((_, report)) = crash(&[code]) else { return };
        assert!(report.cause.contains(cause), "{report}");
    }
}

#[test]
fn endless_recursion_hits_the_guard_page() {
    // { allocframe(#0) } { jump -4 }
    let Some((_, report)) = crash(&[ALLOCFRAME_0, 0x59ff_fffe]) else {
        return;
    };
    assert!(
        report.cause.contains("Write of") && report.cause.contains("Unmapped"),
        "{report}"
    );
    assert!(report.backtrace.len() <= 64);
}

#[test]
fn killing_is_prompt_in_an_endless_loop_and_answers_everything() {
    let Some(s) = patched(&[JUMP_SELF]) else { return };
    let handle = open_patched(&s);
    let before = s.process.stats().packets;
    let calls: Vec<_> = (0..5)
        .map(|tid| s.start(handle, 0x0202_0100, sum_args(&s), tid % 3))
        .collect();
    while s.process.stats().packets == before {
        std::thread::yield_now();
    }
    s.process.kill();
    assert_eq!(s.process.state(), State::Ended);
    for call in calls {
        assert_eq!(finish(&call), Aee::GONE.0);
    }
    assert_eq!(s.process.stats().mapped, 0);
    assert_eq!(s.process.stats().memory, 0);
    s.process.kill();
    assert_eq!(s.invoke(handle, 0, vec![]), Aee::GONE.0);
}

#[test]
fn a_sleeping_process_is_killed_at_once() {
    let Some(s) = Session::qualcomm() else { return };
    let handle = s.open("hap_example");
    let sleeping = s.start(handle, 0x0a00_0000, vec![], 1);
    s.process.kill();
    assert_eq!(finish(&sleeping), Aee::GONE.0);
}

#[test]
fn a_buffer_that_the_smmu_does_not_know_crashes_only_the_caller() {
    let Some(s) = Session::qualcomm() else { return };
    let other = Session::qualcomm().unwrap();
    let (handle, good) = (s.open("calculator"), other.open("calculator"));
    let mut args = sum_args(&s);
    args[1] = Arg::Buffer {
        iova: 0x1234_5000,
        len: 4,
    };
    assert_eq!(s.invoke(handle, 0x0202_0100, args), Aee::GONE.0);
    let State::Crashed(report) = s.process.state() else {
        panic!("{:?}", s.process.state())
    };
    assert!(report.cause.contains("Smmu"), "{report}");
    assert_eq!(other.invoke(good, 0x0202_0100, sum_args(&other)), 0);
}

#[test]
fn an_open_for_which_there_is_no_thread_fails_and_leaves_the_loader_to_the_next() {
    let Some(dir) = skeletons() else { return };
    let s = Session::new(Options {
        threads: Some(0),
        ..Options::new(dir)
    });
    let uri = "file:///libcalculator_skel.so?calculator_skel_handle_invoke&_modver=1.0&_idlver=1.2.3";
    for _ in 0..2 {
        let error = s.open_uri(uri).unwrap_err();
        assert_eq!(error.aee, Aee::RESOURCE_NOT_FOUND, "{error}");
    }
    let stats = s.process.stats();
    assert_eq!((stats.handles, stats.modules), (0, 0));
}
