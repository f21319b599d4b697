//! Operations as host instructions (AVX-512), each for both halves of a vector.

use hexagon_isa::state::layout;
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

use super::ops::{Binary, Compare, Op, Shift, Unary, Width};
use super::writer::{ARGUMENTS, FILE, FIRST, SCALARS, STACK, Writer, pattern};

/// Two of the host's registers that follow each other.
pub(super) type Pair = u8;

/// The pair that values pass through on their way.
pub(super) const SCRATCH: Pair = 15;

pub(super) struct Encoder {
    w: Writer,
    /// Where constants are: pattern of 64 bits, offset.
    constants: Vec<(u64, usize)>,
    /// The same of whole vectors.
    tables: Vec<([u8; 128], usize)>,
    entry: usize,
}

fn zmm(pair: Pair, half: u8) -> Register {
    Register::ZMM0 + u32::from(2 * pair + half)
}

impl Encoder {
    /// One for a function that uses these constants.
    pub(super) fn new(constants: impl Iterator<Item = Op>) -> Self {
        let mut e = Self {
            w: Writer::new(),
            constants: Vec::new(),
            tables: Vec::new(),
            entry: 0,
        };
        for op in constants {
            match op {
                Op::Constant(width, v) => {
                    let v = pattern(width, v);
                    let plain = v == 0 || v == u64::MAX;
                    if !plain && e.constants.iter().all(|c| c.0 != v) {
                        e.constants.push((v, e.w.bytes.len()));
                        e.w.bytes.extend(v.to_le_bytes());
                    }
                }
                Op::Table(v) if e.tables.iter().all(|c| c.0 != v) => {
                    e.tables.push((v, e.w.bytes.len()));
                    e.w.bytes.extend(v);
                }
                _ => {}
            }
        }
        e.entry = e.w.begin_code();
        e
    }

    /// Code and where it begins; `None` if something could not be encoded.
    pub(super) fn finish(mut self) -> Option<(Vec<u8>, usize)> {
        self.add(Ok(Instruction::with(Code::Retnq)));
        Some((self.w.finish()?, self.entry))
    }

    fn add(&mut self, instruction: Result<Instruction, IcedError>) {
        self.w.add(instruction);
    }

    fn in_file(at: usize) -> MemoryOperand {
        MemoryOperand::with_base_displ(FILE, at as i64)
    }

    /// A vector of the register file.
    pub(super) fn load_file(&mut self, to: Pair, at: usize) {
        self.load_at(to, FILE, at);
    }

    pub(super) fn store_file(&mut self, from: Pair, at: usize) {
        self.store_at(from, FILE, at);
    }

    fn load_at(&mut self, to: Pair, base: Register, at: usize) {
        for half in 0..2 {
            let m = MemoryOperand::with_base_displ(base, at as i64 + 64 * i64::from(half));
            self.add(Instruction::with2(
                Code::EVEX_Vmovdqu64_zmm_k1z_zmmm512,
                zmm(to, half),
                m,
            ));
        }
    }

    fn store_at(&mut self, from: Pair, base: Register, at: usize) {
        for half in 0..2 {
            let m = MemoryOperand::with_base_displ(base, at as i64 + 64 * i64::from(half));
            self.add(Instruction::with2(
                Code::EVEX_Vmovdqu64_zmmm512_k1z_zmm,
                m,
                zmm(from, half),
            ));
        }
    }

    /// To the address that is this argument.
    pub(super) fn store(&mut self, from: Pair, argument: usize) {
        match ARGUMENTS.get(argument + FIRST) {
            Some(base) => self.store_at(from, *base, 0),
            None => self.w.fail(),
        }
    }

    pub(super) fn copy(&mut self, to: Pair, from: Pair) {
        for half in 0..2 {
            let code = Code::EVEX_Vmovdqa64_zmm_k1z_zmmm512;
            self.add(Instruction::with2(code, zmm(to, half), zmm(from, half)));
        }
    }

    pub(super) fn store_predicate(&mut self, from: Pair, predicate: usize) {
        for half in 0..2 {
            // Bit 0 of each byte is what counts; the host takes the sign.
            let up = Code::EVEX_Vpsllw_zmm_k1z_zmmm512_imm8;
            let scratch = zmm(SCRATCH, half);
            self.add(Instruction::with3(up, scratch, zmm(from, half), 7u32));
            self.add(Instruction::with2(
                Code::EVEX_Vpmovb2m_kr_zmm,
                Register::K1,
                scratch,
            ));
            let at = layout::VEC_PRED + predicate * 16 + 8 * usize::from(half);
            self.add(Instruction::with2(
                Code::VEX_Kmovq_m64_kr,
                Self::in_file(at),
                Register::K1,
            ));
        }
    }

