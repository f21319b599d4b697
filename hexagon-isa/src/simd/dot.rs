//! Four products of bytes added to every word of a vector, with what each host has for it. `A` and `B` say whether the bytes of
//! the two factors are signed. All sums wrap, so their order does not matter.

use crate::state::Vector;

/// A word's bytes in every word.
#[inline(always)]
pub(crate) fn splat(word: u32) -> Vector {
    let mut v = [0; 128];
    for to in v.chunks_exact_mut(4) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    v
}

/// For every host.
pub(crate) mod plain {
    use crate::state::Vector;

    #[inline(always)]
    pub(crate) fn dot4<const A: bool, const B: bool>(acc: [i32; 32], a: &Vector, b: &Vector) -> [i32; 32] {
        let wide = |byte: u8, signed: bool| {
            if signed {
                i32::from(byte as i8)
            } else {
                i32::from(byte)
            }
        };
        let mut out = acc;
        for ((o, a), b) in out.iter_mut().zip(a.as_chunks::<4>().0).zip(b.as_chunks::<4>().0) {
            for (a, b) in a.iter().zip(b) {
                *o = o.wrapping_add(wide(*a, A) * wide(*b, B));
            }
        }
        out
    }
}

/// With AVX2: even and odd bytes as halfwords, of which pairs are multiplied and added.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use core::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_madd_epi16, _mm256_set1_epi16, _mm256_slli_epi16,
        _mm256_srai_epi16, _mm256_srli_epi16,
    };

    use crate::state::Vector;

    #[inline]
    #[target_feature(enable = "avx2")]
    fn halves<const SIGNED: bool>(v: __m256i) -> [__m256i; 2] {
        if SIGNED {
            [
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(v)),
                _mm256_srai_epi16::<8>(v),
            ]
        } else {
            [
                _mm256_and_si256(v, _mm256_set1_epi16(0xff)),
                _mm256_srli_epi16::<8>(v),
            ]
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn dot4<const A: bool, const B: bool>(acc: [i32; 32], a: &Vector, b: &Vector) -> [i32; 32] {
        let mut out: [__m256i; 4] = zerocopy::transmute!(acc);
        let (a, b): ([__m256i; 4], [__m256i; 4]) = (zerocopy::transmute!(*a), zerocopy::transmute!(*b));
        for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
            let ([ae, ao], [be, bo]) = (halves::<A>(a), halves::<B>(b));
            let sum = _mm256_add_epi32(_mm256_madd_epi16(ae, be), _mm256_madd_epi16(ao, bo));
            *o = _mm256_add_epi32(*o, sum);
        }
        zerocopy::transmute!(out)
    }
}

/// With AVX-512, which has the sum of unsigned by signed bytes as one instruction.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512 {
    use core::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_madd_epi16,
        _mm512_set1_epi8, _mm512_set1_epi16, _mm512_setzero_si512, _mm512_srli_epi16, _mm512_sub_epi32,
        _mm512_xor_si512,
    };

    use crate::state::Vector;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn sum<const A: bool, const B: bool>(acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
        match (A, B) {
            (false, true) => _mm512_dpbusd_epi32(acc, a, b),
            (true, false) => _mm512_dpbusd_epi32(acc, b, a),
            (true, true) => {
                // a + 128 is unsigned; what is too much is taken away again.
                let offset = _mm512_set1_epi8(-128);
                let more = _mm512_dpbusd_epi32(acc, _mm512_xor_si512(a, offset), b);
                _mm512_sub_epi32(more, _mm512_dpbusd_epi32(_mm512_setzero_si512(), offset, b))
            }
            (false, false) => {
                let low = _mm512_set1_epi16(0xff);
                let even = _mm512_madd_epi16(_mm512_and_si512(a, low), _mm512_and_si512(b, low));
                let odd = _mm512_madd_epi16(_mm512_srli_epi16::<8>(a), _mm512_srli_epi16::<8>(b));
                _mm512_add_epi32(acc, _mm512_add_epi32(even, odd))
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(crate) fn dot4<const A: bool, const B: bool>(acc: [i32; 32], a: &Vector, b: &Vector) -> [i32; 32] {
        let mut out: [__m512i; 2] = zerocopy::transmute!(acc);
        let (a, b): ([__m512i; 2], [__m512i; 2]) = (zerocopy::transmute!(*a), zerocopy::transmute!(*b));
        for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
            *o = sum::<A, B>(*o, a, b);
        }
        zerocopy::transmute!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(signed: [bool; 2], acc: [i32; 32], a: &Vector, b: &Vector) -> [i32; 32] {
        let value = |byte: u8, signed: bool| i64::from(byte) - if signed && byte > 127 { 256 } else { 0 };
        std::array::from_fn(|i| {
            let sum: i64 = (4 * i..4 * i + 4)
                .map(|k| value(a[k], signed[0]) * value(b[k], signed[1]))
                .sum();
            (i64::from(acc[i]) + sum) as i32
        })
    }

    /// Vectors of edge cases and of anything.
    fn inputs() -> Vec<Vector> {
        let mut all = vec![[0; 128], [0x80; 128], [0x7f; 128], [0xff; 128]];
        let mut x = 1u32;
        for _ in 0..50 {
            all.push(std::array::from_fn(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            }));
        }
        all
    }

    fn check(dot: impl Fn(bool, bool, [i32; 32], &Vector, &Vector) -> [i32; 32]) {
        let acc = std::array::from_fn(|i| i32::MAX - 40_000 * i as i32);
        for a in &inputs() {
            for b in &inputs() {
                for (x, y) in [(false, false), (false, true), (true, false), (true, true)] {
                    assert_eq!(dot(x, y, acc, a, b), exact([x, y], acc, a, b), "signed {x} {y}");
                }
            }
        }
    }

    #[test]
    fn plain_sums_are_exact() {
        use super::plain::dot4;
        check(|x, y, acc, a, b| match (x, y) {
            (false, false) => dot4::<false, false>(acc, a, b),
            (false, true) => dot4::<false, true>(acc, a, b),
            (true, false) => dot4::<true, false>(acc, a, b),
            (true, true) => dot4::<true, true>(acc, a, b),
        });
    }
}
