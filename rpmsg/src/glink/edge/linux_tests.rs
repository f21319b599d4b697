//! The edge against a model of Linux: what `qcom_glink_native.c` does with each command, and the senders that wait in it.

use super::*;
use crate::glink::command::Intent;
use proptest::{collection::vec, prelude::*};
use std::collections::{BTreeMap, VecDeque};

/// How this AP is set up.
#[derive(Debug, Clone, Copy)]
struct Setup {
    features: u32,
    /// Buffers of 1 KiB that a driver announces; 5 by default, a device tree may say 0.
    intents: u32,
    /// Every so many requests of the DSP fail for want of memory.
    denies: Option<u32>,
}

#[derive(Debug, Clone, Default)]
struct Chan {
    /// The AP's ID, 0 without one.
    lcid: u16,
    /// The DSP's ID.
    rcid: Option<u16>,
    bound: bool,
    opening: bool,
    open: bool,
    /// The AP's buffers: size, whether they are used again, bytes so far.
    liids: BTreeMap<u32, (u32, bool, Vec<u8>)>,
    next_liid: u32,
    /// The DSP's buffers: size, in use.
    riids: BTreeMap<u32, (u32, bool)>,
    senders: VecDeque<Vec<u8>>,
    /// A sender waits for: the answer, an INTENT.
    request: Option<(Option<bool>, bool)>,
}

/// The AP. Its drivers are loaded from the start unless a test says otherwise.
struct Linux {
    setup: Setup,
    chans: BTreeMap<String, Chan>,
    next_lcid: u16,
    requests: u32,
    out: VecDeque<Command>,
    received: BTreeMap<String, Vec<Vec<u8>>>,
    failed: usize,
}

impl Linux {
    fn new(setup: Setup) -> Self {
        let version = Command::Version {
            version: 1,
            features: setup.features,
        };
        Self {
            setup,
            chans: BTreeMap::new(),
            next_lcid: 1,
            requests: 0,
            out: VecDeque::from([version]),
            received: BTreeMap::new(),
            failed: 0,
        }
    }

    fn by_rcid(&mut self, cid: u16) -> Option<(&String, &mut Chan)> {
        self.chans.iter_mut().find(|(_, c)| c.rcid == Some(cid))
    }

    /// A driver is loaded: `qcom_glink_create_remote`.
    fn bind(&mut self, name: &str) {
        let lcid = self.next_lcid;
        let Some(chan) = self.chans.get_mut(name) else {
            return;
        };
        let (Some(rcid), false) = (chan.rcid, chan.bound) else {
            return;
        };
        if chan.lcid != 0 {
            return;
        }
        self.next_lcid += 1;
        (chan.bound, chan.opening, chan.lcid) = (true, true, lcid);
        self.out.push_back(Command::OpenAck { cid: rcid });
        self.out.push_back(Command::Open {
            cid: lcid,
            priority: 0,
            name: name.as_bytes().to_vec(),
        });
    }

    /// A driver is unloaded: `qcom_glink_destroy_ept`. A sender that was waiting for room may still come after it.
    fn unbind(&mut self, name: &str, late: bool) {
        let Some(chan) = self.chans.get_mut(name) else {
            return;
        };
        if !std::mem::take(&mut chan.bound) {
            return;
        }
        let lcid = chan.lcid;
        self.out.push_back(Command::Close { cid: lcid });
        chan.open = false;
        self.failed += chan.senders.len();
        chan.senders.clear();
        if late {
            self.late(lcid);
        }
    }

    fn late(&mut self, lcid: u16) {
        for cid in [lcid, 0] {
            self.out.push_back(Command::TxData {
                cid,
                intent: 1,
                left: 0,
                data: vec![1],
            });
            self.out.push_back(Command::RxDone { cid, intent: 1 });
            self.out.push_back(Command::RxIntentReq { cid, size: 9 });
        }
    }

    fn alloc_intent(&mut self, name: &str, size: u32, reuse: bool) {
        let Some(chan) = self.chans.get_mut(name) else {
            return;
        };
        chan.next_liid += 1;
        let id = chan.next_liid;
        chan.liids.insert(id, (size, reuse, Vec::new()));
        self.out.push_back(Command::Intents {
            cid: chan.lcid,
            intents: vec![Intent { size, id }],
        });
    }

