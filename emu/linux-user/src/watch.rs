//! What a user sees of a program as it runs: the trace's lines, and what is told of a crash.

use std::fmt::Write;

use hexagon_isa::info::{OperandClass, Role};
use hexagon_isa::interp::{Ctl, Regs, effects};
use hexagon_isa::{Arch, Packet, decode_packet, packet_words};

use emu_core::mem::AddressSpace;
use emu_core::memory::Memory;

/// The words at `pc` up to the packet's end, as far as they can be fetched.
fn words(space: &AddressSpace, pc: u32) -> Vec<u32> {
    let mut words = Vec::with_capacity(4);
    for n in 0..4 {
        let Ok(word) = space.fetch32(pc.wrapping_add(4 * n)) else {
            break;
        };
        words.push(word);
        if packet_words(&words).is_some() {
            break;
        }
    }
    words
}

/// The packet at `pc` and its address.
pub(super) fn look(space: &AddressSpace, arch: Arch, pc: u32) -> Option<(u32, Packet)> {
    let packet = decode_packet(&words(space, pc), arch).ok()?;
    Some((pc, packet))
}

/// A packet in one line.
fn text(pc: u32, packet: &Packet) -> String {
    let printed = packet.print(pc);
    let mut out = String::new();
    for (n, line) in printed.lines().enumerate() {
        if n > 0 {
            out.push_str("; ");
        }
        out.push_str(line.trim().replace('\t', "").trim());
    }
    out
}

/// A trace's line: address, packet, and the registers that it wrote with what they hold now.
pub(super) fn line(pc: u32, packet: &Packet, regs: &Regs) -> String {
    let mut out = format!("{pc:08x} {}", text(pc, packet));
    let (mut general, mut control, mut predicates) = (0u32, 0u32, 0u8);
    let (mut vectors, mut masks) = (0u32, 0u8);
    for insn in packet.insns() {
        for (operand, v) in insn.info().operands.iter().zip(insn.v) {
            if operand.role == Role::Read {
                continue;
            }
            let n = v as u32 & 31;
            match operand.class {
                OperandClass::Gpr => general |= 1 << n,
                OperandClass::GprPair => general |= 3 << (n & 30),
                OperandClass::Pred => predicates |= 1 << (n & 3),
                OperandClass::Ctrl => control |= 1 << n,
                OperandClass::CtrlPair => control |= 3 << (n & 30),
                OperandClass::Vec => vectors |= 1 << n,
                OperandClass::VecPair => vectors |= 3 << (n & 30),
                OperandClass::VecQuad => vectors |= 15 << (n & 28),
                OperandClass::VecPred => masks |= 1 << (n & 3),
                _ => {}
            }
        }
        if let Some(fx) = effects(insn.op) {
            general |= fx.writes_gpr;
            control |= fx.writes_ctl;
            predicates |= fx.writes_pred;
        }
    }
    // Writing into a string cannot fail.
    for n in 0..32u8 {
        if general >> n & 1 != 0 {
            let _ = write!(out, " r{n}={:08x}", regs.r[usize::from(n)]);
        }
    }
    for n in 0..4usize {
        if predicates >> n & 1 != 0 {
            let _ = write!(out, " p{n}={:02x}", regs.p[n]);
        }
    }
    for n in 0..32u8 {
        if control >> n & 1 != 0 {
            let _ = write!(out, " c{n}={:08x}", regs.control(n));
        }
    }
    for n in 0..4usize {
        if masks >> n & 1 != 0 {
            let _ = write!(out, " q{n}={:032x}", regs.hvx.q[n]);
        }
    }
    for n in 0..32usize {
        if vectors >> n & 1 != 0 {
            let _ = write!(out, " v{n}=");
            for byte in regs.hvx.v[n].iter().rev() {
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
    out
}

/// The packet at the program counter, then the scalar registers.
pub(super) fn report(space: &AddressSpace, arch: Arch, regs: &Regs) -> String {
    let mut out = String::new();
    let words = words(space, regs.pc);
    match decode_packet(&words, arch) {
        Ok(packet) => {
            let _ = writeln!(out, "{}", packet.listing(regs.pc));
        }
        Err(_) => {
            for (n, word) in words.iter().enumerate() {
                let _ = writeln!(out, "{:8x}:\t{word:08x}", regs.pc.wrapping_add(4 * n as u32));
            }
        }
    }
    for row in 0..8usize {
        for n in 0..4 {
            let n = row + 8 * n;
            let _ = write!(out, "  r{n:<2} {:08x}", regs.r[n]);
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "  pc  {:08x}  p3:0 {:08x}  usr {:08x}  gp {:08x}  ugp {:08x}",
        regs.pc,
        regs.control(4),
        regs.c[Ctl::Usr],
        regs.c[Ctl::Gp],
        regs.c[Ctl::Ugp]
    );
    let _ = write!(
        out,
        "  sa0 {:08x}  lc0 {:08x}  sa1 {:08x}  lc1 {:08x}  m0 {:08x}  m1 {:08x}",
        regs.c[Ctl::Sa0],
        regs.c[Ctl::Lc0],
        regs.c[Ctl::Sa1],
        regs.c[Ctl::Lc1],
        regs.c[Ctl::M0],
        regs.c[Ctl::M1]
    );
    out
}
