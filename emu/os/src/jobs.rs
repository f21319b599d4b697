//! Open, invoke and close: from the event to the call of the skeleton's function and back to the answer.
//!
//! A *worker* is a DSP thread that serves one AP thread (calls of one AP thread keep their order, different ones run
//! concurrently) or opens and closes modules. Opens load one at a time, as under a loader lock, until their
//! initialisers have run. A close waits for the calls that are under way in its handle.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;

use super::aee;
use super::arguments::{self, ARGUMENTS};
use super::call::{Call, Done, Outcome};
use super::error::OpenError;
use super::inbox::{CallAnswer, Event, OpenAnswer};
use super::invocation::Invocation;
use super::kernel::{End, Kernel};
use super::loader::{Gather, Library};
use super::memory::NoMemory;
use super::modules::{InstallError, ModuleId};
use super::thread::{DspThread, Role, Then, ThreadId, Wait};
use super::uri::{self, ModuleName};

/// Priority of workers until the AP sets one.
const WORKER_PRIORITY: u8 = 192;
/// Idle workers that are kept.
const IDLE_WORKERS: usize = 32;
/// The first handle; they count up in steps and never repeat while one is open.
const FIRST_HANDLE: u32 = 0x35f0_8490;
const HANDLE_STEP: u32 = 0x40;
/// How often an open starts again because a library it counted on was unloaded meanwhile.
const RETRIES: u32 = 4;

/// Something for a worker to do.
enum Job {
    Invoke(Invocation, CallAnswer),
    Open(Opening),
    Close(u32, CallAnswer),
}

impl Job {
    fn fail(self, aee: u32, why: &str) {
        match self {
            Self::Invoke(_, answer) | Self::Close(_, answer) => answer.send(aee),
            Self::Open(opening) => opening.answer.send(Err(OpenError::new(aee, why))),
        }
    }
}

/// An open whose library is in memory.
struct Opening {
    task: Task,
    module: ModuleId,
    /// Libraries that were loaded for it, in order; their initialisers have to run.
    fresh: Vec<ModuleId>,
    answer: OpenAnswer,
}

/// What an open is for.
struct Task {
    uri: String,
    name: ModuleName,
    retries: u32,
}

/// An open module.
struct Handle {
    module: ModuleId,
    entry: u32,
    takes_handle: bool,
    /// What the skeleton's open gave.
    context: u64,
    /// Calls under way.
    busy: usize,
    /// It is being closed: nothing new comes in.
    closing: bool,
    /// The close that waits until nothing is under way.
    close: Option<CallAnswer>,
}

#[derive(Default)]
struct Worker {
    queue: VecDeque<Job>,
    /// When it last finished something, for choosing whom to drop.
    used: u64,
    /// Its AP thread has ended.
    retired: bool,
}

/// Everything about calls of a process.
pub(super) struct Jobs {
    handles: HashMap<u32, Handle>,
    next_handle: u32,
    workers: HashMap<ThreadId, Worker>,
    by_tid: HashMap<i32, ThreadId>,
    /// Opens that wait for the loader, and the one that has it.
    opens: VecDeque<(Task, OpenAnswer)>,
    loading: Option<Option<(Task, OpenAnswer)>>,
    priority: u8,
    free: Vec<ThreadId>,
    tick: u64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            handles: HashMap::new(),
            next_handle: FIRST_HANDLE,
            workers: HashMap::new(),
            by_tid: HashMap::new(),
            opens: VecDeque::new(),
            loading: None,
            priority: WORKER_PRIORITY,
            free: Vec::new(),
            tick: 0,
        }
    }
}

impl Jobs {
    /// A worker has nothing under way any more.
    pub fn worker_free(&mut self, id: ThreadId) {
        self.free.push(id);
        self.tick += 1;
        if let Some(w) = self.workers.get_mut(&id) {
            w.used = self.tick;
        }
    }
}

