//! The DSP between two resets: FIFO ⇄ edge state machine ⇄ what the DSP does on its channels.
//!
//! Whatever is wrong in the FIFO stops the edge, said once; only a reset, or the driver's being loaded anew, starts it
//! again. Everything here is total: the guest may write anything anywhere at any time.

use super::board::BoardError;
use super::board::channels::BoardChannels;
use super::outbox::Queue;
use super::platform::Platform;
use super::ring::GuestRing;
use emu_core::mem::Bus;
use emu_os::action::{Action, Channel, Inbound, Place};
use emu_os::conversation::Conversation;
use emu_os::frame::Frame;
use emu_os::seam::{Interposer, Observer};
use emu_os::services::{Dsp, DspStats};
use rpmsg::fastrpc::{Ctx, Response};
use rpmsg::fifo::{FifoError, Link, PushError, RingMemory};
use rpmsg::glink::command::HEADER;
use rpmsg::glink::{Command, Edge, EdgeConfig, EdgeError, Event, Input, Outcome};
use rpmsg::smp2p;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Commands that may wait for room in the FIFO before the guest is taken to be dead.
const MAX_BACKLOG: usize = 4096;

/// Why an edge stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the FIFO from the guest is not usable: {0}")]
    Fifo(#[from] FifoError),
    #[error("{0}")]
    Edge(#[from] EdgeError),
    #[error("the FIFO to the guest is not usable: {0}")]
    Push(PushError),
    #[error("{0}")]
    Board(#[from] BoardError),
    #[error("the guest does not read its FIFO: {MAX_BACKLOG} commands wait for room")]
    Backlog,
}

/// What a session works with and does not own.
pub(super) struct Surroundings<'a> {
    pub interposer: Option<&'a mut (dyn Interposer + 'static)>,
    pub observers: &'a mut [Box<dyn Observer>],
    /// What interposer and observers were shown before.
    pub conversation: &'a mut Conversation,
    pub platform: &'a mut dyn Platform,
}

impl Surroundings<'_> {
    /// Whether anybody wants to see what arrives.
    fn is_watched(&self) -> bool {
        self.interposer.is_some() || !self.observers.is_empty()
    }

    /// Shows what is done next.
    fn outbound(&mut self, action: &Action, bus: &Bus) {
        if !self.is_watched() {
            return;
        }
        let event = self.conversation.departs(action);
        self.observers
            .iter_mut()
            .for_each(|observer| observer.outbound(&event, bus));
    }
}

/// Both FIFOs.
pub(super) struct Wire {
    link: Link,
    from_ap: GuestRing,
    to_ap: GuestRing,
}

impl Wire {
    /// Both FIFOs, with this side's indices at 0 in private memory.
    pub fn new(from_ap: GuestRing, to_ap: GuestRing) -> Result<Self, FifoError> {
        Ok(Self {
            link: Link::new(from_ap.capacity(), to_ap.capacity())?,
            from_ap,
            to_ap,
        })
    }

    /// All four indices zero, as after a reset of the machine.
    pub fn reset(&self) {
        self.from_ap.reset();
        self.to_ap.reset();
    }

    fn poke(&self, place: Place, value: u32) {
        match place {
            Place::ToApHead => self.to_ap.publish_head(value),
            Place::ToApTail => self.to_ap.publish_tail(value),
            Place::FromApHead => self.from_ap.publish_head(value),
            Place::FromApTail => self.from_ap.publish_tail(value),
            Place::BootStatus => {}
        }
    }
}

/// The DSP between two resets.
pub(super) struct Session {
    /// None until both sides have their FIFO (board platform: the AP makes its own when it starts GLINK).
    wire: Option<Wire>,
    edge: Edge,
    edge_config: EdgeConfig,
    /// Whether the AP's GLINK driver can come and go within a session.
    driver_reloads: bool,
    bus: Arc<Bus>,
    dsp: Arc<Dsp>,
    /// What is on the other channels (board platform).
    channels: Option<BoardChannels>,
    outbox: Arc<Queue>,
    /// Commands for which the FIFO had no room.
    backlog: VecDeque<Vec<u8>>,
    /// The guest was asked to ring when it has read.
    asked_for_room: bool,
    /// An interrupt is due.
    written: bool,
    /// A fault stopped the edge.
    failed: bool,
    /// The DSP does not execute any more.
    halted: bool,
}

