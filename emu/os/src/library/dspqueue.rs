//! Packet queues: packets between a program on the AP and a skeleton, in memory that both see.
//!
//! Source: `dspqueue.h` of qualcomm/fastrpc says what each function does and returns, `src/dspqueue/dspqueue_cpu.c` (the AP's
//! end of the same queues) what it leaves open. A function that waits parks the thread with its arguments in their registers
//! and is carried out again when there is news.
//!
//! Memory is coherent here, so the flags of buffers that are about caches have nothing to do.

use std::time::Duration;

use super::dspqueue_import::{errors, finish_closing, packets};
use crate::calls::queues::fail;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::library_state::queues::{Wanted, code_of};
use crate::sched::Wait;
use rpmsg::Aee;
use rpmsg::dspqueue::{Buffer, MAX_BUFFERS, MAX_MESSAGE, Next, QueueError, buffer_flag, packet_flag};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("dspqueue_import", super::dspqueue_import::import, "`int dspqueue_import(uint64_t id, dspqueue_callback_t packets, dspqueue_callback_t errors, void *context, dspqueue_t *)`: takes a queue that the AP made"),
    import("dspqueue_close", super::dspqueue_import::close, "`int dspqueue_close(dspqueue_t)`: gives it back, after callbacks that are under way"),
    import("dspqueue_read", read, "`int dspqueue_read(dspqueue_t, uint32_t *flags, uint32_t max_buffers, uint32_t *num_buffers, struct dspqueue_buffer *, uint32_t max_message_length, uint32_t *message_length, uint8_t *message, uint32_t timeout_us)`: takes the next packet, waits for one"),
    import("dspqueue_read_noblock", read_noblock, "`int dspqueue_read_noblock(dspqueue_t, uint32_t *flags, uint32_t max_buffers, uint32_t *num_buffers, struct dspqueue_buffer *, uint32_t max_message_length, uint32_t *message_length, uint8_t *message)`: takes the next packet, if there is one"),
    import("dspqueue_peek", peek, "`int dspqueue_peek(dspqueue_t, uint32_t *flags, uint32_t *num_buffers, uint32_t *message_length, uint32_t timeout_us)`: what the next packet has, waits for one"),
    import("dspqueue_peek_noblock", peek_noblock, "`int dspqueue_peek_noblock(dspqueue_t, uint32_t *flags, uint32_t *num_buffers, uint32_t *message_length)`: what the next packet has, if there is one"),
    import("dspqueue_write", write, "`int dspqueue_write(dspqueue_t, uint32_t flags, uint32_t num_buffers, struct dspqueue_buffer *, uint32_t message_length, const uint8_t *message, uint32_t timeout_us)`: sends a packet, waits for room"),
    import("dspqueue_write_noblock", write_noblock, "`int dspqueue_write_noblock(dspqueue_t, uint32_t flags, uint32_t num_buffers, struct dspqueue_buffer *, uint32_t message_length, const uint8_t *message)`: sends a packet, if there is room"),
    import("dspqueue_write_early_wakeup_noblock", write_early_wakeup, "`int dspqueue_write_early_wakeup_noblock(dspqueue_t, uint32_t wakeup_delay, uint32_t packet_flags)`: says that a packet will come soon"),
    import("dspqueue_get_stat", get_stat, "`int dspqueue_get_stat(dspqueue_t, enum dspqueue_stat, uint64_t *value)`: packets and bytes that are there, time spent after wake-up packets"),
];

/// `DSPQUEUE_TIMEOUT_NONE`.
const FOR_EVER: u32 = u32::MAX;
/// How long a reader waits for the packet that a wake-up packet announced, if that does not say it, and at most
/// (`DEFAULT_EARLY_WAKEUP_WAIT` and `MAX_EARLY_WAKEUP_WAIT` of dspqueue_cpu.c), in microseconds.
const WAKEUP_WAIT: u32 = 1000;
const MOST_WAKEUP_WAIT: u32 = 2500;

/// What an attempt came to: a code for the program, or that it has to wait.
type Attempt = Result<Option<Aee>, Stop>;