    fn send(&mut self, name: &str, data: Vec<u8>) -> bool {
        let Some(chan) = self.chans.get_mut(name).filter(|c| c.open) else {
            return false;
        };
        chan.senders.push_back(data);
        self.pump(name);
        true
    }

    /// `__qcom_glink_send` of the first sender.
    fn pump(&mut self, name: &str) {
        let Some(chan) = self.chans.get_mut(name) else {
            return;
        };
        while let Some(data) = chan.senders.front() {
            match chan.request {
                Some((Some(false), _)) => {
                    chan.request = None;
                    chan.senders.pop_front();
                    self.failed += 1;
                    continue;
                }
                Some((Some(true), true)) => chan.request = None,
                Some(_) => return,
                None => {}
            }
            let fit = chan.riids.iter_mut();
            let fit = fit.filter(|(_, (size, used))| *size as usize >= data.len() && !used);
            let Some((&intent, (_, used))) = fit.min_by_key(|(_, (size, _))| *size) else {
                chan.request = Some((None, false));
                let size = data.len() as u32;
                self.out.push_back(Command::RxIntentReq { cid: chan.lcid, size });
                return;
            };
            *used = true;
            let (cid, mut left) = (chan.lcid, data.len());
            for (part, chunk) in data.chunks(8192).enumerate() {
                left -= chunk.len();
                let (left, data) = (left as u32, chunk.to_vec());
                self.out.push_back(match part {
                    0 => Command::TxData {
                        cid,
                        intent,
                        left,
                        data,
                    },
                    _ => Command::TxDataCont {
                        cid,
                        intent,
                        left,
                        data,
                    },
                });
            }
            chan.senders.pop_front();
        }
    }

    fn receive(&mut self, command: Command) {
        match command {
            Command::Version { version, features } => {
                self.setup.features &= features;
                self.out.push_back(Command::VersionAck {
                    version,
                    features: self.setup.features,
                });
            }
            Command::VersionAck { version, features } => {
                if features != self.setup.features {
                    self.setup.features &= features;
                    self.out.push_back(Command::Version {
                        version,
                        features: self.setup.features,
                    });
                }
            }
            Command::Open { cid, name, .. } => {
                let name = String::from_utf8(name).unwrap();
                let chan = self.chans.entry(name.clone()).or_default();
                assert_eq!(chan.rcid.replace(cid), None, "opened twice");
                if chan.lcid == 0 && !name.starts_with("late") {
                    self.bind(&name);
                }
            }
            Command::OpenAck { cid } => {
                let found = self.chans.iter_mut().find(|(_, c)| c.lcid == cid);
                let (name, chan) = found.expect("invalid open ack packet");
                if std::mem::take(&mut chan.opening) && chan.bound {
                    chan.open = true;
                    let name = name.clone();
                    for _ in 0..self.setup.intents {
                        self.alloc_intent(&name, 1024, true);
                    }
                }
            }
            Command::Close { cid } => {
                let (name, _) = self.by_rcid(cid).expect("close request on unknown channel");
                let name = name.clone();
                self.unbind(&name, cid & 1 == 0);
                self.out.push_back(Command::CloseAck { cid });
                self.chans.get_mut(&name).unwrap().rcid = None;
                self.forget(&name);
            }
            Command::CloseAck { cid } => {
                let found = self.chans.iter_mut().find(|(_, c)| c.lcid == cid);
                let (name, chan) = found.expect("close ack on unknown channel");
                chan.lcid = 0;
                let name = name.clone();
                self.forget(&name);
            }
            Command::Intents { cid, intents } => {
                let (name, chan) = self.by_rcid(cid).expect("intents for non-existing channel");
                for Intent { size, id } in intents {
                    assert_eq!(
                        chan.riids.insert(id, (size, false)),
                        None,
                        "failed to store remote intent"
                    );
                }
                if let Some((_, received)) = &mut chan.request {
                    *received = true;
                }
                let name = name.clone();
                self.pump(&name);
            }
            Command::RxIntentReqAck { cid, granted } => {
                if let Some((name, chan)) = self.by_rcid(cid) {
                    if let Some((result, _)) = &mut chan.request {
                        *result = Some(granted);
                    }
                    let name = name.clone();
                    self.pump(&name);
                }
            }
            Command::RxDone { cid, intent } => self.rx_done(cid, intent, false),
            Command::RxDoneReuse { cid, intent } => self.rx_done(cid, intent, true),
            Command::RxIntentReq { cid, size } => {
                let (name, chan) = self.by_rcid(cid).expect("channel not found");
                let (name, lcid) = (name.clone(), chan.lcid);
                self.requests += 1;
                let granted = self.setup.denies.is_none_or(|n| !self.requests.is_multiple_of(n));
                if granted {
                    self.alloc_intent(&name, size, false);
                }
                self.out.push_back(Command::RxIntentReqAck { cid: lcid, granted });
            }
            Command::TxData {
                cid,
                intent,
                left,
                data,
            }
            | Command::TxDataCont {
                cid,
                intent,
                left,
                data,
            } => {
                let Some((name, chan)) = self.by_rcid(cid) else {
                    return;
                };
                let (size, reuse, bytes) = chan.liids.get_mut(&intent).expect("no intent found");
                bytes.extend(data);
                assert!(bytes.len() <= *size as usize, "insufficient space in intent");
                if left == 0 {
                    let (message, reuse, lcid) = (std::mem::take(bytes), *reuse, chan.lcid);
                    let name = name.clone();
                    if !reuse {
                        chan.liids.remove(&intent);
                    }
                    self.received.entry(name).or_default().push(message);
                    self.out.push_back(match reuse {
                        true => Command::RxDoneReuse { cid: lcid, intent },
                        false => Command::RxDone { cid: lcid, intent },
                    });
                }
            }
            Command::ReadNotif | Command::Signals { .. } => {}
        }
    }

