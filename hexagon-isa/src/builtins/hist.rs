//! Histograms: every byte or halfword of the packet's `.tmp` vector is counted in one of the 32 vector registers.
//!
//! Source: HVX PRM, "Vector histogram" and "Weighted histogram". A vector register file is 256 buckets of halfwords (or 128 of
//! words) for each group of eight lanes. The `.tmp` load's register is a bucket like the others: its old value, which comes
//! back when the packet ends, is what is counted in. Not modelled: a histogram without a `.tmp` vector, which the manual leaves
//! undefined, counts nothing here.

use crate::state::{Args, PENDING, Regs, Vector};

/// What the packet's `.tmp` load (or assignment) brought.
fn input(s: &Regs) -> Option<Vector> {
    let n = s.flight.v_temporary.trailing_zeros();
    (n < 32).then(|| *s.hvx.v.get(n as u8))
}

/// The register that a bucket's high bits name.
fn register(s: &mut Regs, n: u8) -> &mut Vector {
    let aside = s.flight.v_temporary >> (n & 31) & 1 != 0;
    let n = if aside { n & 31 | PENDING } else { n & 31 };
    s.hvx.hidden.reset(n);
    s.hvx.v.get_mut(n)
}

fn change16(v: &mut Vector, lane: usize, f: impl FnOnce(u16) -> u16) {
    if let Some(bytes) = v.get_mut(2 * lane..).and_then(|b| b.first_chunk_mut()) {
        *bytes = f(u16::from_le_bytes(*bytes)).to_le_bytes();
    }
}

fn change32(v: &mut Vector, lane: usize, f: impl FnOnce(u32) -> u32) {
    if let Some(bytes) = v.get_mut(4 * lane..).and_then(|b| b.first_chunk_mut()) {
        *bytes = f(u32::from_le_bytes(*bytes)).to_le_bytes();
    }
}

/// Calls `f` for each halfword of the input that is chosen: lane, bucket, weight.
fn weighted(s: &mut Regs, chosen: impl Fn(usize) -> bool, f: impl Fn(&mut Regs, usize, u8, u8)) {
    let Some(input) = input(s) else { return };
    for (lane, pair) in input.chunks_exact(2).enumerate() {
        if let [bucket, weight] = *pair
            && chosen(lane)
        {
            f(s, lane, bucket, weight);
        }
    }
}

fn bytes(s: &mut Regs, chosen: impl Fn(usize) -> bool) {
    let Some(input) = input(s) else { return };
    for (k, value) in input.into_iter().enumerate() {
        if chosen(k) {
            let lane = k / 16 * 8 + usize::from(value & 7);
            change16(register(s, value >> 3), lane, |count| count.wrapping_add(1));
        }
    }
}

fn halfwords(s: &mut Regs, saturate: bool, chosen: impl Fn(usize) -> bool) {
    weighted(s, chosen, |s, lane, bucket, weight| {
        let at = lane & !7 | usize::from(bucket & 7);
        change16(register(s, bucket >> 3), at, |sum| {
            if saturate {
                sum.saturating_add(u16::from(weight))
            } else {
                sum.wrapping_add(u16::from(weight))
            }
        });
    });
}

/// `parity` 2 takes every bucket, 0 or 1 those with this lowest bit.
fn words(s: &mut Regs, parity: u32, chosen: impl Fn(usize) -> bool) {
    weighted(s, chosen, |s, lane, bucket, weight| {
        if parity < 2 && u32::from(bucket & 1) != parity {
            return;
        }
        let at = lane >> 1 & !3 | usize::from(bucket >> 1 & 3);
        change32(register(s, bucket >> 3), at, |sum| {
            sum.wrapping_add(u32::from(weight))
        });
    });
}

/// The predicate bit of byte `k`.
fn set(mask: &Vector, k: usize) -> bool {
    mask.get(k).is_some_and(|b| b & 1 != 0)
}

pub(crate) fn vhist(s: &mut Regs, _: &Args) {
    bytes(s, |_| true);
}

pub(crate) fn vhist_q(s: &mut Regs, _: &Args, mask: &Vector) {
    bytes(s, |k| set(mask, k));
}

pub(crate) fn vwhist256(s: &mut Regs, _: &Args, saturate: bool) {
    halfwords(s, saturate, |_| true);
}

pub(crate) fn vwhist256_q(s: &mut Regs, _: &Args, mask: &Vector, saturate: bool) {
    halfwords(s, saturate, |lane| set(mask, 2 * lane));
}

pub(crate) fn vwhist128(s: &mut Regs, _: &Args, parity: u32) {
    words(s, parity, |_| true);
}

pub(crate) fn vwhist128_q(s: &mut Regs, _: &Args, mask: &Vector, parity: u32) {
    words(s, parity, |lane| set(mask, 2 * lane));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet in flight whose `.tmp` load brought `input` to V3.
    fn regs(input: Vector) -> Regs {
        let mut s = Regs::default();
        s.save_vector(3, true);
        *s.hvx.v.get_mut(3) = input;
        s
    }

    fn half(s: &Regs, register: usize, lane: usize) -> u16 {
        let v = &s.hvx.v[register];
        u16::from_le_bytes([v[2 * lane], v[2 * lane + 1]])
    }

    #[test]
    fn equal_bytes_count_in_one_bucket_of_each_group() {
        let mut s = regs([0xfd; 128]);
        vhist(&mut s, &Args::default());
        s.commit();
        assert_eq!(half(&s, 31, 5), 16);
        assert_eq!(half(&s, 31, 8 * 7 + 5), 16);
        assert_eq!(half(&s, 31, 4), 0);
        assert_eq!(s.hvx.v[3], [0; 128]);
    }

    #[test]
    fn the_temporary_register_is_a_bucket_too() {
        let mut s = Regs::default();
        s.hvx.v[3][2] = 7;
        s.save_vector(3, true);
        *s.hvx.v.get_mut(3) = [3 << 3 | 1; 128];
        vhist(&mut s, &Args::default());
        s.commit();
        assert_eq!(half(&s, 3, 1), 7 + 16);
    }

    #[test]
    fn weights_saturate_if_asked() {
        // Bucket 8, weight 255: lane 0 of V1 gets eight of them.
        let input = std::array::from_fn(|k| if k % 2 == 0 { 8 } else { 255 });
        let run = |saturate| {
            let mut s = regs(input);
            s.hvx.v[1][..2].copy_from_slice(&0xff00u16.to_le_bytes());
            vwhist256(&mut s, &Args::default(), saturate);
            half(&s, 1, 0)
        };
        assert_eq!((run(true), run(false)), (0xffff, 0xff00u16.wrapping_add(8 * 255)));
    }

    #[test]
    fn word_buckets_can_be_split_by_parity() {
        let input = std::array::from_fn(|k| if k % 2 == 0 { 9 } else { 1 });
        let run = |parity| {
            let mut s = regs(input);
            vwhist128(&mut s, &Args::default(), parity);
            s.hvx.v[1][0]
        };
        assert_eq!([0, 1, 2].map(run), [0, 8, 8]);
    }

    #[test]
    fn nothing_is_counted_without_a_temporary_vector() {
        let mut s = Regs::default();
        vhist(&mut s, &Args::default());
        assert!(s.hvx.v.iter().all(|v| *v == [0; 128]));
    }
}
