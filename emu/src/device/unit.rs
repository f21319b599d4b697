//! One DSP as the guest meets it: its memory, its sessions, its timer.
//!
//! A session begins when the guest's driver starts the device and ends when it stops it (reboot, module unload), when
//! QEMU goes away, or when the machine's memory changes: that is the DSP's reset. All processes die, nothing is answered,
//! the FIFO indices are zeroed. FIFO contents wait for the device: a session looks at them once when it begins.

use super::image::fifos;
use super::interrupt::{Interrupts, SmmuLines};
use super::layout::{Irq, Layout};
use super::outbox::Queue;
use super::ring::{GuestRing, RingPlace};
use super::session::{Fault, Parts, Session, Surroundings, Wire};
use super::timer::Timer;
use crate::action::{Action, Channel, Inbound, Interposer, Observer};
use crate::mem::{Bus, GuestRam};
use crate::services::{Dsp, DspConfig, DspStats};
use rpmsg::glink::EdgeConfig;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// One DSP.
pub struct Unit {
    index: usize,
    config: DspConfig,
    layout: Layout,
    interrupts: Arc<dyn Interrupts>,
    outbox_event: EventFd,
    timer: Timer,
    state: Mutex<State>,
}

struct State {
    ram: Option<GuestRam>,
    session: Option<Session>,
    interposer: Option<Box<dyn Interposer>>,
    observers: Vec<Box<dyn Observer>>,
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
        interrupts: Arc<dyn Interrupts>,
    ) -> std::io::Result<Arc<Self>> {
        let state = State {
            ram: None,
            session: None,
            interposer: None,
            observers: Vec::new(),
            past: DspStats::default(),
        };
        Ok(Arc::new(Self {
            index,
            config,
            layout,
            interrupts,
            outbox_event: EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?,
            timer: Timer::new()?,
            state: Mutex::new(state),
        }))
    }

    /// Domain label.
    pub fn label(&self) -> &str {
        &self.config.label
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

    /// Has somebody watch the wire from now on.
    pub fn add_observer(&self, observer: Box<dyn Observer>) {
        self.lock().observers.push(observer);
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

    /// The guest stopped the device, or is gone.
    pub fn reset(&self, why: &str) {
        self.end(&mut self.lock(), why);
    }

    /// The guest rang, or started the device. `running` says whether it still runs, and is asked when no reset can come
    /// between the answer and what follows.
    pub fn doorbell(&self, running: impl FnOnce() -> bool) {
        let mut state = self.lock();
        if !running() {
            return;
        }
        if state.session.is_none()
            && let Some(ram) = state.ram.clone()
        {
            state.session = self.begin(ram);
            self.with_session(&mut state, |session, around| {
                session.swallowed(&Inbound::Started, around).map(drop)
            });
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
            ..
        } = state
        else {
            return;
        };
        if session.is_dead() {
            return;
        }
        let mut around = Surroundings {
            interposer: interposer.as_deref_mut(),
            observers,
        };
        let result = work(session, &mut around).and_then(|()| session.send(&mut around));
        if session.take_written() {
            self.interrupts.raise(Irq::Glink(self.index));
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
        self.timer.set(
            state
                .interposer
                .as_ref()
                .and_then(|interposer| interposer.deadline()),
        );
    }

    fn begin(&self, ram: GuestRam) -> Option<Session> {
        let places = fifos();
        let msgram = self.layout.msgram(self.index);
        let ring = |place| GuestRing::new(ram.clone(), RingPlace::rpm(msgram, place));
        let wire = Wire::new(ring(places.from_ap), ring(places.to_ap)).ok()?;
        let faults = Arc::new(SmmuLines(self.interrupts.clone()));
        let bus = Arc::new(Bus::new(
            ram.clone(),
            self.layout.smmu(),
            self.layout.geometry(),
            faults,
        ));
        let outbox = Arc::new(Queue::new(self.outbox_event.try_clone().ok()?));
        tracing::info!(target: "emu::device", dsp = self.label(), "the guest started the DSP");
        Some(Session::new(Parts {
            wire: Some(wire),
            edge: EdgeConfig::fastrpc(Channel::FastRpc.cid()),
            reloads: true,
            dsp: Dsp::new(self.config.clone(), bus.clone(), outbox.clone()),
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
