//! What there is to do for workers, and what waits for memory before it can go on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::error::OpenError;
use crate::invocation::Invocation;
use crate::loader::gather::Library;
use crate::loader::modules::ModuleId;
use crate::loader::uri::ModuleName;
use crate::process::inbox::{CallAnswer, OpenAnswer};
use crate::sched::ThreadId;

/// Something for a worker to do.
pub enum Job {
    /// Call a method.
    Invoke(Invocation, CallAnswer),
    /// Run initialisers and the module's open method.
    Open(Opening),
    /// Run the close method of this handle's module.
    Close(u32, CallAnswer),
    /// Destroy what is the worker's own: it is not needed any more.
    Leave,
    /// Run what is to run before the process ends; whoever waits at the other end is told by its end.
    Finish(Sender<()>),
}

/// An open of the AP whose library is in memory.
pub struct Opening {
    /// What is opened.
    pub name: ModuleName,
    /// Its library.
    pub module: ModuleId,
    /// Libraries that were loaded for it, in order; their initialisers have to run.
    pub installed: Vec<ModuleId>,
    /// Who is to be told.
    pub answer: OpenAnswer,
}

/// An open whose libraries are being placed in memory.
pub struct Installation {
    /// What is opened.
    pub task: OpenTask,
    /// What is yet to be placed, in order.
    pub libraries: VecDeque<Library>,
    /// What was placed.
    pub installed: Vec<ModuleId>,
    /// Who is to be told.
    pub asker: Asker,
}

/// Who wants a library.
pub enum Asker {
    /// The AP, which opens a module.
    Ap(ModuleName, OpenAnswer),
    /// A thread, which waits; how it goes on, its continuations know.
    Thread(ThreadId),
}

/// What who wants a library gets: it, and what was loaded for it and is to be initialised, in order.
pub type LoadedLibrary = Result<(ModuleId, Vec<ModuleId>), OpenError>;

/// What is to be loaded.
pub struct OpenTask {
    /// The library's name as it was given.
    pub library: String,
    /// Its contents, if it is not to be read.
    pub contents: Option<Arc<[u8]>>,
    /// How often it started again.
    pub retries: u32,
}

/// Work of the process itself (not of a DSP thread) that waits for memory.
pub enum Starved {
    /// A job of this AP thread (`None`: of no one) for which a worker's stack is missing.
    Job(Option<i32>, Job),
    /// An open with libraries to be placed.
    Installation(Installation),
}
