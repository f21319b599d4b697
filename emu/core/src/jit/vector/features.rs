//! Which of the host's instructions vectors are made of.

/// Which of the host's instructions may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jit) struct Features {
    /// Dot products of bytes (VNNI).
    pub(super) dot: bool,
    /// Leading zeros (CD).
    pub(super) clz: bool,
    /// Permutations of bytes (VBMI).
    pub(super) permute: bool,
    /// Ones (BITALG and VPOPCNTDQ).
    pub(super) popcount: bool,
}

impl Features {
    /// Those of this host; `None` if it has no AVX-512 (F, BW, DQ).
    pub(in crate::jit) fn of_host() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let base = has!("avx512f") && has!("avx512bw") && has!("avx512dq");
            base.then(|| Features {
                dot: has!("avx512vnni"),
                clz: has!("avx512cd"),
                permute: has!("avx512vbmi"),
                popcount: has!("avx512bitalg") && has!("avx512vpopcntdq"),
            })
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            None
        }
    }
}
