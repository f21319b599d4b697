//! The Wireshark dissector says of every packet what this program says: on golden sessions, and on one that has every kind of
//! packet there is.

use anyhow::{Context, Result, ensure};
use emu_lab::account::{Account, Config};
use emu_lab::trace::decode::Decoder;
use emu_lab::trace::read::Reader;
use emu_lab::trace::{Options, Trace, names, text};
use emu_os::action::{Action, Channel, Inbound, Place};
use emu_os::conversation::Conversation;
use rpmsg::fastrpc::{Ctx, Message, Scalars};
use rpmsg::glink::{Command as Glink, Intent};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::assets;
use tests::machine::Machine;
use tests::{golden, trace};

fn dissector() -> PathBuf {
    assets::workspace().join("docs/wireshark/vhost-hexagon.lua")
}

/// The names of interfaces and methods as the dissector has them.
fn tables() -> String {
    let mut methods: BTreeMap<&str, names::Methods> = BTreeMap::new();
    let mut out = String::new();
    for i in names::ON_DSP {
        methods.insert(i.name, i.methods);
    }
    for (name, list, _) in names::BY_NAME {
        methods.insert(name, list);
    }
    out.push_str("local METHODS = {\n");
    for (name, list) in methods {
        let list: Vec<String> = list
            .iter()
            .map(|(n, name)| format!("[{n}] = \"{name}\""))
            .collect();
        let mut line = format!("  {name} = {{");
        for entry in list {
            if line.len() + entry.len() > 120 {
                writeln!(out, "{line}").unwrap();
                line = "   ".into();
            }
            write!(line, " {entry},").unwrap();
        }
        writeln!(out, "{line} }},").unwrap();
    }
    out.push_str("}\nlocal ON_DSP = {\n");
    for i in names::ON_DSP {
        let (number, name, wide) = (i.handle, i.name, i.handle64);
        writeln!(
            out,
            "  [{number}] = {{ name = \"{name}\", methods = \"{name}\", handle64 = {wide} }},"
        )
        .unwrap();
    }
    out.push_str("}\nlocal BY_NAME = {\n");
    for (name, _, wide) in names::BY_NAME {
        writeln!(out, "  {name} = {{ methods = \"{name}\", handle64 = {wide} }},").unwrap();
    }
    out.push_str("}\n");
    out
}

/// `BLESS=1 cargo test -p tests --test trace_wireshark` brings the dissector up to date.
#[test]
fn the_dissector_has_our_names() -> Result<()> {
    const BEGIN: &str = "-- BEGIN NAMES\n";
    const END: &str = "-- END NAMES\n";
    let path = dissector();
    let lua = std::fs::read_to_string(&path)?;
    let (before, rest) = lua.split_once(BEGIN).context("no BEGIN NAMES")?;
    let (found, after) = rest.split_once(END).context("no END NAMES")?;
    let expected = tables();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}"))?;
    } else {
        assert_eq!(found, expected, "run this test with BLESS=1");
    }
    Ok(())
}

/// tshark, or why not.
fn tshark() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("tshark"))
        .find(|p| p.is_file());
    if found.is_none() {
        assets::skip_without_tool("tshark is not installed (`cargo xtask setup` installs it)");
    }
    found
}

