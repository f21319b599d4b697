//! Plays QEMU and its guest's kernel towards the devices: the vhost-user frontend, the doorbell, the qtest server, and the
//! AP's ends of the GLINK FIFOs.

use emu_core::mem::GuestRam;
use emu_machine::device::layout::{Layout, PlatformKind, RAM_BASE};
use emu_machine::device::ring::{GuestRing, RingPlace};
use emu_machine::device::subsystem::Subsystem;
use emu_machine::device::{Attachment, DspDevice, image, tree::IrqPath};
use emu_machine::profile::Profile;
use emu_machine::vm::platform::dsp_configs;
use rpmsg::fastrpc::{Ctx, Message, Response, Scalars};
use rpmsg::fifo::{Consumer, Producer, RingMemory};
use rpmsg::glink::Command;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(120);
const RAM: u64 = 256 << 20;
/// Where the frontend says it has RAM mapped.
const USER_BASE: u64 = 0x7000_0000_0000;

/// A call of a handle that nobody has: the honest DSP answers it with an error, which shows that it lives.
pub fn message(client_id: i32, ctx: u64, method: u8) -> Message {
    Message {
        client_id,
        tid: 1,
        ctx: Ctx(ctx),
        handle: 0x7777_0000,
        sc: Scalars::new(method, 0, 0),
        addr: (1 << 32) | (RAM_BASE + 0x10_0000),
        size: 0x1000,
    }
}

/// The devices of a profile, and the qtest socket they raise interrupts on.
pub struct Host {
    pub devices: Vec<DspDevice>,
    parts: Vec<image::Part>,
    pub layout: Layout,
    pub irq: IrqPath,
    attachment: Attachment,
    /// Every `writel` that arrived: address and value.
    pub interrupts: Receiver<(u64, u64)>,
    _dir: tempfile::TempDir,
}

impl Host {
    pub fn start(irq: IrqPath) -> Self {
        Self::start_on(PlatformKind::Rpm, irq)
    }

    pub fn start_on(platform: PlatformKind, irq: IrqPath) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::load("qcs6490").unwrap();
        let layout = Layout::new(&profile, platform, RAM).unwrap();
        let attachment = Attachment {
            layout,
            irq,
            qtest: Some(dir.path().join("qtest")),
            sockets: vec![dir.path().join("cdsp"), dir.path().join("adsp")],
        };
        let listener = UnixListener::bind(dir.path().join("qtest")).unwrap();
        let (sender, interrupts) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                for line in lines.map_while(Result::ok) {
                    let mut words = line
                        .split(' ')
                        .skip(1)
                        .map(|w| u64::from_str_radix(&w[2..], 16).unwrap());
                    let _ = sender.send((words.next().unwrap(), words.next().unwrap()));
                    let _ = stream.write_all(b"OK\n");
                }
            }
        });
        let devices = DspDevice::start_all(&attachment, dsp_configs(&profile, 4096)).unwrap();
        Self {
            devices,
            parts: image::build(&profile, &layout).unwrap(),
            layout,
            irq,
            attachment,
            interrupts,
            _dir: dir,
        }
    }

    /// Puts the platform's initial contents into memory, as QEMU does at every reset.
    pub fn load(&self, ram: &GuestRam) {
        for part in &self.parts {
            ram.write(part.address, &part.bytes).unwrap();
        }
    }

    /// A machine with fresh memory, connected to one DSP, its device not started yet.
    pub fn machine(&self, dsp: usize) -> Machine {
        let file = tempfile::tempfile().unwrap();
        file.set_len(RAM).unwrap();
        let backing = FileOffset::new(file.try_clone().unwrap(), 0);
        let memory =
            GuestMemoryMmap::from_ranges_with_files([(GuestAddress(RAM_BASE), RAM as usize, Some(backing))])
                .unwrap();
        let ram = GuestRam::new(Arc::new(memory));
        self.load(&ram);
        let mut stream = UnixStream::connect(&self.attachment.sockets[dsp]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        negotiate(&mut stream, self.irq.is_gpio_slot(dsp));
        let places = image::fifos();
        let msgram = self.layout.msgram(dsp);
        Machine {
            subsystem: self.devices[dsp].subsystem().clone(),
            tx: GuestRing::new(ram.clone(), RingPlace::rpm(msgram, places.from_ap)),
            rx: GuestRing::new(ram.clone(), RingPlace::rpm(msgram, places.to_ap)),
            producer: Producer::new(places.from_ap.size).unwrap(),
            consumer: Consumer::new(places.to_ap.size).unwrap(),
            stream,
            file,
            ram,
            kicks: Vec::new(),
            calls: Vec::new(),
        }
    }
}

