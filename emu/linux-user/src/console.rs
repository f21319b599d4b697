//! Where a program's first three descriptors lead.

use std::io::{self, Write};

/// Where descriptors 0, 1 and 2 lead.
pub trait Console {
    /// Reads for descriptor 0; nothing at its end.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize>;
    /// Writes for descriptor 1, or with `error` for descriptor 2.
    fn write(&mut self, error: bool, bytes: &[u8]) -> io::Result<usize>;
    /// What the host knows of this descriptor, if it is one of its own.
    fn metadata(&self, fd: u32) -> Option<std::fs::Metadata> {
        let _ = fd;
        None
    }
    /// Whether this descriptor is a terminal.
    fn is_terminal(&self, fd: u32) -> bool {
        let _ = fd;
        false
    }
}

/// No input; both outputs into one writer.
pub(super) struct Collect<'a>(pub &'a mut dyn Write);

impl Console for Collect<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
    fn write(&mut self, _: bool, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        Ok(bytes.len())
    }
}
