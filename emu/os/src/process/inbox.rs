//! What reaches a process from outside, where its host threads wait for it, and the promise that every call is answered
//! exactly once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, Time};
use crate::crash::CrashReport;
use crate::error::OpenError;
use crate::invocation::Invocation;
use crate::kernel::asking::Answer;
use crate::library_state::farf::Farf;
use crate::loader::gather::Library;
use crate::loader::uri::ModuleName;
use crate::sched::ThreadId;
use rpmsg::Aee;

/// Gets the result of an open: the module's handle.
pub type OpenDone = Box<dyn FnOnce(Result<u32, OpenError>) + Send>;
/// Gets the result of a call: 0 or an AEE code, to be answered unchanged.
pub type CallDone = Box<dyn FnOnce(Aee) + Send>;
/// Gets the result of something that was asked of packet queues.
pub type QueueDone = Box<dyn FnOnce(Result<u64, Aee>) + Send>;

/// What the AP asks of a process's packet queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueRequest {
    /// The buffer with the counters of all queues, by file descriptor.
    Initialise {
        /// Its file descriptor.
        fd: i32,
    },
    /// Make a queue; the result is its id.
    Create {
        /// Which of the counters are its own.
        slot: u32,
        /// File descriptor of its buffer.
        fd: i32,
        /// What its header counts it as.
        count: u32,
    },
    /// Give a queue up.
    Destroy(u64),
    /// Does a skeleton hold the queue? The result is 1 if so.
    IsImported(u64),
    /// Wait for news in any queue; the result is all ones when the wait was called off.
    Wait,
    /// Call the wait off.
    Cancel,
    /// There is news for the process in some queue.
    Signal,
    /// The AP's side is gone.
    End,
}

/// One thing that a process is asked.
pub enum ProcessRequest {
    /// Open a module.
    Open(ModuleName, OpenAnswer),
    /// Call a method.
    Invoke(Invocation, CallAnswer),
    /// Close a module.
    Close(u32, CallAnswer),
    /// Libraries were read (by the helper thread that was started for the open under way).
    Loaded(Result<Vec<Library>, OpenError>),
    /// The AP was asked for memory; did it give some?
    Grown(bool),
    /// The AP has answered a DSP thread's question about a file.
    FileAnswered(ThreadId, Answer),
    /// An AP thread ended: its DSP thread is not needed any more.
    ThreadExit(i32),
    /// Priority of the threads that serve AP threads.
    Priority(u8),
    /// The AP asks for something with packet queues.
    Queues(QueueRequest, QueueAnswer),
    /// Something may have changed in packet queues.
    QueueNews,
    /// Which run-time messages the AP wants.
    Farf(Farf),
    /// Bytes of the stacks of threads that will serve AP threads.
    Stack(u32),
    /// Somebody wants to know what the threads are doing.
    Threads(Sender<Vec<CrashReport>>),
    /// The process is about to end: what is to run before runs, then this is dropped.
    Finish(Sender<()>),
    /// Something became due inside of the process: it is to be looked at now.
    Due,
}

struct Queue {
    requests: VecDeque<ProcessRequest>,
    closed: bool,
    /// Host threads that wait.
    waiting: usize,
    /// How many of them are to look whether there is work, and have not done so yet.
    roused: usize,
    /// The earliest time at which one of them wakes by itself, as far as is known.
    watched: Option<Time>,
}

/// The inbox: filled by anyone, emptied by the process's host threads.
pub struct Inbox {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// [`Queue::waiting`] less [`Queue::roused`], to be read without the lock.
    free: AtomicUsize,
    /// Calls that are not answered yet, queued or under way.
    pending: Arc<AtomicUsize>,
    limit: usize,
}