    /// An operation whose result may be where an operand is. `None`: it is none of these.
    pub(super) fn operation(&mut self, op: Op, to: Pair, from: &[Pair]) -> Option<()> {
        match (op, from) {
            (Op::Load(argument), []) => self.load_at(to, *ARGUMENTS.get(argument + FIRST)?, 0),
            (Op::Predicate(n), []) => self.load_predicate(to, usize::from(n)),
            (Op::Splat(width, argument), []) => self.splat(to, width, argument),
            (Op::SplatRegister(width, at), []) => {
                let m = MemoryOperand::with_base_displ(SCALARS, at as i64);
                self.splat_memory(to, width, m);
            }
            (Op::Constant(width, v), []) => self.constant(to, pattern(width, v))?,
            (Op::Table(v), []) => {
                let at = self.tables.iter().find(|t| t.0 == v)?.1;
                self.load_at(to, Register::RIP, at);
            }
            (Op::Unary(op, width, _), [a]) => self.unary(op, width, to, *a)?,
            (Op::Binary(op, width, ..), [a, b]) => {
                let code = binary(op, width)?;
                for half in 0..2 {
                    let (to, a, b) = (zmm(to, half), zmm(*a, half), zmm(*b, half));
                    self.add(Instruction::with3(code, to, a, b));
                }
            }
            (Op::Shift(op, width, _, by), [a]) => {
                let code = shift(op, width)?;
                for half in 0..2 {
                    let (to, a) = (zmm(to, half), zmm(*a, half));
                    self.add(Instruction::with3(code, to, a, u32::from(by)));
                }
            }
            (Op::Compare(op, width, ..), [a, b]) => self.compare(op, width, to, *a, *b),
            _ => return None,
        }
        Some(())
    }

    /// An operation whose first operand is where its result is to be.
    pub(super) fn onto(&mut self, op: Op, to: Pair, others: &[Pair]) -> Option<()> {
        if let (Op::Gather(width, ..), &[table]) = (op, others) {
            let code = match width {
                Width::B => Code::EVEX_Vpermi2b_zmm_k1z_zmm_zmmm512,
                Width::H => Code::EVEX_Vpermi2w_zmm_k1z_zmm_zmmm512,
                Width::W => Code::EVEX_Vpermi2d_zmm_k1z_zmm_zmmm512b32,
                Width::D => Code::EVEX_Vpermi2q_zmm_k1z_zmm_zmmm512b64,
            };
            for half in 0..2 {
                self.add(Instruction::with3(
                    code,
                    zmm(to, half),
                    zmm(table, 0),
                    zmm(table, 1),
                ));
            }
            return Some(());
        }
        let &[b, c] = others else { return None };
        for half in 0..2 {
            let (to, b, c) = (zmm(to, half), zmm(b, half), zmm(c, half));
            match op {
                Op::Dot(..) => {
                    let code = Code::EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32;
                    self.add(Instruction::with3(code, to, b, c));
                }
                // first ? second : third
                Op::Select(..) => self.ternary(to, b, c, 0xca),
                _ => return None,
            }
        }
        Some(())
    }

    fn ternary(&mut self, a: Register, b: Register, c: Register, table: u32) {
        let code = Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8;
        self.add(Instruction::with4(code, a, b, c, table));
    }

    fn load_predicate(&mut self, to: Pair, predicate: usize) {
        for half in 0..2 {
            let at = layout::VEC_PRED + predicate * 16 + 8 * usize::from(half);
            self.add(Instruction::with2(
                Code::VEX_Kmovq_kr_km64,
                Register::K1,
                Self::in_file(at),
            ));
            self.add(Instruction::with2(
                Code::EVEX_Vpmovm2b_zmm_kr,
                zmm(to, half),
                Register::K1,
            ));
        }
    }

    fn splat(&mut self, to: Pair, width: Width, argument: usize) {
        let Some(register) = ARGUMENTS.get(argument + FIRST) else {
            let at = STACK + 8 * (argument + FIRST - ARGUMENTS.len()) as i64;
            let m = MemoryOperand::with_base_displ(Register::RSP, at);
            return self.splat_memory(to, width, m);
        };
        let code = match width {
            Width::B => Code::EVEX_Vpbroadcastb_zmm_k1z_r32,
            Width::H => Code::EVEX_Vpbroadcastw_zmm_k1z_r32,
            Width::W => Code::EVEX_Vpbroadcastd_zmm_k1z_r32,
            Width::D => Code::EVEX_Vpbroadcastq_zmm_k1z_r64,
        };
        // The 32-bit registers stand in the same order as the 64-bit ones.
        let register = match width {
            Width::D => *register,
            _ => Register::EAX + (*register as u32 - Register::RAX as u32),
        };
        for half in 0..2 {
            self.add(Instruction::with2(code, zmm(to, half), register));
        }
    }

