//! What a connection leaves open. A file of its own, because it counts the descriptors of the whole process: no other test may
//! run beside it.

#[allow(dead_code, reason = "device.rs uses the rest")]
mod qemu;

use emu_machine::device::tree::IrqPath;
use qemu::Host;
use std::os::unix::net::UnixStream;

/// Connections of each kind.
const CONNECTIONS: usize = 50;
/// Descriptors that may come and go meanwhile: the threads of a connection open theirs when the test is already on.
const PASSING: usize = 20;

/// The descriptors of this process while a QEMU is connected to each DSP. A socket serves one QEMU after the other, so those before
/// are over.
fn with_one_qemu_each(host: &Host) -> Vec<String> {
    let _machines = [host.machine(0), host.machine(1)];
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    targets
        .map(|target| target.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn connections_to_the_sockets_of_dsps_leave_no_descriptor_behind() {
    let host = Host::start(IrqPath::Gpio);
    let before = with_one_qemu_each(&host);
    for round in 0..CONNECTIONS {
        let dsp = round % 2;
        drop(UnixStream::connect(host.devices[dsp].socket()).unwrap());
        drop(host.machine(dsp));
        let mut machine = host.machine(dsp);
        machine.start_device();
        machine.ring();
    }
    let after = with_one_qemu_each(&host);
    assert!(
        after.len() < before.len() + PASSING,
        "before {before:#?}\nafter {after:#?}"
    );
}
