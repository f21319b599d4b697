//! Every element of a vector looked up in another vector, and a predicate made of a vector's bytes, with what each host has for
//! it. Places wrap at the number of elements.

/// For every host.
pub(crate) mod plain {
    use crate::state::{VecPred, Vector};

    #[inline(always)]
    pub(crate) fn lookup8(table: &Vector, places: &[u8; 128]) -> [u8; 128] {
        places.map(|n| table.get(usize::from(n & 127)).copied().unwrap_or_default())
    }

    /// The vector predicate whose bits are the bytes' lowest bits.
    #[inline(always)]
    pub(crate) fn pack(v: &Vector) -> VecPred {
        let words: [u32; 32] = zerocopy::transmute!(*v);
        let mut nibbles = [0u8; 32];
        for (o, w) in nibbles.iter_mut().zip(words) {
            // Each step puts the bits of two neighbours side by side.
            let w = w & 0x0101_0101;
            let w = w | w >> 7;
            *o = ((w | w >> 14) & 15) as u8;
        }
        let pairs: [u16; 16] = zerocopy::transmute!(nibbles);
        let mut out = [0; 16];
        for (o, pair) in out.iter_mut().zip(pairs) {
            *o = (pair | pair >> 4) as u8;
        }
        VecPred::from_le_bytes(out)
    }

    #[inline(always)]
    pub(crate) fn lookup16(table: &Vector, places: &[u16; 64]) -> [u16; 64] {
        let table: [u16; 64] = zerocopy::transmute!(*table);
        places.map(|n| table.get(usize::from(n & 63)).copied().unwrap_or_default())
    }
}

/// With AVX2, which looks up in sixteen bytes.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use core::arch::x86_64::{
        __m128i, __m256i, _mm256_and_si256, _mm256_blendv_epi8, _mm256_broadcastsi128_si256,
        _mm256_cmpgt_epi8, _mm256_set1_epi8, _mm256_shuffle_epi8,
    };

    pub(crate) use super::plain::pack;
    use crate::state::Vector;

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn lookup8(table: &Vector, places: &[u8; 128]) -> [u8; 128] {
        let parts: [__m128i; 8] = zerocopy::transmute!(*table);
        let mut found: [__m256i; 4] = zerocopy::transmute!(*places);
        for v in &mut found {
            let n = _mm256_and_si256(*v, _mm256_set1_epi8(127));
            *v = n;
            for (part, before) in parts.into_iter().zip((-1..).step_by(16)) {
                let here = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(part), n);
                *v = _mm256_blendv_epi8(*v, here, _mm256_cmpgt_epi8(n, _mm256_set1_epi8(before)));
            }
        }
        zerocopy::transmute!(found)
    }

    /// As bytes: the two of an element lie side by side.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn lookup16(table: &Vector, places: &[u16; 64]) -> [u16; 64] {
        let places = places.map(|n| ((n & 63) << 1) * 0x0101 + 0x0100);
        zerocopy::transmute!(lookup8(table, &zerocopy::transmute!(places)))
    }
}

/// With AVX-512, which has both as one instruction.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512 {
    use core::arch::x86_64::{
        __m512i, _mm512_movepi8_mask, _mm512_permutex2var_epi8, _mm512_permutex2var_epi16, _mm512_slli_epi16,
    };

    use crate::state::{VecPred, Vector};

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) fn pack(v: &Vector) -> VecPred {
        let [lo, hi]: [__m512i; 2] = zerocopy::transmute!(*v);
        let [lo, hi] = [
            _mm512_movepi8_mask(_mm512_slli_epi16::<7>(lo)),
            _mm512_movepi8_mask(_mm512_slli_epi16::<7>(hi)),
        ];
        VecPred::from(lo) | VecPred::from(hi) << 64
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(crate) fn lookup8(table: &Vector, places: &[u8; 128]) -> [u8; 128] {
        let [lo, hi]: [__m512i; 2] = zerocopy::transmute!(*table);
        let mut found: [__m512i; 2] = zerocopy::transmute!(*places);
        for n in &mut found {
            *n = _mm512_permutex2var_epi8(lo, *n, hi);
        }
        zerocopy::transmute!(found)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) fn lookup16(table: &Vector, places: &[u16; 64]) -> [u16; 64] {
        let [lo, hi]: [__m512i; 2] = zerocopy::transmute!(*table);
        let mut found: [__m512i; 2] = zerocopy::transmute!(*places);
        for n in &mut found {
            *n = _mm512_permutex2var_epi16(lo, *n, hi);
        }
        zerocopy::transmute!(found)
    }
}

#[cfg(test)]
mod tests {
    use super::plain::{lookup8, lookup16, pack};
    use crate::state::Vector;

    #[test]
    fn a_predicate_takes_the_lowest_bit_of_every_byte() {
        let mut seed = 1u32;
        for _ in 0..500 {
            let v: Vector = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            });
            let q = pack(&v);
            assert!(
                (0..128).zip(v).all(|(n, b)| q >> n & 1 == u128::from(b & 1)),
                "{v:?}"
            );
        }
    }

    #[test]
    fn places_are_elements_and_wrap() {
        let table: Vector = std::array::from_fn(|n| (n * 7 + 1) as u8);
        let places: [u8; 128] = std::array::from_fn(|n| (n * 37) as u8);
        let found = lookup8(&table, &places);
        assert!(
            places
                .iter()
                .zip(found)
                .all(|(n, v)| v == (usize::from(n & 127) * 7 + 1) as u8)
        );
        let places: [u16; 64] = std::array::from_fn(|n| (n * 37) as u16);
        let found = lookup16(&table, &places);
        let pair = |n: u16| usize::from(n & 63) * 2;
        assert!(
            places
                .iter()
                .zip(found)
                .all(|(n, v)| v == u16::from_le_bytes([table[pair(*n)], table[pair(*n) + 1]]))
        );
    }
}
