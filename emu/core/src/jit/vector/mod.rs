//! Instructions on vectors as host code of our own.
//!
//! Cranelift has no vectors of 512 bits, and HVX registers want to stay in the host's between packets. So the vector
//! instructions of packets become functions of their own, which Cranelift's code calls with a convention that keeps all
//! registers (`CallConv::PreserveAll`): [`select`] and [`lanes`] make [`ops`] of meanings, [`assemble`] gives them host
//! registers, [`encode`] writes host instructions. Where Cranelift's code uses no floats it touches no vector register of the
//! host, and elsewhere only the lower 16: so HVX registers can be held from a unit's way in to its ways out.
//!
//! Only for hosts with AVX-512; elsewhere, and for instructions that have no pattern, the interpreter's functions are called.

mod arithmetic;
mod assemble;
mod encode;
mod lanes;
mod moves;
mod ops;
mod products;
mod select;

pub(super) use assemble::{Function, Held, MOST_ADDRESSES, MOST_VALUES, Member, assemble, bring};
pub(super) use select::{VectorPart, part};

/// Which of the host's instructions may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    /// Dot products of bytes (VNNI).
    dot: bool,
    /// Leading zeros (CD).
    clz: bool,
    /// Permutations of bytes (VBMI).
    permute: bool,
    /// Ones (BITALG and VPOPCNTDQ).
    popcount: bool,
}

impl Features {
    /// Those of this host; `None` if it has no AVX-512 (F, BW, DQ).
    pub(super) fn of_host() -> Option<Self> {
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
