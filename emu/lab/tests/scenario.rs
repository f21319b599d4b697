//! Scenarios on the wire: the devices with an engine each, against a QEMU and a guest kernel that are played by the test.

#[allow(dead_code, reason = "device.rs uses the rest")]
#[path = "../../machine/tests/qemu/mod.rs"]
mod qemu;

use emu_lab::scenario::{Engine, Scenario, Watch};
use emu_machine::device::tree::IrqPath;
use emu_os::action::{Action, Channel, Inbound};
use emu_os::conversation::Conversation;
use emu_os::seam::Interposer as _;
use qemu::{Host, Machine, message};
use rpmsg::fastrpc::{Ctx, Response};
use rpmsg::fifo::{Consumer, RingMemory as _};
use rpmsg::glink::{Command, Intent};

/// A host whose first DSP plays this scenario, its machine with the channel open, and a look at the engine.
fn play(text: &str) -> (Host, Machine, Watch) {
    let (host, mut machine, watch) = start(text);
    machine.open_channel(1);
    (host, machine, watch)
}

fn start(text: &str) -> (Host, Machine, Watch) {
    let host = Host::start(IrqPath::Qtest);
    let scenario = Scenario::parse(text, "test.toml").unwrap_or_else(|error| panic!("{error}"));
    let unit = host.devices[0].subsystem();
    let engine = Engine::new(&scenario, None, unit.config(), false);
    let watch = engine.watch();
    unit.set_interposer(Box::new(engine));
    let mut machine = host.machine(0);
    machine.start_device();
    (host, machine, watch)
}

fn ask(machine: &mut Machine, ctx: u64, method: u8) {
    machine.ask(&message(3, ctx, method));
}

fn bytes(command: Command) -> Vec<u8> {
    match command {
        Command::TxData { data, .. } => data,
        other => panic!("{other:?}"),
    }
}

fn answers(machine: &mut Machine, count: usize) -> Vec<u64> {
    (0..count).map(|_| machine.hear_answer().ctx.0).collect()
}

#[test]
fn a_late_answer_comes_behind_those_that_are_not() {
    let (_host, mut machine, watch) =
        play("[[rule]]\nname = \"late\"\non = \"answer\"\nnth = 1\ndo = [{ delay = \"3600s\" }]");
    ask(&mut machine, 0x10, 0);
    ask(&mut machine, 0x20, 0);
    machine.settle();
    assert_eq!(answers(&mut machine, 2), [0x20, 0x10]);
    assert_eq!(watch.fired(), [("late".to_owned(), 1)]);
    let late = watch
        .history()
        .into_iter()
        .find(|entry| entry.fate == "delayed")
        .unwrap();
    assert_eq!((late.fields["ctx"], late.fields["client"]), (0x10, 3));
}

#[test]
fn answers_come_twice_changed_forged_and_not_at_all() {
    let text = r#"
        [[rule]]
        on = "answer"
        method = 1
        do = [{ duplicate = 1 }]
        [[rule]]
        on = "answer"
        method = 2
        do = [{ retval = 39 }]
        [[rule]]
        on = "answer"
        method = 3
        do = [{ answer = { ctx = "ctx + 0x100", retval = 1 } }]
        [[rule]]
        on = "answer"
        method = 4
        do = [{ drop = true }]
        [[rule]]
        on = "answer"
        method = 5
        do = [{ resize = 8 }]
    "#;
    let (_host, mut machine, _) = play(text);
    ask(&mut machine, 0x10, 1);
    assert_eq!(answers(&mut machine, 2), [0x10, 0x10]);
    ask(&mut machine, 0x20, 2);
    assert_eq!(
        machine.hear_answer(),
        Response {
            ctx: Ctx(0x20),
            retval: 39
        }
    );
    ask(&mut machine, 0x30, 3);
    assert_eq!(
        machine.hear_answer(),
        Response {
            ctx: Ctx(0x130),
            retval: 1
        }
    );
    assert_eq!(machine.hear_answer().ctx, Ctx(0x30));
    ask(&mut machine, 0x40, 4);
    assert_eq!(machine.hear_all(), []);
    ask(&mut machine, 0x50, 5);
    assert_eq!(bytes(machine.hear()), [0x50, 0, 0, 0, 0, 0, 0, 0]);
    ask(&mut machine, 0x60, 0);
    assert_eq!(answers(&mut machine, 1), [0x60], "what no rule touches");
}