/// Goes on with what a waiting thread waits for.
pub fn resume(c: &mut Call<'_>) -> Done {
    let Some(waiter) = c.os.lib.queues.waiter(c.thread.id) else {
        return Ok(Outcome::Park(Wait::Queue(0), None));
    };
    let (id, handle) = (waiter.queue, waiter.handle);
    match waiter.wanted {
        Wanted::Read => read(c),
        Wanted::Announced => read_noblock(c),
        Wanted::Peek => peek(c),
        Wanted::Write => write(c),
        Wanted::Packets => packets(c, id, handle),
        Wanted::Error => errors(c, id, handle),
        Wanted::Callbacks => finish_closing(c, id, handle),
    }
}

/// The queue that the first argument means.
pub fn open(c: &mut Call<'_>) -> Result<Result<u64, Aee>, Stop> {
    let handle = c.arg(0)?;
    Ok(c.os.lib.queues.by_handle(handle).ok_or(Aee::BAD_PARM))
}

/// The queue that the first argument means, if it can be used.
fn usable(c: &mut Call<'_>) -> Result<Result<u64, Aee>, Stop> {
    let id = match open(c)? {
        Ok(id) => id,
        Err(code) => return Ok(Err(code)),
    };
    if let Err((code, why)) = c.os.lib.queues.check(&c.os.space, &c.os.shared.memory, id) {
        fail(c.os, id, code, why);
        return Ok(Err(code));
    }
    Ok(Ok(id))
}

/// Breaks the queue because of what was found in it.
fn corrupt(c: &mut Call<'_>, id: u64, error: QueueError<emu_core::memory::FaultWord>) -> Aee {
    let (code, why) = (code_of(error), error.to_string());
    fail(c.os, id, code, &why);
    code
}

/// Carries a function out, waiting up to `timeout` microseconds.
fn wait_for(c: &mut Call<'_>, wanted: Wanted, timeout: u32, attempt: fn(&mut Call<'_>) -> Attempt) -> Done {
    let (me, handle) = (c.thread.id, c.arg(0)?);
    loop {
        if let Some(code) = attempt(c)? {
            c.os.lib.queues.stop_waiting(&c.os.space, me);
            return c.ret_code(code);
        }
        if let Some(waiter) = c.os.lib.queues.waiter(me) {
            let deadline = waiter.until.map(|until| (until, Aee::EXPIRED.0));
            return Ok(Outcome::Park(Wait::Queue(handle), deadline));
        }
        if timeout == 0 {
            return c.ret_code(Aee::EXPIRED);
        }
        let Some(id) = c.os.lib.queues.by_handle(handle) else {
            return c.ret_code(Aee::BAD_PARM);
        };
        let until = match timeout {
            FOR_EVER => None,
            us => Some(c.os.now().saturating_add(Duration::from_micros(us.into()))),
        };
        c.os.lib.queues.wait(&c.os.space, me, (id, handle), wanted, until);
        // The AP does not signal what it did before the queue said that somebody waits, so it is tried once more.
    }
}

// ---- reading --------------------------------------------------------------------------------------------------------

fn read(c: &mut Call<'_>) -> Done {
    let timeout = c.arg(8)?;
    wait_for(c, Wanted::Read, timeout, try_read)
}

/// Waits only after a wake-up packet, for as long as that says.
fn read_noblock(c: &mut Call<'_>) -> Done {
    let (me, handle) = (c.thread.id, c.arg(0)?);
    let code = try_read(c)?;
    let announced = match code {
        None => c.os.lib.queues.by_handle(handle).and_then(|id| {
            let until = c.os.lib.queues.get(id)?.announced_until()?;
            (until > c.os.now()).then_some((id, until))
        }),
        Some(_) => None,
    };
    if let Some((id, until)) = announced {
        if c.os.lib.queues.waiter(me).is_none() {
            let queue = (id, handle);
            c.os.lib
                .queues
                .wait(&c.os.space, me, queue, Wanted::Announced, Some(until));
            // As in `wait_for`.
            return read_noblock(c);
        }
        let deadline = (until, Aee::WOULD_BLOCK.0);
        return Ok(Outcome::Park(Wait::Queue(handle), Some(deadline)));
    }
    c.os.lib.queues.stop_waiting(&c.os.space, me);
    if code.is_none()
        && let Some(id) = c.os.lib.queues.by_handle(handle)
    {
        let now = c.os.now();
        if let Some(queue) = c.os.lib.queues.get(id) {
            queue.end_announcement(now);
        }
    }
    c.ret_code(code.unwrap_or(Aee::WOULD_BLOCK))
}

