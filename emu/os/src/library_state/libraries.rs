//! Handles and errors of `dlopen` and its kin.

use std::collections::BTreeMap;

use crate::loader::modules::ModuleId;
use crate::sched::ThreadId;

/// The handle of what is found without a library; those of libraries follow. Nothing of a process lies there.
const PROGRAM: u32 = 0x100;

/// What `dlopen` gave out, and what went wrong.
#[derive(Debug, Default)]
pub struct Libraries {
    /// How often each library is open.
    open: BTreeMap<ModuleId, u32>,
    errors: BTreeMap<ThreadId, String>,
    /// Where texts of errors lie, and which place is next.
    texts: Option<(u32, u32)>,
}

impl Libraries {
    /// The handle of what is found without a library.
    pub fn program(&self) -> u32 {
        PROGRAM
    }

    /// A library is open once more: its handle.
    pub fn open(&mut self, module: ModuleId) -> u32 {
        let count = self.open.entry(module).or_default();
        *count = count.saturating_add(1);
        PROGRAM.wrapping_add(module).wrapping_add(1)
    }

    /// The library of a handle.
    pub fn module(&self, handle: u32) -> Option<ModuleId> {
        let module = handle.wrapping_sub(PROGRAM).checked_sub(1)?;
        self.open.contains_key(&module).then_some(module)
    }

    /// A handle is closed: the library that has a user less.
    pub fn close(&mut self, handle: u32) -> Option<ModuleId> {
        let module = self.module(handle)?;
        let count = self.open.get_mut(&module)?;
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.open.remove(&module);
        }
        Some(module)
    }

    /// Something went wrong in a thread; of at most `limit` threads that is kept.
    pub fn set_error(&mut self, thread: ThreadId, why: String, limit: usize) {
        if self.errors.len() >= limit.max(1) && !self.errors.contains_key(&thread) {
            self.errors.pop_first();
        }
        self.errors.insert(thread, why);
    }

    /// What went wrong in a thread, once.
    pub fn take_error(&mut self, thread: ThreadId) -> Option<String> {
        self.errors.remove(&thread)
    }

    /// Where texts lie and the number of the next one's place, of so many.
    pub fn text_room(&mut self, places: u32) -> Option<(u32, u32)> {
        let (at, next) = self.texts.as_mut()?;
        let number = *next;
        *next = (number + 1) % places;
        Some((*at, number))
    }

    /// Texts lie here; the first place is taken.
    pub fn set_text_room(&mut self, at: u32) {
        self.texts = Some((at, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_lives_as_long_as_it_is_open() {
        let mut l = Libraries::default();
        let handle = l.open(0);
        assert_eq!((l.open(0), l.module(handle)), (handle, Some(0)));
        assert_eq!(
            (l.close(handle), l.close(handle), l.close(handle)),
            (Some(0), Some(0), None)
        );
        assert_eq!(
            (
                l.module(handle),
                l.module(PROGRAM),
                l.module(0),
                l.module(u32::MAX)
            ),
            (None, None, None, None)
        );
    }

    #[test]
    fn errors_are_told_once_to_whom_they_happened_and_are_bounded() {
        let mut l = Libraries::default();
        l.set_error(1, "one".into(), 2);
        l.set_error(2, "two".into(), 2);
        l.set_error(3, "three".into(), 2);
        assert_eq!(
            (l.take_error(1), l.take_error(2), l.take_error(2)),
            (None, Some("two".into()), None)
        );
    }
}