    fn rx_done(&mut self, cid: u16, intent: u32, reuse: bool) {
        let (name, chan) = self.by_rcid(cid).expect("invalid channel id received");
        let name = name.clone();
        let (_, used) = chan.riids.get_mut(&intent).expect("invalid intent id received");
        *used = false;
        if reuse {
            // Another thread may be in `qcom_glink_request_intent`.
            if let Some((_, received)) = &mut chan.request {
                *received = true;
            }
        } else {
            chan.riids.remove(&intent);
        }
        self.pump(&name);
    }

    fn forget(&mut self, name: &str) {
        if self
            .chans
            .get(name)
            .is_some_and(|c| c.lcid == 0 && c.rcid.is_none())
        {
            self.chans.remove(name);
        }
    }
}

/// Both, and the FIFOs between them.
struct Pair {
    edge: Edge,
    linux: Linux,
    to_ap: VecDeque<Command>,
    events: Vec<Event>,
}

const NAMES: [&str; 3] = ["fastrpcglink-apps-dsp", "IPCRTR", "glink_ssr"];

fn board() -> EdgeConfig {
    EdgeConfig::smem(vec![
        LocalChannel::fastrpc(7),
        LocalChannel::ipc_router(8),
        LocalChannel::glink_ssr(9),
    ])
}

impl Pair {
    fn new(setup: Setup) -> Self {
        Self {
            edge: Edge::new(board()),
            linux: Linux::new(setup),
            to_ap: VecDeque::new(),
            events: Vec::new(),
        }
    }

    fn step(&mut self, input: Input) {
        let out = self
            .edge
            .step(input)
            .expect("nothing that Linux sends is an error");
        for command in &out.commands {
            assert_eq!(Command::parse(&command.encode()).as_ref(), Ok(command));
        }
        self.to_ap.extend(out.commands);
        self.events.extend(out.events);
    }

    /// Delivers one command to either side; whether there was one.
    fn deliver(&mut self, to_ap: bool) -> bool {
        if to_ap {
            let command = self.to_ap.pop_front();
            command.map(|c| self.linux.receive(c)).is_some()
        } else {
            let command = self.linux.out.pop_front();
            command.map(|c| self.step(Input::Command(c))).is_some()
        }
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            if !(self.deliver(false) | self.deliver(true)) {
                return;
            }
        }
        panic!("both sides talk for ever");
    }

    /// Messages that the DSP got on a channel since the last time.
    fn messages(&mut self, cid: u16) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        self.events.retain(|event| match event {
            Event::Message(id, data) if *id == cid => {
                found.push(data.clone());
                false
            }
            _ => true,
        });
        found
    }
}

const USUAL: Setup = Setup {
    features: 1,
    intents: 5,
    denies: None,
};

fn message(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + seed) as u8).collect()
}

