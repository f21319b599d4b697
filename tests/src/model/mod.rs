//! The second model: plain, slow meanings written a second time from the rules, by nobody's code, for the instructions for
//! which no peer exists that could be asked (HVX floating point, the matrix unit, regions of gather and scatter, the Z register, most of
//! what came after V69) or for which the peer is wrong.
//!
//! A model works on a [`State`] and knows nothing of the interpreter's helpers: exact integers, no lane macros, one lane
//! after the other. `tests/meaning_vs_model.rs` runs each modelled instruction here and on our core and compares everything.

pub mod compare;
mod float;
mod hmx;
mod integer;
mod matrix;
mod regions;
mod runner;
mod state;
mod zreg;

pub use hmx::Matrix;
pub use runner::{Ready, Runner};
pub use state::{AREA_BASE, AREA_BYTES, InPacket, State};

/// What one instruction does to the state, given its operands' values (as in [`hexagon_isa::Insn::v`]).
pub type Model = fn(&mut State, &[i32]);

/// The model of an instruction by its name in the specification; `None` if there is none.
#[must_use]
pub fn model(name: &str) -> Option<Model> {
    integer::model(name)
        .or_else(|| regions::model(name))
        .or_else(|| float::model(name))
        .or_else(|| hmx::model(name))
        .or_else(|| zreg::model(name))
}
