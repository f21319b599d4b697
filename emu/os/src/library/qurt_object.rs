//! What QuRT's synchronisation objects have in common: how they are initialised and destroyed.

use std::time::Duration;

use crate::clock::Time;
use crate::kernel::call::{Call, Done};
use crate::objects::{Kind, Object};

/// `QURT_EOK`.
pub(super) const EOK: u32 = 0;
/// `QURT_EVAL`.
pub(super) const EVAL: u32 = 1;

/// `QURT_ETIMEDOUT`.
pub(super) const ETIMEDOUT: u32 = 47;

/// The time in so many microseconds.
pub(super) fn after(c: &Call<'_>, us: u64) -> Time {
    c.os.after(Duration::from_micros(us))
}

/// Puts the object at the first argument into this state; who waited on the one before goes on.
pub(super) fn initialise(c: &mut Call<'_>, kind: Kind, object: Object) -> Done {
    let at = c.arg(0)?;
    let waiters = c.os.objects.set(kind, at, object)?;
    c.os.let_go(waiters);
    c.ret(EOK)
}

/// Forgets the object at the first argument; who waited goes on.
pub(super) fn destroy(c: &mut Call<'_>, kind: Kind) -> Done {
    let at = c.arg(0)?;
    let waiters = c.os.objects.remove(kind, at);
    c.os.let_go(waiters);
    c.ret(EOK)
}
