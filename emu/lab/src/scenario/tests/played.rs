//! The engine on a played stream of events, with a clock of the test's own.

use super::super::{Engine, Scenario, Watch};
use emu_os::action::{Action, Channel, Inbound};
use emu_os::conversation::Conversation;
use emu_os::seam::{Interposer as _, Reaction};
use emu_os::services::DspConfig;
use proptest::prelude::*;
use rpmsg::fastrpc::{Ctx, Message, Response, Scalars};
use rpmsg::glink::{Command, Intent};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The engine at a seam where nobody else is: what departs is what it lets out.
struct Seam {
    engine: Engine,
    known: Conversation,
}

impl Seam {
    fn inbound(&mut self, inbound: &Inbound) -> Reaction {
        let arrival = self.known.arrives(inbound);
        self.engine.inbound(&arrival, &self.known)
    }

    fn outbound(&mut self, batch: Vec<Action>) -> Vec<Action> {
        self.engine.outbound(batch, &self.known)
    }

    fn command(&mut self, command: Command) -> Vec<Action> {
        self.engine.command(command.into(), &self.known)
    }

    fn deadline(&self) -> Option<Instant> {
        self.engine.deadline()
    }

    fn due(&mut self, now: Instant) -> Vec<Action> {
        self.engine.due(now, &self.known)
    }
}

struct Play {
    engine: Seam,
    watch: Watch,
    now: Arc<Mutex<Instant>>,
}

impl Play {
    fn new(text: &str) -> Self {
        Self::on(text, None, false)
    }

    fn board(text: &str) -> Self {
        Self::on(text, None, true)
    }

    fn on(text: &str, seed: Option<u64>, board: bool) -> Self {
        let scenario = Scenario::parse(text, "x.toml").unwrap_or_else(|error| panic!("{error}"));
        let streams = BTreeMap::from([(1, 0x1101), (2, 0x1102)]);
        let config = DspConfig::new("cdsp", hexagon_isa::Arch::V68, 0x68, streams);
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = now.clone();
        let known = Conversation::new(config.addressing, config.streams.clone());
        let engine = Engine::with_clock(
            &scenario,
            seed,
            &config,
            board,
            Box::new(move || *clock.lock().unwrap()),
        );
        let watch = engine.watch();
        let mut engine = Seam { engine, known };
        assert!(!engine.inbound(&Inbound::Started).swallow);
        Self { engine, watch, now }
    }

    /// A call of client 5 arrives.
    fn request(&mut self, ctx: u64, handle: u32, method: u8) -> Reaction {
        self.engine.inbound(&Inbound::Message(
            Channel::FastRpc,
            request(ctx, handle, method).encode(),
        ))
    }

    /// The DSP answers, with an output before it.
    fn answer(&mut self, ctx: u64) -> Vec<Action> {
        self.engine.outbound(vec![output(), answer(ctx, 0)])
    }

    /// A call and its answer.
    fn call(&mut self, ctx: u64) -> Vec<Action> {
        self.request(ctx, 3, 4);
        self.answer(ctx)
    }

    /// Time goes by; what comes of it.
    fn wait(&mut self, ms: u64) -> Vec<Action> {
        // The engine asks the clock, too, so it must not stay locked.
        let now = *self.now.lock().unwrap() + Duration::from_millis(ms);
        *self.now.lock().unwrap() = now;
        if self.engine.deadline().is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.engine.due(now)
    }

    fn fired(&self) -> Vec<u64> {
        self.watch.fired().into_iter().map(|(_, n)| n).collect()
    }
}

fn request(ctx: u64, handle: u32, method: u8) -> Message {
    Message {
        client_id: 5,
        tid: 100,
        ctx: Ctx(ctx),
        handle,
        sc: Scalars::new(method, 1, 1),
        addr: 0x1_4000_0000,
        size: 0x1000,
    }
}

fn output() -> Action {
    Action::Write {
        stream: 0x1101,
        iova: 0x4000_0300,
        bytes: vec![0; 32],
    }
}

fn answer(ctx: u64, retval: u32) -> Action {
    Action::Answer { ctx, retval }
}

