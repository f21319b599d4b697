//! The engine: one DSP's [`Interposer`].
//!
//! Every event is looked at by the rules in turn. What no rule touches passes as it is. Effects of rules do not pass the
//! rules again, except that GLINK commands which the edge makes of them do so on their way into the FIFO, as any.

use super::effects::describe;
use super::event::{Event, Fields};
use super::file::{Kind, Per};
use super::history::{Entry, History};
use super::parcel::{Item, Job, Parcel, Waiting};
use super::random::Random;
use super::rule::{Effect, Fate, Rule, Scenario, What};
use super::values::Time;
use emu_core::mem::Bus;
use emu_os::action::{Action, Inbound};
use emu_os::conversation::{Arrival, Arrived, Conversation};
use emu_os::frame::Frame;
use emu_os::seam::{Interposer, Reaction};
use emu_os::services::DspConfig;
use rpmsg::fastrpc::Addressing;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most clients whose occurrences are counted apart.
const MAX_CLIENTS: usize = 4096;
/// Most signals that one event may raise, directly and through others.
const MAX_SIGNALS: usize = 64;

/// One DSP with a scenario.
pub struct Engine {
    pub(super) label: String,
    pub(super) streams: BTreeMap<u32, u16>,
    pub(super) board: bool,
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) names: Vec<String>,
    pub(super) vars: Vec<i64>,
    pub(super) phase: String,
    pub(super) addressing: Addressing,
    /// The DSP's SMP2P word as this engine has let it out.
    pub(super) dsp_word: u32,
    pub(super) waiting: Waiting,
    pub(super) signals: VecDeque<(String, Fields)>,
    pub(super) bus: Option<Arc<Bus>>,
    counters: Vec<Counter>,
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
    begun: Instant,
}

/// Tells the time.
type Clock = Box<dyn Fn() -> Instant + Send>;

struct Counter {
    run: u64,
    session: u64,
    clients: BTreeMap<i64, u64>,
    fired: u64,
    random: Random,
}

/// What others may look at while the engine works.
struct Shared {
    history: History,
    fired: Vec<u64>,
}

/// A look at an engine from outside.
#[derive(Clone)]
pub struct Watch {
    label: String,
    rules: Arc<[String]>,
    shared: Arc<Mutex<Shared>>,
}

impl Watch {
    /// The DSP.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Every rule by name, and how often it fired.
    #[must_use]
    pub fn fired(&self) -> Vec<(String, u64)> {
        let fired = lock(&self.shared).fired.clone();
        self.rules.iter().cloned().zip(fired).collect()
    }

    /// The newest events, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Entry> {
        lock(&self.shared).history.entries()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An event on its way past the rules.
pub(super) struct Passing {
    pub item: Item,
    /// Writes of the same answer.
    pub before: Vec<Action>,
    pub copies: u32,
    pub changed: bool,
    then: Vec<(usize, Fields)>,
    fate: Option<(usize, Fate)>,
    /// The context of the answer that it is part of.
    answer: Option<u64>,
}

impl Passing {
    /// A rule takes the event away.
    pub(super) fn drop_by(&mut self, rule: usize) {
        self.fate = Some((rule, Fate::Drop { whole: false }));
    }
}

impl Engine {
    /// The engine of one DSP. `board` says on which platform it is.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: Option<u64>, config: &DspConfig, board: bool) -> Self {
        Self::with_clock(scenario, seed, config, board, Box::new(Instant::now))
    }

    /// The engine of one DSP, which asks `clock` for the time.
    #[must_use]
    pub fn with_clock(
        scenario: &Scenario,
        seed: Option<u64>,
        config: &DspConfig,
        board: bool,
        clock: Clock,
    ) -> Self {
        let seed = seed.unwrap_or(scenario.seed);
        let counter = |rule: &Arc<Rule>| Counter {
            run: 0,
            session: 0,
            clients: BTreeMap::new(),
            fired: 0,
            random: Random::new(seed, &config.label, rule.index),
        };
        let (names, vars) = scenario.vars.iter().cloned().unzip();
        let shared = Shared {
            history: History::new(scenario.history),
            fired: vec![0; scenario.rules.len()],
        };
        Self {
            label: config.label.clone(),
            streams: config.streams.clone(),
            board,
            counters: scenario.rules.iter().map(counter).collect(),
            rules: scenario.rules.clone(),
            names,
            vars,
            phase: scenario.phase.clone(),
            addressing: config.addressing,
            dsp_word: 0,
            waiting: Waiting::default(),
            signals: VecDeque::new(),
            bus: None,
            shared: Arc::new(Mutex::new(shared)),
            begun: clock(),
            clock,
        }
    }

