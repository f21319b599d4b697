//! How the generated functions read and write registers and memory.

use super::{Args, Ctl, Event, PENDING, Regs, VecPred, Vector, usr};
use crate::facts::writable;
use crate::memory::Memory;

/// Two vectors, the even (low) register first.
pub type VectorPair = [u8; 256];

/// Four vectors, the lowest register first.
pub type VectorQuad = [u8; 512];

/// USR for one instruction's arithmetic, and the flags that it raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Status {
    /// USR bits that were raised.
    pub flags: u32,
    /// USR as it is. It holds the rounding mode; and a flag that is set there already need not be found out again.
    pub usr: u32,
}

impl Status {
    /// USR.FPRND: 0 nearest even, 1 zero, 2 down, 3 up.
    #[inline(always)]
    pub fn round(&self) -> u8 {
        ((self.usr & usr::FPRND) >> usr::FPRND_SHIFT) as u8
    }
}

impl Regs {
    /// General register operand.
    #[inline(always)]
    pub(crate) fn gpr(&self, n: i32) -> u32 {
        self.r.get(n as u8)
    }

    /// General register pair operand.
    #[inline(always)]
    pub(crate) fn gpr_pair(&self, n: i32) -> u64 {
        u64::from(self.r.get(n as u8 & !1)) | u64::from(self.r.get(n as u8 | 1)) << 32
    }

    /// Predicate operand.
    #[inline(always)]
    pub(crate) fn pred(&self, n: i32) -> u8 {
        self.p.get(n as u8)
    }

    /// Predicate `n` as this packet's writers have left it, in the half that they write.
    #[inline(always)]
    pub(crate) fn new_pred(&self, n: u8, half: u8) -> u8 {
        self.p.get(n | half)
    }

    /// Modifier register operand: 0 is M0.
    #[inline(always)]
    pub(crate) fn modifier(&self, n: i32) -> u32 {
        self.c.get(Ctl::M0 as u8 + (n as u8 & 1))
    }

    /// The circular start register that belongs to a modifier operand.
    #[inline(always)]
    pub(crate) fn circular_start(&self, n: i32) -> u32 {
        self.c.get(Ctl::Cs0 as u8 + (n as u8 & 1))
    }

    /// Control register operand.
    pub(crate) fn ctl(&self, n: i32, a: &Args) -> u32 {
        match n & 31 {
            9 => a.pc,
            n => self.control(n as u8),
        }
    }

    /// Control register pair operand.
    pub(crate) fn ctl_pair(&self, n: i32, a: &Args) -> u64 {
        u64::from(self.ctl(n & !1, a)) | u64::from(self.ctl(n | 1, a)) << 32
    }

    /// Vector operand.
    #[inline(always)]
    pub(crate) fn vec(&self, n: i32) -> &Vector {
        self.hvx.v.get(n as u8)
    }

    /// Vector pair operand. An odd number means the halves are swapped.
    #[inline(always)]
    pub(crate) fn vec_pair(&self, n: i32) -> VectorPair {
        super::lanes::join(self.vec(n), self.vec(n ^ 1))
    }

    /// Vector quad operand.
    #[inline(always)]
    pub(crate) fn vec_quad(&self, n: i32) -> VectorQuad {
        let mut out = [0; 512];
        for (o, k) in out.chunks_exact_mut(128).zip(0..4) {
            o.copy_from_slice(self.vec(n & !3 | k));
        }
        out
    }

    /// Vector predicate operand as bytes of 0xff and 0.
    #[inline(always)]
    pub(crate) fn vec_pred(&self, n: i32) -> Vector {
        super::lanes::expand(self.hvx.q.get(n as u8))
    }

    /// `n` names the half, too.
    #[inline(always)]
    pub(crate) fn w_gpr(&mut self, n: i32, v: u32) {
        self.r.set(n as u8, v);
    }

    #[inline(always)]
    pub(crate) fn w_gpr_pair(&mut self, n: i32, v: u64) {
        self.r.set(n as u8 & !1, v as u32);
        self.r.set(n as u8 | 1, (v >> 32) as u32);
    }

    /// Several writers of a predicate in one packet are ANDed.
    #[inline(always)]
    pub(crate) fn w_pred(&mut self, n: i32, off: u8, v: u8) {
        let n = n as u8 & 3;
        if off == 0 {
            self.p.set(n, v);
        } else {
            let bit = 1 << n;
            let v = if self.flight.p & bit != 0 {
                v & self.p.get(n | 4)
            } else {
                v
            };
            self.p.set(n | 4, v);
            self.flight.p |= bit;
        }
    }

