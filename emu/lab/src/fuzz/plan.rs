//! What one case of a run is made of, and the file it becomes.

use super::dice::Dice;
use super::{rules, script};
use crate::scenario::Driver;
use emu_machine::device::layout::PlatformKind;

/// Most rules, and most processes.
const MOST: usize = 6;

/// What plans are played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// The platform.
    pub platform: PlatformKind,
    /// The driver, if it is known.
    pub driver: Option<Driver>,
}

/// Rules of a scenario and processes of a script, each as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `[[rule]]` tables without their heading and name.
    pub rules: Vec<String>,
    /// The lines of each process.
    pub processes: Vec<String>,
    /// Seed of the rules' own random choices.
    pub seed: i64,
    /// What it is for.
    pub ground: Ground,
}

impl Plan {
    /// A new one.
    #[must_use]
    pub fn new(dice: &mut Dice, ground: Ground) -> Self {
        let mut plan = Self {
            rules: Vec::new(),
            processes: Vec::new(),
            seed: dice.number(0, 1 << 30),
            ground,
        };
        for _ in 0..dice.number(1, 3) {
            plan.rules.push(rules::rule(dice, ground.platform));
        }
        for _ in 0..dice.number(1, 3) {
            plan.processes.push(script::process(dice, ground.driver));
        }
        plan
    }

    /// This one with some things changed.
    #[must_use]
    pub fn mutated(&self, dice: &mut Dice, other: Option<&Self>) -> Self {
        let mut plan = self.clone();
        for _ in 0..dice.number(1, 3) {
            match dice.number(0, 7) {
                0 if plan.rules.len() < MOST => plan.rules.push(rules::rule(dice, plan.ground.platform)),
                1 if plan.processes.len() < MOST => {
                    plan.processes.push(script::process(dice, plan.ground.driver));
                }
                2 if plan.rules.len() > 1 => {
                    let at = dice.below(plan.rules.len());
                    plan.rules.remove(at);
                }
                3 if plan.processes.len() > 1 => {
                    let at = dice.below(plan.processes.len());
                    plan.processes.remove(at);
                }
                4 => {
                    let at = dice.below(plan.rules.len());
                    plan.rules[at] = rules::rule(dice, plan.ground.platform);
                }
                5 => {
                    let at = dice.below(plan.processes.len());
                    plan.processes[at] = script::mutated(&plan.processes[at], dice, plan.ground.driver);
                }
                6 => {
                    if let Some(other) = other {
                        plan.rules.clone_from(&other.rules);
                    }
                }
                _ => plan.seed = dice.number(0, 1 << 30),
            }
        }
        plan
    }

    /// The case as a file. Everything is allowed that a DSP of this kind may cause in a driver without mistakes: errors of
    /// calls, faults of the SMMU, and what it never answered for.
    #[must_use]
    pub fn text(&self, name: &str, account: bool) -> String {
        let mut text = format!(
            "name = \"{name}\"\ndescription = \"Found by `vhost-hexagon fuzz`.\"\nplatform = \"{}\"\nseed = {}\nhistory = {HISTORY}\n",
            self.ground.platform, self.seed
        );
        for (number, rule) in self.rules.iter().enumerate() {
            text.push_str(&format!("\n[[rule]]\nname = \"r{}\"\n{rule}", number + 1));
        }
        // What has requests of one driver's own is for that only.
        if self.ground.driver == Some(Driver::Qda) {
            text.push_str("\n[needs]\ndriver = \"qda\"\n");
        }
        text.push_str("\n[workload]\ntimeout = \"120s\"\ndrive = '''\n");
        text.push_str(&script::program(&self.processes));
        text.push_str("'''\n\n[expect]\nallow = [\"smmu-fault\"]\n");
        if !account {
            let kinds: Vec<String> = crate::account::Kind::ALL
                .iter()
                .map(|kind| format!("\"{}\"", kind.name()))
                .collect();
            text.push_str(&format!("allow-account = [{}]\n", kinds.join(", ")));
        } else {
            text.push_str(
                "allow-account = [\"call-unanswered\", \"context-reused\", \"access-after-unmap\"]\n",
            );
        }
        let fired: Vec<String> = (1..=self.rules.len())
            .map(|number| format!("r{number} = \"0..\""))
            .collect();
        text.push_str(&format!("fired = {{ {} }}\n", fired.join(", ")));
        text
    }
}

/// Events of each DSP that are kept, for the coverage.
const HISTORY: u32 = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Case;

    /// Every file that a run makes must be one that `ci` plays.
    #[test]
    fn every_plan_is_a_case() {
        let grounds = [PlatformKind::Rpm, PlatformKind::Board]
            .into_iter()
            .flat_map(|platform| [None, Some(Driver::Qda)].map(|driver| Ground { platform, driver }));
        for ground in grounds {
            let mut last: Option<Plan> = None;
            for number in 0..400 {
                let mut dice = Dice::new(5, number);
                let plan = match &last {
                    Some(parent) if number % 3 != 0 => parent.mutated(&mut dice, Some(parent)),
                    _ => Plan::new(&mut dice, ground),
                };
                assert!((1..=MOST).contains(&plan.rules.len()));
                assert!((1..=MOST).contains(&plan.processes.len()));
                let text = plan.text("fuzz-5-1", number % 2 == 0);
                let case = Case::parse(&text, "fuzz.toml").unwrap_or_else(|error| panic!("{error}\n{text}"));
                assert_eq!(case.scenario.rule_names().len(), plan.rules.len());
                last = Some(plan);
            }
        }
    }

    #[test]
    fn the_same_dice_make_the_same_plan() {
        let ground = Ground {
            platform: PlatformKind::Rpm,
            driver: None,
        };
        let plan = |seed| Plan::new(&mut Dice::new(seed, 3), ground);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }
}
