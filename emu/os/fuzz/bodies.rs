//! What each fuzz target does with its bytes; `tests/fuzz_bodies.rs` runs them, too, on the stable compiler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use emu_core::mem::NoFaultLine;
use emu_local_ap::KernelIommu;
use emu_os::action::{Action, Channel, Inbound, Outbox};
use emu_os::conversation::Conversation;
use emu_os::services::{Dsp, DspConfig};
use hexagon_isa::Arch;
use rpmsg::fastrpc::build::{ApArg, Plan};
use rpmsg::fastrpc::{Ctx, Message, Metadata, Scalars};

const SID: u32 = 1;
const STREAM: u16 = 0x1001;
/// Where the kernel and its user have what arguments are copied from.
const USER: u64 = 0xaaaa_0000_0000;
/// Most memory that a library may take.
const MAX_MEMORY: u32 = 64 << 20;
/// Calls of one input: each may start a process.
const CALLS: usize = 16;

/// Of a library that is taken, everything it names is in it.
pub fn elf(data: &[u8]) {
    let Ok(image) = emu_os::elf::parse(data.into(), 68, MAX_MEMORY) else {
        return;
    };
    assert!(image.span.end - image.span.start <= u64::from(MAX_MEMORY));
    for symbol in &image.symbols {
        assert!(image.name(symbol).len() <= data.len());
    }
    for (library, version, _) in image.needed_versions() {
        assert!(library.len().max(version.len()) <= data.len());
    }
    for segment in &image.segments {
        assert!(image.segment_bytes(segment).len() <= data.len());
    }
    for at in image
        .segments
        .iter()
        .flat_map(|s| [s.vaddr, s.vaddr.wrapping_add(s.memsz / 2)])
    {
        let _ = image.function_at(at);
    }
}

/// A name that is taken has no way out of its folder.
pub fn uri(data: &[u8]) {
    let name = String::from_utf8_lossy(data);
    let _ = emu_os::uri::parse(&name);
    if let Ok(known) = emu_os::uri::plain(&name) {
        assert!(known.split('/').all(|part| !matches!(part, "" | "." | "..")));
        assert_eq!(emu_os::uri::plain(&known).as_ref(), Ok(&known));
    }
}

/// Bytes one after the other, 0 behind the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn take(&mut self, most: u8) -> &'a [u8] {
        let len = usize::from(self.next() % (most + 1)).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }
}

/// Counts answers, and those that are no error.
#[derive(Default)]
struct Count([AtomicUsize; 2]);

impl Outbox for Count {
    fn send(&self, batch: Vec<Action>) {
        for action in batch {
            if let Action::Answer { retval, .. } = action {
                self.0[0].fetch_add(1, Ordering::Relaxed);
                self.0[1].fetch_add(usize::from(retval == 0), Ordering::Relaxed);
            }
        }
    }
}

/// Calls of the fixed handles, laid out as the driver does, then damaged; whatever they are, none stays open when the channel
/// is gone. How many were answered, and how many of them without an error.
pub fn services(data: &[u8]) -> [usize; 2] {
    let mut bytes = Bytes(data);
    let kernel = KernelIommu::anonymous(16 << 20).expect("memory");
    kernel.attach(STREAM).expect("a context bank");
    let config = DspConfig::new("cdsp", Arch::V68, 0x68, [(SID, STREAM)].into());
    let addressing = config.addressing;
    let bus = kernel.bus(Arc::new(NoFaultLine));
    let answers = Arc::new(Count::default());
    let dsp = Dsp::new(config, bus, answers.clone());
    for call in 0..CALLS {
        if bytes.0.is_empty() {
            break;
        }
        let (handle, method, shape) = (bytes.next() % 12, bytes.next(), bytes.next());
        let ins: Vec<&[u8]> = (0..shape % 4).map(|_| bytes.take(64)).collect();
        let outs: Vec<u64> = (0..shape / 4 % 4).map(|_| u64::from(bytes.next())).collect();
        let addr = |n: usize| USER + ((n as u64) << 16);
        let mut args: Vec<ApArg<'_>> = Vec::new();
        for data in &ins {
            args.push(ApArg::In {
                addr: addr(args.len()),
                data,
            });
        }
        for len in &outs {
            args.push(ApArg::Out {
                addr: addr(args.len()),
                len: *len,
            });
        }
        let sc = Scalars::new(method % 32, ins.len() as u8, outs.len() as u8);
        let Ok(plan) = Plan::new(args, Metadata::WithPollWord) else {
            continue;
        };
        let Ok(buffer) = kernel.dma_alloc(STREAM, plan.size(&addressing)) else {
            break;
        };
        let dma = u64::from(SID) << 32 | buffer.iova;
        let mut built = plan.fill(dma, USER, &addressing).bytes;
        let mut message = Message {
            client_id: i32::from(bytes.next() % 3),
            tid: 1,
            ctx: Ctx(call as u64 + 1),
            handle: handle.into(),
            sc,
            addr: dma,
            size: buffer.len,
        }
        .encode();
        for _ in 0..bytes.next() % 4 {
            let at = usize::from(bytes.next()) % 128;
            if let Some(byte) = built.get_mut(at) {
                *byte = bytes.next();
            }
        }
        if bytes.next().is_multiple_of(8) {
            let at = usize::from(bytes.next()) % message.len();
            message[at] = bytes.next();
        }
        kernel.ram().write(buffer.physical, &built).expect("the buffer");
        dsp.message(&message);
    }
    dsp.channel_closed();
    assert_eq!(dsp.open_calls(), 0);
    answers.0.each_ref().map(|count| count.load(Ordering::Relaxed))
}

/// Commands and messages both ways: each is an event, and an answer belongs to a call that was asked before.
pub fn seam(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut conversation = Conversation::new(Default::default(), [(SID, STREAM)].into());
    while !bytes.0.is_empty() {
        let what = bytes.next() % 5;
        let piece = bytes.take(80).to_vec();
        match what {
            0 => drop(conversation.arrives(&Inbound::Glink(piece.into()))),
            1 => drop(conversation.arrives(&Inbound::Message(Channel::FastRpc, piece))),
            2 => drop(conversation.arrives(&Inbound::Smp2p(u32::from(bytes.next())))),
            3 => drop(conversation.departs(&Action::RawGlink(piece.into()))),
            _ => {
                if let Some(answer) = conversation.calls().decode_answer(&piece)
                    && let Some((_, call)) = answer.call
                {
                    assert_eq!(call.message.ctx.0, answer.ctx);
                }
            }
        }
    }
}
