//! Runs that this program recorded: each byte of the trace, of GLINK and of FastRPC is read and written again the same, and
//! the DSP of today answers as the one of then did. See `runs/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emu_lab::replay::{Recording, dsp};
use emu_lab::trace::decode::{Decoder, Meaning};
use emu_lab::trace::read::Reader;
use emu_lab::trace::{Body, Direction};
use rpmsg::fastrpc::{Message, Response};
use rpmsg::glink::Command;
use rpmsg::iface::handle;

/// Each run, its DSPs that are called, and how many requests each gets.
const RUNS: [(&str, &[&str], usize); 3] = [
    ("calculator-7.3", &["cdsp"], 20),
    ("calculator-6.12", &["cdsp"], 20),
    ("board-7.3", &["cdsp", "adsp"], 20),
];
/// Length of a FastRPC request, of an answer.
const REQUEST: usize = 40;
const ANSWER: usize = 16;

fn file(run: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/runs/{run}.pcapng"))
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
    for (run, dsps, requests) in RUNS {
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
        assert!(count("request") >= requests * dsps.len(), "{run}: {seen:?}");
        assert!(count("answer") >= requests * dsps.len(), "{run}: {seen:?}");
        assert!(count("memory") > count("request"), "{run}: {seen:?}");
    }
}

#[test]
fn the_dsp_answers_as_it_did() {
    for (run, dsps, requests) in RUNS {
        let file = file(run);
        assert_eq!(Recording::labels(&file).unwrap(), dsps, "{run}");
        for label in dsps {
            let recording = Recording::read(&file, Some(label)).unwrap();
            let report = dsp::play(&recording).unwrap();
            assert_eq!(report.difference, None, "{run}, {label}");
            assert_eq!(
                (report.requests, report.answers),
                (requests, requests),
                "{run}, {label}"
            );
            assert!(report.bytes > 10_000, "{run}, {label}: {report:?}");
        }
    }
}

/// What a run opens has its name in each call of it, on an edge with intents, too, where commands stand between a request and its
/// memory.
#[test]
fn calls_have_the_names_of_what_was_opened() {
    for (run, _, _) in RUNS {
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
