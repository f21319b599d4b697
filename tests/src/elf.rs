//! A static Hexagon program around words of code, without a compiler.

/// Where the code of [`program`] stands.
pub const CODE: u32 = 0x1_0054;

/// A program that executes these words, then ends with status 0.
pub fn program(words: &[u32], flags: u32) -> Vec<u8> {
    // { r6 = #94 } { r0 = #0 } { trap0(#1) }
    let end = [0x7800_cbc6, 0x7800_c000, 0x5400_c004];
    let size = 0x54 + 4 * (words.len() + end.len()) as u32;
    let mut out = vec![0x7f, b'E', b'L', b'F', 1, 1, 1];
    out.resize(16, 0);
    let halves = |out: &mut Vec<u8>, v: &[u16]| out.extend(v.iter().flat_map(|v| v.to_le_bytes()));
    let put = |out: &mut Vec<u8>, v: &[u32]| out.extend(v.iter().flat_map(|v| v.to_le_bytes()));
    halves(&mut out, &[2, 164]);
    put(&mut out, &[1, CODE, 0x34, 0, flags]);
    halves(&mut out, &[0x34, 32, 1, 40, 0, 0]);
    put(&mut out, &[1, 0, 0x1_0000, 0x1_0000, size, size, 5, 0x1000]);
    put(&mut out, words);
    put(&mut out, &end);
    out
}
