//! A sensor client in a guest, on a board whose audio DSP has the sensors: it finds the sensor core by the kernel's name service, and
//! is answered as on a board without the sensors' files.

use tests::assets;
use tests::run::Run;

#[test]
fn a_client_finds_the_sensor_core_and_hears_of_no_sensor() {
    if let Err(why) = tests::guest::requirements("newest") {
        return assets::skip(&why);
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = tests::guest::program_or_skip("sensor-lookup", &["-static"], folder.path()) else {
        return;
    };
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