/// Reads a packet into the places that the arguments name.
fn try_read(c: &mut Call<'_>) -> Attempt {
    let id = match usable(c)? {
        Ok(id) => id,
        Err(code) => return Ok(Some(code)),
    };
    let next = match next_packet(c, id) {
        Ok(Some(next)) => next,
        Ok(None) => return Ok(None),
        Err(code) => return Ok(Some(code)),
    };
    let header = next.header;
    let (flags_at, room, count_at, list_at) = (c.arg(1)?, c.arg(2)?, c.arg(3)?, c.arg(4)?);
    let (message_room, len_at, message_at) = (c.arg(5)?, c.arg(6)?, c.arg(7)?);
    if list_at != 0 && header.buffers() > room || message_at != 0 && header.message() > message_room {
        return Ok(Some(Aee::BAD_PARM));
    }
    let Some(queue) = c.os.lib.queues.get(id) else {
        return Ok(Some(Aee::BAD_PARM));
    };
    let place = queue.place(&c.os.space);
    let mut packet = match queue.reader.take(next, &place) {
        Ok(packet) => packet,
        Err(error) => return Ok(Some(corrupt(c, id, error))),
    };
    queue.end_announcement(c.os.shared.config.clock.now());
    if let Err(fault) = c.os.lib.queues.after_read(&c.os.space, id) {
        return Ok(Some(corrupt(c, id, QueueError::Fault(fault))));
    }
    if flags_at != 0 {
        c.store32(flags_at, packet.flags.into())?;
    }
    if len_at != 0 {
        c.store32(len_at, packet.message.len() as u32)?;
    }
    if message_at != 0 {
        c.store(message_at, &packet.message)?;
    }
    if list_at != 0 {
        // The packet is out of the queue even if a buffer of it is not there.
        if let Err(code) = refer(c, &mut packet.buffers, Aee::BAD_ITEM) {
            return Ok(Some(code));
        }
        let list: Vec<u8> = packet.buffers.iter().flat_map(Buffer::encode).collect();
        c.store(list_at, &list)?;
    }
    if count_at != 0 {
        c.store32(count_at, packet.buffers.len() as u32)?;
    }
    Ok(Some(Aee::SUCCESS))
}

/// The next packet that is to be read. Wake-up packets are taken out on the way, as many as the ring can hold: an AP that sends
/// them as fast as they are taken keeps nobody.
fn next_packet(c: &mut Call<'_>, id: u64) -> Result<Option<Next>, Aee> {
    let most =
        c.os.lib
            .queues
            .get(id)
            .ok_or(Aee::BAD_PARM)?
            .reader
            .most_packets();
    for _ in 0..most {
        let Some(next) = look(c, id)? else { return Ok(None) };
        if !next.header.is_wakeup() {
            return Ok(Some(next));
        }
        let now = c.os.now();
        let queue = c.os.lib.queues.get(id).ok_or(Aee::BAD_PARM)?;
        let place = queue.place(&c.os.space);
        let packet = match queue.reader.take(next, &place) {
            Ok(packet) => packet,
            Err(error) => return Err(corrupt(c, id, error)),
        };
        let said = packet
            .message
            .first_chunk()
            .map_or(0, |us| u32::from_le_bytes(*us));
        let wait = if said == 0 {
            WAKEUP_WAIT
        } else {
            said.min(MOST_WAKEUP_WAIT)
        };
        queue.announce(now, Duration::from_micros(wait.into()));
        if let Err(fault) = c.os.lib.queues.after_read(&c.os.space, id) {
            return Err(corrupt(c, id, QueueError::Fault(fault)));
        }
    }
    Ok(None)
}

/// The next packet, whatever it is.
fn look(c: &mut Call<'_>, id: u64) -> Result<Option<Next>, Aee> {
    let queue = c.os.lib.queues.get(id).ok_or(Aee::BAD_PARM)?;
    let found = queue.reader.peek(&queue.place(&c.os.space));
    found.map_err(|error| corrupt(c, id, error))
}

fn peek(c: &mut Call<'_>) -> Done {
    let timeout = c.arg(4)?;
    wait_for(c, Wanted::Peek, timeout, try_peek)
}

fn peek_noblock(c: &mut Call<'_>) -> Done {
    let code = try_peek(c)?;
    c.ret_code(code.unwrap_or(Aee::WOULD_BLOCK))
}