fn rule(body: &str) -> Play {
    Play::new(&format!("[[rule]]\n{body}"))
}

#[test]
fn what_no_rule_touches_passes_as_it_is() {
    let mut play = rule("on = \"answer\"\nhandle = 9\ndo = [{ drop = true }]");
    assert_eq!(play.request(0x10, 3, 4), Reaction::default());
    assert_eq!(play.answer(0x10), [output(), answer(0x10, 0)]);
    assert_eq!(
        play.engine.command(Command::ReadNotif),
        [Action::RawGlink(Command::ReadNotif.into())]
    );
    let odd = vec![Action::Interrupt, Action::Halt, answer(0x99, 7)];
    assert_eq!(play.engine.outbound(odd.clone()), odd);
    assert_eq!(play.engine.deadline(), None);
    assert_eq!(play.fired(), [0]);
}

#[test]
fn answers_are_dropped_with_or_without_their_writes() {
    let mut play = rule("on = \"answer\"\nhandle = 3\nmethod = 4\ndo = [{ drop = true }]");
    assert_eq!(play.call(0x10), [output()]);
    play.request(0x20, 3, 5);
    assert_eq!(play.answer(0x20), [output(), answer(0x20, 0)]);
    let mut play = rule("on = \"answer\"\ndo = [{ drop = true, whole = true }]");
    assert_eq!(play.call(0x10), []);
}

#[test]
fn answers_come_late() {
    let mut play = rule("on = \"answer\"\nnth = 1\ndo = [{ delay = \"50ms\" }]");
    assert_eq!(play.call(0x10), [output()]);
    assert_eq!(play.call(0x20), [output(), answer(0x20, 0)]);
    assert_eq!(play.wait(49), []);
    assert_eq!(play.wait(1), [answer(0x10, 0)]);
    assert_eq!(play.wait(1000), []);
    let mut play = rule("on = \"answer\"\ndo = [{ delay = \"50ms\", whole = true }]");
    assert_eq!(play.call(0x10), []);
    assert_eq!(play.wait(50), [output(), answer(0x10, 0)]);
}

#[test]
fn answers_come_twice_forged_and_with_another_value() {
    let mut play =
        rule("on = \"answer\"\ndo = [{ duplicate = 1 }, { retval = 0x27 }, { ctx = \"ctx ^ 0x100\" }]");
    assert_eq!(
        play.call(0x10),
        [output(), answer(0x110, 0x27), answer(0x110, 0x27)]
    );
    let mut play =
        rule("on = \"answer\"\nthen = [{ answer = { retval = 1 } }, { answer = { ctx = 0xABCDABCD } }]");
    let expected = [output(), answer(0x10, 0), answer(0x10, 1), answer(0xabcd_abcd, 0)];
    assert_eq!(play.call(0x10), expected);
}

#[test]
fn answers_swap_places() {
    let mut play = rule("on = \"answer\"\ndo = [{ swap = true }]");
    assert_eq!(play.call(0x10), [output()]);
    assert_eq!(play.call(0x20), [output(), answer(0x20, 0), answer(0x10, 0)]);
    assert_eq!(play.call(0x30), [output()]);
    assert_eq!(play.wait(999), []);
    assert_eq!(play.wait(1), [answer(0x30, 0)], "nobody came to swap with");
}

#[test]
fn answers_are_held_until_something_happens() {
    let text = r#"
        [[rule]]
        on = "answer"
        method = 4
        do = [{ hold = "calls" }]
        [[rule]]
        on = "request"
        method = 9
        do = [{ release = { name = "calls", order = "last", count = 2 } }]
    "#;
    let mut play = Play::new(text);
    for ctx in [0x10, 0x20, 0x30] {
        assert_eq!(play.call(ctx), [output()]);
    }
    let reaction = play.request(0x40, 3, 9);
    assert_eq!(
        (reaction.swallow, reaction.actions),
        (false, vec![answer(0x30, 0), answer(0x20, 0)])
    );
    assert_eq!(play.request(0x50, 3, 9).actions, [answer(0x10, 0)]);
    assert_eq!(play.request(0x60, 3, 9).actions, []);

    let mut play = rule("on = \"answer\"\ndo = [{ hold = \"x\", for = \"10ms\" }]");
    play.call(0x10);
    assert_eq!(play.wait(10), [answer(0x10, 0)]);
}

