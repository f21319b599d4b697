//! How the IDL compiler lays a method's parameters out in buffers, and the `interface!` macro that describes a method in one place.
//!
//! Source: every stub and skel of qualcomm/fastrpc (`src/*_stub.c`, `src/*_skel.c`). The rules:
//!
//! * all scalar inputs and all lengths of sequences and strings (in and out) stand in parameter order, naturally aligned, in one
//!   block: the first input buffer. Callers may send it longer than needed. Without any of those there is no block.
//! * each input string or sequence is one more input buffer; strings include their NUL in the length;
//! * all scalar outputs stand in the first output buffer (absent if there are none), each output sequence is one more;
//! * a sequence of strings is a buffer of u32 lengths followed by one buffer for each string;
//! * interfaces of the handle64 kind have `open` and `close` as methods 0 and 1, so their own methods start at 2;
//! * a method number of 31 or more is sent as 31 with the real number as the block's first word.

mod input;
#[macro_use]
mod interface;
mod output;
mod payload;
mod scalar;
mod text;

pub use input::{InParam, InReader, InWriter};
pub use output::{OutParam, OutReader, OutWriter};
pub use payload::{Kind, Method, Payload, PayloadError, Reply};
pub use scalar::Scalar;
pub use text::{Cap, Text, TextCaps, Texts};