fn try_peek(c: &mut Call<'_>) -> Attempt {
    let found = match usable(c)? {
        Ok(id) => look(c, id),
        Err(code) => Err(code),
    };
    let header = match found {
        Ok(Some(next)) => next.header,
        Ok(None) => return Ok(None),
        Err(code) => return Ok(Some(code)),
    };
    for (n, word) in (1..).zip([header.flags.into(), header.buffers(), header.message()]) {
        let at = c.arg(n)?;
        if at != 0 {
            c.store32(at, word)?;
        }
    }
    Ok(Some(Aee::SUCCESS))
}

// ---- writing --------------------------------------------------------------------------------------------------------

fn write(c: &mut Call<'_>) -> Done {
    let timeout = c.arg(6)?;
    wait_for(c, Wanted::Write, timeout, try_write)
}

fn write_noblock(c: &mut Call<'_>) -> Done {
    let code = try_write(c)?;
    c.ret_code(code.unwrap_or(Aee::WOULD_BLOCK))
}

fn try_write(c: &mut Call<'_>) -> Attempt {
    let (flags, count, list, len, message) = (c.arg(1)?, c.arg(2)?, c.arg(3)?, c.arg(4)?, c.arg(5)?);
    let missing = count > 0 && list == 0 || len > 0 && message == 0;
    // A packet has 16 bits for them.
    let flags = u16::try_from(flags);
    let Some(flags) = flags
        .ok()
        .filter(|_| count <= MAX_BUFFERS && len <= MAX_MESSAGE && !missing)
    else {
        return Ok(Some(Aee::BAD_PARM));
    };
    let id = match usable(c)? {
        Ok(id) => id,
        Err(code) => return Ok(Some(broken_for_writer(code))),
    };
    let references = c.load(list, count * Buffer::LEN)?;
    let references = references.chunks_exact(Buffer::LEN as usize);
    let references: Vec<Buffer> = references.filter_map(|b| Buffer::parse(b).ok()).collect();
    let message = c.load(message, len)?;
    put(c, id, flags, references, &message)
}

/// What a write returns of a queue that a read found broken.
fn broken_for_writer(code: Aee) -> Aee {
    match code {
        Aee::BAD_ITEM => Aee::BAD_STATE,
        other => other,
    }
}

/// Puts a packet into the queue, if there is room.
fn put(c: &mut Call<'_>, id: u64, flags: u16, references: Vec<Buffer>, message: &[u8]) -> Attempt {
    let Some(queue) = c.os.lib.queues.get(id) else {
        return Ok(Some(Aee::BAD_PARM));
    };
    let header = queue.writer.header(flags, references.len(), message.len());
    let Some(header) = header.filter(|header| header.check().is_ok()) else {
        return Ok(Some(Aee::BAD_PARM));
    };
    let fits = queue.writer.fits(header, &queue.place(&c.os.space));
    match fits {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => return Ok(Some(corrupt(c, id, error))),
    }
    // What the packet says of its buffers stays as the program put it.
    if let Err(code) = refer(c, &mut references.clone(), Aee::BAD_PARM) {
        return Ok(Some(code));
    }
    let Some(queue) = c.os.lib.queues.get(id) else {
        return Ok(Some(Aee::BAD_PARM));
    };
    let place = queue.place(&c.os.space);
    let written = queue.writer.put(header, &references, message, &place);
    let told = written.and_then(|()| Ok(c.os.lib.queues.after_write(&c.os.space, id)?));
    match told {
        Ok(()) => Ok(Some(Aee::SUCCESS)),
        Err(error) => Ok(Some(corrupt(c, id, error))),
    }
}

fn write_early_wakeup(c: &mut Call<'_>) -> Done {
    let Ok(flags) = u16::try_from(c.arg(2)?) else {
        return c.ret_code(Aee::BAD_PARM);
    };
    let (delay, flags) = (c.arg(1)?, flags | packet_flag::WAKEUP);
    let id = match usable(c)? {
        Ok(id) => id,
        Err(code) => return c.ret_code(broken_for_writer(code)),
    };
    let message = delay.to_le_bytes();
    let message = if delay == 0 { &[] } else { &message[..] };
    let code = put(c, id, flags, Vec::new(), message)?;
    c.ret_code(code.unwrap_or(Aee::WOULD_BLOCK))
}

// ---- buffers --------------------------------------------------------------------------------------------------------

