//! Builds one static Hexagon program from many cases: registers in → packet → registers and memory out.
//!
//! The driver loads every register from the case's record, jumps to the packet, and afterwards stores every register to
//! fixed addresses (no register has to survive), copies them and a piece of memory to the output with `write`, and goes on
//! with the next record. The words come from our own assembler; the ELF header is written by hand.

use hexagon_isa::{EndLoop, Insn, MAX_OPERANDS, Opcode, assemble_packet};

/// QEMU maps files in pages of this size.
const PAGE: u32 = 0x1_0000;
const TEXT: u32 = 0x0001_0000;
/// Where the current record's address is kept.
const CURSOR: u32 = 0x0030_0000;
/// Registers after the packet, then the memory area: what is written out for each case.
const SAVED: u32 = 0x0030_1000;
/// The memory that packets access.
pub const AREA: u32 = SAVED + 4 * SAVED_WORDS as u32;
/// Bytes of it that are written out.
pub const AREA_BYTES: usize = 512;
const RECORDS: u32 = 0x0040_0000;
/// Where vectors come from: as many as any case may begin at, and those behind.
const POOL: u32 = 0x0038_0000;
const POOL_VECTORS: u32 = 64;
/// Where vectors and vector predicates are saved, behind the memory area.
const SAVED_VECTORS: u32 = 0x0039_0000;
/// V0..V11 and Q0..Q3 as bytes.
pub const VECTORS: usize = 16;

/// Words of an input record.
pub const INPUT_WORDS: usize = 40;
/// Words of registers in an output record.
pub const SAVED_WORDS: usize = 48;
/// Bytes of an output record.
pub const OUTPUT_BYTES: usize = 4 * SAVED_WORDS + AREA_BYTES;

/// Control registers in an input record from word 31 on.
const CONTROL_IN: [i32; 7] = [4, 8, 6, 7, 12, 13, 11];
/// Word of the packet's address.
const ENTRY: usize = 38;
/// Word of the address that vectors are loaded from.
const VECTOR_BASE: usize = 39;
/// Control registers in an output record from word 32 on.
pub const CONTROL_OUT: [i32; 11] = [0, 1, 2, 3, 4, 6, 7, 8, 11, 12, 13];

/// Registers before the packet.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// R0..R27, R29, R30, R31.
    pub r: [u32; 31],
    /// P3:0, USR, M0, M1, CS0, CS1, GP.
    pub control: [u32; 7],
}

/// An instruction; `producer` is the position of what it consumes as `.new`.
pub fn insn(op: Opcode, v: &[i32], producer: Option<u8>) -> Insn {
    let mut all = [0; MAX_OPERANDS];
    all.iter_mut().zip(v).for_each(|(a, b)| *a = *b);
    Insn {
        op,
        slot: 0,
        producer: producer.unwrap_or(Insn::NONE),
        extended: false,
        v: all,
    }
}

/// A program under construction.
pub struct Program {
    text: Vec<u32>,
    records: Vec<u8>,
    /// Where the driver goes on after a packet.
    back: u32,
    hvx: bool,
}

impl Program {
    pub fn new(hvx: bool) -> Program {
        let mut p = Program {
            text: Vec::new(),
            records: Vec::new(),
            back: 0,
            hvx,
        };
        // The first word jumps to the driver, which is laid down at the end; packets come back to the second.
        p.text.extend([0; 4]);
        p.back = TEXT + 8;
        p
    }

    fn here(&self) -> u32 {
        TEXT + 4 * self.text.len() as u32
    }

    fn packet(&mut self, insns: &[Insn], duplex: bool) {
        let words = assemble_packet(insns, EndLoop::None, duplex).expect("the driver's packets assemble");
        self.text.extend(words);
    }

    fn emit(&mut self, op: Opcode, v: &[i32]) {
        self.packet(&[insn(op, v, None)], false);
    }

    /// Two words that jump to `to`.
    fn jump_words(from: u32, to: u32) -> [u32; 2] {
        let offset = to.wrapping_sub(from) as i32;
        let mut words =
            assemble_packet(&[insn(Opcode::J2_jump, &[offset], None)], EndLoop::None, false).expect("a jump");
        while words.len() < 2 {
            words.extend(
                assemble_packet(&[insn(Opcode::A2_nop, &[], None)], EndLoop::None, false).expect("a nop"),
            );
        }
        [words[0], words[1]]
    }

