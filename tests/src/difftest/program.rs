//! Builds one static Hexagon program from many cases: registers and memory in → packets → registers and memory out.
//!
//! For each case the driver fills a piece of memory (the *area*) and loads every register from the case's record, enters the
//! case's packets, and afterwards stores every register to fixed addresses (so that no register has to survive) and writes
//! them and the area to its output. All 32 general registers belong to the case: the packets are entered through a register
//! whose own value the first packet behind the entry loads, and left through an *exit*, which says in an output word which
//! of them it was. The words come from our own assembler; the ELF header is written by hand.

use hexagon_isa::{EndLoop, Insn, MAX_OPERANDS, Opcode, assemble_packet};

use super::random::Random;

/// QEMU maps files in pages of this size.
const PAGE: u32 = 0x1_0000;
const TEXT: u32 = 0x0001_0000;
const TEXT_LIMIT: u32 = 0x002f_0000;
/// One page: where the current record's address is kept, what the driver remembers, and far enough behind, the output.
const LOW: u32 = 0x0030_0000;
const CURSOR: u32 = LOW;
/// R28 as the case wants it.
const R28_IN: u32 = LOW + 4;
/// Where pokes go that a case does not need.
const NOWHERE: u32 = LOW + 8;
/// What is written out for each case: registers, the area, vectors.
const OUT: u32 = LOW + 0x4000;
/// The memory that packets access.
pub const AREA: u32 = OUT + 4 * SAVED_WORDS as u32;
/// Bytes of it.
pub const AREA_BYTES: usize = 1024;
/// Where saved vectors follow the area.
const OUT_VECTORS: u32 = AREA + AREA_BYTES as u32;
/// Where the contents of vectors and of the area come from.
const POOL: u32 = 0x0038_0000;
/// Vectors in the pool.
pub const POOL_VECTORS: u32 = 512;
const RECORDS: u32 = 0x0040_0000;

/// Words of registers in an output record.
pub const SAVED_WORDS: usize = 64;
/// V0..V31, and Q0..Q3 as bytes.
pub const VECTORS: usize = 36;

/// Control registers of a case, in the order in which its record has them.
pub const CONTROL_IN: [usize; 13] = [4, 6, 7, 11, 12, 13, 0, 1, 2, 3, 10, 17, 8];
/// Control registers in an output record, from word [`FIRST_CONTROL`] on.
pub const CONTROL_OUT: [usize; 14] = [0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 16, 17];
/// Word of an output record that says which exit was taken.
pub const EXIT_WORD: usize = 32;
/// Word of an output record with the first control register.
pub const FIRST_CONTROL: usize = 33;

const ENTRY: usize = 32 + CONTROL_IN.len();
const VECTOR_BASE: usize = ENTRY + 1;
const AREA_FROM: usize = ENTRY + 2;
const POKES: usize = ENTRY + 3;
const MAX_POKES: usize = 2;
const INPUT_WORDS: usize = POKES + 2 * MAX_POKES;

/// Bytes of an output record.
#[must_use]
pub fn record_bytes(hvx: bool) -> usize {
    4 * SAVED_WORDS + AREA_BYTES + if hvx { 128 * VECTORS } else { 0 }
}

/// Where a value that a case needs must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this general register.
    Gpr(usize),
    /// In this control register.
    Control(usize),
    /// At this address of the area.
    Memory(u32),
}

/// A value that a case needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// This one.
    Word(u32),
    /// The address of an exit.
    Exit(usize),
    /// The address of an exit as a return address in a stack frame: scrambled with FRAMEKEY.
    FrameExit(usize),
}

/// Where a branch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To an exit.
    Exit(usize),
    /// To a packet of the case.
    Packet(usize),
}

/// Exits of a case; the first is where it falls out at the end.
pub const EXITS: usize = 3;

/// One packet of a case.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its instructions, in order of their words.
    pub insns: Vec<Insn>,
    /// The loops that it ends.
    pub endloop: EndLoop,
    /// The last two instructions share a word.
    pub duplex: bool,
    /// Targets of its instructions, by their positions: put into the operand `Ii` when the program is laid out.
    pub targets: Vec<(usize, Target)>,
}

impl Shape {
    /// A packet without targets.
    #[must_use]
    pub fn new(insns: Vec<Insn>) -> Shape {
        Shape {
            insns,
            endloop: EndLoop::None,
            duplex: false,
            targets: Vec::new(),
        }
    }

