//! Memory as what is behind a stream (`fmemopen`, `open_memstream`, `open_wmemstream`): read, written, positioned and closed without asking anybody.
//!
//! As in POSIX's `<stdio.h>`: memory of a given size takes no more than fits (ENOSPC), and a NUL stands behind what was written
//! if there is room; memory that grows always has one, and its address and its length, or the position if that is smaller, are told
//! when the stream is flushed or closed.

use super::errno::{EBADF, EINVAL, ENOMEM, ENOSPC};
use super::heap::allocate;
use crate::kernel::call::{Call, Done, Stop};
use crate::library_state::files::{Memory, MemoryKind};

/// What goes on when something has been done; gets an error number if it failed.
type Then<T> = Box<dyn FnOnce(&mut Call<'_>, Result<T, u32>) -> Done + Send>;

/// Bytes that are copied at once.
const PIECE: u32 = 64 << 10;
/// Bytes that a growing block has at first.
pub(super) const FIRST_ROOM: u32 = 128;

/// The next bytes, at most `want`.
pub(super) fn next(c: &Call<'_>, memory: &Memory, want: usize) -> Result<Vec<u8>, Stop> {
    let left = memory.len.saturating_sub(memory.position);
    let count = left.min(u32::try_from(want).unwrap_or(u32::MAX));
    c.load(memory.at.wrapping_add(memory.position), count)
}

/// Those were read.
pub(super) fn came(c: &mut Call<'_>, fd: i32, bytes: &[u8]) -> Result<(), u32> {
    let file = c.os.lib.files.get(fd).ok_or(EBADF)?;
    file.unread.extend(bytes);
    file.end |= bytes.is_empty();
    if let Some(memory) = file.memory() {
        memory.position = memory.position.saturating_add(bytes.len() as u32);
    }
    Ok(())
}

/// Copies the next bytes to the program's memory; how many came.
pub(super) fn read_range(
    c: &mut Call<'_>,
    fd: i32,
    memory: &Memory,
    (to, len): (u32, u32),
) -> Result<u32, Stop> {
    let count = memory.len.saturating_sub(memory.position).min(len);
    copy(c, memory.at.wrapping_add(memory.position), to, count)?;
    if let Some(file) = c.os.lib.files.get(fd) {
        file.end |= count < len;
        if let Some(memory) = file.memory() {
            memory.position = memory.position.saturating_add(count);
        }
    }
    Ok(count)
}

/// Moves the position; `None` is an offset that no number holds.
pub(super) fn seek(memory: &mut Memory, offset: Option<i64>, whence: u32) -> Result<(), u32> {
    let unit = memory.unit();
    let from = match whence {
        0 => 0,
        1 => memory.position / unit,
        _ => memory.len / unit,
    };
    let most = match memory.kind {
        MemoryKind::Growing { .. } => i32::MAX as u32 / unit,
        MemoryKind::Given | MemoryKind::Own => memory.room,
    };
    let position = offset.and_then(|offset| offset.checked_add(from.into()));
    let position = position.and_then(|position| u32::try_from(position).ok());
    let position = position.filter(|&position| position <= most).ok_or(EINVAL)?;
    memory.position = position * unit;
    Ok(())
}

/// What goes with the stream goes.
pub(super) fn close(c: &mut Call<'_>, memory: Memory) {
    if memory.kind == MemoryKind::Own {
        // Whoever freed it has a corrupt heap, which the next user of the heap is told.
        let _ = c.os.heap.free(memory.at);
    }
}

fn memory_of<'a>(c: &'a mut Call<'_>, fd: i32) -> Option<&'a mut Memory> {
    c.os.lib.files.get(fd)?.memory()
}

/// Writes bytes of ours; without any, only tells where the memory is and how long.
pub(super) fn write(c: &mut Call<'_>, fd: i32, data: Vec<u8>, then: Then<()>) -> Done {
    let wanted = data.len() as u32;
    let written = move |c: &mut Call<'_>, room: Result<(u32, u32), u32>| {
        let (at, room) = match room {
            Ok(place) => place,
            Err(error) => return failed(c, fd, error, then),
        };
        c.store(at, &data[..room.min(wanted) as usize])?;
        moved(c, fd, room.min(wanted))?;
        match room < wanted {
            true => failed(c, fd, ENOSPC, then),
            false => then(c, Ok(())),
        }
    };
    make_room(c, fd, wanted, Box::new(written))
}

