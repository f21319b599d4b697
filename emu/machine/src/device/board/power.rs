//! The board platform: when a DSP is started, reset and looked at, and what it does first ([`Platform`]).
//!
//! That the device is started only means that there is somebody to ring, and that it is stopped (a guest that sleeps does that)
//! that there is nobody: a session begins and ends with the DSP's power.

use super::channels::BoardChannels;
use super::registers::Power;
use super::{Board, BoardError};
use crate::device::interrupt::Interrupts;
use crate::device::layout::Layout;
use crate::device::platform::{Platform, Start};
use crate::device::session::{Fault, Wire};
use emu_core::mem::{Bus, GuestRam};
use emu_os::action::Action;
use emu_os::services::{Dsp, DspConfig};
use rpmsg::smp2p;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a DSP that is off looks whether it was started, at first.
const LOOK_SOON: Duration = Duration::from_millis(5);
/// How often, when it has been off for [`LONG_OFF`].
const LOOK_LATE: Duration = Duration::from_millis(20);
/// After this time off nobody waits for a quick start.
const LONG_OFF: Duration = Duration::from_secs(10);
/// How often a DSP that runs looks whether it was reset: nobody rings for that.
const LOOK_RUNNING: Duration = Duration::from_millis(50);

/// One DSP on the board platform.
pub(in crate::device) struct BoardPower {
    layout: Layout,
    index: usize,
    label: String,
    /// Instance of the service through which the AP asks this DSP to shut down.
    ssctl: Option<u8>,
    interrupts: Arc<dyn Interrupts>,
    /// Since the guest first rang in this memory.
    board: Option<Board>,
    next_look: Option<Instant>,
    /// The boot address of a start that waits until the AP has seen the reset before it.
    start: Option<u64>,
    /// Since when the DSP has been off.
    off_since: Instant,
}

impl BoardPower {
    /// DSP number `index`, in reset.
    pub fn new(
        layout: &Layout,
        index: usize,
        label: &str,
        ssctl: Option<u8>,
        interrupts: Arc<dyn Interrupts>,
    ) -> Self {
        Self {
            layout: *layout,
            index,
            label: label.to_owned(),
            ssctl,
            interrupts,
            board: None,
            next_look: None,
            start: None,
            off_since: Instant::now(),
        }
    }

    /// Boots the firmware. The first batches of a DSP that got ready, or of one that did not.
    fn boot(&mut self, bus: &Arc<Bus>, entry: u64, config: &mut DspConfig) -> Option<Vec<Vec<Action>>> {
        let board = self.board.as_mut()?;
        let carveout = self.layout.carveout(self.index);
        Some(match board.boot(bus, carveout, entry, config.arch) {
            Ok(firmware) => {
                config.builtins = firmware.builtins();
                tracing::info!(target: "emu::device", dsp = self.label, firmware = firmware.version(), "the AP's driver started the DSP");
                vec![
                    vec![Action::Smp2p(smp2p::dsp::READY)],
                    vec![Action::Smp2p(smp2p::dsp::READY | smp2p::dsp::HANDOVER)],
                ]
            }
            Err(error) => {
                tracing::warn!(target: "emu::device", dsp = self.label, "the DSP does not start: {error}");
                vec![vec![
                    Action::Halt,
                    Action::CrashReason(error.to_string()),
                    Action::Smp2p(smp2p::dsp::FATAL),
                ]]
            }
        })
    }
}

impl Platform for BoardPower {
    fn set_memory(&mut self, ram: &GuestRam) {
        if self.board.as_ref().is_some_and(|board| !board.has_memory(ram)) {
            // The next doorbell makes another.
            self.machine_reset();
        }
    }

    fn machine_reset(&mut self) {
        (self.board, self.next_look, self.start) = (None, None, None);
    }

    /// A board's DSP has a reset of its own: the guest may only be asleep, and rings again when it wakes. After a reset of the
    /// machine the registers say that the DSP was reset, too.
    fn stops_with_device(&self) -> bool {
        false
    }

    fn rang(&mut self, ram: &GuestRam) {
        if self.board.is_none() {
            let interrupts = self.interrupts.clone();
            self.board = Board::new(ram.clone(), &self.layout, self.index, &self.label, interrupts);
        }
    }

    fn was_reset(&mut self, on: bool) -> bool {
        let Some(board) = &self.board else { return false };
        let waits = self.start.is_some();
        let mut reset = false;
        for power in board.take_power_requests(on || waits).into_iter().flatten() {
            match power {
                Power::Reset => (reset, self.start) = (true, None),
                Power::Start { entry } => self.start = Some(entry),
            }
        }
        reset
    }

    fn reset_done(&mut self) {
        if let Some(board) = &mut self.board {
            board.stopped();
        }
    }

    fn starts(&self, _on: bool) -> bool {
        self.start.is_some() && self.board.as_ref().is_some_and(Board::is_settled)
    }

    fn start(&mut self, bus: &Arc<Bus>, config: &mut DspConfig) -> Option<Start> {
        let entry = self.start.take()?;
        let greeting = self.boot(bus, entry, config)?;
        let channels = BoardChannels::new(self.board.as_ref()?.domain(), self.ssctl, config.sensors);
        Some(Start {
            wire: None,
            edge: channels.edge(),
            channels: Some(channels),
            driver_reloads: false,
            greeting,
        })
    }

    fn session_ended(&mut self) {
        self.off_since = Instant::now();
    }

    fn ap_signals(&mut self) -> Option<u32> {
        self.board.as_mut()?.ap_signals()
    }

    fn dsp_signals(&self) -> u32 {
        self.board.as_ref().map_or(0, Board::signals)
    }

    fn looked(&mut self, now: Instant, on: bool, running: bool) {
        if self.board.is_none() {
            return;
        }
        let off_long = !on && now.duration_since(self.off_since) > LONG_OFF;
        self.next_look = Some(
            now + match (running, off_long) {
                (true, _) => LOOK_RUNNING,
                (false, true) => LOOK_LATE,
                (false, false) => LOOK_SOON,
            },
        );
    }

    fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    fn wire(&self) -> Result<Option<Wire>, Fault> {
        let wire = |board: &Board| -> Result<_, BoardError> { board.wire() };
        Ok(self.board.as_ref().map_or(Ok(None), wire)?)
    }

    fn act(&mut self, action: &Action) {
        if let Some(board) = &mut self.board {
            board.act(action);
        }
    }

    fn before_actions(&mut self, actions: &[Action], dsp: &Dsp) {
        if let Some(board) = &mut self.board {
            board.leave_record(actions, dsp);
        }
    }

    fn crash(&self, reason: &str) -> Vec<Action> {
        vec![
            Action::Halt,
            Action::CrashReason(reason.to_owned()),
            Action::Smp2p(self.dsp_signals() | smp2p::dsp::FATAL),
        ]
    }

    fn watchdog_bite(&self) -> Option<Vec<Action>> {
        Some(vec![Action::Halt, Action::Watchdog])
    }
}