    /// Its words; `at` is its address, `labels` and `exits` are those of its targets.
    fn words(&self, at: u32, labels: &[u32], exits: &[u32]) -> Result<Vec<u32>, String> {
        let mut insns = self.insns.clone();
        for (n, target) in &self.targets {
            let insn = &mut insns[*n];
            let i = insn.info().operand("Ii").ok_or("no target")?;
            let to = match target {
                Target::Exit(k) => exits[*k],
                Target::Packet(k) => labels[*k],
            };
            insn.v[i] = to.wrapping_sub(at) as i32;
        }
        assemble_packet(&insns, self.endloop, self.duplex).map_err(|e| e.to_string())
    }
}

/// The packets of a case and what must be true for them to make sense.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// The instruction that it is about, if it is about one.
    pub about: Option<Opcode>,
    /// What kind of case it is.
    pub kind: &'static str,
    /// Its packets.
    pub packets: Vec<Shape>,
    /// Values that it needs.
    pub fixed: Vec<(Place, Value)>,
    /// It computes with floating-point numbers.
    pub float: bool,
    /// Address registers must not run away: modifiers are small.
    pub calm: bool,
}

impl Fragment {
    /// Some instruction works on vectors.
    #[must_use]
    pub fn hvx(&self) -> bool {
        let mut insns = self.packets.iter().flat_map(|p| &p.insns);
        insns.any(|i| i.info().flags.any(hexagon_isa::info::Flags::HVX))
    }
}

/// Registers and memory before the packets.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// General registers.
    pub r: [u32; 32],
    /// Control registers, as [`CONTROL_IN`].
    pub control: [u32; CONTROL_IN.len()],
    /// The vector of the pool that V0 is; the others follow.
    pub vectors: u32,
    /// The doubleword of the pool that the area begins with.
    pub area: u32,
}

impl Input {
    /// A control register's value.
    #[must_use]
    pub fn control(&self, c: usize) -> u32 {
        let at = CONTROL_IN.iter().position(|x| *x == c);
        at.map_or(0, |at| self.control[at])
    }

    /// Sets a control register.
    pub fn set_control(&mut self, c: usize, v: u32) {
        if let Some(at) = CONTROL_IN.iter().position(|x| *x == c) {
            self.control[at] = v;
        }
    }
}

/// Where a fragment was laid.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    entry: u32,
    exits: [u32; EXITS],
}

/// An instruction; `producer` is the position of what it consumes as `.new`.
#[must_use]
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

/// The pool that belongs to a random stream: vectors of random bytes, of edge values of each lane width, of small
/// numbers, of floating-point numbers.
#[must_use]
pub fn pool(rng: &mut Random) -> Vec<u8> {
    let mut pool = Vec::with_capacity(POOL_VECTORS as usize * 128);
    for _ in 0..POOL_VECTORS {
        let kind = rng.below(10);
        let splat = rng.bits();
        for k in 0..32 {
            let word = match kind {
                0 => u32::from_le_bytes([0; 4].map(|_: u8| rng.pick(&[0, 0xff, 0x80, 0x7f, 1, 0xfe]))),
                1 => {
                    let [a, b] = [0; 2].map(|_: u8| rng.pick(&[0u32, 0xffff, 0x8000, 0x7fff, 1, 0x8001]));
                    a | b << 16
                }
                2 => rng.pick(&super::input::WORDS),
                3 => u32::from_le_bytes([0; 4].map(|_: u8| rng.below(32) as u8)),
                4 => super::input::float(rng),
                5 => {
                    let [a, b] = [0; 2].map(|_: u8| super::input::half_float(rng));
                    u32::from(a) | u32::from(b) << 16
                }
                6 => splat,
                7 => u32::from_le_bytes([0, 1, 2, 3].map(|j: u8| (k as u8 * 4 + j) ^ splat as u8)),
                _ => rng.bits(),
            };
            pool.extend(word.to_le_bytes());
        }
    }
    pool
}

/// A program under construction.
#[derive(Debug)]
pub struct Program {
    text: Vec<u32>,
    records: Vec<u8>,
    pool: Vec<u8>,
    /// Where the driver goes on after a case.
    back: u32,
    hvx: bool,
}

impl Program {
    /// An empty one; with `hvx` vectors are loaded and saved too.
    #[must_use]
    pub fn new(hvx: bool, pool: Vec<u8>) -> Program {
        Program {
            // The first words jump to the driver, which is laid down at the end; cases come back to the third.
            text: vec![0; 4],
            records: Vec::new(),
            pool,
            back: TEXT + 8,
            hvx,
        }
    }

    fn here(&self) -> u32 {
        TEXT + 4 * self.text.len() as u32
    }

