//! What goes on when something that a DSP thread waits for inside the emulator is there: the return of a guest function
//! that was called, or memory from the AP.

use std::collections::HashMap;

use super::asking::Answer;
use super::call::{Call, Done};
use crate::calls::job::LoadedLibrary;
use crate::sched::ThreadId;

/// Calls from the emulator into the guest that may nest in one thread.
const MAX_FRAMES: usize = 64;

/// What happens when a function that the emulator called in the guest returns; gets its r1:0.
pub type Then = Box<dyn FnOnce(&mut Call<'_>, u64) -> Done + Send>;
/// What a parked thread does when the AP has answered a request for memory (`true`: it gave some).
pub type Retry = Box<dyn FnOnce(&mut Call<'_>, bool) -> Done + Send>;

/// What a parked thread does when the AP has answered a question about a file.
pub type Answered = Box<dyn FnOnce(&mut Call<'_>, Answer) -> Done + Send>;
/// What a parked thread does when the library it waits for is loaded, or is not going to be.
pub type OnLoaded = Box<dyn FnOnce(&mut Call<'_>, LoadedLibrary) -> Done + Send>;

/// A call from the emulator into the guest that has not returned yet.
pub struct Frame {
    /// Where the thread goes on afterwards.
    pub pc: u32,
    /// r29, r30, r31 before the call.
    pub saved: [u32; 3],
    /// What to do with the result.
    pub then: Then,
}

/// The continuations of all threads. Dropping one answers the call that it would have answered, with `DEAD`.
#[derive(Default)]
pub struct Continuations {
    /// Outermost first.
    frames: HashMap<ThreadId, Vec<Frame>>,
    retries: HashMap<ThreadId, Retry>,
    questions: HashMap<ThreadId, Answered>,
    loads: HashMap<ThreadId, OnLoaded>,
}

impl Continuations {
    /// A thread calls into the guest; the frame comes back if its calls nest too deep.
    pub fn push(&mut self, thread: ThreadId, frame: Frame) -> Result<(), Frame> {
        let frames = self.frames.entry(thread).or_default();
        if frames.len() >= MAX_FRAMES {
            return Err(frame);
        }
        frames.push(frame);
        Ok(())
    }

    /// A thread's innermost call returns.
    pub fn pop(&mut self, thread: ThreadId) -> Option<Frame> {
        self.frames.get_mut(&thread)?.pop()
    }

    /// A thread jumped to where its stack pointer was `sp`: calls that were entered from below that are left. The outermost
    /// stays: it is the thread itself.
    pub fn unwind(&mut self, thread: ThreadId, sp: u32) {
        if let Some(frames) = self.frames.get_mut(&thread) {
            while frames.len() > 1 && frames.last().is_some_and(|frame| frame.saved[0] <= sp) {
                frames.pop();
            }
        }
    }

    /// How many calls of the thread are under way.
    pub fn depth(&self, thread: ThreadId) -> usize {
        self.frames.get(&thread).map_or(0, Vec::len)
    }

    /// No call of the thread is under way.
    pub fn is_outermost(&self, thread: ThreadId) -> bool {
        self.depth(thread) == 0
    }

    /// A thread waits for memory.
    pub fn set_retry(&mut self, thread: ThreadId, retry: Retry) {
        self.retries.insert(thread, retry);
    }

    /// A thread waits for memory no more.
    pub fn take_retry(&mut self, thread: ThreadId) -> Option<Retry> {
        self.retries.remove(&thread)
    }

    /// A thread waits for an answer of the AP.
    pub fn set_question(&mut self, thread: ThreadId, answered: Answered) {
        self.questions.insert(thread, answered);
    }

    /// A thread has its answer.
    pub fn take_question(&mut self, thread: ThreadId) -> Option<Answered> {
        self.questions.remove(&thread)
    }

    /// A thread waits for a library.
    pub fn set_load(&mut self, thread: ThreadId, loaded: OnLoaded) {
        self.loads.insert(thread, loaded);
    }

    /// A thread has its library, or will not get it.
    pub fn take_load(&mut self, thread: ThreadId) -> Option<OnLoaded> {
        self.loads.remove(&thread)
    }

    /// A thread ended.
    pub fn forget(&mut self, thread: ThreadId) {
        self.frames.remove(&thread);
        self.retries.remove(&thread);
        self.questions.remove(&thread);
        self.loads.remove(&thread);
    }
}
