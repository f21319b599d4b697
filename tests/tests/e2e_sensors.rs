//! A sensor client in a guest, on a board whose audio DSP has the sensors: it finds the sensor core by the kernel's name service, and
//! is answered as on a board without the sensors' files.

use std::process::Command;

use tests::assets;
use tests::run::Run;

#[test]
fn a_client_finds_the_sensor_core_and_hears_of_no_sensor() {
    if let Err(why) = tests::guest::requirements("newest") {
        return assets::skip(&why);
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("sensor-lookup");
    let compiled = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(assets::workspace().join("tests/guest/sensor_lookup.c"))
        .output();
    let Ok(compiled) = compiled else {
        return assets::skip_without_tool("there is no aarch64-linux-gnu-gcc");
    };
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let file = format!("{}:/vh/bin/sensor-lookup", program.display());
    let script = "echo '@@ lookup'; sensor-lookup accel; echo \"exit $?\"; echo '@@ end'\n";
    let arguments = ["--platform", "board", "--soc", "sm8350", "--file", &file];
    let run = assets::or_skip(Run::boot("sensors", "newest", script, &arguments));
    let Some(run) = run else { return };
    run.section("end");
    let text = run.section("lookup");
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let [core, answer, report, refused, exit] = lines[..] else {
        panic!("{text}")
    };
    assert!(
        matches!(core, "sensor core on node 5" | "sensor core on node 9"),
        "{text}"
    );
    assert_eq!(answer, "answer to 0x20: 0 0");
    assert!(report.starts_with("report 0x2"), "{text}");
    assert!(refused.starts_with("answer to 0x7777: 1 "), "{text}");
    assert_eq!(exit, "exit 0");
}