    fn packet(&mut self, insns: &[Insn], endloop: EndLoop) {
        let words = assemble_packet(insns, endloop, false).expect("the driver's packets assemble");
        self.text.extend(words);
    }

    fn emit(&mut self, op: Opcode, v: &[i32]) {
        self.packet(&[insn(op, v, None)], EndLoop::None);
    }

    /// Two words that jump to `to`.
    fn jump_words(from: u32, to: u32) -> [u32; 2] {
        let offset = to.wrapping_sub(from) as i32;
        let one = |op, v: &[i32]| assemble_packet(&[insn(op, v, None)], EndLoop::None, false);
        let mut words = one(Opcode::J2_jump, &[offset]).expect("a jump");
        words.extend(one(Opcode::A2_nop, &[]).expect("a nop"));
        [words[0], words[1]]
    }

    /// Adds a fragment; says why it cannot be assembled.
    ///
    /// # Errors
    /// The assembler's.
    pub fn add_fragment(&mut self, f: &Fragment) -> Result<Placed, String> {
        let entry = self.here();
        if entry > TEXT_LIMIT {
            return Err("the program is full".to_owned());
        }
        let way_in = assemble_packet(
            &[insn(Opcode::PS_loadriabs, &[28, R28_IN as i32], None)],
            EndLoop::None,
            false,
        )
        .map_err(|e| e.to_string())?;
        // The packets' lengths first: no target is so far that it would change one.
        let start = entry + 4 * way_in.len() as u32;
        let mut labels = Vec::new();
        let mut at = start;
        for p in &f.packets {
            labels.push(at);
            let here = vec![at; f.packets.len() + 1];
            at += 4 * p.words(at, &here, &[at; EXITS])?.len() as u32;
        }
        labels.push(at);
        const EXIT_BYTES: u32 = 16;
        let exits = [0, 1, 2].map(|k| at + EXIT_BYTES * k);
        let undo = self.text.len();
        self.text.extend(way_in);
        for (p, at) in f.packets.iter().zip(&labels) {
            match p.words(*at, &labels, &exits) {
                Ok(words) => self.text.extend(words),
                Err(e) => {
                    self.text.truncate(undo);
                    return Err(e);
                }
            }
        }
        if self.here() != exits[0] {
            self.text.truncate(undo);
            return Err("a target changed a packet's length".to_owned());
        }
        for k in 0..EXITS {
            self.emit(Opcode::PS_storeriabs, &[(OUT + 4 * 28) as i32, 28]);
            self.emit(Opcode::A2_tfrsi, &[28, k as i32]);
            let words = Self::jump_words(self.here(), self.back);
            self.text.push(words[0]);
        }
        Ok(Placed { entry, exits })
    }

