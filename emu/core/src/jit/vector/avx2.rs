//! Operations as host instructions (AVX2), each for one quarter of a vector: a register of 256 bits.

use hexagon_isa::state::layout;
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

use super::ops::{Binary, Compare, Op, Shift, Unary, Width};
use super::writer::{ARGUMENTS, FILE, FIRST, SCALARS, STACK, Writer, pattern};

/// One of the host's registers.
pub(super) type Ymm = u8;

/// Registers that values pass through on their way: two, behind those that hold values.
pub(super) const SCRATCH: [Ymm; 2] = [14, 15];

/// Bytes of a quarter.
pub(super) const BYTES: usize = 32;

/// Bit `k % 8` of the byte that a byte `k` is made of.
const BIT: u64 = 0x8040_2010_0804_0201;

/// Host code that is being written. It is written twice: what constants there are shows only at the end, and where they lie is the
/// same then.
pub(super) struct Encoder {
    w: Writer,
    /// Constants: in lanes of 64 bits, and whole quarters.
    lanes: Vec<u64>,
    quarters: Vec<[u8; BYTES]>,
    entry: usize,
    /// Bytes of the stack that are the function's own.
    frame: usize,
}

fn ymm(n: Ymm) -> Register {
    Register::YMM0 + u32::from(n)
}

fn xmm(n: Ymm) -> Register {
    Register::XMM0 + u32::from(n)
}

/// The place of a value among others; behind them if it is new.
fn place<T: PartialEq>(all: &mut Vec<T>, v: T) -> usize {
    all.iter().position(|known| *known == v).unwrap_or_else(|| {
        all.push(v);
        all.len() - 1
    })
}

impl Encoder {
    /// One whose function has so many bytes of the stack.
    pub(super) fn new(frame: usize) -> Self {
        Self {
            w: Writer::new(),
            lanes: Vec::new(),
            quarters: Vec::new(),
            entry: 0,
            frame,
        }
    }

    /// Begins once more, with the constants that are known now in front of the code.
    pub(super) fn again(&mut self) {
        self.w.bytes.clear();
        self.w.bytes.extend(self.quarters.as_flattened());
        self.w
            .bytes
            .extend(self.lanes.iter().flat_map(|v| v.to_le_bytes()));
        self.entry = self.w.begin_code();
    }

    /// Code and where it begins; `None` if something could not be encoded.
    pub(super) fn finish(self) -> Option<(Vec<u8>, usize)> {
        Some((self.w.finish()?, self.entry))
    }

    fn add(&mut self, instruction: Result<Instruction, IcedError>) {
        self.w.add(instruction);
    }

    /// An instruction with two sources.
    fn three(&mut self, code: Code, to: Ymm, a: Ymm, b: Ymm) {
        self.add(Instruction::with3(code, ymm(to), ymm(a), ymm(b)));
    }

    /// A shift by a number.
    fn by(&mut self, code: Code, to: Ymm, a: Ymm, by: u32) {
        self.add(Instruction::with3(code, ymm(to), ymm(a), by));
    }

    fn memory(base: Register, at: usize) -> MemoryOperand {
        MemoryOperand::with_base_displ(base, at as i64)
    }

    /// The function's own bytes of the stack.
    fn on_stack(at: usize) -> MemoryOperand {
        Self::memory(Register::RSP, at)
    }

    fn load(&mut self, to: Ymm, from: MemoryOperand) {
        self.add(Instruction::with2(Code::VEX_Vmovdqu_ymm_ymmm256, ymm(to), from));
    }

    fn store(&mut self, from: Ymm, to: MemoryOperand) {
        self.add(Instruction::with2(Code::VEX_Vmovdqu_ymmm256_ymm, to, ymm(from)));
    }

    /// The function begins: its part of the stack is taken, and these registers, which are somebody else's, are kept there.
    pub(super) fn enter(&mut self, kept: &[Ymm]) {
        self.move_stack(-(self.frame as i64));
        for (n, at) in kept.iter().zip((0..).step_by(16)) {
            let code = Code::VEX_Vmovdqu_xmmm128_xmm;
            self.add(Instruction::with2(code, Self::on_stack(at), xmm(*n)));
        }
    }