#[test]
fn answers_of_the_wrong_length_are_messages() {
    let mut play = rule("on = \"answer\"\ndo = [{ resize = 8 }, { patch = { at = 4, bytes = \"ff\" } }]");
    let bytes = vec![0x10, 0, 0, 0, 0xff, 0, 0, 0];
    assert_eq!(play.call(0x10), [output(), Action::Send(Channel::FastRpc, bytes)]);
    let mut play = rule("on = \"answer\"\ndo = [{ resize = 20 }]");
    let mut long = Response {
        ctx: Ctx(0x10),
        retval: 0,
    }
    .encode();
    long.resize(20, 0);
    assert_eq!(play.call(0x10)[1], Action::Send(Channel::FastRpc, long));
}

#[test]
fn attributes_are_answered_differently() {
    let mut play = rule("on = \"answer\"\nhandle = 2\ndo = [{ attribute = { number = 6, value = 0x73 } }]");
    play.request(0x10, 2, 0);
    let Action::Write { bytes, .. } = &play.answer(0x10)[0] else {
        panic!()
    };
    assert_eq!(bytes[20..24], [0x73, 0, 0, 0]);
    assert!(bytes.iter().filter(|b| **b != 0).count() == 1);
}

#[test]
fn writes_go_where_the_call_says() {
    let body = |to: &str| format!("on = \"answer\"\ndo = [{{ write = {{ {to} }} }}]");
    // Two arguments: list at 0x20, pages at 0x30, fdlist at 0x50, CRC at 0xd0, poll word at 0x1d0.
    let cases = [
        (
            "to = \"metadata\", index = 1, value = 7",
            0x4000_0010,
            vec![7, 0, 0, 0],
        ),
        (
            "to = \"list\", index = 1, value = 7, width = 1",
            0x4000_0028,
            vec![7],
        ),
        (
            "to = \"pages\", offset = 8, value = -1, width = 8",
            0x4000_0038,
            vec![0xff; 8],
        ),
        (
            "to = \"fdlist\", bytes = \"01 02\", repeat = 2",
            0x4000_0050,
            vec![1, 2, 1, 2],
        ),
        (
            "to = \"crc\", index = 2, value = \"handle\", width = 2",
            0x4000_00d8,
            vec![3, 0],
        ),
        (
            "to = \"poll\", value = 0xdecaf",
            0x4000_01d0,
            vec![0xaf, 0xec, 0x0d, 0],
        ),
        (
            "to = \"iova\", iova = 0xdead0000, offset = 4, value = 1",
            0xdead_0004,
            vec![1, 0, 0, 0],
        ),
    ];
    for (to, iova, bytes) in cases {
        let mut play = rule(&body(to));
        let write = Action::Write {
            stream: 0x1101,
            iova,
            bytes,
        };
        assert_eq!(play.call(0x10), [write, output(), answer(0x10, 0)], "{to}");
    }
    // Nothing is known of arguments without memory, nor of another session: said, and nothing happens.
    for to in [
        "to = \"argument\", value = 1",
        "to = \"iova\", iova = 0, sid = 99, value = 1",
    ] {
        assert_eq!(rule(&body(to)).call(0x10).len(), 2, "{to}");
    }
    let mut play = rule(&body("to = \"poll\", value = 1"));
    assert_eq!(play.answer(0x999).len(), 2, "an answer to a call that never came");
}

#[test]
fn writes_have_places() {
    for (place, iova, length) in [
        ("poll", 0x4000_01d0, 4),
        ("fdlist", 0x4000_0050, 16),
        ("argument", 0x4000_0300, 32),
    ] {
        let write = |iova, length| Action::Write {
            stream: 0x1101,
            iova,
            bytes: vec![1; length],
        };
        let mut play = rule(&format!(
            "on = \"write\"\nplace = \"{place}\"\nhandle = 3\ndo = [{{ drop = true }}]"
        ));
        play.request(0x10, 3, 4);
        let all = [
            write(0x4000_01d0, 4),
            write(0x4000_0050, 16),
            write(0x4000_0300, 32),
            answer(0x10, 0),
        ];
        let mut expected = all.to_vec();
        expected.retain(|action| *action != write(iova, length));
        assert_eq!(play.engine.outbound(all.to_vec()), expected, "{place}");
    }
}

