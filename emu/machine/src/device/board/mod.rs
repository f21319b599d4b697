//! Board mode: the DSP as a remote processor that the kernel loads, starts, stops and recovers.
//!
//! ```text
//! off ── BOOT_CMD ([`registers`]) ──▶ firmware in the carveout checked and booted, items in SMEM made, FIFO indices zeroed
//!     ──▶ SMP2P ready, handover ──▶ the AP starts GLINK: its FIFO and the indices appear in SMEM, VERSION ──▶ channels
//! stop: SSCTL (QMI) and then the reset, or SMP2P's stop bit, stop-ack and then the reset
//! crash: text in SMEM, SMP2P's fatal bit (or the watchdog's interrupt), then the reset by the AP's recovery
//! ```
//!
//! [`Board`] is what one DSP has of all this beside the session ([`subsystem`](super::subsystem)): registers, SMEM, SMP2P. It does
//! nothing by itself; every effect is an [`Action`].

pub mod channels;
pub mod domain;
pub mod firmware;
pub(super) mod power;
pub mod registers;
pub mod words;

use super::interrupt::Interrupts;
use super::layout::{CARVEOUT_SIZE, Irq, Layout, SMEM_SIZE, TCSR_MUTEX_SIZE};
use super::ring::{GuestRing, RingPlace};
use super::session::Wire;
use domain::Domain;
use emu_core::mem::{Bus, GuestRam};
use emu_os::action::{Action, Place};
use emu_os::services::Dsp;
use firmware::boot::BootError;
use firmware::crash::CrashRecord;
use firmware::{Firmware, FirmwareError};
use hexagon_isa::Arch;
use registers::{Power, Registers};
use rpmsg::fifo::{FifoError, smem as fifo};
use rpmsg::smem::socinfo::{IMAGE_VERSIONS_ITEM, ImageVersion};
use rpmsg::smem::{LOCK_NUMBER, LOCK_STRIDE, Smem, SmemError, TcsrMutex};
use rpmsg::smp2p::{self, AP_ENTRY, DSP_ENTRY, Endpoint, EndpointConfig, Event, ITEM_SIZE, Outcome};
use rpmsg::words::{Outside, Window, read_bytes, write_bytes};
use std::sync::Arc;
use std::time::{Duration, Instant};
use words::RamWords;