    /// The function ends.
    pub(super) fn leave(&mut self, kept: &[Ymm]) {
        // Code without VEX prefixes would wait for the upper halves, on some hosts.
        self.add(Ok(Instruction::with(Code::VEX_Vzeroupper)));
        for (n, at) in kept.iter().zip((0..).step_by(16)) {
            let code = Code::VEX_Vmovdqu_xmm_xmmm128;
            self.add(Instruction::with2(code, xmm(*n), Self::on_stack(at)));
        }
        self.move_stack(self.frame as i64);
        self.add(Ok(Instruction::with(Code::Retnq)));
    }

    fn move_stack(&mut self, by: i64) {
        if by != 0 {
            // It leaves the host's flags alone, as the whole function does.
            let to = MemoryOperand::with_base_displ(Register::RSP, by);
            self.add(Instruction::with2(Code::Lea_r64_m, Register::RSP, to));
        }
    }

    /// Copies a vector of the register file, or at an address, to the stack.
    pub(super) fn keep_vector(&mut self, op: Op, at: usize) -> Option<()> {
        let [scratch, _] = SCRATCH;
        for quarter in 0..4 {
            self.load(scratch, Self::vector(op, quarter)?);
            self.store(scratch, Self::on_stack(at + BYTES * quarter));
        }
        Some(())
    }

    /// Where a quarter of a vector is.
    fn vector(op: Op, quarter: usize) -> Option<MemoryOperand> {
        let at = BYTES * quarter;
        Some(match op {
            Op::Register(n) | Op::SetRegister(n, _) => {
                Self::memory(FILE, layout::VEC + 128 * usize::from(n) + at)
            }
            Op::Load(argument) | Op::Store(argument, _) => {
                Self::memory(*ARGUMENTS.get(argument + FIRST)?, at)
            }
            _ => return None,
        })
    }

    /// What is done for its own sake.
    pub(super) fn effect(&mut self, op: Op, from: Ymm, quarter: usize) -> Option<()> {
        match op {
            Op::Store(..) | Op::SetRegister(..) => self.store(from, Self::vector(op, quarter)?),
            Op::SetPredicate(n, _) => self.store_predicate(from, usize::from(n), quarter),
            _ => return None,
        }
        Some(())
    }

    /// An operation whose result may be where an operand is. `None`: this host has no instructions for it.
    pub(super) fn operation(&mut self, op: Op, to: Ymm, from: &[Ymm], quarter: usize) -> Option<()> {
        match (op, from) {
            (Op::Register(_) | Op::Load(_), []) => self.load(to, Self::vector(op, quarter)?),
            (Op::Predicate(n), []) => self.load_predicate(to, usize::from(n), quarter),
            (Op::Splat(width, argument), []) => self.splat(to, width, argument),
            (Op::SplatRegister(width, at), []) => self.splat_memory(to, width, Self::memory(SCALARS, at)),
            (Op::Constant(width, v), []) => self.constant(to, pattern(width, v)),
            (Op::Table(v), []) => {
                let at = self.quarter(*v.as_chunks().0.get(quarter)?);
                self.load(to, at);
            }
            (Op::Unary(op, width, _), [a]) => self.unary(op, width, to, *a)?,
            (Op::Binary(op, Width::H, ..), [a, b])
                if matches!(op, Binary::Shl | Binary::ShrS | Binary::ShrU) =>
            {
                self.shift_halves(op, to, *a, *b);
            }
            (Op::Binary(op, width, ..), [a, b]) => self.three(binary(op, width)?, to, *a, *b),
            (Op::Shift(op, width, _, by), [a]) => self.by(shift(op, width)?, to, *a, u32::from(by)),
            (Op::Compare(op, width, ..), [a, b]) => self.compare(op, width, to, *a, *b)?,
            (Op::Select(..), [c, a, b]) => {
                let [scratch, _] = SCRATCH;
                self.three(Code::VEX_Vpand_ymm_ymm_ymmm256, scratch, *c, *a);
                self.three(Code::VEX_Vpandn_ymm_ymm_ymmm256, to, *c, *b);
                self.three(Code::VEX_Vpor_ymm_ymm_ymmm256, to, to, scratch);
            }
            _ => return None,
        }
        Some(())
    }