/// What the dissector says: its fields by name, packet by packet.
fn dissected(tshark: &Path, file: &Path) -> Result<Vec<BTreeMap<String, String>>> {
    let output = Command::new(tshark)
        .arg("-X")
        .arg(format!("lua_script:{}", dissector().display()))
        .arg("-r")
        .arg(file)
        .args(["-T", "json", "--no-duplicate-keys", "-J", "vhx"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "tshark failed: {said}");
    for sign in ["Lua", "rror", "alformed"] {
        let told = said
            .lines()
            .filter(|l| !l.contains("Running as user"))
            .find(|l| l.contains(sign));
        ensure!(told.is_none(), "tshark says: {said}");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lower = text.to_lowercase();
    ensure!(
        !lower.contains("lua error") && !lower.contains("malformed"),
        "a packet is malformed"
    );
    let packets: Vec<Value> = serde_json::from_str(&text)?;
    let mut all = Vec::new();
    for packet in packets {
        let mut fields = BTreeMap::new();
        let tree = packet["_source"]["layers"]["vhx"]
            .as_object()
            .context("a packet is not ours")?;
        for (name, value) in tree {
            if let (Some(name), Some(value)) = (name.strip_prefix("vhx."), value.as_str()) {
                fields.insert(name.to_owned(), value.to_owned());
            }
        }
        all.push(fields);
    }
    Ok(all)
}

/// What we say, with the nested names written out.
fn decoded(file: &Path) -> Result<Vec<BTreeMap<String, Value>>> {
    let (mut reader, mut decoder) = (Reader::open(file)?, Decoder::default());
    let mut all = Vec::new();
    while let Some(record) = reader.next_record()? {
        let line = decoder.next_line(record);
        let json = text::json(&line, reader.label(line.packet.dsp));
        let mut fields = BTreeMap::new();
        for (name, value) in json.as_object().context("an object")? {
            match value.as_object() {
                Some(group) => {
                    for (inner, value) in group {
                        fields.insert(format!("{name}.{inner}"), value.clone());
                    }
                }
                None => {
                    fields.insert(name.clone(), value.clone());
                }
            }
        }
        all.push(fields);
    }
    Ok(all)
}

/// Compares field by field; returns how many there were.
fn compare(tshark: &Path, file: &Path) -> Result<usize> {
    let (theirs, ours) = (dissected(tshark, file)?, decoded(file)?);
    ensure!(
        theirs.len() == ours.len(),
        "{} packets instead of {}",
        theirs.len(),
        ours.len()
    );
    // Ours alone: what pcapng itself says. Theirs alone: links between frames, bytes, and what an error says exactly.
    let only_ours = ["number", "time", "dsp", "glink.error"];
    let only_theirs = [
        "fastrpc.request_frame",
        "fastrpc.answer_frame",
        "memory.data",
        "cut",
        "glink.error",
    ];
    let mut count = 0;
    for (n, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        for (name, ours) in ours
            .iter()
            .filter(|(name, _)| !only_ours.contains(&name.as_str()))
        {
            let found = theirs.get(name).with_context(|| {
                format!(
                    "packet {}: the dissector has no {name} ({ours}); it has {theirs:?}",
                    n + 1
                )
            })?;
            let same = match ours.as_u64() {
                Some(number) => parse(found) == Some(number),
                None => ours.as_str() == Some(found.as_str()),
            };
            ensure!(same, "packet {}, {name}: {ours} here, {found} there", n + 1);
            count += 1;
        }
        let more = theirs
            .keys()
            .find(|name| !ours.contains_key(*name) && !only_theirs.contains(&name.as_str()));
        ensure!(
            more.is_none(),
            "packet {}: only the dissector has {more:?}",
            n + 1
        );
    }
    Ok(count)
}

fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What this program recorded itself: on the board, where commands stand between a request and its memory, too.
#[test]
fn recorded_runs_are_dissected_as_we_decode_them() -> Result<()> {
    let Some(tshark) = tshark() else { return Ok(()) };
    let recorded = assets::workspace().join("emu/lab/tests/recorded");
    let mut runs = 0;
    for folder in ["runs", "qda"] {
        for entry in std::fs::read_dir(recorded.join(folder))? {
            let run = entry?.path();
            if run.extension().is_some_and(|e| e == "pcapng") {
                let fields = compare(&tshark, &run).with_context(|| run.display().to_string())?;
                ensure!(fields > 1000, "{}: {fields}", run.display());
                runs += 1;
            }
        }
    }
    ensure!(runs > 10, "{runs} runs");
    Ok(())
}

#[test]
fn golden_sessions_are_dissected_as_we_decode_them() -> Result<()> {
    let Some(tshark) = tshark() else { return Ok(()) };
    let mut sessions = 0;
    let Some(all) = trace::all_or_skip()? else {
        return Ok(());
    };
    for session in all.iter().filter(|t| !t.name.starts_with("variants/")) {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("golden.pcapng");
        let count = golden::record(session, &file, Options::default())?;
        let fields = compare(&tshark, &file).with_context(|| session.name.clone())?;
        println!("{}: {count:?}, {fields} fields", session.name);
        ensure!(count.requests > 0 && fields > 20 * count.requests);
        sessions += 1;
    }
    ensure!(sessions > 10);
    Ok(())
}

#[test]
fn every_kind_of_packet_is_dissected_as_we_decode_it() -> Result<()> {
    let Some(tshark) = tshark() else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("all.pcapng");
    let machine = Machine::new(16 << 20, &[0x1001, 0x1002])?;
    let bus = machine.bus();
    let adsp = {
        let mut config = golden::dsp();
        config.label = "adsp".into();
        config.addressing.sid_position = rpmsg::fastrpc::SidPosition::from_bit(56).context("56")?;
        config
    };
    let mut trace = Trace::create(&file, &[golden::dsp(), adsp.clone()], "board", Options::default())?;
    let mut conversation = Conversation::new(adsp.addressing, adsp.streams.clone());
    let account = Account::new(Config::new(adsp));
    let mut judge = account.observer();
    let mut watch = trace.observer(1, Some(account.clone())).context("an observer")?;
    let probe = trace.probe(1);
    let message = Message {
        client_id: 3,
        tid: -5,
        ctx: Ctx(0x8000_0000_1234_0501),
        handle: 0x35f0_8490,
        sc: Scalars(0x0201_0100),
        // Not mapped: the account has something to say, the trace keeps nothing.
        addr: 1 << 56 | 0xf000_0000,
        size: 4096,
    };
    let commands = [
        Glink::Version {
            version: 1,
            features: 1,
        },
        Glink::VersionAck {
            version: 1,
            features: 1,
        },
        Glink::Open {
            cid: 4,
            priority: 2,
            name: b"IPCRTR".to_vec(),
        },
        Glink::Open {
            cid: 7,
            priority: 0,
            name: b"fastrpcglink-apps-dsp".to_vec(),
        },
        Glink::OpenAck { cid: 4 },
        Glink::Intents {
            cid: 4,
            intents: vec![Intent { size: 1024, id: 1 }, Intent { size: 64, id: 2 }],
        },
        Glink::RxDone { cid: 4, intent: 9 },
        Glink::RxIntentReq { cid: 4, size: 512 },
        Glink::RxIntentReqAck {
            cid: 4,
            granted: true,
        },
        Glink::TxData {
            cid: 4,
            intent: 1,
            left: 3,
            data: vec![1, 2],
        },
        Glink::TxDataCont {
            cid: 4,
            intent: 1,
            left: 0,
            data: vec![3, 4, 5],
        },
        Glink::TxData {
            cid: 7,
            intent: 1,
            left: 0,
            data: vec![1, 2],
        },
        Glink::TxData {
            cid: 7,
            intent: 1,
            left: 0,
            data: message.encode(),
        },
        Glink::ReadNotif,
        Glink::RxDoneReuse { cid: 4, intent: 8 },
        Glink::Signals {
            cid: 4,
            signals: 0xc000_0000,
        },
        Glink::Close { cid: 4 },
        Glink::CloseAck { cid: 4 },
    ];
    let mut arrives = vec![Inbound::Started, Inbound::Smp2p(0), Inbound::Smp2p(1)];
    arrives.extend(commands.iter().map(|c| Inbound::Glink(c.clone().into())));
    arrives.push(Inbound::Message(Channel::FastRpc, message.encode()));
    arrives.push(Inbound::Glink(vec![10, 0, 0, 0, 0, 0, 0, 0].into()));
    arrives.push(Inbound::Glink(vec![2, 0].into()));
    for event in &arrives {
        let arrival = conversation.arrives(event);
        judge.inbound(&arrival, bus);
        watch.inbound(&arrival, bus);
    }
    probe.begins(message.ctx.0, 4);
    probe.ends(message.ctx.0, 4);
    let mut does: Vec<Action> = commands
        .iter()
        .map(|c| Action::RawGlink(c.clone().into()))
        .collect();
    let answer = |retval: u32| {
        let response = rpmsg::fastrpc::Response {
            ctx: message.ctx,
            retval,
        };
        let data = response.encode();
        Action::RawGlink(
            Glink::TxData {
                cid: 7,
                intent: 0,
                left: 0,
                data,
            }
            .into(),
        )
    };
    does.extend([
        Action::Write {
            stream: 0x1001,
            iova: 0x1_2345_6789,
            bytes: vec![1, 2, 3],
        },
        Action::Write {
            stream: 0x1001,
            iova: 0,
            bytes: vec![],
        },
        answer(0x8000_0414),
        answer(0),
        Action::Interrupt,
        Action::Smp2p(15),
        Action::CrashReason("it \"fell\" over".into()),
        Action::Watchdog,
        Action::Poke(Place::BootStatus, 7),
        Action::Poke(Place::FromApHead, 0xffff_ffff),
        Action::Receive(Inbound::Glink(vec![13, 0, 0, 0, 0, 0, 0, 0].into())),
        Action::Receive(Inbound::Message(Channel::Router, vec![1, 2, 3])),
        Action::Receive(Inbound::Smp2p(1)),
        Action::Halt,
    ]);
    for action in &does {
        let departure = conversation.departs(action);
        judge.outbound(&departure, bus);
        watch.outbound(&departure, bus);
    }
    watch.interrupted(bus);
    let ended = conversation.arrives(&Inbound::Ended);
    judge.inbound(&ended, bus);
    watch.inbound(&ended, bus);
    let summary = trace.close();
    ensure!(summary.failed.is_none());
    compare(&tshark, &file)?;
    let kinds: std::collections::BTreeSet<String> = decoded(&file)?
        .iter()
        .filter_map(|f| f["kind"].as_str().map(str::to_owned))
        .collect();
    // `lost` needs a disk that does not keep up; the sink's own test has one.
    ensure!(kinds.len() == 12, "{kinds:?}");
    Ok(())
}
