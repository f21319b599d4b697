//! The two things that instructions do with Z: load half of it, and read four bytes of it. See [`crate::state::Window`].

use crate::state::{Args, Regs, Vector};

/// What a Z load read from `address`.
pub(crate) fn z_load(s: &mut Regs, a: &Args, address: u32, v: &Vector) {
    s.w_z(address, a.off, v);
}

/// The four bytes from `place` (modulo 256) on, the first one lowest.
#[inline(always)]
pub(crate) fn z_word(z: &[u8; 256], place: u32) -> u32 {
    let byte = |k: u8| {
        z.get(usize::from((place as u8).wrapping_add(k)))
            .map_or(0, |b| *b)
    };
    u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_wraps_at_the_window() {
        let z: [u8; 256] = std::array::from_fn(|i| i as u8);
        assert_eq!(z_word(&z, 4), 0x0706_0504);
        assert_eq!(z_word(&z, 0x1_00fe), 0x0100_fffe);
    }
}
