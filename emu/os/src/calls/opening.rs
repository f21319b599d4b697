//! Opening a module, up to the job for a worker: its files are read on a helper thread, then placed in memory one by one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::job::{Installation, Job, OpenTask, Opening, Starved};
use crate::error::OpenError;
use crate::kernel::state::Kernel;
use crate::loader::gather::{Gather, Library};
use crate::loader::modules::{InstallError, ModuleId};
use crate::loader::uri::ModuleName;
use crate::memory::NoMemory;
use crate::process::inbox::{OpenAnswer, ProcessRequest};
use rpmsg::Aee;

/// How often an open starts again because a library it counted on was unloaded meanwhile.
const RETRIES: u32 = 4;

/// Opens a module.
pub fn open(os: &mut Kernel, name: ModuleName, answer: OpenAnswer) {
    os.loading.add(OpenTask { name, retries: 0 }, answer);
    start_next(os);
}

/// The loader is free for the next open.
pub fn done(os: &mut Kernel) {
    os.loading.done();
    start_next(os);
}

/// Starts the next open if the loader is free.
fn start_next(os: &mut Kernel) {
    while let Some((task, answer)) = os.loading.take_next() {
        if os.handles.reserve(os.shared.config.limits.handles) {
            return start(os, task, answer);
        }
        answer.send(Err(OpenError::new(
            Aee::RESOURCE_NOT_FOUND,
            "too many open modules",
        )));
        os.loading.done();
    }
}

fn start(os: &mut Kernel, task: OpenTask, answer: OpenAnswer) {
    if os.modules.find(&task.name.library).is_some() {
        let open = Installation {
            task,
            libraries: VecDeque::new(),
            installed: Vec::new(),
            answer,
        };
        return install(os, open);
    }
    let loaded: HashSet<String> = os.modules.names().cloned().collect();
    let library = task.name.library.clone();
    os.loading.keep(task, answer);
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
            let result = gather.run(&library);
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
    let Some((task, answer)) = os.loading.take_read() else {
        return;
    };
    match result {
        Ok(libraries) => {
            let open = Installation {
                task,
                libraries: libraries.into(),
                installed: Vec::new(),
                answer,
            };
            install(os, open);
        }
        Err(error) => fail(os, &[], answer, error),
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
            Err(InstallError::Gone) if open.task.retries < RETRIES => {
                uninstall(os, &open.installed);
                os.handles.give_up();
                open.task.retries += 1;
                os.loading.add_again(open.task, open.answer);
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
                return fail(os, &open.installed, open.answer, error);
            }
        }
    }
    os.count();
    let Installation {
        task,
        installed,
        answer,
        ..
    } = open;
    let Some(module) = os.modules.find(&task.name.library) else {
        let text = format!("{} was not loaded", task.name.library);
        return fail(os, &installed, answer, OpenError::new(Aee::UNABLE_TO_LOAD, text));
    };
    if os.modules.symbol(module, task.name.symbol.as_bytes()).is_none() {
        let text = format!("{} has no symbol {}", task.name.library, task.name.symbol);
        return fail(os, &installed, answer, OpenError::new(Aee::NO_SUCH_SYMBOL, text));
    }
    os.modules.retain(module);
    let opening = Opening {
        task,
        module,
        installed,
        answer,
    };
    os.submit(None, Job::Open(opening));
}

/// The AP gave no memory for an open's libraries.
pub fn starved(os: &mut Kernel, open: Installation) {
    let error = OpenError::new(Aee::NO_MEMORY, "no memory to load the library into");
    fail(os, &open.installed, open.answer, error);
}

/// There is no worker for an open whose library is in memory.
pub fn no_worker(os: &mut Kernel, opening: Opening, error: OpenError) {
    let Opening {
        module,
        installed,
        answer,
        ..
    } = opening;
    if !installed.contains(&module) {
        // Without a worker there is nobody to run finalisers either.
        for unused in os.modules.release(module) {
            os.modules.remove(unused, &os.shared.memory);
        }
    }
    fail(os, &installed, answer, error);
}

fn fail(os: &mut Kernel, installed: &[ModuleId], answer: OpenAnswer, error: OpenError) {
    uninstall(os, installed);
    os.handles.give_up();
    tracing::warn!(target: "emu::os", process = os.shared.config.name, %error, "open failed");
    answer.send(Err(error));
    done(os);
}

fn uninstall(os: &mut Kernel, installed: &[ModuleId]) {
    for &id in installed.iter().rev() {
        os.modules.uninstall(id, &os.shared.memory);
    }
    os.count();
}