#[test]
fn a_call_that_is_swallowed_is_let_in_late_and_twice() {
    let text = r#"
        [[rule]]
        on = "request"
        method = 1
        do = [{ hold = "calls" }]
        [[rule]]
        on = "request"
        method = 2
        then = [{ release = { name = "calls" } }]
        [[rule]]
        on = "request"
        method = 3
        do = [{ drop = true }]
    "#;
    let (host, mut machine, watch) = play(text);
    ask(&mut machine, 0x10, 1);
    ask(&mut machine, 0x20, 3);
    assert_eq!(machine.hear_all(), []);
    assert_eq!(host.devices[0].stats().messages_in, 0, "the DSP has seen neither");
    ask(&mut machine, 0x30, 2);
    let mut came = answers(&mut machine, 2);
    came.sort_unstable();
    assert_eq!(came, [0x10, 0x30]);
    assert_eq!(
        watch.fired().iter().map(|(_, n)| *n).collect::<Vec<_>>(),
        [1, 1, 1]
    );
}

#[test]
fn the_channel_closes_and_opens_again_in_a_call() {
    let (_host, mut machine, _) =
        play("[[rule]]\non = \"request\"\nnth = 1\ndo = [{ crash = {} }, { drop = true }]");
    ask(&mut machine, 0x10, 0);
    let Command::Close { cid } = machine.hear() else {
        panic!("no CLOSE")
    };
    // As Linux does it.
    machine.say(&Command::Close { cid: 1 });
    machine.say(&Command::CloseAck { cid });
    machine.ring();
    assert_eq!(machine.hear(), Command::CloseAck { cid: 1 });
    let Command::Open { cid, name, .. } = machine.hear() else {
        panic!("no OPEN")
    };
    machine.say(&Command::OpenAck { cid });
    machine.say(&Command::Open {
        cid: 2,
        priority: 0,
        name,
    });
    machine.ring();
    assert_eq!(machine.hear(), Command::OpenAck { cid: 2 });
    machine.say(&Command::TxData {
        cid: 2,
        intent: 0,
        left: 0,
        data: message(3, 0x20, 0).encode(),
    });
    machine.ring();
    assert_eq!(answers(&mut machine, 1), [0x20]);
}

#[test]
fn the_dsp_dies_between_any_two_commands_of_the_opening() {
    // VERSION in, VERSION_ACK and VERSION out, VERSION_ACK in, OPEN out, OPEN_ACK and OPEN in, OPEN_ACK out.
    for (step, said) in [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 2),
        (5, 2),
        (6, 3),
        (7, 3),
        (8, 3),
        (9, 4),
    ] {
        let text =
            format!("[[rule]]\non = \"glink\"\nnth = {step}\ndo = [{{ halt = true }}, {{ drop = true }}]");
        let (_host, mut machine, _) = start(&text);
        let mut heard = Vec::new();
        let version = (1, 0);
        machine.say(&Command::Version {
            version: version.0,
            features: version.1,
        });
        machine.ring();
        heard.extend(machine.hear_all());
        machine.say(&Command::VersionAck {
            version: version.0,
            features: version.1,
        });
        machine.ring();
        heard.extend(machine.hear_all());
        let name = Channel::FastRpc.name().as_bytes().to_vec();
        machine.say(&Command::OpenAck {
            cid: Channel::FastRpc.cid(),
        });
        machine.say(&Command::Open {
            cid: 1,
            priority: 0,
            name,
        });
        machine.ring();
        heard.extend(machine.hear_all());
        assert_eq!(heard.len(), said, "step {step}: {heard:?}");
        // A reset finds a new DSP, in which the rule has fired already.
        machine.stop_device();
        machine.load_driver();
        machine.start_device();
        if step < 9 {
            machine.open_channel(1);
        }
    }
}

#[test]
fn a_dsp_never_starts_and_the_next_one_does() {
    let (_host, mut machine, watch) = start("[[rule]]\non = \"start\"\nnth = 1\ndo = [{ drop = true }]");
    machine.say(&Command::Version {
        version: 1,
        features: 0,
    });
    machine.ring();
    assert_eq!(machine.hear_all(), []);
    machine.stop_device();
    machine.load_driver();
    machine.start_device();
    machine.open_channel(1);
    assert_eq!(watch.fired()[0].1, 1);
}