/// One QEMU with its guest.
pub struct Machine {
    subsystem: Arc<Subsystem>,
    pub ram: GuestRam,
    pub tx: GuestRing,
    pub rx: GuestRing,
    pub producer: Producer,
    pub consumer: Consumer,
    pub calls: Vec<EventFd>,
    stream: UnixStream,
    file: File,
    kicks: Vec<EventFd>,
}

fn negotiate(stream: &mut UnixStream, gpio: bool) {
    send(stream, 3, &[], &[]);
    let features = ask(stream, 1);
    assert_eq!(features & 1, u64::from(gpio), "VIRTIO_GPIO_F_IRQ");
    let protocol = ask(stream, 15);
    assert_eq!(
        protocol & (1 << 9 | 1 << 3),
        1 << 9 | 1 << 3,
        "CONFIG and REPLY_ACK"
    );
    send(stream, 16, &(1u64 << 3).to_le_bytes(), &[]);
    send(stream, 2, &features.to_le_bytes(), &[]);
}

fn send(stream: &mut UnixStream, request: u32, body: &[u8], fds: &[RawFd]) {
    send_flagged(stream, request, 1, body, fds);
}

fn send_flagged(stream: &mut UnixStream, request: u32, flags: u32, body: &[u8], fds: &[RawFd]) {
    let mut bytes = Vec::new();
    for word in [request, flags, body.len() as u32] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(body);
    assert_eq!(stream.send_with_fds(&[&bytes[..]], fds).unwrap(), bytes.len());
}

fn reply(stream: &mut UnixStream) -> Vec<u8> {
    let mut header = [0; 12];
    stream.read_exact(&mut header).unwrap();
    let mut body = vec![0; u32::from_le_bytes(header[8..].try_into().unwrap()) as usize];
    stream.read_exact(&mut body).unwrap();
    body
}

fn ask(stream: &mut UnixStream, request: u32) -> u64 {
    send(stream, request, &[], &[]);
    u64::from_le_bytes(reply(stream)[..8].try_into().unwrap())
}

impl Machine {
    /// SET_MEM_TABLE with one region of `size` bytes from the start of RAM, acknowledged.
    pub fn set_memory(&mut self, size: u64) {
        let mut body = 1u64.to_le_bytes().to_vec();
        for word in [RAM_BASE, size, USER_BASE, 0] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        const NEED_REPLY: u32 = 1 << 3;
        send_flagged(
            &mut self.stream,
            5,
            1 | NEED_REPLY,
            &body,
            &[self.file.as_raw_fd()],
        );
        assert_eq!(reply(&mut self.stream), [0; 8]);
    }

    /// The guest's driver starts the device.
    pub fn start_device(&mut self) {
        self.set_memory(RAM);
        self.kicks.clear();
        self.calls.clear();
        for queue in 0..2u32 {
            let state = |value: u32| [queue.to_le_bytes(), value.to_le_bytes()].concat();
            let base = USER_BASE + 0x1000 + 0x3000 * u64::from(queue);
            send(&mut self.stream, 8, &state(64), &[]);
            send(&mut self.stream, 10, &state(0), &[]);
            let mut addr = state(0);
            // descriptors, used, available, log
            for address in [base, base + 0x2000, base + 0x1000, 0] {
                addr.extend_from_slice(&address.to_le_bytes());
            }
            send(&mut self.stream, 9, &addr, &[]);
            let event = || EventFd::new(EFD_NONBLOCK).unwrap();
            let (kick, call) = (event(), event());
            send(
                &mut self.stream,
                13,
                &u64::from(queue).to_le_bytes(),
                &[call.as_raw_fd()],
            );
            send(
                &mut self.stream,
                12,
                &u64::from(queue).to_le_bytes(),
                &[kick.as_raw_fd()],
            );
            send(&mut self.stream, 18, &state(1), &[]);
            self.kicks.push(kick);
            self.calls.push(call);
        }
    }

