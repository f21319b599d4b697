//! The device: what QEMU and the guest's kernel see of the DSPs.
//!
//! Passive parts (SMMU registers, message RAM) are plain RAM that both sides share; see [`image`] for what they contain
//! at reset, [`layout`] for where they are, [`tree`] for how the kernel learns of them. Only two things are events: the
//! doorbell (a virtqueue kick, [`mod@vhost_user`]) and the interrupt ([`qtest`] or [`gpio`]). Between them stands the
//! [`subsystem`]: one DSP with its sessions. A [`DspDevice`] is a subsystem with its vhost-user socket.

pub mod board;
pub mod gpio;
pub mod image;
pub mod interrupt;
pub mod layout;
mod outbox;
mod platform;
mod platform_bus;
pub mod qtest;
pub mod ring;
mod rpm;
mod session;
pub mod subsystem;
mod timer;
pub mod tree;
pub mod vhost_user;

use gpio::{GpioInterrupts, GpioLines};
use host_files::socket::{Listening, SocketError};
use interrupt::Interrupts;
use layout::Layout;
use platform_bus::PlatformBus;
use qtest::Qtest;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use subsystem::Subsystem;
use tree::IrqPath;
use vhost::vhost_user::Listener;
use vhost_user::{Backend, END_EVENT, OUTBOX_EVENT, TIMER_EVENT};
use vhost_user_backend::{VhostUserDaemon, VringEpollHandler};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use emu_os::services::{DspConfig, DspStats};

/// How long nobody is accepted after that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a device could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The socket cannot be made.
    #[error("{0} (is its directory there and writable, is the path shorter than 108 bytes?)")]
    Socket(#[source] SocketError),
    /// Something else is where the socket would be.
    #[error(transparent)]
    Taken(SocketError),
    /// The host is out of file descriptors or threads.
    #[error("cannot set up the device: {0}")]
    Host(#[from] std::io::Error),
}

/// How all DSPs of a machine are attached.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where things are in guest memory.
    pub layout: Layout,
    /// How interrupts get in.
    pub irq: IrqPath,
    /// QEMU's qtest socket: needed with [`IrqPath::Qtest`], of use for SMMU faults otherwise.
    pub qtest: Option<PathBuf>,
    /// One vhost-user socket a DSP.
    pub sockets: Vec<PathBuf>,
}

/// One DSP behind its vhost-user socket. Serves QEMU after QEMU until dropped.
pub struct DspDevice {
    subsystem: Arc<Subsystem>,
    stop: EventFd,
    thread: Option<JoinHandle<()>>,
    socket: Listening,
}

impl From<SocketError> for DeviceError {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Make { .. } => Self::Socket(error),
            SocketError::NoSocket(_) | SocketError::InUse(_) => Self::Taken(error),
        }
    }
}

impl DspDevice {
    /// Makes one DSP for each configuration; every socket listens when this returns.
    ///
    /// # Errors
    /// A socket cannot be made, or the host is out of something.
    pub fn start_all(attachment: &Attachment, configs: Vec<DspConfig>) -> Result<Vec<Self>, DeviceError> {
        let lines = GpioLines::new(attachment.layout.gpio_lines());
        let interrupts: Arc<dyn Interrupts> = match attachment.irq {
            IrqPath::Qtest => Arc::new(Qtest::new(attachment.qtest.clone().unwrap_or_default())),
            IrqPath::Gpio => Arc::new(GpioInterrupts {
                lines: lines.clone(),
                qtest: attachment.qtest.clone().map(Qtest::new),
            }),
        };
        let labels: Vec<_> = configs.iter().map(|config| config.label.clone()).collect();
        let labels = || labels.iter().map(String::as_str);
        let bus = PlatformBus::new(attachment.layout, interrupts.clone());
        let mut devices = Vec::new();
        for (index, (config, socket)) in configs.into_iter().zip(&attachment.sockets).enumerate() {
            let ssctl = board::domain::ssctl_instance(&config.label, labels());
            let subsystem = Subsystem::new(
                index,
                config,
                attachment.layout,
                ssctl,
                interrupts.clone(),
                bus.clone(),
            )?;
            let gpio = attachment.irq.is_gpio_slot(index).then(|| lines.clone());
            devices.push(Self::start(subsystem, gpio, socket)?);
        }
        Ok(devices)
    }

    fn start(
        subsystem: Arc<Subsystem>,
        gpio: Option<Arc<GpioLines>>,
        socket: &Path,
    ) -> Result<Self, DeviceError> {
        let socket = Listening::at(socket)?;
        let listener = Listener::from(socket.listener()?);
        let stop = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?;
        let stopped = stop.try_clone()?;
        let server = subsystem.clone();
        let thread = std::thread::Builder::new()
            .name(format!("vhost-{}", subsystem.label()))
            .spawn(move || serve(&server, gpio.as_ref(), listener, &stopped))?;
        Ok(Self {
            subsystem,
            stop,
            thread: Some(thread),
            socket,
        })
    }

    /// Domain label.
    pub fn label(&self) -> &str {
        self.subsystem.label()
    }