    /// A quarter of bytes from places that are known, of the vector that was kept on the stack.
    pub(super) fn gather(&mut self, to: Ymm, index: &[u8; 128], kept: usize, quarter: usize) -> Option<()> {
        let index: &[u8; BYTES] = index.as_chunks().0.get(quarter)?;
        let [scratch, _] = SCRATCH;
        // Which sixteenths of the vector each half needs; one of each is done at a time.
        let mut needed = [Vec::new(), Vec::new()];
        for (n, index) in index.iter().enumerate() {
            place(&mut needed[n / 16], usize::from(*index) / 16 % 8);
        }
        let [low, high] = &needed;
        for step in 0..low.len().max(high.len()) {
            let parts = [low, high].map(|part| part.get(step).copied());
            let chosen = std::array::from_fn(|n: usize| {
                let here = parts[n / 16] == Some(usize::from(index[n]) / 16 % 8);
                // The top bit makes it 0.
                if here { index[n] & 15 } else { 0x80 }
            });
            let into = if step == 0 { to } else { scratch };
            let [low, high] = parts.map(|part| Self::on_stack(kept + 16 * part.unwrap_or(0)));
            self.add(Instruction::with2(Code::VEX_Vmovdqu_xmm_xmmm128, xmm(into), low));
            let code = Code::VEX_Vinserti128_ymm_ymm_xmmm128_imm8;
            self.add(Instruction::with4(code, ymm(into), ymm(into), high, 1u32));
            let at = self.quarter(chosen);
            let code = Code::VEX_Vpshufb_ymm_ymm_ymmm256;
            self.add(Instruction::with3(code, ymm(into), ymm(into), at));
            if step > 0 {
                self.three(Code::VEX_Vpor_ymm_ymm_ymmm256, to, to, scratch);
            }
        }
        Some(())
    }

    /// Where a constant quarter lies.
    fn quarter(&mut self, v: [u8; BYTES]) -> MemoryOperand {
        Self::memory(Register::RIP, BYTES * place(&mut self.quarters, v))
    }

    /// Where a constant of 64 bits lies.
    fn lane(&mut self, v: u64) -> MemoryOperand {
        let behind = BYTES * self.quarters.len();
        Self::memory(Register::RIP, behind + 8 * place(&mut self.lanes, v))
    }

    fn constant(&mut self, to: Ymm, v: u64) {
        match v {
            0 => self.three(Code::VEX_Vpxor_ymm_ymm_ymmm256, to, to, to),
            u64::MAX => self.ones(to),
            v => {
                let at = self.lane(v);
                self.add(Instruction::with2(Code::VEX_Vpbroadcastq_ymm_xmmm64, ymm(to), at));
            }
        }
    }

    fn ones(&mut self, to: Ymm) {
        self.three(Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256, to, to, to);
    }

    /// All bits of it the other way round.
    fn not(&mut self, to: Ymm, a: Ymm) {
        let [scratch, _] = SCRATCH;
        self.ones(scratch);
        self.three(Code::VEX_Vpxor_ymm_ymm_ymmm256, to, a, scratch);
    }

    fn splat(&mut self, to: Ymm, width: Width, argument: usize) {
        let Some(register) = ARGUMENTS.get(argument + FIRST) else {
            let at = STACK as usize + self.frame + 8 * (argument + FIRST - ARGUMENTS.len());
            return self.splat_memory(to, width, Self::on_stack(at));
        };
        self.add(Instruction::with2(Code::VEX_Vmovq_xmm_rm64, xmm(to), *register));
        let code = broadcast(width);
        self.add(Instruction::with2(code, ymm(to), xmm(to)));
    }

    fn splat_memory(&mut self, to: Ymm, width: Width, m: MemoryOperand) {
        self.add(Instruction::with2(broadcast(width), ymm(to), m));
    }