#[test]
fn all_channels_come_up_with_their_buffers() {
    let mut pair = Pair::new(USUAL);
    pair.settle();
    assert!([7, 8, 9].iter().all(|cid| pair.edge.is_up(*cid)));
    let buffers = |name: &str| pair.linux.chans[name].riids.len();
    assert_eq!(NAMES.map(buffers), [64, 10, 4]);
    let sizes = |name: &str| pair.linux.chans[name].riids.values().map(|(size, _)| *size).max();
    assert_eq!(NAMES.map(sizes), [Some(64), Some(0x4400), Some(64)]);
    let largest = message(1, 0x4400);
    assert!(pair.linux.send("IPCRTR", largest.clone()));
    pair.settle();
    assert_eq!(pair.messages(8), [largest]);
    // The largest packet of QRTR needs a buffer of its own.
    let packet = message(2, 65_535 + 33);
    assert!(pair.linux.send("IPCRTR", packet.clone()));
    pair.settle();
    assert_eq!(pair.messages(8), [packet]);
    assert_eq!((pair.linux.requests, pair.linux.failed), (0, 0));
}

/// Every message larger than what the AP announces needs a request of its own, also when several wait.
#[test]
fn large_messages_in_a_row_do_not_stall() {
    for intents in [0, 5] {
        let mut pair = Pair::new(Setup { intents, ..USUAL });
        pair.settle();
        let all: Vec<Vec<u8>> = (0..10).map(|n| message(n, 5000 + n)).collect();
        for data in &all {
            pair.step(Input::Send(8, data.clone()));
        }
        pair.settle();
        assert_eq!(pair.linux.received["IPCRTR"], all);
        assert_eq!(pair.linux.requests, 10);
    }
}

/// Another peer may acknowledge first and announce then.
#[test]
fn a_grant_may_come_before_its_intent() {
    let mut pair = Pair::new(Setup { intents: 0, ..USUAL });
    pair.settle();
    let ack = Command::RxIntentReqAck {
        cid: 2,
        granted: true,
    };
    let announce = |id| Command::Intents {
        cid: 2,
        intents: vec![Intent { size: 100, id }],
    };
    let name = |command: &Command| match command {
        Command::TxData { intent, .. } => ("data", *intent),
        Command::RxIntentReq { size, .. } => ("request", *size),
        other => panic!("{other:?}"),
    };
    let mut step = |input| -> Vec<(&str, u32)> {
        let out = pair.edge.step(input).unwrap();
        out.commands.iter().map(name).collect()
    };
    assert_eq!(step(Input::Send(8, vec![0; 100])), [("request", 100)]);
    assert_eq!(step(Input::Send(8, vec![0; 90])), []);
    for id in [1, 2] {
        assert_eq!(step(Input::Command(ack.clone())), []);
        let more: &[_] = if id == 1 {
            &[("data", 1), ("request", 90)]
        } else {
            &[("data", 2)]
        };
        assert_eq!(step(Input::Command(announce(id))), more);
    }
}

#[test]
fn a_denial_drops_the_message_that_asked_and_no_other() {
    let mut pair = Pair::new(USUAL);
    pair.settle();
    pair.events.clear();
    // All five buffers are taken by the DSP; the sixth message asks, and is sent when a buffer comes back before the denial.
    for n in 0..8 {
        pair.step(Input::Send(8, message(n, 900)));
    }
    let deny = Command::RxIntentReqAck {
        cid: 2,
        granted: false,
    };
    pair.step(Input::Command(Command::RxDoneReuse { cid: 2, intent: 1 }));
    pair.step(Input::Command(deny.clone()));
    assert!(!pair.events.contains(&Event::Dropped(8)), "{:?}", pair.events);
    // The seventh asks again, and waits, because a buffer of its size will come back.
    pair.step(Input::Command(deny.clone()));
    assert!(!pair.events.contains(&Event::Dropped(8)));
    pair.step(Input::Command(Command::RxDoneReuse { cid: 2, intent: 1 }));
    pair.step(Input::Command(Command::RxDoneReuse { cid: 2, intent: 1 }));
    // The eighth asked too, and was sent without; nothing of the AP is as large as the ninth.
    pair.step(Input::Send(8, message(9, 2000)));
    pair.step(Input::Command(deny.clone()));
    assert!(!pair.events.contains(&Event::Dropped(8)));
    pair.step(Input::Command(deny));
    assert_eq!(pair.events, [Event::Dropped(8)]);
}

