//! What the matrix unit keeps: accumulators, results of conversions, biases, and the packet's activation load.
//!
//! Sizes and what there are two, three or four of: the vendor's public simulators (qualcomm/qemu, `hmx_state.h` and the older
//! `hmx/ext_hmx.c`). Two sets of fixed and two of floating-point accumulators, of which one each is current; three ages of
//! conversion results and the buffer in which a conversion works; four sets of biases from V75 on, one before.
//!
//! Not modelled: on hardware the unit is one per core and is locked by a thread; here every thread has its own, made when
//! the thread first uses it, so a thread cannot find what another one left.

use crate::Arch;
use crate::memory::{Fault, Refused};

/// Channels of a tile, in and out.
pub const CHANNELS: usize = 32;

/// What differs between the cores that have the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HmxModel {
    /// Four sets of biases instead of one (V75).
    pub bias_sets: bool,
    /// The unit takes and gives bfloat16 too: its accumulators' exponents are wide enough (V81).
    pub bf16: bool,
}

impl HmxModel {
    /// What a core of this architecture has.
    pub fn of(arch: Arch) -> Self {
        HmxModel {
            bias_sets: arch >= Arch::V75,
            bf16: arch >= Arch::V81,
        }
    }
}

/// A floating-point accumulator: `sig` · 2^(`exp` - 22), with 8 bits before the point. Not normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Significand in 30 bits, signed.
    pub sig: i32,
    /// Exponent, -256 to 255.
    pub exp: i16,
    /// Bits as in [`status`].
    pub status: u8,
}

/// Bits of [`Cell::status`].
pub mod status {
    /// Nothing but true zeros went in.
    pub const ZERO: u8 = 1;
    /// 1 plus infinity, 2 minus infinity, 3 not a number, in this place.
    pub const INF_SHIFT: u8 = 1;
    /// Mask of that.
    pub const INF: u8 = 3 << INF_SHIFT;
    /// Negative: of zeros and infinities, too.
    pub const NEGATIVE: u8 = 8;
}

impl Cell {
    /// The exponent of a true zero.
    pub const LEAST: i16 = -256;
    /// What an accumulator is when it is cleared.
    pub const ZERO: Cell = Cell {
        sig: 0,
        exp: Cell::LEAST,
        status: status::ZERO,
    };
}

/// `ROWS` rows of a value a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid<T, const ROWS: usize>(Box<[[T; CHANNELS]; ROWS]>);

// Every index is masked with the (power of two) number of rows minus one.
#[allow(clippy::indexing_slicing)]
impl<T: Copy, const ROWS: usize> Grid<T, ROWS> {
    fn new(value: T) -> Self {
        Grid(Box::new([[value; CHANNELS]; ROWS]))
    }

    /// Row `n`; `n` wraps at the number of rows.
    #[inline(always)]
    pub fn row(&self, n: usize) -> &[T; CHANNELS] {
        &self.0[n & (ROWS - 1)]
    }

    /// Row `n` for writing.
    #[inline(always)]
    pub fn row_mut(&mut self, n: usize) -> &mut [T; CHANNELS] {
        &mut self.0[n & (ROWS - 1)]
    }

    /// The value of a channel; both numbers wrap.
    #[inline(always)]
    pub fn get(&self, row: usize, channel: usize) -> T {
        self.0[row & (ROWS - 1)][channel & (CHANNELS - 1)]
    }

    /// Sets every value.
    pub fn fill(&mut self, value: T) {
        self.0.fill([value; CHANNELS]);
    }
}

/// Sums of the fixed-point array: a row for each of the tile's 64 positions.
pub type Fixed = Grid<i32, 64>;
/// Sums of the floating-point array: a row for each of its 32 positions.
pub type Float = Grid<Cell, 32>;
/// Results of a conversion: 12 bits each, of which a store takes the upper 8.
pub type Converted = Grid<u16, 64>;

/// The unit's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmxState {
    /// Accumulators.
    pub fixed: [Fixed; 2],
    /// Which of the two is current.
    pub fixed_set: u8,
    /// Accumulators.
    pub float: [Float; 2],
    /// Which of the two is current.
    pub float_set: u8,
    /// Results of the last conversion and of the two before it.
    pub converted: [Converted; 3],
    /// Where a conversion of fixed and of floating-point accumulators writes, and from where a second pass takes what the first gave.
    pub working: [Converted; 2],
    /// Biases, a row for each set.
    pub bias: Grid<u64, 4>,
    /// What the packet's activation load said. Means nothing outside that packet.
    pub(crate) activation: Activation,
}

impl Default for HmxState {
    fn default() -> Self {
        HmxState {
            fixed: [Grid::new(0), Grid::new(0)],
            fixed_set: 0,
            float: [Grid::new(Cell::ZERO), Grid::new(Cell::ZERO)],
            float_set: 0,
            converted: [Grid::new(0), Grid::new(0), Grid::new(0)],
            working: [Grid::new(0), Grid::new(0)],
            bias: Grid::new(0),
            activation: Activation::default(),
        }
    }
}