    fn predicate(predicate: usize, quarter: usize) -> MemoryOperand {
        Self::memory(FILE, layout::VEC_PRED + 16 * predicate + 4 * quarter)
    }

    /// A byte for each bit.
    fn load_predicate(&mut self, to: Ymm, predicate: usize, quarter: usize) {
        let [scratch, _] = SCRATCH;
        let from = Self::predicate(predicate, quarter);
        self.add(Instruction::with2(
            Code::VEX_Vpbroadcastd_ymm_xmmm32,
            ymm(to),
            from,
        ));
        let spread = self.quarter(std::array::from_fn(|n| (n / 8) as u8));
        let code = Code::VEX_Vpshufb_ymm_ymm_ymmm256;
        self.add(Instruction::with3(code, ymm(to), ymm(to), spread));
        self.constant(scratch, BIT);
        self.three(Code::VEX_Vpand_ymm_ymm_ymmm256, to, to, scratch);
        self.three(Code::VEX_Vpcmpeqb_ymm_ymm_ymmm256, to, to, scratch);
    }

    fn store_predicate(&mut self, from: Ymm, predicate: usize, quarter: usize) {
        let [scratch, _] = SCRATCH;
        // Below the stack's end nobody else writes so near: the host's convention says so.
        let kept = MemoryOperand::with_base_displ(Register::RSP, -8);
        self.add(Instruction::with2(Code::Mov_rm64_r64, kept, Register::RAX));
        // Bit 0 of each byte is what counts; the host takes the sign.
        self.by(Code::VEX_Vpsllw_ymm_ymm_imm8, scratch, from, 7);
        let code = Code::VEX_Vpmovmskb_r32_ymm;
        self.add(Instruction::with2(code, Register::EAX, ymm(scratch)));
        let to = Self::predicate(predicate, quarter);
        self.add(Instruction::with2(Code::Mov_rm32_r32, to, Register::EAX));
        self.add(Instruction::with2(Code::Mov_r64_rm64, Register::RAX, kept));
    }

    fn unary(&mut self, op: Unary, width: Width, to: Ymm, a: Ymm) -> Option<()> {
        let code = match (op, width) {
            (Unary::Copy, _) => Code::VEX_Vmovdqu_ymm_ymmm256,
            (Unary::Not, _) => {
                self.not(to, a);
                return Some(());
            }
            (Unary::Abs, Width::B) => Code::VEX_Vpabsb_ymm_ymmm256,
            (Unary::Abs, Width::H) => Code::VEX_Vpabsw_ymm_ymmm256,
            (Unary::Abs, Width::W) => Code::VEX_Vpabsd_ymm_ymmm256,
            _ => return None,
        };
        self.add(Instruction::with2(code, ymm(to), ymm(a)));
        Some(())
    }

    fn compare(&mut self, op: Compare, width: Width, to: Ymm, a: Ymm, b: Ymm) -> Option<()> {
        let (equal, greater) = match width {
            Width::B => (
                Code::VEX_Vpcmpeqb_ymm_ymm_ymmm256,
                Code::VEX_Vpcmpgtb_ymm_ymm_ymmm256,
            ),
            Width::H => (
                Code::VEX_Vpcmpeqw_ymm_ymm_ymmm256,
                Code::VEX_Vpcmpgtw_ymm_ymm_ymmm256,
            ),
            Width::W => (
                Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256,
                Code::VEX_Vpcmpgtd_ymm_ymm_ymmm256,
            ),
            Width::D => (
                Code::VEX_Vpcmpeqq_ymm_ymm_ymmm256,
                Code::VEX_Vpcmpgtq_ymm_ymm_ymmm256,
            ),
        };
        let [scratch, _] = SCRATCH;
        let negated = match op {
            Compare::Eq | Compare::Ne => {
                self.three(equal, to, a, b);
                op == Compare::Ne
            }
            Compare::LtS => {
                self.three(greater, to, b, a);
                false
            }
            Compare::LeS => {
                self.three(greater, to, a, b);
                true
            }
            // The lesser of the two is the first, or the second.
            Compare::LeU | Compare::LtU => {
                let (of, negated) = if op == Compare::LeU { (a, false) } else { (b, true) };
                self.three(binary(Binary::MinU, width)?, scratch, a, b);
                self.three(equal, to, scratch, of);
                negated
            }
        };
        if negated {
            self.not(to, to);
        }
        Some(())
    }

