//! Lanes of vectors: little endian, one after the other.

use crate::model::State;

/// A vector's bytes.
pub type Vector = [u8; 128];

/// Register number of a vector operand.
pub fn reg(n: i32) -> usize {
    n as usize & 31
}

/// A vector operand.
pub fn vector(s: &State, n: i32) -> Vector {
    s.v[reg(n)]
}

/// A pair operand, low vector first; an odd number means that the halves are swapped.
pub fn pair(s: &State, n: i32) -> [Vector; 2] {
    [s.v[reg(n)], s.v[reg(n ^ 1)]]
}

/// Writes a vector; its hidden bits are the default ones then.
pub fn write(s: &mut State, n: i32, v: Vector) {
    s.v[reg(n)] = v;
    s.hidden[reg(n)] = State::HIDDEN;
}

/// Halfword `i`.
pub fn uh(v: &Vector, i: usize) -> u16 {
    u16::from_le_bytes([v[2 * i], v[2 * i + 1]])
}

/// Word `i`.
pub fn uw(v: &Vector, i: usize) -> u32 {
    u32::from_le_bytes([v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]])
}

/// A vector of halfwords.
pub fn from_uh(f: impl Fn(usize) -> u16) -> Vector {
    let mut out = [0; 128];
    for (i, c) in out.chunks_exact_mut(2).enumerate() {
        c.copy_from_slice(&f(i).to_le_bytes());
    }
    out
}

/// A vector of words.
pub fn from_uw(f: impl Fn(usize) -> u32) -> Vector {
    let mut out = [0; 128];
    for (i, c) in out.chunks_exact_mut(4).enumerate() {
        c.copy_from_slice(&f(i).to_le_bytes());
    }
    out
}

/// `Vd = f(Vu, Vv)` for bytes.
pub fn bytes2(s: &mut State, v: &[i32], f: impl Fn(u8, u8) -> u8) {
    let (a, b) = (vector(s, v[1]), vector(s, v[2]));
    write(s, v[0], std::array::from_fn(|i| f(a[i], b[i])));
}

/// `Vd = f(Vu)` for halfwords.
pub fn halves1(s: &mut State, v: &[i32], f: impl Fn(u16) -> u16) {
    let a = vector(s, v[1]);
    write(s, v[0], from_uh(|i| f(uh(&a, i))));
}

/// `Vd = f(Vu, Vv)` for halfwords.
pub fn halves2(s: &mut State, v: &[i32], f: impl Fn(u16, u16) -> u16) {
    let (a, b) = (vector(s, v[1]), vector(s, v[2]));
    write(s, v[0], from_uh(|i| f(uh(&a, i), uh(&b, i))));
}

/// `Vd = f(Vu)` for words.
pub fn words1(s: &mut State, v: &[i32], f: impl Fn(u32) -> u32) {
    let a = vector(s, v[1]);
    write(s, v[0], from_uw(|i| f(uw(&a, i))));
}

/// `Vd = f(Vu, Vv)` for words.
pub fn words2(s: &mut State, v: &[i32], f: impl Fn(u32, u32) -> u32) {
    let (a, b) = (vector(s, v[1]), vector(s, v[2]));
    write(s, v[0], from_uw(|i| f(uw(&a, i), uw(&b, i))));
}

/// `Vdd = f(Vu, Vv)`: halfwords to words, even ones into the low vector, odd ones into the high one.
pub fn widen_halves2(s: &mut State, v: &[i32], f: impl Fn(u16, u16) -> u32) {
    let (a, b) = (vector(s, v[1]), vector(s, v[2]));
    for k in 0..2 {
        write(
            s,
            v[0] ^ k as i32,
            from_uw(|i| f(uh(&a, 2 * i + k), uh(&b, 2 * i + k))),
        );
    }
}

/// `Vxx = f(Vxx, Vu, Vv)`, widened in the same way.
pub fn widen_halves_acc(s: &mut State, v: &[i32], f: impl Fn(u32, u16, u16) -> u32) {
    let (a, b, x) = (vector(s, v[1]), vector(s, v[2]), pair(s, v[0]));
    for (k, x) in x.iter().enumerate() {
        write(
            s,
            v[0] ^ k as i32,
            from_uw(|i| f(uw(x, i), uh(&a, 2 * i + k), uh(&b, 2 * i + k))),
        );
    }
}

/// `Vdd = f(Vu)`: bytes to halfwords, even bytes into the low vector, odd ones into the high one.
pub fn widen_bytes(s: &mut State, v: &[i32], f: impl Fn(u8) -> u16) {
    let a = vector(s, v[1]);
    for k in 0..2 {
        write(s, v[0] ^ k as i32, from_uh(|i| f(a[2 * i + k])));
    }
}

/// `Vd = f(Vu), f(Vv)` in turns: words to halfwords.
pub fn narrow_words(s: &mut State, v: &[i32], f: impl Fn(u32) -> u16) {
    let from = [vector(s, v[1]), vector(s, v[2])];
    write(s, v[0], from_uh(|i| f(uw(&from[i & 1], i / 2))));
}

/// `Vd = f(Vu), f(Vv)` in turns: halfwords to bytes.
pub fn narrow_halves(s: &mut State, v: &[i32], f: impl Fn(u16) -> u8) {
    let from = [vector(s, v[1]), vector(s, v[2])];
    write(s, v[0], std::array::from_fn(|i| f(uh(&from[i & 1], i / 2))));
}