/// What a session is made of.
pub(super) struct Parts {
    pub wire: Option<Wire>,
    pub edge: EdgeConfig,
    pub driver_reloads: bool,
    pub bus: Arc<Bus>,
    pub dsp: Arc<Dsp>,
    pub channels: Option<BoardChannels>,
    pub outbox: Arc<Queue>,
}

impl Session {
    pub fn new(parts: Parts) -> Self {
        Self {
            wire: parts.wire,
            edge: Edge::new(parts.edge.clone()),
            edge_config: parts.edge,
            driver_reloads: parts.driver_reloads,
            bus: parts.bus,
            dsp: parts.dsp,
            channels: parts.channels,
            outbox: parts.outbox,
            backlog: VecDeque::new(),
            asked_for_room: false,
            written: false,
            failed: false,
            halted: false,
        }
    }

    /// Whether this RAM lies at the same guest addresses as the session's, and so is the same machine's.
    pub fn has_memory(&self, ram: &emu_core::mem::GuestRam) -> bool {
        self.bus.ram().is_same(ram)
    }

    /// The DSP's way to memory.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// What a change of one of the DSP's own protection domains leads to; `None` if there is no such domain.
    pub fn set_pd(&mut self, name: &str, up: bool) -> Option<Vec<Action>> {
        self.channels.as_mut()?.set_pd(name, up)
    }

    /// Whether the DSP has stopped executing.
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// Counters so far.
    pub fn stats(&self) -> DspStats {
        self.dsp.stats()
    }

    /// Takes whether an interrupt is due.
    pub fn take_written(&mut self) -> bool {
        std::mem::take(&mut self.written)
    }

    /// Whether nothing can come of this session now. A failed one goes on when the guest's driver was loaded anew.
    pub fn is_dead(&mut self) -> bool {
        if (self.failed || self.halted) && self.is_reloaded() {
            self.restart();
            self.edge = Edge::new(self.edge_config.clone());
            (self.failed, self.halted) = (false, false);
        }
        if self.failed {
            self.outbox.clear();
        }
        self.failed
    }

    /// The end: all processes die, nothing is answered, the FIFO indices are zeroed.
    pub fn end(mut self) -> DspStats {
        self.close();
        if let Some(wire) = &self.wire {
            wire.reset();
        }
        self.dsp.stats()
    }

    /// A fault stops the edge.
    pub fn fail(&mut self) {
        self.failed = true;
        self.close();
    }

    /// Takes everything out of the FIFO that is there now.
    pub fn receive(&mut self, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        if self.halted {
            return Ok(());
        }
        if self.is_reloaded() {
            self.restart();
        }
        if self.wire.is_none() {
            self.wire = around.platform.wire()?;
        }
        let Some(wire) = &mut self.wire else { return Ok(()) };
        let mut received = Vec::new();
        let result = wire.link.consumer.drain(&wire.from_ap, &mut received);
        for command in received {
            // What is left in the FIFO is read by nobody.
            if self.halted {
                break;
            }
            let command = if around.is_watched() {
                let event = Inbound::Glink(command.into());
                if self.swallowed(&event, around)? {
                    continue;
                }
                let Inbound::Glink(frame) = event else { continue };
                frame.into_command().map_err(FifoError::Command)?
            } else {
                command.command
            };
            let outcome = self.edge.step(Input::Command(command))?;
            self.outcome(outcome, around)?;
        }
        Ok(result?)
    }

    /// The AP's SMP2P word changed.
    pub fn smp2p(&mut self, word: u32, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        if self.swallowed(&Inbound::Smp2p(word), around)? {
            return Ok(());
        }
        self.signalled(word, around)
    }

    fn signalled(&mut self, word: u32, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        if word & smp2p::ap::STOP == 0 {
            return Ok(());
        }
        tracing::info!(target: "emu::device", "the AP asks the DSP to stop");
        let value = around.platform.dsp_signals() | smp2p::dsp::STOP_ACK;
        self.carry_out(vec![Action::Halt, Action::Smp2p(value)], around)
    }

    /// Carries out what the DSP wants done.
    pub fn send(&mut self, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        self.flush()?;
        while let Some(batch) = self.outbox.take() {
            self.carry_out(batch, around)?;
        }
        Ok(())
    }