    /// Shifts of halfwords by amounts of their own: those in the lower and in the upper halves of words, one after the other.
    fn shift_halves(&mut self, op: Binary, to: Ymm, a: Ymm, b: Ymm) {
        let [s, t] = SCRATCH;
        let (and, or) = (Code::VEX_Vpand_ymm_ymm_ymmm256, Code::VEX_Vpor_ymm_ymm_ymmm256);
        let (up, down) = (Code::VEX_Vpslld_ymm_ymm_imm8, Code::VEX_Vpsrld_ymm_ymm_imm8);
        // The lower halves of all words.
        self.ones(t);
        self.by(down, t, t, 16);
        if op == Binary::Shl {
            let left = Code::VEX_Vpsllvd_ymm_ymm_ymmm256;
            self.three(and, s, b, t);
            self.three(left, s, a, s);
            self.three(and, s, s, t);
            self.three(Code::VEX_Vpandn_ymm_ymm_ymmm256, t, t, a);
            self.by(down, to, b, 16);
            self.three(left, to, t, to);
            return self.three(or, to, to, s);
        }
        let signed = op == Binary::ShrS;
        let right = if signed {
            Code::VEX_Vpsravd_ymm_ymm_ymmm256
        } else {
            Code::VEX_Vpsrlvd_ymm_ymm_ymmm256
        };
        if signed {
            self.by(up, s, a, 16);
        } else {
            self.three(and, s, a, t);
        }
        self.three(and, t, b, t);
        self.three(right, s, s, t);
        if signed {
            self.by(down, s, s, 16);
        }
        self.by(down, t, b, 16);
        self.three(right, t, a, t);
        self.by(down, to, t, 16);
        self.by(up, to, to, 16);
        self.three(or, to, to, s);
    }
}

fn broadcast(width: Width) -> Code {
    match width {
        Width::B => Code::VEX_Vpbroadcastb_ymm_xmmm8,
        Width::H => Code::VEX_Vpbroadcastw_ymm_xmmm16,
        Width::W => Code::VEX_Vpbroadcastd_ymm_xmmm32,
        Width::D => Code::VEX_Vpbroadcastq_ymm_xmmm64,
    }
}

