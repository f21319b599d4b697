//! What a worker does: calls the skeleton's functions, and answers with what they return.

use std::collections::VecDeque;

use super::arguments::{self, ARGUMENTS};
use super::ending;
use super::handles::OpenModule;
use super::job::{Job, Opening};
use super::opening;
use crate::call_times::Part;
use crate::error::OpenError;
use crate::invocation::Invocation;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::continuation::Then;
use crate::loader::thread_storage::NoStorage;
use crate::loader::uri;
use crate::memory::NoMemory;
use crate::process::inbox::CallAnswer;
use rpmsg::Aee;

/// Calls functions one after the other, then does the last thing.
pub fn sequence(mut functions: VecDeque<u32>, last: Then) -> Then {
    Box::new(move |call, _| match functions.pop_front() {
        None => last(call, 0),
        Some(f) => Ok(Outcome::Enter(f, vec![0; 3], sequence(functions, last))),
    })
}

/// Starts a job on this (idle) worker.
pub fn begin(c: &mut Call<'_>, job: Job) -> Done {
    if matches!(job, Job::Leave) && c.thread.tls.is_empty() && !c.os.lib.thread_objects.has(c.thread.id) {
        return Ok(Outcome::Return);
    }
    match c.os.give_storage(c.thread) {
        Ok(()) => {}
        Err(NoStorage::NoMemory(NoMemory::Dry(bytes))) => {
            let again = move |c: &mut Call<'_>, given: bool| match given {
                true => begin(c, job),
                false => Err(no_storage(&NoStorage::NoMemory(NoMemory::Dry(bytes)))),
            };
            return Ok(Outcome::Grow(bytes, Box::new(again)));
        }
        Err(why) => return Err(no_storage(&why)),
    }
    let regs = &mut c.thread.core.regs;
    for n in 0..32 {
        regs.r[n] = 0;
    }
    regs.r[29] = c.thread.stack.end;
    regs.pc = c.os.builtins.process_return() + 4;
    match job {
        Job::Invoke(invocation, answer) => invoke(c, invocation, answer),
        Job::Open(opening) => initialise(c, opening),
        Job::Close(number, answer) => close(c, number, answer),
        Job::Leave => ending::destroy_locals(c, Box::new(|_, _| Ok(Outcome::Return))),
        Job::Finish(done) => {
            let over = move |_: &mut Call<'_>, _: u64| {
                drop(done);
                Ok(Outcome::Return)
            };
            ending::end_process(c, Box::new(over))
        }
    }
}

fn no_storage(why: &NoStorage) -> Stop {
    Stop::because(format!("a thread's thread-local storage: {why}"))
}

fn invoke(c: &mut Call<'_>, invocation: Invocation, answer: CallAnswer) -> Done {
    let number = invocation.handle;
    let Some(open) = c.os.handles.get(number) else {
        answer.send(Aee::NO_SUCH_MODULE);
        return Ok(Outcome::Return);
    };
    let at = c.thread.stack.end;
    let begun = c.os.shared.times.begin(Part::MapBuffers);
    let mapped = match arguments::place(&c.os.shared, &invocation, at) {
        Ok(mapped) => mapped,
        Err(code) => {
            answer.send(code);
            return Ok(Outcome::Return);
        }
    };
    c.os.shared.times.end(Part::MapBuffers, begun);
    c.os.handles.begin_call(number);
    c.os.shared.counters.add_call();
    let (sc, ctx, thread) = (invocation.sc, invocation.ctx, c.thread.id);
    let probe = c.os.shared.config.probe.clone();
    if let Some(probe) = &probe {
        probe.begins(ctx, thread);
    }
    tracing::debug!(
        target: "emu::os", thread, handle = format_args!("{number:#x}"), sc = format_args!("{sc:#010x}"), "invoke"
    );
    let args = match open.takes_handle {
        true => vec![open.context as u32, (open.context >> 32) as u32, sc, at],
        false => vec![sc, at],
    };
    let begun = c.os.shared.times.begin(Part::Method);
    let over = move |c: &mut Call<'_>, result: u64| {
        let times = &c.os.shared.times;
        times.end(Part::Method, begun);
        let begun = times.begin(Part::UnmapBuffers);
        // The driver may free the buffers as soon as it has the answer.
        drop(mapped);
        times.end(Part::UnmapBuffers, begun);
        times.count();
        if let Some(close) = c.os.handles.end_call(number) {
            c.os.submit(None, Job::Close(number, close));
        }
        if let Some(probe) = &probe {
            probe.ends(ctx, thread);
        }
        answer.send(Aee(result as u32));
        Ok(Outcome::Return)
    };
    Ok(Outcome::Enter(open.entry, args, Box::new(over)))
}

