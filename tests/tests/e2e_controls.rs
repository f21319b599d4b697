//! What becomes of each control of the unmodified library (`remote_session_control`, `remote_handle64_control`): done, or refused by
//! whoever lacks it. The table is docs/protocol.md#controls-of-the-library.

use tests::assets;
use tests::run::Run;

/// Refused by the library: it has no request for the driver for it.
const UNSUPPORTED: &str = "0x14";
/// The driver refuses the request.
const REFUSED: &str = "0x200";

fn controls(series: &str, soc: &str, polling: &str) {
    if let Err(why) = tests::guest::requirements(series) {
        return assets::skip(&why);
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = tests::guest::program_or_skip("controls", &[], folder.path()) else {
        return;
    };
    let file = format!("{}:/vh/bin/controls", program.display());
    let script = "echo '@@ controls'; controls; echo \"exit $?\"; echo '@@ end'\n";
    let run = Run::boot("controls", series, script, &["--soc", soc, "--file", &file]);
    let Some(run) = assets::or_skip(run) else { return };
    run.section("end");
    let text = run.section("controls");
    let said: Vec<&str> = text.lines().filter(|line| line.contains(" = ")).collect();
    let wanted = [
        "dump = 0".to_owned(),
        format!("notify before = {UNSUPPORTED}"),
        "open = 0".to_owned(),
        format!("notify = {UNSUPPORTED}"),
        "power management = 0".to_owned(),
        "adaptive = 0".to_owned(),
        format!("polling = {polling}"),
        format!("all off = {polling}"),
        // It is no Android: there is no /sys/power/wake_lock.
        "wakelock = 0x6c".to_owned(),
        "notifications = 0, 0".to_owned(),
        "driver signals = 0, 0".to_owned(),
        "type = 0".to_owned(),
        format!("kill = {UNSUPPORTED}"),
        "call = 0".to_owned(),
        "exception = 0".to_owned(),
        "call afterwards = 0x8000040d".to_owned(),
    ];
    assert_eq!(said, wanted, "{text}");
    assert!(
        text.contains("exit 0") && !text.contains("a call failed"),
        "{text}"
    );
    // What was accepted without effect is told.
    let log = std::fs::read_to_string(&run.log).unwrap();
    for line in [
        "setQoS is accepted and has no effect on this DSP",
        "a parameter of a session has no effect here",
        "the AP asked this process to crash",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn controls_are_done_or_refused_on_6_12() {
    controls("6.12", "qcs6490", REFUSED);
}

#[test]
fn controls_are_done_or_refused_on_the_newest() {
    controls("newest", "qcs6490", REFUSED);
}

#[test]
fn the_library_polls_on_a_machine_whose_driver_lets_it() {
    controls("newest", "sm8750", "0");
}
