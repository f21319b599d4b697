//! One DSP as the guest meets it: its memory, its sessions, its timer.
//!
//! A session begins when the guest's driver starts the device and ends when it stops it (reboot, module unload), when
//! QEMU goes away, or when the machine's memory changes: that is the DSP's reset. All processes die, nothing is answered,
//! the FIFO indices are zeroed. A driver may write to the FIFO before the device starts: a session looks there once when it
//! begins, without a doorbell.
//!
//! When a DSP starts and is reset is the platform's to say (`platform.rs`): on a board it is the AP's remoteproc driver that does
//! it, and not the device's being started and stopped.

use super::board::power::BoardPower;
use super::interrupt::Interrupts;
use super::layout::{Irq, Layout, PlatformKind};
use super::outbox::Queue;
use super::platform::Platform;
use super::platform_bus::PlatformBus;
use super::rpm::Rpm;
use super::session::{Fault, Parts, Session, Surroundings};
use super::timer::Timer;
use emu_core::mem::{Bus, GuestRam};
use emu_os::action::{Action, Inbound};
use emu_os::conversation::Conversation;
use emu_os::probe::Probe;
use emu_os::seam::{Interposer, Observer};
use emu_os::services::{Dsp, DspConfig, DspStats};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

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
pub struct Subsystem {
    index: usize,
    config: DspConfig,
    layout: Layout,
    interrupts: Arc<dyn Interrupts>,
    platform_bus: Arc<PlatformBus>,
    outbox_event: EventFd,
    timer: Timer,
    probe: OnceLock<Arc<dyn Probe>>,
    state: Mutex<State>,
}

struct State {
    /// The way to the machine's memory, shared with its other DSPs.
    bus: Option<Arc<Bus>>,
    session: Option<Session>,
    interposer: Option<Box<dyn Interposer>>,
    observers: Vec<Box<dyn Observer>>,
    /// What those two were shown.
    conversation: Conversation,
    platform: Box<dyn Platform>,
    /// Counters of sessions that ended.
    past: DspStats,
}

