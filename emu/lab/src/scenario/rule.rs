//! Rules after checking: names are numbers, and whatever a file can get wrong is right.

use super::error::ScenarioError;
use super::event::{Event, Field, Part};
use super::expr::Expr;
use super::file::{Direction, Kind, Needs, Order, Per};
use super::values::{Ints, Time};
use emu_os::action::{Channel, Place};
use std::sync::Arc;

/// A checked scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) seed: u64,
    /// Labels; empty: all.
    pub(super) dsps: Vec<String>,
    pub(super) platform: Option<Needs>,
    pub(super) history: usize,
    pub(super) phase: String,
    pub(super) vars: Vec<(String, i64)>,
    pub(super) rules: Vec<Arc<Rule>>,
}

impl Scenario {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The platform it needs, if it needs one.
    #[must_use]
    pub const fn platform(&self) -> Option<Needs> {
        self.platform
    }

    /// Names of its rules, in order.
    #[must_use]
    pub fn rule_names(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.name.as_str()).collect()
    }

    /// The seed in the file.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether it is about the DSP of that label.
    #[must_use]
    pub fn is_for(&self, label: &str) -> bool {
        self.dsps.is_empty() || self.dsps.iter().any(|dsp| dsp == label)
    }

    /// Checks that it can be played on such a machine.
    ///
    /// # Errors
    /// [`ScenarioError::Unfit`]
    pub fn check_machine(&self, labels: &[&str], board: bool) -> Result<(), ScenarioError> {
        let unfit = |why| {
            Err(ScenarioError::Unfit {
                scenario: self.name.clone(),
                why,
            })
        };
        match (self.platform, board) {
            (Some(Needs::Board), false) => return unfit("needs the board platform: --platform board".into()),
            (Some(Needs::Rpm), true) => return unfit("needs the rpm platform: --platform rpm".into()),
            _ => {}
        }
        let of_rules = self.rules.iter().flat_map(|rule| &rule.matcher.dsps);
        match self
            .dsps
            .iter()
            .chain(of_rules)
            .find(|dsp| !labels.contains(&dsp.as_str()))
        {
            Some(dsp) => unfit(format!(
                "is about the DSP {dsp:?}, which this SoC does not have (it has {})",
                labels.join(", ")
            )),
            None => Ok(()),
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub name: String,
    pub index: usize,
    pub matcher: Matcher,
    pub nth: Option<Ints>,
    pub every: Option<u64>,
    pub per: Per,
    pub condition: Option<Expr>,
    pub chance: Option<f64>,
    pub times: Option<u64>,
    pub acts: Vec<Act>,
    pub then: Vec<Act>,
}

/// What an event must be like before it is counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matcher {
    pub kind: Kind,
    pub direction: Option<Direction>,
    pub dsps: Vec<String>,
    pub phases: Vec<String>,
    pub signals: Vec<String>,
    pub channels: Vec<Channel>,
    pub parts: Vec<Part>,
    pub fields: Vec<(Field, Ints)>,
    /// Bits of which one must rise; 0: does not matter.
    pub rises: u32,
    pub falls: u32,
    pub contains: Vec<u8>,
}

impl Matcher {
    /// Whether an event is such; `bytes` are the event's.
    pub fn matches(&self, event: &Event, bytes: Option<&[u8]>, dsp: &str, phase: &str) -> bool {
        let among = |words: &[String], word: &str| words.is_empty() || words.iter().any(|w| w == word);
        let word = |field| event.fields.get(field).map_or(0, |n| n as u32);
        let (now, before) = (word(Field::Value), word(Field::Previous));
        self.kind == event.kind
            && (self.direction.is_none() || self.direction == event.direction)
            && among(&self.dsps, dsp)
            && among(&self.phases, phase)
            && among(&self.signals, event.signal.as_deref().unwrap_or_default())
            && (self.channels.is_empty() || event.channel.is_some_and(|c| self.channels.contains(&c)))
            && (self.parts.is_empty() || event.part.is_some_and(|p| self.parts.contains(&p)))
            && (self.rises == 0 || now & !before & self.rises != 0)
            && (self.falls == 0 || !now & before & self.falls != 0)
            && self
                .fields
                .iter()
                .all(|(field, ints)| event.fields.get(*field).is_some_and(|n| ints.contains(n)))
            && (self.contains.is_empty() || bytes.is_some_and(|bytes| contains(bytes, &self.contains)))
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// One thing that is done, and when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Act {
    pub what: What,
    pub after: Option<Time>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// About the event.
    Fate(Fate),
    Edit(Edit),
    /// Anything else.
    Effect(Effect),
}

/// What becomes of the event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    Drop {
        whole: bool,
    },
    Delay {
        time: Time,
        whole: bool,
    },
    Hold {
        name: String,
        limit: Option<Time>,
        whole: bool,
    },
    Swap {
        limit: Time,
        whole: bool,
    },
}

/// How the event changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Edit {
    Duplicate(u32),
    Retval(Expr),
    Ctx(Expr),
    Patch { at: usize, bytes: Vec<u8> },
    Resize(usize),
    Bits(Bits),
    Attribute { number: usize, value: Expr },
    Refuse,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Bits {
    pub value: Option<Expr>,
    pub set: u32,
    pub clear: u32,
    pub toggle: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    Answer {
        ctx: Option<Expr>,
        retval: Expr,
    },
    Send(Channel, Vec<u8>),
    Glink(Box<Glink>),
    Raw(Vec<u8>),
    Write(Box<Write>),
    Interrupt,
    Halt,
    Crash {
        reason: String,
        down: Option<Time>,
    },
    Watchdog,
    Smp2p(Bits),
    Poke(Place, Expr),
    Close(Channel),
    Open(Channel),
    Release {
        name: String,
        order: Order,
        count: usize,
    },
    Set(Vec<(usize, Expr)>),
    Phase(String),
    Emit(String),
    Log(String),
}

/// A GLINK command to be made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Glink {
    pub command: u16,
    pub channel: Option<Channel>,
    pub cid: Option<Expr>,
    pub intent: Expr,
    pub size: Expr,
    pub granted: bool,
    pub left: Expr,
    pub data: Vec<u8>,
    pub name: Vec<u8>,
    pub priority: Expr,
    pub version: Expr,
    pub value: Expr,
}

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Metadata,
    List,
    Pages,
    Fdlist,
    Crc,
    Poll,
    Argument,
    Iova,
}

/// Bytes into guest memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Write {
    pub to: Target,
    pub index: u32,
    pub offset: Expr,
    pub iova: Option<Expr>,
    pub sid: Option<Expr>,
    pub content: Content,
    pub repeat: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    Number { value: Expr, width: usize },
}
