//! `vhost-hexagon qemu`: somebody else's QEMU command line, with DSPs added.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::assets;
use tests::guest::{HANG, requirements};

/// What syz-manager gives QEMU, less the disk: without a root file system the kernel panics, which ends QEMU.
const ARGUMENTS: [&str; 10] = [
    "-m",
    "512",
    "-smp",
    "1",
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
    "-append",
];

fn start(append: &str) -> Option<Child> {
    let (kernel, _) = assets::or_skip(requirements("newest"))?;
    let child = Command::new(assets::programs().join("vhost-hexagon"))
        .args(["qemu", "--"])
        .args(ARGUMENTS)
        .arg(format!("console=ttyAMA0 {append}"))
        .arg("-kernel")
        .arg(kernel.dir.join("Image"))
        .args([
            "-device",
            "virtio-net-pci,romfile=,netdev=net0",
            "-netdev",
            "user,id=net0",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Some(child.expect("vhost-hexagon starts"))
}

#[test]
fn a_foreign_command_line_has_dsps_and_qemus_end() {
    let Some(child) = start("panic=-1") else { return };
    let output = child.wait_with_output().expect("its output");
    let console = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}{console}");
    assert!(console.contains("Unable to mount root fs"), "{console}");
    // The kernel sees the device tree with the DSPs' memory.
    assert!(
        console.contains("Memory:") && console.contains("K/524288K"),
        "{console}"
    );
}

#[test]
fn a_signal_ends_qemu_too() {
    let Some(mut child) = start("panic=0") else { return };
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let started = lines.any(|line| line.is_ok_and(|line| line.contains("Booting Linux")));
    assert!(started, "the kernel does not start");
    let status = Command::new("kill").arg(child.id().to_string()).status();
    assert!(status.is_ok_and(|status| status.success()));
    let end = Instant::now() + HANG;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    // QEMU takes the signal as an orderly end, or dies of it.
    assert!(matches!(status.code(), Some(0 | 130)), "{status:?}");
    // Its output is closed: nobody holds it any more.
    assert_eq!(lines.filter(Result::is_err).count(), 0);
}
