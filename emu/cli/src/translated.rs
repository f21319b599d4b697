//! What the translator made, for people: `--stats` and `--dump-host`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use capstone::arch::BuildsCapstone as _;
use emu_core::inspect::packet_line;
use emu_core::{Dump, How, Record};
use hexagon_isa::{Arch, decode_packet};

/// Packets that are listed.
const LISTED: usize = 20;

/// A packet as text; its words where they are none.
fn text(words: &[u32], arch: Arch, pc: u32) -> String {
    match decode_packet(words, arch) {
        Ok(packet) => packet_line(&packet, pc),
        Err(_) if words.is_empty() => "(gone)".to_owned(),
        Err(_) => words.iter().map(|word| format!("{word:08x} ")).collect(),
    }
}

/// The figures of `--stats`: what was translated and what that took, and the packets that are still the interpreter's.
pub fn statistics(record: &Record) -> String {
    let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
    let made = &record.statistics;
    let (packets, bytes, nanoseconds) = (of(&made.packets), of(&made.bytes), of(&made.nanoseconds));
    let each = |n: u64| n as f64 / packets.max(1) as f64;
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(
        out,
        "translated       {packets:>12} packets in {} units, {} of them by calls of the interpreter's functions; {} units failed",
        of(&made.units),
        of(&made.called),
        of(&made.failed),
    );
    let _ = writeln!(
        out,
        "host code        {bytes:>12} bytes, {:.0} a packet",
        each(bytes)
    );
    let _ = writeln!(
        out,
        "translating took {:>12.1} ms, {:.1} us a packet",
        nanoseconds as f64 / 1e6,
        each(nanoseconds) / 1e3,
    );
    let _ = writeln!(out, "left to the interpreter {:>5} times", of(&made.interpreted));
    let left = record.left_packets();
    for packet in left.iter().take(LISTED) {
        let line = text(&packet.words, packet.arch, packet.pc);
        let _ = writeln!(out, "{:>12} times {:#010x}  {line}", packet.times, packet.pc);
    }
    if left.len() > LISTED {
        let _ = writeln!(out, "             and {} places more", left.len() - LISTED);
    }
    out
}

/// A unit: its packets, the code generator's form, the host's instructions.
///
/// # Errors
/// The disassembler's.
pub fn unit(dump: &Dump, arch: Arch) -> Result<String, capstone::Error> {
    let mut out = String::from("unit entered at");
    for entry in &dump.entries {
        let _ = write!(out, " {entry:#010x}");
    }
    let _ = writeln!(out, "\n\npackets:");
    for (pc, words, how) in &dump.packets {
        let how = match how {
            How::Lowered => "host code",
            How::Called => "called",
            How::Interpreted => "interpreted",
        };
        let _ = writeln!(out, "{pc:#010x}  {how:<12} {}", text(words, arch, *pc));
    }
    let _ = writeln!(out, "\nIR:\n{}", dump.ir);
    let _ = writeln!(out, "host code, {} bytes:", dump.code.len());
    let host = capstone::Capstone::new();
    let host = host.x86().mode(capstone::arch::x86::ArchMode::Mode64).build()?;
    for insn in host.disasm_all(&dump.code, dump.at)?.iter() {
        let (name, operands) = (insn.mnemonic().unwrap_or("?"), insn.op_str().unwrap_or(""));
        let _ = writeln!(out, "{:#014x}  {name} {operands}", insn.address());
    }
    Ok(out)
}