    /// A look at it from outside, for as long as one likes.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch {
            label: self.label.clone(),
            rules: self.rules.iter().map(|rule| rule.name.clone()).collect(),
            shared: self.shared.clone(),
        }
    }

    pub(super) fn random(&mut self, rule: usize) -> Option<&mut Random> {
        self.counters.get_mut(rule).map(|counter| &mut counter.random)
    }

    /// A time of a rule, drawn if it is a range.
    pub(super) fn time(&mut self, time: Time, rule: usize) -> Duration {
        if time.low == time.high {
            return time.low;
        }
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let drawn = self
            .random(rule)
            .map_or(0, |random| random.between(micros(time.low), micros(time.high)));
        Duration::from_micros(u64::try_from(drawn).unwrap_or(0))
    }

    pub(super) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Puts something on the agenda.
    pub(super) fn later(&mut self, wait: Duration, job: Job) {
        let when = self.now() + wait;
        if !self.waiting.at(when, job) {
            tracing::warn!(target: "emu::scenario", dsp = self.label, "too much waits: something planned is dropped");
        }
    }

    pub(super) fn note(&self, what: &dyn Fn() -> String) {
        lock(&self.shared).history.effect(what);
    }

    /// Whether a rule fires on an event; the fields then have the number of the occurrence.
    fn fires(&mut self, rule: &Rule, event: &mut Event, bytes: Option<&[u8]>) -> bool {
        if !rule.matcher.matches(event, bytes, &self.label, &self.phase) {
            return false;
        }
        let Some(counter) = self.counters.get_mut(rule.index) else {
            return false;
        };
        let count = match rule.per {
            Per::Run => &mut counter.run,
            Per::Session => &mut counter.session,
            Per::Client => {
                let client = event.fields.get(super::event::Field::Client).unwrap_or(-1);
                if counter.clients.len() >= MAX_CLIENTS && !counter.clients.contains_key(&client) {
                    counter.clients.pop_first();
                }
                counter.clients.entry(client).or_default()
            }
        };
        *count += 1;
        let n = *count;
        let number = i64::try_from(n).unwrap_or(i64::MAX);
        event.fields.set(super::event::Field::N, number);
        let fired = counter.fired;
        let due = rule.nth.as_ref().is_none_or(|nth| nth.contains(number))
            && rule.every.is_none_or(|every| n.is_multiple_of(every))
            && rule.times.is_none_or(|times| fired < times);
        if !due {
            return false;
        }
        if let Some(condition) = &rule.condition
            && self.eval(condition, &event.fields, rule.index) == 0
        {
            return false;
        }
        let Some(counter) = self.counters.get_mut(rule.index) else {
            return false;
        };
        if rule.chance.is_some_and(|chance| !counter.random.chance(chance)) {
            return false;
        }
        counter.fired += 1;
        if let Some(fired) = lock(&self.shared).fired.get_mut(rule.index) {
            *fired = counter.fired;
        }
        true
    }

    /// What a change has made of an event.
    fn changed(&self, event: &Event, passing: &Passing, known: &Conversation) -> Option<Event> {
        match &passing.item {
            Item::In(inbound) => Some(event.of_changed(inbound, known)),
            Item::Out(action) => Event::of_action(action, passing.answer, known, self.dsp_word),
        }
    }

    /// Lets the rules look at an event. What they do besides goes to `out`.
    fn consult(
        &mut self,
        mut event: Event,
        passing: &mut Passing,
        known: &Conversation,
        out: &mut Vec<Action>,
    ) {
        let first = event.clone();
        let at = self.now().saturating_duration_since(self.begun);
        lock(&self.shared).history.add(at, &first);
        let mut fired = Vec::new();
        for index in 0..self.rules.len() {
            let Some(rule) = self.rules.get(index).cloned() else {
                break;
            };
            if !self.fires(&rule, &mut event, passing.item.bytes()) {
                continue;
            }
            lock(&self.shared).history.fired(&rule.name);
            fired.push(rule.name.clone());
            let fields = event.fields;
            if !rule.then.is_empty() {
                passing.then.push((index, fields));
            }
            for act in &rule.acts {
                match &act.what {
                    What::Fate(fate) => passing.fate = Some((index, fate.clone())),
                    What::Edit(edit) => {
                        self.edit(edit, &fields, index, passing, known, out);
                        event = self.changed(&event, passing, known).unwrap_or(event);
                    }
                    What::Effect(effect) => {
                        self.effect_or_later((effect, act.after), &fields, index, known, out);
                    }
                }
            }
            if passing.fate.is_some() {
                break;
            }
        }
        if fired.is_empty() {
            tracing::trace!(target: "emu::scenario", dsp = self.label, "{first}");
            return;
        }
        let fate = match &passing.fate {
            Some((_, Fate::Drop { .. })) => "dropped",
            Some((_, Fate::Delay { .. })) => "delayed",
            Some((_, Fate::Hold { .. })) => "held",
            Some((_, Fate::Swap { .. })) => "swapped",
            None if passing.changed => "changed",
            None => "passed",
        };
        tracing::debug!(target: "emu::scenario", dsp = self.label, rules = fired.join(", "), fate, "{first}");
        lock(&self.shared).history.fate(fate);
    }

    /// Does it, or plans it.
    fn effect_or_later(
        &mut self,
        (effect, after): (&Effect, Option<Time>),
        fields: &Fields,
        rule: usize,
        known: &Conversation,
        out: &mut Vec<Action>,
    ) {
        let Some(after) = after else {
            return self.effect(effect, fields, rule, known, out);
        };
        let wait = self.time(after, rule);
        self.note(&|| format!("in {wait:?}: {effect:?}"));
        let job = Job::Effect {
            rule,
            effect: Box::new(effect.clone()),
            fields: *fields,
        };
        self.later(wait, job);
    }

    /// What follows an event, as far as rules say something.
    fn then(&mut self, then: &[(usize, Fields)], known: &Conversation, out: &mut Vec<Action>) {
        for (index, fields) in then {
            let Some(rule) = self.rules.get(*index).cloned() else {
                continue;
            };
            for act in &rule.then {
                if let What::Effect(effect) = &act.what {
                    self.effect_or_later((effect, act.after), fields, *index, known, out);
                }
            }
        }
    }

    /// An event happens now, with what goes before and what follows.
    pub(super) fn forward(&mut self, parcel: Parcel, known: &Conversation, out: &mut Vec<Action>) {
        out.extend(parcel.before);
        for _ in 0..=parcel.copies {
            let action = parcel.item.clone().into_action();
            self.leaves(&action);
            out.push(action);
        }
        self.then(&parcel.then, known, out);
    }

    /// Remembers what the DSP really does.
    pub(super) const fn leaves(&mut self, action: &Action) {
        if let Action::Smp2p(word) = action {
            self.dsp_word = *word;
        }
    }

    /// An event that has waited happens now; the history tells when.
    pub(super) fn forward_late(&mut self, parcel: Parcel, known: &Conversation, out: &mut Vec<Action>) {
        let action = parcel.item.clone().into_action();
        self.note(&|| describe(&action));
        self.forward(parcel, known, out);
    }

    /// Carries out an event's fate, once all rules have looked at it. Gives the event back if nothing keeps it: it goes on.
    fn decide(&mut self, passing: Passing, known: &Conversation, out: &mut Vec<Action>) -> Option<Parcel> {
        let Passing {
            item,
            before,
            copies,
            then,
            fate,
            ..
        } = passing;
        let mut parcel = Parcel {
            before,
            item,
            copies,
            then,
        };
        let Some((rule, fate)) = fate else {
            return Some(parcel);
        };
        let whole = match &fate {
            Fate::Drop { whole }
            | Fate::Delay { whole, .. }
            | Fate::Hold { whole, .. }
            | Fate::Swap { whole, .. } => *whole,
        };
        if !whole {
            out.append(&mut parcel.before);
        }
        match fate {
            Fate::Drop { .. } => self.then(&parcel.then, known, out),
            Fate::Delay { time, .. } => {
                let wait = self.time(time, rule);
                self.note(&|| format!("for {wait:?}"));
                self.later(wait, Job::Pass(Box::new(parcel)));
            }
            Fate::Hold { name, limit, .. } => match self.waiting.hold(&name, parcel) {
                Ok(id) => {
                    if let Some(limit) = limit {
                        let wait = self.time(limit, rule);
                        self.later(wait, Job::Unhold { name, id });
                    }
                }
                Err(parcel) => {
                    tracing::warn!(target: "emu::scenario", dsp = self.label, "too much is held: an event passes");
                    self.forward(*parcel, known, out);
                }
            },
            Fate::Swap { limit, .. } => match self.waiting.swapped(rule, None) {
                Some(earlier) => {
                    self.forward(parcel, known, out);
                    self.forward_late(earlier, known, out);
                }
                None => {
                    let id = self.waiting.swap(rule, parcel);
                    let wait = self.time(limit, rule);
                    self.later(wait, Job::Unswap { rule, id });
                }
            },
        }
        None
    }

    fn passing(item: Item, before: Vec<Action>, answer: Option<u64>) -> Passing {
        Passing {
            item,
            before,
            copies: 0,
            changed: false,
            then: Vec::new(),
            fate: None,
            answer,
        }
    }

    /// One action of the DSP's, past the rules.
    fn outgoing(
        &mut self,
        item: Action,
        before: Vec<Action>,
        answer: Option<u64>,
        known: &Conversation,
        out: &mut Vec<Action>,
    ) {
        let event = Event::of_action(&item, answer, known, self.dsp_word);
        let mut passing = Self::passing(Item::Out(item), before, answer);
        if let Some(event) = event {
            self.consult(event, &mut passing, known, out);
        }
        if let Some(parcel) = self.decide(passing, known, out) {
            self.forward(parcel, known, out);
        }
        self.raise_signals(known, out);
    }

    /// Signals that rules raised meanwhile.
    fn raise_signals(&mut self, known: &Conversation, out: &mut Vec<Action>) {
        for _ in 0..MAX_SIGNALS {
            let Some((name, fields)) = self.signals.pop_front() else {
                return;
            };
            let mut event = Event::new(Kind::Signal, None);
            event.signal = Some(name);
            event.fields = fields;
            self.signal(event, known, out);
        }
        if !self.signals.is_empty() {
            tracing::warn!(target: "emu::scenario", dsp = self.label, "rules raise signals without end: no more of them now");
            self.signals.clear();
        }
    }

    fn signal(&mut self, mut event: Event, known: &Conversation, out: &mut Vec<Action>) {
        let at = self.now().saturating_duration_since(self.begun);
        lock(&self.shared).history.add(at, &event);
        for index in 0..self.rules.len() {
            let Some(rule) = self.rules.get(index).cloned() else {
                break;
            };
            if !self.fires(&rule, &mut event, None) {
                continue;
            }
            lock(&self.shared).history.fired(&rule.name);
            let fields = event.fields;
            for act in rule.acts.iter().chain(&rule.then) {
                if let What::Effect(effect) = &act.what {
                    self.effect_or_later((effect, act.after), &fields, index, known, out);
                }
            }
        }
    }

    fn job(&mut self, job: Job, known: &Conversation, out: &mut Vec<Action>) {
        let what = match &job {
            Job::Pass(_) => "a delay is over".to_owned(),
            Job::Effect { rule, .. } | Job::Then { rule, .. } => format!("later: {}", self.name(*rule)),
            Job::Unhold { name, .. } => format!("held long enough: {name}"),
            Job::Unswap { rule, .. } => format!("nobody to swap with: {}", self.name(*rule)),
        };
        let at = self.now().saturating_duration_since(self.begun);
        lock(&self.shared).history.moment(at, what);
        match job {
            Job::Pass(parcel) => self.forward_late(*parcel, known, out),
            Job::Effect { rule, effect, fields } => self.effect(&effect, &fields, rule, known, out),
            Job::Unhold { name, id } => {
                if let Some(parcel) = self.waiting.take_id(&name, id) {
                    self.forward_late(parcel, known, out);
                }
            }
            Job::Unswap { rule, id } => {
                if let Some(parcel) = self.waiting.swapped(rule, Some(id)) {
                    self.forward_late(parcel, known, out);
                }
            }
            Job::Then { rule, fields } => self.then(&[(rule, fields)], known, out),
        }
        self.raise_signals(known, out);
    }

    fn name(&self, rule: usize) -> &str {
        self.rules.get(rule).map_or("", |rule| &rule.name)
    }

    fn session_begins(&mut self) {
        self.waiting.clear();
        self.signals.clear();
        self.dsp_word = 0;
        for counter in &mut self.counters {
            counter.session = 0;
        }
    }
}

