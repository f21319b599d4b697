//! Receive buffers that one side announces and the other fills.
//!
//! The AP answers a request with one INTENT and an acknowledgement, in this order (`qcom_glink_handle_intent_req`); its own
//! request is over when it has seen both, in any order (`qcom_glink_request_intent`). The DSP does the same. Buffers that Linux
//! makes on request serve once; those it announces by itself are used again.

use super::channels::Channel;
use super::{Command, Edge, EdgeError, Event, FEATURE_INTENT_REUSE, Mode, Outcome};
use crate::glink::command::Intent;

/// A request for a buffer of the AP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    /// The message for which it was made.
    pub message: u64,
    /// An INTENT came since.
    pub announced: bool,
    /// It was granted.
    pub granted: bool,
}

impl Channel {
    /// Makes a receive buffer.
    pub fn new_receive(&mut self, size: u32) -> Intent {
        let mut id = self.last_receive;
        // Ends, because fewer numbers are in use than there are.
        loop {
            id = id.checked_add(1).unwrap_or(1);
            if !self.receive.contains_key(&id) {
                break;
            }
        }
        self.last_receive = id;
        self.receive.insert(id, (size, false));
        Intent { size, id }
    }

    /// The buffer `id` has been emptied: the AP may fill it again, or gets another if it does not know that buffers are used again.
    pub fn done(&mut self, id: u32, features: u32, out: &mut Outcome) {
        let cid = self.cid;
        if features & FEATURE_INTENT_REUSE != 0 {
            if let Some((_, filled)) = self.receive.get_mut(&id) {
                *filled = false;
            }
            out.commands.push(Command::RxDoneReuse { cid, intent: id });
        } else if let Some((size, _)) = self.receive.remove(&id) {
            out.commands.push(Command::RxDone { cid, intent: id });
            let intents = vec![self.new_receive(size)];
            out.commands.push(Command::Intents { cid, intents });
        }
    }
}

impl Edge {
    fn needs_intents(&self, command: &'static str) -> Result<(), EdgeError> {
        match self.mode {
            Mode::Intents => Ok(()),
            Mode::Intentless => Err(EdgeError::Intentless(command)),
        }
    }

    pub(super) fn intents(
        &mut self,
        cid: u16,
        intents: &[Intent],
        out: &mut Outcome,
    ) -> Result<(), EdgeError> {
        let limits = self.limits;
        self.needs_intents("INTENT")?;
        let Some(channel) = self.by_remote("INTENT", cid, out)? else {
            return Ok(());
        };
        if channel.is_closing() {
            return Ok(());
        }
        for &Intent { size, id } in intents {
            if channel.transmit.len() >= limits.intents {
                return Err(EdgeError::TooManyIntents(cid));
            }
            if channel.transmit.insert(id, (size, false)).is_some() {
                return Err(EdgeError::DuplicateIntent { cid, intent: id });
            }
        }
        if let Some(request) = &mut channel.request {
            request.announced = true;
            if request.granted {
                channel.request = None;
            }
        }
        if channel.up {
            Self::flush(channel, out);
        }
        Ok(())
    }

    pub(super) fn rx_done(
        &mut self,
        cid: u16,
        intent: u32,
        reuse: bool,
        out: &mut Outcome,
    ) -> Result<(), EdgeError> {
        let command = if reuse { "RX_DONE_W_REUSE" } else { "RX_DONE" };
        self.needs_intents(command)?;
        let Some(channel) = self.by_remote(command, cid, out)? else {
            return Ok(());
        };
        if channel.is_closing() {
            // For a message that was sent before the DSP closed the channel and forgot the AP's buffers.
            out.events.push(Event::Stray { command, cid });
            return Ok(());
        }
        match channel.transmit.get_mut(&intent) {
            Some((_, filled)) if *filled => *filled = false,
            _ => return Err(EdgeError::BadIntent { command, cid, intent }),
        }
        if !reuse {
            channel.transmit.remove(&intent);
        }
        if channel.up {
            Self::flush(channel, out);
        }
        Ok(())
    }

    pub(super) fn intent_request(&mut self, cid: u16, size: u32, out: &mut Outcome) -> Result<(), EdgeError> {
        let limits = self.limits;
        self.needs_intents("RX_INTENT_REQ")?;
        let Some(channel) = self.by_remote("RX_INTENT_REQ", cid, out)? else {
            return Ok(());
        };
        // Denied on a channel that closes, so that the sender on the AP does not wait for its 10 s.
        let granted = channel.up && size <= limits.message && channel.receive.len() < limits.intents;
        if granted {
            let intents = vec![channel.new_receive(size)];
            out.commands.push(Command::Intents {
                cid: channel.cid,
                intents,
            });
        }
        out.commands.push(Command::RxIntentReqAck {
            cid: channel.cid,
            granted,
        });
        Ok(())
    }

    pub(super) fn intent_request_ack(
        &mut self,
        cid: u16,
        granted: bool,
        out: &mut Outcome,
    ) -> Result<(), EdgeError> {
        let command = "RX_INTENT_REQ_ACK";
        self.needs_intents(command)?;
        let Some(channel) = self.by_remote(command, cid, out)? else {
            return Ok(());
        };
        if channel.is_closing() {
            out.events.push(Event::Stray { command, cid });
            return Ok(());
        }
        let Some(request) = &mut channel.request else {
            return Err(EdgeError::Unexpected { command, cid });
        };
        if granted && !request.announced {
            request.granted = true;
            return Ok(());
        }
        let message = request.message;
        channel.request = None;
        if !granted && let Some(front) = channel.queue.front() {
            let room = channel.transmit.values().map(|(size, _)| *size).max();
            let fits = room.is_some_and(|room| u64::from(room) >= front.data.len() as u64);
            if front.number == message && fits {
                // A buffer that is large enough will come back.
                return Ok(());
            }
            if front.number == message {
                channel.queue.pop_front();
                out.events.push(Event::Dropped(channel.cid));
            }
        }
        Self::flush(channel, out);
        Ok(())
    }
}
