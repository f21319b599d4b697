//! Files of the AP that DSP threads ask for. A helper thread of the process carries the questions over, one after the other (the
//! AP answers them one after the other, too), and puts each answer into the process's inbox.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use crate::ap::ApError;
use crate::process::inbox::ProcessRequest;
use crate::process::shared::Shared;
use crate::sched::ThreadId;
use rpmsg::iface::{Reply as _, apps_std};

/// Output buffers of the AP's answer.
pub type Answer = Result<Vec<Vec<u8>>, ApError>;

/// What a thread asks.
#[derive(Debug)]
pub enum Question {
    /// This.
    Plain(apps_std::Request),
    /// This, of an open file, with its position moved there; afterwards it is what it was. Nobody else's question comes in between.
    Elsewhere {
        /// The AP's number of the file.
        file: i32,
        /// From its beginning.
        offset: i32,
        /// What is asked there.
        request: apps_std::Request,
    },
}

impl Question {
    /// Asks it, by `ask` once or several times.
    pub fn put(&self, mut ask: impl FnMut(&apps_std::Request) -> Answer) -> Answer {
        let (file, offset, request) = match self {
            Self::Plain(request) => return ask(request),
            Self::Elsewhere {
                file,
                offset,
                request,
            } => (*file, *offset, request),
        };
        let seek = |ask: &mut dyn FnMut(&apps_std::Request) -> Answer, offset| {
            let whence = apps_std::SEEK_SET;
            ask(&apps_std::Request::from(apps_std::Fseek { file, offset, whence }))
        };
        let told = ask(&apps_std::Ftell { file }.into())?;
        let unknown = |_| ApError::Failed(ESPIPE);
        let before = apps_std::FtellReply::parse(&told).map_err(unknown)?.pos;
        let before = i32::try_from(before).map_err(|_| ApError::Failed(ESPIPE))?;
        seek(&mut ask, offset)?;
        let answer = ask(request);
        seek(&mut ask, before)?;
        answer
    }
}

/// The file's position cannot be kept.
const ESPIPE: u32 = 29;

/// The helper, once there was a question.
#[derive(Default)]
pub struct Asking(Option<Sender<(ThreadId, Question)>>);

impl Asking {
    /// Asks for a DSP thread, which waits for the answer.
    pub fn ask(&mut self, shared: &Arc<Shared>, thread: ThreadId, question: Question) {
        let helper = self.0.take().or_else(|| start(shared));
        let sent = helper
            .as_ref()
            .is_some_and(|to| to.send((thread, question)).is_ok());
        self.0 = helper.filter(|_| sent);
        if !sent {
            let answer = Err(ApError::NoListener);
            shared.inbox.send(ProcessRequest::FileAnswered(thread, answer));
        }
    }
}

/// The helper ends when nobody can ask any more.
fn start(shared: &Arc<Shared>) -> Option<Sender<(ThreadId, Question)>> {
    let (ask, asked) = channel::<(ThreadId, Question)>();
    let (ap, weak) = (shared.config.ap.clone(), Arc::downgrade(shared));
    let helper = std::thread::Builder::new()
        .name("dsp-files".into())
        .spawn(move || {
            for (thread, question) in asked {
                let answer = question.put(|request| ap.files(request));
                let Some(shared) = weak.upgrade() else { return };
                shared.inbox.send(ProcessRequest::FileAnswered(thread, answer));
            }
        });
    helper.is_ok().then_some(ask)
}