    fn splat_memory(&mut self, to: Pair, width: Width, m: MemoryOperand) {
        let code = match width {
            Width::B => Code::EVEX_Vpbroadcastb_zmm_k1z_xmmm8,
            Width::H => Code::EVEX_Vpbroadcastw_zmm_k1z_xmmm16,
            Width::W => Code::EVEX_Vpbroadcastd_zmm_k1z_xmmm32,
            Width::D => Code::EVEX_Vpbroadcastq_zmm_k1z_xmmm64,
        };
        for half in 0..2 {
            self.add(Instruction::with2(code, zmm(to, half), m));
        }
    }

    fn constant(&mut self, to: Pair, v: u64) -> Option<()> {
        let at = match v {
            0 | u64::MAX => None,
            v => Some(self.constants.iter().find(|c| c.0 == v)?.1),
        };
        for half in 0..2 {
            let to = zmm(to, half);
            match at {
                Some(at) => {
                    // Constants are at offsets as code is, so the distance is right wherever both are.
                    let m = MemoryOperand::with_base_displ(Register::RIP, at as i64);
                    self.add(Instruction::with2(Code::EVEX_Vpbroadcastq_zmm_k1z_xmmm64, to, m));
                }
                None if v == 0 => {
                    let code = Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32;
                    self.add(Instruction::with3(code, to, to, to));
                }
                None => self.ternary(to, to, to, 0xff),
            }
        }
        Some(())
    }

    fn unary(&mut self, op: Unary, width: Width, to: Pair, a: Pair) -> Option<()> {
        let code = match (op, width) {
            (Unary::Copy, _) => {
                self.copy(to, a);
                return Some(());
            }
            (Unary::Not, _) => {
                // Whatever the first two are: not the third.
                for half in 0..2 {
                    let (to, a) = (zmm(to, half), zmm(a, half));
                    self.ternary(to, a, a, 0x55);
                }
                return Some(());
            }
            (Unary::Abs, Width::B) => Code::EVEX_Vpabsb_zmm_k1z_zmmm512,
            (Unary::Abs, Width::H) => Code::EVEX_Vpabsw_zmm_k1z_zmmm512,
            (Unary::Abs, Width::W) => Code::EVEX_Vpabsd_zmm_k1z_zmmm512b32,
            (Unary::Abs, Width::D) => Code::EVEX_Vpabsq_zmm_k1z_zmmm512b64,
            (Unary::Clz, Width::W) => Code::EVEX_Vplzcntd_zmm_k1z_zmmm512b32,
            (Unary::Clz, Width::D) => Code::EVEX_Vplzcntq_zmm_k1z_zmmm512b64,
            (Unary::Clz, _) => return None,
            (Unary::Popcount, Width::B) => Code::EVEX_Vpopcntb_zmm_k1z_zmmm512,
            (Unary::Popcount, Width::H) => Code::EVEX_Vpopcntw_zmm_k1z_zmmm512,
            (Unary::Popcount, Width::W) => Code::EVEX_Vpopcntd_zmm_k1z_zmmm512b32,
            (Unary::Popcount, Width::D) => Code::EVEX_Vpopcntq_zmm_k1z_zmmm512b64,
        };
        for half in 0..2 {
            self.add(Instruction::with2(code, zmm(to, half), zmm(a, half)));
        }
        Some(())
    }

    fn compare(&mut self, op: Compare, width: Width, to: Pair, a: Pair, b: Pair) {
        let (signed, predicate) = match op {
            Compare::Eq => (true, 0u32),
            Compare::LtS => (true, 1),
            Compare::LeS => (true, 2),
            Compare::Ne => (true, 4),
            Compare::LtU => (false, 1),
            Compare::LeU => (false, 2),
        };
        let (code, back) = match (width, signed) {
            (Width::B, true) => (
                Code::EVEX_Vpcmpb_kr_k1_zmm_zmmm512_imm8,
                Code::EVEX_Vpmovm2b_zmm_kr,
            ),
            (Width::B, false) => (
                Code::EVEX_Vpcmpub_kr_k1_zmm_zmmm512_imm8,
                Code::EVEX_Vpmovm2b_zmm_kr,
            ),
            (Width::H, true) => (
                Code::EVEX_Vpcmpw_kr_k1_zmm_zmmm512_imm8,
                Code::EVEX_Vpmovm2w_zmm_kr,
            ),
            (Width::H, false) => (
                Code::EVEX_Vpcmpuw_kr_k1_zmm_zmmm512_imm8,
                Code::EVEX_Vpmovm2w_zmm_kr,
            ),
            (Width::W, true) => (
                Code::EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8,
                Code::EVEX_Vpmovm2d_zmm_kr,
            ),
            (Width::W, false) => (
                Code::EVEX_Vpcmpud_kr_k1_zmm_zmmm512b32_imm8,
                Code::EVEX_Vpmovm2d_zmm_kr,
            ),
            (Width::D, true) => (
                Code::EVEX_Vpcmpq_kr_k1_zmm_zmmm512b64_imm8,
                Code::EVEX_Vpmovm2q_zmm_kr,
            ),
            (Width::D, false) => (
                Code::EVEX_Vpcmpuq_kr_k1_zmm_zmmm512b64_imm8,
                Code::EVEX_Vpmovm2q_zmm_kr,
            ),
        };
        for half in 0..2 {
            let (to, a, b) = (zmm(to, half), zmm(a, half), zmm(b, half));
            self.add(Instruction::with4(code, Register::K1, a, b, predicate));
            self.add(Instruction::with2(back, to, Register::K1));
        }
    }
}

