//! Opening a module, up to the job for a worker: its files are read on a helper thread, then placed in memory one by one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::job::{Asker, Installation, Job, OpenTask, Opening, Starved};
use super::loading::{Added, MAX_DEPTH};
use crate::error::OpenError;
use crate::kernel::state::Kernel;
use crate::loader::gather::{Gather, Library};
use crate::loader::modules::{InstallError, ModuleId};
use crate::loader::uri::{self, ModuleName};
use crate::memory::NoMemory;
use crate::process::inbox::{OpenAnswer, ProcessRequest};
use crate::sched::ThreadId;
use rpmsg::Aee;

/// How often an open starts again because a library it counted on was unloaded meanwhile.
const RETRIES: u32 = 4;

/// Opens a module.
pub fn open(os: &mut Kernel, name: ModuleName, answer: OpenAnswer) {
    let library = name.library.clone();
    load(os, library, None, Asker::Ap(name, answer));
}

/// Loads a library, whose `contents` are there already or are read.
pub fn load(os: &mut Kernel, library: String, contents: Option<Arc<[u8]>>, asker: Asker) {
    let task = OpenTask {
        library,
        contents,
        retries: 0,
    };
    match os.loading.add(task, asker) {
        Added::Nested(task, asker) => start(os, task, asker),
        Added::Queued => start_next(os),
        Added::TooDeep(asker) => {
            let text = format!("initialisers load libraries deeper than {MAX_DEPTH} in each other");
            refuse(os, asker, OpenError::new(Aee::UNABLE_TO_LOAD, text));
        }
    }
}

/// The loader is free for the next open.
pub fn done(os: &mut Kernel) {
    os.loading.done();
    start_next(os);
}

/// Starts the next open if the loader is free.
fn start_next(os: &mut Kernel) {
    while let Some((task, asker)) = os.loading.take_next() {
        match asker {
            Asker::Ap(_, answer) if !os.handles.reserve(os.shared.config.limits.handles) => {
                answer.send(Err(OpenError::new(
                    Aee::RESOURCE_NOT_FOUND,
                    "too many open modules",
                )));
                os.loading.done();
            }
            asker => return start(os, task, asker),
        }
    }
}

fn start(os: &mut Kernel, task: OpenTask, asker: Asker) {
    let known = match uri::plain(&task.library) {
        Ok(name) => os.modules.find(&name).is_some(),
        Err(error) => return fail(os, &[], asker, error),
    };
    if known {
        let open = Installation {
            task,
            libraries: VecDeque::new(),
            installed: Vec::new(),
            asker,
        };
        return install(os, open);
    }
    let loaded: HashSet<String> = os.modules.names().cloned().collect();
    let (library, contents) = (task.library.clone(), task.contents.clone());
    os.loading.keep(task, asker);
    let weak = Arc::downgrade(&os.shared);
    let config = os.shared.config.clone();
    let helper = std::thread::Builder::new()
        .name("dsp-load".into())
        .spawn(move || {
            let gather = Gather {
                ap: &*config.ap,
                core: config.arch.version(),
                limits: &config.limits,
                loaded,
            };
            let result = gather.run(&library, contents);
            if let Some(shared) = weak.upgrade() {
                shared.inbox.send(ProcessRequest::Loaded(result));
            }
        });
    if let Err(error) = helper {
        let error = OpenError::new(Aee::RESOURCE_NOT_FOUND, format!("no host thread: {error}"));
        os.shared.inbox.send(ProcessRequest::Loaded(Err(error)));
    }
}

/// The files of the open that has the loader were read.
pub fn loaded(os: &mut Kernel, result: Result<Vec<Library>, OpenError>) {
    let Some((task, asker)) = os.loading.take_read() else {
        return;
    };
    match result {
        Ok(libraries) => {
            let open = Installation {
                task,
                libraries: libraries.into(),
                installed: Vec::new(),
                asker,
            };
            install(os, open);
        }
        Err(error) => fail(os, &[], asker, error),
    }
}

