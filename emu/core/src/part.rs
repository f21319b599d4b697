//! The part whose core it is, as decoding and translating code depend on it.

use hexagon_isa::Arch;
use hexagon_isa::facts::PacketFacts;
use hexagon_isa::info::InsnInfo;

use super::host::VectorUnit;
use super::vector_float::{VectorFloat, VectorFloats};

/// Why there is no vector context to execute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoVectors {
    /// The DSP has none.
    #[error("this DSP has no HVX contexts")]
    Absent,
    /// The thread has not taken one.
    #[error("its thread holds no HVX context (qurt_hvx_lock)")]
    NotHeld,
}

/// What decoding depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Core {
    pub arch: Arch,
    pub vectors: VectorUnit,
    /// Why every instruction on vectors is an exception.
    pub no_vectors: Option<NoVectors>,
    pub floats: VectorFloats,
    /// Packets of a block at most.
    pub most: usize,
    /// How often a block is run before a translator is asked for it.
    pub heat: u32,
}

impl Core {
    /// The first instruction of a packet for which the part has no unit.
    pub fn lacks(&self, facts: &PacketFacts) -> Option<&'static InsnInfo> {
        let mut infos = facts.insns.iter().map(|n| n.insn.info());
        infos.find(|info| VectorFloat::needed(info) > self.floats.has)
    }
}

/// No packet begins there.
pub(super) const NOWHERE: u32 = 1;
