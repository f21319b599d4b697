//! Wire formats and protocol state machines between a Snapdragon application processor (AP) and its DSPs, without I/O.
//!
//! The stairs of a call, top to bottom: [`fifo`] moves bytes through a shared ring, [`glink`] turns them into commands and
//! channel messages, [`fastrpc`] turns a channel message and its invoke buffer into a call, and [`iface`] turns the call's
//! buffers into the typed request of one interface. The answer climbs the same stairs.
//!
//! Every parser here is total: any bytes give a value or a typed error, without panic, without unbounded allocation and
//! without endless loops. All integers on all wires are little-endian.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod aee;
pub mod apr;
pub mod dspqueue;
pub mod fastrpc;
pub mod fifo;
pub mod glink;
pub mod glink_ssr;
pub mod iface;
pub mod protobuf;
pub mod qmi;
pub mod qrtr;
pub mod smem;
pub mod smp2p;
pub mod wire;
pub mod words;

pub use aee::Aee;
