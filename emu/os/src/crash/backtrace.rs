//! Where a crashed thread was: registers, the faulting packet, the chain of stack frames with symbols.
//!
//! `allocframe` stores the caller's frame pointer and return address at the new r30, so the chain is {fp, lr} pairs from
//! r30 upwards. The memory is the program's and may be nonsense: the walk stops at anything that does not look like a
//! frame. Imported functions have no frame; their caller is in r31.

use super::{CrashReport, Frame, Registers};
use crate::ap::{Ap, LogRecord};
use crate::config::ProcessConfig;
use crate::loader::modules::{CodeAddress, Modules, Place};
use crate::sched::DspThread;
use emu_core::inspect;
use emu_core::mem::AddressSpace;
use emu_core::memory::Memory as _;

/// Longest backtrace.
const MAX_FRAMES: usize = 64;

/// Everything that can be said about a crash of `thread` at its pc.
pub fn report(
    config: &ProcessConfig,
    cause: String,
    thread: &DspThread,
    space: &AddressSpace,
    modules: &Modules,
) -> CrashReport {
    let regs = Registers::from(&thread.core.regs);
    let chain = chain(&regs, space, modules);
    let frame = |(number, pc): (usize, u32)| {
        let place = modules.describe(
            pc,
            if number == 0 {
                CodeAddress::Packet
            } else {
                CodeAddress::Return
            },
        );
        Frame {
            pc,
            symbol: place.as_ref().map(Place::to_string),
            library: place.and_then(|place| place.library),
        }
    };
    CrashReport {
        process: config.name.clone(),
        cause,
        thread: thread.id,
        thread_name: thread.name.clone(),
        packet: inspect::line_at(space, config.arch, regs.pc),
        backtrace: chain.into_iter().enumerate().map(frame).collect(),
        registers: regs,
    }
}

/// Writes a report to our log and to the AP's.
pub fn publish(report: &CrashReport, ap: &dyn Ap) {
    for line in report.lines() {
        tracing::error!(target: "emu::os::crash", "{line}");
    }
    for line in report.lines_for_ap() {
        ap.log(LogRecord {
            level: 4,
            file: "crash".into(),
            line: 0,
            thread: report.thread,
            text: line,
        });
    }
}

/// Function that an address belongs to, without the offset.
fn function(modules: &Modules, pc: u32, kind: CodeAddress) -> Option<String> {
    modules.describe(pc, kind).map(|place| place.function)
}

fn chain(regs: &Registers, space: &AddressSpace, modules: &Modules) -> Vec<u32> {
    let mut out = vec![regs.pc];
    let known = |pc: u32| function(modules, pc, CodeAddress::Return);
    let here = function(modules, regs.pc, CodeAddress::Packet);
    let (r30, r31) = (regs.r[30], regs.r[31]);
    let first = space.load32(r30.wrapping_add(4)).ok();
    // A leaf, or a function before its allocframe, has its caller in r31. Otherwise r31 is left over from the last call
    // the function made, and then lies in the function itself.
    let leaf = modules.is_built_in(regs.pc) || here.is_none() || known(r31) != here;
    if leaf && first != Some(r31) && known(r31).is_some() && r31 % 4 == 0 {
        out.push(r31);
    }
    let mut fp = r30;
    while out.len() < MAX_FRAMES && fp.is_multiple_of(8) && fp != 0 {
        let (Ok(next), Ok(lr)) = (space.load32(fp), space.load32(fp.wrapping_add(4))) else {
            break;
        };
        if known(lr).is_none() {
            break;
        }
        out.push(lr);
        // Stacks grow down, so callers are above; endless recursion stays within the limit.
        if next <= fp {
            break;
        }
        fp = next;
    }
    out
}
