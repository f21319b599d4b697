//! Receive buffers that one side announces and the other fills.

use super::{Command, Edge, EdgeError, Event, Mode, Outcome};
use crate::glink::command::Intent;

impl Edge {
    pub(super) fn intents(
        &mut self,
        cid: u16,
        intents: &[Intent],
        out: &mut Outcome,
    ) -> Result<(), EdgeError> {
        let (mode, limits) = (self.mode, self.limits);
        if mode == Mode::Intentless {
            return Err(EdgeError::Intentless("INTENT"));
        }
        let channel = self.by_remote("INTENT", cid)?;
        for &Intent { size, id } in intents {
            if channel.transmit.len() >= limits.intents {
                return Err(EdgeError::TooManyIntents(cid));
            }
            if channel.transmit.insert(id, (size, false)).is_some() {
                return Err(EdgeError::DuplicateIntent { cid, intent: id });
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
        if self.mode == Mode::Intentless {
            return Err(EdgeError::Intentless(command));
        }
        let channel = self.by_remote(command, cid)?;
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
        let (mode, limits) = (self.mode, self.limits);
        if mode == Mode::Intentless {
            return Err(EdgeError::Intentless("RX_INTENT_REQ"));
        }
        let channel = self.by_remote("RX_INTENT_REQ", cid)?;
        let granted = size <= limits.message && channel.receive.len() < limits.intents;
        if granted {
            let id = channel
                .receive
                .keys()
                .next_back()
                .map_or(1, |last| last.saturating_add(1));
            channel.receive.insert(id, (size, false));
            let intents = vec![Intent { size, id }];
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
        if self.mode == Mode::Intentless {
            return Err(EdgeError::Intentless("RX_INTENT_REQ_ACK"));
        }
        let channel = self.by_remote("RX_INTENT_REQ_ACK", cid)?;
        if !channel.requested {
            return Err(EdgeError::Unexpected {
                command: "RX_INTENT_REQ_ACK",
                cid,
            });
        }
        channel.requested = false;
        if !granted && channel.queue.pop_front().is_some() {
            out.events.push(Event::Dropped(channel.cid));
        }
        // The INTENT may come before or after its acknowledgement; ask again only when it came and something still waits.
        if granted && channel.transmit.values().all(|(_, filled)| *filled) {
            channel.requested = !channel.queue.is_empty();
            return Ok(());
        }
        Self::flush(channel, out);
        Ok(())
    }
}