impl Kernel {
    /// Takes an event.
    pub(super) fn handle_event(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Invoke(call, answer) => {
                let tid = call.tid;
                self.submit(Some(tid), Job::Invoke(call, answer));
            }
            Event::Close(handle, answer) => self.close_handle(handle, answer),
            Event::Open(uri, answer) => self.open(uri, answer),
            Event::Loaded(result) => self.loaded(result),
            Event::Grown(given) => return self.memory_answered(given),
            Event::ThreadExit(tid) => {
                if let Some(id) = self.jobs.by_tid.remove(&tid) {
                    if let Some(w) = self.jobs.workers.get_mut(&id) {
                        w.retired = true;
                    }
                    self.jobs.free.push(id);
                }
            }
            Event::Priority(priority) => {
                self.jobs.priority = priority;
                let workers: Vec<ThreadId> = self.jobs.workers.keys().copied().collect();
                for id in workers {
                    self.set_priority(id, priority);
                }
            }
            // Nobody may wait for it any more.
            Event::Threads(to) => drop(to.send(self.describe_threads())),
        }
        None
    }

    /// Gives queued jobs to workers that became free; drops workers that are not needed.
    pub(super) fn start_jobs(&mut self) -> Option<End> {
        while let Some(id) = self.jobs.free.pop() {
            if self.waits_for(id) != Some(Wait::Idle) {
                continue;
            }
            let Some(worker) = self.jobs.workers.get_mut(&id) else {
                continue;
            };
            match worker.queue.pop_front() {
                Some(job) => {
                    if let Some(end) = self.as_thread(id, |call| call.begin(job)) {
                        return Some(end);
                    }
                }
                None if worker.retired => self.drop_worker(id),
                None => {}
            }
        }
        None
    }

    /// Finds or makes a worker and gives it the job.
    fn submit(&mut self, tid: Option<i32>, job: Job) {
        let id = match tid {
            Some(tid) => self.jobs.by_tid.get(&tid).copied(),
            None => self.jobs.workers.iter().find_map(|(&id, w)| {
                let idle = w.queue.is_empty() && self.waits_for(id) == Some(Wait::Idle);
                let free = idle && self.threads.get(&id)?.role == Role::Worker(None);
                free.then_some(id)
            }),
        };
        let id = match id {
            Some(id) => id,
            None => match self.new_worker(tid) {
                Ok(id) => id,
                Err(NoMemory::Dry(bytes)) => {
                    let again = move |os: &mut Kernel, given: bool| {
                        if given {
                            os.submit(tid, job);
                        } else {
                            job.fail(aee::ENOMEMORY, "no memory for a thread's stack");
                        }
                    };
                    self.starved.push_back(Box::new(again));
                    return self.ask_for_memory(bytes);
                }
                Err(NoMemory::Refused(why)) => return job.fail(aee::ERESOURCENOTFOUND, &why),
            },
        };
        if let Some(worker) = self.jobs.workers.get_mut(&id) {
            worker.queue.push_back(job);
            self.jobs.free.push(id);
        }
    }

    fn new_worker(&mut self, tid: Option<i32>) -> Result<ThreadId, NoMemory> {
        let limits = &self.shared.config.limits;
        if self.jobs.workers.len() >= IDLE_WORKERS || self.threads.len() >= limits.threads {
            let idle =
                |id: &ThreadId, w: &Worker| w.queue.is_empty() && self.waits_for(*id) == Some(Wait::Idle);
            let oldest = self
                .jobs
                .workers
                .iter()
                .filter(|(id, w)| idle(id, w))
                .min_by_key(|(_, w)| w.used);
            if let Some((&id, _)) = oldest {
                self.drop_worker(id);
            } else if self.threads.len() >= limits.threads {
                return Err(NoMemory::Refused(format!(
                    "the process has {} threads already",
                    limits.threads
                )));
            }
        }
        let limits = &self.shared.config.limits;
        let size = limits.stack.saturating_add(ARGUMENTS);
        let low = self.shared.memory.allocate(size, 16)?;
        let stack = low..low + limits.stack / 16 * 16;
        let id = self.new_thread_id();
        let name = tid.map_or_else(|| format!("loader-{id}"), |tid| format!("ap-{tid}"));
        let core = self.new_core(self.builtins.process_return() + 4);
        let mut thread = DspThread::new(id, name, self.jobs.priority, Role::Worker(tid), stack, core);
        thread.own_stack = Some(low);
        self.threads.insert(id, thread);
        self.jobs.workers.insert(id, Worker::default());
        if let Some(tid) = tid {
            self.jobs.by_tid.insert(tid, id);
        }
        self.count_threads();
        Ok(id)
    }

    fn drop_worker(&mut self, id: ThreadId) {
        self.jobs.workers.remove(&id);
        let Some(thread) = self.threads.remove(&id) else {
            return;
        };
        if let Role::Worker(Some(tid)) = thread.role
            && self.jobs.by_tid.get(&tid) == Some(&id)
        {
            self.jobs.by_tid.remove(&tid);
        }
        if let Some(stack) = thread.own_stack {
            self.shared.memory.release(stack);
        }
        self.count_threads();
    }

    // ---- opening ------------------------------------------------------------------------------------------------

    fn open(&mut self, uri: String, answer: OpenAnswer) {
        match uri::parse(&uri) {
            Ok(name) => {
                self.jobs.opens.push_back((
                    Task {
                        uri,
                        name,
                        retries: 0,
                    },
                    answer,
                ));
                self.next_open();
            }
            Err(error) => answer.send(Err(error)),
        }
    }

    /// Starts the next open if the loader is free.
    fn next_open(&mut self) {
        if self.jobs.loading.is_some() {
            return;
        }
        let Some((task, answer)) = self.jobs.opens.pop_front() else {
            return;
        };
        if self.jobs.handles.len() >= self.shared.config.limits.handles {
            answer.send(Err(OpenError::new(
                aee::ERESOURCENOTFOUND,
                "too many open modules",
            )));
            return self.next_open();
        }
        if self.modules.find(&task.name.library).is_some() {
            self.jobs.loading = Some(None);
            return self.install(VecDeque::new(), Vec::new(), task, answer);
        }
        let loaded: HashSet<String> = self.modules.names().cloned().collect();
        let library = task.name.library.clone();
        self.jobs.loading = Some(Some((task, answer)));
        let weak = std::sync::Arc::downgrade(&self.shared);
        let config = self.shared.config.clone();
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
                    shared.inbox.send(Event::Loaded(result));
                }
            });
        if let Err(error) = helper {
            let error = OpenError::new(aee::ERESOURCENOTFOUND, format!("no host thread: {error}"));
            self.shared.inbox.send(Event::Loaded(Err(error)));
        }
    }

    /// The loader is free for the next open.
    fn loader_done(&mut self) {
        self.jobs.loading = None;
        self.next_open();
    }

    fn loaded(&mut self, result: Result<Vec<Library>, OpenError>) {
        let Some((task, answer)) = self.jobs.loading.as_mut().and_then(Option::take) else {
            return;
        };
        match result {
            Ok(libraries) => self.install(libraries.into(), Vec::new(), task, answer),
            Err(error) => {
                tracing::warn!(target: "emu::os", process = self.shared.config.name, %error, "open failed");
                answer.send(Err(error));
                self.loader_done();
            }
        }
    }

    /// Places libraries one by one (waiting for memory where needed), then hands over to a worker.
    fn install(
        &mut self,
        mut libraries: VecDeque<Library>,
        mut fresh: Vec<ModuleId>,
        mut task: Task,
        answer: OpenAnswer,
    ) {
        let memory = &self.shared.memory;
        while let Some(library) = libraries.pop_front() {
            match self.modules.install(&library, memory) {
                Ok(id) => fresh.push(id),
                Err(InstallError::NoMemory(NoMemory::Dry(bytes))) => {
                    libraries.push_front(library);
                    let again = move |os: &mut Kernel, given: bool| {
                        if given {
                            os.install(libraries, fresh, task, answer);
                        } else {
                            let error = OpenError::new(aee::ENOMEMORY, "no memory to load the library into");
                            os.install_failed(&fresh, answer, error);
                        }
                    };
                    self.starved.push_back(Box::new(again));
                    return self.ask_for_memory(bytes);
                }
                Err(InstallError::Gone) if task.retries < RETRIES => {
                    self.uninstall(&fresh);
                    task.retries += 1;
                    self.jobs.opens.push_front((task, answer));
                    return self.loader_done();
                }
                Err(error) => {
                    let error = match error {
                        InstallError::Refused(error) => error,
                        InstallError::NoMemory(why) => OpenError::new(aee::ENOMEMORY, why.to_string()),
                        InstallError::Gone => {
                            OpenError::new(aee::EUNABLETOLOAD, "a needed library was unloaded meanwhile")
                        }
                    };
                    return self.install_failed(&fresh, answer, error);
                }
            }
        }
        self.shared
            .counters
            .modules
            .store(self.modules.count(), Ordering::Relaxed);
        let Some(module) = self.modules.find(&task.name.library) else {
            let error = OpenError::new(
                aee::EUNABLETOLOAD,
                format!("{} was not loaded", task.name.library),
            );
            return self.install_failed(&fresh, answer, error);
        };
        if self.modules.symbol(module, task.name.symbol.as_bytes()).is_none() {
            let text = format!("{} has no symbol {}", task.name.library, task.name.symbol);
            return self.install_failed(&fresh, answer, OpenError::new(aee::ENOSUCHSYM, text));
        }
        self.modules.retain(module);
        self.submit(
            None,
            Job::Open(Opening {
                task,
                module,
                fresh,
                answer,
            }),
        );
    }

    fn uninstall(&mut self, fresh: &[ModuleId]) {
        for &id in fresh.iter().rev() {
            self.modules.uninstall(id, &self.shared.memory);
        }
        self.shared
            .counters
            .modules
            .store(self.modules.count(), Ordering::Relaxed);
    }

    fn install_failed(&mut self, fresh: &[ModuleId], answer: OpenAnswer, error: OpenError) {
        self.uninstall(fresh);
        tracing::warn!(target: "emu::os", process = self.shared.config.name, %error, "open failed");
        answer.send(Err(error));
        self.loader_done();
    }

    /// An open module for the AP.
    fn new_handle(&mut self, handle: Handle) -> u32 {
        loop {
            let number = self.jobs.next_handle;
            self.jobs.next_handle = number.checked_add(HANDLE_STEP).unwrap_or(FIRST_HANDLE);
            if let Entry::Vacant(place) = self.jobs.handles.entry(number) {
                place.insert(handle);
                self.count_handles();
                return number;
            }
        }
    }

    fn count_handles(&self) {
        self.shared
            .counters
            .handles
            .store(self.jobs.handles.len(), Ordering::Relaxed);
    }

    // ---- closing ------------------------------------------------------------------------------------------------

    fn close_handle(&mut self, number: u32, answer: CallAnswer) {
        match self.jobs.handles.get_mut(&number) {
            None => answer.send(aee::ENOSUCHMOD),
            Some(h) if h.closing => answer.send(aee::ENOSUCHMOD),
            Some(h) => {
                h.closing = true;
                if h.busy > 0 {
                    h.close = Some(answer);
                } else {
                    self.submit(None, Job::Close(number, answer));
                }
            }
        }
    }

    /// A call in a handle is over.
    fn call_over(&mut self, number: u32) {
        let Some(h) = self.jobs.handles.get_mut(&number) else {
            return;
        };
        h.busy = h.busy.saturating_sub(1);
        if h.busy == 0
            && let Some(answer) = h.close.take()
        {
            self.submit(None, Job::Close(number, answer));
        }
    }
}

