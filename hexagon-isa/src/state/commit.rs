//! How a packet ends: where the thread goes on, loops go round, what its instructions left pending moves in place, what a fault
//! left is forgotten. The rules are those of [`facts`](crate::facts).

use super::{Ctl, Event, PENDING, Regs, usr};
use crate::EndLoop;

impl Regs {
    /// Where the thread goes on: at the target of the packet's taken branch, at the start of a loop that it ends, or at `next`,
    /// the packet behind it.
    #[inline(always)]
    pub fn next_pc(&mut self, next: u32, endloop: EndLoop) -> u32 {
        let target = self.take_target();
        let mut pc = next;
        if endloop != EndLoop::None
            && let Some(start) = self.end_loops(endloop)
        {
            pc = start;
        }
        if let Some(target) = target {
            pc = target;
        }
        pc
    }

    /// The pseudo-instruction at the end of loops, which acts last. Where it goes, if back. Of both loops the outer one ends only
    /// when the inner one is done.
    #[inline(always)]
    pub fn end_loops(&mut self, which: EndLoop) -> Option<u32> {
        if which != EndLoop::Loop1 {
            let config = self.c[Ctl::Usr] & usr::LPCFG;
            if config != 0 {
                if config >> usr::LPCFG_SHIFT == 1 {
                    self.p[3] = 0xff;
                }
                self.c[Ctl::Usr] -= 1 << usr::LPCFG_SHIFT;
            }
            if self.c[Ctl::Lc0] > 1 {
                self.c[Ctl::Lc0] -= 1;
                return Some(self.c[Ctl::Sa0]);
            }
            if which == EndLoop::Loop0 {
                return None;
            }
        }
        if self.c[Ctl::Lc1] > 1 {
            self.c[Ctl::Lc1] -= 1;
            return Some(self.c[Ctl::Sa1]);
        }
        None
    }

    /// Where the packet's taken branch goes, if one was taken; forgets it.
    #[inline(always)]
    pub fn take_target(&mut self) -> Option<u32> {
        self.flight.target.take()
    }

    /// What the packet asked for; forgets it.
    #[inline(always)]
    pub fn take_event(&mut self) -> Event {
        std::mem::take(&mut self.flight.event)
    }

    /// Copies a general register; each of the two numbers names a half, too. Whoever schedules a packet moves its pending
    /// general registers with this, because it knows which they are.
    #[inline(always)]
    pub fn copy_gpr(&mut self, to: u8, from: u8) {
        let v = self.r.get(from);
        self.r.set(to, v);
    }

    /// Moves all pending values of the packet in place, but for general registers.
    pub fn commit(&mut self) {
        if self.flight.p != 0 {
            for n in 0..4 {
                if self.flight.p >> n & 1 != 0 {
                    let v = self.p.get(n | 4);
                    self.p.set(n, v);
                }
            }
            self.flight.p = 0;
        }
        if self.flight.c != 0 {
            let mut bits = (self.flight.c >> 32) as u32;
            while bits != 0 {
                let n = bits.trailing_zeros() as u8;
                let v = self.c.get(n | PENDING);
                self.c.set(n, v);
                bits &= bits - 1;
            }
            self.flight.c = 0;
        }
        if self.flight.sticky != 0 {
            self.c[Ctl::Usr] |= self.flight.sticky;
            self.flight.sticky = 0;
        }
        if self.flight.v_saved != 0 {
            self.restore(self.flight.v_temporary);
            self.flight.v_saved = 0;
            self.flight.v_temporary = 0;
        }
        if self.flight.v != 0 {
            let mut bits = (self.flight.v >> 32) as u32;
            while bits != 0 {
                let n = bits.trailing_zeros() as u8;
                let v = *self.hvx.v.get(n | PENDING);
                *self.hvx.v.get_mut(n) = v;
                self.hvx.hidden.copy(n | PENDING, n);
                bits &= bits - 1;
            }
            self.flight.v = 0;
        }
        if let Some(half) = self.flight.z.take() {
            self.hvx.z.take_staged(half);
        }
        if self.flight.q != 0 {
            for n in 0..4 {
                if self.flight.q >> n & 1 != 0 {
                    let v = self.hvx.q.get(n | 4);
                    self.hvx.q.set(n, v);
                }
            }
            self.flight.q = 0;
        }
    }

    /// Forgets everything the packet wanted: it faulted. A fault also loses the reservation.
    pub fn abort(&mut self) {
        self.restore(self.flight.v_saved);
        self.flight = Default::default();
        self.reservation = None;
    }
    /// Keeps vector `n` aside before a `.cur` or `.tmp` load of the packet writes it: so that a fault can undo the load, and
    /// so that the end of the packet undoes a `.tmp` load.
    pub fn save_vector(&mut self, n: u8, temporary: bool) {
        let v = *self.hvx.v.get(n & 31);
        *self.hvx.v.get_mut(n & 31 | PENDING) = v;
        self.hvx.hidden.copy(n & 31, n & 31 | PENDING);
        self.flight.v_saved |= 1 << (n & 31);
        self.flight.v_temporary |= u32::from(temporary) << (n & 31);
    }

    fn restore(&mut self, mut mask: u32) {
        while mask != 0 {
            let n = mask.trailing_zeros() as u8;
            let v = *self.hvx.v.get(n | PENDING);
            *self.hvx.v.get_mut(n) = v;
            self.hvx.hidden.copy(n | PENDING, n);
            mask &= mask - 1;
        }
    }
}
