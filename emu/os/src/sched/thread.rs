//! One DSP thread: its registers and what it is for.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use emu_core::Thread;

/// Identifies a DSP thread within its process; never 0.
pub type ThreadId = u32;

/// Why a thread is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It serves AP threads and has nothing to do.
    Idle,
    /// Until a time.
    Sleep,
    /// For a mutex at this address.
    Mutex(u32),
    /// For the other threads of the barrier at this address.
    Barrier(u32),
    /// For signals at this address: mask, and whether all of them are wanted.
    Signal {
        /// Address of the object.
        at: u32,
        /// Signals that count.
        mask: u32,
        /// All of them, or any.
        all: bool,
        /// Where the signals that were set go; 0: the function that it waits in returns them.
        place: u32,
    },
    /// For the semaphore at this address.
    Semaphore(u32),
    /// On the condition variable at this address, to take the mutex again.
    Condition {
        /// Address of the condition variable.
        at: u32,
        /// Address of the mutex.
        mutex: u32,
    },
    /// On the futex at this address.
    Futex(u32),
    /// For the end of a thread; where to put its status (0: nowhere).
    Join {
        /// The thread.
        thread: ThreadId,
        /// Where its status goes.
        status: u32,
    },
    /// For the read-write lock at this address: to write, or to read.
    ReadWrite {
        /// Address of the lock.
        at: u32,
        /// To write.
        write: bool,
    },
    /// For the function of the `pthread_once_t` at this address to return.
    Once(u32),
    /// For memory from the AP.
    Memory,
    /// For the AP to work on a file.
    File,
    /// For a vector context.
    Vectors,
    /// For an element of a pipe, or room in it.
    Pipe,
    /// For a compute resource (VTCM).
    Resource,
    /// Until another thread has initialised the static variable whose guard is at this address.
    Guard(u32),
    /// For a library that the AP is asked for.
    Library,
    /// For the packet queue with this handle.
    Queue(u32),
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Sleep => f.write_str("waits for a time"),
            Self::Mutex(at) => write!(f, "waits for the mutex at {at:#x}"),
            Self::Barrier(at) => write!(f, "waits at the barrier at {at:#x}"),
            Self::Signal { at, mask, all, .. } => {
                let which = if *all { "all" } else { "any" };
                write!(f, "waits for {which} of signals {mask:#x} at {at:#x}")
            }
            Self::Semaphore(at) => write!(f, "waits for the semaphore at {at:#x}"),
            Self::Condition { at, .. } => write!(f, "waits on the condition variable at {at:#x}"),
            Self::Futex(at) => write!(f, "waits on the futex at {at:#x}"),
            Self::Join { thread, .. } => write!(f, "waits for the end of thread {thread}"),
            Self::ReadWrite { at, write } => {
                let what = if *write { "write" } else { "read" };
                write!(f, "waits to {what} under the lock at {at:#x}")
            }
            Self::Once(at) => write!(f, "waits for what is done once, at {at:#x}"),
            Self::Pipe => f.write_str("waits at a pipe"),
            Self::Vectors => f.write_str("waits for a vector context"),
            Self::File => f.write_str("waits for a file of the AP"),
            Self::Memory => f.write_str("waits for memory from the AP"),
            Self::Resource => f.write_str("waits for a compute resource"),
            Self::Library => f.write_str("waits for a library"),
            Self::Guard(at) => write!(
                f,
                "waits until the static variable with the guard at {at:#x} is initialised"
            ),
            Self::Queue(handle) => write!(f, "waits for the packet queue {handle:#x}"),
        }
    }
}

/// What a thread is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It serves the AP: calls of one of its threads, or opens and closes.
    Worker,
    /// The skeleton created it.
    Skeleton,
}

/// A DSP thread. What it waits for, and its priority, the scheduler knows.
pub struct DspThread {
    /// Its id.
    pub id: ThreadId,
    /// Its name.
    pub name: String,
    /// Its registers.
    pub core: Thread,
    /// What it is for.
    pub role: Role,
    /// Its stack.
    pub stack: Range<u32>,
    /// The stack's allocation, if it is ours to free.
    pub own_stack: Option<u32>,
    /// Thread-local values by key.
    pub tls: HashMap<u32, u32>,
}

impl DspThread {
    /// A thread with these registers.
    pub fn new(id: ThreadId, name: String, role: Role, stack: Range<u32>, core: Thread) -> Self {
        Self {
            id,
            name,
            core,
            role,
            stack,
            own_stack: None,
            tls: HashMap::new(),
        }
    }
}
