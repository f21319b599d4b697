//! A scenario file as it is written. The documentation of these types is the language's reference: the JSON schema is made
//! from it, and `docs/scenarios.md` explains it with examples.

use super::case_tables as case;
use super::values::{Bytes, Ints, Num, Time, Words};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A scenario: what a DSP does that an honest one would not.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name in reports; the file's name if left out.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Seed of all random choices (default 0; `--seed` overrides it).
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub seed: Option<Spanned<i64>>,
    /// Labels of the DSPs it applies to (cdsp, adsp, …); all of the machine's if left out.
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub dsps: Option<Spanned<Words>>,
    /// The platform it needs; either if left out.
    pub platform: Option<Needs>,
    /// Events that the history keeps for each DSP (default 1024).
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub history: Option<Spanned<u32>>,
    /// The phase at the start (default "start").
    pub phase: Option<String>,
    /// Variables with their values at the start.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, i64>"))]
    pub vars: BTreeMap<Spanned<String>, i64>,
    /// The rules, looked at in this order.
    #[serde(default, rename = "rule")]
    #[cfg_attr(test, schemars(with = "Vec<Rule>"))]
    pub rules: Vec<Spanned<Rule>>,
    /// Past bugs that a case is about.
    pub zoo: Option<case::Zoo>,
    /// What a case needs of the kernel and the machine.
    pub needs: Option<case::Requirements>,
    /// What runs in the guest of a case.
    #[cfg_attr(test, schemars(with = "Option<case::Workload>"))]
    pub workload: Option<Spanned<case::Workload>>,
    /// What must hold in a case.
    pub expect: Option<case::Expect>,
}

impl File {
    /// Takes the tables of a case out of it.
    pub(super) fn tables(&mut self) -> case::Tables {
        case::Tables {
            zoo: self.zoo.take(),
            needs: self.needs.take(),
            workload: self.workload.take(),
            expect: self.expect.take(),
        }
    }
}

/// A platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// GLINK over message RAM; the DSP is simply there.
    Rpm,
    /// The kernel starts, stops and recovers the DSP.
    Board,
}

/// What kind of event a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// in: the AP started the DSP (rpm: the guest's driver started the device).
    Start,
    /// in: the DSP was stopped or reset.
    End,
    /// in: a FastRPC call.
    Request,
    /// out: the answer to a FastRPC call.
    Answer,
    /// out: bytes that the DSP writes into guest memory for an answer (outputs of built-in services, fdlist, poll word).
    Write,
    /// in, out: a message on another channel, or one on FastRPC's that is no call.
    Message,
    /// in, out: one GLINK command.
    Glink,
    /// in, out: an SMP2P word (board platform).
    Smp2p,
    /// out: the honest DSP reports a fatal error (board platform).
    Crash,
    /// out: the honest DSP's watchdog bites (board platform).
    Watchdog,
    /// Neither: what another rule's `emit` raised.
    Signal,
}

/// Direction of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the AP to the DSP.
    In,
    /// From the DSP to the AP.
    Out,
}

/// What an occurrence is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Since the devices were made.
    #[default]
    Run,
    /// Since the DSP was started.
    Session,
    /// For each client by itself (`client` of the call).
    Client,
}