impl Interposer for Engine {
    fn begins(&mut self, bus: &Arc<Bus>) {
        self.bus = Some(bus.clone());
    }

    fn inbound(&mut self, arrival: &Arrival<'_>, known: &Conversation) -> Reaction {
        let inbound = arrival.inbound;
        if matches!(arrival.what, Arrived::Started) {
            self.session_begins();
        }
        let mut actions = Vec::new();
        let mut passing = Self::passing(Item::In(inbound.clone()), Vec::new(), None);
        self.consult(
            Event::of_arrival(&arrival.what),
            &mut passing,
            known,
            &mut actions,
        );
        if matches!(arrival.what, Arrived::Ended) {
            self.session_begins();
            self.bus = None;
            return Reaction::default();
        }
        let never_starts = *inbound == Inbound::Started && passing.fate.is_some();
        if never_starts && !self.board {
            // Nothing else keeps it from executing there.
            actions.push(Action::Halt);
        }
        let altered = passing.changed || passing.copies > 0;
        let swallow = match self.decide(passing, known, &mut actions) {
            None => true,
            Some(parcel) if altered => {
                self.forward(parcel, known, &mut actions);
                true
            }
            Some(parcel) => {
                for (rule, fields) in parcel.then {
                    // The DSP sees the event when this returns, and only then comes what follows.
                    self.later(Duration::ZERO, Job::Then { rule, fields });
                }
                false
            }
        };
        self.raise_signals(known, &mut actions);
        Reaction { swallow, actions }
    }

