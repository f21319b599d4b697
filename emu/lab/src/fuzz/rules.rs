//! Random rules of a scenario: what a DSP may do wrong, at which message, how often.

use super::dice::Dice;
use emu_machine::device::layout::PlatformKind;
use std::fmt::Write as _;

/// Draws a rule for one kind of event; the second argument says whether the machine is a board.
type Draw = fn(&mut Dice, bool) -> String;

/// One rule's lines, without heading and name.
pub fn rule(dice: &mut Dice, platform: PlatformKind) -> String {
    const KINDS: [Draw; 8] = [answer, answer, answer, request, glink, write, message, smp2p];
    let board = platform == PlatformKind::Board;
    // Only a board has SMP2P.
    let count = if board { KINDS.len() } else { KINDS.len() - 1 };
    let mut rule = KINDS[dice.below(count)](dice, board);
    rule.push_str(&when(dice));
    rule
}

/// Which occurrences.
fn when(dice: &mut Dice) -> String {
    let mut text = match dice.number(0, 4) {
        0 => format!("nth = {}\n", dice.number(1, 12)),
        1 => format!("every = {}\n", dice.number(2, 6)),
        2 => format!("chance = 0.{}\n", dice.number(1, 9)),
        3 => format!("nth = \"{}..\"\n", dice.number(2, 20)),
        _ => String::new(),
    };
    if !text.is_empty() && dice.percent(30) {
        text.push_str(dice.pick(&["per = \"client\"\n", "per = \"session\"\n"]));
    }
    if dice.percent(30) {
        let _ = writeln!(text, "times = {}", dice.number(1, 5));
    }
    text
}

/// Which calls.
fn calls(dice: &mut Dice) -> String {
    let mut text = String::new();
    if dice.percent(70) {
        text.push_str("client = \"1..\"\n");
    }
    match dice.number(0, 5) {
        0 => text.push_str("handle = 1\n"),
        1 => {
            let _ = writeln!(text, "handle = 1\nmethod = {}", dice.number(0, 12));
        }
        2 => text.push_str("handle = \"2..15\"\n"),
        3 => text.push_str("handle = \"16..\"\n"),
        _ => {}
    }
    text
}

fn answer(dice: &mut Dice, board: bool) -> String {
    let mut acts = Vec::new();
    match dice.number(0, 9) {
        0 => acts.push(whole(dice, "drop = true".into())),
        1 | 2 => {
            let delay = format!("delay = {}", time(dice));
            acts.push(whole(dice, delay));
        }
        3 => acts.push(format!("duplicate = {}", dice.number(1, 3))),
        4 => {
            let limit = time(dice);
            acts.push(whole(dice, format!("swap = true, for = {limit}")));
        }
        5 => {
            let limit = time(dice);
            acts.push(whole(dice, format!("hold = \"h\", for = {limit}")));
        }
        6 => acts.push(format!("retval = {}", dice.odd())),
        7 => acts.push(format!(
            "ctx = \"ctx ^ {:#x}\"",
            1_i64 << dice.pick(&[&0, &4, &8, &12, &16, &24])
        )),
        8 => acts.push(format!("resize = {}", dice.number(0, 40))),
        _ => {}
    }
    if acts.is_empty() || dice.percent(30) {
        acts.push(effect(dice, board));
    }
    format!("on = \"answer\"\n{}do = [{}]\n", calls(dice), tables(&acts)) + &behind(dice, board)
}

fn request(dice: &mut Dice, board: bool) -> String {
    let mut acts = Vec::new();
    match dice.number(0, 5) {
        0 => acts.push("drop = true".into()),
        1 => acts.push(format!("delay = {}", time(dice))),
        2 => acts.push(format!("duplicate = {}", dice.number(1, 2))),
        3 => acts.push(format!("resize = {}", dice.number(0, 64))),
        // Answered before it is looked at.
        4 => acts.push("answer = { ctx = \"ctx\", retval = 0 }".into()),
        _ => acts.push("release = { name = \"h\", order = \"random\", count = 1 }".into()),
    }
    if dice.percent(30) {
        acts.push(effect(dice, board));
    }
    format!("on = \"request\"\n{}do = [{}]\n", calls(dice), tables(&acts))
}

fn write(dice: &mut Dice, board: bool) -> String {
    let place = dice.pick(&["fdlist", "poll", "argument"]);
    let act = match dice.number(0, 3) {
        0 => "drop = true".into(),
        1 => format!("delay = {}", time(dice)),
        2 => format!(
            "patch = {{ at = {}, bytes = \"{}\" }}",
            dice.number(0, 15),
            bytes(dice)
        ),
        _ => effect(dice, board),
    };
    format!("on = \"write\"\nplace = \"{place}\"\ndo = [{}]\n", tables(&[act]))
}

