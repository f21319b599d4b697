//! Where a run ends whose budget is used up.

use super::mem::PAGE_SHIFT;

/// Whether a run whose budget is used up stops between a packet and the one that the thread goes to: where control goes back, or
/// into another page. That is often enough, and every engine knows it.
pub(super) const fn may_stop(from: u32, to: u32) -> bool {
    to <= from || (from ^ to) >> PAGE_SHIFT != 0
}
