//! The DSP threads that serve AP threads, and what each has to do.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::arguments::ARGUMENTS;
use super::job::{Job, Starved};
use crate::config::Limits;
use crate::kernel::growth::Growth;
use crate::loader::modules::Modules;
use crate::memory::NoMemory;
use crate::process::shared::Shared;
use crate::sched::{DspThread, Role, Scheduler, ThreadId, Wait};
use emu_core::mem::PAGE_SIZE;

/// Priority of workers until the AP sets one.
const WORKER_PRIORITY: u8 = 192;
/// With so many workers, a new one takes the place of one that is idle, if there is one.
const KEPT_WORKERS: usize = 32;

/// Address space below a stack that has no memory: who runs over the stack's end faults there.
const GUARD: u32 = 0x1_0000;

/// Memory for a stack of so many bytes behind a guard.
fn guarded(shared: &Shared, bytes: u32) -> Result<u32, NoMemory> {
    let memory = &shared.memory;
    let low = memory.reserve(bytes.saturating_add(GUARD), 16)?;
    let bytes = bytes.next_multiple_of(PAGE_SIZE);
    memory
        .back(low, low + GUARD, bytes)
        .inspect_err(|_| memory.release(low))?;
    Ok(low)
}

#[derive(Default)]
struct Worker {
    /// The AP thread that it serves; `None`: opens and closes.
    tid: Option<i32>,
    queue: VecDeque<Job>,
    /// When it last finished something, for choosing whom to drop.
    used: u64,
    /// Its AP thread has ended.
    retired: bool,
}

/// All workers of a process.
pub struct Workers {
    map: HashMap<ThreadId, Worker>,
    by_tid: HashMap<i32, ThreadId>,
    priority: u8,
    /// Bytes of a new worker's stack; 0: as the process's limits say.
    stack: u32,
    /// Workers that may have something to do, or to be dropped.
    due: Vec<ThreadId>,
    /// Jobs for which there can be no worker, and why.
    refused: Vec<(Job, String)>,
    /// Workers that are no more, of which nobody was told yet.
    gone: Vec<ThreadId>,
    ticks: u64,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            map: HashMap::new(),
            by_tid: HashMap::new(),
            priority: WORKER_PRIORITY,
            stack: 0,
            due: Vec::new(),
            refused: Vec::new(),
            gone: Vec::new(),
            ticks: 0,
        }
    }
}

fn is_idle(sched: &Scheduler, id: ThreadId, worker: &Worker) -> bool {
    worker.queue.is_empty() && sched.waits_for(id) == Some(Wait::Idle)
}

impl Workers {
    /// Finds or makes a worker (for the AP thread `tid`, or for any open or close) and gives it the job.
    pub fn submit(
        &mut self,
        tid: Option<i32>,
        job: Job,
        sched: &mut Scheduler,
        shared: &Arc<Shared>,
        growth: &mut Growth,
        modules: &mut Modules,
    ) {
        let known = match tid {
            Some(tid) => self.by_tid.get(&tid).copied(),
            None => self
                .map
                .iter()
                .find_map(|(&id, w)| (w.tid.is_none() && is_idle(sched, id, w)).then_some(id)),
        };
        let id = match known.map_or_else(|| self.make(tid, sched, shared, modules), Ok) {
            Ok(id) => id,
            Err(NoMemory::Dry(bytes)) => return growth.wait(shared, bytes, Starved::Job(tid, job)),
            Err(NoMemory::Refused(why)) => return self.refused.push((job, why)),
        };
        if let Some(worker) = self.map.get_mut(&id) {
            worker.queue.push_back(job);
            self.due.push(id);
        }
    }

