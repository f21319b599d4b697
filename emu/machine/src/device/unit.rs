//! One DSP as the guest meets it: its memory, its sessions, its timer.
//!
//! A session begins when the guest's driver starts the device and ends when it stops it (reboot, module unload), when
//! QEMU goes away, or when the machine's memory changes: that is the DSP's reset. All processes die, nothing is answered,
//! the FIFO indices are zeroed. FIFO contents wait for the device: a session looks at them once when it begins.
//!
//! On the board platform the device's being started only means that there is somebody to ring, and its being stopped (a guest
//! that sleeps does that) that there is nobody; a session begins and ends with the DSP's power ([`Board`]).

use super::board::Board;
use super::board::channels::BoardChannels;
use super::board::registers::Power;
use super::image::fifos;
use super::interrupt::{Interrupts, SmmuLines};
use super::layout::{Irq, Layout, Platform};
use super::outbox::Queue;
use super::ring::{GuestRing, RingPlace};
use super::session::{Fault, Parts, Session, Surroundings, Wire};
use super::timer::Timer;
use emu_core::mem::{Bus, GuestRam};
use emu_os::action::{Action, Channel, Inbound, Interposer, Observer};
use emu_os::probe::Probe;
use emu_os::services::{Dsp, DspConfig, DspStats};
use rpmsg::glink::EdgeConfig;
use rpmsg::smp2p;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// How often a DSP that is off looks whether it was started, at first.
const LOOK_SOON: Duration = Duration::from_millis(5);
/// The same, when it has been off for [`LONG_OFF`].
const LOOK_LATE: Duration = Duration::from_millis(20);
/// See [`LOOK_LATE`].
const LONG_OFF: Duration = Duration::from_secs(10);
/// How often a DSP that runs looks whether it was reset: nobody rings for that.
const LOOK_RUNNING: Duration = Duration::from_millis(50);

/// How a DSP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// In reset, or nobody has started it yet.
    Off,
    /// It executes.
    Running,
    /// It has crashed or was stopped, and waits for its reset.
    Halted,
}

impl std::fmt::Display for PowerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Running => "running",
            Self::Halted => "halted",
        })
    }
}

/// Why something cannot be done to a DSP now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It does not execute.
    #[error("the DSP {0} does not run")]
    Off(String),
    /// Only a board has it.
    #[error("the DSP {0} has no watchdog: that needs --platform board")]
    NotABoard(String),
    /// No such protection domain.
    #[error("the DSP {0} has no protection domain {1:?}")]
    NoPd(String, String),
}

/// One DSP.
pub struct Unit {
    index: usize,
    config: DspConfig,
    layout: Layout,
    /// Instance of the service through which the AP asks this DSP to shut down (board platform).
    ssctl: Option<u8>,
    interrupts: Arc<dyn Interrupts>,
    outbox_event: EventFd,
    timer: Timer,
    probe: OnceLock<Arc<dyn Probe>>,
    state: Mutex<State>,
}

struct State {
    ram: Option<GuestRam>,
    session: Option<Session>,
    interposer: Option<Box<dyn Interposer>>,
    observers: Vec<Box<dyn Observer>>,
    /// On the board platform, while the device is started.
    board: Option<Board>,
    /// When the board's registers are looked at next.
    look: Option<Instant>,
    /// The boot address of a start that waits until the AP has seen the reset before it.
    start: Option<u64>,
    /// Since when the DSP has been off.
    off_since: Instant,
    /// Counters of sessions that ended.
    past: DspStats,
}

impl Unit {
    /// A DSP without memory.
    ///
    /// # Errors
    /// The host has no file descriptor left.
    pub fn new(
        index: usize,
        config: DspConfig,
        layout: Layout,
        ssctl: Option<u8>,
        interrupts: Arc<dyn Interrupts>,
    ) -> std::io::Result<Arc<Self>> {
        let state = State {
            ram: None,
            session: None,
            interposer: None,
            observers: Vec::new(),
            board: None,
            look: None,
            start: None,
            off_since: Instant::now(),
            past: DspStats::default(),
        };
        Ok(Arc::new(Self {
            index,
            config,
            layout,
            ssctl,
            interrupts,
            outbox_event: EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?,
            timer: Timer::new()?,
            probe: OnceLock::new(),
            state: Mutex::new(state),
        }))
    }

