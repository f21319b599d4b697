//! Instructions on vectors as host code of our own.
//!
//! Cranelift has no vectors of 512 bits, and HVX registers want to stay in the host's between packets. So the vector
//! instructions of packets become functions of their own, which Cranelift's code calls with a convention that keeps all
//! registers (`CallConv::PreserveAll`): [`select`] and [`lanes`] make [`ops`] of meanings, [`assemble`] gives them host
//! registers, [`encode`] writes host instructions. Where Cranelift's code uses no floats it touches no vector register of the
//! host, and elsewhere only the lower 16: so HVX registers can be held from a unit's way in to its ways out.
//!
//! On hosts with AVX2 but without AVX-512 [`quarters`] and [`avx2`] have the place of the last two, and nothing is held. Elsewhere, and for
//! instructions that have no pattern, the interpreter's functions are called.

mod arithmetic;
mod assemble;
mod avx2;
mod encode;
mod features;
mod lanes;
mod moves;
mod ops;
mod packet;
mod products;
mod quarters;
mod select;
mod writer;

pub(super) use assemble::{Function, Held, MOST_ADDRESSES, MOST_VALUES, Member, assemble, bring};
pub(super) use features::Features;
pub(super) use packet::VectorPart;
pub(super) use quarters::divisible;
pub(super) use select::part;
