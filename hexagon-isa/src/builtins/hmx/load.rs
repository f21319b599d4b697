//! Activation and weight loads. They stand in one packet, the activation load first (slot 1); the weight load multiplies.
//!
//! That the two belong together and fit each other is a rule of packets ([`crate::DecodeError::Unpaired`]), so a weight load
//! always finds its activation load. A negative range in either, or channels that end before they begin, drop the packet's
//! multiplication. Everything is read before anything is added: a fault leaves the accumulators as they were.
//!
//! Registers of the weight load: Rs is the address (in vectors of 128 bytes) and, in its low bits, 0x10 compressed weights,
//! 0x20 negated weights and 0x40 bfloat16 (floating point only); Rt is the offset of the last byte.

use super::fixed::{self, Dot, Packing};
use super::float;
use super::tile::{TILE, Window};
use crate::memory::{Fault, Memory, Refused};
use crate::simd::dot::plain::dot4;
use crate::state::hmx::{Activation, HmxState};
use crate::state::{Args, Ctl, Regs};

/// Bytes of weights that one packet can use up, if each weight has eight bits.
const MOST: u32 = 65536;
/// Bytes of a vector of weights.
const VECTOR: u32 = 128;

/// `kind`: 0 ub, 1 hf, 2 f8. `form`: 0 block, 1 deep, 2 above, 3 single, 4 dilate.
/// Reads nothing yet: how much is read depends on the weights, too.
#[allow(clippy::too_many_arguments)]
pub(crate) fn mx_activation<M: Memory>(
    s: &mut Regs,
    _: &M,
    a: &Args,
    rs: u32,
    rt: u32,
    kind: u32,
    form: u32,
    channel_major: u32,
) -> Result<(), M::Fault> {
    s.hmx.begin::<M::Fault>(a.pc)?;
    s.hmx.state().activation = Activation {
        rs,
        rt,
        kind,
        form,
        channel_major: channel_major != 0,
    };
    Ok(())
}

/// A multiplication of which everything is read.
pub(crate) struct Product {
    window: Window,
    activation: Activation,
    /// Of the floating-point array.
    numbers: Option<float::Numbers>,
    packing: Packing,
    limit: u32,
    tiles: Vec<u8>,
    vectors: Vec<u8>,
}

impl Product {
    /// Adds all products to the accumulators.
    #[inline(always)]
    pub(crate) fn multiply(&self, state: &mut HmxState, dot: impl Dot) {
        let Product {
            window,
            limit,
            tiles,
            vectors,
            ..
        } = self;
        match &self.numbers {
            Some(n) => float::multiply(state, window, n, *limit, tiles, vectors, self.activation),
            None => fixed::multiply(state, window, self.packing, *limit, tiles, vectors, dot),
        }
    }
}

/// `kind`: 0 b, 1 sm, 2 n, 3 c, 4 sc, 5 ubit, 6 sbit, 8 hf, 9 f8. `form`: 0 normal, 1 single, 2 drop, 3 deep, 4 after, 5 dilate.
///
/// The interpreter's copies for the host's processors do the same with what those have (`interp::tiles`).
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
        product.multiply(s.hmx.state(), dot4::<false, true>);
    }
    Ok(())
}

/// Reads what is multiplied: the arguments of [`mx_weight`]. `None` if nothing is.
pub(crate) fn read_product<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    [rs, rt, kind, form]: [u32; 4],
) -> Result<Option<Product>, M::Fault> {
    let permit = s.hmx.begin::<M::Fault>(a.pc)?;
    let model = s.hmx.model;
    let usr = s.c[Ctl::Usr];
    let activation = s.hmx.state().activation;
    let packing = Packing::of(kind);
    let few_bits = kind < 7 && packing.per_vector() > 4;
    let window = Window::new(&activation, form, few_bits);
    if rs & 0x10 != 0 {
        return Err(M::Fault::refused(Refused::CompressedWeights));
    }
    if few_bits && window.group != 32 {
        return Err(M::Fault::refused(Refused::GroupsOfFewBits));
    }
    if (rt as i32) < 0 || window.tiles == 0 {
        return Ok(None);
    }
    let numbers = (kind > 7).then(|| float::Numbers::new(kind, rs, usr, model));
    let (per_vector, density) = match &numbers {
        Some(n) => (n.per_vector(), 0),
        None => (packing.per_vector(), packing.density()),
    };
    let limit = (rt | (VECTOR - 1)).min((MOST >> density) - 1) / VECTOR + 1;
    let steps = window.steps(per_vector, limit);
    let Some(last) = steps.last() else {
        return Ok(None);
    };
    let mut vectors = vec![0; (limit.min((last.stream + last.count).div_ceil(per_vector)) * VECTOR) as usize];
    let load = |va: u32, out: &mut [u8]| {
        permit.memory_at::<M::Fault>(va, out.len())?;
        m.load(va, out)
    };
    load(rs & !(VECTOR - 1), &mut vectors)?;
    let base = activation.rs & !(TILE - 1);
    let mut tiles = vec![0; ((last.tile + 1 + u32::from(window.below.is_some())) * TILE) as usize];
    let (first, second) = tiles.split_at_mut(((last.tile + 1) * TILE) as usize);
    load(base, first)?;
    if let Some(distance) = window.below {
        load(base.wrapping_add(distance), second)?;
    }
    Ok((!a.dry).then_some(Product {
        window,
        activation,
        numbers,
        packing,
        limit,
        tiles,
        vectors,
    }))
}
