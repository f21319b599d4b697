//! Packet queues: `dspqueue_*`.

use std::ffi::{c_int, c_void};
use std::time::Duration;

use emu_local_ap::queue::{Buffer, PacketHeader};
use emu_local_ap::{ClientError, PacketError, PacketQueue};
use rpmsg::Aee;

use crate::machine::{code, machine, process_at};

/// `AEE_EWOULDBLOCK`
const WOULD_BLOCK: Aee = Aee(0x8000_0400 + 516);
/// `DSPQUEUE_TIMEOUT_NONE`
const FOR_EVER: u32 = u32::MAX;

/// `struct dspqueue_buffer`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueueBuffer {
    fd: u32,
    size: u32,
    offset: u32,
    flags: u32,
    address: u64,
}

/// What a program holds of a queue.
pub struct Queue {
    packets: PacketQueue,
    /// The effective domain of the process at its other end.
    effective: u32,
}

fn failure(error: PacketError) -> Aee {
    match error {
        PacketError::Client(ClientError::Dsp { code, .. } | ClientError::Open { code, .. })
        | PacketError::Gone(code) => code,
        PacketError::TooLong => Aee::BAD_PARM,
        PacketError::NoQueue => Aee::NO_MEMORY,
        PacketError::Held => Aee::BAD_STATE,
        other => {
            tracing::warn!("{other}");
            Aee::BAD_ITEM
        }
    }
}

fn limit(timeout_us: u32) -> Duration {
    match timeout_us {
        FOR_EVER => Duration::MAX,
        limit => Duration::from_micros(limit.into()),
    }
}

/// Makes a queue without callbacks.
///
/// # Safety
/// Room for the queue's pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspqueue_create(
    domain: c_int,
    flags: u32,
    requests: u32,
    responses: u32,
    packet_callback: *const c_void,
    error_callback: *const c_void,
    _context: *mut c_void,
    queue: *mut *mut Queue,
) -> c_int {
    let create = || {
        if queue.is_null() {
            return Err(Aee::BAD_PARM);
        }
        if flags != 0 || !packet_callback.is_null() || !error_callback.is_null() {
            tracing::warn!("dspqueue_create: queues with flags {flags:#x} or with callbacks are not there");
            return Err(Aee::UNSUPPORTED);
        }
        let process = process_at(domain)?;
        let packets = process.queues()?.create(requests, responses);
        let made = Queue {
            packets: packets.map_err(failure)?,
            effective: process.place.number(),
        };
        // SAFETY: the caller's promise
        unsafe { *queue = Box::into_raw(Box::new(made)) };
        Ok(())
    };
    code(create())
}

/// A queue of `dspqueue_create`.
///
/// # Safety
/// It is one, and not closed meanwhile.
unsafe fn queue_at<'a>(queue: *const Queue) -> Result<&'a Queue, Aee> {
    // SAFETY: the caller's promise
    unsafe { queue.as_ref() }.ok_or(Aee::BAD_PARM)
}

/// Closes a queue, which no skeleton may hold any more.
///
/// # Safety
/// It is a queue of `dspqueue_create`, and nobody uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspqueue_close(queue: *mut Queue) -> c_int {
    if queue.is_null() {
        return code(Err(Aee::BAD_PARM));
    }
    // SAFETY: the caller's promise
    let queue = unsafe { Box::from_raw(queue) };
    code(queue.packets.close().map_err(failure))
}

/// What a skeleton imports the queue by.
///
/// # Safety
/// A queue, and room for its id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspqueue_export(queue: *const Queue, id: *mut u64) -> c_int {
    // SAFETY: the caller's promise
    let found = unsafe { queue_at(queue) };
    let found = found.and_then(|queue| {
        if id.is_null() {
            return Err(Aee::BAD_PARM);
        }
        // SAFETY: the caller's promise
        unsafe { *id = queue.packets.id() };
        Ok(())
    });
    code(found)
}

/// The buffers as they go into a packet to a process.
fn named(buffers: &[QueueBuffer], effective: u32) -> Result<Vec<Buffer>, Aee> {
    let all = machine()?.buffers();
    let each = buffers.iter().map(|buffer| {
        let fd = buffer.fd.cast_signed();
        let (_, shared) = all
            .named(fd)
            .filter(|(_, shared)| shared.is_mapped(effective))
            .ok_or(Aee::NO_SUCH_MAP)?;
        let len = shared.len;
        let size = match buffer.size {
            0 => u32::try_from(len.saturating_sub(buffer.offset.into())).unwrap_or(u32::MAX),
            size => size,
        };
        if u64::from(buffer.offset) + u64::from(size) > len {
            return Err(Aee::BAD_PARM);
        }
        let (offset, flags, address) = (buffer.offset, buffer.flags, 0);
        Ok(Buffer {
            fd,
            size,
            offset,
            flags,
            address,
        })
    });
    each.collect()
}