    fn jump(&mut self, to: u32) {
        let words = Self::jump_words(self.here(), to);
        self.text.extend(words);
    }

    /// Adds a packet; returns where it is, or why it cannot be assembled. A packet that may branch is given targets by
    /// `words`, which gets the distance from the packet's start to behind it.
    pub fn add_packet(&mut self, insns: &[Insn], duplex: bool, branch: Option<usize>) -> Result<u32, String> {
        let at = self.here();
        let mut insns = insns.to_vec();
        let mut words = assemble_packet(&insns, EndLoop::None, duplex).map_err(|e| e.to_string())?;
        if let Some(n) = branch {
            // Behind the packet: a marker (one word) and the way back (two words); then the target.
            let target = 4 * (words.len() as i32 + 3);
            let i = insns[n].info().operand("Ii").ok_or("no target")?;
            insns[n].v[i] = target;
            words = assemble_packet(&insns, EndLoop::None, duplex).map_err(|e| e.to_string())?;
        }
        self.text.extend(words);
        if branch.is_some() {
            self.emit(Opcode::A2_tfrsi, &[28, 1]);
            self.jump(self.back);
            self.emit(Opcode::A2_tfrsi, &[28, 2]);
        }
        self.jump(self.back);
        Ok(at)
    }

    /// Adds a case: the packet at `entry` with these registers.
    pub fn add_case(&mut self, entry: u32, input: &Input) {
        let mut words = [0u32; INPUT_WORDS];
        words[..31].copy_from_slice(&input.r);
        words[31..38].copy_from_slice(&input.control);
        words[ENTRY] = entry;
        words[VECTOR_BASE] = POOL
            + 128
                * ((input.r[0] ^ input.r[7]).wrapping_mul(0x9e37_79b9).rotate_left(6) % (POOL_VECTORS - 12));
        for w in words {
            self.records.extend(w.to_le_bytes());
        }
    }

    fn syscall(&mut self, number: i32, args: &[i32]) {
        for (r, v) in args.iter().enumerate() {
            self.emit(Opcode::A2_tfrsi, &[r as i32, *v]);
        }
        self.emit(Opcode::A2_tfrsi, &[6, number]);
        self.emit(Opcode::J2_trap0, &[1]);
    }

    fn load_absolute(&mut self, r: i32, at: u32) {
        self.emit(Opcode::PS_loadriabs, &[r, at as i32]);
    }

    fn store_absolute(&mut self, at: u32, r: i32) {
        self.emit(Opcode::PS_storeriabs, &[at as i32, r]);
    }