    /// Domain label.
    pub fn label(&self) -> &str {
        &self.config.label
    }

    /// What the DSP is.
    pub fn config(&self) -> &DspConfig {
        &self.config
    }

    /// Readable when [`Unit::outbox_ready`] has something to do.
    pub fn outbox_event(&self) -> &EventFd {
        &self.outbox_event
    }

    /// Readable when [`Unit::timer_ready`] has something to do.
    pub fn timer(&self) -> &Timer {
        &self.timer
    }

    /// Puts something between the DSP and the wire.
    pub fn set_interposer(&self, interposer: Box<dyn Interposer>) {
        let mut state = self.lock();
        state.interposer = Some(interposer);
        self.arm(&state);
    }

    /// Puts something around what stands between the DSP and the wire, if there is anything.
    pub fn wrap_interposer(&self, wrap: impl FnOnce(Option<Box<dyn Interposer>>) -> Box<dyn Interposer>) {
        let mut state = self.lock();
        let inner = state.interposer.take();
        state.interposer = Some(wrap(inner));
        self.arm(&state);
    }

    /// Has somebody watch the wire from now on.
    pub fn add_observer(&self, observer: Box<dyn Observer>) {
        self.lock().observers.push(observer);
    }

    /// Has somebody told when the DSP's threads run calls, in sessions that begin from now on. Only the first stays.
    pub fn set_probe(&self, probe: Arc<dyn Probe>) {
        // Whoever came first goes on.
        let _ = self.probe.set(probe);
    }

    /// The bus of the session that runs, for looking at the SMMU.
    pub fn bus(&self) -> Option<Arc<Bus>> {
        self.lock().session.as_ref().map(|session| session.bus().clone())
    }

    /// Counters over all sessions.
    pub fn stats(&self) -> DspStats {
        let state = self.lock();
        state
            .session
            .as_ref()
            .map_or(state.past, |session| add(state.past, session.stats()))
    }

    /// QEMU told where the machine's memory is. A table with the same regions changes nothing for a running session: its
    /// own mapping is of the same memory.
    pub fn set_memory(&self, ram: GuestRam) {
        let mut state = self.lock();
        if state
            .session
            .as_ref()
            .is_some_and(|session| !session.has_memory(&ram))
        {
            self.end(&mut state, "the machine's memory changed");
        }
        if state.board.as_ref().is_some_and(|board| !board.has_memory(&ram)) {
            // The next doorbell makes another.
            (state.board, state.look, state.start) = (None, None, None);
        }
        if !ram.contains(
            self.layout.reserved(),
            self.layout.image_end() - self.layout.reserved(),
        ) {
            tracing::warn!(
                target: "emu::device", dsp = self.label(),
                "the machine's RAM does not reach the platform's registers at {:#x}: start QEMU with -m {}M",
                self.layout.reserved(), self.layout.ram >> 20
            );
        }
        state.ram = Some(ram);
    }

    /// The machine is gone.
    pub fn forget_memory(&self) {
        self.lock().ram = None;
    }

    /// The guest stopped the device. On the rpm platform that is the DSP's reset. A board's DSP has a reset of its own and
    /// goes on: the guest may only be asleep, and rings again when it wakes. After a reset of the machine its registers say
    /// that it was reset, too.
    pub fn stopped(&self, why: &str) {
        match self.layout.platform {
            Platform::Rpm => self.reset(why),
            Platform::Board => {
                tracing::debug!(target: "emu::device", dsp = self.label(), "{why}: nobody rings now");
            }
        }
    }

    /// The guest is gone, or has reset the DSP.
    pub fn reset(&self, why: &str) {
        let mut state = self.lock();
        self.end(&mut state, why);
        (state.board, state.look, state.start) = (None, None, None);
        self.arm(&state);
    }

