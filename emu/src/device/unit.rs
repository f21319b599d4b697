//! One DSP's end of the GLINK edge: FIFO ⇄ edge state machine ⇄ the DSP's services.
//!
//! A session begins when the guest's driver starts the device and ends when it stops it (reboot, module unload), when
//! QEMU goes away, or when the machine's memory changes: that is the DSP's reset. All processes die, nothing is answered,
//! the FIFO indices are zeroed. FIFO contents wait for the device: a session looks at them once when it begins.
//!
//! Whatever is wrong in the FIFO stops the edge, said once; only a reset, or the driver's being loaded anew, starts it
//! again. Everything here is total: the guest may write anything anywhere at any time.

use super::image::fifos;
use super::interrupt::{Interrupts, SmmuLines};
use super::layout::{Irq, Layout};
use super::outbox::Queue;
use super::ring::GuestRing;
use crate::action::{Action, Inbound, Interposer, PassThrough};
use crate::mem::{Bus, GuestRam};
use crate::services::{Dsp, DspConfig, DspStats};
use rpmsg::fastrpc::{Ctx, Response};
use rpmsg::fifo::{FifoError, Link, PushError};
use rpmsg::glink::{Edge, EdgeConfig, EdgeError, Event, Input, Outcome};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// The DSP's channel ID of FastRPC.
const FASTRPC_CID: u16 = 7;
/// Commands that may wait for room in the FIFO before the guest is taken to be dead.
const MAX_BACKLOG: usize = 4096;
/// GLINK command 13: "ring when you have read".
const READ_NOTIF: [u8; 8] = [13, 0, 0, 0, 0, 0, 0, 0];

