//! One thread's architectural registers, each file with its pending half behind it.
//!
//! Source of the numbers: Hexagon PRM, user control registers C0..C31.

use std::ops::{Index, IndexMut};

use super::hmx::{Hmx, HmxModel};
use super::qfloat::{Hidden, Qfloat};
use super::zreg::{Half, Window};
use crate::Arch;

/// Registers in the general file.
pub const GPRS: usize = 32;
/// Number added to a register to name its pending half.
pub const PENDING: u8 = 32;
/// Bytes of an HVX vector.
pub const VECTOR_BYTES: usize = 128;

/// One HVX vector register.
pub type Vector = [u8; VECTOR_BYTES];
/// One HVX predicate register: bit *i* belongs to byte lane *i*.
pub type VecPred = u128;

/// User control registers by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ctl {
    /// Start address of hardware loop 0.
    Sa0 = 0,
    /// Count of hardware loop 0.
    Lc0 = 1,
    /// Start address of hardware loop 1.
    Sa1 = 2,
    /// Count of hardware loop 1.
    Lc1 = 3,
    /// All four predicates as one word.
    P3_0 = 4,
    /// Modifier register 0.
    M0 = 6,
    /// Modifier register 1.
    M1 = 7,
    /// User status register.
    Usr = 8,
    /// Address of the packet.
    Pc = 9,
    /// User general pointer (thread-local storage).
    Ugp = 10,
    /// Global pointer of small data.
    Gp = 11,
    /// Circular start 0.
    Cs0 = 12,
    /// Circular start 1.
    Cs1 = 13,
    /// Cycle counter, low word.
    UpcycleLo = 14,
    /// Cycle counter, high word.
    UpcycleHi = 15,
    /// Lowest address `allocframe` may reach.
    FrameLimit = 16,
    /// Key that `allocframe` mixes into the saved link register.
    FrameKey = 17,
    /// Packet counter, low word.
    PktCountLo = 18,
    /// Packet counter, high word.
    PktCountHi = 19,
    /// 19.2 MHz timer, low word.
    UtimerLo = 30,
    /// 19.2 MHz timer, high word.
    UtimerHi = 31,
}

/// Bits of USR.
pub mod usr {
    /// A scalar saturating operation saturated (sticky).
    pub const OVF: u32 = 1;
    /// Invalid operation (sticky).
    pub const FPINVF: u32 = 1 << 1;
    /// Division by zero (sticky).
    pub const FPDBZF: u32 = 1 << 2;
    /// Overflow (sticky).
    pub const FPOVFF: u32 = 1 << 3;
    /// Underflow (sticky).
    pub const FPUNFF: u32 = 1 << 4;
    /// Inexact (sticky).
    pub const FPINPF: u32 = 1 << 5;
    /// Position of the loop configuration that `spNloop0` sets.
    pub const LPCFG_SHIFT: u32 = 8;
    /// Its mask, in place.
    pub const LPCFG: u32 = 3 << LPCFG_SHIFT;
    /// Position of the rounding mode: 0 nearest even, 1 zero, 2 down, 3 up.
    pub const FPRND_SHIFT: u32 = 22;
    /// Its mask, in place.
    pub const FPRND: u32 = 3 << FPRND_SHIFT;
}