/// The host's instruction; `None` if it has none.
fn binary(op: Binary, width: Width) -> Option<Code> {
    use Width::{B, D, H, W};
    Some(match (op, width) {
        (Binary::And, _) => Code::VEX_Vpand_ymm_ymm_ymmm256,
        (Binary::Or, _) => Code::VEX_Vpor_ymm_ymm_ymmm256,
        (Binary::Xor, _) => Code::VEX_Vpxor_ymm_ymm_ymmm256,
        (Binary::Add, B) => Code::VEX_Vpaddb_ymm_ymm_ymmm256,
        (Binary::Add, H) => Code::VEX_Vpaddw_ymm_ymm_ymmm256,
        (Binary::Add, W) => Code::VEX_Vpaddd_ymm_ymm_ymmm256,
        (Binary::Add, D) => Code::VEX_Vpaddq_ymm_ymm_ymmm256,
        (Binary::Sub, B) => Code::VEX_Vpsubb_ymm_ymm_ymmm256,
        (Binary::Sub, H) => Code::VEX_Vpsubw_ymm_ymm_ymmm256,
        (Binary::Sub, W) => Code::VEX_Vpsubd_ymm_ymm_ymmm256,
        (Binary::Sub, D) => Code::VEX_Vpsubq_ymm_ymm_ymmm256,
        (Binary::Mul, H) => Code::VEX_Vpmullw_ymm_ymm_ymmm256,
        (Binary::Mul, W) => Code::VEX_Vpmulld_ymm_ymm_ymmm256,
        (Binary::MinS, B) => Code::VEX_Vpminsb_ymm_ymm_ymmm256,
        (Binary::MinS, H) => Code::VEX_Vpminsw_ymm_ymm_ymmm256,
        (Binary::MinS, W) => Code::VEX_Vpminsd_ymm_ymm_ymmm256,
        (Binary::MinU, B) => Code::VEX_Vpminub_ymm_ymm_ymmm256,
        (Binary::MinU, H) => Code::VEX_Vpminuw_ymm_ymm_ymmm256,
        (Binary::MinU, W) => Code::VEX_Vpminud_ymm_ymm_ymmm256,
        (Binary::MaxS, B) => Code::VEX_Vpmaxsb_ymm_ymm_ymmm256,
        (Binary::MaxS, H) => Code::VEX_Vpmaxsw_ymm_ymm_ymmm256,
        (Binary::MaxS, W) => Code::VEX_Vpmaxsd_ymm_ymm_ymmm256,
        (Binary::MaxU, B) => Code::VEX_Vpmaxub_ymm_ymm_ymmm256,
        (Binary::MaxU, H) => Code::VEX_Vpmaxuw_ymm_ymm_ymmm256,
        (Binary::MaxU, W) => Code::VEX_Vpmaxud_ymm_ymm_ymmm256,
        (Binary::AddSatS, B) => Code::VEX_Vpaddsb_ymm_ymm_ymmm256,
        (Binary::AddSatS, H) => Code::VEX_Vpaddsw_ymm_ymm_ymmm256,
        (Binary::AddSatU, B) => Code::VEX_Vpaddusb_ymm_ymm_ymmm256,
        (Binary::AddSatU, H) => Code::VEX_Vpaddusw_ymm_ymm_ymmm256,
        (Binary::SubSatS, B) => Code::VEX_Vpsubsb_ymm_ymm_ymmm256,
        (Binary::SubSatS, H) => Code::VEX_Vpsubsw_ymm_ymm_ymmm256,
        (Binary::SubSatU, B) => Code::VEX_Vpsubusb_ymm_ymm_ymmm256,
        (Binary::SubSatU, H) => Code::VEX_Vpsubusw_ymm_ymm_ymmm256,
        (Binary::AverageU, B) => Code::VEX_Vpavgb_ymm_ymm_ymmm256,
        (Binary::AverageU, H) => Code::VEX_Vpavgw_ymm_ymm_ymmm256,
        (Binary::Shl, W) => Code::VEX_Vpsllvd_ymm_ymm_ymmm256,
        (Binary::Shl, D) => Code::VEX_Vpsllvq_ymm_ymm_ymmm256,
        (Binary::ShrS, W) => Code::VEX_Vpsravd_ymm_ymm_ymmm256,
        (Binary::ShrU, W) => Code::VEX_Vpsrlvd_ymm_ymm_ymmm256,
        (Binary::ShrU, D) => Code::VEX_Vpsrlvq_ymm_ymm_ymmm256,
        (Binary::MulAdd, W) => Code::VEX_Vpmaddwd_ymm_ymm_ymmm256,
        _ => return None,
    })
}

fn shift(op: Shift, width: Width) -> Option<Code> {
    Some(match (op, width) {
        (Shift::Left, Width::H) => Code::VEX_Vpsllw_ymm_ymm_imm8,
        (Shift::Left, Width::W) => Code::VEX_Vpslld_ymm_ymm_imm8,
        (Shift::Left, Width::D) => Code::VEX_Vpsllq_ymm_ymm_imm8,
        (Shift::Signed, Width::H) => Code::VEX_Vpsraw_ymm_ymm_imm8,
        (Shift::Signed, Width::W) => Code::VEX_Vpsrad_ymm_ymm_imm8,
        (Shift::Unsigned, Width::H) => Code::VEX_Vpsrlw_ymm_ymm_imm8,
        (Shift::Unsigned, Width::W) => Code::VEX_Vpsrld_ymm_ymm_imm8,
        (Shift::Unsigned, Width::D) => Code::VEX_Vpsrlq_ymm_ymm_imm8,
        _ => return None,
    })
}
