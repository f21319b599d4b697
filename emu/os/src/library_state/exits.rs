//! Functions that run at exit (`atexit`, `__cxa_atexit`), of the process or of a thread (`__cxa_thread_atexit`).

use crate::sched::ThreadId;

/// Functions that may be registered at once.
const MAX_EXITS: usize = 4096;
/// Thread-local objects, of all threads, that may wait for their destructors.
pub const MAX_OBJECTS: usize = 1 << 14;

/// A function to run at exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The function.
    pub f: u32,
    /// Its argument.
    pub argument: u32,
    /// The `__dso_handle` of the library that registered it, an address in that library; 0: none was given.
    pub library: u32,
}

/// All of them, in the order in which they were registered.
#[derive(Debug, Default)]
pub struct Exits(Vec<Exit>);

impl Exits {
    /// Registers a function; `false`: there are too many.
    pub fn add(&mut self, exit: Exit) -> bool {
        let fits = self.0.len() < MAX_EXITS;
        if fits {
            self.0.push(exit);
        }
        fits
    }

    /// Takes the last one that is such.
    pub fn pop(&mut self, such: impl Fn(&Exit) -> bool) -> Option<Exit> {
        let at = self.0.iter().rposition(such)?;
        Some(self.0.remove(at))
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Destructors of thread-local objects, in the order in which these were made.
#[derive(Debug, Default)]
pub struct ThreadObjects(Vec<(ThreadId, Exit)>);

impl ThreadObjects {
    /// Registers a destructor; `false`: there are too many.
    pub fn add(&mut self, thread: ThreadId, destructor: Exit) -> bool {
        let fits = self.0.len() < MAX_OBJECTS;
        if fits {
            self.0.push((thread, destructor));
        }
        fits
    }

    /// Takes the last one that is such.
    pub fn pop(&mut self, such: impl Fn(ThreadId, &Exit) -> bool) -> Option<Exit> {
        let at = self.0.iter().rposition(|(thread, exit)| such(*thread, exit))?;
        Some(self.0.remove(at).1)
    }

    /// Takes a thread's last one.
    pub fn pop_of(&mut self, thread: ThreadId) -> Option<Exit> {
        self.pop(|owner, _| owner == thread)
    }

    /// Has a thread some?
    pub fn has(&self, thread: ThreadId) -> bool {
        self.0.iter().any(|&(owner, _)| owner == thread)
    }

    /// A thread is gone, and its objects with it.
    pub fn forget(&mut self, thread: ThreadId) {
        self.0.retain(|&(owner, _)| owner != thread);
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_functions_of_one_library_come_last_first() {
        let exit = |f, library| Exit {
            f,
            argument: f * 10,
            library,
        };
        let mut e = Exits::default();
        for (f, library) in [(1, 7), (2, 8), (3, 7)] {
            assert!(e.add(exit(f, library)));
        }
        assert_eq!(e.pop(|e| e.library == 7), Some(exit(3, 7)));
        // One that is registered meanwhile is next.
        assert!(e.add(exit(4, 7)));
        assert_eq!(e.pop(|e| e.library == 7), Some(exit(4, 7)));
        assert_eq!(e.pop(|e| e.library == 7), Some(exit(1, 7)));
        assert_eq!(e.pop(|e| e.library == 7), None);
        assert_eq!((e.pop(|_| true), e.is_empty()), (Some(exit(2, 8)), true));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut e = Exits::default();
        let one = Exit {
            f: 1,
            argument: 0,
            library: 0,
        };
        assert!((0..MAX_EXITS).all(|_| e.add(one)));
        assert!(!e.add(one));
    }

    #[test]
    fn objects_of_a_thread_come_last_first_and_go_with_it() {
        let exit = |f| Exit {
            f,
            argument: 0,
            library: 7,
        };
        let mut o = ThreadObjects::default();
        for (thread, f) in [(1, 10), (2, 20), (1, 11), (2, 21)] {
            assert!(o.add(thread, exit(f)));
        }
        assert_eq!(o.pop_of(1), Some(exit(11)));
        assert_eq!(o.pop(|_, exit| exit.f < 21), Some(exit(20)));
        o.forget(2);
        assert!(!o.has(2) && o.has(1) && !o.is_empty());
        assert_eq!((o.pop_of(1), o.pop_of(1)), (Some(exit(10)), None));
        assert!((0..MAX_OBJECTS).all(|_| o.add(3, exit(1))));
        assert!(!o.add(3, exit(1)));
    }
}