/// The host's instruction; `None` if it has none.
fn binary(op: Binary, width: Width) -> Option<Code> {
    let of = |b, h, w, d| match width {
        Width::B => b,
        Width::H => h,
        Width::W => w,
        Width::D => d,
    };
    match op {
        Binary::And => Some(Code::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32),
        Binary::Or => Some(Code::EVEX_Vpord_zmm_k1z_zmm_zmmm512b32),
        Binary::Xor => Some(Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32),
        Binary::Add => of(
            Some(Code::EVEX_Vpaddb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpaddw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpaddq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::Sub => of(
            Some(Code::EVEX_Vpsubb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpsubw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpsubq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::Mul => of(
            None,
            Some(Code::EVEX_Vpmullw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpmullq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::MinS => of(
            Some(Code::EVEX_Vpminsb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpminsw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpminsq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::MinU => of(
            Some(Code::EVEX_Vpminub_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpminuw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpminud_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpminuq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::MaxS => of(
            Some(Code::EVEX_Vpmaxsb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpmaxsw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpmaxsq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::MaxU => of(
            Some(Code::EVEX_Vpmaxub_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpmaxuw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpmaxud_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpmaxuq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::AddSatS => of(
            Some(Code::EVEX_Vpaddsb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpaddsw_zmm_k1z_zmm_zmmm512),
            None,
            None,
        ),
        Binary::AddSatU => of(
            Some(Code::EVEX_Vpaddusb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpaddusw_zmm_k1z_zmm_zmmm512),
            None,
            None,
        ),
        Binary::SubSatS => of(
            Some(Code::EVEX_Vpsubsb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpsubsw_zmm_k1z_zmm_zmmm512),
            None,
            None,
        ),
        Binary::SubSatU => of(
            Some(Code::EVEX_Vpsubusb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpsubusw_zmm_k1z_zmm_zmmm512),
            None,
            None,
        ),
        Binary::AverageU => of(
            Some(Code::EVEX_Vpavgb_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpavgw_zmm_k1z_zmm_zmmm512),
            None,
            None,
        ),
        Binary::Shl => of(
            None,
            Some(Code::EVEX_Vpsllvw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpsllvd_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpsllvq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::ShrS => of(
            None,
            Some(Code::EVEX_Vpsravw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpsravd_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpsravq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::ShrU => of(
            None,
            Some(Code::EVEX_Vpsrlvw_zmm_k1z_zmm_zmmm512),
            Some(Code::EVEX_Vpsrlvd_zmm_k1z_zmm_zmmm512b32),
            Some(Code::EVEX_Vpsrlvq_zmm_k1z_zmm_zmmm512b64),
        ),
        Binary::MulAdd => (width == Width::W).then_some(Code::EVEX_Vpmaddwd_zmm_k1z_zmm_zmmm512),
    }
}

fn shift(op: Shift, width: Width) -> Option<Code> {
    Some(match (op, width) {
        (_, Width::B) => return None,
        (Shift::Left, Width::H) => Code::EVEX_Vpsllw_zmm_k1z_zmmm512_imm8,
        (Shift::Left, Width::W) => Code::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8,
        (Shift::Left, Width::D) => Code::EVEX_Vpsllq_zmm_k1z_zmmm512b64_imm8,
        (Shift::Signed, Width::H) => Code::EVEX_Vpsraw_zmm_k1z_zmmm512_imm8,
        (Shift::Signed, Width::W) => Code::EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8,
        (Shift::Signed, Width::D) => Code::EVEX_Vpsraq_zmm_k1z_zmmm512b64_imm8,
        (Shift::Unsigned, Width::H) => Code::EVEX_Vpsrlw_zmm_k1z_zmmm512_imm8,
        (Shift::Unsigned, Width::W) => Code::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8,
        (Shift::Unsigned, Width::D) => Code::EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8,
    })
}