    /// Carries out what the other channels' time has come for.
    pub fn due(&mut self, now: Instant, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        let batch = self.channels.as_mut().map(|channels| channels.due(now));
        match batch {
            Some(batch) if !batch.is_empty() => self.carry_out(batch, around),
            _ => Ok(()),
        }
    }

    /// Carries out one batch, after the interposer had it.
    pub fn carry_out(&mut self, batch: Vec<Action>, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        // A DSP that does not execute does nothing more, not even what it was about to.
        if self.halted {
            return Ok(());
        }
        let batch = match &mut around.interposer {
            Some(interposer) => interposer.outbound(batch, around.conversation),
            None => batch,
        };
        self.act_all(batch, around)
    }

    /// Carries out what an interposer decided.
    pub fn act_all(&mut self, actions: Vec<Action>, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        around.platform.before_actions(&actions, &self.dsp);
        actions
            .into_iter()
            .try_for_each(|action| self.act(action, around))
    }

    /// Shows something that arrived to those who watch; true if the DSP is not to learn of it.
    pub fn swallowed(&mut self, event: &Inbound, around: &mut Surroundings<'_>) -> Result<bool, Fault> {
        let arrival = around.conversation.arrives(event);
        for observer in around.observers.iter_mut() {
            observer.inbound(&arrival, &self.bus);
        }
        let Some(interposer) = &mut around.interposer else {
            return Ok(self.halted);
        };
        if *event == Inbound::Started {
            interposer.begins(&self.bus);
        }
        let reaction = interposer.inbound(&arrival, around.conversation);
        self.act_all(reaction.actions, around)?;
        Ok(reaction.swallow || self.halted)
    }

    fn is_reloaded(&self) -> bool {
        self.driver_reloads
            && self
                .wire
                .as_ref()
                .is_some_and(|wire| wire.link.driver_reloaded(&wire.from_ap, &wire.to_ap))
    }

    fn restart(&mut self) {
        tracing::info!(target: "emu::device", "the guest's GLINK driver was loaded anew");
        if let Some(wire) = &mut self.wire {
            wire.link.restart(&wire.from_ap, &wire.to_ap);
        }
        self.backlog.clear();
        self.asked_for_room = false;
    }

    /// The channel is gone, and with it every process.
    fn close(&mut self) {
        self.dsp.channel_closed();
        self.outbox.clear();
    }

    fn outcome(&mut self, outcome: Outcome, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        for command in outcome.commands {
            self.command(command, around)?;
        }
        for event in outcome.events {
            match event {
                Event::Message(cid, bytes) => self.message(cid, bytes, around)?,
                Event::Down(cid) => self.down(cid),
                Event::Up(cid) => self.up(cid, around)?,
                Event::PeerRestarted => self.backlog.clear(),
                Event::ReadNotif => self.written = true,
                other => tracing::debug!(target: "emu::device", event = ?other, "GLINK"),
            }
        }
        Ok(())
    }

    fn message(&mut self, cid: u16, bytes: Vec<u8>, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        let Some(channel) = Channel::of(cid) else {
            return Ok(());
        };
        let event = Inbound::Message(channel, bytes);
        if around.is_watched() && self.swallowed(&event, around)? {
            return Ok(());
        }
        match event {
            Inbound::Message(_, bytes) => self.deliver(channel, &bytes, around),
            _ => Ok(()),
        }
    }

    fn deliver(
        &mut self,
        channel: Channel,
        bytes: &[u8],
        around: &mut Surroundings<'_>,
    ) -> Result<(), Fault> {
        if channel == Channel::FastRpc {
            self.dsp.message(bytes);
            return Ok(());
        }
        let Some(channels) = &mut self.channels else {
            return Ok(());
        };
        let batch = channels.message(channel, bytes);
        self.carry_out(batch, around)
    }

    fn up(&mut self, cid: u16, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        let Some(channel) = Channel::of(cid) else {
            return Ok(());
        };
        tracing::info!(target: "emu::device", channel = channel.name(), "the channel is open");
        let batch = self.channels.as_mut().map(|channels| channels.up(channel));
        batch.map_or(Ok(()), |batch| self.carry_out(batch, around))
    }

