//! The timeline of a session: every call is one slice, slices of a row contain each other or do not touch, and every
//! reverse call of a library load stands in the call that needs it.

use anyhow::{Context, Result, ensure};
use emu_lab::trace::Options;
use emu_lab::trace::decode::{Decoder, Meaning};
use emu_lab::trace::read::Reader;
use emu_lab::trace::timeline::Timeline;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tests::{golden, trace};

/// Begin and end in microseconds, and the event.
type Slice<'a> = (f64, f64, &'a Value);

fn draw(file: &Path) -> Result<(Value, Vec<u64>, usize)> {
    let (mut reader, mut decoder) = (Reader::open(file)?, Decoder::default());
    let mut timeline = Timeline::default();
    let (mut requests, mut reverse) = (Vec::new(), 0);
    while let Some(record) = reader.next_record()? {
        let line = decoder.next_line(record);
        match line.meaning {
            Meaning::Request(_) => requests.push(u64::from(line.packet.sequence)),
            Meaning::ReverseDone(..) => reverse += 1,
            _ => {}
        }
        timeline.add(&line, reader.label(line.packet.dsp));
    }
    // As a viewer gets it.
    let text = serde_json::to_string(&timeline.finish())?;
    Ok((serde_json::from_str(&text)?, requests, reverse))
}

fn number(event: &Value, field: &str) -> Result<f64> {
    event[field]
        .as_f64()
        .with_context(|| format!("{field} of {event}"))
}

fn check(file: &Path) -> Result<(usize, usize)> {
    let (json, requests, reverse) = draw(file)?;
    let events = json["traceEvents"].as_array().context("traceEvents")?;
    let slices: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X").collect();
    let mut drawn: Vec<u64> = slices
        .iter()
        .filter(|e| e["cat"] == "invoke")
        .filter_map(|e| e["args"]["packet"].as_u64())
        .collect();
    drawn.sort_unstable();
    ensure!(drawn == requests, "calls {requests:?}, slices of {drawn:?}");
    let mut rows: BTreeMap<(u64, u64), Vec<Slice>> = BTreeMap::new();
    for slice in &slices {
        let (start, length) = (number(slice, "ts")?, number(slice, "dur")?);
        ensure!(length >= 0.0);
        let row = (number(slice, "pid")? as u64, number(slice, "tid")? as u64);
        rows.entry(row).or_default().push((start, start + length, slice));
    }
    let names = |what: &str| -> std::collections::BTreeSet<(u64, u64)> {
        let named = events.iter().filter(|e| e["ph"] == "M" && e["name"] == what);
        named
            .map(|e| (e["pid"].as_u64().unwrap(), e["tid"].as_u64().unwrap()))
            .collect()
    };
    let named = names("thread_name");
    for (row, slices) in &rows {
        ensure!(named.contains(row), "the row {row:?} has no name");
        ensure!(
            row.0 < 1 << 31 && row.1 < 1 << 31,
            "viewers have 32 bits for {row:?}"
        );
        for (n, (a, b, one)) in slices.iter().enumerate() {
            for (c, d, other) in &slices[n + 1..] {
                // Half a nanosecond, which no clock here tells apart.
                let e = 0.0005;
                let apart = *b <= c + e || *d <= a + e;
                let inside = (*a <= c + e && *d <= b + e) || (*c <= a + e && *b <= d + e);
                ensure!(apart || inside, "{one} and {other} overlap");
            }
        }
    }
    let reversed: Vec<_> = slices.iter().filter(|e| e["cat"] == "reverse").collect();
    ensure!(
        reversed.len() >= reverse,
        "{} of {reverse} reverse calls",
        reversed.len()
    );
    Ok((requests.len(), reversed.len().saturating_sub(reverse)))
}

#[test]
fn every_call_of_a_session_is_one_slice() -> Result<()> {
    for session in trace::all_or_skip()?.unwrap_or_default() {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("golden.pcapng");
        golden::record(&session, &file, Options::default())?;
        let (calls, nested) = check(&file).with_context(|| session.name.clone())?;
        println!(
            "{}: {calls} calls, {nested} reverse calls inside of them",
            session.name
        );
        // Loading a skeleton takes reverse calls, and remotectl's open is what waits for them.
        ensure!(
            !session.name.starts_with("calculator") || nested > 3,
            "{}",
            session.name
        );
    }
    Ok(())
}