/// Calls functions one after the other, then does the last thing.
fn sequence(mut functions: VecDeque<u32>, last: Then) -> Then {
    Box::new(move |call, _| match functions.pop_front() {
        None => last(call, 0),
        Some(f) => Ok(Outcome::Enter(f, vec![0; 3], sequence(functions, last))),
    })
}

/// What worker threads do.
impl Call<'_> {
    /// Starts a job on this (idle) worker.
    fn begin(&mut self, job: Job) -> Done {
        let thread = &mut *self.thread;
        let regs = &mut thread.core.regs;
        for n in 0..32 {
            regs.r[n] = 0;
        }
        regs.r[29] = thread.stack.end;
        regs.pc = self.os.builtins.process_return() + 4;
        match job {
            Job::Invoke(invocation, answer) => self.begin_invoke(invocation, answer),
            Job::Open(opening) => self.begin_open(opening),
            Job::Close(number, answer) => self.begin_close(number, answer),
        }
    }

    fn counted(&self) {
        self.os.shared.counters.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn begin_invoke(&mut self, invocation: Invocation, answer: CallAnswer) -> Done {
        let number = invocation.handle;
        let Some(h) = self.os.jobs.handles.get(&number).filter(|h| !h.closing) else {
            answer.send(aee::ENOSUCHMOD);
            return Ok(Outcome::Return);
        };
        let (entry, context, takes_handle) = (h.entry, h.context, h.takes_handle);
        let at = self.thread.stack.end;
        let mapped = match arguments::place(&self.os.shared, &invocation, at) {
            Ok(mapped) => mapped,
            Err(code) => {
                answer.send(code);
                return Ok(Outcome::Return);
            }
        };
        if let Some(h) = self.os.jobs.handles.get_mut(&number) {
            h.busy += 1;
        }
        self.counted();
        let (sc, ctx, thread) = (invocation.sc, invocation.ctx, self.thread.id);
        let probe = self.os.shared.config.probe.clone();
        if let Some(probe) = &probe {
            probe.begins(ctx, thread);
        }
        tracing::debug!(
            target: "emu::os", thread = self.thread.id, handle = format_args!("{number:#x}"), sc = format_args!("{sc:#010x}"),
            "invoke"
        );
        let args = match takes_handle {
            true => vec![context as u32, (context >> 32) as u32, sc, at],
            false => vec![sc, at],
        };
        let over = move |call: &mut Call<'_>, result: u64| {
            // The driver may free the buffers as soon as it has the answer.
            drop(mapped);
            call.os.call_over(number);
            if let Some(probe) = &probe {
                probe.ends(ctx, thread);
            }
            answer.send(result as u32);
            Ok(Outcome::Return)
        };
        Ok(Outcome::Enter(entry, args, Box::new(over)))
    }

    fn begin_open(&mut self, opening: Opening) -> Done {
        let memory = &self.os.shared.memory;
        let modules = &self.os.modules;
        let initialisers = opening
            .fresh
            .iter()
            .filter_map(|&id| modules.get(id))
            .flat_map(|m| m.initialisers(memory))
            .collect();
        let open = move |call: &mut Call<'_>, _: u64| {
            call.os.loader_done();
            call.open_method(opening)
        };
        sequence(initialisers, Box::new(open))(self, 0)
    }

    fn open_method(&mut self, opening: Opening) -> Done {
        let Opening {
            task, module, answer, ..
        } = opening;
        let entry = self
            .os
            .modules
            .symbol(module, task.name.symbol.as_bytes())
            .unwrap_or_default();
        let takes_handle = task.name.takes_handle;
        let handle = Handle {
            module,
            entry,
            takes_handle,
            context: 0,
            busy: 0,
            closing: false,
            close: None,
        };
        if !takes_handle {
            answer.send(Ok(self.os.new_handle(handle)));
            return Ok(Outcome::Return);
        }
        // pra[0] = primIn {length of the URI with its NUL}, pra[1] = the URI, pra[2] = where the handle word goes.
        let pra = self.thread.stack.end;
        let (prim, text) = (pra + 24, pra + 32);
        let len = task.uri.len() as u32 + 1;
        for (i, word) in [prim, 4, text, len, 0, 0].into_iter().enumerate() {
            self.store32(pra + 4 * i as u32, word)?;
        }
        self.store32(prim, len)?;
        self.store(text, task.uri.as_bytes())?;
        self.store8(text + len - 1, 0)?;
        self.counted();
        let opened = move |call: &mut Call<'_>, result: u64| {
            let result = result as u32;
            if result == aee::SUCCESS {
                let context = call.load64(pra + 16)?;
                let number = call.os.new_handle(Handle { context, ..handle });
                answer.send(Ok(number));
                return Ok(Outcome::Return);
            }
            let error = OpenError::new(
                result,
                format!("{} refused to open with {result:#x}", task.name.symbol),
            );
            let doomed = call.os.modules.release(module);
            let refused = move |_: &mut Call<'_>, _: u64| {
                answer.send(Err(error));
                Ok(Outcome::Return)
            };
            call.finalise(doomed, Box::new(refused))
        };
        Ok(Outcome::Enter(
            entry,
            vec![0, 0, 0x0002_0001, pra],
            Box::new(opened),
        ))
    }

    fn begin_close(&mut self, number: u32, answer: CallAnswer) -> Done {
        let Some(h) = self.os.jobs.handles.get(&number) else {
            answer.send(aee::ENOSUCHMOD);
            return Ok(Outcome::Return);
        };
        let (module, entry, context, takes_handle) = (h.module, h.entry, h.context, h.takes_handle);
        let closed = move |call: &mut Call<'_>, result: u64| {
            call.os.jobs.handles.remove(&number);
            call.os.count_handles();
            let doomed = call.os.modules.release(module);
            let over = move |_: &mut Call<'_>, _: u64| {
                answer.send(result as u32);
                Ok(Outcome::Return)
            };
            call.finalise(doomed, Box::new(over))
        };
        if !takes_handle {
            return closed(self, 0);
        }
        let pra = self.thread.stack.end;
        self.store64(pra, context)?;
        self.counted();
        let args = vec![context as u32, (context >> 32) as u32, 0x0100_0010, pra];
        Ok(Outcome::Enter(entry, args, Box::new(closed)))
    }

    /// Runs the finalisers of libraries that nobody uses any more, takes them out of memory, then does the last thing.
    fn finalise(&mut self, doomed: Vec<ModuleId>, last: Then) -> Done {
        let memory = &self.os.shared.memory;
        let modules = &self.os.modules;
        let functions = doomed
            .iter()
            .filter_map(|&id| modules.get(id))
            .flat_map(|m| m.finalisers(memory))
            .collect();
        let remove = move |call: &mut Call<'_>, _: u64| {
            for &id in &doomed {
                call.os.modules.remove(id, &call.os.shared.memory);
            }
            call.os
                .shared
                .counters
                .modules
                .store(call.os.modules.count(), Ordering::Relaxed);
            last(call, 0)
        };
        sequence(functions, Box::new(remove))(self, 0)
    }
}

const _: () = assert!(uri::MAX_NAME as u32 + 40 < ARGUMENTS);