#[test]
fn commands_and_indices_that_no_honest_dsp_sends() {
    let text = r#"
        [[rule]]
        on = "request"
        method = 1
        do = [{ glink = { command = "intents", cid = 99, intent = 7, size = 64 } }, { raw = "0f 00 62 00 00 00 00 80" }]
        [[rule]]
        on = "request"
        method = 2
        then = [{ poke = { place = "to-ap-head", value = 0x12345 } }]
    "#;
    let (_host, mut machine, _) = play(text);
    ask(&mut machine, 0x10, 1);
    let intents = vec![Intent { size: 64, id: 7 }];
    assert_eq!(machine.hear(), Command::Intents { cid: 99, intents });
    assert_eq!(
        machine.hear(),
        Command::Signals {
            cid: 98,
            signals: 1 << 31
        }
    );
    assert_eq!(answers(&mut machine, 1), [0x10]);
    ask(&mut machine, 0x20, 2);
    machine.settle();
    assert_eq!(machine.rx.head(), 0x12345);
    assert!(
        Consumer::new(0x4000).unwrap().next(&machine.rx).is_err(),
        "an AP that checks finds it out"
    );
}

#[test]
fn timers_act_when_nothing_happens() {
    let text = r#"
        [[rule]]
        on = "glink"
        direction = "in"
        command = "open-ack"
        then = [{ emit = "tick", after = "1ms" }]
        [[rule]]
        name = "tick"
        on = "signal"
        signal = "tick"
        times = 5
        do = [{ send = { channel = "fastrpc", bytes = "01 02" } }, { emit = "tick", after = "5ms" }]
    "#;
    let (_host, mut machine, watch) = play(text);
    for _ in 0..5 {
        assert_eq!(bytes(machine.hear()), [1, 2]);
    }
    assert_eq!(machine.hear_all(), []);
    assert_eq!(watch.fired()[1], ("tick".to_owned(), 5));
}

#[test]
fn a_stop_cancels_what_is_planned() {
    let (host, mut machine, watch) = play("[[rule]]\non = \"answer\"\ndo = [{ delay = \"3600s\" }]");
    let subsystem = host.devices[0].subsystem();
    ask(&mut machine, 0x10, 0);
    subsystem.doorbell(|| true);
    assert_eq!(watch.fired()[0].1, 1);
    assert!(subsystem.next_due().is_some());
    machine.stop_device();
    machine.load_driver();
    machine.start_device();
    machine.open_channel(1);
    assert_eq!(machine.hear_all(), []);
}

/// The library's noisiest scenario, twice with the same events: the same decisions.
#[test]
fn a_seed_decides() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/fastrpc/noise.toml");
    let scenario = Scenario::load(path.as_ref()).unwrap();
    let host = Host::start(IrqPath::Qtest);
    let config = host.devices[0].subsystem().config();
    let run = |seed| {
        let mut engine = Engine::new(&scenario, Some(seed), config, false);
        let mut known = Conversation::new(config.addressing, config.streams.clone());
        engine.inbound(&known.arrives(&Inbound::Started), &known);
        let mut all = Vec::new();
        for n in 1..200u64 {
            let request = Inbound::Message(Channel::FastRpc, message(3, n << 4, 2).encode());
            let arrival = known.arrives(&request);
            all.push(engine.inbound(&arrival, &known).actions);
            let answer = Action::Answer {
                ctx: n << 4,
                retval: 0,
            };
            all.push(engine.outbound(vec![answer], &known));
        }
        let watch = engine.watch();
        (
            watch.fired(),
            watch
                .history()
                .into_iter()
                .map(|entry| (entry.rules, entry.fate))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_dsp_that_died_neither_reads_nor_says_anything() {
    let (host, mut machine, watch) =
        start("[[rule]]\nname = \"die\"\non = \"glink\"\ndirection = \"in\"\ndo = [{ halt = true }]");
    for _ in 0..5 {
        machine.say(&Command::ReadNotif);
    }
    machine.settle();
    assert_eq!(watch.fired()[0].1, 1);
    machine.ring();
    // Nor does it do what it was about to.
    let late = Action::RawGlink(Command::ReadNotif.into());
    host.devices[0].subsystem().inject(vec![late]);
    assert_eq!(machine.hear_all(), []);
    assert_eq!(watch.fired(), [("die".to_owned(), 1)]);
}
