//! What a thread holds and executes, as text: for crash reports, traces, core dumps and debuggers, so that all of them show the
//! same thing in the same words.

use std::fmt::Write;

use hexagon_isa::info::Role;
use hexagon_isa::ir::effects;
use hexagon_isa::{Arch, Packet, RegSet, decode_packet};

use super::fetch::fetch;
use super::memory::CodeMemory;
use super::thread::{Ctl, Regs};

/// The packet at `pc`; `None` if its words cannot be fetched or are no packet.
pub fn packet_at<M: CodeMemory>(mem: &M, arch: Arch, pc: u32) -> Option<Packet> {
    decode_packet(fetch(mem, pc).words(), arch).ok()
}

/// A packet on one line: `{ r0 = add(r1,r2); r3 = memw(r4+#0) }`.
pub fn packet_line(packet: &Packet, pc: u32) -> String {
    let mut out = String::new();
    for (n, line) in packet.print(pc).lines().enumerate() {
        if n > 0 {
            out.push_str("; ");
        }
        out.push_str(line.trim().replace('\t', "").trim());
    }
    out
}

/// What stands at `pc`, on one line: the packet, or its words if they are none, as far as they can be fetched.
pub fn line_at<M: CodeMemory>(mem: &M, arch: Arch, pc: u32) -> String {
    let fetched = fetch(mem, pc);
    match decode_packet(fetched.words(), arch) {
        Ok(packet) => packet_line(&packet, pc),
        Err(_) => {
            let words: Vec<String> = fetched.words().iter().map(|w| format!("{w:08x}")).collect();
            words.join(" ")
        }
    }
}

/// What stands at `pc`, a line a word with its address, as `llvm-objdump -d` shows it.
pub fn listing_at<M: CodeMemory>(mem: &M, arch: Arch, pc: u32) -> String {
    let fetched = fetch(mem, pc);
    match decode_packet(fetched.words(), arch) {
        Ok(packet) => packet.listing(pc),
        Err(_) => {
            let addresses = (0..).step_by(4).map(|at| pc.wrapping_add(at));
            let lines: Vec<String> = addresses
                .zip(fetched.words())
                .map(|(at, word)| format!("{at:8x}:\t{word:08x}"))
                .collect();
            lines.join("\n")
        }
    }
}

/// The registers that a packet's instructions write and what they hold now: ` r0=00000007 p0=ff`, each with a space in front.
pub fn written(packet: &Packet, regs: &Regs) -> String {
    let mut set = RegSet::EMPTY;
    for insn in packet.insns() {
        for (operand, v) in insn.info().operands.iter().zip(insn.v) {
            if operand.role != Role::Read {
                set |= RegSet::operand(operand.class, v);
            }
        }
        if let Some(fx) = effects(insn.op) {
            set.gpr |= fx.writes_gpr;
            set.pred |= fx.writes_pred;
            set.add_control(fx.writes_ctl);
        }
    }
    let numbers = |mask: u32| (0..32u8).filter(move |n| mask >> n & 1 != 0);
    let mut out = String::new();
    // Writing into a string cannot fail.
    for n in numbers(set.gpr) {
        let _ = write!(out, " r{n}={:08x}", regs.r[usize::from(n)]);
    }
    for n in numbers(set.pred.into()) {
        let _ = write!(out, " p{n}={:02x}", regs.p[usize::from(n)]);
    }
    for n in numbers(set.ctl) {
        let _ = write!(out, " c{n}={:08x}", regs.control(n));
    }
    for n in numbers(set.vec_pred.into()) {
        let _ = write!(out, " q{n}={:032x}", regs.hvx.q[usize::from(n)]);
    }
    for n in numbers(set.vec) {
        let _ = write!(out, " v{n}=");
        for byte in regs.hvx.v[usize::from(n)].iter().rev() {
            let _ = write!(out, "{byte:02x}");
        }
    }
    out
}

/// The scalar registers of a DSP thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registers {
    /// R0..R31.
    pub r: [u32; 32],
    /// Program counter.
    pub pc: u32,
    /// Predicates P3..P0 as one word (P0 in the low byte).
    pub p: u32,
    /// User status register.
    pub usr: u32,
    /// Loop start addresses SA0, SA1.
    pub sa: [u32; 2],
    /// Loop counts LC0, LC1.
    pub lc: [u32; 2],
    /// Modifiers M0, M1.
    pub m: [u32; 2],
    /// Circular starts CS0, CS1.
    pub cs: [u32; 2],
    /// User general pointer (thread-local storage).
    pub ugp: u32,
    /// Global pointer.
    pub gp: u32,
}

impl From<&Regs> for Registers {
    fn from(regs: &Regs) -> Self {
        let c = &regs.c;
        Registers {
            r: std::array::from_fn(|n| regs.r[n]),
            pc: regs.pc,
            p: regs.control(Ctl::P3_0 as u8),
            usr: c[Ctl::Usr],
            sa: [c[Ctl::Sa0], c[Ctl::Sa1]],
            lc: [c[Ctl::Lc0], c[Ctl::Lc1]],
            m: [c[Ctl::M0], c[Ctl::M1]],
            cs: [c[Ctl::Cs0], c[Ctl::Cs1]],
            ugp: c[Ctl::Ugp],
            gp: c[Ctl::Gp],
        }
    }
}

