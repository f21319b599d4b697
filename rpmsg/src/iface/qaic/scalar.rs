//! Fields of a block: integers and error codes, naturally aligned.

use crate::{
    aee::Aee,
    wire::{Reader, Truncated, Writer},
};

/// A field of a block.
pub trait Scalar: Sized {
    /// Size in bytes.
    const SIZE: usize;
    /// Alignment in bytes.
    const ALIGN: usize = Self::SIZE;
    /// Appends the field's bytes, without alignment.
    fn write(&self, w: &mut Writer);
    /// Reads the field's bytes.
    ///
    /// # Errors
    /// [`Truncated`]
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated>;
}

macro_rules! scalar {
    ($($ty:ident)*) => { $(
        impl Scalar for $ty {
            const SIZE: usize = size_of::<$ty>();
            fn write(&self, w: &mut Writer) {
                w.bytes(&self.to_le_bytes());
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
                r.$ty()
            }
        }
    )* };
}
scalar!(u8 u16 u32 i32 u64 i64);

impl Scalar for Aee {
    const SIZE: usize = 4;
    fn write(&self, w: &mut Writer) {
        w.u32(self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        r.u32().map(Aee)
    }
}
