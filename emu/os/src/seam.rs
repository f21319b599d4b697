//! The seam through which everything passes that the DSP does to the outside, and that arrives for it ("Behaviour is data").
//!
//! The device thread hands each batch of [`Action`]s to an [`Interposer`] and then carries out what comes back, in order. GLINK
//! commands, which the edge's state machine makes of them or by itself, pass the interposer once more, one by one, on their way
//! into the FIFO. A scenario may hold, repeat, drop, reorder or falsify any of it, and act when nothing happens. An [`Observer`]
//! (the account, a trace) only watches, on both sides: what arrived before an interposer could hide it, and what is really done
//! after an interposer could change it. Both get what passes decoded ([`Arrival`], [`Departure`]); the [`Conversation`] knows what
//! was said before. Neither is known to the services or to the core, and they are not known to it.

use crate::action::Action;
#[cfg(doc)]
use crate::conversation::Arrived;
use crate::conversation::{Arrival, Conversation, Departure};
use crate::frame::Frame;
use emu_core::mem::Bus;
use std::sync::Arc;
use std::time::Instant;

/// What an interposer wants done about something that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reaction {
    /// The DSP never learns of it.
    pub swallow: bool,
    /// Carried out before the DSP sees it, without passing the interposer again.
    pub actions: Vec<Action>,
}

/// Sits between the DSP and the wire. What it returns is final: it does not pass it again.
pub trait Interposer: Send {
    /// A session begins, on this bus; [`Arrived::Started`] follows.
    fn begins(&mut self, _bus: &Arc<Bus>) {}

    /// Sees everything that arrives, before the DSP does.
    fn inbound(&mut self, _event: &Arrival<'_>, _known: &Conversation) -> Reaction {
        Reaction::default()
    }

    /// Takes a batch the DSP produced; returns what is to be carried out now.
    fn outbound(&mut self, batch: Vec<Action>, _known: &Conversation) -> Vec<Action> {
        batch
    }

    /// Takes one GLINK command on its way into the FIFO.
    fn command(&mut self, command: Frame, _known: &Conversation) -> Vec<Action> {
        vec![Action::RawGlink(command)]
    }

    /// When [`Interposer::due`] has something to do by itself.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// What is to be carried out because its time has come.
    fn due(&mut self, _now: Instant, _known: &Conversation) -> Vec<Action> {
        Vec::new()
    }
}

/// Watches one DSP's wire and the SMMU behind it. It gets the bus to look at ([`Bus::look`], [`Bus::look_at`],
/// [`Bus::mapped`]), never to make transactions with. Called on the device thread with the unit locked, so it must not
/// call the unit and not block.
pub trait Observer: Send {
    /// Something arrived; the interposer and the DSP learn of it only after this. [`Arrived::Ended`] comes while the DSP's
    /// processes are still there.
    fn inbound(&mut self, event: &Arrival<'_>, bus: &Bus);

    /// This will be done next, and nothing can change it any more. Everything that goes into the FIFO comes as
    /// [`Departure::Glink`]; actions that only become such commands ([`Action::Answer`], [`Action::Send`],
    /// [`Action::OpenChannel`], [`Action::CloseChannel`]) are not shown.
    fn outbound(&mut self, event: &Departure<'_>, bus: &Bus);

    /// The AP was interrupted, because something went into the FIFO or [`Action::Interrupt`] wanted it.
    fn interrupted(&mut self, _bus: &Bus) {}
}