/// Why the DSP does not start, or its FIFOs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// SMEM.
    #[error(transparent)]
    Smem(#[from] SmemError),
    /// The AP's GLINK items.
    #[error(transparent)]
    Glink(#[from] fifo::LayoutError),
    /// A FIFO.
    #[error(transparent)]
    Fifo(#[from] FifoError),
    /// SMEM is not in RAM.
    #[error(transparent)]
    Outside(#[from] Outside),
    /// The firmware is damaged, or none.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// The firmware does not become ready.
    #[error(transparent)]
    Boot(#[from] BootError),
}

/// The AP holds the lock around SMEM for microseconds, but the thread that is its processor may not run for longer.
fn wait_for_lock(round: u32) {
    if round < 256 {
        std::hint::spin_loop();
    } else {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// How long a DSP stays off at least after a reset. The kernel's driver waits 1.25 s and more for "ready".
const SETTLING: Duration = Duration::from_millis(200);

/// What a DSP has beside its session.
pub struct Board {
    index: usize,
    domain: &'static Domain,
    ram: GuestRam,
    /// Guest physical address of SMEM.
    smem_base: u64,
    smem: Smem<RamWords>,
    lock: TcsrMutex<RamWords>,
    registers: Registers,
    interrupts: Arc<dyn Interrupts>,
    smp2p: Endpoint,
    /// When the SMP2P bits were cleared by the last reset.
    cleared: Option<Instant>,
    /// What the DSP was started from.
    firmware: Option<Firmware>,
    started: Instant,
    /// What it left of itself when it died.
    record: Option<CrashRecord>,
}

impl Board {
    /// The board around DSP number `index`; none if nothing is known of a DSP with that label.
    pub fn new(
        ram: GuestRam,
        layout: &Layout,
        index: usize,
        label: &str,
        interrupts: Arc<dyn Interrupts>,
    ) -> Option<Self> {
        let domain = Domain::by_label(label)?;
        let lock_words = RamWords::new(ram.clone(), layout.tcsr_mutex(), TCSR_MUTEX_SIZE);
        Some(Self {
            index,
            domain,
            smem_base: layout.smem(),
            smem: Smem::new(RamWords::new(ram.clone(), layout.smem(), SMEM_SIZE)),
            lock: TcsrMutex::new(lock_words, LOCK_NUMBER * LOCK_STRIDE, domain.remote_pid)
                .waiting(wait_for_lock),
            registers: Registers::new(ram.clone(), layout, index),
            interrupts,
            smp2p: Endpoint::new(EndpointConfig::new(domain.remote_pid)),
            cleared: None,
            firmware: None,
            started: Instant::now(),
            record: None,
            ram,
        })
    }

    /// Whether this is the machine's memory.
    pub fn has_memory(&self, ram: &GuestRam) -> bool {
        self.ram.is_same(ram)
    }

    /// What is known of the DSP.
    pub fn domain(&self) -> &'static Domain {
        self.domain
    }

    /// What the AP's driver did since the last look.
    pub fn take_power_requests(&self, running: bool) -> [Option<Power>; 2] {
        self.registers.take_power_requests(running)
    }

    /// The DSP comes out of reset with the boot address `entry`: its SMEM is set up, the firmware in its carveout is checked
    /// and boots.
    ///
    /// # Errors
    /// Whatever keeps it from becoming ready.
    pub fn boot(
        &mut self,
        bus: &Arc<Bus>,
        carveout: u64,
        entry: u64,
        arch: Arch,
    ) -> Result<&Firmware, BoardError> {
        (self.firmware, self.record, self.started) = (None, None, Instant::now());
        self.prepare()?;
        let firmware = Firmware::load(&self.ram, carveout..carveout + CARVEOUT_SIZE, entry)?;
        firmware.boot(bus, arch)?;
        if let Err(error) = self.tell_version(firmware.version()) {
            tracing::warn!(target: "emu::device", %error, "the firmware's version is not in SMEM");
        }
        Ok(self.firmware.insert(firmware))
    }

    /// Puts the firmware's version into SMEM's table of image versions, if there is one (debugfs `qcom_socinfo/*/name`).
    fn tell_version(&self, version: &str) -> Result<(), BoardError> {
        let image = self.domain.image;
        let Some(item) = self.smem.global_item(IMAGE_VERSIONS_ITEM)? else {
            return Ok(());
        };
        let entry = ImageVersion {
            name: version.to_owned(),
            variant: self.domain.label.to_owned(),
            oem: String::new(),
        };
        let table = Window::new(self.smem.words(), item.offset, item.size)?;
        Ok(write_bytes(&table, image.offset(), &entry.encode())?)
    }

    /// The DSP's items are made, its SMP2P bits are 0, and all indices of the FIFOs are 0, so that nothing of the session
    /// before is read again.
    fn prepare(&mut self) -> Result<(), BoardError> {
        let remote = self.domain.remote_pid;
        self.smem
            .allocate(remote, fifo::DSP_TO_AP, fifo::FIFO_SIZE, &self.lock)?;
        self.smem
            .allocate(remote, self.domain.smp2p_inbound, ITEM_SIZE, &self.lock)?;
        fifo::reset(&self.smem, remote)?;
        let peer = self.ap_item();
        let outcome = self.smp2p.start(peer.as_ref());
        self.carry_out(&outcome)
    }

    /// The DSP went into reset: its SMP2P bits are 0, so that they are news when it starts again.
    pub fn stopped(&mut self) {
        if self.signals() != 0 {
            self.cleared = Some(Instant::now());
        }
        self.signal(0);
    }

    /// Whether the AP has had the time to see that the bits are 0. Its driver compares values and not changes: a start that
    /// follows a reset at once, as in a recovery, would set again what it believes to be set still, and "ready" be lost. An
    /// AP that acknowledges restarts is no better: the driver of 6.12 does and compares all the same.
    pub fn is_settled(&self) -> bool {
        self.cleared.is_none_or(|at| at.elapsed() >= SETTLING)
    }

    /// The DSP's SMP2P bits ([`rpmsg::smp2p::dsp`]).
    pub fn signals(&self) -> u32 {
        self.smp2p.value(DSP_ENTRY)
    }

    /// The AP's SMP2P bits ([`rpmsg::smp2p::ap`]) if they have changed.
    pub fn ap_signals(&mut self) -> Option<u32> {
        let item = self.ap_item();
        let outcome = self.smp2p.rang(item.as_ref());
        if let Err(error) = self.carry_out(&outcome) {
            tracing::warn!(target: "emu::device", %error, "SMP2P");
        }
        let value = |event: &Event| match event {
            Event::Value { entry, now, .. } if entry == AP_ENTRY => Some(*now),
            _ => None,
        };
        outcome.events.iter().filter_map(value).next_back()
    }

    /// Both FIFOs, as soon as the AP has made its own.
    ///
    /// # Errors
    /// The AP's items are not what they should be.
    pub(in crate::device) fn wire(&self) -> Result<Option<Wire>, BoardError> {
        let Some(layout) = fifo::Layout::find(&self.smem, self.domain.remote_pid)? else {
            return Ok(None);
        };
        let ring = |place| GuestRing::new(self.ram.clone(), RingPlace::smem(self.smem_base, place));
        let (from_ap, to_ap) = (ring(layout.from_ap), ring(layout.to_ap));
        Ok(Some(Wire::new(from_ap, to_ap)?))
    }

    /// The DSP is about to die, by these actions, if they are such: the crash record in its carveout says what it was doing.
    /// The first look counts, before anything is stopped; a reason may come later.
    pub fn leave_record(&mut self, actions: &[Action], dsp: &Dsp) {
        let reason = |action: &Action| match action {
            Action::CrashReason(text) => Some(text.clone()),
            _ => None,
        };
        let dies = |action: &Action| match action {
            Action::CrashReason(_) | Action::Watchdog => true,
            Action::Smp2p(value) => value & smp2p::dsp::FATAL != 0,
            _ => false,
        };
        let Some(firmware) = self.firmware.as_ref().filter(|_| actions.iter().any(dies)) else {
            return;
        };
        let told = actions.iter().find_map(reason);
        if self.record.is_some() && told.is_none() {
            return;
        }
        let now = self.started.elapsed();
        let record = self.record.get_or_insert_with(|| {
            let watchdog = actions.iter().any(|action| matches!(action, Action::Watchdog));
            let reason = if watchdog {
                "watchdog bite"
            } else {
                "fatal error without a reason"
            };
            CrashRecord::of(dsp, reason, now)
        });
        if let Some(text) = told {
            record.reason = text;
        }
        let log = format!("[{:.6}] fatal: {}\n", now.as_secs_f64(), record.reason);
        let written = firmware.log(&self.ram, &log);
        if let Err(error) = written.and_then(|()| firmware.write_crash(&self.ram, record)) {
            tracing::warn!(target: "emu::device", %error, "the crash record cannot be written");
        }
    }

    /// Carries out an action that only a board knows; others are none of its business.
    pub fn act(&mut self, action: &Action) {
        match action {
            Action::Smp2p(value) => self.signal(*value),
            Action::CrashReason(text) => {
                let item = self.domain.remoteproc.crash_reason_item;
                if let Err(error) = self.smem.set_crash_reason(item, text, &self.lock) {
                    tracing::warn!(target: "emu::device", %error, "the crash reason cannot be told");
                }
            }
            Action::Watchdog => self.interrupts.raise(Irq::Watchdog(self.index)),
            Action::Poke(Place::BootStatus, value) => self.registers.set_boot_status(*value),
            _ => {}
        }
    }

    fn signal(&mut self, value: u32) {
        let outcome = self.smp2p.set(DSP_ENTRY, u32::MAX, value);
        if let Err(error) = self.carry_out(&outcome) {
            tracing::warn!(target: "emu::device", %error, "SMP2P");
        }
    }

    /// The AP's SMP2P item; none before it has made it, or if it makes no sense.
    fn ap_item(&self) -> Option<rpmsg::smp2p::Item> {
        let found = self.smem.item(self.domain.remote_pid, self.domain.smp2p_outbound);
        let item = found.ok().flatten()?;
        let bytes = read_bytes(self.smem.words(), item.offset, item.size.min(ITEM_SIZE)).ok()?;
        match rpmsg::smp2p::Item::parse(&bytes) {
            Ok(item) => item,
            Err(error) => {
                tracing::debug!(target: "emu::device", %error, "the AP's SMP2P item");
                None
            }
        }
    }

    fn carry_out(&self, outcome: &Outcome) -> Result<(), BoardError> {
        if outcome.writes.is_empty() && !outcome.ring {
            return Ok(());
        }
        let found = self
            .smem
            .item(self.domain.remote_pid, self.domain.smp2p_inbound)?;
        if let Some(item) = found {
            outcome.apply(&Window::new(self.smem.words(), item.offset, item.size)?)?;
        }
        if outcome.ring {
            self.interrupts.raise(Irq::Smp2p(self.index));
        }
        Ok(())
    }
}