    fn make(
        &mut self,
        tid: Option<i32>,
        sched: &mut Scheduler,
        shared: &Shared,
        modules: &mut Modules,
    ) -> Result<ThreadId, NoMemory> {
        let limits = &shared.config.limits;
        if self.map.len() >= KEPT_WORKERS || sched.len() >= limits.threads {
            let idle = self.map.iter().filter(|&(&id, w)| is_idle(sched, id, w));
            if let Some((&id, _)) = idle.min_by_key(|(_, w)| w.used) {
                match sched.len() < limits.threads {
                    true => self.leave(id),
                    // There is no time for what it would destroy.
                    false => self.drop_worker(id, sched, shared, modules),
                }
            } else if sched.len() >= limits.threads {
                return Err(NoMemory::Refused(format!(
                    "the process has {} threads already",
                    limits.threads
                )));
            }
        }
        let stack = self.stack_size(limits);
        let low = guarded(shared, stack.saturating_add(ARGUMENTS))?;
        let start = low + GUARD;
        let stack = start..start + stack / 16 * 16;
        let id = sched.new_id();
        let name = tid.map_or_else(|| format!("loader-{id}"), |tid| format!("ap-{tid}"));
        let core = shared.new_core(shared.builtins.process_return() + 4);
        let mut thread = DspThread::new(id, name, Role::Worker, stack, core);
        thread.own_stack = Some(low);
        sched.add_parked(thread, self.priority, Wait::Idle);
        let worker = Worker {
            tid,
            ..Worker::default()
        };
        self.map.insert(id, worker);
        if let Some(tid) = tid {
            self.by_tid.insert(tid, id);
        }
        shared.counters.set_threads(sched.len());
        Ok(id)
    }

    /// The bytes of the stack of a worker to come.
    pub fn stack_size(&self, limits: &Limits) -> u32 {
        if self.stack == 0 { limits.stack } else { self.stack }
    }

    /// Sets the bytes of the stacks of workers to come.
    pub fn set_stack(&mut self, bytes: u32) {
        self.stack = bytes;
    }

    fn drop_worker(&mut self, id: ThreadId, sched: &mut Scheduler, shared: &Shared, modules: &mut Modules) {
        let tid = self.map.remove(&id).and_then(|w| w.tid);
        if let Some(tid) = tid.filter(|tid| self.by_tid.get(tid) == Some(&id)) {
            self.by_tid.remove(&tid);
        }
        if let Some(stack) = sched.remove(id).and_then(|t| t.own_stack) {
            shared.memory.release(stack);
        }
        modules.thread_ends(id, &shared.memory);
        self.gone.push(id);
        shared.counters.set_threads(sched.len());
    }

    /// A worker has finished its job.
    pub fn finished(&mut self, id: ThreadId) {
        self.due.push(id);
        self.ticks += 1;
        if let Some(w) = self.map.get_mut(&id) {
            w.used = self.ticks;
        }
    }

    /// A job for which there can be no worker, with the reason.
    pub fn take_refused(&mut self) -> Option<(Job, String)> {
        self.refused.pop()
    }

    /// A worker that waits, and a job for it. Workers that are not needed any more are dropped on the way.
    pub fn take_job(
        &mut self,
        sched: &mut Scheduler,
        shared: &Shared,
        modules: &mut Modules,
    ) -> Option<(ThreadId, Job)> {
        while let Some(id) = self.due.pop() {
            if sched.waits_for(id) != Some(Wait::Idle) {
                continue;
            }
            let Some(worker) = self.map.get_mut(&id) else {
                continue;
            };
            match worker.queue.pop_front() {
                Some(job) => return Some((id, job)),
                None if worker.retired => self.drop_worker(id, sched, shared, modules),
                None => {}
            }
        }
        None
    }

    /// An AP thread ended: its worker is not needed any more.
    pub fn retire(&mut self, tid: i32) {
        if let Some(id) = self.by_tid.get(&tid).copied() {
            self.leave(id);
        }
    }

    /// A worker is to end, after what it has to do and after destroying what is its own.
    fn leave(&mut self, id: ThreadId) {
        let Some(w) = self.map.get_mut(&id) else {
            return;
        };
        w.retired = true;
        w.queue.push_back(Job::Leave);
        if let Some(tid) = w.tid.filter(|tid| self.by_tid.get(tid) == Some(&id)) {
            self.by_tid.remove(&tid);
        }
        self.due.push(id);
    }

    /// Workers that are no more since this was last asked.
    pub fn take_gone(&mut self) -> Vec<ThreadId> {
        std::mem::take(&mut self.gone)
    }

    /// Sets the priority of all workers, those to come included.
    pub fn set_priority(&mut self, priority: u8, sched: &mut Scheduler) {
        self.priority = priority;
        for &id in self.map.keys() {
            sched.set_priority(id, priority);
        }
    }
}
