//! Functions that run at exit (`atexit`, `__cxa_atexit`).

/// Functions that may be registered at once.
const MAX_EXITS: usize = 4096;

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
}