/// Sends a packet; waits for room as long as `timeout_us` says.
///
/// # Safety
/// A queue, `count` buffers and a message of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspqueue_write(
    queue: *const Queue,
    flags: u32,
    count: u32,
    buffers: *const QueueBuffer,
    length: u32,
    message: *const u8,
    timeout_us: u32,
) -> c_int {
    let write = || {
        // SAFETY: the caller's promise
        let queue = unsafe { queue_at(queue) }?;
        if (count != 0 && buffers.is_null()) || (length != 0 && message.is_null()) {
            return Err(Aee::BAD_PARM);
        }
        let buffers = match count {
            0 => &[],
            // SAFETY: the caller's promise
            count => unsafe { std::slice::from_raw_parts(buffers, count as usize) },
        };
        let message = match length {
            0 => &[],
            // SAFETY: the caller's promise
            length => unsafe { std::slice::from_raw_parts(message, length as usize) },
        };
        let flags = u16::try_from(flags).map_err(|_| Aee::BAD_PARM)?;
        let buffers = named(buffers, queue.effective)?;
        let written = queue.packets.write(flags, &buffers, message, limit(timeout_us));
        match (written.map_err(failure)?, timeout_us) {
            (true, _) => Ok(()),
            (false, 0) => Err(WOULD_BLOCK),
            (false, _) => Err(Aee::EXPIRED),
        }
    };
    code(write())
}

/// [`dspqueue_write`] that does not wait.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspqueue_write_noblock(
    queue: *const Queue,
    flags: u32,
    count: u32,
    buffers: *const QueueBuffer,
    length: u32,
    message: *const u8,
) -> c_int {
    // SAFETY: the caller's promise
    unsafe { dspqueue_write(queue, flags, count, buffers, length, message, 0) }
}

/// Stores an answer that the caller may not want.
///
/// # Safety
/// `at` is null or has room.
unsafe fn store<T>(at: *mut T, value: T) {
    if !at.is_null() {
        // SAFETY: the caller's promise
        unsafe { at.write(value) };
    }
}

/// Takes a packet; waits for one as long as `timeout_us` says. One that does not fit stays in the queue.
///
/// # Safety
/// A queue, room for `max_count` buffers and for `max_length` bytes; the other pointers are null or have room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspqueue_read(
    queue: *const Queue,
    flags: *mut u32,
    max_count: u32,
    count: *mut u32,
    buffers: *mut QueueBuffer,
    max_length: u32,
    length: *mut u32,
    message: *mut u8,
    timeout_us: u32,
) -> c_int {
    let read = || {
        // SAFETY: the caller's promise
        let queue = unsafe { queue_at(queue) }?;
        let fits = |header: PacketHeader| {
            header.buffers() <= max_count
                && header.message() <= max_length
                && (header.buffers() == 0 || !buffers.is_null())
                && (header.message() == 0 || !message.is_null())
        };
        let taken = queue.packets.read_if(limit(timeout_us), fits).map_err(failure)?;
        let taken = taken.ok_or(match timeout_us {
            0 => WOULD_BLOCK,
            _ => Aee::EXPIRED,
        })?;
        let packet = taken.map_err(|_| Aee::BAD_PARM)?;
        let all = machine()?.buffers();
        for (index, buffer) in packet.buffers.iter().enumerate() {
            let (at, _) = all.named(buffer.fd).ok_or(Aee::NO_SUCH_MAP)?;
            let (fd, size, offset, flags) = (
                buffer.fd.cast_unsigned(),
                buffer.size,
                buffer.offset,
                buffer.flags,
            );
            let address = at as u64 + u64::from(offset);
            let filled = QueueBuffer {
                fd,
                size,
                offset,
                flags,
                address,
            };
            // SAFETY: the caller's promise: there is room for so many
            unsafe { buffers.add(index).write(filled) };
        }
        // SAFETY: the caller's promise: there is room for so many
        unsafe {
            if !packet.message.is_empty() {
                std::ptr::copy_nonoverlapping(packet.message.as_ptr(), message, packet.message.len());
            }
            store(flags, u32::from(packet.flags));
            store(count, packet.buffers.len() as u32);
            store(length, packet.message.len() as u32);
        }
        Ok(())
    };
    code(read())
}

/// [`dspqueue_read`] that does not wait.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dspqueue_read_noblock(
    queue: *const Queue,
    flags: *mut u32,
    max_count: u32,
    count: *mut u32,
    buffers: *mut QueueBuffer,
    max_length: u32,
    length: *mut u32,
    message: *mut u8,
) -> c_int {
    // SAFETY: the caller's promise
    unsafe {
        dspqueue_read(
            queue, flags, max_count, count, buffers, max_length, length, message, 0,
        )
    }
}