    fn outbound(&mut self, batch: Vec<Action>, known: &Conversation) -> Vec<Action> {
        let mut out = Vec::new();
        let mut writes = Vec::new();
        // Whatever stands before an answer in a batch belongs to it.
        let mut answers: VecDeque<Option<u64>> = VecDeque::new();
        let mut next = None;
        for action in batch.iter().rev() {
            if let Action::Answer { ctx, .. } = action {
                next = Some(*ctx);
            }
            answers.push_front(next);
        }
        for (action, answer) in batch.into_iter().zip(answers) {
            match action {
                Action::Write { .. } if answer.is_some() => {
                    self.outgoing(action, Vec::new(), answer, known, &mut writes);
                }
                Action::Answer { .. } => {
                    let before = std::mem::take(&mut writes);
                    self.outgoing(action, before, answer, known, &mut out);
                }
                other => self.outgoing(other, Vec::new(), answer, known, &mut out),
            }
        }
        out.append(&mut writes);
        out
    }

    fn command(&mut self, command: Frame, known: &Conversation) -> Vec<Action> {
        let mut out = Vec::new();
        self.outgoing(Action::RawGlink(command), Vec::new(), None, known, &mut out);
        out
    }

    fn deadline(&self) -> Option<Instant> {
        self.waiting.deadline()
    }

    fn due(&mut self, now: Instant, known: &Conversation) -> Vec<Action> {
        let mut out = Vec::new();
        // What these plan for this very moment comes with the next call.
        let mut jobs = Vec::new();
        while let Some(job) = self.waiting.due(now) {
            jobs.push(job);
        }
        for job in jobs {
            self.job(job, known, &mut out);
        }
        out
    }
}