macro_rules! file {
    ($(#[$doc:meta])* $name:ident, $t:ty, $arch:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        #[repr(transparent)]
        pub struct $name([$t; 2 * $arch]);
        impl $name {
            /// Reads entry `n` (pending half included); `n` wraps at the file's size.
            #[inline(always)]
            pub fn get(&self, n: u8) -> $t {
                self.0[usize::from(n) & (2 * $arch - 1)]
            }
            /// Writes entry `n` (pending half included); `n` wraps at the file's size.
            #[inline(always)]
            pub fn set(&mut self, n: u8, v: $t) {
                self.0[usize::from(n) & (2 * $arch - 1)] = v;
            }
            /// The architectural half.
            pub fn iter(&self) -> impl Iterator<Item = &$t> {
                self.0.iter().take($arch)
            }
        }
        impl Default for $name {
            fn default() -> Self {
                $name([<$t>::default(); 2 * $arch])
            }
        }
        /// The architectural register `n`, modulo the number of registers.
        impl Index<usize> for $name {
            type Output = $t;
            #[inline(always)]
            fn index(&self, n: usize) -> &$t {
                &self.0[n & ($arch - 1)]
            }
        }
        impl IndexMut<usize> for $name {
            #[inline(always)]
            fn index_mut(&mut self, n: usize) -> &mut $t {
                &mut self.0[n & ($arch - 1)]
            }
        }
    };
}

// Every index is masked with the (power of two) size minus one.
#[allow(clippy::indexing_slicing)]
mod files {
    use super::*;
    /// General registers: `r[0]` … `r[31]`.
    ///
    /// There is an entry for whatever a byte can name, so that no access needs to look whether there is; those behind the two
    /// halves are never used.
    #[derive(Debug, Clone)]
    #[repr(transparent)]
    pub struct Gprs([u32; 256]);
    impl Gprs {
        /// Reads entry `n` (pending half included).
        #[inline(always)]
        pub fn get(&self, n: u8) -> u32 {
            self.0[usize::from(n)]
        }
        /// Writes entry `n` (pending half included).
        #[inline(always)]
        pub fn set(&mut self, n: u8, v: u32) {
            self.0[usize::from(n)] = v;
        }
        /// The architectural half.
        pub fn iter(&self) -> impl Iterator<Item = &u32> {
            self.0.iter().take(GPRS)
        }
    }
    impl Default for Gprs {
        fn default() -> Self {
            Gprs([0; 256])
        }
    }
    /// The architectural register `n`, modulo the number of registers.
    impl Index<usize> for Gprs {
        type Output = u32;
        #[inline(always)]
        fn index(&self, n: usize) -> &u32 {
            &self.0[n & (GPRS - 1)]
        }
    }
    impl IndexMut<usize> for Gprs {
        #[inline(always)]
        fn index_mut(&mut self, n: usize) -> &mut u32 {
            &mut self.0[n & (GPRS - 1)]
        }
    }
    file!(
        /// Predicate registers: `p[0]` … `p[3]`.
        Preds, u8, 4
    );
    file!(
        /// Control registers; index with a [`Ctl`].
        Ctls, u32, 32
    );
    file!(
        /// HVX predicates: `q[0]` … `q[3]`.
        VecPreds, VecPred, 4
    );

    /// HVX vector registers: `v[0]` … `v[31]`. Each lies in whole cache lines of the host.
    #[derive(Debug, Clone)]
    #[repr(C, align(128))]
    pub struct Vectors(pub(super) [Vector; 64]);
    impl Vectors {
        /// Register `n` (pending half included); `n` wraps at the file's size.
        #[inline(always)]
        pub fn get(&self, n: u8) -> &Vector {
            &self.0[usize::from(n) & 63]
        }
        /// Register `n` (pending half included) for writing.
        #[inline(always)]
        pub fn get_mut(&mut self, n: u8) -> &mut Vector {
            &mut self.0[usize::from(n) & 63]
        }
        /// The architectural half.
        pub fn iter(&self) -> impl Iterator<Item = &Vector> {
            self.0.iter().take(32)
        }
    }
    impl Index<usize> for Vectors {
        type Output = Vector;
        fn index(&self, n: usize) -> &Vector {
            &self.0[n & 31]
        }
    }
    impl IndexMut<usize> for Vectors {
        fn index_mut(&mut self, n: usize) -> &mut Vector {
            &mut self.0[n & 31]
        }
    }
}
pub use files::{Ctls, Gprs, Preds, VecPreds, Vectors};

impl Index<Ctl> for Ctls {
    type Output = u32;
    #[inline(always)]
    fn index(&self, c: Ctl) -> &u32 {
        &self[c as usize]
    }
}
impl IndexMut<Ctl> for Ctls {
    #[inline(always)]
    fn index_mut(&mut self, c: Ctl) -> &mut u32 {
        &mut self[c as usize]
    }
}

/// HVX registers of a thread.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct HvxRegs {
    /// Vectors.
    pub v: Vectors,
    /// Vector predicates.
    pub q: VecPreds,
    /// Bits of the vectors that only qfloat instructions see.
    pub hidden: Hidden,
    /// The Z register.
    pub z: Window,
    /// What the packet's gather loaded, for its `vtmp.new` store. Means nothing outside that packet.
    pub(crate) gathered: Vector,
    /// 0xff for each byte that it loaded.
    pub(crate) gathered_mask: Vector,
}

impl HvxRegs {
    /// All zero, built on the heap.
    pub fn new() -> Box<Self> {
        Box::new(HvxRegs {
            v: Vectors([[0; VECTOR_BYTES]; 64]),
            q: VecPreds::default(),
            hidden: Hidden::new(),
            z: Window::default(),
            gathered: [0; VECTOR_BYTES],
            gathered_mask: [0; VECTOR_BYTES],
        })
    }
}

/// What `memw_locked`/`memd_locked` reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Address that was loaded.
    pub va: u32,
    /// Value that was seen there (a word is zero-extended).
    pub value: u64,
    /// Bytes: 4 or 8.
    pub size: u8,
}

/// What an instruction asks of the loop that runs packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Event {
    /// Nothing.
    #[default]
    None,
    /// `trap0(#imm)`.
    Trap0(u32),
    /// `trap1(#imm)`.
    Trap1(u32),
    /// Somebody else should run: `pause`, or a store-conditional that failed.
    Yield,
    /// A register or instruction that user code may not use.
    Privileged,
    /// A command to the thread's DMA engine.
    Dma(DmaCommand),
}