/// A rule: which events, and what is done about them. An event is looked at by every rule in turn until one takes it away
/// (drop, delay, hold, swap).
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name in reports (default: its number).
    pub name: Option<String>,
    /// The kind of event.
    pub on: Kind,
    /// Only events in this direction (glink, message, smp2p).
    pub direction: Option<Direction>,
    /// Only these DSPs, by label.
    pub dsp: Option<Words>,
    /// Only in these phases.
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub phase: Option<Spanned<Words>>,
    /// Only this signal (signal).
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub signal: Option<Spanned<Words>>,
    /// GLINK commands by name or number: version, version-ack, open, close, open-ack, intents, rx-done, rx-intent-req,
    /// rx-intent-req-ack, tx-data, close-ack, tx-data-cont, read-notif, rx-done-reuse, signals (glink).
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub command: Option<Spanned<Words>>,
    /// Channels: fastrpc, router (IPCRTR), restart (glink_ssr), audio (apr_audio_svc), or the name on the wire (glink, message).
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub channel: Option<Spanned<Words>>,
    /// Where a write goes: fdlist, poll, or argument, which is everywhere else (write).
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub place: Option<Spanned<Words>>,
    /// Handle of the call (request, answer, write).
    pub handle: Option<Ints>,
    /// Method of the call.
    pub method: Option<Ints>,
    /// Scalars word of the call.
    pub sc: Option<Ints>,
    /// Client ID of the call: 0 for calls that the kernel makes itself.
    pub client: Option<Ints>,
    /// Thread ID of the call.
    pub tid: Option<Ints>,
    /// Session ID of the call.
    pub sid: Option<Ints>,
    /// Context of the call.
    pub ctx: Option<Ints>,
    /// Return value (answer).
    pub retval: Option<Ints>,
    /// Channel ID that the command carries (glink).
    pub cid: Option<Ints>,
    /// Number of an intent (glink).
    pub intent: Option<Ints>,
    /// Size that is asked for (glink rx-intent-req) or of the invoke buffer (request, answer, write).
    pub size: Option<Ints>,
    /// Bytes (glink, message, write).
    pub length: Option<Ints>,
    /// The word (smp2p).
    pub value: Option<Ints>,
    /// Bits that this word sets and the one before did not: fatal, ready, handover, stop-ack, stop, or numbers (smp2p).
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub rises: Option<Spanned<Words>>,
    /// Bits that this word clears and the one before had set (smp2p).
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub falls: Option<Spanned<Words>>,
    /// Bytes that occur in the message (message, request, glink, write).
    pub contains: Option<Bytes>,

    /// Which of the events that match all of the above: 1 is the first, also "3..5" or a list.
    #[cfg_attr(test, schemars(with = "Option<Ints>"))]
    pub nth: Option<Spanned<Ints>>,
    /// Only every so-manieth of them.
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub every: Option<Spanned<u32>>,
    /// What `nth` and `every` count in.
    #[serde(default)]
    pub per: Per,
    /// Only if this is not 0; `n` is the number of the occurrence.
    #[serde(rename = "if")]
    #[cfg_attr(test, schemars(with = "Option<Num>"))]
    pub condition: Option<Spanned<Num>>,
    /// Only with this probability, 0 to 1.
    #[cfg_attr(test, schemars(with = "Option<f64>"))]
    pub chance: Option<Spanned<f64>>,
    /// Only so often in all.
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub times: Option<Spanned<u32>>,

    /// What is done before the event goes on its way.
    #[serde(default, rename = "do")]
    #[cfg_attr(test, schemars(with = "Vec<Act>"))]
    pub acts: Vec<Spanned<Act>>,
    /// What is done right behind it, wherever and whenever it goes.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<Act>"))]
    pub then: Vec<Spanned<Act>>,
}

/// One thing that is done: exactly one of these keys, and perhaps `after`, `for` or `whole`.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Act {
    // ---- about the event itself ----
    /// It does not happen. A start that is dropped is a DSP that never starts.
    pub drop: Option<bool>,
    /// It happens later.
    pub delay: Option<Time>,
    /// It waits under this name until some rule releases it (or `for` is over).
    pub hold: Option<String>,
    /// It waits for the next event that this rule matches and follows that one (or `for`, 1 s if left out, is over).
    pub swap: Option<bool>,
    /// It happens so many times more.
    pub duplicate: Option<u32>,
    /// Another return value (answer).
    pub retval: Option<Num>,
    /// Another context (answer).
    pub ctx: Option<Num>,
    /// Bytes over its bytes (request, message, glink, answer, write).
    pub patch: Option<Patch>,
    /// Another length: cut, or filled with zeros (request, message, glink, answer, write).
    pub resize: Option<u32>,
    /// Other bits in the word (smp2p).
    pub bits: Option<Bits>,
    /// Another value of a DSP attribute (answer to handle 2).
    pub attribute: Option<Attribute>,
    /// The DSP denies the intent that is asked for (glink rx-intent-req in).
    pub refuse: Option<bool>,

    // ---- anything else ----
    /// An answer that the DSP did not give.
    pub answer: Option<Answer>,
    /// A message on a channel.
    pub send: Option<Send>,
    /// A GLINK command straight into the FIFO.
    pub glink: Option<Glink>,
    /// Bytes straight into the FIFO.
    pub raw: Option<Bytes>,
    /// Bytes into guest memory, through the SMMU.
    pub write: Option<Write>,
    /// The GLINK interrupt.
    pub interrupt: Option<bool>,
    /// The DSP stops executing.
    pub halt: Option<bool>,
    /// The DSP crashes. Board: reason, fatal bit, halt. Rpm: the FastRPC channel closes and opens again.
    pub crash: Option<Crash>,
    /// The DSP stops executing and its watchdog bites (board).
    pub watchdog: Option<bool>,
    /// Other bits in the DSP's SMP2P word (board).
    pub smp2p: Option<Bits>,
    /// A word of the platform.
    pub poke: Option<Poke>,
    /// Closes a channel from the DSP's side.
    pub close: Option<String>,
    /// Opens a channel from the DSP's side.
    pub open: Option<String>,
    /// Closes a channel and opens it again.
    pub reopen: Option<String>,
    /// Lets events go that were held under this name.
    pub release: Option<Release>,
    /// Sets variables.
    pub set: Option<BTreeMap<String, Num>>,
    /// Another phase.
    pub phase: Option<String>,
    /// Raises a signal that rules can match; the event's fields come with it.
    pub emit: Option<String>,
    /// A line in the log.
    pub log: Option<String>,

    // ---- options ----
    /// Not now but later (all but those about the event itself).
    pub after: Option<Time>,
    /// The longest wait (hold, swap).
    #[serde(rename = "for")]
    pub limit: Option<Time>,
    /// With everything that the DSP writes for that answer (drop, delay, hold, swap of an answer).
    pub whole: Option<bool>,
}

