//! From the written file to rules: every name is looked up, everything that cannot work is refused, with its place.

use super::error::{Problem, hint};
use super::event::{COMMANDS, Field, Part, channel_name, kind_name};
use super::expr::Expr;
use super::file::{self, Direction, Kind};
use super::rule::{
    Act, Bits, Content, Edit, Effect, Fate, Glink, Matcher, Rule, Scenario, Target, What, Write,
};
use super::values::{Bytes, Ints, MAX_BYTES, Num, Time, Words};
use emu_os::action::{Channel, Place};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// Most events that a history keeps.
const MAX_HISTORY: u32 = 1 << 20;
/// Most copies of one event.
const MAX_COPIES: u32 = 1000;
/// Most rules.
const MAX_RULES: usize = 1000;
const DEFAULT_HISTORY: u32 = 1024;
/// How long a swapped event waits for the one that follows.
const SWAP: Time = Time::exactly(Duration::from_secs(1));

type Span = Range<usize>;
type Checked<T> = Result<T, Problem>;

fn problem<T>(span: &Span, message: impl Into<String>) -> Checked<T> {
    Err(Problem::new(span.clone(), message))
}

/// Checks a file.
pub(super) fn scenario(file: file::File, default_name: &str) -> Checked<Scenario> {
    let vars = variables(&file)?;
    let names: Vec<&str> = vars.iter().map(|(name, _)| name.as_str()).collect();
    if file.rules.len() > MAX_RULES {
        return problem(
            &(0..0),
            format!("{} rules; {MAX_RULES} are allowed", file.rules.len()),
        );
    }
    let history = match &file.history {
        Some(size) if *size.get_ref() > MAX_HISTORY => {
            return problem(&size.span(), format!("`history` is at most {MAX_HISTORY}"));
        }
        Some(size) => *size.get_ref(),
        None => DEFAULT_HISTORY,
    };
    let seed = match &file.seed {
        Some(seed) => match u64::try_from(*seed.get_ref()) {
            Ok(n) => n,
            Err(_) => return problem(&seed.span(), "`seed` is not negative"),
        },
        None => 0,
    };
    let board = file.platform != Some(file::Needs::Rpm);
    let mut rules: Vec<Arc<Rule>> = Vec::new();
    for (index, rule) in file.rules.into_iter().enumerate() {
        let rule = check_rule(rule, index, &names, board)?;
        rules.push(Arc::new(rule));
    }
    Ok(Scenario {
        name: file.name.unwrap_or_else(|| default_name.to_owned()),
        description: file.description.unwrap_or_default(),
        seed,
        dsps: file.dsps.map(|words| words.into_inner().0).unwrap_or_default(),
        platform: file.platform,
        history: usize::try_from(history).unwrap_or(usize::MAX),
        phase: file.phase.unwrap_or_else(|| "start".to_owned()),
        vars,
        rules,
    })
}

fn variables(file: &file::File) -> Checked<Vec<(String, i64)>> {
    let mut vars = Vec::new();
    for (name, value) in &file.vars {
        let text = name.get_ref();
        let mut chars = text.chars();
        let start = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !start || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let why = "a variable's name is a letter, then letters, digits and _";
            return problem(&name.span(), format!("{why}; {text:?} is not"));
        }
        if Field::of(text).is_some() || text == "rand" {
            return problem(
                &name.span(),
                format!("`{text}` is a field of events, not a variable"),
            );
        }
        vars.push((text.clone(), *value));
    }
    Ok(vars)
}

/// Names and kind that the parts of a rule are checked against.
struct Within<'a> {
    kind: Kind,
    vars: &'a [&'a str],
    board: bool,
}

