//! Floating point in the vector unit: what a part has of it, and what to do with the rest.
//!
//! The manuals and the vendor's simulator have IEEE forms (`sf=vadd(sf,sf)`, `vabs`, `vfneg` …) from V68 on and 8-bit floats from
//! V79 on. Phones with V69 and V73 are reported to compute qf32 there, or to give 0; one with V79 gives 0 for 8-bit floats.

use hexagon_isa::info::{Feature, InsnInfo};

/// How much of floating point a part's vector unit has. Each has what is before it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum VectorFloat {
    /// Only qfloat.
    Qfloat,
    /// IEEE single, half and bfloat16.
    Ieee,
    /// 8-bit floats: all that its architecture has.
    #[default]
    Bytes,
}

impl VectorFloat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Qfloat, Self::Ieee, Self::Bytes];

    /// Its name in profiles and recordings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Qfloat => "qfloat",
            Self::Ieee => "ieee",
            Self::Bytes => "bytes",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|floats| floats.name() == name)
    }

    /// What an instruction needs.
    #[must_use]
    pub fn needed(info: &InsnInfo) -> Self {
        match info.feature {
            Some(Feature::IeeeFp) if info.syntax.contains(".f8") => Self::Bytes,
            Some(Feature::IeeeFp) => Self::Ieee,
            _ => Self::Qfloat,
        }
    }
}

/// A part's vector unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VectorFloats {
    /// What it has.
    pub has: VectorFloat,
    /// What it has not is an exception; else it is computed as the vendor's simulator does, and [told](super::Cpu::take_simulated).
    pub strict: bool,
}

/// An instruction that was decoded although the part has no unit for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulated {
    /// Address of its packet.
    pub pc: u32,
    /// Its name in the specification.
    pub name: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexagon_isa::Opcode;

    #[test]
    fn instructions_need_the_unit_that_computes_them() {
        let needed = |name: &str| VectorFloat::needed(Opcode::from_name(name).unwrap().info());
        for name in [
            "V6_vadd_sf_sf",
            "V6_vabs_sf",
            "V6_vfneg_hf",
            "V6_vmpy_sf_bf",
            "V6_vassign_fp",
        ] {
            assert_eq!(needed(name), VectorFloat::Ieee, "{name}");
        }
        for name in ["V6_vadd_hf_f8", "V6_vcvt_f8_hf", "V6_vfmax_f8"] {
            assert_eq!(needed(name), VectorFloat::Bytes, "{name}");
        }
        for name in [
            "V6_vadd_sf",
            "V6_vconv_sf_qf32",
            "V6_vmpy_qf32_sf",
            "V6_vxor",
            "F2_sfadd",
            "V6_vconv_f8_qf16",
        ] {
            assert_eq!(needed(name), VectorFloat::Qfloat, "{name}");
        }
    }
}
