//! Files of the AP that DSP threads ask for. A helper thread of the process carries the questions over, one after the other (the
//! AP answers them one after the other, too), and puts each answer into the process's inbox.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use crate::ap::ApError;
use crate::process::inbox::ProcessRequest;
use crate::process::shared::Shared;
use crate::sched::ThreadId;
use rpmsg::iface::apps_std;

/// Output buffers of the AP's answer.
pub type Answer = Result<Vec<Vec<u8>>, ApError>;

/// The helper, once there was a question.
#[derive(Default)]
pub struct Asking(Option<Sender<(ThreadId, apps_std::Request)>>);

impl Asking {
    /// Asks for a DSP thread, which waits for the answer.
    pub fn ask(&mut self, shared: &Arc<Shared>, thread: ThreadId, request: apps_std::Request) {
        let helper = self.0.take().or_else(|| start(shared));
        let sent = helper
            .as_ref()
            .is_some_and(|to| to.send((thread, request)).is_ok());
        self.0 = helper.filter(|_| sent);
        if !sent {
            let answer = Err(ApError::NoListener);
            shared.inbox.send(ProcessRequest::FileAnswered(thread, answer));
        }
    }
}

/// The helper ends when nobody can ask any more.
fn start(shared: &Arc<Shared>) -> Option<Sender<(ThreadId, apps_std::Request)>> {
    let (ask, asked) = channel::<(ThreadId, apps_std::Request)>();
    let (ap, weak) = (shared.config.ap.clone(), Arc::downgrade(shared));
    let helper = std::thread::Builder::new()
        .name("dsp-files".into())
        .spawn(move || {
            for (thread, request) in asked {
                let answer = ap.files(&request);
                let Some(shared) = weak.upgrade() else { return };
                shared.inbox.send(ProcessRequest::FileAnswered(thread, answer));
            }
        });
    helper.is_ok().then_some(ask)
}
