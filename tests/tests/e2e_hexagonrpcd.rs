//! Debian's unmodified daemon and command for sensors in guests: hexagonrpcd attaches, registers and serves the DSP's file requests,
//! for a client that shares its session; ssccli (libssc) finds the sensor core and understands what it answers.

use std::path::Path;

use emu_assets::cache::{GuestPackages, HEXAGONRPCD, LIBSSC};
use test_needs::Need;
use tests::assets;
use tests::run::{Run, assert_has};

/// The programs and libraries of a bundle, as `--file` takes them; the test is skipped without it.
#[track_caller]
fn files_or_skip(bundle: GuestPackages) -> Option<Vec<String>> {
    let folder = assets::cache()
        .filter(|cache| cache.has_guest_packages(bundle))
        .map(|cache| cache.guest_packages(bundle));
    let Some(folder) = folder else {
        let why = format!(
            "{} is not in the cache (`cargo xtask setup` fetches it)",
            bundle.name()
        );
        test_needs::skip(Need::GuestPackages, &why);
        return None;
    };
    let mut files = Vec::new();
    for part in [
        "usr/bin",
        "usr/libexec",
        "usr/libexec/hexagonrpc",
        "usr/lib/aarch64-linux-gnu",
    ] {
        let entries = std::fs::read_dir(folder.join(part))
            .into_iter()
            .flatten()
            .flatten();
        let paths = entries.map(|entry| entry.path()).filter(|path| path.is_file());
        files.extend(paths.filter(|path| is_loaded(path)).map(|path| {
            let name = path.strip_prefix(&folder).unwrap();
            format!("{}:/{}", path.display(), name.display())
        }));
    }
    Some(files)
}

/// Libraries are loaded by their links' names; the files behind those are not looked for.
fn is_loaded(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    let links = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut links = links.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    path.is_symlink() || !links.any(|link| link.file_name() == path.file_name())
}

/// `/usr/bin/hexagonrpcd` is Debian's script: it takes its options from the environment.
const DAEMON: &str = r#"
mkdir -p /tmp/firmware/dsp/adsp
cp /vh/skel/libcalculator_skel.so /tmp/firmware/dsp/adsp/
serve() {
    echo "@@ $1"
    # Nothing of the daemon before is to be taken for this one's.
    : >/tmp/said
    hexagonrpcd_fw_dir=/tmp/firmware/ hexagonrpcd_extra="$2 -p /vh/bin/shared-session" hexagonrpcd >/tmp/said 2>&1 &
    n=0
    until grep -q 'client done' /tmp/said; do
        n=$((n + 1))
        [ $n -ge 600 ] && echo "gave up waiting: $1" && break
        sleep 0.1
    done
    cat /tmp/said
    for pid in $(pidof hexagonrpcd); do
        [ -e /proc/$pid/exe ] && readlink /proc/$pid/exe
    done
    echo "@status $1"
    sleep 0.5
    killall hexagonrpcd
    wait
    # The daemon is the script's child, not ours.
    while pidof hexagonrpcd >/dev/null; do sleep 0.1; done
    sleep 0.5
}
serve sensors -s
serve root ""
serve again -s
echo "@status end"
sleep 0.5
echo '@@ kernel'; dmesg | grep -E 'BUG|WARNING|Oops|UBSAN|Unable to handle|Call trace'
echo '@@ end'
"#;

fn daemon(series: &str) {
    if let Err(why) = tests::guest::requirements(series) {
        return assets::skip(&why);
    }
    let folder = tempfile::tempdir().unwrap();
    let (Some(files), Some(client)) = (
        files_or_skip(HEXAGONRPCD),
        tests::guest::program_or_skip("shared-session", &["-static"], folder.path()),
    ) else {
        return;
    };
    let client = format!("{}:/vh/bin/shared-session", client.display());
    let files = files.iter().chain([&client]).flat_map(|file| ["--file", file]);
    let arguments: Vec<&str> = ["-v"].into_iter().chain(files).collect();
    let Some(run) = assets::or_skip(Run::boot("hexagonrpcd", series, DAEMON, &arguments)) else {
        return;
    };
    run.section("end");
    let log = std::fs::read_to_string(&run.log).unwrap();
    for (process, times) in [("sensors", 2), ("root", 1)] {
        let attached = format!("name=\"{process}\" origin=Attached");
        assert_eq!(log.matches(&attached).count(), times, "{process}: {log}");
    }
    for process in ["sensors", "root", "again"] {
        let text = run.section(process);
        for line in [
            "open calculator = 0, error 0",
            "sum = 0, 499500",
            "close = 0",
            "open nowhere = 0, error 0x80000406",
            // It lives on.
            "/usr/libexec/hexagonrpc/hexagonrpcd",
        ] {
            assert_has(text, line);
        }
        let status = run.status(process);
        let adsp = status.iter().find(|dsp| dsp.label == "adsp").expect("an ADSP");
        // The daemon's listener waits for the DSP.
        assert_eq!((adsp.processes, adsp.open_calls), (1, 1), "{process}: {status:?}");
    }
    for dsp in run.status("end") {
        assert_eq!((dsp.processes, dsp.open_calls), (0, 0), "{dsp:?}");
    }
    let kernel = run.section("kernel");
    assert!(kernel.trim().is_empty(), "{kernel}");
}

#[test]
fn hexagonrpcd_serves_the_dsp_on_6_12() {
    daemon("6.12");
}

#[test]
fn hexagonrpcd_serves_the_dsp_on_the_newest() {
    daemon("newest");
}

#[test]
fn libssc_finds_the_sensor_core_and_waits_for_sensors() {
    if let Err(why) = tests::guest::requirements("newest") {
        return assets::skip(&why);
    }
    let Some(files) = files_or_skip(LIBSSC) else {
        return;
    };
    let script = "echo '@@ ssccli'; timeout 8 ssccli -v --sensor accelerometer >/tmp/said 2>&1; cat /tmp/said; echo '@@ end'\n";
    let mut arguments = vec!["--platform", "board", "--soc", "sm8350"];
    arguments.extend(files.iter().flat_map(|file| ["--file", file]));
    let Some(run) = assets::or_skip(Run::boot("libssc", "newest", script, &arguments)) else {
        return;
    };
    run.section("end");
    let text = run.section("ssccli");
    // It asks for the registry's sensor until there is one. The empty list is understood as one, else it would complain.
    let asked = text
        .matches("Polled 'registry' sensor for service availability")
        .count();
    assert!(asked >= 2, "{text}");
    for line in [
        "service = \"ssc\"",
        "message     = \"Report Large\" (0x0022)",
        "Message 768 for sensor 12370169555311111083 12370169555311111083",
    ] {
        assert_has(text, line);
    }
    for bad in ["CRITICAL", "couldn't", "Failed to unpack"] {
        assert!(!text.contains(bad), "{text}");
    }
}
