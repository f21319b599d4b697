//! From meanings to the IR of Cranelift: a unit becomes one function.
//!
//! Scalar registers are values. A packet reads them as it finds them; what it writes is kept aside to its end, and stores until every
//! access of the packet was found to be possible. So a packet can be left in front of its first effect: whatever is rare (a page that
//! is not at hand, an address that is not aligned, a frame below the limit) leaves the unit in front of the packet, and the
//! interpreter executes it. There is no second implementation of any fault.
//!
//! A register is stored when it is written: in front of each packet the memory has the exact state, and ways out have nothing to do.

mod access;
mod builtin;
mod control;
mod expr;
mod floats;
mod functions;
mod packet;
pub(super) mod possible;
mod state;
mod stmt;
mod vector;

pub(super) use access::REFUSED;
pub(super) use builtin::trusts;
pub(super) use control::unit;
pub(super) use state::{Host, unit_signature};
