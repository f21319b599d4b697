//! A driver and a DSP played by the test, step by step: page tables, invoke buffers, messages, answers.

use emu_core::mem::{Bus, NoFaultLine};
use emu_lab::account::{Account, Census, Config, Finding, Kind, Report};
use emu_local_ap::{Direction, DmaBuffer, KernelIommu};
use emu_os::action::{Action, Channel, Inbound};
use emu_os::conversation::Conversation;
use emu_os::seam::Observer;
use emu_os::services::DspConfig;
use hexagon_isa::Arch;
use rpmsg::fastrpc::build::{ApArg, Plan};
use rpmsg::fastrpc::control::{Control, encode_vaddr};
use rpmsg::fastrpc::{Ctx, Message, Metadata, Page, Response, Scalars};
use rpmsg::glink::Command;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub const SID: u32 = 3;
pub const STREAM: u16 = 0x1003;
pub const CLIENT: i32 = 1;
/// Where the "user" has arguments.
pub const USER: u64 = 0xaaaa_0000_0000;
const KERNEL: u64 = 0xffff_0000_0000_0000;

/// How the played driver numbers contexts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    V6_12,
    V7_3,
    Qda,
}

/// A call on its way.
#[derive(Debug, Clone)]
pub struct Call {
    pub ctx: u64,
    pub stream: u16,
    pub buffer: DmaBuffer,
    pub args: usize,
    /// Offsets of outputs.
    pub outs: Vec<u64>,
}

pub struct Play {
    pub kernel: KernelIommu,
    pub bus: Arc<Bus>,
    pub account: Account,
    observer: Box<dyn Observer>,
    conversation: Conversation,
    version: Kernel,
    next: u64,
    sequence: u64,
    /// Numbers of contexts that are never freed.
    pub kept: Vec<u64>,
    /// QDA's numbers that are in use.
    used: BTreeSet<u64>,
}

pub fn config() -> DspConfig {
    let streams = BTreeMap::from([(SID, STREAM), (SID + 1, STREAM + 1)]);
    DspConfig::new("cdsp", Arch::V68, 0x68, streams)
}

impl Play {
    pub fn new() -> Self {
        Self::with(Kernel::V7_3, Duration::ZERO)
    }

    pub fn with(version: Kernel, grace: Duration) -> Self {
        let kernel = KernelIommu::anonymous(24 << 20).unwrap();
        kernel.attach(STREAM).unwrap();
        kernel.attach(STREAM + 1).unwrap();
        let bus = kernel.bus(Arc::new(NoFaultLine));
        let account = Account::new(Config { dsp: config(), grace });
        let mut play = Self {
            kernel,
            bus,
            observer: account.observer(),
            conversation: Conversation::new(config().addressing, config().streams),
            account,
            version,
            next: 0,
            sequence: 0,
            kept: Vec::new(),
            used: BTreeSet::new(),
        };
        play.inbound(&Inbound::Started);
        play
    }

    pub fn inbound(&mut self, event: &Inbound) {
        let arrival = self.conversation.arrives(event);
        self.observer.inbound(&arrival, &self.bus);
    }

    pub fn outbound(&mut self, action: &Action) {
        let departure = self.conversation.departs(action);
        self.observer.outbound(&departure, &self.bus);
    }

    /// `idr_alloc_cyclic(1..256)`; QDA: the lowest that is free
    pub fn context(&mut self) -> u64 {
        if self.version == Kernel::Qda {
            let free = (1..).find(|n| !self.used.contains(n)).unwrap();
            self.used.insert(free);
            return free << 4;
        }
        loop {
            self.next = self.next % 255 + 1;
            if !self.kept.contains(&self.next) {
                break;
            }
        }
        self.sequence += 1;
        match self.version {
            Kernel::V6_12 | Kernel::Qda => self.next << 4 | 1,
            Kernel::V7_3 => self.sequence << 16 | self.next << 8 | 1,
        }
    }

    pub fn device(sid: u32, iova: u64) -> u64 {
        u64::from(sid) << 32 | iova
    }

    /// Sends a message as it is.
    pub fn send(&mut self, message: &Message) {
        self.inbound(&Inbound::Message(Channel::FastRpc, message.encode()));
    }

    /// Lays a call out, sends it.
    pub fn call_on(&mut self, sid: u32, client: i32, handle: u32, sc: u32, args: Vec<ApArg<'_>>) -> Call {
        let mut ctx = self.context();
        if self.version == Kernel::Qda && handle == 1 && matches!(Scalars(sc).method(), 6 | 7) {
            ctx |= 1;
        }
        let call = self.lay_out(sid, ctx, args);
        self.send(&Message {
            client_id: client,
            tid: 77,
            ctx: Ctx(ctx),
            handle,
            sc: Scalars(sc),
            addr: Self::device(sid, call.buffer.iova),
            size: call.buffer.len,
        });
        call
    }

    pub fn call(&mut self, sc: u32, args: Vec<ApArg<'_>>) -> Call {
        self.call_on(SID, CLIENT, 0x3000_0000, sc, args)
    }

    /// A call's invoke buffer, not sent.
    pub fn lay_out(&mut self, sid: u32, ctx: u64, args: Vec<ApArg<'_>>) -> Call {
        let addressing = config().addressing;
        let count = args.len();
        let plan = Plan::new(args, Metadata::WithPollWord).unwrap();
        let stream = config().streams[&sid];
        let buffer = self.kernel.dma_alloc(stream, plan.size(&addressing)).unwrap();
        let dma = Self::device(sid, buffer.iova);
        let built = plan.fill(dma, KERNEL, &addressing);
        self.kernel.ram().write(buffer.physical, &built.bytes).unwrap();
        Call {
            ctx,
            stream,
            buffer,
            args: count,
            outs: built.outputs.iter().map(|(_, at, _)| *at).collect(),
        }
    }

