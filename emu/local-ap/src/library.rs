//! libcdsprpc's part: a session with its listener thread; open, invoke, close; the end.
//!
//! Source: `remote_handle64_open`, `domain_init`, `domain_deinit` and `listener_android.c:listener` of qualcomm/fastrpc.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;
use rpmsg::fastrpc::control::ATTR_UNSIGNED;
use rpmsg::iface::{
    Cap, Kind, Method, Payload, Reply, Text, current_process, handle, listener, remotectl, tunnel,
};

use super::apps::{Apps, OnLog};
use super::driver::{Answer, Arg, Driver, DriverError, Session};

/// Capacity for error texts.
const ERROR_TEXT: u32 = 255;
/// The library's buffer grows in these steps.
const BUFFER_STEP: u32 = 4096;
/// What the first `next2` says: nothing to reply to.
const NO_PREVIOUS: i32 = -1;

/// Thread ID of the first client's main thread; clients are this far apart.
const MAIN_TID: i32 = 1000;

/// Why the library's part failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The driver's part.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The DSP answered an error.
    #[error("{what}: {code}")]
    Dsp {
        /// What was asked.
        what: &'static str,
        /// The answer.
        code: Aee,
    },
    /// A module could not be opened.
    #[error("{text} ({code})")]
    Open {
        /// AEE code.
        code: Aee,
        /// The DSP's words.
        text: String,
    },
    /// An answer that is not the method's.
    #[error("malformed answer: {0}")]
    Malformed(#[from] rpmsg::iface::PayloadError),
    /// The host could not start a thread.
    #[error("cannot start a thread: {0}")]
    Host(#[from] std::io::Error),
}

/// An AP process with a DSP process.
pub struct Client {
    session: Arc<Session>,
    tid: AtomicI32,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Client {
    /// Creates the DSP process and starts the listener.
    ///
    /// # Errors
    /// No memory, or the DSP refuses.
    pub fn create(
        driver: &Arc<Driver>,
        sid: u32,
        client: i32,
        name: &str,
        directories: Vec<PathBuf>,
        on_log: OnLog,
    ) -> Result<Self, ClientError> {
        let session = driver.session(sid, client)?;
        session.create(name, ATTR_UNSIGNED)?;
        let this = Self {
            session: Arc::clone(&session),
            tid: AtomicI32::new(MAIN_TID.saturating_mul(client).saturating_add(1)),
            listener: Mutex::default(),
        };
        let listener_tid = this.new_tid();
        this.call_on(listener_tid, handle::LISTENER1, &listener::Init2 {})?;
        let apps = Apps::new(Arc::clone(&session), directories, on_log);
        let thread = std::thread::Builder::new()
            .name("listener".into())
            .spawn(move || listen(&session, listener_tid, apps))?;
        *this.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(this)
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// A thread ID that no other thread of this client has.
    pub fn new_tid(&self) -> i32 {
        self.tid.fetch_add(1, Ordering::Relaxed)
    }

    fn call_on<M: Method>(&self, tid: i32, handle: u32, method: &M) -> Result<M::Reply, ClientError> {
        let payload = method.payload(Kind::Handle64);
        let answer = self.session.call(tid, handle, &payload)?;
        if !answer.retval.is_ok() {
            return Err(ClientError::Dsp {
                what: M::NAME,
                code: answer.retval,
            });
        }
        Ok(M::Reply::parse(&answer.outs)?)
    }

    /// Opens a module by URI or plain name.
    ///
    /// # Errors
    /// [`ClientError::Open`] with the DSP's words.
    pub fn open(&self, name: &str) -> Result<u32, ClientError> {
        let open = remotectl::Open {
            name: Text::from(name),
            error_text: Cap(ERROR_TEXT),
        };
        let reply = self.call_on(self.new_tid(), handle::REMOTECTL1, &open)?;
        if reply.error.is_ok() {
            Ok(reply.handle)
        } else {
            Err(ClientError::Open {
                code: reply.error,
                text: reply.error_text.to_lossy(),
            })
        }
    }

    /// Calls a method with these buffers, as the program's main thread. The return value is in the answer.
    ///
    /// # Errors
    /// The driver's part failed.
    pub fn invoke(&self, handle: u32, sc: Scalars, args: &[Arg<'_>]) -> Result<Answer, ClientError> {
        let tid = MAIN_TID.saturating_mul(self.session.client());
        let call = self
            .session
            .start_raw(self.session.client(), tid, handle, sc, args)?;
        Ok(call.wait(std::time::Duration::MAX)?)
    }

    /// Closes a module.
    ///
    /// # Errors
    /// The DSP's error.
    pub fn close(&self, handle: u32) -> Result<(), ClientError> {
        let close = remotectl::Close {
            handle,
            error_text: Cap(ERROR_TEXT),
        };
        let reply = self.call_on(self.new_tid(), handle::REMOTECTL1, &close)?;
        if reply.error.is_ok() {
            Ok(())
        } else {
            Err(ClientError::Open {
                code: reply.error,
                text: reply.error_text.to_lossy(),
            })
        }
    }

    /// Ends the session as the library does: exit, listener joined, node closed.
    ///
    /// # Errors
    /// The DSP does not answer.
    pub fn exit(self) -> Result<(), ClientError> {
        self.call_on(
            self.new_tid(),
            handle::CURRENT_PROCESS1,
            &current_process::Exit {},
        )?;
        self.leave()
    }

    /// Ends the session as the kernel does it for a killed process.
    ///
    /// # Errors
    /// The DSP does not answer.
    pub fn kill(self) -> Result<(), ClientError> {
        self.session.release()?;
        self.join();
        Ok(())
    }

    fn leave(&self) -> Result<(), ClientError> {
        self.join();
        self.session.release()?;
        Ok(())
    }

    fn join(&self) {
        let thread = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A listener that panicked has served nobody; its panic is printed already.
            let _ = thread.join();
        }
    }
}

/// The listener thread: until `next2` is answered with an error.
fn listen(session: &Session, tid: i32, mut apps: Apps) {
    let mut next = listener::Next2 {
        prev_ctx: 0,
        prev_result: NO_PREVIOUS,
        prev_bufs: Vec::new(),
        bufs: Cap(0),
    };
    loop {
        let Ok(answer) = session.call(tid, handle::LISTENER1, &next.payload(Kind::Handle64)) else {
            return;
        };
        if !answer.retval.is_ok() {
            return;
        }
        let Ok(request) = listener::Next2Reply::parse(&answer.outs) else {
            return;
        };
        let mut room = next.bufs.0;
        let mut pack = request.bufs;
        pack.truncate(request.bufs_len_req as usize);
        if request.bufs_len_req > room {
            let grown = request.bufs_len_req.next_multiple_of(BUFFER_STEP);
            let rest = listener::GetInBufs2 {
                ctx: request.ctx,
                offset: room.cast_signed(),
                bufs: Cap(grown - room),
            };
            room = grown;
            let Ok(answer) = session.call(tid, handle::LISTENER1, &rest.payload(Kind::Handle64)) else {
                return;
            };
            let Ok(rest) = listener::GetInBufs2Reply::parse(&answer.outs) else {
                return;
            };
            pack.extend_from_slice(&rest.bufs);
        }
        let sc = Scalars(request.sc);
        let (result, outs) = match tunnel::unpack_in(&pack, sc.in_bufs(), sc.out_bufs()) {
            Ok((ins, caps)) => apps.serve(request.handle, &Payload { sc, ins, outs: caps }),
            Err(_) => (Aee::BAD_PARM.0.cast_signed(), Vec::new()),
        };
        let prev_bufs = if result == 0 {
            tunnel::pack_out(&outs)
        } else {
            Vec::new()
        };
        next = listener::Next2 {
            prev_ctx: request.ctx,
            prev_result: result,
            prev_bufs,
            bufs: Cap(room),
        };
    }
}
