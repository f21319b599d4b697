//! Traps, loop configuration, stack frames, locked accesses, cache lines.

use std::sync::atomic::{Ordering, fence};

use crate::memory::{Fault, Memory};
use crate::state::{Args, Ctl, DmaCommand, Event, Regs, Reservation, usr};

/// Bytes of a data cache line, which `dczeroa` zeroes.
const LINE: u32 = 32;

pub(crate) fn trap0(s: &mut Regs, _: &Args, imm: u32) {
    s.event(Event::Trap0(imm));
}

pub(crate) fn trap1(s: &mut Regs, _: &Args, imm: u32) {
    s.event(Event::Trap1(imm));
}

pub(crate) fn pause(s: &mut Regs, _: &Args) {
    s.event(Event::Yield);
}

/// Threads may run on several host processors at the same time: what orders the accesses of a hardware thread orders those of
/// the host's.
pub(crate) fn barrier(_: &mut Regs, _: &Args) {
    fence(Ordering::SeqCst);
}

pub(crate) fn privileged(s: &mut Regs, _: &Args) {
    s.event(Event::Privileged);
}

/// A command to the DMA engine: 0 start, 1 link, 2 resume, 3 poll, 4 wait, 5 pause. The last three have their register as
/// first operand, which whoever carries out the command writes.
pub(crate) fn dma(s: &mut Regs, a: &Args, command: u32, x: u32, y: u32) {
    let register = a.v.first().map_or(0, |v| *v as u8 & 31);
    s.event(Event::Dma(match command {
        0 => DmaCommand::Start(x),
        1 => DmaCommand::Link { tail: x, new: y },
        2 => DmaCommand::Resume(x),
        3 => DmaCommand::Poll(register),
        4 => DmaCommand::Wait(register),
        _ => DmaCommand::Pause(register),
    }));
}

/// USR.LPCFG: how many iterations of a pipelined loop are still prologue.
pub(crate) fn loop_config(s: &mut Regs, a: &Args, n: u32) {
    let v = s.c[Ctl::Usr] & !usr::LPCFG | n << usr::LPCFG_SHIFT;
    s.w_ctl(Ctl::Usr as i32, a.off, v);
}

/// Faults if a frame that reaches down to `bottom` would lie below FRAMELIMIT.
pub(crate) fn frame_check<M: Memory>(s: &mut Regs, _: &M, _: &Args, bottom: u32) -> Result<(), M::Fault> {
    if bottom < s.c[Ctl::FrameLimit] {
        Err(M::Fault::frame_limit(bottom))
    } else {
        Ok(())
    }
}

pub(crate) fn load_locked32<M: Memory>(s: &mut Regs, m: &M, _: &Args, va: u32) -> Result<u32, M::Fault> {
    let v = m.load32(va)?;
    s.reservation = Some(Reservation {
        va,
        value: u64::from(v),
        size: 4,
    });
    Ok(v)
}

pub(crate) fn load_locked64<M: Memory>(s: &mut Regs, m: &M, _: &Args, va: u32) -> Result<u64, M::Fault> {
    let value = m.load64(va)?;
    s.reservation = Some(Reservation { va, value, size: 8 });
    Ok(value)
}

/// A reservation is the address and the value seen there: the store happens if the memory still holds that value, so a
/// store of the same value by somebody else goes unnoticed (as in other emulators; no known program depends on it).
fn reserved(s: &mut Regs, va: u32, size: u8) -> Option<u64> {
    s.reservation
        .take()
        .filter(|r| r.va == va && r.size == size)
        .map(|r| r.value)
}

fn conditional(s: &mut Regs, done: bool) -> bool {
    if !done {
        s.event(Event::Yield);
    }
    done
}

pub(crate) fn store_conditional32<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    va: u32,
    v: u32,
) -> Result<bool, M::Fault> {
    m.probe_store(va, 4)?;
    if a.dry {
        return Ok(false);
    }
    let done = match reserved(s, va, 4) {
        Some(old) => m.cas32(va, old as u32, v)?,
        None => false,
    };
    Ok(conditional(s, done))
}

pub(crate) fn store_conditional64<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    va: u32,
    v: u64,
) -> Result<bool, M::Fault> {
    m.probe_store(va, 8)?;
    if a.dry {
        return Ok(false);
    }
    let done = match reserved(s, va, 8) {
        Some(old) => m.cas64(va, old, v)?,
        None => false,
    };
    Ok(conditional(s, done))
}

pub(crate) fn zero_line<M: Memory>(_: &mut Regs, m: &M, a: &Args, va: u32) -> Result<(), M::Fault> {
    if a.dry {
        m.probe_store(va, LINE)
    } else {
        m.store(va, &[0; LINE as usize])
    }
}
