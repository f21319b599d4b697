//! Puts a call's arguments where the skeleton finds them: buffers mapped in place, and the `remote_arg` array.
//!
//! On the DSP a `remote_arg` has 8 bytes: `{address, length}` for buffers, `{fd, offset}` for DMA handles; in order in
//! buffers, out buffers, in handles, out handles. Buffers keep the low 12 bits of their device address, and arguments
//! that share pages share them here too: the pages of all buffers are merged into ranges before they are mapped.
//! Everything is mapped readable and writable, as the hardware does it; in and out arguments may lie in one page.

use std::sync::Arc;

use crate::invocation::{Arg, Invocation};
use crate::process::shared::Shared;
use emu_core::mem::PAGE;
use emu_core::memory::Memory as _;
use rpmsg::Aee;

/// Bytes above a worker's stack that hold the array: 540 arguments at most, or an open's three with the URI.
pub const ARGUMENTS: u32 = 8192;

/// What a scalars word counts: in buffers, out buffers, in handles, out handles.
fn counts(sc: u32) -> [usize; 4] {
    [sc >> 16 & 0xff, sc >> 8 & 0xff, sc >> 4 & 0xf, sc & 0xf].map(|n| n as usize)
}

/// Keeps a call's mappings until it is dropped.
pub struct Mapped {
    shared: Arc<Shared>,
    buffers: Vec<u32>,
    /// File descriptors of DMA handles, and what gives them back.
    handles: Vec<(i32, u64)>,
}

impl Drop for Mapped {
    fn drop(&mut self) {
        for &va in &self.buffers {
            self.shared.memory.unmap_buffer(va);
        }
        for &(fd, id) in &self.handles {
            self.shared.memory.end_handle(fd, id);
        }
    }
}

/// Merges the page ranges of all buffers; overlapping and adjacent ones become one. `None`: an address wraps.
fn page_ranges(args: &[Arg]) -> Option<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    for arg in args {
        if let Arg::Buffer { iova, len } = *arg {
            let end = iova.checked_add(u64::from(len))?.checked_next_multiple_of(PAGE)?;
            ranges.push((iova / PAGE * PAGE, end));
        }
    }
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    Some(merged)
}

/// Checks a call's arguments, maps them, and writes the array at `at`. `Err`: the AEE code to answer.
pub fn place(shared: &Arc<Shared>, invocation: &Invocation, at: u32) -> Result<Mapped, Aee> {
    let [in_buffers, out_buffers, in_handles, out_handles] = counts(invocation.sc);
    let buffers = in_buffers + out_buffers;
    let args = &invocation.args;
    if args.len() != buffers + in_handles + out_handles {
        return Err(Aee::BAD_PARM);
    }
    let fits = |(i, arg): (usize, &Arg)| match *arg {
        Arg::Buffer { len, .. } => i < buffers && len > 0 && len < 1 << 31,
        Arg::Empty => true,
        Arg::Handle { .. } => i >= buffers,
    };
    if !args.iter().enumerate().all(fits) {
        return Err(Aee::BAD_PARM);
    }
    let ranges = page_ranges(args).ok_or(Aee::BAD_PARM)?;
    let mut mapped = Mapped {
        shared: shared.clone(),
        buffers: Vec::new(),
        handles: Vec::new(),
    };
    let mut placed: Vec<(u64, u64, u32)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        let va = shared
            .memory
            .map_buffer(start, end - start)
            .map_err(|e| e.aee())?;
        mapped.buffers.push(va);
        placed.push((start, end, va));
    }
    let mut array = Vec::with_capacity(args.len() * 8);
    for arg in args {
        let (first, second) = match *arg {
            Arg::Empty => (0, 0),
            Arg::Buffer { iova, len } => {
                // The range that holds it is the last one that starts at or below it.
                let i = placed.partition_point(|&(start, ..)| start <= iova);
                let &(start, _, va) = i
                    .checked_sub(1)
                    .and_then(|i| placed.get(i))
                    .ok_or(Aee::BAD_PARM)?;
                (va + (iova - start) as u32, len)
            }
            Arg::Handle {
                fd,
                offset,
                len,
                iova,
            } => {
                if offset > len && len > 0 {
                    return Err(Aee::BAD_PARM);
                }
                if len > 0 {
                    let id = shared.memory.begin_handle(fd, iova, len).map_err(|e| e.aee())?;
                    mapped.handles.push((fd, id));
                }
                (fd as u32, offset)
            }
        };
        array.extend_from_slice(&first.to_le_bytes());
        array.extend_from_slice(&second.to_le_bytes());
    }
    if !array.is_empty() {
        shared.memory.space.store(at, &array).map_err(|_| Aee::FAILED)?;
    }
    Ok(mapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_count_as_the_protocol_says() {
        assert_eq!(counts(0x0202_0100), [2, 1, 0, 0]);
        assert_eq!(counts(0x0500_0010), [0, 0, 1, 0]);
    }

    #[test]
    fn page_ranges_merge_overlapping_and_adjacent_buffers_only() {
        let b = |iova, len| Arg::Buffer { iova, len };
        let args = [
            b(0x5ff0, 0x20),
            b(0x1080, 8),
            b(0x1100, 8),
            b(0x2000, 1),
            Arg::Empty,
            b(0x9000, 0x1000),
        ];
        assert_eq!(
            page_ranges(&args),
            Some(vec![(0x1000, 0x3000), (0x5000, 0x7000), (0x9000, 0xa000)])
        );
        assert_eq!(page_ranges(&[b(u64::MAX - 4, 100)]), None);
    }
}
