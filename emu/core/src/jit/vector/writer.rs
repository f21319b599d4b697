//! Host instructions one after the other, and what functions on vectors are handed: both kinds of hosts write with this.

use iced_x86::{IcedError, Instruction, Register};

use super::ops::Width;

/// The vector registers, the scalar ones, then addresses and values; others are on the stack.
pub(super) const ARGUMENTS: [Register; 6] = [
    Register::RDI,
    Register::RSI,
    Register::RDX,
    Register::RCX,
    Register::R8,
    Register::R9,
];
pub(super) const FILE: Register = ARGUMENTS[0];
pub(super) const SCALARS: Register = ARGUMENTS[1];
/// Where an argument is, if it is in a register.
pub(super) const FIRST: usize = 2;

/// The first argument on the stack, behind the return address.
pub(super) const STACK: i64 = 8;

/// The lanes of a constant as 64 bits.
pub(super) fn pattern(width: Width, v: u64) -> u64 {
    match width {
        Width::B => v * 0x0101_0101_0101_0101,
        Width::H => v * 0x0001_0001_0001_0001,
        Width::W => v * 0x0000_0001_0000_0001,
        Width::D => v,
    }
}

/// Writes host instructions.
pub(super) struct Writer {
    /// What was written, constants in front of it.
    pub(super) bytes: Vec<u8>,
    host: iced_x86::Encoder,
    /// What could not be encoded.
    failed: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            host: iced_x86::Encoder::new(64),
            failed: false,
        }
    }

    /// Something cannot be encoded.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// Where code begins behind the constants.
    pub(super) fn begin_code(&mut self) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0xcc);
        self.bytes.len()
    }

    pub(super) fn add(&mut self, instruction: Result<Instruction, IcedError>) {
        let done = instruction.and_then(|i| self.host.encode(&i, self.bytes.len() as u64));
        match done {
            Ok(_) => {
                let code = self.host.take_buffer();
                self.bytes.extend_from_slice(&code);
                self.host.set_buffer(clear(code));
            }
            Err(_) => self.failed = true,
        }
    }

    /// What was written; `None` if something could not be encoded.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.failed).then_some(self.bytes)
    }
}

/// The same buffer, empty.
fn clear(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer
}
