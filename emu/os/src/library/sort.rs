//! `qsort` and `bsearch`: the comparison is the guest's, so the algorithm is a value that goes on after each answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("qsort", qsort, "`void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))`: sorts, stable"),
    import("bsearch", bsearch, "`void *bsearch(const void *key, const void *base, size_t count, size_t size, int (*compare)())`: finds, or NULL"),
];

/// Most elements that are sorted at once, by all sorts under way: the algorithm keeps two numbers for each.
const MOST: u32 = 1 << 24;

/// The elements of one sort, as long as it is under way.
struct Share {
    all: Arc<AtomicU32>,
    mine: u32,
}

impl Share {
    /// `None`: there are too many.
    fn take(all: &Arc<AtomicU32>, mine: u32) -> Option<Self> {
        let sum = all.load(Ordering::Relaxed).checked_add(mine)?;
        if sum > MOST {
            return None;
        }
        all.store(sum, Ordering::Relaxed);
        Some(Self {
            all: all.clone(),
            mine,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(self.mine, Ordering::Relaxed);
    }
}

/// A bottom-up merge sort of element numbers that asks for one comparison at a time.
#[derive(Debug)]
struct Merge {
    /// Element numbers as sorted so far, in runs of `width`.
    order: Vec<u32>,
    /// The runs merged in this pass.
    merged: Vec<u32>,
    width: usize,
    left: usize,
    right: usize,
}

impl Merge {
    fn new(count: u32) -> Self {
        Self {
            order: (0..count).collect(),
            merged: Vec::new(),
            width: 1,
            left: 0,
            right: 1,
        }
    }

    /// Ends of the two runs being merged.
    fn ends(&self) -> (usize, usize) {
        let start = self.merged.len() - self.taken();
        let n = self.order.len();
        ((start + self.width).min(n), (start + 2 * self.width).min(n))
    }

    /// Elements of the current two runs that are merged already.
    fn taken(&self) -> usize {
        self.merged.len() % (2 * self.width)
    }

    /// The two elements to compare next; `None`: sorted.
    fn ask(&mut self) -> Option<(u32, u32)> {
        loop {
            if self.width >= self.order.len() {
                return None;
            }
            if self.merged.len() == self.order.len() {
                self.order = std::mem::take(&mut self.merged);
                self.width *= 2;
                (self.left, self.right) = (0, self.width);
                continue;
            }
            let (middle, end) = self.ends();
            match (self.left < middle, self.right < end) {
                (true, true) => return Some((self.order[self.left], self.order[self.right])),
                (true, false) => self.take_left(),
                (false, true) => self.take_right(),
                // Both runs are used up: take_* has moved on already.
                (false, false) => return None,
            }
        }
    }

    fn take_left(&mut self) {
        self.merged.push(self.order[self.left]);
        self.left += 1;
        self.next_pair();
    }

    fn take_right(&mut self) {
        self.merged.push(self.order[self.right]);
        self.right += 1;
        self.next_pair();
    }

    /// After the last element of two runs: on to the next two.
    fn next_pair(&mut self) {
        if self.taken() == 0 {
            self.left = self.merged.len();
            self.right = (self.left + self.width).min(self.order.len());
        }
    }

    /// The answer to the last question: is the left one to come first?
    fn answer(&mut self, left_first: bool) {
        if left_first {
            self.take_left()
        } else {
            self.take_right()
        }
    }
}

/// The guest's comparison, and its third argument if it has one.
type Compare = (u32, Option<u32>);

fn qsort(c: &mut Call<'_>) -> Done {
    let compare = (c.arg(3)?, None);
    sort(c, compare)
}

/// `qsort` with an argument for the comparison.
pub(super) fn qsort_r(c: &mut Call<'_>) -> Done {
    let compare = (c.arg(3)?, Some(c.arg(4)?));
    sort(c, compare)
}

fn sort(c: &mut Call<'_>, compare: Compare) -> Done {
    let (base, count, size) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let total = u64::from(count) * u64::from(size);
    if count < 2 || size == 0 || total > u64::from(u32::MAX) {
        return c.ret(0);
    }
    // Faults now if the array is not all there.
    c.check_readable(base, total as u32)?;
    // A comparison may sort, too, and so may other threads.
    let Some(share) = Share::take(&c.os.lib.sorting, count) else {
        return Err(Stop::because(format!(
            "qsort of {count} elements: more than {MOST} at once are not supported"
        )));
    };
    go_on(c, (Merge::new(count), share), base, size, compare)
}

fn go_on(
    c: &mut Call<'_>,
    (mut merge, share): (Merge, Share),
    base: u32,
    size: u32,
    compare: Compare,
) -> Done {
    let Some((a, b)) = merge.ask() else {
        let mut sorted = Vec::new();
        for &i in &merge.order {
            sorted.extend(c.load(base + i * size, size)?);
        }
        c.store(base, &sorted)?;
        return c.ret(0);
    };
    let mut args = vec![base + a * size, base + b * size];
    args.extend(compare.1);
    let then = move |c: &mut Call<'_>, result: u64| {
        merge.answer(result as i32 <= 0);
        go_on(c, (merge, share), base, size, compare)
    };
    Ok(Outcome::Enter(compare.0, args, Box::new(then)))
}

fn bsearch(c: &mut Call<'_>) -> Done {
    let (key, base, count, size, compare) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, c.arg(3)?, c.arg(4)?);
    halve(c, key, base, (0, count), size, compare)
}