    /// Adds a case: the fragment at `placed` with these registers. What the fragment needs is put into `input`.
    pub fn add_case(&mut self, f: &Fragment, placed: &Placed, input: &Input) {
        let mut words = [0u32; INPUT_WORDS];
        let mut pokes = 0;
        let mut input = input.clone();
        for (place, value) in &f.fixed {
            let value = match value {
                Value::Word(w) => *w,
                Value::Exit(k) => placed.exits[*k],
                Value::FrameExit(k) => placed.exits[*k] ^ input.control(17),
            };
            match place {
                Place::Gpr(n) => input.r[*n] = value,
                Place::Control(c) => input.set_control(*c, value),
                Place::Memory(at) => {
                    words[POKES + 2 * pokes] = *at;
                    words[POKES + 2 * pokes + 1] = value;
                    pokes += 1;
                }
            }
        }
        for k in pokes..MAX_POKES {
            words[POKES + 2 * k] = NOWHERE;
        }
        words[..32].copy_from_slice(&input.r);
        words[32..ENTRY].copy_from_slice(&input.control);
        words[ENTRY] = placed.entry;
        words[VECTOR_BASE] = POOL + 128 * (input.vectors % (POOL_VECTORS - 32));
        words[AREA_FROM] = POOL + 8 * (input.area % (16 * POOL_VECTORS - AREA_BYTES as u32 / 8));
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

    fn field(&mut self, r: i32, word: usize) {
        self.emit(Opcode::L2_loadri_io, &[r, 28, 4 * word as i32]);
    }

    /// The driver's part before a case; returns where the jump to the end must be put.
    fn way_in(&mut self) -> usize {
        self.load_absolute(28, CURSOR);
        let end = RECORDS + self.records.len() as u32;
        self.emit(Opcode::C2_cmpeqi, &[0, 28, end as i32]);
        let exit_check = self.text.len();
        self.text.extend([0, 0]);
        // The area.
        self.field(0, AREA_FROM);
        self.emit(Opcode::A2_tfrsi, &[1, AREA as i32]);
        self.emit(Opcode::J2_loop0i, &[4, AREA_BYTES as i32 / 8]);
        self.emit(Opcode::L2_loadrd_pi, &[2, 0, 8]);
        let nop = insn(Opcode::A2_nop, &[], None);
        self.packet(
            &[nop, insn(Opcode::S2_storerd_pi, &[1, 8, 2], None)],
            EndLoop::Loop0,
        );
        for k in 0..MAX_POKES {
            self.field(0, POKES + 2 * k);
            self.field(1, POKES + 2 * k + 1);
            self.emit(Opcode::S2_storeri_io, &[0, 0, 1]);
        }
        if self.hvx {
            self.field(0, VECTOR_BASE);
            for v in 0..32 {
                self.emit(Opcode::V6_vL32b_pi, &[v, 0, 1]);
            }
            self.emit(Opcode::A2_tfrsi, &[1, 0x0101_0101]);
            for q in 0..4 {
                self.emit(Opcode::V6_vandvrt, &[q, 8 + q, 1]);
            }
        }
        for (k, c) in CONTROL_IN.into_iter().enumerate() {
            self.field(0, 32 + k);
            self.emit(Opcode::A2_tfrrcr, &[c as i32, 0]);
        }
        self.field(0, 28);
        self.store_absolute(R28_IN, 0);
        for k in (0..32).filter(|k| *k != 28) {
            self.field(k as i32, k);
        }
        self.field(28, ENTRY);
        self.emit(Opcode::J2_jumpr, &[28]);
        exit_check
    }

    /// The driver's part after a case.
    fn way_out(&mut self) {
        for r in (0..32).filter(|r| *r != 28) {
            self.store_absolute(OUT + 4 * r as u32, r);
        }
        self.store_absolute(OUT + 4 * EXIT_WORD as u32, 28);
        for (k, c) in CONTROL_OUT.into_iter().enumerate() {
            self.emit(Opcode::A2_tfrcrr, &[0, c as i32]);
            self.store_absolute(OUT + 4 * (FIRST_CONTROL + k) as u32, 0);
        }
        if self.hvx {
            self.emit(Opcode::A2_tfrsi, &[0, OUT_VECTORS as i32]);
            for v in 0..32 {
                self.emit(Opcode::V6_vS32b_pi, &[0, 1, v]);
            }
            self.emit(Opcode::A2_tfrsi, &[1, -1]);
            for q in 0..4 {
                self.emit(Opcode::V6_vandqrt, &[12, q, 1]);
                self.emit(Opcode::V6_vS32b_pi, &[0, 1, 12]);
            }
        }
        self.syscall(64, &[1, OUT as i32, record_bytes(self.hvx) as i32]);
        self.load_absolute(0, CURSOR);
        self.emit(Opcode::A2_addi, &[0, 0, 4 * INPUT_WORDS as i32]);
        self.store_absolute(CURSOR, 0);
    }

    /// Lays down the driver and returns the ELF file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let top = self.here();
        let exit_check = self.way_in();
        let back = self.here();
        self.way_out();
        let words = Self::jump_words(self.here(), top);
        self.text.extend(words);
        let exit = self.here();
        self.syscall(94, &[0]);
        let from = TEXT + 4 * exit_check as u32;
        let far = exit.wrapping_sub(from) as i32;
        let mut words = assemble_packet(&[insn(Opcode::J2_jumpt, &[0, far], None)], EndLoop::None, false)
            .expect("a conditional jump");
        words.extend(
            assemble_packet(&[insn(Opcode::A2_nop, &[], None)], EndLoop::None, false).expect("a nop"),
        );
        self.text[exit_check..exit_check + 2].copy_from_slice(&words[..2]);
        self.text[..2].copy_from_slice(&Self::jump_words(TEXT, top));
        self.text[2..4].copy_from_slice(&Self::jump_words(TEXT + 8, back));
        self.elf()
    }

    fn elf(&self) -> Vec<u8> {
        let text: Vec<u8> = self.text.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut low = vec![0u8; PAGE as usize];
        low[..4].copy_from_slice(&RECORDS.to_le_bytes());
        let segments: [(u32, &[u8], u32); 4] = [
            (TEXT, &text, 5),
            (LOW, &low, 6),
            (POOL, &self.pool, 6),
            (RECORDS, &self.records, 6),
        ];
        let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
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