    /// The guest rang, or started the device. `running` says whether it still runs, and is asked when no reset can come
    /// between the answer and what follows.
    pub fn doorbell(&self, running: impl FnOnce() -> bool) {
        let mut state = self.lock();
        if !running() {
            return;
        }
        match self.layout.platform {
            Platform::Rpm => self.begin(&mut state),
            Platform::Board => {
                if state.board.is_none()
                    && let Some(ram) = state.ram.clone()
                {
                    state.board = Board::new(
                        ram,
                        &self.layout,
                        self.index,
                        self.label(),
                        self.interrupts.clone(),
                    );
                }
                self.look(&mut state);
            }
        }
        self.with_session(&mut state, Session::receive);
    }

    /// The DSP has put something into its outbox.
    pub fn outbox_ready(&self) {
        let _ = self.outbox_event.read();
        self.with_session(&mut self.lock(), |_, _| Ok(()));
    }

    /// The timer's time has come.
    pub fn timer_ready(&self) {
        self.timer.fired();
        let mut state = self.lock();
        let now = Instant::now();
        if state.look.is_some_and(|at| at <= now) {
            self.look(&mut state);
        }
        let due = match &mut state.interposer {
            Some(interposer) if interposer.deadline().is_some_and(|at| at <= now) => interposer.due(now),
            _ => Vec::new(),
        };
        if due.is_empty() {
            return self.arm(&state);
        }
        self.with_session(&mut state, |session, around| session.act_all(due, around));
    }

    /// Carries out a batch as if the DSP had produced it.
    pub fn inject(&self, batch: Vec<Action>) {
        self.with_session(&mut self.lock(), |session, around| {
            session.carry_out(batch, around)
        });
    }

    /// Ends the DSP as a fatal error of its own would. On the rpm platform, where the AP has no other sign of it, the
    /// FastRPC channel closes and opens again.
    ///
    /// # Errors
    /// It does not run.
    pub fn crash(&self, reason: &str) -> Result<(), NotNow> {
        let mut state = self.running()?;
        tracing::info!(target: "emu::device", dsp = self.label(), reason, "the DSP crashes");
        let batch = match &state.board {
            Some(board) => vec![
                Action::Halt,
                Action::CrashReason(reason.to_owned()),
                Action::Smp2p(board.signals() | smp2p::dsp::FATAL),
            ],
            None => vec![
                Action::CloseChannel(Channel::FastRpc),
                Action::OpenChannel(Channel::FastRpc),
            ],
        };
        self.with_session(&mut state, |session, around| session.carry_out(batch, around));
        Ok(())
    }

    /// Hangs the DSP until its watchdog bites.
    ///
    /// # Errors
    /// It does not run, or has no watchdog (rpm platform).
    pub fn bite(&self) -> Result<(), NotNow> {
        let mut state = self.running()?;
        if state.board.is_none() {
            return Err(NotNow::NotABoard(self.label().to_owned()));
        }
        tracing::info!(target: "emu::device", dsp = self.label(), "the DSP's watchdog bites");
        let batch = vec![Action::Halt, Action::Watchdog];
        self.with_session(&mut state, |session, around| session.carry_out(batch, around));
        Ok(())
    }

    /// A protection domain of the DSP's own (audio, sensors, …) goes up or down.
    ///
    /// # Errors
    /// The DSP does not run, or has no such domain.
    pub fn set_pd(&self, name: &str, up: bool) -> Result<(), NotNow> {
        let mut state = self.running()?;
        let batch = state
            .session
            .as_mut()
            .and_then(|session| session.set_pd(name, up));
        let batch = batch.ok_or_else(|| NotNow::NoPd(self.label().to_owned(), name.to_owned()))?;
        self.with_session(&mut state, |session, around| session.carry_out(batch, around));
        Ok(())
    }

    /// How the DSP is.
    pub fn power_state(&self) -> PowerState {
        match &self.lock().session {
            None => PowerState::Off,
            Some(session) if session.is_halted() => PowerState::Halted,
            Some(_) => PowerState::Running,
        }
    }

