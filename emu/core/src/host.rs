//! Which copy of the vector instructions runs: the host's processor is asked once.

use hexagon_isa::Opcode;
use hexagon_isa::interp::{self, Exec};
use hexagon_isa::memory::Memory;

/// Extensions of the host's processor that the instructions on vectors use. There is a value only for what the processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorUnit(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl VectorUnit {
    /// All that this processor has, the best last.
    pub fn all() -> Vec<VectorUnit> {
        #[allow(unused_mut)]
        let mut all = vec![VectorUnit(Level::Plain)];
        #[cfg(target_arch = "x86_64")]
        {
            macro_rules! has {
                ($($feature:tt)*) => { true $(&& std::arch::is_x86_feature_detected!($feature))* };
            }
            if has!("avx2" "bmi1" "bmi2" "lzcnt" "popcnt") {
                all.push(VectorUnit(Level::Avx2));
                if has!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vbmi" "avx512vnni") {
                    all.push(VectorUnit(Level::Avx512));
                }
            }
        }
        all
    }

    /// The best that this processor has.
    pub fn best() -> VectorUnit {
        Self::all().pop().unwrap_or(VectorUnit(Level::Plain))
    }

    /// An instruction's function; `None` if it has no meaning.
    pub(crate) fn exec<M: Memory>(self, op: Opcode) -> Option<Exec<M>> {
        match self.0 {
            Level::Plain => interp::exec(op),
            // SAFETY: this value exists because the processor was found to have these features
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { interp::exec_avx2(op) },
            // SAFETY: as above
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { interp::exec_avx512(op) },
        }
    }
}
