//! Stock kernels, their own QMI clients, our DSP: a device of the audio services comes and goes with the audio protection
//! domain, through a change of the domain itself and a restart of the DSP; a stop is
//! answered through SSCTL, and nothing in the kernel's log says that anybody waited in vain.

use emu_machine::vm::Vm;
use tests::assets;
use tests::guest::{HANG, board};

/// Prints a mark for each state it has waited for, and one where the host is to change the domain.
const SCRIPT: &str = r#"
device() { ls /sys/bus/aprbus/devices | grep -q aprsvc; }
until_there() { n=0; until device; do n=$((n + 1)); [ $n -gt 1500 ] && echo "@never $1" && return; sleep 0.2; done; echo "@there $1"; }
until_gone() { n=0; while device; do n=$((n + 1)); [ $n -gt 1500 ] && echo "@never $1" && return; sleep 0.2; done; echo "@gone $1"; }
for r in /sys/class/remoteproc/*; do
    grep -q adsp $r/firmware && adsp=$r
done
until_there boot
echo @down
until_gone down
echo @up
until_there up
echo stop >$adsp/state || echo @failed stop
until_gone stop
echo start >$adsp/state || echo @failed start
until_there start
echo @log
dmesg | grep -iE 'timeout waiting|timed out|sysmon|ssctl|ipcrouter|qrtr|PDR|announce|handling packet|qmi|aprsvc|idr_alloc'
echo @end
"#;

/// The guest with the script, its kernel's name; `None` (said on stderr) where it cannot run.
fn guest(series: &str) -> Option<Vm> {
    let (builder, kernel) = board(series, SCRIPT)?;
    let modules = kernel.dir.join("modules");
    if !modules.join("q6core.ko").is_file() {
        assets::skip("the kernel in the cache has no audio modules: it was fetched by an older setup");
        return None;
    }
    Some(builder.spawn().unwrap())
}

fn change(vm: &Vm, up: bool) {
    let adsp = vm
        .devices()
        .iter()
        .find(|device| device.label() == "adsp")
        .unwrap();
    adsp.subsystem().set_pd("msm/adsp/audio_pd", up).unwrap();
}

fn domains_come_and_go(series: &str) {
    let Some(mut vm) = guest(series) else { return };
    let (mut console, mut marks) = (String::new(), Vec::new());
    while marks.last().is_none_or(|mark| mark != "@end") {
        match vm.next_line(HANG) {
            Ok(Some(line)) => {
                console = console + &line.text + "\n";
                match line.text.as_str() {
                    "@down" => change(&vm, false),
                    "@up" => change(&vm, true),
                    _ => {}
                }
                if line.text.starts_with('@') {
                    marks.push(line.text);
                }
            }
            end => panic!("{end:?}; the console:\n{console}"),
        }
    }
    let expected = vec![
        "@there boot",
        "@down",
        "@gone down",
        "@up",
        "@there up",
        "@gone stop",
        "@there start",
        "@log",
        "@end",
    ];
    assert_eq!(marks, expected, "{console}");
    let log = console.split("@log").nth(1).unwrap_or_default();
    // "timeout waiting for ssctl service" is what a stop says that was not answered.
    for complaint in [
        "timeout waiting",
        "timed out",
        "failed",
        "invalid",
        "Unable",
        "handling packet",
        "rejected",
    ] {
        assert!(!log.contains(complaint), "`{complaint}` in:\n{log}");
    }
    let heard = "Indication received from msm/adsp/audio_pd, state: 0x";
    assert_eq!(log.matches(heard).count(), 2, "{log}");
}

#[test]
fn on_6_12() {
    domains_come_and_go("6.12");
}

#[test]
fn on_7_3() {
    domains_come_and_go("newest");
}
