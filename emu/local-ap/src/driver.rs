//! The driver's part: invoke buffers in DMA memory, contexts, messages to the DSP, and what becomes of its answers.
//!
//! Source: `fastrpc_internal_invoke`, `fastrpc_invoke_send`, `fastrpc_rpmsg_callback` and the `FASTRPC_RMID_*` callers of the
//! kernel's fastrpc.c. The answer's outputs are copied whatever the return value, as there.
//!
//! Not modelled: time-outs and signals (tests start and drop calls themselves), the poll word (it is only looked at by tests).

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rpmsg::Aee;
use rpmsg::fastrpc::build::{ApArg, Plan};
use rpmsg::fastrpc::control::Control;
use rpmsg::fastrpc::{Addressing, Ctx, Message, Metadata, Page, PdHint, Scalars};
use rpmsg::iface::{Payload, handle};

use crate::kernel_iommu::{DmaBuffer, KernelError, KernelIommu};
use emu_core::mem::{Bus, NoFaultLine, PAGE};
use emu_os::action::{Action, Outbox};
use emu_os::services::{Dsp, DspConfig};

/// Where the "kernel" sees invoke buffers; only the low bits matter to a DSP.
const KERNEL_BASE: u64 = 0xffff_0000_0000_0000;
/// Where the "user" has the first argument; each further one lies this much higher.
const USER_BASE: u64 = 0xaaaa_0000_1230;
const USER_STEP: u64 = 0x1_0000_0000;
/// The driver's initial memory of a process without a shell.
const INITIAL_MEMORY: u64 = 2 << 20;

/// Why the driver's part could not be done.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// No memory, no device addresses.
    #[error(transparent)]
    Memory(#[from] KernelError),
    /// The call cannot be laid out.
    #[error(transparent)]
    Plan(#[from] rpmsg::fastrpc::build::PlanError),
    /// RAM of the "guest" was not where it should be.
    #[error(transparent)]
    Ram(#[from] emu_core::mem::RamError),
    /// This DSP has no such session.
    #[error("this DSP has no session ID {0}")]
    NoSession(u32),
    /// The DSP refused.
    #[error("the DSP answered {0}")]
    Dsp(Aee),
    /// The DSP did not answer.
    #[error("the DSP did not answer in time")]
    NoAnswer,
}

/// How a driver numbers its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbering {
    /// `fastrpc_context_alloc` of fastrpc.c: a sequence above, a slot in the middle, the process's kind below; no context
    /// is given out while a call that has it is open.
    #[default]
    Sequence,
    /// `fastrpc_context_alloc` of drivers/accel/qda/qda_fastrpc.c: the lowest number that nobody waits with. A call that was
    /// interrupted is not waited for any more, answered or not.
    LowestFree,
}

/// The contexts of a driver's calls.
struct Contexts {
    numbering: Numbering,
    sequence: AtomicU64,
    taken: Mutex<BTreeSet<u64>>,
}

impl Contexts {
    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, pd: u64) -> Context {
        let ctx = match self.numbering {
            Numbering::Sequence => {
                let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
                sequence << 16 | (sequence % 255 + 1) << 8 | pd
            }
            Numbering::LowestFree => {
                let mut taken = self.taken();
                let number = (1..).find(|number| !taken.contains(number)).unwrap_or(u64::MAX);
                taken.insert(number);
                // The kind of process only where the process is made, which this driver does not tell apart.
                number << 4 | pd
            }
        };
        Context {
            ctx,
            contexts: Arc::clone(self),
        }
    }
}

/// A context while somebody waits with it.
struct Context {
    ctx: u64,
    contexts: Arc<Contexts>,
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.contexts.numbering == Numbering::LowestFree {
            self.contexts.taken().remove(&(self.ctx >> 4));
        }
    }
}

/// A machine with one DSP and a driver, but no guest.
pub struct Driver {
    kernel: Arc<KernelIommu>,
    bus: Arc<Bus>,
    addressing: Addressing,
    streams: std::collections::BTreeMap<u32, u16>,
    wire: Arc<Wire>,
    dsp: Arc<Dsp>,
    /// One message at a time, as on the device thread.
    device: Mutex<()>,
    contexts: Arc<Contexts>,
}

/// The wire from the DSP: carries out its actions.
struct Wire {
    bus: Arc<Bus>,
    /// By context, as the kernel finds them: who has the number when an answer comes.
    waiting: Mutex<HashMap<u64, SyncSender<u32>>>,
    /// Answers for contexts that were not open.
    stray: AtomicU64,
}