/// Writes bytes of the program's; how many went.
pub(super) fn write_range(c: &mut Call<'_>, fd: i32, (from, len): (u32, u32), then: Then<u32>) -> Done {
    let written = move |c: &mut Call<'_>, room: Result<(u32, u32), u32>| {
        let (at, room) = match room {
            Ok(place) => place,
            Err(error) => return failed(c, fd, error, then),
        };
        let count = room.min(len);
        copy(c, from, at, count)?;
        moved(c, fd, count)?;
        match count {
            0 => failed(c, fd, ENOSPC, then),
            count => then(c, Ok(count)),
        }
    };
    make_room(c, fd, len, Box::new(written))
}

fn failed<T>(c: &mut Call<'_>, fd: i32, error: u32, then: Then<T>) -> Done {
    if let Some(file) = c.os.lib.files.get(fd) {
        file.error = true;
    }
    then(c, Err(error))
}

fn copy(c: &Call<'_>, from: u32, to: u32, len: u32) -> Result<(), Stop> {
    for offset in (0..len).step_by(PIECE as usize) {
        let bytes = c.load(from.wrapping_add(offset), (len - offset).min(PIECE))?;
        c.store(to.wrapping_add(offset), &bytes)?;
    }
    Ok(())
}

/// Zeros.
pub(super) fn clear(c: &Call<'_>, at: u32, len: u32) -> Result<(), Stop> {
    let zeros = vec![0; len.min(PIECE) as usize];
    for offset in (0..len).step_by(PIECE as usize) {
        c.store(
            at.wrapping_add(offset),
            &zeros[..(len - offset).min(PIECE) as usize],
        )?;
    }
    Ok(())
}

/// Makes room for so many bytes where the next ones go: gives where that is, and how many fit.
fn make_room(c: &mut Call<'_>, fd: i32, wanted: u32, then: Then<(u32, u32)>) -> Done {
    let Some(memory) = memory_of(c, fd) else {
        return then(c, Err(EBADF));
    };
    if memory.append && wanted > 0 {
        memory.position = memory.len;
    }
    let memory = *memory;
    let fits = memory.room.saturating_sub(memory.position);
    let unit = memory.unit();
    let place = memory.at.wrapping_add(memory.position);
    if !matches!(memory.kind, MemoryKind::Growing { .. }) {
        return then(c, Ok((place, fits)));
    }
    // With the NUL.
    if fits.saturating_sub(unit) >= wanted || wanted == 0 {
        if let Some(gap) = memory.position.checked_sub(memory.len).filter(|_| wanted > 0) {
            clear(c, memory.at.wrapping_add(memory.len), gap)?;
        }
        return then(c, Ok((place, wanted)));
    }
    let end = memory.position.checked_add(wanted).filter(|&end| end < 1 << 31);
    let Some(end) = end else {
        return then(c, Err(ENOMEM));
    };
    let room = (end + unit)
        .max(memory.room.saturating_mul(2))
        .next_multiple_of(FIRST_ROOM);
    let grown = move |c: &mut Call<'_>, at: u32| {
        if at == 0 {
            return then(c, Err(ENOMEM));
        }
        // Another thread may have written meanwhile.
        let now = memory_of(c, fd).map(|memory| *memory);
        let Some(old) = now.filter(|now| now.room < room) else {
            let _ = c.os.heap.free(at);
            return make_room(c, fd, wanted, then);
        };
        copy(c, old.at, at, old.len)?;
        c.os.heap.free(old.at).map_err(|_| {
            Stop::because(format!(
                "a stream into memory: {:#010x} is not a live heap block",
                old.at
            ))
        })?;
        if let Some(memory) = memory_of(c, fd) {
            (memory.at, memory.room) = (at, room);
        }
        make_room(c, fd, wanted, then)
    };
    allocate(c, room, 16, Box::new(grown))
}

/// So many bytes were written: what stands behind them, and what is told of them.
fn moved(c: &mut Call<'_>, fd: i32, count: u32) -> Result<(), Stop> {
    let Some(file) = c.os.lib.files.get(fd) else {
        return Ok(());
    };
    let readable = file.read;
    let Some(memory) = file.memory() else {
        return Ok(());
    };
    memory.position = memory.position.saturating_add(count);
    let longer = count > 0 && memory.position > memory.len;
    if longer {
        memory.len = memory.position;
    }
    let memory = *memory;
    let end = memory.at.wrapping_add(memory.len);
    match memory.kind {
        MemoryKind::Growing {
            pointer,
            length,
            unit,
        } => {
            clear(c, end, unit)?;
            c.store32(pointer, memory.at)?;
            c.store32(length, memory.len.min(memory.position) / unit)
        }
        MemoryKind::Given | MemoryKind::Own if !longer => Ok(()),
        _ if memory.len < memory.room => c.store8(end, 0),
        // Full: what cannot be read again ends with a NUL all the same.
        _ if !readable => c.store8(end.wrapping_sub(1), 0),
        _ => Ok(()),
    }
}
