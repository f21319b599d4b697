//! Scalar floating point on register bits: IEEE 754 with Hexagon's choices.
//!
//! A NaN result is always all ones; a signalling NaN operand raises invalid; tininess is detected before rounding;
//! denormals are kept; the rounding mode is USR's. [`exact`] is the definition; [`host`] and the conversions take the host's
//! arithmetic where it cannot differ, by value and by flag.
//!
//! Source: Hexagon PRM, chapter on floating point; behaviour compared with qemu-hexagon.

mod convert;
mod exact;
mod host;
mod order;
mod sequences;
#[cfg(test)]
mod tests;

pub(crate) use convert::*;
pub(crate) use host::*;
pub(crate) use order::*;
pub(crate) use sequences::*;
