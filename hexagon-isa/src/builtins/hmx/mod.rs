//! The matrix unit's instructions.
//!
//! Source of truth: the vendor's public simulators, because there is no public manual: qualcomm/qemu's `hmx_helper.c` and
//! `hmx_xfp.c`, and the architecture simulator's parts that older versions of that repository hold (`hmx/ext_hmx.c`, the
//! coprocessor's parameter set-up). Where they differ the older, which is the hardware team's, is followed; the places say so.
//!
//! * [`load`]: activation and weight loads, and how they lead to a multiplication.
//! * [`tile`]: positions in a tile, channel ranges, groups, taps.
//! * [`fixed`], [`float`]: the two arrays, the second a row at a time in [`float_lanes`]; [`xfp`]: its number format.
//! * [`convert`], [`convert_float`]: accumulators to results; [`store`]: results to memory.
//! * [`bias`]: biases, and clearing and swapping accumulators.
//!
//! That tiles must lie in VTCM, and that the thread must have locked the unit, is a [`Permit`](crate::state::hmx::Permit) of each thread.
//! Not modelled: that a tile must lie in one page, weights in compressed form, the two halves of accumulators that some cores keep for weights of four bits.

mod bias;
mod convert;
mod convert_float;
mod fixed;
mod float;
mod float_lanes;
mod load;
mod store;
mod tile;
mod xfp;

pub(crate) use bias::*;
pub(crate) use convert::*;
pub(crate) use load::*;
pub(crate) use store::*;
