//! Messages, in parts, both ways.

use super::channels::{Channel, Partial, Waiting};
use super::intents::Request;
use super::{Command, Edge, EdgeError, Event, Mode, Outcome};

/// Linux sends no larger parts, and the smallest FIFO takes one.
const TX_CHUNK: usize = 8 * 1024;

impl Edge {
    pub(super) fn data(
        &mut self,
        cid: u16,
        intent: u32,
        left: u32,
        data: Vec<u8>,
        first: bool,
        out: &mut Outcome,
    ) -> Result<(), EdgeError> {
        let (mode, limit, features) = (self.mode, self.limits.message, self.features);
        let command = if first { "TX_DATA" } else { "TX_DATA_CONT" };
        let Some(channel) = self.by_remote(command, cid, out)? else {
            return Ok(());
        };
        if !channel.up {
            // The AP sent it before it saw the DSP's CLOSE, or before the DSP's own OPEN was acknowledged.
            out.events.push(Event::Dropped(channel.cid));
            return Ok(());
        }
        let chunk = data.len() as u64;
        let key = if mode == Mode::Intentless { 0 } else { intent };
        let mut partial = match (first, channel.partial.remove(&key)) {
            (true, None) => {
                let size = chunk.saturating_add(left.into());
                if size > limit.into() {
                    return Err(EdgeError::MessageTooLarge { cid, size });
                }
                if mode != Mode::Intentless {
                    match channel.receive.get_mut(&intent) {
                        Some((room, filled)) if !*filled && size <= u64::from(*room) => *filled = true,
                        _ => return Err(EdgeError::BadIntent { command, cid, intent }),
                    }
                }
                Partial {
                    data: Vec::new(),
                    left: u32::try_from(size).unwrap_or(u32::MAX),
                }
            }
            (false, Some(partial)) => partial,
            (true, Some(_)) | (false, None) => return Err(EdgeError::BrokenMessage(cid)),
        };
        let rest = u64::from(partial.left).checked_sub(chunk);
        if rest != Some(left.into()) || (chunk == 0 && left != 0) {
            return Err(EdgeError::BrokenMessage(cid));
        }
        partial.data.extend_from_slice(&data);
        partial.left = left;
        if left != 0 {
            channel.partial.insert(key, partial);
            return Ok(());
        }
        if mode != Mode::Intentless {
            channel.done(intent, features, out);
        }
        channel.rejections = 0;
        out.events.push(Event::Message(channel.cid, partial.data));
        Ok(())
    }

    pub(super) fn send(&mut self, cid: u16, data: Vec<u8>, out: &mut Outcome) {
        let (mode, limits) = (self.mode, self.limits);
        let Some(channel) = self.channels.iter_mut().find(|c| c.cid == cid && c.up) else {
            out.events.push(Event::Dropped(cid));
            return;
        };
        if mode == Mode::Intentless {
            transmit(cid, 0, &data, out);
        } else if channel.queue.len() < limits.queue {
            let number = channel.next_message;
            channel.next_message = number.wrapping_add(1);
            channel.queue.push_back(Waiting { number, data });
            Self::flush(channel, out);
        } else {
            out.events.push(Event::Dropped(cid));
        }
    }

    /// Sends what waits and fits into the AP's buffers, in order; asks for a buffer if none fits.
    pub(super) fn flush(channel: &mut Channel, out: &mut Outcome) {
        while let Some(Waiting { number, data }) = channel.queue.front() {
            let len = data.len() as u64;
            let free = channel
                .transmit
                .iter_mut()
                .filter(|(_, (size, filled))| !*filled && u64::from(*size) >= len);
            let Some((&intent, (_, filled))) = free.min_by_key(|(_, (size, _))| *size) else {
                if channel.request.is_none() {
                    channel.request = Some(Request {
                        message: *number,
                        announced: false,
                        granted: false,
                    });
                    let size = crate::wire::wire_len(data.len());
                    out.commands.push(Command::RxIntentReq {
                        cid: channel.cid,
                        size,
                    });
                }
                return;
            };
            *filled = true;
            transmit(channel.cid, intent, data, out);
            channel.queue.pop_front();
        }
    }
}

fn transmit(cid: u16, intent: u32, data: &[u8], out: &mut Outcome) {
    let mut left = data.len();
    let mut first = true;
    let mut chunks = data.chunks(TX_CHUNK);
    loop {
        let chunk = chunks.next().unwrap_or(&[]);
        left = left.saturating_sub(chunk.len());
        let (rest, data) = (crate::wire::wire_len(left), chunk.to_vec());
        out.commands.push(if first {
            Command::TxData {
                cid,
                intent,
                left: rest,
                data,
            }
        } else {
            Command::TxDataCont {
                cid,
                intent,
                left: rest,
                data,
            }
        });
        first = false;
        if left == 0 {
            return;
        }
    }
}