/// Finds the buffers of a packet, and counts references as their flags say: all of them, or none and the code. `outside` is
/// the code for a part that the buffer does not have.
fn refer(c: &mut Call<'_>, buffers: &mut [Buffer], outside: Aee) -> Result<(), Aee> {
    for n in 0..buffers.len() {
        let before = buffers[n];
        let found = find(c, &mut buffers[n], outside);
        if let Err(code) = found {
            for done in &buffers[..n] {
                // What was counted for them is there to be taken back.
                let memory = &c.os.shared.memory;
                let _ = match counts(done.flags) {
                    Ok(Count::Up) => memory.unuse_fd(done.fd).map_err(|e| e.aee()),
                    Ok(Count::Down) => memory.use_fd(done.fd).map(drop).map_err(|e| e.aee()),
                    _ => Ok(()),
                };
            }
            tracing::debug!(target: "emu::os", fd = before.fd, %code, "a packet's buffer is refused");
            return Err(code);
        }
    }
    Ok(())
}

enum Count {
    Up,
    Down,
    Stays,
}

fn counts(flags: u32) -> Result<Count, Aee> {
    match (flags & buffer_flag::REF != 0, flags & buffer_flag::DEREF != 0) {
        (true, true) => Err(Aee::BAD_PARM),
        (true, false) => Ok(Count::Up),
        (false, true) => Ok(Count::Down),
        (false, false) => Ok(Count::Stays),
    }
}

/// Finds one buffer: its address, and its size if the packet leaves that open.
fn find(c: &mut Call<'_>, buffer: &mut Buffer, outside: Aee) -> Result<(), Aee> {
    let memory = &c.os.shared.memory;
    let count = counts(buffer.flags)?;
    let known = memory.fd(buffer.fd).ok_or(Aee::NO_SUCH_MAP)?;
    let base = known.va.filter(|_| known.mapped).ok_or(Aee::NO_SUCH_MAP)?;
    let (offset, size) = match buffer.size {
        0 if buffer.offset == 0 => (0, known.len),
        0 => return Err(outside),
        size => (buffer.offset, size),
    };
    if u64::from(offset) + u64::from(size) > u64::from(known.len) {
        return Err(outside);
    }
    match count {
        Count::Up => memory.use_fd(buffer.fd).map(drop).map_err(|e| e.aee())?,
        Count::Down => memory.unuse_fd(buffer.fd).map_err(|_| Aee::BAD_PARM)?,
        Count::Stays => {}
    }
    buffer.size = size;
    // Within the mapping, which does not wrap.
    buffer.address = base.wrapping_add(offset).into();
    Ok(())
}

// ---- statistics -----------------------------------------------------------------------------------------------------

/// Times and misses start again at 0 when they are read.
fn get_stat(c: &mut Call<'_>) -> Done {
    let (wanted, place) = (c.arg(1)?, c.arg(2)?);
    let id = match usable(c)? {
        Ok(id) => id,
        Err(code) => return c.ret_code(code),
    };
    let Some(queue) = c.os.lib.queues.get(id) else {
        return c.ret_code(Aee::BAD_PARM);
    };
    let memory = queue.place(&c.os.space);
    let (reader, writer) = (&queue.reader, &queue.writer);
    let difference = |newer: u32, older: u32| u64::from(newer.wrapping_sub(older));
    let value = match wanted {
        1 => reader
            .written(&memory)
            .map(|n| difference(n, reader.packets()))
            .map_err(QueueError::Fault),
        2 => reader.bytes(&memory).map(u64::from),
        3 => writer
            .read(&memory)
            .map(|n| difference(writer.packets(), n))
            .map_err(QueueError::Fault),
        4 => writer.bytes(&memory).map(u64::from),
        5 => Ok(std::mem::take(&mut queue.wakeup_wait).as_micros() as u64),
        6 => Ok(std::mem::take(&mut queue.wakeup_misses).into()),
        // DSPQUEUE_SIGNALING_PERF_REDUCED_SIGNALING, or the first implementation.
        7 => Ok(if queue.has_wait_counts { 100 } else { 0 }),
        _ => return c.ret_code(Aee::BAD_PARM),
    };
    match value {
        Ok(value) => {
            c.store(place, &value.to_le_bytes())?;
            c.ret(0)
        }
        Err(error) => {
            let code = corrupt(c, id, error);
            c.ret_code(code)
        }
    }
}

#[cfg(test)]
#[path = "dspqueue_testing.rs"]
mod testing;

#[cfg(test)]
#[path = "dspqueue_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "dspqueue_hostile_tests.rs"]
mod hostile_tests;