impl Inbox {
    /// An inbox for at most `limit` unanswered calls.
    pub fn new(limit: usize) -> Self {
        Self {
            queue: Mutex::new(Queue {
                requests: VecDeque::new(),
                closed: false,
                waiting: 0,
                roused: 0,
                watched: None,
            }),
            wake: Condvar::new(),
            free: AtomicUsize::new(0),
            pending: Arc::default(),
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request in; after [`close`](Self::close) it is dropped (which answers calls with [`Aee::GONE`]).
    pub fn send(&self, request: ProcessRequest) {
        let mut queue = self.lock();
        if !queue.closed {
            queue.requests.push_back(request);
            self.wake.notify_one();
        }
    }

    /// Has one more host thread that waits look whether there is work; `false`: none waits.
    pub fn rouse(&self) -> bool {
        // Whoever asks has the kernel, and so has whoever enlists: what was ready before is seen before one waits.
        if self.free.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut queue = self.lock();
        let free = queue.roused < queue.waiting;
        if free {
            queue.roused += 1;
            self.count(&queue);
            self.wake.notify_one();
        }
        free
    }

    /// If host threads wait, one of them is to wake at that time: no thread that runs looks at the clock for long.
    pub fn watch(&self, deadline: Time) {
        if self.free.load(Ordering::Relaxed) > 0
            && self.lock().watched.is_none_or(|watched| deadline < watched)
        {
            self.rouse();
        }
    }

    fn count(&self, queue: &Queue) {
        let free = queue.waiting.saturating_sub(queue.roused);
        self.free.store(free, Ordering::Relaxed);
    }

    /// Wakes the process's host threads without a request.
    pub fn nudge(&self) {
        drop(self.lock());
        self.wake.notify_all();
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.lock().requests.is_empty()
    }

    /// Takes everything that is there.
    pub fn drain(&self) -> VecDeque<ProcessRequest> {
        std::mem::take(&mut self.lock().requests)
    }

    /// Notes that a host thread found no work and is going to wait, at most until the deadline. To be called with the kernel,
    /// so that work which turns up from then on finds somebody to [rouse](Self::rouse).
    pub fn enlist(&self, deadline: Option<Time>) -> Waiter<'_> {
        let mut queue = self.lock();
        queue.waiting += 1;
        if let Some(at) = deadline
            && queue.watched.is_none_or(|watched| at < watched)
        {
            queue.watched = Some(at);
        }
        self.count(&queue);
        Waiter {
            inbox: self,
            deadline,
        }
    }

    /// Nothing is taken any more; what is queued is dropped.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        let requests = std::mem::take(&mut queue.requests);
        // Answers run outside the lock: they may call the process again.
        drop(queue);
        drop(requests);
    }

    fn admit(&self) -> Option<Arc<AtomicUsize>> {
        let admitted = self.pending.try_update(Ordering::AcqRel, Ordering::Acquire, |n| {
            (n < self.limit).then_some(n + 1)
        });
        admitted.ok().map(|_| self.pending.clone())
    }

    /// Wraps a call's answer; `None` (after answering) if too many are pending.
    pub fn call(&self, done: CallDone) -> Option<CallAnswer> {
        match self.admit() {
            Some(pending) => Some(CallAnswer {
                done: Some(done),
                pending,
            }),
            None => {
                done(Aee::RESOURCE_NOT_FOUND);
                None
            }
        }
    }

    /// Wraps the answer to something that is asked of packet queues; `None` (after answering) if too many are pending.
    pub fn queues(&self, done: QueueDone) -> Option<QueueAnswer> {
        match self.admit() {
            Some(pending) => Some(QueueAnswer {
                done: Some(done),
                pending,
            }),
            None => {
                done(Err(Aee::RESOURCE_NOT_FOUND));
                None
            }
        }
    }

    /// Wraps an open's answer; `None` (after answering) if too many are pending.
    pub fn open(&self, done: OpenDone) -> Option<OpenAnswer> {
        match self.admit() {
            Some(pending) => Some(OpenAnswer {
                done: Some(done),
                pending,
            }),
            None => {
                done(Err(OpenError::new(
                    Aee::RESOURCE_NOT_FOUND,
                    "too many calls are under way",
                )));
                None
            }
        }
    }
}

/// A host thread that is going to wait.
pub struct Waiter<'a> {
    inbox: &'a Inbox,
    deadline: Option<Time>,
}