impl Subsystem {
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
        platform_bus: Arc<PlatformBus>,
    ) -> std::io::Result<Arc<Self>> {
        let platform: Box<dyn Platform> = match layout.platform {
            PlatformKind::Rpm => Box::new(Rpm::new(&layout, index)),
            PlatformKind::Board => Box::new(BoardPower::new(
                &layout,
                index,
                &config.label,
                ssctl,
                interrupts.clone(),
            )),
        };
        let state = State {
            bus: None,
            session: None,
            interposer: None,
            observers: Vec::new(),
            conversation: Conversation::new(config.addressing, config.streams.clone()),
            platform,
            past: DspStats::default(),
        };
        Ok(Arc::new(Self {
            index,
            config,
            layout,
            interrupts,
            platform_bus,
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

    /// Readable when [`Subsystem::outbox_ready`] has something to do.
    pub fn outbox_event(&self) -> &EventFd {
        &self.outbox_event
    }

    /// Readable when [`Subsystem::timer_ready`] has something to do.
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
        state.platform.set_memory(&ram);
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
        state.bus = Some(self.platform_bus.to(&ram));
    }

    /// The machine is gone.
    pub fn forget_memory(&self) {
        self.lock().bus = None;
    }

    /// The guest stopped the device.
    pub fn stopped(&self, why: &str) {
        if self.lock().platform.stops_with_device() {
            self.reset(why);
        } else {
            tracing::debug!(target: "emu::device", dsp = self.label(), "{why}: nobody rings now");
        }
    }

    /// The guest is gone, or has reset the DSP.
    pub fn reset(&self, why: &str) {
        let mut state = self.lock();
        self.end(&mut state, why);
        state.platform.machine_reset();
        self.arm(&state);
    }

    /// The guest rang, or started the device. `running` says whether it still runs, and is asked when no reset can come
    /// between the answer and what follows.
    pub fn doorbell(&self, running: impl FnOnce() -> bool) {
        let mut state = self.lock();
        if !running() {
            return;
        }
        if let Some(bus) = state.bus.clone() {
            state.platform.rang(bus.ram());
        }
        self.poll_platform(&mut state, Instant::now());
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
        self.due(Instant::now());
    }

    /// When the DSP does something next that nothing from outside causes; `None` if it has nothing planned. A board's DSP
    /// always has: it looks at its registers.
    pub fn next_due(&self) -> Option<Instant> {
        planned(&self.lock())
    }

    /// Does what is planned for `now` or before. The time is the caller's, so that a test need not wait for it.
    pub fn due(&self, now: Instant) {
        let mut state = self.lock();
        if state.platform.next_look().is_some_and(|at| at <= now) {
            self.poll_platform(&mut state, now);
        }
        let State {
            interposer,
            conversation,
            ..
        } = &mut *state;
        let due = match interposer {
            Some(interposer) if interposer.deadline().is_some_and(|at| at <= now) => {
                interposer.due(now, conversation)
            }
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
        let batch = state.platform.crash(reason);
        self.with_session(&mut state, |session, around| session.carry_out(batch, around));
        Ok(())
    }

    /// Hangs the DSP until its watchdog bites.
    ///
    /// # Errors
    /// It does not run, or has no watchdog (rpm platform).
    pub fn bite(&self) -> Result<(), NotNow> {
        let mut state = self.running()?;
        let batch = state.platform.watchdog_bite();
        let batch = batch.ok_or_else(|| NotNow::NotABoard(self.label().to_owned()))?;
        tracing::info!(target: "emu::device", dsp = self.label(), "the DSP's watchdog bites");
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
            conversation,
            platform,
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
            conversation,
            platform: platform.as_mut(),
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
        self.timer.set(planned(state));
    }

    /// Looks what the AP has done to the DSP's power and signals.
    fn poll_platform(&self, state: &mut State, now: Instant) {
        if state.platform.was_reset(state.session.is_some()) {
            self.end(state, "the AP's driver put it into reset");
            state.platform.reset_done();
        }
        if state.platform.starts(state.session.is_some()) {
            self.begin(state);
        }
        if let Some(word) = state.platform.ap_signals() {
            self.with_session(state, |session, around| session.smp2p(word, around));
        }
        self.with_session(state, |session, around| session.due(now, around));
        let running = state.session.as_ref().is_some_and(|session| !session.is_halted());
        let on = state.session.is_some();
        state.platform.looked(now, on, running);
        self.arm(state);
    }

    /// The DSP starts.
    fn begin(&self, state: &mut State) {
        self.end(state, "started again");
        let Some(bus) = state.bus.clone() else { return };
        let mut config = self.config.clone();
        config.probe = self.probe.get().cloned();
        let Some(start) = state.platform.start(&bus, &mut config) else {
            return;
        };
        let Ok(event) = self.outbox_event.try_clone() else {
            tracing::warn!(target: "emu::device", dsp = self.label(), "the DSP does not start: no file descriptor is left");
            return;
        };
        let outbox = Arc::new(Queue::new(event));
        state.session = Some(Session::new(Parts {
            wire: start.wire,
            edge: start.edge,
            driver_reloads: start.driver_reloads,
            dsp: Dsp::new(config, bus.clone(), outbox.clone()),
            channels: start.channels,
            bus,
            outbox,
        }));
        self.with_session(state, |session, around| {
            if session.swallowed(&Inbound::Started, around)? {
                return Ok(());
            }
            let mut batches = start.greeting.into_iter();
            batches.try_for_each(|batch| session.carry_out(batch, around))
        });
    }

    fn end(&self, state: &mut State, why: &str) {
        let Some(session) = state.session.take() else {
            return;
        };
        let ended = state.conversation.arrives(&Inbound::Ended);
        for observer in &mut state.observers {
            observer.inbound(&ended, session.bus());
        }
        state.platform.session_ended();
        let stats = session.end();
        if let Some(interposer) = &mut state.interposer {
            // There is nothing left to act upon.
            let _ = interposer.inbound(&ended, &state.conversation);
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

/// When something is planned next, by the platform or by what stands between the DSP and the wire.
fn planned(state: &State) -> Option<Instant> {
    let due = state
        .interposer
        .as_ref()
        .and_then(|interposer| interposer.deadline());
    state.platform.next_look().into_iter().chain(due).min()
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
