//! What one process is made of, and how imported functions see it.
//!
//! [`state::Kernel`] only holds the parts together; each part (threads, objects, modules, workers, …) is a struct of its
//! own that knows its kind of thing and not the others. The kernel and [`call::Call`] know each other: what goes on when a
//! guest function returns is kept here, and gets a `Call`.

pub mod asking;
pub mod call;
pub mod continuation;
pub mod growth;
pub mod import;
pub mod locks;
pub mod state;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
pub mod testing_files;