fn check_rule(rule: Spanned<file::Rule>, index: usize, vars: &[&str], board: bool) -> Checked<Rule> {
    let span = rule.span();
    let rule = rule.into_inner();
    let within = Within {
        kind: rule.on,
        vars,
        board,
    };
    let name = rule.name.clone().unwrap_or_else(|| format!("#{}", index + 1));
    if rule.acts.is_empty() && rule.then.is_empty() {
        return problem(&span, format!("rule {name} does nothing: give it `do` or `then`"));
    }
    let needs_board = matches!(rule.on, Kind::Smp2p | Kind::Crash | Kind::Watchdog);
    if needs_board && !board {
        let kind = kind_name(rule.on);
        return problem(
            &span,
            format!("rule {name}: there is no `{kind}` on the rpm platform"),
        );
    }
    let matcher = matcher(&rule, &span)?;
    let condition = match &rule.condition {
        Some(num) => Some(within.expr(&num.span(), num.get_ref())?),
        None => None,
    };
    let every = match &rule.every {
        Some(every) if *every.get_ref() == 0 => return problem(&every.span(), "`every` is at least 1"),
        every => every.as_ref().map(|n| u64::from(*n.get_ref())),
    };
    let chance = match &rule.chance {
        Some(chance) if !(0.0..=1.0).contains(chance.get_ref()) => {
            return problem(&chance.span(), "`chance` is between 0 and 1");
        }
        chance => chance.as_ref().map(|p| *p.get_ref()),
    };
    let acts = within.acts(rule.acts, false)?;
    let then = within.acts(rule.then, true)?;
    Ok(Rule {
        name,
        index,
        matcher,
        nth: rule.nth.map(Spanned::into_inner),
        every,
        per: rule.per,
        condition,
        chance,
        times: rule.times.map(|n| u64::from(*n.get_ref())),
        acts,
        then,
    })
}

fn matcher(rule: &file::Rule, span: &Span) -> Checked<Matcher> {
    let kind = rule.on;
    if let Some(direction) = rule.direction {
        let own = match kind {
            Kind::Start | Kind::End | Kind::Request => Some(Direction::In),
            Kind::Answer | Kind::Write | Kind::Crash | Kind::Watchdog => Some(Direction::Out),
            Kind::Message | Kind::Glink | Kind::Smp2p => None,
            Kind::Signal => return problem(span, "a `signal` has no `direction`"),
        };
        if own.is_some_and(|own| own != direction) {
            return problem(span, format!("`{}` never goes that way", kind_name(kind)));
        }
    }
    let mut fields = Vec::new();
    let conditions = [
        (Field::Handle, &rule.handle),
        (Field::Method, &rule.method),
        (Field::Sc, &rule.sc),
        (Field::Client, &rule.client),
        (Field::Tid, &rule.tid),
        (Field::Sid, &rule.sid),
        (Field::Ctx, &rule.ctx),
        (Field::Retval, &rule.retval),
        (Field::Cid, &rule.cid),
        (Field::Intent, &rule.intent),
        (Field::Size, &rule.size),
        (Field::Length, &rule.length),
        (Field::Value, &rule.value),
    ];
    for (field, ints) in conditions {
        let Some(ints) = ints else { continue };
        if !field.fits(kind) {
            return problem(span, format!("`{}` has no `{}`", kind_name(kind), field.name()));
        }
        fields.push((field, ints.clone()));
    }
    if let Some(command) = only(&rule.command, kind, &[Kind::Glink], "command")? {
        let mut numbers = Vec::new();
        for word in &command.get_ref().0 {
            numbers.push(i64::from(command_number(&command.span(), word)?));
        }
        fields.push((Field::Command, Ints::of(&numbers)));
    }
    let mut channels = Vec::new();
    if let Some(words) = only(
        &rule.channel,
        kind,
        &[Kind::Glink, Kind::Message, Kind::Signal],
        "channel",
    )? {
        for word in &words.get_ref().0 {
            channels.push(channel(&words.span(), word)?);
        }
    }
    let mut parts = Vec::new();
    if let Some(words) = only(&rule.place, kind, &[Kind::Write], "place")? {
        for word in &words.get_ref().0 {
            parts.push(lookup(&words.span(), "a place of a write", word, Part::ALL)?);
        }
    }
    let bits_of = |words: &Option<Spanned<Words>>, what| -> Checked<u32> {
        match only(words, kind, &[Kind::Smp2p], what)? {
            Some(words) => bits(&words.span(), Some(words.get_ref())),
            None => Ok(0),
        }
    };
    let contains = match &rule.contains {
        Some(Bytes(bytes)) if bytes.is_empty() => return problem(span, "`contains` is empty"),
        Some(_) if !matches!(kind, Kind::Request | Kind::Message | Kind::Glink | Kind::Write) => {
            return problem(span, format!("`{}` has no bytes for `contains`", kind_name(kind)));
        }
        contains => contains.as_ref().map(|b| b.0.clone()).unwrap_or_default(),
    };
    let words = |words: Option<&Words>| words.map(|w| w.0.clone()).unwrap_or_default();
    Ok(Matcher {
        kind,
        direction: rule.direction,
        dsps: words(rule.dsp.as_ref()),
        phases: words(rule.phase.as_ref().map(Spanned::get_ref)),
        signals: words(only(&rule.signal, kind, &[Kind::Signal], "signal")?.map(Spanned::get_ref)),
        channels,
        parts,
        fields,
        rises: bits_of(&rule.rises, "rises")?,
        falls: bits_of(&rule.falls, "falls")?,
        contains,
    })
}