impl Waiter<'_> {
    /// Waits until there is something, somebody [rouses](Inbox::rouse) this host thread, `stop` says so, or the deadline has
    /// come by `clock` (which [nudges](Inbox::nudge) when it is set).
    pub fn wait(self, clock: &dyn Clock, stop: impl Fn() -> bool) {
        let Self { inbox, deadline } = self;
        let mut queue = inbox.lock();
        let is_late = || deadline.is_some_and(|at| at <= clock.now());
        while queue.requests.is_empty() && queue.roused == 0 && !stop() && !is_late() {
            queue = match deadline.and_then(|at| clock.sleep_until(at)) {
                None => inbox.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    inbox
                        .wake
                        .wait_timeout(queue, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        queue.waiting -= 1;
        queue.roused = queue.roused.saturating_sub(1);
        if deadline.is_some() && queue.watched == deadline {
            queue.watched = None;
        }
        inbox.count(&queue);
    }
}

/// Answers a call once: when told to, or with [`Aee::GONE`] when dropped.
pub struct CallAnswer {
    done: Option<CallDone>,
    pending: Arc<AtomicUsize>,
}

impl CallAnswer {
    /// Answers.
    pub fn send(mut self, retval: Aee) {
        self.answer(retval);
    }

    fn answer(&mut self, retval: Aee) {
        if let Some(done) = self.done.take() {
            self.pending.fetch_sub(1, Ordering::AcqRel);
            done(retval);
        }
    }
}

impl Drop for CallAnswer {
    fn drop(&mut self) {
        self.answer(Aee::GONE);
    }
}

/// Answers what was asked of packet queues once: when told to, or with [`Aee::GONE`] when dropped.
pub struct QueueAnswer {
    done: Option<QueueDone>,
    pending: Arc<AtomicUsize>,
}

impl QueueAnswer {
    /// Answers.
    pub fn send(mut self, result: Result<u64, Aee>) {
        self.answer(result);
    }

    fn answer(&mut self, result: Result<u64, Aee>) {
        if let Some(done) = self.done.take() {
            self.pending.fetch_sub(1, Ordering::AcqRel);
            done(result);
        }
    }
}

impl Drop for QueueAnswer {
    fn drop(&mut self) {
        self.answer(Err(Aee::GONE));
    }
}

/// Answers an open once: when told to, or with [`Aee::GONE`] when dropped.
pub struct OpenAnswer {
    done: Option<OpenDone>,
    pending: Arc<AtomicUsize>,
}

impl OpenAnswer {
    /// Answers.
    pub fn send(mut self, result: Result<u32, OpenError>) {
        self.answer(result);
    }

    fn answer(&mut self, result: Result<u32, OpenError>) {
        if let Some(done) = self.done.take() {
            self.pending.fetch_sub(1, Ordering::AcqRel);
            done(result);
        }
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.answer(Err(OpenError::new(Aee::GONE, "the process has ended")));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_wait_ends_when_the_clock_is_set_to_its_deadline() {
        let (inbox, clock) = (Arc::new(Inbox::new(1)), ManualClock::new());
        let nudged = inbox.clone();
        clock.watch(Box::new(move || {
            nudged.nudge();
            true
        }));
        std::thread::scope(|s| {
            // However the two meet, the wait ends; it would last for ever if only the host's time counted.
            let waiter = s.spawn(|| {
                let waiter = inbox.enlist(Some(Duration::from_secs(9)));
                waiter.wait(&*clock, || false);
            });
            clock.advance(Duration::from_secs(8));
            clock.advance(Duration::from_secs(1));
            waiter.join().unwrap();
        });
        assert_eq!(clock.now(), Duration::from_secs(9));
    }

    #[test]
    fn work_that_turns_up_before_a_host_thread_waits_is_not_missed() {
        let (inbox, clock) = (Inbox::new(1), ManualClock::new());
        assert!(!inbox.rouse());
        let waiters = [inbox.enlist(None), inbox.enlist(None)];
        assert_eq!([inbox.rouse(), inbox.rouse(), inbox.rouse()], [true, true, false]);
        // Neither waits: this ends.
        for waiter in waiters {
            waiter.wait(&*clock, || false);
        }
        assert!(!inbox.rouse());
    }

    #[test]
    fn one_that_waits_is_roused_for_an_earlier_deadline_only() {
        let (inbox, clock) = (Inbox::new(1), ManualClock::new());
        let at = Duration::from_secs;
        inbox.watch(at(1));
        let waiter = inbox.enlist(Some(at(9)));
        inbox.watch(at(9));
        assert_eq!(inbox.lock().roused, 0);
        inbox.watch(at(8));
        assert_eq!(inbox.lock().roused, 1);
        waiter.wait(&*clock, || false);
        assert_eq!(inbox.lock().watched, None);
    }

    #[test]
    fn dropped_calls_are_answered_dead_and_make_room() {
        let inbox = Inbox::new(1);
        let (tx, rx) = mpsc::channel();
        let sender = |tx: &mpsc::Sender<Aee>| -> CallDone {
            let tx = tx.clone();
            Box::new(move |r| tx.send(r).unwrap())
        };
        let first = inbox.call(sender(&tx)).unwrap();
        assert!(inbox.call(sender(&tx)).is_none());
        assert_eq!(rx.try_recv(), Ok(Aee::RESOURCE_NOT_FOUND));
        inbox.send(ProcessRequest::Close(1, first));
        inbox.close();
        assert_eq!(rx.try_recv(), Ok(Aee::GONE));
        let late = inbox.call(sender(&tx)).unwrap();
        inbox.send(ProcessRequest::Close(1, late));
        assert_eq!(rx.try_recv(), Ok(Aee::GONE));
    }
}