impl Registers {
    /// The registers on ten lines, each of which begins with two spaces.
    pub fn lines(&self) -> Vec<String> {
        let numbered = (0..).zip(&self.r).map(|(n, v)| format!("  r{n:<2} {v:08x}"));
        let numbered: Vec<String> = numbered.collect();
        let mut out: Vec<String> = numbered.chunks(4).map(|row| row.concat()).collect();
        let Registers { sa, lc, m, cs, .. } = self;
        out.push(format!(
            "  pc  {:08x}  p3:0 {:08x}  usr {:08x}  ugp {:08x}  gp {:08x}",
            self.pc, self.p, self.usr, self.ugp, self.gp
        ));
        out.push(format!(
            "  sa0 {:08x}  lc0 {:08x}  sa1 {:08x}  lc1 {:08x}  m0 {:08x}  m1 {:08x}  cs0 {:08x}  cs1 {:08x}",
            sa[0], lc[0], sa[1], lc[1], m[0], m[1], cs[0], cs[1]
        ));
        out
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hexagon_isa::{EndLoop, Insn, Opcode, assemble_packet};

    use super::*;
    use crate::mem::{AddressSpace, Bus, GuestRam, NoFaultLine, PAGE_SIZE, Prot};
    use crate::memory::Memory as _;

    const CODE: u32 = 0x1000;

    fn insn(op: Opcode, operands: &[i32]) -> Insn {
        Insn::with_operands(op, operands)
    }

    /// One page of code with these words at its end.
    fn space(words: &[u32]) -> (AddressSpace, u32) {
        let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0).unwrap();
        let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
        let space = AddressSpace::new(Arc::new(bus), 0);
        space.map_anonymous(Some(CODE), PAGE_SIZE, Prot::RWX).unwrap();
        let at = CODE + PAGE_SIZE - 4 * words.len() as u32;
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        space.store(at, &bytes).unwrap();
        (space, at)
    }

    fn assemble(insns: &[Insn]) -> Vec<u32> {
        assemble_packet(insns, EndLoop::None, false).unwrap()
    }

    #[test]
    fn a_packet_is_one_line_or_a_line_a_word() {
        let words = assemble(&[
            insn(Opcode::A2_add, &[0, 1, 2]),
            insn(Opcode::L2_loadri_io, &[3, 4, 8]),
        ]);
        let (space, at) = space(&words);
        assert_eq!(
            line_at(&space, Arch::V68, at),
            "{ r0 = add(r1,r2); r3 = memw(r4+#0x8) }"
        );
        let packet = packet_at(&space, Arch::V68, at).unwrap();
        assert_eq!(listing_at(&space, Arch::V68, at), packet.listing(at));
    }

    #[test]
    fn what_is_no_packet_is_shown_by_its_words() {
        // The first word does not end a packet, and behind it is no page.
        let (unfinished, at) = space(&[0x7f00_4000]);
        assert_eq!(packet_at(&unfinished, Arch::V68, at), None);
        assert_eq!(line_at(&unfinished, Arch::V68, at), "7f004000");
        assert_eq!(listing_at(&unfinished, Arch::V68, at), "    1ffc:\t7f004000");
        // Nothing there, a misaligned address, the end of the address space.
        for pc in [0, at + 2, 0xffff_fffc] {
            assert_eq!(line_at(&unfinished, Arch::V68, pc), "");
            assert_eq!(listing_at(&unfinished, Arch::V68, pc), "");
        }
        // Four words without an end.
        let (endless, at) = space(&[0x7f00_4000; 4]);
        assert_eq!(
            line_at(&endless, Arch::V68, at),
            "7f004000 7f004000 7f004000 7f004000"
        );
    }

    #[test]
    fn what_a_packet_writes_is_shown_in_every_register_file() {
        let mut regs = Regs::default();
        let decoded = |insns: &[Insn]| decode_packet(&assemble(insns), Arch::V68).unwrap();
        regs.r[0] = 7;
        regs.p[1] = 0xff;
        let packet = decoded(&[insn(Opcode::A2_tfr, &[0, 5]), insn(Opcode::C2_cmpeqi, &[1, 2, 3])]);
        assert_eq!(written(&packet, &regs), " r0=00000007 p1=ff");
        (regs.r[2], regs.r[3]) = (1, 2);
        assert_eq!(
            written(&decoded(&[insn(Opcode::A2_combinew, &[2, 4, 5])]), &regs),
            " r2=00000001 r3=00000002"
        );
        regs.c[Ctl::M1] = 9;
        assert_eq!(
            written(&decoded(&[insn(Opcode::A2_tfrrcr, &[7, 5])]), &regs),
            " c7=00000009"
        );
        regs.hvx.v[3][0] = 0xab;
        assert_eq!(
            written(&decoded(&[insn(Opcode::V6_vadduhsat, &[3, 1, 2])]), &regs),
            format!(" v3={}ab", "00".repeat(127))
        );
        regs.hvx.q[2] = 1;
        assert_eq!(
            written(&decoded(&[insn(Opcode::V6_veqb, &[2, 1, 2])]), &regs),
            format!(" q2={:032x}", 1)
        );
        // A named register that is no operand.
        regs.r[31] = 0x44;
        let call = decoded(&[insn(Opcode::J2_callr, &[6])]);
        assert_eq!(written(&call, &regs), " r31=00000044");
    }

    #[test]
    fn the_scalar_registers_are_ten_lines() {
        let mut regs = Regs::default();
        for n in 0..32 {
            regs.r[n] = n as u32;
        }
        regs.p[3] = 0xff;
        regs.pc = 0x1234;
        regs.c[Ctl::Cs1] = 0x77;
        let lines = Registers::from(&regs).lines();
        assert_eq!(lines.len(), 10);
        assert_eq!(
            lines[0],
            "  r0  00000000  r1  00000001  r2  00000002  r3  00000003"
        );
        assert_eq!(
            lines[7],
            "  r28 0000001c  r29 0000001d  r30 0000001e  r31 0000001f"
        );
        assert!(lines[8].starts_with("  pc  00001234  p3:0 ff000000  usr 00000000"));
        assert!(lines[9].ends_with("  cs1 00000077"));
    }
}
