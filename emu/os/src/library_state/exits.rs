//! Functions that run at exit (`atexit`, `__cxa_atexit`).

use std::collections::VecDeque;

/// Functions that may be registered.
const MAX_EXITS: usize = 4096;

/// Function, argument and library of each, in order.
#[derive(Debug, Default)]
pub struct Exits(Vec<(u32, u32, u32)>);

impl Exits {
    /// Registers a function; `false`: there are too many.
    pub fn add(&mut self, f: u32, argument: u32, library: u32) -> bool {
        let fits = self.0.len() < MAX_EXITS;
        if fits {
            self.0.push((f, argument, library));
        }
        fits
    }

    /// Takes the functions of a library (0: all) and their arguments, last registered first.
    pub fn take(&mut self, library: u32) -> VecDeque<(u32, u32)> {
        let mine = self.0.extract_if(.., |e| library == 0 || e.2 == library);
        let mut out: VecDeque<(u32, u32)> = mine.map(|(f, argument, _)| (f, argument)).collect();
        out.make_contiguous().reverse();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_functions_of_one_library_run_last_first() {
        let mut e = Exits::default();
        for (f, argument, library) in [(1, 10, 7), (2, 20, 8), (3, 30, 7)] {
            assert!(e.add(f, argument, library));
        }
        assert_eq!(e.take(7), [(3, 30), (1, 10)]);
        assert_eq!(e.take(0), [(2, 20)]);
    }
}