    /// The socket QEMU connects to.
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    /// Counters since the device was made, over all resets.
    pub fn stats(&self) -> DspStats {
        self.subsystem.stats()
    }

    /// The DSP itself.
    pub fn subsystem(&self) -> &Arc<Subsystem> {
        &self.subsystem
    }
}

impl Drop for DspDevice {
    fn drop(&mut self) {
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One QEMU after another.
fn serve(subsystem: &Arc<Subsystem>, gpio: Option<&Arc<GpioLines>>, mut listener: Listener, stop: &EventFd) {
    while wait(Some(listener.as_raw_fd()), stop.as_raw_fd(), None) {
        let warn = |error: String| {
            tracing::warn!(target: "emu::device", dsp = subsystem.label(), "the connection to QEMU failed: {error}");
        };
        match Connection::accept(subsystem, gpio, &mut listener) {
            Ok(connection) => connection.serve(subsystem, stop).unwrap_or_else(warn),
            Err(error) => {
                warn(error);
                // The host lacks something, descriptors perhaps: whoever waits to be accepted goes on waiting.
                wait(None, stop.as_raw_fd(), Some(ACCEPT_PAUSE));
            }
        }
    }
}

/// A connected QEMU.
struct Connection {
    backend: Arc<Backend>,
    daemon: VhostUserDaemon<Arc<Backend>>,
    /// Ends the daemon's worker thread, whose end the daemon's waits for: it is closed after the daemon.
    ///
    /// The framework has a way of its own for that (`VhostUserBackend::exit_event`), which loses a descriptor for each connection:
    /// vhost-user-backend 0.24 gives up the event's reading end in `VringEpollHandler::new` and never closes it.
    end: EventFd,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.end.write(1);
    }
}

impl Connection {
    /// Takes the one that waits at the listener.
    fn accept(
        subsystem: &Arc<Subsystem>,
        gpio: Option<&Arc<GpioLines>>,
        listener: &mut Listener,
    ) -> Result<Self, String> {
        let backend = Backend::new(subsystem.clone(), gpio.cloned());
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let end = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map_err(|e| e.to_string())?;
        let daemon = VhostUserDaemon::new(format!("qemu-{}", subsystem.label()), backend.clone(), memory)
            .map_err(|e| e.to_string())?;
        let mut connection = Self { backend, daemon, end };
        if let Err(error) = connection.register(END_EVENT, connection.end.as_raw_fd()) {
            // Its worker cannot be ended, and the daemon's end would wait for it.
            std::mem::forget(connection);
            return Err(error);
        }
        connection.register(OUTBOX_EVENT, subsystem.outbox_event().as_raw_fd())?;
        connection.register(TIMER_EVENT, subsystem.timer().as_raw_fd())?;
        connection.daemon.start(listener).map_err(|e| e.to_string())?;
        Ok(connection)
    }

    fn register(&self, event: u64, fd: RawFd) -> Result<(), String> {
        let handlers = self.daemon.get_epoll_handlers();
        let register =
            |handler: &Arc<_>| VringEpollHandler::register_listener(handler, fd, EventSet::IN, event);
        handlers.iter().try_for_each(register).map_err(|e| e.to_string())
    }

    /// Until QEMU's end, or the stop event.
    fn serve(mut self, subsystem: &Arc<Subsystem>, stop: &EventFd) -> Result<(), String> {
        tracing::info!(target: "emu::device", dsp = subsystem.label(), "QEMU connected");
        let ended = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map_err(|e| e.to_string())?;
        let shutdown = self.daemon.shutdown_handle();
        let result = std::thread::scope(|scope| {
            // Nothing else wakes the wait below when the device is dropped while QEMU is connected.
            scope.spawn(|| {
                if !wait(Some(ended.as_raw_fd()), stop.as_raw_fd(), None)
                    && let Some(shutdown) = &shutdown
                {
                    shutdown.shutdown();
                }
            });
            let result = self.daemon.wait();
            let _ = ended.write(1);
            result
        });
        self.backend.disconnected();
        tracing::info!(target: "emu::device", dsp = subsystem.label(), "QEMU disconnected");
        use vhost::vhost_user::Error::{Disconnected, PartialMessage};
        match result {
            // How a QEMU that ends looks from here.
            Err(vhost_user_backend::Error::HandleRequest(Disconnected | PartialMessage)) | Ok(()) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Waits until `fd` is readable (true), or the stop event is set or the time is over (false).
fn wait(fd: Option<RawFd>, stop: RawFd, limit: Option<Duration>) -> bool {
    // A negative descriptor is one that poll passes over.
    let entry = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let limit = limit.map_or(-1, |limit| i32::try_from(limit.as_millis()).unwrap_or(i32::MAX));
    loop {
        let mut fds = [entry(stop), entry(fd.unwrap_or(-1))];
        // SAFETY: a valid array of two pollfds is passed with a count of two, and the call does not keep the pointer.
        let n = unsafe { libc::poll(fds.as_mut_ptr(), 2, limit) };
        if n == 0 || fds[0].revents != 0 {
            return false;
        }
        if n > 0 && fds[1].revents != 0 {
            return true;
        }
        if n < 0 && std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return false;
        }
    }
}