/// Bytes at a place.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Offset in bytes.
    #[serde(default)]
    pub at: u32,
    /// The bytes.
    pub bytes: Bytes,
}

/// A change of an SMP2P word, in this order: value, set, clear, toggle.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Bits {
    /// The whole word.
    pub value: Option<Num>,
    /// Bits to set, by name or number.
    pub set: Option<Words>,
    /// Bits to clear.
    pub clear: Option<Words>,
    /// Bits to turn over.
    pub toggle: Option<Words>,
}

/// One of the DSP's attributes.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its number, 1 to 255 (6 is the architecture).
    pub number: u32,
    /// What is answered.
    pub value: Num,
}

/// An answer.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Context; the event's if left out.
    pub ctx: Option<Num>,
    /// Return value; 0 if left out.
    pub retval: Option<Num>,
}

/// A message.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// fastrpc, router, restart or audio.
    pub channel: String,
    /// The message.
    pub bytes: Bytes,
}

/// A GLINK command; what it does not need is left out.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Glink {
    /// Its name (see `command` of a rule).
    pub command: String,
    /// Whose channel ID it carries; fastrpc, router, restart or audio.
    pub channel: Option<String>,
    /// The channel ID itself.
    pub cid: Option<Num>,
    /// Number of an intent.
    pub intent: Option<Num>,
    /// Size in bytes (intents, rx-intent-req).
    pub size: Option<Num>,
    /// Whether an intent is granted (rx-intent-req-ack).
    pub granted: Option<bool>,
    /// Bytes that follow (tx-data, tx-data-cont).
    pub left: Option<Num>,
    /// Payload (tx-data, tx-data-cont).
    pub data: Option<Bytes>,
    /// Channel name (open); the channel's if left out.
    pub name: Option<String>,
    /// Priority (open).
    pub priority: Option<Num>,
    /// Version (version, version-ack; 1 if left out).
    pub version: Option<Num>,
    /// Features (version, version-ack), or modem signals (signals).
    pub value: Option<Num>,
}

/// Bytes into guest memory.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Where: metadata (the argument descriptors), list, pages, fdlist, crc, poll, argument, or iova.
    pub to: String,
    /// Number of the entry (metadata, list, pages, fdlist, crc) or of the argument.
    pub index: Option<u32>,
    /// Offset in bytes from there.
    pub offset: Option<Num>,
    /// The address (iova).
    pub iova: Option<Num>,
    /// Session ID whose memory it is; the call's if left out (iova).
    pub sid: Option<Num>,
    /// What is written.
    pub bytes: Option<Bytes>,
    /// What is written, as a little-endian number.
    pub value: Option<Num>,
    /// Bytes of that number: 1, 2, 4 (if left out) or 8.
    pub width: Option<u32>,
    /// How many times it is written, one behind the other (1 if left out).
    pub repeat: Option<u32>,
}

/// A crash.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Crash {
    /// Text for the kernel's log (board).
    pub reason: Option<String>,
    /// How long the channel stays closed (rpm; not at all if left out).
    pub down: Option<Time>,
}

/// A word of the platform.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Poke {
    /// to-ap-head, to-ap-tail, from-ap-head, from-ap-tail (FIFO indices), boot-status.
    pub place: String,
    /// What is written.
    pub value: Num,
}

/// Letting go.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The name they are held under.
    pub name: String,
    /// In which order (first if left out).
    #[serde(default)]
    pub order: Order,
    /// How many at most.
    pub count: Option<u32>,
}

/// In which order held events are released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The one that waits longest first.
    #[default]
    First,
    /// The one that came last first.
    Last,
    /// Any.
    Random,
}