impl Outbox for Wire {
    fn send(&self, batch: Vec<Action>) {
        for action in batch {
            match action {
                Action::Write { stream, iova, bytes } => {
                    if let Err(fault) = self.bus.write(stream, iova, &bytes) {
                        tracing::warn!(target: "emu::services", "the DSP's write failed: {fault}");
                    }
                }
                Action::Answer { ctx, retval } => {
                    let waiting = self
                        .waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .remove(&ctx);
                    match waiting {
                        // The waiter may be gone, as an interrupted thread is.
                        Some(waiting) => drop(waiting.send(retval)),
                        None => drop(self.stray.fetch_add(1, Ordering::Relaxed)),
                    }
                }
                // There is no wire here, and no platform.
                _ => {}
            }
        }
    }
}

/// A DSP's configuration for one program on this machine: one context bank, libraries in large pieces, and no session slots that
/// could run out, as the driver is played.
#[must_use]
pub fn for_one_program(mut config: DspConfig) -> DspConfig {
    config.library_read.chunk = 256 << 10;
    config.streams = config.streams.into_iter().take(1).collect();
    config.shared_banks = config.streams.keys().map(|&reg| (reg, u32::MAX)).collect();
    config
}

impl Driver {
    /// A machine with `ram` bytes of memory and a DSP.
    ///
    /// # Errors
    /// The host has no memory, or the SMMU has fewer banks than the DSP sessions.
    pub fn start(config: DspConfig, ram: usize) -> Result<Arc<Self>, DriverError> {
        Self::start_with(config, ram, Numbering::default())
    }

    /// The same, with calls numbered as one of the drivers does it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(config: DspConfig, ram: usize, numbering: Numbering) -> Result<Arc<Self>, DriverError> {
        let kernel = Arc::new(KernelIommu::anonymous(ram)?);
        let bus = kernel.bus(Arc::new(NoFaultLine));
        Self::on(kernel, bus, config, numbering)
    }

    /// Another DSP of this machine: behind the same SMMU, with the same memory. Its sessions' streams must be its own, as those of a
    /// profile are.
    ///
    /// # Errors
    /// The SMMU has no bank left for its sessions.
    pub fn start_beside(&self, config: DspConfig) -> Result<Arc<Self>, DriverError> {
        Self::on(
            Arc::clone(&self.kernel),
            Arc::clone(&self.bus),
            config,
            self.contexts.numbering,
        )
    }

    fn on(
        kernel: Arc<KernelIommu>,
        bus: Arc<Bus>,
        config: DspConfig,
        numbering: Numbering,
    ) -> Result<Arc<Self>, DriverError> {
        for &stream in config.streams.values() {
            kernel.attach(stream)?;
        }
        let wire = Arc::new(Wire {
            bus: Arc::clone(&bus),
            waiting: Mutex::default(),
            stray: AtomicU64::new(0),
        });
        let (addressing, streams) = (config.addressing, config.streams.clone());
        let dsp = Dsp::new(config, Arc::clone(&bus), Arc::clone(&wire) as Arc<dyn Outbox>);
        Ok(Arc::new(Self {
            kernel,
            bus,
            addressing,
            streams,
            wire,
            dsp,
            device: Mutex::default(),
            contexts: Arc::new(Contexts {
                numbering,
                sequence: AtomicU64::new(1),
                taken: Mutex::default(),
            }),
        }))
    }

    /// The DSP.
    #[must_use]
    pub fn dsp(&self) -> Arc<Dsp> {
        Arc::clone(&self.dsp)
    }

    /// The "kernel's" memory management.
    #[must_use]
    pub fn kernel(&self) -> &Arc<KernelIommu> {
        &self.kernel
    }

    /// The DSP's bus.
    #[must_use]
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// The session IDs of this DSP, ascending.
    pub fn session_ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.streams.keys().copied()
    }

    /// Answers that belonged to no open context: a DSP that answers twice.
    #[must_use]
    pub fn stray_answers(&self) -> u64 {
        self.wire.stray.load(Ordering::Relaxed)
    }

    /// Puts bytes on the channel, whatever they are.
    pub fn send(&self, message: &[u8]) {
        let _one = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        self.dsp.message(message);
    }

    /// Session `sid`:`client`, as opening a device node gives it. Nothing is said to the DSP yet.
    ///
    /// # Errors
    /// [`DriverError::NoSession`]
    pub fn session(self: &Arc<Self>, sid: u32, client: i32) -> Result<Arc<Session>, DriverError> {
        let stream = *self.streams.get(&sid).ok_or(DriverError::NoSession(sid))?;
        Ok(Arc::new(Session {
            driver: Arc::clone(self),
            sid,
            stream,
            client,
            initial: Mutex::default(),
            heap: Mutex::default(),
        }))
    }
}