/// An AP that opens what nobody offers, again and again, as a user of /dev/rpmsg_ctrl0 can.
#[test]
fn unanswered_channels_are_forgotten() {
    let mut pair = Pair::new(USUAL);
    pair.settle();
    for cid in 100..1000 {
        let name = format!("service{}", cid % 3).into_bytes();
        let open = Command::Open {
            cid,
            priority: 0,
            name,
        };
        pair.step(Input::Command(open));
    }
    assert_eq!(pair.edge.refused.len(), Limits::default().remote_channels);
    assert!(pair.edge.gone.len() <= 64);
    pair.to_ap.clear();
    pair.step(Input::Command(Command::Close { cid: 999 }));
    assert_eq!(pair.to_ap, [Command::CloseAck { cid: 999 }]);
    pair.step(Input::Command(Command::Close { cid: 980 }));
    assert_eq!(pair.to_ap.len(), 1);
    pair.to_ap.clear();
    assert!(pair.linux.send("IPCRTR", vec![1]));
    pair.settle();
    assert_eq!(pair.messages(8), [[1]]);
}

/// The AP opens a channel before the DSP does, gives up, and comes back.
#[test]
fn the_ap_may_open_first_and_give_up() {
    let mut edge = Edge::new(board());
    let command = |c| Input::Command(c);
    let open = |cid| Command::Open {
        cid,
        priority: 0,
        name: b"IPCRTR".to_vec(),
    };
    let version = Command::Version {
        version: 1,
        features: 1,
    };
    edge.step(command(version)).unwrap();
    assert_eq!(
        edge.step(command(open(1))).unwrap().commands,
        [Command::OpenAck { cid: 1 }]
    );
    let ack = Command::VersionAck {
        version: 1,
        features: 1,
    };
    assert_eq!(edge.step(command(ack)).unwrap().commands.len(), 3);
    // Too late: the AP has forgotten its channel 1, takes the DSP's for new, acknowledges it and opens its own.
    let out = edge.step(command(Command::OpenAck { cid: 8 })).unwrap();
    assert_eq!(out.events, [Event::Up(8)]);
    let out = edge.step(command(open(2))).unwrap();
    assert_eq!(out.events, [Event::Down(8), Event::Up(8)]);
    assert_eq!(out.commands.first(), Some(&Command::OpenAck { cid: 2 }));
    let data = |cid| Command::TxData {
        cid,
        intent: 11,
        left: 0,
        data: vec![5],
    };
    let out = edge.step(command(data(2))).unwrap();
    assert_eq!(out.events, [Event::Message(8, vec![5])]);
    let stray = Event::Stray {
        command: "TX_DATA",
        cid: 1,
    };
    assert_eq!(edge.step(command(data(1))).unwrap().events, [stray]);
    // A channel that the DSP keeps closed is not answered at all.
    edge.step(Input::Close(9)).unwrap();
    let ssr = Command::Open {
        cid: 3,
        priority: 0,
        name: b"glink_ssr".to_vec(),
    };
    let out = edge.step(command(ssr)).unwrap();
    assert_eq!(out.events, [Event::Refused("glink_ssr".into())]);
    assert_eq!(out.commands, []);
}

/// The DSP closes while its messages are under way: what the AP still says about them is no error.
#[test]
fn what_was_under_way_at_a_close_is_no_error() {
    let mut pair = Pair::new(USUAL);
    pair.settle();
    for n in 0..8 {
        pair.step(Input::Send(8, message(n, 900)));
    }
    assert!(pair.linux.send("IPCRTR", message(1, 20_000)));
    pair.step(Input::Close(8));
    pair.settle();
    assert!(!pair.edge.is_up(8));
    pair.step(Input::Open(8));
    pair.settle();
    assert!(pair.edge.is_up(8));
    pair.step(Input::Send(8, vec![1, 2]));
    pair.settle();
    assert_eq!(pair.linux.received["IPCRTR"].last(), Some(&vec![1, 2]));
}

#[derive(Debug, Clone)]
enum Op {
    Dsp(usize, usize),
    Ap(usize, usize),
    Deliver(bool, u8),
    Unload(usize, bool),
    Load(usize),
    Close(usize),
    Open(usize),
}

fn traffic() -> impl Strategy<Value = Op> {
    let len = prop_oneof![1usize..100, 1000usize..1100, 1usize..60_000];
    let chan = 0usize..3;
    prop_oneof![
        (chan.clone(), len.clone()).prop_map(|(c, l)| Op::Dsp(c, l)),
        (chan, len).prop_map(|(c, l)| Op::Ap(c, l)),
        (any::<bool>(), 0u8..8).prop_map(|(to, n)| Op::Deliver(to, n)),
    ]
}

