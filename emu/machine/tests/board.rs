//! The board platform against a QEMU and a remoteproc driver that are played by the test: power, SMP2P, and everything a
//! hostile kernel can leave in SMEM, in the registers and in the carveout. That a real kernel gets through is shown by the
//! guests of `tests/`.

#[allow(dead_code, reason = "device.rs uses the rest")]
mod qemu;

use emu_core::mem::GuestRam;
use emu_machine::device::board::registers::{BOOT_CMD, HALTREQ, RST_EVB};
use emu_machine::device::layout::{CARVEOUT_SIZE, Irq, Layout, PlatformKind, SMEM_SIZE, TCSR_MUTEX_SIZE};
use emu_machine::device::subsystem::PowerState;
use emu_machine::device::tree::IrqPath;
use qemu::{Host, Machine, PATIENCE};
use rpmsg::smem::Smem;
use rpmsg::smp2p::{self, dsp};
use rpmsg::words::{Image, read_bytes};
use std::time::{Duration, Instant};

/// The DSP under test: the first of the profile, cdsp.
const DSP: usize = 0;
const REMOTE: u16 = 5;
const SMP2P_FROM_DSP: u16 = 94;
const CRASH_REASON: u16 = 601;

fn started() -> (Host, Machine) {
    let host = Host::start_on(PlatformKind::Board, IrqPath::Qtest);
    let mut machine = host.machine(DSP);
    machine.start_device();
    (host, machine)
}

/// What `adsp_start` writes last.
fn start(ram: &GuestRam, layout: &Layout) {
    let registers = layout.qdsp6ss(DSP);
    ram.write_u32(registers + RST_EVB, (layout.carveout(DSP) >> 4) as u32)
        .unwrap();
    ram.write_u32(registers + BOOT_CMD, 1).unwrap();
}

/// What `qcom_adsp_shutdown` writes last.
fn reset(ram: &GuestRam, layout: &Layout) {
    ram.write_u32(layout.halt(DSP) + HALTREQ, 0).unwrap();
}

fn smem(ram: &GuestRam, layout: &Layout) -> Smem<Image> {
    let mut bytes = vec![0; SMEM_SIZE as usize];
    ram.read(layout.smem(), &mut bytes).unwrap();
    Smem::new(Image::new(bytes))
}