/// One argument of a call.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    /// Input, copied.
    In(&'a [u8]),
    /// Output of this capacity, copied back.
    Out(u64),
    /// Input or output inside a DMA buffer: offset and length.
    Mapped(DmaBuffer, u64, u64),
    /// A DMA handle: descriptor, buffer, offset and length.
    Handle(i32, DmaBuffer, u32, u32),
}

/// An open device node.
pub struct Session {
    driver: Arc<Driver>,
    sid: u32,
    stream: u16,
    client: i32,
    initial: Mutex<Option<DmaBuffer>>,
    heap: Mutex<Vec<(u64, DmaBuffer)>>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Return value.
    pub retval: Aee,
    /// Output buffers, in order; those that are not copied back (mapped ones) are empty.
    pub outs: Vec<Vec<u8>>,
    /// The fdlist: descriptors that the DSP handed back.
    pub fdlist: Vec<i32>,
    /// The poll word.
    pub poll_word: u32,
}

/// A call under way. The invoke buffer stays allocated until it is answered, as in the kernel; dropping an unanswered one leaks it.
pub struct PendingCall {
    driver: Arc<Driver>,
    stream: u16,
    context: Context,
    sc: Scalars,
    buffer: DmaBuffer,
    outputs: Vec<(usize, u64, u64)>,
    answer: Receiver<u32>,
}

impl PendingCall {
    /// Its context.
    #[must_use]
    pub fn ctx(&self) -> u64 {
        self.context.ctx
    }

    /// Waits for the answer, at most for `limit`.
    ///
    /// # Errors
    /// [`DriverError::NoAnswer`]
    pub fn wait(self, limit: Duration) -> Result<Answer, DriverError> {
        let retval = self
            .answer
            .recv_timeout(limit)
            .map_err(|_| DriverError::NoAnswer)?;
        self.take(retval)
    }

    /// The answer, if it is there.
    ///
    /// # Errors
    /// The call itself while there is none.
    pub fn poll(self) -> Result<Answer, Self> {
        match self.answer.recv_timeout(Duration::ZERO) {
            Ok(retval) => self.take(retval).map_err(|_| unreachable!("own RAM is readable")),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(self),
        }
    }

    fn take(self, retval: u32) -> Result<Answer, DriverError> {
        let ram = self.driver.kernel.ram();
        let read = |at: u64, len: u64| {
            let mut bytes = vec![0; len as usize];
            ram.read(self.buffer.physical + at, &mut bytes).map(|()| bytes)
        };
        let layout = rpmsg::fastrpc::InvokeLayout::new(self.sc.args());
        // Empty and mapped outputs are not copied, but they are outputs.
        let mut outs = vec![Vec::new(); self.sc.out_bufs()];
        for &(index, at, len) in &self.outputs {
            if let Some(out) = index
                .checked_sub(self.sc.in_bufs())
                .and_then(|index| outs.get_mut(index))
            {
                *out = read(at, len)?;
            }
        }
        let fdlist = read(layout.fdlist(), 128)?;
        let fdlist =
            fdlist
                .chunks(8)
                .map_while(|entry| match i32::from_le_bytes(entry.first_chunk().copied()?) {
                    0 => None,
                    fd => Some(fd),
                });
        let fdlist = fdlist.collect();
        let poll_word = ram.read_u32(self.buffer.physical + layout.poll_word())?;
        self.driver.kernel.dma_free(self.stream, self.buffer)?;
        Ok(Answer {
            retval: Aee(retval),
            outs,
            fdlist,
            poll_word,
        })
    }
}

impl Session {
    /// Session ID.
    #[must_use]
    pub fn sid(&self) -> u32 {
        self.sid
    }

    /// Client ID.
    #[must_use]
    pub fn client(&self) -> i32 {
        self.client
    }

    /// Stream ID of the context bank.
    #[must_use]
    pub fn stream(&self) -> u16 {
        self.stream
    }

    /// The machine.
    #[must_use]
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// The message's address of a device address of this session.
    #[must_use]
    pub fn tagged(&self, iova: u64) -> u64 {
        self.driver.addressing.join(self.sid, iova)
    }

    /// Memory that the DSP can reach in this session.
    ///
    /// # Errors
    /// No memory.
    pub fn alloc(&self, len: u64) -> Result<DmaBuffer, DriverError> {
        Ok(self.driver.kernel.dma_alloc(self.stream, len)?)
    }