    /// Lays down the driver and returns the ELF file.
    pub fn finish(mut self) -> Vec<u8> {
        let top = self.here();
        // Next case.
        self.load_absolute(28, CURSOR);
        let end = RECORDS + self.records.len() as u32;
        self.emit(Opcode::C2_cmpeqi, &[0, 28, end as i32]);
        let exit_check = self.text.len();
        self.text.extend([0, 0]);
        for (k, c) in CONTROL_IN.into_iter().enumerate() {
            self.emit(Opcode::L2_loadri_io, &[0, 28, 4 * (31 + k as i32)]);
            self.emit(Opcode::A2_tfrrcr, &[c, 0]);
        }
        if self.hvx {
            self.emit(Opcode::L2_loadri_io, &[0, 28, 4 * VECTOR_BASE as i32]);
            for v in 0..12 {
                self.emit(Opcode::V6_vL32b_pi, &[v, 0, 1]);
            }
            self.emit(Opcode::A2_tfrsi, &[1, 0x0101_0101]);
            for q in 0..4 {
                self.emit(Opcode::V6_vandvrt, &[q, 8 + q, 1]);
            }
        }
        for k in 0..31 {
            let r = if k < 28 { k } else { k + 1 };
            self.emit(Opcode::L2_loadri_io, &[r, 28, 4 * k]);
        }
        self.emit(Opcode::L2_loadri_io, &[28, 28, 4 * ENTRY as i32]);
        self.emit(Opcode::J2_jumpr, &[28]);
        // Back from the packet.
        let back = self.here();
        for r in 0..32 {
            self.store_absolute(SAVED + 4 * r as u32, r);
        }
        for (k, c) in CONTROL_OUT.into_iter().enumerate() {
            self.emit(Opcode::A2_tfrcrr, &[0, c]);
            self.store_absolute(SAVED + 4 * (32 + k as u32), 0);
        }
        self.syscall(64, &[1, SAVED as i32, OUTPUT_BYTES as i32]);
        if self.hvx {
            self.emit(Opcode::A2_tfrsi, &[0, SAVED_VECTORS as i32]);
            for v in 0..12 {
                self.emit(Opcode::V6_vS32b_pi, &[0, 1, v]);
            }
            self.emit(Opcode::A2_tfrsi, &[1, -1]);
            for q in 0..4 {
                self.emit(Opcode::V6_vandqrt, &[12, q, 1]);
                self.emit(Opcode::V6_vS32b_pi, &[0, 1, 12]);
            }
            self.syscall(64, &[1, SAVED_VECTORS as i32, 128 * VECTORS as i32]);
        }
        self.load_absolute(0, CURSOR);
        self.emit(Opcode::A2_addi, &[0, 0, 4 * INPUT_WORDS as i32]);
        self.store_absolute(CURSOR, 0);
        self.jump(top);
        let exit = self.here();
        self.syscall(94, &[0]);
        let from = TEXT + 4 * exit_check as u32;
        let mut words = assemble_packet(
            &[insn(Opcode::J2_jumpt, &[0, exit.wrapping_sub(from) as i32], None)],
            EndLoop::None,
            false,
        )
        .expect("a conditional jump");
        words.resize(
            2,
            assemble_packet(&[insn(Opcode::A2_nop, &[], None)], EndLoop::None, false).expect("a nop")[0],
        );
        self.text[exit_check..exit_check + 2].copy_from_slice(&words);
        self.text[..2].copy_from_slice(&Self::jump_words(TEXT, top));
        self.text[2..4].copy_from_slice(&Self::jump_words(TEXT + 8, back));
        self.elf()
    }

    fn elf(&self) -> Vec<u8> {
        let text: Vec<u8> = self.text.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut low = vec![0u8; (SAVED - CURSOR) as usize + OUTPUT_BYTES + 4096];
        low[..4].copy_from_slice(&RECORDS.to_le_bytes());
        let area = (AREA - CURSOR) as usize;
        for (k, b) in low[area..area + AREA_BYTES + 4096 - 4].iter_mut().enumerate() {
            *b = (k * 37 + k / 7) as u8;
        }
        let mut state = 1u32;
        let pool: Vec<u8> = (0..POOL_VECTORS * 128)
            .map(|k| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let edge = [0u8, 0xff, 0x80, 0x7f, 1, 0][(state >> 28) as usize % 6];
                // Every third vector is full of edge values.
                if k / 128 % 3 == 0 {
                    edge
                } else {
                    (state >> 24) as u8
                }
            })
            .collect();
        let saved_vectors = [0u8; 128 * VECTORS];
        let segments: [(u32, &[u8], u32); 5] = [
            (TEXT, &text, 5),
            (CURSOR, &low, 6),
            (POOL, &pool, 6),
            (SAVED_VECTORS, &saved_vectors, 6),
            (RECORDS, &self.records, 6),
        ];
        let mut file = Vec::new();
        file.extend([0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for h in [2u16, 164] {
            file.extend(h.to_le_bytes());
        }
        for w in [1, TEXT, 52, 0, 0x68] {
            file.extend(w.to_le_bytes());
        }
        for h in [52u16, 32, segments.len() as u16, 40, 0, 0] {
            file.extend(h.to_le_bytes());
        }
        let mut at = PAGE;
        for (va, bytes, flags) in &segments {
            let n = bytes.len() as u32;
            for w in [1, at, *va, *va, n, n, *flags, PAGE] {
                file.extend(w.to_le_bytes());
            }
            at = (at + n).next_multiple_of(PAGE);
        }
        for (_, bytes, _) in &segments {
            file.resize(file.len().next_multiple_of(PAGE as usize), 0);
            file.extend(*bytes);
        }
        file
    }
}
