//! Packet queues: how a skeleton takes one, is called back about it, and closes it.
//!
//! Each callback has a DSP thread of its own, which is made when the queue is imported. Source: `dspqueue.h` of
//! qualcomm/fastrpc, and for when callbacks come `dspqueue_packet_callback_thread` and `error_callback` of `dspqueue_cpu.c`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::dspqueue::open;
use crate::calls::queues::{fail, interrupt};
use crate::kernel::call::{Call, Done, Outcome};
use crate::library_state::queues::{Callbacks, Import, Running, Wanted};
use crate::loader::thread_storage::NoStorage;
use crate::memory::NoMemory;
use crate::process::inbox::ProcessRequest;
use crate::sched::{DspThread, Role, Wait};
use rpmsg::Aee;

/// A queue is taken, and each of its callbacks gets a thread.
pub fn import(c: &mut Call<'_>) -> Done {
    let (id, callbacks, context, place) = (c.arg64(0), [c.arg(2)?, c.arg(3)?], c.arg(4)?, c.arg(5)?);
    if let Err(code) = c.os.lib.queues.can_import(id) {
        return c.ret_code(code);
    }
    let handle = c.os.lib.queues.new_handle();
    c.store32(place, handle)?;
    let mut threads = Vec::new();
    for (callback, wanted) in callbacks.into_iter().zip([Wanted::Packets, Wanted::Error]) {
        if callback == 0 {
            continue;
        }
        match make_thread(c, handle, wanted, threads.len()) {
            Ok(thread) => threads.push((thread, wanted)),
            Err(why) => {
                threads.into_iter().for_each(|(thread, _)| give_back(c, &thread));
                let NoStorage::NoMemory(NoMemory::Dry(missing)) = why else {
                    tracing::warn!(target: "emu::os", %why, "no thread for a packet queue's callback");
                    return c.ret_code(Aee::THREAD_CREATE);
                };
                // The arguments are still in the registers.
                let again = |c: &mut Call<'_>, given: bool| match given {
                    true => import(c),
                    false => c.ret_code(Aee::NO_MEMORY),
                };
                return Ok(Outcome::Grow(missing, Box::new(again)));
            }
        }
    }
    let (priority, queue) = (c.priority(), (id, handle));
    let import = Import {
        handle,
        packet_callback: callbacks[0],
        error_callback: callbacks[1],
        context,
        threads: threads.iter().map(|(thread, _)| thread.id).collect(),
        seen: 0,
        told: false,
        callbacks: Arc::default(),
    };
    c.os.lib.queues.import(id, import);
    for (thread, wanted) in threads {
        let thread_id = thread.id;
        c.os.sched.add_parked(thread, priority, Wait::Queue(handle));
        c.os.lib.queues.wait(&c.os.space, thread_id, queue, wanted, None);
    }
    c.os.count();
    tracing::debug!(target: "emu::os", id = format_args!("{id:#x}"), handle, "a packet queue is imported");
    // There may be packets already.
    c.os.shared.inbox.send(ProcessRequest::QueueNews);
    c.ret(0)
}

/// A thread for a callback, beside so many that are not in the scheduler yet.
fn make_thread(c: &mut Call<'_>, handle: u32, wanted: Wanted, beside: usize) -> Result<DspThread, NoStorage> {
    let limits = &c.os.shared.config.limits;
    if c.os.sched.len() + beside >= limits.threads {
        let full = format!("the process has {} threads already", limits.threads);
        return Err(NoMemory::Refused(full).into());
    }
    let size = c.os.workers.stack_size(limits) / 16 * 16;
    let low = c.os.shared.memory.allocate(size, 16)?;
    let id = c.os.sched.new_id();
    let core = c.os.shared.new_core(c.os.builtins.process_return() + 4);
    let kind = if wanted == Wanted::Error { "err" } else { "dspq" };
    let mut thread = DspThread::new(
        id,
        format!("{kind}-{handle:x}"),
        Role::Skeleton,
        low..low + size,
        core,
    );
    thread.core.regs.r[29] = low + size;
    thread.own_stack = Some(low);
    match c.os.give_storage(&mut thread) {
        Ok(()) => Ok(thread),
        Err(why) => {
            give_back(c, &thread);
            Err(why)
        }
    }
}

/// Gives back what a thread has that never began.
fn give_back(c: &mut Call<'_>, thread: &DspThread) {
    c.os.modules.thread_ends(thread.id, &c.os.shared.memory);
    if let Some(low) = thread.own_stack {
        c.os.shared.memory.release(low);
    }
}

/// A queue is given back: callbacks that are under way come to their end first, but for the caller's own.
pub fn close(c: &mut Call<'_>) -> Done {
    let id = match open(c)? {
        Ok(id) => id,
        Err(code) => return c.ret_code(code),
    };
    let handle = c.arg(0)?;
    c.os.lib.queues.forget_handle(handle);
    if let Some(import) = c.os.lib.queues.get(id).and_then(|queue| queue.import.as_mut()) {
        import.callbacks.closing.store(true, Ordering::Release);
    }
    interrupt(c.os, id, Aee::INTERRUPTED);
    finish_closing(c, id, handle)
}

