//! The AP's side of a process: library files from a folder, memory from the kernel's allocator, a log.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};
use std::time::Duration;

use emu_core::mem::NoFaultLine;
use emu_local_ap::{DmaBuffer, KernelIommu};
use emu_os::ap::{Ap, ApError, LogRecord};
use emu_os::config::ProcessConfig;
use emu_os::error::OpenError;
use emu_os::invocation::{Arg, Invocation};
use emu_os::process::Process;
use emu_os::uri;
use hexagon_isa::Arch;
use rpmsg::Aee;

/// Stream of the process's context bank.
const STREAM: u16 = 0x801;
/// Nothing here takes this long unless it hangs.
const HANG: Duration = Duration::from_secs(120);

pub use test_needs::real_skeletons as skeletons;

/// The AP of one process.
pub struct Host {
    kernel: Arc<KernelIommu>,
    dir: PathBuf,
    files: Mutex<HashMap<String, Vec<u8>>>,
    process: OnceLock<Weak<Process>>,
    log: Mutex<Vec<LogRecord>>,
    grown: Mutex<Vec<u32>>,
    may_grow: bool,
    lies: bool,
}

impl Ap for Host {
    fn read_library(&self, name: &str) -> Result<Vec<u8>, ApError> {
        if let Some(bytes) = self.files.lock().unwrap().get(name) {
            return Ok(bytes.clone());
        }
        std::fs::read(self.dir.join(name)).map_err(|_| ApError::NotFound {
            errno: 2,
            searched: "here".into(),
        })
    }

    fn grow_heap(&self, bytes: u32) -> Result<(), ApError> {
        if self.lies {
            return Ok(());
        }
        if !self.may_grow {
            return Err(ApError::Failed(12));
        }
        let buffer = self
            .kernel
            .dma_alloc(STREAM, bytes.into())
            .map_err(|_| ApError::Failed(12))?;
        let process = self.process.get().and_then(Weak::upgrade).ok_or(ApError::Ended)?;
        process
            .add_memory(buffer.iova, buffer.len as u32)
            .map_err(|_| ApError::Ended)?;
        self.grown.lock().unwrap().push(bytes);
        Ok(())
    }

    fn log(&self, record: LogRecord) {
        self.log.lock().unwrap().push(record);
    }
}

/// A process with everything around it.
pub struct Session {
    pub kernel: Arc<KernelIommu>,
    pub host: Arc<Host>,
    pub process: Arc<Process>,
}

/// How a session is made.
pub struct Options {
    pub arch: Arch,
    pub dir: PathBuf,
    pub initial: Option<u64>,
    pub may_grow: bool,
    /// Says that it gave memory, and gave none.
    pub lies: bool,
    /// DSP threads at once, if not the usual number.
    pub threads: Option<usize>,
}

impl Options {
    pub fn new(dir: PathBuf) -> Self {
        Self {
            arch: Arch::V68,
            dir,
            initial: Some(2 << 20),
            may_grow: true,
            lies: false,
            threads: None,
        }
    }
}

impl Session {
    pub fn new(options: Options) -> Self {
        let kernel = Arc::new(KernelIommu::anonymous(64 << 20).unwrap());
        kernel.attach(STREAM).unwrap();
        let host = Arc::new(Host {
            kernel: kernel.clone(),
            dir: options.dir,
            files: Mutex::default(),
            process: OnceLock::new(),
            log: Mutex::default(),
            grown: Mutex::default(),
            may_grow: options.may_grow,
            lies: options.lies,
        });
        let mut config = ProcessConfig::new("test", options.arch, STREAM, host.clone());
        config.ap_pid = 4711;
        config.limits.threads = options.threads.unwrap_or(config.limits.threads);
        config.initial = options.initial.map(|len| {
            let b = kernel.dma_alloc(STREAM, len).unwrap();
            (b.iova, b.len as u32)
        });
        let process = Process::create(config, kernel.bus(Arc::new(NoFaultLine))).unwrap();
        host.process.set(Arc::downgrade(&process)).unwrap();
        Self {
            kernel,
            host,
            process,
        }
    }

    /// A session on Qualcomm's skeletons, or `None` if they are not there.
    pub fn qualcomm() -> Option<Self> {
        Some(Self::new(Options::new(skeletons()?)))
    }

    /// Puts a file where the process finds it.
    pub fn file(&self, name: &str, bytes: Vec<u8>) {
        self.host.files.lock().unwrap().insert(name.into(), bytes);
    }

    pub fn open_uri(&self, uri: &str) -> Result<u32, OpenError> {
        let (tx, rx) = mpsc::channel();
        let done = Box::new(move |r| tx.send(r).unwrap_or_default());
        self.process.open(uri::parse(uri)?, done);
        rx.recv_timeout(HANG).expect("open was answered")
    }

    /// Opens a skeleton by the name of its interface.
    pub fn open(&self, name: &str) -> u32 {
        let uri = format!(
            "file:///lib{name}_skel.so?{name}_skel_handle_invoke&_modver=1.0&_idlver=1.2.3&_dom=cdsp"
        );
        self.open_uri(&uri)
            .unwrap_or_else(|e| panic!("open {name}: {e}\n{}", self.texts().join("\n")))
    }

    pub fn start(&self, handle: u32, sc: u32, args: Vec<Arg>, tid: i32) -> mpsc::Receiver<u32> {
        let (tx, rx) = mpsc::channel();
        let done = Box::new(move |code: Aee| tx.send(code.0).unwrap_or_default());
        self.process.invoke(
            Invocation {
                handle,
                sc,
                args,
                tid,
                ctx: 0,
            },
            done,
        );
        rx
    }

    pub fn invoke(&self, handle: u32, sc: u32, args: Vec<Arg>) -> u32 {
        finish(&self.start(handle, sc, args, 100))
    }

    pub fn close(&self, handle: u32) -> u32 {
        let (tx, rx) = mpsc::channel();
        self.process
            .close(handle, Box::new(move |code| tx.send(code.0).unwrap_or_default()));
        finish(&rx)
    }

    /// DMA memory with these bytes at an offset.
    pub fn buffer(&self, bytes: &[u8], offset: u64) -> (Arg, DmaBuffer) {
        let dma = self
            .kernel
            .dma_alloc(STREAM, bytes.len() as u64 + offset)
            .unwrap();
        self.kernel.ram().write(dma.physical + offset, bytes).unwrap();
        (
            Arg::Buffer {
                iova: dma.iova + offset,
                len: bytes.len() as u32,
            },
            dma,
        )
    }

    pub fn read(&self, dma: &DmaBuffer, offset: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.kernel.ram().read(dma.physical + offset, &mut out).unwrap();
        out
    }

    /// Everything that was logged.
    pub fn texts(&self) -> Vec<String> {
        self.host
            .log
            .lock()
            .unwrap()
            .iter()
            .map(|r| r.text.clone())
            .collect()
    }

    /// How the heap grew.
    pub fn grown(&self) -> Vec<u32> {
        self.host.grown.lock().unwrap().clone()
    }
}

pub fn finish(rx: &mpsc::Receiver<u32>) -> u32 {
    rx.recv_timeout(HANG).expect("the call was answered")
}
