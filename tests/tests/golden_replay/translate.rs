//! What is ours to choose: put in place of the recorder's in calls, learnt from answers.

use super::{Call, Replay, shown};
use anyhow::{Result, ensure};
use rpmsg::fastrpc::{Message, Page, control::Control};
use rpmsg::iface::{Payload, handle};
use tests::trace::{Event, number};

impl Replay<'_> {
    /// Replaces what is ours to choose in a call, maps the memory that it announces, and fills in what the recorder cut.
    pub(super) fn translate(
        &mut self,
        index: usize,
        event: &Event,
        message: &mut Message,
        inputs: &mut [Vec<u8>],
    ) -> Result<(Option<String>, bool)> {
        let lens: Vec<u32> = event
            .list("args")
            .iter()
            .map(|f| Ok(number(&f["len"])? as u32))
            .collect::<Result<_>>()?;
        let session = (message.addr >> 32) as u32;
        let set = |bytes: &mut [u8], at: usize, new: &[u8]| {
            bytes[at..at + new.len()].copy_from_slice(new);
        };
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let method = message.sc.method();
        match (message.handle, method) {
            (handle::PROCESS_CONTROL, _) => {
                let (ins, outs) = (message.sc.in_bufs(), message.sc.out_bufs());
                let payload = Payload {
                    sc: message.sc,
                    ins: inputs[..ins].to_vec(),
                    outs: lens[ins..ins + outs].to_vec(),
                };
                let shell = lens.get(2).copied().unwrap_or(0);
                let control = Control::parse(&payload, Some(shell))?;
                let names = self.sessions.entry((session, control.client())).or_default();
                let ours = |theirs: u64| names.addresses.get(&theirs).copied().unwrap_or(theirs);
                let memory = match control {
                    Control::Munmap { vaddr, .. } => {
                        set(&mut inputs[0], 8, &ours(vaddr).to_le_bytes());
                        None
                    }
                    Control::MemUnmap { vaddr, .. } => {
                        set(&mut inputs[0], 8, &ours(vaddr).to_le_bytes());
                        None
                    }
                    Control::Create { memory, .. } => Some(memory),
                    Control::Mmap { page, .. } | Control::MemMap { page, .. } => Some(page),
                    Control::Release { client } => {
                        self.sessions.remove(&(session, client));
                        None
                    }
                    _ => None,
                };
                if let Some(Page { addr, size }) = memory
                    && addr >> 32 != 0
                {
                    self.machine
                        .map(0x1000 + (addr >> 32) as u16, addr & 0xFFFF_FFFF, size)?;
                }
                return Ok((None, message.sc.out_bufs() != 0));
            }
            (handle::REMOTECTL, 0) | (handle::REMOTECTL1, 2) => {
                let uri = String::from_utf8_lossy(&inputs[1])
                    .trim_end_matches('\0')
                    .to_owned();
                return Ok((Some(uri), false));
            }
            (handle::REMOTECTL, 1) | (handle::REMOTECTL1, 3) => {
                let recorded = word(&inputs[0], 0);
                if let Some((ours, _)) = self.session(message).handles.get(&recorded) {
                    set(&mut inputs[0], 0, &ours.to_le_bytes());
                }
            }
            (handle::LISTENER, 4) | (handle::LISTENER1, 6) => {
                let recorded = word(&inputs[0], 0);
                if let Some(&ours) = self.session(message).reverse.get(&recorded) {
                    set(&mut inputs[0], 0, &ours.to_le_bytes());
                }
                let next = self
                    .trace
                    .events
                    .get(index + 1)
                    .filter(|e| e.is("reverse", "ap>dsp"))
                    .cloned();
                if let Some(reply) = next
                    && inputs[1].len() < lens[1] as usize
                {
                    inputs[1] = self.whole_reply(message, index, &reply, lens[1] as usize)?;
                } else if let Some(reply) = self
                    .trace
                    .events
                    .get(index + 1)
                    .filter(|e| e.is("reverse", "ap>dsp"))
                    .cloned()
                {
                    self.follow_file(message, index, &reply)?;
                }
            }
            (handle::LISTENER, 5) | (handle::LISTENER1, 7) => {
                let recorded = word(&inputs[0], 0);
                if let Some(&ours) = self.session(message).reverse.get(&recorded) {
                    set(&mut inputs[0], 0, &ours.to_le_bytes());
                }
            }
            (recorded, _) if recorded > handle::LAST_RESERVED => {
                if let Some((ours, _)) = self.session(message).handles.get(&recorded) {
                    message.handle = *ours;
                }
            }
            _ => {}
        }
        Ok((None, false))
    }

    /// Learns what is ours to choose from an output, and makes both sides equal there.
    pub(super) fn mask(
        &mut self,
        call: &Call,
        output: usize,
        ours: &mut [u8],
        theirs: &mut [u8],
    ) -> Result<()> {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        let method = call.message.sc.method();
        match (call.message.handle, method, output) {
            (handle::PROCESS_CONTROL, _, 0) if call.maps => {
                let client = i32::from_le_bytes(call.args[0].before[..4].try_into()?);
                let (a, b) = (
                    u64::from_le_bytes(theirs.try_into()?),
                    u64::from_le_bytes(ours.try_into()?),
                );
                ensure!(b != 0, "a map at address 0");
                let sid = (call.message.addr >> 32) as u32;
                self.sessions
                    .entry((sid, client))
                    .or_default()
                    .addresses
                    .insert(a, b);
                theirs.copy_from_slice(ours);
            }
            (handle::REMOTECTL, 0, 0) | (handle::REMOTECTL1, 2, 0) => {
                let (a, b) = (word(theirs), word(ours));
                let text = call
                    .args
                    .get(3)
                    .map(|a| self.machine.read(call.stream, a.iova, a.len))
                    .transpose()?;
                ensure!(
                    (a == 0) == (b == 0),
                    "we open as {b:#x}, recorded is {a:#x}: {}",
                    shown(
                        text.as_deref()
                            .unwrap_or_default()
                            .split(|&b| b == 0)
                            .next()
                            .unwrap_or_default()
                    )
                );
                if a != 0 {
                    ensure!(b > handle::LAST_RESERVED);
                    let library = call.uri.clone().unwrap_or_default();
                    self.session(&call.message).handles.insert(a, (b, library));
                    theirs[..4].copy_from_slice(&ours[..4]);
                }
            }
            (handle::REMOTECTL, 0, 1) | (handle::REMOTECTL1, 2, 1) if theirs[0] != 0 => {
                ensure!(
                    ours[0] != 0 && ours.contains(&0),
                    "a failed open without an error text"
                );
                theirs.copy_from_slice(ours);
            }
            (handle::LISTENER, 4, 0) | (handle::LISTENER1, 6, 0) => {
                let (a, b) = (word(theirs), word(ours));
                if a != 0 {
                    ensure!(b != 0, "a reverse call with number 0");
                    self.session(&call.message).reverse.insert(a, b);
                    theirs[..4].copy_from_slice(&ours[..4]);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