fn life() -> impl Strategy<Value = Op> {
    let chan = 0usize..3;
    prop_oneof![
        6 => traffic(),
        1 => (chan.clone(), any::<bool>()).prop_map(|(c, late)| Op::Unload(c, late)),
        1 => chan.clone().prop_map(Op::Load),
        1 => chan.clone().prop_map(Op::Close),
        1 => chan.prop_map(Op::Open),
    ]
}

impl Pair {
    fn op(&mut self, n: usize, op: Op, sent: &mut Vec<(usize, bool, Vec<u8>)>) {
        match op {
            Op::Dsp(chan, len) => {
                let cid = 7 + chan as u16;
                let data = message(n, len);
                if self.edge.is_up(cid) {
                    sent.push((chan, true, data.clone()));
                }
                self.step(Input::Send(cid, data));
            }
            Op::Ap(chan, len) => {
                let data = message(n, len);
                if self.linux.send(NAMES[chan], data.clone()) {
                    sent.push((chan, false, data));
                }
            }
            Op::Deliver(to_ap, count) => {
                for _ in 0..count {
                    self.deliver(to_ap);
                }
            }
            Op::Unload(chan, late) => self.linux.unbind(NAMES[chan], late),
            Op::Load(chan) => self.linux.bind(NAMES[chan]),
            Op::Close(chan) => self.step(Input::Close(7 + chan as u16)),
            Op::Open(chan) => self.step(Input::Open(7 + chan as u16)),
        }
    }
}

fn is_subsequence(part: &[Vec<u8>], whole: &[Vec<u8>]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|p| whole.any(|w| w == p))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever both sides send, in whatever rhythm and with whatever buffers: all of it arrives, in order.
    #[test]
    fn all_messages_arrive_in_order(
        features in 0u32..2,
        intents in 0u32..7,
        ops in vec(traffic(), 1..60),
    ) {
        let mut pair = Pair::new(Setup { features, intents, denies: None });
        pair.settle();
        let mut sent = Vec::new();
        for (n, op) in ops.into_iter().enumerate() {
            pair.op(n, op, &mut sent);
        }
        pair.settle();
        for (chan, name) in NAMES.iter().enumerate() {
            let expected = |dsp| -> Vec<Vec<u8>> {
                sent.iter().filter(|(c, from, _)| (*c, *from) == (chan, dsp)).map(|(_, _, d)| d.clone()).collect()
            };
            let received = pair.linux.received.get(*name).cloned().unwrap_or_default();
            prop_assert!(received == expected(true), "{} to the AP of {}", received.len(), expected(true).len());
            let messages = pair.messages(7 + chan as u16);
            prop_assert!(messages == expected(false), "{} to the DSP of {}", messages.len(), expected(false).len());
        }
        prop_assert_eq!(pair.linux.failed, 0);
    }

    /// Drivers come and go on both sides with messages under way, and memory fails: no error, nothing out of order, and in
    /// the end everything works.
    #[test]
    fn drivers_may_come_and_go(
        denies in proptest::option::of(1u32..4),
        ops in vec(life(), 1..120),
    ) {
        let mut pair = Pair::new(Setup { denies, ..USUAL });
        let mut sent = Vec::new();
        for (n, op) in ops.into_iter().enumerate() {
            pair.op(n, op, &mut sent);
        }
        pair.settle();
        for (chan, name) in NAMES.iter().enumerate() {
            let cid = 7 + chan as u16;
            let all: Vec<Vec<u8>> = sent.iter().filter(|(c, dsp, _)| *c == chan && *dsp).map(|(_, _, d)| d.clone()).collect();
            let received = pair.linux.received.get(*name).cloned().unwrap_or_default();
            prop_assert!(is_subsequence(&received, &all));
            pair.step(Input::Open(cid));
            pair.settle();
            pair.linux.bind(name);
            pair.settle();
            prop_assert!(pair.edge.is_up(cid), "{} {:?}", name, pair.linux.chans.get(*name));
            pair.messages(cid);
            prop_assert!(pair.linux.send(name, vec![9; 40]));
            pair.settle();
            prop_assert_eq!(pair.messages(cid), [[9; 40]]);
        }
    }
}