/// A condition that only some kinds of events have.
fn only<'a, T>(
    value: &'a Option<Spanned<T>>,
    kind: Kind,
    kinds: &[Kind],
    name: &str,
) -> Checked<Option<&'a Spanned<T>>> {
    match value {
        Some(value) if !kinds.contains(&kind) => {
            problem(&value.span(), format!("`{}` has no `{name}`", kind_name(kind)))
        }
        value => Ok(value.as_ref()),
    }
}

fn lookup<T: Copy>(
    span: &Span,
    what: &str,
    word: &str,
    known: impl IntoIterator<Item = (&'static str, T)>,
) -> Checked<T> {
    let known: Vec<(&'static str, T)> = known.into_iter().collect();
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == word) {
        return Ok(*value);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let mut problem = Problem::new(
        span.clone(),
        format!("{word:?} is not {what}: {}", names.join(", ")),
    );
    problem.hint = hint(word, &names);
    Err(problem)
}

fn command_number(span: &Span, word: &str) -> Checked<u16> {
    match word.parse::<u16>() {
        Ok(number) => Ok(number),
        Err(_) => lookup(span, "a GLINK command", word, COMMANDS),
    }
}

fn channel(span: &Span, word: &str) -> Checked<Channel> {
    if let Some(channel) = Channel::ALL.into_iter().find(|channel| channel.name() == word) {
        return Ok(channel);
    }
    let known = Channel::ALL.map(|channel| (channel_name(channel), channel));
    lookup(span, "a channel", word, known)
}

fn bits(span: &Span, words: Option<&Words>) -> Checked<u32> {
    const NAMES: [(&str, u32); 5] = [
        ("fatal", 1),
        ("ready", 1 << 1),
        ("handover", 1 << 2),
        ("stop-ack", 1 << 3),
        // of the AP's word
        ("stop", 1),
    ];
    let mut mask = 0;
    for word in words.iter().flat_map(|words| &words.0) {
        mask |= match word.parse::<u32>() {
            Ok(bit) if bit < 32 => 1 << bit,
            Ok(bit) => return problem(span, format!("an SMP2P word has no bit {bit}")),
            Err(_) => lookup(span, "a bit of an SMP2P word", word, NAMES)?,
        };
    }
    Ok(mask)
}

impl Within<'_> {
    fn expr(&self, span: &Span, num: &Num) -> Checked<Expr> {
        let mut unknown = None;
        num.0.names(&mut |name| {
            if Field::of(name).is_none() && !self.vars.contains(&name) {
                unknown.get_or_insert_with(|| name.to_owned());
            }
        });
        let Some(name) = unknown else {
            return Ok(num.0.clone());
        };
        let known: Vec<&str> = Field::ALL
            .iter()
            .map(|field| field.name())
            .chain(self.vars.iter().copied())
            .collect();
        let message = format!("`{name}` is neither a field of events nor a variable under [vars]");
        let mut problem = Problem::new(span.clone(), message);
        problem.hint = hint(&name, &known);
        Err(problem)
    }

    fn optional(&self, span: &Span, num: Option<&Num>, default: i64) -> Checked<Expr> {
        num.map_or(Ok(Expr::Int(default)), |num| self.expr(span, num))
    }

    fn acts(&self, acts: Vec<Spanned<file::Act>>, then: bool) -> Checked<Vec<Act>> {
        let mut all = Vec::new();
        for act in acts {
            let span = act.span();
            let act = act.into_inner();
            let after = act.after;
            let options = (act.limit, act.whole);
            let whats = self.act(&span, act)?;
            let decided = all.iter().any(|act: &Act| matches!(act.what, What::Fate(_)));
            if decided && whats.iter().any(|what| matches!(what, What::Fate(_))) {
                return problem(&span, "a rule drops, delays, holds or swaps its event only once");
            }
            for what in &whats {
                self.check_options(&span, what, then, after.is_some(), options)?;
            }
            all.extend(whats.into_iter().map(|what| Act { what, after }));
        }
        Ok(all)
    }

    fn check_options(
        &self,
        span: &Span,
        what: &What,
        then: bool,
        after: bool,
        (limit, whole): (Option<Time>, Option<bool>),
    ) -> Checked<()> {
        let about_event = matches!(what, What::Fate(_) | What::Edit(_));
        if about_event && then {
            return problem(
                span,
                "the event is gone when `then` is done: this belongs into `do`",
            );
        }
        if about_event && after {
            return problem(
                span,
                "`after` is for other things than the event itself: use `delay`",
            );
        }
        let waits = matches!(what, What::Fate(Fate::Hold { .. } | Fate::Swap { .. }));
        if limit.is_some() && !waits {
            return problem(span, "`for` goes with `hold` and `swap`");
        }
        if whole.is_some() && (!matches!(what, What::Fate(_)) || self.kind != Kind::Answer) {
            return problem(
                span,
                "`whole` goes with drop, delay, hold and swap of an `answer`",
            );
        }
        Ok(())
    }

    fn only(&self, span: &Span, verb: &str, kinds: &[Kind]) -> Checked<()> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        problem(
            span,
            format!("`{verb}` cannot be done to `{}`", kind_name(self.kind)),
        )
    }

    fn needs_board(&self, span: &Span, verb: &str) -> Checked<()> {
        if self.board {
            return Ok(());
        }
        problem(span, format!("there is no `{verb}` on the rpm platform"))
    }

    /// What one entry says; `reopen` is two things.
    #[allow(clippy::too_many_lines)] // a list of verbs
    fn act(&self, span: &Span, act: file::Act) -> Checked<Vec<What>> {
        const PASSING: [Kind; 8] = [
            Kind::Request,
            Kind::Answer,
            Kind::Write,
            Kind::Message,
            Kind::Glink,
            Kind::Smp2p,
            Kind::Crash,
            Kind::Watchdog,
        ];
        const BYTES: [Kind; 5] = [
            Kind::Request,
            Kind::Answer,
            Kind::Write,
            Kind::Message,
            Kind::Glink,
        ];
        let whole = act.whole.unwrap_or(false);
        let limit = act.limit;
        let mut found: Vec<(&str, Vec<What>)> = Vec::new();
        let mut fate = |verb, fate| found.push((verb, vec![What::Fate(fate)]));
        let yes = |verb: &str, value: Option<bool>| match value {
            Some(false) => problem(span, format!("`{verb} = false` does nothing: leave it out")),
            value => Ok(value.is_some()),
        };
        if yes("drop", act.drop)? {
            let kinds = [&PASSING[..], &[Kind::Start]].concat();
            self.only(span, "drop", &kinds)?;
            fate("drop", Fate::Drop { whole });
        }
        if let Some(time) = act.delay {
            self.only(span, "delay", &PASSING)?;
            fate("delay", Fate::Delay { time, whole });
        }
        if let Some(name) = act.hold {
            self.only(span, "hold", &PASSING)?;
            fate("hold", Fate::Hold { name, limit, whole });
        }
        if yes("swap", act.swap)? {
            self.only(span, "swap", &PASSING)?;
            let limit = limit.unwrap_or(SWAP);
            fate("swap", Fate::Swap { limit, whole });
        }
        let mut edit = |verb, edit| found.push((verb, vec![What::Edit(edit)]));
        if let Some(copies) = act.duplicate {
            self.only(span, "duplicate", &PASSING)?;
            if copies == 0 || copies > MAX_COPIES {
                return problem(span, format!("`duplicate` is between 1 and {MAX_COPIES}"));
            }
            edit("duplicate", Edit::Duplicate(copies));
        }
        if let Some(num) = &act.retval {
            self.only(span, "retval", &[Kind::Answer])?;
            edit("retval", Edit::Retval(self.expr(span, num)?));
        }
        if let Some(num) = &act.ctx {
            self.only(span, "ctx", &[Kind::Answer])?;
            edit("ctx", Edit::Ctx(self.expr(span, num)?));
        }
        if let Some(patch) = act.patch {
            self.only(span, "patch", &BYTES)?;
            let (at, bytes) = (size(patch.at), patch.bytes.0);
            if bytes.is_empty() || at.saturating_add(bytes.len()) > MAX_BYTES {
                return problem(span, format!("a `patch` has bytes and ends within {MAX_BYTES}"));
            }
            edit("patch", Edit::Patch { at, bytes });
        }
        if let Some(length) = act.resize {
            self.only(span, "resize", &BYTES)?;
            if size(length) > MAX_BYTES {
                return problem(span, format!("`resize` is at most {MAX_BYTES}"));
            }
            edit("resize", Edit::Resize(size(length)));
        }
        if let Some(bits) = &act.bits {
            self.only(span, "bits", &[Kind::Smp2p])?;
            edit("bits", Edit::Bits(self.bits(span, bits)?));
        }
        if let Some(attribute) = &act.attribute {
            self.only(span, "attribute", &[Kind::Answer])?;
            if !(1..=255).contains(&attribute.number) {
                return problem(span, "attributes have numbers from 1 to 255");
            }
            let (number, value) = (size(attribute.number), self.expr(span, &attribute.value)?);
            edit("attribute", Edit::Attribute { number, value });
        }
        if yes("refuse", act.refuse)? {
            self.only(span, "refuse", &[Kind::Glink])?;
            edit("refuse", Edit::Refuse);
        }
        let mut effect = |verb, effects: Vec<Effect>| {
            found.push((verb, effects.into_iter().map(What::Effect).collect()));
        };
        if let Some(answer) = &act.answer {
            let ctx = match &answer.ctx {
                Some(num) => Some(self.expr(span, num)?),
                None => None,
            };
            let retval = self.optional(span, answer.retval.as_ref(), 0)?;
            effect("answer", vec![Effect::Answer { ctx, retval }]);
        }
        if let Some(send) = act.send {
            effect(
                "send",
                vec![Effect::Send(channel(span, &send.channel)?, send.bytes.0)],
            );
        }
        if let Some(glink) = act.glink {
            effect("glink", vec![Effect::Glink(Box::new(self.glink(span, glink)?))]);
        }
        if let Some(bytes) = act.raw {
            effect("raw", vec![Effect::Raw(bytes.0)]);
        }
        if let Some(write) = act.write {
            effect("write", vec![Effect::Write(Box::new(self.write(span, write)?))]);
        }
        if yes("interrupt", act.interrupt)? {
            effect("interrupt", vec![Effect::Interrupt]);
        }
        if yes("halt", act.halt)? {
            effect("halt", vec![Effect::Halt]);
        }
        if let Some(crash) = act.crash {
            let reason = crash.reason.unwrap_or_else(|| "scenario: crash".to_owned());
            let down = crash.down;
            effect("crash", vec![Effect::Crash { reason, down }]);
        }
        if yes("watchdog", act.watchdog)? {
            self.needs_board(span, "watchdog")?;
            effect("watchdog", vec![Effect::Watchdog]);
        }
        if let Some(bits) = &act.smp2p {
            self.needs_board(span, "smp2p")?;
            effect("smp2p", vec![Effect::Smp2p(self.bits(span, bits)?)]);
        }
        if let Some(poke) = &act.poke {
            const PLACES: [(&str, Place); 5] = [
                ("to-ap-head", Place::ToApHead),
                ("to-ap-tail", Place::ToApTail),
                ("from-ap-head", Place::FromApHead),
                ("from-ap-tail", Place::FromApTail),
                ("boot-status", Place::BootStatus),
            ];
            let place = lookup(span, "a place", &poke.place, PLACES)?;
            if place == Place::BootStatus {
                self.needs_board(span, "boot-status")?;
            }
            effect("poke", vec![Effect::Poke(place, self.expr(span, &poke.value)?)]);
        }
        if let Some(word) = &act.close {
            effect("close", vec![Effect::Close(channel(span, word)?)]);
        }
        if let Some(word) = &act.open {
            effect("open", vec![Effect::Open(channel(span, word)?)]);
        }
        if let Some(word) = &act.reopen {
            let channel = channel(span, word)?;
            effect("reopen", vec![Effect::Close(channel), Effect::Open(channel)]);
        }
        if let Some(release) = act.release {
            let file::Release { name, order, count } = release;
            let count = count.map_or(usize::MAX, size);
            effect("release", vec![Effect::Release { name, order, count }]);
        }
        if let Some(set) = &act.set {
            let mut assignments = Vec::new();
            for (name, num) in set {
                let Some(index) = self.vars.iter().position(|var| var == name) else {
                    let mut problem =
                        Problem::new(span.clone(), format!("there is no `{name}` under [vars]"));
                    problem.hint = hint(name, self.vars);
                    return Err(problem);
                };
                assignments.push((index, self.expr(span, num)?));
            }
            effect("set", vec![Effect::Set(assignments)]);
        }
        if let Some(phase) = act.phase {
            effect("phase", vec![Effect::Phase(phase)]);
        }
        if let Some(signal) = act.emit {
            effect("emit", vec![Effect::Emit(signal)]);
        }
        if let Some(text) = act.log {
            effect("log", vec![Effect::Log(text)]);
        }
        match found.len() {
            1 => Ok(found.pop().map(|(_, whats)| whats).unwrap_or_default()),
            0 => problem(
                span,
                "this does nothing: it needs a verb such as drop, delay, retval or crash",
            ),
            _ => {
                let verbs: Vec<&str> = found.iter().map(|(verb, _)| *verb).collect();
                let verbs = verbs.join(" and ");
                problem(span, format!("{verbs} in one entry: write one entry for each"))
            }
        }
    }

    fn bits(&self, span: &Span, written: &file::Bits) -> Checked<Bits> {
        let value = match &written.value {
            Some(num) => Some(self.expr(span, num)?),
            None => None,
        };
        let bits = Bits {
            value,
            set: bits(span, written.set.as_ref())?,
            clear: bits(span, written.clear.as_ref())?,
            toggle: bits(span, written.toggle.as_ref())?,
        };
        if bits == Bits::default() {
            return problem(span, "no bit changes: give value, set, clear or toggle");
        }
        Ok(bits)
    }

    fn glink(&self, span: &Span, glink: file::Glink) -> Checked<Glink> {
        let command = command_number(span, &glink.command)?;
        if !COMMANDS.iter().any(|(_, number)| *number == command) {
            return problem(
                span,
                format!("GLINK command {command} has no known form: use `raw`"),
            );
        }
        let channel = match &glink.channel {
            Some(word) => Some(channel(span, word)?),
            None => None,
        };
        let without = matches!(command, 0 | 1 | 13);
        if channel.is_none() && glink.cid.is_none() && !without {
            return problem(
                span,
                format!("GLINK {} needs a `channel` or a `cid`", glink.command),
            );
        }
        let name = glink.name.or(channel.map(|channel| channel.name().to_owned()));
        if command == 2 && name.is_none() {
            return problem(span, "GLINK open needs a `name` or a `channel`");
        }
        let name = name.unwrap_or_default().into_bytes();
        if name.len() >= rpmsg::glink::command::MAX_NAME {
            return problem(span, "a channel's name has at most 31 bytes");
        }
        let cid = match &glink.cid {
            Some(num) => Some(self.expr(span, num)?),
            None => None,
        };
        Ok(Glink {
            command,
            channel,
            cid,
            intent: self.optional(span, glink.intent.as_ref(), 0)?,
            size: self.optional(span, glink.size.as_ref(), 0)?,
            granted: glink.granted.unwrap_or(true),
            left: self.optional(span, glink.left.as_ref(), 0)?,
            data: glink.data.map(|data| data.0).unwrap_or_default(),
            name,
            priority: self.optional(span, glink.priority.as_ref(), 0)?,
            version: self.optional(span, glink.version.as_ref(), 1)?,
            value: self.optional(span, glink.value.as_ref(), 0)?,
        })
    }

    fn write(&self, span: &Span, write: file::Write) -> Checked<Write> {
        const TARGETS: [(&str, Target); 8] = [
            ("metadata", Target::Metadata),
            ("list", Target::List),
            ("pages", Target::Pages),
            ("fdlist", Target::Fdlist),
            ("crc", Target::Crc),
            ("poll", Target::Poll),
            ("argument", Target::Argument),
            ("iova", Target::Iova),
        ];
        let to = lookup(span, "a place to write to", &write.to, TARGETS)?;
        let call = matches!(
            self.kind,
            Kind::Request | Kind::Answer | Kind::Write | Kind::Signal
        );
        if to != Target::Iova && !call {
            let kind = kind_name(self.kind);
            return problem(
                span,
                format!("`{kind}` belongs to no call whose {} could be written", write.to),
            );
        }
        if (to == Target::Iova) != write.iova.is_some() {
            return problem(span, "`iova` goes with to = \"iova\", and only with it");
        }
        if write.sid.is_some() && to != Target::Iova {
            return problem(span, "`sid` goes with to = \"iova\"");
        }
        if to == Target::Iova && write.sid.is_none() && !call {
            return problem(span, "`sid` is missing: this event belongs to no call");
        }
        let content = match (write.bytes, &write.value) {
            (Some(Bytes(bytes)), None) if !bytes.is_empty() && write.width.is_none() => Content::Bytes(bytes),
            (None, Some(value)) => {
                let width = size(write.width.unwrap_or(4));
                if ![1, 2, 4, 8].contains(&width) {
                    return problem(span, "`width` is 1, 2, 4 or 8");
                }
                let value = self.expr(span, value)?;
                Content::Number { value, width }
            }
            _ => return problem(span, "a write has either `bytes` or a `value` (with a `width`)"),
        };
        let length = match &content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Number { width, .. } => *width,
        };
        let repeat = size(write.repeat.unwrap_or(1));
        if repeat == 0 || length.saturating_mul(repeat) > MAX_BYTES {
            return problem(span, format!("a write has between 1 and {MAX_BYTES} bytes"));
        }
        let optional = |num: &Option<Num>| match num {
            Some(num) => self.expr(span, num).map(Some),
            None => Ok(None),
        };
        Ok(Write {
            to,
            index: write.index.unwrap_or(0),
            offset: self.optional(span, write.offset.as_ref(), 0)?,
            iova: optional(&write.iova)?,
            sid: optional(&write.sid)?,
            content,
            repeat,
        })
    }
}

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