    fn running(&self) -> Result<MutexGuard<'_, State>, NotNow> {
        let state = self.lock();
        match &state.session {
            Some(session) if !session.is_halted() => Ok(state),
            _ => Err(NotNow::Off(self.label().to_owned())),
        }
    }

    /// Does `work`, then sends what is to be sent and raises the interrupt if anything was.
    fn with_session(
        &self,
        state: &mut State,
        work: impl FnOnce(&mut Session, &mut Surroundings<'_>) -> Result<(), Fault>,
    ) {
        let State {
            session: Some(session),
            interposer,
            observers,
            board,
            ..
        } = state
        else {
            return self.arm(state);
        };
        if session.is_dead() {
            return self.arm(state);
        }
        let mut around = Surroundings {
            interposer: interposer.as_deref_mut(),
            observers,
            board: board.as_mut(),
        };
        let result = work(session, &mut around).and_then(|()| session.send(&mut around));
        if session.take_written() {
            self.interrupts.raise(Irq::Glink(self.index));
            for observer in around.observers.iter_mut() {
                observer.interrupted(session.bus());
            }
        }
        if let Err(fault) = result {
            tracing::warn!(
                target: "emu::device", dsp = self.label(),
                "{fault}. The DSP stops until the guest resets it"
            );
            session.fail();
        }
        self.arm(state);
    }

    /// Sets the timer for what comes next.
    fn arm(&self, state: &State) {
        let due = state
            .interposer
            .as_ref()
            .and_then(|interposer| interposer.deadline());
        self.timer.set(state.look.into_iter().chain(due).min());
    }

    /// Looks what the AP's remoteproc driver did.
    fn look(&self, state: &mut State) {
        let Some(board) = &mut state.board else { return };
        let on = state.session.is_some() || state.start.is_some();
        for power in board.look(on).into_iter().flatten() {
            match power {
                Power::Reset => {
                    state.start = None;
                    self.end(state, "the AP's driver put it into reset");
                    if let Some(board) = &mut state.board {
                        board.stopped();
                    }
                }
                Power::Start { entry } => state.start = Some(entry),
            }
        }
        if let Some(entry) = state.start
            && state.board.as_ref().is_some_and(Board::is_settled)
        {
            state.start = None;
            self.boot(state, entry);
        }
        let Some(board) = &mut state.board else { return };
        if let Some(word) = board.ap_signals() {
            self.with_session(state, |session, around| session.smp2p(word, around));
        }
        let now = Instant::now();
        self.with_session(state, |session, around| session.due(now, around));
        let running = state.session.as_ref().is_some_and(|session| !session.is_halted());
        let off_long = state.session.is_none() && now.duration_since(state.off_since) > LONG_OFF;
        state.look = Some(
            now + match (running, off_long) {
                (true, _) => LOOK_RUNNING,
                (false, true) => LOOK_LATE,
                (false, false) => LOOK_SOON,
            },
        );
        self.arm(state);
    }

    /// The rpm platform: the DSP exists as soon as the guest's driver has started the device.
    fn begin(&self, state: &mut State) {
        if state.session.is_some() {
            return;
        }
        let Some(ram) = state.ram.clone() else { return };
        let places = fifos();
        let msgram = self.layout.msgram(self.index);
        let ring = |place| GuestRing::new(ram.clone(), RingPlace::rpm(msgram, place));
        let Ok(wire) = Wire::new(ring(places.from_ap), ring(places.to_ap)) else {
            return;
        };
        tracing::info!(target: "emu::device", dsp = self.label(), "the guest started the DSP");
        let edge = EdgeConfig::fastrpc(Channel::FastRpc.cid());
        state.session = self.session(self.new_bus(&ram), self.config.clone(), Some(wire), edge, None);
        self.with_session(state, |session, around| {
            session.swallowed(&Inbound::Started, around).map(drop)
        });
    }

    /// The board platform: the AP's driver started the DSP.
    fn boot(&self, state: &mut State, entry: u64) {
        self.end(state, "started again");
        let (Some(ram), Some(board)) = (state.ram.clone(), &mut state.board) else {
            return;
        };
        let bus = self.new_bus(&ram);
        let mut config = self.config.clone();
        let failure = match board.boot(&bus, self.layout.carveout(self.index), entry, config.arch) {
            Ok(firmware) => {
                config.builtins = firmware.builtins();
                tracing::info!(target: "emu::device", dsp = self.label(), firmware = firmware.version(), "the AP's driver started the DSP");
                None
            }
            Err(error) => {
                tracing::warn!(target: "emu::device", dsp = self.label(), "the DSP does not start: {error}");
                Some(error.to_string())
            }
        };
        let channels = BoardChannels::new(board.domain(), self.ssctl);
        let edge = channels.edge();
        state.session = self.session(bus, config, None, edge, Some(channels));
        self.with_session(state, |session, around| {
            if session.swallowed(&Inbound::Started, around)? {
                return Ok(());
            }
            match failure {
                None => {
                    session.carry_out(vec![Action::Smp2p(smp2p::dsp::READY)], around)?;
                    session.carry_out(
                        vec![Action::Smp2p(smp2p::dsp::READY | smp2p::dsp::HANDOVER)],
                        around,
                    )
                }
                Some(reason) => session.carry_out(
                    vec![
                        Action::Halt,
                        Action::CrashReason(reason),
                        Action::Smp2p(smp2p::dsp::FATAL),
                    ],
                    around,
                ),
            }
        });
    }

    fn new_bus(&self, ram: &GuestRam) -> Arc<Bus> {
        let faults = Arc::new(SmmuLines(self.interrupts.clone()));
        let (smmu, geometry) = (self.layout.smmu(), self.layout.geometry());
        Arc::new(Bus::new(ram.clone(), smmu, geometry, faults))
    }

    fn session(
        &self,
        bus: Arc<Bus>,
        mut config: DspConfig,
        wire: Option<Wire>,
        edge: EdgeConfig,
        channels: Option<BoardChannels>,
    ) -> Option<Session> {
        let outbox = Arc::new(Queue::new(self.outbox_event.try_clone().ok()?));
        config.probe = self.probe.get().cloned();
        Some(Session::new(Parts {
            wire,
            edge,
            reloads: self.layout.platform == Platform::Rpm,
            dsp: Dsp::new(config, bus.clone(), outbox.clone()),
            channels,
            bus,
            outbox,
        }))
    }

    fn end(&self, state: &mut State, why: &str) {
        let Some(session) = state.session.take() else {
            return;
        };
        for observer in &mut state.observers {
            observer.inbound(&Inbound::Ended, session.bus());
        }
        state.off_since = Instant::now();
        let stats = session.end();
        if let Some(interposer) = &mut state.interposer {
            // There is nothing left to act upon.
            let _ = interposer.inbound(&Inbound::Ended);
        }
        state.past = add(
            state.past,
            DspStats {
                processes_now: 0,
                ..stats
            },
        );
        tracing::info!(target: "emu::device", dsp = self.label(), "DSP reset: {why}");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(a: DspStats, b: DspStats) -> DspStats {
    DspStats {
        messages_in: a.messages_in + b.messages_in,
        messages_out: a.messages_out + b.messages_out,
        dropped: a.dropped + b.dropped,
        errors: a.errors + b.errors,
        module_calls: a.module_calls + b.module_calls,
        opens: a.opens + b.opens,
        reverse_calls: a.reverse_calls + b.reverse_calls,
        bytes_read: a.bytes_read + b.bytes_read,
        bytes_mapped: a.bytes_mapped + b.bytes_mapped,
        packets: a.packets + b.packets,
        processes: a.processes + b.processes,
        processes_now: a.processes_now + b.processes_now,
        crashes: a.crashes + b.crashes,
        farf: a.farf + b.farf,
        farf_dropped: a.farf_dropped + b.farf_dropped,
    }
}