/// Why an edge stopped.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the FIFO from the guest is not usable: {0}")]
    Fifo(#[from] FifoError),
    #[error("{0}")]
    Edge(#[from] EdgeError),
    #[error("the FIFO to the guest is not usable: {0}")]
    Push(PushError),
    #[error("the guest does not read its FIFO: {MAX_BACKLOG} commands wait for room")]
    Backlog,
}

/// One DSP.
pub struct Unit {
    index: usize,
    config: DspConfig,
    layout: Layout,
    interrupts: Arc<dyn Interrupts>,
    outbox_event: EventFd,
    state: Mutex<State>,
}

struct State {
    ram: Option<GuestRam>,
    session: Option<Session>,
    interposer: Box<dyn Interposer>,
    /// Counters of sessions that ended.
    past: DspStats,
}

/// The DSP between two resets.
struct Session {
    link: Link,
    from_ap: GuestRing,
    to_ap: GuestRing,
    edge: Edge,
    bus: Arc<Bus>,
    dsp: Arc<Dsp>,
    outbox: Arc<Queue>,
    /// Commands for which the FIFO had no room.
    backlog: VecDeque<Vec<u8>>,
    /// The guest was asked to ring when it has read.
    asked_for_room: bool,
    /// An interrupt is due.
    written: bool,
    failed: bool,
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
            interposer: Box::new(PassThrough),
            past: DspStats::default(),
        };
        Ok(Arc::new(Self {
            index,
            config,
            layout,
            interrupts,
            outbox_event: EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?,
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

    /// Puts something between the DSP and the wire.
    pub fn set_interposer(&self, interposer: Box<dyn Interposer>) {
        self.lock().interposer = interposer;
    }

    /// Counters over all sessions.
    pub fn stats(&self) -> DspStats {
        let state = self.lock();
        state
            .session
            .as_ref()
            .map_or(state.past, |session| add(state.past, session.dsp.stats()))
    }

    /// QEMU told where the machine's memory is. A table with the same regions changes nothing for a running session: its
    /// own mapping is of the same memory.
    pub fn set_memory(&self, ram: GuestRam) {
        let mut state = self.lock();
        let same = |session: &Session| session.bus.ram().regions().eq(ram.regions());
        if state.session.as_ref().is_some_and(|session| !same(session)) {
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
        }
        self.with_session(&mut state, |session, interposer| session.receive(interposer));
    }

    /// The DSP has put something into its outbox.
    pub fn outbox_ready(&self) {
        let _ = self.outbox_event.read();
        self.with_session(&mut self.lock(), |_, _| Ok(()));
    }

    /// Does `work`, then sends what is to be sent and raises the interrupt if anything was.
    fn with_session(
        &self,
        state: &mut State,
        work: impl FnOnce(&mut Session, &mut dyn Interposer) -> Result<(), Fault>,
    ) {
        let State {
            session: Some(session),
            interposer,
            ..
        } = state
        else {
            return;
        };
        if session.failed && !session.reloaded() {
            session.outbox.clear();
            return;
        }
        let interposer = interposer.as_mut();
        let result = work(session, interposer).and_then(|()| session.send(interposer));
        if session.written {
            session.written = false;
            self.interrupts.raise(Irq::Glink(self.index));
        }
        if let Err(fault) = result {
            tracing::warn!(
                target: "emu::device", dsp = self.label(),
                "{fault}. The DSP stops until the guest resets it"
            );
            session.fail();
        }
    }

    fn begin(&self, ram: GuestRam) -> Option<Session> {
        let places = fifos();
        let msgram = self.layout.msgram(self.index);
        let faults = Arc::new(SmmuLines(self.interrupts.clone()));
        let bus = Arc::new(Bus::new(
            ram.clone(),
            self.layout.smmu(),
            self.layout.geometry(),
            faults,
        ));
        let outbox = Arc::new(Queue::new(self.outbox_event.try_clone().ok()?));
        tracing::info!(target: "emu::device", dsp = self.label(), "the guest started the DSP");
        Some(Session {
            link: Link::new(places.from_ap.size, places.to_ap.size).ok()?,
            from_ap: GuestRing::new(ram.clone(), msgram, places.from_ap),
            to_ap: GuestRing::new(ram, msgram, places.to_ap),
            edge: Edge::new(EdgeConfig::fastrpc(FASTRPC_CID)),
            dsp: Dsp::new(self.config.clone(), bus.clone(), outbox.clone()),
            bus,
            outbox,
            backlog: VecDeque::new(),
            asked_for_room: false,
            written: false,
            failed: false,
        })
    }

    fn end(&self, state: &mut State, why: &str) {
        let Some(session) = state.session.take() else {
            return;
        };
        session.dsp.channel_closed();
        session.from_ap.reset();
        session.to_ap.reset();
        let stats = session.dsp.stats();
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

impl Session {
    /// Takes everything out of the FIFO that is there now.
    fn receive(&mut self, interposer: &mut dyn Interposer) -> Result<(), Fault> {
        if !self.failed && self.link.driver_reloaded(&self.from_ap, &self.to_ap) {
            self.restart();
        }
        let mut received = Vec::new();
        let result = self.link.consumer.drain(&self.from_ap, &mut received);
        for command in received {
            interposer.inbound(&Inbound::Glink(command.bytes));
            let outcome = self.edge.step(Input::Command(command.command))?;
            self.outcome(outcome, interposer)?;
        }
        Ok(result?)
    }

    /// Whether a failed session may go on because the guest's driver was loaded anew.
    fn reloaded(&mut self) -> bool {
        if !self.link.driver_reloaded(&self.from_ap, &self.to_ap) {
            return false;
        }
        self.restart();
        self.edge = Edge::new(EdgeConfig::fastrpc(FASTRPC_CID));
        self.failed = false;
        true
    }

    fn restart(&mut self) {
        tracing::info!(target: "emu::device", "the guest's GLINK driver was loaded anew");
        self.link.restart(&self.from_ap, &self.to_ap);
        self.backlog.clear();
        self.asked_for_room = false;
    }

    fn fail(&mut self) {
        self.failed = true;
        self.close();
    }

    /// The channel is gone, and with it every process.
    fn close(&mut self) {
        self.dsp.channel_closed();
        self.outbox.clear();
    }

    fn outcome(&mut self, outcome: Outcome, interposer: &mut dyn Interposer) -> Result<(), Fault> {
        for command in outcome.commands {
            self.push(command.encode())?;
        }
        for event in outcome.events {
            match event {
                Event::Message(FASTRPC_CID, bytes) => {
                    let event = Inbound::Message(bytes);
                    interposer.inbound(&event);
                    if let Inbound::Message(bytes) = event {
                        self.dsp.message(&bytes);
                    }
                }
                Event::Down(FASTRPC_CID) => {
                    tracing::info!(target: "emu::device", "the FastRPC channel closed");
                    self.close();
                }
                Event::Up(FASTRPC_CID) => {
                    tracing::info!(target: "emu::device", "the FastRPC channel is open")
                }
                Event::PeerRestarted => self.backlog.clear(),
                Event::ReadNotif => self.written = true,
                other => tracing::debug!(target: "emu::device", event = ?other, "GLINK"),
            }
        }
        Ok(())
    }

    /// Carries out what the DSP wants done.
    fn send(&mut self, interposer: &mut dyn Interposer) -> Result<(), Fault> {
        self.flush()?;
        while let Some(batch) = self.outbox.take() {
            for action in interposer.outbound(batch) {
                self.act(action, interposer)?;
            }
        }
        Ok(())
    }

    fn act(&mut self, action: Action, interposer: &mut dyn Interposer) -> Result<(), Fault> {
        let input = match action {
            Action::Write { stream, iova, bytes } => {
                if let Err(fault) = self.bus.write(stream, iova, &bytes) {
                    tracing::debug!(target: "emu::device", %fault, "an output did not reach the guest");
                }
                return Ok(());
            }
            Action::RawGlink(bytes) => return self.push(bytes),
            Action::Interrupt => {
                self.written = true;
                return Ok(());
            }
            Action::Answer { ctx, retval } => Input::Send(
                FASTRPC_CID,
                Response {
                    ctx: Ctx(ctx),
                    retval,
                }
                .encode(),
            ),
            Action::OpenChannel => Input::Open(FASTRPC_CID),
            Action::CloseChannel => Input::Close(FASTRPC_CID),
        };
        let outcome = self.edge.step(input)?;
        self.outcome(outcome, interposer)
    }

    /// Puts a command into the FIFO, or behind those that wait for room.
    fn push(&mut self, command: Vec<u8>) -> Result<(), Fault> {
        if self.backlog.is_empty() && self.push_with_reserve(&command)? {
            return Ok(());
        }
        if self.backlog.len() >= MAX_BACKLOG {
            return Err(Fault::Backlog);
        }
        self.backlog.push_back(command);
        self.ask_for_room()
    }

    fn flush(&mut self) -> Result<(), Fault> {
        while let Some(command) = self.backlog.pop_front() {
            if !self.push_with_reserve(&command)? {
                self.backlog.push_front(command);
                return self.ask_for_room();
            }
        }
        self.asked_for_room = false;
        Ok(())
    }

    /// Always leaves room to ask for room.
    fn push_with_reserve(&mut self, command: &[u8]) -> Result<bool, Fault> {
        let free = self.link.producer.free(&self.to_ap)?;
        if command.len() + 2 * READ_NOTIF.len() > free as usize {
            return Ok(false);
        }
        self.try_push(command)
    }

    fn try_push(&mut self, command: &[u8]) -> Result<bool, Fault> {
        match self.link.producer.push(&self.to_ap, command) {
            Ok(()) => {
                self.written = true;
                Ok(true)
            }
            Err(PushError::Full { .. }) => Ok(false),
            Err(error) => Err(Fault::Push(error)),
        }
    }

    /// Without this the guest would not tell that it has read.
    fn ask_for_room(&mut self) -> Result<(), Fault> {
        if !self.asked_for_room {
            self.asked_for_room = self.try_push(&READ_NOTIF)?;
        }
        Ok(())
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