/// Runs the initialisers of what was loaded for an open, then its open method.
fn initialise(c: &mut Call<'_>, opening: Opening) -> Done {
    let (memory, modules) = (&c.os.shared.memory, &mut c.os.modules);
    let installed = opening.installed.iter();
    let initialisers = installed.flat_map(|&id| modules.initialise(id, memory)).collect();
    let (me, calls) = (c.thread.id, c.os.continuations.depth(c.thread.id));
    c.os.loading.run_by(me, calls);
    let open = move |c: &mut Call<'_>, _: u64| {
        opening::done(c.os);
        open(c, opening)
    };
    sequence(initialisers, Box::new(open))(c, 0)
}

fn open(c: &mut Call<'_>, opening: Opening) -> Done {
    let Opening {
        name, module, answer, ..
    } = opening;
    let symbol = c.os.modules.symbol(module, name.symbol.as_bytes());
    let opened = OpenModule {
        module,
        entry: symbol.unwrap_or_default(),
        takes_handle: name.takes_handle,
        context: 0,
    };
    if !opened.takes_handle {
        let number = c.os.handles.add(opened);
        c.os.count();
        answer.send(Ok(number));
        return Ok(Outcome::Return);
    }
    // pra[0] = primIn {length of the URI with its NUL}, pra[1] = the URI, pra[2] = where the handle word goes.
    let pra = c.thread.stack.end;
    let (prim, text) = (pra + 24, pra + 32);
    let len = name.text.len() as u32 + 1;
    for (i, word) in [prim, 4, text, len, 0, 0].into_iter().enumerate() {
        c.store32(pra + 4 * i as u32, word)?;
    }
    c.store32(prim, len)?;
    c.store(text, name.text.as_bytes())?;
    c.store8(text + len - 1, 0)?;
    c.os.shared.counters.add_call();
    let over = move |c: &mut Call<'_>, result: u64| {
        let result = Aee(result as u32);
        if result.is_ok() {
            let context = c.load64(pra + 16)?;
            let number = c.os.handles.add(OpenModule { context, ..opened });
            c.os.count();
            answer.send(Ok(number));
            return Ok(Outcome::Return);
        }
        let error = OpenError::new(result, format!("{} refused to open with {result}", name.symbol));
        c.os.handles.give_up();
        let unused = c.os.modules.release(module);
        let refused = move |_: &mut Call<'_>, _: u64| {
            answer.send(Err(error));
            Ok(Outcome::Return)
        };
        ending::unload(c, unused, Box::new(refused))
    };
    let args = vec![0, 0, 0x0002_0001, pra];
    Ok(Outcome::Enter(opened.entry, args, Box::new(over)))
}

fn close(c: &mut Call<'_>, number: u32, answer: CallAnswer) -> Done {
    let Some(open) = c.os.handles.closing(number) else {
        answer.send(Aee::NO_SUCH_MODULE);
        return Ok(Outcome::Return);
    };
    let closed = move |c: &mut Call<'_>, result: u64| {
        c.os.handles.remove(number);
        c.os.count();
        let unused = c.os.modules.release(open.module);
        let over = move |_: &mut Call<'_>, _: u64| {
            answer.send(Aee(result as u32));
            Ok(Outcome::Return)
        };
        ending::unload(c, unused, Box::new(over))
    };
    if !open.takes_handle {
        return closed(c, 0);
    }
    let pra = c.thread.stack.end;
    c.store64(pra, open.context)?;
    c.os.shared.counters.add_call();
    let args = vec![open.context as u32, (open.context >> 32) as u32, 0x0100_0010, pra];
    Ok(Outcome::Enter(open.entry, args, Box::new(closed)))
}

const _: () = assert!(uri::MAX_NAME as u32 + 40 < ARGUMENTS);