    pub(crate) fn w_ctl(&mut self, n: i32, off: u8, v: u32) {
        let n = n as u8 & 31;
        if n == Ctl::P3_0 as u8 {
            for (k, b) in v.to_le_bytes().into_iter().enumerate() {
                self.w_pred(k as i32, off, b);
            }
            return;
        }
        let changed = writable(n);
        if changed == 0 {
            return;
        }
        let v = v & changed | self.c.get(n) & !changed;
        let d = n.wrapping_add(off) & 63;
        self.c.set(d, v);
        if off != 0 {
            self.flight.c |= 1 << d;
        }
    }

    pub(crate) fn w_ctl_pair(&mut self, n: i32, off: u8, v: u64) {
        self.w_ctl(n & !1, off, v as u32);
        self.w_ctl(n | 1, off, (v >> 32) as u32);
    }

    #[inline(always)]
    pub(crate) fn w_vec(&mut self, n: i32, off: u8, v: Vector) {
        let d = (n as u8).wrapping_add(off) & 63;
        *self.hvx.v.get_mut(d) = v;
        self.hvx.hidden.reset(d);
        if off == PENDING {
            self.flight.v |= 1 << d;
        }
    }

    /// Loads a vector where it is to be.
    #[inline(always)]
    pub(crate) fn load_vec<M: Memory>(&mut self, n: i32, off: u8, m: &M, va: u32) -> Result<(), M::Fault> {
        let d = (n as u8).wrapping_add(off) & 63;
        m.load_vector(va, self.hvx.v.get_mut(d))?;
        self.hvx.hidden.reset(d);
        if off == PENDING {
            self.flight.v |= 1 << d;
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn w_vec_pair(&mut self, n: i32, off: u8, v: VectorPair) {
        self.w_vec(n, off, super::lanes::half(&v, 0));
        self.w_vec(n ^ 1, off, super::lanes::half(&v, 1));
    }

    #[inline(always)]
    pub(crate) fn w_vec_quad(&mut self, n: i32, off: u8, v: VectorQuad) {
        for (part, k) in v.as_chunks().0.iter().zip(0..4) {
            self.w_vec(n & !3 | k, off, *part);
        }
    }

    #[inline(always)]
    pub(crate) fn w_vec_pred(&mut self, n: i32, off: u8, q: VecPred) {
        let n = n as u8 & 3;
        if off == 0 {
            self.hvx.q.set(n, q);
        } else {
            self.hvx.q.set(n | 4, q);
            self.flight.q |= 1 << n;
        }
    }

    #[inline(always)]
    pub(crate) fn status(&self) -> Status {
        Status {
            flags: 0,
            usr: self.c.get(Ctl::Usr as u8),
        }
    }

    /// Sets sticky bits of USR.
    #[inline(always)]
    pub(crate) fn raise(&mut self, off: u8, flags: u32) {
        if flags != 0 {
            if off == 0 {
                self.c[Ctl::Usr] |= flags;
            } else {
                self.flight.sticky |= flags;
            }
        }
    }

    /// The first taken branch of a packet wins.
    #[inline(always)]
    pub(crate) fn jump(&mut self, target: u32) {
        if self.flight.target.is_none() {
            self.flight.target = Some(target);
        }
    }

    pub(crate) fn event(&mut self, e: Event) {
        if self.flight.event == Event::None {
            self.flight.event = e;
        }
    }
}

macro_rules! store {
    ($name:ident, $try_name:ident, $t:ty) => {
        #[inline(always)]
        pub(crate) fn $name<M: Memory>(m: &M, a: &Args, va: u32, v: $t) -> Result<(), M::Fault> {
            if a.dry {
                m.probe_store(va, size_of::<$t>() as u32)
            } else {
                m.$name(va, v)
            }
        }
        /// Whether it is done. A dry run is not for the quick way.
        #[inline(always)]
        pub(crate) fn $try_name<M: Memory>(m: &M, a: &Args, va: u32, v: $t) -> bool {
            !a.dry && m.$try_name(va, v)
        }
    };
}
store!(store8, try_store8, u8);
store!(store16, try_store16, u16);
store!(store32, try_store32, u32);
store!(store64, try_store64, u64);

/// Loads a vector. It comes back through a reference because a `Result` of one is moved about byte by byte.
#[inline(always)]
pub(crate) fn load_vec<M: Memory>(m: &M, va: u32, v: &mut Vector) -> Result<(), M::Fault> {
    m.load_vector(va, v)
}

#[inline(always)]
pub(crate) fn store_vec<M: Memory>(m: &M, a: &Args, va: u32, v: &Vector) -> Result<(), M::Fault> {
    if a.dry {
        m.probe_store(va, 128)
    } else {
        m.store(va, v)
    }
}
