//! Runs that this program recorded: each byte of the trace, of GLINK and of FastRPC is read and written again the same, and
//! the DSP of today answers as the one of then did. See `runs/README.md` and `qda/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emu_lab::replay::recording::Exchange;
use emu_lab::replay::{Recording, dsp};
use emu_lab::trace::Run::{Begins, Ends};
use emu_lab::trace::decode::{Decoder, Line, Meaning, Value};
use emu_lab::trace::read::Reader;
use emu_lab::trace::{Body, Direction, text};
use rpmsg::fastrpc::{Message, Response};
use rpmsg::glink::Command;
use rpmsg::iface::handle;

/// A run, and each of its DSPs that is called with the number of its requests and of its answers.
type Run = (&'static str, &'static [(&'static str, usize, usize)]);

/// What fastrpc said.
const FASTRPC: [Run; 4] = [
    ("runs/calculator-7.3", &[("cdsp", 20, 20)]),
    ("runs/calculator-6.12", &[("cdsp", 20, 20)]),
    ("runs/board-7.3", &[("cdsp", 20, 20), ("adsp", 20, 20)]),
    // The backtrace of a process that crashed has addresses of the board's firmware.
    ("runs/board-crash-7.3", &[("cdsp", 15, 15)]),
];
/// What QDA said.
const QDA: [Run; 16] = [
    ("qda/v1-rpm-basic", &[("cdsp", 19, 19)]),
    ("qda/v1-board-basic", &[("cdsp", 19, 19)]),
    ("qda/v1-rpm-maps", &[("cdsp", 84, 84)]),
    ("qda/v1-board-maps", &[("cdsp", 84, 84)]),
    ("qda/v1-rpm-run", &[("cdsp", 28, 28)]),
    (
        "qda/v1-rpm-library-with-shim",
        &[("adsp", 1, 1), ("cdsp", 20, 20)],
    ),
    ("qda/rfc-rpm-drive", &[("cdsp", 24, 24)]),
    (
        "qda/rfc-rpm-library-unmodified",
        &[("adsp", 1, 1), ("cdsp", 20, 20)],
    ),
    (
        "qda/rfc-board-library-unmodified",
        &[("adsp", 1, 1), ("cdsp", 20, 20)],
    ),
    ("qda/v1-rpm-crash", &[("cdsp", 29, 29)]),
    ("qda/v1-board-crash", &[("cdsp", 29, 29)]),
    ("qda/context-reuse-sig-both", &[("cdsp", 15, 15)]),
    ("qda/context-reuse-kill-both", &[("cdsp", 25, 25)]),
    ("qda/context-reuse-sig", &[("cdsp", 15, 14)]),
    ("qda/context-reuse-kill", &[("cdsp", 25, 24)]),
    ("qda/context-reuse-rfc-kill9", &[("adsp", 2, 2), ("cdsp", 39, 38)]),
];
/// Runs in which a process crashed whose report, in the AP's log, is another one today: it left a frame out where a static
/// function had crashed, and showed no thread pointer. Requests and answers up to the report are the same, so many.
const OTHER_REPORT: [(&str, usize, usize); 2] =
    [("qda/v1-rpm-crash", 14, 13), ("qda/v1-board-crash", 12, 12)];
/// Length of a FastRPC request, of an answer.
const REQUEST: usize = 40;
const ANSWER: usize = 16;

fn file(run: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/{run}.pcapng"))
}

fn runs() -> impl Iterator<Item = &'static Run> {
    FASTRPC.iter().chain(&QDA)
}

/// What stands before the padding.
#[track_caller]
fn assert_begins(encoded: &[u8], bytes: &[u8]) {
    let (begin, padding) = encoded.split_at(bytes.len());
    assert_eq!(begin, bytes);
    assert!(padding.len() < 8 && padding.iter().all(|byte| *byte == 0));
}

#[test]
fn every_byte_is_read_and_written_again() {
    for (run, dsps) in runs() {
        let (requests, answers) = dsps.iter().fold((0, 0), |(asked, told), (_, requests, answers)| {
            (asked + requests, told + answers)
        });
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let bytes = std::fs::read(file(run)).unwrap();
        let mut at = 0;
        for packet in Reader::read_all(&file(run))
            .unwrap()
            .into_iter()
            .map(|record| record.packet)
        {
            // The file has it as we would write it, behind those before and the head of its block; first come the DSPs.
            let room = if at == 0 { 4096 } else { 100 };
            let encoded = packet.encode();
            let found = bytes[at..]
                .windows(encoded.len())
                .position(|bytes| bytes == encoded);
            assert!(found.is_some_and(|head| head < room), "{run}: {packet:?}");
            at += found.unwrap() + encoded.len();
            *seen.entry(packet.body.name()).or_default() += 1;
            let Body::Glink(bytes) = &packet.body else {
                continue;
            };
            let command = Command::parse(bytes).unwrap();
            assert_begins(&command.encode(), bytes);
            let Command::TxData { data, .. } = command else {
                continue;
            };
            match (packet.direction, data.len()) {
                (Direction::ToDsp, REQUEST) => {
                    assert_eq!(Message::parse(&data).unwrap().encode(), data, "{run}");
                    *seen.entry("request").or_default() += 1;
                }
                (Direction::ToAp, ANSWER) => {
                    assert_eq!(Response::parse(&data).unwrap().encode()[..], data[..], "{run}");
                    *seen.entry("answer").or_default() += 1;
                }
                // The other services of a board's DSP have channels of their own.
                _ => {}
            }
        }
        assert!(
            bytes.len() - at < 200,
            "{run}: {} bytes are not read",
            bytes.len() - at
        );
        println!("{run}: {seen:?}");
        let count = |what: &str| seen.get(what).copied().unwrap_or(0);
        assert_eq!(
            (count("request"), count("answer")),
            (requests, answers),
            "{run}: {seen:?}"
        );
        assert!(count("memory") > count("request"), "{run}: {seen:?}");
    }
}

#[test]
fn the_dsp_answers_as_it_did() {
    for (run, dsps) in runs() {
        let file = file(run);
        let labels: Vec<_> = dsps.iter().map(|(label, ..)| *label).collect();
        assert_eq!(Recording::labels(&file).unwrap(), labels, "{run}");
        for (label, requests, answers) in *dsps {
            let recording = Recording::read(&file, Some(label)).unwrap();
            let report = dsp::play(&recording).unwrap();
            println!("{run}, {label}: {report:?}");
            let other = OTHER_REPORT.iter().find(|(other, ..)| other == run);
            let (requests, answers) = match other {
                None => {
                    assert_eq!(report.difference, None, "{run}, {label}");
                    (*requests, *answers)
                }
                Some(&(_, requests, answers)) => {
                    let difference = report.difference.as_deref().unwrap_or_default();
                    assert!(
                        difference.starts_with("adsp_listener1.next2 "),
                        "{run}: {difference}"
                    );
                    (requests, answers)
                }
            };
            assert_eq!(
                (report.requests, report.answers),
                (requests, answers),
                "{run}, {label}"
            );
            // Without a skeleton there is little to say; a file that does nothing is only released.
            assert!(report.bytes > 100 || requests < 3, "{run}, {label}: {report:?}");
        }
    }
}

/// Everything that a run says, line by line.
fn lines(run: &str) -> Vec<Line> {
    let mut decoder = Decoder::default();
    let records = Reader::read_all(&file(run)).unwrap();
    records
        .into_iter()
        .map(|record| decoder.next_line(record))
        .collect()
}

/// The field of each request, if it has it.
fn field_of_requests(run: &str, name: &str) -> Vec<Option<Value>> {
    let lines = lines(run);
    let requests = lines
        .iter()
        .filter(|line| matches!(line.meaning, Meaning::Request(_)));
    requests.map(|line| line.fields.get(name).cloned()).collect()
}

#[test]
fn requests_of_qda_are_known_by_their_contexts_and_no_others() {
    for (run, _) in &FASTRPC {
        assert!(
            field_of_requests(run, "fastrpc.driver")
                .iter()
                .all(Option::is_none),
            "{run}"
        );
    }
    for (run, _) in &QDA {
        let qda = Some(Value::Text("qda".into()));
        let known = field_of_requests(run, "fastrpc.driver");
        let of_qda = known.iter().filter(|driver| **driver == qda).count();
        // From the first request on that follows the creation of a process.
        assert!(of_qda + 6 > known.len() && of_qda > 10, "{run}: {known:?}");
    }
    let asked = field_of_requests("qda/v1-rpm-basic", "fastrpc.qda_request");
    for request in [
        "REMOTE_MAP legacy",
        "REMOTE_MUNMAP legacy",
        "REMOTE_MAP attr",
        "REMOTE_MUNMAP attr",
        "close",
    ] {
        assert!(
            asked.contains(&Some(Value::Text(request.into()))),
            "{request}: {asked:?}"
        );
    }
}

/// The answer to a killed process's call goes out before that to its release, which has the same context: the wire does not say which
/// is which, and a DSP that answers them the other way round answers as it did.
#[test]
fn answers_of_one_context_may_be_either_calls() {
    let recording = Recording::read(&file("qda/context-reuse-kill-both"), Some("cdsp")).unwrap();
    let shared: Vec<_> = recording.exchanges.iter().filter(|e| e.group.is_some()).collect();
    let [older, newer] = shared[..] else {
        panic!("{shared:?}")
    };
    assert_eq!((older.message.ctx, older.group), (newer.message.ctx, newer.group));
    assert_eq!(
        (older.name.as_str(), newer.name.as_str()),
        ("bench.5", "process_control.release")
    );
    let retval = |exchange: &Exchange| exchange.answer.as_ref().map(|answer| answer.retval);
    assert_eq!((retval(newer), retval(older)), (Some(0x27), Some(0)));
}

/// A signal ends a call, whose context is given out again while the DSP still works on it.
#[test]
fn calls_of_one_context_are_told_apart() {
    let lines = lines("qda/context-reuse-sig");
    let text = |what: &str| {
        let shown = lines.iter().map(|line| text::line(line, "cdsp"));
        let found: Vec<String> = shown.filter(|line| line.contains(what)).collect();
        found
    };
    let reused = text("has the same context and no answer");
    assert!(reused.len() > 1, "{reused:?}");
    assert!(reused[0].contains("bench.2 ctx 0x10"), "{reused:?}");
    let answers = text("if it is not that of bench.5");
    assert!(answers[0].contains("bench.2 ctx 0x10: answer 0x0"), "{answers:?}");
    // A DSP thread begins and ends one and the same call, whatever has its context by then.
    let mut running = BTreeMap::new();
    let mut whole = Vec::new();
    for line in &lines {
        let (Meaning::Runs(call), Body::Thread { run, thread, .. }) = (&line.meaning, &line.packet.body)
        else {
            continue;
        };
        match run {
            Begins => drop(running.insert(*thread, *call)),
            Ends => whole.push((
                running.remove(thread) == Some(*call),
                line.fields.get("thread.request").cloned(),
            )),
        }
    }
    assert!(
        whole.len() > 2 && whole.iter().all(|(same, _)| *same),
        "{whole:?}"
    );
    let of: Vec<_> = whole.iter().filter_map(|(_, request)| request.clone()).collect();
    assert_eq!(of.len(), whole.len(), "{whole:?}");
    assert!(
        of.iter()
            .enumerate()
            .all(|(at, request)| !of[..at].contains(request)),
        "{of:?}"
    );
}

/// What a run opens has its name in each call of it, on an edge with intents, too, where commands stand between a request and its
/// memory.
#[test]
fn calls_have_the_names_of_what_was_opened() {
    for (run, _) in &FASTRPC[..3] {
        let mut decoder = Decoder::default();
        let mut named = 0;
        for record in Reader::read_all(&file(run)).unwrap() {
            let line = decoder.next_line(record);
            let Meaning::Request(call) = line.meaning else {
                continue;
            };
            if call.message.handle > handle::LAST_RESERVED {
                assert_eq!(
                    call.interface.as_deref(),
                    Some("calculator"),
                    "{run}: {}",
                    call.name()
                );
                named += 1;
            }
        }
        assert!(named > 0, "{run}");
    }
}