/// The DSP's SMP2P bits as the kernel would read them.
fn signals(ram: &GuestRam, layout: &Layout) -> Option<u32> {
    let smem = smem(ram, layout);
    let item = smem.item(REMOTE, SMP2P_FROM_DSP).ok().flatten()?;
    let bytes = read_bytes(smem.words(), item.offset, item.size).ok()?;
    let item = smp2p::Item::parse(&bytes).ok().flatten()?;
    Some(item.entries.first()?.value)
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !until() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn wait_for_fatal(ram: &GuestRam, layout: &Layout) -> String {
    wait("the fatal bit", || signals(ram, layout) == Some(dsp::FATAL));
    smem(ram, layout).crash_reason(CRASH_REASON).unwrap().unwrap()
}

#[test]
fn a_carveout_without_firmware_is_a_fatal_error_with_its_reason_until_the_reset() {
    let (host, machine) = started();
    let (ram, layout) = (&machine.ram, &host.layout);
    let unit = host.devices[DSP].subsystem();
    assert_eq!(unit.power_state(), PowerState::Off);
    for _ in 0..3 {
        start(ram, layout);
        let reason = wait_for_fatal(ram, layout);
        assert!(reason.contains("boot header"), "{reason}");
        assert_eq!(unit.power_state(), PowerState::Halted);
        assert!(unit.crash("again").is_err());
        let edge = Irq::Smp2p(DSP).set_pending();
        let edge = (edge.0, u64::from(edge.1));
        while host.interrupts.recv_timeout(PATIENCE).unwrap() != edge {}
        reset(ram, layout);
        wait("the reset", || unit.power_state() == PowerState::Off);
        wait("cleared bits", || signals(ram, layout) == Some(0));
    }
    // The other DSP has nothing to do with it.
    assert_eq!(host.devices[1].subsystem().power_state(), PowerState::Off);
}

#[test]
fn a_boot_address_outside_of_the_carveout_is_refused() {
    let (host, machine) = started();
    let (ram, layout) = (&machine.ram, &host.layout);
    for entry in [0, u32::MAX, (layout.smem() >> 4) as u32] {
        ram.write_u32(layout.qdsp6ss(DSP) + RST_EVB, entry).unwrap();
        ram.write_u32(layout.qdsp6ss(DSP) + BOOT_CMD, 1).unwrap();
        let reason = wait_for_fatal(ram, layout);
        assert!(reason.contains("boot address"), "{reason}");
        reset(ram, layout);
        wait("cleared bits", || signals(ram, layout) == Some(0));
    }
}

#[test]
fn a_guest_that_sleeps_leaves_the_dsp_as_it_is_and_one_that_was_reset_finds_it_off() {
    let (host, mut machine) = started();
    let unit = host.devices[DSP].subsystem();
    start(&machine.ram, &host.layout);
    wait_for_fatal(&machine.ram, &host.layout);
    machine.stop_device();
    machine.start_device();
    machine.settle();
    assert_eq!(unit.power_state(), PowerState::Halted);
    assert_eq!(signals(&machine.ram, &host.layout), Some(dsp::FATAL));
    machine.stop_device();
    host.load(&machine.ram);
    machine.start_device();
    wait("the reset", || unit.power_state() == PowerState::Off);
    start(&machine.ram, &host.layout);
    wait_for_fatal(&machine.ram, &host.layout);
}

#[test]
fn another_memory_is_another_board_even_while_the_dsp_is_off() {
    let (host, mut machine) = started();
    start(&machine.ram, &host.layout);
    wait_for_fatal(&machine.ram, &host.layout);
    reset(&machine.ram, &host.layout);
    wait("the reset", || {
        host.devices[DSP].subsystem().power_state() == PowerState::Off
    });
    machine.set_memory(64 << 20);
    machine.ring();
    start(&machine.ram, &host.layout);
    machine.settle();
    assert_eq!(host.devices[DSP].subsystem().power_state(), PowerState::Off);
    let full = host.layout.ram;
    machine.set_memory(full);
    machine.ring();
    wait_for_fatal(&machine.ram, &host.layout);
}

/// A small generator, so that a failure names its seed and nothing else is needed to repeat it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A word that means something in these structures, or any.
    fn word(&mut self) -> u32 {
        let any = self.next() as u32;
        match any % 8 {
            0 => 0,
            1 => u32::MAX,
            2 => 1 << (self.next() % 32),
            3 => ((self.next() as u32) % 0x20_0000) & !7,
            4 => 0xa5a5,
            5 => 0x2000_0000 | any,
            _ => any,
        }
    }
}

/// Where the structures are that the DSP reads: [start, length).
fn structures(layout: &Layout) -> Vec<(u64, u64)> {
    vec![
        (layout.smem(), 0x400),
        (layout.smem() + 0x4000, 0x1000),
        (layout.smem() + SMEM_SIZE - 0x1000, 0x200),
        (layout.smem(), SMEM_SIZE),
        (layout.tcsr_mutex(), TCSR_MUTEX_SIZE),
        (layout.qdsp6ss(DSP), 0x800),
        (layout.halt(DSP), 0x10),
        (layout.carveout(DSP), 0x1000),
        (layout.carveout(DSP), CARVEOUT_SIZE),
    ]
}

#[test]
fn whatever_stands_in_shared_memory_the_dsp_lives_and_starts_when_it_is_right_again() {
    let (host, machine) = started();
    let (ram, layout) = (&machine.ram, &host.layout);
    let mut random = Random(0x1234_5678_9abc_def1);
    let places = structures(layout);
    for round in 0..60 {
        for _ in 0..random.next() % 200 {
            let (start, len) = places[(random.next() % places.len() as u64) as usize];
            let at = start + ((random.next() % len) & !3);
            ram.write_u32(at, random.word()).unwrap();
        }
        if random.next().is_multiple_of(2) {
            start(ram, layout);
        }
        machine.ring();
        for _ in 0..random.next() % 4 {
            machine.settle();
        }
        if round % 10 == 9 {
            // As after a reset of the machine: everything is as at the beginning.
            reset(ram, layout);
            ram.write_u32(layout.qdsp6ss(DSP) + BOOT_CMD, 0).unwrap();
            wait("the reset", || {
                reset(ram, layout);
                host.devices[DSP].subsystem().power_state() == PowerState::Off
            });
            host.load(ram);
            ram.write(layout.carveout(DSP), &[0; 0x1000]).unwrap();
            start(ram, layout);
            wait_for_fatal(ram, layout);
        }
    }
}