/// An instruction of user DMA, with what its registers held. The last three write a status into the register of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmaCommand {
    /// `dmstart`: begin with this descriptor.
    Start(u32),
    /// `dmlink`: put a descriptor behind another one.
    Link {
        /// The one that is the last so far, or 0.
        tail: u32,
        /// The new one.
        new: u32,
    },
    /// `dmresume`: go on with what a pause answered.
    Resume(u32),
    /// `dmpoll`: how far is it?
    Poll(u8),
    /// `dmwait`: how did it end?
    Wait(u8),
    /// `dmpause`: stop.
    Pause(u8),
}

/// A thread's registers. [`layout`](super::layout) says where they lie.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Regs {
    /// General registers. R29 is the stack pointer, R30 the frame pointer, R31 the link register.
    pub r: Gprs,
    /// Predicates.
    pub p: Preds,
    /// Control registers. `P3_0` and `Pc` are not kept here: use [`Regs::control`].
    pub c: Ctls,
    /// Address of the packet that runs next (or that faulted).
    pub pc: u32,
    /// HVX state.
    pub hvx: Box<HvxRegs>,
    /// What the core that runs the thread makes of qfloat instructions; the core sets it.
    pub qfloat: Qfloat,
    /// The matrix unit.
    pub hmx: Hmx,
    /// Reservation of the last load-locked.
    pub reservation: Option<Reservation>,
    /// What the packet in flight wrote and asked for.
    pub(crate) flight: Flight,
}

/// Book-keeping of the packet in flight.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flight {
    /// Bits 32.. : control registers whose pending value is to be committed.
    pub c: u64,
    /// The same for vectors.
    pub v: u64,
    /// Vectors that were kept aside for `.cur` and `.tmp` loads.
    pub v_saved: u32,
    /// Those of them that come back when the packet ends.
    pub v_temporary: u32,
    /// Predicates with a pending value.
    pub p: u8,
    /// The same for vector predicates.
    pub q: u8,
    /// The half of Z that a load of the packet fills.
    pub z: Option<Half>,
    /// USR bits to be set at commit.
    pub sticky: u32,
    /// Where the packet's taken branch goes.
    pub target: Option<u32>,
    /// What else it asked for.
    pub event: Event,
}

impl Default for Regs {
    fn default() -> Self {
        Regs {
            r: Gprs::default(),
            p: Preds::default(),
            c: Ctls::default(),
            pc: 0,
            hvx: HvxRegs::new(),
            qfloat: Qfloat::default(),
            hmx: Hmx::default(),
            reservation: None,
            flight: Flight::default(),
        }
    }
}

impl Regs {
    /// Zeroed registers of a thread of a core of this architecture, which decides what qfloat and matrix instructions do.
    #[must_use]
    pub fn new(arch: Arch) -> Regs {
        let mut regs = Regs {
            qfloat: Qfloat::of(arch),
            ..Regs::default()
        };
        regs.hmx.model = HmxModel::of(arch);
        regs
    }

    /// Reads control register `n` (0..=31) as a transfer instruction sees it.
    pub fn control(&self, n: u8) -> u32 {
        match n & 31 {
            4 => u32::from_le_bytes([self.p[0], self.p[1], self.p[2], self.p[3]]),
            9 => self.pc,
            n => self.c.get(n),
        }
    }

    /// Writes control register `n` as a debugger would: everything but the packet counter and clocks can be set.
    pub fn set_control(&mut self, n: u8, v: u32) {
        match n & 31 {
            4 => v
                .to_le_bytes()
                .into_iter()
                .enumerate()
                .for_each(|(i, b)| self.p[i] = b),
            9 => self.pc = v,
            n => self.c.set(n, v),
        }
    }

    /// Stack pointer, R29.
    pub fn sp(&self) -> u32 {
        self.r[29]
    }

    /// Frame pointer, R30.
    pub fn fp(&self) -> u32 {
        self.r[30]
    }

    /// Link register, R31.
    pub fn lr(&self) -> u32 {
        self.r[31]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates_read_as_one_control_register() {
        let mut regs = Regs::default();
        regs.set_control(4, 0x4433_2211);
        assert_eq!((regs.p[0], regs.p[3]), (0x11, 0x44));
        assert_eq!(regs.control(4), 0x4433_2211);
    }

    #[test]
    fn iteration_shows_architectural_registers_only() {
        let mut regs = Regs::default();
        regs.r.set(5 + PENDING, 7);
        assert_eq!(regs.r.iter().count(), GPRS);
        assert!(regs.r.iter().all(|v| *v == 0));
    }
}
