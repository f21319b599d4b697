//! What QuRT's synchronisation objects have in common: how they are initialised and destroyed.

use std::time::Duration;

use crate::clock::Time;
use crate::kernel::call::{Call, Done, Stop};
use crate::objects::{Kind, Object, TooMany, Waiters};

/// `QURT_EOK`.
pub(super) const EOK: u32 = 0;
/// `QURT_EVAL`.
pub(super) const EVAL: u32 = 1;

/// `QURT_ETIMEDOUT`.
pub(super) const ETIMEDOUT: u32 = 47;
/// Longest wait; longer ones end here rather than never.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86400);

/// The time in so many microseconds.
pub(super) fn after(c: &Call<'_>, us: u64) -> Time {
    c.os.now() + Duration::from_micros(us).min(LONGEST)
}

/// The table is full: real QuRT has no such limit, so there is no code for it.
pub(super) fn full(_: TooMany) -> Stop {
    Stop::because("too many synchronisation objects are in use")
}

/// Threads that waited on an object that is initialised anew or destroyed go on, as nothing could wake them later.
fn let_go(c: &mut Call<'_>, mut waiters: Waiters) {
    while let Some(thread) = waiters.take() {
        c.os.wake(thread, EOK);
    }
}

/// Puts the object at the first argument into this state.
pub(super) fn initialise(c: &mut Call<'_>, kind: Kind, object: Object) -> Done {
    let at = c.arg(0)?;
    let waiters = c.os.objects.set(kind, at, object).map_err(full)?;
    let_go(c, waiters);
    c.ret(EOK)
}

/// Forgets the object at the first argument.
pub(super) fn destroy(c: &mut Call<'_>, kind: Kind) -> Done {
    let at = c.arg(0)?;
    let waiters = c.os.objects.remove(kind, at);
    let_go(c, waiters);
    c.ret(EOK)
}