    fn down(&mut self, cid: u16) {
        let Some(channel) = Channel::of(cid) else { return };
        tracing::info!(target: "emu::device", channel = channel.name(), "the channel closed");
        if channel == Channel::FastRpc {
            self.close();
        } else if let Some(channels) = &mut self.channels {
            channels.down(channel);
        }
    }

    fn act(&mut self, action: Action, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        let becomes_commands = matches!(
            action,
            Action::Answer { .. } | Action::Send(..) | Action::OpenChannel(_) | Action::CloseChannel(_)
        );
        if !becomes_commands {
            around.outbound(&action, &self.bus);
        }
        let input = match action {
            Action::Write { stream, iova, bytes } => {
                if let Err(fault) = self.bus.write(stream, iova, &bytes) {
                    tracing::debug!(target: "emu::device", %fault, "an output did not reach the guest");
                }
                return Ok(());
            }
            Action::RawGlink(frame) => return self.push(frame.into_bytes()),
            Action::Receive(inbound) => return self.received(inbound, around),
            Action::Interrupt => {
                self.written = true;
                return Ok(());
            }
            Action::Halt => {
                self.halted = true;
                self.close();
                return Ok(());
            }
            Action::Poke(place, value) if place != Place::BootStatus => {
                if let Some(wire) = &self.wire {
                    wire.poke(place, value);
                }
                return Ok(());
            }
            Action::Smp2p(_) | Action::CrashReason(_) | Action::Watchdog | Action::Poke(..) => {
                around.platform.act(&action);
                return Ok(());
            }
            // A DSP that does not execute says nothing.
            Action::Answer { .. } | Action::Send(..) | Action::OpenChannel(_) | Action::CloseChannel(_)
                if self.halted =>
            {
                return Ok(());
            }
            Action::Answer { ctx, retval } => Input::Send(
                Channel::FastRpc.cid(),
                Response {
                    ctx: Ctx(ctx),
                    retval,
                }
                .encode(),
            ),
            Action::Send(channel, bytes) => Input::Send(channel.cid(), bytes),
            Action::OpenChannel(channel) => Input::Open(channel.cid()),
            Action::CloseChannel(channel) => Input::Close(channel.cid()),
        };
        let outcome = self.edge.step(input)?;
        self.outcome(outcome, around)
    }

    /// Takes what an interposer lets in late, again, or changed.
    fn received(&mut self, inbound: Inbound, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        if self.halted {
            return Ok(());
        }
        match inbound {
            Inbound::Glink(frame) => match frame.into_command() {
                Ok(command) => {
                    let outcome = self.edge.step(Input::Command(command))?;
                    self.outcome(outcome, around)
                }
                Err(error) => {
                    tracing::warn!(target: "emu::device", %error, "a scenario's GLINK command");
                    Ok(())
                }
            },
            Inbound::Message(channel, bytes) => self.deliver(channel, &bytes, around),
            Inbound::Smp2p(word) => self.signalled(word, around),
            Inbound::Started | Inbound::Ended => Ok(()),
        }
    }

    /// Sends a GLINK command, after the interposer had it.
    fn command(&mut self, command: Command, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        if self.halted {
            return Ok(());
        }
        match &mut around.interposer {
            None if around.observers.is_empty() => self.push(command.encode()),
            None => self.act(Action::RawGlink(Frame::from(command)), around),
            Some(interposer) => {
                let actions = interposer.command(Frame::from(command), around.conversation);
                self.act_all(actions, around)
            }
        }
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

    /// Always leaves room to ask for room, which takes a header.
    fn push_with_reserve(&mut self, command: &[u8]) -> Result<bool, Fault> {
        let Some(wire) = &mut self.wire else {
            return Ok(false);
        };
        let free = wire.link.producer.free(&wire.to_ap)?;
        if command.len() + 2 * HEADER > free as usize {
            return Ok(false);
        }
        self.try_push(command)
    }

    fn try_push(&mut self, command: &[u8]) -> Result<bool, Fault> {
        let Some(wire) = &mut self.wire else {
            return Ok(false);
        };
        match wire.link.producer.push(&wire.to_ap, command) {
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
            self.asked_for_room = self.try_push(&Command::ReadNotif.encode())?;
        }
        Ok(())
    }
}
