//! Wire formats and protocol state machines between a Snapdragon application processor (AP) and its DSPs, without I/O.
#![forbid(unsafe_code)]