    /// Starts a user's call.
    ///
    /// # Errors
    /// No memory, or too many arguments.
    pub fn start(
        &self,
        tid: i32,
        handle: u32,
        method: u8,
        args: &[Arg<'_>],
    ) -> Result<PendingCall, DriverError> {
        let count = |wanted: fn(&Arg<'_>) -> bool| args.iter().filter(|arg| wanted(arg)).count() as u8;
        let ins = count(|arg| matches!(arg, Arg::In(_)));
        let outs = count(|arg| matches!(arg, Arg::Out(_) | Arg::Mapped(..)));
        let handles = count(|arg| matches!(arg, Arg::Handle(..)));
        let sc = Scalars::with_handles(method, ins, outs, handles, 0);
        self.start_raw(self.client, tid, handle, sc, args)
    }

    /// Starts a call with everything chosen by the caller.
    ///
    /// # Errors
    /// No memory, or too many arguments.
    pub fn start_raw(
        &self,
        client: i32,
        tid: i32,
        handle: u32,
        sc: Scalars,
        args: &[Arg<'_>],
    ) -> Result<PendingCall, DriverError> {
        let domain = if client == 0 { PdHint::Root } else { PdHint::User };
        self.start_in(domain, client, tid, handle, sc, args)
    }

    fn start_in(
        &self,
        domain: PdHint,
        client: i32,
        tid: i32,
        handle: u32,
        sc: Scalars,
        args: &[Arg<'_>],
    ) -> Result<PendingCall, DriverError> {
        let ap_args = args.iter().zip(0u64..).map(|(arg, index)| {
            let addr = USER_BASE + index * USER_STEP;
            match *arg {
                Arg::In(data) => ApArg::In { addr, data },
                Arg::Out(len) => ApArg::Out { addr, len },
                Arg::Mapped(buffer, offset, len) => {
                    let base = addr / PAGE * PAGE;
                    ApArg::Mapped {
                        addr: base + offset,
                        len,
                        base,
                        dma: self.tagged(buffer.iova),
                    }
                }
                Arg::Handle(fd, buffer, offset, len) => {
                    let page = Page {
                        addr: self.tagged(buffer.iova),
                        size: buffer.len,
                    };
                    ApArg::Handle {
                        fd,
                        offset,
                        len,
                        page,
                    }
                }
            }
        });
        let driver = &self.driver;
        let plan = Plan::new(ap_args.collect(), Metadata::WithPollWord)?;
        let buffer = self.alloc(plan.size(&driver.addressing))?;
        let dma = self.tagged(buffer.iova);
        let built = plan.fill(dma, KERNEL_BASE + buffer.physical, &driver.addressing);
        driver.kernel.ram().write(buffer.physical, &built.bytes)?;
        let context = driver.contexts.take(match domain {
            PdHint::Root => 0,
            PdHint::User => 1,
            PdHint::Sensors => 2,
        });
        let ctx = context.ctx;
        let (answered, answer) = sync_channel(1);
        driver
            .wire
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(ctx, answered);
        let message = Message {
            client_id: client,
            tid,
            ctx: Ctx(ctx),
            handle,
            sc,
            addr: dma,
            size: buffer.len,
        };
        driver.send(&message.encode());
        Ok(PendingCall {
            driver: Arc::clone(driver),
            stream: self.stream,
            context,
            sc,
            buffer,
            outputs: built.outputs,
            answer,
        })
    }

    /// Makes a user's call of these buffers and waits for the answer without limit, as the kernel does.
    ///
    /// # Errors
    /// No memory, or the DSP is gone.
    pub fn call(&self, tid: i32, handle: u32, payload: &Payload) -> Result<Answer, DriverError> {
        self.start_payload(self.client, tid, handle, payload)?
            .wait(Duration::MAX)
    }

    /// Starts a call of these buffers.
    ///
    /// # Errors
    /// No memory, or too many arguments.
    pub fn start_payload(
        &self,
        client: i32,
        tid: i32,
        handle: u32,
        payload: &Payload,
    ) -> Result<PendingCall, DriverError> {
        let ins = payload.ins.iter().map(|data| Arg::In(data));
        let outs = payload.outs.iter().map(|&len| Arg::Out(len.into()));
        let args: Vec<Arg<'_>> = ins.chain(outs).collect();
        self.start_raw(client, tid, handle, payload.sc, &args)
    }

    /// Makes one of the kernel's own calls; they must be answered promptly.
    ///
    /// # Errors
    /// No memory, no answer within the kernel's ten seconds.
    pub fn control(&self, control: &Control) -> Result<Answer, DriverError> {
        let payload = control.payload(Vec::new());
        let call = self.start_payload(0, self.client, handle::PROCESS_CONTROL, &payload)?;
        call.wait(Duration::from_secs(10))
    }

    /// INIT_ATTACH or, to the sensors' domain, INIT_ATTACH_SNS.
    ///
    /// # Errors
    /// No memory, no answer within the kernel's ten seconds.
    pub fn attach(&self, domain: PdHint) -> Result<Answer, DriverError> {
        let payload = Control::Attach { client: self.client }.payload(Vec::new());
        let ins: Vec<_> = payload.ins.iter().map(|data| Arg::In(data)).collect();
        let call = self.start_in(domain, 0, self.client, handle::PROCESS_CONTROL, payload.sc, &ins)?;
        call.wait(Duration::from_secs(10))
    }

    /// INIT_CREATE with initial memory and no shell.
    ///
    /// # Errors
    /// The DSP refuses.
    pub fn create(&self, name: &str, attrs: u32) -> Result<(), DriverError> {
        let memory = self.alloc(INITIAL_MEMORY)?;
        let control = Control::Create {
            with_attributes: attrs != 0,
            client: self.client,
            name: name.as_bytes().to_vec(),
            shell_len: 0,
            attrs,
            signature_len: 0,
            memory: Page {
                addr: self.tagged(memory.iova),
                size: memory.len,
            },
        };
        let answer = self.control(&control)?;
        if answer.retval.is_ok() {
            *self.initial.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
            Ok(())
        } else {
            self.driver.kernel.dma_free(self.stream, memory)?;
            Err(DriverError::Dsp(answer.retval))
        }
    }

    /// MMAP for the process's heap: the DSP's address.
    ///
    /// # Errors
    /// No memory, or the DSP refuses.
    pub fn grow_heap(&self, len: u64) -> Result<u64, DriverError> {
        let memory = self.alloc(len)?;
        let page = Page {
            addr: self.tagged(memory.iova),
            size: memory.len,
        };
        let flags = rpmsg::fastrpc::control::MMAP_ADD_PAGES;
        let answer = self.control(&Control::Mmap {
            client: self.client,
            flags,
            vaddr: 0,
            page,
        })?;
        let address = address(&answer);
        match address {
            Some(address) if answer.retval.is_ok() => {
                self.heap
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((address, memory));
                Ok(address)
            }
            _ => {
                self.driver.kernel.dma_free(self.stream, memory)?;
                Err(DriverError::Dsp(answer.retval))
            }
        }
    }

    /// MEM_MAP of a DMA buffer: the DSP's address.
    ///
    /// # Errors
    /// The DSP refuses.
    pub fn map(&self, fd: i32, buffer: DmaBuffer, flags: u32) -> Result<u64, DriverError> {
        let page = Page {
            addr: self.tagged(buffer.iova),
            size: buffer.len,
        };
        let control = Control::MemMap {
            client: self.client,
            fd,
            offset: 0,
            flags,
            vaddrin: USER_BASE,
            page,
        };
        let answer = self.control(&control)?;
        match address(&answer) {
            Some(address) if answer.retval.is_ok() => Ok(address),
            _ => Err(DriverError::Dsp(answer.retval)),
        }
    }

    /// MEM_UNMAP of what [`map`](Self::map) mapped.
    ///
    /// # Errors
    /// The DSP refuses.
    pub fn unmap(&self, fd: i32, vaddr: u64, len: u64) -> Result<(), DriverError> {
        let answer = self.control(&Control::MemUnmap {
            client: self.client,
            fd,
            vaddr,
            len,
        })?;
        if answer.retval.is_ok() {
            Ok(())
        } else {
            Err(DriverError::Dsp(answer.retval))
        }
    }

    /// RELEASE, and what the kernel frees right after it.
    ///
    /// # Errors
    /// No answer.
    pub fn release(&self) -> Result<Aee, DriverError> {
        let answer = self.control(&Control::Release { client: self.client })?;
        let initial = self.initial.lock().unwrap_or_else(PoisonError::into_inner).take();
        let heap = std::mem::take(&mut *self.heap.lock().unwrap_or_else(PoisonError::into_inner));
        for memory in initial
            .into_iter()
            .chain(heap.into_iter().map(|(_, memory)| memory))
        {
            self.driver.kernel.dma_free(self.stream, memory)?;
        }
        Ok(answer.retval)
    }
}

fn address(answer: &Answer) -> Option<u64> {
    answer
        .outs
        .first()?
        .first_chunk()
        .map(|b| u64::from_le_bytes(*b))
        .filter(|&address| address != 0)
}
