//! A golden session as a trace file: its commands go past the recorder of `--trace` with the memory that they refer to laid out as
//! it was.

use crate::machine::Machine;
use crate::trace::{Event, Trace, hex, number};
use anyhow::{Context, Result};
use emu_lab::trace::{Options, Trace as File};
use emu_os::action::{Action, Channel, Inbound};
use emu_os::conversation::Conversation;
use emu_os::seam::Observer;
use emu_os::services::DspConfig;
use std::collections::BTreeMap;
use std::path::Path;

/// Session ID → stream of the golden machine.
const STREAMS: [(u32, u16); 4] = [(1, 0x1001), (2, 0x1002), (3, 0x1003), (4, 0x1004)];

/// The DSP of the golden sessions.
#[must_use]
pub fn dsp() -> DspConfig {
    DspConfig::new("cdsp", hexagon_isa::Arch::V68, 0x68, STREAMS.into())
}

/// Writes a golden session as a trace; returns how many GLINK commands, requests and answers it has.
///
/// # Errors
/// The session is damaged, or the file cannot be written.
pub fn record(golden: &Trace, path: &Path, options: Options) -> Result<Count> {
    let machine = Machine::new(192 << 20, &STREAMS.map(|(_, stream)| stream))?;
    let mut file = File::create(path, &[dsp()], "rpm", options)?;
    let observer = file.observer(0, None).context("no observer")?;
    let config = dsp();
    let mut play = Play {
        machine,
        observer,
        conversation: Conversation::new(config.addressing, config.streams),
        places: BTreeMap::new(),
        count: Count::default(),
    };
    play.inbound(&Inbound::Started);
    for event in &golden.events {
        play.event(event).with_context(|| format!("event {}", event.n))?;
    }
    play.inbound(&Inbound::Ended);
    let summary = file.close();
    anyhow::ensure!(summary.failed.is_none() && summary.lost == 0, "{summary:?}");
    Ok(play.count)
}

/// What a session has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// GLINK commands.
    pub commands: usize,
    /// Requests.
    pub requests: usize,
    /// Answers.
    pub answers: usize,
}

struct Play {
    machine: Machine,
    observer: Box<dyn Observer>,
    conversation: Conversation,
    /// Where the arguments of open calls are: stream, and device address of each.
    places: BTreeMap<u64, (u16, Vec<u64>)>,
    count: Count,
}

impl Play {
    fn inbound(&mut self, event: &Inbound) {
        let arrival = self.conversation.arrives(event);
        self.observer.inbound(&arrival, self.machine.bus());
    }

    fn outbound(&mut self, action: &Action) {
        let departure = self.conversation.departs(action);
        self.observer.outbound(&departure, self.machine.bus());
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        match (event.layer.as_str(), event.dir.as_str()) {
            ("glink", "ap>dsp") => {
                self.count.commands += 1;
                self.inbound(&Inbound::Glink(event.hex("bytes")?.into()));
            }
            ("glink", "dsp>ap") => {
                self.count.commands += 1;
                self.outbound(&Action::RawGlink(event.hex("bytes")?.into()));
                self.observer.interrupted(self.machine.bus());
            }
            ("fastrpc", "ap>dsp") => self.request(event)?,
            ("fastrpc", "dsp>ap") => self.answer(event)?,
            _ => {}
        }
        Ok(())
    }

    fn request(&mut self, event: &Event) -> Result<()> {
        let message = event.message()?;
        let stream = 0x1000 + (message.addr >> 32) as u16;
        let mut image = event.hex("invoke_buffer")?;
        image.resize(image.len().max(message.size as usize), 0);
        self.machine.write(stream, message.addr & 0xffff_ffff, &image)?;
        let mut places = Vec::new();
        for arg in event.list("args") {
            let page = number(&arg["page_addr"])? & 0xffff_ffff;
            let pv = if arg["pv"].is_null() {
                0
            } else {
                number(&arg["pv"])?
            };
            if number(&arg["num"])? != 0 {
                self.machine.map(stream, page, number(&arg["page_size"])?)?;
                if arg["data"].is_string() {
                    self.machine
                        .write(stream, page + (pv & 0xfff), &hex(&arg["data"])?)?;
                }
            }
            places.push(page + (pv & 0xfff));
        }
        self.places.insert(message.ctx.0, (stream, places));
        self.count.requests += 1;
        self.inbound(&Inbound::Message(Channel::FastRpc, message.encode()));
        Ok(())
    }

    fn answer(&mut self, event: &Event) -> Result<()> {
        self.count.answers += 1;
        let Some((stream, places)) = self.places.remove(&event.number("ctx")?) else {
            return Ok(());
        };
        for write in event.list("writes") {
            let Some(arg) = write["arg"].as_u64() else {
                continue;
            };
            let place = places.get(arg as usize).context("no such argument")?;
            let iova = place + number(&write["off"])?;
            let action = Action::Write {
                stream,
                iova,
                bytes: hex(&write["data"])?,
            };
            self.outbound(&action);
            if let Action::Write { bytes, .. } = action {
                self.machine.write(stream, iova, &bytes)?;
            }
        }
        Ok(())
    }
}