#[test]
fn occurrences_are_counted() {
    let dropped = |body: &str| {
        let mut play = rule(&format!(
            "on = \"answer\"\n{body}\ndo = [{{ drop = true, whole = true }}]"
        ));
        (1..=9u64)
            .filter(|ctx| play.call(ctx << 4).is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(dropped("nth = 3"), [3]);
    assert_eq!(dropped("nth = [1, \"7..\"]"), [1, 7, 8, 9]);
    assert_eq!(dropped("every = 4"), [4, 8]);
    assert_eq!(dropped("every = 2\ntimes = 2"), [2, 4]);
    assert_eq!(dropped("if = \"n % 3 == 1 && ctx > 0x10\""), [4, 7]);
    assert_eq!(dropped("ctx = \"0x20..0x4f\""), [2, 3, 4]);
    assert_eq!(dropped("chance = 0.0"), [0u64; 0]);
    assert_eq!(dropped("chance = 1.0"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn occurrences_are_counted_in_a_session_or_by_client() {
    let mut play = rule("on = \"answer\"\nnth = 1\nper = \"session\"\ndo = [{ drop = true, whole = true }]");
    for _ in 0..3 {
        assert!(play.call(0x10).is_empty());
        assert!(!play.call(0x20).is_empty());
        play.engine.inbound(&Inbound::Ended);
        play.engine.inbound(&Inbound::Started);
    }
    let mut play = rule("on = \"request\"\nnth = 1\nper = \"client\"\ndo = [{ drop = true }]");
    let mut client = |client_id| {
        let message = Message {
            client_id,
            ..request(0x10, 3, 4)
        };
        play.engine
            .inbound(&Inbound::Message(Channel::FastRpc, message.encode()))
            .swallow
    };
    assert_eq!(
        [client(1), client(2), client(1), client(0), client(2)],
        [true, true, false, true, false]
    );
}

#[test]
fn variables_and_phases_are_state() {
    let text = r#"
        [vars]
        seen = 10
        [[rule]]
        on = "answer"
        phase = "start"
        do = [{ set = { seen = "seen + 1" } }]
        [[rule]]
        on = "answer"
        phase = "start"
        if = "seen == 12"
        do = [{ phase = "broken" }, { retval = "seen" }]
        [[rule]]
        on = "answer"
        phase = "broken"
        do = [{ retval = 99 }]
    "#;
    let mut play = Play::new(text);
    let mut retval = |ctx| match play.call(ctx)[1] {
        Action::Answer { retval, .. } => retval,
        _ => panic!(),
    };
    // The rule after the one that changes the phase sees the new phase already.
    assert_eq!([retval(0x10), retval(0x20), retval(0x30)], [0, 99, 99]);
    assert_eq!(play.fired(), [2, 1, 2]);
}

#[test]
fn signals_carry_fields_and_may_come_later() {
    let text = r#"
        [[rule]]
        on = "request"
        do = [{ emit = "early", after = "5ms" }]
        [[rule]]
        on = "signal"
        signal = "early"
        handle = 3
        do = [{ answer = { retval = "method" } }]
    "#;
    let mut play = Play::new(text);
    assert_eq!(play.request(0x10, 3, 4).actions, []);
    play.request(0x20, 9, 4);
    assert_eq!(play.wait(5), [answer(0x10, 4)]);

    let mut endless = rule(
        "on = \"signal\"\ndo = [{ emit = \"again\" }, { emit = \"again\" }]\n[[rule]]\non = \"answer\"\ndo = [{ emit = \"again\" }]",
    );
    assert_eq!(endless.call(0x10).len(), 2);
    assert_eq!(endless.fired(), [64, 1]);
}

#[test]
fn what_arrives_is_swallowed_repeated_and_let_in_late() {
    let mut play = rule("on = \"request\"\nmethod = 4\ndo = [{ drop = true }]");
    assert!(play.request(0x10, 3, 4).swallow && !play.request(0x10, 3, 5).swallow);

    let message = Inbound::Message(Channel::FastRpc, request(0x10, 3, 4).encode());
    let mut play = rule("on = \"request\"\ndo = [{ duplicate = 1 }]");
    let reaction = play.request(0x10, 3, 4);
    assert_eq!(
        (reaction.swallow, reaction.actions),
        (true, vec![Action::Receive(message.clone()); 2])
    );

    let mut play = rule("on = \"request\"\ndo = [{ delay = \"5ms\" }]\nthen = [{ interrupt = true }]");
    assert_eq!((play.request(0x10, 3, 4).swallow, play.wait(4)), (true, vec![]));
    assert_eq!(play.wait(1), [Action::Receive(message), Action::Interrupt]);

    // Behind what passes comes what follows, as soon as the DSP has seen it.
    let mut play = rule("on = \"request\"\nthen = [{ answer = { retval = 3 } }]");
    assert_eq!(play.request(0x10, 3, 4), Reaction::default());
    assert_eq!(play.wait(0), [answer(0x10, 3)]);
}

#[test]
fn commands_are_matched_and_made() {
    let text = r#"
        [[rule]]
        on = "glink"
        direction = "out"
        command = "open"
        channel = "IPCRTR"
        do = [{ drop = true }]
        [[rule]]
        on = "glink"
        direction = "in"
        command = "rx-intent-req"
        size = "100.."
        do = [{ refuse = true }]
        [[rule]]
        on = "glink"
        direction = "in"
        command = 4
        cid = 7
        do = [
            { glink = { command = "intents", cid = 99, intent = 1, size = 4096 } },
            { glink = { command = "open-ack", channel = "fastrpc" } },
            { raw = "01 02" },
        ]
    "#;
    let mut play = Play::new(text);
    let open = |channel: Channel| {
        let name = channel.name().as_bytes().to_vec();
        Command::Open {
            cid: channel.cid(),
            priority: 0,
            name,
        }
    };
    assert_eq!(play.engine.command(open(Channel::Router)), []);
    assert_eq!(play.engine.command(open(Channel::FastRpc)).len(), 1);
    let mut inbound = |command: Command| play.engine.inbound(&Inbound::Glink(command.into()));
    let name = Channel::FastRpc.name().as_bytes().to_vec();
    inbound(Command::Open {
        cid: 4,
        priority: 0,
        name,
    });
    assert!(!inbound(Command::RxIntentReq { cid: 4, size: 99 }).swallow);
    let refused = inbound(Command::RxIntentReq { cid: 4, size: 100 });
    let denied = Command::RxIntentReqAck {
        cid: 7,
        granted: false,
    };
    assert_eq!(
        (refused.swallow, refused.actions),
        (true, vec![Action::RawGlink(denied.into())])
    );
    let raw = |command: Command| Action::RawGlink(command.into());
    let intents = vec![Intent { size: 4096, id: 1 }];
    let expected = [
        raw(Command::Intents { cid: 99, intents }),
        raw(Command::OpenAck { cid: 4 }),
        Action::RawGlink(vec![1, 2].into()),
    ];
    assert_eq!(inbound(Command::OpenAck { cid: 7 }).actions, expected);
}

#[test]
fn crashes_are_those_of_the_platform() {
    let text = "[[rule]]\non = \"request\"\ndo = [{ crash = { reason = \"boom\" } }, { drop = true }]";
    let reopened = [
        Action::CloseChannel(Channel::FastRpc),
        Action::OpenChannel(Channel::FastRpc),
    ];
    assert_eq!(Play::new(text).request(0x10, 3, 4).actions, reopened);
    let mut board = Play::board(text);
    board.engine.outbound(vec![Action::Smp2p(6)]);
    let expected = [Action::Halt, Action::CrashReason("boom".into()), Action::Smp2p(7)];
    assert_eq!(board.request(0x10, 3, 4).actions, expected);
    let mut play = rule("on = \"request\"\ndo = [{ crash = { down = \"1s\" } }]");
    assert_eq!(play.request(0x10, 3, 4).actions, reopened[..1]);
    assert_eq!(play.wait(1000), reopened[1..]);
    let mut play = rule(
        "on = \"request\"\ndo = [{ watchdog = true }, { poke = { place = \"to-ap-head\", value = \"n\" } }]",
    );
    let expected = [
        Action::Halt,
        Action::Watchdog,
        Action::Poke(emu_os::action::Place::ToApHead, 1),
    ];
    assert_eq!(play.request(0x10, 3, 4).actions, expected);
}

#[test]
fn smp2p_words_change_by_bits() {
    let text = r#"
        [[rule]]
        on = "smp2p"
        direction = "out"
        rises = "handover"
        do = [{ bits = { clear = "handover" } }]
        then = [{ smp2p = { set = "handover" }, after = "1s" }]
        [[rule]]
        on = "smp2p"
        direction = "out"
        rises = "stop-ack"
        do = [{ drop = true }]
        [[rule]]
        on = "smp2p"
        direction = "in"
        rises = "stop"
        do = [{ smp2p = { toggle = [1, "handover"] } }]
    "#;
    let mut play = Play::board(text);
    let mut out = |word| play.engine.outbound(vec![Action::Smp2p(word)]);
    assert_eq!(out(2), [Action::Smp2p(2)]);
    assert_eq!(out(6), [Action::Smp2p(2)]);
    assert_eq!(play.wait(1000), [Action::Smp2p(6)]);
    let reaction = play.engine.inbound(&Inbound::Smp2p(1));
    assert_eq!(
        (reaction.swallow, reaction.actions),
        (false, vec![Action::Smp2p(0)])
    );
    assert_eq!(
        play.engine.inbound(&Inbound::Smp2p(1)).actions,
        [],
        "it did not rise"
    );
    assert_eq!(play.engine.outbound(vec![Action::Smp2p(14)]), []);
    // After a restart all words are 0 again.
    play.engine.inbound(&Inbound::Ended);
    play.engine.inbound(&Inbound::Started);
    assert_eq!(play.engine.outbound(vec![Action::Smp2p(6)]), [Action::Smp2p(2)]);
}

#[test]
fn a_start_that_is_dropped_never_comes() {
    for (board, actions) in [(true, vec![]), (false, vec![Action::Halt])] {
        let text = "[[rule]]\non = \"start\"\nnth = 2\ndo = [{ drop = true }]";
        let mut play = Play::on(text, None, board);
        play.engine.inbound(&Inbound::Ended);
        let reaction = play.engine.inbound(&Inbound::Started);
        assert_eq!((reaction.swallow, reaction.actions), (true, actions));
    }
}

#[test]
fn nothing_of_a_session_outlives_it() {
    let text = r#"
        [[rule]]
        on = "answer"
        nth = 1
        do = [{ hold = "x" }]
        [[rule]]
        on = "answer"
        nth = 1
        do = [{ delay = "5ms" }]
        [[rule]]
        on = "answer"
        nth = 1
        do = [{ swap = true }]
        [[rule]]
        on = "request"
        handle = 9
        do = [{ release = { name = "x" } }]
    "#;
    let mut play = Play::new(text);
    for ctx in [0x10, 0x20, 0x30] {
        assert_eq!(play.call(ctx).len(), 1);
    }
    play.engine.inbound(&Inbound::Ended);
    play.engine.inbound(&Inbound::Started);
    assert_eq!((play.engine.deadline(), play.wait(5000)), (None, vec![]));
    assert_eq!(play.request(0x40, 9, 0).actions, []);
}

#[test]
fn the_history_explains_and_is_bounded() {
    let mut play = Play::new(
        "history = 3\n[[rule]]\nname = \"wrong value\"\non = \"answer\"\ndo = [{ retval = 39 }, { log = \"here\" }]",
    );
    for ctx in 1..=5 {
        play.call(ctx << 4);
    }
    let history = play.watch.history();
    assert_eq!(history.len(), 3);
    let last = history.last().unwrap();
    assert_eq!(
        (last.rules.as_slice(), last.fate),
        (&["wrong value".to_owned()][..], "changed")
    );
    assert_eq!(last.fields["ctx"], 0x50);
    assert_eq!(last.effects, ["log: here"]);
    let text = last.to_string();
    assert!(
        text.contains("dsp>ap answer on fastrpc ctx=0x50 handle=0x3 method=4"),
        "{text}"
    );
    assert!(
        text.contains("[wrong value: changed]\n") && text.ends_with("+ log: here"),
        "{text}"
    );
    assert_eq!(play.watch.fired(), [("wrong value".to_owned(), 5)]);
    assert!(serde_json::to_string(&history).unwrap().contains("\"retval\":0"));
}

#[test]
fn what_comes_late_is_in_the_history() {
    let mut play = rule(
        "name = \"slow\"\non = \"answer\"\ndo = [{ delay = \"5ms\" }, { interrupt = true, after = \"6ms\" }]",
    );
    play.call(0x10);
    play.wait(5);
    play.wait(1);
    let history = play.watch.history();
    let told: Vec<(&str, &str)> = history
        .iter()
        .map(|entry| {
            (
                entry.event.as_str(),
                entry.effects.first().map_or("", String::as_str),
            )
        })
        .collect();
    assert_eq!(
        told[told.len() - 2..],
        [
            ("a delay is over", "answer ctx=0x10 retval=0"),
            ("later: slow", "Interrupt")
        ]
    );
}

/// A scenario in which everything is left to chance.
const CHANCE: &str = r#"
    [vars]
    x = 0
    [[rule]]
    on = "answer"
    chance = 0.3
    do = [{ delay = "0ms..9ms" }]
    [[rule]]
    on = "answer"
    chance = 0.3
    do = [{ retval = "rand(1, 100)" }, { duplicate = 2 }]
    [[rule]]
    on = "answer"
    chance = 0.5
    do = [{ hold = "x" }, { set = { x = "x + 1" } }]
    [[rule]]
    on = "request"
    if = "x > 3"
    do = [{ release = { name = "x", order = "random" } }, { set = { x = 0 } }]
"#;

fn random_run(seed: u64) -> Vec<Action> {
    let mut play = Play::on(CHANCE, Some(seed), false);
    let mut all = Vec::new();
    for ctx in 1..200 {
        all.extend(play.request(ctx << 4, 3, 4).actions);
        all.extend(play.answer(ctx << 4));
        all.extend(play.wait(3));
    }
    all
}

#[test]
fn a_seed_decides_everything() {
    assert_eq!(random_run(1), random_run(1));
    assert_ne!(random_run(1), random_run(2));
    // The file's seed is the one that counts if none is given.
    let mut a = Play::new(&format!("seed = 2\n{CHANCE}"));
    let mut b = Play::on(CHANCE, Some(2), false);
    for ctx in 1..50 {
        assert_eq!((a.call(ctx << 4), a.wait(1)), (b.call(ctx << 4), b.wait(1)));
    }
}

proptest! {
    /// Whatever rules do, nothing is lost but what is dropped: with delays, holds and swaps every answer comes once.
    #[test]
    fn every_answer_comes_once(seed: u64, count in 1u64..60) {
        let text = r#"
            [[rule]]
            on = "answer"
            chance = 0.3
            do = [{ delay = "0ms..20ms", whole = true }]
            [[rule]]
            on = "answer"
            chance = 0.3
            do = [{ swap = true }]
            [[rule]]
            on = "answer"
            chance = 0.5
            do = [{ hold = "x", for = "30ms", whole = true }]
        "#;
        let mut play = Play::on(text, Some(seed), false);
        let mut all = Vec::new();
        for ctx in 1..=count {
            all.extend(play.call(ctx << 4));
            all.extend(play.wait(1));
        }
        all.extend(play.wait(5000));
        prop_assert_eq!(play.engine.deadline(), None);
        let writes = all.iter().filter(|a| matches!(a, Action::Write { .. })).count();
        prop_assert_eq!(writes as u64, count);
        let mut answers: Vec<u64> = all.iter().filter_map(|a| match a {
            Action::Answer { ctx, .. } => Some(ctx >> 4),
            _ => None,
        }).collect();
        answers.sort_unstable();
        prop_assert_eq!(answers, (1..=count).collect::<Vec<_>>());
    }
}
