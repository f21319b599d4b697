//! Which of the host's instructions vectors are made of.

use crate::host::VectorUnit;

/// Which of the host's instructions may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jit) struct Features {
    /// Registers of 512 bits (AVX-512: F, BW, DQ), else of 256 (AVX2).
    pub(super) wide: bool,
    /// Dot products of bytes (VNNI).
    pub(super) dot: bool,
    /// Leading zeros (CD).
    pub(super) clz: bool,
    /// Permutations of bytes (VBMI, or of what is known beforehand).
    pub(super) permute: bool,
    /// Permutations that are not known beforehand.
    pub(super) lookup: bool,
    /// Ones (BITALG and VPOPCNTDQ).
    pub(super) popcount: bool,
}

impl Features {
    /// Those that a core whose vector instructions are copies for this unit may use; `None` if it is too plain.
    pub(in crate::jit) fn of(unit: VectorUnit) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            use std::sync::LazyLock;

            static BEST: LazyLock<VectorUnit> = LazyLock::new(VectorUnit::best);
            // A unit of 256 bits that is not this host's best was asked for.
            let wide = has!("avx512f") && has!("avx512bw") && has!("avx512dq");
            if wide && unit == *BEST {
                return Some(Features {
                    wide: true,
                    dot: has!("avx512vnni"),
                    clz: has!("avx512cd"),
                    permute: has!("avx512vbmi"),
                    lookup: true,
                    popcount: has!("avx512bitalg") && has!("avx512vpopcntdq"),
                });
            }
            unit.is_avx2().then_some(Features {
                wide: false,
                dot: false,
                clz: false,
                permute: true,
                lookup: false,
                popcount: false,
            })
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = unit;
            None
        }
    }
}
