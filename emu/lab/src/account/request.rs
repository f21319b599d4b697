//! A request as its bytes in guest memory say it, looked at without a transaction.

use super::look::Addresses;
use emu_core::mem::Bus;
use emu_os::conversation::{self, Arguments, Call};
use rpmsg::fastrpc::control::{Control, SHELL_BUFFER, has_shell};
use rpmsg::fastrpc::{Arg, InvokeLayout, Message};
use rpmsg::iface::{Payload, handle};

/// Largest input that is looked at: those of process control are small.
const MAX_INPUT: u32 = 4096;

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    pub message: Message,
    /// Session ID; 0 for addresses that do not pass the SMMU.
    pub sid: u32,
    /// Stream of the session; `None` without one.
    pub stream: Option<u16>,
    /// The invoke buffer.
    pub invoke: Addresses,
    /// Arguments in wire order; empty if they make no sense.
    pub args: Vec<Arg>,
    /// What makes no sense.
    pub wrong: Option<String>,
    /// It is what process control is asked that makes no sense.
    pub wrong_control: bool,
    /// What a process control call asks.
    pub control: Option<Control>,
}

impl Request {
    /// Reads what a request's invoke buffer says, and what process control asks.
    pub fn read(request: &conversation::Request, bus: &Bus) -> Self {
        let Call {
            message,
            sid,
            stream,
            iova,
        } = request.call;
        let mut read = Self {
            message,
            sid,
            stream,
            invoke: Addresses {
                iova,
                len: message.size,
            },
            args: Vec::new(),
            wrong: None,
            wrong_control: false,
            control: None,
        };
        read.wrong = read.arguments(request, bus).err();
        read
    }

    fn arguments(&mut self, request: &conversation::Request, bus: &Bus) -> Result<(), String> {
        request.check.map_err(|e| e.to_string())?;
        let stream = self
            .stream
            .ok_or_else(|| format!("there is no session ID {}", self.sid))?;
        let Arguments::Read { args, .. } = request.arguments(bus) else {
            // Told by the window's check already.
            return Ok(());
        };
        self.args = args.clone().map_err(|e| e.to_string())?;
        if self.message.handle == handle::PROCESS_CONTROL && self.message.client_id == 0 {
            match self.control(stream, bus) {
                Ok(control) => self.control = Some(control),
                Err(wrong) => {
                    self.wrong_control = true;
                    return Err(wrong);
                }
            }
        }
        Ok(())
    }

    fn control(&self, stream: u16, bus: &Bus) -> Result<Control, String> {
        let sc = self.message.sc;
        let creates = has_shell(sc.method());
        let mut payload = Payload {
            sc,
            ..Payload::default()
        };
        for (index, arg) in self.args.iter().take(sc.in_bufs()).enumerate() {
            let mut bytes = Vec::new();
            if !(creates && index == SHELL_BUFFER)
                && let Arg::Buffer { iova, len, .. } = *arg
            {
                bytes.resize(len.min(MAX_INPUT) as usize, 0);
                bus.look_at(stream, iova, &mut bytes);
            }
            payload.ins.push(bytes);
        }
        let outs = self.args.iter().skip(sc.in_bufs()).take(sc.out_bufs());
        payload.outs.extend(outs.map(Arg::len));
        let shell = creates.then(|| self.args.get(SHELL_BUFFER).map_or(0, Arg::len));
        Control::parse(&payload, shell).map_err(|e| e.to_string())
    }

    /// What the DSP wrote into the first output buffer, 8 bytes, if it is there.
    pub fn output(&self, bus: &Bus) -> Option<u64> {
        let Arg::Buffer { iova, len: 8.., .. } = *self.args.get(self.message.sc.in_bufs())? else {
            return None;
        };
        let mut bytes = [0; 8];
        bus.look_at(self.stream?, iova, &mut bytes)
            .then(|| u64::from_le_bytes(bytes))
    }

    /// The descriptors that the DSP listed to be dropped.
    pub fn fdlist(&self, bus: &Bus) -> Vec<i32> {
        let at = InvokeLayout::new(self.message.sc.args()).fdlist();
        let mut bytes = [0; 128];
        let Some(stream) = self.stream else {
            return Vec::new();
        };
        if !bus.look_at(stream, self.invoke.iova.saturating_add(at), &mut bytes) {
            return Vec::new();
        }
        let (words, _) = bytes.as_chunks::<8>();
        words
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .take_while(|word| *word != 0)
            .map(|word| word as i32)
            .collect()
    }

    /// One line.
    pub fn describe(&self) -> String {
        let m = &self.message;
        let what = match &self.control {
            Some(control) => describe(control),
            None => format!(
                "client {} thread {} calls handle {:#x} method {} ({} in, {} out, {} handles)",
                m.client_id,
                m.tid,
                m.handle,
                m.sc.method(),
                m.sc.in_bufs(),
                m.sc.out_bufs(),
                m.sc.in_handles() + m.sc.out_handles()
            ),
        };
        format!(
            "> ctx {:#x} session {}: {what}; invoke buffer {}",
            m.ctx.0,
            self.sid,
            window(self.invoke)
        )
    }
}

/// `0xffff0000+0x1000`
pub(super) fn window(a: Addresses) -> String {
    format!("{:#x}+{:#x}", a.iova, a.len)
}

fn describe(control: &Control) -> String {
    match control {
        Control::Attach { client } => format!("attach client {client}"),
        Control::Release { client } => format!("release client {client}"),
        Control::Mmap {
            client, flags, page, ..
        } => format!(
            "mmap for client {client}: flags {flags:#x}, {:#x}+{:#x}",
            page.addr, page.size
        ),
        Control::Munmap { client, vaddr, size } => {
            format!("munmap for client {client}: {vaddr:#x}+{size:#x}")
        }
        Control::Create {
            client, name, memory, ..
        } => format!(
            "create client {client} {:?}, initial memory {:#x}+{:#x}",
            String::from_utf8_lossy(name),
            memory.addr,
            memory.size
        ),
        Control::CreateStatic { client, name, .. } => format!(
            "create static process {:?} for client {client}",
            String::from_utf8_lossy(name)
        ),
        Control::MemMap {
            client,
            fd,
            flags,
            page,
            ..
        } => format!(
            "mem map for client {client}: fd {fd}, flags {flags}, {:#x}+{:#x}",
            page.addr, page.size
        ),
        Control::MemUnmap {
            client,
            fd,
            vaddr,
            len,
        } => format!("mem unmap for client {client}: fd {fd}, {vaddr:#x}+{len:#x}"),
    }
}
