//! FastRPC between kernel driver and DSP: messages, invoke buffers, and the calls that the kernel makes itself.
//!
//! Reading a call: [`Message::parse`] → [`Message::check`] → copy [`snapshot_len`] bytes of the invoke buffer →
//! [`parse_args`] → for the DSP's own interfaces collect a [`Payload`](crate::iface::Payload) and parse it with
//! [`control`], [`attributes`] or a module of [`iface`](crate::iface).

pub mod address;
pub mod args;
pub mod attributes;
pub mod build;
pub mod control;
pub mod layout;
pub mod message;
pub mod scalars;

pub use address::{Addressing, SidPosition};
pub use args::{Arg, ArgError, Page, parse_args, snapshot_len};
pub use layout::{InvokeLayout, Metadata, POLL_RESPONSE, encode_fdlist};
pub use message::{Ctx, Message, MessageError, PdHint, Response};
pub use scalars::{ArgKind, Scalars};
