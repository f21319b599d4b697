//! The functions that meanings call by name: what the meaning language cannot say well by itself.
//!
//! Names and types are those of [`crate::ir::Builtin`]; one that differs does not compile.

mod cabac;
mod control;
mod float;
mod hist;
mod hmx;
mod hvx_float;
mod integer;
mod matrix;
mod scatter;
mod vector;
mod zreg;

pub(crate) use cabac::*;
pub(crate) use control::*;
pub(crate) use float::*;
pub(crate) use hist::*;
pub(crate) use hmx::*;
pub(crate) use hvx_float::*;
pub(crate) use integer::*;
pub(crate) use matrix::*;
pub(crate) use scatter::*;
pub(crate) use vector::*;
pub(crate) use zreg::*;