    /// A call of the kernel's.
    pub fn control_on(&mut self, sid: u32, control: &Control) -> Call {
        let payload = control.payload(Vec::new());
        let mut args: Vec<ApArg<'_>> = Vec::new();
        for (index, data) in payload.ins.iter().enumerate() {
            args.push(ApArg::In {
                addr: KERNEL + ((index as u64) << 20),
                data,
            });
        }
        for (index, len) in payload.outs.iter().enumerate() {
            args.push(ApArg::Out {
                addr: KERNEL + ((index as u64 + 9) << 20),
                len: u64::from(*len),
            });
        }
        self.call_on(sid, 0, 1, payload.sc.0, args)
    }

    pub fn control(&mut self, control: &Control) -> Call {
        self.control_on(SID, control)
    }

    /// The DSP's answer, on its way into the FIFO.
    pub fn answer(&mut self, call: &Call, retval: u32) {
        self.used.remove(&(call.ctx >> 4));
        let data = Response {
            ctx: Ctx(call.ctx),
            retval,
        }
        .encode();
        let command = Command::TxData {
            cid: Channel::FastRpc.cid(),
            intent: 0,
            left: 0,
            data,
        };
        self.outbound(&Action::RawGlink(command.into()));
    }

    /// A signal ends the wait for an answer: QDA gives the number out again.
    pub fn interrupt(&mut self, call: &Call) {
        self.used.remove(&(call.ctx >> 4));
    }

    /// The DSP writes its first output.
    pub fn output(&mut self, call: &Call, vaddr: u64) {
        let at = call.buffer.physical + call.outs[0];
        self.kernel.ram().write(at, &encode_vaddr(vaddr)).unwrap();
    }

    pub fn free(&mut self, call: &Call) {
        self.kernel.dma_free(call.stream, call.buffer).unwrap();
    }

    /// The answer, then what the driver frees.
    pub fn finish(&mut self, call: &Call, retval: u32) {
        self.answer(call, retval);
        self.free(call);
    }

    pub fn alloc(&mut self, len: u64) -> DmaBuffer {
        self.kernel.dma_alloc(STREAM, len).unwrap()
    }

    pub fn page(buffer: DmaBuffer) -> Page {
        Page {
            addr: Self::device(SID, buffer.iova),
            size: buffer.len,
        }
    }

    pub fn drop(&mut self, buffer: DmaBuffer) {
        self.kernel.dma_free(STREAM, buffer).unwrap();
    }

    /// Maps memory a second time, as attaching a DMA buffer does.
    pub fn attach(&mut self, physical: u64, len: u64) -> DmaBuffer {
        let iova = self
            .kernel
            .dma_map(STREAM, physical, len, Direction::Both)
            .unwrap();
        DmaBuffer { iova, physical, len }
    }

    pub fn detach(&mut self, buffer: DmaBuffer) {
        self.kernel.dma_unmap(STREAM, buffer.iova).unwrap();
    }

    /// A session with a process; its initial memory.
    pub fn create(&mut self) -> DmaBuffer {
        let memory = self.alloc(2 << 20);
        let call = self.control(&Control::Create {
            with_attributes: true,
            client: CLIENT,
            name: b"test".to_vec(),
            shell_len: 0,
            attrs: 8,
            signature_len: 0,
            memory: Self::page(memory),
        });
        self.finish(&call, 0);
        memory
    }

    pub fn release(&mut self) {
        let call = self.control(&Control::Release { client: CLIENT });
        self.finish(&call, 0);
    }

    /// An mmap, answered with this address.
    pub fn mmap(&mut self, len: u64, vaddr: u64) -> DmaBuffer {
        let memory = self.alloc(len);
        let call = self.control(&Control::Mmap {
            client: CLIENT,
            flags: 0x1000,
            vaddr: 0,
            page: Self::page(memory),
        });
        self.output(&call, vaddr);
        self.finish(&call, 0);
        memory
    }

    pub fn munmap(&mut self, size: u64, vaddr: u64) -> Call {
        self.control(&Control::Munmap {
            client: CLIENT,
            vaddr,
            size,
        })
    }

    pub fn mem_map(&mut self, fd: i32, buffer: DmaBuffer, vaddr: u64) {
        let call = self.control(&Control::MemMap {
            client: CLIENT,
            fd,
            offset: 0,
            flags: 3,
            vaddrin: 0,
            page: Self::page(buffer),
        });
        self.output(&call, vaddr);
        self.finish(&call, 0);
    }

    pub fn mem_unmap(&mut self, fd: i32, len: u64, vaddr: u64) -> Call {
        self.control(&Control::MemUnmap {
            client: CLIENT,
            fd,
            vaddr,
            len,
        })
    }

    /// The DSP lists descriptors to be dropped.
    pub fn list(&mut self, call: &Call, fds: &[u64]) {
        let at = call.buffer.physical + 40 * call.args as u64;
        for (index, fd) in fds.iter().enumerate() {
            self.kernel
                .ram()
                .write(at + 8 * index as u64, &fd.to_le_bytes())
                .unwrap();
        }
    }

    pub fn report(&self) -> Report {
        self.account.report()
    }

    /// The session's end; what was found.
    pub fn end(&mut self) -> Vec<Finding> {
        self.inbound(&Inbound::Ended);
        self.report().findings
    }

    /// Kinds found so far.
    pub fn kinds(&self) -> Vec<Kind> {
        self.report().findings.iter().map(|f| f.kind).collect()
    }

    pub fn census(&self) -> Census {
        self.account.census(Some(&self.bus))
    }
}
