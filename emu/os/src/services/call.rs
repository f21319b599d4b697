//! One call as it arrived: the message, its arguments, and the duty to answer it.
//!
//! The guest owns the invoke buffer and may change it at any time, so its descriptors are copied once and then parsed from the
//! copy; the bytes of an input are likewise copied once, when somebody asks for them. Nothing but output buffers, the fdlist and
//! the poll word is ever written there: the kernel reads its own descriptors again when it copies results back
//! (docs/protocol.md#invoke-buffer).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rpmsg::Aee;
use rpmsg::fastrpc::{Arg, InvokeLayout, Message, POLL_RESPONSE, encode_fdlist, parse_args, snapshot_len};
use rpmsg::iface::{Payload, PayloadError, Reply};

use super::answer::Answerer;
use super::config::DspConfig;
use crate::action::Action;
use emu_core::mem::Bus;

/// Most bytes of inputs that a built-in service copies for one call. The largest real one is a packed reply of a file read.
const MAX_INPUT: u64 = 32 << 20;

/// A call to be answered.
pub(super) struct ApCall {
    message: Message,
    /// Session ID of the message.
    sid: u32,
    stream: u16,
    /// I/O virtual address of the invoke buffer.
    invoke: u64,
    args: Vec<Arg>,
    /// How long it took to read them.
    reading: Duration,
    bus: Arc<Bus>,
    answerer: Answerer,
}

impl ApCall {
    /// Reads the descriptors of a message's invoke buffer. A message that is not acceptable is answered here.
    pub fn receive(message: Message, config: &DspConfig, bus: &Arc<Bus>, answerer: Answerer) -> Option<Self> {
        let begun = Instant::now();
        match Self::read_args(&message, config, bus) {
            Ok((sid, stream, invoke, args)) => {
                let reading = begun.elapsed();
                let bus = Arc::clone(bus);
                Some(Self {
                    message,
                    sid,
                    stream,
                    invoke,
                    args,
                    reading,
                    bus,
                    answerer,
                })
            }
            Err(why) => {
                tracing::warn!(target: "emu::services", ctx = format_args!("{:#x}", message.ctx.0), "{why}");
                answerer.answer(Vec::new(), Aee::BAD_PARM);
                None
            }
        }
    }

