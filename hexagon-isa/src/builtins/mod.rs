//! The functions that meanings call by name: what the meaning language cannot say well by itself.
//!
//! Names and types are those of [`Builtin`]; one that differs does not compile. Engines outside this crate find them with
//! [`address`].

use crate::ir::Builtin;
use crate::memory::Memory;

mod cabac;
mod control;
mod float;
mod hist;
mod hmx;
mod hvx_float;
mod integer;
mod matrix;
mod permute;
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
pub(crate) use permute::*;
pub(crate) use scatter::*;
pub(crate) use vector::*;
pub(crate) use zreg::*;

/// Where the code of a builtin is, for callers that are not Rust. It is called as a C function whose arguments are, in this
/// order:
///
/// 1. if the result is a vector, a pair or a qfloat element, or the builtin needs memory and has a result: a pointer to where the
///    result goes;
/// 2. what it [needs](crate::ir::Needs): `Status`: a pointer to a [`Status`](crate::state::Status); `Qfloat`: a
///    [`Qfloat`](crate::state::Qfloat), one byte; `Z`: a pointer to its 256 bytes; `Regs`: pointers to
///    [`Regs`](crate::state::Regs) and [`Args`](crate::state::Args); `Memory`: pointers to `Regs`, to the `M` and to `Args`;
/// 3. its parameters: truth values as bytes 0 or 1, integers, floats as integers of their bits; vectors, pairs and qfloat elements
///    (a `u32` or `u16` and a byte of hidden bits) as pointers to them.
///
/// It returns its result if that is not handed over by pointer. One that needs memory returns what a
/// [`MemoryFn`](crate::interp::MemoryFn) returns.
pub fn address<M: Memory>(b: Builtin) -> *const () {
    entry_points::address::<M>(b)
}

// What they take and return is said at `address`.
#[allow(improper_ctypes_definitions, clippy::all)]
mod entry_points {
    use crate::ir::Builtin;
    use crate::memory::Memory;
    use crate::state::qfloat::{Qf16, Qf32};
    use crate::state::{Args, Qfloat, Regs, Status, Vector, VectorPair};

    include!(concat!(env!("OUT_DIR"), "/entry_points.rs"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arch;
    use crate::memory::Ram;
    use crate::state::qfloat::Qf32;
    use crate::state::{Args, Ctl, Qfloat, Regs, Status, usr};

    /// One of each way to be called; the compiler has compared the types of all.
    #[test]
    fn entry_points_do_what_the_builtins_do() {
        let (mut regs, args) = (Regs::new(Arch::V79), Args::default());
        assert_eq!(entry_points::brev_addr(0x1234_0001), 0x1234_8000);
        let mut st = Status::default();
        let third = entry_points::sf_add(&mut st, 1.0f32.to_bits(), 1e-10f32.to_bits());
        assert_eq!((third, st.flags), (1.0f32.to_bits(), usr::FPINPF));
        entry_points::loop_config(&mut regs, &args, 2);
        assert_eq!(regs.c[Ctl::Usr] & usr::LPCFG, 2 << usr::LPCFG_SHIFT);
        let pair: [u8; 256] = std::array::from_fn(|n| n as u8);
        let mut high = [0; 128];
        entry_points::vec_hi(&mut high, &pair);
        assert_eq!(high[0], 128);
        assert_eq!(entry_points::z_word(&pair, 4), 0x0706_0504);
        let (mut sum, one) = (Qf32::default(), 1.0f32.to_bits());
        entry_points::vqf32_add_sf(&mut sum, Qfloat::Extended, one, one);
        assert_eq!(
            entry_points::vsf_from_qf32(Qfloat::Extended, &sum),
            2.0f32.to_bits()
        );
        let ram = Ram::new(0x1000, 16);
        ram.write(0x1004, &7u32.to_le_bytes()).unwrap();
        let mut loaded = 0;
        entry_points::load_locked32::<Ram>(&mut loaded, &mut regs, &ram, &args, 0x1004).unwrap();
        let mut done = false;
        entry_points::store_conditional32::<Ram>(&mut done, &mut regs, &ram, &args, 0x1004, 8).unwrap();
        assert_eq!((loaded, done, ram.read::<1>(0x1004)), (7, true, Ok([8])));
        regs.c[Ctl::FrameLimit] = 0x2000;
        entry_points::frame_check::<Ram>(&mut regs, &ram, &args, 0x1000).unwrap_err();
    }

    #[test]
    fn every_builtin_has_an_address() {
        assert!(Builtin::ALL.iter().all(|b| !address::<Ram>(*b).is_null()));
    }
}
