//! What is on its way: an event with what follows it, and when it goes on.

use super::event::Fields;
use super::rule::Effect;
use emu_os::action::{Action, Inbound};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// What an event is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// Something the DSP does.
    Out(Action),
    /// Something that arrived.
    In(Inbound),
}

impl Item {
    /// The bytes that rules can look into and change.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Out(Action::Write { bytes, .. } | Action::Send(_, bytes))
            | Self::In(Inbound::Message(_, bytes)) => Some(bytes),
            Self::Out(Action::RawGlink(frame)) | Self::In(Inbound::Glink(frame)) => Some(frame.bytes()),
            _ => None,
        }
    }

    /// Changes those.
    pub fn change(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::Out(Action::Write { bytes, .. } | Action::Send(_, bytes))
            | Self::In(Inbound::Message(_, bytes)) => change(bytes),
            Self::Out(Action::RawGlink(frame)) | Self::In(Inbound::Glink(frame)) => frame.change(change),
            _ => {}
        }
    }

    /// The action that makes it happen now.
    pub fn into_action(self) -> Action {
        match self {
            Self::Out(action) => action,
            Self::In(inbound) => Action::Receive(inbound),
        }
    }
}

/// An event that waits.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    /// What goes before it (the writes of an answer).
    pub before: Vec<Action>,
    pub item: Item,
    /// How many times more.
    pub copies: u32,
    /// Rules whose `then` follows it, and the fields they see.
    pub then: Vec<(usize, Fields)>,
}

/// What is to be done at a time.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// The event happens.
    Pass(Box<Parcel>),
    /// Something a rule does.
    Effect {
        rule: usize,
        effect: Box<Effect>,
        fields: Fields,
    },
    /// An event was held long enough.
    Unhold { name: String, id: u64 },
    /// An event waited long enough for the one to swap with.
    Unswap { rule: usize, id: u64 },
    /// The rule's `then`, behind an event that went on by itself.
    Then { rule: usize, fields: Fields },
}

/// Most jobs, and most held events: more are dropped, and that is said.
const MAX_WAITING: usize = 16 * 1024;

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    jobs: BTreeMap<(Instant, u64), Job>,
    held: BTreeMap<String, VecDeque<(u64, Parcel)>>,
    held_count: usize,
    swaps: BTreeMap<usize, (u64, Parcel)>,
    next: u64,
}

impl Waiting {
    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Forgets everything: the session is over.
    pub fn clear(&mut self) {
        self.jobs.clear();
        self.held.clear();
        self.held_count = 0;
        self.swaps.clear();
    }

    /// Puts a job on the agenda; false if there are too many.
    pub fn at(&mut self, when: Instant, job: Job) -> bool {
        let id = self.id();
        let room = self.jobs.len() < MAX_WAITING;
        if room {
            self.jobs.insert((when, id), job);
        }
        room
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.jobs.keys().next().map(|(when, _)| *when)
    }

    /// The next job whose time has come.
    pub fn due(&mut self, now: Instant) -> Option<Job> {
        if self.deadline()? > now {
            return None;
        }
        self.jobs.pop_first().map(|(_, job)| job)
    }

    /// Holds an event, and gives its number; gives it back if there are too many.
    pub fn hold(&mut self, name: &str, parcel: Parcel) -> Result<u64, Box<Parcel>> {
        if self.held_count >= MAX_WAITING {
            return Err(Box::new(parcel));
        }
        let id = self.id();
        self.held_count += 1;
        self.held
            .entry(name.to_owned())
            .or_default()
            .push_back((id, parcel));
        Ok(id)
    }

    /// How many are held under a name.
    pub fn count(&self, name: &str) -> usize {
        self.held.get(name).map_or(0, VecDeque::len)
    }

    /// Takes the one at that position.
    pub fn take(&mut self, name: &str, position: usize) -> Option<Parcel> {
        let queue = self.held.get_mut(name)?;
        let (_, parcel) = queue.remove(position)?;
        if queue.is_empty() {
            self.held.remove(name);
        }
        self.held_count -= 1;
        Some(parcel)
    }

    /// Takes the one with that number, if it is still held.
    pub fn take_id(&mut self, name: &str, id: u64) -> Option<Parcel> {
        let position = self.held.get(name)?.iter().position(|(held, _)| *held == id)?;
        self.take(name, position)
    }

    /// Has an event wait for the next one of a rule.
    pub fn swap(&mut self, rule: usize, parcel: Parcel) -> u64 {
        let id = self.id();
        self.swaps.insert(rule, (id, parcel));
        id
    }

    /// Takes the event that waits for the next one of a rule; with a number, only that.
    pub fn swapped(&mut self, rule: usize, id: Option<u64>) -> Option<Parcel> {
        let (waiting, _) = self.swaps.get(&rule)?;
        if id.is_some_and(|id| id != *waiting) {
            return None;
        }
        self.swaps.remove(&rule).map(|(_, parcel)| parcel)
    }
}