    fn read_args(
        message: &Message,
        config: &DspConfig,
        bus: &Bus,
    ) -> Result<(u32, u16, u64, Vec<Arg>), String> {
        let addressing = &config.addressing;
        message.check(addressing).map_err(|e| e.to_string())?;
        let (sid, invoke) = addressing.split(message.addr);
        let stream = *config
            .streams
            .get(&sid)
            .ok_or_else(|| format!("this DSP has no session ID {sid}"))?;
        let len = usize::try_from(snapshot_len(message.sc)).map_err(|e| e.to_string())?;
        let mut snapshot = vec![0; len];
        bus.read(stream, invoke, &mut snapshot)
            .map_err(|e| format!("cannot read the invoke buffer: {e}"))?;
        let args = parse_args(message, &snapshot, addressing).map_err(|e| e.to_string())?;
        Ok((sid, stream, invoke, args))
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The AP's thread that calls.
    pub fn tid(&self) -> i32 {
        self.message.tid
    }

    /// Session ID.
    pub fn sid(&self) -> u32 {
        self.sid
    }

    /// Stream ID of the session's context bank.
    pub fn stream(&self) -> u16 {
        self.stream
    }

    /// The arguments, in wire order.
    pub fn args(&self) -> &[Arg] {
        &self.args
    }

    /// How long it took to read its descriptors.
    pub fn reading(&self) -> Duration {
        self.reading
    }

    /// Capacities of the output buffers.
    pub fn capacities(&self) -> Vec<u32> {
        let (ins, outs) = (self.message.sc.in_bufs(), self.message.sc.out_bufs());
        self.args.iter().skip(ins).take(outs).map(Arg::len).collect()
    }

    /// Copies all inputs, but for the one with number `skip`. For built-in services; module calls use their buffers in place.
    fn payload(&self, skip: Option<usize>) -> Result<Payload, Aee> {
        let ins = self.message.sc.in_bufs();
        let wanted = |&(index, _): &(usize, &Arg)| Some(index) != skip;
        let total: u64 = self
            .args
            .iter()
            .take(ins)
            .enumerate()
            .filter(wanted)
            .map(|(_, arg)| u64::from(arg.len()))
            .sum();
        if total > MAX_INPUT {
            return Err(Aee::BAD_SIZE);
        }
        let mut payload = Payload {
            sc: self.message.sc,
            ..Payload::default()
        };
        for (index, arg) in self.args.iter().take(ins).enumerate() {
            payload.ins.push(if Some(index) == skip {
                Vec::new()
            } else {
                self.read(arg)?
            });
        }
        payload.outs = self.capacities();
        Ok(payload)
    }

    /// Copies all inputs; answers the call when they cannot be read.
    pub fn with_payload(self) -> Option<(Self, Payload)> {
        self.with_payload_except(None)
    }

    /// Copies the inputs but the one with number `skip`, which is left empty; answers the call when they cannot be read.
    pub fn with_payload_except(self, skip: Option<usize>) -> Option<(Self, Payload)> {
        match self.payload(skip) {
            Ok(payload) => Some((self, payload)),
            Err(code) => {
                self.refuse(code, "unreadable arguments");
                None
            }
        }
    }

    fn read(&self, arg: &Arg) -> Result<Vec<u8>, Aee> {
        match *arg {
            Arg::Buffer { iova, len, .. } => {
                let mut bytes = vec![0; len as usize];
                self.bus.read(self.stream, iova, &mut bytes).map_err(|fault| {
                    tracing::warn!(target: "emu::services", "cannot read an argument: {fault}");
                    Aee::BAD_PARM
                })?;
                Ok(bytes)
            }
            Arg::Empty | Arg::Handle { .. } => Ok(Vec::new()),
        }
    }

    /// The first `max` bytes of an input, without copying the rest.
    pub fn peek(&self, index: usize, max: u32) -> Result<Vec<u8>, Aee> {
        match self.args.get(index) {
            Some(&Arg::Buffer { pv, len, iova, page }) => self.read(&Arg::Buffer {
                pv,
                len: len.min(max),
                iova,
                page,
            }),
            _ => Ok(Vec::new()),
        }
    }

    // ---- answers ------------------------------------------------------------------------------------------------

    /// Answers an error, and says why in the log.
    pub fn refuse(self, code: Aee, why: &str) {
        tracing::debug!(target: "emu::services", ctx = format_args!("{:#x}", self.message.ctx.0), %code, why, "refused");
        self.answerer.answer(Vec::new(), code);
    }

    /// The call will not be served to its end: it is answered only if its context has no newer owner by then.
    pub fn given_up(mut self) -> Self {
        self.answerer = self.answerer.given_up();
        self
    }

    /// Answers success without outputs.
    pub fn done(self) {
        self.answerer.answer(Vec::new(), Aee::SUCCESS);
    }

    /// Answers success with these contents of the output buffers; what is longer than a buffer is an error.
    pub fn reply(self, outs: Vec<Vec<u8>>) {
        let first = self.message.sc.in_bufs();
        let mut batch = Vec::new();
        for (index, bytes) in outs.into_iter().enumerate() {
            match self.args.get(first + index) {
                _ if bytes.is_empty() => {}
                Some(&Arg::Buffer { iova, len, .. }) if bytes.len() <= len as usize => {
                    batch.push(Action::Write {
                        stream: self.stream,
                        iova,
                        bytes,
                    });
                }
                _ => return self.refuse(Aee::BUFFER_TOO_SMALL, "an output does not fit"),
            }
        }
        self.answerer.answer(batch, Aee::SUCCESS);
    }

    /// Answers success with a method's reply.
    pub fn reply_with(self, capacities: &[u32], reply: &impl Reply) {
        match reply.encode(capacities) {
            Ok(outs) => self.reply(outs),
            Err(e) => self.refuse_payload(&e),
        }
    }

    /// Answers what a skeleton answers to a payload that is not its method's.
    pub fn refuse_payload(self, error: &PayloadError) {
        let code = error.aee();
        self.refuse(code, &error.to_string());
    }

    /// Answers a module call: the outputs are in place already. `drop_fds` are DMA handles whose maps the kernel may drop; the
    /// return value is those that did not fit. `poll` writes the poll word of a call that succeeded.
    pub fn finish_module_call(self, retval: Aee, drop_fds: &[i32], poll: bool) -> Vec<i32> {
        let layout = InvokeLayout::new(self.message.sc.args());
        let mut batch = Vec::new();
        let mut write = |offset: u64, bytes: Vec<u8>| {
            batch.push(Action::Write {
                stream: self.stream,
                iova: self.invoke + offset,
                bytes,
            });
        };
        let (fdlist, later) = encode_fdlist(drop_fds);
        if !fdlist.is_empty() {
            write(layout.fdlist(), fdlist);
        }
        if poll && retval.is_ok() && layout.poll_word() + 4 <= self.message.size {
            write(layout.poll_word(), POLL_RESPONSE.to_le_bytes().to_vec());
        }
        self.answerer.answer(batch, retval);
        later
    }
}
