//! Random choices of a fuzzing run: all of them come from its seed.

use crate::scenario::random::Random;

/// A stream of choices.
#[derive(Debug, Clone)]
pub struct Dice(Random);

impl Dice {
    /// The stream of one case of a run.
    #[must_use]
    pub fn new(seed: u64, case: usize) -> Self {
        Self(Random::new(seed, "fuzz", case))
    }

    /// A number from `low` to `high`, both included.
    pub fn number(&mut self, low: i64, high: i64) -> i64 {
        self.0.between(low, high)
    }

    /// An index below `count`; 0 if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        let high = i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1).max(0);
        usize::try_from(self.number(0, high)).unwrap_or(0)
    }

    /// One of these.
    ///
    /// # Panics
    /// There is none.
    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, times: i64) -> bool {
        self.number(1, 100) <= times
    }

    /// A number that programs get wrong: small, at a page's or a type's border, or any.
    pub fn odd(&mut self) -> i64 {
        const BORDERS: [i64; 12] = [
            0,
            1,
            -1,
            4095,
            4096,
            4097,
            0xffff,
            0x7fff_ffff,
            0xffff_ffff,
            0x1_0000_0000,
            i64::MAX,
            i64::MIN,
        ];
        match self.number(0, 3) {
            0 => self.number(0, 16),
            1 | 2 => BORDERS[self.below(BORDERS.len())],
            _ => self.number(i64::MIN, i64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_stream() {
        let draw = |seed, case| {
            let mut dice = Dice::new(seed, case);
            (0..20).map(|_| dice.odd()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn choices_stay_in_their_bounds() {
        let mut dice = Dice::new(7, 0);
        for _ in 0..1000 {
            assert!((3..=5).contains(&dice.number(3, 5)));
            assert!(dice.below(4) < 4);
            assert_eq!(dice.below(0), 0);
            assert!(["a", "b"].contains(&dice.pick(&["a", "b"])));
        }
        assert!(!dice.percent(0) && dice.percent(100));
    }
}
