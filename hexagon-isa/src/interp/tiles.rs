//! Multiplications of the matrix unit with what each host has for them.

/// For every host.
pub(super) mod plain {
    pub(crate) use crate::builtins::mx_weight;
}

#[cfg(target_arch = "x86_64")]
macro_rules! copy {
    ($module:ident, $features:literal) => {
        /// With the instructions of the module's name.
        pub(in super::super) mod $module {
            use crate::builtins::{Product, read_product};
            use crate::memory::Memory;
            use crate::simd::dot::$module::dot4;
            use crate::state::hmx::HmxState;
            use crate::state::{Args, Regs};

            #[target_feature(enable = $features)]
            fn multiply(product: &Product, state: &mut HmxState) {
                product.multiply(state, |acc, a, b| dot4::<false, true>(acc, a, b));
            }

            /// As [`crate::builtins::mx_weight`].
            #[target_feature(enable = $features)]
            pub(crate) fn mx_weight<M: Memory>(
                s: &mut Regs,
                m: &M,
                a: &Args,
                rs: u32,
                rt: u32,
                kind: u32,
                form: u32,
            ) -> Result<(), M::Fault> {
                if let Some(product) = read_product(s, m, a, [rs, rt, kind, form])? {
                    multiply(&product, s.hmx.state());
                }
                Ok(())
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod copies {
    copy!(avx2, "avx2,bmi1,bmi2,lzcnt,popcnt");
    copy!(
        avx512,
        "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx2,bmi1,bmi2,lzcnt,popcnt"
    );
}

#[cfg(target_arch = "x86_64")]
pub(super) use copies::{avx2, avx512};
