//! The numbers of module handles.

use std::sync::{Mutex, PoisonError};

use rpmsg::iface::handle::LAST_RESERVED;

/// The numbers that module handles get: unique on the whole DSP, so that a handle of one process means nothing to another.
#[derive(Debug)]
pub struct HandleNumbers(Mutex<u32>);

impl Default for HandleNumbers {
    fn default() -> Self {
        Self(Mutex::new(Self::FIRST))
    }
}

impl HandleNumbers {
    /// Where the numbers start, and their distance: addresses of module objects in the firmware's heap look like this.
    const FIRST: u32 = 0x35f0_8490;
    const STEP: u32 = 0x2820;

    /// The next one. They repeat after a hundred million; whoever gives one out skips those that it has in use.
    pub fn next(&self) -> u32 {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = *next;
        *next = next.wrapping_add(Self::STEP);
        if *next <= LAST_RESERVED || *next == u32::MAX {
            *next = next.wrapping_add(Self::STEP);
        }
        handle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_numbers_are_never_reserved_ones() {
        let numbers = HandleNumbers::default();
        assert_eq!((numbers.next(), numbers.next()), (0x35f0_8490, 0x35f0_acb0));
        for _ in 0..1_000_000 {
            let handle = numbers.next();
            assert!(handle > LAST_RESERVED && handle != u32::MAX);
        }
    }
}
