//! The way from the emulator's code into a unit: a function for the host's own convention (System V's of x86-64, where registers, the
//! [`Context`], which way in and the unit's code come in rdi, rsi, rdx and rcx) that calls the unit, which has the first three in the
//! same places.
//!
//! It keeps what its caller wants back on its stack, so that [`fault`](super::fault) can come back here from the middle of any unit.

use std::mem::offset_of;

use iced_x86::{Code, Encoder, IcedError, Instruction, MemoryOperand, Register};

use super::context::Context;

/// What a function has to leave as it finds it, besides rbp and rsp.
const KEPT: [Register; 5] = [
    Register::RBX,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// Room that has the stack aligned to 16 bytes when the unit is called.
const ROOM: i32 = 8;

/// Its bytes, which do not depend on where they are.
///
/// # Errors
/// None of these instructions has any.
pub(super) fn way_in() -> Result<Vec<u8>, IcedError> {
    use Register::{RBP, RCX, RSI, RSP};

    let stack = MemoryOperand::with_base_displ(RSI, offset_of!(Context, stack) as i64);
    let mut code = vec![
        Instruction::with1(Code::Push_r64, RBP)?,
        Instruction::with2(Code::Mov_rm64_r64, RBP, RSP)?,
    ];
    for register in KEPT {
        code.push(Instruction::with1(Code::Push_r64, register)?);
    }
    code.extend([
        Instruction::with2(Code::Sub_rm64_imm8, RSP, ROOM)?,
        Instruction::with2(Code::Mov_rm64_r64, stack, RSP)?,
        Instruction::with1(Code::Call_rm64, RCX)?,
        Instruction::with2(Code::Add_rm64_imm8, RSP, ROOM)?,
    ]);
    for register in KEPT.into_iter().rev() {
        code.push(Instruction::with1(Code::Pop_r64, register)?);
    }
    code.push(Instruction::with1(Code::Pop_r64, RBP)?);
    code.push(Instruction::with(Code::Retnq));
    let mut encoder = Encoder::new(64);
    for insn in code {
        encoder.encode(&insn, 0)?;
    }
    Ok(encoder.take_buffer())
}