impl HmxState {
    /// One of two, by number.
    pub(crate) fn of<T>(sets: &[T; 2], n: u8) -> &T {
        let [a, b] = sets;
        if n & 1 == 0 { a } else { b }
    }

    /// One of two for writing.
    pub(crate) fn of_mut<T>(sets: &mut [T; 2], n: u8) -> &mut T {
        let [a, b] = sets;
        if n & 1 == 0 { a } else { b }
    }
}

/// What an activation load says to the weight load of its packet: the two registers and the instruction's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Activation {
    pub rs: u32,
    pub rt: u32,
    /// 0 unsigned bytes, 1 half floats, 2 byte floats.
    pub kind: u32,
    /// 0 block, 1 deep, 2 above, 3 single, 4 dilate.
    pub form: u32,
    /// Channels are neighbours in memory; otherwise positions are, by fours.
    pub channel_major: bool,
}

/// What a thread may do with the unit. Hardware has one unit, which a thread locks, and which works on VTCM only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// The thread has locked it.
    pub locked: bool,
    /// Without the lock its loads and stores fail; else that is [noted](Hmx::noted).
    pub strict: bool,
    /// The first and the last address that it may load from and store to.
    pub memory: (u32, u32),
}

impl Default for Permit {
    /// Everything.
    fn default() -> Self {
        Permit {
            locked: true,
            strict: false,
            memory: (0, u32::MAX),
        }
    }
}

impl Permit {
    /// May these bytes be accessed?
    pub(crate) fn memory_at<F: Fault>(self, va: u32, len: usize) -> Result<(), F> {
        let last = u64::from(va) + (len as u64).saturating_sub(1);
        if va < self.memory.0 || last > u64::from(self.memory.1) {
            return Err(F::refused(Refused::OutsideOfVtcm));
        }
        Ok(())
    }
}

/// The matrix unit of a thread.
#[derive(Debug, Clone, Default)]
pub struct Hmx {
    /// What the core's unit can; the core sets it.
    pub model: HmxModel,
    /// What the thread may do with it; who runs the thread sets it.
    pub permit: Permit,
    /// Address of a packet that used it without its lock, where that is let pass.
    pub noted: Option<u32>,
    state: Option<Box<HmxState>>,
}

impl Hmx {
    /// The state, if the thread has used the unit.
    pub fn used(&self) -> Option<&HmxState> {
        self.state.as_deref()
    }

    /// A packet loads or stores; may it?
    pub(crate) fn begin<F: Fault>(&mut self, pc: u32) -> Result<Permit, F> {
        if !self.permit.locked {
            if self.permit.strict {
                return Err(F::refused(Refused::NotLocked));
            }
            self.noted.get_or_insert(pc);
        }
        Ok(self.permit)
    }

    /// The state for use.
    pub fn state(&mut self) -> &mut HmxState {
        self.state.get_or_insert_with(Default::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wrap_and_a_fresh_unit_holds_zeros() {
        let mut hmx = Hmx::default();
        assert!(hmx.used().is_none());
        let state = hmx.state();
        state.fixed[1].row_mut(64 + 3)[5] = 7;
        assert_eq!(state.fixed[1].get(3, 32 + 5), 7);
        assert_eq!(state.float[0].get(0, 0), Cell::ZERO);
        assert!(hmx.used().is_some());
    }

    #[test]
    fn what_a_thread_may_not_do_is_refused_or_noted() {
        use crate::memory::RamFault;
        let mut hmx = Hmx::default();
        assert_eq!(hmx.begin::<RamFault>(4).map(|permit| permit.locked), Ok(true));
        assert_eq!(hmx.noted, None);
        hmx.permit = Permit {
            locked: false,
            strict: false,
            memory: (0x1000, 0x1fff),
        };
        assert!(hmx.begin::<RamFault>(4).is_ok() && hmx.begin::<RamFault>(8).is_ok());
        assert_eq!(hmx.noted, Some(4));
        hmx.permit.strict = true;
        assert_eq!(
            hmx.begin::<RamFault>(4),
            Err(RamFault::Refused(Refused::NotLocked))
        );
        let at = |va, len| hmx.permit.memory_at::<RamFault>(va, len).is_ok();
        assert!(at(0x1000, 0x1000) && at(0x1fff, 1));
        assert!(!at(0xfff, 2) && !at(0x1fff, 2) && !at(u32::MAX, 2));
    }

    #[test]
    fn cores_differ_in_biases_and_bfloat16() {
        let of = |a| HmxModel::of(a);
        assert_eq!((of(Arch::V73).bias_sets, of(Arch::V75).bias_sets), (false, true));
        assert_eq!((of(Arch::V79).bf16, of(Arch::V81).bf16), (false, true));
    }
}