fn message(dice: &mut Dice, board: bool) -> String {
    let act = match dice.number(0, 3) {
        0 => "drop = true".into(),
        1 => format!("delay = {}", time(dice)),
        2 => format!("resize = {}", dice.number(0, 64)),
        _ => disturbance(dice, board),
    };
    format!("on = \"message\"\ndo = [{}]\n", tables(&[act]))
}

fn glink(dice: &mut Dice, board: bool) -> String {
    let direction = dice.pick(&["in", "out"]);
    let command = dice.pick(&[
        "open",
        "close",
        "open-ack",
        "close-ack",
        "intents",
        "rx-done",
        "rx-intent-req",
        "rx-intent-req-ack",
        "tx-data",
        "signals",
    ]);
    let act = match dice.number(0, 5) {
        0 => "drop = true".into(),
        1 => format!("delay = {}", time(dice)),
        2 => format!("duplicate = {}", dice.number(1, 3)),
        3 => format!(
            "patch = {{ at = {}, bytes = \"{}\" }}",
            dice.number(2, 20),
            bytes(dice)
        ),
        4 => format!("resize = {}", dice.number(8, 64)),
        _ => disturbance(dice, board),
    };
    format!(
        "on = \"glink\"\ndirection = \"{direction}\"\ncommand = \"{command}\"\ndo = [{}]\n",
        tables(&[act])
    )
}

fn smp2p(dice: &mut Dice, board: bool) -> String {
    let bit = dice.pick(&["fatal", "ready", "handover", "stop-ack"]);
    let act = match dice.number(0, 4) {
        0 => "drop = true".into(),
        1 => format!("delay = {}", time(dice)),
        2 => format!("duplicate = {}", dice.number(1, 3)),
        3 => format!(
            "bits = {{ toggle = [\"{}\"] }}",
            dice.pick(&["ready", "handover", "stop-ack"])
        ),
        _ => disturbance(dice, board),
    };
    format!(
        "on = \"smp2p\"\ndirection = \"out\"\nrises = \"{bit}\"\ndo = [{}]\n",
        tables(&[act])
    )
}

/// Something besides, at a message that belongs to a call.
fn effect(dice: &mut Dice, board: bool) -> String {
    if dice.percent(15) {
        let to = dice.pick(&["metadata", "list", "pages", "fdlist", "poll", "argument"]);
        let index = dice.number(0, 3);
        let value = dice.odd();
        return format!("write = {{ to = \"{to}\", index = {index}, value = {value}, width = 8 }}");
    }
    disturbance(dice, board)
}

/// Something besides, at any message.
fn disturbance(dice: &mut Dice, board: bool) -> String {
    let act = match dice.number(0, if board { 10 } else { 8 }) {
        0 => "interrupt = true".to_owned(),
        1 => "reopen = \"fastrpc\"".to_owned(),
        2 => "crash = { reason = \"fuzz\" }".to_owned(),
        3 => "open = \"fastrpc\"".to_owned(),
        4 => format!(
            "answer = {{ ctx = \"ctx + {}\", retval = 0 }}",
            dice.number(-0x1000, 0x1000)
        ),
        5 => "release = { name = \"h\" }".to_owned(),
        6 => format!(
            "glink = {{ command = \"{}\", cid = {}, intent = {}, size = {} }}",
            dice.pick(&["intents", "rx-done", "rx-intent-req"]),
            dice.number(0, 12),
            dice.number(0, 4),
            dice.number(0, 0x10000)
        ),
        7 => format!("send = {{ channel = \"fastrpc\", bytes = \"{}\" }}", bytes(dice)),
        8 => "close = \"fastrpc\"".to_owned(),
        9 => "watchdog = true".to_owned(),
        _ => "smp2p = { toggle = [\"ready\", \"handover\"] }".to_owned(),
    };
    if dice.percent(40) {
        format!("{act}, after = {}", time(dice))
    } else {
        act
    }
}

/// What follows the event.
fn behind(dice: &mut Dice, board: bool) -> String {
    if dice.percent(20) {
        format!("then = [{}]\n", tables(&[effect(dice, board)]))
    } else {
        String::new()
    }
}

fn whole(dice: &mut Dice, act: String) -> String {
    if dice.percent(50) {
        format!("{act}, whole = true")
    } else {
        act
    }
}

fn time(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "\"100us\"",
        "\"1ms\"",
        "\"0ms..5ms\"",
        "\"20ms\"",
        "\"0ms..100ms\"",
        "\"300ms\"",
    ])
}

fn bytes(dice: &mut Dice) -> String {
    let bytes: Vec<String> = (0..dice.number(1, 20))
        .map(|_| format!("{:02x}", dice.number(0, 255)))
        .collect();
    bytes.join(" ")
}

fn tables(acts: &[String]) -> String {
    let tables: Vec<String> = acts.iter().map(|act| format!("{{ {act} }}")).collect();
    tables.join(", ")
}