fn halve(c: &mut Call<'_>, key: u32, base: u32, (low, high): (u32, u32), size: u32, compare: u32) -> Done {
    if low >= high {
        return c.ret(0);
    }
    let middle = low + (high - low) / 2;
    let at = base.wrapping_add(middle.wrapping_mul(size));
    let then = move |c: &mut Call<'_>, result: u64| match (result as i32).signum() {
        0 => c.ret(at),
        1 => halve(c, key, base, (middle + 1, high), size, compare),
        _ => halve(c, key, base, (low, middle), size, compare),
    };
    Ok(Outcome::Enter(compare, vec![key, at], Box::new(then)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn sorts_in_the_comparisons_of_sorts_have_a_bound_together() {
        let mut g = Guest::new();
        let half = g.os.shared.memory.allocate(MOST / 2, 16).unwrap();
        let outer = g.try_call("qsort", &[half, MOST / 2, 1, 0x2000]);
        let inner = g.try_call("qsort", &[half, MOST / 2, 1, 0x2000]);
        assert!(matches!(
            (&outer, &inner),
            (Ok(Outcome::Enter(..)), Ok(Outcome::Enter(..)))
        ));
        let Err(stop) = g.try_call("qsort", &[half, 2, 1, 0x2000]) else {
            panic!("too many")
        };
        assert!(stop.to_string().contains("at once"), "{stop}");
        // What is over, or was left, counts no more.
        drop(inner);
        assert!(matches!(
            g.try_call("qsort", &[half, 2, 1, 0x2000]),
            Ok(Outcome::Enter(..))
        ));
        drop(outer);
        assert_eq!(g.os.lib.sorting.load(Ordering::Relaxed), 0);
    }

    proptest! {
        #[test]
        fn merge_sorts_stably(values in proptest::collection::vec(0u8..20, 0..70)) {
            let mut m = Merge::new(values.len() as u32);
            let mut questions = 0;
            while let Some((a, b)) = m.ask() {
                m.answer(values[a as usize] <= values[b as usize]);
                questions += 1;
                prop_assert!(questions < 1000);
            }
            let mut want: Vec<u32> = (0..values.len() as u32).collect();
            want.sort_by_key(|&i| values[i as usize]);
            prop_assert_eq!(m.order, want);
        }
    }
}