    /// The guest's driver stops the device (GET_VRING_BASE of both queues).
    pub fn stop_device(&mut self) {
        for queue in 0..2u32 {
            send(&mut self.stream, 11, &[queue.to_le_bytes(), [0; 4]].concat(), &[]);
            assert_eq!(reply(&mut self.stream).len(), 8);
        }
    }

    /// The mailbox driver rings.
    pub fn ring(&self) {
        self.kick(1);
    }

    pub fn kick(&self, queue: usize) {
        self.kicks[queue].write(1).unwrap();
    }

    /// Where queue 0 or 1 has descriptors, available and used ring.
    pub fn queue(&self, queue: u64) -> (u64, u64, u64) {
        let base = RAM_BASE + 0x1000 + 0x3000 * queue;
        (base, base + 0x1000, base + 0x2000)
    }

    /// A new kernel's GLINK driver: its two indices at 0.
    pub fn load_driver(&mut self) {
        self.producer.restart(&self.tx);
        self.consumer.restart(&self.rx);
    }

    pub fn say(&mut self, command: &Command) {
        self.producer.push(&self.tx, &command.encode()).unwrap();
    }

    /// Has the DSP do here and now all that it would do by itself: take what stands in the FIFO, send what it has to send,
    /// and everything that is planned, at its time but without waiting for it. What has not come then does not come unless
    /// something else happens. Calls of these tests are answered by the device's thread, not by threads of processes.
    pub fn settle(&self) {
        self.subsystem.doorbell(|| true);
        self.subsystem.outbox_ready();
        // A board's DSP looks at its registers again and again: there is no last thing that it does.
        for _ in 0..100 {
            let Some(at) = self.subsystem.next_due() else {
                return;
            };
            self.subsystem.due(at);
        }
    }

    /// The next command that stands in the FIFO already.
    pub fn heard(&mut self) -> Option<Command> {
        Some(self.consumer.next(&self.rx).unwrap()?.command)
    }

    /// What the DSP says until nothing comes of itself any more.
    pub fn hear_all(&mut self) -> Vec<Command> {
        self.settle();
        std::iter::from_fn(|| self.heard()).collect()
    }

    /// Makes a call.
    pub fn ask(&mut self, message: &Message) {
        self.say(&Command::TxData {
            cid: 1,
            intent: 0,
            left: 0,
            data: message.encode(),
        });
        self.ring();
    }

    /// Waits for the next command, which is to be an answer.
    pub fn hear_answer(&mut self) -> Response {
        match self.hear() {
            Command::TxData { data, .. } => Response::parse(&data).unwrap(),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Waits for the next command from the DSP.
    pub fn hear(&mut self) -> Command {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(command) = self.heard() {
                return command;
            }
            assert!(std::time::Instant::now() < deadline, "the DSP says nothing");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How often the doorbell was rung since anybody took note of it, and none of it any more. Of a device that is stopped
    /// it stays what it is: the thread that serves it has let go of the descriptor before QEMU gets its reply.
    pub fn unheard_rings(&self) -> u64 {
        self.kicks[1].read().unwrap_or(0)
    }

    /// From VERSION to an open FastRPC channel; `cid` is the AP's channel ID.
    pub fn open_channel(&mut self, cid: u16) {
        self.say(&Command::Version {
            version: 1,
            features: 0,
        });
        self.ring();
        self.finish_opening(cid);
    }

    /// Takes the DSP's answer to a VERSION that was sent, and opens the channel.
    pub fn finish_opening(&mut self, cid: u16) {
        assert_eq!(
            self.hear(),
            Command::VersionAck {
                version: 1,
                features: 0
            }
        );
        assert_eq!(
            self.hear(),
            Command::Version {
                version: 1,
                features: 0
            }
        );
        self.say(&Command::VersionAck {
            version: 1,
            features: 0,
        });
        self.ring();
        let Command::Open {
            cid: theirs, name, ..
        } = self.hear()
        else {
            panic!("no OPEN")
        };
        assert_eq!(name, b"fastrpcglink-apps-dsp");
        self.say(&Command::OpenAck { cid: theirs });
        self.say(&Command::Open {
            cid,
            priority: 0,
            name,
        });
        self.ring();
        assert_eq!(self.hear(), Command::OpenAck { cid });
    }

    /// Waits until both indices of both rings are zero.
    pub fn fifos_are_zero(&self) -> bool {
        [&self.tx, &self.rx]
            .iter()
            .all(|ring| ring.tail() == 0 && ring.head() == 0)
    }
}
