//! What each fuzz target does with its bytes; `tests/fuzz_bodies.rs` runs them, too, on the stable compiler.

use std::path::Path;

use emu_lab::account::Suppressions;
use emu_lab::replay::Recording;
use emu_lab::scenario::{Case, Scenario};
use emu_lab::trace::Packet;
use emu_lab::trace::decode::Decoder;
use emu_lab::trace::read::{Reader, Record};
use emu_lab::trace::timeline::Timeline;

const NAME: &str = "fuzz";

/// A file of any bytes: its packets are decoded and drawn, and it is a run that can be played or none.
pub fn recording(data: &[u8]) {
    let mut reader = Reader::of(data, Path::new(NAME));
    let mut records = Vec::new();
    while let Ok(Some(record)) = reader.next_record() {
        records.push(record);
    }
    // A packet takes its 16 bytes at least.
    assert!(records.len() <= data.len() / 16);
    show(records);
    let _ = Recording::of(Reader::of(data, Path::new(NAME)), None);
}

/// Pieces with their lengths before them, each a packet's kind, its direction and its content. They are read and written again
/// the same.
pub fn packet(data: &[u8]) {
    let mut records = Vec::new();
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        let (piece, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        let [kind, direction, content @ ..] = piece else {
            continue;
        };
        let number = records.len() as u64 + 1;
        let mut bytes = vec![1, kind % 14, direction % 4, 0];
        // Every other packet explains the one before.
        bytes.extend((number as u32).to_le_bytes());
        bytes.extend(((number - 1) as u32).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(content);
        if let Ok(packet) = Packet::parse(&bytes) {
            assert_eq!(Packet::parse(&packet.encode()).as_ref(), Ok(&packet));
            records.push(Record {
                number,
                time: number,
                packet,
            });
        }
    }
    show(records);
}

fn show(records: Vec<Record>) {
    let mut decoder = Decoder::default();
    let mut timeline = Timeline::default();
    for record in records {
        let line = decoder.next_line(record);
        assert!(!emu_lab::trace::text::line(&line, NAME).is_empty());
        timeline.add(&line, NAME);
    }
    drop(timeline.finish());
}

/// A text is a scenario, a case, a list of suppressions, or an error that says where.
pub fn scenario(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let scenario = Scenario::parse(&text, NAME);
    if let Err(error) = &scenario {
        assert!(!error.to_string().is_empty());
    }
    if Case::parse(&text, NAME).is_ok() {
        assert!(scenario.is_ok(), "a case is a scenario");
    }
    let _ = Suppressions::parse(&text);
}