/// Places libraries one by one (waiting for memory where needed), then hands over to a worker.
pub fn install(os: &mut Kernel, mut open: Installation) {
    while let Some(library) = open.libraries.pop_front() {
        match os.modules.install(&library, &os.shared.memory) {
            Ok(id) => open.installed.push(id),
            Err(InstallError::NoMemory(NoMemory::Dry(bytes))) => {
                open.libraries.push_front(library);
                return os.growth.wait(&os.shared, bytes, Starved::Installation(open));
            }
            Err(InstallError::Gone) if open.task.retries < RETRIES && !os.loading.is_nested() => {
                uninstall(os, &open.installed);
                give_up(os, &open.asker);
                open.task.retries += 1;
                os.loading.add_again(open.task, open.asker);
                return done(os);
            }
            Err(error) => {
                let error = match error {
                    InstallError::Refused(error) => error,
                    InstallError::NoMemory(why) => OpenError::new(Aee::NO_MEMORY, why.to_string()),
                    InstallError::Gone => {
                        OpenError::new(Aee::UNABLE_TO_LOAD, "a needed library was unloaded meanwhile")
                    }
                };
                return fail(os, &open.installed, open.asker, error);
            }
        }
    }
    os.count();
    let Installation {
        task,
        installed,
        asker,
        ..
    } = open;
    let known = uri::plain(&task.library).ok();
    let Some(module) = known.and_then(|name| os.modules.find(&name)) else {
        let text = format!("{} was not loaded", task.library);
        return fail(os, &installed, asker, OpenError::new(Aee::UNABLE_TO_LOAD, text));
    };
    match asker {
        Asker::Ap(name, answer) => {
            if os.modules.symbol(module, name.symbol.as_bytes()).is_none() {
                let text = format!("{} has no symbol {}", task.library, name.symbol);
                let error = OpenError::new(Aee::NO_SUCH_SYMBOL, text);
                return fail(os, &installed, Asker::Ap(name, answer), error);
            }
            os.modules.retain(module);
            let opening = Opening {
                name,
                module,
                installed,
                answer,
            };
            os.submit(None, Job::Open(opening));
            os.shared.inbox.send(ProcessRequest::Due);
        }
        Asker::Thread(thread) => {
            os.modules.retain(module);
            // It has the loader until it says that it is [done].
            os.loading.run_by(thread, os.continuations.depth(thread));
            os.loading.tell(thread, Ok((module, installed)));
            os.shared.inbox.send(ProcessRequest::Due);
        }
    }
}

/// The AP gave no memory for an open's libraries.
pub fn starved(os: &mut Kernel, open: Installation) {
    let error = OpenError::new(Aee::NO_MEMORY, "no memory to load the library into");
    fail(os, &open.installed, open.asker, error);
}

/// There is no worker for an open whose library is in memory.
pub fn no_worker(os: &mut Kernel, opening: Opening, error: OpenError) {
    let Opening {
        name,
        module,
        installed,
        answer,
    } = opening;
    if !installed.contains(&module) {
        // Without a worker there is nobody to run finalisers either.
        for unused in os.modules.release(module) {
            os.modules.remove(unused, &os.shared.memory);
        }
    }
    fail(os, &installed, Asker::Ap(name, answer), error);
}

fn fail(os: &mut Kernel, installed: &[ModuleId], asker: Asker, error: OpenError) {
    uninstall(os, installed);
    give_up(os, &asker);
    refuse(os, asker, error);
    done(os);
}

/// Tells who asked that there is no library.
fn refuse(os: &mut Kernel, asker: Asker, error: OpenError) {
    match asker {
        Asker::Ap(_, answer) => {
            answer.send(Err(error));
        }
        Asker::Thread(thread) => {
            tracing::info!(target: "emu::os", process = os.shared.config.name, thread, %error, "dlopen failed");
            os.loading.tell(thread, Err(error));
            os.shared.inbox.send(ProcessRequest::Due);
        }
    }
}

/// What the AP opens has room among its handles.
fn give_up(os: &mut Kernel, asker: &Asker) {
    if let Asker::Ap(..) = asker {
        os.handles.give_up();
    }
}

/// A thread ended: it does not have the loader any more.
pub fn thread_ended(os: &mut Kernel, thread: ThreadId) {
    if os.loading.thread_ended(thread) {
        start_next(os);
    }
}

/// A thread left functions that the emulator had called, and never returns to them.
pub fn jumped(os: &mut Kernel, thread: ThreadId) {
    let calls = os.continuations.depth(thread);
    let mut left = false;
    while os.loading.left(thread, calls) {
        left = true;
    }
    if left {
        start_next(os);
    }
}

fn uninstall(os: &mut Kernel, installed: &[ModuleId]) {
    for &id in installed.iter().rev() {
        os.modules.uninstall(id, &os.shared.memory);
    }
    os.count();
}