/// Closes a queue as soon as none of its callbacks runs.
pub fn finish_closing(c: &mut Call<'_>, id: u64, handle: u32) -> Done {
    let me = c.thread.id;
    c.os.lib.queues.stop_waiting(&c.os.space, me);
    let import = c.os.lib.queues.get(id).and_then(|queue| queue.import.as_ref());
    let running = import.map_or(0, |import| {
        let own = import.threads.contains(&me).into();
        import.callbacks.running().saturating_sub(own)
    });
    if running > 0 {
        let queue = (id, handle);
        c.os.lib
            .queues
            .wait(&c.os.space, me, queue, Wanted::Callbacks, None);
        return Ok(Outcome::Park(Wait::Queue(handle), None));
    }
    c.os.lib.queues.close(&c.os.shared.memory, id);
    // Its threads end.
    c.os.shared.inbox.send(ProcessRequest::QueueNews);
    c.ret(0)
}

/// What a callback thread needs, as long as its import is not being closed.
fn current(c: &mut Call<'_>, id: u64, handle: u32) -> Option<(u32, Arc<Callbacks>)> {
    let import = c.os.lib.queues.get(id)?.import.as_ref()?;
    let is_open = import.handle == handle && !import.callbacks.closing.load(Ordering::Acquire);
    is_open.then(|| (import.context, Arc::clone(&import.callbacks)))
}

fn park(handle: u32) -> Done {
    Ok(Outcome::Park(Wait::Queue(handle), None))
}

/// Ends a callback thread.
fn end(c: &mut Call<'_>) -> Done {
    let me = c.thread.id;
    c.os.lib.queues.stop_waiting(&c.os.space, me);
    Ok(Outcome::Exit(0))
}

/// The thread of the packet callback: calls it whenever there are packets that it was not told of.
pub fn packets(c: &mut Call<'_>, id: u64, handle: u32) -> Done {
    let (me, queue) = (c.thread.id, (id, handle));
    loop {
        let Some((context, callbacks)) = current(c, id, handle) else {
            return end(c);
        };
        let is_waiting = c.os.lib.queues.waiter(me).is_some();
        match news(c, id) {
            Some(callback) => {
                c.os.lib.queues.stop_waiting(&c.os.space, me);
                let running = Running::begin(&callbacks, &c.os.shared);
                let over = move |c: &mut Call<'_>, _: u64| {
                    drop(running);
                    packets(c, id, handle)
                };
                return Ok(Outcome::Enter(callback, vec![handle, 0, context], Box::new(over)));
            }
            None if is_waiting => return park(handle),
            // The AP does not signal what it wrote before this said that it waits, so it looks once more.
            None => {
                c.os.lib
                    .queues
                    .wait(&c.os.space, me, queue, Wanted::Packets, None)
            }
        }
    }
}

/// The packet callback, if there are packets that it was not told of.
fn news(c: &mut Call<'_>, id: u64) -> Option<u32> {
    if let Err((code, why)) = c.os.lib.queues.check(&c.os.space, &c.os.shared.memory, id) {
        fail(c.os, id, code, why);
        return None;
    }
    let queue = c.os.lib.queues.get(id)?;
    let written = queue.reader.written(&queue.place(&c.os.space)).ok()?;
    let import = queue.import.as_mut()?;
    let is_new = std::mem::replace(&mut import.seen, written) != written;
    is_new.then_some(import.packet_callback)
}

/// The thread of the error callback: calls it once, when the queue breaks.
pub fn errors(c: &mut Call<'_>, id: u64, handle: u32) -> Done {
    let me = c.thread.id;
    let Some((context, callbacks)) = current(c, id, handle) else {
        return end(c);
    };
    let broken = c.os.lib.queues.get(id).and_then(|queue| {
        let code = queue.error?;
        let import = queue.import.as_mut()?;
        let told = std::mem::replace(&mut import.told, true);
        (!told).then_some((code, import.error_callback))
    });
    if let Some((code, callback)) = broken {
        c.os.lib.queues.stop_waiting(&c.os.space, me);
        let running = Running::begin(&callbacks, &c.os.shared);
        let over = move |c: &mut Call<'_>, _: u64| {
            drop(running);
            errors(c, id, handle)
        };
        return Ok(Outcome::Enter(
            callback,
            vec![handle, code.0, context],
            Box::new(over),
        ));
    }
    if c.os.lib.queues.waiter(me).is_none() {
        c.os.lib
            .queues
            .wait(&c.os.space, me, (id, handle), Wanted::Error, None);
    }
    park(handle)
}
