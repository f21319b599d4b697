//! Plans that showed something new, and what the next one is made from.

use super::dice::Dice;
use super::plan::{Ground, Plan};

/// Most parents that are kept: the oldest go.
const MOST: usize = 512;

/// Parents of later plans.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    plans: Vec<Plan>,
}

impl Corpus {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// Takes one in.
    pub fn add(&mut self, plan: Plan) {
        if self.plans.len() >= MOST {
            self.plans.remove(0);
        }
        self.plans.push(plan);
    }

    /// The next plan: a new one, or a changed parent, preferably one of the newest.
    #[must_use]
    pub fn next(&self, dice: &mut Dice, ground: Ground) -> Plan {
        if self.plans.is_empty() || dice.percent(30) {
            return Plan::new(dice, ground);
        }
        let count = self.plans.len();
        let from = if dice.percent(50) {
            count.saturating_sub(16)
        } else {
            0
        };
        let parent = &self.plans[from + dice.below(count - from)];
        let other = self.plans.get(dice.below(count));
        parent.mutated(dice, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_machine::device::layout::PlatformKind;

    const GROUND: Ground = Ground {
        platform: PlatformKind::Rpm,
        driver: None,
    };

    #[test]
    fn parents_have_children_and_do_not_pile_up() {
        let mut corpus = Corpus::default();
        for case in 0..MOST + 10 {
            let plan = corpus.next(&mut Dice::new(1, case), GROUND);
            corpus.add(plan);
        }
        assert_eq!(corpus.len(), MOST);
        let children = (0..50).map(|case| corpus.next(&mut Dice::new(2, case), GROUND));
        let related = children.filter(|child| corpus.plans.iter().any(|p| p.processes == child.processes));
        assert!(related.count() > 5);
    }
}
